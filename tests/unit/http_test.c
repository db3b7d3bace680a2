/* http_test.c: raw http as playbooks use it: where it may go, what it sends, what comes back, and when it
** is done again. */
#include "tests/unit/fake_engine.h"

#include "base/log.h"
#include "modules/http_parts.h"

#include <lualib.h>

#define TEXT(z) {(z), sizeof(z) - 1}                     /* LN_STR, for what is static */

typedef struct reply { int status; const char *body, *name, *value; char fails; } reply;

typedef struct world {
  fake *f;
  lua_State *L;
  reply script[8];
  int at, n_seen;
  char method[8][8], url[8][256], headers[8][1024], body[8][2048];
} world;

static world w;

static void no_free(ln_sim_reply *r) { (void)r; }

static bool handle(void *arg, const ln_request *r, ln_sim_reply *out) {
  static ln_header h[8][2];
  (void)arg;
  int i = w.n_seen++;
  assert_true(i < 8);
  snprintf(w.method[i], sizeof w.method[i], LN_STR_FMT, LN_STR_ARG(r->method));
  snprintf(w.url[i], sizeof w.url[i], LN_STR_FMT, LN_STR_ARG(r->url));
  snprintf(w.body[i], sizeof w.body[i], LN_STR_FMT, LN_STR_ARG(r->body));
  size_t at = 0;
  for (size_t k = 0; k < r->n_headers && at < 900; k++)
    at += (size_t)snprintf(w.headers[i] + at, sizeof w.headers[i] - at, LN_STR_FMT ": " LN_STR_FMT "\n",
                           LN_STR_ARG(r->headers[k].name), LN_STR_ARG(r->headers[k].value));
  const reply *p = &w.script[w.at];
  if (w.script[w.at + 1].status || w.script[w.at + 1].fails) w.at++;
  *out = (ln_sim_reply){.answer = {.sent = p->fails ? LN_PERHAPS_SENT : LN_ANSWERED, .status = p->status,
                                   .body = ln_str_of(p->body)}, .free = no_free};
  if (p->fails) ln_fail(&out->answer.err, "unavailable", LN_AGAIN, "reset");
  if (p->name) {
    h[i][0] = h[i][1] = (ln_header){ln_str_of(p->name), ln_str_of(p->value)};
    out->answer.headers = h[i];
    out->answer.n_headers = 2;
  }
  return true;
}

static int setup(void **s) {
  static const ln_str egress[] = {TEXT("https://hooks.example.com"), TEXT("https://[2001:db8::7]:8443"),
                                  TEXT("http://127.0.0.1:9001")};
  static const ln_str hosts[] = {TEXT("hooks.example.com"), TEXT("*.soc.example")};
  static ln_credential creds[] = {
      {.name = TEXT("hook"), .kind = TEXT("bearer"), .secret = TEXT("HOOK")},
      {.name = TEXT("signed"), .kind = TEXT("hmac"), .secret = TEXT("HOOK")},
      {.name = TEXT("login"), .kind = TEXT("basic"), .user = TEXT("ann"), .secret = TEXT("HOOK")},
      {.name = TEXT("elsewhere"), .kind = TEXT("bearer"), .secret = TEXT("HOOK")},
      {.name = TEXT("cryptic"), .kind = TEXT("key"), .secret = TEXT("HOOK")}};
  ln_err err;
  (void)s;
  memset(&w, 0, sizeof w);
  setenv("LUNETTE_SECRET_HOOK", "s3cr3t\n", 1);
  w.f = fake_vm_of = fake_new("stdlib", NULL);
  for (size_t i = 0; i < 5; i++) creds[i].hosts = (ln_list){(ln_str *)(uintptr_t)&hosts[i == 3], 1};
  w.f->config.egress = (ln_list){(ln_str *)(uintptr_t)egress, 3};
  w.f->config.credentials = creds;
  w.f->config.n_credentials = 5;
  w.f->connectors[0] =
      (ln_connector_config){.name = LN_STR("okta"), .url = LN_STR("https://acme.okta.com"), .pace = 1};
  w.f->config.n_connectors = 1;
  w.f->engine.transport->free(w.f->engine.transport);
  w.f->engine.transport = ln_transport_sim(w.f->engine.loop, handle, NULL, &err);
  w.script[0] = (reply){.status = 200, .body = "{\"ok\":true}"};
  w.L = luaL_newstate();
  memset(lua_getextraspace(w.L), 0, LUA_EXTRASPACE);
  luaL_requiref(w.L, "_G", luaopen_base, 1);
  lua_pushcfunction(w.L, luaopen_http);
  lua_call(w.L, 0, 1);
  lua_setglobal(w.L, "http");
  return 0;
}

