/* check.c: what must be so when a history is over, by the vendors' own account of what was done to them:
** nothing lost    every run has ended; what the writer acknowledged is in the journal, in its order, and in
** the
**                   report; a value that runs count in has counted each of them
**   nothing twice   what is not idempotent was done once at most; what is, not again in another life
**   nothing untrue  what a step says it did was done; what it says it did not, was not
**   nobody unasked  what takes something from somebody had a yes of its own
**   the ledger      holds what the vendors have, and nothing else
**   the audit       is a whole chain, and has each write that was done once
**   a replay        of each journal comes to the same end, asks nobody, and writes nothing down */
#include "tests/sim/sim.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct touched { /* a write of some step                            */
  const sim_run *r;
  char step[SIM_STEP], op[64], entity[200], facet[200], to[64], state[16];
  bool idempotent, handle, destructive;
  int recorded; /* in the audit, as done                           */
  uint8_t print[LN_FINGERPRINT];
} touched;

enum { TOUCHED = 2048 };
static touched writes[TOUCHED];
static size_t n_writes;
static int64_t counted; /* store.incr that say that they are done          */

/* ------------------------------------------------------------------ rows */

static bool copy_row(void *arg, const ln_run_row *from) {
  sim_row *to = arg;
  to->id = from->id;
  snprintf(to->state, sizeof to->state, "%.*s", LN_STR_ARG(from->state));
  snprintf(to->outcome, sizeof to->outcome, "%.*s", LN_STR_ARG(from->outcome));
  ln_buf_add(&to->result, from->result);
  ln_buf_add(&to->error, from->error);
  ln_buf_add(&to->waiting, from->waiting);
  return false;
}

bool sim_row_read(ln_store *s, const sim_run *r, sim_row *out) {
  ln_err err;
  *out = (sim_row){.id = 0};
  ln_buf_init(&out->result, 64 << 20);
  ln_buf_init(&out->error, 1 << 20);
  ln_buf_init(&out->waiting, 1 << 20);
  if (ln_store_run_find(s, ln_str_of(r->ulid), copy_row, out, &err)) return true;
  sim_fail("lost: the run %s (%s): %s", r->ulid, r->playbook, err.message);
  return false;
}

void sim_row_free(sim_row *w) {
  ln_buf_free(&w->result);
  ln_buf_free(&w->error);
  ln_buf_free(&w->waiting);
}

static const char *const ends[] = {"completed", "failed", "cancelled"};

bool sim_row_ended(const sim_row *w) {
  for (size_t i = 0; i < 3; i++)
    if (strcmp(w->state, ends[i]) == 0) return true;
  return false;
}

static void check_end(const sim_run *r, const sim_row *w) {
  for (size_t i = 0; i < 3; i++) here->out->states[i] += strcmp(w->state, ends[i]) == 0;
  if (!sim_row_ended(w)) {
    ln_str why = ln_v_get_str(ln_buf_view(&w->waiting), "for");
    sim_fail("lost: %s (%s) is %s at the end%s%.*s", r->ulid, r->playbook, w->state, why.n ? " for " : "",
             LN_STR_ARG(why));
  } else if (r->ended_as[0] && strcmp(r->ended_as, w->state) != 0) {
    sim_fail("lost: %s (%s) was told as %s, and is %s", r->ulid, r->playbook, r->ended_as, w->state);
  }
  ln_str code = ln_v_get_str(ln_buf_view(&w->error), "code");
  if (ln_str_eq(code, LN_STR("divergence")))
    sim_fail("replay: %s (%s) diverged: %.*s", r->ulid, r->playbook,
             LN_STR_ARG(ln_v_get_str(ln_buf_view(&w->error), "message")));
}

/* What a playbook itself has seen that must not be. */
static void check_result(const sim_run *r, const sim_row *w) {
  ln_str overlap = ln_v_get_str(ln_buf_view(&w->result), "overlap");
  if (overlap.n)
    sim_fail("lock: somebody else was inside %.*s with %s (%s)", LN_STR_ARG(overlap), r->ulid, r->playbook);
}

/* ------------------------------------------------------------------ acknowledged entries */

static int by_turn(const void *a, const void *b) {
  const sim_entry *x = a, *y = b;
  return (x->turn > y->turn) - (x->turn < y->turn);
}

typedef struct matching {
  sim_acked *a;
  size_t at;
  int shown;
} matching;

