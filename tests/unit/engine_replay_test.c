/* engine_replay_test.c: every word of a playbook, uninterrupted; with the process dying at each of the
** writer's jobs, before the job is applied, and after its commit but before anybody learns of it; and with
** the power going at many steps of the disk.  Nothing is lost, no write is done twice, a read is done at
** most once more, and the result is the same.  Whatever came between, the journal that is left can be gone
** through again, with these scripts or with such as say the same: it comes to the same, and nothing is
** asked or written for it. */
#include "tests/unit/engine_rig.h"

#include "engine/replay.h"

typedef struct word { const char *name, *body, *says[5][3]; } word;

#define STAGE_SCRIPT                                                                                         \
  "local fake = require \"fake\"\nreturn playbook { name = \"t.part\", summary = \"a part\", stage = "       \
  "\"part\", uses = { \"fake\" },\n"                                                                         \
  " input = { id = \"string\" }, run = function(input)\n"                                                    \
  "  fake.set { id = input.id }\n  if input.id == \"bad\" then fail(\"failed\", \"it is bad\") end\n"        \
  "  return fake.read { id = input.id }\nend }\n"

static const word words[] = {
    {"reads and writes",
     "local a = fake.read { id = 'a' }; fake.set { id = 'a' }; local b = fake.read { id = 'a' };"
     "fake.post { id = 'p' }; fake.blind { id = 'q' }; fake.free { id = 'a' }; return { a, b, fake.read { id "
     "= 'a' } }",
     {{NULL}}},
    {"step",
     "local n = 0; for i = 1, 3 do n = n + step('work', function() return i * 10 end) end;"
     "local ok, e = pcall(step, 'bad', function() fail('mine', 'no') end); fake.post { id = 'p' };"
     "return { n = n, code = e.code, after = step('again', function() return 'x' end) }",
     {{NULL}}},
    {"now, ago, random, uuid",
     "local t = { now(), ago '1h', random(1000000), random(), uuid() }; fake.read { id = 'a' };"
     "t[6] = step('inner', function() return random(1000000) end); fake.post { id = 'p' };"
     "t[7] = random(1000000); t[8] = uuid(); return { t[3], t[4], t[5], t[6], t[7], t[8], t[1] - t[2] }",
     {{NULL}}},
    {"map",
     "local out = map({ 'a', 'b', 'x/y%', 'a', { id = 7 }, { hostname = 'h' }, 12 }, function(x)"
     " local id = type(x) == 'table' and tostring(x.id or x.hostname) or tostring(x);"
     " fake.read { id = id }; fake.post { id = id }; if id == 'b' then fail('mine', 'b is bad') end; return "
     "id end,"
     " { name = 'item', concurrency = 3 });"
     "local codes = {}; for i, o in ipairs(out) do codes[i] = o.ok and o.value or o.error.code end; return "
     "codes",
     {{NULL}}},
    {"map stops",
     "local ok, e = pcall(map, { 1, 2, 3, 4 }, function(x)"
     " if x == 2 then fake.read { id = 'r' }; fail('mine', 'no') end;"
     " sleep '10s'; return fake.post { id = 'p' .. x } end, { on_error = 'stop', concurrency = 3 });"
     "return { ok, e.code }",
     {{NULL}}},
    {"parallel",
     "local t = parallel { b = function() sleep '2s'; fake.set { id = 'b' }; return 1 end,"
     " a = function() return fake.read { id = 'b' }.state end, c = function() return store.incr('n') end };"
     "return { t.a, t.b, t.c, fake.read { id = 'b' }.state }",
     {{NULL}}},
    {"parallel collects",
     "local t = parallel({ a = function() fail('mine', 'no') end, b = function() fake.post { id = 'p' }; "
     "return 2 end },"
     " { on_error = 'collect' }); return { t.a.error.code, t.b.value }",
     {{NULL}}},
    {"nested",
     "return map({ 1, 2 }, function(i) return parallel { p = function() fake.post { id = 'p' .. i }; return "
     "i end,"
     " q = function() return map({ 'u', 'v' }, function(k) fake.read { id = k }; return k .. i end) end } "
     "end)",
     {{NULL}}},
    {"stage",
     "local a = stage('part', { id = 's' }); local b = stage('part', { id = 'bad' });"
     "stage('part', { id = 'z' }, { when = false, why = 'not today' }); fake.post { id = 'p' }; return { a, "
     "b == nil }",
     {{NULL}}},
    {"notes",
     "found { severity = 'high', title = 'one' }; log.info('hello', { n = 1 }); fake.read { id = 'a' };"
     "found { severity = 'low', title = 'two' }; not_done('this', 'because'); evidence('file', { 1, 2 });"
     "step('s', function() found { severity = 'low', title = 'inside' }; return 1 end); fake.post { id = 'p' "
     "};"
     "found { severity = 'low', title = 'three' }; fake.read { id = 'a' }; return 1",
     {{NULL}}},
    {"lists",
     "local l = { 'x', 'y' }; local w = where(l, function(v) return fake.read { id = v }.state ~= 'gone' "
     "end);"
     "local ok, e = pcall(only, l); local none, e2 = pcall(only, {}, 'host');"
     "local bad, e3 = pcall(all_ok, map(l, function(v) if v == 'y' then fail('mine', 'y') end end));"
     "local empty, e4 = pcall(all_ok, {}); fake.post { id = 'p' };"
     "return { #w, only { 5 }, contains(l, 'y'), contains(l, 'z'), e.code, e2.code, e3.code, e4.code,"
     " all_ok(map(l, function() end)) }",
     {{NULL}}},
    {"try",
     "local v, e = try(fake.read, { id = 'a' }); local n, why = try(fail, 'mine', 'no'); fake.post { id = "
     "'p' };"
     "return { v == nil, e.code, n == nil, why.code, try(fake.read, { id = 'b' }).id }",
     {{"fake.read#1", "read", "err err"}, {NULL}}},
    {"sleep",
     "local t = now(); sleep '90s'; fake.post { id = 'p' }; sleep(30); return now() - t >= 120",
     {{NULL}}},
    {"await_until",
     "local v = await_until(function() local x = fake.read { id = 'a' }; return x.state == 'held' and x end, "
     "{ every = '5s', timeout = '1m' });"
     "fake.post { id = 'p' }; local ok, e = pcall(await_until, function() return false end, { every = '5s', "
     "timeout = '20s' });"
     "return { v, e.code }",
     {{NULL}}},
    {"store",
     "store.set('k', { 1, 'two' }); local v, n = store.get 'k'; store.incr('n', 5); store.incr 'n';"
     "local ok, e = pcall(store.set, 'k', 1, { if_version = 99 }); fake.post { id = 'p' };"
     "return { v, store.incr 'n', e.code, #store.list 'k', store.delete 'k' }",
     {{NULL}}},
    {"approve",
     "local a = approve { title = 'may I?' }; fake.post { id = 'p' }; local b = ask { title = 'which?', "
     "options = { 'x' } };"
     "return { a.by, b.by }",
     {{NULL}}},
    {"approved",
     "fake.set { id = 'x' }; local out = approved({ title = 'both' }, function() fake.set { id = 'a' }; "
     "fake.post { id = 'p' }; return fake.read { id = 'q' } end);"
     "return { out, fake.read { id = 'a' }.state }",
     {{NULL}}},
    {"approved in map",
     "return map({ 'a', 'b' }, function(id) return approved({ title = id }, function() return fake.set { id "
     "= id }.state end) end)",
     {{NULL}}},
    {"asynchronous",
     "local t = fake.task { id = 't' }; fake.post { id = 'p' }; return { t.state, fake.read { id = 't' "
     "}.state }",
     {{"fake.task#1", "follow", "run run done"}, {NULL}}},
    {"names",
     "fake.read { id = 'a', as = 'first/1%' }; fake.post { id = 'p', as = 'the post' };"
     "local ok, e = pcall(fake.read, { id = 'a', as = 'the post' }); step('a/b', function() return 1 end);"
     "return { e.code, fake.read { id = 'b', as = 'third' }.id }",
     {{NULL}}},
    {"coroutines",
     "local co = coroutine.wrap(function() for i = 1, 3 do fake.post { id = 'c' .. i }; coroutine.yield(i) "
     "end return 'end' end);"
     "return { co(), co(), co(), co() }",
     {{NULL}}},
    {"large",
     "local v = fake.read { id = 'v', bytes = 200000 }; local w = step('w', function() return v .. v end);"
     "store.set('v', v); fake.post { id = 'p' }; return { #v, #w, store.get 'v' == v, w == v .. v }",
     {{NULL}}},
    {"await_until looks into the store",
     "local n = 0; local p = parallel { a = function() return await_until(function() n = n + #store.list 'g';"
     " return store.get 'go' end, { every = '2s', timeout = '1m' }) end,"
     " b = function() sleep '5s'; store.set('go', 'yes'); fake.post { id = 'p' } end };"
     "local none, e = try(await_until, function() store.set('x', 1) end); return { p.a, none == nil, e.code "
     "}",
     {{NULL}}},
    {"names of objects",
     "local a = {}; local n = step('s', function() return tostring({}) .. tostring(a) end);"
     "fake.post { id = 'p' }; local b, c = tostring({}), tostring(a);"
     "fake.post { id = b .. c }; return { n, b, c }",
     {{NULL}}},
    {"names of objects while polling",
     "local i = 0; await_until(function() i = i + 1; return fake.read { id = tostring({}) } and i > 2 end, { "
     "every = '5s', timeout = '1m' });"
     "fake.post { id = tostring({}) }; fake.post { id = 'q' }; return tostring({})",
     {{NULL}}},
    {"a step that yields",
     "local co = coroutine.create(function() return step('s', function() return coroutine.isyieldable() or "
     "coroutine.yield(1) end) end);"
     "local ok, e = coroutine.resume(co); local p = parallel { a = function() return try(fake.post, { id = "
     "'p' }) ~= nil end,"
     " b = function() fake.post { id = 'q' }; return 'b' end };"
     "return { ok, e.message:match 'yield out of a step', p.a, p.b, coroutine.status(co) }",
     {{NULL}}},
    {"a step with a coroutine of its own",
     "local n = step('s', function() local t = {}; for v in coroutine.wrap(function() for i = 1, 3 do "
     "coroutine.yield(i) end end) do t[#t + 1] = v end return t end);"
     "fake.post { id = 'p' }; return n",
     {{NULL}}},
    {"a list that grows while it is mapped",
     "local l = { 'a', 'b' }; local out = map(l, function(x) l[#l + 1] = x .. x; fake.post { id = x }; "
     "return x end, { concurrency = 1 });"
     "local l2 = { 'c', 'd', 'e' }; local o2 = map(l2, function(x) l2[3] = nil; fake.post { id = x }; return "
     "x end);"
     "return { #out, out[1].value, #o2 }",
     {{NULL}}},
    {"long and odd keys",
     "local out = map({ ('/'):rep(300), ('x'):rep(500), ('x'):rep(500), 1.5, -0.0, 2^53, '' , 'a\\0b' }, "
     "function(x) return store.incr 'n' > 0 and #tostring(x) end);"
     "local p = parallel { ['a/b'] = function() return fake.read { id = 'r' } and 1 end, ['a%2Fb'] = "
     "function() return 2 end, ['a\\0b'] = function() return 3 end, a = function() return 4 end };"
     "return { #out, p['a/b'], p['a%2Fb'], p['a\\0b'], p.a }",
     {{NULL}}},
    {"closing in coroutines",
     "local log = {}; local function guard(n) return setmetatable({}, { __close = function() log[#log + 1] = "
     "n; fake.post { id = 'c' .. n } end }) end;"
     "local co = coroutine.create(function() local a <close> = guard(1); local b <close> = guard(2); "
     "fake.read { id = 'a' }; coroutine.yield(1) end);"
     "coroutine.resume(co); local ok, e = coroutine.close(co); fake.post { id = 'after' };"
     "pcall(function() for k in coroutine.wrap(function() local c <close> = guard(3); coroutine.yield 'k'; "
     "fail('mine', 'x') end) do log[#log + 1] = k end end); return { log, ok, e and e.code or tostring(e) }",
     {{NULL}}},
    {"closing",
     "do local c <close> = setmetatable({}, { __close = function() fake.post { id = 'closed' } end }); "
     "fake.read { id = 'a' } end;"
     "local ok, e = pcall(function() local c <close> = setmetatable({}, { __close = function() fake.post { "
     "id = 'again' } end });"
     " fake.read { id = 'b' }; fail('mine', 'x') end); return { ok, e.code }",
     {{NULL}}},
};

