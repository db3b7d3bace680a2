/* inside.h: what the files of this folder know of each other: the store, and a transaction of its writer. */
#ifndef LN_STORE_INSIDE_H
#define LN_STORE_INSIDE_H

#include "store/conn.h"
#include "store/map.h"
#include "store/store.h"
#include "store/tail.h"

#include <pthread.h>

typedef struct ln_writer ln_writer;                      /* writer.c */

enum {
  LN_ENTRIES_MAX = 64 << 20,                             /* bytes of one run in one batch */
  LN_BATCH_JOBS = 1024,
  LN_BATCH_BYTES = 4 << 20,                              /* of log; a batch ends at the job that reaches it */
  LN_TAIL_KEEP = 100000, /* rows older than so many are gathered into segments */
  LN_TAIL_SLACK = 8192, /* rows beyond that, or needless ones, at which an idle writer tidies */
  LN_TAIL_MOST = 500000,                                 /* rows at which a busy one does, too */
  LN_TIDY_ROWS = 8192,                                   /* rows gathered and deleted in one step */
  LN_TAIL_DEAD = 65536                                   /* needless ones at which a busy writer tidies */
};

typedef struct ln_log_slot {                             /* one run's entries in the batch under way */
  int64_t run;
  ln_buf entries;
  uint64_t job; /* the last job that wrote here, and where it began: */
  size_t mark;                                           /* what a job that fails has written is cut off */
  int64_t n, upto;                                       /* tidying: of the run's last segment */
} ln_log_slot;

/* The writer's side: one connection, and the batch under way.  Whoever holds store.write_mx owns it. */
struct ln_tx {
  ln_store *store;
  ln_conn *c;                                            /* NULL: to be opened again */
  int64_t next, floor, version;                          /* of meta */
  bool meta_changed, told;                               /* told: who looks on, of entries of this batch */
  uint64_t job, number;                                  /* of jobs, and of batches, so far */
  int64_t changes;                                       /* sqlite3_total_changes when the batch began */
  ln_log_slot *slot;
  size_t slots, slots_cap;
  ln_map slot_of;
  size_t bytes, rows;                                    /* of log in this batch */
  ln_tail tail;                                          /* of what is committed */
  int64_t unsure; /* what the tail takes for needed below this id may be in a segment already */
  int64_t tail_runs; /* runs above this id began after it; 0: it knows all of all runs */
  /* runs that had entries in a batch that failed: no more of theirs until they are owned anew */
  ln_map lost;
};

struct ln_store {
  char *path, *vfs;
  ln_clock *clock;
  bool looks;                                            /* nothing may be written */
  const ln_store_watch *watch;                           /* NULL: nobody looks on */
  int64_t tail_keep, tail_slack; /* LN_TAIL_KEEP and LN_TAIL_SLACK; tests make them small */
  pthread_mutex_t read_mx;                               /* held for one page of rows at most */
  ln_conn *reader;
  ln_tail read_tail;
  int64_t data_version, others;                          /* as of the last ln_store_changed */
  pthread_mutex_t write_mx;                              /* held for one batch */
  ln_tx tx;
  pthread_mutex_t count_mx;                              /* held from before a COMMIT until it is counted */
  int64_t own_commits;
  ln_writer_stats stats;
  ln_writer *writer;                                     /* NULL: not started */
};

/* --- reading (sqlite.c): one page over the read connection; on true, ln_rows_free it --- */
#define ln_store_rows(s, r, err, ...)                                                                       \
  (ln_store_lock(s), ln_store_unlock(s, ln_conn_rows((s)->reader, (r), (err), __VA_ARGS__)))
void ln_store_lock(ln_store *s);
bool ln_store_unlock(ln_store *s, bool ok);              /* gives back ok */

/* --- one batch (commit.c); all with write_mx held --- */
bool ln_batch_begin(ln_tx *tx, ln_err *err);
/* One job.  False: err; when *spoilt, the batch is lost with it, and ln_batch_abort is next. */
bool ln_batch_apply(ln_tx *tx, ln_apply_fn apply, void *arg, bool *spoilt, ln_err *err);
bool ln_batch_commit(ln_tx *tx, ln_err *err);            /* false: aborted */
void ln_batch_abort(ln_tx *tx);
void ln_tx_free(ln_tx *tx);
/* One step of moving the log's floor up, in a transaction of its own; false: it did not move. */
bool ln_tx_tidy(ln_tx *tx);
bool ln_tx_tidy_due(ln_tx *tx, bool idle); /* is it time for a step, of a writer that is idle, or not? */

bool ln_mark_place(ln_store *s, ln_err *err);            /* mark.c: the store learns which file it lies in */
void ln_writer_stop(ln_store *s);                        /* writer.c: applies what has queued */

/* --- the log within a batch (journal.c) --- */
void ln_log_undo(ln_tx *tx);                             /* what the current job has written */
bool ln_log_flush(ln_tx *tx, ln_err *err);               /* the rows of the batch; ids from tx->next */
void ln_log_learn(ln_tx *tx);                            /* after the commit: into the tail */
void ln_log_tell(ln_tx *tx, const ln_log_slot *s); /* whoever looks on, if anybody does */
void ln_log_reset(ln_tx *tx);                            /* the slots are free for the next batch */
void ln_log_lost(ln_tx *tx);                             /* the batch's entries will not be in the log */

#endif
