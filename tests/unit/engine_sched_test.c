/* engine_sched_test.c: runs that a scheduler carries: put away while they wait, woken by time or by whoever
** they wait for, in the process that began them and in those that come after it; at every moment of its
** death. */
#include "tests/unit/engine_rig.h"

#include "engine/inside.h"

enum { HOUR = 3600 * 1000 };

static rig *set_up(const char *body, uint64_t seed, size_t warm) {
  rig *r = rig_new(seed);
  r->served = true;
  r->warm = warm;
  rig_conf(r, "guards = { approve = \"never\" },");
  rig_body(r, body);
  rig_up(r);
  return r;
}

static size_t in_memory(const rig *r) {
  size_t n = 0;
  for (const ln_run *run = r->g.state; run; run = run->next) n++;
  return n;
}

static void start(rig *r, int n) {
  for (int i = 0; i < n; i++) assert_non_null(rig_start(r, "t.main", NULL));
}

static void crash(rig *r) {
  rig_crash(r);
  ln_vfs_sim_power_cut(r->vfs);
  r->kill_at = -1;
  rig_up(r);
}

static void test_parked_and_woken(void **state) {
  (void)state;
  rig *r = set_up("fake.read { id = 'a' }; sleep '1h'; return fake.set { id = uuid() }.state", 1, 0);
  start(r, 3);
  rig_pass(r, HOUR / 2);
  assert_int_equal(rig_runs(r, "waiting"), 3);
  assert_int_equal(in_memory(r), 3);
  rig_pass(r, HOUR);
  assert_int_equal(rig_runs(r, "completed"), 3);
  assert_int_equal(in_memory(r), 0);
  assert_int_equal(rig_acted(r, "fake.set#1"), 3);
  assert_int_equal(rig_count(r, "read", NULL), 3);       /* their VMs were kept, nothing was replayed */
  rig_free(r);
}

static void test_cold_ones_are_replayed(void **state) {
  (void)state;
  rig *r =
      set_up("local v = fake.read { id = 'a' }; sleep '1h'; fake.set { id = uuid() }; return v.id", 2, 2);
  start(r, 7);
  rig_pass(r, HOUR / 2);
  assert_int_equal(rig_runs(r, "waiting"), 7);
  assert_int_equal(in_memory(r), 2);
  rig_pass(r, HOUR);
  assert_int_equal(rig_runs(r, "completed"), 7);
  assert_int_equal(rig_count(r, "read", NULL), 7);
  assert_int_equal(rig_acted(r, NULL), 7);
  assert_string_equal(rig_result(r), "\"a\"");
  rig_free(r);
}

/* A short wait is not put away: two transactions would cost more. */
static void test_short_waits_stay(void **state) {
  (void)state;
  rig *r = set_up("for _ = 1, 5 do sleep '1s' end", 3, 0);
  start(r, 1);
  rig_pass(r, 2500);
  assert_int_equal(rig_runs(r, "running"), 1);
  rig_pass(r, HOUR);
  assert_int_equal(rig_runs(r, "completed"), 1);
  rig_free(r);
}

static void test_polls_are_waits(void **state) {
  (void)state;
  rig *r = set_up(
      "return await_until(function() local t = fake.read { id = 'x' }; return t.state == 'held' and t.id"
      " end, { every = '10m', timeout = '1d' })",
      4, 1);
  start(r, 2);
  rig_pass(r, HOUR);
  assert_int_equal(rig_runs(r, "waiting"), 2);
  rig_thing_set(r, "x", "held");
  crash(r);
  rig_pass(r, HOUR);
  assert_int_equal(rig_runs(r, "completed"), 2);
  assert_string_equal(rig_result(r), "\"x\"");
  rig_free(r);
}

