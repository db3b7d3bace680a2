/* sim.h: what the parts of the simulation know of each other.
**
** A seed is a history: runs of playbooks, people, vendors, a disk, and deaths on the way.  The whole of it is
** one thread of one process, under virtual time; nothing of it depends on anything but the seed.  A death is
** a jump out of the process that dies (a "life"): nothing of its code runs any more, its memory is let lie,
** and what it had open is stale.  World, vendors and disk outlive it.
**
** A history runs in a child of its own (main.c), so that what all have in common is made once (prepare.c). */
#ifndef SIM_H
#define SIM_H

#include "debug/simset.h"
#include "engine/inside.h"
#include "engine/sched.h"

#include <setjmp.h>

/* Of the slots the first ones are lives; then come the rival, and the process that replays. */
enum {
  SIM_RUNS = 8,
  SIM_ALL = 64,
  SIM_LIVES = 9,
  SIM_RIVAL,
  SIM_REPLAY,
  SIM_SLOTS,
  SIM_TEXT = 6000,
  SIM_STEP = 256,
  SIM_SENT = 12,
  SIM_INPUTS = 4
};

/* ------------------------------------------------------------------ where a process can die */

/* What a job of the writer wrote. */
typedef enum sim_job {
  JOB_CREATE,
  JOB_OWN,
  JOB_ENTRIES,
  JOB_LOCAL,
  JOB_INTENT,
  JOB_RESULT,
  JOB_ACCEPTED,
  JOB_WITHDRAWN,
  JOB_DOUBT,
  JOB_SETTLED,
  JOB_QUESTION,
  JOB_VOTE,
  JOB_EXPIRY,
  JOB_PARK,
  JOB_END,
  JOB_CONTENT,
  JOB_ALERT,
  JOB_DECIDED,
  JOB_OTHER,
  JOBS
} sim_job;

/* Of a job: its transaction is not committed; the power goes within its commit; it is committed, and nobody
** was told; others of its batch were told. */
typedef enum sim_phase { AT_LOST, AT_TORN, AT_KEPT, AT_TOLD, PHASES } sim_phase;

/* Of a request: the vendor has not seen it; has acted; its answer is here and not yet looked at. */
typedef enum sim_ask { ASK_READ, ASK_WRITE, ASK_TOKEN, ASKS } sim_ask;
typedef enum sim_stage { AT_SENT, AT_ACTED, AT_ANSWERED, STAGES } sim_stage;

enum { SIM_ASK_POINT = JOBS * PHASES, SIM_IDLE_POINT = SIM_ASK_POINT + ASKS * STAGES, SIM_POINTS };
static inline int sim_job_point(sim_job j, sim_phase p) { return (int)j * PHASES + (int)p; }
static inline int sim_ask_point(sim_ask k, sim_stage s) { return SIM_ASK_POINT + (int)k * STAGES + (int)s; }
const char *sim_point_name(int point, char out[48]);

enum { SIM_STANDS = LN_W_RECORDING + 1 };                /* of a write, when the process dies               */
extern const char *const sim_stand_names[SIM_STANDS];

/* ------------------------------------------------------------------ what is broken on purpose (mutants.c) */

typedef enum sim_mutant {
  MUTANT_NONE,
  MUTANT_SEND_FIRST,
  MUTANT_NO_EPOCH,
  MUTANT_FORGET_RESULT,
  MUTANT_FORGET_LOCAL,
  MUTANT_LYING_DISK,
  MUTANT_RESEND,
  MUTANT_DEAF_PROBE,
  MUTANT_HASTY_PROBE,
  MUTANT_NO_LEDGER,
  MUTANT_DISORDER,
  MUTANT_DENIED,
  MUTANT_ALONE,
  MUTANT_NO_JOINER,
  MUTANT_NO_AUDIT,
  MUTANT_ANSWER_FIRST,
  MUTANT_DECIDE_APART,
  MUTANT_NO_KEY,
  MUTANTS
} sim_mutant;
extern const char *const sim_mutant_names[MUTANTS];

