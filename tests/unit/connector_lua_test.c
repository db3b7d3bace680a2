/* connector_lua_test.c: runs the Lua tests of the connectors (tests/lua/connectors) with the core's own
** connector engine in the place of their harness: the same tests hold for the rules as written and for the
** rules as built. The test's Lua state is the host state itself, so that a test may change what a
** declaration says. */
#include "tests/unit/fake_engine.h"

#include "base/log.h"
#include "modules/blob.h"
#include "modules/connector_parts.h"

#include <lualib.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#define CLIENT "lunette.test.client"

typedef struct client {
  fake *f;
  int self;                                              /* the Lua table of the client */
  lua_State *L;
} client;

/* --- the wire: a request goes to the client's `exchange`, the reply comes back --- */

typedef struct carried { ln_buf texts; char *whole; ln_header headers[64]; } carried;

static void free_carried(ln_sim_reply *r) {
  carried *c = (carried *)((char *)(uintptr_t)r->answer.headers - offsetof(carried, headers));
  ln_buf_free(&c->texts);
  free(c->whole);
  free(c);
}

static void push_raw(lua_State *L, const ln_request *r) {
  ln_str target = r->url;
  ptrdiff_t at = ln_str_find(target, LN_STR("://"));
  const char *slash = memchr(target.p + at + 3, '/', target.n - (size_t)at - 3);
  lua_newtable(L);
  lua_pushlstring(L, r->method.p, r->method.n);
  lua_setfield(L, -2, "method");
  lua_pushlstring(L, slash, (size_t)(target.p + target.n - slash));
  lua_setfield(L, -2, "target");
  lua_pushlstring(L, target.p, (size_t)(slash - target.p));
  lua_setfield(L, -2, "base");
  lua_pushlstring(L, r->body.n ? r->body.p : "", r->body.n);
  lua_setfield(L, -2, "body");
  lua_newtable(L);
  for (size_t i = 0; i < r->n_headers; i++) {
    lua_newtable(L);
    lua_pushlstring(L, r->headers[i].name.p, r->headers[i].name.n);
    lua_rawseti(L, -2, 1);
    lua_pushlstring(L, r->headers[i].value.n ? r->headers[i].value.p : "", r->headers[i].value.n);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  if (!ln_str_eq(r->method, LN_STR("GET")) &&
      !ln_str_eq(r->method, LN_STR("DELETE"))) { /* as the transport does */
    lua_newtable(L);
    lua_pushliteral(L, "Content-Length");
    lua_rawseti(L, -2, 1);
    lua_pushfstring(L, "%d", (int)r->body.n);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, (lua_Integer)r->n_headers + 1);
  }
  lua_setfield(L, -2, "headers");
}

static ln_str keep_text(lua_State *L, int idx, carried *c) {
  size_t n = 0;
  const char *p = lua_tolstring(L, idx, &n);
  ln_str at = {(const char *)(uintptr_t)c->texts.n, n};
  ln_buf_add(&c->texts, (ln_str){p, n});
  return at;
}

static ln_str settled(const carried *c, ln_str s) { return (ln_str){c->texts.p + (uintptr_t)s.p, s.n}; }

static double num(lua_State *L, int t, const char *key, double otherwise) {
  double v = lua_getfield(L, t, key) == LUA_TNUMBER ? lua_tonumber(L, -1) : otherwise;
  lua_pop(L, 1);
  return v;
}

static void take_reply(lua_State *L, int t, const ln_request *r, carried *c, ln_sim_reply *out) {
  ln_answer *a = &out->answer;
  *a = (ln_answer){.sent = LN_ANSWERED, .status = (int)num(L, t, "status", 0), .headers = c->headers};
  out->after_ms = (int64_t)(num(L, t, "delay", 0) * 1000);
  out->free = free_carried;
  lua_getfield(L, t, "headers");
  for (lua_Integer i = 1; lua_istable(L, -1) && i <= luaL_len(L, -1) && i < 64; i++) {
    lua_geti(L, -1, i);
    lua_geti(L, -1, 1);
    lua_geti(L, -2, 2);
    c->headers[a->n_headers++] = (ln_header){keep_text(L, -2, c), keep_text(L, -1, c)};
    lua_pop(L, 3);
  }
  lua_getfield(L, t, "body");
  ln_str body = keep_text(L, -1, c);
  ln_buf_addc(&c->texts, 0);
  for (size_t i = 0; i < a->n_headers; i++)
    c->headers[i] = (ln_header){settled(c, c->headers[i].name), settled(c, c->headers[i].value)};
  a->body = settled(c, body);
  bool cut = lua_getfield(L, t, "cut") == LUA_TSTRING, half = lua_getfield(L, t, "truncate") == LUA_TNUMBER;
  if (cut || half || num(L, t, "times", 1) * (double)a->body.n > (double)r->max_response) {
    a->sent = LN_PERHAPS_SENT;
    a->body = (ln_str){NULL, 0};
    ln_fail(&a->err, cut || half ? "unavailable" : "too_big", cut || half ? LN_AGAIN : LN_FINAL,
            "the connection was cut");
  }
}

