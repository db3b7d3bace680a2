/* engine_ledger_test.c: several who want the same thing of one entity.  One write is under way at a time; who
** comes second waits for what comes of it, and then makes no second call, or the call itself; and what was so
** before us is nobody's hold. */
#include "tests/unit/engine_rig.h"

#include "engine/inside.h"

#include <sqlite3.h>

#define UNASKED "guards = { approve = 'never' },"
enum { HOUR = 3600 * 1000 };

static rig *set_up(const char *conf, const char *body) {
  rig *r = rig_new(71);
  rig_conf_stdlib(r, conf);
  rig_body(r, body);
  return r;
}

static int64_t number(rig *r, const char *sql) {
  sqlite3 *db;
  sqlite3_stmt *q;
  assert_int_equal(sqlite3_open_v2("/rig/a.db", &db, SQLITE_OPEN_READWRITE, r->disk), SQLITE_OK);
  assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_step(q), SQLITE_ROW);
  int64_t n = sqlite3_column_int64(q, 0);
  sqlite3_finalize(q);
  sqlite3_close(db);
  return n;
}

/* Of all steps that have ended, how many so? */
static bool count_state(void *arg, const ln_entry *e) {
  const char **what = ((const char ***)arg)[0];
  int *n = ((int **)arg)[1];
  *n += e->kind == LN_E_RESULT && ln_str_eq(e->state, ln_str_of(*what));
  return true;
}

static int ended(rig *r, const char *state) {
  int n = 0;
  void *args[] = {&state, &n};
  int64_t last = number(r, "SELECT max(id) FROM run");
  for (int64_t id = 1; id <= last; id++) {
    ln_journal *j = ln_journal_load(r->g.store, id, &rig_err);
    assert_non_null(j);
    ln_journal_each(j, count_state, args);
    ln_journal_free(j);
  }
  return n;
}

static bool copy_ulid(void *arg, const ln_run_row *row) {
  memcpy(arg, row->ulid, sizeof row->ulid);
  return false;
}

static void start_two(rig *r, const char *first, const char *second) {
  if (!r->up) rig_up(r);
  assert_non_null(rig_start(r, "t.main", first));
  assert_non_null(rig_start(r, "t.main", second));
}

/* ------------------------------------------------------------------ joining */

