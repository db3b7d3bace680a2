/* fake_engine.h: a small stand-in for the engine: effects without a journal, so that connectors are tested
** against their simulators with nothing else in between.  Time is virtual. */
#ifndef LN_TEST_FAKE_ENGINE_H
#define LN_TEST_FAKE_ENGINE_H

#include "base/units.h"
#include "engine/drift.h"
#include "engine/simhost.h"
#include "modules/connector.h"
#include "engine/instrument.h"
#include "engine/library.h"
#include "engine/note.h"
#include "engine/run.h"
#include "modules/modules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct ln_effect {
  ln_engine *engine;
  const ln_op *op;
  ln_buf args;
  void *work;
  void (*free_work)(void *);
  void (*drop)(ln_effect *e);
  void *kept[64];
  size_t n_kept;
  bool finished, good, looked;
  ln_buf value;                                          /* what it answered with */
  ln_err err;
  ln_write w;
  ln_outcome outcome;
  ln_buf before, names, undo, unchanged;
  bool resolved;
  int64_t again_ms, timeout_ms, lease_ms, wait_ms;       /* wait -1: not given */
  size_t raws;
};

typedef struct fake {
  ln_engine engine;
  ln_config config;
  ln_connector_config connectors[8];
  ln_buf keys[8];
  ln_rand rand;
  ln_simhost *sims;
  ln_str stdlib;
} fake;

/* What is defined here under the engine's names keeps the real files out of the program; one that is drawn
** in all the same, for a name that is missing here, shows itself as a name that is defined twice. */
#define HELPER static __attribute__((unused))             /* not every test needs all of them */

/* --- what modules ask of an effect --- */

const ln_op *ln_effect_op(const ln_effect *e) { return e->op; }
ln_engine *ln_effect_engine(const ln_effect *e) { return e->engine; }
ln_str ln_effect_args(const ln_effect *e) { return ln_buf_view(&e->args); }
static char fake_tag[64] = "lunette 01TEST/step#1";
ln_str ln_effect_trace(const ln_effect *e) { (void)e; return (ln_str){NULL, 0}; }
ln_str ln_effect_tag(const ln_effect *e) { (void)e; return ln_str_of(fake_tag); }
ln_str ln_effect_name(const ln_effect *e) { (void)e; return LN_STR("step#1"); }
void *ln_effect_work(const ln_effect *e) { return e->work; }
int64_t ln_effect_timeout_ms(const ln_effect *e) { return e->timeout_ms; }
int64_t ln_effect_lease_ms(const ln_effect *e) { return e->lease_ms; }
void ln_effect_on_drop(ln_effect *e, void (*drop)(ln_effect *e)) { e->drop = drop; }
void ln_effect_raw(ln_effect *e, ln_str bytes) { e->raws += bytes.n > 0; }

void ln_effect_set_work(ln_effect *e, void *work, void (*free_work)(void *work)) {
  if (e->free_work) e->free_work(e->work);
  e->work = work;
  e->free_work = free_work;
}

char *ln_effect_keep(ln_effect *e, ln_str s, ln_str *kept) {
  char *p = ln_str_dup(s);
  assert_non_null(p);
  assert_true(e->n_kept < 64);
  e->kept[e->n_kept++] = p;
  if (kept) *kept = (ln_str){p, s.n};
  return p;
}

static void end_effect(ln_effect *e, bool good, ln_str value, const ln_err *err) {
  assert_false(e->finished); /* exactly once */
  e->finished = true;
  e->good = good;
  ln_buf_cut(&e->value, 0);
  if (value.n) ln_buf_add(&e->value, value);
  if (err) e->err = *err;
}

void ln_effect_done(ln_effect *e, ln_str value) {
  ln_err err;
  assert_true(ln_v_check(value, &err));
  end_effect(e, true, value, NULL);
}

void ln_effect_fail(ln_effect *e, const ln_err *err) { end_effect(e, false, (ln_str){NULL, 0}, err); }

static void end_write(ln_effect *e, ln_outcome o, ln_str value, const ln_err *err) {
  e->outcome = o;
  end_effect(e, o == LN_DID || o == LN_DID_UNCHANGED || o == LN_ACCEPTED, value, err);
}

