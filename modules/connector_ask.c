/* connector_ask.c: one operation carried out, outside of any VM: what must come first, the request, its
** pages, and, where the vendor answers with a handle, the looks at what goes on behind it.  A read of a
** playbook is such an ask, and so is every read that a write needs (who is it, how is it now, did it
** happen).  Asks may contain asks.
**
** An ask begins from the top of the loop, calls done once from there, and is then gone; a dropped one calls
** nobody. A deed, the one send of a write, ends with the vendor's answer: what is followed is the engine's
** business. */
#include "modules/connector_parts.h"

#include "engine/opaque.h"
#include "modules/keep.h"

#include <stdio.h>
#include <stdlib.h>

enum {
  VALUE_MAX = 64 << 20,
  PAGES = 1000,
  ITEMS = 1000,
  ITEMS_MOST = 100000,
  DEPTH = 6,
  TROUBLES = 5,
  REDOS = 4,
  HEAD = 16
};
static const int64_t FOLLOW_WITHIN_MS = 600000;

struct lnC_ask {
  const lnC_operation *o;
  ln_buf args, tag, trace, before, looked, first, next, handle;
  int64_t since_ms, lease_ms, patience_ms, deadline;     /* deadline: on the loop's steady clock; 0: none */
  bool deed, apart, one_page;
  int depth;
  ln_effect *raw;
  void (*done)(void *arg, const lnC_end *end);
  void (*turn)(void *arg, bool come);
  void *arg;
  ln_timer timer;
  lnC_request request;
  ln_calling *calling;
  lnC_ask *sub;                                          /* what is asked before, or looked at */
  ln_keeping *keeping;                                   /* a blob on its way into the store */
  char head[HEAD];                                       /* its first bytes */
  size_t head_n;
  int answer;                                            /* the host's reference */
  ln_str *firsts;                                        /* names of what comes first, sorted */
  size_t n_firsts, at_first;
  ln_buf items;
  size_t n_items, limit;
  uint64_t *seen;                                        /* of each `next` so far */
  size_t pages, looks, troubles, redos;
  bool redo;                                             /* what came first is to be asked anew */
  int64_t follow_since;
};

static int64_t steady(const lnC_ask *a) { return ln_mono_us(a->o->c->engine->loop->clock) / 1000; }

static lnC_ctx ctx_of(const lnC_ask *a) {
  return (lnC_ctx){.tag = ln_buf_view(&a->tag),
                   .before = ln_buf_view(&a->before),
                   .looked = ln_buf_view(&a->looked),
                   .first = ln_buf_view(&a->first),
                   .since_ms = a->since_ms,
                   .lease_ms = a->lease_ms};
}

/* --- the end --- */

static void free_ask(lnC_ask *a) {
  ln_buf *bufs[] = {&a->args, &a->tag,  &a->trace,  &a->before, &a->looked,
                    &a->first, &a->next, &a->handle, &a->items};
  if (a->calling) ln_vendor_drop(a->calling);
  if (a->sub) free_ask(a->sub);
  if (a->keeping) ln_keep_forget(a->keeping);
  a->o->c->engine->loop->cancel(a->o->c->engine->loop, &a->timer);
  lnC_unref(a->o->c, &a->answer);
  lnC_request_free(a->o->c->engine, &a->request);
  for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) ln_buf_wipe(bufs[i]);
  free(a->firsts);
  free(a->seen);
  free(a);
}

static void finish(lnC_ask *a, lnC_end *end) {
  if (!end->good) {
    if (!end->err.op[0]) snprintf(end->err.op, sizeof end->err.op, "%s", a->o->full);
    if (!end->err.vendor[0]) snprintf(end->err.vendor, sizeof end->err.vendor, "%s", a->o->c->name);
  }
  void (*done)(void *, const lnC_end *) = a->done;
  void *arg = a->arg;
  done(arg, end);
  free_ask(a);
}

static void fail_as(lnC_ask *a, const ln_err *err, ln_acted acted) {
  lnC_end end = {.good = false, .acted = acted, .err = *err};
  finish(a, &end);
}

