/* auth.h: who is at an outward door, and what they may do.  token.c fills it. */
#ifndef LN_SERVER_AUTH_H
#define LN_SERVER_AUTH_H

#include "engine/engine.h"

typedef enum ln_role {
  LN_ROLE_NONE,
  LN_ROLE_VIEWER,
  LN_ROLE_OPERATOR,
  LN_ROLE_APPROVER,
  LN_ROLE_ADMIN
} ln_role;

enum { LN_AUTH_HASH = 65 };

typedef struct ln_caller {
  ln_role role;
  char name[128];                                        /* the token's: who starts, decides, freezes       */
  const char *how;                                       /* "token" or "oidc": how they signed in; static   */
  int64_t expires_ms;                                    /* of the token, or of the session; 0: never       */
  char token[LN_AUTH_HASH], session[LN_AUTH_HASH];       /* SHA-256 of the one that was shown; the other "" */
} ln_caller;

/* Every role but none includes viewer's; operator and approver do not include one another; admin has all.
** What needs LN_ROLE_NONE anybody may. */
bool ln_role_may(ln_role has, ln_role needs);

/* Whose is that token?  now_ms: the wall clock's.  False: "unauthorised" (unknown, expired or removed, which
** is not said), or the store's error.  No error and no log holds the token. */
bool ln_auth_bearer(ln_engine *g, ln_str token, int64_t now_ms, ln_caller *out, ln_err *err);
/* Is what that caller showed still good?  False also where the store cannot be read. */
bool ln_auth_still(ln_engine *g, const ln_caller *c, int64_t now_ms);
/* Somebody was not let in: for the audit, of which a minute has ten.  name: who they said to be, a token's
** name or ""; why: a word. */
void ln_auth_refused(ln_engine *g, const char *name, const char *why, int64_t now_ms);
/* The same of a session's id, as its cookie has it (session.c).  A session that is over is no attack, and is
** not audited. */
bool ln_auth_session(ln_engine *g, ln_str id, int64_t now_ms, ln_caller *out, ln_err *err);

#endif
