/* rand.c: chance.  The real one is the kernel's generator, which costs no start-up (seeding OpenSSL's takes
** as long as the rest of a short command); what `crypto` draws comes from OpenSSL.  The seeded one is
** xoroshiro128++, its state spread from the seed by splitmix64 (both by Blackman and Vigna): repeatable
** everywhere, and no secret. */
#include "base/rand.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static bool real_bytes(ln_rand *r, void *out, size_t n, ln_err *err) {
  (void)r;
  unsigned char *p = out;
  while (n) {
    ssize_t k = getrandom(p, n, 0);
    if (k < 0 && errno != EINTR)
      return ln_fail(err, "unavailable", LN_AGAIN, "the system's random generator gave no bytes: %s",
                     strerror(errno));
    if (k < 0) continue;
    p += k;
    n -= (size_t)k;
  }
  return true;
}

ln_rand *ln_rand_real(void) {
  static ln_rand real = {real_bytes, {0, 0}};
  return &real;
}

static uint64_t rotl(uint64_t x, int k) { return x << k | x >> (64 - k); }

static uint64_t seeded_next(uint64_t s[2]) {
  uint64_t a = s[0], b = s[1], out = rotl(a + b, 17) + a;
  b ^= a;
  s[0] = rotl(a, 49) ^ b ^ b << 21;
  s[1] = rotl(b, 28);
  return out;
}

static bool seeded_bytes(ln_rand *r, void *out, size_t n, ln_err *err) {
  (void)err;
  unsigned char *p = out;
  while (n) {
    uint64_t x = seeded_next(r->state);
    size_t k = n < sizeof x ? n : sizeof x;
    for (size_t i = 0; i < k; i++) p[i] = (unsigned char)(x >> 8 * i);
    p += k;
    n -= k;
  }
  return true;
}

static uint64_t splitmix(uint64_t *x) {
  uint64_t z = *x += 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

void ln_rand_seed(ln_rand *r, uint64_t seed) {
  r->bytes = seeded_bytes;
  r->state[0] = splitmix(&seed);
  r->state[1] = splitmix(&seed);
}

static void bytes_or_abort(ln_rand *r, unsigned char *b, size_t n) {
  ln_err err;
  if (r->bytes(r, b, n, &err)) return;
  fprintf(stderr, "lunette: %s\n", err.message);
  abort();
}

static uint64_t number_of(const unsigned char b[8]) {
  uint64_t x = 0;
  for (int i = 7; i >= 0; i--) x = x << 8 | b[i];
  return x;
}

uint64_t ln_rand_u64(ln_rand *r) {
  unsigned char b[8];
  bytes_or_abort(r, b, sizeof b);
  return number_of(b);
}

void ln_rand_two(ln_rand *r, uint64_t *first, uint64_t *second) {
  unsigned char b[16];
  bytes_or_abort(r, b, sizeof b);
  *first = number_of(b);
  *second = number_of(b + 8);
}

double ln_rand_unit(ln_rand *r) { return (double)(ln_rand_u64(r) >> 11) * 0x1.0p-53; }
