/* base_test.c: text, buffers, errors, chance, hashes, units and JSON. */
#include "base/steps.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/plain.h"
#include "base/rand.h"
#include "base/units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define S(z) ln_str_of(z)

static void test_compare(void **s) {
  (void)s;
  assert_true(ln_str_eq(LN_STR("a\0b"), LN_STR("a\0b")));
  assert_false(ln_str_eq(LN_STR("a\0b"), LN_STR("a\0c")));
  assert_true(ln_str_eq((ln_str){NULL, 0}, S("")));
  assert_true(ln_str_ieq(S("Content-LENGTH"), S("content-length")));
  assert_false(ln_str_ieq(S("\xC3\x84"), S("\xC3\xA4"))); /* ASCII only */
  assert_false(ln_str_ieq(S("@"), S("`")));
  assert_true(ln_str_starts(S("okta.users"), S("okta.")));
  assert_false(ln_str_starts(S("ok"), S("okta")));
  assert_true(ln_str_ends(S("a.lua"), S(".lua")));
  assert_true(ln_str_ends(S("x"), S("")));
  assert_false(ln_str_ends(S("lua"), S(".lua")));
  assert_true(ln_str_cmp(S("a"), S("ab")) < 0);
  assert_true(ln_str_cmp(S("b"), S("ab")) > 0);
  assert_true(ln_str_cmp(S("\xFF"), S("a")) > 0); /* bytes are unsigned */
  assert_int_equal(ln_str_cmp(S(""), (ln_str){NULL, 0}), 0);
  assert_true(ln_str_same_secret(S("tok"), S("tok")));
  assert_false(ln_str_same_secret(S("tok"), S("tom")));
  assert_false(ln_str_same_secret(S("tok"), S("tokk")));
}

static void test_pieces(void **s) {
  (void)s;
  ln_str l, r;
  assert_int_equal(ln_str_find(S("abcabc"), S("ca")), 2);
  assert_int_equal(ln_str_find(S("abc"), S("abcd")), -1);
  assert_int_equal(ln_str_find(S("abc"), S("")), 0);
  assert_true(ln_str_cut(S("k=v=w"), '=', &l, &r));
  assert_true(ln_str_eq(l, S("k")) && ln_str_eq(r, S("v=w")));
  assert_false(ln_str_cut(S("kv"), '=', &l, &r));
  assert_true(ln_str_eq(l, S("kv")) && r.n == 0);
  assert_false(ln_str_cut((ln_str){NULL, 0}, '=', &l, &r));
  assert_true(ln_str_eq(ln_str_trim(S(" \t a b\r\n")), S("a b")));
  assert_int_equal(ln_str_trim(S(" \n ")).n, 0);
  char *z = ln_str_dup(LN_STR("a\0b"));
  assert_memory_equal(z, "a\0b", 4);
  free(z);
}

static void test_glob(void **s) {
  (void)s;
  assert_true(ln_str_glob(S("*dc*"), S("SRV-DC01")));
  assert_true(ln_str_glob(S("breakglass@*"), S("BreakGlass@acme.example")));
  assert_false(ln_str_glob(S("breakglass@*"), S("xbreakglass@acme.example")));
  assert_true(ln_str_glob(S("a?c"), S("abc")));
  assert_true(ln_str_glob(S("a?c"), S("a\xC3\xA4" "c"))); /* one character, not one byte */
  assert_false(ln_str_glob(S("a?c"), S("ac")));
  assert_true(ln_str_glob(S("*"), S("")));
  assert_false(ln_str_glob(S("?"), S("")));
  assert_true(ln_str_glob(S(""), S("")));
  assert_true(ln_str_glob(S("*ab*cab"), S("xxababxcab")));
  assert_false(ln_str_glob(S("a*b"), S("ab1")));
  /* Many stars against a long text must not explode. */
  char text[4001];
  memset(text, 'a', 4000);
  text[4000] = '\0';
  assert_false(ln_str_glob(S("*a*a*a*a*a*a*a*a*a*a*a*b"), S(text)));
}

static void utf8(const char *z, size_t n, int want_bad) {
  size_t bad = 999;
  bool ok = ln_str_utf8((ln_str){z, n}, &bad);
  assert_int_equal(ok, want_bad < 0);
  if (!ok) assert_int_equal(bad, want_bad);
}