enum { WORDS = sizeof words / sizeof *words };

static rig *set_up(const word *w, uint64_t seed) {
  rig *r = rig_new(seed);
  rig_script(r, "t.part", STAGE_SCRIPT);
  rig_body(r, w->body);
  rig_conf(r, "guards = { approve = \"never\" },");
  for (int i = 0; i < 5 && w->says[i][0]; i++) rig_say_(r, w->says[i][0], w->says[i][1], w->says[i][2]);
  if (strcmp(w->name, "await_until") == 0) rig_thing_set(r, "a", "held");
  return r;
}

typedef struct outcome {
  char result[8192], doc_outcome[32], entries[1 << 16], world[4096];
  int64_t jobs;
  int reads;
} outcome;

static int by_id(const void *a, const void *b) {
  return strcmp(((const rig_thing *)a)->id, ((const rig_thing *)b)->id);
}

static void world_of(rig *r, char *out, size_t n) {
  size_t at = 0;
  qsort(r->things, r->n_things, sizeof *r->things, by_id);
  for (size_t i = 0; i < r->n_things; i++)
    at += (size_t)snprintf(out + at, n - at, "%s=%s\n", r->things[i].id, r->things[i].state);
  if (!r->n_things) *out = 0;
}

static void look_at(rig *r, outcome *o) {
  snprintf(o->result, sizeof o->result, "%s %s", rig_state(r), "");
  size_t n = strlen(o->result);
  snprintf(o->result + n, sizeof o->result - n, "%s", rig_result(r));
  n = strlen(o->result);
  snprintf(o->result + n, sizeof o->result - n, "%s", rig_error(r));
  snprintf(o->doc_outcome, sizeof o->doc_outcome, "%s", rig_outcome(r));
  snprintf(o->entries, sizeof o->entries, "%s", rig_entries(r));
  world_of(r, o->world, sizeof o->world);
  o->jobs = r->jobs;
  o->reads = rig_count(r, "read", NULL);
}

