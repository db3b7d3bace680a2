/* engine_travel_test.c: a past run opened and gone through in both directions: where it stands, what is
** there, breakpoints, evaluation, differences, and runs that are forked from a point.  The world and the
** store are as they were, whatever is done there. */
#include "tests/unit/engine_rig.h"

#include "debug/travel.h"
#include "engine/library.h"
#include "engine/replay.h"

static const char script[] =
    "local fake = require \"fake\"\n"       /*  1 */
    "local helper = require \"t.helper\"\n" /*  2 */
    "\n"                                    /*  3 */
    "local seen = 0\n"                      /*  4 */
    "-- what is asked of each\n"            /*  5 */
    "local function ask(id)\n"              /*  6 */
    "  seen = seen + 1\n"                   /*  7 */
    "  local r = fake.read { id = id }\n"   /*  8 */
    "  return r.state\n"                    /*  9 */
    "end\n"                                 /* 10 */
    "\n"                                    /* 11 */
    "return playbook { name = \"t.main\", summary = \"a test\", uses = { \"fake\" "
    "}, run = function()\n"                                                                     /* 12 */
    "  local a = ask \"a\"\n"                                                                   /* 13 */
    "  local text = helper.join(a, \"x\")\n"                                                    /* 14 */
    "  local list = { 1, 2, { deep = \"yes\", bytes = \"\\0\\255end\" } }\n"                    /* 15 */
    "  local made = step(\"make\", function()\n"                                                /* 16 */
    "    return 42\n"                                                                           /* 17 */
    "  end)\n"                                                                                  /* 18 */
    "  fake.set { id = \"b\" }\n"                                                               /* 19 */
    "  for i = 1, 3 do\n"                                                                       /* 20 */
    "    list[1] = i * 10\n"                                                                    /* 21 */
    "  end\n"                                                                                   /* 22 */
    "  local outs = map({ \"p\", \"q\" }, function(id)\n"                                       /* 23 */
    "    local s = ask(id)\n"                                                                   /* 24 */
    "    return s .. id\n"                                                                      /* 25 */
    "  end, { name = \"item\", concurrency = 1 })\n"                                            /* 26 */
    "  return { text = text, made = made, n = #outs, roll = random(9), as = tostring(list) }\n" /* 27 */
    "end }\n";                                                                                  /* 28 */

static const char helper[] = "local helper = {}\n"            /* 1 */
                             "function helper.join(a, b)\n"   /* 2 */
                             "  local both = a .. b\n"        /* 3 */
                             "  print(\"joined \" .. both)\n" /* 4 */
                             "  return both\n"                /* 5 */
                             "end\n"                          /* 6 */
                             "return helper\n";               /* 7 */

typedef struct kit {
  rig *r;
  ln_travel *t;
  ln_buf doc;
  size_t acts;
} kit;

static char json_text[1 << 16];

/* The document as JSON. */
static const char *json(kit *k) {
  ln_buf b;
  ln_json j;
  ln_buf_init(&b, 1 << 20);
  ln_json_init(&j, &b);
  ln_v_to_json(ln_buf_view(&k->doc), &j);
  snprintf(json_text, sizeof json_text, "%.*s", LN_STR_ARG(ln_buf_view(&b)));
  ln_buf_free(&b);
  return json_text;
}

static ln_err err;

static void need(bool ok) {
  if (!ok) fail_msg("%s: %s", err.code, err.message);
}

static ln_buf *fresh(kit *k) {
  ln_buf_free(&k->doc);
  ln_buf_init(&k->doc, 64 << 20);
  return &k->doc;
}

static void open_body(kit *k, const char *source) {
  k->r = rig_new(7);
  rig_conf_stdlib(k->r, ""); /* what prepares a plan's scripts is there */
  rig_script(k->r, "t.main", source);
  rig_script(k->r, "t.helper", helper);
  rig_up(k->r);
  need(rig_start(k->r, "t.main", "{}") != NULL);
  rig_go(k->r);
  for (int i = 0; i < 4 && rig_approve(k->r, 0, true, "another"); i++) rig_go(k->r);
  k->acts = k->r->n_acts;
  need((k->t = ln_travel_open(&k->r->g, LN_STR("last"), &err)) != NULL);
}

static void open_run(kit *k) {
  memset(k, 0, sizeof *k);
  open_body(k, script);
}

/* Nothing was asked of the world, and nothing written. */
static void shut(kit *k) {
  int64_t jobs = k->r->jobs;
  ln_travel_close(k->t);
  assert_int_equal(k->r->n_acts, k->acts);
  assert_int_equal(k->r->jobs, jobs);
  ln_buf_free(&k->doc);
  rig_down(k->r);
  rig_free(k->r);
}

static char where_text[1024];

/* "LINE" or "helper LINE", "start", "end completed", and the branch behind it. */
static const char *where(kit *k) {
  ln_standing s;
  ln_travel_where(k->t, &s);
  if (s.why == LN_STANDS_START) return "start";
  if (s.end) snprintf(where_text, sizeof where_text, "end %s", s.end);
  else
    snprintf(where_text, sizeof where_text, "%s%lld%s%.*s",
             ln_str_eq(s.module, LN_STR("t.helper")) ? "helper " : "", (long long)s.line,
             s.branch.n ? " " : "", LN_STR_ARG(s.branch));
  return where_text;
}

static void goes(kit *k, ln_go how, const char *to) {
  need(ln_travel_go(k->t, how, 0, &err));
  assert_string_equal(where(k), to);
}

static ln_standing stands(kit *k) {
  ln_standing s;
  ln_travel_where(k->t, &s);
  return s;
}

