/* silence.h: ways in for alerts from which nothing has come for longer than the site thinks right: sources
** and the folder, where the configuration says how long that is (`silent`), and vendors that are asked, whose
** looks have failed for a while.  When each was heard of last is in the store. */
#ifndef LN_SILENCE_H
#define LN_SILENCE_H

#include "engine/engine.h"

enum { LN_INTAKE_NAME = 120 };

typedef struct ln_intake_heard {
  const char *name;                                      /* "source edr", "folder", "poll crowdstrike"      */
  int64_t at_ms;                                         /* last; 0: never, and nobody waits for it yet     */
  int64_t limit_ms;
  bool silent;                                           /* for longer than that                            */
} ln_intake_heard;
typedef void (*ln_intake_heard_fn)(void *arg, const ln_intake_heard *h);

/* The cursor whose time says when that way in was heard of: for ln_alert_from.  name: of a source or a
** connector. */
void ln_intake_cursor(const char *kind, ln_str name, char out[LN_INTAKE_NAME]);
/* From now on: what was never heard of is silent once its time is over, counted from the first call, whatever
** process made it. */
bool ln_silence_begin(ln_engine *g, ln_err *err);
/* Each way in that can be silent. */
bool ln_silence_each(ln_engine *g, ln_intake_heard_fn fn, void *arg, ln_err *err);

#endif
