/* audit.c: what was decided, refused and done, only ever added to.  Records have no gaps in their numbers,
** and each has a hash over the one before it and itself, made in the transaction that it tells of: whoever
** changes, takes out or swaps any has to make all later hashes anew, which a checkpoint that left the
** machine gives away.
**
** A record's hash is SHA-256 over the hash before it (32 zero bytes before the first), and then, of each of
** seq, ms, what, who, run, ulid and detail, its length as 8 bytes, big-endian, and its bytes; numbers are in
** decimal.  run is the run's number in this store, 0: none; ulid is what it is called outside. */
#include "store/inside.h"
#include "store/schema.h"

#include <stdio.h>

static bool add_field(ln_buf *b, ln_str s) {
  uint8_t n[8];
  for (int i = 0; i < 8; i++) n[i] = (uint8_t)((uint64_t)s.n >> (56 - 8 * i));
  return ln_buf_add(b, (ln_str){(const char *)n, sizeof n}) && ln_buf_add(b, s);
}

static bool add_number(ln_buf *b, int64_t v) {
  char room[LN_INT_TEXT];
  return add_field(b, ln_str_int(v, room));
}

bool ln_audit_hash(const uint8_t before[LN_SHA256], const ln_audit_row *r, uint8_t out[LN_SHA256]) {
  ln_buf b;
  ln_buf_init(&b, (size_t)1 << 30);
  bool ok = ln_buf_add(&b, (ln_str){(const char *)before, LN_SHA256}) && add_number(&b, r->seq) &&
            add_number(&b, r->ms) && add_field(&b, r->what) && add_field(&b, r->who) &&
            add_number(&b, r->run) && add_field(&b, r->ulid) && add_field(&b, r->detail) &&
            ln_sha256(ln_buf_view(&b), out);
  ln_buf_free(&b);
  return ok;
}

/* ------------------------------------------------------------------ adding */

static void hash_of(ln_str stored, uint8_t out[LN_SHA256]) {
  if (stored.n == LN_SHA256) memcpy(out, stored.p, LN_SHA256);
  else memset(out, 0, LN_SHA256);
}

/* The last record's number and hash; 0 and zeros when there is none. */
static bool head(ln_conn *c, int64_t *seq, uint8_t hash[LN_SHA256], ln_err *err) {
  ln_rows rows;
  *seq = 0;
  memset(hash, 0, LN_SHA256);
  if (!ln_conn_rows(c, &rows, err, "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", "")) return false;
  if (rows.n) *seq = rows.row[0][0].i, hash_of(rows.row[0][1].s, hash);
  ln_rows_free(&rows);
  return true;
}

static bool add(ln_conn *c, ln_audit_row *r, ln_err *err) {
  uint8_t before[LN_SHA256];
  if (!head(c, &r->seq, before, err)) return false;
  r->seq++;
  if (!ln_audit_hash(before, r, r->hash))
    return ln_fail(err, "memory", LN_AGAIN, "no memory for a record of the audit");
  return ln_conn_exec(c, NULL, err,
                      "INSERT INTO audit(seq, ms, what, who, run, ulid, detail, hash)"
                      " VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
                      "iittittb", r->seq, r->ms, r->what, r->who, r->run, r->ulid, r->detail,
                      (ln_str){(const char *)r->hash, LN_SHA256});
}

static bool ulid_of(ln_conn *c, int64_t run, ln_buf *out, ln_err *err) {
  bool found;
  ln_buf_init(out, 1 << 10);
  return !run || ln_conn_bytes(c, out, &found, err, "SELECT ulid FROM run WHERE id = ?", "i", run);
}

bool ln_tx_audit(ln_tx *tx, int64_t ms, ln_str what, ln_str who, int64_t run, ln_str detail_json,
                 ln_err *err) {
  ln_buf ulid;
  ln_audit_row r = {.ms = ms, .what = what, .who = who, .run = run, .detail = detail_json};
  bool ok = ulid_of(tx->c, run, &ulid, err);
  r.ulid = ln_buf_view(&ulid);
  ok = ok && add(tx->c, &r, err);
  ln_buf_free(&ulid);
  return ok;
}

