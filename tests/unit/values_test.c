/* values_test.c: between encoded values and Lua, errors as data, and the host's JSON and XML. */
#include "engine/values.h"
#include "engine/vm.h"

#include <lauxlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static ln_host *host;
static lua_State *L;
static ln_err err;

static int setup(void **state) {
  (void)state;
  host = ln_host_new(&err);
  L = host ? ln_host_state(host) : NULL;
  return host ? 0 : -1;
}

static int teardown(void **state) {
  (void)state;
  ln_host_free(host);
  return 0;
}

static void eval(const char *code) {
  if (luaL_dostring(L, code)) fail_msg("%s: %s", code, lua_tostring(L, -1));
}

/* What the Lua expression encodes to, shown as JSON; or the error's message. */
static char *encoded(const char *expression) {
  ln_buf v, out;
  ln_json j;
  lua_pushfstring(L, "return %s", expression);
  eval(lua_tostring(L, -1));
  int top = lua_gettop(L);
  ln_buf_init(&v, 1 << 20);
  ln_buf_init(&out, 1 << 20);
  if (lnL_encode(L, -1, &v, &err)) {
    assert_true(ln_v_check(ln_buf_view(&v), NULL));
    ln_json_init(&j, &out);
    ln_v_to_json(ln_buf_view(&v), &j);
  } else {
    assert_int_equal(v.n, 0);
    ln_buf_addf(&out, "%s: %s", err.code, err.message);
  }
  assert_int_equal(lua_gettop(L), top);
  lua_settop(L, 0);
  ln_buf_free(&v);
  return ln_buf_take(&out, NULL);
}

static void encodes(const char *expression, const char *expected) {
  char *text = encoded(expression);
  assert_non_null(text);
  if (strcmp(text, expected) != 0) fail_msg("%s:\n  expected %s\n  got      %s", expression, expected, text);
  free(text);
}

static void lua_values_are_encoded(void **state) {
  (void)state;
  encodes("nil", "null");
  encodes("1", "1");
  encodes("1.0", "1.0");
  encodes("'x'", "\"x\"");
  encodes("{}", "{}");
  encodes("require 'json'.array {}", "[]");
  encodes("{1, 2.5, 'x', true, {}}", "[1,2.5,\"x\",true,{}]");
  encodes("{b = 1, a = {z = 1, y = 2, x = {3}}, c = 'q'}",
          "{\"a\":{\"x\":[3],\"y\":2,\"z\":1},\"b\":1,\"c\":\"q\"}");
  encodes("{require 'json'.null}", "[null]");
  encodes("{1, 2, n = 2}", "{\"1\":1,\"2\":2,\"n\":2}");
  encodes("setmetatable({1}, {__index = error, __len = error, __pairs = error})", "[1]");
}

static void what_cannot_be_stored_is_named(void **state) {
  (void)state;
  encodes("print", "bad_argument: a function cannot be stored");
  encodes("{hosts = {1, 2, print}}", "bad_argument: hosts[3]: a function cannot be stored");
  encodes("{a = {['b c'] = {io.stdout}}}", "bad_argument: a[\"b c\"][1]: a userdata cannot be stored");
  encodes("{x = {1, nil, 3}}", "bad_argument: x: a list with a hole cannot be stored: item 2 is missing");
  encodes(
      "{x = {[0] = 1}}",
      "bad_argument: x: keys must be names, or positions from 1 on, to be stored, and one is another number");
  encodes(
      "{[true] = 1}",
      "bad_argument: keys must be names, or positions from 1 on, to be stored, and one is another boolean");
  encodes(
      "(function() local t = {} t.t = t return t end)()",
      "bad_argument: t.t.t.t: a table that contains itself, or is nested deeper than 100, cannot be stored");
  encodes("(function() local t = 1 for i = 1, 101 do t = {t} end return t end)()",
          "bad_argument: [1][1][1][1]: a table that contains itself, or is nested deeper than 100, cannot be "
          "stored");
}

