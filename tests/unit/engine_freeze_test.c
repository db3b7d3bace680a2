/* engine_freeze_test.c: the kill switch: under freeze no write is sent, by nobody and at no moment; nothing
** fails for it, reads go on, and on thaw every gate is asked again. */
#include "tests/unit/engine_rig.h"

#include "engine/inside.h"

enum { HOUR = 3600 * 1000 };

typedef struct switching { const char *scope; bool thaw; } switching;

static bool apply(ln_tx *tx, void *arg, ln_err *err) {
  const switching *s = arg;
  ln_str scope = ln_str_of(s->scope);
  int64_t n;
  return s->thaw ? ln_tx_thaw(tx, s->scope[0] ? &scope : NULL, &n, err)
                 : ln_tx_freeze(tx, scope, LN_STR("drill"), LN_STR("bob"), 1, err);
}

static void put(rig *r, bool thaw, const char *scope) {
  switching s = {scope, thaw};
  if (!ln_writer_run(r->g.store, apply, &s, &rig_err)) fail_msg("%s", rig_err.message);
  ln_wait_called(&r->g, LN_STR("thaw"));
}

static rig *set_up(const char *body, uint64_t seed, bool served) {
  rig *r = rig_new(seed);
  r->served = served;
  r->warm = seed % 2 ? 0 : 1;
  rig_conf(r, "guards = { approve = \"never\" },");
  rig_body(r, body);
  rig_up(r);
  return r;
}

static void test_writes_wait_reads_go_on(void **state) {
  (void)state;
  for (int served = 0; served < 2; served++) {
    rig *r = set_up("fake.read { id = 'a' }; parallel { w = function() fake.set { id = 's' } end,"
                    " r = function() fake.read { id = 'b' } end }; return 1", 1, served);
    put(r, false, "");
    rig_start(r, "t.main", NULL);
    rig_pass(r, 20000);
    assert_int_equal(rig_count(r, "read", NULL), 2);
    assert_int_equal(rig_count(r, "send", NULL), 0);
    assert_has(rig_doc(r), served ? "\"for\":\"frozen\"" : "\"state\":\"running\"");
    put(r, true, "");
    rig_pass(r, 20000);
    assert_string_equal(rig_state(r), "completed");
    assert_int_equal(rig_acted(r, NULL), 1);
    rig_free(r);
  }
}

static void test_scopes(void **state) {
  (void)state;
  static const struct { const char *scope; bool stops; } scopes[] = {{"", true},
                {"connector:fake", true},
                {"connector:other", false},
                {"playbook:t.main", true},
                {"playbook:t.other", false}};
  for (size_t i = 0; i < 5; i++) {
    rig *r = set_up("fake.set { id = 's' }", 2, true);
    put(r, false, scopes[i].scope);
    rig_start(r, "t.main", NULL);
    rig_pass(r, 20000);
    assert_int_equal(rig_acted(r, NULL), !scopes[i].stops);
    rig_free(r);
  }
}

/* Frozen at any moment of a write's way: what was not sent by then is not sent. */
static int64_t frozen_at;

static void freeze_now(void *arg) {
  rig *r = arg;
  put(r, false, "");
  frozen_at = ln_now_ms(r->g.loop->clock);
}

static void test_frozen_at_every_moment(void **state) {
  (void)state;
  int sent = 0, unsent = 0;
  for (int ms = 0; ms < 120; ms += 6)
    for (int op = 0; op < 3; op++) {
      static const char *const ops[] = {"set", "queued", "post"};
      char body[128];
      snprintf(body, sizeof body, "fake.read { id = 'a' }; return fake.%s { id = 's' }.state", ops[op]);
      rig *r = set_up(body, 300 + (uint64_t)ms, true);
      ln_timer t = {.fn = freeze_now, .arg = r};
      frozen_at = 0;
      rig_start(r, "t.main", NULL);
      r->g.loop->timer(r->g.loop, &t, ms);
      rig_pass(r, 30000);
      for (size_t i = 0; i < r->n_acts; i++)
        if (strcmp(r->acts[i].phase, "send") == 0 && frozen_at && r->acts[i].at_ms > frozen_at)
          fail_msg("%s: sent at %lld, frozen at %lld", ops[op], (long long)r->acts[i].at_ms,
                   (long long)frozen_at);
      sent += rig_acted(r, NULL);
      unsent += !rig_acted(r, NULL);
      put(r, true, "");
      rig_pass(r, 30000);
      assert_string_equal(rig_state(r), "completed");
      assert_int_equal(rig_acted(r, NULL), 1);
      rig_free(r);
    }
  assert_true(sent > 0 && unsent > 0);
}

