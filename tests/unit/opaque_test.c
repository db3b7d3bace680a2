/* opaque_test.c: opaque values within others: found, named after their step, and told in an error. */
#include "engine/opaque.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void put_opaque(ln_buf *b, const char *what) {
  size_t mark = ln_v_begin(b, 'P', 1);
  ln_v_key(b, LN_STR("what"));
  ln_v_str(b, ln_str_of(what));
  ln_v_end(b, mark);
}

/* { "blob" = 1, list = [ "x", { deep = opaque } ], mixed = { a = 1, opaque2 } } */
static void put_nested(ln_buf *b, bool opaque) {
  size_t top = ln_v_begin(b, 'O', 3), at, in;
  ln_v_key(b, LN_STR("blob"));
  ln_v_int(b, 1);
  ln_v_key(b, LN_STR("list"));
  at = ln_v_begin(b, 'A', 2);
  ln_v_str(b, LN_STR("x"));
  in = ln_v_begin(b, 'O', 1);
  ln_v_key(b, LN_STR("deep"));
  if (opaque) put_opaque(b, "the id");
  else ln_v_nil(b);
  ln_v_end(b, in);
  ln_v_end(b, at);
  ln_v_key(b, LN_STR("mixed"));
  at = ln_v_begin(b, 'M', 1);
  ln_v_key(b, LN_STR("a"));
  ln_v_int(b, 1);
  ln_v_more(b, 1);
  if (opaque) put_opaque(b, "the state");
  else ln_v_bool(b, true);
  ln_v_end(b, at);
  ln_v_end(b, top);
}

static void test_named(void **state) {
  ln_buf in, out;
  ln_err err = {0};
  ln_str found;
  (void)state;
  ln_buf_init(&in, 1 << 16);
  ln_buf_init(&out, 1 << 16);
  put_nested(&in, true);
  assert_true(ln_opaque_name(ln_buf_view(&in), LN_STR("okta.users#1"), false, &out));
  assert_true(ln_v_check(ln_buf_view(&out), &err));
  assert_true(ln_opaque_in(ln_buf_view(&out), &found));
  assert_true(ln_str_eq(ln_v_get_str(found, "step"), LN_STR("okta.users#1")));
  assert_true(ln_str_eq(ln_v_get_str(found, "what"), LN_STR("the id")));
  ln_opaque_fail(ln_buf_view(&out), &err);
  assert_string_equal(err.code, "unknown");
  assert_non_null(strstr(err.message, "the id before okta.users#1 is done"));
  assert_non_null(strstr(err.message, "--assume 'okta.users#1=JSON'"));
  ln_buf_free(&in);
  ln_buf_free(&out);
}

/* What has no opaque part comes out as it was, byte for byte. */
static void test_plain(void **state) {
  ln_buf in, out;
  ln_str found;
  (void)state;
  ln_buf_init(&in, 1 << 16);
  ln_buf_init(&out, 1 << 16);
  put_nested(&in, false);
  assert_true(ln_opaque_name(ln_buf_view(&in), LN_STR("s"), false, &out));
  assert_true(ln_str_eq(ln_buf_view(&in), ln_buf_view(&out)));
  assert_false(ln_opaque_in(ln_buf_view(&in), &found));
  ln_buf_free(&in);
  ln_buf_free(&out);
}

static void test_positions_only(void **state) {
  ln_buf b;
  ln_err err = {0};
  ln_str found;
  (void)state;
  ln_buf_init(&b, 1 << 16);
  size_t mark = ln_v_begin(&b, 'M', 1);
  ln_v_key(&b, LN_STR("a"));
  ln_v_int(&b, 1);
  ln_v_more(&b, 2);
  ln_v_nil(&b);
  put_opaque(&b, "the state");
  ln_v_end(&b, mark);
  assert_true(ln_opaque_in(ln_buf_view(&b), &found));
  ln_opaque_fail(ln_buf_view(&b), &err);
  assert_non_null(strstr(err.message, "the state before it is done"));
  ln_buf_free(&b);
}

static void test_damaged(void **state) {
  ln_buf in, out;
  ln_str found;
  (void)state;
  ln_buf_init(&in, 1 << 16);
  ln_buf_init(&out, 1 << 16);
  put_nested(&in, true);
  for (size_t n = 1; n < in.n; n++) {
    ln_buf_cut(&out, 0);
    assert_false(ln_opaque_name((ln_str){in.p, n}, LN_STR("s"), false, &out));
    ln_opaque_in((ln_str){in.p, n}, &found);
  }
  ln_buf_free(&in);
  ln_buf_free(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_named), cmocka_unit_test(test_plain),
                                     cmocka_unit_test(test_positions_only), cmocka_unit_test(test_damaged)};
  return cmocka_run_group_tests_name("opaque", tests, NULL, NULL);
}
