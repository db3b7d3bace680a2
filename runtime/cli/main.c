/* main.c: finds the command, and lets it work. */
#include "cli/app.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

typedef struct command {
  const char *name;
  int (*fn)(int argc, char **argv);
  const char *what;
} command;

static const command commands[] = {
    {"run", ln_cmd_run, "runs a playbook"},
    {"runs", ln_cmd_runs, "lists runs, newest first"},
    {"show", ln_cmd_show, "one run: found, done, not done"},
    {"resume", ln_cmd_resume, "goes on with a run, or settles its doubt"},
    {"cancel", ln_cmd_cancel, "stops a run"},
    {"repl", ln_cmd_repl, "a prompt: fresh, or at a point of a past run"},
    {"serve", ln_cmd_serve, "carries all runs of a store"},
    {"watch", ln_cmd_watch, "one run, live"},
    {"approvals", ln_cmd_approvals, "what waits for a person"},
    {"approve", ln_cmd_approve, "answers yes"},
    {"deny", ln_cmd_approve, "answers no"},
    {"signal", ln_cmd_signal, "sends something to a run"},
    {"call", ln_cmd_call, "one connector operation"},
    {"alert", ln_cmd_alert, "normalises alerts, or hands them in"},
    {"triggers", ln_cmd_triggers, "the playbooks that alerts or the clock start"},
    {"alerts", ln_cmd_alerts, "the alerts that came, and what they started"},
    {"sim", ln_cmd_sim, "the vendor simulators as servers"},
    {"check", ln_cmd_check, "examines scripts"},
    {"test", ln_cmd_test, "runs tests of playbooks"},
    {"new", ln_cmd_new, "a skeleton of a playbook, a connector, a test"},
    {"secret", ln_cmd_secret, "the vault: set, list, rm"},
    {"token", ln_cmd_token, "who may use the HTTP API: add, list, rm"},
    {"audit", ln_cmd_audit, "what was decided and done: verify, export, checkpoint"},
    {"freeze", ln_cmd_freeze, "stops all writes"},
    {"thaw", ln_cmd_freeze, "lets them go on"},
    {"replay", ln_cmd_replay, "past runs gone through again, from their journals"},
    {"dap", ln_cmd_dap, "the same for editors, step by step in both directions"},
    {"migrate", ln_cmd_migrate, "moves waiting runs to the newest scripts"},
    {"entity", ln_cmd_entity, "what Lunette holds"},
    {"undo", ln_cmd_undo, "takes back what a run did"},
    {"release", ln_cmd_release, "lifts what is held of something"},
    {"hold", ln_cmd_hold, "prolongs a lease"},
    {"backup", ln_cmd_backup, "a copy of the store"},
    {"prune", ln_cmd_prune, "old runs go to an archive"},
    {"doctor", ln_cmd_doctor, "is all in order?"},
    {"bench", ln_cmd_bench, "load: many runs of a playbook"}};

static int help(FILE *f) {
  fputs("usage: lunette COMMAND [options]\n\n", f);
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
    fprintf(f, "  %-10s %s\n", commands[i].name, commands[i].what);
  fputs("\nlunette COMMAND --help says more.\n", f);
  return f == stdout ? LN_EXIT_DONE : LN_EXIT_USAGE;
}

/* A standard stream that is closed would be the next file that is opened: the store, say, into which an error
** would be printed.  What takes its place fails as a closed one does. */
static void keep_streams(void) {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
      _exit(LN_EXIT_FAILED);
}

/* What was not read by anybody is no success. */
static int told(int code) {
  if (fflush(stdout) == 0 && !ferror(stdout)) return code;
  ln_app_usage("standard output cannot be written (%s): not all was told; lunette show tells it again",
               strerror(errno));
  return code == LN_EXIT_DONE ? LN_EXIT_FAILED : code;
}

static int dispatch(int argc, char **argv) {
  if (argc < 2) return help(stderr);
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) return help(stdout);
  if (strcmp(argv[1], "--version") == 0) return puts("lunette 0.1"), LN_EXIT_DONE;
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
    if (strcmp(commands[i].name, argv[1]) == 0) return commands[i].fn(argc - 1, argv + 1);
  return ln_app_usage("there is no command '%s': lunette --help lists them", argv[1]);
}

int main(int argc, char **argv) {
  keep_streams();
  return told(dispatch(argc, argv));
}
