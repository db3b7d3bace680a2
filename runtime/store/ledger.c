/* ledger.c: who holds what.  Every write has a row, (run, step), from its intent on: the entity and facet it
** changes, the state it puts it in, what it was before, and until when.  While one write is pending or in
** doubt, no other begins on the same entity and facet: whoever wants it waits for a key (ln_hold_key).  What
** is found to be so already is held by one more, where a write of ours made it so (it joins), and foreign
** where none did.  Beside it, the acts: which entities destructive writes of a tree of runs touched, and when
** last, for the caps. */
#include "store/inside.h"

#include <ctype.h>
#include <stdio.h>

#define COLUMNS                                                                                    \
  "SELECT h.id, h.run, coalesce(r.ulid, ''), h.entity, h.facet, h.step, h.op, h.state, h.before, " \
  "h.status, h.undo, h.since_ms, h.until_ms, h.verdict, h.move, "                              \
  "coalesce(l.ulid, iif(h.lifted_by = 0, '', 'elsewhere')) "                                       \
  "FROM hold h LEFT JOIN run r ON r.id = h.run LEFT JOIN run l ON l.id = h.lifted_by "

/* "left": a step ended before its write did, and nobody here follows it any more.  It stays pending, and
** keeps nobody from beginning another. */
static void decode(const ln_cell *c, ln_hold *h) {
  *h = (ln_hold){.id = c[0].i, .run = c[1].i, .entity = c[3].s, .facet = c[4].s, .step = c[5].s, .op = c[6].s,
                 .state = c[7].s, .before = c[8].s, .status = c[9].s, .undo = c[10].s, .since_ms = c[11].i,
                 .until_ms = c[12].i, .verdict = c[13].s, .move = c[14].s};
  if (c[2].s.n <= LN_ULID) memcpy(h->ulid, c[2].s.p, c[2].s.n);
  if (c[15].s.n <= LN_ULID) memcpy(h->lifted_by, c[15].s.p, c[15].s.n);
  if (ln_str_eq(h->status, LN_STR("left"))) h->status = LN_STR("pending");
}

/* "okta:user:00U1": the kind is "user", the name "00u1" (what people call it, without regard to case). */
static ln_str kind_of(ln_str entity) {
  ln_str vendor, rest, kind, id;
  return ln_str_cut(entity, ':', &vendor, &rest) && ln_str_cut(rest, ':', &kind, &id) ? kind : LN_STR("");
}

static bool add_lower(ln_buf *out, ln_str name, ln_err *err) {
  size_t from = out->n;
  if (!ln_buf_add(out, name)) return ln_buf_ok(out, err);
  for (size_t i = from; i < out->n; i++) out->p[i] = (char)tolower((unsigned char)out->p[i]);
  return true;
}

static bool name_of(ln_str entity, ln_buf *out, ln_err *err) {
  while (entity.n) {
    ln_str left, right;
    if (!ln_str_cut(entity, ':', &left, &right)) break;
    entity = right;
  }
  return add_lower(out, entity, err);
}

/* --- holds in a transaction --- */

/* Somebody else's write that is under way there: of another run, or of another step of this one. */
static bool turn(ln_conn *c, const ln_hold *h, ln_turn *who, ln_err *err) {
  ln_rows rows;
  *who = (ln_turn){.taken = false};
  if (!ln_conn_rows(
          c, &rows, err,
          "SELECT coalesce(r.ulid, ''), coalesce(r.owner, ''), h.step, h.status = 'doubt' FROM hold h"
          " LEFT JOIN run r ON r.id = h.run WHERE h.entity = ? AND h.facet = ?"
          " AND NOT (h.run = ? AND h.step = ?) AND h.status IN ('pending', 'doubt')"
          " AND coalesce(r.state, '') NOT IN ('completed', 'failed', 'cancelled')"
          " ORDER BY h.status LIMIT 1",
          "ttit", h->entity, h->facet, h->run, h->step))
    return false;
  if (rows.n) {
    const ln_cell *at = rows.row[0];
    who->taken = true;
    who->doubt = at[3].i != 0;
    snprintf(who->ulid, sizeof who->ulid, LN_STR_FMT, LN_STR_ARG(at[0].s));
    snprintf(who->owner, sizeof who->owner, LN_STR_FMT, LN_STR_ARG(at[1].s));
    snprintf(who->step, sizeof who->step, LN_STR_FMT, LN_STR_ARG(at[2].s));
  }
  ln_rows_free(&rows);
  return true;
}

bool ln_tx_turn(ln_tx *tx, const ln_hold *h, ln_turn *who, ln_err *err) { return turn(tx->c, h, who, err); }

