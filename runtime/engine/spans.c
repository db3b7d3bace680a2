/* spans.c: what a run does as spans of a trace: one for itself, one a stage, one a step.
**
** Ids follow from the run's own and from names (of branch, step, stage), which a replay repeats: whoever goes
** on with a run goes on in its trace.  A span is made when its entry is put down, while all that it tells is
** at hand, and told when that entry is on disk, as everything is that leaves the process.  What a process
** that was killed had committed and not yet sent is told again by whoever takes its run over: the last ones,
** under the same ids. */
#include "engine/inside.h"
#include "engine/traces.h"

#include <stdio.h>
#include <stdlib.h>

enum { AGAIN_MOST = 512 };                               /* steps that a take-over tells again              */

struct ln_span_draft { ln_span_draft *next; ln_span span; };

/* A stage that has begun, by the branch that it is: what is below that is below it. */
struct ln_staged { ln_staged *next; int64_t began_ms; bool over; char stage[64], branch[]; };

#define PUT(to, s) snprintf((to), sizeof(to), "%.*s", LN_STR_ARG(s))

/* ------------------------------------------------------------------ where it stands */

void ln_spans_begin(ln_run *r) {
  if (r->trace_given) return;
  ln_trace_id_of("trace", ln_str_of(r->ulid), r->trace.id);
  r->trace.sampled = ln_trace_in_share(r->trace.id, r->engine->config->traces.sample);
}

bool ln_spans_given(ln_run *r, ln_str traceparent) {
  return r->trace_given = traceparent.n && ln_trace_read(traceparent, &r->trace);
}

static bool is_told(const ln_run *r) { return r->engine->traces && r->trace.sampled && !r->replay; }

/* What a poll asks is no step: it belongs to the one that polls, whose name the branch of the poll has. */
static ln_str step_of(const ln_effect *e) {
  const ln_branch *b = e->branch;
  if (!b->polling) return ln_str_of(e->name);
  while (b->parent && b->parent->polling) b = b->parent;
  return ln_str_of(b->name);
}

static void step_trace(const ln_effect *e, ln_trace *out) {
  *out = e->run->trace;
  ln_span_id_of("step", ln_str_of(e->run->ulid), step_of(e), out->span);
}

void ln_effect_traceparent(const ln_effect *e, char out[LN_TRACEPARENT + 1]) {
  ln_trace t;
  step_trace(e, &t);
  ln_trace_write(&t, out);
}

ln_str ln_effect_trace(const ln_effect *e) {
  static _Thread_local char text[LN_TRACEPARENT + 1];
  const ln_engine *g = e->run->engine;
  if (!g->traces || g->config->traces.tell == LN_TELL_NONE) return (ln_str){NULL, 0};
  ln_effect_traceparent(e, text);
  return ln_str_of(text);
}

/* ------------------------------------------------------------------ drafts */

/* NULL: no memory, and nobody is told. */
static ln_span *draft(ln_run *r, ln_span_what what, int64_t start_ms, int64_t end_ms) {
  ln_span_draft *d = calloc(1, sizeof *d);
  if (!d) return NULL;
  ln_span *s = &d->span;
  s->what = what;
  memcpy(s->trace, r->trace.id, sizeof s->trace);
  s->start_ms = start_ms;
  s->end_ms = end_ms;
  s->plan = r->planning;
  memcpy(s->run, r->ulid, sizeof s->run);
  PUT(s->playbook, ln_str_of(r->playbook));
  d->next = r->drafts;
  r->drafts = d;
  return s;
}

void ln_spans_drop(ln_span_draft *d) {
  while (d) {
    ln_span_draft *next = d->next;
    free(d);
    d = next;
  }
}

void ln_spans_tell(ln_engine *g, ln_span_draft *d) {
  for (const ln_span_draft *x = d; x && g->traces; x = x->next) ln_traces_put(g->traces, &x->span);
  ln_spans_drop(d);
}

/* ------------------------------------------------------------------ stages */

static bool is_below(ln_str name, const char *branch) {
  size_t n = strlen(branch);
  return name.n > n && memcmp(name.p, branch, n) == 0 && name.p[n] == '/';
}

/* The innermost stage that a step or a branch belongs to; NULL: none. */
static const ln_staged *stage_above(const ln_run *r, ln_str name) {
  const ln_staged *found = NULL;
  for (const ln_staged *s = r->staged; s; s = s->next)
    if (is_below(name, s->branch) && (!found || strlen(s->branch) > strlen(found->branch))) found = s;
  return found;
}

static void put_parent(const ln_run *r, ln_str name, ln_span *s) {
  const ln_staged *above = stage_above(r, name);
  ln_str ulid = ln_str_of(r->ulid);
  if (above) ln_span_id_of("stage", ulid, ln_str_of(above->branch), s->parent);
  else ln_span_id_of("run", ulid, (ln_str){NULL, 0}, s->parent);
  if (above) PUT(s->stage, ln_str_of(above->stage));
}

