/* engine_replay_diff_test.c: past runs gone through with other scripts than their own.  The first difference
** is found, with both sides; and what an edited playbook would have done otherwise is told whole: effects
** added, gone, changed, moved, notes and results, and what no recorded answer tells.  Nothing is asked of the
** world, and nothing written. */
#include "tests/unit/engine_rig.h"

#include "engine/replay.h"

#include <sys/stat.h>

static char text[1 << 16], with[128];

static void put_json(ln_str v) {
  ln_buf b;
  ln_json j;
  size_t n = strlen(text);
  ln_buf_init(&b, 1 << 20);
  ln_json_init(&j, &b);
  if (v.n) ln_v_to_json(v, &j);
  snprintf(text + n, sizeof text - n, "%.*s", LN_STR_ARG(ln_buf_view(&b)));
  ln_buf_free(&b);
}

static void put(const char *fmt, ...) {
  va_list ap;
  size_t n = strlen(text);
  va_start(ap, fmt);
  vsnprintf(text + n, sizeof text - n, fmt, ap);
  va_end(ap);
}

static void put_member(ln_str doc, const char *key) {
  ln_vitem v;
  if (ln_v_get(doc, ln_str_of(key), &v) && v.tag != 'n') put_json(v.whole);
}

static void put_text(ln_str doc, const char *key, const char *before) {
  ln_str s = ln_v_get_str(doc, key);
  if (s.n) put("%s%.*s", before, LN_STR_ARG(s));
}

/* One change a line: "changed fake.read#1 {…} -> {…} unknown: why". */
static void put_change(ln_str e) {
  ln_vitem was, is;
  bool both = ln_v_get(e, LN_STR("before"), &was) && ln_v_get(e, LN_STR("after"), &is) && was.tag != 'n' &&
              is.tag != 'n';
  put_text(e, "change", "");
  put_text(e, "name", " ");
  put(" ");
  put_member(e, "before");
  if (both) put(" -> ");
  put_member(e, "after");
  put_text(e, "answer", " ");
  put_text(e, "why", ": ");
  put("\n");
}

static void put_blank(ln_str u) {
  put("unknown '");
  put_text(u, "branch", "");
  put_text(u, "why", "': ");
  put("\n");
}

static void put_each(ln_str doc, const char *key, void (*fn)(ln_str item)) {
  ln_vitem list, item;
  assert_true(ln_v_get(doc, ln_str_of(key), &list));
  for (ln_str rest = list.body; rest.n && ln_v_read(&rest, &item);) fn(item.whole);
}

static bool put_run(void *arg, ln_str doc, bool same) {
  ln_vitem end;
  (*(int *)arg)++;
  if (same) put("same\n");
  put_each(doc, "effects", put_change);
  put_each(doc, "notes", put_change);
  put_each(doc, "unknown", put_blank);
  if (ln_v_get(doc, LN_STR("end"), &end) && end.tag != 'n') put("end "), put_json(end.whole), put("\n");
  put_text(doc, "why", "why ");
  return true;
}

/* ------------------------------------------------------------------ what is edited */

static rig *begin(const char *body) {
  rig *r = rig_new(7);
  rig_conf_stdlib(r, "guards = { approve = \"never\" },"); /* what prepares scripts for unknowns is there */
  rig_script(
      r, "t.part",
      "local fake = require \"fake\"\nreturn playbook { name = \"t.part\", summary = \"a part\", stage = "
      "\"part\", uses = { \"fake\" },\n input = { id = \"string\" }, run = function(input)\n"
      " return fake.read { id = input.id }.state end }\n");
  rig_body(r, body);
  return r;
}

static void edit_script(rig *r, const char *module, const char *source) {
  char path[256];
  snprintf(with, sizeof with, "%s/edited", r->folder);
  mkdir(with, 0700);
  snprintf(path, sizeof path, "%s/t", with);
  mkdir(path, 0700);
  snprintf(path, sizeof path, "%s/t/%s.lua", with, module);
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  fputs(source, f);
  fclose(f);
}

static void edit(rig *r, const char *body) {
  char source[4096];
  snprintf(source, sizeof source,
           "-- edited, so that lines are others\nlocal fake = require \"fake\"\nreturn playbook { name = "
           "\"t.main\", "
           "summary = \"edited\", uses = { \"fake\", \"t.*\" },\n input = { x = \"string?\" }, run = "
           "function(input)\n"
           "%s\nend }\n",
           body);
  edit_script(r, "main", source);
}

/* The rig's folder has another name each time. */
static void hide_folder(const rig *r) {
  size_t n = strlen(r->folder);
  for (char *at = text; (at = strstr(at, r->folder));) memmove(at, at + n, strlen(at + n) + 1);
}

