/* api_people.c: what people decide: questions and their answers, and the kill switch. */
#include "server/handlers.h"

#include "base/units.h"
#include "engine/freeze.h"
#include "engine/rows.h"

#include <stdio.h>
#include <stdlib.h>

/* ------------------------------------------------------------------ questions */

typedef struct asking {
  ln_json j;
  int64_t after, left, last;
  bool more;
} asking;

static bool put_question(void *arg, const ln_approval *q) {
  asking *k = arg;
  if (q->id <= k->after) return true;
  if (!k->left--) {
    k->more = true;
    return false;
  }
  k->last = q->id;
  ln_approval_json(q, &k->j);
  return true;
}

static int64_t number(ln_str digits) {
  int64_t n = 0;
  for (size_t i = 0; i < digits.n && i < 18; i++) n = n * 10 + (digits.p[i] - '0');
  return n;
}

bool ln_api_approvals(ln_api *a, ln_err *err) {
  static const char *const keep[] = {"limit", NULL};
  asking k = {.after = number(ln_api_query(a, "after")), .left = ln_api_limit(a)};
  char last[LN_INT_TEXT];
  ln_buf b;
  ln_buf_init(&b, (size_t)64 << 20);
  ln_json_init(&k.j, &b);
  ln_json_open(&k.j, '{');
  ln_json_key(&k.j, LN_STR("approvals"));
  ln_json_open(&k.j, '[');
  bool ok = ln_store_approvals(ln_api_engine(a)->store, 0, true, put_question, &k, err);
  ln_json_close(&k.j, ']');
  ln_json_close(&k.j, '}');
  ok = ok && ln_buf_ok(&b, err);
  if (ok && k.more) ln_api_link(a, "/v1/approvals", keep, "after", ln_str_int(k.last, last));
  if (ok) ln_api_answer(a, ln_buf_view(&b));
  ln_buf_free(&b);
  return ok;
}

static bool put_answer(void *arg, const ln_approval *q) {
  ln_approval_json(q, arg);
  return false;
}

static void decided(void *arg, ln_str answer, const ln_err *refused) {
  (void)answer;
  ln_api *a = arg;
  ln_err err = {0};
  ln_buf b;
  ln_json j;
  ln_buf_init(&b, (size_t)32 << 20);
  ln_json_init(&j, &b);
  bool ok = !refused &&
            ln_store_approval(ln_api_engine(a)->store, number(ln_api_part(a, 0)), put_answer, &j, &err) &&
            ln_buf_ok(&b, &err);
  if (ok) ln_api_answer(a, ln_buf_view(&b));
  else ln_api_problem(a, refused ? refused : &err);
  ln_buf_free(&b);
}

static bool is_id(ln_str v) {
  for (size_t i = 0; i < v.n; i++)
    if (v.p[i] < '0' || v.p[i] > '9') return false;
  return v.n > 0 && v.n <= 18 && number(v) > 0;
}

bool ln_api_approval(ln_api *a, ln_err *err) {
  ln_str id = ln_api_part(a, 0);
  ln_buf b;
  ln_json j;
  if (!is_id(id)) return ln_fail(err, "not_found", LN_FINAL, "there is no such approval");
  ln_buf_init(&b, (size_t)32 << 20);
  ln_json_init(&j, &b);
  bool ok = ln_store_approval(ln_api_engine(a)->store, number(id), put_answer, &j, err) && ln_buf_ok(&b, err);
  if (ok) ln_api_answer(a, ln_buf_view(&b));
  ln_buf_free(&b);
  return ok;
}

static void put(ln_buf *b, const char *key, ln_str v) {
  ln_v_key(b, ln_str_of(key));
  ln_v_str(b, v);
}

