/* act.c: what the audit says: of a write which one, of what, for what it counts, and what came of it; of
** anything else that one thing is so. */
#include "engine/inside.h"

static void put(ln_json *j, const char *key, ln_str v) {
  ln_json_key(j, ln_str_of(key));
  ln_json_str(j, v);
}

static void put_d3fend(const ln_op *op, ln_json *j) {
  ln_json_key(j, LN_STR("d3fend"));
  ln_json_open(j, '[');
  for (size_t i = 0; op->d3fend && op->d3fend[i]; i++) ln_json_strz(j, op->d3fend[i]);
  ln_json_close(j, ']');
}

void ln_act_describe(const ln_effect *e, const ln_act *a, ln_buf *out) {
  ln_json j;
  ln_json_init(&j, out);
  ln_json_open(&j, '{');
  if (e->approval > 0) ln_json_key(&j, LN_STR("approval")), ln_json_int(&j, e->approval);
  if (e->attempts > 0) ln_json_key(&j, LN_STR("attempts")), ln_json_int(&j, e->attempts);
  if (a->code.n) put(&j, "code", a->code);
  put_d3fend(e->op, &j);
  put(&j, "entity", e->w.entity);
  put(&j, "facet", e->w.facet);
  put(&j, "op", ln_str_of(e->op->name));
  if (a->outcome.n) put(&j, "outcome", a->outcome);
  if (a->rule.n) put(&j, "rule", a->rule);
  if (e->run->options.sim) ln_json_key(&j, LN_STR("sim")), ln_json_bool(&j, true);
  put(&j, "step", ln_str_of(e->name));
  put(&j, "to", e->w.to);
  ln_json_close(&j, '}');
}

bool ln_audit_one(ln_tx *tx, const ln_audit_row *r, const char *key, ln_str value, ln_err *err) {
  ln_buf detail;
  ln_json j;
  ln_buf_init(&detail, (size_t)64 << 20);
  ln_json_init(&j, &detail);
  ln_json_open(&j, '{');
  put(&j, key, value);
  ln_json_close(&j, '}');
  bool ok =
      ln_buf_ok(&detail, err) && ln_tx_audit(tx, r->ms, r->what, r->who, r->run, ln_buf_view(&detail), err);
  ln_buf_free(&detail);
  return ok;
}

bool ln_act_audit(ln_tx *tx, const ln_effect *e, const ln_act *a, ln_err *err) {
  ln_buf detail;
  ln_buf_init(&detail, (size_t)64 << 20);
  ln_act_describe(e, a, &detail);
  bool ok = ln_buf_ok(&detail, err) &&
            ln_tx_audit(tx, ln_now_ms(e->run->engine->loop->clock), LN_STR("write"),
                        ln_str_of(e->run->started_by), e->run->id, ln_buf_view(&detail), err);
  ln_buf_free(&detail);
  return ok;
}
