/* hash.c: SHA-256 by OpenSSL, hexadecimal, and ULIDs.  The digest is looked up once a process: a look-up
** costs more than hashing a short text. */
#include "base/hash.h"

#include <openssl/evp.h>
#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256;

static void look_up(void) { sha256 = EVP_MD_fetch(NULL, "SHA256", NULL); }

static const EVP_MD *md(void) {
  pthread_once(&once, look_up);
  return sha256;
}

bool ln_sha256(ln_str data, uint8_t out[LN_SHA256]) {
  unsigned n = 0;
  const EVP_MD *m = md();
  return m && EVP_Digest(data.p, data.n, out, &n, m, NULL) == 1 && n == LN_SHA256;
}

bool ln_sha256_2(ln_str a, ln_str b, uint8_t out[LN_SHA256]) {
  uint8_t len[8];
  for (int i = 0; i < 8; i++) len[i] = (uint8_t)((uint64_t)a.n >> (56 - 8 * i));
  const EVP_MD *m = md();
  EVP_MD_CTX *c = m ? EVP_MD_CTX_new() : NULL;
  bool ok = c && EVP_DigestInit_ex(c, m, NULL) == 1 && EVP_DigestUpdate(c, len, sizeof len) == 1 &&
            EVP_DigestUpdate(c, a.p, a.n) == 1 && EVP_DigestUpdate(c, b.p, b.n) == 1 &&
            EVP_DigestFinal_ex(c, out, NULL) == 1;
  EVP_MD_CTX_free(c);
  return ok;
}

void ln_hex(const uint8_t *p, size_t n, char *out) {
  static const char digit[] = "0123456789abcdef";
  for (size_t i = 0; i < n; i++) {
    *out++ = digit[p[i] >> 4];
    *out++ = digit[p[i] & 15];
  }
  *out = '\0';
}

static int nibble(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool ln_unhex(ln_str hex, uint8_t *out, size_t n) {
  if (hex.n / 2 != n || hex.n % 2) return false;
  for (size_t i = 0; i < n; i++) {
    int hi = nibble(hex.p[2 * i]), lo = nibble(hex.p[2 * i + 1]);
    if (hi < 0 || lo < 0) return false;
    out[i] = (uint8_t)(hi << 4 | lo);
  }
  return true;
}

/* 48 bits of milliseconds, then 80 of chance, five bits a character from the top: sorted as text they are in
** the order of their milliseconds. */
void ln_ulid(ln_rand *r, int64_t wall_ms, char out[LN_ULID + 1]) {
  static const char digit[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  uint64_t ms = wall_ms < 0 ? 0 : (uint64_t)wall_ms;
  uint64_t hi = ln_rand_u64(r), lo = ln_rand_u64(r);
  for (int i = 9; i >= 0; i--, ms >>= 5) out[i] = digit[ms & 31];
  for (int i = 17; i >= 10; i--, hi >>= 5) out[i] = digit[hi & 31];
  for (int i = 25; i >= 18; i--, lo >>= 5) out[i] = digit[lo & 31];
  out[LN_ULID] = '\0';
}
