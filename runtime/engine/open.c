/* open.c: how a run comes to be under way: started afresh, or taken over and replayed; and how it is let
** go. */
#include "engine/inside.h"
#include "engine/library.h"
#include "engine/play.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

enum { AGAIN_MS = 1000 };                                /* until one whose store failed is tried again */

/* ------------------------------------------------------------------ the struct */

static void free_vm(ln_run *r) {
  if (r->vm) ln_branch_free_all(r);
  ln_vm_free(r->vm);
  r->vm = NULL;
}

void ln_run_free(ln_run *r) {
  free_vm(r);
  ln_run_drop_pending(r);
  ln_spans_free(r);
  ln_effect_spare_free(r);
  ln_journal_free(r->past);
  ln_snapshot_drop(r->scripts);
  ln_tally_free(&r->seen);
  ln_buf_free(&r->input);
  ln_buf_free(&r->site);
  free((char *)(uintptr_t)r->options.assume.p);
  free(r->playbook);
  free(r->snapshot);
  free(r->started_by);
  free(r);
}

bool ln_run_assume(ln_run *r, ln_str assume) {
  free((char *)(uintptr_t)r->options.assume.p);
  r->options.assume = (ln_str){NULL, 0};
  if (!assume.n) return true;
  char *copy = ln_str_dup(assume);
  if (copy) r->options.assume = (ln_str){copy, assume.n};
  return copy != NULL;
}

ln_run *ln_run_new(ln_engine *g, const ln_run_options *o, ln_err *err) {
  ln_run *r = calloc(1, sizeof *r);
  if (!r) {
    ln_fail(err, "memory", LN_AGAIN, "no memory for a run");
    return NULL;
  }
  r->engine = g;
  r->options = *o;
  r->options.assume = r->options.trace = (ln_str){NULL, 0};
  ln_spans_given(r, o->trace);
  r->planning = o->plan;
  ln_buf_init(&r->input, (size_t)64 << 20);
  ln_buf_init(&r->site, (size_t)16 << 20);
  ln_buf_add(&r->site, g->config->playbooks);
  r->created_ms = r->now_ms = ln_now_ms(g->loop->clock);
  if (ln_run_assume(r, o->assume)) return r;
  free(r);
  ln_fail(err, "memory", LN_AGAIN, "no memory for a run");
  return NULL;
}

static void run_abandon(ln_run *r);

/* ------------------------------------------------------------------ its options, in its row */

void ln_run_put_options(const ln_run *r, const ln_effect *child, ln_buf *b) {
  char trace[LN_TRACEPARENT + 1];
  bool assume = r->options.assume.n > 0, session = r->is_session && !child, traced = r->trace_given || child;
  size_t more = assume + session + (r->site.n > 0) + (r->timed_ms > 0) + traced;
  size_t mark = ln_v_begin(b, 'O', 5 + more);
  ln_v_key(b, LN_STR("approve"));
  ln_v_int(b, r->options.approve);
  if (assume) {
    ln_v_key(b, LN_STR("assume"));
    ln_v_raw(b, r->options.assume);
  }
  ln_v_key(b, LN_STR("call"));
  ln_v_bool(b, r->is_call && !child);
  ln_v_key(b, LN_STR("despite_freeze"));
  ln_v_bool(b, r->options.despite_freeze);
  ln_v_key(b, LN_STR("plan"));
  ln_v_bool(b, r->options.plan);
  if (session) ln_v_key(b, LN_STR("session")), ln_v_bool(b, true);
  ln_v_key(b, LN_STR("sim"));
  ln_v_bool(b, r->options.sim);
  if (r->site.n) {
    ln_v_key(b, LN_STR("site"));
    ln_v_raw(b, ln_buf_view(&r->site));
  }
  if (r->timed_ms) ln_v_key(b, LN_STR("timed")), ln_v_int(b, r->timed_ms);
  if (child) ln_effect_traceparent(child, trace);
  else if (traced) ln_trace_write(&r->trace, trace);
  if (traced) ln_v_key(b, LN_STR("trace")), ln_v_str(b, ln_str_of(trace));
  ln_v_end(b, mark);
}

/* ------------------------------------------------------------------ creating */

typedef struct creating { ln_run *run; ln_buf options, audit, detail, key, digest; } creating;

bool ln_run_log_fact(ln_tx *tx, int64_t run, ln_str name, int64_t at_ms, ln_str data, ln_err *err) {
  ln_buf line;
  ln_entry e = {.kind = LN_E_RUN, .name = name, .at_ms = at_ms, .ok = true, .data = data};
  ln_buf_init(&line, 4096);
  bool ok = (ln_entry_put(&line, &e) || ln_buf_ok(&line, err)) && ln_tx_log(tx, run, ln_buf_view(&line), err);
  ln_buf_free(&line);
  return ok;
}

