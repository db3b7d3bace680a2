/* scratch.h: calls into a scratch run's VM (inside.h: ln_scratch_new), one after another. */
#ifndef LN_SCRATCH_H
#define LN_SCRATCH_H

#include "engine/inside.h"

/* Runs fn as the root branch, within a fresh budget: its first upvalue is `job`, a light userdata.  It may
** ask store.get, and nothing else that leaves.  False: err is what it raised, or why it was ended; the next
** call gets a fresh VM. */
bool ln_scratch_call(ln_run *scratch, lua_CFunction fn, void *job, ln_err *err);
/* The same, of what may ask nothing at all. */
bool ln_scratch_work(ln_run *scratch, lua_CFunction fn, void *job, ln_err *err);

#endif
