/* replay.c: a past run gone through again: a fresh VM, its scripts, its journal, and nothing else.  Every
** answer comes from the journal, in the order it has; what the journal does not know is neither started nor
** waited for, so nothing is sent and nothing is written, and it does not matter who runs that run meanwhile.
**
** A pass ends where the script ends, where the journal does (a run that waits, or was interrupted), where
** the two differ, or where the script uses up a budget. */
#include "engine/replay.h"

#include "engine/library.h"
#include "engine/replaying.h"

#include <stdio.h>
#include <stdlib.h>

/* ------------------------------------------------------------------ what a run was */

static ln_str put(ln_buf *b, ln_str s) {
  size_t at = b->n;
  ln_buf_add(b, s);
  return (ln_str){b->p + at, s.n};
}

static bool copy_row(ln_past *p, const ln_run_row *row, ln_err *err) {
  ln_run_row *c = &p->row;
  *c = *row;
  ln_str *texts[] = {&c->playbook, &c->snapshot, &c->state,   &c->outcome, &c->input,
                     &c->result,   &c->error,    &c->waiting, &c->options, &c->started_by};
  size_t n = 0, count = sizeof texts / sizeof *texts;
  for (size_t i = 0; i < count; i++) n += texts[i]->n;
  ln_buf_init(&p->texts, n + 1);
  if (!ln_buf_room(&p->texts, n)) return ln_buf_ok(&p->texts, err); /* so that it stays where it is */
  for (size_t i = 0; i < count; i++) *texts[i] = put(&p->texts, *texts[i]);
  return true;
}

/* The row first: a journal that has grown since only ends later than it says. */
bool ln_past_load(ln_past *p, ln_store *s, const ln_run_row *row, ln_err *err) {
  *p = (ln_past){.journal = NULL};
  return copy_row(p, row, err) && (p->journal = ln_journal_load(s, p->row.id, err));
}

void ln_past_free(ln_past *p) {
  ln_journal_free(p->journal);
  ln_buf_free(&p->texts);
}

bool ln_past_ended(const ln_past *p) {
  static const char *const ends[] = {"completed", "failed", "cancelled"};
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
    if (ln_str_eq(p->row.state, ln_str_of(ends[i]))) return true;
  return false;
}

/* ------------------------------------------------------------------ what was asked */

bool ln_replay_keep(ln_asked *a, const ln_effect *e) {
  a->name = ln_str_dup(ln_str_of(e->name));
  a->op = ln_str_dup(ln_str_of(e->op->name));
  a->where = ln_str_dup(ln_str_of(e->where));
  a->args = ln_str_dup(ln_buf_view(&e->args));
  a->args_n = e->args.n;
  a->cls = e->op->cls;
  a->own = e->op->own;
  a->wait_ms = e->wait_ms;
  a->lease_ms = e->lease_ms;
  a->timeout_ms = e->timeout_ms;
  memcpy(a->print, e->print, sizeof a->print);
  return a->name && a->op && a->where && a->args;
}

void ln_asked_free(ln_asked *a) {
  free(a->name);
  free(a->op);
  free(a->where);
  free(a->args);
  ln_buf_free(&a->answer);
}

static int by_name(const void *a, const void *b) {
  return strcmp((*(ln_asked *const *)a)->name, (*(ln_asked *const *)b)->name);
}

static bool sort_by_name(ln_replay *p) {
  if (!(p->by_name = calloc(p->n_asked + 1, sizeof(ln_asked *)))) return false;
  for (size_t i = 0; i < p->n_asked; i++) p->by_name[i] = &p->asked[i];
  qsort(p->by_name, p->n_asked, sizeof(ln_asked *), by_name);
  return true;
}

const ln_asked *ln_replay_find(const ln_replay *p, ln_str name) {
  size_t lo = 0, hi = p->by_name ? p->n_asked : 0;
  while (lo < hi) {
    size_t mid = (lo + hi) / 2;
    int c = ln_str_cmp(ln_str_of(p->by_name[mid]->name), name);
    if (c == 0) return p->by_name[mid];
    if (c < 0) lo = mid + 1;
    else hi = mid;
  }
  return NULL;
}

/* ------------------------------------------------------------------ what the engine tells */

