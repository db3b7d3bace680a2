/* triggers.h: the playbooks that alerts or the clock start: what they declare, and what their `on` and `key`
** say of an alert.  Both run in a scratch VM, within 200 ms of CPU and the memory of any playbook; they may
** look at the store, and do nothing else that leaves. */
#ifndef LN_TRIGGERS_H
#define LN_TRIGGERS_H

#include "engine/engine.h"

enum { LN_TRIGGER_KEY = 500 /* bytes of a key */ };

typedef struct ln_trigger {
  char *module;
  bool on, key;                                          /* it has an `on`, a `key`                         */
  int64_t every_ms;                                      /* 0: it is not scheduled                          */
  bool overlap;                                          /* it starts while its last run goes on            */
  ln_err broken;                                         /* it does not load: it misses every alert         */
} ln_trigger;

/* Those of one snapshot. */
typedef struct ln_triggers ln_triggers;
/* Of the newest scripts.  NULL: no memory, or the scripts cannot be read. */
ln_triggers *ln_triggers_new(ln_engine *g, ln_err *err);
void ln_triggers_free(ln_triggers *t);                   /* NULL is welcome                                 */
/* Are they still those of the newest scripts?  A failure is a no. */
bool ln_triggers_current(const ln_triggers *t);
struct ln_snapshot *ln_triggers_snapshot(const ln_triggers *t);
size_t ln_triggers_count(const ln_triggers *t);
const ln_trigger *ln_triggers_at(const ln_triggers *t, size_t i);

typedef enum ln_asked { LN_ASKED_NO, LN_ASKED_YES, LN_ASKED_MISSED } ln_asked;
/* What trigger i says of a normalised alert (encoded).  sure: its `on` is not asked.  YES: `key` has what its
** key says ("" : none), `input` the run's input, coerced and encoded (both are appended to).  MISSED: why. */
ln_asked ln_trigger_ask(ln_triggers *t, size_t i, ln_str alert, bool sure, ln_buf *key, ln_buf *input,
                        ln_err *why);
/* The input of a run that the clock starts: what the playbook and the site have for it.  False: why not. */
bool ln_trigger_input(ln_triggers *t, size_t i, ln_buf *input, ln_err *why);

#endif
