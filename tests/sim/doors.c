/* doors.c: the doors of the writer, wrapped by the linker (--wrap).  Behind them it is known what every job
** wrote, what was acknowledged, and here the process dies. */
#include "tests/sim/sim.h"
#include "tests/sim/mutants.h"

#include <stdio.h>
#include <stdlib.h>

#define MOST(a, b) ((a) > (b) ? (a) : (b))

/* ------------------------------------------------------------------ names */

static const char *const job_names[JOBS] = {"create",   "own",     "entries", "local",    "intent", "result",
                                            "accepted", "withdrawn", "doubt", "settled",  "question", "vote",
                                            "expiry",   "park",    "end",     "content",  "alert",
                                            "decided",  "other"};
static const char *const phase_names[PHASES] = {"not committed", "power lost within the commit",
                                                "committed, nobody told", "committed, told in part"};
static const char *const ask_names[ASKS] = {"read", "write", "token"};
static const char *const stage_names[STAGES] = {"before it arrives", "acted, not answered",
                                                "answered, not looked at"};
const char *const sim_stand_names[SIM_STANDS] = {"new",      "looking", "asking", "placing",
                                                 "turn",     "intent",  "sent",   "following",
                                                 "settling", "probing", "doubt",  "recording"};

const char *sim_point_name(int p, char out[48]) {
  if (p < SIM_ASK_POINT) snprintf(out, 48, "%s: %s", job_names[p / PHASES], phase_names[p % PHASES]);
  else if (p == SIM_IDLE_POINT) snprintf(out, 48, "at any time");
  else
    snprintf(out, 48, "%s: %s", ask_names[(p - SIM_ASK_POINT) / STAGES],
             stage_names[(p - SIM_ASK_POINT) % STAGES]);
  return out;
}

/* ------------------------------------------------------------------ deaths */

/* The first death of a history comes soon whatever happens.  The later ones come where chance has it, or are
** aimed at one point; some histories aim at what seldom happens. */
void sim_arm(void) {
  static const sim_job rare[] = {JOB_WITHDRAWN, JOB_DOUBT, JOB_SETTLED, JOB_EXPIRY};
  int left = here->want_crashes - here->out->crashes;
  bool first = here->out->crashes == 0, aim = !first && sim_pick(&here->plan, 2);
  here->armed = -2;
  if (left <= 0) return;
  if (here->rare && !first) {
    here->armed = sim_job_point(rare[sim_pick(&here->plan, 4)], (sim_phase)sim_pick(&here->plan, PHASES));
    here->countdown = 0;
    return;
  }
  here->armed = aim ? (int)sim_pick(&here->plan, SIM_POINTS) : -1;
  here->countdown = (int)sim_pick(&here->plan, aim ? 4 : 90);
  bool nowhere = !here->n_texts && here->armed >= sim_job_point(JOB_ALERT, AT_LOST) &&
                 here->armed < sim_job_point(JOB_OTHER, AT_LOST);
  if (nowhere) here->armed = -1;
}

static void count_stands(const ln_engine *g) {
  for (const ln_run *r = g->state; r; r = r->next)
    for (const ln_branch *b = r->branches; b; b = b->next)
      if (b->asked && b->asked->op->cls == LN_WRITE && !b->asked->finished)
        here->out->stands[b->asked->stand]++;
}

void sim_die(int point, bool power) {
  char name[48];
  here->out->points[point]++;
  here->out->crashes++;
  here->power = power || sim_chance(&here->luck, 0.4);
  here->out->power_cuts += here->power;
  count_stands(here->g);
  if (here->rival) count_stands(here->rival);
  sim_trace(here->power ? "the power goes" : "it dies", ln_str_of(sim_point_name(point, name)));
  longjmp(here->out_of_life, 1);
}

bool sim_strikes(int point) {
  if (!here || !here->in_life || here->armed == -2 || (here->armed >= 0 && here->armed != point))
    return false;
  return here->countdown-- <= 0;
}

static void fill_disk(void) {
  here->disk_full = true;
  here->out->full_disks++;
  sim_trace("the disk is full", (ln_str){NULL, 0});
  ln_vfs_sim_fail_after(here->w->disk, (int64_t)sim_pick(&here->luck, 12));
}

