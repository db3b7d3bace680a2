/* doctor_rights.c: what vendors grant.  All that can be asked by reading is asked at once; what is told goes
** by what the playbooks use: a right that is lacking matters to them alone, and one that nobody needs is one
** too many. */
#include "cli/doctor.h"

#include "modules/connector.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct asking asking;
typedef struct question {
  asking *a;
  size_t right;
  bool there;
  ln_err err;
} question;

struct asking { /* one connector */
  ln_doctor *d;
  ln_str connector;
  const ln_right *rights;
  question *q;
  size_t n, *open; /* open: of all connectors                         */
};

static void on_tried(void *arg, const ln_err *err) {
  question *q = arg;
  ln_loop *l = q->a->d->app.g.loop;
  q->there = !err;
  if (err) q->err = *err;
  if (--*q->a->open == 0) l->stop(l);
}

static void ask(asking *a) {
  ln_err err = {0};
  a->rights = ln_connectors_rights(&a->d->app.g, a->connector, &a->n, &err);
  if (err.code[0]) ln_doctor_say(a->d, LN_HEALTH_BAD, a->connector.p, "%s", err.message);
  else if (!a->n)
    ln_doctor_say(a->d, LN_HEALTH_NOTE, a->connector.p, "declares no rights: nothing to ask for");
  if (!a->n || !(a->q = calloc(a->n, sizeof *a->q))) return;
  for (size_t i = 0; i < a->n; i++) {
    a->q[i] = (question){.a = a, .right = i};
    if (!a->rights[i].tried) continue;
    if (ln_connectors_try(&a->d->app.g, a->connector, i, on_tried, &a->q[i], &a->q[i].err)) ++*a->open;
  }
}

/* The playbooks' operations that want it, as a list in words; "" none. */
static void wanted_by(const asking *a, const ln_right *r, char *out, size_t n) {
  size_t at = 0;
  *out = '\0';
  for (size_t i = 0; i < r->operations.n && at < n; i++) {
    char full[160];
    snprintf(full, sizeof full, LN_STR_FMT "." LN_STR_FMT, LN_STR_ARG(a->connector),
             LN_STR_ARG(r->operations.v[i]));
    if (!ln_doctor_needs(a->d, ln_str_of(full))) continue;
    int k = snprintf(out + at, n - at, "%s%s", at ? ", " : "", full);
    at += k > 0 ? (size_t)k : 0;
  }
}

static void tell_right(const asking *a, const question *q) {
  char wanted[512];
  const ln_right *r = &a->rights[q->right];
  wanted_by(a, r, wanted, sizeof wanted);
  const char *name = r->name.p, *about = a->connector.p;
  if (!r->tried && *wanted)
    ln_doctor_say(a->d, LN_HEALTH_NOTE, about, "%s: needed for %s; no read shows whether it is granted", name,
                  wanted);
  else if (!r->tried) return;
  else if (q->there && *wanted) ln_doctor_say(a->d, LN_HEALTH_OK, about, "%s", name);
  else if (q->there)
    ln_doctor_say(a->d, LN_HEALTH_NOTE, about, "%s: granted, and no playbook uses it: take it away", name);
  else if (!ln_err_is(&q->err, "forbidden"))
    ln_doctor_say(a->d, LN_HEALTH_TODO, about, "%s: cannot tell: %s: %s", name, q->err.code, q->err.message);
  else if (*wanted)
    ln_doctor_say(a->d, LN_HEALTH_TODO, about, "%s: is lacking, and %s need it: grant it", name, wanted);
}

/* With wrong credentials, or no way there, every right says the same: it is said once. */
static bool tell_whole(const asking *a) {
  const question *first = NULL;
  for (size_t i = 0; i < a->n; i++) {
    if (!a->rights[i].tried) continue;
    if (a->q[i].there || ln_err_is(&a->q[i].err, "forbidden")) return false;
    if (!first) first = &a->q[i];
  }
  if (!first) return false;
  ln_doctor_say(a->d, LN_HEALTH_TODO, a->connector.p, "%s: %s", first->err.code, first->err.message);
  return true;
}

static void tell(const asking *a) {
  if (!a->q || tell_whole(a)) return;
  for (size_t i = 0; i < a->n; i++) tell_right(a, &a->q[i]);
}

void ln_doctor_connectors(ln_doctor *d, ln_str only) {
  const ln_config *c = d->app.config;
  size_t n = c->n_connectors, open = 0;
  asking *all = calloc(n + 1, sizeof *all);
  if (!all) {
    ln_doctor_say(d, LN_HEALTH_BAD, "connectors", "no memory to ask them");
    return;
  }
  for (size_t i = 0; i < n; i++) {
    all[i] = (asking){.d = d, .connector = c->connectors[i].name, .open = &open};
    if (!only.n || ln_str_eq(only, all[i].connector)) ask(&all[i]);
  }
  if (open) d->app.g.loop->run(d->app.g.loop);
  for (size_t i = 0; i < n; i++) {
    tell(&all[i]);
    free(all[i].q);
  }
  free(all);
}
