/* input.c: inputs by their declared types: "string", "[host]", "duration = 30d", "one of a b", "ip?".  A
** value from the command line is a text, one from JSON has a type of its own; both end as the declared type,
** or as an error that names the input, what came, and what is wanted. */
#include "engine/inside.h"
#include "engine/library.h"
#include "engine/play.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <lauxlib.h>
#include <stdlib.h>

typedef struct type {
  ln_str base;                                           /* "string", or "a b" of one of                    */
  ln_str fallback;
  bool list, optional, choice, has_fallback;
} type;

static int wrong(lua_State *L, const char *what, const char *wanted, int idx) {
  ln_err err;
  size_t n;
  const char *got = luaL_tolstring(L, idx, &n);
  ln_fail(&err, "bad_argument", LN_FINAL, "input %s: %s is wanted, got %s %.60s", what, wanted,
          luaL_typename(L, idx), got);
  lnL_push_error(L, &err, (ln_str){NULL, 0});
  return lua_error(L);
}

static type read_type(ln_str text) {
  type t = {0};
  ln_str left, right;
  if (ln_str_cut(text, '=', &left, &right)) {
    t.has_fallback = true;
    t.fallback = ln_str_trim(right);
  }
  left = ln_str_trim(left);
  if (ln_str_ends(left, LN_STR("?"))) {
    t.optional = true;
    left = ln_str_trim((ln_str){left.p, left.n - 1});
  }
  if (left.n > 2 && left.p[0] == '[' && left.p[left.n - 1] == ']') {
    t.list = true;
    left = ln_str_trim((ln_str){left.p + 1, left.n - 2});
  }
  if (ln_str_starts(left, LN_STR("one of "))) {
    t.choice = true;
    left = ln_str_trim((ln_str){left.p + 7, left.n - 7});
  }
  t.base = left;
  return t;
}

static ln_str text_at(lua_State *L, int idx) {
  ln_str s = {NULL, 0};
  if (lua_type(L, idx) == LUA_TSTRING) s.p = lua_tolstring(L, idx, &s.n);
  return s;
}

/* ------------------------------------------------------------------ one value, on top of the stack,
** replaced */

static void to_string(lua_State *L, const char *what) {
  if (lua_type(L, -1) == LUA_TNUMBER) lua_tolstring(L, -1, NULL);
  if (lua_type(L, -1) != LUA_TSTRING) wrong(L, what, "a text", -1);
}

static void to_integer(lua_State *L, const char *what) {
  int ok = 0;
  lua_Integer v = lua_tointegerx(L, -1, &ok);
  if (!ok) wrong(L, what, "an integer", -1);
  lua_pop(L, 1);
  lua_pushinteger(L, v);
}

static void to_number(lua_State *L, const char *what) {
  int ok = 0;
  lua_Number v = lua_tonumberx(L, -1, &ok);
  if (!ok) wrong(L, what, "a number", -1);
  if (lua_type(L, -1) == LUA_TNUMBER) return;
  lua_pop(L, 1);
  lua_pushnumber(L, v);
}

static void to_boolean(lua_State *L, const char *what) {
  ln_str s = text_at(L, -1);
  if (lua_isboolean(L, -1)) return;
  if (!ln_str_eq(s, LN_STR("true")) && !ln_str_eq(s, LN_STR("false"))) wrong(L, what, "true or false", -1);
  bool v = s.n == 4;
  lua_pop(L, 1);
  lua_pushboolean(L, v);
}

static void push_seconds(lua_State *L, int64_t ms) {
  lua_pop(L, 1);
  if (ms % 1000 == 0) lua_pushinteger(L, ms / 1000);
  else lua_pushnumber(L, (double)ms / 1000.0);
}

static void to_duration(lua_State *L, const char *what) {
  int64_t ms = 0;
  ln_err err = {0};
  if (lua_type(L, -1) == LUA_TNUMBER) return;
  if (lua_type(L, -1) != LUA_TSTRING || !ln_parse_duration(text_at(L, -1), &ms, &err))
    wrong(L, what, "a duration such as \"30s\", \"5m\", \"2h\", \"7d\"", -1);
  push_seconds(L, ms);
}

static void to_time(lua_State *L, const char *what) {
  int64_t ms = 0;
  ln_err err = {0};
  if (lua_type(L, -1) == LUA_TNUMBER) return;
  if (lua_type(L, -1) != LUA_TSTRING || !ln_parse_time(text_at(L, -1), &ms, &err))
    wrong(L, what, "a time such as 2026-11-24T10:00:00Z, or seconds since 1970", -1);
  push_seconds(L, ms);
}

static void to_ip(lua_State *L, const char *what) {
  unsigned char bytes[16];
  const char *s = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
  if (inet_pton(AF_INET, s, bytes) != 1 && inet_pton(AF_INET6, s, bytes) != 1)
    wrong(L, what, "an IP address", -1);
}

