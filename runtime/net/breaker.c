/* breaker.c: a vendor that is down is left alone.  Closed until `threshold` attempts in a row have failed;
** then shut for `rest_ms`; then one call may try while the others wait for what it finds.  A refusal is an
** answer: only what says that the service itself is in trouble counts as a failure (see vendor.c). */
#include "net/breaker.h"

void ln_breaker_init(ln_breaker *b, int threshold, int64_t rest_ms) {
  *b = (ln_breaker){.threshold = threshold, .rest_ms = rest_ms};
}

ln_gate ln_breaker_ask(const ln_breaker *b, int64_t now) {
  if (!b->open_until) return LN_GATE_OPEN;
  if (now < b->open_until) return LN_GATE_SHUT;
  return b->trying ? LN_GATE_WAIT : LN_GATE_OPEN;
}

bool ln_breaker_sent(ln_breaker *b) {
  if (!b->open_until) return false;
  b->trying = true;
  return true;
}

void ln_breaker_good(ln_breaker *b) {
  b->failures = 0;
  b->open_until = 0;
  b->trying = false;
}

void ln_breaker_bad(ln_breaker *b, int64_t now) {
  b->trying = false;
  if (++b->failures >= b->threshold || b->open_until) b->open_until = now + b->rest_ms;
}

void ln_breaker_gone(ln_breaker *b) { b->trying = false; }
