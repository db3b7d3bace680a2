/* connector_answer.c: what an answer means.  Its body is decoded by its first byte, whatever its headers
** say; the declaration's `fault` and `limit` give the verdict that the network layer acts on, and its other
** functions turn a good answer into a value, a handle or a page.  What the vendor did is never guessed: a
** refusal (4xx) was not executed, unless the declaration knows better; any other answer that is not good
** says nothing of that. */
#include "modules/connector_parts.h"

#include "engine/drift.h"
#include "modules/modules.h"

#include <stdio.h>
#include <stdlib.h>

enum { TEXT_SHOWN = 4096, VALUE_MAX = 64 << 20 };

void lnC_unref(const lnC_connector *c, int *ref) {
  luaL_unref(lnC_state(c), LUA_REGISTRYINDEX, *ref);
  *ref = LUA_NOREF;
}

/* Is there an opaque value in it? */
bool lnC_has_opaque(ln_str value) {
  ln_vitem v;
  ln_str rest = value, key;
  if (!ln_v_read(&rest, &v)) return false;
  if (v.tag == 'P') return true;
  if (v.tag != 'A' && v.tag != 'O') return false;
  ln_str body = v.body;
  for (size_t i = 0; i < v.count; i++) {
    ln_vitem item;
    if (v.tag == 'O' && !ln_v_read_key(&body, &key)) return false;
    if (!ln_v_read(&body, &item)) return false;
    if (lnC_has_opaque(item.whole)) return true;
  }
  return false;
}

/* --- the answer as a table --- */

typedef struct judging {
  const lnC_connector *c;
  const lnC_operation *o;                                /* NULL: the token call */
  const ln_answer *a;
  int *ref;
  ln_verdict *v;
  ln_limit_told *told;
  ln_buf value;                                          /* of an XML body */
  bool undecoded;                                        /* there is a body, and it is neither JSON nor XML */
} judging;

/* Sets a header; a repeated one becomes a list. */
static void add_header(lua_State *L, int t, const ln_header *h) {
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (size_t i = 0; i < h->name.n; i++) {
    char c = h->name.p[i];
    luaL_addchar(&b, (char)(c >= 'A' && c <= 'Z' ? c + 32 : c));
  }
  luaL_pushresult(&b);                                   /* name */
  lua_pushvalue(L, -1);
  int type = lua_rawget(L, t);                           /* name had */
  if (type == LUA_TTABLE) {
    lua_pushlstring(L, h->value.p, h->value.n);
    lua_rawseti(L, -2, luaL_len(L, -2) + 1);
    lua_pop(L, 2);
    return;
  }
  if (type == LUA_TNIL) {
    lua_pushlstring(L, h->value.p, h->value.n);          /* name nil value */
    lua_replace(L, -2);                                  /* name value */
  } else {
    lua_createtable(L, 2, 0);                            /* name had list */
    lua_insert(L, -2);                                   /* name list had */
    lua_rawseti(L, -2, 1);                               /* name list */
    lua_pushlstring(L, h->value.p, h->value.n);
    lua_rawseti(L, -2, 2);
  }
  lua_rawset(L, t);
}

static bool is_html(ln_str s) {
  ln_str head = {s.p, s.n < 14 ? s.n : 14}, shorter = {s.p, s.n < 5 ? s.n : 5};
  return ln_str_ieq(head, LN_STR("<!doctype html")) || ln_str_ieq(shorter, LN_STR("<html"));
}

/* Pushes the decoded body, or nil. */
static void push_body(lua_State *L, judging *j) {
  ln_str s = ln_str_trim(j->a->body);
  ln_err err;
  if (s.n >= 3 && memcmp(s.p, "\xEF\xBB\xBF", 3) == 0) s = ln_str_trim((ln_str){s.p + 3, s.n - 3});
  j->undecoded = s.n > 0;
  lua_pushnil(L);
  if (s.n == 0 || is_html(s)) return;
  bool xml = s.p[0] == '<';
  bool ok = xml ? ln_host_xml(j->c->engine->host, s, &j->value, &err)
                : ln_host_json(j->c->engine->host, s, &j->value, &err);
  if (!ok) return;
  j->undecoded = false;
  lua_pop(L, 1);
  lnC_push(L, ln_buf_view(&j->value));
}

