/* playtest_life.c: what a test can do, as functions for stdlib/sim/test.lua: begin a run and carry it
** until it has ended or nobody goes on with it, answer, wait, look.  A test runs in the simulators' state,
** and the loop runs within a call of it: whatever the engine tells meanwhile is handed to Lua protected,
** and what that raises ends the loop and is raised again by whoever runs it.  One test a process. */
#include "debug/playtest_parts.h"

#include "base/base64.h"
#include "base/units.h"
#include "engine/run.h"
#include "engine/timing.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const int64_t BEGIN_MS = 1795600000000, PAUSE_MS = 1000, NOTICED_MS = 61000;
static const int64_t TOO_LONG_MS = INT64_C(400) * 86400 * 1000; /* simulated */
enum { RUNS = 256, VALUE_MAX = 64 << 20, FILE_MAX = 16 << 20, PATH = 4096 };

typedef struct begun {
  ln_run *run; /* NULL: nobody carries it here */
  char ulid[LN_ULID + 1];
} begun;

static struct life {
  ln_simset *set;
  const ln_playtest_opts *o;
  const char *folder;
  lua_State *L;
  ln_engine *g;
  ln_rand rand;
  begun run[RUNS];
  size_t runs;
  int timers; /* of the test, that have not gone off */
  ln_timer people, look, lease;
  ln_lease_watch leases;
  int64_t lease_at; /* when the next one ends; 0: to be looked up */
  bool stopped, passing, raised, running;
} life;

static const char HOOKS, RAISED; /* their addresses: keys of the registry */

/* ------------------------------------------------------------------ telling Lua */

/* Told outside of the loop it would stop the next one. */
static void stop(void) {
  if (!life.running) return;
  life.stopped = true;
  life.g->loop->stop(life.g->loop);
}

typedef struct telling { /* hooks[name](text…, value, number); or the function that `fn` refers to */
  const char *name;
  ln_str text[5];
  size_t n;
  ln_str value;
  lua_Integer number;
  int fn;
} telling;

static int l_tell(lua_State *L) {
  const telling *t = lua_touserdata(L, 1);
  if (t->name) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &HOOKS);
    lua_getfield(L, -1, t->name);
  } else {
    lua_rawgeti(L, LUA_REGISTRYINDEX, t->fn);
  }
  for (size_t i = 0; i < t->n; i++) lua_pushlstring(L, t->text[i].p ? t->text[i].p : "", t->text[i].n);
  if (t->value.n) lnL_decode(L, t->value);
  else lua_pushnil(L);
  lua_pushinteger(L, t->number);
  lua_call(L, (int)t->n + 2, 0);
  return 0;
}

/* The first thing that is raised counts. */
static void tell(telling *t) {
  lua_State *L = life.L;
  if (life.raised || !lua_checkstack(L, LUA_MINSTACK)) return;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &HOOKS);
  lua_getfield(L, -1, "raised"); /* hooks handler: says where, before the stack is gone */
  lua_replace(L, -2);
  lua_pushcfunction(L, l_tell);
  lua_pushlightuserdata(L, t);
  if (lua_pcall(L, 1, 0, -3) != LUA_OK) {
    lua_rawsetp(L, LUA_REGISTRYINDEX, &RAISED);
    life.raised = true;
    stop();
  }
  lua_pop(L, 1);
}

static void raise_again(lua_State *L) {
  if (!life.raised) return;
  life.raised = false;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &RAISED);
  lua_error(L);
}

static int fail(lua_State *L, const ln_err *err) { return luaL_error(L, "%s", err->message); }

/* ------------------------------------------------------------------ events */

static void look_now(void *arg) {
  (void)arg;
  stop();
}

/* The test did something to a run, which looks for such things once a minute. */
static void acted(void) {
  ln_loop *l = life.g->loop;
  l->cancel(l, &life.look);
  life.look = (ln_timer){.fn = look_now};
  l->timer(l, &life.look, NOTICED_MS);
}

/* Whoever carries a run looks afterwards whether anything will still come. */
static void ask_people(void *arg) {
  (void)arg;
  telling t = {.name = "asked_people"};
  tell(&t);
  stop();
}

static void call_people(void) {
  if (life.people.impl) return;
  life.people = (ln_timer){.fn = ask_people};
  life.g->loop->timer(life.g->loop, &life.people, PAUSE_MS);
}

/* Is there anything that this process, or the test, will still do? */
static bool is_still(void) {
  return ln_runs_still(life.g) && !life.people.impl && !life.look.impl && life.timers == 0;
}

