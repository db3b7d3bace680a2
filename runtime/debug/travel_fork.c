/* travel_fork.c: another run from a point of a past one.  Its journal begins with the answers that had
** come in by then, each as one entry, and with what had been noted; then an entry says what it was forked
** from, and whoever carries it goes on from there.
**
** Nothing else is taken over.  Of a write under way there is no intent, so it is neither in doubt nor
** probed: the fork asks it anew, with its own guards.  What was written is marked as assumed: it was not
** this run's doing, so the ledger has no row of it, and nothing takes it back.  Approvals of before the
** entry are another run's (see LN_FORKED_NAME). */
#include "debug/travel_parts.h"

#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 1 << 20 };

typedef struct forking {
  const ln_past *past;
  int64_t at;
  ln_engine *w;
  const ln_fork_options *o;
  ln_snapshot *scripts;
  ln_run_row row;
  ln_buf options, detail, waiting, batch;
  int64_t now_ms, steps, seen;
  ln_tx *tx;
  ln_err *err;
  bool ok;
} forking;

/* ------------------------------------------------------------------ entries */

static bool flush(forking *f) {
  bool ok = !f->batch.n || ln_tx_log(f->tx, f->row.id, ln_buf_view(&f->batch), f->err);
  ln_buf_cut(&f->batch, 0);
  return ok;
}

/* A value that is kept beside the journal: put again, lest it go with the other run. */
static bool keep_value(forking *f, const ln_entry *e) {
  ln_str name = ln_entry_names(e);
  bool found = false;
  ln_content c = {.kind = LN_STR("value")};
  ln_buf bytes;
  if (!name.n) return true;
  ln_buf_init(&bytes, (size_t)1 << 30);
  snprintf(c.sha256, sizeof c.sha256, "%.*s", LN_STR_ARG(name));
  bool ok = ln_tx_content_get(f->tx, name, &bytes, &found, f->err);
  if (ok && !found)
    ok = ln_fail(f->err, "store", LN_FINAL, "the store has lost what %.*s answered", LN_STR_ARG(e->name));
  c.bytes = ln_buf_view(&bytes);
  ok = ok && ln_tx_content_put(f->tx, &c, f->err);
  ln_buf_free(&bytes);
  return ok;
}

static bool put(forking *f, const ln_entry *e) {
  if (!keep_value(f, e)) return false;
  if (!ln_entry_put(&f->batch, e)) return ln_fail(f->err, "memory", LN_AGAIN, "no memory for a journal");
  return f->batch.n < BATCH || flush(f);
}

static ln_str state_of(const ln_record *rec) {
  static const char *const was_done[] = {"done", "unchanged", "joined", "pending"};
  for (size_t i = 0; rec->cls == LN_WRITE && i < sizeof was_done / sizeof *was_done; i++)
    if (ln_str_eq(rec->state, ln_str_of(was_done[i]))) return LN_STR("assumed");
  return rec->state;
}

static bool put_answer(forking *f, const ln_record *rec) {
  ln_entry e = {.kind = LN_E_DONE,
                .name = rec->name,
                .op = rec->op,
                .cls = rec->cls,
                .fingerprint = rec->fingerprint,
                .at_ms = rec->done_ms,
                .asked_ms = rec->asked_ms,
                .ok = rec->ok,
                .state = state_of(rec),
                .where = rec->where,
                .data = rec->outcome};
  if (ln_str_eq(rec->name, LN_STR(LN_CANCEL_NAME)))
    return ln_fail(f->err, "conflict", LN_FINAL,
                   "the run had been cancelled by then: fork it at an earlier step");
  return put(f, &e);
}

static bool is_taken(const forking *f, const ln_entry *e) {
  const ln_record *rec = ln_journal_find(f->past->journal, e->name);
  return rec && rec->seq > 0 && rec->seq <= f->steps;
}

