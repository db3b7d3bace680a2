/* freeze.c: the kill switch, as a write's gates ask it: is everything frozen, or its connector, or the
** playbook that it stands in, or that of its run?  And how it is turned. */
#include "engine/freeze.h"

#include "engine/inside.h"
#include "engine/notice.h"

#include <stdio.h>

typedef struct asking { const ln_effect *e; ln_err *err; bool frozen; } asking;

static bool found(void *arg, const ln_freeze *f) {
  asking *a = arg;
  a->frozen = true;
  ln_fail(a->err, "frozen", LN_AGAIN, "%s: %s%.*s is frozen by %.*s: %.*s: lunette thaw", a->e->op->name,
          f->scope.n ? "" : "everything", LN_STR_ARG(f->scope), LN_STR_ARG(f->by),
          f->why.n > 200 ? 200 : (int)f->why.n, f->why.p);
  return false;
}

typedef struct scopes { char text[3][160]; ln_str v[3]; } scopes;

static void scopes_of(const ln_effect *e, scopes *s) {
  const char *dot = strchr(e->op->name, '.'), *play = e->branch->play ? e->branch->play->name : "";
  int n = dot ? (int)(dot - e->op->name) : 0;
  snprintf(s->text[0], sizeof s->text[0], "connector:%.*s", n, e->op->name);
  snprintf(s->text[1], sizeof s->text[1], "playbook:%s", play);
  snprintf(s->text[2], sizeof s->text[2], "playbook:%s", e->run->playbook);
  for (int i = 0; i < 3; i++) s->v[i] = ln_str_of(s->text[i]);
}

bool ln_freeze_passes(const ln_effect *e, ln_err *err) {
  asking a = {.e = e, .err = err};
  scopes s;
  if (e->run->options.despite_freeze) return true;
  scopes_of(e, &s);
  return ln_store_frozen(e->run->engine->store, s.v, found, &a, err) && !a.frozen;
}

bool ln_freeze_passes_in(ln_tx *tx, const ln_effect *e, ln_err *err) {
  asking a = {.e = e, .err = err};
  scopes s;
  if (e->run->options.despite_freeze) return true;
  scopes_of(e, &s);
  return ln_tx_frozen(tx, s.v, found, &a, err) && !a.frozen;
}

/* ------------------------------------------------------------------ turning it */

typedef struct turning { ln_engine *g; const char *scope; ln_str why, by; bool thaw; int64_t n; } turning;

/* The runs that wait because of it wait for a person. */
static bool tell_frozen(ln_tx *tx, const turning *f, ln_err *err) {
  ln_buf detail;
  ln_str scope = ln_str_of(f->scope[0] ? f->scope : "everything");
  ln_buf_init(&detail, 1 << 20);
  size_t mark = ln_v_begin(&detail, 'O', 3);
  ln_v_key(&detail, LN_STR("by")), ln_v_str(&detail, f->by);
  ln_v_key(&detail, LN_STR("title")), ln_v_str(&detail, scope);
  ln_v_key(&detail, LN_STR("why")), ln_v_str(&detail, f->why);
  ln_v_end(&detail, mark);
  ln_notice n = {.event = LN_STR("frozen"), .detail = ln_buf_view(&detail)};
  bool ok = ln_buf_ok(&detail, err) && ln_notice_put(tx, f->g, &n, err);
  ln_buf_free(&detail);
  return ok;
}

static bool turn_apply(ln_tx *tx, void *arg, ln_err *err) {
  turning *f = arg;
  ln_str scope = ln_str_of(f->scope);
  int64_t now = ln_now_ms(f->g->loop->clock);
  ln_buf detail;
  ln_json j;
  ln_buf_init(&detail, 1 << 16);
  ln_json_init(&j, &detail);
  ln_json_open(&j, '{');
  ln_json_key(&j, LN_STR("scope"));
  ln_json_str(&j, scope);
  if (!f->thaw) ln_json_key(&j, LN_STR("why")), ln_json_str(&j, f->why);
  ln_json_close(&j, '}');
  bool ok = ln_buf_ok(&detail, err) && (f->thaw ? ln_tx_thaw(tx, scope.n ? &scope : NULL, &f->n, err)
                                                : ln_tx_freeze(tx, scope, f->why, f->by, now, err));
  ok = ok && (f->thaw || tell_frozen(tx, f, err)) &&
       ln_tx_audit(tx, now, f->thaw ? LN_STR("thaw") : LN_STR("freeze"), f->by, 0,
                         ln_buf_view(&detail), err);
  ln_buf_free(&detail);
  return ok;
}

bool ln_freeze_scope(const char *kind, ln_str name, char out[LN_SCOPE_TEXT]) {
  out[0] = '\0';
  if (!name.n) return true;
  int n = snprintf(out, LN_SCOPE_TEXT, "%s:%.*s", kind, LN_STR_ARG(name));
  return n > 0 && n < LN_SCOPE_TEXT;
}

bool ln_freeze_put(ln_engine *g, const char *scope, ln_str why, ln_str by, ln_err *err) {
  turning f = {.g = g, .scope = scope, .why = why, .by = by};
  return ln_writer_run(g->store, turn_apply, &f, err);
}

bool ln_freeze_lift(ln_engine *g, const char *scope, ln_str by, int64_t *n, ln_err *err) {
  turning f = {.g = g, .scope = scope, .by = by, .thaw = true};
  bool ok = ln_writer_run(g->store, turn_apply, &f, err);
  *n = f.n;
  return ok;
}
