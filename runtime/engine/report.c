/* report.c: one run as a document (INTERFACE.md): what is in its row, its journal, the ledger and its
** approvals. Nothing here is remembered from the run itself, so a run that another process made reads the
** same. */
#include "engine/inside.h"

#include <stdio.h>
#include <stdlib.h>

/* A stage as its entries tell it; parent: the branch that called it. */
typedef struct stage_seen { ln_str parent, stage, state, why; } stage_seen;

typedef struct report {
  ln_engine *g;
  ln_journal *j;
  ln_json *out;
  int64_t run;
  char ulid[LN_ULID + 1], owner[LN_ULID + 1];
  ln_buf row;                                            /* texts copied from the row                       */
  ln_str playbook, snapshot, state, outcome, input, result, error, waiting, by;
  int64_t created_ms, finished_ms;
  bool plan, failed;                                     /* failed: no memory                               */
  ln_str own_stage;                                      /* the one that the playbook is by itself          */
  stage_seen *stages;
  size_t n_stages, max_stages;
  ln_tally undone;                                       /* steps that a later run took back                */
  ln_err *err;
} report;

/* ------------------------------------------------------------------ small things */

static void key(report *r, const char *name) { ln_json_key(r->out, ln_str_of(name)); }

static void text(report *r, const char *name, ln_str v) {
  key(r, name);
  if (v.n) ln_json_str(r->out, v);
  else ln_json_null(r->out);
}

static void value(report *r, const char *name, ln_str v) {
  key(r, name);
  if (v.n) ln_v_to_json(v, r->out);
  else ln_json_null(r->out);
}

static void moment(report *r, const char *name, int64_t ms) {
  char at[LN_TIME_TEXT];
  key(r, name);
  if (!ms) {
    ln_json_null(r->out);
    return;
  }
  ln_format_time(ms, at);
  ln_json_strz(r->out, at);
}

/* ------------------------------------------------------------------ the row */

static ln_str keep(report *r, ln_str s) {
  size_t at = r->row.n;
  if (!ln_buf_add(&r->row, s)) return (ln_str){NULL, 0};
  return (ln_str){(const char *)(uintptr_t)at, s.n}; /* an offset until the buffer stands still */
}

static void stand(report *r, ln_str *s) { s->p = s->n ? r->row.p + (uintptr_t)s->p : NULL; }

static bool copy_row(void *arg, const ln_run_row *row) {
  report *r = arg;
  r->run = row->id;
  r->created_ms = row->created_ms;
  r->finished_ms = row->finished_ms;
  r->plan = ln_v_get_bool(row->options, "plan", false);
  memcpy(r->ulid, row->ulid, sizeof r->ulid);
  memcpy(r->owner, row->owner, sizeof r->owner);
  ln_str *to[] = {&r->playbook, &r->snapshot, &r->state, &r->outcome,
                  &r->input,    &r->result,   &r->error, &r->waiting, &r->by};
  ln_str from[] = {row->playbook, row->snapshot, row->state, row->outcome,
                   row->input,    row->result,   row->error, row->waiting, row->started_by};
  for (size_t i = 0; i < sizeof to / sizeof *to; i++) *to[i] = keep(r, from[i]);
  for (size_t i = 0; i < sizeof to / sizeof *to; i++) stand(r, to[i]);
  return false;
}

static bool owner_is_dead(report *r) {
  if (ln_str_eq(r->state, LN_STR("cancelling"))) r->state = LN_STR("running");
  bool running = ln_str_eq(r->state, LN_STR("running"));
  return running && (!r->owner[0] || !ln_owner_alive(r->g->store, ln_str_of(r->owner)));
}

static bool is_frozen(void *arg, const ln_freeze *f) {
  (void)f;
  *(bool *)arg = true;
  return false;
}

static bool frozen(report *r) {
  const ln_str everything[3] = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
  bool is = false;
  return ln_store_frozen(r->g->store, everything, is_frozen, &is, r->err) && is;
}

