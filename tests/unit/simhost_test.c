/* simhost_test.c: simulators in their own state, as the simulated transport and a server see them. */
#include "engine/simhost.h"

#include "base/log.h"
#include "modules/modules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static ln_loop *loop;

static ln_simhost *host_in(const char *stdlib, const char *faults, double speed) {
  ln_err err = {0};
  ln_str dirs[] = {ln_str_of(stdlib)};
  ln_simhost_opts o = {.stdlib = {dirs, 1},
                       .modules = lnL_modules,
                       .clock = loop->clock,
                       .seed = 1,
                       .faults = faults,
                       .speed = speed};
  ln_simhost *h = ln_simhost_new(&o, &err);
  if (!h) fail_msg("%s", err.message);
  return h;
}

static ln_simhost *host(const char *faults) {
  ln_err err;
  ln_simhost *h = host_in("stdlib", faults, 1);
  assert_true(ln_simhost_start(h, LN_STR("okta"), NULL, &err));
  return h;
}

static int setup(void **s) {
  ln_err err;
  (void)s;
  loop = ln_loop_sim(1, 1795510000000, &err);
  return loop == NULL;
}

static int teardown(void **s) {
  (void)s;
  loop->free(loop);
  return 0;
}

/* What a client of the simulated transport gets. */
static ln_sim_reply get(ln_simhost *h, const char *url, size_t most) {
  static const ln_header headers[] = {{{"Authorization", 13}, {"SSWS 00SimulatedOktaToken", 25}},
                                      {{"Accept", 6}, {"application/json", 16}}};
  ln_request r = {.method = LN_STR("GET"), .url = ln_str_of(url), .headers = headers, .n_headers = 2,
                  .max_response = most};
  ln_sim_reply out = {0};
  if (!ln_simhost_handle(h, &r, &out)) fail_msg("nobody is at %s", url);
  return out;
}

static void test_answer(void **s) {
  (void)s;
  ln_simhost *h = host(NULL);
  ln_sim_reply r = get(h, "https://okta.sim/api/v1/groups?limit=2", 1 << 20);
  assert_int_equal(r.answer.sent, LN_ANSWERED);
  assert_int_equal(r.answer.status, 200);
  assert_true(ln_str_starts(r.answer.body, LN_STR("[{")));
  assert_true(ln_str_starts(ln_answer_header(&r.answer, LN_STR("content-type")), LN_STR("application/json")));
  r.free(&r);
  ln_request nobody = {.method = LN_STR("GET"), .url = LN_STR("https://okta.sim.evil/")};
  assert_false(ln_simhost_handle(h, &nobody, &r));
  ln_simhost_free(h);
}

static void test_faults(void **s) {
  (void)s;
  static const struct { const char *fault; ln_sent sent; int status; const char *code; } cases[] = {
      {"429", LN_ANSWERED, 429, ""},
      {"409", LN_ANSWERED, 409, ""},
      {"5xx", LN_ANSWERED, 500, ""},
      {"5xx:504", LN_ANSWERED, 504, ""},
      {"reset-before", LN_PERHAPS_SENT, 0, "unavailable"},
      {"reset-after", LN_PERHAPS_SENT, 0, "unavailable"},
      {"truncate", LN_PERHAPS_SENT, 200, "unavailable"},
      {"huge", LN_PERHAPS_SENT, 200, "too_big"},
      {"html", LN_ANSWERED, 503, ""},
      {"empty", LN_ANSWERED, 200, ""},
      {"twice", LN_ANSWERED, 200, ""},
      {"expire", LN_ANSWERED, 401, ""}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char spec[64];
    snprintf(spec, sizeof spec, "okta#1=%s", cases[i].fault);
    ln_simhost *h = host(spec);
    ln_sim_reply r = get(h, "https://okta.sim/api/v1/groups?limit=2", 1 << 20);
    if (r.answer.sent != cases[i].sent || r.answer.status != cases[i].status)
      fail_msg("%s: sent %d, status %d", spec, (int)r.answer.sent, r.answer.status);
    assert_string_equal(r.answer.err.code, cases[i].code);
    r.free(&r);
    r = get(h, "https://okta.sim/api/v1/groups?limit=2", 1 << 20); /* the second call is a good one */
    assert_int_equal(r.answer.status, 200);
    r.free(&r);
    ln_simhost_free(h);
  }
}

static bool has_fact(ln_str facts, const char *entity, const char *facet, const char *state) {
  ln_vitem list, one;
  assert_true(ln_v_read(&facts, &list));
  for (ln_str rest = list.body; rest.n && ln_v_read(&rest, &one);)
    if (ln_str_find(ln_v_get_str(one.whole, "entity"), ln_str_of(entity)) == 0 &&
        ln_str_find(ln_v_get_str(one.whole, "facet"), ln_str_of(facet)) == 0 &&
        ln_str_eq(ln_v_get_str(one.whole, "state"), ln_str_of(state)))
      return true;
  return false;
}

