/* timing.c: see timing.h.
**
** A run is *timed* when a wait of it ended by time while the clock could not be believed: in this process, or
** in one before it, of which nobody knows.  Its writes wait until it is believed that the time had come. */
#include "engine/timing.h"

#include "base/log.h"
#include "engine/inside.h"
#include "engine/sched.h"

#include <stdlib.h>

enum { ALIVE_MS = 60000, AGAIN_MS = 1000 };

static ln_clock *clock_of(const ln_engine *g) { return g->loop->clock; }

static ln_steps *steps_of(ln_engine *g) {
  if (!g->timing.begun) ln_steps_begin(&g->timing.steps, clock_of(g), 0);
  g->timing.begun = true;
  return &g->timing.steps;
}

/* ------------------------------------------------------------------ being alive */

static bool alive_apply(ln_tx *tx, void *arg, ln_err *err) {
  return ln_tx_alive_at(tx, ln_now_ms(clock_of(arg)), err);
}

#define NOT_NOTED INT64_MIN

typedef struct stepping { ln_engine *g; int64_t by_ms, at_ms; } stepping;

/* Whoever comes after this process knows of the step, too; and whoever waits for its end is due with it. */
static bool stepped_apply(ln_tx *tx, void *arg, ln_err *err) {
  const stepping *s = arg;
  return ln_tx_stepped(tx, s->by_ms, s->at_ms, err) &&
         (s->by_ms || ln_tx_wait_call(tx, LN_STR(LN_CLOCK_KEY), err));
}

static void stepped_done(void *arg, const ln_err *err) {
  stepping *s = arg;
  if (!err) ln_sched_nudge(s->g->sched);
  else if (!ln_job_gone(err)) s->g->timing.noted_ms = NOT_NOTED;
  free(s);
}

/* A step within one that is not over is another one: noted_ms is the one that is on record, or on its way. */
static void note_step(ln_engine *g) {
  stepping *s = malloc(sizeof *s);
  if (!s) return;                                        /* only those that come after it do not know */
  *s = (stepping){g, g->timing.steps.step_ms, ln_now_ms(clock_of(g))};
  g->timing.noted_ms = s->by_ms;
  if (ln_writer_submit(g->store, g->loop, stepped_apply, stepped_done, s)) return;
  g->timing.noted_ms = NOT_NOTED;
  free(s);
}

/* When the clock is set back to where it was, those that wait for it are no longer due when they thought. */
void ln_timing_alive(ln_engine *g) {
  int64_t now = ln_now_ms(clock_of(g));
  bool was_unsure = g->timing.unsure;
  g->timing.unsure = ln_steps_unsure(steps_of(g), clock_of(g));
  bool other = was_unsure != g->timing.unsure || g->timing.noted_ms != g->timing.steps.step_ms;
  if (g->timing.keeps && other) note_step(g);
  if (!g->timing.keeps || g->timing.unsure || now - g->timing.alive_ms < ALIVE_MS) return;
  g->timing.alive_ms = now;
  ln_writer_submit_unwaited(g->store, NULL, alive_apply, NULL, g); /* if it fails: it is written again */
}

bool ln_timing_begin(ln_engine *g, bool keeps, ln_err *err) {
  int64_t newest, by, at;
  if (!ln_store_alive_at(g->store, &newest, err) || !ln_store_stepped(g->store, &by, &at, err)) return false;
  ln_steps_begin(&g->timing.steps, clock_of(g), keeps ? newest : 0);
  if (keeps) ln_steps_go_on(&g->timing.steps, clock_of(g), by, at);
  g->timing.begun = true;
  g->timing.keeps = keeps;
  g->timing.unsure = by != 0;
  g->timing.noted_ms = by;
  g->timing.alive_ms = 0;
  if (g->timing.steps.newest_ms)
    ln_log(LN_WARN, "clock.back", "it was %lld s later when this store was last used",
           (long long)(newest - ln_now_ms(clock_of(g))) / 1000);
  ln_timing_alive(g);
  return true;
}

/* ------------------------------------------------------------------ timed runs */

