/* alerts.c: what came in, once each, for ever: whoever hands in an alert a second time finds the row of the
** first.  What it said is content, which retention may take; the row stays, and so it starts nothing again.
**
** An alert is "new" until its triggers were asked.  What they decided, the runs that this starts, and the
** end of its being new are one transaction, so that a crash loses none of it and does none of it twice. */
#include "store/inside.h"

#include <stdio.h>

#define COLUMNS "SELECT a.id, a.ms, a.source, a.name, a.state, a.by, a.title, a.severity, a.why, a.sha256 "

static void decode(const ln_cell *c, ln_alert_row *a) {
  *a = (ln_alert_row){.id = c[0].i,
                      .ms = c[1].i,
                      .source = c[2].s,
                      .name = c[3].s,
                      .state = c[4].s,
                      .by = c[5].s,
                      .title = c[6].s,
                      .severity = c[7].s,
                      .why = c[8].s,
                      .sha256 = c[9].s};
}

/* Gives the rows to fn; false: it has enough.  *last: the last one's id. */
static bool give(ln_rows *rows, ln_alert_row_fn fn, void *arg, int64_t *last) {
  bool go_on = true;
  for (int i = 0; go_on && i < rows->n; i++) {
    ln_alert_row a;
    decode(rows->row[i], &a);
    *last = a.id;
    go_on = fn(arg, &a);
  }
  ln_rows_free(rows);
  return go_on;
}

/* --- an alert --- */

static bool content_of(ln_str bytes, ln_content *c, ln_err *err) {
  uint8_t sha[LN_SHA256];
  if (!ln_sha256(bytes, sha)) return ln_fail(err, "failed", LN_FINAL, "SHA-256 cannot be computed");
  *c = (ln_content){.bytes = bytes, .kind = LN_STR("alert")};
  ln_hex(sha, sizeof sha, c->sha256);
  return true;
}

/* A trace is only to connect things: it is no column, but kept beside, as what may be lost is. */
enum { TRACE_KEY = 40 };

static ln_str trace_key(int64_t alert, char out[TRACE_KEY]) {
  int n = snprintf(out, TRACE_KEY, "trace/alert/%lld", (long long)alert);
  return (ln_str){out, (size_t)n};
}

bool ln_tx_alert_add(ln_tx *tx, ln_alert_row *a, ln_str bytes, bool *fresh, ln_err *err) {
  ln_content c;
  bool there;
  if (!ln_conn_ints(tx->c, &a->id, 1, &there, err, "SELECT id FROM alert WHERE source = ? AND name = ?", "tt",
                    a->source, a->name))
    return false;
  *fresh = !there;
  if (there) return true;
  if (!content_of(bytes, &c, err) || !ln_tx_content_put(tx, &c, err) ||
      !ln_conn_exec(tx->c, NULL, err,
                    "INSERT INTO alert(source, name, state, ms, by, title, severity, why, sha256)"
                    " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    "tttittttt", a->source, a->name, a->state, a->ms, a->by, a->title, a->severity, a->why,
                    ln_str_of(c.sha256)))
    return false;
  a->id = sqlite3_last_insert_rowid(tx->c->db);
  if (!a->trace.n) return true;
  char key[TRACE_KEY];
  return ln_tx_hint_put(tx, trace_key(a->id, key), a->trace, err);
}

bool ln_store_alert_trace(ln_store *s, int64_t alert, ln_buf *out, ln_err *err) {
  char key[TRACE_KEY];
  return ln_store_hint(s, trace_key(alert, key), out, err);
}

bool ln_tx_alert_traced(ln_tx *tx, int64_t alert, ln_err *err) {
  char key[TRACE_KEY];
  return ln_conn_exec(tx->c, NULL, err, "DELETE FROM hint WHERE key = ?", "t", trace_key(alert, key));
}

bool ln_tx_alert_decided(ln_tx *tx, int64_t alert, bool *was, ln_err *err) {
  int64_t changed = 0;
  bool ok = ln_conn_exec(tx->c, &changed, err,
                         "UPDATE alert SET state = 'decided' WHERE id = ? AND state = 'new'", "i", alert);
  *was = changed > 0;
  return ok;
}

/* What is new is spelt out: SQLite plans anew whenever a value is bound that a partial index goes by. */
static bool page_up(ln_store *s, const ln_alert_query *q, int64_t after, ln_rows *rows, ln_err *err) {
  if (ln_str_eq(q->state, LN_STR("new")))
    return ln_store_rows(s, rows, err,
                         COLUMNS "FROM alert a WHERE a.id > ? AND a.state = 'new' ORDER BY a.id LIMIT ?",
                         "ii", after, q->limit ? q->limit : INT64_MAX);
  return ln_store_rows(s, rows, err,
                       COLUMNS "FROM alert a WHERE a.id > ? AND a.state = ? ORDER BY a.id LIMIT ?", "iti",
                       after, q->state, q->limit ? q->limit : INT64_MAX);
}

