/* approval.c: questions to people: those of a playbook (approve, approved, ask), and the core's own before
** a destructive write.  What a person approves is a digest of effects; a row of the store holds the
** question, so that any process can answer it, and whoever runs the run looks there. */
#include "engine/inside.h"
#include "engine/library.h"
#include "engine/notice.h"

#include <stdio.h>
#include <stdlib.h>

enum { LOOK_MS = 100, LOOK_SIM_MS = 60000, CORE_EXPIRES_MS = 8 * 3600000, GATHER_MS = 10000 };

/* ------------------------------------------------------------------ digests */

/* What a person approves: run, scripts, and each write with its arguments, its entity and how that was. */
static void digest_of(const ln_run *r, ln_effect *const *es, size_t n, char out[2 * LN_SHA256 + 1]) {
  uint8_t sha[LN_SHA256] = {0};
  ln_buf b;
  ln_buf_init(&b, 16 << 20);
  ln_buf_addz(&b, r->ulid);
  ln_buf_addz(&b, r->snapshot);
  for (size_t i = 0; i < n; i++) {
    ln_buf_add(&b, (ln_str){(const char *)es[i]->print, LN_FINGERPRINT});
    ln_buf_add(&b, es[i]->w.entity);
    ln_buf_add(&b, ln_buf_view(&es[i]->before));
  }
  ln_sha256(ln_buf_view(&b), sha);
  ln_hex(sha, sizeof sha, out);
  ln_buf_free(&b);
}

/* ------------------------------------------------------------------ asking: one row, and who waits for it */

typedef struct question {
  ln_run *run;
  ln_effect **who;
  size_t n;
  ln_approval row;
  char digest[2 * LN_SHA256 + 1];
  ln_buf title, detail, effects, options, entries;
} question;

static void question_free(question *q) {
  ln_buf *bufs[] = {&q->title, &q->detail, &q->effects, &q->options, &q->entries};
  for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) ln_buf_free(bufs[i]);
  free(q->who);
  free(q);
}

static question *question_new(ln_run *r, size_t n) {
  question *q = calloc(1, sizeof *q);
  if (!q || !(q->who = calloc(n, sizeof(ln_effect *)))) {
    free(q);
    return NULL;
  }
  q->run = r;
  ln_buf *bufs[] = {&q->title, &q->detail, &q->effects, &q->options, &q->entries};
  for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) ln_buf_init(bufs[i], (size_t)16 << 20);
  return q;
}

/* The site's answer given with the command: everything (against simulators and loopback only), or nothing.
** An ask is not answered by a yes. */
static bool answer_at_once(ln_tx *tx, question *q, ln_err *err) {
  int64_t now = q->row.created_ms;
  switch (q->run->options.approve) {
  case LN_APPROVE_ALL:
    if (ln_str_eq(q->row.kind, LN_STR("ask"))) return true;
    return ln_tx_approval_vote(tx, q->row.id, true, LN_STR("--approve all"), (ln_str){NULL, 0},
                               (ln_str){NULL, 0}, now, err) &&
           ln_tx_approval_set(tx, q->row.id, LN_STR("approved"), now, err);
  case LN_APPROVE_DENY:
    return ln_tx_approval_vote(tx, q->row.id, false, LN_STR("--approve deny"), (ln_str){NULL, 0},
                               (ln_str){NULL, 0}, now, err);
  case LN_APPROVE_WAIT: case LN_APPROVE_ASK: break;
  }
  return true;
}

static void put_text(ln_buf *b, const char *key, ln_str v) {
  ln_v_key(b, ln_str_of(key));
  ln_v_str(b, v);
}

/* Of a write it says what it is about, too: an intent may never follow. */
static void put_asked(const question *q, ln_buf *out, const ln_effect *e) {
  ln_entry entry;
  ln_buf data;
  ln_buf_init(&data, 8192);
  bool write = e->op->cls == LN_WRITE;
  size_t mark = ln_v_begin(&data, 'O', write ? 7 : 3);
  ln_v_key(&data, LN_STR("approval"));
  ln_v_int(&data, q->row.id);
  put_text(&data, "before", ln_buf_view(&e->before));
  ln_v_key(&data, LN_STR("due"));
  ln_v_int(&data, q->row.expires_ms);
  if (write) {
    put_text(&data, "entity", e->w.entity);
    put_text(&data, "facet", e->w.facet);
    ln_write_put_names(&data, ln_buf_view(&e->names));
    put_text(&data, "to", e->w.to);
  }
  ln_v_end(&data, mark);
  ln_effect_entry(e, LN_E_ASKED, &entry);
  entry.data = ln_buf_view(&data);
  ln_entry_put(out, &entry);
  ln_buf_free(&data);
}