bool ln_api_decide(ln_api *a, ln_err *err) {
  ln_str body = ln_api_body(a), id = ln_api_part(a, 0);
  ln_buf b;
  if (!is_id(id)) return ln_fail(err, "not_found", LN_FINAL, "there is no such approval");
  ln_buf_init(&b, (size_t)64 << 20);
  size_t mark = ln_v_begin(&b, 'O', 5);
  put(&b, "answer", ln_v_get_str(body, "answer"));
  put(&b, "comment", ln_v_get_str(body, "comment"));
  put(&b, "do", LN_STR("decide"));
  ln_v_key(&b, LN_STR("id"));
  ln_v_int(&b, number(id));
  ln_v_key(&b, LN_STR("yes"));
  ln_v_bool(&b, ln_str_eq(ln_v_get_str(body, "decision"), LN_STR("approve")));
  ln_v_end(&b, mark);
  bool ok = ln_buf_ok(&b, err);
  if (ok) ln_service_do(ln_api_service(a), ln_str_of(ln_api_caller(a)->name), ln_buf_view(&b), decided, a);
  ln_buf_free(&b);
  return ok;
}

/* ------------------------------------------------------------------ the kill switch */

static bool put_freeze(void *arg, const ln_freeze *f) {
  ln_json *j = arg;
  char at[LN_TIME_TEXT];
  ln_format_time(f->ms, at);
  const struct {
    const char *key;
    ln_str v;
  } texts[] = {{"scope", f->scope.n ? f->scope : LN_STR("all")},
               {"why", f->why},
               {"by", f->by},
               {"since", ln_str_of(at)}};
  ln_json_open(j, '{');
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    ln_json_key(j, ln_str_of(texts[i].key));
    ln_json_str(j, texts[i].v);
  }
  ln_json_close(j, '}');
  return true;
}

bool ln_api_freezes(ln_api *a, ln_err *err) {
  ln_buf b;
  ln_json j;
  ln_buf_init(&b, (size_t)4 << 20);
  ln_json_init(&j, &b);
  ln_json_open(&j, '{');
  ln_json_key(&j, LN_STR("frozen"));
  ln_json_open(&j, '[');
  bool ok = ln_store_freezes(ln_api_engine(a)->store, put_freeze, &j, err);
  ln_json_close(&j, ']');
  ln_json_close(&j, '}');
  ok = ok && ln_buf_ok(&b, err);
  if (ok) ln_api_answer(a, ln_buf_view(&b));
  ln_buf_free(&b);
  return ok;
}

static bool scope_of(ln_str connector, ln_str playbook, char out[LN_SCOPE_TEXT], ln_err *err) {
  if (connector.n && playbook.n)
    return ln_fail(err, "bad_argument", LN_FINAL, "one of connector and playbook may be given");
  if ((connector.p && !connector.n) || (playbook.p && !playbook.n)) /* "" must not mean everything */
    return ln_fail(err, "bad_argument", LN_FINAL, "connector and playbook are names");
  bool ok = ln_freeze_scope(connector.n ? "connector" : "playbook", connector.n ? connector : playbook, out);
  return ok || ln_fail(err, "bad_argument", LN_FINAL, "that name is too long");
}

bool ln_api_freeze(ln_api *a, ln_err *err) {
  ln_str body = ln_api_body(a), by = ln_str_of(ln_api_caller(a)->name);
  char scope[LN_SCOPE_TEXT];
  return scope_of(ln_v_get_str(body, "connector"), ln_v_get_str(body, "playbook"), scope, err) &&
         ln_freeze_put(ln_api_engine(a), scope, ln_v_get_str(body, "why"), by, err) && ln_api_freezes(a, err);
}

bool ln_api_thaw(ln_api *a, ln_err *err) {
  ln_str by = ln_str_of(ln_api_caller(a)->name);
  char scope[LN_SCOPE_TEXT];
  int64_t n;
  bool ok = scope_of(ln_api_query(a, "connector"), ln_api_query(a, "playbook"), scope, err) &&
            ln_freeze_lift(ln_api_engine(a), scope, by, &n, err);
  if (ok) ln_service_nudge(ln_api_service(a));
  return ok && ln_api_freezes(a, err);
}
