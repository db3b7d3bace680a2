/* lib_string.c: string functions whose work an author's input can make long.  They give the turn away
** while they match (pattern.c can stop anywhere), and end with the attempt's budget.  What they have so
** far is in a userdata of their frame, so it survives the turn.  string.format is in lib_format.c; the
** harmless rest is Lua's own. */
#include "engine/lib_format.h"
#include "engine/pattern.h"
#include "engine/vm_lib.h"

enum { FUEL = 20000 };                                   /* items between two looks at the clock's flag     */

/* --- matching ------------------------------------------------------------------------------------------- */

/* Goes on with a match; true: the turn is over, and the caller passes it. */
static bool go_on(lua_State *L, ln_match *m, ln_matched *got, bool more, size_t from) {
  m->fuel = FUEL;
  *got = more ? ln_match_more(m) : ln_match_at(m, from);
  while (*got == LN_MATCH_PAUSED) {
    if (lnL_turn_over(L)) return true;
    lnL_tick(L);
    m->fuel = FUEL;
    *got = ln_match_more(m);
  }
  if (*got == LN_MATCH_ERROR) luaL_error(L, "%s", m->error);
  return false;
}

static void push_capture(lua_State *L, const ln_match *m, unsigned l) {
  if (m->capture[l].n == LN_CAPTURE_OPEN) luaL_error(L, "unfinished capture");
  if (m->capture[l].n == LN_CAPTURE_POSITION) lua_pushinteger(L, (lua_Integer)m->capture[l].start + 1);
  else lua_pushlstring(L, m->subject.p + m->capture[l].start, m->capture[l].n);
}

static void push_whole(lua_State *L, const ln_match *m) {
  lua_pushlstring(L, m->subject.p + m->start, m->s - m->start);
}

/* The captures; the whole match if there are none and `whole` says so.  Returns how many. */
static int push_captures(lua_State *L, const ln_match *m, bool whole) {
  luaL_checkstack(L, LN_CAPTURES, "too many captures");
  if (m->level == 0 && whole) {
    push_whole(L, m);
    return 1;
  }
  for (unsigned l = 0; l < m->level; l++) push_capture(L, m, l);
  return (int)m->level;
}

/* Room for a long pattern's items, in the slot on top: kept there as long as the match. */
static void *push_room(lua_State *L, ln_str pattern) {
  size_t n = ln_match_room(pattern);
  if (n) return lua_newuserdatauv(L, n, 0);
  lua_pushnil(L);
  return NULL;
}

/* --- find and match ------------------------------------------------------------------------------------- */

static int found(lua_State *L, const ln_match *m, ln_matched got, bool find) {
  if (got == LN_MATCH_NONE) {
    lua_pushnil(L);
    return 1;
  }
  if (!find) return push_captures(L, m, true);
  lua_pushinteger(L, (lua_Integer)m->start + 1);
  lua_pushinteger(L, (lua_Integer)m->s);
  return 2 + push_captures(L, m, false);
}

/* The match moves from the C stack into the frame, to go on after the turn. */
static int search_later(lua_State *L, int status, lua_KContext find) { /* … room match */
  ln_match *m = lua_touserdata(L, -1);
  ln_matched got;
  (void)status;
  if (go_on(L, m, &got, true, 0)) return lnL_pass(L, find, search_later);
  return found(L, m, got, find);
}

static int search(lua_State *L, ln_str subject, ln_str pattern, size_t from, bool find) {
  ln_match m;
  ln_matched got;
  ln_match_init(&m, subject, pattern, true, push_room(L, pattern));
  if (!go_on(L, &m, &got, false, from)) return found(L, &m, got, find);
  ln_match *kept = lua_newuserdatauv(L, sizeof m, 0);
  *kept = m;
  ln_match_moved(kept, &m);
  return lnL_pass(L, find, search_later);
}

/* Where a search begins: the optional third argument, as an offset; false: beyond the end. */
static bool begin_at(lua_State *L, size_t n, size_t *from) {
  lua_Integer i = luaL_optinteger(L, 3, 1);
  if (i < 0) i = (lua_Unsigned)-(lua_Unsigned)i > n ? 1 : (lua_Integer)n + i + 1;
  if (i == 0) i = 1;
  *from = (size_t)i - 1;
  return *from <= n;
}

