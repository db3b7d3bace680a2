/* command.h: another program that is asked for one secret: what it prints is the value. */
#ifndef LN_COMMAND_H
#define LN_COMMAND_H

#include "base/buf.h"

enum { LN_COMMAND_MS = 5000, LN_COMMAND_MAX = (64 << 10) + 4096 };

typedef enum ln_ended { LN_ENDED, LN_NOT_STARTED, LN_TOO_LATE, LN_TOO_MUCH } ln_ended;

/* Starts argv, in which "{name}" stands for the name, and waits for its end, LN_COMMAND_MS at most.  value:
** what it printed, to be wiped in any case.  *status: its exit status, or 128 and the signal that ended it,
** when it has ended by itself. */
ln_ended ln_command_run(const ln_str *argv, size_t n, ln_str name, ln_buf *value, int *status);

/* A process of our own that starts it for us: of a process that has sealed itself nothing can be started, and
** what it asks for can be this command alone, with the name of a secret. */
typedef struct ln_launcher ln_launcher;
/* To be called while the process has one thread, and holds nothing that is nobody else's business. */
ln_launcher *ln_launcher_start(const ln_str *argv, size_t n, ln_err *err);
void ln_launcher_stop(ln_launcher *l); /* NULL is welcome                                 */
/* The same, from any thread. */
ln_ended ln_launcher_run(ln_launcher *l, ln_str name, ln_buf *value, int *status);

#endif
