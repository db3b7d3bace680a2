/* words.c: the words of a playbook.  A word becomes a global when it is first touched, so that a run costs
** little to start: most are C functions; what is larger (attack, d3fend, decoy, the libraries) is loaded
** then. */
#include "modules/words.h"

#include "engine/library.h"
#include "engine/play.h"
#include "modules/blob.h"
#include "modules/connector.h"

#include <lauxlib.h>

static int l_require(lua_State *L) { return lnL_require(L); }
static int l_playbook(lua_State *L) { return lnL_playbook(L); }

static const luaL_Reg base_words[] = {
    {"require", l_require}, {"playbook", l_playbook}, {"blob", lnL_blob}, {NULL, NULL}};

static bool push_function(lua_State *L, ln_str name) {
  const luaL_Reg *const words[] = {base_words,     lnL_list_words,   lnL_branch_words,
                                   lnL_wait_words, lnL_note_words,   lnL_chance_words,
                                   lnL_page_words, lnL_site_words,   lnL_run_words};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    for (const luaL_Reg *w = words[i]; w->name; w++)
      if (ln_str_eq(ln_str_of(w->name), name)) return lua_pushcfunction(L, w->func), true;
  return false;
}

LN_RAISES static int not_wanted(lua_State *L, int idx, const char *wanted, const char *usage) {
  static const char *const which[] = {"first", "second", "third"};
  int word = (int)strcspn(usage, "( ");
  return lnL_raisef(L, "bad_argument", "%.*s: its %s argument must be %s, got %s: write %s", word, usage,
                    which[idx - 1], wanted, luaL_typename(L, idx), usage);
}

void lnL_want(lua_State *L, int idx, int type, const char *usage) {
  if (type != LUA_TNONE) lnL_known(L, idx);
  if (type == LUA_TNONE && lua_isnone(L, idx)) not_wanted(L, idx, "a value", usage);
  if (type == LUA_TTABLE && !lua_istable(L, idx)) not_wanted(L, idx, "a table", usage);
  if (type == LUA_TFUNCTION && !lua_isfunction(L, idx)) not_wanted(L, idx, "a function", usage);
}

ln_str lnL_want_text(lua_State *L, int idx, const char *usage) {
  ln_str s = {NULL, 0};
  lnL_known(L, idx);
  if (!lua_isstring(L, idx)) not_wanted(L, idx, "a text", usage);
  s.p = lua_tolstring(L, idx, &s.n);
  return s;
}

int64_t lnL_want_integer(lua_State *L, int idx, const char *usage) {
  int whole;
  lnL_known(L, idx);
  lua_Integer n = lua_tointegerx(L, idx, &whole);
  if (!whole) not_wanted(L, idx, "a whole number", usage);
  return n;
}

static bool lazy_word(lua_State *L, ln_str name) {
  static const char *const lazy[] = {"attack", "d3fend", "log", "store"};
  ln_run *r = lnL_run(L);
  if (push_function(L, name)) return true;
  if (ln_str_eq(name, LN_STR("run"))) {
    lua_newtable(L);                       /* run    */
    lua_pushstring(L, r->ulid);
    lua_setfield(L, -2, "id");
    lua_pushstring(L, r->playbook);
    lua_setfield(L, -2, "playbook");
    lnL_freeze(L);
    return true;
  }
  for (size_t i = 0; i < sizeof lazy / sizeof *lazy; i++)
    if (ln_str_eq(name, ln_str_of(lazy[i]))) {
      lua_pushcfunction(L, lnL_require);
      lua_pushlstring(L, name.p, name.n);
      lua_call(L, 1, 1);
      lnL_freeze(L);
      return true;
    }
  return false;
}

/* For "did you mean": every word there is. */
static const char *const names[] = {
    "playbook", "require",     "stage", "found",    "not_done", "evidence", "log",   "approve", "approved",
    "ask",      "step",        "map",   "parallel", "only",     "contains", "where", "each",    "all_ok",
    "sleep",    "await_until", "now",   "ago",      "random",   "uuid",     "fail",  "try",     "attack",
    "d3fend",   "store",       "blob",  "run",      "allowed",
    "run_playbook", "start",   "await_signal", "signal", "lock", NULL};

void lnL_open_words(lua_State *L) {
  lua_pushcfunction(L, lnL_flow);
  lua_setfield(L, LUA_REGISTRYINDEX, LNL_FLOW);
  lua_pushcfunction(L, lnL_opaque_word);
  lua_setfield(L, LUA_REGISTRYINDEX, LNL_OPAQUE_WORD);
  lua_pushcfunction(L, lnL_session);
  lua_setfield(L, LUA_REGISTRYINDEX, LNL_SESSION);
  ln_vm_globals(ln_vm_of(L), lazy_word, names);
  if (ln_replay_sees_opaque(lnL_run(L))) lnL_opaque_words(L);
}
