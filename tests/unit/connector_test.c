/* connector_test.c: the connector engine against a connector of the test's own: how declarations are read,
** what is refused before anything is sent, how lists end, what a write's answers come to.  What the four
** vendors' connectors do is in connector_lua_test.c. */
#include "tests/unit/fake_engine.h"

#include "base/log.h"
#include "modules/connector_parts.h"

#include <lualib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST = 1200 };

typedef struct reply {
  const char *path;
  int status;
  const char *body, *name, *value;
  int times;
  char fails;
} reply;

typedef struct world {
  fake *f;
  lua_State *L;
  char dir[64];
  const reply *script;
  int left[16];
  int n_seen;
  char url[MOST][160], method[8], headers[2048], body[2048];
  bool counting;                                         /* ?c=N leads on to N + 1 */
} world;

static world w;

/* --- the vendor --- */

static void no_free(ln_sim_reply *r) { (void)r; }

static void note(const ln_request *r) {
  assert_true(w.n_seen < MOST);
  snprintf(w.url[w.n_seen++], sizeof w.url[0], LN_STR_FMT, LN_STR_ARG(r->url));
  snprintf(w.method, sizeof w.method, LN_STR_FMT, LN_STR_ARG(r->method));
  snprintf(w.body, sizeof w.body, LN_STR_FMT, LN_STR_ARG(r->body));
  size_t at = 0;
  w.headers[0] = '\0';
  for (size_t i = 0; i < r->n_headers && at < 1900; i++)
    at += (size_t)snprintf(w.headers + at, sizeof w.headers - at, LN_STR_FMT ": " LN_STR_FMT "\n",
                           LN_STR_ARG(r->headers[i].name), LN_STR_ARG(r->headers[i].value));
}

static bool handle(void *arg, const ln_request *r, ln_sim_reply *out) {
  static char text[64];
  static ln_header h;
  (void)arg;
  note(r);
  if (w.counting) {
    snprintf(text, sizeof text, "{\"items\":[%d],\"next\":%d}", w.n_seen, w.n_seen);
    *out = (ln_sim_reply){.answer = {.sent = LN_ANSWERED, .status = 200, .body = ln_str_of(text)},
                          .free = no_free};
    return true;
  }
  for (int i = 0; w.script[i].status || w.script[i].fails; i++) {
    const reply *p = &w.script[i];
    if ((p->path && ln_str_find(r->url, ln_str_of(p->path)) < 0) || (p->times && w.left[i]++ >= p->times))
      continue;
    *out = (ln_sim_reply){.answer = {.sent = p->fails ? LN_PERHAPS_SENT : LN_ANSWERED,
                                     .status = p->status,
                                     .body = ln_str_of(p->body ? p->body : "")},
                          .free = no_free,
                          .after_ms = 10};
    if (p->fails) ln_fail(&out->answer.err, "unavailable", LN_AGAIN, "reset");
    if (p->name) {
      h = (ln_header){ln_str_of(p->name), ln_str_of(p->value)};
      out->answer.headers = &h;
      out->answer.n_headers = 1;
    }
    return true;
  }
  fail_msg("nothing answers " LN_STR_FMT, LN_STR_ARG(r->url));
  return false;
}

/* --- the connector --- */

