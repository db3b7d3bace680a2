/* engine_doubt_test.c: writes of which nobody knows whether they happened: what is done again, what is
** probed, and what a person is asked; by the class of the write, and by how the answer was lost. */
#include "tests/unit/engine_rig.h"

typedef struct life { const char *op, *send, *probe; int sends, probes, acted; const char *ends; } life;

/* set: idempotent, its state can be looked at; once: the same, not idempotent; post, ipost: looked for by
** the tag; blind, iblind: nobody can tell. */
static const life lives[] = {
    /* an answer that is lost, in a process that lives on */
    {"set", "lost+", "", 2, 0, 2, "end"},
    {"set", "lost- lost- lost-", "", 3, 1, 0, "end"},
    {"set", "lost- lost- lost+", "", 3, 1, 1, "end"},
    {"ipost", "lost+", "", 2, 0, 2, "end"},
    {"iblind", "lost+", "", 2, 0, 2, "end"},
    {"iblind", "lost- lost- lost-", "", 3, 0, 0, "waiting"},
    {"iblind", "lost- lost+ lost-", "", 3, 0, 1, "waiting"},
    {"iblind", "lost+ no", "", 2, 0, 1, "waiting"},
    {"ipost", "lost+ no", "", 2, 1, 1, "end"},
    {"set", "lost+@61000", "", 1, 1, 1, "end"},
    {"once", "lost+", "", 1, 1, 1, "end"},
    {"once", "lost-", "", 2, 1, 1, "end"},
    {"post", "lost+", "", 1, 1, 1, "end"},
    {"post", "lost-", "", 2, 1, 1, "end"},
    {"post", "lost- lost- lost-", "", 3, 3, 0, "end"},
    {"post", "lost+", "unknown", 1, 2, 1, "end"},
    {"post", "lost-", "unknown unknown no", 2, 3, 1, "end"},
    {"post", "lost+", "unknown unknown unknown", 1, 3, 1, "waiting"},
    {"blind", "lost+", "", 1, 0, 1, "waiting"},
    {"blind", "lost-", "", 1, 0, 0, "waiting"},
    /* a process that ends before the send, or after it */
    {"set", "die-", "", 2, 1, 1, "end"},
    {"set", "die+", "", 1, 1, 1, "end"},
    {"once", "die-", "", 2, 1, 1, "end"},
    {"once", "die+", "", 1, 1, 1, "end"},
    {"post", "die-", "", 2, 1, 1, "end"},
    {"post", "die+", "", 1, 1, 1, "end"},
    {"post", "die+", "unknown unknown unknown", 1, 3, 1, "waiting"},
    {"ipost", "die+", "", 1, 1, 1, "end"},
    {"blind", "die-", "", 1, 0, 0, "waiting"},
    {"blind", "die+", "", 1, 0, 1, "waiting"},
    {"iblind", "die-", "", 1, 0, 0, "waiting"},
    {"iblind", "die+", "", 1, 0, 1, "waiting"},
    {"task", "die-", "", 2, 1, 1, "end"},
    {"task", "die+", "", 1, 1, 1, "end"},
    {"set", "lost+ die+", "", 2, 1, 2, "end"},
    {"set", "lost- die-", "", 3, 1, 1, "end"},
    {"post", "lost- die-", "", 3, 2, 1, "end"},
};

enum { LIVES = sizeof lives / sizeof *lives };

static rig *set_up(const char *body) {
  rig *r = rig_new(23);
  rig_conf(r, "guards = { approve = \"never\" },");
  rig_body(r, body);
  return r;
}

static void test_life(void **state) {
  const life *l = *state;
  char body[256], step[64];
  snprintf(
      body, sizeof body,
      "fake.read { id = 'before' }; local v = fake.%s { id = 'w' }; fake.read { id = 'after' }; return v.id",
      l->op);
  snprintf(step, sizeof step, "fake.%s#1", l->op);
  rig *r = set_up(body);
  rig_say_(r, step, "send", l->send);
  rig_say_(r, step, "probe", l->probe);
  assert_string_equal(rig_live(r, "t.main", NULL), l->ends);
  assert_int_equal(rig_count(r, "send", step), l->sends);
  assert_int_equal(rig_count(r, "probe", step), l->probes);
  assert_int_equal(rig_acted(r, step), l->acted);
  if (strcmp(l->ends, "end") == 0) {
    bool failed = l->acted == 0;
    assert_string_equal(rig_state(r), failed ? "failed" : "completed");
  } else {
    ln_waiting w;
    assert_true(ln_run_waiting(r->run[0], &w));
    assert_string_equal(w.what, "doubt");
    assert_string_equal(w.step, step);
    assert_true(rig_on_disk(r, 0, step, "doubt"));
  }
  rig_free(r);
}

