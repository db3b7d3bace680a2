/* prune_test.c: which runs a store may let go, and what is left of them. */
#include "tests/unit/store_help.h"

#define HOUR INT64_C(3600000)
#define NOW (1000 * HOUR)

typedef struct made {
  ln_run_row row;
  const char *entries;
} made;

static bool create(ln_tx *tx, void *arg, ln_err *err) {
  made *m = arg;
  return ln_tx_run_create(tx, &m->row, err) &&
         (!m->entries ||
          (ln_tx_log(tx, m->row.id, ln_str_of(m->entries), err) && ln_tx_segment(tx, m->row.id, err)));
}

/* A run that ended at `finished` (0: not yet), below `parent`. */
static int64_t put_run(ln_store *s, int64_t parent, int64_t root, int64_t finished) {
  static int n;
  made m = {.row = {.parent = parent,
                    .root = root,
                    .state = finished ? LN_STR("completed") : LN_STR("waiting"),
                    .finished_ms = finished,
                    .playbook = LN_STR("p"),
                    .created_ms = 1},
            .entries = "abc"};
  snprintf(m.row.ulid, sizeof m.row.ulid, "01%024d", ++n);
  run_job(s, create, &m);
  return m.row.id;
}

static ln_kept_for kept(ln_store *s, int64_t root) {
  ln_kept_for why;
  ln_err err;
  assert_true(ln_store_kept(s, root, NOW - HOUR, NOW, &why, &err));
  return why;
}

static bool hold_apply(ln_tx *tx, void *arg, ln_err *err) { return ln_tx_hold_begin(tx, arg, err); }

static void put_hold(ln_store *s, int64_t run, const char *step, const char *entity, const char *status) {
  ln_hold h = {.run = run,
               .step = ln_str_of(step),
               .entity = ln_str_of(entity),
               .facet = LN_STR("f"),
               .op = LN_STR("o"),
               .state = LN_STR("on"),
               .status = ln_str_of(status),
               .since_ms = 1};
  run_job(s, hold_apply, &h);
}

typedef struct acting {
  int64_t root, ms;
  const char *entity;
} acting;
static bool act_apply(ln_tx *tx, void *arg, ln_err *err) {
  acting *a = arg;
  return ln_tx_act_add(tx, a->root, a->root, ln_str_of(a->entity), LN_STR("o"), a->ms, err);
}

static bool ask_apply(ln_tx *tx, void *arg, ln_err *err) { return ln_tx_approval_add(tx, arg, err); }

static void test_why(void **state) {
  (void)state;
  ln_store *s = open_store();
  int64_t old = NOW - 2 * HOUR;
  int64_t plain = put_run(s, 0, 0, old);
  assert_int_equal(kept(s, plain), LN_KEPT_NOT);

  int64_t parent = put_run(s, 0, 0, old), below = put_run(s, parent, parent, old);
  assert_int_equal(kept(s, parent), LN_KEPT_NOT);
  put_run(s, below, parent, NOW);
  assert_int_equal(kept(s, parent), LN_KEPT_YOUNG);
  put_run(s, below, parent, 0);
  assert_int_equal(kept(s, parent), LN_KEPT_OPEN);

  int64_t holds = put_run(s, 0, 0, old), other = put_run(s, 0, 0, old), bystander = put_run(s, 0, 0, old);
  put_hold(s, other, "x", "v:host:a", "released");
  put_hold(s, bystander, "x", "v:host:b", "released");
  assert_int_equal(kept(s, other), LN_KEPT_NOT);
  put_hold(s, holds, "x", "v:host:a", "held"); /* what the other did to it stays beside it */
  assert_int_equal(kept(s, holds), LN_KEPT_HELD);
  assert_int_equal(kept(s, other), LN_KEPT_HELD);
  assert_int_equal(kept(s, bystander), LN_KEPT_NOT);
  acting a = {bystander, old, "v:host:a"}; /* it acted on it, and its ledger says nothing */
  run_job(s, act_apply, &a);
  assert_int_equal(kept(s, bystander), LN_KEPT_HELD);

  int64_t asks = put_run(s, 0, 0, old), late = put_run(s, 0, 0, old);
  ln_approval q = {.run = asks, .state = LN_STR("waiting"), .expires_ms = NOW + 1};
  run_job(s, ask_apply, &q);
  assert_int_equal(kept(s, asks), LN_KEPT_ASKED);
  q = (ln_approval){.run = late, .state = LN_STR("waiting"), .expires_ms = NOW - 1};
  run_job(s, ask_apply, &q);
  assert_int_equal(kept(s, late), LN_KEPT_NOT);

  int64_t counted = put_run(s, 0, 0, old);
  a = (acting){counted, NOW - HOUR / 2, "v:host:c"};
  run_job(s, act_apply, &a);
  assert_int_equal(kept(s, counted), LN_KEPT_COUNTED);
  ln_store_close(s);
}

