/* wait.c: effects that wait for time; and what a run as a whole waits for. */
#include "engine/inside.h"
#include "engine/sched.h"

#include "base/plain.h"

#include <stdio.h>

/* ------------------------------------------------------------------ timers */

void ln_wait_note(ln_effect *e, ln_str data) {
  ln_entry entry;
  if (!ln_effect_logged(e) || (e->record && e->record->asked.n)) return;
  ln_effect_entry(e, LN_E_ASKED, &entry);
  entry.data = data;
  ln_run_put(e->run, &entry);
}

void ln_wait_for(ln_effect *e, int64_t due_ms, ln_task_fn fn) {
  ln_loop *l = e->run->engine->loop;
  int64_t now = ln_now_ms(l->clock);
  static const ln_err none = {.code = "memory", .message = "no memory for a timer", .retry = LN_AGAIN};
  e->timer.fn = fn;
  e->timer.arg = e;
  e->wake_ms = due_ms;
  if (!l->timer(l, &e->timer, due_ms > now ? due_ms - now : 0)) ln_run_end_attempt(e->run, &none);
}

static void slept(void *arg) {
  ln_buf nil;
  ln_buf_init(&nil, 16);
  ln_v_nil(&nil);
  ln_effect_finish(arg, true, "done", ln_buf_view(&nil));
  ln_buf_free(&nil);
}

static void sleep_start(ln_effect *e) {
  ln_buf data;
  if (e->run->planning) {
    ln_plan_wait(e, ln_run_clock_ms(e->run) + ln_v_get_int(ln_effect_args(e), "ms", 0), 0, 0, slept);
    return;
  }
  e->due_ms = e->asked_ms + ln_v_get_int(ln_effect_args(e), "ms", 0);
  e->waiting_for = "timer";
  ln_buf_init(&data, 64);
  size_t mark = ln_v_begin(&data, 'O', 1);
  ln_v_key(&data, LN_STR("due"));
  ln_v_int(&data, e->due_ms);
  ln_v_end(&data, mark);
  ln_wait_note(e, ln_buf_view(&data));
  ln_buf_free(&data);
  ln_wait_for(e, e->due_ms, slept);
}

static void sleep_unasked(ln_effect *e, ln_buf *value) {
  e->run->now_ms += ln_v_get_int(ln_effect_args(e), "ms", 0);
  ln_v_nil(value);
}

const ln_op ln_op_sleep = {.name = "sleep", .cls = LN_WAIT, .start = sleep_start, .unasked = sleep_unasked};

bool ln_effect_given_back(ln_effect *e) {
  static const ln_err gone = {.code = "cancelled", .message = "the branch was cancelled"};
  e->with_writer = false;
  if (e->finished || !e->branch->cancelled || e->in_close) return e->finished;
  ln_effect_drop(e);
  ln_effect_finish_err(e, "cancelled", &gone);
  return true;
}

/* ------------------------------------------------------------------ what somebody else has to do */

void ln_runs_look(ln_engine *g) {
  for (ln_run *r = g->state, *next; r; r = next) {
    next = r->next;
    if (ln_park_is_away(r)) continue;
    ln_run_look_for_cancel(r);
    ln_run_look_around(r);
  }
}

static void call(ln_effect *e) {
  if (e->op->cls == LN_WRITE) ln_write_called(e);
  else e->op->start(e);
}

void ln_wait_key(ln_effect *e, ln_str key) {
  ln_effect **list = (ln_effect **)&e->run->engine->keyed;
  if (e->key.n) {
    *e->keyed_at = e->keyed_next;
    if (e->keyed_next) e->keyed_next->keyed_at = e->keyed_at;
  }
  e->key = (ln_str){NULL, 0};
  if (!key.n || !ln_effect_keep(e, key, &e->key)) return;
  e->keyed_at = list;
  e->keyed_next = *list;
  if (e->keyed_next) e->keyed_next->keyed_at = &e->keyed_next;
  *list = e;
}

static bool is_called(const ln_effect *e, ln_str key) {
  const ln_run *r = e->run;
  if (!r->live || ln_park_is_away(r) || r->broken) return false;
  if (e->branch->state != LN_B_ASKING || e->branch->asked != e || e->finished) return false;
  return key.n ? ln_str_eq(e->key, key) : ln_str_starts(e->key, LN_STR("lock:"));
}

void ln_wait_called(ln_engine *g, ln_str key) {
  for (ln_effect *e = g->keyed, *next; e; e = next) {
    next = e->keyed_next;
    if (is_called(e, key)) call(e);
  }
  ln_sched_nudge(g->sched);
}

void ln_run_look_around(ln_run *r) {
  for (ln_branch *b = r->branches; b && r->live && !r->broken && !ln_park_is_away(r); b = b->next)
    if (b->state == LN_B_ASKING && b->asked && !b->asked->finished && b->asked->key.n) call(b->asked);
}

/* ------------------------------------------------------------------ what the run waits for */

/* Also what waits for another run's write that only a person can end. */
static bool for_a_person(const ln_effect *e) {
  return e->waiting_for &&
         (strcmp(e->waiting_for, "approval") == 0 || strcmp(e->waiting_for, "doubt") == 0 ||
          strcmp(e->waiting_for, "frozen") == 0 || e->blocked);
}

