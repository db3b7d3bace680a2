/* words_wait.c: words that wait: sleep, await_until, approve, ask.  All are entries; a poll of await_until
** is not: only what it ended with is. */
#include "modules/words.h"

#include "engine/opaque.h"
#include "modules/modules.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

enum { EVERY_MS = 30000, TIMEOUT_MS = 3600000, EXPIRES_MS = 3600000, QUORUM_MAX = 100 };

/* ------------------------------------------------------------------ durations */

int64_t lnL_check_ms(lua_State *L, int idx, const char *what) {
  int64_t ms = 0;
  ln_err err = {0};
  ln_str s = {NULL, 0};
  lnL_known(L, idx);
  if (lua_type(L, idx) == LUA_TNUMBER) {
    lua_Number seconds = lua_tonumber(L, idx);
    if (!(seconds >= 0 && seconds < 3.2e10))
      lnL_raisef(L, "bad_argument", "%s: %g is no number of seconds to wait", what, seconds);
    return (int64_t)(seconds * 1000.0);
  }
  if (lua_type(L, idx) == LUA_TSTRING) s.p = lua_tolstring(L, idx, &s.n);
  if (!s.n || !ln_parse_duration(s, &ms, &err))
    lnL_raisef(L, "bad_argument", "%s: %s", what,
               err.message[0] ? err.message : "a duration such as \"5m\" or a number of seconds is wanted");
  return ms;
}

int64_t lnL_option_ms(lua_State *L, const char *word, int t, const char *key, int64_t otherwise) {
  char what[64];
  int64_t ms = otherwise;
  if (!lua_istable(L, t)) return otherwise;
  snprintf(what, sizeof what, "%s: %s", word, key);
  if (lua_getfield(L, t, key) != LUA_TNIL) ms = lnL_check_ms(L, -1, what);
  lua_pop(L, 1);
  return ms;
}

static int l_sleep(lua_State *L) {
  int64_t ms = lnL_check_ms(L, 1, "sleep");
  lua_settop(L, 0);
  lua_createtable(L, 0, 1);
  lua_pushinteger(L, ms);
  lua_setfield(L, 1, "ms");
  return lnL_effect(L, &ln_op_sleep, 1, NULL, NULL);
}

/* ------------------------------------------------------------------ await_until */

typedef struct polling {
  lua_State *main;
  int fn_ref;
  int64_t every_ms, until_ms;
  uint64_t answers;                                      /* that the run had when it polled                 */
  ln_branch *branch;
} polling;

static void free_polling(void *work) {
  polling *p = work;
  luaL_unref(p->main, LUA_REGISTRYINDEX, p->fn_ref);
  if (p->branch) p->branch->on_end_arg = NULL, p->branch->held_by = NULL;
  free(p);
}

struct pushing { lua_State *co; int ref; };

static int l_push_fn(lua_State *L) {
  struct pushing *p = lua_touserdata(L, 1);
  lua_pushcfunction(p->co, lnL_branch);
  lua_rawgeti(p->co, LUA_REGISTRYINDEX, p->ref);
  return 0;
}

static void poll_now(void *arg);

static void poll_again(ln_effect *e) {
  polling *p = e->work;
  ln_err late;
  int64_t now = ln_run_clock_ms(e->run);
  if (now + p->every_ms > p->until_ms && now >= p->until_ms) {
    ln_fail(&late, "timeout", LN_FINAL, "await_until: not true within its timeout");
    ln_effect_fail(e, &late);
    return;
  }
  int64_t next = now + p->every_ms < p->until_ms ? now + p->every_ms : p->until_ms;
  if (e->run->planning) ln_plan_wait(e, next, p->until_ms, p->answers, poll_now);
  else ln_wait_for(e, next, poll_now);
}

/* In a plan it may have asked for what nobody knows yet. */
static void poll_failed(ln_effect *e, lua_State *co) {
  ln_err err = {0};
  ln_buf unknown;
  lnL_to_error(co, -1, &err);
  ln_buf_init(&unknown, 4096);
  if (ln_branch_is_plan(e->branch) && lnL_is_unknown(co, -1) && ln_opaque_put_why(&unknown, &err))
    ln_effect_finish(e, true, "planned", ln_buf_view(&unknown));
  else ln_effect_finish_err(e, "failed", &err);
  ln_buf_free(&unknown);
}

