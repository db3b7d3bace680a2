/* modules_test.c: the modules as Lua sees them, on a plain Lua state with a small engine behind it (door.h):
** the Lua tests of tests/lua/modules, the examples and names of the .meta.lua files, and what only C can see:
** what an effect's journal would hold, what a write says of itself, and that no failing allocation leaks. */
#include "modules/blob.h"
#include "modules/modules.h"
#include "tests/unit/door.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <glob.h>
#include <lualib.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define S(z) ln_str_of(z)

static const ln_module opened[] = {{"crypto", luaopen_crypto}, {"file", luaopen_file},
                                   {"json", luaopen_json},     {"log", luaopen_log},
                                   {"store", luaopen_store},   {"text", luaopen_text},
                                   {"time", luaopen_time},     {"xml", luaopen_xml},
                                   {"zip", luaopen_zip},       {NULL, NULL}};

static ln_credential credentials[] = {
    {.name = {"hook", 4}, .kind = {"hmac", 4}, .secret = {"hook", 4}},
    {.name = {"seal", 4}, .kind = {"key", 3}, .secret = {"aes", 3}},
    {.name = {"seal64", 6}, .kind = {"key", 3}, .secret = {"aes64", 5}},
    {.name = {"gone", 4}, .kind = {"key", 3}, .secret = {"lost", 4}},
    {.name = {"api", 3}, .kind = {"bearer", 6}, .secret = {"api", 3}},
};
static ln_str roots[2];
static ln_config config = {.credentials = credentials, .n_credentials = 5};

/* --- a certificate --- */

static char *certificate;                                /* in PEM form                                     */

static void make_certificate(void) {
  EVP_PKEY *key = EVP_EC_gen("P-256");
  X509 *cert = X509_new();
  X509_NAME *name = X509_get_subject_name(cert);
  X509_set_version(cert, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert), 0x1234);
  ASN1_TIME_set_string(X509_getm_notBefore(cert), "20260101000000Z");
  ASN1_TIME_set_string(X509_getm_notAfter(cert), "20270101000000Z");
  X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"Acme", -1, -1, 0);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)"müller.example", -1, -1, 0);
  X509_set_issuer_name(cert, name);
  X509_set_pubkey(cert, key);
  X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name,
                                            "DNS:a.example,DNS:b.example,IP:10.0.0.7,IP:2001:db8::1");
  X509_add_ext(cert, san, -1);
  X509_sign(cert, key, EVP_sha256());
  BIO *out = BIO_new(BIO_s_mem());
  char *text;
  PEM_write_bio_X509(out, cert);
  long n = BIO_get_mem_data(out, &text);
  certificate = strndup(text, (size_t)n);
  BIO_free(out);
  X509_EXTENSION_free(san);
  X509_free(cert);
  EVP_PKEY_free(key);
}

/* --- the state --- */

static int open_modules(lua_State *L) {
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE); /* loaded */
  for (const ln_module *m = opened; m->name; m++) {
    lua_pushcfunction(L, m->open);
    lua_call(L, 0, 1);                                    /* loaded module */
    lua_pushvalue(L, -1);
    lua_setglobal(L, m->name);
    lua_setfield(L, -2, m->name);
  }
  lua_register(L, "blob", lnL_blob);
  lua_pushlstring(L, roots[0].p, roots[0].n);
  lua_setglobal(L, "ROOT");
  lua_pushstring(L, certificate);
  lua_setglobal(L, "CERTIFICATE");
  return 0;
}

static lua_State *new_state(void) {
  lua_State *L = luaL_newstate();
  *(void **)lua_getextraspace(L) = NULL;
  lua_pushcfunction(L, open_modules);
  if (lua_pcall(L, 0, 0, 0) != LUA_OK) fail_msg("opening: %s", luaL_tolstring(L, -1, NULL));
  return L;
}

/* Runs the chunk at the top in a coroutine: every effect yields first.  The coroutine stays on the stack. */
static lua_State *run(lua_State *L, const char *what) {
  lua_State *co = lua_newthread(L);                       /* chunk co */
  lua_insert(L, -2);
  lua_xmove(L, co, 1);
  int n, status;
  while ((status = lua_resume(co, L, 0, &n)) == LUA_YIELD) lua_pop(co, n);
  if (status != LUA_OK) {
    luaL_traceback(L, co, luaL_tolstring(co, -1, NULL), 0);
    fail_msg("%s: %s", what, lua_tostring(L, -1));
  }
  return co;
}

