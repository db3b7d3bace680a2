/* simhost.c: simulators in one Lua state: all that they have in common (the world, the clock, the generator
** of chance) must be one thing for all of them, so they share it.  The state has the language's libraries
** but none that reach the machine, and takes json, xml, crypto, zip, time and text from the core.  Time is
** the carrier's clock, run `speed` times as fast from the moment the host was made; so under virtual time a
** simulator is as repeatable as the run that talks to it. */
#include "engine/simhost.h"

#include "base/log.h"

#include <dirent.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum {
  FILE_MAX = 4 << 20,
  NAMES_MAX = 64,
  VALUE_MAX = 64 << 20,
  STEPS = 200
}; /* STEPS: millions of a request */

typedef struct instance {
  char *name, *base;
  int ref, definition;                                   /* in the registry */
} instance;

struct ln_simhost {
  lua_State *L;
  const ln_module *modules;
  ln_clock *clock;
  double speed;
  int64_t start_ms;
  uint64_t seed;
  double latency_s;
  char *faults;
  char **dirs;
  size_t n_dirs;
  ln_str *names;
  size_t n_names;
  instance *v;
  size_t n;
  int world;
  int steps;
  ln_sim_last last;
};

/* --- protected --- */

static void on_count(lua_State *L, lua_Debug *ar) {
  ln_simhost *h;
  (void)ar;
  lua_getfield(L, LUA_REGISTRYINDEX, "lunette.simhost");
  h = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (h && ++h->steps > STEPS) luaL_error(L, "it ran too long, and was stopped");
}

/* Runs fn(job) protected.  False: err has what it raised, under `code`. */
static bool protect(ln_simhost *h, lua_CFunction fn, void *job, const char *code, ln_err *err) {
  lua_State *L = h->L;
  int top = lua_gettop(L);
  h->steps = 0;
  lua_pushcfunction(L, fn);
  lua_pushlightuserdata(L, job);
  bool ok = lua_pcall(L, 1, 0, 0) == LUA_OK;
  if (!ok) {
    ln_err e;
    lnL_to_error(L, -1, &e);
    ln_fail(err, code, LN_FINAL, "%s", e.message);
  }
  lua_settop(L, top);
  return ok;
}

static ln_simhost *self(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, "lunette.simhost"); /* host */
  ln_simhost *h = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return h;
}

/* --- require --- */

static bool read_file(const char *path, ln_buf *out) {
  FILE *f = fopen(path, "rbe");
  char *room;
  size_t n = 0;
  if (!f) return false;
  while ((room = ln_buf_room(out, 8192)) && (n = fread(room, 1, 8192, f)) > 0) ln_buf_grew(out, n);
  bool ok = room && !ferror(f);
  fclose(f);
  return ok;
}

/* Pushes what the chunk stdlib/sim/NAME.lua returns. */
static void load_sim(lua_State *L, ln_simhost *h, const char *name) {
  char path[4096];
  ln_buf *b = lnL_new_buf(L, FILE_MAX);                  /* owner */
  for (size_t i = 0; i < h->n_dirs; i++) {
    snprintf(path, sizeof path, "%s/sim/%s.lua", h->dirs[i], name);
    if (!read_file(path, b)) continue;
    lua_pushfstring(L, "@stdlib/sim/%s.lua", name);      /* owner chunkname */
    if (luaL_loadbufferx(L, b->p ? b->p : "", b->n, lua_tostring(L, -1), "t") != LUA_OK) lua_error(L);
    lua_call(L, 0, 1);                                   /* owner chunkname value */
    lua_replace(L, -3);
    lua_pop(L, 1);
    return;
  }
  luaL_error(L, "there is no simulator %s: stdlib/sim/%s.lua is not there", name, name);
}

static bool open_module(lua_State *L, const ln_simhost *h, const char *name) {
  static const char *const taken[] = {"json", "xml", "crypto", "zip", "time", "text", NULL};
  int i = 0;
  while (taken[i] && strcmp(taken[i], name) != 0) i++;
  for (const ln_module *m = h->modules; taken[i] && m && m->name; m++)
    if (strcmp(m->name, name) == 0) {
      lua_pushcfunction(L, m->open);
      lua_call(L, 0, 1);                                 /* module */
      return true;
    }
  return false;
}

