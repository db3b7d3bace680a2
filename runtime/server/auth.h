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

typedef struct ln_caller {
  ln_role role;
  char name[128];                                        /* the token's: who starts, decides, freezes       */
} ln_caller;

/* Every role but none includes viewer's; operator and approver do not include one another; admin has all.
** What needs LN_ROLE_NONE anybody may. */
bool ln_role_may(ln_role has, ln_role needs);

/* Whose is that token?  now_ms: the wall clock's.  False: "unauthorised" (unknown, expired or removed, which
** is not said), or the store's error.  No error and no log holds the token. */
bool ln_auth_bearer(ln_engine *g, ln_str token, int64_t now_ms, ln_caller *out, ln_err *err);

#endif
