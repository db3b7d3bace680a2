/* engine_rig.h: the engine on a simulated set: one thread, virtual time, a disk in memory, and an outside
** world of this file's own that keeps its own record of what was done to it.  A test says its scripts as
** text, how the world answers, and after which of the writer's jobs the process dies; then it compares
** world and store.
**
** The world outlives the process: a rig has many lives, each with an engine, a loop and a store of its
** own. */
#ifndef LN_ENGINE_RIG_H
#define LN_ENGINE_RIG_H

#include "engine/run.h"
#include "engine/sched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { RIG_WORLD = 64, RIG_SAYS = 32, RIG_TOKENS = 12, RIG_RUNS = 8 };

typedef struct rig_act {                                 /* something the world was asked                   */
  char phase[8];                                         /* "read" "look" "place" "send" "probe" "follow"   */
  char step[128], id[96], to[32], tag[160];
  bool acted;                                            /* the world has changed by it                     */
  int life;
  int64_t at_ms;
} rig_act;

typedef struct rig_say { char step[96], phase[8], token[RIG_TOKENS][32]; int n, at; } rig_say;
typedef struct rig_thing { char id[96], state[32]; } rig_thing;

/* the next job is not applied; or it is, and nobody learns it */
typedef enum rig_death { RIG_BEFORE, RIG_AFTER } rig_death;

typedef struct rig rig;
struct rig {
  char folder[64], disk[16], conf[2048];
  uint64_t seed;
  ln_vfs_sim *vfs;
  /* the world */
  rig_act *acts;
  size_t n_acts, cap_acts;
  rig_thing things[RIG_WORLD];
  size_t n_things;
  rig_say says[RIG_SAYS];
  size_t n_says;
  int64_t endpoints;                                     /* that the world says it knows; 0: it does not    */
  const char *writes;                                    /* "allow" (NULL), "ask", "never"                  */
  void (*on_send)(rig *r, ln_effect *e);                 /* before the world acts                           */
  /* a life */
  bool up;
  int life;
  int64_t now_ms, gap_ms;                                /* gap: between two lives                          */
  ln_engine g;
  ln_config *config;
  ln_rand rand;
  ln_run_options options;
  ln_run *run[RIG_RUNS];
  char told[RIG_RUNS][16];                               /* the last of "end" "waiting" "broken", or ""     */
  char events[1 << 16];                                  /* a line an event                                 */
  bool stop_each;                                        /* rig_go returns at each of those events          */
  void (*on_event)(rig *r, const ln_event *e);
  bool served;                                           /* a scheduler carries the runs, for lives to come */
  size_t warm;                                           /* of its parked runs                              */
  ln_sched *sched;
  /* the writer's jobs */
  void (*on_done)(rig *r);                               /* one was committed, and nobody knows yet         */
  void (*on_wait)(rig *r);                               /* before one that is waited for; once             */
  bool restored;                                         /* lives to come have the backup for their store   */
  int64_t jobs, kill_at;                                 /* done so far; -1: never                          */
  int64_t jobs_tried;                                    /* applied, whatever became of them                */
  rig_death death;
  bool dead;
};

rig *rig_new(uint64_t seed);
void rig_free(rig *r);                                   /* and the folder                                  */
/* Only the writer's doors, for a test that has an engine of its own on this loop. */
rig *rig_around(ln_loop *l);
void rig_let_be(rig *r);
void rig_conf(rig *r, const char *lua); /* further lines of the configuration, for lives to come */
void rig_conf_stdlib(rig *r, const char *lua); /* and where stdlib/ is, wherever the test was built */
void rig_script(rig *r, const char *module, const char *source); /* "t.main"; its file is written           */
/* How the world answers a step, ask by ask ("lost+@5000": after 5 s); then as it is.
**   read    ok err                       look    ok err =STATE
**   place   ok no (it cannot be sent) die (the process)    only fake.queued has it
**   send    did no (refused) same (it was so) lost hang die (the process), each with + (the world acts) or -;
**           off (not acted on: it waits for another turn)
**   probe   yes no unknown               follow  run done wait (pending) bad same (it was so) */
void rig_say_(rig *r, const char *step, const char *phase, const char *tokens);
const char *rig_thing_is(rig *r, const char *id);        /* its state; "absent"                             */
void rig_thing_set(rig *r, const char *id, const char *state);
int rig_count(const rig *r, const char *phase, const char *step); /* how often; step NULL: any; send: asked */
int rig_acted(const rig *r, const char *step);           /* how often the world changed by it               */

void rig_up(rig *r);
void rig_down(rig *r);                                   /* runs are let go in order; parked unless dead    */
void rig_backup(rig *r);                                 /* of the store of the life that is up             */
void rig_crash(rig *r);                                  /* nothing more reaches the disk                   */
ln_run *rig_start(rig *r, const char *playbook, const char *input_json); /* in run[first free]              */
ln_run *rig_resume(rig *r, const char *which);           /* NULL: it could not; rig_err says why            */
ln_run *rig_undo(rig *r, const char *which);             /* the same */
ln_run *rig_release(rig *r, const char *entity, const char *why);
void rig_go(rig *r); /* the loop runs until all runs have stopped, or it died */
void rig_pass(rig *r, int64_t ms);                       /* the loop runs for so long, or until it died     */
int rig_runs(rig *r, const char *state);                 /* runs of the store in that state                 */
bool rig_approve(rig *r, int64_t id, bool yes, const char *by); /* 0: every one that waits                  */
bool rig_settle(rig *r, const char *step, bool did, const char *result_json);
extern ln_err rig_err;                                   /* of the last of these that failed                */

/* A run of `playbook` carried to its end through whatever comes: deaths (kill_at), approvals, doubt
** (settled by the world's own account).  Leaves a life that is up. */
void rig_carry(rig *r, const char *playbook, const char *input_json);
/* The same, but nobody answers anything: until it ended, or waits. */
const char *rig_live(rig *r, const char *playbook, const char *input_json);

/* Of the newest run, from the store; each good until the next call. */
const char *rig_state(rig *r);                           /* "completed"                                     */
const char *rig_outcome(rig *r);
const char *rig_result(rig *r);                          /* JSON                                            */
const char *rig_error(rig *r);                           /* JSON; ""                                        */
const char *rig_doc(rig *r);                             /* the whole document                              */
const char *rig_entries(rig *r); /* the journal, a line an entry: "DONE fake.read#1 done" */
size_t rig_deliveries(rig *r, int64_t run);              /* that are on disk                                */
/* "intent" "result" "delivered" "doubt" … */
bool rig_on_disk(rig *r, int64_t run, const char *step, const char *what);

#define assert_has(text, what)                                                                              \
  do {                                                                                                      \
    const char *t_ = (text);                                                                                \
    if (!strstr(t_, (what))) fail_msg("\"%s\" is not in:\n%s", (what), t_);                                 \
  } while (0)
#define assert_lacks(text, what)                                                                            \
  do {                                                                                                      \
    const char *t_ = (text);                                                                                \
    if (strstr(t_, (what))) fail_msg("\"%s\" is in:\n%s", (what), t_);                                      \
  } while (0)

void rig_body(rig *r, const char *body);                 /* t.main is that, with `fake` and "t.*" granted   */

#endif
