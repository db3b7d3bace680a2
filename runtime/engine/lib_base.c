/* lib_base.c: the basic functions of the deterministic library.  They are Lua's, but for what would
** differ from process to process: pairs and next visit numbers, strings and booleans, each in order, and
** tostring numbers objects as they are shown.  pcall, xpcall and error know what is an error of the
** language, and what is the end. */
#include "base/rand.h"
#include "engine/values.h"
#include "engine/vm_lib.h"

#include <pthread.h>

static const char NUMBERS_KEY = 'n', ASIDE_KEY = 'a', MODE_KEY = 'm';

/* --- keys in order -------------------------------------------------------------------------------------- */

/* The key at idx, or an error in who's name: an object has no place in an order that a replay would
** repeat. */
static void read_key(lua_State *L, int idx, ln_order *k, const char *who) {
  if (!lnL_read_order(L, idx, k))
    luaL_error(L, "%s: a key that is a %s has no order that would be the same in a replay", who,
               luaL_typename(L, idx));
}

/* --- pairs and next ------------------------------------------------------------------------------------- */

/* How many keys has t, and are they just 1..n? */
static bool count_keys(lua_State *L, int t, lua_Integer *count) {
  lua_Integer n = 0, last = 0;
  bool plain = true;
  for (lua_pushnil(L); lua_next(L, t); lua_pop(L, 1)) {
    if ((++n & 0xfff) == 0) lnL_tick(L);
    if (!plain) continue;
    plain = lua_isinteger(L, -2) && lua_tointeger(L, -2) > 0;
    if (plain && lua_tointeger(L, -2) > last) last = lua_tointeger(L, -2);
  }
  *count = n;
  return plain && last == n;
}

static int l_next_position(lua_State *L) {               /* t i             */
  lua_Integer n = lua_tointeger(L, lua_upvalueindex(1));
  luaL_checktype(L, 1, LUA_TTABLE);
  for (lua_Integer i = luaL_optinteger(L, 2, 0) + 1; i <= n; i++) {
    if ((i & 0xfff) == 0) lnL_tick(L);
    if (lua_rawgeti(L, 1, i) != LUA_TNIL) {
      lua_pushinteger(L, i);
      lua_insert(L, -2);
      return 2;
    }
    lua_pop(L, 1);
  }
  lua_pushnil(L);
  return 1;
}

static int l_next_key(lua_State *L) {                    /* t …             upvalues: keys, how far */
  lua_Integer i = lua_tointeger(L, lua_upvalueindex(2));
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  while (lua_rawgeti(L, lua_upvalueindex(1), ++i) != LUA_TNIL) { /* t key   */
    if ((i & 0xfff) == 0) lnL_tick(L);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, 1) != LUA_TNIL) {                  /* t key value     */
      lua_pushinteger(L, i);
      lua_replace(L, lua_upvalueindex(2));
      return 2;
    }
    lua_settop(L, 1);
  }
  return 1;
}

enum { FEW = 16 };

/* A list of t's keys in order, if they are few: they wait on the stack.  [-0, +1, e] */
static void push_few_keys(lua_State *L, int t, int n) {
  ln_order order[FEW];
  int base = lua_gettop(L);
  luaL_checkstack(L, FEW + 4, NULL);
  lua_pushnil(L);
  for (int i = 0; i < n && lua_next(L, t); i++) {        /* … keys key value */
    lua_pop(L, 1);
    read_key(L, -1, &order[i], "pairs");
    order[i].at = (uint32_t)i;
    lua_pushvalue(L, -1);
  }
  ln_order_sort(order, (size_t)n);
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    lua_pushvalue(L, base + 1 + (int)order[i].at);
    lua_rawseti(L, -2, i + 1);
  }
  lua_replace(L, base + 1);
  lua_settop(L, base + 1);
}

/* The same of any number: they wait in a table. */
static void push_many_keys(lua_State *L, int t, lua_Integer n) {
  if (n > INT32_MAX / 2) luaL_error(L, "pairs: a table with more keys than can be put in order");
  ln_order *order = lua_newuserdatauv(L, (size_t)n * sizeof *order, 0); /* order    */
  lua_createtable(L, (int)n, 0);                         /* order came      */
  uint32_t at = 0;
  for (lua_pushnil(L); lua_next(L, t) && at < n; at++) { /* order came key value */
    read_key(L, -2, &order[at], "pairs");
    order[at].at = at + 1;
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, at + 1);
  }
  ln_order_sort(order, at);
  lua_createtable(L, (int)n, 0);                         /* order came keys */
  for (uint32_t i = 0; i < at; i++) {
    lua_rawgeti(L, -2, order[i].at);
    lua_rawseti(L, -2, i + 1);
  }
  lua_replace(L, -3);
  lua_pop(L, 1);
}

