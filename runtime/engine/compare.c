/* compare.c: what edited playbooks would have done otherwise in past runs: what aligned.c gathered, beside
** what was recorded.
**
** A first pass, with the scripts as they were, tells what a journal does not hold: arguments, terms, and what
** was under way when it ends.  A second one, with the edited scripts, leaves off at whatever is different;
** most runs are the same, and that is all.  For the others a third goes on past what is different, with
** opaque values where nobody knows; scripts that may meet those cost more to load. */
#include "engine/library.h"
#include "engine/replay.h"
#include "engine/replaying.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* ------------------------------------------------------------------ values that are shown */

void ln_doc_value(ln_buf *b, const char *key, ln_str v) {
  ln_v_key(b, ln_str_of(key));
  if (v.n) ln_v_raw(b, v);
  else ln_v_nil(b);
}

void ln_doc_text(ln_buf *b, const char *key, ln_str v) {
  ln_v_key(b, ln_str_of(key));
  if (v.n) ln_v_str(b, v);
  else ln_v_nil(b);
}

/* Takes the folders off the path that out ends with. */
static void cut_folders(ln_buf *out) {
  size_t at = out->n;
  while (at > 0 && !strchr(" \"'(/", out->p[at - 1])) at--;
  size_t base = at;
  while (at > 0 && !strchr(" \"'(", out->p[at - 1])) at--;
  memmove(out->p + at, out->p + base, out->n - base);
  ln_buf_cut(out, at + out->n - base);
}

/* A value as a text in which the places of scripts ("scripts/a/b.lua:12") have neither folder nor line. */
static bool placeless(ln_str v, ln_buf *out) {
  static const ln_str mark = {".lua:", 5};
  ln_buf json;
  ln_json j;
  ptrdiff_t at;
  ln_buf_init(&json, (size_t)256 << 20);
  ln_buf_init(out, (size_t)256 << 20);
  ln_json_init(&j, &json);
  ln_v_to_json(v, &j);
  ln_str rest = ln_buf_view(&json);
  while ((at = ln_str_find(rest, mark)) >= 0) {
    ln_buf_add(out, (ln_str){rest.p, (size_t)at});
    if (ln_buf_failed(out)) break;
    cut_folders(out);
    ln_buf_add(out, mark);
    rest = (ln_str){rest.p + at + mark.n, rest.n - (size_t)at - mark.n};
    while (rest.n && isdigit((unsigned char)*rest.p)) rest = (ln_str){rest.p + 1, rest.n - 1};
  }
  ln_buf_add(out, rest);
  bool ok = out->p && !ln_buf_failed(&json) && !ln_buf_failed(out); /* no JSON text is empty */
  ln_buf_free(&json);
  return ok;
}

bool ln_same_but_lines(ln_str a, ln_str b) {
  ln_buf x, y;
  if (ln_str_eq(a, b)) return true;
  if (!a.n || !b.n) return false;
  bool ok = placeless(a, &x), same = placeless(b, &y) && ok && ln_str_eq(ln_buf_view(&x), ln_buf_view(&y));
  ln_buf_free(&x);
  ln_buf_free(&y);
  return same;
}

/* ------------------------------------------------------------------ a list that grows */

typedef struct list { ln_buf items; size_t n; } list;

static void list_init(list *l) {
  ln_buf_init(&l->items, (size_t)256 << 20);
  l->n = 0;
}

static void put_list(ln_buf *b, const char *key, const list *l) {
  ln_v_key(b, ln_str_of(key));
  size_t mark = ln_v_begin(b, 'A', l->n);
  ln_buf_add(b, ln_buf_view(&l->items));
  ln_v_end(b, mark);
}

/* ------------------------------------------------------------------ one run, compared */

typedef struct comparison {
  const ln_past *past;
  ln_run *run;                                           /* with the edited scripts                         */
  const ln_replay *now, *before;                         /* before NULL: not known                          */
  list effects, notes, unknown;
} comparison;

