/* engine_undo_test.c: taking back what was done: the last first, only for the last who holds it, only what is
** still as it was set; through crashes, freezes and questions; and never by a script that only says so. */
#include "tests/unit/engine_rig.h"

#include "engine/inside.h"

static rig *set_up_asking(const char *guards, const char *body) {
  rig *r = rig_new(41);
  rig_conf_stdlib(r, guards);
  rig_body(r, body);
  rig_up(r);
  return r;
}

static rig *set_up(const char *body) { return set_up_asking("guards = { approve = \"never\" },", body); }

static char ulid[LN_ULID + 1];

/* Runs t.main to its end; its id is in `ulid`. */
static void live(rig *r) {
  ln_run *run = rig_start(r, "t.main", NULL);
  if (!run) fail_msg("%s", rig_err.message);
  snprintf(ulid, sizeof ulid, "%s", ln_run_ulid(run));
  rig_go(r);
  assert_string_equal(rig_state(r), "completed");
}

static void undo(rig *r) {
  if (!rig_undo(r, ulid)) fail_msg("%s", rig_err.message);
  rig_go(r);
}

/* --- what the ledger has --- */

typedef struct held { char status[16], verdict[16]; int n; bool lifted; } held;

static bool see_hold(void *arg, const ln_hold *h) {
  held *x = arg;
  snprintf(x->status, sizeof x->status, "%.*s", LN_STR_ARG(h->status));
  snprintf(x->verdict, sizeof x->verdict, "%.*s", LN_STR_ARG(h->verdict));
  x->lifted = h->lifted_by[0] != 0;
  x->n++;
  return true;
}

static held hold_of(rig *r, const char *step) {
  held x = {.n = 0};
  if (!ln_store_hold_of(r->g.store, ln_str_of(ulid), ln_str_of(step), see_hold, &x, &rig_err))
    fail_msg("%s", rig_err.message);
  return x;
}

static int open_holds(rig *r) {
  held x = {.n = 0};
  ln_hold_query q = {.run = 0};
  assert_true(ln_store_holds(r->g.store, &q, see_hold, &x, &rig_err));
  return x.n;
}

static char *doc_of(rig *r, const char *run) {
  static char text[1 << 18];
  ln_buf b;
  ln_buf_init(&b, 64 << 20);
  if (!ln_report_json(&r->g, ln_str_of(run), &b, &rig_err)) fail_msg("%s", rig_err.message);
  snprintf(text, sizeof text, "%.*s", LN_STR_ARG(ln_buf_view(&b)));
  ln_buf_free(&b);
  return text;
}

/* Another holder of the same, as a run that is over left it. */
typedef struct holding { const char *entity, *state, *before; } holding;

static bool hold_too(ln_tx *tx, void *arg, ln_err *err) {
  const holding *x = arg;
  ln_hold h = {.run = 999, .step = LN_STR("other#1"), .entity = ln_str_of(x->entity),
               .facet = LN_STR("state"),
               .op = LN_STR("fake.set"), .state = ln_str_of(x->state), .before = ln_str_of(x->before),
               .status = LN_STR("held"), .move = LN_STR("confine"), .since_ms = 1};
  return ln_tx_hold_begin(tx, &h, err);
}

static bool let_go(ln_tx *tx, void *arg, ln_err *err) {
  (void)arg;
  return ln_tx_hold_lift(tx, 999, LN_STR("other#1"), 0, err);
}

static void other_holds(rig *r, const char *entity) {
  holding x = {entity, "held", "absent"};
  if (!ln_writer_run(r->g.store, hold_too, &x, &rig_err)) fail_msg("%s", rig_err.message);
}

/* --- all of it, the last first --- */

