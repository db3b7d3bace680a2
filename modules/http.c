/* http.c: raw HTTP for playbooks, to addresses that the configuration lists.  GET and HEAD are reads;
** everything else is a write, sent once its intent is on disk, that is not idempotent unless its author
** says so; a class can be raised and never lowered.  An answer is data, whatever its status: the playbook
** looks at it.  Only one that cannot tell whether it was done (a gateway's 502 or 504, a 500, where there
** is a probe to ask) is doubt. */
#include "modules/http_parts.h"

#include "engine/traces.h"
#include "modules/connector_parts.h"
#include "modules/keep.h"
#include "modules/modules.h"

#include <stdio.h>
#include <stdlib.h>

enum { VALUE_MAX = 64 << 20, ARGS_MAX = 80 << 20, HEADERS_SHOWN = 200 };

typedef struct work {
  ln_effect *e;
  ln_calling *calling;
  ln_keeping *keeping;
  bool probing;
  ln_buf head;                                           /* a blob's answer: status and headers, encoded */
  int status;
} work;

/* --- an answer as a value --- */

typedef struct shown { const char *name; ln_str value; size_t turn; } shown;

static int by_name(const void *a, const void *b) {
  const shown *x = a, *y = b;
  int order = strcmp(x->name, y->name);
  return order ? order : x->turn < y->turn ? -1 : 1;
}

/* Copies s in lower case, NUL-ended, to *at, which moves behind it. */
static const char *lower(ln_str s, char **at) {
  char *z = *at;
  for (size_t i = 0; i < s.n; i++) z[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] + 32) : s.p[i];
  z[s.n] = '\0';
  *at = z + s.n + 1;
  return z;
}

/* The headers to be shown, with their names: one block.  NULL: no memory. */
static shown *shown_of(const ln_answer *a, size_t n) {
  size_t text = 0;
  for (size_t i = 0; i < n; i++) text += a->headers[i].name.n + 1;
  shown *v = malloc(n * sizeof *v + text + 1);
  char *at = (char *)(v + n);
  for (size_t i = 0; v && i < n; i++) v[i] = (shown){lower(a->headers[i].name, &at), a->headers[i].value, i};
  return v;
}

/* { name = text, or a list when it is repeated }, in order. */
static bool put_headers(const ln_answer *a, ln_buf *out) {
  size_t n = a->n_headers < HEADERS_SHOWN ? a->n_headers : HEADERS_SHOWN, names = 0;
  shown *v = shown_of(a, n);
  bool ok = v != NULL;
  if (ok) qsort(v, n, sizeof *v, by_name);
  for (size_t i = 0; ok && i < n; i++) names += i == 0 || strcmp(v[i].name, v[i - 1].name) != 0;
  size_t mark = ln_v_begin(out, 'O', names);
  for (size_t i = 0, k; ok && i < n; i = k) {
    for (k = i + 1; k < n && strcmp(v[i].name, v[k].name) == 0; k++) continue;
    ln_v_key(out, ln_str_of(v[i].name));
    size_t list = k - i > 1 ? ln_v_begin(out, 'A', k - i) : 0;
    for (size_t m = i; m < k; m++) ln_v_str(out, v[m].value);
    if (k - i > 1) ln_v_end(out, list);
  }
  ln_v_end(out, mark);
  free(v);
  return ok;
}

/* { body | blob, headers, status }: body or handle is a text or an encoded handle. */
static bool put_value(ln_str headers, int status, const ln_str *body, ln_str handle, ln_buf *out,
                      ln_err *err) {
  size_t mark = ln_v_begin(out, 'O', 3);
  ln_v_key(out, body ? LN_STR("body") : LN_STR("blob"));
  if (body) ln_v_str(out, *body);
  else ln_v_raw(out, handle);
  ln_v_key(out, LN_STR("headers"));
  ln_v_raw(out, headers);
  ln_v_key(out, LN_STR("status"));
  ln_v_int(out, status);
  ln_v_end(out, mark);
  return ln_buf_ok(out, err);
}

