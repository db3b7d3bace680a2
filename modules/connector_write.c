/* connector_write.c: what the engine asks of a declared write: what it is (describe), who it hits and how
** that is now (look), the one send, whether it happened (probe), and how far it is (follow).  Each of these
** is one or more asks (connector_ask.c), and an answer put into the engine's words.
**
** What look finds is kept with the effect: the state before, and the value that it was read off, are there
** for the functions that build the request, so that a write can be made of what was seen. */
#include "modules/connector_parts.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

enum { VALUE_MAX = 64 << 20, TROUBLES = 10 };

typedef enum look_stage { READING_STATE, RESOLVING } look_stage;
enum { COUNTED_FOR_MS = 3600000, NOT_COUNTED_FOR_MS = 300000, COUNT_PATIENCE_MS = 15000 };
typedef enum reason {                                    /* why the state is read */
  TO_LOOK,
  TO_PROBE,                                              /* it was perhaps sent */
  AFTER_REFUSAL, AFTER_FAILURE /* the send was refused; what was followed ended badly */
} reason;

struct lnC_look {
  look_stage stage;
  int nth, decided;                                 /* of the parts, from 1; decided: the state's that knew */
  reason why;
  ln_err refusal;                                        /* what is to be said if it is not so after all */
  ln_buf names, before, looked;
  bool resolved;
  ln_buf handle;
  size_t follows, troubles;
  int64_t follow_since, sent_ms;                         /* sent_ms: for a probe: since then */
};
typedef struct lnC_look lnC_look;

void lnC_look_free(lnC_look *l) {
  if (!l) return;
  ln_buf_free(&l->names);
  ln_buf_free(&l->before);
  ln_buf_wipe(&l->looked);
  ln_buf_free(&l->handle);
  free(l);
}

static lnC_look *look_of(lnC_work *w) {
  if (!w->look && (w->look = calloc(1, sizeof *w->look))) {
    ln_buf_init(&w->look->names, 1 << 20);
    ln_buf_init(&w->look->before, 4096);
    ln_buf_init(&w->look->looked, VALUE_MAX);
    ln_buf_init(&w->look->handle, 1 << 20);
  }
  return w->look;
}

static lnC_ctx ctx_of(const lnC_work *w) {
  lnC_ctx c = {
      .tag = ln_effect_tag(w->e), .trace = ln_effect_trace(w->e),
      .lease_ms = ln_effect_lease_ms(w->e), .before = ln_effect_before(w->e)};
  if (w->look) c.since_ms = w->look->sent_ms;
  if (w->look && w->look->before.n) {
    c.before = ln_buf_view(&w->look->before);
    c.looked = ln_buf_view(&w->look->looked);
  }
  return c;
}

static bool no_memory(ln_err *err) { return ln_fail(err, "memory", LN_AGAIN, "no memory for a write"); }

/* --- describe --- */

/* The text that a field of the operation comes to, kept with the effect; "" when there is none, or when a
** plan does not know enough for it. */
static bool text_of(const lnC_work *w, const char *key, ln_str *out, ln_err *err) {
  lnC_value v = {0};
  lnC_ctx ctx = ctx_of(w);
  ln_str args = ln_effect_args(w->e), said;
  ln_vitem item;
  ln_buf_init(&v.out, 1 << 20);
  *out = LN_STR("");
  bool ok = lnC_call(w->o, "", 0, key, &args, 1, &ctx, &v, err);
  if (!ok && lnC_has_opaque(args)) ok = v.nothing = true;
  said = ln_buf_view(&v.out);
  if (ok && !v.nothing && (!ln_v_read(&said, &item) || item.tag != 'S'))
    ok = ln_fail(err, "failed", LN_FINAL, "%s: %s must be a text", w->o->full, key);
  else if (ok && !v.nothing) ok = ln_effect_keep(w->e, item.s, out) != NULL || no_memory(err);
  ln_buf_free(&v.out);
  return ok;
}

static bool planned_of(const lnC_work *w, ln_str *out, ln_err *err) {
  lnC_value v = {0};
  lnC_ctx ctx = ctx_of(w);
  ln_str args = ln_effect_args(w->e);
  ln_buf_init(&v.out, VALUE_MAX);
  bool ok = lnC_call(w->o, "", 0, "plan", &args, 1, &ctx, &v, err);
  if (!ok && lnC_has_opaque(args)) ok = v.nothing = true;
  if (ok && v.nothing) {
    ln_buf_cut(&v.out, 0);
    size_t mark = ln_v_begin(&v.out, 'P', 1);
    ln_v_key(&v.out, LN_STR("what"));
    ln_v_str(&v.out, ln_str_of(w->o->full));
    ok = ln_v_end(&v.out, mark) || no_memory(err);
  }
  ok = ok && (ln_effect_keep(w->e, ln_buf_view(&v.out), out) || no_memory(err));
  ln_buf_free(&v.out);
  return ok;
}

