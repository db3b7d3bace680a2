/* travel_lines.h: what Lua's compiler says of a text. */
#ifndef LN_TRAVEL_LINES_H
#define LN_TRAVEL_LINES_H

#include "base/buf.h"

/* Which lines have code: yours, of *most + 1 bytes, one a line from 1 on: 1, it has; free() it.  NULL:
** "syntax", "memory". */
unsigned char *ln_lua_lines(ln_str source, size_t *most, ln_err *err);
bool ln_lua_compiles(ln_str source, ln_err *err); /* false: "syntax", "it:LINE: …"; "memory" */

#endif