bool ln_run_log_began(ln_tx *tx, int64_t run, int64_t at_ms, ln_err *err) {
  ln_buf data;
  ln_buf_init(&data, 256);
  size_t mark = ln_v_begin(&data, 'O', 2);
  ln_v_key(&data, LN_STR("api"));
  ln_v_int(&data, LN_API);
  ln_v_key(&data, LN_STR("semantics"));
  ln_v_int(&data, LN_SEMANTICS);
  ln_v_end(&data, mark);
  bool ok = ln_run_log_fact(tx, run, LN_STR("run.began"), at_ms, ln_buf_view(&data), err);
  ln_buf_free(&data);
  return ok;
}

static bool create_apply(ln_tx *tx, void *arg, ln_err *err) {
  creating *c = arg;
  ln_run *r = c->run;
  ln_run_row row = {.epoch = r->epoch,
                    .playbook = ln_str_of(r->playbook),
                    .snapshot = ln_str_of(r->snapshot),
                    .state = LN_STR("running"),
                    .input = ln_buf_view(&r->input),
                    .options = ln_buf_view(&c->options),
                    .started_by = ln_str_of(r->started_by),
                    .created_ms = r->created_ms};
  memcpy(row.ulid, r->ulid, sizeof row.ulid);
  memcpy(row.seed, r->seed, sizeof row.seed);
  snprintf(row.owner, sizeof row.owner, "%s", ln_owner_id(r->engine->owner));
  if (r->scripts && !ln_snapshot_put(tx, r->scripts, err)) return false;
  if (!ln_tx_run_create(tx, &row, err)) return false;
  r->id = r->root_id = row.id; /* read by later jobs on this thread, and by the loop only after done */
  return ln_run_log_began(tx, r->id, r->created_ms, err) &&
         (!r->options.lease || ln_tx_lease_ended(tx, r->options.lease, err)) &&
         (!c->key.n || ln_tx_request_put(tx, ln_buf_view(&c->key), ln_buf_view(&c->digest),
                                         ln_str_of(r->ulid), r->created_ms, err)) &&
         (!c->audit.n || ln_tx_audit(tx, r->created_ms, ln_buf_view(&c->audit), ln_str_of(r->started_by),
                                     r->id, ln_buf_view(&c->detail), err));
}

static void creating_free(creating *c) {
  ln_buf_free(&c->options);
  ln_buf_free(&c->audit);
  ln_buf_free(&c->detail);
  ln_buf_free(&c->key);
  ln_buf_free(&c->digest);
  free(c);
}

static void create_done(void *arg, const ln_err *err) {
  creating *c = arg;
  ln_run *r = c->run;
  creating_free(c);
  r->creating = false;
  if (r->closing) {
    ln_run_leave(r);
    return;
  }
  if (err) {
    ln_snapshot_forget(r->engine);
    ln_run_end_attempt(r, err);
    r->why = *err; /* without a row nothing else can be told of it */
  } else {
    ln_snapshot_stored(r->scripts);
    ln_run_look_around(r);                               /* before its row was there nothing could be */
  }
  ln_run_pump_soon(r);
}

static bool create(ln_run *r, ln_err *err) {
  creating *c = calloc(1, sizeof *c);
  if (!c) return ln_fail(err, "memory", LN_AGAIN, "no memory for a run");
  c->run = r;
  /* a row that is rolled back gives its id to the next one: the epoch tells them apart */
  r->epoch = ++r->engine->epochs;
  r->creating = true;
  ln_buf_init(&c->options, (size_t)64 << 20);
  ln_run_put_options(r, NULL, &c->options);
  ln_buf_init(&c->audit, 256);
  ln_buf_init(&c->detail, 1 << 20);
  ln_buf_init(&c->key, 1024);
  ln_buf_init(&c->digest, 128);
  bool whole = ln_buf_add(&c->audit, r->options.audit) && ln_buf_add(&c->detail, r->options.audit_detail) &&
               ln_buf_add(&c->key, r->options.key) && ln_buf_add(&c->digest, r->options.key_digest);
  r->options.audit = r->options.audit_detail = (ln_str){NULL, 0}; /* they were lent */
  r->options.key = r->options.key_digest = (ln_str){NULL, 0};
  if (whole &&
      ln_writer_submit_unwaited(r->engine->store, r->engine->loop, create_apply, create_done, c))
    return true;
  creating_free(c);
  r->creating = false;
  return ln_fail(err, "memory", LN_AGAIN, "no memory for a job of the writer");
}

