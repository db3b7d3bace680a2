/* host.c: the host state, one a worker: an uncapped Lua state with all standard libraries, in which
** cjson builds values and the connectors' declarations live.  Nothing of a playbook runs there. */
#include "engine/host.h"

#include "engine/vm.h"

#include <lauxlib.h>
#include <lua5.4/lua-cjson.h>
#include <lualib.h>
#include <stdlib.h>

struct ln_host {
  lua_State *L, *work;
};

static const char WORK_KEY = 'w', CJSON_KEY = 'c';
static const char BUF[] = "lunette.buffer";

enum { LARGE = 1 << 20 };

static int l_buf_gc(lua_State *L) {
  ln_buf_free(lua_touserdata(L, 1));
  return 0;
}

ln_buf *lnL_new_buf(lua_State *L, size_t max) {
  ln_buf *b = lua_newuserdatauv(L, sizeof *b, 0);        /* buf             */
  ln_buf_init(b, max);
  if (luaL_newmetatable(L, BUF)) {                       /* buf meta        */
    lua_pushcfunction(L, l_buf_gc);
    lua_setfield(L, -2, "__gc");
    lnL_finalises(L);
  }
  lua_setmetatable(L, -2);
  return b;
}

static void open_cjson(lua_State *L) {
  lua_pushcfunction(L, luaopen_cjson);
  lua_call(L, 0, 1);                                     /* cjson           */
  lua_getfield(L, -1, "decode_invalid_numbers");
  lua_pushboolean(L, 0);
  lua_call(L, 1, 0);
  lua_getfield(L, -1, "decode_max_depth");
  lua_pushinteger(L, LN_VALUE_DEPTH + 1);
  lua_call(L, 1, 0);
  lua_getfield(L, -1, "decode");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &CJSON_KEY);
  lua_pop(L, 1);
}

static int open_all(lua_State *L) {
  ln_host *h = lua_touserdata(L, 1);
  luaL_openlibs(L);
  open_cjson(L);
  h->work = lua_newthread(L);                            /* work            */
  lua_rawsetp(L, LUA_REGISTRYINDEX, &WORK_KEY);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE); /* loaded       */
  lnL_push_json(L, h);
  lua_setfield(L, -2, "json");
  lua_createtable(L, 0, 1);                              /* loaded xml      */
  lua_pushlightuserdata(L, h);
  lua_pushcclosure(L, lnL_xml_decode, 1);
  lua_setfield(L, -2, "decode");
  lua_setfield(L, -2, "xml");
  return 0;
}

ln_host *ln_host_new(ln_err *err) {
  ln_host *h = calloc(1, sizeof *h);
  if (!h || !(h->L = luaL_newstate())) goto fail;
  *(void **)lua_getextraspace(h->L) = NULL;              /* no VM: see ln_vm_of                             */
  lua_pushcfunction(h->L, open_all);
  lua_pushlightuserdata(h->L, h);
  if (lua_pcall(h->L, 1, 0, 0) != LUA_OK) goto fail;
  return h;
fail:
  ln_host_free(h);
  ln_fail(err, "memory", LN_AGAIN, "no memory for the host state");
  return NULL;
}

void ln_host_free(ln_host *h) {
  if (h && h->L) lua_close(h->L);
  free(h);
}

lua_State *ln_host_state(ln_host *h) { return h->L; }
lua_State *ln_host_work(ln_host *h) { return h->work; }
void ln_host_push_cjson(ln_host *h, lua_State *W) {
  (void)h;
  lua_rawgetp(W, LUA_REGISTRYINDEX, &CJSON_KEY);
}

void ln_host_tidy(ln_host *h, size_t handled) {
  if (handled >= LARGE) lua_gc(h->work, LUA_GCCOLLECT);
}
