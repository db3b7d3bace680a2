/* store.h: what a store must do.  Reads go over the opener's own connection; every write is a job that the
** one writer applies inside a transaction: it takes whatever has queued, applies all, commits with one sync,
** and calls the jobs' done.  A job must look before it writes: when its apply answers false nothing of it
** may have been written, and only it fails.  When the commit fails, all of its batch fail, the store is
** reopened, and nothing is tried again behind the callers' backs.  SQL lives in this folder alone. */
#ifndef LN_STORE_H
#define LN_STORE_H

#include "base/buf.h"
#include "base/hash.h"
#include "base/loop.h"

typedef struct ln_store ln_store;
typedef struct ln_tx ln_tx;

/* Looks on while a transaction with entries of runs is committed, for simulations: it is told of each run
** what goes into its journal, and then that it is on disk.  It may leave by a jump: the process has died
** there. */
typedef struct ln_store_watch {
  void (*commits)(void *arg, int64_t run, ln_str entries);
  void (*committed)(void *arg);
  void *arg;
} ln_store_watch;

typedef struct ln_store_opts {
  const char *vfs;                                       /* NULL: SQLite's own                              */
  bool must_exist;                                       /* else it is created (mode 0600)                  */
  /* Only looks: it must exist, its file stays as it is, byte for byte, and every write is refused. */
  bool looks;
  ln_clock *clock;                                       /* for expiries                                    */
  const ln_store_watch *watch;                           /* NULL; lives as long as the store                */
} ln_store_opts;

/* Opens "sqlite:PATH".  Fails "store" with what to do: not a database, a newer version (application_id and
** user_version are checked), not writable, full. */
ln_store *ln_store_open(ln_str uri, const ln_store_opts *o, ln_err *err);
void ln_store_close(ln_store *s); /* waits for the writer's last commit; before its loop is freed */
const char *ln_store_path(const ln_store *s);            /* of the file */
bool ln_store_simulated(const ln_store *s); /* it lies on a VFS of ours, not on the machine's disk */
bool ln_store_changed(ln_store *s); /* has another connection committed since last asked (data_version)? */

/* --- the writer --- */
typedef bool (*ln_apply_fn)(ln_tx *tx, void *arg, ln_err *err);
typedef void (*ln_done_fn)(void *arg, const ln_err *err); /* on the loop `back`; NULL: committed */

/* Starts the writer: a thread of its own, or, with a loop, tasks on that loop (the simulated set).  Without
** it ln_writer_run applies at once, which is enough for a command that writes now and then. */
bool ln_writer_start(ln_store *s, ln_loop *as_tasks_of, ln_err *err);
/* From back's thread, whose loop stays open until done was called; jobs come back in order.  back NULL: done
** is called on the writer's thread.  False, and neither is called: no memory, or no writer. */
bool ln_writer_submit(ln_store *s, ln_loop *back, ln_apply_fn apply, ln_done_fn done, void *arg);
/* The same of a job that nobody waits for: it may wait for company, some milliseconds at most. */
bool ln_writer_submit_unwaited(ln_store *s, ln_loop *back, ln_apply_fn apply, ln_done_fn done, void *arg);
/* one job, waited for: for commands; not on a loop's thread that others need */
bool ln_writer_run(ln_store *s, ln_apply_fn apply, void *arg, ln_err *err);
typedef struct ln_writer_stats { uint64_t commits, jobs, rows, bytes, commit_us; } ln_writer_stats;
void ln_writer_stats_get(const ln_store *s, ln_writer_stats *out);

uint64_t ln_tx_number(const ln_tx *tx);                 /* another one for each transaction, never 0 */

/* --- runs --- */
typedef struct ln_run_row {
  int64_t id;
  char ulid[LN_ULID + 1], owner[LN_ULID + 1]; /* owner "": none                                   */
  int64_t epoch;                                         /* grows with every take-over */
  int64_t parent, root;                                  /* ids; 0: none, itself */
  ln_str playbook, snapshot, state, outcome;     /* state as INTERFACE.md; outcome "" until the end  */
  ln_str input, result, error, waiting, options; /* encoded values (engine/value.h); "" : none       */
  ln_str started_by;
  int64_t created_ms, finished_ms;                       /* finished 0: not yet */
  uint8_t seed[16];
  int64_t deaths;                                        /* owners that died with it */
} ln_run_row;

typedef struct ln_run_change {                           /* a NULL text leaves the column as it is */
  ln_str owner, state, outcome, result, error, waiting;  /* owner "": nobody's any more                     */
  int64_t finished_ms;                                   /* 0 leaves it */
} ln_run_change;

bool ln_tx_run_create(ln_tx *tx, ln_run_row *row, ln_err *err);             /* sets row->id; root 0: itself */
bool ln_tx_run_own(ln_tx *tx, int64_t run, ln_str owner, int64_t epoch_was,
                   ln_err *err); /* epoch_was + 1; else "conflict" */
/* Else "stale"; "store" when earlier entries of the run were in a batch that failed: it has to be owned anew
** first. */
bool ln_tx_run_check(ln_tx *tx, int64_t run, ln_str owner, int64_t epoch, ln_err *err);
bool ln_tx_run_change(ln_tx *tx, int64_t run, const ln_run_change *c, ln_err *err);
bool ln_tx_run_died(ln_tx *tx, int64_t run, ln_err *err);                   /* deaths + 1 */
/* Goes on with another snapshot and input; its epoch grows, its owner stays. */
bool ln_tx_run_move(ln_tx *tx, int64_t run, ln_str snapshot, ln_str input, ln_err *err);
bool ln_tx_run_forgive(ln_tx *tx, int64_t run, ln_err *err);                /* deaths 0: it came somewhere */