static void never_twice(const rig *r) {
  for (size_t i = 0; i < r->n_acts; i++)
    if (r->acts[i].acted && rig_acted(r, r->acts[i].step) != 1)
      fail_msg("%s was done %d times", r->acts[i].step, rig_acted(r, r->acts[i].step));
}

/* Each read again where the process died; what polls is not counted. */
static void read_once_more(const word *w, const outcome *want, const rig *r, int64_t k) {
  for (size_t i = 0; i < r->n_acts; i++) {
    int again = 0;
    const rig_act *a = &r->acts[i];
    if (strcmp(a->phase, "read") != 0 || strstr(a->step, "await_until")) continue;
    for (size_t n = 0; n < r->n_acts; n++)
      again += strcmp(r->acts[n].phase, "read") == 0 && strcmp(r->acts[n].step, a->step) == 0;
    if (again > 2)
      fail_msg("%s, died at job %lld: %s was read %d times", w->name, (long long)k, a->step, again);
  }
  (void)want;
}

static bool same_too(void *arg, ln_str doc, bool same) {
  (void)doc;
  *(bool *)arg = same;
  return true;
}

static void again(const word *w, rig *r, int64_t k) {
  ln_buf doc;
  ln_err err = {.message = ""};
  ln_json j;
  char scripts[128];
  bool same = false, edited = false;
  size_t acts = r->n_acts;
  int64_t jobs = r->jobs;
  ln_buf_init(&doc, 64 << 20);
  snprintf(scripts, sizeof scripts, "%s/scripts", r->folder);
  bool ok = ln_replay_one(&r->g, LN_STR("last"), NULL, &doc, &same, &err) &&
            ln_replay_each(&r->g, scripts, 1, same_too, &edited, &err);
  if (!ok || !same || !edited) {
    ln_buf text;
    ln_buf_init(&text, 64 << 20);
    ln_json_init(&j, &text);
    if (doc.n) ln_v_to_json(ln_buf_view(&doc), &j);
    fail_msg("%s, died at job %lld: gone through again it is another run: %s %.*s\n%s", w->name, (long long)k,
             err.message, LN_STR_ARG(ln_buf_view(&text)), rig_entries(r));
  }
  assert_int_equal(r->n_acts, acts);
  assert_int_equal(r->jobs, jobs);
  ln_buf_free(&doc);
}

