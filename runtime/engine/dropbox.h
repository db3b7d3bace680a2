/* dropbox.h: a folder into which others put files of alerts.  Each that is whole (closed, or renamed in) is
** handed in, and then moved: to done/, or to refused/ with the reason beside it (NAME.why). */
#ifndef LN_DROPBOX_H
#define LN_DROPBOX_H

#include "engine/alerts.h"

typedef struct ln_dropbox ln_dropbox;

/* Watches `folder`, which may come later, on the engine's loop (a real one).  Names that begin with a dot,
** links, and what is no file are passed over; so are the folders in it.  NULL: "memory", or "unavailable":
** the system does not watch. */
ln_dropbox *ln_dropbox_start(ln_engine *g, ln_alerts *alerts, ln_str folder, ln_err *err);
/* Before the alerts' end, which gives back what is on its way: such files stay where they are.  NULL is
** welcome. */
void ln_dropbox_stop(ln_dropbox *d);

#endif
