/* hostlib.h: modules of stdlib that serve the core itself (the examination of scripts, what a plan compiles).
** They run in the host state, where nothing of a playbook runs; scripts are data to them. */
#ifndef LN_HOSTLIB_H
#define LN_HOSTLIB_H

#include "engine/engine.h"

/* Pushes what the module NAME of the `stdlib` folders returns; loaded once a host.  Within such a module
** `require` finds its fellows, and json.  Raises when there is none, or it fails. [-0, +1, e] */
void lnL_host_require(lua_State *L, ln_engine *g, const char *name);
/* Runs fn(job), a light userdata, protected in the host state; the stack is as before.  False: err says what
** was raised ("memory", or its code, else "failed"), after `what`. */
bool ln_host_run(ln_engine *g, lua_CFunction fn, void *job, const char *what, ln_err *err);

#endif
