/* drift.h: what vendors' answers say of times to come: operations that they call deprecated (RFC 9745) or are
** about to end (RFC 8594), and answers that are not as the connector's declaration expects.  Counted in
** memory, told in the log once an operation and process, and kept beside the store's truth, so that `doctor`
** and whoever comes next know of it.  Bounded, and forgotten when nothing of it was seen for 30 days. */
#ifndef LN_DRIFT_H
#define LN_DRIFT_H

#include "engine/engine.h"

enum { LN_DRIFT_MOST = 256 };                            /* what comes beyond that is not counted           */

typedef struct ln_drift {
  char op[96];                                           /* "okta.users"                                    */
  char what[160];                                        /* "profile.login is absent"; "": it is deprecated */
  char link[200];                                        /* where the vendor tells more, or ""              */
  int64_t since_ms, sunset_ms;                           /* of a deprecated one; 0: not said                */
  int64_t count, first_ms, last_ms;
} ln_drift;

/* On the loop's thread.  All is copied, and cut to what fits. */
void ln_drift_deprecated(ln_engine *g, const char *op, int64_t since_ms, int64_t sunset_ms, ln_str link);
void ln_drift_shape(ln_engine *g, const char *op, ln_str what);

typedef void (*ln_drift_fn)(void *arg, const ln_drift *d);
/* Of this process, summed up by operation, and whether it is one of shape (`what` is "shape" then). */
void ln_drift_each(const ln_engine *g, ln_drift_fn fn, void *arg);
/* What the store knows.  Fails as the store. */
bool ln_drift_known(ln_engine *g, ln_drift_fn fn, void *arg, ln_err *err);
void ln_drift_free(ln_engine *g);                        /* once the writer has nothing of it any more      */

#endif