/* People are told, but where the answer came with the command. */
static bool tell(ln_tx *tx, const question *q, ln_err *err) {
  ln_approve how = q->run->options.approve;
  ln_notice n = {.event = LN_STR("approval"), .approval = q->row.id, .step = q->row.step,
                 .until_ms = q->row.expires_ms};
  return how == LN_APPROVE_ALL || how == LN_APPROVE_DENY || ln_notice_of_run(tx, q->run, &n, false, err);
}

static bool ask_apply(ln_tx *tx, void *arg, ln_err *err) {
  question *q = arg;
  q->row.run = q->run->id;
  if (!ln_tx_approval_add(tx, &q->row, err) || !tell(tx, q, err)) return false;
  for (size_t i = 0; i < q->n; i++) put_asked(q, &q->entries, q->who[i]);
  return ln_tx_log(tx, q->run->id, ln_buf_view(&q->entries), err) && answer_at_once(tx, q, err);
}

static void ask_done(void *arg, const ln_err *err) {
  question *q = arg;
  ln_run *r = ln_job_gone(err) ? NULL : q->run;
  for (size_t i = 0; r && i < q->n; i++) {
    if (ln_effect_given_back(q->who[i]) || err) continue;
    q->who[i]->approval = q->row.id;
    q->who[i]->due_ms = q->row.expires_ms;
  }
  if (!err && r) ln_run_event(r, "approval", q->who[0], ln_buf_view(&q->title), (ln_str){NULL, 0});
  question_free(q);
  if (err && r) ln_run_end_attempt(r, err);
  else if (r) ln_approval_watch(r);
}

static void ask(question *q) {
  q->row.title = ln_buf_view(&q->title);
  q->row.detail = ln_buf_view(&q->detail);
  q->row.effects = ln_buf_view(&q->effects);
  q->row.options = ln_buf_view(&q->options);
  q->row.digest = ln_str_of(q->digest);
  q->row.step = ln_str_of(q->who[0]->name);
  q->row.state = LN_STR("waiting");
  q->row.created_ms = ln_now_ms(q->run->engine->loop->clock);
  q->run->asked_people = true;
  for (size_t i = 0; i < q->n; i++) q->who[i]->with_writer = true;
  if (!ln_run_flush_with(q->run, ask_apply, ask_done, q)) question_free(q);
}

/* A playbook's own question: `a` has kind, title, detail, effects, options, quorum; expires_ms counts from
** now. */
void ln_approval_ask(ln_effect *e, const ln_approval *a) {
  static const ln_err none = {.code = "memory", .message = "no memory for a question", .retry = LN_AGAIN};
  e->waiting_for = "approval";
  e->state = "waiting";
  if (e->record && e->record->asked.n) {
    e->approval = ln_v_get_int(e->record->asked, "approval", 0);
    e->due_ms = ln_v_get_int(e->record->asked, "due", 0);
    e->run->asked_people = true;
    ln_approval_watch(e->run);
    return;
  }
  question *q = question_new(e->run, 1);
  if (!q) {
    ln_run_end_attempt(e->run, &none);
    return;
  }
  q->row = *a;
  q->row.expires_ms = ln_now_ms(e->run->engine->loop->clock) + a->expires_ms;
  q->who[0] = e;
  q->n = 1;
  ln_buf_add(&q->title, a->title);
  ln_buf_add(&q->detail, a->detail);
  ln_buf_add(&q->effects, a->effects);
  ln_buf_add(&q->options, a->options);
  snprintf(q->digest, sizeof q->digest, "%.*s", LN_STR_ARG(a->digest));
  ask(q);
}

/* ------------------------------------------------------------------ the core's own questions */

static bool wants_asking(const ln_branch *b) {
  const ln_effect *e = b->asked;
  return b->state == LN_B_ASKING && e && !e->finished && e->stand == LN_W_ASKING && !e->approval;
}

/* The branch whose map an effect belongs to, however deep below its item; without a map, its own. */
static const ln_branch *owner_of(const ln_effect *e) {
  for (const ln_branch *b = e->branch; b; b = b->parent)
    if (b->is_item) return b->parent;
  return e->branch;
}

/* Approvals of one kind in a map are one question. */
static bool same_kind(const ln_effect *a, const ln_effect *b) {
  return a->op == b->op && owner_of(a) == owner_of(b);
}

static bool is_below(const ln_branch *b, const ln_branch *top) {
  while (b && b != top) b = b->parent;
  return b == top;
}