/* Between the intent and the send: the last of the gates says no, and the intent is withdrawn. */
static void freeze_at_the_gate(rig *r) {
  if (rig_on_disk(r, 0, "fake.set#1", "intent")) put(r, false, "");
}

static void test_frozen_at_the_last_gate(void **state) {
  (void)state;
  rig *r = set_up("return fake.set { id = 's' }.state", 7, true);
  r->on_done = freeze_at_the_gate;
  rig_start(r, "t.main", NULL);
  rig_pass(r, 10000);
  r->on_done = NULL;
  assert_int_equal(rig_count(r, "send", NULL), 0);
  assert_has(rig_entries(r), "WITHDRAWN");
  assert_has(rig_doc(r), "\"holds\":[]");
  put(r, true, "");
  rig_pass(r, 10000);
  assert_string_equal(rig_state(r), "completed");
  assert_int_equal(rig_acted(r, NULL), 1);
  rig_free(r);
}

/* What waited longer than the horizon asks a person, whatever it is; in this process or the next. */
static void test_a_late_thaw_asks(void **state) {
  (void)state;
  for (int crashes = 0; crashes < 2; crashes++) {
    rig *r = set_up("return fake.note { id = 'n' }.state", 4, true);
    put(r, false, "");
    rig_start(r, "t.main", NULL);
    rig_pass(r, HOUR);
    if (crashes) {
      rig_crash(r);
      ln_vfs_sim_power_cut(r->vfs);
      rig_up(r);
    }
    put(r, true, "");
    rig_pass(r, 60000);
    assert_int_equal(rig_acted(r, NULL), 0);
    assert_has(rig_doc(r), "\"for\":\"approval\"");
    assert_true(rig_approve(r, 0, true, "bob"));
    ln_sched_nudge(r->sched);
    rig_pass(r, 60000);
    assert_string_equal(rig_state(r), "completed");
    assert_int_equal(rig_acted(r, NULL), 1);
    rig_free(r);
  }
}

/* An answer that was lost, and then a freeze: it is not sent again, it is asked about. */
static void test_a_lost_one_is_probed(void **state) {
  (void)state;
  rig *r = set_up("return fake.set { id = 's' }.state", 5, true);
  rig_say_(r, "fake.set#1", "send", "lost+@500");
  rig_start(r, "t.main", NULL);
  rig_pass(r, 300);
  assert_int_equal(rig_count(r, "send", NULL), 1);
  put(r, false, "");
  rig_pass(r, 60000);
  assert_string_equal(rig_state(r), "completed");
  assert_int_equal(rig_count(r, "send", NULL), 1);
  assert_int_equal(rig_count(r, "probe", NULL), 1);
  rig_free(r);
}

/* A run that is stopped while it is frozen ends. */
static void test_cancelled(void **state) {
  (void)state;
  rig *r = set_up("pcall(parallel, { a = function() fake.set { id = 's' } end, b = function() sleep '5s'; "
                  "fail('mine', 'no') end });"
                  " return 'on'",
                  6, true);
  put(r, false, "");
  rig_start(r, "t.main", NULL);
  rig_pass(r, 60000);
  assert_string_equal(rig_result(r), "\"on\"");
  assert_int_equal(rig_count(r, "send", NULL), 0);
  rig_free(r);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_writes_wait_reads_go_on),
                                     cmocka_unit_test(test_scopes),
                                     cmocka_unit_test(test_frozen_at_every_moment),
                                     cmocka_unit_test(test_frozen_at_the_last_gate),
                                     cmocka_unit_test(test_a_late_thaw_asks),
                                     cmocka_unit_test(test_a_lost_one_is_probed),
                                     cmocka_unit_test(test_cancelled)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
