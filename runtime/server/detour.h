/* detour.h: what a browser carries along while it is away at the provider, so that whoever comes back is the
** one who left, once, and not for long.  All of it is sealed in a cookie: whoever begins a thousand sign-ins
** costs nothing here. */
#ifndef LN_DETOUR_H
#define LN_DETOUR_H

#include "base/buf.h"

enum { LN_DETOUR_MS = 600000, LN_DETOUR_TEXT = 44, LN_BACK_MOST = 1024 };

typedef struct ln_detour { /* base64url of 256 bits each                      */
  char state[LN_DETOUR_TEXT], nonce[LN_DETOUR_TEXT], verifier[LN_DETOUR_TEXT];
  char back[LN_BACK_MOST + 1]; /* where it wants to go afterwards: a path of ours */
} ln_detour;

typedef struct ln_detours ln_detours; /* the key, and which are over                     */
ln_detours *ln_detours_new(ln_err *err);
void ln_detours_free(ln_detours *d); /* NULL is welcome                                 */
/* Appends the cookie's value; wipe *out and it.  "bad_argument": `back` is none of our paths. */
bool ln_detour_begin(ln_detours *d, ln_str back, int64_t now_ms, ln_detour *out, ln_buf *cookie, ln_err *err);
/* "unauthorised": the cookie is none of this process, too old, has another state, or was here before. */
bool ln_detour_end(ln_detours *d, ln_str cookie, ln_str state, int64_t now_ms, ln_detour *out, ln_err *err);
/* A path on this server, and nothing that a browser could read otherwise. */
bool ln_is_own_path(ln_str path);

#endif