/* ------------------------------------------------------------------ looking at a playbook without running
** it */

struct looking {
  ln_run *run;
  ln_str input;
  bool coerce, again;                                    /* again: an input that was coerced once           */
  ln_buf *out;
  ln_declared *declared;
  ln_err *err;
};

static void copy_field(lua_State *L, int t, const char *key, char *out, size_t n) {
  lua_getfield(L, t, key);                                   /* … v */
  const char *v = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
  snprintf(out, n, "%s", v);
  lua_pop(L, 1);
}

void lnL_alert_input(lua_State *L, int t, char *out, size_t n) {
  if (lua_getfield(L, t, "input") == LUA_TTABLE) {           /* … input */
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))     /* … input k v */
      if (lua_type(L, -1) == LUA_TSTRING && lua_type(L, -2) == LUA_TSTRING &&
          strncmp(lua_tostring(L, -1), "alert", 5) == 0)
        snprintf(out, n, "%s", lua_tostring(L, -2));
  }
  lua_pop(L, 1);
}

/* A copy of the declaration whose functions are left out.  [-0, +1, m] */
static void push_plain(lua_State *L, int t) {
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, t); lua_pop(L, 1)) {      /* … copy k v */
    if (lua_isfunction(L, -1)) continue;
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, -5);
  }
}

/* Takes out of the input on top what the declaration at t does not know.  [-0, +0, m] */
static void drop_undeclared(lua_State *L, int t) {
  bool any = lua_getfield(L, t, "input") == LUA_TTABLE;      /* input declared     */
  for (lua_pushnil(L); lua_next(L, -3);) {                   /* input declared k v */
    lua_pop(L, 1);
    lua_pushvalue(L, -1);                                    /* input declared k k */
    bool has = any && lua_rawget(L, -3) != LUA_TNIL;
    lua_pop(L, 1);                                           /* input declared k   */
    if (has) continue;
    lua_pushvalue(L, -1);
    lua_pushnil(L);
    lua_rawset(L, -5);                                       /* a visited field may go */
  }
  lua_pop(L, 1);                                             /* input              */
}

/* Runs as the root branch, without leaving this function: chunk, declaration, coerced input.  Returns the
** playbook. */
static int l_look(lua_State *L) {
  ln_run *r = lnL_run(L);
  struct looking *k = lua_touserdata(L, lua_upvalueindex(1));
  lua_settop(L, 0);
  lnL_push_chunk(L, ln_str_of(r->playbook));                 /* chunk    */
  lua_call(L, 0, 1);                                         /* playbook */
  if (!lnL_is_playbook(L, 1))
    return lnL_raisef(L, "no_playbook", "%s returns no playbook { … }", r->playbook);
  if (k->declared) {
    copy_field(L, 1, "name", k->declared->name, sizeof k->declared->name);
    copy_field(L, 1, "summary", k->declared->summary, sizeof k->declared->summary);
    copy_field(L, 1, "stage", k->declared->stage, sizeof k->declared->stage);
    lnL_alert_input(L, 1, k->declared->alert_input, sizeof k->declared->alert_input);
    push_plain(L, 1);                                        /* playbook copy */
    if (!lnL_encode(L, -1, &k->declared->value, k->err)) return luaL_error(L, "%s", k->err->message);
    lua_settop(L, 1);
  }
  if (k->coerce) {
    if (k->input.n) lnL_decode(L, k->input);
    else lua_newtable(L);                                    /* playbook input          */
    if (k->again) drop_undeclared(L, 1);
    lnL_coerce_input(L, 1, 2);                               /* playbook input coerced  */
    if (!lnL_encode(L, -1, k->out, k->err)) {
      lnL_push_error(L, k->err, (ln_str){NULL, 0});
      return lua_error(L);
    }
  }
  lua_settop(L, 1);
  return 1;
}

static int l_push_look(lua_State *L) {
  struct looking *k = lua_touserdata(L, 1);
  lua_State *co = k->run->root->co;
  lua_pushlightuserdata(co, k);
  lua_pushcclosure(co, l_look, 1);
  return 0;
}

