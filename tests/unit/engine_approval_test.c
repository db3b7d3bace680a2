/* engine_approval_test.c: what people are asked, what their answer permits, and for how long. */
#include "tests/unit/engine_rig.h"

#include "engine/inside.h"

static rig *set_up(const char *conf, const char *body) {
  rig *r = rig_new(31);
  rig_conf(r, conf);
  rig_body(r, body);
  return r;
}

typedef struct rows {
  int n, waiting, lapsed;
  char kind[16][16], title[16][128], state[16][16];
  int64_t id[16];
  size_t effects[16];
} rows;

static size_t count(ln_str list) {
  ln_vitem v, one;
  size_t n = 0;
  if (!ln_v_read(&list, &v)) return 0;
  while (v.body.n && ln_v_read(&v.body, &one)) n++;
  return n;
}

static bool see(void *arg, const ln_approval *a) {
  rows *w = arg;
  snprintf(w->kind[w->n], 16, "%.*s", LN_STR_ARG(a->kind));
  snprintf(w->title[w->n], 128, "%.*s", LN_STR_ARG(a->title));
  snprintf(w->state[w->n], 16, "%.*s", LN_STR_ARG(a->state));
  w->id[w->n] = a->id;
  w->effects[w->n] = a->effects.n ? count(a->effects) : 0;
  w->waiting += ln_str_eq(a->state, LN_STR("waiting"));
  w->lapsed += ln_str_eq(a->state, LN_STR("lapsed"));
  return ++w->n < 16;
}

static rows questions(rig *r) {
  rows w = {.n = 0};
  assert_true(ln_store_approvals(r->g.store, 0, false, see, &w, &rig_err));
  return w;
}

/* --- the core's own question --- */

static void test_a_destructive_write_is_asked(void **state) {
  (void)state;
  rig *r = set_up("", "return { fake.set { id = 'a' }.state, fake.note { id = 'n' }.state }");
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  assert_int_equal(rig_count(r, "send", NULL), 0);
  rows w = questions(r);
  assert_int_equal(w.n, 1);
  assert_string_equal(w.kind[0], "write");
  assert_int_equal(w.effects[0], 1);
  assert_true(rig_approve(r, w.id[0], true, "bob"));
  assert_string_equal(rig_live(r, NULL, NULL), "end");
  assert_string_equal(rig_result(r), "[\"held\",\"held\"]"); /* a note is not asked */
  rig_free(r);
}

static void test_denied(void **state) {
  (void)state;
  rig *r = set_up("", "local v, e = try(fake.set, { id = 'a' }); return e.code");
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  assert_true(rig_approve(r, 1, false, "bob"));
  assert_string_equal(rig_live(r, NULL, NULL), "end");
  assert_string_equal(rig_result(r), "\"denied\"");
  assert_has(rig_doc(r), "\"state\":\"refused\"");
  assert_int_equal(rig_count(r, "send", NULL), 0);
  rig_free(r);
}

static void expires(const char *body, int64_t hours) {
  rig *r = set_up("", body);
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  r->told[0][0] = 0;
  rig_go(r);
  assert_string_equal(r->told[0], "end");
  assert_string_equal(rig_result(r), "\"expired\"");
  assert_true(ln_now_ms(r->g.loop->clock) >= r->now_ms + hours * 3600000);
  assert_string_equal(questions(r).state[0], "expired");
  rig_free(r);
}

static void test_expired(void **state) {
  (void)state;
  expires("local v, e = try(fake.set, { id = 'a' }); return e.code", 8);
  expires("local v, e = try(approve, { title = 'x', expires = '2h' }); return e.code", 2);
}

/* The time that is left goes on while nobody runs it. */
static void test_expired_while_nobody_ran_it(void **state) {
  (void)state;
  rig *r = set_up("", "local v, e = try(fake.set, { id = 'a' }); return e.code");
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  r->gap_ms = 9 * 3600000;
  rig_down(r);
  rig_up(r);
  assert_non_null(rig_resume(r, NULL));
  assert_string_equal(rig_live(r, NULL, NULL), "end");
  assert_string_equal(rig_result(r), "\"expired\"");
  rig_free(r);
}

