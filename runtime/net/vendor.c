/* vendor.c: the life of a call.  It queues in order of arrival; it goes when the breaker lets it, the
** credentials are there, the limits say now, and fewer than the allowed number are in flight; a call that
** must wait longer does not hold up those behind it.  What comes back is either good, or final, or worth
** another try:
**
**   not sent, or certainly not executed    again, read or write
**   perhaps sent, or an answer that does   again for a read; for a write this is the end: it is in doubt, and
**   not say                                only whoever knows how to look may decide
**   the credentials were refused           they are renewed once, then it is tried once more
**
** Tries are few, spread by full jitter, and paid from a budget; waits that the vendor asked for cost
** nothing, but end with the call's patience.  `done` is only ever called from the top of the loop (see
** lnV_pump). */
#include "net/vendor_parts.h"

#include "base/log.h"

#include <stdlib.h>

enum {
  TRIES = 5,                                             /* of one call, for troubles */
  WAITS = 50,                                            /* of one call, for limits */
  CONCURRENCY = 16,
  READ_MS = 60000, WRITE_MS = 30000,                     /* an attempt; a doubtful write is settled sooner */
  PATIENCE_MS = 3 * 3600000,                             /* the longest windows are an hour */
  RESPONSE = 16 << 20,
  BACKOFF_MS = 1000, BACKOFF_CAP_MS = 30000,
  BREAK_AFTER = 8, BREAK_MS = 30000,                     /* failures in a row, and the rest that follows */
  REFUSALS = 3, REFUSED_MS = 60000,
  MAX_HEADERS = 64, MAX_URL = 64 * 1024,
};

struct ln_calling {
  ln_vendor *v;
  ln_calling *next, *prev;                               /* in one of the vendor's lists, by its stage */
  uint64_t turn;                                         /* in the order of arrival */
  ln_call c;                                             /* its texts lie behind the headers */
  ln_header *headers;                                    /* behind this; the last is for the credentials */
  lnV_stage stage;
  void *sending;
  int64_t rest_until, deadline;
  int tries, waits, attempts;
  bool renewed, tries_gate, cut_short;                   /* cut_short: the deadline shortens this attempt */
  uint64_t generation;                                   /* of the token it was sent with */
  ln_err err;
  ln_acted acted;
};

int64_t lnV_now(const ln_vendor *v) { return ln_mono_us(v->loop->clock) / 1000; }
int64_t lnV_paced(const ln_vendor *v, int64_t ms) { return ms / v->pace; }
ln_str ln_vendor_base(const ln_vendor *v) { return ln_str_of(v->base); }

/* --- the lists of calls, one a stage --- */

/* Puts x behind `after`; NULL: at the front. */
static void link_call(ln_calling *x, ln_calling *after) {
  ln_calls *l = &x->v->calls[x->stage];
  x->prev = after;
  x->next = after ? after->next : l->first;
  if (after) after->next = x;
  else l->first = x;
  if (x->next) x->next->prev = x;
  else l->last = x;
}

static void unlink_call(ln_calling *x) {
  ln_calls *l = &x->v->calls[x->stage];
  if (x->prev) x->prev->next = x->next;
  else l->first = x->next;
  if (x->next) x->next->prev = x->prev;
  else l->last = x->prev;
}

static void move_to(ln_calling *x, lnV_stage to) {
  unlink_call(x);
  x->stage = to;
  link_call(x, x->v->calls[to].last);
}

/* Back among those that wait, before all that came after it. */
static void queue_again(ln_calling *x) {
  ln_calling *after = NULL;
  unlink_call(x);
  x->stage = QUEUED;
  for (ln_calling *y = x->v->calls[QUEUED].first; y && y->turn < x->turn; y = y->next) after = y;
  link_call(x, after);
  if (x->deadline < x->v->due) x->v->due = x->deadline;
}

/* Its done is called when the present event is over. */
static void end_later(ln_calling *x) { move_to(x, ENDED); }

