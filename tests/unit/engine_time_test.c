/* engine_time_test.c: what goes by the clock and writes: leases that end, watched or not, and runs whose
** timer has led to a write; under a clock that steps, and through deaths. */
#include "tests/unit/engine_rig.h"

#include "engine/inside.h"

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE };

static rig *set_up_with(const char *conf, const char *body, uint64_t seed) {
  rig *r = rig_new(seed);
  r->served = true;
  rig_conf_stdlib(r, conf);
  rig_body(r, body);
  rig_up(r);
  return r;
}

static rig *set_up(const char *body) { return set_up_with("guards = { approve = 'never' },", body, 91); }

static char ulid[LN_ULID + 1];

static void start(rig *r, const char *input) {
  ln_run *run = rig_start(r, "t.main", input);
  if (!run) fail_msg("%s", rig_err.message);
  snprintf(ulid, sizeof ulid, "%s", ln_run_ulid(run));
}

static void again(rig *r, int64_t gap_ms) {
  r->gap_ms = gap_ms;
  rig_down(r);
  rig_up(r);
}

typedef struct found { int n, held; int64_t until; } found;

static bool see(void *arg, const ln_hold *h) {
  found *f = arg;
  f->n++;
  f->held += ln_str_eq(h->status, LN_STR("held"));
  if (h->until_ms) f->until = h->until_ms;
  return true;
}

static found holds(rig *r) {
  found f = {.n = 0};
  ln_hold_query q = {.all = true};
  if (!ln_store_holds(r->g.store, &q, see, &f, &rig_err)) fail_msg("%s", rig_err.message);
  return f;
}

static bool one(void *arg, const ln_approval *a) {
  snprintf(arg, 300, "%.*s", LN_STR_ARG(a->title));
  return false;
}

/* The title of the question that waits; "". */
static const char *question(rig *r) {
  static char title[300];
  title[0] = 0;
  assert_true(ln_store_approvals(r->g.store, 0, true, one, title, &rig_err));
  return title;
}

static void answer(rig *r, bool yes) {
  assert_true(rig_approve(r, 0, yes, "bob"));
  ln_sched_nudge(r->sched);
  rig_pass(r, MINUTE);
}

/* ------------------------------------------------------------------ leases */

static void test_a_lease_ends(void **state) {
  (void)state;
  rig *r = set_up("fake.set { id = 'a', lease = '1h' }");
  start(r, NULL);
  rig_pass(r, 59 * MINUTE);
  assert_string_equal(rig_thing_is(r, "a"), "held");
  rig_pass(r, 2 * MINUTE);
  assert_string_equal(rig_thing_is(r, "a"), "absent");
  assert_int_equal(holds(r).held, 0);
  assert_string_equal(rig_result(r), "{\"kept\":false,\"lifted\":1}");
  rig_pass(r, 24 * HOUR);
  assert_int_equal(rig_runs(r, "completed"), 2);         /* its end is looked after once */
  rig_free(r);
}

/* What was changed by hand meanwhile stays so. */
static void test_a_lease_of_what_was_changed(void **state) {
  (void)state;
  rig *r = set_up("fake.set { id = 'a', lease = '1h' }");
  start(r, NULL);
  rig_pass(r, MINUTE);
  rig_thing_set(r, "a", "quarantined");
  rig_pass(r, 2 * HOUR);
  assert_string_equal(rig_thing_is(r, "a"), "quarantined");
  assert_int_equal(rig_count(r, "send", NULL), 1);
  assert_string_equal(rig_outcome(r), "nothing");
  rig_free(r);
}

/* Two hold it: until the later lease is over. */
static void test_the_later_lease_counts(void **state) {
  (void)state;
  rig *r = set_up("fake.set { id = 'a', lease = input.x }");
  start(r, "{\"x\":\"2h\"}");
  rig_pass(r, MINUTE);
  start(r, "{\"x\":\"1h\"}");
  rig_pass(r, HOUR + 10 * MINUTE);
  assert_int_equal(holds(r).held, 1);
  assert_string_equal(rig_thing_is(r, "a"), "held");
  assert_int_equal(rig_count(r, "send", NULL), 1);
  rig_pass(r, HOUR);
  assert_string_equal(rig_thing_is(r, "a"), "absent");
  assert_int_equal(holds(r).held, 0);
  rig_free(r);
}

static void test_a_lease_that_was_put_off(void **state) {
  (void)state;
  rig *r = set_up("fake.set { id = 'a', lease = '1h' }");
  int64_t n;
  start(r, NULL);
  rig_pass(r, MINUTE);
  int64_t until = ln_now_ms(r->g.loop->clock) + 3 * (int64_t)HOUR;
  assert_true(ln_hold_prolong(&r->g, LN_STR("fake:host:a"), until, LN_STR("bob"), &n, &rig_err));
  assert_int_equal(n, 1);
  rig_pass(r, 2 * HOUR);
  assert_string_equal(rig_thing_is(r, "a"), "held");
  rig_pass(r, 2 * HOUR);
  assert_string_equal(rig_thing_is(r, "a"), "absent");
  rig_free(r);
}