void sim_point(int point) {
  if (here && here->in_life && here->full_in && --here->full_in == 0) fill_disk();
  if (sim_strikes(point)) sim_die(point, false);
}

/* ------------------------------------------------------------------ what a job wrote */

typedef struct wrote { int64_t run; sim_entry entry; } wrote;

typedef struct spy {                                     /* a job on its way                                */
  ln_apply_fn apply;
  ln_done_fn done;
  void *arg;
  unsigned kinds;                                        /* bits of sim_job                                 */
  wrote *v;
  size_t n, cap;
} spy;

static spy *current;                                     /* being applied                                   */
static unsigned batch;                                   /* what the transaction under way has              */

static void wrote_a(sim_job j) {
  if (current) current->kinds |= 1u << j;
}

static sim_job job_of(const ln_entry *e) {
  switch (e->kind) {
  case LN_E_INTENT: return JOB_INTENT;
  case LN_E_RESULT: return e->cls == LN_WRITE ? JOB_RESULT : JOB_LOCAL;
  case LN_E_ACCEPTED: return JOB_ACCEPTED;
  case LN_E_WITHDRAWN: return JOB_WITHDRAWN;
  case LN_E_DOUBT: return JOB_DOUBT;
  case LN_E_SETTLED: return JOB_SETTLED;
  default: return JOB_ENTRIES;
  }
}

static void note_entries(int64_t run, ln_str entries) {
  ln_entry e;
  for (ln_str rest = entries, was = rest; ln_entry_read(&rest, &e); was = rest) {
    ln_str one = {was.p, was.n - rest.n};
    wrote_a(job_of(&e));
    if (current->n == current->cap) {
      current->cap = MOST(8, 2 * current->cap);
      current->v = realloc(current->v, current->cap * sizeof *current->v);
      if (!current->v) abort();
    }
    current->v[current->n++] = (wrote){run, {sim_hash(0, one), ++here->applied}};
  }
}

/* One that only keeps a content is of that kind; else contents are beside what it is about. */
static unsigned kinds_of(unsigned k) {
  if (!k) return 1u << JOB_OTHER;
  if (k & ~(1u << JOB_CONTENT)) k &= ~(1u << JOB_CONTENT);
  if (k & ~(1u << JOB_ENTRIES)) k &= ~(1u << JOB_ENTRIES);
  return k;
}

bool __real_ln_tx_log(ln_tx *tx, int64_t run, ln_str entries, ln_err *err);
bool __wrap_ln_tx_log(ln_tx *tx, int64_t run, ln_str entries, ln_err *err);
bool __wrap_ln_tx_log(ln_tx *tx, int64_t run, ln_str entries, ln_err *err) {
  if (!current || !here || here->replaying) return __real_ln_tx_log(tx, run, entries, err);
  note_entries(run, entries);
  return mutant_forgets(entries) || __real_ln_tx_log(tx, run, entries, err);
}

bool __real_ln_tx_run_create(ln_tx *tx, ln_run_row *row, ln_err *err);
bool __wrap_ln_tx_run_create(ln_tx *tx, ln_run_row *row, ln_err *err);
bool __wrap_ln_tx_run_create(ln_tx *tx, ln_run_row *row, ln_err *err) {
  wrote_a(JOB_CREATE);
  return __real_ln_tx_run_create(tx, row, err);
}

bool __real_ln_tx_run_change(ln_tx *tx, int64_t run, const ln_run_change *c, ln_err *err);
bool __wrap_ln_tx_run_change(ln_tx *tx, int64_t run, const ln_run_change *c, ln_err *err);
bool __wrap_ln_tx_run_change(ln_tx *tx, int64_t run, const ln_run_change *c, ln_err *err) {
  char who[32];
  snprintf(who, sizeof who, "run %lld becomes", (long long)run);
  if (here && !here->replaying && c->state.n) sim_trace(who, c->state);
  if (c->finished_ms) wrote_a(JOB_END);
  else if (ln_str_eq(c->state, LN_STR("waiting"))) wrote_a(JOB_PARK);
  else if (ln_str_eq(c->state, LN_STR("running"))) wrote_a(JOB_OWN);
  return __real_ln_tx_run_change(tx, run, c, err);
}