static const char ACME[] =
    "local json = require 'json'\n"
    "local function fault(answer)\n"
    "  if answer.status == 409 then return { code = 'conflict', message = 'twice' } end\n"
    "  if answer.status == 418 then return { code = 'pending', message = 'tea', executed = true } end\n"
    "  if answer.status >= 500 then return { code = 'unavailable', message = 'down', retry = true } end\n"
    "end\n"
    "local function page(answer)\n"
    "  local b = answer.body\n"
    "  return b.items, b.link and { url = b.link } or b.next and { query = { c = b.next } } or nil\n"
    "end\n"
    "return connector {\n"
    "  name = 'acme', config = { token = 'secret', region = 'string = eu', size = 'integer = 5' },\n"
    "  auth = { kind = 'header', prefix = 'T ', secret = 'token' },\n"
    "  headers = { Accept = 'application/json', ['X-Both'] = 'connector' }, fault = fault, body = 'json',\n"
    "  operations = {\n"
    "    things = { summary = 'Lists.', class = 'read', list = true, params = { name = 'string?', kind = "
    "'string?', on = 'boolean?' },\n"
    "      select = { 'name', 'kind' }, method = 'GET', path = '/things', query = { name = '{name}', kind = "
    "'k-{kind}', size = '2' },\n"
    "      page = page, item = function(x) return { id = x } end },\n"
    "    plain = { class = 'read', list = true, params = {}, method = 'GET', path = '/plain', page = page "
    "},\n"
    "    thing = { class = 'read', params = { id = 'string' }, method = 'GET', path = '/things/{id}', expect "
    "= { 200 },\n"
    "      result = function(b, a) if b.bad then fail('ambiguous', 'two of ' .. a.id, { retry = true }) end "
    "return b.deep.state and b end },\n"
    "    lookup = { class = 'read', params = { id = 'string' }, method = 'GET', path = '/lookup/{id}',\n"
    "      fault = function(a) if a.status == 404 then return nil end return false end,\n"
    "      result = function(b) return { found = b ~= nil and b.error == nil } end },\n"
    "    runaway = { class = 'read', params = {}, method = 'GET', path = function() while true do end end "
    "},\n"
    "    typed = { class = 'read', params = { n = 'integer', when = 'time?', on = 'boolean = true', tags = "
    "'[string]?', h = 'string?' },\n"
    "      method = 'POST', path = '/typed', headers = function(a) return { ['X-Both'] = 'operation', "
    "['X-H'] = a.h } end,\n"
    "      json = { n = '{n}', when = '{when}', on = '{on}', tags = '{tags}', text = 'n is {n}', none = 'is "
    "{h}' } },\n"
    "    change = { class = 'write', idempotent = true, effect = 'confine', params = { id = 'string', to = "
    "'string', password = 'string?' },\n"
    "      method = 'PUT', path = '/things/{id}', json = { state = '{to}', password = '{password}' }, "
    "secrets = { 'password' }, expect = { 200, 204 },\n"
    "      entity = 'acme:thing:{id}', facet = 'state', to = '{to}',\n"
    "      state = { op = 'thing', args = function(a) return { id = a.id } end, of = function(t) return "
    "t.deep.state end },\n"
    "      resolve = { op = { { op = 'thing', args = function(a) return { id = a.id } end, names = "
    "function(t) return { host = { t.deep.name }, role = t.role } end },\n"
    "                         { names = function(_, a) return { host = { a.id }, self = a.id == 'me' } end } "
    "} },\n"
    "      undo = function(a, before) return { op = 'acme.change', args = { id = a.id, to = before } } end,\n"
    "      result = function(b, a) if b and b.odd then return b.odd.x.y end return { id = a.id, state = a.to "
    "} end,\n"
    "      plan = { id = '{id}', state = '{to}', serial = opaque 'the serial' } },\n"
    "    act = { class = 'write', effect = function(a) return a.how end, params = { how = 'string' }, method "
    "= 'POST', path = '/act',\n"
    "      raw = 'x', entity = 'acme:act:{how}', result = function(b) if b.refused then fail('refused', "
    "'no') end return b.fine.x end },\n"
    "    many = { class = 'write', effect = 'note', one_by = 'ids', params = { ids = '[string]' }, method = "
    "'DELETE', path = function(a) return '/many/' .. a.ids[1] end,\n"
    "      entity = function(a) return 'acme:many:' .. a.ids[1] end, result = function(_, a) return a.ids[1] "
    "end },\n"
    "  },\n"
    "  flows = { both = { params = { id = 'string' }, uses = { 'thing', 'things' }, run = function(a)\n"
    "    local acme = require 'connectors.acme'\n"
    "    return acme.thing { id = a.id }.deep.name .. #acme.things { name = 'x' } end } },\n"
    "}\n";

static void write_connector(const char *name, const char *text) {
  char path[128];
  snprintf(path, sizeof path, "%s/connectors/%s.lua", w.dir, name);
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  fputs(text, f);
  fclose(f);
}

static void remove_connector(const char *name) {
  char path[128];
  snprintf(path, sizeof path, "%s/connectors/%s.lua", w.dir, name);
  unlink(path);
}

/* --- set-up --- */

static int l_require(lua_State *L) {
  ln_str name = ln_str_of(luaL_checkstring(L, 1));
  if (ln_str_starts(name, LN_STR("connectors.")))
    return lnL_connector_open(L, (ln_str){name.p + 11, name.n - 11});
  for (const ln_module *m = lnL_modules; m->name; m++)
    if (strcmp(m->name, name.p) == 0) {
      lua_pushcfunction(L, m->open);
      lua_call(L, 0, 1);
      return 1;
    }
  return luaL_error(L, "no module %s", name.p);
}

static int l_pager(lua_State *L) {
  lnL_connector_pager(L, 1);
  return 1;
}

static void open_vm(void) {
  w.L = luaL_newstate();
  memset(lua_getextraspace(w.L), 0, LUA_EXTRASPACE);
  luaL_openlibs(w.L);
  lua_register(w.L, "require", l_require);
  lua_register(w.L, "pager", l_pager);
  if (luaL_dostring(w.L, "function map(list, fn, o) local out = { name = o.name } for i, x in ipairs(list) do"
                         " out[i] = { item = x, value = fn(x) } end return out end acme = nil"))
    fail_msg("%s", lua_tostring(w.L, -1));
}

static void configure(ln_buf *keys) {
  ln_buf_init(keys, 4096);
  size_t mark = ln_v_begin(keys, 'O', 1);
  ln_v_key(keys, LN_STR("token"));
  ln_v_str(keys, LN_STR("clear"));
  ln_v_end(keys, mark);
}

static int setup(void **s) {
  ln_err err = {0};
  char path[96];
  (void)s;
  memset(&w, 0, sizeof w);
  snprintf(w.dir, sizeof w.dir, "/tmp/connector-XXXXXX");
  assert_non_null(mkdtemp(w.dir));
  snprintf(path, sizeof path, "%s/connectors", w.dir);
  mkdir(path, 0700);
  write_connector("acme", ACME);
  w.f = fake_vm_of = fake_new("stdlib", NULL);
  ln_connectors_close(&w.f->engine);
  w.f->stdlib = ln_str_of(w.dir);
  if (!ln_connectors_open(&w.f->engine, &err)) fail_msg("%s", err.message);
  configure(&w.f->keys[0]);
  w.f->connectors[0] = (ln_connector_config){.name = LN_STR("acme"),
                                             .url = LN_STR("https://acme.example/base/"),
                                             .writes = LN_WRITES_ALLOW,
                                             .loopback = true,
                                             .pace = 1,
                                             .keys = ln_buf_view(&w.f->keys[0])};
  w.f->config.n_connectors = 1;
  w.f->engine.transport->free(w.f->engine.transport);
  w.f->engine.transport = ln_transport_sim(w.f->engine.loop, handle, NULL, &err);
  open_vm();
  return 0;
}

