/* credential.c: see credential.h. */
#include "engine/credential.h"

#include "base/base64.h"
#include "base/digest.h"

#include <stdio.h>

enum { SECRET_MAX = 64 * 1024 };

bool ln_credential_is_for(const ln_credential *c, ln_str host) {
  for (size_t i = 0; i < c->hosts.n; i++)
    if (ln_str_glob(c->hosts.v[i], host)) return true;
  return false;
}

static bool secret_of(ln_engine *g, const ln_credential *c, bool wait, ln_buf *out, ln_err *err) {
  if (!g->vault) return ln_fail(err, "unauthorised", LN_FINAL, "no secrets can be read here");
  if (!(wait ? ln_secret_get : ln_secret_at_hand)(g->vault, c->secret, out, err)) return false;
  ln_buf_chomp(out);                                     /* a file's last line end                          */
  return true;
}

/* "sha256=" and the HMAC of the body. */
static bool put_hmac(ln_str key, ln_str body, ln_buf *value, ln_err *err) {
  uint8_t mac[LN_DIGEST_MAX];
  char hex[2 * LN_DIGEST_MAX + 1];
  size_t n;
  if (!ln_hmac(LN_STR("sha256"), key, body, mac, &n, err)) return false;
  ln_hex(mac, n, hex);
  return ln_buf_addz(value, "sha256=") && ln_buf_addz(value, hex);
}

static bool put_basic(const ln_credential *c, ln_str secret, ln_buf *value) {
  ln_buf pair;
  ln_buf_init(&pair, SECRET_MAX);
  ln_buf_secret(&pair);
  bool ok = ln_buf_add(&pair, c->user) && ln_buf_addc(&pair, ':') && ln_buf_add(&pair, secret) &&
            ln_buf_addz(value, "Basic ") && ln_base64(ln_buf_view(&pair), value);
  ln_buf_wipe(&pair);
  return ok;
}

static bool put_value(const ln_credential *c, ln_str secret, ln_str body, ln_str *header, ln_buf *value,
                      ln_err *err) {
  *header = LN_STR("Authorization");
  if (ln_str_eq(c->kind, LN_STR("bearer"))) return ln_buf_addz(value, "Bearer ") && ln_buf_add(value, secret);
  if (ln_str_eq(c->kind, LN_STR("basic"))) return put_basic(c, secret, value);
  if (ln_str_eq(c->kind, LN_STR("header"))) {
    if (c->header.n) *header = c->header;
    return ln_buf_add(value, secret);
  }
  if (ln_str_eq(c->kind, LN_STR("hmac"))) {
    *header = c->header.n ? c->header : LN_STR("X-Signature-256");
    return put_hmac(secret, body, value, err);
  }
  return ln_fail(err, "bad_argument", LN_FINAL,
                 "the credential " LN_STR_FMT " is a key for crypto, not for http", LN_STR_ARG(c->name));
}

bool ln_credential_show(ln_engine *g, ln_str name, ln_str host, ln_str body, bool wait, ln_str *header,
                        ln_buf *value, ln_err *err) {
  const ln_credential *c = ln_config_credential(g->config, name);
  if (!c)
    return ln_fail(err, "bad_argument", LN_FINAL, "there is no credential \"%.*s\" in the configuration",
                   (int)(name.n > 60 ? 60 : name.n), name.p);
  if (!ln_credential_is_for(c, host)) {
    ln_fail(err, "refused", LN_FINAL, "%.*s is not among the hosts that this credential is for",
            (int)(host.n > 200 ? 200 : host.n), host.p);
    snprintf(err->rule, sizeof err->rule, "credential");
    return false;
  }
  ln_buf secret;
  ln_buf_init(&secret, SECRET_MAX);
  ln_buf_secret(value);
  bool ok = secret_of(g, c, wait, &secret, err) &&
            put_value(c, ln_buf_view(&secret), body, header, value, err);
  ln_buf_wipe(&secret);
  if (!ok && !err->code[0]) ln_fail(err, "memory", LN_AGAIN, "no memory for a credential");
  return ok;
}
