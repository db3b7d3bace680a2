/* engine_child_test.c: runs that reach other runs: run_playbook, start, signals and locks; in one process
** and, killed at every job of the writer, in those that come after it.  Nothing is begun twice, lost, or held
** for ever. */
#include "tests/unit/engine_rig.h"

#include "engine/inside.h"

enum { HOUR = 3600 * 1000 };

static void playbook(rig *r, const char *name, const char *more, const char *body) {
  char source[2048];
  snprintf(source, sizeof source,
           "local fake = require 'fake'; return playbook { name = '%s', summary = 's', uses = { 'fake', "
           "'store', 't.*' },"
           " %s run = function(input) %s end }",
           name, more, body);
  rig_script(r, name, source);
}

static rig *set_up(const char *body, uint64_t seed, bool served) {
  rig *r = rig_new(seed);
  r->served = served;
  r->warm = seed % 3 ? 0 : 1;
  rig_conf(r, "guards = { approve = \"never\" },");
  rig_body(r, body);
  return r;
}

static void crash(rig *r) {
  rig_crash(r);
  ln_vfs_sim_power_cut(r->vfs);
  r->kill_at = -1;
  rig_up(r);
}

struct finding { const char *name; char ulid[LN_ULID + 1]; char state[16]; };
static bool find(void *arg, const ln_run_row *row) {
  struct finding *f = arg;
  if (!ln_str_eq(row->playbook, ln_str_of(f->name))) return true;
  memcpy(f->ulid, row->ulid, sizeof f->ulid);
  snprintf(f->state, sizeof f->state, "%.*s", LN_STR_ARG(row->state));
  return false;
}

/* "STATE RESULT" of the newest run of a playbook. */
static const char *result_of(rig *r, const char *name) {
  static char out[512];
  struct finding f = {.name = name};
  ln_run_query q = {0};
  ln_buf doc;
  if (!ln_store_runs(r->g.store, &q, find, &f, &rig_err) || !f.ulid[0]) return "there is none";
  ln_buf_init(&doc, 16 << 20);
  if (!ln_report_json(&r->g, ln_str_of(f.ulid), &doc, &rig_err)) fail_msg("%s", rig_err.message);
  ptrdiff_t at = ln_str_find(ln_buf_view(&doc), LN_STR("\"result\":")),
            end = ln_str_find(ln_buf_view(&doc), LN_STR(",\"error\":"));
  snprintf(out, sizeof out, "%s %.*s", f.state, (int)(end - at - 9), doc.p + at + 9);
  ln_buf_free(&doc);
  return out;
}

/* --- children --- */

static void family(rig *r) {
  playbook(r, "t.child", "input = { n = 'integer' },",
           "fake.read { id = 'c' }; sleep '1h'; fake.once { id = uuid() }; return { twice = 2 * input.n }");
}

static void test_child_is_a_step(void **state) {
  (void)state;
  for (int served = 0; served < 2; served++) {
    rig *r = set_up("return run_playbook('t.child', { n = '21' }).twice", 1, served);
    family(r);
    rig_up(r);
    rig_start(r, "t.main", NULL);
    rig_pass(r, 3 * HOUR);
    assert_string_equal(result_of(r, "t.main"), "completed 42");
    assert_int_equal(rig_runs(r, "completed"), 2);
    assert_int_equal(rig_acted(r, NULL), 1);
    rig_free(r);
  }
}

static void test_childs_error(void **state) {
  (void)state;
  rig *r = set_up("local ok, e = pcall(run_playbook, 't.bad'); local ok2, e2 = pcall(run_playbook, "
                  "'t.child', { n = 'x' });"
                  " local ok3, e3 = pcall(run_playbook, 'other.one'); return { e.code, e2.code, e3.code }",
                  2, false);
  family(r);
  playbook(r, "t.bad", "", "fail('mine', 'no')");
  rig_up(r);
  rig_start(r, "t.main", NULL);
  rig_pass(r, HOUR);
  assert_string_equal(result_of(r, "t.main"), "completed [\"mine\",\"bad_argument\",\"refused\"]");
  assert_int_equal(rig_runs(r, ""), 2);                   /* what was refused began nothing */
  rig_free(r);
}

static void test_start_is_not_waited_for(void **state) {
  (void)state;
  rig *r = set_up("local id = start('t.child', { n = 1 }); return #id", 3, true);
  family(r);
  rig_up(r);
  rig_start(r, "t.main", NULL);
  rig_pass(r, 60000);
  assert_string_equal(result_of(r, "t.main"), "completed 26");
  assert_string_equal(result_of(r, "t.child"), "waiting null");
  rig_pass(r, 2 * HOUR);
  assert_string_equal(result_of(r, "t.child"), "completed {\"twice\":2}");
  rig_free(r);
}

