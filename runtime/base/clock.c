/* clock.c: the machine's clocks.  Wall time may step; mono counts from some start and never goes back. */
#include "base/clock.h"

#include <time.h>

static int64_t wall_ms(ln_clock *c) {
  (void)c;
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t mono_us(ln_clock *c) {
  (void)c;
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

ln_clock *ln_clock_real(void) {
  static ln_clock real = {wall_ms, mono_us};
  return &real;
}
