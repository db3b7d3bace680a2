/* idtoken.c: the checks of an ID token, each for itself.  The algorithm is one of four with public keys, and
** the key one that is of that kind, so nothing that the token says of itself can weaken its check: "none" is
** not among them, nor is HS…, whose secret a public key would be. */
#include "server/idtoken.h"

#include "base/base64.h"
#include "base/digest.h"
#include "base/jwk.h"
#include "base/jwt.h"

#include <ctype.h>

enum { TOKEN_MOST = 64 << 10, SKEW_S = 60, AGE_MOST_S = 600, SUBJECT_MOST = 255 };

static const struct alg {
  const char *name, *kty, *crv, *digest;
} algs[] = {{"RS256", "RSA", NULL, "sha256"},
            {"PS256", "RSA", NULL, "sha256"},
            {"ES256", "EC", "P-256", "sha256"},
            {"EdDSA", "OKP", "Ed25519", "sha512"}}; /* what at_hash is made with goes by Ed25519's     */

static bool no(ln_err *err, const char *why) {
  return ln_fail(err, "unauthorised", LN_FINAL, "the ID token %s", why);
}

/* ------------------------------------------------------------------ who signed it */

static const struct alg *alg_of(ln_str header) {
  ln_str name = ln_v_get_str(header, "alg"), typ = ln_v_get_str(header, "typ");
  ln_vitem v;
  if (ln_v_get(header, LN_STR("crit"), &v) || (typ.n && !ln_str_ieq(typ, LN_STR("JWT")))) return NULL;
  for (size_t i = 0; i < sizeof algs / sizeof *algs; i++)
    if (ln_str_eq(name, ln_str_of(algs[i].name))) return &algs[i];
  return NULL;
}

static bool is_or_absent(ln_str object, const char *key, ln_str want) {
  ln_vitem v;
  return !ln_v_get(object, ln_str_of(key), &v) || (v.tag == 'S' && ln_str_eq(v.s, want));
}

static bool fits(ln_str key, const struct alg *a, ln_str kid) {
  return ln_str_eq(ln_v_get_str(key, "kty"), ln_str_of(a->kty)) &&
         (!a->crv || ln_str_eq(ln_v_get_str(key, "crv"), ln_str_of(a->crv))) &&
         is_or_absent(key, "use", LN_STR("sig")) && is_or_absent(key, "alg", ln_str_of(a->name)) &&
         (!kid.n || ln_str_eq(ln_v_get_str(key, "kid"), kid));
}

/* The one key that it may be signed with, as PEM: of two nobody knows which is meant. */
static bool find_key(ln_str keys, const struct alg *a, ln_str kid, ln_buf *pem, ln_err *err) {
  ln_vitem list, key;
  ln_str one = {NULL, 0};
  size_t n = 0;
  if (!ln_v_get(keys, LN_STR("keys"), &list) || list.tag != 'A')
    return no(err, "has no keys to be checked with");
  for (ln_str rest = list.body; rest.n && ln_v_read(&rest, &key);)
    if (key.tag == 'O' && fits(key.whole, a, kid)) one = key.whole, n++;
  if (!n) return ln_fail(err, "not_found", LN_FINAL, "the ID token is signed with a key that is not known");
  if (n > 1) return no(err, "does not say which key it is signed with");
  const ln_jwk k = {.kty = ln_str_of(a->kty),
                    .crv = ln_v_get_str(one, "crv"),
                    .n = ln_v_get_str(one, "n"),
                    .e = ln_v_get_str(one, "e"),
                    .x = ln_v_get_str(one, "x"),
                    .y = ln_v_get_str(one, "y")};
  return ln_jwk_pem(&k, pem, err) || no(err, "is signed with a key that cannot be used");
}

/* Decodes a part that is JSON. */
static bool open_part(ln_host *h, ln_str part, ln_buf *value) {
  ln_err quiet = {.code = ""};
  ln_vitem v;
  ln_buf text;
  ln_buf_init(&text, TOKEN_MOST);
  bool ok = ln_unbase64url(part, &text, &quiet) && ln_host_json(h, ln_buf_view(&text), value, &quiet);
  ln_str rest = ln_buf_view(value);
  ok = ok && ln_v_read(&rest, &v) && v.tag == 'O';
  ln_buf_free(&text);
  return ok;
}

/* Three parts of base64url: what decodes in two ways is none. */
static bool is_token(ln_str token, ln_str *head, ln_str *body) {
  ln_str rest, tail;
  for (size_t i = 0; i < token.n; i++)
    if (!isalnum((unsigned char)token.p[i]) && !memchr("-_.", token.p[i], 3)) return false;
  return token.n <= TOKEN_MOST && ln_str_cut(token, '.', head, &rest) && ln_str_cut(rest, '.', body, &tail) &&
         tail.n && !memchr(tail.p, '.', tail.n);
}

