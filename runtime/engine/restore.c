/* restore.c: a store of another moment becomes the one of now (store/mark.c says how that is known).
** The vendors have moved on since, by the hand of whoever went on with the original, so nothing of it
** may go on by itself: everything is frozen, and each run that was under way waits until a person
** resumes it.
**
** Such a run is a *restored* one from then on, by an entry in its journal, written as it is taken over:
** whatever stands before that entry was so in another time.  A write that was intended then and has no
** result is in doubt; what was approved then is asked again; and any write of it may have been made
** already, so the vendor is asked first, then a person (write.c).  Runs that it begins are restored
** ones, too. */
#include "engine/inside.h"

typedef struct restoring {
  ln_engine *g;
  ln_buf *why, waiting;
} restoring;

static bool alive(void *arg, ln_str owner) {
  restoring *r = arg;
  bool lives = ln_owner_alive(r->g->store, owner);
  if (lives) r->why = NULL;
  return !lives;
}

/* A process that carries runs has the file that was there before, and would write its log beside this one. */
static bool nobody_runs(restoring *r, ln_err *err) {
  ln_buf *why = r->why;
  if (!ln_store_owners(r->g->store, alive, r, err)) return false;
  bool none = r->why && !ln_serve_held(r->g->store);
  r->why = why;
  return none || ln_fail(err, "store", LN_FINAL,
                         "%s was put there while a process is at work with the one before: stop that "
                         "process, and put it there again",
                         ln_store_path(r->g->store));
}

static bool restore_apply(ln_tx *tx, void *arg, ln_err *err) {
  restoring *r = arg;
  int64_t now = ln_now_ms(r->g->loop->clock);
  if (!ln_tx_restore(tx, ln_buf_view(&r->waiting), now, r->why, err)) return false;
  ln_str why = ln_buf_view(r->why), by = LN_STR("lunette");
  const ln_audit_row record = {.ms = now, .what = LN_STR("restored"), .who = by};
  return !why.n || (ln_tx_freeze(tx, (ln_str){NULL, 0}, why, by, now, err) &&
                    ln_audit_one(tx, &record, "why", why, err));
}

bool ln_restore(ln_engine *g, ln_buf *why, ln_err *err) {
  restoring r = {.g = g, .why = why};
  const ln_waiting restored = {.what = "restored"};
  if (!ln_store_copied(g->store, why, err)) return false;
  if (!why->n) return true;
  ln_buf_cut(why, 0);
  ln_buf_init(&r.waiting, 4096);
  ln_park_encode(&restored, &r.waiting);
  bool ok =
      ln_buf_ok(&r.waiting, err) && nobody_runs(&r, err) && ln_writer_run(g->store, restore_apply, &r, err);
  ln_buf_free(&r.waiting);
  return ok;
}

bool ln_restored_put(ln_tx *tx, int64_t run, int64_t ms, ln_err *err) {
  ln_buf data;
  ln_buf_init(&data, 256);
  size_t mark = ln_v_begin(&data, 'O', 1);
  ln_v_key(&data, LN_STR("ms"));
  ln_v_int(&data, ms);
  ln_v_end(&data, mark);
  bool ok = ln_run_log_fact(tx, run, LN_STR(LN_RESTORED_NAME), ms, ln_buf_view(&data), err);
  ln_buf_free(&data);
  return ok;
}

bool ln_restored_taken(ln_tx *tx, int64_t run, ln_err *err) {
  int64_t ms;
  return ln_tx_run_restored(tx, run, &ms, err) && (!ms || ln_restored_put(tx, run, ms, err));
}