static void put_waiting(report *r) {
  char next[96];
  key(r, "waiting");
  bool interrupted = owner_is_dead(r);
  if (!interrupted && !ln_str_eq(r->state, LN_STR("waiting"))) {
    ln_json_null(r->out);
    return;
  }
  ln_json_open(r->out, '{');
  text(r, "for", interrupted ? LN_STR("interrupted") : ln_v_get_str(r->waiting, "for"));
  text(r, "id", interrupted ? (ln_str){NULL, 0} : ln_v_get_str(r->waiting, "id"));
  text(r, "step", interrupted ? (ln_str){NULL, 0} : ln_v_get_str(r->waiting, "step"));
  moment(r, "until", interrupted ? 0 : ln_v_get_int(r->waiting, "until", 0));
  bool restored = ln_str_eq(ln_v_get_str(r->waiting, "for"), LN_STR("restored"));
  snprintf(next, sizeof next, "%slunette resume %s", restored && frozen(r) ? "lunette thaw && " : "",
           r->ulid);
  text(r, "next", interrupted || restored ? ln_str_of(next) : ln_v_get_str(r->waiting, "next"));
  ln_json_close(r->out, '}');
}

/* Only of a run that was: it began with another's answers. */
static void put_forked(report *r) {
  const ln_forked *f = ln_journal_forked(r->j);
  if (!f) return;
  key(r, "forked");
  ln_json_open(r->out, '{');
  text(r, "run", f->run);
  key(r, "step");
  ln_json_int(r->out, f->step);
  ln_json_close(r->out, '}');
}

typedef struct alerts_put { report *r; int n; } alerts_put;

static bool put_alert(void *arg, const ln_alert_row *a) {
  alerts_put *p = arg;
  report *r = p->r;
  if (!p->n++) key(r, "alerts"), ln_json_open(r->out, '[');
  ln_json_open(r->out, '{');
  text(r, "source", a->source);
  text(r, "id", a->name);
  moment(r, "received", a->ms);
  text(r, "title", a->title);
  ln_json_close(r->out, '}');
  return true;
}

/* Only of a run that alerts began, or joined. */
static void put_alerts(report *r) {
  alerts_put p = {.r = r};
  ln_store_run_alerts(r->g->store, r->run, put_alert, &p, r->err);
  if (p.n) ln_json_close(r->out, ']');
}

static void put_head(report *r) {
  text(r, "run", ln_str_of(r->ulid));
  text(r, "playbook", r->playbook);
  text(r, "snapshot", r->snapshot);
  text(r, "state", owner_is_dead(r) ? LN_STR("waiting") : r->state);
  text(r, "outcome", r->outcome);
  key(r, "plan");
  ln_json_bool(r->out, r->plan);
  value(r, "input", r->input);
  value(r, "result", r->result);
  value(r, "error", r->error);
  put_waiting(r);
  moment(r, "started", r->created_ms);
  text(r, "started_by", r->by);
  moment(r, "finished", r->finished_ms);
  put_forked(r);
  put_alerts(r);
}

/* ------------------------------------------------------------------ stages */

/* "host/stage#1" was written by the branch "host", which is below the root. */
static ln_str parent_of(ln_str name) {
  size_t n = name.n;
  while (n && name.p[n - 1] != '/') n--;
  return (ln_str){name.p, n ? n - 1 : 0};
}

static stage_seen *add_stage(report *r) {
  if (r->n_stages == r->max_stages) {
    size_t max = r->max_stages ? 2 * r->max_stages : 16;
    stage_seen *more = realloc(r->stages, max * sizeof *more);
    if (!more) return r->failed = true, NULL;
    r->stages = more;
    r->max_stages = max;
  }
  return &r->stages[r->n_stages++];
}

/* A stage that is under way is the one that an entry of its branch goes on with; else it is another one. */
static bool see_stage(void *arg, const ln_entry *e) {
  report *r = arg;
  if (ln_str_eq(e->name, LN_STR(LN_STAGE_NAME))) r->own_stage = ln_v_get_str(e->data, "stage");
  if (e->kind != LN_E_STAGE) return true;
  stage_seen now = {parent_of(e->name), ln_v_get_str(e->data, "stage"), ln_v_get_str(e->data, "state"),
                    ln_v_get_str(e->data, "why")};
  if (ln_str_eq(now.state, LN_STR("running"))) now.parent = parent_of(now.parent); /* it says so itself */
  for (size_t i = 0; i < r->n_stages; i++) {
    stage_seen *s = &r->stages[i];
    bool under_way = ln_str_eq(s->state, LN_STR("running"));
    bool same = ln_str_eq(s->stage, now.stage) && ln_str_eq(s->parent, now.parent);
    if (under_way && same) return *s = now, true;
  }
  stage_seen *s = add_stage(r);
  if (s) *s = now;
  return s != NULL;
}