bool ln_scratch_turns(ln_run *r, bool (*asked)(ln_effect *e, ln_err *err), ln_err *err) {
  for (;;) {
    int nres;
    r->current = r->root;
    ln_vm_fresh_budget(r->vm, &r->root->cpu_us);
    ln_vm_turn turn = ln_vm_resume(r->vm, r->root->co, 0, &nres, err);
    if (turn == LN_VM_SLICE) continue;
    if (turn == LN_VM_RETURNED) return true;
    if (turn == LN_VM_RAISED) return lnL_to_error(r->root->co, -1, err), false;
    if (turn == LN_VM_KILLED) return false;
    if (!asked || !r->root->asked)
      return ln_fail(err, "bad_argument", LN_FINAL, "a script may not act while it is being looked at");
    if (!asked(r->root->asked, err)) return false;
  }
}

ln_run *ln_scratch_new(ln_engine *g, bool brief, ln_err *err) {
  ln_run_options none = {0};
  ln_run *r = ln_run_new(g, &none, err);
  if (r) r->brief = brief;
  if (r && (r->scripts = ln_snapshot_take(g, (ln_str){NULL, 0}, err)) && (r->past = ln_journal_empty(err)) &&
      ln_run_begin_vm(r, err))
    return r;
  ln_scratch_free(r);
  return NULL;
}

bool ln_scratch_renew(ln_run *r, ln_err *err) {
  if (r->vm) ln_branch_free_all(r);
  ln_vm_free(r->vm);
  r->vm = NULL;
  return ln_run_begin_vm(r, err);
}

void ln_scratch_free(ln_run *r) {
  if (r) ln_run_free(r);
}

/* Leaves the playbook on the root's stack. */
static bool look(ln_run *r, struct looking *k, ln_err *err) {
  k->run = r;
  k->err = err;
  bool ok = ln_run_begin_vm(r, err) && ln_vm_protect(r->vm, l_push_look, k, err) &&
            ln_scratch_turns(r, NULL, err);
  r->current = NULL;
  return ok;
}

bool ln_run_coerce_again(ln_run *r, ln_err *err) {
  ln_buf was = r->input;
  struct looking k = {.input = ln_buf_view(&was), .coerce = true, .again = true, .out = &r->input};
  ln_buf_init(&r->input, was.max);
  bool ok = look(r, &k, err);
  ln_buf_free(&was);
  free_vm(r);
  return ok;
}

/* ------------------------------------------------------------------ looking at any script */

struct checking { ln_run *run; bool runs; ln_buf *loads; };

/* Runs as the root branch, as a script does that is required. */
static int l_check(lua_State *L) {
  const struct checking *k = lua_touserdata(L, lua_upvalueindex(1));
  lua_settop(L, 0);
  lnL_push_chunk(L, ln_str_of(k->run->playbook));            /* chunk      */
  if (!k->runs) return 0;
  lua_pushstring(L, k->run->playbook);
  lua_call(L, 1, 1);                                         /* what it is */
  if (lua_isnil(L, 1)) return luaL_error(L, "module %s returns nothing", k->run->playbook);
  if (lnL_is_playbook(L, 1)) lnL_check_inputs(L, 1);
  return 0;
}

static int l_push_check(lua_State *L) {
  struct checking *k = lua_touserdata(L, 1);
  lua_State *co = k->run->root->co;
  lua_pushlightuserdata(co, k);
  lua_pushcclosure(co, l_check, 1);
  return 0;
}

static int l_put_loads(lua_State *L) {
  struct checking *k = lua_touserdata(L, 1);
  if (k->run->lib_ref == LUA_NOREF) return 0;
  lua_rawgeti(L, LUA_REGISTRYINDEX, k->run->lib_ref);        /* job loaded     */
  for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1))        /* job loaded k v */
    if (lua_type(L, -2) == LUA_TSTRING) ln_buf_addf(k->loads, "%s\n", lua_tostring(L, -2));
  return 0;
}

bool ln_script_check(ln_engine *g, ln_snapshot *s, ln_str module, bool runs, ln_buf *loads, ln_err *err) {
  ln_run_options none = {0};
  ln_err quiet;
  ln_run *r = ln_run_new(g, &none, err);
  struct checking k = {.run = r, .runs = runs, .loads = loads};
  if (!r) return false;
  r->brief = true;
  r->scripts = ln_snapshot_keep(s);
  r->playbook = ln_str_dup(module);
  bool ok = r->playbook || ln_fail(err, "memory", LN_AGAIN, "no memory for a run");
  ok = ok && ln_run_begin_vm(r, err) && ln_vm_protect(r->vm, l_push_check, &k, err) &&
       ln_scratch_turns(r, NULL, err);
  if (r->vm) ln_vm_protect(r->vm, l_put_loads, &k, &quiet);
  r->current = NULL;
  ln_run_free(r);
  return ok;
}

