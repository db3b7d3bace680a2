/* drift_test.c: what headers say of operations that end, whoever writes them; sums, and bounds. */
#include "modules/connector_parts.h"

#include "base/log.h"
#include "engine/drift.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { DAY_MS = 86400000 };

typedef struct site {
  ln_engine g;
  lnC_connector c;
  lnC_operation o;
  ln_drift last;
  size_t told;
  int64_t counted;
} site;

static void set_up(site *s) {
  ln_err err = {0};
  memset(s, 0, sizeof *s);
  s->g.loop = ln_loop_sim(1, 20000 * (int64_t)DAY_MS, &err);
  s->c.engine = &s->g;
  s->o.c = &s->c;
  s->o.full = "okta.users";
  ln_log_level(LN_ERROR);
}

static void tear_down(site *s) {
  ln_drift_free(&s->g);
  s->g.loop->free(s->g.loop);
}

static void see(void *arg, const ln_drift *d) {
  site *s = arg;
  s->last = *d;
  s->told++;
  s->counted += d->count;
}

static size_t told(site *s) {
  s->told = 0;
  s->counted = 0;
  ln_drift_each(&s->g, see, s);
  return s->told;
}

/* name, value, name, value … NULL */
static void answer(site *s, const char *const *texts) {
  ln_header h[8];
  ln_answer a = {.sent = LN_ANSWERED, .status = 200, .headers = h};
  for (; texts[0]; texts += 2) h[a.n_headers++] = (ln_header){ln_str_of(texts[0]), ln_str_of(texts[1])};
  lnC_drift_headers(&s->o, &a);
}

#define ANSWER(s, ...) answer(s, (const char *const[]){__VA_ARGS__, NULL})

static void test_what_is_usual_says_nothing(void **state) {
  (void)state;
  site s;
  set_up(&s);
  ANSWER(&s, "Content-Type", "application/json", "Link", "<https://a.example/next>; rel=\"next\"");
  ANSWER(&s, "Deprecation", "false");
  ANSWER(&s, "Sunset", "soon");
  ANSWER(&s, "Sunset", "1700000000");
  assert_int_equal(told(&s), 0);
  tear_down(&s);
}

static void test_dates_and_links(void **state) {
  (void)state;
  site s;
  set_up(&s);
  ANSWER(&s, "Deprecation", "@1688169599", "SUNSET", "Sun, 30 Jun 2024 23:59:59 GMT", "Link",
         "<https://a.example/next>; rel=\"next\", <https://a.example/why>; rel=\"deprecation\"");
  assert_int_equal(told(&s), 1);
  assert_string_equal(s.last.op, "okta.users");
  assert_string_equal(s.last.what, "");
  assert_true(s.last.since_ms == 1688169599000);
  assert_true(s.last.sunset_ms == 1719791999000);
  assert_string_equal(s.last.link, "https://a.example/why");
  ANSWER(&s, "Deprecation", "true");                     /* as drafts had it */
  ANSWER(&s, "Deprecation", "Fri, 30 Jun 2023 23:59:59 GMT");
  assert_int_equal(told(&s), 1);
  assert_int_equal(s.last.count, 3);
  assert_true(s.last.since_ms == 1688169599000);
  assert_true(s.last.sunset_ms == 0);
  assert_string_equal(s.last.link, "https://a.example/why"); /* what was known of it stays */
  tear_down(&s);
}

static void test_hostile_headers(void **state) {
  (void)state;
  site s;
  char *big = malloc(70001);
  set_up(&s);
  memset(big, 'a', 70000);
  big[70000] = '\0';
  memcpy(big, "https://", 8);
  ANSWER(&s, "Deprecation", "@99999999999999999999", "Link", "<javascript:alert(1)>; rel=\"deprecation\"");
  assert_true(told(&s) == 1 && s.last.since_ms == 0 && !s.last.link[0]);
  ANSWER(&s, "Deprecation", "@-5", "Link", "<https://a.example/\x1b[31m>; rel=\"sunset\"");
  ANSWER(&s, "Deprecation", "@1x", "Link", "<https://a.example/ x>; rel=\"sunset\"");
  ANSWER(&s, "Deprecation", "@", "Link", "<<<>>>;;rel=\"sunset\"");
  ANSWER(&s, "Deprecation", "@1", "Link", "<https://a.example/");
  ANSWER(&s, "Deprecation", "@1", "Link", ">; rel=\"sunset\"");
  ANSWER(&s, "Deprecation", big);
  assert_true(told(&s) == 1 && !s.last.link[0]);
  memmove(big + 1, big, 60000);
  big[0] = '<';
  memcpy(big + 60000, ">; rel=\"sunset\"", sizeof ">; rel=\"sunset\"");
  ANSWER(&s, "Deprecation", "@1", "Link", big);
  assert_int_equal(told(&s), 1);
  assert_int_equal(strlen(s.last.link), sizeof s.last.link - 1);
  tear_down(&s);
  free(big);
}

static void test_sums_and_bounds(void **state) {
  (void)state;
  site s;
  char text[400], op[40];
  set_up(&s);
  ln_drift_shape(&s.g, "okta.users", LN_STR("status is absent"));
  ln_drift_shape(&s.g, "okta.users", LN_STR("login is absent"));
  ln_drift_shape(&s.g, "okta.users", LN_STR("status is absent"));
  ln_drift_deprecated(&s.g, "okta.users", 0, 0, (ln_str){NULL, 0});
  assert_int_equal(told(&s), 2);                         /* one of shape, summed up, and one that ends */
  assert_int_equal(s.counted, 4);
  memset(text, 0xc3, sizeof text);                       /* half characters, and far too many */
  ln_drift_shape(&s.g, "okta.groups", (ln_str){text, sizeof text});
  for (int i = 0; i < 2 * LN_DRIFT_MOST; i++) {
    snprintf(op, sizeof op, "okta.op%d", i);
    ln_drift_shape(&s.g, op, LN_STR("x"));
  }
  assert_int_equal(told(&s), LN_DRIFT_MOST - 1);         /* okta.users has two of shape */
  tear_down(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_what_is_usual_says_nothing), cmocka_unit_test(test_dates_and_links),
      cmocka_unit_test(test_hostile_headers), cmocka_unit_test(test_sums_and_bounds)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
