/* repl.h: what a prompt needs of Lua beside its run: is a chunk whole, how is a value shown, what may a word
** go on with.  All of it is worked out in the host state (stdlib/check/session.lua, show.lua, complete.lua):
** nothing of a playbook runs. */
#ifndef LN_REPL_H
#define LN_REPL_H

#include "engine/run.h"

/* May what was typed go on with another line? */
bool ln_repl_incomplete(ln_engine *g, ln_str text);
/* What came of a line (ln_session_said), as text; nothing where there is nothing to show.  columns: how wide
** it may be.  False: "failed", "memory". */
bool ln_repl_show(ln_engine *g, ln_str said, int columns, ln_buf *out, ln_err *err);
/* One encoded value, in the same way. */
bool ln_repl_show_value(ln_engine *g, ln_str value, int columns, ln_buf *out, ln_err *err);

/* What the word before the cursor may go on with.  known: an encoded object { commands = [text], connectors =
** name -> { operations = name -> { params } }, runs = [id], scripts = [module] }; `session` (may be NULL) is
** a prompt's run here, whose variables count.  Calls fn with each word that it may become; `from`:
** where in line it begins. */
bool ln_repl_complete(ln_engine *g, ln_run *session, ln_str known, ln_str line, size_t *from,
                      void (*fn)(void *arg, ln_str word), void *arg, ln_err *err);

#endif
