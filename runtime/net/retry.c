/* retry.c: back-off with full jitter, a budget of repeats, and Retry-After. */
#include "net/retry.h"

#include <stdio.h>
#include <time.h>

void ln_budget_init(ln_budget *b, double most, double earned) {
  *b = (ln_budget){.left = most, .most = most, .earned = earned};
}

bool ln_budget_take(ln_budget *b) {
  if (b->left < 1) return false;
  b->left -= 1;
  return true;
}

void ln_budget_earn(ln_budget *b) {
  b->left += b->earned;
  if (b->left > b->most) b->left = b->most;
}

int64_t ln_backoff_ms(ln_rand *r, int n, int64_t base_ms, int64_t cap_ms) {
  int64_t most = base_ms;
  for (int i = 1; i < n && most < cap_ms; i++) most *= 2;
  if (most > cap_ms) most = cap_ms;
  return (int64_t)(ln_rand_unit(r) * (double)(most + 1));
}

static bool http_date(const char *z, int64_t *ms) {
  static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  char month[4];
  struct tm t = {0};
  int end = 0;
  if (sscanf(z, "%*3s, %2d %3s %4d %2d:%2d:%2d GMT%n", &t.tm_mday, month, &t.tm_year, &t.tm_hour, &t.tm_min,
             &t.tm_sec, &end) != 6 || !end)
    return false;
  const char *at = strlen(month) == 3 ? strstr(months, month) : NULL;
  if (!at || (at - months) % 3) return false;
  t.tm_mon = (int)(at - months) / 3;
  t.tm_year -= 1900;
  time_t s = timegm(&t);
  *ms = (int64_t)s * 1000;
  return true;
}

bool ln_http_date(ln_str value, int64_t *ms) {
  char z[64];
  if (value.n == 0 || value.n >= sizeof z) return false;
  memcpy(z, value.p, value.n);
  z[value.n] = '\0';
  return http_date(z, ms);
}

int64_t ln_retry_after_ms(ln_str value, int64_t wall_ms) {
  char z[64];
  ln_str v = ln_str_trim(value);
  if (v.n == 0 || v.n >= sizeof z) return -1;
  memcpy(z, v.p, v.n);
  z[v.n] = '\0';
  int64_t n = 0;
  size_t i = 0;
  for (; i < v.n && i < 10 && z[i] >= '0' && z[i] <= '9'; i++) n = n * 10 + (z[i] - '0');
  if (i == v.n) return n * 1000;
  int64_t at;
  if (!http_date(z, &at)) return -1;
  return at > wall_ms ? at - wall_ms : 0;
}
