/* breaker.h: a circuit breaker.  After some failures in a row nobody calls for a while; then one call
** tries. */
#ifndef LN_BREAKER_H
#define LN_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct ln_breaker {
  int failures;                                          /* in a row */
  int64_t open_until;                                    /* 0: closed */
  int64_t rest_ms;                                       /* how long it stays open */
  int threshold;
  bool trying;                                           /* the one call is on its way */
} ln_breaker;

typedef enum ln_gate { LN_GATE_OPEN, LN_GATE_WAIT, LN_GATE_SHUT } ln_gate;

void ln_breaker_init(ln_breaker *b, int threshold, int64_t rest_ms);
/* May a call go now?  OPEN: yes (and after a rest it is the one that tries); WAIT: another one is trying;
** SHUT. */
ln_gate ln_breaker_ask(const ln_breaker *b, int64_t now);
bool ln_breaker_sent(ln_breaker *b);                     /* true: this call is the one that tries */
void ln_breaker_good(ln_breaker *b);
void ln_breaker_bad(ln_breaker *b, int64_t now);
void ln_breaker_gone(ln_breaker *b);                    /* the one that tried was dropped without an answer */

#endif
