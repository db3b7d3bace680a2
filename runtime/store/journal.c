/* journal.c: what runs remember.  New entries go to the end of the log, all that a run has to say in a batch
** as one row.  When a run parks or ends, or has rows that 100,000 others came after, those are gathered into
** a segment; the log below the lowest row that some run still needs, the floor, is deleted in small steps,
** as soon as that is worth one.
** So the tail is bounded, whatever runs there are, and a run's journal is its segments in order and then its
** rows in the tail.
**
** A segment's `upto` is the highest id in it: a row of that run with a higher one is not in a segment yet.
** That, not the index in memory, decides which rows are read. */
#include "base/log.h"
#include "store/inside.h"

#include <stdlib.h>

enum {
  SEGMENT_FORMAT = 1,                                    /* entries one after the other */
  SEGMENT_BYTES = 8 << 20, /* a longer journal is several segments */
  SCAN_ROWS = 50000,                                     /* of the tail learnt in one snapshot */
  SLOT_BYTES = 4096        /* what a slot keeps from batch to batch */
};

/* --- the batch's entries --- */

static ln_log_slot *slot_of(ln_tx *tx, int64_t run, ln_err *err) {
  int64_t i;
  if (ln_map_get(&tx->slot_of, run, &i)) return &tx->slot[i];
  if (tx->slots == tx->slots_cap) {
    size_t cap = tx->slots_cap ? 2 * tx->slots_cap : 16;
    ln_log_slot *slot = realloc(tx->slot, cap * sizeof *slot);
    if (!slot) goto fail;
    for (size_t k = tx->slots_cap; k < cap; k++) ln_buf_init(&slot[k].entries, LN_ENTRIES_MAX);
    tx->slot = slot;
    tx->slots_cap = cap;
  }
  if (!ln_map_set(&tx->slot_of, run, (int64_t)tx->slots)) goto fail;
  ln_log_slot *slot = &tx->slot[tx->slots++];
  slot->run = run;
  slot->job = 0;
  slot->mark = 0;
  return slot;
fail:
  ln_fail(err, "memory", LN_AGAIN, "no memory for the journal");
  return NULL;
}

bool ln_tx_log(ln_tx *tx, int64_t run, ln_str entries, ln_err *err) {
  ln_log_slot *slot = slot_of(tx, run, err);
  if (!slot) return false;
  if (slot->job != tx->job) {
    slot->job = tx->job;
    slot->mark = slot->entries.n;
  }
  size_t was = slot->entries.n;
  if (!ln_buf_add(&slot->entries, entries)) {
    ln_buf_ok(&slot->entries, err);
    slot->entries.failed = false; /* what was there is whole */
    return false;
  }
  tx->bytes += slot->entries.n - was;
  return true;
}

void ln_log_undo(ln_tx *tx) {
  for (size_t i = 0; i < tx->slots; i++) {
    ln_log_slot *s = &tx->slot[i];
    if (s->job != tx->job || s->entries.n <= s->mark) continue;
    tx->bytes -= s->entries.n - s->mark;
    ln_buf_cut(&s->entries, s->mark);
  }
}

bool ln_log_flush(ln_tx *tx, ln_err *err) {
  for (size_t i = 0; i < tx->slots; i++) {
    ln_str entries = ln_buf_view(&tx->slot[i].entries);
    if (!entries.n) continue;
    if (!ln_conn_exec(tx->c, NULL, err, "INSERT INTO log(id, run, entries) VALUES(?, ?, ?)", "iib", tx->next,
                      tx->slot[i].run, entries))
      return false;
    tx->next++;
    tx->rows++;
  }
  return true;
}

/* When another process has written in between, its rows are read before ours are known: later, at need. */
void ln_log_learn(ln_tx *tx) {
  int64_t id = tx->next - (int64_t)tx->rows;
  if (tx->tail.end != id) return;
  for (size_t i = 0; i < tx->slots; i++)
    if (tx->slot[i].entries.n && !ln_tail_add(&tx->tail, id++, tx->slot[i].run)) return;
}

void ln_log_reset(ln_tx *tx) {
  for (size_t i = 0; i < tx->slots; i++) {
    ln_buf *b = &tx->slot[i].entries;
    if (b->cap > SLOT_BYTES) ln_buf_free(b);
    else b->n = 0;
    b->failed = false;
  }
  tx->slots = 0;
  ln_map_clear(&tx->slot_of);
}