static bool exchange(void *arg, const ln_request *r, ln_sim_reply *out) {
  client *k = arg;
  lua_State *L = k->L;
  int top = lua_gettop(L);
  luaL_checkstack(L, 40, NULL);
  lua_rawgeti(L, LUA_REGISTRYINDEX, k->self);
  lua_getfield(L, -1, "exchange");
  lua_pushvalue(L, -2);
  push_raw(L, r);
  if (lua_pcall(L, 2, 1, 0) != LUA_OK) fail_msg("the simulator raised: %s", luaL_tolstring(L, -1, NULL));
  carried *c = calloc(1, sizeof *c);
  assert_non_null(c);
  ln_buf_init(&c->texts, 256 << 20);
  take_reply(L, lua_gettop(L), r, c, out);
  lua_settop(L, top);
  return true;
}

/* --- a client --- */

static int client_gc(lua_State *L) {
  client *k = luaL_checkudata(L, 1, CLIENT);
  if (!k->f) return 0;
  ln_connectors_close(&k->f->engine);
  k->f->engine.transport->free(k->f->engine.transport);
  fake_store_free(&k->f->engine);
  k->f->engine.loop->free(k->f->engine.loop);
  ln_buf_free(&k->f->keys[0]);
  free(k->f);
  k->f = NULL;
  return 0;
}

static ln_host *shared_host;

