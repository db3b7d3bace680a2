/* words_branch.c: words that make branches: step, map, parallel, stage, approved.  Each ends by giving the
** turn; what goes on afterwards is in the continuation beside it. */
#include "modules/words.h"

#include "engine/library.h"
#include "engine/play.h"
#include "modules/modules.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

/* ------------------------------------------------------------------ names */

/* What an item is known by: itself, or its member `key`, id, name, hostname or path, else its index. */
static bool key_of_table(lua_State *L, int item, const char *key, ln_str *out) {
  const char *const keys[] = {key, "id", "name", "hostname", "path"};
  for (size_t i = key ? 0 : 1; i < sizeof keys / sizeof *keys; i++) {
    lua_getfield(L, item, keys[i]);
    if (lua_type(L, -1) == LUA_TSTRING || lua_type(L, -1) == LUA_TNUMBER) {
      out->p = lua_tolstring(L, -1, &out->n); /* stays on the stack */
      return true;
    }
    lua_pop(L, 1);
  }
  return false;
}

/* "WS-042" of an item: free() it. */
static char *branch_key(lua_State *L, int item, const char *key, size_t index) {
  ln_buf b;
  ln_str s = {NULL, 0};
  int top = lua_gettop(L);
  ln_buf_init(&b, 4096);
  if (lua_type(L, item) == LUA_TSTRING) s.p = lua_tolstring(L, item, &s.n);
  else if (lua_isinteger(L, item)) ln_buf_addf(&b, "%lld", (long long)lua_tointeger(L, item));
  else if (lua_type(L, item) == LUA_TNUMBER) ln_buf_addf(&b, "%.17g", lua_tonumber(L, item));
  else if (!lua_istable(L, item) || !key_of_table(L, item, key, &s)) ln_buf_addf(&b, "%zu", index);
  if (s.n > 400) s.n = 400;
  ln_name_escape(&b, s);
  lua_settop(L, top);
  char *out = ln_buf_take(&b, NULL);
  ln_buf_free(&b);
  return out;
}

/* A child's whole name: the parent's, and `own`; a repeated one gets ~2.  What an item itself calls "x~2"
** is counted with those, so no two children are ever called the same. */
static char *child_name(ln_branch *b, const char *own) {
  ln_buf full, out;
  ln_buf_init(&full, 4096);
  ln_buf_init(&out, 4096);
  ln_buf_addf(&full, "/%s", own); /* counted apart from operations of the same name */
  size_t bare = full.n;
  int64_t turn = ln_tally_add(&b->turns, ln_buf_view(&full)), count = turn;
  for (; count > 1; turn++) {
    ln_buf_cut(&full, bare);
    ln_buf_addf(&full, "~%lld", (long long)turn);
    count = ln_tally_add(&b->turns, ln_buf_view(&full));
  }
  size_t skip = b->name[0] ? 0 : 1;
  ln_buf_addz(&out, b->name);
  if (count && !ln_buf_failed(&full)) ln_buf_add(&out, (ln_str){full.p + skip, full.n - skip});
  char *name = count && !ln_buf_failed(&full) ? ln_buf_take(&out, NULL) : NULL;
  ln_buf_free(&full);
  ln_buf_free(&out);
  return name;
}

static bool name_child(ln_fork *f, ln_branch *b, size_t i, const char *prefix, char *key) {
  ln_buf own;
  ln_buf_init(&own, 4096);
  ln_name_escape(&own, ln_str_of(prefix));
  if (key) ln_buf_addf(&own, "%s%s", prefix[0] ? "/" : "", key);
  char *text = key ? ln_buf_take(&own, NULL) : NULL;
  f->names[i] = text ? child_name(b, text) : NULL;
  ln_buf_free(&own);
  free(text);
  free(key);
  return f->names[i] != NULL;
}

static ln_fork *fork_or_raise(lua_State *L, size_t n) {
  ln_err err = {0};
  if (!lnL_can_wait(L)) lnL_wait(L, 0, NULL); /* raises, naming who is in the way */
  if (lnL_here(L)->in_step)
    lnL_raisef(L, "bad_argument", "branches inside step: a step is the author's own work");
  ln_fork *f = lnL_fork_new(L, n, &err);
  if (!f) lnL_raise(L, &err);
  return f;
}

static int names_failed(lua_State *L) {
  ln_fork_free(lnL_here(L));
  return lnL_raisef(L, "memory", "no memory for the names of branches");
}

/* ------------------------------------------------------------------ map */

enum { MAP_WIDTH = 8, MAP_MAX = 100000, WIDTH_MAX = 256 };

