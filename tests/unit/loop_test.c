/* loop_test.c: what both loops promise, and what only virtual time can. */
#include "base/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct trace {
  ln_loop *loop;
  char text[256];
  size_t n;
  ln_timer timer, other;
  int64_t at;
  bool inside;
} trace;

static ln_loop *make_uv(void) {
  ln_err err;
  ln_loop *l = ln_loop_uv(&err);
  assert_non_null(l);
  return l;
}

static ln_loop *make_sim(uint64_t seed) {
  ln_err err;
  ln_loop *l = ln_loop_sim(seed, 1000000, &err);
  assert_non_null(l);
  return l;
}

static void each(void (*fn)(ln_loop *)) {
  ln_loop *l = make_uv();
  fn(l);
  l->free(l);
  l = make_sim(1);
  fn(l);
  l->free(l);
}

static void add(trace *t, char c) {
  assert_true(t->n + 1 < sizeof t->text);
  t->text[t->n++] = c;
  t->text[t->n] = '\0';
}

static void task_a(void *arg) { add(arg, 'a'); }
static void task_b(void *arg) { add(arg, 'b'); }

static void nested(void *arg) {
  trace *t = arg;
  t->inside = true;
  assert_true(ln_post(t->loop, task_a, t));
  assert_int_equal(t->n, 0); /* never from within post */
  t->inside = false;
}

static void posting(ln_loop *l) {
  trace t = {.loop = l};
  assert_true(ln_post(l, nested, &t));
  assert_int_equal(t.n, 0);
  l->run(l);
  assert_string_equal(t.text, "a");
}

static void test_post(void **s) {
  (void)s;
  each(posting);
}

static void late(void *arg) {
  trace *t = arg;
  t->at = ln_mono_us(t->loop->clock);
  add(t, 't');
}

static void timers(ln_loop *l) {
  trace t = {.loop = l};
  t.timer = (ln_timer){.fn = late, .arg = &t};
  t.other = (ln_timer){.fn = task_b, .arg = &t};
  int64_t start = ln_mono_us(l->clock);
  assert_true(l->timer(l, &t.timer, 1000000));
  assert_true(l->timer(l, &t.timer, 3)); /* restarted */
  assert_true(l->timer(l, &t.other, 1));
  assert_non_null(t.timer.impl);
  l->run(l);
  assert_string_equal(t.text, "bt");
  assert_null(t.timer.impl);
  assert_true(t.at - start >= 3000);
  assert_true(t.at - start < 900000);
}

static void test_timers(void **s) {
  (void)s;
  each(timers);
}

static void cancelling(ln_loop *l) {
  trace t = {.loop = l};
  t.timer = (ln_timer){.fn = late, .arg = &t};
  l->cancel(l, &t.timer); /* quiet */
  assert_true(l->timer(l, &t.timer, 0));
  l->cancel(l, &t.timer);
  assert_null(t.timer.impl);
  l->run(l);
  assert_int_equal(t.n, 0);
  assert_true(l->timer(l, &t.timer, 0)); /* and again */
  l->run(l);
  assert_string_equal(t.text, "t");
}

static void test_cancel(void **s) {
  (void)s;
  each(cancelling);
}

static void stopper(void *arg) {
  trace *t = arg;
  t->loop->stop(t->loop);
}

static void stopping(ln_loop *l) {
  trace t = {.loop = l};
  t.timer = (ln_timer){.fn = late, .arg = &t};
  assert_true(l->timer(l, &t.timer, 3600000));
  assert_true(ln_post(l, stopper, &t));
  l->run(l);
  assert_int_equal(t.n, 0);
  assert_non_null(t.timer.impl);
  l->cancel(l, &t.timer);
  assert_true(ln_post(l, task_a, &t)); /* a stop stops one run only */
  l->run(l);
  assert_string_equal(t.text, "a");
}

static void test_stop(void **s) {
  (void)s;
  each(stopping);
}

static void let_go(void *arg) {
  trace *t = arg;
  add(t, 'h');
  t->loop->hold(t->loop, -1);
}

static void *outside(void *arg) {
  trace *t = arg;
  assert_true(ln_post(t->loop, let_go, t));
  return NULL;
}

static void holding(ln_loop *l) {
  trace t = {.loop = l};
  pthread_t thread;
  l->hold(l, 1);
  assert_int_equal(pthread_create(&thread, NULL, outside, &t), 0);
  l->run(l); /* waits for the other thread's post */
  assert_string_equal(t.text, "h");
  pthread_join(thread, NULL);
}

static void test_hold(void **s) {
  (void)s;
  each(holding);
}

/* The last hold goes from within a timer: the loop must see it, not block in its poll. */
static void hold_in_timer(ln_loop *l) {
  trace t = {.loop = l};
  t.timer = (ln_timer){.fn = let_go, .arg = &t};
  if (!l->uv) return; /* virtual time stands still while held */
  l->hold(l, 1);
  assert_true(l->timer(l, &t.timer, 0));
  l->run(l);
  assert_string_equal(t.text, "h");
}