/* Siblings that are still on their way may come to ask the same: the question waits for them, but not for
** long. */
static bool siblings_come(const ln_effect *e) {
  const ln_branch *top = owner_of(e);
  if (top == e->branch || ln_now_ms(e->run->engine->loop->clock) - e->wanted_ms > GATHER_MS) return false;
  for (const ln_branch *b = e->run->branches; b; b = b->next)
    if (b->state == LN_B_ASKING && b->asked && b != top && is_below(b, top) && !b->asked->waiting_for)
      return true;
  return false;
}

static size_t collect(ln_run *r, const ln_effect *first, ln_effect **out) {
  size_t n = 0;
  for (ln_branch *b = r->branches; b; b = b->next)
    if (wants_asking(b) && same_kind(first, b->asked)) {
      if (out) out[n] = b->asked;
      n++;
    }
  return n;
}

/* "okta.clear_sessions: ann@acme.example (okta:user:00u1)" */
static void put_core_title(question *q) {
  const ln_effect *e = q->who[0];
  ln_str label = ln_label_of(ln_buf_view(&e->names), e->w.entity);
  ln_buf_addf(&q->title, "%s: ", e->op->name);
  if (q->n > 1) ln_buf_addf(&q->title, "%zu entities, ", q->n);
  if (label.n) ln_buf_addf(&q->title, "%.*s (%.*s)", LN_STR_ARG(label), LN_STR_ARG(e->w.entity));
  else ln_buf_add(&q->title, e->w.entity);
  if (q->n > 1) ln_buf_addz(&q->title, " and others");
  if (q->run->restored_ms) ln_buf_addz(&q->title, " (may have been done since the backup)");
}

static void ask_for_writes(ln_run *r, ln_effect *first) {
  static const ln_err none = {.code = "memory", .message = "no memory for a question", .retry = LN_AGAIN};
  size_t n = collect(r, first, NULL);
  question *q = question_new(r, n);
  if (!q) {
    ln_run_end_attempt(r, &none);
    return;
  }
  q->n = collect(r, first, q->who);
  q->row = (ln_approval){.kind = LN_STR("write"), .quorum = 1};
  q->row.expires_ms = ln_now_ms(r->engine->loop->clock) + CORE_EXPIRES_MS;
  size_t mark = ln_v_begin(&q->effects, 'A', n);
  for (size_t i = 0; i < n; i++) {
    ln_approval_put_effect(q->who[i], &q->effects);
    q->who[i]->approval = -1; /* on its way */
  }
  ln_v_end(&q->effects, mark);
  digest_of(r, q->who, n, q->digest);
  put_core_title(q);
  ask(q);
}

static void look_again(ln_run *r);

void ln_approval_gather(ln_run *r) {
  bool left = false;
  if (!r->live) return;
  for (ln_branch *b = r->branches; b && !r->broken; b = b->next) {
    if (wants_asking(b) && !siblings_come(b->asked)) ask_for_writes(r, b->asked);
    left |= wants_asking(b);
  }
  if (left) look_again(r);
}

/* ------------------------------------------------------------------ what was decided */

struct answer { char state[16]; int64_t decided_ms; bool permits; ln_buf value; };

static bool read_answer(void *arg, const ln_approval *a) {
  struct answer *w = arg;
  snprintf(w->state, sizeof w->state, "%.*s", LN_STR_ARG(a->state));
  w->decided_ms = a->decided_ms;
  w->permits = ln_str_eq(a->kind, LN_STR("write")) || ln_str_eq(a->kind, LN_STR("approved"));
  size_t mark = ln_v_begin(&w->value, 'O', a->answer.n ? 3 : 2);
  if (a->answer.n) {
    ln_v_key(&w->value, LN_STR("answer"));
    ln_v_str(&w->value, a->answer);
  }
  ln_v_key(&w->value, LN_STR("by"));
  ln_v_str(&w->value, a->by);
  ln_v_key(&w->value, LN_STR("comment"));
  if (a->comment.n) ln_v_str(&w->value, a->comment);
  else ln_v_nil(&w->value);
  ln_v_end(&w->value, mark);
  return false;
}

typedef struct expiry { ln_run *run; int64_t id, ms; const char *state; } expiry;

static bool expire_apply(ln_tx *tx, void *arg, ln_err *err) {
  expiry *x = arg;
  ln_notice n = {.event = LN_STR("decided"), .approval = x->id};
  return ln_tx_approval_set(tx, x->id, ln_str_of(x->state), x->ms, err) &&
         ln_notice_of_run(tx, x->run, &n, false, err);
}

