/* sketch.h: values for people to look at. */
#ifndef LN_SKETCH_H
#define LN_SKETCH_H

#include "engine/values.h"

/* Appends the sketch of the value at idx (see sketch.c), 2 MiB at most whatever the value is.  May raise
** "memory"; out is the caller's to own across that (lnL_new_buf). [-0, +0, m] */
void lnL_sketch(lua_State *L, int idx, ln_buf *out);
void ln_sketch_note(ln_buf *out, const char *text); /* appends a remark instead of a value */

#endif
