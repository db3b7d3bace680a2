/* flush.c: how a run's entries reach the disk.  Entries wait in the run until something must be durable, or the
** run has nothing more to do; then one job takes them all, in order, and whatever else belongs in the same
** transaction.  Every job checks that the run is still ours.  A job that fails ends the attempt: the VM ran ahead
** of the disk, so it is thrown away, and the journal is what counts. */
#include "engine/inside.h"

#include <stdlib.h>

enum { PENDING_MAX = 64 << 20 };

bool ln_run_put(ln_run *r, const ln_entry *e) {
  if (r->pending.max == 0) ln_buf_init(&r->pending, PENDING_MAX);
  if (ln_entry_put(&r->pending, e)) return true;
  static const ln_err full = {.code = "too_big", .message = "the run's entries outgrew 64 MiB before the disk took them"};
  ln_run_end_attempt(r, &full);
  return false;
}

/* What was submitted before it may be lost while this job is in the queue already: then it must not be done, for it
** builds on that. */
static bool flush_apply(ln_tx *tx, void *arg, ln_err *err) {
  ln_flush *f = arg;
  ln_run *r = f->run;
  if (ln_store_losses(r->engine->store) != r->losses)
    return ln_fail(err, "store", LN_AGAIN, "the store lost what was written before: lunette resume goes on from there");
  if (!ln_tx_run_check(tx, r->id, ln_str_of(ln_owner_id(r->engine->owner)), r->epoch, err)) return false;
  if (f->apply && !f->apply(tx, f->arg, err)) return false;
  return !f->entries.n || ln_tx_log(tx, r->id, ln_buf_view(&f->entries), err);
}

/* The writer would not take the job: its entries go back to the front of what is pending. */
static void give_back(ln_run *r, ln_flush *f) {
  if (!f->entries.n) return;
  ln_buf joined = f->entries;
  f->entries = (ln_buf){0};
  ln_buf_add(&joined, ln_buf_view(&r->pending));
  ln_buf_free(&r->pending);
  r->pending = joined;
}

static bool fatal(const ln_err *err) {
  return ln_err_is(err, "store") || ln_err_is(err, "stale") || ln_err_is(err, "memory");
}

static void flush_done(void *arg, const ln_err *err) {
  ln_flush *f = arg;
  ln_run *r = f->run;
  r->flushed++;
  if (err && (fatal(err) || !f->done)) ln_run_end_attempt(r, err);
  else if (f->done && !r->broken) f->done(f->arg, err);
  ln_buf_free(&f->entries);
  free(f);
  ln_run_pump_soon(r);
}

/* A job that may be refused (a conflict, a busy entity) carries no entries: those went by a job before it. */
static bool submit(ln_run *r, ln_apply_fn apply, ln_done_fn done, void *arg) {
  ln_flush *f = calloc(1, sizeof *f);
  if (!f) return false;
  f->run = r;
  f->apply = apply;
  f->done = done;
  f->arg = arg;
  f->entries = r->pending;
  ln_buf_init(&r->pending, PENDING_MAX);
  r->flushes++;
  if (ln_writer_submit(r->engine->store, r->engine->loop, flush_apply, flush_done, f)) return true;
  r->flushes--;
  give_back(r, f);
  ln_buf_free(&f->entries);
  free(f);
  return false;
}

static const ln_err no_memory = {.code = "memory", .message = "no memory for a job of the writer"};

bool ln_run_flush(ln_run *r) {
  if (!r->pending.n || r->broken) return true;
  if (submit(r, NULL, NULL, NULL)) return true;
  ln_run_end_attempt(r, &no_memory);
  return false;
}

bool ln_run_flush_with(ln_run *r, ln_effect *e, ln_apply_fn apply, ln_done_fn done, void *arg) {
  (void)e;
  if (r->broken || !ln_run_flush(r)) return false;
  if (submit(r, apply, done, arg)) return true;
  ln_run_end_attempt(r, &no_memory);
  return false;
}
