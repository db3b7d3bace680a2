/* engine_cancel_test.c: branches and runs that are stopped, by another branch's failure, by a person, or
** because the script used up what it may use: at every moment, in a process that lives and in the next
** one.  What may have been sent is finished and recorded; what was not is not sent. */
#include "tests/unit/engine_rig.h"

#include "engine/inside.h"

static rig *set_up(const char *body, uint64_t seed) {
  rig *r = rig_new(seed);
  rig_conf(r, "guards = { approve = \"never\" }, limits = { cpu = \"60ms\", memory = \"8MiB\" },");
  rig_body(r, body);
  return r;
}

/* What runs for ever has little time; what eats memory or stack has all it wants, also where everything is
** slow. */
static rig *set_up_kill(const char *body, const char *code) {
  rig *r = set_up(body, 8);
  if (strcmp(code, "cpu") != 0)
    rig_conf(r, "guards = { approve = \"never\" }, limits = { cpu = \"60s\", memory = \"8MiB\" },");
  return r;
}

/* Whatever came of a write, world, journal and ledger say the same of it. */
static void agree(rig *r, const char *step, bool destructive) {
  int acted = rig_acted(r, step);
  static char entries[1 << 16], line[160];
  snprintf(entries, sizeof entries, "%s", rig_entries(r));
  snprintf(line, sizeof line, "RESULT %s done", step);
  if (acted > 1) fail_msg("%s was done %d times", step, acted);
  if (acted && !strstr(entries, line))
    fail_msg("%s was done, and the journal does not know:\n%s", step, entries);
  if (!acted && strstr(entries, line)) fail_msg("%s was not done:\n%s", step, entries);
  const char *doc = rig_doc(r), *holds = strstr(doc, "\"holds\":[");
  assert_non_null(holds);
  if (destructive && acted) assert_has(holds, "\"status\":\"held\"");
  if (!acted) assert_has(holds, "\"holds\":[]");
}

/* ------------------------------------------------------------------ a failed branch stops the others */

static void test_stop_at_every_moment(void **state) {
  (void)state;
  int withdrawn = 0, sent = 0, unsent = 0;
  for (uint64_t seed = 1; seed < 49; seed++)
    for (int ms = seed < 9 ? 0 : 20; ms <= (seed < 9 ? 60 : 20); ms += 4) {
      char delay[32];
      rig *r = set_up("local ok, e = pcall(parallel, { a = function() fake.set { id = 'a' } end,"
                      " b = function() fake.read { id = 'b' } end }); return e.code", seed);
      snprintf(delay, sizeof delay, "err@%d", ms);
      rig_say_(r, "b/fake.read#1", "read", delay);
      rig_carry(r, "t.main", NULL);
      assert_string_equal(rig_result(r), "\"unavailable\"");
      agree(r, "a/fake.set#1", true);
      withdrawn += strstr(rig_entries(r), "WITHDRAWN") != NULL;
      sent += rig_acted(r, NULL) > 0;
      unsent += rig_acted(r, NULL) == 0;
      assert_int_equal(rig_acted(r, NULL), rig_count(r, "send", NULL));
      rig_free(r);
    }
  assert_true(withdrawn > 0 && sent > 0 && unsent > 0);
}

static void stopped(const char *other, const char *code, const char *say_step, const char *phase,
                    const char *tokens) {
  char body[1024];
  rig *r;
  snprintf(
      body, sizeof body,
      "local out = {}; local ok, e = pcall(parallel, { a = function() local ok, e = pcall(function() %s "
      "end); out[1] = ok and 'went on' or e.code;"
      " local again, e2 = pcall(fake.read, { id = 'again' }); out[2] = again and 'went on' or e2.code end,"
      " b = function() sleep '5s'; fail('mine', 'no') end }); out[3] = e.code; return out",
      other);
  r = set_up(body, 3);
  if (say_step) rig_say_(r, say_step, phase, tokens);
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  char want[128];
  snprintf(want, sizeof want, "[\"%s\",\"cancelled\",\"mine\"]", code);
  assert_string_equal(rig_result(r), want);
  assert_int_equal(rig_count(r, "read", "a/fake.read#2"), 0);
  rig_free(r);
}