/* What the dead left: their runs under way are nobody's, and due at once. */
bool ln_tx_orphans(ln_tx *tx, ln_str owner, ln_err *err);
typedef bool (*ln_name_fn)(void *arg, ln_str name);
bool ln_store_owners(ln_store *s, ln_name_fn fn, void *arg, ln_err *err);   /* of runs under way, each once */

typedef bool (*ln_run_fn)(void *arg, const ln_run_row *row); /* row is lent; false stops */
typedef struct ln_run_query {
  ln_str state, playbook;                                /* empty: any */
  bool or_under_way;                                     /* with a state: also running and cancelling ones */
  int64_t since_ms, before_id;                           /* 0: any */
  int64_t limit;                                         /* 0: all */
} ln_run_query;
/* newest first */
bool ln_store_runs(ln_store *s, const ln_run_query *q, ln_run_fn fn, void *arg, ln_err *err);
/* One run by ULID, unique prefix (any case) or "last"; fn is called once.  "not_found", "ambiguous". */
bool ln_store_run_find(ln_store *s, ln_str which, ln_run_fn fn, void *arg, ln_err *err);
bool ln_store_run_get(ln_store *s, int64_t id, ln_run_fn fn, void *arg, ln_err *err);

/* How many there are now; each is counted as far as `most`, so that it costs the same whatever there is. */
typedef struct ln_counts { int64_t running, waiting, due, asked; } ln_counts; /* asked: questions           */
bool ln_store_counts(ln_store *s, int64_t now_ms, int64_t most, ln_counts *out, ln_err *err);

/* --- requests that have a key (requests.c): whoever asks again is told of the same run --- */
typedef struct ln_keyed_run { char ulid[LN_ULID + 1], digest[2 * LN_SHA256 + 1]; } ln_keyed_run;
/* In the transaction that makes the run; a key that is there already: "conflict".  Forgets what is older than
** 30 days. */
bool ln_tx_request_put(ln_tx *tx, ln_str key, ln_str digest_hex, ln_str ulid, int64_t ms, ln_err *err);
bool ln_store_request(ln_store *s, ln_str key, ln_keyed_run *out, bool *found, ln_err *err);

/* --- the journal: the log's tail and the segments.  A run is one that ln_tx_run_create made: ids grow --- */
/* joined with the batch's others of that run: one row */
bool ln_tx_log(ln_tx *tx, int64_t run, ln_str entries, ln_err *err);
/* what came since the last one becomes a segment; the log below the floor may then go */
bool ln_tx_segment(ln_tx *tx, int64_t run, ln_err *err);
typedef bool (*ln_entries_fn)(void *arg, ln_str entries); /* lent */
/* in order, in one snapshot */
bool ln_store_journal(ln_store *s, int64_t run, ln_entries_fn fn, void *arg, ln_err *err);

/* --- what parked runs wait for (waits.c) --- */
#define LN_NEVER INT64_MAX
/* A key that the run waits for, "" for a time; due: when at the latest, LN_NEVER: only when called. */
bool ln_tx_wait_put(ln_tx *tx, int64_t run, ln_str key, int64_t due_ms, ln_err *err);
bool ln_tx_waits_drop(ln_tx *tx, int64_t run, ln_err *err);
bool ln_tx_wait_call(ln_tx *tx, ln_str key, ln_err *err);     /* whoever waits for it is due now */
bool ln_tx_wait_call_run(ln_tx *tx, int64_t run, ln_err *err); /* that run is, whatever it waits for */
/* Runs that are due, the longest first, at most *n (64 at a time); ids into runs. */
bool ln_store_waits_due(ln_store *s, int64_t now_ms, int64_t *runs, size_t *n, ln_err *err);
bool ln_store_next_due(ln_store *s, int64_t *due_ms, ln_err *err); /* LN_NEVER: nobody waits for a time */

/* --- signals and locks (signals.c); whoever waits for one has its key in `wait` --- */
enum { LN_SIGNALS_MOST = 1000 /* of one run, not taken yet */, LN_SIGNAL_NAME = 200 /* bytes */ };
void ln_signal_key(ln_str ulid, ln_str name, ln_buf *out);
void ln_lock_key(ln_str name, ln_buf *out);
bool ln_tx_signal_send(ln_tx *tx, int64_t run, ln_str name, ln_str value, ln_str by, int64_t ms,
                       ln_err *err); /* value encoded; "conflict": the run has ended; "quota" */
bool ln_tx_signal_there(ln_tx *tx, int64_t run, ln_str name, bool *there, ln_err *err);
/* the oldest */
bool ln_tx_signal_take(ln_tx *tx, int64_t run, ln_str name, ln_buf *value, bool *taken, ln_err *err);
bool ln_store_signal_there(ln_store *s, int64_t run, ln_str name, bool *there, ln_err *err);
/* run 0: it is free; step may be NULL */
bool ln_tx_lock_holder(ln_tx *tx, ln_str name, int64_t *run, ln_buf *step, ln_err *err);
/* a free one */
bool ln_tx_lock_take(ln_tx *tx, ln_str name, int64_t run, ln_str step, int64_t ms, ln_err *err);
/* quiet when it is not that one's */
bool ln_tx_lock_drop(ln_tx *tx, ln_str name, int64_t run, ln_str step, ln_err *err);
/* of all its locks and signals; whoever waits for its end is due */
bool ln_tx_run_lets_go(ln_tx *tx, int64_t run, ln_err *err);
/* Asks that it be stopped; quiet when it has ended.  One that is put away is due at once. */
bool ln_tx_run_ask_cancel(ln_tx *tx, int64_t run, ln_err *err);
bool ln_tx_run_called(ln_tx *tx, ln_str ulid, int64_t *run,
                      ln_err *err); /* by its whole id; "not_found"    */
