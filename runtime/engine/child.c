/* child.c: runs that a run begins: start (not waited for) and run_playbook (one step of its parent).  A child
** is a row made in its parent's transaction, of its parent's snapshot and tree, with an id and a seed that
** follow from the step that began it: the same whether the transaction is applied once or again.  Who carries
** it: the scheduler where there is one, else this process.
**
** A parent that is stopped stops the child that it waits for; the child finishes what it has sent by
** itself. */
#include "engine/inside.h"

#include "engine/library.h"
#include "engine/play.h"
#include "engine/sched.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct child { int64_t id; char ulid[LN_ULID + 1]; bool making; } child; /* an effect's work */

enum { DEEP = 16 };                                      /* runs below runs */

static ln_str key_of(int64_t id, char out[32]) {
  int n = snprintf(out, 32, "run:%lld", (long long)id);
  return (ln_str){out, n > 0 ? (size_t)n : 0};
}

bool ln_child_is(const ln_run *r, ln_str key) {
  char own[32];
  return ln_str_eq(key, key_of(r->id, own));
}

/* ------------------------------------------------------------------ its row */

/* Chance that belongs to the step: a run's seed and a name give one child. */
static bool name_row(ln_str seed, ln_str step, int64_t created_ms, ln_run_row *row, ln_err *err) {
  uint8_t sha[LN_SHA256];
  uint64_t chance;
  ln_rand rand;
  if (!ln_sha256_2(seed, step, sha))
    return ln_fail(err, "failed", LN_FINAL, "the id of a run cannot be computed");
  memcpy(&chance, sha, sizeof chance);
  memcpy(row->seed, sha + sizeof chance, sizeof row->seed);
  row->epoch = 1 + (int64_t)(chance >> 34);
  ln_rand_seed(&rand, chance);
  ln_ulid(&rand, created_ms, row->ulid);                 /* the same, too, in a store that was restored */
  return true;
}

/* A fork has the seed of the run that it was forked from, but not its children. */
static bool name_child(const ln_effect *e, child *c, ln_run_row *row, ln_err *err) {
  const ln_run *p = e->run;
  ln_str seed = p->forked ? ln_str_of(p->ulid) : (ln_str){(const char *)p->seed, sizeof p->seed};
  if (!name_row(seed, ln_str_of(e->name), p->created_ms, row, err)) return false;
  memcpy(c->ulid, row->ulid, sizeof c->ulid);
  return true;
}

bool ln_child_ulid(const ln_run_row *parent, ln_str step, char ulid[LN_ULID + 1], ln_err *err) {
  ln_run_row row = {.id = 0};
  ln_str seed = {(const char *)parent->seed, sizeof parent->seed};
  if (!name_row(seed, step, parent->created_ms, &row, err)) return false;
  memcpy(ulid, row.ulid, sizeof row.ulid);
  return true;
}

/* A run that begins itself, and so on, ends somewhere. */
static bool not_too_deep(ln_tx *tx, const ln_run *r, ln_err *err) {
  int64_t depth;
  if (!ln_tx_run_depth(tx, r->id, &depth, err)) return false;
  return depth < DEEP || ln_fail(err, "quota", LN_FINAL, "runs are begun by runs more than %d deep", DEEP);
}

/* Due at once for whoever serves the store; one against simulators only for its parent's process. */
static bool make_child(ln_tx *tx, const ln_effect *e, child *c, ln_err *err) {
  const ln_run *p = e->run; /* a session may have newer scripts than its row says */
  ln_vitem input;
  ln_buf options;
  ln_run_row row = {.parent = p->id,
                    .root = p->root_id,
                    .playbook = ln_v_get_str(ln_buf_view(&e->args), "playbook"),
                    .snapshot = ln_str_of(ln_snapshot_hash(p->scripts)),
                    .state = LN_STR("waiting"),
                    .started_by = ln_str_of(p->started_by),
                    .created_ms = e->asked_ms};
  ln_buf_init(&options, (size_t)64 << 20);
  ln_run_put_options(p, e, &options);
  row.options = ln_buf_view(&options);
  if (ln_v_get(ln_buf_view(&e->args), LN_STR("input"), &input)) row.input = input.whole;
  bool ok = ln_buf_ok(&options, err) && not_too_deep(tx, p, err) && name_child(e, c, &row, err) &&
            ln_tx_run_create(tx, &row, err);
  c->id = row.id;
  ok = ok && ln_run_log_began(tx, row.id, row.created_ms, err) &&
       (!p->restored_ms || ln_restored_put(tx, row.id, p->restored_ms, err)) &&
       (p->options.sim || ln_tx_wait_put(tx, row.id, (ln_str){NULL, 0}, 0, err));
  ln_buf_free(&options);
  return ok;
}