static bool match(void *arg, ln_str entries) {
  matching *m = arg;
  ln_entry e;
  for (ln_str rest = entries, was = rest; ln_entry_read(&rest, &e); was = rest)
    if (m->at < m->a->n && m->a->v[m->at].hash == sim_hash(0, (ln_str){was.p, was.n - rest.n})) m->at++;
  return true;
}

static void check_acknowledged(const sim_run *r, int64_t id) {
  ln_err err;
  for (size_t i = 0; i < here->n_acked; i++) {
    matching m = {.a = &here->acked[i]};
    if (m.a->run != id) continue;
    qsort(m.a->v, m.a->n, sizeof *m.a->v, by_turn);
    if (!ln_store_journal(here->g->store, id, match, &m, &err)) sim_fail("%s: %s", r->ulid, err.message);
    if (m.at < m.a->n)
      sim_fail("lost: of the %zu entries of %s (%s) that were acknowledged, the journal lacks the %zu.",
               m.a->n, r->ulid, r->playbook, m.at + 1);
  }
}

/* ------------------------------------------------------------------ steps */

static bool is_step(const ln_record *c) {
  return c->fingerprint.n > 0 && !ln_str_eq(c->name, LN_STR(LN_CANCEL_NAME));
}

static void copy(char *to, size_t n, ln_str s) { snprintf(to, n, "%.*s", LN_STR_ARG(s)); }

static void note_write(const sim_run *r, const ln_record *c) {
  if (n_writes == TOUCHED) return;
  touched *t = &writes[n_writes++];
  ln_str data = c->intent.n ? c->intent : c->asked;
  const ln_op *op = here->g->find_op(here->g, c->op);
  *t = (touched){.r = r,
                 .idempotent = !op || op->idempotent,
                 .handle = c->handle.n > 0,
                 .destructive = op && op->move != LN_NOTE};
  if (c->fingerprint.n == LN_FINGERPRINT) memcpy(t->print, c->fingerprint.p, LN_FINGERPRINT);
  copy(t->step, sizeof t->step, c->name);
  copy(t->op, sizeof t->op, c->op);
  copy(t->state, sizeof t->state, c->has_result ? c->state : LN_STR(""));
  copy(t->entity, sizeof t->entity, ln_v_get_str(data, "entity"));
  copy(t->facet, sizeof t->facet, ln_v_get_str(data, "facet"));
  copy(t->to, sizeof t->to, ln_v_get_str(data, "to"));
}

static void check_steps(const sim_run *r, int64_t id) {
  ln_err err;
  ln_journal *j = ln_journal_load(here->g->store, id, &err);
  if (!j) {
    sim_fail("lost: the journal of %s: %s", r->ulid, err.message);
    return;
  }
  for (size_t i = 0; i < ln_journal_records(j); i++) {
    const ln_record *c = ln_journal_record(j, i);
    if (!is_step(c)) continue;
    here->out->effects++;
    counted += ln_str_eq(c->op, LN_STR("store.incr")) && c->has_result && c->ok;
    if (c->cls != LN_WRITE || c->planned) continue;
    note_write(r, c);
    if (c->intent.n && !c->has_result && !c->withdrawn)
      sim_fail("lost: %s of %s (%s) was begun, and has no end", writes[n_writes - 1].step, r->ulid,
               r->playbook);
  }
  ln_journal_free(j);
}

/* The report has every step of the journal, in its words. */
static void check_report(const sim_run *r) {
  ln_buf json, doc;
  ln_err err;
  ln_vitem steps, step;
  ln_buf_init(&json, 64 << 20);
  ln_buf_init(&doc, 64 << 20);
  bool ok = ln_report_json(here->g, ln_str_of(r->ulid), &json, &err) &&
            ln_host_json(here->g->host, ln_buf_view(&json), &doc, &err);
  if (!ok) sim_fail("report: %s: %s", r->ulid, err.message);
  ok = ok && ln_v_get(ln_buf_view(&doc), LN_STR("steps"), &steps);
  size_t found = 0, wanted = 0;
  for (size_t i = 0; i < n_writes; i++) wanted += writes[i].r == r;
  for (ln_str rest = ok ? steps.body : (ln_str){NULL, 0}; rest.n && ln_v_read(&rest, &step);)
    for (size_t i = 0; i < n_writes; i++)
      if (writes[i].r == r && ln_str_eq(ln_v_get_str(step.whole, "name"), ln_str_of(writes[i].step)))
        found += ln_str_eq(ln_v_get_str(step.whole, "state"), ln_str_of(writes[i].state)) ||
                 ln_str_eq(ln_v_get_str(step.whole, "state"), LN_STR("undone"));
  if (found != wanted) sim_fail("lost: the report of %s tells %zu of %zu writes", r->ulid, found, wanted);
  ln_buf_free(&json);
  ln_buf_free(&doc);
}