bool ln_tx_run_under_way(ln_tx *tx, int64_t run, bool *is, ln_err *err);    /* it has not ended */
bool ln_tx_run_depth(ln_tx *tx, int64_t run, int64_t *n, ln_err *err);      /* runs above it, at most 100 */

/* --- values shared by runs (the store library) --- */
/* A version is never given twice in a store; what has expired is absent. */
typedef struct ln_kv {
  ln_str key, value;                                     /* an encoded value, lent */
  int64_t version, expires_ms;                           /* 0: never */
} ln_kv;
typedef bool (*ln_kv_fn)(void *arg, const ln_kv *kv);
/* version 0: absent */
bool ln_tx_kv_get(ln_tx *tx, ln_str key, ln_buf *value, int64_t *version, ln_err *err);
bool ln_tx_kv_set(ln_tx *tx, ln_str key, ln_str value, int64_t expires_ms, int64_t if_version,
                  int64_t *version, ln_err *err); /* if_version -1: any, 0: absent; else "conflict" */
bool ln_tx_kv_delete(ln_tx *tx, ln_str key, bool *was, ln_err *err);
bool ln_tx_kv_list(ln_tx *tx, ln_str prefix, int64_t limit, ln_kv_fn fn, void *arg, ln_err *err);

/* --- the ledger --- */
typedef struct ln_hold {
  int64_t id, run;
  char ulid[LN_ULID + 1];                                /* of the run, on reading */
  ln_str entity, facet, step, op;
  ln_str state, before; /* what we set; what it was ("" unknown)             */
  /* "pending" "held" "doubt" "released"; "foreign": it was so before us; "left": read as "pending" */
  ln_str status;
  ln_str undo;                                           /* an encoded value: what taking it back needs */
  ln_str move;                                           /* what its write did: "confine" "free" "note"; "" */
  ln_str verdict; /* that it rests on: "malicious"; "": none is known                                      */
  int64_t since_ms, until_ms;                            /* until 0: no end */
  /* Of a released one: the run that took it back; "elsewhere" when that was pruned, or not archived yet. */
  char lifted_by[LN_ULID + 1];
} ln_hold;
typedef bool (*ln_hold_fn)(void *arg, const ln_hold *h);
typedef struct ln_turn {                                 /* who has a write under way                       */
  bool taken, doubt;                                     /* doubt: it takes a person                        */
  char ulid[LN_ULID + 1], owner[LN_ULID + 1], step[256]; /* owner "": nobody carries that run               */
} ln_turn;
/* Of h's entity and facet, by another than h's (run, step) and by no run that has ended. */
bool ln_tx_turn(ln_tx *tx, const ln_hold *h, ln_turn *who, ln_err *err);
bool ln_store_turn(ln_store *s, const ln_hold *h, ln_turn *who, ln_err *err);
/* What whoever waits for its turn waits for: to be called when a write there has ended, or is in doubt. */
void ln_hold_key(ln_str entity, ln_str facet, ln_buf *out);
/* What others than h's (run, step) have of h's entity and facet, for whoever looks there first, then acts. */
typedef struct ln_seen { bool looked; int64_t ids, times, states; } ln_seen;
bool ln_store_hold_seen(ln_store *s, const ln_hold *h, ln_seen *out, ln_err *err);
/* May h begin, as the one write there?  "busy": another has the turn; "moved": it is not as it was seen when
** h began to look (if it did). */
bool ln_tx_hold_may(ln_tx *tx, const ln_hold *h, const ln_seen *then, ln_err *err);
/* Puts the row of (run, step): pending, unless h says more. */
bool ln_tx_hold_begin(ln_tx *tx, const ln_hold *h, ln_err *err);
/* h's entity is in h's state already.  *joined: a write of ours made it so, and h is a holder beside it, with
** the same `before` and `undo`; one that h's own run holds without that h has waited for it only gets the
** later end.  Else nothing is held; h's row is put if it says "foreign". */
bool ln_tx_hold_so(ln_tx *tx, const ln_hold *h, bool waited, bool *joined, ln_err *err);
/* A NULL text, since 0 and until -1 leave what is there; until 0: no end.  "not_found". */
bool ln_tx_hold_set(ln_tx *tx, int64_t run, ln_str step, ln_str status, ln_str before, ln_str undo,
                    int64_t since_ms, int64_t until_ms, ln_err *err);
/* Of other entities' open holds by h's op, with its facet and state: how many are pending or in doubt, and
** how many were taken from since_ms to h's since_ms. */
bool ln_tx_hold_rivals(ln_tx *tx, const ln_hold *h, int64_t since_ms, int64_t *under_way, int64_t *since,
                       ln_err *err);
