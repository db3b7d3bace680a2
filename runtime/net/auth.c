/* auth.c: Base64, form encoding and signed client assertions, over OpenSSL's EVP.  Every assertion is signed
** afresh by its caller's choice of jti: a vendor takes each one once. */
#include "net/auth.h"

#include "base/json.h"

#include <openssl/bio.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

bool ln_base64(ln_str in, bool url_safe, ln_buf *out) {
  const char *abc = url_safe ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
                             : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const unsigned char *p = (const unsigned char *)in.p;
  for (size_t i = 0; i < in.n; i += 3) {
    size_t left = in.n - i;
    unsigned v = (unsigned)p[i] << 16 | (left > 1 ? (unsigned)p[i + 1] << 8 : 0) | (left > 2 ? p[i + 2] : 0);
    char q[4] = {abc[v >> 18], abc[v >> 12 & 63], left > 1 ? abc[v >> 6 & 63] : '=', left > 2 ? abc[v & 63] : '='};
    ln_buf_add(out, (ln_str){q, url_safe && left < 3 ? left + 1 : 4});
  }
  return !ln_buf_failed(out);
}

bool ln_percent(ln_buf *out, ln_str s) {
  static const char hex[] = "0123456789ABCDEF";
  for (size_t i = 0; i < s.n; i++) {
    unsigned char c = (unsigned char)s.p[i];
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      ln_buf_addc(out, (char)c);
    } else {
      char q[3] = {'%', hex[c >> 4], hex[c & 15]};
      ln_buf_add(out, (ln_str){q, 3});
    }
  }
  return !ln_buf_failed(out);
}

bool ln_form_add(ln_buf *out, ln_str name, ln_str value) {
  if (out->n) ln_buf_addc(out, '&');
  ln_percent(out, name);
  ln_buf_addc(out, '=');
  return ln_percent(out, value);
}

/* --- JWT --- */

typedef struct alg {
  const char *name, *digest;
  int key;                                               /* EVP_PKEY_RSA or EVP_PKEY_EC                      */
  size_t part;                                           /* EC: bytes of r and of s                          */
} alg;

static const alg *find_alg(ln_str name) {
  static const alg all[] = {{"RS256", "SHA256", EVP_PKEY_RSA, 0}, {"RS384", "SHA384", EVP_PKEY_RSA, 0},
                            {"RS512", "SHA512", EVP_PKEY_RSA, 0}, {"ES256", "SHA256", EVP_PKEY_EC, 32},
                            {"ES384", "SHA384", EVP_PKEY_EC, 48}, {"ES512", "SHA512", EVP_PKEY_EC, 66}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (ln_str_eq(ln_str_of(all[i].name), name)) return &all[i];
  return NULL;
}

/* No prompt for a pass phrase: a sealed key is an unreadable one. */
static int no_phrase(char *buf, int size, int rw, void *u) {
  (void)buf, (void)size, (void)rw, (void)u;
  return -1;
}

static EVP_PKEY *read_key(ln_str pem, const alg *a, ln_err *err) {
  BIO *b = pem.n < 65536 ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
  EVP_PKEY *key = b ? PEM_read_bio_PrivateKey(b, NULL, no_phrase, NULL) : NULL;
  BIO_free(b);
  if (!key) {
    ln_fail(err, "bad_argument", LN_FINAL, "the private key is not a readable PEM key without a pass phrase");
  } else if (EVP_PKEY_get_base_id(key) != a->key || (a->part && (size_t)(EVP_PKEY_get_bits(key) + 7) / 8 != a->part)) {
    ln_fail(err, "bad_argument", LN_FINAL, "the private key is not of the kind that %s signs with", a->name);
    EVP_PKEY_free(key);
    key = NULL;
  }
  return key;
}

/* OpenSSL signs ECDSA as DER; a JWS has r and s side by side (RFC 7518, 3.4). */
static bool flat_ecdsa(const alg *a, const unsigned char *der, size_t n, ln_buf *out) {
  const unsigned char *p = der;
  ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)n);
  unsigned char flat[2 * 66];
  bool ok = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), flat, (int)a->part) > 0 &&
            BN_bn2binpad(ECDSA_SIG_get0_s(sig), flat + a->part, (int)a->part) > 0;
  ECDSA_SIG_free(sig);
  return ok && ln_base64((ln_str){(char *)flat, 2 * a->part}, true, out);
}

