/* freeze.h: turning the kill switch, for whoever may: each time on record with who and why. */
#ifndef LN_FREEZE_H
#define LN_FREEZE_H

#include "engine/engine.h"

enum { LN_SCOPE_TEXT = 160 };

/* "connector:NAME", "playbook:NAME", or "" (everything) where there is no name.  False: it is too long. */
bool ln_freeze_scope(const char *kind, ln_str name, char out[LN_SCOPE_TEXT]);
/* Stops the writes of a scope.  Durable when it returns.  False: the store's error. */
bool ln_freeze_put(ln_engine *g, const char *scope, ln_str why, ln_str by, ln_err *err);
/* Ends that freeze, of scope "" every one; *n: how many there were. */
bool ln_freeze_lift(ln_engine *g, const char *scope, ln_str by, int64_t *n, ln_err *err);

#endif
