/* signature.h: the headers in which senders sign what they deliver.  Nothing here knows a secret. */
#ifndef LN_SIGNATURE_H
#define LN_SIGNATURE_H

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

enum { LN_SIGNATURE_MACS = 4, LN_MAC = 32 /* bytes of an HMAC-SHA-256 */ };

/* "sha256=HEX", "t=1732442280,v1=HEX,v1=HEX" (two, while a secret is changed), or HEX or base64 alone. */
typedef struct ln_signature {
  uint8_t mac[LN_SIGNATURE_MACS][LN_MAC];
  size_t n;
  ln_str time;                                           /* a view into the header; {NULL, 0}: it has none  */
} ln_signature;

/* False: "bad_argument", with what is wrong.  At least one MAC is there otherwise. */
bool ln_signature_read(ln_str header, ln_signature *out, ln_err *err);
/* A time as senders spell it: seconds or milliseconds since 1970, or RFC 3339; in milliseconds. */
bool ln_signature_time(ln_str text, int64_t *ms, ln_err *err);

#endif
