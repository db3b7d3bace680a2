/* requests.c: requests that came with a key of the caller's.  What one made is named in the transaction that
** makes it, so that the same request, sent again after a lost answer or a crash, makes nothing new. */
#include "store/inside.h"

enum { DAYS = 30 };

bool ln_tx_request_put(ln_tx *tx, ln_str key, ln_str digest_hex, ln_str ulid, int64_t ms, ln_err *err) {
  int64_t n = 0, old = ms - (int64_t)DAYS * 24 * 3600 * 1000;
  if (!ln_conn_ints(tx->c, &n, 1, NULL, err, "SELECT count(*) FROM request WHERE key = ? AND ms >= ?", "ti",
                    key, old))
    return false;
  if (n) return ln_fail(err, "conflict", LN_FINAL, "a request with that key was taken just now");
  return ln_conn_exec(tx->c, NULL, err, "DELETE FROM request WHERE ms < ?", "i", old) &&
         ln_conn_exec(tx->c, NULL, err, "INSERT INTO request(key, digest, ulid, ms) VALUES(?, ?, ?, ?)",
                      "ttti", key, digest_hex, ulid, ms);
}

bool ln_store_request(ln_store *s, ln_str key, ln_keyed_run *out, bool *found, ln_err *err) {
  ln_rows rows;
  *out = (ln_keyed_run){.ulid = ""};
  *found = false;
  if (!ln_store_rows(s, &rows, err, "SELECT ulid, digest FROM request WHERE key = ?", "t", key)) return false;
  if (rows.n && rows.row[0][0].s.n < sizeof out->ulid && rows.row[0][1].s.n < sizeof out->digest) {
    memcpy(out->ulid, rows.row[0][0].s.p, rows.row[0][0].s.n);
    memcpy(out->digest, rows.row[0][1].s.p, rows.row[0][1].s.n);
    *found = true;
  }
  ln_rows_free(&rows);
  return true;
}