/* ------------------------------------------------------------------ what the vendors have to say of each
** write */

/* Somebody else wanted the same thing to be so, or not to be so. */
static bool is_contested(const touched *t) {
  for (size_t i = 0; i < n_writes; i++)
    if (&writes[i] != t && strcmp(writes[i].entity, t->entity) == 0 && strcmp(writes[i].facet, t->facet) == 0)
      return true;
  return false;
}

/* What a host's session has is gone with it: a copy that was fetched into one is fetched again, and one that
** is to be deleted from a closed session is taken for deleted.  That hurts nobody. */
static bool is_of_a_session(const touched *t) {
  return strcmp(t->op, "crowdstrike.rtr_get") == 0 || strcmp(t->op, "crowdstrike.rtr_delete_file") == 0;
}

static void check_write(const touched *t) {
  int acted = 0, lives = 0, last = -1, twice = 0;
  for (size_t i = 0; i < here->n_req; i++) {
    const sim_request *q = &here->req[i];
    if (!q->acted || strcmp(q->ulid, t->r->ulid) != 0 || strcmp(q->step, t->step) != 0) continue;
    acted += q->acted > 0;
    twice += q->twice;
    lives += q->life != last;
    last = q->life;
  }
  const char *id = t->r->ulid, *what = t->step, *s = t->state;
  bool says_not = strcmp(s, "failed") == 0 || strcmp(s, "refused") == 0 || strcmp(s, "cancelled") == 0 ||
                  strcmp(s, "withdrawn") == 0 || strcmp(s, "unchanged") == 0;
  bool says_so = strcmp(s, "done") == 0 || strcmp(s, "pending") == 0;
  if (!t->idempotent && acted > 1) sim_fail("twice: %s of %s was done %d times", what, id, acted);
  if (is_contested(t) || !sim_knows(t->op) || is_of_a_session(t)) return;
  if (lives > 1) sim_fail("twice: %s of %s was done in %d lives", what, id, lives);
  if (says_so && !acted) sim_fail("untrue: %s of %s is %s, and the vendor knows nothing of it", what, id, s);
  if (says_not && acted && !t->handle) sim_fail("untrue: %s of %s is %s, and the vendor did it", what, id, s);
}

/* ------------------------------------------------------------------ what people said */

typedef struct yes {
  char ulid[LN_ULID + 1];
  uint8_t print[LN_FINGERPRINT];
  bool used;
} yes;
enum { YES = 1024 };
static yes answers[YES];
static size_t n_answers;

static void note_effects(const char *ulid, ln_str effects) {
  ln_vitem v;
  while (n_answers < YES && effects.n && ln_v_read(&effects, &v)) {
    ln_str print = ln_v_get_str(v.whole, "print");
    if (v.tag == 'A') note_effects(ulid, v.body);
    if (print.n != LN_FINGERPRINT) continue;
    memcpy(answers[n_answers].ulid, ulid, LN_ULID + 1);
    memcpy(answers[n_answers++].print, print.p, LN_FINGERPRINT);
  }
}

static bool note_answer(void *arg, const ln_approval *a) {
  (void)arg;
  if (ln_str_eq(a->state, LN_STR("approved"))) note_effects(a->ulid, a->effects);
  return true;
}

static bool take_yes(const touched *t) {
  for (size_t i = 0; i < n_answers; i++)
    if (!answers[i].used && strcmp(answers[i].ulid, t->r->ulid) == 0 &&
        memcmp(answers[i].print, t->print, LN_FINGERPRINT) == 0)
      return answers[i].used = true;
  return false;
}

typedef struct lifted {
  const touched *t;
  bool any, malicious;
} lifted;

