/* runs.c: runs, one row each, and who owns them.  What a run was given (its input and options) never changes
** and may be big, so it lies in a table of its own: a change of state rewrites only the small row. */
#include "store/inside.h"

#include <ctype.h>

#define COLUMNS                                                                                \
  "SELECT id, ulid, owner, epoch, parent, CASE root WHEN 0 THEN id ELSE root END, playbook, "  \
  "snapshot, state, outcome, coalesce(input, x''), result, error, waiting, coalesce(options, " \
  "x''), started_by, created_ms, finished_ms, seed, deaths FROM run LEFT JOIN run_input ON "   \
  "run_input.run = run.id "

static void decode(const ln_cell *c, ln_run_row *r) {
  *r = (ln_run_row){.id = c[0].i,
                    .epoch = c[3].i,
                    .parent = c[4].i,
                    .root = c[5].i,
                    .playbook = c[6].s,
                    .snapshot = c[7].s,
                    .state = c[8].s,
                    .outcome = c[9].s,
                    .input = c[10].s,
                    .result = c[11].s,
                    .error = c[12].s,
                    .waiting = c[13].s,
                    .options = c[14].s,
                    .started_by = c[15].s,
                    .created_ms = c[16].i,
                    .finished_ms = c[17].i,
                    .deaths = c[19].i};
  if (c[1].s.n <= LN_ULID) memcpy(r->ulid, c[1].s.p, c[1].s.n);
  if (c[2].s.n <= LN_ULID) memcpy(r->owner, c[2].s.p, c[2].s.n);
  if (c[18].s.n == sizeof r->seed) memcpy(r->seed, c[18].s.p, sizeof r->seed);
}

/* --- in a transaction --- */

bool ln_tx_run_create(ln_tx *tx, ln_run_row *r, ln_err *err) {
  bool ok = ln_conn_exec(
      tx->c, NULL, err,
      "INSERT INTO run(ulid, owner, epoch, parent, root, playbook, snapshot, state, outcome, waiting,"
      " result, error, started_by, created_ms, finished_ms, seed, deaths)"
      " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      "ttiiittttbbbtiibi", ln_str_of(r->ulid), ln_str_of(r->owner), r->epoch, r->parent, r->root, r->playbook,
      r->snapshot, r->state, r->outcome, r->waiting, r->result, r->error, r->started_by, r->created_ms,
      r->finished_ms, (ln_str){(const char *)r->seed, sizeof r->seed}, r->deaths);
  if (!ok) return false;
  r->id = sqlite3_last_insert_rowid(tx->c->db);
  ln_map_drop(&tx->lost, r->id);
  if (r->root == 0) r->root = r->id;
  if (!r->input.n && !r->options.n) return true;
  return ln_conn_exec(tx->c, NULL, err, "INSERT INTO run_input(run, input, options) VALUES(?, ?, ?)", "ibb",
                      r->id, r->input, r->options);
}

static bool no_run(int64_t run, ln_err *err) {
  return ln_fail(err, "not_found", LN_FINAL, "there is no run %lld in the store", (long long)run);
}

/* true when the one row was changed. */
static bool one(bool ok, int64_t changed, int64_t run, ln_err *err) {
  return ok && (changed == 1 || no_run(run, err));
}

bool ln_tx_run_own(ln_tx *tx, int64_t run, ln_str owner, int64_t epoch_was, ln_err *err) {
  int64_t epoch = 0, changed = 0;
  bool found;
  if (!ln_conn_ints(tx->c, &epoch, 1, &found, err, "SELECT epoch FROM run WHERE id = ?", "i", run))
    return false;
  if (!found) return no_run(run, err);
  if (epoch != epoch_was)
    return ln_fail(err, "conflict", LN_FINAL, "another process has taken run %lld over", (long long)run);
  ln_map_drop(&tx->lost, run);
  bool ok = ln_conn_exec(tx->c, &changed, err, "UPDATE run SET owner = ?, epoch = epoch + 1 WHERE id = ?",
                         "ti", owner, run);
  return one(ok, changed, run, err);
}

bool ln_tx_run_move(ln_tx *tx, int64_t run, ln_str snapshot, ln_str input, ln_err *err) {
  int64_t changed = 0;
  ln_conn *c = tx->c;
  bool ok = ln_conn_exec(c, NULL, err, "UPDATE run_input SET input = ? WHERE run = ?", "bi", input, run) &&
            ln_conn_exec(c, NULL, err,
                         "INSERT INTO mark(name, value) VALUES('moves', '1')"
                         " ON CONFLICT(name) DO UPDATE SET value = CAST(value AS INTEGER) + 1", "") &&
            ln_conn_exec(c, &changed, err, "UPDATE run SET snapshot = ?, epoch = epoch + 1 WHERE id = ?",
                         "ti", snapshot, run);
  return one(ok, changed, run, err);
}