static void report(ln_calling *x, const ln_answer *a, bool good) {
  ln_call_end end = {good, good ? LN_ACTED_YES : x->acted, a, x->err, x->attempts};
  unlink_call(x);
  if (!good && !end.err.vendor[0]) {
    size_t n = strlen(x->v->name);
    if (n >= sizeof end.err.vendor) n = sizeof end.err.vendor - 1;
    memcpy(end.err.vendor, x->v->name, n);
    end.err.vendor[n] = '\0';
  }
  x->c.done(x->c.arg, &end);
  free(x);
}

static void drain(ln_vendor *v) {
  ln_calling *x;
  /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): moves it on */
  while ((x = v->calls[ENDED].first)) report(x, NULL, false);
}

/* --- sending --- */

static void on_answer(void *arg, const ln_answer *a);

static bool transmit(ln_calling *x, ln_str url, size_t n_headers, int64_t now) {
  ln_vendor *v = x->v;
  int64_t most = x->c.timeout_ms, left = x->deadline > now ? x->deadline - now : 1;
  x->cut_short = left < most;
  ln_request r = {.method = x->c.method, .url = url, .headers = x->headers, .n_headers = n_headers,
                  .body = x->c.body, .timeout_ms = x->cut_short ? left : most,
                  .max_response = x->c.max_response, .loopback_ok = v->loopback,
                  .who = x->c.who, .write = x->c.write, .apart = x->c.apart};
  x->sending = v->transport->send(v->transport, &r, on_answer, x);
  return x->sending != NULL;
}

/* Puts a call on the wire; it has its place.  False: x->err says why it cannot be. */
static bool dispatch(ln_calling *x, int64_t now) {
  ln_vendor *v = x->v;
  ln_buf url, secret;
  ln_buf_init(&url, MAX_URL);
  ln_buf_init(&secret, MAX_URL);
  ln_buf_secret(&secret);
  ln_str name;
  bool ok = lnV_credentials(v, &name, &secret, &x->err);
  if (ok && ln_buf_addz(&url, v->base) && ln_buf_add(&url, x->c.path)) {
    size_t n = x->c.n_headers;
    if (name.n) x->headers[n++] = (ln_header){name, ln_buf_view(&secret)};
    ok = transmit(x, ln_buf_view(&url), n, now);
    x->headers[x->c.n_headers] = (ln_header){{NULL, 0}, {NULL, 0}};
    if (!ok) ln_fail(&x->err, "memory", LN_AGAIN, "no memory to send a request");
  } else if (ok) {
    ok = ln_fail(&x->err, "too_big", LN_FINAL, "the request's address is too long");
  }
  ln_buf_free(&url);
  ln_buf_wipe(&secret);
  if (!ok) return false;
  move_to(x, ON_WIRE);
  x->attempts++;
  x->generation = v->token.generation;
  x->tries_gate = ln_breaker_sent(&v->breaker);
  v->stats.attempts++;
  return true;
}

static bool too_late(ln_calling *x, const char *why) {
  if (x->err.code[0]) return false;                      /* the trouble that made it wait says more */
  return ln_fail(&x->err, "timeout", LN_AGAIN, "%s: not sent in time: %s", x->v->name, why);
}

enum { NOTABLE_MS = 10000 };

/* Whoever waits for long, on a vendor's limit or because it is in trouble, is to know for what: said once for
** each time until which nothing is sent. */
static void say_wait(ln_vendor *v, int64_t at, int64_t now) {
  if (at < now + NOTABLE_MS || now < v->said_until) return;
  v->said_until = at;
  ln_log(LN_WARN, "vendor.waits", "vendor=%s ms=%lld", v->name, (long long)(at - now));
}