/* The request as it would be sent.  What needs an earlier answer cannot be shown yet: the rest of the plan
** can. */
static bool would_of(const lnC_work *w, ln_str *out, ln_err *err) {
  lnC_request r;
  lnC_ctx ctx = ctx_of(w);
  ln_err why = {0};
  lnC_request_init(&r);
  r.wants_would = true;
  bool ok = lnC_request_make(w->o, ln_effect_args(w->e), &ctx, (ln_str){NULL, 0}, &r, &why);
  if (ok) ok = ln_effect_keep(w->e, ln_buf_view(&r.would), out) || no_memory(err);
  else if (ln_err_is(&why, "failed") || lnC_has_opaque(ln_effect_args(w->e))) ok = true;
  else *err = why;
  lnC_request_free(w->o->c->engine, &r);
  return ok;
}

static bool console_of(const lnC_work *w, ln_str *out, ln_err *err) {
  lnC_value v = {0};
  ln_str values[] = {ln_effect_args(w->e), ln_buf_view(&w->o->c->settings)}, said;
  ln_vitem item;
  ln_buf_init(&v.out, 1 << 20);
  *out = LN_STR("");
  bool ok = lnC_call(w->o, "", 0, "console", values, 2, NULL, &v, err);
  said = ln_buf_view(&v.out);
  if (ok && ln_v_read(&said, &item) && item.tag == 'S')
    ok = ln_effect_keep(w->e, item.s, out) || no_memory(err);
  ln_buf_free(&v.out);
  return ok;
}

static bool describe_parts(const lnC_work *w, ln_write *out, ln_err *err) {
  return text_of(w, "entity", &out->entity, err) && text_of(w, "facet", &out->facet, err) &&
         text_of(w, "to", &out->to, err) && planned_of(w, &out->planned, err) &&
         would_of(w, &out->would, err) && console_of(w, &out->console, err);
}

static bool describe(ln_effect *e, ln_write *out, ln_err *err) {
  lnC_work *w = lnC_work_of(e);
  if (!w) return no_memory(err);
  lnC_connector *c = w->o->c;
  if (!lnC_settings(c, err)) return false;
  *out = (ln_write){.asks = c->site->writes == LN_WRITES_ASK, .never = c->site->writes == LN_WRITES_NEVER};
  return describe_parts(w, out, err);
}

/* --- parts: reads that a part of the declaration names --- */

typedef struct part_job {
  const lnC_operation *o;
  const char *part;
  int nth, count;
  ln_str first, second;                                  /* what its args function gets */
  const lnC_ctx *ctx;
  lnC_operation *op;                                     /* NULL: none is to be asked */
  ln_buf *out;
} part_job;

static void read_op(lua_State *L, part_job *j, int part) {
  lua_getfield(L, part, "op");                           /* op */
  if (lua_isfunction(L, -1)) {
    lnC_push(L, j->first);
    lnC_push_ctx(L, j->o, j->ctx);
    lua_call(L, 2, 1);
  }
  if (lua_isnil(L, -1)) return;
  ln_str name = {NULL, 0};
  if (lua_type(L, -1) == LUA_TSTRING) name.p = lua_tolstring(L, -1, &name.n);
  j->op = name.p ? lnC_find(j->o->c, name) : NULL;
  if (!j->op || j->op->flow || j->op->write) luaL_error(L, "%s.op names no read of this connector", j->part);
}

static int l_part(lua_State *L) {
  part_job *j = lua_touserdata(L, 1);
  if (lnC_field(L, j->o, j->part) != LUA_TTABLE) return 0; /* job part */
  j->count = 1;
  if (lua_getfield(L, 2, "op") == LUA_TTABLE) {          /* job part ops */
    j->count = (int)luaL_len(L, 3);
    lua_geti(L, 3, j->nth);
    lua_replace(L, 2);
  }
  lua_settop(L, 2);
  if (j->nth > j->count || !lua_istable(L, 2)) return 0;
  read_op(L, j, 2);
  lua_settop(L, 2);
  if (!j->op) return 0;
  if (lua_getfield(L, 2, "args") == LUA_TFUNCTION) {     /* job part args */
    lnC_push(L, j->first);
    if (j->second.n) lnC_push(L, j->second);
    lnC_push_ctx(L, j->o, j->ctx);
    lua_call(L, j->second.n ? 3 : 2, 1);
  } else {
    lua_newtable(L);
  }
  lnC_encode(L, -1, j->out, j->part);
  return 0;
}