/* core.client(table, name, config, now, base) -> client */
static int l_client(lua_State *L) {
  ln_err err = {0};
  client *k = lua_newuserdatauv(L, sizeof *k, 0);
  *k = (client){.L = L, .self = LUA_NOREF};
  if (luaL_newmetatable(L, CLIENT)) {
    lua_pushcfunction(L, client_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  fake *f = k->f = calloc(1, sizeof *f);
  static const ln_str folder = {"stdlib", 6};
  f->stdlib = folder;
  f->config.stdlib = (ln_list){&f->stdlib, 1};
  f->config.response = 16 << 20;
  f->config.connectors = f->connectors;
  f->config.n_connectors = 1;
  ln_rand_seed(&f->rand, 11);
  f->engine.loop = ln_loop_sim(3, (int64_t)(luaL_checknumber(L, 4) * 1000), &err);
  f->engine.rand = &f->rand;
  fake_store(&f->engine);
  f->engine.host = shared_host;
  f->engine.config = &f->config;
  f->engine.modules = lnL_modules;
  f->engine.transport = ln_transport_sim(f->engine.loop, exchange, k, &err);
  ln_buf_init(&f->keys[0], 1 << 16);
  if (!lnL_encode(L, 3, &f->keys[0], &err) || !ln_connectors_open(&f->engine, &err))
    return luaL_error(L, "%s", err.message);
  lua_pushvalue(L, 2);                                   /* the name, kept by the registry */
  luaL_ref(L, LUA_REGISTRYINDEX);
  f->connectors[0] = (ln_connector_config){.name = ln_str_of(lua_tostring(L, 2)),
                                           .url = ln_str_of(luaL_checkstring(L, 5)),
                                           .writes = LN_WRITES_ALLOW,
                                           .loopback = true,
                                           .pace = 1,
                                           .keys = ln_buf_view(&f->keys[0])};
  lua_pushvalue(L, 5);
  luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushvalue(L, 1);
  k->self = luaL_ref(L, LUA_REGISTRYINDEX);
  return 1;
}

static client *to_client(lua_State *L) {
  client *k = luaL_checkudata(L, 1, CLIENT);
  fake_vm_of = k->f;
  k->L = L;
  return k;
}

/* core.open(client) -> the connector's functions */
static int l_open(lua_State *L) {
  client *k = to_client(L);
  lua_pushnil(L);
  lua_setfield(L, LUA_REGISTRYINDEX, lua_pushfstring(L, "lunette.connector.%s", k->f->connectors[0].name.p));
  return lnL_connector_open(L, k->f->connectors[0].name);
}

/* core.declaration(client) */
static int l_declaration(lua_State *L) {
  client *k = to_client(L);
  ln_err err = {0};
  lnC_connector *c = lnC_loaded(&k->f->engine, k->f->connectors[0].name, &err);
  if (!c) return luaL_error(L, "%s", err.message);
  lua_rawgeti(L, LUA_REGISTRYINDEX, c->self);
  return 1;
}

static int l_now(lua_State *L) {
  client *k = to_client(L);
  lua_pushnumber(L, (double)ln_now_ms(k->f->engine.loop->clock) / 1000);
  return 1;
}

static int l_nap(lua_State *L) {
  client *k = to_client(L);
  nap(k->f, (int64_t)(luaL_checknumber(L, 2) * 1000));
  return 0;
}

/* core.use(client, planning, tag): what follows belongs to it */
static int l_use(lua_State *L) {
  to_client(L);
  fake_planning = lua_toboolean(L, 2);
  snprintf(fake_tag, sizeof fake_tag, "%s", luaL_optstring(L, 3, "none"));
  return 0;
}

static int l_doubts(lua_State *L) {
  lua_pushinteger(L, fake_doubts);
  fake_doubts = 0;
  return 1;
}

typedef struct blob_job { ln_engine *g; ln_str name, bytes; ln_buf *out; ln_err err; } blob_job;

static bool put_blob(ln_tx *tx, void *arg, ln_err *err) {
  blob_job *j = arg;
  return lnL_blob_put(j->g, tx, j->name, j->bytes, j->out, err);
}

static void blob_put(void *arg, const ln_err *err) {
  blob_job *j = arg;
  if (err) j->err = *err;
}

/* core.blob(name, bytes) -> handle, kept in the store of the client that is in use */
static int l_blob_of(lua_State *L) {
  size_t n;
  const char *bytes = luaL_checklstring(L, 2, &n);
  blob_job j = {.g = &fake_vm_of->engine, .name = ln_str_of(luaL_checkstring(L, 1)), .bytes = {bytes, n}};
  j.out = lnL_new_buf(L, 1 << 16);
  if (!ln_writer_submit(j.g->store, j.g->loop, put_blob, blob_put, &j)) return luaL_error(L, "no memory");
  j.g->loop->run(j.g->loop);
  if (j.err.code[0]) return luaL_error(L, "%s", j.err.message);
  lnL_decode(L, ln_buf_view(j.out));
  return 1;
}

/* core.key() -> a private key in PEM */
static int l_key(lua_State *L) {
  EVP_PKEY *key = EVP_RSA_gen(2048);
  BIO *b = BIO_new(BIO_s_mem());
  char *p;
  assert_int_equal(PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL), 1);
  long n = BIO_get_mem_data(b, &p);
  lua_pushlstring(L, p, (size_t)n);
  BIO_free(b);
  EVP_PKEY_free(key);
  return 1;
}

static void set(lua_State *L, const char *key, ln_str value, bool encoded) {
  if (encoded && value.n) lnL_decode(L, value);
  else if (encoded) lua_pushnil(L);
  else lua_pushlstring(L, value.n ? value.p : "", value.n);
  lua_setfield(L, -2, key);
}

/* What the tests look at after a write. */
static void wrote(lua_State *L, ln_effect *e) {
  static const char *const moves[] = {"note", "confine", "free"};
  ln_err err;
  ln_buf undo;
  ln_buf_init(&undo, 1 << 20);
  if (lua_getglobal(L, "the_client") == LUA_TTABLE) {
    set(L, "entity", e->w.entity, false);
    set(L, "facet", e->w.facet, false);
    set(L, "effect", ln_str_of(moves[e->op->move]), false);
    set(L, "resolved", ln_buf_view(&e->names), true);
    bool same = e->w.to.n && ln_str_eq(e->w.to, ln_buf_view(&e->before)); /* nothing was done */
    bool can = e->good && e->undo.n &&
               ln_connectors_undo(e->engine, ln_buf_view(&e->undo), ln_buf_view(&e->value), &undo, &err);
    if (!same) set(L, "undo", can ? ln_buf_view(&undo) : (ln_str){NULL, 0}, true);
    set(L, "would", e->w.would, true);
  }
  lua_pop(L, 1);
  ln_buf_free(&undo);
}

static const luaL_Reg core[] = {{"client", l_client}, {"open", l_open},    {"declaration", l_declaration},
                                {"now", l_now},       {"nap", l_nap},      {"use", l_use},
                                {"doubts", l_doubts}, {"blob", l_blob_of}, {"key", l_key},
                                {NULL, NULL}};

int main(int argc, char **argv) {
  ln_err err = {0};
  ln_log_level(LN_ERROR);
  if (!(shared_host = ln_host_new(&err))) return 1;
  lua_State *L = ln_host_state(shared_host);
  fake_wrote = wrote;
  luaL_openlibs(L);
  luaL_newlib(L, core);
  lua_setglobal(L, "core");
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  for (const ln_module *m = lnL_modules; m->name; m++) {
    lua_pushcfunction(L, m->open);
    lua_setfield(L, -2, m->name);
  }
  static const char *const all[] = {"crowdstrike", "okta", "qualys", "visionone"};
  lua_Integer failed = 0;
  for (int i = 0; i < 4; i++) {
    if (argc > 1 && strcmp(argv[1], all[i])) continue;
    lua_pushfstring(L, "tests/lua/connectors/%s_test.lua", all[i]);
    lua_setglobal(L, "the_test");
    lua_pushstring(L, argc > 2 ? argv[2] : NULL);
    lua_setglobal(L, "the_only");
    if (luaL_dofile(L, "tests/lua/engine_harness.lua")) {
      fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
      failed++;
    } else {
      failed += lua_tointeger(L, -1);
    }
    lua_settop(L, 0);
  }
  fake_vm_of = NULL;
  ln_host_free(shared_host);
  return failed != 0;
}
