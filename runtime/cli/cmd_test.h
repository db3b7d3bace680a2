/* cmd_test.h: what the files cmd_test*.c share. */
#ifndef LN_CMD_TEST_H
#define LN_CMD_TEST_H

#include "cli/app.h"
#include "cli/sources.h"
#include "debug/playtest.h"

typedef struct ln_test_args {
  const char *config;
  bool update, faults, coverage, watch;
  const char *lcov;       /* NULL: no file */
  const char *from, *out; /* a run, and the file that its test goes to; NULL: none */
  char *const *paths;
  int n;
} ln_test_args;

int ln_test_once(const ln_test_args *a); /* the exit status */
int ln_test_from(const ln_test_args *a);
int ln_test_watch(const ln_test_args *a); /* until it is stopped */
/* The configured files; asked for are the tests that the arguments mean. */
bool ln_test_files(const ln_config *c, const ln_test_args *a, ln_sources *s, ln_err *err);

typedef struct ln_test_seen { /* when a written test was gone through */
  bool ok;
  char ended[16]; /* the state of its run; "" not known yet */
  ln_buf written, why;
} ln_test_seen;

typedef struct ln_test_making {
  const char *path; /* of a file that is not there yet */
  bool (*text)(void *arg, ln_engine *g, const ln_test_seen *s, ln_buf *out, ln_err *err);
  void *arg;
  const char *otherwise; /* why it may not pass */
} ln_test_making;

/* Writes a test, and sees that it passes; prints its path.  c: another configuration than the app's, the same
** file.  The exit status. */
int ln_test_make(const ln_test_making *m, ln_app *app, ln_config *c);

/* One for the files of playbooks, removed at the process's end; NULL: err.  The options that go with it. */
const char *ln_test_folder(ln_err *err);
ln_playtest_opts ln_test_opts(void);
ln_simset *ln_test_set(ln_config *c, ln_err *err); /* what tests stand on; the process's */

#endif
