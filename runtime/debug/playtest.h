/* playtest.h: tests of playbooks.  A test file (NAME_test.lua) calls `test "name" (function(sim) … end)`;
** each test is a whole history: a playbook's runs against the simulators in this process, in virtual time,
** in a child forked from a set that was made once (simset.h).  So no test sees what another one did, one
** may break what it likes, and each is the same again.
**
** What a test can say is stdlib/sim/test.lua; it runs in the simulators' Lua state, so it may look at what
** a vendor has, and change it. */
#ifndef LN_PLAYTEST_H
#define LN_PLAYTEST_H

#include "debug/simset.h"

typedef struct ln_playtest_result { /* lent */
  const char *file, *name;          /* name: of the test; "" of a file that cannot be read */
  bool ok;
  ln_str why;     /* lines: which expectation, what was instead, file and line; what it printed */
  ln_str ended;   /* the state of the run that it began last; "" none */
  ln_str written; /* an encoded array of { args, op, step }: what its runs wrote */
  ln_str runs;    /* an encoded array of { input, playbook }: what it ran, in order; nothing of a
                                       test that arranged something first */
} ln_playtest_result;

typedef struct ln_lines { /* how often each line of a script was reached; shared with the children */
  const char *path;       /* as its chunk is called */
  uint32_t *hits;         /* hits[line], 1 to lines */
  size_t lines;
} ln_lines;

typedef struct ln_playtest_opts {
  uint64_t seed;
  int jobs;           /* tests at once */
  bool update;        /* stored texts are written anew */
  const char *folder; /* where files of playbooks may go; it is there */
  ln_lines *lines;    /* scripts to be counted; NULL: none */
  size_t n_lines;
  void (*told)(void *arg, const ln_playtest_result *r); /* each, in the order of files and lines */
  void *arg;
} ln_playtest_opts;

typedef struct ln_playtest_sum {
  size_t passed, failed;
} ln_playtest_sum;

/* Loads the files, and goes through their tests.  sum is added to.  False: that could not be begun. */
bool ln_playtest_go(ln_simset *s, const char *const *files, size_t n, const ln_playtest_opts *o,
                    ln_playtest_sum *sum, ln_err *err);

#endif