static void push_answer(lua_State *L, judging *j) {
  const ln_answer *a = j->a;
  lua_createtable(L, 0, 5);                              /* answer */
  lua_pushinteger(L, a->status);
  lua_setfield(L, -2, "status");
  lua_createtable(L, 0, (int)(a->n_headers < 64 ? a->n_headers : 64)); /* answer headers */
  for (size_t i = 0; i < a->n_headers; i++) add_header(L, lua_gettop(L), &a->headers[i]);
  lua_setfield(L, -2, "headers");
  size_t shown = a->body.n < TEXT_SHOWN ? a->body.n : TEXT_SHOWN;
  lua_pushlstring(L, shown ? a->body.p : "", shown);
  lua_setfield(L, -2, "text");
  if (j->o && j->o->binary && a->status >= 200 && a->status < 300) return;
  push_body(L, j);
  lua_setfield(L, -2, "body");
}

/* --- the verdict --- */

static void word(lua_State *L, int t, const char *key, char *out, size_t n) {
  size_t len;
  if (lua_getfield(L, t, key) == LUA_TSTRING || lua_type(L, -1) == LUA_TNUMBER) {
    const char *p = luaL_tolstring(L, -1, &len);
    if (len >= n) len = n - 1;
    while (len && ((unsigned char)p[len] & 0xC0) == 0x80) len--;
    memcpy(out, p, len);
    out[len] = '\0';
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static int64_t millis(lua_State *L, int t, const char *key) {
  int64_t ms = -1;
  if (lua_getfield(L, t, key) == LUA_TNUMBER) {
    double s = lua_tonumber(L, -1);
    ms = s > 0 ? s < 1e7 ? (int64_t)(s * 1000) : (int64_t)1e10 : 0;
  }
  lua_pop(L, 1);
  return ms;
}

static bool truth(lua_State *L, int t, const char *key) {
  lua_getfield(L, t, key);
  bool yes = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return yes;
}

static void name_it(judging *j) {
  ln_err *e = &j->v->err;
  e->status = j->a->status;
  snprintf(e->vendor, sizeof e->vendor, "%s", j->c->name);
  if (j->o) snprintf(e->op, sizeof e->op, "%s", j->o->full);
}

/* A refusal was not executed. */
static bool refused(int status) { return status >= 400 && status < 500 && status != 408; }

/* The table that a fault function returned is at t. */
static void read_fault(lua_State *L, judging *j, int t) {
  char code[LN_ERR_CODE] = "failed", message[LN_ERR_TEXT] = "";
  ln_verdict *v = j->v;
  word(L, t, "code", code, sizeof code);
  word(L, t, "message", message, sizeof message);
  ln_fail(&v->err, code, truth(L, t, "retry") ? LN_AGAIN : LN_FINAL, "%s", message);
  if (!message[0]) snprintf(v->err.message, sizeof v->err.message, "status %d", j->a->status);
  word(L, t, "vendor_code", v->err.vendor_code, sizeof v->err.vendor_code);
  v->after_ms = millis(L, t, "after");
  v->token = truth(L, t, "token");
  int type = lua_getfield(L, t, "executed");
  v->not_executed = type == LUA_TBOOLEAN ? !lua_toboolean(L, -1) : refused(j->a->status);
  lua_pop(L, 1);
  name_it(j);
}

/* Calls the fault function on top, if it is one.  1: it found a fault; 0: a good answer; -1: no opinion. */
static int ask_fault(lua_State *L, judging *j, int answer) {
  if (!lua_isfunction(L, -1)) return -1;
  lua_pushvalue(L, answer);
  if (j->o) lua_rawgeti(L, LUA_REGISTRYINDEX, j->o->self);
  else lua_pushnil(L);
  lua_call(L, 2, 1);                                     /* fault */
  if (lua_isnil(L, -1)) return 0;
  if (!lua_istable(L, -1)) return -1;
  read_fault(L, j, lua_gettop(L));
  return 1;
}

static bool expected(const lnC_operation *o, int status) {
  for (size_t i = 0; o && i < o->n_expect; i++)
    if (o->expect[i] == status) return true;
  return (!o || o->n_expect == 0) && status >= 200 && status < 300;
}

/* An empty body where something was to be said: to a read always; to a write, unless it may say 204. */
static bool says_nothing(const judging *j) {
  const lnC_operation *o = j->o;
  if (!o || o->binary || j->a->body.n || j->a->status == 204) return false;
  for (size_t i = 0; i < o->n_expect; i++)
    if (o->expect[i] == 204) return false;
  return j->a->status >= 200 && j->a->status < 300;
}

/* An answer that no function found fault with. */
static void judge_rest(judging *j, bool vouched) {
  int status = j->a->status;
  ln_verdict *v = j->v;
  bool again = status == 429 || status >= 500;
  if (!vouched && !expected(j->o, status)) {
    if (status >= 200 && status < 300) {
      ln_fail(&v->err, "failed", LN_FINAL, "status %d is not among those that this call answers with",
              status);
      if (j->o) ln_drift_shape(j->c->engine, j->o->full, ln_str_of(v->err.message));
    } else {
      ln_fail(&v->err, "failed", again ? LN_AGAIN : LN_FINAL, "status %d without an explanation", status);
    }
    v->not_executed = refused(status);
    v->token = status == 401;
  } else if (j->undecoded) {
    ln_fail(&v->err, "unavailable", LN_AGAIN, "an answer that is neither JSON nor XML (status %d)", status);
  } else if (says_nothing(j)) {
    ln_fail(&v->err, "unavailable", LN_AGAIN, "an empty answer (status %d)", status);
  } else {
    v->good = true;
    return;
  }
  name_it(j);
}

static void read_limit(lua_State *L, judging *j, int answer) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, j->c->self);
  if (lua_getfield(L, -1, "limit") != LUA_TFUNCTION) return;
  lua_pushvalue(L, answer);
  lua_call(L, 1, 1);                                     /* limit */
  if (!lua_istable(L, -1)) return;
  int t = lua_gettop(L);
  static const char *const counts[] = {"remaining", "running", "concurrency"};
  int64_t *to[] = {&j->told->remaining, &j->told->running, &j->told->concurrency};
  for (int i = 0; i < 3; i++) {
    int is = 0;
    lua_getfield(L, t, counts[i]);
    double n = lua_tonumberx(L, -1, &is);
    if (is && n >= 0 && n < 1e12) *to[i] = (int64_t)n;
    lua_pop(L, 1);
  }
  j->told->reset_ms = millis(L, t, "reset_after");
  j->told->wait_ms = millis(L, t, "wait");
  j->told->own = truth(L, t, "own");
}