/* Why it was sent in vain is not forgotten for what was found out later. */
static void test_how_the_send_ended_is_told(void **state) {
  (void)state;
  rig *r = set_up("fake.set { id = 'w' }");
  rig_say_(r, "fake.set#1", "send", "lost- lost- lost-");
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  assert_has(rig_error(r), "the world says failed; the send ended with: the world says timeout");
  rig_free(r);
  r = set_up("fake.post { id = 'w' }");
  rig_say_(r, "fake.post#1", "send", "lost-");
  rig_say_(r, "fake.post#1", "probe", "unknown unknown unknown");
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  assert_has(rig_doc(r), "the world says unavailable; the send ended with: the world says timeout");
  rig_free(r);
}

/* "Not there" counts only so long after the send, and after the answer that did not come. */
static void test_settle(void **state) {
  (void)state;
  rig *r = set_up("fake.post { id = 'p' }");
  rig_say_(r, "fake.post#1", "send", "die-");
  r->gap_ms = 1000;
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  int64_t first = 0, probe = 0;
  for (size_t i = 0; i < r->n_acts; i++) {
    if (strcmp(r->acts[i].phase, "send") == 0 && !first) first = r->acts[i].at_ms;
    if (strcmp(r->acts[i].phase, "probe") == 0) probe = r->acts[i].at_ms;
  }
  assert_true(probe >= first + 1000 + 5000);
  rig_free(r);
}

/* --- a person says --- */

static rig *in_doubt(const char *body, const char *step, const char *send) {
  rig *r = set_up(body);
  rig_say_(r, step, "send", send);
  rig_say_(r, step, "probe", "unknown unknown unknown");
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  rig_down(r);
  rig_up(r);
  return r;
}

static void test_resume_without_settling_waits_again(void **state) {
  (void)state;
  rig *r = in_doubt("fake.blind { id = 'b' }; return 1", "fake.blind#1", "die+");
  for (int i = 0; i < 2; i++) {
    assert_non_null(rig_resume(r, NULL));
    assert_string_equal(rig_live(r, NULL, NULL), "waiting");
    assert_has(rig_doc(r), "\"doubt\"");
    rig_down(r);
    rig_up(r);
    assert_has(rig_doc(r), "--did fake.blind#1");
  }
  assert_int_equal(rig_count(r, "send", NULL), 1);
  rig_free(r);
}

static void test_settled_did(void **state) {
  (void)state;
  rig *r = in_doubt("local v = fake.blind { id = 'b' }; return { v.id, v.state }", "fake.blind#1", "lost+");
  assert_true(rig_settle(r, NULL, true, NULL));
  assert_non_null(rig_resume(r, NULL));
  assert_string_equal(rig_live(r, NULL, NULL), "end");
  assert_string_equal(rig_result(r), "[\"b\",\"held\"]"); /* what a plan would have said */
  assert_int_equal(rig_count(r, "send", NULL), 1);
  rig_free(r);
}

static void test_settled_did_with_a_result(void **state) {
  (void)state;
  rig *r = in_doubt("return fake.blind { id = 'b' }", "fake.blind#1", "lost+");
  assert_true(rig_settle(r, "fake.blind#1", true, "{\"id\":\"said\"}"));
  assert_non_null(rig_resume(r, NULL));
  assert_string_equal(rig_live(r, NULL, NULL), "end");
  assert_string_equal(rig_result(r), "{\"id\":\"said\"}");
  rig_free(r);
}

