/* api_alerts.c: alerts in, over HTTP.  Whoever hands them in is somebody with a token, or a source of the
** configuration that signs what it delivers.  202 is sent when they are on disk. */
#include "server/handlers.h"

#include "base/log.h"
#include "engine/alerts.h"
#include "engine/rows.h"
#include "engine/silence.h"
#include "engine/webhook.h"

#include <stdio.h>

static ln_str header(void *arg, const char *name) { return ln_api_header(arg, name); }

/* Why it is refused is for our own log: whoever guesses is told nothing. */
static bool refuse(const ln_err *why, ln_err *err) {
  ln_log(LN_WARN, "intake.refused", "code=%s error=%s", why->code, why->message);
  if (!ln_err_is(why, "unauthorised"))
    return ln_fail(err, "unavailable", LN_AGAIN, "it cannot be checked now");
  return ln_fail(err, "unauthorised", LN_FINAL,
                 "a token, or the signature of a configured source, is wanted");
}

static const ln_source_config *source_of(const ln_api *a) {
  return ln_config_source(ln_api_engine(a)->config, ln_api_query(a, "source"));
}

/* ------------------------------------------------------------------ POST */

static void answer(ln_api *a, ln_str taken) {
  ln_buf b;
  ln_json j;
  ln_err err = {0};
  ln_buf_init(&b, (size_t)256 << 20);
  ln_json_init(&j, &b);
  ln_v_to_json(taken, &j);
  if (ln_buf_ok(&b, &err)) ln_api_answer(a, ln_buf_view(&b));
  else ln_api_problem(a, &err);
  ln_buf_free(&b);
}

/* Nothing of it is known: it is kept, and told why. */
static bool all_unknown(ln_str taken, ln_err *err) {
  ln_vitem alerts, unknown, first;
  if (!ln_v_get(taken, LN_STR("alerts"), &alerts) || alerts.count) return false;
  if (!ln_v_get(taken, LN_STR("unknown"), &unknown) || !unknown.count) return false;
  ln_str rest = unknown.body;
  ln_v_read(&rest, &first);
  ln_str at = ln_v_get_str(first.whole, "at"), why = ln_v_get_str(first.whole, "why");
  return !ln_fail(err, "unknown_format", LN_FINAL, "%.*s%s%.*s (it is kept: lunette alerts --kept)",
                  LN_STR_ARG(at), at.n ? ": " : "", LN_STR_ARG(why));
}

static void taken(void *arg, ln_str made, const ln_err *refused) {
  ln_err err = {0};
  if (refused) ln_api_problem(arg, refused);
  else if (all_unknown(made, &err)) ln_api_problem(arg, &err);
  else answer(arg, made);
}

/* A source that signs, as far as that can be told without its body. */
bool ln_api_alerts_known(ln_api *a, ln_err *err) {
  const ln_source_config *s = source_of(a);
  ln_err why = {0};
  if (!s) ln_fail(&why, "unauthorised", LN_FINAL, "there is no such source");
  else if (ln_webhook_look(ln_api_engine(a), s, header, a, &why)) return true;
  return refuse(&why, err);
}

bool ln_api_alerts_take(ln_api *a, ln_err *err) {
  ln_str source = ln_api_query(a, "source"), body = ln_api_request(a)->body;
  const ln_source_config *s = NULL;
  ln_webhook w = {.until_ms = 0};
  ln_err why = {0};
  char by[160], cursor[LN_INTAKE_NAME];
  snprintf(by, sizeof by, "%s", ln_api_caller(a)->name);
  if (ln_api_caller(a)->role == LN_ROLE_NONE) {
    s = source_of(a);                                    /* it is there: ln_api_alerts_known                */
    if (!ln_webhook_check(ln_api_engine(a), s, header, a, body, &w, &why)) return refuse(&why, err);
    snprintf(by, sizeof by, "source %.*s", LN_STR_ARG(s->name));
    if (s->challenge.n) ln_api_status(a, 200);           /* such senders take no other for a yes */
  }
  ln_alert_from from = {.by = ln_str_of(by), .source = source, .mark = ln_str_of(w.mark),
                        .mark_until_ms = w.until_ms, .trace = ln_api_header(a, "traceparent")};
  if (s && s->silent_ms) {                               /* it is heard of */
    ln_intake_cursor("source", s->name, cursor);
    from.cursor = ln_str_of(cursor);
  }
  return ln_alerts_take(ln_service_alerts(ln_api_service(a)), body, &from, taken, a, err);
}

/* ------------------------------------------------------------------ GET */

/* A source that asks whether its deliveries are wanted hears its own word again, and nothing else: it need
** not have said yet who it is. */
static bool answer_challenge(ln_api *a, ln_str word, ln_err *err) {
  ln_buf b;
  ln_json j;
  ln_buf_init(&b, 1 << 16);
  ln_json_init(&j, &b);
  ln_json_open(&j, '{');
  ln_json_key(&j, LN_STR("verification"));
  ln_json_str(&j, word);
  ln_json_close(&j, '}');
  bool ok = ln_buf_ok(&b, err) && ln_api_answer(a, ln_buf_view(&b));
  ln_buf_free(&b);
  return ok;
}

typedef struct listing { ln_api *a; ln_json j; int64_t left, last; bool more, ok; ln_err *err; } listing;

static bool put_one(void *arg, const ln_alert_row *row) {
  listing *l = arg;
  if (!l->left--) {
    l->more = true;
    return false;
  }
  l->last = row->id;
  return l->ok = ln_alert_row_json(ln_api_engine(l->a)->store, row, &l->j, l->err);
}

static bool list(ln_api *a, ln_err *err) {
  static const char *const keep[] = {"limit", "state", NULL};
  ln_alert_query q = {.state = ln_api_query(a, "state")};
  listing l = {.a = a, .left = ln_api_limit(a), .ok = true, .err = err};
  char last[LN_INT_TEXT];
  ln_buf b;
  ln_str before = ln_api_query(a, "before");
  for (size_t i = 0; i < before.n; i++) q.before_id = q.before_id * 10 + (before.p[i] - '0');
  ln_buf_init(&b, (size_t)64 << 20);
  ln_json_init(&l.j, &b);
  ln_json_open(&l.j, '{');
  ln_json_key(&l.j, LN_STR("alerts"));
  ln_json_open(&l.j, '[');
  bool ok = ln_store_alerts(ln_api_engine(a)->store, &q, put_one, &l, err) && l.ok;
  ln_json_close(&l.j, ']');
  ln_json_close(&l.j, '}');
  ok = ok && ln_buf_ok(&b, err);
  if (ok && l.more) ln_api_link(a, "/v1/alerts", keep, "before", ln_str_int(l.last, last));
  if (ok) ln_api_answer(a, ln_buf_view(&b));
  ln_buf_free(&b);
  return ok;
}

static ln_str challenge_of(ln_api *a) {
  const ln_source_config *s = source_of(a);
  return s ? ln_webhook_challenge(s, header, a) : (ln_str){NULL, 0};
}

bool ln_api_alerts_asked(ln_api *a, ln_err *err) { return challenge_of(a).n > 0 || ln_api_no_token(a, err); }

bool ln_api_alerts_list(ln_api *a, ln_err *err) {
  return ln_api_caller(a)->role == LN_ROLE_NONE ? answer_challenge(a, challenge_of(a), err) : list(a, err);
}
