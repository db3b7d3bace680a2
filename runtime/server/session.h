/* session.h: a person's session: the browser keeps an id of 256 random bits in a cookie, the store its
** SHA-256.  It ends an hour after its last use, twelve hours after its beginning, or with what it rests on.
** Whoever signs in gets a new id, so that nobody can be given one that somebody else knows. */
#ifndef LN_SESSION_H
#define LN_SESSION_H

#include "server/api.h"

enum { LN_SESSION_TEXT = 43, LN_SESSION_IDLE_MS = 3600000, LN_SESSION_MOST_MS = 12 * 3600000 };

typedef struct ln_sign_in { /* lent for the call                               */
  ln_str who, how, origin;  /* as ln_session_row has them                      */
  ln_role role;             /* as it is now                                    */
  int64_t expires_ms;       /* of what it rests on; 0: never                   */
  ln_str detail;            /* for the audit: an object's text                 */
  ln_str back;              /* for `then`: where the browser wants to go       */
} ln_sign_in;

/* Begins a session; the one that the request came with ends.  Calls then(a, who, back, NULL) when that is
** durable, the answer having the cookie by then, or then(a, NULL, back, why).  False: nothing was begun, and
** then is not called. */
typedef void (*ln_signed_fn)(ln_api *a, const ln_caller *who, ln_str back, const ln_err *err);
bool ln_session_begin(ln_api *a, const ln_sign_in *w, ln_signed_fn then, ln_err *err);
/* Ends the caller's session; then(a, who, "", NULL) when that is durable, and the cookie goes with the
** answer. */
bool ln_session_end(ln_api *a, ln_signed_fn then, ln_err *err);

/* cookie.c: the id that a request shows; empty where it shows none, or more than one. */
ln_str ln_session_shown(const ln_server_request *r, bool secure);
/* Sets a cookie of ours, or with an empty value takes it away.  name: "lunette"; where `secure` says so it is
** the browser's for https only ("__Host-lunette").  max_s 0: until the browser ends.  lax: it also comes with
** a request that another site led the browser to. */
typedef struct ln_cookie {
  const char *name;
  ln_str value;
  int64_t max_s;
  bool lax;
} ln_cookie;
void ln_cookie_set(ln_api *a, const ln_cookie *c);
ln_str ln_cookie_shown(const ln_server_request *r, const char *name, bool secure);
const char *ln_session_cookie(bool secure); /* "__Host-lunette" or "lunette"                   */
/* Did a page of ours send it?  What browsers say of that (Sec-Fetch-Site, else Origin) is believed; own:
** our address as browsers know it, where it is configured, else it is the Host, with https where `secure`
** says so. */
bool ln_from_own_page(const ln_server_request *r, ln_str own, bool secure);
bool ln_from_browser(const ln_server_request *r); /* does it say where it comes from at all?         */

#endif
