/* webhook_test.c: deliveries that sources sign: what is let in, and what is not. */
#include "engine/webhook.h"

#include "base/digest.h"
#include "base/signature.h"
#include "tests/unit/store_help.h"

#include <sys/stat.h>

/* ------------------------------------------------------------------ headers */

#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define OTHER "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define BASE64 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static void test_headers(void **state) {
  (void)state;
  static const struct { const char *header; size_t n; const char *time; } good[] = {
      {HEX, 1, ""},
      {"sha256=" HEX, 1, ""},
      {BASE64, 1, ""},
      {"v0=" BASE64, 1, ""},
      {"t=1732442280,v1=" HEX, 1, "1732442280"},
      {" t=5 , v1=" HEX " ,v1=" OTHER, 2, "5"},
      {"t=5,v0=old,v1=" HEX, 1, "5"}};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    ln_signature s;
    ln_err err = {.code = ""};
    if (!ln_signature_read(ln_str_of(good[i].header), &s, &err))
      fail_msg("%s: %s", good[i].header, err.message);
    assert_int_equal(s.n, good[i].n);
    assert_true(ln_str_eq(s.time, ln_str_of(good[i].time)));
    for (size_t k = 0; k < LN_MAC; k++) assert_int_equal(s.mac[0][k], k);
  }
  static const char *const wrong[] = {"",          ",",       "t=5",           "t=5,t=6,v1=" HEX, HEX "00",
                                      "abc",       "v1=abc",  "t=,v1=" HEX,    HEX ",,",          "=" HEX "=",
                                      "sha256= x", "v1=" HEX "," HEX "," HEX "," HEX "," HEX};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    ln_signature s;
    ln_err err = {.code = ""};
    if (ln_signature_read(ln_str_of(wrong[i]), &s, &err)) fail_msg("'%s' is taken", wrong[i]);
    assert_string_equal(err.code, "bad_argument");
  }
}

static void test_times(void **state) {
  (void)state;
  int64_t ms;
  ln_err err;
  assert_true(ln_signature_time(LN_STR("1732442280"), &ms, &err));
  assert_int_equal(ms, INT64_C(1732442280000));
  assert_true(ln_signature_time(LN_STR("1732442280123"), &ms, &err));
  assert_int_equal(ms, INT64_C(1732442280123));
  assert_true(ln_signature_time(LN_STR("2024-11-24T09:58:00Z"), &ms, &err));
  assert_int_equal(ms, INT64_C(1732442280000));
  assert_false(ln_signature_time(LN_STR("99999999999999999999"), &ms, &err));
  assert_false(ln_signature_time(LN_STR("-5"), &ms, &err));
  assert_false(ln_signature_time(LN_STR(""), &ms, &err));
}

/* ------------------------------------------------------------------ deliveries */

enum { NOW_S = 1800000000, WINDOW_MS = 300000 };
#define BODY "{\"id\":\"a\"}"
#define KEY "a secret of both"

typedef struct sent { const char *names[3], *values[3]; } sent;

static ln_str header_of(void *arg, const char *name) {
  const sent *s = arg;
  for (size_t i = 0; i < 3 && s->names[i]; i++)
    if (ln_str_ieq(ln_str_of(s->names[i]), ln_str_of(name))) return ln_str_of(s->values[i]);
  return (ln_str){NULL, 0};
}

static ln_engine engine;

static int set_up(void **state) {
  static ln_err err;
  if (make_folder(state) != 0) return -1;
  setenv("LUNETTE_SECRET_HOOK", KEY, 1);
  engine.loop = ln_loop_sim(1, NOW_S * INT64_C(1000), &err);
  ln_store_opts o = {.clock = engine.loop->clock};
  engine.store = ln_store_open(ln_str_of(uri), &o, &err);
  engine.vault = ln_vault_open(engine.store, NULL, &err);
  return engine.vault ? 0 : -1;
}

static int tear_down(void **state) {
  ln_vault_free(engine.vault);
  ln_store_close(engine.store);
  engine.loop->free(engine.loop);
  return remove_folder(state);
}

static const ln_source_config signs = {.name = {"edr", 3}, .secret = {"hook", 4}, .header = {"X-Sign", 6},
                                       .time = {"X-Time", 6}, .window_ms = WINDOW_MS};

static const char *sign(const char *text) {
  static char hex[2 * LN_DIGEST_MAX + 1];
  uint8_t mac[LN_DIGEST_MAX];
  size_t n;
  ln_err err;
  assert_true(ln_hmac(LN_STR("sha256"), LN_STR(KEY), ln_str_of(text), mac, &n, &err));
  ln_hex(mac, n, hex);
  return hex;
}