static void test_utf8(void **s) {
  (void)s;
  utf8("", 0, -1);
  utf8("a\0\xC3\xA4\xE2\x82\xAC\xF0\x9F\x8C\x99", 11, -1);
  utf8("ab\x80", 3, 2);
  utf8("\xC0\xAF", 2, 0);         /* overlong       */
  utf8("\xE0\x80\xAF", 3, 0);
  utf8("x\xED\xA0\x80", 4, 1);    /* surrogate      */
  utf8("\xF4\x90\x80\x80", 4, 0); /* above the last */
  utf8("\xF0\x8F\xBF\xBF", 4, 0);
  utf8("\xE2\x82", 2, 0);         /* cut short      */
  utf8("\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF", 10, -1);
}

static void test_buf(void **s) {
  (void)s;
  ln_buf b;
  ln_err err;
  ln_buf_init(&b, 10);
  assert_true(ln_buf_addz(&b, "abc") && ln_buf_addc(&b, 'd') && ln_buf_addf(&b, "%03d", 7));
  assert_true(ln_str_eq(ln_buf_view(&b), S("abcd007")));
  assert_true(ln_buf_ok(&b, &err));
  assert_false(ln_buf_addz(&b, "too long"));
  assert_true(ln_str_eq(ln_buf_view(&b), S("abcd007"))); /* as it was */
  assert_false(ln_buf_addc(&b, 'x'));                    /* and goes on saying so */
  assert_true(ln_buf_failed(&b));
  assert_false(ln_buf_ok(&b, &err));
  assert_string_equal(err.code, "too_big");
  assert_null(ln_buf_take(&b, NULL));
  assert_true(ln_buf_addz(&b, "0123456789")); /* exactly full, and usable again */
  ln_buf_cut(&b, 4);
  size_t n;
  char *z = ln_buf_take(&b, &n);
  assert_int_equal(n, 4);
  assert_string_equal(z, "0123");
  free(z);
  z = ln_buf_take(&b, &n);
  assert_int_equal(n, 0);
  assert_string_equal(z, "");
  free(z);
  ln_buf_free(&b);
}

static void test_buf_grows(void **s) {
  (void)s;
  ln_buf b;
  ln_buf_init(&b, SIZE_MAX);
  for (int i = 0; i < 100000; i++) assert_true(ln_buf_addf(&b, "%d,", i % 10));
  assert_int_equal(b.n, 200000);
  assert_memory_equal(b.p + 199980, "0,1,2,3,4,5,6,7,8,9,", 20);
  char *room = ln_buf_room(&b, 3);
  memcpy(room, "end", 3);
  ln_buf_grew(&b, 3);
  assert_true(ln_str_ends(ln_buf_view(&b), S("9,end")));
  assert_null(ln_buf_room(&b, SIZE_MAX - 200010)); /* no machine has that */
  ln_err err;
  assert_false(ln_buf_ok(&b, &err));
  assert_string_equal(err.code, "memory");
  ln_buf_wipe(&b);
  assert_null(b.p);
}

static void test_err(void **s) {
  (void)s;
  ln_err e;
  assert_false(ln_fail(&e, "not_found", LN_AGAIN, "no endpoint %s", "web-07"));
  assert_true(ln_err_is(&e, "not_found"));
  assert_int_equal(e.retry, LN_AGAIN);
  assert_int_equal(e.status, 0);
  assert_false(ln_err_prefix(&e, "at %s:%d", "x.lua", 4));
  assert_string_equal(e.message, "at x.lua:4: no endpoint web-07");
  assert_false(ln_fail(&e, e.code, LN_FINAL, "was: %s", e.message)); /* made of itself */
  assert_string_equal(e.code, "not_found");
  assert_string_equal(e.message, "was: at x.lua:4: no endpoint web-07");
  assert_false(ln_fail(NULL, "x", LN_FINAL, "quiet"));
  ln_err_clear(&e);
  assert_string_equal(e.code, "");
}