static void run_text(lua_State *L, const char *text) {
  if (luaL_loadstring(L, text) != LUA_OK) fail_msg("%s", lua_tostring(L, -1));
  run(L, text);
  lua_pop(L, 1);
}

/* Runs it and expects an error of this code; its message is on the stack, and returned. */
static const char *fails(lua_State *L, const char *text, const char *code) {
  if (luaL_loadstring(L, text) != LUA_OK) fail_msg("%s", lua_tostring(L, -1));
  if (lua_pcall(L, 0, 0, 0) == LUA_OK) fail_msg("%s: it went well", text);
  if (!lua_istable(L, -1)) fail_msg("%s: %s", text, lua_tostring(L, -1));
  lua_getfield(L, -1, "code");
  if (strcmp(lua_tostring(L, -1), code) != 0) fail_msg("%s: %s", text, luaL_tolstring(L, -2, NULL));
  lua_getfield(L, -2, "message");
  return lua_tostring(L, -1);
}

static void says(const char *message, const char *part) {
  if (!strstr(message, part)) fail_msg("\"%s\" does not say \"%s\"", message, part);
}

/* --- set-up --- */

static int set_up(void **s) {
  static char root[4200], uri[4200];
  static ln_vault *no_vault;
  ln_err err;
  ln_store_opts o = {.clock = ln_clock_real()};
  (void)s;
  scratch_make();
  make_certificate();
  mkdir(in_scratch("root"), 0700);
  snprintf(root, sizeof root, "%s", in_scratch("root"));
  snprintf(uri, sizeof uri, "sqlite:%s", in_scratch("store.db"));
  roots[0] = S(root);
  roots[1] = S("/nowhere/else/");
  config.files = (ln_list){roots, 2};
  door.engine.config = &config;
  door.engine.rand = ln_rand_real();
  door.engine.vault = no_vault;
  door.in_run = true;
  if (!(door.engine.loop = ln_loop_uv(&err)) || !(door.engine.host = ln_host_new(&err)) ||
      !(door.engine.store = ln_store_open(S(uri), &o, &err)) ||
      !ln_writer_start(door.engine.store, NULL, &err)) {
    fprintf(stderr, "%s\n", err.message);
    return 1;
  }
  door_clear();
  return 0;
}

static int tear_down(void **s) {
  (void)s;
  door_clear();
  ln_buf_free(&door.note);
  ln_store_close(door.engine.store);
  ln_host_free(door.engine.host);
  door.engine.loop->free(door.engine.loop);
  scratch_drop();
  free(certificate);
  return 0;
}

/* --- Lua tests, examples, names --- */

static void for_each_file(const char *pattern, void (*fn)(const char *path)) {
  glob_t g;
  assert_int_equal(glob(pattern, 0, NULL, &g), 0);
  for (size_t i = 0; i < g.gl_pathc; i++) fn(g.gl_pathv[i]);
  globfree(&g);
}

static void run_file(const char *path) {
  lua_State *L = new_state();
  if (luaL_loadfile(L, path) != LUA_OK) fail_msg("%s", lua_tostring(L, -1));
  run(L, path);
  lua_close(L);
}

static void test_lua_files(void **s) {
  (void)s;
  for_each_file("tests/lua/modules/*.lua", run_file);
}

/* The file's text, at the top. */
static const char *push_file(lua_State *L, const char *path) {
  FILE *f = fopen(path, "rb");
  luaL_Buffer b;
  size_t n;
  assert_non_null(f);
  luaL_buffinit(L, &b);
  do n = fread(luaL_prepbuffer(&b), 1, LUAL_BUFFERSIZE, f), luaL_addsize(&b, n);
  while (n);
  fclose(f);
  luaL_pushresult(&b);
  return lua_tostring(L, -1);
}

