/* engine_place_test.c: a write and its place at the vendor: it waits for that before its intent is written,
** gives it back whenever it has to wait for something else, and, put off by an answer that says that nothing
** was done, may be stopped until it is sent again. */
#include "tests/unit/engine_rig.h"

#include "engine/inside.h"

static rig *set_up(const char *body, uint64_t seed) {
  rig *r = rig_new(seed);
  rig_conf(r, "guards = { approve = \"never\" }, limits = { cpu = \"60ms\" },");
  rig_body(r, body);
  return r;
}

static int intents(rig *r) {
  int n = 0;
  for (const char *p = rig_entries(r); (p = strstr(p, "INTENT ")); p++) n++;
  return n;
}

static const rig_act *nth(const rig *r, const char *phase, int n) {
  for (size_t i = 0; i < r->n_acts; i++)
    if (strcmp(r->acts[i].phase, phase) == 0 && n-- == 0) return &r->acts[i];
  fail_msg("the world was not asked to %s", phase);
  return NULL;
}

static void test_place_comes_first(void **state) {
  (void)state;
  rig *r = set_up("return fake.queued { id = 'a' }.state", 1);
  rig_say_(r, "fake.queued#1", "place", "ok@60000");
  rig_up(r);
  rig_start(r, "t.main", NULL);
  rig_go(r);
  assert_string_equal(rig_result(r), "\"held\"");
  assert_true(nth(r, "look", 0)->at_ms <= nth(r, "place", 0)->at_ms);
  assert_true(nth(r, "send", 0)->at_ms >= nth(r, "place", 0)->at_ms + 60000);
  assert_int_equal(intents(r), 1);
  rig_free(r);
}

/* A process that ends while it waits for its place: nothing was intended, so nothing is probed. */
static void test_waiting_is_no_intent(void **state) {
  (void)state;
  rig *r = set_up("fake.note { id = 'n' }; return fake.queued { id = 'a' }.state", 2);
  rig_say_(r, "fake.queued#1", "place", "die");
  rig_carry(r, "t.main", NULL);
  assert_string_equal(rig_result(r), "\"held\"");
  assert_int_equal(r->life, 2);
  assert_int_equal(rig_count(r, "probe", "fake.queued#1"), 0);
  assert_int_equal(intents(r), 2);                       /* one of the note */
  assert_int_equal(rig_acted(r, "fake.queued#1"), 1);
  rig_free(r);
}

static void test_no_place(void **state) {
  (void)state;
  rig *r = set_up("local ok, e = pcall(fake.queued, { id = 'a' }); return e.code", 3);
  rig_say_(r, "fake.queued#1", "place", "no");
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  assert_string_equal(rig_result(r), "\"rate_limited\"");
  assert_int_equal(rig_count(r, "send", NULL), 0);
  assert_int_equal(intents(r), 0);
  assert_has(rig_doc(r), "\"holds\":[]");
  rig_free(r);
}

static void test_put_off(void **state) {
  (void)state;
  rig *r = set_up("return fake.queued { id = 'a' }.state", 4);
  rig_say_(r, "fake.queued#1", "send", "off off");
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  assert_string_equal(rig_result(r), "\"held\"");
  assert_int_equal(rig_count(r, "place", NULL), 3);
  assert_int_equal(rig_count(r, "send", NULL), 3);
  assert_int_equal(rig_acted(r, NULL), 1);
  assert_int_equal(intents(r), 3);                       /* an attempt, a record */
  assert_int_equal(rig_count(r, "probe", NULL), 0);
  assert_has(rig_doc(r), "\"status\":\"held\"");
  rig_free(r);
}

/* One that was perhaps sent, and is put off when it is sent again, is still in doubt. */
static void test_put_off_after_doubt(void **state) {
  (void)state;
  rig *r = set_up("return fake.queued { id = 'a' }.state", 5);
  rig_say_(r, "fake.queued#1", "send", "lost+ off");
  rig_say_(r, "fake.queued#1", "place", "ok ok no");
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  assert_string_equal(rig_result(r), "\"held\"");
  assert_int_equal(rig_count(r, "probe", NULL), 1);
  assert_int_equal(rig_acted(r, NULL), 1);
  rig_free(r);
}