/* --- blobs: the bytes of a binary answer --- */

static void shape_result(lnC_ask *a, ln_str blob, ln_str head);

static void blob_kept(void *arg, ln_str handle, const ln_err *err) {
  lnC_ask *a = arg;
  a->keeping = NULL;
  if (err) fail_as(a, err, LN_ACTED_YES);
  else shape_result(a, handle, (ln_str){a->head, a->head_n});
}

static void store_blob(lnC_ask *a, ln_str body) {
  ln_err err;
  ln_str name = ln_v_get_str(ln_buf_view(&a->args), "name"); /* else the operation's own */
  if (!name.n || name.n > 200) name = ln_str_of(a->o->name);
  a->head_n = body.n < HEAD ? body.n : HEAD;
  memcpy(a->head, body.p ? body.p : "", a->head_n);
  if (!(a->keeping = ln_keep_blob(a->o->c->engine, name, body, blob_kept, a, &err)))
    fail_as(a, &err, LN_ACTED_YES);
}

/* --- values --- */

/* A function of the declaration failed on a good answer.  What it said itself is the operation's error; a
** mistake of its own leaves open what the vendor did. */
static void value_failed(lnC_ask *a, const lnC_value *v, const ln_err *err) {
  lnC_drift_mistake(a->o, v, err);
  fail_as(a, err, v->declared ? LN_ACTED_NOT : LN_ACTED_PERHAPS);
}

static void shape_result(lnC_ask *a, ln_str blob, ln_str head) {
  lnC_value v = {0};
  lnC_ctx ctx = ctx_of(a);
  ln_err err;
  ln_buf_init(&v.out, VALUE_MAX);
  if (lnC_result(a->o, a->answer, ln_buf_view(&a->args), &ctx, blob, head, &v, &err)) {
    lnC_end end = {
        .good = true, .acted = LN_ACTED_YES, .unchanged = v.unchanged, .value = ln_buf_view(&v.out)};
    finish(a, &end);
  } else {
    value_failed(a, &v, &err);
  }
  ln_buf_free(&v.out);
}

/* --- following --- */

int64_t lnC_follow_ms(const lnC_operation *o, size_t n) {
  double s = o->every[n < o->n_every ? n : o->n_every - 1];
  int64_t pace = o->c->site && o->c->site->pace > 0 ? o->c->site->pace : 1;
  int64_t ms = (int64_t)(s * 1000) / pace;
  return ms > 0 ? ms : 1;
}

static void look_later(lnC_ask *a);
static void look_now(lnC_ask *a);

static void ended(lnC_ask *a, ln_str value) {
  lnC_value v = {0};
  lnC_ctx ctx = ctx_of(a);
  ln_err err;
  ln_buf_init(&v.out, VALUE_MAX);
  if (lnC_result_of(a->o, value, ln_buf_view(&a->args), &ctx, &v, &err)) {
    lnC_end end = {.good = true, .acted = LN_ACTED_YES, .value = ln_buf_view(&v.out)};
    finish(a, &end);
  } else {
    value_failed(a, &v, &err);
  }
  ln_buf_free(&v.out);
}

static void on_look(void *arg, const lnC_end *end) {
  lnC_ask *a = arg;
  a->sub = NULL;
  if (!end->good) {
    if (end->err.retry == LN_AGAIN && ++a->troubles < TROUBLES) look_later(a);
    else fail_as(a, &end->err, LN_ACTED_PERHAPS);
    return;
  }
  a->troubles = 0;
  lnC_value v = {0};
  lnC_ctx ctx = ctx_of(a);
  ln_err err;
  ln_str values[] = {end->value, ln_buf_view(&a->args), ln_buf_view(&a->handle)};
  ln_buf_init(&v.out, VALUE_MAX);
  bool ok = lnC_call(a->o, "follow", 0, "of", values, 3, &ctx, &v, &err);
  ln_str said = ln_buf_view(&v.out), word = {NULL, 0};
  ln_vitem item;
  if (ok && ln_v_read(&said, &item) && item.tag == 'S') word = item.s;
  if (!ok) fail_as(a, &err, LN_ACTED_PERHAPS);
  else if (ln_str_eq(word, LN_STR("done"))) ended(a, end->value);
  else if (ln_str_eq(word, LN_STR("failed"))) {
    ln_fail(&err, "failed", LN_FINAL, "%s", v.why[0] ? v.why : "it ended badly");
    fail_as(a, &err, LN_ACTED_YES);
  } else look_later(a);
  ln_buf_free(&v.out);
}

