/* park.c: a run of which every branch waits for time or for somebody is *parked*: one transaction gathers its
** journal into a segment, says in `wait` what will make it due, and gives its row up.  Its VM stays for a
** while, for whoever has to wait only a minute; then memory holds nothing of it.
**
** A parked run belongs to nobody.  A timer of it that goes off, or whatever else comes for it, first takes
** the row back (epoch + 1, in a transaction); only then does anything of it go on.  What was decided between
** the last look and that transaction would be missed: so the transaction looks once more, and what is there
** already makes the run due at once. */
#include "engine/inside.h"

#include "base/plain.h"

#include <stdio.h>
#include <stdlib.h>

enum { WORTH_MS = 2000 };                                /* a shorter wait is not worth two transactions */

/* ------------------------------------------------------------------ may it be? */

static bool is_for(const ln_effect *e, const char *what) {
  return e->waiting_for && strcmp(e->waiting_for, what) == 0;
}

/* Nothing of it is under way: only time, or somebody else, will move it. */
static bool only_waits(const ln_effect *e) {
  if (is_for(e, "timer")) return e->op->cls == LN_WAIT && e->timer.impl;
  if (is_for(e, "approval")) return e->approval > 0;
  return is_for(e, "doubt") || e->key.n > 0;
}

static int64_t due_of(const ln_effect *e) {
  int64_t due = e->due_ms ? e->due_ms : LN_NEVER;
  return e->timer.impl && e->wake_ms < due ? e->wake_ms : due;
}

bool ln_park_is_waiting(const ln_run *r, int64_t *due_ms) {
  bool any = false;
  *due_ms = LN_NEVER;
  if (r->ended || r->broken || r->winding || r->ending || r->creating || !r->live) return false;
  if (r->ready || r->runnable || r->sliced || (r->cancel_wanted && !r->cancelling)) return false;
  for (const ln_branch *b = r->branches; b; b = b->next) {
    if (b->state == LN_B_JOINING || b->state == LN_B_ENDED) continue;
    if (b->state != LN_B_ASKING || !b->asked || b->asked->finished || !only_waits(b->asked)) return false;
    int64_t due = due_of(b->asked);
    if (due < *due_ms) *due_ms = due;
    any = true;
  }
  return any;
}

/* ------------------------------------------------------------------ what its row says */

static const ln_effect *first_waiting(const ln_run *r) {
  const ln_effect *first = NULL;
  for (const ln_branch *b = r->branches; b; b = b->next)
    if (b->state == LN_B_ASKING && b->asked && b->asked->waiting_for && !b->asked->finished)
      if (!first || due_of(b->asked) < due_of(first)) first = b->asked;
  return first;
}

static void put(ln_buf *b, const char *key, ln_str text) {
  ln_v_key(b, ln_str_of(key));
  ln_v_str(b, text);
}

/* A session waits for its next line. */
static bool is_line(const ln_run *r, const ln_effect *e) {
  return r->is_session && ln_str_eq(ln_v_get_str(ln_effect_args(e), "name"), LN_STR(LN_LINE_SIGNAL));
}

/* "lunette signal RUN NAME": pasted into a shell as it is.  Returns how long it is, or 0. */
static int put_signal(const ln_run *r, const ln_effect *e, ln_waiting *w) {
  ln_buf name;
  if (is_line(r, e)) return snprintf(w->next, sizeof w->next, "lunette cancel %s", r->ulid), 0;
  ln_buf_init(&name, sizeof w->next - 80);
  bool plain = ln_shell_word(&name, ln_v_get_str(ln_effect_args(e), "name"));
  int n = snprintf(w->next, sizeof w->next, "lunette signal %s %.*s", r->ulid,
                   LN_STR_ARG(plain ? ln_buf_view(&name) : LN_STR("NAME")));
  ln_buf_free(&name);
  return n;
}

void ln_park_tell_signals(ln_run *r) {
  ln_waiting w;
  for (ln_branch *b = r->branches; b; b = b->next) {
    ln_effect *e = b->state == LN_B_ASKING ? b->asked : NULL;
    if (!e || e->finished || e->signal_told || !is_for(e, "signal") || is_line(r, e)) continue;
    e->signal_told = true;
    put_signal(r, e, &w);
    ln_run_event(r, "signal", e, ln_str_of(w.next), (ln_str){NULL, 0});
  }
}

static void describe(const ln_run *r, ln_waiting *w) {
  int64_t due;
  const ln_effect *e = ln_park_is_waiting(r, &due) ? first_waiting(r) : NULL;
  *w = (ln_waiting){.what = "interrupted"};
  if (!e) {
    snprintf(w->next, sizeof w->next, "lunette resume %s", r->ulid);
    return;
  }
  snprintf(w->what, sizeof w->what, "%s", e->waiting_for);
  snprintf(w->step, sizeof w->step, "%s", e->name);
  w->until_ms = due_of(e) == LN_NEVER ? 0 : due_of(e);
  int n = is_for(e, "signal") ? put_signal(r, e, w) : 0;
  if (!r->engine->sched && n > 0)                        /* else it is woken by it */
    snprintf(w->next + n, sizeof w->next - (size_t)n, " && lunette resume %s", r->ulid);
}

