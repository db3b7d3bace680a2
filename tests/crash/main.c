/* main.c: stories, one a seed, each in a process of its own, some at a time, until so many processes have
** been killed.
**
**   crash_test                        the test: $CRASH_KILLS deaths (200; sanitized, 40), seeds from
**                                     $CRASH_SEED (1) on; and that it finds what is broken on purpose
**   crash_test --seed K [--verbose]   that story again: the same plan, if not the same race
**   --kills N  --jobs J  --program P  P is killed, else $LUNETTE, else the lunette beside this folder
**   --until-failed                    says how many stories and deaths it took to find a fault
**
** With $KEEP the folder of a story that failed stays; its story.log says what happened. */
#include "tests/crash/crash.h"

#include "base/log.h"

#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { JOBS_MOST = 16, KILLS = 200, KILLS_SANITIZED = 40, A_STORY = 14, MUTANT_KILLS = 400, FAILED_MOST = 5 };
enum { PATIENCE_MS = 60000, LITTLE_MS = 10000 };

typedef struct outcome {
  sim_result r;
  mode mode;
  fault only;
  bool wire;
  int kills, killed[ROLES], deeds, told;
} outcome;

typedef struct child {
  pid_t pid;
  uint64_t seed;
  outcome *out;
} child;

typedef struct batch {
  uint64_t from;
  int kills, jobs;
  bool one, verbose, until_failed, quiet;
  bool peers; /* nobody is killed: a story for each thing that a peer can do */
  const char *program;
} batch;

typedef struct totals {
  int stories, failed, kills, killed[ROLES], modes[MODES], wires, deeds, told;
  sim_result sum;
} totals;

static child children[JOBS_MOST];
static char root[PATH_MAX], program[PATH_MAX], broken[PATH_MAX]; /* broken: mutant_lunette */

/* ------------------------------------------------------------------ one story */

static bool make_folder(char *out, size_t n) {
  const char *base = getenv("TMPDIR");
  snprintf(out, n, "%s/lunette-crash-XXXXXX", base && *base ? base : "/tmp");
  return mkdtemp(out) != NULL;
}

static void remove_folder(const char *folder) {
  char command[400];
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  if (system(command) != 0) perror(folder);
}

/* What happened, for whoever keeps the folder ($KEEP). */
static FILE *open_log(const char *folder) {
  char path[300];
  snprintf(path, sizeof path, "%s/story.log", folder);
  return fopen(path, "we");
}

static void tell_it(const batch *b, uint64_t seed, outcome *out) {
  static sim s;
  static story t;
  ln_err err;
  here = &s;
  tale = &t;
  s = (sim){.seed = seed, .out = &out->r, .verbose = b->verbose};
  t = (story){.program = b->program, .root = root, .want_kills = A_STORY, .log = -1};
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  if (!(t.engine.host = ln_host_new(&err))) sim_fail("%s", err.message);
  if (!make_folder(t.folder, sizeof t.folder)) sim_fail("no folder can be made");
  t.patience_ms = (b->quiet ? LITTLE_MS : PATIENCE_MS) * (getenv("SANITIZED") ? 4 : 1);
  if (b->peers) t.only = (fault)(1 + (seed - b->from) % (FAULTS - 1));
  t.said = b->verbose ? stdout : open_log(t.folder);
  if (!s.failed && crash_library()) crash_story(seed);
  crash_kill_all();
  while (waitpid(-1, NULL, 0) > 0) {}
  if (s.failed && getenv("KEEP")) printf("# kept: %s\n", t.folder);
  else remove_folder(t.folder);
  out->kills = t.kills;
  memcpy(out->killed, t.killed, sizeof out->killed);
  out->mode = t.mode, out->wire = t.wire > 0, out->only = t.only, out->deeds = t.n_deeds,
  out->told = t.n_told;
  out->r.ok = !s.failed;
  out->r.finished = true;
}

