/* person_test.c: what claims make of somebody; and the cookie that a browser carries while it signs in. */
#include "server/detour.h"
#include "server/person.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#define TEXT(z)                                                                                              \
  { (z), sizeof(z) - 1 }

static ln_str viewers[] = {TEXT("all")}, operators[] = {TEXT("soc"), TEXT("night")},
              approvers[] = {TEXT("leads")}, admins[] = {TEXT("root")};
static const ln_oidc_config plain = {.issuer = TEXT("https://id.example"),
                                     .client_id = TEXT("us"),
                                     .claim = TEXT("preferred_username"),
                                     .roles_claim = TEXT("groups"),
                                     .viewer = {viewers, 1},
                                     .operators = {operators, 2},
                                     .approver = {approvers, 1},
                                     .admin = {admins, 1}};
static ln_host *host;

static int setup(void **state) {
  (void)state;
  ln_err err = {.code = ""};
  return (host = ln_host_new(&err)) ? 0 : -1;
}

static int teardown(void **state) {
  (void)state;
  ln_host_free(host);
  return 0;
}

/* "ann viewer", or the code of the refusal. */
static const char *made(const ln_oidc_config *c, const char *json) {
  static char text[200];
  ln_err err = {.code = ""};
  ln_person p;
  ln_buf claims;
  ln_buf_init(&claims, 1 << 16);
  assert_true(ln_host_json(host, ln_str_of(json), &claims, &err));
  bool ok = ln_person_of(c, ln_buf_view(&claims), &p, &err);
  static const char *const roles[] = {"none", "viewer", "operator", "approver", "admin"};
  if (ok) snprintf(text, sizeof text, "%s %s", p.name, roles[p.role]);
  else snprintf(text, sizeof text, "%s", err.code);
  if (!ok) assert_int_equal(p.role, LN_ROLE_NONE);
  ln_buf_free(&claims);
  return text;
}

#define ANN "\"preferred_username\":\"ann\""

static void test_roles(void **state) {
  (void)state;
  assert_string_equal(made(&plain, "{" ANN ",\"groups\":[\"x\",\"night\"]}"), "ann operator");
  assert_string_equal(made(&plain, "{" ANN ",\"groups\":\"all\"}"), "ann viewer");
  assert_string_equal(made(&plain, "{" ANN ",\"groups\":[\"all\",\"soc\",\"leads\"]}"), "ann approver");
  assert_string_equal(made(&plain, "{" ANN ",\"groups\":[\"soc\",\"root\"]}"), "ann admin");
  static const char *const none[] = {"{" ANN "}",
                                     "{" ANN ",\"groups\":[]}",
                                     "{" ANN ",\"groups\":[\"Soc\",\"so\",\"soc \"]}",
                                     "{" ANN ",\"groups\":{\"soc\":\"soc\"}}",
                                     "{" ANN ",\"groups\":[[\"soc\"]]}",
                                     "{" ANN ",\"groups\":true}",
                                     "{" ANN ",\"groups\":\"all,soc\"}"};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++)
    assert_string_equal(made(&plain, none[i]), "forbidden");
  ln_oidc_config inner = plain;
  inner.roles_claim = LN_STR("realm.roles");
  assert_string_equal(made(&inner, "{" ANN ",\"realm\":{\"roles\":[\"soc\"]}}"), "ann operator");
  assert_string_equal(made(&inner, "{" ANN ",\"realm.roles\":[\"root\"],\"realm\":{\"roles\":[\"soc\"]}}"),
                      "ann admin");
  assert_string_equal(made(&inner, "{" ANN ",\"realm\":\"roles\",\"roles\":[\"soc\"]}"), "forbidden");
}

static void test_names(void **state) {
  (void)state;
#define SOC ",\"groups\":[\"soc\"]}"
  assert_string_equal(made(&plain, "{\"preferred_username\":\"Ann.O_K-1@ACME.example\"" SOC),
                      "ann.o_k-1@acme.example operator");
  static const char *const bad[] = {
      "\"\"",      "\"a b\"",
      "\"a/b\"",   "\"\\u00e4nn\"",
      "\"a\\n\"",  "7",
      "[\"ann\"]", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\""};
  char claims[200];
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    snprintf(claims, sizeof claims, "{\"preferred_username\":%s" SOC, bad[i]);
    assert_string_equal(made(&plain, claims), "unauthorised");
  }
  assert_string_equal(made(&plain, "{\"sub\":\"ann\"" SOC), "unauthorised");
  ln_oidc_config ours = plain;
  ours.domain = LN_STR("acme.example");
  assert_string_equal(made(&ours, "{\"preferred_username\":\"Ann@Acme.Example\"" SOC), "ann operator");
  static const char *const others[] = {"ann",
                                       "ann@evil.example",
                                       "@acme.example",
                                       "ann@notacme.example",
                                       "annacme.example",
                                       "ann@acme.example.evil"};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    snprintf(claims, sizeof claims, "{\"preferred_username\":\"%s\"" SOC, others[i]);
    assert_string_equal(made(&ours, claims), "unauthorised");
  }
  ours.claim = LN_STR("email");
  assert_string_equal(made(&ours, "{\"email\":\"ann@acme.example\",\"email_verified\":true" SOC),
                      "ann operator");
  assert_string_equal(made(&ours, "{\"email\":\"ann@acme.example\",\"email_verified\":false" SOC),
                      "unauthorised");
  assert_string_equal(made(&ours, "{\"email\":\"ann@acme.example\",\"email_verified\":\"true\"" SOC),
                      "unauthorised");
  assert_string_equal(made(&ours, "{\"email\":\"ann@acme.example\"" SOC), "unauthorised");
}