bool ln_tx_run_check(ln_tx *tx, int64_t run, ln_str owner, int64_t epoch, ln_err *err) {
  int64_t same = 0, lost;
  bool found;
  if (ln_map_get(&tx->lost, run, &lost))
    return ln_fail(err, "store", LN_AGAIN,
                   "entries of run %lld were lost when a commit failed: it has to be resumed",
                   (long long)run);
  if (!ln_conn_ints(tx->c, &same, 1, &found, err, "SELECT owner = ?2 AND epoch = ?3 FROM run WHERE id = ?1",
                    "iti", run, owner, epoch))
    return false;
  if (!found) return no_run(run, err);
  return same ||
         ln_fail(err, "stale", LN_FINAL, "run %lld is not this process's any more: another has taken it over",
                 (long long)run);
}

bool ln_tx_run_change(ln_tx *tx, int64_t run, const ln_run_change *c, ln_err *err) {
  int64_t changed = 0;
  bool ok = ln_conn_exec(
      tx->c, &changed, err,
      "UPDATE run SET state = coalesce(?2, state), outcome = coalesce(?3, outcome),"
      " result = coalesce(?4, result), error = coalesce(?5, error), waiting = coalesce(?6, waiting),"
      " finished_ms = iif(?7 = 0, finished_ms, ?7), owner = coalesce(?8, owner) WHERE id = ?1",
      "iTTBBBiT", run, c->state, c->outcome, c->result, c->error, c->waiting, c->finished_ms, c->owner);
  return one(ok, changed, run, err);
}

bool ln_tx_run_died(ln_tx *tx, int64_t run, ln_err *err) {
  int64_t changed = 0;
  bool ok = ln_conn_exec(tx->c, &changed, err, "UPDATE run SET deaths = deaths + 1 WHERE id = ?", "i", run);
  return one(ok, changed, run, err);
}

bool ln_tx_run_forgive(ln_tx *tx, int64_t run, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err, "UPDATE run SET deaths = 0 WHERE id = ? AND deaths > 0", "i", run);
}

bool ln_tx_run_called(ln_tx *tx, ln_str ulid, int64_t *run, ln_err *err) {
  bool found;
  if (!ln_conn_ints(tx->c, run, 1, &found, err, "SELECT id FROM run WHERE ulid = ?", "t", ulid)) return false;
  return found || ln_fail(err, "not_found", LN_FINAL, "there is no run " LN_STR_FMT,
                          ulid.n > 40 ? 40 : (int)ulid.n, ulid.p);
}

bool ln_tx_run_under_way(ln_tx *tx, int64_t run, bool *is, ln_err *err) {
  int64_t under = 0;
  bool found, ok = ln_conn_ints(tx->c, &under, 1, &found, err, "SELECT finished_ms = 0 FROM run WHERE id = ?",
                                "i", run);
  *is = ok && found && under;
  return ok;
}

bool ln_tx_run_depth(ln_tx *tx, int64_t run, int64_t *n, ln_err *err) {
  return ln_conn_ints(
      tx->c, n, 1, NULL, err,
      "WITH RECURSIVE up(id, n) AS (SELECT parent, 0 FROM run WHERE id = ? UNION ALL SELECT run.parent,"
      " n + 1 FROM up JOIN run ON run.id = up.id WHERE n < 100) SELECT max(n) FROM up",
      "i", run);
}

bool ln_tx_run_ask_cancel(ln_tx *tx, int64_t run, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err,
                      "INSERT OR REPLACE INTO wait(run, key, due) SELECT id, '', 0 FROM run WHERE id = ? AND "
                      "owner = ''"
                      " AND finished_ms = 0",
                      "i", run) &&
         ln_conn_exec(tx->c, NULL, err,
                      "UPDATE run SET state = 'cancelling' WHERE id = ? AND finished_ms = 0", "i", run);
}

#define UNDER_WAY "state IN ('running', 'cancelling')"