static bool sub_ask(lnC_ask *a, const lnC_operation *o, ln_str args, void (*done)(void *, const lnC_end *),
                    ln_err *err) {
  int64_t left = a->deadline ? a->deadline - steady(a) : 0;
  lnC_ask_opts opts = {.o = o, .args = args, .depth = a->depth + 1, .apart = a->apart,
                       .ctx = {.tag = ln_buf_view(&a->tag), .trace = ln_buf_view(&a->trace)},
                       .patience_ms = a->deadline && left < 1 ? 1 : left};
  if (a->depth >= DEPTH)
    return ln_fail(err, "failed", LN_FINAL, "%s: its reads call each other too deep", a->o->full);
  a->sub = lnC_ask_new(&opts, done, a, err);
  return a->sub != NULL;
}

/* Checks what an `args` function returned against the operation that gets it. */
static bool checked(const lnC_operation *o, ln_str args, ln_buf *out, ln_err *err) {
  static const char *const also[] = {"limit", "all", NULL};
  return ln_params_check(&o->params, o->full, args, also, out, err);
}

static bool look_args(lnC_ask *a, ln_buf *out, ln_err *err) {
  lnC_value v = {0};
  lnC_ctx ctx = ctx_of(a);
  ln_str values[] = {ln_buf_view(&a->handle), ln_buf_view(&a->args)};
  ln_buf_init(&v.out, VALUE_MAX);
  bool ok = lnC_call(a->o, "follow", 0, "args", values, 2, &ctx, &v, err) &&
            checked(a->o->follow, ln_buf_view(&v.out), out, err);
  ln_buf_free(&v.out);
  return ok;
}

static void look_now(lnC_ask *a) {
  ln_buf args;
  ln_err err;
  ln_buf_init(&args, VALUE_MAX);
  bool ok = look_args(a, &args, &err) && sub_ask(a, a->o->follow, ln_buf_view(&args), on_look, &err);
  ln_buf_free(&args);
  if (!ok) fail_as(a, &err, LN_ACTED_PERHAPS);
}

static void look_later(lnC_ask *a) {
  int64_t within = a->o->within_ms ? a->o->within_ms : FOLLOW_WITHIN_MS,
          pause = lnC_follow_ms(a->o, a->looks++);
  int64_t pace = a->o->c->site && a->o->c->site->pace > 0 ? a->o->c->site->pace : 1;
  ln_err err;
  ln_loop *l = a->o->c->engine->loop;
  if (steady(a) - a->follow_since > within / pace || (a->deadline && steady(a) + pause > a->deadline)) {
    ln_fail(&err, "timeout", LN_AGAIN, "no end after %lld s",
            (long long)((steady(a) - a->follow_since) / 1000));
    fail_as(a, &err, LN_ACTED_PERHAPS);
  } else if (!l->timer(l, &a->timer, pause)) {
    ln_fail(&err, "memory", LN_AGAIN, "no memory for a timer");
    fail_as(a, &err, LN_ACTED_PERHAPS);
  }
}

/* The answer named a handle: a deed ends here, a read looks on. */
static void take_handle(lnC_ask *a) {
  lnC_value v = {0};
  ln_err err;
  ln_buf_init(&v.out, VALUE_MAX);
  bool ok = lnC_handle(a->o, a->answer, ln_buf_view(&a->args), &v, &err);
  if (!ok) {
    value_failed(a, &v, &err);
  } else if (v.nothing) {                                /* it was done at once */
    shape_result(a, (ln_str){NULL, 0}, (ln_str){NULL, 0});
  } else if (a->deed) {
    lnC_end end = {.good = true, .acted = LN_ACTED_YES, .accepted = true, .value = ln_buf_view(&v.out)};
    finish(a, &end);
  } else {
    ln_buf_add(&a->handle, ln_buf_view(&v.out));
    a->follow_since = steady(a);
    look_later(a);
  }
  ln_buf_free(&v.out);
}

