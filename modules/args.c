/* args.c: what the modules share (see modules.h): checking arguments, failing in words, buffers. */
#include "modules/modules.h"

#include "base/units.h"

#include <math.h>
#include <stdio.h>

int lnL_raise_in(lua_State *L, const char *fn, ln_err *err) {
  ln_err_prefix(err, "%s", fn);
  return lnL_raise(L, err);
}

int lnL_bad(lua_State *L, const char *fn, const char *arg, const char *wanted, int idx) {
  ln_err err;
  if (idx) lnL_known(L, idx);
  const char *got = idx ? luaL_typename(L, idx) : NULL;
  ln_fail(&err, "bad_argument", LN_FINAL, "%s: %s must be %s%s%s", fn, arg, wanted, got ? ", got " : "",
          got ? got : "");
  return lnL_raise(L, &err);
}

ln_str lnL_text(lua_State *L, const char *fn, const char *arg, int idx) {
  ln_str s;
  if (lua_type(L, idx) != LUA_TSTRING) lnL_bad(L, fn, arg, "a text", idx);
  s.p = lua_tolstring(L, idx, &s.n);
  return s;
}

ln_str lnL_text_or(lua_State *L, const char *fn, const char *arg, int idx, ln_str otherwise) {
  return lua_isnoneornil(L, idx) ? otherwise : lnL_text(L, fn, arg, idx);
}

int64_t lnL_whole(lua_State *L, const char *fn, const char *arg, int idx, int64_t least, int64_t most) {
  int whole = 0;
  lua_Integer v = lua_type(L, idx) == LUA_TNUMBER ? lua_tointegerx(L, idx, &whole) : 0;
  if (whole && v >= least && v <= most) return v;
  char wanted[96];
  snprintf(wanted, sizeof wanted, "a whole number from %lld to %lld", (long long)least, (long long)most);
  lnL_bad(L, fn, arg, wanted, whole ? 0 : idx);
  return 0;
}

bool lnL_flag_or(lua_State *L, const char *fn, const char *arg, int idx, bool otherwise) {
  if (lua_isnoneornil(L, idx)) return otherwise;
  if (!lua_isboolean(L, idx)) lnL_bad(L, fn, arg, "true or false", idx);
  return lua_toboolean(L, idx);
}

int64_t lnL_duration(lua_State *L, const char *fn, const char *arg, int idx) {
  ln_err err;
  int64_t ms = 0;
  if (lua_type(L, idx) == LUA_TNUMBER) {
    double s = lua_tonumber(L, idx);
    if (s > 0 && s < 1e12) ms = (int64_t)ceil(s * 1000);
  } else if (lua_type(L, idx) == LUA_TSTRING) {
    if (!ln_parse_duration(lnL_text(L, fn, arg, idx), &ms, &err)) {
      ln_err_prefix(&err, "%s: %s", fn, arg);
      lnL_raise(L, &err);
    }
  } else {
    lnL_bad(L, fn, arg, "a duration: seconds, or such as \"30s\"", idx);
  }
  if (ms <= 0) lnL_bad(L, fn, arg, "a duration above zero", 0);
  return ms;
}

/* Raises for an unknown option; never returns. */
static int unknown_option(lua_State *L, const char *fn, const char *key, const char *const known[]) {
  ln_err err;
  char list[256] = "";
  size_t n = 0;
  for (int i = 0; known[i] && n < sizeof list; i++)
    n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", known[i]);
  ln_fail(&err, "bad_argument", LN_FINAL, "%s: unknown option '%.40s'; there %s %s", fn, key,
          known[0] && !known[1] ? "is" : "are", list);
  return lnL_raise(L, &err);
}

static bool is_one_of(const char *key, const char *const known[]) {
  for (int i = 0; known[i]; i++)
    if (strcmp(key, known[i]) == 0) return true;
  return false;
}

/* Of several unknown options the first by name is told, for the order of a table differs from process to
** process. */
void lnL_options(lua_State *L, const char *fn, int idx, const char *const known[]) {
  if (lua_isnoneornil(L, idx)) return;
  if (!lua_istable(L, idx)) lnL_bad(L, fn, "its options", "a table", idx);
  idx = lua_absindex(L, idx);
  const char *worst = NULL; /* borrowed from the table, which keeps it */
  bool odd = false;
  for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) { /* key value */
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
    odd = odd || !key;
    if (key && !is_one_of(key, known) && (!worst || strcmp(key, worst) < 0)) worst = key;
  }
  if (odd) lnL_bad(L, fn, "its options", "named", 0);
  if (worst) unknown_option(L, fn, worst, known);
}

void lnL_field(lua_State *L, int idx, const char *key) {
  if (!lua_istable(L, idx)) {
    lua_pushnil(L);
    return;
  }
  idx = lua_absindex(L, idx);
  lua_pushstring(L, key);                                 /* key */
  lua_rawget(L, idx);                                     /* value */
}

int lnL_push_buf(lua_State *L, ln_buf *b) {
  lua_pushlstring(L, b->n ? b->p : "", b->n);             /* text */
  ln_buf_wipe(b);
  return 1;
}

ln_engine *lnL_engine_here(lua_State *L) {
  ln_vm *vm = ln_vm_of(L);
  return vm && *ln_vm_user(vm) ? lnL_engine(L) : NULL;
}

#define HOST "lunette.own_host"

static int host_gc(lua_State *L) {
  ln_host **h = luaL_checkudata(L, 1, HOST);
  ln_host_free(*h);
  *h = NULL;
  return 0;
}

ln_host *lnL_host(lua_State *L) {
  ln_engine *engine = lnL_engine_here(L);
  if (engine && engine->host) return engine->host;
  if (lua_getfield(L, LUA_REGISTRYINDEX, "lunette.own_host.it") == LUA_TUSERDATA) { /* own */
    ln_host *h = *(ln_host **)lua_touserdata(L, -1);
    lua_pop(L, 1);
    return h;
  }
  lua_pop(L, 1);
  ln_err err;
  ln_host **own = lua_newuserdatauv(L, sizeof *own, 0);   /* own */
  *own = NULL;
  if (luaL_newmetatable(L, HOST)) {                       /* own meta */
    lua_pushcfunction(L, host_gc);
    lua_setfield(L, -2, "__gc");
    lnL_finalises(L);
  }
  lua_setmetatable(L, -2);                                /* own */
  if (!(*own = ln_host_new(&err))) lnL_raise(L, &err);
  ln_host *h = *own;
  lua_setfield(L, LUA_REGISTRYINDEX, "lunette.own_host.it");
  return h;
}
