/* travel_look.c: frames, their variables, and what is evaluated in them.
**
** A branch is a chain of coroutines, the author's within the branch's own; each has frames.  A branch that
** stands at a line or waits can be looked at in the same way.  What is evaluated is a chunk whose
** environment finds names in the frame first: it runs as a guest (engine/vm.h), so whatever becomes of it
** the run stands as before. */
#include "debug/travel_parts.h"

#include "engine/vm_lib.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREAD_FRAMES = 10000, GUEST_MEMORY = 64 << 20, GUEST_SLICE_US = 10000, GUEST_CPU_US = 2000000 };

bool travel_guest(ln_travel *t, lua_CFunction fn, void *arg, ln_err *err) {
  static const ln_vm_limits limits = {GUEST_MEMORY, GUEST_SLICE_US, GUEST_CPU_US};
  ln_run *r = t->r;
  ln_branch *was = r->current, *b = was ? was : r->root;
  uint64_t rolls = b->rolls;
  int partial = r->partial;
  r->current = b;
  bool ok = ln_vm_guest(r->vm, fn, arg, &limits, &t->pause, err);
  r->current = was;
  b->rolls = rolls;
  r->partial = partial;
  return ok;
}

/* ------------------------------------------------------------------ chains of coroutines */

/* The coroutine that waits within co, as lib_coroutine.c left it; NULL: none.  [-0, +0, -] */
static lua_State *within(lua_State *co) {
  lua_Debug ar;
  lua_State *inner = NULL;
  if (!lua_checkstack(co, 2) || !lua_getstack(co, 0, &ar) || !lua_getinfo(co, "f", &ar)) return NULL;
  lua_CFunction f = lua_tocfunction(co, -1); /* co: f */
  const char *name = f ? lnL_lib_name(f) : NULL;
  bool wrapped = name && strcmp(name, "a coroutine.wrap") == 0;
  if (wrapped && lua_getupvalue(co, -1, 1)) inner = lua_tothread(co, -1), lua_pop(co, 1);
  lua_pop(co, 1);
  if (name && strcmp(name, "resume") == 0 && lua_getlocal(co, &ar, 1))
    inner = lua_tothread(co, -1), lua_pop(co, 1);
  return inner && lnL_busy(inner) ? inner : NULL;
}

/* The innermost first. */
static size_t chain_of(const ln_travel *t, const ln_branch *b, lua_State *out[TRAVEL_CHAIN]) {
  size_t n = 0;
  if (t->r->current == b) {
    while (n < TRAVEL_CHAIN && (out[n] = ln_vm_running(t->r->vm, n))) n++;
    return n;
  }
  for (lua_State *co = b->co; co && n < TRAVEL_CHAIN; co = within(co)) out[n++] = co;
  for (size_t i = 0; i < n / 2; i++) {
    lua_State *co = out[i];
    out[i] = out[n - 1 - i];
    out[n - 1 - i] = co;
  }
  return n;
}

/* Levels of one coroutine. */
static size_t levels(lua_State *L) {
  lua_Debug ar;
  int lo = 0, hi = 1;
  while (lua_getstack(L, hi, &ar)) lo = hi, hi *= 2;
  if (lo == 0 && !lua_getstack(L, 0, &ar)) return 0;
  while (lo + 1 < hi) {
    int mid = lo + (hi - lo) / 2;
    if (lua_getstack(L, mid, &ar)) lo = mid;
    else hi = mid;
  }
  return (size_t)lo + 1;
}

size_t travel_depth(ln_travel *t) {
  size_t n = 0;
  lua_State *co;
  for (size_t i = 0; (co = ln_vm_running(t->r->vm, i)); i++) n += levels(co);
  return n;
}

size_t travel_depth_of(ln_travel *t, const ln_branch *b) {
  lua_State *chain[TRAVEL_CHAIN];
  lua_Debug ar;
  size_t n = chain_of(t, b, chain), depth = 0, above = 0;
  for (size_t i = 0; i < n; i++) depth += levels(chain[i]);
  for (size_t i = 0; i < n; i++) /* what the core has above the first Lua function */
    for (int level = 0; lua_getstack(chain[i], level, &ar); level++, above++)
      if (lua_getinfo(chain[i], "l", &ar) && ar.currentline > 0) return depth - above;
  return depth;
}

/* ------------------------------------------------------------------ frames */