static bool page_down(ln_store *s, const ln_alert_query *q, int64_t before, ln_rows *rows, ln_err *err) {
  if (q->missed)
    return ln_store_rows(s, rows, err,
                         COLUMNS "FROM alert a WHERE a.id IN (SELECT alert FROM alert_run WHERE what ="
                                 " 'missed' AND alert < ?) AND a.ms >= ? ORDER BY a.id DESC",
                         "ii", before, q->since_ms);
  if (ln_str_eq(q->state, LN_STR("kept")))
    return ln_store_rows(s, rows, err,
                         COLUMNS "FROM alert a WHERE a.id < ? AND a.ms >= ? AND a.state = 'kept'"
                                 " ORDER BY a.id DESC",
                         "ii", before, q->since_ms);
  return ln_store_rows(s, rows, err,
                       COLUMNS "FROM alert a WHERE a.id < ?1 AND a.ms >= ?2 AND (?3 = '' OR a.state = ?3)"
                               " ORDER BY a.id DESC",
                       "iit", before, q->since_ms, q->state);
}

typedef struct counting { ln_alert_row_fn fn; void *arg; int64_t left; } counting;

static bool count_one(void *arg, const ln_alert_row *a) {
  counting *c = arg;
  return c->left-- > 0 && c->fn(c->arg, a) && c->left > 0;
}

bool ln_store_alerts(ln_store *s, const ln_alert_query *q, ln_alert_row_fn fn, void *arg, ln_err *err) {
  ln_rows rows;
  counting c = {fn, arg, q->limit ? q->limit : INT64_MAX};
  bool up = q->oldest_first, more = true;
  int64_t at = up ? q->after_id : q->before_id ? q->before_id : INT64_MAX;
  while (more) {
    if (!(up ? page_up(s, q, at, &rows, err) : page_down(s, q, at, &rows, err))) return false;
    more = rows.more;
    more = give(&rows, count_one, &c, &at) && more;
  }
  return true;
}

bool ln_store_alert(ln_store *s, int64_t id, ln_alert_row_fn fn, void *arg, ln_err *err) {
  ln_rows rows;
  int64_t last = 0;
  if (!ln_store_rows(s, &rows, err, COLUMNS "FROM alert a WHERE a.id = ?", "i", id)) return false;
  give(&rows, fn, arg, &last);
  return last || ln_fail(err, "not_found", LN_FINAL, "there is no alert %lld: `lunette alerts` lists them",
                         (long long)id);
}

/* --- what became of it --- */

bool ln_tx_alert_run_put(ln_tx *tx, const ln_alert_run *r, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err,
                      "INSERT INTO alert_run(alert, playbook, what, why, run, approval, rule, ms)"
                      " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT(alert, playbook) DO UPDATE SET"
                      " what = ?3, why = ?4, run = ?5, approval = ?6, rule = ?7, ms = ?8",
                      "itttiiti", r->alert, r->playbook, r->what, r->why, r->run, r->approval, r->rule,
                      r->ms);
}

bool ln_store_alert_runs(ln_store *s, int64_t alert, ln_alert_run_fn fn, void *arg, ln_err *err) {
  ln_rows rows;
  bool go_on = true;
  if (!ln_store_rows(s, &rows, err,
                     "SELECT a.run, a.approval, a.ms, coalesce(r.ulid, ''), a.playbook, a.what, a.why, a.rule"
                     " FROM alert_run a LEFT JOIN run r ON r.id = a.run WHERE a.alert = ?"
                     " ORDER BY a.playbook",
                     "i", alert))
    return false;
  for (int i = 0; go_on && i < rows.n; i++) {
    const ln_cell *c = rows.row[i];
    ln_alert_run r = {.alert = alert, .run = c[0].i, .approval = c[1].i, .ms = c[2].i, .playbook = c[4].s,
                      .what = c[5].s, .why = c[6].s, .rule = c[7].s};
    if (c[3].s.n <= LN_ULID) memcpy(r.ulid, c[3].s.p, c[3].s.n);
    go_on = fn(arg, &r);
  }
  ln_rows_free(&rows);
  return true;
}

bool ln_store_run_alerts(ln_store *s, int64_t run, ln_alert_row_fn fn, void *arg, ln_err *err) {
  ln_rows rows;
  int64_t at = 0;
  bool more = true;
  while (more) {
    if (!ln_store_rows(s, &rows, err,
                       COLUMNS "FROM alert a JOIN alert_run r ON r.alert = a.id WHERE r.run = ? AND a.id > ?"
                               " ORDER BY a.id",
                       "ii", run, at))
      return false;
    more = rows.more;
    more = give(&rows, fn, arg, &at) && more;
  }
  return true;
}

