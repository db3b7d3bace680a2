/* schedule.c: see schedule.h.
**
** A schedule is a grid: a playbook that is new, or says another interval, is due an interval after it was
** first seen; from then on every interval, and a moment of chance later, so that not all start at once.  What
** was due while nobody served is started once, not as often as it was missed: the grid begins anew. */
#include "engine/schedule.h"

#include "base/log.h"
#include "engine/inside.h"
#include "engine/queued.h"
#include "engine/sched.h"
#include "engine/triggers.h"

#include <stdlib.h>

enum { LOOK_MS = 1000, JITTER_PART = 10, JITTER_MOST_MS = 300000 };

struct ln_schedules {
  ln_engine *g;
  ln_triggers *triggers;
  ln_timer tick;
  size_t under_way;                                      /* jobs with the writer */
  bool stopping;
};

/* What the store is to have of a schedule, and a run that begins with it. */
typedef struct change {
  ln_schedules *s;
  char *playbook;
  ln_schedule row;
  int64_t was_ms;
  bool drop, starts;
  ln_err why;
  ln_buf input;
  ln_queued run;
} change;

static int64_t now_of(const ln_schedules *s) { return ln_now_ms(s->g->loop->clock); }

static int64_t jitter(const ln_schedules *s, int64_t every_ms) {
  int64_t most = every_ms / JITTER_PART;
  if (most > JITTER_MOST_MS) most = JITTER_MOST_MS;
  return (int64_t)(ln_rand_unit(s->g->rand) * (double)(most + 1));
}

/* ------------------------------------------------------------------ to disk */

static bool change_apply(ln_tx *tx, void *arg, ln_err *err) {
  change *c = arg;
  if (c->drop) return ln_tx_schedule_drop(tx, ln_str_of(c->playbook), err);
  if (!ln_tx_schedule_put(tx, &c->row, c->was_ms, err)) return false;
  if (!c->starts) return true;
  if (!ln_queued_put(tx, &c->run, err)) return false;
  c->row.run = c->run.row.id;
  return ln_tx_schedule_put(tx, &c->row, c->row.at_ms, err);
}

static void change_free(change *c) {
  free(c->playbook);
  ln_buf_free(&c->input);
  ln_queued_free(&c->run);
  free(c);
}

static void change_done(void *arg, const ln_err *err) {
  change *c = arg;
  ln_schedules *s = c->s;
  ln_loop *l = s->g->loop;
  s->under_way--;
  if (err) {
    if (!ln_err_is(err, "conflict"))
      ln_log(LN_ERROR, "schedule.store", "playbook=%s error=%s", c->playbook, err->message);
  } else if (c->starts) {
    ln_queued_stored(&c->run);
    ln_log(LN_INFO, "schedule.started", "playbook=%s run=%s", c->playbook, c->run.row.ulid);
    ln_sched_nudge(s->g->sched);
  } else if (c->why.code[0]) {
    ln_log(LN_WARN, "schedule.missed", "playbook=%s error=%s", c->playbook, c->why.message);
  }
  change_free(c);
  if (!s->stopping && !s->under_way) l->timer(l, &s->tick, err ? LOOK_MS : 0);
}

static change *change_new(ln_schedules *s, ln_str playbook) {
  change *c = calloc(1, sizeof *c);
  if (!c || !(c->playbook = ln_str_dup(playbook))) {
    free(c);
    return NULL;
  }
  c->s = s;
  c->row.playbook = ln_str_of(c->playbook);
  ln_buf_init(&c->input, (size_t)64 << 20);
  return c;
}

/* If it cannot be handed over, the next look makes it anew. */
static void submit(change *c) {
  ln_engine *g = c->s->g;
  if (ln_writer_submit(g->store, g->loop, change_apply, change_done, c)) c->s->under_way++;
  else change_free(c);
}

/* ------------------------------------------------------------------ what is due */

typedef struct looking { ln_schedules *s; int64_t now_ms, next_ms; bool *seen; } looking;

static size_t find(const ln_triggers *t, ln_str playbook) {
  size_t i = 0;
  while (i < ln_triggers_count(t) && !ln_str_eq(ln_str_of(ln_triggers_at(t, i)->module), playbook)) i++;
  return i;
}

static void set_next(looking *l, change *c, int64_t at_ms, int64_t every_ms) {
  c->row.every_ms = every_ms;
  c->row.at_ms = at_ms;
  c->row.due_ms = at_ms + jitter(l->s, every_ms);
}

static void prepare_run(change *c, size_t i, int64_t due_ms) {
  ln_schedules *s = c->s;
  c->starts = ln_trigger_input(s->triggers, i, &c->input, &c->why) && ln_buf_ok(&c->input, &c->why) &&
              ln_queued_make(&c->run, s->g, ln_triggers_snapshot(s->triggers), c->row.playbook,
                             ln_buf_view(&c->input), LN_STR("schedule"), due_ms, (ln_str){NULL, 0},
                             &c->why);
}

