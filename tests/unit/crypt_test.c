/* crypt_test.c: digests, base64, AES-GCM, signatures and tokens of the core, against published vectors. */
#include "base/base64.h"
#include "base/digest.h"
#include "base/gcm.h"
#include "base/hash.h"
#include "base/jwt.h"
#include "base/sign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>

#define S(z) ln_str_of(z)

static ln_str unhex(const char *hex, uint8_t *out) {
  size_t n = strlen(hex) / 2;
  assert_true(ln_unhex(S(hex), out, n));
  return (ln_str){(const char *)out, n};
}

static void hex_is(ln_str got, const char *hex) {
  char out[4096];
  assert_true(got.n * 2 < sizeof out);
  ln_hex((const uint8_t *)got.p, got.n, out);
  assert_string_equal(out, hex);
}

static void buf_is(ln_buf *b, ln_str wanted) {
  assert_int_equal(b->n, wanted.n);
  assert_memory_equal(b->p ? b->p : "", wanted.p, wanted.n);
  ln_buf_free(b);
}

/* --- digests --- */

static void test_digests(void **s) {
  (void)s;
  uint8_t out[LN_DIGEST_MAX];
  size_t n;
  ln_err err;
  ln_digests d;
  static const struct { const char *alg, *abc; } vectors[] = { /* FIPS 180-4 and 202, RFC 1321 */
      {"md5", "900150983cd24fb0d6963f7d28e17f72"},
      {"SHA1", "a9993e364706816aba3e25717850c26c9cd0d89d"},
      {"sha224", "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"},
      {"sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"sha3-256", "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"}};
  for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
    assert_true(ln_digest(S(vectors[i].alg), S("abc"), out, &n, &err));
    hex_is((ln_str){(char *)out, n}, vectors[i].abc);
  }
  assert_false(ln_digest(S("sha-256"), S("abc"), out, &n, &err));
  assert_true(ln_err_is(&err, "bad_argument"));
  assert_non_null(strstr(err.message, "sha256"));
  assert_true(ln_digests_of((ln_str){NULL, 0}, &d, &err));
  assert_string_equal(d.md5, "d41d8cd98f00b204e9800998ecf8427e");
}

static void test_hmac(void **s) { /* RFC 4231, cases 1 and 2 */
  (void)s;
  uint8_t out[LN_DIGEST_MAX], key[20];
  size_t n;
  ln_err err;
  memset(key, 0x0b, sizeof key);
  assert_true(ln_hmac(S("sha256"), (ln_str){(char *)key, 20}, S("Hi There"), out, &n, &err));
  hex_is((ln_str){(char *)out, n}, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  assert_true(ln_hmac(S("sha512"), (ln_str){(char *)key, 20}, S("Hi There"), out, &n, &err));
  hex_is((ln_str){(char *)out, n}, "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
                                   "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854");
  assert_true(ln_hmac(S("sha256"), S("Jefe"), S("what do ya want for nothing?"), out, &n, &err));
  hex_is((ln_str){(char *)out, n}, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  assert_false(ln_hmac(S("sha256"), S(""), S("x"), out, &n, &err));
}

/* --- base64 --- */

static void test_base64(void **s) { /* RFC 4648, section 10 */
  (void)s;
  static const char *const pairs[][2] = {{"", ""},
                                         {"f", "Zg=="},
                                         {"fo", "Zm8="},
                                         {"foo", "Zm9v"},
                                         {"foob", "Zm9vYg=="},
                                         {"fooba", "Zm9vYmE="},
                                         {"foobar", "Zm9vYmFy"}};
  ln_err err;
  ln_buf b;
  for (size_t i = 0; i < 7; i++) {
    ln_buf_init(&b, 100);
    assert_true(ln_base64(S(pairs[i][0]), &b));
    buf_is(&b, S(pairs[i][1]));
    assert_true(ln_unbase64(S(pairs[i][1]), &b, &err));
    buf_is(&b, S(pairs[i][0]));
  }
  assert_true(ln_base64url(LN_STR("\xfb\xff\xfe\x01"), &b));
  buf_is(&b, S("-__-AQ"));
  assert_true(ln_unbase64url(S("-__-AQ"), &b, &err));
  buf_is(&b, LN_STR("\xfb\xff\xfe\x01"));
  assert_true(ln_unbase64(S("Z m9\r\nv Yg"), &b, &err));
  buf_is(&b, S("foob"));
}

static void test_base64_faults(void **s) {
  (void)s;
  static const char *const bad[] = {"A",     "AAAAA", "AA=A",  "A===",  "=",
                                    "AA===", "A-AA",  "A\0AA", "AAAA=", "Zg==Zg=="};
  ln_err err;
  ln_buf b;
  ln_buf_init(&b, 100);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_false(ln_unbase64((ln_str){bad[i], i == 7 ? 4 : strlen(bad[i])}, &b, &err));
    assert_true(ln_err_is(&err, "bad_argument"));
    assert_int_equal(b.n, 0);
  }
  assert_false(ln_unbase64url(S("A+AA"), &b, &err));
  assert_non_null(strstr(err.message, "0x2B at offset 1"));
  ln_buf_free(&b);
  ln_buf_init(&b, 3);
  assert_false(ln_unbase64(S("Zm9vYg"), &b, &err)); /* more than the buffer may hold */
  assert_true(ln_err_is(&err, "too_big"));
  ln_buf_free(&b);
}

/* --- AES-GCM --- */

static void test_gcm(void **s) { /* McGrew and Viega, cases 13 and 16 */
  (void)s;
  uint8_t key[32] = {0}, nonce[12] = {0}, aad[64], plain[64], cipher[128];
  ln_err err;
  ln_buf b;
  ln_buf_init(&b, 1000);
  assert_true(ln_gcm_seal(key, nonce, S(""), (ln_str){NULL, 0}, &b, &err));
  hex_is(ln_buf_view(&b), "530f8afbc74536b9a963b4f1c4cb738b");
  ln_buf_free(&b);
  unhex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", key);
  unhex("cafebabefacedbaddecaf888", nonce);
  ln_str a = unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2", aad);
  ln_str p =
      unhex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525"
            "b16aedf5aa0de657ba637b39",
            plain);
  const char *sealed =
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838"
      "c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b";
  assert_true(ln_gcm_seal(key, nonce, a, p, &b, &err));
  hex_is(ln_buf_view(&b), sealed);
  ln_buf_free(&b);
  ln_str c = unhex(sealed, cipher);
  assert_true(ln_gcm_open(key, nonce, a, c, &b, &err));
  buf_is(&b, p);
  for (size_t i = 0; i < c.n; i++) { /* whatever byte is changed */
    cipher[i] ^= 1;
    assert_false(ln_gcm_open(key, nonce, a, c, &b, &err));
    assert_true(ln_err_is(&err, "failed"));
    assert_int_equal(b.n, 0);
    cipher[i] ^= 1;
  }
  assert_false(ln_gcm_open(key, nonce, S("other"), c, &b, &err));
  assert_false(ln_gcm_open(key, nonce, a, (ln_str){c.p, 15}, &b, &err));
  assert_false(ln_gcm_open(key, nonce, a, (ln_str){c.p, c.n - 1}, &b, &err));
  ln_buf_free(&b);
}

/* --- signatures --- */

static void test_ed25519(void **s) { /* RFC 8032, 7.1, test 2 */
  (void)s;
  uint8_t seed[32], public[32];
  ln_err err;
  ln_buf sig;
  bool valid;
  ln_buf_init(&sig, 1000);
  ln_str k = unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", seed);
  ln_str p = unhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", public);
  assert_true(ln_sign(S("Ed25519"), k, S("r"), &sig, &err));
  hex_is(ln_buf_view(&sig), "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
  assert_true(ln_verify(S("eddsa"), p, S("r"), ln_buf_view(&sig), &valid, &err) && valid);
  assert_true(ln_verify(S("eddsa"), p, S("s"), ln_buf_view(&sig), &valid, &err) && !valid);
  assert_true(ln_verify(S("eddsa"), p, S("r"), S(""), &valid, &err) && !valid);
  ln_buf_free(&sig);
}

/* The PEM forms of a key; free() them. */
static void to_pem(EVP_PKEY *k, char **private, char **public) {
  BIO *a = BIO_new(BIO_s_mem()), *b = BIO_new(BIO_s_mem());
  char *p;
  assert_true(PEM_write_bio_PrivateKey(a, k, NULL, NULL, 0, NULL, NULL) == 1 &&
              PEM_write_bio_PUBKEY(b, k) == 1);
  long n = BIO_get_mem_data(a, &p);
  *private = strndup(p, (size_t)n);
  n = BIO_get_mem_data(b, &p);
  *public = strndup(p, (size_t)n);
  BIO_free(a);
  BIO_free(b);
  EVP_PKEY_free(k);
}

static void there_and_back(const char *alg, const char *private, const char *public, size_t length) {
  ln_err err;
  ln_buf sig;
  bool valid = false;
  ln_buf_init(&sig, 5000);
  if (!ln_sign(S(alg), S(private), S("data"), &sig, &err)) fail_msg("%s: %s", alg, err.message);
  if (length) assert_int_equal(sig.n, length);
  assert_true(ln_verify(S(alg), S(public), S("data"), ln_buf_view(&sig), &valid, &err) && valid);
  assert_true(ln_verify(S(alg), S(private), S("data"), ln_buf_view(&sig), &valid, &err) && valid);
  assert_true(ln_verify(S(alg), S(public), S("datA"), ln_buf_view(&sig), &valid, &err) && !valid);
  assert_true(ln_verify(S(alg), S(public), S("data"), (ln_str){sig.p, sig.n - 1}, &valid, &err) && !valid);
  sig.p[sig.n / 2] ^= 1;
  assert_true(ln_verify(S(alg), S(public), S("data"), ln_buf_view(&sig), &valid, &err) && !valid);
  ln_buf_free(&sig);
}

static void refused(const char *alg, const char *key, const char *why) {
  ln_err err;
  ln_buf sig;
  ln_buf_init(&sig, 5000);
  assert_false(ln_sign(S(alg), S(key), S("data"), &sig, &err));
  assert_true(ln_err_is(&err, "bad_argument"));
  if (!strstr(err.message, why)) fail_msg("%s: %s", alg, err.message);
  ln_buf_free(&sig);
}

static void test_rsa(void **s) {
  (void)s;
  char *private, *public, *weak, *weak_public;
  to_pem(EVP_RSA_gen(2048), &private, &public);
  to_pem(EVP_RSA_gen(1024), &weak, &weak_public);
  static const char *const algs[] = {"rsa-sha256",     "RS384", "rs512",
                                     "rsa-pss-sha256", "PS384", "rsa-pss-sha512"};
  for (size_t i = 0; i < 6; i++) there_and_back(algs[i], private, public, 256);
  refused("RS256", weak, "1024 bits is too weak");
  refused("RS256", public, "not a private key");
  refused("ES256", private, "key of type EC");
  refused("ed25519", private, "key of type ED25519");
  refused("RS257", private, "no signature is called \"RS257\"");
  refused("RS256", "", "not a private key");
  refused("RS256", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n",
          "not a private key");
  assert_true(ln_sign_is_random(S("ps256")) && ln_sign_is_random(S("ES256")) &&
              ln_sign_is_random(S("ecdsa-sha256")));
  assert_false(ln_sign_is_random(S("RS256")) || ln_sign_is_random(S("ed25519")) ||
               ln_sign_is_random(S("none")));
  free(private), free(public), free(weak), free(weak_public);
}

static void test_ecdsa(void **s) {
  (void)s;
  char *p256, *p256_public, *p521, *p521_public;
  to_pem(EVP_EC_gen("P-256"), &p256, &p256_public);
  to_pem(EVP_EC_gen("P-521"), &p521, &p521_public);
  there_and_back("ecdsa-sha256", p256, p256_public, 0);
  there_and_back("ecdsa-sha512", p256, p256_public, 0);
  there_and_back("ES256", p256, p256_public, 64);
  there_and_back("ES512", p521, p521_public, 132);
  refused("ES256", p521, "curve prime256v1");
  refused("RS256", p256, "key of type RSA");
  free(p256), free(p256_public), free(p521), free(p521_public);
}

/* --- tokens --- */

#define CLAIMS                                                                                               \
  "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

static bool opens(const char *alg, ln_str key, const char *token, ln_err *err) {
  ln_buf header, claims;
  ln_buf_init(&header, 1000);
  ln_buf_init(&claims, 1000);
  bool ok = ln_jwt_open(S(alg), key, S(token), &header, &claims, err);
  ln_buf_free(&header);
  ln_buf_free(&claims);
  return ok;
}

static void test_jwt_hmac(void **s) { /* RFC 7515, A.1 */
  (void)s;
  const char *token =
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." CLAIMS ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  ln_buf key, out;
  ln_err err;
  ln_buf_init(&key, 100);
  ln_buf_init(&out, 1000);
  assert_true(ln_unbase64url(
      S("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"), &key,
      &err));
  assert_true(opens("hs256", ln_buf_view(&key), token, &err));
  assert_false(opens("HS256", S("another key"), token, &err));
  assert_true(ln_err_is(&err, "unauthorised"));
  assert_false(opens("HS512", ln_buf_view(&key), token, &err));
  assert_true(ln_jwt_sign(
      S("HS256"), ln_buf_view(&key), S("{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}"),
      S("{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"), &out, &err));
  assert_string_equal(ln_buf_addc(&out, 0) ? out.p : "", token);
  ln_buf_free(&key);
  ln_buf_free(&out);
}

/* A public key in PEM form of its DER's head and tail in hex. */
static void pem_of(const char *der_hex, ln_buf *pem) {
  uint8_t der[1000];
  ln_str d = unhex(der_hex, der);
  ln_buf_addz(pem, "-----BEGIN PUBLIC KEY-----\n");
  ln_base64(d, pem);
  for (size_t at = 27 + 64; at < pem->n; at += 65) { /* lines of 64 */
    ln_buf_addc(pem, 0);
    memmove(pem->p + at + 1, pem->p + at, pem->n - 1 - at);
    pem->p[at] = '\n';
  }
  ln_buf_addz(pem, "\n-----END PUBLIC KEY-----\n");
}

static void hex64(const char *b64url, ln_buf *hex) {
  ln_buf raw;
  ln_err err;
  char out[2000];
  ln_buf_init(&raw, 1000);
  assert_true(ln_unbase64url(S(b64url), &raw, &err));
  ln_hex((uint8_t *)raw.p, raw.n, out);
  ln_buf_addz(hex, out);
  ln_buf_free(&raw);
}

static void test_jwt_es256(void **s) { /* RFC 7515, A.3 */
  (void)s;
  ln_buf der, pem;
  ln_err err;
  ln_buf_init(&der, 2000);
  ln_buf_init(&pem, 2000);
  ln_buf_addz(&der, "3059301306072a8648ce3d020106082a8648ce3d03010703420004");
  hex64("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", &der);
  hex64("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", &der);
  ln_buf_addc(&der, 0);
  pem_of(der.p, &pem);
  const char *token =
      "eyJhbGciOiJFUzI1NiJ9." CLAIMS
      ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
  if (!opens("ES256", ln_buf_view(&pem), token, &err)) fail_msg("%s", err.message);
  assert_false(opens("HS256", ln_buf_view(&pem), token, &err)); /* a public key is no secret */
  assert_true(ln_err_is(&err, "bad_argument"));
  ln_buf_free(&der);
  ln_buf_free(&pem);
}

static void test_jwt_rs256(void **s) { /* RFC 7515, A.2 */
  (void)s;
  ln_buf der, pem;
  ln_err err;
  ln_buf_init(&der, 2000);
  ln_buf_init(&pem, 2000);
  ln_buf_addz(&der, "30820122300d06092a864886f70d01010105000382010f003082010a0282010100");
  hex64("ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-"
        "yRT-SFd2lZ"
        "S-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-"
        "UTo7WTBEMa2"
        "R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_"
        "h9iaGNj8q2ethFkMLs91kzk2PAcD"
        "TW9gb54h4FRWyuXpoQ",
        &der);
  ln_buf_addz(&der, "0203010001");
  ln_buf_addc(&der, 0);
  pem_of(der.p, &pem);
  const char *token = "eyJhbGciOiJSUzI1NiJ9." CLAIMS
                      ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
                      "O8W2Fp5jujGbds9uJdbF9CUAr7"
                      "t1dnZcAcQjbKBYNX4BAynRFdiuB--f_"
                      "nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12"
                      "jzDwusC-"
                      "eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmt"
                      "VrBp0igcN_IoypGlUP"
                      "QGe77Rw";
  if (!opens("RS256", ln_buf_view(&pem), token, &err)) fail_msg("%s", err.message);
  assert_false(opens("PS256", ln_buf_view(&pem), token, &err));
  ln_buf_free(&der);
  ln_buf_free(&pem);
}

static void test_jwt_eddsa(void **s) { /* RFC 8037, A.4 */
  (void)s;
  uint8_t seed[32];
  ln_err err;
  ln_buf token;
  ln_buf_init(&token, 1000);
  ln_str k = unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", seed);
  assert_true(
      ln_jwt_sign(S("EdDSA"), k, S("{\"alg\":\"EdDSA\"}"), S("Example of Ed25519 signing"), &token, &err));
  ln_buf_addc(&token, 0);
  assert_string_equal(
      token.p, "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PG"
               "cvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
  ln_buf_free(&token);
}

static void test_jwt_faults(void **s) {
  (void)s;
  static const char *const bad[] = {"", ".", "a.b", "..", "eyJ9.eyJ9", "eyJ9.eyJ9.!", "eyJ9.eyJ9.AA.AA"};
  ln_err err;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(opens("HS256", S("key"), bad[i], &err));
  assert_false(opens("none", S("key"), "eyJ9.eyJ9.", &err));
  assert_true(ln_err_is(&err, "bad_argument"));
  assert_string_equal(ln_jwt_alg(S("eddsa")), "EdDSA");
  assert_null(ln_jwt_alg(S("none")));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_digests),   cmocka_unit_test(test_hmac),
                                     cmocka_unit_test(test_base64),    cmocka_unit_test(test_base64_faults),
                                     cmocka_unit_test(test_gcm),       cmocka_unit_test(test_ed25519),
                                     cmocka_unit_test(test_rsa),       cmocka_unit_test(test_ecdsa),
                                     cmocka_unit_test(test_jwt_hmac),  cmocka_unit_test(test_jwt_es256),
                                     cmocka_unit_test(test_jwt_rs256), cmocka_unit_test(test_jwt_eddsa),
                                     cmocka_unit_test(test_jwt_faults)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