/* The option on_error: "stop" or "collect". */
static bool stops_on_error(lua_State *L, const char *word, int t, bool otherwise) {
  lnL_field(L, t, "on_error");
  ln_str s = lnL_text_or(L, word, "on_error", -1, otherwise ? LN_STR("stop") : LN_STR("collect"));
  bool stop = ln_str_eq(s, LN_STR("stop"));
  if (!stop && !ln_str_eq(s, LN_STR("collect"))) lnL_bad(L, word, "on_error", "\"stop\" or \"collect\"", 0);
  lua_pop(L, 1);
  return stop;
}

/* [… results i] the error of result i, as a table */
static void error_of(lua_State *L) {
  ln_err e = {0};
  if (lua_istable(L, -1)) return;
  lnL_to_error(L, -1, &e);
  lnL_push_error(L, &e, (ln_str){NULL, 0});
  lua_remove(L, -2);
}

/* The results of a fork at `results` become outcomes { item, ok, value, error }.  Answers the first
** failed, or 0. */
static lua_Integer to_outcomes(lua_State *L, int items, int results, lua_Integer n) {
  lua_Integer first = 0;
  for (lua_Integer i = 1; i <= n; i++) {
    if (lua_rawgeti(L, results, i) == LUA_TNIL) {            /* never started: others were stopped */
      ln_err gone = {.code = "cancelled", .message = "not started: another branch failed"};
      lua_pop(L, 1);
      lua_newtable(L);
      lua_pushboolean(L, 0);
      lua_setfield(L, -2, "ok");
      lnL_push_error(L, &gone, (ln_str){NULL, 0});
      lua_setfield(L, -2, "value");
      lua_pushvalue(L, -1);
      lua_rawseti(L, results, i);
    }
    if (lua_getfield(L, -1, "unknown") != LUA_TNIL) {        /* … r true  */
      lua_pushnil(L);
      lua_setfield(L, -3, "unknown");
      lua_getfield(L, -2, "value");
      lua_setfield(L, -3, "ok");                             /* whether it would fail is not known either */
    }
    lua_pop(L, 1);
    lua_getfield(L, -1, "ok");                               /* … r ok    */
    if (!lua_toboolean(L, -1)) {
      ln_err e = {0};
      lua_getfield(L, -2, "value");                          /* … r ok v  */
      error_of(L);
      lnL_to_error(L, -1, &e);
      if (!first || (first < 0 && strcmp(e.code, "cancelled") != 0))
        first = strcmp(e.code, "cancelled") == 0 ? -i : i;
      lua_setfield(L, -3, "error");                          /* … r ok    */
      lua_pushnil(L);
      lua_setfield(L, -3, "value");
    }
    lua_pop(L, 1);                                           /* … r       */
    if (items) lua_rawgeti(L, items, i), lua_setfield(L, -2, "item");
    lua_pop(L, 1);
  }
  return first < 0 ? -first : first;
}

static int raise_result(lua_State *L, int results, lua_Integer i) {
  lua_rawgeti(L, results, i);
  lua_getfield(L, -1, "error");
  return lua_error(L);
}

/* list fn items results: items are the list's as it was when map began */
static int map_joined(lua_State *L, int status, lua_KContext stop) {
  (void)status;
  int results = lua_gettop(L);
  lua_Integer bad = to_outcomes(L, 3, results, (lua_Integer)lua_rawlen(L, 3));
  if (stop && bad) return raise_result(L, results, bad);
  lua_settop(L, results);
  lnL_mark_array(L, results);
  return 1;
}

static size_t option_width(lua_State *L, int t) {
  lnL_field(L, t, "concurrency");
  int64_t n = lua_isnil(L, -1) ? MAP_WIDTH : lnL_whole(L, "map", "concurrency", -1, 1, MAP_MAX);
  lua_pop(L, 1);
  return n > WIDTH_MAX ? WIDTH_MAX : (size_t)n;
}

/* Pushes the option's text; NULL: it is not given.  [-0, +1, e] */
static const char *push_text_option(lua_State *L, int t, const char *key) {
  lnL_field(L, t, key);
  ln_str s = lnL_text_or(L, "map", key, -1, (ln_str){NULL, 0});
  if (s.p && memchr(s.p, '\0', s.n)) lnL_bad(L, "map", key, "a text without NUL bytes", 0);
  return s.p;
}

/* Replaces the options at 3 by the n items at 1 as they are now, whatever branches do to the list. */
static void keep_items(lua_State *L, size_t n) {
  lua_createtable(L, (int)n, 0);
  for (size_t i = 1; i <= n; i++) {
    lua_rawgeti(L, 1, (lua_Integer)i);
    lua_rawseti(L, -2, (lua_Integer)i);
  }
  lua_replace(L, 3);
}