/* A session may plan one line and act in the next: scripts that it has loaded by then have to see them. */
bool ln_replay_sees_opaque(const ln_run *r) {
  return r->options.plan || r->is_session || (r->replay && r->replay->opaque);
}

/* Who waits for what the journal does not tell; the oldest branch first. */
static const ln_effect *unanswered(const ln_run *r) {
  const ln_effect *e = NULL;
  for (const ln_branch *b = r->branches; b; b = b->next)
    if (b->state == LN_B_ASKING && b->asked && !b->asked->finished) e = b->asked;
  return e;
}

static void keep_script_side(ln_replay *p, const ln_effect *e) {
  ln_asked_free(&p->script_side);
  p->script_side = (ln_asked){.name = NULL};
  if (e) ln_replay_keep(&p->script_side, e); /* for want of memory less of it is shown */
}

void ln_replay_used_up(ln_run *r) {
  r->replay->end = LN_WAITS;
  keep_script_side(r->replay, unanswered(r));
  r->ending = true;
}

void ln_replay_diverged(ln_run *r, const ln_record *rec, const ln_effect *e) {
  r->replay->end = LN_DIVERGED;
  r->replay->journal_side = rec;
  keep_script_side(r->replay, e);
}

void ln_replay_ended(ln_run *r, const char *state, const char *outcome, ln_str result, ln_str error) {
  ln_replay *p = r->replay;
  ln_err err;
  p->end = LN_ENDS;
  p->state = state;
  p->outcome = outcome;
  ln_buf_add(&p->result, result);
  ln_buf_add(&p->error, error);
  if (ln_buf_ok(&p->result, &err) && ln_buf_ok(&p->error, &err)) return;
  p->end = LN_STOPPED;
  p->why = err;
}

/* ------------------------------------------------------------------ a pass */

static bool begin(ln_run *r, const ln_past *p, bool with, ln_replay *replay, ln_err *err) {
  if (!ln_run_read_row(r, &p->row)) return ln_fail(err, "memory", LN_AGAIN, "no memory for a run");
  ln_journal_rewind(r->past = p->journal);
  if (with && !r->is_call && !ln_run_coerce_again(r, err)) return false;
  if (!replay->aligned) { /* which counts anew, and plans from its start on */
    ln_run_take_fork(r);
    r->notes = (int)ln_journal_notes(r->past, "found");
    r->partial = (int)ln_journal_notes(r->past, "not_done");
  }
  r->replay = replay;
  r->pumping = true; /* no loop carries it */
  return ln_run_begin(r, err);
}

ln_run *ln_pass_begin(ln_engine *g, const ln_past *p, ln_snapshot *s, bool with, ln_replay *replay,
                      ln_err *err) {
  static const ln_run_options none;
  ln_run *r = ln_run_new(g, &none, err);
  if (!r) return NULL;
  r->scripts = ln_snapshot_keep(s);
  ln_buf_init(&replay->result, (size_t)64 << 20);
  ln_buf_init(&replay->error, 1 << 20);
  if (begin(r, p, with, replay, err)) return r;
  ln_pass_free(r, replay);
  return NULL;
}

void ln_pass_drive(ln_run *r) {
  ln_replay *replay = r->replay;
  ln_run_drive(r);
  if (r->broken && replay->end != LN_DIVERGED) replay->end = LN_STOPPED;
  if (r->broken) replay->why = r->why;
}

ln_run *ln_pass(ln_engine *g, const ln_past *p, ln_snapshot *s, bool with, ln_replay *replay, ln_err *err) {
  ln_run *r = ln_pass_begin(g, p, s, with, replay, err);
  if (!r) return NULL;
  ln_pass_drive(r);
  if (sort_by_name(replay)) return r;
  ln_fail(err, "memory", LN_AGAIN, "no memory for what a run asked");
  ln_pass_free(r, replay);
  return NULL;
}