static void test_settled_did_with_a_handle(void **state) {
  (void)state;
  rig *r = in_doubt("return fake.task { id = 't' }.state", "fake.task#1", "lost+");
  rig_say_(r, "fake.task#1", "follow", "run done");
  assert_true(rig_settle(r, NULL, true, "{\"id\":\"t\"}"));
  assert_non_null(rig_resume(r, NULL));
  assert_string_equal(rig_live(r, NULL, NULL), "end");
  assert_int_equal(rig_count(r, "follow", NULL), 2);
  assert_int_equal(rig_count(r, "send", NULL), 1);
  assert_has(rig_doc(r), "\"status\":\"held\"");
  rig_free(r);
}

static void test_settled_did_not(void **state) {
  (void)state;
  rig *r = in_doubt("return fake.once { id = 'o' }.state", "fake.once#1", "lost-");
  assert_has(rig_doc(r), "\"status\":\"doubt\"");
  assert_true(rig_settle(r, NULL, false, NULL));
  assert_false(rig_settle(r, NULL, false, NULL)); /* said once */
  assert_string_equal(rig_err.code, "not_found");
  assert_non_null(rig_resume(r, NULL));
  assert_string_equal(rig_live(r, NULL, NULL), "end");
  assert_string_equal(rig_result(r), "\"held\"");
  assert_int_equal(rig_acted(r, NULL), 1);
  assert_int_equal(rig_count(r, "send", NULL), 2);
  assert_has(rig_doc(r), "\"status\":\"held\"");
  rig_free(r);
}

/* Somebody did it by hand meanwhile: nothing is sent, and the hold is theirs. */
static void test_settled_did_not_and_is_so_by_now(void **state) {
  (void)state;
  rig *r = in_doubt("return fake.once { id = 'o' }.state", "fake.once#1", "lost-");
  rig_thing_set(r, "o", "held");
  assert_true(rig_settle(r, NULL, false, NULL));
  assert_non_null(rig_resume(r, NULL));
  assert_string_equal(rig_live(r, NULL, NULL), "end");
  assert_int_equal(rig_count(r, "send", NULL), 1);
  assert_has(rig_doc(r), "\"status\":\"foreign\"");
  assert_has(rig_doc(r), "\"unchanged\"");
  rig_free(r);
}

static void test_two_doubts(void **state) {
  (void)state;
  rig *r = set_up("local t = parallel { a = function() return fake.blind { id = 'a' }.id end, b = function() "
                  "return fake.blind { id = 'b' }.id end };"
                  "return { t.a, t.b }");
  rig_say_(r, "a/fake.blind#1", "send", "lost+");
  rig_say_(r, "b/fake.blind#1", "send", "lost-");
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  rig_down(r);
  rig_up(r);
  assert_false(rig_settle(r, NULL, true, NULL));
  assert_string_equal(rig_err.code, "ambiguous");
  assert_true(rig_settle(r, "a/fake.blind#1", true, NULL));
  assert_true(rig_settle(r, NULL, false, NULL));
  assert_non_null(rig_resume(r, NULL));
  assert_string_equal(rig_live(r, NULL, NULL), "end");
  assert_string_equal(rig_result(r), "[\"a\",\"b\"]");
  assert_int_equal(rig_acted(r, "a/fake.blind#1"), 1);
  assert_int_equal(rig_acted(r, "b/fake.blind#1"), 1);
  rig_free(r);
}

/* Its other branch waits for the write in doubt, and would for ever. */
static void test_a_run_under_way_is_settled(void **state) {
  (void)state;
  rig *r = set_up("local done; return parallel { "
                  "a = function() done = fake.blind { id = 'a' }.id; return done end, "
                  "b = function() return await_until(function() return done end, { every = '1s', timeout = "
                  "'1h' }) end }");
  rig_say_(r, "a/fake.blind#1", "send", "lost+");
  rig_up(r);
  assert_non_null(rig_start(r, "t.main", "{}"));
  rig_pass(r, 60000);
  assert_false(rig_settle(r, "b/await_until#1", true, NULL));
  assert_string_equal(rig_err.code, "not_found");
  assert_true(rig_settle(r, NULL, true, NULL));
  assert_false(rig_settle(r, NULL, true, NULL)); /* said once */
  rig_pass(r, 60000);
  assert_string_equal(rig_result(r), "{\"a\":\"a\",\"b\":\"a\"}");
  assert_int_equal(rig_acted(r, NULL), 1);
  assert_has(rig_entries(r), "SETTLED a/fake.blind#1");
  rig_free(r);
}

