/* triggers.c: see triggers.h.  What an alert says was written by an attacker, and `on` by anybody who may
** write a playbook: one that fails, or does not end, is a missed trigger, and the next is asked in a VM that
** knows nothing of it. */
#include "engine/triggers.h"

#include "engine/inside.h"
#include "engine/library.h"
#include "engine/play.h"
#include "engine/scratch.h"

#include <lauxlib.h>
#include <stdlib.h>

struct ln_triggers {
  ln_engine *g;
  ln_run *run;                                           /* the scratch VM, and the snapshot */
  ln_trigger *v;
  size_t n;
};

/* One question to one playbook: an argument of the C functions below. */
typedef struct question {
  ln_trigger *t;
  ln_str alert;
  bool sure, yes, timed;
  ln_buf *key, *input;
  ln_err *err;
} question;

/* ------------------------------------------------------------------ what a playbook declares */

static question *question_of(lua_State *L) { return lua_touserdata(L, lua_upvalueindex(1)); }

/* Pushes the playbook of the module: alone at 1; what runs now runs under it.  False: it is none. [e] */
static bool load(lua_State *L, const question *q) {
  ln_err err = {0};
  lua_settop(L, 0);
  lnL_push_chunk(L, ln_str_of(q->t->module));
  lua_call(L, 0, 1);                                   /* playbook */
  if (!lnL_is_playbook(L, 1)) return false;
  ln_branch *b = lnL_here(L);
  ln_play_drop(b->play);
  if (!(b->play = lnL_play_of(L, 1, &err))) lnL_raise(L, &err);
  return true;
}

static int l_declared(lua_State *L) {
  question *q = question_of(L);
  ln_err err = {0};
  if (!load(L, q)) return 0;
  q->t->on = lua_getfield(L, 1, "on") == LUA_TFUNCTION;  /* playbook on            */
  q->t->key = lua_getfield(L, 1, "key") == LUA_TFUNCTION;
  lua_settop(L, 2);
  int type = lua_getfield(L, 1, "every");                /* playbook on every      */
  if (type == LUA_TTABLE) {
    lua_getfield(L, 3, "overlap");
    q->t->overlap = lua_toboolean(L, -1);
    lua_settop(L, 3);
    lua_rawgeti(L, 3, 1);                                /* playbook on every text */
    lua_replace(L, 3);
  }
  if (type == LUA_TNIL) return 0;
  size_t n = 0;
  const char *text = lua_tolstring(L, 3, &n);
  if (!ln_parse_duration((ln_str){text ? text : "", n}, &q->t->every_ms, &err)) return lnL_raise(L, &err);
  return 0;
}

/* ------------------------------------------------------------------ what it says of an alert */

/* playbook → its input.  [raises] */
static int put_input(lua_State *L, question *q) {
  char name[64] = "";
  lua_settop(L, 1);
  lnL_alert_input(L, 1, name, sizeof name);
  lua_newtable(L);                                       /* playbook input         */
  if (name[0] && q->alert.n) {
    lnL_decode(L, q->alert);
    lua_setfield(L, 2, name);
  }
  lnL_coerce_input(L, 1, 2);                             /* playbook input coerced */
  if (!lnL_encode(L, -1, q->input, q->err)) return lnL_raise(L, q->err);
  q->yes = true;
  return 0;
}

static int l_key_said(lua_State *L, int status, lua_KContext ctx) {
  question *q = question_of(L);
  size_t n = 0;
  (void)status, (void)ctx;
  if (lua_isnil(L, -1)) return put_input(L, q);
  if (lua_type(L, -1) != LUA_TSTRING && !lua_isinteger(L, -1))
    return luaL_error(L, "key must return a text, a whole number or nil, got a %s", luaL_typename(L, -1));
  const char *p = lua_tolstring(L, -1, &n);
  if (n > LN_TRIGGER_KEY)
    return luaL_error(L, "key returned %d bytes, %d are the most", (int)n, LN_TRIGGER_KEY);
  ln_buf_add(q->key, (ln_str){p, n});
  return put_input(L, q);
}

static int l_on_said(lua_State *L, int status, lua_KContext ctx) {
  question *q = question_of(L);
  (void)status, (void)ctx;
  if (!lua_toboolean(L, -1)) return 0;
  if (!q->input) return q->yes = true, 0;
  lua_settop(L, 1);
  if (lua_getfield(L, 1, "key") != LUA_TFUNCTION) return put_input(L, q);
  lnL_decode(L, q->alert);                               /* playbook key alert     */
  lua_callk(L, 1, 1, 0, l_key_said);
  return l_key_said(L, LUA_OK, 0);
}

