/* schedule.h: playbooks that the clock starts (`every`).  When each is due next is in the store, and the run
** and the next time are one transaction; so a time is neither lost nor used twice, whatever dies. */
#ifndef LN_SCHEDULE_H
#define LN_SCHEDULE_H

#include "engine/engine.h"

typedef struct ln_schedules ln_schedules;

/* On the engine's loop, whose scheduler carries the runs.  NULL: no memory. */
ln_schedules *ln_schedules_start(ln_engine *g, ln_err *err);
void ln_schedules_stop(ln_schedules *s);                 /* NULL is welcome                                 */

#endif
