/* check.c: what there is, and sources, into stdlib/check; findings out. */
#include "engine/check.h"

#include "engine/hostlib.h"
#include "engine/inside.h"
#include "engine/library.h"
#include "engine/vm_lib.h"

#include <lauxlib.h>

enum { VALUE_MAX = 256 << 20 };

/* ------------------------------------------------------------------ what a playbook can name */

struct naming { ln_run *run; ln_buf *out; ln_err *err; bool ok; };

/* A table on top becomes the sorted list of its names; anything else, true. [-1, +1, e] */
static void to_members(lua_State *L) {
  if (!lua_istable(L, -1)) {
    lua_pop(L, 1);
    lua_pushboolean(L, 1);
    return;
  }
  lnL_thaw(L);                                           /* t */
  lua_Integer n = 0;
  lua_newtable(L);                                       /* t list */
  for (lua_pushnil(L); lua_next(L, -3); lua_pop(L, 1))   /* t list k v */
    if (lua_type(L, -2) == LUA_TSTRING) {
      lua_pushvalue(L, -2);
      lua_rawseti(L, -4, ++n);
    }
  lnL_mark_array(L, -1);
  lua_remove(L, -2);                                     /* list */
}

/* [… out value] → [… out]: out[name] = what value is made of */
static void put_name(lua_State *L, const char *name) {
  to_members(L);
  lua_setfield(L, -2, name);
}

/* What comes when it is first touched.  `run` is a table of the run that there is not. */
static void put_lazy(lua_State *L, ln_vm *vm) {
  for (size_t i = 0; lnL_own_name(i); i++) {
    lua_getglobal(L, lnL_own_name(i));
    put_name(L, lnL_own_name(i));
  }
  for (const char *const *name = ln_vm_global_names(vm); name && *name; name++) {
    if (strcmp(*name, "run") == 0) lua_pushboolean(L, 1);
    else lua_getglobal(L, *name);
    put_name(L, *name);
  }
}

static void put_globals(lua_State *L, ln_vm *vm) {
  lua_newtable(L);                                       /* out */
  lua_pushglobaltable(L);                                /* out globals */
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) { /* out globals k v */
    if (lua_type(L, -2) != LUA_TSTRING || strncmp(lua_tostring(L, -2), "__", 2) == 0) continue;
    lua_pushvalue(L, -4);
    lua_pushvalue(L, -2);                                /* out globals k v out v */
    put_name(L, lua_tostring(L, -4));
    lua_pop(L, 1);
  }
  lua_pop(L, 1);                                         /* out */
  put_lazy(L, vm);
}

static void put_modules(lua_State *L, ln_engine *g) {
  lua_newtable(L);                                       /* out */
  for (const ln_module *m = g->modules; m && m->name; m++) {
    lua_pushcfunction(L, lnL_require);
    lua_pushstring(L, m->name);
    lua_call(L, 1, 1);                                   /* out module */
    put_name(L, m->name);
  }
}

static void put_absent(lua_State *L) {
  static const char *const stock[] = {"load",  "loadfile", "loadstring",     "dofile", "os", "io",
                                      "debug", "package",  "collectgarbage", "warn",   NULL};
  lua_newtable(L);                                       /* out */
  for (const char *const *name = stock; *name; name++) {
    const char *why = lnL_absent(ln_str_of(*name));
    if (!why) continue;
    lua_pushstring(L, why);
    lua_setfield(L, -2, *name);
  }
}

static int l_names(lua_State *L) {
  struct naming *n = lua_touserdata(L, 1);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_newtable(L);                                       /* job names */
  put_absent(L);
  lua_setfield(L, 2, "absent");
  put_globals(L, n->run->vm);
  lua_setfield(L, 2, "globals");
  put_modules(L, n->run->engine);
  lua_setfield(L, 2, "modules");
  n->ok = lnL_encode(L, 2, n->out, n->err);
  return 0;
}

bool ln_check_names(ln_engine *g, ln_buf *out, ln_err *err) {
  struct naming n = {.run = ln_scratch_new(g, false, err), .out = out, .err = err};
  if (!n.run) return false;
  bool ok = ln_vm_protect(n.run->vm, l_names, &n, err) && n.ok;
  ln_scratch_free(n.run);
  return ok;
}

/* ------------------------------------------------------------------ the examination */

struct checking { ln_engine *g; ln_str names, connectors, sources; ln_buf *out; ln_err *err; bool ok; };

static int l_check(lua_State *L) {
  struct checking *c = lua_touserdata(L, 1);
  lnL_host_require(L, c->g, "check.init");               /* job check */
  lua_getfield(L, -1, "run");                            /* job check run */
  lnL_decode(L, c->names);
  lnL_decode(L, c->connectors);
  lua_setfield(L, -2, "connectors");                     /* job check run known */
  lnL_decode(L, c->sources);
  lua_call(L, 2, 1);                                     /* job check findings */
  if (lua_rawlen(L, -1) == 0) lnL_mark_array(L, -1);
  c->ok = lnL_encode(L, -1, c->out, c->err);
  return 0;
}

bool ln_check(ln_engine *g, ln_str connectors, ln_str sources, ln_buf *findings, ln_err *err) {
  ln_buf names;
  ln_buf_init(&names, VALUE_MAX);
  struct checking c = {.g = g, .connectors = connectors, .sources = sources, .out = findings, .err = err};
  bool ok = ln_check_names(g, &names, err);
  c.names = ln_buf_view(&names);
  ok = ok && ln_host_run(g, l_check, &c, "the examination failed", err) && c.ok;
  ln_buf_free(&names);
  return ok;
}

/* ------------------------------------------------------------------ for code review */

struct logging { ln_engine *g; ln_str findings, sources; ln_buf *out; };

static int l_sarif(lua_State *L) {
  const struct logging *j = lua_touserdata(L, 1);
  ln_str s;
  lnL_host_require(L, j->g, "check.sarif");              /* job sarif */
  lua_getfield(L, -1, "log");
  lnL_decode(L, j->findings);
  lnL_decode(L, j->sources);
  lnL_host_require(L, j->g, "check.init");
  lua_getfield(L, -1, "rules");
  lua_replace(L, -2);                                    /* job sarif log findings sources rules */
  lua_call(L, 3, 1);
  s.p = luaL_checklstring(L, -1, &s.n);
  ln_buf_add(j->out, s);
  return 0;
}

bool ln_check_sarif(ln_engine *g, ln_str findings, ln_str sources, ln_buf *json, ln_err *err) {
  struct logging j = {g, findings, sources, json};
  return ln_host_run(g, l_sarif, &j, "the findings cannot be written", err) && ln_buf_ok(json, err);
}
