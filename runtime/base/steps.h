/* steps.h: a wall clock that steps, seen by the one that never does.  A step of more than five minutes, in
** either direction, is not believed until as much time was lived through, or the clock has gone back to where
** it was; smaller ones, and what a clock is slewed by, are. */
#ifndef LN_STEPS_H
#define LN_STEPS_H

#include "base/clock.h"

#include <stdbool.h>

enum { LN_STEP_MS = 5 * 60000 };

typedef struct ln_steps {
  int64_t apart_ms;                                      /* wall less mono, as it is believed               */
  int64_t step_ms, since_ms; /* a step that is not, and the mono when it was seen */
  int64_t newest_ms;                                     /* the wall was there before                       */
  int64_t lived;                                         /* steps that were lived through                   */
} ln_steps;

/* newest_ms: a wall time that is known to be over; 0: none.  A clock that is more than a step behind it is
** not believed until it has come there. */
void ln_steps_begin(ln_steps *s, ln_clock *c, int64_t newest_ms);
/* A step that an earlier process saw, by which the clock came to show at_ms, goes on to be lived through. */
void ln_steps_go_on(ln_steps *s, ln_clock *c, int64_t by_ms, int64_t at_ms);
/* Is there a step that is not believed yet? */
bool ln_steps_unsure(ln_steps *s, ln_clock *c);
/* How long until it is believed that due_ms (wall time), which the wall clock has shown, has come; in
** milliseconds; 0: it is. */
int64_t ln_steps_until(ln_steps *s, ln_clock *c, int64_t due_ms);

#endif
