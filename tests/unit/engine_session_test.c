/* engine_session_test.c: a prompt's run: its lines, those that are dropped, and lives that end at every job
** of the writer.  A line that was sent is run, once; what a dropped one made of variables is gone, what it
** did is not. */
#include "tests/unit/engine_rig.h"

enum { SECOND = 1000 };

static char shown[4096]; /* what came of lines, as JSON, one after another  */
static bool over;        /* of the line under way, or of the attempt        */

static void on_event(void *arg, ln_run *run, const ln_event *e) {
  rig *r = arg;
  ln_buf said, text;
  ln_json j;
  (void)run;
  over |= strcmp(e->what, "end") == 0 || strcmp(e->what, "broken") == 0;
  if (strcmp(e->what, "note") == 0 && ln_str_eq(e->name, LN_STR("line"))) {
    ln_buf_init(&said, 1 << 20);
    ln_buf_init(&text, 1 << 20);
    ln_json_init(&j, &text);
    assert_true(ln_session_said(&r->g, e->text, &said, &rig_err));
    ln_v_to_json(ln_buf_view(&said), &j);
    size_t at = strlen(shown);
    snprintf(shown + at, sizeof shown - at, "%.*s\n", LN_STR_ARG(ln_buf_view(&text)));
    ln_buf_free(&said);
    ln_buf_free(&text);
    over = true;
  }
  if (over) r->g.loop->stop(r->g.loop);
}

static ln_run_options attended(rig *r) {
  return (ln_run_options){.attended = true, .event = on_event, .event_arg = r};
}

static rig *set_up(uint64_t seed) {
  rig *r = rig_new(seed);
  shown[0] = '\0';
  rig_body(r, "return 1");                               /* no line needs it: there have to be scripts */
  rig_conf_stdlib(r, "guards = { approve = \"never\" }, limits = { cpu = \"50ms\" },");
  rig_up(r);
  return r;
}

static bool nothing(ln_tx *tx, void *arg, ln_err *err) {
  (void)tx, (void)arg, (void)err;
  return true;
}

/* Its row is on disk; NULL: the process died over it. */
static ln_run *begin(rig *r) {
  ln_run_options o = attended(r);
  ln_run *run = ln_session_start(&r->g, &o, LN_STR("alice"), &rig_err);
  assert_non_null(run);
  r->run[0] = run;                                       /* for the rig to let go of, when it dies */
  return ln_writer_run(r->g.store, nothing, NULL, &rig_err) && !r->dead ? run : NULL;
}

static bool sends(rig *r, const char *run, ln_line line) {
  char ulid[LN_ULID + 1];
  over = false;
  return ln_session_line(&r->g, ln_str_of(run), &line, LN_STR("alice"), ulid, &rig_err);
}

/* Sends a line, and carries the run until it is over.  False: it was not sent. */
static bool line(rig *r, const ln_run *run, const char *text) {
  if (!sends(r, ln_run_ulid(run), (ln_line){.text = ln_str_of(text)})) return false;
  rig_pass(r, 60 * (int64_t)SECOND);
  return true;
}

static ln_run *again(rig *r, ln_run *run) {
  char ulid[LN_ULID + 1];
  ln_run_options o = attended(r);
  snprintf(ulid, sizeof ulid, "%s", ln_run_ulid(run));
  ln_run_close(run);
  run = r->run[0] = ln_run_resume(&r->g, ln_str_of(ulid), &o, &rig_err);
  if (!run) fail_msg("%s", rig_err.message);
  return run;
}

static void end(rig *r, ln_run *run) {
  assert_true(line(r, run, NULL));
  assert_string_equal(ln_run_state(run), "completed");
  rig_down(r);
  rig_free(r);
}

static void test_lines(void **state) {
  (void)state;
  rig *r = set_up(1);
  ln_run *run = begin(r);
  assert_true(line(r, run, "local x = { 1 }"));
  assert_true(line(r, run, "x[1] + 1, x"));
  assert_true(line(r, run, "error('no')"));
  assert_true(line(r, run, "fake.read { id = 'a' }"));
  assert_has(shown, "{\"line\":1,\"shown\":[]}\n{\"line\":2,\"shown\":[2,[1]]}\n");
  assert_has(shown, "\"error\":\"line 3:1: no\",\"line\":3,\"trace\":");
  assert_has(shown, "{\"line\":4,\"shown\":[");
  assert_int_equal(rig_count(r, "read", "4/fake.read#1"), 1);
  end(r, run);
}

/* By its budget, and by whoever waits for it: either leaves the variables of before, and what was done. */
static void test_dropped_lines(void **state) {
  (void)state;
  for (int how = 0; how < 2; how++) {
    rig *r = set_up(2 + (uint64_t)how);
    ln_run *run = begin(r);
    assert_true(line(r, run, "x = 1"));
    if (how) {
      ln_line waits = {.text = LN_STR("x = 2 fake.set { id = 'a' } sleep '1h'")};
      assert_true(sends(r, ln_run_ulid(run), waits));
      rig_pass(r, 60 * (int64_t)SECOND);
      assert_false(over);
      ln_session_stop(run);
      rig_pass(r, 60 * (int64_t)SECOND);
    } else {
      assert_true(line(r, run, "x = 2 fake.set { id = 'a' } while true do end"));
    }
    assert_true(over);
    assert_string_equal(ln_run_why(run)->code, how ? "cancelled" : "cpu");
    run = again(r, run);
    assert_true(line(r, run, "return x"));
    assert_has(shown, "{\"line\":3,\"shown\":[1]}\n");
    run = again(r, run); /* and once more: what was dropped stays so */
    assert_true(line(r, run, "x = x + 5 return x"));
    assert_has(shown, "{\"line\":4,\"shown\":[6]}\n");
    assert_int_equal(rig_acted(r, "2/fake.set#1"), 1);
    assert_string_equal(rig_thing_is(r, "a"), "held");
    end(r, run);
  }
}

