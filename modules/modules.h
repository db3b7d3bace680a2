/* modules.h: what Lua sees of the core.  Each module is one C file with one luaopen_; here are the list of
** them, and what they share: checking arguments in words that name function, argument and what was expected.
** Everything here may raise. */
#ifndef LN_MODULES_H
#define LN_MODULES_H

#include "engine/engine.h"

#include <lauxlib.h>

extern const ln_module lnL_modules[];                    /* ends with { NULL, NULL } */

int luaopen_crypto(lua_State *L);
int luaopen_file(lua_State *L);
int luaopen_http(lua_State *L);
int luaopen_json(lua_State *L);
int luaopen_ledger(lua_State *L);
int luaopen_log(lua_State *L);
int luaopen_store(lua_State *L);
int luaopen_text(lua_State *L);
int luaopen_time(lua_State *L);
int luaopen_xml(lua_State *L);
int luaopen_zip(lua_State *L);

/* --- failing --- */
/* Raises err with "FN: " before its message; never returns. */
int lnL_raise_in(lua_State *L, const char *fn, ln_err *err) LN_NO_RETURN;
/* bad_argument: "crypto.hash: data must be a text or a blob, got nil"; never returns.  idx 0:
** nothing was got.  An opaque value raises "unknown" instead, which ends a plan's branch. */
int lnL_bad(lua_State *L, const char *fn, const char *arg, const char *wanted, int idx) LN_NO_RETURN;

/* --- arguments: fn and arg name them in errors --- */
/* A text, borrowed from the stack; a number is none. */
ln_str lnL_text(lua_State *L, const char *fn, const char *arg, int idx);
ln_str lnL_text_or(lua_State *L, const char *fn, const char *arg, int idx, ln_str otherwise); /* nil: that */
int64_t lnL_whole(lua_State *L, const char *fn, const char *arg, int idx, int64_t least, int64_t most);
bool lnL_flag_or(lua_State *L, const char *fn, const char *arg, int idx, bool otherwise);
/* Milliseconds, above 0, of seconds or such as "30s". */
int64_t lnL_duration(lua_State *L, const char *fn, const char *arg, int idx);
/* The options at idx: nil or a table with no other keys than these (NULL-ended). */
void lnL_options(lua_State *L, const char *fn, int idx, const char *const known[]);
/* Pushes a member, without metamethods; nil when idx is no table. [-0, +1, -] */
void lnL_field(lua_State *L, int idx, const char *key);

/* Pushes a buffer's bytes as a text, and wipes it; returns 1.  b is of lnL_new_buf. [-0, +1, m] */
int lnL_push_buf(lua_State *L, ln_buf *b);

/* The engine of the run that L belongs to; NULL where there is no run: in a simulator, or a connector's
** declaration. */
ln_engine *lnL_engine_here(lua_State *L);
/* The engine's host state; where there is no run (a simulator), one of this state's own. [-0, +0, e] */
ln_host *lnL_host(lua_State *L);

#endif