static ln_str args_of(const ln_asked *a) { return a ? (ln_str){a->args, a->args_n} : (ln_str){NULL, 0}; }

/* The collecting pass of `approved` is not what the run does: that follows. */
static bool is_tried_out(const comparison *c, ln_str name) {
  return !c->run->planning && ln_str_find(name, LN_STR("approved?")) >= 0;
}

/* Is it of a branch that ended before anybody could tell? */
static bool is_blank_over(const ln_replay *p, ln_str name) {
  for (size_t i = 0; i < p->n_blanks; i++) {
    ln_str branch = ln_str_of(p->blanks[i].branch);
    if (!branch.n || (ln_str_starts(name, branch) && name.n > branch.n && name.p[branch.n] == '/'))
      return true;
  }
  return false;
}

typedef struct change {
  const char *what, *why;
  ln_str name, op, where, was, before, after;            /* where, was: its line now, and then              */
  ln_class cls;
  const char *answer;                                    /* "recorded" "computed" "unknown"; NULL: none     */
} change;

static void put_change(list *l, const change *x) {
  ln_buf *b = &l->items;
  size_t mark = ln_v_begin(b, 'O', 10);
  ln_doc_value(b, "after", x->after);
  ln_doc_text(b, "answer", ln_str_of(x->answer));
  ln_doc_value(b, "before", x->before);
  ln_doc_text(b, "change", ln_str_of(x->what));
  ln_doc_text(b, "class", ln_str_of(ln_class_name(x->cls)));
  ln_doc_text(b, "name", x->name);
  ln_doc_text(b, "op", x->op);
  ln_doc_text(b, "was", x->was);
  ln_doc_text(b, "where", x->where);
  ln_doc_text(b, "why", ln_str_of(x->why));
  ln_v_end(b, mark);
  l->n++;
}

static const char *why_changed(const ln_asked *a, const ln_asked *then) {
  if (a->vague) return "its arguments rest on what no recorded answer tells";
  if (!a->rec) return NULL;
  if (!ln_str_eq(a->rec->op, ln_str_of(a->op))) return "it is another operation";
  if (then && ln_str_eq(args_of(then), args_of(a))) return "it shows other writes than were approved";
  return NULL;
}

static change change_of(const comparison *c, const ln_asked *a) {
  const ln_asked *then = c->before ? ln_replay_find(c->before, ln_str_of(a->name)) : NULL;
  return (change){.what = !a->rec ? "added" : a->vague ? "unknown" : "changed", .why = why_changed(a, then),
                  .name = ln_str_of(a->name), .op = ln_str_of(a->op), .cls = a->cls,
                  .where = ln_str_of(a->where), .was = a->rec ? a->rec->where : (ln_str){NULL, 0},
                  .before = args_of(then), .after = args_of(a),
                  .answer = a->own ? "computed" : a->from ? "recorded" : a->delivered ? "unknown" : NULL};
}

static void put_different(comparison *c, const ln_asked *a) {
  change x = change_of(c, a);
  put_change(&c->effects, &x);
}

static void add_term(char *out, size_t n, const char *name, int64_t then, int64_t now) {
  size_t at = strlen(out);
  if (then == now) return;
  snprintf(out + at, n - at, "%s%s was ", at ? ", " : "", name);
  at = strlen(out);
  if (then > 0) snprintf(out + at, n - at, "%.10g s", (double)then / 1000);
  else snprintf(out + at, n - at, "%s", then < 0 ? "not given" : "none");
  at = strlen(out);
  if (now > 0) snprintf(out + at, n - at, " and is %.10g s", (double)now / 1000);
  else snprintf(out + at, n - at, " and is %s", now < 0 ? "not given" : "none");
}

static void put_other_terms(comparison *c, const ln_asked *a) {
  char why[300] = "";
  const ln_asked *then = ln_replay_find(c->before, ln_str_of(a->name));
  change x = change_of(c, a);
  add_term(why, sizeof why, "lease", then->lease_ms, a->lease_ms);
  add_term(why, sizeof why, "wait", then->wait_ms, a->wait_ms);
  add_term(why, sizeof why, "timeout", then->timeout_ms, a->timeout_ms);
  x.what = "changed";
  x.why = why;
  put_change(&c->effects, &x);
}