static int l_require(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, "lunette.sim.loaded"); /* name loaded */
  if (lua_getfield(L, -1, name) != LUA_TNIL) return 1;
  lua_pop(L, 1);
  if (strncmp(name, "sim.", 4) == 0 && !strpbrk(name + 4, "./\\")) load_sim(L, self(L), name + 4);
  else if (!open_module(L, self(L), name))
    return luaL_error(
        L, "a simulator cannot require '%s': there are json, xml, crypto, zip, time, text, sim.*", name);
  lua_pushvalue(L, -1);
  lua_setfield(L, 2, name);
  return 1;
}

/* --- the state --- */

static void open_libs(lua_State *L) {
  static const luaL_Reg libs[] = {{LUA_GNAME, luaopen_base}, {LUA_COLIBNAME, luaopen_coroutine},
    {LUA_TABLIBNAME, luaopen_table}, {LUA_STRLIBNAME, luaopen_string}, {LUA_MATHLIBNAME, luaopen_math},
    {LUA_UTF8LIBNAME, luaopen_utf8}, {NULL, NULL}};
  static const char *const gone[] = {"dofile", "loadfile", "load", "collectgarbage", "print", NULL};
  for (const luaL_Reg *l = libs; l->name; l++) {
    luaL_requiref(L, l->name, l->func, 1);
    lua_pop(L, 1);
  }
  for (int i = 0; gone[i]; i++) {
    lua_pushnil(L);
    lua_setglobal(L, gone[i]);
  }
  lua_getglobal(L, LUA_MATHLIBNAME);
  lua_pushnil(L);
  lua_setfield(L, -2, "random");                         /* chance is the generator's */
  lua_pushnil(L);
  lua_setfield(L, -2, "randomseed");
  lua_pop(L, 1);
  lua_pushcfunction(L, l_require);
  lua_setglobal(L, "require");
}

static void require_sim(lua_State *L, const char *name) {
  lua_pushcfunction(L, l_require);
  lua_pushstring(L, name);
  lua_call(L, 1, 1);                                     /* module */
}