/* A message that is cut stays UTF-8, whatever the place of the cut. */
static void test_err_cut(void **s) {
  (void)s;
  ln_err e;
  char text[700];
  for (size_t lead = 0; lead < 4; lead++) {
    memset(text, 'x', lead);
    for (size_t i = lead; i + 3 < sizeof text; i += 3) memcpy(text + i, "\xE2\x82\xAC\0", 4);
    ln_fail(&e, "failed", LN_FINAL, "%s", text);
    assert_true(strlen(e.message) > LN_ERR_TEXT - 5);
    assert_true(ln_str_utf8(S(e.message), NULL));
    ln_err_prefix(&e, "%s", text);
    assert_true(ln_str_utf8(S(e.message), NULL));
  }
}

static void test_rand(void **s) {
  (void)s;
  ln_rand a, b;
  ln_err err;
  ln_rand_seed(&a, 42);
  ln_rand_seed(&b, 42);
  for (int i = 0; i < 100; i++) assert_true(ln_rand_u64(&a) == ln_rand_u64(&b));
  ln_rand_seed(&b, 43);
  assert_true(ln_rand_u64(&a) != ln_rand_u64(&b));
  double sum = 0;
  for (int i = 0; i < 10000; i++) {
    double x = ln_rand_unit(&a);
    assert_true(x >= 0 && x < 1);
    sum += x;
  }
  assert_true(sum > 4800 && sum < 5200);
  uint8_t p[40] = {0}, q[40] = {0};
  assert_true(ln_rand_real()->bytes(ln_rand_real(), p, 37, &err));
  assert_true(ln_rand_real()->bytes(ln_rand_real(), q, 37, &err));
  assert_memory_not_equal(p, q, 37);
  assert_int_equal(p[37] | p[38] | p[39], 0);
  assert_true(a.bytes(&a, p, 3, &err));
}

static void test_hash(void **s) {
  (void)s;
  uint8_t d[LN_SHA256], e[LN_SHA256], back[LN_SHA256];
  char hex[2 * LN_SHA256 + 1];
  assert_true(ln_sha256(S("abc"), d));
  ln_hex(d, sizeof d, hex);
  assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  assert_true(ln_unhex(S(hex), back, sizeof back));
  assert_memory_equal(d, back, sizeof d);
  assert_true(ln_unhex(S("aBcD"), back, 2));
  assert_int_equal(back[0] << 8 | back[1], 0xABCD);
  assert_false(ln_unhex(S("abc"), back, 1));
  assert_false(ln_unhex(S("abcd"), back, 1));
  assert_false(ln_unhex(S("ag"), back, 1));
  assert_true(ln_sha256((ln_str){NULL, 0}, d));
  assert_true(ln_sha256_2(S("a"), S("bc"), d));
  assert_true(ln_sha256_2(S("ab"), S("c"), e)); /* the length keeps them apart */
  assert_memory_not_equal(d, e, sizeof d);
  assert_true(ln_sha256(LN_STR("\0\0\0\0\0\0\0\001abc"), e));
  assert_memory_equal(d, e, sizeof d);
}

static void test_ulid(void **s) {
  (void)s;
  ln_rand r;
  ln_rand_seed(&r, 1);
  char a[LN_ULID + 1], b[LN_ULID + 1];
  ln_ulid(&r, 1469918176385, a); /* the time of the ULID specification's example */
  assert_int_equal(strlen(a), LN_ULID);
  assert_memory_equal(a, "01ARYZ6S41", 10);
  ln_ulid(&r, 1469918176385, b);
  assert_string_not_equal(a, b);
  ln_ulid(&r, 1469918176386, b);
  assert_true(strcmp(a, b) < 0);
}

static void duration(const char *z, int64_t want) {
  int64_t ms;
  ln_err err;
  assert_true(ln_parse_duration(S(z), &ms, &err));
  assert_int_equal(ms, want);
}

static void no_duration(const char *z, const char *says) {
  int64_t ms;
  ln_err err;
  assert_false(ln_parse_duration(S(z), &ms, &err));
  assert_string_equal(err.code, "bad_argument");
  assert_non_null(strstr(err.message, says));
}

static void test_durations(void **s) {
  (void)s;
  duration("5ms", 5);
  duration("30s", 30000);
  duration("5m", 300000);
  duration("2h", 7200000);
  duration("7d", 604800000);
  duration("0s", 0);
  no_duration("1h30m", "write \"90m\"");
  no_duration("1h 60m", "write \"2h\"");
  no_duration("1m5s", "write \"65s\"");
  no_duration("5", "\"5ms\" \"30s\"");
  no_duration("", "whole number");
  no_duration("-5s", "whole number");
  no_duration("1.5h", "whole number");
  no_duration("5 s", "whole number");
  no_duration("5S", "whole number");
  no_duration("99999999999999999999s", "whole number");
  no_duration("9223372036854775807d", "whole number");
}