/* Whatever was handed to the loop or the writer has its turn, where no run of the rig's own goes on. */
static void nothing_is_done(rig *r, size_t acts, int64_t jobs) {
  if (!r->run[0] || strcmp(r->told[0], "end") == 0) r->g.loop->run(r->g.loop);
  assert_int_equal(r->n_acts, acts);
  assert_int_equal(r->jobs, jobs);
}

/* Of the runs there are, the newest first.  Who looks touches nothing. */
static const char *compared(rig *r, int64_t last) {
  int n = 0;
  ln_err err = {.message = ""};
  size_t acts = r->n_acts;
  int64_t jobs = r->jobs;
  text[0] = 0;
  if (!ln_replay_each(&r->g, with, last, put_run, &n, &err)) fail_msg("%s", err.message);
  hide_folder(r);
  nothing_is_done(r, acts, jobs);
  return text;
}

static const char *first_difference(rig *r, const char *folder, bool *same) {
  ln_buf doc;
  ln_err err = {.message = ""};
  size_t acts = r->n_acts;
  int64_t jobs = r->jobs;
  ln_buf_init(&doc, 64 << 20);
  text[0] = 0;
  if (ln_replay_one(&r->g, LN_STR("last"), folder, &doc, same, &err)) put_json(ln_buf_view(&doc));
  else put("%s: %s", err.code, err.message);
  ln_buf_free(&doc);
  nothing_is_done(r, acts, jobs);
  return text;
}

/* ------------------------------------------------------------------ one edit each */

typedef struct an_edit { const char *name, *was, *is, *told; } an_edit;