/* What a run says later would follow on what is not there: a hole in its journal. */
void ln_log_lost(ln_tx *tx) {
  for (size_t i = 0; i < tx->slots; i++)
    if (tx->slot[i].entries.n && !ln_map_set(&tx->lost, tx->slot[i].run, 1))
      ln_log(LN_ERROR, "store.lost", "run=%lld", (long long)tx->slot[i].run);
}

/* --- segments --- */

/* Makes the tail know every row of `run` that is committed and needed (0: of all runs): a run older than our
** tail has some before it. */
static bool know(ln_tx *tx, int64_t run, ln_err *err) {
  bool whole = tx->tail_runs > 0 && run <= tx->tail_runs;
  if (whole && tx->tail.base > tx->floor) {
    ln_tail_start(&tx->tail, tx->floor);
    tx->unsure = tx->next;
  }
  int64_t from = tx->tail.base > tx->floor ? tx->tail.base : tx->floor;
  if (!ln_tail_read(&tx->tail, tx->c, from, tx->next, err)) return false;
  if (whole) tx->tail_runs = 0;
  return true;
}

static bool put_segment(ln_tx *tx, int64_t run, int64_t n, int64_t upto, ln_buf *b, ln_err *err) {
  bool ok = ln_conn_exec(tx->c, NULL, err,
                         "INSERT INTO segment(run, n, upto, format, entries) VALUES(?, ?, ?, ?, ?)", "iiiib",
                         run, n, upto, (int64_t)SEGMENT_FORMAT, ln_buf_view(b));
  ln_buf_cut(b, 0);
  return ok;
}

/* Gathers the rows `ids` of the log into segments from *n on; what is not written yet stays in b. */
static bool gather(ln_tx *tx, int64_t run, const int64_t *ids, size_t count, int64_t *n, ln_buf *b,
                   ln_err *err) {
  for (size_t i = 0; i < count; i++) {
    if (!ln_conn_bytes(tx->c, b, NULL, err, "SELECT entries FROM log WHERE id = ?", "i", ids[i]))
      return false;
    if (b->n > SEGMENT_BYTES && !put_segment(tx, run, ++*n, ids[i], b, err)) return false;
  }
  return true;
}

void ln_log_tell(ln_tx *tx, const ln_log_slot *s) {
  const ln_store_watch *w = tx->store->watch;
  if (!w || !s->entries.n) return;
  tx->told = true;
  w->commits(w->arg, s->run, ln_buf_view(&s->entries));
}

/* The run's entries in this very batch go along, and need no row in the log. */
static bool gather_batch(ln_tx *tx, int64_t run, ln_buf *b, ln_err *err) {
  int64_t i;
  if (!ln_map_get(&tx->slot_of, run, &i)) return true;
  ln_buf *mine = &tx->slot[i].entries;
  if (!ln_buf_add(b, ln_buf_view(mine))) return ln_buf_ok(b, err);
  ln_log_tell(tx, &tx->slot[i]);
  ln_buf_cut(mine, 0);
  tx->slot[i].mark = 0;
  return true;
}

static bool last_segment(ln_tx *tx, int64_t run, int64_t *n, int64_t *upto, ln_err *err) {
  int64_t last[2];
  bool found,
      ok = ln_conn_ints(tx->c, last, 2, &found, err,
                        "SELECT n, upto FROM segment WHERE run = ? ORDER BY n DESC LIMIT 1", "i", run);
  *n = last[0];
  *upto = last[1];
  return ok;
}

bool ln_tx_segment(ln_tx *tx, int64_t run, ln_err *err) {
  int64_t n, upto, *ids = NULL;
  size_t count = 0;
  if (!last_segment(tx, run, &n, &upto, err) || !know(tx, run, err)) return false;
  if (!ln_tail_of(&tx->tail, run, upto, &ids, &count))
    return ln_fail(err, "memory", LN_AGAIN, "no memory to gather a run's journal");
  ln_buf b;
  ln_buf_init(&b, SEGMENT_BYTES + 2 * (size_t)LN_ENTRIES_MAX);
  bool ok = gather(tx, run, ids, count, &n, &b, err) && gather_batch(tx, run, &b, err) &&
            (b.n == 0 || put_segment(tx, run, n + 1, tx->next - 1, &b, err));
  if (ok) ln_tail_gone(&tx->tail, run, tx->next - 1); /* a batch that fails throws the tail away */
  ln_buf_free(&b);
  free(ids);
  return ok;
}

