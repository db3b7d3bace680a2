/* hash.c: SHA-256 by OpenSSL, hexadecimal, and ULIDs.  The digest is looked up once a process, and its
** context made once a thread: either costs more than hashing a short text. */
#include "base/hash.h"

#include <openssl/evp.h>
#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256;
static pthread_key_t at_exit_key;
static bool has_key;
static _Thread_local EVP_MD_CTX *mine;

static void let_go(void *c) { EVP_MD_CTX_free(c); }

static void look_up(void) {
  sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
  has_key = pthread_key_create(&at_exit_key, let_go) == 0;
}

/* This thread's, begun anew; NULL: no memory. */
static EVP_MD_CTX *begin(void) {
  pthread_once(&once, look_up);
  if (!mine && sha256 && has_key && (mine = EVP_MD_CTX_new()) && pthread_setspecific(at_exit_key, mine)) {
    EVP_MD_CTX_free(mine);
    mine = NULL;
  }
  return mine && EVP_DigestInit_ex2(mine, sha256, NULL) == 1 ? mine : NULL;
}

bool ln_sha256(ln_str data, uint8_t out[LN_SHA256]) {
  EVP_MD_CTX *c = begin();
  return c && EVP_DigestUpdate(c, data.p, data.n) == 1 && EVP_DigestFinal_ex(c, out, NULL) == 1;
}

enum { SHORT = 120 };

bool ln_sha256_2(ln_str a, ln_str b, uint8_t out[LN_SHA256]) {
  uint8_t len[8];
  for (int i = 0; i < 8; i++) len[i] = (uint8_t)((uint64_t)a.n >> (56 - 8 * i));
  uint8_t all[sizeof len + 2 * SHORT]; /* one short text is quicker than three */
  if (a.n <= SHORT && b.n <= SHORT) {
    memcpy(all, len, sizeof len);
    if (a.n) memcpy(all + sizeof len, a.p, a.n);
    if (b.n) memcpy(all + sizeof len + a.n, b.p, b.n);
    return ln_sha256((ln_str){(const char *)all, sizeof len + a.n + b.n}, out);
  }
  EVP_MD_CTX *c = begin();
  return c && EVP_DigestUpdate(c, len, sizeof len) == 1 && EVP_DigestUpdate(c, a.p, a.n) == 1 &&
         EVP_DigestUpdate(c, b.p, b.n) == 1 && EVP_DigestFinal_ex(c, out, NULL) == 1;
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
  uint64_t ms = wall_ms < 0 ? 0 : (uint64_t)wall_ms, hi, lo;
  ln_rand_two(r, &hi, &lo);
  for (int i = 9; i >= 0; i--, ms >>= 5) out[i] = digit[ms & 31];
  for (int i = 17; i >= 10; i--, hi >>= 5) out[i] = digit[hi & 31];
  for (int i = 25; i >= 18; i--, lo >>= 5) out[i] = digit[lo & 31];
  out[LN_ULID] = '\0';
}
