/* words_session.c: what runs in a prompt's run (engine/session.c): lines, one after another, each a branch
** named by its number, in an environment that lasts.  A line that is an expression is returned; its locals at
** the outermost level become the session's variables (stdlib/check/session.lua), `_` is the last value.  What
** came of it is a note, which whoever watches shows: so it reaches a prompt in this process and one at the
** other end of a socket alike. */
#include "modules/words.h"

#include "engine/hostlib.h"
#include "engine/instrument.h"
#include "engine/library.h"
#include "engine/sketch.h"
#include "engine/vm_lib.h"

#include <stdio.h>

enum { ENV = 1, SKETCH_MAX = 16 << 20, SOURCE_MAX = 4 << 20, VALUES = 20 };

/* ------------------------------------------------------------------ compiling */

struct preparing {
  ln_engine *g;
  ln_str text;
  const char *name;
  ln_buf *source;
  ln_err *err;
  bool ok;
};

static int l_prepare(lua_State *L) {
  struct preparing *p = lua_touserdata(L, 1);
  ln_str s;
  lnL_host_require(L, p->g, "check.session"); /* job session */
  lua_getfield(L, -1, "source");
  lua_pushlstring(L, p->text.p, p->text.n);
  lua_pushstring(L, p->name);
  lua_call(L, 2, 2); /* job session source problem */
  if (lua_isnil(L, -2)) {
    ln_fail(p->err, "syntax", LN_FINAL, "%.400s", luaL_checkstring(L, -1));
    return 0;
  }
  s.p = luaL_checklstring(L, -2, &s.n);
  p->ok = ln_buf_add(p->source, s) || ln_buf_ok(p->source, p->err);
  return 0;
}

/* Pushes the line's function, in the session's environment.  False: err. */
static bool load_line(lua_State *L, int env, ln_str text, int64_t n, ln_err *err) {
  char chunk[32];
  ln_buf source;
  snprintf(chunk, sizeof chunk, "=line %lld", (long long)n);
  ln_buf_init(&source, SOURCE_MAX);
  struct preparing p = {.g = lnL_engine(L), .text = text, .name = chunk, .source = &source, .err = err};
  bool ok = ln_host_run(p.g, l_prepare, &p, "the line cannot be read", err) && p.ok &&
            lnL_load_script(L, ln_buf_view(&source), chunk, err);
  ln_buf_free(&source);
  if (!ok) return false;
  lua_pushvalue(L, env); /* f env */
  lua_setupvalue(L, -2, 1);
  return true;
}

/* ------------------------------------------------------------------ what came of it */

static void note(lua_State *L, ln_str data) {
  ln_err err = {0};
  if (!ln_note_put(lnL_here(L), LN_E_NOTE, "line", data, &err)) lnL_raise(L, &err);
}

static void note_error(lua_State *L, int64_t n, const ln_err *why, ln_str at, ln_str trace) {
  ln_buf *b = lnL_new_buf(L, SKETCH_MAX);
  size_t mark = ln_v_begin(b, 'O', 3 + (at.n > 0) + (trace.n > 0));
  if (at.n) ln_v_key(b, LN_STR("at")), ln_v_str(b, at);
  ln_v_key(b, LN_STR("code"));
  ln_v_str(b, ln_str_of(why->code));
  ln_v_key(b, LN_STR("error"));
  ln_v_str(b, ln_str_of(why->message));
  ln_v_key(b, LN_STR("line"));
  ln_v_int(b, n);
  if (trace.n) ln_v_key(b, LN_STR("trace")), ln_v_str(b, trace);
  ln_v_end(b, mark);
  note(L, ln_buf_view(b));
  ln_buf_free(b);
}

/* The values from index first on. */
static void note_values(lua_State *L, int64_t n, int first) {
  int count = lua_gettop(L) - first + 1, shown = count < VALUES ? count : VALUES;
  ln_buf *b = lnL_new_buf(L, SKETCH_MAX);
  size_t mark = ln_v_begin(b, 'O', 2);
  ln_v_key(b, LN_STR("line"));
  ln_v_int(b, n);
  ln_v_key(b, LN_STR("shown"));
  size_t list = ln_v_begin(b, 'A', (size_t)shown + (count > shown));
  for (int i = first; i < first + shown; i++) lnL_sketch(L, i, b);
  if (count > shown) ln_sketch_note(b, "… and further values");
  ln_v_end(b, list);
  ln_v_end(b, mark);
  note(L, ln_buf_view(b));
  ln_buf_free(b);
}