/* Two rules that read alike when they are put one after the other are two. */
static void test_origin(void **state) {
  (void)state;
  char a[LN_AUTH_HASH], b[LN_AUTH_HASH];
  ln_oidc_config other = plain;
  assert_true(ln_person_origin(&plain, a));
  assert_true(ln_person_origin(&other, b));
  assert_string_equal(a, b);
  other.operators.n = 1;
  other.approver = (ln_list){(ln_str[]){LN_STR("night"), LN_STR("leads")}, 2};
  assert_true(ln_person_origin(&other, b));
  assert_string_not_equal(a, b);
  other = plain;
  other.domain = LN_STR("acme.example");
  assert_true(ln_person_origin(&other, b));
  assert_string_not_equal(a, b);
  assert_false(ln_person_origin(&(ln_oidc_config){.client_id = LN_STR("us")}, b));
}

/* ------------------------------------------------------------------ there and back */

enum { AT = 1000000 };

static bool back(ln_detours *d, ln_str cookie, const char *state, int64_t at, ln_detour *out) {
  ln_err err = {.code = ""};
  bool ok = ln_detour_end(d, cookie, ln_str_of(state), at, out, &err);
  if (!ok) assert_string_equal(err.code, "unauthorised");
  if (!ok) assert_string_equal(out->verifier, "");
  return ok;
}

static void test_there_and_back(void **state) {
  (void)state;
  ln_err err = {.code = ""};
  ln_detour one, two, it;
  ln_buf a, b;
  ln_buf_init(&a, 4096);
  ln_buf_init(&b, 4096);
  ln_detours *d = ln_detours_new(&err), *other = ln_detours_new(&err);
  assert_true(ln_detour_begin(d, LN_STR("/x?y=1#z"), AT, &one, &a, &err));
  assert_true(ln_detour_begin(d, LN_STR("/"), AT, &two, &b, &err));
  assert_int_equal(strlen(one.state), 43);
  assert_string_not_equal(one.state, two.state);
  assert_string_not_equal(one.state, one.nonce);
  assert_string_not_equal(one.state, one.verifier);
  assert_string_not_equal(one.nonce, one.verifier);
  assert_false(back(d, ln_buf_view(&a), two.state, AT, &it));
  assert_false(back(d, ln_buf_view(&a), "", AT, &it));
  assert_false(back(other, ln_buf_view(&a), one.state, AT, &it));
  assert_false(back(d, ln_buf_view(&a), one.state, AT + LN_DETOUR_MS, &it));
  assert_false(back(d, ln_buf_view(&a), one.state, AT - 1, &it)); /* a clock that went back helps nobody  */
  assert_true(back(d, ln_buf_view(&a), one.state, AT + LN_DETOUR_MS - 1, &it));
  assert_string_equal(it.back, "/x?y=1#z");
  assert_string_equal(it.nonce, one.nonce);
  assert_string_equal(it.verifier, one.verifier);
  assert_false(back(d, ln_buf_view(&a), one.state, AT, &it));
  for (size_t i = 0; i + 1 < b.n; i++) {
    char was = b.p[i];
    b.p[i] = was == 'A' ? 'B' : 'A';
    assert_false(back(d, ln_buf_view(&b), two.state, AT, &it));
    b.p[i] = was;
  }
  assert_false(back(d, (ln_str){b.p, b.n - 4}, two.state, AT, &it));
  assert_false(back(d, LN_STR(""), two.state, AT, &it));
  assert_true(back(d, ln_buf_view(&b), two.state, AT, &it));
  ln_buf_free(&a);
  ln_buf_free(&b);
  ln_detours_free(d);
  ln_detours_free(other);
}

static void test_paths(void **state) {
  (void)state;
  static const char *const good[] = {"/", "/a/b", "/#/approvals/7", "/?a=b&c=%2F", "/a//b"};
  static const char *const bad[] = {"",     "a",    "//a", "/\\a",     "\\a",       "/a b",
                                    "/a\n", "/a\"", "/<",  "http://a", "/\xc3\xa4", "/a'b"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    if (!ln_is_own_path(ln_str_of(good[i]))) fail_msg("%s", good[i]);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (ln_is_own_path(ln_str_of(bad[i]))) fail_msg("%s", bad[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_roles), cmocka_unit_test(test_names),
                                     cmocka_unit_test(test_origin), cmocka_unit_test(test_there_and_back),
                                     cmocka_unit_test(test_paths)};
  return cmocka_run_group_tests_name("who signs in", tests, setup, teardown);
}