static void test_a_run_under_way_begins_again(void **state) {
  (void)state;
  rig *r = set_up("return fake.blind { id = 'a' }.id");
  rig_say_(r, "fake.blind#1", "send", "lost-");
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  assert_true(rig_settle(r, NULL, false, NULL));
  rig_pass(r, 60000);
  assert_string_equal(rig_result(r), "\"a\"");
  assert_int_equal(rig_acted(r, NULL), 1);
  assert_int_equal(rig_count(r, "send", NULL), 2);
  rig_free(r);
}

/* --- the hold of a write that the process did not see the end of --- */

static void test_the_hold_of_a_note(void **state) {
  (void)state;
  rig *r = set_up("fake.note { id = 'n' }");
  rig_say_(r, "fake.note#1", "send", "die+");
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  assert_has(rig_doc(r), "\"status\":\"held\"");
  rig_free(r);
}

/* "It was so already" of a second attempt is the first attempt's doing. */
static void test_unchanged_by_an_earlier_attempt(void **state) {
  (void)state;
  rig *r = set_up("fake.set { id = 's' }");
  rig_say_(r, "fake.set#1", "send", "lost+ same");
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  assert_has(rig_doc(r), "\"status\":\"held\"");
  assert_has(rig_doc(r), "\"state\":\"done\"");
  rig_free(r);
}

/* --- asynchronous work --- */

static void test_pending(void **state) {
  (void)state;
  rig *r = set_up("local v, e = try(fake.task, { id = 't', wait = '2m' }); return { e.code, e.message }");
  rig_say_(r, "fake.task#1", "follow", "run wait wait wait wait");
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  assert_has(rig_result(r), "pending");
  assert_has(rig_doc(r), "\"status\":\"pending\"");
  rig_free(r);
}

static void test_a_handle_is_not_waited_for(void **state) {
  (void)state;
  rig *r = set_up("return fake.task { id = 't', wait = false }.id");
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  assert_int_equal(rig_count(r, "follow", NULL), 0);
  assert_has(rig_doc(r), "\"status\":\"pending\"");
  rig_free(r);
}

static void test_ends_badly(void **state) {
  (void)state;
  rig *r = set_up("local v, e = try(fake.task, { id = 't' }); return e.code");
  rig_say_(r, "fake.task#1", "follow", "run bad");
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  assert_string_equal(rig_result(r), "\"failed\"");
  assert_has(rig_doc(r), "\"holds\":[]");
  rig_free(r);
}

/* The handle is durable before it is polled: after a crash it is followed on, and the wait is not begun
** anew. */
static void test_followed_on(void **state) {
  (void)state;
  rig *r = set_up("local v, e = try(fake.task, { id = 't', wait = '10m' }); return e and e.code or v.state");
  rig_say_(r, "fake.task#1", "follow", "run run wait");
  rig_up(r);
  r->kill_at = 4; /* row, pending entries, intent, handle */
  r->death = RIG_BEFORE;
  r->gap_ms = 3600000;
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  assert_int_equal(rig_count(r, "send", NULL), 1);
  assert_int_equal(r->life, 2);
  rig_free(r);
}

/* --- a recovered intent whose branch was cancelled --- */

static void cancelled_write(const char *send, const char *gone, int acted) {
  const char *body =
      "local ok, e = pcall(parallel, { a = function() fake.post { id = 'p' } end,"
      " b = function() sleep '1s'; fail('mine', 'no') end }); fake.read { id = 'x' }; return e.code";
  for (int64_t k = 0; k < 14; k++)
    for (int death = RIG_BEFORE; death <= RIG_AFTER; death++) {
      rig *r = set_up(body);
      rig_say_(r, "a/fake.post#1", "send", send);
      r->kill_at = k;
      r->death = (rig_death)death;
      assert_string_equal(rig_live(r, "t.main", NULL), "end");
      assert_string_equal(rig_result(r), "\"mine\"");
      if (rig_acted(r, "a/fake.post#1") > acted)
        fail_msg("acted %d times, died at %d", rig_acted(r, "a/fake.post#1"), (int)k);
      if (acted && rig_acted(r, "a/fake.post#1")) assert_lacks(rig_entries(r), "WITHDRAWN");
      if (rig_count(r, "send", NULL) == 1 && acted == 0) assert_has(rig_entries(r), gone);
      rig_free(r);
    }
}