/* A world, and the spec of faults is looked at. */
static int l_world(lua_State *L) {
  ln_simhost *h = lua_touserdata(L, 1);
  require_sim(L, "sim.kit");                             /* job kit */
  lua_getfield(L, -1, "sim");
  lua_setglobal(L, "sim");
  lua_getfield(L, -1, "checked"); /* job kit checked: the spec is read once, to judge it */
  lua_pushstring(L, h->faults);
  lua_createtable(L, (int)h->n_names, 0);                /* … checked spec names */
  for (size_t i = 0; i < h->n_names; i++) {
    lua_pushlstring(L, h->names[i].p, h->names[i].n);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_call(L, 2, 0);
  require_sim(L, "sim.world");                           /* job kit world */
  lua_getfield(L, -1, "new");
  lua_call(L, 0, 1);
  luaL_unref(L, LUA_REGISTRYINDEX, h->world);
  h->world = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

static int l_begin(lua_State *L) {
  open_libs(L);
  lua_pushvalue(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, "lunette.simhost");
  lua_sethook(L, on_count, LUA_MASKCOUNT, 1000000);
  return l_world(L);
}

static int by_text(const void *a, const void *b) {
  return ln_str_cmp(*(const ln_str *)a, *(const ln_str *)b);
}

/* What simulators are made of, and what tests see of them. */
static bool is_no_vendor(ln_str name) {
  static const char *const others[] = {"kit", "world", "test", "from_run", "new_test", "literal"};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (ln_str_eq(name, ln_str_of(others[i]))) return true;
  return false;
}

static void find_names(ln_simhost *h) {
  for (size_t i = 0; i < h->n_dirs; i++) {
    char path[4096];
    snprintf(path, sizeof path, "%s/sim", h->dirs[i]);
    DIR *d = opendir(path);
    for (struct dirent *f; d && (f = readdir(d)) && h->n_names < NAMES_MAX;) {
      ln_str name = ln_str_of(f->d_name);
      if (!ln_str_ends(name, LN_STR(".lua")) || f->d_name[0] == '.') continue;
      name.n -= 4;
      if (is_no_vendor(name)) continue;
      char *copy = ln_str_dup(name);
      if (copy) h->names[h->n_names++] = (ln_str){copy, name.n};
    }
    if (d) closedir(d);
  }
  qsort(h->names, h->n_names, sizeof *h->names, by_text);
}

static bool copy_opts(ln_simhost *h, const ln_simhost_opts *o) {
  h->modules = o->modules;
  h->clock = o->clock;
  h->speed = o->speed > 0 ? o->speed : 1;
  h->start_ms = ln_now_ms(o->clock);
  h->seed = o->seed;
  h->latency_s = o->latency_s > 0 ? o->latency_s : 0;
  h->world = LUA_NOREF;
  h->faults = ln_str_dup(ln_str_of(o->faults ? o->faults : ""));
  h->dirs = calloc(o->stdlib.n + 1, sizeof *h->dirs);
  h->names = calloc(NAMES_MAX, sizeof *h->names);
  h->L = luaL_newstate();
  if (!h->faults || !h->dirs || !h->names || !h->L) return false;
  memset(lua_getextraspace(h->L), 0, LUA_EXTRASPACE);    /* it belongs to no VM */
  for (; h->n_dirs < o->stdlib.n; h->n_dirs++)
    if (!(h->dirs[h->n_dirs] = ln_str_dup(o->stdlib.v[h->n_dirs]))) return false;
  return true;
}

ln_simhost *ln_simhost_new(const ln_simhost_opts *o, ln_err *err) {
  ln_simhost *h = calloc(1, sizeof *h);
  if (!h || !copy_opts(h, o)) {
    ln_simhost_free(h);
    ln_fail(err, "memory", LN_AGAIN, "no memory for the simulators");
    return NULL;
  }
  find_names(h);
  if (protect(h, l_begin, h, "usage", err)) return h;
  ln_simhost_free(h);
  return NULL;
}

static void stop_all(ln_simhost *h) {
  for (size_t i = 0; i < h->n; i++) {
    luaL_unref(h->L, LUA_REGISTRYINDEX, h->v[i].ref);
    luaL_unref(h->L, LUA_REGISTRYINDEX, h->v[i].definition);
    free(h->v[i].name);
    free(h->v[i].base);
  }
  h->n = 0;
}

bool ln_simhost_again(ln_simhost *h, uint64_t seed, const char *faults, ln_err *err) {
  char *spec = ln_str_dup(ln_str_of(faults ? faults : ""));
  if (!spec) return ln_fail(err, "memory", LN_AGAIN, "no memory for the simulators");
  free(h->faults);
  h->faults = spec;
  h->seed = seed;
  h->start_ms = ln_now_ms(h->clock);
  stop_all(h);
  return protect(h, l_world, h, "usage", err);
}

void ln_simhost_free(ln_simhost *h) {
  if (!h) return;
  if (h->L) {
    stop_all(h);
    lua_close(h->L);
  }
  for (size_t i = 0; i < h->n_dirs; i++) free(h->dirs[i]);
  for (size_t i = 0; i < h->n_names; i++) free((char *)(uintptr_t)h->names[i].p);
  free(h->v);
  free(h->names);
  free(h->dirs);
  free(h->faults);
  free(h);
}

ln_list ln_simhost_names(const ln_simhost *h) { return (ln_list){h->names, h->n_names}; }

/* --- instances --- */

static instance *find(const ln_simhost *h, ln_str name) {
  for (size_t i = 0; i < h->n; i++)
    if (ln_str_eq(ln_str_of(h->v[i].name), name)) return &h->v[i];
  return NULL;
}

typedef struct starting {
  ln_simhost *h;
  instance it;
} starting;

static int l_start(lua_State *L) {
  starting *s = lua_touserdata(L, 1);
  lua_pushfstring(L, "sim.%s", s->it.name);              /* job name */
  require_sim(L, lua_tostring(L, -1));                   /* job name definition */
  if (!lua_istable(L, -1)) luaL_error(L, "it must return kit.sim { … }");
  lua_getfield(L, -1, "start");                          /* job name definition start */
  lua_pushvalue(L, -2);
  lua_createtable(L, 0, 5);                              /* … start definition options */
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->h->world);
  lua_setfield(L, -2, "world");
  lua_pushinteger(L, (lua_Integer)s->h->seed);
  lua_setfield(L, -2, "seed");
  lua_pushstring(L, s->h->faults);
  lua_setfield(L, -2, "faults");
  lua_pushstring(L, s->it.base);
  lua_setfield(L, -2, "base");
  lua_pushnumber(L, s->h->latency_s);
  lua_setfield(L, -2, "latency");
  lua_call(L, 2, 1);                                     /* job name definition instance */
  s->it.ref = luaL_ref(L, LUA_REGISTRYINDEX);
  s->it.definition = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

static bool is_there(const ln_simhost *h, ln_str name) {
  for (size_t i = 0; i < h->n_names; i++)
    if (ln_str_eq(h->names[i], name)) return true;
  return false;
}

bool ln_simhost_start(ln_simhost *h, ln_str name, const char *base, ln_err *err) {
  char usual[128];
  if (find(h, name)) return true;
  if (!is_there(h, name))
    return ln_fail(err, "not_found", LN_FINAL, "there is no simulator of " LN_STR_FMT, LN_STR_ARG(name));
  snprintf(usual, sizeof usual, "https://" LN_STR_FMT ".sim", LN_STR_ARG(name));
  instance *more = reallocarray(h->v, h->n + 1, sizeof *more);
  if (more) h->v = more;
  starting s = {.h = h, .it = {.name = ln_str_dup(name), .base = ln_str_dup(ln_str_of(base ? base : usual))}};
  bool ok = more && s.it.name && s.it.base;
  if (!ok) ln_fail(err, "memory", LN_AGAIN, "no memory for a simulator");
  ok = ok && protect(h, l_start, &s, "bad_simulator", err);
  if (ok) {
    h->v[h->n++] = s.it;
  } else {
    free(s.it.name);
    free(s.it.base);
  }
  return ok;
}

lua_State *ln_simhost_state(ln_simhost *h) { return h->L; }

void lnL_simhost_instance(lua_State *L, ln_simhost *h, ln_str name) {
  const instance *it = find(h, name);
  if (it) lua_rawgeti(L, LUA_REGISTRYINDEX, it->ref);
  else lua_pushnil(L);
}

void lnL_simhost_world(lua_State *L, ln_simhost *h) { lua_rawgeti(L, LUA_REGISTRYINDEX, h->world); }

/* --- looking into one --- */

/* Simulated seconds since 1970. */
static double sim_now(const ln_simhost *h) {
  double passed = (double)(ln_now_ms(h->clock) - h->start_ms) / 1000;
  return (double)h->start_ms / 1000 + passed * h->speed;
}

typedef struct looking {
  const instance *it;
  const char *chunk;
  ln_buf *out, *also;
  ln_simhost *h;
} looking;

static int encode_top(lua_State *L, ln_buf *out) {
  ln_err err;
  if (!lnL_encode(L, -1, out, &err)) return luaL_error(L, "%s", err.message);
  return 0;
}

static int l_config(lua_State *L) {
  looking *j = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, j->it->definition);
  if (lua_getfield(L, -1, "config") != LUA_TTABLE) lua_newtable(L);
  return encode_top(L, j->out);
}

static int l_log(lua_State *L) {
  looking *j = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, j->it->ref);
  if (lua_getfield(L, -1, "log") != LUA_TTABLE) lua_newtable(L);
  if (luaL_len(L, -1) == 0) lnL_mark_array(L, -1);
  return encode_top(L, j->out);
}

