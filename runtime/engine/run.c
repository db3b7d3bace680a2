/* run.c: the life of a run: made, carried on, replayed, ended. The pump is its heart: run what is
** runnable; when nothing is, deliver the next outcome, first those of the past in the order they were
** recorded, then live ones in the order they came; when there is none, hand what is pending to the writer,
** and wait.  Divergence, a lost store and a used-up budget end the attempt. */
#include "engine/inside.h"
#include "engine/library.h"
#include "engine/opaque.h"
#include "engine/play.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

static void pump(ln_run *r);
static void finish(ln_run *r);

/* ------------------------------------------------------------------ events */

static ln_event event_of(const ln_run *r, const char *what, const ln_effect *e, ln_str text, ln_str more) {
  ln_event ev = {.what = what, .text = text, .name = more};
  if (!e) return ev;
  ev.name = ln_str_of(e->name);
  ev.op = ln_str_of(e->op->name);
  ev.state = ln_str_of(e->state);
  ev.cls = ln_class_name(e->op->cls);
  ev.ms = e->finished || e->waiting_for ? ln_run_clock_ms(r) - e->asked_ms : 0; /* "asked": it begins */
  ev.approval = e->approval;
  return ev;
}

static bool is_told(const ln_run *r, const ln_effect *e) {
  return r->options.event && (!e || ln_effect_logged(e)) && !(e && r->options.ends_only);
}

void ln_run_event(ln_run *r, const char *what, ln_effect *e, ln_str text, ln_str more) {
  if (!is_told(r, e)) return;
  ln_event ev = event_of(r, what, e, text, more);
  r->options.event(r->options.event_arg, r, &ev);
}

/* What an entry says to whoever watches; a cancel, which has no fingerprint, is no step. */
static const char *told_by(const ln_entry *e) {
  if (e->kind == LN_E_STAGE) return "stage";
  if (e->kind == LN_E_NOTE) return "note";
  return (e->kind == LN_E_DONE || e->kind == LN_E_DELIVERED) && e->fingerprint.n ? "step" : NULL;
}

void ln_run_tell(ln_run *r, ln_str entries) {
  ln_entry e;
  bool told = r->options.event && !r->options.ends_only;
  while (told && ln_entry_read(&entries, &e)) {
    const char *what = told_by(&e);
    bool step = e.fingerprint.n > 0;
    ln_event ev = {.what = what, .name = step ? e.name : e.op, .text = step ? (ln_str){NULL, 0} : e.data};
    if (step) {
      ev.op = e.op;
      ev.state = e.state;
      ev.cls = ln_class_name(e.cls);
      ev.ms = e.at_ms - e.asked_ms;
    }
    if (what) r->options.event(r->options.event_arg, r, &ev);
  }
}

/* ------------------------------------------------------------------ the pump */

enum { BRIEF_US = 200000 };                              /* who only looks at a script gives it no more     */
enum { TURNS = 256 };                                    /* then others on the loop have theirs             */

static void pump_task(void *arg) {
  ln_run *r = arg;
  r->pump_posted = false;
  if (r->closing) ln_run_leave(r);
  else pump(r);
}

void ln_run_pump_soon(ln_run *r) {
  if (r->pump_posted || r->pumping || r->ended || r->closing) return;
  r->pump_posted = ln_post(r->engine->loop, pump_task, r);
}

/* Ends that the script's own doing would only repeat, so that they end the run. */
static bool is_final(const ln_err *why) {
  return !ln_err_is(why, "store") && !ln_err_is(why, "stale") &&
         !(ln_err_is(why, "memory") && why->retry == LN_AGAIN);
}

static void forget_turns(ln_run *r) {
  r->engine->loop->cancel(r->engine->loop, &r->poll);
  r->ready = r->ready_last = NULL;
  r->runnable = r->runnable_last = r->sliced = NULL;
}

static void break_off(ln_run *r, const ln_err *why) {
  r->broken = true;
  r->why = *why;
  forget_turns(r);
  for (ln_branch *b = r->branches; b; b = b->next)
    if (b->asked) ln_effect_drop(b->asked);
}