/* Asks the read that a part names.  *asked: one is on its way, else there is none to ask. */
static bool ask_part(lnC_work *w, part_job *j, void (*done)(void *, const lnC_end *), bool *asked,
                     ln_err *err) {
  static const char *const also[] = {"limit", "all", NULL};
  ln_buf raw, args;
  lnC_ctx ctx = ctx_of(w);
  ln_buf_init(&raw, VALUE_MAX);
  ln_buf_init(&args, VALUE_MAX);
  j->o = w->o;
  j->ctx = &ctx;
  j->out = &raw;
  bool ok = lnC_run(w->o->c->engine, l_part, j, w->o->full, err, NULL);
  *asked = ok && j->op;
  if (*asked) {
    lnC_ask_opts opts = {
        .o = j->op, .ctx = {.tag = ctx.tag, .trace = ctx.trace}, .apart = true,
        .patience_ms = ln_effect_timeout_ms(w->e)};
    ok = ln_params_check(&j->op->params, j->op->full, ln_buf_view(&raw), also, &args, err);
    opts.args = ln_buf_view(&args);
    ok = ok && (w->ask = lnC_ask_new(&opts, done, w, err));
  }
  ln_buf_free(&raw);
  ln_buf_free(&args);
  return ok;
}

/* --- look --- */

typedef struct names_job {
  ln_str had, more;
  ln_buf *out;
} names_job;

/* Of two roles the one that is guarded more. */
static int gravity(lua_State *L, int idx) {
  static const char *const roles[] = {"unknown", "workstation", "server", "domain_controller"};
  const char *role = lua_type(L, idx) == LUA_TSTRING ? lua_tostring(L, idx) : "";
  for (int i = 0; i < 4; i++)
    if (strcmp(role, roles[i]) == 0) return i;
  return -1;
}

/* Lists are joined; other members of `more` win, but a true stays true, and a server a server. */
static int l_join(lua_State *L) {
  names_job *j = lua_touserdata(L, 1);
  lnC_push(L, j->had);
  lnC_push(L, j->more);                                  /* job had more */
  if (!lua_istable(L, 3)) return 0;
  if (!lua_istable(L, 2)) {
    lua_newtable(L);
    lua_replace(L, 2);
  }
  for (lua_pushnil(L); lua_next(L, 3); lua_pop(L, 1)) {  /* job had more key value */
    lua_pushvalue(L, 4);
    int type = lua_gettable(L, 2);                       /* job had more key value old */
    if (type == LUA_TTABLE && lua_istable(L, 5)) {
      lua_Integer n = luaL_len(L, 6), m = luaL_len(L, 5);
      for (lua_Integer i = 1; i <= m; i++) {
        lua_geti(L, 5, i);
        lua_seti(L, 6, n + i);
      }
    } else if ((!lua_toboolean(L, 6) || !lua_isboolean(L, 6)) && gravity(L, 6) <= gravity(L, 5)) {
      lua_pushvalue(L, 4);
      lua_pushvalue(L, 5);
      lua_settable(L, 2);
    }
    lua_settop(L, 5);
  }
  lua_settop(L, 2);
  lnC_encode(L, 2, j->out, "resolve.names");
  return 0;
}

static bool join_names(lnC_work *w, ln_str more, ln_err *err) {
  ln_buf both;
  ln_buf_init(&both, 1 << 20);
  names_job j = {.had = ln_buf_view(&w->look->names), .more = more, .out = &both};
  bool ok = lnC_run(w->o->c->engine, l_join, &j, w->o->full, err, NULL);
  if (ok && both.n) {
    ln_buf_free(&w->look->names);
    w->look->names = both;
    w->look->resolved = true;
  } else {
    ln_buf_free(&both);
  }
  return ok;
}

static void step(lnC_work *w);
static void settled_state(lnC_work *w);

static void not_so(lnC_work *w) {
  lnC_look *l = w->look;
  ln_str none = {NULL, 0};
  if (l->why == AFTER_REFUSAL) ln_write_sent(w->e, LN_DID_NOT, none, &l->refusal);
  else if (l->why == AFTER_FAILURE) ln_write_followed(w->e, LN_DID_NOT, none, &l->refusal, 0);
  else ln_write_probed(w->e, LN_DID_NOT, none, &l->refusal);
}

static void looked_err(lnC_work *w, const ln_err *err) {
  if (w->look->why == TO_LOOK) ln_write_looked(w->e, NULL, err);
  else if (w->look->why == TO_PROBE) ln_write_probed(w->e, LN_UNKNOWN, (ln_str){NULL, 0}, err);
  else not_so(w);
}

