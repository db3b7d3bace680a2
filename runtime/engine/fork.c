/* fork.c: children of a branch: map, parallel, stage and approved are made of these.  The parent gives the
** turn; children start in order, `width` at once; when one ends its value moves into the list of results
** and its branch is freed, so a map over ten thousand items holds as many branches as run at once. */
#include "engine/inside.h"
#include "engine/opaque.h"

#include <lauxlib.h>
#include <stdlib.h>

ln_fork *lnL_fork_new(lua_State *L, size_t total, ln_err *err) {
  ln_branch *b = lnL_here(L);
  if (b->depth >= LN_BRANCHES_DEEP) {
    ln_fail(err, "bad_argument", LN_FINAL, "branches are nested more than %d deep", LN_BRANCHES_DEEP);
    return NULL;
  }
  if (b->asked) ln_effect_free(b->asked); /* what raised while it was made */
  if (b->fork) ln_fork_free(b);
  ln_fork *f = calloc(1, sizeof *f);
  if (!f || !(f->names = calloc(total ? total : 1, sizeof *f->names))) {
    free(f);
    ln_fail(err, "memory", LN_AGAIN, "no memory for %zu branches", total);
    return NULL;
  }
  f->total = total;
  f->width = total ? total : 1;
  f->fns_ref = f->items_ref = f->results_ref = LUA_NOREF;
  b->fork = f;
  return f;
}

void ln_fork_free(ln_branch *parent) {
  ln_fork *f = parent->fork;
  lua_State *L = ln_vm_main(parent->run->vm);
  parent->fork = NULL;
  if (!f) return;
  luaL_unref(L, LUA_REGISTRYINDEX, f->fns_ref);
  luaL_unref(L, LUA_REGISTRYINDEX, f->items_ref);
  luaL_unref(L, LUA_REGISTRYINDEX, f->results_ref);
  for (size_t i = 0; i < f->total; i++) free(f->names[i]);
  free(f->names);
  ln_play_drop(f->play);
  if (f->plan_into) ln_buf_free(f->plan_into);
  free(f->plan_into);
  ln_permit_free(f->permit);
  free(f);
}

/* ------------------------------------------------------------------ starting */

struct starting { ln_fork *f; lua_State *co; size_t i; };

/* Pushes the child's function, and its item, on its coroutine. */
static int l_load_child(lua_State *L) {
  struct starting *s = lua_touserdata(L, 1);
  lua_pushcfunction(s->co, lnL_branch);
  lua_rawgeti(s->co, LUA_REGISTRYINDEX, s->f->fns_ref);              /* co: … fn or list  */
  if (lua_istable(s->co, -1)) {
    lua_rawgeti(s->co, -1, (lua_Integer)s->i + 1);                   /* co: list fn       */
    lua_remove(s->co, -2);                                           /* co: fn            */
  }
  if (s->f->items_ref != LUA_NOREF) {
    lua_rawgeti(s->co, LUA_REGISTRYINDEX, s->f->items_ref);          /* co: fn items      */
    lua_rawgeti(s->co, -1, (lua_Integer)s->i + 1);                   /* co: fn items item */
    lua_remove(s->co, -2);                                           /* co: fn item       */
  }
  return 0;
}

static void child_ended(ln_branch *child);

static bool start_child(ln_branch *parent, size_t i) {
  ln_fork *f = parent->fork;
  ln_err err = {0};
  ln_branch *child = ln_branch_new(parent->run, parent, f->names[i], &err);
  if (child) {
    struct starting s = {f, child->co, i};
    child->index = i;
    child->on_end = child_ended;
    child->is_item = f->total > 1 && f->items_ref != LUA_NOREF;
    child->polling |= f->polling;
    if (f->plan_into) child->plan_into = f->plan_into;
    if (f->permit) child->permit = f->permit;
    if (f->play) {
      ln_play_drop(child->play);
      child->play = ln_play_keep(f->play);
    }
    if (ln_vm_protect(parent->run->vm, l_load_child, &s, &err)) {
      ln_branch_wake(child);
      return true;
    }
  }
  ln_run_end_attempt(parent->run, &err);
  return false;
}