/* The run's state is its. */
static void put_own_stage(report *r) {
  ln_str state = owner_is_dead(r) ? LN_STR("waiting") : r->state;
  if (ln_str_eq(state, LN_STR("completed"))) state = LN_STR("done");
  else if (ln_str_eq(ln_v_get_str(r->error, "code"), LN_STR("skipped"))) state = LN_STR("skipped");
  ln_json_open(r->out, '{');
  text(r, "stage", r->own_stage);
  text(r, "state", state);
  text(r, "why", ln_v_get_str(r->error, "message"));
  ln_json_close(r->out, '}');
}

static void put_stages(report *r) {
  bool waits = ln_str_eq(r->state, LN_STR("waiting")) || owner_is_dead(r);
  ln_journal_each(r->j, see_stage, r);
  key(r, "stages");
  ln_json_open(r->out, '[');
  if (r->own_stage.n) put_own_stage(r);
  for (size_t i = 0; i < r->n_stages; i++) {
    const stage_seen *s = &r->stages[i];
    bool under_way = ln_str_eq(s->state, LN_STR("running"));
    ln_json_open(r->out, '{');
    text(r, "stage", s->stage);
    text(r, "state", under_way && waits ? LN_STR("waiting") : s->state);
    text(r, "why", s->why);
    ln_json_close(r->out, '}');
  }
  ln_json_close(r->out, ']');
}

/* Takes a branch's name, and the slash after it, off the front of a name. */
static bool skip_branch(ln_str *name, ln_str branch) {
  if (!branch.n) return true;
  if (name->n <= branch.n || !ln_str_starts(*name, branch) || name->p[branch.n] != '/') return false;
  *name = (ln_str){name->p + branch.n + 1, name->n - branch.n - 1};
  return true;
}

/* The branch of a stage is named after the last part of its name; called again it is "model~2". */
static bool is_within(const stage_seen *s, ln_str name) {
  ln_str own, part, rest, last = s->stage;
  while (ln_str_cut(last, '.', &own, &last) && last.n) continue;
  if (!skip_branch(&name, s->parent) || !ln_str_cut(name, '/', &part, &rest)) return false;
  return ln_str_starts(part, own) && (part.n == own.n || part.p[own.n] == '~');
}

/* The innermost stage that a step or note belongs to. */
static ln_str stage_of(const report *r, ln_str name) {
  const stage_seen *found = NULL;
  for (size_t i = 0; i < r->n_stages; i++) {
    const stage_seen *s = &r->stages[i];
    if (is_within(s, name) && (!found || s->parent.n >= found->parent.n)) found = s;
  }
  return found ? found->stage : r->own_stage;
}

/* ------------------------------------------------------------------ steps */

static bool is_step(const ln_record *c) {
  return c->fingerprint.n > 0 && !ln_str_eq(c->name, LN_STR(LN_CANCEL_NAME));
}

/* What `approved` tried out before it asked is no step of a run that acts. */
static bool was_tried_out(const report *r, const ln_record *c) {
  return !r->plan && c->planned && ln_str_find(c->name, LN_STR("approved?")) >= 0;
}

static ln_str state_of(const report *r, const ln_record *c) {
  if (ln_tally_has(&r->undone, c->name)) return LN_STR("undone");
  if (c->has_result) return c->state;
  if (c->in_doubt) return LN_STR("doubt");
  if (c->withdrawn) return LN_STR("withdrawn");
  return c->asked.n ? LN_STR("waiting") : LN_STR("running");
}

static void put_d3fend(report *r, ln_str op) {
  const ln_op *o = r->g->find_op ? r->g->find_op(r->g, op) : NULL;
  key(r, "d3fend");
  ln_json_open(r->out, '[');
  for (size_t i = 0; o && o->d3fend && o->d3fend[i]; i++) ln_json_strz(r->out, o->d3fend[i]);
  ln_json_close(r->out, ']');
}

static bool put_step_error(report *r, const ln_record *c) {
  ln_buf hold = {0};
  ln_str e;
  if (!c->has_result || c->ok) return true;
  bool ok = ln_entry_data(r->g, c->name, c->outcome, &hold, &e, r->err);
  if (ok) {
    key(r, "error");
    ln_json_open(r->out, '{');
    text(r, "code", ln_v_get_str(e, "code"));
    text(r, "message", ln_v_get_str(e, "message"));
    text(r, "rule", ln_v_get_str(e, "rule"));
    ln_json_close(r->out, '}');
  }
  ln_buf_free(&hold);
  return ok;
}