static int l_do(lua_State *L) {
  looking *j = lua_touserdata(L, 1);
  if (luaL_loadbufferx(L, j->chunk, strlen(j->chunk), "=do", "t") != LUA_OK) return lua_error(L);
  lua_rawgeti(L, LUA_REGISTRYINDEX, j->it->ref);         /* job chunk instance */
  lua_getfield(L, -1, "state");
  lua_replace(L, -2);                                    /* job chunk state */
  lua_rawgeti(L, LUA_REGISTRYINDEX, j->h->world);        /* job chunk state world */
  lua_call(L, 2, 0);
  return 0;
}

static int l_truth(lua_State *L) {
  looking *j = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, j->it->ref);         /* job instance */
  lua_getfield(L, -1, "truth");
  lua_insert(L, -2);
  lua_pushnumber(L, sim_now(j->h));                      /* job truth instance now */
  lua_call(L, 2, 2);                                     /* job facts facets */
  if (luaL_len(L, -1) == 0) lnL_mark_array(L, -1);
  if (luaL_len(L, -2) == 0) lnL_mark_array(L, -2);
  encode_top(L, j->also);
  lua_pop(L, 1);
  return encode_top(L, j->out);
}

static bool look(ln_simhost *h, ln_str name, lua_CFunction fn, looking *j, ln_err *err) {
  j->it = find(h, name);
  j->h = h;
  if (!j->it)
    return ln_fail(err, "not_found", LN_FINAL, "no simulator of " LN_STR_FMT " is running", LN_STR_ARG(name));
  return protect(h, fn, j, "bad_simulator", err);
}