static bool is_signed(ln_str token, const struct alg *a, ln_str kid, ln_str keys, ln_err *err) {
  ln_err why = {.code = ""};
  ln_buf pem, header, claims;
  ln_buf *all[] = {&pem, &header, &claims};
  for (size_t i = 0; i < 3; i++) ln_buf_init(all[i], TOKEN_MOST);
  bool found = find_key(keys, a, kid, &pem, err);
  bool ok = found && (ln_jwt_open(ln_str_of(a->name), ln_buf_view(&pem), token, &header, &claims, &why) ||
                      no(err, "is not signed by the provider"));
  for (size_t i = 0; i < 3; i++) ln_buf_free(all[i]);
  return ok;
}

/* ------------------------------------------------------------------ what it says */

static bool seconds(ln_str claims, const char *name, int64_t *out) {
  ln_vitem v;
  if (!ln_v_get(claims, ln_str_of(name), &v)) return false;
  if (v.tag == 'I') return *out = v.i, v.i > -(1LL << 50) && v.i < 1LL << 50;
  if (v.tag != 'F' || !(v.f > -1e15 && v.f < 1e15)) return false;
  *out = (int64_t)v.f;
  return true;
}

static bool is_now(ln_str claims, int64_t now, ln_err *err) {
  int64_t exp, iat, nbf;
  ln_vitem v;
  if (!seconds(claims, "exp", &exp) || now >= exp + SKEW_S) return no(err, "has expired");
  if (!seconds(claims, "iat", &iat) || iat > now + SKEW_S || iat < now - AGE_MOST_S)
    return no(err, "was not issued just now: do the clocks agree?");
  if (ln_v_get(claims, LN_STR("nbf"), &v) && (!seconds(claims, "nbf", &nbf) || nbf > now + SKEW_S))
    return no(err, "is not valid yet");
  return true;
}

/* One audience that is ours; or several, ours among them, where it also says that it was given to us. */
static bool is_for_us(ln_str claims, ln_str client, ln_err *err) {
  ln_vitem aud, one, azp;
  bool ours = false, several = false;
  if (!ln_v_get(claims, LN_STR("aud"), &aud)) return no(err, "is for nobody");
  if (aud.tag == 'S') ours = ln_str_eq(aud.s, client);
  for (ln_str rest = aud.tag == 'A' ? aud.body : (ln_str){NULL, 0}; rest.n && ln_v_read(&rest, &one);)
    ours = ours || (one.tag == 'S' && ln_str_eq(one.s, client));
  several = aud.tag == 'A' && aud.count > 1;
  bool said = ln_v_get(claims, LN_STR("azp"), &azp);
  if (!ours || (said ? azp.tag != 'S' || !ln_str_eq(azp.s, client) : several))
    return no(err, "is for somebody else");
  return true;
}

/* The left half of the access token's digest. */
static bool has_hash(ln_str claims, const struct alg *a, ln_str access_token, ln_err *err) {
  uint8_t sum[LN_DIGEST_MAX];
  size_t n;
  ln_vitem v;
  ln_buf want;
  if (!ln_v_get(claims, LN_STR("at_hash"), &v)) return true;
  if (!ln_digest(ln_str_of(a->digest), access_token, sum, &n, err)) return false;
  ln_buf_init(&want, 2 * LN_DIGEST_MAX);
  bool ok = ln_base64url((ln_str){(const char *)sum, n / 2}, &want) && v.tag == 'S' &&
            ln_str_same_secret(v.s, ln_buf_view(&want));
  ln_buf_free(&want);
  return ok || no(err, "is not of the access token that came with it");
}

static bool is_meant(ln_str claims, const struct alg *a, const ln_idtoken_want *w, ln_err *err) {
  ln_str sub = ln_v_get_str(claims, "sub");
  if (!ln_str_eq(ln_v_get_str(claims, "iss"), w->issuer)) return no(err, "is of another issuer");
  if (!sub.n || sub.n > SUBJECT_MOST) return no(err, "is of nobody");
  if (!w->nonce.n || !ln_str_same_secret(ln_v_get_str(claims, "nonce"), w->nonce))
    return no(err, "is of another sign-in");
  return is_for_us(claims, w->client_id, err) && is_now(claims, w->now_s, err) &&
         has_hash(claims, a, w->access_token, err);
}

bool ln_idtoken_check(ln_host *h, ln_str token, ln_str keys, const ln_idtoken_want *w, ln_buf *claims,
                      ln_err *err) {
  ln_str head, body;
  ln_buf header;
  size_t was = claims->n;
  ln_buf_init(&header, TOKEN_MOST);
  const struct alg *a = NULL;
  bool ok = (is_token(token, &head, &body) && open_part(h, head, &header)) || no(err, "is none");
  if (ok) ok = (a = alg_of(ln_buf_view(&header))) != NULL || no(err, "is signed in a way that is not taken");
  ok = ok && is_signed(token, a, ln_v_get_str(ln_buf_view(&header), "kid"), keys, err) &&
       (open_part(h, body, claims) || no(err, "has no claims")) &&
       is_meant((ln_str){claims->p + was, claims->n - was}, a, w, err);
  if (!ok) ln_buf_cut(claims, was);
  ln_buf_free(&header);
  return ok;
}