static void test_approval_wakes(void **state) {
  (void)state;
  for (size_t warm = 1; warm < 4; warm += 2) {
    rig *r = set_up("local a = approve { title = 'may I?', expires = '8h' }; return a.by", 5, warm);
    start(r, 3);
    rig_pass(r, HOUR);
    assert_int_equal(rig_runs(r, "waiting"), 3);
    assert_true(rig_approve(r, 0, true, "bob"));
    ln_sched_nudge(r->sched);
    rig_pass(r, 10000);
    assert_int_equal(rig_runs(r, "completed"), 3);
    assert_string_equal(rig_result(r), "\"bob\"");
    rig_free(r);
  }
}

static void test_approval_expires(void **state) {
  (void)state;
  rig *r = set_up("local ok, e = pcall(approve, { title = 'may I?', expires = '8h' }); return e.code", 6, 0);
  start(r, 1);
  rig_pass(r, HOUR);
  crash(r);
  rig_pass(r, 9 * (int64_t)HOUR);
  assert_string_equal(rig_result(r), "\"expired\"");
  rig_free(r);
}

/* Decided after the last look, and before the row says that it waits: nobody may miss that. */
static int64_t racing;
static void decide_now(rig *r, const ln_event *e) {
  if (strcmp(e->what, "waiting") != 0 || racing++) return;
  assert_true(rig_approve(r, 0, true, "bob"));
}

static void test_no_decision_is_missed(void **state) {
  (void)state;
  rig *r = set_up("return approve { title = 'may I?', expires = '8h' }.by", 7, 0);
  racing = 0;
  r->on_event = decide_now;
  start(r, 1);
  rig_pass(r, 60000);
  assert_int_equal(racing, 1);
  assert_string_equal(rig_result(r), "\"bob\"");
  rig_free(r);
}

static void test_doubt_is_settled(void **state) {
  (void)state;
  rig *r = set_up("return fake.blind { id = 'b' }.state", 8, 0);
  rig_say_(r, "fake.blind#1", "send", "lost+");
  start(r, 1);
  rig_pass(r, HOUR);
  assert_int_equal(rig_runs(r, "waiting"), 1);
  assert_has(rig_doc(r), "\"for\":\"doubt\"");
  if (!rig_settle(r, "fake.blind#1", true, NULL)) fail_msg("%s", rig_err.message);
  ln_sched_nudge(r->sched);
  rig_pass(r, 10000);
  assert_string_equal(rig_state(r), "completed");
  assert_int_equal(rig_acted(r, NULL), 1);
  rig_free(r);
}

/* One that was approved, and is in doubt now: its answered question does not make it due, again and again. */
static void test_doubt_after_approval(void **state) {
  (void)state;
  rig *r = set_up("return fake.blind { id = 'b' }.state", 13, 0);
  r->writes = "ask";
  rig_say_(r, "fake.blind#1", "send", "lost+");
  start(r, 1);
  rig_pass(r, HOUR);
  assert_true(rig_approve(r, 0, true, "bob"));
  ln_sched_nudge(r->sched);
  r->kill_at = r->jobs + 40;
  r->death = RIG_AFTER;
  rig_pass(r, HOUR);
  assert_false(r->dead);                                 /* it was put away once, and stayed */
  assert_has(rig_doc(r), "\"for\":\"doubt\"");
  rig_free(r);
}

static void test_the_dead_are_inherited(void **state) {
  (void)state;
  rig *r =
      set_up("fake.read { id = 'a' }; fake.set { id = uuid() }; sleep '1s'; fake.note { id = uuid() }", 9, 0);
  rig_say_(r, "fake.read#1", "read", "ok@5000 ok@5000 ok@5000");
  start(r, 3);
  rig_pass(r, 1000);
  assert_int_equal(rig_runs(r, "running"), 3);
  crash(r);
  rig_pass(r, HOUR);
  assert_int_equal(rig_runs(r, "completed"), 3);
  assert_int_equal(rig_acted(r, "fake.set#1"), 3);
  assert_int_equal(rig_acted(r, "fake.note#1"), 3);
  rig_free(r);
}

