/* lib_format.h: string.format. */
#ifndef LN_LIB_FORMAT_H
#define LN_LIB_FORMAT_H

#include <lua.h>

int lnL_format(lua_State *L);

#endif
