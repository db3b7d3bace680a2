/* inside.h: the engine's own structs: a run, its branches, an effect under way.  Only runtime/engine,
** the words of modules/words*.c and the time travel of runtime/debug include it.
**
** A run is a tree of branches (coroutines of one VM).  One branch runs at a time, until it asks an effect,
** joins its children, or ends; deliveries are what makes another one runnable, in the order that the
** journal keeps.  Everything here happens on the worker's loop thread. */
#ifndef LN_INSIDE_H
#define LN_INSIDE_H

#include "engine/engine.h"
#include "engine/journal.h"
#include "engine/run.h"

#include "base/trace.h"
#include "base/units.h"

typedef struct ln_tally_slot { ln_str key; int64_t count; } ln_tally_slot;
typedef struct ln_tally {                                /* how often each text was counted (tally.c)       */
  ln_tally_slot *slots;
  size_t n, used;
} ln_tally;
int64_t ln_tally_add(ln_tally *t, ln_str key); /* the count with this one; copies key; 0: no memory */
bool ln_tally_has(const ln_tally *t, ln_str key);
void ln_tally_free(ln_tally *t);

typedef struct ln_branch ln_branch;
typedef struct ln_fork ln_fork;
typedef struct ln_replay ln_replay;                      /* replaying.h                                     */

typedef struct ln_play {                                 /* the playbook (or flow) that a branch runs under */
  char *name, *stage;                                    /* "t1059.harden", "harden"; stage "" : none       */
  char **uses; size_t n_uses;
  char **d3fend; size_t n_d3fend;
  bool malicious;                                        /* its input's `verdict` says so                   */
  int refs;
} ln_play;

typedef struct ln_permitted {                            /* one write that was shown to whoever approved    */
  uint8_t print[LN_FINGERPRINT];
  bool used;
  ln_str entity, facet, from;                            /* from: how it was then                           */
} ln_permitted;

typedef struct ln_permit {                               /* what an approval permits, each once             */
  ln_permitted *v;
  size_t n;
  bool old;                                              /* given before a restore: it permits no more      */
  char *effects;                                         /* what the texts point into                       */
} ln_permit;

typedef enum ln_branch_state {
  LN_B_RUNNABLE, LN_B_RUNNING, LN_B_ASKING, LN_B_JOINING, LN_B_ENDED
} ln_branch_state;

struct ln_branch {
  ln_run *run;
  ln_branch *parent, *next, *prev;                       /* next, prev: in the run's list of all            */
  void (*on_end)(ln_branch *b);                          /* once, outside of Lua; may free b                */
  void *on_end_arg;
  ln_branch **held_by;                                   /* set to NULL when it is freed                    */
  size_t index;                                          /* among its siblings                              */
  ln_branch *next_runnable;
  char *name;                                            /* "harden/group/00g1"; "" the root                */
  lua_State *co;
  int ref;                                               /* anchors co in the VM's registry                 */
  bool own_modules;                                      /* a stage: require loads afresh, into lib_ref     */
  int lib_ref;
  ln_branch_state state;
  int64_t cpu_us;
  ln_tally turns;                                        /* by operation; author's names too                */
  ln_play *play;
  ln_effect *asked;                                      /* what it waits for, or what was just delivered   */
  ln_fork *fork;                                         /* its children, while it joins                    */
  ln_permit *permit;                                     /* of the nearest approved(); borrowed by children */
  ln_buf *plan_into; /* collecting writes for approved(): borrowed by children */
  lua_State *in_step;                                    /* what is inside step: no effects, and no way out */
  bool polling;                                          /* inside await_until: reads only, not journaled   */
  bool cancelled;
  bool is_item; /* of a map: approvals of its siblings are one question */
  int closing;                                           /* effects that __close asked since then           */
  bool failed;                                           /* ended by an error: its value is on top of co    */
  int nres;                                              /* results on co when it ended                     */
  uint64_t rolls, step_rolls; /* random, uuid: turns; within step its own, as a replay does not run it */
  size_t depth;
};

/* Children of one branch, and how they are started and waited for (fork.c). */
struct ln_fork {
  size_t total, started, ended, width;                   /* width: how many at once                         */
  bool stop_on_error, stopping;
  bool keep;                                             /* k frees it                                      */
  bool polling;
  char **names;                                          /* the children's branch names                     */
  int fns_ref; /* registry: a function (for all), or a list of them */
  int items_ref;                                         /* registry: the list of items; LUA_NOREF: none    */
  int results_ref;                                       /* registry: a list of { ok, value }               */
  ln_play *play;                                         /* under which they run; NULL: the parent's        */
  ln_buf *plan_into;                                     /* for the children; NULL: as the parent           */
  ln_permit *permit;
  lua_KFunction k;                                       /* what goes on when all have ended                */
  lua_KContext ctx;
};