/* names(value, args) of the part at hand. */
static bool take_names(lnC_work *w, ln_str value, ln_err *err) {
  lnC_value v = {0};
  ln_str values[] = {value, ln_effect_args(w->e)};
  ln_buf_init(&v.out, 1 << 20);
  bool ok = lnC_call(w->o, "resolve", w->look->nth, "names", values, 2, NULL, &v, err) &&
            (v.nothing || join_names(w, ln_buf_view(&v.out), err));
  ln_buf_free(&v.out);
  return ok;
}

/* of(value, args) of the part at hand: the live state, where it knows one. */
static bool take_state(lnC_work *w, ln_str value, ln_err *err) {
  lnC_value v = {0};
  ln_vitem item;
  ln_str values[] = {value, ln_effect_args(w->e)};
  ln_buf_init(&v.out, 1 << 20);
  bool ok = lnC_call(w->o, "state", w->look->nth, "of", values, 2, NULL, &v, err);
  ln_str said = ln_buf_view(&v.out);
  if (ok && !v.nothing && (!ln_v_read(&said, &item) || item.tag != 'S'))
    ok = ln_fail(err, "failed", LN_FINAL, "%s: state.of must return a text", w->o->full);
  else if (ok && !v.nothing) {
    ln_buf_cut(&w->look->before, 0);
    ln_buf_cut(&w->look->looked, 0);
    ok = (ln_buf_add(&w->look->before, item.s) && ln_buf_add(&w->look->looked, value)) || no_memory(err);
  }
  ln_buf_free(&v.out);
  return ok;
}

static void on_part(void *arg, const lnC_end *end) {
  lnC_work *w = arg;
  ln_err err = end->err;
  w->ask = NULL;
  bool ok = end->good &&
            (w->look->stage == RESOLVING ? take_names(w, end->value, &err) : take_state(w, end->value, &err));
  if (!ok) {
    looked_err(w, &err);
    return;
  }
  w->look->nth++;
  step(w);
}

/* --- what look answers with --- */

/* The planned value without what is not known, as the answer of a write that was not needed, or was done
** already. */
static bool known_part(ln_str planned, bool unchanged, ln_buf *out, ln_err *err) {
  ln_vitem o, v;
  ln_str rest = planned, key;
  size_t n = 0;
  bool object = ln_v_read(&rest, &o) && o.tag == 'O', put = false;
  for (int pass = 0; pass < 2; pass++) {
    size_t mark = pass ? ln_v_begin(out, 'O', n + (unchanged ? 1 : 0)) : 0;
    rest = object ? o.body : (ln_str){NULL, 0};
    for (size_t i = 0; object && i < o.count; i++) {
      if (!ln_v_read_key(&rest, &key) || !ln_v_read(&rest, &v)) break;
      if (lnC_has_opaque(v.whole) || ln_str_eq(key, LN_STR("planned")) || ln_str_eq(key, LN_STR("unchanged")))
        continue;
      n += pass == 0;
      if (!pass) continue;
      if (unchanged && !put && ln_str_cmp(key, LN_STR("unchanged")) > 0) {
        ln_v_key(out, LN_STR("unchanged"));
        put = ln_v_bool(out, true);
      }
      ln_v_key(out, key);
      ln_v_raw(out, v.whole);
    }
    if (pass && unchanged && !put) {
      ln_v_key(out, LN_STR("unchanged"));
      ln_v_bool(out, true);
    }
    if (pass) ln_v_end(out, mark);
  }
  return ln_buf_ok(out, err);
}

/* What is told of a state that is as it was to be: state.unchanged(value, args), or what is known beforehand.
** `unchanged`: it was so before us. */
static bool state_value(lnC_work *w, bool unchanged, ln_buf *out, ln_err *err) {
  lnC_value v = {0};
  ln_str values[] = {ln_buf_view(&w->look->looked), ln_effect_args(w->e)}, planned;
  ln_buf_init(&v.out, VALUE_MAX);
  bool ok = lnC_call(w->o, "state", w->look->decided, "unchanged", values, 2, NULL, &v, err);
  if (ok && v.nothing) ok = planned_of(w, &planned, err) && known_part(planned, unchanged, out, err);
  else if (ok && unchanged) ok = ln_buf_add(out, ln_buf_view(&v.out)) || no_memory(err);
  else if (ok) ok = known_part(ln_buf_view(&v.out), false, out, err);
  ln_buf_free(&v.out);
  return ok;
}