/* --- pages --- */

static void send(lnC_ask *a);

static void finish_list(lnC_ask *a) {
  lnC_end end = {.good = true, .acted = LN_ACTED_YES};
  ln_buf out;
  ln_err err;
  ln_buf_init(&out, (size_t)VALUE_MAX + 64);
  size_t object = 0;
  if (a->one_page) {
    object = ln_v_begin(&out, 'O', a->next.n ? 2 : 1);
    ln_v_key(&out, LN_STR("items"));
  }
  size_t mark = ln_v_begin(&out, 'A', a->n_items);
  ln_buf_add(&out, ln_buf_view(&a->items));
  ln_v_end(&out, mark);
  if (a->one_page && a->next.n) {
    ln_v_key(&out, LN_STR("next"));
    ln_v_raw(&out, ln_buf_view(&a->next));
  }
  if (a->one_page) ln_v_end(&out, object);
  end.value = ln_buf_view(&out);
  if (ln_buf_ok(&out, &err)) finish(a, &end);
  else fail_as(a, &err, LN_ACTED_YES);
  ln_buf_free(&out);
}

/* Remembers `next`.  False: it was there before, or there are too many pages. */
static bool new_next(lnC_ask *a, ln_str next, ln_err *err) {
  uint8_t sha[LN_SHA256];
  uint64_t mark = 0;
  if (a->pages >= PAGES) return ln_fail(err, "too_many", LN_FINAL, "more than %d pages", PAGES);
  if (!a->seen && !(a->seen = calloc(PAGES, sizeof *a->seen)))
    return ln_fail(err, "memory", LN_AGAIN, "no memory for a list");
  ln_sha256(next, sha);
  memcpy(&mark, sha, sizeof mark);
  for (size_t i = 0; i < a->pages; i++)
    if (a->seen[i] == mark)
      return ln_fail(err, "failed", LN_FINAL, "the vendor's list leads back to a page that was there before");
  a->seen[a->pages++] = mark;
  return true;
}

static void take_page(lnC_ask *a) {
  lnC_value v = {0};
  ln_err err;
  ln_buf_init(&v.out, VALUE_MAX);
  bool ok =
      lnC_page(a->o, a->answer, ln_buf_view(&a->args), a->request.ref, &a->items, &a->n_items, &v, &err);
  ln_buf_cut(&a->next, 0);
  if (ok && !v.nothing) ok = ln_buf_add(&a->next, ln_buf_view(&v.out)) || ln_buf_ok(&a->next, &err);
  ln_buf_free(&v.out);
  if (!ok) lnC_drift_mistake(a->o, &v, &err);
  if (ok && !a->one_page && a->n_items > a->limit)
    ok = ln_fail(&err, "too_many", LN_FINAL, "more than %zu items: narrow it, give `limit`, or use each(…)",
                 a->limit);
  if (ok && a->next.n && !a->one_page) ok = new_next(a, ln_buf_view(&a->next), &err);
  if (!ok) fail_as(a, &err, LN_ACTED_YES);
  else if (a->next.n && !a->one_page) send(a);
  else finish_list(a);
}

/* --- the request and its answer --- */

static void decode(void *arg, const ln_answer *answer, ln_verdict *v, ln_limit_told *told) {
  lnC_ask *a = arg;
  lnC_drift_headers(a->o, answer);
  lnC_judge(a->o->c, a->o, answer, &a->answer, v, told);
  a->redo = a->n_firsts && !v->good && v->own && v->not_executed && v->err.retry == LN_AGAIN;
  if (a->redo) v->err.retry = LN_FINAL;                  /* not the same request again: see on_end */
}

static void next_first(lnC_ask *a);

/* What came first has gone stale, says the operation's own fault: it is asked anew, a few times. */
static void begin_anew(lnC_ask *a) {
  a->at_first = 0;
  ln_buf_cut(&a->first, 0);
  next_first(a);
}