static int l_map(lua_State *L) {
  static const char *const known[] = {"name", "key", "concurrency", "on_error", NULL};
  lnL_want(L, 1, LUA_TTABLE, "map(list, fn, options)");
  lnL_want(L, 2, LUA_TFUNCTION, "map(list, fn, options)");
  lua_settop(L, 3);
  lnL_options(L, "map", 3, known);
  size_t n = lua_rawlen(L, 1);
  if (n > MAP_MAX) return lnL_raisef(L, "too_many", "map: %zu items, %d at most", n, MAP_MAX);
  bool stop = stops_on_error(L, "map", 3, false);
  size_t width = option_width(L, 3);
  const char *prefix = push_text_option(L, 3, "name"); /* list fn opts name           */
  const char *key = push_text_option(L, 3, "key");     /* list fn opts name key       */
  keep_items(L, n);                                    /* list fn items name key      */
  ln_fork *f = fork_or_raise(L, n);
  f->width = width;
  f->stop_on_error = stop;
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, 3, (lua_Integer)i + 1);
    if (!name_child(f, lnL_here(L), i, prefix ? prefix : "map", branch_key(L, lua_gettop(L), key, i + 1)))
      return names_failed(L);
    lua_pop(L, 1);
  }
  lua_pushvalue(L, 2);
  f->fns_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushvalue(L, 3);
  f->items_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return lnL_fork_wait(L, f, stop, map_joined);
}

/* ------------------------------------------------------------------ parallel */

static int by_text(const void *a, const void *b) {
  return ln_str_cmp(*(const ln_str *)a, *(const ln_str *)b);
}

/* The keys of the table at 1, sorted, as a list on top; the functions as another. [-0, +2, e] */
static size_t sorted_branches(lua_State *L) {
  size_t n = 0, i = 0;
  for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1), n++)
    if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TFUNCTION)
      lnL_raisef(L, "bad_argument", "parallel: a table of named functions is wanted");
  ln_str *keys = lua_newuserdatauv(L, (n + 1) * sizeof *keys, 0); /* keys           */
  for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1), i++) keys[i].p = lua_tolstring(L, -2, &keys[i].n);
  qsort(keys, n, sizeof *keys, by_text);
  lua_createtable(L, (int)n, 0);                                         /* keys names     */
  lua_createtable(L, (int)n, 0);                                         /* keys names fns */
  for (i = 0; i < n; i++) {
    lua_pushlstring(L, keys[i].p, keys[i].n); /* … name         */
    lua_pushvalue(L, -1);
    lua_rawseti(L, -4, (lua_Integer)i + 1);
    lua_rawget(L, 1); /* … fn           */
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_remove(L, -3);                                                     /* names fns      */
  return n;
}

/* branches opts names fns results */
static int parallel_joined(lua_State *L, int status, lua_KContext stop) {
  (void)status;
  int results = lua_gettop(L);
  lua_Integer n = (lua_Integer)lua_rawlen(L, 3), bad = to_outcomes(L, 0, results, n);
  if (stop && bad) return raise_result(L, results, bad);
  lua_createtable(L, 0, (int)n);                      /* … results out        */
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, 3, i);                             /* … results out name   */
    lua_rawgeti(L, results, i);                       /* … results out name r */
    if (stop) lua_getfield(L, -1, "value"), lua_remove(L, -2);
    lua_rawset(L, -3);                                /* … results out        */
  }
  return 1;
}

static int l_parallel(lua_State *L) {
  static const char *const known[] = {"on_error", NULL};
  lnL_want(L, 1, LUA_TTABLE, "parallel({ NAME = fn, … }, options)");
  lua_settop(L, 2);
  lnL_options(L, "parallel", 2, known);
  bool stop = stops_on_error(L, "parallel", 2, true);
  size_t n = sorted_branches(L);                      /* branches opts names fns */
  ln_fork *f = fork_or_raise(L, n);
  f->stop_on_error = stop;
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, 3, (lua_Integer)i + 1);
    if (!name_child(f, lnL_here(L), i, "", branch_key(L, lua_gettop(L), NULL, i + 1)))
      return names_failed(L);
    lua_pop(L, 1);
  }
  lua_pushvalue(L, 4);
  f->fns_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return lnL_fork_wait(L, f, stop, parallel_joined);
}

/* ------------------------------------------------------------------ stage */