static void to_sha256(lua_State *L, const char *what) {
  uint8_t bytes[LN_SHA256];
  char lower[2 * LN_SHA256 + 1];
  if (!ln_unhex(text_at(L, -1), bytes, sizeof bytes)) wrong(L, what, "64 hexadecimal digits", -1);
  ln_hex(bytes, sizeof bytes, lower);
  lua_pop(L, 1);
  lua_pushstring(L, lower);
}

static void to_host(lua_State *L, const char *what) {
  if (lua_istable(L, -1)) return;
  if (lua_type(L, -1) != LUA_TSTRING) wrong(L, what, "a hostname, or an alert's device", -1);
  lua_newtable(L);                 /* s t   */
  lua_insert(L, -2);               /* t s   */
  lua_setfield(L, -2, "hostname"); /* t     */
}

static void set_part(lua_State *L, const char *key, ln_str v) {
  lua_pushlstring(L, v.p, v.n);
  lua_setfield(L, -2, key);
}

static void to_user(lua_State *L, const char *what) {
  ln_str domain, name, s = text_at(L, -1);
  if (lua_istable(L, -1)) return;
  if (!s.n) wrong(L, what, "a user (\"name\", \"DOMAIN\\name\", an email), or an alert's user", -1);
  lua_newtable(L);                 /* s t   */
  if (ln_str_cut(s, '\\', &domain, &name)) {
    set_part(L, "domain", domain);
    set_part(L, "name", name);
  } else {
    set_part(L, memchr(s.p, '@', s.n) ? "email" : "name", s);
  }
  lua_remove(L, -2);               /* t     */
}

/* An alert may come normalised, or as the document of any known product. */
static void to_alert(lua_State *L, const char *what) {
  if (!lua_istable(L, -1)) wrong(L, what, "an alert's document", -1);
  int doc = lua_gettop(L);
  bool normal = lua_getfield(L, doc, "format") == LUA_TSTRING &&
                lua_getfield(L, doc, "source") == LUA_TSTRING &&
                lua_getfield(L, doc, "severity") == LUA_TSTRING && lua_getfield(L, doc, "raw") != LUA_TNIL;
  lua_settop(L, doc);
  if (normal) return;
  lnL_run(L)->scripts_ran = true;
  lua_pushcfunction(L, lnL_require);
  lua_pushliteral(L, "alert");
  lua_call(L, 1, 1);                               /* doc alert               */
  lua_getfield(L, -1, "normalise");                /* doc alert fn            */
  lua_pushvalue(L, doc);
  lua_call(L, 1, 2);                               /* doc alert list why      */
  if (!lua_istable(L, -2) || lua_rawlen(L, -2) == 0) {
    const char *why = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "no known product's format";
    luaL_error(L, "input %s: not an alert: %s", what, why);
  }
  if (lua_rawlen(L, -2) > 1)
    luaL_error(L, "input %s: the document holds %d alerts: give one (lunette alert shows them)", what,
               (int)lua_rawlen(L, -2));
  lua_rawgeti(L, -2, 1);                           /* doc alert list why one  */
  lua_replace(L, doc);
  lua_settop(L, doc);
}

static void to_table(lua_State *L, const char *what) {
  if (!lua_istable(L, -1)) wrong(L, what, "a table", -1);
}

static const struct { const char *name; void (*fn)(lua_State *L, const char *what); } kinds[] = {
    {"string", to_string},   {"integer", to_integer}, {"number", to_number}, {"boolean", to_boolean},
    {"duration", to_duration}, {"time", to_time},     {"ip", to_ip},         {"sha256", to_sha256},
    {"host", to_host},       {"device", to_host},     {"user", to_user},     {"alert", to_alert},
    {"table", to_table}};

static void to_choice(lua_State *L, const char *what, ln_str words) {
  ln_str s = text_at(L, -1), word, rest = words;
  while (rest.n) {
    ln_str_cut(rest, ' ', &word, &rest);
    if (s.n && ln_str_eq(word, s)) return;
  }
  char wanted[200];
  snprintf(wanted, sizeof wanted, "one of %.*s", LN_STR_ARG(words));
  wrong(L, what, wanted, -1);
}

static void one(lua_State *L, const type *t, const char *what) {
  if (lnL_is_opaque(L, -1)) return;        /* in a plan: of what type it will be is not known either */
  if (t->choice) {
    to_choice(L, what, t->base);
    return;
  }
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (ln_str_eq(t->base, ln_str_of(kinds[i].name))) {
      kinds[i].fn(L, what);
      return;
    }
  luaL_error(L, "input %s: there is no type \"%s\"", what, lua_pushlstring(L, t->base.p, t->base.n));
}

/* A text becomes a list at its commas; "[]" is the empty one. */
static void split(lua_State *L) {
  ln_str word, rest = text_at(L, -1);
  if (ln_str_starts(rest, LN_STR("[")) && ln_str_ends(rest, LN_STR("]")))
    rest = ln_str_trim((ln_str){rest.p + 1, rest.n - 2});
  lua_newtable(L);                         /* s t */
  for (lua_Integer i = 1; rest.n; i++) {
    ln_str_cut(rest, ',', &word, &rest);
    word = ln_str_trim(word);
    lua_pushlstring(L, word.p, word.n);
    lua_rawseti(L, -2, i);
  }
  lua_remove(L, -2);                       /* t   */
}