static void expire_done(void *arg, const ln_err *err) {
  expiry *x = arg;
  ln_run *r = ln_job_gone(err) ? NULL : x->run;
  free(x);
  if (err && r) ln_run_end_attempt(r, err);
}

/* Nobody's answer counts any more.  state: why */
static void expire(ln_effect *e, struct answer *w, const char *state) {
  expiry *x = malloc(sizeof *x);
  snprintf(w->state, sizeof w->state, "%s", state);
  if (!x) return;
  *x = (expiry){e->run, e->approval, ln_now_ms(e->run->engine->loop->clock), state};
  if (!ln_run_flush_with(e->run, expire_apply, expire_done, x)) free(x);
}

/* What was shown is to be approved anew. */
static void ask_again(ln_effect *e) {
  e->approval = 0;
  if (e->record) e->record->asked = (ln_str){NULL, 0}, e->record->old = false;
  e->op->start(e);
}

static void decided(ln_effect *e, struct answer *w) {
  ln_err why = {0};
  bool yes = strcmp(w->state, "approved") == 0, no = strcmp(w->state, "denied") == 0;
  ln_str by = ln_v_get_str(ln_buf_view(&w->value), "by");
  ln_str comment = ln_v_get_str(ln_buf_view(&w->value), "comment");
  if (no)
    ln_fail(&why, "denied", LN_FINAL, "approval %lld was denied by %.*s%s%.*s", (long long)e->approval,
            LN_STR_ARG(by), comment.n ? ": " : "", LN_STR_ARG(comment));
  else if (!yes)
    ln_fail(&why, "expired", LN_FINAL, "approval %lld has %s", (long long)e->approval, w->state);
  e->run->notified_waiting = false;
  if (e->op->cls == LN_WRITE) ln_write_decided(e, w->state, &why);
  else if (strcmp(w->state, "lapsed") == 0) ask_again(e);
  else if (yes) ln_effect_finish(e, true, "done", ln_buf_view(&w->value));
  else ln_effect_fail(e, &why);
}

static void look_at(ln_effect *e) {
  ln_engine *g = e->run->engine;
  struct answer w = {0};
  ln_err err = {0};
  ln_buf_init(&w.value, 1 << 20);
  if (ln_store_approval(g->store, e->approval, read_answer, &w, &err)) {
    bool waiting = strcmp(w.state, "waiting") == 0, yes = strcmp(w.state, "approved") == 0;
    if (waiting && e->due_ms && ln_now_ms(g->loop->clock) >= e->due_ms) {
      expire(e, &w, "expired");
      waiting = false;
    } else if (yes && w.permits && !w.decided_ms) {
      expire(e, &w, "lapsed");
    }
    if (!waiting) decided(e, &w);
  }
  ln_buf_free(&w.value);
}

static bool is_watched(const ln_branch *b) {
  const ln_effect *e = b->asked;
  return b->state == LN_B_ASKING && e && !e->finished && e->approval > 0 && e->waiting_for &&
         strcmp(e->waiting_for, "approval") == 0;
}

static void watch_tick(void *arg) {
  ln_approval_gather(arg);
  ln_approval_watch(arg);
}

static void look_again(ln_run *r) {
  ln_loop *l = r->engine->loop;
  if (r->poll.impl || r->broken) return;
  r->poll.fn = watch_tick;
  r->poll.arg = r;
  l->timer(l, &r->poll, l->uv ? LOOK_MS : LOOK_SIM_MS);
}

/* Looks at every open question of the run, and again in a while if any is left.  Against simulators, where
** nobody else can decide, it looks once: the run then waits, and its process may end. */
void ln_approval_watch(ln_run *r) {
  bool left = false;
  if (r->ended || r->broken || !r->live || ln_park_is_away(r)) return;
  for (ln_branch *b = r->branches; b; b = b->next) {
    if (is_watched(b)) look_at(b->asked);
    left |= is_watched(b);
  }
  if (left) look_again(r);
}

/* ------------------------------------------------------------------ deciding */

struct deciding {
  ln_engine *g;
  int64_t id;
  bool yes, interactive;
  ln_str by, comment, answer;
  char starter[128];
  int64_t run;
  bool sim, is_data, answers; /* is_data: what is asked permits nothing          */
  ln_err why;                 /* why it is no answer                             */
};

static bool read_run(void *arg, const ln_run_row *row) {
  struct deciding *d = arg;
  snprintf(d->starter, sizeof d->starter, "%.*s", LN_STR_ARG(row->started_by));
  d->sim = ln_v_get_bool(row->options, "sim", false);
  return false;
}

