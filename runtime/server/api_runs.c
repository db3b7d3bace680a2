/* api_runs.c: /v1/runs: what commands may ask of the process that serves, asked over HTTP. */
#include "server/handlers.h"

#include "engine/rows.h"

#include <stdio.h>
#include <stdlib.h>

enum { KEY_MOST = 200, PAGE = 100, PAGE_MOST = 500 };

/* ------------------------------------------------------------------ deeds */

static void did(void *arg, ln_str answer, const ln_err *err) {
  ln_api *a = arg;
  ln_buf b;
  ln_json j;
  if (err) {
    ln_api_problem(a, err);
    return;
  }
  ln_buf_init(&b, 1024);
  ln_json_init(&j, &b);
  ln_json_open(&j, '{');
  ln_json_key(&j, LN_STR("run"));
  ln_json_str(&j, ln_v_get_str(answer, "run"));
  ln_json_close(&j, '}');
  ln_api_answer(a, ln_buf_view(&b));
  ln_buf_free(&b);
}

bool ln_api_do(ln_api *a, ln_str request) {
  ln_service_do(ln_api_service(a), ln_str_of(ln_api_caller(a)->name), request, did, a);
  return true;
}

static void put(ln_buf *b, const char *key, ln_str v) {
  ln_v_key(b, ln_str_of(key));
  ln_v_str(b, v);
}

static void put_flag(ln_buf *b, const char *key, bool v) {
  ln_v_key(b, ln_str_of(key));
  ln_v_bool(b, v);
}

static bool is_named(ln_str playbook) {
  for (size_t i = 0; i < playbook.n; i++) {
    char c = playbook.p[i];
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!letter && c != '_' && c != '-' && c != '.') return false;
  }
  return !ln_str_ends(playbook, LN_STR(".lua"));
}

static bool key_of(const ln_api *a, ln_str *key, ln_err *err) {
  *key = ln_api_header(a, "Idempotency-Key");
  bool ok = key->n <= KEY_MOST && ln_str_utf8(*key, NULL);
  return ok || ln_fail(err, "bad_argument", LN_FINAL, "Idempotency-Key: %d bytes of UTF-8 at most", KEY_MOST);
}

/* Only by its name: a path would be read from this machine's disk. */
bool ln_api_run_start(ln_api *a, ln_err *err) {
  ln_str body = ln_api_body(a), playbook = ln_v_get_str(body, "playbook"), key;
  ln_vitem input = {0};
  ln_buf b;
  if (!is_named(playbook)) return ln_fail(err, "not_found", LN_FINAL, "there is no playbook of that name");
  if (!key_of(a, &key, err)) return false;
  bool has_input = ln_v_get(body, LN_STR("input"), &input);
  ln_buf_init(&b, (size_t)70 << 20);
  size_t mark = ln_v_begin(&b, 'O', 6);
  put(&b, "do", LN_STR("run"));
  ln_v_key(&b, LN_STR("input"));
  if (has_input) ln_v_raw(&b, input.whole);
  else ln_v_nil(&b);
  put(&b, "key", key);
  put_flag(&b, "plan", ln_v_get_bool(body, "plan", false));
  put(&b, "playbook", playbook);
  put(&b, "trace", ln_api_header(a, "traceparent"));
  ln_v_end(&b, mark);
  bool ok = ln_buf_ok(&b, err) && ln_api_do(a, ln_buf_view(&b));
  ln_buf_free(&b);
  return ok;
}

/* do = …, run = the path's, and up to two more, in the order of their keys. */
static bool of_run(ln_api *a, const char *what, bool plan, ln_err *err) {
  ln_buf b;
  ln_buf_init(&b, 1 << 16);
  size_t mark = ln_v_begin(&b, 'O', plan ? 3 : 2);
  put(&b, "do", ln_str_of(what));
  if (plan) put_flag(&b, "plan", ln_v_get_bool(ln_api_body(a), "plan", false));
  put(&b, "run", ln_api_part(a, 0));
  ln_v_end(&b, mark);
  bool ok = ln_buf_ok(&b, err) && ln_api_do(a, ln_buf_view(&b));
  ln_buf_free(&b);
  return ok;
}

bool ln_api_run_cancel(ln_api *a, ln_err *err) { return of_run(a, "cancel", false, err); }
bool ln_api_run_undo(ln_api *a, ln_err *err) { return of_run(a, "undo", true, err); }

bool ln_api_run_signal(ln_api *a, ln_err *err) {
  ln_buf b;
  ln_vitem value;
  bool has = ln_v_get(ln_api_body(a), LN_STR("value"), &value);
  ln_buf_init(&b, (size_t)70 << 20);
  size_t mark = ln_v_begin(&b, 'O', 4);
  put(&b, "do", LN_STR("signal"));
  put(&b, "name", ln_api_part(a, 1));
  put(&b, "run", ln_api_part(a, 0));
  ln_v_key(&b, LN_STR("value"));
  if (has) ln_v_raw(&b, value.whole);
  else ln_v_nil(&b);
  ln_v_end(&b, mark);
  bool ok = ln_buf_ok(&b, err) && ln_api_do(a, ln_buf_view(&b));
  ln_buf_free(&b);
  return ok;
}

