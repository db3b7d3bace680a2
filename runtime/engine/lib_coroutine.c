/* lib_coroutine.c: the author's coroutines.  They are Lua's, and let the core's waits and turns through:
** when what was resumed yields for the core, whoever resumed it yields as well, and goes on with it when
** the turn comes back. Meanwhile such a coroutine is "busy", and another branch cannot resume it.  A
** branch itself is no coroutine that an author could get hold of: seen from within it is the main one. */
#include "engine/vm_lib.h"

typedef enum co_state { CO_RUNNING, CO_DEAD, CO_SUSPENDED, CO_NORMAL } co_state;
static const char *const state_names[] = {"running", "dead", "suspended", "normal"};

static lua_State *main_of(lua_State *L) { return ln_vm_main(ln_vm_of(L)); }

/* What L is to the author. */
static lua_State *self(lua_State *L) { return lnL_in_author_coroutine(L) ? L : main_of(L); }

static lua_State *check_co(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co, 1, "thread");
  return co;
}

static co_state state_of(lua_State *L, lua_State *co) {
  lua_Debug ar;
  if (co == self(L)) return CO_RUNNING;
  if (co == main_of(L) || lnL_busy(co)) return CO_NORMAL;
  int status = lua_status(co);
  if (status == LUA_YIELD) return CO_SUSPENDED;
  if (status != LUA_OK) return CO_DEAD;
  if (lua_getstack(co, 0, &ar)) return CO_NORMAL;
  return lua_gettop(co) == 0 ? CO_DEAD : CO_SUSPENDED;
}

/* --- resuming ------------------------------------------------------------------------------------------- */

/* Takes nargs values off L and resumes co with them.  Returns how many values it pushed, or -1: an
** error, pushed; or -2: co waits for the core. */
static int resume(lua_State *L, lua_State *co, int nargs) {
  int nres;
  if (!lua_checkstack(co, nargs)) {
    lua_pushliteral(L, "too many arguments to resume");
    return -1;
  }
  lua_xmove(L, co, nargs);
  int status = lnL_resume(L, co, nargs, &nres);
  if (status == LUA_YIELD && lnL_core_yield(L)) return -2;
  if (status == LUA_OK || status == LUA_YIELD) {
    if (lua_checkstack(L, nres + 1)) {
      lua_xmove(co, L, nres);
      return nres;
    }
    lua_pop(co, nres);
    lua_pushliteral(L, "too many results to resume");
    return -1;
  }
  lua_xmove(co, L, 1);
  if (lnL_fatal(L, status, false)) return -3;
  return -1;
}

static int begin(lua_State *L, lua_State *co, int nargs) {
  co_state state = state_of(L, co);
  if (state == CO_SUSPENDED) return resume(L, co, nargs);
  lua_pushfstring(L, "cannot resume %s coroutine", state == CO_DEAD ? "dead" : "non-suspended");
  return -1;
}

static int resume_more(lua_State *L, int status, lua_KContext base);
static int wrap_more(lua_State *L, int status, lua_KContext base);

/* co waits: so does whoever resumed it.  Its frame keeps the first `base` slots. */
static int wait_too(lua_State *L, lua_State *co, int base, lua_KFunction more) {
  lua_settop(L, base);
  lnL_set_busy(co, true);
  return lnL_pass_up(L, base, more);
}

static int resume_result(lua_State *L, lua_State *co, int n) {
  if (n == -2) return wait_too(L, co, 1, resume_more);
  if (n == -3) return lnL_give_up(L);
  lua_pushboolean(L, n >= 0);
  if (n < 0) {
    lnL_note_caught(L);
    n = 1;
  }
  lua_insert(L, -(n + 1));
  return n + 1;
}

static int resume_more(lua_State *L, int status, lua_KContext base) {
  lua_State *co = lua_tothread(L, 1);
  (void)status;
  lnL_set_busy(co, false);
  return resume_result(L, co, resume(L, co, lua_gettop(L) - (int)base));
}

