/* writer.c: group commit.  Jobs queue; the one writer takes what has queued, applies it as one batch
** (commit.c) and gives each loop its jobs back with one post, in order.  The writer is a thread, or, in the
** simulated set, a task of a loop; a store whose writer was not started (a command that writes once) applies
** on the caller's thread.
**
** The queue's lock is held to link and to take, never while a batch is under way, so submitting costs no
** wait.
**
** Jobs that were given back are often followed by the next ones of the same runs.  So the thread does not
** take the first of them, and make the others wait for a sync of its own, while a loop is still about giving
** the last batch back: it waits for that, but at most a part of what a sync takes.
**
** A job that nobody waits for (what a run has read so far) waits for company: it goes with the next one that
** somebody waits for, or when it has waited for a while. */
#include "base/log.h"
#include "store/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

typedef struct job job;
struct job {
  job *next;
  ln_loop *back;
  ln_apply_fn apply;
  ln_done_fn done;
  void *arg;
  ln_err *err; /* why it failed; NULL: committed */
  bool failed, held;
  struct waiter *waiter; /* of ln_writer_run; such a job is not freed */
  job *other, *last;     /* of the first of a loop: the next loop's; its end */
  ln_writer *writer;     /* of the first of a loop */
};

typedef struct waiter {
  pthread_cond_t over;
  bool finished;
} waiter;

struct ln_writer {
  ln_store *store;
  pthread_t thread;
  pthread_mutex_t mx;
  pthread_cond_t wake; /* the thread's */
  job *first, *last;
  bool stopping;
  bool eager; /* the thread wants the first job that comes */
  size_t wanted; /* queued jobs that somebody waits for */
  struct timespec due; /* when the first of a queue of others has waited long enough */
  int refs;   /* the store, and each post under way */
  int giving; /* posts under way */
  ln_loop *loop; /* NULL: a thread */
  ln_timer timer;
  job *out_first, *out_last; /* with a loop: firsts of batches, by `other` */
};

/* so long the thread waits for the loops; a job for company */
enum { GIVING_NS = 200000, COMPANY_NS = 10000000 };

/* --- giving back --- */

/* A job whose error could not even be kept. */
static const ln_err no_memory = {
    .code = "memory", .message = "no memory to say what failed", .retry = LN_AGAIN};

static void fail_job(job *j, const ln_err *err) {
  j->failed = true;
  if (j->waiter || (j->err = malloc(sizeof *err))) *j->err = *err;
}

static void finish(job *j) {
  if (j->done) j->done(j->arg, !j->failed ? NULL : j->err ? j->err : &no_memory);
  if (j->back && j->held) j->back->hold(j->back, -1);
  free(j->err);
  free(j);
}

static void finish_all(job *first) {
  for (job *j = first, *next; j; j = next) {
    next = j->next;
    finish(j);
  }
}

static void release(ln_writer *w) {
  pthread_mutex_lock(&w->mx);
  bool last = --w->refs == 0;
  pthread_mutex_unlock(&w->mx);
  if (!last) return;
  pthread_cond_destroy(&w->wake);
  pthread_mutex_destroy(&w->mx);
  free(w);
}

/* --- through a loop: each post holds the writer, which may have been stopped meanwhile --- */

static void posted(ln_writer *w, int by) {
  pthread_mutex_lock(&w->mx);
  w->giving += by;
  w->refs += by > 0;
  if (w->giving == 0 && !w->eager) pthread_cond_signal(&w->wake);
  pthread_mutex_unlock(&w->mx);
  if (by < 0) release(w);
}

static void finish_posted(void *arg) {
  job *first = arg;
  ln_writer *w = first->writer;
  finish_all(first);
  posted(w, -1);
}

/* The simulated loop runs what is due at once in any order, but jobs come back in theirs: each of its posts
** gives back what has waited longest, whichever post that was of. */
static void finish_oldest(void *arg) {
  ln_writer *w = arg;
  job *first = w->out_first;
  if (first && !(w->out_first = first->other)) w->out_last = NULL;
  finish_all(first);
  posted(w, -1);
}

static void post_task(ln_writer *w, job *first) {
  first->other = NULL;
  if (w->out_last) w->out_last->other = first;
  else w->out_first = first;
  w->out_last = first;
  if (!ln_post(w->loop, finish_oldest, w)) finish_oldest(w);
}

/* One post a loop.  Without memory for it the writer's thread waits, and what is queued behind it too. */
static void post(ln_writer *w, job *first) {
  static const struct timespec pause = {0, 1000000};
  posted(w, +1);
  first->writer = w;
  if (w->loop && w->loop == first->back) {
    post_task(w, first);
    return;
  }
  while (!ln_post(first->back, finish_posted, first)) nanosleep(&pause, NULL);
}

static void wake(ln_writer *w, job *j) {
  if (w) pthread_mutex_lock(&w->mx);
  j->waiter->finished = true;
  if (w) pthread_cond_signal(&j->waiter->over);
  if (w) pthread_mutex_unlock(&w->mx);
}