static void test_the_last_first(void **state) {
  (void)state;
  rig *r = set_up("fake.set { id = 'a' }; fake.read { id = 'x' }; sleep '1s'; fake.set { id = 'b' };"
                  "fake.note { id = 'c', to = 'seen' }; fake.post { id = 'd' }");
  live(r);
  size_t from = r->n_acts;
  undo(r);
  assert_string_equal(rig_state(r), "completed");
  assert_string_equal(rig_outcome(r), "complete");
  assert_string_equal(rig_result(r), "{\"lifted\":3,\"of\":3}");
  const char *order = "";
  for (size_t i = from; i < r->n_acts; i++)
    if (strcmp(r->acts[i].phase, "send") == 0) {
      if (!*order) assert_string_equal(r->acts[i].id, "c");
      order = r->acts[i].id;
    }
  assert_string_equal(order, "a");
  for (const char *id = "abc"; *id; id++) assert_string_equal(rig_thing_is(r, (char[]){*id, 0}), "absent");
  assert_int_equal(open_holds(r), 0);
  assert_true(hold_of(r, "fake.set#1").lifted);
  const char *doc = doc_of(r, ulid);
  assert_has(doc, "\"name\":\"fake.set#1\",\"seq\":1,\"op\":\"fake.set\",\"class\":\"write\","
                  "\"state\":\"undone\"");
  assert_has(doc, "\"op\":\"fake.post\",\"class\":\"write\",\"state\":\"done\""); /* nothing takes it back */
  assert_has(doc, "\"status\":\"released\"");
  rig_free(r);
}

static void test_twice(void **state) {
  (void)state;
  rig *r = set_up("fake.set { id = 'a' }");
  live(r);
  undo(r);
  int acted = rig_acted(r, NULL);
  undo(r);
  assert_string_equal(rig_state(r), "completed");
  assert_string_equal(rig_result(r), "{\"lifted\":0,\"of\":0}");
  assert_int_equal(rig_acted(r, NULL), acted);
  if (!rig_undo(r, "last")) fail_msg("%s", rig_err.message); /* an undo has nothing to be undone */
  rig_go(r);
  assert_string_equal(rig_result(r), "{\"lifted\":0,\"of\":0}");
  assert_int_equal(rig_acted(r, NULL), acted);
  rig_free(r);
}

static void test_what_its_children_did(void **state) {
  (void)state;
  rig *r = set_up("run_playbook('t.child', {}); fake.set { id = 'a' }");
  rig_script(r, "t.child",
             "local fake = require 'fake' return playbook { name = 't.child', summary = 's',"
             " uses = { 'fake' }, run = function() fake.set { id = 'c' } end }");
  live(r);
  assert_int_equal(open_holds(r), 2);
  undo(r);
  assert_string_equal(rig_result(r), "{\"lifted\":2,\"of\":2}");
  assert_string_equal(rig_thing_is(r, "c"), "absent");
  rig_free(r);
}

static void test_one_that_has_not_ended(void **state) {
  (void)state;
  rig *r = set_up("fake.set { id = 'a' }; approve { title = 'go on?' }");
  ln_run *run = rig_start(r, "t.main", NULL);
  rig_go(r);
  assert_null(rig_undo(r, ln_run_ulid(run)));
  assert_has(rig_err.message, "has not ended: lunette cancel");
  assert_string_equal(rig_thing_is(r, "a"), "held");
  rig_free(r);
}

/* --- who else holds it --- */

static void test_the_last_holder(void **state) {
  (void)state;
  rig *r = set_up("fake.set { id = 'a' }");
  live(r);
  other_holds(r, "fake:host:a");
  int sends = rig_count(r, "send", NULL);
  undo(r);
  assert_string_equal(rig_outcome(r), "complete");
  assert_int_equal(rig_count(r, "send", NULL), sends);     /* no call */
  assert_string_equal(rig_thing_is(r, "a"), "held");
  assert_string_equal(hold_of(r, "fake.set#1").status, "released");
  assert_has(doc_of(r, ulid), "\"state\":\"undone\"");
  assert_int_equal(open_holds(r), 1);                      /* the other's */
  rig_free(r);
}

