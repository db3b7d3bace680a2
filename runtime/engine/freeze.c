/* freeze.c: the kill switch, as a write's gates ask it: is everything frozen, or its connector, or the
** playbook that it stands in, or that of its run? */
#include "engine/inside.h"

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
