/* webhook.c: see webhook.h.  A signature covers the body and, where the sender says it, the time; what is
** older or newer than the window is refused, and what is within it is taken once: the caller writes the mark
** in the transaction that takes the delivery.  MACs and tokens are compared in constant time. */
#include "engine/webhook.h"

#include "base/digest.h"
#include "base/signature.h"

#include <stdio.h>

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
  *until_ms = at + s->window_ms + 1;
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

static bool check_signed(ln_engine *g, const ln_source_config *s, ln_str value, ln_str time, ln_str body,
                         ln_str key, ln_webhook *out, ln_err *err) {
  ln_signature sig;
  ln_err why;
  ln_buf text;
  if (!ln_signature_read(without(value, s->prefix), &sig, &why)) return refuse(err, s, why.message);
  if (sig.time.n) time = sig.time;
  out->until_ms = LN_NEVER;                              /* it says no time, and none was asked for */
  bool timed = s->time.n || sig.time.n || ln_str_find(s->signs, LN_STR("{time}")) >= 0;
  if (timed && !check_time(g, s, time, &out->until_ms, err)) return false;
  ln_str form = s->signs.n ? s->signs : timed ? LN_STR("{time}.{body}") : LN_STR("{body}");
  ln_buf_init(&text, body.n + (1 << 16));
  bool ok = (put_signed(form, time, body, &text) || ln_buf_ok(&text, err)) &&
            check_macs(s, &sig, key, ln_buf_view(&text), out, err);
  ln_buf_free(&text);
  return ok;
}

bool ln_webhook_check(ln_engine *g, const ln_source_config *s, ln_header_fn header, void *arg, ln_str body,
                      ln_webhook *out, ln_err *err) {
  ln_buf key;
  ln_str value = header(arg, s->header.p);
  *out = (ln_webhook){.until_ms = 0};
  if (!value.n) return refuse(err, s, "it is not signed");
  ln_buf_init(&key, 1 << 16);
  bool ok = ln_secret_at_hand(g->vault, s->secret, &key, err) || /* anybody may send anything */
            ln_err_prefix(err, "the secret of source %.*s", LN_STR_ARG(s->name));
  ln_str time = ok && s->time.n ? header(arg, s->time.p) : (ln_str){NULL, 0};
  if (ok && s->token)
    ok = ln_str_same_secret(without(value, s->prefix), ln_buf_view(&key)) ||
         refuse(err, s, "its token is another one");
  else if (ok) ok = check_signed(g, s, value, time, body, ln_buf_view(&key), out, err);
  ln_buf_wipe(&key);
  return ok;
}

void ln_webhook_prepare(ln_engine *g) {
  ln_buf quiet;
  ln_err none;
  for (size_t i = 0; i < g->config->n_sources; i++) {
    ln_buf_init(&quiet, 1 << 16);
    ln_secret_at_hand(g->vault, g->config->sources[i].secret, &quiet, &none);
    ln_buf_wipe(&quiet);
  }
}

ln_str ln_webhook_challenge(const ln_source_config *s, ln_header_fn header, void *arg) {
  return s->challenge.n ? header(arg, s->challenge.p) : (ln_str){NULL, 0};
}
