/* params_test.c: types of parameters, their defaults, and the check of arguments against them. */
#include "modules/params.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const char *json_of(ln_str value) {
  static char text[1024];
  ln_buf b;
  ln_json j;
  ln_buf_init(&b, 1 << 20);
  ln_json_init(&j, &b);
  ln_v_to_json(value, &j);
  snprintf(text, sizeof text, LN_STR_FMT, LN_STR_ARG(ln_buf_view(&b)));
  ln_buf_free(&b);
  return text;
}

typedef void (*put_fn)(ln_buf *b);

/* { x = what put writes } checked against x's type: the checked value as JSON, or "CODE: MESSAGE". */
static const char *check(const char *type, put_fn put) {
  static char text[1024];
  ln_err err = {0};
  ln_params p = {0};
  ln_buf args, out;
  ln_buf_init(&args, 1 << 16);
  ln_buf_init(&out, 1 << 16);
  if (!ln_params_add(&p, LN_STR("x"), ln_str_of(type), &err)) {
    snprintf(text, sizeof text, "type: %s", err.message);
  } else {
    size_t mark = ln_v_begin(&args, 'O', put ? 1 : 0);
    if (put) ln_v_key(&args, LN_STR("x"));
    if (put) put(&args);
    ln_v_end(&args, mark);
    bool ok = ln_params_check(&p, "op", ln_buf_view(&args), NULL, &out, &err);
    ln_err quiet;
    if (ok) assert_true(ln_v_check(ln_buf_view(&out), &quiet));
    snprintf(text, sizeof text, "%s", ok ? json_of(ln_buf_view(&out)) : err.message);
    if (!ok) assert_string_equal(err.code, "bad_argument");
  }
  ln_params_free(&p);
  ln_buf_free(&args);
  ln_buf_free(&out);
  return text;
}

#define PUT(name, call) static void name(ln_buf *b) { call; }
PUT(text_ab, ln_v_str(b, LN_STR("ab")))
PUT(text_empty, ln_v_str(b, LN_STR("")))
PUT(text_12, ln_v_str(b, LN_STR("12")))
PUT(text_20m, ln_v_str(b, LN_STR("20m")))
PUT(text_true, ln_v_str(b, LN_STR("true")))
PUT(text_time, ln_v_str(b, LN_STR("2026-11-24T10:00:00+01:00")))
PUT(text_ip, ln_v_str(b, LN_STR("2001:DB8::1")))
PUT(text_sha, ln_v_str(b, LN_STR("E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855")))
PUT(text_mail, ln_v_str(b, LN_STR("ann@acme.example")))
PUT(text_domain, ln_v_str(b, LN_STR("ACME\\ann")))
PUT(text_low, ln_v_str(b, LN_STR("low")))
PUT(text_inject, ln_v_str(b, (ln_str){"low high", 8}))
PUT(int_7, ln_v_int(b, 7))
PUT(float_7, ln_v_float(b, 7.0))
PUT(float_half, ln_v_float(b, 7.5))
PUT(yes, ln_v_bool(b, true))
PUT(null, ln_v_null(b))
PUT(list_none, ln_v_end(b, ln_v_begin(b, 'A', 0)))
PUT(object_none, ln_v_end(b, ln_v_begin(b, 'O', 0)))
static void list_two(ln_buf *b) {
  size_t mark = ln_v_begin(b, 'A', 2);
  ln_v_str(b, LN_STR("a"));
  ln_v_int(b, 2);
  ln_v_end(b, mark);
}
static void opaque(ln_buf *b) {
  size_t mark = ln_v_begin(b, 'P', 1);
  ln_v_key(b, LN_STR("what"));
  ln_v_str(b, LN_STR("it"));
  ln_v_end(b, mark);
}

