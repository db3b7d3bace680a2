/* loop_sim.c: the simulated loop.  Time is a number that only this file moves, and only when nothing is due:
** then it jumps to the next timer.  All that is due at one moment, posted tasks and timers alike, is taken in
** an order that the seed decides, so one seed is one history and many seeds are many.  The lock is there for
** what is outside (a held loop waits for another thread's post); a history is repeatable without such. */
#include "base/loop.h"

#include "base/rand.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct node {                                    /* what ln_timer.impl points to                  */
  ln_timer *of;
  int64_t due_us;
  uint64_t turn;                                         /* of starting, between equals                   */
  bool ready;                                            /* in `ready`, else in `heap`                    */
  size_t at;                                             /* where there                                   */
} node;

typedef struct item {                                    /* due now: a task, or a timer (node)            */
  ln_task_fn fn;
  void *arg;
  node *timer;
} item;

typedef struct sim_clock {
  ln_clock base;
  int64_t us, wall_ms;                                   /* since the start; at the start                 */
} sim_clock;

typedef struct loop {
  ln_loop base;
  sim_clock clock;
  ln_rand rand;
  node **heap;                                           /* the earliest first                            */
  size_t n_heap, cap_heap, n_ready, cap_ready;
  item *ready;
  uint64_t turns;
  int holds;
  bool stopped;
  pthread_mutex_t lock;
  pthread_cond_t wake;
} loop;

static int64_t sim_wall(ln_clock *c) {
  sim_clock *s = (sim_clock *)c;
  return s->wall_ms + s->us / 1000;
}

void ln_loop_sim_step(ln_loop *l, int64_t ms) { ((loop *)l)->clock.wall_ms += ms; }

static int64_t sim_mono(ln_clock *c) { return ((sim_clock *)c)->us; }

/* Room for more than n of `size` bytes in the array that *p points to. */
static bool room(void *p, size_t n, size_t *cap, size_t size) {
  if (n < *cap) return true;
  size_t more = *cap ? 2 * *cap : 64;
  while (more <= n) more *= 2;
  void *old;
  memcpy(&old, p, sizeof old);
  void *q = reallocarray(old, more, size);
  if (!q) return false;
  memcpy(p, &q, sizeof q);
  *cap = more;
  return true;
}

/* One more task or timer can be taken.  `ready` always has room for the heap as well, so that a timer whose
** time has come finds its place without an allocation. */
static bool room_for_one(loop *l) {
  return room(&l->ready, l->n_ready + l->n_heap, &l->cap_ready, sizeof *l->ready) &&
         room(&l->heap, l->n_heap, &l->cap_heap, sizeof *l->heap);
}

static bool before(const node *a, const node *b) {
  return a->due_us != b->due_us ? a->due_us < b->due_us : a->turn < b->turn;
}

static void put(loop *l, size_t at, node *n) {
  l->heap[at] = n;
  n->at = at;
}

/* Moves n, whose place is `at`, to where the heap's order wants it. */
static void settle(loop *l, size_t at, node *n) {
  while (at && before(n, l->heap[(at - 1) / 2])) {
    put(l, at, l->heap[(at - 1) / 2]);
    at = (at - 1) / 2;
  }
  for (size_t child; (child = 2 * at + 1) < l->n_heap; at = child) {
    if (child + 1 < l->n_heap && before(l->heap[child + 1], l->heap[child])) child++;
    if (!before(l->heap[child], n)) break;
    put(l, at, l->heap[child]);
  }
  put(l, at, n);
}

static void heap_remove(loop *l, node *n) {
  node *last = l->heap[--l->n_heap];
  if (last != n) settle(l, n->at, last);
}

static void ready_remove(loop *l, size_t at) {
  l->ready[at] = l->ready[--l->n_ready];
  if (at < l->n_ready && l->ready[at].timer) l->ready[at].timer->at = at;
}

static bool post(ln_loop *base, ln_task_fn fn, void *arg) {
  loop *l = (loop *)base;
  pthread_mutex_lock(&l->lock);
  bool ok = room_for_one(l);
  if (ok) l->ready[l->n_ready++] = (item){fn, arg, NULL};
  pthread_cond_signal(&l->wake);
  pthread_mutex_unlock(&l->lock);
  return ok;
}

static void unlink_timer(loop *l, node *n) {
  if (n->ready) ready_remove(l, n->at);
  else heap_remove(l, n);
}