static bool is_of_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
         c == ':';
}

/* What the line calls a function that begins there: "function NAME", "NAME = function"; empty: nothing. */
static ln_str called_there(ln_str text) {
  ptrdiff_t at = ln_str_find(text, LN_STR("function"));
  if (at < 0) return (ln_str){NULL, 0};
  ln_str before = ln_str_trim((ln_str){text.p, (size_t)at});
  ln_str name = ln_str_trim((ln_str){text.p + at + 8, text.n - (size_t)at - 8});
  size_t n = 0;
  while (n < name.n && is_of_name(name.p[n])) n++;
  if (n) return (ln_str){name.p, n};
  if (!ln_str_ends(before, LN_STR("="))) return (ln_str){NULL, 0};
  before = ln_str_trim((ln_str){before.p, before.n - 1});
  for (n = before.n; n > 0 && is_of_name(before.p[n - 1]);) n--;
  return (ln_str){before.p + n, before.n - n};
}

/* Lua knows what a function was called by; of one that the core calls the source knows how it is called. */
static void fill(ln_travel *t, travel_frame *f, lua_State *co, int level, const lua_Debug *ar) {
  *f = (travel_frame){.co = co, .level = level, .line = ar->currentline};
  bool main = strcmp(ar->what, "main") == 0;
  snprintf(f->path, sizeof f->path, "%s", *ar->source == '@' ? ar->source + 1 : ar->short_src);
  if (main) snprintf(f->name, sizeof f->name, "the script");
  else if (ar->name) snprintf(f->name, sizeof f->name, "%s", ar->name);
  if (*f->name) return;
  ln_str name = called_there(travel_line(t, ln_str_of(f->path), ar->linedefined));
  if (name.n) snprintf(f->name, sizeof f->name, "%.*s", LN_STR_ARG(name));
  else snprintf(f->name, sizeof f->name, "function at line %d", ar->linedefined);
}

size_t travel_frames(ln_travel *t, const ln_branch *b, travel_frame *out, size_t most) {
  lua_State *chain[TRAVEL_CHAIN];
  lua_Debug ar;
  size_t n = chain_of(t, b, chain), k = 0;
  int64_t thread = travel_thread_of(t, b);
  for (size_t i = 0; i < n; i++)
    for (int level = 0; k < most && lua_getstack(chain[i], level, &ar); level++) {
      if (!lua_getinfo(chain[i], "nSl", &ar) || ar.currentline < 1) continue;
      fill(t, &out[k], chain[i], level, &ar);
      out[k].id = thread * THREAD_FRAMES + (int64_t)k + 1;
      k++;
    }
  return k;
}

static const ln_branch *branch_of(ln_travel *t, int64_t thread, ln_err *err) {
  const ln_branch *b = thread ? travel_branch(t, thread) : travel_current(t);
  if (!b) ln_fail(err, "not_found", LN_FINAL, "there are no frames here");
  return b;
}

/* The frame of an id, copied.  *f->co NULL: there are none here, and none was asked for. */
static bool frame_of(ln_travel *t, int64_t id, travel_frame *f, ln_err *err) {
  if (!t->r) return ln_fail(err, "not_found", LN_FINAL, "there is nothing here");
  const ln_branch *b = id ? travel_branch(t, id / THREAD_FRAMES) : travel_current(t);
  size_t nth = id ? (size_t)(id % THREAD_FRAMES) : 1;
  memset(f, 0, sizeof *f);
  if (!b && !id) return true;
  travel_frame *all = b && nth > 0 && nth <= TRAVEL_FRAMES ? malloc(nth * sizeof *all) : NULL;
  bool found = all && travel_frames(t, b, all, nth) == nth;
  if (found) *f = all[nth - 1];
  free(all);
  return found || (!id && b) || ln_fail(err, "not_found", LN_FINAL, "there is no such frame here");
}

static void put_frame(ln_travel *t, const travel_frame *f, ln_buf *doc) {
  size_t mark = ln_v_begin(doc, 'O', 5);
  ln_v_key(doc, LN_STR("id")), ln_v_int(doc, f->id);
  ln_v_key(doc, LN_STR("line")), ln_v_int(doc, f->line);
  ln_doc_text(doc, "module", ln_str_of(travel_module(t, ln_str_of(f->path))));
  ln_doc_text(doc, "name", ln_str_of(f->name));
  ln_doc_text(doc, "path", ln_str_of(f->path));
  ln_v_end(doc, mark);
}

