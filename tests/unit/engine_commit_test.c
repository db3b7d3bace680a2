/* engine_commit_test.c: output commit.  Nothing leaves the process before the journal that led to it is on
** the disk, nothing is told before it is; and when a commit fails, the attempt ends and nothing is lost. */
#include "tests/unit/engine_rig.h"

#include "engine/inside.h"

static rig *set_up(const char *body) {
  rig *r = rig_new(11);
  rig_conf(r, "guards = { approve = \"never\" },");
  rig_body(r, body);
  return r;
}

/* --- before a send --- */

static size_t expected[8], sends;

static void check_send(rig *r, ln_effect *e) {
  char step[128];
  snprintf(step, sizeof step, "%.*s", LN_STR_ARG(ln_effect_name(e)));
  assert_true(rig_on_disk(r, 0, step, "intent"));
  assert_int_equal(rig_deliveries(r, 0), expected[sends++]);
}

static void test_all_before_a_send_is_durable(void **state) {
  (void)state;
  rig *r = set_up(
      "step('a', function() return 1 end); fake.read { id = 'x' }; found { severity = 'low', title = 't' };"
      "fake.post { id = 'p' }; step('b', function() return 2 end); store.set('k', 1); sleep '1m'; fake.set { "
      "id = 's' };"
      "map({ 1, 2 }, function(i) fake.read { id = 'm' .. i } end); fake.blind { id = 'q' }");
  const size_t want[] = {2, 6, 9};
  memcpy(expected, want, sizeof want);
  sends = 0;
  r->on_send = check_send;
  rig_carry(r, "t.main", NULL);
  assert_int_equal(sends, 3);
  rig_free(r);
}

/* --- what is told --- */

static int told;

static void check_event(rig *r, const ln_event *e) {
  char name[128];
  snprintf(name, sizeof name, "%.*s", LN_STR_ARG(e->name));
  if (strcmp(e->what, "step") == 0) {
    assert_true(rig_on_disk(r, 0, name, "delivered"));
    told++;
  }
  if (strcmp(e->what, "note") == 0) assert_has(rig_entries(r), "NOTE");
  if (strcmp(e->what, "end") == 0) assert_string_equal(rig_state(r), "completed");
}

static void test_nothing_is_told_before_it_is_durable(void **state) {
  (void)state;
  told = 0;
  rig *r = set_up(
      "step('a', function() return 1 end); found { severity = 'low', title = 't' }; fake.read { id = 'x' };"
      "fake.set { id = 's' }; store.incr 'n'; sleep '1s'; return 1");
  r->on_event = check_event;
  rig_carry(r, "t.main", NULL);
  assert_int_equal(told, 5);
  assert_has(r->events, "end");
  rig_free(r);
}

/* --- a run of steps alone does not pile up --- */

static void test_many_steps(void **state) {
  (void)state;
  rig *r = set_up("local n = 0; for i = 1, 5000 do n = n + step('s', function() return i end) end; fake.post "
                  "{ id = 'p' }; return n");
  rig_up(r);
  r->kill_at = 2;
  r->death = RIG_BEFORE;
  assert_non_null(rig_start(r, "t.main", NULL));
  rig_go(r);
  assert_true(r->dead);
  rig_down(r);
  r->kill_at = -1;
  rig_up(r);
  size_t before = rig_deliveries(r, 0);
  assert_true(before > 1000 && before < 5000);
  assert_non_null(rig_resume(r, NULL));
  rig_go(r);
  assert_string_equal(rig_state(r), "completed");
  assert_string_equal(rig_result(r), "12502500");
  assert_int_equal(rig_deliveries(r, 0), 5001);
  rig_free(r);
}

/* What a run has said and the disk does not have yet is memory: it waits before that is much. */

static size_t furthest;

static void see_how_far(rig *r) {
  if (r->run[0] && r->run[0]->ahead > furthest) furthest = r->run[0]->ahead;
}

static void test_a_run_that_is_far_ahead_waits(void **state) {
  (void)state;
  furthest = 0;
  rig *r = set_up("for i = 1, 200 do step('s', function() return ('x'):rep(100000) end) end return 'all'");
  r->on_done = see_how_far;
  rig_up(r);
  assert_non_null(rig_start(r, "t.main", NULL));
  rig_go(r);
  assert_string_equal(rig_state(r), "completed");
  assert_string_equal(rig_result(r), "\"all\"");
  assert_int_equal(rig_deliveries(r, 0), 200);
  assert_true(furthest > 1 << 20 && furthest < 5 << 20);
  rig_free(r);
}

/* --- failing commits --- */

static const char work[] =
    "fake.read { id = 'x' }; fake.set { id = 's' }; store.set('k', 'v'); fake.post { id = 'p' };"
    "map({ 1, 2, 3 }, function(i) return fake.blind { id = 'b' .. i } end); return fake.read { id = 's' "
    "}.state";

