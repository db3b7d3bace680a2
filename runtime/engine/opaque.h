/* opaque.h: what a plan cannot know.  A planned write answers with its declaration's shape, in which what the vendor
** will say is an opaque value: encoded 'P' { step, what }, a userdata in Lua. */
#ifndef LN_OPAQUE_H
#define LN_OPAQUE_H

#include "engine/value.h"

/* The error of what asks for an opaque value: the first within an encoded value.  Always false; "unknown", with what is
** not known, the step that would tell, and --assume. */
bool ln_opaque_fail(ln_str value, ln_err *err);
bool ln_opaque_in(ln_str value, ln_str *opaque);         /* the first within it; false: there is none       */
/* Copies an encoded value to out with the name of the step in its opaque parts, for the error that one raises. */
bool ln_opaque_name(ln_str value, ln_str step, ln_buf *out);

#endif
