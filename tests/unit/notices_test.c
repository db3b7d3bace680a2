/* notices_test.c: the queue of messages to people, and the links to questions. */
#include "tests/unit/store_help.h"

typedef struct put_job { ln_notice n; bool full; int times; } put_job;

static bool put(ln_tx *tx, void *arg, ln_err *err) {
  put_job *p = arg;
  for (int i = 0; i < p->times; i++)
    if (!ln_tx_notice_put(tx, &p->n, &p->full, err)) return false;
  return true;
}

static bool put_many(ln_store *s, const char *target, const char *event, int times) {
  put_job p = {.n = {.run = 3, .approval = 7, .ms = 10, .until_ms = 1000}, .times = times};
  p.n.target = ln_str_of(target);
  p.n.event = ln_str_of(event);
  run_job(s, put, &p);
  return !p.full;
}

static void take(void *arg, const ln_notice *n) {
  ln_notice *out = arg;
  *out = *n;
  out->target = out->event = out->step = out->detail = out->why = (ln_str){NULL, 0};
}

/* The first that is due for it then; 0: none. */
static ln_notice due(ln_store *s, const char *target, int64_t now) {
  ln_notice n = {.id = 0};
  ln_err err = {.code = ""};
  assert_true(ln_store_notice_due(s, ln_str_of(target), now, take, &n, &err));
  return n;
}

typedef struct change { int64_t id, at; const char *why; } change;

static bool tried(ln_tx *tx, void *arg, ln_err *err) {
  return ln_tx_notice_tried(tx, ((change *)arg)->id, ((change *)arg)->at, err);
}

static bool failed(ln_tx *tx, void *arg, ln_err *err) {
  change *c = arg;
  return ln_tx_notice_failed(tx, c->id, 4, c->at, ln_str_of(c->why), err);
}

static bool ended(ln_tx *tx, void *arg, ln_err *err) {
  return ln_tx_notice_end(tx, ((change *)arg)->id, err);
}

static bool sweep(ln_tx *tx, void *arg, ln_err *err) {
  return ln_tx_notices_sweep(tx, ((change *)arg)->at, err);
}

static ln_notice_counts counts(ln_store *s, const char *target, ln_buf *why) {
  ln_notice_counts k;
  ln_err err = {.code = ""};
  assert_true(ln_store_notice_counts(s, ln_str_of(target), &k, why, &err));
  return k;
}

static void test_tries(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_buf why;
  assert_true(put_many(s, "a", "approval", 2));
  assert_true(put_many(s, "b", "failed", 1));
  ln_notice first = due(s, "a", 0);
  assert_int_equal(first.approval, 7);
  assert_int_equal(first.tries, 0);
  run_job(s, tried, &(change){first.id, 500, NULL});
  assert_true(due(s, "a", 499).id > first.id);           /* the other one has its turn                      */
  run_job(s, failed, &(change){first.id, 600, "HTTP 503"});
  ln_buf_init(&why, 100);
  ln_notice_counts k = counts(s, "a", &why);
  assert_int_equal(k.waiting, 2);
  assert_int_equal(k.failing, 1);
  assert_true(ln_str_eq(ln_buf_view(&why), LN_STR("HTTP 503")));
  ln_buf_free(&why);
  run_job(s, ended, &(change){due(s, "a", 0).id, 0, NULL});
  assert_int_equal(due(s, "a", 599).id, 0);
  assert_int_equal(due(s, "a", 600).id, first.id);
  assert_int_equal(due(s, "a", 600).tries, 4);
  ln_store_close(s);
}

static void test_given_up(void **state) {
  (void)state;
  const int64_t week = INT64_C(7) * 24 * 3600 * 1000;
  ln_store *s = open_store();
  put_many(s, "a", "approval", 1);
  run_job(s, failed, &(change){due(s, "a", 0).id, LN_NEVER, "too late"});
  assert_int_equal(due(s, "a", INT64_C(1) << 60).id, 0);
  assert_int_equal(counts(s, "a", NULL).given_up, 1);
  assert_int_equal(counts(s, "a", NULL).waiting, 0);
  run_job(s, sweep, &(change){0, week + 1000, NULL});
  assert_int_equal(counts(s, "a", NULL).given_up, 1);
  run_job(s, sweep, &(change){0, week + 1001, NULL});
  assert_int_equal(counts(s, "a", NULL).given_up, 0);
  ln_store_close(s);
}

static void test_full(void **state) {
  (void)state;
  ln_store *s = open_store();
  assert_true(put_many(s, "a", "failed", LN_NOTICES_MOST));
  assert_false(put_many(s, "a", "failed", 1));
  assert_int_equal(counts(s, "a", NULL).waiting, LN_NOTICES_MOST);
  assert_true(put_many(s, "b", "failed", 1));            /* each has a queue of its own                     */
  run_job(s, ended, &(change){due(s, "a", 0).id, 0, NULL});
  assert_true(put_many(s, "a", "failed", 1));
  ln_store_close(s);
}

/* ------------------------------------------------------------------ links */

static bool add_approval(ln_tx *tx, void *arg, ln_err *err) { return ln_tx_approval_add(tx, arg, err); }

static bool add_link(ln_tx *tx, void *arg, ln_err *err) {
  change *c = arg;
  return ln_tx_link_put(tx, ln_str_of(c->why), c->id, err);
}

static bool deny(ln_tx *tx, void *arg, ln_err *err) {
  return ln_tx_approval_vote(tx, *(int64_t *)arg, false, LN_STR("ann"), LN_STR(""), LN_STR(""), 5, err);
}

static int64_t leads_to(ln_store *s, const char *hash, int64_t now) {
  int64_t id = -1;
  ln_err err = {.code = ""};
  assert_true(ln_store_link(s, ln_str_of(hash), now, &id, &err));
  return id;
}

static void test_links(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_approval a = {.kind = LN_STR("approve"), .title = LN_STR("t"), .step = LN_STR("s"), .quorum = 1,
                   .created_ms = 1, .expires_ms = 100};
  ln_approval b = a;
  b.expires_ms = 0;
  run_job(s, add_approval, &a);
  run_job(s, add_approval, &b);
  run_job(s, add_link, &(change){a.id, 0, "aa"});
  run_job(s, add_link, &(change){a.id, 0, "ab"});        /* of another try: both count                      */
  run_job(s, add_link, &(change){b.id, 0, "b"});
  assert_int_equal(leads_to(s, "aa", 50), a.id);
  assert_int_equal(leads_to(s, "aa", 50), a.id);         /* looking uses nothing up                         */
  assert_int_equal(leads_to(s, "ab", 99), a.id);
  assert_int_equal(leads_to(s, "aa", 100), 0);           /* the question has expired                        */
  assert_int_equal(leads_to(s, "b", 100), b.id);
  assert_int_equal(leads_to(s, "c", 50), 0);
  run_job(s, deny, &a.id);
  assert_int_equal(leads_to(s, "aa", 50), 0);
  run_job(s, sweep, &(change){0, 1, NULL});             /* what leads nowhere any more goes                */
  run_job(s, add_link, &(change){b.id, 0, "aa"});
  assert_int_equal(leads_to(s, "aa", 50), b.id);
  ln_store_close(s);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, make_folder, remove_folder)

int main(void) {
  const struct CMUnitTest tests[] = {T(test_tries), T(test_given_up), T(test_full), T(test_links)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
