/* sched.c: the life of many runs.  Runs that are due are read from the store, a few at a time, never all of
** them: neither starting nor waking costs anything for those that wait.  What the dead left is made due by
** one statement an owner.  Whose script was running when an owner died has one death more; see DEATHS in
** open.c.
**
** Parked runs are in a list, the one that was parked last first; what is beyond `warm` is let go. */
#include "engine/sched.h"

#include "base/log.h"
#include "engine/inside.h"
#include "engine/timing.h"

#include <stdlib.h>

enum {
  BATCH = 64,
  WARM = 1024,
  LIVE = 512,
  LOOK_MS = 100,
  OWNERS_MS = 2000,
  FAILED_MS = 1000,
  WANT_TRIES = 8
};

struct ln_sched {
  ln_engine *g;
  ln_sched_opts o;
  ln_run_options run;                                    /* of every run that it wakes                      */
  ln_timer tick;
  ln_run *warmest, *coldest;
  size_t warm, waking;
  bool again, failed, reap, stopping;                    /* failed: of those being woken, by the store      */
  int64_t owners_at;                                     /* when to look for dead owners                    */
  int64_t leases_at;                                     /* when the next lease ends                        */
  ln_lease_watch leases;
};

static int64_t now_of(const ln_sched *s) { return ln_now_ms(s->g->loop->clock); }

/* ------------------------------------------------------------------ what the dead left */

typedef struct dead { ln_sched *s; char owner[LN_ULID + 1]; int64_t blamed; bool found; } dead;

static bool orphan_apply(ln_tx *tx, void *arg, ln_err *err) {
  dead *d = arg;
  return (!d->blamed || ln_tx_run_died(tx, d->blamed, err)) && ln_tx_orphans(tx, ln_str_of(d->owner), err);
}

static bool is_dead(void *arg, ln_str owner) {
  dead *d = arg;
  ln_engine *g = d->s->g;
  if (owner.n != LN_ULID || ln_str_eq(owner, ln_str_of(ln_owner_id(g->owner))) ||
      ln_owner_alive(g->store, owner))
    return true;
  memcpy(d->owner, owner.p, owner.n);
  d->owner[owner.n] = '\0';
  d->found = true;
  return false;
}

/* One dead owner at a time, until none is left. */
static bool adopt(ln_sched *s, ln_err *err) {
  for (;;) {
    dead d = {.s = s};
    if (!ln_store_owners(s->g->store, is_dead, &d, err)) return false;
    if (!d.found) return true;
    d.blamed = ln_owner_blamed(s->g->store, ln_str_of(d.owner), false);
    if (!ln_writer_run(s->g->store, orphan_apply, &d, err)) return false;
    ln_owner_blamed(s->g->store, ln_str_of(d.owner), true);
    ln_log(LN_INFO, "sched.adopt", "owner=%s blamed=%lld", d.owner, (long long)d.blamed);
  }
}

/* ------------------------------------------------------------------ waking what is due */

static void arm(ln_sched *s) {
  ln_err err;
  int64_t due = LN_NEVER, now = now_of(s);
  ln_loop *l = s->g->loop;
  if (s->stopping) return;
  if (!ln_store_next_due(s->g->store, &due, &err)) due = now + FAILED_MS;
  if (due > s->leases_at) due = s->leases_at;
  if (due <= now) due = now + FAILED_MS;                 /* it was tried just now, or there are too many */
  if (s->reap && due > now + FAILED_MS) due = now + FAILED_MS;
  if (l->uv && due > now + LOOK_MS) due = now + LOOK_MS; /* others may make some due, without telling */
  if (due != LN_NEVER) l->timer(l, &s->tick, due - now);
}

static void woken(ln_run *r, const ln_err *err) {
  ln_sched *s = r->engine->sched;
  bool failed = err && !ln_err_is(err, "conflict");
  if (failed) ln_log(LN_ERROR, "sched.wake", "run=%s error=%s", r->ulid, err->message);
  if (!s || s->waking == 0) return;
  s->failed |= failed;
  if (--s->waking > 0 || !s->again) return;
  if (s->failed) s->g->loop->timer(s->g->loop, &s->tick, FAILED_MS); /* it is as due as before: not at once */
  else ln_sched_nudge(s);
}

static ln_run *find(const ln_sched *s, int64_t id) {
  for (ln_run *r = s->g->state; r; r = r->next)
    if (r->id == id && !r->ended && !r->broken) return r;
  return NULL;
}

static size_t live(const ln_sched *s) {
  size_t n = 0;
  for (ln_run *r = s->g->state; r; r = r->next) n += !r->parked;
  return n;
}