/* Dies at the k-th job; false: there were fewer. */
static bool die_at(int64_t k, rig_death death) {
  rig *r = set_up(100 + (uint64_t)k);
  r->kill_at = r->jobs + k;
  r->death = death;
  ln_run *run = begin(r);
  bool sent = run && line(r, run, "x = 1") && !r->dead && line(r, run, "fake.set { id = 'a' } x = x + 1") &&
              !r->dead && line(r, run, "fake.set { id = 'b' .. x }");
  bool first = run && strstr(shown, "\"line\":2") != NULL;
  bool died = r->dead;
  if (died) {
    r->g.loop->run(r->g.loop);                           /* it was stopped, perhaps, while nothing ran it */
    rig_crash(r);
    ln_vfs_sim_power_cut(r->vfs);
    r->kill_at = -1;
    rig_up(r);
    if (rig_runs(r, "") && rig_resume(r, NULL)) rig_go(r);
    if (rig_runs(r, "")) assert_string_equal(rig_state(r), "completed");
  } else {
    assert_true(sent);
    r->kill_at = -1;
    end(r, run);
    return false;
  }
  assert_true(rig_acted(r, "2/fake.set#1") <= 1);
  assert_true(rig_acted(r, "3/fake.set#1") <= 1);
  if (first) assert_int_equal(rig_acted(r, "2/fake.set#1"), 1);
  if (rig_acted(r, "3/fake.set#1")) assert_string_equal(rig_thing_is(r, "b2"), "held");
  rig_down(r);
  rig_free(r);
  return true;
}

static void test_dies_at_every_job(void **state) {
  (void)state;
  int64_t most = 0;
  for (int death = RIG_BEFORE; death <= RIG_AFTER; death++)
    for (int64_t k = 0; die_at(k, (rig_death)death); k++) most = k > most ? k : most;
  assert_true(most > 8);
}

/* One that nobody attends runs what was sent, and ends. */
static void test_left_alone(void **state) {
  (void)state;
  char ulid[LN_ULID + 1];
  rig *r = set_up(7);
  ln_run *run = begin(r);
  assert_true(line(r, run, "x = 1"));
  snprintf(ulid, sizeof ulid, "%s", ln_run_ulid(run));
  ln_run_close(run);
  r->run[0] = NULL;
  assert_true(sends(r, ulid, (ln_line){.text = LN_STR("fake.set { id = 'a' .. x }")}));
  assert_non_null(rig_resume(r, ulid));
  rig_go(r);
  assert_string_equal(rig_state(r), "completed");
  assert_string_equal(rig_thing_is(r, "a1"), "held");
  rig_down(r);
  rig_free(r);
}

/* What is taken for granted holds for one line, and only where it is planned; and a replay takes it, too. */
static void test_assumes(void **state) {
  (void)state;
  ln_buf assume;
  rig *r = set_up(9);
  ln_run *run = begin(r);
  ln_buf_init(&assume, 4096);
  ln_str made = LN_STR("{\"fake.set\":{\"made\":\"up\",\"list\":[]}}");
  assert_true(ln_host_json(r->g.host, made, &assume, &rig_err));
  ln_line set = {LN_STR("v = fake.set { id = 'a' } if v.made then x = v.made .. #v.list end"),
                 .assume = ln_buf_view(&assume)};
  set.plan = true;
  assert_true(sends(r, ln_run_ulid(run), set));
  rig_pass(r, 60 * (int64_t)SECOND);
  run = again(r, run);
  assert_true(line(r, run, "fake.set { id = x }"));
  assert_string_equal(rig_thing_is(r, "up0"), "held");
  set.plan = false;
  set.text = LN_STR("fake.set { id = 'b' }");
  assert_true(sends(r, ln_run_ulid(run), set));
  rig_pass(r, 60 * (int64_t)SECOND);
  assert_string_equal(rig_thing_is(r, "a"), "absent");
  assert_string_equal(rig_thing_is(r, "b"), "held");
  assert_has(rig_entries(r), "assumed");
  ln_buf_free(&assume);
  end(r, run);
}

static void test_plans_and_acts(void **state) {
  (void)state;
  rig *r = set_up(8);
  ln_run *run = begin(r);
  ln_line planned = {.text = LN_STR("v = fake.set { id = 'a' }"), .plan = true};
  assert_true(sends(r, ln_run_ulid(run), planned));
  rig_pass(r, 60 * (int64_t)SECOND);
  assert_int_equal(rig_acted(r, NULL), 0);
  assert_true(line(r, run, "fake.set { id = 'b' }"));
  run = again(r, run); /* the same in a replay: the first one stays planned */
  assert_true(line(r, run, "fake.set { id = 'c' }"));
  assert_int_equal(rig_acted(r, NULL), 2);
  assert_string_equal(rig_thing_is(r, "a"), "absent");
  assert_has(rig_entries(r), "PLANNED 1/fake.set#1");
  end(r, run);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_lines),
      cmocka_unit_test(test_dropped_lines),
      cmocka_unit_test(test_dies_at_every_job),
      cmocka_unit_test(test_left_alone),
      cmocka_unit_test(test_assumes),
      cmocka_unit_test(test_plans_and_acts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
