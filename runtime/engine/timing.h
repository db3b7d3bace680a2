/* timing.h: what goes by the clock and writes: leases that end, and runs whose next write follows a timer.
** Neither believes a wall clock that has just stepped (base/steps.h). */
#ifndef LN_TIMING_H
#define LN_TIMING_H

#include "engine/run.h"

/* Of a process that is about to run runs: what the clock was when the last one was alive.  keeps: its own
** life goes on record for the next one (not of virtual time in a store of real runs).  Fails as the store. */
bool ln_timing_begin(ln_engine *g, bool keeps, ln_err *err);
/* Now and then: that it is; and whether the clock is believed again, for runs that are put away. */
void ln_timing_alive(ln_engine *g);

/* Who watches leases: one of a process, for as long as it carries runs. */
typedef struct ln_lease_watch {
  ln_engine *g;
  ln_run_options run;                                    /* of the runs that it starts                      */
  int64_t from_ms, look_ms; /* wall time of its start; mono time when it was to look again at the latest */
} ln_lease_watch;
void ln_leases_watch(ln_lease_watch *w, ln_engine *g, const ln_run_options *run);
/* Starts a run for each lease that is over (stdlib/ledger/lease.lua): it takes the hold back, or asks a
** person first, where the hold rests on a malicious verdict or nobody watched when the lease ended.
** *next_ms: when to look again at the latest (wall time), LN_NEVER: no lease is left.  Fails as the store. */
bool ln_leases_look(ln_lease_watch *w, int64_t *next_ms, ln_err *err);

#endif