bool __real_ln_tx_approval_add(ln_tx *tx, ln_approval *a, ln_err *err);
bool __wrap_ln_tx_approval_add(ln_tx *tx, ln_approval *a, ln_err *err);
bool __wrap_ln_tx_approval_add(ln_tx *tx, ln_approval *a, ln_err *err) {
  wrote_a(JOB_QUESTION);
  return __real_ln_tx_approval_add(tx, a, err);
}

bool __real_ln_tx_approval_vote(ln_tx *tx, int64_t id, bool yes, ln_str by, ln_str comment, ln_str answer,
                                int64_t ms, ln_err *err);
bool __wrap_ln_tx_approval_vote(ln_tx *tx, int64_t id, bool yes, ln_str by, ln_str comment, ln_str answer,
                                int64_t ms, ln_err *err);
bool __wrap_ln_tx_approval_vote(ln_tx *tx, int64_t id, bool yes, ln_str by, ln_str comment, ln_str answer,
                                int64_t ms, ln_err *err) {
  wrote_a(JOB_VOTE);
  return __real_ln_tx_approval_vote(tx, id, yes, by, comment, answer, ms, err);
}

bool __real_ln_tx_approval_set(ln_tx *tx, int64_t id, ln_str state, int64_t ms, ln_err *err);
bool __wrap_ln_tx_approval_set(ln_tx *tx, int64_t id, ln_str state, int64_t ms, ln_err *err);
bool __wrap_ln_tx_approval_set(ln_tx *tx, int64_t id, ln_str state, int64_t ms, ln_err *err) {
  if (ln_str_eq(state, LN_STR("expired"))) wrote_a(JOB_EXPIRY);
  return __real_ln_tx_approval_set(tx, id, state, ms, err);
}

bool __real_ln_tx_alert_add(ln_tx *tx, ln_alert_row *a, ln_str bytes, bool *fresh, ln_err *err);
bool __wrap_ln_tx_alert_add(ln_tx *tx, ln_alert_row *a, ln_str bytes, bool *fresh, ln_err *err);
bool __wrap_ln_tx_alert_add(ln_tx *tx, ln_alert_row *a, ln_str bytes, bool *fresh, ln_err *err) {
  wrote_a(JOB_ALERT);
  return __real_ln_tx_alert_add(tx, a, bytes, fresh, err);
}

bool __real_ln_tx_alert_run_put(ln_tx *tx, const ln_alert_run *r, ln_err *err);
bool __wrap_ln_tx_alert_run_put(ln_tx *tx, const ln_alert_run *r, ln_err *err);
bool __wrap_ln_tx_alert_run_put(ln_tx *tx, const ln_alert_run *r, ln_err *err) {
  wrote_a(JOB_DECIDED);
  return __real_ln_tx_alert_run_put(tx, r, err);
}

bool __real_ln_tx_content_put(ln_tx *tx, const ln_content *c, ln_err *err);
bool __wrap_ln_tx_content_put(ln_tx *tx, const ln_content *c, ln_err *err);
bool __wrap_ln_tx_content_put(ln_tx *tx, const ln_content *c, ln_err *err) {
  wrote_a(JOB_CONTENT);
  return __real_ln_tx_content_put(tx, c, err);
}

/* ------------------------------------------------------------------ what was acknowledged */

static sim_acked *acked_of(int64_t run) {
  for (size_t i = 0; i < here->n_acked; i++)
    if (here->acked[i].run == run) return &here->acked[i];
  if (here->n_acked == here->cap_acked) {
    here->cap_acked = MOST(16, 2 * here->cap_acked);
    here->acked = realloc(here->acked, here->cap_acked * sizeof *here->acked);
    if (!here->acked) abort();
  }
  here->acked[here->n_acked] = (sim_acked){.run = run};
  return &here->acked[here->n_acked++];
}

static void acknowledge(const spy *s) {
  for (size_t i = 0; i < s->n; i++) {
    sim_acked *a = acked_of(s->v[i].run);
    if (a->n == a->cap) {
      a->cap = MOST(64, 2 * a->cap);
      a->v = realloc(a->v, a->cap * sizeof *a->v);
      if (!a->v) abort();
    }
    a->v[a->n++] = s->v[i].entry;
  }
}

