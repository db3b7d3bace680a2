/* prune.c: what a store need not keep for ever.  A tree of runs (one, and all that it began, and so on)
** goes as a whole, because a run below may be waited for and caps count by the tree; and only when
** nothing needs it:
**
**   it has ended, all of it, before a given time
**   no entity that it acted on is held, by whomever: what was done to a held thing stays on record beside it
**   no question of it waits for a person
**   no cap counts it still
**
** What was removed may have rows in the log's tail; they are nobody's, and go when the floor moves up.
**
** A value that was beside a removed run's entries may be another's, too: it is *dying* from the
** transaction on that removed the run, until the journals that are left were looked through.  Whoever
** puts it again meanwhile gives it its life back (ln_tx_content_put). */
#include "store/inside.h"

enum { HOUR_MS = 3600000, DYING_MS = 1, PART_RUNS = 5000 }; /* DYING: an expiry that no value has otherwise */

#define TREE                                                                                                 \
  "WITH RECURSIVE tree(id) AS (SELECT ?1 UNION ALL SELECT r.id FROM run r JOIN tree t ON r.parent = t.id "   \
  "WHERE r.parent <> 0) "
#define HELD "('held', 'pending', 'left', 'doubt')"

#define WHY                                                                                                  \
  TREE "SELECT CASE"                                                                                         \
       " WHEN EXISTS(SELECT 1 FROM run JOIN tree USING(id) WHERE finished_ms = 0) THEN 1"                    \
       " WHEN EXISTS(SELECT 1 FROM run JOIN tree USING(id) WHERE finished_ms >= ?2) THEN 2"                  \
       " WHEN EXISTS(SELECT 1 FROM tree t JOIN hold h ON h.run = t.id JOIN hold o ON o.entity = h.entity"    \
       "  WHERE o.status IN " HELD ") THEN 3"                                                                \
       " WHEN EXISTS(SELECT 1 FROM act a JOIN hold o ON o.entity = a.entity WHERE a.root = ?1"               \
       "  AND o.status IN " HELD ") THEN 3"                                                                  \
       " WHEN EXISTS(SELECT 1 FROM tree t JOIN approval a ON a.run = t.id WHERE a.state = 'waiting'"         \
       "  AND (a.expires_ms = 0 OR a.expires_ms > ?3)) THEN 4"                                               \
       " WHEN EXISTS(SELECT 1 FROM act WHERE root = ?1 AND ms > ?3 - ?4) THEN 5"                             \
       " ELSE 0 END"

/* --- looking --- */

bool ln_store_old_trees(ln_store *s, int64_t before_ms, int64_t after, int64_t *ids, size_t *n, ln_err *err) {
  ln_rows rows;
  size_t most = *n;
  *n = 0;
  if (!ln_store_rows(s, &rows, err,
                     "SELECT id FROM run WHERE id > ? AND parent = 0 AND finished_ms > 0 AND finished_ms < ?"
                     " ORDER BY id LIMIT ?",
                     "iii", after, before_ms, (int64_t)most))
    return false;
  for (int i = 0; i < rows.n && *n < most; i++) ids[(*n)++] = rows.row[i][0].i;
  ln_rows_free(&rows);
  return true;
}

bool ln_store_tree(ln_store *s, int64_t root, int64_t after, int64_t *ids, size_t *n, ln_err *err) {
  ln_rows rows;
  size_t most = *n;
  *n = 0;
  if (!ln_store_rows(s, &rows, err, TREE "SELECT id FROM tree WHERE id > ?2 ORDER BY id LIMIT ?3", "iii",
                     root, after, (int64_t)most))
    return false;
  for (int i = 0; i < rows.n && *n < most; i++) ids[(*n)++] = rows.row[i][0].i;
  ln_rows_free(&rows);
  return true;
}

static bool why_kept(ln_conn *c, int64_t root, int64_t before_ms, int64_t now_ms, ln_kept_for *why,
                     ln_err *err) {
  int64_t v = 0;
  bool ok = ln_conn_ints(c, &v, 1, NULL, err, WHY, "iiii", root, before_ms, now_ms, (int64_t)HOUR_MS);
  *why = (ln_kept_for)v;
  return ok;
}

