/* lift.c: a write that takes back what an earlier one did: compare-and-undo.  It is an operation like any
** other, asked by ledger.lift with the hold (run, step) that it lifts, and goes the whole way of a write:
** looked at, guarded, approved, in doubt.  What is its own:
**
**   - it brings the hold's entity from the state that was set back to the one before, by the operation that
**     the ledger names; anything else is refused
**   - while others hold the same state, only this hold is let go, and nothing is sent
**   - where the live state is not the one that was set, somebody has changed it since: that stays
**
** Whether it is the last holder is asked before anybody is, and again in the intent's transaction. */
#include "engine/inside.h"

#include <lauxlib.h>
#include <stdio.h>

/* ------------------------------------------------------------------ asking */

bool lnL_is_lift(lua_State *L, int args) {
  if (!args || !lua_istable(L, args)) return false;
  bool is = lua_getfield(L, args, LN_LIFTS) != LUA_TNIL;
  lua_pop(L, 1);
  return is;
}

static bool keep_field(lua_State *L, ln_effect *e, const char *key, ln_str *out) {
  ln_str s = {NULL, 0};
  if (lua_getfield(L, -1, key) == LUA_TSTRING) s.p = lua_tolstring(L, -1, &s.n);
  bool ok = s.n && ln_effect_keep(e, s, out);
  lua_pop(L, 1);
  return ok;
}

bool lnL_lift_take(lua_State *L, int args, ln_effect *e, ln_err *err) {
  int kind = lua_getfield(L, args, LN_LIFTS);            /* lifts */
  e->lift.is = kind != LUA_TNIL;
  bool ok = kind == LUA_TNIL || (kind == LUA_TTABLE && e->op->cls == LN_WRITE &&
                                 keep_field(L, e, "run", &e->lift.ulid) &&
                                 keep_field(L, e, "step", &e->lift.step));
  lua_pop(L, 1);
  return ok || ln_fail(err, "bad_argument", LN_FINAL,
                       "%s: " LN_LIFTS " is for writes, and names a hold: { run = …, step = … }",
                       e->op->name);
}

/* ------------------------------------------------------------------ what the ledger has of it */

typedef struct reading { ln_effect *e; ln_str op, args; char status[16]; bool ok; } reading;

static bool read_hold(void *arg, const ln_hold *h) {
  reading *r = arg;
  ln_effect *e = r->e;
  ln_lift *l = &e->lift;
  ln_vitem args = {0};
  snprintf(r->status, sizeof r->status, "%.*s", LN_STR_ARG(h->status));
  l->malicious = ln_str_eq(h->verdict, LN_STR("malicious"));
  l->gave = !h->move.n || ln_str_eq(h->move, LN_STR("free"));
  l->pending = ln_str_eq(h->status, LN_STR("pending"));
  ln_v_get(h->undo, LN_STR("args"), &args);
  r->ok = ln_effect_keep(e, h->entity, &l->entity) && ln_effect_keep(e, h->facet, &l->facet) &&
          ln_effect_keep(e, h->state, &l->state) && ln_effect_keep(e, h->before, &l->before) &&
          ln_effect_keep(e, ln_v_get_str(h->undo, "op"), &r->op) && ln_effect_keep(e, args.whole, &r->args);
  l->run = h->run;
  return false;
}

static bool read_it(reading *r, ln_err *err) {
  ln_effect *e = r->e;
  return ln_store_hold_of(e->run->engine->store, e->lift.ulid, e->lift.step, read_hold, r, err) &&
         (r->ok || ln_fail(err, "memory", LN_AGAIN, "no memory for a hold"));
}

void ln_lift_read(ln_effect *e) {
  reading r = {.e = e};
  ln_err gone;
  if (e->lift.is) read_it(&r, &gone);
}

/* ------------------------------------------------------------------ may it be taken back by this? */

static bool is_same_place(const ln_effect *e) {
  return ln_str_eq(e->w.entity, e->lift.entity) && ln_str_eq(e->w.facet, e->lift.facet);
}

/* Has `more` every member of `some`, with the same value? */
static bool has_all(ln_str more, ln_str some) {
  ln_vitem v, other;
  ln_str key;
  if (!ln_v_read(&some, &v) || v.tag != 'O') return false;
  for (ln_str rest = v.body; rest.n;)
    if (!ln_v_read_key(&rest, &key) || !ln_v_read(&rest, &v) || !ln_v_get(more, key, &other) ||
        !ln_str_eq(v.whole, other.whole))
      return false;
  return true;
}

/* What a script calls a lift may be none: it has to bring back the state before, or to be the very call that
** the ledger names. */
static bool is_its_undo(const reading *r) {
  const ln_effect *e = r->e;
  bool back = is_same_place(e) && e->w.to.n && ln_str_eq(e->w.to, e->lift.before);
  return ln_str_eq(r->op, ln_str_of(e->op->name)) && (back || has_all(ln_buf_view(&e->args), r->args));
}

static bool see_world(void *arg, const ln_run_row *row) {
  *(bool *)arg = ln_v_get_bool(row->options, "sim", false);
  return false;
}

static bool is_of_this_world(const ln_effect *e, ln_err *err) {
  bool sim = false;
  if (!ln_store_run_get(e->run->engine->store, e->lift.run, see_world, &sim, err)) return false;
  return sim == e->run->options.sim ||
         ln_fail(err, "refused", LN_FINAL, "run " LN_STR_FMT " was made %s simulators",
                 LN_STR_ARG(e->lift.ulid), sim ? "against" : "without");
}

