/* notice_text.c: what a message says, and how.  The facts are the core's: looked up when the message is made,
** so that what has been decided meanwhile is told to nobody as a question.  The words are a Lua module's
** (stdlib/notify), which runs in a scratch VM, since what is in the facts may be an attacker's, and the
** module anybody's who may write one. */
#include "engine/notice.h"

#include "engine/library.h"
#include "engine/scratch.h"

#include <stdio.h>

enum { TEXT_MOST = 500, EFFECTS_MOST = 10, MESSAGE_MOST = 256 << 10 };

/* What is found before the facts are put, in the order of their names. */
typedef struct found {
  ln_engine *g;
  const ln_notice *n;
  char approval[LN_INT_TEXT], expires[LN_TIME_TEXT], more[LN_INT_TEXT], next[64];
  ln_buf by, comment, host, playbook, started_by, state, title, user, why;
  ln_buf effects;                                        /* { entity, label?, op } each                     */
  size_t n_effects;
  bool gone;
} found;

static ln_buf *texts_of(found *f, size_t i) {
  ln_buf *all[] = {&f->by,    &f->comment, &f->host, &f->playbook, &f->started_by,
                   &f->state, &f->title,   &f->user, &f->why,      &f->effects};
  return i < sizeof all / sizeof *all ? all[i] : NULL;
}

void ln_notice_facts_free(ln_notice_facts *f) {
  ln_buf_free(&f->facts);
  ln_buf_free(&f->message);
}

/* ------------------------------------------------------------------ finding */

/* At most TEXT_MOST bytes, whole characters; what is there stays. */
static void note(ln_buf *b, ln_str s) {
  size_t n = s.n < TEXT_MOST ? s.n : TEXT_MOST;
  if (b->n || !s.n) return;
  while (n < s.n && n && ((unsigned char)s.p[n] & 0xc0) == 0x80) n--;
  ln_buf_add(b, (ln_str){s.p, n});
  if (n < s.n) ln_buf_addz(b, "…");
}

/* The same, as a member. */
static void put_text(ln_buf *b, const char *key, ln_str v) {
  ln_buf cut;
  ln_buf_init(&cut, 2 * TEXT_MOST);
  note(&cut, v);
  ln_v_key(b, ln_str_of(key));
  ln_v_str(b, ln_buf_view(&cut));
  ln_buf_free(&cut);
}

/* The names of a kind that an entity was resolved to. */
static ln_str first_name(ln_str names, const char *kind) {
  ln_vitem list, item;
  if (!names.n || !ln_v_get(names, ln_str_of(kind), &list)) return (ln_str){NULL, 0};
  if (list.tag == 'S') return list.s;
  ln_str rest = list.body;
  return list.tag == 'A' && rest.n && ln_v_read(&rest, &item) ? item.s : (ln_str){NULL, 0};
}

/* An entity is told as a host or an account where it is one, by the name that people know. */
static void note_effect(found *f, ln_str e) {
  ln_vitem v = {0};
  ln_str entity = ln_v_get_str(e, "entity"), names;
  ln_v_get(e, LN_STR("names"), &v);
  names = v.whole;
  ln_str label = ln_label_of(names, entity);
  note(&f->host, strcmp(ln_names_key(entity), "host") == 0 && label.n ? label : first_name(names, "host"));
  note(&f->user, strcmp(ln_names_key(entity), "user") == 0 && label.n ? label : first_name(names, "user"));
  if (f->n_effects++ >= EFFECTS_MOST) return;
  size_t mark = ln_v_begin(&f->effects, 'O', label.n ? 3 : 2);
  put_text(&f->effects, "entity", entity);
  if (label.n) put_text(&f->effects, "label", label);
  put_text(&f->effects, "op", ln_v_get_str(e, "op"));
  ln_v_end(&f->effects, mark);
}

static void note_effects(found *f, ln_str effects) {
  ln_vitem list, one;
  if (!effects.n || !ln_v_read(&effects, &list) || list.tag != 'A') return;
  for (ln_str rest = list.body; rest.n && ln_v_read(&rest, &one);) note_effect(f, one.whole);
}

/* A text, or the first of `keys` that an object has. */
static void note_member(ln_buf *b, ln_str object, const char *key, const char *const *keys) {
  ln_vitem v;
  if (!ln_v_get(object, ln_str_of(key), &v)) return;
  if (v.tag == 'S') note(b, v.s);
  for (; v.tag == 'O' && *keys; keys++) note(b, ln_v_get_str(v.whole, *keys));
}

