/* plan.c: writes that are only planned: nothing is sent, the answer is the declaration's shape, its
** unknown parts opaque.  `approved` collects them the same way, to show exactly those to a person. */
#include "engine/inside.h"
#include "engine/opaque.h"

static void put_text(ln_buf *b, const char *key, ln_str v) {
  ln_v_key(b, ln_str_of(key));
  ln_v_str(b, v);
}

typedef struct meant { ln_str entity, facet, from, to, names; } meant; /* what a write would do to what     */

static meant meant_by(const ln_effect *e) {
  return (meant){e->w.entity, e->w.facet, ln_buf_view(&e->before), e->w.to, ln_buf_view(&e->names)};
}

static void put_effect(const ln_effect *e, const meant *m, ln_buf *out) {
  size_t mark = ln_v_begin(out, 'O', 9);
  ln_v_key(out, LN_STR("args"));
  ln_v_raw(out, ln_buf_view(&e->args));
  put_text(out, "entity", m->entity);
  put_text(out, "facet", m->facet);
  put_text(out, "from", m->from);
  ln_write_put_names(out, m->names);
  put_text(out, "op", ln_str_of(e->op->name));
  put_text(out, "print", (ln_str){(const char *)e->print, LN_FINGERPRINT});
  put_text(out, "step", ln_str_of(e->name));
  put_text(out, "to", m->to);
  ln_v_end(out, mark);
}

void ln_approval_put_effect(ln_effect *e, ln_buf *out) {
  meant m = meant_by(e);
  put_effect(e, &m, out);
}

/* With the resolved names: a replay collects again from the entry what approved shows. */
static void put_would(ln_effect *e, ln_buf *b) {
  ln_buf more;
  meant m = meant_by(e);
  ln_buf_init(&more, 16 << 20);
  ln_err unknown;
  bool blind = ln_plan_is_blind(e);
  size_t mark = ln_v_begin(&more, 'O', blind ? 6 : 5);
  put_text(&more, "entity", m.entity);
  put_text(&more, "facet", m.facet);
  put_text(&more, "from", m.from);
  ln_write_put_names(&more, m.names);
  put_text(&more, "to", m.to);
  if (blind) {
    ln_opaque_fail(ln_buf_view(&e->args), &unknown);
    put_text(&more, "unknown", ln_str_of(unknown.message));
  }
  ln_v_end(&more, mark);
  if (!e->w.would.n || !ln_v_merge(b, e->w.would, ln_buf_view(&more))) {
    ln_buf_cut(b, 0);
    ln_v_raw(b, ln_buf_view(&more));
  }
  ln_buf_free(&more);
}

void ln_plan_replayed(ln_effect *e, const ln_record *rec) {
  ln_vitem names = {0};
  ln_str w = rec->intent;
  bool meant_it = rec->planned && rec->ok && rec->cls == LN_WRITE && ln_str_eq(rec->state, LN_STR("planned"));
  if (!meant_it || !e->branch->plan_into || ln_v_get_str(w, "unknown").n) return;
  bool named = ln_v_get(w, LN_STR("names"), &names) && names.tag != 'n';
  meant m = {ln_v_get_str(w, "entity"), ln_v_get_str(w, "facet"), ln_v_get_str(w, "from"),
             ln_v_get_str(w, "to"), named ? names.whole : (ln_str){NULL, 0}};
  put_effect(e, &m, e->branch->plan_into);
}

static void put_planned(ln_effect *e, ln_str would) {
  ln_entry entry;
  ln_effect_entry(e, LN_E_PLANNED, &entry);
  entry.data = would;
  ln_run_put(e->run, &entry);
}

/* What is not known yet is named after the step, so that people see what to assume. */
static void finish_planned(ln_effect *e) {
  ln_buf answer;
  ln_buf_init(&answer, (size_t)16 << 20);
  bool named = ln_opaque_name(e->w.planned, ln_str_of(e->name), false, &answer);
  ln_effect_finish(e, true, "planned", named ? ln_buf_view(&answer) : e->w.planned);
  ln_buf_free(&answer);
}

void ln_plan_answer(ln_effect *e, const ln_err *refused) {
  ln_buf would;
  ln_str before = ln_buf_view(&e->before), same = ln_buf_view(&e->unchanged);
  bool unchanged = before.n && e->w.to.n && ln_str_eq(before, e->w.to);
  ln_buf_init(&would, (size_t)16 << 20);
  put_would(e, &would);
  put_planned(e, ln_buf_view(&would));
  ln_buf_free(&would);
  if (refused) {
    ln_effect_fail(e, refused);
  } else if (unchanged) {
    ln_effect_finish(e, true, "unchanged", same.n ? same : e->w.planned);
  } else {
    /* what is not known yet cannot be approved: it is asked for when it is reached */
    if (e->branch->plan_into && !ln_plan_is_blind(e)) ln_approval_put_effect(e, &e->would);
    finish_planned(e);
  }
}