static void test_stop_in_each_state(void **state) {
  (void)state;
  stopped("sleep '1h'", "cancelled", NULL, NULL, NULL);
  stopped("fake.read { id = 'slow' }", "cancelled", "a/fake.read#1", "read", "ok@60000");
  stopped("await_until(function() return fake.read { id = 'x' }.state == 'never' end, { every = '1s' })",
          "cancelled", NULL, NULL, NULL);
  stopped("await_until(function() return fake.read { id = 'x' }.state == 'never' end)", "cancelled",
          "a/await_until#1/fake.read#1", "read", "ok@60000");
  stopped("approve { title = 'may I?' }", "cancelled", NULL, NULL, NULL);
  stopped("fake.set { id = 's' }", "cancelled", "a/fake.set#1", "look", "ok@60000");
  stopped("fake.set { id = 's' }", "went on", "a/fake.set#1", "send", "did@60000");
  stopped("fake.task { id = 't' }", "went on", "a/fake.task#1", "follow",
          "run run run run run run run run done");
  stopped("map({ 1, 2 }, function() sleep '1h' end, { on_error = 'stop' })", "cancelled", NULL, NULL, NULL);
  stopped("parallel { x = function() parallel { y = function() sleep '1h' end } end }", "cancelled", NULL,
          NULL, NULL);
  stopped("approved({ title = 'x' }, function() fake.post { id = 'p' } end)", "cancelled", NULL, NULL, NULL);
}

/* A lost write of a branch that was stopped is probed, and not done again. */
static void test_a_lost_write_is_not_done_again(void **state) {
  (void)state;
  rig *r = set_up("local ok, e = pcall(parallel, { a = function() fake.set { id = 'a' } end, b = function() "
                  "sleep '5s'; fail('mine', 'no') end }); return e.code",
                  4);
  rig_say_(r, "a/fake.set#1", "send", "lost-@5100");
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  assert_int_equal(rig_count(r, "send", NULL), 1);
  assert_int_equal(rig_count(r, "probe", NULL), 1);
  agree(r, "a/fake.set#1", true);
  rig_free(r);
  r = set_up("local ok, e = pcall(parallel, { a = function() fake.set { id = 'a' } end, b = function() sleep "
             "'5s'; fail('mine', 'no') end }); return e.code",
             4);
  rig_say_(r, "a/fake.set#1", "send", "lost+@4990"); /* stopped while it waits to be sent again */
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  assert_int_equal(rig_count(r, "send", NULL), 1);
  agree(r, "a/fake.set#1", true);
  rig_free(r);
}

static void test_what_try_lets_pass(void **state) {
  (void)state;
  rig *r = set_up(
      "local out = {}; for i, code in ipairs { 'frozen', 'cancelled', 'doubt', 'divergence', 'mine' } do"
      " local ok, e = pcall(function() local v, err = try(fail, code, 'x'); return 'caught ' .. err.code "
      "end);"
      " out[i] = ok and e or e.code end; return out",
      4);
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  assert_string_equal(rig_result(r), "[\"frozen\",\"cancelled\",\"doubt\",\"divergence\",\"caught mine\"]");
  rig_free(r);
}

/* ------------------------------------------------------------------ __close */

#define CLOSES "local function closing(fn) return setmetatable({}, { __close = fn }) end;"

static void test_close_on_cancel(void **state) {
  (void)state;
  const char *body =
      CLOSES "local ok, e = pcall(parallel, { a = function()"
             " local c <close> = closing(function() fake.post { id = 'closed' } end); do local d <close> = "
             "closing(function() store.set('k', 1) end);"
             " fake.read { id = 'slow' } end end,"
             " b = function() sleep '5s'; fail('mine', 'no') end }); return { e.code, (store.get 'k') }";
  for (int64_t k = -1; k < 14; k++)
    for (int death = RIG_BEFORE; death <= RIG_AFTER; death++) {
      rig *r = set_up(body, 3);
      rig_say_(r, "a/fake.read#1", "read", "ok@60000 ok@60000");
      r->kill_at = k;
      r->death = (rig_death)death;
      rig_carry(r, "t.main", NULL);
      assert_string_equal(rig_result(r), "[\"mine\",1]");
      assert_int_equal(rig_acted(r, "a/fake.post#1"), 1);
      rig_free(r);
    }
}

static void test_close_is_bounded(void **state) {
  (void)state;
  rig *r =
      set_up(CLOSES "local n, why, slept = 0; local ok, e = pcall(parallel, { a = function()"
                    " local c <close> = closing(function() local ok, e = pcall(sleep, '1h'); slept = ok; for "
                    "i = 1, 100 do local ok, e = pcall(fake.read, { id = 'r' });"
                    " if ok then n = n + 1 else why = e.code end end end); fake.read { id = 'slow' } end,"
                    " b = function() sleep '5s'; fail('mine', 'no') end }); return { n, why, slept }",
             3);
  rig_say_(r, "a/fake.read#1", "read", "ok@60000");
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  assert_string_equal(rig_result(r), "[16,\"cancelled\",false]");
  rig_free(r);
}

