/* idtoken_test.c: ID tokens: a good one of each algorithm is believed, and whatever is changed in it is
** seen. */
#include "server/idtoken.h"

#include "base/base64.h"
#include "base/digest.h"
#include "base/jwk.h"
#include "base/jwt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>

enum { NOW = 1795600000 };

typedef struct key {
  const char *alg, *kid;
  char pem[4000], jwk[2000], public[1000];
} key;

enum { AN_RSA, AN_EC, ED, OTHER, KEYS };
static key made[KEYS] = {{.alg = "RS256", .kid = "r"},
                         {.alg = "ES256", .kid = "e"},
                         {.alg = "EdDSA", .kid = "d"},
                         {.alg = "ES256", .kid = "o"}};
static ln_host *host;
static const ln_str access_token = {"an access token", 15};

static const char *b64(ln_str s) {
  static char text[8][1000];
  static int turn;
  char *out = text[turn++ % 8];
  ln_buf b;
  ln_buf_init(&b, 1000);
  assert_true(ln_base64url(s, &b));
  snprintf(out, sizeof text[0], "%.*s", LN_STR_ARG(ln_buf_view(&b)));
  ln_buf_free(&b);
  return out;
}

/* A number of the key, in so many bytes (0: as many as it has). */
static const char *part(EVP_PKEY *k, const char *name, int width) {
  unsigned char raw[600];
  BIGNUM *n = NULL;
  assert_int_equal(EVP_PKEY_get_bn_param(k, name, &n), 1);
  int size = BN_bn2binpad(n, raw, width ? width : BN_num_bytes(n));
  BN_free(n);
  return b64((ln_str){(char *)raw, (size_t)size});
}

static void write_out(BIO *mem, char *out, size_t size) {
  char *p;
  long n = BIO_get_mem_data(mem, &p);
  assert_in_range(n, 1, size - 1);
  snprintf(out, size, "%.*s", (int)n, p);
  BIO_free(mem);
}

static void make(key *m, EVP_PKEY *k) {
  unsigned char raw[32];
  size_t n = sizeof raw;
  BIO *mem = BIO_new(BIO_s_mem()), *pub = BIO_new(BIO_s_mem());
  assert_non_null(k);
  assert_int_equal(PEM_write_bio_PKCS8PrivateKey(mem, k, NULL, NULL, 0, NULL, NULL), 1);
  assert_int_equal(PEM_write_bio_PUBKEY(pub, k), 1);
  write_out(mem, m->pem, sizeof m->pem);
  write_out(pub, m->public, sizeof m->public);
  if (m->alg[0] == 'R')
    snprintf(m->jwk, sizeof m->jwk, "{\"kty\":\"RSA\",\"kid\":\"%s\",\"n\":\"%s\",\"e\":\"%s\"}", m->kid,
             part(k, OSSL_PKEY_PARAM_RSA_N, 0), part(k, OSSL_PKEY_PARAM_RSA_E, 0));
  else if (m->alg[1] == 'S')
    snprintf(
        m->jwk, sizeof m->jwk,
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"use\":\"sig\",\"alg\":\"ES256\",\"kid\":\"%s\",\"x\":\"%s\","
        "\"y\":\"%s\"}",
        m->kid, part(k, OSSL_PKEY_PARAM_EC_PUB_X, 32), part(k, OSSL_PKEY_PARAM_EC_PUB_Y, 32));
  else {
    assert_int_equal(EVP_PKEY_get_raw_public_key(k, raw, &n), 1);
    snprintf(m->jwk, sizeof m->jwk, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"%s\",\"x\":\"%s\"}",
             m->kid, b64((ln_str){(char *)raw, n}));
  }
  EVP_PKEY_free(k);
}

