/* transport.h: the seam of the network: one request in; one answer, or "not sent", or "perhaps sent", out.
** A transport never follows a redirect, never repeats a request by itself, and always verifies TLS.
** transport_curl.c is the real one, transport_sim.c asks a simulator in the same process. */
#ifndef LN_TRANSPORT_H
#define LN_TRANSPORT_H

#include "base/loop.h"
#include "base/str.h"

typedef struct ln_header {
  ln_str name, value;
} ln_header;

bool ln_header_name_ok(ln_str name);                     /* a token of RFC 9110                           */
bool ln_header_value_ok(ln_str value);                   /* no control characters but tabs                */

typedef bool (*ln_sink_fn)(void *arg, ln_str chunk);     /* false: stop, the answer is "too_big"          */

typedef struct ln_request {                              /* borrowed until send returns                   */
  ln_str method, url;                                    /* absolute; http:// only to loopback            */
  const ln_header *headers;
  size_t n_headers;
  ln_str body;                                           /* POST, PUT and PATCH always send Content-Length */
  int64_t timeout_ms;                                    /* the whole exchange                            */
  size_t max_response;                                   /* bytes of body, else err.code "too_big"        */
  bool loopback_ok;                                      /* else a name that leads to loopback, link-local
                                                            or unspecified addresses is refused, unsent   */
  ln_sink_fn sink;                                       /* NULL: the body is gathered in the answer      */
  void *sink_arg;
} ln_request;

typedef enum ln_sent {
  LN_NOT_SENT,                                           /* nothing left this process: free to try again  */
  LN_ANSWERED,                                           /* a whole answer, whatever its status           */
  LN_PERHAPS_SENT                                        /* time-out, reset, half an answer, too big      */
} ln_sent;

typedef struct ln_answer {                               /* lent for the call-back                        */
  ln_sent sent;
  int status;                                            /* 0: no status line was seen                    */
  const ln_header *headers;                              /* as they came, repeated ones repeated          */
  size_t n_headers;
  ln_str body;                                           /* decoded (gzip); empty with a sink             */
  ln_err err;                                            /* code "" when ANSWERED; else timeout,
                                                            unavailable, too_big, bad_argument, refused   */
} ln_answer;

typedef void (*ln_answer_fn)(void *arg, const ln_answer *a);

typedef struct ln_transport ln_transport;
struct ln_transport {
  /* Calls done once, later, from the top of the loop.  NULL: no memory, done is not called. */
  void *(*send)(ln_transport *t, const ln_request *r, ln_answer_fn done, void *arg);
  void (*drop)(ln_transport *t, void *sending);          /* done will not be called                       */
  void (*free)(ln_transport *t);
};

/* The real one, on a loop of loop_uv.c; its connections are pooled and free with it.  No proxy is used, the
** environment's neither.  From its first request on SIGPIPE is ignored.  Free it before the loop, not from within done. */
ln_transport *ln_transport_curl(ln_loop *l, ln_err *err);

/* The simulated one: handle answers a request at once; `after_ms` of virtual time later it is delivered,
** or the time-out, if that comes first.  handle false: nobody is there ("unavailable", not sent). */
typedef struct ln_sim_reply {
  ln_answer answer;                                      /* what the client sees; the handler's until free */
  int64_t after_ms;
  void (*free)(struct ln_sim_reply *r);
} ln_sim_reply;
typedef bool (*ln_sim_handle_fn)(void *arg, const ln_request *r, ln_sim_reply *out);
ln_transport *ln_transport_sim(ln_loop *l, ln_sim_handle_fn handle, void *arg, ln_err *err);

/* What every transport checks first: a method and headers that can be spelt, none that frames the message
** (Host, Content-Length, Transfer-Encoding, Connection, Expect, Upgrade, TE, Trailer).
** False: "bad_argument". */
bool ln_request_check(const ln_request *r, ln_err *err);

ln_str ln_answer_header(const ln_answer *a, ln_str name); /* the first of that name; {NULL,0}: none        */

#endif