static void on_lease(void *arg);

/* A lease ends by itself, as in a process that serves.  But nobody waits for that: time does not go on
** because of a lease alone, unless the test lets it pass. */
static void watch_leases(void) {
  ln_loop *l = life.g->loop;
  ln_err err;
  int64_t now = ln_now_ms(l->clock);
  if (now >= life.lease_at && !ln_leases_look(&life.leases, &life.lease_at, &err))
    life.lease_at = now + PAUSE_MS;
  if (life.lease_at == LN_NEVER) return;
  int64_t wait = life.lease_at > now ? life.lease_at - now : 0;
  life.lease = (ln_timer){.loop = l, .impl = life.lease.impl, .fn = on_lease};
  l->timer(l, &life.lease, !life.passing && wait > NOTICED_MS ? NOTICED_MS : wait);
}

static void on_lease(void *arg) {
  (void)arg;
  if (life.passing || !is_still()) watch_leases();
}

/* What was just written may have one. */
static void look_at_leases(void) {
  ln_loop *l = life.g->loop;
  life.lease_at = 0;
  life.lease = (ln_timer){.loop = l, .impl = life.lease.impl, .fn = on_lease};
  l->timer(l, &life.lease, 0);
}

static void on_event(void *arg, ln_run *r, const ln_event *e) {
  (void)arg;
  bool asked = strcmp(e->what, "asked") == 0, step = strcmp(e->what, "step") == 0;
  bool waiting = strcmp(e->what, "waiting") == 0;
  if (asked || step) {
    telling t = {
        .name = asked ? "asked" : "stepped",
        .text = {ln_str_of(ln_run_ulid(r)), e->name, e->op, ln_str_of(e->cls ? e->cls : ""), e->state},
        .n = 5,
        .value = asked ? e->text : (ln_str){NULL, 0}};
    tell(&t);
  }
  if (step && e->cls && strcmp(e->cls, "write") == 0) look_at_leases();
  if (strcmp(e->what, "approval") == 0 || waiting) call_people();
  if (waiting || strcmp(e->what, "end") == 0 || strcmp(e->what, "broken") == 0) stop();
}

/* ------------------------------------------------------------------ the network: whose request did what */

typedef struct network {
  ln_transport base;
  ln_transport *real;
  ln_str who; /* of the request that passes */
  bool write;
} network;

static bool handle(void *arg, const ln_request *r, ln_sim_reply *out) {
  network *n = arg;
  if (!ln_simhost_handle(life.set->vendors, r, out)) return false;
  telling t = {.name = n->write ? "sent" : "read",
               .text = {n->who},
               .n = 1,
               .number = ln_simhost_last(life.set->vendors)->did};
  tell(&t);
  return true;
}

static void *send_request(ln_transport *base, const ln_request *r, ln_answer_fn done, void *arg) {
  network *n = (network *)base;
  n->who = r->who;
  n->write = r->write;
  return n->real->send(n->real, r, done, arg);
}

static void drop(ln_transport *base, void *sending) {
  network *n = (network *)base;
  n->real->drop(n->real, sending);
}

static void free_network(ln_transport *base) {
  network *n = (network *)base;
  if (!n) return;
  n->real->free(n->real);
  free(n);
}

static ln_transport *make_network(ln_loop *l, ln_err *err) {
  network *n = calloc(1, sizeof *n);
  if (!n || !(n->real = ln_transport_sim(l, handle, n, err))) {
    if (!n) ln_fail(err, "memory", LN_AGAIN, "no memory for a network");
    free(n);
    return NULL;
  }
  n->base = (ln_transport){send_request, drop, free_network};
  return &n->base;
}

/* ------------------------------------------------------------------ birth */

/* hits may be counted by several processes at once. */
static void on_line(lua_State *L, lua_Debug *ar) {
  static size_t last;
  lua_getinfo(L, "Sl", ar);
  if (ar->source[0] != '@' || ar->currentline < 1) return;
  const ln_lines *v = life.o->lines;
  for (size_t i = 0; i < life.o->n_lines; i++) {
    size_t at = (last + i) % life.o->n_lines;
    if (strcmp(v[at].path, ar->source + 1) != 0) continue;
    if ((size_t)ar->currentline <= v[at].lines)
      __atomic_fetch_add(&v[at].hits[ar->currentline], 1, __ATOMIC_RELAXED);
    last = at;
    return;
  }
}