/* Of an alert, or of what else is called so among a playbook's inputs. */
static void note_input(found *f, ln_str input) {
  static const char *const hosts[] = {"hostname", NULL}, *const users[] = {"email", "name", NULL};
  ln_vitem alert = {0};
  ln_v_get(input, LN_STR("alert"), &alert);
  ln_str from[] = {alert.whole, input};
  for (size_t i = 0; i < 2; i++) {
    if (!from[i].n) continue;
    note_member(&f->host, from[i], "device", hosts);
    note_member(&f->host, from[i], "host", hosts);
    note_member(&f->user, from[i], "user", users);
  }
}

static bool see_run(void *arg, const ln_run_row *r) {
  found *f = arg;
  note(&f->playbook, r->playbook);
  note(&f->started_by, r->started_by);
  if (ln_str_eq(f->n->event, LN_STR("failed"))) note(&f->why, ln_v_get_str(r->error, "message"));
  note_input(f, r->input);
  return false;
}

static bool see_approval(void *arg, const ln_approval *a) {
  found *f = arg;
  bool waits = ln_str_eq(a->state, LN_STR("waiting")), decided = ln_str_eq(f->n->event, LN_STR("decided"));
  f->gone = waits == decided;
  note(&f->by, a->by);
  note(&f->comment, a->comment);
  note(&f->state, a->state);
  note(&f->title, a->title);
  if (!a->run) note(&f->playbook, ln_v_get_str(a->detail, "playbook"));
  if (a->expires_ms) ln_format_time(a->expires_ms, f->expires);
  note_effects(f, a->effects);
  return false;
}

static const char *command_for(ln_str event) {
  static const struct { const char *event, *command; } all[] = {
      {"doubt", "lunette show "}, {"failed", "lunette show "}, {"quarantined", "lunette resume "}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (ln_str_eq(event, ln_str_of(all[i].event))) return all[i].command;
  return NULL;
}

/* What a person types next. */
static void note_next(found *f) {
  const ln_notice *n = f->n;
  const char *command = command_for(n->event);
  bool asked = ln_str_eq(n->event, LN_STR("approval")) || ln_str_eq(n->event, LN_STR("paused"));
  if (asked) snprintf(f->next, sizeof f->next, "lunette approve %lld", (long long)n->approval);
  else if (command && n->ulid[0]) snprintf(f->next, sizeof f->next, "%s%s", command, n->ulid);
  else if (ln_str_eq(n->event, LN_STR("frozen"))) snprintf(f->next, sizeof f->next, "lunette thaw");
}

/* A run, or a question, that is no more has nobody who waits. */
static bool find(found *f, ln_err *err) {
  const ln_notice *n = f->n;
  ln_err none = {0};
  if (n->approval && !ln_store_approval(f->g->store, n->approval, see_approval, f, &none)) f->gone = true;
  if (n->detail.n) {
    note_effect(f, n->detail);
    if (!ln_v_get_str(n->detail, "op").n) ln_buf_cut(&f->effects, 0), f->n_effects = 0;
    note(&f->by, ln_v_get_str(n->detail, "by"));
    note(&f->title, ln_v_get_str(n->detail, "title"));
    note(&f->why, ln_v_get_str(n->detail, "why"));
  }
  if (n->run && !ln_err_is(&none, "store") && !ln_store_run_get(f->g->store, n->run, see_run, f, &none))
    f->gone = true;
  if (n->approval) ln_str_int(n->approval, f->approval);
  if (f->n_effects > EFFECTS_MOST) ln_str_int((int64_t)(f->n_effects - EFFECTS_MOST), f->more);
  note_next(f);
  if (!ln_err_is(&none, "store") && !ln_err_is(&none, "memory")) return true;
  *err = none;
  return false;
}

/* ------------------------------------------------------------------ the facts */

static void put_facts(const found *f, ln_str link, ln_buf *out) {
  const struct { const char *key; ln_str v; } all[] = {
      {"approval", ln_str_of(f->approval)},
      {"by", ln_buf_view(&f->by)},
      {"comment", ln_buf_view(&f->comment)},
      {"effects", {NULL, 0}},                            /* a list                                          */
      {"event", f->n->event},
      {"expires", ln_str_of(f->expires)},
      {"host", ln_buf_view(&f->host)},
      {"link", link},
      {"more", ln_str_of(f->more)},
      {"next", ln_str_of(f->next)},
      {"playbook", ln_buf_view(&f->playbook)},
      {"run", ln_str_of(f->n->ulid)},
      {"started_by", ln_buf_view(&f->started_by)},
      {"state", ln_buf_view(&f->state)},
      {"step", f->n->step},
      {"title", ln_buf_view(&f->title)},
      {"user", ln_buf_view(&f->user)},
      {"why", ln_buf_view(&f->why)}};
  size_t n = 1, most = f->n_effects < EFFECTS_MOST ? f->n_effects : EFFECTS_MOST;
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) n += all[i].v.n > 0;
  size_t mark = ln_v_begin(out, 'O', n);
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    if (all[i].v.n) put_text(out, all[i].key, all[i].v);
    if (strcmp(all[i].key, "effects") != 0) continue;
    ln_v_key(out, LN_STR("effects"));
    size_t list = ln_v_begin(out, 'A', most);
    ln_buf_add(out, ln_buf_view(&f->effects));
    ln_v_end(out, list);
  }
  ln_v_end(out, mark);
}