static void test_a_full_disk(void **state) {
  (void)state;
  int broke = 0;
  for (int64_t writes = 1, full = 1; full; writes += 3) {
    rig *r = set_up(work);
    rig_up(r);
    assert_non_null(rig_start(r, "t.main", NULL));
    ln_vfs_sim_fail_after(r->vfs, writes);
    rig_go(r);
    full = strcmp(r->told[0], "end") != 0;
    if (full) {
      assert_string_equal(r->told[0], "broken");
      assert_string_equal(ln_run_why(r->run[0])->code, "store");
      assert_string_equal(ln_run_state(r->run[0]), "waiting");
      int acts = rig_acted(r, NULL);
      broke++;
      ln_vfs_sim_fail_after(r->vfs, -1);
      rig_down(r);
      assert_int_equal(rig_acted(r, NULL), acts);
      rig_up(r);
      ln_run *again = rig_resume(r, NULL);
      if (!again) { /* not even its row was kept */
        assert_string_equal(rig_err.code, "not_found");
        assert_int_equal(acts, 0);
        rig_free(r);
        continue;
      }
      for (int i = 0; i < 5 && strcmp(r->told[0], "end") != 0; i++) {
        ln_waiting w;
        rig_go(r);
        if (strcmp(r->told[0], "waiting") != 0) continue;
        assert_true(ln_run_waiting(r->run[0], &w)); /* blind: a person has to say whether it happened */
        assert_string_equal(w.what, "doubt");
        bool did = rig_acted(r, w.step) > 0;
        rig_down(r);
        rig_up(r);
        assert_true(rig_settle(r, w.step, did, NULL));
        assert_non_null(rig_resume(r, NULL));
      }
    }
    assert_string_equal(rig_state(r), "completed");
    assert_string_equal(rig_result(r), "\"held\"");
    assert_int_equal(rig_acted(r, NULL), 5);
    rig_free(r);
  }
  assert_true(broke > 5);
}

/* What comes after entries that were lost must not be written: the journal would have a hole. */

static bool lose(ln_tx *tx, void *arg, ln_err *err) {
  rig *r = arg;
  return ln_tx_run_check(tx, 1, ln_str_of(ln_owner_id(r->g.owner)), r->g.epochs, err) &&
         ln_tx_log(tx, 1, LN_STR("?"), err);
}

static void test_no_entries_after_lost_ones(void **state) {
  (void)state;
  ln_err err;
  rig *r = set_up("approve { title = 'wait' }");
  rig_up(r);
  assert_non_null(rig_start(r, "t.main", NULL));
  rig_go(r);
  assert_string_equal(r->told[0], "waiting");
  ln_vfs_sim_fail_after(r->vfs, 0);
  assert_false(ln_writer_run(r->g.store, lose, r, &err));
  ln_vfs_sim_fail_after(r->vfs, -1);
  assert_false(ln_writer_run(r->g.store, lose, r, &err)); /* the disk would take it now */
  assert_string_equal(err.code, "store");
  rig_down(r);
  rig_up(r);
  assert_non_null(rig_resume(r, NULL)); /* the row was not let go in order, and its owner is dead */
  rig_go(r);
  assert_true(rig_approve(r, 0, true, "bob"));
  rig_go(r);
  assert_string_equal(rig_state(r), "completed");
  rig_free(r);
}

/* A row that was rolled back gives its id to the next one: what the first run still had to say is not the
** second's. */
static void test_an_id_used_again(void **state) {
  (void)state;
  rig *r = set_up("step('one', function() return 1 end); fake.post { id = input.x or 'none' }");
  rig_up(r);
  assert_non_null(rig_start(r, "t.main", "{\"x\":\"first\"}"));
  r->stop_each = true;
  ln_vfs_sim_fail_after(r->vfs, 0);
  rig_go(r);
  assert_string_equal(r->told[0], "broken");
  ln_vfs_sim_fail_after(r->vfs, -1);
  r->stop_each = false;
  assert_non_null(rig_start(r, "t.main", "{\"x\":\"second\"}"));
  assert_true(r->run[0] != r->run[1]);
  rig_go(r);
  assert_string_equal(rig_state(r), "completed");
  assert_string_equal(rig_thing_is(r, "first"), "absent");
  assert_string_equal(rig_thing_is(r, "second"), "held");
  assert_int_equal(rig_deliveries(r, 0), 2);
  rig_free(r);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_before_a_send_is_durable),
                                     cmocka_unit_test(test_nothing_is_told_before_it_is_durable),
                                     cmocka_unit_test(test_many_steps),
                                     cmocka_unit_test(test_a_run_that_is_far_ahead_waits),
                                     cmocka_unit_test(test_a_full_disk),
                                     cmocka_unit_test(test_no_entries_after_lost_ones),
                                     cmocka_unit_test(test_an_id_used_again)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