static ln_str branch_of(ln_str name) {
  size_t n = name.n;
  while (n && name.p[n - 1] != '/') n--;
  return (ln_str){name.p, n ? n - 1 : 0};
}

static void stage_begins(ln_run *r, ln_str branch, ln_str stage, int64_t ms) {
  ln_staged *s = calloc(1, sizeof *s + branch.n + 1);
  if (!s) return;
  s->next = r->staged;
  s->began_ms = ms;
  PUT(s->stage, stage);
  memcpy(s->branch, branch.p, branch.n);
  r->staged = s;
}

/* Its end is noted in the branch above it. */
static ln_staged *stage_under_way(ln_run *r, ln_str above, ln_str stage) {
  for (ln_staged *s = r->staged; s; s = s->next)
    if (!s->over && ln_str_eq(ln_str_of(s->stage), stage) &&
        ln_str_eq(branch_of(ln_str_of(s->branch)), above))
      return s;
  return NULL;
}

static void see_stage(ln_run *r, const ln_entry *e, bool tell) {
  ln_str stage = ln_v_get_str(e->data, "stage"), state = ln_v_get_str(e->data, "state");
  ln_str branch = branch_of(e->name);
  if (ln_str_eq(state, LN_STR("running"))) {
    stage_begins(r, branch, stage, e->at_ms);
    return;
  }
  ln_staged *of = stage_under_way(r, branch, stage);
  if (!of) return;
  of->over = true;
  ln_span *s = tell ? draft(r, LN_SPAN_STAGE, of->began_ms, e->at_ms) : NULL;
  if (!s) return;
  ln_span_id_of("stage", ln_str_of(r->ulid), ln_str_of(of->branch), s->id);
  put_parent(r, ln_str_of(of->branch), s);
  PUT(s->name, stage);
  PUT(s->stage, stage);
  PUT(s->outcome, state);
  s->failed = strcmp(s->outcome, "failed") == 0;
}

void ln_spans_stage(ln_run *r, const ln_entry *e) {
  if (is_told(r)) see_stage(r, e, true);
}

void ln_spans_free(ln_run *r) {
  ln_spans_drop(r->drafts);
  r->drafts = NULL;
  while (r->staged) {
    ln_staged *next = r->staged->next;
    free(r->staged);
    r->staged = next;
  }
}

/* ------------------------------------------------------------------ steps */

typedef struct step { /* what entries and effects say of one */
  ln_str name, op, state, outcome, entity;
  ln_class cls;
  int64_t asked_ms, done_ms, approval;
  bool ok;
  const char *const *d3fend;
} step;

static bool put_approval(void *arg, const ln_approval *a) {
  ln_span *s = arg;
  bool decided = a->decided_ms && !ln_str_eq(a->state, LN_STR("waiting"));
  s->events[s->n_events++] = (ln_span_event){a->created_ms, a->id, "waiting"};
  if (!decided) return false;
  ln_span_event *e = &s->events[s->n_events++];
  *e = (ln_span_event){.ms = a->decided_ms, .approval = a->id};
  PUT(e->state, a->state);
  return false;
}

static void put_vendor(const ln_run *r, ln_str op, ln_span *s) {
  static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
  ln_str connector, name;
  if (!ln_str_cut(op, '.', &connector, &name)) return;
  const ln_connector_config *c = ln_config_connector(r->engine->config, connector);
  bool http = ln_str_eq(connector, LN_STR("http"));
  s->client = c || http;
  if (c) PUT(s->address, ln_config_host(c->url));
  for (size_t i = 0; http && i < sizeof methods / sizeof *methods; i++)
    if (ln_str_ieq(name, ln_str_of(methods[i]))) s->method = methods[i];
}

static void put_error(ln_str outcome, ln_span *s) {
  PUT(s->error, ln_v_get_str(outcome, "code"));
  s->status = (int)ln_v_get_int(outcome, "status", 0);
  if (!s->error[0]) memcpy(s->error, "failed", sizeof "failed");
}

/* Of its name only what is no item's and no author's: operation and turn. */
static void put_turn(const step *t, ln_span *s) {
  ln_str at = branch_of(t->name);
  ln_str last = at.n ? (ln_str){t->name.p + at.n + 1, t->name.n - at.n - 1} : t->name;
  if (ln_str_starts(last, t->op) && last.n > t->op.n && last.p[t->op.n] == '#') PUT(s->step, last);
}