/* ------------------------------------------------------------------ carrying it */

static ln_run *here(const ln_engine *g, int64_t id) {
  for (ln_run *r = g->state; r; r = r->next)
    if (r->id == id && !r->broken) return r;
  return NULL;
}

static bool copy_owner(void *arg, const ln_run_row *row) {
  memcpy(arg, row->owner, LN_ULID + 1);
  return false;
}

static void carry(const ln_run *parent, int64_t id) {
  ln_engine *g = parent->engine;
  char owner[LN_ULID + 1] = "";
  ln_err err = {0};
  ln_run_options o = {
      .sim = parent->options.sim, .event = parent->options.event, .event_arg = parent->options.event_arg};
  if (g->sched) {
    ln_sched_nudge(g->sched);
    return;
  }
  if (here(g, id) || !ln_store_run_get(g->store, id, copy_owner, owner, &err)) return;
  if (!owner[0] || !ln_owner_alive(g->store, ln_str_of(owner))) ln_run_wake(g, id, &o, NULL, &err);
}

/* ------------------------------------------------------------------ start */

static bool start_apply(ln_tx *tx, ln_effect *e, ln_buf *value, ln_err *err) {
  child *c = e->work;
  return make_child(tx, e, c, err) && (ln_v_str(value, ln_str_of(c->ulid)) || ln_buf_ok(value, err));
}

static void started(ln_effect *e) { carry(e->run, ((child *)e->work)->id); }

const ln_op ln_op_start = {.name = "start", .cls = LN_LOCAL, .apply = start_apply, .done = started};

/* ------------------------------------------------------------------ run_playbook */

typedef struct outcome { ln_effect *e; bool over, ok; ln_buf value; char state[16]; } outcome;

static bool read_outcome(void *arg, const ln_run_row *row) {
  outcome *o = arg;
  o->over = row->finished_ms != 0;
  o->ok = ln_str_eq(row->state, LN_STR("completed"));
  snprintf(o->state, sizeof o->state, "%.*s", LN_STR_ARG(row->state));
  if (o->over) ln_buf_add(&o->value, o->ok ? row->result : row->error);
  return false;
}

static void finish(ln_effect *e, const outcome *o) {
  const child *c = e->work;
  ln_err err = {0};
  if (o->ok) {
    ln_effect_finish(e, true, "done", ln_buf_view(&o->value));
  } else if (strcmp(o->state, "cancelled") == 0 || !o->value.n) {
    ln_fail(&err, "failed", LN_FINAL, "run %s was %s", c->ulid, o->state);
    ln_effect_fail(e, &err);
  } else {
    ln_effect_finish(e, false, "failed", ln_buf_view(&o->value));
  }
}

static void look(ln_effect *e) {
  const child *c = e->work;
  ln_run *r = e->run;
  outcome o = {.e = e};
  ln_err err = {0};
  ln_buf_init(&o.value, (size_t)64 << 20);
  if (!ln_store_run_get(r->engine->store, c->id, read_outcome, &o, &err)) ln_run_end_attempt(r, &err);
  else if (o.over) finish(e, &o);
  else carry(r, c->id);
  ln_buf_free(&o.value);
}

static bool child_waits(ln_tx *tx, ln_effect *e, bool *waits, ln_err *err) {
  return ln_tx_run_under_way(tx, ((child *)e->work)->id, waits, err);
}

/* Its parent is stopped. */
static bool stop_apply(ln_tx *tx, void *arg, ln_err *err) {
  return ln_tx_run_ask_cancel(tx, *(int64_t *)arg, err);
}
static void stop_done(void *arg, const ln_err *err) {
  (void)err;
  free(arg);
}

