/* words_page.c: each(operation, args): a loop over a list operation that asks for a page when the last is
** used up. */
#include "modules/words.h"

#include "modules/connector.h"

#include <lauxlib.h>

/* The iterator's upvalues: pager, args, the page's items, the place in it, what the next page is asked
** with. */
enum { PAGER = 1, ARGS, ITEMS, AT, NEXT, STARTED };

static int next_item(lua_State *L, int status, lua_KContext ctx);

static int take_page(lua_State *L) {                      /* … page */
  luaL_checktype(L, -1, LUA_TTABLE);
  lua_getfield(L, -1, "items");
  lua_replace(L, lua_upvalueindex(ITEMS));
  lua_getfield(L, -1, "next");
  lua_replace(L, lua_upvalueindex(NEXT));
  lua_pushinteger(L, 0);
  lua_replace(L, lua_upvalueindex(AT));
  lua_pushboolean(L, 1);
  lua_replace(L, lua_upvalueindex(STARTED));
  lua_settop(L, 0);
  return 0;
}

static int ask_page(lua_State *L) {
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(PAGER));
  lua_pushvalue(L, lua_upvalueindex(ARGS));
  lua_pushvalue(L, lua_upvalueindex(NEXT));
  lua_callk(L, 2, 1, 1, next_item);
  return next_item(L, LUA_YIELD, 1);
}

static int next_item(lua_State *L, int status, lua_KContext asked) {
  (void)status;
  if (asked) take_page(L);
  lua_Integer at = lua_tointeger(L, lua_upvalueindex(AT)) + 1;
  if (lua_istable(L, lua_upvalueindex(ITEMS)) && lua_rawgeti(L, lua_upvalueindex(ITEMS), at) != LUA_TNIL) {
    lua_pushinteger(L, at);
    lua_replace(L, lua_upvalueindex(AT));
    return 1;
  }
  if (lua_toboolean(L, lua_upvalueindex(STARTED)) && lua_isnil(L, lua_upvalueindex(NEXT))) return 0;
  return ask_page(L);
}

static int l_next(lua_State *L) { return next_item(L, LUA_OK, 0); }

static int l_each(lua_State *L) {
  lua_settop(L, 2);
  if (lua_isnil(L, 2)) lua_newtable(L), lua_replace(L, 2);
  lnL_connector_pager(L, 1);                              /* op args pager */
  lua_pushvalue(L, 2);
  lua_pushnil(L);
  lua_pushinteger(L, 0);
  lua_pushnil(L);
  lua_pushboolean(L, 0);
  lua_pushcclosure(L, l_next, STARTED);
  return 1;
}

const luaL_Reg lnL_page_words[] = {{"each", l_each}, {NULL, NULL}};