void ln_write_sent(ln_effect *e, ln_outcome o, ln_str value, const ln_err *err) {
  end_write(e, o, value, err);
}
void ln_write_placed(ln_effect *e) { e->op->write->send(e); }
void ln_write_put_off(ln_effect *e) { (void)e; }
void ln_write_probed(ln_effect *e, ln_outcome o, ln_str value, const ln_err *err) {
  end_write(e, o, value, err);
}
void ln_write_followed(ln_effect *e, ln_outcome o, ln_str value, const ln_err *err, int64_t again_ms) {
  e->again_ms = again_ms;
  end_write(e, o, value, err);
}

void ln_write_looked(ln_effect *e, const ln_look *l, const ln_err *err) {
  end_effect(e, l != NULL && !err, (ln_str){NULL, 0}, err);
  ln_buf *to[] = {&e->before, &e->names, &e->undo, &e->unchanged};
  ln_str from[] = {l ? l->before : (ln_str){0}, l ? l->names : (ln_str){0}, l ? l->undo : (ln_str){0},
                   l ? l->unchanged : (ln_str){0}};
  for (int i = 0; i < 4; i++) {
    ln_buf_cut(to[i], 0);
    if (from[i].n) ln_buf_add(to[i], from[i]);
  }
  e->resolved = l && l->resolved;
}

const char *ln_class_name(ln_class c) { return c == LN_WRITE ? "write" : "other"; }

/* --- the world --- */

/* A store on a disk in memory, whose writer is a task of the loop. */
HELPER void fake_store(ln_engine *g) {
  ln_err err = {0};
  static int n;
  char name[32], uri[64];
  snprintf(name, sizeof name, "fake%d", n++);
  snprintf(uri, sizeof uri, "sqlite:/%s", name);
  ln_vfs_sim *disk = ln_vfs_sim_new(name, 1, &err);
  ln_store_opts o = {.vfs = name, .clock = g->loop->clock};
  if (!disk || !(g->store = ln_store_open(ln_str_of(uri), &o, &err)) ||
      !ln_writer_start(g->store, g->loop, &err) || !(g->vault = ln_vault_open(g->store, NULL, &err)))
    fail_msg("%s", err.message);
  g->state = disk;                                       /* kept for fake_store_free */
}

HELPER void fake_store_free(ln_engine *g) {
  ln_vault_free(g->vault);
  ln_store_close(g->store);
  ln_vfs_sim_free(g->state);
}

HELPER fake *fake_new(const char *stdlib, const char *faults) {
  ln_err err = {0};
  fake *f = calloc(1, sizeof *f);
  assert_non_null(f);
  f->stdlib = ln_str_of(stdlib);
  f->config.stdlib = (ln_list){&f->stdlib, 1};
  f->config.response = 16 << 20;
  f->config.connectors = f->connectors;
  ln_rand_seed(&f->rand, 11);
  ln_engine *g = &f->engine;
  g->loop = ln_loop_sim(3, 1795510000000, &err);
  g->rand = &f->rand;
  fake_store(g);
  g->host = ln_host_new(&err);
  g->config = &f->config;
  g->modules = lnL_modules;
  ln_simhost_opts o = {.stdlib = f->config.stdlib, .modules = lnL_modules, .clock = g->loop->clock, .seed = 5,
                       .faults = faults};
  f->sims = ln_simhost_new(&o, &err);
  if (!f->sims) fail_msg("%s", err.message);
  g->transport = ln_transport_sim(g->loop, ln_simhost_handle, f->sims, &err);
  if (!ln_connectors_open(g, &err)) fail_msg("%s", err.message);
  return f;
}

/* Starts a vendor's simulator and configures its connector to it. */
HELPER ln_connector_config *fake_vendor(fake *f, const char *name) {
  ln_err err = {0};
  static char urls[8][64];
  size_t i = f->config.n_connectors++;
  ln_buf_init(&f->keys[i], 1 << 16);
  if (!ln_simhost_start(f->sims, ln_str_of(name), NULL, &err)) fail_msg("%s", err.message);
  if (!ln_simhost_config(f->sims, ln_str_of(name), &f->keys[i], &err)) fail_msg("%s", err.message);
  snprintf(urls[i], sizeof urls[i], "https://%s.sim", name);
  f->connectors[i] = (ln_connector_config){.name = ln_str_of(name),
                                           .url = ln_str_of(urls[i]),
                                           .writes = LN_WRITES_ALLOW,
                                           .loopback = true,
                                           .pace = 1,
                                           .keys = ln_buf_view(&f->keys[i])};
  return &f->connectors[i];
}

