/* queued.h: a run that begins as a row: made in somebody's transaction, due at once, and carried by whoever
** serves the store.  So it begins together with what it was begun for, or not at all. */
#ifndef LN_QUEUED_H
#define LN_QUEUED_H

#include "engine/engine.h"

typedef struct ln_queued {
  ln_run_row row;                                        /* its texts are lent, but the options             */
  ln_buf options;
  struct ln_snapshot *scripts;
} ln_queued;

/* On the loop's thread.  module, input (coerced) and by are lent until it is freed.  due_ms: the time that
** started it; 0: none did. */
bool ln_queued_make(ln_queued *q, ln_engine *g, struct ln_snapshot *scripts, ln_str module, ln_str input,
                    ln_str by, int64_t due_ms, ln_str trace, ln_err *err);
bool ln_queued_put(ln_tx *tx, ln_queued *q, ln_err *err); /* sets row.id                                    */
void ln_queued_stored(ln_queued *q);                     /* that was committed                              */
void ln_queued_free(ln_queued *q);                       /* a zeroed one is welcome                         */

#endif
