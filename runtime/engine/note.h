/* note.h: records a note of the run: found, not_done, evidence, log; buffered into the journal, deduplicated
** on replay. */
#ifndef LN_NOTE_H
#define LN_NOTE_H

#include <lua.h>

/* kind: "log", …; idx: the note's value, a table.  Returns at once; the table may be changed afterwards.
** Raises bad_argument when the value cannot be stored. [-0, +0, e] */
void lnL_note(lua_State *L, const char *kind, int idx);

#endif
