/* notice.c: see notice.h. */
#include "engine/notice.h"

#include "base/log.h"

enum { DAY_MS = 24 * 3600 * 1000 };

static bool wants(const ln_notify_config *c, ln_str event) {
  for (size_t i = 0; i < c->events.n; i++)
    if (ln_str_eq(c->events.v[i], event)) return true;
  return false;
}

bool ln_notice_put(ln_tx *tx, const ln_engine *g, ln_notice *n, ln_err *err) {
  n->ms = ln_now_ms(g->loop->clock);
  if (!n->until_ms) n->until_ms = n->ms + DAY_MS;
  for (size_t i = 0; i < g->config->n_notify; i++) {
    bool full;
    n->target = g->config->notify[i].name;
    if (!wants(&g->config->notify[i], n->event)) continue;
    if (!ln_tx_notice_put(tx, n, &full, err)) return false;
    if (full)
      ln_log(LN_ERROR, "notify.full", "to=%s event=%.*s run=%lld", n->target.p, LN_STR_ARG(n->event),
             (long long)n->run);
  }
  return true;
}

bool ln_notice_of_run(ln_tx *tx, const ln_run *r, ln_notice *n, bool end, ln_err *err) {
  if (r->options.sim || r->planning || r->replay) return true;
  if (end && (r->is_call || r->is_session || r->options.ends_only || r->parent_id)) return true;
  n->run = r->id;
  return ln_notice_put(tx, r->engine, n, err);
}

static void put_text(ln_buf *b, const char *key, ln_str v) {
  ln_v_key(b, ln_str_of(key));
  ln_v_str(b, v);
}

bool ln_notice_doubt(ln_tx *tx, const ln_effect *e, ln_str why, ln_err *err) {
  ln_buf detail;
  ln_buf_init(&detail, (size_t)16 << 20);
  size_t mark = ln_v_begin(&detail, 'O', 4);
  put_text(&detail, "entity", e->w.entity);
  ln_write_put_names(&detail, ln_buf_view(&e->names));
  put_text(&detail, "op", ln_str_of(e->op->name));
  put_text(&detail, "why", why);
  ln_v_end(&detail, mark);
  ln_notice n = {.event = LN_STR("doubt"), .step = ln_str_of(e->name), .detail = ln_buf_view(&detail)};
  bool ok = ln_buf_ok(&detail, err) && ln_notice_of_run(tx, e->run, &n, false, err);
  ln_buf_free(&detail);
  return ok;
}