/* A malicious verdict asks; what nobody watched asks, too.  A no keeps it. */
static void test_a_lease_that_asks(void **state) {
  (void)state;
  static const struct { const char *verdict, *says; int64_t gap; bool yes; } cases[] = {
      {"malicious", "rests on a malicious verdict: release it?", 0, true},
      {"malicious", "rests on a malicious verdict: release it?", 0, false},
      {"unknown", "while nobody watched: release it?", 2 * HOUR, true},
      {"unknown", "while nobody watched: release it?", 2 * HOUR, false}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char body[128];
    snprintf(body, sizeof body, "stage('t.hard', { verdict = '%s' })", cases[i].verdict);
    rig *r = set_up(body);
    rig_script(
        r, "t.hard",
        "local fake = require 'fake'; return playbook { name = 't.hard', summary = 'x', stage = 'hard',"
        " uses = { 'fake' }, input = { verdict = 'string' }, run = function(input)"
        " fake.set { id = 'a', lease = '1h' } end }");
    start(r, NULL);
    rig_pass(r, MINUTE);
    if (cases[i].gap) again(r, cases[i].gap);
    rig_pass(r, 2 * HOUR);
    assert_string_equal(rig_thing_is(r, "a"), "held");
    assert_has(question(r), cases[i].says);
    again(r, 0);                                         /* the question is the same one after a restart */
    rig_pass(r, HOUR);
    answer(r, cases[i].yes);
    assert_string_equal(rig_thing_is(r, "a"), cases[i].yes ? "absent" : "held");
    assert_int_equal(holds(r).held, !cases[i].yes);
    rig_pass(r, 24 * HOUR);
    assert_string_equal(question(r), "");                /* and asks no more */
    assert_int_equal(rig_runs(r, "completed"), 2);
    rig_free(r);
  }
}

/* Whoever says yes to what was prolonged meanwhile releases nothing. */
static void test_put_off_while_it_asks(void **state) {
  (void)state;
  rig *r = set_up("fake.set { id = 'a', lease = '1h' }");
  int64_t n;
  start(r, NULL);
  rig_pass(r, MINUTE);
  again(r, 2 * HOUR);
  rig_pass(r, MINUTE);
  assert_has(question(r), "while nobody watched");
  int64_t until = ln_now_ms(r->g.loop->clock) + (int64_t)HOUR;
  assert_true(ln_hold_prolong(&r->g, LN_STR("fake:host:a"), until, LN_STR("bob"), &n, &rig_err));
  answer(r, true);
  assert_string_equal(rig_thing_is(r, "a"), "held");
  rig_pass(r, 2 * HOUR);
  assert_string_equal(rig_thing_is(r, "a"), "absent");
  rig_free(r);
}

/* A lease of so long ends once, whatever dies on the way. */
static bool lease_through_a_death(rig_death death, int64_t at) {
  rig *r = set_up_with("guards = { approve = 'never' },", "fake.once { id = 'a', lease = '1h' }", 92);
  start(r, NULL);
  rig_pass(r, 59 * MINUTE);
  r->kill_at = r->jobs + at;
  r->death = death;
  rig_pass(r, 2 * MINUTE);
  bool died = r->dead;
  if (died) {
    rig_crash(r);
    ln_vfs_sim_power_cut(r->vfs);
    r->kill_at = -1;
    rig_up(r);
    rig_pass(r, HOUR);
    if (question(r)[0]) answer(r, true);                 /* it was over before the next process was there */
    rig_pass(r, HOUR);
  }
  assert_string_equal(rig_thing_is(r, "a"), "absent");
  assert_int_equal(holds(r).held, 0);
  assert_int_equal(rig_runs(r, "running") + rig_runs(r, "waiting"), 0);
  rig_free(r);
  return died;
}

static void test_a_lease_through_every_death(void **state) {
  (void)state;
  for (rig_death d = RIG_BEFORE; d <= RIG_AFTER; d++) {
    int64_t at = 0;
    while (lease_through_a_death(d, at)) at++;
    assert_true(at > 5);
  }
}

/* ------------------------------------------------------------------ a clock that steps */

static const char *waits_for(rig *r) {
  static char what[32];
  const char *p = strstr(rig_doc(r), "\"waiting\":{\"for\":\"");
  if (!p) return "";
  snprintf(what, sizeof what, "%.*s", (int)strcspn(p + 18, "\""), p + 18);
  return what;
}

