/* intake.c: alerts in.  The adapters are Lua (stdlib/alert), and run in a scratch VM under the limits of any
** playbook, because what they read was written by an attacker.  A trigger (`on`) runs there too; it may look
** at the store, and do nothing else that leaves. */
#include "engine/intake.h"

#include "engine/inside.h"
#include "engine/library.h"
#include "engine/play.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

enum { DOCUMENT_MAX = 64 << 20 };

struct taking { ln_run *run; ln_str doc, alert, module; ln_buf *out; ln_err *err; bool yes; size_t n; };

/* ------------------------------------------------------------------ one protected call in the scratch VM */

/* The root branch of a scratch run is used again and again: it has returned each time. */
static int l_push(lua_State *L) {
  struct taking *t = lua_touserdata(L, 1);
  lua_CFunction fn = *(lua_CFunction *)lua_touserdata(L, 2);
  lua_settop(t->run->root->co, 0);
  lua_pushlightuserdata(t->run->root->co, t);
  lua_pushcclosure(t->run->root->co, fn, 1);
  return 0;
}

struct pushing { struct taking *t; lua_CFunction fn; };

static int l_push_both(lua_State *L) {
  struct pushing *p = lua_touserdata(L, 1);
  lua_pushcfunction(L, l_push);
  lua_pushlightuserdata(L, p->t);
  lua_pushlightuserdata(L, &p->fn);
  lua_call(L, 2, 0);
  return 0;
}

struct looked { ln_effect *e; ln_buf value; ln_err err; bool ok; };

static bool look_apply(ln_tx *tx, void *arg, ln_err *err) {
  struct looked *l = arg;
  (void)err;
  l->ok = l->e->op->apply(tx, l->e, &l->value, &l->err);
  return true;
}

/* What a trigger may ask: store.get. */
static bool only_store_get(ln_effect *e, ln_err *err) {
  struct looked l = {.e = e};
  if (strcmp(e->op->name, "store.get") != 0 || !e->run->engine->store)
    return ln_fail(err, "refused", LN_FINAL,
                   "%s in `on`: a trigger may ask store.get and nothing else that leaves", e->op->name);
  ln_buf_init(&l.value, 16 << 20);
  if (!ln_writer_run(e->run->engine->store, look_apply, &l, err)) return ln_buf_free(&l.value), false;
  e->ok = l.ok;
  e->finished = true;
  ln_buf_cut(&e->outcome, 0);
  if (l.ok) ln_buf_add(&e->outcome, ln_buf_view(&l.value));
  else lnL_error_encode(&l.err, (ln_str){NULL, 0}, (ln_str){NULL, 0}, &e->outcome);
  ln_buf_free(&l.value);
  return true;
}

/* Who failed, was ended, or asked for what it may not, has left its VM in the middle of things: the next one
** gets another. */
static bool call(struct taking *t, lua_CFunction fn, ln_err *err) {
  struct pushing p = {t, fn};
  ln_err none;
  if (!t->run->vm && !ln_scratch_renew(t->run, err)) return false;
  t->run->root->cpu_us = 0;
  if (ln_vm_protect(t->run->vm, l_push_both, &p, err) && ln_scratch_turns(t->run, only_store_get, err))
    return true;
  ln_scratch_renew(t->run, &none); /* else it is tried again */
  return false;
}

/* ------------------------------------------------------------------ normalising */

static int l_normalise(lua_State *L) {
  struct taking *t = lua_touserdata(L, lua_upvalueindex(1));
  lua_pushcfunction(L, lnL_require);
  lua_pushliteral(L, "alert");
  lua_call(L, 1, 1);                                   /* alert         */
  lua_getfield(L, -1, "normalise");
  lnL_decode(L, t->doc);
  lua_call(L, 1, 2);                                   /* alert list why */
  if (!lua_istable(L, -2))
    return luaL_error(L, "%s", lua_isstring(L, -1) ? lua_tostring(L, -1) : "no known product's format");
  lua_pop(L, 1);
  if (!lnL_encode(L, -1, t->out, t->err)) return luaL_error(L, "%s", t->err->message);
  return 0;
}

/* ------------------------------------------------------------------ triggers */

static int l_on_answered(lua_State *L, int status, lua_KContext ctx) {
  struct taking *t = lua_touserdata(L, lua_upvalueindex(1));
  (void)status;
  (void)ctx;
  t->yes = lua_toboolean(L, -1);
  return 0;
}

static int l_on(lua_State *L) {
  struct taking *t = lua_touserdata(L, lua_upvalueindex(1));
  ln_err err = {0};
  lua_settop(L, 0);
  lnL_push_chunk(L, t->module);
  lua_call(L, 0, 1);                                   /* playbook      */
  if (!lnL_is_playbook(L, 1)) return 0;
  ln_branch *b = lnL_here(L);
  ln_play_drop(b->play);
  if (!(b->play = lnL_play_of(L, 1, &err))) return lnL_raise(L, &err);
  if (lua_getfield(L, 1, "on") != LUA_TFUNCTION) return 0;
  lnL_decode(L, t->alert);                             /* playbook on alert */
  lua_callk(L, 1, 1, 0, l_on_answered);
  return l_on_answered(L, LUA_OK, 0);
}

