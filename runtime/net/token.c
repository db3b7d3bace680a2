/* token.c: showing a vendor who calls.  A fixed token or a password is read each time it is needed and
** wiped. A bearer token is fetched once for all calls that wait, kept until shortly before its end, and
** renewed while the old one still serves.  A refused token is dropped by its generation, so that fifty
** calls refused at once make one token call.  A fetch that is refused shuts the vendor for a while: looping
** on bad credentials locks accounts, and addresses, for everybody behind them. The token call alone may be
** led elsewhere (308, wrong region), and only to a base that the connector declares; that base then serves
** all later calls, for a token of one region is good nowhere else. */
#include "net/vendor_parts.h"

#include "base/base64.h"
#include "base/hash.h"
#include "base/log.h"

#include <stdlib.h>

enum {
  TOKEN_TRIES = 5,
  TOKEN_TIMEOUT_MS = 30000,
  TOKEN_MAX = 64 * 1024,                                 /* bytes of a token call's answer */
  SECRET_MAX = 64 * 1024,
  SHUT_MS = 30000,
  ASSERTION_LIFE_S = 300,
};

bool lnV_renewable(const ln_vendor *v) {
  return v->auth && (v->auth->kind == LN_AUTH_OAUTH2 || v->auth->kind == LN_AUTH_JWT);
}

static bool value_of(ln_vendor *v, ln_str key, ln_buf *out, ln_err *err) {
  return v->value(v->arg, key, out, err);
}

/* --- the header --- */

static bool header_token(ln_vendor *v, ln_buf *out, ln_err *err) {
  const ln_auth *a = v->auth;
  return ln_buf_add(out, a->header.n || a->prefix.n ? a->prefix : LN_STR("Bearer ")) &&
         value_of(v, a->secret, out, err);
}

static bool header_basic(ln_vendor *v, ln_buf *out, ln_err *err) {
  ln_buf pair;
  ln_buf_init(&pair, SECRET_MAX);
  ln_buf_secret(&pair);
  bool ok = value_of(v, v->auth->user, &pair, err) && ln_buf_addc(&pair, ':') &&
            value_of(v, v->auth->secret, &pair, err) && ln_buf_add(out, LN_STR("Basic ")) &&
            ln_base64(ln_buf_view(&pair), out);
  ln_buf_wipe(&pair);
  return ok;
}

/* A header's value holds no line ends: a secret file's last newline is not part of the secret. */
static bool one_line(ln_buf *value, ln_err *err) {
  ln_buf_chomp(value);
  for (size_t i = 0; i < value->n; i++)
    if ((unsigned char)value->p[i] < ' ')
      return ln_fail(err, "unauthorised", LN_FINAL, "the configured secret holds a control character");
  return true;
}

bool lnV_credentials(ln_vendor *v, ln_str *name, ln_buf *value, ln_err *err) {
  const ln_auth *a = v->auth;
  *name = LN_STR("Authorization");
  if (!a || a->kind == LN_AUTH_NONE) {
    *name = (ln_str){NULL, 0};
    return true;
  }
  bool ok;
  if (a->kind == LN_AUTH_HEADER) {
    if (a->header.n) *name = a->header;
    ok = header_token(v, value, err);
  } else if (a->kind == LN_AUTH_BASIC) {
    ok = header_basic(v, value, err);
  } else {
    ok = ln_buf_add(value, LN_STR("Bearer ")) && ln_buf_add(value, ln_buf_view(&v->token.value));
  }
  return ok && ln_buf_ok(value, err) && one_line(value, err);
}

/* --- the token call --- */

static bool add_assertion(ln_vendor *v, ln_str url, ln_buf *body, ln_err *err) {
  const ln_auth *a = v->auth;
  ln_buf client, kid, key, jwt;
  ln_buf *all[] = {&client, &kid, &key, &jwt};
  for (size_t i = 0; i < 4; i++) ln_buf_init(all[i], SECRET_MAX), ln_buf_secret(all[i]);
  uint8_t raw[16];
  char jti[2 * sizeof raw + 1];
  bool ok = v->rand->bytes(v->rand, raw, sizeof raw, err) && value_of(v, a->user, &client, err) &&
            (!a->kid.n || value_of(v, a->kid, &kid, err)) && value_of(v, a->secret, &key, err);
  if (ok) {
    ln_hex(raw, sizeof raw, jti);
    ln_assertion s = {a->alg, ln_buf_view(&kid), ln_buf_view(&client), url,
                      ln_now_ms(v->loop->clock) / 1000, ASSERTION_LIFE_S, jti};
    ok = ln_assertion_sign(&s, ln_buf_view(&key), &jwt, err) &&
         ln_form_add(body, LN_STR("client_assertion_type"),
                     LN_STR("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")) &&
         ln_form_add(body, LN_STR("client_assertion"), ln_buf_view(&jwt));
  }
  for (size_t i = 0; i < 4; i++) ln_buf_wipe(all[i]);
  return ok;
}