static const char *note(kit *k) {
  ln_standing s = stands(k);
  snprintf(where_text, sizeof where_text, "%.*s", LN_STR_ARG(s.note));
  return where_text;
}

static int64_t breaks(kit *k, const char *file, int64_t line, const char *condition, const char *log) {
  ln_break b = {ln_str_of(file), line, ln_str_of(condition), ln_str_of(log)};
  int64_t near;
  return ln_travel_break(k->t, &b, &near, &err);
}

static const char *evaluates(kit *k, const char *text) {
  if (!ln_travel_eval(k->t, 0, ln_str_of(text), fresh(k), &err)) {
    snprintf(where_text, sizeof where_text, "%s: %s", err.code, err.message);
    return where_text;
  }
  ln_str s = ln_v_get_str(ln_buf_view(&k->doc), "text");
  snprintf(where_text, sizeof where_text, "%.*s", LN_STR_ARG(s));
  return where_text;
}

/* --- going --- */

static void test_forwards(void **state) {
  kit k;
  (void)state;
  open_run(&k);
  assert_string_equal(where(&k), "start");
  goes(&k, LN_GO_NEXT, "1");
  goes(&k, LN_GO_NEXT, "2");
  goes(&k, LN_GO_NEXT, "4");
  goes(&k, LN_GO_NEXT, "10"); /* the closure is made where its end is */
  goes(&k, LN_GO_NEXT, "12");
  goes(&k, LN_GO_NEXT, "28");
  goes(&k, LN_GO_NEXT, "12");
  goes(&k, LN_GO_NEXT, "13");
  goes(&k, LN_GO_INTO, "7");
  goes(&k, LN_GO_NEXT, "8");
  goes(&k, LN_GO_NEXT, "9");
  goes(&k, LN_GO_OUT, "14");
  goes(&k, LN_GO_INTO, "helper 3");
  assert_string_equal(stands(&k).module.p, "t.helper");
  goes(&k, LN_GO_OUT, "15");
  shut(&k);
}

static void test_backwards(void **state) {
  kit k;
  (void)state;
  open_run(&k);
  need(ln_travel_end(k.t, &err));
  assert_string_equal(where(&k), "end completed");
  goes(&k, LN_GO_NEXT, "end completed");
  assert_has(note(&k), "nothing after");
  goes(&k, LN_GO_BACK, "27");
  goes(&k, LN_GO_BACK_INTO, "25 item/q");
  goes(&k, LN_GO_BACK, "24 item/q");
  need(ln_travel_goto(k.t, 2, &err));
  assert_string_equal(where(&k), "19");
  goes(&k, LN_GO_BACK, "16"); /* a call over several lines begins and ends in the first */
  goes(&k, LN_GO_BACK, "18");
  goes(&k, LN_GO_BACK, "16");
  goes(&k, LN_GO_BACK, "15");
  goes(&k, LN_GO_BACK_INTO, "helper 5");
  goes(&k, LN_GO_BACK_OUT, "14");
  goes(&k, LN_GO_BACK, "13");
  need(ln_travel_at(k.t, 1, &err));
  goes(&k, LN_GO_BACK, "start");
  goes(&k, LN_GO_BACK, "start");
  assert_has(note(&k), "nothing before");
  shut(&k);
}

static void test_goto(void **state) {
  kit k;
  (void)state;
  open_run(&k);
  need(ln_travel_steps(k.t, fresh(&k), &err));
  assert_has(json(&k), "\"n\":1,\"name\":\"fake.read#1\",\"ok\":true,\"op\":\"fake.read\"");
  assert_has(json(&k), "\"n\":2,\"name\":\"make#1\"");
  need(ln_travel_goto(k.t, 0, &err));
  assert_string_equal(where(&k), "1");
  need(ln_travel_goto(k.t, 1, &err));
  assert_string_equal(where(&k), "9");
  assert_int_equal(stands(&k).step, 1);
  int64_t at = stands(&k).at;
  need(ln_travel_goto(k.t, 3, &err));
  assert_string_equal(where(&k), "20");
  need(ln_travel_goto(k.t, 1, &err));
  assert_string_equal(where(&k), "9");
  assert_int_equal(stands(&k).at, at);
  need(ln_travel_end(k.t, &err));
  need(ln_travel_at(k.t, at, &err));
  assert_string_equal(where(&k), "9");
  assert_true(ln_str_eq(stands(&k).text, LN_STR("  return r.state")));
  assert_false(ln_travel_goto(k.t, 99, &err));
  assert_string_equal(err.code, "not_found");
  assert_string_equal(where(&k), "9");
  need(ln_travel_answer(k.t, 2, fresh(&k), &err));
  assert_has(json(&k), "\"text\":\"42\"");
  shut(&k);
}

/* --- breakpoints --- */

