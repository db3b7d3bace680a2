/* alerts.h: alerts made durable, and the runs that they start.  What is handed in is normalised, kept once
** each for ever, by source and id, and answered when it is on disk; then each playbook's `on` is asked, and
** what it starts is there in the transaction that ends the asking.  A crash at any moment loses nothing and
** starts nothing twice. */
#ifndef LN_ALERTS_H
#define LN_ALERTS_H

#include "engine/engine.h"

typedef struct ln_alerts ln_alerts;

enum {
  LN_ALERTS_TEXT = 16 << 20,                             /* bytes of one text, and of what gzip makes of it */
  LN_ALERTS_ANSWER_MS = 50                               /* an answer waits so long for triggers            */
};

/* How far a source was read, or which of its deliveries this is: written with the alerts, or not at all. */
typedef struct ln_alert_from {
  ln_str by;                                             /* who hands it in: whose runs they are            */
  ln_str source;                                         /* of what nobody knows; may be empty              */
  ln_str mark; int64_t mark_until_ms;                    /* a delivery's signature; mark empty: none        */
  ln_str trace;                                          /* its traceparent, which its runs go on from      */
  ln_str cursor, cursor_value;                           /* cursor: its name; empty: none                   */
} ln_alert_from;

/* answer: an encoded { alerts = { { id, new, runs, source } … }, unknown = { { at, id, new, why } … } }, in
** order; runs: those of the alert so far; lent.  err: nothing was taken: "store", "memory", "conflict": that
** delivery was seen before. */
typedef void (*ln_alerts_fn)(void *arg, ln_str answer, const ln_err *err);

/* On the engine's loop, whose scheduler carries the runs; takes up what was not decided yet.  NULL: memory,
** or the store. */
ln_alerts *ln_alerts_start(ln_engine *g, ln_err *err);
/* What is under way is finished or given back ("unavailable"); NULL is welcome. */
void ln_alerts_stop(ln_alerts *a);
/* Takes a text: one document, an array, a page, or JSON lines; also packed with gzip.  It is copied; fn is
** called once, from the loop.  False, and it is not: "unavailable" (LN_AGAIN: too much is on its way),
** "too_big", "bad_argument" (damaged gzip), "memory". */
bool ln_alerts_take(ln_alerts *a, ln_str text, const ln_alert_from *from, ln_alerts_fn fn, void *arg,
                    ln_err *err);
/* The same at once, by a process that runs nothing: what is new waits until one serves the store, which asks
** the triggers.  False: as fn's err. */
bool ln_alerts_keep(ln_engine *g, ln_str text, const ln_alert_from *from, ln_alerts_fn fn, void *arg,
                    ln_err *err);
/* A person has answered something: what was held back may go on. */
void ln_alerts_nudge(ln_alerts *a);

#endif
