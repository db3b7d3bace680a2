/* waits.c: what parked runs wait for, a row a run and thing: a time, or a key that somebody will call
** ("run:12", "signal:12:go", "lock:deploy").  A called row is due at once.  Nothing of this is ever loaded
** whole: whoever wakes runs reads the few that are due. */
#include "store/inside.h"

bool ln_tx_wait_put(ln_tx *tx, int64_t run, ln_str key, int64_t due_ms, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err,
                      "INSERT INTO wait(run, key, due) VALUES(?1, ?2, ?3)"
                      " ON CONFLICT(run, key) DO UPDATE SET due = min(due, ?3)",
                      "iti", run, key, due_ms);
}

bool ln_tx_waits_drop(ln_tx *tx, int64_t run, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err, "DELETE FROM wait WHERE run = ?", "i", run);
}

bool ln_tx_wait_call(ln_tx *tx, ln_str key, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err, "UPDATE wait SET due = 0 WHERE key = ? AND key <> ''", "t", key);
}

bool ln_tx_wait_call_run(ln_tx *tx, int64_t run, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err, "UPDATE wait SET due = 0 WHERE run = ?", "i", run);
}

static bool has(const int64_t *runs, size_t n, int64_t run) {
  for (size_t i = 0; i < n; i++)
    if (runs[i] == run) return true;
  return false;
}

bool ln_store_waits_due(ln_store *s, int64_t now_ms, int64_t *runs, size_t *n, ln_err *err) {
  ln_rows rows;
  size_t most = *n;
  *n = 0;
  if (!ln_store_rows(s, &rows, err, "SELECT run FROM wait WHERE due <= ? ORDER BY due LIMIT ?", "ii",
                     now_ms, (int64_t)most))
    return false;
  for (int i = 0; i < rows.n && *n < most; i++)
    if (!has(runs, *n, rows.row[i][0].i)) runs[(*n)++] = rows.row[i][0].i;
  ln_rows_free(&rows);
  return true;
}

bool ln_store_next_due(ln_store *s, int64_t *due_ms, ln_err *err) {
  bool found = false;
  *due_ms = LN_NEVER;
  ln_store_lock(s);
  bool ok = ln_conn_ints(s->reader, due_ms, 1, &found, err, "SELECT due FROM wait ORDER BY due LIMIT 1", "");
  if (ok && !found) *due_ms = LN_NEVER;
  return ln_store_unlock(s, ok);
}
