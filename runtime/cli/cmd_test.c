/* cmd_test.c: lunette test: playbook tests against simulators, in this process and its children; TAP. */
#include "cli/cmd_test.h"

#include "debug/faults.h"
#include "debug/playtest_lines.h"
#include "modules/connector.h"
#include "modules/modules.h"
#include "modules/words.h"

#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
  OPT_UPDATE = 256,
  OPT_FAULTS,
  OPT_COVERAGE,
  OPT_WATCH,
  OPT_FROM,
  OPT_OUT,
  SEED = 1059,
  TOLD_MOST = 20
};

static const struct option options[] = {{"update", no_argument, NULL, OPT_UPDATE},
                                        {"watch", no_argument, NULL, OPT_WATCH},
                                        {"faults", required_argument, NULL, OPT_FAULTS},
                                        {"coverage", optional_argument, NULL, OPT_COVERAGE},
                                        {"from-run", required_argument, NULL, OPT_FROM},
                                        {"output", required_argument, NULL, OPT_OUT},
                                        LN_COMMON_OPTIONS};
static const char help[] =
    "usage: lunette test [PATH...] [--faults all] [--coverage[=FILE]] [--update] [--watch]\n"
    "                    [--config FILE]\n"
    "       lunette test --from-run RUN -o FILE [--config FILE]\n"
    "Runs the tests of playbooks (NAME_test.lua) against simulators, in virtual time.  A PATH is a\n"
    "file, its playbook, or a folder; without one all tests below the folders of scripts.  Prints TAP.\n"
    "  --faults all  then each of their runs with every fault at every request, and a death at each and at\n"
    "                every commit\n"
    "  --coverage    which lines of the scripts were not reached; to FILE, as an LCOV tracefile\n"
    "  --update      stores the reports of snapshots anew\n"
    "  --watch       goes through the tests again that a save touches, until it is stopped\n"
    "  --from-run    writes a test that does what a past run did\n"
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
  c->cpu_us = c->slice_us = cpu; /* a runaway is one in a test, too */
  return s;
}

/* ------------------------------------------------------------------ telling */

typedef struct story { /* what a test ran, for the matrix */
  char *name;
  ln_buf runs;
} story;

