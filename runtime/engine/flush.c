/* flush.c: how a run's entries reach the disk.  Entries wait in the run until something must be durable,
** the run has nothing more to do, or there are many; then one job takes them all, in order.  What belongs
** in a transaction of its own (a local effect, an intent) is a job behind them.  Every job checks that the
** run is still ours.
**
** How far a run may be ahead of the disk is bounded: what the writer has not written yet is memory.
**
** A job that fails ends the attempt: the VM ran ahead of the disk, so it is thrown away, and the journal
** is what counts.  Events are told once the entries that they are about are durable. */
#include "engine/inside.h"

#include <stdlib.h>

enum { PENDING_MAX = 64 << 20, MANY = 256 << 10, AHEAD = 4 << 20, SPILL = 64 << 10, SOME = 4000 };

static const char SPILLED[] = "\x01spilled"; /* the only member of the object that names a value */

static const ln_err gone = {.code = "gone", .message = "the attempt is over"};
static const ln_err no_memory = {
    .code = "memory", .message = "no memory for a job of the writer", .retry = LN_AGAIN};

bool ln_job_gone(const ln_err *err) { return ln_err_is(err, gone.code); }

/* ------------------------------------------------------------------ values beside the entries */

static ln_spill *spill_of(ln_str data) {
  uint8_t sha[LN_SHA256];
  ln_spill *s = malloc(sizeof *s + data.n);
  if (!s || !ln_sha256(data, sha)) return free(s), NULL;
  memcpy(s->bytes, data.p, data.n);
  s->next = NULL;
  s->content = (ln_content){.bytes = {s->bytes, data.n}, .kind = LN_STR("value")};
  ln_hex(sha, sizeof sha, s->content.sha256);
  return s;
}

/* The hash that data consists of, if it is the name of a value; else {NULL, 0}. */
static ln_str named(ln_str data) {
  ln_vitem v;
  ln_str rest = data;
  bool one = ln_v_read(&rest, &v) && v.tag == 'O' && v.count == 1;
  return one ? ln_v_get_str(data, SPILLED) : (ln_str){NULL, 0};
}

ln_str ln_entry_names(const ln_entry *e) { return named(e->data); }

/* Only these are read whole by their name; of the others an index of the journal needs the members at
** hand. */
static bool may_spill(const ln_entry *e) {
  return e->kind == LN_E_DONE || e->kind == LN_E_RESULT || e->kind == LN_E_NOTE;
}

bool ln_spill_entry(ln_entry *entry, ln_buf *name, ln_spill **s) {
  *s = NULL;
  if (!may_spill(entry) || (entry->data.n <= SPILL && !named(entry->data).p)) return true;
  if (!(*s = spill_of(entry->data))) return false;
  size_t mark = ln_v_begin(name, 'O', 1);
  ln_v_key(name, ln_str_of(SPILLED));
  ln_v_str(name, ln_str_of((*s)->content.sha256));
  ln_v_end(name, mark);
  entry->data = ln_buf_view(name);
  return true;
}

bool ln_entry_data(ln_engine *g, ln_str name, ln_str data, ln_buf *hold, ln_str *whole, ln_err *err) {
  ln_str hex = named(data);
  *whole = data.n ? data : LN_STR("n"); /* nil is no data */
  if (!hex.p) return true;
  ln_buf_init(hold, PENDING_MAX);
  if (!ln_store_content_get(g->store, hex, hold, err)) {
    ln_err why = *err;
    return ln_fail(err, "store", LN_FINAL, "the value of %.*s is lost: %s", LN_STR_ARG(name), why.message);
  }
  *whole = ln_buf_view(hold);
  return true;
}

static void free_spills(ln_spill *s) {
  while (s) {
    ln_spill *next = s->next;
    free(s);
    s = next;
  }
}

/* ------------------------------------------------------------------ what is pending */

void ln_run_drop_pending(ln_run *r) {
  ln_buf_free(&r->pending);
  free_spills(r->spills);
  r->spills = NULL;
  r->pending_bytes = 0;
  ln_spans_drop(r->drafts);
  r->drafts = NULL;
}

static bool put_entry(ln_run *r, ln_entry *e) {
  ln_buf name;
  ln_spill *s = NULL;
  size_t was = r->pending.n;
  ln_buf_init(&name, 256);
  bool ok = ln_spill_entry(e, &name, &s) && ln_entry_put(&r->pending, e);
  if (ok && s) s->next = r->spills, r->spills = s;
  if (ok) r->pending_bytes += r->pending.n - was + (s ? s->content.bytes.n : 0);
  if (!ok) {
    free(s);
    ln_buf_cut(&r->pending, was);
    r->pending.failed = false; /* what was there is whole */
  }
  ln_buf_free(&name);
  return ok;
}