static void test_unasked_and_servers(void **state) {
  (void)state;
  rig *r =
      set_up("guards = { unasked = { 'fake.set' } },", "fake.set { id = 'a' }; fake.set { id = 'srv-1' }");
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  assert_int_equal(rig_acted(r, "fake.set#1"), 1);
  assert_int_equal(rig_acted(r, "fake.set#2"), 0); /* a server is asked by name, always */
  assert_has(rig_doc(r), "srv-1");
  rig_free(r);
}

static void test_writes_ask(void **state) {
  (void)state;
  rig *r = set_up("guards = { approve = 'never' },", "fake.post { id = 'a' }");
  r->writes = "ask";
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  assert_true(rig_approve(r, 0, true, "bob"));
  assert_string_equal(rig_live(r, NULL, NULL), "end");
  assert_int_equal(rig_acted(r, NULL), 1);
  rig_free(r);
}

static void test_writes_never(void **state) {
  (void)state;
  rig *r = set_up("", "local v, e = try(fake.post, { id = 'a' }); return { e.code, e.rule, e.message }");
  r->writes = "never";
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  assert_has(rig_result(r), "refused");
  assert_has(rig_result(r), "--plan");
  assert_int_equal(rig_count(r, "look", NULL) + rig_count(r, "send", NULL), 0);
  rig_free(r);
}

/* --- many at once are one question --- */

static void test_one_question_in_a_map(void **state) {
  (void)state;
  rig *r = set_up("", "return all_ok(map({ 'a', 'b', 'c', 'd' }, function(id) return fake.set { id = id } "
                      "end, { concurrency = 3 }))");
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  rows w = questions(r);
  assert_int_equal(w.n, 1);
  assert_int_equal(w.effects[0], 3);
  assert_true(rig_approve(r, 1, true, "bob"));
  assert_string_equal(rig_live(r, NULL, NULL), "waiting"); /* the fourth had not been looked at */
  assert_true(rig_approve(r, 2, true, "bob"));
  assert_string_equal(rig_live(r, NULL, NULL), "end");
  assert_int_equal(rig_acted(r, NULL), 4);
  assert_int_equal(questions(r).n, 2);
  rig_free(r);
}

static void test_one_denial_in_a_map(void **state) {
  (void)state;
  rig *r = set_up("", "local out = {}; for i, o in ipairs(map({ 'a', 'b' }, function(id) return fake.set { "
                      "id = id } end)) do out[i] = o.error.code end; return out");
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  assert_true(rig_approve(r, 1, false, "bob"));
  assert_string_equal(rig_live(r, NULL, NULL), "end");
  assert_string_equal(rig_result(r), "[\"denied\",\"denied\"]");
  rig_free(r);
}

/* --- who may --- */

static void test_four_eyes(void **state) {
  (void)state;
  rig *r = set_up("", "fake.set { id = 'a' }");
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  assert_false(rig_approve(r, 1, true, "alice")); /* she started it */
  assert_string_equal(rig_err.code, "denied");
  assert_true(rig_approve(r, 1, false, "alice")); /* a no is anybody's */
  rig_free(r);
}

static void test_self_interactive(void **state) {
  (void)state;
  rig *r = set_up("approvals = { self = 'interactive' },", "fake.set { id = 'a' }");
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  assert_false(rig_approve(r, 1, true, "alice"));
  assert_true(ln_approval_decide(&r->g, 1, true, LN_STR("alice"), (ln_str){NULL, 0}, (ln_str){NULL, 0}, true,
                                 &rig_err));
  r->told[0][0] = 0;
  rig_go(r);
  assert_string_equal(rig_state(r), "completed");
  rig_free(r);
}

static void test_quorum(void **state) {
  (void)state;
  rig *r = set_up("", "return approve { title = 'two', quorum = 2 }.by");
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  assert_true(rig_approve(r, 1, true, "bob"));
  assert_false(rig_approve(r, 1, true, "bob"));
  assert_string_equal(rig_err.code, "conflict");
  assert_int_equal(questions(r).waiting, 1);
  assert_true(rig_approve(r, 1, true, "carol"));
  assert_string_equal(rig_live(r, NULL, NULL), "end");
  assert_string_equal(rig_result(r), "\"bob, carol\"");
  rig_free(r);
}