static int notes_in(const char *entries) {
  int n = 0;
  for (const char *p = entries; (p = strstr(p, "NOTE ")); p++) n++;
  for (const char *p = entries; (p = strstr(p, "STAGE ")); p++) n++;
  return n;
}

static void compare(const word *w, const outcome *want, rig *r, rig_death death, int64_t k) {
  static outcome got;
  look_at(r, &got);
  const char *when = death == RIG_BEFORE ? "before" : "after";
  if (strcmp(want->result, got.result) != 0)
    fail_msg("%s, died %s job %lld: result\n%s\ninstead of\n%s\n%s", w->name, when, (long long)k, got.result,
             want->result, got.entries);
  if (strcmp(want->world, got.world) != 0)
    fail_msg("%s, died %s job %lld: the world is\n%s", w->name, when, (long long)k, got.world);
  if (strcmp(want->doc_outcome, got.doc_outcome) != 0)
    fail_msg("%s, died %s job %lld: outcome %s", w->name, when, (long long)k, got.doc_outcome);
  if (notes_in(want->entries) != notes_in(got.entries))
    fail_msg("%s, died %s job %lld: notes differ:\n%s", w->name, when, (long long)k, got.entries);
  never_twice(r);
  read_once_more(w, want, r, k);
  again(w, r, k);
}

