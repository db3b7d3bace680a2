/* limit.h: what a vendor lets through and when.  A limit is fed by what answers say (remaining calls, reset,
** wait, concurrency) and asked before each send.  Times are milliseconds of a clock that never steps. */
#ifndef LN_LIMIT_H
#define LN_LIMIT_H

#include "base/str.h"

/* What one answer says of the vendor's limits; -1: nothing. */
typedef struct ln_limit_told {
  int64_t remaining, reset_ms;                           /* calls left until reset_ms from now */
  int64_t wait_ms;                                       /* nobody sends before */
  int64_t running, concurrency;              /* in flight at the vendor (this one too), and how many may be */
  bool own;                                /* remaining and wait are of this call's limit alone, not of all */
} ln_limit_told;
#define LN_LIMIT_SILENT ((ln_limit_told){-1, -1, -1, -1, -1, false})

typedef struct ln_limits ln_limits;

ln_limits *ln_limits_new(int64_t concurrency);     /* so many at once until told otherwise; NULL: no memory */
void ln_limits_free(ln_limits *l);
bool ln_limits_room(const ln_limits *l);                 /* may one more be in flight? */
int64_t ln_limits_when(const ln_limits *l, ln_str name, int64_t now); /* when a call may go: now, or later */
int64_t ln_limits_remaining(const ln_limits *l);         /* calls left, of the whole vendor; -1: not known */
void ln_limits_sent(ln_limits *l, ln_str name);          /* one call is in flight */
void ln_limits_back(ln_limits *l);                       /* and is no longer */
void ln_limits_told(ln_limits *l, ln_str name, const ln_limit_told *t, int64_t now);

#endif