static void test_ask_is_data(void **state) {
  (void)state;
  rig *r = set_up("", "local a = ask { title = 'which?', options = { 'x', 'y' } }; fake.set { id = a.answer "
                      "}; return a.answer");
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  for (const char *const *no = (const char *const[]){"", "z", "X", NULL}; *no; no++) {
    assert_false(ln_approval_decide(&r->g, 1, true, LN_STR("bob"), (ln_str){NULL, 0}, ln_str_of(*no), false,
                                    &rig_err));
    assert_string_equal(rig_err.code, "usage");
  }
  assert_true(
      ln_approval_decide(&r->g, 1, true, LN_STR("bob"), (ln_str){NULL, 0}, LN_STR("y"), false, &rig_err));
  r->told[0][0] = 0;
  rig_go(r);
  assert_string_equal(r->told[0], "waiting"); /* it permits no write */
  assert_string_equal(questions(r).kind[1], "write");
  rig_free(r);
}

static void test_approve_permits_nothing(void **state) {
  (void)state;
  rig *r = set_up("", "approve { title = 'may I?' }; fake.set { id = 'a' }");
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  assert_true(rig_approve(r, 1, true, "bob"));
  assert_string_equal(rig_live(r, NULL, NULL), "waiting");
  assert_int_equal(rig_count(r, "send", NULL), 0);
  rig_free(r);
}

static void test_with_the_command(void **state) {
  (void)state;
  rig *r = set_up("", "local a = approve { title = 'x' }; fake.set { id = 'a' }; return a.by");
  r->options.approve = LN_APPROVE_ALL;
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  assert_has(rig_result(r), "--approve all");
  assert_int_equal(rig_acted(r, NULL), 1);
  rig_free(r);
  r = set_up("", "return ask { title = 'which?' }.answer");
  r->options.approve = LN_APPROVE_ALL;
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting"); /* a yes is no answer */
  rig_free(r);
  r = set_up("", "local v, e = try(approve, { title = 'x' }); local w, f = try(fake.set, { id = 'a' }); "
                 "return { e.code, f.code }");
  r->options.approve = LN_APPROVE_DENY;
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  assert_string_equal(rig_result(r), "[\"denied\",\"denied\"]");
  rig_free(r);
}

/* --- approved: a digest of effects --- */

#define TWO "approved({ title = 'two' }, function() fake.set { id = 'a' }; fake.set { id = 'b' } end);"

static void test_approved(void **state) {
  (void)state;
  rig *r = set_up("", TWO "return 1");
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  assert_int_equal(rig_count(r, "send", NULL), 0);
  rows w = questions(r);
  assert_string_equal(w.kind[0], "approved");
  assert_int_equal(w.effects[0], 2);
  assert_true(rig_approve(r, 1, true, "bob"));
  assert_string_equal(rig_live(r, NULL, NULL), "end");
  assert_int_equal(rig_acted(r, NULL), 2);
  assert_int_equal(questions(r).n, 1);
  assert_lacks(rig_doc(r), "\"name\":\"approved?/fake.set"); /* what was tried out is no step */
  rig_free(r);
}

static void test_approved_asks_nobody_without_writes(void **state) {
  (void)state;
  rig *r = set_up("", "return approved({ title = 'none' }, function() return fake.read { id = 'a' }.id end)");
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  assert_string_equal(rig_result(r), "\"a\"");
  assert_int_equal(questions(r).n, 0);
  rig_free(r);
  r = set_up("",
             "return approved({ title = 'so already' }, function() return fake.set { id = 'a' }.state end)");
  rig_thing_set(r, "a", "held");
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  assert_string_equal(rig_result(r), "\"held\"");
  assert_int_equal(questions(r).n, 0);
  rig_free(r);
}