HELPER void fake_free(fake *f) {
  ln_connectors_close(&f->engine);
  f->engine.transport->free(f->engine.transport);
  ln_simhost_free(f->sims);
  ln_host_free(f->engine.host);
  fake_store_free(&f->engine);
  ln_drift_free(&f->engine);
  f->engine.loop->free(f->engine.loop);
  for (size_t i = 0; i < f->config.n_connectors; i++) ln_buf_free(&f->keys[i]);
  free(f);
}

/* --- effects --- */

HELPER void effect_free(ln_effect *e) {
  if (!e->finished && e->drop) e->drop(e);
  if (e->free_work) e->free_work(e->work);
  for (size_t i = 0; i < e->n_kept; i++) free(e->kept[i]);
  ln_buf *bufs[] = {&e->args, &e->value, &e->before, &e->names, &e->undo, &e->unchanged};
  for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) ln_buf_free(bufs[i]);
  free(e);
}

HELPER ln_effect *effect_with(fake *f, const ln_op *op, ln_str args) {
  ln_effect *e = calloc(1, sizeof *e);
  assert_non_null(e);
  e->engine = &f->engine;
  e->op = op;
  ln_buf *bufs[] = {&e->args, &e->value, &e->before, &e->names, &e->undo, &e->unchanged};
  for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) ln_buf_init(bufs[i], 64 << 20);
  ln_buf_add(&e->args, args);
  return e;
}

/* An effect of an operation with arguments as JSON, checked as the door in the VM checks them. */
HELPER ln_effect *effect_new(fake *f, const char *op, const char *json) {
  static const char *const core[] = {"limit", "all", NULL};
  ln_err err = {0};
  ln_op_info info;
  ln_buf raw, args;
  ln_buf_init(&raw, 1 << 20);
  ln_buf_init(&args, 1 << 20);
  if (!ln_connectors_info(&f->engine, ln_str_of(op), &info, &err)) fail_msg("%s", err.message);
  if (!ln_host_json(f->engine.host, ln_str_of(json), &raw, &err)) fail_msg("%s", err.message);
  if (!ln_params_check(info.params, op, ln_buf_view(&raw), core, &args, &err)) fail_msg("%s", err.message);
  ln_effect *e = effect_with(f, info.op, ln_buf_view(&args));
  ln_buf_free(&raw);
  ln_buf_free(&args);
  return e;
}

/* A value as JSON; valid until the next eight calls. */
HELPER const char *json_of(ln_str value) {
  static ln_buf ring[8];
  static int at;
  ln_buf *b = &ring[at++ % 8];
  ln_json j;
  ln_buf_free(b);
  ln_buf_init(b, 64 << 20);
  if (!value.n) return "nothing";
  ln_json_init(&j, b);
  ln_v_to_json(value, &j);
  ln_buf_addc(b, '\0');
  return b->p;
}

HELPER void wait_for(ln_effect *e) {
  e->engine->loop->run(e->engine->loop);
  assert_true(e->finished);
}

/* A read, to its end. */
HELPER ln_effect *read_op(fake *f, const char *op, const char *json) {
  ln_effect *e = effect_new(f, op, json);
  e->op->start(e);
  wait_for(e);
  return e;
}

/* The value of a read as JSON. */
HELPER const char *read_value(fake *f, const char *op, const char *json) {
  ln_effect *e = read_op(f, op, json);
  if (!e->good) fail_msg("%s: %s: %s", op, e->err.code, e->err.message);
  const char *out = json_of(ln_buf_view(&e->value));
  effect_free(e);
  return out;
}

/* The code of the error that a read ends with. */
HELPER const char *read_error(fake *f, const char *op, const char *json) {
  static char code[LN_ERR_CODE + LN_ERR_TEXT + 4];
  ln_effect *e = read_op(f, op, json);
  if (e->good) fail_msg("%s: %s", op, json_of(ln_buf_view(&e->value)));
  snprintf(code, sizeof code, "%s: %s", e->err.code, e->err.message);
  effect_free(e);
  return code;
}