bool ln_store_turn(ln_store *s, const ln_hold *h, ln_turn *who, ln_err *err) {
  ln_store_lock(s);
  return ln_store_unlock(s, turn(s->reader, h, who, err));
}

void ln_hold_key(ln_str entity, ln_str facet, ln_buf *out) {
  ln_buf_addf(out, "hold:" LN_STR_FMT " " LN_STR_FMT, LN_STR_ARG(entity), LN_STR_ARG(facet));
}

static bool turn_is_free(ln_tx *tx, const ln_hold *h, ln_err *err) {
  ln_turn who;
  if (!ln_tx_turn(tx, h, &who, err)) return false;
  return !who.taken ||
         ln_fail(err, "busy", LN_AGAIN, "%s of run %s has a write of " LN_STR_FMT " %s", who.step, who.ulid,
                 LN_STR_ARG(h->entity), who.doubt ? "in doubt" : "under way");
}

/* Sums that any change of the rows changes: of times alone nothing can be told, for a clock may go back. */
static bool seen(ln_conn *c, const ln_hold *h, ln_seen *out, ln_err *err) {
  int64_t n[3] = {0};
  bool ok = ln_conn_ints(c, n, 3, NULL, err,
                         "SELECT coalesce(sum(id), 0), coalesce(sum(since_ms), 0),"
                         " coalesce(sum(id * unicode(status)), 0)"
                         " FROM hold WHERE entity = ? AND facet = ? AND NOT (run = ? AND step = ?)",
                         "ttit", h->entity, h->facet, h->run, h->step);
  *out = (ln_seen){.looked = true, .ids = n[0], .times = n[1], .states = n[2]};
  return ok;
}

bool ln_store_hold_seen(ln_store *s, const ln_hold *h, ln_seen *out, ln_err *err) {
  ln_store_lock(s);
  return ln_store_unlock(s, seen(s->reader, h, out, err));
}

static bool is_as_seen(ln_tx *tx, const ln_hold *h, const ln_seen *then, ln_err *err) {
  ln_seen now;
  if (!then->looked) return true;
  if (!seen(tx->c, h, &now, err)) return false;
  bool same = now.ids == then->ids && now.times == then->times && now.states == then->states;
  return same || ln_fail(err, "moved", LN_AGAIN, LN_STR_FMT " was changed meanwhile", LN_STR_ARG(h->entity));
}

bool ln_tx_hold_may(ln_tx *tx, const ln_hold *h, const ln_seen *then, ln_err *err) {
  return turn_is_free(tx, h, err) && is_as_seen(tx, h, then, err);
}

bool ln_tx_hold_begin(ln_tx *tx, const ln_hold *h, ln_err *err) {
  ln_buf name;
  ln_buf_init(&name, SIZE_MAX / 2);
  ln_str status = h->status.n ? h->status : LN_STR("pending");
  bool ok =
      name_of(h->entity, &name, err) &&
      ln_conn_exec(
          tx->c, NULL, err,
          "INSERT INTO hold(run, step, entity, facet, name, kind, op, state, before, status, undo, since_ms,"
          " until_ms, verdict, move) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)"
          " ON CONFLICT(run, step)"
          " DO UPDATE SET entity = ?3, facet = ?4, name = ?5, kind = ?6, op = ?7, state = ?8, before = ?9,"
          " status = ?10, undo = ?11, since_ms = ?12, until_ms = ?13, verdict = ?14, move = ?15",
          "itttttttttbiitt", h->run, h->step, h->entity, h->facet, ln_buf_view(&name), kind_of(h->entity),
          h->op, h->state, h->before, status, h->undo, h->since_ms, h->until_ms, h->verdict, h->move);
  ln_buf_free(&name);
  return ok;
}

static bool no_hold(int64_t run, ln_str step, ln_err *err) {
  return ln_fail(err, "not_found", LN_FINAL, "step " LN_STR_FMT " of run %lld has nothing in the ledger",
                 LN_STR_ARG(step), (long long)run);
}

bool ln_tx_hold_set(ln_tx *tx, int64_t run, ln_str step, ln_str status, ln_str before, ln_str undo,
                    int64_t since_ms, int64_t until_ms, ln_err *err) {
  int64_t changed = 0;
  return ln_conn_exec(tx->c, &changed, err,
                      "UPDATE hold SET status = coalesce(?3, status), before = coalesce(?4, before),"
                      " undo = coalesce(?5, undo), since_ms = iif(?6 = 0, since_ms, ?6),"
                      " until_ms = iif(?7 < 0, until_ms, ?7) WHERE run = ?1 AND step = ?2",
                      "itTTBii", run, step, status, before, undo, since_ms, until_ms) &&
         (changed == 1 || no_hold(run, step, err));
}