static bool make_vendors(ln_err *err) {
  bool ok = ln_simhost_again(life.set->vendors, life.o->seed, "", err);
  ln_list names = ln_simhost_names(life.set->vendors);
  for (size_t i = 0; ok && i < names.n; i++) ok = ln_simhost_start(life.set->vendors, names.v[i], NULL, err);
  return ok;
}

bool ln_playtest_be_born(const char *folder, ln_err *err) {
  ln_engine *g = life.g = &life.set->slot[0];
  life.folder = folder;
  if (life.o->n_lines) ln_vm_watch_lines(on_line);
  ln_rand_seed(&life.rand, life.o->seed);
  ln_vfs_sim_seed(life.set->disk, life.o->seed);
  if (!make_vendors(err) || !ln_simset_files(life.set, folder, err)) return false;
  if (!(g->loop = ln_loop_sim(life.o->seed, BEGIN_MS, err))) return false;
  life.set->behind = g->loop->clock;
  if (!(g->transport = make_network(g->loop, err)) || !ln_simset_open(life.set, 0, &life.rand, NULL, err))
    return false;
  ln_leases_watch(&life.leases, g, &(ln_run_options){.event = on_event});
  return true;
}

/* ------------------------------------------------------------------ runs */

static begun *find_run(lua_State *L, int idx) {
  const char *ulid = luaL_checkstring(L, idx);
  for (size_t i = 0; i < life.runs; i++)
    if (strcmp(life.run[i].ulid, ulid) == 0) return &life.run[i];
  luaL_error(L, "there is no run %s", ulid);
  return NULL;
}

static int add_run(lua_State *L, ln_run *r, const ln_err *err) {
  if (!r) return fail(L, err);
  if (life.runs == RUNS) return luaL_error(L, "a test begins %d runs at most", RUNS);
  begun *b = &life.run[life.runs++];
  b->run = r;
  snprintf(b->ulid, sizeof b->ulid, "%s", ln_run_ulid(r));
  lua_pushstring(L, b->ulid);
  return 1;
}

static ln_buf *check_value(lua_State *L, int idx) {
  ln_err err = {0};
  ln_buf *b = lnL_new_buf(L, VALUE_MAX);
  if (!lua_isnoneornil(L, idx) && !lnL_encode(L, idx, b, &err)) fail(L, &err);
  return b;
}

static ln_str text_field(lua_State *L, int t, const char *key, const char *otherwise) {
  size_t n = 0;
  lua_getfield(L, t, key); /* stays on the stack, and with it the text */
  const char *s = lua_isnil(L, -1) ? NULL : luaL_tolstring(L, -1, &n);
  return s ? (ln_str){s, n} : ln_str_of(otherwise);
}

static bool flag_field(lua_State *L, int t, const char *key) {
  bool on = lua_getfield(L, t, key) != LUA_TNIL && lua_toboolean(L, -1);
  lua_pop(L, 1);
  return on;
}

/* start(playbook, input, { by, plan, recorded }) → ulid, and what `recorded` became, to be kept */
static int l_start(lua_State *L) {
  ln_err err = {0};
  ln_run_options o = {.event = on_event};
  luaL_checktype(L, 3, LUA_TTABLE);
  lua_getfield(L, 3, "recorded"); /* at 4 */
  ln_buf *input = check_value(L, 2), *recorded = check_value(L, 4);
  ln_str by = text_field(L, 3, "by", "alice");
  o.plan = flag_field(L, 3, "plan");
  o.recorded = ln_buf_view(recorded);
  ln_run *r = ln_run_start(life.g, ln_str_of(luaL_checkstring(L, 1)), ln_buf_view(input), &o, by, &err);
  add_run(L, r, &err);
  lua_pushvalue(L, 6);
  return 2;
}

/* undo(ulid, by) → the ulid of the run that takes it back */
static int l_undo(lua_State *L) {
  ln_err err = {0};
  ln_run_options o = {.event = on_event};
  const begun *b = find_run(L, 1);
  ln_run *r = ln_undo_start(life.g, ln_str_of(b->ulid), 0, &o, ln_str_of(luaL_checkstring(L, 2)), &err);
  return add_run(L, r, &err);
}

static void on_stuck(void *arg) {
  *(bool *)arg = true;
  stop();
}