static int l_resume(lua_State *L) {
  lua_State *co = check_co(L);
  return resume_result(L, co, begin(L, co, lua_gettop(L) - 1));
}

/* --- wrap ----------------------------------------------------------------------------------------------- */

/* The error is on top: it ends the coroutine, and is raised here. */
static int wrap_error(lua_State *L, lua_State *co) {
  int status = lua_status(co);
  if (status != LUA_OK && status != LUA_YIELD) {         /* it failed in there: its variables are closed    */
    lua_pushvalue(L, -1);
    lua_xmove(L, co, 1);
    status = lnL_close_thread(L, co);
    lua_xmove(co, L, 1);
    if (lnL_fatal(L, status, false)) return lnL_give_up(L);
  }
  if (lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  lnL_note_raised(L, -1);
  return lua_error(L);
}

static int wrap_result(lua_State *L, lua_State *co, int n) {
  if (n == -2) return wait_too(L, co, 0, wrap_more);
  if (n == -3) return lnL_give_up(L);
  return n < 0 ? wrap_error(L, co) : n;
}

static int wrap_more(lua_State *L, int status, lua_KContext base) {
  lua_State *co = lua_tothread(L, lua_upvalueindex(1));
  (void)status;
  lnL_set_busy(co, false);
  return wrap_result(L, co, resume(L, co, lua_gettop(L) - (int)base));
}

static int l_wrapped(lua_State *L) {
  lua_State *co = lua_tothread(L, lua_upvalueindex(1));
  return wrap_result(L, co, begin(L, co, lua_gettop(L)));
}

static int l_create(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State *co = lua_newthread(L);                      /* f … co          */
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  return 1;
}

static int l_wrap(lua_State *L) {
  l_create(L);
  lua_pushcclosure(L, l_wrapped, 1);
  return 1;
}

/* --- the rest ------------------------------------------------------------------------------------------- */

static int l_yield(lua_State *L) {
  if (!lnL_in_author_coroutine(L)) return luaL_error(L, "attempt to yield from outside a coroutine");
  if (lnL_closing(L)) return luaL_error(L, "attempt to yield across a C-call boundary");
  if (lnL_held(L))
    return luaL_error(L, "attempt to yield out of a step, which ends before anything else goes on");
  return lua_yield(L, lua_gettop(L));
}

static int l_status(lua_State *L) {
  lua_pushstring(L, state_names[state_of(L, check_co(L))]);
  return 1;
}

static int l_isyieldable(lua_State *L) {
  lua_State *co = lua_isthread(L, 1) ? lua_tothread(L, 1) : self(L);
  lua_pushboolean(L, co != main_of(L) && lua_isyieldable(co) && !lnL_closing(co) && !lnL_held(co));
  return 1;
}

static int l_running(lua_State *L) {
  lua_State *co = self(L);
  if (co == L) {
    lua_pushthread(L);
  } else {
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  }
  lua_pushboolean(L, co != L);
  return 2;
}

static int l_close(lua_State *L) {
  lua_State *co = check_co(L);
  co_state state = state_of(L, co);
  if (state != CO_DEAD && state != CO_SUSPENDED)
    return luaL_error(L, "cannot close a %s coroutine", state_names[state]);
  int status = lnL_close_thread(L, co);
  if (status == LUA_OK) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushboolean(L, 0);
  lua_xmove(co, L, 1);
  return lnL_fatal(L, status, false) ? lnL_give_up(L) : 2;
}

const luaL_Reg ln_lib_coroutine[] = {
    {"close", l_close}, {"create", l_create}, {"isyieldable", l_isyieldable}, {"resume", l_resume},
    {"running", l_running}, {"status", l_status}, {"wrap", l_wrap}, {"yield", l_yield}, {NULL, NULL}};

const luaL_Reg ln_lib_wrapped[] = {{"a coroutine.wrap", l_wrapped}, {NULL, NULL}};
