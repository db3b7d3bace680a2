/* dap.h: the Debug Adapter Protocol over time travel (travel.h): one editor, one session, one run. */
#ifndef LN_DAP_H
#define LN_DAP_H

#include "engine/engine.h"

/* Speaks the protocol on two descriptors, which stay open, until the editor disconnects or `in` ends.  The
** engine's store may be one that is only looked at.  False: "usage": what came is no such stream, and
** could not be followed; "memory". */
bool ln_dap_serve(ln_engine *g, int in, int out, ln_err *err);

#endif