static void put_stage(lua_State *L, const char *stage, const char *state, const char *why) {
  ln_buf b;
  ln_err err = {0};
  ln_branch *branch = lnL_here(L);
  ln_buf_init(&b, (size_t)64 << 20);
  size_t mark = ln_v_begin(&b, 'O', why ? 3 : 2);
  ln_v_key(&b, LN_STR("stage"));
  ln_v_str(&b, ln_str_of(stage));
  ln_v_key(&b, LN_STR("state"));
  ln_v_str(&b, ln_str_of(state));
  if (why) ln_v_key(&b, LN_STR("why")), ln_v_str(&b, ln_str_of(why));
  ln_v_end(&b, mark);
  bool ok = ln_buf_ok(&b, &err) && ln_note_put(branch, LN_E_STAGE, "stage", ln_buf_view(&b), &err);
  ln_buf_free(&b);
  if (!ok) lnL_raise(L, &err);
}

static bool ends_the_run(const char *code) {
  return strcmp(code, "cancelled") == 0 || strcmp(code, "frozen") == 0 || strcmp(code, "doubt") == 0 ||
         strcmp(code, "divergence") == 0;
}

/* The code of a stage's branch whose `when` said no. */
#define NOT_CALLED_FOR "not called for"

/* What a stage that was skipped or failed comes to. [-0, +1] */
static int otherwise(lua_State *L) {
  if (lua_istable(L, 3)) lua_getfield(L, 3, "otherwise");
  else lua_pushnil(L);
  return 1;
}

/* name input opts module results: what came of the stage's one branch */
static int stage_joined(lua_State *L, int status, lua_KContext ctx) {
  ln_err e = {0};
  const char *stage = lua_tostring(L, 1);
  (void)status;
  (void)ctx;
  lua_rawgeti(L, -1, 1);                              /* … r         */
  lua_getfield(L, -1, "value");                       /* … r v       */
  lua_getfield(L, -2, "ok");                          /* … r v ok    */
  bool ok = lua_toboolean(L, -1);
  bool unknown = lua_getfield(L, -3, "unknown") != LUA_TNIL;
  lua_pop(L, 2);                                      /* … r v       */
  if (unknown) {
    lnL_unknown(L, -1, &e);
    put_stage(L, stage, "unknown", e.message);
    return 1;
  }
  if (ok) {
    put_stage(L, stage, lnL_here(L)->run->planning ? "planned" : "done", NULL);
    return 1;
  }
  lnL_to_error(L, -1, &e);
  if (ends_the_run(e.code)) return lua_error(L);
  if (strchr(e.op, '.') && !strstr(e.message, e.op)) ln_err_prefix(&e, "%s", e.op); /* whose words they are */
  bool called_for = strcmp(e.code, NOT_CALLED_FOR) != 0, skipped = strcmp(e.code, "skipped") == 0;
  if (called_for && !lnL_here(L)->plan_into && !lnL_here(L)->polling) lnL_here(L)->run->partial++;
  put_stage(L, stage,
            skipped || !called_for           ? "skipped"
            : strcmp(e.code, "pending") == 0 ? "waiting"
                                             : "failed",
            e.message);
  return otherwise(L);
}

static int stage_returned(lua_State *L, int status, lua_KContext ctx) {
  (void)L;
  (void)status;
  (void)ctx;
  return 1;
}

/* Replaces the input on top by a copy that is plain data: with a function in it, or a metatable, the
** caller's code would run with the stage's rights. */
static void copy_input(lua_State *L) {
  ln_err err = {0};
  ln_buf *b = lnL_new_buf(L, (size_t)64 << 20);       /* input owner            */
  if (!lnL_encode(L, -2, b, &err)) ln_err_prefix(&err, "the stage's input"), lnL_raise(L, &err);
  lnL_decode(L, ln_buf_view(b));                      /* input owner copy       */
  ln_buf_free(b);
  lua_replace(L, -3);
  lua_pop(L, 1);                                      /* copy                   */
}

/* args: the playbook's own run */
static int stage_begin(lua_State *L) {
  ln_branch *b = lnL_here(L);
  ln_err err = {0};
  lua_settop(L, 1);
  lua_getfield(L, 1, "name");
  put_stage(L, lua_tostring(L, 2), "running", NULL);
  lua_settop(L, 1);
  b->own_modules = true;
  lua_getfield(L, 1, "module");                       /* args module            */
  lua_getfield(L, 1, "input");                        /* args module input      */
  copy_input(L);
  lnL_push_chunk(L, ln_str_of(lua_tostring(L, 2)));
  lua_call(L, 0, 1);                                  /* args module input play */
  if (!lnL_is_playbook(L, 4)) return luaL_error(L, "%s returns no playbook { … }", lua_tostring(L, 2));
  ln_play *p = lnL_play_of(L, 4, &err);
  if (!p) return lnL_raise(L, &err);
  ln_play_drop(b->play);
  b->play = p;
  lnL_coerce_input(L, 4, 3);                          /* args module input play coerced */
  lnL_play_input(L, p, 5);
  lua_getfield(L, 4, "run");
  lua_insert(L, -2);
  lua_callk(L, 1, 1, 0, stage_returned);
  return 1;
}