/* What a write is about: of one that has no intent, the entry of a question or a look says it. */
static void put_target(report *r, const ln_record *c) {
  ln_vitem names = {0};
  ln_str about = ln_v_get_str(c->intent, "entity").n ? c->intent : c->asked;
  ln_str entity = ln_v_get_str(about, "entity");
  text(r, "entity", entity);
  if (c->cls != LN_WRITE) return;
  ln_v_get(about, LN_STR("names"), &names);
  text(r, "label", ln_label_of(names.whole, entity));
  text(r, "facet", ln_v_get_str(about, "facet"));
  text(r, "to", ln_v_get_str(about, "to"));
}

static bool put_step(report *r, const ln_record *c) {
  ln_json_open(r->out, '{');
  text(r, "name", c->name);
  key(r, "seq");
  ln_json_int(r->out, c->seq);
  text(r, "op", c->op);
  text(r, "class", ln_str_of(ln_class_name(c->cls)));
  text(r, "state", state_of(r, c));
  key(r, "attempts");
  ln_json_int(r->out, c->attempts ? c->attempts : c->has_result ? 1 : 0);
  text(r, "stage", stage_of(r, c->name));
  put_d3fend(r, c->op);
  put_target(r, c);
  moment(r, "started", c->asked_ms);
  key(r, "ms");
  if (c->has_result) ln_json_num(r->out, (double)(c->done_ms - c->asked_ms));
  else ln_json_null(r->out);
  if (!put_step_error(r, c)) return false;
  if (c->planned) value(r, "would", c->intent);
  if (c->in_doubt) value(r, "doubt", c->doubt);
  ln_json_close(r->out, '}');
  return true;
}

static bool see_undone(void *arg, const ln_hold *h) {
  report *r = arg;
  if (h->lifted_by[0] && !ln_tally_add(&r->undone, h->step)) r->failed = true;
  return !r->failed;
}

static bool put_steps(report *r) {
  ln_hold_query q = {.run = r->run, .all = true};
  if (!ln_store_holds(r->g->store, &q, see_undone, r, r->err)) return false;
  key(r, "steps");
  ln_json_open(r->out, '[');
  for (size_t i = 0; i < ln_journal_records(r->j); i++) {
    const ln_record *c = ln_journal_record(r->j, i);
    if (is_step(c) && !was_tried_out(r, c) && !put_step(r, c)) return false;
  }
  ln_json_close(r->out, ']');
  return true;
}

/* ------------------------------------------------------------------ notes */

struct noting { report *r; const char *kind; bool ok; };

/* What was found, or remarked: when, in which stage, and the note's own members. */
static void put_members(report *r, const ln_entry *e, ln_str data) {
  ln_vitem v;
  ln_str rest, k;
  ln_json_open(r->out, '{');
  text(r, "stage", stage_of(r, e->name));
  if (ln_str_eq(e->op, LN_STR("log"))) moment(r, "at", e->at_ms);
  if (ln_v_read(&data, &v))
    for (rest = v.body; rest.n && ln_v_read_key(&rest, &k) && ln_v_read(&rest, &v);) {
      ln_json_key(r->out, k);
      ln_v_to_json(v.whole, r->out);
    }
  ln_json_close(r->out, '}');
}

static void put_evidence(report *r, ln_str data) {
  uint8_t sha[LN_SHA256] = {0};
  char hex[2 * LN_SHA256 + 1];
  ln_vitem v = {0};
  ln_v_get(data, LN_STR("value"), &v);
  ln_sha256(v.whole, sha);
  ln_hex(sha, sizeof sha, hex);
  ln_json_open(r->out, '{');
  text(r, "name", ln_v_get_str(data, "name"));
  text(r, "sha256", ln_str_of(hex));
  key(r, "bytes");
  ln_json_int(r->out, (int64_t)v.whole.n);
  value(r, "value", v.whole);
  ln_json_close(r->out, '}');
}

static void put_not_done(report *r, ln_str name, ln_str data) {
  ln_vitem item = {0};
  ln_v_get(data, LN_STR("item"), &item);
  ln_json_open(r->out, '{');
  text(r, "stage", stage_of(r, name));
  text(r, "what", ln_v_get_str(data, "what"));
  text(r, "why", ln_v_get_str(data, "why"));
  value(r, "item", item.whole);
  ln_json_close(r->out, '}');
}