/* --- keys --- */

bool ln_tx_key_run(ln_tx *tx, ln_str playbook, ln_str key, int64_t *run, ln_buf *ulid, ln_err *err) {
  bool found;
  *run = 0;
  if (!ln_conn_ints(tx->c, run, 1, &found, err,
                    "SELECT r.id FROM run_key k JOIN run r ON r.id = k.run WHERE k.playbook = ? AND k.key = ?"
                    " AND r.finished_ms = 0",
                    "tt", playbook, key))
    return false;
  return !*run || !ulid ||
         ln_conn_bytes(tx->c, ulid, NULL, err, "SELECT ulid FROM run WHERE id = ?", "i", *run);
}

bool ln_tx_key_put(ln_tx *tx, ln_str playbook, ln_str key, int64_t run, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err,
                      "INSERT INTO run_key(playbook, key, run) VALUES(?1, ?2, ?3)"
                      " ON CONFLICT(playbook, key) DO UPDATE SET run = ?3",
                      "tti", playbook, key, run);
}

/* --- rules that start too much --- */

bool ln_tx_rule_starts(ln_tx *tx, ln_str playbook, ln_str rule, int64_t since_ms, int64_t *starts,
                       int64_t *approval, ln_err *err) {
  int64_t v[2] = {0, 0}; /* since when it counts; what it waits for */
  bool found;
  if (!ln_conn_ints(tx->c, v, 2, &found, err,
                    "SELECT since_ms, approval FROM trigger_rule WHERE playbook = ? AND rule = ?", "tt",
                    playbook, rule))
    return false;
  *approval = v[1];
  return ln_conn_ints(tx->c, starts, 1, NULL, err,
                      "SELECT count(*) FROM alert_run WHERE playbook = ? AND rule = ? AND ms > ?"
                      " AND what = 'started'",
                      "tti", playbook, rule, v[0] > since_ms ? v[0] : since_ms);
}

bool ln_tx_rule_pause(ln_tx *tx, ln_str playbook, ln_str rule, int64_t approval, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err,
                      "INSERT INTO trigger_rule(playbook, rule, since_ms, approval) VALUES(?1, ?2, 0, ?3)"
                      " ON CONFLICT(playbook, rule) DO UPDATE SET approval = ?3",
                      "tti", playbook, rule, approval);
}

/* After a no it stays paused: the next alert asks anew. */
bool ln_tx_rule_answered(ln_tx *tx, int64_t approval, bool yes, int64_t ms, ln_err *err) {
  if (!yes)
    return ln_conn_exec(tx->c, NULL, err,
                        "UPDATE alert_run SET what = 'denied' WHERE approval = ? AND what = 'paused'", "i",
                        approval);
  return ln_conn_exec(tx->c, NULL, err,
                      "UPDATE trigger_rule SET approval = 0, since_ms = ? WHERE approval = ?", "ii", ms,
                      approval) &&
         ln_conn_exec(tx->c, NULL, err,
                      "UPDATE alert SET state = 'new' WHERE id IN"
                      " (SELECT alert FROM alert_run WHERE approval = ? AND what = 'paused')",
                      "i", approval) &&
         ln_conn_exec(tx->c, NULL, err,
                      "UPDATE alert_run SET what = 'released' WHERE approval = ? AND what = 'paused'", "i",
                      approval);
}

/* --- schedules --- */

bool ln_store_schedules(ln_store *s, ln_schedule_fn fn, void *arg, ln_err *err) {
  ln_rows rows;
  bool go_on = true;
  if (!ln_store_rows(s, &rows, err,
                     "SELECT s.playbook, s.why, s.every_ms, s.at_ms, s.due_ms, s.run, coalesce(r.ulid, ''),"
                     " coalesce(r.finished_ms = 0, 0) FROM schedule s LEFT JOIN run r ON r.id = s.run"
                     " ORDER BY s.playbook",
                     ""))
    return false;
  for (int i = 0; go_on && i < rows.n; i++) {
    const ln_cell *c = rows.row[i];
    ln_schedule one = {.playbook = c[0].s, .why = c[1].s, .every_ms = c[2].i, .at_ms = c[3].i,
                       .due_ms = c[4].i, .run = c[5].i, .under_way = c[7].i != 0};
    if (c[6].s.n <= LN_ULID) memcpy(one.ulid, c[6].s.p, c[6].s.n);
    go_on = fn(arg, &one);
  }
  ln_rows_free(&rows);
  return true;
}