typedef struct telling {
  size_t n, bad;
  bool gather;
  story *v;
  size_t stories;
  int shown; /* of the cells of one case */
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

static void put_line(telling *t, bool ok, const char *what, const char *name) {
  printf("%s %zu - ", ok ? "ok" : "not ok", ++t->n);
  t->bad += !ok;
  ln_app_put(stdout, ln_str_of(what), 0);
  if (name[0]) fputs(": ", stdout);
  ln_app_put(stdout, ln_str_of(name), 0);
  putchar('\n');
}

static bool is_new(const telling *t, ln_str runs) {
  for (size_t i = 0; i < t->stories; i++)
    if (ln_str_eq(ln_buf_view(&t->v[i].runs), runs)) return false;
  return true;
}

/* What several tests run alike is one case. */
static void keep_story(telling *t, const ln_playtest_result *r) {
  ln_str rest = r->runs;
  ln_vitem list;
  if (!r->ok || !ln_v_read(&rest, &list) || !list.count || !is_new(t, r->runs)) return;
  story *v = reallocarray(t->v, t->stories + 1, sizeof *v);
  if (!v) return;
  t->v = v;
  story *s = &v[t->stories];
  ln_buf_init(&s->runs, r->runs.n);
  if (ln_buf_add(&s->runs, r->runs) && asprintf(&s->name, "%s: %s", r->file, r->name) > 0) t->stories++;
}

static void told(void *arg, const ln_playtest_result *r) {
  telling *t = arg;
  put_line(t, r->ok, r->file, r->name);
  put_comment(r->why);
  fflush(stdout);
  if (t->gather) keep_story(t, r);
}

/* ------------------------------------------------------------------ the matrix */

static void told_cell(void *arg, const ln_faults_cell *c) {
  telling *t = arg;
  if (!c->wrong || t->shown++ >= TOLD_MOST) return;
  printf("#   %s, %s: %s: %s\n", c->step, c->where, c->fault, c->wrong);
}

static size_t runs_of(ln_str encoded, ln_faults_run *runs, char (*names)[128], size_t most) {
  ln_vitem list, one, input;
  size_t n = 0;
  if (!ln_v_read(&encoded, &list)) return 0;
  for (ln_str rest = list.body; n < most && rest.n && ln_v_read(&rest, &one); n++) {
    snprintf(names[n], sizeof names[n], "%.*s", LN_STR_ARG(ln_v_get_str(one.whole, "playbook")));
    ln_v_get(one.whole, LN_STR("input"), &input);
    runs[n] = (ln_faults_run){.playbook = names[n], .input = input.whole};
  }
  return n;
}

static bool go_through(ln_simset *set, const story *s, telling *t, const char *folder, ln_err *err) {
  enum { RUNS = 32 };
  ln_faults_run runs[RUNS];
  char names[RUNS][128];
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  ln_faults_case c = {.name = s->name, .runs = runs, .n = runs_of(ln_buf_view(&s->runs), runs, names, RUNS)};
  ln_faults_opts o = {
      .seed = SEED, .jobs = cores > 0 ? (int)cores : 1, .folder = folder, .told = told_cell, .arg = t};
  ln_faults_sum sum = {0};
  t->shown = 0;
  bool ok = ln_faults_go(set, &c, &o, &sum, err);
  put_line(t, ok && sum.wrong == 0, "faults", s->name);
  if (!ok) put_comment(ln_str_of(err->message));
  printf("#   %zu effects, %zu requests, %zu commits: %zu cells, %zu wrong\n", sum.effects, sum.requests,
         sum.commits, sum.lived, sum.wrong);
  fflush(stdout);
  return ok;
}

/* ------------------------------------------------------------------ coverage */

static bool write_file(const char *path, ln_str text, ln_err *err) {
  FILE *f = fopen(path, "wbe");
  bool ok = f && fwrite(text.p, 1, text.n, f) == text.n;
  if (f) ok = fclose(f) == 0 && ok;
  return ok || ln_fail(err, "failed", LN_FINAL, "%s cannot be written: %s", path, strerror(errno));
}

static bool tell_coverage(const ln_coverage *c, const char *path, ln_err *err) {
  size_t reached = 0, all = 0;
  ln_buf lcov;
  for (size_t i = 0; i < c->n; i++) {
    size_t missed, lines;
    ln_buf which;
    ln_buf_init(&which, 1 << 20);
    ln_coverage_missed(c, i, &which, &missed, &lines);
    printf("# %s: %zu of %zu lines", c->file[i], lines - missed, lines);
    if (missed) printf("; not %.*s", LN_STR_ARG(ln_buf_view(&which)));
    putchar('\n');
    ln_buf_free(&which);
    reached += lines - missed;
    all += lines;
  }
  printf("# coverage: %zu of %zu lines\n", reached, all);
  if (!path) return true;
  ln_buf_init(&lcov, (size_t)64 << 20);
  ln_coverage_lcov(c, &lcov);
  bool ok = ln_buf_ok(&lcov, err) && write_file(path, ln_buf_view(&lcov), err);
  ln_buf_free(&lcov);
  return ok;
}

/* ------------------------------------------------------------------ the folder for playbooks' files */

#define FOLDER "lunette-test-"
enum { FOLDER_AGE_S = 60 };
static char folder[64];
static pid_t folders_process;

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *where) {
  (void)st, (void)type, (void)where;
  return remove(name);
}

static void remove_folder(void) {
  if (folder[0] && folders_process == getpid()) nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* The process that made it, and those forked from that one, hold its lock. */
static int lock_folder(const char *path) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  if (fd >= 0) close(fd);
  return -1;
}

/* One that is younger may not have been locked yet. */
static bool is_left(const char *path, int *fd) {
  struct stat st;
  return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
         st.st_mtime + FOLDER_AGE_S < time(NULL) && (*fd = lock_folder(path)) >= 0;
}

/* Of processes that were killed. */
static void remove_left(const char *above) {
  char path[300];
  struct dirent *d;
  DIR *dir = opendir(above);
  while (dir && (d = readdir(dir))) {
    int fd;
    if (strncmp(d->d_name, FOLDER, sizeof FOLDER - 1) != 0) continue;
    snprintf(path, sizeof path, "%s/%s", above, d->d_name);
    if (!is_left(path, &fd)) continue;
    nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    close(fd);
  }
  if (dir) closedir(dir);
}

const char *ln_test_folder(ln_err *err) {
  const char *above = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
  remove_left(above);
  snprintf(folder, sizeof folder, "%s/" FOLDER "XXXXXX", above);
  if (!mkdtemp(folder)) {
    folder[0] = 0;
    ln_fail(err, "failed", LN_FINAL, "no folder for files: %s", strerror(errno));
    return NULL;
  }
  lock_folder(folder); /* until the process ends */
  folders_process = getpid();
  atexit(remove_folder);
  return folder;
}

ln_playtest_opts ln_test_opts(void) {
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  return (ln_playtest_opts){.seed = SEED, .jobs = cores > 0 ? (int)cores : 1, .folder = folder};
}

ln_simset *ln_test_set(ln_config *c, ln_err *err) {
  static ln_simset *set;      /* the process's: nothing of it is taken apart */
  ln_log_level(LN_NOTHING); /* what vendors do wrong is what is tested */
  return set = make_set(c, err);
}

/* ------------------------------------------------------------------ the files */

