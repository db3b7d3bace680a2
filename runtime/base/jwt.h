/* jwt.h: JSON Web Tokens in compact form (RFC 7519): signed, never encrypted.  The one who calls says which
** algorithm it is; what the token says of itself is never followed. */
#ifndef LN_JWT_H
#define LN_JWT_H

#include "base/buf.h"

/* The algorithm as a header spells it ("HS256", "EdDSA"), whatever its case; NULL: there is none such. */
const char *ln_jwt_alg(ln_str alg);
/* alg: HS256 RS256 PS256 ES256, each also with 384 and 512, or EdDSA.  header and claims: JSON objects, of
** which header has `alg`.  key: see sign.h; for HS… the bytes themselves. */
bool ln_jwt_sign(ln_str alg, ln_str key, ln_str header, ln_str claims, ln_buf *token, ln_err *err);
/* Appends header and claims, as JSON texts not yet looked at.  False: "bad_argument" it is no token, alg or
** key cannot be used; "unauthorised" the signature is not that key's. */
bool ln_jwt_open(ln_str alg, ln_str key, ln_str token, ln_buf *header, ln_buf *claims, ln_err *err);

#endif