/* ------------------------------------------------------------------ the writer */

static bool spy_apply(ln_tx *tx, void *arg, ln_err *err) {
  spy *s = arg, *outer = current;
  s->n = 0;
  s->kinds = 0;
  current = s;
  bool ok = s->apply(tx, s->arg, err);
  current = outer;
  unsigned kinds = ok ? kinds_of(s->kinds) : 0;
  batch |= kinds;
  if (!ok) s->n = 0;
  for (int j = 0; here && j < JOBS; j++) here->out->jobs[j] += kinds >> j & 1;
  return ok;
}

static void points(unsigned kinds, sim_phase phase) {
  for (int j = 0; j < JOBS; j++)
    if (kinds >> j & 1) sim_point(sim_job_point(j, phase));
}

static void spy_done(void *arg, const ln_err *err) {
  spy s = *(spy *)arg;
  free(arg);
  if (!err && here) {
    points(kinds_of(s.kinds), AT_TOLD);
    acknowledge(&s);
  }
  free(s.v);
  if (s.done) s.done(s.arg, err);
}

typedef bool submit_fn(ln_store *s, ln_loop *back, ln_apply_fn apply, ln_done_fn done, void *arg);
submit_fn __real_ln_writer_submit, __wrap_ln_writer_submit;
submit_fn __real_ln_writer_submit_unwaited, __wrap_ln_writer_submit_unwaited;

static bool spied(submit_fn *real, ln_store *s, ln_loop *back, spy what) {
  spy *p = calloc(1, sizeof *p);
  if (!p) return false;
  *p = what;
  if (real(s, back, spy_apply, spy_done, p)) return true;
  free(p);
  return false;
}

bool __wrap_ln_writer_submit(ln_store *s, ln_loop *back, ln_apply_fn apply, ln_done_fn done, void *arg) {
  return spied(__real_ln_writer_submit, s, back, (spy){.apply = apply, .done = done, .arg = arg});
}

bool __wrap_ln_writer_submit_unwaited(ln_store *s, ln_loop *back, ln_apply_fn apply, ln_done_fn done,
                                      void *arg) {
  return spied(__real_ln_writer_submit_unwaited, s, back, (spy){.apply = apply, .done = done, .arg = arg});
}

bool __real_ln_writer_run(ln_store *s, ln_apply_fn apply, void *arg, ln_err *err);
bool __wrap_ln_writer_run(ln_store *s, ln_apply_fn apply, void *arg, ln_err *err);
bool __wrap_ln_writer_run(ln_store *s, ln_apply_fn apply, void *arg, ln_err *err) {
  spy p = {.apply = apply, .arg = arg};
  if (here) sim_rival_takes();
  bool ok = __real_ln_writer_run(s, spy_apply, &p, err);
  if (ok && here) {
    points(kinds_of(p.kinds), AT_TOLD);
    acknowledge(&p);
  }
  free(p.v);
  return ok;
}

/* The power goes within the commit: at one of the writes and syncs that it is made of, or just after them. */
static bool torn(ln_tx *tx, int point, ln_err *err);

bool __real_ln_batch_commit(ln_tx *tx, ln_err *err);
bool __wrap_ln_batch_commit(ln_tx *tx, ln_err *err);

static bool torn(ln_tx *tx, int point, ln_err *err) {
  ln_vfs_sim_cut_after(here->w->disk, (int64_t)sim_pick(&here->luck, 6));
  (void)__real_ln_batch_commit(tx, err);
  ln_vfs_sim_cut_after(here->w->disk, -1);
  sim_die(point, true);
}

bool __wrap_ln_batch_commit(ln_tx *tx, ln_err *err) {
  unsigned kinds = batch;
  batch = 0;
  if (!here) return __real_ln_batch_commit(tx, err);
  points(kinds, AT_LOST);
  for (int j = 0; j < JOBS; j++)
    if (kinds >> j & 1 && sim_strikes(sim_job_point(j, AT_TORN)))
      return torn(tx, sim_job_point(j, AT_TORN), err);
  if (!__real_ln_batch_commit(tx, err)) return false;
  points(kinds, AT_KEPT);
  return true;
}