static bool add_value(ln_vendor *v, const char *field, ln_str key, ln_buf *body, ln_err *err) {
  ln_buf b;
  ln_buf_init(&b, SECRET_MAX);
  ln_buf_secret(&b);
  bool ok =
      value_of(v, key, &b, err) && one_line(&b, err) && ln_form_add(body, ln_str_of(field), ln_buf_view(&b));
  ln_buf_wipe(&b);
  return ok;
}

static bool token_body(ln_vendor *v, ln_str url, ln_buf *body, ln_err *err) {
  const ln_auth *a = v->auth;
  if (!ln_buf_add(body, a->form)) return ln_buf_ok(body, err);
  bool ok = true;
  if (a->kind == LN_AUTH_JWT) {
    if (a->scopes.n) ok = add_value(v, "scope", a->scopes, body, err);
    ok = ok && add_assertion(v, url, body, err);
  } else {
    ok = add_value(v, "client_id", a->user, body, err) && add_value(v, "client_secret", a->secret, body, err);
  }
  return ok && ln_buf_ok(body, err);
}

/* Ends a fetch without a token: all who wait for it hear the reason. */
static void fetch_failed(ln_vendor *v, const ln_err *err) {
  ln_err e = *err;
  v->token.fetching = false;
  v->token.attempts = 0;
  ln_err_prefix(&e, "%s gave no access token", v->name);
  ln_log(LN_WARN, "vendor.token", "vendor=%s code=%s", v->name, e.code);
  if (e.retry == LN_FINAL) {
    v->shut_until = lnV_now(v) + lnV_paced(v, SHUT_MS);
    v->shut_err = e;
  }
  if (v->token.value.n && lnV_now(v) < v->token.until) { /* it was an early renewal: the old one serves on  */
    v->token.renew_at = lnV_now(v) + lnV_paced(v, SHUT_MS);
    v->shut_until = 0;
  } else {
    lnV_fail_waiting(v, &e);
  }
  lnV_pump(v);
}

static void fetch_again(ln_vendor *v, const ln_err *err, int64_t after_ms) {
  if (v->token.attempts >= TOKEN_TRIES) {
    fetch_failed(v, err);
    return;
  }
  int64_t rest = after_ms >= 0 ? after_ms : ln_backoff_ms(v->rand, v->token.attempts, 1000, 30000);
  ln_err e;
  if (!v->loop->timer(v->loop, &v->token.rest, lnV_paced(v, rest))) {
    ln_fail(&e, "memory", LN_AGAIN, "no memory for a timer");
    fetch_failed(v, &e);
  }
}

static void fetched(ln_vendor *v, const ln_answer *a) {
  ln_token *t = &v->token;
  int64_t life_s = 0;
  ln_err err = {0};
  ln_buf fresh;
  ln_buf_init(&fresh, TOKEN_MAX);
  ln_buf_secret(&fresh);
  int want = v->auth->expect;
  if (!v->read_token(v->arg, a, &fresh, &life_s, &err) ||
      (want ? a->status != want : a->status != 200 && a->status != 201) || !fresh.n) {
    ln_buf_wipe(&fresh);
    if (!err.code[0])
      ln_fail(&err, "unauthorised", LN_FINAL, "the token call answered with status %d", a->status);
    err.status = a->status;
    bool again = err.retry == LN_AGAIN || a->status == 429 || a->status >= 500;
    err.retry = again ? LN_AGAIN : LN_FINAL;
    if (again) fetch_again(v, &err, ln_retry_after_ms(ln_answer_header(a, LN_STR("retry-after")),
                                                      ln_now_ms(v->loop->clock)));
    else fetch_failed(v, &err);
    return;
  }
  if (life_s <= 0 || life_s > 30 * 86400) life_s = 3600;
  int64_t life = lnV_paced(v, life_s * 1000), early = lnV_paced(v, v->auth->early_ms);
  ln_buf_wipe(&t->value);
  t->value = fresh;
  t->generation++;
  t->until = lnV_now(v) + life;
  t->renew_at = t->until - (early < life / 2 ? early : life / 2);
  t->fetching = false;
  t->attempts = 0;
  lnV_pump(v);
}