/* Encoded, decoded in a capped VM's state, and encoded again: the same bytes. */
static void values_survive_a_round_trip(void **state) {
  (void)state;
  static const char *const cases[] = {
      "nil",
      "true",
      "math.mininteger",
      "0.1",
      "-0.0",
      "0/0",
      "('\\0\\xff'):rep(100)",
      "{}",
      "require 'json'.array {}",
      "{{}, {{}}}",
      "{1, 2, x = {3, y = 4}}",
      "require 'json'.null",
      "{require 'json'.null, a = require 'json'.null}",
      "(function() local t = {} for i = 1, 1000 do t['k' .. i] = {i, tostring(i)} end return t end)()",
      "(function() local t = 1 for i = 1, 100 do t = {t} end return t end)()"};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    ln_buf a, b;
    ln_buf_init(&a, 1 << 20);
    ln_buf_init(&b, 1 << 20);
    lua_pushfstring(L, "return %s", cases[i]);
    eval(lua_tostring(L, -1));
    assert_true(lnL_encode(L, -1, &a, &err));
    lnL_decode(L, ln_buf_view(&a));
    assert_true(lnL_encode(L, -1, &b, &err));
    assert_true(ln_str_eq(ln_buf_view(&a), ln_buf_view(&b)));
    lua_settop(L, 0);
    ln_buf_free(&a);
    ln_buf_free(&b);
  }
}

static void a_full_buffer_is_an_error(void **state) {
  (void)state;
  ln_buf tiny;
  ln_buf_init(&tiny, 20);
  eval("return {a = {b = ('x'):rep(100)}, c = 1}");
  assert_false(lnL_encode(L, -1, &tiny, &err));
  assert_string_equal(err.code, "too_big");
  assert_int_equal(lua_gettop(L), 1);
  lua_settop(L, 0);
  ln_buf_free(&tiny);
}

static void handles_are_stored_again(void **state) {
  (void)state;
  ln_buf v, again;
  ln_str encoded_handle;
  ln_buf_init(&v, 1000);
  ln_buf_init(&again, 1000);
  size_t m = ln_v_begin(&v, 'A', 2), n = ln_v_begin(&v, 'B', 2);
  ln_v_key(&v, LN_STR("bytes")), ln_v_int(&v, 12), ln_v_key(&v, LN_STR("name")),
      ln_v_str(&v, LN_STR("x.bin"));
  ln_v_end(&v, n);
  n = ln_v_begin(&v, 'P', 1);
  ln_v_key(&v, LN_STR("what")), ln_v_str(&v, LN_STR("scan.ref"));
  ln_v_end(&v, n);
  assert_true(ln_v_end(&v, m));
  lnL_decode(L, ln_buf_view(&v));
  assert_true(lnL_encode(L, -1, &again, &err));
  assert_true(ln_str_eq(ln_buf_view(&v), ln_buf_view(&again)));
  lua_setglobal(L, "h");
  eval("assert(h[1].name == 'x.bin' and h[1].bytes == 12 and h[1].none == nil and tostring(h[1]) == 'blob "
       "x.bin')");
  eval("assert(not pcall(function() h[1].name = 'y' end) and not getmetatable(h[1]))");
  eval("for _, use in ipairs { function(u) return u.x end, function(u) return u + 1 end, function(u) return "
       "1 .. u end, "
       "function(u) return u < 1 end, function(u) return #u end, function(u) return u() end, function(u) "
       "return -u end, function(u) u.x = 1 end} do "
       "local ok, e = pcall(use, h[2]) assert(not ok and e.code == 'unknown' and e.message:find('scan.ref', "
       "1, true), tostring(e)) end "
       "assert(tostring(h[2]) == '⟨unknown⟩')");
  eval("return h[2]");
  assert_true(lnL_is_opaque(L, -1));
  assert_true(lnL_handle(L, -1, &encoded_handle));
  assert_int_equal(*encoded_handle.p, 'P');
  lua_settop(L, 0);
  ln_buf_free(&v);
  ln_buf_free(&again);
}

static void arrays_are_told_apart(void **state) {
  (void)state;
  eval("return {}, {1}, {x = 1}, require 'json'.array {}, 'x', require 'json'.null");
  static const bool is[] = {false, true, false, true, false, false};
  for (int i = 0; i < 6; i++) assert_int_equal(lnL_is_array(L, i + 1), is[i]);
  assert_true(lnL_is_null(L, 6));
  assert_false(lnL_is_null(L, 5));
  lua_settop(L, 0);
}

