/* sign.h: signatures.  Keys are PEM texts: a private key (PKCS#8 or the older forms, not encrypted) to sign;
** a public key, a certificate or a private key to verify.  For Ed25519 the 32 raw bytes will do as well. */
#ifndef LN_SIGN_H
#define LN_SIGN_H

#include "base/buf.h"

/* alg, in any case:
**   "ed25519"                                   RFC 8032; "EdDSA" is the same
**   "ecdsa-sha256" "ecdsa-sha384" "ecdsa-sha512"          any curve, signatures in DER
**   "ES256" "ES384" "ES512"                     RFC 7518: one curve each, signatures are r and s
**   "rsa-pss-sha256" "rsa-pss-sha384" "rsa-pss-sha512"    salt as long as the digest; "PS256" … are the same
**   "rsa-sha256" "rsa-sha384" "rsa-sha512"      PKCS#1 v1.5; "RS256" … are the same
** RSA keys have at least 2048 bits.  False: "bad_argument" names what does not fit. */
bool ln_sign(ln_str alg, ln_str key, ln_str data, ln_buf *signature, ln_err *err);
/* False: alg or key cannot be used; else *valid says whether the signature is that key's of that data. */
bool ln_verify(ln_str alg, ln_str key, ln_str data, ln_str signature, bool *valid, ln_err *err);
/* The public half of an Ed25519 key, 32 raw bytes each.  False: OpenSSL cannot do it. */
bool ln_ed25519_public(const uint8_t key[32], uint8_t out[32]);
/* Does signing the same data twice give two signatures?  Unknown algorithms: false. */
bool ln_sign_is_random(ln_str alg);

#endif
