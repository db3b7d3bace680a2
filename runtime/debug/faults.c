/* faults.c: the cells of a case, and the children that go through them. */
#include "debug/faults_parts.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JOBS_MOST = 64, ALIKE = 2, PATH = 4096 };

/* What befalls a request.  A time-out is an answer that comes when nobody waits for it any more; of 5xx there
** are those that did nothing and those that did it all the same; what is malformed is cut short, empty, or a
** page of somebody else's, whatever its status says. */
static const struct {
  const char *name, *spec;
} faults[] = {{"time-out", "slow:600"},
              {"429", "429"},
              {"409", "409"},
              {"500", "5xx"},
              {"504", "5xx:504"},
              {"reset-before", "reset-before"},
              {"reset-after", "reset-after"},
              {"truncated", "truncate"},
              {"empty", "empty"},
              {"page", "html"},
              {"page-200", "html:200"},
              {"partial", "partial"},
              {"expired", "expire"},
              {"twice", "twice"}};
enum { FAULTS = sizeof faults / sizeof *faults };

typedef struct job {
  pid_t pid;
  size_t number;
  ln_f_trace *trace;
  char folder[PATH];
} job;

typedef struct matrix {
  ln_simset *set;
  const ln_faults_case *c;
  const ln_faults_opts *o;
  ln_faults_sum *sum;
  ln_f_trace *base;
  ln_f_cell *cell;
  size_t cells;
  job job[JOBS_MOST];
  int jobs;
} matrix;

/* ------------------------------------------------------------------ the cells */

static void add_cell(matrix *m, ln_f_kind kind, size_t at, const char *name, const char *spec) {
  m->cell[m->cells++] = (ln_f_cell){kind, at, name, spec};
}

/* A poll is asked again and again: of what one step asks alike the first two and the last are hit. */
static bool is_poll(const ln_f_trace *t, size_t i) {
  size_t before = 0, after = 0;
  for (size_t k = 0; k < t->requests; k++) {
    bool alike = k != i && strcmp(t->request[k].step, t->request[i].step) == 0 &&
                 strcmp(t->request[k].vendor, t->request[i].vendor) == 0 &&
                 strcmp(t->request[k].op, t->request[i].op) == 0;
    before += alike && k < i;
    after += alike && k > i;
  }
  return before >= ALIKE && after > 0;
}

static bool make_cells(matrix *m, ln_err *err) {
  const ln_f_trace *t = m->base;
  m->cell = calloc(t->requests * (FAULTS + 2) + t->commits * 2 + 1, sizeof *m->cell);
  if (!m->cell) return ln_fail(err, "memory", LN_AGAIN, "no memory for a matrix");
  for (size_t i = 0; i < t->requests; i++) {
    m->sum->polls += is_poll(t, i);
    if (is_poll(t, i)) continue;
    for (size_t f = 0; f < FAULTS; f++) add_cell(m, LN_F_FAULT, i, faults[f].name, faults[f].spec);
    add_cell(m, LN_F_SENT, i, "crash-before", NULL);
    add_cell(m, LN_F_ACTED, i, "crash-after", NULL);
  }
  for (size_t i = 0; i < t->commits; i++) {
    add_cell(m, LN_F_BEFORE, i, "crash-before", NULL);
    add_cell(m, LN_F_AFTER, i, "crash-after", NULL);
  }
  m->sum->cells += m->cells;
  m->sum->effects += t->effects;
  m->sum->requests += t->requests;
  m->sum->commits += t->commits;
  return true;
}

/* Whether a cell belongs to the slice that is gone through: by its number and the seed, spread evenly. */
static bool is_wanted(const ln_faults_opts *o, size_t number) {
  ln_rand r;
  if (o->only) return number == o->only;
  if (o->every < 2) return true;
  ln_rand_seed(&r, o->seed * 1000003 + number);
  return ln_rand_u64(&r) % o->every == 0;
}

/* ------------------------------------------------------------------ children */

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *where) {
  (void)st, (void)type;
  return where->level > 0 ? remove(name) : 0;
}

static void live_it(const matrix *m, const job *j) {
  static ln_story s;
  ln_err err = {0};
  s = (ln_story){.set = m->set, .c = m->c, .out = j->trace, .seed = m->o->seed, .folder = j->folder};
  if (j->number) s.cell = &m->cell[j->number - 1], s.base = m->base;
  s.verbose = m->o->shown && j->number;
  if (ln_simset_files(m->set, j->folder, &err)) ln_story_live(&s);
  else ln_story_wrong(&s, "%s", err.message);
  fflush(stdout);
}

static bool start(const matrix *m, job *j, size_t number, ln_err *err) {
  j->number = number;
  memset(j->trace, 0, sizeof *j->trace);
  fflush(stdout);
  j->pid = fork();
  if (j->pid < 0) return j->pid = 0, ln_fail(err, "failed", LN_AGAIN, "a cell has no process");
  if (j->pid > 0) return true;
  live_it(m, j);
  _exit(0);
}

