/* watch.h: folders that are looked after, with all that is below them, while people edit what is in there.
** Editors write in place, or rename over; a checkout writes hundreds of files.  So what changed is not told
** file by file: once it is quiet, or has gone on for too long, whoever watches is called, and reads all. */
#ifndef LN_WATCH_H
#define LN_WATCH_H

#include "base/loop.h"
#include "base/str.h"

typedef struct ln_watch ln_watch;

typedef struct ln_watch_opts {
  const ln_str *folders;                                 /* NUL-ended; one that is missing may come later   */
  size_t n;
  const char *suffix;                                    /* of the files that count, ".lua"                 */
  ln_task_fn changed;                                    /* from the loop: 20 ms after one file was closed, */
  void *arg;                                             /* or renamed; 1.5 s after the first of many       */
} ln_watch_opts;

/* On a real loop.  All that `changed` needs to see of a later change is watched when this returns: first
** watch, then read.  Names that begin with a dot are passed over.  "unavailable": the system watches no
** more.  The options are copied. */
ln_watch *ln_watch_start(ln_loop *l, const ln_watch_opts *o, ln_err *err);
/* Of what was saved before this call `changed` has been told when it returns: for a loop that runs for
** nothing else; it takes 1.5 s at most. */
void ln_watch_settle(ln_watch *w);
void ln_watch_stop(ln_watch *w);                         /* NULL is welcome                                 */

/* A descriptor to read a file by (flags: O_NOFOLLOW, or 0), unless somebody has it open for writing: then
** -1, *busy, and `changed` is called once it is closed.  Until ours is closed whoever opens it for writing
** waits, where the file belongs to us; so do not keep it.  -1 and not *busy: errno. */
int ln_watch_open(ln_watch *w, const char *path, int flags, bool *busy);

#endif
