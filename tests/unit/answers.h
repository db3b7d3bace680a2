/* answers.h: what the tests of both transports keep of an answer, and how they look at it. */
#ifndef LN_TEST_ANSWERS_H
#define LN_TEST_ANSWERS_H

#include "net/transport.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

typedef struct got {
  ln_loop *loop;
  int calls, outstanding;
  ln_sent sent;
  int status;
  ln_err err;
  char headers[1024], body[8192];
  size_t body_n;
} got;

static void on_answer(void *arg, const ln_answer *a) {
  got *g = arg;
  g->calls++;
  g->sent = a->sent;
  g->status = a->status;
  g->err = a->err;
  size_t at = 0;
  g->headers[0] = '\0';
  for (size_t i = 0; i < a->n_headers && at < sizeof g->headers; i++)
    at += (size_t)snprintf(g->headers + at, sizeof g->headers - at, LN_STR_FMT "=" LN_STR_FMT "\n",
                           LN_STR_ARG(a->headers[i].name), LN_STR_ARG(a->headers[i].value));
  g->body_n = a->body.n;
  size_t n = a->body.n < sizeof g->body ? a->body.n : sizeof g->body - 1;
  if (n) memcpy(g->body, a->body.p, n);
  g->body[n] = '\0';
  if (--g->outstanding == 0) g->loop->stop(g->loop);
}

static void want(const got *g, ln_sent sent, const char *code) {
  if (g->sent != sent || strcmp(g->err.code, code) != 0)
    fail_msg("sent %d, %s: %s", (int)g->sent, g->err.code, g->err.message);
}

typedef struct sink {
  size_t n, most;
} sink;

static inline bool on_chunk(void *arg, ln_str chunk) {
  sink *k = arg;
  k->n += chunk.n;
  return k->n <= k->most;
}

#endif