/* Is it one of the options, where there are any? */
static bool is_option(ln_str options, ln_str answer) {
  ln_vitem list, one;
  ln_str rest = options;
  if (!options.n || !ln_v_read(&rest, &list) || !list.count) return true;
  for (rest = list.body; rest.n && ln_v_read(&rest, &one);)
    if (ln_str_eq(one.s, answer)) return true;
  return false;
}

/* Only an ask has an answer, and only one that it offers.  Of a question that is over its vote says so. */
static bool is_answer(const ln_approval *a, bool yes, ln_str answer, ln_err *err) {
  long long id = (long long)a->id;
  if (!ln_str_eq(a->state, LN_STR("waiting"))) return true;
  bool asks = yes && ln_str_eq(a->kind, LN_STR("ask"));
  if (!asks && answer.n)
    return ln_fail(err, "usage", LN_FINAL, "approval %lld takes no answer: approve or deny it", id);
  if (asks && !answer.n)
    return ln_fail(err, "usage", LN_FINAL,
                   "approval %lld asks for an answer: lunette approve %lld --answer TEXT", id, id);
  return !asks || is_option(a->options, answer) ||
         ln_fail(err, "usage", LN_FINAL,
                 "\"%.*s\" is none of the options of approval %lld: lunette approvals",
                 answer.n > 100 ? 100 : (int)answer.n, answer.p, id);
}

static bool read_approval(void *arg, const ln_approval *a) {
  struct deciding *d = arg;
  d->run = a->run;
  d->is_data = ln_str_eq(a->kind, LN_STR("ask"));
  d->answers = is_answer(a, d->yes, d->answer, &d->why);
  return false;
}

/* Whoever started the run cannot approve it, on any door, unless the site says "interactive" and it is a
** terminal. */
static bool four_eyes(const struct deciding *d, ln_err *err) {
  bool self = ln_str_eq(ln_str_of(d->starter), d->by);
  if (!d->yes || !self || d->sim || d->is_data) return true;
  if (ln_str_eq(d->g->config->approvals_self, LN_STR("interactive")) && d->interactive) return true;
  return ln_fail(err, "denied", LN_FINAL,
                 "%s started this run and cannot approve it: ask somebody else, or set approvals = { self = "
                 "\"interactive\" }",
                 d->starter);
}

/* For the audit. */
static void put_decision(const struct deciding *d, ln_buf *out) {
  ln_json j;
  ln_buf_init(out, (size_t)1 << 20);
  ln_json_init(&j, out);
  ln_json_open(&j, '{');
  if (d->answer.n) ln_json_key(&j, LN_STR("answer")), ln_json_str(&j, d->answer);
  ln_json_key(&j, LN_STR("approval"));
  ln_json_int(&j, d->id);
  if (d->comment.n) ln_json_key(&j, LN_STR("comment")), ln_json_str(&j, d->comment);
  if (ln_str_eq(ln_str_of(d->starter), d->by)) ln_json_key(&j, LN_STR("self")), ln_json_bool(&j, true);
  ln_json_close(&j, '}');
}

static bool decide_apply(ln_tx *tx, void *arg, ln_err *err) {
  struct deciding *d = arg;
  int64_t now = ln_now_ms(d->g->loop->clock);
  if (!ln_tx_approval_vote(tx, d->id, d->yes, d->by, d->comment, d->answer, now, err)) return false;
  if (!d->run && !ln_tx_rule_answered(tx, d->id, d->yes, now, err)) return false;
  ln_buf detail;
  ln_notice n = {.event = LN_STR("decided"), .run = d->run, .approval = d->id};
  if (!d->sim && !ln_notice_put(tx, d->g, &n, err)) return false;
  put_decision(d, &detail);
  bool ok = ln_buf_ok(&detail, err) &&
            ln_tx_audit(tx, now, d->yes ? LN_STR("approved") : LN_STR("denied"), d->by, d->run,
                        ln_buf_view(&detail), err);
  ln_buf_free(&detail);
  return ok;
}

bool ln_approval_decide(ln_engine *g, int64_t id, bool yes, ln_str by, ln_str comment, ln_str answer,
                        bool interactive, ln_err *err) {
  struct deciding d = {.g = g,
                       .id = id,
                       .yes = yes,
                       .interactive = interactive,
                       .by = by,
                       .comment = comment,
                       .answer = answer};
  if (!ln_store_approval(g->store, id, read_approval, &d, err)) return false;
  if (!d.answers) return *err = d.why, false;
  /* what holds back a trigger is no run's */
  if (d.run && (!ln_store_run_get(g->store, d.run, read_run, &d, err) || !four_eyes(&d, err))) return false;
  return ln_writer_run(g->store, decide_apply, &d, err);
}
