/* values.h: between encoded values and Lua, and the host state: one uncapped Lua state a worker, where cjson
** and expat build values and where connector declarations live.  Nothing of a playbook runs there. */
#ifndef LN_VALUES_H
#define LN_VALUES_H

#include "engine/value.h"

#include <lauxlib.h>

#ifdef __clang_analyzer__ /* it reads one file at a time, and would go on where others raise */
#define LN_NO_RETURN __attribute__((analyzer_noreturn))
int lua_error(lua_State *L) LN_NO_RETURN;
int luaL_error(lua_State *L, const char *fmt, ...) LN_NO_RETURN;
#else
#define LN_NO_RETURN
#endif

/* Encodes the value at idx.  Tables with keys 1..n are arrays, an empty one is an object unless it is marked
** (json.array); json.null is null; other keys are texts, and a table may have both (tag 'M'); metatables do
** not count.  False: "bad_argument", naming the place ("hosts[3]: a function cannot be stored"; the caller
** prefixes what it is), "too_big" or "memory"; nothing raised, out and the stack as they were.  Needs
** LUA_MINSTACK slots. */
bool lnL_encode(lua_State *L, int idx, ln_buf *out, ln_err *err);
/* The same, with numbers put by `number` and members that are null left out: how a JSON tree is taken
** over. */
typedef bool (*lnL_number_fn)(void *arg, lua_Number n, ln_buf *out, ln_err *err);
bool lnL_encode_numbered(lua_State *L, int idx, ln_buf *out, lnL_number_fn number, void *arg, bool drop_nulls,
                         ln_err *err);
/* Pushes the value.  May raise a memory error: call it protected.  An empty array is marked. [-0, +1, m] */
void lnL_decode(lua_State *L, ln_str v);
void lnL_push_null(lua_State *L);                        /* json.null, a light userdata  [-0, +1, -]        */
bool lnL_is_null(lua_State *L, int idx);
void lnL_mark_array(lua_State *L, int idx); /* an empty table that is to stay an array [-0,+0,m] */
bool lnL_is_array(lua_State *L, int idx);                /* marked, or a sequence of at least one           */
bool lnL_is_marked(lua_State *L, int idx);
/* A blob handle ('B') and an opaque value ('P') are userdata that hold their encoded form; lnL_decode makes
** them. */
bool lnL_handle(lua_State *L, int idx, ln_str *encoded); /* lent by the userdata; false: neither            */
bool lnL_is_opaque(lua_State *L, int idx);               /* any use of one raises "unknown"                 */
void lnL_known(lua_State *L, int idx); /* raises that for an opaque value; others pass [-0,+0,e] */
/* the error itself: what is not known, the step, --assume */
void lnL_unknown(lua_State *L, int idx, ln_err *err);
bool lnL_is_unknown(lua_State *L, int idx);              /* is the error there one of an opaque value?      */
#define LNL_OPAQUE "unknown value"                       /* as its type's name in Lua's own errors          */
/* an error table with the error metatable (tostring: the operator's two lines) [-0,+1,m] */
void lnL_push_error(lua_State *L, const ln_err *e, ln_str at);
/* pushes it, with where the playbook is, and raises it */
int lnL_raise(lua_State *L, const ln_err *e) LN_NO_RETURN;
void lnL_to_error(
    lua_State *L, int idx,
    ln_err *e); /* any error value as an ln_err; a plain text is code "failed"; allocates nothing */
/* Where the error at idx was raised, lent by it; "" unknown.  Allocates nothing. */
ln_str lnL_error_at(lua_State *L, int idx);
bool lnL_error_encode(const ln_err *e, ln_str at, ln_str cause, ln_buf *out); /* as an encoded object       */
void lnL_error_decode(ln_str v, ln_err *e);

typedef struct ln_host ln_host;
ln_host *ln_host_new(ln_err *err);
void ln_host_free(ln_host *h);
lua_State *ln_host_state(ln_host *h);                    /* all standard libraries; for engine and modules  */
/* Decodes a JSON text.  Integers of 64 bits stay integers (larger ones are floats, as Lua reads them), []
** stays an array, of equal keys the last wins, a member that is null is left out.  "bad_argument": at which byte,
** and what is wrong; nesting above 100, what is not UTF-8, and 1e999 are refused. */
bool ln_host_json(ln_host *h, ln_str json, ln_buf *value, ln_err *err);
/* Decodes an XML text into its root element: { attrs = {}, name, text (trimmed), child elements at 1..n }.
** No entities but the five, nothing fetched, depth < 100.  "bad_argument": at which line, and what is wrong. */
bool ln_host_xml(ln_host *h, ln_str xml, ln_buf *value, ln_err *err);
bool ln_json_encode(ln_str v, ln_buf *out,
                    ln_err *err); /* strict: "bad_argument" for what has no JSON form */
/* The functions of the json module, for any state: upvalue 1 is a light userdata, the ln_host that
** decodes. */
int lnL_json_decode(lua_State *L); /* json.decode(text, { null = true }?) -> value; raises */
int lnL_json_encode(lua_State *L);                       /* json.encode(value) -> text; sorted keys; raises */
/* { decode, encode, null, array }; `json` and `xml` are in the host's package.loaded */
void lnL_push_json(lua_State *L, ln_host *h);
int lnL_xml_decode(lua_State *L);                        /* xml.decode(text) -> element; upvalue 1 as above */
ln_buf *lnL_new_buf(lua_State *L, size_t max); /* an empty buffer that the collector frees [-0,+1,m] */

#endif