typedef enum ln_stand { /* where a write stands (write.c)                  */
                        LN_W_NEW,
                        LN_W_LOOKING,
                        LN_W_ASKING,
                        LN_W_PLACING,
                        LN_W_TURN,
                        LN_W_INTENT,
                        LN_W_SENT,
                        LN_W_FOLLOWING,
                        LN_W_SETTLING,
                        LN_W_PROBING,
                        LN_W_DOUBT,
                        LN_W_RECORDING
} ln_stand;

typedef enum ln_lift_end { LN_LIFT_REACHED, LN_LIFT_LET_GO, LN_LIFT_LOST } ln_lift_end;
typedef struct ln_lift {                                 /* the hold that a write takes back (lift.c)       */
  bool is;                                               /* this write does                                 */
  ln_str ulid, step;                                     /* whose it is: the run's, and its step            */
  int64_t run;                                           /* 0: not read yet                                 */
  ln_str entity, facet, state, before;                   /* as the ledger has them                          */
  bool malicious, pending;                               /* it rests on such a verdict; is not confirmed    */
  bool gave;                                             /* it gave something back: this takes it again     */
  ln_lift_end end;
} ln_lift;

typedef struct ln_kept { struct ln_kept *next; char bytes[]; } ln_kept;

struct ln_effect {
  ln_run *run;
  ln_branch *branch;
  ln_effect *next_ready;
  const ln_op *op;
  ln_op own_op;                                          /* for the engine's own one-off kinds              */
  char *name, where[256];                                /* where: FILE:LINE of the script, or ""           */
  uint8_t print[LN_FINGERPRINT];
  ln_buf args;
  int64_t wait_ms, lease_ms, timeout_ms;                 /* wait -1: not given, 0: false                    */
  void *work;
  void (*free_work)(void *);
  void (*drop)(ln_effect *e);
  ln_kept *kept;
  int64_t asked_ms;
  ln_record *record;                                     /* what the journal knows of it, or NULL           */
  bool started, finished, durable, go; /* durable: its RESULT is on disk; go: step may run */
  bool in_close;                                         /* asked by a __close of a cancelled branch        */
  bool with_writer;                                      /* a job about it: nobody may let go of it         */
  bool ok;
  const char *state;                                     /* "done" "unchanged" …: static                    */
  ln_buf outcome;                                        /* value or error, encoded                         */
  ln_timer timer;
  /* waits */
  int64_t due_ms;                                        /* 0: none                                         */
  int64_t wake_ms;                                       /* of its timer                                    */
  /* of a plan, which does not wait: plan.c */
  struct { ln_task_fn fn; int64_t until_ms; uint64_t seen; } skip;
  ln_str key;                                            /* what somebody will call; "": nothing            */
  ln_effect *keyed_next, **keyed_at;                     /* in the engine's list of those that have one     */
  /* Of a wait that is to be put away: is there still nothing for it?  NULL: only time, or an approval. */
  bool (*still)(ln_tx *tx, ln_effect *e, bool *waits, ln_err *err);
  int64_t approval;                                      /* id; 0: none                                     */
  const char *waiting_for;                               /* "approval" "timer" …; NULL                      */
  /* writes */
  ln_stand stand;
  ln_write w;
  ln_buf before, names, undo;                            /* what look found                                 */
  int64_t endpoints;                                     /* that the vendor knows; 0: not known             */
  bool resolved;
  bool permitted;                                        /* an approval covers it                           */
  int attempts, repeats, probes;                         /* repeats: attempts after one that was in doubt   */
  int64_t sent_ms, first_sent_ms, follow_until_ms;
  ln_buf handle, would;                                  /* would: of a planned one, what a person is shown */
  bool recovered;                                        /* it stood in the journal without a result        */
  bool perhaps;                                          /* an attempt may have been acted on               */
  ln_err *told;  /* the last answer that did not tell whether it happened, or NULL */
  bool intended; /* its intent is on disk, and nothing of it was sent yet */
  bool holds;                                            /* it has a row in the ledger                      */
  /* Of a restored run: its intent is of before that; the vendor is being asked, or was, whether it happened
  ** in the time between; a person has said that it did not. */
  bool old, listening, heard, vouched;
  bool waited;                                           /* for its turn on the entity                      */
  bool noted;                                            /* an entry says what it is about                  */
  bool signal_told;                                      /* whoever watches knows that it waits for one     */
  int64_t seen_ms;                                       /* when its last look began; 0: it had none        */
  int64_t seen_us;                                       /* that, by what never steps                       */
  ln_seen seen;                                          /* and what others had there                       */
  bool frozen;                                           /* it waited for a thaw                            */
  bool blocked;                                          /* by a write that only a person can end           */
  char ahead[LN_ULID + 1];                               /* the run whose that is                           */
  bool ahead_in_doubt;
  ln_lift lift;
  ln_buf unchanged;
  int64_t looked_ms;                                     /* when `before` was so; 0: not known              */
  int64_t wanted_ms;                                     /* since when it waits to be asked about           */
  size_t nth;                                            /* in a replay that keeps what was asked: from 1   */
};