/* args opts called why: what `when` answered */
static int stage_called(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  lnL_known(L, 3);
  if (lua_toboolean(L, 3)) return stage_begin(L);
  if (lua_isnil(L, 4)) lua_getfield(L, 2, "why"), lua_replace(L, 4);
  return lnL_raisef(L, NOT_CALLED_FOR, "%s", luaL_optstring(L, 4, NOT_CALLED_FOR));
}

/* The body of a stage's branch: ({ name, module, input, opts }) → its result.  A `when` that is a function
** decides here, so that what a plan cannot know ends this branch and not the caller's. */
static int l_stage_body(lua_State *L) {
  lua_settop(L, 1);
  if (lua_getfield(L, 1, "opts") == LUA_TTABLE && lua_getfield(L, 2, "when") == LUA_TFUNCTION) {
    lua_callk(L, 0, 2, 0, stage_called);              /* args opts called why   */
    return stage_called(L, LUA_OK, 0);
  }
  return stage_begin(L);
}

/* "harden" in t1059.respond is t1059.harden; a name with a dot is whole. */
static const char *push_stage_module(lua_State *L, const char *name) {
  const char *own = lnL_here(L)->play->name, *dot = own ? strrchr(own, '.') : NULL;
  if (strchr(name, '.') || !dot) return lua_pushstring(L, name);
  lua_pushlstring(L, own, (size_t)(dot - own) + 1);
  lua_pushstring(L, name);
  lua_concat(L, 2);
  return lua_tostring(L, -1);
}

static bool switched_off(lua_State *L, const char **why) {
  static const char *const known[] = {"when", "why", "otherwise", NULL};
  bool off = false;
  *why = NULL;
  lnL_options(L, "stage", 3, known);
  if (!lua_istable(L, 3)) return false;
  lua_getfield(L, 3, "when");
  lnL_known(L, -1);
  off = lua_isboolean(L, -1) && !lua_toboolean(L, -1);
  lua_getfield(L, 3, "why");
  *why = lua_tostring(L, -1);
  return off; /* both stay on the stack: why is borrowed */
}

static int l_stage(lua_State *L) {
  const char *name = lnL_want_text(L, 1, "stage(name, input, options)").p, *why;
  lua_settop(L, 3);
  if (lua_isnil(L, 2)) lua_newtable(L), lua_replace(L, 2);
  if (switched_off(L, &why)) {
    put_stage(L, name, "skipped", why ? why : NOT_CALLED_FOR);
    return otherwise(L);
  }
  lua_settop(L, 3);
  const char *module = push_stage_module(L, name);    /* name input opts module */
  if (!lnL_granted(L, ln_str_of(module)))
    return lnL_raisef(L, "refused", "%s is not in `uses` of %s", module, lnL_here(L)->play->name);
  ln_fork *f = fork_or_raise(L, 1);
  const char *last = strrchr(name, '.');
  if (!name_child(f, lnL_here(L), 0, "", ln_str_dup(ln_str_of(last ? last + 1 : name))))
    return names_failed(L);
  lua_pushcfunction(L, l_stage_body);
  f->fns_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  static const char *const args[] = {"name", "input", "opts", "module"};
  lua_createtable(L, 1, 0);                           /* … items                */
  lua_createtable(L, 0, 4);                           /* … items args           */
  for (int i = 0; i < 4; i++) lua_pushvalue(L, i + 1), lua_setfield(L, -2, args[i]);
  lua_rawseti(L, -2, 1);                              /* … items                */
  f->items_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return lnL_fork_wait(L, f, 0, stage_joined);
}

/* ------------------------------------------------------------------ flows of connectors */

static bool fill_play(lua_State *L, ln_play *p) {
  size_t n = lua_rawlen(L, 2);
  p->refs = 1;
  p->name = ln_str_dup(ln_str_of(lua_tostring(L, 1)));
  p->stage = ln_str_dup(LN_STR(""));
  p->uses = calloc(n ? n : 1, sizeof *p->uses);
  if (!p->name || !p->stage || !p->uses) return false;
  for (size_t i = 0; i < n; i++, p->n_uses++) {
    lua_rawgeti(L, 2, (lua_Integer)i + 1);
    p->uses[i] = ln_str_dup(ln_str_of(lua_tostring(L, -1)));
    lua_pop(L, 1);
    if (!p->uses[i]) return false;
  }
  return true;
}

