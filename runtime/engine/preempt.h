/* preempt.h: the clock that ends a turn.  One thread a process looks every few milliseconds whether a
** VM's turn is overdue, and then signals the thread that runs it; the signal's handler arms a hook
** there, on the spot.  So a script costs nothing more while its turn lasts, and Lua's state is never
** touched from another thread. */
#ifndef LN_PREEMPT_H
#define LN_PREEMPT_H

#include "base/err.h"

#include <stdint.h>

typedef struct ln_watch ln_watch;                        /* one a thread, made at its first turn            */

typedef struct ln_turn_of {                              /* a turn under way, on the stack of who runs it   */
  void (*due)(void *arg);                                /* in a signal handler: arms the hook              */
  void *arg;
  int64_t at_us;                                         /* on the monotonic clock: when it is over         */
  struct ln_turn_of *outer;                              /* the turn within which this one runs, or NULL    */
} ln_turn_of;

int64_t ln_preempt_now_us(void);                         /* the machine's monotonic clock                   */
/* From now on t->due is called, again and again, while it is overdue.  NULL: no thread could be had. */
ln_watch *ln_preempt_begin(ln_turn_of *t, ln_err *err);
void ln_preempt_end(ln_watch *w, ln_turn_of *t);
void ln_preempt_kick(ln_watch *w);                      /* from any thread or handler: calls due soon, once */

#endif