/* What is too large for an entry, or could be taken for the name of something that is: kept by its
** content. */
typedef struct ln_spill {
  struct ln_spill *next;
  ln_content content;
  char bytes[];
} ln_spill;

typedef struct ln_span_draft ln_span_draft;              /* spans.c: told once their entries are durable   */
typedef struct ln_staged ln_staged;                      /* … and the stages that have begun                */

typedef struct ln_flush { /* one job for the writer: entries, or something else */
  ln_run *run;
  ln_buf entries;
  ln_spill *spills;
  ln_span_draft *drafts;
  size_t bytes;                                          /* of entries and spills */
  ln_apply_fn apply;
  ln_done_fn done;
  void *arg;
} ln_flush;

struct ln_run {
  ln_engine *engine;
  ln_run *next, **at;                                    /* in the engine's list: at points to this one     */
  int64_t id, root_id, epoch;
  char ulid[LN_ULID + 1];
  char *playbook, *snapshot, *started_by;
  uint8_t seed[16];
  ln_run_options options;
  ln_buf input;                                          /* encoded, coerced                                */
  ln_buf site;                                           /* the site's facts as they were at its start      */
  ln_vm *vm;
  ln_branch *root, *branches;                            /* all, newest first                               */
  ln_branch *current, *runnable, *runnable_last, *sliced;
  ln_effect *ready, *ready_last, *spare;
  ln_journal *past;
  size_t past_at;                                        /* the next delivery to repeat                     */
  bool live;                                             /* the past is used up                             */
  int64_t now_ms, created_ms;
  int64_t timed_ms, timed_lived; /* a time that it went by, which is not believed to have come (timing.c) */
  int64_t shift_ms; /* how far a plan, which waits for nothing, looks ahead */
  int skips;                                             /* waits that it did not wait for                  */
  uint64_t answers;                                      /* handed over to branches, polls' own left out    */
  uint64_t steps;                                        /* whose outcome this process put into the journal */
  ln_buf pending;                                        /* entries not yet handed to the writer            */
  ln_spill *spills;                                      /* of the pending entries                          */
  ln_span_draft *drafts;                                 /* the same                                        */
  ln_staged *staged;                                     /* the latest first                                */
  ln_trace trace;                                        /* its trace, and the span above it                */
  bool trace_given, orphan;                              /* by who began it; its last owner died with it    */
  size_t pending_bytes, ahead;                           /* of both; of what the writer has of them         */
  uint64_t flushes, flushed;                             /* jobs submitted, and given back                  */
  bool pumping, pump_posted, ended, closing, cancelling, planning;
  bool scripts_ran;                                      /* those that normalise its input did             */
  bool brief;                                            /* only looked at, by who has others to serve      */
  bool broken;                                           /* the attempt is over: the journal is what counts */
  bool winding; /* the script is over for good: only writes that may have been sent go on */
  bool ending;                                           /* its end is on its way to the disk               */
  ln_err why;                                            /* of what ended it, or broke the attempt          */
  ln_tally seen;                                         /* hashes that some document called a system file  */
  int partial;                                           /* stages failed, skipped for a fact; not_done     */
  int notes, writes_done;
  ln_timer poll;                                         /* looks for what other processes decided          */
  int lib_ref;                                           /* registry: modules loaded by require             */
  bool creating;                                         /* its row is on its way                           */
  int64_t parent_id;                                     /* 0: none                                         */
  bool forked;                                           /* it began with another run's answers             */
  int64_t plan_from;                                     /* it plans once so many have come in              */
  int64_t restored_ms; /* what is older was so in another time; 0: it was always the same one */
  bool parking, waking;                                  /* that job is with the writer (park.c)            */
  ln_run *warmer, *colder;                               /* parked ones in memory (sched.c)                 */
  void (*woken)(ln_run *r, const ln_err *err);           /* once, when it is ours again, or not             */
  struct ln_snapshot *scripts;                           /* engine/library.h                                */
  ln_replay *replay;                                     /* borrowed; NULL: a run that acts                 */
  bool notified_waiting, notified_broken, is_call, parked, cancel_wanted, asked_people;
  bool is_session;                                       /* a prompt's: its lines are sent to it            */
  int64_t line;                                          /* of a session: the one under way; 0: none        */
  char cancel_why[128];
};

