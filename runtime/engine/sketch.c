/* sketch.c: a value of a playbook for people to look at, as an encoded value: whatever it is, it has a
** sketch, bounded in depth, breadth and size, in which cycles end.  Metamethods are not asked, so nothing of
** the playbook runs.  What has no plain form, and what was left out, is an object with one member more, whose
** key is a NUL byte (stdlib/show.lua spells them):
**   { "\0" = "note", text }              a function, a table that stands above, what is too deep
**   { "\0" = "text", bytes, text }       the beginning of a text of so many bytes
**   { "\0" = "list", items, more }       the beginning of a list, and how many items follow
**   { "\0" = "table", more, pairs }      one with other keys than texts, or too many: { key, value } each */
#include "engine/sketch.h"

#include "engine/vm.h"

#include <stdio.h>

enum { DEEP = 12, TEXT = 4000, LIST = 1000, PAIRS = 200, BYTES = 1 << 20, NOTE = 300, NAME = 200 };

typedef struct sketching {
  lua_State *L;
  ln_buf *out;
  const void *above[DEEP]; /* the tables that this one stands in */
  int depth;
} sketching;

static void sketch(sketching *s, int idx);

static size_t begin(ln_buf *out, const char *what, size_t members) {
  size_t mark = ln_v_begin(out, 'O', members + 1);
  ln_v_key(out, (ln_str){"\0", 1});
  ln_v_str(out, ln_str_of(what));
  return mark;
}

void ln_sketch_note(ln_buf *out, const char *text) {
  size_t mark = begin(out, "note", 1);
  ln_v_key(out, LN_STR("text"));
  ln_v_str(out, ln_str_of(text));
  ln_v_end(out, mark);
}

static void put_note(sketching *s, const char *text) { ln_sketch_note(s->out, text); }

static void put_text(sketching *s, ln_str text) {
  if (text.n <= TEXT) {
    ln_v_str(s->out, text);
    return;
  }
  size_t mark = begin(s->out, "text", 2);
  ln_v_key(s->out, LN_STR("bytes"));
  ln_v_int(s->out, (int64_t)text.n);
  ln_v_key(s->out, LN_STR("text"));
  ln_v_str(s->out, (ln_str){text.p, TEXT});
  ln_v_end(s->out, mark);
}

static void put_function(sketching *s, int idx) {
  lua_Debug ar;
  char text[NOTE];
  lua_pushvalue(s->L, idx);
  if (!lua_getinfo(s->L, ">S", &ar) || *ar.what == 'C') snprintf(text, sizeof text, "function");
  else
    snprintf(text, sizeof text, "function (%.200s:%d)", ar.source + (*ar.source == '@' || *ar.source == '='),
             ar.linedefined);
  put_note(s, text);
}

static void put_userdata(sketching *s, int idx) {
  lua_State *L = s->L;
  char text[NOTE];
  ln_str name = {NULL, 0};
  if (lnL_is_null(L, idx)) {
    ln_v_null(s->out);
    return;
  }
  if (lnL_is_opaque(L, idx)) {
    put_note(s, "⟨unknown⟩");
    return;
  }
  if (luaL_getmetafield(L, idx, "__name") == LUA_TSTRING) name.p = lua_tolstring(L, -1, &name.n);
  snprintf(text, sizeof text, "%.*s", name.p ? (int)(name.n < 60 ? name.n : 60) : 8,
           name.p ? name.p : "userdata");
  if (name.p) lua_pop(L, 1);
  put_note(s, text);
}

/* ------------------------------------------------------------------ tables */

/* Numbers before texts before all else, each in order: as the script's own pairs has it. */
static int rank(lua_State *L, int idx) {
  int type = lua_type(L, idx);
  return type == LUA_TNUMBER ? 0 : type == LUA_TSTRING ? 1 : 2;
}

static bool less(lua_State *L, int a, int b) {
  ln_str x, y;
  int ra = rank(L, a), rb = rank(L, b);
  if (ra != rb || ra == 2) return ra < rb;
  if (ra == 0) return lua_tonumber(L, a) < lua_tonumber(L, b);
  x.p = lua_tolstring(L, a, &x.n);
  y.p = lua_tolstring(L, b, &y.n);
  return ln_str_cmp(x, y) < 0;
}

/* The n keys from stack index first on: by insertion, for there are few. */
static void sort_keys(lua_State *L, int first, int n) {
  for (int i = first + 1; i < first + n; i++)
    for (int k = i; k > first && less(L, k, k - 1); k--) {
      lua_pushvalue(L, k);
      lua_copy(L, k - 1, k);
      lua_replace(L, k - 1);
    }
}

typedef struct keys {
  size_t all, names, kept;
} keys;

/* A field's name in an encoded object; one that begins with a NUL byte means something else there. */
static bool is_name(lua_State *L, int idx) {
  return lua_type(L, idx) == LUA_TSTRING && *lua_tostring(L, idx) && lua_rawlen(L, idx) <= NAME;
}

/* Pushes at most PAIRS keys, sorted. */
static keys push_keys(lua_State *L, int t) {
  keys k = {0, 0, 0};
  int first = lua_gettop(L) + 1;
  for (lua_pushnil(L); lua_next(L, t);) { /* keys… key value */
    lua_pop(L, 1);
    k.all++;
    k.names += is_name(L, -1);
    if (k.kept < PAIRS) lua_pushvalue(L, -1), k.kept++; /* keys… key key */
  }
  sort_keys(L, first, (int)k.kept);
  return k;
}

