/* run.c: the life of a run: made, carried on, replayed, ended.
** The pump is its heart: run what is runnable; when nothing is, deliver the next outcome, first those of the past
** in the order they were recorded, then live ones in the order they came; when there is none, hand what is
** pending to the writer, and wait.  Divergence, a lost store and a used-up budget end the attempt. */
#include "engine/inside.h"
#include "engine/library.h"
#include "engine/play.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

static void pump(ln_run *r);
static void finish(ln_run *r);

/* ------------------------------------------------------------------ events */

void ln_run_event(ln_run *r, const char *what, ln_effect *e, ln_str text, ln_str more) {
  if (!r->options.event || (e && !ln_effect_logged(e))) return;
  ln_event ev = {.what = what, .text = text, .name = more};
  if (e) {
    ev.name = ln_str_of(e->name);
    ev.op = ln_str_of(e->op->name);
    ev.state = ln_str_of(e->state);
    ev.cls = ln_class_name(e->op->cls);
    ev.ms = ln_now_ms(r->engine->loop->clock) - e->asked_ms;
    ev.approval = e->approval;
  }
  r->options.event(r->options.event_arg, r, &ev);
}

/* ------------------------------------------------------------------ the pump */

static void pump_task(void *arg) {
  ln_run *r = arg;
  r->pump_posted = false;
  if (r->closing) return;
  pump(r);
}

void ln_run_pump_soon(ln_run *r) {
  if (r->pump_posted || r->pumping || r->ended || r->closing) return;
  r->pump_posted = ln_post(r->engine->loop, pump_task, r);
}