static const an_edit edits[] = {
    {"nothing but lines",
     "local a = fake.read { id = 'a' }; fake.set { id = 'a' }; found { severity = 'low', title = 'x' }; "
     "return a",
     "local a = fake.read {\n id = 'a' }\n\nfake.set { id = 'a' }\nfound { severity = 'low', title = 'x' "
     "}\nreturn a",
     "same\n"},
    {"an error's line", "fake.read { id = 'a' }; local n = nil; return n.x",
     "fake.read { id = 'a' }\nlocal n = nil\nreturn n.x", "same\n"},
    {"added", "return fake.read { id = 'a' }.state",
     "local s = fake.read { id = 'a' }.state; fake.post { id = 'p' }; return s",
     "added fake.post#1 {\"id\":\"p\"} unknown\n"},
    {"gone", "fake.post { id = 'p' }; return fake.read { id = 'a' }.state",
     "return fake.read { id = 'a' }.state", "gone fake.post#1 {\"id\":\"p\"}\n"},
    {"changed", "fake.set { id = 'a' }; return 1", "fake.set { id = 'b' }; return 1",
     "changed fake.set#1 {\"id\":\"a\"} -> {\"id\":\"b\"} unknown\n"},
    {"another operation under a name", "fake.read { id = 'a', as = 'x' }; return 1",
     "fake.post { id = 'a', as = 'x' }; return 1",
     "changed x {\"id\":\"a\"} -> {\"id\":\"a\"} unknown: it is another operation\n"},
    {"moved", "fake.set { id = 'a' }; fake.post { id = 'p' }; fake.blind { id = 'q' }; return 1",
     "fake.blind { id = 'q' }; fake.set { id = 'a' }; fake.post { id = 'p' }; return 1",
     "moved fake.blind#1 {\"id\":\"q\"} -> {\"id\":\"q\"} recorded: now it comes first\n"},
    {"stages in another order", "stage('part', { id = 'a' }); fake.post { id = 'p' }; return 1",
     "fake.post { id = 'p' }; stage('part', { id = 'a' }); return 1",
     "moved fake.post#1 {\"id\":\"p\"} -> {\"id\":\"p\"} recorded: now it comes first\n"},
    {"a lease", "fake.set { id = 'a', lease = '8h' }; return 1",
     "fake.set { id = 'a', lease = '1h' }; return 1",
     "changed fake.set#1 {\"id\":\"a\"} -> {\"id\":\"a\"} recorded: lease was 28800 s and is 3600 s\n"},
    {"no waiting", "fake.task { id = 'a' }; return 1", "fake.task { id = 'a', wait = false }; return 1",
     "changed fake.task#1 {\"id\":\"a\"} -> {\"id\":\"a\"} recorded: wait was not given and is none\n"},
    {"a step's own work",
     "local n = step('sum', function() return 1 + 1 end); fake.post { id = 'p' .. n }; return n",
     "local n = step('sum', function() return 1 + 2 end); fake.post { id = 'p' .. n }; return n",
     "result sum#1 2 -> 3 computed: it comes to something else\n"
     "changed fake.post#1 {\"id\":\"p2\"} -> {\"id\":\"p3\"} unknown\n"
     "end "
     "{\"after\":{\"error\":null,\"outcome\":\"complete\",\"result\":3,\"state\":\"completed\"},\"before\":{"
     "\"error\":null,\"outcome\":\"complete\",\"result\":2,\"state\":\"completed\"}}\n"},
    {"a new step", "fake.post { id = 'p2' }; return 1",
     "local n = step('sum', function() return 1 + 1 end); fake.post { id = 'p' .. n }; return 1",
     "added sum#1 \"sum\" computed\n"},
    {"a result", "fake.read { id = 'a' }; return { n = 1 }", "fake.read { id = 'a' }; return { n = 2 }",
     "end "
     "{\"after\":{\"error\":null,\"outcome\":\"complete\",\"result\":{\"n\":2},\"state\":\"completed\"},"
     "\"before\":{\"error\":null,\"outcome\":\"complete\",\"result\":{\"n\":1},\"state\":\"completed\"}}\n"},
    {"it fails", "fake.read { id = 'a' }; return 1",
     "fake.read { id = 'a' }; fail('mine', 'no more') return 1",
     "end {\"after\":{\"error\":{\"at\":\"/edited/t/main.lua:5\",\"code\":\"mine\",\"message\":\"no "
     "more\",\"retry\":false},\"outcome\":\"nothing\",\"result\":null,\"state\":\"failed\"},\"before\":{"
     "\"error\":null,\"outcome\":\"complete\",\"result\":1,\"state\":\"completed\"}}\n"},
    {"it fails no more", "fake.read { id = 'a' }; fail('mine', 'no')", "fake.read { id = 'a' }; return 1",
     "end "
     "{\"after\":{\"error\":null,\"outcome\":\"complete\",\"result\":1,\"state\":\"completed\"},\"before\":{"
     "\"error\":{\"at\":\"scripts/t/"
     "main.lua:2\",\"code\":\"mine\",\"message\":\"no\",\"retry\":false},\"outcome\":\"nothing\",\"result\":"
     "null,\"state\":\"failed\"}}\n"},
    {"notes",
     "found { severity = 'low', title = 'one' }; not_done('this', 'why'); evidence('e', { 1 }); return 1",
     "found { severity = 'low', title = 'other' }; found { severity = 'low', title = 'more' }; evidence('e', "
     "{ 1 }); "
     "require('log').info 'not told'; return 1",
     "changed found#1 {\"severity\":\"low\",\"title\":\"one\"} -> "
     "{\"severity\":\"low\",\"title\":\"other\"}\n"
     "added found#2 {\"severity\":\"low\",\"title\":\"more\"}\n"
     "gone not_done#1 {\"what\":\"this\",\"why\":\"why\"}\n"
     "end "
     "{\"after\":{\"error\":null,\"outcome\":\"complete\",\"result\":1,\"state\":\"completed\"},\"before\":{"
     "\"error\":null,\"outcome\":\"partial\",\"result\":1,\"state\":\"completed\"}}\n"},
    {"a turn earlier",
     "local a = fake.read { id = 'a' }; local b = fake.read { id = 'b' }; fake.post { id = a.id .. b.id }; "
     "return 1",
     "fake.read { id = 'new' }; local a = fake.read { id = 'a' }; local b = fake.read { id = 'b' }; "
     "fake.post { id = a.id .. "
     "b.id }; return 1",
     "changed fake.read#1 {\"id\":\"a\"} -> {\"id\":\"new\"} unknown\n"
     "changed fake.read#2 {\"id\":\"b\"} -> {\"id\":\"a\"} recorded\n"
     "added fake.read#3 {\"id\":\"b\"} recorded\n"},
    {"another branch", "local a = fake.read { id = 'a' }; return a.id",
     "local a; parallel { p = function() a = fake.read { id = 'a' } end }; return a.id",
     "added p/fake.read#1 {\"id\":\"a\"} recorded\n"
     "gone fake.read#1 {\"id\":\"a\"}\n"},
    {"unknown, and passed on", "fake.post { id = 'p' }; return 1",
     "local v = fake.read { id = 'new' }; fake.post { id = v.id }; return 1",
     "added fake.read#1 {\"id\":\"new\"} unknown\n"
     "unknown fake.post#1 {\"id\":\"p\"}: nobody knows whether it would come to it\n"
     "unknown '': no recorded answer tells the answer of fake.read#1\n"
     "end "
     "{\"after\":{\"error\":null,\"outcome\":null,\"result\":null,\"state\":\"unknown\"},\"before\":{"
     "\"error\":null,\"outcome\":\"complete\",\"result\":1,\"state\":\"completed\"}}\n"},
    {"unknown, and decided on",
     "fake.read { id = 'a' }; fake.set { id = 'b' }; fake.post { id = 'p' }; return 1",
     "fake.read { id = 'a' }; if fake.read { id = 'new' }.state == 'held' then fake.set { id = 'b' } end; "
     "fake.post { id = 'p' "
     "}; return 1",
     "added fake.read#2 {\"id\":\"new\"} unknown\n"
     "unknown fake.set#1 {\"id\":\"b\"}: nobody knows whether it would come to it\n"
     "unknown fake.post#1 {\"id\":\"p\"}: nobody knows whether it would come to it\n"
     "unknown '': no recorded answer tells the answer of fake.read#2\n"
     "end "
     "{\"after\":{\"error\":null,\"outcome\":null,\"result\":null,\"state\":\"unknown\"},\"before\":{"
     "\"error\":null,\"outcome\":\"complete\",\"result\":1,\"state\":\"completed\"}}\n"},
    {"unknown in a branch",
     "map({ 'a', 'b' }, function(id) fake.read { id = id }; fake.post { id = id } end, { name = 'm' }); "
     "fake.blind { id = 'z' }; return 1",
     "map({ 'a', 'b' }, function(id) fake.read { id = id }; if id == 'b' and fake.read { id = 'new' }.state "
     "== 'x' then return end; "
     "fake.post { id = id } end, { name = 'm' }); fake.blind { id = 'z' }; return 1",
     "added m/b/fake.read#2 {\"id\":\"new\"} unknown\n"
     "unknown m/b/fake.post#1 {\"id\":\"b\"}: nobody knows whether it would come to it\n"
     "unknown 'm/b': no recorded answer tells the answer of m/b/fake.read#2\n"},
    {"unknown, and tried", "return 1",
     "local v, e = try(function() return fake.read { id = 'new' }.state == 'x' end); return v or e.code",
     "added fake.read#1 {\"id\":\"new\"} unknown\n"
     "unknown '': no recorded answer tells the answer of fake.read#1\n"
     "end "
     "{\"after\":{\"error\":null,\"outcome\":null,\"result\":null,\"state\":\"unknown\"},\"before\":{"
     "\"error\":null,\"outcome\":\"complete\",\"result\":1,\"state\":\"completed\"}}\n"},
    {"an answer that a write has", "return 1",
     "local v = fake.set { id = 'n' }; fake.post { id = v.id }; return v.id",
     "added fake.set#1 {\"id\":\"n\"} unknown\n"
     "added fake.post#1 {\"id\":\"n\"} unknown\n"
     "end "
     "{\"after\":{\"error\":null,\"outcome\":\"complete\",\"result\":\"n\",\"state\":\"completed\"},"
     "\"before\":{\"error\":null,\"outcome\":\"complete\",\"result\":1,\"state\":\"completed\"}}\n"},
    {"a pause", "return 1", "local t = now(); sleep '1h'; return now() - t",
     "added sleep#1 {\"ms\":3600000} computed\n"
     "end "
     "{\"after\":{\"error\":null,\"outcome\":\"complete\",\"result\":3600,\"state\":\"completed\"},"
     "\"before\":{\"error\":null,\"outcome\":\"complete\",\"result\":1,\"state\":\"completed\"}}\n"},
    {"a lock", "fake.post { id = 'p' }; return 1",
     "do local l <close> = lock 'deploy'; fake.post { id = 'p' } end; return 1",
     "added lock#1 {\"name\":\"deploy\"} computed\n"
     "added lock.close#1 {\"name\":\"deploy\",\"step\":\"lock#1\"} unknown\n"},
    {"a lock and a child that are there",
     "do local l <close> = lock 'deploy'; run_playbook('t.part', { id = 'a' }) end; return 1",
     "do local l <close> = lock 'deploy'; run_playbook('t.part', { id = 'a' }) end\nreturn 1", "same\n"},
    {"another child", "return run_playbook('t.part', { id = 'a' })",
     "return run_playbook('t.part', { id = 'b' })",
     "changed run_playbook#1 {\"input\":{\"id\":\"a\"},\"playbook\":\"t.part\"} -> "
     "{\"input\":{\"id\":\"b\"},\"playbook\":\"t.part\"} unknown\n"
     "end "
     "{\"after\":{\"error\":null,\"outcome\":\"complete\",\"result\":\"⟨unknown⟩\",\"state\":\"completed\"},"
     "\"before\":{\"error\":null,\"outcome\":\"complete\",\"result\":\"absent\",\"state\":\"completed\"}}\n"},
    {"a word that asks", "return 1",
     "local a = approve { title = 'really?' }; fake.post { id = 'p' }; return 1",
     "added approve#1 {\"expires_ms\":3600000,\"quorum\":1,\"title\":\"really?\"} unknown\n"
     "added fake.post#1 {\"id\":\"p\"} unknown\n"},
    {"the store", "return store.get('k')", "store.set('k', 1); return store.get('k')",
     "added store.set#1 {\"key\":\"k\",\"value\":1} unknown\n"},
    {"another name for it", "fake.post { id = 'p', as = 'one' }; return 1",
     "fake.post { id = 'p', as = 'two' }; return 1",
     "added two {\"id\":\"p\"} recorded\n"
     "gone one {\"id\":\"p\"}\n"},
    {"a map over fewer",
     "map({ 'a', 'b', 'c' }, function(id) return fake.post { id = id }.id end, { name = 'm' }); return 1",
     "map({ 'a', 'c' }, function(id) return fake.post { id = id }.id end, { name = 'm' }); return 1",
     "gone m/b/fake.post#1 {\"id\":\"b\"}\n"},
    {"a map, wider",
     "return map({ 'a', 'b', 'c' }, function(id) return fake.read { id = id }.id end, { name = 'm', "
     "concurrency = 1 })",
     "return map({ 'a', 'b', 'c' }, function(id) return fake.read { id = id }.id end, { name = 'm', "
     "concurrency = 3 })",
     "same\n"},
    {"what does not compile", "return 1", "return return",
     "end {\"after\":{\"error\":{\"code\":\"syntax\",\"message\":\"/edited/t/main.lua:5: unexpected symbol "
     "near 'return'\",\"retry\":false},\"outcome\":null,\"result\":null,\"state\":\"not "
     "begun\"},\"before\":{\"error\":null,\"outcome\":\"complete\",\"result\":1,\"state\":\"completed\"}}\n"},
};

