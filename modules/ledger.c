/* ledger.c: what Lunette holds, as a playbook may read it: who confined what, since when, what it was before,
** and how it is taken back.  Nothing is changed here: what takes a hold back is the operation that it
** names. */
#include "modules/modules.h"

#include "base/units.h"

enum { HOLDS_MAX = 1000 };

typedef struct listing {
  ln_store *store;
  ln_str facet;                                          /* empty: any                             */
  ln_buf items;
  size_t n;
  bool ok;
  ln_err *err;
} listing;

static void put_text(ln_buf *b, const char *key, ln_str s) {
  ln_v_key(b, ln_str_of(key));
  ln_v_str(b, s);
}

static void put_time(ln_buf *b, const char *key, int64_t ms) {
  char text[LN_TIME_TEXT];
  ln_format_time(ms, text);
  put_text(b, key, ln_str_of(text));
}

/* A run that has ended holds what it holds, and acts no more. */
static bool see_open(void *arg, const ln_run_row *row) {
  *(bool *)arg = ln_str_eq(row->state, LN_STR("running")) || ln_str_eq(row->state, LN_STR("waiting"));
  return false;
}

/* Keys in the order of bytes, as the encoding wants them. */
static void put_hold(ln_buf *b, const ln_hold *h, bool open) {
  ln_vitem undo = {0};
  ln_str rest = h->undo;
  bool undoable = h->undo.n && ln_v_read(&rest, &undo) && ln_v_get_str(undo.whole, "op").n > 0;
  size_t mark = ln_v_begin(b, 'O', 10 + (undoable ? 1 : 0) + (h->until_ms ? 1 : 0));
  put_text(b, "before", h->before);
  put_text(b, "entity", h->entity);
  put_text(b, "facet", h->facet);
  put_text(b, "op", h->op);
  ln_v_key(b, LN_STR("open")), ln_v_bool(b, open);
  put_text(b, "run", ln_str_of(h->ulid));
  put_time(b, "since", h->since_ms);
  put_text(b, "state", h->state);
  put_text(b, "status", h->status);
  put_text(b, "step", h->step);
  if (undoable) ln_v_key(b, LN_STR("undo")), ln_v_raw(b, undo.whole);
  if (h->until_ms) put_time(b, "until", h->until_ms);
  ln_v_end(b, mark);
}

static bool add_hold(void *arg, const ln_hold *h) {
  listing *l = arg;
  bool open = false;
  if (l->facet.n && !ln_str_eq(l->facet, h->facet)) return true;
  l->ok = ln_store_run_get(l->store, h->run, see_open, &open, l->err);
  if (l->ok && l->n == HOLDS_MAX)
    l->ok = ln_fail(l->err, "too_many", LN_FINAL, "ledger.holds: more than %d: name a facet", HOLDS_MAX);
  if (!l->ok) return false;
  put_hold(&l->items, h, open);
  l->n++;
  return !ln_buf_failed(&l->items);
}

static bool list(ln_effect *e, ln_buf *value, ln_err *err) {
  ln_str args = ln_effect_args(e);
  ln_hold_query q = {.entity = ln_v_get_str(args, "entity")};
  listing l = {
      .store = ln_effect_engine(e)->store, .facet = ln_v_get_str(args, "facet"), .ok = true, .err = err};
  ln_buf_init(&l.items, value->max);
  bool ok = ln_store_holds(l.store, &q, add_hold, &l, err) && l.ok && ln_buf_ok(&l.items, err);
  if (ok) {
    size_t mark = ln_v_begin(value, 'A', l.n);
    ln_buf_add(value, ln_buf_view(&l.items));
    ln_v_end(value, mark);
    ok = ln_buf_ok(value, err);
  }
  ln_buf_free(&l.items);
  return ok;
}

static void start(ln_effect *e) {
  ln_err err;
  ln_buf value;
  ln_buf_init(&value, 1 << 20);
  if (list(e, &value, &err)) ln_effect_done(e, ln_buf_view(&value));
  else ln_effect_fail(e, &err);
  ln_buf_free(&value);
}

static const ln_op op_holds = {.name = "ledger.holds", .cls = LN_READ, .start = start};

/* ledger.holds { entity, facet } -> array of holds */
static int l_holds(lua_State *L) {
  static const char *const known[] = {"entity", "facet", "as", NULL};
  lnL_options(L, "ledger.holds", 1, known);
  lua_settop(L, 1);
  lnL_field(L, 1, "entity");                              /* args entity        */
  lnL_field(L, 1, "facet");                               /* args entity facet  */
  ln_str entity = lnL_text(L, "ledger.holds", "entity", 2);
  if (!entity.n) lnL_bad(L, "ledger.holds", "entity", "the name of something, such as okta:user:00u1", 0);
  lnL_text_or(L, "ledger.holds", "facet", 3, (ln_str){NULL, 0});
  return lnL_effect(L, &op_holds, 1, NULL, NULL);
}

int luaopen_ledger(lua_State *L) {
  static const luaL_Reg functions[] = {{"holds", l_holds}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
