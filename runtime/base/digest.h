/* digest.h: message digests by name, HMAC over them, and the three digests by which files are known. */
#ifndef LN_DIGEST_H
#define LN_DIGEST_H

#include "base/err.h"
#include "base/str.h"

enum { LN_DIGEST_MAX = 64 };

/* alg: "md5" "sha1" "sha224" "sha256" "sha384" "sha512" "sha3-256" "sha3-384" "sha3-512", in any case.
** Writes *n bytes.  False: "bad_argument", with the list of them. */
bool ln_digest(ln_str alg, ln_str data, uint8_t out[LN_DIGEST_MAX], size_t *n, ln_err *err);
/* The same digests, keyed; an empty key is refused. */
bool ln_hmac(ln_str alg, ln_str key, ln_str data, uint8_t out[LN_DIGEST_MAX], size_t *n, ln_err *err);

typedef struct ln_digests {                              /* lower-case hex, NUL-ended                       */
  char sha256[65], sha1[41], md5[33];
} ln_digests;

bool ln_digests_of(ln_str data, ln_digests *out, ln_err *err);

#endif
