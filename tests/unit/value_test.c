/* value_test.c: the binary form of values by itself. */
#include "engine/value.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static ln_buf b;

static int setup(void **state) {
  (void)state;
  ln_buf_init(&b, 1 << 20);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  ln_buf_free(&b);
  return 0;
}

static void member_str(const char *key, const char *s) {
  assert_true(ln_v_key(&b, ln_str_of(key)));
  assert_true(ln_v_str(&b, ln_str_of(s)));
}

static void integers_survive(void **state) {
  (void)state;
  static const int64_t all[] = {0,   1,   -1,      63,        64,        -64,       -65,
                                127, 128, 1 << 20, INT32_MIN, INT64_MAX, INT64_MIN, INT64_MAX - 1};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) assert_true(ln_v_int(&b, all[i]));
  ln_str rest = ln_buf_view(&b);
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    ln_vitem v;
    assert_true(ln_v_read(&rest, &v));
    assert_int_equal(v.tag, 'I');
    assert_true(v.i == all[i]);
  }
  assert_int_equal(rest.n, 0);
}

static void floats_survive_and_nan_is_one(void **state) {
  (void)state;
  static const double all[] = {0.0, -0.0, 1.0, 0.1, 1e308, 5e-324, HUGE_VAL, -HUGE_VAL};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    ln_vitem v;
    ln_buf_cut(&b, 0);
    assert_true(ln_v_float(&b, all[i]));
    ln_str rest = ln_buf_view(&b);
    assert_true(ln_v_read(&rest, &v));
    assert_memory_equal(&v.f, &all[i], sizeof v.f);
  }
  ln_buf_cut(&b, 0);
  assert_true(ln_v_float(&b, NAN));
  assert_true(ln_v_float(&b, -NAN));
  assert_int_equal(b.n, 18);
  assert_memory_equal(b.p, b.p + 9, 9);
}

static void members_are_found(void **state) {
  (void)state;
  size_t o = ln_v_begin(&b, 'O', 4);
  member_str("a", "x");
  ln_v_key(&b, LN_STR("b"));
  ln_v_int(&b, 7);
  ln_v_key(&b, LN_STR("c"));
  ln_v_bool(&b, true);
  ln_v_key(&b, LN_STR("list"));
  size_t a = ln_v_begin(&b, 'A', 2);
  ln_v_null(&b);
  ln_v_nil(&b);
  assert_true(ln_v_end(&b, a));
  assert_true(ln_v_end(&b, o));
  ln_str v = ln_buf_view(&b);
  ln_vitem item;
  assert_true(ln_v_check(v, NULL));
  assert_true(ln_str_eq(ln_v_get_str(v, "a"), LN_STR("x")));
  assert_null(ln_v_get_str(v, "b").p);
  assert_int_equal(ln_v_get_int(v, "b", 0), 7);
  assert_int_equal(ln_v_get_int(v, "a", -1), -1);
  assert_true(ln_v_get_bool(v, "c", false));
  assert_true(ln_v_get_bool(v, "zz", true));
  assert_true(ln_v_get(v, LN_STR("list"), &item));
  assert_int_equal(item.count, 2);
  assert_false(ln_v_get(v, LN_STR("aa"), &item));
  assert_false(ln_v_get((ln_str){NULL, 0}, LN_STR("a"), &item));
}

/* Every prefix of a value, and every byte of it changed, is refused or another whole value: never read
** beyond. */
static void damage_is_noticed(void **state) {
  (void)state;
  size_t m = ln_v_begin(&b, 'M', 2), a;
  member_str("key", "value");
  ln_v_key(&b, LN_STR("n"));
  ln_v_float(&b, 2.5);
  ln_v_more(&b, 2);
  ln_v_int(&b, 300);
  a = ln_v_begin(&b, 'A', 1);
  ln_v_str(&b, LN_STR("deep"));
  ln_v_end(&b, a);
  assert_true(ln_v_end(&b, m));
  ln_str v = ln_buf_view(&b);
  assert_true(ln_v_check(v, NULL));
  for (size_t n = 0; n < v.n; n++) {
    ln_err err;
    char *exact = malloc(n ? n : 1); /* so that reading beyond it is seen by the tools */
    assert_non_null(exact);
    memcpy(exact, v.p, n);
    assert_false(ln_v_check((ln_str){exact, n}, &err));
    assert_string_equal(err.code, "corrupt");
    free(exact);
  }
  for (size_t i = 0; i < v.n; i++)
    for (int c = 0; c < 256; c++) {
      ln_buf out;
      ln_json j;
      char *copy = malloc(v.n);
      assert_non_null(copy);
      memcpy(copy, v.p, v.n);
      copy[i] = (char)c;
      ln_v_check((ln_str){copy, v.n}, NULL);
      ln_buf_init(&out, 10000);
      ln_json_init(&j, &out);
      ln_v_to_json((ln_str){copy, v.n}, &j);
      ln_buf_free(&out);
      free(copy);
    }
}

