/* serve.h: one process that has a store to itself: it carries all runs, and does what is asked of it: by
** commands over a Unix socket beside the store, by others over HTTP.  What is only read is read in the
** store. */
#ifndef LN_SERVE_H
#define LN_SERVE_H

#include "engine/engine.h"
#include "engine/reload.h"
#include "engine/run.h"
#include "engine/sched.h"

typedef struct ln_service ln_service;
typedef struct ln_events ln_events;                      /* server/events.h                                 */
struct ln_alerts;                                        /* engine/alerts.h                                 */
struct ln_notices;                                       /* engine/notices.h                                */
typedef struct ln_tallies ln_tallies;                    /* server/tallies.h                                */

typedef struct ln_service_opts {
  int fd;                                                /* listens for HTTP already; 0: none          */
} ln_service_opts;

/* Takes the store ("conflict": another serves it), takes up what is due and what the dead have left, and
** listens.  Everything happens on the engine's loop. */
ln_service *ln_service_start(ln_engine *g, const ln_service_opts *o, ln_err *err);
void ln_service_stop(ln_service *s);                     /* gives all runs up, in order; NULL is welcome */
void ln_service_where(const ln_service *s, ln_buf *out); /* "http://127.0.0.1:7059"; nothing: no HTTP    */
/* Takes no more requests; calls done(arg) once those under way, and the writes on the wire, are answered, or
** after bound_ms. */
void ln_service_drain(ln_service *s, int64_t bound_ms, void (*done)(void *arg), void *arg);
/* Reads scripts and the TLS certificate again.  False: the certificate stays as it was, err says why. */
bool ln_service_reload(ln_service *s, ln_err *err);

/* --- for its doors, on the loop's thread --- */
/* Does what an encoded object asks (the head of serve.c says what may be), in the name of `who`, and calls
** done, perhaps at once, when what came of it is durable: answer is an encoded object, lent; or err. */
typedef void (*ln_service_fn)(void *arg, ln_str answer, const ln_err *err);
void ln_service_do(ln_service *s, ln_str who, ln_str request, ln_service_fn done, void *arg);
typedef struct ln_shelf { char snapshot[80]; ln_buf playbooks; } ln_shelf; /* as engine/shelf.h has them    */
ln_shelf *ln_service_shelf(ln_service *s);               /* api_library.c's                                */
struct ln_alerts *ln_service_alerts(const ln_service *s);
ln_events *ln_service_events(const ln_service *s);
ln_tallies *ln_service_tallies(const ln_service *s);
const ln_reload *ln_service_scripts(const ln_service *s); /* NULL: they are not watched                   */
const struct ln_notices *ln_service_notices(const ln_service *s);
const ln_sched *ln_service_sched(const ln_service *s);
bool ln_service_is_draining(const ln_service *s);
void ln_service_on_event(void *arg, ln_run *r, const ln_event *e); /* what any run of it tells              */
void ln_service_nudge(ln_service *s);                    /* something was committed that runs wait for   */

/* --- the other end, for commands --- */
bool ln_service_there(const ln_store *s);                /* does a living process serve it? */
/* Asks it for something: an encoded object { do = "run" | "call" | "resume" | "cancel" | "decide", … }
** (serve.c has what each takes); answer: an encoded object.  What it refuses comes as its error. */
bool ln_service_ask(const ln_store *s, ln_str request, ln_buf *answer, ln_err *err);

#endif