static int find_plain(lua_State *L, ln_str subject, ln_str what, size_t from) {
  const char *p = what.n ? memmem(subject.p + from, subject.n - from, what.p, what.n) : subject.p + from;
  if (!p) {
    lua_pushnil(L);
    return 1;
  }
  lua_pushinteger(L, p - subject.p + 1);
  lua_pushinteger(L, p - subject.p + (lua_Integer)what.n);
  return 2;
}

static int find_or_match(lua_State *L, bool find) {
  ln_str subject, pattern;
  size_t from;
  subject.p = luaL_checklstring(L, 1, &subject.n);
  pattern.p = luaL_checklstring(L, 2, &pattern.n);
  if (!begin_at(L, subject.n, &from)) {
    lua_pushnil(L);
    return 1;
  }
  bool plain = find && (lua_toboolean(L, 4) || ln_pattern_plain(pattern));
  if (plain) return find_plain(L, subject, pattern, from);
  lua_settop(L, 4);
  return search(L, subject, pattern, from, find);
}

static int l_find(lua_State *L) { return find_or_match(L, true); }
static int l_match(lua_State *L) { return find_or_match(L, false); }

/* --- gmatch --------------------------------------------------------------------------------------------- */

typedef struct walker { ln_match m; size_t from; bool over; } walker;

static int walk_result(lua_State *L, walker *w, ln_matched got) {
  if (got == LN_MATCH_NONE) {
    w->over = true;
    lua_pushnil(L);
    return 1;
  }
  w->from = w->m.avoid = w->m.s;
  return push_captures(L, &w->m, true);
}

static int walk_later(lua_State *L, int status, lua_KContext ctx) {
  walker *w = lua_touserdata(L, lua_upvalueindex(3));
  ln_matched got;
  (void)status;
  if (go_on(L, &w->m, &got, true, 0)) return lnL_pass(L, ctx, walk_later);
  return walk_result(L, w, got);
}

static int l_walk(lua_State *L) {
  walker *w = lua_touserdata(L, lua_upvalueindex(3));
  ln_matched got;
  if (w->over) {
    lua_pushnil(L);
    return 1;
  }
  if (go_on(L, &w->m, &got, false, w->from)) return lnL_pass(L, 0, walk_later);
  return walk_result(L, w, got);
}

static int l_gmatch(lua_State *L) {
  ln_str subject, pattern;
  size_t from;
  subject.p = luaL_checklstring(L, 1, &subject.n);
  pattern.p = luaL_checklstring(L, 2, &pattern.n);
  bool any = begin_at(L, subject.n, &from);
  lua_settop(L, 2);                                      /* s p             */
  walker *w = lua_newuserdatauv(L, sizeof *w, 0);        /* s p walker      */
  void *room = push_room(L, pattern);                    /* s p walker room */
  ln_match_init(&w->m, subject, pattern, false, room);
  w->from = from;
  w->over = !any;
  lua_pushcclosure(L, l_walk, 4);
  return 1;
}

/* --- gsub ----------------------------------------------------------------------------------------------- */

typedef struct substitution {
  ln_match m;
  ln_text out;
  size_t from;                                           /* what comes before is in out                     */
  lua_Integer count, most;
  int kind;                                              /* of the replacement                              */
} substitution;

enum { SLOT_REPLACEMENT = 3, SLOT_STATE = 5, SLOT_ROOM, SLOT_OUT };

static void add_capture(lua_State *L, substitution *s, int digit) {
  const ln_match *m = &s->m;
  unsigned l = (unsigned)digit - 1;
  if (digit == 0 || (digit == 1 && m->level == 0)) {
    lnL_text_add(L, &s->out, (ln_str){m->subject.p + m->start, m->s - m->start});
    return;
  }
  if (l >= m->level) luaL_error(L, "invalid capture index %%%d", digit);
  push_capture(L, m, l);
  ln_str text;
  text.p = lua_tolstring(L, -1, &text.n);
  lnL_text_add(L, &s->out, text);
  lua_pop(L, 1);
}

