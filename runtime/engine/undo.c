/* undo.c: taking back what was done, as people ask for it: what a run did, and which of it can be taken back;
** the runs that do it (stdlib/ledger: each act is a write by lift.c); whom a name means; and leases that are
** prolonged.  Who asked, and why, is on record in the transaction that makes the run. */
#include "engine/inside.h"

#include <stdio.h>
#include <stdlib.h>

static void put_text(ln_buf *b, const char *key, ln_str s) {
  ln_v_key(b, ln_str_of(key));
  ln_v_str(b, s);
}

/* ------------------------------------------------------------------ what a run did */

typedef struct act {
  int64_t at_ms;
  size_t order, from, n;                                 /* its encoded value, within acts.text             */
} act;

typedef struct row { char *step; ln_hold h; char *texts; struct row *next; } row;

typedef struct acts {
  ln_engine *g;
  act *v;
  size_t n, cap;
  ln_buf text;
  row *rows;                                             /* of the run at hand                              */
  char ulid[LN_ULID + 1];                                /* of the one at hand                              */
  int64_t first, line;                                   /* line: of the first, a session, that one alone   */
  ln_err *err;
} acts;

static void rows_free(acts *a) {
  while (a->rows) {
    row *r = a->rows;
    a->rows = r->next;
    free(r->texts);
    free(r);
  }
}

static ln_str move_text(char **at, ln_str s) {
  ln_str kept = {*at, s.n};
  if (s.n) memcpy(*at, s.p, s.n);
  *at += s.n;
  return kept;
}

static bool keep_row(void *arg, const ln_hold *h) {
  acts *a = arg;
  row *r = calloc(1, sizeof *r);
  ln_str from[] = {h->step, h->entity, h->facet, h->state, h->before, h->status, h->undo, h->verdict};
  size_t n = 1;
  for (size_t i = 0; i < sizeof from / sizeof *from; i++) n += from[i].n;
  char *at = r ? r->texts = malloc(n) : NULL;
  if (!at) return free(r), ln_fail(a->err, "memory", LN_AGAIN, "no memory for what a run holds");
  for (size_t i = 0; i < sizeof from / sizeof *from; i++) from[i] = move_text(&at, from[i]);
  r->h = (ln_hold){.step = from[0], .entity = from[1], .facet = from[2], .state = from[3], .before = from[4],
                   .status = from[5], .undo = from[6], .verdict = from[7]};
  r->next = a->rows;
  a->rows = r;
  return true;
}

static const ln_hold *hold_of(const acts *a, ln_str step) {
  for (const row *r = a->rows; r; r = r->next)
    if (ln_str_eq(r->h.step, step)) return &r->h;
  return NULL;
}

/* Did it happen, or may it have?  What was so already is told, too. */
static bool is_act(const ln_record *c) {
  static const char *const states[] = {"done", "unchanged", "joined", "pending"};
  if (c->cls != LN_WRITE || c->planned) return false;
  if (!c->has_result) return c->in_doubt;
  for (size_t i = 0; i < sizeof states / sizeof *states; i++)
    if (ln_str_eq(c->state, ln_str_of(states[i]))) return true;
  return false;
}

static const char *why_of(const acts *a, ln_str op) {
  const ln_op *o = a->g->find_op ? a->g->find_op(a->g, op) : NULL;
  return o && o->undo_why && o->undo_why[0] ? o->undo_why : "nothing is known that takes it back";
}

/* NULL: there is nothing left of it. */
static const char *how_of(const acts *a, const ln_record *c, const ln_hold *h, ln_str *undo,
                          const char **why) {
  ln_vitem v;
  ln_str rest = h ? h->undo : (ln_str){NULL, 0};
  bool gone = h && ln_str_eq(h->status, LN_STR("released"));
  *why = NULL;
  if (gone) return NULL;
  if ((h && ln_str_eq(h->status, LN_STR("foreign"))) || (!h && ln_str_eq(c->state, LN_STR("unchanged"))))
    return *why = "it was so before", "foreign";
  if (h && ln_str_eq(h->status, LN_STR("doubt")))
    return *why = "whether it happened is not known: lunette resume --did or --did-not says so", "cannot";
  if (rest.n && ln_v_read(&rest, &v) && ln_v_get_str(v.whole, "op").n) return *undo = v.whole, "lift";
  *why = h && h->undo.n ? "it is not finished" : why_of(a, c->op);
  return h ? "cannot" : "note";
}

