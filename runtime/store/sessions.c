/* sessions.c: who is signed in.  A session's id has 256 random bits; its SHA-256 alone is kept, and looked up
** as a token's is.  What a session may do is never more than what it rests on: one that a token made has that
** token's role, and ends with it; the SELECT below says so, and no other place has to. */
#include "store/inside.h"

enum { HANDLE = 16, PER_PERSON = 16, IN_ALL = 1024, NOTED_MS = 60000 };

static ln_str handle_of(ln_str sha256) { return (ln_str){sha256.p, sha256.n < HANDLE ? sha256.n : HANDLE}; }

/* The ones that were not used for longest make room. */
static bool make_room(ln_tx *tx, ln_str who, ln_err *err) {
  return ln_conn_exec(
             tx->c, NULL, err,
             "DELETE FROM session WHERE who = ?1 AND id NOT IN (SELECT id FROM session WHERE who = ?1"
             " ORDER BY used_ms DESC, id DESC LIMIT ?2)",
             "ti", who, (int64_t)PER_PERSON - 1) &&
         ln_conn_exec(tx->c, NULL, err,
                      "DELETE FROM session WHERE id NOT IN (SELECT id FROM session"
                      " ORDER BY used_ms DESC, id DESC LIMIT ?)",
                      "i", (int64_t)IN_ALL - 1);
}

bool ln_tx_session_add(ln_tx *tx, const ln_session_row *s, int64_t idle_ms, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err, "DELETE FROM session WHERE ends_ms <= ?1 OR used_ms <= ?1 - ?2", "ii",
                      s->used_ms, idle_ms) &&
         make_room(tx, s->who, err) &&
         ln_conn_exec(tx->c, NULL, err,
                      "INSERT INTO session(handle, sha256, who, role, how, origin, made_ms, used_ms, ends_ms)"
                      " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
                      "ttttttiii", handle_of(s->sha256), s->sha256, s->who, s->role, s->how, s->origin,
                      s->made_ms, s->used_ms, s->ends_ms);
}

bool ln_tx_session_end(ln_tx *tx, ln_str sha256, bool *was, ln_err *err) {
  int64_t changed = 0;
  bool ok = ln_conn_exec(tx->c, &changed, err, "DELETE FROM session WHERE handle = ? AND sha256 = ?", "tt",
                         handle_of(sha256), sha256);
  *was = ok && changed > 0;
  return ok;
}

bool ln_tx_session_used(ln_tx *tx, ln_str sha256, int64_t ms, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err,
                      "UPDATE session SET used_ms = ? WHERE handle = ? AND sha256 = ? AND used_ms <= ?",
                      "itti", ms, handle_of(sha256), sha256, ms - NOTED_MS);
}

static ln_session_row session_of(const ln_cell *c) {
  return (ln_session_row){.sha256 = c[0].s,
                          .who = c[1].s,
                          .how = c[2].s,
                          .origin = c[3].s,
                          .made_ms = c[4].i,
                          .used_ms = c[5].i,
                          .role = c[6].s,
                          .ends_ms = c[7].i};
}

bool ln_store_session(ln_store *s, ln_str sha256, ln_session_row_fn fn, void *arg, ln_err *err) {
  ln_rows rows;
  if (!ln_store_rows(s, &rows, err,
                     "SELECT s.sha256, s.who, s.how, s.origin, s.made_ms, s.used_ms,"
                     " CASE s.how WHEN 'token' THEN coalesce(t.role, '') ELSE s.role END,"
                     " CASE WHEN t.expires_ms > 0 THEN min(s.ends_ms, t.expires_ms) ELSE s.ends_ms END"
                     " FROM session s LEFT JOIN token t ON s.how = 'token' AND t.sha256 = s.origin"
                     " AND t.handle = substr(s.origin, 1, 16) WHERE s.handle = ?",
                     "t", handle_of(sha256)))
    return false;
  for (int i = 0; i < rows.n; i++) {
    ln_session_row row = session_of(rows.row[i]);
    if (ln_str_same_secret(row.sha256, sha256)) fn(arg, &row);
  }
  ln_rows_free(&rows);
  return true;
}
