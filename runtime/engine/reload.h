/* reload.h: scripts that people edit while this process runs.  Once started, runs begin with the newest
** snapshot that is whole; those under way keep theirs.  A script that does not compile, or whose declaration
** is wrong, keeps its last good version. */
#ifndef LN_RELOAD_H
#define LN_RELOAD_H

#include "engine/engine.h"

typedef struct ln_reload ln_reload;

typedef struct ln_stale {                                /* a file that is not in the snapshot as it is     */
  ln_str module, at, why;                                /* at: "scripts/x.lua:3"                           */
  bool last;                                             /* it has a last good version; else it fails       */
  int64_t since_ms;                                      /* when it was first seen so                       */
} ln_stale;

typedef struct ln_reload_opts {
  ln_loop *loop;                                         /* a real one, on which it watches                 */
  void (*active)(void *arg, const char *names);          /* a new snapshot, but the first: modules, "a,b"   */
  void (*broken)(void *arg, const ln_stale *s);          /* once for each content of a file                 */
  void *arg;
} ln_reload_opts;

/* Watches all folders of the configuration, and takes the first snapshot: where a script is broken then, the
** version that the store has of it is its last good one.  Files are no longer looked at when a run begins.
** o NULL: on the engine's loop, and what there is to tell is logged.  "unavailable": the system does not
** watch. */
ln_reload *ln_reload_start(ln_engine *g, const ln_reload_opts *o, ln_err *err);
/* What was saved before this call is active when it returns (ln_watch_settle). */
void ln_reload_settle(ln_reload *r);
/* Calls fn from the top of the loop whenever the folders were read again because something changed there. */
void ln_reload_told(ln_reload *r, void (*fn)(void *arg), void *arg);
void ln_reload_again(ln_reload *r);                      /* reads them now, changed or not; NULL is welcome */
void ln_reload_stop(ln_reload *r);                       /* NULL is welcome                                 */

/* Each of them that `module` (empty: anybody) is, or loads.  r NULL: there are none. */
void ln_reload_stale(const ln_reload *r, ln_str module, void (*fn)(void *arg, const ln_stale *s), void *arg);

#endif