static const char *refused_with = "unauthorised", *because = "";

static bool let_in(const ln_source_config *s, const sent *h, const char *body, ln_webhook *w) {
  ln_err err = {.code = ""};
  void *arg = (void *)(uintptr_t)h;
  bool ok = ln_webhook_look(&engine, s, header_of, arg, &err) &&
            ln_webhook_check(&engine, s, header_of, arg, ln_str_of(body), w, &err);
  if (!ok) assert_string_equal(err.code, refused_with);
  if (!ok) assert_non_null(strstr(err.message, because));
  if (!ok) assert_null(strstr(err.message, KEY));
  return ok;
}

static bool signed_at(const ln_source_config *s, int64_t at_s, const char *body, const char *signed_body,
                      ln_webhook *w) {
  char time[32], text[256];
  snprintf(time, sizeof time, "%lld", (long long)at_s);
  snprintf(text, sizeof text, "%s.%s", time, signed_body);
  sent h = {{"x-sign", "x-time"}, {sign(text), time}};
  return let_in(s, &h, body, w);
}

static void test_signed(void **state) {
  (void)state;
  ln_webhook w, again;
  assert_true(signed_at(&signs, NOW_S, BODY, BODY, &w));
  assert_int_equal(strlen(w.mark), LN_WEBHOOK_MARK);
  assert_true(w.until_ms >= (NOW_S + 300 + 3600) * INT64_C(1000)); /* also when the clock is set back */
  assert_true(signed_at(&signs, NOW_S, BODY, BODY, &again));
  assert_string_equal(w.mark, again.mark);               /* by which a replay is known */
  assert_false(signed_at(&signs, NOW_S, BODY, "{}", &w));
  assert_true(signed_at(&signs, NOW_S - 300, BODY, BODY, &w));
  assert_false(signed_at(&signs, NOW_S - 301, BODY, BODY, &w));
  assert_false(signed_at(&signs, NOW_S + 301, BODY, BODY, &w));
  sent none = {{"x-time"}, {"1800000000"}}, untimed = {{"x-sign"}, {sign("." BODY)}};
  assert_false(let_in(&signs, &none, BODY, &w));
  assert_false(let_in(&signs, &untimed, BODY, &w));
  /* the time that was signed is the one that counts */
  sent moved = {{"x-sign", "x-time"}, {sign("1700000000." BODY), "1800000000"}};
  assert_false(let_in(&signs, &moved, BODY, &w));
}

static void test_forms(void **state) {
  (void)state;
  char header[256];
  ln_webhook w;
  ln_source_config s = signs;
  s.time = (ln_str){NULL, 0};
  snprintf(header, sizeof header, "t=1800000000,v1=%s", sign("1800000000." BODY));
  sent inside = {{"X-Sign"}, {header}};
  assert_true(let_in(&s, &inside, BODY, &w));
  s.signs = LN_STR("v0:{time}:{body}");
  s.time = LN_STR("X-Time");
  snprintf(header, sizeof header, "v0=%s", sign("v0:1800000000:" BODY));
  sent slack = {{"X-Sign", "X-Time"}, {header, "1800000000"}};
  assert_true(let_in(&s, &slack, BODY, &w));
  s = signs;
  s.time = (ln_str){NULL, 0};
  s.prefix = LN_STR("sha256=");
  snprintf(header, sizeof header, "sha256=%s", sign(BODY));
  sent bare = {{"X-Sign"}, {header}};
  assert_true(let_in(&s, &bare, BODY, &w));
  assert_true(w.until_ms == LN_NEVER);                   /* no time: it is never taken again */
  assert_false(let_in(&s, &bare, "{}", &w));
}

/* A time that is not signed can be said anew by whoever has the delivery: it is never taken again. */
static void test_unsigned_time(void **state) {
  (void)state;
  char header[256];
  ln_webhook w, again;
  ln_source_config s = signs;
  s.signs = LN_STR("{body}");
  sent h = {{"X-Sign", "X-Time"}, {sign(BODY), "1800000000"}};
  assert_true(let_in(&s, &h, BODY, &w));
  assert_true(w.until_ms == LN_NEVER);
  h.values[1] = "1800000100";
  assert_true(let_in(&s, &h, BODY, &again));
  assert_string_equal(w.mark, again.mark);
  h.values[1] = "1700000000";
  assert_false(let_in(&s, &h, BODY, &w));
  s.time = (ln_str){NULL, 0};
  snprintf(header, sizeof header, "t=1800000000,v1=%s", sign(BODY));
  sent inside = {{"X-Sign"}, {header}};
  assert_true(let_in(&s, &inside, BODY, &w));
  assert_true(w.until_ms == LN_NEVER);
}