static void test_approved_denied(void **state) {
  (void)state;
  rig *r = set_up(
      "", "local v, e = try(approved, { title = 'x' }, function() fake.set { id = 'a' } end); return e.code");
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  assert_true(rig_approve(r, 1, false, "bob"));
  assert_string_equal(rig_live(r, NULL, NULL), "end");
  assert_string_equal(rig_result(r), "\"denied\"");
  rig_free(r);
}

/* Each use takes one; what is outside asks by itself. */
static void test_a_permit_is_used_once(void **state) {
  (void)state;
  rig *r = set_up(
      "", "local planning = true; approved({ title = 'one' }, function() fake.set { id = 'a' };"
          " if not planning then fake.free { id = 'a' }; fake.set { id = 'a' } end; planning = false end)");
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  assert_true(rig_approve(r, 1, true, "bob"));
  assert_string_equal(rig_live(r, NULL, NULL), "waiting");
  assert_int_equal(rig_acted(r, NULL), 1);
  assert_has(questions(r).title[1], "fake.free");
  assert_true(rig_approve(r, 2, true, "bob"));
  assert_string_equal(rig_live(r, NULL, NULL), "waiting");
  assert_int_equal(rig_acted(r, NULL), 2);
  assert_true(rig_approve(r, 3, true, "bob"));
  assert_string_equal(rig_live(r, NULL, NULL), "end");
  assert_int_equal(rig_acted(r, NULL), 3);
  rig_free(r);
}

/* The writes of one permit may build on each other. */
static void test_a_permit_for_writes_of_one_thing(void **state) {
  (void)state;
  rig *r = set_up("", "approved({ title = 'both' }, function() fake.set { id = 'a', to = 'one' }; fake.set { "
                      "id = 'a', to = 'two' } end)");
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  assert_true(rig_approve(r, 1, true, "bob"));
  assert_string_equal(rig_live(r, NULL, NULL), "end");
  assert_string_equal(rig_thing_is(r, "a"), "two");
  assert_int_equal(questions(r).n, 1);
  rig_free(r);
}

/* --- the world moves on between the question and the answer --- */

static void moved_on(const char *body, const char *by_now, int sends_then) {
  rig *r = set_up("", body);
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  rig_thing_set(r, "a", by_now);
  assert_true(rig_approve(r, 0, true, "bob"));
  const char *told = rig_live(r, NULL, NULL);
  assert_string_equal(told, sends_then ? "waiting" : "end");
  assert_int_equal(rig_count(r, "send", NULL), 0);
  if (sends_then) {
    assert_int_equal(questions(r).n, 2);
    assert_true(rig_approve(r, 0, true, "bob"));
    assert_string_equal(rig_live(r, NULL, NULL), "end");
  }
  assert_int_equal(rig_acted(r, NULL), sends_then);
  rig_free(r);
}

static void test_before_changed(void **state) {
  (void)state;
  moved_on("approved({ title = 'x' }, function() fake.set { id = 'a' } end)", "otherwise", 1);
  moved_on("approved({ title = 'x' }, function() fake.set { id = 'a' } end)", "held", 0);
  /* the answer came after the horizon: polls are a minute apart */
  moved_on("fake.set { id = 'a' }", "otherwise", 1);
  moved_on("fake.set { id = 'a' }", "held", 0);
}

static void test_before_changed_while_nobody_ran_it(void **state) {
  (void)state;
  for (int same = 0; same < 2; same++) {
    rig *r = set_up("", "fake.set { id = 'a' }");
    assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
    rig_down(r);
    if (!same) rig_thing_set(r, "a", "otherwise");
    rig_up(r);
    assert_true(rig_approve(r, 1, true, "bob"));
    assert_non_null(rig_resume(r, NULL));
    assert_string_equal(rig_live(r, NULL, NULL), same ? "end" : "waiting");
    assert_int_equal(rig_acted(r, NULL), same);
    assert_int_equal(questions(r).n, same ? 1 : 2);
    rig_free(r);
  }
}

/* --- found again --- */

