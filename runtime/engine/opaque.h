/* opaque.h: what a plan cannot know.  A planned write answers with its declaration's shape, in which what the
** vendor will say is an opaque value: encoded 'P' { step, what }, a userdata in Lua.  What depends on one is
** opaque, too: the answer of a read that is asked with it, and whatever a branch that it ended would have
** returned: 'P' { why }.  So is what no recorded answer tells, where a past run is gone through with other
** scripts: 'P' { past, step, what }. */
#ifndef LN_OPAQUE_H
#define LN_OPAQUE_H

#include "engine/value.h"

/* The error of what asks for an opaque value: the first within an encoded value.  Always false; "unknown",
** with what is not known, the step that would tell, and --assume. */
bool ln_opaque_fail(ln_str value, ln_err *err);
bool ln_opaque_in(ln_str value, ln_str *opaque);         /* the first within it; false: there is none       */
/* Puts one: what is not known before the step of that name is done; past: what no recorded answer tells of
** it; or, of what depends on others, the error of asking. */
bool ln_opaque_put(ln_buf *out, ln_str step, ln_str what, bool past);
bool ln_opaque_put_why(ln_buf *out, const ln_err *unknown);
bool ln_opaque_is_past(const ln_err *unknown);           /* it is of one that no recorded answer tells      */
/* Copies an encoded value to out with the name of the step in its opaque parts, for the error that one
** raises.  Those that have one already, or a reason, keep it. */
bool ln_opaque_name(ln_str value, ln_str step, bool past, ln_buf *out);

#endif