/* A step of the author's own that came to something else. */
static void put_other_answer(comparison *c, const ln_asked *a) {
  ln_str was;
  ln_buf hold = {0};
  ln_err quiet;
  if (!ln_entry_data(c->run->engine, a->rec->name, a->rec->outcome, &hold, &was, &quiet))
    was = (ln_str){NULL, 0};
  change x = {.what = "result", .why = "it comes to something else", .name = ln_str_of(a->name),
              .op = ln_str_of(a->op), .cls = a->cls, .where = ln_str_of(a->where), .was = a->rec->where,
              .before = was, .after = ln_buf_view(&a->answer), .answer = "computed"};
  put_change(&c->effects, &x);
  ln_buf_free(&hold);
}

/* ------------------------------------------------------------------ the order of deliveries */

/* Which of n numbers are in a longest growing row of them. */
static bool *growing(const int64_t *v, size_t n) {
  bool *in = calloc(n + 1, sizeof *in);
  size_t *tail = calloc(n + 1, sizeof *tail), *prev = calloc(n + 1, sizeof *prev), len = 0;
  for (size_t i = 0; in && tail && prev && i < n; i++) {
    size_t lo = 0, hi = len;
    while (lo < hi) {
      size_t mid = (lo + hi) / 2;
      if (v[tail[mid]] < v[i]) lo = mid + 1;
      else hi = mid;
    }
    prev[i] = lo ? tail[lo - 1] : n;
    tail[lo] = i;
    if (lo == len) len++;
  }
  bool ok = in && tail && prev;
  for (size_t i = ok && len ? tail[len - 1] : n; i < n; i = prev[i]) in[i] = true;
  free(tail);
  free(prev);
  if (!ok) free(in), in = NULL;
  return in;
}

static int by_delivery(const void *a, const void *b) {
  const ln_asked *x = *(ln_asked *const *)a, *y = *(ln_asked *const *)b;
  return (x->delivered > y->delivered) - (x->delivered < y->delivered);
}

static void put_moved(comparison *c, const ln_asked *a, const ln_asked *before) {
  char why[300];
  snprintf(why, sizeof why, before ? "now it comes after %.200s" : "now it comes first",
           before ? before->name : "");
  change x = {.what = "moved", .why = why, .name = ln_str_of(a->name), .op = ln_str_of(a->op), .cls = a->cls,
              .where = ln_str_of(a->where), .was = a->rec->where, .before = args_of(a), .after = args_of(a),
              .answer = "recorded"};
  put_change(&c->effects, &x);
}

static bool put_all_moved(comparison *c, ln_err *err) {
  const ln_replay *p = c->now;
  ln_asked **v = calloc(p->n_asked + 1, sizeof(ln_asked *));
  int64_t *seq = calloc(p->n_asked + 1, sizeof *seq);
  size_t n = 0;
  for (size_t i = 0; v && i < p->n_asked; i++)
    if (p->asked[i].delivered && p->asked[i].from) v[n++] = &p->asked[i];
  if (v) qsort(v, n, sizeof *v, by_delivery);
  for (size_t i = 0; seq && i < n; i++) seq[i] = v[i]->from->seq;
  bool *in = v && seq ? growing(seq, n) : NULL, ok = in != NULL;
  for (size_t i = 0; ok && i < n; i++)
    if (!in[i] && v[i]->same && !is_tried_out(c, ln_str_of(v[i]->name)))
      put_moved(c, v[i], i ? v[i - 1] : NULL);
  free(in);
  free(seq);
  free(v);
  return ok || ln_fail(err, "memory", LN_AGAIN, "no memory to compare a run");
}

/* ------------------------------------------------------------------ effects */

