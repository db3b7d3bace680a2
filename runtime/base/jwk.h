/* jwk.h: public keys as JSON Web Keys have them (RFC 7517). */
#ifndef LN_JWK_H
#define LN_JWK_H

#include "base/buf.h"

typedef struct ln_jwk { /* its members as they stand there; "": absent     */
  ln_str kty, crv, n, e, x, y;
} ln_jwk;

/* Appends the key as PEM, for ln_verify: RSA, EC on P-256, P-384 or P-521, and Ed25519.
** False: "bad_argument", it is none of these, or no key at all. */
bool ln_jwk_pem(const ln_jwk *k, ln_buf *out, ln_err *err);

#endif