/* Of runs whose VM is not in memory: one that is has timers of its own, which go by what never steps. */
static void step(rig *r, int64_t ms) {
  again(r, 0);
  rig_pass(r, 1000);
  ln_loop_sim_step(r->g.loop, ms);
  ln_sched_nudge(r->sched);
}

#define SLEEPER                                                                                              \
  "fake.read { id = 'a' }; sleep '8h'; fake.read { id = 'b' }; return fake.set { id = 'a' }.state"

/* Eight hours forward: what was to be in eight hours is read at once, and written in eight hours. */
static void test_forward(void **state) {
  (void)state;
  rig *r = set_up(SLEEPER);
  start(r, NULL);
  rig_pass(r, HOUR);
  step(r, 8 * HOUR);
  rig_pass(r, HOUR);
  assert_int_equal(rig_count(r, "read", NULL), 2);
  assert_int_equal(rig_count(r, "send", NULL), 0);
  assert_string_equal(waits_for(r), "clock");
  rig_pass(r, 5 * HOUR);
  assert_int_equal(rig_count(r, "send", NULL), 0);
  rig_pass(r, 3 * HOUR);
  assert_int_equal(rig_count(r, "send", NULL), 1);
  assert_string_equal(rig_state(r), "completed");
  rig_free(r);
}

/* The clock is set right again: it is as if nothing had been. */
static void test_forward_and_back(void **state) {
  (void)state;
  for (int restart = 0; restart < 2; restart++) {
    rig *r = set_up(SLEEPER);
    start(r, NULL);
    rig_pass(r, HOUR);
    step(r, 10 * HOUR);
    rig_pass(r, 10 * MINUTE);
    if (restart) again(r, 0), rig_pass(r, MINUTE);       /* who comes after it knows of the step */
    assert_string_equal(waits_for(r), "clock");
    ln_loop_sim_step(r->g.loop, -10 * (int64_t)HOUR);
    ln_sched_nudge(r->sched);
    rig_pass(r, 6 * HOUR);
    assert_int_equal(rig_count(r, "send", NULL), 0);
    rig_pass(r, HOUR);
    assert_int_equal(rig_count(r, "send", NULL), 1);
    rig_free(r);
  }
}

/* A second step while the first is lived through is on record, too: who comes after it holds for both. */
static void test_a_step_within_a_step(void **state) {
  (void)state;
  for (int restart = 0; restart < 2; restart++) {
    rig *r = set_up(SLEEPER);
    start(r, NULL);
    rig_pass(r, HOUR);
    step(r, 2 * HOUR);
    rig_pass(r, 30 * MINUTE);
    ln_loop_sim_step(r->g.loop, 8 * HOUR);
    ln_sched_nudge(r->sched);
    rig_pass(r, MINUTE);
    if (restart) again(r, 0), rig_pass(r, MINUTE);
    assert_string_equal(waits_for(r), "clock");
    rig_pass(r, 6 * HOUR);
    assert_int_equal(rig_count(r, "send", NULL), 0);
    rig_pass(r, HOUR);
    assert_int_equal(rig_count(r, "send", NULL), 1);
    rig_free(r);
  }
}

/* Less than five minutes is no step, and what no timer led to is not held. */
static void test_what_is_not_held(void **state) {
  (void)state;
  rig *r = set_up("if input.x then sleep '10m' end; return fake.set { id = input.x or 'b' }.state");
  start(r, "{\"x\":\"a\"}");
  rig_pass(r, MINUTE);
  step(r, 4 * MINUTE);
  rig_pass(r, 6 * MINUTE);
  assert_string_equal(rig_thing_is(r, "a"), "held");
  step(r, 8 * HOUR);
  start(r, NULL);
  rig_pass(r, MINUTE);
  assert_string_equal(rig_thing_is(r, "b"), "held");
  rig_free(r);
}

/* What a person denied before its time had come was no timer, whichever process goes on with it. */
static void test_denied_is_not_in_vain(void **state) {
  (void)state;
  rig *r = set_up("local _, no = try(approve, { title = 'x', expires = '8h' }); sleep '10m';"
                  " fake.set { id = 'a' }; return no.code");
  start(r, NULL);
  rig_pass(r, MINUTE);
  answer(r, false);
  rig_pass(r, MINUTE);
  again(r, MINUTE);
  rig_pass(r, 15 * MINUTE);
  assert_string_equal(rig_result(r), "\"denied\"");
  assert_string_equal(rig_thing_is(r, "a"), "held");
  rig_free(r);
}