static void test_children_end_somewhere(void **state) {
  (void)state;
  rig *r = set_up("local ok, e = pcall(run_playbook, 't.main'); return e and e.code", 4, true);
  rig_up(r);
  rig_start(r, "t.main", NULL);
  rig_pass(r, HOUR);
  assert_int_equal(rig_runs(r, "completed"), 17);
  assert_int_equal(rig_runs(r, ""), 17);
  rig_free(r);
}

static void test_a_stopped_parent_stops_its_child(void **state) {
  (void)state;
  for (int served = 0; served < 2; served++) {
    rig *r = set_up("local ok, e = pcall(parallel, { a = function() run_playbook('t.child', { n = 1 }) end,"
                    " b = function() sleep '5m'; fail('mine', 'no') end }); return e.code", 5, served);
    family(r);
    rig_up(r);
    rig_start(r, "t.main", NULL);
    rig_pass(r, HOUR / 2);
    assert_string_equal(result_of(r, "t.main"), "completed \"mine\"");
    assert_string_equal(result_of(r, "t.child"), "cancelled null");
    assert_int_equal(rig_acted(r, NULL), 0);
    rig_free(r);
  }
}

static void die_at_every_job(const char *body, const char *wanted, int runs, int acted, int lives_wanted) {
  int lives = 0;
  for (int64_t at = 0; at < 36; at++)
    for (int how = 0; how < 2; how++) {
      rig *r = set_up(body, 200 + (uint64_t)at * 2 + (uint64_t)how, true);
      family(r);
      playbook(r, "t.locker", "",
               "for _ = 1, 2 do local l <close> = lock 'x'; store.incr 'in'; fake.read { id = 'l' };"
               " if store.get('in') ~= store.get('out', 0) then end; store.incr 'out' end; return 'l'");
      rig_up(r);
      if (!rig_start(r, "t.main", NULL)) fail_msg("%s", rig_err.message);
      r->kill_at = at;
      r->death = how ? RIG_AFTER : RIG_BEFORE;
      for (int i = 0; i < 4; i++) {
        rig_pass(r, HOUR / 3);
        if (!r->dead) continue;
        lives++;
        crash(r);
      }
      rig_pass(r, 6 * (int64_t)HOUR);
      int n = rig_runs(r, "");
      if (n && (n != runs || rig_runs(r, "completed") != n || strcmp(result_of(r, "t.main"), wanted) != 0))
        fail_msg("job %d, %d: %d of %d runs ended; %s", (int)at, how, rig_runs(r, "completed"), n,
                 result_of(r, "t.main"));
      if (n) assert_int_equal(rig_acted(r, NULL), acted);
      rig_free(r);
    }
  assert_true(lives >= lives_wanted);
}

static void test_child_death_at_every_job(void **state) {
  (void)state;
  die_at_every_job("local v = run_playbook('t.child', { n = 21 }); fake.once { id = uuid() }; return v.twice",
                   "completed 42", 2, 2, 25);
}

static void test_start_death_at_every_job(void **state) {
  (void)state;
  die_at_every_job("start('t.child', { n = 1 }); start('t.child', { n = 2 }); return 'begun'",
                   "completed \"begun\"", 3, 2, 40);
}

/* --- signals --- */

static bool send(ln_tx *tx, void *arg, ln_err *err) {
  const struct finding *f = arg;
  ln_buf v;
  ln_buf_init(&v, 64);
  ln_v_str(&v, LN_STR("go"));
  bool ok = ln_tx_signal_send(tx, strtoll(f->state, NULL, 10), ln_str_of(f->name), ln_buf_view(&v),
                              LN_STR("bob"), 1, err);
  ln_buf_free(&v);
  return ok;
}

static void signal_it(rig *r, const char *name) {
  struct finding f = {.name = name};
  snprintf(f.state, sizeof f.state, "1");                /* the first run */
  assert_true(ln_writer_run(r->g.store, send, &f, &rig_err));
  struct finding main = {.name = "t.main"};
  ln_run_query q = {0};
  char key[64];
  assert_true(ln_store_runs(r->g.store, &q, find, &main, &rig_err));
  snprintf(key, sizeof key, "signal:%s:%s", main.ulid, name);
  ln_wait_called(&r->g, ln_str_of(key));
}

static void test_signal(void **state) {
  (void)state;
  for (int served = 0; served < 2; served++)
    for (int crashes = 0; crashes <= served; crashes++) {
      rig *r = set_up("local a = await_signal 'go'; local b = await_signal 'go'; return a .. b", 6, served);
      rig_up(r);
      rig_start(r, "t.main", NULL);
      rig_pass(r, 60000);
      signal_it(r, "other"); /* kept, and not taken for the one that is waited for */
      signal_it(r, "go");
      rig_pass(r, 60000);
      if (crashes) crash(r);
      signal_it(r, "go");
      rig_pass(r, 60000);
      assert_string_equal(result_of(r, "t.main"), "completed \"gogo\"");
      rig_free(r);
    }
}

