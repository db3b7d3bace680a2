/* lib.c: what the parts of the deterministic library share.  Functions of Lua's own library that are
** harmless (they end soon, and answer the same everywhere) are used as they are: their addresses are
** taken once, from a scratch state, and no VM ever opens the stock library. */
#include "engine/vm_lib.h"

#include <lualib.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

enum { MOST = 32 };
enum { STOCK_BASE, STOCK_STRING, STOCK_MATH, STOCK_UTF8 };

static const struct { const char *lib, *names; lua_CFunction open; } sources[] = {
    [STOCK_BASE] = {LUA_GNAME, "ipairs rawequal rawget rawlen select tonumber type", luaopen_base},
    [STOCK_STRING] = {LUA_STRLIBNAME, "byte char len lower pack packsize reverse sub unpack upper",
                         luaopen_string},
    [STOCK_MATH] = {LUA_MATHLIBNAME, "abs acos asin atan ceil cos deg exp floor fmod log max min modf rad "
                       "sin sqrt tan tointeger type ult", luaopen_math},
    [STOCK_UTF8] = {LUA_UTF8LIBNAME, "char codepoint codes len offset", luaopen_utf8}};
enum { SOURCES = sizeof sources / sizeof sources[0] };

static luaL_Reg stock[SOURCES][MOST];                    /* NULL-ended; filled once, then only read         */
static char names[SOURCES][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void take(lua_State *L, int which) {              /* … library       */
  char *rest = NULL;
  size_t n = 0;
  snprintf(names[which], sizeof names[which], "%s", sources[which].names);
  char *name = strtok_r(names[which], " ", &rest);
  for (; name && n < MOST - 1; name = strtok_r(NULL, " ", &rest)) {
    lua_getfield(L, -1, name);
    stock[which][n] = (luaL_Reg){name, lua_tocfunction(L, -1)};
    n += stock[which][n].func != NULL;
    lua_pop(L, 1);
  }
}

static int take_all(lua_State *L) {
  for (int i = 0; i < SOURCES; i++) {
    luaL_requiref(L, sources[i].lib, sources[i].open, 0);
    take(L, i);
    lua_pop(L, 1);
  }
  return 0;
}

static void fill(void) {
  lua_State *L = luaL_newstate();
  if (!L) return;
  lua_pushcfunction(L, take_all);
  lua_pcall(L, 0, 0, 0);
  lua_close(L);
}

static void know_stock(lua_State *L) {
  pthread_once(&once, fill);
  if (!stock[SOURCES - 1][0].name) luaL_error(L, "no memory for Lua's library");
}

static const char *name_in(const luaL_Reg *lib, lua_CFunction f) {
  for (; lib->name; lib++)
    if (lib->func == f) return lib->name;
  return NULL;
}

const char *lnL_lib_name(lua_CFunction f) {
  const luaL_Reg *const ours[] = {ln_lib_base, ln_lib_coroutine, ln_lib_wrapped, ln_lib_string, ln_lib_table};
  const char *name = NULL;
  if (!f) return NULL;
  for (size_t i = 0; !name && i < sizeof ours / sizeof ours[0]; i++) name = name_in(ours[i], f);
  for (size_t i = 0; !name && i < SOURCES; i++) name = name_in(stock[i], f);
  return name;
}

/* --- what nobody touched yet ---------------------------------------------------------------------------- */

static void put_math(lua_State *L) {                     /* math            */
  lua_pushnumber(L, 3.141592653589793238462643383279502884);
  lua_setfield(L, -2, "pi");
  lua_pushnumber(L, HUGE_VAL);
  lua_setfield(L, -2, "huge");
  lua_pushinteger(L, LUA_MAXINTEGER);
  lua_setfield(L, -2, "maxinteger");
  lua_pushinteger(L, LUA_MININTEGER);
  lua_setfield(L, -2, "mininteger");
}

static void put_utf8(lua_State *L) {                     /* utf8            */
  lua_pushlstring(L, "[\0-\x7F\xC2-\xFD][\x80-\xBF]*", 14);
  lua_setfield(L, -2, "charpattern");
}

static const luaL_Reg none[] = {{NULL, NULL}};

static const struct {
  const char *name;
  const luaL_Reg *ours, *stock;
  void (*rest)(lua_State *L);
} libraries[] = {{LUA_COLIBNAME, ln_lib_coroutine, none, NULL},
                 {LUA_MATHLIBNAME, none, stock[STOCK_MATH], put_math},
                 {LUA_STRLIBNAME, ln_lib_string, stock[STOCK_STRING], NULL},
                 {LUA_TABLIBNAME, ln_lib_table, none, NULL},
                 {LUA_UTF8LIBNAME, none, stock[STOCK_UTF8], put_utf8}};
enum { LIBRARIES = sizeof libraries / sizeof libraries[0] };

static void set_functions(lua_State *L, const luaL_Reg *lib) { /* library   */
  for (; lib->name; lib++) {
    lua_pushlstring(L, lib->name, strlen(lib->name));    /* of these no cache of addresses has heard        */
    lua_pushcfunction(L, lib->func);
    lua_rawset(L, -3);
  }
}

/* Error messages find the names of its functions in the table of what is loaded. */
static void open_library(lua_State *L, int i) {
  lua_createtable(L, 0, 32);                             /* library         */
  set_functions(L, libraries[i].ours);
  set_functions(L, libraries[i].stock);
  if (libraries[i].rest) libraries[i].rest(L);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);  /* library loaded  */
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, libraries[i].name);
  lua_pop(L, 1);
  lnL_freeze(L);                                         /* view            */
}