static void put_gone(comparison *c, const ln_record *rec) {
  bool blank = is_blank_over(c->now, rec->name);
  change x = {.what = blank ? "unknown" : "gone",
              .why = blank ? "nobody knows whether it would come to it" : NULL,
              .name = rec->name,
              .op = rec->op,
              .cls = rec->cls,
              .was = rec->where,
              .before = c->before ? args_of(ln_replay_find(c->before, rec->name)) : (ln_str){NULL, 0}};
  put_change(&c->effects, &x);
}

static bool is_effect(const ln_record *rec) {
  return rec->fingerprint.n && !ln_str_eq(rec->name, LN_STR(LN_CANCEL_NAME));
}

static bool put_effects(comparison *c, ln_err *err) {
  const ln_replay *p = c->now;
  for (size_t i = 0; i < p->n_asked; i++) {
    const ln_asked *a = &p->asked[i];
    if (is_tried_out(c, ln_str_of(a->name))) continue;
    if (a->other_answer) put_other_answer(c, a);
    else if (a->other_terms) put_other_terms(c, a);
    else if (!a->same && !a->waits) put_different(c, a);
  }
  if (!put_all_moved(c, err)) return false;
  for (size_t i = 0; i < ln_journal_records(c->run->past); i++) {
    const ln_record *rec = ln_journal_record(c->run->past, i);
    if (is_effect(rec) && !rec->matched && !is_tried_out(c, rec->name)) put_gone(c, rec);
  }
  return true;
}

/* ------------------------------------------------------------------ notes */

typedef struct note { ln_str name, data; } note;
typedef struct notes { note *v; size_t n, cap; bool ok; } notes;

static int by_note(const void *a, const void *b) {
  return ln_str_cmp(((const note *)a)->name, ((const note *)b)->name);
}

/* What was found, not done, kept as evidence, and how stages went; not what was only logged. */
static bool take_note(void *arg, const ln_entry *e) {
  notes *w = arg;
  bool is = (e->kind == LN_E_NOTE && !ln_str_eq(e->op, LN_STR("log"))) || e->kind == LN_E_STAGE;
  if (!is) return true;
  if (w->n == w->cap) {
    size_t cap = w->cap ? 2 * w->cap : 64;
    note *v = reallocarray(w->v, cap, sizeof *v);
    if (!v) return w->ok = false;
    w->v = v;
    w->cap = cap;
  }
  w->v[w->n++] = (note){e->name, e->data};
  return true;
}

/* It says "failed" only for what nobody knows. */
static bool is_blank(const ln_replay *p, ln_str data) {
  ln_str why = ln_v_get_str(data, "why");
  for (size_t i = 0; why.n && i < p->n_blanks; i++)
    if (ln_str_eq(why, ln_str_of(p->blanks[i].why))) return true;
  return false;
}

/* As it is, or, of one that was large, as it is kept by its content; "" when that is lost. */
static ln_str recorded_note(const comparison *c, ln_str data, ln_buf *hold) {
  ln_str whole = {NULL, 0};
  ln_err quiet;
  bool known = data.n && ln_entry_data(c->run->engine, LN_STR("a note"), data, hold, &whole, &quiet);
  return known ? whole : (ln_str){NULL, 0};
}

static void put_note(comparison *c, const char *what, ln_str name, ln_str before, ln_str after) {
  ln_buf *b = &c->notes.items;
  size_t mark = ln_v_begin(b, 'O', 4);
  ln_doc_value(b, "after", after);
  ln_doc_value(b, "before", before);
  ln_doc_text(b, "change", ln_str_of(what));
  ln_doc_text(b, "name", name);
  ln_v_end(b, mark);
  c->notes.n++;
}

static void put_one_note(comparison *c, const note *then, const note *now) {
  static const ln_str none = {NULL, 0};
  ln_buf hold = {0};
  if (now && is_blank(c->now, now->data)) return;
  ln_str was = then ? recorded_note(c, then->data, &hold) : none;
  if (then && !now && !is_blank_over(c->now, then->name)) put_note(c, "gone", then->name, was, none);
  else if (now && !then) put_note(c, "added", now->name, none, now->data);
  else if (now && !ln_same_but_lines(was, now->data)) put_note(c, "changed", now->name, was, now->data);
  ln_buf_free(&hold);
}

