/* door.h: a small engine for tests of modules: effects are carried out by their classes, one at a time, at
** once; a write is looked at, sent and recorded; local effects go through the real store's writer.  What a
** test wants to see (arguments as the journal would have them, what a write said) stays in `door` until the
** next effect.  In a coroutine an effect yields first, as in a run, and the test's loop resumes it. */
#ifndef LN_TEST_DOOR_H
#define LN_TEST_DOOR_H

#include "base/gcm.h"
#include "base/hash.h"
#include "engine/engine.h"
#include "engine/note.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

struct ln_effect {
  const ln_op *op;
  ln_buf args, outcome, before, names, undo, unchanged;
  ln_write w;
  void *work;
  void (*free_work)(void *work);
  char *kept[16];
  size_t n_kept;
  bool answered, ok;
  ln_outcome how;
  ln_err err;
};

static struct {
  ln_engine engine;
  ln_effect e;                                           /* the last one                                    */
  ln_buf note;                                           /* the last note, encoded                          */
  char note_kind[32];
  bool in_run;
  int effects;
} door;

/* --- the run --- */
ln_vm *ln_vm_of(lua_State *L) { (void)L; return door.in_run ? (ln_vm *)&door : NULL; }
void **ln_vm_user(ln_vm *vm) { static void *run = &door; (void)vm; return &run; }
ln_engine *lnL_engine(lua_State *L) { (void)L; return &door.engine; }
void lnL_where(lua_State *L, char *out, size_t n) { (void)L; snprintf(out, n, "test.lua:1"); }
void lnL_finalises(lua_State *L) { (void)L; }

void lnL_note(lua_State *L, const char *kind, int idx) {
  ln_err err = {0};
  ln_buf_free(&door.note);
  ln_buf_init(&door.note, 1 << 20);
  snprintf(door.note_kind, sizeof door.note_kind, "%s", kind);
  if (!lnL_encode(L, idx, &door.note, &err)) lnL_raise(L, &err);
}

/* --- secrets: the value of a secret is "value of NAME", or 32 bytes of a letter --- */
const ln_credential *ln_config_credential(const ln_config *c, ln_str name) {
  for (size_t i = 0; i < c->n_credentials; i++)
    if (ln_str_eq(c->credentials[i].name, name)) return &c->credentials[i];
  return NULL;
}

bool ln_secret_get(ln_vault *v, ln_str name, ln_buf *out, ln_err *err) {
  (void)v;
  if (ln_str_eq(name, LN_STR("lost"))) return ln_fail(err, "not_found", LN_FINAL, "no secret 'lost'");
  if (ln_str_eq(name, LN_STR("aes"))) return ln_buf_addz(out, "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk");
  if (ln_str_eq(name, LN_STR("aes64")))
    return ln_buf_addz(out, "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=");
  return ln_buf_addz(out, "value of ") && ln_buf_add(out, name);
}

static const uint8_t door_key[LN_GCM_KEY] = {1, 2, 3}, door_nonce[LN_GCM_NONCE] = {4};
bool ln_seal(ln_vault *v, ln_tx *tx, ln_str plain, ln_str aad, ln_buf *out, ln_err *err) {
  (void)tx;
  (void)v;
  return ln_gcm_seal(door_key, door_nonce, aad, plain, out, err);
}
bool ln_unseal(ln_vault *v, ln_str sealed, ln_str aad, ln_buf *out, ln_err *err) {
  (void)v;
  return ln_gcm_open(door_key, door_nonce, aad, sealed, out, err);
}

/* --- effects --- */
const ln_op *ln_effect_op(const ln_effect *e) { return e->op; }
ln_engine *ln_effect_engine(const ln_effect *e) { (void)e; return &door.engine; }
ln_str ln_effect_args(const ln_effect *e) { return ln_buf_view(&e->args); }
ln_str ln_effect_before(const ln_effect *e) { return ln_buf_view(&e->before); }
ln_str ln_effect_tag(const ln_effect *e) { (void)e; return LN_STR("lunette 01TEST/step#1"); }
ln_str ln_effect_name(const ln_effect *e) { return ln_str_of(e->op->name); }
void *ln_effect_work(const ln_effect *e) { return e->work; }