static void describe(const matrix *m, const job *j, ln_faults_cell *out) {
  const ln_f_trace *t = j->trace;
  *out = (ln_faults_cell){.name = m->c->name,
                          .number = j->number,
                          .step = "",
                          .fault = "none",
                          .state = t->state,
                          .outcome = t->outcome,
                          .doubts = t->doubts,
                          .lives = t->lives,
                          .trace = t->trace,
                          .wrong = t->wrong[0] ? t->wrong : NULL};
  if (!j->number) return;
  const ln_f_cell *c = &m->cell[j->number - 1];
  const ln_f_request *r = &m->base->request[c->at];
  const ln_f_commit *k = &m->base->commit[c->at];
  bool request = c->kind <= LN_F_ACTED;
  out->fault = c->name;
  out->step = request ? r->step : k->step;
  if (request) snprintf(out->where, sizeof out->where, "request %d, %s.%s", r->of_step, r->vendor, r->op);
  else snprintf(out->where, sizeof out->where, "commit %zu, with %d others", c->at + 1, k->others);
}

static void count_end(ln_faults_sum *sum, const ln_f_trace *t) {
  bool completed = strcmp(t->state, "completed") == 0;
  sum->lived++;
  sum->wrong += t->wrong[0] != 0;
  sum->doubts += (size_t)t->doubts;
  sum->completed += completed && strcmp(t->outcome, "complete") == 0;
  sum->partial += completed && strcmp(t->outcome, "complete") != 0;
  sum->failed += strcmp(t->state, "failed") == 0;
  sum->waiting += strcmp(t->state, "waiting") == 0;
}

static void finish(matrix *m, job *j, int status) {
  ln_faults_cell cell;
  if (!j->trace->wrong[0] && (!j->trace->finished || status != 0))
    snprintf(j->trace->wrong, sizeof j->trace->wrong, "its process died: %s",
             WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "without a word");
  nftw(j->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
  j->pid = 0;
  describe(m, j, &cell);
  if (j->number) count_end(m->sum, j->trace);
  if (m->o->told && j->number) m->o->told(m->o->arg, &cell);
}

static bool wait_for_one(matrix *m, ln_err *err) {
  int status;
  pid_t pid = waitpid(-1, &status, 0);
  for (int i = 0; i < m->jobs; i++)
    if (pid > 0 && m->job[i].pid == pid) return finish(m, &m->job[i], status), true;
  return pid > 0 || ln_fail(err, "failed", LN_AGAIN, "a cell's process is gone");
}

static job *free_job(matrix *m) {
  for (int i = 0; i < m->jobs; i++)
    if (!m->job[i].pid) return &m->job[i];
  return NULL;
}

static bool run_cells(matrix *m, ln_err *err) {
  size_t next = 1, under_way = 0;
  bool ok = true;
  while (ok && (next <= m->cells || under_way)) {
    if (m->o->until_wrong && m->sum->wrong) next = m->cells + 1;
    while (next <= m->cells && !is_wanted(m->o, next)) next++;
    job *j = next <= m->cells ? free_job(m) : NULL;
    if (j) ok = start(m, j, next++, err), under_way += ok;
    else if (under_way) ok = wait_for_one(m, err), under_way--;
  }
  while (under_way-- && wait_for_one(m, err)) continue;
  return ok;
}

static bool run_base(matrix *m, ln_err *err) {
  job *j = &m->job[0];
  if (!start(m, j, 0, err) || !wait_for_one(m, err)) return false;
  memcpy(m->base, j->trace, sizeof *m->base);
  return !m->base->wrong[0] ||
         ln_fail(err, "failed", LN_FINAL, "%s, without a fault: %s", m->c->name, m->base->wrong);
}

/* ------------------------------------------------------------------ a case */

static bool make_jobs(matrix *m, ln_err *err) {
  int jobs = m->o->jobs < 1 ? 1 : m->o->jobs > JOBS_MOST ? JOBS_MOST : m->o->jobs;
  size_t n = sizeof(ln_f_trace) * ((size_t)jobs + 1);
  m->base = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (m->base == MAP_FAILED)
    return m->base = NULL, ln_fail(err, "memory", LN_AGAIN, "no memory for a matrix");
  for (; m->jobs < jobs; m->jobs++) {
    job *j = &m->job[m->jobs];
    j->trace = m->base + 1 + m->jobs;
    snprintf(j->folder, sizeof j->folder, "%s/%d", m->o->folder, m->jobs);
    mkdir(j->folder, 0700);
  }
  return true;
}

bool ln_faults_go(ln_simset *s, const ln_faults_case *c, const ln_faults_opts *o, ln_faults_sum *sum,
                  ln_err *err) {
  matrix *m = calloc(1, sizeof *m);
  if (!m) return ln_fail(err, "memory", LN_AGAIN, "no memory for a matrix");
  m->set = s;
  m->c = c;
  m->o = o;
  m->sum = sum;
  bool ok = make_jobs(m, err) && run_base(m, err) && make_cells(m, err) && run_cells(m, err);
  for (int i = 0; i < m->jobs; i++) rmdir(m->job[i].folder);
  if (m->base) munmap(m->base, sizeof(ln_f_trace) * ((size_t)m->jobs + 1));
  free(m->cell);
  free(m);
  return ok;
}
