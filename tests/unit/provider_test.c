/* provider_test.c: what a provider says of itself and its keys: when it is asked, who waits, what is
** believed. */
#include "server/provider.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MINUTE = 60000, HOUR = 3600000 };

#define ENDPOINTS                                                                                            \
  "\"authorization_endpoint\":\"https://id.example/auth\",\"token_endpoint\":\"https://id.example/token\","  \
  "\"jwks_uri\":\"https://keys.example/jwks\""
#define GOOD "{\"issuer\":\"https://id.example/a/\"," ENDPOINTS "}"

static ln_config config;
static ln_engine engine;
static ln_provider *provider;
static const char *discovery, *keys; /* what it answers; NULL: nobody is there          */
static int status, n_discovery, n_keys, told, failed;

static void no_free(ln_sim_reply *r) { (void)r; }

static bool answer(void *arg, const ln_request *r, ln_sim_reply *out) {
  (void)arg;
  bool first = ln_str_eq(r->url, LN_STR("https://id.example/a/.well-known/openid-configuration"));
  if (!first && !ln_str_eq(r->url, LN_STR("https://keys.example/jwks"))) fail_msg("%.*s", LN_STR_ARG(r->url));
  assert_false(r->loopback_ok);
  assert_true(r->timeout_ms > 0 && r->max_response > 0);
  *(first ? &n_discovery : &n_keys) += 1;
  const char *text = first ? discovery : keys;
  *out = (ln_sim_reply){.answer = {.sent = LN_ANSWERED, .status = status, .body = ln_str_of(text)},
                        .after_ms = 5,
                        .free = no_free};
  return text != NULL;
}

static int setup(void **state) {
  (void)state;
  ln_err err = {.code = ""};
  config = (ln_config){.oidc = {.issuer = LN_STR("https://id.example/a/"), .client_id = LN_STR("us")}};
  engine =
      (ln_engine){.config = &config, .loop = ln_loop_sim(1, 1795600000000, &err), .host = ln_host_new(&err)};
  engine.transport = ln_transport_sim(engine.loop, answer, NULL, &err);
  discovery = GOOD;
  keys = "{\"keys\":[]}";
  status = 200;
  n_discovery = n_keys = told = failed = 0;
  return engine.transport && (provider = ln_provider_new(&engine, &err)) ? 0 : -1;
}

static int teardown(void **state) {
  (void)state;
  ln_provider_free(provider);
  engine.transport->free(engine.transport);
  ln_host_free(engine.host);
  engine.loop->free(engine.loop);
  return 0;
}

static void heard(void *arg, const ln_err *err) {
  (void)arg;
  told++;
  failed += err != NULL;
}

static void nap(int64_t ms) {
  ln_timer t = {.loop = engine.loop, .fn = (ln_task_fn)engine.loop->stop, .arg = engine.loop};
  engine.loop->timer(engine.loop, &t, ms);
  engine.loop->run(engine.loop);
}

/* Is the document to be had? */
static bool want(ln_document which) {
  ln_awaited w = {.fn = heard};
  int before = told, bad = failed;
  ln_provider_want(provider, which, &w);
  nap(100);
  assert_int_equal(told, before + 1);
  return failed == bad;
}

static void test_once_an_hour(void **state) {
  (void)state;
  nap(10);
  for (int i = 0; i < 3; i++) assert_true(want(LN_DISCOVERY));
  assert_int_equal(n_discovery, 1);
  assert_true(ln_str_eq(ln_v_get_str(ln_provider_view(provider, LN_DISCOVERY), "token_endpoint"),
                        LN_STR("https://id.example/token")));
  nap(HOUR);
  discovery = NULL; /* what is old is no longer good                   */
  assert_false(want(LN_DISCOVERY));
  discovery = GOOD;
  assert_true(want(LN_DISCOVERY));
  assert_int_equal(n_discovery, 3);
}