enum { EDITS = sizeof edits / sizeof *edits };

static void test_edit(void **state) {
  const an_edit *e = *state;
  rig *r = begin(e->was);
  rig_carry(r, "t.main", NULL);
  edit(r, e->is);
  const char *told = compared(r, 1);
  if (getenv("RIG_SHOW")) print_message("---- %s\n%s", e->name, told);
  else assert_string_equal(told, e->told);
  rig_free(r);
}

static void test_without_end(void **state) {
  (void)state;
  rig *r = begin("return 1");
  rig_carry(r, "t.main", NULL);
  edit(r, "while true do sleep '1s' end");
  const char *told = compared(r, 1);
  assert_has(told, "added sleep#1 {\"ms\":1000} computed\n");
  assert_has(told, "unknown '': it goes on and on with what nobody recorded\n");
  assert_has(told, "end {\"after\":{\"error\":null,\"outcome\":null,\"result\":null,\"state\":\"unknown\"}");
  rig_free(r);
}

/* So much that a run that acts would hand it to the writer; and so large that it is kept by its content. */
static void test_many_notes(void **state) {
  (void)state;
  const char *body =
      "for i = 1, 10 do evidence('e' .. i, ('x'):rep(60000)) end; evidence('e', ('x'):rep(300000)); return 1";
  rig *r = begin(body);
  rig_carry(r, "t.main", NULL);
  edit(r, body);
  assert_string_equal(compared(r, 1), "same\n");
  edit(r, "for i = 1, 10 do evidence('e' .. i, ('x'):rep(60000)) end; evidence('e', ('y'):rep(300000)); "
          "return 1");
  assert_int_equal(strncmp(compared(r, 1), "changed evidence#11 ", 20), 0);
  rig_free(r);
}

