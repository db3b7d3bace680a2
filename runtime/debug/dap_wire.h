/* dap_wire.h: the protocol's framing: "Content-Length: N", an empty line, N bytes of JSON. */
#ifndef LN_DAP_WIRE_H
#define LN_DAP_WIRE_H

#include "base/buf.h"

enum { LN_DAP_HEAD_MOST = 8192, LN_DAP_BODY_MOST = 16 << 20 };

typedef struct ln_dap_wire ln_dap_wire;

/* A thread of its own reads `in`.  hurry(arg) is called there when a pause comes, which is not to wait for
** the request before it.  NULL: "memory". */
ln_dap_wire *ln_dap_wire_new(int in, int out, void (*hurry)(void *arg), void *arg, ln_err *err);
void ln_dap_wire_free(ln_dap_wire *w);
/* Waits for the next message.  False: there will be none: *err says why ("" code: `in` has ended).  One
** that is too long is passed over: then it is true, and *body empty and *err "too_big". */
bool ln_dap_wire_next(ln_dap_wire *w, ln_buf *body, ln_err *err);
bool ln_dap_wire_hurries(ln_dap_wire *w);          /* is a pause among those that wait? */
bool ln_dap_wire_put(ln_dap_wire *w, ln_str body); /* false: nobody reads any more */

#endif
