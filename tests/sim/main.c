/* main.c: histories, one a seed, each in a child of this process, as many at once as there are cores.
**
**   simulate_test                          the test: some hundred histories, and that it could have failed
**   simulate_test --seeds N [--from K]     N histories (make simulate SEEDS=N)
**   simulate_test --seed K [--verbose]     that one again, to the last byte
**   --mutant M                             with a rule broken on purpose (mutants.c); --jobs J */
#include "tests/sim/sim.h"

#include "base/log.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
  JOBS_MOST = 64,
  TEST_SEEDS = 300,
  SANITIZED_SEEDS = 100,
  TWICE = 8,
  MUTANT_SEEDS = 600,
  TOLD_MOST = 10
};

static sim_world world;
static const char *program;

typedef struct child { pid_t pid; sim_result *result; char folder[64]; } child;

typedef struct totals {
  sim_result sum;
  int64_t histories, failed;
  uint64_t trace;                                        /* of the last one                                 */
} totals;

typedef struct batch {
  uint64_t from, n;
  sim_mutant mutant;
  int jobs;
  bool verbose, quiet, until_failed;
} batch;

static child children[JOBS_MOST];

/* ------------------------------------------------------------------ one history */

static const char *base_folder(void) {
  const char *set = getenv("TMPDIR");
  if (set && *set) return set;
  return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

static bool open_folder(char folder[64]) {
  snprintf(folder, 64, "%s/lunette-simulate-XXXXXX", base_folder());
  int fd = mkdtemp(folder) ? open(folder, O_RDONLY | O_DIRECTORY) : -1;
  bool ok = fd >= 0 && dup2(fd, SIM_FOLDER) == SIM_FOLDER;
  if (fd >= 0) close(fd);
  return ok;
}

static void live_it(const batch *b, uint64_t seed, child *c) {
  static sim s;
  s = (sim){.seed = seed, .w = &world, .out = c->result, .verbose = b->verbose, .mutant = b->mutant};
  c->result->seed = seed;
  sim_history(&s);
  fflush(stdout);
}

static void start(const batch *b, uint64_t seed, child *c) {
  memset(c->result, 0, sizeof *c->result);
  fflush(stdout);
  if (!open_folder(c->folder)) {
    perror("simulate: a folder for files");
    exit(1);
  }
  c->pid = fork();
  if (c->pid == 0) {
    live_it(b, seed, c);
    _exit(0);
  }
  close(SIM_FOLDER);
}

static void remove_folder(const char *folder) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  if (rmdir(folder) != 0 && system(command) != 0) perror(folder);
}

/* ------------------------------------------------------------------ what came of it */

static void add(totals *t, const sim_result *r) {
  int *to[] = {&t->sum.runs,     &t->sum.effects, &t->sum.crashes, &t->sum.power_cuts, &t->sum.full_disks,
               &t->sum.requests, &t->sum.writes,  &t->sum.faults,  &t->sum.doubts,     &t->sum.approvals,
               &t->sum.cancels,  &t->sum.lives,   &t->sum.replayed, &t->sum.moves, &t->sum.alerts};
  const int from[] = {r->runs, r->effects, r->crashes, r->power_cuts, r->full_disks, r->requests,
                      r->writes, r->faults, r->doubts, r->approvals, r->cancels, r->lives, r->replayed,
                      r->moves, r->alerts};
  for (size_t i = 0; i < sizeof to / sizeof *to; i++) *to[i] += from[i];
  for (int i = 0; i < 3; i++) t->sum.states[i] += r->states[i];
  for (int i = 0; i < JOBS; i++) t->sum.jobs[i] += r->jobs[i];
  for (int i = 0; i < SIM_POINTS; i++) t->sum.points[i] += r->points[i];
  for (int i = 0; i < SIM_STANDS; i++) t->sum.stands[i] += r->stands[i];
}

static void tell_failure(const batch *b, const sim_result *r, int status) {
  printf("seed %llu: %s\n", (unsigned long long)r->seed,
         r->why[0] ? r->why : WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "it ended without a word");
  printf("  again: %s --seed %llu --verbose", program, (unsigned long long)r->seed);
  if (b->mutant) printf(" --mutant %d", (int)b->mutant);
  printf("\n");
}

static void finish(const batch *b, child *c, int status, totals *t) {
  sim_result *r = c->result;
  bool ok = r->finished && r->ok && status == 0;
  remove_folder(c->folder);
  t->histories++;
  t->failed += !ok;
  t->trace = r->trace;
  if (!ok && !b->quiet && t->failed <= TOLD_MOST) tell_failure(b, r, status);
  add(t, r);
  c->pid = 0;
}

