/* lib_table.c: table functions.  Those whose loops an author can make long (a range is a number, a table
** can say any length) give the turn away between two steps, with the step as their continuation's
** context.
**
** table.sort is a merge sort: stable, the same everywhere, and it may wait in its comparator.  It sorts
** a copy, and writes back when all is done, so an error in the comparator leaves the table as it was. */
#include "engine/values.h"
#include "engine/vm_lib.h"

enum { STEPS = 1024 };                                   /* between two looks at the clock's flag           */

/* Is it time to look, and is the turn over? */
static bool over(lua_State *L, lua_Integer step) { return step % STEPS == STEPS - 1 && lnL_turn_over(L); }

/* A table, or something that acts like one in these ways. */
enum { READS = 1, WRITES = 2, LENGTH = 4 };

static bool acts(lua_State *L, int idx, const char *event) {
  if (luaL_getmetafield(L, idx, event) == LUA_TNIL) return false;
  lua_pop(L, 1);
  return true;
}

static void check_table(lua_State *L, int idx, int ways) {
  if (lua_istable(L, idx)) return;
  bool reads = !(ways & READS) || acts(L, idx, "__index");
  bool writes = !(ways & WRITES) || acts(L, idx, "__newindex");
  bool has_length = !(ways & LENGTH) || acts(L, idx, "__len");
  if (!reads || !writes || !has_length) luaL_checktype(L, idx, LUA_TTABLE);
}

static lua_Integer length(lua_State *L, int idx, int ways) {
  check_table(L, idx, ways | LENGTH);
  return luaL_len(L, idx);
}

/* --- insert and remove ---------------------------------------------------------------------------------- */

/* t pos value; i goes down from the last to pos. */
static int insert_on(lua_State *L, int status, lua_KContext i) {
  lua_Integer pos = lua_tointeger(L, 2);
  (void)status;
  for (; i > pos; i--) {
    lua_geti(L, 1, i - 1);
    lua_seti(L, 1, i);
    if (over(L, i)) return lnL_pass(L, i - 1, insert_on);
  }
  lua_settop(L, 3);
  lua_seti(L, 1, pos);
  return 0;
}

static int l_insert(lua_State *L) {
  lua_Integer e = (lua_Integer)((lua_Unsigned)length(L, 1, READS | WRITES) + 1);
  switch (lua_gettop(L)) {
  case 2:
    lua_seti(L, 1, e);
    return 0;
  case 3: {
    lua_Integer pos = luaL_checkinteger(L, 2);
    luaL_argcheck(L, (lua_Unsigned)pos - 1 < (lua_Unsigned)e, 2, "position out of bounds");
    return insert_on(L, LUA_OK, e);
  }
  default: return luaL_error(L, "wrong number of arguments to 'insert'");
  }
}

/* t … size value; i goes up from pos. */
static int remove_on(lua_State *L, int status, lua_KContext i) {
  lua_Integer size = lua_tointeger(L, 3);
  (void)status;
  for (; i < size; i++) {
    lua_geti(L, 1, i + 1);
    lua_seti(L, 1, i);
    if (over(L, i)) return lnL_pass(L, i + 1, remove_on);
  }
  lua_pushnil(L);
  lua_seti(L, 1, i);
  lua_settop(L, 4);
  return 1;
}

static int l_remove(lua_State *L) {
  lua_Integer size = length(L, 1, READS | WRITES), pos = luaL_optinteger(L, 2, size);
  if (lua_gettop(L) > 1 && pos != size)
    luaL_argcheck(L, (lua_Unsigned)pos - 1 <= (lua_Unsigned)size, 2, "position out of bounds");
  lua_settop(L, 2);
  lua_pushinteger(L, size);
  lua_geti(L, 1, pos);                                   /* t pos size value */
  return remove_on(L, LUA_OK, pos);
}

/* --- move ----------------------------------------------------------------------------------------------- */

/* f and e of the source, t of the target, in slots 2, 3 and 4; the table to write to in 5. */
static int move_up(lua_State *L, int status, lua_KContext i) {
  lua_Integer f = lua_tointeger(L, 2), e = lua_tointeger(L, 3), t = lua_tointeger(L, 4);
  (void)status;
  for (; i <= e - f; i++) {
    lua_geti(L, 1, f + i);
    lua_seti(L, 5, t + i);
    if (over(L, i)) return lnL_pass(L, i + 1, move_up);
  }
  lua_settop(L, 5);
  return 1;
}

static int move_down(lua_State *L, int status, lua_KContext i) {
  lua_Integer f = lua_tointeger(L, 2), t = lua_tointeger(L, 4);
  (void)status;
  for (; i >= 0; i--) {
    lua_geti(L, 1, f + i);
    lua_seti(L, 5, t + i);
    if (over(L, i)) return lnL_pass(L, i - 1, move_down);
  }
  lua_settop(L, 5);
  return 1;
}

