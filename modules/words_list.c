/* words_list.c: words about lists and failure: only, contains, where, all_ok, fail, try. */
#include "modules/words.h"

#include <lauxlib.h>
#include <stdio.h>

static void check_list(lua_State *L, int idx, const char *word) {
  lnL_known(L, idx);
  if (!lua_istable(L, idx))
    lnL_raisef(L, "bad_argument", "%s: a list is wanted, got %s", word, luaL_typename(L, idx));
}

/* only(list, what): the one element, else not_found or ambiguous */
static int l_only(lua_State *L) {
  check_list(L, 1, "only");
  const char *what = lua_isnoneornil(L, 2) ? "element" : lnL_want_text(L, 2, "only(list, what)").p;
  lua_Unsigned n = lua_rawlen(L, 1);
  if (n == 0) return lnL_raisef(L, "not_found", "no %s: exactly one is wanted", what);
  if (n > 1)
    return lnL_raisef(L, "ambiguous", "%llu of %s: exactly one is wanted", (unsigned long long)n, what);
  lua_rawgeti(L, 1, 1);
  return 1;
}

static int l_contains(lua_State *L) {
  check_list(L, 1, "contains");
  lnL_want(L, 2, LUA_TNONE, "contains(list, value)");
  lnL_known(L, 2);
  bool found = false;
  for (lua_Integer i = 1; !found && lua_rawgeti(L, 1, i) != LUA_TNIL; i++, lua_pop(L, 1)) {
    lnL_known(L, -1);
    found = lua_rawequal(L, -1, 2);
  }
  lua_pushboolean(L, found);
  return 1;
}

/* where(list, fn): the elements for which fn is true, in order.  fn may wait: the place is kept on the
** stack. */
static void keep_if_true(lua_State *L) {                     /* list fn out item yes → list fn out */
  lnL_known(L, -1);
  if (lua_toboolean(L, -1)) {
    lua_pushvalue(L, -2);
    lua_rawseti(L, 3, (lua_Integer)lua_rawlen(L, 3) + 1);
  }
  lua_settop(L, 3);
}

static int where_next(lua_State *L, int status, lua_KContext at) {
  lua_Integer i = (lua_Integer)at;
  if (status == LUA_YIELD) keep_if_true(L), i++;
  for (; lua_rawgeti(L, 1, i) != LUA_TNIL; i++) {           /* list fn out item     */
    lua_pushvalue(L, 2);
    lua_pushvalue(L, -2);
    lua_callk(L, 1, 1, (lua_KContext)i, where_next);        /* list fn out item yes */
    keep_if_true(L);
  }
  lua_settop(L, 3);
  return 1;
}

static int l_where(lua_State *L) {
  check_list(L, 1, "where");
  lnL_want(L, 2, LUA_TFUNCTION, "where(list, fn)");
  lua_settop(L, 2);
  lua_newtable(L);
  lnL_mark_array(L, 3);
  return where_next(L, LUA_OK, 1);
}

/* all_ok(outcomes): true, or raises partial; nothing_done on an empty list */
static int l_all_ok(lua_State *L) {
  check_list(L, 1, "all_ok");
  lua_Integer n = (lua_Integer)lua_rawlen(L, 1), bad = 0;
  if (n == 0)
    return lnL_raisef(L, "nothing_done", "all_ok: the list of outcomes is empty, so nothing was done");
  char first[160] = "";
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, 1, i);                                   /* outcomes o    */
    if (!lua_istable(L, -1)) return lnL_raisef(L, "bad_argument", "all_ok: outcomes of map are wanted");
    lua_getfield(L, -1, "ok");                              /* outcomes o ok */
    if (!lua_toboolean(L, -1) && bad++ == 0) {
      ln_err e = {0};
      lua_getfield(L, -2, "error");
      lnL_to_error(L, -1, &e);
      snprintf(first, sizeof first, "%s: %.120s", e.code, e.message);
    }
    lua_settop(L, 1);
  }
  if (bad)
    return lnL_raisef(L, "partial", "%lld of %lld failed; the first: %s", (long long)bad, (long long)n,
                      first);
  lua_pushboolean(L, 1);
  return 1;
}

/* fail(code, message, fields) */
static int l_fail(lua_State *L) {
  ln_err err;
  char where[256];
  const char *code = lnL_want_text(L, 1, "fail(code, message)").p,
             *message = lua_isnoneornil(L, 2) ? code : lnL_want_text(L, 2, "fail(code, message)").p;
  ln_fail(&err, code, LN_FINAL, "%s", message);
  lnL_where(L, where, sizeof where);
  lua_settop(L, 3);
  lnL_push_error(L, &err, ln_str_of(where));                /* code message fields err     */
  if (lua_istable(L, 3))
    for (lua_pushnil(L); lua_next(L, 3); lua_pop(L, 1)) {   /* code message fields err k v */
      lua_pushvalue(L, -2);
      lua_pushvalue(L, -2);
      lua_rawset(L, 4);
    }
  lua_settop(L, 4);
  return lua_error(L);
}

static bool passes_through(const char *code) {
  static const char *const codes[] = {"frozen", "cancelled", "doubt", "divergence"};
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    if (strcmp(code, codes[i]) == 0) return true;
  return false;
}

/* try(verb, …): its values, or nil and the error.  [… err] → nil err, or raised on */
static int caught(lua_State *L) {
  ln_err e = {0};
  lnL_to_error(L, -1, &e);
  if (passes_through(e.code) || lnL_is_unknown(L, -1)) return lua_error(L);
  if (!lua_istable(L, -1)) lnL_push_error(L, &e, (ln_str){NULL, 0});
  lua_pushnil(L);
  lua_pushvalue(L, -2);
  return 2;
}

/* pcall is the VM's own: kills pass through it.  Its first result says whether it went well. */
static int try_after(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  int base = (int)ctx;
  bool ok = lua_toboolean(L, base + 1);
  if (ok) return lua_gettop(L) - base - 1;
  lua_settop(L, base + 2);
  return caught(L);
}

static int l_try(lua_State *L) {
  lnL_want(L, 1, LUA_TNONE, "try(verb, …)");
  int n = lua_gettop(L);
  lua_pushcfunction(L, lnL_pcall);
  lua_insert(L, 1);                                          /* pcall verb … */
  lua_callk(L, n, LUA_MULTRET, 0, try_after);
  return try_after(L, LUA_OK, 0);
}

const luaL_Reg lnL_list_words[] = {{"only", l_only},     {"contains", l_contains}, {"where", l_where},
                                   {"all_ok", l_all_ok}, {"fail", l_fail},         {"try", l_try},
                                   {NULL, NULL}};