/* A write that may have been sent is finished, and one that a replay has met is taken up; the rest is
** dropped. */
static void begin_to_wind(ln_run *r, const ln_err *why) {
  r->winding = true;
  r->why = *why;
  forget_turns(r);
  for (ln_branch *b = r->branches; b && !r->broken; b = b->next) {
    ln_effect *e = b->asked;
    if (!e || e->finished || ln_write_is_under_way(e)) continue;
    if (b->state == LN_B_ASKING && ln_effect_is_open(e)) {
      ln_effect_start_live(e);
    } else if (e->op->cls == LN_WRITE && e->holds) {     /* it waits to be sent again: its intent is closed */
      ln_effect_drop(e);
      ln_write_cancel(e);
    } else {
      ln_effect_drop(e);
      e->finished = true;
    }
  }
  r->live = true;
}

void ln_run_end_attempt(ln_run *r, const ln_err *why) {
  if (r->broken || r->ended || r->closing) return;
  if (r->replay || !is_final(why)) break_off(r, why);
  else if (!r->winding && !r->ending) begin_to_wind(r, why);
  ln_run_pump_soon(r);
}

static ln_branch *next_runnable(ln_run *r) {
  ln_branch *b = r->runnable;
  if (!b) return NULL;
  r->runnable = b->next_runnable;
  if (!r->runnable) r->runnable_last = NULL;
  b->next_runnable = NULL;
  return b;
}

static void branch_ended(ln_branch *b, bool failed, int nres) {
  b->state = LN_B_ENDED;
  b->failed = failed;
  b->nres = nres;
  if (failed && b->run->replay) ln_replay_failed(b);
  if (b->on_end) b->on_end(b);
  else if (!b->parent) finish(b->run);
}

static void branch_waits(ln_branch *b) {
  if (b->fork) {
    b->state = LN_B_JOINING;
    ln_fork_begin(b);
  } else if (b->asked) {
    b->state = LN_B_ASKING;
    ln_effect_begin(b->asked);
  }
}

static int first_args(lua_State *co) { return lua_status(co) == LUA_OK ? lua_gettop(co) - 1 : 0; }

static bool is_over(const ln_run *r) { return r->broken || r->winding || r->ended || r->ending; }

static void run_branch(ln_run *r, ln_branch *b) {
  ln_err err = {0};
  int nres = 0;
  r->current = b;
  b->state = LN_B_RUNNING;
  ln_vm_fresh_budget(r->vm, &b->cpu_us);
  ln_vm_aside(r->vm, b->in_step || b->polling, b->in_step);
  ln_owner_at(r->engine->owner, r->id);
  ln_vm_turn turn = ln_vm_resume(r->vm, b->co, first_args(b->co), &nres, &err);
  ln_owner_at(r->engine->owner, 0);
  r->current = NULL;
  if (is_over(r)) return;
  switch (turn) {
  case LN_VM_RETURNED: branch_ended(b, false, nres); break;
  case LN_VM_RAISED: branch_ended(b, true, 1); break;
  case LN_VM_ASKED: b->cpu_us = 0; branch_waits(b); break;
  case LN_VM_SLICE: r->sliced = b; break;
  case LN_VM_KILLED: ln_run_end_attempt(r, &err); break;
  }
}

/* ------------------------------------------------------------------ deliveries */

/* Where the script is instead: at what the journal does not know, if there is such a thing. */
static const ln_branch *asking(const ln_run *r) {
  const ln_branch *any = NULL;
  for (const ln_branch *b = r->branches; b; b = b->next) {
    if (b->state != LN_B_ASKING || !b->asked || b->asked->finished) continue;
    if (!b->asked->record) return b;
    any = b;
  }
  return any;
}

/* The journal knows something that the script does not come to. */
static bool nobody_waits(ln_run *r, const ln_record *rec) {
  ln_err err;
  const ln_branch *b = asking(r);
  if (r->replay) ln_replay_diverged(r, rec, b ? b->asked : NULL);
  ln_fail(&err, "divergence", LN_FINAL,
          "the journal goes on with %.*s (%.*s at %.*s), the script with %s%s%s; nothing was sent",
          LN_STR_ARG(rec->name), LN_STR_ARG(rec->op), LN_STR_ARG(rec->where), b ? b->asked->name : "its end",
          b && *b->asked->where ? " at " : "", b ? b->asked->where : "");
  ln_run_end_attempt(r, &err);
  return false;
}

