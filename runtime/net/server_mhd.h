/* server_mhd.h: between the parts of the server: server_listen.c opens the socket, server_tls.c has the
** certificate, server_check.c says which requests are refused, server_cut.c ends a connection by hand,
** server_mhd.c does the rest. */
#ifndef LN_SERVER_MHD_H
#define LN_SERVER_MHD_H

#include "base/buf.h"
#include "net/server.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>

typedef struct ln_refusal {
  int status;                                            /* 0: not refused                                */
  const char *why;
} ln_refusal;

/* Gathers the headers, which stay the connection's, in a new array (free() it).  NULL: no memory. */
ln_header *ln_server_headers(struct MHD_Connection *c, size_t *n);
ln_refusal ln_server_check(const ln_server_request *r, const char *version, const ln_server_limits *most);

/* Of a request that was checked: as ln_server_request has it. */
int64_t ln_server_length(const ln_server_request *r);

/* A socket that listens where the door says, and does not block; -1: err. */
int ln_listen(const ln_server_door *door, uint16_t *port, ln_err *err);
enum { LN_PEER_TEXT = 64 };
void ln_listen_peer(int fd, char out[LN_PEER_TEXT]);     /* its address; "": none, or a local one         */

/* libmicrohttpd's certificate call-back (a gnutls_certificate_retrieve_function2). */
#define LN_TLS_PRIORITIES "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE"
int ln_tls_pick(gnutls_session_t session, const gnutls_datum_t *names, int n_names,
                const gnutls_pk_algorithm_t *kinds, int n_kinds, gnutls_pcert_st **chain, unsigned *n_chain,
                gnutls_privkey_t *key);

/* Writes bytes to the socket, says that no more will come, and reads on for a moment until the peer hangs up:
** closing at once would let what it still sends destroy what it has not read.  Then calls done. */
typedef struct ln_cut ln_cut;
ln_cut *ln_cut_start(ln_loop *l, int fd, ln_str bytes, ln_task_fn done, void *arg); /* NULL: no memory      */
void ln_cut_stop(ln_cut *c);                             /* done will not be called; NULL is welcome      */
void ln_cut_reset(int fd);                               /* the peer sees a reset                         */

#endif
