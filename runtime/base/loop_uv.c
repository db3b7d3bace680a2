/* loop_uv.c: the real loop, on libuv.  Posted tasks wait in a locked ring and run between two turns of libuv,
** so a task never finds a libuv callback below it on the stack.  A post from another thread wakes the loop
** through a uv_async; one from the loop's own thread needs no system call: an idle handle keeps the next poll
** from blocking.  The async handle counts as work only while somebody holds the loop. */
#include "base/loop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <uv.h>

typedef struct task {
  ln_task_fn fn;
  void *arg;
} task;

typedef struct timer {                                   /* what ln_timer.impl points to                  */
  uv_timer_t uv;
  ln_timer *of;
  struct timer *next;                                    /* in the list of spare ones                     */
} timer;

typedef struct loop {
  ln_loop base;
  uv_loop_t uv;
  uv_async_t wake;
  uv_idle_t more;                                        /* runs while tasks wait                         */
  timer *spare;                                          /* stopped, to be used again                     */
  atomic_int holds;
  atomic_bool stopped;
  pthread_mutex_t lock;                                  /* over what follows                             */
  pthread_t thread;                                      /* in run, if `running`                          */
  bool running;
  task *ring;
  size_t first, n, cap;
} loop;

static void on_wake(uv_async_t *a) { (void)a; }
static void on_more(uv_idle_t *i) { (void)i; }

/* Under the lock.  The ring doubles when it is full. */
static bool push(loop *l, task t) {
  if (l->n == l->cap) {
    size_t cap = l->cap ? 2 * l->cap : 64;
    task *ring = calloc(cap, sizeof *ring);
    if (!ring) return false;
    for (size_t i = 0; i < l->n; i++) ring[i] = l->ring[(l->first + i) % l->cap];
    free(l->ring);
    l->ring = ring;
    l->cap = cap;
    l->first = 0;
  }
  l->ring[(l->first + l->n++) % l->cap] = t;
  return true;
}

static bool on_own_thread(loop *l) {
  pthread_mutex_lock(&l->lock);
  bool mine = l->running && pthread_equal(l->thread, pthread_self());
  pthread_mutex_unlock(&l->lock);
  return mine;
}

/* Makes the loop look again, without blocking in its poll before. */
static void nudge(loop *l, bool own_thread) {
  if (own_thread) uv_idle_start(&l->more, on_more);
  else uv_async_send(&l->wake);
}

static bool post(ln_loop *base, ln_task_fn fn, void *arg) {
  loop *l = (loop *)base;
  pthread_mutex_lock(&l->lock);
  bool ok = push(l, (task){fn, arg});
  bool mine = l->running && pthread_equal(l->thread, pthread_self());
  pthread_mutex_unlock(&l->lock);
  if (ok) nudge(l, mine);
  return ok;
}

static bool pop(loop *l, task *t) {
  pthread_mutex_lock(&l->lock);
  bool some = l->n > 0;
  if (some) {
    *t = l->ring[l->first];
    l->first = (l->first + 1) % l->cap;
    l->n--;
  }
  pthread_mutex_unlock(&l->lock);
  return some;
}

static size_t waiting(loop *l) {
  pthread_mutex_lock(&l->lock);
  size_t n = l->n;
  pthread_mutex_unlock(&l->lock);
  return n;
}

/* Runs the tasks that wait now; what they post has its turn after the next poll, so that tasks which post
** themselves again do not shut out sockets and timers. */
static void run_tasks(loop *l) {
  task t;
  for (size_t n = waiting(l); n && !atomic_load(&l->stopped) && pop(l, &t); n--) t.fn(t.arg);
}

static void set_running(loop *l, bool on) {
  pthread_mutex_lock(&l->lock);
  l->running = on;
  l->thread = pthread_self();
  pthread_mutex_unlock(&l->lock);
}

