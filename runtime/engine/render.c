/* render.c: a run's document for people: stdlib/report.lua makes text or markdown of it, in the host
** state. */
#include "engine/inside.h"

#include <lauxlib.h>
#include <stdio.h>

struct rendering { ln_engine *g; ln_str value; const char *format; ln_buf *out; bool ok; };

static bool load_report(lua_State *L, const ln_config *c) {
  char path[1024];
  for (size_t i = 0; i < c->stdlib.n; i++) {
    snprintf(path, sizeof path, "%.*s/report.lua", LN_STR_ARG(c->stdlib.v[i]));
    if (luaL_loadfilex(L, path, "t") == LUA_OK) return true;
    if (i + 1 < c->stdlib.n) lua_pop(L, 1);
  }
  return false;
}

static int l_render(lua_State *L) {
  struct rendering *r = lua_touserdata(L, 1);
  ln_str s;
  if (!load_report(L, r->g->config)) return luaL_error(L, "stdlib/report.lua cannot be loaded");
  lua_call(L, 0, 1);                                  /* r report      */
  lua_getfield(L, -1, r->format);                     /* r report fn   */
  lnL_decode(L, r->value);
  lua_call(L, 1, 1);                                  /* r report text */
  s.p = luaL_checklstring(L, -1, &s.n);
  r->ok = ln_buf_add(r->out, s);
  return 0;
}

bool ln_render(ln_engine *g, ln_str json, const char *format, ln_buf *out, ln_err *err) {
  lua_State *L = ln_host_state(g->host);
  ln_buf value;
  ln_buf_init(&value, (size_t)256 << 20);
  struct rendering r = {.g = g, .format = format, .out = out};
  bool ok = ln_host_json(g->host, json, &value, err);
  r.value = ln_buf_view(&value);
  if (ok) {
    lua_pushcfunction(L, l_render);
    lua_pushlightuserdata(L, &r);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
      ok = ln_fail(err, "failed", LN_FINAL, "the report cannot be rendered: %s", lua_tostring(L, -1));
      lua_pop(L, 1);
    } else if (!r.ok) {
      ok = ln_fail(err, "too_big", LN_FINAL, "the report is too large");
    }
  }
  ln_buf_free(&value);
  return ok;
}