void ln_run_end_attempt(ln_run *r, const ln_err *why) {
  if (r->broken || r->ended) return;
  r->broken = true;
  r->why = *why;
  r->engine->loop->cancel(r->engine->loop, &r->poll);
  for (ln_branch *b = r->branches; b; b = b->next)
    if (b->asked) ln_effect_drop(b->asked);
  r->ready = r->ready_last = NULL;
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

static void run_branch(ln_run *r, ln_branch *b) {
  ln_err err = {0};
  int nres = 0;
  r->current = b;
  b->state = LN_B_RUNNING;
  ln_vm_fresh_budget(r->vm, &b->cpu_us);
  ln_vm_turn turn = ln_vm_resume(r->vm, b->co, first_args(b->co), &nres, &err);
  r->current = NULL;
  if (r->broken) return;
  switch (turn) {
  case LN_VM_RETURNED: branch_ended(b, false, nres); break;
  case LN_VM_RAISED: branch_ended(b, true, 1); break;
  case LN_VM_ASKED: b->cpu_us = 0; branch_waits(b); break;
  case LN_VM_SLICE: r->sliced = b; break;
  case LN_VM_KILLED: ln_run_end_attempt(r, &err); break;
  }
}

/* ------------------------------------------------------------------ deliveries */

static bool fetch_spilled(ln_run *r, ln_str *outcome, ln_buf *hold, ln_err *err) {
  ln_str hex = ln_v_get_str(*outcome, "\x01spilled");
  if (!hex.n) return true;
  ln_buf_init(hold, (size_t)64 << 20);
  if (!ln_store_content_get(r->engine->store, hex, hold, err)) return false;
  *outcome = ln_buf_view(hold);
  return true;
}

static void nobody_waits(ln_run *r, const ln_record *rec) {
  ln_err err;
  char asked[200] = "nothing";
  for (ln_branch *b = r->branches; b; b = b->next)
    if (b->state == LN_B_ASKING && b->asked && !b->asked->record)
      snprintf(asked, sizeof asked, "%s at %s", b->asked->name, b->asked->where ? b->asked->where : "?");
  ln_fail(&err, "divergence", LN_FINAL, "the journal goes on with %.*s (%.*s), the script with %s; nothing was sent",
          LN_STR_ARG(rec->name), LN_STR_ARG(rec->where), asked);
  ln_run_end_attempt(r, &err);
}

static void put_cancel(ln_run *r);

static bool go_live(ln_run *r) {
  r->live = true;
  if (r->cancel_wanted) put_cancel(r);
  for (ln_branch *b = r->branches; b && !r->broken; b = b->next)
    if (b->state == LN_B_ASKING && b->asked && !b->asked->finished) ln_effect_start_live(b->asked);
  return true;
}

/* Hands over what an effect ended with.  The guards remember what it said of files. */
static bool wake_with(ln_run *r, ln_effect *e) {
  static const ln_err none = {.code = "memory", .message = "no memory for what the guards know"};
  if (!ln_seen_add(&r->seen, ln_buf_view(&e->outcome))) return ln_run_end_attempt(r, &none), false;
  ln_branch_wake(e->branch);
  return true;
}

static bool replay_next(ln_run *r) {
  if (r->past_at == ln_journal_deliveries(r->past)) return go_live(r);
  ln_record *rec = ln_journal_delivery(r->past, r->past_at++);
  ln_str outcome = rec->outcome;
  ln_buf hold = {0};
  ln_err err = {0};
  r->now_ms = rec->done_ms;
  if (ln_str_eq(rec->name, LN_STR(LN_CANCEL_NAME))) {
    ln_run_deliver_cancel(r);
    return true;
  }
  ln_effect *e = rec->waiting;
  if (!e) return nobody_waits(r, rec), false;
  if (!fetch_spilled(r, &outcome, &hold, &err)) return ln_run_end_attempt(r, &err), false;
  rec->waiting = NULL;
  e->finished = true;
  e->ok = rec->ok;
  ln_buf_cut(&e->outcome, 0);
  ln_buf_add(&e->outcome, outcome);
  ln_buf_free(&hold);
  ln_plan_replayed(e, rec);
  return wake_with(r, e);
}

/* Values above 64 KiB are kept by their content, and named by the entry. */
typedef struct spill { ln_content content; char *bytes; ln_run *run; } spill;

static bool spill_apply(ln_tx *tx, void *arg, ln_err *err) { return ln_tx_content_put(tx, &((spill *)arg)->content, err); }

static void spill_done(void *arg, const ln_err *err) {
  spill *s = arg;
  if (err) ln_run_end_attempt(s->run, err);
  s->run->flushed++;
  free(s->bytes);
  free(s);
}

static bool spill_outcome(ln_run *r, ln_entry *entry, ln_buf *name) {
  uint8_t sha[LN_SHA256];
  spill *s = calloc(1, sizeof *s);
  if (!s || !(s->bytes = ln_str_dup(entry->data)) || !ln_sha256(entry->data, sha)) {
    if (s) free(s->bytes);
    free(s);
    return false;
  }
  s->run = r;
  ln_hex(sha, sizeof sha, s->content.sha256);
  s->content.bytes = (ln_str){s->bytes, entry->data.n};
  s->content.kind = LN_STR("value");
  size_t mark = ln_v_begin(name, 'O', 1);
  ln_v_key(name, LN_STR("\x01spilled"));
  ln_v_str(name, ln_str_of(s->content.sha256));
  ln_v_end(name, mark);
  entry->data = ln_buf_view(name);
  r->flushes++;
  return ln_writer_submit(r->engine->store, r->engine->loop, spill_apply, spill_done, s);
}

static void put_delivery(ln_run *r, ln_effect *e) {
  ln_entry entry;
  ln_buf name;
  ln_buf_init(&name, 256);
  ln_effect_entry(e, e->durable ? LN_E_DELIVERED : LN_E_DONE, &entry);
  if (e->durable) entry.data = (ln_str){NULL, 0};
  if (entry.data.n > (64 << 10) && !spill_outcome(r, &entry, &name)) {
    static const ln_err none = {.code = "memory", .message = "no memory to keep a large value"};
    ln_run_end_attempt(r, &none);
  } else {
    ln_run_put(r, &entry);
  }
  r->now_ms = entry.at_ms;
  ln_buf_free(&name);
}

static bool deliver_ready(ln_run *r) {
  ln_effect *e = r->ready;
  if (!e) return false;
  r->ready = e->next_ready;
  if (!r->ready) r->ready_last = NULL;
  if (ln_effect_logged(e)) put_delivery(r, e);
  if (r->broken) return false;
  ln_run_event(r, "step", e, (ln_str){NULL, 0}, (ln_str){NULL, 0});
  return wake_with(r, e);
}

static bool step_once(ln_run *r) {
  ln_branch *b = r->sliced;
  if (r->broken || r->ended) return false;
  if (b) r->sliced = NULL;
  else b = next_runnable(r);
  if (b) {
    run_branch(r, b);
    return !r->sliced;
  }
  return r->live ? deliver_ready(r) : replay_next(r);
}

/* Nothing to run and nothing to deliver: what is pending goes to the disk, people are asked, and whoever watches
** learns that the run waits for a person only. */
static void idle(ln_run *r) {
  if (r->ended || r->broken || r->sliced) return;
  ln_approval_gather(r);
  ln_run_flush(r);
  if (r->flushed < r->flushes || r->creating) return;
  ln_waiting w;
  if (!ln_run_waiting(r, &w)) return;
  ln_approval_watch(r);
  if (r->notified_waiting || !ln_run_waiting(r, &w)) return; /* what it waited for was decided already */
  r->notified_waiting = true;
  ln_run_event(r, "waiting", NULL, ln_str_of(w.what), ln_str_of(w.step));
}

static void broken_off(ln_run *r) {
  if (r->notified_waiting) return;
  r->notified_waiting = true;
  ln_run_event(r, "broken", NULL, ln_str_of(r->why.message), ln_str_of(r->why.code));
}

static bool attempt_is_final(const ln_run *r);
static void fail_finally(ln_run *r);

static void pump(ln_run *r) {
  if (r->pumping || r->ended) return;
  r->pumping = true;
  while (step_once(r)) continue;
  r->pumping = false;
  if (r->broken && attempt_is_final(r)) fail_finally(r);
  else if (r->broken && !r->creating) broken_off(r); /* else its row comes first, and then its end */
  else if (r->sliced) ln_run_pump_soon(r);
  else idle(r);
}

/* ------------------------------------------------------------------ ending */

typedef struct ending {
  ln_run *run;
  const char *state, *outcome;
  ln_buf result, error, entries;
} ending;

static bool ending_apply(ln_tx *tx, void *arg, ln_err *err) {
  ending *e = arg;
  ln_run *r = e->run;
  ln_run_change c = {.state = ln_str_of(e->state), .outcome = ln_str_of(e->outcome), .result = ln_buf_view(&e->result),
                     .error = ln_buf_view(&e->error), .waiting = LN_STR(""), .finished_ms = ln_now_ms(r->engine->loop->clock)};
  return ln_tx_run_change(tx, r->id, &c, err) && ln_tx_segment(tx, r->id, err) && ln_tx_run_disown(tx, r->id, err);
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
  if (err) {
    ln_run_end_attempt(r, err);
    return;
  }
  r->ended = true;
  ln_run_event(r, "end", NULL, ln_str_of(ln_run_state(r)), (ln_str){NULL, 0});
}

static const char *outcome_of(const ln_run *r) {
  if (!r->partial && !r->why.code[0] && !r->cancelling) return "complete";
  return r->writes_done || r->notes ? "partial" : "nothing";
}

static void end_with(ln_run *r, const char *state, ln_str result, const ln_err *why, ln_str where) {
  ending *e = calloc(1, sizeof *e);
  if (!e) return;
  e->run = r;
  e->state = state;
  ln_buf_init(&e->result, (size_t)64 << 20);
  ln_buf_init(&e->error, 1 << 20);
  ln_buf_add(&e->result, result);
  if (why) {
    r->why = *why;
    lnL_error_encode(why, where, (ln_str){NULL, 0}, &e->error);
  }
  e->outcome = outcome_of(r);
  ln_run_flush_with(r, NULL, ending_apply, ending_done, e);
}

static void finish_failed(ln_run *r) {
  ln_err err = {0};
  lua_State *co = r->root->co;
  lnL_to_error(co, -1, &err);
  ln_str at = {NULL, 0};
  if (lua_istable(co, -1) && lua_checkstack(co, 4)) {
    lua_pushliteral(co, "at");
    lua_rawget(co, -2);
    if (lua_type(co, -1) == LUA_TSTRING) at.p = lua_tolstring(co, -1, &at.n);
    end_with(r, r->cancelling ? "cancelled" : "failed", (ln_str){NULL, 0}, &err, at);
    lua_pop(co, 1);
    return;
  }
  end_with(r, r->cancelling ? "cancelled" : "failed", (ln_str){NULL, 0}, &err, at);
}

static void finish(ln_run *r) {
  lua_State *co = r->root->co;
  ln_err err = {0};
  ln_buf result;
  if (r->root->failed) {
    finish_failed(r);
    return;
  }
  ln_buf_init(&result, (size_t)64 << 20);
  if (r->root->nres == 0) ln_v_nil(&result);
  else if (!lnL_encode(co, -r->root->nres, &result, &err)) ln_err_prefix(&err, "the playbook's result");
  end_with(r, err.code[0] ? "failed" : r->cancelling ? "cancelled" : "completed", ln_buf_view(&result), err.code[0] ? &err : NULL,
           (ln_str){NULL, 0});
  ln_buf_free(&result);
}

/* Which broken attempts end the run: the script's own doing would only repeat itself. */
static bool attempt_is_final(const ln_run *r) {
  return !ln_err_is(&r->why, "store") && !ln_err_is(&r->why, "stale") && !r->creating && !r->closing;
}

static void fail_finally(ln_run *r) {
  ln_err why = r->why;
  r->broken = false;
  end_with(r, "failed", (ln_str){NULL, 0}, &why, (ln_str){NULL, 0});
  r->live = true;
  r->runnable = r->runnable_last = r->sliced = NULL;
}

/* ------------------------------------------------------------------ cancelling */

void ln_run_deliver_cancel(ln_run *r) {
  r->cancelling = true;
  ln_branch_cancel(r->root);
}

/* A cancel is a delivery like any other: a replay meets it at the same place. */
static void put_cancel(ln_run *r) {
  ln_err gone;
  ln_buf data;
  if (r->ended || r->broken || r->cancelling) return;
  ln_buf_init(&data, 4096);
  ln_fail(&gone, "cancelled", LN_FINAL, "%s", r->cancel_why);
  lnL_error_encode(&gone, (ln_str){NULL, 0}, (ln_str){NULL, 0}, &data);
  ln_entry e = {.kind = LN_E_DONE, .name = LN_STR(LN_CANCEL_NAME), .op = LN_STR("cancel"), .cls = LN_LOCAL,
                .at_ms = ln_now_ms(r->engine->loop->clock), .state = LN_STR("cancelled"), .data = ln_buf_view(&data)};
  if (ln_run_put(r, &e)) ln_run_deliver_cancel(r);
  ln_buf_free(&data);
}

void ln_run_cancel(ln_run *r, ln_str why) {
  r->cancel_wanted = true;
  snprintf(r->cancel_why, sizeof r->cancel_why, "%.*s", LN_STR_ARG(why));
  if (r->live) put_cancel(r);
  ln_run_pump_soon(r);
}

/* ------------------------------------------------------------------ the root branch */

static int l_returned(lua_State *L, int status, lua_KContext ctx) {
  (void)L;
  (void)status;
  (void)ctx;
  return 1;
}

/* (playbook's module, input) → what its run returns.  Runs in the root branch. */
static int l_root(lua_State *L) {
  ln_run *r = lnL_run(L);
  ln_err err = {0};
  lua_settop(L, 0);
  lnL_push_chunk(L, ln_str_of(r->playbook));                     /* chunk            */
  lua_call(L, 0, 1);                                             /* playbook         */
  if (!lnL_is_playbook(L, -1)) return luaL_error(L, "%s returns no playbook { … }", r->playbook);
  if (!(r->root->play = lnL_play_of(L, -1, &err))) return luaL_error(L, "%s", err.message);
  lua_getfield(L, -1, "run");                                    /* playbook run     */
  lua_remove(L, 1);                                              /* run              */
  lnL_decode(L, ln_buf_view(&r->input));                         /* run input        */
  lua_callk(L, 1, 1, 0, l_returned);
  return l_returned(L, LUA_OK, 0);
}

/* A run made by `lunette call`: one operation, by its name. */
static int l_call_root(lua_State *L) {
  ln_run *r = lnL_run(L);
  const char *dot = strchr(r->playbook, '.');
  lua_settop(L, 0);
  if (!dot) return luaL_error(L, "%s is no operation", r->playbook);
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
  lua_pushcfunction(r->root->co, lnL_branch);
  lua_pushcfunction(r->root->co, r->is_call ? l_call_root : l_root);
  return 0;
}

bool ln_run_begin_vm(ln_run *r, ln_err *err) {
  const ln_config *c = r->engine->config;
  ln_vm_limits limits = {.memory = c->memory, .slice_us = c->slice_us, .cpu_us = c->cpu_us};
  if (!(r->vm = ln_vm_new(&limits, err))) return false;
  *ln_vm_user(r->vm) = r;
  r->lib_ref = LUA_NOREF;
  return ln_vm_protect(r->vm, l_open, r, err) && (r->root = ln_branch_new(r, NULL, "", err));
}

bool ln_run_begin(ln_run *r, ln_err *err) {
  if (!ln_seen_add(&r->seen, ln_buf_view(&r->input))) return ln_fail(err, "memory", LN_AGAIN, "no memory for a run");
  if (!ln_run_begin_vm(r, err) || !ln_vm_protect(r->vm, l_push_root, r, err)) return false;
  ln_branch_wake(r->root);
  ln_run_pump_soon(r);
  return true;
}

/* ------------------------------------------------------------------ looking at it */

const char *ln_run_ulid(const ln_run *r) { return r->ulid; }
int64_t ln_run_id(const ln_run *r) { return r->id; }
const ln_err *ln_run_why(const ln_run *r) { return &r->why; }
bool ln_run_over(const ln_run *r) { return r->ended || (r->broken && !r->creating && !attempt_is_final(r)); }
const char *ln_run_outcome(const ln_run *r) { return r->ended ? outcome_of(r) : ""; }

const char *ln_run_state(const ln_run *r) {
  ln_waiting w;
  if (r->broken) return "waiting";
  if (!r->ended) return ln_run_waiting(r, &w) ? "waiting" : "running";
  if (r->cancelling) return "cancelled";
  return r->why.code[0] ? "failed" : "completed";
}