/* name uses run args results: a branch's only result is the call's */
static int only_result(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  lua_rawgeti(L, -1, 1);
  lua_getfield(L, -1, "value");
  lua_getfield(L, -2, "ok");
  bool ok = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return ok ? 1 : lua_error(L);
}

/* The name that an author gives it, taken off the arguments at 4; stays on the stack. [-0, +1, e] */
static ln_str take_as(lua_State *L) {
  ln_str as = {NULL, 0};
  int kind = lua_istable(L, 4) ? lua_getfield(L, 4, "as") : (lua_pushnil(L), LUA_TNIL);
  if (kind == LUA_TSTRING) as.p = lua_tolstring(L, -1, &as.n);
  if (kind == LUA_TNIL) return as;
  if (!as.n) lnL_raisef(L, "bad_argument", "as: a name is wanted, which no other step of the branch has");
  lua_pushnil(L);
  lua_setfield(L, 4, "as");
  return as;
}

static void assumed_start(ln_effect *e) { ln_plan_assumed(e); }

/* In a plan --assume may answer for a whole flow, by its name or its step's. */
static bool assumed(lua_State *L, const ln_branch *b, ln_str as) {
  ln_vitem v;
  ln_buf step;
  ln_str assume = b->run->options.assume;
  if (!b->run->planning || !assume.n) return false;
  ln_buf_init(&step, 8192);
  ln_buf_addf(&step, "%s%s", b->name, b->name[0] ? "/" : "");
  if (as.n) ln_name_escape(&step, as);
  else ln_buf_addf(&step, "%s#", lua_tostring(L, 1));
  bool is = ln_v_get(assume, ln_str_of(lua_tostring(L, 1)), &v);
  ln_str rest, key, name = ln_buf_view(&step);
  if (!is && ln_v_read(&assume, &v))
    for (rest = v.body; !is && rest.n && ln_v_read_key(&rest, &key) && ln_v_read(&rest, &v);)
      is = as.n ? ln_str_eq(key, name) : ln_str_starts(key, name);
  ln_buf_free(&step);
  return is;
}

static int assume_flow(lua_State *L, ln_branch *b, ln_str as) {
  ln_err err = {0};
  ln_effect *e = ln_effect_new(b->run, b, NULL, &err);
  if (!e) return lnL_raise(L, &err);
  ln_effect_keep(e, ln_str_of(lua_tostring(L, 1)), NULL);
  e->own_op = (ln_op){.name = e->kept->bytes, .cls = LN_READ, .start = assumed_start};
  e->op = &e->own_op;
  lnL_where(L, e->where, sizeof e->where);
  ln_v_end(&e->args, ln_v_begin(&e->args, 'O', 0));
  if (ln_effect_name_it(e, as, &err)) return lnL_effect_wait(L, e);
  ln_effect_free(e);
  return lnL_raise(L, &err);
}

/* The branch is named as a step would be. */
static bool name_flow(ln_fork *f, ln_branch *b, ln_str flow, ln_str as, ln_err *err) {
  ln_buf plain;
  ln_buf_init(&plain, 8192);
  ln_name_escape(&plain, as);
  char *step = ln_branch_step_name(b, flow, ln_buf_view(&plain), err);
  ln_buf_free(&plain);
  if (!step) return false;
  bool ok = name_child(f, b, 0, "", ln_str_dup(ln_str_of(step + (b->name[0] ? strlen(b->name) + 1 : 0))));
  free(step);
  return ok || ln_fail(err, "memory", LN_AGAIN, "no memory for the name of a branch");
}

/* (name, uses, run, args): a connector's flow, as a branch NAME#turn under its own grants */
int lnL_flow(lua_State *L) {
  ln_branch *b = lnL_here(L);
  ln_err err = {0};
  lua_settop(L, 4);
  ln_str flow = ln_str_of(luaL_checkstring(L, 1));
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  if (!lnL_granted(L, flow))
    return lnL_raisef(L, "refused", "%s is not in `uses` of %s: add \"%s\" to it", flow.p, b->play->name,
                      flow.p);
  ln_str as = take_as(L);                             /* name uses run args as */
  if (assumed(L, b, as)) return assume_flow(L, b, as);
  ln_fork *f = fork_or_raise(L, 1);
  f->play = calloc(1, sizeof *f->play);
  if (!f->play || !fill_play(L, f->play)) return names_failed(L);
  if (!name_flow(f, b, flow, as, &err)) return ln_fork_free(b), lnL_raise(L, &err);
  lua_settop(L, 4);
  lua_pushvalue(L, 3);
  f->fns_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_createtable(L, 1, 0);
  lua_pushvalue(L, 4);
  lua_rawseti(L, -2, 1);
  f->items_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return lnL_fork_wait(L, f, 0, only_result);
}

