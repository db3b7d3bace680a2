/* approvals.c: questions to people, and their votes.  One vote a person; the first no ends it, and the yes
** that reaches the quorum; a vote after the expiry counts no more, whether or not somebody has marked it
** expired yet. */
#include "store/inside.h"

#define COLUMNS                                                                             \
  "SELECT a.id, a.run, coalesce(r.ulid, ''), a.step, a.kind, a.title, a.detail, a.digest, " \
  "a.effects, a.options, a.state, a.by, a.comment, a.answer, a.quorum, a.created_ms, "      \
  "a.expires_ms, a.decided_ms FROM approval a LEFT JOIN run r ON r.id = a.run "

static void decode(const ln_cell *c, ln_approval *a) {
  *a = (ln_approval){.id = c[0].i,
                     .run = c[1].i,
                     .step = c[3].s,
                     .kind = c[4].s,
                     .title = c[5].s,
                     .detail = c[6].s,
                     .digest = c[7].s,
                     .effects = c[8].s,
                     .options = c[9].s,
                     .state = c[10].s,
                     .by = c[11].s,
                     .comment = c[12].s,
                     .answer = c[13].s,
                     .quorum = c[14].i,
                     .created_ms = c[15].i,
                     .expires_ms = c[16].i,
                     .decided_ms = c[17].i};
  if (c[2].s.n <= LN_ULID) memcpy(a->ulid, c[2].s.p, c[2].s.n);
}

static bool none(int64_t id, ln_err *err) {
  return ln_fail(err, "not_found", LN_FINAL, "there is no approval %lld: `lunette approvals` lists them",
                 (long long)id);
}

/* Gives the rows to fn; false: it has enough.  *last: the last one's id. */
static bool give(ln_rows *rows, ln_approval_fn fn, void *arg, int64_t *last) {
  bool go_on = true;
  for (int i = 0; go_on && i < rows->n; i++) {
    ln_approval a;
    decode(rows->row[i], &a);
    *last = a.id;
    go_on = fn(arg, &a);
  }
  ln_rows_free(rows);
  return go_on;
}

/* --- in a transaction --- */

bool ln_tx_approval_add(ln_tx *tx, ln_approval *a, ln_err *err) {
  ln_str state = a->state.n ? a->state : LN_STR("waiting");
  bool ok = ln_conn_exec(
      tx->c, NULL, err,
      "INSERT INTO approval(id, run, step, kind, title, detail, digest, effects, options, state, by, comment,"
      " answer, quorum, created_ms, expires_ms, decided_ms)"
      " VALUES(CASE WHEN ?1 > 0 AND NOT EXISTS(SELECT 1 FROM approval WHERE id = ?1) THEN ?1 END,"
      " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      "iitttbtbbttttiiii", a->id, a->run, a->step, a->kind, a->title, a->detail, a->digest, a->effects,
      a->options, state, a->by, a->comment, a->answer, a->quorum < 1 ? (int64_t)1 : a->quorum, a->created_ms,
      a->expires_ms, a->decided_ms);
  if (ok) a->id = sqlite3_last_insert_rowid(tx->c->db);
  return ok;
}

/* May this person still vote?  *missing: how many yes it takes yet. */
static bool may_vote(ln_tx *tx, int64_t id, ln_str by, int64_t ms, int64_t *missing, ln_err *err) {
  int64_t v[5]; /* waiting, expires, quorum, yes so far, this person's */
  bool found;
  if (!ln_conn_ints(
          tx->c, v, 5, &found, err,
          "SELECT state = 'waiting', expires_ms, quorum,"
          " (SELECT count(*) FROM vote WHERE approval = ?1 AND yes),"
          " (SELECT count(*) FROM vote WHERE approval = ?1 AND by = ?2) FROM approval WHERE id = ?1",
          "it", id, by))
    return false;
  if (!found) return none(id, err);
  long long n = (long long)id;
  if (!v[0]) return ln_fail(err, "conflict", LN_FINAL, "approval %lld does not wait any more", n);
  if (v[1] && ms >= v[1])
    return ln_fail(err, "conflict", LN_FINAL, "approval %lld has expired: it is asked anew", n);
  if (v[4])
    return ln_fail(err, "conflict", LN_FINAL, LN_STR_FMT " has voted on approval %lld already",
                   LN_STR_ARG(by), n);
  *missing = v[2] - v[3];
  return true;
}