bool ln_travel_frames(ln_travel *t, int64_t thread, ln_buf *doc, ln_err *err) {
  const ln_branch *b = t->r ? branch_of(t, thread, err) : NULL;
  travel_frame *all = b ? malloc(TRAVEL_FRAMES * sizeof *all) : NULL;
  if (b && !all) return ln_fail(err, "memory", LN_AGAIN, "no memory for frames");
  size_t n = all ? travel_frames(t, b, all, TRAVEL_FRAMES) : 0;
  size_t mark = ln_v_begin(doc, 'A', n);
  for (size_t i = 0; i < n; i++) put_frame(t, &all[i], doc);
  ln_v_end(doc, mark);
  free(all);
  return (b || !thread) && ln_buf_ok(doc, err);
}

static const char *state_of(const ln_travel *t, const ln_branch *b) {
  if (t->r->current == b) return "runs";
  if (b->state == LN_B_JOINING) return "joins";
  return b->state == LN_B_ASKING ? "waits" : "ready";
}

static void put_thread(ln_travel *t, const ln_branch *b, ln_buf *doc) {
  size_t mark = ln_v_begin(doc, 'O', 5);
  bool waits = b->state == LN_B_ASKING && b->asked;
  ln_v_key(doc, LN_STR("current")), ln_v_bool(doc, travel_current(t) == b);
  ln_v_key(doc, LN_STR("id")), ln_v_int(doc, travel_thread_of(t, b));
  ln_v_key(doc, LN_STR("name")), ln_v_str(doc, ln_str_of(b->name));
  ln_doc_text(doc, "state", ln_str_of(state_of(t, b)));
  ln_doc_text(doc, "waits", ln_str_of(waits ? b->asked->name : ""));
  ln_v_end(doc, mark);
}

/* They are listed newest first: an array is filled from its end. */
bool ln_travel_threads(ln_travel *t, ln_buf *doc, ln_err *err) {
  size_t n = 0, i;
  for (const ln_branch *b = t->r ? t->r->branches : NULL; b; b = b->next) n += b->state != LN_B_ENDED;
  const ln_branch **all = calloc(n + 1, sizeof *all);
  if (!all) return ln_fail(err, "memory", LN_AGAIN, "no memory for branches");
  i = n;
  for (const ln_branch *b = t->r ? t->r->branches : NULL; b; b = b->next)
    if (b->state != LN_B_ENDED) all[--i] = b;
  size_t mark = ln_v_begin(doc, 'A', n);
  for (i = 0; i < n; i++) put_thread(t, all[i], doc);
  ln_v_end(doc, mark);
  free(all);
  return ln_buf_ok(doc, err);
}

/* ------------------------------------------------------------------ variables, as a guest */

static bool is_named(const char *name) { return name && name[0] != '(' && strcmp(name, "_ENV") != 0; }

/* Moves the value on top of another coroutine to L, which may be the same.  [-0, +1, -] */
static void take_over(lua_State *from, lua_State *L) {
  if (from != L) lua_xmove(from, L, 1);
}

static bool get_ar(const travel_frame *f, lua_Debug *ar) {
  return f->co && lua_checkstack(f->co, 2) && lua_getstack(f->co, f->level, ar);
}

/* The function of the frame.  [-0, +1, -] */
static bool push_function(lua_State *L, const travel_frame *f) {
  lua_Debug ar;
  if (!get_ar(f, &ar) || !lua_getinfo(f->co, "f", &ar)) return false;
  take_over(f->co, L);
  return true;
}

/* The last local of that name that is there: it hides the others.  0: none. */
static int local_named(const travel_frame *f, lua_Debug *ar, const char *name) {
  int found = 0;
  const char *n;
  for (int i = 1; (n = lua_getlocal(f->co, ar, i)); i++) {
    lua_pop(f->co, 1);
    if (strcmp(n, name) == 0) found = i;
  }
  return found;
}

static int upvalue_named(lua_State *L, int fn, const char *name) {
  const char *n;
  for (int i = 1; (n = lua_getupvalue(L, fn, i)); i++) {
    lua_pop(L, 1);
    if (strcmp(n, name) == 0) return i;
  }
  return 0;
}