bool ln_tx_schedule_put(ln_tx *tx, const ln_schedule *s, int64_t was_ms, ln_err *err) {
  int64_t at = 0;
  bool found;
  if (!ln_conn_ints(tx->c, &at, 1, &found, err, "SELECT at_ms FROM schedule WHERE playbook = ?", "t",
                    s->playbook))
    return false;
  if (at != was_ms) return ln_fail(err, "conflict", LN_FINAL, "another has seen to that schedule");
  return ln_conn_exec(tx->c, NULL, err,
                      "INSERT INTO schedule(playbook, every_ms, at_ms, due_ms, run, why)"
                      " VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(playbook) DO UPDATE SET"
                      " every_ms = ?2, at_ms = ?3, due_ms = ?4, run = ?5, why = ?6",
                      "tiiiit", s->playbook, s->every_ms, s->at_ms, s->due_ms, s->run, s->why);
}

bool ln_tx_schedule_drop(ln_tx *tx, ln_str playbook, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err, "DELETE FROM schedule WHERE playbook = ?", "t", playbook);
}

/* --- deliveries, and cursors --- */

bool ln_tx_delivery_put(ln_tx *tx, ln_str source, ln_str mark, int64_t now_ms, int64_t until_ms,
                        ln_err *err) {
  int64_t seen = 0;
  bool found;
  if (!ln_conn_ints(tx->c, &seen, 1, &found, err, "SELECT 1 FROM delivery WHERE source = ? AND mark = ?",
                    "tt", source, mark))
    return false;
  if (found) return ln_fail(err, "conflict", LN_FINAL, "this delivery was taken before: it is a replay");
  return ln_conn_exec(tx->c, NULL, err, "DELETE FROM delivery WHERE until_ms < ?", "i", now_ms) &&
         ln_conn_exec(tx->c, NULL, err, "INSERT INTO delivery(source, mark, until_ms) VALUES(?, ?, ?)", "tti",
                      source, mark, until_ms);
}

bool ln_tx_cursor_put(ln_tx *tx, ln_str name, ln_str value, int64_t ms, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err,
                      "INSERT INTO cursor(name, value, ms) VALUES(?1, ?2, ?3)"
                      " ON CONFLICT(name) DO UPDATE SET value = ?2, ms = ?3",
                      "tbi", name, value, ms);
}

bool ln_tx_cursor_begin(ln_tx *tx, ln_str name, int64_t ms, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err, "INSERT OR IGNORE INTO cursor(name, value, ms) VALUES(?, x'', ?)",
                      "ti", name, ms);
}

bool ln_store_cursor(ln_store *s, ln_str name, ln_buf *value, int64_t *ms, ln_err *err) {
  bool found;
  ln_store_lock(s);
  bool ok = !value || ln_conn_bytes(s->reader, value, &found, err, "SELECT value FROM cursor WHERE name = ?",
                                    "t", name);
  ok = ok && (!ms || ln_conn_ints(s->reader, ms, 1, &found, err, "SELECT ms FROM cursor WHERE name = ?", "t",
                                  name));
  return ln_store_unlock(s, ok);
}

/* --- retention --- */

/* One that is new, or held back, is needed; so is what a run of the store was begun with, to be shown. */
bool ln_tx_alerts_forget(ln_tx *tx, int64_t before_ms, int64_t *after, int64_t *n, ln_err *err) {
  ln_rows rows;
  int64_t last = *after;
  bool ok = true;
  *n = 0;
  if (!ln_conn_rows(tx->c, &rows, err,
                    "SELECT a.id, a.sha256 FROM alert a WHERE a.id > ?1 AND a.ms < ?2 AND a.state <> 'new'"
                    " AND NOT EXISTS(SELECT 1 FROM alert_run r LEFT JOIN run u ON u.id = r.run"
                    "  WHERE r.alert = a.id AND (u.id IS NOT NULL OR r.what IN ('paused', 'released')))"
                    " AND EXISTS(SELECT 1 FROM content c WHERE c.sha256 = a.sha256)"
                    " AND NOT EXISTS(SELECT 1 FROM alert o WHERE o.sha256 = a.sha256 AND o.id <> a.id"
                    "  AND o.ms >= ?2) ORDER BY a.id LIMIT 64",
                    "ii", last, before_ms))
    return false;
  for (int i = 0; ok && i < rows.n; i++) {
    last = rows.row[i][0].i;
    ok = ln_conn_exec(tx->c, NULL, err, "DELETE FROM content WHERE sha256 = ? AND kind = 'alert'", "t",
                      rows.row[i][1].s) &&
         ln_tx_alert_traced(tx, last, err);
    *n += 1;
  }
  if (ok) *after = last;
  ln_rows_free(&rows);
  return ok;
}
