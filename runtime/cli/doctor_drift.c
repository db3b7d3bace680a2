/* doctor_drift.c: what runs have seen of times to come: operations that their vendor calls deprecated, and
** answers that are not as the connector expects.  What no playbook uses is no task for anybody. */
#include "cli/doctor.h"

#include "base/units.h"
#include "engine/drift.h"

#include <stdio.h>

#define SOON_MS ((int64_t)90 * 86400000)

typedef struct telling { ln_doctor *d; ln_str only; int64_t now_ms; } telling;

/* "2026-11-24" */
static const char *day(int64_t ms, char out[LN_TIME_TEXT]) {
  ln_format_time(ms, out);
  if (strlen(out) > 10) out[10] = '\0';
  return out;
}

static void tell_deprecated(const telling *t, const ln_drift *x, const char *about) {
  char since[LN_TIME_TEXT], sunset[LN_TIME_TEXT], last[LN_TIME_TEXT], when[80] = "", until[80] = "";
  bool soon = x->sunset_ms && x->sunset_ms - t->now_ms < SOON_MS,
       todo = soon && ln_doctor_needs(t->d, ln_str_of(x->op));
  if (x->since_ms)
    snprintf(when, sizeof when, " %s %s", x->since_ms > t->now_ms ? "from" : "since",
             day(x->since_ms, since));
  if (x->sunset_ms)
    snprintf(until, sizeof until, ", and %s on %s", x->sunset_ms > t->now_ms ? "ends" : "has ended",
             day(x->sunset_ms, sunset));
  ln_doctor_say(t->d, todo ? LN_HEALTH_TODO : LN_HEALTH_NOTE, about,
                "%s: its vendor calls it deprecated%s%s (last said on %s)%s%s: look for a newer connector",
                x->op, when, until, day(x->last_ms, last), x->link[0] ? ", see " : "", x->link);
}

static void tell_shape(const telling *t, const ln_drift *x, const char *about) {
  char last[LN_TIME_TEXT];
  ln_doctor_say(t->d, ln_doctor_needs(t->d, ln_str_of(x->op)) ? LN_HEALTH_TODO : LN_HEALTH_NOTE, about,
                "%s: answers are not as the connector expects: %s (%lld or more, last on %s): has the vendor "
                "changed them?",
                x->op, x->what, (long long)x->count, day(x->last_ms, last));
}

static void tell(void *arg, const ln_drift *x) {
  const telling *t = arg;
  ln_str connector, name;
  char about[64];
  ln_str_cut(ln_str_of(x->op), '.', &connector, &name);
  if (t->only.n && !ln_str_eq(connector, t->only)) return;
  snprintf(about, sizeof about, "%.*s", LN_STR_ARG(connector));
  if (x->what[0]) tell_shape(t, x, about);
  else tell_deprecated(t, x, about);
}

void ln_doctor_drift(ln_doctor *d, ln_str only) {
  telling t = {d, only, ln_now_ms(d->app.g.loop->clock)};
  ln_err err = {0};
  if (!ln_drift_known(&d->app.g, tell, &t, &err)) ln_doctor_say(d, LN_HEALTH_BAD, "store", "%s", err.message);
}
