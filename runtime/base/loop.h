/* loop.h: the seam of scheduling: one thread's queue of tasks and timers.  loop_uv.c is the real one;
** loop_sim.c has virtual time: it jumps to the next timer when nothing else is to do, and a seed shuffles
** tasks that are due at once.  Callbacks run on the loop's thread, from the top of the loop, never from
** within post or start.  A timer never fires early.  While something is held, virtual time stands still:
** what is outside takes real time.  Cancel every timer before the loop is freed. */
#ifndef LN_LOOP_H
#define LN_LOOP_H

#include "base/clock.h"
#include "base/err.h"

typedef void (*ln_task_fn)(void *arg);
typedef struct ln_loop ln_loop;

typedef struct ln_timer {                                /* inside its owner; zero it before first use    */
  ln_loop *loop;
  ln_task_fn fn;
  void *arg;
  void *impl;                                            /* NULL: not running                             */
} ln_timer;

struct ln_loop {
  ln_clock *clock;
  bool (*post)(ln_loop *l, ln_task_fn fn, void *arg);    /* from any thread; false: no memory             */
  bool (*timer)(ln_loop *l, ln_timer *t, int64_t after_ms); /* once; restarts a running one; fn, arg set  */
  void (*cancel)(ln_loop *l, ln_timer *t);               /* quiet if it does not run                      */
  void (*run)(ln_loop *l);                               /* until stop, or nothing is left to do          */
  void (*stop)(ln_loop *l);                              /* from any thread                               */
  void (*hold)(ln_loop *l, int by);                      /* +1/-1: outside work under way; run does not end
                                                            while > 0; from any thread                    */
  void (*free)(ln_loop *l);
  void *uv;                                              /* loop_uv: its uv_loop_t, for net; else NULL      */
};

ln_loop *ln_loop_uv(ln_err *err);                        /* real; free with l->free                       */
ln_loop *ln_loop_sim(uint64_t seed, int64_t wall_ms, ln_err *err); /* virtual, starting at wall_ms        */
void ln_loop_sim_step(ln_loop *l, int64_t ms);           /* somebody sets its wall clock; timers go by mono */
static inline bool ln_post(ln_loop *l, ln_task_fn fn, void *arg) { return l->post(l, fn, arg); }

#endif