static bool may_lift(const reading *r, ln_err *err) {
  const ln_lift *l = &r->e->lift;
  if (strcmp(r->status, "doubt") == 0)
    return ln_fail(err, "conflict", LN_FINAL,
                   "whether " LN_STR_FMT " happened is not known: lunette resume " LN_STR_FMT
                   " --did or --did-not says so first",
                   LN_STR_ARG(l->step), LN_STR_ARG(l->ulid));
  if (strcmp(r->status, "foreign") == 0)
    return ln_fail(err, "refused", LN_FINAL, "it was so before: nobody here did it");
  if (!is_its_undo(r))
    return ln_fail(err, "refused", LN_FINAL, "%s does not take back " LN_STR_FMT " of run " LN_STR_FMT,
                   r->e->op->name, LN_STR_ARG(l->step), LN_STR_ARG(l->ulid));
  return is_of_this_world(r->e, err);
}

ln_lifting ln_lift_begin(ln_effect *e, ln_err *err) {
  reading r = {.e = e};
  bool held;
  int64_t others;
  if (!e->lift.is) return LN_LIFT_GO;
  if (!read_it(&r, err) || !may_lift(&r, err) ||
      !ln_store_hold_alone(e->run->engine->store, e->lift.run, e->lift.step, &held, &others, err))
    return LN_LIFT_NO;
  return held && !others ? LN_LIFT_GO : LN_LIFT_KEPT;
}

/* What takes something back that has a name of its own (a scan that was launched, by its reference) is known
** by that name; there is no state to compare. */
bool ln_lift_compare(ln_effect *e, ln_err *err) {
  const ln_lift *l = &e->lift;
  ln_str now = ln_buf_view(&e->before);
  if (!l->is || !is_same_place(e) || ln_str_eq(now, l->state)) return true;
  if (l->pending && ln_str_eq(now, l->before))             /* the vendor may do it yet */
    return ln_fail(err, "pending", LN_AGAIN, LN_STR_FMT " is not finished: take it back when it is",
                   LN_STR_ARG(l->step));
  if (ln_str_eq(now, e->w.to)) return true;                /* somebody has taken it back */
  if (!now.n)
    return ln_fail(err, "failed", LN_AGAIN, "%s: how " LN_STR_FMT " is now cannot be told", e->op->name,
                   LN_STR_ARG(l->entity));
  e->lift.end = LN_LIFT_LOST;
  return ln_fail(err, "conflict", LN_FINAL,
                 LN_STR_FMT " (" LN_STR_FMT ") is \"" LN_STR_FMT "\" now, and was set to \"" LN_STR_FMT
                            "\": somebody has changed it since, and it stays so",
                 LN_STR_ARG(l->entity), LN_STR_ARG(l->facet), LN_STR_ARG(now), LN_STR_ARG(l->state));
}

/* ------------------------------------------------------------------ in transactions */

bool ln_lift_passes_in(ln_tx *tx, const ln_effect *e, ln_err *err) {
  bool held;
  int64_t others;
  if (!e->lift.is) return true;
  if (!ln_tx_hold_alone(tx, e->lift.run, e->lift.step, &held, &others, err)) return false;
  return (held && !others) || ln_fail(err, "kept", LN_FINAL, "others hold it, or nobody does");
}

/* Of two holders that let go at the same moment each has seen the other. */
bool ln_lift_is_kept_in(ln_tx *tx, const ln_effect *e, ln_err *err) {
  bool held;
  int64_t others;
  if (e->lift.end != LN_LIFT_LET_GO) return true;
  if (!ln_tx_hold_alone(tx, e->lift.run, e->lift.step, &held, &others, err)) return false;
  return !held || others || ln_fail(err, "last", LN_AGAIN, "nobody else holds it any more");
}

bool ln_lift_end_in(ln_tx *tx, const ln_effect *e, bool reached, ln_err *err) {
  const ln_lift *l = &e->lift;
  if (!l->is || !l->run) return true;
  if (reached || l->end == LN_LIFT_LET_GO) return ln_tx_hold_lift(tx, l->run, l->step, e->run->id, err);
  return l->end != LN_LIFT_LOST || ln_tx_hold_lift(tx, l->run, l->step, 0, err);
}

/* ------------------------------------------------------------------ what goes into the ledger for it */

bool ln_lift_is_malicious(const ln_branch *b) {
  for (; b; b = b->parent)
    if (b->play && b->play->malicious) return true;
  return false;
}

bool ln_alias_put_in(ln_tx *tx, const ln_effect *e, ln_err *err) {
  ln_vitem list, item;
  if (!ln_v_get(ln_buf_view(&e->names), ln_str_of(ln_names_key(e->w.entity)), &list)) return true;
  if (list.tag == 'S') return ln_tx_alias_put(tx, e->w.entity, list.s, err);
  for (ln_str rest = list.tag == 'A' ? list.body : (ln_str){NULL, 0}; rest.n && ln_v_read(&rest, &item);)
    if (item.tag == 'S' && item.s.n && !ln_tx_alias_put(tx, e->w.entity, item.s, err)) return false;
  return true;
}