/* Can x go?  False: it waits (until *again at the latest), or has ended. */
static bool may_go(ln_calling *x, int64_t now, int64_t *again) {
  ln_vendor *v = x->v;
  *again = x->deadline;
  if (now >= x->deadline) {
    too_late(x, "others went first, or the vendor's limit holds it back");
    end_later(x);
    return false;
  }
  if (x->rest_until > now) {
    if (x->rest_until < *again) *again = x->rest_until;
    say_wait(v, x->rest_until, now);
    return false;
  }
  ln_gate gate = ln_breaker_ask(&v->breaker, now);
  if (now < v->shut_until) {
    x->err = v->shut_err;
  } else if (gate == LN_GATE_SHUT) {
    if (!x->err.code[0])
      ln_fail(&x->err, "unavailable", LN_AGAIN,
              "%s has failed %d times in a row; it is left alone for another %d s", v->name,
              v->breaker.failures, (int)((v->breaker.open_until - now) / 1000) + 1);
  } else {
    int64_t at = ln_limits_when(v->limits, x->c.limit, now);
    if (at > now && at < *again) *again = at;
    say_wait(v, at, now);
    if (at <= now || at < x->deadline)
      return at <= now && gate == LN_GATE_OPEN && ln_limits_room(v->limits) && lnV_token_ready(v);
    ln_fail(&x->err, "rate_limited", LN_AGAIN,
            "%s lets nobody call for another %d s, longer than this call may take", v->name,
            (int)((at - now) / 1000) + 1);
  }
  end_later(x);
  return false;
}

/* Asks to be woken at `at` (0: nothing waits).  Without memory for that, what waits would wait for ever. */
static void arm(ln_vendor *v, int64_t at, int64_t now) {
  if (!at) {
    v->loop->cancel(v->loop, &v->wake);
  } else if (!v->loop->timer(v->loop, &v->wake, at > now ? at - now : 0)) {
    ln_err err;
    ln_fail(&err, "memory", LN_AGAIN, "no memory for a timer");
    lnV_fail_waiting(v, &err);
  }
}

/* Takes a place at the vendor, and uses it, or keeps it until the caller says so. */
static void take_place(ln_calling *x, int64_t now) {
  ln_limits_sent(x->v->limits, x->c.limit);
  if (x->c.turn) {
    move_to(x, GIVEN);
  } else if (!dispatch(x, now)) {
    ln_limits_back(x->v->limits);
    end_later(x);
  }
}

/* Whoever is told may drop calls, its own among them: each time the list is looked at anew. */
static void tell_turns(ln_vendor *v) {
  for (ln_calling *x; (x = v->calls[GIVEN].first);) {
    move_to(x, HELD);
    x->c.turn(x->c.arg, true);
  }
}

/* Behind a full house the rest of the queue is not looked at before v->due, when somebody's patience or rest
** may be over: so an answer costs the same however many wait. */
void lnV_pump(ln_vendor *v) {
  int64_t now = lnV_now(v), wake = 0;
  bool all = now >= v->due;
  for (ln_calling *x = v->calls[QUEUED].first, *next; x; x = next) {
    int64_t again = 0;
    if (!all && !ln_limits_room(v->limits)) {
      if (!wake || v->due < wake) wake = v->due;
      break;
    }
    next = x->next;
    if (may_go(x, now, &again)) {
      take_place(x, now);
    } else if (x->stage == QUEUED && (!wake || again < wake)) {
      wake = again;
    }
  }
  bool more = v->calls[ENDED].first != NULL;
  v->due = wake ? wake : INT64_MAX;
  arm(v, wake, now);
  drain(v);
  tell_turns(v);
  if (more && v->calls[QUEUED].first) v->loop->timer(v->loop, &v->wake, 0); /* done may have made room */
}

void lnV_fail_waiting(ln_vendor *v, const ln_err *err) {
  for (ln_calling *x = v->calls[QUEUED].first, *next; x; x = next) {
    next = x->next;
    x->err = *err;
    end_later(x);
  }
  drain(v);
}

static void on_wake(void *arg) { lnV_pump(arg); }

/* --- what came back --- */

bool lnV_trouble(const ln_answer *a) {
  if (a->sent == LN_ANSWERED) return a->status >= 500 && a->status != 501;
  return ln_err_is(&a->err, "unavailable") || ln_err_is(&a->err, "timeout");
}

