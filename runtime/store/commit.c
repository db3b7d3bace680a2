/* commit.c: one batch of jobs as one transaction with one sync.
**
**   begin    BEGIN IMMEDIATE: from here no other process writes; meta says which id the log's next row gets
**   apply    the jobs, one after the other; what they log is gathered in memory, by run
**   commit   the gathered entries, one row a run; meta; COMMIT, which returns once the WAL is on disk
**
** A job that fails by itself has written nothing and costs the others nothing.  Whatever leaves the
** transaction in doubt (a full disk, an I/O error, a job that failed half-way) costs the whole batch: it is
** rolled back, the connection is closed, and the next batch begins on a new one.  Nothing is tried a second
** time. */
#include "base/log.h"
#include "store/inside.h"
#include "store/schema.h"

#include <stdlib.h>

static bool connect(ln_tx *tx, ln_err *err) {
  if (tx->c) return true;
  ln_store *s = tx->store;
  if (!(tx->c = ln_conn_open(s->path, s->vfs, false, err))) return false;
  if (ln_schema_connect(tx->c, err)) return true;
  ln_conn_close(tx->c);
  tx->c = NULL;
  return false;
}

/* Runs that do not exist yet will have all their rows from tx->next on: of those the tail will know
** everything. */
static bool start_tail(ln_tx *tx, ln_err *err) {
  if (tx->tail.end) return true;
  ln_tail_start(&tx->tail, tx->next);
  bool found;
  return ln_conn_ints(tx->c, &tx->tail_runs, 1, &found, err, "SELECT max(id) FROM run", "");
}

bool ln_batch_begin(ln_tx *tx, ln_err *err) {
  if (tx->store->looks)
    return ln_fail(err, "store", LN_FINAL, "%s was opened only to be looked at", tx->store->path);
  if (!connect(tx, err)) return false;
  if (!ln_conn_exec(tx->c, NULL, err, "BEGIN IMMEDIATE", "")) {
    if (tx->c->broken) ln_batch_abort(tx);
    return false;
  }
  int64_t meta[3];
  if (!ln_conn_ints(tx->c, meta, 3, NULL, err, "SELECT next, floor, version FROM meta", "")) {
    ln_batch_abort(tx);
    return false;
  }
  tx->next = meta[0];
  tx->floor = meta[1];
  tx->version = meta[2];
  tx->meta_changed = false;
  tx->changes = sqlite3_total_changes64(tx->c->db);
  tx->number++;
  tx->bytes = tx->rows = 0;
  tx->told = false;
  if (start_tail(tx, err)) return true;
  ln_batch_abort(tx);
  return false;
}

uint64_t ln_tx_number(const ln_tx *tx) { return tx->number; }

bool ln_batch_apply(ln_tx *tx, ln_apply_fn apply, void *arg, bool *spoilt, ln_err *err) {
  int64_t changes = sqlite3_total_changes64(tx->c->db);
  tx->job++;
  ln_err_clear(err);
  bool ok = apply(tx, arg, err);
  *spoilt = tx->c->broken || sqlite3_get_autocommit(tx->c->db);
  if (ok && !*spoilt) return true;
  ln_log_undo(tx);
  if (!*spoilt && sqlite3_total_changes64(tx->c->db) != changes) {
    ln_log(LN_ERROR, "store.half", "code=%s", err->code);
    *spoilt = true;
    return ln_fail(err, "store", LN_FINAL,
                   "%s: a job failed after it had written (%s): its batch was rolled back", tx->store->path,
                   err->message);
  }
  if (!err->code[0]) return ln_fail(err, "store", LN_FINAL, "%s: the transaction was lost", tx->store->path);
  return false;
}

static bool save_meta(ln_tx *tx, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err,
                      "UPDATE meta SET next = ?, floor = ?, version = ?, commits = commits + 1", "iii",
                      tx->next, tx->floor, tx->version);
}

/* The sync happens here.  Counted under the lock, so that whoever sees the commit sees it counted. */
static bool commit(ln_tx *tx, bool changed, ln_err *err) {
  ln_store *s = tx->store;
  pthread_mutex_lock(&s->count_mx);
  int64_t began = ln_mono_us(ln_clock_real());
  bool ok = ln_conn_exec(tx->c, NULL, err, "COMMIT", "");
  if (ok && changed) {
    s->own_commits++;
    s->stats.commits++;
    s->stats.commit_us += (uint64_t)(ln_mono_us(ln_clock_real()) - began);
    s->stats.rows += tx->rows;
    s->stats.bytes += tx->bytes;
  }
  pthread_mutex_unlock(&s->count_mx);
  return ok;
}

/* What went into a segment was told then. */
static void tell_watch(ln_tx *tx) {
  for (size_t i = 0; i < tx->slots; i++) ln_log_tell(tx, &tx->slot[i]);
}

bool ln_batch_commit(ln_tx *tx, ln_err *err) {
  bool changed = false;
  tell_watch(tx);
  bool ok = ln_log_flush(tx, err);
  if (ok) changed = tx->meta_changed || sqlite3_total_changes64(tx->c->db) != tx->changes;
  if (ok && changed) ok = save_meta(tx, err);
  if (ok) ok = commit(tx, changed, err);
  if (!ok) {
    ln_batch_abort(tx);
    return false;
  }
  if (tx->told) tx->store->watch->committed(tx->store->watch->arg);
  ln_log_learn(tx);
  ln_log_reset(tx);
  return true;
}

void ln_batch_abort(ln_tx *tx) {
  if (tx->c && !sqlite3_get_autocommit(tx->c->db)) sqlite3_exec(tx->c->db, "ROLLBACK", NULL, NULL, NULL);
  ln_conn_close(tx->c);
  tx->c = NULL;
  ln_log_lost(tx);
  ln_log_reset(tx);
  ln_tail_start(&tx->tail, 0); /* it may know what was not committed: it is learnt anew */
}

void ln_tx_free(ln_tx *tx) {
  ln_conn_close(tx->c);
  ln_log_reset(tx);
  for (size_t i = 0; i < tx->slots_cap; i++) ln_buf_free(&tx->slot[i].entries);
  free(tx->slot);
  ln_map_free(&tx->slot_of);
  ln_map_free(&tx->lost);
  ln_tail_free(&tx->tail);
  tx->c = NULL;
  tx->slot = NULL;
}