/* What is kept for taking it back: { args, op }, or, where that needs the result, { args, before, of }: see
** ln_connectors_undo.  A function that fails without a result wanted one. */
static bool undo_value(lnC_work *w, ln_buf *out, ln_err *err) {
  lnC_value v = {0};
  ln_err why;
  ln_buf before;
  ln_buf_init(&before, 8192);
  ln_buf_init(&v.out, VALUE_MAX);
  ln_v_str(&before, ln_buf_view(&w->look->before));
  ln_str values[] = {
      ln_effect_args(w->e), w->look->before.n ? ln_buf_view(&before) : (ln_str){NULL, 0}, {NULL, 0}};
  bool now = lnC_call(w->o, "", 0, "undo", values, 3, NULL, &v, &why), ok = true;
  if (now && !v.nothing) {
    ok = ln_buf_add(out, ln_buf_view(&v.out));
  } else if (!now) {
    size_t mark = ln_v_begin(out, 'O', 3);
    ln_v_key(out, LN_STR("args"));
    ln_v_raw(out, values[0]);
    ln_v_key(out, LN_STR("before"));
    ln_v_raw(out, ln_buf_view(&before));
    ln_v_key(out, LN_STR("of"));
    ln_v_str(out, ln_str_of(w->o->full));
    ok = ln_v_end(out, mark);
  }
  ln_buf_free(&before);
  ln_buf_free(&v.out);
  return ok || no_memory(err);
}

static void looked(lnC_work *w) {
  lnC_look *l = w->look;
  ln_buf undo, unchanged;
  ln_err err;
  ln_str to = {NULL, 0};
  ln_buf_init(&undo, VALUE_MAX);
  ln_buf_init(&unchanged, VALUE_MAX);
  bool ok = text_of(w, "to", &to, &err) && undo_value(w, &undo, &err);
  if (ok && to.n && ln_str_eq(to, ln_buf_view(&l->before))) ok = state_value(w, true, &unchanged, &err);
  ln_look out = {.before = ln_buf_view(&l->before), .resolved = l->resolved, .names = ln_buf_view(&l->names),
                 .endpoints = w->o->c->n_endpoints, .undo = ln_buf_view(&undo),
                 .unchanged = ln_buf_view(&unchanged)};
  if (ok) ln_write_looked(w->e, &out, NULL);
  else ln_write_looked(w->e, NULL, &err);
  ln_buf_free(&undo);
  ln_buf_free(&unchanged);
}

/* A vendor that does not answer leaves the number as it was; nothing at all is no limit. */
static void on_counted(void *arg, const lnC_end *end) {
  lnC_work *w = arg;
  lnC_connector *c = w->o->c;
  ln_str said = end->value;
  ln_vitem n;
  w->ask = NULL;
  bool told = end->good && ln_v_read(&said, &n) && n.tag == 'I';
  if (told) c->n_endpoints = n.i;
  else ln_log(LN_WARN, "guards.share", "connector=%s code=%s", c->name, end->err.code);
  c->count_after_ms = ln_now_ms(c->engine->loop->clock) + (told ? COUNTED_FOR_MS : NOT_COUNTED_FOR_MS);
  looked(w);
}

static bool acts_on_endpoint(const lnC_work *w) {
  ln_str entity;
  ln_err err;
  return ln_effect_op(w->e)->move != LN_NOTE && text_of(w, "entity", &entity, &err) &&
         ln_str_find(entity, LN_STR(":host:")) > 0;
}

/* Asked once an hour, where the site has a share of the endpoints as a limit, before a write that acts on
** one. */
static bool count_endpoints(lnC_work *w) {
  lnC_connector *c = w->o->c;
  ln_err err;
  ln_buf none;
  bool fresh = ln_now_ms(c->engine->loop->clock) < c->count_after_ms;
  if (!c->endpoints || c->engine->config->share <= 0 || fresh || !acts_on_endpoint(w)) return false;
  ln_buf_init(&none, 64);
  ln_v_end(&none, ln_v_begin(&none, 'O', 0));
  lnC_ask_opts opts = {.o = c->endpoints, .args = ln_buf_view(&none),
                       .ctx = {.tag = ln_effect_tag(w->e), .trace = ln_effect_trace(w->e)},
                       .patience_ms = COUNT_PATIENCE_MS};
  w->ask = lnC_ask_new(&opts, on_counted, w, &err);
  ln_buf_free(&none);
  return w->ask != NULL;
}

/* A part without a read: its names are known from the arguments. */
static bool skip_part(lnC_work *w, ln_err *err) {
  bool ok = w->look->stage != RESOLVING || take_names(w, (ln_str){NULL, 0}, err);
  w->look->nth++;
  return ok;
}

