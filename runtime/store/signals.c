/* signals.c: what is sent to a run, kept until it is taken; and locks, which one run at a time holds, across
** runs.  Whoever waits for one of them has a key in `wait` (waits.c), and is called in the transaction that
** changes it. */
#include "store/inside.h"

#include <stdio.h>

/* --- signals --- */

void ln_signal_key(ln_str ulid, ln_str name, ln_buf *out) {
  ln_buf_addf(out, "signal:" LN_STR_FMT ":" LN_STR_FMT, LN_STR_ARG(ulid), LN_STR_ARG(name));
}

static bool call(ln_tx *tx, ln_buf *key, ln_err *err);

static bool call_run(ln_tx *tx, int64_t run, ln_str name, ln_err *err) {
  ln_buf ulid, key;
  ln_buf_init(&ulid, 64);
  ln_buf_init(&key, 1024);
  bool ok = ln_conn_bytes(tx->c, &ulid, NULL, err, "SELECT ulid FROM run WHERE id = ?", "i", run);
  ln_signal_key(ln_buf_view(&ulid), name, &key);
  ln_buf_free(&ulid);
  if (ok) return call(tx, &key, err);
  ln_buf_free(&key);
  return false;
}

static bool call(ln_tx *tx, ln_buf *key, ln_err *err) {
  bool ok = ln_buf_ok(key, err) && ln_tx_wait_call(tx, ln_buf_view(key), err);
  ln_buf_free(key);
  return ok;
}

bool ln_tx_signal_send(ln_tx *tx, int64_t run, ln_str name, ln_str value, ln_str by, int64_t ms,
                       ln_err *err) {
  int64_t over = 0, n = 0;
  bool found;
  if (!ln_conn_ints(tx->c, &over, 1, &found, err, "SELECT finished_ms <> 0 FROM run WHERE id = ?", "i", run))
    return false;
  if (!found || over) return ln_fail(err, "conflict", LN_FINAL, "it has ended: nobody would take the signal");
  if (!ln_conn_ints(tx->c, &n, 1, NULL, err, "SELECT count(*) FROM signal WHERE run = ?", "i", run))
    return false;
  if (n >= LN_SIGNALS_MOST)
    return ln_fail(err, "quota", LN_FINAL, "it has %d signals that it has not taken yet", LN_SIGNALS_MOST);
  return ln_conn_exec(tx->c, NULL, err, "INSERT INTO signal(run, name, value, by, ms) VALUES(?, ?, ?, ?, ?)",
                      "itbti", run, name, value, by, ms) &&
         call_run(tx, run, name, err);
}

bool ln_tx_signal_there(ln_tx *tx, int64_t run, ln_str name, bool *there, ln_err *err) {
  int64_t n = 0;
  bool ok = ln_conn_ints(tx->c, &n, 1, NULL, err, "SELECT count(*) FROM signal WHERE run = ? AND name = ?",
                         "it", run, name);
  *there = n > 0;
  return ok;
}

bool ln_tx_signal_take(ln_tx *tx, int64_t run, ln_str name, ln_buf *value, bool *taken, ln_err *err) {
  int64_t id = 0;
  if (!ln_conn_ints(tx->c, &id, 1, taken, err,
                    "SELECT id FROM signal WHERE run = ? AND name = ? ORDER BY id LIMIT 1", "it", run, name))
    return false;
  return !*taken ||
         (ln_conn_bytes(tx->c, value, NULL, err, "SELECT value FROM signal WHERE id = ?", "i", id) &&
          ln_conn_exec(tx->c, NULL, err, "DELETE FROM signal WHERE id = ?", "i", id));
}

bool ln_store_signal_there(ln_store *s, int64_t run, ln_str name, bool *there, ln_err *err) {
  int64_t n = 0;
  ln_store_lock(s);
  bool ok = ln_conn_ints(s->reader, &n, 1, NULL, err,
                         "SELECT count(*) FROM signal WHERE run = ? AND name = ?", "it", run, name);
  *there = n > 0;
  return ln_store_unlock(s, ok);
}

/* --- locks --- */

void ln_lock_key(ln_str name, ln_buf *out) { ln_buf_addf(out, "lock:" LN_STR_FMT, LN_STR_ARG(name)); }

static bool call_lock(ln_tx *tx, ln_str name, ln_err *err) {
  ln_buf key;
  ln_buf_init(&key, 1024);
  ln_lock_key(name, &key);
  return call(tx, &key, err);
}

/* A holder that has ended holds nothing: its end let go of all it had. */
bool ln_tx_lock_holder(ln_tx *tx, ln_str name, int64_t *run, ln_buf *step, ln_err *err) {
  bool found;
  *run = 0;
  if (!ln_conn_ints(tx->c, run, 1, &found, err, "SELECT run FROM lock WHERE name = ?", "t", name))
    return false;
  return !found || !step ||
         ln_conn_bytes(tx->c, step, NULL, err, "SELECT step FROM lock WHERE name = ?", "t", name);
}

bool ln_tx_lock_take(ln_tx *tx, ln_str name, int64_t run, ln_str step, int64_t ms, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err, "INSERT INTO lock(name, run, step, ms) VALUES(?, ?, ?, ?)", "titi",
                      name, run, step, ms);
}

bool ln_tx_lock_drop(ln_tx *tx, ln_str name, int64_t run, ln_str step, ln_err *err) {
  int64_t changed = 0;
  return ln_conn_exec(tx->c, &changed, err, "DELETE FROM lock WHERE name = ? AND run = ? AND step = ?", "tit",
                      name, run, step) &&
         (!changed || call_lock(tx, name, err));
}

/* --- the end of a run --- */

bool ln_tx_run_lets_go(ln_tx *tx, int64_t run, ln_err *err) {
  ln_rows rows;
  char key[32];
  int n = snprintf(key, sizeof key, "run:%lld", (long long)run);
  if (!ln_conn_rows(tx->c, &rows, err, "SELECT name FROM lock WHERE run = ?", "i", run)) return false;
  bool ok = true;
  for (int i = 0; ok && i < rows.n; i++) ok = call_lock(tx, rows.row[i][0].s, err);
  ln_rows_free(&rows);
  return ok && ln_conn_exec(tx->c, NULL, err, "DELETE FROM lock WHERE run = ?", "i", run) &&
         ln_conn_exec(tx->c, NULL, err, "DELETE FROM signal WHERE run = ?", "i", run) &&
         ln_tx_wait_call(tx, (ln_str){key, (size_t)n}, err);
}