/* run.c */
void ln_run_event(ln_run *r, const char *what, ln_effect *e, ln_str text, ln_str more); /* told at once     */
void ln_run_tell(ln_run *r, ln_str entries); /* of steps, stages and notes: they are durable now */
bool ln_run_begin_vm(ln_run *r, ln_err *err);            /* words loaded, the root branch empty             */
/* A fresh VM, unless it has one in which its playbook was looked at; the root branch is runnable. */
bool ln_run_begin(ln_run *r, ln_err *err);
void ln_run_drive(ln_run *r);                            /* a replay, until it is over; needs no loop       */
/* Hands a recorded outcome to who waits for it.  False: the attempt is over. */
bool ln_run_deliver(ln_run *r, ln_record *rec, ln_effect *e);
bool ln_run_wake_with(ln_run *r, ln_effect *e);          /* its outcome is there                            */
void ln_run_deliver_cancel(ln_run *r);
void ln_run_pump_soon(ln_run *r);
bool ln_run_is_far_ahead(const ln_run *r);               /* flush.c: of the disk: it waits for the writer   */
bool ln_run_keeps_turn(ln_branch *b);                    /* for step: it goes on without giving the turn */
void ln_run_look_around(ln_run *r);                      /* wait.c: has what it waits for come meanwhile? */
void ln_run_look_for_cancel(ln_run *r);                  /* cancel.c: has another process asked for that? */
/* The script goes no further.  What it would only repeat (a used-up budget, a divergence) ends the run,
** once its writes under way are known; anything else leaves it to be resumed. */
void ln_run_end_attempt(ln_run *r, const ln_err *why);
/* open.c */
ln_run *ln_run_new(ln_engine *g, const ln_run_options *o, ln_err *err); /* the struct alone                 */
void ln_run_free(ln_run *r);                             /* of one that the writer knows nothing of         */
bool ln_run_read_row(ln_run *r, const ln_run_row *row);  /* what its row says of it; false: no memory       */
void ln_run_take_fork(ln_run *r);                        /* what its journal says of that                   */
/* Does the script compile, and, with `runs`, does it load as whoever requires it would have it, and declare
** what there is?  loads: the modules that it has loaded meanwhile, each ended by a newline. */
bool ln_script_check(ln_engine *g, struct ln_snapshot *s, ln_str module, bool runs, ln_buf *loads,
                     ln_err *err);