/* --- the end of an effect --- */

static void answer(work *w, ln_outcome o, ln_str value, const ln_err *err) {
  if (w->probing) ln_write_probed(w->e, o, value, err);
  else if (ln_effect_op(w->e)->cls == LN_WRITE) ln_write_sent(w->e, o, value, err);
  else if (o == LN_DID) ln_effect_done(w->e, value);
  else ln_effect_fail(w->e, err);
}

static void blob_kept(void *arg, ln_str handle, const ln_err *err) {
  work *w = arg;
  ln_buf value;
  ln_err why = err ? *err : (ln_err){0};
  w->keeping = NULL;
  ln_buf_init(&value, VALUE_MAX);
  bool ok = !err && put_value(ln_buf_view(&w->head), w->status, NULL, handle, &value, &why);
  answer(w, ok ? LN_DID : LN_UNKNOWN, ln_buf_view(&value), ok ? NULL : &why);
  ln_buf_free(&value);
}

static void deliver(work *w, const ln_answer *a) {
  ln_err err = {0};
  ln_buf value;
  ln_str into = ln_v_get_str(ln_effect_args(w->e), "into");
  ln_buf_init(&value, VALUE_MAX);
  ln_buf_room(&value, a->body.n + 500);                  /* the headers, too, mostly */
  ln_buf_cut(&w->head, 0);
  bool ok = put_headers(a, &w->head) || ln_fail(&err, "memory", LN_AGAIN, "no memory for an answer");
  if (ok && ln_str_eq(into, LN_STR("blob")) && !w->probing) {
    w->status = a->status;
    w->keeping = ln_keep_blob(ln_effect_engine(w->e), LN_STR("download"), a->body, blob_kept, w, &err);
    ok = w->keeping != NULL;
  } else if (ok) {
    ok = put_value(ln_buf_view(&w->head), a->status, &a->body, (ln_str){NULL, 0}, &value, &err);
    if (ok) answer(w, LN_DID, ln_buf_view(&value), NULL);
  }
  if (!ok) answer(w, LN_UNKNOWN, (ln_str){NULL, 0}, &err);
  ln_buf_free(&value);
}

/* A status that does not tell whether the write was done. */
static bool tells_nothing(int status) { return status == 500 || status == 502 || status == 504; }

static void on_end(void *arg, const ln_call_end *end) {
  work *w = arg;
  const ln_op *op = ln_effect_op(w->e);
  bool answered = end->answer && end->answer->sent == LN_ANSWERED;
  w->calling = NULL;
  if (answered && op->cls == LN_WRITE && op->write->probe && tells_nothing(end->answer->status)) {
    answer(w, LN_UNKNOWN, (ln_str){NULL, 0}, &end->err);
  } else if (answered) {
    deliver(w, end->answer);
  } else {
    answer(w, end->acted == LN_ACTED_NOT ? LN_DID_NOT : LN_UNKNOWN, (ln_str){NULL, 0}, &end->err);
  }
}

/* 2xx: it happened (the answer is the probe's); 404 or 410: it did not; anything else tells nothing. */
static void on_probe_end(void *arg, const ln_call_end *end) {
  work *w = arg;
  ln_err err = end->err;
  int status = end->answer && end->answer->sent == LN_ANSWERED ? end->answer->status : 0;
  w->calling = NULL;
  if (status >= 200 && status < 300) {
    deliver(w, end->answer);
  } else if (status == 404 || status == 410) {
    ln_fail(&err, "failed", LN_FINAL, "the probe finds no trace of it (status %d)", status);
    answer(w, LN_DID_NOT, (ln_str){NULL, 0}, &err);
  } else {
    if (!err.code[0]) ln_fail(&err, "failed", LN_FINAL, "the probe answered with status %d", status);
    answer(w, LN_UNKNOWN, (ln_str){NULL, 0}, &err);
  }
}

