/* kv.c: durable values shared by runs.  A version is never given twice in a store, also not to a key that was
** deleted in between, so a comparison by version cannot be fooled; the last one given is kept in meta. */
#include "store/inside.h"

/* A value whose time is over is as good as absent; it is overwritten, or deleted, when its key is used
** again. */
static const char live[] = "SELECT version FROM kv WHERE key = ? AND (expires_ms = 0 OR expires_ms > ?)";

static bool version_of(ln_tx *tx, ln_str key, int64_t *version, ln_err *err) {
  bool found;
  return ln_conn_ints(tx->c, version, 1, &found, err, live, "ti", key, ln_now_ms(tx->store->clock));
}

bool ln_tx_kv_get(ln_tx *tx, ln_str key, ln_buf *value, int64_t *version, ln_err *err) {
  if (!version_of(tx, key, version, err)) return false;
  return *version == 0 ||
         ln_conn_bytes(tx->c, value, NULL, err, "SELECT value FROM kv WHERE key = ?", "t", key);
}

bool ln_tx_kv_set(ln_tx *tx, ln_str key, ln_str value, int64_t expires_ms, int64_t if_version,
                  int64_t *version, ln_err *err) {
  int64_t was;
  if (!version_of(tx, key, &was, err)) return false;
  if (if_version >= 0 && was != if_version)
    return ln_fail(err, "conflict", LN_FINAL, "'" LN_STR_FMT "' has version %lld, not %lld: read it again",
                   LN_STR_ARG(key), (long long)was, (long long)if_version);
  if (!ln_conn_exec(
          tx->c, NULL, err,
          "INSERT INTO kv(key, value, version, expires_ms) VALUES(?1, ?2, ?3, ?4) ON CONFLICT(key) DO UPDATE"
          " SET value = ?2, version = ?3, expires_ms = ?4",
          "tbii", key, value, tx->version + 1, expires_ms))
    return false;
  *version = ++tx->version;
  return true;
}

bool ln_tx_kv_delete(ln_tx *tx, ln_str key, bool *was, ln_err *err) {
  int64_t version;
  if (!version_of(tx, key, &version, err)) return false;
  *was = version != 0;
  return ln_conn_exec(tx->c, NULL, err, "DELETE FROM kv WHERE key = ?", "t", key);
}

/* Keys come in order of their bytes, so those with the prefix are neighbours: the first without it is the
** end. */
static bool page(ln_tx *tx, ln_str from, bool above, ln_rows *rows, ln_err *err) {
  int64_t now = ln_now_ms(tx->store->clock);
  if (above)
    return ln_conn_rows(tx->c, rows, err,
                        "SELECT key, value, version, expires_ms FROM kv WHERE key > ?"
                        " AND (expires_ms = 0 OR expires_ms > ?) ORDER BY key",
                        "ti", from, now);
  return ln_conn_rows(tx->c, rows, err,
                      "SELECT key, value, version, expires_ms FROM kv WHERE key >= ?"
                      " AND (expires_ms = 0 OR expires_ms > ?) ORDER BY key",
                      "ti", from, now);
}

bool ln_tx_kv_list(ln_tx *tx, ln_str prefix, int64_t limit, ln_kv_fn fn, void *arg, ln_err *err) {
  ln_rows rows[2] = {{.n = 0}, {.n = 0}}; /* this page, and the one before, whose last key it goes on from */
  ln_str from = prefix;
  bool ok = true, more = true;
  int64_t left = limit > 0 ? limit : INT64_MAX;
  for (int p = 0; more && left > 0; p ^= 1) {
    ln_rows_free(&rows[p]);
    if (!(ok = page(tx, from, from.p != prefix.p, &rows[p], err))) break;
    more = rows[p].more;
    for (int i = 0; i < rows[p].n; i++) {
      const ln_cell *c = rows[p].row[i];
      ln_kv kv = {c[0].s, c[1].s, c[2].i, c[3].i};
      from = kv.key;
      if (left-- > 0 && ln_str_starts(kv.key, prefix) && fn(arg, &kv)) continue;
      more = false;
      break;
    }
  }
  ln_rows_free(&rows[0]);
  ln_rows_free(&rows[1]);
  return ok;
}