/* The state's parts are done with. */
static void state_read(lnC_work *w) {
  lnC_look *l = w->look;
  l->decided = l->nth > 1 ? l->nth - 1 : 1;              /* the one that knew */
  if (l->why != TO_LOOK) {
    settled_state(w);
    return;
  }
  l->stage = RESOLVING;
  l->nth = 1;
  step(w);
}

/* Goes on with the part at hand; one of the state's has said enough when it knows a state. */
static void step(lnC_work *w) {
  lnC_look *l = w->look;
  ln_err err;
  bool asked = false;
  part_job j = {
      .part = l->stage == RESOLVING ? "resolve" : "state", .nth = l->nth, .first = ln_effect_args(w->e)};
  bool enough = l->stage == READING_STATE && l->before.n > 0;
  if (!enough && !ask_part(w, &j, on_part, &asked, &err)) looked_err(w, &err);
  else if (asked) return;
  else if (!enough && l->nth <= j.count) {
    if (skip_part(w, &err)) step(w);
    else looked_err(w, &err);
  } else if (l->stage == READING_STATE) state_read(w);
  else if (!count_endpoints(w)) looked(w);
}

static void begin_look(lnC_work *w, reason why) {
  lnC_look *l = w->look;
  l->stage = READING_STATE;
  l->nth = 1;
  l->why = why;
  l->resolved = false;
  ln_buf_cut(&l->names, 0);
  ln_buf_cut(&l->before, 0);
  ln_buf_cut(&l->looked, 0);
  step(w);
}

static void look(ln_effect *e) {
  lnC_work *w = lnC_work_of(e);
  ln_err err;
  if (!w || !look_of(w)) {
    no_memory(&err);
    ln_write_looked(e, NULL, &err);
  } else if (lnC_has_opaque(ln_effect_args(e))) {            /* in a plan: there is nobody yet to look at */
    ln_look nobody = {.resolved = false};
    ln_write_looked(e, &nobody, NULL);
  } else {
    begin_look(w, TO_LOOK);
  }
}

/* --- send --- */

static ln_outcome outcome_of(const lnC_end *end) {
  if (!end->good) return end->acted == LN_ACTED_NOT ? LN_DID_NOT : LN_UNKNOWN;
  return end->accepted ? LN_ACCEPTED : end->unchanged ? LN_DID_UNCHANGED : LN_DID;
}

/* Was it done all the same?  Who sends a thing twice (an earlier attempt, a proxy) is refused the second
** time: it is there already, or gone.  What was refused before it was sent, one of its first reads, says
** nothing of that. */
static bool may_be_done(const lnC_work *w, const ln_err *err) {
  int status = err->status;
  bool answered = status >= 200 && status < 500 && status != 401 && status != 403 && status != 429;
  return w->went && w->look && w->o->states && answered;
}

static void on_sent(void *arg, const lnC_end *end) {
  lnC_work *w = arg;
  ln_outcome o = outcome_of(end);
  w->ask = NULL;
  if (o == LN_DID_NOT && may_be_done(w, &end->err)) {
    w->look->refusal = end->err;
    begin_look(w, AFTER_REFUSAL);
  } else {
    ln_write_sent(w->e, o, end->value, end->good ? NULL : &end->err);
  }
}

static void on_turn(void *arg, bool come) {
  lnC_work *w = arg;
  w->went = false;
  if (come) ln_write_placed(w->e);
  else ln_write_put_off(w->e);
}

static void place(ln_effect *e) {
  lnC_work *w = lnC_work_of(e);
  ln_err err;
  if (w) {
    w->went = false;
    lnC_ask_opts opts = {.o = w->o, .args = ln_effect_args(e), .ctx = ctx_of(w), .deed = true, .apart = true,
                         .patience_ms = ln_effect_timeout_ms(e), .raw = e, .turn = on_turn};
    if ((w->ask = lnC_ask_new(&opts, on_sent, w, &err))) return;
  } else {
    no_memory(&err);
  }
  ln_write_sent(e, LN_DID_NOT, (ln_str){NULL, 0}, &err);
}

static void send(ln_effect *e) {
  lnC_work *w = lnC_work_of(e);
  if (!w || !w->ask) return;
  w->went = true;
  lnC_ask_go(w->ask);
}

/* --- probe --- */

static void did(lnC_work *w, ln_str value) {
  if (w->look->why == AFTER_REFUSAL) ln_write_sent(w->e, LN_DID, value, NULL);
  else if (w->look->why == AFTER_FAILURE) ln_write_followed(w->e, LN_DID, value, NULL, 0);
  else ln_write_probed(w->e, LN_DID, value, NULL);
}

