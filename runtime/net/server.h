/* server.h: a small HTTP server on a loop (server_mhd.c).  It refuses what HTTP leaves open to smuggling
** (Content-Length beside Transfer-Encoding, repeated lengths, odd header names) before a handler sees it. */
#ifndef LN_SERVER_H
#define LN_SERVER_H

#include "net/transport.h"

typedef struct ln_server ln_server;
typedef struct ln_exchange ln_exchange;                  /* one request until it is replied to or cut      */

typedef struct ln_server_request {                       /* lent until the exchange ends                   */
  ln_str method, path, query;                            /* as sent: path not decoded, query without '?'   */
  const ln_header *headers;
  size_t n_headers;
  ln_str body;
} ln_server_request;

typedef void (*ln_handler_fn)(void *arg, ln_exchange *x, const ln_server_request *r);

typedef struct ln_server_limits {
  size_t max_body, max_connections;
  int64_t whole_ms;                                      /* header and body must have come by then          */
} ln_server_limits;

/* Listens on an IPv4 or IPv6 address; `l` is a loop of loop_uv.c.  handle is called from the top of the loop
** for each whole request, and each is to be replied to or cut, at once or later, on the loop's thread.
** Port 0: any that is free.  NULL: "bad_argument", or "unavailable" (the address is in use). */
ln_server *ln_server_mhd(ln_loop *l, const char *address, uint16_t port, const ln_server_limits *limits,
                         ln_handler_fn handle, void *arg, ln_err *err);
uint16_t ln_server_port(const ln_server *s);
/* Cuts what is open; no exchange may be touched afterwards.  Not within handle; before the loop's free. */
void ln_server_free(ln_server *s);

/* Copies all.  What frames the message (Content-Length, Transfer-Encoding) is the server's: such headers are
** passed over.  False: no memory, or a status or header that cannot be sent; then x is still open. */
bool ln_exchange_reply(ln_exchange *x, int status, const ln_header *headers, size_t n, ln_str body);
/* The same, with the body (not empty) so often in a row: an answer of any size, of which one copy is held. */
bool ln_exchange_repeat(ln_exchange *x, int status, const ln_header *headers, size_t n, ln_str body,
                        uint64_t times);
/* Sends those raw bytes and hangs up; without any, resets the connection. */
void ln_exchange_cut(ln_exchange *x, ln_str partial);

#endif
