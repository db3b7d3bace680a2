/* jwk.c: JSON Web Keys into PEM, so that what checks signatures reads keys in one form.  Of a private key's
** members none is looked at. */
#include "base/jwk.h"

#include "base/base64.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

enum { PART_MOST = 4096, ED_RAW = 32 };

static const unsigned char *bytes(const ln_buf *b) { return (const unsigned char *)(b->n ? b->p : ""); }

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *b) {
  OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(b);
  EVP_PKEY_CTX *c = params ? EVP_PKEY_CTX_new_from_name(NULL, type, NULL) : NULL;
  EVP_PKEY *key = NULL;
  if (c && EVP_PKEY_fromdata_init(c) == 1) EVP_PKEY_fromdata(c, &key, EVP_PKEY_PUBLIC_KEY, params);
  EVP_PKEY_CTX_free(c);
  OSSL_PARAM_free(params);
  return key;
}

static EVP_PKEY *rsa(const ln_buf *n, const ln_buf *e) {
  OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
  BIGNUM *modulus = BN_bin2bn(bytes(n), (int)n->n, NULL), *exponent = BN_bin2bn(bytes(e), (int)e->n, NULL);
  bool ok = b && n->n && e->n && modulus && exponent &&
            OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
            OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, exponent) == 1;
  EVP_PKEY *key = ok ? from_params("RSA", b) : NULL;
  BN_free(modulus);
  BN_free(exponent);
  OSSL_PARAM_BLD_free(b);
  return key;
}

/* A point that is not on the curve is none: OpenSSL looks. */
static EVP_PKEY *ec(ln_str crv, const ln_buf *x, const ln_buf *y) {
  static const struct {
    const char *name;
    size_t half;
  } curves[] = {{"P-256", 32}, {"P-384", 48}, {"P-521", 66}};
  unsigned char point[1 + 2 * 66] = {POINT_CONVERSION_UNCOMPRESSED};
  size_t i = 0, n = sizeof curves / sizeof *curves;
  while (i < n && !ln_str_eq(crv, ln_str_of(curves[i].name))) i++;
  if (i == n || x->n != curves[i].half || y->n != curves[i].half) return NULL;
  memcpy(point + 1, x->p, x->n);
  memcpy(point + 1 + x->n, y->p, y->n);
  OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
  bool ok = b && OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, curves[i].name, 0) == 1 &&
            OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + x->n + y->n) == 1;
  EVP_PKEY *key = ok ? from_params("EC", b) : NULL;
  OSSL_PARAM_BLD_free(b);
  return key;
}

static EVP_PKEY *okp(ln_str crv, const ln_buf *x) {
  if (!ln_str_eq(crv, LN_STR("Ed25519")) || x->n != ED_RAW) return NULL;
  return EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, bytes(x), x->n);
}

static bool put_pem(EVP_PKEY *key, ln_buf *out) {
  BIO *mem = BIO_new(BIO_s_mem());
  char *pem = NULL;
  bool ok = mem && PEM_write_bio_PUBKEY(mem, key) == 1;
  long n = ok ? BIO_get_mem_data(mem, &pem) : 0;
  ok = n > 0 && ln_buf_add(out, (ln_str){pem, (size_t)n});
  BIO_free(mem);
  return ok;
}

bool ln_jwk_pem(const ln_jwk *k, ln_buf *out, ln_err *err) {
  const ln_str texts[] = {k->n, k->e, k->x, k->y};
  ln_buf part[4];
  bool ok = true;
  EVP_PKEY *key = NULL;
  for (size_t i = 0; i < 4; i++) ln_buf_init(&part[i], PART_MOST);
  for (size_t i = 0; ok && i < 4; i++) ok = ln_unbase64url(texts[i], &part[i], err);
  if (ok && ln_str_eq(k->kty, LN_STR("RSA"))) key = rsa(&part[0], &part[1]);
  else if (ok && ln_str_eq(k->kty, LN_STR("EC"))) key = ec(k->crv, &part[2], &part[3]);
  else if (ok && ln_str_eq(k->kty, LN_STR("OKP"))) key = okp(k->crv, &part[2]);
  if (ok)
    ok = (key && put_pem(key, out)) ||
         ln_fail(err, "bad_argument", LN_FINAL, "that is no key of a kind that is known");
  for (size_t i = 0; i < 4; i++) ln_buf_free(&part[i]);
  EVP_PKEY_free(key);
  ERR_clear_error();
  return ok;
}
