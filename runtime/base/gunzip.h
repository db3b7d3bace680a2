/* gunzip.h: unpacks gzip, up to a bound. */
#ifndef LN_GUNZIP_H
#define LN_GUNZIP_H

#include "base/buf.h"

bool ln_is_gzip(ln_str s);                               /* does it begin like it? */
/* Appends all members of it to out.  "too_big": more than fits into out, whatever its size on the wire;
** "bad_argument": damaged, or cut short. */
bool ln_gunzip(ln_str packed, ln_buf *out, ln_err *err);

#endif