static int teardown(void **s) {
  char path[96];
  (void)s;
  lua_close(w.L);
  fake_free(w.f);
  fake_vm_of = NULL;
  remove_connector("acme");
  remove_connector("other");
  snprintf(path, sizeof path, "%s/connectors", w.dir);
  rmdir(path);
  rmdir(w.dir);
  return 0;
}

static void script(const reply *r) {
  w.script = r;
  memset(w.left, 0, sizeof w.left);
  w.n_seen = 0;
}

static const char *lua(const char *chunk) {
  lua_settop(w.L, 0);
  if (luaL_loadstring(w.L, chunk)) fail_msg("%s", lua_tostring(w.L, -1));
  if (lua_pcall(w.L, 0, 1, 0)) fail_msg("%s", luaL_tolstring(w.L, -1, NULL));
  return luaL_tolstring(w.L, -1, NULL);
}

static const char *raised(const char *chunk) {
  static char out[640];
  ln_err err;
  lua_settop(w.L, 0);
  if (luaL_loadstring(w.L, chunk)) fail_msg("%s", lua_tostring(w.L, -1));
  if (!lua_pcall(w.L, 0, 1, 0)) fail_msg("%s: nothing was raised", chunk);
  lnL_to_error(w.L, -1, &err);
  snprintf(out, sizeof out, "%s: %s", err.code, err.message);
  return out;
}

static void has(const char *text, const char *part) {
  if (!strstr(text, part)) fail_msg("\"%s\" is not in: %s", part, text);
}

/* --- declarations --- */