/* --- sending --- */

static void decode(void *arg, const ln_answer *a, ln_verdict *v, ln_limit_told *told) {
  (void)arg;
  (void)told;
  bool later = a->status == 429 || a->status == 503;
  v->good = !later && !tells_nothing(a->status);
  v->not_executed = later;
  if (v->good) return;
  ln_fail(&v->err, later ? "rate_limited" : "unavailable", LN_AGAIN, "status %d", a->status);
  v->err.status = a->status;
}

static void free_work(void *arg) {
  work *w = arg;
  if (w->calling) ln_vendor_drop(w->calling);
  if (w->keeping) ln_keep_forget(w->keeping);
  ln_buf_free(&w->head);
  free(w);
}

static void drop(ln_effect *e) {
  work *w = ln_effect_work(e);
  if (w && w->calling) ln_vendor_drop(w->calling);
  if (w && w->keeping) ln_keep_forget(w->keeping);
  if (w) w->calling = NULL, w->keeping = NULL;
}

static work *work_of(ln_effect *e) {
  work *w = ln_effect_work(e);
  if (w || !(w = calloc(1, sizeof *w))) return w;
  w->e = e;
  ln_buf_init(&w->head, 1 << 20);
  ln_effect_set_work(e, w, free_work);
  ln_effect_on_drop(e, drop);
  return w;
}

/* turn: as ln_call's; of the one send of a write. */
static bool go(work *w, ln_str args, void (*turn)(void *, bool), void (*done)(void *, const ln_call_end *),
               ln_err *err) {
  ln_engine *g = ln_effect_engine(w->e);
  lnH_request r;
  lnH_request_init(&r);
  bool ok = lnH_request_make(g, args, true, &r, err);
  ln_vendor *v = ok ? lnH_vendor(g, &r.url, r.loopback, err) : NULL;
  if (v) {
    ln_call c = {.method = r.method,
                 .path = ln_buf_view(&r.path),
                 .headers = r.headers,
                 .n_headers = r.n_headers,
                 .body = ln_buf_view(&r.body),
                 .limit = LN_STR("http"),
                 .who = ln_effect_tag(w->e),
                 .trace = ln_traces_may_tell(g, r.url.host) ? ln_effect_trace(w->e) : (ln_str){NULL, 0},
                 .write = turn != NULL,
                 .apart = ln_effect_op(w->e)->cls == LN_WRITE,
                 .turn = turn,
                 .patience_ms = ln_effect_timeout_ms(w->e),
                 .max_response = g->config->response,
                 .decode = decode,
                 .done = done,
                 .arg = w};
    w->calling = ln_vendor_send(v, &c, err);
  }
  lnH_request_free(&r);
  return w->calling != NULL;
}

static void start(ln_effect *e) {
  work *w = work_of(e);
  ln_err err = {0};
  if (!w) ln_fail(&err, "memory", LN_AGAIN, "no memory for a request");
  if (!w || !go(w, ln_effect_args(e), NULL, on_end, &err)) ln_effect_fail(e, &err);
}

/* --- writes --- */

static void put_opaque(ln_buf *out, const char *key) {
  ln_v_key(out, ln_str_of(key));
  size_t mark = ln_v_begin(out, 'P', 1);
  ln_v_key(out, LN_STR("what"));
  ln_v_str(out, ln_str_of(key));
  ln_v_end(out, mark);
}

static bool keep(ln_effect *e, ln_buf *b, ln_str *kept, ln_err *err) {
  bool ok = ln_buf_ok(b, err) && (ln_effect_keep(e, ln_buf_view(b), kept) ||
                                  ln_fail(err, "memory", LN_AGAIN, "no memory for a request"));
  ln_buf_free(b);
  return ok;
}