/* The clock of the next process is two hours behind the last one's. */
static void test_backwards_at_start(void **state) {
  (void)state;
  rig *r = set_up("sleep '1h'; return fake.set { id = 'a' }.state");
  start(r, NULL);
  rig_pass(r, 30 * MINUTE);
  again(r, -2 * (int64_t)HOUR);
  rig_pass(r, 40 * MINUTE);
  again(r, HOUR);                                        /* and the next is right about the hour, at last */
  rig_pass(r, 5 * MINUTE);
  assert_int_equal(rig_count(r, "send", NULL), 0);
  rig_pass(r, 2 * HOUR);
  assert_int_equal(rig_count(r, "send", NULL), 1);
  rig_free(r);
}

static void test_a_lease_under_a_step(void **state) {
  (void)state;
  rig *r = set_up("fake.set { id = 'a', lease = '1h' }");
  start(r, NULL);
  rig_pass(r, 30 * MINUTE);
  step(r, 8 * HOUR);
  rig_pass(r, 20 * MINUTE);
  assert_string_equal(rig_thing_is(r, "a"), "held");
  assert_int_equal(rig_runs(r, "waiting") + rig_runs(r, "running"), 0);
  rig_pass(r, 20 * MINUTE);
  assert_string_equal(rig_thing_is(r, "a"), "absent");
  rig_free(r);
}

/* A run that a timed one begins is no way round. */
static void test_a_child_under_a_step(void **state) {
  (void)state;
  rig *r = set_up("sleep '8h'; return run_playbook('t.child', {})");
  rig_script(r, "t.child", "local fake = require 'fake'; return playbook { name = 't.child', summary = 'x',"
                           " uses = { 'fake' }, run = function() return fake.set { id = 'a' }.state end }");
  start(r, NULL);
  rig_pass(r, HOUR);
  step(r, 8 * HOUR);
  rig_pass(r, HOUR);
  assert_int_equal(rig_runs(r, "waiting"), 2);
  assert_int_equal(rig_count(r, "send", NULL), 0);
  rig_pass(r, 8 * HOUR);
  assert_int_equal(rig_count(r, "send", NULL), 1);
  assert_int_equal(rig_runs(r, "completed"), 2);
  rig_free(r);
}

/* Between a send whose answer is lost and the next attempt the clock goes back: that changes nothing. */
static void back_at_first(rig *r, ln_effect *e) {
  (void)e;
  r->on_send = NULL;
  ln_loop_sim_step(r->g.loop, -5 * (int64_t)HOUR);
}

static bool others(ln_tx *tx, void *arg, ln_err *err) {
  ln_effect *e = arg;
  ln_hold h = {.run = 99, .step = LN_STR("theirs"), .entity = e->w.entity, .facet = e->w.facet,
               .op = LN_STR("fake.set"), .state = LN_STR("released"), .status = LN_STR("released"),
               .since_ms = 1};
  return ln_tx_hold_begin(tx, &h, err);
}

/* Or the ledger has something of another there: it is looked at again. */
static void changed_at_first(rig *r, ln_effect *e) {
  r->on_send = NULL;
  assert_true(ln_writer_run(r->g.store, others, e, &rig_err));
}

static void test_changed_between_attempts(void **state) {
  (void)state;
  for (int i = 0; i < 4; i++) {
    bool did = i & 1, changed = i & 2;
    rig *r = set_up("return fake.set { id = 'a' }.state");
    r->on_send = changed ? changed_at_first : back_at_first;
    rig_say_(r, "fake.set#1", "send", did ? "lost+" : "lost-");
    start(r, NULL);
    rig_pass(r, HOUR);
    assert_string_equal(rig_state(r), "completed");
    assert_string_equal(rig_thing_is(r, "a"), "held");
    assert_int_equal(rig_count(r, "probe", NULL), changed);
    assert_int_equal(rig_acted(r, NULL), did && !changed ? 2 : 1);
    rig_free(r);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_lease_ends),
                                     cmocka_unit_test(test_a_lease_of_what_was_changed),
                                     cmocka_unit_test(test_the_later_lease_counts),
                                     cmocka_unit_test(test_a_lease_that_was_put_off),
                                     cmocka_unit_test(test_a_lease_that_asks),
                                     cmocka_unit_test(test_put_off_while_it_asks),
                                     cmocka_unit_test(test_a_lease_through_every_death),
                                     cmocka_unit_test(test_forward),
                                     cmocka_unit_test(test_forward_and_back),
                                     cmocka_unit_test(test_what_is_not_held),
                                     cmocka_unit_test(test_denied_is_not_in_vain),
                                     cmocka_unit_test(test_backwards_at_start),
                                     cmocka_unit_test(test_changed_between_attempts),
                                     cmocka_unit_test(test_a_lease_under_a_step),
                                     cmocka_unit_test(test_a_step_within_a_step),
                                     cmocka_unit_test(test_a_child_under_a_step)};
  return cmocka_run_group_tests_name("time", tests, NULL, NULL);
}