/* The run that asked is to go on; not one that waits for having been restored: that takes more. */
static bool call_asker(ln_tx *tx, int64_t id, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err,
                      "UPDATE wait SET due = 0 WHERE key <> 'restored' AND run ="
                      " (SELECT run FROM approval WHERE id = ?)",
                      "i", id);
}

static bool decide(ln_tx *tx, int64_t id, ln_str state, ln_str comment, ln_str answer, int64_t ms,
                   ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err,
                      "UPDATE approval SET state = ?2, comment = ?3, answer = ?4, decided_ms = ?5, by ="
                      " (SELECT group_concat(by, ', ') FROM (SELECT by FROM vote WHERE approval = ?1 AND"
                      " yes = (?2 = 'approved') ORDER BY ms, by)) WHERE id = ?1",
                      "ittti", id, state, comment, answer, ms) &&
         call_asker(tx, id, err);
}

bool ln_tx_approval_vote(ln_tx *tx, int64_t id, bool yes, ln_str by, ln_str comment, ln_str answer,
                         int64_t ms, ln_err *err) {
  int64_t missing = 0;
  if (!may_vote(tx, id, by, ms, &missing, err)) return false;
  if (!ln_conn_exec(tx->c, NULL, err,
                    "INSERT INTO vote(approval, by, yes, comment, answer, ms) VALUES(?, ?, ?, ?, ?, ?)",
                    "ititti", id, by, (int64_t)yes, comment, answer, ms))
    return false;
  if (!yes) return decide(tx, id, LN_STR("denied"), comment, answer, ms, err);
  return missing > 1 || decide(tx, id, LN_STR("approved"), comment, answer, ms, err);
}

bool ln_tx_approval_set(ln_tx *tx, int64_t id, ln_str state, int64_t ms, ln_err *err) {
  int64_t changed = 0;
#define SAID "state = 'denied' OR (state = 'approved' AND decided_ms > 0 AND ?1 = 'lapsed')"
  return ln_conn_exec(tx->c, &changed, err,
                      "UPDATE approval SET state = iif(" SAID ", state, ?1), decided_ms ="
                      " iif(" SAID ", decided_ms, ?2) WHERE id = ?3",
                      "tii", state, ms, id) &&
         (changed == 1 || none(id, err)) && call_asker(tx, id, err);
#undef SAID
}

bool ln_tx_approval_get(ln_tx *tx, int64_t id, ln_approval_fn fn, void *arg, ln_err *err) {
  ln_rows rows;
  int64_t last = 0;
  if (!ln_conn_rows(tx->c, &rows, err, COLUMNS "WHERE a.id = ?", "i", id)) return false;
  if (rows.n == 0) return none(id, err);
  give(&rows, fn, arg, &last);
  return true;
}

/* --- read --- */

bool ln_store_approval(ln_store *s, int64_t id, ln_approval_fn fn, void *arg, ln_err *err) {
  ln_rows rows;
  int64_t last = 0;
  if (!ln_store_rows(s, &rows, err, COLUMNS "WHERE a.id = ?", "i", id)) return false;
  if (rows.n == 0) return none(id, err);
  give(&rows, fn, arg, &last);
  return true;
}

static bool page(ln_store *s, int64_t run, bool waiting_only, int64_t last, ln_rows *rows, ln_err *err) {
  if (run)
    return ln_store_rows(
        s, rows, err, COLUMNS "WHERE a.run = ? AND a.id > ? AND (a.state = 'waiting' OR NOT ?) ORDER BY a.id",
        "iii", run, last, (int64_t)waiting_only);
  if (waiting_only)
    return ln_store_rows(s, rows, err, COLUMNS "WHERE a.state = 'waiting' AND a.id > ? ORDER BY a.id", "i",
                         last);
  return ln_store_rows(s, rows, err, COLUMNS "WHERE a.id > ? ORDER BY a.id", "i", last);
}

bool ln_store_approvals(ln_store *s, int64_t run, bool waiting_only, ln_approval_fn fn, void *arg,
                        ln_err *err) {
  int64_t last = 0;
  bool more = true;
  while (more) {
    ln_rows rows;
    if (!page(s, run, waiting_only, last, &rows, err)) return false;
    more = rows.more;
    more = give(&rows, fn, arg, &last) && more;
  }
  return true;
}
