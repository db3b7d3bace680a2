/* http_parts.h: what the files of the http module share. */
#ifndef LN_HTTP_PARTS_H
#define LN_HTTP_PARTS_H

#include "engine/engine.h"
#include "net/vendor.h"

typedef struct lnH_url {                                 /* views into the text that was parsed */
  ln_str origin, host, path;                       /* "https://h:8443", "h", "/p?q" ("" when there is none) */
  int port;
  bool tls;
} lnH_url;

/* http_reach.c: where raw http may go */
bool lnH_parse(ln_str text, lnH_url *out, ln_err *err);  /* "bad_argument": what is wrong with it */
/* "refused", rule "egress": not listed, or a connector's own.  *loopback: the listed address is on
** loopback. */
bool lnH_allowed(const ln_engine *g, const lnH_url *u, bool *loopback, ln_err *err);
/* Fills name and value (a secret: wipe it) with what the credential shows that host; value is empty for
** kinds that show nothing.  "refused", rule "credential": not bound to the host; "bad_argument": none of
** that name, or its kind. */
bool lnH_credential(ln_engine *g, ln_str name, const lnH_url *u, ln_str body, ln_str *header, ln_buf *value,
                    ln_err *err);
/* The vendor object of an origin, made at first; NULL: too many, or no memory. */
ln_vendor *lnH_vendor(ln_engine *g, const lnH_url *u, bool loopback, ln_err *err);

/* http_request.c: an effect's arguments into a request */
enum { LNH_HEADERS = 40 };
typedef struct lnH_request {
  lnH_url url;
  ln_str method;
  bool loopback;
  ln_buf path, body, secret;                             /* secret: the credential's header value */
  ln_header headers[LNH_HEADERS + 2];
  size_t n_headers;
  char type[96];
} lnH_request;
void lnH_request_init(lnH_request *r);
void lnH_request_free(lnH_request *r);
/* args: an encoded object (url, method, query, headers, auth, body | json | form | multipart); everything
** but the address in it is borrowed by r.  Checks where it may go.  blobs: with the bytes of blobs, else
** without (a plan). */
bool lnH_request_make(ln_engine *g, ln_str args, bool blobs, lnH_request *r, ln_err *err);
/* Appends { body, headers, method, url } as a plan shows it. */
bool lnH_would(ln_str args, const lnH_request *r, ln_buf *out, ln_err *err);

#endif
