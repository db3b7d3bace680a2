/* note.h: notes of a run, for modules. */
#ifndef LN_NOTE_H
#define LN_NOTE_H

#include "engine/effect.h"

/* Records the value at idx as a note of the run: "found", "not_done", "evidence", "log"; buffered into the
** journal, not repeated by a replay.  Raises bad_argument when the value cannot be stored. */
LN_RAISES void lnL_note(lua_State *L, const char *kind, int idx);

#endif
