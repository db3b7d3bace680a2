/* instrument.h: scripts as a plan compiles them, so that they decide nothing on what is not known yet.
** (docs/architecture.md, "Plans".) */
#ifndef LN_INSTRUMENT_H
#define LN_INSTRUMENT_H

#include "engine/engine.h"

/* Compiles a script for the run that L belongs to, and pushes its function: as it is, or, when the run plans,
** as a plan has it.  chunk: "@scripts/t1059/harden.lua".  False: nothing was pushed. */
bool lnL_load_script(lua_State *L, ln_str source, const char *chunk, ln_err *err);

#endif
