/* archive.c: one run into another store: its row, its journal as segments, its ledger, its questions,
** the values beside its entries, and the scripts that it was begun with.  All of it is one transaction
** of the archive's; a run keeps its ULID there, and its questions their numbers where those are free. */
#include "engine/prune.h"

#include "engine/inside.h"
#include "engine/library.h"

#include <stdlib.h>

typedef struct moving {
  ln_engine *g;
  ln_store *archive;
  ln_tx *to;
  ln_err *err;
  int64_t id; /* in the archive */
  char parent[LN_ULID + 1], root[LN_ULID + 1];
  ln_buf *names;
  bool ok, there;
} moving;

/* ------------------------------------------------------------------ the row */

static bool copy_ulid(void *arg, const ln_run_row *row) {
  memcpy(arg, row->ulid, LN_ULID + 1);
  return false;
}

/* The id that a run of ours has in the archive. */
static bool id_there(moving *m, int64_t run, int64_t *id) {
  char ulid[LN_ULID + 1] = "";
  return ln_store_run_get(m->g->store, run, copy_ulid, ulid, m->err) &&
         ln_tx_run_called(m->to, ln_str_of(ulid), id, m->err);
}

static bool copy_finished(void *arg, const ln_run_row *row) {
  *(int64_t *)arg = row->finished_ms;
  return false;
}

/* It is there when an earlier attempt died before the run was removed here.  With another end it is one of
** another time, of before a restore, and makes room. */
static bool make_room(moving *m, const ln_run_row *row) {
  int64_t id, finished = 0;
  ln_err none = {0};
  if (!ln_tx_run_called(m->to, ln_str_of(row->ulid), &id, &none)) {
    if (ln_err_is(&none, "not_found")) return true;
    *m->err = none;
    return false;
  }
  if (!ln_store_run_get(m->archive, id, copy_finished, &finished, m->err)) return false;
  m->there = finished == row->finished_ms;
  return m->there || ln_tx_run_remove(m->to, id, m->err);
}

static bool put_row(void *arg, const ln_run_row *row) {
  moving *m = arg;
  ln_run_row copy = *row;
  copy.owner[0] = '\0';
  if (!(m->ok = make_room(m, row)) || m->there) return false;
  m->ok = (!row->parent || id_there(m, row->parent, &copy.parent));
  if (!row->parent) copy.root = 0;
  else m->ok = m->ok && id_there(m, row->root, &copy.root);
  m->ok =
      m->ok && ln_tx_run_create(m->to, &copy, m->err) && ln_snapshot_copy(m->g, row->snapshot, m->to, m->err);
  m->id = copy.id;
  return false;
}

/* ------------------------------------------------------------------ the journal, and what is beside it */

static bool put_value(moving *m, ln_str name) {
  ln_buf bytes;
  ln_err lost = {0};
  ln_content c = {.kind = LN_STR("value")};
  ln_buf_init(&bytes, (size_t)1 << 30);
  snprintf(c.sha256, sizeof c.sha256, "%.*s", LN_STR_ARG(name));
  bool found = ln_store_content_get(m->g->store, name, &bytes, &lost);
  c.bytes = ln_buf_view(&bytes);
  bool ok = found ? ln_tx_content_put(m->to, &c, m->err) : ln_err_is(&lost, "not_found");
  if (!ok && !found) *m->err = lost;
  ln_buf_free(&bytes);
  return ok && (ln_buf_add(m->names, name) || ln_buf_ok(m->names, m->err));
}

static bool put_entries(void *arg, ln_str entries) {
  moving *m = arg;
  ln_entry e;
  m->ok = ln_tx_log(m->to, m->id, entries, m->err) && ln_tx_segment(m->to, m->id, m->err);
  while (m->ok && entries.n && ln_entry_read(&entries, &e))
    if (ln_entry_names(&e).n) m->ok = put_value(m, ln_entry_names(&e));
  return m->ok;
}

/* ------------------------------------------------------------------ ledger and questions */

/* Whoever took it back may come into the archive later, or never: that it was taken back is known all
** the same. */
static bool put_lifted(moving *m, const ln_hold *h) {
  int64_t by;
  ln_err none = {0};
  if (!h->lifted_by[0]) return true;
  if (!ln_tx_run_called(m->to, ln_str_of(h->lifted_by), &by, &none)) by = -1;
  if (none.code[0] && !ln_err_is(&none, "not_found")) return *m->err = none, false;
  return ln_tx_hold_lift(m->to, m->id, h->step, by, m->err);
}

static bool put_hold(void *arg, const ln_hold *h) {
  moving *m = arg;
  ln_hold copy = *h;
  copy.run = m->id;
  return m->ok = ln_tx_hold_begin(m->to, &copy, m->err) && put_lifted(m, h);
}

static bool put_approval(void *arg, const ln_approval *a) {
  moving *m = arg;
  ln_approval copy = *a;
  copy.run = m->id;
  return m->ok = ln_tx_approval_add(m->to, &copy, m->err);
}

static bool add_name(void *arg, ln_str name) { return ln_buf_add(arg, name); }

bool ln_archive_run(ln_engine *g, int64_t run, ln_store *archive, ln_tx *to, ln_buf *names, ln_err *err) {
  moving m = {.g = g, .archive = archive, .to = to, .err = err, .names = names, .ok = true};
  ln_hold_query q = {.run = run, .all = true};
  if (!ln_store_run_get(g->store, run, put_row, &m, err) || !m.ok) return false;
  if (m.there) return ln_names_of(g, run, add_name, names, err) && ln_buf_ok(names, err);
  return ln_store_journal(g->store, run, put_entries, &m, err) && m.ok &&
         ln_store_holds(g->store, &q, put_hold, &m, err) && m.ok &&
         ln_store_approvals(g->store, run, false, put_approval, &m, err) && m.ok;
}

/* ------------------------------------------------------------------ which values are named */

typedef struct naming {
  ln_name_fn fn;
  void *arg;
} naming;

static bool name_entries(void *arg, ln_str entries) {
  naming *n = arg;
  ln_entry e;
  while (entries.n && ln_entry_read(&entries, &e))
    if (ln_entry_names(&e).n && !n->fn(n->arg, ln_entry_names(&e))) return false;
  return true;
}

bool ln_names_of(ln_engine *g, int64_t run, ln_name_fn fn, void *arg, ln_err *err) {
  naming n = {fn, arg};
  return ln_store_journal(g->store, run, name_entries, &n, err);
}