static void size(const char *z, uint64_t want) {
  uint64_t n;
  ln_err err;
  assert_true(ln_parse_size(S(z), &n, &err));
  assert_int_equal(n, want);
}

static void test_sizes(void **s) {
  (void)s;
  size("64KiB", 65536);
  size("16MiB", 16777216);
  size("1GiB", 1073741824);
  size("512B", 512);
  size("4096", 4096);
  uint64_t n;
  ln_err err;
  static const char *const bad[] = {"64KB", "64kib", "-1", "", "1.5MiB", "9223372036854775807KiB"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_false(ln_parse_size(S(bad[i]), &n, &err));
    assert_non_null(strstr(err.message, "\"64KiB\""));
  }
}

static void timed(const char *z, int64_t want, const char *back) {
  int64_t ms;
  ln_err err;
  char out[LN_TIME_TEXT];
  assert_true(ln_parse_time(S(z), &ms, &err));
  assert_int_equal(ms, want);
  ln_format_time(ms, out);
  assert_string_equal(out, back);
}

static void test_times(void **s) {
  (void)s;
  timed("1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z");
  timed("2026-11-24T10:00:00.123Z", 1795514400123, "2026-11-24T10:00:00.123Z");
  timed("2026-11-24t12:00:00.1239999+02:00", 1795514400123, "2026-11-24T10:00:00.123Z");
  timed("2026-11-24 04:30:00-05:30", 1795514400000, "2026-11-24T10:00:00Z");
  timed("2024-02-29T23:59:60Z", 1709251200000, "2024-03-01T00:00:00Z");
  timed("2000-02-29T00:00:00.5Z", 951782400500, "2000-02-29T00:00:00.500Z");
  timed("1969-12-31T23:59:59.999Z", -1, "1969-12-31T23:59:59.999Z");
  timed("0000-01-01T00:00:00Z", -62167219200000, "0000-01-01T00:00:00Z");
  static const char *const bad[] = {
      "2026-11-24",           "2026-11-24T10:00:00",      "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z",
      "2026-13-01T00:00:00Z", "2026-11-24T24:00:00Z",     "2026-11-24T10:00:61Z", "2026-11-24T10:00:00.Z",
      "2026-11-24T10:00:00+", "2026-11-24T10:00:00+0200", "2026-1-24T10:00:00Z",  "2026-11-24T10:00:00ZZ",
      "",                     "now"};
  int64_t ms;
  ln_err err;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_false(ln_parse_time(S(bad[i]), &ms, &err));
    assert_string_equal(err.code, "bad_argument");
  }
  char out[LN_TIME_TEXT];
  ln_format_time(INT64_MAX, out);
  assert_string_equal(out, "292278994-08-17T07:12:55.807Z");
  ln_format_time(INT64_MIN, out);
  assert_true(strlen(out) < LN_TIME_TEXT);
}

static void test_json(void **s) {
  (void)s;
  ln_buf b;
  ln_json j;
  ln_buf_init(&b, 4096);
  ln_json_init(&j, &b);
  ln_json_open(&j, '{');
  ln_json_key(&j, S("a"));
  ln_json_open(&j, '[');
  ln_json_int(&j, INT64_MIN);
  ln_json_num(&j, 0.1);
  ln_json_num(&j, 12.4);
  ln_json_num(&j, NAN);
  ln_json_bool(&j, true);
  ln_json_open(&j, '{');
  ln_json_close(&j, '}');
  ln_json_open(&j, '[');
  ln_json_close(&j, ']');
  ln_json_close(&j, ']');
  ln_json_key(&j, S("k\"\n"));
  ln_json_str(&j, LN_STR("\0\x1F\\\xC3\xA4\xFFz"));
  ln_json_key(&j, S("n"));
  ln_json_strz(&j, NULL);
  ln_json_key(&j, S("r"));
  ln_json_raw(&j, S("[1,2]"));
  ln_json_close(&j, '}');
  assert_int_equal(j.depth, 0);
  assert_true(ln_str_eq(ln_buf_view(&b), S("{\"a\":[-9223372036854775808,0.1,12.4,null,true,{},[]],"
                                           "\"k\\\"\\n\":\"\\u0000\\u001f\\\\\xC3\xA4\xEF\xBF\xBDz\","
                                           "\"n\":null,\"r\":[1,2]}")));
  ln_buf_free(&b);
}