static bool remove_apply(ln_tx *tx, void *arg, ln_err *err) {
  return ln_tx_run_remove(tx, *(int64_t *)arg, err);
}

static bool gather(void *arg, ln_str entries) { return ln_buf_add(arg, entries); }

static void assert_journal(ln_store *s, int64_t run, const char *text) {
  ln_buf b;
  ln_err err;
  ln_buf_init(&b, 1 << 20);
  assert_true(ln_store_journal(s, run, gather, &b, &err));
  assert_str(ln_buf_view(&b), text);
  ln_buf_free(&b);
}

typedef struct logging {
  int64_t run;
  const char *text;
} logging;
static bool log_apply(ln_tx *tx, void *arg, ln_err *err) {
  logging *l = arg;
  return ln_tx_log(tx, l->run, ln_str_of(l->text), err);
}

/* What a removed run still has in the log is nobody's, and goes; what others have there does not. */
static void test_log(void **state) {
  (void)state;
  ln_store *s = open_store();
  int64_t gone = put_run(s, 0, 0, 1), lives = put_run(s, 0, 0, 0);
  logging a = {gone, "stale"}, b = {lives, "def"};
  run_job(s, log_apply, &a);
  run_job(s, log_apply, &b);
  run_job(s, remove_apply, &gone);
  ln_store_close(s);
  s = open_store(); /* one that learns the log anew */
  while (ln_store_tidy(s)) continue;
  assert_journal(s, gone, "");
  assert_journal(s, lives, "abcdef");
  ln_store_close(s);
}

/* --- values beside journals --- */

static char sha[2 * LN_SHA256 + 1];

static bool put_value(ln_tx *tx, void *arg, ln_err *err) {
  ln_content c = {.kind = LN_STR("value"), .bytes = LN_STR("big"), .expires_ms = *(int64_t *)arg};
  memcpy(c.sha256, sha, sizeof sha);
  return ln_tx_content_put(tx, &c, err);
}
static bool dying(ln_tx *tx, void *arg, ln_err *err) {
  return (void)arg, ln_tx_value_dying(tx, ln_str_of(sha), err);
}
static bool lives(ln_tx *tx, void *arg, ln_err *err) {
  return (void)arg, ln_tx_value_lives(tx, ln_str_of(sha), err);
}
static bool end(ln_tx *tx, void *arg, ln_err *err) { return ln_tx_value_end(tx, ln_str_of(sha), arg, err); }

static bool count_one(void *arg, ln_str name) { return (void)name, ++*(int *)arg, true; }

static int count_dying(ln_store *s) {
  int n = 0;
  ln_err err;
  assert_true(ln_store_dying(s, count_one, &n, &err));
  return n;
}

typedef struct expiring {
  int64_t now, after, n;
} expiring;
static bool expire(ln_tx *tx, void *arg, ln_err *err) {
  expiring *x = arg;
  return ln_tx_contents_expire(tx, x->now, &x->after, &x->n, err);
}

static void test_values(void **state) {
  (void)state;
  ln_store *s = open_store();
  bool gone;
  int64_t for_ever = 0;
  memset(sha, 'a', sizeof sha - 1);
  run_job(s, put_value, &for_ever);
  run_job(s, end, &gone);
  assert_false(gone); /* it was not dying */
  run_job(s, dying, NULL);
  assert_int_equal(count_dying(s), 1);
  expiring x = {.now = NOW};
  run_job(s, expire, &x);
  assert_int_equal(x.n, 0);         /* dying is not expired: somebody may need it */
  run_job(s, put_value, &for_ever); /* another run has it, too */
  run_job(s, end, &gone);
  assert_false(gone);
  run_job(s, dying, NULL);
  run_job(s, lives, NULL);
  assert_int_equal(count_dying(s), 0);
  run_job(s, dying, NULL);
  run_job(s, end, &gone);
  assert_true(gone);
  ln_store_close(s);
}

static void test_expired(void **state) {
  (void)state;
  ln_store *s = open_store();
  for (int i = 0; i < 150; i++) {
    int64_t until = i % 3 == 0 ? 0 : i % 3 == 1 ? NOW - 1 : NOW + 1;
    snprintf(sha, sizeof sha, "%064d", i);
    run_job(s, put_value, &until);
  }
  int64_t n = 0;
  expiring x = {.now = NOW, .n = 64};
  while (x.n == 64) {
    run_job(s, expire, &x);
    n += x.n;
  }
  assert_int_equal(n, 50);
  x = (expiring){.now = NOW};
  run_job(s, expire, &x);
  assert_int_equal(x.n, 0);
  ln_store_close(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_why, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(test_log, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(test_values, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(test_expired, make_folder, remove_folder)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