/* What is said to come from the future was written before the clock went back: it says nothing. */
bool ln_tx_hold_rivals(ln_tx *tx, const ln_hold *h, int64_t since_ms, int64_t *under_way, int64_t *since,
                       ln_err *err) {
  int64_t n[2] = {0};
  bool ok = ln_conn_ints(
      tx->c, n, 2, NULL, err,
      "SELECT coalesce(sum(status IN ('pending', 'left', 'doubt')), 0),"
      " coalesce(sum(status = 'held' AND since_ms BETWEEN ?1 AND ?6), 0)"
      " FROM hold WHERE status <> 'released' AND op = ?2 AND facet = ?3 AND state = ?4 AND entity <> ?5",
      "itttti", since_ms, h->op, h->facet, h->state, h->entity, h->since_ms);
  *under_way = n[0];
  *since = n[1];
  return ok;
}

/* What it was before us, before all who joined, and what takes it back: as the newest holder knows it. */
#define JOIN                                                                                                 \
  "INSERT INTO hold(run, step, entity, facet, name, kind, op, state, before, status, undo, since_ms,"        \
  " until_ms, verdict, move) SELECT ?1, ?2, entity, facet, name, kind, ?3, state, before, 'held', undo, ?4," \
  " ?5, ?7, move FROM hold WHERE id = ?6 ON CONFLICT(run, step) DO UPDATE SET entity = excluded.entity, "    \
  "facet = excluded.facet,"                                                                                  \
  " name = excluded.name, kind = excluded.kind, op = ?3, state = excluded.state, before = excluded.before,"  \
  " status = 'held', undo = excluded.undo, since_ms = ?4, until_ms = ?5, verdict = ?7, move = excluded.move"

/* The newest hold of ours in that state.  What was left pending has been reached, as has what a run that
** ended left so.  *own: it is the asker's run's. */
static bool holder_of(ln_tx *tx, const ln_hold *h, int64_t *id, bool *own, ln_err *err) {
  int64_t n[2] = {0};
  bool found = false;
  if (!ln_conn_ints(
          tx->c, n, 2, &found, err,
          "SELECT id, run = ?3 FROM hold WHERE entity = ?1 AND facet = ?2 AND NOT (run = ?3 AND step ="
          " ?4) AND state = ?5 AND status IN ('held', 'left', 'pending') ORDER BY id DESC LIMIT 1",
          "ttitt", h->entity, h->facet, h->run, h->step, h->state))
    return false;
  *id = found ? n[0] : 0;
  *own = n[1] != 0;
  return !found ||
         ln_conn_exec(tx->c, NULL, err,
                      "UPDATE hold SET status = 'held', since_ms = ?2 WHERE id = ?1 AND status <> 'held'",
                      "ii", *id, h->since_ms);
}

/* The same run wants it once more: no second hold, but the later end. */
static bool hold_longer(ln_tx *tx, int64_t id, const ln_hold *h, ln_err *err) {
  return ln_conn_exec(
             tx->c, NULL, err,
             "UPDATE hold SET until_ms = iif(until_ms = 0 OR ?2 = 0, 0, max(until_ms, ?2)) WHERE id = ?1",
             "ii", id, h->until_ms) &&
         ln_tx_hold_drop(tx, h->run, h->step, err);
}

bool ln_tx_hold_so(ln_tx *tx, const ln_hold *h, bool waited, bool *joined, ln_err *err) {
  int64_t id;
  bool own;
  *joined = false;
  if (!holder_of(tx, h, &id, &own, err)) return false;
  if (id && own && !waited) return hold_longer(tx, id, h, err);
  if (id) {
    *joined = true;
    return ln_conn_exec(tx->c, NULL, err, JOIN, "ittiiit", h->run, h->step, h->op, h->since_ms, h->until_ms,
                        id, h->verdict);
  }
  return ln_str_eq(h->status, LN_STR("foreign")) ? ln_tx_hold_begin(tx, h, err)
                                                 : ln_tx_hold_drop(tx, h->run, h->step, err);
}

