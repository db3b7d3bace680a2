/* words_opaque.c: what a VM has besides when its run plans.  An opaque value stands for what a planned write
** would have answered.  It may be passed on, shown and stored; but nothing may be decided on it.  Its own
** metamethods see arithmetic, fields, calls and the like.  Comparisons, conditions and keys are seen by the
** call that stdlib/check/instrument.lua puts around them (__lnL_known).  What is left are library functions
** that would quietly take it for any object, such as type(v) or tonumber(v): they are guarded here.  And what
** was raised because of one may not be caught, or the plan would go on down the path of an error that never
** happened: what catches lets it pass. */
#include "modules/words.h"

#include "engine/opaque.h"

#include <lauxlib.h>
#include <string.h>

static int l_known(lua_State *L) {
  lua_settop(L, 1);
  lnL_known(L, 1);
  return 1;
}

/* ------------------------------------------------------------------ guarded functions */

static const struct { const char *lib, *names; } guarded[] = {
    {"_G", "assert rawequal rawget rawlen tonumber type"},
    {"math",
     "abs acos asin atan ceil cos deg exp floor fmod log max min modf rad sin sqrt tan tointeger type ult"},
    {"string", "byte char find len lower match pack rep reverse sub unpack upper"},
    {"utf8", "char codepoint codes len offset"}};

/* In the frame of the call, so that errors name the same function and line, and what waits may wait. */
static int l_guarded(lua_State *L) {
  lua_CFunction f = lua_tocfunction(L, lua_upvalueindex(1));
  for (int i = lua_gettop(L); i > 0; i--) lnL_known(L, i);
  return f(L);
}

/* Of the library on top. */
static void guard(lua_State *L, const char *name, size_t n) {
  lua_pushlstring(L, name, n);
  lua_pushvalue(L, -1);                                      /* lib name name */
  lua_gettable(L, -3);                                       /* lib name f    */
  if (lua_iscfunction(L, -1)) {
    lua_pushcclosure(L, l_guarded, 1);                       /* lib name g    */
    lua_rawset(L, -3);                                       /* lib           */
  } else {
    lua_pop(L, 2);
  }
}

static void guard_library(lua_State *L, const char *lib, const char *names) {
  if (strcmp(lib, "_G") == 0) lua_pushglobaltable(L);
  else lua_getglobal(L, lib), lnL_thaw(L);
  ln_str word, rest = ln_str_of(names);
  while (lua_istable(L, -1) && rest.n) {
    ln_str_cut(rest, ' ', &word, &rest);
    guard(L, word.p, word.n);
  }
  lua_pop(L, 1);
}

/* ------------------------------------------------------------------ catching */

/* below results…: what the VM's own pcall, xpcall or coroutine.resume answered */
static int caught(lua_State *L, int status, lua_KContext below) {
  (void)status;
  int first = (int)below + 1;
  if (!lua_toboolean(L, first) && lnL_is_unknown(L, first + 1)) {
    lua_settop(L, first + 1);
    return lua_error(L);
  }
  return lua_gettop(L) - (int)below;
}

static int l_catching(lua_State *L) {
  int n = lua_gettop(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);                                          /* pcall f …     */
  lua_callk(L, n, LUA_MULTRET, 0, caught);
  return caught(L, LUA_OK, 0);
}

/* xpcall(f, handler, …): the handler may make anything of the error, so it is not asked about this one. */
static int l_handler(lua_State *L) {
  lua_settop(L, 1);
  if (lnL_is_unknown(L, 1)) return 1;
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, 1, 1);
  return 1;
}

static int l_xpcall(lua_State *L) {
  int n = lua_gettop(L);
  if (n >= 2 && lua_isfunction(L, 2)) {
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, l_handler, 1);
    lua_replace(L, 2);
  }
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);                                          /* xpcall f handler … */
  lua_callk(L, n, LUA_MULTRET, 0, caught);
  return caught(L, LUA_OK, 0);
}

/* In the library on top. */
static void wrap(lua_State *L, const char *name, lua_CFunction with) {
  lua_getfield(L, -1, name);
  lua_pushcclosure(L, with, 1);
  lua_setfield(L, -2, name);
}

/* opaque "what", in a flow: what is not known before all of the flow is done.  Where nothing is planned
** nobody looks at it. */
int lnL_opaque_word(lua_State *L) {
  ln_branch *b = lnL_here(L);
  ln_str what = {NULL, 0};
  what.p = luaL_checklstring(L, 1, &what.n);
  if (!b || !ln_branch_is_plan(b)) return lua_newtable(L), 1;
  ln_buf *out = lnL_new_buf(L, 8192 + what.n);               /* what owner    */
  if (!ln_opaque_put(out, ln_str_of(b->name), what, false))
    return lnL_raisef(L, "memory", "no memory for a value");
  lnL_decode(L, ln_buf_view(out));                           /* what owner opaque */
  ln_buf_free(out);
  return 1;
}

void lnL_opaque_words(lua_State *L) {
  lua_pushcfunction(L, l_known);
  lua_setglobal(L, "__lnL_known");
  for (size_t i = 0; i < sizeof guarded / sizeof *guarded; i++)
    guard_library(L, guarded[i].lib, guarded[i].names);
  lua_pushglobaltable(L);
  wrap(L, "pcall", l_catching);
  wrap(L, "xpcall", l_xpcall);
  lua_getfield(L, -1, "coroutine");
  lnL_thaw(L);
  wrap(L, "resume", l_catching);
  lua_pop(L, 2);
}
