/* branch.c: the branches of a run: coroutines with a name, turns by operation, and the playbook they run
** under. A branch is runnable, runs, asks, joins its children, or has ended; only a delivery or the end of
** its last child makes it runnable again, so what runs next never depends on how fast anything was. */
#include "engine/inside.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

/* ------------------------------------------------------------------ playbooks' grants */

ln_play *ln_play_keep(ln_play *p) {
  if (p) p->refs++;
  return p;
}

static void free_texts(char **v, size_t n) {
  for (size_t i = 0; i < n; i++) free(v[i]);
  free(v);
}

void ln_play_drop(ln_play *p) {
  if (!p || --p->refs > 0) return;
  free_texts(p->uses, p->n_uses);
  free_texts(p->d3fend, p->n_d3fend);
  free(p->name);
  free(p->stage);
  free(p);
}

/* "okta" grants okta.users; "t1059.*" grants t1059.harden; a name grants itself. */
static bool use_grants(ln_str use, ln_str what) {
  if (ln_str_ieq(use, what)) return true;
  if (ln_str_ends(use, LN_STR(".*"))) return ln_str_starts(what, (ln_str){use.p, use.n - 1});
  return ln_str_starts(what, use) && what.p[use.n] == '.';
}

bool ln_play_grants(const ln_play *p, ln_str what) {
  if (!p) return true;
  for (size_t i = 0; i < p->n_uses; i++)
    if (use_grants(ln_str_of(p->uses[i]), what)) return true;
  return false;
}

/* ------------------------------------------------------------------ making and ending */

struct anchor { lua_State *co; int ref; };

static int l_thread(lua_State *L) {
  struct anchor *a = lua_touserdata(L, 1);
  a->co = lua_newthread(L);                     /* a co */
  a->ref = luaL_ref(L, LUA_REGISTRYINDEX);      /* a    */
  return 0;
}

static void inherit(ln_branch *b, ln_branch *parent) {
  if (!parent) return;
  b->depth = parent->depth + 1;
  b->play = ln_play_keep(parent->play);
  b->permit = parent->permit;
  b->plan_into = parent->plan_into;
  b->polling = parent->polling;
  b->cancelled = parent->cancelled;
}

ln_branch *ln_branch_new(ln_run *r, ln_branch *parent, const char *name, ln_err *err) {
  struct anchor a = {NULL, LUA_NOREF};
  ln_branch *b = calloc(1, sizeof *b);
  if (!b || !(b->name = ln_str_dup(ln_str_of(name)))) {
    free(b);
    ln_fail(err, "memory", LN_AGAIN, "no memory for a branch");
    return NULL;
  }
  if (parent && parent->depth >= LN_BRANCHES_DEEP) {
    ln_fail(err, "bad_argument", LN_FINAL, "branches are nested more than %d deep", LN_BRANCHES_DEEP);
    goto fail;
  }
  if (!ln_vm_protect(r->vm, l_thread, &a, err)) goto fail;
  b->run = r;
  b->parent = parent;
  b->co = a.co;
  b->ref = a.ref;
  b->lib_ref = LUA_NOREF;
  inherit(b, parent);
  b->next = r->branches;
  if (b->next) b->next->prev = b;
  r->branches = b;
  b->state = LN_B_JOINING;
  return b;
fail:
  free(b->name);
  free(b);
  return NULL;
}

static void branch_free(ln_branch *b) {
  if (b->held_by) *b->held_by = NULL;
  if (b->asked) ln_effect_free(b->asked);
  if (b->fork) ln_fork_free(b);
  ln_tally_free(&b->turns);
  ln_play_drop(b->play);
  free(b->name);
  free(b);
}

void ln_branch_free(ln_branch *b) {
  ln_run *r = b->run;
  luaL_unref(ln_vm_main(r->vm), LUA_REGISTRYINDEX, b->ref);
  luaL_unref(ln_vm_main(r->vm), LUA_REGISTRYINDEX, b->lib_ref);
  if (b->prev) b->prev->next = b->next;
  else r->branches = b->next;
  if (b->next) b->next->prev = b->prev;
  branch_free(b);
}

void ln_branch_free_all(ln_run *r) {
  while (r->branches) {
    ln_branch *b = r->branches;
    r->branches = b->next;
    branch_free(b);
  }
  r->root = r->current = r->runnable = r->runnable_last = r->sliced = NULL;
}

bool ln_branch_is_plan(const ln_branch *b) { return b->run->planning || b->plan_into; }

