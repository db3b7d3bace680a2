/* intake.h: documents of any known product, read as normalised alerts. */
#ifndef LN_INTAKE_H
#define LN_INTAKE_H

#include "engine/engine.h"

typedef struct ln_intake ln_intake;                      /* a scratch VM with the adapters                  */

/* What a text holds, one after another, in order. */
typedef struct ln_document {
  bool known;
  ln_str value;                                          /* an encoded value: the normalised alert; of what
                                                         ** is not known the document, or its text          */
  ln_str at;                                             /* "line 3", "" : where it stands                  */
  ln_str why;                                            /* why it is not known                             */
} ln_document;
typedef bool (*ln_document_fn)(void *arg, const ln_document *d); /* lent; false stops                       */

ln_intake *ln_intake_new(ln_engine *g, ln_err *err);
/* The name of the scripts that a new one would have its adapters from: a view, until they change.  NULL: they
** cannot be read. */
const char *ln_intake_scripts(ln_engine *g, ln_err *err);
void ln_intake_free(ln_intake *in);                      /* NULL is welcome                                 */
/* `text`: one document, an array, a page of some API, or JSON lines.  What no adapter knows, and what is no
** JSON, is given as well.  False: fn stopped (err is its own), or "memory". */
bool ln_intake_read(ln_intake *in, ln_str text, ln_document_fn fn, void *arg, ln_err *err);

/* The same, some documents at a time: of a long text, while others want the loop.  text and in outlive it. */
typedef struct ln_reading ln_reading;
ln_reading *ln_reading_new(ln_intake *in, ln_str text, ln_err *err);
/* At most so many; *more: it is not through.  False: as above. */
bool ln_reading_step(ln_reading *r, size_t most, ln_document_fn fn, void *arg, bool *more, ln_err *err);
void ln_reading_free(ln_reading *r);                     /* NULL is welcome                                 */

/* For people: each document as JSON, with `triggers`, the playbooks whose `on` wants it.  An `on` that fails
** is a missed trigger: it is named in `missed`, and stops nothing.  What is not known goes to `unknown`. */
typedef struct ln_alert_show {
  bool (*alert)(void *arg, ln_str json);                 /* false stops                                     */
  void (*unknown)(void *arg, const ln_document *d);
  void *arg;
} ln_alert_show;
bool ln_intake_show(ln_engine *g, ln_str text, const ln_alert_show *to, ln_err *err);

#endif