static void on_end(void *arg, const ln_call_end *end) {
  lnC_ask *a = arg;
  a->calling = NULL;
  if (!end->good) {
    if (a->redo && ++a->redos < REDOS) begin_anew(a);
    else fail_as(a, &end->err, end->acted);
    return;
  }
  if (a->raw && !a->o->binary && a->o->secrets.n == 0) ln_effect_raw(a->raw, end->answer->body);
  if (a->o->list) take_page(a);
  else if (a->o->follow) take_handle(a);
  else if (a->o->binary) store_blob(a, end->answer->body);
  else shape_result(a, (ln_str){NULL, 0}, (ln_str){NULL, 0});
}

static void on_turn(void *arg, bool come) {
  lnC_ask *a = arg;
  a->turn(a->arg, come);
}

void lnC_ask_go(lnC_ask *a) {
  if (a->calling) ln_vendor_go(a->calling);
}

static void send(lnC_ask *a) {
  ln_err err = {0};
  ln_vendor *v = lnC_vendor(a->o->c, &err);
  lnC_ctx ctx = ctx_of(a);
  int64_t left = a->deadline ? a->deadline - steady(a) : a->patience_ms;
  if (a->deadline && left <= 0) {
    ln_fail(&err, "timeout", LN_AGAIN, "the time that it was given is over");
    fail_as(a, &err, LN_ACTED_NOT);
    return;
  }
  if (!v || !lnC_request_make(a->o, ln_buf_view(&a->args), &ctx, ln_buf_view(&a->next), &a->request, &err)) {
    fail_as(a, &err, LN_ACTED_NOT);
    return;
  }
  lnC_request *r = &a->request;
  ln_call call = {.method = ln_str_of(r->method),
                  .path = ln_buf_view(&r->path),
                  .headers = r->headers,
                  .n_headers = r->n_headers,
                  .body = ln_buf_view(&r->body),
                  .limit = ln_str_of(a->o->name),
                  .who = ln_buf_view(&a->tag),
                  .trace = ln_buf_view(&a->trace),
                  .write = a->o->write,
                  .apart = a->apart,
                  .timeout_ms = a->o->timeout_ms,
                  .patience_ms = left,
                  .max_response = a->o->c->engine->config->response,
                  .decode = decode,
                  .turn = a->turn ? on_turn : NULL,
                  .done = on_end,
                  .arg = a};
  a->calling = ln_vendor_send(v, &call, &err);
  ln_buf_wipe(&r->body);                                 /* it may hold what is secret, and is on its way */
  ln_buf_init(&r->body, r->body.max);
  if (!a->calling) fail_as(a, &err, LN_ACTED_NOT);
}

/* --- what comes first --- */

typedef struct first_job {
  const lnC_operation *o;
  ln_str *names;
  size_t n;
} first_job;

static int by_text(const void *a, const void *b) {
  return ln_str_cmp(*(const ln_str *)a, *(const ln_str *)b);
}

/* The names are borrowed from the declaration, which lives as long as its connector. */
static int l_firsts(lua_State *L) {
  first_job *j = lua_touserdata(L, 1);
  if (lnC_field(L, j->o, "first") != LUA_TTABLE) return 0;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING || j->n >= 8)
      luaL_error(L, "first must be a table by name, of at most eight");
    ln_str name;
    name.p = lua_tolstring(L, -2, &name.n);
    j->names[j->n++] = name;
  }
  qsort(j->names, j->n, sizeof *j->names, by_text);
  return 0;
}

static bool find_firsts(lnC_ask *a, ln_err *err) {
  first_job j = {.o = a->o, .names = calloc(8, sizeof *j.names)};
  a->firsts = j.names;
  if (!j.names) return ln_fail(err, "memory", LN_AGAIN, "no memory for an ask");
  if (!lnC_run(a->o->c->engine, l_firsts, &j, a->o->full, err, NULL)) return false;
  a->n_firsts = j.n;
  return true;
}