bool ln_tx_orphans(ln_tx *tx, ln_str owner, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err,
                      "INSERT OR REPLACE INTO wait(run, key, due) SELECT id, '', 0 FROM run WHERE " UNDER_WAY
                      " AND owner = ?",
                      "t", owner) &&
         ln_conn_exec(tx->c, NULL, err, "UPDATE run SET owner = '' WHERE " UNDER_WAY " AND owner = ?", "t",
                      owner);
}

/* --- reading --- */

bool ln_store_owners(ln_store *s, ln_name_fn fn, void *arg, ln_err *err) {
  ln_rows rows;
  if (!ln_store_rows(s, &rows, err,
                     "SELECT DISTINCT owner FROM run WHERE " UNDER_WAY " AND owner <> '' LIMIT 64", ""))
    return false;
  for (int i = 0; i < rows.n && fn(arg, rows.row[i][0].s); i++) continue;
  ln_rows_free(&rows);
  return true;
}

#define WHICH "id < ? AND id >= ? AND +created_ms >= ? "
#define NEWEST_FIRST "ORDER BY id DESC"

#define OF_STATE(state) \
  COLUMNS "WHERE state = " state " AND (?2 = '' OR playbook = ?2) AND id < ?3 AND id >= ?4 " \
          "AND +created_ms >= ?5 "
#define OR_UNDER_WAY                                                            \
  OF_STATE("?1 AND ?1 NOT IN ('running', 'cancelling')")                        \
  "UNION ALL " OF_STATE("'running'") "UNION ALL " OF_STATE("'cancelling'")

/* Where those since then begin, so that those of before are not looked at; past all: there are none.  A
** clock may have been set meanwhile, and a run that another began has its ULID of that one's time. */
static bool first_since(ln_store *s, int64_t since_ms, int64_t *first, ln_err *err) {
  ln_rows rows;
  *first = 0;
  if (since_ms <= 0) return true;
  /* without the plus SQLite would go through the ids, for it takes the first of them to be near */
  if (!ln_store_rows(s, &rows, err,
                     "SELECT min(+id) FROM run INDEXED BY run_created WHERE created_ms >= ?", "i", since_ms))
    return false;
  *first = rows.n && rows.row[0][0].i ? rows.row[0][0].i : INT64_MAX;
  ln_rows_free(&rows);
  return true;
}

/* Each by an index that has them in order: however many others there are, the first is found at once. */
static bool page(ln_store *s, const ln_run_query *q, int64_t before, int64_t first, ln_rows *r, ln_err *err) {
  if (q->state.n && q->or_under_way)
    return ln_store_rows(s, r, err, OR_UNDER_WAY "ORDER BY 1 DESC", "ttiii", q->state, q->playbook, before,
                         first, q->since_ms);
  if (q->state.n)
    return ln_store_rows(s, r, err, OF_STATE("?1") NEWEST_FIRST, "ttiii", q->state, q->playbook, before,
                         first, q->since_ms);
  if (q->playbook.n)
    return ln_store_rows(s, r, err, COLUMNS "WHERE playbook = ? AND " WHICH NEWEST_FIRST, "tiii",
                         q->playbook, before, first, q->since_ms);
  return ln_store_rows(s, r, err, COLUMNS "WHERE " WHICH NEWEST_FIRST, "iii", before, first, q->since_ms);
}

bool ln_store_runs(ln_store *s, const ln_run_query *q, ln_run_fn fn, void *arg, ln_err *err) {
  int64_t before = q->before_id ? q->before_id : INT64_MAX, left = q->limit ? q->limit : INT64_MAX;
  int64_t first;
  bool more = true;
  if (!first_since(s, q->since_ms, &first, err)) return false;
  while (more && left > 0) {
    ln_rows rows;
    if (!page(s, q, before, first, &rows, err)) return false;
    more = rows.more;
    for (int i = 0; i < rows.n; i++) {
      ln_run_row r;
      decode(rows.row[i], &r);
      before = r.id;
      if (left-- <= 0 || !fn(arg, &r)) {
        more = false;
        break;
      }
    }
    ln_rows_free(&rows);
  }
  return true;
}

static void give_first(ln_rows *rows, ln_run_fn fn, void *arg) {
  ln_run_row r;
  decode(rows->row[0], &r);
  fn(arg, &r);
}

bool ln_store_run_get(ln_store *s, int64_t id, ln_run_fn fn, void *arg, ln_err *err) {
  ln_rows rows;
  if (!ln_store_rows(s, &rows, err, COLUMNS "WHERE id = ?", "i", id)) return false;
  bool found = rows.n > 0;
  if (found) give_first(&rows, fn, arg);
  ln_rows_free(&rows);
  return found || no_run(id, err);
}

