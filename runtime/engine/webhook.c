/* webhook.c: see webhook.h.  A signature covers the body and, where the sender says it, the time; what is
** older or newer than the window is refused, and what is within it is taken once: the caller writes the mark
** in the transaction that takes the delivery.  MACs and tokens are compared in constant time. */
#include "engine/webhook.h"

#include "base/digest.h"
#include "base/signature.h"

#include <stdio.h>

/* A clock that is set back makes what was too old new again: a delivery is remembered for longer. */
enum { SLACK_MS = 3600 * 1000 };
#define TIME LN_STR("{time}")

static bool refuse(ln_err *err, const ln_source_config *s, const char *why) {
  return ln_fail(err, "unauthorised", LN_FINAL, "a delivery of source %.*s is refused: %s",
                 LN_STR_ARG(s->name), why);
}

const ln_source_config *ln_config_source(const ln_config *c, ln_str name) {
  for (size_t i = 0; i < c->n_sources; i++)
    if (ln_str_eq(c->sources[i].name, name)) return &c->sources[i];
  return NULL;
}

/* "{time}.{body}" and the like. */
static bool put_signed(ln_str form, ln_str time, ln_str body, ln_buf *out) {
  static const ln_str t = {"{time}", 6}, b = {"{body}", 6};
  while (form.n) {
    if (ln_str_starts(form, t)) ln_buf_add(out, time), form.p += t.n, form.n -= t.n;
    else if (ln_str_starts(form, b)) ln_buf_add(out, body), form.p += b.n, form.n -= b.n;
    else ln_buf_addc(out, form.p[0]), form.p++, form.n--;
  }
  return !ln_buf_failed(out);
}

static ln_str without(ln_str s, ln_str prefix) {
  if (!ln_str_starts(s, prefix)) return s;
  return (ln_str){s.p + prefix.n, s.n - prefix.n};
}

/* Its time is that of the header's own field, else of the source's `time`. */
static bool check_time(ln_engine *g, const ln_source_config *s, ln_str time, int64_t *until_ms, ln_err *err) {
  int64_t at, now = ln_now_ms(g->loop->clock);
  ln_err quiet;
  if (!time.n) return refuse(err, s, "it says no time");
  if (!ln_signature_time(time, &at, &quiet)) return refuse(err, s, "its time is none");
  if (at < now - s->window_ms) return refuse(err, s, "it is older than its window");
  if (at > now + s->window_ms) return refuse(err, s, "it is of a time to come: are the clocks set?");
  *until_ms = at + s->window_ms + SLACK_MS;
  return true;
}

static bool check_macs(const ln_source_config *s, const ln_signature *sig, ln_str key, ln_str text,
                       ln_webhook *out, ln_err *err) {
  uint8_t mac[LN_DIGEST_MAX];
  size_t n;
  bool same = false;
  if (!ln_hmac(LN_STR("sha256"), key, text, mac, &n, err)) return false;
  for (size_t i = 0; i < sig->n; i++)
    same |= ln_str_same_secret((ln_str){(const char *)mac, n}, (ln_str){(const char *)sig->mac[i], LN_MAC});
  if (!same) return refuse(err, s, "its signature is another one");
  ln_hex(mac, n, out->mark);
  return true;
}

typedef struct delivery { ln_signature sig; ln_str time; bool timed; } delivery;

/* The signature, and whether it is of now. */
static bool read_signature(ln_engine *g, const ln_source_config *s, ln_header_fn header, void *arg,
                           delivery *d, ln_webhook *out, ln_err *err) {
  ln_err why;
  if (!ln_signature_read(without(header(arg, s->header.p), s->prefix), &d->sig, &why))
    return refuse(err, s, why.message);
  d->time = d->sig.time.n ? d->sig.time : s->time.n ? header(arg, s->time.p) : (ln_str){NULL, 0};
  d->timed = s->time.n || d->sig.time.n || ln_str_find(s->signs, TIME) >= 0;
  *out = (ln_webhook){.until_ms = LN_NEVER};             /* it says no time, and none was asked for */
  return !d->timed || check_time(g, s, d->time, &out->until_ms, err);
}

/* What is empty anybody knows.  Anybody may send anything: nothing is waited for. */
static bool read_key(ln_engine *g, const ln_source_config *s, ln_buf *key, ln_err *err) {
  ln_buf_init(key, 1 << 16);
  if (!ln_secret_at_hand(g->vault, s->secret, key, err))
    return ln_err_prefix(err, "the secret of source %.*s", LN_STR_ARG(s->name));
  return key->n ||
         ln_fail(err, "config", LN_FINAL, "the secret of source %.*s is empty", LN_STR_ARG(s->name));
}

static bool check_token(ln_engine *g, const ln_source_config *s, ln_str value, ln_err *err) {
  ln_buf key;
  bool ok = read_key(g, s, &key, err) && (ln_str_same_secret(without(value, s->prefix), ln_buf_view(&key)) ||
                                          refuse(err, s, "its token is another one"));
  ln_buf_wipe(&key);
  return ok;
}

bool ln_webhook_look(ln_engine *g, const ln_source_config *s, ln_header_fn header, void *arg, ln_err *err) {
  ln_str value = header(arg, s->header.p);
  delivery d;
  ln_webhook w;
  if (!value.n) return refuse(err, s, "it is not signed");
  return s->token ? check_token(g, s, value, err) : read_signature(g, s, header, arg, &d, &w, err);
}

bool ln_webhook_check(ln_engine *g, const ln_source_config *s, ln_header_fn header, void *arg, ln_str body,
                      ln_webhook *out, ln_err *err) {
  ln_buf key, text;
  delivery d;
  *out = (ln_webhook){.until_ms = 0};
  if (s->token) return true;                             /* it signs nothing */
  if (!read_signature(g, s, header, arg, &d, out, err)) return false;
  ln_str form = s->signs.n ? s->signs : d.timed ? LN_STR("{time}.{body}") : LN_STR("{body}");
  /* A time that is not signed can be any: the signature itself must never come again. */
  if (ln_str_find(form, TIME) < 0) out->until_ms = LN_NEVER;
  ln_buf_init(&text, body.n + (1 << 16));
  bool ok = read_key(g, s, &key, err) && (put_signed(form, d.time, body, &text) || ln_buf_ok(&text, err)) &&
            check_macs(s, &d.sig, ln_buf_view(&key), ln_buf_view(&text), out, err);
  ln_buf_free(&text);
  ln_buf_wipe(&key);
  return ok;
}

void ln_webhook_prepare(ln_engine *g) {
  for (size_t i = 0; i < g->config->n_sources; i++) ln_secret_prepare(g->vault, g->config->sources[i].secret);
}

ln_str ln_webhook_challenge(const ln_source_config *s, ln_header_fn header, void *arg) {
  return s->challenge.n ? header(arg, s->challenge.p) : (ln_str){NULL, 0};
}