static bool take_scripts(ln_run *r, ln_str playbook, ln_err *err) {
  char module[256];
  bool file = ln_str_ends(playbook, LN_STR(".lua"));
  if (!(r->scripts = ln_snapshot_take(r->engine, file ? playbook : (ln_str){NULL, 0}, err))) return false;
  if (!ln_snapshot_module(r->scripts, playbook, module, sizeof module, err)) return false;
  r->playbook = ln_str_dup(ln_str_of(module));
  r->snapshot = ln_str_dup(ln_str_of(ln_snapshot_hash(r->scripts)));
  return (r->playbook && r->snapshot) || ln_fail(err, "memory", LN_AGAIN, "no memory for a run");
}

bool ln_playbook_declared(ln_engine *g, ln_str playbook, ln_declared *out, ln_err *err) {
  ln_run_options none = {0};
  struct looking k = {.declared = out};
  memset(out, 0, sizeof *out);
  ln_buf_init(&out->value, 1 << 20);
  ln_run *r = ln_run_new(g, &none, err);
  bool ok = r && take_scripts(r, playbook, err) && look(r, &k, err);
  if (r) ln_run_free(r);
  return ok;
}

void ln_declared_free(ln_declared *d) { ln_buf_free(&d->value); }

/* ------------------------------------------------------------------ starting */

static bool prepare(ln_run *r, ln_str started_by, ln_err *err) {
  ln_engine *g = r->engine;
  if (!(r->started_by = ln_str_dup(started_by)))
    return ln_fail(err, "memory", LN_AGAIN, "no memory for a run");
  if (!g->rand->bytes(g->rand, r->seed, sizeof r->seed, err)) return false;
  ln_ulid(g->rand, r->created_ms, r->ulid);
  ln_spans_begin(r);
  return (r->past = ln_journal_empty(err)) != NULL;
}

/* The run goes on in the VM in which its playbook was looked at: what a resumed one will not do again may
** have left no trace there. */
static bool begin_looked_at(ln_run *r, ln_err *err) {
  if (r->scripts_ran) free_vm(r);
  return ln_run_begin(r, err);
}

static void link_run(void **list, ln_run *r) {
  r->at = (ln_run **)list;
  r->next = *list;
  if (r->next) r->next->at = &r->next;
  *r->at = r;
}

static void unlink_run(ln_run *r) {
  if (!r->at) return;
  *r->at = r->next;
  if (r->next) r->next->at = r->at;
  r->at = NULL;
}

static ln_run *under_way(ln_run *r) {
  link_run(&r->engine->state, r);
  return r;
}

ln_run *ln_run_start(ln_engine *g, ln_str playbook, ln_str input, const ln_run_options *o, ln_str started_by,
                     ln_err *err) {
  ln_run *r = ln_run_new(g, o, err);
  struct looking k = {.input = input, .coerce = true};
  if (!r) return NULL;
  k.out = &r->input;
  if (prepare(r, started_by, err) && take_scripts(r, playbook, err) && look(r, &k, err) &&
      begin_looked_at(r, err) && create(r, err))
    return under_way(r);
  run_abandon(r);
  return NULL;
}

static ln_run *start_without_playbook(ln_engine *g, ln_str op, ln_str args, bool session,
                                      const ln_run_options *o, ln_str started_by, ln_err *err) {
  ln_run *r = ln_run_new(g, o, err);
  if (!r) return NULL;
  r->is_call = true;
  r->is_session = session;
  r->playbook = ln_str_dup(op);
  if (!(r->scripts = ln_snapshot_take(g, (ln_str){NULL, 0}, err))) goto fail;
  r->snapshot = ln_str_dup(ln_str_of(ln_snapshot_hash(r->scripts)));
  if (args.n) ln_buf_add(&r->input, args);
  else ln_v_end(&r->input, ln_v_begin(&r->input, 'O', 0));
  if (r->playbook && r->snapshot && prepare(r, started_by, err) && ln_run_begin(r, err) && create(r, err))
    return under_way(r);
fail:
  run_abandon(r);
  return NULL;
}

ln_run *ln_run_call(ln_engine *g, ln_str op, ln_str args, const ln_run_options *o, ln_str started_by,
                    ln_err *err) {
  return start_without_playbook(g, op, args, false, o, started_by, err);
}

ln_run *ln_session_start(ln_engine *g, const ln_run_options *o, ln_str started_by, ln_err *err) {
  return start_without_playbook(g, LN_STR("repl"), (ln_str){NULL, 0}, true, o, started_by, err);
}

/* ------------------------------------------------------------------ taking over */

struct found { ln_run *run; char owner[LN_ULID + 1], state[16]; bool ok, sim; int64_t deaths, approve; };