static void test_breakpoints(void **state) {
  kit k;
  (void)state;
  open_run(&k);
  int64_t id = breaks(&k, "t/main.lua", 21, "i == 2", "");
  assert_true(id > 0);
  assert_true(breaks(&k, "t.helper", 4, "", "both is {both}, {#both * 2}") > 0);
  goes(&k, LN_GO_CONTINUE, "21");
  assert_int_equal(stands(&k).why, LN_STANDS_BREAK);
  assert_int_equal(stands(&k).breakpoint, id);
  assert_string_equal(evaluates(&k, "i"), "2");
  need(ln_travel_output(k.t, fresh(&k), &err));
  assert_has(k.doc.p, "both is absentx, 14\njoined absentx\n");
  goes(&k, LN_GO_CONTINUE, "end completed");
  goes(&k, LN_GO_REVERSE, "21");
  assert_string_equal(evaluates(&k, "i"), "2");
  need(ln_travel_breaks(k.t, fresh(&k), &err));
  assert_has(json(&k), "[{\"condition\":\"i == 2\",\"id\":1,\"line\":21");
  assert_true(ln_travel_unbreak(k.t, id));
  assert_false(ln_travel_unbreak(k.t, id));
  goes(&k, LN_GO_REVERSE, "start");
  assert_has(note(&k), "no breakpoint");
  assert_true(breaks(&k, "main.lua", 7, "", "") > 0);
  goes(&k, LN_GO_CONTINUE, "7");
  goes(&k, LN_GO_CONTINUE, "7 item/p");
  goes(&k, LN_GO_CONTINUE, "7 item/q");
  goes(&k, LN_GO_REVERSE, "7 item/p");
  goes(&k, LN_GO_REVERSE, "7");
  goes(&k, LN_GO_REVERSE, "start");
  need(ln_travel_goto(k.t, 0, &err));
  for (int i = 0; i < 7; i++) need(ln_travel_go(k.t, LN_GO_NEXT, 0, &err));
  assert_string_equal(where(&k), "13");
  goes(&k, LN_GO_NEXT, "7"); /* a breakpoint stops whoever steps over it */
  shut(&k);
}

static void no_break(kit *k, const char *file, int64_t line, const char *condition, const char *code,
                     int64_t nearest) {
  ln_break b = {ln_str_of(file), line, ln_str_of(condition), LN_STR("")};
  int64_t near = -1;
  assert_int_equal(ln_travel_break(k->t, &b, &near, &err), 0);
  assert_string_equal(err.code, code);
  assert_int_equal(near, nearest);
}

static void test_no_breakpoints(void **state) {
  kit k;
  (void)state;
  open_run(&k);
  no_break(&k, "main.lua", 5, "", "no_code", 4);
  assert_has(err.message, "the nearest line that has is 4");
  no_break(&k, "main.lua", 3, "", "no_code", 4);
  no_break(&k, "main.lua", 999, "", "no_code", 28);
  no_break(&k, "main.lua", -1, "", "no_code", 1);
  no_break(&k, "none.lua", 1, "", "not_found", 0);
  no_break(&k, "", 1, "", "not_found", 0);
  no_break(&k, "main.lua", 13, "a ==", "syntax", 13);
  no_break(&k, "main.lua", 13, "a = 1", "syntax", 13);
  ln_break b = {LN_STR("main.lua"), 13, LN_STR(""), LN_STR("x {a +} y")};
  int64_t near;
  assert_int_equal(ln_travel_break(k.t, &b, &near, &err), 0);
  assert_string_equal(err.code, "syntax");
  /* one whose condition raises stops, and says so */
  assert_true(breaks(&k, "main.lua", 14, "a.b.c == 1", "") > 0);
  goes(&k, LN_GO_CONTINUE, "14");
  assert_has(note(&k), "raised");
  shut(&k);
}

static void test_step_bodies(void **state) {
  kit k;
  (void)state;
  open_run(&k);
  assert_true(breaks(&k, "main.lua", 17, "", "") > 0);
  goes(&k, LN_GO_CONTINUE, "end completed");
  assert_has(note(&k), "17 was never met: it is within make#1, which is not run again");
  need(ln_travel_goto(k.t, 1, &err));
  goes(&k, LN_GO_OUT, "14");
  goes(&k, LN_GO_NEXT, "15");
  goes(&k, LN_GO_NEXT, "16");
  goes(&k, LN_GO_NEXT, "18");
  goes(&k, LN_GO_INTO, "16");
  goes(&k, LN_GO_INTO, "19");
  assert_has(note(&k), "what make#1 runs cannot be entered");
  shut(&k);
}

/* --- what is there --- */

static void test_frames(void **state) {
  kit k;
  (void)state;
  open_run(&k);
  need(ln_travel_goto(k.t, 1, &err));
  need(ln_travel_frames(k.t, 0, fresh(&k), &err));
  assert_has(json(&k), "\"line\":9,\"module\":\"t.main\",\"name\":\"ask\"");
  assert_has(json(&k), "\"line\":13,\"module\":\"t.main\",\"name\":\"run\"");
  ln_vitem all, first, second;
  ln_str rest = ln_buf_view(&k.doc);
  assert_true(ln_v_read(&rest, &all) && all.count == 2);
  assert_true(ln_v_read(&all.body, &first) && ln_v_read(&all.body, &second));
  int64_t outer = ln_v_get_int(second.whole, "id", 0);
  need(ln_travel_scope(k.t, 0, LN_LOCALS, fresh(&k), &err));
  assert_has(json(&k), "\"name\":\"id\",\"positions\":0,\"ref\":0,\"text\":\"\\\"a\\\"\"");
  assert_has(json(&k), "\"name\":\"r\"");
  need(ln_travel_scope(k.t, 0, LN_UPVALUES, fresh(&k), &err));
  assert_has(json(&k), "\"name\":\"seen\",\"positions\":0,\"ref\":0,\"text\":\"1\"");
  need(ln_travel_eval(k.t, outer, LN_STR("helper"), fresh(&k), &err));
  need(ln_travel_scope(k.t, 0, LN_GLOBALS, fresh(&k), &err));
  assert_has(json(&k), "\"name\":\"playbook\"");
  assert_false(ln_travel_eval(k.t, 990000, LN_STR("1"), fresh(&k), &err));
  assert_string_equal(err.code, "not_found");
  shut(&k);
}

