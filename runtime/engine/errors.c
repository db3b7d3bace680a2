/* errors.c: an error as a Lua table.  It is plain data ({ code, message, retry, status, vendor,
** vendor_code, op, rule, cause, at }), so that the journal stores it and a replay raises the same one;
** its metatable only says how it looks: the operator's two lines, what happened, and where.  Reading one
** never raises or allocates. */
#include "engine/values.h"
#include "engine/vm.h"

#include <lauxlib.h>
#include <stddef.h>

static const char ERROR_KEY = 'e';                      /* its address: the metatable's key in the registry */

typedef struct word { const char *name; size_t off, n; } word;

#define WORD(field) {#field, offsetof(ln_err, field), sizeof((ln_err *)0)->field}
static const word words[] = {WORD(code), WORD(message), WORD(op),
                             WORD(rule), WORD(vendor),  WORD(vendor_code)};
enum { WORDS = sizeof words / sizeof words[0] };

static const char *word_of(const ln_err *e, const word *w) { return (const char *)e + w->off; }

/* --- what it looks like --------------------------------------------------------------------------------- */

/* Adds before, the text of member name, and after; nothing when it has none. */
static bool add_member(luaL_Buffer *b, int idx, const char *before, const char *name, const char *after) {
  lua_State *L = b->L;
  lua_pushstring(L, name);
  int type = lua_rawget(L, idx);
  if (type != LUA_TSTRING && type != LUA_TNUMBER) {
    lua_pop(L, 1);
    return false;
  }
  lua_pushstring(L, before);
  lua_insert(L, -2);
  lua_pushstring(L, after);
  lua_concat(L, 3);
  luaL_addvalue(b);
  return true;
}

/* "okta.add_to_group: refused (per_hour): 20 … are used\n at scripts/contain.lua:14; okta answered 403
** (E0000006)" */
static int l_error_tostring(lua_State *L) {
  luaL_Buffer b;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_buffinit(L, &b);
  add_member(&b, 1, "", "op", ": ");
  if (!add_member(&b, 1, "", "code", "")) luaL_addstring(&b, "failed");
  add_member(&b, 1, " (", "rule", ")");
  add_member(&b, 1, ": ", "message", "");
  bool at = add_member(&b, 1, "\n  at ", "at", "");
  if (add_member(&b, 1, at ? "; " : "\n  ", "vendor", " answered")) {
    add_member(&b, 1, " ", "status", "");
    add_member(&b, 1, " (", "vendor_code", ")");
  }
  luaL_pushresult(&b);
  return 1;
}

static int l_error_concat(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  luaL_tolstring(L, 2, NULL);
  lua_concat(L, 2);
  return 1;
}

static void push_error_meta(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &ERROR_KEY) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_createtable(L, 0, 4);                              /* meta            */
  lua_pushcfunction(L, l_error_tostring);
  lua_setfield(L, -2, "__tostring");
  lua_pushcfunction(L, l_error_concat);
  lua_setfield(L, -2, "__concat");
  lua_pushliteral(L, "error");
  lua_setfield(L, -2, "__name");
  lua_pushliteral(L, "error");
  lua_setfield(L, -2, "__metatable");
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &ERROR_KEY);
}

/* Makes the table there an error table. [-0, +0, m] */
static void set_error_meta(lua_State *L, int idx) {
  idx = lua_absindex(L, idx);
  luaL_checkstack(L, 4, NULL);
  push_error_meta(L);
  lua_setmetatable(L, idx);
}

void lnL_push_error(lua_State *L, const ln_err *e, ln_str at) {
  luaL_checkstack(L, 6, NULL);
  lua_createtable(L, 0, 10);                             /* error           */
  for (size_t i = 0; i < WORDS; i++) {
    const char *text = word_of(e, &words[i]);
    if (!*text) continue;
    lua_pushstring(L, text);
    lua_setfield(L, -2, words[i].name);
  }
  lua_pushboolean(L, e->retry == LN_AGAIN);
  lua_setfield(L, -2, "retry");
  if (e->status) {
    lua_pushinteger(L, e->status);
    lua_setfield(L, -2, "status");
  }
  if (at.n) {
    lua_pushlstring(L, at.p, at.n);
    lua_setfield(L, -2, "at");
  }
  set_error_meta(L, -1);
}

int lnL_raise(lua_State *L, const ln_err *e) {
  char at[LN_ERR_TEXT];
  lnL_where(L, at, sizeof at);
  lnL_push_error(L, e, ln_str_of(at));
  return lua_error(L);
}

/* --- reading one ---------------------------------------------------------------------------------------- */

static void set_word(ln_err *e, const word *w, ln_str s) {
  size_t n = s.n < w->n ? s.n : w->n - 1;
  while (n < s.n && n && ((unsigned char)s.p[n] & 0xC0) == 0x80) n--; /* never within a character */
  memcpy((char *)e + w->off, s.p, n);
  ((char *)e)[w->off + n] = '\0';
}