bool ln_store_kept(ln_store *s, int64_t root, int64_t before_ms, int64_t now_ms, ln_kept_for *why,
                   ln_err *err) {
  ln_store_lock(s);
  return ln_store_unlock(s, why_kept(s->reader, root, before_ms, now_ms, why, err));
}

bool ln_tx_kept(ln_tx *tx, int64_t root, int64_t before_ms, int64_t now_ms, ln_kept_for *why, ln_err *err) {
  return why_kept(tx->c, root, before_ms, now_ms, why, err);
}

/* --- removing --- */

bool ln_tx_run_remove(ln_tx *tx, int64_t run, ln_err *err) {
  static const char *const from[] = {
      "DELETE FROM vote WHERE approval IN (SELECT id FROM approval WHERE run = ?)",
      "DELETE FROM approval WHERE run = ?",
      "DELETE FROM segment WHERE run = ?",
      "DELETE FROM hold WHERE run = ?",
      "DELETE FROM act WHERE root = ?",
      "DELETE FROM wait WHERE run = ?",
      "DELETE FROM signal WHERE run = ?",
      "DELETE FROM lock WHERE run = ?",
      "DELETE FROM run_key WHERE run = ?",
      "DELETE FROM run_input WHERE run = ?",
      "DELETE FROM run WHERE id = ?"};
  for (size_t i = 0; i < sizeof from / sizeof *from; i++)
    if (!ln_conn_exec(tx->c, NULL, err, from[i], "i", run)) return false;
  ln_tail_gone(&tx->tail, run, INT64_MAX);
  return true;
}

/* --- contents --- */

bool ln_tx_value_dying(ln_tx *tx, ln_str sha256_hex, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err,
                      "UPDATE content SET expires_ms = ? WHERE sha256 = ? AND kind = 'value'", "it",
                      (int64_t)DYING_MS, sha256_hex);
}

bool ln_tx_value_lives(ln_tx *tx, ln_str sha256_hex, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err,
                      "UPDATE content SET expires_ms = 0 WHERE sha256 = ? AND expires_ms = ?", "ti",
                      sha256_hex, (int64_t)DYING_MS);
}

bool ln_tx_value_end(ln_tx *tx, ln_str sha256_hex, bool *gone, ln_err *err) {
  int64_t changed = 0;
  bool ok = ln_conn_exec(tx->c, &changed, err, "DELETE FROM content WHERE sha256 = ? AND expires_ms = ?",
                         "ti", sha256_hex, (int64_t)DYING_MS);
  *gone = ok && changed > 0;
  return ok;
}

bool ln_tx_content_remove(ln_tx *tx, ln_str sha256_hex, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err, "DELETE FROM content WHERE sha256 = ?", "t", sha256_hex);
}

bool ln_tx_contents_expire(ln_tx *tx, int64_t now_ms, int64_t *after, int64_t *n, ln_err *err) {
  int64_t last[2] = {0};
  bool ok = ln_conn_ints(tx->c, last, 2, NULL, err,
                         "SELECT coalesce(max(id), 0), count(*) FROM (SELECT id FROM content WHERE id > ? AND"
                         " expires_ms > ? AND expires_ms < ? ORDER BY id LIMIT 64)",
                         "iii", *after, (int64_t)DYING_MS, now_ms) &&
            (!last[1] || ln_conn_exec(tx->c, NULL, err,
                                      "DELETE FROM content WHERE id > ? AND id <= ? AND expires_ms > ? AND"
                                      " expires_ms < ?",
                                      "iiii", *after, last[0], (int64_t)DYING_MS, now_ms));
  *after = last[0];
  *n = last[1];
  return ok;
}

/* Names of contents, out of one column, until fn has enough. */
static bool each_name(ln_conn *c, sqlite3_stmt *q, ln_name_fn fn, void *arg, ln_err *err) {
  bool row = false, ok = q != NULL;
  while (ok && (ok = ln_conn_step(c, q, &row, err)) && row)
    if (!fn(arg, ln_column(q, 0))) break;
  if (q) ln_conn_end(q);
  return ok;
}

