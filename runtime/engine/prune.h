/* prune.h: retention: runs that ended long ago go from the store into another one, the archive, which is
** a store like any other, and what nothing needs any more goes altogether. */
#ifndef LN_PRUNE_H
#define LN_PRUNE_H

#include "engine/engine.h"

typedef struct ln_prune_opts {
  int64_t before_ms; /* runs that ended before then */
  bool dry;          /* only says what it would take */
  ln_str by;         /* who wants it, for the audit */
  /* Told of each tree of runs that has to stay, by its first run. */
  void (*kept)(void *arg, const char *ulid, ln_kept_for why);
  void (*between)(void *arg); /* between two transactions: others get a turn */
  void *arg;
} ln_prune_opts;

typedef struct ln_pruned {
  int64_t runs;                      /* taken, or in a dry one: that would be */
  int64_t kept[LN_KEPT_COUNTED + 1]; /* trees that ended long ago and stay, by why */
  int64_t values, contents, scripts; /* removed: beside journals; expired; sources */
  int64_t alerts;                    /* of which only that they came is still known */
} ln_pruned;

/* Each run is in the archive, on disk, before it is removed.  archive may be NULL when it is dry.
** False: what was done stays done, and the next one goes on. */
bool ln_prune(ln_engine *g, ln_store *archive, const ln_prune_opts *o, ln_pruned *out, ln_err *err);

/* archive.c: puts a run that has ended, with all that shows and replays it, into another store, in `to`.
** Of the values beside its journal the names are appended to `names`, 64 digits each.  One that is
** there, as it is, stays so. */
bool ln_archive_run(ln_engine *g, int64_t run, ln_store *archive, ln_tx *to, ln_buf *names, ln_err *err);
/* Which values the run's journal names, likewise. */
bool ln_names_of(ln_engine *g, int64_t run, ln_name_fn fn, void *arg, ln_err *err);

#endif