/* The live state is not the one wanted.  After a refusal, or a bad end, that is the answer.  A write that
** was perhaps sent did not happen only if all is as it was before it: a third state is somebody else's doing,
** and may hide that ours came first. */
static void not_wanted(lnC_work *w) {
  ln_str before = ln_effect_before(w->e);
  ln_err err;
  if (w->look->why != TO_PROBE || (before.n && ln_str_eq(before, ln_buf_view(&w->look->before)))) {
    not_so(w);
    return;
  }
  ln_fail(&err, "failed", LN_FINAL, "%s: it is \"%.*s\" now, neither what it was nor what it was to be",
          w->o->full, LN_STR_ARG(ln_buf_view(&w->look->before)));
  ln_write_probed(w->e, LN_UNKNOWN, (ln_str){NULL, 0}, &err);
}

/* The live state was read: it is the one that was wanted, or another, or nobody knows. */
static void settled_state(lnC_work *w) {
  ln_buf value;
  ln_err err;
  ln_str to = {NULL, 0};
  ln_buf_init(&value, VALUE_MAX);
  bool ok = text_of(w, "to", &to, &err);
  if (ok && !w->look->before.n)
    ok = ln_fail(&err, "failed", LN_FINAL, "%s: its state cannot be told", w->o->full);
  if (ok && !ln_str_eq(to, ln_buf_view(&w->look->before))) not_wanted(w);
  else if (ok && state_value(w, false, &value, &err)) did(w, ln_buf_view(&value));
  else looked_err(w, &err);
  ln_buf_free(&value);
}

/* The vendor shows no trace of this write; where there is a state, it has the last word. */
static void not_there(lnC_work *w) {
  w->look->why = TO_PROBE;
  ln_fail(&w->look->refusal, "failed", LN_FINAL, "%s: the vendor shows no trace of it", w->o->full);
  if (w->o->states) begin_look(w, TO_PROBE);
  else not_so(w);
}

static void probed(lnC_work *w, ln_str value) {
  lnC_value v = {0};
  ln_err err;
  lnC_ctx ctx = ctx_of(w);
  ln_str values[] = {value, ln_effect_args(w->e)};
  ln_buf_init(&v.out, VALUE_MAX);
  bool ok = lnC_call(w->o, "probe", 0, "found", values, 2, &ctx, &v, &err);
  if (ok && v.no)
    ok = ln_fail(&err, "failed", LN_FINAL, "%s: the vendor cannot tell whether it happened", w->o->full);
  if (!ok) ln_write_probed(w->e, LN_UNKNOWN, (ln_str){NULL, 0}, &err);
  else if (v.nothing) not_there(w);
  else ln_write_probed(w->e, w->o->follow ? LN_ACCEPTED : LN_DID, ln_buf_view(&v.out), NULL);
  ln_buf_free(&v.out);
}

static void on_probe(void *arg, const lnC_end *end) {
  lnC_work *w = arg;
  w->ask = NULL;
  if (end->good) probed(w, end->value);
  else ln_write_probed(w->e, LN_UNKNOWN, (ln_str){NULL, 0}, &end->err);
}

static void probe(ln_effect *e, int64_t since_ms) {
  lnC_work *w = lnC_work_of(e);
  ln_err err;
  bool asked = false;
  part_job j = {.part = "probe", .nth = 1, .first = ln_effect_args(e)};
  bool ok = w && look_of(w) ? true : no_memory(&err);
  if (ok) {
    w->look->sent_ms = since_ms;
    ok = ask_part(w, &j, on_probe, &asked, &err);
  }
  if (!ok) ln_write_probed(e, LN_UNKNOWN, (ln_str){NULL, 0}, &err);
  else if (asked) return;
  else if (j.count) probed(w, (ln_str){NULL, 0});        /* a probe without a read */
  else {
    ln_fail(&w->look->refusal, "failed", LN_FINAL, "%s: the state is not the one wanted", w->o->full);
    begin_look(w, TO_PROBE);
  }
}

/* --- follow --- */

static int64_t pace_of(const lnC_operation *o) {
  return o->c->site && o->c->site->pace > 0 ? o->c->site->pace : 1;
}

/* Not at its end: it runs, or waits for somebody; `why` says more, where it is known. */
static void look_again(lnC_work *w, bool pending, const char *why) {
  lnC_look *l = w->look;
  int64_t now = ln_now_ms(w->o->c->engine->loop->clock), again = lnC_follow_ms(w->o, l->follows++);
  ln_err err;
  ln_fail(&err, "pending", LN_AGAIN, "%s", why && why[0] ? why : pending ? "it waits" : "it still runs");
  if (w->o->within_ms && now - l->follow_since > w->o->within_ms / pace_of(w->o)) pending = true;
  ln_write_followed(w->e, pending ? LN_UNKNOWN : LN_ACCEPTED, (ln_str){NULL, 0}, &err, again);
}