/* now's write (run, step, entity, facet, state and before are looked at) has reached its state: what held
** another state there is released, and, where it was another before, all that held this one; so is what only
** gave back what was so before such a hold.  What was left pending on its way there has reached it. */
bool ln_tx_hold_reached(ln_tx *tx, const ln_hold *now, ln_err *err);
bool ln_tx_hold_drop(ln_tx *tx, int64_t run, ln_str step, ln_err *err);
/* Is (run, step) still held, and how many other holds have its entity, facet and state?  "not_found". */
bool ln_tx_hold_alone(ln_tx *tx, int64_t run, ln_str step, bool *held, int64_t *others, ln_err *err);
bool ln_store_hold_alone(ln_store *s, int64_t run, ln_str step, bool *held, int64_t *others, ln_err *err);
/* Released, if it was not taken back before.  by: the run that took it back; 0: it is over by itself. */
bool ln_tx_hold_lift(ln_tx *tx, int64_t run, ln_str step, int64_t by, ln_err *err);
/* When the last of an entity's leases ends; 0: it has none. */
bool ln_tx_hold_lease(ln_tx *tx, ln_str entity, int64_t *until_ms, ln_err *err);
/* All of an entity's leases end then; *n: how many. */
bool ln_tx_hold_prolong(ln_tx *tx, ln_str entity, int64_t until_ms, int64_t *n, ln_err *err);
/* What else people call an entity: without regard to case, as holds are looked for. */
bool ln_tx_alias_put(ln_tx *tx, ln_str entity, ln_str name, ln_err *err);
typedef struct ln_hold_query {
  int64_t run;
  ln_str entity, kind;
  bool all;
} ln_hold_query; /* entity: exact, or a bare name (its last part, or an alias); all: released ones too */
bool ln_store_holds(ln_store *s, const ln_hold_query *q, ln_hold_fn fn, void *arg, ln_err *err);
/* The one of that run (its whole id) and step; fn is called once.  "not_found". */
bool ln_store_hold_of(ln_store *s, ln_str ulid, ln_str step, ln_hold_fn fn, void *arg, ln_err *err);
/* A run and all that it began, and so on, the oldest first; fn as in ln_store_runs. */
bool ln_store_run_tree(ln_store *s, int64_t run, ln_run_fn fn, void *arg, ln_err *err);

/* --- what goes by the clock (times.c) --- */
typedef struct ln_lease { int64_t hold, run, until_ms; char ulid[LN_ULID + 1]; ln_str step; } ln_lease;
typedef bool (*ln_lease_fn)(void *arg,
                            const ln_lease *l); /* lent; false stops                              */
/* Leases of what is held that are over, and that nobody looks after yet: the first sixteen. */
bool ln_store_leases_over(ln_store *s, int64_t now_ms, ln_lease_fn fn, void *arg, ln_err *err);
bool ln_store_lease_next(ln_store *s, int64_t *until_ms, ln_err *err); /* LN_NEVER: none                    */
bool ln_tx_lease_ended(ln_tx *tx, int64_t hold, ln_err *err); /* as long as it is, somebody looks after it  */
/* When a process that runs runs last said that it was alive; 0: none has. */
bool ln_tx_alive_at(ln_tx *tx, int64_t ms, ln_err *err);
bool ln_store_alive_at(ln_store *s, int64_t *ms, ln_err *err);
/* By how much its wall clock stepped, and when it was that it then showed; by 0: it is believed. */
bool ln_tx_stepped(ln_tx *tx, int64_t by_ms, int64_t at_ms, ln_err *err);
bool ln_store_stepped(ln_store *s, int64_t *by_ms, int64_t *at_ms, ln_err *err);

/* --- caps: which entities destructive writes touched --- */
typedef struct ln_acts {                                 /* distinct entities that were acted on            */
  int64_t in_tree, in_window;                            /* by a tree of runs; by all, since a time         */
  int64_t alike;                                         /* since then, of one vendor and kind              */
  bool tree_has_it, window_has_it;                       /* is the one that is asked about among them?      */
} ln_acts;
bool ln_tx_act_count(ln_tx *tx, int64_t root, ln_str entity, int64_t since_ms, ln_acts *out, ln_err *err);
bool ln_tx_act_add(ln_tx *tx, int64_t root, int64_t run, ln_str entity, ln_str op, int64_t ms, ln_err *err);

/* --- approvals --- */
typedef struct ln_approval {
  int64_t id, run;
  char ulid[LN_ULID + 1];
  ln_str step, kind; /* "approve" "approved" "ask" "write"                 */
  ln_str title, detail, digest, effects, options;        /* detail, effects, options: encoded values */
  ln_str state, by, comment, answer;                     /* waiting approved denied expired lapsed */
  int64_t quorum, created_ms, expires_ms;
  int64_t decided_ms; /* of an approved one 0: in another time, before a restore */
} ln_approval;
typedef bool (*ln_approval_fn)(void *arg, const ln_approval *a);
bool ln_tx_approval_add(ln_tx *tx, ln_approval *a, ln_err *err); /* sets id; one that is given, where free */
/* One vote.  State changes when quorum is reached or on the first denial; "conflict" when not waiting,
** expired by ms, or this person has voted.  Then `by` names those who decided ("ann, bob"). */
bool ln_tx_approval_vote(ln_tx *tx, int64_t id, bool yes, ln_str by, ln_str comment, ln_str answer,
                         int64_t ms, ln_err *err);
/* What somebody has denied meanwhile stays denied; what somebody has approved stays so where it would lapse
** (decided_ms 0: what was approved before the store was restored counts no more). */
bool ln_tx_approval_set(ln_tx *tx, int64_t id, ln_str state, int64_t ms, ln_err *err);
bool ln_tx_approval_get(ln_tx *tx, int64_t id, ln_approval_fn fn, void *arg, ln_err *err);
bool ln_store_approval(ln_store *s, int64_t id, ln_approval_fn fn, void *arg, ln_err *err);
/* run 0: all */
bool ln_store_approvals(ln_store *s, int64_t run, bool waiting_only, ln_approval_fn fn, void *arg,
                        ln_err *err);