bool ln_notice_look(ln_engine *g, const ln_notice *n, ln_str link, ln_notice_facts *out, ln_err *err) {
  found f = {.g = g, .n = n};
  ln_buf *b;
  ln_buf_init(&out->facts, (size_t)1 << 20);
  ln_buf_init(&out->message, MESSAGE_MOST);
  for (size_t i = 0; (b = texts_of(&f, i)); i++) ln_buf_init(b, (size_t)1 << 20);
  bool ok = find(&f, err);
  out->gone = f.gone;
  if (ok && !f.gone) put_facts(&f, link, &out->facts);
  for (size_t i = 0; (b = texts_of(&f, i)); i++) ln_buf_free(b);
  return ok && ln_buf_ok(&out->facts, err);
}

/* ------------------------------------------------------------------ the message */

typedef struct writing { ln_str module; ln_notice_facts *f; ln_buf *value; } writing;

/* A table is sent as JSON, a text as it is. */
static int l_written(lua_State *L, int status, lua_KContext ctx) {
  writing *w = lua_touserdata(L, lua_upvalueindex(1));
  ln_err err = {0};
  (void)status, (void)ctx;
  w->f->json = lua_istable(L, -1);
  if (!w->f->json && lua_type(L, -1) != LUA_TSTRING)
    return luaL_error(L, "%s must return a table or a text, got a %s", w->module.p, luaL_typename(L, -1));
  return lnL_encode(L, -1, w->value, &err) ? 0 : lnL_raise(L, &err);
}

static int l_write(lua_State *L) {
  writing *w = lua_touserdata(L, lua_upvalueindex(1));
  lua_pushcfunction(L, lnL_require);
  lua_pushlstring(L, w->module.p, w->module.n);
  lua_call(L, 1, 1);                                   /* message       */
  if (!lua_isfunction(L, -1))
    return luaL_error(L, "%s must return a function of a notice, got a %s", w->module.p,
                      luaL_typename(L, -1));
  lnL_decode(L, ln_buf_view(&w->f->facts));            /* message facts */
  lua_callk(L, 1, 1, 0, l_written);
  return l_written(L, LUA_OK, 0);
}

void ln_notice_module(ln_str format, ln_buf *out) {
  if (ln_str_find(format, LN_STR(".")) < 0) ln_buf_addz(out, "notify.");
  ln_buf_add(out, format);
}

bool ln_notice_write(ln_run *scratch, ln_str format, ln_notice_facts *f, ln_err *err) {
  ln_buf module, value;
  ln_buf_init(&module, 4096);
  ln_buf_init(&value, MESSAGE_MOST);
  ln_notice_module(format, &module);
  ln_buf_addc(&module, '\0');
  writing w = {.f = f, .value = &value};
  bool ok = ln_buf_ok(&module, err);
  if (ok) w.module = (ln_str){module.p, module.n - 1};
  ok = ok && ln_scratch_work(scratch, l_write, &w, err);
  if (ok && f->json) ok = ln_json_encode(ln_buf_view(&value), &f->message, err);
  else if (ok) {
    ln_str rest = ln_buf_view(&value), text;
    ok = ln_v_read_str(&rest, &text) && ln_buf_add(&f->message, text);
  }
  ln_buf_free(&module);
  ln_buf_free(&value);
  return ok && ln_buf_ok(&f->message, err);
}
