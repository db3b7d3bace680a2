/* api_entities.c: /v1/entities: what is held, and lifting it. */
#include "server/handlers.h"

#include "engine/rows.h"

typedef struct listing {
  ln_json j;
  int64_t after, left, last;
  bool foreign, more;
} listing;

static bool put_hold(void *arg, const ln_hold *h) {
  listing *l = arg;
  if (h->id <= l->after || (!l->foreign && ln_str_eq(h->status, LN_STR("foreign")))) return true;
  if (!l->left--) {
    l->more = true;
    return false;
  }
  l->last = h->id;
  ln_hold_json(h, &l->j);
  return true;
}

static int64_t number(ln_str digits) {
  int64_t n = 0;
  for (size_t i = 0; i < digits.n; i++) n = n * 10 + (digits.p[i] - '0');
  return n;
}

bool ln_api_entities(ln_api *a, ln_err *err) {
  static const char *const keep[] = {"entity", "kind", "limit", NULL};
  ln_hold_query q = {.entity = ln_api_query(a, "entity"), .kind = ln_api_query(a, "kind")};
  listing l = {.after = number(ln_api_query(a, "after")), .left = ln_api_limit(a), .foreign = q.entity.n > 0};
  char last[LN_INT_TEXT];
  ln_buf b;
  ln_buf_init(&b, (size_t)8 << 20);
  ln_json_init(&l.j, &b);
  ln_json_open(&l.j, '{');
  ln_json_key(&l.j, LN_STR("entities"));
  ln_json_open(&l.j, '[');
  bool ok = ln_store_holds(ln_api_engine(a)->store, &q, put_hold, &l, err);
  ln_json_close(&l.j, ']');
  ln_json_close(&l.j, '}');
  ok = ok && ln_buf_ok(&b, err);
  if (ok && l.more) ln_api_link(a, "/v1/entities", keep, "after", ln_str_int(l.last, last));
  if (ok) ln_api_answer(a, ln_buf_view(&b));
  ln_buf_free(&b);
  return ok;
}

bool ln_api_entity_release(ln_api *a, ln_err *err) {
  ln_str body = ln_api_body(a);
  ln_buf b;
  ln_buf_init(&b, (size_t)64 << 20);
  size_t mark = ln_v_begin(&b, 'O', 4);
  ln_v_key(&b, LN_STR("do"));
  ln_v_str(&b, LN_STR("release"));
  ln_v_key(&b, LN_STR("entities"));
  size_t list = ln_v_begin(&b, 'A', 1);
  ln_v_str(&b, ln_api_part(a, 0));
  ln_v_end(&b, list);
  ln_v_key(&b, LN_STR("plan"));
  ln_v_bool(&b, ln_v_get_bool(body, "plan", false));
  ln_v_key(&b, LN_STR("why"));
  ln_v_str(&b, ln_v_get_str(body, "why"));
  ln_v_end(&b, mark);
  bool ok = ln_buf_ok(&b, err) && ln_api_do(a, ln_buf_view(&b));
  ln_buf_free(&b);
  return ok;
}