static void test_hold_in_timer(void **s) {
  (void)s;
  each(hold_in_timer);
}

enum { THREADS = 4, POSTS = 500 };

static void count(void *arg) {
  trace *t = arg;
  if (++t->n == (size_t)THREADS * POSTS) t->loop->hold(t->loop, -1);
}

static void *many(void *arg) {
  trace *t = arg;
  for (int i = 0; i < POSTS; i++) assert_true(ln_post(t->loop, count, t));
  return NULL;
}

static void crowd(ln_loop *l) {
  trace t = {.loop = l};
  pthread_t thread[THREADS];
  l->hold(l, 1);
  for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&thread[i], NULL, many, &t), 0);
  l->run(l);
  for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
  assert_int_equal(t.n, THREADS * POSTS);
}

static void test_threads(void **s) {
  (void)s;
  each(crowd);
}

/* A task that posts itself must not keep a timer from its turn. */
static void again(void *arg) {
  trace *t = arg;
  if (t->n == 0) ln_post(t->loop, again, t);
}

static void test_fair(void **s) {
  (void)s;
  ln_loop *l = make_uv();
  trace t = {.loop = l};
  t.timer = (ln_timer){.fn = late, .arg = &t};
  assert_true(l->timer(l, &t.timer, 1));
  assert_true(ln_post(l, again, &t));
  l->run(l);
  assert_string_equal(t.text, "t");
  l->free(l);
}

static void test_virtual_time(void **s) {
  (void)s;
  ln_loop *l = make_sim(1);
  trace t = {.loop = l};
  t.timer = (ln_timer){.fn = late, .arg = &t};
  assert_true(l->timer(l, &t.timer, 7 * 86400000LL));
  l->run(l); /* a week, at once */
  assert_int_equal(t.at, 7 * 86400000000LL);
  assert_int_equal(ln_now_ms(l->clock), 1000000 + 7 * 86400000LL);
  l->free(l);
}

static void shuffled(uint64_t seed, char out[16]) {
  static void (*const fn[])(void *) = {task_a, task_b, late};
  ln_loop *l = make_sim(seed);
  trace t = {.loop = l};
  for (int i = 0; i < 12; i++) assert_true(ln_post(l, fn[i % 3], &t));
  t.timer = (ln_timer){.fn = late, .arg = &t};
  l->run(l);
  assert_int_equal(t.n, 12);
  memcpy(out, t.text, 13);
  l->free(l);
}

static void test_seed_decides(void **s) {
  (void)s;
  char a[16], b[16];
  int different = 0;
  for (uint64_t seed = 1; seed <= 8; seed++) {
    shuffled(seed, a);
    shuffled(seed, b);
    assert_string_equal(a, b);
    shuffled(seed + 1, b);
    different += strcmp(a, b) != 0;
  }
  assert_true(different >= 6);
}

/* Timers of different times never change places, whatever the seed; cancelled ones go quietly. */
static void on_nth(void *arg) {
  ln_timer *t = arg;
  trace *tr = *(trace **)(t + 1);
  assert_true(ln_mono_us(tr->loop->clock) >= tr->at);
  tr->at = ln_mono_us(tr->loop->clock);
  tr->n++;
}

static void test_order(void **s) {
  (void)s;
  enum { N = 200 };
  struct {
    ln_timer t;
    trace *tr;
  } *v = calloc(N, sizeof *v);
  assert_non_null(v);
  for (uint64_t seed = 1; seed < 6; seed++) {
    ln_loop *l = make_sim(seed);
    trace tr = {.loop = l};
    for (int i = 0; i < N; i++) {
      v[i].t = (ln_timer){.fn = on_nth, .arg = &v[i]};
      v[i].tr = &tr;
      assert_true(l->timer(l, &v[i].t, (i * 7919) % 97));
    }
    for (int i = 0; i < N; i += 3) l->cancel(l, &v[i].t);
    l->run(l);
    assert_int_equal(tr.n, N - (N + 2) / 3);
    l->free(l);
  }
  free(v);
}

static void test_free_with_work(void **s) {
  (void)s;
  ln_loop *l[] = {make_uv(), make_sim(3)};
  for (int i = 0; i < 2; i++) {
    trace t = {.loop = l[i]};
    t.timer = (ln_timer){.fn = late, .arg = &t};
    assert_true(ln_post(l[i], task_a, &t));
    assert_true(l[i]->timer(l[i], &t.timer, 5));
    l[i]->free(l[i]);
    assert_int_equal(t.n, 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_post),         cmocka_unit_test(test_timers),
      cmocka_unit_test(test_cancel),       cmocka_unit_test(test_stop),
      cmocka_unit_test(test_hold),         cmocka_unit_test(test_hold_in_timer),
      cmocka_unit_test(test_threads),      cmocka_unit_test(test_fair),
      cmocka_unit_test(test_virtual_time), cmocka_unit_test(test_seed_decides),
      cmocka_unit_test(test_order),        cmocka_unit_test(test_free_with_work),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