/* One alone is this process's own, for debuggers. */
static totals run_here(const batch *b) {
  totals t = {.histories = 0};
  if (!open_folder(children[0].folder)) perror("simulate: a folder for files");
  live_it(b, b->from, &children[0]);
  finish(b, &children[0], 0, &t);
  return t;
}

static child *wait_for_one(int *status) {
  pid_t pid = waitpid(-1, status, 0);
  for (int i = 0; i < JOBS_MOST; i++)
    if (pid > 0 && children[i].pid == pid) return &children[i];
  return NULL;
}

static totals run(const batch *b) {
  totals t = {.histories = 0};
  uint64_t next = b->from, under_way = 0;
  int status;
  while (next < b->from + b->n || under_way) {
    bool more = next < b->from + b->n && !(b->until_failed && t.failed);
    if (more && under_way < (uint64_t)b->jobs) {
      child *c = children;
      while (c->pid) c++;
      start(b, next++, c);
      under_way++;
    } else if (under_way) {
      child *c = wait_for_one(&status);
      if (!c) continue;
      finish(b, c, status, &t);
      under_way--;
    } else {
      break;
    }
  }
  return t;
}

/* ------------------------------------------------------------------ the account */

static int uncovered(const totals *t) {
  int n = 0;
  for (int i = 0; i < SIM_POINTS; i++) n += t->sum.points[i] == 0;
  return n;
}

static void tell_points(const totals *t) {
  char name[48];
  printf("where processes died:\n");
  for (int j = 0; j < JOBS; j++) {
    printf("  a job that wrote %-10s",
           sim_point_name(sim_job_point(j, AT_LOST), name) ? strtok(name, ":") : "");
    for (int p = 0; p < PHASES; p++) printf(" %7d", t->sum.points[sim_job_point(j, p)]);
    printf(" %9d", t->sum.jobs[j]);
    if (j == 0)
      printf("   (not committed; power lost within the commit; committed, nobody told; told in part; jobs)");
    printf("\n");
  }
  for (int k = 0; k < ASKS; k++) {
    printf("  a request, %-16s", sim_point_name(sim_ask_point(k, AT_SENT), name) ? strtok(name, ":") : "");
    for (int s = 0; s < STAGES; s++) printf(" %7d", t->sum.points[sim_ask_point(k, s)]);
    if (k == 0) printf("           (before it arrives; acted, not answered; answered, not looked at)");
    printf("\n");
  }
  printf("  at any time                %7d\n", t->sum.points[SIM_IDLE_POINT]);
  printf("where writes stood then:");
  for (int i = 0; i < SIM_STANDS; i++)
    printf(" %s %d%s", sim_stand_names[i], t->sum.stands[i], i + 1 < SIM_STANDS ? "," : "\n");
}

static void tell(const totals *t, double seconds) {
  const sim_result *s = &t->sum;
  printf("%lld histories in %.1f s (%.0f a minute): %lld failed\n", (long long)t->histories, seconds,
         (double)t->histories / seconds * 60, (long long)t->failed);
  printf("%d runs (%d completed, %d failed, %d cancelled), %d effects, %d lives, %d deaths (%d with the "
         "power), %d full disks\n",
         s->runs, s->states[0], s->states[1], s->states[2], s->effects, s->lives, s->crashes, s->power_cuts,
         s->full_disks);
  printf("%d requests (%d writes), %d faults, %d doubts for a person, %d answers of people, %d cancels, %d "
         "moves to edited scripts, %d alerts that came in, %d replays\n",
         s->requests, s->writes, s->faults, s->doubts, s->approvals, s->cancels, s->moves, s->alerts,
         s->replayed);
  tell_points(t);
}

/* ------------------------------------------------------------------ the test */

static int tests, bad;

