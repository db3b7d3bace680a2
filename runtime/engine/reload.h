/* reload.h: scripts that people edit while this process runs.  Once started, runs begin with the newest
** snapshot that is whole; those under way keep theirs.  A script that does not compile, or whose declaration
** is wrong, keeps its last good version. */
#ifndef LN_RELOAD_H
#define LN_RELOAD_H

#include "engine/engine.h"

typedef struct ln_reload ln_reload;

/* Watches all folders of the configuration, on the engine's loop (a real one), and takes the first snapshot:
** where a script is broken then, the version that the store has of it is its last good one.  Files are no
** longer looked at when a run begins.  "unavailable": the system does not watch. */
ln_reload *ln_reload_start(ln_engine *g, ln_err *err);
/* Calls fn from the top of the loop whenever the folders were read again because something changed there. */
void ln_reload_told(ln_reload *r, void (*fn)(void *arg), void *arg);
void ln_reload_again(ln_reload *r);                      /* reads them now, changed or not; NULL is welcome */
void ln_reload_stop(ln_reload *r);                       /* NULL is welcome                                 */

typedef struct ln_stale {                                /* a file that is not in the snapshot as it is     */
  ln_str module, at, why;                                /* at: "scripts/x.lua:3"                           */
  bool last;                                             /* it has a last good version; else it fails       */
  int64_t since_ms;                                      /* when it was first seen so                       */
} ln_stale;
/* Each of them that `module` (empty: anybody) is, or loads.  r NULL: there are none. */
void ln_reload_stale(const ln_reload *r, ln_str module, void (*fn)(void *arg, const ln_stale *s), void *arg);

#endif