static void merge_notes(comparison *c, const notes *then, const notes *now) {
  size_t i = 0, k = 0;
  while (i < then->n || k < now->n) {
    int order = i == then->n ? 1 : k == now->n ? -1 : ln_str_cmp(then->v[i].name, now->v[k].name);
    put_one_note(c, order <= 0 ? &then->v[i] : NULL, order >= 0 ? &now->v[k] : NULL);
    i += order <= 0;
    k += order >= 0;
  }
}

static bool put_notes(comparison *c, ln_err *err) {
  notes then = {.ok = true}, now = {.ok = true};
  ln_journal_each(c->run->past, take_note, &then);
  for (size_t i = 0; i < c->now->n_noted && now.ok; i++) {
    const ln_noted *n = &c->now->noted[i];
    const ln_entry e = {.kind = LN_E_STAGE, /* what was only logged is not among them */
                        .name = ln_str_of(n->name), .data = {n->data, n->n}};
    take_note(&now, &e);
  }
  bool ok = then.ok && now.ok;
  if (then.n) qsort(then.v, then.n, sizeof(note), by_note);
  if (now.n) qsort(now.v, now.n, sizeof(note), by_note);
  if (ok) merge_notes(c, &then, &now);
  free(then.v);
  free(now.v);
  return ok || ln_fail(err, "memory", LN_AGAIN, "no memory to compare a run");
}

/* ------------------------------------------------------------------ how it ends */

typedef struct ending { ln_str state, outcome, result, error; } ending;

static ending recorded_end(const ln_past *p) {
  if (!ln_past_ended(p)) return (ending){.state = LN_STR("waits")};
  return (ending){p->row.state, p->row.outcome, p->row.result, p->row.error};
}

static bool is_blank_root(const ln_replay *p) {
  for (size_t i = 0; i < p->n_blanks; i++)
    if (!p->blanks[i].branch[0]) return true;
  return false;
}

static ending end_of(const ln_replay *p) {
  switch (p->end) {
  case LN_ENDS:
    if (is_blank_root(p)) break;
    return (ending){ln_str_of(p->state), ln_str_of(p->outcome), ln_buf_view(&p->result),
                    ln_buf_view(&p->error)};
  case LN_WAITS: return (ending){.state = LN_STR("waits")};
  case LN_STOPPED: return (ending){.state = ln_str_of(p->why.code)};
  case LN_DIVERGED: case LN_LEFT_OFF: break;
  }
  return (ending){.state = LN_STR("unknown")};
}

static bool same_end(const ending *a, const ending *b) {
  return ln_str_eq(a->state, b->state) && ln_str_eq(a->outcome, b->outcome) &&
         ln_same_but_lines(a->result, b->result) && ln_same_but_lines(a->error, b->error);
}

static void put_end(ln_buf *b, const char *key, const ending *e) {
  ln_v_key(b, ln_str_of(key));
  size_t mark = ln_v_begin(b, 'O', 4);
  ln_doc_value(b, "error", e->error);
  ln_doc_text(b, "outcome", e->outcome);
  ln_doc_value(b, "result", e->result);
  ln_doc_text(b, "state", e->state);
  ln_v_end(b, mark);
}

/* ------------------------------------------------------------------ the document */

static void put_blanks(comparison *c) {
  for (size_t i = 0; i < c->now->n_blanks; i++) {
    ln_buf *b = &c->unknown.items;
    size_t mark = ln_v_begin(b, 'O', 2);
    ln_doc_text(b, "branch", ln_str_of(c->now->blanks[i].branch));
    ln_doc_text(b, "why", ln_str_of(c->now->blanks[i].why));
    ln_v_end(b, mark);
    c->unknown.n++;
  }
}