static void result(bool ok, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void result(bool ok, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  printf("%sok %d - ", ok ? "" : "not ", ++tests);
  vprintf(fmt, ap);
  va_end(ap);
  printf("\n");
  bad += !ok;
}

static uint64_t number_of(const char *name, uint64_t otherwise) {
  const char *set = getenv(name);
  return set && *set ? strtoull(set, NULL, 10) : otherwise;
}

/* Many times slower: fewer histories, and no broken rules, for what the checker finds is the same there. */
static bool is_sanitized(void) { return getenv("SANITIZED") != NULL; }

/* The trace that another process of this program, at other addresses, has of a seed. */
static bool trace_elsewhere(uint64_t seed, uint64_t *trace) {
  char command[300];
  unsigned long long said = 0;
  snprintf(command, sizeof command, "'%s' --seed %llu", program, (unsigned long long)seed);
  FILE *f = popen(command, "r");
  bool ok = f && fscanf(f, "seed %*u: trace %llx", &said) == 1;
  if (f) pclose(f);
  *trace = said;
  return ok;
}

static void test_histories(int jobs) {
  uint64_t n = is_sanitized() ? SANITIZED_SEEDS : TEST_SEEDS;
  batch b = {.from = number_of("SIMULATE_FROM", 1), .n = number_of("SIMULATE_SEEDS", n), .jobs = jobs};
  totals t = run(&b);
  result(t.failed == 0, "%lld histories: nothing lost, nothing twice, the ledger and the replays agree",
         (long long)t.histories);
  result(t.sum.crashes >= t.histories && t.sum.effects >= 60 * t.histories,
         "each has a death and sixty effects");
  printf("# %d crash points of %d were met\n", SIM_POINTS - uncovered(&t), SIM_POINTS);
}

static void test_same(void) {
  int same = 0;
  for (uint64_t seed = 1; seed <= TWICE; seed++) {
    batch b = {.from = seed, .n = 1, .jobs = 1, .quiet = true};
    uint64_t there = 0;
    same += run(&b).trace == (trace_elsewhere(seed, &there) ? there : 0) && there;
  }
  result(same == TWICE, "a seed is one history: %d of %d had the same trace in another process", same, TWICE);
}

static void test_mutants(int jobs) {
  for (sim_mutant m = MUTANT_NONE + 1; m < MUTANTS; m++) {
    batch b = {.from = 1, .n = MUTANT_SEEDS, .mutant = m, .jobs = jobs, .quiet = true, .until_failed = true};
    totals t = run(&b);
    result(t.failed > 0, "found within %lld histories: %s", (long long)t.histories, sim_mutant_names[m]);
  }
}

static int test(int jobs) {
  test_histories(jobs);
  test_same();
  if (!is_sanitized()) test_mutants(jobs);
  printf("1..%d\n", tests);
  return bad ? 1 : 0;
}

/* ------------------------------------------------------------------ the command */

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int many(const batch *b) {
  double began = seconds();
  totals t = b->n == 1 ? run_here(b) : run(b);
  if (b->n == 1) {
    printf("seed %llu: trace %016llx\n", (unsigned long long)b->from, (unsigned long long)t.trace);
    fflush(stdout);
    _exit(t.failed ? 1 : 0); /* what the dead held is nobody's any more: not a leak */
  }
  tell(&t, seconds() - began);
  return t.failed ? 1 : 0;
}

static bool make_room(int jobs) {
  sim_result *r =
      mmap(NULL, (size_t)jobs * sizeof *r, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; r != MAP_FAILED && i < jobs; i++) children[i].result = &r[i];
  return r != MAP_FAILED;
}

static int usage(void) {
  fprintf(stderr, "usage: %s [--seeds N [--from K] | --seed K [--verbose]] [--mutant M] [--jobs J]\n",
          program);
  return 2;
}

int main(int argc, char **argv) {
  static const struct option options[] = {{"seeds", required_argument, NULL, 'n'},
                                          {"from", required_argument, NULL, 'f'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          {"mutant", required_argument, NULL, 'm'},
                                          {"jobs", required_argument, NULL, 'j'},
                                          {NULL, 0, NULL, 0}};
  ln_err err;
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  batch b = {.from = 1, .jobs = cores > 0 ? (int)cores : 1};
  program = argv[0];
  for (int opt; (opt = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    switch (opt) {
    case 'n': b.n = strtoull(optarg, NULL, 10); break;
    case 'f': b.from = strtoull(optarg, NULL, 10); break;
    case 's': b.from = strtoull(optarg, NULL, 10), b.n = 1; break;
    case 'v': b.verbose = true; break;
    case 'm': b.mutant = (sim_mutant)strtol(optarg, NULL, 10); break;
    case 'j': b.jobs = (int)strtol(optarg, NULL, 10); break;
    default: return usage();
    }
  }
  if (optind < argc || b.jobs < 1 || b.jobs > JOBS_MOST || b.mutant >= MUTANTS) return usage();
  ln_log_level(LN_NOTHING); /* lost batches are what is tested */
  if (!make_room(b.jobs) || !sim_prepare(&world, &err)) {
    fprintf(stderr, "simulate: %s\n", err.message);
    return 1;
  }
  return b.n ? many(&b) : test(b.jobs);
}
