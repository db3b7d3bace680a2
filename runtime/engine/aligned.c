/* aligned.c: a past run gone through with other scripts than its own.  An effect gets the answer that was
** recorded under its name for the same operation and arguments; else one that was recorded for the same
** operation and arguments under another name, and is nobody's yet (turns move when a script is edited).
** Where there is none, what it would have answered is not known: it gets an opaque value, as in a plan, and
** a branch that would decide by one ends there.
**
** Answers come in the recorded order as far as somebody waits for them; what nobody recorded is answered at
** once, so that it shifts the others as little as it can.  What the script itself works out (step) is
** worked out again, for that may be what was edited. */
#include "engine/opaque.h"
#include "engine/replaying.h"

#include <stdlib.h>

enum { UNKNOWN_MOST = 1000 }; /* a loop that no recorded answer ends has to end somewhere */

static const ln_err no_memory = {
    .code = "memory", .message = "no memory to compare a run", .retry = LN_AGAIN};

bool ln_replay_is_aligned(const ln_run *r) { return r->replay && r->replay->aligned; }

static void leave_off(ln_run *r) {
  r->replay->end = LN_LEFT_OFF;
  r->ending = true;
}

/* Something is different; whoever only wants to know that needs no more. */
static void differs(ln_run *r) {
  if (r->replay->probing) leave_off(r);
}

static void *more(void *v, size_t n, size_t *cap, size_t size) {
  if (n < *cap) return v;
  size_t grown = *cap ? 2 * *cap : 64;
  void *p = reallocarray(v, grown, size);
  if (p) *cap = grown;
  return p;
}

/* From here on of a branch, "" the whole run. */
static void nobody_knows(ln_run *r, const char *branch, const char *why) {
  ln_replay *p = r->replay;
  ln_blank *v = reallocarray(p->blanks, p->n_blanks + 1, sizeof *v);
  if (v) p->blanks = v;
  ln_blank *k = v ? &v[p->n_blanks] : NULL;
  if (k) *k = (ln_blank){ln_str_dup(ln_str_of(branch)), ln_str_dup(ln_str_of(why))}, p->n_blanks++;
  if (!k || !k->branch || !k->why) ln_run_end_attempt(r, &no_memory);
}

/* ------------------------------------------------------------------ answers under another name */

static int by_print(const void *a, const void *b) {
  const ln_record *x = *(ln_record *const *)a, *y = *(ln_record *const *)b;
  int c = ln_str_cmp(x->fingerprint, y->fingerprint);
  return c ? c : (x->seq > y->seq) - (x->seq < y->seq);
}

static bool sort_spare(ln_run *r) {
  ln_replay *p = r->replay;
  if (p->spare) return true;
  size_t n = ln_journal_deliveries(r->past);
  if (!(p->spare = calloc(n + 1, sizeof *p->spare))) return ln_run_end_attempt(r, &no_memory), false;
  for (size_t i = 0; i < n; i++) {
    ln_record *rec = ln_journal_delivery(r->past, i);
    if (rec->fingerprint.n == LN_FINGERPRINT) p->spare[p->n_spare++] = rec;
  }
  qsort(p->spare, p->n_spare, sizeof *p->spare, by_print);
  return true;
}

