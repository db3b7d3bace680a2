#include "tests/unit/fake_engine.h"
static bool show(void *arg, const ln_op_info *i) { (void)arg; printf("  %s%s %zu params\n", i->name.p, i->op ? "" : " (flow)", i->params->n); return true; }
static void test_all(void **s) {
  (void)s;
  fake *f = fake_new("stdlib", NULL);
  ln_list names = ln_connectors_names(&f->engine);
  for (size_t i = 0; i < names.n; i++) {
    ln_err err = {0};
    printf("%s\n", names.v[i].p);
    if (!ln_connectors_each(&f->engine, names.v[i], show, NULL, &err)) printf("  %s: %s\n", err.code, err.message);
  }
  ln_list sims = ln_simhost_names(f->sims);
  for (size_t i = 0; i < sims.n; i++) fake_vendor(f, sims.v[i].p);
  fake_free(f);
}
int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_all)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