/* Whatever kind of write it is, and however long the vendor works on it. */
static void test_a_second_run_joins(void **state) {
  (void)state;
  static const struct { const char *op, *phase, *says; } cases[] = {
      {"set", "send", "did@5000"}, {"once", "send", "did@5000"}, {"task", "follow", "run run wait run done"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char body[64], step[32];
    snprintf(body, sizeof body, "return fake.%s { id = 'a' }.state", cases[i].op);
    snprintf(step, sizeof step, "fake.%s#1", cases[i].op);
    rig *r = set_up(UNASKED, body);
    rig_say_(r, step, cases[i].phase, cases[i].says);
    start_two(r, NULL, NULL);
    rig_go(r);
    assert_int_equal(rig_count(r, "send", NULL), 1);
    assert_int_equal(rig_runs(r, "completed"), 2);
    assert_string_equal(rig_result(r), "\"held\"");
    assert_int_equal(ended(r, "done"), 1);
    assert_int_equal(ended(r, "joined"), 1);
    assert_int_equal(number(r, "SELECT count(*) FROM hold WHERE status = 'held' AND before = 'absent'"
                               " AND length(undo) > 0"),
                     2);
    rig_free(r);
  }
}

static void test_a_second_run_makes_the_write_that_failed(void **state) {
  (void)state;
  rig *r = set_up(UNASKED, "return (try(fake.once, { id = 'a' }) or {}).state");
  rig_say_(r, "fake.once#1", "send", "no@5000");
  start_two(r, NULL, NULL);
  rig_go(r);
  assert_int_equal(rig_count(r, "send", NULL), 2);
  assert_int_equal(rig_acted(r, NULL), 1);
  assert_int_equal(ended(r, "failed"), 1);
  assert_int_equal(ended(r, "done"), 1);
  assert_int_equal(number(r, "SELECT count(*) FROM hold WHERE status = 'held'"), 1);
  rig_free(r);
}

/* Two branches of one run are no different from two runs; what a run does once more by itself is no join. */
static void test_a_branch_joins(void **state) {
  (void)state;
  rig *r = set_up(UNASKED, "local w = function() return fake.once { id = 'a' }.state end;"
                           " local t = parallel { a = w, b = w };"
                           " return { t.a, t.b, fake.once { id = 'a', lease = '1h' }.state }");
  rig_say_(r, "a/fake.once#1", "send", "did@5000");
  rig_say_(r, "b/fake.once#1", "send", "did@5000");
  rig_carry(r, "t.main", NULL);
  assert_string_equal(rig_result(r), "[\"held\",\"held\",\"held\"]");
  assert_int_equal(rig_count(r, "send", NULL), 1);
  assert_int_equal(ended(r, "joined"), 1);
  assert_int_equal(ended(r, "unchanged"), 1);
  assert_int_equal(number(r, "SELECT count(*) FROM hold WHERE status = 'held'"), 2);
  rig_free(r);
}

/* What is held by a run of ours and is still so is held by both. */
static void test_a_later_run_joins(void **state) {
  (void)state;
  rig *r = set_up(UNASKED, "fake.set { id = 'a', lease = input.x }");
  rig_up(r);
  assert_non_null(rig_start(r, "t.main", NULL));
  rig_go(r);
  assert_non_null(rig_start(r, "t.main", "{\"x\":\"2h\"}"));
  rig_go(r);
  assert_int_equal(rig_count(r, "send", NULL), 1);
  assert_has(rig_entries(r), "RESULT fake.set#1 joined");
  assert_has(rig_doc(r), "\"before\":\"absent\"");
  assert_int_equal(number(r, "SELECT count(*) FROM hold WHERE status = 'held' AND until_ms > 0"), 1);
  /* somebody took it back by hand: what was held is over, and whoever wants it makes it so again */
  rig_thing_set(r, "a", "absent");
  assert_non_null(rig_start(r, "t.main", NULL));
  rig_go(r);
  assert_int_equal(rig_count(r, "send", NULL), 2);
  assert_has(rig_entries(r), "RESULT fake.set#1 done");
  assert_int_equal(number(r, "SELECT count(*) FROM hold WHERE status = 'held'"), 1);
  assert_int_equal(number(r, "SELECT count(*) FROM hold WHERE status = 'released'"), 2);
  rig_free(r);
}

static void test_a_run_that_wants_it_longer(void **state) {
  (void)state;
  static const struct { const char *first, *second; int64_t until; } cases[] = {
      {"1h", "2h", 2 * HOUR}, {"2h", "1h", 2 * HOUR}, {"1h", "none", 0}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char input[64];
    rig *r = set_up(UNASKED, "local first, second = input.x:match '(%S+) (%S+)';"
                             " fake.set { id = 'a', lease = first };"
                             " fake.set { id = 'a', lease = second ~= 'none' and second or nil }");
    snprintf(input, sizeof input, "{\"x\":\"%s %s\"}", cases[i].first, cases[i].second);
    rig_up(r);
    int64_t began = ln_now_ms(r->g.loop->clock);
    assert_non_null(rig_start(r, "t.main", input));
    rig_go(r);
    int64_t until = number(r, "SELECT until_ms FROM hold");
    if (cases[i].until) assert_true(until >= began + cases[i].until && until < began + cases[i].until + 1000);
    else assert_int_equal(until, 0);
    rig_free(r);
  }
}

/* Nobody is asked about a write that another one makes. */
static void test_nobody_is_asked_twice(void **state) {
  (void)state;
  rig *r = set_up("", "return fake.once { id = 'a' }.state");
  rig_say_(r, "fake.once#1", "send", "did@200000");
  rig_up(r);
  assert_non_null(rig_start(r, "t.main", NULL));
  rig_go(r);
  assert_true(rig_approve(r, 0, true, "bob"));
  rig_pass(r, 70000);
  assert_int_equal(rig_count(r, "send", NULL), 1);
  assert_non_null(rig_start(r, "t.main", NULL));
  rig_go(r);
  assert_int_equal(rig_runs(r, "completed"), 2);
  assert_int_equal(ended(r, "joined"), 1);
  assert_int_equal(number(r, "SELECT count(*) FROM approval"), 1);
  rig_free(r);
}

/* Both were asked about before either began: who comes second finds out before it sends. */
static void test_both_were_approved(void **state) {
  (void)state;
  rig *r = set_up("", "return fake.once { id = 'a' }.state");
  rig_say_(r, "fake.once#1", "send", "did@5000");
  start_two(r, NULL, NULL);
  rig_go(r);
  assert_int_equal(number(r, "SELECT count(*) FROM approval WHERE state = 'waiting'"), 2);
  assert_true(rig_approve(r, 0, true, "bob"));
  rig_go(r);
  assert_int_equal(rig_runs(r, "completed"), 2);
  assert_int_equal(rig_count(r, "send", NULL), 1);
  assert_int_equal(ended(r, "joined"), 1);
  rig_free(r);
}

/* The first one's answer came while the second waited for a person: what it saw is no longer so. */
static void test_it_was_done_while_a_person_thought(void **state) {
  (void)state;
  rig *r = set_up("", "return fake.once { id = 'a' }.state");
  start_two(r, NULL, NULL);
  rig_go(r);
  assert_true(rig_approve(r, 1, true, "bob"));
  rig_pass(r, 70000);
  assert_int_equal(rig_count(r, "send", NULL), 1);
  assert_true(rig_approve(r, 2, true, "bob"));
  rig_go(r);
  assert_int_equal(rig_runs(r, "completed"), 2);
  assert_int_equal(rig_count(r, "send", NULL), 1);
  assert_int_equal(ended(r, "joined"), 1);
  rig_free(r);
}

/* It had looked, and waited for its place at the vendor, while another came, did it and was gone. */
static void test_it_was_done_while_it_stood_in_line(void **state) {
  (void)state;
  rig *r = set_up(UNASKED, "return fake.queued { id = 'a', as = input.x }.state");
  rig_say_(r, "first", "place", "ok@5000");
  start_two(r, "{\"x\":\"first\"}", "{\"x\":\"second\"}");
  rig_go(r);
  assert_int_equal(rig_runs(r, "completed"), 2);
  assert_int_equal(rig_acted(r, "second"), 1);
  assert_int_equal(rig_count(r, "send", NULL), 1);
  assert_int_equal(ended(r, "joined"), 1);
  rig_free(r);
}

/* ------------------------------------------------------------------ what nobody here follows any more */

static void test_what_was_left_pending(void **state) {
  (void)state;
  rig *r = set_up(UNASKED,
                  "local _, e = try(fake.task, { id = 'a', wait = '1m' }); return e and e.code or 'done'");
  rig_say_(r, "fake.task#1", "follow", "wait wait wait");
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  assert_string_equal(rig_result(r), "\"pending\"");
  /* a later one finds it so: both hold it */
  assert_non_null(rig_start(r, "t.main", NULL));
  rig_go(r);
  assert_string_equal(rig_result(r), "\"done\"");
  assert_int_equal(rig_count(r, "send", NULL), 1);
  assert_int_equal(number(r, "SELECT count(*) FROM hold WHERE status = 'held'"), 2);
  rig_free(r);
  /* a run does not wait for what itself has left pending */
  r = set_up(UNASKED, "fake.task { id = 'a', wait = false }; fake.free { id = 'a' }; return 'free'");
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  assert_string_equal(rig_result(r), "\"free\"");
  assert_string_equal(rig_thing_is(r, "a"), "absent");
  assert_int_equal(number(r, "SELECT count(*) FROM hold WHERE status <> 'released'"), 1);
  rig_free(r);
}

/* ------------------------------------------------------------------ doubt */

static char first_id[LN_ULID + 1];

static rig *one_in_doubt(bool served, const char *send) {
  rig *r = rig_new(72);
  r->served = served;
  rig_conf(r, UNASKED);
  rig_body(r, "return fake.once { id = 'a', as = input.x }.state");
  rig_say_(r, "first", "send", send);
  rig_say_(r, "first", "probe", "unknown unknown unknown");
  rig_up(r);
  ln_run *run = rig_start(r, "t.main", "{\"x\":\"first\"}");
  assert_non_null(run);
  snprintf(first_id, sizeof first_id, "%s", ln_run_ulid(run));
  if (served) rig_pass(r, 60000);
  else rig_go(r);
  assert_non_null(rig_start(r, "t.main", "{\"x\":\"second\"}"));
  if (served) rig_pass(r, HOUR);
  else rig_go(r);
  assert_int_equal(rig_count(r, "send", NULL), 1);
  return r;
}

static bool settle_first(rig *r, bool did) {
  return ln_run_settle(&r->g, ln_str_of(first_id), (ln_str){"", 0}, did, (ln_str){"", 0}, LN_STR("bob"),
                       &rig_err);
}

/* It keeps its turn, over a restart too; who comes second waits for a person, and says for which run. */
static void test_a_doubt_keeps_its_turn(void **state) {
  (void)state;
  for (int did = 0; did < 2; did++) {
    ln_waiting w;
    rig *r = one_in_doubt(false, did ? "lost+" : "lost-");
    assert_true(ln_run_waiting(r->run[1], &w));
    assert_string_equal(w.what, "entity");
    assert_string_equal(w.step, "second");
    assert_has(w.next, first_id);
    rig_down(r);
    rig_up(r);
    assert_has(rig_doc(r), "\"for\":\"entity\"");
    assert_non_null(rig_resume(r, NULL));
    rig_go(r);
    assert_int_equal(rig_count(r, "send", NULL), 1);
    assert_true(settle_first(r, did));
    assert_non_null(rig_resume(r, first_id));
    r->told[0][0] = 0;
    rig_go(r);
    assert_int_equal(rig_runs(r, "completed"), 2);
    assert_int_equal(rig_acted(r, NULL), 1);
    assert_int_equal(ended(r, "done"), 1);
    assert_int_equal(ended(r, "joined"), 1);
    assert_int_equal(rig_acted(r, "first"), 1); /* of what did not happen it is the first again */
    rig_free(r);
  }
}

/* Put away meanwhile, both, and woken by the end of the doubt. */
static void test_who_waits_is_put_away(void **state) {
  (void)state;
  rig *r = one_in_doubt(true, "lost+");
  assert_int_equal(rig_runs(r, "waiting"), 2);
  assert_int_equal(number(r, "SELECT count(*) FROM wait WHERE key LIKE 'hold:%'"), 1);
  rig_crash(r);
  rig_up(r);
  rig_pass(r, HOUR);
  assert_int_equal(rig_runs(r, "waiting"), 2);
  assert_true(settle_first(r, true));
  ln_sched_nudge(r->sched);
  rig_pass(r, 60000);
  assert_int_equal(rig_runs(r, "completed"), 2);
  assert_int_equal(rig_count(r, "send", NULL), 1);
  assert_int_equal(ended(r, "joined"), 1);
  rig_free(r);
}

/* ------------------------------------------------------------------ deaths */

/* Two runs through a death after the kill_at-th job of the writer; a scheduler takes up what it left. */
static bool live(uint64_t seed, const char *op, const char *opposite, rig_death death, int64_t kill_at) {
  char body[160];
  rig *r = rig_new(seed);
  r->served = true;
  rig_conf(r, UNASKED);
  snprintf(body, sizeof body, "local f = input.x and fake.%s or fake.%s; return f { id = 'a' }.state",
           opposite, op);
  rig_body(r, body);
  r->kill_at = kill_at;
  r->death = death;
  rig_up(r);
  rig_start(r, "t.main", NULL);
  rig_start(r, "t.main", "{\"x\":\"other\"}");
  rig_pass(r, HOUR);
  bool died = r->dead;
  if (died) {
    rig_crash(r);
    ln_vfs_sim_power_cut(r->vfs);
    r->kill_at = -1;
    rig_up(r);
    rig_pass(r, HOUR);
  }
  for (int64_t n = number(r, "SELECT count(*) FROM run"); n < 2; n++) { /* of which nobody was ever told */
    rig_start(r, "t.main", n ? "{\"x\":\"other\"}" : NULL);
    rig_pass(r, HOUR);
  }
  assert_int_equal(rig_runs(r, "completed"), 2);
  if (strcmp(op, opposite) == 0) {
    assert_int_equal(rig_acted(r, NULL), 1);
    assert_int_equal(ended(r, "done"), 1);
    assert_int_equal(ended(r, "joined"), 1);
    assert_int_equal(number(r, "SELECT count(*) FROM hold WHERE status = 'held' AND before = 'absent'"), 2);
  } else {                                               /* whichever came last holds, or nobody does */
    bool held = strcmp(rig_thing_is(r, "a"), "held") == 0;
    assert_int_equal(number(r, "SELECT count(*) FROM hold WHERE status = 'held'"), held);
  }
  assert_int_equal(number(r, "SELECT count(*) FROM hold WHERE status NOT IN ('held', 'released')"), 0);
  rig_free(r);
  return died;
}

static void test_joins_through_every_death(void **state) {
  (void)state;
  static const char *const ops[][2] = {{"once", "once"}, {"task", "task"}, {"set", "free"}};
  for (size_t i = 0; i < 3; i++)
    for (rig_death d = RIG_BEFORE; d <= RIG_AFTER; d++)
      for (int64_t at = 0; live(80 + i, ops[i][0], ops[i][1], d, at); at++) assert_true(at < 200);
}

/* ------------------------------------------------------------------ letting go */

static void undo_run(rig *r, int64_t id) {
  char sql[64], ulid[LN_ULID + 1] = "";
  ln_run_query q = {.before_id = id + 1, .limit = 1};
  assert_true(ln_store_runs(r->g.store, &q, copy_ulid, ulid, &rig_err));
  snprintf(sql, sizeof sql, "SELECT count(*) FROM run WHERE id = %lld", (long long)id);
  assert_int_equal(number(r, sql), 1);
  assert_non_null(rig_undo(r, ulid));
}

/* One after the other only the last one gives back what was taken; at the same moment either of them does. */
static void test_the_last_holder_gives_it_back(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed < 40; seed++) {
    rig *r = rig_new(seed);
    rig_conf_stdlib(r, UNASKED);
    rig_body(r, "fake.set { id = 'a' }");
    start_two(r, NULL, NULL);
    rig_go(r);
    undo_run(r, 1);
    if (seed % 2) rig_go(r), assert_string_equal(rig_thing_is(r, "a"), "held");
    undo_run(r, 2);
    rig_go(r);
    assert_string_equal(rig_thing_is(r, "a"), "absent");
    assert_int_equal(rig_count(r, "send", NULL), 2);
    assert_int_equal(number(r, "SELECT count(*) FROM hold WHERE status <> 'released'"), 0);
    rig_free(r);
  }
}