/* ------------------------------------------------------------------ ending */

struct ending { ln_fork *f; ln_branch *child; bool unknown; };

/* A branch of a plan that ended for what it cannot know has not failed: what it would have returned is not
** known either, and the report says what it would need. [-0, +1, e] */
static void push_unknown(lua_State *L, ln_branch *child) {
  ln_err why = {0}, err = {0};
  lnL_to_error(child->co, -1, &why);
  ln_buf *b = lnL_new_buf(L, 4096);                           /* owner           */
  if (!ln_opaque_put_why(b, &why)) lnL_raisef(L, "memory", "no memory for what a plan does not know");
  lnL_decode(L, ln_buf_view(b));                              /* owner opaque    */
  ln_buf_free(b);
  lua_remove(L, -2);
  if (!ln_plan_stuck(child, &why, lnL_error_at(child->co, -1), &err)) lnL_raise(L, &err);
}

static int l_take_result(lua_State *L) {
  struct ending *e = lua_touserdata(L, 1);
  lua_State *co = e->child->co;
  e->unknown = e->child->failed && ln_branch_is_plan(e->child) && lnL_is_unknown(co, -1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, e->f->results_ref);       /* e results       */
  lua_createtable(L, 0, 3);                                   /* e results r     */
  lua_pushboolean(L, !e->child->failed || e->unknown);        /* e results r ok  */
  lua_setfield(L, -2, "ok");                                  /* e results r     */
  if (e->unknown) {
    push_unknown(L, e->child);                                /* e results r v   */
    lua_setfield(L, -2, "value");                             /* e results r     */
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "unknown");
  } else if (e->child->failed || e->child->nres > 0) {
    lua_pushvalue(co, e->child->failed ? -1 : -e->child->nres);
    lua_xmove(co, L, 1);                                      /* e results r v   */
    lua_setfield(L, -2, "value");                             /* e results r     */
  }
  lua_rawseti(L, -2, (lua_Integer)e->child->index + 1);       /* e results       */
  return 0;
}

static void stop_others(ln_branch *parent) {
  parent->fork->stopping = true;
  for (ln_branch *b = parent->run->branches; b; b = b->next)
    if (b->parent == parent && b->state != LN_B_ENDED) ln_branch_cancel(b);
}

static void advance(ln_branch *parent) {
  ln_fork *f = parent->fork;
  while (f->started < f->total && f->started - f->ended < f->width && !f->stopping)
    if (!start_child(parent, f->started++)) return;
  if (f->ended == f->started && (f->started == f->total || f->stopping)) ln_branch_wake(parent);
}

static void child_ended(ln_branch *child) {
  ln_branch *parent = child->parent;
  ln_fork *f = parent->fork;
  struct ending e = {.f = f, .child = child};
  ln_err err = {0};
  if (!ln_vm_protect(parent->run->vm, l_take_result, &e, &err)) {
    ln_run_end_attempt(parent->run, &err);
    return;
  }
  bool failed = child->failed && !e.unknown;
  ln_branch_free(child);
  f->ended++;
  if (failed && f->stop_on_error && !f->stopping) stop_others(parent);
  advance(parent);
}

void ln_fork_begin(ln_branch *parent) { advance(parent); }

static int joined(lua_State *L, int status, lua_KContext ctx) {
  ln_branch *b = lnL_here(L);
  lua_KFunction k = b->fork->k;
  lua_KContext then = b->fork->ctx;
  (void)status;
  (void)ctx;
  if (b->fork->keep) return k(L, LUA_YIELD, then);         /* it takes what it wants, and frees the fork */
  lua_rawgeti(L, LUA_REGISTRYINDEX, b->fork->results_ref); /* … results */
  ln_fork_free(b);
  return k(L, LUA_YIELD, then);
}

int lnL_fork_wait(lua_State *L, ln_fork *f, lua_KContext ctx, lua_KFunction k) {
  f->k = k;
  f->ctx = ctx;
  lua_newtable(L);                                         /* … results */
  f->results_ref = luaL_ref(L, LUA_REGISTRYINDEX);         /* …         */
  return lnL_wait(L, 0, joined);
}