/* Until somebody stops it, or nothing is left to do.  The loop is within a call of Lua: see tell. */
static void run_loop(lua_State *L) {
  ln_loop *l = life.g->loop;
  bool stuck = false;
  ln_timer t = {.fn = on_stuck, .arg = &stuck};
  if (lua_pushthread(L) != 1) luaL_error(L, "a test goes on with its runs outside of coroutines only");
  lua_pop(L, 1);
  life.stopped = false;
  life.running = true;
  life.lease_at = 0;
  watch_leases();
  l->timer(l, &t, TOO_LONG_MS);
  l->run(l);
  life.running = false;
  l->cancel(l, &t);
  raise_again(L);
  if (stuck) luaL_error(L, "nothing came of it within 400 days");
}

/* carry(ulid): until it has ended, or waits for somebody who does not come. */
static int l_carry(lua_State *L) {
  ln_err err = {0};
  ln_run_options o = {.event = on_event};
  begun *b = find_run(L, 1);
  if (!b->run && !(b->run = ln_run_resume(life.g, ln_str_of(b->ulid), &o, &err))) return fail(L, &err);
  call_people();
  while (!ln_run_over(b->run)) {
    run_loop(L);
    if (!ln_run_over(b->run) && (!life.stopped || is_still())) break;
  }
  return 0;
}

static int64_t check_ms(lua_State *L, int idx) {
  int64_t ms = 0;
  ln_err err = {0};
  if (lua_type(L, idx) == LUA_TNUMBER) return (int64_t)(lua_tonumber(L, idx) * 1000);
  if (!ln_parse_duration(ln_str_of(luaL_checkstring(L, idx)), &ms, &err)) fail(L, &err);
  return ms;
}

static void on_passed(void *arg) {
  (void)arg;
  life.passing = false;
  stop();
}

/* pass(duration): whatever happens meanwhile. */
static int l_pass(lua_State *L) {
  static ln_timer t;
  t = (ln_timer){.fn = on_passed};
  if (!life.g->loop->timer(life.g->loop, &t, check_ms(L, 1))) return luaL_error(L, "no memory for a timer");
  life.passing = true;
  while (life.passing) run_loop(L);
  return 0;
}

typedef struct later {
  ln_timer timer;
  int fn;
} later;

static void on_later(void *arg) {
  later *a = arg;
  telling t = {.fn = a->fn};
  life.timers--;
  tell(&t);
  stop();
  luaL_unref(life.L, LUA_REGISTRYINDEX, a->fn);
  free(a);
}