static const char hard[] =
    "local fake = require 'fake' return playbook { name = 't.hard', summary = 's', uses = { 'fake' },"
    " input = { verdict = 'string' }, run = function() fake.set { id = 'a' } end }";

/* While people are asked somebody else comes to hold it, or lets go of it. */
static void test_holders_that_come_and_go(void **state) {
  (void)state;
  for (int comes = 0; comes < 2; comes++) {
    rig *r = set_up("stage('t.hard', { verdict = 'malicious' })");
    rig_script(r, "t.hard", hard);
    live(r);
    other_holds(r, "fake:host:a");
    if (comes) assert_true(ln_writer_run(r->g.store, let_go, NULL, &rig_err));
    undo(r);
    if (!comes) {                                          /* there is nothing to ask about */
      assert_string_equal(rig_state(r), "completed");
      assert_string_equal(rig_thing_is(r, "a"), "held");
    } else {
      assert_string_equal(rig_state(r), "running");        /* it asks */
      other_holds(r, "fake:host:a");
      assert_true(rig_approve(r, 0, true, "bob"));
      rig_go(r);
      assert_string_equal(rig_state(r), "completed");
      assert_string_equal(rig_thing_is(r, "a"), "held");
      assert_string_equal(hold_of(r, "hard/fake.set#1").status, "released");
    }
    rig_free(r);
  }
}

/* Between the look and the intent: the transaction has the last word. */
static bool came;

static void come_between(void *arg) {
  rig *r = arg;
  came = rig_count(r, "look", "fake.free#1") == 1 && !rig_count(r, "send", "fake.free#1");
  if (came) other_holds(r, "fake:host:a");
}

static void test_one_that_comes_at_the_last_moment(void **state) {
  (void)state;
  int stayed = 0;
  for (int ms = 0; ms < 60; ms += 2) {
    rig *r = set_up("fake.set { id = 'a' }");
    ln_timer t = {.fn = come_between, .arg = r};
    live(r);
    came = false;
    if (!rig_undo(r, ulid)) fail_msg("%s", rig_err.message);
    r->g.loop->timer(r->g.loop, &t, ms);
    rig_go(r);
    r->g.loop->cancel(r->g.loop, &t);
    assert_string_equal(rig_state(r), "completed");
    if (came && !rig_count(r, "send", "fake.free#1")) stayed++;
    if (!came) assert_string_equal(rig_thing_is(r, "a"), "absent");
    assert_string_equal(hold_of(r, "fake.set#1").status, "released");
    rig_free(r);
  }
  assert_true(stayed > 0);
}

/* --- what is not as it was set --- */

static void test_changed_by_hand(void **state) {
  (void)state;
  rig *r = set_up("fake.set { id = 'a' }; fake.set { id = 'b' }");
  live(r);
  rig_thing_set(r, "a", "moved");
  undo(r);
  assert_string_equal(rig_outcome(r), "partial");
  assert_has(rig_doc(r), "somebody has changed it since, and it stays so");
  assert_string_equal(rig_thing_is(r, "a"), "moved");
  assert_string_equal(rig_thing_is(r, "b"), "absent");
  held h = hold_of(r, "fake.set#1");
  assert_string_equal(h.status, "released");               /* it is not ours any more */
  assert_false(h.lifted);
  const char *undone = strstr(doc_of(r, ulid), "\"state\":\"undone\"");
  assert_non_null(undone);
  assert_null(strstr(undone + 1, "\"state\":\"undone\"")); /* b alone */
  rig_free(r);
}

static void test_taken_back_by_hand(void **state) {
  (void)state;
  rig *r = set_up("fake.set { id = 'a' }");
  live(r);
  rig_thing_set(r, "a", "absent");
  int sends = rig_count(r, "send", NULL);
  undo(r);
  assert_string_equal(rig_outcome(r), "complete");
  assert_int_equal(rig_count(r, "send", NULL), sends);
  assert_string_equal(hold_of(r, "fake.set#1").status, "released");
  rig_free(r);
}