static bool add_act(acts *a, const ln_record *c, size_t order) {
  const ln_hold *h = hold_of(a, c->name);
  ln_str undo = {NULL, 0}, about = ln_v_get_str(c->intent, "entity").n ? c->intent : c->asked;
  const char *why, *how = how_of(a, c, h, &undo, &why);
  ln_vitem names = {0};
  if (!how) return true;
  if (a->n == a->cap) {
    size_t cap = a->cap ? 2 * a->cap : 32;
    act *more = realloc(a->v, cap * sizeof *more);
    if (!more) return ln_fail(a->err, "memory", LN_AGAIN, "no memory for what a run did");
    a->v = more;
    a->cap = cap;
  }
  ln_str entity = h ? h->entity : ln_v_get_str(about, "entity");
  ln_v_get(about, LN_STR("names"), &names);
  ln_str label = ln_label_of(names.whole, entity);
  act *one = &a->v[a->n++];
  *one = (act){.at_ms = c->has_result ? c->done_ms : c->intent_ms, .order = order, .from = a->text.n};
  size_t mark = ln_v_begin(&a->text, 'O', 10 + (label.n > 0) + (undo.n > 0) + (why != NULL));
  ln_v_key(&a->text, LN_STR("at")), ln_v_int(&a->text, one->at_ms / 1000);
  put_text(&a->text, "before", h ? h->before : (ln_str){NULL, 0});
  put_text(&a->text, "entity", entity);
  put_text(&a->text, "facet", h ? h->facet : ln_v_get_str(about, "facet"));
  put_text(&a->text, "how", ln_str_of(how));
  if (label.n) put_text(&a->text, "label", label);
  put_text(&a->text, "op", c->op);
  put_text(&a->text, "run", ln_str_of(a->ulid));
  put_text(&a->text, "state", h ? h->state : ln_v_get_str(about, "to"));
  put_text(&a->text, "step", c->name);
  if (undo.n) ln_v_key(&a->text, LN_STR("undo")), ln_v_raw(&a->text, undo);
  put_text(&a->text, "verdict", h ? h->verdict : (ln_str){NULL, 0});
  if (why) put_text(&a->text, "why", ln_str_of(why));
  ln_v_end(&a->text, mark);
  one->n = a->text.n - one->from;
  return ln_buf_ok(&a->text, a->err);
}

static bool has_ended(ln_str state) {
  return ln_str_eq(state, LN_STR("completed")) || ln_str_eq(state, LN_STR("failed")) ||
         ln_str_eq(state, LN_STR("cancelled"));
}

/* A session goes on after each of its lines; its steps are named "LINE/…". */
static bool is_of_line(const acts *a, ln_str step) {
  char digits[LN_INT_TEXT];
  ln_str line = ln_str_int(a->line, digits);
  return !a->line || (ln_str_starts(step, line) && step.n > line.n && step.p[line.n] == '/');
}

static bool may_be_taken(const acts *a, const ln_run_row *r) {
  return has_ended(r->state) || (a->line && ln_v_get_bool(r->options, "session", false));
}

static bool acts_of_run(void *arg, const ln_run_row *r) {
  acts *a = arg;
  ln_hold_query q = {.run = r->id, .all = true};
  ln_journal *j = NULL;
  memcpy(a->ulid, r->ulid, sizeof a->ulid);
  if (a->line && r->id != a->first) return true;
  bool ok = may_be_taken(a, r) ||
            ln_fail(a->err, "conflict", LN_FINAL,
                    "run %s has not ended: lunette cancel %s, and then take back what it did", r->ulid,
                    r->ulid);
  if (ln_v_get_bool(r->options, "plan", false)) return ok;
  ok = ok && ln_store_holds(a->g->store, &q, keep_row, a, a->err) && !a->err->code[0] &&
       (j = ln_journal_load(a->g->store, r->id, a->err)) != NULL;
  for (size_t i = 0; ok && i < ln_journal_records(j); i++) {
    const ln_record *c = ln_journal_record(j, i);
    if (is_act(c) && is_of_line(a, c->name)) ok = add_act(a, c, i);
  }
  ln_journal_free(j);
  rows_free(a);
  return ok;
}

static int last_first(const void *x, const void *y) {
  const act *a = x, *b = y;
  if (a->at_ms != b->at_ms) return a->at_ms < b->at_ms ? 1 : -1;
  return a->order < b->order ? 1 : a->order > b->order ? -1 : 0;
}

typedef struct found { int64_t id; char ulid[LN_ULID + 1]; bool sim; } found;

