/* playtest_from.c: see playtest_from.h. */
#include "debug/playtest_from.h"

#include "base/base64.h"
#include "engine/hostlib.h"
#include "engine/opaque.h"
#include "engine/replaying.h"

#include <lauxlib.h>
#include <stdlib.h>

enum { VALUE_MAX = 256 << 20 };

static void put_text(ln_buf *b, const char *key, ln_str text) {
  ln_v_key(b, ln_str_of(key));
  ln_v_str(b, text);
}

static void put_bool(ln_buf *b, const char *key, bool on) {
  ln_v_key(b, ln_str_of(key));
  ln_v_bool(b, on);
}

/* ------------------------------------------------------------------ what its steps came to */

/* People answer anew, the author's own work is done anew, and what was shown only is no step. */
static bool is_recorded(const ln_record *c) {
  static const char *const anew[] = {"approve", "approved", "ask", "step"};
  if (!c->fingerprint.n || c->planned || (!c->has_result && !c->delivered)) return false;
  for (size_t i = 0; i < sizeof anew / sizeof *anew; i++)
    if (ln_str_eq(c->op, ln_str_of(anew[i]))) return false;
  return true;
}

/* Has a value something that is no plain data: a blob's handle, say? */
static bool has_handle(ln_str v) {
  ln_vitem x, one;
  if (!ln_v_read(&v, &x)) return false;
  if (x.tag == 'B' || x.tag == 'P') return true;
  if (x.tag != 'A' && x.tag != 'O' && x.tag != 'M') return false;
  ln_str rest = x.body, key;
  for (size_t i = 0; i < x.count; i++) {
    if (x.tag != 'A' && !ln_v_read_key(&rest, &key)) return false;
    if (!ln_v_read(&rest, &one) || has_handle(one.whole)) return rest.n > 0 || has_handle(one.whole);
  }
  return x.tag == 'M' && rest.n > 0; /* its positions: let them be bytes */
}

static bool put_record(ln_engine *g, const ln_record *c, ln_buf *b, ln_err *err) {
  ln_buf hold = {0}, text;
  ln_str value;
  if (!ln_entry_data(g, c->name, c->outcome, &hold, &value, err)) return false;
  bool coded = has_handle(value);
  ln_v_key(b, c->name);
  size_t mark = ln_v_begin(b, 'O', 3);
  if (coded) {
    ln_buf_init(&text, VALUE_MAX);
    ln_base64(value, &text);
    put_text(b, "encoded", ln_buf_view(&text));
    ln_buf_free(&text);
  }
  put_bool(b, "ok", c->ok);
  put_text(b, "state", c->state.n ? c->state : LN_STR("done"));
  if (!coded) ln_v_key(b, LN_STR("value")), ln_v_raw(b, value);
  ln_v_end(b, mark);
  ln_buf_free(&hold);
  return ln_buf_ok(b, err);
}

static int by_name(const void *a, const void *b) {
  return ln_str_cmp((*(const ln_record *const *)a)->name, (*(const ln_record *const *)b)->name);
}

static bool put_records(ln_engine *g, ln_journal *j, ln_buf *b, ln_err *err) {
  size_t all = ln_journal_records(j), n = 0;
  ln_record **v = calloc(all + 1, sizeof(ln_record *));
  if (!v) return ln_fail(err, "memory", LN_AGAIN, "no memory for a run's steps");
  for (size_t i = 0; i < all; i++)
    if (is_recorded(ln_journal_record(j, i))) v[n++] = ln_journal_record(j, i);
  qsort(v, n, sizeof(ln_record *), by_name);
  size_t mark = ln_v_begin(b, 'O', n);
  bool ok = true;
  for (size_t i = 0; ok && i < n; i++) ok = put_record(g, v[i], b, err);
  ln_v_end(b, mark);
  free(v);
  return ok;
}

/* ------------------------------------------------------------------ what people said */

typedef struct answers {
  ln_buf b;
  size_t n;
} answers;

static bool put_answer(void *arg, const ln_approval *a) {
  answers *all = arg;
  bool yes = ln_str_eq(a->state, LN_STR("approved"));
  ln_str first = a->by, rest;
  if (!yes && !ln_str_eq(a->state, LN_STR("denied"))) return true;
  ln_str_cut(a->by, ',', &first, &rest);
  size_t mark = ln_v_begin(&all->b, 'O', 5);
  put_text(&all->b, "answer", a->answer);
  put_text(&all->b, "by", first);
  put_text(&all->b, "kind", a->kind);
  put_text(&all->b, "title", a->title);
  put_bool(&all->b, "yes", yes);
  all->n++;
  return ln_v_end(&all->b, mark);
}

