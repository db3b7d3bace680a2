/* trace.h: where something stands in a distributed trace (W3C Trace Context): the trace, and a span of it.
** Ids that we give follow from names, by SHA-256, so that whoever carries a run after a crash goes on in the
** same trace, and what is told twice is told under the same id. */
#ifndef LN_TRACE_H
#define LN_TRACE_H

#include "base/str.h"

enum { LN_TRACE_ID = 16, LN_SPAN_ID = 8, LN_TRACEPARENT = 55 };

typedef struct ln_trace {
  uint8_t id[LN_TRACE_ID], span[LN_SPAN_ID];             /* span all zero: none is above                    */
  bool sampled;                                          /* somebody keeps it                               */
} ln_trace;

/* A `traceparent` header.  False: it is none, and out stays as it was. */
bool ln_trace_read(ln_str header, ln_trace *out);
void ln_trace_write(const ln_trace *t, char out[LN_TRACEPARENT + 1]); /* NUL-ended */
bool ln_trace_has_span(const ln_trace *t);
/* What a name stands for, never all zero.  kind: "trace", "run", "step" …: no two kinds share ids. */
void ln_trace_id_of(const char *kind, ln_str name, uint8_t id[LN_TRACE_ID]);
void ln_span_id_of(const char *kind, ln_str run, ln_str name, uint8_t id[LN_SPAN_ID]);
/* Is the trace among that share (0 to 1) of all?  By its id alone: everybody answers the same. */
bool ln_trace_in_share(const uint8_t id[LN_TRACE_ID], double share);

#endif