static void followed_to_end(lnC_work *w, ln_str value) {
  lnC_value v = {0};
  lnC_ctx ctx = ctx_of(w);
  ln_err err;
  ln_buf_init(&v.out, VALUE_MAX);
  bool ok = lnC_result_of(w->o, value, ln_effect_args(w->e), &ctx, &v, &err);
  if (ok) ln_write_followed(w->e, v.unchanged ? LN_DID_UNCHANGED : LN_DID, ln_buf_view(&v.out), NULL, 0);
  else if (v.declared) ln_write_followed(w->e, LN_DID_NOT, (ln_str){NULL, 0}, &err, 0);
  else ln_write_followed(w->e, LN_DID, value, NULL, 0);  /* it is done; only its shaping went wrong */
  ln_buf_free(&v.out);
}

static void take_follow(lnC_work *w, const lnC_value *v, ln_str value) {
  ln_str said = ln_buf_view(&v->out), word = {NULL, 0};
  ln_vitem item;
  if (ln_v_read(&said, &item) && item.tag == 'S') word = item.s;
  if (ln_str_eq(word, LN_STR("done"))) {
    followed_to_end(w, value);
  } else if (ln_str_eq(word, LN_STR("failed"))) {
    ln_fail(&w->look->refusal, "failed", LN_FINAL, "%s", v->why[0] ? v->why : "it ended badly");
    if (w->o->states) begin_look(w, AFTER_FAILURE);
    else ln_write_followed(w->e, LN_DID_NOT, (ln_str){NULL, 0}, &w->look->refusal, 0);
  } else {
    look_again(w, ln_str_eq(word, LN_STR("pending")), v->why);
  }
}

static void on_follow(void *arg, const lnC_end *end) {
  lnC_work *w = arg;
  ln_err err = end->err;
  lnC_value v = {0};
  w->ask = NULL;
  ln_buf_init(&v.out, VALUE_MAX);
  lnC_ctx ctx = ctx_of(w);
  ln_str values[] = {end->value, ln_effect_args(w->e), ln_buf_view(&w->look->handle)};
  bool ok = end->good && lnC_call(w->o, "follow", 0, "of", values, 3, &ctx, &v, &err);
  if (ok) {
    w->look->troubles = 0;
    take_follow(w, &v, end->value);
  } else {                                               /* it goes on, whether we can see it or not */
    look_again(w, ++w->look->troubles >= TROUBLES, err.message);
  }
  ln_buf_free(&v.out);
}

static void follow(ln_effect *e, ln_str handle) {
  lnC_work *w = lnC_work_of(e);
  ln_err err;
  bool asked = false, ok = w && look_of(w) ? true : no_memory(&err);
  part_job j = {.part = "follow", .nth = 1, .first = handle, .second = ln_effect_args(e)};
  if (ok) {
    if (!w->look->follow_since) w->look->follow_since = ln_now_ms(w->o->c->engine->loop->clock);
    ln_buf_cut(&w->look->handle, 0);
    ln_buf_add(&w->look->handle, handle);
    ok = lnC_settings(w->o->c, &err) && ask_part(w, &j, on_follow, &asked, &err);
  }
  if (!ok) ln_write_followed(e, LN_UNKNOWN, (ln_str){NULL, 0}, &err, 60000);
}

/* --- what takes it back --- */

/* By the version of the connector that the run has.  A function that cannot tell now is asked again when
** somebody wants it back: what was kept stays. */
static void undo(ln_effect *e, ln_str kept, ln_str result, ln_buf *out) {
  const lnC_operation *o = ln_effect_op(e)->data;
  ln_err err;
  bool own = ln_str_eq(ln_v_get_str(kept, "of"), ln_str_of(o->full));
  if (own ? lnC_undo(o, kept, result, out, &err)
          : ln_connectors_undo(ln_effect_engine(e), kept, result, out, &err))
    return;
  if (ln_err_is(&err, "not_found")) return;
  ln_buf_cut(out, 0);
  ln_buf_add(out, kept);
}

const ln_write_ops lnC_write_ops[2][2] = {               /* [can be probed][is followed] */
    {{describe, look, place, send, NULL, NULL, undo}, {describe, look, place, send, NULL, follow, undo}},
    {{describe, look, place, send, probe, NULL, undo}, {describe, look, place, send, probe, follow, undo}}};