/* What was begun before is begun again by the same script, so an entry that nobody asked for is a
** divergence. */
static bool past_is_matched(ln_run *r) {
  for (size_t i = 0; i < ln_journal_records(r->past); i++) {
    const ln_record *rec = ln_journal_record(r->past, i);
    if (rec->fingerprint.n && !rec->matched) return nobody_waits(r, rec);
  }
  return true;
}

static void put_cancel(ln_run *r);

static bool go_live(ln_run *r) {
  if (!past_is_matched(r)) return false;
  if (r->replay) return ln_replay_used_up(r), false;
  r->live = true;
  if (r->cancel_wanted && !r->cancelling) put_cancel(r);
  for (ln_branch *b = r->branches; b && !is_over(r); b = b->next)
    if (b->state == LN_B_ASKING && b->asked && !b->asked->finished) ln_effect_start_live(b->asked);
  return !is_over(r);
}

/* Hands over what an effect ended with.  The guards remember what it said of files. */
bool ln_run_wake_with(ln_run *r, ln_effect *e) {
  static const ln_err none = {
      .code = "memory", .message = "no memory for what the guards know", .retry = LN_AGAIN};
  if (!ln_seen_add(&r->seen, ln_buf_view(&e->outcome))) return ln_run_end_attempt(r, &none), false;
  r->answers += !e->branch->polling;
  ln_branch_wake(e->branch);
  return true;
}

/* It slept until then, or waited in vain; what was denied, or cancelled, ended before. */
static void note_time(ln_run *r, const ln_effect *e, int64_t due_ms) {
  bool by_time = e->op->cls == LN_WAIT && due_ms && r->now_ms >= due_ms;
  if (by_time && (e->op == &ln_op_sleep || !e->ok)) ln_timing_due(r, due_ms);
}

bool ln_run_deliver(ln_run *r, ln_record *rec, ln_effect *e) {
  ln_str outcome;
  ln_buf hold = {0};
  ln_err err = {0};
  r->now_ms = rec->done_ms;
  if (r->planning && r->now_ms > ln_run_clock_ms(r)) r->shift_ms += r->now_ms - ln_run_clock_ms(r);
  bool ok = ln_entry_data(r->engine, rec->name, rec->outcome, &hold, &outcome, &err);
  if (ok) {
    rec->waiting = NULL;
    e->finished = true;
    e->ok = rec->ok;
    ln_buf_cut(&e->outcome, 0);
    ok = ln_buf_add(&e->outcome, outcome) || ln_buf_ok(&e->outcome, &err);
  }
  ln_buf_free(&hold);
  if (!ok) return ln_run_end_attempt(r, &err), false;
  ln_write_count(r, rec->cls, rec->state);
  if (!r->replay) note_time(r, e, ln_v_get_int(rec->asked, "due", 0));
  ln_plan_replayed(e, rec);
  return ln_run_wake_with(r, e);
}

static bool replay_next(ln_run *r) {
  if (r->past_at == ln_journal_deliveries(r->past)) return go_live(r);
  ln_record *rec = ln_journal_delivery(r->past, r->past_at++);
  if (r->options.plan && (int64_t)r->past_at >= r->plan_from) r->planning = true;
  r->now_ms = rec->done_ms;
  if (ln_str_eq(rec->name, LN_STR(LN_CANCEL_NAME))) {
    ln_run_deliver_cancel(r);
    return true;
  }
  return rec->waiting ? ln_run_deliver(r, rec, rec->waiting) : nobody_waits(r, rec);
}

static bool deliver_ready(ln_run *r) {
  ln_effect *e = r->ready;
  if (!e) return false;
  r->ready = e->next_ready;
  if (!r->ready) r->ready_last = NULL;
  if (ln_effect_logged(e) && !ln_effect_put_done(e, e->durable ? LN_E_DELIVERED : LN_E_DONE)) return false;
  note_time(r, e, e->due_ms);
  ln_plan_delivered(e);
  return ln_run_wake_with(r, e);
}

/* A cancel is a delivery, so it comes where a replay can repeat it: while every branch waits, be it for
** its own step. */
static bool may_cancel(const ln_run *r) {
  if (!r->cancel_wanted || r->cancelling || !r->live || r->sliced) return false;
  for (const ln_branch *b = r->runnable; b; b = b->next_runnable)
    if (!b->asked || !b->asked->go) return false;
  return true;
}