static int pairs_done(lua_State *L, int status, lua_KContext ctx) {
  (void)L, (void)status, (void)ctx;
  return 3;
}

static int l_pairs(lua_State *L) {
  lua_Integer n;
  luaL_checkany(L, 1);
  lua_settop(L, 1);
  if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
    lua_pushvalue(L, 1);
    lua_callk(L, 1, 3, 0, pairs_done);
    return 3;
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  if (count_keys(L, 1, &n)) {
    lua_pushinteger(L, n);
    lua_pushcclosure(L, l_next_position, 1);
  } else {
    if (n <= FEW) push_few_keys(L, 1, (int)n);
    else push_many_keys(L, 1, n);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, l_next_key, 2);
  }
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

/* The least key above the given one: linear, and right even if that one is gone. */
static int l_next(lua_State *L) {
  ln_order after = {0}, best = {0}, k;
  bool found = false;
  unsigned n = 0;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  bool all = lua_isnil(L, 2);
  if (!all) read_key(L, 2, &after, "next");
  lua_pushnil(L);                                        /* t k best        */
  for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
    if ((++n & 0xfff) == 0) lnL_tick(L);
    read_key(L, -2, &k, "next");
    if ((!all && ln_order_compare(&k, &after) <= 0) || (found && ln_order_compare(&k, &best) >= 0)) continue;
    found = true;
    best = k;
    lua_pushvalue(L, -2);
    lua_replace(L, 3);
  }
  if (!found) return 1;
  lua_pushvalue(L, 3);
  lua_rawget(L, 1);
  return 2;
}

/* --- showing values ------------------------------------------------------------------------------------- */

/* The number that the table under key has for the object at idx; 0: none. */
static lua_Integer number_in(lua_State *L, const char *key, int idx) {
  lua_Integer n = 0;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) == LUA_TTABLE) { /* numbers    */
    lua_pushvalue(L, idx);
    lua_rawget(L, -2); /* numbers n       */
    n = lua_tointeger(L, -1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return n;
}

static void put_number(lua_State *L, const char *key, int idx, lua_Integer n) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);                                     /* numbers         */
    lua_createtable(L, 0, 1);                            /* numbers meta    */
    lua_rawgetp(L, LUA_REGISTRYINDEX, &MODE_KEY);
    lua_pushliteral(L, "k");
    lua_rawset(L, -3);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
  }
  lua_pushvalue(L, idx);
  lua_pushinteger(L, n);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

/* An object that is first shown aside has a number there, and gets another when it is shown elsewhere. */
static lua_Integer number_of(lua_State *L, int idx, bool *aside) {
  ln_vm *vm = ln_vm_of(L);
  lua_Integer n = number_in(L, &NUMBERS_KEY, idx);
  *aside = !n && ln_vm_is_aside(vm);
  if (*aside) n = number_in(L, &ASIDE_KEY, idx);
  if (!n) put_number(L, *aside ? &ASIDE_KEY : &NUMBERS_KEY, idx, n = ln_vm_number(vm));
  return n;
}

static void push_object(lua_State *L, int idx) {
  if (lnL_is_null(L, idx)) {
    lua_pushliteral(L, "null");
    return;
  }
  int named = luaL_getmetafield(L, idx, "__name");
  bool aside;
  lua_Integer n = number_of(L, idx, &aside);
  const char *kind = named == LUA_TSTRING ? lua_tostring(L, -1) : luaL_typename(L, idx);
  lua_pushfstring(L, "%s: %s%I", kind, aside ? "~" : "", (LUAI_UACINT)n);
  if (named != LUA_TNIL) lua_remove(L, -2);
}

const char *lnL_tolstring(lua_State *L, int idx, size_t *n) {
  idx = lua_absindex(L, idx);
  luaL_checkstack(L, 6, NULL);
  if (luaL_callmeta(L, idx, "__tostring")) {
    if (!lua_isstring(L, -1)) luaL_error(L, "'__tostring' must return a string");
    return lua_tolstring(L, -1, n);
  }
  switch (lua_type(L, idx)) {
  case LUA_TNUMBER: case LUA_TSTRING: lua_pushvalue(L, idx); break;
  case LUA_TBOOLEAN: lua_pushstring(L, lua_toboolean(L, idx) ? "true" : "false"); break;
  case LUA_TNIL: lua_pushliteral(L, "nil"); break;
  default: push_object(L, idx);
  }
  return lua_tolstring(L, -1, n);
}

static int l_tostring(lua_State *L) {
  luaL_checkany(L, 1);
  lnL_tolstring(L, 1, NULL);
  return 1;
}

