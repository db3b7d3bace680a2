/* wait.c: effects that wait for time; and what a run as a whole waits for. */
#include "engine/inside.h"

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

const ln_op ln_op_sleep = {.name = "sleep", .cls = LN_WAIT, .start = sleep_start};

/* ------------------------------------------------------------------ what the run waits for */

/* Also what waits for another run's write in doubt waits for a person. */
static bool for_a_person(const ln_effect *e) {
  return e->waiting_for &&
         (strcmp(e->waiting_for, "approval") == 0 || strcmp(e->waiting_for, "doubt") == 0 || e->blocked);
}

static void describe(const ln_run *r, const ln_effect *e, ln_waiting *w) {
  snprintf(w->what, sizeof w->what, "%s", e->waiting_for);
  snprintf(w->step, sizeof w->step, "%s", e->name);
  w->until_ms = e->due_ms;
  w->id[0] = 0;
  if (e->approval && strcmp(e->waiting_for, "approval") == 0) {
    snprintf(w->id, sizeof w->id, "%lld", (long long)e->approval);
    int n = snprintf(w->next, sizeof w->next, "lunette approve %lld", (long long)e->approval);
    if (!r->engine->sched && n > 0) /* else it is woken by the answer */
      snprintf(w->next + n, sizeof w->next - (size_t)n, " && lunette resume %s", r->ulid);
  } else if (e->blocked) {
    snprintf(w->next, sizeof w->next, "lunette entity %.*s", LN_STR_ARG(e->w.entity));
  } else {
    snprintf(w->next, sizeof w->next, "lunette resume %s --did %s   (or --did-not)", r->ulid, e->name);
  }
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