static int l_move(lua_State *L) {
  lua_Integer f = luaL_checkinteger(L, 2), e = luaL_checkinteger(L, 3), t = luaL_checkinteger(L, 4);
  bool other = !lua_isnoneornil(L, 5);
  check_table(L, 1, READS);
  check_table(L, other ? 5 : 1, WRITES);
  if (!other) {
    lua_settop(L, 4);
    lua_pushvalue(L, 1);
  }
  lua_settop(L, 5);
  if (e < f) return 1;
  luaL_argcheck(L, f > 0 || e < LUA_MAXINTEGER + f, 3, "too many elements to move");
  luaL_argcheck(L, t <= LUA_MAXINTEGER - (e - f), 4, "destination wrap around");
  bool up = t > e || t <= f || (other && !lua_compare(L, 1, 5, LUA_OPEQ));
  return up ? move_up(L, LUA_OK, 0) : move_down(L, LUA_OK, e - f);
}

/* --- concat --------------------------------------------------------------------------------------------- */

typedef struct joint { ln_text out; lua_Integer last; } joint; /* slot 5; the text's bytes are in 6 */

static void add_item(lua_State *L, joint *j, lua_Integer i) {
  ln_str s;
  lua_geti(L, 1, i);
  if (!lua_isstring(L, -1))
    luaL_error(L, "invalid value (%s) at index %I in table for 'concat'", luaL_typename(L, -1),
               (LUAI_UACINT)i);
  s.p = lua_tolstring(L, -1, &s.n);
  lnL_text_add(L, &j->out, s);
  lua_pop(L, 1);
}

static int concat_on(lua_State *L, int status, lua_KContext i) {
  joint *j = lua_touserdata(L, 5);
  ln_str sep;
  (void)status;
  sep.p = lua_tolstring(L, 2, &sep.n);
  for (; i < j->last; i++) {
    add_item(L, j, i);
    lnL_text_add(L, &j->out, sep);
    if (over(L, i)) return lnL_pass(L, i + 1, concat_on);
  }
  if (i == j->last) add_item(L, j, i);
  lnL_text_push(L, &j->out);
  return 1;
}

static int l_concat(lua_State *L) {
  lua_Integer n = length(L, 1, READS);
  luaL_optstring(L, 2, "");
  lua_Integer first = luaL_optinteger(L, 3, 1), last = luaL_optinteger(L, 4, n);
  lua_settop(L, 4);
  if (lua_isnil(L, 2)) {
    lua_pushliteral(L, "");
    lua_replace(L, 2);
  }
  luaL_checkstring(L, 2);
  joint *j = lua_newuserdatauv(L, sizeof *j, 0);         /* t sep i j joint */
  lua_pushnil(L);                                        /* … joint bytes   */
  lnL_text_init(&j->out, 6);
  j->last = last;
  return concat_on(L, LUA_OK, first);
}

/* --- pack and unpack ------------------------------------------------------------------------------------ */

static int l_pack(lua_State *L) {
  int n = lua_gettop(L);
  lua_createtable(L, n, 1);
  lua_insert(L, 1);
  for (int i = n; i >= 1; i--) lua_rawseti(L, 1, i);
  lua_pushinteger(L, n);
  lua_setfield(L, 1, "n");
  return 1;
}

static int l_unpack(lua_State *L) {
  lua_Integer i = luaL_optinteger(L, 2, 1);
  lua_Integer e = lua_isnoneornil(L, 3) ? luaL_len(L, 1) : luaL_checkinteger(L, 3);
  if (i > e) return 0;
  lua_Unsigned n = (lua_Unsigned)e - (lua_Unsigned)i;
  if (n >= INT32_MAX || !lua_checkstack(L, (int)++n)) return luaL_error(L, "too many results to unpack");
  for (; i < e; i++) lua_geti(L, 1, i);
  lua_geti(L, 1, e);
  return (int)n;
}

/* --- sort ----------------------------------------------------------------------------------------------- */

enum { SORT_TABLE = 1, SORT_BEFORE, SORT_STATE, SORT_FROM, SORT_TO };

typedef struct sorting {                                 /* a merge of [lo, mid) and [mid, hi), under way   */
  lua_Integer n, width, lo, mid, hi, i, k, out;
} sorting;

static lua_Integer least(lua_Integer a, lua_Integer b) { return a < b ? a : b; }

static void begin_merge(sorting *s, lua_Integer lo) {
  s->lo = lo;
  s->mid = least(lo + s->width, s->n);
  s->hi = least(lo + 2 * s->width, s->n);
  s->i = s->lo;
  s->k = s->mid;
  s->out = s->lo;
}

/* Items stand at 1..n; indices here begin at 0. */
static void take(lua_State *L, sorting *s, lua_Integer *from) {
  lua_rawgeti(L, SORT_FROM, ++*from);
  lua_rawseti(L, SORT_TO, ++s->out);
}

static int write_back(lua_State *L, int status, lua_KContext i) {
  sorting *s = lua_touserdata(L, SORT_STATE);
  (void)status;
  for (; i <= s->n; i++) {
    lua_rawgeti(L, SORT_FROM, i);
    lua_seti(L, SORT_TABLE, i);
    if (over(L, i)) return lnL_pass(L, i + 1, write_back);
  }
  return 0;
}