/* The parts of a write, each to its end. */
HELPER void w_describe(ln_effect *e) {
  ln_err err = {0};
  if (!e->op->write->describe(e, &e->w, &err)) fail_msg("describe: %s: %s", err.code, err.message);
}

HELPER void w_look(ln_effect *e) {
  e->finished = false;
  e->op->write->look(e);
  wait_for(e);
}

HELPER void w_send(ln_effect *e) {
  e->finished = false;
  if (e->op->write->place) e->op->write->place(e);
  else e->op->write->send(e);
  wait_for(e);
}

HELPER void w_probe(ln_effect *e, int64_t since_ms) {
  e->finished = false;
  e->op->write->probe(e, since_ms);
  wait_for(e);
}

HELPER void nap(fake *f, int64_t ms) {
  ln_timer t = {.loop = f->engine.loop, .fn = (ln_task_fn)f->engine.loop->stop, .arg = f->engine.loop};
  f->engine.loop->timer(f->engine.loop, &t, ms);
  f->engine.loop->run(f->engine.loop);
}

/* Looks until it is over, or `most` looks were taken. */
HELPER void w_follow(fake *f, ln_effect *e, int most) {
  ln_buf handle = e->value;
  ln_buf_init(&e->value, 64 << 20);
  for (int i = 0; i < most; i++) {
    e->finished = false;
    e->op->write->follow(e, ln_buf_view(&handle));
    wait_for(e);
    if (e->outcome == LN_DID || e->outcome == LN_DID_NOT || e->outcome == LN_DID_UNCHANGED) break;
    nap(f, e->again_ms);
  }
  ln_buf_free(&handle);
}

/* --- a Lua state that stands for a run's VM: an effect happens while its caller waits --- */

static fake *fake_vm_of;                                 /* the world that the state belongs to */
static void (*fake_wrote)(lua_State *L, ln_effect *e);   /* told of each write before its effect goes */
static int fake_doubts;
static bool fake_planning;

ln_engine *lnL_engine(lua_State *L) { (void)L; return fake_vm_of ? &fake_vm_of->engine : NULL; }

/* There are no runs here. */
bool ln_acts_of(ln_engine *g, ln_str which, int64_t line, ln_buf *out, ln_err *err) {
  (void)g, (void)line, (void)out;
  return ln_fail(err, "not_found", LN_FINAL, "no run is called %.*s", LN_STR_ARG(which));
}

/* No run here has anything pinned. */
const char *lnL_pinned_sha(lua_State *L, ln_str module) {
  (void)L, (void)module;
  return NULL;
}

bool lnL_pinned_source(lua_State *L, ln_str module, ln_str *source, ln_str *path, ln_err *err) {
  (void)L, (void)source, (void)path;
  return ln_fail(err, "not_found", LN_FINAL, "there is no module %.*s", LN_STR_ARG(module));
}

bool ln_library_pins(const ln_engine *g, ln_str module, const char *sha) {
  (void)g, (void)module, (void)sha;
  return false;
}

bool lnL_load_script(lua_State *L, ln_str source, const char *chunk, ln_err *err) {
  if (luaL_loadbufferx(L, source.p, source.n, chunk, "t") == LUA_OK) return true;
  ln_fail(err, "syntax", LN_FINAL, "%s", lua_tostring(L, -1));
  lua_pop(L, 1);
  return false;
}

/* An answer that told nothing: the vendor is asked, and the write is made again when it shows no trace. */
static void settle_doubt(fake *f, ln_effect *e, int64_t since_ms) {
  for (int i = 0; i < 3 && e->outcome == LN_UNKNOWN; i++) {
    ln_err why = e->err;
    fake_doubts++;
    if (!e->op->write->probe) {
      ln_fail(&e->err, "doubt", LN_FINAL, "%s", why.message);
      return;
    }
    nap(f, e->op->settle_ms);
    w_probe(e, since_ms);
    if (e->outcome == LN_DID_NOT && ln_err_is(&why, "too_big")) e->err = why;
    else if (e->outcome == LN_DID_NOT) w_send(e);
    else if (e->outcome == LN_UNKNOWN) ln_fail(&e->err, "doubt", LN_FINAL, "%s", why.message);
  }
}