bool ln_run_put(ln_run *r, const ln_entry *e) {
  static const ln_err full = {
      .code = "memory", .message = "no memory for the run's entries", .retry = LN_AGAIN};
  ln_entry copy = *e;
  if (r->replay) return true;
  if (r->pending.max == 0) ln_buf_init(&r->pending, PENDING_MAX);
  if (!r->pending.n) ln_buf_room(&r->pending, SOME); /* a run mostly has some entries */
  if (!put_entry(r, &copy)) return ln_run_end_attempt(r, &full), false;
  return r->pending_bytes < MANY || ln_run_flush(r);
}

/* ------------------------------------------------------------------ jobs */

static bool put_spills(ln_tx *tx, const ln_spill *s, ln_err *err) {
  for (; s; s = s->next)
    if (!ln_tx_content_put(tx, &s->content, err)) return false;
  return true;
}

static bool flush_apply(ln_tx *tx, void *arg, ln_err *err) {
  ln_flush *f = arg;
  ln_run *r = f->run;
  if (!ln_tx_run_check(tx, r->id, ln_str_of(ln_owner_id(r->engine->owner)), r->epoch, err)) return false;
  if (f->apply) return f->apply(tx, f->arg, err);
  return put_spills(tx, f->spills, err) && ln_tx_log(tx, r->id, ln_buf_view(&f->entries), err);
}

static bool is_fatal(const ln_err *err) {
  return ln_err_is(err, "store") || ln_err_is(err, "stale") || ln_err_is(err, "memory");
}

static void flush_free(ln_flush *f) {
  ln_buf_free(&f->entries);
  free_spills(f->spills);
  ln_spans_drop(f->drafts);
  free(f);
}

static void flush_done(void *arg, const ln_err *err) {
  ln_flush *f = arg;
  ln_run *r = f->run;
  r->flushed++;
  r->ahead -= f->bytes;
  if (!r->closing && err && (is_fatal(err) || !f->done)) ln_run_end_attempt(r, err);
  bool over = r->closing || r->broken;
  if (!err) {
    ln_spans_tell(r->engine, f->drafts);
    f->drafts = NULL;
  }
  if (!over && !err) ln_run_tell(r, ln_buf_view(&f->entries));
  if (f->done) f->done(f->arg, over ? &gone : err);
  flush_free(f);
  if (r->closing) ln_run_leave(r);
  else ln_run_pump_soon(r);
}

/* For entries alone nobody waits: what the run decided on them brings a job of its own, behind them. */
static bool submit(ln_run *r, ln_flush *f) {
  bool (*to)(ln_store *s, ln_loop *back, ln_apply_fn apply, ln_done_fn done, void *arg) =
      f->apply ? ln_writer_submit : ln_writer_submit_unwaited;
  f->run = r;
  r->flushes++;
  r->ahead += f->bytes;
  if (to(r->engine->store, r->engine->loop, flush_apply, flush_done, f)) return true;
  r->flushes--;
  r->ahead -= f->bytes;
  flush_free(f);
  ln_run_end_attempt(r, &no_memory);
  return false;
}

bool ln_run_is_far_ahead(const ln_run *r) { return r->ahead >= AHEAD; }

bool ln_run_flush(ln_run *r) {
  if (!r->pending.n || r->broken) return true;
  ln_flush *f = calloc(1, sizeof *f);
  if (!f) return ln_run_end_attempt(r, &no_memory), false;
  f->entries = r->pending;
  f->spills = r->spills;
  f->drafts = r->drafts;
  f->bytes = r->pending_bytes;
  ln_buf_init(&r->pending, PENDING_MAX);
  r->spills = NULL;
  r->drafts = NULL;
  r->pending_bytes = 0;
  return submit(r, f);
}

/* A job that may be refused (a conflict, a busy entity) carries no entries: those go by a job before it. */
bool ln_run_flush_with(ln_run *r, ln_apply_fn apply, ln_done_fn done, void *arg) {
  if (r->broken || r->replay || !ln_run_flush(r)) return false;
  ln_flush *f = calloc(1, sizeof *f);
  if (!f) return ln_run_end_attempt(r, &no_memory), false;
  f->apply = apply;
  f->done = done;
  f->arg = arg;
  return submit(r, f);
}