static void start(const batch *b, uint64_t seed, child *c) {
  memset(c->out, 0, sizeof *c->out);
  c->seed = seed;
  fflush(stdout);
  c->pid = fork();
  if (c->pid != 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  tell_it(b, seed, c->out);
  fflush(stdout);
  _exit(0);
}

/* ------------------------------------------------------------------ what came of it */

static void tell_failure(const outcome *o, uint64_t seed, int status) {
  printf("# seed %llu (%s%s%s): ", (unsigned long long)seed, crash_modes[o->mode],
         o->wire ? ", a peer that " : "",
         o->only   ? crash_faults[o->only]
         : o->wire ? "is bad"
                   : "");
  const char *why = o->r.why[0]           ? o->r.why
                    : WIFSIGNALED(status) ? strsignal(WTERMSIG(status))
                                          : "it ended without a word";
  for (const char *p = why; *p; p++) *p == '\n' ? printf("\n#   ") : putchar(*p);
  printf("\n");
}

static void finish(const batch *b, child *c, int status, totals *t) {
  const outcome *o = c->out;
  bool ok = o->r.finished && o->r.ok;
  t->stories++;
  t->failed += !ok;
  t->kills += o->kills;
  for (int i = 0; i < ROLES; i++) t->killed[i] += o->killed[i];
  t->modes[o->mode]++;
  t->wires += o->wire;
  t->deeds += o->deeds, t->told += o->told;
  t->sum.runs += o->r.runs, t->sum.effects += o->r.effects, t->sum.doubts += o->r.doubts;
  t->sum.cancels += o->r.cancels, t->sum.replayed += o->r.replayed;
  for (int i = 0; i < 3; i++) t->sum.states[i] += o->r.states[i];
  if (!ok && !b->quiet) tell_failure(o, c->seed, status);
  fflush(stdout);
  c->pid = 0;
}

/* One alone is this process's own, for debuggers. */
static totals run_here(const batch *b) {
  totals t = {.stories = 0};
  children[0].seed = b->from;
  tell_it(b, b->from, children[0].out);
  finish(b, &children[0], 0, &t);
  return t;
}

static child *wait_for_one(int *status) {
  pid_t pid = waitpid(-1, status, 0);
  for (int i = 0; i < JOBS_MOST; i++)
    if (pid > 0 && children[i].pid == pid) return &children[i];
  return NULL;
}

static bool goes_on(const batch *b, const totals *t, int under_way) {
  if (t->failed >= (b->until_failed ? 1 : FAILED_MOST)) return false;
  if (b->peers) return t->stories + under_way < FAULTS - 1;
  return t->kills + under_way * A_STORY < b->kills;
}

static totals run(const batch *b) {
  totals t = {.stories = 0};
  uint64_t next = b->from;
  int under_way = 0;
  for (;;) {
    bool more = goes_on(b, &t, under_way);
    if (more && under_way < b->jobs) {
      child *c = children;
      while (c->pid) c++;
      start(b, next++, c);
      under_way++;
    } else if (under_way) {
      int status = 0;
      child *c = wait_for_one(&status);
      if (!c) continue;
      finish(b, c, status, &t);
      under_way--;
    } else {
      return t;
    }
  }
}

/* ------------------------------------------------------------------ the account */

static void tell(const totals *t, double seconds) {
  printf("# %d stories in %.1f s (%d with run and resume, %d with serve, %d with all at once; %d with a peer "
         "that behaves badly), %d "
         "processes killed: %d that "
         "served, %d that ran, %d that were left behind, %d watching, %d of people\n",
         t->stories, seconds, t->modes[ALONE], t->modes[SERVED], t->modes[CROWD], t->wires, t->kills,
         t->killed[SERVE], t->killed[CARRY], t->killed[LEFT], t->killed[WATCH], t->killed[PERSON]);
  printf("# %d runs (%d completed, %d failed, %d cancelled), %d effects, %d deeds on the vendors' record, %d "
         "steps that were "
         "shown, %d doubts settled, %d cancels, %d replays\n",
         t->sum.runs, t->sum.states[0], t->sum.states[1], t->sum.states[2], t->sum.effects, t->deeds, t->told,
         t->sum.doubts, t->sum.cancels, t->sum.replayed);
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t number_of(const char *name, uint64_t otherwise) {
  const char *set = getenv(name);
  return set && *set ? strtoull(set, NULL, 10) : otherwise;
}

static bool test_it(const batch *b) {
  double began = seconds();
  totals t = b->one ? run_here(b) : run(b);
  tell(&t, seconds() - began);
  printf("# seeds %llu to %llu\n", (unsigned long long)b->from,
         (unsigned long long)b->from + (unsigned)t.stories - 1);
  printf("%sok 1 - killed %d times: nothing lost, nothing twice, the ledger and the replays agree\n",
         t.failed ? "not " : "", t.kills);
  return !t.failed;
}

static bool test_peers(const batch *like) {
  batch b = {.from = like->from, .jobs = like->jobs, .program = like->program, .peers = true};
  totals t = run(&b);
  printf("%sok 2 - a peer that hangs up, resets, hangs, answers in part, twice, or slowly: nothing is done "
         "twice "
         "(%d stories, %d deeds)\n",
         t.failed ? "not " : "", t.stories, t.deeds);
  return !t.failed;
}

/* What it would find, if it were so.  Not under the sanitizers: what is found is the same there. */
static bool test_mutants(const batch *like) {
  static const sim_mutant of[] = {MUTANT_SEND_FIRST, MUTANT_NO_EPOCH, MUTANT_FORGET_RESULT, MUTANT_RESEND,
                                  MUTANT_DEAF_PROBE};
  static const char *const names[] = {"a write is sent before its intent is durable",
                                      "the epoch is not checked", "the result of a write is forgotten",
                                      "what is not idempotent is sent again after a doubt",
                                      "what a probe finds is not listened to"};
  bool ok = true;
  for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
    char number[8];
    batch b = {.from = like->from,
               .kills = MUTANT_KILLS,
               .jobs = like->jobs,
               .until_failed = true,
               .quiet = true,
               .program = broken};
    snprintf(number, sizeof number, "%d", (int)of[i]);
    setenv("LUNETTE_MUTANT", number, 1);
    totals t = run(&b);
    bool found = t.failed && t.kills > 0;
    printf("%sok %zu - found within %d deaths: %s\n", found ? "" : "not ", i + 3, t.kills, names[i]);
    fflush(stdout);
    ok = ok && found;
  }
  return ok;
}

static int test(const batch *b) {
  bool ok = test_it(b), whole = !b->one && !b->until_failed && broken[0];
  bool mutants = whole && !getenv("SANITIZED");
  if (whole) ok = test_peers(b) && ok;
  if (mutants) ok = test_mutants(b) && ok;
  printf("1..%d\n", mutants ? 7 : whole ? 2 : 1);
  return ok ? 0 : 1;
}

static bool find_program(const char *argv0, const char *said) {
  char beside[PATH_MAX], mutant[PATH_MAX];
  const char *set = getenv("LUNETTE");
  snprintf(beside, sizeof beside, "%s", argv0);
  if (strrchr(beside, '/')) *strrchr(beside, '/') = 0;
  snprintf(mutant, sizeof mutant, "%.4000s/mutant_lunette", beside);
  if (!realpath(mutant, broken)) broken[0] = 0;
  if (strrchr(beside, '/')) *strrchr(beside, '/') = 0;
  snprintf(beside + strlen(beside), sizeof beside - strlen(beside), "/lunette");
  return realpath(said ? said : set && *set ? set : beside, program) && getcwd(root, sizeof root);
}

int main(int argc, char **argv) {
  static const struct option options[] = {
      {"seed", required_argument, NULL, 's'},   {"kills", required_argument, NULL, 'k'},
      {"from", required_argument, NULL, 'f'},   {"verbose", no_argument, NULL, 'v'},
      {"jobs", required_argument, NULL, 'j'},   {"program", required_argument, NULL, 'p'},
      {"until-failed", no_argument, NULL, 'u'}, {NULL, 0, NULL, 0}};
  batch b = {.from = number_of("CRASH_SEED", 1),
             .kills = (int)number_of("CRASH_KILLS", getenv("SANITIZED") ? KILLS_SANITIZED : KILLS),
             .jobs = 3};
  const char *said = NULL;
  for (int opt; (opt = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    switch (opt) {
    case 's': b.from = strtoull(optarg, NULL, 10), b.one = true; break;
    case 'f': b.from = strtoull(optarg, NULL, 10); break;
    case 'k': b.kills = (int)strtol(optarg, NULL, 10); break;
    case 'v': b.verbose = true; break;
    case 'j': b.jobs = (int)strtol(optarg, NULL, 10); break;
    case 'p': said = optarg; break;
    case 'u': b.until_failed = true; break;
    default: return 2;
    }
  }
  if (!find_program(argv[0], said) || b.jobs < 1 || b.jobs > JOBS_MOST)
    return fprintf(stderr, "crash_test: no lunette to kill\n"), 2;
  b.program = program;
  ln_log_level(LN_ERROR + 1);
  outcome *o = mmap(NULL, JOBS_MOST * sizeof *o, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (o == MAP_FAILED) return 1;
  for (int i = 0; i < JOBS_MOST; i++) children[i].out = &o[i];
  return test(&b);
}