void ln_branch_wake(ln_branch *b) {
  ln_run *r = b->run;
  b->state = LN_B_RUNNABLE;
  b->next_runnable = NULL;
  if (r->runnable_last) r->runnable_last->next_runnable = b;
  else r->runnable = b;
  r->runnable_last = b;
}

static bool below(const ln_branch *b, const ln_branch *top) {
  while (b && b != top) b = b->parent;
  return b == top;
}

/* What a cancel does not stop: what may have been sent, what is in the writer's queue, and what the
** journal knows. */
static bool is_bound(const ln_effect *e) {
  if (e->with_writer || (e->record && (e->record->has_result || ln_effect_is_open(e)))) return true;
  return e->op->cls == LN_WRITE ? ln_write_is_under_way(e) : e->op->cls == LN_LOCAL && e->started;
}

/* A wait or a read in flight is let go at once; a write that may have been sent is finished and recorded
** first (write.c looks at the branch's flag before it sends).  In a replay the recorded delivery says how
** it ended. */
void ln_branch_cancel(ln_branch *top) {
  static const ln_err gone = {.code = "cancelled", .message = "the branch was cancelled"};
  for (ln_branch *b = top->run->branches; b; b = b->next) {
    if (b->cancelled || b->state == LN_B_ENDED || !below(b, top)) continue;
    b->cancelled = true;
    ln_effect *e = b->asked;
    if (!e || e->finished || !top->run->live || b->state != LN_B_ASKING || is_bound(e)) continue;
    ln_effect_drop(e);
    if (e->op->cls == LN_WRITE) ln_write_cancel(e);
    else ln_effect_finish_err(e, "cancelled", &gone);
  }
}

ln_branch *lnL_here(lua_State *L) {
  ln_run *r = *ln_vm_user(ln_vm_of(L));
  return r ? r->current : NULL;
}

ln_run *lnL_run(lua_State *L) { return *ln_vm_user(ln_vm_of(L)); }
ln_engine *lnL_engine(lua_State *L) { return lnL_run(L)->engine; }
bool lnL_granted(lua_State *L, ln_str what) { return ln_play_grants(lnL_here(L)->play, what); }

/* ------------------------------------------------------------------ names */

static bool is_special(char c) {
  return c == '/' || c == '%' || c == '#' || (unsigned char)c < 0x20 || c == 0x7f;
}

bool ln_name_is_plain(ln_str s) {
  for (size_t i = 0; i < s.n; i++)
    if (is_special(s.p[i])) return false;
  return true;
}

void ln_name_escape(ln_buf *out, ln_str s) {
  for (size_t i = 0; i < s.n; i++) {
    if (is_special(s.p[i])) ln_buf_addf(out, "%%%02X", (unsigned)(unsigned char)s.p[i]);
    else ln_buf_addc(out, s.p[i]);
  }
}

/* An author's own name comes escaped, '#' too, so it is never that of an operation's turn; nor is it the
** core's own. */
static bool may_be_called(ln_str as, int64_t turn, ln_err *err) {
  if (as.n && turn > 1)
    return ln_fail(err, "bad_argument", LN_FINAL,
                   "the name \"%.*s\" is taken in this branch: names must differ",
                   as.n > 200 ? 200 : (int)as.n, as.p);
  if (ln_str_starts(as, LN_STR("run.")))
    return ln_fail(err, "bad_argument", LN_FINAL,
                   "names that begin with \"run.\" are the core's own: choose another");
  return turn || ln_fail(err, "memory", LN_AGAIN, "no memory for a step's name");
}

static char *put(char *at, ln_str s) {
  if (s.n) memcpy(at, s.p, s.n);
  return at + s.n;
}

char *ln_branch_step_name(ln_branch *b, ln_str op, ln_str as, ln_err *err) {
  enum { LONGEST = 4096 };
  ln_str branch = ln_str_of(b->name), own = as.n ? as : op, number = {NULL, 0};
  char digits[LN_INT_TEXT];
  int64_t turn = ln_tally_add(&b->turns, own);
  if (!may_be_called(as, turn, err)) return NULL;
  if (!as.n) number = ln_str_int(turn, digits);
  size_t n = branch.n + own.n + number.n + 2;
  char *name = n <= LONGEST ? malloc(n + 1) : NULL, *at = name;
  if (n > LONGEST)
    ln_fail(err, "bad_argument", LN_FINAL, "a step's name is too long (%d bytes at most)", LONGEST);
  else if (!name)
    ln_fail(err, "memory", LN_AGAIN, "no memory for a step's name");
  if (!name) return NULL;
  at = put(at, branch);
  if (branch.n) *at++ = '/';
  at = put(at, own);
  if (number.n) *at++ = '#';
  *put(at, number) = '\0';
  return name;
}