/* Of another state nothing is held any more; nor of this one, where it was another before this write: then
** somebody else had ended what was. */
bool ln_tx_hold_reached(ln_tx *tx, const ln_hold *now, ln_err *err) {
  int64_t was_other = now->before.n && !ln_str_eq(now->before, now->state);
  return ln_conn_exec(
             tx->c, NULL, err,
             "UPDATE hold SET status = 'released' WHERE entity = ?1 AND facet = ?2 AND state = ?3 AND"
             " status = 'held' AND EXISTS(SELECT 1 FROM hold o WHERE o.entity = ?1 AND o.facet = ?2 AND"
             " o.status = 'held' AND o.state <> ?3 AND o.before = ?3)",
             "ttt", now->entity, now->facet, now->state) &&
         ln_conn_exec(
             tx->c, NULL, err,
             "UPDATE hold SET status = iif(status = 'left' AND state = ?3, 'held', 'released')"
             " WHERE entity = ?1 AND facet = ?2 AND status IN ('held', 'left', 'foreign')"
             " AND (state <> ?3 OR ((?4 OR status = 'left') AND NOT (run = ?5 AND step = ?6)))",
             "tttiit", now->entity, now->facet, now->state, was_other, now->run, now->step);
}

bool ln_tx_hold_drop(ln_tx *tx, int64_t run, ln_str step, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err, "DELETE FROM hold WHERE run = ? AND step = ?", "it", run, step);
}

#define ALONE                                                                                                \
  "SELECT h.status IN ('held', 'pending', 'left'), (SELECT count(*) FROM hold o WHERE o.entity = h.entity "  \
  "AND"                                                                                                      \
  " o.facet = h.facet AND o.state = h.state AND o.status = 'held' AND o.id <> h.id)"                         \
  " FROM hold h WHERE h.run = ? AND h.step = ?"

static bool alone(ln_conn *c, int64_t run, ln_str step, bool *held, int64_t *others, ln_err *err) {
  int64_t n[2] = {0};
  bool found = false;
  if (!ln_conn_ints(c, n, 2, &found, err, ALONE, "it", run, step)) return false;
  *held = n[0] != 0;
  *others = n[1];
  return found || no_hold(run, step, err);
}

bool ln_tx_hold_alone(ln_tx *tx, int64_t run, ln_str step, bool *held, int64_t *others, ln_err *err) {
  return alone(tx->c, run, step, held, others, err);
}

bool ln_store_hold_alone(ln_store *s, int64_t run, ln_str step, bool *held, int64_t *others, ln_err *err) {
  ln_store_lock(s);
  return ln_store_unlock(s, alone(s->reader, run, step, held, others, err));
}

bool ln_tx_hold_lift(ln_tx *tx, int64_t run, ln_str step, int64_t by, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err,
                      "UPDATE hold SET status = 'released', lifted_by = ?3 WHERE run = ?1 AND step = ?2 AND"
                      " (status <> 'released' OR lifted_by = 0)",
                      "iti", run, step, by);
}

bool ln_tx_hold_lease(ln_tx *tx, ln_str entity, int64_t *until_ms, ln_err *err) {
  return ln_conn_ints(tx->c, until_ms, 1, NULL, err,
                      "SELECT coalesce(max(until_ms), 0) FROM hold WHERE entity = ? AND status = 'held'", "t",
                      entity);
}

bool ln_tx_hold_prolong(ln_tx *tx, ln_str entity, int64_t until_ms, int64_t *n, ln_err *err) {
  return ln_conn_exec(tx->c, n, err,
                      "UPDATE hold SET until_ms = ?2 WHERE entity = ?1 AND status = 'held' AND until_ms > 0",
                      "ti", entity, until_ms);
}

bool ln_tx_alias_put(ln_tx *tx, ln_str entity, ln_str name, ln_err *err) {
  ln_buf lower;
  ln_buf_init(&lower, SIZE_MAX / 2);
  bool ok = add_lower(&lower, name, err) &&
            ln_conn_exec(tx->c, NULL, err, "INSERT OR IGNORE INTO alias(name, entity) VALUES(?, ?)", "tt",
                         ln_buf_view(&lower), entity);
  ln_buf_free(&lower);
  return ok;
}

/* Gives the rows to fn; false: it has enough.  *last: the last one's id. */
static bool give(ln_rows *rows, ln_hold_fn fn, void *arg, int64_t *last) {
  bool go_on = true;
  for (int i = 0; go_on && i < rows->n; i++) {
    ln_hold h;
    decode(rows->row[i], &h);
    *last = h.id;
    go_on = fn(arg, &h);
  }
  ln_rows_free(rows);
  return go_on;
}

/* --- holds, read --- */

#define NARROW                                                                                               \
  "(?1 = 0 OR h.run = ?1) AND (?2 = '' OR h.kind = ?2) AND (?3 OR h.status <> 'released') AND h.id > ?4 "    \
  "ORDER BY h.id"