static void put_key(sketching *s, int idx) {
  if (lua_type(s->L, idx) == LUA_TSTRING) {
    ln_str key;
    key.p = lua_tolstring(s->L, idx, &key.n);
    put_text(s, key);
  } else {
    sketch(s, idx);
  }
}

static void put_member(sketching *s, int t, int key) {
  lua_pushvalue(s->L, key);
  lua_rawget(s->L, t);
  sketch(s, lua_gettop(s->L));
  lua_pop(s->L, 1);
}

static void put_fields(sketching *s, int t, const keys *k, int first) {
  size_t mark = ln_v_begin(s->out, 'O', k->kept);
  for (int i = first; i < first + (int)k->kept; i++) {
    ln_str key;
    key.p = lua_tolstring(s->L, i, &key.n);
    ln_v_key(s->out, key);
    put_member(s, t, i);
  }
  ln_v_end(s->out, mark);
}

static void put_pairs(sketching *s, int t, const keys *k, int first) {
  size_t mark = begin(s->out, "table", 2);
  ln_v_key(s->out, LN_STR("more"));
  ln_v_int(s->out, (int64_t)(k->all - k->kept));
  ln_v_key(s->out, LN_STR("pairs"));
  size_t list = ln_v_begin(s->out, 'A', k->kept);
  for (int i = first; i < first + (int)k->kept; i++) {
    size_t pair = ln_v_begin(s->out, 'A', 2);
    put_key(s, i);
    put_member(s, t, i);
    ln_v_end(s->out, pair);
  }
  ln_v_end(s->out, list);
  ln_v_end(s->out, mark);
}

static void put_items(sketching *s, int t, size_t n) {
  size_t list = ln_v_begin(s->out, 'A', n);
  for (size_t i = 1; i <= n; i++) {
    lua_rawgeti(s->L, t, (lua_Integer)i);
    sketch(s, lua_gettop(s->L));
    lua_pop(s->L, 1);
  }
  ln_v_end(s->out, list);
}

static void put_list(sketching *s, int t, size_t n) {
  if (n <= LIST) {
    put_items(s, t, n);
    return;
  }
  size_t mark = begin(s->out, "list", 2);
  ln_v_key(s->out, LN_STR("items"));
  put_items(s, t, LIST);
  ln_v_key(s->out, LN_STR("more"));
  ln_v_int(s->out, (int64_t)(n - LIST));
  ln_v_end(s->out, mark);
}

/* Nothing but 1..n: then it has n keys, all of them there. */
static bool is_list(lua_State *L, int t, size_t *n) {
  size_t all = 0;
  *n = lua_rawlen(L, t);
  if (!*n) return lnL_is_marked(L, t);
  for (lua_pushnil(L); lua_next(L, t); lua_pop(L, 1))
    if (++all > *n || !lua_isinteger(L, -2)) return lua_pop(L, 2), false;
  return all == *n;
}

static void put_table(sketching *s, int idx) {
  lua_State *L = s->L;
  size_t n;
  const void *self = lua_topointer(L, idx);
  for (int i = 0; i < s->depth; i++)
    if (s->above[i] == self) {
      put_note(s, "(this table again)");
      return;
    }
  if (s->depth == DEEP || !lua_checkstack(L, PAIRS + LUA_MINSTACK)) {
    put_note(s, "{ … }");
    return;
  }
  s->above[s->depth++] = self;
  if (is_list(L, idx, &n)) {
    put_list(s, idx, n);
  } else {
    int top = lua_gettop(L);
    keys k = push_keys(L, idx);
    if (k.names == k.all && k.all == k.kept) put_fields(s, idx, &k, top + 1);
    else put_pairs(s, idx, &k, top + 1);
    lua_settop(L, top);
  }
  s->depth--;
}

static void put_view(sketching *s, int idx) {
  lua_pushvalue(s->L, idx);
  lnL_thaw(s->L);
  put_table(s, lua_gettop(s->L));
  lua_pop(s->L, 1);
}

static void sketch(sketching *s, int idx) {
  lua_State *L = s->L;
  ln_str text;
  if (s->out->n > BYTES) {
    put_note(s, "…");
    return;
  }
  switch (lua_type(L, idx)) {
  case LUA_TNIL: put_note(s, "nil"); break; /* a list is not to end at it */
  case LUA_TBOOLEAN: ln_v_bool(s->out, lua_toboolean(L, idx)); break;
  case LUA_TNUMBER:
    if (lua_isinteger(L, idx)) ln_v_int(s->out, lua_tointeger(L, idx));
    else ln_v_float(s->out, lua_tonumber(L, idx));
    break;
  case LUA_TSTRING:
    text.p = lua_tolstring(L, idx, &text.n);
    put_text(s, text);
    break;
  case LUA_TTABLE: put_view(s, idx); break;
  case LUA_TFUNCTION: put_function(s, idx); break;
  case LUA_TTHREAD: put_note(s, "coroutine"); break;
  default: put_userdata(s, idx);
  }
}

void lnL_sketch(lua_State *L, int idx, ln_buf *out) {
  sketching s = {.L = L, .out = out};
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  sketch(&s, lua_absindex(L, idx));
}