static void add_template(lua_State *L, substitution *s) {
  ln_str t;
  t.p = lua_tolstring(L, SLOT_REPLACEMENT, &t.n);
  while (t.n) {
    const char *escape = memchr(t.p, '%', t.n);
    size_t plain = escape ? (size_t)(escape - t.p) : t.n;
    lnL_text_add(L, &s->out, (ln_str){t.p, plain});
    if (!escape) return;
    char c = plain + 1 < t.n ? escape[1] : '\0';
    if (plain + 1 < t.n && c == '%') lnL_text_add(L, &s->out, LN_STR("%"));
    else if (c >= '0' && c <= '9') add_capture(L, s, c - '0');
    else luaL_error(L, "invalid use of '%%' in replacement string");
    t = (ln_str){escape + 2, t.n - plain - 2};
  }
}

/* What a table or a function answers; false or nil keeps the match. */
static void add_answer(lua_State *L, substitution *s) {
  ln_str text;
  if (s->kind == LUA_TFUNCTION) {
    lua_pushvalue(L, SLOT_REPLACEMENT);
    lua_call(L, push_captures(L, &s->m, true), 1);
  } else {
    if (s->m.level) push_capture(L, &s->m, 0);
    else push_whole(L, &s->m);
    lua_gettable(L, SLOT_REPLACEMENT);
  }
  if (!lua_toboolean(L, -1)) {
    lua_pop(L, 1);
    push_whole(L, &s->m);
  } else if (!lua_isstring(L, -1)) {
    luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
  }
  text.p = lua_tolstring(L, -1, &text.n);
  lnL_text_add(L, &s->out, text);
  lua_pop(L, 1);
}

static void add_match(lua_State *L, substitution *s) {
  const ln_match *m = &s->m;
  lnL_text_add(L, &s->out, (ln_str){m->subject.p + s->from, m->start - s->from});
  if (s->kind == LUA_TTABLE || s->kind == LUA_TFUNCTION) add_answer(L, s);
  else add_template(L, s);
  s->count++;
  s->from = s->m.avoid = m->s;
}

static int substitute_later(lua_State *L, int status, lua_KContext ctx);

static int substitute(lua_State *L, substitution *s, bool more) {
  ln_matched got = LN_MATCH_NONE;
  while (s->count < s->most) {
    if (go_on(L, &s->m, &got, more, s->from)) return lnL_pass(L, 0, substitute_later);
    more = false;
    if (got == LN_MATCH_NONE) break;
    add_match(L, s);
    lnL_tick(L);
    if (s->m.anchored) break;
  }
  ln_str all = s->m.subject;
  if (s->count == 0) {
    lua_pushvalue(L, 1);
  } else {
    lnL_text_add(L, &s->out, (ln_str){all.p + s->from, all.n - s->from});
    lnL_text_push(L, &s->out);
  }
  lua_pushinteger(L, s->count);
  return 2;
}

static int substitute_later(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  return substitute(L, lua_touserdata(L, SLOT_STATE), true);
}

static int l_gsub(lua_State *L) {
  ln_str subject, pattern;
  subject.p = luaL_checklstring(L, 1, &subject.n);
  pattern.p = luaL_checklstring(L, 2, &pattern.n);
  int kind = lua_type(L, SLOT_REPLACEMENT);
  bool text = kind == LUA_TNUMBER || kind == LUA_TSTRING;
  luaL_argexpected(L, text || kind == LUA_TTABLE || kind == LUA_TFUNCTION, SLOT_REPLACEMENT,
                   "string/function/table");
  lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)subject.n + 1);
  lua_settop(L, 4);
  substitution *s = lua_newuserdatauv(L, sizeof *s, 0);  /* s p repl max state */
  void *room = push_room(L, pattern);                    /* … state room    */
  lua_pushnil(L);                                        /* … room out      */
  ln_match_init(&s->m, subject, pattern, true, room);
  lnL_text_init(&s->out, SLOT_OUT);
  s->from = 0;
  s->count = 0;
  s->most = most;
  s->kind = kind;
  return substitute(L, s, false);
}

/* --- rep ------------------------------------------------------------------------------------------------ */