static int l_print(lua_State *L) {
  int n = lua_gettop(L);
  char some[512];
  ln_text line;
  lua_pushnil(L);                                        /* … buffer        */
  lnL_text_lend(&line, n + 1, some, sizeof some);
  for (int i = 1; i <= n; i++) {
    ln_str s;
    s.p = lnL_tolstring(L, i, &s.n);
    if (i > 1) lnL_text_add(L, &line, LN_STR("\t"));
    lnL_text_add(L, &line, s);
    lua_pop(L, 1);
  }
  ln_vm *vm = ln_vm_of(L);
  ln_print_fn print = ln_vm_print(vm);
  if (print) print(vm, (ln_str){line.p, line.n});
  return 0;
}

/* --- errors --------------------------------------------------------------------------------------------- */

static int l_error(lua_State *L) {
  int level = (int)luaL_optinteger(L, 2, 1);
  lua_settop(L, 1);
  if (lua_type(L, 1) == LUA_TSTRING && level > 0) {
    luaL_where(L, level);
    lua_pushvalue(L, 1);
    lua_concat(L, 2);
  }
  lnL_note_raised(L, -1);
  return lua_error(L);
}

static int l_assert(lua_State *L) {
  luaL_checkany(L, 1);
  if (lua_toboolean(L, 1)) return lua_gettop(L);
  lua_remove(L, 1);
  lua_pushliteral(L, "assertion failed!");
  lua_settop(L, 1);
  return l_error(L);
}

static bool failed(int status) { return status != LUA_OK && status != LUA_YIELD; }

static int pcall_done(lua_State *L, int status, lua_KContext below) {
  if (!failed(status)) return lua_gettop(L) - (int)below;
  if (lnL_fatal(L, status, below > 0)) return lnL_give_up(L);
  lnL_note_caught(L);
  lua_pushboolean(L, 0);                                 /* … error false   */
  lua_pushvalue(L, -2);
  return 2;
}

int lnL_pcall(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, 1);
  lua_insert(L, 1);                                      /* true f …        */
  int status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, pcall_done);
  return pcall_done(L, status, 0);
}

/* Where an attempt ends, the author's handler is not asked. */
int lnL_xpcall_handler(lua_State *L) {                   /* error           */
  lua_settop(L, 1);
  if (lnL_fatal(L, LUA_ERRRUN, false)) return 1;
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, 1, 1);
  return 1;
}

static int l_xpcall(lua_State *L) {
  int n = lua_gettop(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, lnL_xpcall_handler, 1);
  lua_replace(L, 2);                                     /* f handler …     */
  lua_pushboolean(L, 1);
  lua_pushvalue(L, 1);
  lua_rotate(L, 3, 2);                                   /* f handler true f … */
  int status = lua_pcallk(L, n - 2, LUA_MULTRET, 2, 2, pcall_done);
  return pcall_done(L, status, 2);
}

static int branch_done(lua_State *L, int status, lua_KContext ctx) {
  (void)ctx;
  if (!failed(status)) return lua_gettop(L);
  if (lnL_fatal(L, status, false)) return lnL_give_up(L);
  return lua_error(L);
}

int lnL_branch(lua_State *L) {
  int status = lua_pcallk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, 0, branch_done);
  return branch_done(L, status, 0);
}

/* --- metatables ----------------------------------------------------------------------------------------- */

static char unspeakable[sizeof "__mode"];

static void draw_unspeakable(void) {
  uint64_t r = ln_rand_u64(ln_rand_real());
  memcpy(unspeakable, &r, sizeof unspeakable - 1);
}

/* A metatable may be given __mode after setmetatable has looked, by any assignment, and a weak table shows
** its script when the collector ran.  The collector knows that name by the address of its one interned text,
** so the text is changed: a "__mode" of the script's is then another one, an ordinary key.  Nobody can say
** the new text, for it is chance; the registry keeps it, for weak tables of our own.  It is written through
** a pointer that Lua lends to be read: its length, hash and place stay. */
void lnL_hide_mode(lua_State *L) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, draw_unspeakable);
  lua_pushliteral(L, "__mode");
  memcpy((char *)lua_tostring(L, -1), unspeakable, sizeof unspeakable - 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &MODE_KEY);
}

/* These do nothing here: an author is told so where it is seen at once. */
static void refuse_event(lua_State *L, const char *event) { /* t meta       */
  lua_pushstring(L, event);
  if (lua_rawget(L, 2) != LUA_TNIL)
    luaL_error(L, "setmetatable: %s is not there: when the collector runs differs from replay to replay",
               event);
  lua_pop(L, 1);
}