/* Nothing else could come before the branch, and nothing is known of its effect: what it asks begins as it
** would after a turn of others, of whom there are none. */
bool ln_run_keeps_turn(ln_branch *b) {
  ln_run *r = b->run;
  if (!r->live || r->runnable || r->ready || r->cancel_wanted || b->cancelled || is_over(r)) return false;
  if (ln_run_is_far_ahead(r)) return false;
  if (r->planning || r->options.assume.n || ln_journal_records(r->past)) return false;
  ln_effect_begin(b->asked);
  r->runnable = r->runnable_last = NULL;                 /* its start has woken it */
  b->state = LN_B_RUNNING;
  b->cpu_us = 0;
  ln_vm_fresh_budget(r->vm, &b->cpu_us);
  return true;
}

static bool step_once(ln_run *r) {
  ln_branch *b = r->sliced;
  if (is_over(r)) return false;
  if (r->cancel_wanted && may_cancel(r)) put_cancel(r);
  if (b) r->sliced = NULL;
  else b = next_runnable(r);
  if (b) {
    run_branch(r, b);
    return !r->sliced;
  }
  if (r->live) return deliver_ready(r);
  return ln_replay_is_aligned(r) ? ln_replay_next(r) : replay_next(r);
}

void ln_run_drive(ln_run *r) {
  while (!is_over(r)) step_once(r);
}

/* Whoever watches learns that the run waits for a person only; first it is looked whether one has
** answered. */
static void tell_waiting(ln_run *r) {
  ln_waiting w;
  if (!ln_run_waiting(r, &w)) return;
  ln_approval_watch(r);
  if (!ln_run_waiting(r, &w) || r->notified_waiting) return;
  r->notified_waiting = true;
  ln_run_event(r, "waiting", NULL, ln_str_of(w.what), ln_str_of(w.step));
}

/* Nothing to run and nothing to deliver: what is pending goes to the disk, and people are asked. */
static void idle(ln_run *r) {
  if (ln_plan_pass_time(r)) return;
  ln_approval_gather(r);
  ln_run_flush(r);
  if (r->broken || r->flushed < r->flushes || r->creating) return;
  tell_waiting(r);
  ln_park_tell_signals(r);
  ln_park_try(r);
}

static void broken_off(ln_run *r) {
  if (r->notified_broken) return;
  r->notified_broken = true;
  ln_sched_stopped(r);
  ln_run_event(r, "broken", NULL, ln_str_of(r->why.message), ln_str_of(r->why.code));
}

static void end_with(ln_run *r, const char *state, ln_str result, const ln_err *why, ln_str where);

static bool has_writes_under_way(const ln_run *r) {
  for (const ln_branch *b = r->branches; b; b = b->next)
    if (b->asked && !b->asked->finished) return true;
  return false;
}

/* The script is over.  The run ends when its writes are known; one in doubt waits for a person. */
static void wind_up(ln_run *r) {
  if (r->creating) return;
  if (has_writes_under_way(r)) {
    idle(r);
  } else if (ln_session_drops(r)) {
    broken_off(r);
  } else {
    ln_err why = r->why;
    end_with(r, r->cancelling ? "cancelled" : "failed", (ln_str){NULL, 0}, &why, (ln_str){NULL, 0});
  }
}

static void pump(ln_run *r) {
  bool more = true;
  if (r->pumping || r->ended || ln_park_holds(r)) return;
  r->pumping = true;
  for (int n = 0; n < TURNS && !ln_run_is_far_ahead(r) && (more = step_once(r)); n++) continue;
  r->pumping = false;
  if (r->broken) broken_off(r);
  else if (r->winding && !r->ending) wind_up(r);
  else if (r->ending || ln_run_is_far_ahead(r)) return;  /* what the writer gives back brings it here again */
  else if (more || r->sliced) ln_run_pump_soon(r);
  else idle(r);
}

/* ------------------------------------------------------------------ ending */

typedef struct ending {
  ln_run *run;
  const char *state, *outcome;
  ln_buf result, error;
  int64_t questions[64];                                 /* that nobody has answered: they lapse            */
  size_t n_questions;
} ending;