/* ------------------------------------------------------------------ a line */

/* error → { error, where its calls were }: while they still are. */
static int traced(lua_State *L) {
  lua_settop(L, 1);
  if (lnL_fatal(L, LUA_ERRRUN, false)) return 1;
  lua_createtable(L, 2, 0); /* error pair */
  lua_insert(L, 1);         /* pair error */
  lua_rawseti(L, 1, 1);
  luaL_traceback(L, L, NULL, 1); /* pair trace */
  lua_rawseti(L, 1, 2);
  return 1;
}

static void failed(lua_State *L, int64_t n) { /* … { error, trace } */
  ln_err why = {0};
  ln_str trace = {NULL, 0};
  lua_rawgeti(L, -1, 2);
  lua_rawgeti(L, -2, 1); /* … pair trace error */
  lnL_to_error(L, -1, &why);
  if (lua_type(L, -2) == LUA_TSTRING) trace.p = lua_tolstring(L, -2, &trace.n);
  note_error(L, n, &why, lnL_error_at(L, -1), trace);
}

enum { LINE_N = lua_upvalueindex(1), LINE_TEXT = lua_upvalueindex(2), LINE_ENV = lua_upvalueindex(3) };

static int line_over(lua_State *L, int status, lua_KContext ctx) {
  int64_t n = lua_tointeger(L, LINE_N);
  (void)ctx;
  if (status != LUA_OK && status != LUA_YIELD) {
    if (lnL_fatal(L, status, false)) return lnL_give_up(L);
    failed(L, n);
    return 0;
  }
  if (lua_gettop(L) > 1) { /* traced value… */
    lua_pushliteral(L, "_");
    lua_pushvalue(L, 2);
    lua_rawset(L, LINE_ENV);
  }
  note_values(L, n, 2);
  return 0;
}

/* What an expression's values are handed to, so that its calls are no tail calls, which leave no trace. */
static int l_values(lua_State *L) { return lua_gettop(L); }

/* A line's branch. */
static int l_line(lua_State *L) {
  ln_err err = {0};
  ln_str text;
  lua_settop(L, 0);
  text.p = luaL_checklstring(L, LINE_TEXT, &text.n);
  lua_pushcfunction(L, traced); /* traced */
  if (!load_line(L, LINE_ENV, text, lua_tointeger(L, LINE_N), &err)) {
    note_error(L, lua_tointeger(L, LINE_N), &err, (ln_str){NULL, 0}, (ln_str){NULL, 0});
    return 0;
  }
  lua_pushcfunction(L, l_values); /* traced f values */
  return line_over(L, lua_pcallk(L, 1, LUA_MULTRET, 1, 0, line_over), 0);
}

/* ------------------------------------------------------------------ the session */

static int next_line(lua_State *L, lua_KContext n);

static int line_done(lua_State *L, int status, lua_KContext n) {
  ln_run *r = lnL_run(L);
  (void)status;
  r->line = 0;
  r->planning = false;
  r->shift_ms = 0;
  r->skips = 0;
  return next_line(L, n);
}

/* What a plan takes for granted in this line, and in no other one. */
static bool take_assume(lua_State *L, ln_run *r, ln_err *err) {
  ln_buf *b = lnL_new_buf(L, SKETCH_MAX);
  bool some = lua_getfield(L, 2, "assume") == LUA_TTABLE;
  bool ok = (!some || lnL_encode(L, -1, b, err)) &&
            (ln_run_assume(r, ln_buf_view(b)) || ln_fail(err, "memory", LN_AGAIN, "no memory for a line"));
  lua_pop(L, 1);
  ln_buf_free(b);
  lua_pop(L, 1);
  return ok;
}

/* env line: it begins, as a branch named by its number. */
static int begin_line(lua_State *L, lua_KContext n) {
  ln_run *r = lnL_run(L);
  ln_err err = {0};
  char name[LN_INT_TEXT];
  if (!take_assume(L, r, &err)) return lnL_raise(L, &err);
  ln_fork *f = lnL_fork_new(L, 1, &err);
  if (!f || !(f->names[0] = ln_str_dup(ln_str_int(n, name)))) {
    ln_fail(&err, "memory", LN_AGAIN, "no memory for a line");
    return lnL_raise(L, &err);
  }
  lua_getfield(L, 2, "plan");
  bool plan = lua_toboolean(L, -1);
  lua_pushinteger(L, n);
  lua_getfield(L, 2, "text");
  lua_pushvalue(L, ENV);
  lua_pushcclosure(L, l_line, 3); /* env line plan fn */
  f->fns_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  r->line = n;
  r->planning =
      plan || (r->options.plan && (int64_t)r->past_at >= r->plan_from); /* a fork's plan acts never */
  return lnL_fork_wait(L, f, n, line_done);
}

