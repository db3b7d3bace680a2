/* rate.c: how often one address may ask: a bucket an address, in a table of fixed size.  An address that
** finds its place taken by another takes it over, if that one has been quiet for as long as it takes to fill
** a bucket; else they share it.  So nobody who asks much is forgotten by making others ask. */
#include "server/http.h"

#include <arpa/inet.h>
#include <stdlib.h>

enum { PLACES = 4096, WAYS = 4 };

typedef struct bucket {
  uint64_t who;
  int64_t at_ms, milli;
} bucket; /* milli: thousandths of a turn       */

struct ln_rate {
  int64_t per_second, burst;
  bucket v[PLACES];
};

ln_rate *ln_rate_new(int64_t per_second, int64_t burst) {
  ln_rate *r = calloc(1, sizeof *r);
  if (r) r->per_second = per_second, r->burst = burst;
  return r;
}

void ln_rate_free(ln_rate *r) { free(r); }

/* A number for an address, never 0.  One of IPv4 is the same address however it is spelt. */
static uint64_t number_of(ln_str peer) {
  static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
  unsigned char v6[16] = {0}, v4[4];
  char z[64];
  size_t n = peer.n < sizeof z - 1 ? peer.n : sizeof z - 1;
  uint64_t h = 14695981039346656037u;
  if (n) memcpy(z, peer.p, n);
  z[n] = '\0';
  const unsigned char *p = (const unsigned char *)z;
  if (inet_pton(AF_INET, z, v4) == 1) p = v4, n = 4;
  else if (inet_pton(AF_INET6, z, v6) == 1 && memcmp(v6, mapped, 12) != 0) p = v6, n = 8;
  else if (memcmp(v6, mapped, 12) == 0) p = v6 + 12, n = 4;
  for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 1099511628211u;
  return h ? h : 1;
}

static void refill(const ln_rate *r, bucket *b, int64_t now_ms) {
  int64_t passed = now_ms > b->at_ms ? now_ms - b->at_ms : 0, most = r->burst * 1000;
  int64_t gained = passed > most ? most : passed * r->per_second;
  b->milli = b->milli + gained > most ? most : b->milli + gained;
  b->at_ms = now_ms;
}

static bucket *bucket_of(ln_rate *r, uint64_t who, int64_t now_ms) {
  bucket *set = &r->v[who % (PLACES / WAYS) * WAYS], *idle = NULL;
  for (size_t i = 0; i < WAYS; i++)
    if (set[i].who == who) return &set[i];
  for (size_t i = 0; i < WAYS; i++) {
    if (!set[i].who) set[i].milli = r->burst * 1000;
    refill(r, &set[i], now_ms);
    if (set[i].milli == r->burst * 1000 && !idle) idle = &set[i];
  }
  if (!idle) return &set[0];
  idle->who = who;
  return idle;
}

int64_t ln_rate_take(ln_rate *r, ln_str peer, int64_t now_ms) {
  bucket *b = bucket_of(r, number_of(peer), now_ms);
  refill(r, b, now_ms);
  if (b->milli < 1000) return (1000 - b->milli) / r->per_second + 1;
  b->milli -= 1000;
  return 0;
}