/* Examples and names of one .meta.lua, looked at by a Lua function: every block between ```lua and ``` runs,
** every function of the module is declared, and every declared one is there and has an example. */
static const char examine[] =
    "local text, name, module = ...\n"
    "local declared, runs = {}, {}\n"
    "local example, seen\n"
    "for line in text:gmatch('[^\\n]*') do\n"
    "  if line == '---```lua' then example = {}\n"
    "  elseif line == '---```' then runs[#runs + 1] = table.concat(example, '\\n') example, seen = nil, "
    "true\n"
    "  elseif example then example[#example + 1] = line:match '^%-%-%-(.*)$' end\n"
    "  local fn = line:match('^function ' .. name .. '%.([%w_]+)%(') or line:match('^function (' .. name .. "
    "')%(')\n"
    "  if fn then assert(seen, fn .. ' has no example') declared[fn], seen = true, nil end\n"
    "end\n"
    "if type(module) == 'table' then\n"
    "  for fn, f in pairs(module) do assert(type(f) ~= 'function' or declared[fn], name .. '.' .. fn .. ' is "
    "not documented') end\n"
    "  for fn in pairs(declared) do assert(type(module[fn]) == 'function', name .. '.' .. fn .. ' does not "
    "exist') end\n"
    "else assert(declared[name]) end\n"
    "for _, text in ipairs(runs) do assert(load(text, '=' .. text))() end\n"
    "assert(#runs > 0)\n";

static void run_meta(const char *path) {
  char name[64] = "";
  sscanf(path, "modules/%63[a-z].meta.lua", name);
  lua_State *L = new_state();
  if (luaL_loadstring(L, examine) != LUA_OK) fail_msg("%s", lua_tostring(L, -1));
  push_file(L, path);                                     /* f text */
  lua_pushstring(L, name);
  if (lua_getglobal(L, name) == LUA_TNIL) { /* somebody else's: words, http, connector */
    lua_close(L);
    return;
  }
  if (lua_pcall(L, 3, 0, 0) != LUA_OK) fail_msg("%s: %s", path, luaL_tolstring(L, -1, NULL));
  lua_close(L);
}

static void test_meta_files(void **s) {
  (void)s;
  for_each_file("modules/*.meta.lua", run_meta);
}

/* --- arguments --- */