static void test_found_again(void **state) {
  (void)state;
  rig *r = set_up("", "local t = parallel { a = function() return approve { title = 'x' }.by end, b = "
                      "function() return fake.set { id = 'b' }.state end,"
                      " c = function() return approved({ title = 'y' }, function() return fake.set { id = "
                      "'c' }.state end) end }; return { t.a, t.b, t.c }");
  for (int i = 0; i < 3; i++) {
    assert_string_equal(i ? rig_live(r, NULL, NULL) : rig_live(r, "t.main", NULL), "waiting");
    assert_int_equal(questions(r).n, 3);
    rig_down(r);
    rig_up(r);
    assert_non_null(rig_resume(r, NULL));
  }
  assert_true(rig_approve(r, 0, true, "bob"));
  assert_string_equal(rig_live(r, NULL, NULL), "end");
  assert_string_equal(rig_result(r), "[\"bob\",\"held\",\"held\"]");
  assert_int_equal(rig_acted(r, NULL), 2);
  rig_free(r);
}

/* Answered while nobody ran it: seen at once, also beside a branch that goes on waiting for something
** else. */
static void test_answered_beside_a_sleep(void **state) {
  (void)state;
  rig *r =
      set_up("", "parallel { a = function() fake.set { id = 'a' } end, b = function() sleep '20h' end }");
  rig_up(r);
  assert_non_null(rig_start(r, "t.main", NULL));
  r->kill_at = 3;
  r->death = RIG_AFTER;
  rig_go(r);
  rig_down(r);
  r->kill_at = -1;
  rig_up(r);
  assert_true(rig_approve(r, 0, true, "bob"));
  assert_non_null(rig_resume(r, NULL));
  int64_t began = ln_now_ms(r->g.loop->clock);
  rig_go(r);
  assert_string_equal(rig_state(r), "completed");
  for (size_t i = 0; i < r->n_acts; i++)
    if (r->acts[i].acted) assert_true(r->acts[i].at_ms < began + 60000);
  rig_free(r);
}

static void test_a_crash_between_approval_and_intent(void **state) {
  (void)state;
  const char *bodies[] = {"fake.set { id = 'a' }",
                          "approved({ title = 'x' }, function() fake.set { id = 'a' } end)"};
  for (int b = 0; b < 2; b++)
    for (int64_t k = 1; k < 9; k++)
      for (int death = RIG_BEFORE; death <= RIG_AFTER; death++) {
        rig *r = set_up("", bodies[b]);
        assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
        assert_true(rig_approve(r, 1, true, "bob"));
        r->kill_at = r->jobs + k - 1;
        r->death = (rig_death)death;
        assert_string_equal(rig_live(r, NULL, NULL), "end");
        assert_int_equal(rig_acted(r, NULL), 1);
        assert_int_equal(questions(r).n, 1);
        rig_free(r);
      }
}

/* After a long time nobody knows any more what was approved: it did not happen, so it is asked anew. */
static void test_too_old_after_a_crash(void **state) {
  (void)state;
  for (int late = 0; late < 2; late++) {
    rig *r = set_up("", "fake.set { id = 'a' }");
    rig_say_(r, "fake.set#1", "send", "die-");
    assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
    assert_true(rig_approve(r, 1, true, "bob"));
    r->gap_ms = late ? 3 * 3600000 : 1000;
    assert_string_equal(rig_live(r, NULL, NULL), late ? "waiting" : "end");
    assert_int_equal(rig_acted(r, NULL), !late);
    if (late) {
      assert_true(rig_approve(r, 0, true, "bob"));
      assert_string_equal(rig_live(r, NULL, NULL), "end");
      assert_int_equal(rig_acted(r, NULL), 1);
    }
    rig_free(r);
  }
}

