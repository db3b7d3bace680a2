/* api_signin.c: /v1/signin: what the page that asks people to sign in may offer, and the way to the provider
** and back. */
#include "server/handlers.h"
#include "server/oidc.h"

static struct ln_oidc *oidc_of(const ln_api *a, ln_err *err) {
  struct ln_oidc *o = ln_api_oidc(a);
  if (!o)
    ln_fail(err, "not_found", LN_FINAL,
            "no provider is configured: a token makes a session (POST /v1/session)");
  return o;
}

bool ln_api_signin(ln_api *a, ln_err *err) {
  ln_str name = ln_api_engine(a)->config->oidc.name;
  ln_buf b;
  ln_json j;
  ln_buf_init(&b, 1 << 16);
  ln_json_init(&j, &b);
  ln_json_open(&j, '{');
  ln_json_key(&j, LN_STR("name"));
  ln_json_str(&j, name);
  ln_json_key(&j, LN_STR("oidc"));
  ln_json_bool(&j, ln_api_oidc(a) != NULL);
  ln_json_close(&j, '}');
  bool ok = ln_buf_ok(&b, err);
  if (ok) ln_api_answer(a, ln_buf_view(&b));
  ln_buf_free(&b);
  return ok;
}

bool ln_api_signin_begin(ln_api *a, ln_err *err) {
  struct ln_oidc *o = oidc_of(a, err);
  return o && ln_oidc_begin(o, a, err);
}

bool ln_api_signin_end(ln_api *a, ln_err *err) {
  struct ln_oidc *o = oidc_of(a, err);
  return o && ln_oidc_end(o, a, err);
}