static void tell_breaker(ln_calling *x, const ln_answer *a, const ln_verdict *vd) {
  ln_breaker *b = &x->v->breaker;
  bool cut = x->cut_short && ln_err_is(&a->err, "timeout");
  if (!vd->good && !cut && (lnV_trouble(a) || (a->sent == LN_ANSWERED && ln_err_is(&vd->err, "unavailable"))))
    ln_breaker_bad(b, lnV_now(x->v));
  else if (a->sent == LN_ANSWERED) ln_breaker_good(b);
  else if (x->tries_gate) ln_breaker_gone(b);
}

static ln_acted acted(const ln_answer *a, const ln_verdict *vd) {
  if (a->sent == LN_NOT_SENT) return LN_ACTED_NOT;
  if (a->sent == LN_ANSWERED && (vd->token || vd->not_executed)) return LN_ACTED_NOT;
  return LN_ACTED_PERHAPS;
}

/* The credentials were refused.  True: they are renewed, and x asks again. */
static bool renew(ln_calling *x) {
  ln_vendor *v = x->v;
  if (lnV_renewable(v) && !x->renewed) {
    x->renewed = true;
    lnV_token_refused(v, x->generation);
    return true;
  }
  x->err.retry = LN_FINAL;
  if (++v->refusals >= REFUSALS) {
    v->shut_until = lnV_now(v) + lnV_paced(v, REFUSED_MS);
    v->shut_err = x->err;
    v->refusals = 0;
  }
  return false;
}

/* How long x rests before it asks again; -1: it does not. */
static int64_t rest_ms(ln_calling *x, const ln_answer *a, const ln_verdict *vd, const ln_limit_told *told) {
  ln_vendor *v = x->v;
  int64_t after = vd->after_ms;
  bool limited = ln_err_is(&x->err, "rate_limited");
  if (after < 0 && a->sent == LN_ANSWERED && (a->status == 429 || a->status == 503))
    after = ln_retry_after_ms(ln_answer_header(a, LN_STR("retry-after")), ln_now_ms(v->loop->clock));
  if (limited && after < 0 && told->wait_ms > 0) after = 0; /* the limit holds it */
  if (limited || after >= 0) {
    if (++x->waits > WAITS) return -1;
    if (after >= 0)
      return lnV_paced(v, after) + ln_backoff_ms(v->rand, 1, after / 10 < 1000 ? after / 10 : 1000, 1000);
    return lnV_paced(v, ln_backoff_ms(v->rand, x->waits, 5 * BACKOFF_MS, 2 * BACKOFF_CAP_MS));
  }
  if (++x->tries >= TRIES || !ln_budget_take(&v->budget)) return -1;
  return lnV_paced(v, ln_backoff_ms(v->rand, x->tries, BACKOFF_MS, BACKOFF_CAP_MS));
}

/* Does x ask again?  Then it is queued, resting for as long as it must. */
static bool again(ln_calling *x, const ln_answer *a, const ln_verdict *vd, const ln_limit_told *told) {
  if (a->sent == LN_ANSWERED && vd->token) {
    if (!renew(x)) return false;
    queue_again(x);
    return true;
  }
  if (x->err.retry != LN_AGAIN || (x->c.write && x->acted == LN_ACTED_PERHAPS)) return false;
  int64_t rest = rest_ms(x, a, vd, told), now = lnV_now(x->v);
  if (rest < 0 || now + rest >= x->deadline) return false;
  x->rest_until = now + rest;
  queue_again(x);
  x->v->stats.retries++;
  return true;
}