/* Its input as its scripts declare it now; what they do not declare is left out. */
bool ln_run_coerce_again(ln_run *r, ln_err *err);
void ln_run_leave(ln_run *r); /* open.c: a closed one is freed when nothing of it is under way */
/* The name of the input of type alert that the declaration at t has, or "".  [-0, +0, m] */
LN_RAISES void lnL_alert_input(lua_State *L, int t, char *out, size_t n);
/* open.c: a scratch run: a VM with words and scripts, no row, no journal; for declarations and triggers. */
/* brief: its budget of CPU is that of one who has others to serve. */
ln_run *ln_scratch_new(ln_engine *g, bool brief, ln_err *err);
/* until the root returns; `asked` answers an effect, or NULL */
bool ln_scratch_turns(ln_run *r, bool (*asked)(ln_effect *e, ln_err *err), ln_err *err);
/* a fresh VM, after a turn that did not return; false: r->vm may be NULL */
bool ln_scratch_renew(ln_run *r, ln_err *err);
void ln_scratch_free(ln_run *r);
/* branch.c */
/* its co is empty; push fn and args on it */
ln_branch *ln_branch_new(ln_run *r, ln_branch *parent, const char *name, ln_err *err);
bool ln_branch_is_plan(const ln_branch *b);              /* its writes are only planned                     */
void ln_branch_wake(ln_branch *b);                       /* runnable, at the end of the queue               */
void ln_branch_cancel(ln_branch *b);                     /* sticky, with all below it                       */
enum { LN_BRANCHES_DEEP = 40 };
void ln_branch_free_all(ln_run *r);
ln_branch *lnL_here(lua_State *L);                      /* the one that runs                                */
char *ln_branch_step_name(ln_branch *b, ln_str op, ln_str as, ln_err *err); /* the effect's name; free()    */
#define LN_CANCEL_NAME "run.cancel"                      /* the name of a cancel's entry; no step has it    */
#define LN_STAGE_NAME "run.stage"                        /* of the entry that says which stage the run is   */
/* A part of a name that is an author's or an item's own: / % # and control characters are percent-encoded. */
bool ln_name_is_plain(ln_str s);
void ln_name_escape(ln_buf *out, ln_str s);
ln_play *ln_play_keep(ln_play *p);
void ln_play_drop(ln_play *p);
bool ln_play_grants(const ln_play *p, ln_str what);
void ln_branch_free(ln_branch *b);                       /* ended, its values taken                         */
/* fork.c: [args as given] the last thing a C function does; then k runs with the list of { ok, value } on
** top. */
ln_fork *lnL_fork_new(lua_State *L, size_t total, ln_err *err); /* hangs on the running branch              */
int lnL_fork_wait(lua_State *L, ln_fork *f, lua_KContext ctx, lua_KFunction k);
void ln_fork_begin(ln_branch *parent);                   /* the parent has given the turn                   */
void ln_fork_free(ln_branch *parent);
/* effect.c */
ln_effect *ln_effect_new(ln_run *r, ln_branch *b, const ln_op *op, ln_err *err); /* hangs on the branch     */
void ln_effect_free(ln_effect *e);
void ln_effect_spare_free(ln_run *r);                    /* what the run keeps for its next one             */
bool ln_effect_name_it(ln_effect *e, ln_str as, ln_err *err); /* name and fingerprint                       */
bool ln_effect_name_step(ln_effect *e, ln_str own, ln_err *err); /* "NAME#1": step's own names              */
void ln_effect_begin(ln_effect *e);                      /* its branch has given the turn: match or start   */
void ln_effect_start_live(ln_effect *e);
void ln_effect_finish(ln_effect *e, bool ok, const char *state, ln_str outcome);
void ln_effect_finish_err(ln_effect *e, const char *state, const ln_err *err);
int lnL_effect_wait(lua_State *L, ln_effect *e);         /* gives the turn; then pushes or raises           */
int lnL_effect_result(lua_State *L, ln_effect *e);       /* pushes the delivered value, or raises           */
void ln_effect_entry(const ln_effect *e, ln_entry_kind kind, ln_entry *out);
bool ln_effect_logged(const ln_effect *e);
bool lnL_in_close(lua_State *L);                         /* closing.c: is a __close under way?              */
void ln_effect_drop(ln_effect *e);
bool ln_effect_is_open(const ln_effect *e);              /* the journal has an intent of it without an end  */
bool ln_effect_is_plan(const ln_effect *e);              /* it is to be planned, not carried out            */
/* The data of an outcome or a note, also where it is kept by its content (then in hold: free it).  `name` is
** for the error.  False: the store lost it. */
bool ln_entry_data(ln_engine *g, ln_str name, ln_str data, ln_buf *hold, ln_str *whole, ln_err *err);
ln_str ln_entry_names(const ln_entry *e);                /* the SHA-256 of a value beside it, or none       */
/* False: no memory.  *s: NULL, or what entry->data now only names (in `name`): to be put before the entry. */
bool ln_spill_entry(ln_entry *entry, ln_buf *name, ln_spill **s);
bool ln_effect_put_done(ln_effect *e, ln_entry_kind kind); /* its DONE or DELIVERED entry                   */
bool ln_effect_log_result(ln_tx *tx, ln_effect *e, ln_err *err); /* its ok, state and outcome, as a RESULT */
void ln_effect_durable(ln_effect *e);                    /* that was committed: it is finished with them    */
/* child.c */
extern const ln_op ln_op_start, ln_op_run_playbook;      /* args { input, playbook }                        */
/* Of the run that a step (start, run_playbook) of a run began, which is no fork. */
bool ln_child_ulid(const ln_run_row *parent, ln_str step, char ulid[LN_ULID + 1], ln_err *err);
bool ln_child_is(const ln_run *r, ln_str key);           /* is that the key of its end?                     */
void ln_child_ended(ln_run *r);                          /* whoever waits for it here learns of it          */
int lnL_child(lua_State *L, const ln_op *op, int args);  /* ends in the effect                              */
/* flush.c */
bool ln_run_put(ln_run *r, const ln_entry *e);           /* into pending                                    */
bool ln_run_flush(ln_run *r);                            /* hands pending to the writer                     */
/* Hands pending to the writer, and then this job.  False: it was not taken, and done is not called.  Else
** done is called once; when it is told that the attempt is gone, it frees what is its own and touches
** nothing else. */
bool ln_run_flush_with(ln_run *r, ln_apply_fn apply, ln_done_fn done, void *arg);
bool ln_job_gone(const ln_err *err);
void ln_run_drop_pending(ln_run *r);
/* spans.c: quiet where nobody traces. */
bool ln_spans_given(ln_run *r, ln_str traceparent);      /* that is the span above it; false: it is none    */
void ln_spans_begin(ln_run *r);                          /* its id is known: so is its trace                */
/* An entry is about to be put down: of a step, of a stage. */
void ln_spans_step(const ln_effect *e, const ln_entry *entry);
void ln_spans_stage(ln_run *r, const ln_entry *e);
void ln_spans_ended(ln_run *r);                          /* the run has, and that is durable                */
/* Its journal was loaded; again: what it did last is told again. */
void ln_spans_loaded(ln_run *r, bool again);
void ln_spans_tell(ln_engine *g, ln_span_draft *d);      /* those are durable now; frees them               */
void ln_spans_drop(ln_span_draft *d);
void ln_spans_free(ln_run *r);
/* The context of a step, for what it begins. */
void ln_effect_traceparent(const ln_effect *e, char out[LN_TRACEPARENT + 1]);
/* note.c */
/* a note or stage entry, once */
void ln_note_print(ln_vm *vm, ln_str line);              /* what a VM's print does                          */
bool ln_note_put(ln_branch *b, ln_entry_kind kind, const char *what, ln_str data, ln_err *err);
LN_RAISES int lnL_raisef(lua_State *L, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4))) LN_NO_RETURN;
void ln_permit_free(ln_permit *p);
ln_permit *ln_permit_of(ln_str effects); /* from encoded effects, one after another; NULL: no memory */
/* write.c */
void ln_write_start(ln_effect *e);
void ln_write_cancel(ln_effect *e);                      /* before it may have been sent                    */
void ln_write_called(ln_effect *e);                      /* one with a key: what it waits for may be there  */
bool ln_write_is_under_way(const ln_effect *e);          /* it may have been sent: it has to be finished    */
/* its question: "approved", else why not */
void ln_write_decided(ln_effect *e, const char *state, const ln_err *why);
/* of one in doubt: the data of the entry by which a person settled it, which is on disk */
void ln_write_settled(ln_effect *e, ln_str said);
void ln_write_put_names(ln_buf *b, ln_str names);       /* the member "names" of an object being encoded    */
bool ln_write_is_destructive(const ln_effect *e);
void ln_write_count(ln_run *r, ln_class cls, ln_str state); /* for the run's outcome: done, refused         */
/* lift.c: a write that takes back what a hold's write did. */
bool lnL_is_lift(lua_State *L, int args);                /* has the table of arguments a hold to lift?      */
bool lnL_lift_take(lua_State *L, int args, ln_effect *e, ln_err *err); /* which: e->lift                    */
/* What the ledger has of it; quiet when it has nothing any more. */
void ln_lift_read(ln_effect *e);
typedef enum ln_lifting { LN_LIFT_GO, LN_LIFT_KEPT, LN_LIFT_NO } ln_lifting;
/* May it be looked at?  KEPT: others hold it so, too, or it is over: there is nothing to do.  NO: err. */
ln_lifting ln_lift_begin(ln_effect *e, ln_err *err);
/* Is the live state, which look found, still the one that was set, or back to what it was?  Else err says
** what it is, and e->lift how that ends. */
bool ln_lift_compare(ln_effect *e, ln_err *err);
/* In the intent's transaction: false, "kept": as above. */
bool ln_lift_passes_in(ln_tx *tx, const ln_effect *e, ln_err *err);
/* Of one that only lets go of its hold, in the transaction: "last": it holds alone by now. */
bool ln_lift_is_kept_in(ln_tx *tx, const ln_effect *e, ln_err *err);
bool ln_lift_end_in(ln_tx *tx, const ln_effect *e, bool reached, ln_err *err); /* the hold's row            */
bool ln_lift_is_malicious(const ln_branch *b);           /* what is done here rests on such a verdict       */
/* What else its entity is called, for the ledger. */
bool ln_alias_put_in(ln_tx *tx, const ln_effect *e, ln_err *err);
/* timing.c: a wait of the run has ended by time, at due_ms; for how long its writes have to wait for that. */
#define LN_CLOCK_KEY "clock"                             /* what such a write waits for: see ln_wait_key    */
void ln_timing_due(ln_run *r, int64_t due_ms);
int64_t ln_timing_wait(ln_run *r);                       /* in milliseconds; 0: they need not               */
/* freeze.c: is it within a frozen scope?  err says which and why; false also when nobody can tell
** ("store"). */
bool ln_freeze_passes(const ln_effect *e, ln_err *err);
bool ln_freeze_passes_in(ln_tx *tx, const ln_effect *e, ln_err *err);
/* guards.c */
bool ln_guard_static(const ln_effect *e, ln_err *err);   /* what holds without asking anybody               */
bool ln_guard_needs_person(const ln_effect *e);
bool ln_guard_caps(ln_tx *tx, const ln_effect *e, ln_err *err); /* looks                                    */
/* "rival", "moved": the last member may be another by now */
bool ln_guard_rivals(ln_tx *tx, const ln_effect *e, ln_err *err);
bool ln_guard_count(ln_tx *tx, const ln_effect *e, ln_err *err); /* it is one more                          */
/* act.c: what came of a write, for the audit; empty: it is not said */
typedef struct ln_act { ln_str outcome, code, rule; } ln_act;
void ln_act_describe(const ln_effect *e, const ln_act *a, ln_buf *out); /* as JSON */
/* A record whose detail is one member; of r: ms, what, who, run. */
bool ln_audit_one(ln_tx *tx, const ln_audit_row *r, const char *key, ln_str value, ln_err *err);
bool ln_act_audit(ln_tx *tx, const ln_effect *e, const ln_act *a, ln_err *err); /* of one that was sent */
void ln_guard_audit(ln_effect *e, const ln_err *refused); /* a record of what was refused                   */
void ln_permit_take(ln_effect *e);                       /* an approval that covers it is used up           */
/* sysfile.c */
bool ln_is_system_file(ln_str name);                     /* a name or path: an interpreter, or the system's */
/* hashes that an encoded document gives such a name; false: no memory */
bool ln_seen_add(ln_tally *t, ln_str value);
bool ln_seen_has(const ln_tally *t, ln_str hash);
/* plan.c */
int64_t ln_run_clock_ms(const ln_run *r);                /* the time as it has it                           */
/* Of a run that is planned: fn(e) once every branch waits, and the run's time is due_ms then: time passes
** without being waited for.  A poll (until_ms: when that ends; else 0) that the run gave no answer to since
** `seen` is not made again. */
void ln_plan_wait(ln_effect *e, int64_t due_ms, int64_t until_ms, uint64_t seen, ln_task_fn fn);
bool ln_plan_pass_time(ln_run *r); /* to the first of those; false: somebody does something */
void ln_plan_answer(ln_effect *e, const ln_err *refused); /* a planned write, answered without being sent   */
bool ln_run_assume(ln_run *r, ln_str assume); /* copies: as of ln_run_options; false: no memory          */
bool ln_plan_assumed(ln_effect *e);                      /* answered by --assume                            */
bool ln_plan_unasked(ln_effect *e); /* a read with what is not known yet: so is its answer */
void ln_plan_local(ln_effect *e); /* a change of the store, answered without being made */
/* Is it a planned write of something that is not known yet?  Then there was nobody to look at. */
bool ln_plan_is_blind(const ln_effect *e);
void ln_plan_unknown(ln_effect *e);                      /* answered with an opaque value                   */
/* A branch ended for what the plan cannot know: the report says what it would need. */
bool ln_plan_stuck(ln_branch *b, const ln_err *why, ln_str at, ln_err *err);
void ln_plan_delivered(ln_effect *e);                    /* collects it, for approved                       */
void ln_plan_replayed(ln_effect *e, const ln_record *rec); /* collects a replayed one again, for approved   */
/* park.c: a run of which every branch waits is nobody's until something is due. */
void ln_park_try(ln_run *r);                             /* now, if it may be, and is worth it              */
bool ln_park_holds(ln_run *r); /* it is parked, or on the way: what comes waits until it is ours again */
/* It is put away, or about to be: whoever finds that something has come for it leaves it to the row, which
** the transaction that brought it has made due.  A job of it would be refused as stale. */
static inline bool ln_park_is_away(const ln_run *r) { return r->parked || r->parking; }
bool ln_park_is_waiting(const ln_run *r, int64_t *due_ms); /* every branch; due: the first time, LN_NEVER */
/* its rows; what is there already: due now */
bool ln_park_put_waits(ln_tx *tx, const ln_run *r, ln_err *err);
void ln_park_encode(const ln_waiting *w, ln_buf *out);   /* as a run's row has it                           */
void ln_park_describe(const ln_run *r, ln_buf *out);     /* what it waits for, so encoded                   */
void ln_park_tell_signals(ln_run *r);                    /* whoever watches hears of each once              */
bool ln_park_wake(ln_run *r); /* one in memory; r->woken is called; false: no memory */
/* open.c */
/* As its row has them, or (child) that of the run which that step begins: that one is a playbook's,
** whatever r is. */
void ln_run_put_options(const ln_run *r, const ln_effect *child, ln_buf *b);
/* An entry about the whole run, which no step waits for. */
bool ln_run_log_fact(ln_tx *tx, int64_t run, ln_str name, int64_t at_ms, ln_str data, ln_err *err);
/* The journal's first entry: the versions that it is made for. */
bool ln_run_log_began(ln_tx *tx, int64_t run, int64_t at_ms, ln_err *err);
bool ln_run_take_over_apply(ln_tx *tx, void *run, ln_err *err);
/* restore.c: the entry that says that the run goes on from a store of another moment; before its first
** take-over since then, where it is so. */
bool ln_restored_put(ln_tx *tx, int64_t run, int64_t ms, ln_err *err);
bool ln_restored_taken(ln_tx *tx, int64_t run, ln_err *err);
void ln_run_unlink(ln_run *r);                           /* from the runs under way, and lets go of it      */
/* sched.c */
void ln_sched_parked(ln_run *r);
void ln_sched_unparked(ln_run *r);
void ln_sched_stopped(ln_run *r);                        /* it ended, or its attempt is over                */
/* signal.c: as ln_run_signal, with any name; is it one of those that only the core sends? */
bool ln_signal_send(ln_engine *g, ln_str which, ln_str name, ln_str value, ln_str by, char ulid[LN_ULID + 1],
                    ln_err *err);