static void stop_child(ln_effect *e) {
  const child *c = e->work;
  ln_engine *g = e->run->engine;
  int64_t *id = c->id && e->branch->cancelled && !e->run->broken ? malloc(sizeof *id) : NULL;
  ln_run *r = id ? here(g, c->id) : NULL;
  if (!id) return;
  *id = c->id;
  if (!ln_writer_submit(g->store, g->loop, stop_apply, stop_done, id)) free(id);
  if (r) ln_run_cancel(r, LN_STR("its parent was cancelled"));
}

static void wait_for(ln_effect *e) {
  char key[32];
  e->waiting_for = "run";
  e->still = child_waits;
  ln_effect_on_drop(e, stop_child);
  if (!e->key.n) ln_wait_key(e, key_of(((child *)e->work)->id, key));
  look(e);
}

static bool make_apply(ln_tx *tx, void *arg, ln_err *err) {
  ln_effect *e = arg;
  child *c = e->work;
  ln_buf data, line;
  ln_entry entry;
  if (!make_child(tx, e, c, err)) return false;
  ln_buf_init(&data, 256);
  ln_buf_init(&line, 1 << 16);
  size_t mark = ln_v_begin(&data, 'O', 2);
  ln_v_key(&data, LN_STR("id"));
  ln_v_int(&data, c->id);
  ln_v_key(&data, LN_STR("run"));
  ln_v_str(&data, ln_str_of(c->ulid));
  ln_v_end(&data, mark);
  ln_effect_entry(e, LN_E_ASKED, &entry);
  entry.data = ln_buf_view(&data);
  bool ok = (ln_entry_put(&line, &entry) || ln_buf_ok(&line, err)) &&
            ln_tx_log(tx, e->run->id, ln_buf_view(&line), err);
  ln_buf_free(&data);
  ln_buf_free(&line);
  return ok;
}

static void made(void *arg, const ln_err *err) {
  ln_effect *e = arg;
  if (ln_job_gone(err)) return;
  child *c = e->work;
  c->making = false;
  if (err) c->id = 0;
  if (!err) ln_effect_on_drop(e, stop_child);
  if (ln_effect_given_back(e)) return;                   /* cancelled meanwhile, and so is the child */
  if (err && ln_err_is(err, "quota")) ln_effect_fail(e, err);
  else if (err) ln_run_end_attempt(e->run, err);
  else wait_for(e);
}

/* The first time, after a restart, and whenever it may have ended. */
static void run_start(ln_effect *e) {
  child *c = e->work;
  ln_str asked = e->record ? e->record->asked : (ln_str){NULL, 0};
  if (c->making) return;
  if (e->run->planning || e->branch->plan_into) {
    ln_plan_local(e);
    return;
  }
  if (!c->id && asked.n) {
    c->id = ln_v_get_int(asked, "id", 0);
    snprintf(c->ulid, sizeof c->ulid, "%.*s", LN_STR_ARG(ln_v_get_str(asked, "run")));
  }
  if (c->id) {
    wait_for(e);
    return;
  }
  c->making = e->with_writer = true;
  if (!ln_run_flush_with(e->run, make_apply, made, e)) c->making = e->with_writer = false;
}

const ln_op ln_op_run_playbook = {.name = "run_playbook", .cls = LN_WAIT, .start = run_start};

/* ------------------------------------------------------------------ the end of a child */

static void reap(void *arg) {
  ln_engine *g = arg;
  for (ln_run *r = g->state, *next; r; r = next) {
    next = r->next;
    if (r->parent_id && r->ended) ln_run_close(r);
  }
}

/* Where a scheduler carries the parents, their rows are due: those that it keeps in memory learn of it
** here. */
void ln_child_ended(ln_run *r) {
  char key[32];
  ln_engine *g = r->engine;
  ln_wait_called(g, key_of(r->id, key));
  ln_wait_called(g, (ln_str){NULL, 0});                  /* what it held is free */
  if (r->parent_id && !g->sched) ln_post(g->loop, reap, g);
}

/* ------------------------------------------------------------------ in Lua */

int lnL_child(lua_State *L, const ln_op *op, int args) {
  child *c = calloc(1, sizeof *c);
  if (!c) return lnL_raisef(L, "memory", "no memory for a run");
  return lnL_effect(L, op, args, c, free);
}
