/* hostlib.c: stdlib's modules in the host state.  They see the standard libraries through an environment of
** their own, so what one sets by mistake is not seen by the connectors' declarations, which live there as
** well. */
#include "engine/hostlib.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

static const char LIB_KEY = 'l';                            /* its address: a key of the registry */

static int l_host_require(lua_State *L) {
  ln_engine *g = lua_touserdata(L, lua_upvalueindex(1));
  lnL_host_require(L, g, luaL_checkstring(L, 1));
  return 1;
}

/* Pushes { env, loaded }, made at first. */
static void push_lib(lua_State *L, ln_engine *g) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &LIB_KEY) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_createtable(L, 0, 2);                              /* lib */
  lua_newtable(L);                                       /* lib env */
  lua_createtable(L, 0, 1);                              /* lib env meta */
  lua_pushglobaltable(L);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);                               /* lib env */
  lua_pushlightuserdata(L, g);
  lua_pushcclosure(L, l_host_require, 1);
  lua_setfield(L, -2, "require");
  lua_setfield(L, -2, "env");                            /* lib */
  lua_newtable(L);                                       /* lib loaded */
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, "json");
  lua_setfield(L, -3, "json");
  lua_pop(L, 1);
  lua_setfield(L, -2, "loaded");                         /* lib */
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &LIB_KEY);
}

/* "check.parser" is stdlib/check/parser.lua.  Names come from stdlib's own files. */
static bool path_of(ln_str dir, const char *name, char *out, size_t n) {
  int used = snprintf(out, n, LN_STR_FMT "/%s", LN_STR_ARG(dir), name);
  if (used < 0 || (size_t)used + 5 > n) return false;
  for (char *c = out + dir.n; *c; c++)
    if (*c == '.') *c = '/';
  memcpy(out + used, ".lua", 5);
  return true;
}

/* Pushes the module's chunk. */
static void load_chunk(lua_State *L, const ln_config *c, const char *name) {
  char path[1024];
  for (size_t i = 0; i < c->stdlib.n; i++) {
    if (!path_of(c->stdlib.v[i], name, path, sizeof path)) continue;
    int status = luaL_loadfilex(L, path, "t");
    if (status == LUA_OK) return;
    if (status != LUA_ERRFILE) lua_error(L);
    lua_pop(L, 1);
  }
  luaL_error(L, "there is no %s.lua below the folders of stdlib: is Lunette installed whole?", name);
}

void lnL_host_require(lua_State *L, ln_engine *g, const char *name) {
  luaL_checkstack(L, 8, NULL);
  push_lib(L, g);                                        /* lib */
  lua_getfield(L, -1, "loaded");                         /* lib loaded */
  if (lua_getfield(L, -1, name) == LUA_TNIL) {           /* lib loaded nil */
    load_chunk(L, g->config, name);                      /* lib loaded nil chunk */
    lua_getfield(L, -4, "env");
    lua_setupvalue(L, -2, 1);                            /* its first upvalue is _ENV */
    lua_call(L, 0, 1);                                   /* lib loaded nil module */
    lua_pushvalue(L, -1);
    lua_setfield(L, -4, name);
    lua_replace(L, -2);                                  /* lib loaded module */
  }
  lua_replace(L, -3);
  lua_pop(L, 1);                                         /* module */
}

bool ln_host_run(ln_engine *g, lua_CFunction fn, void *job, const char *what, ln_err *err) {
  lua_State *L = ln_host_state(g->host);
  int top = lua_gettop(L);
  if (!lua_checkstack(L, LUA_MINSTACK)) return ln_fail(err, "memory", LN_AGAIN, "%s: no memory", what);
  lua_pushcfunction(L, fn);
  lua_pushlightuserdata(L, job);
  int status = lua_pcall(L, 1, 0, 0);
  if (status != LUA_OK) {
    lnL_to_error(L, -1, err);
    if (status == LUA_ERRMEM) ln_fail(err, "memory", LN_AGAIN, "no memory");
    ln_err_prefix(err, "%s", what);
  }
  lua_settop(L, top);
  return status == LUA_OK;
}
