/* rows.c: rows of the store as JSON objects. */
#include "engine/rows.h"

#include "base/units.h"

#include <stdio.h>

static void text(ln_json *j, const char *key, ln_str v) {
  ln_json_key(j, ln_str_of(key));
  ln_json_str(j, v);
}

static void text_or_null(ln_json *j, const char *key, ln_str v) {
  ln_json_key(j, ln_str_of(key));
  if (v.n) ln_json_str(j, v);
  else ln_json_null(j);
}

static void value_or_null(ln_json *j, const char *key, ln_str v) {
  ln_json_key(j, ln_str_of(key));
  if (v.n) ln_v_to_json(v, j);
  else ln_json_null(j);
}

static void moment(ln_json *j, const char *key, int64_t ms) {
  char at[LN_TIME_TEXT] = "";
  if (ms) ln_format_time(ms, at);
  text_or_null(j, key, ln_str_of(at));
}

/* ------------------------------------------------------------------ runs */

static bool is_under_way(ln_str state) {
  return ln_str_eq(state, LN_STR("running")) || ln_str_eq(state, LN_STR("cancelling"));
}

ln_str ln_run_true_state(const ln_store *s, const ln_run_row *row) {
  if (!is_under_way(row->state)) return row->state;
  bool dead = !row->owner[0] || !ln_owner_alive(s, ln_str_of(row->owner));
  return dead ? LN_STR("waiting") : LN_STR("running");
}

ln_str ln_run_waits_for(const ln_store *s, const ln_run_row *row) {
  if (!ln_str_eq(ln_run_true_state(s, row), LN_STR("waiting"))) return (ln_str){NULL, 0};
  return is_under_way(row->state) ? LN_STR("interrupted") : ln_v_get_str(row->waiting, "for");
}

bool ln_run_is_state(ln_str word) {
  static const char *const states[] = {"running", "waiting", "completed", "failed", "cancelled"};
  for (size_t i = 0; i < sizeof states / sizeof *states; i++)
    if (ln_str_eq(word, ln_str_of(states[i]))) return true;
  return false;
}

void ln_run_query_state(ln_run_query *q, ln_str state) {
  q->state = state;
  q->or_under_way = ln_str_eq(state, LN_STR("running")) || ln_str_eq(state, LN_STR("waiting"));
}

void ln_run_row_json(const ln_store *s, const ln_run_row *row, ln_json *j) {
  ln_json_open(j, '{');
  text(j, "run", ln_str_of(row->ulid));
  text(j, "playbook", row->playbook);
  text(j, "state", ln_run_true_state(s, row));
  text_or_null(j, "outcome", row->outcome);
  text_or_null(j, "for", ln_run_waits_for(s, row));
  moment(j, "started", row->created_ms);
  text(j, "started_by", row->started_by);
  moment(j, "finished", row->finished_ms);
  ln_json_close(j, '}');
}

/* ------------------------------------------------------------------ alerts */

static void text_if(ln_json *j, const char *key, ln_str v) {
  if (v.n) text(j, key, v);
}

static bool put_alert_run(void *arg, const ln_alert_run *r) {
  ln_json *j = arg;
  char id[LN_INT_TEXT];
  ln_json_open(j, '{');
  text(j, "playbook", r->playbook);
  text(j, "what", r->what);
  text_if(j, "run", ln_str_of(r->ulid));
  text_if(j, "why", r->why);
  if (r->approval) text(j, "approval", ln_str_int(r->approval, id));
  ln_json_close(j, '}');
  return true;
}

bool ln_alert_row_members(ln_store *s, const ln_alert_row *a, ln_json *j, ln_err *err) {
  ln_json_key(j, LN_STR("alert"));
  ln_json_int(j, a->id);
  text(j, "source", a->source);
  text(j, "id", a->name);
  text(j, "state", a->state);
  moment(j, "received", a->ms);
  text_if(j, "by", a->by);
  text_if(j, "severity", a->severity);
  text_if(j, "title", a->title);
  text_if(j, "why", a->why);
  ln_json_key(j, LN_STR("runs"));
  ln_json_open(j, '[');
  bool ok = ln_store_alert_runs(s, a->id, put_alert_run, j, err);
  ln_json_close(j, ']');
  return ok;
}

bool ln_alert_row_json(ln_store *s, const ln_alert_row *a, ln_json *j, ln_err *err) {
  ln_json_open(j, '{');
  bool ok = ln_alert_row_members(s, a, j, err);
  ln_json_close(j, '}');
  return ok;
}

/* ------------------------------------------------------------------ holds, questions */

void ln_hold_json(const ln_hold *h, ln_json *j) {
  ln_json_open(j, '{');
  text(j, "entity", h->entity);
  text(j, "facet", h->facet);
  text(j, "state", h->state);
  text(j, "before", h->before);
  text(j, "status", h->status);
  text(j, "run", ln_str_of(h->ulid));
  text(j, "step", h->step);
  moment(j, "since", h->since_ms);
  moment(j, "until", h->until_ms);
  if (h->lifted_by[0]) text(j, "lifted_by", ln_str_of(h->lifted_by));
  ln_json_close(j, '}');
}

void ln_approval_json(const ln_approval *a, ln_json *j) {
  char id[LN_INT_TEXT];
  ln_json_open(j, '{');
  text(j, "id", ln_str_int(a->id, id));
  text_or_null(j, "run", ln_str_of(a->ulid));
  text_or_null(j, "kind", a->kind);
  text_or_null(j, "step", a->step);
  text_or_null(j, "title", a->title);
  value_or_null(j, "detail", a->detail);
  value_or_null(j, "options", a->options);
  text_or_null(j, "state", a->state);
  text_or_null(j, "digest", a->digest);
  moment(j, "expires", a->expires_ms);
  value_or_null(j, "effects", a->effects);
  ln_json_close(j, '}');
}