/* ------------------------------------------------------------------ what is made once */

typedef struct sim_world {
  ln_simset *set;                                        /* whose parts these are:                          */
  ln_simhost *vendors;
  ln_vfs_sim *disk;                                      /* with a store that has the scripts               */
  ln_engine *slot;                                       /* SIM_SLOTS: one a process */
  struct ln_snapshot *scripts[SIM_SLOTS][2];             /* of each: as they are, and edited                */
  ln_buf input[SIM_INPUTS];                              /* of t1059.respond: encoded, one an alert         */
  const char *folder;                                    /* where histories have folders of their own       */
} sim_world;

#define SIM_UNDO "ledger.undo"
#define SIM_RELEASE "ledger.release"
#define SIM_SHARERS "hostile.turns" /* of which several hold the same things */
enum { SIM_FOLDER = 100 };
#define SIM_FILES "/proc/self/fd/100"                    /* a history's own folder, under one name for all  */

bool sim_takes_back(const char *playbook);
bool sim_prepare(sim_world *w, ln_err *err);
/* An engine with all connectors loaded; without store, loop and transport. */
bool sim_engine(ln_config *config, ln_engine *g, ln_err *err);

/* ------------------------------------------------------------------ a history */

typedef struct sim_result {                              /* what it tells its parent                        */
  uint64_t seed, trace;
  bool finished, ok;
  char why[SIM_TEXT];                                    /* what is wrong                                   */
  int runs, effects, crashes, power_cuts, full_disks, requests, writes, faults, doubts, approvals, cancels,
      lives, clock_steps, moves, alerts;
  int replayed, states[3];                               /* runs by how they ended                          */
  int jobs[JOBS];                                        /* of the writer, committed or not                 */
  int points[SIM_POINTS], stands[SIM_STANDS];            /* deaths there                                    */
} sim_result;

typedef struct sim_request {                             /* a write that a vendor got                       */
  char ulid[LN_ULID + 1], step[SIM_STEP], op[64];
  int attempt, life;
  bool idempotent, twice;                                /* twice: the network brought it twice             */
  int acted;                                             /* how often the vendor did it                     */
  bool late;                                             /* it is still on its way                          */
  int64_t at_ms;
} sim_request;

typedef struct sim_run { /* the planned ones first; then those that they began */
  char playbook[48], by[16];
  ln_buf input;
  ln_approve approve;
  int64_t start_ms, cancel_ms;                           /* since the beginning; cancel 0: never            */
  int undoes; /* of ledger.undo: which run, by its number; of ledger.release: what it is begun after */
  char ulid[LN_ULID + 1];                                /* "": not begun                                   */
  bool known;                                            /* its beginning was acknowledged                  */
  bool over, cancelled;
  char told[16];                                         /* the last of "end" "waiting" "broken", or ""     */
  char ended_as[16];                                     /* as its event said                               */
} sim_run;

/* What a sender hands in: of each alert which one it is. */
typedef struct sim_sent { int id[3], n; bool taken, sending, again; } sim_sent;

/* What the writer has acknowledged of one run: the hashes of its entries, and in which order they were
** applied. */
typedef struct sim_entry { uint64_t hash, turn; } sim_entry;
typedef struct sim_acked { int64_t run; sim_entry *v; size_t n, cap; } sim_acked;

