/* connector_request.c: arguments into a request.  The parts of a request are built as tables in the host
** state (so that a page's function can look at them, and a plan can show them), then written out: path and
** query percent-encoded, a body as JSON, a form or multipart.  Keys are taken in order, so that the same
** arguments make the same bytes.  Credentials are not here: the network layer adds them, after a plan has
** been shown. */
#include "modules/connector_parts.h"

#include "modules/blob.h"
#include "modules/modules.h"

#include <stdio.h>
#include <stdlib.h>

enum {
  PATH_MAX_BYTES = 32 << 10,
  BODY_MAX = 80 << 20,
  HEADERS_MAX = 32 << 10,
  WOULD_MAX = 1 << 20,
  SHOWN = 4096,
  MAX_PAIRS = 1024
};

typedef struct making {
  const lnC_operation *o;
  const lnC_ctx *ctx;
  ln_str args, next;
  lnC_request *r;
  const char *type;                                      /* of the body; NULL: none */
  char boundary[48];
} making;

void lnC_request_init(lnC_request *r) {
  memset(r, 0, sizeof *r);
  ln_buf_init(&r->path, PATH_MAX_BYTES);
  ln_buf_init(&r->body, BODY_MAX);
  ln_buf_init(&r->texts, HEADERS_MAX);
  ln_buf_init(&r->would, WOULD_MAX);
  r->ref = LUA_NOREF;
}

void lnC_request_free(ln_engine *g, lnC_request *r) {
  ln_buf_free(&r->path);
  ln_buf_wipe(&r->body);
  ln_buf_free(&r->texts);
  ln_buf_free(&r->would);
  luaL_unref(ln_host_state(g->host), LUA_REGISTRYINDEX, r->ref);
  r->ref = LUA_NOREF;
}

/* --- ctx --- */

/* The configuration's keys without its secrets, and the address. */
static void push_config(lua_State *L, const lnC_connector *c) {
  lnC_push(L, ln_buf_view(&c->settings));                /* keys */
  if (!lua_istable(L, -1)) {
    lua_pop(L, 1);
    lua_newtable(L);
  }
  for (size_t i = 0; i < c->config.n; i++)
    if (c->config.v[i].kind == LN_K_SECRET) {
      lua_pushnil(L);
      lua_setfield(L, -2, c->config.v[i].name);
    }
  if (c->site) {
    lua_pushlstring(L, c->site->url.p, c->site->url.n);
    lua_setfield(L, -2, "url");
  }
}

static void set_text(lua_State *L, const char *key, ln_str s) {
  if (!s.n) return;
  lua_pushlstring(L, s.p, s.n);
  lua_setfield(L, -2, key);
}

static void set_value(lua_State *L, const char *key, ln_str value) {
  if (!value.n) return;
  lnL_decode(L, value);
  lua_setfield(L, -2, key);
}

void lnC_push_ctx(lua_State *L, const lnC_operation *o, const lnC_ctx *ctx) {
  lua_createtable(L, 0, 8);                              /* ctx */
  set_text(L, "tag", ctx->tag);
  set_text(L, "before", ctx->before);
  set_value(L, "looked", ctx->looked);
  set_value(L, "first", ctx->first);
  int64_t now = ln_now_ms(o->c->engine->loop->clock);
  lua_pushinteger(L, now / 1000);
  lua_setfield(L, -2, "now");
  if (ctx->since_ms) { /* how long ago it was for the vendor, where time runs `pace` times as fast */
    lua_pushinteger(
        L,
        (now - (now - ctx->since_ms) * ln_config_pace(o->c->engine->config, ln_str_of(o->c->name))) / 1000);
    lua_setfield(L, -2, "since");
  }
  if (ctx->lease_ms) {
    lua_pushinteger(L, ctx->lease_ms / 1000);
    lua_setfield(L, -2, "lease");
  }
  push_config(L, o->c);
  lua_setfield(L, -2, "config");
}

/* --- pairs in order --- */

static int by_text(const void *a, const void *b) {
  return ln_str_cmp(*(const ln_str *)a, *(const ln_str *)b);
}

