/* opaque.c: opaque values within others: found, and named after the step that will tell them; and the error
** of asking. */
#include "engine/opaque.h"

/* --- opaque values within others --- */

static bool find_opaque(ln_str *rest, ln_str *opaque, int depth) {
  ln_vitem v;
  ln_str items, key;
  if (depth > LN_VALUE_DEPTH || !ln_v_read(rest, &v)) return false;
  *opaque = v.whole;
  if (v.tag == 'P') return true;
  if (v.tag != 'A' && v.tag != 'O' && v.tag != 'M') return false;
  items = v.body;
  size_t positions = v.tag == 'A' ? v.count : 0;
  for (size_t i = 0; v.tag != 'A' && i < v.count; i++) {
    if (!ln_v_read_key(&items, &key)) return false;
    if (find_opaque(&items, opaque, depth + 1)) return true;
  }
  if (v.tag == 'M' && !ln_v_positions(&v, &items, &positions)) return false;
  for (size_t i = 0; i < positions; i++)
    if (find_opaque(&items, opaque, depth + 1)) return true;
  return false;
}

bool ln_opaque_in(ln_str value, ln_str *opaque) { return find_opaque(&value, opaque, 0); }

#define NO_ANSWER "no recorded answer tells "

bool ln_opaque_is_past(const ln_err *unknown) {
  return ln_str_starts(ln_str_of(unknown->message), LN_STR(NO_ANSWER));
}

bool ln_opaque_fail(ln_str value, ln_err *err) {
  ln_str v = value, what = {NULL, 0}, step = {NULL, 0};
  if (ln_opaque_in(value, &v)) {
    ln_str why = ln_v_get_str(v, "why");
    if (why.n) return ln_fail(err, "unknown", LN_FINAL, LN_STR_FMT, LN_STR_ARG(why));
    what = ln_v_get_str(v, "what");
    step = ln_v_get_str(v, "step");
  }
  if (!what.p) what = LN_STR("a value");
  if (ln_v_get_bool(v, "past", false))
    return ln_fail(err, "unknown", LN_FINAL, NO_ANSWER LN_STR_FMT " of " LN_STR_FMT,
                   LN_STR_ARG(what), LN_STR_ARG(step));
  if (!step.n)
    return ln_fail(err, "unknown", LN_FINAL, "the plan cannot know " LN_STR_FMT
                   " before it is done: answer in its place with --assume NAME=JSON", LN_STR_ARG(what));
  return ln_fail(err, "unknown", LN_FINAL, "the plan cannot know " LN_STR_FMT " before " LN_STR_FMT
                 " is done: answer in its place with --assume '" LN_STR_FMT "=JSON'", LN_STR_ARG(what),
                 LN_STR_ARG(step), LN_STR_ARG(step));
}

/* --- made --- */

bool ln_opaque_put(ln_buf *out, ln_str step, ln_str what, bool past) {
  size_t mark = ln_v_begin(out, 'P', past ? 3 : 2);
  if (past) ln_v_key(out, LN_STR("past")), ln_v_bool(out, true);
  ln_v_key(out, LN_STR("step"));
  ln_v_str(out, step);
  ln_v_key(out, LN_STR("what"));
  ln_v_str(out, what);
  return ln_v_end(out, mark);
}

bool ln_opaque_put_why(ln_buf *out, const ln_err *unknown) {
  size_t mark = ln_v_begin(out, 'P', 1);
  ln_v_key(out, LN_STR("why"));
  ln_v_str(out, ln_str_of(unknown->message));
  return ln_v_end(out, mark);
}

/* --- their names --- */

typedef struct naming { ln_str step; bool past; ln_buf *out; } naming;

static bool name_it(ln_str *rest, const naming *n, int depth);

static bool name_members(const ln_vitem *v, const naming *n, int depth) {
  ln_str body = v->body, key;
  for (size_t i = 0; i < v->count; i++)
    if (!ln_v_read_key(&body, &key) || !ln_v_key(n->out, key) || !name_it(&body, n, depth)) return false;
  return true;
}

static bool name_items(ln_str items, size_t count, const naming *n, int depth) {
  for (size_t i = 0; i < count; i++)
    if (!name_it(&items, n, depth)) return false;
  return true;
}

static bool name_table(const ln_vitem *v, const naming *n, int depth) {
  ln_str items = v->body;
  size_t positions = v->count;
  if (v->tag == 'M' && !ln_v_positions(v, &items, &positions)) return false;
  size_t mark = ln_v_begin(n->out, v->tag, v->count);
  bool ok = v->tag == 'A' || name_members(v, n, depth);
  if (ok && v->tag == 'M') ok = ln_v_more(n->out, positions);
  if (ok && v->tag != 'O') ok = name_items(items, positions, n, depth);
  return ok && ln_v_end(n->out, mark);
}

static bool name_opaque(const ln_vitem *v, const naming *n) {
  ln_str what = ln_v_get_str(v->whole, "what");
  if (ln_v_get_str(v->whole, "step").n || ln_v_get_str(v->whole, "why").n) return ln_v_raw(n->out, v->whole);
  return ln_opaque_put(n->out, n->step, what.p ? what : LN_STR("a value"), n->past);
}

static bool name_it(ln_str *rest, const naming *n, int depth) {
  ln_vitem v;
  if (depth > LN_VALUE_DEPTH || !ln_v_read(rest, &v)) return false;
  if (v.tag == 'P') return name_opaque(&v, n);
  if (v.tag == 'A' || v.tag == 'O' || v.tag == 'M') return name_table(&v, n, depth + 1);
  return ln_v_raw(n->out, v.whole);
}

bool ln_opaque_name(ln_str value, ln_str step, bool past, ln_buf *out) {
  const naming n = {step, past, out};
  return value.n == 0 || name_it(&value, &n, 0);
}