static bool describe(ln_effect *e, ln_write *out, ln_err *err) {
  ln_buf would, planned, entity, facet;
  lnH_request r;
  lnH_request_init(&r);
  ln_buf_init(&would, ARGS_MAX);
  ln_buf_init(&planned, 4096);
  ln_buf_init(&entity, 32 << 10);
  ln_buf_init(&facet, 32 << 10);
  bool ok = lnH_request_make(ln_effect_engine(e), ln_effect_args(e), false, &r, err) &&
            lnH_would(ln_effect_args(e), &r, &would, err);
  if (ok) {
    size_t mark = ln_v_begin(&planned, 'O', 3);
    put_opaque(&planned, "body");
    put_opaque(&planned, "headers");
    put_opaque(&planned, "status");
    ln_v_end(&planned, mark);
    ln_buf_addf(&entity, "http:url:" LN_STR_FMT, LN_STR_ARG(r.url.origin));
    ln_buf_addf(&facet, LN_STR_FMT " " LN_STR_FMT, LN_STR_ARG(r.method), LN_STR_ARG(r.url.path));
    *out = (ln_write){0};
  }
  lnH_request_free(&r);
  ln_str *to[] = {&out->would, &out->planned, &out->entity, &out->facet};
  ln_buf *from[] = {&would, &planned, &entity, &facet};
  for (size_t i = 0; i < 4; i++) {
    if (ok) ok = keep(e, from[i], to[i], err);
    else ln_buf_free(from[i]);
  }
  return ok;
}

static void on_turn(void *arg, bool come) {
  work *w = arg;
  if (come) ln_write_placed(w->e);
  else ln_write_put_off(w->e);
}

static void place(ln_effect *e) {
  work *w = work_of(e);
  ln_err err = {0};
  if (!w) ln_fail(&err, "memory", LN_AGAIN, "no memory for a request");
  else w->probing = false;
  if (!w || !go(w, ln_effect_args(e), on_turn, on_end, &err))
    ln_write_sent(e, LN_DID_NOT, (ln_str){NULL, 0}, &err);
}

static void send(ln_effect *e) {
  work *w = work_of(e);
  if (w && w->calling) ln_vendor_go(w->calling);
}

/* The probe is a GET of its own; its answer says whether the write is there. */
static bool probe_args(ln_str args, ln_buf *out, ln_err *err) {
  ln_vitem p;
  if (!ln_v_get(args, LN_STR("probe"), &p)) return ln_fail(err, "failed", LN_FINAL, "there is no probe");
  ln_buf get;
  ln_buf_init(&get, 256);
  size_t mark = ln_v_begin(&get, 'O', 1);
  ln_v_key(&get, LN_STR("method"));
  ln_v_str(&get, LN_STR("GET"));
  ln_v_end(&get, mark);
  bool ok = ln_v_merge(out, p.whole, ln_buf_view(&get));
  ln_buf_free(&get);
  return ok || ln_buf_ok(out, err);
}

static void probe(ln_effect *e, int64_t since_ms) {
  work *w = work_of(e);
  ln_err err = {0};
  ln_buf args;
  (void)since_ms;
  ln_buf_init(&args, ARGS_MAX);
  if (!w) ln_fail(&err, "memory", LN_AGAIN, "no memory for a request");
  else w->probing = true;
  if (!w || !probe_args(ln_effect_args(e), &args, &err) ||
      !go(w, ln_buf_view(&args), NULL, on_probe_end, &err))
    ln_write_probed(e, LN_UNKNOWN, (ln_str){NULL, 0}, &err);
  ln_buf_free(&args);
}

/* --- the operations --- */

static const ln_write_ops blind = {describe, NULL, place, send, NULL, NULL, NULL},
                          probed = {describe, NULL, place, send, probe, NULL, NULL};