bool ln_store_dying(ln_store *s, ln_name_fn fn, void *arg, ln_err *err) {
  ln_store_lock(s);
  sqlite3_stmt *q = ln_conn_start(s->reader, err, "SELECT sha256 FROM content WHERE expires_ms = ?", "i",
                                  (int64_t)DYING_MS);
  return ln_store_unlock(s, each_name(s->reader, q, fn, arg, err));
}

bool ln_tx_manifests(ln_tx *tx, ln_name_fn fn, void *arg, ln_err *err) {
  return each_name(tx->c, ln_conn_start(tx->c, err, "SELECT sha256 FROM content WHERE kind = 'manifest'", ""),
                   fn, arg, err);
}

static bool some_snapshots(ln_conn *c, int64_t after, int64_t upto, ln_name_fn fn, void *arg, ln_err *err) {
  return each_name(
      c,
      ln_conn_start(c, err, "SELECT DISTINCT snapshot FROM run WHERE id > ? AND id <= ?", "ii", after, upto),
      fn, arg, err);
}

bool ln_tx_snapshots(ln_tx *tx, int64_t after, ln_name_fn fn, void *arg, ln_err *err) {
  return some_snapshots(tx->c, after, INT64_MAX, fn, arg, err);
}

/* A part at a time: nobody waits for all of it. */
bool ln_store_snapshots(ln_store *s, ln_name_fn fn, void *arg, int64_t *last, ln_err *err) {
  int64_t end = 0;
  ln_store_lock(s);
  bool ok = ln_store_unlock(
      s, ln_conn_ints(s->reader, &end, 1, NULL, err, "SELECT coalesce(max(id), 0) FROM run", ""));
  for (*last = 0; ok && *last < end; *last += PART_RUNS) {
    ln_store_lock(s);
    ok = ln_store_unlock(s, some_snapshots(s->reader, *last, *last + PART_RUNS, fn, arg, err));
  }
  if (*last > end) *last = end;
  return ok;
}

static bool moves(ln_conn *c, int64_t *n, ln_err *err) {
  return ln_conn_ints(c, n, 1, NULL, err,
                      "SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM mark WHERE name = 'moves'", "");
}

bool ln_tx_moves(ln_tx *tx, int64_t *n, ln_err *err) { return moves(tx->c, n, err); }

bool ln_store_moves(ln_store *s, int64_t *n, ln_err *err) {
  ln_store_lock(s);
  return ln_store_unlock(s, moves(s->reader, n, err));
}

bool ln_tx_content_get(ln_tx *tx, ln_str sha256_hex, ln_buf *bytes, bool *found, ln_err *err) {
  return ln_conn_bytes(tx->c, bytes, found, err, "SELECT bytes FROM content WHERE sha256 = ?", "t",
                       sha256_hex);
}

bool ln_tx_hint(ln_tx *tx, ln_str key, ln_buf *value, ln_err *err) {
  bool found;
  return ln_conn_bytes(tx->c, value, &found, err, "SELECT value FROM hint WHERE key = ?", "t", key);
}

/* --- space --- */

bool ln_store_free_some(ln_store *s, bool *more, ln_err *err) {
  int64_t was = 0, left = 0;
  ln_conn *c = s->reader;
  ln_store_lock(s);
  bool ok = ln_conn_ints(c, &was, 1, NULL, err, "PRAGMA freelist_count", "") &&
            (!was || ln_conn_script(c, "PRAGMA incremental_vacuum(1024)", err)) &&
            ln_conn_ints(c, &left, 1, NULL, err, "PRAGMA freelist_count", "");
  *more = ok && left > 0 && left < was;
  return ln_store_unlock(s, ok);
}

bool ln_store_tidy(ln_store *s) {
  int64_t keep = s->tail_keep, slack = s->tail_slack;
  pthread_mutex_lock(&s->write_mx);
  s->tail_keep = s->tail_slack = 0;
  bool more = ln_tx_tidy(&s->tx);
  s->tail_keep = keep;
  s->tail_slack = slack;
  pthread_mutex_unlock(&s->write_mx);
  return more;
}