static int compared(lua_State *L, int status, lua_KContext ctx);
static int sort_on(lua_State *L, int status, lua_KContext ctx);

/* What the comparator said.  In a plan it may be what nobody knows yet. */
static bool answer(lua_State *L) {
  lnL_known(L, -1);
  return lua_toboolean(L, -1);
}

/* Is item k before item i?  1, 0, or -1: asked, and compared() goes on. */
static int before(lua_State *L, sorting *s) {
  lua_settop(L, SORT_TO);
  bool asks = !lua_isnil(L, SORT_BEFORE);
  if (asks) lua_pushvalue(L, SORT_BEFORE);
  lua_rawgeti(L, SORT_FROM, s->k + 1);
  lua_rawgeti(L, SORT_FROM, s->i + 1);
  if (asks) lua_callk(L, 2, 1, 0, compared);
  int yes = asks ? answer(L) : lua_compare(L, -2, -1, LUA_OPLT);
  lua_settop(L, SORT_TO);
  return yes;
}

/* What is left of one side when the other is used up. */
static void take_rest(lua_State *L, sorting *s) {
  while (s->i < s->mid) take(L, s, &s->i);
  while (s->k < s->hi) take(L, s, &s->k);
}

/* The next merge; a round further when this one is through.  False: sorted, and the result is in
** SORT_FROM. */
static bool next_merge(lua_State *L, sorting *s) {
  if (s->hi < s->n) {
    begin_merge(s, s->hi);
    return true;
  }
  lua_pushvalue(L, SORT_FROM);
  lua_copy(L, SORT_TO, SORT_FROM);
  lua_replace(L, SORT_TO);
  s->width *= 2;
  if (s->width >= s->n) return false;
  begin_merge(s, 0);
  return true;
}

static int sort_on(lua_State *L, int status, lua_KContext ctx) {
  sorting *s = lua_touserdata(L, SORT_STATE);
  (void)status, (void)ctx;
  for (lua_Integer step = 0;; step++) {
    if (s->i < s->mid && s->k < s->hi) take(L, s, before(L, s) ? &s->k : &s->i);
    else {
      take_rest(L, s);
      if (!next_merge(L, s)) break;
    }
    if (over(L, step)) return lnL_pass(L, 0, sort_on);
  }
  return write_back(L, LUA_OK, 1);
}

/* The comparator has waited, and answers now. */
static int compared(lua_State *L, int status, lua_KContext ctx) {
  sorting *s = lua_touserdata(L, SORT_STATE);
  bool yes = answer(L);
  lua_settop(L, SORT_TO);
  take(L, s, yes ? &s->k : &s->i);
  return sort_on(L, status, ctx);
}

/* Without a comparator, and all numbers or all texts: put in order here.  False: something else is among
** them. t before state from → … to */
static bool sort_plain(lua_State *L, lua_Integer n) {
  ln_order *v = lua_newuserdatauv(L, (size_t)n * sizeof *v, 0); /* … v      */
  bool texts = false;
  for (lua_Integer i = 0; i < n; i++) {
    lua_rawgeti(L, SORT_FROM, i + 1);
    bool ok = lnL_read_order(L, -1, &v[i]) && v[i].kind != LN_ORDER_BOOLEAN;
    lua_pop(L, 1);
    if (i == 0 && ok) texts = v[0].kind == LN_ORDER_TEXT;
    if (!ok || (v[i].kind == LN_ORDER_TEXT) != texts) return false;
    v[i].at = (uint32_t)i + 1;
  }
  ln_order_sort(v, (size_t)n);
  lua_createtable(L, (int)n, 0);                         /* … v sorted      */
  for (lua_Integer i = 0; i < n; i++) {
    lua_rawgeti(L, SORT_FROM, v[i].at);
    lua_rawseti(L, -2, i + 1);
  }
  lua_replace(L, SORT_FROM);
  return true;
}

static int l_sort(lua_State *L) {
  lua_Integer n = length(L, 1, READS | WRITES);
  if (n < 2) return 0;
  luaL_argcheck(L, n < INT32_MAX, 1, "array too big");
  if (!lua_isnoneornil(L, 2)) luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  sorting *s = lua_newuserdatauv(L, sizeof *s, 0);
  s->n = n;
  s->width = 1;
  begin_merge(s, 0);
  lua_createtable(L, (int)n, 0);                         /* t before state from */
  for (lua_Integer i = 1; i <= n; i++) {
    lua_geti(L, 1, i);
    lua_rawseti(L, SORT_FROM, i);
    if (i % STEPS == 0) lnL_tick(L);
  }
  if (lua_isnil(L, SORT_BEFORE) && sort_plain(L, n)) return write_back(L, LUA_OK, 1);
  lua_settop(L, SORT_FROM);
  lua_createtable(L, (int)n, 0);                         /* … from to       */
  return sort_on(L, LUA_OK, 0);
}

const luaL_Reg ln_lib_table[] = {{"concat", l_concat}, {"insert", l_insert}, {"move", l_move},
                                 {"pack", l_pack},     {"remove", l_remove}, {"sort", l_sort},
                                 {"unpack", l_unpack}, {NULL, NULL}};
