/* engine_migrate_test.c: waiting runs moved to edited scripts: which fit, what becomes of those that do not,
** and of those that nobody has carried, or that lose power meanwhile. */
#include "tests/unit/engine_rig.h"

#include "engine/inside.h"
#include "engine/library.h"
#include "engine/migrate.h"
#include "engine/prune.h"
#include "engine/replay.h"

enum { HOUR = 3600 * 1000 };

static rig *set_up(const char *body, size_t warm) {
  rig *r = rig_new(31);
  r->served = true;
  r->warm = warm;
  rig_conf(r, "guards = { approve = \"never\" },");
  rig_body(r, body);
  rig_up(r);
  assert_non_null(rig_start(r, "t.main", NULL));
  rig_pass(r, 10000);
  return r;
}

static void edit(rig *r, const char *body) {
  rig_body(r, body);
  ln_snapshot_forget(&r->g);                             /* the clock of files is the machine's */
}

static const char *as_json(ln_str v) {
  static char text[8192];
  ln_buf b;
  ln_json j;
  ln_buf_init(&b, sizeof text - 1);
  ln_json_init(&j, &b);
  ln_v_to_json(v, &j);
  snprintf(text, sizeof text, "%.*s", (int)b.n, b.p ? b.p : "");
  ln_buf_free(&b);
  return text;
}

/* What it answers; what is wrong otherwise. */
static const char *migrate(rig *r) {
  ln_buf doc;
  ln_buf_init(&doc, 8000);
  bool ok = ln_migrate(&r->g, LN_STR("last"), LN_STR("bob"), &doc, &rig_err);
  const char *said = ok ? as_json(ln_buf_view(&doc)) : rig_err.message;
  ln_buf_free(&doc);
  return said;
}

static void assert_replays(rig *r) {
  ln_buf doc;
  bool same = false;
  ln_buf_init(&doc, 1 << 20);
  assert_true(ln_replay_one(&r->g, LN_STR("last"), NULL, &doc, &same, &rig_err));
  if (!same) fail_msg("%s", as_json(ln_buf_view(&doc)));
  ln_buf_free(&doc);
}

static void ends_with(rig *r, const char *result) {
  rig_pass(r, 2 * (int64_t)HOUR);
  if (strcmp(rig_state(r), "completed") != 0) fail_msg("%s", rig_doc(r));
  assert_string_equal(rig_result(r), result);
  assert_replays(r);
}

static void assert_diverges(rig *r, const char *step, const char *why) {
  const char *said = migrate(r);
  assert_has(said, "\"result\":\"diverges\"");
  assert_has(said, step);
  assert_has(said, why);
}

static size_t in_memory(const rig *r) {
  size_t n = 0;
  for (const ln_run *run = r->g.state; run; run = run->next) n++;
  return n;
}

#define READ_AND_SLEEP "local v = fake.read { id = 'a' }; sleep '1h'; "

/* ------------------------------------------------------------------ those that fit */

static void test_fits(void **state) {
  (void)state;
  for (size_t warm = 0; warm < 2; warm++) { /* its VM is in memory, or not */
    rig *r = set_up(READ_AND_SLEEP "return 1", warm ? 0 : 1);
    if (!warm) rig_down(r), rig_up(r);
    assert_int_equal(in_memory(r), warm);
    edit(r, READ_AND_SLEEP "fake.set { id = 'x' }; return 2");
    assert_has(migrate(r), "\"result\":\"moved\"");
    assert_int_equal(in_memory(r), 0);
    assert_has(migrate(r), "\"result\":\"newest\"");
    assert_has(rig_entries(r), "RUN run.migrated");
    ends_with(r, "2");
    assert_int_equal(rig_acted(r, "fake.set#1"), 1);
    rig_free(r);
  }
}