static void test_threads(void **state) {
  kit k;
  (void)state;
  open_run(&k);
  breaks(&k, "main.lua", 25, "id == 'q'", "");
  goes(&k, LN_GO_CONTINUE, "25 item/q");
  need(ln_travel_threads(k.t, fresh(&k), &err));
  assert_has(json(&k), "\"name\":\"\",\"state\":\"joins\"");
  assert_has(json(&k), "\"current\":true,\"id\":3,\"name\":\"item/q\",\"state\":\"runs\"");
  need(ln_travel_frames(k.t, 1, fresh(&k), &err));
  assert_has(json(&k), "\"line\":23,\"module\":\"t.main\"");
  assert_false(ln_travel_frames(k.t, 77, fresh(&k), &err));

  need(ln_travel_go(k.t, LN_GO_BACK, 1, &err)); /* of a branch that waits, not of the one that runs */
  assert_string_equal(where(&k), "23");
  goes(&k, LN_GO_CONTINUE, "25 item/q");
  need(ln_travel_go(k.t, LN_GO_NEXT, 1, &err));
  assert_string_equal(where(&k), "27");
  need(ln_travel_go(k.t, LN_GO_BACK, 77, &err)); /* one that is not there */
  assert_string_equal(where(&k), "23");
  shut(&k);
}

static void test_values(void **state) {
  kit k;
  (void)state;
  open_run(&k);
  breaks(&k, "main.lua", 20, "", "");
  goes(&k, LN_GO_CONTINUE, "20");
  assert_string_equal(evaluates(&k, "list"), "{ 1, 2, { bytes = \"\\x00\\xffend\", deep = \"yes\" } }");
  int64_t ref = ln_v_get_int(ln_buf_view(&k.doc), "ref", 0);
  assert_int_equal(ln_v_get_int(ln_buf_view(&k.doc), "positions", 0), 3);
  need(ln_travel_members(k.t, ref, 1, 1, fresh(&k), &err));
  assert_has(json(&k), "[{\"count\":0,\"name\":\"[2]\",\"positions\":0,\"ref\":0,\"text\":\"2\"");
  need(ln_travel_members(k.t, ref, 2, 0, fresh(&k), &err));
  assert_has(json(&k), "\"name\":\"[3]\"");
  assert_false(ln_travel_members(k.t, 12345, 0, 0, fresh(&k), &err));
  goes(&k, LN_GO_NEXT, "21");
  assert_false(ln_travel_members(k.t, ref, 0, 0, fresh(&k), &err));
  assert_string_equal(err.code, "not_found");
  assert_string_equal(evaluates(&k, "(function() local t = {}; t.me = t; return t end)()"),
                      "{ me = { me = { me = { … } } } }");
  assert_has(evaluates(&k, "string.rep('x', 30000000)"), "xxx…\" (30000000 bytes)");
  assert_has(evaluates(&k, "(function() local t = {}; for i = 1, 100000 do t[i] = i end; return t end)()"),
             "more }");
  assert_int_equal(ln_v_get_int(ln_buf_view(&k.doc), "count", 0), 100000);
  assert_string_equal(
      evaluates(&k, "setmetatable({}, { __tostring = error, __pairs = error, __index = error })"), "{}");
  assert_string_equal(evaluates(&k, "1.0"), "1.0");
  assert_string_equal(evaluates(&k, "helper.join"), "function scripts/t/helper.lua:2");
  shut(&k);
}

static void test_evaluation(void **state) {
  kit k;
  (void)state;
  open_run(&k);
  breaks(&k, "main.lua", 20, "", "");
  goes(&k, LN_GO_CONTINUE, "20");
  assert_string_equal(evaluates(&k, "text .. made"), "\"absentx42\"");
  assert_string_equal(evaluates(&k, "print('hello'); return 1, 2"), "1");
  assert_has(json(&k), "\"out\":\"hello\\n\"");
  assert_has(json(&k), "\"results\":2");
  assert_has(json(&k), "\"value\":1");
  /* what goes wrong is told */
  assert_has(evaluates(&k, "nothing.here"), "unknown name 'nothing'");
  assert_has(evaluates(&k, "made.x.y"), "attempt to index");
  assert_has(evaluates(&k, "fail('mine', 'so it is')"), "mine: so it is");
  assert_has(evaluates(&k, "1 +"), "syntax");
  assert_has(evaluates(&k, "error({})"), ":");
  assert_has(evaluates(&k, "fake.read { id = 'z' }"), "refused: effects cannot be asked here");
  assert_has(evaluates(&k, "pcall(fake.set, { id = 'z' })"), "false");
  assert_has(evaluates(&k, "map({ 1 }, function() end)"), "refused");
  assert_has(evaluates(&k, "step('x', function() return 1 end)"), "refused");
  assert_has(evaluates(&k, "sleep '1s'"), "refused");
  assert_has(evaluates(&k, "approved({ title = 'x' }, function() end)"), "refused");
  assert_has(evaluates(&k, "found { severity = 'high', title = 'x' }"), "refused");
  assert_has(evaluates(&k, "log.info 'x'"), "refused");
  assert_has(evaluates(&k, "while true do end"), "cpu: ");
  assert_has(evaluates(&k, "pcall(function() while true do end end)"), "cpu: ");
  assert_has(evaluates(&k, "('x'):rep(1 << 40)"), ":");
  assert_has(
      evaluates(&k, "(function() local t = {}; while true do t[#t + 1] = ('x'):rep(1000) .. #t end end)()"),
      "memory: ");
  assert_has(evaluates(&k, "(function() local function f() return 1 + f() end; return f() end)()"),
             "stack: ");
  assert_has(evaluates(&k, "coroutine.wrap(function() coroutine.yield(5) end)()"), "5");
  assert_has(evaluates(&k, "nowhere = 1"), "cannot be assigned");
  assert_false(stands(&k).changed);
  /* and the run goes on as before */
  assert_string_equal(evaluates(&k, "random(1000000) ~= nil"), "true");
  assert_string_equal(evaluates(&k, "tostring({}) ~= tostring(list)"), "true");
  assert_true(ln_travel_unbreak(k.t, 1));
  goes(&k, LN_GO_CONTINUE, "end completed");
  need(ln_travel_about(k.t, fresh(&k), &err));
  assert_has(json(&k), "\"result\":{\"as\":\"table: 1\",\"made\":42,\"n\":2,\"roll\":");
  assert_has(json(&k), rig_result(k.r));
  shut(&k);
}

