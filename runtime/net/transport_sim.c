/* transport_sim.c: the simulated transport: a function in the same process answers, and virtual time passes
** until the answer is delivered.  It keeps the promises of the real one, so that what is tested here holds
** there: a late answer is a time-out that was perhaps sent, one too large is cut, a sink is fed. */
#include "net/transport.h"

#include <stdlib.h>

enum { CHUNK = 16 * 1024 };

typedef struct transport transport;

typedef struct sending {
  ln_timer timer;
  transport *t;
  ln_sim_reply reply;
  ln_answer early;                                       /* instead of the reply, if it has an error       */
  ln_sink_fn sink;
  void *sink_arg;
  size_t max;
  ln_answer_fn done;
  void *arg;
  struct sending *prev, *next;
} sending;

struct transport {
  ln_transport base;
  ln_loop *loop;
  ln_sim_handle_fn handle;
  void *handle_arg;
  sending *first;
};

static void forget(sending *s) {
  if (s->prev) s->prev->next = s->next;
  else s->t->first = s->next;
  if (s->next) s->next->prev = s->prev;
  if (s->reply.free) s->reply.free(&s->reply);
  free(s);
}

static void fail(ln_answer *a, ln_sent sent, const char *code, ln_retry retry, const char *text) {
  a->sent = sent;
  a->body = (ln_str){NULL, 0};
  ln_fail(&a->err, code, retry, "%s", text);
  a->err.status = a->status;
}

/* The sink's share of the body, in the pieces a network would bring. */
static bool feed(const sending *s, ln_str body) {
  while (body.n) {
    size_t n = body.n < CHUNK ? body.n : CHUNK;
    if (!s->sink(s->sink_arg, (ln_str){body.p, n})) return false;
    body = (ln_str){body.p + n, body.n - n};
  }
  return true;
}

static void deliver(void *arg) {
  sending *s = arg;
  ln_answer a = s->early.err.code[0] ? s->early : s->reply.answer;
  if (a.sent == LN_ANSWERED) {
    ln_err_clear(&a.err);
    if (a.body.n > s->max || (s->sink && !feed(s, a.body)))
      fail(&a, LN_PERHAPS_SENT, "too_big", LN_FINAL, "the answer is larger than is allowed here");
    if (s->sink) a.body = (ln_str){NULL, 0};
  }
  s->done(s->arg, &a);
  forget(s);
}

/* Asks the handler.  How long until it is delivered; s->early is set when something comes in between. */
static int64_t ask(sending *s, const ln_request *r) {
  transport *t = s->t;
  if (!ln_request_check(r, &s->early.err)) return 0;
  ln_err_clear(&s->early.err);
  if (!t->handle(t->handle_arg, r, &s->reply)) {
    fail(&s->early, LN_NOT_SENT, "unavailable", LN_AGAIN, "nobody answers at this address");
    return 0;
  }
  if (r->timeout_ms <= 0 || s->reply.after_ms <= r->timeout_ms) return s->reply.after_ms;
  fail(&s->early, s->reply.answer.sent == LN_NOT_SENT ? LN_NOT_SENT : LN_PERHAPS_SENT, "timeout", LN_AGAIN,
       "no whole answer within the time allowed");
  return r->timeout_ms;
}

static void *send_request(ln_transport *base, const ln_request *r, ln_answer_fn done, void *arg) {
  transport *t = (transport *)base;
  sending *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  s->t = t;
  s->timer = (ln_timer){.fn = deliver, .arg = s};
  s->sink = r->sink;
  s->sink_arg = r->sink_arg;
  s->max = r->max_response;
  s->done = done;
  s->arg = arg;
  s->next = t->first;
  if (t->first) t->first->prev = s;
  t->first = s;
  if (t->loop->timer(t->loop, &s->timer, ask(s, r))) return s;
  forget(s);
  return NULL;
}

static void drop(ln_transport *base, void *s) {
  transport *t = (transport *)base;
  t->loop->cancel(t->loop, &((sending *)s)->timer);
  forget(s);
}

static void free_transport(ln_transport *base) {
  if (!base) return;
  transport *t = (transport *)base;
  while (t->first) drop(base, t->first); /* NOLINT(clang-analyzer-unix.Malloc): which moves t->first on */
  free(t);
}

ln_transport *ln_transport_sim(ln_loop *l, ln_sim_handle_fn handle, void *arg, ln_err *err) {
  transport *t = calloc(1, sizeof *t);
  if (!t) {
    ln_fail(err, "memory", LN_AGAIN, "no memory for the simulated network");
    return NULL;
  }
  *t = (transport){{send_request, drop, free_transport}, l, handle, arg, NULL};
  return &t->base;
}
