/* auth.h: how a vendor wants to be shown who calls, and the texts that do it.  Keys stand for values of the
** connector's configuration; their values come through a callback, are used, and are wiped. */
#ifndef LN_AUTH_H
#define LN_AUTH_H

#include "base/buf.h"

typedef enum ln_auth_kind {
  LN_AUTH_NONE,
  LN_AUTH_HEADER,
  LN_AUTH_BASIC,
  LN_AUTH_OAUTH2,
  LN_AUTH_JWT
} ln_auth_kind;

typedef struct ln_auth {                                 /* borrowed: it outlives the vendor */
  ln_auth_kind kind;
  ln_str header, prefix;                  /* HEADER: "Authorization", "SSWS "; default the first, "Bearer " */
  ln_str user;                                           /* key: user name (BASIC), client id (OAUTH2, JWT) */
  ln_str secret;                                  /* key: token, password, client secret, private key (PEM) */
  ln_str kid, scopes;                           /* keys, or "": the key's id; scopes, blank-separated (JWT) */
  ln_str alg;                                       /* JWT: "RS256" "RS384" "RS512" "ES256" "ES384" "ES512" */
  ln_str path;                                           /* of the token call */
  ln_str form;                                           /* further fields of the token call, form-encoded */
  int expect;                                            /* its good status; 0: 200 or 201 */
  int64_t early_ms;                                      /* a token is renewed so long before its end */
  const ln_str *regions;                          /* bases ("https://api.eu.example.com") that a 308 of the */
  size_t n_regions;                                      /* token call may lead to, and no others */
} ln_auth;

bool ln_form_add(ln_buf *out, ln_str name,
                 ln_str value); /* "&name=value", percent-encoded; no '&' at first  */
bool ln_percent(ln_buf *out, ln_str s);                  /* all but RFC 3986's unreserved characters */

typedef struct ln_assertion {                            /* a client assertion (RFC 7523) */
  ln_str alg, kid, client, audience;                     /* kid "": none */
  int64_t now_s, life_s;
  const char *jti;                                       /* used once, ever */
} ln_assertion;
/* Appends the signed JWT.  "bad_argument": the key cannot be read, or is not of the algorithm's kind. */
bool ln_assertion_sign(const ln_assertion *a, ln_str pem, ln_buf *out, ln_err *err);

#endif