static void start_due(looking *l, const ln_schedule *row, size_t i) {
  const ln_trigger *t = ln_triggers_at(l->s->triggers, i);
  change *c = change_new(l->s, row->playbook);
  int64_t at = row->at_ms + row->every_ms;
  if (!c) return;
  c->was_ms = row->at_ms;
  c->row.run = row->run;
  set_next(l, c, at > l->now_ms ? at : l->now_ms + row->every_ms, row->every_ms);
  if (row->under_way && !t->overlap)
    ln_fail(&c->why, "conflict", LN_AGAIN, "its last run, %s, goes on", row->ulid);
  else prepare_run(c, i, row->due_ms);
  c->row.why = ln_str_of(c->why.message);
  submit(c);
}

static bool look_at(void *arg, const ln_schedule *row) {
  looking *l = arg;
  ln_schedules *s = l->s;
  size_t i = find(s->triggers, row->playbook);
  const ln_trigger *t = i < ln_triggers_count(s->triggers) ? ln_triggers_at(s->triggers, i) : NULL;
  if (t && t->broken.code[0]) return l->seen[i] = true;  /* it does not load: what is there stays */
  if (!t || !t->every_ms) {
    change *c = change_new(s, row->playbook);
    if (c) c->drop = true, submit(c);
    return true;
  }
  if (t->every_ms != row->every_ms) {                    /* as one that is new */
    change *c = change_new(s, row->playbook);
    l->seen[i] = true;
    if (!c) return true;
    c->was_ms = row->at_ms;
    c->row.run = row->run;
    set_next(l, c, l->now_ms + t->every_ms, t->every_ms);
    submit(c);
    return true;
  }
  l->seen[i] = true;
  if (row->due_ms <= l->now_ms) start_due(l, row, i);
  else if (row->due_ms < l->next_ms) l->next_ms = row->due_ms;
  return true;
}

static void add_new(looking *l) {
  ln_triggers *t = l->s->triggers;
  for (size_t i = 0; i < ln_triggers_count(t); i++) {
    const ln_trigger *one = ln_triggers_at(t, i);
    change *c;
    if (l->seen[i] || !one->every_ms || !(c = change_new(l->s, ln_str_of(one->module)))) continue;
    set_next(l, c, l->now_ms + one->every_ms, one->every_ms);
    submit(c);
  }
}

static bool renew_triggers(ln_schedules *s) {
  ln_err err = {0};
  if (s->triggers && ln_triggers_current(s->triggers)) return true;
  ln_triggers *t = ln_triggers_new(s->g, &err);
  if (!t) {
    ln_log(LN_ERROR, "schedule.scripts", "error=%s", err.message);
    return s->triggers != NULL;
  }
  ln_triggers_free(s->triggers);
  s->triggers = t;
  return true;
}

static bool look(looking *l) {
  ln_err err = {0};
  size_t n = ln_triggers_count(l->s->triggers);
  if (!(l->seen = calloc(n ? n : 1, sizeof *l->seen))) return false;
  bool ok = ln_store_schedules(l->s->g->store, look_at, l, &err);
  if (ok) add_new(l);
  else ln_log(LN_ERROR, "schedule.store", "error=%s", err.message);
  free(l->seen);
  return ok;
}

/* Where scripts are edited meanwhile it looks now and then whether they are the same. */
static void tick(void *arg) {
  ln_schedules *s = arg;
  ln_loop *l = s->g->loop;
  looking k = {.s = s, .now_ms = now_of(s), .next_ms = LN_NEVER};
  if (s->stopping || s->under_way) return;
  bool ok = renew_triggers(s) && look(&k);
  if (s->under_way) return;                              /* the last of them looks again */
  int64_t wait = k.next_ms - k.now_ms;
  if (!ok || (l->uv && wait > LOOK_MS)) wait = LOOK_MS;
  if (k.next_ms != LN_NEVER || wait == LOOK_MS) l->timer(l, &s->tick, wait);
}

ln_schedules *ln_schedules_start(ln_engine *g, ln_err *err) {
  ln_schedules *s = calloc(1, sizeof *s);
  if (!s) {
    ln_fail(err, "memory", LN_AGAIN, "no memory for schedules");
    return NULL;
  }
  s->g = g;
  s->tick = (ln_timer){.loop = g->loop, .fn = tick, .arg = s};
  g->loop->timer(g->loop, &s->tick, 0);
  return s;
}

static void stop_loop(void *arg) { ((ln_loop *)arg)->stop(arg); }

void ln_schedules_stop(ln_schedules *s) {
  if (!s) return;
  ln_loop *l = s->g->loop;
  s->stopping = true;
  l->cancel(l, &s->tick);
  while (s->under_way && ln_post(l, stop_loop, l)) l->run(l);
  ln_triggers_free(s->triggers);
  free(s);
}