/* Who asks for a script means its tests. */
static void ask_for_tests_of(ln_sources *s, const ln_source *f) {
  size_t n = strlen(f->real) - strlen(".lua");
  for (size_t i = 0; i < s->n; i++)
    if (strncmp(s->v[i].real, f->real, n) == 0 && strcmp(s->v[i].real + n, "_test.lua") == 0)
      s->v[i].report = true;
}

bool ln_test_files(const ln_config *c, const ln_test_args *a, ln_sources *s, ln_err *err) {
  if (!ln_sources_configured(s, c, err)) return false;
  if (a->n > 0) ln_sources_ask_none(s);
  for (int i = 0; i < a->n; i++)
    if (!ln_sources_ask(s, a->paths[i], err)) return false;
  for (size_t i = 0; i < s->n; i++)
    if (s->v[i].report && !ln_source_is_test(&s->v[i])) ask_for_tests_of(s, &s->v[i]);
  return true;
}

static int by_text(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char **files_of(const ln_sources *s, bool asked, size_t *n, ln_err *err) {
  const char **files = calloc(s->n + 1, sizeof *files);
  *n = 0;
  if (!files) return ln_fail(err, "memory", LN_AGAIN, "no memory for tests"), NULL;
  for (size_t i = 0; i < s->n; i++)
    if (s->v[i].report && ln_source_is_test(&s->v[i])) files[(*n)++] = s->v[i].path;
  qsort(files, *n, sizeof *files, by_text);
  if (*n || !asked) return files;
  free(files);
  ln_fail(err, "usage", LN_FINAL, "there are no tests there: lunette new test PLAYBOOK writes one");
  return NULL;
}

/* ------------------------------------------------------------------ the command */

static bool go(ln_simset *set, const char *const *files, size_t n, const ln_test_args *a, telling *t,
               ln_err *err) {
  ln_playtest_sum sum = {0};
  static ln_coverage c;
  ln_playtest_opts o = ln_test_opts();
  o.update = a->update;
  o.told = told;
  o.arg = t;
  if (a->coverage && !ln_coverage_new(&c, set, err)) return false;
  o.lines = c.v;
  o.n_lines = c.n;
  if (!ln_playtest_go(set, files, n, &o, &sum, err)) return false;
  for (size_t i = 0; i < t->stories; i++) go_through(set, &t->v[i], t, folder, err);
  return !a->coverage || tell_coverage(&c, a->lcov, err);
}

int ln_test_once(const ln_test_args *a) {
  ln_err err = {0};
  ln_sources s = {NULL, 0, 0};
  static telling t; /* like what tests stand on, the process's */
  static ln_config *c;
  size_t n = 0;
  t.gather = a->faults;
  c = ln_config_load(a->config, &err);
  const char **files = c && ln_test_files(c, a, &s, &err) ? files_of(&s, a->n > 0, &n, &err) : NULL;
  ln_simset *set = files && ln_test_folder(&err) ? ln_test_set(c, &err) : NULL; /* the process's */
  bool ok = set && go(set, files, n, a, &t, &err);
  free(files);
  ln_sources_free(&s);
  if (!ok) return ln_app_fail(&err);
  printf("1..%zu\n%zu passed, %zu failed\n", t.n, t.n - t.bad, t.bad);
  return t.bad ? LN_EXIT_FAILED : LN_EXIT_DONE;
}

static int take(int opt, ln_test_args *a) {
  switch (opt) {
  case LN_OPT_CONFIG: a->config = optarg; break;
  case OPT_UPDATE: a->update = true; break;
  case OPT_WATCH: a->watch = true; break;
  case OPT_COVERAGE: a->coverage = true, a->lcov = optarg; break;
  case OPT_FROM: a->from = optarg; break;
  case OPT_OUT: a->out = optarg; break;
  default:
    if (strcmp(optarg, "all") != 0) return ln_app_usage("--faults is all, not %s", optarg);
    a->faults = true;
  }
  return 0;
}

int ln_cmd_test(int argc, char **argv) {
  static char long_output[] = "--output"; /* the one short option of all commands */
  ln_test_args a = {0};
  int opt, bad;
  for (int i = 1; i < argc; i++)
    if (strcmp(argv[i], "-o") == 0) argv[i] = long_output;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, options)) != -1) {
    if (opt == LN_OPT_HELP) return fputs(help, stdout), 0;
    if (opt == '?') return LN_EXIT_USAGE;
    if ((bad = take(opt, &a))) return bad;
  }
  a.paths = argv + optind;
  a.n = argc - optind;
  if (!a.from != !a.out || (a.from && a.n))
    return ln_app_usage("a test is made of a run by --from-run RUN -o FILE");
  return a.from ? ln_test_from(&a) : a.watch ? ln_test_watch(&a) : ln_test_once(&a);
}