static bool see_lifted(void *arg, const ln_hold *h) {
  lifted *x = arg;
  bool by_it = strcmp(h->lifted_by, x->t->r->ulid) == 0 && ln_str_eq(h->facet, ln_str_of(x->t->facet));
  x->any |= by_it;
  x->malicious |= by_it && ln_str_eq(h->verdict, LN_STR("malicious"));
  return true;
}

/* What gives back a hold needs none, unless that rests on a malicious verdict. */
static bool gives_back(const touched *t) {
  lifted x = {.t = t};
  ln_err err;
  ln_hold_query q = {.entity = ln_str_of(t->entity), .all = true};
  if (!sim_takes_back(t->r->playbook)) return false;
  if (!ln_store_holds(here->g->store, &q, see_lifted, &x, &err)) sim_fail("ledger: %s", err.message);
  return x.any && !x.malicious;
}

/* What these do depends on their arguments: it may be no more than a note. */
static bool may_be_a_note(const touched *t) {
  return strstr(t->op, "suspicious_object") || strstr(t->op, ".watch");
}

/* Nothing was taken from anybody without a yes of its own. */
static void check_answers(void) {
  ln_err err;
  if (!ln_store_approvals(here->g->store, 0, false, note_answer, NULL, &err))
    sim_fail("approvals: %s", err.message);
  for (size_t i = 0; i < n_writes; i++) {
    const touched *t = &writes[i];
    if (!t->destructive || may_be_a_note(t) || !sim_acted(t->r->ulid, ln_str_of(t->step)) || take_yes(t) ||
        gives_back(t))
      continue;
    sim_fail("unasked: %s of %s was done, and nobody had said yes to it", t->step, t->r->ulid);
  }
}

/* ------------------------------------------------------------------ files, and what is counted */

/* Every file that is there is somebody's, who has not taken it back. */
static void check_files(void) {
  int files = 0, said = 0;
  DIR *d = fdopendir(dup(SIM_FOLDER));
  for (struct dirent *e; d && (e = readdir(d));) files += e->d_name[0] != '.';
  if (d) closedir(d);
  for (size_t i = 0; i < n_writes; i++)
    if (strcmp(writes[i].state, "done") == 0)
      said += (strcmp(writes[i].op, "file.write") == 0) - (strcmp(writes[i].op, "file.remove") == 0);
  if (files != said) sim_fail("files: %d are there, and %d were written", files, said);
}

static bool add_up(void *arg, const ln_kv *kv) {
  ln_vitem v;
  ln_str rest = kv->value;
  if (ln_v_read(&rest, &v) && v.tag == 'I') *(int64_t *)arg += v.i;
  return true;
}

static bool sum_apply(ln_tx *tx, void *arg, ln_err *err) {
  return ln_tx_kv_list(tx, LN_STR("n/"), 1000, add_up, arg, err);
}

static void check_counters(void) {
  int64_t sum = 0;
  ln_err err;
  if (!ln_writer_run(here->g->store, sum_apply, &sum, &err)) sim_fail("counters: %s", err.message);
  else if (sum != counted)
    sim_fail("%s: runs were told %lld times that they had counted, and the store has %lld",
             sum < counted ? "lost" : "twice", (long long)counted, (long long)sum);
}

/* ------------------------------------------------------------------ the ledger */

typedef struct fact {
  char entity[200], facet[200], state[64], status[16];
  int64_t since;
  bool used, given_back, lifted; /* the newest there is by a run that takes back, or
                                                         ** was taken back by one                           */
  int held;                      /* so many hold it                                 */
} fact;
enum { FACTS = 1024 };
static fact holds[FACTS], facts[FACTS];
static size_t n_holds, n_facts;

static fact *find(fact *v, size_t n, ln_str entity, ln_str facet) {
  for (size_t i = 0; i < n; i++)
    if (ln_str_ieq(ln_str_of(v[i].entity), entity) && ln_str_eq(ln_str_of(v[i].facet), facet)) return &v[i];
  return NULL;
}