static void test_assignment(void **state) {
  kit k;
  (void)state;
  open_run(&k);
  breaks(&k, "main.lua", 21, "i == 2", "");
  goes(&k, LN_GO_CONTINUE, "21");
  evaluates(&k, "text = 'other'; made = { 7 }");
  assert_true(stands(&k).changed);
  assert_string_equal(evaluates(&k, "text .. made[1]"), "\"other7\"");
  need(ln_travel_goto(k.t, 4, &err));
  assert_string_equal(where(&k), "9 item/p");
  evaluates(&k, "seen = seen + 100");
  goes(&k, LN_GO_CONTINUE, "end completed");
  assert_true(stands(&k).changed);
  goes(&k, LN_GO_REVERSE, "21");
  assert_false(stands(&k).changed);
  assert_string_equal(evaluates(&k, "text"), "\"absentx\"");
  shut(&k);
}

static void test_diff(void **state) {
  kit k;
  (void)state;
  open_run(&k);
  breaks(&k, "main.lua", 21, "i == 1", "");
  goes(&k, LN_GO_CONTINUE, "21");
  int64_t at = stands(&k).at, later = at + 4;
  need(ln_travel_diff(k.t, at, later, fresh(&k), &err));
  assert_string_equal(json(&k), "[{\"after\":\"3\",\"before\":\"1\",\"name\":\"i\"},"
                                "{\"after\":\"20\",\"before\":\"1\",\"name\":\"list[1]\"}]");
  assert_int_equal(stands(&k).at, at);
  need(ln_travel_diff(k.t, at, at, fresh(&k), &err));
  assert_string_equal(json(&k), "[]");
  shut(&k);
}

static void test_sources(void **state) {
  kit k;
  (void)state;
  open_run(&k);
  rig_script(k.r, "t.main", "return 'it was edited since'\n");
  need(ln_travel_source(k.t, LN_STR("t/main.lua"), fresh(&k), &err));
  assert_has(json(&k), "local made = step");
  need(ln_travel_sources(k.t, fresh(&k), &err));
  assert_has(json(&k), "{\"module\":\"t.helper\",\"path\":\"scripts/t/helper.lua\"}");
  assert_false(ln_travel_source(k.t, LN_STR("t/none.lua"), fresh(&k), &err));
  goes(&k, LN_GO_CONTINUE, "end completed");
  shut(&k);
}

/* --- runs that did not come to their own end --- */

static void test_waits(void **state) {
  kit k = {0};
  (void)state;
  open_body(
      &k,
      "local fake = require 'fake'\nreturn playbook { name = 't.main', summary = 's', uses = { 'fake' },\n"
      "run = function()\n  local id = 'a'\n  local ok = coroutine.wrap(function(inner)\n"
      "    return await_signal 'go'\n  end)(7)\n  return id\nend }\n");
  need(ln_travel_end(k.t, &err));
  assert_string_equal(where(&k), "end waits");
  assert_int_equal(stands(&k).line, 6);
  need(ln_travel_frames(k.t, 0, fresh(&k), &err));
  assert_has(json(&k), "\"line\":6,");
  assert_has(json(&k), "\"line\":5,");
  assert_string_equal(evaluates(&k, "inner"), "7");
  goes(&k, LN_GO_BACK, "6");
  goes(&k, LN_GO_BACK_OUT, "5");
  assert_string_equal(evaluates(&k, "id"), "\"a\"");
  shut(&k);
}

static void test_failed(void **state) {
  kit k = {0};
  (void)state;
  open_body(&k,
            "return playbook { name = 't.main', summary = 's',\nrun = function()\n  local function deep(x)\n"
            "    fail('mine', 'no ' .. x)\n  end\n  deep 'way'\n  return 1\nend }\n");
  need(ln_travel_end(k.t, &err));
  assert_string_equal(where(&k), "end failed");
  need(ln_travel_about(k.t, fresh(&k), &err));
  assert_has(json(&k), "no way");
  assert_string_equal(evaluates(&k, "1 + 1"), "2");
  assert_has(evaluates(&k, "random(3) < 4 and now() > 0"), "true");
  goes(&k, LN_GO_BACK, "4");
  assert_string_equal(evaluates(&k, "x"), "\"way\"");
  shut(&k);
}