static void test_what_was_so_before(void **state) {
  (void)state;
  rig *r = set_up("fake.set { id = 'a' }");
  rig_thing_set(r, "a", "held");
  live(r);
  undo(r);
  assert_string_equal(rig_state(r), "completed");
  assert_string_equal(rig_thing_is(r, "a"), "held");
  assert_int_equal(rig_count(r, "send", NULL), 0);
  rig_free(r);
}

/* The vendor has accepted it, and not confirmed it: it may come yet. */
static void test_what_is_not_finished(void **state) {
  (void)state;
  rig *r = set_up("local v, e = try(fake.itask, { id = 'a', wait = '1s' }); return e.code");
  rig_say_(r, "fake.itask#1", "send", "did-");
  for (int i = 0; i < 5; i++) rig_say_(r, "fake.itask#1", "follow", "wait wait wait wait wait wait");
  live(r);
  assert_string_equal(rig_result(r), "\"pending\"");
  rig_thing_set(r, "a", "absent");
  int sends = rig_count(r, "send", NULL);
  undo(r);
  assert_string_equal(rig_outcome(r), "nothing");
  assert_has(rig_doc(r), "is not finished: take it back when it is");
  assert_string_equal(hold_of(r, "fake.itask#1").status, "pending");
  assert_int_equal(rig_count(r, "send", NULL), sends);
  rig_thing_set(r, "a", "held");
  undo(r);
  assert_string_equal(rig_outcome(r), "complete");
  assert_string_equal(rig_thing_is(r, "a"), "absent");
  assert_string_equal(hold_of(r, "fake.itask#1").status, "released");
  rig_free(r);
}

static void test_a_state_that_cannot_be_told(void **state) {
  (void)state;
  rig *r = set_up("fake.set { id = 'a' }");
  live(r);
  rig_say_(r, "fake.free#1", "look", "=");
  undo(r);
  assert_string_equal(rig_outcome(r), "nothing");
  assert_has(rig_doc(r), "cannot be told");
  assert_string_equal(rig_thing_is(r, "a"), "held");
  assert_string_equal(hold_of(r, "fake.set#1").status, "held"); /* and can be tried again */
  undo(r);
  assert_string_equal(rig_outcome(r), "complete");
  rig_free(r);
}

/* --- crashes --- */

static void check_undone(rig *r) {
  assert_string_equal(rig_state(r), "completed");
  assert_string_equal(rig_result(r), "{\"lifted\":2,\"of\":2}");
  for (const char *id = "ab"; *id; id++) assert_string_equal(rig_thing_is(r, (char[]){*id, 0}), "absent");
  assert_int_equal(rig_acted(r, "fake.free#1") + rig_acted(r, "fake.free#2"), 2);
  assert_int_equal(open_holds(r), 0);
  assert_true(hold_of(r, "fake.set#1").lifted && hold_of(r, "fake.set#2").lifted);
}

/* Dies at the undo's k-th job; false: it had fewer. */
static bool die_at(int k, rig_death death) {
  char input[64];
  rig *r = set_up("fake.set { id = 'a' }; fake.set { id = 'b' }");
  live(r);
  rig_down(r);
  rig_up(r);
  int life = r->life;
  r->kill_at = k;
  r->death = death;
  snprintf(input, sizeof input, "{\"run\":\"%s\"}", ulid);
  rig_carry(r, "ledger.undo", input);
  bool died = r->life > life;
  if (strstr(rig_doc(r), "\"playbook\":\"t.main\"")) {     /* its row was never written */
    r->kill_at = -1;
    rig_carry(r, "ledger.undo", input);
  }
  check_undone(r);
  rig_free(r);
  return died;
}

static void test_dies_at_every_job(void **state) {
  (void)state;
  int most = 0;
  for (int death = RIG_BEFORE; death <= RIG_AFTER; death++)
    for (int k = 0; die_at(k, (rig_death)death); k++) most = k > most ? k : most;
  assert_true(most > 5);
}