#define READ(z) {.name = "http." z, .cls = LN_READ, .uses = "http", .start = start}
#define ONE(z, again, how)                                                                                   \
  {                                                                                                          \
    .name = "http." z, .cls = LN_WRITE, .uses = "http", .write = &(how), .idempotent = (again),              \
    .move = LN_NOTE                                                                                          \
  }
#define WRITES(z) {{ONE(z, false, blind), ONE(z, false, probed)}, {ONE(z, true, blind), ONE(z, true, probed)}}

static const struct {
  const char *method, *fn;
  bool reads;
  ln_op read, write[2][2];                               /* [idempotent][probed] */
} methods[] = {{"GET", "http.get", true, READ("get"), WRITES("get")},
               {"HEAD", "http.head", true, READ("head"), WRITES("head")},
               {"POST", "http.post", false, READ("post"), WRITES("post")},
               {"PUT", "http.put", false, READ("put"), WRITES("put")},
               {"PATCH", "http.patch", false, READ("patch"), WRITES("patch")},
               {"DELETE", "http.delete", false, READ("delete"), WRITES("delete")}};

enum { N_METHODS = sizeof methods / sizeof *methods };

/* --- in a run's VM --- */

static const char *const known[] = {"url",        "method", "query",     "headers", "auth", "body",
                                    "json",       "form",   "multipart", "timeout", "into", "class",
                                    "idempotent", "probe",  "as",        NULL};

static int method_named(lua_State *L, const char *fn, int args) {
  lua_getfield(L, args, "method");
  ln_str name = lnL_text(L, fn, "method", -1);
  for (int i = 0; i < N_METHODS; i++)
    if (ln_str_eq(ln_str_of(methods[i].method), name)) {
      lua_pop(L, 1);
      return i;
    }
  return lnL_bad(L, fn, "method", "GET, HEAD, POST, PUT, PATCH or DELETE", 0);
}

static void one_body(lua_State *L, const char *fn, int args, bool reads) {
  static const char *const kinds[] = {"body", "json", "form", "multipart", NULL};
  int n = 0;
  for (int i = 0; kinds[i]; i++) {
    n += lua_getfield(L, args, kinds[i]) != LUA_TNIL;
    lua_pop(L, 1);
  }
  if (n > 1) lnL_bad(L, fn, "the body", "one of body, json, form, multipart", 0);
  if (n && reads) lnL_bad(L, fn, "the body", "absent: a GET or HEAD has none", 0);
}

/* Is it a write?  A class can be raised: a GET that changes something is told so.  It cannot be lowered. */
static bool writes(lua_State *L, const char *fn, int args, bool reads) {
  ln_err err;
  lua_getfield(L, args, "class");
  ln_str cls = lnL_text_or(L, fn, "class", -1, reads ? LN_STR("read") : LN_STR("write"));
  lua_pop(L, 1);
  bool write = ln_str_eq(cls, LN_STR("write"));
  if (!write && !ln_str_eq(cls, LN_STR("read"))) lnL_bad(L, fn, "class", "\"read\" or \"write\"", 0);
  if (write || reads) return write;
  ln_fail(&err, "refused", LN_FINAL, "%s: a class cannot be lowered: only GET and HEAD are reads", fn);
  snprintf(err.rule, sizeof err.rule, "class");
  return lnL_raise(L, &err);
}

static bool flag(lua_State *L, const char *fn, int args, const char *key) {
  lua_getfield(L, args, key);
  bool yes = lnL_flag_or(L, fn, key, -1, false);
  lua_pop(L, 1);
  return yes;
}