static void test_signal_times_out(void **state) {
  (void)state;
  rig *r = set_up("local ok, e = pcall(await_signal, 'go', { timeout = '1h' }); return e.code", 7, true);
  rig_up(r);
  rig_start(r, "t.main", NULL);
  rig_pass(r, HOUR / 2);
  crash(r);
  rig_pass(r, HOUR);
  assert_string_equal(result_of(r, "t.main"), "completed \"timeout\"");
  rig_free(r);
}

static void test_run_signals_run(void **state) {
  (void)state;
  rig *r = set_up("local id = start 't.waiter'; sleep '5m'; signal(id, 'go', { n = 7 }); return id == id", 8,
                  true);
  playbook(r, "t.waiter", "", "return await_signal('go').n");
  rig_up(r);
  rig_start(r, "t.main", NULL);
  rig_pass(r, HOUR);
  assert_string_equal(result_of(r, "t.waiter"), "completed 7");
  rig_free(r);
}

/* --- locks --- */

static void test_lock_is_exclusive(void **state) {
  (void)state;
  for (int served = 0; served < 2; served++) {
    rig *r = set_up(
        "local worst = 0; map({ 1, 2, 3, 4 }, function() local l <close> = lock 'x';"
        " local n = store.incr 'in'; if n > worst then worst = n end; sleep '30s'; store.incr('in', -1) end);"
        " return worst",
        9, served);
    rig_up(r);
    rig_start(r, "t.main", NULL);
    rig_start(r, "t.main", NULL);
    rig_pass(r, HOUR);
    assert_int_equal(rig_runs(r, "completed"), 2);
    assert_string_equal(result_of(r, "t.main"), "completed 1");
    rig_free(r);
  }
}

static void test_lock_is_let_go_by_the_end(void **state) {
  (void)state;
  rig *r = set_up("lock 'x'; sleep '1m'; fail('mine', 'no')", 10, true);
  playbook(r, "t.second", "", "lock 'x'; return now() > 0");
  rig_up(r);
  rig_start(r, "t.main", NULL);
  rig_pass(r, 1000);
  rig_start(r, "t.second", NULL);
  rig_pass(r, 30000);
  assert_string_equal(result_of(r, "t.second"), "waiting null");
  crash(r);
  rig_pass(r, HOUR);
  assert_string_equal(result_of(r, "t.second"), "completed true");
  rig_free(r);
}

static void test_lock_of_ones_own(void **state) {
  (void)state;
  rig *r = set_up(
      "local l = lock 'x'; local ok, e = pcall(lock, 'x'); l:close(); l:close(); lock 'x'; return e.code", 11,
      false);
  rig_up(r);
  rig_start(r, "t.main", NULL);
  rig_pass(r, HOUR);
  assert_string_equal(result_of(r, "t.main"), "completed \"bad_argument\"");
  rig_free(r);
}

/* Stopped while it waits for a lock, and while it has it. */
static void test_lock_and_cancel(void **state) {
  (void)state;
  rig *r = set_up(
      "pcall(parallel, { a = function() local l <close> = lock 'x'; sleep '1h' end,"
      " b = function() sleep '1s'; lock 'x' end, c = function() sleep '10s'; fail('mine', 'no') end });"
      " lock 'x'; return 'free'",
      12, false);
  rig_up(r);
  rig_start(r, "t.main", NULL);
  rig_pass(r, HOUR / 2);
  assert_string_equal(result_of(r, "t.main"), "completed \"free\"");
  rig_free(r);
}

static void test_lock_death_at_every_job(void **state) {
  (void)state;
  die_at_every_job(
      "start 't.locker'; map({ 1, 2 }, function() local l <close> = lock 'x'; store.incr 'in'; sleep '1m';"
      " store.incr 'out' end); sleep '10m'; return store.get 'in' == store.get 'out'",
      "completed true", 2, 0, 40);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_child_is_a_step),
                                     cmocka_unit_test(test_childs_error),
                                     cmocka_unit_test(test_start_is_not_waited_for),
                                     cmocka_unit_test(test_children_end_somewhere),
                                     cmocka_unit_test(test_a_stopped_parent_stops_its_child),
                                     cmocka_unit_test(test_child_death_at_every_job),
                                     cmocka_unit_test(test_start_death_at_every_job),
                                     cmocka_unit_test(test_signal),
                                     cmocka_unit_test(test_signal_times_out),
                                     cmocka_unit_test(test_run_signals_run),
                                     cmocka_unit_test(test_lock_is_exclusive),
                                     cmocka_unit_test(test_lock_is_let_go_by_the_end),
                                     cmocka_unit_test(test_lock_of_ones_own),
                                     cmocka_unit_test(test_lock_and_cancel),
                                     cmocka_unit_test(test_lock_death_at_every_job)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