/* ------------------------------------------------------------------ step */

static void step_start(ln_effect *e) { e->go = true, ln_branch_wake(e->branch); }

/* name fn … value: the author's work is done; its result is an entry, and nobody else ran meanwhile */
static int step_keep(lua_State *L, bool ok) {
  ln_branch *b = lnL_here(L);
  ln_effect *e = b->asked;
  ln_err err = {0};
  b->in_step = NULL;
  ln_vm_aside(b->run->vm, b->polling, NULL);
  e->ok = ok && lnL_encode(L, -1, &e->outcome, &err);
  if (ok && !e->ok) {
    ln_err_prefix(&err, "step \"%s\": its result cannot be journaled", lua_tostring(L, 1));
    ln_buf_cut(&e->outcome, 0);
  }
  if (!e->ok) {
    if (!ok) lnL_to_error(L, -1, &err);
    lnL_error_encode(&err, ln_str_of(e->where), (ln_str){NULL, 0}, &e->outcome);
  }
  e->state = e->ok ? "done" : "failed";
  e->finished = true;
  if (ln_effect_logged(e)) ln_effect_put_done(e, LN_E_DONE);
  return lnL_effect_result(L, e);
}

static int step_ran(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  bool ok = lua_toboolean(L, 3);                      /* name fn ok value */
  lua_settop(L, 4);
  return step_keep(L, ok);
}

static int step_go(lua_State *L, int status, lua_KContext ctx) {
  ln_branch *b = lnL_here(L);
  (void)status;
  (void)ctx;
  if (!b->asked->go) return lnL_effect_result(L, b->asked);
  b->asked->go = false;
  b->in_step = L;
  b->step_rolls = 0;
  ln_vm_aside(b->run->vm, true, L);
  lua_settop(L, 2);
  lua_pushcfunction(L, lnL_pcall);
  lua_pushvalue(L, 2);                                /* name fn pcall fn */
  lua_callk(L, 1, 2, 0, step_ran);
  return step_ran(L, LUA_OK, 0);
}

static const ln_op step_op = {.name = "step", .cls = LN_PURE, .start = step_start, .own = true};

static int l_step(lua_State *L) {
  ln_err err = {0};
  ln_str name = lnL_want_text(L, 1, "step(name, fn)");
  lnL_want(L, 2, LUA_TFUNCTION, "step(name, fn)");
  lua_settop(L, 2);
  ln_branch *b = lnL_here(L);
  lnL_tick(L);
  if (!lnL_can_wait(L)) return lnL_wait(L, 0, step_go);
  if (b->in_step) return lnL_raisef(L, "bad_argument", "step inside step");
  ln_effect *e = ln_effect_new(b->run, b, &step_op, &err);
  if (!e) return lnL_raise(L, &err);
  lnL_where(L, e->where, sizeof e->where);
  ln_v_str(&e->args, name);
  if (ln_effect_name_step(e, name, &err))
    return ln_run_keeps_turn(b) ? step_go(L, LUA_OK, 0) : lnL_wait(L, 0, step_go);
  ln_effect_free(e);
  return lnL_raise(L, &err);
}

/* ------------------------------------------------------------------ approved */

static int run_inside(lua_State *L, ln_str effects, bool old, lua_KFunction k);

static int approved_yes(lua_State *L, int status, lua_KContext ctx) {
  ln_branch *b = lnL_here(L);
  ln_effect *e = b->asked;
  (void)status;
  (void)ctx;
  if (!e->ok) return lnL_effect_result(L, e);
  ln_str effects = ln_buf_view(&e->would);
  bool old = e->record && e->record->old;
  lua_settop(L, 2);
  lua_pushlstring(L, effects.p, effects.n);           /* opts fn effects: outlives the effect */
  effects.p = lua_tolstring(L, 3, &effects.n);
  ln_effect_free(e);
  return run_inside(L, effects, old, only_result);
}

/* old: what was approved was so in another time. */
static int run_inside(lua_State *L, ln_str effects, bool old, lua_KFunction k) {
  ln_fork *f = fork_or_raise(L, 1);
  if (effects.n) f->permit = ln_permit_of(effects);
  if ((effects.n && !f->permit) || !name_child(f, lnL_here(L), 0, "", ln_str_dup(LN_STR("approved"))))
    return names_failed(L);
  if (f->permit) f->permit->old = old;
  lua_pushvalue(L, 2);
  f->fns_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return lnL_fork_wait(L, f, 0, k);
}

