/* playtest_parts.h: what the files playtest*.c share. */
#ifndef LN_PLAYTEST_PARTS_H
#define LN_PLAYTEST_PARTS_H

#include "debug/playtest.h"

/* In the state that simulators and tests share: pushes what stdlib/sim/test.lua makes of the functions below,
** { count, file, info, run }; its hooks are kept for the life. [-0, +1, e] */
void lnL_playtest_open(lua_State *L, ln_simset *s, const ln_playtest_opts *o);

/* In a child: a world, a process that runs runs, and the folder for its files. */
bool ln_playtest_be_born(const char *folder, ln_err *err);

#endif
