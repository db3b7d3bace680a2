/* idtoken.h: is that ID token (OpenID Connect Core) what our provider says of who signs in here, now? */
#ifndef LN_IDTOKEN_H
#define LN_IDTOKEN_H

#include "engine/values.h"

typedef struct ln_idtoken_want {   /* lent for the call                               */
  ln_str issuer, client_id, nonce; /* exactly these                                   */
  ln_str access_token;             /* that came with it; "": none                     */
  int64_t now_s;
} ln_idtoken_want;

/* keys: the provider's JWKS, an encoded object.  Appends the claims, an encoded object.  False:
** "not_found": it is signed with a key that is not among them (there may be newer ones); "unauthorised":
** it is not to be believed, and why.  No error holds anything of the token. */
bool ln_idtoken_check(ln_host *h, ln_str token, ln_str keys, const ln_idtoken_want *w, ln_buf *claims,
                      ln_err *err);

#endif
