/* keep.h: bytes that came from outside on their way into the store as a blob. */
#ifndef LN_KEEP_H
#define LN_KEEP_H

#include "engine/engine.h"

typedef struct ln_keeping ln_keeping;

/* Copies the bytes and has the writer keep them.  done is called once, later: handle is the blob's encoded
** handle, lent; or err says why not.  NULL: no memory, done is not called. */
ln_keeping *ln_keep_blob(ln_engine *g, ln_str name, ln_str bytes,
                         void (*done)(void *arg, ln_str handle, const ln_err *err), void *arg, ln_err *err);
void ln_keep_forget(ln_keeping *k);                      /* done will not be called */

#endif