static void test_mistakes(void **s) {
  (void)s;
  static const struct { const char *text, *why; } cases[] = {
      {"return 7", "must return connector"},
      {"return connector {", "expected"},
      {"error 'no'", "no"},
      {"return connector { name = 'else', operations = {} }", "name must be the file's own name"},
      {"return connector { name = 'other', oprations = {} }",
       "oprations is unknown here; did you mean 'operations'?"},
      {"return connector { name = 'other', operations = {} }", "operations must have at least one"},
      {"return connector { name = 'other', operations = { x = 1 } }", "operations.x must be a table"},
      {"return connector { name = 'other', operations = { x = { class = 'reed' } } }",
       "operations.x.class must be"},
      {"return connector { name = 'other', operations = { x = { class = 'read', mehtod = 'GET' } } }",
       "did you mean 'method'?"},
      {"return connector { name = 'other', operations = { x = { class = 'read' } } }",
       "operations.x.method must be a text"},
      {"return connector { name = 'other', operations = { x = { class = 'read', method = 'GET', path = "
       "'/{y}' } } }",
       "operations.x.path names {y}, which is no parameter"},
      {"return connector { name = 'other', operations = { x = { class = 'read', method = 'GET', path = '/', "
       "params = { a = 'strin' } } } }",
       "\"strin\" is no type"},
      {"return connector { name = 'other', operations = { x = { class = 'read', method = 'GET', path = '/', "
       "params = { limit = 'integer' } } } }",
       "cannot name 'limit'"},
      {"return connector { name = 'other', operations = { x = { class = 'read', list = true, method = 'GET', "
       "path = '/' } } }",
       "operations.x.page must be a function"},
      {"return connector { name = 'other', operations = { x = { class = 'write', method = 'PUT', path = '/', "
       "entity = 'e' } } }",
       "operations.x.effect of a write"},
      {"return connector { name = 'other', operations = { x = { class = 'write', effect = 'note', method = "
       "'PUT', path = '/', entity = 'e',"
       " state = { op = 'y', of = 7 } } } }",
       "operations.x.state.of must be a function"},
      {"return connector { name = 'other', operations = { x = { class = 'write', effect = 'note', method = "
       "'PUT', path = '/', entity = 'e',"
       " state = { op = 'y' } } } }",
       "operations.x.state names 'y', which is no read of this connector"},
      {"return connector { name = 'other', operations = { x = { class = 'read', method = 'GET', path = '/', "
       "json = {}, form = {} } } }",
       "more than one of json, form"},
      {"return connector { name = 'other', config = {}, auth = { kind = 'basic', user = 'u', secret = 'p' }, "
       "operations = {} }",
       "auth.user names what is no key of `config`"},
      {"return connector { name = 'other', endpoints = 'y', operations = { x = { class = 'read', "
       "method = 'GET', path = '/' } } }",
       "endpoints must name a read without parameters"},
      {"return connector { name = 'other', endpoints = 'x', operations = { x = { class = 'read', "
       "method = 'GET', path = '/', params = { a = 'string' } } } }",
       "endpoints must name a read without parameters"},
      {"return connector { name = 'other', operations = {}, x = os.time() }", "os"},
      {"require 'file' return connector {}", "cannot require 'file'"},
      {"while true do end", "ran too long"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    ln_err err = {0};
    write_connector("other", cases[i].text);
    ln_connectors_close(&w.f->engine);
    assert_true(ln_connectors_open(&w.f->engine, &err));
    if (ln_connectors_load(&w.f->engine, LN_STR("other"), &err)) fail_msg("case %zu was taken", i);
    assert_string_equal(err.code, "bad_connector");
    has(err.message, "connectors/other.lua");
    has(err.message, cases[i].why);
    assert_true(ln_connectors_load(&w.f->engine, LN_STR("acme"), &err)); /* the others go on */
  }
}

static void test_one_name_twice(void **s) {
  (void)s;
  ln_err err = {0};
  char again[96];
  snprintf(again, sizeof again, "%s/connectors", w.dir);
  ln_str folder = ln_str_of(again);
  w.f->config.connectors_path = (ln_list){&folder, 1};
  ln_connectors_close(&w.f->engine);
  assert_false(ln_connectors_open(&w.f->engine, &err));
  assert_string_equal(err.code, "bad_connector");
  has(err.message, "acme");
  w.f->config.connectors_path = (ln_list){NULL, 0};
  assert_true(ln_connectors_open(&w.f->engine, &err));
}

static void test_lookups(void **s) {
  (void)s;
  ln_err err = {0};
  ln_op_info i;
  ln_engine *g = &w.f->engine;
  assert_true(ln_connectors_info(g, LN_STR("acme.things"), &i, &err));
  assert_true(i.list && i.params->n == 3 && i.select.n == 2 && i.op->cls == LN_READ);
  assert_true(ln_connectors_info(g, LN_STR("acme.both"), &i, &err));
  assert_true(i.op == NULL && i.uses.n == 2 && ln_str_eq(i.uses.v[0], LN_STR("acme.thing")));
  assert_null(ln_connectors_op(g, LN_STR("acme.thingz"), &err));
  has(err.message, "did you mean acme.thing");
  assert_null(ln_connectors_op(g, LN_STR("amce.things"), &err));
  has(err.message, "did you mean acme?");
  assert_int_equal(ln_connectors_op(g, LN_STR("acme.act"), &err)->move,
                   LN_CONFINE); /* not known: the gravest */
}

/* --- arguments, in the VM: nothing is sent --- */

static void test_arguments(void **s) {
  (void)s;
  static const struct { const char *call, *why; } cases[] = {{"thing()", "id is missing (string)"},
               {"thing { id = '' }", "id is an empty text"},
               {"thing { id = {} }", "id must be a text, got a table"},
               {"thing { id = '1', x = 1 }", "no argument is called 'x'"},
               {"thing { id = '1', nmae = 1 }", "no argument is called 'nmae'"},
               {"thing { id = true }", "id must be a text"},
               {"thing 'x'", "takes one table"},
               {"things {}", "one of name, kind, or all = true"},
               {"things { on = true }", "one of name, kind"},
               {"things { name = nil }", "one of name, kind"},
               {"things { nane = 'x' }", "did you mean 'name'?"},
               {"things { name = 'x', limit = 0 }", "limit must be"},
               {"things { name = 'x', all = 1 }", "all must be"},
               {"typed { n = 1.5 }", "n must be a whole number"},
               {"typed { n = 1, tags = {} }", "tags is an empty list"},
               {"typed { n = 1, tags = { '' } }", "tags[1] is an empty text"},
               {"typed { n = 1, when = 'soon' }", "when"},
               {"thing { id = function() end }", "function"}};
  script((reply[]){{.status = 200, .body = "{}"}, {0}});
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char chunk[160];
    snprintf(chunk, sizeof chunk, "require 'connectors.acme'.%s", cases[i].call);
    const char *why = raised(chunk);
    has(why, "bad_argument: acme.");
    has(why, cases[i].why);
  }
  assert_int_equal(w.n_seen, 0);
}

static void test_templates(void **s) {
  (void)s;
  script((reply[]){{.status = 200, .body = "{\"x\":1}"}, {0}});
  lua("require 'connectors.acme'.typed { n = '7', when = 1700000000, tags = 'one' }");
  assert_string_equal(
      w.body,
      "{\"n\":7,\"on\":true,\"tags\":[\"one\"],\"text\":\"n is 7\",\"when\":\"2023-11-14T22:13:20Z\"}");
  has(w.headers, "X-Both: operation\n");
  has(w.headers, "Accept: application/json\n");
  has(w.headers, "Content-Type: application/json\n");
  has(w.headers, "Authorization: T clear\n");
  assert_null(strstr(w.headers, "X-H"));
  assert_string_equal(w.url[0], "https://acme.example/base/typed");
  has(raised("require 'connectors.acme'.typed { n = 1, h = 'a\\nb' }"), "control character");
  script((reply[]){{.status = 200, .body = "{\"deep\":{\"state\":\"on\"}}"}, {0}});
  lua("require 'connectors.acme'.thing { id = 'a/b ?{x}' }");
  assert_string_equal(w.url[0], "https://acme.example/base/things/a%2Fb%20%3F%7Bx%7D");
  script((reply[]){{.status = 200, .body = "{\"items\":[]}"}, {0}});
  lua("require 'connectors.acme'.things { name = 'n&m' }");
  assert_string_equal(w.url[0], "https://acme.example/base/things?name=n%26m&size=2");
}

/* --- lists --- */

