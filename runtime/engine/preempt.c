/* preempt.c: see preempt.h.  The watches are a list under one mutex, which the ticking thread holds
** while it signals: so a thread that is signalled still exists.  A watch outlives its thread, to be used
** by another, for somebody may be about to kick it.  When no turn has been under way for a while the
** thread sleeps until one begins; `asleep` and `due` are stored and loaded in one total order, so that
** of "a turn begins" and "nobody is there, sleep" one sees the other.
**
** The signal is SIGURG: ignored by default, used by nobody here, and harmless when it comes late. */
#include "engine/preempt.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

struct ln_watch {
  ln_watch *next;
  bool used;                                             /* by a thread that lives; under lock, as is this: */
  pthread_t thread;
  _Atomic int64_t due;                                   /* of the innermost turn; 0: none is under way     */
  atomic_bool kick;
  ln_turn_of *volatile turn;                             /* its own thread's, and that thread's handler's   */
  int64_t seen, again, pause;      /* the ticking thread's: the turn it signalled last, when to do so again */
};

enum { SIGNAL = SIGURG, TICK_US = 2000, PAUSE_MOST_US = 32000, IDLE_TICKS = 25 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_exit_key;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static ln_watch *watches;                                /* under lock                                      */
static atomic_bool asleep;
static bool started;                                     /* by start_all                                    */
static _Thread_local ln_watch *volatile mine;

int64_t ln_preempt_now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void on_signal(int sig) {
  int saved = errno;
  ln_watch *w = mine;
  ln_turn_of *t = w ? w->turn : NULL;
  (void)sig;
  if (t) t->due(t->arg);
  errno = saved;
}

/* Is the turn overdue?  One that stays so is signalled less and less often, for arming a hook takes as
** long as the script's calls are deep, and must not become all that happens. */
static bool overdue(ln_watch *w, int64_t due, int64_t now) {
  if (due != w->seen) {
    w->seen = due;
    w->again = due;
    w->pause = TICK_US;
  }
  if (now < w->again) return false;
  w->again = now + w->pause;
  if (w->pause < PAUSE_MOST_US) w->pause *= 2;
  return true;
}

/* Signals whoever is overdue or kicked.  Is any turn under way?  Under lock. */
static bool look_round(void) {
  int64_t now = ln_preempt_now_us();
  bool any = false;
  for (ln_watch *w = watches; w; w = w->next) {
    int64_t due = atomic_load(&w->due);
    if (!due) continue;
    any = true;
    bool kicked = atomic_exchange(&w->kick, false);
    if (overdue(w, due, now) || kicked) pthread_kill(w->thread, SIGNAL);
  }
  return any;
}

static void sleep_until_turn(void) {
  atomic_store(&asleep, true);
  while (atomic_load(&asleep) && !look_round()) pthread_cond_wait(&wake, &lock);
  atomic_store(&asleep, false);
}

static void *tick(void *arg) {
  const struct timespec pause = {0, TICK_US * 1000L};
  int idle = 0;
  pthread_mutex_lock(&lock);
  for (;;) {
    idle = look_round() ? 0 : idle + 1;
    if (idle >= IDLE_TICKS) {
      sleep_until_turn();
      idle = 0;
    }
    pthread_mutex_unlock(&lock);
    nanosleep(&pause, NULL);
    pthread_mutex_lock(&lock);
  }
  return arg; /* never */
}

static void forget(void *arg) {
  ln_watch *w = arg;
  pthread_mutex_lock(&lock);
  w->used = false;
  pthread_mutex_unlock(&lock);
}

static void start_all(void) {
  struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
  sigset_t all, before;
  pthread_attr_t attr;
  pthread_t thread;
  sigemptyset(&sa.sa_mask);
  if (sigaction(SIGNAL, &sa, NULL) || pthread_key_create(&at_exit_key, forget)) return;
  if (pthread_attr_init(&attr)) return;
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attr, 128 * 1024);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* the ticking thread takes no signal */
  started = pthread_create(&thread, &attr, tick, NULL) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attr);
}

/* An unused one, or a new one in the list.  Under lock. */
static ln_watch *take_watch(void) {
  ln_watch *w = watches;
  while (w && w->used) w = w->next;
  if (!w && (w = calloc(1, sizeof *w))) {
    w->next = watches;
    watches = w;
  }
  if (w) {
    w->used = true;
    w->thread = pthread_self();
  }
  return w;
}

static ln_watch *new_watch(void) {
  sigset_t ours;
  pthread_mutex_lock(&lock);
  ln_watch *w = take_watch();
  pthread_mutex_unlock(&lock);
  if (!w) return NULL;
  if (pthread_setspecific(at_exit_key, w)) {
    forget(w);
    return NULL;
  }
  sigemptyset(&ours);
  sigaddset(&ours, SIGNAL);
  pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
  mine = w;
  return w;
}

ln_watch *ln_preempt_begin(ln_turn_of *t, ln_err *err) {
  pthread_once(&once, start_all);
  ln_watch *w = mine;
  if (!started || (!w && !(w = new_watch()))) {
    ln_fail(err, "memory", LN_AGAIN, "no thread to watch over a script's turn");
    return NULL;
  }
  t->outer = w->turn;
  atomic_signal_fence(memory_order_seq_cst); /* the handler finds *t whole */
  w->turn = t;
  atomic_store(&w->due, t->at_us);
  if (atomic_load(&asleep)) {
    pthread_mutex_lock(&lock);
    atomic_store(&asleep, false);
    pthread_cond_signal(&wake);
    pthread_mutex_unlock(&lock);
  }
  return w;
}

void ln_preempt_end(ln_watch *w, ln_turn_of *t) {
  atomic_store(&w->due, t->outer ? t->outer->at_us : 0);
  w->turn = t->outer;
}

void ln_preempt_kick(ln_watch *w) { atomic_store(&w->kick, true); }
