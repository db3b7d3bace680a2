/* base64.h: RFC 4648, with both alphabets. */
#ifndef LN_BASE64_H
#define LN_BASE64_H

#include "base/buf.h"

bool ln_base64(ln_str data, ln_buf *out);                /* "+/", padded; false: full or no memory          */
bool ln_base64url(ln_str data, ln_buf *out);             /* "-_", not padded                                */
/* Decodes; ASCII blanks are skipped, and padding may be missing, as in what is found on command lines.
** False: "bad_argument" with the offset of the fault, or what ln_buf_ok says. */
bool ln_unbase64(ln_str text, ln_buf *out, ln_err *err);
bool ln_unbase64url(ln_str text, ln_buf *out, ln_err *err);

#endif