static int l_ask(lua_State *L) {
  question *q = question_of(L);
  if (!load(L, q)) return luaL_error(L, "%s returns no playbook { … }", q->t->module);
  if (q->timed) return put_input(L, q);
  if (lua_getfield(L, 1, "on") != LUA_TFUNCTION || q->sure) {
    lua_pushboolean(L, q->sure);
    return l_on_said(L, LUA_OK, 0);
  }
  lnL_decode(L, q->alert);                               /* playbook on alert      */
  lua_callk(L, 1, 1, 0, l_on_said);
  return l_on_said(L, LUA_OK, 0);
}

/* ------------------------------------------------------------------ which there are */

/* Does a module's text speak of a trigger at all?  Loading every library to find out would cost more. */
static bool may_trigger(const ln_config *c, ln_snapshot *s, ln_str module) {
  ln_str source, at;
  ln_err quiet = {0};
  if (!ln_snapshot_source(s, module, &source, &at, &quiet)) return false;
  return !ln_config_is_library(c, at) && ln_str_find(source, LN_STR("playbook")) >= 0 &&
         (ln_str_find(source, LN_STR("on")) >= 0 || ln_str_find(source, LN_STR("every")) >= 0);
}

/* Appends the module, if it is a playbook that something starts, or if that cannot be told. */
static bool add(ln_triggers *t, ln_str module, ln_err *err) {
  ln_trigger *grown = realloc(t->v, (t->n + 1) * sizeof *grown);
  if (!grown) return ln_fail(err, "memory", LN_AGAIN, "no memory for triggers");
  t->v = grown;
  ln_trigger *one = &t->v[t->n];
  *one = (ln_trigger){.module = ln_str_dup(module)};
  question q = {.t = one};
  if (!one->module) return ln_fail(err, "memory", LN_AGAIN, "no memory for triggers");
  if (!ln_scratch_call(t->run, l_declared, &q, &one->broken)) one->on = true;
  if (one->on || one->every_ms) t->n++;
  else free(one->module);
  return true;
}

ln_triggers *ln_triggers_new(ln_engine *g, ln_err *err) {
  ln_triggers *t = calloc(1, sizeof *t);
  bool ok = t || ln_fail(err, "memory", LN_AGAIN, "no memory for triggers");
  if (ok) t->g = g;
  ok = ok && (t->run = ln_scratch_new(g, true, err));
  for (size_t i = 0; ok && i < ln_snapshot_count(t->run->scripts); i++) {
    ln_str module = ln_snapshot_name(t->run->scripts, i);
    if (may_trigger(g->config, t->run->scripts, module)) ok = add(t, module, err);
  }
  if (ok) return t;
  ln_triggers_free(t);
  return NULL;
}

void ln_triggers_free(ln_triggers *t) {
  if (!t) return;
  for (size_t i = 0; i < t->n; i++) free(t->v[i].module);
  ln_scratch_free(t->run);
  free(t->v);
  free(t);
}

bool ln_triggers_current(const ln_triggers *t) {
  ln_err quiet;
  ln_snapshot *now = ln_snapshot_take(t->g, (ln_str){NULL, 0}, &quiet);
  bool same = now && strcmp(ln_snapshot_hash(now), ln_snapshot_hash(t->run->scripts)) == 0;
  ln_snapshot_drop(now);
  return same;
}

ln_snapshot *ln_triggers_snapshot(const ln_triggers *t) { return t->run->scripts; }
size_t ln_triggers_count(const ln_triggers *t) { return t->n; }
const ln_trigger *ln_triggers_at(const ln_triggers *t, size_t i) { return &t->v[i]; }

/* ------------------------------------------------------------------ asking */

ln_asked ln_trigger_ask(ln_triggers *t, size_t i, ln_str alert, bool sure, ln_buf *key, ln_buf *input,
                        ln_err *why) {
  question q = {.t = &t->v[i], .alert = alert, .sure = sure, .key = key, .input = input, .err = why};
  if (q.t->broken.code[0]) return *why = q.t->broken, LN_ASKED_MISSED;
  if (!q.t->on) return LN_ASKED_NO;
  if (!ln_scratch_call(t->run, l_ask, &q, why)) return LN_ASKED_MISSED;
  return q.yes ? LN_ASKED_YES : LN_ASKED_NO;
}

bool ln_trigger_input(ln_triggers *t, size_t i, ln_buf *input, ln_err *why) {
  question q = {.t = &t->v[i], .timed = true, .input = input, .err = why};
  return ln_scratch_call(t->run, l_ask, &q, why);
}