static void test_dies_at_the_send(void **state) {
  (void)state;
  static const char *const deaths[] = {"die-", "die+", "lost-", "lost+"};
  for (size_t i = 0; i < 4; i++) {
    char input[64];
    rig *r = set_up("fake.set { id = 'a' }; fake.set { id = 'b' }");
    live(r);
    rig_down(r);
    rig_say_(r, "fake.free#1", "send", deaths[i]);
    snprintf(input, sizeof input, "{\"run\":\"%s\"}", ulid);
    rig_carry(r, "ledger.undo", input);
    assert_string_equal(rig_state(r), "completed");
    assert_string_equal(rig_thing_is(r, "b"), "absent");
    assert_int_equal(open_holds(r), 0);
    assert_true(hold_of(r, "fake.set#2").lifted);
    rig_free(r);
  }
}

/* --- freeze --- */

static bool freeze(ln_tx *tx, void *arg, ln_err *err) {
  (void)arg;
  return ln_tx_freeze(tx, LN_STR(""), LN_STR("drill"), LN_STR("bob"), 1, err);
}

static void test_frozen(void **state) {
  (void)state;
  rig *r = set_up("fake.set { id = 'a' }");
  live(r);
  assert_true(ln_writer_run(r->g.store, freeze, NULL, &rig_err));
  if (!rig_undo(r, ulid)) fail_msg("%s", rig_err.message);
  rig_pass(r, 20000);
  assert_string_equal(rig_thing_is(r, "a"), "held");
  rig_down(r);
  rig_up(r);
  r->options.despite_freeze = true;
  rig_say_(r, "fake.free#1", "send", "die-");
  if (!rig_undo(r, ulid)) fail_msg("%s", rig_err.message);
  rig_go(r);
  assert_true(r->dead);
  rig_down(r);
  r->options.despite_freeze = false; /* the run knows it by itself */
  rig_up(r);
  if (!rig_resume(r, "last")) fail_msg("%s", rig_err.message);
  rig_go(r);
  assert_string_equal(rig_state(r), "completed");
  assert_string_equal(rig_thing_is(r, "a"), "absent");
  rig_free(r);
}

/* --- people --- */

static void test_a_malicious_verdict_asks(void **state) {
  (void)state;
  static const struct { const char *verdict; bool asks, yes; } cases[] = {
      {"malicious", true, true}, {"malicious", true, false}, {"suspicious", false, true}};
  for (size_t i = 0; i < 3; i++) {
    char body[128];
    snprintf(body, sizeof body, "stage('t.hard', { verdict = '%s' })", cases[i].verdict);
    rig *r = set_up(body);
    rig_script(r, "t.hard", hard);
    live(r);
    assert_string_equal(hold_of(r, "hard/fake.set#1").verdict, cases[i].asks ? "malicious" : "");
    undo(r);
    assert_int_equal(strcmp(rig_state(r), "completed") != 0, cases[i].asks);
    if (cases[i].asks) {
      assert_string_equal(rig_thing_is(r, "a"), "held");
      assert_false(rig_approve(r, 1, true, "alice"));      /* who started it */
      assert_true(rig_approve(r, 0, cases[i].yes, "bob"));
      rig_go(r);
    }
    assert_string_equal(rig_thing_is(r, "a"), cases[i].yes ? "absent" : "held");
    assert_string_equal(rig_state(r), cases[i].yes ? "completed" : "failed");
    rig_free(r);
  }
}

/* By default everything destructive asks; giving back is not. */
static void test_giving_back_is_not_destructive(void **state) {
  (void)state;
  rig *r = set_up_asking("guards = { unasked = { \"fake.set\" } },", "fake.set { id = 'a' }");
  live(r);
  undo(r);
  assert_string_equal(rig_state(r), "completed");
  assert_string_equal(rig_thing_is(r, "a"), "absent");
  rig_free(r);
}

/* --- scripts that only say so --- */