static void test_arguments(void **s) {
  (void)s;
  lua_State *L = new_state();
  static const char *const bad[][2] = {
      {"crypto.hash('sha256')", "crypto.hash: data must be a text or a blob, got no value"},
      {"crypto.hash('sha256', 1)", "got number"},
      {"crypto.hash('sha-256', 'x')", "no digest is called \"sha-256\""},
      {"crypto.hmac('sha256', nil, 'x')", "the key must be the name of a credential, or bytes, got nil"},
      {"crypto.seal(('k'):rep(31), 'x')", "the key must be 32 bytes or the name of a credential; it has 31"},
      {"crypto.seal(('k'):rep(32), 'x', { add = 'y' })", "unknown option 'add'; there is aad"},
      {"crypto.random_bytes(0)", "n must be a whole number from 1 to 1048576"},
      {"crypto.random_bytes(1.5)", "n must be a whole number"},
      {"crypto.unhex 'abc'", "pairs of hexadecimal digits"},
      {"crypto.unbase64 'a*b'", "crypto.unbase64: not base64: an unexpected byte 0x2A at offset 1"},
      {"crypto.jwt_sign('none', 'k', {})", "the algorithm must be one of HS256"},
      {"text.utf16 'abc'", "text.utf16: UTF-16 comes in pairs of bytes, and these are 3"},
      {"time.parse 'yesterday'", "write RFC 3339"},
      {"time.format(0, { zone = 'Europe/Berlin' })", "an offset such as \"+02:00\""},
      {"time.format(1e300)", "in the years 0 to 9999"},
      {"time.format(0/0)", "in the years 0 to 9999"},
      {"zip.pack {}", "at least one"},
      {"zip.pack { ['../x'] = 'a', ['/y'] = 'b' }", "\"../x\" is no name for an entry"},
      {"zip.pack { a = 1 }", "the data of \"a\" must be a text"},
      {"zip.list 'PK'", "zip.list: not a zip archive, or it is cut"},
      {"store.get ''", "the key must be a text of 1 to 512 bytes"},
      {"store.set('k')", "the value must be something"},
      {"store.set('k', 1, { ttl = '1h30m' })", "store.set: ttl: \"1h30m\" is not a duration: write \"90m\""},
      {"store.set('k', 1, { ttl = -1 })", "above zero"},
      {"file.read { path = 'a' }", "path must be absolute"},
      {"file.read { path = ROOT .. '/../x' }", "path must not have \"..\" in it"},
      {"file.read { path = ROOT, pathh = 1 }", "unknown option 'pathh'"},
      {"file.write { path = ROOT .. '/x' }", "data must be a text or a blob, got nil"},
      {"file.remove { path = ROOT .. '/x', sha256 = 'abc' }", "64 hexadecimal digits"},
      {"blob('', 'x')", "the name must be a text of 1 to 255 bytes"},
      {"log.info()", "log.info: the message must be a text, got no value"},
      {"log.info('x', 1)", "the fields must be a table, got number"},
      {"json.array(1)", "json.array: the list must be a table"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    says(fails(L, bad[i][0], "bad_argument"), bad[i][1]);
    lua_settop(L, 0);
  }
  lua_close(L);
}

/* In a plan a value may not be known yet: using it says so, and is no bad argument. */
static void test_opaque(void **s) {
  (void)s;
  lua_State *L = new_state();
  ln_buf v;
  ln_buf_init(&v, 100);
  size_t mark = ln_v_begin(&v, 'P', 1);
  ln_v_key(&v, LN_STR("what"));
  ln_v_str(&v, LN_STR("the handle"));
  ln_v_end(&v, mark);
  lnL_decode(L, ln_buf_view(&v));
  lua_setglobal(L, "opaque");
  ln_buf_free(&v);
  says(fails(L, "crypto.hash('sha256', opaque)", "unknown"), "the handle");
  fails(L, "file.write { path = ROOT .. '/x', data = opaque }", "unknown");
  fails(L, "zip.list(opaque)", "unknown");
  lua_close(L);
}

/* --- crypto and its keys --- */

static ln_str args(void) { return ln_buf_view(&door.e.args); }

static bool args_have(const char *text) { return ln_str_find(args(), S(text)) >= 0; }

static void test_credentials(void **s) {
  (void)s;
  lua_State *L = new_state();
  int before = door.effects;
  run_text(
      L, "assert(crypto.hmac('sha256', 'no such name', 'x') == crypto.hmac('sha256', 'no such name', 'x'))");
  assert_int_equal(door.effects, before); /* its arguments alone decide: no effect */
  run_text(L, "assert(crypto.hmac('sha256', 'hook', 'secret text') == crypto.hmac('sha256', 'value of hook', "
              "'secret text'))");
  assert_int_equal(door.effects, before + 1);
  assert_string_equal(door.e.op->name, "crypto.hmac");
  assert_true(args_have("hook") && !args_have("value of hook") && !args_have("secret text"));
  run_text(L, "local s = crypto.seal('seal', 'plain text', { aad = 'a' })\n"
              "assert(crypto.open(('k'):rep(32), s, { aad = 'a' }) == 'plain text')\n"
              "assert(crypto.open('seal64', s, { aad = 'a' }) == 'plain text')");
  says(fails(L, "crypto.hmac('sha256', 'api', 'x')", "refused"), "for requests only");
  says(fails(L, "crypto.hmac('sha256', 'gone', 'x')", "not_found"), "crypto.hmac: no secret 'lost'");
  says(fails(L, "crypto.seal('hook', 'x')", "bad_argument"), "the credential \"hook\" must be 32 bytes");
  lua_close(L);
}

static void test_what_is_journaled(void **s) {
  (void)s;
  lua_State *L = new_state();
  run_text(L, "local k = crypto.random_bytes(32) assert(#k == 32 and k ~= crypto.random_bytes(32))");
  assert_true(door.e.op->cls == LN_PURE && !door.e.op->uses);
  run_text(
      L,
      "local s = crypto.seal(('q'):rep(32), 'plain text', { aad = 'with it' }) assert(#s == 12 + 10 + 16)");
  assert_false(args_have("plain text") || args_have("qqqq") || args_have("with it"));
  run_text(L, "crypto.jwt_sign('HS256', ('q'):rep(32), { sub = 'alice' })");
  assert_false(args_have("alice") || args_have("qqqq"));
  run_text(L, "local b = blob('a name', 'the bytes')");
  assert_true(door.e.op->cls == LN_LOCAL && args_have("a name") && !args_have("the bytes"));
  run_text(L, "file.write { path = ROOT .. '/journaled', data = 'the bytes', as = 'decoy' }");
  assert_true(args_have("/journaled") && !args_have("the bytes") && !args_have("decoy"));
  lua_close(L);
}

/* A simulator has no run: what needs none works, what does says so. */
static void test_without_a_run(void **s) {
  (void)s;
  door.in_run = false;
  lua_State *L = new_state();
  run_text(L, "assert(crypto.hmac('md5', 'Jefe', 'what do ya want for nothing?') == "
              "'750c783e6ab0b503eaa86e310a5db738')");
  run_text(L, "assert(json.decode('[1]')[1] == 1 and xml.decode('<a b=\"c\"/>').attrs.b == 'c')");
  run_text(L,
           "assert(zip.read(zip.pack { a = 'b' }, 'a') == 'b' and time.parse('1970-01-01T00:00:01Z') == 1)");
  says(fails(L, "crypto.random_bytes(1)", "unavailable"), "there is no run here");
  lua_close(L);
  door.in_run = true;
}

/* --- blobs --- */

static void test_blobs(void **s) {
  (void)s;
  ln_err err;
  ln_buf bytes, stored;
  lua_State *L = new_state();
  run_text(L, "b = blob('x.bin', 'the bytes')\n"
              "assert(b.name == 'x.bin' and b.bytes == 9 and b.sha1 == crypto.hash('sha1', 'the bytes'))\n"
              "assert(crypto.hash('md5', b) == b.md5 and crypto.hash('SHA256', b) == b.sha256)\n"
              "assert(crypto.hash('sha512', b) == crypto.hash('sha512', 'the bytes'))\n"
              "assert(file.write { path = ROOT .. '/from_blob', data = b }.sha256 == b.sha256)\n"
              "assert(file.read(ROOT .. '/from_blob') == 'the bytes')\n");
  ln_blob b;
  lua_getglobal(L, "b");
  assert_true(lnL_to_blob(L, -1, &b) && b.bytes == 9);
  ln_buf_init(&bytes, 100);
  ln_buf_init(&stored, 1000);
  assert_true(lnL_blob_get(&door.engine, b.sha256, &bytes, &err));
  assert_true(ln_str_eq(ln_buf_view(&bytes), S("the bytes")));
  assert_false(
      ln_store_content_get(door.engine.store, b.sha256, &stored, &err)); /* there unsealed answers may lie */
  char address[65];
  uint8_t raw[LN_SHA256];
  assert_true(ln_sha256_2(LN_STR("blob"), b.sha256, raw));
  ln_hex(raw, sizeof raw, address);
  assert_true(ln_store_content_get(door.engine.store, S(address), &stored, &err));
  assert_true(ln_str_find(ln_buf_view(&stored), S("the bytes")) < 0); /* sealed */
  ln_buf_cut(&bytes, 0);
  char other[65];
  memset(other, 'a', 64);
  assert_false(lnL_blob_get(&door.engine, (ln_str){other, 64}, &bytes, &err));
  assert_string_equal(err.code, "not_found");
  says(err.message, "expire after a week");
  assert_false(lnL_blob_get(&door.engine, S("abc"), &bytes, &err));
  ln_buf_free(&bytes);
  ln_buf_free(&stored);
  lua_newtable(L);
  assert_false(lnL_to_blob(L, -1, &b));
  lua_close(L);
}

/* --- files as writes --- */

static void do_describe(const char *entity, const char *to) {
  assert_true(ln_str_eq(door.e.w.facet, S("content")));
  if (ln_str_find(door.e.w.entity, S(entity)) < 0) fail_msg("%.*s", LN_STR_ARG(door.e.w.entity));
  if (!ln_str_eq(door.e.w.to, S(to))) fail_msg("%.*s", LN_STR_ARG(door.e.w.to));
  ln_err err;
  assert_true(ln_v_check(door.e.w.would, &err) && ln_v_check(door.e.w.planned, &err));
}

#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static ln_outcome probe(void) {
  door.e.answered = false;
  door.e.op->write->probe(&door.e, 0);
  return door.e.how;
}