/* ------------------------------------------------------------------ the first difference */

typedef struct split { const char *name, *was, *is, *journal, *script; } split;

#define SIDE(name, op, args) "{\"args\":" args ",\"name\":\"" name "\",\"op\":\"" op "\",\"where\":"

static const split splits[] = {
    {"added", "fake.read { id = 'a' }; fake.post { id = 'p' }; return 1",
     "fake.read { id = 'a' }; fake.blind { id = 'q' }; fake.post { id = 'p' }; return 1",
     SIDE("fake.post#1", "fake.post", "{\"id\":\"p\"}"),
     SIDE("fake.blind#1", "fake.blind", "{\"id\":\"q\"}")},
    {"added at the end", "fake.read { id = 'a' }; return 1",
     "fake.read { id = 'a' }; fake.post { id = 'p' }; return 1", "null",
     SIDE("fake.post#1", "fake.post", "{\"id\":\"p\"}")},
    {"gone", "fake.read { id = 'a' }; fake.post { id = 'p' }; return 1", "fake.read { id = 'a' }; return 1",
     SIDE("fake.post#1", "fake.post", "{\"id\":\"p\"}"), "null"},
    {"other arguments", "fake.post { id = 'p' }; return 1", "fake.post { id = 'q' }; return 1",
     SIDE("fake.post#1", "fake.post", "{\"id\":\"p\"}"), SIDE("fake.post#1", "fake.post", "{\"id\":\"q\"}")},
    {"another operation", "fake.read { id = 'a', as = 'x' }; return 1",
     "fake.post { id = 'a', as = 'x' }; return 1", SIDE("x", "fake.read", "{\"id\":\"a\"}"),
     SIDE("x", "fake.post", "{\"id\":\"a\"}")},
    {"another order", "fake.set { id = 'a' }; fake.post { id = 'p' }; return 1",
     "fake.post { id = 'p' }; fake.set { id = 'a' }; return 1",
     SIDE("fake.set#1", "fake.set", "{\"id\":\"a\"}"), NULL},
};

enum { SPLITS = sizeof splits / sizeof *splits };