/* Jobs from list up to end, which is not one of them.  w is NULL for a waiter's job alone. */
static void give_back(ln_writer *w, job *list, job *end) {
  job *loops = NULL;
  for (job *j = list, *next; j != end; j = next) {
    next = j->next;
    j->next = NULL;
    if (j->waiter) {
      wake(w, j);
    } else if (!j->back) {
      finish(j);
    } else {
      job *l = loops;
      while (l && l->back != j->back) l = l->other;
      if (l) {
        l->last = l->last->next = j;
      } else {
        j->last = j;
        j->other = loops;
        loops = j;
      }
    }
  }
  for (job *l = loops, *next; l; l = next) {
    next = l->other;
    post(w, l);
  }
}

/* --- one batch --- */

static void fail_all(job *list, job *end, const ln_err *why) {
  ln_err err;
  ln_fail(&err, "store", why->retry, "%s", why->message);
  for (job *j = list; j != end; j = j->next)
    if (!j->failed) fail_job(j, &err);
    else if (j->err) *j->err = err; /* it was judged by what is not so */
}

/* Applies jobs of the list within the bounds of a batch; *end: the first that is not of it. */
static bool apply_jobs(ln_tx *tx, job *list, job **end, uint64_t *committed, ln_err *err) {
  int n = 0;
  bool spoilt = false;
  *committed = 0;
  job *j = list;
  for (; j && n < LN_BATCH_JOBS && tx->bytes < LN_BATCH_BYTES && !spoilt; j = j->next, n++) {
    if (ln_batch_apply(tx, j->apply, j->arg, &spoilt, err)) ++*committed;
    else if (!spoilt) fail_job(j, err);
  }
  *end = j;
  if (spoilt) ln_batch_abort(tx);
  return !spoilt && ln_batch_commit(tx, err);
}

/* Returns what is left of the list. */
static job *run_batch(ln_store *s, job *list) {
  ln_err err;
  job *end = list;
  uint64_t committed = 0;
  pthread_mutex_lock(&s->write_mx);
  bool ok = ln_batch_begin(&s->tx, &err);
  if (!ok)
    for (int n = 0; end && n < LN_BATCH_JOBS; n++) end = end->next;
  else ok = apply_jobs(&s->tx, list, &end, &committed, &err);
  pthread_mutex_unlock(&s->write_mx);
  if (ok) {
    pthread_mutex_lock(&s->count_mx);
    s->stats.jobs += committed;
    pthread_mutex_unlock(&s->count_mx);
  } else {
    ln_log(LN_ERROR, "store.commit", "error=%s", err.message);
    fail_all(list, end, &err);
  }
  give_back(s->writer, list, end);
  return end;
}

/* --- the queue --- */

static struct timespec in(long ns) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  t.tv_nsec += ns;
  if (t.tv_nsec >= 1000000000) t.tv_sec++, t.tv_nsec -= 1000000000;
  return t;
}

static void enqueue(ln_writer *w, job *j, bool wanted) {
  if (!w->first && !wanted && !w->loop) w->due = in(COMPANY_NS);
  w->wanted += wanted;
  if (w->last) w->last->next = j;
  else w->first = j;
  w->last = j;
}

static job *take_all(ln_writer *w) {
  job *list = w->first;
  w->first = w->last = NULL;
  w->wanted = 0;
  return list;
}

/* On the writer's own thread or task: everything that has queued, in as many batches as it takes. */
static void drain(ln_writer *w) {
  for (;;) {
    pthread_mutex_lock(&w->mx);
    job *list = take_all(w);
    pthread_mutex_unlock(&w->mx);
    if (!list) return;
    while (list) list = run_batch(w->store, list);
  }
}

/* A step of tidying the log, when it is due and nobody waits, or long overdue.  True: there may be more to
** do. */
static bool tidy(ln_writer *w) {
  ln_tx *tx = &w->store->tx;
  pthread_mutex_lock(&w->mx);
  bool idle = !w->first && !w->stopping;
  pthread_mutex_unlock(&w->mx);
  pthread_mutex_lock(&w->store->write_mx);
  bool more = ln_tx_tidy_due(tx, idle) && ln_tx_tidy(tx);
  pthread_mutex_unlock(&w->store->write_mx);
  return more && idle;
}

/* With w->mx held.  Until there is work that somebody waits for, and the last batch has been given back, or
** that takes too long; or until other work has waited long enough. */
static void wait_for_work(ln_writer *w) {
  struct timespec until = in(GIVING_NS);
  w->eager = w->giving == 0;
  while (!w->stopping && !(w->wanted && (w->eager || w->giving == 0))) {
    if (!w->eager) {
      w->eager = pthread_cond_timedwait(&w->wake, &w->mx, &until) != 0 || w->giving == 0;
    } else if (!w->first) {
      pthread_cond_wait(&w->wake, &w->mx);
    } else if (pthread_cond_timedwait(&w->wake, &w->mx, &w->due) == ETIMEDOUT) {
      break;
    }
  }
  w->eager = false;
}