/* --- messages to people about what waits for them (notices.c) --- */
enum { LN_NOTICES_MOST = 1000 };                         /* that wait to be sent to one target */
typedef struct ln_notice {
  int64_t id, run, approval;                             /* run, approval 0: none's */
  char ulid[LN_ULID + 1];                                /* of the run, on reading; "": none, or pruned */
  ln_str target, event, step, why;                       /* why the last try failed; "": none has */
  ln_str detail;                                         /* an encoded object, or "" */
  int64_t ms, until_ms, due_ms, tries;                   /* due LN_NEVER: it was given up */
} ln_notice;
typedef void (*ln_notice_fn)(void *arg, const ln_notice *n); /* lent */
/* *full: so many wait for that target already, and nothing was put. */
bool ln_tx_notice_put(ln_tx *tx, const ln_notice *n, bool *full, ln_err *err);
/* It is about to be tried, and again at due_ms, unless something else is said by then. */
bool ln_tx_notice_tried(ln_tx *tx, int64_t id, int64_t due_ms, ln_err *err);
/* So many tries were in vain, those that came to no request among them. */
bool ln_tx_notice_failed(ln_tx *tx, int64_t id, int64_t tries, int64_t due_ms, ln_str why, ln_err *err);
bool ln_tx_notice_end(ln_tx *tx, int64_t id, ln_err *err);   /* it was taken, or nobody needs it any more   */
bool ln_tx_notices_sweep(ln_tx *tx, int64_t now_ms, ln_err *err); /* what has been of no use for a week */
/* The first that is due, if any: fn is called once, or not. */
bool ln_store_notice_due(ln_store *s, ln_str target, int64_t now_ms, ln_notice_fn fn, void *arg,
                         ln_err *err);
typedef struct ln_notice_counts { int64_t waiting, failing, given_up; } ln_notice_counts;
/* Appends to why (may be NULL) why the latest one failed that did. */
bool ln_store_notice_counts(ln_store *s, ln_str target, ln_notice_counts *out, ln_buf *why, ln_err *err);
/* A link that leads to a question as long as it waits; known by its hash. */
bool ln_tx_link_put(ln_tx *tx, ln_str sha256_hex, int64_t approval, ln_err *err);
bool ln_store_link(ln_store *s, ln_str sha256_hex, int64_t now_ms, int64_t *approval,
                   ln_err *err);                         /* 0: none */

/* --- what is addressed by its content: script sources, manifests, raw answers, big values, blobs --- */
typedef struct ln_content {
  char sha256[2 * LN_SHA256 + 1];
  ln_str bytes; /* as stored (sealed or not): the engine seals blobs */
  ln_str kind;  /* "source" "manifest" "answer" "value" "blob"        */
  int64_t expires_ms;                                    /* 0: kept */
} ln_content;
/* quiet if it is there: only its time may grow */
bool ln_tx_content_put(ln_tx *tx, const ln_content *c, ln_err *err);
bool ln_tx_content_has(ln_tx *tx, ln_str sha256_hex, bool *has, ln_err *err);
bool ln_store_content_get(ln_store *s, ln_str sha256_hex, ln_buf *bytes,
                          ln_err *err); /* "not_found"          */
bool ln_store_content_has(ln_store *s, ln_str sha256_hex, bool *has, ln_err *err);

/* --- hints: what is only there for speed, and may be lost --- */
bool ln_tx_hint_put(ln_tx *tx, ln_str key, ln_str value, ln_err *err);
/* appends nothing when there is none */
bool ln_store_hint(ln_store *s, ln_str key, ln_buf *value, ln_err *err);

/* --- the vault's sealed values (engine/secret.c seals) --- */
bool ln_tx_secret_put(ln_tx *tx, ln_str name, ln_str sealed, int64_t ms, ln_err *err);
bool ln_tx_secret_rm(ln_tx *tx, ln_str name, bool *was, ln_err *err);
bool ln_store_secret_get(ln_store *s, ln_str name, ln_buf *sealed,
                         ln_err *err); /* "not_found"               */
/* As the transaction has it; nothing is appended when there is none. */
bool ln_tx_secret_get(ln_tx *tx, ln_str name, ln_buf *sealed, bool *found, ln_err *err);
/* All of them, the vault's own values, too; fn asks nothing of the store, and answers false when it
** failed. */
typedef bool (*ln_sealed_fn)(void *arg, ln_str name, ln_str sealed, int64_t ms);
bool ln_tx_secrets(ln_tx *tx, ln_sealed_fn fn, void *arg, ln_err *err);
typedef bool (*ln_secret_fn)(void *arg, ln_str name, int64_t ms);
bool ln_store_secrets(ln_store *s, ln_secret_fn fn, void *arg, ln_err *err);

/* --- the kill switch (freeze.c): scope '' is all, "connector:NAME", "playbook:NAME" --- */
typedef struct ln_freeze { ln_str scope, why, by; int64_t ms; } ln_freeze;
typedef bool (*ln_freeze_fn)(void *arg, const ln_freeze *f); /* lent; false stops                           */
bool ln_tx_freeze(ln_tx *tx, ln_str scope, ln_str why, ln_str by, int64_t ms, ln_err *err);
/* NULL: all; n: how many there were; whoever waits is due */
bool ln_tx_thaw(ln_tx *tx, const ln_str *scope, int64_t *n, ln_err *err);
bool ln_store_freezes(ln_store *s, ln_freeze_fn fn, void *arg, ln_err *err);
/* Calls fn once, if everything or one of the scopes is frozen; as the store, or the transaction, has it
** now. */
bool ln_store_frozen(ln_store *s, const ln_str scopes[3], ln_freeze_fn fn, void *arg, ln_err *err);
bool ln_tx_frozen(ln_tx *tx, const ln_str scopes[3], ln_freeze_fn fn, void *arg, ln_err *err);

