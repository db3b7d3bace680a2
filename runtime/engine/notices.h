/* notices.h: sends what people are to be told, from the process that serves the store. */
#ifndef LN_NOTICES_H
#define LN_NOTICES_H

#include "engine/engine.h"

typedef struct ln_notices ln_notices;

/* Sends on the engine's loop what is queued, and what comes to be.  NULL: "memory". */
ln_notices *ln_notices_start(ln_engine *g, ln_err *err);
/* Finishes what is with the writer; a message on its way is sent again by the next process, under the same
** id.  NULL is welcome. */
void ln_notices_stop(ln_notices *n);

/* For people: each target of the configuration. */
typedef struct ln_notices_stats { const char *to; uint64_t sent, failed; } ln_notices_stats;
void ln_notices_each(const ln_notices *n, void (*fn)(void *arg, const ln_notices_stats *s), void *arg);

/* What a link to a question ends in is a text of chance; only its hash is kept. */
enum { LN_LINK_TEXT = 43 + 1 };
void ln_link_hash(ln_str token, char hex[2 * LN_SHA256 + 1]);
/* Could messages to that target be made and sent?  Its address, its secrets and its module are looked at;
** nothing is sent. */
bool ln_notice_check(ln_engine *g, const ln_notify_config *c, ln_err *err);

#endif
