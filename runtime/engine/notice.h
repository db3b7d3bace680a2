/* notice.h: what people are told of: that something waits for them.  A notice is put by the transaction in
** which the wait begins, one for each target of the configuration's `notify` that wants to hear of it; so it
** is there when the process dies right after it.  notices.c sends them. */
#ifndef LN_NOTICE_H
#define LN_NOTICE_H

#include "engine/inside.h"

/* n: event, run, approval, step, detail and until_ms (0: for a day); fills in the rest.  Quiet where nobody
** wants it; where too many wait to be sent already that is logged, and the notice is lost. */
bool ln_notice_put(ln_tx *tx, const ln_engine *g, ln_notice *n, ln_err *err);
/* The same of a real run, at work for nobody who sits before it: a plan and one against simulators tell
** nobody, and with `end` those of a command, a prompt, a poll or another run do not. */
bool ln_notice_of_run(ln_tx *tx, const ln_run *r, ln_notice *n, bool end, ln_err *err);
/* That a write of e is in doubt. */
bool ln_notice_doubt(ln_tx *tx, const ln_effect *e, ln_str why, ln_err *err);

/* --- making the message (notice_text.c) --- */
typedef struct ln_notice_facts {
  bool gone;                                             /* nobody has to be told any more                  */
  bool json;                                             /* of the message: else it is plain text           */
  ln_buf facts, message;                                 /* facts: an encoded object                        */
} ln_notice_facts;
void ln_notice_facts_free(ln_notice_facts *f);
/* What a message may say of n, as the store has it now.  link: where to look, or "". */
bool ln_notice_look(ln_engine *g, const ln_notice *n, ln_str link, ln_notice_facts *f, ln_err *err);
/* The message that the module `format` makes of f->facts, in a scratch VM that asks nothing of anybody. */
bool ln_notice_write(ln_run *scratch, ln_str format, ln_notice_facts *f, ln_err *err);
/* The module's name: "slack" is notify.slack, what has a dot is a module of the site. */
void ln_notice_module(ln_str format, ln_buf *out);

#endif