static int setup(void **state) {
  (void)state;
  ln_err err = {.code = ""};
  make(&made[AN_RSA], EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048));
  make(&made[AN_EC], EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"));
  make(&made[ED], EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
  make(&made[OTHER], EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"));
  return (host = ln_host_new(&err)) ? 0 : -1;
}

static int teardown(void **state) {
  (void)state;
  ln_host_free(host);
  return 0;
}

/* ------------------------------------------------------------------ a token, and what is made of it */

typedef struct told {
  const char *header, *claims; /* NULL: good ones                                 */
  const key *by;               /* who signs it; NULL: AN_RSA                        */
  const char *alg;             /* how; NULL: as the key's                         */
  const char *keys;            /* the set; NULL: the first three                   */
} told;

static const char *keys_of(const char *a, const char *b, const char *c) {
  static char text[4][8000];
  static int turn;
  char *out = text[turn++ % 4];
  snprintf(out, sizeof text[0], "{\"keys\":[%s,%s,%s]}", a, b, c);
  return out;
}

#define GOOD "\"iss\":\"https://id.example\",\"sub\":\"42\",\"nonce\":\"N\",\"email\":\"ann@acme.example\""
#define FOR_US "\"aud\":\"us\""
#define TIMES "\"exp\":1795600300,\"iat\":1795600000"

static void sign(const told *t, ln_buf *token) {
  ln_err err = {.code = ""};
  char header[200];
  const key *k = t->by ? t->by : &made[AN_RSA];
  const char *alg = t->alg ? t->alg : k->alg;
  snprintf(header, sizeof header, "{\"alg\":\"%s\",\"kid\":\"%s\",\"typ\":\"JWT\"}", alg, k->kid);
  ln_str claims = ln_str_of(t->claims ? t->claims : "{" GOOD "," FOR_US "," TIMES "}");
  ln_str with = ln_str_of(alg[0] == 'H' ? "0123456789abcdef0123456789abcdef" : k->pem);
  if (!ln_jwt_sign(ln_str_of(alg), with, ln_str_of(t->header ? t->header : header), claims, token, &err))
    fail_msg("%s", err.message);
}

/* "" : believed; else the code of the refusal, or ln_idtoken_check's whole message in *why. */
static const char *check_text(ln_str token, const char *keys, ln_err *why) {
  static char code[LN_ERR_CODE];
  ln_buf set, claims;
  ln_buf_init(&set, 1 << 16);
  ln_buf_init(&claims, 1 << 16);
  *why = (ln_err){.code = ""};
  assert_true(ln_host_json(
      host, ln_str_of(keys ? keys : keys_of(made[AN_RSA].jwk, made[AN_EC].jwk, made[ED].jwk)), &set, why));
  const ln_idtoken_want w = {LN_STR("https://id.example"), LN_STR("us"), LN_STR("N"), access_token, NOW};
  bool ok = ln_idtoken_check(host, token, ln_buf_view(&set), &w, &claims, why);
  assert_int_equal(ok, claims.n > 0);
  if (ok) assert_true(ln_str_eq(ln_v_get_str(ln_buf_view(&claims), "sub"), LN_STR("42")));
  snprintf(code, sizeof code, "%s", ok ? "" : why->code);
  ln_buf_free(&set);
  ln_buf_free(&claims);
  return code;
}

static void expect(const char *code, const char *part, told t) {
  ln_err why;
  ln_buf token;
  ln_buf_init(&token, 1 << 16);
  sign(&t, &token);
  const char *got = check_text(ln_buf_view(&token), t.keys, &why);
  if (strcmp(got, code) != 0 || (part && !strstr(why.message, part)))
    fail_msg("%s: \"%s\" %s", t.claims ? t.claims : t.header ? t.header : "it", got, why.message);
  ln_buf_free(&token);
}

#define REFUSED(part, ...) expect("unauthorised", part, (told){__VA_ARGS__})

/* ------------------------------------------------------------------ the tests */

static void test_each_algorithm(void **state) {
  (void)state;
  expect("", NULL, (told){.by = &made[AN_RSA]});
  expect("", NULL, (told){.by = &made[AN_RSA], .alg = "PS256"});
  expect("", NULL, (told){.by = &made[AN_EC]});
  expect("", NULL, (told){.by = &made[ED]});
  expect("", NULL, (told){.header = "{\"alg\":\"RS256\"}"}); /* without kid: the only one of its kind       */
}

static void test_other_algorithms(void **state) {
  (void)state;
  static const char *const algs[] = {"RS384", "RS512", "PS384", "PS512", "HS256", "HS384", "HS512"};
  for (size_t i = 0; i < sizeof algs / sizeof *algs; i++) REFUSED("a way that is not taken", .alg = algs[i]);
  static const char *const headers[] = {"{\"alg\":\"none\"}",
                                        "{\"alg\":\"None\"}",
                                        "{\"alg\":\"\"}",
                                        "{}",
                                        "{\"alg\":\"rs256\"}",
                                        "{\"alg\":[\"RS256\"]}",
                                        "{\"alg\":\"RS256\",\"kid\":\"r\",\"crit\":[\"exp\"]}",
                                        "{\"alg\":\"RS256\",\"kid\":\"r\",\"typ\":\"at+jwt\"}"};
  for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
    REFUSED("a way that is not taken", .header = headers[i]);
}

/* The old trick: HMAC, keyed with the public key that everybody has. */
static void test_public_key_as_a_secret(void **state) {
  (void)state;
  ln_err why;
  ln_buf token;
  uint8_t sum[LN_DIGEST_MAX];
  size_t n;
  ln_buf_init(&token, 1 << 16);
  sign(&(told){.header = "{\"alg\":\"HS256\",\"kid\":\"r\"}"}, &token);
  while (token.n && token.p[token.n - 1] != '.') token.n--;
  assert_true(ln_hmac(LN_STR("sha256"), ln_str_of(made[AN_RSA].public), (ln_str){token.p, token.n - 1}, sum,
                      &n, &why));
  assert_true(ln_base64url((ln_str){(char *)sum, n}, &token));
  assert_string_equal(check_text(ln_buf_view(&token), NULL, &why), "unauthorised");
  ln_buf_free(&token);
}

static void test_keys(void **state) {
  (void)state;
  expect("not_found", NULL, (told){.by = &made[OTHER]});
  expect("not_found", NULL, (told){.header = "{\"alg\":\"RS256\",\"kid\":\"x\"}"});
  REFUSED("not signed", .by = &made[OTHER], .header = "{\"alg\":\"ES256\",\"kid\":\"e\"}");
  REFUSED("which key", .by = &made[AN_EC], .header = "{\"alg\":\"ES256\"}",
          .keys = keys_of(made[AN_EC].jwk, made[OTHER].jwk, "{}"));
  char sealing[2100], other[2100];
  snprintf(sealing, sizeof sealing, "{\"use\":\"enc\",%.1900s", made[AN_RSA].jwk + 1);
  snprintf(other, sizeof other, "{\"alg\":\"RS512\",%.1900s", made[AN_RSA].jwk + 1);
  expect("not_found", NULL, (told){.keys = keys_of(sealing, other, "7")});
  expect("", NULL, (told){.keys = keys_of(sealing, made[AN_RSA].jwk, other)});
  REFUSED("no keys", .keys = "{}");
  REFUSED("cannot be used", .keys = "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"r\"}]}");
  REFUSED("cannot be used",
          .keys = "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"r\",\"n\":\"!\",\"e\":\"AQAB\"}]}");
  REFUSED("not signed", .keys = "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"r\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}");
}

static void test_claims(void **state) {
  (void)state;
#define WITH(part, text) REFUSED(part, .claims = "{" text "}")
  WITH("issuer", "\"iss\":\"https://id.example/\",\"sub\":\"42\",\"nonce\":\"N\"," FOR_US "," TIMES);
  WITH("issuer", "\"iss\":[\"https://id.example\"],\"sub\":\"42\",\"nonce\":\"N\"," FOR_US "," TIMES);
  WITH("issuer", "\"sub\":\"42\",\"nonce\":\"N\"," FOR_US "," TIMES);
  WITH("nobody", "\"iss\":\"https://id.example\",\"nonce\":\"N\"," FOR_US "," TIMES);
  WITH("nobody", "\"iss\":\"https://id.example\",\"sub\":42,\"nonce\":\"N\"," FOR_US "," TIMES);
  WITH("another sign-in", "\"iss\":\"https://id.example\",\"sub\":\"42\",\"nonce\":\"M\"," FOR_US "," TIMES);
  WITH("another sign-in", "\"iss\":\"https://id.example\",\"sub\":\"42\"," FOR_US "," TIMES);
  WITH("is for nobody", GOOD "," TIMES);
  WITH("somebody else", GOOD "," TIMES ",\"aud\":\"them\"");
  WITH("somebody else", GOOD "," TIMES ",\"aud\":[\"them\"]");
  WITH("somebody else", GOOD "," TIMES ",\"aud\":[]");
  WITH("somebody else", GOOD "," TIMES ",\"aud\":{\"us\":\"us\"}");
  WITH("somebody else", GOOD "," TIMES ",\"aud\":[\"them\",\"us\"]");
  WITH("somebody else", GOOD "," TIMES ",\"aud\":\"us\",\"azp\":\"them\"");
  WITH("somebody else", GOOD "," TIMES ",\"aud\":[\"us\",\"them\"],\"azp\":\"them\"");
  WITH("expired", GOOD "," FOR_US ",\"iat\":1795600000");
  WITH("expired", GOOD "," FOR_US ",\"iat\":1795600000,\"exp\":\"1795600300\"");
  WITH("expired", GOOD "," FOR_US ",\"iat\":1795599000,\"exp\":1795599940");
  WITH("just now", GOOD "," FOR_US ",\"exp\":1795600300");
  WITH("just now", GOOD "," FOR_US ",\"exp\":1795600300,\"iat\":1795600061");
  WITH("just now", GOOD "," FOR_US ",\"exp\":1795600300,\"iat\":1795599399");
  WITH("just now", GOOD "," FOR_US ",\"exp\":1795600300,\"iat\":1e300");
  WITH("not valid yet", GOOD "," FOR_US "," TIMES ",\"nbf\":1795600061");
  WITH("not valid yet", GOOD "," FOR_US "," TIMES ",\"nbf\":\"soon\"");
  WITH("access token", GOOD "," FOR_US "," TIMES ",\"at_hash\":\"AAAA\"");
  WITH("access token", GOOD "," FOR_US "," TIMES ",\"at_hash\":7");
  REFUSED("no claims", .claims = "[]");
  REFUSED("no claims", .claims = "7");
#define FINE(text) expect("", NULL, (told){.claims = "{" text "}"})
  FINE(GOOD "," TIMES ",\"aud\":[\"us\"]");
  FINE(GOOD "," TIMES ",\"aud\":[\"them\",\"us\"],\"azp\":\"us\"");
  FINE(GOOD "," FOR_US
            ",\"exp\":1795600000.5,\"iat\":1795600060,\"nbf\":1795600060"); /* clocks differ a bit */
  FINE(GOOD "," FOR_US ",\"exp\":1795599941,\"iat\":1795599400");
}

static void test_at_hash(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) {
    const key *k = &made[i ? ED : AN_EC];
    uint8_t sum[LN_DIGEST_MAX];
    size_t n;
    char claims[400];
    ln_err err;
    assert_true(ln_digest(i ? LN_STR("sha512") : LN_STR("sha256"), access_token, sum, &n, &err));
    snprintf(claims, sizeof claims, "{" GOOD "," FOR_US "," TIMES ",\"at_hash\":\"%s\"}",
             b64((ln_str){(char *)sum, n / 2}));
    expect("", NULL, (told){.by = k, .claims = claims});
  }
}

static void test_no_bit_may_change(void **state) {
  (void)state;
  ln_err why;
  ln_buf token;
  ln_buf_init(&token, 1 << 16);
  sign(&(told){.by = &made[ED]}, &token);
  assert_string_equal(check_text(ln_buf_view(&token), NULL, &why), "");
  for (size_t i = 0; i + 1 < token.n; i++) { /* the last one has bits that mean nothing        */
    char was = token.p[i];
    for (int c = 0; c < 2; c++) {
      token.p[i] = c ? ' ' : was == 'A' ? 'B' : 'A';
      assert_string_not_equal(check_text(ln_buf_view(&token), NULL, &why), "");
    }
    token.p[i] = was;
  }
  for (size_t n = 0; n + 1 < token.n; n += 7)
    assert_string_not_equal(check_text((ln_str){token.p, n}, NULL, &why), "");
  ln_buf_addz(&token, ".");
  assert_string_not_equal(check_text(ln_buf_view(&token), NULL, &why), "");
  static const char *const none[] = {"", ".", "..", "...", "e30.e30.", "e30.e30.e30"};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++)
    assert_string_equal(check_text(ln_str_of(none[i]), NULL, &why), "unauthorised");
  ln_buf_free(&token);
}