bool ln_simhost_config(ln_simhost *h, ln_str name, ln_buf *out, ln_err *err) {
  return look(h, name, l_config, &(looking){.out = out}, err);
}

bool ln_simhost_log(ln_simhost *h, ln_str name, ln_buf *out, ln_err *err) {
  return look(h, name, l_log, &(looking){.out = out}, err);
}

bool ln_simhost_truth(ln_simhost *h, ln_str name, ln_buf *facts, ln_buf *facets, ln_err *err) {
  return look(h, name, l_truth, &(looking){.out = facts, .also = facets}, err);
}

bool ln_simhost_do(ln_simhost *h, ln_str name, const char *chunk, ln_err *err) {
  return look(h, name, l_do, &(looking){.chunk = chunk}, err);
}

/* --- a request --- */

typedef struct asking {
  ln_simhost *h;
  const instance *it;
  ln_str method, target, body;
  const ln_header *headers;
  size_t n_headers;
  ln_sim_action *out;
} asking;

typedef struct action {                                  /* what ln_sim_action_free gets back */
  ln_sim_action public;
  ln_header *headers;
  ln_buf texts;
} action;

static void set_text(lua_State *L, const char *key, ln_str s) {
  lua_pushlstring(L, s.n ? s.p : "", s.n);
  lua_setfield(L, -2, key);
}

static void push_raw(lua_State *L, const asking *a) {
  lua_createtable(L, 0, 5);                              /* raw */
  set_text(L, "method", a->method);
  set_text(L, "target", a->target);
  set_text(L, "body", a->body);
  lua_pushnumber(L, sim_now(a->h));
  lua_setfield(L, -2, "now");
  lua_createtable(L, (int)a->n_headers, 0);              /* raw headers */
  for (size_t i = 0; i < a->n_headers; i++) {
    lua_createtable(L, 2, 0);
    lua_pushlstring(L, a->headers[i].name.p, a->headers[i].name.n);
    lua_rawseti(L, -2, 1);
    lua_pushlstring(L, a->headers[i].value.n ? a->headers[i].value.p : "", a->headers[i].value.n);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, "headers");
}

/* Appends the text at idx; its place is known once all texts are there. */
static ln_str put(lua_State *L, int idx, ln_buf *b) {
  size_t n = 0;
  const char *p = lua_tolstring(L, idx, &n);
  ln_str at = {(const char *)b->n, n};                   /* an offset for now (see settle) */
  if (p) ln_buf_add(b, (ln_str){p, n});
  return at;
}

static void settle(const action *a, ln_str *s) {
  *s = (ln_str){s->n ? a->texts.p + (uintptr_t)s->p : "", s->n};
}

static double number(lua_State *L, int t, const char *key, double otherwise) {
  double v = otherwise;
  if (lua_getfield(L, t, key) == LUA_TNUMBER) v = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return v;
}