static void put_doc(ln_buf *b, const comparison *c, const ending *before, const ending *after,
                    const char *why) {
  const ln_past *p = c->past;
  bool ends_same = !before || !after || same_end(before, after);
  size_t mark = ln_v_begin(b, 'O', 11);
  put_list(b, "effects", &c->effects);
  ln_v_key(b, LN_STR("end"));
  if (ends_same) ln_v_nil(b);
  size_t end = ends_same ? 0 : ln_v_begin(b, 'O', 2);
  if (!ends_same) put_end(b, "after", after), put_end(b, "before", before), ln_v_end(b, end);
  ln_v_key(b, LN_STR("entries"));
  ln_v_int(b, p->journal ? (int64_t)ln_journal_entries(p->journal) : 0);
  put_list(b, "notes", &c->notes);
  ln_doc_text(b, "playbook", p->row.playbook);
  ln_doc_text(b, "run", ln_str_of(p->row.ulid));
  ln_v_key(b, LN_STR("same"));
  ln_v_bool(b, !why && ends_same && !c->effects.n && !c->notes.n && !c->unknown.n);
  ln_doc_text(b, "snapshot", p->row.snapshot);
  ln_doc_text(b, "state", p->row.state);
  put_list(b, "unknown", &c->unknown);
  ln_doc_text(b, "why", ln_str_of(why));
  ln_v_end(b, mark);
}

/* Compares the pass that `now` was.  False: err. */
static bool compare(comparison *c, const ln_past *p, const ln_replay *before, ln_run *run, ln_buf *doc,
                    ln_err *err) {
  c->past = p;
  c->before = before;
  c->run = run;
  c->now = run->replay;
  ending then = before && before->end != LN_DIVERGED ? end_of(before) : recorded_end(p), now = end_of(c->now);
  if (!put_effects(c, err) || !put_notes(c, err)) return false;
  put_blanks(c);
  put_doc(doc, c, &then, &now, NULL);
  return ln_buf_ok(doc, err);
}

static void comparison_free(comparison *c) {
  ln_buf_free(&c->effects.items);
  ln_buf_free(&c->notes.items);
  ln_buf_free(&c->unknown.items);
}

static comparison comparison_new(void) {
  comparison c = {.past = NULL};
  list_init(&c.effects);
  list_init(&c.notes);
  list_init(&c.unknown);
  return c;
}

/* ------------------------------------------------------------------ the passes */

/* Not the script's doing, as a used-up budget is. */
static bool is_ours(const ln_err *err) {
  return ln_err_is(err, "store") || (ln_err_is(err, "memory") && err->retry == LN_AGAIN);
}

typedef struct comparing {                               /* of many runs                                    */
  ln_engine *g;
  const char *folder;
  ln_snapshot *edited, *own;                             /* own: of the last run, kept for the next         */
  int64_t left;
  ln_replay_fn fn;
  void *arg;
  bool ok;
  ln_err *err;
} comparing;

static bool says_same(ln_str doc) { return ln_v_get_bool(doc, "same", false); }

static ln_snapshot *own_scripts(comparing *w, const ln_past *p, ln_err *err) {
  if (w->own && ln_str_eq(ln_str_of(ln_snapshot_hash(w->own)), p->row.snapshot)) return w->own;
  ln_snapshot_drop(w->own);
  return w->own = ln_snapshot_load(w->g, p->row.snapshot, err);
}

/* The edited scripts do not even begin the run: a syntax error, an input that is missing. */
static bool not_begun(const ln_past *p, const ln_err *why, ln_buf *doc, ln_err *err) {
  comparison c = comparison_new();
  ln_buf error;
  ln_buf_init(&error, 1 << 20);
  lnL_error_encode(why, (ln_str){NULL, 0}, (ln_str){NULL, 0}, &error);
  ending then = recorded_end(p), now = {.state = LN_STR("not begun"), .error = ln_buf_view(&error)};
  c.past = p;
  put_doc(doc, &c, &then, &now, NULL);
  comparison_free(&c);
  ln_buf_free(&error);
  return ln_buf_ok(doc, err);
}