/* What it did is told by itself, whatever it answered; and what is so there, in the ledger's words. */
static void test_did_and_truth(void **s) {
  (void)s;
  static const char note[] = "local state = ... state.log[1] = { op = 'before' }";
  ln_err err;
  ln_buf facts, facets;
  ln_simhost *h = host(NULL);
  ln_sim_reply r = get(h, "https://okta.sim/api/v1/groups?limit=2", 1 << 20);
  r.free(&r);
  assert_string_equal(ln_simhost_last(h)->vendor, "okta");
  assert_string_equal(ln_simhost_last(h)->op, "groups");
  assert_int_equal(ln_simhost_last(h)->did, 0);
  assert_true(ln_simhost_do(h, LN_STR("okta"), note, &err)); /* what was noted before is nobody's deed */
  r = get(h, "https://okta.sim/api/v1/groups?limit=2", 1 << 20);
  r.free(&r);
  assert_int_equal(ln_simhost_last(h)->did, 0);
  ln_buf_init(&facts, 1 << 20);
  ln_buf_init(&facets, 1 << 20);
  assert_true(ln_simhost_truth(h, LN_STR("okta"), &facts, &facets, &err));
  assert_true(has_fact(ln_buf_view(&facts), "okta:user:00u", "group:00g", "member"));
  assert_false(has_fact(ln_buf_view(&facts), "okta:user:00u", "group:00g", "absent"));
  assert_true(ln_str_find(ln_buf_view(&facets), LN_STR("group:")) >= 0);
  assert_true(ln_simhost_start(h, LN_STR("qualys"), NULL, &err)); /* it says nothing of the kind */
  ln_buf_cut(&facts, 0);
  ln_buf_cut(&facets, 0);
  assert_true(ln_simhost_truth(h, LN_STR("qualys"), &facts, &facets, &err));
  assert_false(has_fact(ln_buf_view(&facts), "", "", ""));
  ln_buf_free(&facts);
  ln_buf_free(&facets);
  ln_simhost_free(h);
}

static void test_slow(void **s) {
  (void)s;
  ln_simhost *h = host("okta=slow:40");
  ln_sim_reply r = get(h, "https://okta.sim/api/v1/groups?limit=2", 1 << 20);
  assert_int_equal(r.after_ms, 40000);
  r.free(&r);
  ln_simhost_free(h);
}

static void test_speed(void **s) {
  (void)s;
  ln_err err;
  ln_simhost *h = host_in("stdlib", "okta=slow:40", 10);
  assert_true(ln_simhost_start(h, LN_STR("okta"), NULL, &err));
  ln_sim_reply r = get(h, "https://okta.sim/api/v1/groups?limit=2", 1 << 20);
  assert_int_equal(r.after_ms, 4000);
  r.free(&r);
  ln_simhost_free(h);
}

static void test_bad_spec(void **s) {
  (void)s;
  ln_err err = {0};
  ln_str dirs[] = {LN_STR("stdlib")};
  ln_simhost_opts o = {
      .stdlib = {dirs, 1}, .modules = lnL_modules, .clock = loop->clock, .faults = "okta=smoke"};
  assert_null(ln_simhost_new(&o, &err));
  assert_string_equal(err.code, "usage");
  assert_non_null(strstr(err.message, "okta=smoke"));
}

static void test_config_and_log(void **s) {
  (void)s;
  ln_err err;
  ln_buf b;
  ln_simhost *h = host(NULL);
  ln_buf_init(&b, 1 << 16);
  assert_true(ln_simhost_config(h, LN_STR("okta"), &b, &err));
  assert_true(ln_v_get_str(ln_buf_view(&b), "token").n > 0);
  ln_buf_cut(&b, 0);
  assert_true(ln_simhost_do(h, LN_STR("okta"),
                            "local state, world = ... state.log[1] = { op = 'x', at = #world.hosts }", &err));
  assert_true(ln_simhost_log(h, LN_STR("okta"), &b, &err));
  ln_vitem list, first;
  ln_str rest = ln_buf_view(&b);
  assert_true(ln_v_read(&rest, &list));
  assert_int_equal(list.count, 1);
  assert_true(ln_v_read(&list.body, &first));
  assert_true(ln_str_eq(ln_v_get_str(first.whole, "op"), LN_STR("x")));
  assert_false(ln_simhost_do(h, LN_STR("okta"), "error 'no'", &err));
  assert_false(ln_simhost_config(h, LN_STR("nobody"), &b, &err));
  assert_string_equal(err.code, "not_found");
  ln_buf_free(&b);
  ln_simhost_free(h);
}

/* One world: what one simulator changes in it, the others see. */
static void test_one_world(void **s) {
  (void)s;
  ln_err err;
  ln_simhost *h = host(NULL);
  assert_true(ln_simhost_start(h, LN_STR("qualys"), NULL, &err));
  assert_true(ln_simhost_do(h, LN_STR("okta"), "local _, world = ... world.mark = 7", &err));
  assert_true(ln_simhost_do(h, LN_STR("qualys"), "local _, world = ... assert(world.mark == 7)", &err));
  ln_simhost_free(h);
}