static int teardown(void **s) {
  (void)s;
  lua_close(w.L);
  ln_buf_free(&w.f->keys[0]);
  fake_free(w.f);
  fake_vm_of = NULL;
  return 0;
}

/* Runs a chunk; its first value as a text. */
static const char *lua(const char *chunk) {
  lua_settop(w.L, 0);
  if (luaL_loadstring(w.L, chunk)) fail_msg("%s", lua_tostring(w.L, -1));
  if (lua_pcall(w.L, 0, 1, 0)) fail_msg("%s", luaL_tolstring(w.L, -1, NULL));
  return luaL_tolstring(w.L, -1, NULL);
}

/* "CODE RULE" of the error that a chunk raises. */
static const char *lua_error_of(const char *chunk) {
  static char out[512];
  ln_err err;
  lua_settop(w.L, 0);
  if (luaL_loadstring(w.L, chunk)) fail_msg("%s", lua_tostring(w.L, -1));
  if (!lua_pcall(w.L, 0, 1, 0)) fail_msg("nothing was raised");
  lnL_to_error(w.L, -1, &err);
  snprintf(out, sizeof out, "%s %s", err.code, err.rule);
  return out;
}

static void test_get(void **s) {
  (void)s;
  assert_string_equal(lua("local r = http.get { url = 'https://hooks.example.com/a?x=1', query = { q = 'a "
                          "b', l = { 1, 2 } } }"
                          " return r.status .. ' ' .. r.body .. ' ' .. tostring(r.json().ok)"),
                      "200 {\"ok\":true} true");
  assert_string_equal(w.url[0], "https://hooks.example.com/a?x=1&l=1&l=2&q=a%20b");
  assert_string_equal(lua("return http.get('https://hooks.example.com').status"), "200");
  assert_string_equal(w.url[1], "https://hooks.example.com/");
  assert_string_equal(w.method[1], "GET");
}

static void test_headers(void **s) {
  (void)s;
  w.script[0].name = "X-Thing";
  w.script[0].value = "one";
  assert_string_equal(
      lua("local r = http.get { url = 'https://hooks.example.com/', headers = { Accept = 'a/b' } }"
          " return r.headers['x-thing'][2]"),
      "one");
  assert_non_null(strstr(w.headers[0], "Accept: a/b\n"));
  assert_string_equal(
      lua_error_of("http.get { url = 'https://hooks.example.com/', headers = { A = 'x\\r\\nB: y' } }"),
      "bad_argument ");
  assert_int_equal(w.n_seen, 1);
}

static void test_status_is_data(void **s) {
  (void)s;
  w.script[0] = (reply){.status = 404, .body = "gone"};
  assert_string_equal(lua("local r = http.get 'https://hooks.example.com/' return r.status .. r.body"),
                      "404gone");
  w.script[0] = (reply){.status = 302, .body = "", .name = "Location", .value = "https://evil.example/"};
  assert_string_equal(lua("return http.get('https://hooks.example.com/').status"), "302");
  assert_int_equal(w.n_seen, 2); /* never followed */
}

static void test_egress(void **s) {
  (void)s;
  const char *const no[] = {"https://evil.example/",
                            "http://hooks.example.com/",
                            "https://hooks.example.com:8443/",
                            "https://hooks.example.com.evil.example/",
                            "https://acme.okta.com/api/v1/users",
                            "https://ACME.okta.com:443/",
                            "http://127.0.0.1:9002/"};
  for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
    char chunk[256];
    snprintf(chunk, sizeof chunk, "http.get '%s'", no[i]);
    assert_string_equal(lua_error_of(chunk), "refused egress");
    snprintf(chunk, sizeof chunk, "http.post { url = '%s', body = 'x' }", no[i]);
    assert_string_equal(lua_error_of(chunk), "refused egress");
  }
  assert_int_equal(w.n_seen, 0);
  assert_string_equal(lua("return http.get('https://[2001:db8::7]:8443/x').status"), "200");
  assert_string_equal(lua("return http.get('HTTP' and 'http://127.0.0.1:9001/').status"), "200");
}