static void test_many_wait_for_one(void **state) {
  (void)state;
  ln_awaited w[4] = {{.fn = heard}, {.fn = heard}, {.fn = heard}, {.fn = heard}};
  nap(10);
  for (int i = 0; i < 4; i++) ln_provider_want(provider, LN_DISCOVERY, &w[i]);
  ln_provider_leave(provider, &w[2]);
  nap(100);
  assert_int_equal(n_discovery, 1);
  assert_int_equal(told, 3);
  ln_provider_want(provider, LN_KEYS, &w[0]); /* and one that is still waited for at the end     */
}

static void test_keys_are_renewed_once_a_minute(void **state) {
  (void)state;
  nap(10);
  assert_true(want(LN_DISCOVERY));
  assert_true(want(LN_KEYS));
  assert_true(want(LN_KEYS));
  assert_int_equal(n_keys, 1);
  assert_false(ln_provider_renew_keys(provider));
  assert_true(want(LN_KEYS));
  assert_int_equal(n_keys, 1);
  nap(MINUTE);
  keys = "{\"keys\":[{\"kid\":\"new\"}]}";
  assert_true(ln_provider_renew_keys(provider));
  assert_true(want(LN_KEYS));
  assert_int_equal(n_keys, 2);
  assert_true(ln_str_find(ln_provider_view(provider, LN_KEYS), LN_STR("new")) >= 0);
  assert_false(ln_provider_renew_keys(provider));
  nap(HOUR); /* a key that was taken back is not believed for ever */
  assert_true(want(LN_KEYS));
  assert_int_equal(n_keys, 3);
}

static void test_what_is_not_believed(void **state) {
  (void)state;
  static const char *const bad[] = {
      "",
      "[]",
      "{}",
      "7",
      "{\"issuer\":\"https://id.example/a/\"}",
      "{\"issuer\":\"https://id.example/a\"," ENDPOINTS "}",
      "{\"issuer\":\"https://evil.example/a/\"," ENDPOINTS "}",
      "{" ENDPOINTS "}",
      "{\"issuer\":[\"https://id.example/a/\"]," ENDPOINTS "}",
      "{\"issuer\":\"https://id.example/a/\",\"authorization_endpoint\":\"http://id.example/"
      "auth\",\"token_endpoint\":"
      "\"https://id.example/token\",\"jwks_uri\":\"https://id.example/jwks\"}",
      "{\"issuer\":\"https://id.example/a/\",\"authorization_endpoint\":\"https://id.example/"
      "auth\",\"token_endpoint\":"
      "\"http://127.0.0.1/token\",\"jwks_uri\":\"https://id.example/jwks\"}",
      "{\"issuer\":\"https://id.example/a/\",\"authorization_endpoint\":\"https://id.example/"
      "auth\",\"token_endpoint\":"
      "\"https://127.0.0.1/token\",\"jwks_uri\":\"https://id.example/jwks\"}",
      "{\"issuer\":\"https://id.example/a/\",\"authorization_endpoint\":\"https://id.example/"
      "auth\",\"token_endpoint\":"
      "\"https://id.example/token\",\"jwks_uri\":\"https://id.example@evil.example/jwks\"}",
      "{\"issuer\":\"https://id.example/a/"
      "\",\"authorization_endpoint\":\"javascript:alert(1)\",\"token_endpoint\":"
      "\"https://id.example/token\",\"jwks_uri\":\"https://id.example/jwks\"}",
      "{\"issuer\":\"https://id.example/a/\",\"userinfo_endpoint\":\"ftp://id.example/\"," ENDPOINTS "}"};
  nap(10);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    discovery = bad[i];
    if (want(LN_DISCOVERY)) fail_msg("%s", bad[i]);
    assert_int_equal(ln_provider_view(provider, LN_DISCOVERY).n, 0);
  }
  discovery = GOOD;
  status = 302;
  assert_false(want(LN_DISCOVERY));
  status = 200;
  assert_true(want(LN_DISCOVERY));
  keys = "no keys";
  assert_false(want(LN_KEYS));
}

int main(void) {
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
  const struct CMUnitTest tests[] = {T(test_once_an_hour), T(test_many_wait_for_one),
                                     T(test_keys_are_renewed_once_a_minute), T(test_what_is_not_believed)};
  return cmocka_run_group_tests_name("the provider", tests, NULL, NULL);
}