/* --- moving the floor up --- */

/* Nobody's: its run was removed. */
static bool whose(ln_tx *tx, ln_log_slot *slot, ln_err *err) {
  int64_t one;
  bool found;
  if (!last_segment(tx, slot->run, &slot->n, &slot->upto, err)) return false;
  if (slot->n) return true;
  if (!ln_conn_ints(tx->c, &one, 1, &found, err, "SELECT 1 FROM run WHERE id = ?", "i", slot->run))
    return false;
  if (!found) slot->upto = INT64_MAX;
  return true;
}

/* A row of the log goes to its run's slot, unless a segment has it. */
static bool gather_row(ln_tx *tx, sqlite3_stmt *q, ln_err *err) {
  int64_t id = sqlite3_column_int64(q, 0), run = sqlite3_column_int64(q, 1);
  size_t slots = tx->slots;
  ln_log_slot *slot = slot_of(tx, run, err);
  if (!slot || (tx->slots > slots && !whose(tx, slot, err))) return false;
  if (id <= slot->upto) return true;
  return ln_buf_add(&slot->entries, ln_column(q, 2)) || ln_buf_ok(&slot->entries, err);
}

/* What runs have in from <= id < to, or the beginning of that when it is much, becomes segments: read in one
** go, not a run at a time. */
static bool gather_range(ln_tx *tx, int64_t from, int64_t to, ln_err *err) {
  sqlite3_stmt *q =
      ln_conn_start(tx->c, err, "SELECT id, run, entries FROM log WHERE id >= ? AND id < ?", "ii", from, to);
  bool row = false, ok = q != NULL;
  size_t bytes = 0;
  while (ok && (ok = ln_conn_step(tx->c, q, &row, err)) && row) {
    ok = gather_row(tx, q, err);
    if ((bytes += ln_column(q, 2).n) < SEGMENT_BYTES) continue;
    to = sqlite3_column_int64(q, 0) + 1;
    break;
  }
  if (q) ln_conn_end(q);
  for (size_t i = 0; ok && i < tx->slots; i++) {
    ln_log_slot *s = &tx->slot[i];
    if (s->entries.n) ok = put_segment(tx, s->run, s->n + 1, to - 1, &s->entries, err);
    if (ok) ln_tail_gone(&tx->tail, s->run, to - 1);
  }
  return ok;
}

static bool delete_front(ln_tx *tx, int64_t to, ln_err *err) {
  if (to > tx->floor + LN_TIDY_ROWS) to = tx->floor + LN_TIDY_ROWS;
  if (to <= tx->floor) return true;
  if (!ln_conn_exec(tx->c, NULL, err, "DELETE FROM log WHERE id >= ? AND id < ?", "ii", tx->floor, to))
    return false;
  tx->floor = to;
  tx->meta_changed = true;
  return true;
}

static bool tidy(ln_tx *tx, ln_err *err) {
  int64_t run;
  if (!know(tx, 0, err)) return false;
  int64_t first = ln_tail_first(&tx->tail, &run), old = tx->next - tx->store->tail_keep;
  if (old < tx->unsure) old = tx->unsure;
  if (first < old && first < tx->floor + LN_TIDY_ROWS) {
    int64_t to = first + LN_TIDY_ROWS < old ? first + LN_TIDY_ROWS : old;
    if (!gather_range(tx, first, to, err)) return false;
    first = ln_tail_first(&tx->tail, &run);
  }
  return delete_front(tx, first, err);
}

/* What nobody needs any more is deleted soon, so that whoever opens the store has little to read; to learn
** that, what lay there before is gathered once.  What is needed is gathered when it has become old. */
bool ln_tx_tidy_due(ln_tx *tx, bool idle) {
  int64_t run, rows = tx->next - tx->floor, slack = tx->store->tail_slack;
  if (rows > tx->store->tail_keep + slack && (idle || rows > LN_TAIL_MOST)) return true;
  if (tx->tail_runs > 0 || tx->floor < tx->unsure) return idle && rows >= slack;
  if (tx->tail.end != tx->next) return false; /* another process has written */
  return ln_tail_first(&tx->tail, &run) - tx->floor >= (idle ? slack : LN_TAIL_DEAD);
}