static int l_judge(lua_State *L) {
  judging *j = lua_touserdata(L, 1);
  push_answer(L, j);                                     /* job answer */
  if (j->ref) {
    luaL_unref(L, LUA_REGISTRYINDEX, *j->ref);
    *j->ref = LUA_NOREF;
    lua_pushvalue(L, 2);
    *j->ref = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  read_limit(L, j, 2);
  lua_settop(L, 2);
  int found = -1;
  bool own = false;
  if (j->o) {
    lnC_field(L, j->o, "fault");
    found = ask_fault(L, j, 2);
    own = found == 0;
    j->v->own = found == 1;
    lua_settop(L, 2);
  }
  if (found < 0) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, j->c->self);
    lua_getfield(L, -1, "fault");
    found = ask_fault(L, j, 2);
  }
  if (found != 1) judge_rest(j, own);
  return 0;
}

void lnC_judge(const lnC_connector *c, const lnC_operation *o, const ln_answer *a, int *ref, ln_verdict *v,
               ln_limit_told *told) {
  judging j = {.c = c, .o = o, .a = a, .ref = ref, .v = v, .told = told};
  ln_err err;
  ln_buf_init(&j.value, VALUE_MAX);
  if (!lnC_run(c->engine, l_judge, &j, o ? o->full : c->name, &err, NULL)) {
    *v = (ln_verdict){.err = err, .after_ms = -1, .not_executed = refused(a->status)};
    name_it(&j);
  }
  ln_buf_wipe(&j.value);
}

