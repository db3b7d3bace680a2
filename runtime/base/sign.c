/* sign.c: signatures by OpenSSL EVP.  What an algorithm is, is one row of a table: kind of key, digest,
** padding, and for JOSE's ECDSA the curve, whose signatures are two numbers of fixed length instead of DER.
** A key that does not fit the row is refused, so an algorithm can never be talked into another one. */
#include "base/sign.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

enum { ED_RAW = 32, RSA_LEAST_BITS = 2048, SIGNATURE_MAX = 4096 };

typedef struct alg_row {
  const char *name, *type, *digest; /* type: as EVP_PKEY_is_a says it; digest NULL: the algorithm's own */
  int padding;                      /* RSA_…_PADDING; 0: none                                            */
  const char *curve;                /* NULL: any                                                         */
  int half;                         /* > 0: a signature is r and s, of so many bytes each                */
} alg_row;

static const alg_row rows[] = {
    {"ed25519", "ED25519", NULL, 0, NULL, 0},
    {"EdDSA", "ED25519", NULL, 0, NULL, 0},
    {"ecdsa-sha256", "EC", "SHA256", 0, NULL, 0},
    {"ecdsa-sha384", "EC", "SHA384", 0, NULL, 0},
    {"ecdsa-sha512", "EC", "SHA512", 0, NULL, 0},
    {"ES256", "EC", "SHA256", 0, "prime256v1", 32},
    {"ES384", "EC", "SHA384", 0, "secp384r1", 48},
    {"ES512", "EC", "SHA512", 0, "secp521r1", 66},
    {"rsa-sha256", "RSA", "SHA256", RSA_PKCS1_PADDING, NULL, 0},
    {"rsa-sha384", "RSA", "SHA384", RSA_PKCS1_PADDING, NULL, 0},
    {"rsa-sha512", "RSA", "SHA512", RSA_PKCS1_PADDING, NULL, 0},
    {"RS256", "RSA", "SHA256", RSA_PKCS1_PADDING, NULL, 0},
    {"RS384", "RSA", "SHA384", RSA_PKCS1_PADDING, NULL, 0},
    {"RS512", "RSA", "SHA512", RSA_PKCS1_PADDING, NULL, 0},
    {"rsa-pss-sha256", "RSA", "SHA256", RSA_PKCS1_PSS_PADDING, NULL, 0},
    {"rsa-pss-sha384", "RSA", "SHA384", RSA_PKCS1_PSS_PADDING, NULL, 0},
    {"rsa-pss-sha512", "RSA", "SHA512", RSA_PKCS1_PSS_PADDING, NULL, 0},
    {"PS256", "RSA", "SHA256", RSA_PKCS1_PSS_PADDING, NULL, 0},
    {"PS384", "RSA", "SHA384", RSA_PKCS1_PSS_PADDING, NULL, 0},
    {"PS512", "RSA", "SHA512", RSA_PKCS1_PSS_PADDING, NULL, 0},
};

static const alg_row *row_of(ln_str alg, ln_err *err) {
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (ln_str_ieq(alg, ln_str_of(rows[i].name))) return &rows[i];
  ln_fail(err, "bad_argument", LN_FINAL,
          "no signature is called \"%.*s\": use ed25519, ecdsa-sha256, ES256, rsa-sha256, rsa-pss-sha256 or "
          "one of these with 384 or 512",
          alg.n > 40 ? 40 : (int)alg.n, alg.p);
  return NULL;
}

bool ln_sign_is_random(ln_str alg) {
  const alg_row *a = row_of(alg, NULL);
  return a && (strcmp(a->type, "EC") == 0 || a->padding == RSA_PKCS1_PSS_PADDING);
}

/* OpenSSL would ask for a passphrase at the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *arg) {
  (void)buf, (void)size, (void)writing, (void)arg;
  return -1;
}

static EVP_PKEY *read_private(BIO *in) {
  return BIO_reset(in) < 0 ? NULL : PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL);
}

static EVP_PKEY *read_public(BIO *in) {
  EVP_PKEY *key = PEM_read_bio_PUBKEY(in, NULL, no_passphrase, NULL);
  if (key || BIO_reset(in) < 0) return key;
  X509 *cert = PEM_read_bio_X509(in, NULL, no_passphrase, NULL);
  if (!cert) return NULL;
  key = X509_get_pubkey(cert);
  X509_free(cert);
  return key;
}

/* The key in its PEM (or raw) form; EVP_PKEY_free it.  NULL: it is none. */
static EVP_PKEY *read_key(const alg_row *a, ln_str key, bool to_sign) {
  const unsigned char *raw = (const unsigned char *)key.p;
  if (key.n == ED_RAW && strcmp(a->type, "ED25519") == 0)
    return to_sign ? EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, raw, ED_RAW)
                   : EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, raw, ED_RAW);
  BIO *in = key.n && key.n <= INT32_MAX ? BIO_new_mem_buf(key.p, (int)key.n) : NULL;
  if (!in) return NULL;
  EVP_PKEY *k = to_sign ? NULL : read_public(in);
  if (!k) k = read_private(in);
  BIO_free(in);
  return k;
}

static bool has_curve(EVP_PKEY *k, const char *curve) {
  char name[64];
  size_t n = 0;
  return EVP_PKEY_get_group_name(k, name, sizeof name, &n) == 1 && strcmp(name, curve) == 0;
}