/* --- errors --------------------------------------------------------------------------------------------- */

static void an_error_is_two_lines_to_the_operator(void **state) {
  (void)state;
  ln_err e = {.code = "refused",
              .message = "20 isolations an hour are used",
              .op = "visionone.isolate",
              .rule = "per_hour",
              .vendor = "trend",
              .vendor_code = "E7",
              .status = 403,
              .retry = LN_AGAIN},
         back;
  lnL_push_error(L, &e, LN_STR("scripts/contain.lua:14"));
  assert_string_equal(luaL_tolstring(L, -1, NULL),
                      "visionone.isolate: refused (per_hour): 20 isolations an hour are used\n"
                      "  at scripts/contain.lua:14; trend answered 403 (E7)");
  lnL_to_error(L, 1, &back);
  assert_string_equal(back.code, e.code);
  assert_string_equal(back.rule, e.rule);
  assert_string_equal(back.vendor_code, e.vendor_code);
  assert_int_equal(back.status, 403);
  assert_int_equal(back.retry, LN_AGAIN);
  lua_settop(L, 1);
  lua_setglobal(L, "e");
  eval("assert(e.retry == true and e.at == 'scripts/contain.lua:14' and ('x: ' .. e):sub(1, 12) == 'x: "
       "visionone')");
  ln_fail(&e, "not_found", LN_FINAL, "no endpoint web-07");
  lua_settop(L, 0);
  lnL_push_error(L, &e, (ln_str){NULL, 0});
  assert_string_equal(luaL_tolstring(L, -1, NULL), "not_found: no endpoint web-07");
  lua_settop(L, 0);
}