static bool see_run(void *arg, const ln_run_row *r) {
  found *f = arg;
  f->id = r->id;
  memcpy(f->ulid, r->ulid, sizeof f->ulid);
  f->sim = ln_v_get_bool(r->options, "sim", false);
  return false;
}

bool ln_acts_of(ln_engine *g, ln_str which, int64_t line, ln_buf *out, ln_err *err) {
  acts a = {.g = g, .line = line, .err = err};
  found f = {0};
  *err = (ln_err){0};
  ln_buf_init(&a.text, (size_t)256 << 20);
  bool ok = ln_store_run_find(g->store, which, see_run, &f, err) && (a.first = f.id) != 0 &&
            ln_store_run_tree(g->store, f.id, acts_of_run, &a, err) && !err->code[0];
  if (ok) {
    if (a.n) qsort(a.v, a.n, sizeof *a.v, last_first);
    size_t mark = ln_v_begin(out, 'A', a.n);
    for (size_t i = 0; i < a.n; i++) ln_v_raw(out, (ln_str){a.text.p + a.v[i].from, a.v[i].n});
    ln_v_end(out, mark);
    ok = ln_buf_ok(out, err);
  }
  free(a.v);
  ln_buf_free(&a.text);
  return ok;
}

/* ------------------------------------------------------------------ the runs that a line began */

typedef struct line_runs {
  acts of;                                               /* which line                                      */
  ln_run_row row;                                        /* of the session; its texts are gone              */
  ln_run_fn fn;
  void *arg;
} line_runs;

static bool keep_session(void *arg, const ln_run_row *r) {
  ((line_runs *)arg)->row = *r;
  return false;
}

static bool begins_a_run(const line_runs *x, const ln_record *c) {
  return c->has_result && !c->planned && is_of_line(&x->of, c->name) &&
         (ln_str_eq(c->op, LN_STR("start")) || ln_str_eq(c->op, LN_STR("run_playbook")));
}

bool ln_line_runs(ln_engine *g, ln_str which, int64_t line, ln_run_fn fn, void *arg, ln_err *err) {
  line_runs x = {.of = {.line = line}, .fn = fn, .arg = arg};
  char ulid[LN_ULID + 1];
  ln_journal *j = NULL;
  bool ok = ln_store_run_find(g->store, which, keep_session, &x, err) &&
            (j = ln_journal_load(g->store, x.row.id, err)) != NULL;
  for (size_t i = 0; ok && i < ln_journal_records(j); i++) {
    const ln_record *c = ln_journal_record(j, i);
    if (!begins_a_run(&x, c)) continue;
    ok = ln_child_ulid(&x.row, c->name, ulid, err) &&
         ln_store_run_find(g->store, ln_str_of(ulid), x.fn, x.arg, err);
  }
  ln_journal_free(j);
  return ok;
}

/* ------------------------------------------------------------------ the runs that take back */

static ln_run *start(ln_engine *g, const char *playbook, ln_str input, const ln_run_options *o,
                     const char *audit, ln_str by, ln_err *err) {
  ln_run_options with = *o;
  ln_buf detail;
  ln_json j;
  ln_vitem v;
  ln_str key, rest = input;
  ln_buf_init(&detail, 1 << 20);
  ln_json_init(&j, &detail);
  ln_json_open(&j, '{');
  ln_json_key(&j, LN_STR("despite_freeze"));
  ln_json_bool(&j, o->despite_freeze);
  if (ln_v_read(&rest, &v))
    for (rest = v.body; rest.n && ln_v_read_key(&rest, &key) && ln_v_read(&rest, &v);) {
      ln_json_key(&j, key);
      ln_v_to_json(v.whole, &j);
    }
  ln_json_close(&j, '}');
  if (!o->plan) with.audit = ln_str_of(audit), with.audit_detail = ln_buf_view(&detail);
  ln_run *r = ln_buf_ok(&detail, err) ? ln_run_start(g, ln_str_of(playbook), input, &with, by, err) : NULL;
  ln_buf_free(&detail);
  return r;
}

