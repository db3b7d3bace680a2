/* words.c: puts the words of a playbook into a fresh VM.  They are C functions, so that a run costs little to
** start; what is larger (attack, d3fend, decoy, the libraries) is loaded when it is first touched. */
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

static void set_words(lua_State *L, const luaL_Reg *words) {
  for (; words->name; words++) {
    lua_pushcfunction(L, words->func);
    lua_setfield(L, -2, words->name);
  }
}

/* attack, log, store, …: at first touch. */
static bool lazy_word(lua_State *L, ln_str name) {
  static const char *const lazy[] = {"attack", "d3fend", "log", "store"};
  ln_run *r = lnL_run(L);
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
  lua_pushglobaltable(L);
  set_words(L, base_words);
  set_words(L, lnL_list_words);
  set_words(L, lnL_branch_words);
  set_words(L, lnL_wait_words);
  set_words(L, lnL_note_words);
  set_words(L, lnL_chance_words);
  set_words(L, lnL_page_words);
  set_words(L, lnL_site_words);
  set_words(L, lnL_run_words);
  lua_pop(L, 1);
  lua_pushcfunction(L, lnL_flow);
  lua_setfield(L, LUA_REGISTRYINDEX, LNL_FLOW);
  lua_pushcfunction(L, lnL_opaque_word);
  lua_setfield(L, LUA_REGISTRYINDEX, LNL_OPAQUE_WORD);
  ln_vm_globals(ln_vm_of(L), lazy_word, names);
  if (lnL_run(L)->planning) lnL_opaque_words(L);
}
