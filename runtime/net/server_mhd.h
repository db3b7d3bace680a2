/* server_mhd.h: between the parts of the server: server_check.c says which requests are refused, server_cut.c
** ends a connection by hand, server_mhd.c does the rest. */
#ifndef LN_SERVER_MHD_H
#define LN_SERVER_MHD_H

#include "base/buf.h"
#include "net/server.h"

#include <microhttpd.h>

typedef struct ln_refusal {
  int status;                                            /* 0: not refused                                */
  const char *why;
} ln_refusal;

/* Gathers the headers, which stay the connection's, in a new array (free() it).  NULL: no memory. */
ln_header *ln_server_headers(struct MHD_Connection *c, size_t *n);
ln_refusal ln_server_check(const ln_server_request *r, const char *version, size_t max_body);

/* Writes bytes to the socket, says that no more will come, and reads on for a moment until the peer hangs up:
** closing at once would let what it still sends destroy what it has not read.  Then calls done. */
typedef struct ln_cut ln_cut;
ln_cut *ln_cut_start(ln_loop *l, int fd, ln_str bytes, ln_task_fn done, void *arg); /* NULL: no memory      */
void ln_cut_stop(ln_cut *c);                             /* done will not be called; NULL is welcome      */
void ln_cut_reset(int fd);                               /* the peer sees a reset                         */

#endif