static void test_split(void **state) {
  const split *s = *state;
  bool same = true;
  char part[300];
  rig *r = begin(s->was);
  rig_carry(r, "t.main", NULL);
  edit(r, s->is);
  const char *told = first_difference(r, with, &same);
  assert_false(same);
  assert_lacks(told, "\"divergence\":null");
  snprintf(part, sizeof part, "\"journal\":%s", s->journal);
  assert_has(told, part);
  snprintf(part, sizeof part, "\"script\":%s", s->script ? s->script : "");
  assert_has(told, part);
  if (s->script && s->script[0] == '{') assert_has(told, "edited/t/main.lua:5\"");
  if (s->journal[0] == '{') assert_has(told, "scripts/t/main.lua:2\"");
  first_difference(r, NULL, &same); /* its own scripts are not what is at fault */
  assert_true(same);
  rig_free(r);
}

static void test_another_result(void **state) {
  (void)state;
  bool same = true;
  rig *r = begin("return { fake.read { id = 'a' }.state, 1 }");
  rig_carry(r, "t.main", NULL);
  edit(r, "return { fake.read { id = 'a' }.state, 2 }");
  const char *told = first_difference(r, with, &same);
  assert_false(same);
  assert_has(told, "\"divergence\":null");
  assert_has(told, "\"result\":{\"journal\":[\"absent\",1],\"script\":[\"absent\",2]}");
  edit(r, "fake.read { id = 'a' }; fail('mine', 'no')");
  told = first_difference(r, with, &same);
  assert_false(same);
  assert_has(told, "\"ends\":\"failed\"");
  assert_has(told, "\"code\":\"mine\"");
  rig_free(r);
}

/* ------------------------------------------------------------------ runs that have not ended well */

static void both_same(rig *r, const char *ends) {
  bool same = false;
  const char *told = first_difference(r, NULL, &same);
  if (!same) fail_msg("%s", told);
  assert_has(told, ends);
  assert_string_equal(compared(r, 1), "same\n");
}

static void test_it_waits(void **state) {
  (void)state;
  rig *r = begin("fake.post { id = 'p' }; approve { title = 'go on?' }; fake.post { id = 'q' }; return 1");
  edit(r, "fake.post { id = 'p' }\napprove { title = 'go on?' }\nfake.post { id = 'q' }; return 1");
  assert_string_equal(rig_live(r, "t.main", NULL), "waiting");
  both_same(r, "\"ends\":\"waits\"");                    /* also while it is under way here */
  rig_down(r);
  rig_up(r);
  both_same(r, "\"ends\":\"waits\"");
  edit(r, "fake.post { id = 'p' }; approve { title = 'really?' }; return 1");
  assert_string_equal(
      compared(r, 1),
      "changed approve#1 {\"expires_ms\":3600000,\"quorum\":1,\"title\":\"go on?\"} -> "
      "{\"expires_ms\":3600000,\"quorum\":1,\"title\":\"really?\"} unknown\n"
      "end {\"after\":{\"error\":null,\"outcome\":\"complete\",\"result\":1,\"state\":\"completed\"},"
      "\"before\":{\"error\":null,\"outcome\":null,\"result\":null,\"state\":\"waits\"}}\n");
  rig_free(r);
}

/* A read that was under way is in no journal: whoever asks the same is not different for it. */
static void test_it_was_interrupted(void **state) {
  (void)state;
  rig *r = begin("fake.post { id = 'p' }; fake.read { id = 'a' }; fake.post { id = 'q' }; return 1");
  edit(r, "fake.post { id = 'p' }\nfake.read { id = 'a' }\nfake.post { id = 'q' }; return 1");
  rig_up(r);
  r->kill_at = 4;
  assert_non_null(rig_start(r, "t.main", NULL));
  rig_go(r);
  assert_true(r->dead);
  rig_down(r);
  rig_up(r);
  assert_has(rig_entries(r), "DELIVERED fake.post#1");
  assert_lacks(rig_entries(r), "fake.read#1");
  both_same(r, "\"ends\":\"waits\"");
  edit(r, "fake.post { id = 'p' }; fake.read { id = 'b' }; return 1");
  assert_has(compared(r, 1), "added fake.read#1 {\"id\":\"a\"} -> {\"id\":\"b\"} unknown\n");
  rig_free(r);
}

static void cancel_it(rig *r, const ln_event *e) {
  if (strcmp(e->what, "asked") == 0 && ln_str_eq(e->name, LN_STR("sleep#1")))
    ln_run_cancel(r->run[0], LN_STR("a test"));
}