static void one_value_has_one_encoding(void **state) {
  (void)state;
  static const ln_str wrong[] = {{"I\x80\x00", 3},
                                 {"S\x81\x00x", 4},
                                 {"F\x01\0\0\0\0\0\xf8\x7f", 9},
                                 {"O\x06\0\0\0\x02\x01"
                                  "b0\x01"
                                  "a0",
                                  12},
                                 {"O\x07\0\0\0\x02\x01"
                                  "a0\x01"
                                  "a0",
                                  12},
                                 {"A\x02\0\0\0\x01"
                                  "00",
                                  8},
                                 {"M\x02\0\0\0\0\x01"
                                  "0",
                                  8},
                                 {"00", 2},
                                 {"x", 1},
                                 {"I\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11}};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) assert_false(ln_v_check(wrong[i], NULL));
}

static void nest(int depth) {
  size_t marks[200];
  ln_buf_cut(&b, 0);
  for (int i = 0; i < depth; i++) marks[i] = ln_v_begin(&b, 'A', 1);
  ln_v_int(&b, 1);
  while (depth--) ln_v_end(&b, marks[depth]);
}

static void depth_is_bounded(void **state) {
  (void)state;
  ln_buf out;
  ln_json j;
  nest(100);
  assert_true(ln_v_check(ln_buf_view(&b), NULL));
  ln_buf_init(&out, 10000);
  ln_json_init(&j, &out);
  ln_v_to_json(ln_buf_view(&b), &j);
  assert_false(ln_buf_failed(&out));
  assert_int_equal(out.n, 201);
  ln_buf_free(&out);
  nest(101);
  assert_false(ln_v_check(ln_buf_view(&b), NULL));
}

static void json_is(const char *expected) {
  ln_buf out;
  ln_json j;
  ln_buf_init(&out, 10000);
  ln_json_init(&j, &out);
  ln_v_to_json(ln_buf_view(&b), &j);
  char *text = ln_buf_take(&out, NULL);
  assert_non_null(text);
  assert_string_equal(text, expected);
  free(text);
  ln_buf_cut(&b, 0);
}

static void json_shows_it(void **state) {
  (void)state;
  ln_v_float(&b, 1.0), json_is("1.0");
  ln_v_float(&b, -0.0), json_is("-0.0");
  ln_v_float(&b, 0.1), json_is("0.1");
  ln_v_float(&b, 1e300), json_is("1e+300");
  ln_v_float(&b, 1.0 / 3), json_is("0.3333333333333333");
  ln_v_float(&b, NAN), json_is("null");
  ln_v_int(&b, INT64_MIN), json_is("-9223372036854775808");
  ln_v_nil(&b), json_is("null");
  ln_v_str(&b, LN_STR("\xff\x00")), json_is("{\"base64\":\"/wA=\"}");
  size_t m = ln_v_begin(&b, 'P', 1);
  member_str("what", "x");
  ln_v_end(&b, m), json_is("\"⟨unknown⟩\"");
  m = ln_v_begin(&b, 'B', 1);
  member_str("name", "x");
  ln_v_end(&b, m), json_is("{\"name\":\"x\"}");
  m = ln_v_begin(&b, 'M', 1);
  member_str("name", "x");
  ln_v_more(&b, 1);
  ln_v_int(&b, 5);
  ln_v_end(&b, m), json_is("{\"1\":5,\"name\":\"x\"}");
}

static void objects_merge(void **state) {
  (void)state;
  ln_buf x, y, out;
  ln_buf_init(&x, 1000);
  ln_buf_init(&y, 1000);
  ln_buf_init(&out, 1000);
  size_t m = ln_v_begin(&x, 'O', 2);
  ln_v_key(&x, LN_STR("a")), ln_v_int(&x, 1), ln_v_key(&x, LN_STR("c")), ln_v_int(&x, 3);
  ln_v_end(&x, m);
  m = ln_v_begin(&y, 'O', 2);
  ln_v_key(&y, LN_STR("b")), ln_v_int(&y, 2), ln_v_key(&y, LN_STR("c")), ln_v_int(&y, 4);
  ln_v_end(&y, m);
  assert_true(ln_v_merge(&out, ln_buf_view(&x), ln_buf_view(&y)));
  ln_v_raw(&b, ln_buf_view(&out));
  assert_true(ln_v_check(ln_buf_view(&out), NULL));
  json_is("{\"a\":1,\"b\":2,\"c\":4}");
  ln_buf_cut(&out, 0);
  assert_true(ln_v_merge(&out, (ln_str){NULL, 0}, ln_buf_view(&y)));
  assert_true(ln_str_eq(ln_buf_view(&out), ln_buf_view(&y)));
  assert_false(ln_v_merge(&out, LN_STR("t"), ln_buf_view(&y)));
  ln_buf_free(&x);
  ln_buf_free(&y);
  ln_buf_free(&out);
}

static void a_full_buffer_says_so(void **state) {
  (void)state;
  ln_buf tiny;
  ln_buf_init(&tiny, 8);
  size_t m = ln_v_begin(&tiny, 'A', 1);
  ln_v_str(&tiny, LN_STR("longer than eight"));
  assert_false(ln_v_end(&tiny, m));
  assert_true(ln_buf_failed(&tiny));
  ln_buf_free(&tiny);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {T(integers_survive),
                                     T(floats_survive_and_nan_is_one),
                                     T(members_are_found),
                                     T(damage_is_noticed),
                                     T(one_value_has_one_encoding),
                                     T(depth_is_bounded),
                                     T(json_shows_it),
                                     T(objects_merge),
                                     T(a_full_buffer_says_so)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
