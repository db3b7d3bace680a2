/* steps.c: see steps.h.  Nobody tells of a step: whoever wants to know the time looks for one first. */
#include "base/steps.h"

static int64_t mono_ms(ln_clock *c) { return ln_mono_us(c) / 1000; }

static int64_t size_of(int64_t ms) { return ms < 0 ? -ms : ms; }

void ln_steps_begin(ln_steps *s, ln_clock *c, int64_t newest_ms) {
  *s = (ln_steps){.apart_ms = ln_now_ms(c) - mono_ms(c)};
  if (newest_ms > ln_now_ms(c) + LN_STEP_MS) s->newest_ms = newest_ms;
}

void ln_steps_go_on(ln_steps *s, ln_clock *c, int64_t by_ms, int64_t at_ms) {
  int64_t lived = ln_now_ms(c) - at_ms;
  if (!by_ms || lived < 0 || lived >= size_of(by_ms)) return; /* or it was set right meanwhile */
  s->step_ms = by_ms;
  s->since_ms = mono_ms(c) - lived;
  s->apart_ms -= by_ms;
}

/* What is less than a step is believed at once, so that a slow drift never comes to be one. */
static void look(ln_steps *s, int64_t wall, int64_t mono) {
  int64_t off = wall - mono - s->apart_ms;
  if (size_of(off) <= LN_STEP_MS) {
    s->apart_ms += s->step_ms ? 0 : off;
    s->step_ms = 0;
  } else if (size_of(off - s->step_ms) > LN_STEP_MS) {
    s->step_ms = off;
    s->since_ms = mono;
  } else if (mono - s->since_ms >= size_of(s->step_ms)) {
    s->apart_ms = wall - mono;
    s->step_ms = 0;
    s->lived++;
  }
  if (s->newest_ms && wall >= s->newest_ms) s->newest_ms = 0, s->lived++;
}

bool ln_steps_unsure(ln_steps *s, ln_clock *c) {
  look(s, ln_now_ms(c), mono_ms(c));
  return s->step_ms || s->newest_ms;
}

/* What the wall clock was set forward by is still to come. */
int64_t ln_steps_until(ln_steps *s, ln_clock *c, int64_t due_ms) {
  int64_t wall = ln_now_ms(c), mono = mono_ms(c), left = due_ms - wall;
  look(s, wall, mono);
  if (s->newest_ms && left < s->newest_ms - wall) left = s->newest_ms - wall;
  if (s->step_ms) {
    int64_t lived = size_of(s->step_ms) - (mono - s->since_ms);
    if (s->step_ms > 0) left += s->step_ms;
    return left > lived ? lived : left > 0 ? left : 0;
  }
  return left > LN_STEP_MS ? left : 0;
}