/* Without anybody who serves: whoever resumes it has the new ones. */
static void test_fits_without_scheduler(void **state) {
  (void)state;
  rig *r = rig_new(32);
  rig_body(r, "local a = approve { title = 'may I?' }; return 1");
  rig_up(r);
  assert_non_null(rig_start(r, "t.main", NULL));
  rig_go(r);
  assert_has(migrate(r), "\"result\":\"newest\"");
  edit(r, "local a = approve { title = 'may I?' }; return 2");
  assert_has(migrate(r), "\"result\":\"busy\"");         /* this process carries it */
  rig_down(r);
  rig_up(r);
  assert_has(migrate(r), "\"result\":\"moved\"");
  assert_true(rig_approve(r, 0, true, "bob"));
  assert_non_null(rig_resume(r, NULL));
  rig_go(r);
  assert_string_equal(rig_result(r), "2");
  rig_free(r);
}

/* What waits for nothing any more goes on at once, as the new scripts have it. */
static void test_goes_on(void **state) {
  (void)state;
  rig *r = set_up("parallel { a = function() await_signal 'never' end }; return 1", 0);
  edit(r, "parallel { a = function() await_signal 'never' end, b = function() fake.set { id = 'x' } end };"
          " return 1");
  assert_has(migrate(r), "\"result\":\"moved\"");
  ln_sched_nudge(r->sched);
  rig_pass(r, 10000);
  assert_int_equal(rig_acted(r, NULL), 1);
  assert_string_equal(rig_state(r), "waiting");
  rig_free(r);
}

static void test_input(void **state) {
  (void)state;
  static const char source[] = "return playbook { name = 't.main', input = { x = 'string?', %s },"
                               " run = function(input) sleep '1h' return input.y end }\n";
  char text[512];
  rig *r = set_up("sleep '1h' return 1", 0);
  snprintf(text, sizeof text, source, "y = 'integer = 7'");
  rig_script(r, "t.main", text);
  ln_snapshot_forget(&r->g);
  assert_has(migrate(r), "\"result\":\"moved\"");
  ends_with(r, "7");
  assert_has(rig_doc(r), "\"y\":7");
  rig_free(r);
  r = set_up("sleep '1h' return 1", 0);
  snprintf(text, sizeof text, source, "y = 'integer'");
  rig_script(r, "t.main", text);
  ln_snapshot_forget(&r->g);
  assert_diverges(r, "", "input y is missing");
  ends_with(r, "1");
  rig_free(r);
}

/* ------------------------------------------------------------------ those that do not */

static void test_diverges(void **state) {
  (void)state;
  static const struct { const char *body, *step, *why; } edits[] = {
      {"local v = fake.read { id = 'b' }; sleep '1h'; return 2", "fake.read#1", "t/main.lua:2"},
      {"local v = fake.read { id = 'a' }\n sleep '2h'; return 2", "sleep#1", "t/main.lua:3"},
      {"local v = fake.read { id = 'a' }; return 2", "sleep#1", "its end"},
      {"sleep '1h'; local v = fake.read { id = 'a' }; return 2", "fake.read#1", "sleep#1"},
      {"local v = fake.read { id = 'a' }; fail('mine', 'no')", "sleep#1", "its end"},
      {"return 2 +", "", "t/main.lua:3: "},
      {"while true do end", "", "budget"}};
  rig *r = set_up(READ_AND_SLEEP "return 1", 0);
  rig_conf(r, "limits = { cpu = '100ms' },");
  rig_down(r);
  rig_up(r);
  for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
    edit(r, edits[i].body);
    assert_diverges(r, edits[i].step, edits[i].why);
  }
  assert_lacks(rig_entries(r), "migrated");
  ends_with(r, "1");
  assert_has(migrate(r), "has ended");
  rig_free(r);
}

