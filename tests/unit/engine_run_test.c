/* engine_run_test.c: what else holds of a run: divergence, turns on an entity, caps and other refusals,
** names, bounds, large values, and that its memory goes with it whenever it is let go. */
#include "tests/unit/engine_rig.h"

#include "engine/inside.h"

#include <sqlite3.h>

static rig *set_up(const char *conf, const char *body) {
  rig *r = rig_new(53);
  rig_conf(r, conf);
  rig_body(r, body);
  return r;
}

#define UNASKED "guards = { approve = 'never' },"

/* ------------------------------------------------------------------ the store, as a meddler sees it */

static void meddle(rig *r, const char *sql, const char *text) {
  sqlite3 *db;
  sqlite3_stmt *q;
  assert_int_equal(sqlite3_open_v2("/rig/a.db", &db, SQLITE_OPEN_READWRITE, r->disk), SQLITE_OK);
  assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
  if (text) sqlite3_bind_blob(q, 1, text, (int)strlen(text), SQLITE_STATIC);
  assert_int_equal(sqlite3_step(q), SQLITE_DONE);
  sqlite3_finalize(q);
  sqlite3_close(db);
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

/* ------------------------------------------------------------------ divergence */

static const char pinned[] = "fake.read { id = 'a' }; fake.set { id = 's' };\n approve { title = 'wait' }; "
                             "fake.post { id = 'p' }; return 1";

/* The run goes on with another script than it began with, which only damage can bring about. */
static rig *diverged(const char *body) {
  char text[2048];
  rig *r = set_up(UNASKED, pinned);
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  rig_down(r);
  rig_up(r);
  snprintf(text, sizeof text,
           "local fake = require \"fake\"\nreturn playbook { name = \"t.main\", summary = \"a test\", uses = "
           "{ \"fake\" }, run = function(input) %s\nend }\n",
           body);
  meddle(r, "UPDATE content SET bytes = ? WHERE kind = 'source'", text);
  assert_true(rig_approve(r, 0, true, "bob"));
  int acts = rig_acted(r, NULL), reads = rig_count(r, "read", NULL);
  assert_non_null(rig_resume(r, NULL));
  assert_string_equal(rig_live(r, NULL, NULL), "end");
  assert_string_equal(rig_state(r), "failed");
  assert_has(rig_error(r), "divergence");
  assert_int_equal(rig_acted(r, NULL), acts); /* nothing was sent */
  assert_int_equal(rig_count(r, "read", NULL), reads);
  return r;
}

static void test_divergence(void **state) {
  (void)state;
  static const struct { const char *body, *mine, *theirs; } cases[] = {
      /* an ask that is not what was recorded under its name: both sides, and both lines */
      {"\n\nfake.read { id = 'other' }", "fake.read#1 at scripts/t/main.lua:4",
       "recorded fake.read with other arguments at scripts/t/main.lua:2"},
      {"fake.read { id = 'a' }; fake.set { id = 's', to = 'x' }", "fake.set#1 at scripts/t/main.lua:2",
       "with other arguments at scripts/t/main.lua:2"},
      {"fake.read { id = 'a' }; fake.set { id = 's' }; approve { title = 'another' }", "approve#1",
       "with other arguments at scripts/t/main.lua:3"},
      {"fake.note { id = 'a', as = 'fake.read' }", "the script with fake.read at scripts/t/main.lua:2",
       "fake.read#1 (fake.read at scripts/t/main.lua:2)"},
      /* something recorded that nobody asks for */
      {"fake.post { id = 'a' }", "the script with fake.post#1 at scripts/t/main.lua:2",
       "fake.read#1 (fake.read at scripts/t/main.lua:2)"},
      {"return 1", "the script with its end", "fake.read#1 (fake.read at scripts/t/main.lua:2)"},
      {"fake.read { id = 'a' }; return 1", "the script with its end",
       "fake.set#1 (fake.set at scripts/t/main.lua:2)"},
      {"fake.read { id = 'a' }; fake.set { id = 's' }; return 1", "the script with its end",
       "approve#1 (approve at scripts/t/main.lua:3)"},
      {"fake.read { id = 'a' }; fake.set { id = 's' }; fake.post { id = 'p' }", "the script with fake.post#1",
       "approve#1 (approve at scripts/t/main.lua:3)"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    rig *r = diverged(cases[i].body);
    assert_has(rig_error(r), cases[i].mine);
    assert_has(rig_error(r), cases[i].theirs);
    assert_has(rig_error(r), "nothing was sent");
    rig_free(r);
  }
}

static void test_an_edited_script_changes_only_the_next_run(void **state) {
  (void)state;
  rig *r = set_up(UNASKED, "approve { title = 'x' }; return 'old'");
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  rig_down(r);
  rig_body(r, "return 'new'");
  rig_up(r);
  assert_true(rig_approve(r, 0, true, "bob"));
  assert_non_null(rig_resume(r, NULL));
  assert_string_equal(rig_live(r, NULL, NULL), "end");
  assert_string_equal(rig_result(r), "\"old\"");
  assert_non_null(rig_start(r, "t.main", NULL));
  rig_go(r);
  assert_string_equal(rig_result(r), "\"new\"");
  rig_free(r);
}

static void test_a_damaged_journal(void **state) {
  (void)state;
  rig *r = set_up(UNASKED, "fake.read { id = 'a' }; approve { title = 'x' }");
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  rig_down(r);
  rig_up(r);
  meddle(r, "UPDATE log SET entries = ?", "rubbish");
  assert_null(rig_resume(r, NULL));
  assert_string_equal(rig_err.code, "store");
  assert_has(rig_err.message, "damaged");
  assert_string_equal(rig_state(r), "waiting"); /* and it was given back */
  assert_int_equal(number(r, "SELECT count(*) FROM run WHERE owner <> ''"), 0);
  rig_free(r);
}

/* ------------------------------------------------------------------ turns */

/* Two runs want the same thing: the second waits, finds it done, and is one more who holds it. */
static void test_turns_of_one_kind(void **state) {
  (void)state;
  rig *r = set_up(UNASKED, "return fake.set { id = 'a' }.state");
  rig_say_(r, "fake.set#1", "send", "did@5000");
  rig_up(r);
  assert_non_null(rig_start(r, "t.main", NULL));
  assert_non_null(rig_start(r, "t.main", NULL));
  rig_go(r);
  assert_int_equal(rig_acted(r, NULL), 1);
  assert_int_equal(number(r, "SELECT count(*) FROM hold"), 2);
  assert_int_equal(
      number(r, "SELECT count(*) FROM hold WHERE status = 'held' AND before = 'absent' AND state = 'held'"),
      2);
  assert_int_equal(number(r, "SELECT count(*) FROM run WHERE state = 'completed'"), 2);
  rig_free(r);
}

static void see_holds(rig *r, ln_effect *e) {
  (void)e;
  int sends = rig_count(r, "send", NULL);
  /* while the first is under way the second has nothing in the ledger; then the first's row says what it
  ** is */
  assert_int_equal(number(r, "SELECT count(*) FROM hold WHERE status = 'pending'"), 1);
  assert_int_equal(number(r, "SELECT count(*) FROM hold WHERE status = 'held'"), sends);
}

static void test_turns_of_opposites(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed < 9; seed++) {
    rig *r = rig_new(seed);
    rig_conf(r, UNASKED);
    rig_body(r, "if input.x then fake.set { id = 'a', to = input.x } end");
    r->on_send = see_holds;
    rig_say_(r, "fake.set#1", "send", "did@5000 did@5000");
    rig_up(r);
    assert_non_null(rig_start(r, "t.main", "{\"x\":\"one\"}"));
    assert_non_null(rig_start(r, "t.main", "{\"x\":\"two\"}"));
    rig_go(r);
    assert_int_equal(rig_acted(r, NULL), 2);
    assert_true(r->acts[r->n_acts - 1].at_ms >= r->now_ms + 5000);
    /* the second knows what the first made of it */
    assert_int_equal(
        number(r, "SELECT count(*) FROM hold a JOIN hold b ON a.before = b.state WHERE a.run <> b.run"), 1);
    rig_free(r);
  }
}

/* What another run left in doubt takes a person; what a run that has ended left pending does not block. */
static void test_turns_behind_doubt_and_pending(void **state) {
  (void)state;
  rig *r = set_up(UNASKED, "fake.once { id = 'a', to = input.x or 'held' }");
  rig_say_(r, "fake.once#1", "send", "lost-");
  rig_say_(r, "fake.once#1", "probe", "unknown unknown unknown");
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  ln_run *second = rig_start(r, "t.main", "{\"x\":\"other\"}");
  rig_go(r);
  ln_waiting w;
  assert_true(ln_run_waiting(second, &w));
  assert_string_equal(w.what, "entity");
  rig_free(r);
  r = set_up(UNASKED, "try(fake.task, { id = 'a', wait = '1m', to = input.x or 'held' })");
  rig_say_(r, "fake.task#1", "follow", "wait wait wait");
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  assert_has(rig_doc(r), "\"status\":\"pending\"");
  assert_non_null(rig_start(r, "t.main", "{\"x\":\"other\"}"));
  rig_go(r);
  assert_string_equal(rig_state(r), "completed");
  assert_int_equal(rig_count(r, "send", NULL), 2);
  rig_free(r);
}

static void test_a_cancel_while_it_waits_for_its_turn(void **state) {
  (void)state;
  rig *r = set_up(UNASKED, "if not input.x then fake.set { id = 'a' } else"
                           " local ok, e = pcall(parallel, { a = function() fake.set { id = 'a', to = 'x' } "
                           "end, b = function() sleep '2s'; fail('mine', 'no') end }) end");
  rig_say_(r, "fake.set#1", "send", "did@60000");
  rig_up(r);
  assert_non_null(rig_start(r, "t.main", NULL));
  r->stop_each = true;
  ln_run *second = rig_start(r, "t.main", "{\"x\":\"y\"}");
  rig_go(r);
  assert_string_equal(ln_run_state(second), "completed");
  assert_string_equal(ln_run_state(r->run[0]), "running");
  rig_go(r);
  assert_int_equal(rig_acted(r, NULL), 1);
  rig_free(r);
}

/* ------------------------------------------------------------------ caps, and other refusals */

static void test_caps(void **state) {
  (void)state;
  rig *r =
      set_up("guards = { approve = 'never', per_run = { destructive = 2 }, per_hour = { destructive = 2 } },",
             "local out = {}; for i, id in ipairs { 'a', 'b', 'a', 'c' } do"
             " if not input.x then try(fake.free, { id = id }) end;"
             " local op = input.x == '' and fake.free or fake.set;"
             " local v, e = try(op, { id = (input.x or '') .. id }); out[i] = e and e.rule or 'ok' end;"
             " fake.note { id = 'n' }; return out");
  rig_up(r);
  assert_non_null(rig_start(r, "t.main", NULL));
  rig_go(r);
  assert_string_equal(rig_state(r), "completed");
  /* entities are counted, not calls */
  assert_string_equal(rig_result(r), "[\"ok\",\"ok\",\"ok\",\"per_run\"]");
  assert_has(rig_entries(r), "DONE fake.set#4 refused");
  assert_non_null(rig_start(r, "t.main", "{\"x\":\"other \"}"));
  rig_go(r);
  assert_has(rig_result(r), "[\"per_hour\",");
  /* what was acted on within the hour is counted already */
  assert_non_null(rig_start(r, "t.main", "{\"x\":\"\"}"));
  rig_go(r);
  assert_string_equal(rig_result(r), "[\"ok\",\"ok\",\"ok\",\"ok\"]");
  assert_string_equal(rig_thing_is(r, "a"), "absent");
  assert_true(number(r, "SELECT count(*) FROM audit WHERE what = 'refused'") >= 2);
  assert_int_equal(number(r, "SELECT count(*) FROM audit WHERE what = 'refused' AND detail LIKE "
                             "'%\"rule\":\"per_run\"%' AND who = 'alice'"),
                   1);
  rig_free(r);
}

/* A share of the endpoints that the vendor knows, over all runs; one is always allowed, and where nobody
** knows how many there are it is no limit. */
static void test_share(void **state) {
  (void)state;
  static const struct { int64_t endpoints; const char *first, *other; } cases[] = {
      {200, "[\"ok\",\"ok\",\"ok\",\"per_hour.share\"]",
       "[\"per_hour.share\",\"per_hour.share\",\"ok\"]"},
      {10, "[\"ok\",\"per_hour.share\",\"ok\",\"per_hour.share\"]",
       "[\"per_hour.share\",\"per_hour.share\",\"ok\"]"},
      {0, "[\"ok\",\"ok\",\"ok\",\"ok\"]", "[\"ok\",\"ok\",\"ok\"]"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    rig *r = set_up("guards = { approve = 'never', per_hour = { share = 0.01 } },",
                    "local out = {}; local ids = input.x and { 'd', 'e', 'a' } or { 'a', 'b', 'a', 'c' };"
                    " for i, id in ipairs(ids) do"
                    " local v, e = try(fake.set, { id = id, to = 'held ' .. i .. (input.x or '') });"
                    " out[i] = e and e.rule or 'ok' end; return out");
    r->endpoints = cases[i].endpoints;
    rig_up(r);
    assert_non_null(rig_start(r, "t.main", NULL));
    rig_go(r);
    assert_string_equal(rig_result(r), cases[i].first);
    assert_non_null(rig_start(r, "t.main", "{\"x\":\"other\"}"));
    rig_go(r);
    assert_string_equal(rig_result(r), cases[i].other);
    rig_free(r);
  }
}

static void test_static_guards(void **state) {
  (void)state;
  rig *r = set_up(
      "guards = { approve = 'never', protect = { host = { '*dc*' } } },",
      "local out = {}; for i, a in ipairs { { fake.file, 'C:\\\\Windows\\\\System32\\\\cmd.exe' }, { "
      "fake.file, 'POWERSHELL.EXE' },"
      " { fake.file, '/usr/bin/python3' }, { fake.file, "
      "'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' },"
      " { fake.set, 'acme-DC-1' }, { fake.set, 'nobody' }, { fake.file, 'C:\\\\Users\\\\x\\\\evil.exe' } } do"
      " local v, e = try(a[1], { id = a[2] }); out[i] = e and e.rule or 'ok' end; return out");
  rig_carry(r, "t.main", NULL);
  assert_string_equal(rig_result(r), "[\"system_file\",\"system_file\",\"system_file\",\"empty_file\","
                                     "\"protect.host\",\"unresolved\",\"ok\"]");
  assert_int_equal(rig_count(r, "send", NULL), 1);
  assert_int_equal(number(r, "SELECT count(*) FROM audit WHERE what = 'refused'"), 6);
  rig_free(r);
}

static void test_uses(void **state) {
  (void)state;
  rig *r = set_up(UNASKED, "local v, e = try(fake.other, { id = 'a' }); return { e.code, e.message }");
  rig_carry(r, "t.main", NULL);
  assert_has(rig_result(r), "refused");
  assert_has(rig_result(r), "not in `uses` of t.main");
  rig_free(r);
}

static void test_where_nothing_can_be_asked(void **state) {
  (void)state;
  static const struct { const char *body, *says; } cases[] = {
      {"step('s', function() fake.read { id = 'a' } end)", "inside step"},
      {"step('s', function() map({ 1 }, function() end) end)", "inside step"},
      {"step('s', function() step('t', function() end) end)", "inside step"},
      {"await_until(function() fake.set { id = 'a' } end)", "may only read"},
      {"await_until(function() sleep '1s' end)", "may only read"},
      {"await_until(function() approved({ title = 'x' }, function() fake.set { id = 'a' } end) end)",
       "may only read"},
      {"await_until(function() approve { title = 'x' } end)", "await_until"},
      {"string.gsub('x', 'x', function() fake.read { id = 'a' } end)", "inside gsub"},
      {"fake.read { id = 'a', as = 5 }", "as: a name is wanted"},
      {"fake.read { id = 'a', as = '' }", "as: a name is wanted"},
      {"fake.read { id = 'a', as = 'run.cancel' }", "the core's own"},
      {"fake.set { id = 'a', wait = -1 }", "no number of seconds"},
      {"fake.set { id = 'a', lease = 'soon' }", "lease"},
      {"fake.set { id = 'a', timeout = 0/0 }", "no number of seconds"},
      {"fake.read('a')", "takes one table"},
      {"fake.read { id = function() end }", "id"},
      {"local function deep(n) return map({ 1 }, function() return deep(n + 1) end, { on_error = 'stop' }) "
       "end; deep(1)",
       "nested more than 40 deep"},
      {"fake.read { id = 'a', as = 'x' }; fake.read { id = 'a', as = 'x' }", "is taken in this branch"},
      {"step(('n'):rep(5000), function() end)", "too long"},
      {"found { severity = 'dire', title = 't' }", "severity is"},
      {"fail('mine', 'why')", "why"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    rig *r = set_up(UNASKED, cases[i].body);
    rig_carry(r, "t.main", NULL);
    assert_string_equal(rig_state(r), "failed");
    assert_has(rig_error(r), cases[i].says);
    assert_has(rig_error(r), "scripts/t/main.lua:2");
    rig_free(r);
  }
}

/* What a word had made before it raised is not waited for afterwards. */
static void test_after_a_word_that_raised(void **state) {
  (void)state;
  rig *r = set_up(UNASKED, "local bad = setmetatable({}, { __index = function() error('no') end });"
                           " local a = pcall(map, { bad }, function() return fake.read { id = 'never' } "
                           "end); local b = pcall(fake.read, bad); local c = pcall(approve, {});"
                           " return { a, b, c, fake.read { id = 'x' }.id, #map({ 1, 2 }, function() end), "
                           "step('s', function() return 1 end) }");
  rig_carry(r, "t.main", NULL);
  assert_has(rig_result(r), "\"x\",2,1]");
  assert_int_equal(rig_count(r, "read", "fake.read#1") + rig_count(r, "read", "fake.read#2"), 1);
  rig_free(r);
}

/* ------------------------------------------------------------------ names */

static void test_names(void **state) {
  (void)state;
  rig *r =
      set_up(UNASKED, "map({ 'a/b', 'c%d', 'x', 'x', { name = 'n' }, { key = 'k' }, 1.5, true, 'nul\\0l', "
                      "'x~2' }, function() fake.read { id = 'r' } end, { name = 'it', key = 'key' });"
                      " fake.read { id = 'r', as = 'it/x' }; fake.read { id = 'r', as = 'fake.read#1' }; "
                      "fake.read { id = 'r' }; step('it/x', function() end)");
  rig_carry(r, "t.main", NULL);
  assert_string_equal(rig_state(r), "completed");
  static const char *const names[] = {"it/a%2Fb/fake.read#1",
                                      "it/c%25d/fake.read#1",
                                      "it/x/fake.read#1",
                                      "it/x~2/fake.read#1",
                                      "it/n/fake.read#1",
                                      "it/k/fake.read#1",
                                      "it/1.5/fake.read#1",
                                      "it/8/fake.read#1",
                                      "it/nul%00l/fake.read#1",
                                      "it/x~2~2/fake.read#1",
                                      "it%2Fx",
                                      "fake.read%231",
                                      "fake.read#1",
                                      "it%2Fx#2"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (!rig_on_disk(r, 0, names[i], "delivered")) fail_msg("%s is not there:\n%s", names[i], rig_entries(r));
  rig_free(r);
}

/* ------------------------------------------------------------------ large values */

static void test_large_values(void **state) {
  (void)state;
  rig *r = set_up(
      UNASKED,
      "local v = fake.read { id = 'a', bytes = 300000 }; local s = step('s', function() return { v, v } end);"
      " local fake_spill = step('f', function() return { ['\\1spilled'] = ('0'):rep(64) } end); approve { "
      "title = 'x' };"
      " return { v == s[1], s[1] == s[2], #v, fake_spill['\\1spilled'] == ('0'):rep(64) }");
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  assert_int_equal(number(r, "SELECT count(*) FROM content WHERE kind = 'value'"), 3);
  assert_true(number(r, "SELECT max(length(entries)) FROM log") < 10000);
  rig_down(r);
  rig_up(r);
  assert_true(rig_approve(r, 0, true, "bob"));
  assert_non_null(rig_resume(r, NULL));
  assert_string_equal(rig_live(r, NULL, NULL), "end");
  assert_string_equal(rig_result(r), "[true,true,300000,true]");
  rig_free(r);
}

/* One entry that is not whole would make the journal behind it unreadable. */
static void test_half_a_value(void **state) {
  (void)state;
  ln_buf data, line;
  ln_buf_init(&data, 1000);
  ln_buf_init(&line, 1000);
  size_t mark = ln_v_begin(&data, 'O', 1);
  ln_v_key(&data, LN_STR("why"));
  ln_v_str(&data, LN_STR("because"));
  assert_true(ln_v_end(&data, mark));
  ln_entry e = {
      .kind = LN_E_STAGE, .name = LN_STR("stage#1"), .op = LN_STR("stage"), .data = ln_buf_view(&data)};
  assert_true(ln_entry_put(&line, &e));
  size_t whole = line.n;
  for (size_t n = 1; n < data.n; n++) {
    e.data.n = n;
    assert_false(ln_entry_put(&line, &e));
    assert_int_equal(line.n, whole);
  }
  ln_buf_addc(&data, 'n');
  e.data = ln_buf_view(&data);
  assert_false(ln_entry_put(&line, &e));                 /* nor two of them */
  ln_buf_free(&data);
  ln_buf_free(&line);
}

static void test_a_lost_value(void **state) {
  (void)state;
  rig *r =
      set_up(UNASKED, "local v = fake.read { id = 'a', bytes = 300000 }; approve { title = 'x' }; return #v");
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  rig_down(r);
  rig_up(r);
  meddle(r, "DELETE FROM content WHERE kind = 'value'", NULL);
  assert_non_null(rig_resume(r, NULL));
  rig_go(r);
  assert_string_equal(r->told[0], "broken");
  assert_string_equal(ln_run_why(r->run[0])->code, "store");
  assert_has(ln_run_why(r->run[0])->message, "fake.read#1");
  rig_free(r);
}

/* ------------------------------------------------------------------ outcomes */

static void outcome(const char *body, const char *state, const char *is) {
  for (int64_t k = -1; k < 9; k++) { /* the same, whoever counted */
    rig *r = set_up(UNASKED, body);
    rig_script(r, "t.part",
               "local fake = require \"fake\"\nreturn playbook { name = \"t.part\", summary = \"x\", uses = "
               "{ \"fake\" }, run = function() fail('mine', 'no') end }");
    r->kill_at = k;
    r->death = RIG_AFTER;
    rig_up(r);
    assert_non_null(rig_start(r, "t.main", NULL));
    rig_go(r);
    if (r->dead) {
      rig_down(r);
      r->kill_at = -1;
      rig_up(r);
      rig_resume(r, NULL);
      rig_go(r);
    }
    if (number(r, "SELECT count(*) FROM run")) {
      assert_string_equal(rig_state(r), state);
      assert_string_equal(rig_outcome(r), is);
    }
    rig_free(r);
  }
}

static void test_outcomes(void **state) {
  (void)state;
  outcome("fake.set { id = 'a' }", "completed", "complete");
  outcome("return 1", "completed", "complete");
  outcome("fake.set { id = 'a' }; not_done('x', 'y')", "completed", "partial");
  outcome("not_done('x', 'y'); fake.read { id = 'a' }", "completed", "nothing");
  outcome("found { severity = 'low', title = 't' }; not_done('x', 'y'); fake.read { id = 'a' }", "completed",
          "partial");
  outcome("stage 'part'; fake.read { id = 'a' }", "completed", "nothing");
  outcome("stage 'part'; fake.set { id = 'a' }", "completed", "partial");
  outcome("fake.set { id = 'a' }; fail('mine', 'no')", "failed", "partial");
  outcome("fake.read { id = 'a' }; fail('mine', 'no')", "failed", "nothing");
  outcome("approved({ title = 'x' }, function() not_done('x', 'y') end); step('s', function() not_done('in', "
          "'step') end); fake.read { id = 'a' }",
          "completed", "nothing");
}

/* ------------------------------------------------------------------ many runs, and letting go */

static void test_others_have_their_turn(void **state) {
  (void)state;
  rig *r = set_up(UNASKED, "if input.x then for i = 1, 20000 do step('s', function() return i end) end end; "
                           "step('t', function() end)");
  rig_up(r);
  assert_non_null(rig_start(r, "t.main", "{\"x\":\"long\"}"));
  assert_non_null(rig_start(r, "t.main", NULL));
  r->stop_each = true;
  rig_go(r);
  assert_string_equal(ln_run_state(r->run[1]), "completed"); /* the short one did not wait for the long one */
  assert_string_equal(ln_run_state(r->run[0]), "running");
  rig_free(r);
}

static void stop_now(void *arg) { ((ln_loop *)arg)->stop(arg); }

static void test_let_go_at_any_time(void **state) {
  (void)state;
  static const char all[] = "found { severity = 'low', title = 't' }; fake.read { id = 'a' }; local v = "
                            "fake.read { id = 'v', bytes = 100000 };"
                            "parallel { a = function() fake.set { id = 'a' } end, b = function() sleep '1s' "
                            "end, c = function() approve { title = 'x' } end,"
                            " d = function() await_until(function() return fake.read { id = 'x' }.state == "
                            "'never' end, { every = '1s' }) end,"
                            " e = function() fake.task { id = 't' } end, f = function() store.incr 'n' end, "
                            "g = function() fake.blind { id = 'b' } end,"
                            " h = function() approved({ title = 'y' }, function() fake.set { id = 'h' } end) "
                            "end, i = function() step('s', function() return v end) end }";
  for (uint64_t tasks = 0; tasks < 160; tasks += 3) {
    rig *r = rig_new(tasks + 1);
    rig_conf(r, UNASKED);
    rig_body(r, all);
    rig_say_(r, "g/fake.blind#1", "send", "lost+");
    rig_up(r);
    assert_non_null(rig_start(r, "t.main", NULL));
    for (uint64_t n = 0; n < tasks; n++) { /* a task or two at a time */
      ln_post(r->g.loop, stop_now, r->g.loop);
      r->g.loop->run(r->g.loop);
    }
    if (tasks % 2) rig_crash(r);
    else rig_down(r);
    rig_up(r);
    ln_run *again = rig_resume(r, NULL);
    if (tasks % 2 == 0) assert_non_null(again);
    if (again) { /* and once more, in the middle of a replay */
      ln_post(r->g.loop, stop_now, r->g.loop);
      r->g.loop->run(r->g.loop);
    }
    rig_free(r);
  }
}

/* What a word does not know, or cannot mean, is no default. */
static void test_wrong_options(void **state) {
  (void)state;
  static const struct { const char *call, *says; } cases[] = {
      {"map({}, print, { concurency = 2 })", "map: unknown option 'concurency'"},
      {"map({}, print, { concurrency = 0 })", "map: concurrency must be"},
      {"map({}, print, { concurrency = 'two' })", "map: concurrency must be"},
      {"map({}, print, { on_error = 'ignore' })", "map: on_error must be \"stop\" or \"collect\""},
      {"map({}, print, { name = 'a\\0b' })", "map: name must be a text without NUL bytes"},
      {"map({}, print, 'name')", "map: its options must be a table"},
      {"parallel({}, { name = 'x' })", "parallel: unknown option 'name'"},
      {"parallel({}, { on_error = true })", "parallel: on_error must be"},
      {"stage('part', {}, { whem = true })", "stage: unknown option 'whem'"},
      {"await_until(print, { evry = '1s' })", "await_until: unknown option 'evry'"},
      {"await_until(print, { timeout = '1h30m' })", "await_until: timeout"},
      {"await_signal('x', { timout = '1h' })", "await_signal: unknown option 'timout'"},
      {"approve { title = 'x', options = { 'a' } }", "approve: unknown option 'options'"},
      {"approve { title = 'x', quorum = 0 }", "approve: quorum must be"},
      {"approve { title = 'x', expires = 'soon' }", "approve: expires"},
      {"ask { title = 'x', options = 'a' }", "ask: options must be a list of texts"},
      {"ask { title = 'x', options = { '' } }", "ask: each option must be a text that can be chosen"},
      {"ask { title = 'x', option = { 'a' } }", "ask: unknown option 'option'"},
      {"found { title = print }", "found: "},
      {"fake.read { id = print }", "fake.read: "},
      {"fake.read { id = 'a', timeout = '1h30m' }", "fake.read: timeout"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char body[512];
    snprintf(body, sizeof body, "local v, e = try(function() return %s end); return e.message",
             cases[i].call);
    rig *r = set_up(UNASKED, body);
    assert_string_equal(rig_live(r, "t.main", NULL), "end");
    ln_buf text;
    ln_vitem said;
    ln_buf_init(&text, 1 << 16);
    assert_true(ln_host_json(r->g.host, ln_str_of(rig_result(r)), &text, &rig_err));
    ln_str rest = ln_buf_view(&text);
    assert_true(ln_v_read(&rest, &said));
    char message[1024];
    snprintf(message, sizeof message, "%.*s", LN_STR_ARG(said.s));
    assert_has(message, cases[i].says);
    ln_buf_free(&text);
    rig_free(r);
  }
}

static void test_two_processes(void **state) {
  (void)state;
  rig *r = set_up(UNASKED, "approve { title = 'x' }");
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  assert_null(rig_resume(r, NULL)); /* it is under way here */
  assert_string_equal(rig_err.code, "conflict");
  meddle(r, "UPDATE run SET epoch = epoch + 1", NULL); /* as a taker would */
  assert_true(rig_approve(r, 0, true, "bob"));
  rig_go(r);
  assert_string_equal(r->told[0], "broken");
  assert_string_equal(ln_run_why(r->run[0])->code, "stale");
  rig_down(r);
  rig_up(r);
  assert_string_equal(rig_state(r), "running"); /* what was not ours any more was left as it was */
  rig_free(r);
}

/* --- a journal of another version --- */

static bool make_newer(ln_tx *tx, void *arg, ln_err *err) {
  ln_run_row row = {
      .playbook = LN_STR("t.main"), .snapshot = LN_STR("sha256:none"), .state = LN_STR("waiting")};
  ln_buf data, line;
  (void)arg;
  snprintf(row.ulid, sizeof row.ulid, "%s", "01M800000000000000000NEWER");
  ln_buf_init(&data, 256);
  ln_buf_init(&line, 256);
  size_t mark = ln_v_begin(&data, 'O', 2);
  ln_v_key(&data, LN_STR("api"));
  ln_v_int(&data, LN_API);
  ln_v_key(&data, LN_STR("semantics"));
  ln_v_int(&data, LN_SEMANTICS + 1);
  ln_v_end(&data, mark);
  ln_entry e = {.kind = LN_E_RUN, .name = LN_STR("run.began"), .data = ln_buf_view(&data)};
  bool ok = ln_entry_put(&line, &e) && ln_tx_run_create(tx, &row, err) &&
            ln_tx_log(tx, row.id, ln_buf_view(&line), err) &&
            ln_tx_log(tx, row.id, LN_STR("what only a newer one can read"), err);
  ln_buf_free(&data);
  ln_buf_free(&line);
  return ok;
}

static void test_a_newer_run_is_refused(void **state) {
  (void)state;
  ln_buf json;
  ln_err err = {0};
  rig *r = set_up(UNASKED, "return 1");
  rig_up(r);
  assert_true(ln_writer_run(r->g.store, make_newer, NULL, &rig_err));
  assert_null(rig_resume(r, "last"));
  assert_string_equal(rig_err.code, "store");
  assert_has(rig_err.message, "newer Lunette");
  assert_has(rig_err.message, "upgrade");
  ln_buf_init(&json, 1 << 20);
  assert_false(ln_report_json(&r->g, LN_STR("last"), &json, &err));
  assert_has(err.message, "newer Lunette");
  ln_buf_free(&json);
  rig_free(r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_divergence),
      cmocka_unit_test(test_an_edited_script_changes_only_the_next_run),
      cmocka_unit_test(test_a_damaged_journal),
      cmocka_unit_test(test_a_newer_run_is_refused),
      cmocka_unit_test(test_turns_of_one_kind),
      cmocka_unit_test(test_turns_of_opposites),
      cmocka_unit_test(test_turns_behind_doubt_and_pending),
      cmocka_unit_test(test_a_cancel_while_it_waits_for_its_turn),
      cmocka_unit_test(test_caps),
                                     cmocka_unit_test(test_share),
      cmocka_unit_test(test_static_guards),
      cmocka_unit_test(test_uses),
      cmocka_unit_test(test_where_nothing_can_be_asked),
      cmocka_unit_test(test_after_a_word_that_raised),
      cmocka_unit_test(test_names),
      cmocka_unit_test(test_large_values),
      cmocka_unit_test(test_half_a_value), cmocka_unit_test(test_a_lost_value),
      cmocka_unit_test(test_outcomes),
      cmocka_unit_test(test_others_have_their_turn),
      cmocka_unit_test(test_let_go_at_any_time),
      cmocka_unit_test(test_wrong_options),
      cmocka_unit_test(test_two_processes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
