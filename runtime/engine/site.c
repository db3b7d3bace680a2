/* site.c: a site's facts for runs against simulators: what the modules called *.site among the scripts
** say. */
#include "engine/site.h"

#include "engine/library.h"

#include <lauxlib.h>
#include <stdio.h>

struct asking { ln_str source, module; const char *root; ln_buf *out; ln_err *err; };

static int l_facts(lua_State *L) {
  struct asking *a = lua_touserdata(L, 1);
  if (luaL_loadbufferx(L, a->source.p, a->source.n, a->module.p, "t") != LUA_OK) return lua_error(L);
  lua_call(L, 0, 1);
  lua_pushstring(L, a->root);
  lua_call(L, 1, 1);
  if (!lnL_encode(L, -1, a->out, a->err)) return luaL_error(L, "%s", a->err->message);
  return 0;
}

static bool ask(lua_State *L, struct asking *a, ln_err *err) {
  lua_pushcfunction(L, l_facts);
  lua_pushlightuserdata(L, a);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return true;
  ln_fail(err, "config", LN_FINAL, "%.*s: %s", LN_STR_ARG(a->module), lua_tostring(L, -1));
  lua_pop(L, 1);
  return false;
}

static bool add(ln_engine *g, ln_snapshot *s, ln_str module, const char *root, ln_buf *facts, ln_err *err) {
  ln_buf one, both;
  ln_str path;
  struct asking a = {.module = module, .root = root, .out = &one, .err = err};
  ln_buf_init(&one, 1 << 20);
  ln_buf_init(&both, 1 << 20);
  bool ok = ln_snapshot_source(s, module, &a.source, &path, err) && ask(ln_host_state(g->host), &a, err) &&
            ln_v_merge(&both, ln_buf_view(facts), ln_buf_view(&one));
  ln_buf_cut(facts, 0);
  ok = ok && ln_buf_add(facts, ln_buf_view(&both));
  ln_buf_free(&one);
  ln_buf_free(&both);
  return ok;
}

bool ln_site_facts(ln_engine *g, const char *root, ln_buf *facts, ln_err *err) {
  ln_snapshot *s = ln_snapshot_take(g, (ln_str){NULL, 0}, err);
  bool ok = s != NULL;
  ln_v_end(facts, ln_v_begin(facts, 'O', 0));
  for (size_t i = 0; ok && i < ln_snapshot_count(s); i++)
    if (ln_str_ends(ln_snapshot_name(s, i), LN_STR(".site")))
      ok = add(g, s, ln_snapshot_name(s, i), root, facts, err);
  ln_snapshot_drop(s);
  return ok;
}
