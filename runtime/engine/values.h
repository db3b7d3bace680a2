/* values.h: between encoded values and Lua, and the host state: one uncapped Lua state a worker, where cjson
** and expat build values and where connector declarations live.  Nothing of a playbook runs there. */
#ifndef LN_VALUES_H
#define LN_VALUES_H

#include "engine/value.h"

#include <lua.h>

/* Encodes the value at idx.  Tables with keys 1..n are arrays, an empty one is an object unless it is marked
** (json.array); json.null is null; keys are texts (integers are written as texts in a mixed table: refused).
** False: "bad_argument", naming the place ("input.hosts[3]: a function cannot be stored"), nothing raised,
** the stack as it was.  Needs LUA_MINSTACK slots. */
bool lnL_encode(lua_State *L, int idx, ln_buf *out, ln_err *err);
/* Pushes the value.  May raise a memory error: call it protected.  An empty array is marked. [-0, +1, m] */
void lnL_decode(lua_State *L, ln_str v);
void lnL_push_null(lua_State *L);                        /* json.null, a light userdata  [-0, +1, -]        */
bool lnL_is_null(lua_State *L, int idx);
void lnL_mark_array(lua_State *L, int idx);              /* an empty table that is to stay an array [-0,+0,m] */
bool lnL_is_array(lua_State *L, int idx);                /* marked, or a sequence of at least one           */
void lnL_push_error(lua_State *L, const ln_err *e, ln_str at); /* an error table with the error metatable (tostring: the operator's two lines) [-0,+1,m] */
void lnL_to_error(lua_State *L, int idx, ln_err *e);     /* any error value as an ln_err; a plain text is code "failed" */
bool lnL_error_encode(const ln_err *e, ln_str at, ln_str cause, ln_buf *out); /* as an encoded object       */
void lnL_error_decode(ln_str v, ln_err *e);

typedef struct ln_host ln_host;
ln_host *ln_host_new(ln_err *err);
void ln_host_free(ln_host *h);
lua_State *ln_host_state(ln_host *h);                    /* all standard libraries; for engine and modules  */
bool ln_host_json(ln_host *h, ln_str json, ln_buf *value, ln_err *err);  /* "bad_json: at byte N: …"; depth ≤ 100 */
bool ln_host_xml(ln_host *h, ln_str xml, ln_buf *value, ln_err *err);
/* cjson with its traps solved, as the json module gives it; registers under the name in the state's package.loaded (no other state needs cjson). */
int lnL_json_decode(lua_State *L);                       /* json.decode(text) -> value; raises              */
int lnL_json_encode(lua_State *L);                       /* json.encode(value) -> text; sorted keys; raises */

#endif