/* One pass with the edited scripts, compared.  False: err, or nothing, of one that left off at a change. */
static bool pass_and_compare(comparing *w, const ln_past *p, ln_replay *x, ln_buf *doc, ln_err *err) {
  ln_err why = {0};
  ln_run *r = ln_pass(w->g, p, w->edited, true, x, &why);
  bool ok = r != NULL;
  if (r && x->end == LN_STOPPED && is_ours(&x->why)) *err = x->why, ok = false;
  else if (r && x->probing && x->end == LN_LEFT_OFF) ok = false;
  if (ok) {
    comparison c = comparison_new();
    ok = compare(&c, p, x->before, r, doc, err);
    comparison_free(&c);
  } else if (!r) {
    ok = is_ours(&why) ? (*err = why, false) : not_begun(p, &why, doc, err);
  }
  if (r) ln_pass_free(r, x);
  return ok;
}

static bool compare_run(comparing *w, const ln_past *p, ln_buf *doc, ln_err *err) {
  ln_err quiet = {0};
  ln_replay own = {.keep = true};
  ln_snapshot *s = own_scripts(w, p, &quiet);
  ln_run *before = s ? ln_pass(w->g, p, s, false, &own, &quiet) : NULL;
  ln_replay probe = {.keep = true, .aligned = true, .probing = true, .before = before ? &own : NULL};
  ln_replay whole = {.keep = true, .aligned = true, .opaque = true, .before = probe.before};
  bool ok = pass_and_compare(w, p, &probe, doc, err) && says_same(ln_buf_view(doc));
  if (!ok) {
    ln_buf_cut(doc, 0);
    ok = pass_and_compare(w, p, &whole, doc, err);
  }
  if (before) ln_pass_free(before, &own);
  return ok;
}

/* A run that cannot be compared is said to be so, and the next one follows. */
static bool unreadable(const ln_past *p, const ln_err *why, ln_buf *doc, ln_err *err) {
  comparison c = comparison_new();
  c.past = p;
  ln_buf_cut(doc, 0);
  doc->failed = doc->full = false;
  put_doc(doc, &c, NULL, NULL, why->message);
  comparison_free(&c);
  return ln_buf_ok(doc, err);
}

static bool compare_one(comparing *w, const ln_run_row *row, ln_buf *doc) {
  ln_past p;
  ln_err why;
  bool ok = ln_past_load(&p, w->g->store, row, &why) && compare_run(w, &p, doc, &why);
  if (!ok) ok = unreadable(&p, &why, doc, w->err);
  ln_past_free(&p);
  return ok;
}

/* ------------------------------------------------------------------ many runs */

static bool is_in_folder(comparing *w, const ln_run_row *row) {
  ln_str source, path, folder = ln_str_of(w->folder);
  ln_err quiet;
  return !ln_v_get_bool(row->options, "call", false) &&
         ln_snapshot_source(w->edited, row->playbook, &source, &path, &quiet) &&
         ln_str_starts(path, folder) && path.p[folder.n] == '/';
}

static bool each_row(void *arg, const ln_run_row *row) {
  comparing *w = arg;
  ln_buf doc;
  if (!is_in_folder(w, row)) return true;
  ln_buf_init(&doc, (size_t)1 << 30);
  w->ok = compare_one(w, row, &doc);
  bool more = w->ok && w->fn(w->arg, ln_buf_view(&doc), says_same(ln_buf_view(&doc))) && --w->left != 0;
  ln_buf_free(&doc);
  return more;
}

bool ln_replay_each(ln_engine *g, const char *with, int64_t last, ln_replay_fn fn, void *arg, ln_err *err) {
  static const ln_run_query all;
  comparing w = {.g = g, .folder = with, .left = last, .fn = fn, .arg = arg, .ok = true, .err = err};
  if (!(w.edited = ln_snapshot_with(g, with, err))) return false;
  bool ok = ln_store_runs(g->store, &all, each_row, &w, err) && w.ok;
  ln_snapshot_drop(w.edited);
  ln_snapshot_drop(w.own);
  return ok;
}
