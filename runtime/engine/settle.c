/* settle.c: a person says whether a write in doubt happened.  What was said is an entry like any other;
** the run is then taken over and replayed, and goes on from there. */
#include "engine/inside.h"

#include <stdlib.h>

struct settling {
  ln_engine *g;
  int64_t run, epoch;
  char owner[LN_ULID + 1], ulid[LN_ULID + 1];
  const ln_record *record;
  bool did;
  ln_str result, by;
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

static void put_said(const struct settling *s, ln_buf *b) {
  size_t mark = ln_v_begin(b, 'O', s->result.n ? 3 : 2);
  ln_v_key(b, LN_STR("by"));
  ln_v_str(b, s->by);
  ln_v_key(b, LN_STR("did"));
  ln_v_bool(b, s->did);
  if (s->result.n) ln_v_key(b, LN_STR("result")), ln_v_raw(b, s->result);
  ln_v_end(b, mark);
}

static bool settle_apply(ln_tx *tx, void *arg, ln_err *err) {
  struct settling *s = arg;
  ln_buf data, line;
  int64_t now = ln_now_ms(s->g->loop->clock);
  if (!ln_tx_run_own(tx, s->run, LN_STR(""), s->epoch, err)) return false;
  ln_buf_init(&data, 16 << 20);
  ln_buf_init(&line, 32 << 20);
  put_said(s, &data);
  ln_entry e = {
      .kind = LN_E_SETTLED, .name = s->record->name, .at_ms = now, .ok = true, .data = ln_buf_view(&data)};
  bool ok = ln_entry_put(&line, &e) && ln_tx_log(tx, s->run, ln_buf_view(&line), err) &&
            ln_tx_wait_call_run(tx, s->run, err) &&
            ln_tx_audit(tx, now, s->did ? LN_STR("settled: did") : LN_STR("settled: did not"), s->by, s->run,
                        LN_STR("{}"), err);
  ln_buf_free(&data);
  ln_buf_free(&line);
  return ok;
}

bool ln_run_settle(ln_engine *g, ln_str which, ln_str step, bool did, ln_str result, ln_str by, ln_err *err) {
  struct settling s = {.g = g, .did = did, .result = result, .by = by};
  if (!ln_store_run_find(g->store, which, copy_row, &s, err)) return false;
  if (s.owner[0] && ln_owner_alive(g->store, ln_str_of(s.owner)))
    return ln_fail(err, "conflict", LN_AGAIN,
                   "run %s is under way in another process: let that one end first", s.ulid);
  ln_journal *j = ln_journal_load(g->store, s.run, err);
  bool ok = j && find_doubt(&s, j, step, err) && ln_writer_run(g->store, settle_apply, &s, err);
  ln_journal_free(j);
  return ok;
}