static void with_deaths(const word *w, const outcome *want, rig_death death) {
  for (int64_t k = 0; k <= want->jobs; k++) {
    rig *r = set_up(w, 7);
    r->kill_at = k;
    r->death = death;
    rig_carry(r, "t.main", NULL);
    compare(w, want, r, death, k);
    rig_free(r);
  }
}

static void test_word(void **state) {
  static outcome want;
  const word *w = *state;
  rig *r = set_up(w, 7);
  rig_carry(r, "t.main", NULL);
  look_at(r, &want);
  never_twice(r);
  if (getenv("RIG_SHOW")) print_message("%s\n%s\n%s", w->name, want.result, want.entries);
  assert_string_equal(rig_state(r), "completed");
  again(w, r, -1);
  rig_free(r);
  with_deaths(w, &want, RIG_BEFORE);
  with_deaths(w, &want, RIG_AFTER);
}

static void test_power(void **state) {
  static outcome want;
  const word *w = *state;
  rig *r = set_up(w, 7);
  rig_carry(r, "t.main", NULL);
  look_at(r, &want);
  rig_free(r);
  for (int64_t step = 1 + (w - words) % 5, cuts = 1; cuts; step += 11) {
    r = set_up(w, 7 + (uint64_t)step);
    rig_up(r);
    ln_vfs_sim_cut_after(r->vfs, step);
    rig_carry(r, "t.main", NULL);
    cuts = r->life > 1;
    if (cuts && want.result[10] != '[') compare(w, &want, r, RIG_AFTER, step);
    never_twice(r);
    rig_free(r);
  }
}

int main(void) {
  struct CMUnitTest tests[2 * WORDS];
  static char names[WORDS][64];
  for (size_t i = 0; i < WORDS; i++) {
    snprintf(names[i], sizeof names[i], "%s, and the power goes", words[i].name);
    tests[i] = (struct CMUnitTest){words[i].name, test_word, NULL, NULL, (void *)(uintptr_t)&words[i]};
    tests[WORDS + i] = (struct CMUnitTest){names[i], test_power, NULL, NULL, (void *)(uintptr_t)&words[i]};
  }
  return _cmocka_run_group_tests("replay", tests, 2 * WORDS, NULL, NULL);
}