void ln_park_encode(const ln_waiting *w, ln_buf *out) {
  size_t mark = ln_v_begin(out, 'O', 5);
  put(out, "for", ln_str_of(w->what));
  put(out, "id", ln_str_of(w->id));
  put(out, "next", ln_str_of(w->next));
  put(out, "step", ln_str_of(w->step));
  ln_v_key(out, LN_STR("until"));
  ln_v_int(out, w->until_ms);
  ln_v_end(out, mark);
}

void ln_park_describe(const ln_run *r, ln_buf *out) {
  ln_waiting w;
  if (!ln_run_waiting(r, &w)) describe(r, &w);
  ln_park_encode(&w, out);
}

/* ------------------------------------------------------------------ the rows of `wait` */

static bool approval_waits(void *arg, const ln_approval *a) {
  *(bool *)arg = ln_str_eq(a->state, LN_STR("waiting"));
  return false;
}

static bool still_waits(ln_tx *tx, ln_effect *e, bool *waits, ln_err *err) {
  *waits = true;
  if (e->still) return e->still(tx, e, waits, err);
  return !is_for(e, "approval") || ln_tx_approval_get(tx, e->approval, approval_waits, waits, err);
}

bool ln_park_put_waits(ln_tx *tx, const ln_run *r, ln_err *err) {
  for (const ln_branch *b = r->branches; b; b = b->next) {
    ln_effect *e = b->asked;
    bool waits = true;
    if (b->state != LN_B_ASKING || !e || e->finished) continue;
    if (!still_waits(tx, e, &waits, err)) return false;
    if (!ln_tx_wait_put(tx, r->id, e->key, waits ? due_of(e) : 0, err)) return false;
  }
  return true;
}

/* ------------------------------------------------------------------ parking */

typedef struct parting { ln_run *run; ln_buf waiting; } parting;

static bool park_apply(ln_tx *tx, void *arg, ln_err *err) {
  parting *p = arg;
  ln_run *r = p->run;
  ln_run_change c = {.owner = LN_STR(""), .state = LN_STR("waiting"), .waiting = ln_buf_view(&p->waiting)};
  return ln_park_put_waits(tx, r, err) && ln_tx_run_change(tx, r->id, &c, err) &&
         ln_tx_run_forgive(tx, r->id, err) && ln_tx_segment(tx, r->id, err);
}

static void park_done(void *arg, const ln_err *err) {
  parting *p = arg;
  ln_run *r = p->run;
  ln_buf_free(&p->waiting);
  free(p);
  r->parking = false; /* also of an attempt that is over: it is to be given up */
  if (ln_job_gone(err)) return;
  if (err) {
    ln_run_end_attempt(r, err);
    return;
  }
  r->parked = true;
  r->engine->loop->cancel(r->engine->loop, &r->poll);
  ln_sched_parked(r);                                    /* which may let go of it */
}

void ln_park_try(ln_run *r) {
  int64_t due;
  if (!r->engine->sched || r->parked || r->parking || r->pending.n || r->flushed < r->flushes) return;
  if (r->line) return;                                   /* somebody looks on, and may want to stop it */
  if (!ln_park_is_waiting(r, &due) || due < ln_now_ms(r->engine->loop->clock) + WORTH_MS) return;
  parting *p = calloc(1, sizeof *p);
  if (!p) return;                                        /* it waits as it is */
  p->run = r;
  ln_buf_init(&p->waiting, 1 << 16);
  ln_park_describe(r, &p->waiting);
  r->parking = true;
  if (ln_run_flush_with(r, park_apply, park_done, p)) return;
  r->parking = false;
  ln_buf_free(&p->waiting);
  free(p);
}

bool ln_park_holds(ln_run *r) {
  if (r->parked && (r->ready || r->runnable || (r->cancel_wanted && !r->cancelling))) ln_park_wake(r);
  return r->parked || r->parking;
}

/* ------------------------------------------------------------------ waking one that is in memory */

static void woken(void *arg, const ln_err *err) {
  ln_run *r = arg;
  r->flushed++;
  r->waking = false;
  if (r->woken) r->woken(r, err);
  r->woken = NULL;
  if (r->closing) {
    ln_run_leave(r);
  } else if (err) { /* another has it now, and goes on from the journal */
    ln_sched_unparked(r);
    ln_run_unlink(r);
  } else {
    r->epoch++;
    r->parked = false;
    ln_sched_unparked(r);
    ln_approval_watch(r);
    ln_run_look_around(r);
    ln_run_pump_soon(r);
  }
}

bool ln_park_wake(ln_run *r) {
  if (r->waking) return true;
  r->waking = true;
  r->flushes++;
  if (ln_writer_submit(r->engine->store, r->engine->loop, ln_run_take_over_apply, woken, r)) return true;
  r->flushes--;
  return r->waking = false;                              /* its row is due: it is tried again */
}