static bool sign(const alg *a, EVP_PKEY *key, ln_str data, ln_buf *out) {
  unsigned char sig[1024];
  size_t n = sizeof sig;
  EVP_MD_CTX *ctx = EVP_MD_CTX_new();
  bool ok = ctx && (size_t)EVP_PKEY_get_size(key) <= sizeof sig &&
            EVP_DigestSignInit_ex(ctx, NULL, a->digest, NULL, NULL, key, NULL) == 1 &&
            EVP_DigestSign(ctx, sig, &n, (const unsigned char *)data.p, data.n) == 1;
  EVP_MD_CTX_free(ctx);
  if (!ok) return false;
  return a->part ? flat_ecdsa(a, sig, n, out) : ln_base64((ln_str){(char *)sig, n}, true, out);
}

static void write_head(const ln_assertion *a, ln_json *j) {
  ln_json_open(j, '{');
  ln_json_key(j, LN_STR("alg"));
  ln_json_str(j, a->alg);
  if (a->kid.n) {
    ln_json_key(j, LN_STR("kid"));
    ln_json_str(j, a->kid);
  }
  ln_json_key(j, LN_STR("typ"));
  ln_json_strz(j, "JWT");
  ln_json_close(j, '}');
}

static void write_claims(const ln_assertion *a, ln_json *j) {
  ln_json_open(j, '{');
  ln_json_key(j, LN_STR("aud"));
  ln_json_str(j, a->audience);
  ln_json_key(j, LN_STR("exp"));
  ln_json_int(j, a->now_s + a->life_s);
  ln_json_key(j, LN_STR("iat"));
  ln_json_int(j, a->now_s);
  ln_json_key(j, LN_STR("iss"));
  ln_json_str(j, a->client);
  ln_json_key(j, LN_STR("jti"));
  ln_json_strz(j, a->jti);
  ln_json_key(j, LN_STR("sub"));
  ln_json_str(j, a->client);
  ln_json_close(j, '}');
}

static bool add_part(const ln_assertion *a, void (*write)(const ln_assertion *, ln_json *), ln_buf *out) {
  ln_buf text;
  ln_json j;
  ln_buf_init(&text, 8192);
  ln_json_init(&j, &text);
  write(a, &j);
  bool ok = !ln_buf_failed(&text) && ln_base64(ln_buf_view(&text), true, out);
  ln_buf_free(&text);
  return ok;
}

bool ln_jwt_sign(const ln_assertion *a, ln_str pem, ln_buf *out, ln_err *err) {
  const alg *how = find_alg(a->alg);
  if (!how)
    return ln_fail(err, "bad_argument", LN_FINAL, "\"" LN_STR_FMT "\" is no algorithm for signing: RS256, ES256 …",
                   LN_STR_ARG(a->alg));
  EVP_PKEY *key = read_key(pem, how, err);
  if (!key) return false;
  size_t start = out->n;
  bool ok = add_part(a, write_head, out) && ln_buf_addc(out, '.') && add_part(a, write_claims, out);
  ln_buf sig;
  ln_buf_init(&sig, 4096);
  ok = ok && sign(how, key, (ln_str){out->p + start, out->n - start}, &sig) && ln_buf_addc(out, '.') &&
       ln_buf_add(out, ln_buf_view(&sig));
  ln_buf_free(&sig);
  EVP_PKEY_free(key);
  return ok || ln_fail(err, "failed", LN_FINAL, "the client assertion could not be signed");
}