static bool lapse_all(ln_tx *tx, const ending *e, int64_t now, ln_err *err) {
  for (size_t i = 0; i < e->n_questions; i++)
    if (!ln_tx_approval_set(tx, e->questions[i], LN_STR("lapsed"), now, err)) return false;
  return true;
}

static bool ending_apply(ln_tx *tx, void *arg, ln_err *err) {
  ending *e = arg;
  ln_run *r = e->run;
  int64_t now = ln_now_ms(r->engine->loop->clock);
  ln_run_change c = {.owner = LN_STR(""),
                     .state = ln_str_of(e->state),
                     .outcome = ln_str_of(e->outcome),
                     .result = ln_buf_view(&e->result),
                     .error = ln_buf_view(&e->error),
                     .waiting = LN_STR(""),
                     .finished_ms = now};
  return ln_tx_run_change(tx, r->id, &c, err) && lapse_all(tx, e, now, err) &&
         ln_tx_run_lets_go(tx, r->id, err) && ln_tx_segment(tx, r->id, err);
}

static void ending_free(ending *e) {
  ln_buf_free(&e->result);
  ln_buf_free(&e->error);
  free(e);
}

static void ending_done(void *arg, const ln_err *err) {
  ending *e = arg;
  ln_run *r = e->run;
  ending_free(e);
  if (ln_job_gone(err)) return;
  if (err) {
    break_off(r, err);
    return;
  }
  r->ended = true;
  ln_child_ended(r);
  ln_sched_stopped(r);
  ln_spans_ended(r);
  ln_run_event(r, "end", NULL, ln_str_of(ln_run_state(r)), (ln_str){NULL, 0});
}

static const char *outcome_of(const ln_run *r) {
  bool broke = r->why.code[0] || r->cancelling;
  if (!r->partial && !broke) return "complete";
  if (r->planning) return broke ? "nothing" : "partial"; /* of the plan */
  return r->writes_done || r->notes ? "partial" : "nothing";
}

static bool note_question(void *arg, const ln_approval *a) {
  ending *e = arg;
  e->questions[e->n_questions++] = a->id;
  return e->n_questions < sizeof e->questions / sizeof *e->questions;
}

static bool fill_ending(ending *e, ln_str result, const ln_err *why, ln_str where, ln_err *err) {
  ln_run *r = e->run;
  if (r->asked_people && !ln_store_approvals(r->engine->store, r->id, true, note_question, e, err))
    return false;
  ln_buf_init(&e->result, (size_t)64 << 20);
  ln_buf_init(&e->error, 1 << 20);
  if (why) lnL_error_encode(why, where, (ln_str){NULL, 0}, &e->error);
  return ln_buf_add(&e->result, result) || ln_buf_ok(&e->result, err);
}

static void end_with(ln_run *r, const char *state, ln_str result, const ln_err *why, ln_str where) {
  ln_err err = {.code = "memory", .message = "no memory to end a run", .retry = LN_AGAIN};
  ending *e = calloc(1, sizeof *e);
  bool ok = e != NULL;
  r->ending = true;
  if (why) r->why = *why;
  if (ok) {
    e->run = r;
    e->state = state;
    e->outcome = outcome_of(r);
    ok = fill_ending(e, result, why, where, &err);
    if (ok && r->replay)
      ln_replay_ended(r, state, e->outcome, ln_buf_view(&e->result), ln_buf_view(&e->error));
    if (ok && !r->replay && ln_run_flush_with(r, ending_apply, ending_done, e)) return;
    ending_free(e);
  }
  if (!ok) ln_run_end_attempt(r, &err);
}

static void finish_failed(ln_run *r) {
  ln_err err = {0};
  lua_State *co = r->root->co;
  lnL_to_error(co, -1, &err);
  end_with(r, r->cancelling ? "cancelled" : "failed", (ln_str){NULL, 0}, &err, lnL_error_at(co, -1));
}

/* A plan that needs to know more has not failed: its result is what is not known. */
static bool finish_unknown(ln_run *r, ln_buf *result, ln_err *err) {
  ln_err why = {0};
  lnL_to_error(r->root->co, -1, &why);
  return (ln_opaque_put_why(result, &why) || ln_buf_ok(result, err)) &&
         ln_plan_stuck(r->root, &why, lnL_error_at(r->root->co, -1), err);
}

