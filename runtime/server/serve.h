/* serve.h: one process that has a store to itself: it carries all runs, and does what commands ask of it over
** a Unix socket beside the store.  What commands only read they read in the store. */
#ifndef LN_SERVE_H
#define LN_SERVE_H

#include "engine/engine.h"

typedef struct ln_service ln_service;

/* Takes the store ("conflict": another serves it), takes up what is due and what the dead have left, and
** listens.  Everything happens on the engine's loop. */
ln_service *ln_service_start(ln_engine *g, ln_err *err);
void ln_service_stop(ln_service *s);                       /* gives all runs up, in order; NULL is welcome */

/* --- the other end, for commands --- */
bool ln_service_there(const ln_store *s);                 /* does a living process serve it? */
/* Asks it for something: an encoded object { do = "run" | "call" | "resume" | "cancel" | "decide", … }
** (serve.c has what each takes); answer: an encoded object.  What it refuses comes as its error. */
bool ln_service_ask(const ln_store *s, ln_str request, ln_buf *answer, ln_err *err);

#endif
