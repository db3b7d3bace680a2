/* engine_plan_test.c: look before you leap.  A plan reads the real world and changes nothing, neither
** there nor in the store; what it would do is told write by write, with what is not known yet left opaque. */
#include "tests/unit/engine_rig.h"

#include "engine/inside.h"

static rig *set_up(const char *body) {
  rig *r = rig_new(41);
  rig_conf_stdlib(r, ""); /* what prepares a plan's scripts is there */
  rig_script(
      r, "t.part",
      "local fake = require \"fake\"\nreturn playbook { name = \"t.part\", summary = \"a part\", stage = "
      "\"part\", uses = { \"fake\" },"
      " run = function() fake.set { id = 'in part' }; return fake.read { id = 'in part' }.state end }");
  rig_body(r, body);
  r->options.plan = true;
  return r;
}

static const char *planned(rig *r) {
  rig_carry(r, "t.main", NULL);
  assert_int_equal(rig_count(r, "send", NULL), 0);
  assert_int_equal(rig_count(r, "probe", NULL), 0);
  assert_has(rig_doc(r), "\"holds\":[]");
  return rig_doc(r);
}

static void test_nothing_is_sent(void **state) {
  (void)state;
  rig *r = set_up("fake.set { id = 'a' }; fake.free { id = 'a' }; fake.post { id = 'p' }; fake.blind { id = "
                  "'b' }; fake.task { id = 't' };"
                  "map({ 1, 2 }, function(i) fake.set { id = 'm' .. i } end); parallel { x = function() "
                  "fake.post { id = 'x' } end };"
                  "local s = stage('part', {}); return { s, fake.read { id = 'a' }.state }");
  const char *doc = planned(r);
  assert_string_equal(rig_state(r), "completed");
  assert_string_equal(rig_result(r), "[\"absent\",\"absent\"]"); /* reads see the world as it is */
  doc = rig_doc(r);
  assert_has(doc, "\"state\":\"planned\"");
  assert_has(doc, "\"would\":{\"entity\":\"fake:host:m2\",\"facet\":\"state\",\"from\":\"absent\",\"method\":"
                  "\"PUT\",\"names\":{\"host\":[\"m2\"]},\"to\":\"held\",\"url\":\"https://fake/\"}");
  assert_has(doc, "part/fake.set#1");
  assert_int_equal(r->n_things, 0);
  rig_free(r);
}

static void test_unchanged_and_refused(void **state) {
  (void)state;
  rig *r =
      set_up("local a = fake.set { id = 'so' }; local b, e = try(fake.file, { id = "
             "'C:\\\\Windows\\\\System32\\\\cmd.exe' });"
             " local c, f = try(fake.set, { id = 'nobody' }); return { a.state, e.code, e.rule, f.rule }");
  rig_thing_set(r, "so", "held");
  const char *doc = planned(r);
  assert_has(doc, "\"state\":\"unchanged\"");
  assert_has(doc, "\"state\":\"refused\"");
  assert_string_equal(rig_result(r), "[\"held\",\"refused\",\"system_file\",\"unresolved\"]");
  rig_free(r);
}

static void test_a_plan_that_failed_is_none(void **state) {
  (void)state;
  rig *r = set_up("fake.set { id = 'a' }; fail('odd', 'it is odd')");
  planned(r);
  assert_string_equal(rig_state(r), "failed");
  assert_string_equal(rig_outcome(r), "nothing");
  rig_free(r);
}

static void test_writes_never_are_planned(void **state) {
  (void)state;
  rig *r = set_up("fake.set { id = 'a' }");
  r->writes = "never";
  assert_has(planned(r), "\"state\":\"planned\"");
  rig_free(r);
}

/* What is not known yet may be passed on and shown; what would decide on it ends the branch, and nothing
** catches that.  That is no failure. */
static void test_opaque(void **state) {
  (void)state;
  rig *r = set_up("local v = fake.task { id = 't' }; evidence('handle', v.handle); found { severity = 'low', "
                  "title = 'handle', handle = v.handle };"
                  " return { v.state, v.handle }");
  planned(r);
  assert_string_equal(rig_state(r), "completed");
  assert_has(rig_result(r), "[\"held\",");
  rig_free(r);
  static const char *const uses[] = {"v.handle + 1", "v.handle == 'x'", "not v.handle", "#v.handle",
                                     "v.handle .. 'x'"};
  for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
    char body[256];
    snprintf(body, sizeof body, "local v = fake.task { id = 't' }; pcall(function() return %s end); return 1",
             uses[i]);
    r = set_up(body);
    planned(r);
    assert_string_equal(rig_state(r), "completed");
    assert_has(rig_doc(r), "\"unknown\":[{\"stage\":null,\"branch\":null,\"at\":\"scripts/t/main.lua:2\"");
    assert_has(rig_doc(r), "fake.task#1");
    rig_free(r);
  }
}