static void on_answer(void *arg, const ln_answer *a) {
  ln_calling *x = arg;
  ln_vendor *v = x->v;
  ln_verdict vd = {.good = false, .after_ms = -1};
  ln_limit_told told = LN_LIMIT_SILENT;
  x->sending = NULL;
  if (a->sent == LN_ANSWERED) {
    if (x->c.decode) x->c.decode(x->c.arg, a, &vd, &told);
    else vd.good = true;
    told.reset_ms = lnV_paced(v, told.reset_ms);
    told.wait_ms = lnV_paced(v, told.wait_ms);
    ln_limits_told(v->limits, x->c.limit, &told, lnV_now(v));
  }
  ln_limits_back(v->limits);
  tell_breaker(x, a, &vd);
  ln_log(LN_DEBUG, "vendor.answer", "vendor=%s status=%d sent=%d attempt=%d", v->name, a->status,
         (int)a->sent, x->attempts);
  x->err = a->sent == LN_ANSWERED ? vd.err : a->err;
  x->acted = vd.good ? LN_ACTED_YES : acted(a, &vd);
  if (a->sent != LN_ANSWERED)
    x->err.retry = ln_err_is(&a->err, "unavailable") || ln_err_is(&a->err, "timeout") ? LN_AGAIN : LN_FINAL;
  if (vd.good) {
    v->refusals = 0;
    ln_budget_earn(&v->budget);
  }
  if (vd.good || !again(x, a, &vd, &told)) report(x, a, vd.good);
  else if (x->c.turn) x->c.turn(x->c.arg, false);
  lnV_pump(v);
}

/* --- calls come and go --- */

static size_t text_size(const ln_call *c) {
  size_t n = c->method.n + c->path.n + c->body.n + c->limit.n + c->who.n + c->trace.n;
  for (size_t i = 0; i < c->n_headers; i++) n += c->headers[i].name.n + c->headers[i].value.n;
  return n;
}

static ln_str copy(char **at, ln_str s) {
  ln_str out = {*at, s.n};
  if (s.n) memcpy(*at, s.p, s.n);
  *at += s.n;
  return out;
}

static bool has_header(const ln_call *c, ln_str name) {
  for (size_t i = 0; i < c->n_headers; i++)
    if (ln_str_ieq(c->headers[i].name, name)) return true;
  return false;
}

static ln_calling *new_call(ln_vendor *v, const ln_call *c) {
  size_t headers = (c->n_headers + 3) * sizeof(ln_header);
  ln_calling *x = malloc(sizeof *x + headers + text_size(c));
  if (!x) return NULL;
  memset(x, 0, sizeof *x);
  ln_header *h = (ln_header *)(x + 1);
  char *at = (char *)h + headers;
  x->v = v;
  x->headers = h;
  x->c = *c;
  x->c.method = copy(&at, c->method);
  x->c.path = copy(&at, c->path);
  x->c.body = copy(&at, c->body);
  x->c.limit = copy(&at, c->limit);
  x->c.who = copy(&at, c->who);
  h[0] = (ln_header){LN_STR("User-Agent"), LN_STR(LN_USER_AGENT)};
  for (size_t i = 0; i < c->n_headers; i++)
    h[i + 1] = (ln_header){copy(&at, c->headers[i].name), copy(&at, c->headers[i].value)};
  x->c.n_headers++;
  if (c->trace.n && !has_header(c, LN_STR("traceparent")))
    h[x->c.n_headers++] = (ln_header){LN_STR("traceparent"), copy(&at, c->trace)};
  return x;
}

ln_calling *ln_vendor_send(ln_vendor *v, const ln_call *c, ln_err *err) {
  if (c->path.n == 0 || c->path.p[0] != '/' || c->n_headers > MAX_HEADERS) {
    ln_fail(err, "bad_argument", LN_FINAL,
            "%s: a request's path begins with \"/\", and it has at most %d headers", v->name, MAX_HEADERS);
    return NULL;
  }
  ln_calling *x = new_call(v, c);
  if (!x || !v->loop->timer(v->loop, &v->wake, 0)) {
    free(x);
    ln_fail(err, "memory", LN_AGAIN, "no memory for a request");
    return NULL;
  }
  if (x->c.timeout_ms <= 0) x->c.timeout_ms = c->write ? WRITE_MS : READ_MS;
  if (x->c.max_response == 0) x->c.max_response = RESPONSE;
  x->deadline = lnV_now(v) + (c->patience_ms > 0 ? c->patience_ms : PATIENCE_MS);
  x->turn = v->stats.calls++;
  link_call(x, v->calls[QUEUED].last);
  if (x->deadline < v->due) v->due = x->deadline;
  return x;
}

