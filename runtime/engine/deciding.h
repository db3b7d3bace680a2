/* deciding.h: what triggers make of alerts that are on disk.  The store is the queue: whatever is "new" there
** is decided, the oldest first, a few at a time. */
#ifndef LN_DECIDING_H
#define LN_DECIDING_H

#include "engine/triggers.h"

typedef struct ln_deciding ln_deciding;

/* decided: called from the loop when what an alert starts is on disk, or when it starts nothing.  NULL: no
** memory. */
ln_deciding *ln_deciding_start(ln_engine *g, void (*decided)(void *arg, int64_t alert), void *arg,
                               ln_err *err);
void ln_deciding_stop(ln_deciding *d); /* finishes what is with the writer; NULL is welcome */
void ln_deciding_soon(ln_deciding *d);                   /* something may be new                            */
/* Of an alert that came in by this process: was `decided` called for it, or would it be by now? */
bool ln_deciding_is_over(const ln_deciding *d, int64_t alert);

#endif
