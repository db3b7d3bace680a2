/* vendor.h: one vendor's API as the network sees it: its address, its credentials, its limits and its
** moods. A call goes in; it waits for its turn, is sent with the credentials on it, and is sent again where
** that can do no harm; one end comes out.  Only bytes, headers and statuses are known here: what an answer
** *means* is asked of the call's decode.  All of it belongs to one loop's thread; times are the loop's
** clock, chance is the given generator, so that it runs the same in simulation. */
#ifndef LN_VENDOR_H
#define LN_VENDOR_H

#include "base/rand.h"
#include "net/auth.h"
#include "net/limit.h"
#include "net/transport.h"

#define LN_USER_AGENT "lunette/0.1"

typedef struct ln_vendor ln_vendor;
typedef struct ln_calling ln_calling;                    /* one call, from ln_vendor_send to its end */

/* Appends the value of a key of the connector's configuration (a secret's value, or plain text) to out. */
typedef bool (*ln_value_fn)(void *arg, ln_str key, ln_buf *out, ln_err *err);
/* Reads a token call's answer: appends the token, sets its life.  False: err says why, and whether to ask
** again. */
typedef bool (*ln_token_fn)(void *arg, const ln_answer *a, ln_buf *token, int64_t *life_s, ln_err *err);

typedef struct ln_vendor_opts {
  const char *name;                                      /* for errors and logs; outlives the vendor */
  ln_str url;                                            /* "https://host[:port][/prefix]", copied */
  const ln_auth *auth;                                   /* NULL: none; outlives the vendor */
  ln_value_fn value;
  ln_token_fn token;                                     /* needed for OAUTH2 and JWT */
  void *arg;                                             /* of both */
  int64_t concurrency;                                   /* in flight at once; 0: 16 */
  int64_t pace;                                          /* all waits are divided by it; 0: 1 */
  bool loopback;                                         /* loopback addresses are meant */
} ln_vendor_opts;

ln_vendor *ln_vendor_new(ln_loop *l, ln_transport *t, ln_rand *r, const ln_vendor_opts *o, ln_err *err);
void ln_vendor_free(ln_vendor *v);                       /* drops what is under way; not from within a done */
ln_str ln_vendor_base(const ln_vendor *v);           /* the base in use; another region may have been named */

typedef struct ln_verdict {                              /* zeroed before decode is asked */
  bool good;
  bool token;                                            /* the credentials were refused: renew them once */
  bool not_executed;                                     /* the vendor certainly did not act */
  bool own;                                              /* for the caller: its operation's own verdict */
  int64_t after_ms;                                      /* ask again after so long; -1: not said */
  ln_err err;                                            /* when not good; retry says whether to ask again */
} ln_verdict;

/* What an answer means.  Must not call the vendor.  The answer is lent. */
typedef void (*ln_decode_fn)(void *arg, const ln_answer *a, ln_verdict *v, ln_limit_told *told);

typedef enum ln_acted { LN_ACTED_NOT, LN_ACTED_PERHAPS, LN_ACTED_YES } ln_acted;

typedef struct ln_call_end {                             /* lent */
  bool good;
  ln_acted acted;                                        /* YES when good */
  const ln_answer *answer;                               /* the last attempt's, NULL: none was made */
  ln_err err;                                            /* when not good */
  int attempts;                                          /* that left this process, or tried to */
} ln_call_end;

typedef struct ln_call {                                 /* borrowed until ln_vendor_send returns */
  ln_str method, path;                                   /* path and query, beginning with '/' */
  const ln_header *headers;                              /* beside User-Agent and the credentials */
  size_t n_headers;
  ln_str body;
  ln_str limit;                                          /* the name under which it is counted */
  ln_str who;                                            /* as in ln_request; copied */
  ln_str trace;                                          /* its `traceparent`, or ""; copied */
  bool write;                                            /* never sent again once it was perhaps sent */
  bool apart;                                            /* as in ln_request */
  int64_t timeout_ms;                                    /* one attempt; 0: 60 s, of a write 30 */
  int64_t patience_ms;                                   /* the whole call, with all waits; 0: three hours */
  size_t max_response;                                   /* bytes; 0: 16 MiB */
  ln_decode_fn decode;                                   /* NULL: any answer is good */
  /* NULL: it goes as soon as it may.  Else it is told from the top of the loop each time it may go (come),
  ** with its place and its token kept for it until ln_vendor_go or ln_vendor_drop; and when an attempt that
  ** certainly did nothing makes it wait for another turn (not come).  It may drop the call. */
  void (*turn)(void *arg, bool come);
  void (*done)(void *arg, const ln_call_end *end);       /* once, later, from the top of the loop */
  void *arg;
} ln_call;

ln_calling *ln_vendor_send(ln_vendor *v, const ln_call *c, ln_err *err); /* NULL: no memory, or a bad path */
/* Of a call whose turn has come: puts it on the wire before this returns.  Where that cannot be (its
** credentials have just run out) it waits for its turn again, or ends with LN_ACTED_NOT, later. */
void ln_vendor_go(ln_calling *x);
void ln_vendor_drop(ln_calling *x);                      /* done will not be called */

typedef struct ln_vendor_stats {
  uint64_t calls, attempts, retries, tokens;             /* tokens: token calls sent */
  int64_t waiting, in_flight, writing;                   /* calls now: for their turn; on the wire; writes */
  int64_t remaining;                                     /* of all calls, as it last said; -1: nothing */
  int64_t wait_ms;                                       /* nobody is sent before, by its limits; 0: now */
  bool open;                                             /* the breaker lets nobody through */
} ln_vendor_stats;
void ln_vendor_stats_get(const ln_vendor *v, ln_vendor_stats *out);

#endif
