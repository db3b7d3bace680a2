/* sched.h: who carries runs when nobody waits for one in the foreground: takes up what is due, and what the
** dead have left; keeps the VMs of a bounded number of parked runs, and nothing of the others. */
#ifndef LN_SCHED_H
#define LN_SCHED_H

#include "engine/run.h"

typedef struct ln_sched ln_sched;

typedef struct ln_sched_opts {
  size_t warm;                                           /* parked runs whose VM is kept; 0: 1,024          */
  size_t live; /* runs under way at once, of those that it wakes; 0: 512 */
  ln_event_fn event;                                     /* of every run; may be NULL                       */
  void *event_arg;
} ln_sched_opts;

/* The engine's one scheduler, on its loop; from now on its runs are parked, and closed when they have ended.
** Takes the runs of dead owners over at once.  NULL: no memory, or the store cannot be read. */
ln_sched *ln_sched_start(ln_engine *g, const ln_sched_opts *o, ln_err *err);
/* Looks at nothing any more, and gives all runs up: another process may take them. */
void ln_sched_stop(ln_sched *s);
#define LN_NOBODY ((ln_str){NULL, 0})
/* A person wants a run to go on now (or to be stopped, by whom: that is audited): one that is put away is due
** at once, whatever it waits for, and however often it died.  "conflict": it has ended, or another process
** runs it. */
bool ln_sched_want(ln_sched *s, ln_str which, ln_str cancel_by, char ulid[LN_ULID + 1], ln_err *err);
/* What it carries: runs in memory that are under way, and parked ones whose VM is kept. */
void ln_sched_count(const ln_sched *s, int64_t *under_way, int64_t *parked);
/* Something was committed that may have made runs due.  On the loop's thread. */
void ln_sched_nudge(ln_sched *s);

#endif