static void *thread_main(void *arg) {
  ln_writer *w = arg;
  for (;;) {
    pthread_mutex_lock(&w->mx);
    wait_for_work(w);
    job *list = take_all(w);
    pthread_mutex_unlock(&w->mx);
    if (!list) return NULL;
    while (list) list = run_batch(w->store, list);
    while (tidy(w)) continue;
  }
}

/* The task: one batch a time, so that other tasks come in between. */
static void task_main(void *arg) {
  ln_writer *w = arg;
  pthread_mutex_lock(&w->mx);
  job *list = take_all(w);
  pthread_mutex_unlock(&w->mx);
  if (!list) return;
  job *rest = run_batch(w->store, list);
  tidy(w);
  if (!rest) return;
  job *end = rest;
  while (end->next) end = end->next;
  end->next = w->first;
  if (!w->last) w->last = end;
  w->first = rest;
  if (!w->timer.impl && !w->loop->timer(w->loop, &w->timer, 0)) drain(w);
}

static void init(ln_writer *w) {
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_mutex_init(&w->mx, NULL);
  pthread_cond_init(&w->wake, &monotonic);
  pthread_condattr_destroy(&monotonic);
}

bool ln_writer_start(ln_store *s, ln_loop *as_tasks_of, ln_err *err) {
  if (s->writer) return true;
  ln_writer *w = calloc(1, sizeof *w);
  if (!w) return ln_fail(err, "memory", LN_AGAIN, "no memory for the store's writer");
  *w = (ln_writer){.store = s, .refs = 1, .loop = as_tasks_of, .timer = {.fn = task_main, .arg = w}};
  init(w);
  s->writer = w;
  int rc = w->loop ? 0 : pthread_create(&w->thread, NULL, thread_main, w);
  if (rc == 0) return true;
  s->writer = NULL;
  release(w);
  return ln_fail(err, "store", LN_AGAIN, "the store's writer cannot be started: %s", strerror(rc));
}

void ln_writer_stop(ln_store *s) {
  ln_writer *w = s->writer;
  if (!w) return;
  pthread_mutex_lock(&w->mx);
  w->stopping = true;
  pthread_cond_signal(&w->wake);
  pthread_mutex_unlock(&w->mx);
  if (w->loop) {
    w->loop->cancel(w->loop, &w->timer);
    drain(w);
  } else {
    pthread_join(w->thread, NULL);
  }
  s->writer = NULL;
  release(w);
}

static bool submit(ln_store *s, ln_loop *back, ln_apply_fn apply, ln_done_fn done, void *arg, bool wanted) {
  ln_writer *w = s->writer;
  job *j = w ? calloc(1, sizeof *j) : NULL;
  if (!j) return false;
  *j = (job){.back = back, .apply = apply, .done = done, .arg = arg};
  pthread_mutex_lock(&w->mx);
  bool ok = !w->stopping;
  if (ok && w->loop && !w->timer.impl) ok = w->loop->timer(w->loop, &w->timer, 0);
  if (ok) {
    j->held = back && !w->loop; /* a task is no outside work: time may pass until it runs */
    if (j->held) back->hold(back, +1);
    bool first = !w->first;
    enqueue(w, j, wanted);
    if (w->eager && (wanted || first)) pthread_cond_signal(&w->wake);
  }
  pthread_mutex_unlock(&w->mx);
  if (!ok) free(j);
  return ok;
}

bool ln_writer_submit(ln_store *s, ln_loop *back, ln_apply_fn apply, ln_done_fn done, void *arg) {
  return submit(s, back, apply, done, arg, true);
}

bool ln_writer_submit_unwaited(ln_store *s, ln_loop *back, ln_apply_fn apply, ln_done_fn done, void *arg) {
  return submit(s, back, apply, done, arg, false);
}

bool ln_writer_run(ln_store *s, ln_apply_fn apply, void *arg, ln_err *err) {
  ln_err own = {0};
  waiter wait = {.finished = false};
  job j = {.apply = apply, .arg = arg, .err = err ? err : &own, .waiter = &wait};
  ln_writer *w = s->writer;
  if (!w) {
    run_batch(s, &j);
    return !j.failed;
  }
  pthread_cond_init(&wait.over, NULL);
  pthread_mutex_lock(&w->mx);
  enqueue(w, &j, true);
  if (w->eager) pthread_cond_signal(&w->wake);
  while (!w->loop && !wait.finished) pthread_cond_wait(&wait.over, &w->mx);
  pthread_mutex_unlock(&w->mx);
  if (w->loop) drain(w);
  pthread_cond_destroy(&wait.over);
  return !j.failed;
}

void ln_writer_stats_get(const ln_store *s, ln_writer_stats *out) {
  pthread_mutex_t *mx = (pthread_mutex_t *)&s->count_mx;
  pthread_mutex_lock(mx);
  *out = s->stats;
  pthread_mutex_unlock(mx);
}