static void polled(ln_effect *e, ln_branch *b) {
  lua_State *co = b->co;
  ln_err err = {0};
  ln_buf value;
  ln_buf_init(&value, 16 << 20);
  if (b->failed) poll_failed(e, co);
  else if (b->nres == 0 || !lua_toboolean(co, -b->nres)) poll_again(e);
  else if (lnL_encode(co, -b->nres, &value, &err))
    ln_effect_finish(e, true, lnL_is_opaque(co, -b->nres) ? "planned" : "done", ln_buf_view(&value));
  else ln_effect_fail(e, &err);
  ln_buf_free(&value);
}

/* The effect may be gone, or cancelled, by the time that its poll has ended. */
static void poll_ended(ln_branch *b) {
  ln_effect *e = b->on_end_arg;
  if (e && !e->finished) polled(e, b);
  ln_branch_free(b);
}

static void poll_now(void *arg) {
  ln_effect *e = arg;
  polling *p = e->work;
  ln_err err = {0};
  ln_branch *b = ln_branch_new(e->run, e->branch, e->name, &err);
  struct pushing push = {b ? b->co : NULL, p->fn_ref};
  if (!b || !ln_vm_protect(e->run->vm, l_push_fn, &push, &err)) {
    ln_run_end_attempt(e->run, &err);
    return;
  }
  p->answers = e->run->answers;
  b->polling = true;
  b->on_end = poll_ended;
  b->on_end_arg = e;
  b->held_by = &p->branch;
  p->branch = b;
  ln_branch_wake(b);
  ln_run_pump_soon(e->run);
}

static void await_start(ln_effect *e) {
  polling *p = e->work;
  e->waiting_for = "timer";
  p->until_ms = e->asked_ms + ln_v_get_int(ln_effect_args(e), "timeout_ms", TIMEOUT_MS);
  ln_wait_note(e, ln_effect_args(e));
  ln_wait_for(e, ln_now_ms(e->run->engine->loop->clock), poll_now);
}

static const ln_op await_op = {.name = "await_until", .cls = LN_WAIT, .start = await_start};

/* A flow polls as its connector's declared polls do: on loopback `pace` times as often. */
static int64_t paced(lua_State *L, int64_t every_ms) {
  const ln_branch *b = lnL_here(L);
  int64_t ms =
      b->play ? every_ms / ln_config_pace(b->run->engine->config, ln_str_of(b->play->name)) : every_ms;
  return ms < 1 ? 1 : ms;
}

/* await_until(fn, { every, timeout }): what fn returned when it was true */
static int l_await_until(lua_State *L) {
  static const char *const known[] = {"every", "timeout", NULL};
  lnL_want(L, 1, LUA_TFUNCTION, "await_until(fn, options)");
  lua_settop(L, 2);
  lnL_options(L, "await_until", 2, known);
  int64_t every = lnL_option_ms(L, "await_until", 2, "every", EVERY_MS),
          timeout = lnL_option_ms(L, "await_until", 2, "timeout", TIMEOUT_MS);
  if (every < 1) return lnL_raisef(L, "bad_argument", "await_until: `every` must be longer than nothing");
  if (!lnL_can_wait(L)) return lnL_wait(L, 0, NULL);
  lua_createtable(L, 0, 2);                      /* fn opts args */
  lua_pushinteger(L, every);
  lua_setfield(L, 3, "every_ms");
  lua_pushinteger(L, timeout);
  lua_setfield(L, 3, "timeout_ms");
  lua_pushvalue(L, 1);
  int ref = luaL_ref(L, LUA_REGISTRYINDEX);
  polling *p = calloc(1, sizeof *p); /* nothing raises from here on that could lose it */
  if (!p) return luaL_unref(L, LUA_REGISTRYINDEX, ref), lnL_raisef(L, "memory", "no memory for await_until");
  *p = (polling){.main = ln_vm_main(ln_vm_of(L)), .fn_ref = ref, .every_ms = paced(L, every)};
  return lnL_effect(L, &await_op, 3, p, free_polling);
}

/* ------------------------------------------------------------------ approve, ask */

static void question_start(ln_effect *e);

static const ln_op approve_op = {.name = "approve", .cls = LN_WAIT, .start = question_start};
static const ln_op ask_op = {.name = "ask", .cls = LN_WAIT, .start = question_start};