static const luaL_Reg *find_in(const luaL_Reg *lib, ln_str name) {
  for (; lib->name; lib++)
    if (ln_str_eq(ln_str_of(lib->name), name)) return lib;
  return NULL;
}

bool lnL_push_own(lua_State *L, ln_str name) {
  know_stock(L);
  const luaL_Reg *f = find_in(ln_lib_base, name);
  if (!f) f = find_in(stock[STOCK_BASE], name);
  if (f) return lua_pushcfunction(L, f->func), true;
  for (int i = 0; i < LIBRARIES; i++)
    if (ln_str_eq(ln_str_of(libraries[i].name), name)) return open_library(L, i), true;
  if (!ln_str_eq(name, LN_STR("_VERSION"))) return false;
  lua_pushliteral(L, LUA_VERSION);
  return true;
}

const char *lnL_own_name(size_t i) {
  const luaL_Reg *const bases[] = {ln_lib_base, stock[STOCK_BASE]};
  for (int k = 0; k < 2; k++)
    for (const luaL_Reg *f = bases[k]; f->name; f++)
      if (i-- == 0) return f->name;
  if (i < LIBRARIES) return libraries[i].name;
  return i == LIBRARIES ? "_VERSION" : NULL;
}

/* --- order ---------------------------------------------------------------------------------------------- */

bool lnL_read_order(lua_State *L, int idx, ln_order *o) {
  switch (lua_type(L, idx)) {
  case LUA_TNUMBER: {
    int exact;
    o->u.i = lua_tointegerx(L, idx, &exact);
    o->kind = exact ? LN_ORDER_INTEGER : LN_ORDER_FLOAT;
    if (!exact) o->u.f = lua_tonumber(L, idx);
    return exact || !isnan(o->u.f);
  }
  case LUA_TSTRING:
    o->kind = LN_ORDER_TEXT;
    o->u.s.p = lua_tolstring(L, idx, &o->u.s.n);
    return true;
  case LUA_TBOOLEAN:
    o->kind = LN_ORDER_BOOLEAN;
    o->u.i = lua_toboolean(L, idx);
    return true;
  default: return false;
  }
}

static int compare_mixed(lua_Integer i, lua_Number f) {  /* f is no integer                                 */
  if (f >= 0x1p63) return -1;
  if (f < -0x1p63) return 1;
  return i <= (lua_Integer)floor(f) ? -1 : 1;
}

static int compare_numbers(const ln_order *a, const ln_order *b) {
  bool ia = a->kind == LN_ORDER_INTEGER, ib = b->kind == LN_ORDER_INTEGER;
  if (ia && ib) return (a->u.i > b->u.i) - (a->u.i < b->u.i);
  if (!ia && !ib) return (a->u.f > b->u.f) - (a->u.f < b->u.f);
  return ia ? compare_mixed(a->u.i, b->u.f) : -compare_mixed(b->u.i, a->u.f);
}

static int rank(const ln_order *k) { return k->kind <= LN_ORDER_FLOAT ? 0 : (int)k->kind; }

int ln_order_compare(const ln_order *a, const ln_order *b) {
  if (rank(a) != rank(b)) return rank(a) < rank(b) ? -1 : 1;
  if (a->kind == LN_ORDER_TEXT) return ln_str_cmp(a->u.s, b->u.s);
  if (a->kind == LN_ORDER_BOOLEAN) return (int)(a->u.i - b->u.i);
  return compare_numbers(a, b);
}

static int by_order(const void *a, const void *b) {
  const ln_order *x = a, *y = b;
  int order = ln_order_compare(x, y);
  return order ? order : (x->at > y->at) - (x->at < y->at);
}

void ln_order_sort(ln_order *v, size_t n) {
  if (n > 16) {
    qsort(v, n, sizeof *v, by_order);
    return;
  }
  for (size_t i = 1; i < n; i++) {
    ln_order one = v[i];
    size_t k = i;
    for (; k && by_order(&v[k - 1], &one) > 0; k--) v[k] = v[k - 1];
    v[k] = one;
  }
}

/* --- texts ---------------------------------------------------------------------------------------------- */

void lnL_text_init(ln_text *t, int slot) { *t = (ln_text){NULL, 0, 0, slot}; }

void lnL_text_lend(ln_text *t, int slot, char *p, size_t n) { *t = (ln_text){p, 0, n, slot}; }

char *lnL_text_room(lua_State *L, ln_text *t, size_t n) {
  if (n <= t->cap - t->n) return t->p + t->n;
  if (n > SIZE_MAX / 4 - t->n) luaL_error(L, "resulting string too large");
  size_t cap = t->cap ? 2 * t->cap : 256;
  if (cap < t->n + n) cap = t->n + n;
  char *p = lua_newuserdatauv(L, cap, 0);
  if (t->n) memcpy(p, t->p, t->n);
  lua_replace(L, t->slot);
  t->p = p;
  t->cap = cap;
  return p + t->n;
}

void lnL_text_add(lua_State *L, ln_text *t, ln_str s) {
  if (!s.n) return;
  memcpy(lnL_text_room(L, t, s.n), s.p, s.n);
  t->n += s.n;
}

void lnL_text_push(lua_State *L, const ln_text *t) { lua_pushlstring(L, t->p ? t->p : "", t->n); }
