/* retry.h: when to ask again.  Full jitter spreads the callers; a budget keeps a vendor in trouble from being
** asked by everybody several times over. */
#ifndef LN_RETRY_H
#define LN_RETRY_H

#include "base/rand.h"
#include "base/str.h"

typedef struct ln_budget { double left, most, earned; } ln_budget;

void ln_budget_init(ln_budget *b, double most,
                    double earned); /* so many at once; each good answer earns a part */
bool ln_budget_take(ln_budget *b);                       /* false: spent */
void ln_budget_earn(ln_budget *b);

/* A back-off in ms before try n (1 is the first repeat): anywhere between 0 and base * 2^(n-1), at most
** cap. */
int64_t ln_backoff_ms(ln_rand *r, int n, int64_t base_ms, int64_t cap_ms);
/* "Sun, 06 Nov 1994 08:49:37 GMT", the one form that is still written, as milliseconds since 1970. */
bool ln_http_date(ln_str value, int64_t *ms);
/* Retry-After: seconds, or an HTTP date against `wall_ms`.  -1: neither. */
int64_t ln_retry_after_ms(ln_str value, int64_t wall_ms);

#endif