/* A plan gets here only as a fork of a run that had asked, or was about to: nobody is asked. */
static void approved_start(ln_effect *e) {
  if (ln_effect_is_plan(e)) {
    ln_effect_finish(e, true, "planned", LN_STR("n"));
    return;
  }
  ln_str effects = ln_buf_view(&e->would);
  ln_str args = ln_effect_args(e);
  ln_buf list;
  ln_vitem detail = {0};
  char digest[2 * LN_SHA256 + 1];
  uint8_t sha[LN_SHA256] = {0};
  ln_buf_init(&list, 16 << 20);
  size_t n = 0;
  ln_vitem v;
  for (ln_str rest = effects; rest.n && ln_v_read(&rest, &v);) n++;
  size_t mark = ln_v_begin(&list, 'A', n);
  ln_buf_add(&list, effects);
  ln_v_end(&list, mark);
  ln_sha256_2(ln_str_of(e->run->ulid), ln_buf_view(&list), sha);
  ln_hex(sha, sizeof sha, digest);
  ln_v_get(args, LN_STR("detail"), &detail);
  ln_approval a = {.kind = LN_STR("approved"),
                   .title = ln_v_get_str(args, "title"),
                   .detail = detail.whole,
                   .digest = ln_str_of(digest),
                   .effects = ln_buf_view(&list),
                   .quorum = ln_v_get_int(args, "quorum", 1),
                   .expires_ms = ln_v_get_int(args, "expires_ms", 3600000)};
  ln_approval_ask(e, &a);
  ln_buf_free(&list);
}

static const ln_op approved_op = {.name = "approved", .cls = LN_WAIT, .start = approved_start};

/* What fn would write was collected by the fork: those writes are shown. */
static int ask_for(lua_State *L) {
  ln_branch *b = lnL_here(L);
  ln_err err = {0};
  ln_buf shown = *b->fork->plan_into;
  *b->fork->plan_into = (ln_buf){.max = shown.max};
  ln_effect *e = ln_effect_new(b->run, b, &approved_op, &err); /* frees the fork */
  if (!e) return ln_buf_free(&shown), lnL_raise(L, &err);
  e->would = shown;
  lnL_where(L, e->where, sizeof e->where);
  lnL_question_args(L, 1, e);
  if (ln_effect_name_it(e, (ln_str){NULL, 0}, &err)) return lnL_wait(L, 0, approved_yes);
  ln_effect_free(e);
  return lnL_raise(L, &err);
}

/* opts fn results: fn was planned; what it would write is in the fork's plan */
static int approved_planned(lua_State *L) {
  ln_branch *b = lnL_here(L);
  lua_rawgeti(L, LUA_REGISTRYINDEX, b->fork->results_ref);
  lua_rawgeti(L, -1, 1);
  lua_getfield(L, -1, "ok");
  if (!lua_toboolean(L, -1)) {
    lua_getfield(L, -2, "value");
    ln_fork_free(b);
    return lua_error(L);
  }
  if (b->fork->plan_into->n) return ask_for(L);
  ln_fork_free(b);
  lua_settop(L, 2);
  return run_inside(L, (ln_str){NULL, 0}, false, only_result);
}

static int approved_plan_joined(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  return approved_planned(L);
}

/* approved({ title, … }, fn): plan, ask, act.  In a plan there is nobody to ask: fn is planned like all
** else. */
static int l_approved(lua_State *L) {
  lnL_want(L, 1, LUA_TTABLE, "approved({ title = TEXT }, fn)");
  lnL_want(L, 2, LUA_TFUNCTION, "approved({ title = TEXT }, fn)");
  lua_settop(L, 2);
  ln_branch *b = lnL_here(L);
  if (b->polling)
    return lnL_raisef(L, "bad_argument", "approved inside await_until: what is polled may only read");
  if (b->run->planning || b->plan_into) return run_inside(L, (ln_str){NULL, 0}, false, only_result);
  ln_fork *f = fork_or_raise(L, 1);
  if (!(f->plan_into = calloc(1, sizeof *f->plan_into)) ||
      !name_child(f, b, 0, "", ln_str_dup(LN_STR("approved?"))))
    return names_failed(L);
  ln_buf_init(f->plan_into, 16 << 20);
  lua_pushvalue(L, 2);
  f->fns_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  f->keep = true;
  return lnL_fork_wait(L, f, 0, approved_plan_joined);
}

const luaL_Reg lnL_branch_words[] = {{"map", l_map},   {"parallel", l_parallel}, {"stage", l_stage},
                                     {"step", l_step}, {"approved", l_approved}, {NULL, NULL}};