bool ln_store_run_tree(ln_store *s, int64_t run, ln_run_fn fn, void *arg, ln_err *err) {
  bool more = true;
  for (int64_t last = 0; more;) {
    ln_rows rows;
    if (!ln_store_rows(s, &rows, err,
                       COLUMNS
                       "WHERE id IN (WITH RECURSIVE tree(id) AS (VALUES(?1) UNION SELECT r.id FROM run r"
                       " JOIN tree t ON r.parent = t.id WHERE r.parent <> 0) SELECT id FROM tree)"
                       " AND id > ?2 ORDER BY id",
                       "ii", run, last))
      return false;
    more = rows.more;
    for (int i = 0; i < rows.n; i++) {
      ln_run_row r;
      decode(rows.row[i], &r);
      last = r.id;
      if (!fn(arg, &r)) {
        more = false;
        break;
      }
    }
    ln_rows_free(&rows);
  }
  return true;
}

/* The prefix in capitals, and the lowest text above all that begin with it.  False: no ULID begins so. */
static bool bounds(ln_str which, char low[LN_ULID + 1], char high[LN_ULID + 2]) {
  if (which.n == 0 || which.n > LN_ULID) return false;
  for (size_t i = 0; i < which.n; i++) {
    if (!isalnum((unsigned char)which.p[i])) return false;
    low[i] = high[i] = (char)toupper((unsigned char)which.p[i]);
  }
  low[which.n] = '\0';
  high[which.n] = '~';
  high[which.n + 1] = '\0';
  return true;
}

static bool judge(ln_rows *rows, ln_str which, ln_err *err) {
  if (rows->n == 1) return true;
  if (rows->n == 0)
    return ln_fail(err, "not_found", LN_FINAL, "no run is called '" LN_STR_FMT "': `lunette runs` lists them",
                   LN_STR_ARG(which));
  return ln_fail(err, "ambiguous", LN_FINAL,
                 "several runs begin with '" LN_STR_FMT "' (%s, %s%s): write more of it", LN_STR_ARG(which),
                 rows->row[0][1].s.p, rows->row[1][1].s.p, rows->n > 2 ? ", …" : "");
}

bool ln_store_run_find(ln_store *s, ln_str which, ln_run_fn fn, void *arg, ln_err *err) {
  char low[LN_ULID + 1], high[LN_ULID + 2];
  ln_rows rows = {.n = 0};
  bool ok = true;
  if (ln_str_eq(which, LN_STR("last")))
    ok = ln_store_rows(s, &rows, err, COLUMNS "WHERE parent = 0 ORDER BY id DESC LIMIT 1", "");
  else if (bounds(which, low, high))
    ok = ln_store_rows(s, &rows, err, COLUMNS "WHERE ulid >= ? AND ulid < ? ORDER BY ulid LIMIT 3", "tt",
                       ln_str_of(low), ln_str_of(high));
  if (!ok || !judge(&rows, (ln_str){which.p, which.n > 64 ? 64 : which.n}, err))
    return ln_rows_free(&rows), false;
  give_first(&rows, fn, arg);
  ln_rows_free(&rows);
  return true;
}

/* --- counted --- */

static bool count(ln_store *s, const char *sql, int64_t most, int64_t *n, ln_err *err) {
  ln_rows rows;
  if (!ln_store_rows(s, &rows, err, sql, "i", most)) return false;
  if (rows.n) *n = rows.row[0][0].i;
  ln_rows_free(&rows);
  return true;
}

bool ln_store_counts(ln_store *s, int64_t now_ms, int64_t most, ln_counts *out, ln_err *err) {
  ln_rows rows;
  *out = (ln_counts){.running = 0};
  if (!count(s, "SELECT count(*) FROM (SELECT 1 FROM run WHERE state = 'running' LIMIT ?)", most,
             &out->running, err) ||
      !count(s, "SELECT count(*) FROM (SELECT 1 FROM run WHERE state = 'waiting' LIMIT ?)", most,
             &out->waiting, err) ||
      !count(s, "SELECT count(*) FROM (SELECT 1 FROM approval WHERE state = 'waiting' LIMIT ?)", most,
             &out->asked, err) ||
      !ln_store_rows(s, &rows, err, "SELECT count(*) FROM (SELECT 1 FROM wait WHERE due <= ? LIMIT ?)", "ii",
                     now_ms, most))
    return false;
  if (rows.n) out->due = rows.row[0][0].i;
  ln_rows_free(&rows);
  return true;
}
