/* migrate.c: a waiting run moved to the newest scripts.  Whether it fits is what any replay tells: the newest
** scripts are taken through its journal, strictly; they have to ask all that it knows of, waits and doubts
** that are under way among it, in the recorded order, and may then go on as they like.
**
** The move is one transaction: the snapshot is put, the row names it, with the input as its playbook declares
** it now, and an entry tells what was before.  The row's epoch grows, as if somebody had taken the run: a VM
** that somewhere still waits in memory with the old scripts finds that the run is not its own any more. */
#include "engine/migrate.h"

#include "engine/library.h"
#include "engine/replaying.h"

typedef struct moving {
  ln_engine *g;
  ln_past past;
  ln_snapshot *newest;
  ln_replay pass;
  ln_run *run;                                           /* what the pass was; NULL: it was not begun       */
  ln_str by;
  const char *result;
  ln_err why;                                            /* of one that does not fit                        */
} moving;

/* ------------------------------------------------------------------ may it be? */

static bool is_carried(const moving *m) {
  const char *owner = m->past.row.owner;
  return owner[0] && (!m->g->owner || strcmp(owner, ln_owner_id(m->g->owner)) != 0
                          ? ln_owner_alive(m->g->store, ln_str_of(owner)) : true);
}

static bool may_move(const moving *m, ln_err *err) {
  const ln_run_row *row = &m->past.row;
  if (ln_past_ended(&m->past))
    return ln_fail(err, "conflict", LN_FINAL, "run %s has ended: it keeps its scripts", row->ulid);
  if (ln_str_eq(row->state, LN_STR("cancelling")))
    return ln_fail(err, "conflict", LN_FINAL, "run %s is being cancelled", row->ulid);
  if (ln_v_get_bool(row->options, "sim", false))
    return ln_fail(err, "conflict", LN_FINAL, "run %s was made against simulators", row->ulid);
  return true;
}

void ln_migrate_path(ln_engine *g, const ln_run_row *row, ln_buf *path) {
  ln_str source, from;
  ln_err quiet;
  ln_snapshot *own = ln_snapshot_load(g, row->snapshot, &quiet);
  if (own && ln_snapshot_source(own, row->playbook, &source, &from, &quiet)) ln_buf_add(path, from);
  ln_snapshot_drop(own);
}

/* A playbook that was given by its path is looked for there. */
static ln_snapshot *newest(const moving *m, ln_err *err) {
  ln_str source, path;
  ln_err quiet;
  const ln_run_row *row = &m->past.row;
  ln_snapshot *s = ln_snapshot_take(m->g, (ln_str){NULL, 0}, err);
  if (!s || ln_v_get_bool(row->options, "call", false)) return s;
  if (ln_snapshot_source(s, row->playbook, &source, &path, &quiet)) return s;
  ln_buf file;
  ln_buf_init(&file, 1 << 14);
  ln_migrate_path(m->g, row, &file);
  ln_snapshot *beside = file.n ? ln_snapshot_take(m->g, ln_buf_view(&file), &quiet) : NULL;
  ln_buf_free(&file);
  if (!beside) return s;
  ln_snapshot_drop(s);
  return beside;
}

/* ------------------------------------------------------------------ does it fit? */

/* Not the scripts' doing. */
static bool is_ours(const ln_err *why) {
  return ln_err_is(why, "store") || (ln_err_is(why, "memory") && why->retry == LN_AGAIN);
}

static bool goes_through(moving *m, ln_err *err) {
  m->run = ln_pass(m->g, &m->past, m->newest, true, &m->pass, &m->why);
  bool fits = m->run && (m->pass.end == LN_WAITS || m->pass.end == LN_ENDS);
  if (m->run && !fits) m->why = m->pass.why;
  if (!fits && is_ours(&m->why)) return *err = m->why, false;
  m->result = fits ? "moved" : "diverges";
  return true;
}

/* It asks something that nobody knows the answer of, or comes to its end: nothing that it waited for would
** wake it for that. */
static bool goes_on(const moving *m) {
  if (m->pass.end == LN_ENDS) return true;
  for (const ln_branch *b = m->run->branches; b; b = b->next)
    if (b->state == LN_B_ASKING && b->asked && !b->asked->finished && !b->asked->record) return true;
  return false;
}

/* ------------------------------------------------------------------ the move */

static void put_fact(const moving *m, ln_buf *b) {
  bool other_input = !ln_str_eq(m->past.row.input, ln_buf_view(&m->run->input));
  size_t mark = ln_v_begin(b, 'O', other_input ? 4 : 3);
  ln_doc_text(b, "by", m->by);
  ln_doc_text(b, "from", m->past.row.snapshot);
  if (other_input) ln_doc_value(b, "input", m->past.row.input);
  ln_doc_text(b, "to", ln_str_of(ln_snapshot_hash(m->newest)));
  ln_v_end(b, mark);
}