static void put(const char *rel, const char *text) {
  FILE *f = fopen(in_scratch(rel), "w");
  fputs(text, f);
  fclose(f);
}

static void test_file_write(void **s) {
  (void)s;
  lua_State *L = new_state();
  run_text(L, "local f = file.write { path = ROOT .. '//./w.txt', data = 'abc' } assert(f.path == ROOT .. "
              "'/w.txt' and not f.unchanged)");
  do_describe("file:path:/", ABC);
  assert_true(door.e.op->move == LN_NOTE && ln_str_eq(ln_buf_view(&door.e.before), S("absent")));
  ln_str undo_args = ln_buf_view(&door.e.undo);
  ln_vitem item;
  assert_true(ln_str_eq(ln_v_get_str(undo_args, "op"), S("file.remove")));
  assert_true(ln_v_get(undo_args, LN_STR("args"), &item) &&
              ln_str_eq(ln_v_get_str(item.whole, "sha256"), S(ABC)));
  assert_int_equal(probe(), LN_DID);
  put("root/w.txt", "somebody else's");
  assert_int_equal(probe(), LN_UNKNOWN);
  unlink(in_scratch("root/w.txt"));
  assert_int_equal(probe(), LN_DID_NOT);
  put("root/w.txt", "abc");
  run_text(L, "assert(file.write { path = ROOT .. '/w.txt', data = 'abc' }.unchanged)");
  says(fails(L, "file.write { path = ROOT .. '/w.txt', data = 'abd' }", "conflict"),
       "`new = false` writes over it");
  run_text(L, "file.write { path = ROOT .. '/w.txt', data = 'abd', new = false } assert(file.read(ROOT .. "
              "'/w.txt') == 'abd')");
  assert_int_equal(door.effects > 0, 1);
  says(fails(L, "file.write { path = '/etc/passwd', data = 'x' }", "refused"),
       "/etc/passwd is not below a folder");
  says(fails(L, "file.write { path = ROOT .. 'x/a', data = 'x' }", "refused"), "not below");
  says(fails(L, "file.write { path = ROOT .. '/none/a', data = 'x' }", "not_found"), "no folder none below");
  lua_close(L);
}