void ln_vendor_go(ln_calling *x) {
  ln_vendor *v = x->v;
  int64_t now = lnV_now(v);
  if (x->stage != HELD) return;
  bool ready = lnV_token_ready(v);                       /* it may have run out meanwhile */
  if (ready && dispatch(x, now)) return;
  ln_limits_back(v->limits);
  queue_again(x);
  if (ready) end_later(x);
  arm(v, now + 1, now + 1);                              /* at once, but not from here */
}

void ln_vendor_drop(ln_calling *x) {
  ln_vendor *v = x->v;
  if (x->stage == ON_WIRE) {
    v->transport->drop(v->transport, x->sending);
    ln_limits_back(v->limits);
    if (x->tries_gate) ln_breaker_gone(&v->breaker);
  } else if (x->stage == GIVEN || x->stage == HELD) {
    ln_limits_back(v->limits);
  }
  unlink_call(x);
  free(x);
  if (v->calls[QUEUED].first || v->calls[ENDED].first) v->loop->timer(v->loop, &v->wake, 0);
  else v->loop->cancel(v->loop, &v->wake);
}

/* --- the vendor --- */

ln_vendor *ln_vendor_new(ln_loop *l, ln_transport *t, ln_rand *r, const ln_vendor_opts *o, ln_err *err) {
  ln_vendor *v = calloc(1, sizeof *v);
  ln_str url = o->url;
  while (url.n && url.p[url.n - 1] == '/') url.n--;
  if (v) {
    v->base = ln_str_dup(url);
    v->limits = ln_limits_new(o->concurrency > 0 ? o->concurrency : CONCURRENCY);
  }
  if (!v || !v->base || !v->limits) {
    if (v) {
      free(v->base);
      ln_limits_free(v->limits);
    }
    free(v);
    ln_fail(err, "memory", LN_AGAIN, "no memory for the vendor %s", o->name);
    return NULL;
  }
  v->loop = l;
  v->transport = t;
  v->rand = r;
  v->name = o->name;
  v->auth = o->auth;
  v->value = o->value;
  v->read_token = o->token;
  v->arg = o->arg;
  v->pace = o->pace > 0 ? o->pace : 1;
  v->loopback = o->loopback;
  v->wake = (ln_timer){.loop = l, .fn = on_wake, .arg = v};
  v->due = INT64_MAX;
  ln_breaker_init(&v->breaker, BREAK_AFTER, lnV_paced(v, BREAK_MS));
  ln_budget_init(&v->budget, 20, 0.2);
  lnV_token_init(v);
  return v;
}

void ln_vendor_free(ln_vendor *v) {
  if (!v) return;
  for (size_t i = 0; i < STAGES; i++)
    for (ln_calling *x; (x = v->calls[i].first);)
      ln_vendor_drop(x);                                 /* NOLINT(clang-analyzer-unix.Malloc): moves it on */
  v->loop->cancel(v->loop, &v->wake);
  lnV_token_free(v);
  ln_limits_free(v->limits);
  free(v->base);
  free(v);
}

static int64_t count(const ln_calls *list) {
  int64_t n = 0;
  for (const ln_calling *x = list->first; x; x = x->next) n++;
  return n;
}

void ln_vendor_stats_get(const ln_vendor *v, ln_vendor_stats *out) {
  *out = v->stats;
  out->open = v->breaker.open_until != 0;
  out->waiting = count(&v->calls[QUEUED]);
  out->in_flight = count(&v->calls[ON_WIRE]);
  out->writing = 0;
  for (const ln_calling *x = v->calls[ON_WIRE].first; x; x = x->next) out->writing += x->c.write;
  out->remaining = ln_limits_remaining(v->limits);
  int64_t now = lnV_now(v);
  out->wait_ms = ln_limits_when(v->limits, (ln_str){NULL, 0}, now) - now;
}
