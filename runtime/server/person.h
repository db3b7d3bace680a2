/* person.h: what a provider's claims make of somebody: a name, and a role. */
#ifndef LN_PERSON_H
#define LN_PERSON_H

#include "server/auth.h"

typedef struct ln_person {
  char name[128];
  ln_role role;
} ln_person;

/* Are the claims (an encoded object) there that it takes? */
bool ln_person_is_whole(const ln_oidc_config *c, ln_str claims);
/* False: "unauthorised", there is no name that can be used; "forbidden" (out->name is there), no role. */
bool ln_person_of(const ln_oidc_config *c, ln_str claims, ln_person *out, ln_err *err);
/* The SHA-256 of all that the configuration says of signing in: other words, other people. */
bool ln_person_origin(const ln_oidc_config *c, char out[LN_AUTH_HASH]);

#endif