static void many(lua_State *L, const type *t, const char *what) {
  char place[200];
  if (lua_type(L, -1) == LUA_TSTRING) split(L);
  if (!lua_istable(L, -1)) wrong(L, what, "a list", -1);
  lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
  lua_createtable(L, (int)n, 0);           /* list out   */
  for (lua_Integer i = 1; i <= n; i++) {
    snprintf(place, sizeof place, "%s[%lld]", what, (long long)i);
    lua_rawgeti(L, -2, i);                 /* list out v */
    one(L, t, place);
    lua_rawseti(L, -2, i);                 /* list out   */
  }
  lnL_mark_array(L, -1);
  lua_remove(L, -2);
}

/* The value on top, by a type's text ("[host]", "duration = 30d"): replaces it. */
static void coerce(lua_State *L, const char *text, const char *what) {
  type t = read_type(ln_str_of(text));
  if (lua_isnil(L, -1) && t.has_fallback) {
    lua_pop(L, 1);
    lua_pushlstring(L, t.fallback.p, t.fallback.n);
  }
  if (lua_isnil(L, -1)) {
    if (!t.optional)
      luaL_error(L, "input %s is missing (%s): --set %s=…, --input, or the site's `playbooks` give it", what,
                 text, what);
    return;
  }
  luaL_checkstack(L, 12, "inputs");
  if (t.list && !lnL_is_opaque(L, -1)) many(L, &t, what);
  else one(L, &t, what);
}

/* ------------------------------------------------------------------ all of them */

void lnL_check_inputs(lua_State *L, int idx) {
  int top = lua_gettop(L);
  luaL_checkstack(L, 16, "inputs");
  if (lua_getfield(L, idx, "input") != LUA_TTABLE) lua_settop(L, top), lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, top + 1); lua_settop(L, top + 2)) { /* … declared k text */
    if (lua_type(L, -1) != LUA_TSTRING || lua_type(L, -2) != LUA_TSTRING)
      luaL_error(L, "playbook: an input's type is a text such as \"string?\"");
    type t = read_type(text_at(L, -1));
    const char *text = lua_tostring(L, -1), *what = lua_tostring(L, -2);
    bool known = t.choice;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
      known |= ln_str_eq(t.base, ln_str_of(kinds[i].name));
    if (!known)
      luaL_error(L, "input %s: there is no type \"%s\"", what, lua_pushlstring(L, t.base.p, t.base.n));
    lua_pushnil(L);
    if (t.has_fallback) coerce(L, text, what);
  }
  lua_settop(L, top);
}

static void lay_over_site(lua_State *L, int playbook, int value) {
  ln_vitem site;
  lua_getfield(L, playbook, "name");
  bool has = ln_v_get(ln_buf_view(&lnL_run(L)->site), text_at(L, -1), &site);
  lua_pop(L, 1);
  if (has) lnL_decode(L, site.whole);
  else lua_newtable(L);                                     /* … all     */
  for (lua_pushnil(L); lua_next(L, value); lua_pop(L, 1)) { /* … all k v */
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, -5);
  }
}

static void refuse_unknown(lua_State *L, int declared, int value, const char *playbook) {
  for (lua_pushnil(L); lua_next(L, value); lua_pop(L, 1)) {
    lua_pushvalue(L, -2);
    if (lua_rawget(L, declared) == LUA_TNIL) {
      lua_pushvalue(L, -3);
      luaL_error(L, "%s has no input '%s'", playbook, lua_tostring(L, -1));
    }
    lua_pop(L, 1);
  }
}

void lnL_coerce_input(lua_State *L, int playbook, int value) {
  playbook = lua_absindex(L, playbook);
  value = lua_absindex(L, value);
  if (lua_isnoneornil(L, value)) {
    lua_newtable(L);
    value = lua_gettop(L);
  }
  lua_getfield(L, playbook, "name");
  const char *name = lua_tostring(L, -1);
  if (lua_getfield(L, playbook, "input") != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);
  }
  int declared = lua_gettop(L);                             /* … name declared             */
  refuse_unknown(L, declared, value, name ? name : "the playbook");
  lay_over_site(L, playbook, value);
  int all = lua_gettop(L);                                  /* … name declared all         */
  lua_newtable(L);
  int out = lua_gettop(L);                                  /* … name declared all out     */
  for (lua_pushnil(L); lua_next(L, declared);) {            /* … k type                    */
    if (lua_type(L, -1) != LUA_TSTRING || lua_type(L, -2) != LUA_TSTRING)
      luaL_error(L, "%s: an input's type is a text such as \"string?\"", name);
    const char *text = lua_tostring(L, -1), *what = lua_tostring(L, -2);
    lua_getfield(L, all, what);                             /* … k type v                  */
    coerce(L, text, what);
    lua_setfield(L, out, what);
    lua_pop(L, 1);                                          /* … k                         */
  }
  lua_replace(L, declared - 1);                             /* out in the place of name    */
  lua_settop(L, declared - 1);
}
