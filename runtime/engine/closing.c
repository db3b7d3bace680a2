/* closing.c: is a __close under way?  A cancelled branch may ask for a few effects there, and nowhere
** else. Lua calls a __close from a Lua function that leaves a block, and says so; or, while an error
** unwinds, from the protected call that catches it.  Then what that call has above it is not the function
** that it was given. */
#include "engine/inside.h"
#include "engine/vm_lib.h"

/* Where a protected call of ours has its function on its stack; 0: it is none. */
static int place_of_function(lua_CFunction f) {
  const char *name = f ? lnL_lib_name(f) : NULL;
  if (f == lnL_branch) return 1;
  if (name && strcmp(name, "pcall") == 0) return 2;
  return name && strcmp(name, "xpcall") == 0 ? 4 : 0;
}

/* [… called] is called, from ar's function: not as what that protects? */
static bool is_unwinding(lua_State *L, lua_Debug *ar, int called) {
  lua_getinfo(L, "f", ar);                               /* … called caller           */
  int place = place_of_function(lua_tocfunction(L, -1));
  lua_pop(L, 1);
  if (!place || !lua_getlocal(L, ar, place)) return false; /* … called given          */
  bool given = lua_rawequal(L, -1, called);
  lua_pop(L, 1);
  return !given;
}

bool lnL_in_close(lua_State *L) {
  lua_Debug ar;
  bool is = false;
  if (!lua_checkstack(L, 4)) return false;
  for (int level = 0; !is && lua_getstack(L, level, &ar); level++) {
    lua_Debug below;
    lua_getinfo(L, "nf", &ar);                           /* called                    */
    is = strcmp(ar.namewhat, "metamethod") == 0 && strcmp(ar.name, "close") == 0;
    if (!is && lua_getstack(L, level + 1, &below)) is = is_unwinding(L, &below, lua_gettop(L));
    lua_pop(L, 1);
  }
  return is;
}