bool ln_tx_tidy(ln_tx *tx) {
  ln_err err;
  if (!ln_batch_begin(tx, &err)) return false;
  int64_t was = tx->floor;
  if (!tidy(tx, &err)) ln_batch_abort(tx);
  else if (ln_batch_commit(tx, &err)) return tx->floor > was;
  ln_log(LN_WARN, "store.tidy", "error=%s", err.message);
  return false;
}

/* --- reading a journal --- */

typedef struct cursor {
  int64_t run, n, upto; /* the last segment that was read */
  ln_buf out;
  bool end;
} cursor;

/* Learns whose rows the tail holds, a bounded number a call; at->end: all of them. */
static bool learn(ln_store *s, cursor *at, ln_err *err) {
  int64_t meta[2];
  if (!ln_conn_ints(s->reader, meta, 2, NULL, err, "SELECT floor, next FROM meta", "")) return false;
  int64_t known = s->read_tail.end > meta[0] ? s->read_tail.end : meta[0];
  at->end = meta[1] - known <= SCAN_ROWS;
  return ln_tail_read(&s->read_tail, s->reader, meta[0], at->end ? meta[1] : known + SCAN_ROWS, err);
}

static bool read_tail(ln_store *s, cursor *at, ln_err *err) {
  int64_t *ids = NULL;
  size_t count = 0;
  if (!learn(s, at, err)) return false;
  if (!at->end) return true;
  if (!ln_tail_of(&s->read_tail, at->run, at->upto, &ids, &count))
    return ln_fail(err, "memory", LN_AGAIN, "no memory to read a run's journal");
  bool ok = true;
  for (size_t i = 0; ok && i < count; i++)
    ok = ln_conn_bytes(s->reader, &at->out, NULL, err, "SELECT entries FROM log WHERE id = ?", "i", ids[i]);
  free(ids);
  return ok;
}

/* The next segment, or, when there is none, the rows in the tail: seen in one snapshot, so that what is
** gathered meanwhile is seen once. */
static bool read_part(ln_store *s, cursor *at, ln_err *err) {
  bool found = false;
  int64_t where[4];
  if (!ln_conn_ints(s->reader, where, 4, &found, err,
                    "SELECT id, n, upto, format FROM segment WHERE run = ? AND n > ? ORDER BY n LIMIT 1",
                    "ii", at->run, at->n))
    return false;
  if (!found) return read_tail(s, at, err);
  if (where[3] != SEGMENT_FORMAT)
    return ln_fail(err, "store", LN_FINAL,
                   "%s: a journal in it was written by a newer Lunette (format %lld, this one knows %d): "
                   "upgrade",
                   s->path, (long long)where[3], SEGMENT_FORMAT);
  at->n = where[1];
  at->upto = where[2];
  return ln_conn_bytes(s->reader, &at->out, NULL, err, "SELECT entries FROM segment WHERE id = ?", "i",
                       where[0]);
}

static bool next_part(ln_store *s, cursor *at, ln_err *err) {
  ln_store_lock(s);
  ln_buf_cut(&at->out, 0);
  bool ok = ln_conn_exec(s->reader, NULL, err, "BEGIN", "");
  if (ok) {
    ok = read_part(s, at, err);
    ln_err other;
    bool ended = ln_conn_exec(s->reader, NULL, ok ? err : &other, "COMMIT", "");
    ok = ok && ended;
  }
  return ln_store_unlock(s, ok);
}

bool ln_store_journal(ln_store *s, int64_t run, ln_entries_fn fn, void *arg, ln_err *err) {
  cursor at = {.run = run};
  ln_buf_init(&at.out, (size_t)1 << 30);
  bool ok = true;
  while (ok && !at.end && (ok = next_part(s, &at, err)))
    if (at.out.n && !fn(arg, ln_buf_view(&at.out))) break;
  ln_buf_free(&at.out);
  return ok;
}