/* Stopped before its place came, or while it is put off: it is not sent (again), and holds nothing. */
static void stopped(const char *phase, const char *tokens, int sends) {
  rig *r = set_up("local ok, e = pcall(parallel, { a = function() fake.queued { id = 'a' } end,"
                  " b = function() sleep '5s'; fail('mine', 'no') end }); return e.code", 6);
  rig_say_(r, "a/fake.queued#1", phase, tokens);
  int64_t since = r->now_ms;
  if (sends) rig_say_(r, "a/fake.queued#1", "send", "off");
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  assert_string_equal(rig_result(r), "\"mine\"");
  assert_int_equal(rig_count(r, "send", NULL), sends);
  assert_int_equal(rig_acted(r, NULL), 0);
  assert_has(rig_doc(r), "\"holds\":[]");
  assert_has(rig_doc(r), "\"state\":\"cancelled\"");
  assert_true(ln_now_ms(r->g.loop->clock) - since < 60000);
  rig_free(r);
}

static void test_stopped(void **state) {
  (void)state;
  stopped("place", "ok@3600000", 0);
  stopped("place", "ok ok@3600000", 1);
}

/* A script that used up what it may use, while its write is put off: the write is closed with it. */
static void test_wound_up(void **state) {
  (void)state;
  rig *r = set_up("parallel { a = function() fake.queued { id = 'a' } end,"
                  " b = function() sleep '5s'; while true do end end }", 7);
  rig_say_(r, "a/fake.queued#1", "send", "off");
  rig_say_(r, "a/fake.queued#1", "place", "ok ok@3600000");
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  assert_string_equal(rig_state(r), "failed");
  assert_int_equal(rig_acted(r, NULL), 0);
  assert_has(rig_doc(r), "\"holds\":[]");
  rig_free(r);
}

/* Two runs that want the same: the one that waits for its turn does not keep a place. */
static void test_place_is_given_back(void **state) {
  (void)state;
  rig *r = set_up("return fake.queued { id = 'x' }.state", 8);
  rig_script(r, "t.second",
             "local fake = require 'fake'; return playbook { name = 't.second', summary = 's', uses = { "
             "'fake' }, input = {},"
             " run = function() return fake.queued { id = 'x', to = 'two', as = 'other' }.state end }");
  rig_say_(r, "fake.queued#1", "send", "did+@2000");
  rig_say_(r, "other", "place", "ok@500");
  rig_up(r);
  rig_start(r, "t.main", NULL);
  rig_start(r, "t.second", NULL);
  rig_go(r);
  assert_string_equal(rig_result(r), "\"two\"");
  assert_true(rig_count(r, "place", "other") > 1);
  assert_int_equal(rig_count(r, "place", "fake.queued#1"), 1);
  assert_int_equal(rig_count(r, "send", "other"), 1);
  assert_true(nth(r, "send", 1)->at_ms >= nth(r, "send", 0)->at_ms + 2000);
  rig_free(r);
}

/* Ended after every job of the writer, with an attempt that was put off: done once, whatever comes. */
static void test_death_anywhere(void **state) {
  (void)state;
  int probed = 0;
  for (int64_t at = 0; at < 9; at++)
    for (int how = 0; how < 2; how++) {
      rig *r = set_up("fake.read { id = 'r' }; return fake.queued { id = 'a' }.state", 9);
      rig_say_(r, "fake.queued#1", "send", "off");
      r->kill_at = at;
      r->death = how ? RIG_AFTER : RIG_BEFORE;
      rig_carry(r, "t.main", NULL);
      assert_string_equal(rig_result(r), "\"held\"");
      assert_int_equal(rig_acted(r, NULL), 1);
      probed += rig_count(r, "probe", NULL);
      rig_free(r);
    }
  assert_true(probed > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_place_comes_first),
                                     cmocka_unit_test(test_waiting_is_no_intent),
                                     cmocka_unit_test(test_no_place),
                                     cmocka_unit_test(test_put_off),
                                     cmocka_unit_test(test_put_off_after_doubt),
                                     cmocka_unit_test(test_stopped),
                                     cmocka_unit_test(test_wound_up),
                                     cmocka_unit_test(test_place_is_given_back),
                                     cmocka_unit_test(test_death_anywhere)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