typedef struct evaluating {
  ln_travel *t;
  const travel_frame *f;
  ln_str text;
  ln_buf *doc;
  ln_err *err;
  bool shown, truth, assigned, bad; /* bad: it does not compile: err */
} evaluating;

static evaluating *what(lua_State *L) { return lua_touserdata(L, lua_upvalueindex(1)); }

/* (scope, name) → the local's, the upvalue's or the global's value */
static int l_scope_index(lua_State *L) {
  const travel_frame *f = what(L)->f;
  lua_Debug ar;
  const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  int i;
  if (is_named(name) && get_ar(f, &ar) && (i = local_named(f, &ar, name))) {
    lua_getlocal(f->co, &ar, i);
    take_over(f->co, L);
    return 1;
  }
  lua_settop(L, 2);
  if (is_named(name) && push_function(L, f) && (i = upvalue_named(L, 3, name)))
    return lua_getupvalue(L, 3, i), 1;
  lnL_push_env(L);
  lua_pushvalue(L, 2);
  lua_gettable(L, -2);
  return 1;
}

/* (scope, name, value) */
static int l_scope_assign(lua_State *L) {
  evaluating *e = what(L);
  lua_Debug ar;
  const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  int i;
  lua_settop(L, 3);
  if (is_named(name) && get_ar(e->f, &ar) && (i = local_named(e->f, &ar, name))) {
    if (e->f->co != L) lua_xmove(L, e->f->co, 1);
    lua_setlocal(e->f->co, &ar, i);
    return e->assigned = true, 0;
  }
  if (is_named(name) && push_function(L, e->f) && (i = upvalue_named(L, 4, name))) {
    lua_pushvalue(L, 3);
    lua_setupvalue(L, 4, i);
    return e->assigned = true, 0;
  }
  return luaL_error(L, "'%s' is neither a local nor an upvalue here, and a global cannot be assigned", name);
}

