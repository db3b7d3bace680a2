/* tail.c: the index that the log does not have.  One record an id, in an array, each pointing back to the
** row of the same run before it; a map holds where each run's chain begins.  It is built by one scan of the
** tail and then kept up, and it may be thrown away at any time: the log is the truth, and a segment's `upto`
** says which of a run's rows are needed no more. */
#include "store/tail.h"

#include <stdlib.h>

void ln_tail_start(ln_tail *t, int64_t id) {
  ln_map_clear(&t->last);
  t->base = t->end = t->first = id;
}

void ln_tail_free(ln_tail *t) {
  ln_map_free(&t->last);
  free(t->row);
  *t = (ln_tail){0};
}

/* Room for ids up to and including id.  What lies below `first` goes first, when it is half of it. */
static bool room(ln_tail *t, int64_t id) {
  if ((size_t)(id - t->base) < t->cap) return true;
  size_t dead = (size_t)(t->first - t->base), n = (size_t)(t->end - t->base);
  if (dead > 0 && 2 * dead >= n) {
    memmove(t->row, t->row + dead, (n - dead) * sizeof *t->row);
    t->base = t->first;
  }
  size_t need = (size_t)(id - t->base) + 1, cap = t->cap ? t->cap : 64;
  if (need <= t->cap) return true;
  while (cap < need && cap < SIZE_MAX / 2 / sizeof *t->row) cap *= 2;
  ln_tail_row *row = cap < need ? NULL : realloc(t->row, cap * sizeof *row);
  if (!row) return false;
  t->row = row;
  t->cap = cap;
  return true;
}

bool ln_tail_add(ln_tail *t, int64_t id, int64_t run) {
  int64_t last = 0;
  if (!room(t, id)) goto fail;
  while (t->end < id) t->row[t->end++ - t->base] = (ln_tail_row){0, 0};
  bool known = ln_map_get(&t->last, run, &last) && last >= t->base && id - last <= UINT32_MAX;
  if (!ln_map_set(&t->last, run, id)) goto fail;
  t->row[id - t->base] = (ln_tail_row){run, known ? (uint32_t)(id - last) : 0};
  t->end = id + 1;
  return true;
fail:
  ln_tail_start(t, 0); /* it would have a hole */
  return false;
}

void ln_tail_gone(ln_tail *t, int64_t run, int64_t upto) {
  int64_t id;
  if (!ln_map_get(&t->last, run, &id)) return;
  if (id <= upto) ln_map_drop(&t->last, run);
  while (id >= t->base) {
    ln_tail_row *r = &t->row[id - t->base];
    uint32_t back = r->back;
    if (id <= upto) *r = (ln_tail_row){0, 0};
    if (!back) break;
    if (id > upto && id - back <= upto) r->back = 0;
    id -= back;
  }
}

/* Ids below are not needed. */
static void cut_tail(ln_tail *t, int64_t floor) {
  if (floor > t->end) floor = t->end;
  for (int64_t id = t->first; id < floor; id++) {
    int64_t last, run = t->row[id - t->base].run;
    if (run && ln_map_get(&t->last, run, &last) && last < floor) ln_map_drop(&t->last, run);
    t->row[id - t->base] = (ln_tail_row){0, 0};
  }
  if (floor > t->first) t->first = floor;
}

int64_t ln_tail_first(ln_tail *t, int64_t *run) {
  while (t->first < t->end && !t->row[t->first - t->base].run) t->first++;
  *run = t->first < t->end ? t->row[t->first - t->base].run : 0;
  return t->first;
}

/* The id before `id` in its chain, or 0. */
static int64_t before(const ln_tail *t, int64_t id) {
  uint32_t back = t->row[id - t->base].back;
  return back && id - back >= t->first ? id - back : 0;
}

bool ln_tail_of(const ln_tail *t, int64_t run, int64_t after, int64_t **ids, size_t *n) {
  int64_t last;
  *ids = NULL;
  *n = 0;
  if (!ln_map_get(&t->last, run, &last) || last < t->first) return true;
  for (int64_t id = last; id > after; id = before(t, id)) ++*n;
  if (!*n) return true;
  if (!(*ids = malloc(*n * sizeof **ids))) return false;
  size_t i = *n;
  for (int64_t id = last; id > after; id = before(t, id)) (*ids)[--i] = id;
  return true;
}

bool ln_tail_read(ln_tail *t, ln_conn *c, int64_t floor, int64_t next, ln_err *err) {
  if (!t->end || t->base > floor || t->end < floor) ln_tail_start(t, floor);
  cut_tail(t, floor);
  if (t->end >= next) return true;
  sqlite3_stmt *q =
      ln_conn_start(c, err, "SELECT id, run FROM log WHERE id >= ? AND id < ?", "ii", t->end, next);
  bool row = false, ok = q != NULL;
  while (ok && (ok = ln_conn_step(c, q, &row, err)) && row)
    ok = ln_tail_add(t, sqlite3_column_int64(q, 0), sqlite3_column_int64(q, 1)) ||
         ln_fail(err, "memory", LN_AGAIN, "no memory to read the journal's tail");
  if (q) ln_conn_end(q);
  if (ok && room(t, next - 1)) { /* nothing lies between the last row and next */
    while (t->end < next) t->row[t->end++ - t->base] = (ln_tail_row){0, 0};
    return true;
  }
  ln_tail_start(t, 0);
  return ok ? ln_fail(err, "memory", LN_AGAIN, "no memory to read the journal's tail") : false;
}
