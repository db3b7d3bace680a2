/* shelf.h: the playbooks that are loaded, as whoever chooses one wants to see them. */
#ifndef LN_SHELF_H
#define LN_SHELF_H

#include "engine/engine.h"

/* Appends an encoded array: what each playbook of the `scripts` folders declares, as ln_playbook_declared has
** it, in order of their modules' names.  What is no playbook, or has none that can be used, is left out. */
bool ln_shelf_playbooks(ln_engine *g, ln_buf *encoded, ln_err *err);
/* Appends JSON: D3FEND's countermeasures against such playbooks (stdlib/d3fend.lua's coverage). */
bool ln_shelf_coverage(ln_engine *g, ln_str playbooks, ln_buf *json, ln_err *err);

#endif
