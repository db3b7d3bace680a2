/* events.h: what happens, for whoever watches over HTTP: as server-sent events, each with an id.  The last
** ones are kept in memory, so that whoever comes back goes on where they were. */
#ifndef LN_EVENTS_H
#define LN_EVENTS_H

#include "base/json.h"
#include "engine/run.h"
#include "net/server.h"
#include "server/auth.h"
#include "server/serve.h"

ln_events *ln_events_new(ln_engine *g, ln_err *err);
void ln_events_free(ln_events *e);                       /* ends all streams; NULL is welcome               */

void ln_events_end(ln_events *e);                        /* ends all streams; more may begin                */

/* Something was committed.  json: one object, copied. */
void ln_events_add(ln_events *e, const char *kind, ln_str json);
/* What a run tells (an ln_event), as run, step, stage or approval. */
void ln_events_of_run(ln_events *e, ln_run *r, const ln_event *ev);

/* A stream that has begun gets what came after the event `last` ("": from now on), or, where that is not
** known any more, a `reset`; and then everything, until it is dropped for not keeping up. */
enum { LN_EVENTS_MOST = 3 << 20 /* bytes that may wait for a reader */, LN_LISTENERS_MOST = 64 };
typedef struct ln_listener ln_listener;
/* who: their stream ends when they may no more.  NULL: "unavailable", there are too many. */
ln_listener *ln_listener_new(ln_events *e, const ln_caller *who, ln_err *err);
void ln_listener_gone(void *listener);                   /* for ln_exchange_stream: frees it                */
void ln_listener_begin(ln_listener *l, ln_stream *t, ln_str last);

#endif
