/* scratch.c: one protected call in a scratch VM. */
#include "engine/scratch.h"

#include <lauxlib.h>

typedef struct pushing { ln_run *run; lua_CFunction fn; void *job; } pushing;

/* The root branch of a scratch run is used again and again: it has returned each time. */
static int l_push(lua_State *L) {
  const pushing *p = lua_touserdata(L, 1);
  lua_State *co = p->run->root->co;
  lua_settop(co, 0);
  lua_pushlightuserdata(co, p->job);
  lua_pushcclosure(co, p->fn, 1);
  return 0;
}

typedef struct looked { ln_effect *e; ln_buf value; ln_err err; bool ok; } looked;

static bool look_apply(ln_tx *tx, void *arg, ln_err *err) {
  looked *l = arg;
  (void)err;
  l->ok = l->e->op->apply(tx, l->e, &l->value, &l->err);
  return true;
}

static bool only_store_get(ln_effect *e, ln_err *err) {
  looked l = {.e = e};
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

/* A VM that much is left in is not worth going through for garbage. */
static bool is_full(const ln_run *r) {
  return r->vm && ln_vm_memory(r->vm) > r->engine->config->memory / 2;
}

/* Who failed, was ended, or asked for what it may not, has left its VM in the middle of things: the next one
** gets another. */
static bool call(ln_run *scratch, lua_CFunction fn, void *job, bool (*asked)(ln_effect *e, ln_err *err),
                 ln_err *err) {
  pushing p = {scratch, fn, job};
  ln_err none;
  if ((!scratch->vm || is_full(scratch)) && !ln_scratch_renew(scratch, err)) return false;
  scratch->root->cpu_us = 0;
  if (ln_vm_protect(scratch->vm, l_push, &p, err) && ln_scratch_turns(scratch, asked, err))
    return true;
  ln_scratch_renew(scratch, &none); /* else it is tried again */
  return false;
}

bool ln_scratch_call(ln_run *scratch, lua_CFunction fn, void *job, ln_err *err) {
  return call(scratch, fn, job, only_store_get, err);
}

bool ln_scratch_work(ln_run *scratch, lua_CFunction fn, void *job, ln_err *err) {
  return call(scratch, fn, job, NULL, err);
}