bool ln_run_read_row(ln_run *r, const ln_run_row *row) {
  r->id = row->id;
  r->root_id = row->root ? row->root : row->id;
  r->parent_id = row->parent;
  r->epoch = row->epoch;
  memcpy(r->ulid, row->ulid, sizeof r->ulid);
  memcpy(r->seed, row->seed, sizeof r->seed);
  r->playbook = ln_str_dup(row->playbook);
  r->snapshot = ln_str_dup(row->snapshot);
  r->started_by = ln_str_dup(row->started_by);
  r->created_ms = r->now_ms = row->created_ms;
  r->planning = r->options.plan = ln_v_get_bool(row->options, "plan", false);
  r->options.despite_freeze = ln_v_get_bool(row->options, "despite_freeze", false);
  r->is_call = ln_v_get_bool(row->options, "call", false);
  r->is_session = ln_v_get_bool(row->options, "session", false);
  ln_spans_given(r, ln_v_get_str(row->options, "trace"));
  ln_spans_begin(r);
  if (ln_v_get_int(row->options, "timed", 0)) ln_timing_due(r, ln_v_get_int(row->options, "timed", 0));
  ln_vitem assume, site;
  ln_buf_cut(&r->site, 0);
  if (ln_v_get(row->options, LN_STR("site"), &site)) ln_buf_add(&r->site, site.whole);
  bool ok = !ln_v_get(row->options, LN_STR("assume"), &assume) || ln_run_assume(r, assume.whole);
  return ok && ln_buf_add(&r->input, row->input) && r->playbook && r->snapshot && r->started_by;
}

static bool copy_row(void *arg, const ln_run_row *row) {
  struct found *f = arg;
  memcpy(f->owner, row->owner, sizeof f->owner);
  snprintf(f->state, sizeof f->state, "%.*s", LN_STR_ARG(row->state));
  f->sim = ln_v_get_bool(row->options, "sim", false);
  f->approve = ln_v_get_int(row->options, "approve", LN_APPROVE_WAIT);
  f->deaths = row->deaths;
  f->ok = ln_run_read_row(f->run, row);
  f->run->orphan = !ln_str_eq(row->state, LN_STR("waiting"));
  if (ln_str_eq(row->state, LN_STR("cancelling"))) {
    f->run->cancel_wanted = true;                        /* whoever ran it died before it heard of that */
    snprintf(f->run->cancel_why, sizeof f->run->cancel_why, "cancelled by lunette cancel");
  }
  return false;
}

bool ln_run_take_over_apply(ln_tx *tx, void *arg, ln_err *err) {
  ln_run *r = arg;
  ln_run_change running = {.state = r->cancel_wanted ? LN_STR("cancelling") : LN_STR("running"),
                           .waiting = {"", 0}};
  return ln_tx_run_own(tx, r->id, ln_str_of(ln_owner_id(r->engine->owner)), r->epoch, err) &&
         ln_restored_taken(tx, r->id, err) && ln_tx_run_change(tx, r->id, &running, err) &&
         ln_tx_waits_drop(tx, r->id, err);
}

/* Its journal is about one world: an approval given against simulators is none for the real one. */
static bool same_world(const struct found *f, ln_err *err) {
  const char *ulid = f->run->ulid;
  if (f->sim == f->run->options.sim) return true;
  if (f->sim)
    return ln_fail(err, "conflict", LN_FINAL, "run %s was made against simulators: it goes on with --sim",
                   ulid);
  return ln_fail(err, "conflict", LN_FINAL, "run %s is a real one: it cannot go on against simulators", ulid);
}

static bool may_take(ln_engine *g, const struct found *f, ln_err *err) {
  const char *over[] = {"completed", "failed", "cancelled"};
  for (size_t i = 0; i < 3; i++)
    if (strcmp(f->state, over[i]) == 0)
      return ln_fail(err, "conflict", LN_FINAL, "run %s has ended (%s): there is nothing to resume",
                     f->run->ulid, f->state);
  for (const ln_run *r = g->state; r; r = r->next)
    if (r->id == f->run->id && !r->parked && !r->broken)
      return ln_fail(err, "conflict", LN_AGAIN, "run %s is under way here", r->ulid);
  if (f->owner[0] && strcmp(f->owner, ln_owner_id(g->owner)) != 0 &&
      ln_owner_alive(g->store, ln_str_of(f->owner)))
    return ln_fail(err, "conflict", LN_AGAIN, "run %s is under way in another process", f->run->ulid);
  return true;
}

