/* queued.c: see queued.h. */
#include "engine/queued.h"

#include "engine/inside.h"
#include "engine/library.h"

/* Of one that the clock started the writes wait until the clock is believed. */
static bool put_options(ln_engine *g, int64_t due_ms, ln_str trace, ln_buf *out, ln_err *err) {
  ln_run_options none = {.approve = LN_APPROVE_WAIT, .trace = trace};
  ln_run *r = ln_run_new(g, &none, err);
  if (!r) return false;
  if (due_ms) ln_timing_due(r, due_ms);
  ln_run_put_options(r, NULL, out);
  ln_run_free(r);
  return ln_buf_ok(out, err);
}

bool ln_queued_make(ln_queued *q, ln_engine *g, ln_snapshot *scripts, ln_str module, ln_str input, ln_str by,
                    int64_t due_ms, ln_str trace, ln_err *err) {
  int64_t now = ln_now_ms(g->loop->clock);
  *q = (ln_queued){.scripts = ln_snapshot_keep(scripts)};
  q->row = (ln_run_row){.epoch = ++g->epochs,
                        .playbook = module,
                        .snapshot = ln_str_of(ln_snapshot_hash(scripts)),
                        .state = LN_STR("waiting"),
                        .input = input,
                        .started_by = by,
                        .created_ms = now};
  ln_buf_init(&q->options, (size_t)64 << 20);
  if (!g->rand->bytes(g->rand, q->row.seed, sizeof q->row.seed, err)) return false;
  ln_ulid(g->rand, now, q->row.ulid);
  if (!put_options(g, due_ms, trace, &q->options, err)) return false;
  q->row.options = ln_buf_view(&q->options);
  return true;
}

bool ln_queued_put(ln_tx *tx, ln_queued *q, ln_err *err) {
  return ln_snapshot_put(tx, q->scripts, err) && ln_tx_run_create(tx, &q->row, err) &&
         ln_run_log_began(tx, q->row.id, q->row.created_ms, err) &&
         ln_tx_wait_put(tx, q->row.id, (ln_str){NULL, 0}, 0, err);
}

void ln_queued_stored(ln_queued *q) { ln_snapshot_stored(q->scripts); }

void ln_queued_free(ln_queued *q) {
  ln_snapshot_drop(q->scripts);
  ln_buf_free(&q->options);
}