/* What was asked anew is the same question for the next process, and the one after that: its answer counts,
** and it expires once. */
static void test_asked_anew_once(void **state) {
  (void)state;
  for (int answered = 0; answered < 2; answered++) {
    rig *r = set_up("", "local v, e = try(fake.set, { id = 'a' }); return e and e.code");
    rig_say_(r, "fake.set#1", "send", "die-");
    assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
    assert_true(rig_approve(r, 1, true, "bob"));
    r->gap_ms = 3600000;
    for (int i = 0; i < 3; i++) {
      assert_string_equal(rig_live(r, NULL, NULL), "waiting");
      assert_int_equal(questions(r).n, 2);
      rig_down(r);
      rig_up(r);
      assert_non_null(rig_resume(r, NULL));
    }
    if (answered) assert_true(rig_approve(r, 2, true, "bob"));
    else r->gap_ms = 9 * 3600000;
    rig_down(r);
    rig_up(r);
    assert_non_null(rig_resume(r, NULL));
    assert_string_equal(rig_live(r, NULL, NULL), "end");
    assert_string_equal(rig_result(r), answered ? "null" : "\"expired\"");
    assert_int_equal(rig_acted(r, NULL), answered);
    rig_free(r);
  }
}

static void otherwise(rig *r, ln_effect *e) {
  (void)e;
  r->on_send = NULL;
  rig_thing_set(r, "a", "otherwise");
}

/* So it is when the next process is there at once: a no to it is one. */
static void test_asked_anew_at_once(void **state) {
  (void)state;
  for (int yes = 0; yes < 2; yes++) {
    rig *r = set_up("", "local v, e = try(fake.set, { id = 'a' }); return e and e.code");
    rig_say_(r, "fake.set#1", "send", "die-");
    r->on_send = otherwise;
    r->gap_ms = 1000;
    assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
    assert_true(rig_approve(r, 1, true, "bob"));
    assert_string_equal(rig_live(r, NULL, NULL), "waiting"); /* it did not happen, and is another thing now */
    assert_int_equal(questions(r).n, 2);
    assert_true(rig_approve(r, 2, yes, "bob"));
    rig_down(r);
    rig_thing_set(r, "a", yes ? "otherwise" : "absent");
    rig_up(r);
    assert_non_null(rig_resume(r, NULL));
    assert_string_equal(rig_live(r, NULL, NULL), yes ? "end" : "waiting");
    assert_int_equal(questions(r).n, yes ? 2 : 3);
    assert_int_equal(rig_acted(r, NULL), yes);
    rig_free(r);
  }
}

static void test_questions_lapse_with_the_run(void **state) {
  (void)state;
  rig *r = set_up("", "parallel { a = function() fake.set { id = 'a' } end, b = function() sleep '1s'; "
                      "fail('mine', 'no') end }");
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  rows w = questions(r);
  assert_int_equal(w.n, 1);
  assert_int_equal(w.lapsed, 1);
  rig_free(r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_destructive_write_is_asked),
      cmocka_unit_test(test_denied),
      cmocka_unit_test(test_expired),
      cmocka_unit_test(test_expired_while_nobody_ran_it),
      cmocka_unit_test(test_unasked_and_servers),
      cmocka_unit_test(test_writes_ask),
      cmocka_unit_test(test_writes_never),
      cmocka_unit_test(test_one_question_in_a_map),
      cmocka_unit_test(test_one_denial_in_a_map),
      cmocka_unit_test(test_four_eyes),
      cmocka_unit_test(test_self_interactive),
      cmocka_unit_test(test_quorum),
      cmocka_unit_test(test_ask_is_data),
      cmocka_unit_test(test_approve_permits_nothing),
      cmocka_unit_test(test_with_the_command),
      cmocka_unit_test(test_approved),
      cmocka_unit_test(test_approved_asks_nobody_without_writes),
      cmocka_unit_test(test_approved_denied),
      cmocka_unit_test(test_a_permit_is_used_once),
      cmocka_unit_test(test_a_permit_for_writes_of_one_thing),
      cmocka_unit_test(test_before_changed),
      cmocka_unit_test(test_before_changed_while_nobody_ran_it),
      cmocka_unit_test(test_found_again),
      cmocka_unit_test(test_answered_beside_a_sleep),
      cmocka_unit_test(test_a_crash_between_approval_and_intent),
      cmocka_unit_test(test_too_old_after_a_crash),
      cmocka_unit_test(test_asked_anew_once),
      cmocka_unit_test(test_asked_anew_at_once),
      cmocka_unit_test(test_questions_lapse_with_the_run)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
