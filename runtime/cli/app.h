/* app.h: what every command stands on: the configuration, the store, and a set of seams, the machine's or the
** simulated one; and how commands speak to people. */
#ifndef LN_APP_H
#define LN_APP_H

#include "engine/run.h"

#include <getopt.h>
#include <stdio.h>

enum {
  LN_EXIT_DONE = 0,
  LN_EXIT_FAILED = 1,
  LN_EXIT_USAGE = 2,
  LN_EXIT_WAITS = 3,
  LN_EXIT_UNUSABLE = 4,
  LN_EXIT_PARTIAL = 5,
  LN_EXIT_INTERRUPTED = 130
};

typedef struct ln_app_opts {
  const char *config;
  const char *store; /* a file instead of the configured one; NULL: that */
  bool sim;                                              /* simulators in the process, virtual time */
  const char *faults;                                    /* of the simulators; NULL: none */
  uint64_t seed;                                         /* of the simulated set; 0: one of chance */
  int64_t start_ms;                                      /* when its time begins; 0: now */
  bool runs;                                             /* this command runs runs: it needs an owner */
  bool alone;                                            /* not where another process serves the store */
  bool must_exist;                                       /* the store must be there already */
  bool looks;                                            /* the store is only looked at: nothing is written */
  bool seals;                                            /* it reaches only what its configuration names */
  bool no_store;
} ln_app_opts;

typedef struct ln_app {
  ln_engine g;
  ln_config *config;
  ln_rand seeded;
  void *simhost;
  struct ln_launcher *launcher; /* what may start the helper of secrets for us     */
  bool sim;
  bool served;                                           /* another process carries the store's runs */
} ln_app;

bool ln_app_open(ln_app *a, const ln_app_opts *o, ln_err *err);
void ln_app_close(ln_app *a);

/* What came from outside is shown as plain text (base/plain.h): on one line, padded to width; or with its
** lines. */
void ln_app_put(FILE *f, ln_str text, int width);
void ln_app_put_lines(FILE *f, ln_str text);
void ln_app_put_hold(const ln_hold *h); /* "ENTITY  FACET = STATE  (STATUS)" on standard output */
/* "lunette: what went wrong: what to do" on standard error; answers the exit status that the code calls
** for. */
int ln_app_fail(const ln_err *err);
int ln_app_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
bool ln_app_colour(FILE *f);                             /* a terminal, and NO_COLOR is not set */
const char *ln_app_user(void);                           /* the OS user's name; static */
/* When: a time, or a duration: so long ago.  "usage": option is for the message. */
bool ln_app_when(const ln_app *a, const char *option, const char *text, int64_t *ms, ln_err *err);
/* Opens another store than the configured one: a path, or sqlite:PATH. */
ln_store *ln_app_store(ln_app *a, const char *file, const ln_store_opts *o, ln_err *err);
bool ln_app_read(const char *path, ln_buf *out,
                 ln_err *err); /* a file, or "-": standard input; 64 MiB at most */
bool ln_app_input(ln_app *a, const char *json_file, char *const *sets, size_t n, const ln_declared *d,
                  ln_buf *value, ln_err *err);

/* Texts NAME=JSON as an encoded object, for ln_run_options.assume.  "usage", "syntax". */
bool ln_app_assume(ln_app *a, char *const *pairs, size_t n, ln_buf *out, ln_err *err);

/* The first of these signals is only noted from now on; the second one does what it always does. */
void ln_app_catch(int sig);
bool ln_app_interrupted(void);
/* For a prompt: each SIGINT is noted, and fn (async-signal-safe, or NULL) is called in its handler. */
void ln_app_catch_interrupts(void (*fn)(void));
bool ln_app_interrupt_taken(void);                       /* was there one?  It is forgotten then */
bool ln_app_await_input(void); /* false: a signal came before there was anything on standard input */

/* A secret: from a prompt without echo on a terminal, else all of standard input; one line end at its end is
** dropped.  Wipe out in any case.  "interrupted", "too_big". */
bool ln_app_secret(const char *what, ln_buf *out, ln_err *err);
/* The vault's passphrase, as ln_passphrase_fn: a line of the descriptor $LUNETTE_PASSPHRASE_FD, else from a
** terminal. */
bool ln_app_passphrase(void *arg, bool anew, ln_buf *out, ln_err *err);

/* The next of a command's options, as getopt_long has it, from 256 on; -1: no more; '?': one that is wrong,
** as was said.  Those that all commands share come last in its table. */
int ln_app_option(int argc, char **argv, const struct option *table);
/* False: text is no whole number within the bounds, as was said. */
bool ln_app_number(const char *option, const char *text, long long least, long long most, long long *out);
enum { LN_OPT_CONFIG = 1000, LN_OPT_JSON, LN_OPT_HELP };
#define LN_JSON_OPTION                                                                                       \
  { "json", no_argument, NULL, LN_OPT_JSON }
#define LN_COMMON_OPTIONS                                                                                    \
  {"config", required_argument, NULL, LN_OPT_CONFIG}, {"help", no_argument, NULL, LN_OPT_HELP}, {            \
    NULL, 0, NULL, 0                                                                                         \
  }

/* The commands, one a file: argv[0] is the command's name; each answers its exit status. */
int ln_cmd_run(int argc, char **argv);
int ln_cmd_resume(int argc, char **argv);
int ln_cmd_call(int argc, char **argv);
int ln_cmd_show(int argc, char **argv);
int ln_cmd_runs(int argc, char **argv);
int ln_cmd_cancel(int argc, char **argv);
int ln_cmd_repl(int argc, char **argv);
int ln_cmd_serve(int argc, char **argv);
int ln_cmd_watch(int argc, char **argv);
int ln_cmd_freeze(int argc, char **argv);                /* and thaw */
int ln_cmd_approvals(int argc, char **argv);
int ln_cmd_approve(int argc, char **argv);               /* and deny */
int ln_cmd_signal(int argc, char **argv);
int ln_cmd_alert(int argc, char **argv);
int ln_cmd_alerts(int argc, char **argv);
int ln_cmd_triggers(int argc, char **argv);
int ln_cmd_sim(int argc, char **argv);
int ln_cmd_check(int argc, char **argv);
int ln_cmd_test(int argc, char **argv);
int ln_cmd_new(int argc, char **argv);
int ln_cmd_secret(int argc, char **argv);
int ln_cmd_token(int argc, char **argv);
int ln_cmd_audit(int argc, char **argv);
int ln_cmd_entity(int argc, char **argv);
int ln_cmd_undo(int argc, char **argv);
int ln_cmd_release(int argc, char **argv);
int ln_cmd_hold(int argc, char **argv);
int ln_cmd_replay(int argc, char **argv);
int ln_cmd_dap(int argc, char **argv);
int ln_cmd_migrate(int argc, char **argv);
int ln_cmd_backup(int argc, char **argv);
int ln_cmd_prune(int argc, char **argv);
int ln_cmd_doctor(int argc, char **argv);
int ln_cmd_bench(int argc, char **argv);

#endif