/* ------------------------------------------------------------------ looking */

bool ln_api_run_show(ln_api *a, ln_err *err) {
  ln_buf json;
  ln_buf_init(&json, (size_t)64 << 20);
  bool ok = ln_report_json(ln_api_engine(a), ln_api_part(a, 0), &json, err);
  if (ok) ln_api_answer(a, ln_buf_view(&json));
  ln_buf_free(&json);
  return ok;
}

int64_t ln_api_limit(const ln_api *a) {
  ln_str limit = ln_api_query(a, "limit");
  int64_t n = 0;
  for (size_t i = 0; i < limit.n; i++) n = n * 10 + (limit.p[i] - '0');
  return !limit.n || !n ? PAGE : n > PAGE_MOST ? PAGE_MOST : n;
}

/* Everything but what a query may hold as it is. */
static void put_encoded(ln_buf *b, ln_str v) {
  for (size_t i = 0; i < v.n; i++) {
    unsigned char c = (unsigned char)v.p[i];
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 memchr("-._~", c, 4) != NULL;
    if (plain) ln_buf_addc(b, (char)c);
    else ln_buf_addf(b, "%%%02X", c);
  }
}

void ln_api_link(ln_api *a, const char *path, const char *const *keep, const char *cursor, ln_str at) {
  ln_buf b;
  ln_buf_init(&b, 8192);
  ln_buf_addf(&b, "<%s?", path);
  for (; *keep; keep++) {
    ln_str v = ln_api_query(a, *keep);
    if (!v.p) continue;
    ln_buf_addf(&b, "%s=", *keep);
    put_encoded(&b, v);
    ln_buf_addc(&b, '&');
  }
  ln_buf_addf(&b, "%s=", cursor);
  put_encoded(&b, at);
  ln_buf_addz(&b, ">; rel=\"next\"");
  if (!ln_buf_failed(&b)) ln_api_say(a, "Link", ln_buf_view(&b));
  ln_buf_free(&b);
}

typedef struct listing {
  const ln_store *s;
  ln_str state, waits_for;
  ln_json j;
  int64_t left, looked;
  bool more;
  char last[LN_ULID + 1];
} listing;

enum { LOOKED_MOST = 20000 };

/* One of the words of a list with commas. */
static bool is_among(ln_str words, ln_str v) {
  ln_str one;
  for (bool more = true; more;) {
    more = ln_str_cut(words, ',', &one, &words);
    if (one.n && ln_str_eq(one, v)) return true;
  }
  return false;
}

/* A page ends where it is full, or where enough was looked at without finding any. */
static bool put_row(void *arg, const ln_run_row *row) {
  listing *l = arg;
  if (!l->left || l->looked++ == LOOKED_MOST) {
    l->more = true;
    return false;
  }
  memcpy(l->last, row->ulid, sizeof l->last);
  if (l->state.n && !ln_str_eq(l->state, ln_run_true_state(l->s, row))) return true;
  if (l->waits_for.n && !is_among(l->waits_for, ln_run_waits_for(l->s, row))) return true;
  ln_run_row_json(l->s, row, &l->j);
  l->left--;
  return true;
}

static bool take_id(void *arg, const ln_run_row *row) {
  *(int64_t *)arg = row->id;
  return false;
}

bool ln_api_run_list(ln_api *a, ln_err *err) {
  static const char *const keep[] = {"state", "playbook", "for", "limit", NULL};
  ln_store *s = ln_api_engine(a)->store;
  ln_run_query q = {.playbook = ln_api_query(a, "playbook")};
  ln_str before = ln_api_query(a, "before");
  listing l = {.s = s, .state = ln_api_query(a, "state"),
               .waits_for = ln_api_query(a, "for"), .left = ln_api_limit(a)};
  ln_buf b;
  if (l.waits_for.n && !l.state.n) l.state = LN_STR("waiting");
  if (l.state.n) ln_run_query_state(&q, l.state);
  if (before.n && !ln_store_run_find(s, before, take_id, &q.before_id, err)) return false;
  ln_buf_init(&b, (size_t)8 << 20);
  ln_json_init(&l.j, &b);
  ln_json_open(&l.j, '{');
  ln_json_key(&l.j, LN_STR("runs"));
  ln_json_open(&l.j, '[');
  bool ok = ln_store_runs(s, &q, put_row, &l, err);
  ln_json_close(&l.j, ']');
  ln_json_close(&l.j, '}');
  ok = ok && ln_buf_ok(&b, err);
  if (ok && l.more) ln_api_link(a, "/v1/runs", keep, "before", ln_str_of(l.last));
  if (ok) ln_api_answer(a, ln_buf_view(&b));
  ln_buf_free(&b);
  return ok;
}