static void test_as_a_server(void **s) {
  (void)s;
  ln_err err;
  ln_simhost *h = host("okta#1=truncate,okta#2=reset-after");
  for (int i = 1; i <= 2; i++) {
    ln_sim_action *a =
        ln_simhost_ask(h, LN_STR("okta"), LN_STR("GET"), LN_STR("/api/v1/users"), NULL, 0, LN_STR(""), &err);
    assert_non_null(a);
    assert_int_equal(a->cut, i == 1 ? LN_CUT_NOT : LN_CUT_AFTER);
    if (i == 1) assert_true(a->truncate >= 0 && (size_t)a->truncate < a->body.n);
    ln_sim_action_free(a);
  }
  assert_null(ln_simhost_ask(h, LN_STR("nobody"), LN_STR("GET"), LN_STR("/"), NULL, 0, LN_STR(""), &err));
  assert_string_equal(err.code, "not_found");
  ln_simhost_free(h);
}

/* --- simulators of the test's own --- */

static char dir[] = "/tmp/simhost-XXXXXX";

static void write_file(const char *name, const char *text) {
  char path[256];
  snprintf(path, sizeof path, "%s/sim/%s.lua", dir, name);
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  fputs(text, f);
  fclose(f);
}

static void own_folder(void) {
  char path[256];
  assert_non_null(mkdtemp(dir));
  snprintf(path, sizeof path, "%s/sim", dir);
  assert_int_equal(mkdir(path, 0700), 0);
  write_file("world", "return { new = function() return {} end }");
  write_file("kit", "local kit = {} function kit.checked() end"
                    " function kit.sim(d) return { config = {}, start = function() return { log = {}, state "
                    "= {}, handle = d.handle } end } end"
                    " return kit");
}

static void remove_folder(void) {
  static const char *const names[] = {"world", "kit", "bad", "loops", "syntax", "reach", "odd"};
  char path[256];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    snprintf(path, sizeof path, "%s/sim/%s.lua", dir, names[i]);
    unlink(path);
  }
  snprintf(path, sizeof path, "%s/sim", dir);
  rmdir(path);
  rmdir(dir);
}

static int status_of(ln_simhost *h, const char *name) {
  ln_err err;
  ln_sim_action *a =
      ln_simhost_ask(h, ln_str_of(name), LN_STR("GET"), LN_STR("/"), NULL, 0, LN_STR(""), &err);
  assert_non_null(a);
  int status = a->status;
  ln_sim_action_free(a);
  return status;
}

static void test_broken_ones(void **s) {
  (void)s;
  ln_err err = {0};
  own_folder();
  write_file("bad", "return sim { handle = function() error 'oops' end }");
  write_file("loops", "return sim { handle = function() while true do end end }");
  write_file("odd", "return sim { handle = function() return 7 end }");
  write_file("syntax", "return sim {");
  write_file("reach",
             "return sim { handle = function() return require 'file' end, io = io, os = os, load = load }"
             " , assert(not io and not os and not load and not debug and not package and not math.random)");
  ln_simhost *h = host_in(dir, NULL, 1);
  assert_int_equal(ln_simhost_names(h).n, 5);
  assert_true(ln_simhost_start(h, LN_STR("bad"), NULL, &err));
  assert_int_equal(status_of(h, "bad"), 500);
  assert_true(ln_simhost_start(h, LN_STR("odd"), NULL, &err));
  assert_int_equal(status_of(h, "odd"), 500);
  assert_true(ln_simhost_start(h, LN_STR("reach"), NULL, &err));
  assert_int_equal(status_of(h, "reach"), 500);
  assert_true(ln_simhost_start(h, LN_STR("loops"), NULL, &err));
  assert_int_equal(status_of(h, "loops"), 500);
  assert_int_equal(status_of(h, "bad"), 500); /* the others go on */
  assert_false(ln_simhost_start(h, LN_STR("syntax"), NULL, &err));
  assert_string_equal(err.code, "bad_simulator");
  assert_non_null(strstr(err.message, "stdlib/sim/syntax.lua:1"));
  assert_false(ln_simhost_start(h, LN_STR("none"), NULL, &err));
  assert_string_equal(err.code, "not_found");
  ln_simhost_free(h);
  remove_folder();
}

int main(void) {
  ln_log_level(LN_NOTHING); /* what broken simulators raise is meant */
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
  const struct CMUnitTest tests[] = {TEST(test_answer), TEST(test_faults), TEST(test_did_and_truth),
                                     TEST(test_slow), TEST(test_speed),
                                     TEST(test_bad_spec), TEST(test_config_and_log), TEST(test_one_world),
                                     TEST(test_as_a_server), TEST(test_broken_ones)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