typedef struct sim {
  uint64_t seed;
  sim_mutant mutant;
  bool verbose;
  sim_world *w;
  sim_result *out;
  ln_rand plan, luck, people, senders;                   /* streams of chance, one a concern                */
  /* the plan */
  sim_run runs[SIM_ALL];
  int n_runs, n_planned, want_crashes;
  bool rare;                                             /* deaths aim at what seldom happens               */
  bool served; /* a scheduler carries the runs, as in `lunette serve` */
  size_t warm;                                           /* of its parked runs so many keep their VM        */
  double weather;                                        /* how often the network or a vendor misbehaves    */
  int steps;                                             /* so often somebody sets the clock                */
  int64_t stepped_ms;                                    /* by which it is to be set back                   */
  int grumpy;                                            /* of a hundred questions so many are denied       */
  sim_sent texts[SIM_SENT];                              /* alerts that come in                             */
  int n_texts;
  /* a life */
  ln_engine *g;
  struct ln_alerts *alerts;                              /* NULL: none come in                              */
  ln_sched *sched;                                       /* NULL: runs are carried in the foreground        */
  int life;
  int64_t begin_ms, now_ms;
  ln_timer tend, shock;
  int64_t tend_ms;
  bool in_life, replaying, disk_full;
  int full_in;                                           /* points until the disk is full; 0: not again     */
  ln_engine *rival;                                      /* another process of this life; NULL: none        */
  bool had_rival;                                        /* one a history                                   */
  char rival_for[LN_ULID + 1];                           /* which takes this run while we are about to      */
  jmp_buf out_of_life, give_up;
  bool power;                                            /* the death took the power with it                */
  /* the next death */
  int armed, countdown;                                  /* a point, or -1: any; -2: none                   */
  /* records */
  sim_request *req;
  size_t n_req, cap_req;
  sim_acked *acked;
  size_t n_acked, cap_acked;
  uint64_t trace, applied;
  int failed;
} sim;

extern sim *here;                                        /* the history under way; NULL: none               */

void sim_history(sim *s);
void sim_rival_takes(void);                              /* now, if there is one that wants to              */
ln_run *sim_carried(const char *ulid);                   /* the run, where this process carries it; or NULL */
sim_run *sim_run_of(const char *ulid);                   /* NULL: nobody has heard of it                    */
/* The first fault found counts; the text says what, and is told with the seed. */
void sim_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void sim_trace(const char *what, ln_str bytes);          /* into the trace, and shown if somebody looks     */
uint64_t sim_hash(uint64_t h, ln_str bytes);
size_t sim_pick(ln_rand *r, size_t below);
bool sim_chance(ln_rand *r, double p);

/* doors.c: the writer's doors; a death */
bool sim_strikes(int point);                            /* is the next death at this point, now? */
void sim_point(int point);                               /* then: does not return                           */
void sim_die(int point, bool power) __attribute__((noreturn));
void sim_arm(void);                                      /* chooses the next death of this history          */

/* network.c: the vendors behind a bad network */
ln_transport *sim_network(const ln_engine *g, ln_err *err); /* of a process; its loop is set            */
void sim_network_next_life(void);                        /* what is still on its way arrives in the next    */
bool sim_network_quiet(void);                            /* nothing is still on its way                     */
/* How often the vendors did this step (here->req). */
int sim_acted(const char *ulid, ln_str step);
/* Appends an encoded array of { entity, facet, state }: what is so at a vendor that is not as it always was.
** False: nobody ever asked it anything. */
bool sim_truth(const char *vendor, ln_buf *rows);
bool sim_knows(const char *op);                          /* is it on record (here->req) who did this?       */

/* edits.c: playbooks that are edited; runs that wait are moved to them, and back */
bool sim_edits_prepare(sim_world *w, ln_err *err);
void sim_edit_some(void);

/* people.c: what people do */
void sim_people(void);

/* alerts.c: alerts that come in, in a served history; begin: in a life */
void sim_alerts_plan(void);
bool sim_alerts_begin(ln_err *err);
void sim_alerts_some(void);
void sim_alerts_end(void);
bool sim_alerts_over(void);                              /* all were taken, and none is undecided           */
void sim_alerts_check(void);

/* check.c */
typedef struct sim_row {                                 /* a run's, copied                                 */
  int64_t id;
  char state[16], outcome[16];
  ln_buf result, error, waiting;
} sim_row;
bool sim_row_read(ln_store *s, const sim_run *r, sim_row *out); /* false: it is lost, and that is told      */
void sim_row_free(sim_row *w);
bool sim_row_ended(const sim_row *w);
void sim_check(void);

/* replays.c: rows of here->runs */
void sim_replays(const sim_row *rows);

#endif