/* --- backups, and stores of another moment (mark.c) --- */
/* All of the store as it is at one moment, others may go on writing: into `file`, which must not be there
** ("conflict"), of mode 0600, and on disk with its name when this returns.  The copy is marked. */
bool ln_store_backup(ln_store *s, const char *file, ln_err *err);
/* Appends why the store is one of another moment (a backup, or a copy); nothing: it is the one it was. */
bool ln_store_copied(ln_store *s, ln_buf *why, ln_err *err);
/* Makes such a store the one of now, once: its sessions are over, its live runs are nobody's, wait
** (`waiting`: as their rows have it), and have the key "restored" in `wait`.  why as above: empty when there
** was nothing to do. */
bool ln_tx_restore(ln_tx *tx, ln_str waiting, int64_t ms, ln_buf *why, ln_err *err);
/* When the run came to wait for that; 0: it does not.  Whoever takes it over takes those that it began along:
** they are due. */
bool ln_tx_run_restored(ln_tx *tx, int64_t run, int64_t *ms, ln_err *err);

/* --- alerts (alerts.c): each once, for ever, by source and name --- */
typedef struct ln_alert_row {
  int64_t id, ms;                                        /* ms: when it came */
  ln_str source, name;                                   /* whose it is, and its id there */
  /* "new": no trigger was asked yet; "decided"; "kept": nobody knows its format, `why` */
  ln_str state;
  ln_str by, title, severity, why;                       /* by: who, or what, handed it in */
  ln_str sha256;                                         /* of what it said, as content of kind "alert" */
  ln_str trace;                                          /* to be added: its traceparent, or "" */
} ln_alert_row;
typedef bool (*ln_alert_row_fn)(void *arg, const ln_alert_row *a); /* lent; false stops */
/* Sets a->id.  *fresh: it was not there; else nothing was written. */
bool ln_tx_alert_add(ln_tx *tx, ln_alert_row *a, ln_str bytes, bool *fresh, ln_err *err);
/* *was: it was "new".  What came first decides. */
bool ln_tx_alert_decided(ln_tx *tx, int64_t alert, bool *was, ln_err *err);
/* The trace that it came with, as long as its runs may have to be begun; "": none. */
bool ln_store_alert_trace(ln_store *s, int64_t alert, ln_buf *out, ln_err *err);
bool ln_tx_alert_traced(ln_tx *tx, int64_t alert, ln_err *err); /* they have begun: it is in theirs        */
typedef struct ln_alert_query {
  ln_str state;                                          /* {NULL, 0}: any */
  bool missed;                                           /* only where a trigger was missed */
  bool oldest_first;                                     /* of a state, after after_id; else newest first */
  int64_t after_id, before_id, since_ms;                 /* 0: any */
  int64_t limit;                                         /* 0: all */
} ln_alert_query;
bool ln_store_alerts(ln_store *s, const ln_alert_query *q, ln_alert_row_fn fn, void *arg, ln_err *err);
bool ln_store_alert(ln_store *s, int64_t id, ln_alert_row_fn fn, void *arg, ln_err *err); /* "not_found" */

/* What became of an alert with one playbook.  what: "started" "joined" "missed" (why), "paused" (approval:
** what it waits for), "denied", "released": it was paused, and is to be started now. */
typedef struct ln_alert_run {
  int64_t alert, run, approval, ms;
  char ulid[LN_ULID + 1];                                /* on reading; "": none, or pruned */
  ln_str playbook, what, why, rule;
} ln_alert_run;
typedef bool (*ln_alert_run_fn)(void *arg, const ln_alert_run *r); /* lent; false stops */
bool ln_tx_alert_run_put(ln_tx *tx, const ln_alert_run *r, ln_err *err);
bool ln_store_alert_runs(ln_store *s, int64_t alert, ln_alert_run_fn fn, void *arg, ln_err *err);
/* The alerts of a run, in order of their coming. */
bool ln_store_run_alerts(ln_store *s, int64_t run, ln_alert_row_fn fn, void *arg, ln_err *err);

/* The run under way that has this key; 0: none.  ulid may be NULL. */
bool ln_tx_key_run(ln_tx *tx, ln_str playbook, ln_str key, int64_t *run, ln_buf *ulid, ln_err *err);
bool ln_tx_key_put(ln_tx *tx, ln_str playbook, ln_str key, int64_t run, ln_err *err);

/* How many runs a playbook's trigger started by one rule since then, but not before the rule was let go on.
** *approval: what it waits for; 0: it is not paused. */
bool ln_tx_rule_starts(ln_tx *tx, ln_str playbook, ln_str rule, int64_t since_ms, int64_t *starts,
                       int64_t *approval, ln_err *err);
bool ln_tx_rule_pause(ln_tx *tx, ln_str playbook, ln_str rule, int64_t approval, ln_err *err);
/* What was decided of a pause: what it held back is released, or stays undone; quiet when it is none. */
bool ln_tx_rule_answered(ln_tx *tx, int64_t approval, bool yes, int64_t ms, ln_err *err);

/* --- what starts by time (alerts.c) --- */
typedef struct ln_schedule {
  ln_str playbook, why;                                  /* why: it could not be started the last time */
  int64_t every_ms, at_ms, due_ms, run;
  char ulid[LN_ULID + 1];                                /* of its last run, on reading */
  bool under_way;                                        /* that has not ended; on reading */
} ln_schedule;
typedef bool (*ln_schedule_fn)(void *arg, const ln_schedule *s); /* lent; false stops */
bool ln_store_schedules(ln_store *s, ln_schedule_fn fn, void *arg, ln_err *err);
/* Puts it, if its time is still was_ms (0: if it is not there); else "conflict". */
bool ln_tx_schedule_put(ln_tx *tx, const ln_schedule *s, int64_t was_ms, ln_err *err);
bool ln_tx_schedule_drop(ln_tx *tx, ln_str playbook, ln_err *err);

/* A signature that was used until its window is over.  "conflict": it was seen already. */
bool ln_tx_delivery_put(ln_tx *tx, ln_str source, ln_str mark, int64_t now_ms, int64_t until_ms,
                        ln_err *err);