/* Ended before and after each of the writer's jobs, again and again: every run comes to its end, and acted
** once. */
static void test_death_at_every_job(void **state) {
  (void)state;
  int lives = 0;
  for (int64_t at = 0; at < 40; at++)
    for (int how = 0; how < 2; how++) {
      rig *r =
          set_up("fake.read { id = 'a' }; sleep '1h'; store.incr 'n'; fake.set { id = uuid() }; sleep '1h';"
                 " fake.once { id = uuid() }; return store.get 'n'",
                 100 + (uint64_t)at, how ? 1 : 0);
      start(r, 2);
      r->kill_at = at;
      r->death = how ? RIG_AFTER : RIG_BEFORE;
      for (int i = 0; i < 3; i++) {
        rig_pass(r, HOUR);
        if (!r->dead) continue;
        lives++;
        crash(r);
      }
      rig_pass(r, 5 * (int64_t)HOUR);
      int n = rig_runs(r, "completed");
      if (n != rig_runs(r, ""))
        fail_msg("job %d, %d: %d of %d runs ended\n%s", (int)at, how, n, rig_runs(r, ""), rig_doc(r));
      assert_int_equal(rig_acted(r, "fake.set#1"), n);
      assert_int_equal(rig_acted(r, "fake.once#1"), n);
      if (n == 2) assert_string_equal(rig_result(r), "2");
      rig_free(r);
    }
  assert_true(lives > 60);
}

static void test_stopped_in_order(void **state) {
  (void)state;
  rig *r = set_up("fake.read { id = 'a' }; sleep '1h'; fake.set { id = uuid() }", 11, 0);
  rig_say_(r, "fake.read#1", "read", "ok ok@60000");
  start(r, 2);
  rig_pass(r, 10000);
  rig_down(r);                                           /* one is parked, the other's read is under way */
  rig_up(r);
  assert_int_equal(rig_runs(r, "waiting") + rig_runs(r, "running"), 2);
  rig_pass(r, 2 * (int64_t)HOUR);
  assert_int_equal(rig_runs(r, "completed"), 2);
  assert_int_equal(rig_acted(r, NULL), 2);
  rig_free(r);
}

/* A full disk: what ran ahead is thrown away, and goes on once there is room. */
static void test_full_disk(void **state) {
  (void)state;
  rig *r = set_up("fake.read { id = 'a' }; fake.set { id = uuid() }; return 1", 12, 0);
  start(r, 2);
  ln_vfs_sim_fail_after(r->vfs, 3);
  rig_pass(r, 5000);
  assert_int_equal(rig_runs(r, "completed"), 0);
  ln_vfs_sim_fail_after(r->vfs, -1);
  rig_pass(r, HOUR);
  if (rig_runs(r, "completed") != rig_runs(r, "")) fail_msg("%s", rig_doc(r));
  assert_int_equal(rig_acted(r, "fake.set#1"), rig_runs(r, "completed"));
  rig_free(r);
}

/* What a run waits for may come between the job that parks it and its being told. */
static void test_called_while_it_parks(void **state) {
  (void)state;
  static const char body[] =
      "local kid = start('t.kid', {}); for i = 1, 6 do if random(1, 2) == 1 then sleep(random(3, 8)) end"
      " for _ = 1, random(0, 4) do store.incr 'n' end signal(kid, 'go', i) end";
  for (uint64_t seed = 1; seed <= 60; seed++) {
    rig *r = set_up(body, seed, seed % 2);
    rig_script(
        r, "t.kid",
        "return playbook { name = 't.kid', summary = 'x', uses = {}, run = function()\n"
        "  local n = 0 for _ = 1, 6 do n = n + await_signal('go', { timeout = '1h' }) end return n end }");
    start(r, 1);
    rig_pass(r, HOUR / 2);
    assert_int_equal(rig_runs(r, "completed"), 2);
    assert_lacks(r->events, "broken");
    rig_free(r);
  }
}

