/* engine_report_test.c: what a run's document says beside its steps: which stage a step or a note belongs to,
** how the stages stand, what was refused and why, and what people call the things that a write is about. */
#include "tests/unit/engine_rig.h"

static rig *set_up(const char *part, const char *body) {
  char script[8192];
  rig *r = rig_new(1);
  snprintf(script, sizeof script,
           "local fake = require \"fake\"\nreturn playbook { name = \"t.part\", summary = \"a part\","
           " stage = \"part\", uses = { \"fake\" }, input = { id = \"string = s\" },"
           " run = function(input)\n%s\nend }\n",
           part);
  rig_script(r, "t.part", script);
  snprintf(script, sizeof script,
           "local fake = require \"fake\"\nreturn playbook { name = \"t.main\", summary = \"a test\","
           " uses = { \"fake\", \"t.part\" }, run = function()\n%s\nend }\n",
           body);
  rig_script(r, "t.main", script);
  return r;
}

static void test_steps_and_notes_know_their_stage(void **state) {
  (void)state;
  rig *r = set_up("fake.read { id = input.id }; found { severity = 'low', title = 'f-' .. input.id };"
                  "map({ 'i' }, function() fake.read { id = 'in-' .. input.id } end, { name = 'part' });"
                  "not_done('w-' .. input.id, 'x')",
                  "parallel { left = function() stage('part', { id = 'l' }) end,"
                  "  right = function() fake.read { id = 'outside' }; stage('t.part', { id = 'r' });"
                  "                     stage('t.part', { id = 'again' }) end }");
  rig_live(r, "t.main", "{}");
  const char *doc = rig_doc(r);
  const char *const of[][2] = {{"left/part/fake.read#1", "part"},
                               {"left/part/part/i/fake.read#1", "part"},
                               {"right/part/fake.read#1", "t.part"},
                               {"right/part~2/fake.read#1", "t.part"}};
  for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
    char want[256];
    snprintf(want, sizeof want, "{\"name\":\"%s\"", of[i][0]);
    const char *at = strstr(doc, want);
    if (!at) fail_msg("no step %s in %s", of[i][0], doc);
    snprintf(want, sizeof want, "\"stage\":\"%s\"", of[i][1]);
    const char *stage = strstr(at, "\"stage\":");
    assert_true(strncmp(stage, want, strlen(want)) == 0);
  }
  assert_has(doc, "{\"stage\":\"part\",\"severity\":\"low\",\"title\":\"f-l\"}");
  assert_has(doc, "{\"stage\":\"t.part\",\"severity\":\"low\",\"title\":\"f-again\"}");
  assert_has(doc, "{\"stage\":\"t.part\",\"what\":\"w-r\"");
  const char *outside = strstr(doc, "{\"name\":\"right/fake.read#1\"");
  assert_non_null(outside);
  assert_true(strncmp(strstr(outside, "\"stage\":"), "\"stage\":null", 12) == 0);
  rig_free(r);
}

static void test_a_stage_that_is_called_again_is_another_one(void **state) {
  (void)state;
  rig *r = set_up("if input.id == 'bad' then fail('odd', 'it is odd') end",
                  "stage('part', { id = 'good' }); stage('part', { id = 'bad' });"
                  "map({ 'x', 'y' }, function(id) stage('part', { id = id }) end, { name = 'each' })");
  rig_live(r, "t.main", "{}");
  assert_has(rig_doc(r), "\"stages\":[{\"stage\":\"part\",\"state\":\"done\",\"why\":null},"
                         "{\"stage\":\"part\",\"state\":\"failed\",\"why\":\"it is odd\"},"
                         "{\"stage\":\"part\",\"state\":\"done\",\"why\":null},"
                         "{\"stage\":\"part\",\"state\":\"done\",\"why\":null}]");
  rig_free(r);
}

static void test_many_stages(void **state) {
  (void)state;
  rig *r = set_up("", "for i = 1, 100 do stage('part', {}, { when = false, why = 'n' .. i }) end");
  rig_live(r, "t.main", "{}");
  assert_has(rig_doc(r), "\"why\":\"n1\"");
  assert_has(rig_doc(r), "\"why\":\"n100\"");
  rig_free(r);
}

/* What was asked, and refused or not answered yet, says what it was about. */
static void test_a_question_and_its_answer(void **state) {
  (void)state;
  rig *r = set_up("fake.free { id = 'a' }", "stage('part', {})");
  r->writes = "ask";
  rig_thing_set(r, "a", "held");
  rig_live(r, "t.main", "{}");
  rig_down(r);
  rig_up(r);
  assert_has(rig_doc(r), "{\"stage\":\"part\",\"state\":\"waiting\",\"why\":null}");
  assert_has(rig_doc(r), "\"state\":\"waiting\",\"attempts\":0,\"stage\":\"part\",\"d3fend\":[],"
                         "\"entity\":\"fake:host:a\",\"label\":null,\"facet\":\"state\"");
  assert_true(rig_approve(r, 0, false, "bob"));
  assert_non_null(rig_resume(r, "last"));
  rig_go(r);
  assert_has(rig_doc(r), "\"why\":\"fake.free: approval 1 was denied by bob\"");
  assert_has(rig_doc(r), "\"state\":\"refused\",\"attempts\":1,\"stage\":\"part\",\"d3fend\":[],"
                         "\"entity\":\"fake:host:a\"");
  rig_free(r);
}

static void names_of(ln_buf *b, const char *kind, const char *const *names) {
  size_t n = 0;
  while (names[n]) n++;
  ln_buf_init(b, 4096);
  size_t object = ln_v_begin(b, 'O', 1);
  ln_v_key(b, ln_str_of(kind));
  size_t list = ln_v_begin(b, 'A', n);
  for (size_t i = 0; i < n; i++) ln_v_str(b, ln_str_of(names[i]));
  ln_v_end(b, list);
  ln_v_end(b, object);
}

static void labelled(const char *kind, const char *const *names, const char *entity, const char *want) {
  ln_buf b;
  names_of(&b, kind, names);
  ln_str got = ln_label_of(ln_buf_view(&b), ln_str_of(entity));
  if (!ln_str_eq(got, ln_str_of(want))) fail_msg("%s: %.*s, not %s", entity, LN_STR_ARG(got), want);
  ln_buf_free(&b);
}

static void test_labels(void **state) {
  (void)state;
  static const char sha1[] = "5683729702392da5cfaa8476f96228a9abf08c54";
  labelled("user", (const char *[]){"00u1", "ann@acme.example", NULL}, "okta:user:00u1", "ann@acme.example");
  labelled("host", (const char *[]){"79579da5d37569171a926f150978b4ff", "WS-042", "10.0.0.1", NULL},
           "crowdstrike:host:79579da5d37569171a926f150978b4ff", "WS-042");
  labelled("file", (const char *[]){"", sha1, "C:\\x\\odd.vbs", NULL}, "visionone:file:ab", "C:\\x\\odd.vbs");
  labelled("user", (const char *[]){"ann", NULL}, "visionone:host:1", ""); /* who is on it is not its name */
  labelled("host", (const char *[]){"a", NULL}, "fake:host:a", "");
  labelled("file", (const char *[]){NULL}, "odd", "");
  assert_int_equal(ln_label_of((ln_str){NULL, 0}, LN_STR("okta:user:00u1")).n, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_steps_and_notes_know_their_stage),
      cmocka_unit_test(test_a_stage_that_is_called_again_is_another_one), cmocka_unit_test(test_many_stages),
      cmocka_unit_test(test_a_question_and_its_answer), cmocka_unit_test(test_labels)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