static void finish(ln_run *r) {
  lua_State *co = r->root->co;
  ln_err err = {0};
  ln_buf result;
  bool strict = !r->live && !ln_replay_is_aligned(r);
  if (strict && r->past_at < ln_journal_deliveries(r->past)) {
    nobody_waits(r, ln_journal_delivery(r->past, r->past_at));
    return;
  }
  if (strict && !past_is_matched(r)) return;
  bool unknown = r->root->failed && ln_replay_sees_opaque(r) && lnL_is_unknown(co, -1);
  if (r->root->failed && !unknown) {
    finish_failed(r);
    return;
  }
  ln_buf_init(&result, (size_t)64 << 20);
  if (unknown) finish_unknown(r, &result, &err);
  else if (r->root->nres == 0) ln_v_nil(&result);
  else if (!lnL_encode(co, -r->root->nres, &result, &err)) ln_err_prefix(&err, "the playbook's result");
  end_with(r,
           err.code[0]     ? "failed"
           : r->cancelling ? "cancelled"
                           : "completed",
           ln_buf_view(&result), err.code[0] ? &err : NULL, (ln_str){NULL, 0});
  ln_buf_free(&result);
}

/* ------------------------------------------------------------------ cancelling */

void ln_run_deliver_cancel(ln_run *r) {
  r->cancelling = true;
  ln_branch_cancel(r->root);
}

static void put_cancel(ln_run *r) {
  ln_err gone;
  ln_buf data;
  ln_buf_init(&data, 4096);
  ln_fail(&gone, "cancelled", LN_FINAL, "%s", r->cancel_why);
  lnL_error_encode(&gone, (ln_str){NULL, 0}, (ln_str){NULL, 0}, &data);
  ln_entry e = {.kind = LN_E_DONE,
                .name = LN_STR(LN_CANCEL_NAME),
                .op = LN_STR("cancel"),
                .cls = LN_LOCAL,
                .at_ms = ln_now_ms(r->engine->loop->clock),
                .state = LN_STR("cancelled"),
                .data = ln_buf_view(&data)};
  r->now_ms = e.at_ms;
  if (ln_run_put(r, &e)) ln_run_deliver_cancel(r);
  ln_buf_free(&data);
}

void ln_run_cancel(ln_run *r, ln_str why) {
  r->cancel_wanted = true;
  snprintf(r->cancel_why, sizeof r->cancel_why, "%.*s", LN_STR_ARG(why));
  ln_run_pump_soon(r);
}

/* ------------------------------------------------------------------ the root branch */

static int l_returned(lua_State *L, int status, lua_KContext ctx) {
  (void)L;
  (void)status;
  (void)ctx;
  return 1;
}

/* A playbook that is a stage by itself says so once, for the report. */
static void put_own_stage(ln_run *r) {
  ln_buf data;
  const char *stage = r->root->play->stage;
  if (!stage || !*stage || ln_journal_noted(r->past, LN_STR(LN_STAGE_NAME))) return;
  ln_buf_init(&data, 1 << 20);
  size_t mark = ln_v_begin(&data, 'O', 1);
  ln_v_key(&data, LN_STR("stage"));
  ln_v_str(&data, ln_str_of(stage));
  ln_v_end(&data, mark);
  ln_entry e = {.kind = LN_E_RUN,
                .name = LN_STR(LN_STAGE_NAME),
                .at_ms = ln_now_ms(r->engine->loop->clock),
                .ok = true,
                .data = ln_buf_view(&data)};
  ln_run_put(r, &e);
  ln_buf_free(&data);
}

/* (playbook, if it was looked at in this VM) → what its run returns.  Runs in the root branch. */
static int l_root(lua_State *L) {
  ln_run *r = lnL_run(L);
  ln_err err = {0};
  if (lua_gettop(L) == 0) {
    lnL_push_chunk(L, ln_str_of(r->playbook));                   /* chunk            */
    lua_call(L, 0, 1);                                           /* playbook         */
  }
  if (!lnL_is_playbook(L, -1)) return luaL_error(L, "%s returns no playbook { … }", r->playbook);
  if (!(r->root->play = lnL_play_of(L, -1, &err))) return luaL_error(L, "%s", err.message);
  put_own_stage(r);
  lua_getfield(L, -1, "run");                                    /* playbook run     */
  lua_remove(L, 1);                                              /* run              */
  lnL_decode(L, ln_buf_view(&r->input));                         /* run input        */
  lnL_play_input(L, r->root->play, 2);
  lua_callk(L, 1, 1, 0, l_returned);
  return l_returned(L, LUA_OK, 0);
}

