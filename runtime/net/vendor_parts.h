/* vendor_parts.h: what vendor.c and token.c share, and nobody else sees. */
#ifndef LN_VENDOR_PARTS_H
#define LN_VENDOR_PARTS_H

#include "net/breaker.h"
#include "net/retry.h"
#include "net/vendor.h"

typedef struct ln_token {
  ln_buf value;                                          /* empty: none */
  uint64_t generation;                                   /* grows with each token */
  int64_t until, renew_at;
  bool fetching;                                         /* a token call is on the wire, or rests */
  void *sending;
  ln_timer rest;
  int attempts;
  bool moved;                                            /* this fetch was led to another region already */
} ln_token;

/* Of a call.  GIVEN: it has a place at the vendor; HELD: its caller knows, and has to say that it goes;
** ENDED: its done is still to be called. */
typedef enum { QUEUED, GIVEN, HELD, ON_WIRE, ENDED, STAGES } lnV_stage;
typedef struct ln_calls { ln_calling *first, *last; } ln_calls;

struct ln_vendor {
  ln_loop *loop;
  ln_transport *transport;
  ln_rand *rand;
  const char *name;
  char *base;
  const ln_auth *auth;
  ln_value_fn value;
  ln_token_fn read_token;
  void *arg;
  int64_t pace;
  bool loopback;
  ln_calls calls[STAGES];                                /* QUEUED: in order of arrival */
  ln_timer wake;                                         /* when the queue is to be looked at again */
  int64_t due;                                           /* nobody's patience or rest is over before */
  ln_limits *limits;
  int64_t said_until;                                    /* the log has told of a wait until then */
  ln_breaker breaker;
  ln_budget budget;
  ln_token token;
  int refusals;                                          /* of the credentials, in a row */
  int64_t shut_until;                                    /* the credentials are bad: nobody is sent before */
  ln_err shut_err;
  ln_vendor_stats stats;
};

int64_t lnV_now(const ln_vendor *v);                     /* ms that never step */
int64_t lnV_paced(const ln_vendor *v, int64_t ms);       /* ms / pace */
void lnV_pump(ln_vendor *v);             /* sends what may be sent, ends what is to end; from the loop only */
void lnV_fail_waiting(ln_vendor *v, const ln_err *err);  /* ends all calls that wait; from the loop only */
bool lnV_trouble(const ln_answer *a);                    /* does it say that the service is in trouble? */

/* Is there a token to use?  Starts to fetch or renew one where needed; lnV_pump follows when it has come. */
bool lnV_token_ready(ln_vendor *v);
void lnV_token_refused(ln_vendor *v, uint64_t generation); /* that one is no good any more */
bool lnV_renewable(const ln_vendor *v);
void lnV_token_init(ln_vendor *v);
void lnV_token_free(ln_vendor *v);
/* The header that shows who calls, into name and value; value is a secret: wipe it. */
bool lnV_credentials(ln_vendor *v, ln_str *name, ln_buf *value, ln_err *err);

#endif