static void test_what_is_no_undo(void **state) {
  (void)state;
  static const struct { const char *call, *why; } tries[] = {
      {"fake.free { id = 'b', lifts = { run = input.x, step = 'fake.set#1' } }", "does not take back"},
      {"fake.set { id = 'a', to = 'worse', lifts = { run = input.x, step = 'fake.set#1' } }",
       "does not take back"},
      {"fake.free { id = 'a', lifts = { run = input.x, step = 'fake.set#9' } }", "nothing in the ledger"},
      {"fake.free { id = 'a', lifts = { run = input.x } }", "names a hold"},
      {"fake.free { id = 'a', lifts = 1 }", "names a hold"},
      {"fake.read { id = 'a', lifts = { run = input.x, step = 'fake.set#1' } }", "is for writes"}};
  for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
    char body[512], input[64];
    rig *r = set_up("fake.set { id = 'a' }");
    live(r);
    snprintf(body, sizeof body, "local v, e = try(function() return %s end); return e.message",
             tries[i].call);
    rig_body(r, body);
    rig_down(r);
    rig_up(r);
    snprintf(input, sizeof input, "{\"x\":\"%s\"}", ulid);
    if (!rig_start(r, "t.main", input)) fail_msg("%s", rig_err.message);
    rig_go(r);
    assert_has(rig_result(r), tries[i].why);
    assert_string_equal(rig_thing_is(r, "a"), "held");
    assert_string_equal(rig_thing_is(r, "b"), "absent");
    assert_int_equal(rig_count(r, "send", NULL), 1);
    rig_free(r);
  }
}

static void test_lifting_is_granted(void **state) {
  (void)state;
  rig *r = set_up("fake.set { id = 'a' }");
  rig_script(r, "t.sly",
             "local ledger = require 'ledger' return playbook { name = 't.sly', summary = 's', uses = {},"
             " run = function() ledger.lift(ledger.holds { entity = 'fake:host:a' }[1]) end }");
  live(r);
  if (!rig_start(r, "t.sly", NULL)) fail_msg("%s", rig_err.message);
  rig_go(r);
  assert_has(rig_error(r), "is not in `uses`");
  assert_string_equal(rig_thing_is(r, "a"), "held");
  rig_free(r);
}

/* What nobody can say has happened is a person's to settle first. */
static void test_in_doubt(void **state) {
  (void)state;
  rig *r = set_up("fake.blind { id = 'w' }; fake.set { id = 'a' }");
  rig_say_(r, "fake.blind#1", "send", "lost+");
  ln_run *run = rig_start(r, "t.main", NULL);
  snprintf(ulid, sizeof ulid, "%s", ln_run_ulid(run));
  rig_go(r);
  assert_null(rig_undo(r, ulid));
  assert_has(rig_err.message, "has not ended");
  rig_free(r);
}

/* --- release, hold --- */

static void test_release(void **state) {
  (void)state;
  rig *r = set_up("fake.set { id = 'Ws-1' }; fake.set { id = 'b' }");
  live(r);
  assert_null(rig_release(r, "ws-1", " "));
  assert_null(rig_release(r, "nobody", "clean"));
  assert_has(rig_err.message, "nothing called nobody is held");
  if (!rig_release(r, "WS-1", "clean")) fail_msg("%s", rig_err.message);
  rig_go(r);
  assert_string_equal(rig_state(r), "completed");
  assert_string_equal(rig_thing_is(r, "Ws-1"), "absent");
  assert_string_equal(rig_thing_is(r, "b"), "held");
  assert_string_equal(hold_of(r, "fake.set#1").status, "released");
  rig_free(r);
}