static void test_urls(void **s) {
  (void)s;
  const char *const bad[] = {"ftp://hooks.example.com/",
                             "https://",
                             "https:///x",
                             "https://u:p@hooks.example.com/",
                             "https://hooks.example.com@evil.example/",
                             "https://hooks.example.com:0/",
                             "https://hooks.example.com:99999/",
                             "https://hooks.example.com:/",
                             "https://ho oks/",
                             "https://hooks.example.com/\xc3\xa4",
                             "https://hooks.example.com\\@evil.example/",
                             "https://[::1",
                             "//hooks.example.com/",
                             "hooks.example.com"};
  lnH_url u;
  ln_err err;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (lnH_parse(ln_str_of(bad[i]), &u, &err)) fail_msg("%s was taken", bad[i]);
  assert_true(lnH_parse(LN_STR("https://a.example:8443/x?y#z"), &u, &err));
  assert_true(ln_str_eq(u.origin, LN_STR("https://a.example:8443")));
  assert_true(ln_str_eq(u.path, LN_STR("/x?y")));
  assert_int_equal(u.port, 8443);
}

static void test_credentials(void **s) {
  (void)s;
  lua("http.get { url = 'https://hooks.example.com/', auth = 'hook' }");
  assert_non_null(strstr(w.headers[0], "Authorization: Bearer s3cr3t\n"));
  lua("http.get { url = 'https://hooks.example.com/', auth = 'login' }");
  assert_non_null(strstr(w.headers[1], "Authorization: Basic YW5uOnMzY3IzdA==\n"));
  lua("http.post { url = 'https://hooks.example.com/', auth = 'signed', body = 'hello' }");
  assert_non_null(strstr(w.headers[2], "X-Signature-256: sha256="));
  assert_string_equal(lua_error_of("http.get { url = 'https://hooks.example.com/', auth = 'elsewhere' }"),
                      "refused credential");
  assert_string_equal(lua_error_of("http.get { url = 'https://hooks.example.com/', auth = 'cryptic' }"),
                      "bad_argument ");
  assert_string_equal(lua_error_of("http.get { url = 'https://hooks.example.com/', auth = 'none' }"),
                      "bad_argument ");
  assert_int_equal(w.n_seen, 3);
}

static void test_bodies(void **s) {
  (void)s;
  lua("http.post { url = 'https://hooks.example.com/', json = { b = 1, a = { true } } }");
  assert_string_equal(w.body[0], "{\"a\":[true],\"b\":1}");
  assert_non_null(strstr(w.headers[0], "Content-Type: application/json\n"));
  lua("http.put { url = 'https://hooks.example.com/', form = { a = 'x&y', b = { 1, 2 } }, idempotent = true "
      "}");
  assert_string_equal(w.body[1], "a=x%26y&b=1&b=2");
  lua("http.post { url = 'https://hooks.example.com/', multipart = { { name = 'a\"b', value = 'v', type = "
      "'text/x' } } }");
  assert_non_null(strstr(w.body[2], "name=\"a%22b\"\r\nContent-Type: text/x\r\n\r\nv\r\n"));
  assert_non_null(strstr(w.headers[2], "multipart/form-data; boundary="));
  assert_string_equal(lua_error_of("http.post { url = 'https://hooks.example.com/', body = 'x', json = {} }"),
                      "bad_argument ");
  assert_string_equal(lua_error_of("http.get { url = 'https://hooks.example.com/', body = 'x' }"),
                      "bad_argument ");
}