static bool move_apply(ln_tx *tx, void *arg, ln_err *err) {
  const moving *m = arg;
  const ln_run_row *row = &m->past.row;
  ln_str to = ln_str_of(ln_snapshot_hash(m->newest)), input = ln_buf_view(&m->run->input);
  int64_t now = ln_now_ms(m->g->loop->clock);
  const ln_audit_row r = {.ms = now, .what = LN_STR("migrated"), .who = m->by, .run = row->id};
  ln_buf fact;
  if (!ln_tx_run_check(tx, row->id, ln_str_of(row->owner), row->epoch, err)) return false;
  ln_buf_init(&fact, (size_t)64 << 20);
  put_fact(m, &fact);
  bool ok = ln_buf_ok(&fact, err) && ln_snapshot_put(tx, m->newest, err) &&
            ln_tx_run_move(tx, row->id, to, input, err) &&
            ln_run_log_fact(tx, row->id, LN_STR("run.migrated"), now, ln_buf_view(&fact), err) &&
            ln_tx_segment(tx, row->id, err) && (!goes_on(m) || ln_tx_wait_call_run(tx, row->id, err)) &&
            ln_audit_one(tx, &r, "snapshot", to, err);
  ln_buf_free(&fact);
  return ok;
}

/* A VM of it that is kept in memory would only find out when it is woken. */
static void forget(ln_engine *g, int64_t id) {
  for (ln_run *r = g->state; r; r = r->next)
    if (r->id == id && r->parked && !r->waking) {
      ln_sched_unparked(r);
      ln_run_unlink(r);
      return;
    }
}

static bool move(moving *m, ln_err *err) {
  ln_err why = {0};
  if (ln_writer_run(m->g->store, move_apply, m, &why)) {
    forget(m->g, m->past.row.id);
    return true;
  }
  if (!ln_err_is(&why, "stale")) return *err = why, false;
  m->result = "busy";                                    /* somebody took it up just now */
  return true;
}

/* ------------------------------------------------------------------ what is told */

static void put_doc(const moving *m, ln_buf *b) {
  static const ln_str none = {NULL, 0};
  const ln_record *rec = m->pass.journal_side;
  const ln_asked *a = &m->pass.script_side;
  bool diverges = strcmp(m->result, "diverges") == 0;
  size_t mark = ln_v_begin(b, 'O', 9);
  ln_doc_text(b, "from", m->past.row.snapshot);
  ln_doc_text(b, "playbook", m->past.row.playbook);
  ln_doc_text(b, "result", ln_str_of(m->result));
  ln_doc_text(b, "run", ln_str_of(m->past.row.ulid));
  ln_doc_text(b, "step", !diverges ? none : rec ? rec->name : a->name ? ln_str_of(a->name) : none);
  ln_doc_text(b, "to", ln_str_of(ln_snapshot_hash(m->newest)));
  ln_doc_text(b, "was", diverges && rec ? rec->where : none);
  ln_doc_text(b, "where", diverges && a->where ? ln_str_of(a->where) : none);
  ln_doc_text(b, "why", diverges ? ln_str_of(m->why.message) : none);
  ln_v_end(b, mark);
}

static bool migrate(moving *m, ln_err *err) {
  if (!may_move(m, err) || !(m->newest = newest(m, err))) return false;
  if (ln_str_eq(m->past.row.snapshot, ln_str_of(ln_snapshot_hash(m->newest)))) m->result = "newest";
  else if (is_carried(m)) m->result = "busy";
  else if (!goes_through(m, err) || (strcmp(m->result, "moved") == 0 && !move(m, err))) return false;
  return true;
}

struct loading { moving *m; ln_err *err; bool ok; };

static bool load(void *arg, const ln_run_row *row) {
  struct loading *l = arg;
  l->ok = ln_past_load(&l->m->past, l->m->g->store, row, l->err);
  return false;
}

bool ln_migrate(ln_engine *g, ln_str which, ln_str by, ln_buf *doc, ln_err *err) {
  moving m = {.g = g, .by = by};
  struct loading l = {.m = &m, .err = err};
  bool ok = ln_store_run_find(g->store, which, load, &l, err) && l.ok && migrate(&m, err);
  if (ok) put_doc(&m, doc), ok = ln_buf_ok(doc, err);
  if (m.run) ln_pass_free(m.run, &m.pass);
  ln_snapshot_drop(m.newest);
  ln_past_free(&m.past);
  return ok;
}
