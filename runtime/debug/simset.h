/* simset.h: what runs against simulators stand on, made once for many short histories: the configuration, the
** vendors, a disk in memory with a store that has the scripts, and host states with their connectors, one for
** each process of a history.  Whoever lives a history forks, so that it starts from here whatever became of
** the ones before, and a process of it may die by a jump: nothing of it is cleaned up, its slot is used up.
**
** No VM is made here: with the first one the engine's ticking thread begins, which no fork must meet. */
#ifndef LN_SIMSET_H
#define LN_SIMSET_H

#include "engine/engine.h"
#include "engine/simhost.h"

typedef struct ln_simset_opts {
  ln_config *config;                          /* yours; as long as the set */
  ln_engine like;                             /* its modules, open_words and find_op are taken */
  bool (*connect)(ln_engine *g, ln_err *err); /* makes and loads the connectors of a process */
  const char *disk;                           /* the VFS's name; no other set of this process's */
  size_t slots;                               /* processes of one history, at most */
} ln_simset_opts;

typedef struct ln_simset {
  ln_config *config;
  ln_simhost *vendors;
  ln_vfs_sim *disk;
  ln_engine *slot;
  size_t slots;
  const char *disk_name;
  ln_clock clock, *behind;                               /* the vendors': that of the life's loop           */
  int64_t set_ms;                                        /* by which somebody has set ours, and not theirs  */
} ln_simset;

/* NULL: err; what was made so far is let lie. */
ln_simset *ln_simset_new(const ln_simset_opts *o, ln_err *err);
/* Where files may be written to, and with that the facts of a site that nobody has configured. */
bool ln_simset_files(ln_simset *s, const char *folder, ln_err *err);
/* A process of slot n begins, on a loop and a transport that are there already: store, writer, vault and
** owner are opened.  Lives as long as it does: rand, watch (may be NULL). */
bool ln_simset_open(ln_simset *s, size_t n, ln_rand *rand, const ln_store_watch *watch, ln_err *err);

#endif