/* The environment of what is evaluated.  [-0, +1, m] */
static void push_scope(lua_State *L, evaluating *e) {
  lua_newtable(L);          /* scope */
  lua_createtable(L, 0, 3); /* scope meta */
  lua_pushlightuserdata(L, e);
  lua_pushcclosure(L, l_scope_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pushlightuserdata(L, e);
  lua_pushcclosure(L, l_scope_assign, 1);
  lua_setfield(L, -2, "__newindex");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
}

/* An expression, else statements.  [-0, +1 or 0, m] */
static bool push_chunk(lua_State *L, evaluating *e) {
  ln_err none;
  ln_vm *vm = e->t->r->vm;
  ln_buf *b = lnL_new_buf(L, 8 << 20); /* b */
  ln_buf_addz(b, "return ");
  ln_buf_add(b, e->text);
  bool ok = ln_buf_ok(b, e->err);
  e->bad = !ok || (!ln_vm_load(vm, L, ln_buf_view(b), "=input", &none) &&
                   !ln_vm_load(vm, L, e->text, "=input", e->err));
  ln_buf_free(b);
  if (e->bad) return false; /* b f */
  push_scope(L, e);
  lua_setupvalue(L, -2, 1);
  return true;
}

static int l_evaluate(lua_State *L) {
  evaluating *e = lua_touserdata(L, 1);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_settop(L, 0);
  if (!push_chunk(L, e)) return 0;
  lua_replace(L, 1);           /* f */
  lua_call(L, 0, LUA_MULTRET); /* … */
  int n = lua_gettop(L);
  if (n == 0) lua_pushnil(L);
  e->truth = lua_toboolean(L, 1);
  if (e->shown) {
    travel_show_result(e->t, L, 1, n, e->doc);
  } else if (lua_type(L, 1) == LUA_TSTRING) {
    ln_str s;
    s.p = lua_tolstring(L, 1, &s.n);
    ln_buf_add(e->doc, s.n > 4096 ? (ln_str){s.p, 4096} : s);
  } else {
    travel_text(L, 1, 4096, e->doc);
  }
  return 0;
}

bool travel_evaluate(ln_travel *t, const travel_frame *f, ln_str text, bool shown, ln_buf *doc, bool *truth,
                     ln_err *err) {
  evaluating e = {.t = t, .f = f, .text = text, .doc = doc, .shown = shown, .err = err};
  ln_buf_cut(&t->guest_out, 0);
  bool ok = travel_guest(t, l_evaluate, &e, err) && !e.bad;
  t->changed |= e.assigned;
  *truth = e.truth;
  return ok && ln_buf_ok(doc, err);
}

bool ln_travel_eval(ln_travel *t, int64_t frame, ln_str text, ln_buf *doc, ln_err *err) {
  travel_frame f;
  bool truth;
  bool ok = frame_of(t, frame, &f, err) && travel_evaluate(t, &f, text, true, doc, &truth, err);
  atomic_store(&t->pause, false);
  return ok;
}

/* ------------------------------------------------------------------ scopes */

typedef struct listing {
  ln_travel *t;
  const travel_frame *f;
  ln_scope which;
  ln_buf *doc, items;
  size_t n;
} listing;

static void list_item(listing *s, lua_State *L, const char *name) {
  travel_show(s->t, L, -1, ln_str_of(name), &s->items);
  s->n++;
}

static void list_locals(listing *s, lua_State *L) {
  lua_Debug ar;
  const char *n;
  if (!get_ar(s->f, &ar)) return;
  for (int i = 1; (n = lua_getlocal(s->f->co, &ar, i)); i++) {
    lua_pop(s->f->co, 1);
    if (!is_named(n) || local_named(s->f, &ar, n) != i) continue;
    lua_getlocal(s->f->co, &ar, i);
    take_over(s->f->co, L);
    list_item(s, L, n);
    lua_pop(L, 1);
  }
}

static void list_upvalues(listing *s, lua_State *L) {
  const char *n;
  if (!push_function(L, s->f)) return;
  int fn = lua_gettop(L);
  for (int i = 1; (n = lua_getupvalue(L, fn, i)); i++) {
    if (is_named(n)) list_item(s, L, n);
    lua_pop(L, 1);
  }
}

static void list_globals(listing *s, lua_State *L) {
  lua_pushglobaltable(L);
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
    if (lua_type(L, -2) == LUA_TSTRING && s->n < TRAVEL_FRAMES) list_item(s, L, lua_tostring(L, -2));
}

static int l_scope(lua_State *L) {
  listing *s = lua_touserdata(L, 1);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  if (s->which == LN_LOCALS) list_locals(s, L);
  else if (s->which == LN_UPVALUES) list_upvalues(s, L);
  else list_globals(s, L);
  return 0;
}

bool ln_travel_scope(ln_travel *t, int64_t frame, ln_scope which, ln_buf *doc, ln_err *err) {
  travel_frame f;
  listing s = {.t = t, .f = &f, .which = which, .doc = doc};
  if (!frame_of(t, frame, &f, err)) return false;
  ln_buf_init(&s.items, doc->max);
  bool ok = travel_guest(t, l_scope, &s, err) && ln_buf_ok(&s.items, err);
  if (ok) {
    size_t mark = ln_v_begin(doc, 'A', s.n);
    ln_buf_add(doc, ln_buf_view(&s.items));
    ln_v_end(doc, mark);
    ok = ln_buf_ok(doc, err);
  }
  ln_buf_free(&s.items);
  return ok;
}

/* ------------------------------------------------------------------ differences */

enum { LEAVES = 4000, DIFF_DEEP = 8, DIFFERENT = 1000 };

typedef struct leaf {
  char *name, *text;
} leaf;
typedef struct leaves {
  ln_travel *t;
  const travel_frame *f;
  leaf *v;
  size_t n;
  ln_buf path;
  bool full;
} leaves;

static void add_leaf(leaves *l, lua_State *L) {
  ln_buf *text = lnL_new_buf(L, 1 << 16);
  travel_text(L, -2, 200, text);
  leaf x = {ln_str_dup(ln_buf_view(&l->path)), ln_str_dup(ln_buf_view(text))};
  ln_buf_free(text);
  lua_pop(L, 1);
  if (x.name && x.text && l->n < LEAVES) l->v[l->n++] = x;
  else free(x.name), free(x.text), l->full = true;
}

static void add_member(ln_buf *path, lua_State *L, int key) {
  if (lua_type(L, key) == LUA_TSTRING) ln_buf_addc(path, '.'), ln_buf_addz(path, lua_tostring(L, key));
  else ln_buf_addc(path, '['), travel_text(L, key, 64, path), ln_buf_addc(path, ']');
}

/* What is below the value on top, which is no module. */
static void flatten(leaves *l, lua_State *L, int deep) {
  int t = lua_gettop(L);
  size_t cut = l->path.n;
  if (lua_isfunction(L, t) || l->n >= LEAVES) return;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  bool empty = !lua_istable(L, t) || (lua_pushnil(L), !lua_next(L, t)) || (lua_pop(L, 2), false);
  if (empty || deep >= DIFF_DEEP) {
    add_leaf(l, L);
    return;
  }
  for (lua_pushnil(L); lua_next(L, t); lua_pop(L, 1)) {
    add_member(&l->path, L, lua_gettop(L) - 1);
    flatten(l, L, deep + 1);
    ln_buf_cut(&l->path, cut);
  }
}

static void flatten_named(leaves *l, lua_State *L, const char *name) {
  ln_buf_cut(&l->path, 0);
  ln_buf_addz(&l->path, name);
  flatten(l, L, 0);
}

static int l_leaves(lua_State *L) {
  leaves *l = lua_touserdata(L, 1);
  lua_Debug ar;
  const char *n;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_settop(L, 0);
  if (get_ar(l->f, &ar))
    for (int i = 1; (n = lua_getlocal(l->f->co, &ar, i)); i++) {
      take_over(l->f->co, L);
      if (is_named(n) && local_named(l->f, &ar, n) == i) flatten_named(l, L, n);
      lua_settop(L, 0);
    }
  if (!push_function(L, l->f)) return 0;
  for (int i = 1; (n = lua_getupvalue(L, 1, i)); i++, lua_settop(L, 1))
    if (is_named(n)) flatten_named(l, L, n);
  return 0;
}

static void free_leaves(leaves *l) {
  for (size_t i = 0; i < l->n; i++) free(l->v[i].name), free(l->v[i].text);
  free(l->v);
  ln_buf_free(&l->path);
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const leaf *)a)->name, ((const leaf *)b)->name);
}

