/* cmd_test.c: lunette test: playbook tests against simulators, in this process and its children; TAP. */
#include "cli/app.h"

#include "cli/sources.h"
#include "debug/playtest.h"
#include "modules/connector.h"
#include "modules/modules.h"
#include "modules/words.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct test_args {
  const char *config;
  bool update;
  char *const *paths;
  int n;
} test_args;

enum { OPT_UPDATE = 256, SEED = 1059 };

static const struct option options[] = {{"update", no_argument, NULL, OPT_UPDATE}, LN_COMMON_OPTIONS};
static const char help[] =
    "usage: lunette test [PATH...] [--update] [--config FILE]\n"
    "Runs the tests of playbooks (NAME_test.lua) against simulators, in virtual time.  A PATH is a file, its\n"
    "playbook, or a folder; without one all tests below the folders of scripts.  Prints TAP.\n"
    "  --update     stores the reports of snapshots anew\n"
    "Exit: 0 all passed, 1 some failed, 2 usage, 4 unusable.\n";

static const ln_op *find_op(ln_engine *g, ln_str name) {
  ln_err quiet;
  return ln_connectors_op(g, name, &quiet);
}

static ln_simset *make_set(ln_config *c, ln_err *err) {
  ln_simset_opts o = {.config = c,
                      .like = {.modules = lnL_modules, .open_words = lnL_open_words, .find_op = find_op},
                      .connect = ln_connectors_all,
                      .disk = "tests",
                      .slots = 3};
  int64_t cpu = c->cpu_us;
  ln_simset *s = ln_simset_new(&o, err);
  c->cpu_us = cpu; /* a runaway is one in a test, too */
  return s;
}

/* ------------------------------------------------------------------ telling */

typedef struct telling {
  size_t n;
} telling;

static void put_comment(ln_str text) {
  ln_str line, rest;
  for (; text.n; text = rest) {
    if (!ln_str_cut(text, '\n', &line, &rest)) line = text, rest = (ln_str){NULL, 0};
    fputs("#   ", stdout);
    ln_app_put(stdout, line, 0);
    putchar('\n');
  }
}

static void told(void *arg, const ln_playtest_result *r) {
  telling *t = arg;
  printf("%s %zu - ", r->ok ? "ok" : "not ok", ++t->n);
  ln_app_put(stdout, ln_str_of(r->file), 0);
  if (r->name[0]) fputs(": ", stdout);
  ln_app_put(stdout, ln_str_of(r->name), 0);
  putchar('\n');
  put_comment(r->why);
  fflush(stdout);
}

/* ------------------------------------------------------------------ the command */

static char folder[64];

static void remove_folder(void) {
  if (folder[0]) rmdir(folder);
}

static bool make_folder(ln_err *err) {
  snprintf(folder, sizeof folder, "%s/lunette-test-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
  if (!mkdtemp(folder)) return folder[0] = 0, ln_fail(err, "failed", LN_FINAL, "no folder: %s", strerror(errno));
  atexit(remove_folder);
  return true;
}

/* Who asks for a script means its tests. */
static void ask_for_tests_of(ln_sources *s, const ln_source *f) {
  size_t n = strlen(f->real) - strlen(".lua");
  for (size_t i = 0; i < s->n; i++)
    if (strncmp(s->v[i].real, f->real, n) == 0 && strcmp(s->v[i].real + n, "_test.lua") == 0)
      s->v[i].report = true;
}

static bool collect(const ln_config *c, const test_args *a, ln_sources *s, ln_err *err) {
  if (!ln_sources_configured(s, c, err)) return false;
  if (a->n > 0) ln_sources_ask_none(s);
  for (int i = 0; i < a->n; i++)
    if (!ln_sources_ask(s, a->paths[i], err)) return false;
  for (size_t i = 0; i < s->n; i++)
    if (s->v[i].report && !ln_source_is_test(&s->v[i])) ask_for_tests_of(s, &s->v[i]);
  return true;
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static int go(ln_simset *set, const ln_sources *s, const test_args *a, ln_err *err) {
  const char **files = calloc(s->n + 1, sizeof *files);
  size_t n = 0;
  telling t = {0};
  ln_playtest_sum sum = {0};
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  ln_playtest_opts o = {.seed = SEED,
                        .jobs = cores > 0 ? (int)cores : 1,
                        .update = a->update,
                        .folder = folder,
                        .told = told,
                        .arg = &t};
  if (!files) return ln_fail(err, "memory", LN_AGAIN, "no memory for tests"), ln_app_fail(err);
  for (size_t i = 0; i < s->n; i++)
    if (s->v[i].report && ln_source_is_test(&s->v[i])) files[n++] = s->v[i].path;
  qsort(files, n, sizeof *files, by_text);
  bool ok = ln_playtest_go(set, files, n, &o, &sum, err);
  free(files);
  if (!ok) return ln_app_fail(err);
  printf("1..%zu\n%zu passed, %zu failed\n", sum.passed + sum.failed, sum.passed, sum.failed);
  return sum.failed ? LN_EXIT_FAILED : LN_EXIT_DONE;
}

static int test(const test_args *a) {
  ln_err err = {0};
  ln_sources s = {NULL, 0, 0};
  ln_config *c = ln_config_load(a->config, &err);
  if (!c || !collect(c, a, &s, &err) || !make_folder(&err)) return ln_app_fail(&err);
  ln_log_level(LN_ERROR + 1); /* what vendors do wrong is what is tested */
  ln_simset *set = make_set(c, &err); /* the process's, like what it is made of */
  int code = set ? go(set, &s, a, &err) : ln_app_fail(&err);
  ln_sources_free(&s);
  return code;
}

int ln_cmd_test(int argc, char **argv) {
  test_args a = {0};
  int opt;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, options)) != -1) {
    if (opt == LN_OPT_HELP) return fputs(help, stdout), 0;
    if (opt == '?') return LN_EXIT_USAGE;
    if (opt == LN_OPT_CONFIG) a.config = optarg;
    if (opt == OPT_UPDATE) a.update = true;
  }
  a.paths = argv + optind;
  a.n = argc - optind;
  return test(&a);
}