/* Whether a module's text speaks of a trigger at all: loading every library to find out would cost more. */
static bool may_trigger(ln_snapshot *s, ln_str module) {
  ln_str source, path;
  ln_err quiet = {0};
  if (!ln_snapshot_source(s, module, &source, &path, &quiet)) return false;
  return ln_str_find(source, LN_STR("playbook")) >= 0 && ln_str_find(source, LN_STR("on")) >= 0 &&
         ln_str_find(path, LN_STR("/stdlib/")) < 0;
}

static void put_triggers(struct taking *t, ln_json *j) {
  ln_buf missed;
  ln_json m;
  ln_snapshot *s = t->run->scripts;
  ln_buf_init(&missed, 1 << 20);
  ln_json_init(&m, &missed);
  ln_json_open(&m, '[');
  ln_json_key(j, LN_STR("triggers"));
  ln_json_open(j, '[');
  for (size_t i = 0; i < ln_snapshot_count(s); i++) {
    ln_err err = {0};
    t->module = ln_snapshot_name(s, i);
    t->yes = false;
    if (!may_trigger(s, t->module)) continue;
    if (!call(t, l_on, &err)) {
      ln_json_open(&m, '{');
      ln_json_key(&m, LN_STR("playbook"));
      ln_json_str(&m, t->module);
      ln_json_key(&m, LN_STR("why"));
      ln_json_strz(&m, err.message);
      ln_json_close(&m, '}');
      t->n++;
    } else if (t->yes) {
      ln_json_str(j, t->module);
    }
  }
  ln_json_close(j, ']');
  ln_json_close(&m, ']');
  if (t->n) ln_json_key(j, LN_STR("missed")), ln_json_raw(j, ln_buf_view(&missed));
  ln_buf_free(&missed);
}

/* ------------------------------------------------------------------ one alert, as JSON */

static bool give(struct taking *t, ln_str alert, ln_alert_fn fn, void *arg, ln_err *err) {
  ln_json j;
  ln_buf out;
  ln_vitem v, item;
  ln_str rest = alert, key;
  t->alert = alert;
  t->n = 0;
  ln_buf_init(&out, DOCUMENT_MAX);
  ln_json_init(&j, &out);
  ln_json_open(&j, '{');
  if (ln_v_read(&rest, &v) && v.tag == 'O')
    for (rest = v.body; rest.n && ln_v_read_key(&rest, &key) && ln_v_read(&rest, &item);)
      if (!ln_str_eq(key, LN_STR("triggers"))) ln_json_key(&j, key), ln_v_to_json(item.whole, &j);
  put_triggers(t, &j);
  ln_json_close(&j, '}');
  bool ok = ln_buf_ok(&out, err) && fn(arg, ln_buf_view(&out));
  ln_buf_free(&out);
  return ok;
}

static bool one_document(struct taking *t, ln_str doc, ln_alert_fn fn, void *arg, ln_err *err) {
  ln_buf list;
  ln_vitem v, item;
  ln_buf_init(&list, DOCUMENT_MAX);
  t->doc = doc;
  t->out = &list;
  t->err = err;
  bool ok = call(t, l_normalise, err);
  ln_str rest = ln_buf_view(&list);
  if (ok && rest.n && ln_v_read(&rest, &v) && v.tag == 'A')
    for (rest = v.body; ok && rest.n && ln_v_read(&rest, &item);) ok = give(t, item.whole, fn, arg, err);
  ln_buf_free(&list);
  t->out = NULL;
  return ok;
}

/* ------------------------------------------------------------------ a text: JSON, or JSON lines */

static bool one_text(struct taking *t, ln_str text, ln_alert_fn fn, void *arg, ln_err *err) {
  ln_buf value;
  ln_buf_init(&value, (size_t)256 << 20);
  bool ok = ln_host_json(t->run->engine->host, text, &value, err) &&
            one_document(t, ln_buf_view(&value), fn, arg, err);
  ln_buf_free(&value);
  return ok;
}

static bool lines(struct taking *t, ln_str text, ln_alert_fn fn, void *arg, ln_err *err) {
  ln_str line;
  for (size_t n = 1; text.n; n++) {
    ln_str_cut(text, '\n', &line, &text);
    line = ln_str_trim(line);
    if (line.n && !one_text(t, line, fn, arg, err)) return ln_err_prefix(err, "line %zu", n);
  }
  return true;
}

/* JSON lines: a first line that is a whole object, and something after it. */
static bool is_lines(ln_engine *g, ln_str text) {
  ln_str first, rest;
  ln_buf value;
  ln_err quiet = {0};
  if (!ln_str_cut(ln_str_trim(text), '\n', &first, &rest) || !ln_str_trim(rest).n) return false;
  ln_buf_init(&value, (size_t)256 << 20);
  bool whole = ln_host_json(g->host, ln_str_trim(first), &value, &quiet);
  ln_buf_free(&value);
  return whole;
}

bool ln_intake_normalise(ln_engine *g, ln_str text, ln_alert_fn fn, void *arg, ln_err *err) {
  struct taking t = {.run = ln_scratch_new(g, err)};
  if (!t.run) return false;
  bool ok = is_lines(g, text) ? lines(&t, text, fn, arg, err) : one_text(&t, text, fn, arg, err);
  ln_scratch_free(t.run);
  return ok;
}