static void test_class(void **s) {
  (void)s;
  assert_string_equal(lua_error_of("http.post { url = 'https://hooks.example.com/', class = 'read' }"),
                      "refused class");
  assert_string_equal(lua_error_of("http.request { url = 'https://hooks.example.com/', method = 'CONNECT' }"),
                      "bad_argument ");
  assert_string_equal(lua_error_of("http.get { url = 'https://hooks.example.com/', verify = false }"),
                      "bad_argument ");
  lua("http.get { url = 'https://hooks.example.com/fire', class = 'write' }");
  assert_int_equal(w.n_seen, 1);
  w.n_seen = 0; /* a GET that is a write: no second try */
  w.script[0] = (reply){.fails = 'p'};
  assert_string_equal(lua_error_of("http.get { url = 'https://hooks.example.com/fire', class = 'write' }"),
                      "doubt ");
  assert_int_equal(w.n_seen, 1);
}

static void test_reads_are_repeated(void **s) {
  (void)s;
  w.script[0] = (reply){.fails = 'p'};
  w.script[1] = (reply){.status = 503, .body = "later"};
  w.script[2] = (reply){.status = 200, .body = "now"};
  assert_string_equal(lua("return http.get('https://hooks.example.com/').body"), "now");
  assert_int_equal(w.n_seen, 3);
}

static void test_too_busy_is_data_in_the_end(void **s) {
  (void)s;
  w.script[0] = (reply){.status = 502, .body = "bad gateway"};
  assert_string_equal(lua("return http.get('https://hooks.example.com/').status"), "502");
  assert_int_equal(w.n_seen, 5);
}

static void test_probe(void **s) {
  (void)s;
  w.script[0] = (reply){.fails = 'p'};
  w.script[1] = (reply){.status = 404, .body = ""};
  w.script[2] = (reply){.status = 201, .body = "made"};
  assert_string_equal(lua("return http.put { url = 'https://hooks.example.com/n/1', body = 'x',"
                          " probe = { url = 'https://hooks.example.com/n/1' } }.status"), "201");
  assert_string_equal(w.method[1], "GET");
  assert_string_equal(w.method[2], "PUT");
  w.at = 0;
  w.script[1] = (reply){.status = 200, .body = "there"};
  assert_string_equal(lua("return http.put { url = 'https://hooks.example.com/n/1', body = 'x',"
                          " probe = { url = 'https://hooks.example.com/n/1' } }.body"), "there");
  assert_int_equal(w.n_seen, 5);
}

static void test_blob(void **s) {
  (void)s;
  w.script[0].body = "some bytes";
  assert_string_equal(lua("local r = http.get { url = 'https://hooks.example.com/f', into = 'blob' }"
                          " return r.status .. ' ' .. r.blob.bytes .. ' ' .. tostring(r.body)"),
                      "200 10 nil");
  lua("local r = http.get { url = 'https://hooks.example.com/f', into = 'blob' }"
      " http.post { url = 'https://hooks.example.com/', multipart = { { name = 'f', filename = 'x.bin', blob "
      "= r.blob } } }");
  assert_non_null(strstr(w.body[2], "filename=\"x.bin\"\r\n\r\nsome bytes\r\n"));
}

static void test_plan_hides_secrets(void **s) {
  (void)s;
  fake_planning = true;
  lua("http.post { url = 'https://hooks.example.com/', auth = 'hook', headers = { Authorization = 'mine', A "
      "= 'b' },"
      " json = { text = 'hi' } }");
  fake_planning = false;
  assert_int_equal(w.n_seen, 0);
}

static void told(lua_State *L, ln_effect *e) {
  (void)L;
  const char *would = json_of(e->w.would);
  assert_null(strstr(would, "mine"));
  assert_null(strstr(would, "s3cr3t"));
  assert_non_null(strstr(would, "\"A\":\"b\""));
  assert_non_null(strstr(would, "\"text\":\"hi\""));
}

static void test_would(void **s) {
  fake_wrote = told;
  test_plan_hides_secrets(s);
  fake_wrote = NULL;
}

int main(void) {
  ln_log_level(LN_ERROR);
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(test_get), TEST(test_headers), TEST(test_status_is_data), TEST(test_egress), TEST(test_urls),
      TEST(test_credentials), TEST(test_bodies), TEST(test_class), TEST(test_reads_are_repeated),
      TEST(test_too_busy_is_data_in_the_end), TEST(test_probe), TEST(test_blob), TEST(test_would)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