static void test_json_numbers(void **s) {
  (void)s;
  static const double v[] = {1e300, 5e-324, 1.7976931348623157e308, 0.30000000000000004, -0.0,
                             123456789012345678.0};
  ln_buf b;
  ln_buf_init(&b, 4096);
  for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
    ln_json j;
    ln_json_init(&j, &b);
    ln_json_num(&j, v[i]);
    char *z = ln_buf_take(&b, NULL);
    assert_true(strtod(z, NULL) == v[i]);
    free(z);
  }
}

static void test_json_deep(void **s) {
  (void)s;
  ln_buf b;
  ln_json j;
  ln_buf_init(&b, 4096);
  ln_json_init(&j, &b);
  for (int i = 0; i < 60; i++) ln_json_open(&j, '[');
  ln_json_int(&j, 1);
  ln_json_int(&j, 2);
  assert_false(ln_buf_failed(&b));
  ln_json_open(&j, '[');
  assert_true(ln_buf_failed(&b)); /* one too deep fails the text, not the program */
  ln_buf_free(&b);
}

static void test_log(void **s) {
  (void)s;
  int pipes[2], saved = dup(STDERR_FILENO);
  char line[4096];
  assert_int_equal(pipe(pipes), 0);
  dup2(pipes[1], STDERR_FILENO);
  ln_log(LN_INFO, "quiet", "x=%d", 1); /* below the default */
  ln_log(LN_WARN, "retry", "run=%s ms=%d", "01JD\ninjected=1", 5);
  ssize_t n = read(pipes[0], line, sizeof line - 1);
  line[n > 0 ? n : 0] = '\0';
  char big[4000];
  memset(big, 'y', sizeof big - 1);
  big[sizeof big - 1] = '\0';
  ln_log(LN_ERROR, "big", "%s", big);
  char cut[4096];
  ssize_t m = read(pipes[0], cut, sizeof cut);
  dup2(saved, STDERR_FILENO);
  close(saved), close(pipes[0]), close(pipes[1]);
  assert_non_null(strstr(line, " level=warn event=retry run=\"01JD injected=1\" ms=5\n"));
  assert_memory_equal(line, "time=2", 6);
  assert_int_equal(line[n - 1], '\n');
  assert_int_equal(strchr(line, '\n') - line, n - 1); /* one line */
  assert_true(m < 2200 && cut[m - 1] == '\n');
}

/* What is logged by fn, as it stands on standard error. */
static const char *logged(void (*fn)(void)) {
  static char line[4096];
  int pipes[2], saved = dup(STDERR_FILENO);
  assert_int_equal(pipe(pipes), 0);
  dup2(pipes[1], STDERR_FILENO);
  fn();
  ssize_t n = read(pipes[0], line, sizeof line - 1);
  dup2(saved, STDERR_FILENO);
  close(saved), close(pipes[0]), close(pipes[1]);
  line[n > 0 ? n : 0] = '\0';
  return line;
}

static void log_hostile(void) {
  const char *name = "a\" level=error event=\"y\n";
  ln_log(LN_WARN, "x", "name=%s n=%d why=it has %s of \"%s\"", name, 7, "two", "b=c");
}

static void log_text(void) { ln_log(LN_WARN, "x", "it was %d s later", 5); }

/* A value stays one, whatever is in it, in either form. */
static void test_log_values(void **s) {
  (void)s;
  const char *line = strstr(logged(log_hostile), " event=");
  assert_string_equal(line, " event=x name=\"a\\\" level=error event=\\\"y \" n=7 "
                            "why=\"it has two of \\\"b=c\\\"\"\n");
  assert_string_equal(strstr(logged(log_text), " event="), " event=x text=\"it was 5 s later\"\n");
  ln_log_json(true);
  line = strstr(logged(log_hostile), "\"event\"");
  assert_string_equal(line, "\"event\":\"x\",\"name\":\"a\\\" level=error event=\\\"y\\n\",\"n\":\"7\","
                            "\"why\":\"it has two of \\\"b=c\\\"\"}\n");
  assert_int_equal(logged(log_text)[0], '{');
  ln_log_json(false);
}