static bool gather(ln_travel *t, int64_t at, leaves *l, ln_err *err) {
  travel_frame f;
  *l = (leaves){.t = t, .f = &f};
  ln_buf_init(&l->path, 4096);
  if (!(l->v = calloc(LEAVES, sizeof *l->v)))
    return ln_fail(err, "memory", LN_AGAIN, "no memory for a difference");
  if (!ln_travel_at(t, at, err) || !frame_of(t, 0, &f, err) || !travel_guest(t, l_leaves, l, err))
    return false;
  qsort(l->v, l->n, sizeof *l->v, by_name);
  return true;
}

static void put_side(ln_buf *doc, const char *key, const leaf *x) {
  ln_v_key(doc, ln_str_of(key));
  if (x) ln_v_str(doc, ln_str_of(x->text));
  else ln_v_nil(doc);
}

static void put_difference(ln_buf *doc, const leaf *a, const leaf *b) {
  size_t mark = ln_v_begin(doc, 'O', 3);
  put_side(doc, "after", b);
  put_side(doc, "before", a);
  ln_v_key(doc, LN_STR("name")), ln_v_str(doc, ln_str_of(a ? a->name : b->name));
  ln_v_end(doc, mark);
}

static size_t differences(const leaves *a, const leaves *b, ln_buf *out) {
  size_t i = 0, k = 0, n = 0;
  while ((i < a->n || k < b->n) && n < DIFFERENT) {
    int c = i == a->n ? 1 : k == b->n ? -1 : by_name(&a->v[i], &b->v[k]);
    const leaf *x = c <= 0 ? &a->v[i++] : NULL, *y = c >= 0 ? &b->v[k++] : NULL;
    if (x && y && strcmp(x->text, y->text) == 0) continue;
    put_difference(out, x, y);
    n++;
  }
  return n;
}

bool ln_travel_diff(ln_travel *t, int64_t at, int64_t other, ln_buf *doc, ln_err *err) {
  leaves a = {.n = 0}, b = {.n = 0};
  int64_t here = t->r ? t->at + t->over : 0;
  ln_buf items;
  ln_buf_init(&items, doc->max);
  bool ok = gather(t, at, &a, err) && gather(t, other, &b, err) && ln_travel_at(t, here, err);
  if (ok) {
    size_t n = differences(&a, &b, &items), mark = ln_v_begin(doc, 'A', n);
    ln_buf_add(doc, ln_buf_view(&items));
    ln_v_end(doc, mark);
    ok = ln_buf_ok(doc, err);
  }
  ln_buf_free(&items);
  free_leaves(&a);
  free_leaves(&b);
  return ok;
}