char *ln_effect_keep(ln_effect *e, ln_str s, ln_str *kept) {
  char *p = ln_str_dup(s);
  if (!p || e->n_kept == 16) abort();
  e->kept[e->n_kept++] = p;
  *kept = (ln_str){p, s.n};
  return p;
}

static void door_clear(void) {
  ln_effect *e = &door.e;
  if (e->free_work) e->free_work(e->work);
  while (e->n_kept) free(e->kept[--e->n_kept]);
  ln_buf *all[] = {&e->args, &e->outcome, &e->before, &e->names, &e->undo, &e->unchanged};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) ln_buf_free(all[i]);
  *e = (ln_effect){0};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) ln_buf_init(all[i], (size_t)100 << 20);
}

static void door_answer(ln_effect *e, bool ok, ln_outcome how, ln_str value, const ln_err *err) {
  if (e->answered) abort(); /* exactly once */
  e->answered = true;
  e->ok = ok;
  e->how = how;
  ln_buf_cut(&e->outcome, 0);
  ln_buf_add(&e->outcome, value);
  if (err) e->err = *err;
}

void ln_effect_done(ln_effect *e, ln_str value) { door_answer(e, true, LN_DID, value, NULL); }
void ln_effect_fail(ln_effect *e, const ln_err *err) { door_answer(e, false, LN_DID_NOT, (ln_str){0}, err); }
void ln_write_sent(ln_effect *e, ln_outcome o, ln_str value, const ln_err *err) {
  door_answer(e, o == LN_DID, o, value, err);
}
void ln_write_probed(ln_effect *e, ln_outcome o, ln_str value, const ln_err *err) {
  door_answer(e, o == LN_DID, o, value, err);
}
void ln_write_looked(ln_effect *e, const ln_look *l, const ln_err *err) {
  if (err) {
    door_answer(e, false, LN_DID_NOT, (ln_str){0}, err);
    return;
  }
  ln_buf_cut(&e->before, 0);
  ln_buf_add(&e->before, l->before);
  ln_buf_add(&e->names, l->names);
  ln_buf_add(&e->undo, l->undo);
  ln_buf_add(&e->unchanged, l->unchanged);
  if (ln_str_eq(l->before, e->w.to)) door_answer(e, true, LN_DID_UNCHANGED, l->unchanged, NULL);
}

static bool door_apply(ln_tx *tx, void *arg, ln_err *err) {
  ln_effect *e = arg;
  ln_buf_cut(&e->outcome, 0);
  return e->op->apply(tx, e, &e->outcome, err);
}

static void door_carry_out(ln_effect *e) {
  switch (e->op->cls) {
  case LN_LOCAL:
    e->ok = ln_writer_run(door.engine.store, door_apply, e, &e->err);
    e->answered = true;
    break;
  case LN_WRITE:
    if (!e->op->write->describe(e, &e->w, &e->err)) {
      e->answered = true;
      break;
    }
    e->op->write->look(e);
    if (!e->answered) e->op->write->send(e);
    break;
  default: e->op->start(e);
  }
}

static int door_delivered(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  ln_effect *e = &door.e;
  if (!e->answered) door_carry_out(e);
  if (!e->answered) abort();
  if (!e->ok) return lnL_raise(L, &e->err);
  lnL_decode(L, ln_buf_view(&e->outcome));
  return 1;
}

/* The arguments without what is the engine's. */
static void door_take_args(lua_State *L, int args) {
  ln_err err;
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, args); lua_pop(L, 1)) {
    const char *key = lua_tostring(L, -2);
    if (!strcmp(key, "as") || !strcmp(key, "wait") || !strcmp(key, "lease") || !strcmp(key, "timeout"))
      continue;
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, -5);
  }
  if (!lnL_encode(L, -1, &door.e.args, &err)) lnL_raise(L, &err);
  lua_pop(L, 1);
}

int lnL_effect(lua_State *L, const ln_op *op, int args, void *work, void (*free_work)(void *work)) {
  door_clear();
  door.effects++;
  door.e.op = op;
  door.e.work = work;
  door.e.free_work = free_work;
  door_take_args(L, args);
  if (lua_isyieldable(L)) return lua_yieldk(L, 0, 0, door_delivered);
  return door_delivered(L, LUA_OK, 0);
}

#endif