/* Beside a handler, in one that has ended, or in a protected call of it, a cancelled branch asks for
** nothing. */
static void test_close_is_the_only_exception(void **state) {
  (void)state;
  rig *r =
      set_up(CLOSES "local out = {}; local ok, e = pcall(parallel, { a = function() local function ask(i) "
                    "local ok, e = pcall(fake.read, { id = 'r' }); out[i] = ok and 'ok' or e.code end;"
                    " pcall(fake.read, { id = 'slow' }); ask(1); do local c <close> = closing(function() "
                    "ask(2) end); end; ask(3);"
                    " pcall(function() local c <close> = closing(function() ask(4) end); error('x') end); "
                    "ask(5); xpcall(function() local c <close> = closing(function() ask(6) end); error('x') "
                    "end, function(e) return e end); ask(7);"
                    " try(function() ask(8) end) end,"
                    " b = function() sleep '5s'; fail('mine', 'no') end }); return out",
             3);
  rig_say_(r, "a/fake.read#1", "read", "ok@60000");
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  assert_string_equal(
      rig_result(r),
      "[\"cancelled\",\"ok\",\"cancelled\",\"ok\",\"cancelled\",\"ok\",\"cancelled\",\"cancelled\"]");
  rig_free(r);
}

/* ------------------------------------------------------------------ a run is cancelled */

static const char everything[] =
    "fake.read { id = 'a' }; fake.set { id = 's' }; sleep '2s'; step('w', function() return 1 end);"
    "map({ 1, 2 }, function(i) fake.post { id = 'p' .. i }; fake.read { id = 'r' } end); fake.task { id = "
    "'t' };"
    "await_until(function() return fake.read { id = 'x' }.state == 'absent' end); store.set('k', 1); approve "
    "{ title = 'may I?' };"
    "fake.free { id = 's' }; return 'whole'";

static void cancel_it(void *arg) {
  rig *r = arg;
  if (r->run[0]) ln_run_cancel(r->run[0], LN_STR("a test"));
}

static void all_agree(rig *r) {
  static const char *const steps[] = {"fake.set#1", "map/1/fake.post#1", "map/2/fake.post#1", "fake.task#1",
                                      "fake.free#1"};
  static char entries[1 << 16], line[160];
  snprintf(entries, sizeof entries, "%s", rig_entries(r));
  for (size_t i = 0; i < 5; i++) {
    snprintf(line, sizeof line, "RESULT %s done", steps[i]);
    int acted = rig_acted(r, steps[i]);
    if (acted > 1) fail_msg("%s was done %d times", steps[i], acted);
    if (acted != (strstr(entries, line) != NULL)) fail_msg("%s: done %d times\n%s", steps[i], acted, entries);
  }
  assert_lacks(rig_doc(r), "\"status\":\"pending\"");
  assert_lacks(rig_doc(r), "\"state\":\"waiting\"");
}

static void test_cancel_a_living_run(void **state) {
  (void)state;
  for (int64_t ms = 0; ms < 2600; ms += ms < 100 || ms > 2000 ? 7 : 400) {
    rig *r = set_up(everything, 5 + (uint64_t)ms);
    rig_up(r);
    ln_timer at = {.fn = cancel_it, .arg = r};
    assert_non_null(rig_start(r, "t.main", NULL));
    r->g.loop->timer(r->g.loop, &at, ms);
    while (strcmp(r->told[0], "end") != 0) r->told[0][0] = 0, rig_go(r);
    assert_string_equal(rig_state(r), "cancelled");
    assert_string_equal(rig_outcome(r), rig_acted(r, NULL) ? "partial" : "nothing");
    all_agree(r);
    rig_free(r);
  }
}

static void test_cancel_a_dead_run(void **state) {
  (void)state;
  for (int64_t k = 1; k < 30; k++)
    for (int death = RIG_BEFORE; death <= RIG_AFTER; death++) {
      rig *r = set_up(everything, 6);
      rig_up(r);
      r->kill_at = k;
      r->death = (rig_death)death;
      assert_non_null(rig_start(r, "t.main", NULL));
      rig_go(r);
      rig_crash(r);
      r->kill_at = -1;
      rig_up(r);
      assert_non_null(rig_resume(r, NULL));
      cancel_it(r);
      rig_go(r);
      assert_string_equal(rig_state(r), "cancelled");
      all_agree(r);
      rig_free(r);
    }
}

