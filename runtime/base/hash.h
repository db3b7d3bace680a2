/* hash.h: SHA-256 and ULIDs, which every layer needs. */
#ifndef LN_HASH_H
#define LN_HASH_H

#include "base/rand.h"
#include "base/str.h"

enum { LN_SHA256 = 32, LN_ULID = 26 };

bool ln_sha256(ln_str data, uint8_t out[LN_SHA256]);
bool ln_sha256_2(ln_str a, ln_str b, uint8_t out[LN_SHA256]);   /* of a length-prefixed, then b            */
void ln_hex(const uint8_t *p, size_t n, char *out);             /* 2n digits and a NUL, lower case         */
bool ln_unhex(ln_str hex, uint8_t *out, size_t n);              /* exactly n bytes, else false             */
void ln_ulid(ln_rand *r, int64_t wall_ms, char out[LN_ULID + 1]); /* Crockford base 32, NUL-ended           */

#endif