void ln_pass_free(ln_run *r, ln_replay *p) {
  if (r) r->past = NULL, ln_run_free(r); /* the journal was lent */
  for (size_t i = 0; i < p->n_asked; i++) ln_asked_free(&p->asked[i]);
  for (size_t i = 0; i < p->n_noted; i++) free(p->noted[i].name), free(p->noted[i].data);
  for (size_t i = 0; i < p->n_blanks; i++) free(p->blanks[i].branch), free(p->blanks[i].why);
  free(p->asked);
  free(p->by_name);
  free(p->noted);
  free(p->blanks);
  free(p->spare);
  ln_asked_free(&p->script_side);
  ln_buf_free(&p->result);
  ln_buf_free(&p->error);
  memset(p, 0, sizeof *p);
}

/* ------------------------------------------------------------------ what it came to */

/* An attempt that ended for a reason that lies outside of the script's own doing leaves a journal that ends
** before the script does. */
static bool ended_from_outside(const ln_past *p) {
  static const char *const codes[] = {"cpu", "memory", "stack", "cancelled", "divergence"};
  ln_str code = ln_v_get_str(p->row.error, "code");
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    if (ln_str_eq(code, ln_str_of(codes[i]))) return true;
  return false;
}

static bool same_result(const ln_past *p, const ln_replay *x) {
  return ln_same_but_lines(p->row.result, ln_buf_view(&x->result));
}

static bool same_error(const ln_past *p, const ln_replay *x) {
  return ln_same_but_lines(p->row.error, ln_buf_view(&x->error));
}

static bool came_to_the_same(const ln_past *p, const ln_replay *x) {
  switch (x->end) {
  case LN_DIVERGED: case LN_LEFT_OFF: return false;
  case LN_STOPPED: return ln_str_eq(ln_v_get_str(p->row.error, "code"), ln_str_of(x->why.code));
  case LN_WAITS: return !ln_past_ended(p) || ended_from_outside(p);
  case LN_ENDS: break;
  }
  return !ln_past_ended(p) || (ln_str_eq(p->row.state, ln_str_of(x->state)) && same_result(p, x) &&
                               same_error(p, x) && ln_str_eq(p->row.outcome, ln_str_of(x->outcome)));
}

/* ------------------------------------------------------------------ its document */

static void put_side(ln_buf *b, ln_str name, ln_str op, ln_str where, ln_str args) {
  size_t mark = ln_v_begin(b, 'O', 4);
  ln_doc_value(b, "args", args);
  ln_doc_text(b, "name", name);
  ln_doc_text(b, "op", op);
  ln_doc_text(b, "where", where);
  ln_v_end(b, mark);
}

/* A journal holds no arguments: those are what the scripts ask that it was made by. */
static void put_journal_side(ln_buf *b, const ln_record *rec, const ln_replay *own) {
  const ln_asked *a = rec && own ? ln_replay_find(own, rec->name) : NULL;
  if (rec) put_side(b, rec->name, rec->op, rec->where, a ? (ln_str){a->args, a->args_n} : (ln_str){NULL, 0});
  else ln_v_nil(b);
}

static void put_script_side(ln_buf *b, const ln_asked *a) {
  if (a->name)
    put_side(b, ln_str_of(a->name), ln_str_of(a->op), ln_str_of(a->where), (ln_str){a->args, a->args_n});
  else ln_v_nil(b);
}

static void put_divergence(ln_buf *b, const ln_past *p, const ln_replay *x, const ln_replay *own) {
  static const char goes_on[] = "the journal ends here, and the script goes on; nothing was sent";
  bool longer = x->end == LN_WAITS && !came_to_the_same(p, x);
  ln_v_key(b, LN_STR("divergence"));
  if (x->end != LN_DIVERGED && !longer && (x->end != LN_STOPPED || came_to_the_same(p, x))) {
    ln_v_nil(b);
    return;
  }
  size_t mark = ln_v_begin(b, 'O', 3);
  ln_v_key(b, LN_STR("journal"));
  put_journal_side(b, x->journal_side, own);
  ln_v_key(b, LN_STR("script"));
  put_script_side(b, &x->script_side);
  ln_doc_text(b, "why", ln_str_of(longer ? goes_on : x->why.message));
  ln_v_end(b, mark);
}

static void put_both(ln_buf *b, const char *key, bool same, ln_str journal, ln_str script) {
  ln_v_key(b, ln_str_of(key));
  if (same) {
    ln_v_nil(b);
    return;
  }
  size_t mark = ln_v_begin(b, 'O', 2);
  ln_doc_value(b, "journal", journal);
  ln_doc_value(b, "script", script);
  ln_v_end(b, mark);
}

