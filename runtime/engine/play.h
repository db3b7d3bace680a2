/* play.h: what a playbook declares: its table checked field by field, and its input coerced to the declared
** types. */
#ifndef LN_PLAY_H
#define LN_PLAY_H

#include "engine/inside.h"

/* The word `playbook`: checks the table at 1 and marks it.  Raises, naming field and form. */
int lnL_playbook(lua_State *L);
bool lnL_is_playbook(lua_State *L, int idx);
ln_play *lnL_play_of(lua_State *L, int idx, ln_err *err); /* its name, stage, uses, d3fend, for a branch */

/* Are the types of the inputs that the playbook at idx declares ones that there are, and their defaults of
** them?  Raises, naming the input. [-0, +0, e] */
LN_RAISES void lnL_check_inputs(lua_State *L, int idx);

/* What is done under the play rests on the verdict that its input (at idx) has.  [-0, +0, m] */
void lnL_play_input(lua_State *L, ln_play *p, int idx);

/* Coerces the table at `value` (nil: empty) by the declaration at `playbook`, with the site's values from the
** configuration below it; pushes the result.  Raises bad_argument, naming the input. [-0, +1, e] */
LN_RAISES void lnL_coerce_input(lua_State *L, int playbook, int value);

#endif
