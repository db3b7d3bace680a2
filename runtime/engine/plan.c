/* plan.c: writes that are only planned: nothing is sent, the answer is the declaration's shape, its unknown parts
** opaque.  `approved` collects them the same way, to show exactly those to a person. */
#include "engine/inside.h"
#include "engine/opaque.h"

static void put_text(ln_buf *b, const char *key, ln_str v) {
  ln_v_key(b, ln_str_of(key));
  ln_v_str(b, v);
}

void ln_approval_put_effect(ln_effect *e, ln_buf *out) {
  size_t mark = ln_v_begin(out, 'O', 9);
  ln_v_key(out, LN_STR("args"));
  ln_v_raw(out, ln_buf_view(&e->args));
  put_text(out, "entity", e->w.entity);
  put_text(out, "facet", e->w.facet);
  put_text(out, "from", ln_buf_view(&e->before));
  ln_v_key(out, LN_STR("names"));
  if (e->names.n) ln_v_raw(out, ln_buf_view(&e->names));
  else ln_v_nil(out);
  put_text(out, "op", ln_str_of(e->op->name));
  put_text(out, "print", (ln_str){(const char *)e->print, LN_FINGERPRINT});
  put_text(out, "step", ln_str_of(e->name));
  put_text(out, "to", e->w.to);
  ln_v_end(out, mark);
}

static void put_would(ln_effect *e, ln_buf *b) {
  ln_buf more;
  ln_buf_init(&more, 1 << 20);
  size_t mark = ln_v_begin(&more, 'O', 4);
  put_text(&more, "entity", e->w.entity);
  put_text(&more, "facet", e->w.facet);
  put_text(&more, "from", ln_buf_view(&e->before));
  put_text(&more, "to", e->w.to);
  ln_v_end(&more, mark);
  if (!e->w.would.n || !ln_v_merge(b, e->w.would, ln_buf_view(&more))) {
    ln_buf_cut(b, 0);
    ln_v_raw(b, ln_buf_view(&more));
  }
  ln_buf_free(&more);
}

void ln_plan_answer(ln_effect *e, const ln_err *refused) {
  ln_entry entry;
  ln_buf would;
  ln_buf_init(&would, (size_t)16 << 20);
  put_would(e, &would);
  ln_effect_entry(e, LN_E_PLANNED, &entry);
  entry.data = ln_buf_view(&would);
  ln_run_put(e->run, &entry);
  ln_buf_free(&would);
  if (refused) {
    ln_effect_fail(e, refused);
    return;
  }
  if (e->branch->plan_into) ln_approval_put_effect(e, e->branch->plan_into);
  ln_str before = ln_buf_view(&e->before);
  bool unchanged = before.n && e->w.to.n && ln_str_eq(before, e->w.to);
  ln_buf answer;
  ln_buf_init(&answer, (size_t)16 << 20);
  bool named = ln_opaque_name(e->w.planned, ln_str_of(e->name), &answer);
  ln_effect_finish(e, true, unchanged ? "unchanged" : "planned", named ? ln_buf_view(&answer) : e->w.planned);
  ln_buf_free(&answer);
}

bool ln_plan_assumed(ln_effect *e) {
  ln_vitem v;
  if (!e->run->planning || !e->run->options.assume.n) return false;
  if (!ln_v_get(e->run->options.assume, ln_str_of(e->name), &v) &&
      !ln_v_get(e->run->options.assume, ln_str_of(e->op->name), &v))
    return false;
  ln_effect_finish(e, true, "assumed", v.whole);
  return true;
}
