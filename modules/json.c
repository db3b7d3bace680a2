/* json.c: JSON as Lua sees it.  The work is engine/json_lua.c's, over lua-cjson: integers stay integers up to
** 64 bits, an empty array stays an array, keys come out sorted, and what is not UTF-8 is refused. */
#include "modules/modules.h"

/* json.array(t) -> t, which stays an array when it is empty; without t a new one. */
static int l_array(lua_State *L) {
  if (lua_isnoneornil(L, 1)) {
    lua_settop(L, 0);
    lua_newtable(L);
  }
  if (!lua_istable(L, 1)) lnL_bad(L, "json.array", "the list", "a table", 1);
  lua_settop(L, 1);
  lnL_mark_array(L, 1);
  return 1;
}

int luaopen_json(lua_State *L) {
  lnL_push_json(L, lnL_host(L));
  lua_pushcfunction(L, l_array);
  lua_setfield(L, -2, "array");
  return 1;
}