/* --- values --- */

typedef struct shaping {
  const lnC_operation *o;
  const char *part, *key;
  int nth, answer, request;
  const ln_str *values;
  size_t n_values;
  const lnC_ctx *ctx;
  ln_str args, blob, head;
  ln_buf *items;
  size_t *n_items;
  lnC_value *v;
} shaping;

static ln_str no_tag = {NULL, 0};

static void push_context(lua_State *L, const shaping *s) {
  lnC_ctx none = {.tag = no_tag};
  lnC_push_ctx(L, s->o, s->ctx ? s->ctx : &none);
}

/* Takes the value on top as the outcome. */
static void take(lua_State *L, lnC_value *v, const char *what) {
  v->nothing = lua_isnil(L, -1);
  v->no = lua_isboolean(L, -1) && !lua_toboolean(L, -1);
  v->unchanged = false;
  if (lua_istable(L, -1)) {
    v->unchanged = lua_getfield(L, -1, "unchanged") == LUA_TBOOLEAN && lua_toboolean(L, -1);
    lua_pop(L, 1);
  }
  ln_buf_cut(&v->out, 0);
  lnC_encode(L, -1, &v->out, what);
}

/* Replaces, at any depth, the table at `was` by the value at `is`. */
static void exchange(lua_State *L, int t, int was, int is, int depth) {
  luaL_checkstack(L, 8, NULL);
  if (depth > 16) return;
  for (lua_pushnil(L); lua_next(L, t); lua_pop(L, 1)) {  /* key value */
    if (lua_rawequal(L, -1, was)) {
      lua_pushvalue(L, -2);
      lua_pushvalue(L, is);
      lua_rawset(L, t);                                  /* an existing key: the walk goes on */
    } else if (lua_istable(L, -1)) {
      exchange(L, lua_gettop(L), was, is, depth + 1);
    }
  }
}

/* answer.blob: what the handle says, and the first bytes. */
static void set_blob(lua_State *L, const shaping *s, int answer) {
  static const char *const keys[] = {"name", "bytes", "sha256", "sha1", "md5", NULL};
  if (!s->blob.n) return;
  lua_createtable(L, 0, 6);                              /* blob */
  for (int i = 0; keys[i]; i++) {
    ln_vitem item;
    if (!ln_v_get(s->blob, ln_str_of(keys[i]), &item)) continue;
    lnL_decode(L, item.whole);
    lua_setfield(L, -2, keys[i]);
  }
  lua_pushlstring(L, s->head.p ? s->head.p : "", s->head.n);
  lua_setfield(L, -2, "head");
  lua_setfield(L, answer, "blob");
}

/* Puts the handle in the place of answer.blob in the result on top. */
static void restore_blob(lua_State *L, const shaping *s, int answer) {
  if (!s->blob.n) return;
  int result = lua_gettop(L);
  lua_getfield(L, answer, "blob");                       /* result blob */
  lnL_decode(L, s->blob);                                /* result blob handle */
  if (lua_rawequal(L, result, result + 1)) lua_replace(L, result);
  else if (lua_istable(L, result)) exchange(L, result, result + 1, result + 2, 0);
  lua_settop(L, result);
}

