/* tokens.c: who may call.  A token has 256 random bits, so its SHA-256 alone is kept, without salt or
** stretching: nobody finds the token from it.  It is looked up by the hash's first 16 digits, which tell no
** more than that there may be one, and then compared whole in constant time. */
#include "store/inside.h"

enum { HANDLE = 16, NOTED_MS = 60000 };

static ln_str handle_of(ln_str sha256) { return (ln_str){sha256.p, sha256.n < HANDLE ? sha256.n : HANDLE}; }

bool ln_tx_token_add(ln_tx *tx, const ln_token_row *t, ln_err *err) {
  int64_t one;
  bool found;
  if (!ln_conn_ints(tx->c, &one, 1, &found, err, "SELECT 1 FROM token WHERE name = ?1 OR handle = ?2", "tt",
                    t->name, handle_of(t->sha256)))
    return false;
  if (found)
    return ln_fail(err, "conflict", LN_FINAL,
                   "there is a token '" LN_STR_FMT "' already: lunette token rm " LN_STR_FMT
                   ", or take another name",
                   LN_STR_ARG(t->name), LN_STR_ARG(t->name));
  return ln_conn_exec(tx->c, NULL, err,
                      "INSERT INTO token(name, role, handle, sha256, created_ms, created_by, expires_ms,"
                      " used_ms) VALUES(?, ?, ?, ?, ?, ?, ?, 0)",
                      "ttttiti", t->name, t->role, handle_of(t->sha256), t->sha256, t->created_ms,
                      t->created_by, t->expires_ms);
}

bool ln_tx_token_rm(ln_tx *tx, ln_str name, bool *was, ln_err *err) {
  int64_t changed = 0;
  bool ok = ln_conn_exec(tx->c, NULL, err,
                         "DELETE FROM session WHERE how = 'token' AND origin IN"
                         " (SELECT sha256 FROM token WHERE name = ?)",
                         "t", name) &&
            ln_conn_exec(tx->c, &changed, err, "DELETE FROM token WHERE name = ?", "t", name);
  *was = ok && changed > 0;
  return ok;
}

bool ln_tx_token_used(ln_tx *tx, ln_str sha256, int64_t ms, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err,
                      "UPDATE token SET used_ms = ? WHERE handle = ? AND sha256 = ? AND used_ms <= ?", "itti",
                      ms, handle_of(sha256), sha256, ms - NOTED_MS);
}

static ln_token_row token_of(const ln_cell *c) {
  return (ln_token_row){.name = c[0].s,
                        .role = c[1].s,
                        .sha256 = c[2].s,
                        .created_ms = c[3].i,
                        .created_by = c[4].s,
                        .expires_ms = c[5].i,
                        .used_ms = c[6].i};
}

#define COLUMNS "name, role, sha256, created_ms, created_by, expires_ms, used_ms"

bool ln_store_token(ln_store *s, ln_str sha256, ln_token_row_fn fn, void *arg, ln_err *err) {
  ln_rows rows;
  if (!ln_store_rows(s, &rows, err, "SELECT " COLUMNS " FROM token WHERE handle = ?", "t", handle_of(sha256)))
    return false;
  for (int i = 0; i < rows.n; i++) {
    ln_token_row t = token_of(rows.row[i]);
    if (ln_str_same_secret(t.sha256, sha256)) fn(arg, &t);
  }
  ln_rows_free(&rows);
  return true;
}

bool ln_store_tokens(ln_store *s, ln_token_row_fn fn, void *arg, ln_err *err) {
  ln_rows rows[2] = {{.n = 0}, {.n = 0}}; /* this page, and the one before, whose last name it goes on from */
  ln_str last = LN_STR("");
  bool ok = true, more = true;
  for (int p = 0; more; p ^= 1) {
    ln_rows_free(&rows[p]);
    if (!(ok = ln_store_rows(s, &rows[p], err, "SELECT " COLUMNS " FROM token WHERE name > ? ORDER BY name",
                             "t", last)))
      break;
    more = rows[p].more;
    for (int i = 0; i < rows[p].n; i++) {
      ln_token_row t = token_of(rows[p].row[i]);
      last = t.name;
      if (fn(arg, &t)) continue;
      more = false;
      break;
    }
  }
  ln_rows_free(&rows[0]);
  ln_rows_free(&rows[1]);
  return ok;
}