static void follow_up(fake *f, ln_effect *e) {
  int64_t start = ln_now_ms(f->engine.loop->clock), wait = e->wait_ms < 0 ? 20 * 60000 : e->wait_ms;
  ln_buf handle = e->value;
  ln_buf_init(&e->value, 64 << 20);
  while (wait > 0) {
    e->finished = false;
    e->op->write->follow(e, ln_buf_view(&handle));
    wait_for(e);
    if (e->outcome != LN_ACCEPTED && e->outcome != LN_UNKNOWN) break;
    if (ln_now_ms(f->engine.loop->clock) + e->again_ms - start > wait) {
      ln_fail(&e->err, "pending", LN_AGAIN, "%s", e->err.message[0] ? e->err.message : "it still runs");
      e->good = false;
      break;
    }
    nap(f, e->again_ms);
  }
  if (wait <= 0) ln_buf_add(&e->value, ln_buf_view(&handle));
  ln_buf_free(&handle);
}

static void do_write(fake *f, ln_effect *e) {
  ln_err err = {0};
  e->good = e->op->write->describe(e, &e->w, &err);
  if (!e->good) e->err = err;
  if (!e->good) return;
  if (e->op->write->look) w_look(e);
  if (!e->good) return;
  if (e->w.to.n && ln_str_eq(e->w.to, ln_buf_view(&e->before))) {
    ln_buf_cut(&e->value, 0);
    ln_buf_add(&e->value, ln_buf_view(&e->unchanged));
    e->outcome = LN_DID_UNCHANGED;
    return;
  }
  if (fake_planning) {
    ln_buf_add(&e->value, e->w.planned);
    return;
  }
  int64_t since = ln_now_ms(f->engine.loop->clock);
  w_send(e);
  settle_doubt(f, e, since);
  if (e->outcome == LN_ACCEPTED && e->op->write->follow) follow_up(f, e);
}

static int64_t option_ms(lua_State *L, int t, const char *key, int64_t otherwise) {
  int64_t ms = otherwise;
  ln_err err;
  int type = lua_getfield(L, t, key);
  if (type == LUA_TNUMBER) ms = (int64_t)(lua_tonumber(L, -1) * 1000);
  else if (type == LUA_TBOOLEAN) ms = 0;
  else if (type == LUA_TSTRING) ln_parse_duration(ln_str_of(lua_tostring(L, -1)), &ms, &err);
  lua_pop(L, 1);
  lua_pushnil(L);
  lua_setfield(L, t, key);
  return ms;
}

int lnL_effect(lua_State *L, const ln_op *op, int args, void *work, void (*free_work)(void *work)) {
  ln_err err = {0};
  int64_t wait = option_ms(L, args, "wait", -1), lease = option_ms(L, args, "lease", 0),
          timeout = option_ms(L, args, "timeout", 0);
  lua_pushnil(L);
  lua_setfield(L, args, "as");
  ln_buf *b = lnL_new_buf(L, 16 << 20);
  if (!lnL_encode(L, args, b, &err)) return luaL_error(L, "%s", err.message);
  ln_effect *e = effect_with(fake_vm_of, op, ln_buf_view(b));
  e->work = work;
  e->free_work = free_work;
  e->wait_ms = wait;
  e->lease_ms = lease;
  e->timeout_ms = timeout;
  if (op->cls == LN_WRITE) {
    do_write(fake_vm_of, e);
    if (fake_wrote) fake_wrote(L, e);
  } else {
    op->start(e);
    wait_for(e);
  }
  bool good = e->good;
  if (!good) lnL_push_error(L, &e->err, LN_STR("here"));
  else if (e->value.n) lnL_decode(L, ln_buf_view(&e->value));
  else lua_pushnil(L);
  effect_free(e);
  return good ? 1 : lua_error(L);
}

ln_str ln_effect_before(const ln_effect *e) { return ln_buf_view(&e->before); }
void lnL_note(lua_State *L, const char *kind, int idx) { (void)L, (void)kind, (void)idx; }

#endif