static void test_pages(void **s) {
  (void)s;
  script((reply[]){
      {.path = "c=2", .status = 200, .body = "{\"items\":[]  ,\"next\":3}"},
      {.path = "c=3", .status = 200, .body = "{\"items\":null,\"link\":\"https://evil.example/other?z=1\"}"},
      {.path = "/other", .status = 200, .body = "{\"items\":[5]}"},
      {.status = 200, .body = "{\"items\":[1,2],\"next\":2}"},
      {0}});
  assert_string_equal(
      lua("local out = {} for _, x in ipairs(require 'connectors.acme'.things { name = 'x' }) do"
          " out[#out + 1] = x.id end return table.concat(out, ' ')"),
      "1 2 5");
  assert_int_equal(w.n_seen, 4);
  assert_string_equal(w.url[1], "https://acme.example/base/things?c=2&name=x&size=2");
  assert_string_equal(w.url[3],
                      "https://acme.example/base/other?z=1"); /* the host of an answer counts for nothing */
}

static void test_lists_end(void **s) {
  (void)s;
  script((reply[]){{.status = 200, .body = "{\"items\":[1],\"next\":2}"}, {0}});
  has(raised("require 'connectors.acme'.things { name = 'x' }"), "leads back to a page");
  assert_int_equal(w.n_seen, 2);
  script((reply[]){{.status = 200, .body = "{\"items\":[1,2,3]}"}, {0}});
  has(raised("require 'connectors.acme'.things { name = 'x', limit = 2 }"), "too_many: more than 2 items");
  assert_string_equal(lua("return #require 'connectors.acme'.things { name = 'x', limit = 3 }"), "3");
  w.counting = true;
  script(NULL);
  has(raised("require 'connectors.acme'.plain { limit = 5000 }"), "too_many: more than 1000 pages");
  assert_int_equal(w.n_seen, 1001);
  script(NULL);
  has(raised("require 'connectors.acme'.plain()"), "too_many: more than 1000"); /* nothing to select by */
}

static void test_pager(void **s) {
  (void)s;
  script((reply[]){{.path = "c=2", .status = 200, .body = "{\"items\":[3]}"},
                   {.status = 200, .body = "{\"items\":[1,2],\"next\":2}"}, {0}});
  assert_string_equal(lua("local p = pager(require 'connectors.acme'.things)"
                          " local a = p({ name = 'x' }) local b = p({ name = 'x' }, a.next)"
                          " return #a.items .. ' ' .. #b.items .. ' ' .. tostring(b.next)"), "2 1 nil");
  has(raised("pager(require 'connectors.acme'.thing)"), "acme.thing is not an operation that lists");
  has(raised("pager(print)"), "not an operation that lists");
}

/* --- answers --- */