/* What was so before us, two of ours have found, and nobody takes back. */
static void test_nobody_gives_back_what_is_foreign(void **state) {
  (void)state;
  rig *r = set_up(UNASKED, "fake.set { id = 'a' }");
  rig_thing_set(r, "a", "held");
  start_two(r, NULL, NULL);
  rig_go(r);
  undo_run(r, 1);
  undo_run(r, 2);
  rig_go(r);
  assert_string_equal(rig_thing_is(r, "a"), "held");
  assert_int_equal(rig_count(r, "send", NULL), 0);
  rig_free(r);
}

/* ------------------------------------------------------------------ foreign */

static void test_what_was_so_before_us(void **state) {
  (void)state;
  rig *r = set_up(UNASKED, "if input.x then fake.free { id = 'a' } else fake.set { id = 'a' } end");
  rig_thing_set(r, "a", "held");
  rig_up(r);
  for (int i = 0; i < 2; i++) {                          /* a second look makes it no more ours */
    assert_non_null(rig_start(r, "t.main", NULL));
    rig_go(r);
    assert_has(rig_entries(r), "RESULT fake.set#1 unchanged");
    assert_has(rig_doc(r), "\"before\":\"held\"");
    assert_has(rig_doc(r), "\"status\":\"foreign\"");
  }
  assert_int_equal(number(r, "SELECT count(*) FROM hold WHERE status = 'foreign' AND length(undo) = 0"), 2);
  /* a person has us end it: there is nothing left of it */
  assert_non_null(rig_start(r, "t.main", "{\"x\":\"free\"}"));
  rig_go(r);
  assert_int_equal(number(r, "SELECT count(*) FROM hold WHERE status = 'foreign'"), 0);
  rig_free(r);
}