/* Reads a key and checks that it fits the row; EVP_PKEY_free it. */
static EVP_PKEY *fitting_key(const alg_row *a, ln_str key, bool to_sign, ln_err *err) {
  EVP_PKEY *k = read_key(a, key, to_sign);
  ERR_clear_error();
  if (!k) {
    ln_fail(err, "bad_argument", LN_FINAL, "the key is not a %s in PEM form, unencrypted",
            to_sign ? "private key" : "public key, certificate or private key");
    return NULL;
  }
  if (!EVP_PKEY_is_a(k, a->type))
    ln_fail(err, "bad_argument", LN_FINAL, "%s wants a key of type %s", a->name, a->type);
  else if (a->curve && !has_curve(k, a->curve))
    ln_fail(err, "bad_argument", LN_FINAL, "%s wants a key on the curve %s", a->name, a->curve);
  else if (a->padding && EVP_PKEY_get_bits(k) < RSA_LEAST_BITS)
    ln_fail(err, "bad_argument", LN_FINAL, "an RSA key of %d bits is too weak: use %d or more",
            EVP_PKEY_get_bits(k), RSA_LEAST_BITS);
  else
    return k;
  EVP_PKEY_free(k);
  return NULL;
}

static bool set_padding(EVP_PKEY_CTX *c, const alg_row *a) {
  if (!a->padding) return true;
  return EVP_PKEY_CTX_set_rsa_padding(c, a->padding) > 0 &&
         (a->padding != RSA_PKCS1_PSS_PADDING ||
          EVP_PKEY_CTX_set_rsa_pss_saltlen(c, RSA_PSS_SALTLEN_DIGEST) > 0);
}

static const unsigned char *bytes(ln_str s) { return (const unsigned char *)(s.n ? s.p : ""); }

/* DER to r and s. */
static bool der_to_halves(const unsigned char *der, size_t n, int half, ln_buf *out) {
  ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)n);
  unsigned char *to = (unsigned char *)ln_buf_room(out, 2 * (size_t)half);
  bool ok = sig && to && BN_bn2binpad(ECDSA_SIG_get0_r(sig), to, half) == half &&
            BN_bn2binpad(ECDSA_SIG_get0_s(sig), to + half, half) == half;
  ECDSA_SIG_free(sig);
  if (ok) ln_buf_grew(out, 2 * (size_t)half);
  return ok;
}

/* r and s to DER, of at most SIGNATURE_MAX bytes; its length, or 0. */
static size_t halves_to_der(ln_str s, int half, unsigned char *der) {
  if (s.n != 2 * (size_t)half) return 0;
  ECDSA_SIG *sig = ECDSA_SIG_new();
  BIGNUM *r = BN_bin2bn(bytes(s), half, NULL), *t = BN_bin2bn(bytes(s) + half, half, NULL);
  int n = 0;
  if (sig && r && t && ECDSA_SIG_set0(sig, r, t) == 1) {
    r = t = NULL; /* they are the signature's now */
    n = i2d_ECDSA_SIG(sig, NULL) <= SIGNATURE_MAX ? i2d_ECDSA_SIG(sig, &der) : 0;
  }
  BN_free(r);
  BN_free(t);
  ECDSA_SIG_free(sig);
  return n > 0 ? (size_t)n : 0;
}

bool ln_sign(ln_str alg, ln_str key, ln_str data, ln_buf *signature, ln_err *err) {
  const alg_row *a = row_of(alg, err);
  EVP_PKEY *k = a ? fitting_key(a, key, true, err) : NULL;
  if (!k) return false;
  EVP_MD_CTX *c = EVP_MD_CTX_new();
  EVP_PKEY_CTX *pc = NULL;
  unsigned char sig[SIGNATURE_MAX];
  size_t n = sizeof sig;
  bool ok = c && EVP_DigestSignInit_ex(c, &pc, a->digest, NULL, NULL, k, NULL) == 1 && set_padding(pc, a) &&
            EVP_DigestSign(c, sig, &n, bytes(data), data.n) == 1;
  EVP_MD_CTX_free(c);
  EVP_PKEY_free(k);
  ERR_clear_error();
  if (ok && a->half) ok = der_to_halves(sig, n, a->half, signature);
  else if (ok) ok = ln_buf_add(signature, (ln_str){(const char *)sig, n});
  if (ok) return true;
  return ln_buf_ok(signature, err) &&
         ln_fail(err, "failed", LN_FINAL, "OpenSSL could not sign with %s", a->name);
}

bool ln_ed25519_public(const uint8_t key[ED_RAW], uint8_t out[ED_RAW]) {
  size_t n = ED_RAW;
  EVP_PKEY *k = EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, key, ED_RAW);
  bool ok = k && EVP_PKEY_get_raw_public_key(k, out, &n) == 1 && n == ED_RAW;
  EVP_PKEY_free(k);
  return ok;
}

bool ln_verify(ln_str alg, ln_str key, ln_str data, ln_str signature, bool *valid, ln_err *err) {
  const alg_row *a = row_of(alg, err);
  EVP_PKEY *k = a ? fitting_key(a, key, false, err) : NULL;
  if (!k) return false;
  unsigned char der[SIGNATURE_MAX];
  const unsigned char *sig = bytes(signature);
  size_t n = signature.n;
  if (a->half) sig = der, n = halves_to_der(signature, a->half, der);
  EVP_MD_CTX *c = EVP_MD_CTX_new();
  EVP_PKEY_CTX *pc = NULL;
  bool ready =
      c && EVP_DigestVerifyInit_ex(c, &pc, a->digest, NULL, NULL, k, NULL) == 1 && set_padding(pc, a);
  *valid = ready && n > 0 && EVP_DigestVerify(c, sig, n, bytes(data), data.n) == 1;
  EVP_MD_CTX_free(c);
  EVP_PKEY_free(k);
  ERR_clear_error();
  return ready || ln_fail(err, "failed", LN_FINAL, "OpenSSL could not verify with %s", a->name);
}
