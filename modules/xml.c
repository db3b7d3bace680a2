/* xml.c: XML as Lua sees it.  It is parsed outside of the run's capped state (engine/values.c: expat, without external
** entities, with bounded depth and size), and handed over as one value. */
#include "modules/modules.h"

enum { XML_MAX = 64 << 20 };

/* xml.decode(text) -> { name, attrs, text, … children } */
static int l_decode(lua_State *L) {
  ln_err err;
  ln_str text = lnL_text(L, "xml.decode", "the text", 1);
  ln_host *host = lnL_host(L);
  ln_buf *value = lnL_new_buf(L, XML_MAX);
  if (!ln_host_xml(host, text, value, &err)) return lnL_raise_in(L, "xml.decode", &err);
  lnL_decode(L, ln_buf_view(value));
  ln_buf_free(value);
  return 1;
}

int luaopen_xml(lua_State *L) {
  static const luaL_Reg functions[] = {{"decode", l_decode}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