void ln_timing_due(ln_run *r, int64_t due_ms) {
  ln_steps *s = steps_of(r->engine);
  if (r->live && !ln_steps_unsure(s, clock_of(r->engine))) return;
  if (due_ms > r->timed_ms) r->timed_ms = due_ms;
  r->timed_lived = s->lived;
}

int64_t ln_timing_wait(ln_run *r) {
  ln_steps *s = steps_of(r->engine);
  int64_t left = r->timed_ms ? ln_steps_until(s, clock_of(r->engine), r->timed_ms) : 0;
  if (left > 0 && s->lived == r->timed_lived) return left;
  r->timed_ms = 0;
  return 0;
}

/* ------------------------------------------------------------------ leases */

void ln_leases_watch(ln_lease_watch *w, ln_engine *g, const ln_run_options *run) {
  *w = (ln_lease_watch){.g = g, .run = *run, .from_ms = ln_now_ms(clock_of(g)),
                        .look_ms = LN_NEVER};
}

typedef struct looking { ln_lease_watch *w; bool gap, ok; int64_t wait_ms; ln_err *err; } looking;

static bool see_sim(void *arg, const ln_run_row *row) {
  *(bool *)arg = ln_v_get_bool(row->options, "sim", false);
  return false;
}

static bool end_apply(ln_tx *tx, void *arg, ln_err *err) {
  return ln_tx_lease_ended(tx, *(int64_t *)arg, err);
}

static void put_input(ln_buf *b, const ln_lease *l, bool unwatched) {
  size_t mark = ln_v_begin(b, 'O', 2), hold;
  ln_v_key(b, LN_STR("hold"));
  hold = ln_v_begin(b, 'O', 2);
  ln_v_key(b, LN_STR("run")), ln_v_str(b, ln_str_of(l->ulid));
  ln_v_key(b, LN_STR("step")), ln_v_str(b, l->step);
  ln_v_end(b, hold);
  ln_v_key(b, LN_STR("unwatched")), ln_v_bool(b, unwatched);
  ln_v_end(b, mark);
}

/* What simulators held is gone with them. */
static bool one_is_over(void *arg, const ln_lease *l) {
  looking *k = arg;
  ln_engine *g = k->w->g;
  ln_run_options o = k->w->run;
  bool sim = false;
  ln_buf input;
  int64_t hold = l->hold;
  if ((k->wait_ms = ln_steps_until(steps_of(g), clock_of(g), l->until_ms)) > 0) return false;
  if (!ln_store_run_get(g->store, l->run, see_sim, &sim, k->err)) return k->ok = false;
  if (sim) return k->ok = ln_writer_run(g->store, end_apply, &hold, k->err);
  ln_buf_init(&input, 1 << 16);
  o.lease = l->hold;
  put_input(&input, l, k->gap || l->until_ms < k->w->from_ms);
  ln_run *r = ln_run_start(g, LN_STR("ledger.lease"), ln_buf_view(&input), &o, LN_STR("lease"), k->err);
  ln_buf_free(&input);
  if (r) ln_log(LN_INFO, "lease.over", "run=%s of=%s", ln_run_ulid(r), l->ulid);
  return k->ok = r != NULL;
}

/* Until its row is there, the lease of one that was started is still nobody's. */
static bool is_starting(const ln_engine *g) {
  for (const ln_run *r = g->state; r; r = r->next)
    if (r->creating && r->options.lease) return true;
  return false;
}

bool ln_leases_look(ln_lease_watch *w, int64_t *next_ms, ln_err *err) {
  ln_clock *c = clock_of(w->g);
  int64_t mono = ln_mono_us(c) / 1000, now = ln_now_ms(c);
  looking k = {.w = w, .gap = mono - LN_STEP_MS > w->look_ms, .err = err, .ok = true};
  *next_ms = now + AGAIN_MS;
  if (is_starting(w->g)) return true;
  bool ok = ln_store_leases_over(w->g->store, now, one_is_over, &k, err) && k.ok &&
            ln_store_lease_next(w->g->store, next_ms, err);
  if (k.wait_ms) *next_ms = now + k.wait_ms;             /* the later ones are not believed either */
  w->look_ms = *next_ms == LN_NEVER ? LN_NEVER : mono + *next_ms - now;
  return ok;
}
