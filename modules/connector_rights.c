/* connector_rights.c: what a vendor has to grant.  A declaration names each right as the vendor does, the
** operations that need it, and, where there is one, a read that shows whether it is there: it looks for what
** nobody has, so an empty answer is as good as any. */
#include "modules/connector_parts.h"

#include <stdlib.h>

enum { PATIENCE_MS = 30000 };

const ln_right *ln_connectors_rights(ln_engine *g, ln_str connector, size_t *n, ln_err *err) {
  lnC_connector *c = lnC_loaded(g, connector, err);
  *n = c ? c->n_rights : 0;
  return *n ? c->rights : NULL;
}

typedef struct trying {
  ln_tried_fn done;
  void *arg;
} trying;

static void on_end(void *arg, const lnC_end *end) {
  trying *t = arg;
  bool there = end->good || ln_err_is(&end->err, "not_found");
  t->done(t->arg, there ? NULL : &end->err);
  free(t);
}

bool ln_connectors_try(ln_engine *g, ln_str connector, size_t right, ln_tried_fn done, void *arg,
                       ln_err *err) {
  lnC_connector *c = lnC_loaded(g, connector, err);
  if (!c) return false;
  const lnC_right *r = &c->own_rights[right];
  trying *t = malloc(sizeof *t);
  lnC_ask_opts o = {.o = r->op,
                    .args = r->args,
                    .ctx = {.tag = LN_STR("doctor")},
                    .one_page = r->op->list,
                    .patience_ms = PATIENCE_MS};
  if (!t) return ln_fail(err, "memory", LN_AGAIN, "no memory to ask");
  *t = (trying){done, arg};
  lnC_ask *a = lnC_ask_new(&o, on_end, t, err);
  if (!a) free(t);
  return a != NULL;
}