static void test_it_was_cancelled(void **state) {
  (void)state;
  const char *body =
      "local c <close> = setmetatable({}, { __close = function() fake.post { id = 'closed' } end })\n"
      "map({ 'a', 'b' }, function(id) fake.read { id = id }; if id == 'b' then sleep '1h' end end)\n"
      "sleep '2h'; fake.post { id = 'never' }; return 1";
  rig *r = begin(body);
  edit(r, body);
  r->on_event = cancel_it;
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  assert_string_equal(rig_state(r), "cancelled");
  assert_has(rig_entries(r), "fake.post#1 done");
  both_same(r, "\"ends\":\"cancelled\"");
  edit(r, "map({ 'a', 'b' }, function(id) fake.read { id = id }; if id == 'b' then sleep '1h' end end)\n"
          "sleep '2h'; fake.post { id = 'never' }; return 1");
  const char *told = compared(r, 1);
  assert_has(told, "gone fake.post#1 {\"id\":\"closed\"}\nend ");
  assert_has(told, "\"outcome\":\"nothing\",\"result\":null,\"state\":\"cancelled\"},\"before\"");
  rig_free(r);
}

static void test_it_used_its_budget_up(void **state) {
  (void)state;
  rig *r = begin("fake.post { id = 'p' }; local t = {}; while true do t[#t + 1] = #t end");
  rig_conf(r, "limits = { memory = '4MiB' },");
  edit(r, "fake.post { id = 'p' }\nlocal t = {}\nwhile true do t[#t + 1] = #t end");
  assert_string_equal(rig_live(r, "t.main", NULL), "end");
  assert_has(rig_error(r), "\"memory\"");
  both_same(r, "\"ends\":\"stopped\"");
  rig_free(r);
}

static void test_a_plan(void **state) {
  (void)state;
  const char *body =
      "local v = fake.set { id = 'a' }; fake.post { id = v.id }; return fake.read { id = 'a' }.state";
  rig *r = begin(body);
  edit(r, body);
  r->options.plan = true;
  rig_carry(r, "t.main", NULL);
  both_same(r, "\"ends\":\"completed\"");
  edit(r, "local v = fake.set { id = 'b' }; fake.post { id = v.id }; return fake.read { id = 'a' }.state");
  assert_string_equal(compared(r, 1), "changed fake.set#1 {\"id\":\"a\"} -> {\"id\":\"b\"} unknown\n"
                                      "changed fake.post#1 {\"id\":\"a\"} -> {\"id\":\"b\"} unknown\n");
  rig_free(r);
}

static void test_what_was_approved(void **state) {
  (void)state;
  const char *body =
      "approved({ title = 'do it' }, function() fake.set { id = 'a' }; fake.post { id = 'p' } end); return 1";
  rig *r = begin(body);
  edit(r, body);
  rig_carry(r, "t.main", NULL);
  both_same(r, "\"ends\":\"completed\"");
  edit(r, "approved({ title = 'do it' }, function() fake.set { id = 'b' }; fake.post { id = 'p' } end); "
          "return 1");
  assert_string_equal(compared(r, 1),
                      "changed approved#1 {\"expires_ms\":3600000,\"quorum\":1,\"title\":\"do it\"} -> "
                      "{\"expires_ms\":3600000,\"quorum\":1,\"title\":\"do it\"} unknown: it shows other "
                      "writes than were approved\n"
                      "changed approved/fake.set#1 {\"id\":\"a\"} -> {\"id\":\"b\"} unknown\n");
  rig_free(r);
}

/* The stage is not said to have failed, and what comes after it goes on. */
static void test_a_stage_that_nobody_knows(void **state) {
  (void)state;
  const char *body = "local s = stage('part', { id = 'a' }); fake.post { id = 'p' }; return s";
  rig *r = begin(body);
  rig_carry(r, "t.main", NULL);
  edit(r, body);
  edit_script(
      r, "part",
      "local fake = require \"fake\"\nreturn playbook { name = \"t.part\", stage = \"part\", uses = { "
      "\"fake\" }, input = { id = \"string\" }, run = function(input)\n"
      " if fake.read { id = 'new' }.state == 'held' then return 'x' end\n"
      " return fake.read { id = input.id }.state end }\n");
  assert_string_equal(
      compared(r, 1),
      "changed part/fake.read#1 {\"id\":\"a\"} -> {\"id\":\"new\"} unknown\n"
      "unknown 'part': no recorded answer tells the answer of part/fake.read#1\n"
      "end "
      "{\"after\":{\"error\":null,\"outcome\":\"complete\",\"result\":\"⟨unknown⟩\",\"state\":\"completed\"},"
      "\"before\":{\"error\":null,\"outcome\":\"complete\",\"result\":\"absent\",\"state\":\"completed\"}}"
      "\n");
  rig_free(r);
}

/* ------------------------------------------------------------------ which runs, and from which input */

static void edit_input(rig *r, const char *declared) {
  char source[1024];
  snprintf(source, sizeof source,
           "local fake = require \"fake\"\nreturn playbook { name = \"t.main\", uses = { \"fake\" }, input = "
           "{ %s }, run = "
           "function(input) return fake.read { id = 'a' }.state end }\n",
           declared);
  edit_script(r, "main", source);
}