/* The scripts as they are now, for what is required from here on.  What was made of the old ones stays. */
static void reload(lua_State *L, ln_str hash, int64_t n) {
  ln_run *r = lnL_run(L);
  ln_err err = {0};
  ln_snapshot *s = ln_snapshot_load(r->engine, hash, &err);
  if (!s) {
    note_error(L, n, &err, (ln_str){NULL, 0}, (ln_str){NULL, 0});
    return;
  }
  ln_snapshot_drop(r->scripts);
  r->scripts = s;
  luaL_unref(L, LUA_REGISTRYINDEX, r->lib_ref);
  r->lib_ref = LUA_NOREF;
  lua_settop(L, ENV);
  note_values(L, n, ENV + 1);
}

static int got_line(lua_State *L, int status, lua_KContext n) {
  ln_str hash;
  (void)status;
  if (!lua_istable(L, 2)) return 0;
  if (ln_session_dropped(lnL_run(L), n)) return next_line(L, n);
  if (lua_getfield(L, 2, "snapshot") != LUA_TSTRING) {
    lua_settop(L, 2);
    return begin_line(L, n);
  }
  hash.p = lua_tolstring(L, -1, &hash.n);
  reload(L, hash, n);
  return next_line(L, n);
}

/* After line n: the next one.  Each wait gives the turn, so that this does not nest. */
static int next_line(lua_State *L, lua_KContext n) {
  lua_settop(L, ENV);
  lua_pushcfunction(L, lnL_await_line);
  lua_callk(L, 0, 1, n + 1, got_line);
  return got_line(L, LUA_OK, n + 1);
}

/* A library or a connector of that name: at a prompt nobody wants to require them first. */
static bool push_library(lua_State *L, ln_str name) {
  ln_run *r = lnL_run(L);
  const ln_module *m = r->engine->modules;
  lua_pushfstring(L, "connectors.%s", name.p);
  bool connector = lnL_pinned_sha(L, ln_str_of(lua_tostring(L, -1))) != NULL;
  while (m && m->name && !ln_str_eq(ln_str_of(m->name), name)) m++;
  if (!connector && !(m && m->name)) return lua_pop(L, 1), false;
  if (!connector) lua_pop(L, 1), lua_pushlstring(L, name.p, name.n);
  lua_pushcfunction(L, lnL_require);
  lua_insert(L, -2);
  lua_call(L, 1, 1);
  return true;
}

/* env name → what a line sees beside its session's variables.  One that was made with nothing in it is none
** that nobody knows: upvalue 1 has the names of all there were. */
static int l_seen(lua_State *L) {
  ln_str name;
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) return 0;
  if (lua_type(L, 2) == LUA_TSTRING) {
    name.p = lua_tolstring(L, 2, &name.n);
    if (strcmp(name.p, "_") == 0) return 0;
    if (push_library(L, name)) return 1;
  }
  lnL_push_env(L);
  lua_pushvalue(L, 2);
  lua_gettable(L, -2);
  return 1;
}

/* env name value: a variable that is new. */
static int l_made(lua_State *L) {
  lua_settop(L, 3);
  lua_pushvalue(L, 2);
  lua_pushboolean(L, 1);
  lua_rawset(L, lua_upvalueindex(1));
  lua_rawset(L, 1);
  return 0;
}

/* What lines see: the words, and their own variables before them. */
int lnL_session(lua_State *L) {
  lua_settop(L, 0);
  lua_newtable(L); /* env */
  lua_pushvalue(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, LNL_SESSION_ENV);
  lua_createtable(L, 0, 3);
  lua_newtable(L); /* env meta names */
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, l_seen, 1);
  lua_setfield(L, -3, "__index");
  lua_pushcclosure(L, l_made, 1);
  lua_setfield(L, -2, "__newindex");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
  return next_line(L, 0);
}
