/* main.c: the fault matrix of the playbooks that ship.
**
**   faults_test                    the test: a slice of it, and that it could have failed
**   faults_test --all              all of it (make faults)
**   faults_test --case NAME        one case, all of it; --cell N: that cell again, shown
**   --seed N, --every N (one cell in so many), --jobs J, --mutant M (with a rule broken: mutants.c) */
#include "tests/faults/cases.h"
#include "tests/faults/mutants.h"

#include "base/log.h"
#include "debug/faults.h"
#include "modules/connector.h"
#include "modules/modules.h"
#include "modules/words.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { SEED = 1059, SLICE = 16, SLICE_SANITIZED = 48, INPUT_MAX = 16 << 20, TOLD_MOST = 40 };

typedef struct command {
  ln_faults_opts o;
  uint64_t trace;   /* of the last cell */
  const char *only; /* of the cases */
  bool all, quiet;
  int told;
} command;

static char folder[64];
static const char *program;
static int tests, bad;

/* ------------------------------------------------------------------ what is made once */

static const ln_op *find_op(ln_engine *g, ln_str name) {
  ln_err quiet;
  return ln_connectors_op(g, name, &quiet);
}

static ln_simset *make_set(ln_err *err) {
  ln_simset_opts o = {.like = {.modules = lnL_modules, .open_words = lnL_open_words, .find_op = find_op},
                      .connect = ln_connectors_all,
                      .disk = "faults",
                      .slots = 3};
  o.config = ln_config_load("tests/faults/conf.lua", err);
  return o.config ? ln_simset_new(&o, err) : NULL;
}

/* ------------------------------------------------------------------ inputs */

static bool add_file(ln_buf *out, ln_str path) {
  char name[512], chunk[8192];
  snprintf(name, sizeof name, "%.*s", LN_STR_ARG(path));
  FILE *f = fopen(name, "r");
  for (size_t n; f && (n = fread(chunk, 1, sizeof chunk, f)) > 0;) ln_buf_add(out, (ln_str){chunk, n});
  if (f) fclose(f);
  return f != NULL;
}

static bool read_input(ln_simset *s, const char *text, ln_buf *out, ln_err *err) {
  ln_buf json;
  ln_str rest = ln_str_of(text), part, path;
  ln_buf_init(&json, INPUT_MAX);
  ln_buf_init(out, INPUT_MAX);
  bool file = ln_str_cut(rest, '$', &part, &rest), ok = ln_buf_add(&json, part);
  if (file && ln_str_cut(rest, '$', &path, &rest))
    ok = (add_file(&json, path) || ln_fail(err, "not_found", LN_FINAL, "%.*s", LN_STR_ARG(path))) &&
         ln_buf_add(&json, rest);
  ok = ok && ln_host_json(s->slot[0].host, ln_buf_view(&json), out, err);
  ln_buf_free(&json);
  return ok;
}

/* ------------------------------------------------------------------ a case */

static void told(void *arg, const ln_faults_cell *c) {
  command *m = arg;
  m->trace = c->trace;
  if (m->o.shown)
    printf("%s %zu: %s, %s: %s: %s %s, %d doubts, %d lives\n", c->name, c->number, c->step, c->where,
           c->fault, c->state, c->outcome, c->doubts, c->lives);
  if (!c->wrong || m->quiet || m->told++ >= TOLD_MOST) return;
  printf("# %s, %s, %s: %s: %s\n#   again: %s --seed %llu --case \"%s\" --cell %zu\n", c->name, c->step,
         c->where, c->fault, c->wrong, program, (unsigned long long)m->o.seed, c->name, c->number);
}

static bool go(ln_simset *s, const fault_case *from, command *m, ln_faults_sum *sum, ln_err *err) {
  ln_faults_run runs[CASE_RUNS];
  ln_buf input[CASE_RUNS];
  ln_faults_case c = {.name = from->name, .runs = runs};
  bool ok = true;
  for (; ok && c.n < CASE_RUNS && from->run[c.n].playbook; c.n++) {
    const case_run *r = &from->run[c.n];
    ok = read_input(s, r->input, &input[c.n], err);
    runs[c.n] = (ln_faults_run){r->playbook, ln_buf_view(&input[c.n]), r->vendor, r->chunk};
  }
  ok = ok && ln_faults_go(s, &c, &m->o, sum, err);
  for (size_t i = 0; i < c.n; i++) ln_buf_free(&input[i]);
  return ok;
}

static void add(ln_faults_sum *to, const ln_faults_sum *from) {
  size_t *t[] = {&to->effects, &to->requests,  &to->commits, &to->polls,  &to->cells,   &to->lived,
                 &to->wrong,   &to->completed, &to->partial, &to->failed, &to->waiting, &to->doubts};
  const size_t f[] = {from->effects, from->requests, from->commits, from->polls,
                      from->cells,   from->lived,    from->wrong,   from->completed,
                      from->partial, from->failed,   from->waiting, from->doubts};
  for (size_t i = 0; i < sizeof f / sizeof *f; i++) *t[i] += f[i];
}