/* The answers that an ask offers: texts, each once. */
static void check_options(lua_State *L, const char *word, int opts) {
  lnL_field(L, opts, "options"); /* … options        */
  int list = lua_gettop(L);
  if (!lua_isnil(L, list) && !lua_istable(L, list)) lnL_bad(L, word, "options", "a list of texts", list);
  lua_Integer n = lua_isnil(L, list) ? 0 : (lua_Integer)lua_rawlen(L, list);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, list, i); /* … options option */
    if (!lnL_text(L, word, "each option", -1).n)
      lnL_bad(L, word, "each option", "a text that can be chosen", 0);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

void lnL_question_args(lua_State *L, int opts, ln_effect *e) {
  ln_err err = {0};
  static const char *const kept[] = {"title", "detail", "options"};
  static const char *const of_ask[] = {"title", "detail", "quorum", "expires", "options", NULL};
  static const char *const of_others[] = {"title", "detail", "quorum", "expires", NULL};
  const char *word = e->op->name;
  lnL_options(L, word, opts, e->op == &ask_op ? of_ask : of_others);
  check_options(L, word, opts);
  lua_createtable(L, 0, 5);                                  /* … args */
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
    lua_getfield(L, opts, kept[i]);
    lua_setfield(L, -2, kept[i]);
  }
  if (lua_getfield(L, -1, "title") != LUA_TSTRING)
    lnL_raisef(L, "bad_argument", "%s: a title is wanted, for the people who are asked", word);
  lua_pop(L, 1);
  lnL_field(L, opts, "quorum");
  lua_pushinteger(L, lua_isnil(L, -1) ? 1 : lnL_whole(L, word, "quorum", -1, 1, QUORUM_MAX));
  lua_setfield(L, -3, "quorum");
  lua_pop(L, 1);
  lua_pushinteger(L, lnL_option_ms(L, word, opts, "expires", EXPIRES_MS));
  lua_setfield(L, -2, "expires_ms");
  if (!lnL_encode(L, -1, &e->args, &err)) lnL_raise(L, &err);
  lua_pop(L, 1);
}

static void question_start(ln_effect *e) {
  ln_str args = ln_effect_args(e);
  ln_vitem detail = {0}, options = {0};
  if (ln_effect_is_plan(e)) {
    ln_plan_unknown(e);
    return;
  }
  ln_v_get(args, LN_STR("detail"), &detail);
  ln_v_get(args, LN_STR("options"), &options);
  ln_approval a = {.kind = ln_str_of(e->op->name),
                   .title = ln_v_get_str(args, "title"),
                   .detail = detail.whole,
                   .options = options.whole,
                   .quorum = ln_v_get_int(args, "quorum", 1),
                   .expires_ms = ln_v_get_int(args, "expires_ms", EXPIRES_MS)};
  ln_approval_ask(e, &a);
}

static int question_answered(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  return lnL_effect_result(L, lnL_here(L)->asked);
}

/* In a plan nobody is asked: it goes on as if somebody had approved.  What people would answer to a question
** is not known. */
static int planned_answer(lua_State *L) {
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "(plan)");
  lua_setfield(L, -2, "by");
  return 1;
}

static int question(lua_State *L, const ln_op *op) {
  ln_err err = {0};
  ln_branch *b = lnL_here(L);
  lnL_want(L, 1, LUA_TTABLE, op == &approve_op ? "approve { title = TEXT }" : "ask { title = TEXT }");
  lua_settop(L, 1);
  if (op == &approve_op && ln_branch_is_plan(b)) return planned_answer(L);
  if (!lnL_can_wait(L)) return lnL_wait(L, 0, NULL);
  if (b->in_step || b->polling)
    return lnL_raisef(L, "bad_argument", "%s cannot be asked inside step or await_until", op->name);
  if (b->cancelled) return lnL_raisef(L, "cancelled", "the branch was cancelled");
  ln_effect *e = ln_effect_new(b->run, b, op, &err);
  if (!e) return lnL_raise(L, &err);
  lnL_where(L, e->where, sizeof e->where);
  lnL_question_args(L, 1, e);
  if (ln_effect_name_it(e, (ln_str){NULL, 0}, &err)) return lnL_wait(L, 0, question_answered);
  ln_effect_free(e);
  return lnL_raise(L, &err);
}

static int l_approve(lua_State *L) { return question(L, &approve_op); }
static int l_ask(lua_State *L) { return question(L, &ask_op); }

const luaL_Reg lnL_wait_words[] = {
    {"sleep", l_sleep}, {"await_until", l_await_until}, {"approve", l_approve}, {"ask", l_ask}, {NULL, NULL}};
