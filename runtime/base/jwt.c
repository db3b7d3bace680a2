/* jwt.c: JSON Web Tokens.  Three traps are closed here: the algorithm is the caller's, so "none" and a change
** from RS to HS do nothing; a public key in PEM form is refused as an HMAC secret; a signature is compared in
** constant time. */
#include "base/jwt.h"

#include "base/base64.h"
#include "base/digest.h"
#include "base/sign.h"

/* "HS256" → "sha256".  {NULL,0}: not an HMAC. */
static ln_str hmac_of(ln_str alg) {
  if (ln_str_ieq(alg, LN_STR("HS256"))) return LN_STR("sha256");
  if (ln_str_ieq(alg, LN_STR("HS384"))) return LN_STR("sha384");
  if (ln_str_ieq(alg, LN_STR("HS512"))) return LN_STR("sha512");
  return (ln_str){0};
}

const char *ln_jwt_alg(ln_str alg) {
  static const char *const names[] = {"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256",
                                      "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (ln_str_ieq(alg, ln_str_of(names[i]))) return names[i];
  return NULL;
}

static bool check_alg(ln_str alg, ln_str key, ln_err *err) {
  if (!ln_jwt_alg(alg))
    return ln_fail(
        err, "bad_argument", LN_FINAL,
        "no token is signed with \"%.*s\": use HS256, RS256, PS256, ES256, one of these with 384 or "
        "512, or EdDSA",
        alg.n > 40 ? 40 : (int)alg.n, alg.p);
  if (hmac_of(alg).n && ln_str_starts(ln_str_trim(key), LN_STR("-----BEGIN")))
    return ln_fail(err, "bad_argument", LN_FINAL, "%.*s wants a secret, not a key in PEM form",
                   LN_STR_ARG(alg));
  return true;
}

static bool sign(ln_str alg, ln_str key, ln_str data, ln_buf *out, ln_err *err) {
  if (!hmac_of(alg).n) return ln_sign(alg, key, data, out, err);
  uint8_t mac[LN_DIGEST_MAX];
  size_t n;
  if (!ln_hmac(hmac_of(alg), key, data, mac, &n, err)) return false;
  return ln_buf_add(out, (ln_str){(const char *)mac, n}) || ln_buf_ok(out, err);
}

static bool verify(ln_str alg, ln_str key, ln_str data, ln_str sig, bool *valid, ln_err *err) {
  if (!hmac_of(alg).n) return ln_verify(alg, key, data, sig, valid, err);
  uint8_t mac[LN_DIGEST_MAX];
  size_t n;
  if (!ln_hmac(hmac_of(alg), key, data, mac, &n, err)) return false;
  *valid = ln_str_same_secret((ln_str){(const char *)mac, n}, sig);
  return true;
}

bool ln_jwt_sign(ln_str alg, ln_str key, ln_str header, ln_str claims, ln_buf *token, ln_err *err) {
  if (!check_alg(alg, key, err)) return false;
  size_t from = token->n;
  ln_base64url(header, token);
  ln_buf_addc(token, '.');
  ln_base64url(claims, token);
  if (!ln_buf_ok(token, err)) return false;
  ln_buf sig;
  ln_buf_init(&sig, 1 << 16);
  bool ok = sign(alg, key, (ln_str){token->p + from, token->n - from}, &sig, err);
  if (ok) {
    ln_buf_addc(token, '.');
    ln_base64url(ln_buf_view(&sig), token);
    ok = ln_buf_ok(token, err);
  }
  ln_buf_free(&sig);
  return ok;
}

bool ln_jwt_open(ln_str alg, ln_str key, ln_str token, ln_buf *header, ln_buf *claims, ln_err *err) {
  if (!check_alg(alg, key, err)) return false;
  ln_str head, rest, body, tail;
  if (!ln_str_cut(token, '.', &head, &rest) || !ln_str_cut(rest, '.', &body, &tail))
    return ln_fail(err, "bad_argument", LN_FINAL, "not a token: three parts with dots between are expected");
  ln_buf sig;
  ln_buf_init(&sig, 1 << 16);
  bool valid = false;
  bool ok = ln_unbase64url(tail, &sig, err) &&
            verify(alg, key, (ln_str){token.p, head.n + 1 + body.n}, ln_buf_view(&sig), &valid, err);
  ln_buf_free(&sig);
  if (!ok) return false;
  if (!valid)
    return ln_fail(err, "unauthorised", LN_FINAL, "the token was not signed with %.*s and this key",
                   LN_STR_ARG(alg));
  return ln_unbase64url(head, header, err) && ln_unbase64url(body, claims, err);
}
