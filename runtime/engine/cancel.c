/* cancel.c: a cancel that one process asks of another: the run's row says "cancelling", and whoever runs
** it looks there when the store has changed. */
#include "engine/inside.h"

#include <stdio.h>

struct asking {
  const ln_engine *g;
  ln_str by;
  int64_t run, epoch;
  char ulid[LN_ULID + 1], owner[LN_ULID + 1], state[16];
};

static bool read_row(void *arg, const ln_run_row *row) {
  struct asking *a = arg;
  a->run = row->id;
  a->epoch = row->epoch;
  memcpy(a->ulid, row->ulid, sizeof a->ulid);
  memcpy(a->owner, row->owner, sizeof a->owner);
  snprintf(a->state, sizeof a->state, "%.*s", LN_STR_ARG(row->state));
  return false;
}

static bool ask_apply(ln_tx *tx, void *arg, ln_err *err) {
  struct asking *a = arg;
  static const ln_run_change c = {.state = {"cancelling", 10}};
  /* it may have ended, or been taken over, since the row was read */
  return ln_tx_run_check(tx, a->run, ln_str_of(a->owner), a->epoch, err) &&
         ln_tx_run_change(tx, a->run, &c, err) &&
         ln_tx_audit(tx, ln_now_ms(a->g->loop->clock), LN_STR("cancel"), a->by, a->run, LN_STR("{}"), err);
}

bool ln_run_ask_cancel(ln_engine *g, ln_str which, ln_str by, bool *running, ln_err *err) {
  struct asking a = {.g = g, .by = by};
  if (!ln_store_run_find(g->store, which, read_row, &a, err)) return false;
  static const char *const over[] = {"completed", "failed", "cancelled"};
  for (size_t i = 0; i < 3; i++)
    if (strcmp(a.state, over[i]) == 0)
      return ln_fail(err, "conflict", LN_FINAL, "run %s has ended (%s): there is nothing to stop", a.ulid,
                     a.state);
  *running = a.owner[0] && ln_owner_alive(g->store, ln_str_of(a.owner));
  if (ln_writer_run(g->store, ask_apply, &a, err)) return true;
  if (!ln_err_is(err, "stale")) return false;
  return ln_fail(err, "conflict", LN_AGAIN,
                 "run %s has just ended, or was let go: look again (lunette show %s)", a.ulid, a.ulid);
}

void ln_run_look_for_cancel(ln_run *r) {
  struct asking a = {0};
  ln_err quiet = {0};
  if (r->creating || r->cancel_wanted || r->ended || r->broken) return;
  if (ln_store_run_get(r->engine->store, r->id, read_row, &a, &quiet) && strcmp(a.state, "cancelling") == 0)
    ln_run_cancel(r, LN_STR("cancelled by lunette cancel"));
}
