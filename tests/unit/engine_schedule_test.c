/* engine_schedule_test.c: playbooks that the clock starts, in virtual time: how often, not twice at once, not
** all that was missed, and with the process dying at each of the writer's jobs. */
#include "tests/unit/engine_rig.h"

#include "engine/schedule.h"

enum { MINUTE = 60000, HOUR = 60 * MINUTE };

static rig *set_up(uint64_t seed, const char *every, const char *body) {
  char text[2048];
  rig *r = rig_new(seed);
  r->served = true;
  rig_conf(r, "guards = { approve = \"never\" },");
  snprintf(text, sizeof text,
           "local fake = require 'fake'\n"
           "return playbook { name = 't.timed', summary = 's', uses = { 'fake' },"
           " every = %s, run = function() %s end }\n",
           every, body);
  rig_script(r, "t.timed", text);
  rig_up(r);
  return r;
}

static ln_schedules *begin(rig *r) {
  ln_schedules *s = ln_schedules_start(&r->g, &rig_err);
  assert_non_null(s);
  return s;
}

static bool copy(void *arg, const ln_schedule *row) {
  *(ln_schedule *)arg = *row;
  return false;
}

static ln_schedule only(rig *r) {
  ln_schedule row = {.every_ms = 0};
  assert_true(ln_store_schedules(r->g.store, copy, &row, &rig_err));
  return row;
}

static int all_runs(rig *r) { return rig_runs(r, NULL); }

static void test_every_hour(void **state) {
  (void)state;
  rig *r = set_up(1, "'1h'", "return fake.set { id = uuid() }.state");
  ln_schedules *s = begin(r);
  rig_pass(r, HOUR - MINUTE);
  assert_int_equal(all_runs(r), 0);                      /* an interval after it was first seen */
  rig_pass(r, 10 * HOUR + 8 * MINUTE); /* jitter is 5 minutes at most, and does not add up */
  assert_int_equal(rig_runs(r, "completed"), 10 + 1);
  assert_int_equal(rig_acted(r, NULL), 11);
  assert_int_equal(only(r).every_ms, HOUR);
  ln_schedules_stop(s);
  rig_free(r);
}

static void test_no_overlap(void **state) {
  (void)state;
  for (int overlap = 0; overlap < 2; overlap++) {
    rig *r = set_up(2, overlap ? "{ '1h', overlap = true }" : "'1h'", "sleep '150m'");
    ln_schedules *s = begin(r);
    rig_pass(r, 6 * HOUR + 10 * MINUTE);
    assert_int_equal(all_runs(r), overlap ? 6 : 2);      /* at 1 h, and at 4 h, the first that is free */
    if (!overlap) assert_int_equal(rig_runs(r, "waiting"), 1);
    ln_schedules_stop(s);
    rig_free(r);
  }
}

/* Ten hours of nobody serving: one run, and then on. */
static void test_no_storm_after_downtime(void **state) {
  (void)state;
  rig *r = set_up(3, "'1h'", "return 1");
  ln_schedules *s = begin(r);
  rig_pass(r, 2 * HOUR + 10 * MINUTE);
  assert_int_equal(rig_runs(r, "completed"), 2);
  ln_schedules_stop(s);
  r->gap_ms = 10 * HOUR;
  rig_down(r);
  rig_up(r);
  s = begin(r);
  rig_pass(r, 30 * MINUTE);
  assert_int_equal(rig_runs(r, "completed"), 3);
  rig_pass(r, HOUR);
  assert_int_equal(rig_runs(r, "completed"), 4);
  ln_schedules_stop(s);
  rig_free(r);
}

static void test_death_at_each_job(void **state) {
  (void)state;
  for (int kill = 0, last = 0; !last; kill++) {
    rig *r = set_up(100 + (uint64_t)kill, "'1h'", "return fake.set { id = uuid() }.state");
    ln_schedules *s = begin(r);
    rig_pass(r, 30 * MINUTE);
    r->jobs = 0;
    r->kill_at = kill;
    r->death = kill % 2 ? RIG_BEFORE : RIG_AFTER;
    rig_pass(r, HOUR);
    last = !r->dead;
    ln_schedules_stop(s);
    rig_crash(r);
    ln_vfs_sim_power_cut(r->vfs);
    r->kill_at = -1;
    rig_up(r);
    s = begin(r);
    rig_pass(r, 15 * MINUTE);
    assert_int_equal(all_runs(r), 1);
    assert_int_equal(rig_runs(r, "completed"), 1);
    assert_int_equal(rig_acted(r, NULL), 1);
    ln_schedules_stop(s);
    rig_free(r);
    assert_true(kill < 100);
  }
}

/* What it lacks is told, and it is due again. */
static void test_missed(void **state) {
  (void)state;
  rig *r = set_up(5, "'1h', input = { who = 'string' }", "return 1");
  ln_schedules *s = begin(r);
  rig_pass(r, 3 * HOUR + 10 * MINUTE);
  assert_int_equal(all_runs(r), 0);
  ln_schedule row = only(r);
  assert_true(row.why.n > 0 && row.due_ms > 3 * HOUR);
  ln_schedules_stop(s);
  rig_free(r);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_hour), cmocka_unit_test(test_no_overlap),
                                     cmocka_unit_test(test_no_storm_after_downtime),
                                     cmocka_unit_test(test_death_at_each_job), cmocka_unit_test(test_missed)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
