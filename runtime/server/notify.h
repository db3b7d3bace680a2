/* notify.h: what the service manager tells us, and we tell it (systemd's protocols, which are one datagram,
** and a few variables of the environment).  Where nobody manages us all of it is quiet. */
#ifndef LN_NOTIFY_H
#define LN_NOTIFY_H

#include "base/loop.h"

/* The first socket that was handed over and listens; 0: none.  Forgets the variables, so that nobody that
** this process starts takes them for their own. */
int ln_notify_socket(void);
/* "READY=1", "STOPPING=1"; lines are separated by '\n'. */
void ln_notify(const char *state);
void ln_notify_reloading(ln_clock *c);                   /* then READY=1, when it is done                   */
/* Says that the loop turns, as often as the manager wants to hear it; t stays until its loop cancels it. */
void ln_notify_watchdog(ln_loop *l, ln_timer *t);

#endif
