/* log.c: remarks of a playbook.  They are notes of the run, kept in its journal and shown with it; not the
** core's own log. */
#include "modules/modules.h"

#include "engine/note.h"

static int note(lua_State *L, const char *fn, const char *level) {
  lnL_text(L, fn, "the message", 1);
  if (!lua_isnoneornil(L, 2) && !lua_istable(L, 2)) lnL_bad(L, fn, "the fields", "a table", 2);
  lua_settop(L, 2);                                       /* message fields */
  lua_createtable(L, 0, 3);                               /* message fields note */
  lua_pushstring(L, level);
  lua_setfield(L, -2, "level");
  lua_pushvalue(L, 1);
  lua_setfield(L, -2, "message");
  lua_pushvalue(L, 2);
  lua_setfield(L, -2, "fields");
  lnL_note(L, "log", 3);
  return 0;
}

static int l_info(lua_State *L) { return note(L, "log.info", "info"); }
static int l_warn(lua_State *L) { return note(L, "log.warn", "warn"); }
static int l_error(lua_State *L) { return note(L, "log.error", "error"); }

int luaopen_log(lua_State *L) {
  static const luaL_Reg functions[] = {{"info", l_info}, {"warn", l_warn}, {"error", l_error}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