/* The most selective of the conditions leads, by an index; the others narrow what it finds. */
static bool page(ln_store *s, const ln_hold_query *q, ln_str name, int64_t last, ln_rows *rows, ln_err *err) {
  int64_t all = q->all;
  if (name.n)
    return ln_store_rows(s, rows, err,
                         COLUMNS "WHERE (h.name = ?5 OR h.entity IN (SELECT entity FROM alias WHERE"
                                 " name = ?5)) AND " NARROW,
                         "itiit", q->run, q->kind, all, last, name);
  if (q->entity.n)
    return ln_store_rows(s, rows, err, COLUMNS "WHERE h.entity = ?5 AND " NARROW, "itiit", q->run, q->kind,
                         all, last, q->entity);
  if (q->run)
    return ln_store_rows(s, rows, err, COLUMNS "WHERE h.run = ?5 AND " NARROW, "itiii", q->run, q->kind, all,
                         last, q->run);
  if (q->kind.n)
    return ln_store_rows(s, rows, err, COLUMNS "WHERE h.kind = ?5 AND " NARROW, "itiit", q->run, q->kind, all,
                         last, q->kind);
  if (!q->all)
    return ln_store_rows(s, rows, err, COLUMNS "WHERE h.status <> 'released' AND h.id > ? ORDER BY h.id", "i",
                         last);
  return ln_store_rows(s, rows, err, COLUMNS "WHERE h.id > ? ORDER BY h.id", "i", last);
}

bool ln_store_holds(ln_store *s, const ln_hold_query *q, ln_hold_fn fn, void *arg, ln_err *err) {
  ln_buf name;
  ln_buf_init(&name, SIZE_MAX / 2);
  bool bare = q->entity.n && !memchr(q->entity.p, ':', q->entity.n);
  bool ok = !bare || name_of(q->entity, &name, err), more = true;
  int64_t last = 0;
  while (ok && more) {
    ln_rows rows;
    if (!(ok = page(s, q, ln_buf_view(&name), last, &rows, err))) break;
    more = rows.more;
    more = give(&rows, fn, arg, &last) && more;
  }
  ln_buf_free(&name);
  return ok;
}

bool ln_store_hold_of(ln_store *s, ln_str ulid, ln_str step, ln_hold_fn fn, void *arg, ln_err *err) {
  ln_rows rows;
  int64_t last;
  if (!ln_store_rows(s, &rows, err, COLUMNS "WHERE r.ulid = ? AND h.run = r.id AND h.step = ?", "tt", ulid,
                     step))
    return false;
  bool found = rows.n > 0;
  give(&rows, fn, arg, &last);
  return found || ln_fail(err, "not_found", LN_FINAL,
                          "step " LN_STR_FMT " of run " LN_STR_FMT " has nothing in the ledger",
                          LN_STR_ARG(step), LN_STR_ARG(ulid));
}

/* --- acts --- */

/* "visionone:host:" of "visionone:host:ab12": what entities of one vendor and kind begin with. */
static ln_str alike_of(ln_str entity) {
  size_t n = 0;
  for (int colons = 0; n < entity.n && colons < 2; n++) colons += entity.p[n] == ':';
  return (ln_str){entity.p, n};
}

bool ln_tx_act_count(ln_tx *tx, int64_t root, ln_str entity, int64_t since_ms, ln_acts *out, ln_err *err) {
  int64_t tree[2] = {0}, window[3] = {0};
  ln_str kind = alike_of(entity);
  bool ok =
      ln_conn_ints(tx->c, tree, 2, NULL, err,
                   "SELECT count(*), coalesce(max(entity = ?2), 0) FROM act WHERE root = ?1", "it", root,
                   entity) &&
      ln_conn_ints(tx->c, window, 3, NULL, err,
                   "SELECT count(DISTINCT entity), coalesce(max(entity = ?2), 0),"
                   " count(DISTINCT CASE WHEN substr(entity, 1, ?4) = ?3 THEN entity END)"
                   " FROM act WHERE ms >= ?1",
                   "itti", since_ms, entity, kind, (int64_t)kind.n);
  *out = (ln_acts){tree[0], window[0], window[2], tree[1] != 0, window[1] != 0};
  return ok;
}

bool ln_tx_act_add(ln_tx *tx, int64_t root, int64_t run, ln_str entity, ln_str op, int64_t ms, ln_err *err) {
  return ln_conn_exec(
      tx->c, NULL, err,
      "INSERT INTO act(root, entity, run, op, ms) VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT(root, entity)"
      " DO UPDATE SET run = ?3, op = ?4, ms = max(ms, ?5)",
      "ititi", root, entity, run, op, ms);
}