static void show(const char *name, const ln_faults_sum *s) {
  printf("# %s: %zu effects, %zu requests (%zu polls left out), %zu commits: %zu cells, %zu gone through: "
         "%zu complete, %zu partial, %zu failed, %zu waiting; %zu doubts\n",
         name, s->effects, s->requests, s->polls, s->commits, s->cells, s->lived, s->completed, s->partial,
         s->failed, s->waiting, s->doubts);
}

static void result(bool ok, const char *what, const char *why) {
  printf("%s %d - %s%s%s\n", ok ? "ok" : "not ok", ++tests, what, why[0] ? ": " : "", why);
  bad += !ok;
}

static void test_cases(ln_simset *s, command *m) {
  ln_faults_sum sum = {0};
  for (const fault_case *c = fault_cases; c->name; c++) {
    ln_faults_sum one = {0};
    ln_err err = {0};
    if (m->only && strcmp(m->only, c->name) != 0) continue;
    bool ok = go(s, c, m, &one, &err);
    result(ok && one.wrong == 0, c->name, err.message);
    show(c->name, &one);
    add(&sum, &one);
  }
  show("all", &sum);
}

/* A cell is the same again: here those with a death, a doubt and a refusal. */
static void test_same(ln_simset *s, command m) {
  static const size_t numbers[] = {16, 100, 250, 400, 560};
  size_t same = 0, n = sizeof numbers / sizeof *numbers;
  const fault_case *c = fault_cases;
  while (strcmp(c->name, "evict") != 0) c++;
  m.quiet = true;
  m.o.arg = &m;
  for (size_t i = 0; i < n; i++) {
    ln_faults_sum sum = {0};
    ln_err err = {0};
    m.o.only = numbers[i];
    m.trace = 0;
    bool ok = go(s, c, &m, &sum, &err);
    uint64_t first = m.trace;
    same += ok && first && go(s, c, &m, &sum, &err) && m.trace == first;
  }
  result(same == n, "a cell is the same again, to the last byte of its journal", "");
}

/* Rules broken on purpose: each is found. */
static void test_mutants(ln_simset *s, command *m) {
  m->quiet = m->o.until_wrong = true;
  m->o.every = 1;
  for (const mutant_of_faults *x = faults_mutants; x->name; x++) {
    ln_faults_sum sum = {0};
    ln_err err = {0};
    const fault_case *c = fault_cases;
    while (c->name && strcmp(c->name, x->in) != 0) c++;
    faults_mutant = x;
    bool ok = go(s, c->name ? c : &broken_case, m, &sum, &err);
    faults_mutant = NULL;
    result(sum.wrong > 0 || (!ok && x->at_once), x->name, err.message);
  }
}

static void remove_folder(void) { rmdir(folder); }

static int usage(void) {
  fprintf(stderr,
          "usage: %s [--all] [--case NAME [--cell N]] [--seed N] [--every N] [--jobs J] [--mutant M]\n",
          program);
  return 2;
}

static int parse(int argc, char **argv, command *m) {
  static const struct option options[] = {
      {"all", no_argument, NULL, 'a'},          {"case", required_argument, NULL, 'c'},
      {"cell", required_argument, NULL, 'n'},   {"seed", required_argument, NULL, 's'},
      {"every", required_argument, NULL, 'e'},  {"jobs", required_argument, NULL, 'j'},
      {"mutant", required_argument, NULL, 'm'}, {NULL, 0, NULL, 0}};
  for (int opt; (opt = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    switch (opt) {
    case 'a': m->all = true, m->o.every = 1; break;
    case 'c': m->all = true, m->o.every = 1, m->only = optarg; break;
    case 'n': m->o.only = strtoull(optarg, NULL, 10), m->o.shown = true; break;
    case 's': m->o.seed = strtoull(optarg, NULL, 10); break;
    case 'e': m->o.every = strtoull(optarg, NULL, 10); break;
    case 'j': m->o.jobs = (int)strtol(optarg, NULL, 10); break;
    case 'm': faults_mutant = &faults_mutants[strtol(optarg, NULL, 10)], m->all = true; break;
    default: return usage();
    }
  }
  return 0;
}

int main(int argc, char **argv) {
  static ln_simset *s; /* the process's, like what it is made of */
  ln_err err = {0};
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  command m = {.o = {.seed = SEED,
                     .jobs = cores > 0 ? (int)cores : 1,
                     .every = getenv("SANITIZED") ? SLICE_SANITIZED : SLICE,
                     .folder = folder,
                     .told = told}};
  m.o.arg = &m;
  program = argv[0];
  int code = parse(argc, argv, &m);
  if (code) return code;
  ln_log_level(LN_NOTHING); /* what vendors do wrong is what is tested */
  setvbuf(stdout, NULL, _IOLBF, 0);
  snprintf(folder, sizeof folder, "%s/lunette-faults-XXXXXX",
           access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
  s = mkdtemp(folder) ? make_set(&err) : NULL;
  atexit(remove_folder);
  if (!s) return fprintf(stderr, "%s: %s\n", program, err.message), 1;
  test_cases(s, &m);
  if (!m.all) test_same(s, m), test_mutants(s, &m);
  printf("1..%d\n", tests);
  return bad ? 1 : 0;
}