static void wake(ln_sched *s, int64_t id) {
  ln_err err = {0};
  ln_run *r = find(s, id);
  if (r && !r->parked) return;                           /* it is on its way */
  if (r) {
    r->woken = woken;
    s->waking += ln_park_wake(r);
  } else if (ln_run_wake(s->g, id, &s->run, woken, &err)) {
    s->waking++;
  } else if (!ln_err_is(&err, "conflict")) {
    ln_log(LN_ERROR, "sched.wake", "run=%lld error=%s", (long long)id, err.message);
  }
}

static void scan(ln_sched *s) {
  int64_t due[BATCH];
  size_t n = BATCH, room = s->o.live - live(s);
  ln_err err;
  if (s->waking) {
    s->again = true;
    return;
  }
  s->again = s->failed = false;
  if (room > s->o.live || room == 0) return;             /* one that ends or parks looks again */
  if (n > room) n = room;
  if (!ln_store_waits_due(s->g->store, now_of(s), due, &n, &err)) {
    ln_log(LN_ERROR, "sched.due", "error=%s", err.message);
    return;
  }
  for (size_t i = 0; i < n; i++) wake(s, due[i]);
  s->again = n > 0 && s->waking;
}

/* ------------------------------------------------------------------ the tick */

/* Ended ones go; so do those whose attempt is over: they are due again, soon.  One that the store does not
** let go of yet (a full disk) stays: nobody else would ever take it up. */
static void reap(ln_sched *s) {
  s->reap = false;
  for (ln_run *r = s->g->state, *next; r; r = next) {
    next = r->next;
    if (r->ended || (r->broken && ln_run_park(r))) ln_run_close(r);
    else s->reap |= r->broken;
  }
}

static void look_at_leases(ln_sched *s) {
  ln_err err;
  if (ln_leases_look(&s->leases, &s->leases_at, &err)) return;
  s->leases_at = now_of(s) + FAILED_MS;
  ln_log(LN_ERROR, "sched.leases", "error=%s", err.message);
}

static void tick(void *arg) {
  ln_sched *s = arg;
  ln_err err;
  int64_t now = now_of(s);
  if (s->stopping) return;
  if (s->reap) reap(s);
  if (ln_store_changed(s->g->store)) ln_runs_look(s->g);
  if (now >= s->owners_at) {
    s->owners_at = now + OWNERS_MS;
    if (!adopt(s, &err)) ln_log(LN_ERROR, "sched.adopt", "error=%s", err.message);
  }
  scan(s);
  look_at_leases(s);
  ln_timing_alive(s->g);
  arm(s);
}

void ln_sched_nudge(ln_sched *s) {
  if (s && !s->stopping) s->g->loop->timer(s->g->loop, &s->tick, 0);
}

/* ------------------------------------------------------------------ what people want */

typedef struct wanted {
  ln_sched *s;
  int64_t run, epoch;
  char *ulid, owner[LN_ULID + 1];
  ln_str by;                                             /* who wants it stopped                            */
  bool cancel, over, sim;
} wanted;

static bool read_wanted(void *arg, const ln_run_row *row) {
  wanted *w = arg;
  w->run = row->id;
  w->epoch = row->epoch;
  memcpy(w->ulid, row->ulid, LN_ULID + 1);
  memcpy(w->owner, row->owner, sizeof w->owner);
  w->over = row->finished_ms != 0;
  w->sim = ln_v_get_bool(row->options, "sim", false);
  return false;
}

/* One that is put away waits for its turn now, and for no person: whoever follows it sees that. */
static bool due_now(ln_tx *tx, const wanted *w, ln_err *err) {
  const ln_waiting turn = {.what = "timer"};
  ln_buf waiting;
  ln_buf_init(&waiting, 4096);
  ln_park_encode(&turn, &waiting);
  ln_run_change c = {.waiting = ln_buf_view(&waiting)};
  bool ok = ln_tx_wait_call_run(tx, w->run, err) &&
            ln_tx_wait_put(tx, w->run, (ln_str){NULL, 0}, 0, err) && ln_tx_run_change(tx, w->run, &c, err);
  ln_buf_free(&waiting);
  return ok;
}

static bool want_apply(ln_tx *tx, void *arg, ln_err *err) {
  const wanted *w = arg;
  static const ln_run_change cancelling = {.state = {"cancelling", 10}};
  return ln_tx_run_check(tx, w->run, ln_str_of(w->owner), w->epoch, err) &&
         ln_tx_run_forgive(tx, w->run, err) &&
         (!w->cancel || (ln_tx_run_change(tx, w->run, &cancelling, err) &&
                         ln_tx_audit(tx, ln_now_ms(w->s->g->loop->clock), LN_STR("cancel"), w->by, w->run,
                                     LN_STR("{}"), err))) &&
         (w->owner[0] || due_now(tx, w, err));
}