/* The declared region that a Location leads to, or an empty text. */
static ln_str region_of(const ln_auth *a, ln_str location) {
  for (size_t i = 0; i < a->n_regions; i++) {
    ln_str r = a->regions[i];
    if (!ln_str_starts(location, r)) continue;
    if (location.n == r.n || location.p[r.n] == '/' || location.p[r.n] == '?') return r;
  }
  return (ln_str){NULL, 0};
}

static void fetch(void *arg);

static void led_elsewhere(ln_vendor *v, const ln_answer *a) {
  ln_str to = region_of(v->auth, ln_answer_header(a, LN_STR("location")));
  char *base = to.n && !v->token.moved ? ln_str_dup(to) : NULL;
  if (!base) {
    ln_err err;
    ln_fail(&err, "unauthorised", LN_FINAL,
            "the token call was led (status %d) to an address that is none of the "
            "declared regions, or twice: check the configured url",
            a->status);
    err.status = a->status;
    fetch_failed(v, &err);
    return;
  }
  ln_log(LN_WARN, "vendor.region", "vendor=%s base=%s", v->name, base);
  free(v->base);
  v->base = base;
  v->token.moved = true;
  fetch(v);
}

static void on_token(void *arg, const ln_answer *a) {
  ln_vendor *v = arg;
  v->token.sending = NULL;
  if (lnV_trouble(a)) ln_breaker_bad(&v->breaker, lnV_now(v));
  if (a->sent != LN_ANSWERED) {
    ln_err err = a->err;
    bool again = ln_err_is(&err, "unavailable") || ln_err_is(&err, "timeout");
    if (again) fetch_again(v, &err, -1);
    else fetch_failed(v, &err);
  } else if (a->status >= 300 && a->status < 400) {
    led_elsewhere(v, a);
  } else {
    fetched(v, a);
  }
}

static bool send_token_call(ln_vendor *v, ln_err *err) {
  ln_buf url, body;
  ln_buf_init(&url, 4096);
  ln_buf_init(&body, SECRET_MAX);
  ln_buf_secret(&body);
  bool ok = ln_buf_addz(&url, v->base) && ln_buf_add(&url, v->auth->path) &&
            token_body(v, ln_buf_view(&url), &body, err);
  if (ok) {
    ln_header h[] = {{LN_STR("Accept"), LN_STR("application/json")},
                     {LN_STR("Content-Type"), LN_STR("application/x-www-form-urlencoded")},
                     {LN_STR("User-Agent"), LN_STR(LN_USER_AGENT)}};
    ln_request r = {.method = LN_STR("POST"), .url = ln_buf_view(&url), .headers = h, .n_headers = 3,
                    .body = ln_buf_view(&body), .timeout_ms = TOKEN_TIMEOUT_MS, .max_response = TOKEN_MAX,
                    .loopback_ok = v->loopback};
    v->token.sending = v->transport->send(v->transport, &r, on_token, v);
    ok = v->token.sending || ln_fail(err, "memory", LN_AGAIN, "no memory for the token call");
  } else if (!err->code[0]) {
    ln_fail(err, "too_big", LN_FINAL, "the token call's address is too long");
  }
  ln_buf_free(&url);
  ln_buf_wipe(&body);
  return ok;
}

static void fetch(void *arg) {
  ln_vendor *v = arg;
  ln_err err = {0};
  v->token.attempts++;
  v->stats.tokens++;
  if (!send_token_call(v, &err)) fetch_failed(v, &err);
}

void lnV_token_init(ln_vendor *v) {
  ln_buf_init(&v->token.value, TOKEN_MAX);
  v->token.rest = (ln_timer){.loop = v->loop, .fn = fetch, .arg = v};
}

bool lnV_token_ready(ln_vendor *v) {
  ln_token *t = &v->token;
  if (!lnV_renewable(v)) return true;
  int64_t now = lnV_now(v);
  if ((!t->value.n || now >= t->renew_at) && !t->fetching) {
    t->fetching = true;
    t->moved = false;
    t->attempts = 0;
    if (!v->loop->timer(v->loop, &t->rest, 0)) t->fetching = false; /* vendor.c's wake asks again          */
  }
  return t->value.n && now < t->until;
}

void lnV_token_refused(ln_vendor *v, uint64_t generation) {
  if (generation == v->token.generation) ln_buf_wipe(&v->token.value);
}

void lnV_token_free(ln_vendor *v) {
  if (v->token.sending) v->transport->drop(v->transport, v->token.sending);
  v->loop->cancel(v->loop, &v->token.rest);
  ln_buf_wipe(&v->token.value);
}