/* Killed again while it is being cancelled: the cancel is in the journal, and comes at the same place. */
static void test_a_cancel_survives(void **state) {
  (void)state;
  for (int64_t k = 1; k < 16; k++) {
    rig *r = set_up("local c <close> = setmetatable({}, { __close = function() fake.post { id = 'closed' } "
                    "end }); fake.set { id = 's' }; sleep '1h'",
                    6);
    rig_up(r);
    assert_non_null(rig_start(r, "t.main", NULL));
    ln_timer at = {.fn = cancel_it, .arg = r};
    r->g.loop->timer(r->g.loop, &at, 5000);
    r->kill_at = k;
    r->death = RIG_AFTER;
    rig_go(r);
    bool was = rig_deliveries(r, 0) && strstr(rig_entries(r), "run.cancel");
    r->g.loop->cancel(r->g.loop, &at);
    if (r->dead) {
      rig_down(r);
      r->kill_at = -1;
      rig_up(r);
      if (strcmp(rig_state(r), "cancelled") != 0) {
        assert_non_null(rig_resume(r, NULL));
        if (!was) cancel_it(r);
        rig_go(r);
      }
    }
    assert_string_equal(rig_state(r), "cancelled");
    assert_int_equal(rig_acted(r, "fake.post#1"), 1);
    rig_free(r);
  }
}

static void test_a_cancelled_run_with_a_doubt_waits(void **state) {
  (void)state;
  rig *r = set_up("fake.blind { id = 'b' }; fake.post { id = 'p' }", 6);
  rig_say_(r, "fake.blind#1", "send", "lost+");
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  cancel_it(r);
  r->told[0][0] = 0;
  r->g.loop->run(r->g.loop);
  assert_string_equal(ln_run_state(r->run[0]), "waiting");
  rig_down(r);
  rig_up(r);
  assert_true(rig_settle(r, NULL, true, NULL));
  assert_non_null(rig_resume(r, NULL));
  assert_string_equal(rig_live(r, NULL, NULL), "end");
  assert_string_equal(rig_state(r), "cancelled");
  assert_int_equal(rig_count(r, "send", "fake.post#1"), 0);
  rig_free(r);
}

/* Asked of a run in another process, which sees it in the row; never of one that has just ended. */
static void test_asking_another_process(void **state) {
  (void)state;
  bool running = false;
  rig *r = set_up("sleep '1h'", 6);
  rig_up(r);
  assert_non_null(rig_start(r, "t.main", NULL));
  ln_timer at = {.fn = cancel_it, .arg = r};
  r->g.loop->timer(r->g.loop, &at, 1000);
  r->stop_each = true;
  while (!r->told[0][0]) rig_go(r);
  assert_string_equal(rig_state(r), "cancelled");
  assert_false(ln_run_ask_cancel(&r->g, LN_STR("last"), LN_STR("jo"), &running, &rig_err));
  assert_string_equal(rig_err.code, "conflict");
  assert_string_equal(rig_state(r), "cancelled");
  rig_free(r);
}

/* ------------------------------------------------------------------ ends of an attempt */

typedef struct kill { const char *name, *body, *code, *text; } kill_case;

static const kill_case kills[] = {
    {"a loop", "local n = 0; while true do n = n + 1 end", "cpu", "scripts/t/main.lua:2"},
    {"a pattern", "string.find(string.rep('a', 300000), string.rep('a-', 30) .. 'b')", "cpu",
     "scripts/t/main.lua:2"},
    {"a loop that catches", "while true do pcall(function() while true do end end) end", "cpu",
     "scripts/t/main.lua:2"},
    {"memory", "local t = {}; for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end", "memory",
     "scripts/t/main.lua:2"},
    {"a big text", "return ('x'):rep(1e9)", "memory", "scripts/t/main.lua:2"},
    {"recursion", "local function f() return 1 + f() end; f()", "stack", "scripts/t/main.lua:2"},
};

enum { KILLS = sizeof kills / sizeof *kills };

static void test_killed(void **state) {
  const kill_case *k = *state;
  rig *r = set_up_kill(k->body, k->code);
  rig_carry(r, "t.main", NULL);
  assert_string_equal(rig_state(r), "failed");
  assert_has(rig_error(r), k->code);
  assert_has(rig_error(r), k->text);
  assert_string_equal(rig_outcome(r), "nothing");
  rig_free(r);
}

