/* oidc.h: people sign in at an OpenID provider: authorization code with PKCE, by discovery. */
#ifndef LN_OIDC_H
#define LN_OIDC_H

#include "server/api.h"

typedef struct ln_oidc ln_oidc;

ln_oidc *ln_oidc_new(ln_engine *g, ln_err *err); /* where the configuration has an issuer           */
void ln_oidc_free(ln_oidc *o);                   /* gives up what is under way; NULL is welcome     */
/* GET /v1/signin/oidc: leads the browser to the provider. */
bool ln_oidc_begin(ln_oidc *o, ln_api *a, ln_err *err);
/* GET /v1/signin/oidc/callback: it came back.  Answers with a session, or with a page that says why not. */
bool ln_oidc_end(ln_oidc *o, ln_api *a, ln_err *err);

#endif