/* How far something was read, and when; begin: only where there is none, without a value. */
bool ln_tx_cursor_put(ln_tx *tx, ln_str name, ln_str value, int64_t ms, ln_err *err);
bool ln_tx_cursor_begin(ln_tx *tx, ln_str name, int64_t ms, ln_err *err);
/* value, and *ms, are appended and set when there is one; either may be NULL. */
bool ln_store_cursor(ln_store *s, ln_str name, ln_buf *value, int64_t *ms, ln_err *err);

/* --- retention (prune.c): a run, and all that it began, go together --- */
typedef enum ln_kept_for { /* why a tree of runs has to stay */
  LN_KEPT_NOT, LN_KEPT_OPEN, LN_KEPT_YOUNG, LN_KEPT_HELD, LN_KEPT_ASKED, LN_KEPT_COUNTED
} ln_kept_for;
/* Roots that ended before that, ids above `after`, at most *n (64 at a time); runs of a tree, likewise. */
bool ln_store_old_trees(ln_store *s, int64_t before_ms, int64_t after, int64_t *ids, size_t *n, ln_err *err);
bool ln_store_tree(ln_store *s, int64_t root, int64_t after, int64_t *ids, size_t *n, ln_err *err);
/* OPEN: not all of it has ended; YOUNG: not before then; HELD: an entity that it acted on is; ASKED: a
** question of it waits; COUNTED: by caps. */
bool ln_store_kept(ln_store *s, int64_t root, int64_t before_ms, int64_t now_ms, ln_kept_for *why,
                   ln_err *err);
bool ln_tx_kept(ln_tx *tx, int64_t root, int64_t before_ms, int64_t now_ms, ln_kept_for *why, ln_err *err);
/* One that has ended, with all that is only its own; whoever began it last.  Its audit stays. */
bool ln_tx_run_remove(ln_tx *tx, int64_t run, ln_err *err);
/* A value that a removed run's journal named, until it is known that no other does: to be looked for in all
** of them, and then given back its life, or ended.  Put again meanwhile, it lives. */
bool ln_tx_value_dying(ln_tx *tx, ln_str sha256_hex, ln_err *err);
bool ln_store_dying(ln_store *s, ln_name_fn fn, void *arg, ln_err *err); /* fn asks nothing of the store */
bool ln_tx_value_lives(ln_tx *tx, ln_str sha256_hex, ln_err *err);
bool ln_tx_value_end(ln_tx *tx, ln_str sha256_hex, bool *gone, ln_err *err);
/* What alerts said that came before then, and that no run of theirs needs: 64 at most of those above
** *after, where to go on from.  Their rows stay. */
bool ln_tx_alerts_forget(ln_tx *tx, int64_t before_ms, int64_t *after, int64_t *n, ln_err *err);
/* What has expired, 64 at most: *n were removed.  *after: the id to go on from. */
bool ln_tx_contents_expire(ln_tx *tx, int64_t now_ms, int64_t *after, int64_t *n, ln_err *err);
/* The names of all manifests; those that runs were begun with, a name perhaps more than once.  *last: the
** last run that was looked at; of the others a transaction asks.  fn asks nothing of the store. */
bool ln_tx_manifests(ln_tx *tx, ln_name_fn fn, void *arg, ln_err *err);
bool ln_store_snapshots(ln_store *s, ln_name_fn fn, void *arg, int64_t *last, ln_err *err);
/* How many runs were moved to others since the store was made: when it is another number than before the runs
** were looked at, they have to be looked at again. */
bool ln_store_moves(ln_store *s, int64_t *n, ln_err *err);
bool ln_tx_moves(ln_tx *tx, int64_t *n, ln_err *err);
bool ln_tx_snapshots(ln_tx *tx, int64_t after, ln_name_fn fn, void *arg, ln_err *err);
bool ln_tx_content_get(ln_tx *tx, ln_str sha256_hex, ln_buf *bytes, bool *found, ln_err *err);
bool ln_tx_content_remove(ln_tx *tx, ln_str sha256_hex, ln_err *err);
bool ln_tx_hint(ln_tx *tx, ln_str key, ln_buf *value, ln_err *err); /* as ln_store_hint */
/* A step each: of the log, rows that are in segments, or nobody's; of the file, pages that are free. */
bool ln_store_tidy(ln_store *s);                         /* true: there may be more                         */
bool ln_store_free_some(ln_store *s, bool *more, ln_err *err);

/* --- audit: what was decided, refused and done, append-only and chained by hashes (audit.c) --- */
/* run 0: none.  In the transaction of what it tells. */
bool ln_tx_audit(ln_tx *tx, int64_t ms, ln_str what, ln_str who, int64_t run, ln_str detail_json,
                 ln_err *err);
typedef struct ln_audit_row {
  int64_t seq, ms, run;                                  /* seq: 1, 2, 3 …                                  */
  ln_str what, who, ulid, detail;                        /* ulid "": of no run; detail: JSON                */
  uint8_t hash[LN_SHA256];                               /* zeros: what is kept is none                     */
} ln_audit_row;
/* The hash that a record has after the one with the hash `before` (zeros: it is the first). */
bool ln_audit_hash(const uint8_t before[LN_SHA256], const ln_audit_row *r, uint8_t out[LN_SHA256]);
typedef bool (*ln_audit_fn)(void *arg, const ln_audit_row *r); /* lent; false stops */
/* In order of their numbers, those above `after` and not older than since_ms; fn may ask the store. */
bool ln_store_audit(ln_store *s, int64_t after, int64_t since_ms, ln_audit_fn fn, void *arg, ln_err *err);