static int l_result(lua_State *L) {
  shaping *s = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->answer);          /* job answer */
  set_blob(L, s, 2);
  if (lnC_field(L, s->o, "result") == LUA_TFUNCTION) {   /* job answer result */
    lua_getfield(L, 2, "body");
    lnC_push(L, s->args);
    lua_pushvalue(L, 2);
    push_context(L, s);
    lua_call(L, 4, 1);                                   /* job answer value */
  } else {
    lua_getfield(L, 2, s->blob.n ? "blob" : "body");
  }
  lnC_drift_needs(L, s->o, lua_gettop(L));
  restore_blob(L, s, 2);
  take(L, s->v, s->o->full);
  return 0;
}

bool lnC_result(const lnC_operation *o, int answer, ln_str args, const lnC_ctx *ctx, ln_str blob, ln_str head,
                lnC_value *v, ln_err *err) {
  shaping s = {.o = o, .answer = answer, .args = args, .ctx = ctx, .blob = blob, .head = head, .v = v};
  return lnC_run(o->c->engine, l_result, &s, o->full, err, &v->declared);
}

static int l_result_of(lua_State *L) {
  shaping *s = lua_touserdata(L, 1);
  if (lnC_field(L, s->o, "result") == LUA_TFUNCTION) {   /* job result */
    lnC_push(L, s->values[0]);
    lnC_push(L, s->args);
    lua_pushnil(L);
    push_context(L, s);
    lua_call(L, 4, 1);                                   /* job value */
  } else {
    lnC_push(L, s->values[0]);
  }
  lnC_drift_needs(L, s->o, lua_gettop(L));
  take(L, s->v, s->o->full);
  return 0;
}

bool lnC_result_of(const lnC_operation *o, ln_str value, ln_str args, const lnC_ctx *ctx, lnC_value *v,
                   ln_err *err) {
  shaping s = {.o = o, .values = &value, .args = args, .ctx = ctx, .v = v};
  return lnC_run(o->c->engine, l_result_of, &s, o->full, err, &v->declared);
}

static int l_handle(lua_State *L) {
  shaping *s = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->answer);          /* job answer */
  lnC_field(L, s->o, "handle");                          /* job answer handle */
  lua_getfield(L, 2, "body");
  lnC_push(L, s->args);
  lua_pushvalue(L, 2);
  lua_call(L, 3, 1);                                     /* job answer value */
  take(L, s->v, s->o->full);
  return 0;
}

bool lnC_handle(const lnC_operation *o, int answer, ln_str args, lnC_value *v, ln_err *err) {
  shaping s = {.o = o, .answer = answer, .args = args, .v = v};
  return lnC_run(o->c->engine, l_handle, &s, o->full, err, &v->declared);
}

/* --- pages --- */

/* An object with members, where a list was: to take it for an empty one would be "there is none". */
static bool is_object(lua_State *L, int at) {
  lua_pushnil(L);
  if (!lua_next(L, at)) return false;
  lua_pop(L, 2);
  return true;
}

/* The items are at `list`; nil is none. */
static void take_items(lua_State *L, shaping *s, int list) {
  lua_Integer n = lua_istable(L, list) ? luaL_len(L, list) : 0;
  if (!lua_istable(L, list) && !lua_isnil(L, list) && !lnL_is_null(L, list))
    luaL_error(L, "page must return a list, not %s", luaL_typename(L, list));
  if (n == 0 && lua_istable(L, list) && is_object(L, list))
    luaL_error(L, "page must return a list, not an object");
  bool shaped = lnC_field(L, s->o, "item") == LUA_TFUNCTION; /* item */
  int item = lua_gettop(L);
  lnC_push(L, s->args);                                  /* item args */
  for (lua_Integer i = 1; i <= n; i++) {
    if (shaped) lua_pushvalue(L, item);
    lua_geti(L, list, i);
    if (shaped) {
      lua_pushvalue(L, item + 1);
      lua_call(L, 2, 1);
    }
    if (i == 1) lnC_drift_needs(L, s->o, lua_gettop(L)); /* a page's items are alike */
    lnC_encode(L, -1, s->items, "an item");
    ++*s->n_items;
    lua_pop(L, 1);
  }
  lua_settop(L, item - 1);
}