static void plain_is(ln_str text, bool lines, const char *shown) {
  ln_buf b;
  ln_buf_init(&b, 1000);
  assert_true(ln_plain(&b, text, lines));
  assert_true(ln_str_eq(ln_buf_view(&b), ln_str_of(shown)));
  ln_buf_free(&b);
}

static void test_plain(void **s) {
  (void)s;
  plain_is(LN_STR("as it is, \\ \xc3\xa9 \xf0\x9f\x98\x80"), false, "as it is, \\ \xc3\xa9 \xf0\x9f\x98\x80");
  plain_is(LN_STR("a\nb\r\tc"), false, "a\\u000ab\\u000d\\u0009c");
  plain_is(LN_STR("a\nb\r"), true, "a\nb\\u000d");
  plain_is(LN_STR("\0\x1b[31m\x7f"), false, "\\u0000\\u001b[31m\\u007f");
  plain_is(LN_STR("\xc2\x9b\xe2\x80\xae\xe2\x80\xa8\xef\xbb\xbf"), false, "\\u009b\\u202e\\u2028\\ufeff");
  plain_is(LN_STR("\xf3\xa0\x81\x81"), false, "\\udb40\\udc41"); /* as JSON spells what is beyond U+FFFF */
  plain_is(LN_STR("\x9b x\xff\xc3"), false, "\\x9b x\\xff\\xc3");
  ln_buf small;
  ln_buf_init(&small, 4);
  assert_false(ln_plain(&small, LN_STR("12345"), false));
  ln_buf_free(&small);
}

static void word_is(const char *text, const char *word) {
  ln_buf b;
  ln_buf_init(&b, 40);
  assert_int_equal(ln_shell_word(&b, ln_str_of(text)), word != NULL);
  assert_true(ln_str_eq(ln_buf_view(&b), word ? ln_str_of(word) : (ln_str){NULL, 0}));
  ln_buf_free(&b);
}

static void test_shell_word(void **s) {
  (void)s;
  word_is("host/WS-042/visionone.isolate#1", "host/WS-042/visionone.isolate#1");
  word_is("", "''");
  word_is("#a", "'#a'");
  word_is("a b", "'a b'");
  word_is("$(id)", "'$(id)'");
  word_is("it's; `x`", "'it'\\''s; `x`'");
  word_is("line\nend", NULL);
  word_is("\xe2\x80\xae", NULL);
  word_is("a name that is longer than there is room for", NULL);
}

static int64_t fake_wall, fake_mono;
static int64_t wall_of(ln_clock *c) { return (void)c, fake_wall; }
static int64_t mono_of(ln_clock *c) { return (void)c, fake_mono * 1000; }

static void live_for(int64_t ms) { fake_wall += ms, fake_mono += ms; }

enum { MINUTE = 60000, HOUR = 60 * MINUTE };