/* To give back what nobody holds changes nothing, and is nothing to know of. */
static void test_freedom_is_no_hold(void **state) {
  (void)state;
  rig *r = set_up(UNASKED, "fake.free { id = 'a' }");
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  assert_has(rig_entries(r), "RESULT fake.free#1 unchanged");
  assert_int_equal(number(r, "SELECT count(*) FROM hold"), 0);
  rig_free(r);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_second_run_joins),
                                     cmocka_unit_test(test_a_second_run_makes_the_write_that_failed),
                                     cmocka_unit_test(test_a_branch_joins),
                                     cmocka_unit_test(test_a_later_run_joins),
                                     cmocka_unit_test(test_a_run_that_wants_it_longer),
                                     cmocka_unit_test(test_nobody_is_asked_twice),
                                     cmocka_unit_test(test_both_were_approved),
                                     cmocka_unit_test(test_it_was_done_while_a_person_thought),
                                     cmocka_unit_test(test_it_was_done_while_it_stood_in_line),
                                     cmocka_unit_test(test_what_was_left_pending),
                                     cmocka_unit_test(test_a_doubt_keeps_its_turn),
                                     cmocka_unit_test(test_who_waits_is_put_away),
                                     cmocka_unit_test(test_joins_through_every_death),
                                     cmocka_unit_test(test_the_last_holder_gives_it_back),
                                     cmocka_unit_test(test_nobody_gives_back_what_is_foreign),
                                     cmocka_unit_test(test_what_was_so_before_us),
                                     cmocka_unit_test(test_freedom_is_no_hold)};
  return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