/* Of several holds of one thing the newest counts.  What is foreign is held by nobody. */
static bool note_hold(void *arg, const ln_hold *h) {
  (void)arg;
  if (ln_str_eq(h->status, LN_STR("foreign"))) return true;
  fact *f = find(holds, n_holds, h->entity, h->facet);
  int held = (f ? f->held : 0) + ln_str_eq(h->status, LN_STR("held"));
  if (f) f->held = held;
  if (f && f->since > h->since_ms) return true;
  if (!f && n_holds == FACTS) return false;
  if (!f) f = &holds[n_holds++];
  *f = (fact){.since = h->since_ms, .held = held, .lifted = h->lifted_by[0] != 0};
  copy(f->entity, sizeof f->entity, h->entity);
  copy(f->facet, sizeof f->facet, h->facet);
  copy(f->state, sizeof f->state, h->state);
  copy(f->status, sizeof f->status, h->status);
  const sim_run *r = sim_run_of(h->ulid);
  f->given_back = r && sim_takes_back(r->playbook) && strcmp(f->status, "released") == 0;
  return true;
}

static bool is_hold(void *arg, const ln_hold *h) {
  *(bool *)arg = ln_str_eq(h->status, LN_STR("held")) || ln_str_eq(h->status, LN_STR("released"));
  return false;
}

/* Whoever joined has called nobody, and is one more who holds it. */
static void check_joined(const touched *t) {
  bool is = false;
  ln_err err;
  if (strcmp(t->state, "joined") != 0) return;
  if (sim_acted(t->r->ulid, ln_str_of(t->step)))
    sim_fail("untrue: %s of %s is joined, and the vendor did it for it", t->step, t->r->ulid);
  if (!ln_store_hold_of(here->g->store, ln_str_of(t->r->ulid), ln_str_of(t->step), is_hold, &is, &err) || !is)
    sim_fail("ledger: %s of %s is joined, and holds nothing", t->step, t->r->ulid);
}

/* A hold ends because somebody takes it back, or wants another state there: not with another one. */
static bool check_released(void *arg, const ln_hold *h) {
  (void)arg;
  if (!ln_str_eq(h->status, LN_STR("released")) || h->lifted_by[0]) return true;
  for (size_t i = 0; i < n_writes; i++) {
    const touched *t = &writes[i];
    bool there = ln_str_eq(h->entity, ln_str_of(t->entity)) && ln_str_eq(h->facet, ln_str_of(t->facet));
    if (there && !ln_str_eq(h->state, ln_str_of(t->to)) && !sim_takes_back(t->r->playbook)) return true;
  }
  sim_fail("ledger: %s of %.*s held %.*s %.*s, and it ended with what was somebody else's", h->ulid,
           LN_STR_ARG(h->step), LN_STR_ARG(h->entity), LN_STR_ARG(h->facet));
  return true;
}

static void ask_vendor(const char *vendor) {
  ln_buf b;
  ln_vitem list, one;
  ln_buf_init(&b, 64 << 20);
  if (!sim_truth(vendor, &b)) return;
  ln_str rest = ln_buf_view(&b);
  if (ln_v_read(&rest, &list))
    for (rest = list.body; n_facts < FACTS && rest.n && ln_v_read(&rest, &one); n_facts++) {
      copy(facts[n_facts].entity, sizeof facts->entity, ln_v_get_str(one.whole, "entity"));
      copy(facts[n_facts].facet, sizeof facts->facet, ln_v_get_str(one.whole, "facet"));
      copy(facts[n_facts].state, sizeof facts->state, ln_v_get_str(one.whole, "state"));
    }
  ln_buf_free(&b);
}

/* What a vendor's account says nothing of: it is as it always was; NULL: of this it never says anything. */
static const char *usual(const fact *h) {
  if (strncmp(h->entity, "acme:", 5) == 0)
    return strcmp(h->facet, "lock") == 0 ? "active" : strcmp(h->facet, "content") == 0 ? "whole" : NULL;
  if (strcmp(h->facet, "isolation") == 0) return "connected";
  if (strcmp(h->facet, "suspicious") == 0 || strcmp(h->facet, "exception") == 0 ||
      strcmp(h->facet, "ioc") == 0)
    return "absent";
  if (strncmp(h->facet, "group:", 6) == 0) return "(unchanged)";
  if (strncmp(h->entity, "crowdstrike:host:", 17) == 0 && strncmp(h->facet, "file:", 5) == 0)
    return "present";
  return NULL;
}