/* As a lease ends: one hold, whatever else there is of its entity. */
static void test_release_of_one_hold(void **state) {
  (void)state;
  ln_release what = {.step = LN_STR("fake.set#1"), .why = LN_STR("its lease is over")};
  rig *r = set_up("fake.set { id = 'a' }; fake.set { id = 'b' }");
  ln_run_options o = {.event = NULL};
  live(r);
  what.run = ln_str_of(ulid);
  ln_run *run = ln_release_start(&r->g, &what, &o, LN_STR("lease"), &rig_err);
  if (!run) fail_msg("%s", rig_err.message);
  rig_pass(r, 10000);
  assert_string_equal(rig_state(r), "completed");
  assert_has(rig_doc(r), "\"why\":\"its lease is over\"");
  assert_string_equal(rig_thing_is(r, "a"), "absent");
  assert_string_equal(rig_thing_is(r, "b"), "held");
  what.step = LN_STR("fake.set#7");
  assert_null(ln_release_start(&r->g, &what, &o, LN_STR("lease"), &rig_err));
  assert_string_equal(rig_err.code, "not_found");
  ln_run_close(run);
  rig_free(r);
}

static void test_a_name_of_several(void **state) {
  (void)state;
  rig *r = set_up("fake.set { id = 'a' }");
  live(r);
  other_holds(r, "other:host:a");                          /* another vendor's: the same host */
  ln_run *run = rig_release(r, "a", "clean");
  if (!run) fail_msg("%s", rig_err.message);
  rig_go(r);
  assert_string_equal(rig_state(r), "completed");
  rig_free(r);
  r = set_up("fake.set { id = 'a' }");
  live(r);
  other_holds(r, "other:user:a");
  assert_null(rig_release(r, "a", "clean"));
  assert_string_equal(rig_err.code, "ambiguous");
  assert_has(rig_err.message, "fake:host:a, other:user:a");
  if (!rig_release(r, "fake:host:a", "clean")) fail_msg("%s", rig_err.message);
  rig_go(r);
  assert_string_equal(rig_thing_is(r, "a"), "absent");
  rig_free(r);
}

static void test_hold(void **state) {
  (void)state;
  int64_t n = 0, now;
  rig *r = set_up("fake.set { id = 'a', lease = '8h' }; fake.set { id = 'b' }");
  live(r);
  now = ln_now_ms(r->g.loop->clock);
  assert_false(ln_hold_prolong(&r->g, LN_STR("a"), now + 3600000, LN_STR("alice"), &n, &rig_err));
  assert_has(rig_err.message, "already");
  assert_false(ln_hold_prolong(&r->g, LN_STR("b"), now + 3600000, LN_STR("alice"), &n, &rig_err));
  assert_has(rig_err.message, "no lease");
  assert_true(ln_hold_prolong(&r->g, LN_STR("A"), now + 24 * 3600000, LN_STR("alice"), &n, &rig_err));
  assert_int_equal(n, 1);
  assert_false(ln_hold_prolong(&r->g, LN_STR("a"), now + 12 * 3600000, LN_STR("alice"), &n, &rig_err));
  rig_free(r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_the_last_first),
      cmocka_unit_test(test_twice),
      cmocka_unit_test(test_what_its_children_did),
      cmocka_unit_test(test_one_that_has_not_ended),
      cmocka_unit_test(test_the_last_holder),
      cmocka_unit_test(test_holders_that_come_and_go),
      cmocka_unit_test(test_one_that_comes_at_the_last_moment),
      cmocka_unit_test(test_changed_by_hand),
      cmocka_unit_test(test_taken_back_by_hand),
      cmocka_unit_test(test_what_was_so_before),
      cmocka_unit_test(test_what_is_not_finished),
      cmocka_unit_test(test_a_state_that_cannot_be_told),
      cmocka_unit_test(test_dies_at_every_job),
      cmocka_unit_test(test_dies_at_the_send),
      cmocka_unit_test(test_frozen),
      cmocka_unit_test(test_a_malicious_verdict_asks),
      cmocka_unit_test(test_giving_back_is_not_destructive),
      cmocka_unit_test(test_what_is_no_undo),
      cmocka_unit_test(test_lifting_is_granted),
      cmocka_unit_test(test_in_doubt),
      cmocka_unit_test(test_release),
      cmocka_unit_test(test_release_of_one_hold),
      cmocka_unit_test(test_a_name_of_several),
      cmocka_unit_test(test_hold)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