/* Fills n bytes with the first `have` of them, doubling what is there. */
static void repeat(char *p, size_t have, size_t n) {
  while (have < n) {
    size_t more = have < n - have ? have : n - have;
    memcpy(p + have, p, more);
    have += more;
  }
}

static int l_rep(lua_State *L) {
  ln_str s, sep;
  s.p = luaL_checklstring(L, 1, &s.n);
  lua_Integer n = luaL_checkinteger(L, 2);
  sep.p = luaL_optlstring(L, 3, "", &sep.n);
  if (n <= 0 || s.n + sep.n == 0) {
    lua_pushliteral(L, "");
    return 1;
  }
  if (s.n + sep.n < s.n || s.n + sep.n > PTRDIFF_MAX / (size_t)n)
    return luaL_error(L, "resulting string too large");
  char some[1024];
  size_t one = s.n + sep.n, whole = one * (size_t)n;
  char *p = whole <= sizeof some ? some : lua_newuserdatauv(L, whole, 0); /* bytes? */
  memcpy(p, s.p, s.n);
  memcpy(p + s.n, sep.p, sep.n);
  repeat(p, one, whole);
  lua_pushlstring(L, p, whole - sep.n);
  return 1;
}

/* --- arithmetic on texts -------------------------------------------------------------------------------- */

static const struct { const char *event; int op; } arithmetic[] = {
    {"__add", LUA_OPADD}, {"__sub", LUA_OPSUB}, {"__mul", LUA_OPMUL},   {"__mod", LUA_OPMOD},
    {"__pow", LUA_OPPOW}, {"__div", LUA_OPDIV}, {"__idiv", LUA_OPIDIV}, {"__unm", LUA_OPUNM}};

static bool push_number(lua_State *L, int idx) {
  size_t n;
  if (lua_type(L, idx) == LUA_TNUMBER) {
    lua_pushvalue(L, idx);
    return true;
  }
  const char *s = lua_type(L, idx) == LUA_TSTRING ? lua_tolstring(L, idx, &n) : NULL;
  return s && lua_stringtonumber(L, s) == n + 1;
}

/* One of the operands is a text, and no number: the other may know what to do. */
static int other_arithmetic(lua_State *L, const char *event) {
  lua_settop(L, 2);
  if (lua_type(L, 2) == LUA_TSTRING || !luaL_getmetafield(L, 2, event))
    return luaL_error(L, "attempt to %s a '%s' with a '%s'", event + 2, luaL_typename(L, -2),
                      luaL_typename(L, -1));
  lua_insert(L, 1);
  lua_call(L, 2, 1);
  return 1;
}

static int l_arithmetic(lua_State *L) {
  int which = (int)lua_tointeger(L, lua_upvalueindex(1));
  if (!push_number(L, 1) || !push_number(L, 2)) return other_arithmetic(L, arithmetic[which].event);
  lua_arith(L, arithmetic[which].op);
  return 1;
}

/* --- the table of them ---------------------------------------------------------------------------------- */

const luaL_Reg ln_lib_string[] = {{"find", l_find}, {"format", lnL_format}, {"gmatch", l_gmatch},
                                  {"gsub", l_gsub}, {"match", l_match},     {"rep", l_rep},
                                  {NULL, NULL}};

/* The first method of a text: from then on they are found without this function.  (text name) */
static int l_first_method(lua_State *L) {
  lua_getglobal(L, "string");                            /* text name view  */
  lnL_thaw(L);                                           /* text name string */
  lua_getmetatable(L, 1);                                /* text name string meta */
  lua_pushvalue(L, 3);
  lua_setfield(L, 4, "__index");
  lua_pushvalue(L, 2);
  lua_rawget(L, 3);
  return 1;
}

/* Texts have methods, and a metatable that nobody can get at. */
void lnL_open_texts(lua_State *L) {
  lua_pushliteral(L, "");
  lua_createtable(L, 0, 10);                             /* "" meta         */
  for (int i = 0; i < (int)(sizeof arithmetic / sizeof arithmetic[0]); i++) {
    lua_pushinteger(L, i);
    lua_pushcclosure(L, l_arithmetic, 1);
    lua_setfield(L, -2, arithmetic[i].event);
  }
  lua_pushcfunction(L, l_first_method);
  lua_setfield(L, -2, "__index");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
}
