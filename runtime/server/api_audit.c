/* api_audit.c: what was decided, refused and done, a page at a time. */
#include "server/handlers.h"

#include "engine/audit.h"

typedef struct paging { ln_json j; int64_t left, last; bool more; } paging;

static bool put_record(void *arg, const ln_audit_row *r) {
  paging *p = arg;
  if (!p->left--) {
    p->more = true;
    return false;
  }
  p->last = r->seq;
  ln_audit_put(r, &p->j);
  return true;
}

static int64_t number(ln_str digits) {
  int64_t n = 0;
  for (size_t i = 0; i < digits.n && i < 18; i++) n = n * 10 + (digits.p[i] - '0');
  return n;
}

bool ln_api_audit(ln_api *a, ln_err *err) {
  static const char *const keep[] = {"limit", NULL};
  paging p = {.left = ln_api_limit(a)};
  char last[LN_INT_TEXT];
  ln_buf b;
  ln_buf_init(&b, (size_t)64 << 20);
  ln_json_init(&p.j, &b);
  ln_json_open(&p.j, '{');
  ln_json_key(&p.j, LN_STR("audit"));
  ln_json_open(&p.j, '[');
  bool ok = ln_store_audit(ln_api_engine(a)->store, number(ln_api_query(a, "after")), 0, put_record, &p, err);
  ln_json_close(&p.j, ']');
  ln_json_close(&p.j, '}');
  ok = ok && ln_buf_ok(&b, err);
  if (ok && p.more) ln_api_link(a, "/v1/audit", keep, "after", ln_str_int(p.last, last));
  if (ok) ln_api_answer(a, ln_buf_view(&b));
  ln_buf_free(&b);
  return ok;
}
