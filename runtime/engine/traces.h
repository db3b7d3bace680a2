/* traces.h: what runs do, told to a collector as OTLP/HTTP in JSON: a span a run, a stage and a step.  Runs
** put spans into a ring, which costs them a copy; they go out in batches, from the same loop.  Where the
** collector does not keep up the oldest are dropped, and counted; no run ever waits for it. */
#ifndef LN_TRACES_H
#define LN_TRACES_H

#include "base/trace.h"
#include "engine/engine.h"

typedef enum ln_span_what { LN_SPAN_RUN, LN_SPAN_STAGE, LN_SPAN_STEP } ln_span_what;

enum { LN_SPAN_EVENTS = 4, LN_SPAN_D3FEND = 4, LN_SPAN_RING = 2048 };

/* Something that happened meanwhile: a question to people was asked, or answered. */
typedef struct ln_span_event {
  int64_t ms, approval;
  char state[12];                                        /* "waiting" "approved" "denied" …                 */
} ln_span_event;

/* One span, of names only: no value of an argument, no body, no message, and nobody's name is in it. */
typedef struct ln_span {
  ln_span_what what;
  uint8_t trace[LN_TRACE_ID], id[LN_SPAN_ID], parent[LN_SPAN_ID]; /* parent all zero: none                 */
  int64_t start_ms, end_ms;
  bool client;                                           /* it asks a vendor                                */
  bool failed, plan;
  char name[64];                                         /* playbook, stage or operation                    */
  char run[LN_ULID + 1], step[72];                       /* step: "okta.users#2"; "" where it has a name    */
  char playbook[64], stage[64];
  const char *cls;                                       /* "read" …; NULL: none                            */
  char outcome[16], state[16], error[LN_ERR_CODE];
  int status;                                            /* of HTTP, of an error; 0: none                   */
  char kind[24], technique[16], address[128];            /* entity's kind; ATT&CK; the vendor's host        */
  const char *method;                                    /* of raw HTTP; NULL: none                         */
  char d3fend[LN_SPAN_D3FEND][16];
  ln_span_event events[LN_SPAN_EVENTS];
  size_t n_events;
} ln_span;

typedef struct ln_traces ln_traces;
/* As the configuration says, on the engine's loop.  *out NULL, and true: it says nothing. */
bool ln_traces_start(ln_engine *g, ln_traces **out, ln_err *err);
/* What is there is sent, for drain_ms at most: runs the loop, so not from within it.  NULL is welcome. */
void ln_traces_stop(ln_traces *t, int64_t drain_ms);
void ln_traces_put(ln_traces *t, const ln_span *s);      /* copies                                          */

typedef struct ln_traces_stats { uint64_t sent, dropped; size_t waiting; } ln_traces_stats;
void ln_traces_stats_get(const ln_traces *t, ln_traces_stats *out);

/* The request of these spans, as OTLP's JSON mapping has it. */
void ln_traces_json(const ln_span *const *v, size_t n, ln_str service, ln_buf *out);

/* May a request to that host (of no connector's) say which trace it belongs to?  Where the configuration
** does not say otherwise it may if a credential is bound to the host. */
bool ln_traces_may_tell(const ln_engine *g, ln_str host);

#endif
