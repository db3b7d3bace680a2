/* content.c: what the store keeps whole: bytes addressed by their SHA-256, and the vault's sealed values. */
#include "store/inside.h"

/* --- by content --- */

/* What is there stays; only its time may grow: 0 is for ever, else the later wins. */
bool ln_tx_content_put(ln_tx *tx, const ln_content *c, ln_err *err) {
  int64_t expires = 0;
  bool found;
  ln_str sha = ln_str_of(c->sha256);
  if (!ln_conn_ints(tx->c, &expires, 1, &found, err, "SELECT expires_ms FROM content WHERE sha256 = ?", "t",
                    sha))
    return false;
  if (!found)
    return ln_conn_exec(tx->c, NULL, err,
                        "INSERT INTO content(sha256, kind, expires_ms, bytes) VALUES(?, ?, ?, ?)", "ttib",
                        sha, c->kind, c->expires_ms, c->bytes);
  if (expires == 0 || (c->expires_ms != 0 && c->expires_ms <= expires)) return true;
  return ln_conn_exec(tx->c, NULL, err, "UPDATE content SET expires_ms = ? WHERE sha256 = ?", "it",
                      c->expires_ms, sha);
}

bool ln_tx_content_has(ln_tx *tx, ln_str sha256_hex, bool *has, ln_err *err) {
  int64_t one = 0;
  return ln_conn_ints(tx->c, &one, 1, has, err, "SELECT 1 FROM content WHERE sha256 = ?", "t", sha256_hex);
}

static bool get(ln_store *s, ln_str key, const char *sql, ln_buf *out, bool *found, ln_err *err) {
  ln_store_lock(s);
  return ln_store_unlock(s, ln_conn_bytes(s->reader, out, found, err, sql, "t", key));
}

bool ln_store_content_get(ln_store *s, ln_str sha256_hex, ln_buf *bytes, ln_err *err) {
  bool found;
  if (!get(s, sha256_hex, "SELECT bytes FROM content WHERE sha256 = ?", bytes, &found, err)) return false;
  return found ||
         ln_fail(err, "not_found", LN_FINAL, "the store has no content " LN_STR_FMT, LN_STR_ARG(sha256_hex));
}

bool ln_store_content_has(ln_store *s, ln_str sha256_hex, bool *has, ln_err *err) {
  ln_buf one = {0};
  ln_buf_init(&one, 16);
  bool ok = get(s, sha256_hex, "SELECT x'01' FROM content WHERE sha256 = ?", &one, has, err);
  ln_buf_free(&one);
  return ok;
}

/* --- the vault --- */

bool ln_tx_secret_put(ln_tx *tx, ln_str name, ln_str sealed, int64_t ms, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err,
                      "INSERT INTO secret(name, sealed, ms) VALUES(?1, ?2, ?3) ON CONFLICT(name) DO UPDATE"
                      " SET sealed = ?2, ms = ?3",
                      "tbi", name, sealed, ms);
}

bool ln_tx_secret_rm(ln_tx *tx, ln_str name, bool *was, ln_err *err) {
  int64_t changed = 0;
  bool ok = ln_conn_exec(tx->c, &changed, err, "DELETE FROM secret WHERE name = ?", "t", name);
  *was = ok && changed > 0;
  return ok;
}

bool ln_tx_secret_get(ln_tx *tx, ln_str name, ln_buf *sealed, bool *found, ln_err *err) {
  return ln_conn_bytes(tx->c, sealed, found, err, "SELECT sealed FROM secret WHERE name = ?", "t", name);
}

bool ln_tx_secrets(ln_tx *tx, ln_sealed_fn fn, void *arg, ln_err *err) {
  bool row = false, ok = true;
  sqlite3_stmt *q = ln_conn_start(tx->c, err, "SELECT name, sealed, ms FROM secret ORDER BY name", "");
  if (!q) return false;
  while (ok && (ok = ln_conn_step(tx->c, q, &row, err)) && row)
    ok = fn(arg, ln_column(q, 0), ln_column(q, 1), sqlite3_column_int64(q, 2));
  ln_conn_end(q);
  return ok;
}

bool ln_store_secret_get(ln_store *s, ln_str name, ln_buf *sealed, ln_err *err) {
  bool found;
  if (!get(s, name, "SELECT sealed FROM secret WHERE name = ?", sealed, &found, err)) return false;
  return found ||
         ln_fail(err, "not_found", LN_FINAL, "the vault has no secret '" LN_STR_FMT "'", LN_STR_ARG(name));
}

bool ln_store_secrets(ln_store *s, ln_secret_fn fn, void *arg, ln_err *err) {
  ln_rows rows[2] = {{.n = 0}, {.n = 0}}; /* this page, and the one before, whose last name it goes on from */
  ln_str last = LN_STR("");
  bool ok = true, more = true;
  for (int p = 0; more; p ^= 1) {
    ln_rows_free(&rows[p]);
    /* '#': the vault's own, see engine/secret.c */
    if (!(ok = ln_store_rows(
              s, &rows[p], err,
              "SELECT name, ms FROM secret WHERE name > ? AND name NOT LIKE '#%' ORDER BY name", "t", last)))
      break;
    more = rows[p].more;
    for (int i = 0; i < rows[p].n; i++) {
      last = rows[p].row[i][0].s;
      if (fn(arg, last, rows[p].row[i][1].i)) continue;
      more = false;
      break;
    }
  }
  ln_rows_free(&rows[0]);
  ln_rows_free(&rows[1]);
  return ok;
}

/* --- hints --- */

bool ln_tx_hint_put(ln_tx *tx, ln_str key, ln_str value, ln_err *err) {
  return ln_conn_exec(
      tx->c, NULL, err,
      "INSERT INTO hint(key, value) VALUES(?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value", "tb",
      key, value);
}

bool ln_store_hint(ln_store *s, ln_str key, ln_buf *value, ln_err *err) {
  bool found;
  return get(s, key, "SELECT value FROM hint WHERE key = ?", value, &found, err);
}