static bool put_answers(ln_engine *g, int64_t run, ln_buf *b, ln_err *err) {
  answers all = {.n = 0};
  ln_buf_init(&all.b, VALUE_MAX);
  bool ok = ln_store_approvals(g->store, run, false, put_answer, &all, err) && ln_buf_ok(&all.b, err);
  size_t mark = ln_v_begin(b, 'A', all.n);
  if (ok && all.n) ln_buf_add(b, ln_buf_view(&all.b));
  ln_v_end(b, mark);
  ln_buf_free(&all.b);
  return ok;
}

/* ------------------------------------------------------------------ the whole */

typedef struct finding {
  ln_engine *g;
  ln_past past;
  ln_err *err;
  bool ok;
} finding;

static bool take_row(void *arg, const ln_run_row *row) {
  finding *f = arg;
  f->ok = ln_past_load(&f->past, f->g->store, row, f->err);
  return false;
}

static bool put_run(finding *f, ln_buf *out, ln_err *err) {
  const ln_run_row *row = &f->past.row;
  if (!ln_past_ended(&f->past))
    return ln_fail(err, "conflict", LN_FINAL, "run %s has not ended: a test is made of one that has",
                   row->ulid);
  size_t mark = ln_v_begin(out, 'O', 9);
  ln_v_key(out, LN_STR("answers"));
  if (!put_answers(f->g, row->id, out, err)) return false;
  put_text(out, "by", row->started_by);
  put_text(out, "code", ln_v_get_str(row->error, "code"));
  ln_v_key(out, LN_STR("input"));
  ln_v_raw(out, row->input);
  put_text(out, "outcome", row->outcome);
  put_text(out, "playbook", row->playbook);
  ln_v_key(out, LN_STR("recorded"));
  if (!put_records(f->g, f->past.journal, out, err)) return false;
  put_text(out, "run", ln_str_of(row->ulid));
  put_text(out, "state", row->state);
  return ln_v_end(out, mark) || ln_buf_ok(out, err);
}

bool ln_playtest_from(ln_engine *g, ln_str which, ln_buf *out, ln_err *err) {
  finding f = {.g = g, .err = err};
  if (!ln_store_run_find(g->store, which, take_row, &f, err)) return false;
  bool ok = f.ok && put_run(&f, out, err);
  ln_past_free(&f.past);
  return ok;
}

typedef struct writing { /* what a module of stdlib/sim makes of values and texts */
  ln_engine *g;
  const char *module;
  ln_str value[2], text[2]; /* empty: not given */
  ln_buf *out;
} writing;

static int l_text(lua_State *L) {
  const writing *w = lua_touserdata(L, 1);
  size_t n;
  int top = lua_gettop(L);
  lnL_host_require(L, w->g, w->module); /* job write */
  for (int i = 0; i < 2; i++)
    if (w->value[i].n) lnL_decode(L, w->value[i]);
  for (int i = 0; i < 2; i++)
    if (w->text[i].n) lua_pushlstring(L, w->text[i].p, w->text[i].n);
  lua_call(L, lua_gettop(L) - top - 1, 1); /* job text */
  const char *s = luaL_checklstring(L, -1, &n);
  ln_buf_add(w->out, (ln_str){s, n});
  return 0;
}

bool ln_playtest_text(ln_engine *g, ln_str from, ln_str written, ln_buf *out, ln_err *err) {
  writing w = {.g = g, .module = "sim.from_run", .value = {from, written}, .out = out};
  return ln_host_run(g, l_text, &w, "the test cannot be written", err) && ln_buf_ok(out, err);
}

bool ln_playtest_skeleton(ln_engine *g, ln_str declared, ln_str file, ln_str ended, ln_buf *out,
                          ln_err *err) {
  writing w = {.g = g, .module = "sim.new_test", .value = {declared}, .text = {file, ended}, .out = out};
  return ln_host_run(g, l_text, &w, "the test cannot be written", err) && ln_buf_ok(out, err);
}