static size_t first_spare(const ln_replay *p, ln_str print) {
  size_t lo = 0, hi = p->n_spare;
  while (lo < hi) {
    size_t mid = (lo + hi) / 2;
    if (ln_str_cmp(p->spare[mid]->fingerprint, print) < 0) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

static ln_str branch_of(ln_str name) {
  while (name.n && name.p[name.n - 1] != '/') name.n--;
  return name;
}

/* One of the same branch, else one of any. */
static ln_record *spare_answer(ln_run *r, const ln_effect *e) {
  ln_str print = {(const char *)e->print, LN_FINGERPRINT}, branch = branch_of(ln_str_of(e->name));
  ln_record *other = NULL;
  if (!sort_spare(r)) return NULL;
  const ln_replay *p = r->replay;
  for (size_t i = first_spare(p, print); i < p->n_spare && ln_str_eq(p->spare[i]->fingerprint, print); i++) {
    ln_record *rec = p->spare[i];
    if (rec->used || !ln_str_eq(rec->op, ln_str_of(e->op->name))) continue;
    if (ln_str_eq(branch_of(rec->name), branch)) return rec;
    if (!other) other = rec;
  }
  return other;
}

/* ------------------------------------------------------------------ asked */

static ln_asked *keep(ln_run *r, ln_effect *e) {
  ln_replay *p = r->replay;
  ln_asked *v = more(p->asked, p->n_asked, &p->cap_asked, sizeof *v);
  if (v) p->asked = v;
  ln_asked *a = v ? &v[p->n_asked++] : NULL;
  if (a) *a = (ln_asked){.name = NULL}, ln_buf_init(&a->answer, (size_t)64 << 20);
  if (!a || !ln_replay_keep(a, e)) return ln_run_end_attempt(r, &no_memory), NULL;
  e->nth = p->n_asked;
  return a;
}

static bool is_same(const ln_record *rec, const ln_effect *e) {
  return rec && ln_str_eq(rec->op, ln_str_of(e->op->name)) &&
         ln_str_eq(rec->fingerprint, (ln_str){(const char *)e->print, LN_FINGERPRINT});
}

/* Its own scripts asked the same, and the journal has no word of that yet. */
static bool was_under_way(const ln_asked *then, const ln_asked *a) {
  return then && memcmp(then->print, a->print, sizeof a->print) == 0 && strcmp(then->op, a->op) == 0;
}

/* These are no arguments, so the fingerprint does not have them. */
static bool on_other_terms(const ln_asked *then, const ln_asked *a) {
  return then &&
         (then->wait_ms != a->wait_ms || then->lease_ms != a->lease_ms || then->timeout_ms != a->timeout_ms);
}

struct effects { ln_str ours; bool same; };

static bool next_print(ln_str *list, ln_str *print) {
  ln_vitem v;
  if (!ln_v_read(list, &v)) return false;
  *print = ln_v_get_str(v.whole, "print");
  return true;
}

static bool same_effects(void *arg, const ln_approval *a) {
  struct effects *x = arg;
  ln_vitem v;
  ln_str list = a->effects, theirs, ours, one, two;
  if (!ln_v_read(&list, &v)) return false;
  for (theirs = v.body, ours = x->ours; x->same && (theirs.n || ours.n);)
    x->same = next_print(&theirs, &one) && next_print(&ours, &two) && ln_str_eq(one, two);
  return false;
}

/* A yes was to the writes that were shown: it is no answer where others would be. */
static bool shows_others(const ln_run *r, const ln_record *rec, const ln_effect *e) {
  struct effects x = {ln_buf_view(&e->would), true};
  ln_err quiet;
  int64_t id = e->op->cls == LN_WAIT && e->would.n ? ln_v_get_int(rec->asked, "approval", 0) : 0;
  return id && ln_store_approval(r->engine->store, id, same_effects, &x, &quiet) && !x.same;
}

static void find_answer(ln_run *r, ln_effect *e, ln_asked *a) {
  ln_record *rec = ln_journal_find(r->past, ln_str_of(e->name)), *from = NULL;
  const ln_asked *then = r->replay->before ? ln_replay_find(r->replay->before, ln_str_of(e->name)) : NULL;
  ln_str unknown;
  if (rec) rec->matched = true;
  a->rec = rec;
  a->same = is_same(rec, e) && !shows_others(r, rec, e);
  a->vague = ln_opaque_in(ln_buf_view(&e->args), &unknown);
  if (a->same) a->waits = !rec->delivered;
  else if (!rec) a->waits = was_under_way(then, a);
  a->other_terms = (a->same || a->waits) && on_other_terms(then, a);
  if ((!a->same && !a->waits) || a->other_terms) differs(r);
  if (a->waits) return;
  if (a->same) from = rec; /* also when another name had it before: it is this one's */
  else if (!is_same(rec, e)) from = spare_answer(r, e);
  if (from) from->used = true;
  a->from = e->record = from;
}

void ln_replay_asked(ln_effect *e) {
  ln_run *r = e->run;
  if (r->replay->on_ask) r->replay->on_ask(r->replay->on_ask_arg, e);
  if (!r->replay->keep) return;
  ln_asked *a = keep(r, e);
  if (a && r->replay->aligned) find_answer(r, e, a);
}

static ln_asked *asked_as(const ln_effect *e) { return &e->run->replay->asked[e->nth - 1]; }

/* ------------------------------------------------------------------ unknown answers */

static void put_opaque(ln_effect *e) {
  ln_buf_cut(&e->outcome, 0);
  ln_opaque_put(&e->outcome, ln_str_of(e->name), LN_STR("the answer"), true);
}

/* Of a connector that is not configured here nothing can be said; what else a write says of itself is what it
** would have said then. */
static bool not_here(const ln_err *err) {
  return ln_err_is(err, "unavailable") || ln_err_is(err, "bad_config");
}

static void answer_write(ln_effect *e) {
  ln_err err = {0};
  bool described = e->op->write->describe(e, &e->w, &err);
  if (!described && !not_here(&err)) {
    e->ok = false;
    lnL_error_encode(&err, ln_str_of(e->where), (ln_str){NULL, 0}, &e->outcome);
    return;
  }
  if (described && e->branch->plan_into && !ln_plan_is_blind(e)) ln_approval_put_effect(e, &e->would);
  if (!described || !e->w.planned.n || !ln_opaque_name(e->w.planned, ln_str_of(e->name), true, &e->outcome))
    put_opaque(e);
}

static bool answer_unknown(ln_run *r, ln_effect *e) {
  ln_err err;
  if (r->replay->unknown++ == UNKNOWN_MOST) {
    nobody_knows(r, "", "it goes on and on with what nobody recorded");
    return leave_off(r), false;
  }
  e->finished = e->ok = true;
  ln_buf_cut(&e->outcome, 0);
  if (e->op->unasked) asked_as(e)->own = true, e->op->unasked(e, &e->outcome);
  else if (e->op->cls == LN_WRITE) answer_write(e);
  else put_opaque(e);
  if (!ln_buf_ok(&e->outcome, &err)) return ln_run_end_attempt(r, &err), false;
  ln_plan_delivered(e);
  return ln_run_wake_with(r, e);
}

/* ------------------------------------------------------------------ deliveries */

/* What nobody recorded comes before all else. */
static int64_t turn_of(const ln_effect *e) { return e->record ? e->record->seq : 0; }

static bool comes_first(const ln_effect *a, const ln_effect *b) {
  if (!b || turn_of(a) != turn_of(b)) return !b || turn_of(a) < turn_of(b);
  return a->nth < b->nth;
}

static ln_effect *first_of(const ln_run *r) {
  ln_effect *first = NULL;
  for (const ln_branch *b = r->branches; b; b = b->next) {
    ln_effect *e = b->state == LN_B_ASKING ? b->asked : NULL;
    if (e && !e->finished && !asked_as(e)->waits && comes_first(e, first)) first = e;
  }
  return first;
}

/* A cancel has its place among the deliveries. */
static bool cancel_is_next(ln_run *r, const ln_effect *first) {
  ln_record *rec = ln_journal_find(r->past, LN_STR(LN_CANCEL_NAME));
  if (!rec || rec->used || (first && turn_of(first) < rec->seq)) return false;
  rec->used = true;
  r->now_ms = rec->done_ms;
  ln_run_deliver_cancel(r);
  return true;
}

static bool was_cancelled(const ln_effect *e) {
  return e->record && ln_str_eq(e->record->state, LN_STR("cancelled"));
}

bool ln_replay_next(ln_run *r) {
  ln_effect *e = first_of(r);
  if (cancel_is_next(r, e)) return true;
  if (!e) return ln_replay_used_up(r), false;
  asked_as(e)->delivered = ++r->replay->delivered;
  if (e->op->own && !was_cancelled(e)) e->op->start(e);
  else if (e->record) return ln_run_deliver(r, e->record, e);
  else return answer_unknown(r, e);
  return true;
}

/* Its result was an entry then; here it is compared with that, and the script goes on with what comes out. */
void ln_replay_did(ln_effect *e) {
  ln_run *r = e->run;
  ln_asked *a = asked_as(e);
  ln_str was, now = ln_buf_view(&e->outcome);
  ln_buf hold = {0};
  ln_err err;
  if (e->record) {
    r->now_ms = e->record->done_ms;
    if (!ln_entry_data(r->engine, e->record->name, e->record->outcome, &hold, &was, &err)) {
      ln_run_end_attempt(r, &err);
      return;
    }
    a->other_answer = a->same && (e->ok != e->record->ok || !ln_same_but_lines(was, now));
    ln_buf_free(&hold);
  }
  if (!a->other_answer) return;
  ln_buf_add(&a->answer, now);
  differs(r);
}

/* ------------------------------------------------------------------ what it said */

void ln_replay_noted(ln_run *r, const ln_entry *e) {
  ln_replay *p = r->replay;
  if (!p->aligned || ln_str_eq(e->op, LN_STR("log"))) return;
  ln_noted *v = more(p->noted, p->n_noted, &p->cap_noted, sizeof *v);
  if (v) p->noted = v;
  ln_noted *n = v ? &v[p->n_noted] : NULL;
  if (n)
    *n = (ln_noted){.name = ln_str_dup(e->name), .data = ln_str_dup(e->data), .n = e->data.n}, p->n_noted++;
  if (!n || !n->name || !n->data) ln_run_end_attempt(r, &no_memory);
}

/* A plan has unknown parts of its own. */
void ln_replay_failed(ln_branch *b) {
  ln_err e = {0};
  if (!ln_replay_is_aligned(b->run) || !ln_replay_sees_opaque(b->run) || !lnL_is_unknown(b->co, -1)) return;
  lnL_to_error(b->co, -1, &e);
  if (!b->run->planning || ln_opaque_is_past(&e)) nobody_knows(b->run, b->name, e.message);
}