/* One of before there was a chain. */
static bool add_old(ln_conn *c, const ln_cell *old, ln_err *err) {
  ln_buf ulid;
  ln_audit_row r = {.ms = old[1].i, .what = old[2].s, .who = old[3].s, .run = old[4].i, .detail = old[5].s};
  bool ok = ulid_of(c, r.run, &ulid, err);
  r.ulid = ln_buf_view(&ulid);
  ok = ok && add(c, &r, err);
  ln_buf_free(&ulid);
  return ok;
}

bool ln_schema_chain(ln_conn *c, ln_err *err) {
  ln_rows rows;
  int64_t last = 0;
  bool ok = true, more = true;
  while (ok && more) {
    if (!ln_conn_rows(c, &rows, err,
                      "SELECT id, ms, what, who, run, detail FROM audit4 WHERE id > ? ORDER BY id", "i",
                      last))
      return false;
    for (int i = 0; ok && i < rows.n; i++) ok = add_old(c, rows.row[i], err), last = rows.row[i][0].i;
    more = rows.more;
    ln_rows_free(&rows);
  }
  return ok;
}

/* ------------------------------------------------------------------ reading */

bool ln_store_audit(ln_store *s, int64_t after, int64_t since_ms, ln_audit_fn fn, void *arg, ln_err *err) {
  ln_rows rows;
  bool more = true;
  while (more) {
    if (!ln_store_rows(s, &rows, err,
                       "SELECT seq, ms, what, who, run, ulid, detail, hash FROM audit"
                       " WHERE seq > ? AND ms >= ? ORDER BY seq",
                       "ii", after, since_ms))
      return false;
    more = rows.more;
    for (int i = 0; i < rows.n; i++) {
      const ln_cell *c = rows.row[i];
      ln_audit_row r = {.seq = after = c[0].i,
                        .ms = c[1].i,
                        .what = c[2].s,
                        .who = c[3].s,
                        .run = c[4].i,
                        .ulid = c[5].s,
                        .detail = c[6].s};
      hash_of(c[7].s, r.hash);
      if (fn(arg, &r)) continue;
      more = false;
      break;
    }
    ln_rows_free(&rows);
  }
  return true;
}

/* ------------------------------------------------------------------ checkpoints */

bool ln_store_audit_head(ln_store *s, ln_audit_head *out, ln_err *err) {
  bool found;
  int64_t last[2];
  ln_store_lock(s);
  bool ok = head(s->reader, &out->seq, out->hash, err) &&
            ln_conn_ints(s->reader, last, 2, &found, err,
                         "SELECT seq, ms FROM checkpoint ORDER BY seq DESC LIMIT 1", "");
  if (ok) out->checked_seq = last[0], out->checked_ms = last[1];
  return ln_store_unlock(s, ok);
}

bool ln_tx_checkpoint_put(ln_tx *tx, const ln_checkpoint *c, ln_err *err) {
  return ln_conn_exec(
      tx->c, NULL, err,
      "INSERT OR IGNORE INTO checkpoint(seq, ms, hash, signer, signature) VALUES(?, ?, ?, ?, ?)", "iittt",
      c->seq, c->ms, c->hash, c->signer, c->signature);
}

bool ln_store_checkpoints(ln_store *s, ln_checkpoint_fn fn, void *arg, ln_err *err) {
  ln_rows rows;
  int64_t after = 0;
  bool more = true;
  while (more) {
    if (!ln_store_rows(s, &rows, err,
                       "SELECT seq, ms, hash, signer, signature FROM checkpoint WHERE seq > ? ORDER BY seq",
                       "i", after))
      return false;
    more = rows.more;
    for (int i = 0; i < rows.n; i++) {
      const ln_cell *v = rows.row[i];
      ln_checkpoint c = {
          .seq = after = v[0].i, .ms = v[1].i, .hash = v[2].s, .signer = v[3].s, .signature = v[4].s};
      if (fn(arg, &c)) continue;
      more = false;
      break;
    }
    ln_rows_free(&rows);
  }
  return true;
}