/* No row of a run whose attempt is over stays with this process, and while the disk is full nothing is tried
** again without a pause. */
static void test_full_disk_for_long(void **state) {
  (void)state;
  rig *r =
      set_up("fake.read { id = 'a' }; sleep '5s'; fake.set { id = uuid() }; sleep '5s'; return 1", 13, 0);
  rig_say_(r, "fake.read#1", "read", "ok@1000 ok@1000 ok@1000");
  start(r, 3);
  rig_pass(r, 100);
  assert_int_equal(rig_runs(r, "running"), 3);
  ln_vfs_sim_fail_after(r->vfs, 0);
  int64_t before = r->jobs_tried;
  rig_pass(r, 60000);
  assert_in_range(r->jobs_tried - before, 3, 600);
  ln_vfs_sim_fail_after(r->vfs, -1);
  rig_pass(r, HOUR);
  assert_int_equal(rig_runs(r, "completed"), 3);
  assert_int_equal(rig_acted(r, "fake.set#1"), 3);
  rig_free(r);
}

/* A cancelled run whose write is in doubt waits for a person like any other, and can be settled. */
static void test_cancelled_in_doubt(void **state) {
  (void)state;
  char ulid[LN_ULID + 1];
  rig *r = set_up("return fake.blind { id = 'b' }.state", 14, 0);
  rig_say_(r, "fake.blind#1", "send", "lost+");
  start(r, 1);
  rig_pass(r, HOUR);
  assert_true(ln_sched_want(r->sched, LN_STR("last"), LN_STR("jo"), ulid, &rig_err));
  rig_pass(r, HOUR);
  assert_int_equal(rig_runs(r, "waiting"), 1);
  assert_has(rig_doc(r), "\"for\":\"doubt\"");
  if (!rig_settle(r, "fake.blind#1", true, NULL)) fail_msg("%s", rig_err.message);
  assert_true(ln_sched_want(r->sched, LN_STR("last"), LN_NOBODY, ulid, &rig_err));
  rig_pass(r, HOUR);
  assert_string_equal(rig_state(r), "cancelled");
  assert_int_equal(rig_acted(r, NULL), 1);
  rig_free(r);
}

/* The disk is full just when a run is put away: it goes on once there is room. */
static void fill_when_asked(rig *r) {
  if (rig_on_disk(r, 0, "approve#1", "asked")) ln_vfs_sim_fail_after(r->vfs, 0);
}

static void test_full_disk_while_parking(void **state) {
  (void)state;
  rig *r = set_up("return approve { title = 'may I?', expires = '8h' }.by", 14, 0);
  r->on_done = fill_when_asked;
  start(r, 1);
  rig_pass(r, 5000);
  r->on_done = NULL;
  ln_vfs_sim_fail_after(r->vfs, -1);
  rig_pass(r, 60000);
  assert_true(rig_approve(r, 0, true, "bob"));
  ln_sched_nudge(r->sched);
  rig_pass(r, 60000);
  assert_string_equal(rig_state(r), "completed");
  rig_free(r);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_parked_and_woken),
                                     cmocka_unit_test(test_cold_ones_are_replayed),
                                     cmocka_unit_test(test_short_waits_stay),
                                     cmocka_unit_test(test_polls_are_waits),
                                     cmocka_unit_test(test_approval_wakes),
                                     cmocka_unit_test(test_approval_expires),
                                     cmocka_unit_test(test_no_decision_is_missed),
                                     cmocka_unit_test(test_doubt_is_settled),
                                     cmocka_unit_test(test_doubt_after_approval),
                                     cmocka_unit_test(test_the_dead_are_inherited),
                                     cmocka_unit_test(test_death_at_every_job),
                                     cmocka_unit_test(test_stopped_in_order),
                                     cmocka_unit_test(test_full_disk),
                                     cmocka_unit_test(test_full_disk_while_parking),
                                     cmocka_unit_test(test_called_while_it_parks),
                                     cmocka_unit_test(test_full_disk_for_long),
                                     cmocka_unit_test(test_cancelled_in_doubt)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