/* Pushes a block with the table's keys, all texts, sorted; *n of them.  They are borrowed from the table. */
static ln_str *push_keys(lua_State *L, int t, const char *what, size_t *n) {
  *n = 0;
  for (lua_pushnil(L); lua_next(L, t); lua_pop(L, 1)) ++*n;
  if (*n > MAX_PAIRS) luaL_error(L, "%s has too many members", what);
  ln_str *keys = lua_newuserdatauv(L, (*n + 1) * sizeof *keys, 0); /* keys */
  size_t i = 0;
  for (lua_pushnil(L); lua_next(L, t) && i < *n; lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) luaL_error(L, "%s must have names", what);
    keys[i].p = lua_tolstring(L, -2, &keys[i].n);
    i++;
  }
  qsort(keys, *n, sizeof *keys, by_text);
  return keys;
}

static void scalar(lua_State *L, const char *what) {
  int type = lua_type(L, -1);
  if (type != LUA_TSTRING && type != LUA_TUSERDATA && type != LUA_TBOOLEAN && type != LUA_TNUMBER)
    luaL_error(L, "%s cannot hold %s", what, luaL_typename(L, -1));
  luaL_tolstring(L, -1, NULL);
  lua_remove(L, -2);                                     /* text */
}

static void add_pair(lua_State *L, ln_buf *out, size_t start, ln_str key, const char *what) {
  ln_str value;
  scalar(L, what);
  value.p = lua_tolstring(L, -1, &value.n);
  if (out->n > start) ln_buf_addc(out, '&');
  ln_percent(out, key);
  ln_buf_addc(out, '=');
  ln_percent(out, value);
  lua_pop(L, 1);
}

/* Appends the table on top as name=value&…; a list is repeated. */
static void write_form(lua_State *L, ln_buf *out, const char *what) {
  size_t n, start = out->n;
  int t = lua_gettop(L);
  const ln_str *keys = push_keys(L, t, what, &n);        /* t keys */
  for (size_t i = 0; i < n; i++) {
    lua_pushlstring(L, keys[i].p, keys[i].n);
    lua_gettable(L, t);                                  /* t keys value */
    if (lua_istable(L, -1)) {
      lua_Integer m = luaL_len(L, -1);
      for (lua_Integer k = 1; k <= m; k++) {
        lua_geti(L, -1, k);
        add_pair(L, out, start, keys[i], what);
      }
      lua_pop(L, 1);
    } else {
      add_pair(L, out, start, keys[i], what);
    }
  }
  lua_settop(L, t);
}

/* --- parts: the stack holds the job, the arguments, ctx, the request's table and the overrides --- */

enum { ARGS = 2, CTX = 3, REQ = 4, NEXT = 5 };

/* Puts the members of the table at `from` into the table at `to`. */
static void lay_over(lua_State *L, int to, int from) {
  for (lua_pushnil(L); lua_next(L, from); lua_pop(L, 1)) { /* key value */
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_settable(L, to);
  }
}

/* Pushes the field `key` filled, with the members of `key` in the overrides laid over; nil when there is
** neither. What a declaration keeps is never written to. */
static bool push_part(lua_State *L, making *m, const char *key) {
  int top = lua_gettop(L);
  lnC_field(L, m->o, key);                               /* template */
  if (!lua_isnil(L, -1)) lnC_fill(L, top + 1, ARGS, CTX); /* template value */
  lua_replace(L, top + 1);                               /* value */
  lua_settop(L, top + 1);
  if (lua_istable(L, NEXT) && lua_getfield(L, NEXT, key) == LUA_TTABLE) { /* value over */
    lua_newtable(L);                                     /* value over both */
    if (lua_istable(L, top + 1)) lay_over(L, top + 3, top + 1);
    lay_over(L, top + 3, top + 2);
    lua_replace(L, top + 1);                             /* both over */
  }
  lua_settop(L, top + 1);
  lua_pushvalue(L, -1);
  lua_setfield(L, REQ, key);
  return !lua_isnil(L, -1);
}