static void test_runaway(void **state) {
  kit k = {0};
  (void)state;
  k.r = NULL;
  open_body(
      &k,
      "local fake = require 'fake'\nreturn playbook { name = 't.main', summary = 's', uses = { 'fake' },\n"
      "run = function()\n  fake.read { id = 'a' }\n  local t = {}\n  while true do\n"
      "    t[#t + 1] = ('x'):rep(100000)\n  end\nend }\n");
  need(ln_travel_goto(k.t, 1, &err));
  assert_string_equal(where(&k), "5");
  need(ln_travel_end(k.t, &err));
  assert_string_equal(where(&k), "end stopped");
  goes(&k, LN_GO_BACK_INTO, "7");
  assert_has(evaluates(&k, "#t > 100"), "true");
  shut(&k);
}

/* What one changes may have it ask otherwise: that ends it, and says so. */
static void test_diverged(void **state) {
  kit k;
  (void)state;
  open_run(&k);
  breaks(&k, "main.lua", 8, "id == 'p'", "");
  goes(&k, LN_GO_CONTINUE, "8 item/p");
  evaluates(&k, "id = 'other'");
  goes(&k, LN_GO_CONTINUE, "end diverged");
  need(ln_travel_about(k.t, fresh(&k), &err));
  assert_has(json(&k), "is not what the journal has");
  need(ln_travel_threads(k.t, fresh(&k), &err));
  goes(&k, LN_GO_REVERSE, "8 item/p");
  assert_string_equal(evaluates(&k, "id"), "\"p\"");
  shut(&k);
}

/* An interruption ends the call under way, and the next one is as ever. */
static void test_interrupted(void **state) {
  kit k;
  (void)state;
  open_run(&k);
  need(ln_travel_goto(k.t, 1, &err));
  ln_travel_interrupt(k.t);
  goes(&k, LN_GO_CONTINUE, "14");
  assert_int_equal(stands(&k).why, LN_STANDS_PAUSED);
  ln_travel_interrupt(k.t);
  assert_has(evaluates(&k, "while true do end"), "cancelled");
  assert_string_equal(evaluates(&k, "1"), "1");
  goes(&k, LN_GO_NEXT, "15");
  goes(&k, LN_GO_CONTINUE, "end completed");
  shut(&k);
}

/* Values that lie beside the journal, and are longer than anybody looks at. */
static void test_large(void **state) {
  kit k = {0};
  char ulid[LN_ULID + 1];
  (void)state;
  open_body(&k, "return playbook { name = 't.main', summary = 's', run = function()\n"
                "  local big = step('big', function() return { text = ('\\0\\255'):rep(10000000) } end)\n"
                "  local n = #big.text\n  return n\nend }\n");
  need(ln_travel_answer(k.t, 1, fresh(&k), &err));
  assert_has(json(&k), "(20000000 bytes)");
  assert_true(k.doc.n < 4096);
  need(ln_travel_goto(k.t, 1, &err));
  need(ln_travel_scope(k.t, 0, LN_LOCALS, fresh(&k), &err));
  assert_true(k.doc.n < 4096);
  assert_string_equal(evaluates(&k, "#big.text"), "20000000");
  assert_has(evaluates(&k, "big.text .. big.text"), "(40000000 bytes)");
  assert_has(evaluates(&k, "big.text:rep(4)"), "memory: ");
  need(ln_travel_fork(k.t, &k.r->g, &(ln_fork_options){.by = LN_STR("somebody")}, ulid, &err));
  if (!rig_resume(k.r, ulid)) fail_msg("%s", rig_err.message);
  rig_go(k.r);
  assert_string_equal(rig_result(k.r), "20000000");
  shut(&k);
}

static bool forget(ln_tx *tx, void *sha, ln_err *e) { return ln_tx_content_remove(tx, ln_str_of(sha), e); }

/* The hash of the first script that a manifest names. */
static void first_script(kit *k, const char *manifest, char sha[80]) {
  ln_str line, rest, module;
  need(ln_store_content_get(k->r->g.store, ln_str_of(manifest), fresh(k), &err));
  ln_str_cut(ln_buf_view(&k->doc), '\n', &line, &rest);
  ln_str_cut(rest, '\t', &module, &rest);
  snprintf(sha, 80, "%.64s", rest.p);
}

static void test_no_snapshot(void **state) {
  kit k = {0};
  char sha[80], source[80];
  (void)state;
  open_body(&k, "return playbook { name = 't.main', summary = 's', run = function() return 1 end }\n");
  assert_null(ln_travel_open(&k.r->g, LN_STR("nothing"), &err));
  assert_string_equal(err.code, "not_found");
  assert_non_null(strstr(rig_doc(k.r), "\"snapshot\":\"sha256:"));
  snprintf(sha, sizeof sha, "%.64s", strstr(rig_doc(k.r), "\"snapshot\":\"sha256:") + 19);
  first_script(&k, sha, source);
  const char *lost[] = {source, sha};
  for (int i = 0; i < 2; i++) {
    need(ln_writer_run(k.r->g.store, forget, (void *)(uintptr_t)lost[i], &err));
    if (k.t) goes(&k, LN_GO_CONTINUE, "end completed"); /* what is open has it */
    ln_travel_close(k.t);
    k.t = NULL;
    rig_down(k.r);
    rig_up(k.r);
    k.acts = k.r->n_acts;
    assert_null(ln_travel_open(&k.r->g, LN_STR("last"), &err));
    assert_string_equal(err.code, "store");
    assert_has(err.message, i ? "has lost the manifest of snapshot sha256:" : ".lua of snapshot sha256:");
  }
  shut(&k);
}

/* --- other runs from here --- */

static void forks(kit *k, const ln_fork_options *o, char ulid[LN_ULID + 1]) {
  need(ln_travel_fork(k->t, &k->r->g, o, ulid, &err));
}

