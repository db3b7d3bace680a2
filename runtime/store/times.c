/* times.c: what in a store goes by the clock beyond what runs wait for: the ends of leases; and when a
** process that runs runs was last alive, by which the next one knows a clock that went back. */
#include "store/inside.h"

#include <stdio.h>

bool ln_store_lease_next(ln_store *s, int64_t *until_ms, ln_err *err) {
  bool found = false;
  ln_store_lock(s);
  bool ok = ln_conn_ints(s->reader, until_ms, 1, &found, err,
                         "SELECT until_ms FROM hold WHERE until_ms > ended_ms AND status = 'held'"
                         " ORDER BY until_ms LIMIT 1",
                         "");
  if (!found) *until_ms = LN_NEVER;
  return ln_store_unlock(s, ok);
}

bool ln_store_leases_over(ln_store *s, int64_t now_ms, ln_lease_fn fn, void *arg, ln_err *err) {
  ln_rows rows;
  bool more = true;
  if (!ln_store_rows(
          s, &rows, err,
          "SELECT h.id, h.until_ms, h.run, h.step, coalesce(r.ulid, '') FROM hold h LEFT JOIN run r"
          " ON r.id = h.run WHERE h.until_ms > h.ended_ms AND h.status = 'held' AND h.until_ms <= ?"
          " ORDER BY h.until_ms LIMIT 16",
          "i", now_ms))
    return false;
  for (int i = 0; more && i < rows.n; i++) {
    const ln_cell *c = rows.row[i];
    ln_lease l = {.hold = c[0].i, .until_ms = c[1].i, .run = c[2].i, .step = c[3].s};
    snprintf(l.ulid, sizeof l.ulid, LN_STR_FMT, LN_STR_ARG(c[4].s));
    more = fn(arg, &l);
  }
  ln_rows_free(&rows);
  return true;
}

bool ln_tx_lease_ended(ln_tx *tx, int64_t hold, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err, "UPDATE hold SET ended_ms = until_ms WHERE id = ?", "i", hold);
}

static bool put_number(ln_tx *tx, const char *name, int64_t n, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err,
                      "INSERT INTO mark(name, value) VALUES(?1, CAST(?2 AS TEXT)) ON CONFLICT(name) DO UPDATE"
                      " SET value = CAST(?2 AS TEXT)",
                      "ti", ln_str_of(name), n);
}

static bool number(ln_store *s, const char *name, int64_t *n, ln_err *err) {
  bool found = false;
  ln_store_lock(s);
  bool ok = ln_conn_ints(s->reader, n, 1, &found, err,
                         "SELECT CAST(value AS INTEGER) FROM mark WHERE name = ?", "t", ln_str_of(name));
  if (!found) *n = 0;
  return ln_store_unlock(s, ok);
}

bool ln_tx_alive_at(ln_tx *tx, int64_t ms, ln_err *err) { return put_number(tx, "alive", ms, err); }
bool ln_store_alive_at(ln_store *s, int64_t *ms, ln_err *err) { return number(s, "alive", ms, err); }

bool ln_tx_stepped(ln_tx *tx, int64_t by_ms, int64_t at_ms, ln_err *err) {
  return put_number(tx, "stepped", by_ms, err) && put_number(tx, "stepped_at", at_ms, err);
}

bool ln_store_stepped(ln_store *s, int64_t *by_ms, int64_t *at_ms, ln_err *err) {
  return number(s, "stepped", by_ms, err) && number(s, "stepped_at", at_ms, err);
}
