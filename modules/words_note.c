/* words_note.c: words that the report is made of: found, not_done, evidence. */
#include "modules/words.h"

#include "engine/note.h"

#include <lauxlib.h>

static const char *const severities[] = {"informational", "low", "medium", "high", "critical", "unknown"};

#define FOUND "found { severity = \"high\", title = TEXT }"

static int l_found(lua_State *L) {
  lnL_want(L, 1, LUA_TTABLE, FOUND);
  if (lua_getfield(L, 1, "title") != LUA_TSTRING)
    return lnL_raisef(L, "bad_argument", "found: a title is wanted: write " FOUND);
  if (lua_getfield(L, 1, "severity") != LUA_TSTRING)
    return lnL_raisef(L, "bad_argument", "found: a severity is wanted: write " FOUND);
  bool known = false;
  for (size_t i = 0; i < sizeof severities / sizeof *severities; i++)
    known |= strcmp(severities[i], lua_tostring(L, -1)) == 0;
  if (!known)
    return lnL_raisef(L, "bad_argument",
                      "found: severity is informational, low, medium, high, critical or unknown, not \"%s\"",
                      lua_tostring(L, -1));
  lnL_note(L, "found", 1);
  return 0;
}

/* not_done(what, why, item) */
static int l_not_done(lua_State *L) {
  lnL_want_text(L, 1, "not_done(what, why)");
  lnL_want_text(L, 2, "not_done(what, why)");
  lua_settop(L, 3);
  lua_createtable(L, 0, 3);
  lua_pushvalue(L, 1);
  lua_setfield(L, -2, "what");
  lua_pushvalue(L, 2);
  lua_setfield(L, -2, "why");
  lua_pushvalue(L, 3);
  lua_setfield(L, -2, "item");
  lnL_note(L, "not_done", lua_gettop(L));
  return 0;
}

/* evidence(name, value): kept with the run, and named in its report */
static int l_evidence(lua_State *L) {
  lnL_want_text(L, 1, "evidence(name, value)");
  lnL_want(L, 2, LUA_TNONE, "evidence(name, value)");
  lua_settop(L, 2);
  lua_createtable(L, 0, 2);
  lua_pushvalue(L, 1);
  lua_setfield(L, -2, "name");
  lua_pushvalue(L, 2);
  lua_setfield(L, -2, "value");
  lnL_note(L, "evidence", lua_gettop(L));
  return 0;
}

const luaL_Reg lnL_note_words[] = {
    {"found", l_found}, {"not_done", l_not_done}, {"evidence", l_evidence}, {NULL, NULL}};
