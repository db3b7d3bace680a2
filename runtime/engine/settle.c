/* settle.c: a person says whether a write in doubt happened.  What was said is an entry like any other.  A
** run that is carried here goes on with it at once, whatever its other branches do: they may be waiting for
** this very write.  One that nobody carries is then taken over and replayed, and goes on from there. */
#include "engine/inside.h"

#include <stdlib.h>

struct settling {
  ln_engine *g;
  int64_t run, epoch;
  char owner[LN_ULID + 1], ulid[LN_ULID + 1];
  const ln_record *record;
  bool did;
  ln_str result, by;
  ln_run *live;                                          /* NULL: nobody carries it                         */
  ln_buf said;
};

static bool copy_row(void *arg, const ln_run_row *row) {
  struct settling *s = arg;
  s->run = row->id;
  s->epoch = row->epoch;
  memcpy(s->owner, row->owner, sizeof s->owner);
  memcpy(s->ulid, row->ulid, sizeof s->ulid);
  return false;
}

static bool find_doubt(struct settling *s, ln_journal *j, ln_str step, ln_err *err) {
  size_t n = 0;
  for (size_t i = 0; i < ln_journal_records(j); i++) {
    const ln_record *c = ln_journal_record(j, i);
    if (!c->in_doubt || (step.n && !ln_str_eq(c->name, step))) continue;
    s->record = c;
    n++;
  }
  if (n == 1) return true;
  if (n == 0 && step.n)
    return ln_fail(err, "not_found", LN_FINAL, "run %s has no doubt about %.*s", s->ulid, LN_STR_ARG(step));
  if (n == 0) return ln_fail(err, "not_found", LN_FINAL, "run %s is in no doubt", s->ulid);
  return ln_fail(err, "ambiguous", LN_FINAL, "run %s is in doubt about %zu steps: name one (lunette show %s)",
                 s->ulid, n, s->ulid);
}

static bool put_said(struct settling *s, ln_err *err) {
  ln_buf *b = &s->said;
  ln_buf_init(b, 16 << 20);
  size_t mark = ln_v_begin(b, 'O', s->result.n ? 3 : 2);
  ln_v_key(b, LN_STR("by"));
  ln_v_str(b, s->by);
  ln_v_key(b, LN_STR("did"));
  ln_v_bool(b, s->did);
  if (s->result.n) ln_v_key(b, LN_STR("result")), ln_v_raw(b, s->result);
  ln_v_end(b, mark);
  return ln_buf_ok(b, err);
}

static bool may_write(const struct settling *s, ln_tx *tx, ln_err *err) {
  if (!s->live) return ln_tx_run_own(tx, s->run, LN_STR(""), s->epoch, err);
  return ln_tx_run_check(tx, s->run, ln_str_of(ln_owner_id(s->g->owner)), s->live->epoch, err);
}

static bool settle_apply(ln_tx *tx, void *arg, ln_err *err) {
  struct settling *s = arg;
  ln_buf line;
  int64_t now = ln_now_ms(s->g->loop->clock);
  const ln_audit_row r = {.ms = now,
                          .what = s->did ? LN_STR("settled: did") : LN_STR("settled: did not"),
                          .who = s->by,
                          .run = s->run};
  if (!may_write(s, tx, err)) return false;
  ln_buf_init(&line, 32 << 20);
  ln_entry e = {
      .kind = LN_E_SETTLED, .name = s->record->name, .at_ms = now, .ok = true, .data = ln_buf_view(&s->said)};
  bool ok = ln_entry_put(&line, &e) && ln_tx_log(tx, s->run, ln_buf_view(&line), err) &&
            ln_tx_wait_call_run(tx, s->run, err) &&
            ln_audit_one(tx, &r, "step", s->record->name, err);
  ln_buf_free(&line);
  return ok;
}

/* ------------------------------------------------------------------ a run that is carried here */

static ln_run *carried(ln_engine *g, const char *ulid) {
  for (ln_run *r = g->state; r; r = r->next)
    if (strcmp(r->ulid, ulid) == 0 && !r->parked && !r->closing && !r->broken && !r->ended) return r;
  return NULL;
}

static ln_effect *in_doubt(const ln_run *r, ln_str step) {
  for (const ln_branch *b = r->branches; b; b = b->next)
    if (b->asked && b->asked->stand == LN_W_DOUBT && ln_str_eq(ln_str_of(b->asked->name), step))
      return b->asked;
  return NULL;
}

static bool settle_it(struct settling *s, ln_err *err) {
  if (s->live && !in_doubt(s->live, s->record->name))
    return ln_fail(err, "conflict", LN_AGAIN, "run %s is about to doubt, or to know", s->ulid);
  if (!put_said(s, err) || !ln_writer_run(s->g->store, settle_apply, s, err)) return false;
  s->live = s->live ? carried(s->g, s->ulid) : NULL;
  ln_effect *e = s->live ? in_doubt(s->live, s->record->name) : NULL;
  if (e) ln_write_settled(e, ln_buf_view(&s->said)), ln_run_pump_soon(s->live);
  return true;
}

bool ln_run_settle(ln_engine *g, ln_str which, ln_str step, bool did, ln_str result, ln_str by, ln_err *err) {
  struct settling s = {.g = g, .did = did, .result = result, .by = by};
  if (!ln_store_run_find(g->store, which, copy_row, &s, err)) return false;
  s.live = carried(g, s.ulid);
  if (!s.live && s.owner[0] && ln_owner_alive(g->store, ln_str_of(s.owner)))
    return ln_fail(err, "conflict", LN_AGAIN,
                   "run %s is under way in another process: let that one end first", s.ulid);
  ln_journal *j = ln_journal_load(g->store, s.run, err);
  bool ok = j && find_doubt(&s, j, step, err) && settle_it(&s, err);
  ln_journal_free(j);
  ln_buf_free(&s.said);
  return ok;
}