static bool take_entry(void *arg, const ln_entry *e) {
  forking *f = arg;
  f->ok = true;
  switch (e->kind) {
  case LN_E_DONE:
  case LN_E_DELIVERED:
    f->ok = put_answer(f, ln_journal_delivery(f->past->journal, (size_t)f->seen++));
    break;
  case LN_E_NOTE:
  case LN_E_STAGE: f->ok = put(f, e); break;
  case LN_E_RUN: f->ok = !ln_str_eq(e->name, LN_STR(LN_STAGE_NAME)) || put(f, e); break;
  case LN_E_PLANNED: f->ok = !is_taken(f, e) || put(f, e); break;
  default: break;
  }
  return f->ok && f->seen < f->steps;
}

/* ------------------------------------------------------------------ its row */

static int64_t plan_from(const forking *f) {
  const ln_forked *was = ln_journal_forked(f->past->journal);
  if (!ln_v_get_bool(f->past->row.options, "plan", false)) return f->steps;
  return !was ? 0 : was->plan_from < f->steps ? was->plan_from : f->steps;
}

static bool put_forked(forking *f) {
  const ln_forked *was = ln_journal_forked(f->past->journal);
  ln_buf data;
  ln_buf_init(&data, 512);
  size_t mark = ln_v_begin(&data, 'O', 5);
  ln_v_key(&data, LN_STR("at")), ln_v_int(&data, f->at);
  ln_v_key(&data, LN_STR("began_ms")), ln_v_int(&data, was ? was->began_ms : f->past->row.created_ms);
  ln_v_key(&data, LN_STR("plan_from")), ln_v_int(&data, plan_from(f));
  ln_v_key(&data, LN_STR("run")), ln_v_str(&data, ln_str_of(f->past->row.ulid));
  ln_v_key(&data, LN_STR("step")), ln_v_int(&data, f->steps);
  ln_v_end(&data, mark);
  bool ok = ln_buf_ok(&data, f->err) &&
            ln_run_log_fact(f->tx, f->row.id, LN_STR(LN_FORKED_NAME), f->now_ms, ln_buf_view(&data), f->err);
  ln_buf_free(&data);
  return ok;
}

static bool fork_apply(ln_tx *tx, void *arg, ln_err *err) {
  forking *f = arg;
  f->tx = tx;
  f->err = err;
  f->seen = 0;
  f->ok = true;
  f->row.id = 0;
  ln_buf_cut(&f->batch, 0);
  if (!ln_snapshot_put(tx, f->scripts, err) || !ln_tx_run_create(tx, &f->row, err) ||
      !ln_run_log_began(tx, f->row.id, f->now_ms, err))
    return false;
  if (f->steps > 0) ln_journal_each(f->past->journal, take_entry, f);
  return f->ok && flush(f) && put_forked(f) &&
         ln_tx_audit(tx, f->now_ms, LN_STR("forked"), f->o->by, f->row.id, ln_buf_view(&f->detail), err);
}

/* As the run's own, but a plan, unless it is to act; and asked for what it asks. */
static bool fill_options(forking *f) {
  ln_buf mine;
  ln_buf_init(&mine, 256 + f->o->assume.n);
  size_t mark = ln_v_begin(&mine, 'O', 3 + (f->o->assume.n > 0));
  ln_v_key(&mine, LN_STR("approve")), ln_v_int(&mine, LN_APPROVE_WAIT);
  if (f->o->assume.n) ln_v_key(&mine, LN_STR("assume")), ln_v_raw(&mine, f->o->assume);
  ln_v_key(&mine, LN_STR("despite_freeze")), ln_v_bool(&mine, false);
  ln_v_key(&mine, LN_STR("plan")), ln_v_bool(&mine, !f->o->act);
  ln_v_end(&mine, mark);
  bool ok = ln_v_merge(&f->options, f->past->row.options, ln_buf_view(&mine)) ||
            ln_fail(f->err, "memory", LN_AGAIN, "no memory for a run");
  ln_buf_free(&mine);
  return ok;
}