/* What is only planned, for `approved` to ask about, is told as well: its looks have asked vendors. */
static void tell_step(ln_run *r, const step *t) {
  ln_err quiet = {0};
  ln_str vendor, kind, id;
  ln_span *s = draft(r, LN_SPAN_STEP, t->asked_ms, t->done_ms);
  if (!s) return;
  ln_span_id_of("step", ln_str_of(r->ulid), t->name, s->id);
  put_parent(r, t->name, s);
  PUT(s->name, t->op);
  put_turn(t, s);
  s->cls = ln_class_name(t->cls);
  PUT(s->outcome, t->state);
  s->failed = !t->ok;
  if (!t->ok) put_error(t->outcome, s);
  if (ln_str_cut(t->entity, ':', &vendor, &id) && ln_str_cut(id, ':', &kind, &id)) PUT(s->kind, kind);
  put_vendor(r, t->op, s);
  for (size_t i = 0; i < LN_SPAN_D3FEND && t->d3fend && t->d3fend[i]; i++)
    PUT(s->d3fend[i], ln_str_of(t->d3fend[i]));
  if (t->approval > 0) ln_store_approval(r->engine->store, t->approval, put_approval, s, &quiet);
}

void ln_spans_step(const ln_effect *e, const ln_entry *entry) {
  if (!is_told(e->run)) return;
  step t = {.name = entry->name, .op = entry->op, .state = entry->state, .outcome = ln_buf_view(&e->outcome),
            .entity = e->w.entity, .cls = entry->cls, .asked_ms = entry->asked_ms, .done_ms = entry->at_ms,
            .approval = e->approval, .ok = entry->ok, .d3fend = e->op->d3fend};
  tell_step(e->run, &t);
}

/* ------------------------------------------------------------------ the run */

/* The technique of an alert among its inputs, where it is spelt as one. */
static void put_technique(const ln_run *r, ln_span *s) {
  ln_vitem all, one, technique;
  ln_str rest = ln_buf_view(&r->input), key;
  if (!ln_v_read(&rest, &all) || all.tag != 'O') return;
  for (rest = all.body; rest.n && ln_v_read_key(&rest, &key) && ln_v_read(&rest, &one);) {
    if (one.tag != 'O' || !ln_v_get(one.whole, LN_STR("technique"), &technique)) continue;
    ln_str id = technique.tag == 'O' ? ln_v_get_str(technique.whole, "id") : (ln_str){NULL, 0};
    if (ln_str_glob(LN_STR("T????"), id) || ln_str_glob(LN_STR("T????.???"), id)) PUT(s->technique, id);
    return;
  }
}

void ln_spans_ended(ln_run *r) {
  ln_span *s = is_told(r) ? draft(r, LN_SPAN_RUN, r->created_ms, ln_now_ms(r->engine->loop->clock)) : NULL;
  if (!s) return;
  ln_span_id_of("run", ln_str_of(r->ulid), (ln_str){NULL, 0}, s->id);
  memcpy(s->parent, r->trace.span, sizeof s->parent);
  PUT(s->name, ln_str_of(r->playbook));
  PUT(s->state, ln_str_of(ln_run_state(r)));
  PUT(s->outcome, ln_str_of(ln_run_outcome(r)));
  s->failed = strcmp(s->state, "failed") == 0;
  if (s->failed) PUT(s->error, ln_str_of(r->why.code));
  put_technique(r, s);
  ln_spans_tell(r->engine, r->drafts);
  r->drafts = NULL;
}

/* ------------------------------------------------------------------ taking over */

static void tell_record(ln_run *r, const ln_record *rec) {
  ln_engine *g = r->engine;
  const ln_op *op = g->find_op && rec->cls == LN_WRITE ? g->find_op(g, rec->op) : NULL;
  step t = {.name = rec->name, .op = rec->op, .state = rec->state, .outcome = rec->outcome,
            .entity = ln_v_get_str(rec->intent, "entity"), .cls = rec->cls, .asked_ms = rec->asked_ms,
            .done_ms = rec->done_ms, .approval = ln_v_get_int(rec->asked, "approval", 0), .ok = rec->ok,
            .d3fend = op ? op->d3fend : NULL};
  if (rec->fingerprint.n && !rec->dropped) tell_step(r, &t);
}

typedef struct staging { ln_run *r; bool tell; } staging;

static bool see_entry(void *arg, const ln_entry *e) {
  staging *g = arg;
  if (e->kind == LN_E_STAGE) see_stage(g->r, e, g->tell);
  return true;
}

void ln_spans_loaded(ln_run *r, bool again) {
  staging g = {r, again};
  if (!is_told(r)) return;
  ln_journal_each(r->past, see_entry, &g);
  if (!again) return;
  size_t n = ln_journal_deliveries(r->past);
  for (size_t i = n > AGAIN_MOST ? n - AGAIN_MOST : 0; i < n; i++)
    tell_record(r, ln_journal_delivery(r->past, i));
  ln_spans_tell(r->engine, r->drafts);
  r->drafts = NULL;
}