/* at(duration, fn): fn is called so much later, while the loop runs. */
static int l_at(lua_State *L) {
  int64_t ms = check_ms(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  int fn = luaL_ref(L, LUA_REGISTRYINDEX);
  later *a = calloc(1, sizeof *a);
  if (!a) return luaL_error(L, "no memory for a timer");
  a->fn = fn;
  a->timer = (ln_timer){.fn = on_later, .arg = a};
  if (!life.g->loop->timer(life.g->loop, &a->timer, ms)) {
    free(a);
    return luaL_error(L, "no memory for a timer");
  }
  life.timers++;
  return 0;
}

/* ------------------------------------------------------------------ people */

static void put_text(ln_buf *b, const char *key, ln_str text) {
  ln_v_key(b, ln_str_of(key));
  ln_v_str(b, text);
}

static void put_value(ln_buf *b, const char *key, ln_str v) {
  ln_v_key(b, ln_str_of(key));
  if (v.n) ln_v_raw(b, v);
  else ln_v_null(b);
}

static bool put_question(void *arg, const ln_approval *a) {
  ln_buf *b = arg;
  size_t mark = ln_v_begin(b, 'O', 8);
  put_value(b, "detail", a->detail);
  put_value(b, "effects", a->effects);
  ln_v_key(b, LN_STR("id"));
  ln_v_int(b, a->id);
  put_text(b, "kind", a->kind);
  put_value(b, "options", a->options);
  put_text(b, "run", ln_str_of(a->ulid));
  put_text(b, "step", a->step);
  put_text(b, "title", a->title);
  return ln_v_end(b, mark);
}

/* questions() → those that wait, the oldest first */
static int l_questions(lua_State *L) {
  ln_err err = {0};
  ln_buf *b = lnL_new_buf(L, VALUE_MAX);
  lua_newtable(L);
  if (!ln_store_approvals(life.g->store, 0, true, put_question, b, &err)) return fail(L, &err);
  ln_vitem one;
  lua_Integer n = 0;
  for (ln_str rest = ln_buf_view(b); rest.n && ln_v_read(&rest, &one);) {
    lnL_decode(L, one.whole);
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

/* decide(id, yes, by, comment, answer) → nil, or why not */
static int l_decide(lua_State *L) {
  ln_err err = {0};
  ln_str by = ln_str_of(luaL_checkstring(L, 3)), comment = ln_str_of(luaL_optstring(L, 4, "")),
         answer = ln_str_of(luaL_optstring(L, 5, ""));
  acted();
  bool ok = ln_approval_decide(life.g, luaL_checkinteger(L, 1), lua_toboolean(L, 2), by, comment, answer,
                               false, &err);
  if (ok) return 0;
  lua_pushstring(L, err.message);
  return 1;
}

/* signal(ulid, name, value, by) */
static int l_signal(lua_State *L) {
  char id[LN_ULID + 1];
  ln_err err = {0};
  const begun *b = find_run(L, 1);
  const ln_buf *value = check_value(L, 3);
  acted();
  if (!ln_run_signal(life.g, ln_str_of(b->ulid), ln_str_of(luaL_checkstring(L, 2)), ln_buf_view(value),
                     ln_str_of(luaL_checkstring(L, 4)), id, &err))
    return fail(L, &err);
  ln_runs_look(life.g);
  return 0;
}

static int l_cancel(lua_State *L) {
  const begun *b = find_run(L, 1);
  if (!b->run) return luaL_error(L, "nobody carries that run");
  acted();
  ln_run_cancel(b->run, ln_str_of(luaL_optstring(L, 2, "by the test")));
  return 0;
}

static void let_go(void) {
  while (life.g->state) ln_run_close(life.g->state);
  ln_runs_drain(life.g);
  for (size_t i = 0; i < life.runs; i++) life.run[i].run = NULL;
}

/* settle(ulid, step, did, result, by): of a run that is in doubt; carry goes on with it. */
static int l_settle(lua_State *L) {
  ln_err err = {0};
  const begun *b = find_run(L, 1);
  const ln_buf *result = check_value(L, 4);
  let_go();
  if (!ln_run_settle(life.g, ln_str_of(b->ulid), ln_str_of(luaL_optstring(L, 2, "")), lua_toboolean(L, 3),
                     ln_buf_view(result), ln_str_of(luaL_checkstring(L, 5)), &err))
    return fail(L, &err);
  return 0;
}

/* ------------------------------------------------------------------ looking */

/* report(ulid) → its document as JSON, and what it waits for while it does: what, id, step, next */
static int l_report(lua_State *L) {
  ln_err err = {0};
  ln_waiting w;
  const begun *b = find_run(L, 1);
  ln_buf *json = lnL_new_buf(L, VALUE_MAX);
  if (!ln_report_json(life.g, ln_str_of(b->ulid), json, &err)) return fail(L, &err);
  ln_str text = ln_buf_view(json);
  lua_pushlstring(L, text.p, text.n);
  if (!b->run || ln_run_over(b->run)) return 1;
  if (!ln_run_waiting_through(b->run, &w)) w = (ln_waiting){.what = ""};
  lua_pushstring(L, w.what);
  lua_pushstring(L, w.id);
  lua_pushstring(L, w.step);
  lua_pushstring(L, w.next);
  return 5;
}

/* render(json, format) → the report for people */
static int l_render(lua_State *L) {
  ln_err err = {0};
  size_t n;
  const char *json = luaL_checklstring(L, 1, &n);
  ln_buf *text = lnL_new_buf(L, VALUE_MAX);
  if (!ln_render(life.g, (ln_str){json, n}, luaL_checkstring(L, 2), text, &err)) return fail(L, &err);
  ln_str s = ln_buf_view(text);
  lua_pushlstring(L, s.p, s.n);
  return 1;
}

static int l_now(lua_State *L) {
  lua_pushnumber(L, (lua_Number)ln_now_ms(life.g->loop->clock) / 1000);
  return 1;
}

static int l_instance(lua_State *L) {
  lnL_simhost_instance(L, life.set->vendors, ln_str_of(luaL_checkstring(L, 1)));
  return 1;
}

/* is_op("okta.users"): of a connector, and no flow */
static int l_is_op(lua_State *L) {
  lua_pushboolean(L, life.g->find_op(life.g, ln_str_of(luaL_checkstring(L, 1))) != NULL);
  return 1;
}

static int l_world(lua_State *L) {
  lnL_simhost_world(L, life.set->vendors);
  return 1;
}

static int l_vendors(lua_State *L) {
  ln_list names = ln_simhost_names(life.set->vendors);
  lua_createtable(L, (int)names.n, 0);
  for (size_t i = 0; i < names.n; i++) {
    lua_pushlstring(L, names.v[i].p, names.v[i].n);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

/* folder() → where the files of this test's playbooks go, and whether stored texts are written anew */
static int l_folder(lua_State *L) {
  lua_pushstring(L, life.folder);
  lua_pushboolean(L, life.o->update);
  return 2;
}

/* ------------------------------------------------------------------ files of tests */

/* read(path) → its text, or nil and why */
static int l_read(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  ln_buf *b = lnL_new_buf(L, FILE_MAX);
  FILE *f = fopen(path, "rbe");
  if (!f) {
    lua_pushnil(L);
    lua_pushstring(L, strerror(errno));
    return 2;
  }
  char *room;
  size_t n = 0;
  while ((room = ln_buf_room(b, 8192)) && (n = fread(room, 1, 8192, f)) > 0) ln_buf_grew(b, n);
  bool bad = !room || ferror(f);
  fclose(f);
  if (bad) return luaL_error(L, "%s cannot be read, or is larger than 16 MiB", path);
  ln_str s = ln_buf_view(b);
  lua_pushlstring(L, s.p ? s.p : "", s.n);
  return 1;
}

/* write(folder, path, text): makes the folder, too */
static int l_write(lua_State *L) {
  size_t n;
  const char *folder = luaL_checkstring(L, 1), *path = luaL_checkstring(L, 2);
  const char *text = luaL_checklstring(L, 3, &n);
  if (mkdir(folder, 0755) != 0 && errno != EEXIST)
    return luaL_error(L, "%s cannot be made: %s", folder, strerror(errno));
  FILE *f = fopen(path, "wbe");
  if (!f) return luaL_error(L, "%s cannot be written: %s", path, strerror(errno));
  bool ok = fwrite(text, 1, n, f) == n;
  ok = fclose(f) == 0 && ok;
  return ok ? 0 : luaL_error(L, "%s cannot be written", path);
}

/* decode(base64) → the value that it encodes */
static int l_decode(lua_State *L) {
  size_t n;
  ln_err err = {0};
  const char *text = luaL_checklstring(L, 1, &n);
  ln_buf *b = lnL_new_buf(L, VALUE_MAX);
  if (!ln_unbase64((ln_str){text, n}, b, &err) || !ln_v_check(ln_buf_view(b), &err))
    return luaL_error(L, "what is recorded as `encoded` is no value");
  lnL_decode(L, ln_buf_view(b));
  return 1;
}

/* load(text, path, env) → the chunk, or nil and what is wrong */
static int l_load(lua_State *L) {
  size_t n;
  const char *text = luaL_checklstring(L, 1, &n);
  lua_pushfstring(L, "@%s", luaL_checkstring(L, 2)); /* text path env chunk */
  if (luaL_loadbufferx(L, text, n, lua_tostring(L, -1), "t") != LUA_OK) {
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
  }
  lua_pushvalue(L, 3);
  lua_setupvalue(L, -2, 1); /* its first upvalue is _ENV */
  return 1;
}

/* where(path) → the line of that file where the test is: the innermost; nil: nowhere */
static int l_where(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  lua_Debug ar;
  for (int level = 0; lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "Sl", &ar);
    if (ar.source[0] != '@' || strcmp(ar.source + 1, path) != 0 || ar.currentline < 1) continue;
    lua_pushinteger(L, ar.currentline);
    return 1;
  }
  lua_pushnil(L);
  return 1;
}

void lnL_playtest_open(lua_State *L, ln_simset *s, const ln_playtest_opts *o) {
  static const luaL_Reg core[] = {
      {"start", l_start},   {"undo", l_undo},           {"carry", l_carry},   {"pass", l_pass},
      {"at", l_at},         {"questions", l_questions}, {"decide", l_decide}, {"signal", l_signal},
      {"cancel", l_cancel}, {"settle", l_settle},       {"report", l_report}, {"render", l_render},
      {"now", l_now},       {"instance", l_instance},   {"world", l_world},   {"vendors", l_vendors},
      {"folder", l_folder}, {"read", l_read},           {"write", l_write},   {"load", l_load},
      {"where", l_where},   {"is_op", l_is_op},         {"decode", l_decode}, {NULL, NULL}};
  life = (struct life){.set = s, .o = o, .L = L};
  lua_getglobal(L, "require");
  lua_pushliteral(L, "sim.test");
  lua_call(L, 1, 1); /* open */
  luaL_newlib(L, core);
  lua_call(L, 1, 2); /* kit hooks */
  lua_rawsetp(L, LUA_REGISTRYINDEX, &HOOKS);
}
