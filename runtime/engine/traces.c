/* traces.c: see traces.h.  One batch at a time is on its way; what comes meanwhile waits in the ring.  A
** batch that cannot be delivered now (the collector is away, or says so) is sent again, as it is: the ids in
** it are the same, so a collector that took it after all sees nothing new. */
#include "engine/traces.h"

#include "base/log.h"
#include "engine/credential.h"
#include "net/retry.h"
#include "net/vendor.h"

#include <stdlib.h>

enum {
  BATCH = 512,
  WAIT_MS = 1000,                                        /* until a batch that is not full is sent          */
  TIMEOUT_MS = 10000,
  TRIES = 8,
  BACKOFF_MS = 1000, BACKOFF_CAP_MS = 30000,
  SAY_MS = 60000,                                        /* the log tells of trouble so often at most       */
  ANSWER_MOST = 64 << 10, BODY_MOST = 8 << 20, SECRET_MOST = 72 << 10
};

struct ln_traces {
  ln_engine *g;
  ln_span *ring;                                         /* LN_SPAN_RING of them                            */
  size_t first, n;
  ln_buf body;                                           /* of the batch under way; empty: there is none    */
  size_t in_body;
  int tries;
  void *sending;
  ln_timer wake, late;                                   /* late: of the drain                              */
  bool armed, stopping, is_late;
  int64_t said_ms;                                       /* when the log last told of trouble; 0: never     */
  ln_traces_stats stats;
};

static void send_batch(ln_traces *t);

static void arm(ln_traces *t, int64_t ms) {
  t->armed = t->g->loop->timer(t->g->loop, &t->wake, ms);
}

/* ------------------------------------------------------------------ the ring */

static void drop(ln_traces *t, size_t n) { t->stats.dropped += n; }

void ln_traces_put(ln_traces *t, const ln_span *s) {
  if (t->n == LN_SPAN_RING) {
    t->first = (t->first + 1) % LN_SPAN_RING;
    t->n--;
    drop(t, 1);
  }
  t->ring[(t->first + t->n++) % LN_SPAN_RING] = *s;
  if (t->body.n || t->stopping) return;
  if (t->n == BATCH) arm(t, 0);
  else if (!t->armed) arm(t, WAIT_MS);
}

static void make_batch(ln_traces *t) {
  const ln_span *v[BATCH];
  size_t n = t->n < BATCH ? t->n : BATCH;
  for (size_t i = 0; i < n; i++) v[i] = &t->ring[(t->first + i) % LN_SPAN_RING];
  ln_traces_json(v, n, t->g->config->traces.service, &t->body);
  t->first = (t->first + n) % LN_SPAN_RING;
  t->n -= n;
  t->in_body = n;
  t->tries = 0;
  if (!ln_buf_failed(&t->body)) return;
  ln_buf_free(&t->body);
  drop(t, n);
}

/* ------------------------------------------------------------------ what came back */

static void batch_is_over(ln_traces *t) {
  ln_buf_free(&t->body);
  t->in_body = 0;
  if (t->n) arm(t, t->n >= BATCH || t->stopping ? 0 : WAIT_MS);
  else if (t->stopping) t->g->loop->stop(t->g->loop);
}

static void say(ln_traces *t, const char *what, const ln_err *why) {
  int64_t now = ln_mono_us(t->g->loop->clock) / 1000;
  if (t->said_ms && now - t->said_ms < SAY_MS) return;
  t->said_ms = now ? now : 1;
  ln_log(LN_WARN, what, "dropped=%llu status=%d error=%s", (unsigned long long)t->stats.dropped, why->status,
         why->message);
}

static void give_up(ln_traces *t, const ln_err *why) {
  drop(t, t->in_body);
  say(t, "traces.dropped", why);
  batch_is_over(t);
}

/* after_ms -1: not said. */
static void try_again(ln_traces *t, int64_t after_ms, const ln_err *why) {
  if (++t->tries >= TRIES || (t->stopping && after_ms < 0)) {
    give_up(t, why);
    return;
  }
  say(t, "traces.waits", why);
  arm(t, after_ms >= 0 ? after_ms : ln_backoff_ms(t->g->rand, t->tries, BACKOFF_MS, BACKOFF_CAP_MS));
}

/* OTLP's own list; and where no answer came, for the same spans twice are the same. */
static bool is_for_later(const ln_answer *a) {
  if (a->sent != LN_ANSWERED) return ln_err_is(&a->err, "unavailable") || ln_err_is(&a->err, "timeout");
  return a->status == 429 || a->status == 502 || a->status == 503 || a->status == 504;
}