static int64_t later(const loop *l, int64_t ms) {
  int64_t us;
  if (ms <= 0) return l->clock.us;
  if (__builtin_mul_overflow(ms, 1000, &us) || __builtin_add_overflow(l->clock.us, us, &us)) return INT64_MAX;
  return us;
}

static bool start_timer(ln_loop *base, ln_timer *t, int64_t after_ms) {
  loop *l = (loop *)base;
  pthread_mutex_lock(&l->lock);
  node *n = t->impl;
  if (n) unlink_timer(l, n);
  else n = calloc(1, sizeof *n);
  if (n && room_for_one(l)) {
    *n = (node){.of = t, .due_us = later(l, after_ms), .turn = l->turns++};
    settle(l, l->n_heap++, n);
    t->loop = base;
  } else {
    free(n);
    n = NULL;
  }
  t->impl = n;
  pthread_mutex_unlock(&l->lock);
  return n != NULL;
}

static void cancel(ln_loop *base, ln_timer *t) {
  loop *l = (loop *)base;
  if (!t->impl) return;
  pthread_mutex_lock(&l->lock);
  unlink_timer(l, t->impl);
  pthread_mutex_unlock(&l->lock);
  free(t->impl);
  t->impl = NULL;
}

/* Timers whose time has come join the tasks. */
static void collect_due(loop *l) {
  while (l->n_heap && l->heap[0]->due_us <= l->clock.us) {
    node *n = l->heap[0];
    heap_remove(l, n);
    n->ready = true;
    n->at = l->n_ready;
    l->ready[l->n_ready++] = (item){NULL, NULL, n};
  }
}

/* Takes what is next, moving time if need be.  False: stopped, or nothing is left to do. */
static bool next(loop *l, item *out) {
  for (;;) {
    if (l->stopped) return false;
    collect_due(l);
    if (l->n_ready) break;
    if (l->holds > 0) pthread_cond_wait(&l->wake, &l->lock);
    else if (l->n_heap) l->clock.us = l->heap[0]->due_us;
    else return false;
  }
  size_t at = l->n_ready > 1 ? (size_t)(ln_rand_u64(&l->rand) % l->n_ready) : 0;
  *out = l->ready[at];
  ready_remove(l, at);
  return true;
}

static void run(ln_loop *base) {
  loop *l = (loop *)base;
  item i;
  pthread_mutex_lock(&l->lock);
  while (next(l, &i)) {
    pthread_mutex_unlock(&l->lock);
    if (i.timer) {
      ln_timer *t = i.timer->of;
      t->impl = NULL;
      free(i.timer);
      t->fn(t->arg);
    } else {
      i.fn(i.arg);
    }
    pthread_mutex_lock(&l->lock);
  }
  l->stopped = false;
  pthread_mutex_unlock(&l->lock);
}

static void stop(ln_loop *base) {
  loop *l = (loop *)base;
  pthread_mutex_lock(&l->lock);
  l->stopped = true;
  pthread_cond_signal(&l->wake);
  pthread_mutex_unlock(&l->lock);
}

static void hold(ln_loop *base, int by) {
  loop *l = (loop *)base;
  pthread_mutex_lock(&l->lock);
  l->holds += by;
  pthread_cond_signal(&l->wake);
  pthread_mutex_unlock(&l->lock);
}

static void free_loop(ln_loop *base) {
  if (!base) return;
  loop *l = (loop *)base;
  for (size_t i = 0; i < l->n_heap; i++) free(l->heap[i]);
  for (size_t i = 0; i < l->n_ready; i++) free(l->ready[i].timer);
  free(l->heap);
  free(l->ready);
  pthread_mutex_destroy(&l->lock);
  pthread_cond_destroy(&l->wake);
  free(l);
}

ln_loop *ln_loop_sim(uint64_t seed, int64_t wall_ms, ln_err *err) {
  loop *l = calloc(1, sizeof *l);
  if (!l) {
    ln_fail(err, "memory", LN_AGAIN, "no memory for a simulated loop");
    return NULL;
  }
  l->clock = (sim_clock){{sim_wall, sim_mono}, 0, wall_ms};
  ln_rand_seed(&l->rand, seed);
  pthread_mutex_init(&l->lock, NULL);
  pthread_cond_init(&l->wake, NULL);
  l->base = (ln_loop){&l->clock.base, post, start_timer, cancel, run, stop, hold, free_loop, NULL};
  return &l->base;
}
