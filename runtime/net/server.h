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
  int64_t length;                                        /* of the body, as announced; -1: in chunks       */
  ln_str body;
  ln_str peer;                                           /* its address without the port; "": a local one  */
} ln_server_request;

typedef void (*ln_handler_fn)(void *arg, ln_exchange *x, const ln_server_request *r);

typedef struct ln_server_limits {                        /* of what may be 0: 0 is no limit               */
  size_t max_body, max_connections;
  size_t max_bodies;                                     /* memory of all bodies together; or 0             */
  int64_t whole_ms;                                      /* the header must have come by then             */
  int64_t body_ms;                                       /* and the body so long after it; 0: with it     */
  int64_t send_ms;                                       /* an answer must have been taken by then; or 0  */
  size_t max_header;                                     /* bytes of line and headers; or 0               */
  size_t per_client;                                     /* connections of one address; or 0              */
} ln_server_limits;

/* --- TLS: one identity a process --- */
typedef struct ln_server_tls ln_server_tls;
/* PEM files: a chain, the server's own first, and its key.  NULL: "config", naming the file. */
ln_server_tls *ln_server_tls_load(const char *cert, const char *key, ln_err *err);
/* Reads them again, for the handshakes that come.  False: they stay as they were. */
bool ln_server_tls_reload(ln_server_tls *t, ln_err *err);
void ln_server_tls_free(ln_server_tls *t);               /* after the server; NULL is welcome             */

typedef struct ln_server_door {
  const char *address;                                   /* an IPv4 or IPv6 address                       */
  uint16_t port;                                         /* 0: any that is free                           */
  int fd;                                                /* > 0: this one, which listens already, instead;
                                                            the server's from then on                     */
  ln_server_tls *tls;                                    /* NULL: none; lent                              */
} ln_server_door;

/* Listens; `l` is a loop of loop_uv.c.  handle is called from the top of the loop for each whole request, and
** each is to be replied to, streamed to or cut, at once or later, on the loop's thread.
** NULL: "bad_argument", or "unavailable" (the address is in use). */
ln_server *ln_server_open(ln_loop *l, const ln_server_door *door, const ln_server_limits *limits,
                          ln_handler_fn handle, void *arg, ln_err *err);
/* The same on an address, without TLS. */
ln_server *ln_server_mhd(ln_loop *l, const char *address, uint16_t port, const ln_server_limits *limits,
                         ln_handler_fn handle, void *arg, ln_err *err);
/* Asked for each request once its header is there, before any of its body is kept.  true: at most `most`
** bytes of that are (it comes in as max_body).  false: the body is passed over, and handle is called without
** it.  What is put into *note handle takes with ln_exchange_take; if it is not taken, drop has it in the end.
** It is called within libmicrohttpd's frame: nothing may be replied yet. */
typedef bool (*ln_judge_fn)(void *arg, const ln_server_request *r, size_t *most, void **note);
void ln_server_judge(ln_server *s, ln_judge_fn judge, void (*drop)(void *note)); /* before its loop runs */
void *ln_exchange_take(ln_exchange *x);                  /* the note, once; NULL: there is none            */
/* Takes no more connections, and hangs up on each that is open once its request is answered. */
void ln_server_drain(ln_server *s);
size_t ln_server_busy(const ln_server *s);               /* requests under way, streams among them         */
uint16_t ln_server_port(const ln_server *s);
/* Cuts what is open; no exchange may be touched afterwards.  Not within handle; before the loop's free. */
void ln_server_free(ln_server *s);

/* Copies all.  What frames the message (Content-Length, Transfer-Encoding) is the server's: such headers are
** passed over.  False: no memory, or a status or header that cannot be sent; then x is still open. */
bool ln_exchange_reply(ln_exchange *x, int status, const ln_header *headers, size_t n, ln_str body);
/* The same, with the body (not empty) so often in a row: an answer of any size, of which one copy is held. */
bool ln_exchange_repeat(ln_exchange *x, int status, const ln_header *headers, size_t n, ln_str body,
                        uint64_t times);
/* An answer whose body comes piece by piece.  `most` bytes at most wait for the peer to take them.  When the
** peer has gone, gone(arg) is called from the top of the loop, and the stream is no more.  NULL: as reply; or
** the method is HEAD, which is to be replied to without a body. */
typedef struct ln_stream ln_stream;
ln_stream *ln_exchange_stream(ln_exchange *x, int status, const ln_header *headers, size_t n, size_t most,
                              void (*gone)(void *arg), void *arg);
bool ln_stream_send(ln_stream *t, ln_str piece);         /* copies all; false: too much waits: none    */
/* What waits is forgotten, but for what was half taken: `last` comes instead, and the end.  gone is not
** called; the stream is the server's. */
void ln_stream_end(ln_stream *t, ln_str last);
/* Sends those raw bytes and hangs up; without any, and with TLS, resets the connection. */
void ln_exchange_cut(ln_exchange *x, ln_str partial);

#endif
