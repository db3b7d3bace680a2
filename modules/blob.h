/* blob.h: a handle to bytes that are kept beside the journal by their SHA-256, sealed, with an expiry.  Lua
** sees name, size and hashes, never the bytes: samples and fetched files pass through a playbook without
** becoming its text. */
#ifndef LN_BLOB_H
#define LN_BLOB_H

#include "engine/engine.h"

enum { LN_BLOB_MAX = 64 << 20 };                         /* bytes of one                                    */

typedef struct ln_blob {                                 /* borrowed from the handle                        */
  ln_str name, sha256, sha1, md5;
  int64_t bytes;
} ln_blob;

/* Is the value at idx a handle?  Then *out is what it says. [-0, +0, -] */
bool lnL_to_blob(lua_State *L, int idx, ln_blob *out);
/* The same of an encoded value. */
bool lnL_blob_read(ln_str value, ln_blob *out);
/* On the writer: keeps the bytes, and appends the handle.  They expire after a week. */
bool lnL_blob_put(ln_engine *engine, ln_tx *tx, ln_str name, ln_str bytes, ln_buf *value, ln_err *err);
/* On the loop: appends the bytes.  "not_found": it expired, or there never was one. */
bool lnL_blob_get(ln_engine *engine, ln_str sha256, ln_buf *bytes, ln_err *err);

/* The word blob(name, text) -> handle: a local effect. */
int lnL_blob(lua_State *L);

#endif