/* "lunette resume RUN --did STEP": pasted into a shell as it is.  A name that cannot stand there is left out:
** where there is one doubt it need not be said. */
static void put_next(ln_waiting *w, const char *before, ln_str word, const char *after) {
  ln_buf b, name;
  ln_buf_init(&b, sizeof w->next);
  ln_buf_init(&name, sizeof w->next - 80);
  ln_buf_addz(&b, before);
  if (ln_shell_word(&name, word)) ln_buf_addc(&b, ' '), ln_buf_add(&b, ln_buf_view(&name));
  ln_buf_addz(&b, after);
  snprintf(w->next, sizeof w->next, "%.*s", LN_STR_ARG(ln_buf_view(&b)));
  ln_buf_free(&b);
  ln_buf_free(&name);
}

static void describe(const ln_run *r, const ln_effect *e, ln_waiting *w) {
  char before[80];
  snprintf(w->what, sizeof w->what, "%s", e->waiting_for);
  snprintf(w->step, sizeof w->step, "%s", e->name);
  w->until_ms = e->due_ms;
  w->id[0] = 0;
  if (e->approval && strcmp(e->waiting_for, "approval") == 0) {
    snprintf(w->id, sizeof w->id, "%lld", (long long)e->approval);
    bool asks = strcmp(e->op->name, "ask") == 0;
    int n = snprintf(w->next, sizeof w->next, "lunette approve %s%s", w->id, asks ? " --answer TEXT" : "");
    if (!r->engine->sched && n > 0) /* else it is woken by the answer */
      snprintf(w->next + n, sizeof w->next - (size_t)n, " && lunette resume %s", r->ulid);
  } else if (strcmp(e->waiting_for, "frozen") == 0) {
    int n = snprintf(w->next, sizeof w->next, "lunette thaw");
    if (!r->engine->sched && n > 0)
      snprintf(w->next + n, sizeof w->next - (size_t)n, " && lunette resume %s", r->ulid);
  } else if (e->blocked) {
    snprintf(w->next, sizeof w->next, "lunette %s %s", e->ahead_in_doubt ? "show" : "resume", e->ahead);
  } else {
    snprintf(before, sizeof before, "lunette resume %s --did", r->ulid);
    put_next(w, before, ln_str_of(e->name), "   (or --did-not)");
  }
}

static const ln_run *child_here(const ln_run *r, const ln_effect *e) {
  for (const ln_run *c = r->engine->state; c; c = c->next)
    if (c->parent_id == r->id && ln_str_starts(e->key, LN_STR("run:")) && !c->ended && ln_child_is(c, e->key))
      return c;
  return NULL;
}

static bool is_still(const ln_run *r, int depth);

/* Of one thing that it waits for.  Time passes by itself; a lock may be another process's. */
static bool effect_is_still(const ln_run *r, const ln_effect *e, int depth) {
  const ln_run *child = child_here(r, e);
  if (for_a_person(e)) return strcmp(e->waiting_for, "approval") != 0 || e->approval > 0;
  if (child) return depth < 20 && is_still(child, depth + 1);
  return e->waiting_for && strcmp(e->waiting_for, "signal") == 0 && !e->due_ms;
}

static bool is_still(const ln_run *r, int depth) {
  bool any = false;
  if (r->ended || r->broken) return true;
  if (r->parking || r->waking || r->pump_posted || r->creating || !r->live || r->ready || r->runnable ||
      r->sliced || r->pending.n || r->flushed < r->flushes || r->cancel_wanted != r->cancelling)
    return false;
  for (const ln_branch *b = r->branches; b; b = b->next) {
    if (b->state != LN_B_ASKING || !b->asked || b->asked->finished) continue;
    if (!effect_is_still(r, b->asked, depth)) return false;
    any = true;
  }
  return any;
}

bool ln_runs_still(const ln_engine *g) {
  for (const ln_run *r = g->state; r; r = r->next)
    if (!is_still(r, 0)) return false;
  return true;
}

/* What a run waits for through another: the person that one waits for. */
static bool through_a_child(const ln_run *r, ln_waiting *w, int depth) {
  for (const ln_branch *b = r->branches; b && depth < 20; b = b->next) {
    const ln_run *c =
        b->state == LN_B_ASKING && b->asked && !b->asked->finished ? child_here(r, b->asked) : NULL;
    if (!c || !(ln_run_waiting(c, w) || through_a_child(c, w, depth + 1))) continue;
    char *then = w->id[0] ? strstr(w->next, " && ") : NULL;
    if (then)
      snprintf(then, sizeof w->next - (size_t)(then - w->next), " && lunette resume %s", r->ulid);
    return true;
  }
  return false;
}

bool ln_run_waiting_through(const ln_run *r, ln_waiting *w) {
  return ln_run_waiting(r, w) || (!r->ended && !r->broken && r->live && through_a_child(r, w, 0));
}

/* A run waits when every branch that could go on waits for a person: a timer or an answer on its way is
** work. */
bool ln_run_waiting(const ln_run *r, ln_waiting *w) {
  const ln_effect *first = NULL;
  if (r->ended || r->broken || !r->live || r->ready || r->runnable || r->sliced) return false;
  for (const ln_branch *b = r->branches; b; b = b->next) {
    if (b->state != LN_B_ASKING || !b->asked || b->asked->finished) continue;
    if (!for_a_person(b->asked)) return false;
    first = b->asked; /* the list is newest first: this ends at the oldest */
  }
  if (first) describe(r, first, w);
  return first != NULL;
}