/* The example of RFC 7517 has a point on P-256; one beside the curve is no key. */
static void test_points(void **state) {
  (void)state;
  ln_err err;
  ln_buf pem;
  ln_buf_init(&pem, 4096);
  ln_jwk k = {.kty = LN_STR("EC"),
              .crv = LN_STR("P-256"),
              .x = LN_STR("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4"),
              .y = LN_STR("4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM")};
  assert_true(ln_jwk_pem(&k, &pem, &err));
  k.y = LN_STR("5Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM");
  assert_false(ln_jwk_pem(&k, &pem, &err));
  k.crv = LN_STR("P-999");
  assert_false(ln_jwk_pem(&k, &pem, &err));
  k = (ln_jwk){.kty = LN_STR("oct"), .n = LN_STR("AQAB")};
  assert_false(ln_jwk_pem(&k, &pem, &err));
  ln_buf_free(&pem);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_algorithm),
                                     cmocka_unit_test(test_other_algorithms),
                                     cmocka_unit_test(test_public_key_as_a_secret),
                                     cmocka_unit_test(test_keys),
                                     cmocka_unit_test(test_claims),
                                     cmocka_unit_test(test_at_hash),
                                     cmocka_unit_test(test_no_bit_may_change),
                                     cmocka_unit_test(test_points)};
  return cmocka_run_group_tests_name("ID tokens", tests, setup, teardown);
}
