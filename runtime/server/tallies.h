/* tallies.h: what is counted while a process serves, for /metrics.  Labels are bounded: what comes after the
** first hundreds is counted as "other". */
#ifndef LN_TALLIES_H
#define LN_TALLIES_H

#include "base/buf.h"
#include "engine/run.h"
#include "server/serve.h"

ln_tallies *ln_tallies_new(ln_err *err);
void ln_tallies_free(ln_tallies *t);
void ln_tallies_of_run(ln_tallies *t, const ln_run *r, const ln_event *ev); /* an ln_event */
void ln_tallies_request(ln_tallies *t, const char *route, int status); /* route: static, "other" for none  */
void ln_tallies_put(const ln_tallies *t, ln_buf *out);   /* as OpenMetrics                                  */
/* A label's value, escaped. */
void ln_tallies_label(ln_buf *out, ln_str v);

#endif
