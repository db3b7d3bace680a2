/* xml.c: XML as Lua sees it.  The work is engine/xml_lua.c's, over expat, outside of the run's capped state:
** without external entities, with bounded depth and size. */
#include "modules/modules.h"

int luaopen_xml(lua_State *L) {
  ln_host *host = lnL_host(L);
  lua_createtable(L, 0, 1);                               /* xml */
  lua_pushlightuserdata(L, host);
  lua_pushcclosure(L, lnL_xml_decode, 1);                 /* xml decode */
  lua_setfield(L, -2, "decode");
  return 1;
}