/* Which branch of a plan could not go on, and what it would need. */
static void put_unknown(report *r, ln_str name, ln_str data) {
  ln_json_open(r->out, '{');
  text(r, "stage", stage_of(r, name));
  text(r, "branch", parent_of(name));
  text(r, "at", ln_v_get_str(data, "at"));
  text(r, "why", ln_v_get_str(data, "why"));
  ln_json_close(r->out, '}');
}

static bool put_note(void *arg, const ln_entry *e) {
  struct noting *n = arg;
  ln_buf hold = {0};
  ln_str data;
  if (e->kind != LN_E_NOTE || !ln_str_eq(e->op, ln_str_of(n->kind))) return true;
  n->ok = ln_entry_data(n->r->g, e->name, e->data, &hold, &data, n->r->err);
  switch (n->ok ? n->kind[0] : 0) {
  case 0: break;
  case 'f': case 'l': put_members(n->r, e, data); break;
  case 'e': put_evidence(n->r, data); break;
  case 'u': put_unknown(n->r, e->name, data); break;
  default: put_not_done(n->r, e->name, data);
  }
  ln_buf_free(&hold);
  return n->ok;
}

static bool put_notes(report *r, const char *kind) {
  struct noting n = {r, kind, true};
  key(r, kind);
  ln_json_open(r->out, '[');
  ln_journal_each(r->j, put_note, &n);
  ln_json_close(r->out, ']');
  return n.ok;
}

/* ------------------------------------------------------------------ approvals and holds */

static bool put_approval(void *arg, const ln_approval *a) {
  report *r = arg;
  char id[24];
  snprintf(id, sizeof id, "%lld", (long long)a->id);
  ln_json_open(r->out, '{');
  text(r, "id", ln_str_of(id));
  text(r, "kind", a->kind);
  text(r, "step", a->step);
  text(r, "title", a->title);
  text(r, "digest", a->digest);
  text(r, "state", a->state);
  text(r, "by", a->by);
  text(r, "comment", a->comment);
  moment(r, "expires", a->expires_ms);
  value(r, "effects", a->effects);
  ln_json_close(r->out, '}');
  return true;
}

static bool put_hold(void *arg, const ln_hold *h) {
  report *r = arg;
  ln_json_open(r->out, '{');
  text(r, "entity", h->entity);
  text(r, "facet", h->facet);
  text(r, "state", h->state);
  text(r, "before", h->before);
  moment(r, "since", h->since_ms);
  moment(r, "until", h->until_ms);
  text(r, "status", h->status);
  text(r, "step", h->step);
  text(r, "lifted_by", ln_str_of(h->lifted_by));
  ln_json_close(r->out, '}');
  return true;
}

static bool put_tables(report *r, ln_err *err) {
  ln_hold_query q = {.run = r->run, .all = true};
  key(r, "approvals");
  ln_json_open(r->out, '[');
  if (!ln_store_approvals(r->g->store, r->run, false, put_approval, r, err)) return false;
  ln_json_close(r->out, ']');
  key(r, "holds");
  ln_json_open(r->out, '[');
  if (!ln_store_holds(r->g->store, &q, put_hold, r, err)) return false;
  ln_json_close(r->out, ']');
  return true;
}

/* ------------------------------------------------------------------ the whole */

bool ln_report_json(ln_engine *g, ln_str which, ln_buf *json, ln_err *err) {
  ln_json out;
  report r = {.g = g, .out = &out, .err = err};
  bool ok = false;
  ln_json_init(&out, json);
  ln_buf_init(&r.row, (size_t)256 << 20);
  if (!ln_store_run_find(g->store, which, copy_row, &r, err)) goto out;
  if (!(r.j = ln_journal_load(g->store, r.run, err))) goto out;
  ln_json_open(&out, '{');
  put_head(&r);
  put_stages(&r);
  ok = put_steps(&r) && put_notes(&r, "found") && put_notes(&r, "not_done") &&
       (!r.plan || put_notes(&r, "unknown")) && put_tables(&r, err) && put_notes(&r, "evidence") &&
       put_notes(&r, "log");
  ln_json_close(&out, '}');
  ok = ok && ln_buf_ok(json, err);
  if (ok && r.failed) ok = ln_fail(err, "memory", LN_AGAIN, "no memory for the stages");
out:
  free(r.stages);
  ln_tally_free(&r.undone);
  ln_journal_free(r.j);
  ln_buf_free(&r.row);
  return ok;
}
