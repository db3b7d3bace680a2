/* local.h: a Unix socket between processes of one user on one machine.  Messages are bytes with a length
** before them; a caller says one and hears one.  The kernel tells who calls. */
#ifndef LN_LOCAL_H
#define LN_LOCAL_H

#include "base/buf.h"
#include "base/loop.h"

enum { LN_LOCAL_MOST = 256 << 20 };                      /* bytes of a message */

typedef struct ln_local ln_local;
typedef struct ln_peer ln_peer;                          /* one caller, from its message to our answer */

/* A whole message of `who` (the OS user's name), lent; ln_peer_answer is to be called once, now or later. */
typedef void (*ln_local_fn)(void *arg, ln_peer *p, ln_str who, ln_str message);

/* Listens on PATH, whatever its length; a socket that somebody left there is replaced: whoever calls this is
** sure to be the only one.  Only this process's own user (and root) is heard.  "store": it cannot be made. */
ln_local *ln_local_listen(ln_loop *l, const char *path, ln_local_fn fn, void *arg, ln_err *err);
void ln_local_close(ln_local *s); /* with its callers; the socket's file goes; NULL is welcome */
void ln_peer_answer(ln_peer *p, ln_str answer);          /* copied; p is gone after it */

/* For commands, without a loop: says a message and waits for the answer.  "unavailable": nobody listens, or
** it ended before it answered. */
bool ln_local_ask(const char *path, ln_str message, ln_buf *answer, ln_err *err);

#endif
