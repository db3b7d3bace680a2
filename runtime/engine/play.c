/* play.c: the declaration of a playbook.  What is wrong with it is said by field, with the form that is
** wanted, before anything runs. */
#include "engine/play.h"

#include <lauxlib.h>
#include <stdlib.h>

static const char PLAYBOOK[] = "playbook";

typedef struct field { const char *name; int type; bool needed; } field;

static const field fields[] = {
    {"name", LUA_TSTRING, true},    {"summary", LUA_TSTRING, false}, {"stage", LUA_TSTRING, false},
    {"attack", LUA_TTABLE, false},  {"d3fend", LUA_TTABLE, false},  {"uses", LUA_TTABLE, false},
    {"input", LUA_TTABLE, false},   {"on", LUA_TFUNCTION, false},   {"key", LUA_TFUNCTION, false},
    {"run", LUA_TFUNCTION, true}};

enum { FIELDS = sizeof fields / sizeof *fields };

static const field *field_named(const char *name) {
  static const field every = {"every", LUA_TSTRING, false}; /* or { "1h", overlap = true }: check_every */
  if (name && strcmp(name, every.name) == 0) return &every;
  for (size_t i = 0; name && i < FIELDS; i++)
    if (strcmp(fields[i].name, name) == 0) return &fields[i];
  return NULL;
}

static void check_field(lua_State *L, const field *f) {
  int type = lua_getfield(L, 1, f->name);
  if (type == LUA_TNIL && f->needed) luaL_error(L, "playbook: the field '%s' is missing", f->name);
  if (type != LUA_TNIL && type != f->type)
    luaL_error(L, "playbook: '%s' must be a %s, got %s", f->name, lua_typename(L, f->type),
               lua_typename(L, type));
  lua_pop(L, 1);
}

static void check_texts(lua_State *L, const char *name) {
  if (lua_getfield(L, 1, name) == LUA_TTABLE)
    for (lua_Integer i = 1; lua_rawgeti(L, -1, i) != LUA_TNIL; i++, lua_pop(L, 1))
      if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "playbook: %s[%d] must be a text", name, (int)i);
  lua_settop(L, 1);
}

/* "1h", or { "1h", overlap = true }. */
static void check_every(lua_State *L) {
  enum { LEAST_MS = 1000 };
  ln_err err = {0};
  int64_t ms = 0;
  int type = lua_getfield(L, 1, "every");              /* playbook every */
  if (type == LUA_TTABLE) {
    for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
      bool first = lua_isinteger(L, 3) && lua_tointeger(L, 3) == 1;
      const char *key = lua_type(L, 3) == LUA_TSTRING ? lua_tostring(L, 3) : "";
      if (!first && (strcmp(key, "overlap") != 0 || !lua_isboolean(L, 4)))
        luaL_error(L, "playbook: 'every' is \"1h\", or { \"1h\", overlap = true }");
    }
    lua_rawgeti(L, 2, 1);
    lua_replace(L, 2);
  }
  size_t n = 0;
  const char *text = lua_type(L, 2) == LUA_TSTRING ? lua_tolstring(L, 2, &n) : NULL;
  if (type != LUA_TNIL && (!text || !ln_parse_duration((ln_str){text, n}, &ms, &err)))
    luaL_error(L, "playbook: 'every' must be a duration such as \"1h\"%s%s", text ? ": " : "", err.message);
  if (type != LUA_TNIL && ms < LEAST_MS) luaL_error(L, "playbook: 'every' must be a second at least");
  lua_settop(L, 1);
}

int lnL_playbook(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
    if (!field_named(key)) return luaL_error(L, "playbook: there is no field '%s'", key ? key : "[…]");
  }
  for (size_t i = 0; i < FIELDS; i++) check_field(L, &fields[i]);
  check_every(L);
  check_texts(L, "uses");
  check_texts(L, "d3fend");
  check_texts(L, "attack");
  if (luaL_newmetatable(L, PLAYBOOK)) lua_pushboolean(L, 0), lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, 1);
  return 1;
}

bool lnL_is_playbook(lua_State *L, int idx) {
  if (!lua_istable(L, idx) || !lua_getmetatable(L, idx)) return false;
  luaL_getmetatable(L, PLAYBOOK);
  bool same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return same;
}

/* ------------------------------------------------------------------ as the core keeps it */

static char *text_field(lua_State *L, int t, const char *name) {
  size_t n = 0;
  lua_getfield(L, t, name);
  const char *p = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &n) : "";
  char *copy = ln_str_dup((ln_str){p, n});
  lua_pop(L, 1);
  return copy;
}

static bool list_field(lua_State *L, int t, const char *name, char ***out, size_t *count) {
  bool ok = true;
  if (lua_getfield(L, t, name) == LUA_TTABLE) {
    size_t n = lua_rawlen(L, -1);
    ok = (*out = calloc(n ? n : 1, sizeof **out)) != NULL;
    for (size_t i = 0; ok && i < n; i++) {
      size_t len = 0;
      lua_rawgeti(L, -1, (lua_Integer)i + 1);
      const char *p = lua_tolstring(L, -1, &len);
      ok = ((*out)[i] = ln_str_dup((ln_str){p ? p : "", len})) != NULL;
      *count = i + 1;
      lua_pop(L, 1);
    }
  }
  lua_pop(L, 1);
  return ok;
}

ln_play *lnL_play_of(lua_State *L, int idx, ln_err *err) {
  ln_play *p = calloc(1, sizeof *p);
  idx = lua_absindex(L, idx);
  if (p) {
    p->refs = 1;
    p->name = text_field(L, idx, "name");
    p->stage = text_field(L, idx, "stage");
    if (p->name && p->stage && list_field(L, idx, "uses", &p->uses, &p->n_uses) &&
        list_field(L, idx, "d3fend", &p->d3fend, &p->n_d3fend))
      return p;
    ln_play_drop(p);
  }
  ln_fail(err, "memory", LN_AGAIN, "no memory for a playbook's declaration");
  return NULL;
}

void lnL_play_input(lua_State *L, ln_play *p, int idx) {
  if (!lua_istable(L, idx)) return;
  lua_getfield(L, idx, "verdict");
  p->malicious = lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "malicious") == 0;
  lua_pop(L, 1);
}