/* A signature of how the audit was up to a record; texts in hexadecimal digits. */
typedef struct ln_checkpoint { int64_t seq, ms; ln_str hash, signer, signature; } ln_checkpoint;
typedef bool (*ln_checkpoint_fn)(void *arg, const ln_checkpoint *c); /* lent; false stops */
bool ln_tx_checkpoint_put(ln_tx *tx, const ln_checkpoint *c, ln_err *err); /* quiet if there is one */
bool ln_store_checkpoints(ln_store *s, ln_checkpoint_fn fn, void *arg, ln_err *err); /* in order */
typedef struct ln_audit_head {
  int64_t seq;                                           /* of the last record; 0: none                     */
  uint8_t hash[LN_SHA256];
  int64_t checked_seq, checked_ms;                       /* the last checkpoint's; 0: none                  */
} ln_audit_head;
bool ln_store_audit_head(ln_store *s, ln_audit_head *out, ln_err *err);

/* --- API tokens (tokens.c): of each only its SHA-256 is kept --- */
typedef struct ln_token_row {
  ln_str name, role, sha256;                             /* role: a word; sha256: 64 digits                 */
  ln_str created_by;
  int64_t created_ms, expires_ms, used_ms;               /* expires 0: never; used 0: not yet               */
} ln_token_row;
typedef bool (*ln_token_row_fn)(void *arg, const ln_token_row *t); /* lent; false stops */
/* "conflict" when there is one of that name. */
bool ln_tx_token_add(ln_tx *tx, const ln_token_row *t, ln_err *err);
bool ln_tx_token_rm(ln_tx *tx, ln_str name, bool *was, ln_err *err); /* the sessions that it made end, too */
/* Notes a use, unless one was noted less than a minute before. */
bool ln_tx_token_used(ln_tx *tx, ln_str sha256, int64_t ms, ln_err *err);
/* Calls fn once, when there is one; compared in constant time. */
bool ln_store_token(ln_store *s, ln_str sha256, ln_token_row_fn fn, void *arg, ln_err *err);
bool ln_store_tokens(ln_store *s, ln_token_row_fn fn, void *arg, ln_err *err); /* by name */

/* --- sessions of people (sessions.c): of each only its id's SHA-256 is kept --- */
typedef struct ln_session_row {
  ln_str sha256, who, role;                              /* role: a word; "": what it rested on is gone     */
  ln_str how, origin;                                    /* "token": origin is its SHA-256; "oidc": that of
                                                            what the configuration said                     */
  int64_t made_ms, used_ms, ends_ms;
} ln_session_row;
typedef void (*ln_session_row_fn)(void *arg, const ln_session_row *s); /* lent */
/* Those that are over go, and where a person has 16, or all together 1,024, the least used make room. */
bool ln_tx_session_add(ln_tx *tx, const ln_session_row *s, int64_t idle_ms, ln_err *err);
bool ln_tx_session_end(ln_tx *tx, ln_str sha256, bool *was, ln_err *err);
/* Notes a use, unless one was noted less than a minute before. */
bool ln_tx_session_used(ln_tx *tx, ln_str sha256, int64_t ms, ln_err *err);
/* Calls fn once, when there is one; compared in constant time.  Role and end are those of the token that made
** it, where one did. */
bool ln_store_session(ln_store *s, ln_str sha256, ln_session_row_fn fn, void *arg, ln_err *err);

/* --- ownership: an exclusive flock on STORE.owner/ID for life (owner.c) --- */
typedef struct ln_owner ln_owner;
ln_owner *ln_owner_take(const ln_store *s, ln_rand *rand, int64_t wall_ms, ln_err *err); /* a fresh id     */
const char *ln_owner_id(const ln_owner *o);
bool ln_owner_alive(const ln_store *s, ln_str id);       /* does a living process hold that id's lock? */
void ln_owner_at(ln_owner *o, int64_t run);              /* whose script runs now; 0: nobody's */
/* whose script a dead one died in; 0: none. forget: its file goes */
int64_t ln_owner_blamed(const ln_store *s, ln_str id, bool forget);
void ln_owner_drop(ln_owner *o);                         /* and removes the file */
/* Who serves the store: one process at a time holds STORE.owner/daemon.  NULL: another does ("conflict"), or
** "store". */
typedef struct ln_served ln_served;
ln_served *ln_serve_take(const ln_store *s, ln_err *err);
void ln_serve_drop(ln_served *d);
bool ln_serve_held(const ln_store *s);                   /* does a living process? */

/* --- the simulated disk (vfs_sim.c): files in memory, shared memory included; what was not synced may be
** lost --- */
typedef struct ln_vfs_sim ln_vfs_sim;
ln_vfs_sim *ln_vfs_sim_new(const char *name, uint64_t seed, ln_err *err);    /* registers the VFS `name` */
void ln_vfs_sim_seed(ln_vfs_sim *v, uint64_t seed);      /* what chance decides from here on */
void ln_vfs_sim_kill(ln_vfs_sim *v); /* the processes die: what was written stays, open files become stale */
/* drops or tears unsynced writes by the seed; open files become stale */
void ln_vfs_sim_power_cut(ln_vfs_sim *v);
void ln_vfs_sim_fail_after(ln_vfs_sim *v, int64_t writes); /* the disk is full after so many; -1: never */
/* the power goes within the write, sync, or removal after so many; -1: never */
void ln_vfs_sim_cut_after(ln_vfs_sim *v, int64_t steps);
void ln_vfs_sim_lie(ln_vfs_sim *v, bool lie); /* a disk whose syncs do nothing: what a check must catch */
void ln_vfs_sim_free(ln_vfs_sim *v);                     /* after the last store on it was closed */

#endif