static void read_member(lua_State *L, ln_str key, ln_err *e) { /* … value   */
  ln_str s;
  if (ln_str_eq(key, LN_STR("retry"))) e->retry = lua_toboolean(L, -1) ? LN_AGAIN : LN_FINAL;
  if (ln_str_eq(key, LN_STR("status")) && lua_isinteger(L, -1)) e->status = (int)lua_tointeger(L, -1);
  if (lua_type(L, -1) != LUA_TSTRING) return;
  s.p = lua_tolstring(L, -1, &s.n);
  for (size_t i = 0; i < WORDS; i++)
    if (ln_str_eq(key, ln_str_of(words[i].name))) set_word(e, &words[i], s);
}

static void read_table(lua_State *L, int idx, ln_err *e) {
  if (!lua_checkstack(L, 3)) return;
  for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
    ln_str key;
    if (lua_type(L, -2) != LUA_TSTRING) continue;
    key.p = lua_tolstring(L, -2, &key.n);
    read_member(L, key, e);
  }
  if (!*e->code) set_word(e, &words[0], LN_STR("failed"));
  if (!*e->message) set_word(e, &words[1], LN_STR("an error without a message"));
}

void lnL_to_error(lua_State *L, int idx, ln_err *e) {
  ln_str s;
  ln_err_clear(e);
  idx = lua_absindex(L, idx);
  switch (lua_type(L, idx)) {
  case LUA_TTABLE: read_table(L, idx, e); break;
  case LUA_TSTRING:
    ln_fail(e, "failed", LN_FINAL, "%s", "");
    s.p = lua_tolstring(L, idx, &s.n);
    set_word(e, &words[1], s);
    break;
  case LUA_TNUMBER:
    if (lua_isinteger(L, idx)) ln_fail(e, "failed", LN_FINAL, "%lld", (long long)lua_tointeger(L, idx));
    else ln_fail(e, "failed", LN_FINAL, "%.14g", lua_tonumber(L, idx));
    break;
  default: ln_fail(e, "failed", LN_FINAL, "an error that is a %s value", luaL_typename(L, idx));
  }
}

ln_str lnL_error_at(lua_State *L, int idx) {
  ln_str at = {NULL, 0};
  idx = lua_absindex(L, idx);
  if (!lua_istable(L, idx) || !lua_checkstack(L, 4)) return at;
  for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1))
    if (lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING &&
        strcmp(lua_tostring(L, -2), "at") == 0)
      at.p = lua_tolstring(L, -1, &at.n);
  return at;
}

/* Lua's own functions say it by the name of the value's type. */
bool lnL_is_unknown(lua_State *L, int idx) {
  ln_err e = {0};
  lnL_to_error(L, idx, &e);
  return strcmp(e.code, "unknown") == 0 || strstr(e.message, "got " LNL_OPAQUE) != NULL;
}

/* --- encoded -------------------------------------------------------------------------------------------- */

static void put_member(ln_buf *out, const char *name, ln_str s, size_t *count) {
  if (!s.n) return;
  (*count)++;
  if (!out) return;
  ln_v_key(out, ln_str_of(name));
  ln_v_str(out, s);
}

/* In the order of the names.  out NULL: only counts. */
static size_t put_members(const ln_err *e, ln_str at, ln_str cause, ln_buf *out) {
  size_t count = 1;
  put_member(out, "at", at, &count);
  if (cause.n) {
    count++;
    if (out && ln_v_key(out, LN_STR("cause"))) ln_v_raw(out, cause);
  }
  put_member(out, "code", ln_str_of(e->code), &count);
  put_member(out, "message", ln_str_of(e->message), &count);
  put_member(out, "op", ln_str_of(e->op), &count);
  if (out && ln_v_key(out, LN_STR("retry"))) ln_v_bool(out, e->retry == LN_AGAIN);
  put_member(out, "rule", ln_str_of(e->rule), &count);
  if (e->status) {
    count++;
    if (out && ln_v_key(out, LN_STR("status"))) ln_v_int(out, e->status);
  }
  put_member(out, "vendor", ln_str_of(e->vendor), &count);
  put_member(out, "vendor_code", ln_str_of(e->vendor_code), &count);
  return count;
}

bool lnL_error_encode(const ln_err *e, ln_str at, ln_str cause, ln_buf *out) {
  size_t mark = ln_v_begin(out, 'O', put_members(e, at, cause, NULL));
  put_members(e, at, cause, out);
  return ln_v_end(out, mark);
}

void lnL_error_decode(ln_str v, ln_err *e) {
  ln_err_clear(e);
  for (size_t i = 0; i < WORDS; i++) {
    ln_str s = ln_v_get_str(v, words[i].name);
    if (s.p) set_word(e, &words[i], s);
  }
  e->status = (int)ln_v_get_int(v, "status", 0);
  e->retry = ln_v_get_bool(v, "retry", false) ? LN_AGAIN : LN_FINAL;
  if (!*e->code) set_word(e, &words[0], LN_STR("failed"));
}