/* That it can be taken back at all (it has ended; it was made in this world) is said before a run begins. */
ln_run *ln_undo_start(ln_engine *g, ln_str which, int64_t line, const ln_run_options *o, ln_str by,
                      ln_err *err) {
  found f = {0};
  ln_buf did, input;
  ln_run *r = NULL;
  if (!ln_store_run_find(g->store, which, see_run, &f, err)) return NULL;
  if (f.sim != o->sim)
    return ln_fail(err, "conflict", LN_FINAL,
                   "run %s was made %s simulators: there is nothing to take back here", f.ulid,
                   f.sim ? "against" : "without"),
           NULL;
  ln_buf_init(&did, (size_t)256 << 20);
  ln_buf_init(&input, 1024);
  if (ln_acts_of(g, ln_str_of(f.ulid), line, &did, err)) {
    size_t mark = ln_v_begin(&input, 'O', line ? 2 : 1);
    if (line) ln_v_key(&input, LN_STR("line")), ln_v_int(&input, line);
    put_text(&input, "run", ln_str_of(f.ulid));
    ln_v_end(&input, mark);
    r = start(g, "ledger.undo", ln_buf_view(&input), o, "undo", by, err);
  }
  ln_buf_free(&did);
  ln_buf_free(&input);
  return r;
}

/* ------------------------------------------------------------------ whom a name means */

enum { ENTITIES_MOST = 64 };

typedef struct naming { char *v[ENTITIES_MOST]; size_t n; bool more; } naming;

static bool see_entity(void *arg, const ln_hold *h) {
  naming *x = arg;
  for (size_t i = 0; i < x->n; i++)
    if (ln_str_eq(ln_str_of(x->v[i]), h->entity)) return true;
  x->more = x->n == ENTITIES_MOST;
  if (!x->more && (x->v[x->n] = ln_str_dup(h->entity))) x->n++;
  return !x->more;
}

/* "host" in both, and not of one vendor. */
static bool fit(ln_str a, ln_str b) {
  ln_str vendor_a, rest_a, kind_a, id, vendor_b, rest_b, kind_b;
  return ln_str_cut(a, ':', &vendor_a, &rest_a) && ln_str_cut(rest_a, ':', &kind_a, &id) &&
         ln_str_cut(b, ':', &vendor_b, &rest_b) && ln_str_cut(rest_b, ':', &kind_b, &id) &&
         ln_str_eq(kind_a, kind_b) && !ln_str_eq(vendor_a, vendor_b);
}

static bool is_clear(const naming *x, ln_str name, ln_err *err) {
  bool clear = !x->more;
  if (x->n == 0)
    return ln_fail(err, "not_found", LN_FINAL, "nothing called %.*s is held: lunette entity lists what is",
                   LN_STR_ARG(name));
  for (size_t i = 0; i < x->n; i++)
    for (size_t k = i + 1; k < x->n; k++) clear = clear && fit(ln_str_of(x->v[i]), ln_str_of(x->v[k]));
  if (clear) return true;
  ln_buf list;
  ln_buf_init(&list, 300);
  for (size_t i = 0; i < x->n; i++) ln_buf_addf(&list, "%s%s", i ? ", " : "", x->v[i]);
  ln_fail(err, "ambiguous", LN_FINAL, "%.*s means several things, name one of them: %.*s", LN_STR_ARG(name),
          (int)list.n, list.p ? list.p : "");
  ln_buf_free(&list);
  return false;
}

bool ln_entities_of(ln_engine *g, ln_str name, bool (*fn)(void *arg, ln_str entity), void *arg, ln_err *err) {
  naming x = {.n = 0};
  ln_hold_query q = {.entity = name};
  bool ok = ln_store_holds(g->store, &q, see_entity, &x, err) && is_clear(&x, name, err);
  for (size_t i = 0; ok && i < x.n; i++)
    if (!fn(arg, ln_str_of(x.v[i]))) break;
  for (size_t i = 0; i < x.n; i++) free(x.v[i]);
  return ok;
}

/* ------------------------------------------------------------------ release, hold */

typedef struct listing { ln_buf items; size_t n; } listing;

static bool add_entity(void *arg, ln_str entity) {
  listing *l = arg;
  l->n++;
  return ln_v_str(&l->items, entity);
}

static bool put_hold(void *arg, const ln_hold *h) {
  ln_buf *b = arg;
  size_t mark = ln_v_begin(b, 'O', 2);
  put_text(b, "run", ln_str_of(h->ulid));
  put_text(b, "step", h->step);
  ln_v_end(b, mark);
  return false;
}

static void put_list(ln_buf *b, const char *key, const ln_str *v, size_t n) {
  ln_v_key(b, ln_str_of(key));
  size_t mark = ln_v_begin(b, 'A', n);
  for (size_t i = 0; i < n; i++) ln_v_str(b, v[i]);
  ln_v_end(b, mark);
}

