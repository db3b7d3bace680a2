/* poll.h: connectors whose alerts are asked for, again and again.  Such a connector has a read operation
** `alerts` with the parameters `since` and `before` (times); what it gives is handed in like any alert. */
#ifndef LN_POLL_H
#define LN_POLL_H

#include "engine/alerts.h"

typedef struct ln_polls ln_polls;

/* Asks each connector that the configuration's intake.poll names, on the engine's loop, whose scheduler
** carries the runs.  NULL: "config": one is not configured, or has no such operation; "memory". */
ln_polls *ln_polls_start(ln_engine *g, ln_alerts *alerts, ln_err *err);
void ln_polls_stop(ln_polls *p);                         /* before the alerts' end; NULL is welcome         */
void ln_polls_free(ln_polls *p);                         /* after the scheduler's, which tells of its runs  */

#endif