static int l_setmetatable(lua_State *L) {
  int type = lua_type(L, 2);
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
  lua_settop(L, 2);
  if (!lnL_is_marked(L, 1) && luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
    return luaL_error(L, "cannot change a protected metatable");
  if (type == LUA_TTABLE) {
    refuse_event(L, "__gc");
    refuse_event(L, "__mode");
  }
  lua_settop(L, 2);
  lua_setmetatable(L, 1);
  return 1;
}

/* The mark of an empty array is none of the author's metatables. */
static int l_getmetatable(lua_State *L) {
  luaL_checkany(L, 1);
  if (lnL_is_marked(L, 1) || !lua_getmetatable(L, 1)) {
    lua_pushnil(L);
    return 1;
  }
  luaL_getmetafield(L, 1, "__metatable");
  return 1;
}

/* --- what is shared, and nobody's to change ------------------------------------------------------------- */

static const char FROZEN_KEY = 'f';                      /* its address: a key of the metatable             */

static bool is_frozen(lua_State *L, int idx) {
  if (!lua_getmetatable(L, idx)) return false;           /* meta            */
  bool is = lua_rawgetp(L, -1, &FROZEN_KEY) != LUA_TNIL;
  lua_pop(L, 2);
  return is;
}

static int l_frozen(lua_State *L) {                      /* view key value  */
  return luaL_error(L, "'%s' cannot be assigned: what all scripts share is not theirs to change",
                    lnL_tolstring(L, 2, NULL));
}

/* A walk over a copy: the table itself is never handed out. */
static int l_frozen_pairs(lua_State *L) {                /* view; upvalue: the table */
  lua_settop(L, 0);
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, lua_upvalueindex(1)); lua_pop(L, 1)) { /* copy key value */
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, 1);
  }
  return l_pairs(L);
}

/* A library that could be changed would lend one playbook's code the rights of another, which calls it. */
void lnL_freeze(lua_State *L) {                          /* table → view    */
  if (!lua_istable(L, -1) || is_frozen(L, -1)) return;
  luaL_checkstack(L, 5, NULL);
  lua_newtable(L);                                       /* table view      */
  lua_createtable(L, 0, 5);                              /* table view meta */
  lua_pushvalue(L, -3);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, l_frozen);
  lua_setfield(L, -2, "__newindex");
  lua_pushvalue(L, -3);
  lua_pushcclosure(L, l_frozen_pairs, 1);
  lua_setfield(L, -2, "__pairs");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pushboolean(L, 1);
  lua_rawsetp(L, -2, &FROZEN_KEY);
  lua_setmetatable(L, -2);                               /* table view      */
  lua_remove(L, -2);
}

void lnL_thaw(lua_State *L) {                            /* view → table    */
  if (!lua_istable(L, -1) || !is_frozen(L, -1)) return;
  luaL_checkstack(L, 2, NULL);
  lua_getmetatable(L, -1);                               /* view meta       */
  lua_getfield(L, -1, "__index");
  lua_replace(L, -3);
  lua_pop(L, 1);                                         /* table           */
}

static int l_rawset(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkany(L, 2);
  luaL_checkany(L, 3);
  lua_settop(L, 3);
  if (lnL_is_env(L, 1)) return luaL_error(L, "a global cannot be assigned: make it local");
  if (is_frozen(L, 1)) return l_frozen(L);
  lua_rawset(L, 1);
  return 1;
}

/* --- the table of them ---------------------------------------------------------------------------------- */

const luaL_Reg ln_lib_base[] = {
    {"assert", l_assert}, {"error", l_error}, {"getmetatable", l_getmetatable}, {"next", l_next},
    {"pairs", l_pairs}, {"pcall", lnL_pcall}, {"print", l_print}, {"rawset", l_rawset},
    {"setmetatable", l_setmetatable}, {"tostring", l_tostring}, {"xpcall", l_xpcall}, {NULL, NULL}};

static const struct { const char *names, *why; } absent[] = {
    {" load loadfile loadstring dofile ", "what runs is what was saved: write a module and require it"},
    {" os ", "it differs in a replay: now() is the time, and the configuration gives the rest"},
    {" io ", "the library \"file\" reads and writes below the configured roots"},
    {" debug package ", "a playbook is replayed, and sees only what a replay can repeat"},
    {" collectgarbage ", "when the collector runs differs from replay to replay"},
    {" warn ", "log.warn(message) is recorded with the run"}};

const char *lnL_absent(ln_str name) {
  char word[24];
  if (name.n + 2 >= sizeof word) return NULL;
  word[0] = ' ';
  memcpy(word + 1, name.p, name.n);
  memcpy(word + 1 + name.n, " ", 2);
  for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
    if (strstr(absent[i].names, word)) return absent[i].why;
  return NULL;
}