static void take_headers(lua_State *L, int reply, action *a) {
  if (lua_getfield(L, reply, "headers") != LUA_TTABLE) return;
  int t = lua_gettop(L);
  lua_Integer n = luaL_len(L, t);
  if (n < 0 || n > 100) luaL_error(L, "a reply has too many headers");
  if (!(a->headers = calloc((size_t)n + 1, sizeof *a->headers))) luaL_error(L, "no memory");
  for (lua_Integer i = 1; i <= n; i++) {
    lua_geti(L, t, i);                                   /* headers pair */
    lua_geti(L, -1, 1);
    lua_geti(L, -2, 2);                                  /* headers pair name value */
    luaL_tolstring(L, -1, NULL);                         /* headers pair name value text */
    a->headers[i - 1] = (ln_header){put(L, -3, &a->texts), put(L, -1, &a->texts)};
    lua_settop(L, t);
  }
  a->public.headers = a->headers;
  a->public.n_headers = (size_t)n;
}

static void take_reply(lua_State *L, int reply, const asking *q) {
  action *a = (action *)q->out;
  ln_sim_action *p = q->out;
  if (lua_getfield(L, reply, "cut") == LUA_TSTRING)
    p->cut = strcmp(lua_tostring(L, -1), "before") == 0 ? LN_CUT_BEFORE : LN_CUT_AFTER;
  p->status = (int)number(L, reply, "status", 200);
  p->times = (int64_t)number(L, reply, "times", 1);
  p->truncate = (int64_t)number(L, reply, "truncate", -1);
  p->delay_ms = (int64_t)(number(L, reply, "delay", 0) * 1000 / q->h->speed);
  take_headers(L, reply, a);
  lua_getfield(L, reply, "body");
  p->body = put(L, -1, &a->texts);
  p->did = (int)number(L, reply, "did", 0);
  lua_getfield(L, reply, "op");
  p->op = put(L, -1, &a->texts);
  lua_getfield(L, reply, "fault");
  p->fault = put(L, -1, &a->texts);
}

static int l_ask(lua_State *L) {
  const asking *a = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, a->it->ref);         /* job instance */
  lua_getfield(L, 2, "handle");                          /* job instance handle */
  lua_pushvalue(L, 2);
  push_raw(L, a);
  lua_call(L, 2, 1);                                     /* job instance reply */
  if (!lua_istable(L, 3)) return luaL_error(L, "its handler returned %s, not a reply", luaL_typename(L, 3));
  take_reply(L, 3, a);
  return 0;
}

void ln_sim_action_free(ln_sim_action *p) {
  action *a = (action *)p;
  if (!a) return;
  free(a->headers);
  ln_buf_free(&a->texts);
  free(a);
}

static void settle_all(action *a) {
  for (size_t i = 0; i < a->public.n_headers; i++) {
    settle(a, &a->headers[i].name);
    settle(a, &a->headers[i].value);
  }
  settle(a, &a->public.body);
  settle(a, &a->public.op);
  settle(a, &a->public.fault);
}

ln_sim_action *ln_simhost_ask(ln_simhost *h, ln_str name, ln_str method, ln_str target,
                              const ln_header *headers, size_t n_headers, ln_str body, ln_err *err) {
  action *a = calloc(1, sizeof *a);
  const instance *it = find(h, name);
  if (!a || !it) {
    free(a);
    ln_fail(err, it ? "memory" : "not_found", LN_FINAL,
            it ? "no memory for an answer" : "no such simulator is running");
    return NULL;
  }
  ln_buf_init(&a->texts, VALUE_MAX);
  a->public.truncate = -1;
  asking q = {h, it, method, target, body, headers, n_headers, &a->public};
  ln_err why = {.message = "its answer is too large"};
  if (!protect(h, l_ask, &q, "bad_simulator", &why) || ln_buf_failed(&a->texts)) {
    ln_log(LN_ERROR, "sim.raised", "sim=%s why=%s", it->name, why.message);
    free(a->headers);
    ln_buf_free(&a->texts);
    *a = (action){.public = {.status = 500, .times = 1, .truncate = -1}};
    ln_buf_init(&a->texts, 256);
  }
  settle_all(a);
  return &a->public;
}

/* --- for the simulated transport --- */

/* The simulator that a url belongs to, and what follows its address. */
static const instance *owner_of(const ln_simhost *h, ln_str url, ln_str *target) {
  for (size_t i = 0; i < h->n; i++) {
    ln_str base = ln_str_of(h->v[i].base);
    if (!ln_str_starts(url, base)) continue;
    *target = (ln_str){url.p + base.n, url.n - base.n};
    if (target->n == 0) *target = LN_STR("/");
    if (target->p[0] == '/' || target->p[0] == '?') return &h->v[i];
  }
  return NULL;
}