/* In the order of deliveries, which a replay repeats.  What is so already is not shown: nothing would be
** done. */
void ln_plan_delivered(ln_effect *e) {
  if (e->branch->plan_into && e->would.n) ln_buf_add(e->branch->plan_into, ln_buf_view(&e->would));
}

void ln_plan_local(ln_effect *e) {
  ln_buf b;
  ln_buf_init(&b, 1 << 16);
  size_t mark = ln_v_begin(&b, 'O', 1);
  put_text(&b, "op", ln_str_of(e->op->name));
  ln_v_end(&b, mark);
  put_planned(e, ln_buf_view(&b));
  ln_buf_free(&b);
  ln_plan_unknown(e);
}

void ln_plan_unknown(ln_effect *e) {
  ln_buf b;
  ln_buf_init(&b, 1 << 16);
  ln_opaque_put(&b, ln_str_of(e->name), LN_STR("the answer"), false);
  ln_effect_finish(e, true, "planned", ln_buf_view(&b));
  ln_buf_free(&b);
}

bool ln_plan_is_blind(const ln_effect *e) {
  ln_str opaque;
  return ln_effect_is_plan(e) && ln_opaque_in(ln_buf_view(&e->args), &opaque);
}

bool ln_plan_unasked(ln_effect *e) {
  bool reads = e->op->cls == LN_READ || e->op->cls == LN_PURE;
  if (!reads || !ln_plan_is_blind(e)) return false;
  ln_plan_unknown(e);
  return true;
}

bool ln_plan_stuck(ln_branch *b, const ln_err *why, ln_str at, ln_err *err) {
  ln_buf data;
  if (b->plan_into || b->polling || !b->run->planning) return true;
  ln_buf_init(&data, 4096);
  size_t mark = ln_v_begin(&data, 'O', 2);
  put_text(&data, "at", at);
  put_text(&data, "why", ln_str_of(why->message));
  ln_v_end(&data, mark);
  b->run->partial++;
  bool ok = ln_note_put(b, LN_E_NOTE, "unknown", ln_buf_view(&data), err);
  ln_buf_free(&data);
  return ok;
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

/* ------------------------------------------------------------------ time */

/* A plan changes nothing, so there is nothing to wait for.  Its branches wait in the order of what they wait
** for, as a run's do: once all of them wait, its clock is put forward to the first.  What a poll asks for
** does not come for being waited for either, unless another branch does something: it is not polled in vain,
** and nobody knows what it would come to. */

enum { SKIPS_MAX = 1000 };

int64_t ln_run_clock_ms(const ln_run *r) { return ln_now_ms(r->engine->loop->clock) + r->shift_ms; }

void ln_plan_wait(ln_effect *e, int64_t due_ms, int64_t until_ms, uint64_t seen, ln_task_fn fn) {
  e->wake_ms = due_ms;
  e->skip.fn = fn;
  e->skip.until_ms = until_ms;
  e->skip.seen = seen;
}

static bool is_in_vain(const ln_effect *e) { return e->skip.until_ms && e->skip.seen == e->run->answers; }

static int64_t skip_due(const ln_effect *e) { return is_in_vain(e) ? e->skip.until_ms : e->wake_ms; }

static ln_effect *first_to_come(const ln_run *r) {
  ln_effect *first = NULL;
  for (const ln_branch *b = r->branches; b; b = b->next) {
    if (b->state == LN_B_JOINING || b->state == LN_B_ENDED) continue;
    if (b->state != LN_B_ASKING || !b->asked || b->asked->finished || !b->asked->skip.fn) return NULL;
    if (!first || skip_due(b->asked) <= skip_due(first)) first = b->asked;
  }
  return first;
}

static void not_so_yet(ln_effect *e, ln_err *unknown) {
  ln_buf value;
  ln_buf_init(&value, 4096);
  ln_fail(unknown, "unknown", LN_FINAL,
          "%s is not so yet, and a plan does not wait: --assume '%s=JSON' answers for it", e->name, e->name);
  if (ln_opaque_put_why(&value, unknown)) ln_effect_finish(e, true, "planned", ln_buf_view(&value));
  else ln_effect_finish_err(e, "failed", unknown);
  ln_buf_free(&value);
}

bool ln_plan_pass_time(ln_run *r) {
  ln_effect *e = r->planning && r->live && !r->cancel_wanted ? first_to_come(r) : NULL;
  ln_err unknown;
  if (!e) return false;
  ln_task_fn fn = e->skip.fn;
  int64_t now = ln_run_clock_ms(r);
  bool in_vain = is_in_vain(e);
  e->skip.fn = NULL;
  if (!in_vain && e->wake_ms > now) r->shift_ms += e->wake_ms - now;
  if (++r->skips > SKIPS_MAX) {
    ln_fail(&unknown, "unknown", LN_FINAL, "%s: a plan looks no further than %d waits ahead", e->name,
            SKIPS_MAX);
    ln_effect_finish_err(e, "failed", &unknown);
  } else if (in_vain) {
    not_so_yet(e, &unknown);
  } else {
    fn(e);
  }
  return true;
}