static bool want(wanted *w, ln_str which, ln_err *err) {
  ln_engine *g = w->s->g;
  if (!ln_store_run_find(g->store, which, read_wanted, w, err)) return false;
  bool ours = strcmp(w->owner, ln_owner_id(g->owner)) == 0;
  if (w->over)
    return ln_fail(err, "conflict", LN_FINAL, "run %s has ended: lunette show %s", w->ulid, w->ulid);
  if (w->sim)
    return ln_fail(err, "conflict", LN_FINAL, "run %s was made against simulators: it goes on with --sim",
                   w->ulid);
  if (w->owner[0] && !ours && ln_owner_alive(g->store, ln_str_of(w->owner)) && !w->cancel)
    return ln_fail(err, "conflict", LN_AGAIN, "run %s is under way in another process", w->ulid);
  return ln_writer_run(g->store, want_apply, w, err);
}

bool ln_sched_want(ln_sched *s, ln_str which, ln_str cancel_by, char ulid[LN_ULID + 1], ln_err *err) {
  wanted w = {.s = s, .ulid = ulid, .by = cancel_by, .cancel = cancel_by.p != NULL};
  bool ok = want(&w, which, err);
  /* it was woken, or put away, since its row was read: just now somebody answered it, say */
  for (int i = 1; !ok && i < WANT_TRIES && ln_err_is(err, "stale"); i++) ok = want(&w, which, err);
  if (!ok) return false;
  ln_run *r = find(s, w.run);
  if (r && w.cancel) ln_run_cancel(r, LN_STR("cancelled by lunette cancel"));
  ln_sched_nudge(s);
  return true;
}

void ln_sched_count(const ln_sched *s, int64_t *under_way, int64_t *parked) {
  int64_t n = 0;
  for (const ln_run *r = s->g->state; r; r = r->next) n++;
  *parked = (int64_t)s->warm;
  *under_way = n - *parked;
}

/* ------------------------------------------------------------------ what runs tell */

static void unlink_warm(ln_sched *s, ln_run *r) {
  if (s->warmest != r && !r->warmer) return;             /* it is not in the list */
  if (r->warmer) r->warmer->colder = r->colder;
  else s->warmest = r->colder;
  if (r->colder) r->colder->warmer = r->warmer;
  else s->coldest = r->warmer;
  r->warmer = r->colder = NULL;
  s->warm--;
}

void ln_sched_parked(ln_run *r) {
  ln_sched *s = r->engine->sched;
  if (!s) return;
  r->colder = s->warmest;
  if (s->warmest) s->warmest->warmer = r;
  else s->coldest = r;
  s->warmest = r;
  s->warm++;
  ln_run *cold = s->coldest;
  if (s->warm > s->o.warm && !cold->waking) {
    unlink_warm(s, cold);
    ln_run_unlink(cold);
  }
  ln_sched_nudge(s);
}

void ln_sched_unparked(ln_run *r) {
  if (r->engine->sched) unlink_warm(r->engine->sched, r);
}

void ln_sched_stopped(ln_run *r) {
  ln_sched *s = r->engine->sched;
  if (!s) return;
  s->reap = true;
  ln_sched_nudge(s);
}

/* ------------------------------------------------------------------ beginning and end */

ln_sched *ln_sched_start(ln_engine *g, const ln_sched_opts *o, ln_err *err) {
  ln_sched *s = calloc(1, sizeof *s);
  if (!s) {
    ln_fail(err, "memory", LN_AGAIN, "no memory for the scheduler");
    return NULL;
  }
  s->g = g;
  s->o = *o;
  if (!s->o.warm) s->o.warm = WARM;
  if (!s->o.live) s->o.live = LIVE;
  s->run = (ln_run_options){.event = o->event, .event_arg = o->event_arg};
  s->tick = (ln_timer){.loop = g->loop, .fn = tick, .arg = s};
  s->owners_at = now_of(s) + OWNERS_MS;
  ln_leases_watch(&s->leases, g, &s->run);
  if (!adopt(s, err)) {
    free(s);
    return NULL;
  }
  g->sched = s;
  ln_sched_nudge(s);
  return s;
}

void ln_sched_stop(ln_sched *s) {
  if (!s) return;
  ln_engine *g = s->g;
  s->stopping = true;
  g->loop->cancel(g->loop, &s->tick);
  while (g->state) ln_run_close(g->state);
  g->sched = NULL;
  free(s);
}