/* A write in doubt stays somebody's. */
static void test_doubt(void **state) {
  (void)state;
  rig *r = rig_new(33);
  r->served = true;
  rig_conf(r, "guards = { approve = \"never\" },");
  rig_body(r, "return fake.blind { id = 'b' }.state");
  rig_say_(r, "fake.blind#1", "send", "lost+");
  rig_up(r);
  assert_non_null(rig_start(r, "t.main", NULL));
  rig_pass(r, HOUR);
  assert_has(rig_doc(r), "\"for\":\"doubt\"");
  edit(r, "return 5");
  assert_diverges(r, "fake.blind#1", "its end");
  edit(r, "return fake.blind { id = 'c' }.state");
  assert_diverges(r, "fake.blind#1", "t/main.lua:2");
  edit(r, "local v = fake.blind { id = 'b' }; sleep '1m'; return 'new ' .. v.state");
  assert_has(migrate(r), "\"result\":\"moved\"");
  assert_has(rig_doc(r), "\"for\":\"doubt\"");
  if (!rig_settle(r, "fake.blind#1", true, NULL)) fail_msg("%s", rig_err.message);
  ln_sched_nudge(r->sched);
  rig_pass(r, HOUR);
  assert_has(rig_result(r), "new ");
  assert_int_equal(rig_acted(r, NULL), 1);
  assert_replays(r);
  rig_free(r);
}

/* Taken up at the same moment: one of both, whole. */
static void test_woken_meanwhile(void **state) {
  (void)state;
  rig *r = set_up(READ_AND_SLEEP "return 1", 0);
  edit(r, READ_AND_SLEEP "return 2");
  ln_run *warm = r->g.state;
  assert_non_null(warm);
  assert_true(ln_park_wake(warm));                       /* its job is the writer's, and not done yet */
  const char *said = migrate(r);
  bool moved = strstr(said, "\"result\":\"moved\"") != NULL;
  if (!moved) assert_has(said, "\"result\":\"busy\"");
  ends_with(r, moved ? "2" : "1");
  rig_free(r);
}

/* ------------------------------------------------------------------ power, and retention */

/* The power goes at every write of the move: the run has one of both snapshots, and all of it. */
static void test_power(void **state) {
  (void)state;
  int moved = 0, stayed = 0;
  for (int64_t at = 0; at < 40; at++) {
    rig *r = set_up(READ_AND_SLEEP "return 1", 0);
    edit(r, READ_AND_SLEEP "return 2");
    ln_vfs_sim_cut_after(r->vfs, at);
    migrate(r);
    rig_crash(r);
    ln_vfs_sim_power_cut(r->vfs);
    ln_vfs_sim_cut_after(r->vfs, -1);
    rig_up(r);
    bool is_moved = strstr(rig_entries(r), "run.migrated") != NULL;
    moved += is_moved;
    stayed += !is_moved;
    ends_with(r, is_moved ? "2" : "1");
    rig_free(r);
  }
  assert_true(moved > 0 && stayed > 3);
}

static bool put_snapshot(ln_tx *tx, void *arg, ln_err *err) { return ln_snapshot_put(tx, arg, err); }

/* After it was looked at which snapshots runs have: one is moved, and the newest scripts are others again. */
static void move_and_edit(rig *r) {
  assert_has(migrate(r), "\"result\":\"moved\"");
  edit(r, READ_AND_SLEEP "return 3");
  ln_snapshot *s = ln_snapshot_take(&r->g, (ln_str){NULL, 0}, &rig_err);
  assert_non_null(s);
  assert_true(ln_writer_run(r->g.store, put_snapshot, s, &rig_err));
  ln_snapshot_drop(s);
}

static void test_moved_while_pruned(void **state) {
  (void)state;
  rig *r = set_up(READ_AND_SLEEP "return 1", 1);
  ln_pruned out;
  ln_prune_opts o = {.before_ms = 1};
  edit(r, READ_AND_SLEEP "return 2");
  r->on_wait = move_and_edit;
  assert_true(ln_prune(&r->g, NULL, &o, &out, &rig_err));
  assert_null(r->on_wait);
  assert_true(out.scripts > 0);                          /* those that it was begun with */
  rig_down(r);                                           /* which nobody has in memory any more */
  rig_up(r);
  ends_with(r, "2");
  rig_free(r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_fits),     cmocka_unit_test(test_fits_without_scheduler),
      cmocka_unit_test(test_goes_on),  cmocka_unit_test(test_input),
      cmocka_unit_test(test_diverges), cmocka_unit_test(test_doubt),
      cmocka_unit_test(test_power),    cmocka_unit_test(test_woken_meanwhile),
      cmocka_unit_test(test_moved_while_pruned)};
  return cmocka_run_group_tests_name("migrate", tests, NULL, NULL);
}