bool ln_signal_is_ours(ln_str name);
/* session.c: a prompt's run. */
#define LN_LINE_SIGNAL "run.line"                        /* by which its lines come                         */
#define LNL_SESSION "lunette.session"                    /* registry: the function that its root branch is  */
#define LNL_SESSION_ENV "lunette.session.env"            /* … and its variables                             */
/* The line under way was stopped, and what it had sent is known: it is on record as dropped, and the attempt
** over; whoever carries it resumes it.  False: there is none, or the run itself is at fault. */
bool ln_session_drops(ln_run *r);
bool ln_session_dropped(ln_run *r, int64_t line);        /* was that line dropped?                          */
/* replay.c: of a run that is only gone through again.  Nothing of it is started, written or told. */
void ln_replay_used_up(ln_run *r);                       /* what was recorded                               */
/* What the journal and the script say; e NULL: its end. */
void ln_replay_diverged(ln_run *r, const ln_record *rec, const ln_effect *e);
void ln_replay_ended(ln_run *r, const char *state, const char *outcome, ln_str result, ln_str error);
bool ln_replay_sees_opaque(const ln_run *r);             /* its scripts may meet values that nobody knows   */
/* aligned.c: answers are found by name, whatever the order. */
bool ln_replay_is_aligned(const ln_run *r);
void ln_replay_asked(ln_effect *e);
bool ln_replay_next(ln_run *r);                          /* delivers one; false: none is left               */
void ln_replay_did(ln_effect *e);                        /* the author's own work, done again               */
void ln_replay_noted(ln_run *r, const ln_entry *e);
void ln_replay_failed(ln_branch *b);                     /* it ended by the error on top of its co          */
/* wait.c */
extern const ln_op ln_op_sleep;                          /* args { ms }                                     */
/* Of an effect whose job the writer has given back: it may go again.  True: its branch was cancelled
** meanwhile, and it has ended with that. */
bool ln_effect_given_back(ln_effect *e);
/* The effect waits until somebody calls that key; "": it does no more. */
void ln_wait_key(ln_effect *e, ln_str key);
/* Whoever waits for that key here looks again; whoever is put away is woken.  {NULL, 0}: for any lock. */
void ln_wait_called(ln_engine *g, ln_str key);
void ln_wait_note(ln_effect *e, ln_str data);            /* its ASKED entry, once                           */
void ln_wait_for(ln_effect *e, int64_t due_ms, ln_task_fn fn); /* a timer of the effect                     */
/* approval.c */
void ln_approval_watch(ln_run *r);                       /* looks at what people decided, now and again     */
void ln_approval_gather(ln_run *r);                      /* the core's own questions, one a kind            */
void ln_approval_ask(ln_effect *e, const ln_approval *a); /* a question of the playbook                     */
void ln_approval_put_effect(ln_effect *e, ln_buf *out);  /* what a person is shown of a write               */
#endif