static bool give_back_apply(ln_tx *tx, void *arg, ln_err *err) {
  ln_run *r = arg;
  static const ln_run_change waiting = {.owner = {"", 0}, .state = {"waiting", 7}};
  return ln_tx_run_check(tx, r->id, ln_str_of(ln_owner_id(r->engine->owner)), r->epoch, err) &&
         ln_tx_run_change(tx, r->id, &waiting, err);
}

/* A person says that it is to go on, whatever it did to those who ran it. */
static bool resume_apply(ln_tx *tx, void *arg, ln_err *err) {
  return ln_run_take_over_apply(tx, arg, err) && ln_tx_run_forgive(tx, ((ln_run *)arg)->id, err);
}

static bool take_over(ln_run *r, ln_str which, ln_err *err) {
  ln_engine *g = r->engine;
  struct found f = {.run = r};
  if (!ln_store_run_find(g->store, which, copy_row, &f, err)) return false;
  if (!f.ok) return ln_fail(err, "memory", LN_AGAIN, "no memory for a run");
  if (!may_take(g, &f, err) || !same_world(&f, err) || !ln_writer_run(g->store, resume_apply, r, err))
    return false;
  r->epoch++;
  return true;
}

void ln_run_take_fork(ln_run *r) {
  const ln_forked *f = ln_journal_forked(r->past);
  if (!f) return;
  r->forked = true;
  r->now_ms = f->began_ms;
  r->plan_from = f->plan_from;
  r->planning = r->options.plan && f->plan_from == 0;
}

static bool load_past(ln_run *r, ln_err *err) {
  ln_engine *g = r->engine;
  if (!(r->past = ln_journal_load(g->store, r->id, err))) return false;
  ln_run_take_fork(r);
  r->notes = (int)ln_journal_notes(r->past, "found");
  r->partial = (int)ln_journal_notes(r->past, "not_done");
  r->asked_people = true; /* perhaps */
  r->restored_ms = ln_journal_restored(r->past);
  ln_spans_loaded(r, r->orphan);
  return (r->scripts = ln_snapshot_load(g, ln_str_of(r->snapshot), err)) && ln_run_begin(r, err);
}

ln_run *ln_run_resume(ln_engine *g, ln_str which, const ln_run_options *o, ln_err *err) {
  ln_run *r = ln_run_new(g, o, err);
  ln_err quiet;
  if (!r) return NULL;
  if (take_over(r, which, err)) {
    if (load_past(r, err)) return under_way(r);
    ln_writer_run(g->store, give_back_apply, r, &quiet);
  }
  run_abandon(r);
  return NULL;
}

/* ------------------------------------------------------------------ waking: by whoever serves the store */

enum { DEATHS = 3 };

typedef struct waking { ln_run *run; bool other; } waking; /* other: of another world */

/* It took its process down too often: a person has to say that it may go on.  One against simulators is of
** no concern to those who serve. */
static bool leave_apply(ln_tx *tx, void *arg, ln_err *err) {
  waking *w = arg;
  ln_run *r = w->run;
  ln_waiting why = {.what = "quarantined"};
  ln_buf waiting;
  ln_buf_init(&waiting, 4096);
  snprintf(why.next, sizeof why.next, "lunette resume %s", r->ulid);
  if (!w->other) ln_park_encode(&why, &waiting);
  ln_run_change c = {.state = LN_STR("waiting"), .waiting = ln_buf_view(&waiting)};
  bool ok = ln_tx_waits_drop(tx, r->id, err) && ln_tx_run_change(tx, r->id, &c, err);
  ln_buf_free(&waiting);
  return ok;
}

static bool wake_apply(ln_tx *tx, void *arg, ln_err *err) {
  return ln_run_take_over_apply(tx, ((waking *)arg)->run, err);
}

static void over(waking *w, const ln_err *err) {
  ln_run *r = w->run;
  free(w);
  if (r->woken) r->woken(r, err);
  r->woken = NULL;
}

static void left(void *arg, const ln_err *err) {
  waking *w = arg;
  ln_run *r = w->run;
  static const ln_err no = {.code = "conflict", .message = "it is not to be woken"};
  r->flushed++;
  over(w, err ? err : &no);
  if (r->closing) ln_run_leave(r);
  else ln_run_unlink(r);
}

static void taken(void *arg, const ln_err *err) {
  waking *w = arg;
  ln_run *r = w->run;
  ln_err bad = {0};
  r->flushed++;
  r->waking = false;
  if (!err && !r->closing) {
    r->epoch++;
    if (!load_past(r, &bad)) err = &bad, ln_run_end_attempt(r, &bad);
  }
  over(w, err);
  if (r->closing) ln_run_leave(r);
  else if (err && !bad.code[0]) ln_run_unlink(r);        /* somebody else was faster */
  else ln_run_pump_soon(r);
}