static void make_method(lua_State *L, making *m) {
  static const char *const known[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", NULL};
  push_part(L, m, "method");
  const char *method = lua_tostring(L, -1);
  int i = 0;
  while (method && known[i] && strcmp(known[i], method) != 0) i++;
  if (!method || !known[i]) luaL_error(L, "method must be GET, HEAD, POST, PUT, PATCH or DELETE");
  snprintf(m->r->method, sizeof m->r->method, "%s", method);
  lua_pop(L, 1);
}

/* Of an address only path and query count: the host is the configured one, whatever an answer says. */
static ln_str path_of(lua_State *L, ln_str url) {
  ptrdiff_t at = ln_str_find(url, LN_STR("://"));
  if (at >= 0 && (url.n == 0 || url.p[0] != '/')) {
    ln_str rest = {url.p + at + 3, url.n - (size_t)at - 3};
    const char *slash = rest.n ? memchr(rest.p, '/', rest.n) : NULL;
    url = slash ? (ln_str){slash, (size_t)(rest.p + rest.n - slash)} : LN_STR("/");
  }
  const char *hash = url.n ? memchr(url.p, '#', url.n) : NULL;
  if (hash) url.n = (size_t)(hash - url.p);
  if (url.n == 0 || url.p[0] != '/') luaL_error(L, "the next page's address has no path");
  for (size_t i = 0; i < url.n; i++)
    if ((unsigned char)url.p[i] <= ' ' || url.p[i] == 0x7f)
      luaL_error(L, "the next page's address holds a blank");
  return url;
}

static int hex_digit(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

static void push_decoded(lua_State *L, ln_str s) {
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (size_t i = 0; i < s.n; i++) {
    int hi = i + 2 < s.n && s.p[i] == '%' ? hex_digit(s.p[i + 1]) : -1,
        lo = hi >= 0 ? hex_digit(s.p[i + 2]) : -1;
    if (lo >= 0) i += 2;
    luaL_addchar(&b, lo >= 0 ? (char)(hi * 16 + lo) : s.p[i] == '+' ? ' ' : s.p[i]);
  }
  luaL_pushresult(&b);
}

/* The next page is an address: its path and query, which page functions see decoded. */
static void take_url(lua_State *L, making *m, ln_str url) {
  ln_str path, query, pair, name, value;
  url = path_of(L, url);
  ln_buf_add(&m->r->path, url);
  ln_str_cut(url, '?', &path, &query);
  lua_pushlstring(L, path.p, path.n);
  lua_setfield(L, REQ, "path");
  lua_newtable(L);                                       /* query */
  while (query.n) {
    ln_str_cut(query, '&', &pair, &query);
    ln_str_cut(pair, '=', &name, &value);
    push_decoded(L, name);
    push_decoded(L, value);
    lua_rawset(L, -3);
  }
  lua_setfield(L, REQ, "query");
}

static void make_path(lua_State *L, making *m) {
  size_t n;
  if (lua_istable(L, NEXT) && lua_getfield(L, NEXT, "url") == LUA_TSTRING) { /* url */
    const char *p = lua_tolstring(L, -1, &n);
    take_url(L, m, (ln_str){p, n});
    lua_settop(L, NEXT);
    return;
  }
  lua_settop(L, NEXT);
  lnC_field(L, m->o, "path");                            /* template */
  lnC_fill_path(L, -1, ARGS, CTX);                       /* template path */
  const char *p = lua_tolstring(L, -1, &n);
  if (n == 0 || p[0] != '/') luaL_error(L, "path must begin with \"/\"");
  ln_buf_add(&m->r->path, (ln_str){p, n});
  lua_setfield(L, REQ, "path");
  if (push_part(L, m, "query")) {                        /* template query */
    if (!lua_istable(L, -1)) luaL_error(L, "query must be a table");
    size_t mark = m->r->path.n;
    ln_buf_addc(&m->r->path, mark && memchr(m->r->path.p, '?', mark) ? '&' : '?');
    write_form(L, &m->r->path, "query");
    if (m->r->path.n == mark + 1) ln_buf_cut(&m->r->path, mark); /* no members                              */
  }
  lua_settop(L, NEXT);
}

/* --- bodies --- */

static void make_json(lua_State *L, making *m) {
  ln_err err;
  ln_buf *value = lnL_new_buf(L, BODY_MAX);              /* value owner */
  if (!lnL_encode(L, -2, value, &err) || !ln_json_encode(ln_buf_view(value), &m->r->body, &err))
    luaL_error(L, "json: %s", err.message);
  lua_pop(L, 1);
  m->type = "application/json";
}

static void make_form(lua_State *L, making *m) {
  if (!lua_istable(L, -1)) luaL_error(L, "form must be a table");
  write_form(L, &m->r->body, "form");
  m->type = "application/x-www-form-urlencoded";
}

/* The blob at the top, encoded, with its bytes appended to the body. */
static void add_blob(lua_State *L, making *m) {
  ln_err err;
  ln_blob b;
  ln_buf *handle = lnL_new_buf(L, 64 << 10);             /* blob owner */
  if (!lnL_encode(L, -2, handle, &err) || !lnL_blob_read(ln_buf_view(handle), &b))
    luaL_error(L, "what is sent as a blob is none");
  if (m->r->wants_would) ln_buf_addf(&m->r->body, "(%lld bytes)", (long long)b.bytes);
  else if (!lnL_blob_get(m->o->c->engine, b.sha256, &m->r->body, &err)) {
    lnL_push_error(L, &err, (ln_str){NULL, 0});
    lua_error(L);
  }
  lua_pop(L, 1);                                         /* blob */
}

/* A name within a quoted part of a header (HTML's multipart/form-data). */
static void add_quoted(ln_buf *out, ln_str s) {
  for (size_t i = 0; i < s.n; i++)
    if (s.p[i] == '"') ln_buf_addz(out, "%22");
    else if (s.p[i] == '\r') ln_buf_addz(out, "%0D");
    else if (s.p[i] == '\n') ln_buf_addz(out, "%0A");
    else ln_buf_addc(out, s.p[i]);
}

static ln_str member(lua_State *L, int part, const char *key) {
  size_t n = 0;
  if (lua_getfield(L, part, key) == LUA_TNIL) return (ln_str){NULL, 0}; /* pushed: it keeps the text alive */
  scalar(L, key);
  const char *p = lua_tolstring(L, -1, &n);
  return (ln_str){p, n};
}

static void add_part(lua_State *L, making *m) {
  int part = lua_gettop(L);
  ln_buf *b = &m->r->body;
  if (!lua_istable(L, part)) luaL_error(L, "multipart must be a list of parts");
  ln_str name = member(L, part, "name"), file = member(L, part, "filename"), type = member(L, part, "type");
  if (!name.n) luaL_error(L, "a part of multipart has no name");
  ln_buf_addf(b, "--%s\r\nContent-Disposition: form-data; name=\"", m->boundary);
  add_quoted(b, name);
  if (file.n) {
    ln_buf_addz(b, "\"; filename=\"");
    add_quoted(b, file);
  }
  ln_buf_addz(b, "\"\r\n");
  for (size_t i = 0; i < type.n; i++)
    if ((unsigned char)type.p[i] < ' ') luaL_error(L, "a part's type holds a control character");
  if (type.n) ln_buf_addf(b, "Content-Type: " LN_STR_FMT "\r\n", LN_STR_ARG(type));
  ln_buf_addz(b, "\r\n");
  if (lua_getfield(L, part, "blob") != LUA_TNIL) add_blob(L, m);
  else ln_buf_add(b, member(L, part, "value"));
  ln_buf_addz(b, "\r\n");
  lua_settop(L, part);
}

static void make_multipart(lua_State *L, making *m) {
  uint8_t raw[16];
  char hex[2 * sizeof raw + 1], type[96];
  ln_err err;
  ln_rand *rand = m->o->c->engine->rand;
  if (!lua_istable(L, -1)) luaL_error(L, "multipart must be a list of parts");
  if (!rand->bytes(rand, raw, sizeof raw, &err)) luaL_error(L, "%s", err.message);
  ln_hex(raw, sizeof raw, hex);
  snprintf(m->boundary, sizeof m->boundary, "lunette%s", hex);
  lua_Integer n = luaL_len(L, -1);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_geti(L, -1, i);
    add_part(L, m);
    lua_pop(L, 1);
  }
  ln_buf_addf(&m->r->body, "--%s--\r\n", m->boundary);
  snprintf(type, sizeof type, "multipart/form-data; boundary=%s", m->boundary);
  m->type = lua_pushstring(L, type);                     /* kept until the headers are written */
}

static void make_raw(lua_State *L, making *m) {
  size_t n;
  if (lua_type(L, -1) == LUA_TSTRING) {
    const char *p = lua_tolstring(L, -1, &n);
    ln_buf_add(&m->r->body, (ln_str){p, n});
  } else {
    lua_pushvalue(L, -1);
    add_blob(L, m);
  }
  m->type = "application/octet-stream";
}

static void make_body(lua_State *L, making *m) {
  static const struct { const char *key; void (*make)(lua_State *L, making *m); } kinds[] = {
      {"json", make_json}, {"form", make_form}, {"multipart", make_multipart}, {"raw", make_raw}};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (push_part(L, m, kinds[i].key)) {
      kinds[i].make(L, m);
      return;                                            /* what lies on the stack keeps m->type alive */
    }
}

/* --- headers --- */

static void add_header(lua_State *L, lnC_request *r, ln_str name, ln_str value) {
  for (size_t i = 0; i < value.n; i++)
    if ((unsigned char)value.p[i] < ' ' || value.p[i] == 0x7f)
      luaL_error(L, "the header %s holds a control character", lua_pushlstring(L, name.p, name.n));
  for (size_t i = 0; i < name.n; i++)
    if ((unsigned char)name.p[i] <= ' ' || strchr(":\x7f\"(),/<=>?@[]{}", name.p[i]))
      luaL_error(L, "'%s' is no name for a header", lua_pushlstring(L, name.p, name.n));
  if (r->n_headers >= sizeof r->headers / sizeof *r->headers) luaL_error(L, "there are too many headers");
  size_t *at = r->at[r->n_headers++];
  at[0] = r->texts.n;
  at[1] = name.n;
  ln_buf_add(&r->texts, name);
  at[2] = r->texts.n;
  at[3] = value.n;
  ln_buf_add(&r->texts, value);
}

/* The connector's own headers, then the operation's over them, in order of their names. */
static void make_headers(lua_State *L, making *m) {
  size_t n;
  int top = lua_gettop(L);
  bool typed = false;
  lua_newtable(L);                                       /* headers */
  lua_rawgeti(L, LUA_REGISTRYINDEX, m->o->c->self);
  lua_getfield(L, -1, "headers");                        /* headers self common */
  if (!lua_isnil(L, -1)) lnC_fill(L, -1, ARGS, CTX);
  if (lua_istable(L, -1)) lay_over(L, top + 1, lua_gettop(L));
  lua_settop(L, top + 1);
  if (push_part(L, m, "headers") && lua_istable(L, -1)) lay_over(L, top + 1, top + 2);
  lua_settop(L, top + 1);
  const ln_str *keys = push_keys(L, top + 1, "headers", &n); /* headers keys */
  for (size_t i = 0; i < n; i++) {
    lua_pushlstring(L, keys[i].p, keys[i].n);
    lua_gettable(L, top + 1);
    scalar(L, "headers");
    ln_str value;
    value.p = lua_tolstring(L, -1, &value.n);
    if (ln_str_ieq(keys[i], LN_STR("content-type"))) typed = true;
    add_header(L, m->r, keys[i], value);
    lua_pop(L, 1);
  }
  if (m->type && !typed) add_header(L, m->r, LN_STR("Content-Type"), ln_str_of(m->type));
  lua_settop(L, top + 1);
  lua_setfield(L, REQ, "headers");
}

/* --- what a plan shows --- */

/* Replaces members of these names, at any depth, by stars; the table on top is a copy already. */
static void push_masked(lua_State *L, int t, const ln_list *secrets, int depth) {
  luaL_checkstack(L, 8, NULL);
  lua_newtable(L);                                       /* copy */
  if (depth > 32) return;
  for (lua_pushnil(L); lua_next(L, t); lua_pop(L, 1)) {  /* copy key value */
    bool secret = false;
    for (size_t i = 0; i < secrets->n && lua_type(L, -2) == LUA_TSTRING; i++)
      secret = secret || strcmp(lua_tostring(L, -2), secrets->v[i].p) == 0;
    lua_pushvalue(L, -2);                                /* copy key value key */
    if (secret) lua_pushliteral(L, "***");
    else if (lua_istable(L, -2)) push_masked(L, lua_gettop(L) - 1, secrets, depth + 1);
    else lua_pushvalue(L, -2);
    lua_rawset(L, -5);                                   /* copy key value */
  }
  if (lnL_is_array(L, t)) lnL_mark_array(L, -1);
}

static void show_body(lua_State *L, making *m) {
  static const char *const keys[] = {"json", "form", "multipart", "raw", NULL};
  for (int i = 0; keys[i]; i++) {
    int type = lua_getfield(L, REQ, keys[i]);            /* body */
    if (type == LUA_TTABLE) push_masked(L, lua_gettop(L), &m->o->secrets, 0);
    if (type == LUA_TSTRING && lua_rawlen(L, -1) > SHOWN) {
      lua_pushlstring(L, lua_tostring(L, -1), SHOWN);
      lua_pushliteral(L, "…");
      lua_concat(L, 2);
    }
    if (type != LUA_TNIL) return;
    lua_pop(L, 1);
  }
  lua_pushnil(L);
}

static void make_would(lua_State *L, making *m) {
  lua_newtable(L);                                       /* would */
  int would = lua_gettop(L);
  show_body(L, m);
  lua_setfield(L, would, "body");
  lua_settop(L, would);
  lua_getfield(L, REQ, "headers");
  lua_setfield(L, would, "headers");
  lua_pushstring(L, m->r->method);
  lua_setfield(L, would, "method");
  ln_str base = m->o->c->site ? m->o->c->site->url : LN_STR("");
  while (base.n && base.p[base.n - 1] == '/') base.n--;
  lua_pushlstring(L, base.p, base.n);
  lua_pushlstring(L, m->r->path.p, m->r->path.n);
  lua_concat(L, 2);
  lua_setfield(L, would, "url");
  lnC_encode(L, would, &m->r->would, "the plan");
  lua_settop(L, would - 1);
}

/* --- all of it --- */

static int l_make(lua_State *L) {
  making *m = lua_touserdata(L, 1);
  lnC_request *r = m->r;
  lnC_push(L, m->args);                                  /* job args */
  if (!lua_istable(L, -1)) {
    lua_pop(L, 1);
    lua_newtable(L);
  }
  lnC_push_ctx(L, m->o, m->ctx);                         /* job args ctx */
  lua_newtable(L);                                       /* job args ctx request */
  lnC_push(L, m->next);                                  /* job args ctx request next */
  make_method(L, m);
  make_path(L, m);
  make_body(L, m);
  make_headers(L, m);
  lua_pushstring(L, r->method);
  lua_setfield(L, REQ, "method");
  if (r->wants_would) make_would(L, m);
  lua_settop(L, REQ);
  luaL_unref(L, LUA_REGISTRYINDEX, r->ref);
  r->ref = LUA_NOREF;
  r->ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

bool lnC_request_make(const lnC_operation *o, ln_str args, const lnC_ctx *ctx, ln_str next, lnC_request *r,
                      ln_err *err) {
  making m = {.o = o, .ctx = ctx, .args = args, .next = next, .r = r};
  ln_buf_cut(&r->path, 0);
  ln_buf_cut(&r->body, 0);
  ln_buf_cut(&r->texts, 0);
  ln_buf_cut(&r->would, 0);
  r->n_headers = 0;
  if (!lnC_run(o->c->engine, l_make, &m, o->full, err, NULL)) return false;
  if (!ln_buf_ok(&r->path, err) || !ln_buf_ok(&r->body, err) || !ln_buf_ok(&r->texts, err) ||
      !ln_buf_ok(&r->would, err))
    return ln_err_prefix(err, "%s: the request", o->full);
  for (size_t i = 0; i < r->n_headers; i++) {
    const char *p = r->texts.p;
    r->headers[i] = (ln_header){{p + r->at[i][0], r->at[i][1]}, {p + r->at[i][2], r->at[i][3]}};
  }
  return true;
}