/* Another branch's write was under way: it is finished and recorded before the run ends. */
static void test_killed_beside_a_write(void **state) {
  const kill_case *k = *state;
  char body[1024];
  snprintf(body, sizeof body,
           "parallel { a = function() fake.set { id = 's' } end, b = function() sleep '1s'; %s end, c = "
           "function() sleep '1h' end }",
           k->body);
  rig *r = set_up_kill(body, k->code);
  rig_say_(r, "a/fake.set#1", "send", "did@5000");
  rig_carry(r, "t.main", NULL);
  assert_string_equal(rig_state(r), "failed");
  assert_has(rig_error(r), k->code);
  assert_string_equal(rig_outcome(r), "partial");
  agree(r, "a/fake.set#1", true);
  rig_free(r);
}

static void test_killed_with_a_doubt(void **state) {
  (void)state;
  rig *r = set_up("parallel { a = function() fake.blind { id = 's' } end, b = function() sleep '1s'; while "
                  "true do end end }",
                  8);
  rig_say_(r, "a/fake.blind#1", "send", "lost+@5000");
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  rig_down(r);
  rig_up(r);
  assert_string_equal(rig_state(r), "waiting");
  assert_true(rig_settle(r, NULL, true, NULL));
  assert_non_null(rig_resume(r, NULL));
  assert_string_equal(rig_live(r, NULL, NULL), "end");
  assert_string_equal(rig_state(r), "failed");
  assert_has(rig_error(r), "cpu");
  assert_has(rig_entries(r), "RESULT a/fake.blind#1 done");
  assert_int_equal(rig_count(r, "send", NULL), 1);
  rig_free(r);
}

/* The process died while the write of a run that is over was under way. */
static void test_killed_and_crashed(void **state) {
  (void)state;
  for (int64_t k = 1; k < 9; k++)
    for (int death = RIG_BEFORE; death <= RIG_AFTER; death++) {
      rig *r = set_up("parallel { a = function() fake.set { id = 's' } end, b = function() sleep '1s'; while "
                      "true do end end }",
                      8);
      rig_say_(r, "a/fake.set#1", "send", "did@5000");
      r->kill_at = k;
      r->death = (rig_death)death;
      rig_up(r);
      assert_non_null(rig_start(r, "t.main", NULL));
      rig_go(r);
      if (r->dead) {
        rig_down(r);
        r->kill_at = -1;
        rig_up(r);
        if (strcmp(rig_state(r), "failed") != 0) {
          assert_non_null(rig_resume(r, NULL));
          rig_go(r);
        }
      }
      assert_string_equal(rig_state(r), "failed");
      if (rig_count(r, "send", NULL)) agree(r, "a/fake.set#1", true);
      rig_free(r);
    }
}

int main(void) {
  const struct CMUnitTest rest[] = {
      cmocka_unit_test(test_stop_at_every_moment),
      cmocka_unit_test(test_stop_in_each_state),
      cmocka_unit_test(test_a_lost_write_is_not_done_again),
      cmocka_unit_test(test_what_try_lets_pass),
      cmocka_unit_test(test_close_on_cancel),
      cmocka_unit_test(test_close_is_bounded),
      cmocka_unit_test(test_close_is_the_only_exception),
      cmocka_unit_test(test_cancel_a_living_run),
      cmocka_unit_test(test_cancel_a_dead_run),
      cmocka_unit_test(test_a_cancel_survives),
      cmocka_unit_test(test_a_cancelled_run_with_a_doubt_waits),
      cmocka_unit_test(test_asking_another_process),
      cmocka_unit_test(test_killed_with_a_doubt),
      cmocka_unit_test(test_killed_and_crashed)};
  enum { REST = sizeof rest / sizeof *rest };
  struct CMUnitTest tests[REST + 2 * KILLS];
  static char names[KILLS][64];
  memcpy(tests, rest, sizeof rest);
  for (size_t i = 0; i < KILLS; i++) {
    snprintf(names[i], sizeof names[i], "%s beside a write", kills[i].name);
    tests[REST + i] =
        (struct CMUnitTest){kills[i].name, test_killed, NULL, NULL, (void *)(uintptr_t)&kills[i]};
    tests[REST + KILLS + i] =
        (struct CMUnitTest){names[i], test_killed_beside_a_write, NULL, NULL, (void *)(uintptr_t)&kills[i]};
  }
  return _cmocka_run_group_tests("cancel", tests, sizeof tests / sizeof *tests, NULL, NULL);
}