static void test_file_overwrite_in_doubt(void **s) {
  (void)s;
  lua_State *L = new_state();
  put("root/o.txt", "before");
  run_text(L, "file.write { path = ROOT .. '/o.txt', data = 'abc', new = false }");
  assert_int_equal(door.e.undo.n, 0); /* what was written over is gone */
  assert_int_equal(probe(), LN_DID);
  put("root/o.txt", "before");
  assert_int_equal(probe(), LN_DID_NOT);
  put("root/o.txt", "neither");
  assert_int_equal(probe(), LN_UNKNOWN);
  lua_close(L);
}

static void test_file_remove(void **s) {
  (void)s;
  lua_State *L = new_state();
  put("root/r.txt", "abc");
  says(fails(L, "file.remove { path = ROOT .. '/r.txt', sha256 = ('0'):rep(64) }", "conflict"),
       "it is left alone");
  run_text(L, "assert(file.remove { path = ROOT .. '/r.txt' }.sha256 == '" ABC "')");
  do_describe("/r.txt", "absent");
  assert_true(door.e.op->move == LN_CONFINE && door.e.undo.n == 0);
  assert_true(ln_str_find(ln_buf_view(&door.e.names), S(ABC)) > 0 &&
              ln_str_find(ln_buf_view(&door.e.names), S("r.txt")) > 0);
  assert_int_equal(probe(), LN_DID);
  put("root/r.txt", "abc");
  assert_int_equal(probe(), LN_DID_NOT);
  put("root/r.txt", "new");
  assert_int_equal(probe(), LN_UNKNOWN);
  unlink(in_scratch("root/r.txt"));
  run_text(L, "assert(file.remove { path = ROOT .. '/r.txt' }.unchanged)");
  fails(L, "file.hash { path = ROOT .. '/r.txt' }", "not_found");
  config.files.n = 0;
  says(fails(L, "file.read { path = ROOT .. '/x' }", "refused"),
       "list folders in the configuration's `files`");
  config.files.n = 2;
  lua_close(L);
}

