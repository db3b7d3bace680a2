/* crash.h: what the parts of the crash test know of each other.
**
** A seed is a *story*: the program itself, as its users have it, on one store and against `lunette sim` over
** real HTTP; its processes are started, killed with SIGKILL and started again, while people ask, answer and
** cancel. When all runs have ended the checker of the simulation (tests/sim/check.c) compares what the
** vendors wrote down with journal, ledger and reports.  A story is a process of its own (main.c); the seed
** draws what is started, who is killed and when, but how far a process has come by then is the machine's
** affair: a seed repeats the plan, not the race. */
#ifndef CRASH_H
#define CRASH_H

#include "tests/sim/sim.h"

#include <stdio.h>
#include <sys/types.h>

enum { PROCS = 48, OUT_MAX = 1 << 20, TOLD = 4096, DEEDS = 4096, VENDORS = 5 };

/* ------------------------------------------------------------------ processes (process.c) */

/* CARRY: run or resume, which shows and perhaps carries a run; LEFT: what `run --detach` left behind. */
typedef enum role { NOBODY, SIMULATORS, WIRE, SERVE, CARRY, LEFT, WATCH, PERSON, ROLES } role;

typedef struct proc {
  pid_t pid;
  role role;
  int id;                 /* the vendors know it by this (its token)          */
  int out, tty;           /* its output; its terminal, where it has one      */
  int run;                /* of here->runs; -1: none                         */
  char ulid[LN_ULID + 1]; /* of the run that it was started for, if known    */
  char what[80];          /* the command                                     */
  int64_t approval;       /* that it answers; 0: none                        */
  bool yes, json, detach, killed, done;
  int status;              /* once it is done                                 */
  int dies_at_line, lines; /* of its output; 0: not                           */
  ln_buf text;             /* what it wrote                                   */
  size_t read;             /* whole lines of it that were looked at           */
} proc;

/* Starts lunette with these arguments (the last one NULL).  It dies with us.  tty: its input is a terminal */
proc *crash_start(role r, bool tty, const char *const args[]);
proc *crash_add(role r); /* of a process that is begun otherwise            */
void crash_kill(proc *p, int signal);
/* Waits until something happens, or a moment is over: output is read, ends are noted, those that a detached
** run left are found. */
void crash_wait(int64_t ms);
/* Forgets the ones that are done, after story.c has heard of each. */
void crash_reap(void (*over)(proc *p));
size_t crash_alive(role r);
void crash_kill_all(void);
int64_t crash_now(void); /* the wall's, in ms                               */
void crash_say(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* what happens                 */

/* ------------------------------------------------------------------ the vendors' record (record.c) */

typedef struct deed {
  char vendor[16], op[32], ulid[LN_ULID + 1], step[SIM_STEP]; /* step "": the vendor was not told           */
  char what[400]; /* its texts, in lower case: who and what it was   */
  int by;         /* the process; 0: not known                       */
  int64_t seen_ms;
} deed;

bool crash_record_open(void); /* the simulators' log, a pipe: crash.log          */
void crash_record_read(void); /* what has come                                   */
/* How often the vendors did this write, by op, entity and facet, or by its tag.  */
int crash_record_did(const char *ulid, ln_str step, ln_str op, ln_str entity, ln_str facet);
void crash_record_check(void); /* fills here->req for the checker                 */

/* ------------------------------------------------------------------ a peer that behaves badly (wire.c) */

/* What it does to a request, or to its answer. */
typedef enum fault { GOOD, BEFORE, AFTER, RESET, HALF, HEAD, TWICE, BYTES, HANG, FAULTS } fault;
extern const char *const crash_faults[FAULTS];

/* ------------------------------------------------------------------ the story */

typedef enum mode { ALONE, SERVED, CROWD, MODES } mode;
extern const char *const crash_modes[MODES];

typedef struct told {
  int run;
  char ulid[LN_ULID + 1], step[SIM_STEP], state[16];
} told;
typedef struct vote {
  int64_t approval;
  bool yes;
} vote;

typedef struct story {
  const char *program, *root;                      /* the lunette that is killed; the tree            */
  char folder[256], config[300], url[VENDORS][64]; /* by name, acme first                             */
  mode mode;
  FILE *said;  /* what happened                                   */
  fault only;  /* of all that a peer can do; GOOD: anything       */
  double wire; /* how often the peer behaves badly (wire.c)       */
  int kills, want_kills, n_deeds, lines;
  int killed[ROLES];
  int64_t begin_ms, patience_ms, calm_ms, next_kill_ms; /* calm: since when nobody is killed any more      */
  int dies_at_deed;                        /* who does so many more deeds is killed then; 0   */
  proc procs[PROCS];
  deed deeds[DEEDS];
  bool doubled[SIM_RUNS]; /* it was begun twice: its starter was killed      */
  told told[TOLD];
  int n_told;
  vote votes[TOLD];
  int n_votes;
  ln_engine engine; /* the one that reads: host state and connectors   */
  int log;
} story;

extern story *tale; /* the one under way                               */

void crash_story(uint64_t seed);
void crash_deed(const deed *d); /* story.c: one more was done                      */
void crash_dies(proc *p);       /* now, if deaths are not over                     */

/* people.c: looks into the store, and does what people and other programs do */
void crash_people(void);
bool crash_all_over(void);             /* by the last look: nothing is open any more      */
void crash_told(proc *p, ln_str line); /* a line of a process that shows a run            */
void crash_acknowledged(proc *p);      /* it ended: what did it say?                      */

/* world.c: files */
bool crash_library(void); /* the simulators'                                 */
bool crash_world(void);   /* once they listen: configuration and engine      */

/* wire.c: begins a peer between us and the vendor at url, which becomes the peer's; bad: how often it
** behaves so */
bool crash_wire(char url[64], double bad);

/* verdict.c: after the last death */
int crash_dial(const char *url); /* a socket; -1: nobody is there                   */
void crash_verdict(void);

#endif