/* A run made by `lunette call`: one operation, by its name. */
static int l_call_root(lua_State *L) {
  ln_run *r = lnL_run(L);
  const char *dot = strchr(r->playbook, '.');
  lua_settop(L, 0);
  if (!dot) return luaL_error(L, "%s is no operation: that is CONNECTOR.OPERATION", r->playbook);
  lua_pushlstring(L, r->playbook, (size_t)(dot - r->playbook));  /* name             */
  lua_pushfstring(L, "connectors.%s", lua_tostring(L, 1));       /* name module      */
  lua_pushcfunction(L, lnL_require);
  lua_insert(L, -2);                                             /* name req module  */
  lua_call(L, 1, 1);                                             /* name connector   */
  lua_getfield(L, -1, dot + 1);                                  /* name connector op */
  if (lua_isnil(L, -1)) return luaL_error(L, "%s has no operation %s", lua_tostring(L, 1), dot + 1);
  lua_replace(L, 1);                                             /* op connector     */
  lua_settop(L, 1);
  lnL_decode(L, ln_buf_view(&r->input));                         /* op input         */
  lua_callk(L, 1, 1, 0, l_returned);
  return l_returned(L, LUA_OK, 0);
}

static int l_open(lua_State *L) {
  ln_run *r = lua_touserdata(L, 1);
  r->engine->open_words(L);
  return 0;
}

static int l_push_root(lua_State *L) {
  ln_run *r = lua_touserdata(L, 1);
  lua_State *co = r->root->co;
  luaL_checkstack(co, 2, NULL);
  lua_pushcfunction(co, lnL_branch);                             /* playbook? branch      */
  if (r->is_session) lua_getfield(co, LUA_REGISTRYINDEX, LNL_SESSION);
  else lua_pushcfunction(co, r->is_call ? l_call_root : l_root); /* playbook? branch root */
  lua_rotate(co, 1, 2);                                          /* branch root playbook? */
  return 0;
}

bool ln_run_begin_vm(ln_run *r, ln_err *err) {
  const ln_config *c = r->engine->config;
  ln_vm_limits limits = {.memory = c->memory, .slice_us = c->slice_us, .cpu_us = c->cpu_us};
  if (r->brief && limits.cpu_us > BRIEF_US) limits.cpu_us = BRIEF_US;
  if (!(r->vm = ln_vm_new(&limits, err))) return false;
  *ln_vm_user(r->vm) = r;
  ln_vm_on_print(r->vm, ln_note_print);
  r->lib_ref = LUA_NOREF;
  return ln_vm_protect(r->vm, l_open, r, err) && (r->root = ln_branch_new(r, NULL, "", err));
}

bool ln_run_begin(ln_run *r, ln_err *err) {
  if (!ln_seen_add(&r->seen, ln_buf_view(&r->input)))
    return ln_fail(err, "memory", LN_AGAIN, "no memory for a run");
  if ((!r->vm && !ln_run_begin_vm(r, err)) || !ln_vm_protect(r->vm, l_push_root, r, err)) return false;
  ln_branch_wake(r->root);
  ln_run_pump_soon(r);
  return true;
}

/* ------------------------------------------------------------------ looking at it */

const char *ln_run_ulid(const ln_run *r) { return r->ulid; }
int64_t ln_run_id(const ln_run *r) { return r->id; }
const ln_err *ln_run_why(const ln_run *r) { return &r->why; }
bool ln_run_over(const ln_run *r) { return r->ended || r->broken; }
const char *ln_run_outcome(const ln_run *r) { return r->ended ? outcome_of(r) : ""; }

uint64_t ln_run_steps(const ln_run *r) { return r->steps; }

const char *ln_run_state(const ln_run *r) {
  ln_waiting w;
  if (r->broken) return "waiting";
  if (!r->ended) return ln_run_waiting(r, &w) ? "waiting" : "running";
  if (r->cancelling) return "cancelled";
  return r->why.code[0] ? "failed" : "completed";
}
