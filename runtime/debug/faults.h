/* faults.h: the fault matrix: a playbook is run once without a fault, against simulators and in virtual time,
** and then again for each of its requests and each fault, and for each of its commits and a death before and
** after it.  One such run is a *cell*.  People say yes to what they are asked, and look at the vendor when a
** step is in doubt.  A cell is right when
**
**   it came somewhere   the run ended, with an error that names a step or a line where it failed; or it
**                       waits, and says for what and what to do
**   nothing twice       what is not idempotent was done once at most; what takes something from somebody, not
**                       again in another life
**   nothing lost        what was committed is in the journal, byte for byte, and so is whatever was done
**   nothing untrue      what a step says it did was done, what it says it did not, was not
**   the ledger          agrees with what the vendors have, and has all that the run changed
**   nothing unsaid      what the run without a fault did, and this one did not, is told in its report
**   a replay            of the journal comes to the same end
**
** A cell is the same again to the last byte: it depends on case, seed and number alone.  What a run starts as
** a run of its own is carried along, and not looked at. */
#ifndef LN_FAULTS_H
#define LN_FAULTS_H

#include "debug/simset.h"

typedef struct ln_faults_run {
  const char *playbook;
  ln_str input;               /* an encoded object */
  const char *vendor, *chunk; /* done to that simulator first; NULL: nothing */
} ln_faults_run;

typedef struct ln_faults_case { /* the last of the runs is hit; the others come first */
  const char *name;
  const ln_faults_run *runs;
  size_t n;
} ln_faults_case;

enum { LN_FAULTS_TEXT = 1024, LN_FAULTS_STEP = 256 };

typedef struct ln_faults_cell { /* lent */
  const char *name;             /* of the case */
  size_t number;                /* from 1 */
  const char *step;             /* the effect; "" of what is the run's own */
  char where[160];              /* "request 2, okta.users", "commit 5" */
  const char *fault;            /* "429", "crash-after" … */
  const char *state, *outcome;  /* how the run ended, or "waiting" */
  int doubts, lives;
  uint64_t trace;    /* of its journal: a cell always has the same */
  const char *wrong; /* NULL: it is right */
} ln_faults_cell;

typedef struct ln_faults_opts {
  uint64_t seed;
  int jobs;                                         /* cells at once */
  size_t every;                                     /* of all cells one in so many, by chance; 0, 1: all */
  size_t only;                                      /* that cell; 0: all */
  bool shown;                                       /* on standard output, what happens in a cell */
  bool until_wrong;                                 /* the first wrong one is the last */
  const char *folder;                               /* where files of playbooks may go; it is there */
  void (*told)(void *arg, const ln_faults_cell *c); /* each, as it ends */
  void *arg;
} ln_faults_opts;

typedef struct ln_faults_sum {
  size_t effects, requests, commits;                  /* of the run without a fault */
  size_t polls;                                       /* requests that are left out: alike */
  size_t cells, lived, wrong;                         /* that there are; that were gone through */
  size_t completed, partial, failed, waiting, doubts; /* of the runs */
} ln_faults_sum;

/* Goes through a case.  sum is added to.  False: it could not be begun, or is wrong without a fault. */
bool ln_faults_go(ln_simset *s, const ln_faults_case *c, const ln_faults_opts *o, ln_faults_sum *sum,
                  ln_err *err);

#endif
