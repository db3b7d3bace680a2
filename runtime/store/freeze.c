/* freeze.c: the kill switch: scopes in which no write may be sent.  '' is everything.  Writes that wait for
** the thaw have the key "thaw" in `wait`. */
#include "store/inside.h"

bool ln_tx_freeze(ln_tx *tx, ln_str scope, ln_str why, ln_str by, int64_t ms, ln_err *err) {
  return ln_conn_exec(
      tx->c, NULL, err,
      "INSERT INTO freeze(scope, why, by, ms) VALUES(?1, ?2, ?3, ?4) ON CONFLICT(scope) DO UPDATE SET"
      " why = ?2, by = ?3, ms = ?4",
      "ttti", scope, why, by, ms);
}

bool ln_tx_thaw(ln_tx *tx, const ln_str *scope, int64_t *n, ln_err *err) {
  bool ok = scope ? ln_conn_exec(tx->c, n, err, "DELETE FROM freeze WHERE scope = ?", "t", *scope)
                  : ln_conn_exec(tx->c, n, err, "DELETE FROM freeze", "");
  return ok && ln_tx_wait_call(tx, LN_STR("thaw"), err);
}

static void decode(const ln_cell *c, ln_freeze *f) {
  *f = (ln_freeze){.scope = c[0].s, .why = c[1].s, .by = c[2].s, .ms = c[3].i};
}

static bool give(ln_rows *rows, ln_freeze_fn fn, void *arg) {
  bool more = true;
  for (int i = 0; more && i < rows->n; i++) {
    ln_freeze f;
    decode(rows->row[i], &f);
    more = fn(arg, &f);
  }
  ln_rows_free(rows);
  return true;
}

bool ln_store_freezes(ln_store *s, ln_freeze_fn fn, void *arg, ln_err *err) {
  ln_rows rows;
  return ln_store_rows(s, &rows, err, "SELECT scope, why, by, ms FROM freeze ORDER BY scope", "") &&
         give(&rows, fn, arg);
}

#define WITHIN "SELECT scope, why, by, ms FROM freeze WHERE scope IN ('', ?, ?, ?) ORDER BY scope LIMIT 1"

bool ln_store_frozen(ln_store *s, const ln_str scopes[3], ln_freeze_fn fn, void *arg, ln_err *err) {
  ln_rows rows;
  return ln_store_rows(s, &rows, err, WITHIN, "ttt", scopes[0], scopes[1], scopes[2]) && give(&rows, fn, arg);
}

bool ln_tx_frozen(ln_tx *tx, const ln_str scopes[3], ln_freeze_fn fn, void *arg, ln_err *err) {
  ln_rows rows;
  return ln_conn_rows(tx->c, &rows, err, WITHIN, "ttt", scopes[0], scopes[1], scopes[2]) &&
         give(&rows, fn, arg);
}