static void run(ln_loop *base) {
  loop *l = (loop *)base;
  set_running(l, true);
  for (;;) {
    run_tasks(l);
    if (atomic_load(&l->stopped)) break;
    bool tasks = waiting(l) > 0, held = atomic_load(&l->holds) > 0;
    if (!tasks) uv_idle_stop(&l->more);
    if (held) uv_ref((uv_handle_t *)&l->wake);
    else uv_unref((uv_handle_t *)&l->wake);
    if (!tasks && !uv_loop_alive(&l->uv)) break;
    uv_run(&l->uv, tasks ? UV_RUN_NOWAIT : UV_RUN_ONCE);
  }
  uv_idle_stop(&l->more);
  set_running(l, false);
  atomic_store(&l->stopped, false);
}

static void stop(ln_loop *base) {
  loop *l = (loop *)base;
  atomic_store(&l->stopped, true);
  nudge(l, on_own_thread(l));
}

static void hold(ln_loop *base, int by) {
  loop *l = (loop *)base;
  atomic_fetch_add(&l->holds, by);
  nudge(l, on_own_thread(l));
}

static void on_timer(uv_timer_t *uv) {
  timer *i = (timer *)uv;
  ln_timer *t = i->of;
  loop *l = (loop *)t->loop;
  i->next = l->spare;
  l->spare = i;
  t->impl = NULL;
  t->fn(t->arg);
}

static timer *take_timer(loop *l) {
  timer *i = l->spare;
  if (i) {
    l->spare = i->next;
    return i;
  }
  if (!(i = calloc(1, sizeof *i))) return NULL;
  uv_timer_init(&l->uv, &i->uv);
  i->uv.data = l; /* one of ours, to be freed when it is closed */
  return i;
}

/* libuv counts from the start of its turn and in whole milliseconds: both would let a timer fire early. */
static bool start_timer(ln_loop *base, ln_timer *t, int64_t after_ms) {
  loop *l = (loop *)base;
  timer *i = t->impl ? t->impl : take_timer(l);
  if (!i) return false;
  t->loop = base;
  t->impl = i;
  i->of = t;
  uv_update_time(&l->uv);
  uv_timer_start(&i->uv, on_timer, after_ms > 0 ? (uint64_t)after_ms + 1 : 0, 0);
  return true;
}

static void cancel(ln_loop *base, ln_timer *t) {
  loop *l = (loop *)base;
  timer *i = t->impl;
  if (!i) return;
  uv_timer_stop(&i->uv);
  i->next = l->spare;
  l->spare = i;
  t->impl = NULL;
}

static void on_timer_closed(uv_handle_t *h) { free(h); }

static void close_handle(uv_handle_t *h, void *l) {
  if (!uv_is_closing(h)) uv_close(h, h->type == UV_TIMER && h->data == l ? on_timer_closed : NULL);
}

static void free_loop(ln_loop *base) {
  if (!base) return;
  loop *l = (loop *)base;
  uv_walk(&l->uv, close_handle, l);
  while (uv_run(&l->uv, UV_RUN_DEFAULT)) {}
  uv_loop_close(&l->uv);
  pthread_mutex_destroy(&l->lock);
  free(l->ring);
  free(l);
}

ln_loop *ln_loop_uv(ln_err *err) {
  loop *l = calloc(1, sizeof *l);
  if (!l) {
    ln_fail(err, "memory", LN_AGAIN, "no memory for an event loop");
    return NULL;
  }
  int e = uv_loop_init(&l->uv);
  if (e) goto fail;
  if ((e = uv_async_init(&l->uv, &l->wake, on_wake))) {
    uv_loop_close(&l->uv);
    goto fail;
  }
  uv_idle_init(&l->uv, &l->more);
  pthread_mutex_init(&l->lock, NULL);
  l->base = (ln_loop){ln_clock_real(), post, start_timer, cancel, run, stop, hold, free_loop, &l->uv};
  return &l->base;
fail:
  ln_fail(err, "unavailable", LN_AGAIN, "cannot make an event loop: %s", uv_strerror(e));
  free(l);
  return NULL;
}
