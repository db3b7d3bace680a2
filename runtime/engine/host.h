/* host.h: what the parts of the host state (host.c, json_lua.c, xml_lua.c) share. */
#ifndef LN_ENGINE_HOST_H
#define LN_ENGINE_HOST_H

#include "engine/values.h"

#define LN_HOST_VALUE_MAX ((size_t)256 << 20)            /* what one decoded or encoded text may take       */

/* A thread of the host state that is never running otherwise, so that it may be used from within a call
** into it. */
lua_State *ln_host_work(ln_host *h);
void ln_host_push_cjson(ln_host *h, lua_State *W);       /* cjson's decode  [-0, +1, -]                     */
/* After a text of so many bytes: collects what a large one left. */
void ln_host_tidy(ln_host *h, size_t handled);

#endif