/* The world as it was before. */
static void nothing_held(kit *k) {
  static const char *const ids[] = {"one", "two", "three", "four"};
  for (size_t i = 0; i < 4; i++) rig_thing_set(k->r, ids[i], "absent");
}

static void carries(kit *k, const char *ulid) {
  if (!rig_resume(k->r, ulid)) fail_msg("%s", rig_err.message);
  rig_go(k->r);
}

static const char asking[] =
    "local fake = require 'fake'\nreturn playbook { name = 't.main', summary = 's', uses = { 'fake' },\n"
    "run = function()\n  local a, roll, t = fake.read { id = 'a' }, random(1000000), now()\n"
    "  step('note', function() found { severity = 'low', title = 'inside' } end)\n"
    "  fake.set { id = 'one' }\n"
    "  local done = approved({ title = 'both' }, function()\n"
    "    fake.set { id = 'two' }\n"
    "    return fake.set { id = 'three' }\n  end)\n"
    "  found { severity = 'high', title = 'that' }\n"
    "  fake.set { id = 'four' }\n"
    "  return { roll, t }\nend }\n";

/* Four writes, of which the last three were not made yet when it is forked: they are planned. */
static void test_fork_plans(void **state) {
  kit k = {0};
  char ulid[LN_ULID + 1], was[LN_ULID + 1], result[256];
  (void)state;
  open_body(&k, asking);
  snprintf(was, sizeof was, "%s", ln_run_ulid(k.r->run[0]));
  snprintf(result, sizeof result, "%s", rig_result(k.r));
  assert_string_equal(rig_state(k.r), "completed");
  nothing_held(&k);
  need(ln_travel_goto(k.t, 3, &err)); /* fake.set one */
  assert_string_equal(where(&k), "7");
  forks(&k, &(ln_fork_options){.by = LN_STR("somebody")}, ulid);
  assert_has(rig_doc(k.r), "lunette resume ");
  assert_has(rig_doc(k.r), "\"state\":\"waiting\"");
  carries(&k, ulid);
  assert_int_equal(rig_count(k.r, "send", NULL), 4);
  assert_string_equal(rig_state(k.r), "completed");
  assert_string_equal(rig_result(k.r), result); /* chance and time are the other's */
  const char *doc = rig_doc(k.r);
  assert_has(doc, "\"name\":\"fake.set#1\"");
  assert_has(doc, "\"state\":\"assumed\"");
  assert_has(doc, "\"name\":\"fake.set#2\"");
  assert_has(doc, "\"state\":\"planned\"");
  assert_lacks(doc, "\"class\":\"write\",\"state\":\"done\"");
  assert_has(doc, "\"holds\":[]");
  assert_has(doc, "\"title\":\"inside\"");
  assert_has(doc, "\"title\":\"that\"");
  assert_has(doc, "\"forked\":{\"run\":\"");
  assert_has(doc, was);
  assert_has(doc, "\"step\":3}");
  k.acts = k.r->n_acts;
  shut(&k);
}

/* One that acts asks its own questions, whatever was approved before. */
static void test_fork_acts(void **state) {
  kit k = {0};
  char ulid[LN_ULID + 1];
  (void)state;
  open_body(&k, asking);
  breaks(&k, "main.lua", 9, "", "");
  goes(&k, LN_GO_CONTINUE, "9 approved?");
  goes(&k, LN_GO_CONTINUE, "9 approved");
  rig_thing_set(k.r, "three", "absent");
  forks(&k, &(ln_fork_options){.by = LN_STR("somebody"), .act = true}, ulid);
  carries(&k, ulid);
  assert_has(rig_doc(k.r), "\"state\":\"waiting\"");
  assert_int_equal(rig_count(k.r, "send", NULL), 4);
  assert_true(rig_approve(k.r, 0, true, "another"));
  rig_go(k.r);
  assert_string_equal(rig_state(k.r), "completed");
  assert_int_equal(rig_acted(k.r, "approved/fake.set#2"), 2);
  assert_int_equal(rig_acted(k.r, "approved/fake.set#1"), 1);
  k.acts = k.r->n_acts;
  shut(&k);
}

static bool same_each(void *arg, ln_str doc, bool same) {
  (void)doc;
  *(int *)arg += same;
  return true;
}

/* It comes to the same again, alone and beside what its scripts would do now. */
static void replays(kit *k, const char *ulid, int runs) {
  char folder[160];
  bool same = false;
  int n = 0;
  need(ln_replay_one(&k->r->g, ln_str_of(ulid), NULL, fresh(k), &same, &err));
  if (!same) fail_msg("%s", json(k));
  snprintf(folder, sizeof folder, "%s/scripts", k->r->folder);
  need(ln_replay_each(&k->r->g, folder, 0, same_each, &n, &err));
  assert_int_equal(n, runs);
}

/* A fork can be opened, replayed and forked like any run; one of a plan only as a plan. */
static void test_fork_of_fork(void **state) {
  kit k = {0};
  char ulid[LN_ULID + 1], again[LN_ULID + 1];
  (void)state;
  open_body(&k, asking);
  nothing_held(&k);
  need(ln_travel_goto(k.t, 3, &err));
  forks(&k, &(ln_fork_options){.by = LN_STR("somebody")}, ulid);
  carries(&k, ulid);
  ln_travel_close(k.t);
  need((k.t = ln_travel_open(&k.r->g, ln_str_of(ulid), &err)) != NULL);
  need(ln_travel_end(k.t, &err));
  assert_string_equal(where(&k), "end completed");
  assert_false(ln_travel_fork(k.t, &k.r->g, &(ln_fork_options){.act = true}, again, &err));
  assert_string_equal(err.code, "conflict");
  need(ln_travel_goto(k.t, 2, &err));
  forks(&k, &(ln_fork_options){.by = LN_STR("somebody")}, again);
  carries(&k, again);
  replays(&k, ulid, 3);
  replays(&k, again, 3);
  assert_string_equal(rig_state(k.r), "completed");
  assert_has(rig_doc(k.r), "\"state\":\"planned\"");
  assert_lacks(rig_doc(k.r), "\"state\":\"assumed\"");
  k.acts = k.r->n_acts;
  shut(&k);
}

