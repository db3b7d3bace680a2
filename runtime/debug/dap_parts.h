/* dap_parts.h: what the parts of the Debug Adapter Protocol share: dap.c has the session and what goes,
** dap_show.c what is looked at, dap_wire.c the framing. */
#ifndef LN_DAP_PARTS_H
#define LN_DAP_PARTS_H

#include "debug/dap_wire.h"
#include "debug/travel.h"

#include <limits.h>
#include <pthread.h>

typedef struct dap_ref {
  int64_t frame, members;
  ln_scope scope;
} dap_ref; /* members 0: a frame's scope */

typedef struct dap {
  ln_engine *g;
  ln_dap_wire *wire;
  ln_travel *t;         /* NULL: nothing was launched */
  pthread_mutex_t lock; /* of this, for the reader that interrupts it: */
  bool going;           /* t moves */
  int64_t seq;
  bool lines_at_0, stop_on_entry, at_end, configured;
  bool over, gone, failed; /* gone: disconnected; failed: nobody reads any more */
  int64_t at_step;
  int64_t thread; /* that the request at hand is about; 0: none */
  dap_ref *refs; /* ids are 1 … */
  size_t n_refs, cap_refs;
} dap;

typedef struct dap_request {
  int64_t seq;
  ln_str command, args; /* args: an encoded object, or "" */
  ln_json body;        /* of the answer: members are put here */
  ln_err *err;          /* why not */
} dap_request;

typedef bool (*dap_fn)(dap *d, dap_request *q); /* false: q->err */

enum { DAP_END_FRAME = 1 }; /* an id that no frame has */

/* dap.c */
void dap_output(dap *d, const char *category, ln_str text);
int64_t dap_line_out(const dap *d, int64_t line);
/* dap_show.c */
bool dap_threads(dap *d, dap_request *q);
bool dap_stack(dap *d, dap_request *q);
bool dap_scopes(dap *d, dap_request *q);
bool dap_variables(dap *d, dap_request *q);
bool dap_evaluate(dap *d, dap_request *q);
bool dap_source(dap *d, dap_request *q);
bool dap_sources(dap *d, dap_request *q);
void dap_forget(dap *d); /* it goes: what was shown is not there any more */

#endif
