/* clock.h: the seam of time.  Wall time is milliseconds since 1970 in UTC; mono never steps. */
#ifndef LN_CLOCK_H
#define LN_CLOCK_H

#include <stdint.h>

typedef struct ln_clock ln_clock;
struct ln_clock {
  int64_t (*wall_ms)(ln_clock *c);
  int64_t (*mono_us)(ln_clock *c);
};

ln_clock *ln_clock_real(void);                           /* the machine's; static                        */
static inline int64_t ln_now_ms(ln_clock *c) { return c->wall_ms(c); }
static inline int64_t ln_mono_us(ln_clock *c) { return c->mono_us(c); }

#endif