static void test_verdicts(void **s) {
  (void)s;
  static const struct { const char *call; reply r; const char *what; } cases[] = {
      {"thing { id = '1' }", {.status = 404, .body = "{}"}, "failed: status 404 without an explanation"},
      {"thing { id = '1' }", {.status = 201, .body = "{}"}, "failed: status 201 is not among"},
      {"thing { id = '1' }", {.status = 409, .body = "{}"}, "conflict: twice"},
      {"thing { id = '1' }",
       {.status = 200, .body = "<html><body>hi</body></html>"},
       "unavailable: an answer that is neither"},
      {"thing { id = '1' }", {.status = 200, .body = "{\"a\":"}, "unavailable: an answer that is neither"},
      {"thing { id = '1' }", {.status = 200, .body = ""}, "unavailable: an empty answer"},
      {"thing { id = '1' }", {.status = 200, .body = "{\"bad\":true}"}, "ambiguous: two of 1"},
      {"thing { id = '1' }", {.status = 200, .body = "{}"}, "failed: acme.thing: "},
      {"runaway()", {.status = 200, .body = "{}"}, "ran too long"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char chunk[160];
    reply r[2] = {cases[i].r, {0}};
    script(r);
    nap(w.f, 60000); /* the breaker has closed again */
    snprintf(chunk, sizeof chunk, "require 'connectors.acme'.%s", cases[i].call);
    has(raised(chunk), cases[i].what);
  }
  nap(w.f, 60000);
  script((reply[]){{.status = 404, .body = "{\"error\":1}"}, {0}}); /* the operation vouches for it */
  assert_string_equal(lua("return require 'connectors.acme'.lookup { id = 'x' }.found"), "false");
  script((reply[]){
      {.status = 500, .times = 2}, {.status = 200, .body = "{}"}, {0}}); /* it has no opinion: asked again */
  assert_string_equal(lua("return require 'connectors.acme'.lookup { id = 'x' }.found"), "true");
}

/* --- writes --- */

static ln_effect *change(const char *json) { return effect_new(w.f, "acme.change", json); }

static void test_describe(void **s) {
  (void)s;
  ln_effect *e = change("{\"id\":\"t1\",\"to\":\"off\",\"password\":\"hunter2\"}");
  w_describe(e);
  assert_true(ln_str_eq(e->w.entity, LN_STR("acme:thing:t1")));
  assert_true(ln_str_eq(e->w.to, LN_STR("off")));
  const char *would = json_of(e->w.would);
  has(would, "\"url\":\"https://acme.example/base/things/t1\"");
  has(would, "\"method\":\"PUT\"");
  has(would, "\"password\":\"***\"");
  assert_null(strstr(would, "hunter2"));
  assert_null(strstr(would, "clear"));
  assert_null(strstr(would, "Authorization"));
  assert_true(ln_v_get_str(e->w.planned, "state").n == 3);
  assert_int_equal(w.n_seen, 0);
  effect_free(e);
}

static void test_look(void **s) {
  (void)s;
  script((reply[]){
      {.status = 200, .body = "{\"role\":\"server\",\"deep\":{\"state\":\"on\",\"name\":\"T-1\"}}"}, {0}});
  ln_effect *e = change("{\"id\":\"t1\",\"to\":\"off\"}");
  w_describe(e);
  w_look(e);
  assert_true(e->resolved);
  assert_true(ln_str_eq(ln_buf_view(&e->before), LN_STR("on")));
  assert_string_equal(json_of(ln_buf_view(&e->names)),
                      "{\"host\":[\"T-1\",\"t1\"],\"role\":\"server\",\"self\":false}");
  assert_string_equal(json_of(ln_buf_view(&e->undo)),
                      "{\"args\":{\"id\":\"t1\",\"to\":\"on\"},\"op\":\"acme.change\"}");
  assert_int_equal(e->unchanged.n, 0);
  effect_free(e);
  e = change("{\"id\":\"t1\",\"to\":\"on\"}");
  w_describe(e);
  w_look(e);
  assert_string_equal(json_of(ln_buf_view(&e->unchanged)),
                      "{\"id\":\"t1\",\"state\":\"on\",\"unchanged\":true}");
  effect_free(e);
  script((reply[]){{.status = 404, .body = "{}"}, {0}});
  e = change("{\"id\":\"t1\",\"to\":\"on\"}");
  w_describe(e);
  w_look(e);
  assert_false(e->good);
  assert_string_equal(e->err.op, "acme.thing");
  effect_free(e);
}

static void test_send(void **s) {
  (void)s;
  static const struct { reply r; ln_outcome o; int times; } cases[] = {
      {{.status = 200, .body = "{}"}, LN_DID, 1},
      {{.status = 204}, LN_DID, 1},
      {{.status = 400, .body = "{}"}, LN_DID_NOT, 1},
      {{.status = 409, .body = "{}"}, LN_DID_NOT, 1},
      {{.status = 418, .body = "{}"}, LN_UNKNOWN, 1},
      {{.status = 500, .body = "{}"}, LN_UNKNOWN, 1},
      {{.status = 302, .body = "{}"}, LN_UNKNOWN, 1},
      {{.status = 202, .body = "{}"}, LN_UNKNOWN, 1},
      {{.status = 200, .body = "<html>"}, LN_UNKNOWN, 1},
      {{.status = 200, .body = "{\"odd\":{}}"}, LN_UNKNOWN, 1},
      {{.fails = 'p'}, LN_UNKNOWN, 1}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    reply r[2] = {cases[i].r, {0}};
    script(r);
    ln_effect *e = change("{\"id\":\"t1\",\"to\":\"off\"}");
    w_describe(e);
    w_send(e);
    if (e->outcome != cases[i].o) fail_msg("case %zu: outcome %d: %s", i, (int)e->outcome, e->err.message);
    assert_int_equal(w.n_seen, cases[i].times);
    assert_int_equal(e->raws, 0); /* it has secrets: the raw answer is not kept */
    effect_free(e);
  }
}

/* A refusal of what is so already: an earlier attempt, or a proxy, sent it before. */
static void test_refused_the_second_time(void **s) {
  (void)s;
  static const struct { const char *state; ln_outcome o; } cases[] = {{"off", LN_DID}, {"on", LN_DID_NOT}};
  for (int i = 0; i < 2; i++) {
    char now[64];
    snprintf(now, sizeof now, "{\"deep\":{\"state\":\"%s\"}}", cases[i].state);
    script((reply[]){{.status = 200, .body = "{\"deep\":{\"state\":\"on\"}}", .times = 2},
                     {.status = 409, .body = "{}", .times = 1}, {.status = 200, .body = now}, {0}});
    ln_effect *e = change("{\"id\":\"t1\",\"to\":\"off\"}");
    w_describe(e);
    w_look(e);
    w_send(e);
    assert_int_equal(e->outcome, cases[i].o);
    if (i == 0) assert_string_equal(json_of(ln_buf_view(&e->value)), "{\"id\":\"t1\",\"state\":\"off\"}");
    else assert_string_equal(e->err.code, "conflict");
    effect_free(e);
  }
}

static void reload(void) {
  ln_err err = {0};
  ln_connectors_close(&w.f->engine);
  assert_true(ln_connectors_open(&w.f->engine, &err));
}

/* What could not even be sent, for what it needs first was refused, is not done because it is so by now. */
static void test_refused_before_it_was_sent(void **s) {
  (void)s;
  write_connector(
      "other",
      "local function of(a) return { id = a.id } end\n"
      "return connector { name = 'other', operations = {\n"
      "  thing = { class = 'read', params = { id = 'string' }, method = 'GET', path = '/things/{id}', "
      "expect = { 200 } },\n"
      "  after = { class = 'write', idempotent = true, effect = 'note', params = { id = 'string' }, "
      "method = 'PUT',\n"
      "    path = '/after/{id}', expect = { 204 }, entity = 'other:thing:{id}', facet = 'state', to = "
      "'off',\n"
      "    first = { thing = { op = 'thing', args = of } }, plan = { state = 'off' },\n"
      "    state = { op = 'thing', args = of, of = function(t) return t.state end } } } }\n");
  w.f->connectors[1] = w.f->connectors[0];
  w.f->connectors[1].name = LN_STR("other");
  w.f->connectors[1].keys = (ln_str){NULL, 0};
  w.f->config.n_connectors = 2;
  reload();
  script((reply[]){{.status = 200, .body = "{\"state\":\"on\"}", .times = 1},
                   {.status = 409, .body = "{}", .times = 1},
                   {.status = 200, .body = "{\"state\":\"off\"}"}, {0}});
  ln_effect *e = effect_new(w.f, "other.after", "{\"id\":\"t1\"}");
  w_describe(e);
  w_look(e);
  w_send(e);
  assert_int_equal(e->outcome, LN_DID_NOT);
  assert_int_equal(w.n_seen, 2);
  effect_free(e);
  w.f->config.n_connectors = 1;
}

static void test_refusals(void **s) {
  (void)s;
  script((reply[]){{.status = 200, .body = "{\"refused\":true}"}, {0}});
  ln_effect *e = effect_new(w.f, "acme.act", "{\"how\":\"note\"}");
  w_describe(e);
  w_send(e);
  assert_int_equal(e->outcome, LN_DID_NOT); /* the connector says so */
  assert_string_equal(e->err.code, "refused");
  assert_null(e->op->write->probe); /* there is nothing to look at */
  assert_null(e->op->write->follow);
  effect_free(e);
  script((reply[]){{.status = 200, .body = ""}, {0}}); /* it was to say something, and tells nothing */
  e = effect_new(w.f, "acme.act", "{\"how\":\"note\"}");
  w_describe(e);
  w_send(e);
  assert_int_equal(e->outcome, LN_UNKNOWN);
  effect_free(e);
}

/* What was perhaps sent: it happened if the state is the wanted one, it did not if all is as it was; a third
** state, or none that was known before, tells nothing. */
static void test_probe(void **s) {
  (void)s;
  static const struct { const char *before, *now; ln_outcome o; } cases[] = {
      {"{\"deep\":{\"state\":\"on\"}}", "{\"deep\":{\"state\":\"off\"}}", LN_DID},
      {"{\"deep\":{\"state\":\"on\"}}", "{\"deep\":{\"state\":\"on\"}}", LN_DID_NOT},
      {"{\"deep\":{\"state\":\"on\"}}", "{\"deep\":{\"state\":\"dim\"}}", LN_UNKNOWN},
      {"{\"deep\":{\"state\":\"on\"}}", "{}", LN_UNKNOWN},
      {NULL, "{\"deep\":{\"state\":\"on\"}}", LN_UNKNOWN},
      {NULL, "{\"deep\":{\"state\":\"off\"}}", LN_DID}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    ln_effect *e = change("{\"id\":\"t1\",\"to\":\"off\"}");
    w_describe(e);
    if (cases[i].before) {
      script((reply[]){{.status = 200, .body = cases[i].before}, {0}});
      w_look(e);
    }
    script((reply[]){{.status = 200, .body = cases[i].now}, {0}});
    w_probe(e, 1);
    if (e->outcome != cases[i].o) fail_msg("case %zu: outcome %d: %s", i, (int)e->outcome, e->err.message);
    if (i == 0) assert_string_equal(json_of(ln_buf_view(&e->value)), "{\"id\":\"t1\",\"state\":\"off\"}");
    effect_free(e);
  }
}

static void test_modes(void **s) {
  (void)s;
  const ln_writes modes[] = {LN_WRITES_NEVER, LN_WRITES_ASK, LN_WRITES_ALLOW};
  for (int i = 0; i < 3; i++) {
    w.f->connectors[0].writes = modes[i];
    ln_effect *e = change("{\"id\":\"t1\",\"to\":\"off\"}");
    w_describe(e);
    assert_int_equal(e->w.never, i == 0);
    assert_int_equal(e->w.asks, i == 1);
    effect_free(e);
  }
}

/* In a plan an argument may not be known yet: what can be said is said, and nothing is asked. */
static void test_opaque(void **s) {
  (void)s;
  ln_err err = {0};
  ln_buf args;
  ln_buf_init(&args, 1024);
  size_t object = ln_v_begin(&args, 'O', 2);
  ln_v_key(&args, LN_STR("id"));
  size_t mark = ln_v_begin(&args, 'P', 1);
  ln_v_key(&args, LN_STR("what"));
  ln_v_str(&args, LN_STR("the id"));
  ln_v_end(&args, mark);
  ln_v_key(&args, LN_STR("to"));
  ln_v_str(&args, LN_STR("off"));
  ln_v_end(&args, object);
  ln_effect *e =
      effect_with(w.f, ln_connectors_op(&w.f->engine, LN_STR("acme.change"), &err), ln_buf_view(&args));
  w_describe(e);
  assert_true(ln_str_eq(e->w.entity, LN_STR("acme:thing:\xE2\x9F\xA8the id\xE2\x9F\xA9")));
  w_look(e);
  assert_false(e->resolved);
  effect_free(e);
  e = effect_with(w.f, ln_connectors_op(&w.f->engine, LN_STR("acme.thing"), &err), ln_buf_view(&args));
  e->op->start(e);
  wait_for(e);
  assert_string_equal(e->err.code, "unknown");
  effect_free(e);
  ln_buf_free(&args);
  assert_int_equal(w.n_seen, 0);
}

static void test_moves(void **s) {
  (void)s;
  script((reply[]){{.status = 200, .body = "{\"fine\":{\"x\":1}}"}, {0}});
  static const char *const how[] = {"note", "confine", "free"};
  for (int i = 0; i < 3; i++) {
    char chunk[96];
    snprintf(chunk, sizeof chunk, "require 'connectors.acme'.act { how = '%s' }", how[i]);
    lua(chunk);
  }
  assert_int_equal(w.n_seen, 3);
}

static void test_one_by(void **s) {
  (void)s;
  script((reply[]){{.status = 204}, {0}});
  assert_string_equal(lua("local r = require 'connectors.acme'.many { ids = { 'a', 'b' } }"
                          " return r.name .. ' ' .. r[1].value .. ' ' .. r[2].item"), "acme.many a b");
  assert_string_equal(w.url[1], "https://acme.example/base/many/b");
  has(raised("require 'connectors.acme'.many { ids = {} }"), "ids is an empty list");
  has(raised("require 'connectors.acme'.many {}"), "ids is missing");
}

static void test_flow(void **s) {
  (void)s;
  script((reply[]){{.path = "/things?", .status = 200, .body = "{\"items\":[1,2]}"},
                   {.status = 200, .body = "{\"deep\":{\"state\":\"x\",\"name\":\"T\"}}"}, {0}});
  assert_string_equal(lua("return require 'connectors.acme'.both { id = '1' }"), "T2");
  has(raised("require 'connectors.acme'.both {}"), "acme.both: id is missing");
}

/* --- configuration --- */

static void test_configuration(void **s) {
  (void)s;
  script((reply[]){{.status = 200, .body = "{}"}, {0}});
  w.f->connectors[0].loopback = false; /* a secret in clear, outside of a simulation */
  reload();
  has(raised("require 'connectors.acme'.lookup { id = '1' }"), "connectors.acme.token must be secret");
  w.f->connectors[0].loopback = true;
  w.f->connectors[0].keys = (ln_str){NULL, 0};
  reload();
  has(raised("require 'connectors.acme'.lookup { id = '1' }"), "connectors.acme: token is missing");
  ln_buf_cut(&w.f->keys[0], 0);
  size_t mark = ln_v_begin(&w.f->keys[0], 'O', 2);
  ln_v_key(&w.f->keys[0], LN_STR("regoin"));
  ln_v_str(&w.f->keys[0], LN_STR("x"));
  ln_v_key(&w.f->keys[0], LN_STR("token"));
  ln_v_str(&w.f->keys[0], LN_STR("x"));
  ln_v_end(&w.f->keys[0], mark);
  w.f->connectors[0].keys = ln_buf_view(&w.f->keys[0]);
  reload();
  has(raised("require 'connectors.acme'.lookup { id = '1' }"), "did you mean 'region'?");
  w.f->config.n_connectors = 0;
  reload();
  has(raised("require 'connectors.acme'.lookup { id = '1' }"), "acme is not configured");
  assert_int_equal(w.n_seen, 0);
  w.f->config.n_connectors = 1;
}

/* --- letting go --- */

static void stop(void *loop) { ((ln_loop *)loop)->stop(loop); }

static void test_drop(void **s) {
  (void)s;
  script((reply[]){{.status = 200, .body = "{\"deep\":{\"state\":\"on\"}}"}, {0}});
  for (int ms = 0; ms < 30; ms += 3) { /* at every stage of a look, and of a read */
    ln_effect *e =
        ms % 2 ? change("{\"id\":\"t1\",\"to\":\"off\"}") : effect_new(w.f, "acme.thing", "{\"id\":\"1\"}");
    if (ms % 2) w_describe(e);
    if (ms % 2) e->op->write->look(e);
    else e->op->start(e);
    ln_timer t = {.fn = stop, .arg = w.f->engine.loop};
    w.f->engine.loop->timer(w.f->engine.loop, &t, ms);
    w.f->engine.loop->run(w.f->engine.loop);
    w.f->engine.loop->cancel(w.f->engine.loop, &t);
    effect_free(e);
    w.f->engine.loop->run(w.f->engine.loop);
  }
}

static void test_timeout(void **s) {
  (void)s;
  script((reply[]){{.status = 500}, {0}});
  ln_effect *e = effect_new(w.f, "acme.thing", "{\"id\":\"1\"}");
  e->timeout_ms = 15;
  e->op->start(e);
  wait_for(e);
  assert_false(e->good);
  assert_true(ln_mono_us(w.f->engine.loop->clock) / 1000 < 20);
  effect_free(e);
}

int main(void) {
  ln_log_level(LN_ERROR);
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
  const struct CMUnitTest tests[] = {TEST(test_mistakes),
                                     TEST(test_one_name_twice),
                                     TEST(test_lookups),
                                     TEST(test_arguments),
                                     TEST(test_templates),
                                     TEST(test_pages),
                                     TEST(test_lists_end),
                                     TEST(test_pager),
                                     TEST(test_verdicts),
                                     TEST(test_describe),
                                     TEST(test_look),
                                     TEST(test_send),
                                     TEST(test_refused_the_second_time),
                                     TEST(test_refused_before_it_was_sent),
                                     TEST(test_refusals),
                                     TEST(test_probe),
                                     TEST(test_modes),
                                     TEST(test_opaque),
                                     TEST(test_moves),
                                     TEST(test_one_by),
                                     TEST(test_flow),
                                     TEST(test_configuration),
                                     TEST(test_drop),
                                     TEST(test_timeout)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