/* How long until a time that the wall clock shows now is believed. */
static void test_steps(void **state) {
  (void)state;
  ln_clock c = {wall_of, mono_of};
  ln_steps s;
  fake_wall = (int64_t)1 << 40, fake_mono = 7;
  ln_steps_begin(&s, &c, 0);
  live_for(HOUR);
  assert_int_equal(ln_steps_until(&s, &c, fake_wall), 0);
  for (int i = 0; i < 10; i++) {                         /* a drift, however far it comes */
    fake_wall += 4 * MINUTE;
    assert_false(ln_steps_unsure(&s, &c));
  }
  fake_wall += HOUR;                                     /* forward */
  assert_true(ln_steps_unsure(&s, &c));
  assert_int_equal(ln_steps_until(&s, &c, fake_wall), HOUR);
  assert_int_equal(ln_steps_until(&s, &c, fake_wall - 20 * MINUTE), 40 * MINUTE);
  assert_int_equal(ln_steps_until(&s, &c, fake_wall - HOUR), 0); /* it was over before */
  live_for(45 * MINUTE);
  assert_int_equal(ln_steps_until(&s, &c, fake_wall), 15 * MINUTE);
  live_for(15 * MINUTE);
  assert_int_equal(ln_steps_until(&s, &c, fake_wall), 0);
  assert_false(ln_steps_unsure(&s, &c));
  assert_int_equal(s.lived, 1);
  fake_wall += 2 * HOUR;                                 /* forward, and back to where it was */
  int64_t due = fake_wall;
  assert_true(ln_steps_unsure(&s, &c));
  live_for(10 * MINUTE);
  fake_wall -= 2 * HOUR;
  assert_false(ln_steps_unsure(&s, &c));
  assert_int_equal(ln_steps_until(&s, &c, due), 2 * HOUR - 10 * MINUTE);
  assert_int_equal(s.lived, 1);
  fake_wall -= HOUR;                                     /* back: it is only late */
  assert_true(ln_steps_unsure(&s, &c));
  live_for(HOUR);
  assert_false(ln_steps_unsure(&s, &c));
  assert_int_equal(s.lived, 2);
  ln_steps_begin(&s, &c, fake_wall + 3 * HOUR);          /* it was three hours later, once */
  assert_int_equal(ln_steps_until(&s, &c, fake_wall), 3 * HOUR);
  live_for(3 * HOUR);
  assert_int_equal(ln_steps_until(&s, &c, fake_wall), 0);
  ln_steps_begin(&s, &c, 0); /* the next process, within a step of the last one's */
  ln_steps_go_on(&s, &c, HOUR, fake_wall - 20 * MINUTE);
  assert_int_equal(ln_steps_until(&s, &c, fake_wall), 40 * MINUTE);
  fake_wall -= HOUR;
  assert_false(ln_steps_unsure(&s, &c));
  fake_wall += HOUR;                                     /* forward, and once more: they add up */
  assert_true(ln_steps_unsure(&s, &c));
  live_for(10 * MINUTE);
  fake_wall += 2 * HOUR;
  assert_int_equal(ln_steps_until(&s, &c, fake_wall), 3 * HOUR);
  assert_int_equal(s.step_ms, 3 * HOUR);
  live_for(10 * MINUTE);
  ln_steps next;                                         /* the next process is told of the last one */
  ln_steps_begin(&next, &c, 0);
  ln_steps_go_on(&next, &c, s.step_ms, fake_wall - 10 * MINUTE);
  assert_int_equal(ln_steps_until(&next, &c, fake_wall), 3 * HOUR - 10 * MINUTE);
  fake_wall -= 2 * HOUR;                                 /* half of it back: an hour, from now on */
  assert_int_equal(ln_steps_until(&next, &c, fake_wall), HOUR);
  live_for(HOUR);
  assert_false(ln_steps_unsure(&next, &c));
}

static void test_clock(void **s) {
  (void)s;
  ln_clock *c = ln_clock_real();
  int64_t a = ln_mono_us(c), b = ln_mono_us(c);
  assert_true(b >= a);
  assert_true(ln_now_ms(c) > 1700000000000);
}

static void test_chomp(void **state) {
  (void)state;
  ln_buf b;
  ln_buf_init(&b, 64);
  ln_buf_chomp(&b);
  assert_int_equal(b.n, 0);
  ln_buf_addz(&b, "a\nb\r\n\n");
  ln_buf_chomp(&b);
  assert_true(ln_str_eq(ln_buf_view(&b), LN_STR("a\nb")));
  ln_buf_cut(&b, 0);
  ln_buf_addz(&b, "\n\r");
  ln_buf_chomp(&b);
  assert_int_equal(b.n, 0);
  ln_buf_free(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_chomp), cmocka_unit_test(test_compare),   cmocka_unit_test(test_pieces),
      cmocka_unit_test(test_glob),      cmocka_unit_test(test_utf8),
      cmocka_unit_test(test_buf),       cmocka_unit_test(test_buf_grows),
      cmocka_unit_test(test_err),       cmocka_unit_test(test_err_cut),
      cmocka_unit_test(test_rand),      cmocka_unit_test(test_hash),
      cmocka_unit_test(test_ulid),      cmocka_unit_test(test_durations),
      cmocka_unit_test(test_sizes),     cmocka_unit_test(test_times), cmocka_unit_test(test_json),
      cmocka_unit_test(test_json_numbers), cmocka_unit_test(test_json_deep),
      cmocka_unit_test(test_plain),     cmocka_unit_test(test_shell_word),
      cmocka_unit_test(test_log),
      cmocka_unit_test(test_log_values),       cmocka_unit_test(test_steps), cmocka_unit_test(test_clock),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