static void test_a_cancelled_write_that_happened(void **state) {
  (void)state;
  cancelled_write("did+@5000", "", 1);
}

static void test_a_cancelled_write_that_was_lost(void **state) {
  (void)state;
  cancelled_write("lost-@5000", "cancelled", 0);
}

/* What became of an asynchronous write's last attempt is not what became of it, where an earlier one, whose
** answer was lost, may have been acted on: "it was so already" is our own doing then, and an end that is bad
** is looked into. */
static void test_followed_after_a_lost_attempt(void **state) {
  static const struct {
    const char *op, *send, *follow;
    int sends, probes;
    const char *entry, *holds;
  } cases[] = {{"task", "did", "run same", 1, 0, "unchanged", "foreign"},
               {"task", "lost+", "same", 1, 1, "unchanged", "foreign"},
               {"itask", "lost+ did", "run same", 2, 0, "done", "held"},
               {"itask", "lost- did", "bad done", 2, 1, "done", "held"},
               {"itask", "did", "bad", 1, 0, "failed", NULL},
               {"task", "die+", "bad", 1, 1, "failed", NULL}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char body[128], step[32], entry[64];
    snprintf(body, sizeof body, "return (try(fake.%s, { id = 'w' }))", cases[i].op);
    snprintf(step, sizeof step, "fake.%s#1", cases[i].op);
    snprintf(entry, sizeof entry, "RESULT %s %s", step, cases[i].entry);
    rig *r = set_up(body);
    rig_say_(r, step, "send", cases[i].send);
    rig_say_(r, step, "follow", cases[i].follow);
    assert_string_equal(rig_live(r, "t.main", NULL), "end");
    assert_has(rig_entries(r), entry);
    assert_int_equal(rig_count(r, "send", step), cases[i].sends);
    assert_int_equal(rig_count(r, "probe", step), cases[i].probes);
    snprintf(entry, sizeof entry, "\"status\":\"%s\"", cases[i].holds ? cases[i].holds : "");
    if (cases[i].holds) assert_has(rig_doc(r), entry);
    else assert_has(rig_doc(r), "\"holds\":[]");
    rig_free(r);
  }
}

int main(void) {
  const struct CMUnitTest rest[] = {cmocka_unit_test(test_how_the_send_ended_is_told),
                                    cmocka_unit_test(test_settle),
                                    cmocka_unit_test(test_resume_without_settling_waits_again),
                                    cmocka_unit_test(test_settled_did),
                                    cmocka_unit_test(test_settled_did_with_a_result),
                                    cmocka_unit_test(test_settled_did_with_a_handle),
                                    cmocka_unit_test(test_settled_did_not),
                                    cmocka_unit_test(test_settled_did_not_and_is_so_by_now),
                                    cmocka_unit_test(test_two_doubts),
                                    cmocka_unit_test(test_a_run_under_way_is_settled),
      cmocka_unit_test(test_a_run_under_way_begins_again),
                                    cmocka_unit_test(test_the_hold_of_a_note),
                                    cmocka_unit_test(test_unchanged_by_an_earlier_attempt),
                                    cmocka_unit_test(test_followed_after_a_lost_attempt),
                                    cmocka_unit_test(test_pending),
                                    cmocka_unit_test(test_a_handle_is_not_waited_for),
                                    cmocka_unit_test(test_ends_badly),
                                    cmocka_unit_test(test_followed_on),
                                    cmocka_unit_test(test_a_cancelled_write_that_happened),
                                    cmocka_unit_test(test_a_cancelled_write_that_was_lost)};
  struct CMUnitTest tests[LIVES + sizeof rest / sizeof *rest];
  static char names[LIVES][128];
  for (size_t i = 0; i < LIVES; i++) {
    snprintf(names[i], sizeof names[i], "%s: %s, %s", lives[i].op, lives[i].send, lives[i].probe);
    tests[i] = (struct CMUnitTest){names[i], test_life, NULL, NULL, (void *)(uintptr_t)&lives[i]};
  }
  memcpy(tests + LIVES, rest, sizeof rest);
  return _cmocka_run_group_tests("doubt", tests, sizeof tests / sizeof *tests, NULL, NULL);
}