typedef struct part_job {
  const lnC_operation *o;
  ln_str name;
  const lnC_ctx *ctx;
  ln_str args;
  lnC_operation *op;
  ln_buf *out;
} part_job;

/* first.NAME: its op, and what its args function makes of the arguments. */
static int l_first(lua_State *L) {
  part_job *j = lua_touserdata(L, 1);
  lnC_field(L, j->o, "first");                           /* job first */
  lua_pushlstring(L, j->name.p, j->name.n);
  lua_gettable(L, -2);                                   /* job first part */
  lua_getfield(L, 3, "op");
  ln_str op = {NULL, 0};
  if (lua_type(L, -1) == LUA_TSTRING) op.p = lua_tolstring(L, -1, &op.n);
  j->op = op.p ? lnC_find(j->o->c, op) : NULL;
  if (!j->op) return luaL_error(L, "first must name a read");
  lua_getfield(L, 3, "args");
  if (lua_isfunction(L, -1)) {
    lnC_push(L, j->args);
    lnC_push_ctx(L, j->o, j->ctx);
    lua_call(L, 2, 1);
  } else {
    lua_newtable(L);
  }
  lnC_encode(L, -1, j->out, "first");
  return 0;
}

static void on_first(void *arg, const lnC_end *end) {
  lnC_ask *a = arg;
  a->sub = NULL;
  if (!end->good) {
    fail_as(a, &end->err, LN_ACTED_NOT);                 /* the deed itself was not even tried */
    return;
  }
  ln_buf both, one;
  ln_buf_init(&both, VALUE_MAX);
  ln_buf_init(&one, VALUE_MAX);
  size_t mark = ln_v_begin(&one, 'O', 1);
  ln_v_key(&one, a->firsts[a->at_first++]);
  ln_v_raw(&one, end->value);
  ln_v_end(&one, mark);
  bool ok = !ln_buf_failed(&one) && (a->first.n ? ln_v_merge(&both, ln_buf_view(&a->first), ln_buf_view(&one))
                                                : ln_buf_add(&both, ln_buf_view(&one)));
  ln_buf_free(&one);
  ln_buf_free(&a->first);
  a->first = both;
  if (ok) {
    next_first(a);
    return;
  }
  ln_err err;
  ln_fail(&err, "memory", LN_AGAIN, "no memory for what comes first");
  fail_as(a, &err, LN_ACTED_NOT);
}

static void next_first(lnC_ask *a) {
  if (a->at_first == a->n_firsts) {
    send(a);
    return;
  }
  ln_buf raw, args;
  ln_err err;
  lnC_ctx ctx = ctx_of(a);
  ln_buf_init(&raw, VALUE_MAX);
  ln_buf_init(&args, VALUE_MAX);
  part_job j = {
      .o = a->o, .name = a->firsts[a->at_first], .ctx = &ctx, .args = ln_buf_view(&a->args), .out = &raw};
  bool ok = lnC_run(a->o->c->engine, l_first, &j, a->o->full, &err, NULL) &&
            checked(j.op, ln_buf_view(&raw), &args, &err) &&
            sub_ask(a, j.op, ln_buf_view(&args), on_first, &err);
  ln_buf_free(&raw);
  ln_buf_free(&args);
  if (!ok) fail_as(a, &err, LN_ACTED_NOT);
}

/* --- the beginning --- */

static void on_timer(void *arg) {
  lnC_ask *a = arg;
  ln_err err;
  if (a->handle.n) look_now(a);
  else if (!lnC_settings(a->o->c, &err) || !find_firsts(a, &err)) fail_as(a, &err, LN_ACTED_NOT);
  else next_first(a);
}

static bool copy_opts(lnC_ask *a, const lnC_ask_opts *o) {
  struct { ln_buf *to; ln_str from; } parts[] = {
      {&a->args, o->args}, {&a->tag, o->ctx.tag}, {&a->trace, o->ctx.trace},
      {&a->before, o->ctx.before}, {&a->looked, o->ctx.looked},
      {&a->next, o->next}, {&a->first, {NULL, 0}}, {&a->handle, {NULL, 0}}, {&a->items, {NULL, 0}}};
  bool ok = true;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    ln_buf_init(parts[i].to, VALUE_MAX);
    if (parts[i].from.n) ok = ln_buf_add(parts[i].to, parts[i].from) && ok;
  }
  return ok;
}