static void any_value_can_be_an_error(void **state) {
  (void)state;
  static const struct { const char *code, *expected; } cases[] = {{"return 'plain'", "failed: plain"},
               {"return 42", "failed: 42"},
               {"return 1.5", "failed: 1.5"},
               {"return nil", "failed: an error that is a nil value"},
               {"return {code = 'mine', message = 'why'}", "mine: why"},
               {"return {}", "failed: an error without a message"},
               {"return {code = 5, message = 'why'}", "failed: why"},
               {"return print", "failed: an error that is a function value"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    ln_err e;
    char text[600];
    eval(cases[i].code);
    lnL_to_error(L, 1, &e);
    snprintf(text, sizeof text, "%s: %s", e.code, e.message);
    assert_string_equal(text, cases[i].expected);
    lua_settop(L, 0);
  }
  ln_err e;
  eval("return ('ä'):rep(1000)");
  lnL_to_error(L, 1, &e);
  assert_true(ln_str_utf8(ln_str_of(e.message), NULL));
  lua_settop(L, 0);
}

static void errors_are_stored(void **state) {
  (void)state;
  ln_err e = {.code = "timeout", .message = "m", .op = "okta.users", .retry = LN_AGAIN, .status = 504}, back;
  ln_buf v, cause;
  ln_buf_init(&v, 1000);
  ln_buf_init(&cause, 100);
  ln_v_str(&cause, LN_STR("why"));
  assert_true(lnL_error_encode(&e, LN_STR("x.lua:1"), ln_buf_view(&cause), &v));
  assert_true(ln_v_check(ln_buf_view(&v), NULL));
  assert_true(ln_str_eq(ln_v_get_str(ln_buf_view(&v), "cause"), LN_STR("why")));
  assert_true(ln_str_eq(ln_v_get_str(ln_buf_view(&v), "at"), LN_STR("x.lua:1")));
  lnL_error_decode(ln_buf_view(&v), &back);
  assert_memory_equal(&e, &back, sizeof e);
  ln_buf_free(&v);
  ln_buf_free(&cause);
}

/* --- JSON ----------------------------------------------------------------------------------------------- */

/* Decoded by the host and shown again by the strict encoder; or the error. */
static char *through(const char *json, size_t n) {
  ln_buf v, out;
  ln_buf_init(&v, 1 << 24);
  ln_buf_init(&out, 1 << 24);
  if (!ln_host_json(host, (ln_str){json, n}, &v, &err) || !ln_json_encode(ln_buf_view(&v), &out, &err)) {
    ln_buf_cut(&out, 0);
    ln_buf_addf(&out, "%s: %s", err.code, err.message);
  } else {
    assert_true(ln_v_check(ln_buf_view(&v), NULL));
  }
  ln_buf_free(&v);
  return ln_buf_take(&out, NULL);
}

static void json_n(const char *json, size_t n, const char *expected) {
  char *text = through(json, n);
  assert_non_null(text);
  if (strcmp(text, expected) != 0)
    fail_msg("%.200s:\n  expected %s\n  got      %.300s", json, expected, text);
  free(text);
}

static void json(const char *text, const char *expected) { json_n(text, strlen(text), expected); }

static void json_keeps_its_meaning(void **state) {
  (void)state;
  json("1", "1");
  json(" -1 ", "-1");
  json("1.0", "1.0");
  json("1e2", "100.0");
  json("1E-2", "0.01");
  json("-0", "0");
  json("-0.0", "-0.0");
  json("9223372036854775807", "9223372036854775807");
  json("-9223372036854775808", "-9223372036854775808");
  json("9007199254740993", "9007199254740993");
  json("9223372036854775808", "\"9223372036854775808\"");
  json("[18446744073709551615,-9223372036854775809,1]",
       "[\"18446744073709551615\",\"-9223372036854775809\",1]");
  json("1.8446744073709552e19", "1.8446744073709552e+19");
  json("0.1", "0.1");
  json("0.30000000000000004", "0.30000000000000004");
  json("1.7976931348623157e308", "1.7976931348623157e+308");
  json("[]", "[]");
  json("{}", "{}");
  json("[ \n ]", "[]");
  json("[[],{},[[]],{\"a\":[]}]", "[[],{},[[]],{\"a\":[]}]");
  json("{\"b\":1,\"a\":{\"d\":[1,2,{}],\"c\":null}}", "{\"a\":{\"d\":[1,2,{}]},\"b\":1}");
  json("[null,1,null]", "[null,1,null]");
  json("null", "null");
  json("{\"a\":1,\"a\":2}", "{\"a\":2}");
  json("{\"a\":1,\"a\":null}", "{}");
  json("{\"1\":2,\"2\":3}", "{\"1\":2,\"2\":3}");
  json("{\"\":0}", "{\"\":0}");
  json("\"\\u00e4\\ud83d\\ude00\\n\\/\\\"\"", "\"ä😀\\n/\\\"\"");
  json("\"[] 1 2 \\\\\"", "\"[] 1 2 \\\\\"");
  json("{\"k1\":[10,20,[],30],\"k2\":\"4\"}", "{\"k1\":[10,20,[],30],\"k2\":\"4\"}");
  json("\xEF\xBB\xBF{}", "{}");
  json_n("\"a\\u0000b\"", 10, "\"a\\u0000b\"");
}

static void bad_json_says_where(void **state) {
  (void)state;
  json("", "bad_argument: at byte 1: expected value but found the end");
  json("{", "bad_argument: at byte 2: expected object key string but found the end");
  json("[1,]", "bad_argument: at byte 4: expected value but found ']'");
  json("[1 2]", "bad_argument: at byte 4: expected comma or array end but found a number or []");
  json("[1000000, 2000000, x]", "bad_argument: at byte 20: expected value but found invalid token");
  json("[[ ], [   ], 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, !]",
       "bad_argument: at byte 50: expected value but found invalid token");
  json("{\"a\":1 \"b\":2}", "bad_argument: at byte 8: expected comma or object end but found a text");
  json("{\"a\" 1}", "bad_argument: at byte 6: expected colon but found a number or []");
  json("<html>", "bad_argument: at byte 1: expected value but found invalid token");
  json("01", "bad_argument: at byte 1: this is no number of JSON");
  json("1.", "bad_argument: at byte 1: this is no number of JSON");
  json("[-]", "bad_argument: at byte 2: this is no number of JSON");
  json("[1e5x]", "bad_argument: at byte 2: this is no number of JSON");
  json("[9, 1-2]", "bad_argument: at byte 5: this is no number of JSON");
  json("[9,1[]]", "bad_argument: at byte 4: this is no number of JSON");
  json("[9,[]1]", "bad_argument: at byte 6: expected ',' or the end of what [] is in");
  json("[9,[]-1]", "bad_argument: at byte 6: expected ',' or the end of what [] is in");
  json("[9,[][]]", "bad_argument: at byte 6: expected ',' or the end of what [] is in");
  json("[9,true1]", "bad_argument: at byte 8: expected comma or array end but found a number or []");
  json("{\"a\":1,\"b\":2\"c\":3}", "bad_argument: at byte 12: this is no number of JSON");
  json("[NaN]", "bad_argument: at byte 2: expected value but found invalid token");
  json("[nan, inf]", "bad_argument: at byte 2: expected value but found invalid token");
  json("[0x10]", "bad_argument: at byte 2: this is no number of JSON");
  json("[1e999]", "bad_argument: at byte 2: a number that is too large");
  json("{} x", "bad_argument: at byte 4: expected the end but found invalid token");
  json("1 2", "bad_argument: at byte 3: expected the end but found a number or []");
  json("\"abc", "bad_argument: at byte 5: expected value but found unexpected end of string");
  json("\"\\ud800\"", "bad_argument: at byte 2: expected value but found invalid unicode escape code");
  json("\"\\x\"", "bad_argument: at byte 2: expected value but found invalid escape code");
  json("\"a\nb\"", "bad_argument: at byte 3: a control character in a text: escape it");
  json("[\"a\xff\"]", "bad_argument: at byte 4: this is not UTF-8");
  json("[\"\xed\xa0\x80\"]", "bad_argument: at byte 3: this is not UTF-8");
  json_n("[1,\0]", 5, "bad_argument: at byte 4: expected value but found the end");
  json("\xEF\xBB\xBF{x", "bad_argument: at byte 5: expected object key string but found invalid token");
}

static void json_nesting_is_bounded(void **state) {
  (void)state;
  char *deep = malloc(20001);
  assert_non_null(deep);
  memset(deep, '[', 10000);
  memset(deep + 10000, ']', 10000);
  json_n(deep, 20000, "bad_argument: at byte 101: nested deeper than 100");
  deep[10100] = '\0';
  json(deep + 9900, deep + 9900);
  free(deep);
}

static void json_from_lua(void **state) {
  (void)state;
  eval("json = require 'json'");
  eval("assert(json.decode('{\"tags\":null}').tags == nil)");
  eval("assert(json.decode('{\"tags\":null}', {null = true}).tags == json.null)");
  eval("assert(json.encode(json.decode('{\"ips\":[]}')) == '{\"ips\":[]}')");
  eval("assert(math.type(json.decode('1')) == 'integer' and math.type(json.decode('1.0')) == 'float')");
  eval("assert('id=' .. json.decode('[7]')[1] == 'id=7')");
  eval("assert(json.encode {b = 1, a = 2.0, c = {true, json.null}} == "
       "'{\"a\":2.0,\"b\":1,\"c\":[true,null]}')");
  eval("assert(json.encode(json.array {}) == '[]' and json.encode {} == '{}')");
  eval("local ok, e = pcall(json.decode, '[1,') assert(not ok and e.code == 'bad_argument' and "
       "e.message:find 'at byte 4')");
  eval("local ok, e = pcall(json.encode, {x = '\\xff'}) assert(not ok and e.code == 'bad_argument' and "
       "e.message:find 'byte 1')");
  eval("local ok, e = pcall(json.encode, 0/0) assert(not ok and e.message:find 'NaN')");
  eval(
      "local ok, e = pcall(json.encode, {1, x = 2}) assert(not ok and e.message:find 'positions and names')");
  eval("local ok, e = pcall(json.encode, {f = print}) assert(not ok and e.message:find 'f: a function cannot "
       "be stored', e.message)");
  eval("assert(coroutine.wrap(function() return json.decode('[1]')[1] end)() == 1)");
}

static void every_integer_survives_json(void **state) {
  (void)state;
  uint64_t x = 88172645463325252u;
  for (int i = 0; i < 2000; i++) {
    char text[32], *back;
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    int64_t v = (int64_t)(x >> (i % 64));
    if (i & 1) v = -v;
    snprintf(text, sizeof text, "%lld", (long long)v);
    back = through(text, strlen(text));
    assert_string_equal(back, text);
    free(back);
  }
}

static void large_json_is_read(void **state) {
  (void)state;
  ln_buf text;
  ln_buf_init(&text, 1 << 24);
  ln_buf_addc(&text, '[');
  for (int i = 0; i < 200000; i++) ln_buf_addf(&text, "%s{\"id\":%d,\"tags\":[]}", i ? "," : "", i);
  ln_buf_addc(&text, ']');
  char *back = through(text.p, text.n);
  assert_non_null(back);
  assert_int_equal(strlen(back), text.n);
  assert_memory_equal(back, text.p, text.n);
  free(back);
  ln_buf_free(&text);
}

/* --- XML ------------------------------------------------------------------------------------------------ */

static void xml(const char *text, const char *expected) {
  ln_buf v, out;
  ln_json j;
  ln_buf_init(&v, 1 << 20);
  ln_buf_init(&out, 1 << 20);
  if (ln_host_xml(host, ln_str_of(text), &v, &err)) {
    assert_true(ln_v_check(ln_buf_view(&v), NULL));
    ln_json_init(&j, &out);
    ln_v_to_json(ln_buf_view(&v), &j);
  } else {
    assert_int_equal(v.n, 0);
    ln_buf_addf(&out, "%s: %s", err.code, err.message);
  }
  ln_buf_free(&v);
  char *got = ln_buf_take(&out, NULL);
  assert_non_null(got);
  if (strcmp(got, expected) != 0) fail_msg("%.200s:\n  expected %s\n  got      %s", text, expected, got);
  free(got);
}

static void xml_becomes_elements(void **state) {
  (void)state;
  xml("<a/>", "{\"attrs\":{},\"name\":\"a\",\"text\":\"\"}");
  xml("<a z='1' b='&lt;2&amp;'> x <!-- no --> y </a>",
      "{\"attrs\":{\"b\":\"<2&\",\"z\":\"1\"},\"name\":\"a\",\"text\":\"x  y\"}");
  xml("<?xml version='1.0' encoding='UTF-8'?>\n<!-- before -->\n<!DOCTYPE R SYSTEM "
      "\"https://x.example/r.dtd\">\n"
      "<R><T><![CDATA[\n  some <b>  \n]]></T><T>2</T></R>\n<!-- after -->\n",
      "{\"1\":{\"attrs\":{},\"name\":\"T\",\"text\":\"some "
      "<b>\"},\"2\":{\"attrs\":{},\"name\":\"T\",\"text\":\"2\"},\"attrs\":{},\"name\":\"R\",\"text\":\"\"}");
  xml("<a>p<b>q<c>r</c>s</b>t</a>",
      "{\"1\":{\"1\":{\"attrs\":{},\"name\":\"c\",\"text\":\"r\"},\"attrs\":{},\"name\":\"b\",\"text\":"
      "\"qs\"},\"attrs\":{},\"name\":\"a\",\"text\":\"pt\"}");
  xml("<a>&#228;&#x1F600;</a>", "{\"attrs\":{},\"name\":\"a\",\"text\":\"ä😀\"}");
  xml("<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe4</a>",
      "{\"attrs\":{},\"name\":\"a\",\"text\":\"ä\"}");
  eval("local r = require 'xml'.decode '<r><h id=\"1\"/><h id=\"2\">x</h></r>' "
       "assert(r.name == 'r' and #r == 2 and r[1].attrs.id == '1' and r[2].text == 'x' and r[1].text == '')");
}

static void bad_xml_says_where(void **state) {
  (void)state;
  xml("", "bad_argument: at line 1: no element found");
  xml("<a>", "bad_argument: at line 1: no element found");
  xml("<a>\n</b>", "bad_argument: at line 2: mismatched tag");
  xml("{}", "bad_argument: at line 1: not well-formed (invalid token)");
  xml("<a>&nbsp;</a>", "bad_argument: at line 1: undefined entity");
  xml("<!DOCTYPE a SYSTEM 'x.dtd'><a>&nbsp;</a>",
      "bad_argument: at line 1: an entity that is not known: nbsp");
  xml("<!DOCTYPE a [<!ENTITY b 'ha'>\n<!ENTITY c '&b;&b;'>]><a>&c;</a>",
      "bad_argument: at line 1: it declares an entity, which is not allowed: b");
  xml("<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
      "bad_argument: at line 1: it declares an entity, which is not allowed: x");
  xml("<!DOCTYPE a [<!ENTITY % x SYSTEM 'http://x.example/'> %x;]><a/>",
      "bad_argument: at line 1: it declares an entity, which is not allowed: x");
  xml("<a>\xff</a>", "bad_argument: at line 1: not well-formed (invalid token)");
  xml("<a/><b/>", "bad_argument: at line 1: junk after document element");
}

static void xml_nesting_is_bounded(void **state) {
  (void)state;
  ln_buf text;
  ln_buf_init(&text, 1 << 20);
  for (int i = 0; i < 100; i++) ln_buf_addz(&text, "<a>");
  char *deep = ln_buf_take(&text, NULL);
  xml(deep, "bad_argument: at line 1: elements are nested deeper than 99, at a");
  free(deep);
  for (int i = 0; i < 99; i++) ln_buf_addz(&text, "<a>");
  for (int i = 0; i < 99; i++) ln_buf_addz(&text, "</a>");
  ln_buf v;
  ln_buf_init(&v, 1 << 20);
  assert_true(ln_host_xml(host, ln_buf_view(&text), &v, &err));
  assert_true(ln_v_check(ln_buf_view(&v), &err));
  ln_buf_free(&v);
  ln_buf_init(&v, 50);
  assert_false(ln_host_xml(host, ln_buf_view(&text), &v, &err));
  assert_string_equal(err.code, "too_big");
  ln_buf_free(&v);
  ln_buf_free(&text);
}

/* --- in a VM -------------------------------------------------------------------------------------------- */

static int fill(lua_State *V) {
  lnL_push_json(V, host);
  lua_setglobal(V, "json");
  return 0;
}

static void a_capped_state_decodes_and_loses_nothing(void **state) {
  (void)state;
  int done = 0;
  for (size_t memory = 20000; memory < 90000; memory += 611) {
    ln_vm_limits l = {memory, 1000000, 1000000};
    ln_vm *vm = ln_vm_new(&l, &err);
    lua_State *co;
    int n;
    if (!vm) continue;
    if (ln_vm_protect(vm, fill, NULL, &err)) {
      co = lua_newthread(ln_vm_main(vm));
      if (ln_vm_load(vm, co,
                     LN_STR("local t = json.decode('{\"a\":[1,2,{\"b\":\"' .. ('x'):rep(3000) .. "
                            "'\"}],\"c\":[]}') return json.encode(t)"),
                     "@x", &err) &&
          ln_vm_resume(vm, co, 0, &n, &err) == LN_VM_RETURNED)
        done++;
    }
    ln_vm_free(vm);
  }
  assert_true(done > 10);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(lua_values_are_encoded),
                                     cmocka_unit_test(what_cannot_be_stored_is_named),
                                     cmocka_unit_test(values_survive_a_round_trip),
                                     cmocka_unit_test(a_full_buffer_is_an_error),
                                     cmocka_unit_test(handles_are_stored_again),
                                     cmocka_unit_test(arrays_are_told_apart),
                                     cmocka_unit_test(an_error_is_two_lines_to_the_operator),
                                     cmocka_unit_test(any_value_can_be_an_error),
                                     cmocka_unit_test(errors_are_stored),
                                     cmocka_unit_test(json_keeps_its_meaning),
                                     cmocka_unit_test(bad_json_says_where),
                                     cmocka_unit_test(json_nesting_is_bounded),
                                     cmocka_unit_test(json_from_lua),
                                     cmocka_unit_test(every_integer_survives_json),
                                     cmocka_unit_test(large_json_is_read),
                                     cmocka_unit_test(xml_becomes_elements),
                                     cmocka_unit_test(bad_xml_says_where),
                                     cmocka_unit_test(xml_nesting_is_bounded),
                                     cmocka_unit_test(a_capped_state_decodes_and_loses_nothing)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