static void on_answer(void *arg, const ln_answer *a) {
  ln_traces *t = arg;
  ln_err why = a->err;
  t->sending = NULL;
  if (a->sent == LN_ANSWERED && a->status >= 200 && a->status < 300) {
    t->stats.sent += t->in_body;
    batch_is_over(t);
    return;
  }
  if (a->sent == LN_ANSWERED) ln_fail(&why, "failed", LN_FINAL, "the collector refuses them");
  why.status = a->status;
  if (is_for_later(a))
    try_again(t, ln_retry_after_ms(ln_answer_header(a, LN_STR("retry-after")), ln_now_ms(t->g->loop->clock)),
              &why);
  else give_up(t, &why);
}

/* ------------------------------------------------------------------ sending */

static bool transmit(ln_traces *t, ln_err *err) {
  const ln_config *c = t->g->config;
  ln_header h[3] = {{LN_STR("Content-Type"), LN_STR("application/json")},
                    {LN_STR("User-Agent"), LN_STR(LN_USER_AGENT)}};
  size_t n = 2;
  ln_buf secret;
  ln_buf_init(&secret, SECRET_MOST);
  ln_str body = ln_buf_view(&t->body);
  ln_str host = ln_config_host(c->traces.url);
  bool ok = !c->traces.auth.n ||
            ln_credential_show(t->g, c->traces.auth, host, body, false, &h[n].name, &secret, err);
  if (c->traces.auth.n) h[n++].value = ln_buf_view(&secret);
  ln_request r = {.method = LN_STR("POST"), .url = c->traces.url, .headers = h, .n_headers = n, .body = body,
                  .timeout_ms = TIMEOUT_MS, .max_response = ANSWER_MOST, .loopback_ok = c->traces.loopback};
  if (ok && !(t->sending = t->g->transport->send(t->g->transport, &r, on_answer, t)))
    ok = ln_fail(err, "memory", LN_AGAIN, "no memory to send spans");
  ln_buf_wipe(&secret);
  return ok;
}

static void send_batch(ln_traces *t) {
  ln_err err = {0};
  if (!t->body.n && t->n) make_batch(t);
  if (t->body.n && !transmit(t, &err)) try_again(t, -1, &err);
}

static void on_wake(void *arg) {
  ln_traces *t = arg;
  t->armed = false;
  if (!t->sending) send_batch(t);
}

/* ------------------------------------------------------------------ beginning and end */

bool ln_traces_start(ln_engine *g, ln_traces **out, ln_err *err) {
  *out = NULL;
  if (!g->config->traces.url.n) return true;
  ln_traces *t = calloc(1, sizeof *t);
  if (!t || !(t->ring = malloc(LN_SPAN_RING * sizeof *t->ring))) {
    free(t);
    return ln_fail(err, "memory", LN_AGAIN, "no memory for traces");
  }
  t->g = g;
  t->wake = (ln_timer){.loop = g->loop, .fn = on_wake, .arg = t};
  ln_buf_init(&t->body, BODY_MOST);
  *out = t;
  return true;
}

static void on_late(void *arg) {
  ln_traces *t = arg;
  t->is_late = true;
  t->g->loop->stop(t->g->loop);
}

static void drain(ln_traces *t, int64_t ms) {
  ln_loop *l = t->g->loop;
  t->stopping = true;
  t->late = (ln_timer){.loop = l, .fn = on_late, .arg = t};
  if (!l->timer(l, &t->late, ms)) return;
  if (!t->sending) arm(t, 0);                            /* also what rests until it is tried again */
  while (!t->is_late && (t->body.n || t->n)) l->run(l);
  l->cancel(l, &t->late);
}

void ln_traces_stop(ln_traces *t, int64_t drain_ms) {
  if (!t) return;
  ln_loop *l = t->g->loop;
  if (t->body.n || t->n) drain(t, drain_ms);
  if (t->sending) t->g->transport->drop(t->g->transport, t->sending);
  drop(t, t->in_body + t->n);
  if (t->stats.dropped)
    ln_log(LN_WARN, "traces.stopped", "sent=%llu dropped=%llu", (unsigned long long)t->stats.sent,
           (unsigned long long)t->stats.dropped);
  l->cancel(l, &t->wake);
  ln_buf_free(&t->body);
  free(t->ring);
  free(t);
}

void ln_traces_stats_get(const ln_traces *t, ln_traces_stats *out) {
  *out = t->stats;
  out->waiting = t->n + t->in_body;
}

bool ln_traces_may_tell(const ln_engine *g, ln_str host) {
  const ln_config *c = g->config;
  if (c->traces.tell != LN_TELL_KNOWN) return c->traces.tell == LN_TELL_ANY;
  for (size_t i = 0; i < c->n_credentials; i++)
    if (ln_credential_is_for(&c->credentials[i], host)) return true;
  return false;
}