static void check_ledger(void) {
  static const char *const vendors[] = {"acme", "okta", "visionone", "crowdstrike"};
  ln_hold_query q = {.all = true};
  ln_err err;
  if (!ln_store_holds(here->g->store, &q, note_hold, NULL, &err) ||
      !ln_store_holds(here->g->store, &q, check_released, NULL, &err))
    sim_fail("ledger: %s", err.message);
  for (size_t i = 0; i < 4; i++) ask_vendor(vendors[i]);
  for (size_t i = 0; i < n_holds; i++) {
    const fact *h = &holds[i];
    fact *f = find(facts, n_facts, ln_str_of(h->entity), ln_str_of(h->facet));
    const char *is = f ? f->state : usual(h);
    if (f) f->used = true;
    if (is && h->given_back && strcmp(is, h->state) != 0 && strcmp(is, "(unchanged)") != 0)
      sim_fail("ledger: %s %s was given back as %s, and the vendor has it as %s", h->entity, h->facet,
               h->state, is);
    if (is && h->lifted && !h->held && strcmp(is, h->state) == 0)
      sim_fail("ledger: %s %s was taken back, and the vendor has it as %s still", h->entity, h->facet, is);
    if (is && strcmp(h->status, "held") == 0 && strcmp(is, h->state) != 0)
      sim_fail("ledger: %s %s is held as %s, and the vendor has it as %s", h->entity, h->facet, h->state, is);
  }
  for (size_t i = 0; i < n_facts; i++)
    if (!facts[i].used)
      sim_fail("ledger: the vendor has %s %s as %s, and nobody holds it", facts[i].entity, facts[i].facet,
               facts[i].state);
}

/* ------------------------------------------------------------------ the audit */

typedef struct chained {
  int64_t seq;
  uint8_t hash[LN_SHA256];
} chained;

/* Counts it for the write that it tells of, when that was done. */
static void count_record(const ln_audit_row *r) {
  ln_buf detail;
  ln_vitem v;
  ln_err err;
  ln_buf_init(&detail, 1 << 20);
  bool ok = ln_host_json(here->g->host, r->detail, &detail, &err) &&
            ln_v_get(ln_buf_view(&detail), LN_STR("step"), &v);
  bool done = ok && ln_str_eq(ln_v_get_str(ln_buf_view(&detail), "outcome"), LN_STR("done"));
  for (size_t i = 0; done && i < n_writes; i++)
    if (ln_str_eq(r->ulid, ln_str_of(writes[i].r->ulid)) && ln_str_eq(v.s, ln_str_of(writes[i].step)))
      writes[i].recorded++;
  if (!ok) sim_fail("audit: record %lld tells of no step: %.*s", (long long)r->seq, LN_STR_ARG(r->detail));
  ln_buf_free(&detail);
}

static bool see_record(void *arg, const ln_audit_row *r) {
  chained *last = arg;
  uint8_t hash[LN_SHA256];
  if (r->seq != last->seq + 1)
    sim_fail("audit: after record %lld comes %lld", (long long)last->seq, (long long)r->seq);
  if (!ln_audit_hash(last->hash, r, hash) || memcmp(hash, r->hash, sizeof hash) != 0)
    sim_fail("audit: record %lld does not follow from the one before it", (long long)r->seq);
  last->seq = r->seq;
  memcpy(last->hash, r->hash, sizeof last->hash);
  if (ln_str_eq(r->what, LN_STR("write"))) count_record(r);
  return true;
}

static void check_audit(void) {
  chained last = {.seq = 0};
  ln_err err;
  if (!ln_store_audit(here->g->store, 0, 0, see_record, &last, &err)) sim_fail("audit: %s", err.message);
  for (size_t i = 0; i < n_writes; i++)
    if (strcmp(writes[i].state, "done") == 0 && writes[i].recorded != 1)
      sim_fail("audit: %s of %s was done, and is %d times on record", writes[i].step, writes[i].r->ulid,
               writes[i].recorded);
}

/* ------------------------------------------------------------------ all of it */

void sim_check(void) {
  static sim_row rows[SIM_ALL];
  for (int i = 0; i < here->n_runs; i++) {
    const sim_run *r = &here->runs[i];
    if (!r->ulid[0] || !sim_row_read(here->g->store, r, &rows[i])) continue;
    here->out->runs++;
    check_end(r, &rows[i]);
    check_result(r, &rows[i]);
    check_acknowledged(r, rows[i].id);
    check_steps(r, rows[i].id);
    check_report(r);
  }
  for (size_t i = 0; i < n_writes; i++) check_write(&writes[i]), check_joined(&writes[i]);
  check_answers();
  check_files();
  check_counters();
  check_ledger();
  check_audit();
  sim_replays(rows);
}