static void test_inputs(void **state) {
  (void)state;
  rig *r = begin("return fake.read { id = 'a' }.state");
  rig_carry(r, "t.main", "{\"x\":\"given\"}");
  edit_input(r, "x = \"string\", y = \"integer = 5\"");   /* a new one has its default */
  assert_string_equal(compared(r, 1), "same\n");
  edit_input(r, "");                                     /* one that is not declared any more is not there */
  assert_string_equal(compared(r, 1), "same\n");
  edit_input(r, "x = \"string\", z = \"string\"");
  assert_has(compared(r, 1), "input z is missing");
  assert_has(compared(r, 1), "\"state\":\"not begun\"");
  rig_free(r);
}

static void let_go(rig *r) {
  rig_down(r);
  rig_up(r);
}

static void test_which_runs(void **state) {
  (void)state;
  ln_err err;
  rig *r = begin("return fake.read { id = 'a' }.state");
  rig_script(r, "t.other", "return playbook { name = \"t.other\", run = function() return 1 end }");
  rig_carry(r, "t.main", NULL);
  let_go(r);
  rig_body(r, "fake.post { id = 'p' }; return fake.read { id = 'a' }.state");
  rig_carry(r, "t.main", NULL);
  let_go(r);
  rig_carry(r, "t.other", NULL);
  edit(r, "return fake.read { id = 'a' }.state");
  assert_string_equal(compared(r, 0), "gone fake.post#1 {\"id\":\"p\"}\nsame\n"); /* newest first */
  assert_string_equal(compared(r, 1), "gone fake.post#1 {\"id\":\"p\"}\n");
  edit_script(r, "other", "return playbook { name = \"t.other\", run = function() return 1 end }");
  assert_string_equal(compared(r, 2), "same\ngone fake.post#1 {\"id\":\"p\"}\n");
  snprintf(with, sizeof with, "%s/nowhere", r->folder);
  assert_false(ln_replay_each(&r->g, with, 0, put_run, NULL, &err));
  assert_string_equal(err.code, "config");
  rig_free(r);
}

static bool damage(ln_tx *tx, void *arg, ln_err *err) {
  (void)arg;
  return ln_tx_log(tx, 1, LN_STR("no entry"), err);
}

/* One that cannot be read is said to be so, and the others follow. */
static void test_a_damaged_journal(void **state) {
  (void)state;
  bool same = true;
  ln_err err;
  rig *r = begin("return fake.read { id = 'a' }.state");
  rig_carry(r, "t.main", NULL);
  assert_true(ln_writer_run(r->g.store, damage, NULL, &err));
  assert_has(first_difference(r, NULL, &same), "store: the journal is damaged");
  let_go(r);
  rig_carry(r, "t.main", NULL);
  edit(r, "return fake.read { id = 'a' }.state");
  assert_string_equal(compared(r, 0), "same\nwhy the journal is damaged, 8 bytes before its end");
  rig_free(r);
}

static void test_no_such_run(void **state) {
  (void)state;
  bool same;
  rig *r = begin("return 1");
  rig_up(r);
  assert_has(first_difference(r, NULL, &same), "not_found");
  rig_carry(r, "t.main", NULL);
  edit_script(r, "elsewhere", "return 1");
  const char *told =
      first_difference(r, with, &same); /* the folder is before the others: it need not have all */
  assert_has(told, "\"same\":true");
  rig_free(r);
}

int main(void) {
  const struct CMUnitTest rest[] = {cmocka_unit_test(test_without_end),
                                    cmocka_unit_test(test_many_notes),
                                    cmocka_unit_test(test_another_result),
                                    cmocka_unit_test(test_it_waits),
                                    cmocka_unit_test(test_it_was_interrupted),
                                    cmocka_unit_test(test_it_was_cancelled),
                                    cmocka_unit_test(test_it_used_its_budget_up),
                                    cmocka_unit_test(test_a_plan),
                                    cmocka_unit_test(test_a_stage_that_nobody_knows),
                                    cmocka_unit_test(test_what_was_approved),
                                    cmocka_unit_test(test_inputs),
                                    cmocka_unit_test(test_which_runs),
                                    cmocka_unit_test(test_a_damaged_journal),
                                    cmocka_unit_test(test_no_such_run)};
  enum { REST = sizeof rest / sizeof *rest };
  struct CMUnitTest tests[EDITS + SPLITS + REST];
  size_t n = 0;
  for (size_t i = 0; i < EDITS; i++)
    tests[n++] = (struct CMUnitTest){edits[i].name, test_edit, NULL, NULL, (void *)(uintptr_t)&edits[i]};
  for (size_t i = 0; i < SPLITS; i++)
    tests[n++] = (struct CMUnitTest){splits[i].name, test_split, NULL, NULL, (void *)(uintptr_t)&splits[i]};
  for (size_t i = 0; i < REST; i++) tests[n++] = rest[i];
  return _cmocka_run_group_tests("edits", tests, n, NULL, NULL);
}