/* A write and a read of what is not known yet: there is nobody to look at, to guard, or to ask. */
static void test_of_what_is_not_known(void **state) {
  (void)state;
  rig *r = set_up("local h = fake.task { id = 't' }.handle; fake.set { id = 'nobody', note = h };"
                  " local _, e = try(fake.file, { id = 'C:\\\\Windows\\\\System32\\\\cmd.exe', note = h });"
                  " return { e.rule, fake.read { id = h } }");
  planned(r);
  assert_int_equal(rig_count(r, "read", NULL), 0);
  assert_string_equal(rig_result(r), "[\"system_file\",\"⟨unknown⟩\"]"); /* what is known is guarded */
  assert_has(rig_doc(r), "\"unknown\":\"the plan cannot know fake before fake.task#1 is done");
  assert_has(rig_doc(r), "\"outcome\":\"complete\"");
  rig_free(r);
}

static void test_assumed(void **state) {
  (void)state;
  static const char by_step[] = "{\"fake.task#1\":{\"handle\":\"h1\"},\"fake.post\":{\"id\":\"assumed\"},"
                                "\"fake.read#1\":{\"state\":\"so\"}}";
  ln_buf b;
  rig *r = set_up("return { fake.task { id = 't' }.handle, fake.post { id = 'p' }.id, fake.read { id = 'x' "
                  "}.state, fake.read { id = 'x' }.state }");
  rig_up(r);
  ln_buf_init(&b, 1 << 16);
  assert_true(ln_host_json(r->g.host, LN_STR(by_step), &b, &rig_err));
  r->options.assume = ln_buf_view(&b);
  planned(r);
  assert_string_equal(rig_result(r), "[\"h1\",\"assumed\",\"so\",\"absent\"]");
  assert_has(rig_doc(r), "\"state\":\"assumed\"");
  ln_buf_free(&b);
  rig_free(r);
}

static void test_nobody_is_asked(void **state) {
  (void)state;
  rig *r = set_up("approve { title = 'may I?' }; ask { title = 'which?' };"
                  " return approved({ title = 'two' }, function() fake.set { id = 'a' }; return fake.set { "
                  "id = 'srv-1' }.state end)");
  planned(r);
  assert_has(rig_doc(r), "\"approvals\":[]");
  assert_has(rig_doc(r), "\"name\":\"approved/fake.set#2\"");
  assert_string_equal(rig_result(r), "\"held\"");
  rig_free(r);
}

static bool no_key(void *arg, const ln_approval *a) {
  (void)arg;
  (void)a;
  return true;
}

static bool see_key(ln_tx *tx, void *arg, ln_err *err) {
  ln_buf b;
  ln_buf_init(&b, 1024);
  bool ok = ln_tx_kv_get(tx, LN_STR("k"), &b, arg, err);
  ln_buf_free(&b);
  return ok;
}

/* Values that runs share are changed by no plan, and by none that `approved` makes. */
static void test_the_store_is_not_changed(void **state) {
  (void)state;
  int64_t version = -1;
  rig *r = set_up(
      "local n = store.incr 'k'; store.set('k', 5); store.delete 'k'; return { (store.get 'k') == nil, n }");
  planned(r);
  assert_has(rig_result(r), "[true,");
  assert_true(ln_writer_run(r->g.store, see_key, &version, &rig_err));
  assert_int_equal(version, 0);
  assert_true(ln_store_approvals(r->g.store, 0, false, no_key, NULL, &rig_err));
  rig_free(r);
  r = set_up("approved({ title = 'x' }, function() store.incr 'k'; fake.set { id = 'a' } end); return "
             "store.get 'k'");
  r->options.plan = false;
  rig_carry(r, "t.main", NULL);
  assert_string_equal(rig_result(r), "1"); /* once, when it was for real */
  rig_free(r);
}

static int count_in(const char *text, const char *part) {
  int n = 0;
  for (const char *at = text; (at = strstr(at, part)); at++) n++;
  return n;
}

/* An interrupted plan goes on, and is the same. */
static void test_resumed(void **state) {
  (void)state;
  for (int64_t k = 0; k < 8; k++)
    for (int death = RIG_BEFORE; death <= RIG_AFTER; death++) {
      rig *r = set_up("local a = fake.set { id = 'a' }; store.set('k', 1);"
                      "local o = map({ 1, 2 },"
                      " function(i) return fake.task { id = 'p' .. i }.handle + 1 end);"
                      "return { a.state, o[1].ok, o[2].value }");
      r->kill_at = k;
      r->death = (rig_death)death;
      planned(r);
      assert_string_equal(rig_result(r), "[\"held\",\"⟨unknown⟩\",\"⟨unknown⟩\"]");
      assert_int_equal(count_in(rig_doc(r), "\"branch\":\"map/"), 2);
      assert_has(rig_doc(r), "\"outcome\":\"partial\"");
      rig_free(r);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_nothing_is_sent),
                                     cmocka_unit_test(test_unchanged_and_refused),
                                     cmocka_unit_test(test_a_plan_that_failed_is_none),
                                     cmocka_unit_test(test_writes_never_are_planned),
                                     cmocka_unit_test(test_opaque),
                                     cmocka_unit_test(test_of_what_is_not_known),
                                     cmocka_unit_test(test_assumed),
                                     cmocka_unit_test(test_nobody_is_asked),
                                     cmocka_unit_test(test_the_store_is_not_changed),
                                     cmocka_unit_test(test_resumed)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