/* What anybody can guess is no secret. */
static void test_empty(void **state) {
  (void)state;
  ln_webhook w;
  ln_source_config token = {.name = {"hooks", 5}, .secret = {"empty", 5}, .header = {"Authorization", 13},
                            .prefix = {"Bearer ", 7}, .token = true};
  ln_source_config s = signs;
  s.secret = LN_STR("empty");
  s.time = (ln_str){NULL, 0};
  char file[sizeof folder + 8];
  snprintf(file, sizeof file, "%s/empty", folder);       /* a credential that somebody forgot to fill */
  FILE *f = fopen(file, "w");
  assert_non_null(f);
  fclose(f);
  setenv("CREDENTIALS_DIRECTORY", folder, 1);
  sent nothing = {{"Authorization"}, {"Bearer "}};
  sent mac = {{"X-Sign"}, {"613b2e5e0a55d3dc3d0d8d9f3f4dbd0a0d4c0a6e5a0f7d4d6b6d5cb6b2c0c4d1"}};
  refused_with = "config";
  because = "is empty";
  assert_false(let_in(&token, &nothing, BODY, &w));
  assert_false(let_in(&s, &mac, BODY, &w));
  refused_with = "unauthorised";
  because = "";
  unsetenv("CREDENTIALS_DIRECTORY");
  remove(file);
}

static void test_token(void **state) {
  (void)state;
  ln_webhook w;
  ln_source_config s = {.name = {"hooks", 5}, .secret = {"hook", 4}, .header = {"Authorization", 13},
                        .token = true, .challenge = {"X-Challenge", 11}};
  sent right = {{"authorization", "x-challenge"}, {KEY, "say this"}};
  sent wrong = {{"Authorization"}, {"a secret"}};
  assert_true(let_in(&s, &right, BODY, &w));
  assert_string_equal(w.mark, "");
  assert_false(let_in(&s, &wrong, BODY, &w));
  assert_true(ln_str_eq(ln_webhook_challenge(&s, header_of, &right), LN_STR("say this")));
  assert_false(ln_webhook_challenge(&signs, header_of, &right).n);
}

/* Whoever sends something has us wait for nothing, as long as it is not known who that is. */
static void test_secret_of_a_slow_helper(void **state) {
  (void)state;
  char helper[200], fifo[210];
  ln_str argv[] = {{helper, 0}, LN_STR("{name}")};
  ln_vault_opts o = {.helper = argv, .n_helper = 2};
  ln_vault *was = engine.vault;
  ln_source_config s = signs;
  ln_webhook w;
  ln_err err = {.code = ""};
  ln_buf out;
  snprintf(helper, sizeof helper, "%s/helper", folder);
  snprintf(fifo, sizeof fifo, "%s.fifo", helper);
  FILE *f = fopen(helper, "w");
  fputs("#!/bin/sh\ncat \"$0.fifo\"\n", f);
  fclose(f);
  assert_int_equal(chmod(helper, 0700) + mkfifo(fifo, 0600), 0);
  argv[0].n = strlen(helper);
  s.secret = LN_STR("slow");
  s.time = (ln_str){NULL, 0};
  sent h = {{"X-Sign"}, {sign(BODY)}};
  assert_non_null(engine.vault = ln_vault_open(engine.store, &o, &err));
  assert_false(ln_webhook_check(&engine, &s, header_of, &h, LN_STR(BODY), &w, &err));
  assert_string_equal(err.code, "unavailable");
  assert_non_null(strstr(err.message, "being asked"));
  f = fopen(fifo, "w"); /* waits until it reads */
  fputs(KEY, f);
  fclose(f);
  ln_buf_init(&out, 1000);
  assert_true(ln_secret_get(engine.vault, LN_STR("slow"), &out, &err)); /* waits for the answer */
  ln_buf_wipe(&out);
  assert_true(ln_webhook_check(&engine, &s, header_of, &h, LN_STR(BODY), &w, &err));
  ln_vault_free(engine.vault);
  engine.vault = was;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_headers), cmocka_unit_test(test_times),
                                     cmocka_unit_test(test_signed), cmocka_unit_test(test_forms),
                                     cmocka_unit_test(test_token), cmocka_unit_test(test_unsigned_time),
                                     cmocka_unit_test(test_empty),
                                     cmocka_unit_test(test_secret_of_a_slow_helper)};
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