static bool fill_row(forking *f) {
  const ln_run_row *was = &f->past->row;
  ln_json j;
  f->now_ms = ln_now_ms(f->w->loop->clock);
  f->row = (ln_run_row){.epoch = ++f->w->epochs,
                        .playbook = was->playbook,
                        .snapshot = ln_str_of(ln_snapshot_hash(f->scripts)),
                        .state = LN_STR("waiting"),
                        .input = was->input,
                        .options = ln_buf_view(&f->options),
                        .started_by = f->o->by,
                        .created_ms = f->now_ms};
  memcpy(f->row.seed, was->seed, sizeof f->row.seed);
  ln_ulid(f->w->rand, f->now_ms, f->row.ulid);
  ln_waiting why = {.what = "interrupted"};
  snprintf(why.next, sizeof why.next, "lunette resume %s", f->row.ulid);
  ln_park_encode(&why, &f->waiting);
  f->row.waiting = ln_buf_view(&f->waiting);
  ln_json_init(&j, &f->detail);
  ln_json_open(&j, '{');
  ln_json_key(&j, LN_STR("from")), ln_json_strz(&j, was->ulid);
  ln_json_key(&j, LN_STR("step")), ln_json_int(&j, f->steps);
  ln_json_key(&j, LN_STR("act")), ln_json_bool(&j, f->o->act);
  ln_json_close(&j, '}');
  return ln_buf_ok(&f->detail, f->err) && ln_buf_ok(&f->waiting, f->err);
}

/* What was a plan's answer is no ground to act on. */
static bool may_act(const forking *f) {
  if (!f->o->act || plan_from(f) >= f->steps) return true;
  return ln_fail(f->err, "conflict", LN_FINAL,
                 "what the run was told is a plan's: it can be forked as a plan only");
}

static bool scripts_of(forking *f) {
  const char *with = f->o->with;
  ln_str pinned = f->o->snapshot.n ? f->o->snapshot : f->past->row.snapshot;
  char module[256];
  f->scripts = with ? ln_snapshot_with(f->w, with, f->err) : ln_snapshot_load(f->w, pinned, f->err);
  return f->scripts && ((!with && !f->o->snapshot.n) || ln_v_get_bool(f->past->row.options, "call", false) ||
                        ln_snapshot_module(f->scripts, f->past->row.playbook, module, sizeof module, f->err));
}

static bool fork_it(forking *f, char ulid[LN_ULID + 1]) {
  ln_buf_init(&f->options, (size_t)64 << 20);
  ln_buf_init(&f->detail, 4096);
  ln_buf_init(&f->waiting, 4096);
  ln_buf_init(&f->batch, (size_t)256 << 20);
  bool ok = may_act(f) && scripts_of(f) && fill_options(f) && fill_row(f) &&
            ln_writer_run(f->w->store, fork_apply, f, f->err);
  if (ok) memcpy(ulid, f->row.ulid, LN_ULID + 1);
  ln_snapshot_drop(f->scripts);
  ln_buf_free(&f->options);
  ln_buf_free(&f->detail);
  ln_buf_free(&f->waiting);
  ln_buf_free(&f->batch);
  return ok;
}

bool ln_travel_fork(ln_travel *t, ln_engine *w, const ln_fork_options *o, char ulid[LN_ULID + 1],
                    ln_err *err) {
  forking f = {.past = &t->past, .at = t->at, .w = w, .o = o, .err = err};
  f.steps = t->r ? (int64_t)t->r->past_at : 0;
  return fork_it(&f, ulid);
}

typedef struct loading {
  ln_past past;
  ln_store *store;
  bool ok;
  ln_err *err;
} loading;

static bool load(void *arg, const ln_run_row *row) {
  loading *l = arg;
  l->ok = ln_past_load(&l->past, l->store, row, l->err);
  return false;
}

bool ln_fork_at(ln_engine *w, ln_str which, const ln_fork_point *p, const ln_fork_options *o,
                char ulid[LN_ULID + 1], ln_err *err) {
  loading l = {.store = w->store, .err = err};
  bool ok = ln_store_run_find(w->store, which, load, &l, err) && l.ok;
  int64_t steps = ok ? (int64_t)ln_journal_deliveries(l.past.journal) : 0;
  if (ok && (p->step < 0 || p->step > steps))
    ok = ln_fail(err, "not_found", LN_FINAL, "there is no step %lld: the journal has %lld",
                 (long long)p->step, (long long)steps);
  forking f = {.past = &l.past, .at = p->at, .w = w, .o = o, .err = err, .steps = p->step};
  ok = ok && fork_it(&f, ulid);
  ln_past_free(&l.past);
  return ok;
}