static bool release_input(ln_engine *g, const ln_release *what, ln_buf *out, ln_err *err) {
  listing l = {.n = 0};
  bool ok = true, one = what->n == 0;
  ln_buf_init(&l.items, 1 << 20);
  for (size_t i = 0; ok && i < what->n; i++) ok = ln_entities_of(g, what->entities[i], add_entity, &l, err);
  size_t mark = ln_v_begin(out, 'O', one ? 2 : 3);
  if (one) {
    ln_v_key(out, LN_STR("hold"));
    ok = ok && ln_store_hold_of(g->store, what->run, what->step, put_hold, out, err);
  } else {
    put_list(out, "asked", what->entities, what->n);
    ln_v_key(out, LN_STR("entities"));
    size_t list = ln_v_begin(out, 'A', l.n);
    ln_buf_add(out, ln_buf_view(&l.items));
    ln_v_end(out, list);
  }
  put_text(out, "why", what->why);
  ln_v_end(out, mark);
  ln_buf_free(&l.items);
  return ok && ln_buf_ok(out, err);
}

ln_run *ln_release_start(ln_engine *g, const ln_release *what, const ln_run_options *o, ln_str by,
                         ln_err *err) {
  ln_buf input;
  ln_run *r = NULL;
  ln_buf_init(&input, 1 << 20);
  if (!ln_str_trim(what->why).n) ln_fail(err, "usage", LN_FINAL, "release wants to know why");
  else if (release_input(g, what, &input, err))
    r = start(g, "ledger.release", ln_buf_view(&input), o, "release", by, err);
  ln_buf_free(&input);
  return r;
}

typedef struct prolonging { ln_engine *g; listing l; ln_str by; int64_t until_ms, n; } prolonging;

/* Calls fn with each entity. */
static bool each_entity(prolonging *p, ln_tx *tx, bool (*fn)(prolonging *, ln_tx *, ln_str, ln_err *),
                        ln_err *err) {
  ln_vitem v;
  for (ln_str rest = ln_buf_view(&p->l.items); rest.n && ln_v_read(&rest, &v);)
    if (!fn(p, tx, v.s, err)) return false;
  return true;
}

static bool is_longer(prolonging *p, ln_tx *tx, ln_str entity, ln_err *err) {
  int64_t latest = 0;
  char at[LN_TIME_TEXT];
  if (!ln_tx_hold_lease(tx, entity, &latest, err)) return false;
  p->n += latest > 0;
  if (latest <= p->until_ms) return true;
  ln_format_time(latest, at);
  return ln_fail(err, "conflict", LN_FINAL, "%.*s is held until %s already: lunette release ends it earlier",
                 LN_STR_ARG(entity), at);
}

static bool prolong_one(prolonging *p, ln_tx *tx, ln_str entity, ln_err *err) {
  char until[LN_TIME_TEXT];
  int64_t n = 0;
  ln_buf detail;
  ln_json j;
  ln_buf_init(&detail, 1 << 16);
  ln_json_init(&j, &detail);
  ln_json_open(&j, '{');
  ln_json_key(&j, LN_STR("entity")), ln_json_str(&j, entity);
  ln_format_time(p->until_ms, until);
  ln_json_key(&j, LN_STR("until")), ln_json_strz(&j, until);
  ln_json_close(&j, '}');
  bool ok = ln_tx_hold_prolong(tx, entity, p->until_ms, &n, err) &&
            (!n || ln_tx_audit(tx, ln_now_ms(p->g->loop->clock), LN_STR("hold"), p->by, 0,
                               ln_buf_view(&detail), err));
  ln_buf_free(&detail);
  p->n += n;
  return ok;
}

/* All or nothing: what is to be refused is seen before anything is changed. */
static bool prolong_apply(ln_tx *tx, void *arg, ln_err *err) {
  prolonging *p = arg;
  if (!each_entity(p, tx, is_longer, err)) return false;
  if (!p->n)
    return ln_fail(err, "conflict", LN_FINAL, "it is held without an end: there is no lease to prolong");
  p->n = 0;
  return each_entity(p, tx, prolong_one, err);
}

bool ln_hold_prolong(ln_engine *g, ln_str entity, int64_t until_ms, ln_str by, int64_t *n, ln_err *err) {
  prolonging p = {.g = g, .by = by, .until_ms = until_ms};
  ln_buf_init(&p.l.items, 1 << 20);
  bool ok = ln_entities_of(g, entity, add_entity, &p.l, err) &&
            ln_writer_run(g->store, prolong_apply, &p, err);
  ln_buf_free(&p.l.items);
  *n = p.n;
  return ok;
}
