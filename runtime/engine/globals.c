/* globals.c: what playbooks see of the globals.  Their environment is an empty table in front of the
** real one, so that every assignment is noticed, and refused; and a name that is absent is an error that
** says which name was meant, or why what Lua has elsewhere is not here. */
#include "engine/vm_lib.h"

static const char ENV_KEY = 'e';                      /* its address: the environment's key in the registry */

enum { NAME = 24 };                                      /* longer names have no near ones                  */

static bool swapped(ln_str a, ln_str b, size_t i, size_t k) {
  return i > 1 && k > 1 && a.p[i - 1] == b.p[k - 2] && a.p[i - 2] == b.p[k - 1];
}

/* How many letters differ (put in, left out, changed, or two swapped)? */
static int distance(ln_str a, ln_str b) {
  int d[NAME + 1][NAME + 1];
  for (size_t i = 0; i <= a.n; i++) d[i][0] = (int)i;
  for (size_t k = 0; k <= b.n; k++) d[0][k] = (int)k;
  for (size_t i = 1; i <= a.n; i++)
    for (size_t k = 1; k <= b.n; k++) {
      int best = d[i - 1][k - 1] + (a.p[i - 1] != b.p[k - 1]);
      if (d[i - 1][k] + 1 < best) best = d[i - 1][k] + 1;
      if (d[i][k - 1] + 1 < best) best = d[i][k - 1] + 1;
      if (swapped(a, b, i, k) && d[i - 2][k - 2] + 1 < best) best = d[i - 2][k - 2] + 1;
      d[i][k] = best;
    }
  return d[a.n][b.n];
}

typedef struct near_name { ln_str name, best; int far; } near_name;

static void try_near(near_name *s, ln_str candidate) {
  if (s->name.n > NAME || candidate.n > NAME) return;
  int far = distance(s->name, candidate);
  if (far < s->far || (far == s->far && s->best.p && ln_str_cmp(candidate, s->best) < 0)) {
    s->best = candidate;
    s->far = far;
  }
}

static ln_str nearest(ln_vm *vm, lua_State *L, int globals, ln_str name) {
  near_name s = {name, {NULL, 0}, name.n < 5 ? 2 : 3};   /* closer than that */
  for (lua_pushnil(L); lua_next(L, globals); lua_pop(L, 1)) {
    ln_str key;
    if (lua_type(L, -2) != LUA_TSTRING) continue;
    key.p = lua_tolstring(L, -2, &key.n);
    try_near(&s, key);
  }
  for (const char *const *n = ln_vm_global_names(vm); n && *n; n++) try_near(&s, ln_str_of(*n));
  for (size_t i = 0; lnL_own_name(i); i++) try_near(&s, ln_str_of(lnL_own_name(i)));
  return s.best;
}

/* A global that is not there: of the library, a word, or an error with the nearest name. */
static int l_missing(lua_State *L) {                     /* globals name    */
  ln_vm *vm = ln_vm_of(L);
  ln_str name;
  if (lua_type(L, 2) != LUA_TSTRING)
    return luaL_error(L, "a global's name is a text, not a %s", luaL_typename(L, 2));
  lua_settop(L, 2);
  name.p = lua_tolstring(L, 2, &name.n);
  if (lnL_push_own(L, name) || (ln_vm_global(vm) && ln_vm_global(vm)(L, name))) {
    lua_pushvalue(L, 2);                                 /* … value name    */
    lua_pushvalue(L, -2);                                /* … value name value */
    lua_rawset(L, 1);
    return 1;
  }
  const char *why = lnL_absent(name);
  if (why) return luaL_error(L, "'%s' is not there: %s", name.p, why);
  ln_str like = nearest(vm, L, 1, name);
  if (!like.p) return luaL_error(L, "unknown name '%s'", name.p);
  lua_pushlstring(L, like.p, like.n);
  return luaL_error(L, "unknown name '%s': did you mean '%s'?", name.p, lua_tostring(L, -1));
}

static int l_assigned(lua_State *L) {                    /* env name value  */
  return luaL_error(L, "'%s' is assigned as a global: make it local", lnL_tolstring(L, 2, NULL));
}

static void protect_with(lua_State *L, const char *event, lua_CFunction f) { /* table meta → table */
  lua_pushcfunction(L, f);
  lua_setfield(L, -2, event);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
}

/* Playbooks see the globals through an empty table, so that every assignment is noticed. */
void lnL_make_env(lua_State *L) {
  lua_pushglobaltable(L);                                /* globals         */
  lua_createtable(L, 0, 2);
  protect_with(L, "__index", l_missing);
  lua_newtable(L);                                       /* globals env     */
  lua_createtable(L, 0, 3);
  lua_pushvalue(L, -3);                                  /* globals env meta globals */
  lua_setfield(L, -2, "__index");
  protect_with(L, "__newindex", l_assigned);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &ENV_KEY);
  lua_pop(L, 1);
}

void lnL_push_env(lua_State *L) { lua_rawgetp(L, LUA_REGISTRYINDEX, &ENV_KEY); }

bool lnL_is_env(lua_State *L, int idx) {
  idx = lua_absindex(L, idx);
  lnL_push_env(L);
  lua_pushglobaltable(L);
  bool is = lua_rawequal(L, idx, -1) || lua_rawequal(L, idx, -2);
  lua_pop(L, 2);
  return is;
}