static void test_values(void **s) {
  (void)s;
  static const struct { const char *type; put_fn put; const char *want; } cases[] = {
      {"string", text_ab, "{\"x\":\"ab\"}"},
      {"string", int_7, "{\"x\":\"7\"}"},
      {"string", text_empty, "op: x is an empty text"},
      {"string", yes, "op: x must be a text, got a boolean"},
      {"string", NULL, "op: x is missing (string)"},
      {"string?", NULL, "{}"},
      {"string ?", null, "{}"},
      {"string", null, "op: x is missing (string)"},
      {"string = ab", NULL, "{\"x\":\"ab\"}"},
      {"integer", int_7, "{\"x\":7}"},
      {"integer", text_12, "{\"x\":12}"},
      {"integer", float_7, "{\"x\":7}"},
      {"integer", float_half, "op: x must be a whole number, got a number"},
      {"integer", text_ab, "op: x must be a whole number, got \"ab\""},
      {"integer = 5", NULL, "{\"x\":5}"},
      {"number", float_half, "{\"x\":7.5}"},
      {"number", text_12, "{\"x\":12}"},
      {"boolean", yes, "{\"x\":true}"},
      {"boolean", text_true, "{\"x\":true}"},
      {"boolean", int_7, "op: x must be true or false, got a number"},
      {"boolean = false", NULL, "{\"x\":false}"},
      {"duration", text_20m, "{\"x\":1200}"},
      {"duration", int_7, "{\"x\":7}"},
      {"duration = 5m", NULL, "{\"x\":300}"},
      {"duration", float_half, "{\"x\":7.5}"},
      {"time", text_time, "{\"x\":\"2026-11-24T09:00:00Z\"}"},
      {"time", int_7, "{\"x\":\"1970-01-01T00:00:07Z\"}"},
      {"ip", text_ip, "{\"x\":\"2001:db8::1\"}"},
      {"ip", text_12, "op: x must be an IP address, got \"12\""},
      {"sha256", text_sha, "{\"x\":\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"}"},
      {"sha256", text_ab, "op: x must be a SHA-256 of 64 hexadecimal digits, got \"ab\""},
      {"host", text_ab, "{\"x\":{\"hostname\":\"ab\"}}"},
      {"device", text_ab, "{\"x\":{\"hostname\":\"ab\"}}"},
      {"user", text_mail, "{\"x\":{\"email\":\"ann@acme.example\"}}"},
      {"user", text_domain, "{\"x\":{\"domain\":\"ACME\",\"name\":\"ann\"}}"},
      {"user", text_ab, "{\"x\":{\"name\":\"ab\"}}"},
      {"user", text_empty, "op: x is an empty text"},
      {"alert", text_ab, "op: x must be an alert, got \"ab\""},
      {"table", list_two, "{\"x\":[\"a\",2]}"},
      {"table", text_ab, "op: x must be a table, got \"ab\""},
      {"one of low high", text_low, "{\"x\":\"low\"}"},
      {"one of low high", text_ab, "op: x must be one of \"low high\", got \"ab\""},
      {"one of low high", text_inject, "op: x must be one of \"low high\", got \"low high\""},
      {"one of low high = high", NULL, "{\"x\":\"high\"}"},
      {"one of low high ?", NULL, "{}"},
      {"[string]", list_two, "{\"x\":[\"a\",\"2\"]}"},
      {"[string]", text_ab, "{\"x\":[\"ab\"]}"},
      {"[string]", list_none, "op: x is an empty list"},
      {"[string]", object_none, "op: x is an empty list"},
      {"[integer]", list_two, "op: x[1] must be a whole number, got \"a\""},
      {"[string] = []", NULL, "{\"x\":[]}"},
      {"[string] = [\"a\", b]", NULL, "{\"x\":[\"a\",\"b\"]}"},
      {"[integer] = [1,2]", NULL, "{\"x\":[1,2]}"},
      {"[string] = a", NULL, "{\"x\":[\"a\"]}"},
      {"blob", text_ab, "op: x must be a blob, got \"ab\""},
      {"secret", text_ab, "{\"x\":\"ab\"}"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_string_equal(check(cases[i].type, cases[i].put), cases[i].want);
}

/* What is not known yet passes as any type. */
static void test_opaque(void **s) {
  (void)s;
  static const char *const types[] = {"string", "integer",    "[string]", "host",
                                      "time",   "one of a b", "table",    "sha256"};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    assert_non_null(strstr(check(types[i], opaque), "{\"x\":"));
}

static void test_types(void **s) {
  (void)s;
  static const char *const bad[] = {"strin",           "",
                                    "[string",         "one of ",
                                    "string = ",       "integer = x",
                                    "[integer] = [x]", "one of a b = c",
                                    "boolean = maybe"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (strncmp(check(bad[i], NULL), "type: ", 6))
      fail_msg("\"%s\" was taken: %s", bad[i], check(bad[i], NULL));
}

static void test_names(void **s) {
  (void)s;
  ln_err err = {0};
  ln_params p = {0};
  ln_buf args, out;
  static const char *const also[] = {"limit", NULL};
  assert_true(ln_params_add(&p, LN_STR("login"), LN_STR("string?"), &err));
  assert_true(ln_params_add(&p, LN_STR("email"), LN_STR("string?"), &err));
  assert_false(ln_params_add(&p, LN_STR("email"), LN_STR("string?"), &err)); /* twice */
  ln_buf_init(&args, 1 << 16);
  ln_buf_init(&out, 1 << 16);
  size_t mark = ln_v_begin(&args, 'O', 2);
  ln_v_key(&args, LN_STR("limit"));
  ln_v_int(&args, 5);
  ln_v_key(&args, LN_STR("lgoin"));
  ln_v_str(&args, LN_STR("x"));
  ln_v_end(&args, mark);
  assert_false(ln_params_check(&p, "op", ln_buf_view(&args), also, &out, &err));
  assert_string_equal(err.message, "op: no argument is called 'lgoin'; did you mean 'login'?");
  ln_buf_cut(&args, 0);
  ln_buf_cut(&out, 0);
  mark = ln_v_begin(&args, 'O', 3);
  ln_v_key(&args, LN_STR("email"));
  ln_v_str(&args, LN_STR("e"));
  ln_v_key(&args, LN_STR("limit"));
  ln_v_int(&args, 5);
  ln_v_key(&args, LN_STR("login"));
  ln_v_str(&args, LN_STR("l"));
  ln_v_end(&args, mark);
  assert_true(ln_params_check(&p, "op", ln_buf_view(&args), also, &out, &err));
  assert_string_equal(json_of(ln_buf_view(&out)), "{\"email\":\"e\",\"limit\":5,\"login\":\"l\"}");
  assert_false(ln_params_check(&p, "op", ln_buf_view(&args), NULL, &out, &err));
  ln_buf_free(&args);
  ln_buf_free(&out);
  ln_params_free(&p);
}

static void test_nearest(void **s) {
  (void)s;
  const ln_str names[] = {LN_STR("users"), LN_STR("groups"), LN_STR("add_to_group")};
  assert_true(ln_str_eq(ln_nearest(LN_STR("user"), names, 3), names[0]));
  assert_true(ln_str_eq(ln_nearest(LN_STR("add_to_grup"), names, 3), names[2]));
  assert_int_equal(ln_nearest(LN_STR("zzzz"), names, 3).n, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_values), cmocka_unit_test(test_opaque),
                                     cmocka_unit_test(test_types), cmocka_unit_test(test_names),
                                     cmocka_unit_test(test_nearest)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
