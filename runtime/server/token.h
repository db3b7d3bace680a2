/* token.h: API tokens: "lnt_" and 48 characters, base64url of 256 random bits and 32 bits of their checksum,
** by which scanners for secrets can tell one from a look-alike.  Only its SHA-256 is kept. */
#ifndef LN_TOKEN_H
#define LN_TOKEN_H

#include "server/auth.h"

enum { LN_TOKEN_TEXT = 52 };

const char *ln_role_name(ln_role r);                     /* "viewer" …; static                              */
ln_role ln_role_of(ln_str name);                         /* LN_ROLE_NONE: there is no such role             */
bool ln_token_name_ok(ln_str name);                      /* 1 to 64 letters, digits and "_.@-"              */
bool ln_token_well_formed(ln_str token);                 /* is it spelt as one, with the right checksum?    */
/* Makes one for `name` (1 to 64 letters, digits and "_.@-"), and appends it to out: nobody can get it a
** second time; wipe it.  expires_ms 0: never.  by: who makes it, for the audit.  Fails "bad_argument",
** "conflict". */
bool ln_token_add(ln_store *s, ln_str name, ln_role role, int64_t expires_ms, ln_str by, ln_buf *out,
                  ln_err *err);
/* From now on it is refused, also by a process that serves the store.  *was: there was one. */
bool ln_token_rm(ln_store *s, ln_str name, ln_str by, bool *was, ln_err *err);

#endif