static size_t limit_of(const lnC_ask_opts *o) {
  int64_t n = ln_v_get_int(o->args, "limit", ITEMS);
  return n < 1 ? 1 : n > ITEMS_MOST ? ITEMS_MOST : (size_t)n;
}

lnC_ask *lnC_ask_new(const lnC_ask_opts *o, void (*done)(void *arg, const lnC_end *end), void *arg,
                     ln_err *err) {
  lnC_ask *a = calloc(1, sizeof *a);
  ln_loop *l = o->o->c->engine->loop;
  if (!a) {
    ln_fail(err, "memory", LN_AGAIN, "no memory for an ask");
    return NULL;
  }
  a->o = o->o;
  a->since_ms = o->ctx.since_ms;
  a->lease_ms = o->ctx.lease_ms;
  a->deed = o->deed;
  a->apart = o->apart;
  a->one_page = o->one_page;
  a->raw = o->raw;
  a->depth = o->depth;
  a->done = done;
  a->turn = o->turn;
  a->arg = arg;
  a->answer = LUA_NOREF;
  a->limit = limit_of(o);
  a->deadline = o->patience_ms > 0 ? ln_mono_us(l->clock) / 1000 + o->patience_ms : 0;
  a->timer = (ln_timer){.loop = l, .fn = on_timer, .arg = a};
  lnC_request_init(&a->request);
  if (copy_opts(a, o) && l->timer(l, &a->timer, 0)) return a;
  free_ask(a);
  ln_fail(err, "memory", LN_AGAIN, "no memory for an ask");
  return NULL;
}

/* --- reads of a playbook --- */

static void free_work(void *arg) {
  lnC_work *w = arg;
  if (w->ask) free_ask(w->ask);
  lnC_look_free(w->look);
  free(w);
}

static void drop_work(ln_effect *e) {
  lnC_work *w = ln_effect_work(e);
  if (w && w->ask) free_ask(w->ask);
  if (w) w->ask = NULL;
}

lnC_work *lnC_work_of(ln_effect *e) {
  lnC_work *w = ln_effect_work(e);
  if (w) return w;
  if (!(w = calloc(1, sizeof *w))) return NULL;
  w->e = e;
  w->o = ln_effect_op(e)->data;
  ln_effect_set_work(e, w, free_work);
  ln_effect_on_drop(e, drop_work);
  return w;
}

static void on_read(void *arg, const lnC_end *end) {
  lnC_work *w = arg;
  w->ask = NULL;
  if (end->good) ln_effect_done(w->e, end->value);
  else ln_effect_fail(w->e, &end->err);
}

static void start(ln_effect *e, lnC_ask_opts *opts) {
  lnC_work *w = lnC_work_of(e);
  ln_err err;
  ln_fail(&err, "memory", LN_AGAIN, "no memory for a step");
  opts->ctx.tag = ln_effect_tag(e);
  opts->ctx.trace = ln_effect_trace(e);
  opts->patience_ms = ln_effect_timeout_ms(e);
  opts->raw = e;
  if (w) opts->o = w->o;
  if (lnC_has_opaque(opts->args)) ln_opaque_fail(opts->args, &err);
  else if (w && (w->ask = lnC_ask_new(opts, on_read, w, &err))) return;
  ln_effect_fail(e, &err);
}

void lnC_start(ln_effect *e) {
  lnC_ask_opts opts = {.args = ln_effect_args(e)};
  start(e, &opts);
}

/* A page's arguments are { args, next }. */
void lnC_start_page(ln_effect *e) {
  ln_vitem args = {0}, next = {0};
  lnC_ask_opts opts = {.one_page = true};
  ln_v_get(ln_effect_args(e), LN_STR("args"), &args);
  ln_v_get(ln_effect_args(e), LN_STR("next"), &next);
  opts.args = args.whole;
  opts.next = next.whole;
  start(e, &opts);
}
