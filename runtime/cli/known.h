/* known.h: what connectors there are, and what they take. */
#ifndef LN_KNOWN_H
#define LN_KNOWN_H

#include "engine/engine.h"

/* Appends an encoded object: name -> { operations = name -> { class, list, move, params = [{ name, type }],
** select, uses } } or { error }.  False: out is full. */
bool ln_known_connectors(ln_engine *g, ln_buf *out);

#endif