ln_run *ln_run_wake(ln_engine *g, int64_t id, const ln_run_options *o,
                    void (*done)(ln_run *r, const ln_err *err), ln_err *err) {
  ln_run *r = ln_run_new(g, o, err);
  waking *w = calloc(1, sizeof *w);
  struct found f = {.run = r};
  bool ok = r && w && ln_store_run_get(g->store, id, copy_row, &f, err) && f.ok && may_take(g, &f, err);
  if (ok) {
    bool other = f.sim != r->options.sim, leave = other || f.deaths >= DEATHS;
    *w = (waking){r, other};
    r->options.approve = (ln_approve)f.approve;
    r->woken = done;
    r->waking = true;
    r->flushes++;
    if (ln_writer_submit(g->store, g->loop, leave ? leave_apply : wake_apply, leave ? left : taken, w))
      return under_way(r);
    r->flushes--;
    r->waking = false;
  }
  if (!err->code[0]) ln_fail(err, "memory", LN_AGAIN, "no memory to wake a run");
  free(w);
  if (r) run_abandon(r);
  return NULL;
}

/* ------------------------------------------------------------------ letting go */

typedef struct parting { ln_run *run; ln_buf waiting; bool waits; } parting;

/* Whoever serves the store goes on with it: when it is due, or, where more than time was under way, soon.
** Without one nobody does but a person; and never with one against simulators. */
static bool put_due(ln_tx *tx, const parting *p, ln_err *err) {
  const ln_run *r = p->run;
  int64_t soon = ln_now_ms(r->engine->loop->clock) + (r->broken ? AGAIN_MS : 0);
  if (r->options.sim) return true;
  if (p->waits) return ln_park_put_waits(tx, r, err);
  return !r->engine->sched || ln_tx_wait_put(tx, r->id, (ln_str){NULL, 0}, soon, err);
}

static bool parting_apply(ln_tx *tx, void *arg, ln_err *err) {
  parting *p = arg;
  ln_run *r = p->run;
  ln_run_change c = {.owner = LN_STR(""), .state = LN_STR("waiting"), .waiting = ln_buf_view(&p->waiting)};
  /* a run whose entries were lost is not ours to write of, but ours to give up */
  bool ours = r->broken ? ln_tx_run_own(tx, r->id, ln_str_of(ln_owner_id(r->engine->owner)), r->epoch, err)
                        : ln_tx_run_check(tx, r->id, ln_str_of(ln_owner_id(r->engine->owner)), r->epoch, err);
  return ours && put_due(tx, p, err) && ln_tx_run_change(tx, r->id, &c, err);
}

/* Parking is a job behind those that the writer still has, and waits for it.  What is pending goes before:
** not that of an attempt whose earlier entries were lost. */
bool ln_run_park(ln_run *r) {
  ln_err err = {0};
  parting p = {.run = r};
  int64_t due;
  if (r->parked || r->waking || r->ended || (r->broken && ln_err_is(&r->why, "stale"))) return true;
  ln_run_flush(r);
  ln_buf_init(&p.waiting, 1 << 20);
  p.waits = ln_park_is_waiting(r, &due);
  ln_park_describe(r, &p.waiting);
  r->parked = ln_writer_run(r->engine->store, parting_apply, &p, &err);
  ln_buf_free(&p.waiting);
  return r->parked || !(ln_err_is(&err, "store") || ln_err_is(&err, "memory"));
}

bool ln_run_is_plan(const ln_run *r) { return r->planning; }

void ln_run_leave(ln_run *r) {
  if (r->creating || r->pump_posted || r->flushed < r->flushes) return;
  unlink_run(r);
  ln_run_free(r);
}

/* What the writer has of it, or a task of the loop, still points to the struct; all else goes now. */
static void run_abandon(ln_run *r) {
  r->closing = true;
  free_vm(r);
  ln_run_drop_pending(r);
  link_run(&r->engine->leaving, r);
  ln_run_leave(r);
}

void ln_run_unlink(ln_run *r) {
  r->engine->loop->cancel(r->engine->loop, &r->poll);
  unlink_run(r);
  run_abandon(r);
}

void ln_run_close(ln_run *r) {
  if (!r) return;
  ln_run_park(r);
  ln_run_unlink(r);
}

static void stop_loop(void *arg) { ((ln_loop *)arg)->stop(arg); }

void ln_runs_drain(ln_engine *g) {
  while (g->leaving && ln_post(g->loop, stop_loop, g->loop)) g->loop->run(g->loop);
}