/* A plan from each point of a real run, also from within what was approved there: none acts, each ends,
** and each comes to the same again. */
static void test_fork_anywhere(void **state) {
  kit k = {0};
  char ulid[LN_ULID + 1];
  (void)state;
  open_body(&k, asking);
  nothing_held(&k);
  for (int64_t step = 0; step <= stands(&k).steps; step++) {
    need(ln_travel_goto(k.t, step, &err));
    forks(&k, &(ln_fork_options){.by = LN_STR("somebody")}, ulid);
    carries(&k, ulid);
    assert_string_equal(rig_state(k.r), "completed");
    bool same = false;
    need(ln_replay_one(&k.r->g, ln_str_of(ulid), NULL, fresh(&k), &same, &err));
    if (!same) fail_msg("%s", json(&k));
    ln_run_close(k.r->run[1]);
    k.r->run[1] = NULL;
    assert_int_equal(rig_count(k.r, "send", NULL), 4);
  }
  k.acts = k.r->n_acts;
  shut(&k);
}

/* With what was edited: it has to fit what is recorded, and may go on as it likes. */
static void test_fork_edited(void **state) {
  kit k = {0};
  char ulid[LN_ULID + 1], folder[160];
  (void)state;
  open_body(&k, asking);
  need(ln_travel_goto(k.t, 3, &err));
  snprintf(folder, sizeof folder, "%s/scripts", k.r->folder);
  ln_fork_options o = {.by = LN_STR("somebody"), .with = folder};
  rig_script(k.r, "t.main",
             "local fake = require 'fake'\nreturn playbook { name = 't.main', uses = { 'fake' },\n"
             "run = function()\n  local a = fake.read { id = 'a' }\n  step('note', function() end)\n"
             "  fake.set { id = 'one' }\n  fake.set { id = 'five' }\n  return 'edited' end }\n");
  forks(&k, &o, ulid);
  carries(&k, ulid);
  assert_string_equal(rig_result(k.r), "\"edited\"");
  assert_has(rig_doc(k.r), ":five\"");
  rig_script(k.r, "t.main",
             "local fake = require 'fake'\nreturn playbook { name = 't.main', uses = { 'fake' },\n"
             "run = function()\n  fake.set { id = 'other' }\n end }\n");
  forks(&k, &o, ulid);
  carries(&k, ulid);
  assert_string_equal(rig_state(k.r), "failed");
  assert_has(rig_error(k.r), "divergence");
  assert_int_equal(rig_count(k.r, "send", NULL), 4);
  o.with = "/nowhere";
  assert_false(ln_travel_fork(k.t, &k.r->g, &o, ulid, &err));
  k.acts = k.r->n_acts;
  shut(&k);
}

/* The process that carries a fork may die anywhere: whoever resumes it goes on. */
static void test_fork_dies(void **state) {
  char ulid[LN_ULID + 1];
  (void)state;
  for (int64_t at = 0; at < 12; at++) {
    kit k = {0};
    open_body(&k, asking);
    nothing_held(&k);
    need(ln_travel_goto(k.t, 3, &err));
    forks(&k, &(ln_fork_options){.by = LN_STR("somebody")}, ulid);
    ln_travel_close(k.t);
    k.r->kill_at = k.r->jobs + at;
    if (rig_resume(k.r, ulid)) rig_go(k.r);
    if (k.r->dead) rig_crash(k.r);
    else rig_down(k.r);
    k.r->kill_at = -1;
    rig_up(k.r);
    if (strcmp(rig_state(k.r), "completed") != 0) carries(&k, ulid);
    assert_string_equal(rig_state(k.r), "completed");
    assert_has(rig_doc(k.r), "\"state\":\"planned\"");
    assert_int_equal(rig_count(k.r, "send", NULL), 4);
    k.t = NULL;
    k.acts = k.r->n_acts;
    shut(&k);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_forwards),       cmocka_unit_test(test_backwards),
      cmocka_unit_test(test_goto),           cmocka_unit_test(test_breakpoints),
      cmocka_unit_test(test_no_breakpoints), cmocka_unit_test(test_step_bodies),
      cmocka_unit_test(test_frames),         cmocka_unit_test(test_threads),
      cmocka_unit_test(test_values),         cmocka_unit_test(test_evaluation),
      cmocka_unit_test(test_assignment),     cmocka_unit_test(test_diff),
      cmocka_unit_test(test_sources),        cmocka_unit_test(test_waits),
      cmocka_unit_test(test_failed),         cmocka_unit_test(test_runaway),
      cmocka_unit_test(test_diverged),       cmocka_unit_test(test_interrupted),
      cmocka_unit_test(test_large),          cmocka_unit_test(test_no_snapshot),
      cmocka_unit_test(test_fork_plans),     cmocka_unit_test(test_fork_acts),
      cmocka_unit_test(test_fork_of_fork),   cmocka_unit_test(test_fork_anywhere),
      cmocka_unit_test(test_fork_edited),    cmocka_unit_test(test_fork_dies)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