/* --- notes --- */

static void test_log(void **s) {
  (void)s;
  lua_State *L = new_state();
  run_text(L, "log.warn('the host is slow', { host = 'WS-042' })");
  assert_string_equal(door.note_kind, "log");
  ln_str note = ln_buf_view(&door.note);
  ln_vitem fields;
  assert_true(ln_str_eq(ln_v_get_str(note, "level"), S("warn")) &&
              ln_str_eq(ln_v_get_str(note, "message"), S("the host is slow")));
  assert_true(ln_v_get(note, LN_STR("fields"), &fields) &&
              ln_str_eq(ln_v_get_str(fields.whole, "host"), S("WS-042")));
  says(fails(L, "log.info('x', { f = print })", "bad_argument"), "a function cannot be stored");
  lua_close(L);
}

/* --- everything that can fail, fails once --- */

typedef struct stingy { long left; size_t used; } stingy;

static void *sparing(void *ud, void *p, size_t was, size_t n) {
  stingy *a = ud;
  (void)was;
  if (n == 0) {
    free(p);
    return NULL;
  }
  if ((!p || n > was) && a->left >= 0 && a->left-- == 0) return NULL;
  return realloc(p, n);
}

static const char busy[] =
    "local z = zip.pack { ['a/b'] = ('x'):rep(5000), c = 'd' }\n"
    "zip.read(z, 'a/b') zip.list(z)\n"
    "crypto.hmac('sha256', 'hook', 'data') crypto.unbase64(crypto.base64(('y'):rep(3000)))\n"
    "local t = crypto.jwt_sign('HS256', 'k', { a = { 1, 2 } }, { kid = 'x' })\n"
    "crypto.jwt_verify('HS256', 'k', t) crypto.open(('k'):rep(32), crypto.seal(('k'):rep(32), 'text'))\n"
    "crypto.hex(crypto.unhex('00ff')) text.utf16('a\\0b\\0') text.defang('http://a.example/x')\n"
    "xml.decode('<a><b/>c</a>') json.decode(json.encode { a = { 1 } })\n"
    "store.set('busy', { a = 1 }, { ttl = '1h' }) store.get('busy') store.list('bu')\n"
    "file.read(file.write { path = ROOT .. '/busy', data = 'x', new = false }.path) file.remove(ROOT .. "
    "'/busy')\n"
    "blob('n', 'bytes') log.info('x', { y = 1 })\n";

static int run_busy(lua_State *L) {
  open_modules(L);
  if (luaL_loadstring(L, busy) != LUA_OK) return lua_error(L);
  lua_call(L, 0, 0);
  return 0;
}

static void test_allocations(void **s) {
  (void)s;
  bool done = false;
  for (long at = 0; !done; at += at < 1000 ? 1 : 3) {
    stingy a = {-1, 0};
    lua_State *L = lua_newstate(sparing, &a);
    assert_non_null(L);
    *(void **)lua_getextraspace(L) = NULL;
    lua_pushcfunction(L, run_busy);
    a.left = at;
    int status = lua_pcall(L, 0, 0, 0);
    done = a.left >= 0; /* nothing failed any more */
    a.left = -1;
    if (done && status != LUA_OK) fail_msg("%s", luaL_tolstring(L, -1, NULL));
    lua_close(L); /* what leaked, the sanitizer tells at the end */
    assert_true(at < 100000);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_lua_files),     cmocka_unit_test(test_meta_files),
      cmocka_unit_test(test_arguments),     cmocka_unit_test(test_opaque),
      cmocka_unit_test(test_credentials),   cmocka_unit_test(test_what_is_journaled),
      cmocka_unit_test(test_without_a_run), cmocka_unit_test(test_blobs),
      cmocka_unit_test(test_file_write),    cmocka_unit_test(test_file_overwrite_in_doubt),
      cmocka_unit_test(test_file_remove),   cmocka_unit_test(test_log),
      cmocka_unit_test(test_allocations)};
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
