/* fence.h: a process gives up for good what it has no use for (Linux).  Files by Landlock: what was not let
** in is as if the rights on it were missing.  System calls by seccomp: those that no part of us makes are
** refused. */
#ifndef LN_FENCE_H
#define LN_FENCE_H

#include "base/err.h"

int ln_fence_abi(void);          /* of this kernel's Landlock; 0: it has none       */
bool ln_fence_calls_there(void); /* has it seccomp?                                 */

/* A fence that nothing is let through yet; -1: none is to be had.  Where it is not entered it is closed. */
int ln_fence_new(ln_err *err);
/* A file, or all that is below a folder, may be read; write: also changed, made and removed.  What is not
** there is passed over, and stays out when it comes. */
bool ln_fence_let(int fence, const char *path, bool write, ln_err *err);
/* From here on, for this thread and whatever it starts.  The fence is closed. */
bool ln_fence_enter(int fence, ln_err *err);

/* From here on, for all threads: nothing is started, traced, mounted, loaded or listened on any more.
** Refused with EPERM: what a library merely tries must not end a process that people rely on. */
bool ln_fence_calls(ln_err *err);

#endif