const char *ln_replay_end_name(const ln_replay *x) {
  switch (x->end) {
  case LN_ENDS: return x->state;
  case LN_WAITS: return "waits";
  case LN_STOPPED: return "stopped";
  case LN_DIVERGED: case LN_LEFT_OFF: break;
  }
  return "diverged";
}

static void put_doc(ln_buf *b, const ln_past *p, const ln_run *r, const ln_replay *own, const char *with) {
  const ln_replay *x = r->replay;
  bool compared = x->end == LN_ENDS && ln_past_ended(p);
  size_t mark = ln_v_begin(b, 'O', 13);
  put_divergence(b, p, x, own);
  ln_doc_text(b, "ends", ln_str_of(ln_replay_end_name(x)));
  ln_v_key(b, LN_STR("entries"));
  ln_v_int(b, (int64_t)ln_journal_entries(r->past));
  put_both(b, "error", !compared || same_error(p, x), p->row.error, ln_buf_view(&x->error));
  ln_doc_text(b, "outcome", p->row.outcome);
  ln_doc_text(b, "playbook", p->row.playbook);
  ln_v_key(b, LN_STR("replayed"));
  ln_v_int(b, (int64_t)r->past_at);
  put_both(b, "result", !compared || same_result(p, x), p->row.result, ln_buf_view(&x->result));
  ln_doc_text(b, "run", ln_str_of(p->row.ulid));
  ln_v_key(b, LN_STR("same"));
  ln_v_bool(b, came_to_the_same(p, x));
  ln_doc_text(b, "snapshot", p->row.snapshot);
  ln_doc_text(b, "state", p->row.state);
  ln_doc_text(b, "with", ln_str_of(with ? with : ""));
  ln_v_end(b, mark);
}

/* ------------------------------------------------------------------ one run */

struct loading { ln_past *past; ln_store *store; ln_err *err; bool ok; };

static bool load(void *arg, const ln_run_row *row) {
  struct loading *l = arg;
  l->ok = ln_past_load(l->past, l->store, row, l->err);
  return false;
}

static ln_snapshot *scripts_of(ln_engine *g, const ln_past *p, const char *with, ln_err *err) {
  return with ? ln_snapshot_with(g, with, err) : ln_snapshot_load(g, p->row.snapshot, err);
}

/* The arguments that the journal's side had. */
static ln_run *own_pass(ln_engine *g, const ln_past *p, ln_replay *own) {
  ln_err quiet;
  ln_snapshot *s = ln_snapshot_load(g, p->row.snapshot, &quiet);
  own->keep = true;
  ln_run *r = s ? ln_pass(g, p, s, false, own, &quiet) : NULL;
  ln_snapshot_drop(s);
  return r;
}

static bool replay(ln_engine *g, const ln_past *p, const char *with, ln_buf *doc, bool *same, ln_err *err) {
  ln_replay x = {.keep = false}, own = {.keep = false};
  ln_snapshot *s = scripts_of(g, p, with, err);
  ln_run *r = s ? ln_pass(g, p, s, with != NULL, &x, err) : NULL, *before = NULL;
  bool ok = r && (x.end != LN_STOPPED || !ln_err_is(&x.why, "store") || (*err = x.why, false));
  if (ok && with && x.end == LN_DIVERGED) before = own_pass(g, p, &own);
  if (ok) {
    *same = came_to_the_same(p, &x);
    put_doc(doc, p, r, before ? &own : NULL, with);
    ok = ln_buf_ok(doc, err);
  }
  if (before) ln_pass_free(before, &own);
  if (r) ln_pass_free(r, &x);
  ln_snapshot_drop(s);
  return ok;
}

bool ln_replay_one(ln_engine *g, ln_str which, const char *with, ln_buf *doc, bool *same, ln_err *err) {
  ln_past p = {.journal = NULL};
  struct loading l = {.past = &p, .store = g->store, .err = err};
  bool ok = ln_store_run_find(g->store, which, load, &l, err) && l.ok && replay(g, &p, with, doc, same, err);
  ln_past_free(&p);
  return ok;
}