static int l_page(lua_State *L) {
  shaping *s = lua_touserdata(L, 1);
  lnC_field(L, s->o, "page");                            /* job page */
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->answer);
  lnC_push(L, s->args);
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->request);
  lua_call(L, 3, 2);                                     /* job items next */
  take_items(L, s, 2);
  if (!lua_isnil(L, 3) && !lua_istable(L, 3))
    luaL_error(L, "page must return a table for the next page, or nil");
  take(L, s->v, "the next page");
  return 0;
}

bool lnC_page(const lnC_operation *o, int answer, ln_str args, int request, ln_buf *items, size_t *n,
              lnC_value *v, ln_err *err) {
  shaping s = {
      .o = o, .answer = answer, .args = args, .request = request, .items = items, .n_items = n, .v = v};
  return lnC_run(o->c->engine, l_page, &s, o->full, err, &v->declared);
}

/* --- functions of parts --- */

/* Pushes the table that `part` names: one of a list, where its `op` is a list and nth is given. */
static void push_part(lua_State *L, const shaping *s) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->o->self);         /* self */
  if (!s->part[0]) return;
  if (lua_getfield(L, -1, s->part) != LUA_TTABLE) return; /* self part */
  if (s->nth > 0) {
    if (lua_getfield(L, -1, "op") == LUA_TTABLE) {       /* self part op */
      lua_geti(L, -1, s->nth);
      return;
    }
    lua_pop(L, 1);
  }
}

static int l_call(lua_State *L) {
  shaping *s = lua_touserdata(L, 1);
  push_part(L, s);
  if (!lua_istable(L, -1)) lua_pushnil(L);
  else lua_getfield(L, -1, s->key);                      /* … value */
  int at = lua_gettop(L);
  if (lua_isfunction(L, at)) {
    for (size_t i = 0; i < s->n_values; i++) lnC_push(L, s->values[i]);
    if (s->ctx) push_context(L, s);
    lua_call(L, (int)s->n_values + (s->ctx ? 1 : 0), 2); /* … value why */
  } else {
    lua_newtable(L);                                     /* … template args */
    if (s->n_values) {
      lua_pop(L, 1);
      lnC_push(L, s->values[0]);
    }
    push_context(L, s);                                  /* … template args ctx */
    lnC_fill(L, at, at + 1, at + 2);
    lua_replace(L, at);
    lua_settop(L, at);
    lua_pushnil(L);                                      /* … value why */
  }
  size_t n = 0;
  const char *why = lua_type(L, at + 1) == LUA_TSTRING ? lua_tolstring(L, at + 1, &n) : NULL;
  s->v->why[0] = '\0';
  if (why) snprintf(s->v->why, sizeof s->v->why, "%.*s", (int)n, why);
  lua_settop(L, at);
  take(L, s->v, s->key);
  return 0;
}

bool lnC_call(const lnC_operation *o, const char *part, int nth, const char *key, const ln_str *values,
              size_t n, const lnC_ctx *ctx, lnC_value *v, ln_err *err) {
  shaping s = {
      .o = o, .part = part, .nth = nth, .key = key, .values = values, .n_values = n, .ctx = ctx, .v = v};
  char what[128];
  snprintf(what, sizeof what, "%s: %s%s%s", o->full, part, part[0] ? "." : "", key);
  return lnC_run(o->c->engine, l_call, &s, what, err, &v->declared);
}
