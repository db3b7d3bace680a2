/* ledger.c: what Lunette holds, as a playbook may read it: who confined what, since when, what it was before,
** and how it is taken back; what a run did; and lifting a hold, which is to call the operation that the
** ledger names for it, as its compare-and-undo (engine/lift.c). */
#include "modules/modules.h"

#include "base/units.h"
#include "engine/run.h"

enum { HOLDS_MAX = 1000 };

typedef struct listing {
  ln_store *store;
  ln_str facet, step;                                    /* empty: any                             */
  int64_t now;
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
static void put_hold(ln_buf *b, const ln_hold *h, bool open, int64_t now) {
  ln_vitem undo = {0};
  ln_str rest = h->undo;
  bool undoable = h->undo.n && ln_v_read(&rest, &undo) && ln_v_get_str(undo.whole, "op").n > 0;
  size_t mark = ln_v_begin(b, 'O', 11 + (undoable ? 1 : 0) + (h->until_ms ? 2 : 0));
  put_text(b, "before", h->before);
  put_text(b, "entity", h->entity);
  put_text(b, "facet", h->facet);
  put_text(b, "op", h->op);
  ln_v_key(b, LN_STR("open")), ln_v_bool(b, open);
  if (h->until_ms) ln_v_key(b, LN_STR("over")), ln_v_bool(b, h->until_ms <= now);
  put_text(b, "run", ln_str_of(h->ulid));
  put_time(b, "since", h->since_ms);
  put_text(b, "state", h->state);
  put_text(b, "status", h->status);
  put_text(b, "step", h->step);
  if (undoable) ln_v_key(b, LN_STR("undo")), ln_v_raw(b, undo.whole);
  if (h->until_ms) put_time(b, "until", h->until_ms);
  put_text(b, "verdict", h->verdict);
  ln_v_end(b, mark);
}

static bool add_hold(void *arg, const ln_hold *h) {
  listing *l = arg;
  bool open = false;
  if (l->facet.n && !ln_str_eq(l->facet, h->facet)) return true;
  if (l->step.n && !ln_str_eq(l->step, h->step)) return true;
  l->ok = ln_store_run_get(l->store, h->run, see_open, &open, l->err) || ln_err_is(l->err, "not_found");
  if (l->ok && l->n == HOLDS_MAX)
    l->ok = ln_fail(l->err, "too_many", LN_FINAL, "ledger.holds: more than %d: name a facet", HOLDS_MAX);
  if (!l->ok) return false;
  put_hold(&l->items, h, open, l->now);
  l->n++;
  return !ln_buf_failed(&l->items);
}

static bool see_id(void *arg, const ln_run_row *row) {
  *(int64_t *)arg = row->id;
  return false;
}

static bool list(ln_effect *e, ln_buf *value, ln_err *err) {
  ln_str args = ln_effect_args(e), run = ln_v_get_str(args, "run");
  ln_hold_query q = {.entity = ln_v_get_str(args, "entity")};
  listing l = {.store = ln_effect_engine(e)->store,
               .facet = ln_v_get_str(args, "facet"),
               .step = ln_v_get_str(args, "step"),
               .now = ln_now_ms(ln_effect_engine(e)->loop->clock),
               .ok = true,
               .err = err};
  if (run.n && !ln_store_run_find(l.store, run, see_id, &q.run, err)) return false;
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

static void answer(ln_effect *e, bool (*fn)(ln_effect *e, ln_buf *value, ln_err *err)) {
  ln_err err;
  ln_buf value;
  ln_buf_init(&value, (size_t)64 << 20);
  if (fn(e, &value, &err)) ln_effect_done(e, ln_buf_view(&value));
  else ln_effect_fail(e, &err);
  ln_buf_free(&value);
}

static bool acts(ln_effect *e, ln_buf *value, ln_err *err) {
  return ln_acts_of(ln_effect_engine(e), ln_v_get_str(ln_effect_args(e), "run"),
                    ln_v_get_int(ln_effect_args(e), "line", 0), value, err);
}

static void start_holds(ln_effect *e) { answer(e, list); }
static void start_acts(ln_effect *e) { answer(e, acts); }

static const ln_op op_holds = {.name = "ledger.holds", .cls = LN_READ, .start = start_holds};
static const ln_op op_acts = {.name = "ledger.acts", .cls = LN_READ, .start = start_acts};

/* ledger.holds { entity | run, facet, step } -> array of holds */
static int l_holds(lua_State *L) {
  static const char *const known[] = {"entity", "run", "facet", "step", "as", NULL};
  static const char *const texts[] = {"entity", "run", "facet", "step"};
  bool named = false;
  lnL_options(L, "ledger.holds", 1, known);
  lua_settop(L, 1);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    lnL_field(L, 1, texts[i]);                            /* args text */
    ln_str text = lnL_text_or(L, "ledger.holds", texts[i], 2, (ln_str){NULL, 0});
    named |= i < 2 && text.n;
    lua_settop(L, 1);
  }
  if (!named)
    lnL_bad(L, "ledger.holds", "entity", "the name of something, such as okta:user:00u1, or a `run`", 0);
  return lnL_effect(L, &op_holds, 1, NULL, NULL);
}

/* ledger.acts { run, line } -> array of what it did */
static int l_acts(lua_State *L) {
  static const char *const known[] = {"run", "line", "as", NULL};
  lnL_options(L, "ledger.acts", 1, known);
  lua_settop(L, 1);
  lnL_field(L, 1, "run");                                 /* args run */
  if (!lnL_text(L, "ledger.acts", "run", 2).n) lnL_bad(L, "ledger.acts", "run", "the id of a run", 0);
  lnL_field(L, 1, "line");                                /* args run line */
  if (!lua_isnil(L, 3)) lnL_whole(L, "ledger.acts", "line", 3, 1, INT64_MAX);
  lua_settop(L, 1);
  return lnL_effect(L, &op_acts, 1, NULL, NULL);
}

/* --- lifting --- */

/* hold "op" → hold "op" function: of the library or connector that the operation belongs to. */
static void push_function(lua_State *L, ln_str op) {
  ln_str of, name;
  if (!ln_str_cut(op, '.', &of, &name))
    lnL_bad(L, "ledger.lift", "hold", "something that an operation takes back", 0);
  bool library = false;
  for (const ln_module *m = lnL_engine(L)->modules; m && m->name; m++)
    library |= ln_str_eq(ln_str_of(m->name), of);
  lua_getglobal(L, "require");
  lua_pushstring(L, library ? "" : "connectors.");
  lua_pushlstring(L, of.p, of.n);
  lua_concat(L, 2);
  lua_call(L, 1, 1);                                      /* … module */
  lua_pushlstring(L, name.p, name.n);
  lua_gettable(L, -2);                                    /* … module function */
  lua_remove(L, -2);
}

/* [hold args] → [hold args]: what takes it back, and which hold that is. */
static void put_lifts(lua_State *L, const char *as) {
  static const char *const parts[] = {"run", "step"};
  lua_createtable(L, 0, 2);                               /* hold args lifts */
  for (int i = 0; i < 2; i++) {
    lnL_field(L, 1, parts[i]);
    lnL_text(L, "ledger.lift", parts[i], lua_gettop(L));
    lua_setfield(L, -2, parts[i]);
  }
  lua_setfield(L, 2, LN_LIFTS);
  if (as) lua_pushstring(L, as), lua_setfield(L, 2, "as");
}

/* An operation on several items answers with an outcome each, of which there is one: it is this call's. */
static int lifted(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  if (!lua_istable(L, -1) || lua_rawlen(L, -1) != 1 || lua_geti(L, -1, 1) != LUA_TTABLE) return 1;
  if (lua_getfield(L, -1, "ok") != LUA_TBOOLEAN) return lua_pop(L, 2), 1;
  bool ok = lua_toboolean(L, -1);
  lua_getfield(L, -2, ok ? "value" : "error");
  return ok ? 1 : lua_error(L);
}

/* ledger.lift(hold, { as }) -> what the operation answers */
static int l_lift(lua_State *L) {
  static const char *const known[] = {"as", NULL};
  luaL_checktype(L, 1, LUA_TTABLE);
  lnL_options(L, "ledger.lift", 2, known);
  lua_settop(L, 2);
  lnL_field(L, 2, "as");
  const char *as = lua_isnil(L, 3) ? NULL : lnL_text(L, "ledger.lift", "as", 3).p; /* hold opts as */
  lnL_field(L, 1, "undo");                                /* hold opts as undo */
  if (!lua_istable(L, 4)) lnL_bad(L, "ledger.lift", "hold", "one that has an `undo`", 0);
  lnL_field(L, 4, "op");
  ln_str op = lnL_text(L, "ledger.lift", "undo.op", 5);   /* hold opts as undo op */
  lua_newtable(L);                                        /* hold opts as undo op args */
  lua_replace(L, 2);                                      /* hold args as undo op */
  lnL_field(L, 4, "args");
  for (lua_pushnil(L); lua_istable(L, 6) && lua_next(L, 6); lua_pop(L, 1)) { /* … given k v */
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, 2);
  }
  lua_settop(L, 5);
  put_lifts(L, as);
  push_function(L, op);                                   /* hold args as undo op function */
  lua_pushvalue(L, 2);
  lua_callk(L, 1, 1, 0, lifted);
  return lifted(L, LUA_OK, 0);
}

int luaopen_ledger(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"holds", l_holds}, {"acts", l_acts}, {"lift", l_lift}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