/* What a client sees of an action.  *whole: the body, repeated, where it is. */
static void answer_of(const ln_sim_action *a, const ln_request *r, ln_answer *out, char **whole) {
  *out = (ln_answer){.sent = LN_ANSWERED,
                     .status = a->status,
                     .headers = a->headers,
                     .n_headers = a->n_headers,
                     .body = a->body};
  if (a->cut != LN_CUT_NOT || a->truncate >= 0) {
    out->sent = LN_PERHAPS_SENT;
    if (a->cut != LN_CUT_NOT) out->status = 0;
    out->body = (ln_str){NULL, 0};
    ln_fail(&out->err, "unavailable", LN_AGAIN,
            a->cut != LN_CUT_NOT ? "the connection was reset" : "half an answer");
  } else if (a->times > 1) {
    size_t n = a->body.n, times = (size_t)a->times;
    bool fits = n == 0 || times <= r->max_response / n;
    *whole = fits && n ? malloc(n * times) : NULL;
    for (size_t i = 0; *whole && i < times; i++) memcpy(*whole + i * n, a->body.p, n);
    out->body = (ln_str){*whole, *whole ? n * times : 0};
    if (*whole) return;
    out->sent = LN_PERHAPS_SENT;
    ln_fail(&out->err, "too_big", LN_FINAL, "the answer is larger than is allowed here");
  }
}

/* A reply's free gets nothing but the reply: what it owns is found from the headers, which stand behind
** it. */
typedef struct carried {
  ln_sim_action *action;
  char *whole;
  ln_header headers[];
} carried;

static void free_reply(ln_sim_reply *r) {
  carried *c = (carried *)((char *)(uintptr_t)r->answer.headers - offsetof(carried, headers));
  ln_sim_action_free(c->action);
  free(c->whole);
  free(c);
}

/* What the wire would add: a simulator sees the headers of a real client. */
static ln_sim_action *ask_as_on_the_wire(ln_simhost *h, const instance *it, const ln_request *r,
                                         ln_str target) {
  ln_err err;
  char length[24];
  bool has_body = r->body.n || ln_str_eq(r->method, LN_STR("POST")) || ln_str_eq(r->method, LN_STR("PUT")) ||
                  ln_str_eq(r->method, LN_STR("PATCH"));
  ln_header *headers = calloc(r->n_headers + 1, sizeof *headers);
  if (!headers) return NULL;
  if (r->n_headers) memcpy(headers, r->headers, r->n_headers * sizeof *headers);
  snprintf(length, sizeof length, "%zu", r->body.n);
  headers[r->n_headers] = (ln_header){LN_STR("Content-Length"), ln_str_of(length)};
  ln_sim_action *a = ln_simhost_ask(h, ln_str_of(it->name), r->method, target, headers,
                                    r->n_headers + has_body, r->body, &err);
  free(headers);
  return a;
}

const ln_sim_last *ln_simhost_last(const ln_simhost *h) { return &h->last; }

bool ln_simhost_handle(void *arg, const ln_request *r, ln_sim_reply *out) {
  ln_simhost *h = arg;
  ln_str target;
  const instance *it = owner_of(h, r->url, &target);
  ln_sim_action *a = it ? ask_as_on_the_wire(h, it, r, target) : NULL;
  carried *c = a ? malloc(sizeof *c + (a->n_headers + 1) * sizeof *c->headers) : NULL;
  if (!c) {
    ln_sim_action_free(a);
    return false;
  }
  *c = (carried){.action = a};
  h->last = (ln_sim_last){.vendor = it->name, .did = a->did};
  snprintf(h->last.op, sizeof h->last.op, LN_STR_FMT, LN_STR_ARG(a->op));
  if (a->n_headers) memcpy(c->headers, a->headers, a->n_headers * sizeof *c->headers);
  answer_of(a, r, &out->answer, &c->whole);
  out->answer.headers = c->headers;
  out->after_ms = a->delay_ms;
  out->free = free_reply;
  return true;
}
