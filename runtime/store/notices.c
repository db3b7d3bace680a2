/* notices.c: messages to people, a row for each and whom it goes to, put in the transaction in which they
** come to be needed, and gone once they were taken.  What was tried in vain says when it is tried again, and
** why; what was given up is due never, and stays for a week to be looked at.
**
** A link is known by its hash alone.  It belongs to a question, and counts as long as that waits. */
#include "store/inside.h"

enum { WEEK_MS = 7 * 24 * 3600 * 1000 };

#define COLUMNS                                                                                        \
  "SELECT n.id, n.run, coalesce(r.ulid, ''), n.approval, n.target, n.event, n.step, n.detail, n.ms, " \
  "n.until_ms, n.due_ms, n.tries, n.why FROM notice n LEFT JOIN run r ON r.id = n.run "

static void decode(const ln_cell *c, ln_notice *n) {
  *n = (ln_notice){.id = c[0].i,
                   .run = c[1].i,
                   .approval = c[3].i,
                   .target = c[4].s,
                   .event = c[5].s,
                   .step = c[6].s,
                   .detail = c[7].s,
                   .ms = c[8].i,
                   .until_ms = c[9].i,
                   .due_ms = c[10].i,
                   .tries = c[11].i,
                   .why = c[12].s};
  if (c[2].s.n <= LN_ULID) memcpy(n->ulid, c[2].s.p, c[2].s.n);
}

/* --- in a transaction --- */

bool ln_tx_notice_put(ln_tx *tx, const ln_notice *n, bool *full, ln_err *err) {
  int64_t waiting = 0;
  *full = false;
  if (!ln_conn_ints(tx->c, &waiting, 1, NULL, err,
                    "SELECT count(*) FROM (SELECT 1 FROM notice WHERE target = ?1 AND due_ms < ?2 LIMIT ?3)",
                    "tii", n->target, LN_NEVER, (int64_t)LN_NOTICES_MOST))
    return false;
  *full = waiting >= LN_NOTICES_MOST;
  return *full ||
         ln_conn_exec(tx->c, NULL, err,
                      "INSERT INTO notice(run, approval, target, event, step, detail, ms, until_ms, due_ms, "
                      "tries, why) VALUES(?, ?, ?, ?, ?, ?, ?, ?, 0, 0, '')",
                      "iitttbii", n->run, n->approval, n->target, n->event, n->step, n->detail, n->ms,
                      n->until_ms);
}

bool ln_tx_notice_tried(ln_tx *tx, int64_t id, int64_t due_ms, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err, "UPDATE notice SET tries = tries + 1, due_ms = ?2 WHERE id = ?1",
                      "ii", id, due_ms);
}

bool ln_tx_notice_failed(ln_tx *tx, int64_t id, int64_t tries, int64_t due_ms, ln_str why, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err, "UPDATE notice SET why = ?4, due_ms = ?3, tries = ?2 WHERE id = ?1",
                      "iiit", id, tries, due_ms, why);
}

bool ln_tx_notice_end(ln_tx *tx, int64_t id, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err, "DELETE FROM notice WHERE id = ?", "i", id);
}

bool ln_tx_notices_sweep(ln_tx *tx, int64_t now_ms, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err, "DELETE FROM notice WHERE until_ms < ?", "i", now_ms - WEEK_MS) &&
         ln_conn_exec(tx->c, NULL, err,
                      "DELETE FROM link WHERE NOT EXISTS(SELECT 1 FROM approval a WHERE a.id = link.approval"
                      " AND a.state = 'waiting')",
                      "");
}

bool ln_tx_link_put(ln_tx *tx, ln_str sha256_hex, int64_t approval, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err, "INSERT OR IGNORE INTO link(sha256, approval) VALUES(?, ?)", "ti",
                      sha256_hex, approval);
}

/* --- read --- */

bool ln_store_notice_due(ln_store *s, ln_str target, int64_t now_ms, ln_notice_fn fn, void *arg,
                         ln_err *err) {
  ln_rows rows;
  ln_notice n;
  if (!ln_store_rows(s, &rows, err,
                     COLUMNS "WHERE n.target = ? AND n.due_ms <= ? ORDER BY n.due_ms, n.id LIMIT 1", "ti",
                     target, now_ms))
    return false;
  if (rows.n) decode(rows.row[0], &n), fn(arg, &n);
  ln_rows_free(&rows);
  return true;
}

bool ln_store_notice_counts(ln_store *s, ln_str target, ln_notice_counts *out, ln_buf *why, ln_err *err) {
  ln_rows rows;
  if (!ln_store_rows(s, &rows, err,
                     "SELECT sum(due_ms < ?2), sum(due_ms < ?2 AND why <> ''), sum(due_ms = ?2),"
                     " coalesce((SELECT why FROM notice WHERE target = ?1 AND why <> '' ORDER BY id DESC"
                     " LIMIT 1), '') FROM notice WHERE target = ?1",
                     "ti", target, LN_NEVER))
    return false;
  const ln_cell *c = rows.row[0];
  *out = (ln_notice_counts){.waiting = c[0].i, .failing = c[1].i, .given_up = c[2].i};
  bool ok = !why || ln_buf_add(why, c[3].s) || ln_buf_ok(why, err);
  ln_rows_free(&rows);
  return ok;
}

bool ln_store_link(ln_store *s, ln_str sha256_hex, int64_t now_ms, int64_t *approval, ln_err *err) {
  ln_rows rows;
  if (!ln_store_rows(s, &rows, err,
                     "SELECT a.id FROM link l JOIN approval a ON a.id = l.approval WHERE l.sha256 = ?"
                     " AND a.state = 'waiting' AND (a.expires_ms = 0 OR a.expires_ms > ?)",
                     "ti", sha256_hex, now_ms))
    return false;
  *approval = rows.n ? rows.row[0][0].i : 0;
  ln_rows_free(&rows);
  return true;
}