static bool has_probe(lua_State *L, const char *fn, int args) {
  static const char *const parts[] = {"url", "query", "headers", "auth", NULL};
  bool has = lua_getfield(L, args, "probe") != LUA_TNIL;
  if (has) {
    lnL_options(L, fn, -1, parts);
    lua_getfield(L, -1, "url");
    lnL_text(L, fn, "probe.url", -1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return has;
}

static void check_into(lua_State *L, const char *fn, int args) {
  lua_getfield(L, args, "into");
  ln_str into = lnL_text_or(L, fn, "into", -1, LN_STR("blob"));
  if (!ln_str_eq(into, LN_STR("blob"))) lnL_bad(L, fn, "into", "\"blob\"", 0);
  lua_pop(L, 1);
}

static void check_url(lua_State *L, const char *fn, int args) {
  ln_err err = {0};
  lnH_url u;
  lua_getfield(L, args, "url");
  if (!lnH_parse(lnL_text(L, fn, "url", -1), &u, &err)) lnL_raise_in(L, fn, &err);
  lua_pop(L, 1);
}

/* (args) with the method as upvalue, -1: named in the arguments.  Ends in the effect. */
static int l_ask(lua_State *L) {
  int m = (int)lua_tointeger(L, lua_upvalueindex(1));
  const char *fn = m < 0 ? "http.request" : methods[m].fn;
  lua_settop(L, 1);
  if (lua_type(L, 1) == LUA_TSTRING && m >= 0) {         /* http.get "https://…" */
    lua_createtable(L, 0, 2);
    lua_insert(L, 1);
    lua_setfield(L, 1, "url");
  }
  if (!lua_istable(L, 1)) lnL_bad(L, fn, "its argument", "a table: { url = … }", 1);
  lnL_options(L, fn, 1, known);
  if (m < 0) m = method_named(L, fn, 1);
  check_url(L, fn, 1);
  check_into(L, fn, 1);
  one_body(L, fn, 1, methods[m].reads);
  bool write = writes(L, fn, 1, methods[m].reads), again = flag(L, fn, 1, "idempotent"),
       asks = has_probe(L, fn, 1);
  lua_createtable(L, 0, 8);                              /* args own: the author's table stays as it is */
  for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, 2);
  }
  lua_pushstring(L, methods[m].method);
  lua_setfield(L, 2, "method");
  return lnL_effect(L, write ? &methods[m].write[again][asks] : &methods[m].read, 2, NULL, NULL);
}

/* response.json() */
static int l_json(lua_State *L) {
  lnL_push_json(L, lnL_host(L));                         /* json */
  lua_getfield(L, -1, "decode");                         /* json decode */
  lua_getfield(L, lua_upvalueindex(1), "body");          /* json decode body */
  if (lua_type(L, -1) != LUA_TSTRING)
    lnL_bad(L, "response.json", "the body", "a text (it went into a blob)", 0);
  lua_call(L, 1, 1);
  return 1;
}

static int l_index(lua_State *L) {                       /* response key */
  if (lua_type(L, 2) != LUA_TSTRING || strcmp(lua_tostring(L, 2), "json") != 0) return 0;
  lua_pushvalue(L, 1);
  lua_pushcclosure(L, l_json, 1);
  return 1;
}

static int answered(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  if (!lua_istable(L, -1)) return 1;                     /* a plan's */
  if (luaL_newmetatable(L, "http.response")) {
    lua_pushcfunction(L, l_index);
    lua_setfield(L, -2, "__index");
    lua_pushliteral(L, "http.response");
    lua_setfield(L, -2, "__name");
  }
  lua_setmetatable(L, -2);
  return 1;
}

/* What a playbook calls: the effect, and then the response's method. */
static int l_method(lua_State *L) {
  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushcclosure(L, l_ask, 1);                         /* args ask */
  lua_insert(L, 1);                                      /* ask args */
  lua_callk(L, 1, 1, 0, answered);
  return answered(L, LUA_OK, 0);
}

int luaopen_http(lua_State *L) {
  lua_createtable(L, 0, N_METHODS + 1);                  /* http */
  for (int i = -1; i < N_METHODS; i++) {
    lua_pushinteger(L, i);
    lua_pushcclosure(L, l_method, 1);
    lua_setfield(L, -2, i < 0 ? "request" : methods[i].fn + 5);
  }
  return 1;
}
