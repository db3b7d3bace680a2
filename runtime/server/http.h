/* http.h: the HTTP side of the process that serves a store: listens, lets in who may, and hands each request
** to its route's handler. */
#ifndef LN_HTTP_H
#define LN_HTTP_H

#include "server/api.h"

typedef struct ln_http ln_http;

/* Listens where the configuration says (or on the descriptor that was handed over).  *h stays NULL, and true
** comes back, where nothing was configured and the usual address is taken: that is said in the log.
** False: "unavailable", "config". */
bool ln_http_start(ln_service *s, ln_engine *g, int fd, ln_http **h, ln_err *err);
void ln_http_stop(ln_http *h);                           /* NULL is welcome                                 */
/* Takes no more connections; each that is open ends with its answer. */
void ln_http_drain(ln_http *h);
size_t ln_http_busy(const ln_http *h);                   /* requests under way; of NULL none                */
/* Reads the certificate again; quiet where there is none.  False: the old one stays. */
bool ln_http_reload(ln_http *h, ln_err *err);
void ln_http_where(const ln_http *h, ln_buf *out);       /* "http://127.0.0.1:7059"                         */

/* --- routes.c --- */
typedef enum ln_found { LN_FOUND, LN_NO_PATH, LN_NO_METHOD, LN_BAD_PATH } ln_found;
enum { LN_PARTS = 4 };
typedef struct ln_match {
  const ln_route *route;
  char *texts;                                           /* holds the parts; free() it                      */
  ln_str part[LN_PARTS];
  char allow[64];                                        /* NO_METHOD: "GET, POST"                          */
} ln_match;
/* HEAD is looked for as GET. */
ln_found ln_route_find(ln_str method, ln_str path, ln_match *m);
/* Decodes %XX into out: no NUL, no other control character, only UTF-8.  plus: '+' is a blank.  False:
** bad. */
bool ln_url_decode(ln_str s, bool plus, ln_buf *out);

/* --- rate.c: how often one address may ask --- */
typedef struct ln_rate ln_rate;
ln_rate *ln_rate_new(int64_t per_second, int64_t burst); /* NULL: no memory                                 */
void ln_rate_free(ln_rate *r);
/* Takes one turn of an address (of IPv6 the first 64 bits count); 0, or in how many ms there will be one. */
int64_t ln_rate_take(ln_rate *r, ln_str peer, int64_t now_ms);

#endif
