/* values.c: between encoded values and Lua.  The encoder never raises and never allocates in the Lua
** state: it is called on states at their memory cap, and in the middle of C that holds buffers.  So it
** walks tables raw, writes members as it meets them, and then puts their bytes in order, instead of
** fetching sorted keys again. The decoder builds tables, so it may raise a memory error.
**
** What is not plain data has one Lua form each: null is a light userdata NULL (cjson's own), an array
** that is empty carries a metatable as its mark, and a blob handle or an opaque value is a userdata that
** holds its encoded form, cannot be changed, and is stored again byte for byte. */
#include "engine/values.h"

#include "engine/opaque.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdlib.h>

static const char ARRAY_KEY = 'a', BLOB_KEY = 'b', OPAQUE_KEY = 'o'; /* addresses: keys of the registry     */

/* --- marks ---------------------------------------------------------------------------------------------- */

void lnL_push_null(lua_State *L) { lua_pushlightuserdata(L, NULL); }

bool lnL_is_null(lua_State *L, int idx) { return lua_islightuserdata(L, idx) && !lua_touserdata(L, idx); }

/* Does the value at idx have the metatable that the registry keeps under key?  Needs two slots. */
static bool has_meta(lua_State *L, int idx, const char *key) {
  if (!lua_getmetatable(L, idx)) return false;
  lua_rawgetp(L, LUA_REGISTRYINDEX, key);
  bool same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return same;
}

bool lnL_is_marked(lua_State *L, int idx) { return lua_istable(L, idx) && has_meta(L, idx, &ARRAY_KEY); }

void lnL_mark_array(lua_State *L, int idx) {
  idx = lua_absindex(L, idx);
  luaL_checkstack(L, 3, NULL);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &ARRAY_KEY) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);                                     /* meta            */
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &ARRAY_KEY);
  }
  lua_setmetatable(L, idx);
}

bool lnL_is_array(lua_State *L, int idx) {
  if (!lua_istable(L, idx)) return false;
  if (has_meta(L, idx, &ARRAY_KEY)) return true;
  bool first = lua_rawgeti(L, idx, 1) != LUA_TNIL;
  lua_pop(L, 1);
  return first;
}

/* --- handles: blobs and opaque values ------------------------------------------------------------------- */

static ln_str handle_of(lua_State *L, int idx) {
  return (ln_str){lua_touserdata(L, idx), (size_t)lua_rawlen(L, idx)};
}

static int l_blob_index(lua_State *L) {
  ln_str v = handle_of(L, 1), key;
  ln_vitem item;
  key.p = luaL_checklstring(L, 2, &key.n);
  if (ln_v_get(v, key, &item)) lnL_decode(L, item.whole);
  else lua_pushnil(L);
  return 1;
}

static int l_handle_eq(lua_State *L) {
  bool both = lua_type(L, 1) == LUA_TUSERDATA && lua_type(L, 2) == LUA_TUSERDATA;
  lua_pushboolean(L, both && ln_str_eq(handle_of(L, 1), handle_of(L, 2)));
  return 1;
}

static int l_blob_tostring(lua_State *L) {
  ln_str name = ln_v_get_str(handle_of(L, 1), "name");
  lua_pushliteral(L, "blob ");
  lua_pushlstring(L, name.p ? name.p : "", name.n);
  lua_concat(L, 2);
  return 1;
}

static int l_opaque_tostring(lua_State *L) {
  lua_pushliteral(L, "⟨unknown⟩");
  return 1;
}

void lnL_unknown(lua_State *L, int idx, ln_err *err) { ln_opaque_fail(handle_of(L, idx), err); }

void lnL_known(lua_State *L, int idx) {
  ln_err err;
  if (!lnL_is_opaque(L, idx)) return;
  lnL_unknown(L, idx, &err);
  lnL_raise(L, &err);
}

/* Whatever computes with an opaque value ends here: a plan goes no further than what it knows. */
static int l_opaque_used(lua_State *L) {
  lnL_known(L, 1);
  lnL_known(L, 2);
  return luaL_error(L, "a value that is not known");
}

static const luaL_Reg blob_meta[] = {
    {"__index", l_blob_index}, {"__eq", l_handle_eq}, {"__tostring", l_blob_tostring}, {NULL, NULL}};

static const char *const opaque_uses[] = {
    "__index", "__newindex", "__call", "__len", "__eq", "__lt", "__le", "__concat", "__add", "__sub", "__mul",
    "__div", "__mod", "__pow", "__unm", "__idiv", "__band", "__bor", "__bxor", "__bnot", "__shl", "__shr",
    "__pairs", "__close", NULL};

static void fill_blob(lua_State *L) { luaL_setfuncs(L, blob_meta, 0); }

static void fill_opaque(lua_State *L) {
  for (const char *const *name = opaque_uses; *name; name++) {
    lua_pushcfunction(L, l_opaque_used);
    lua_setfield(L, -2, *name);
  }
  lua_pushcfunction(L, l_opaque_tostring);
  lua_setfield(L, -2, "__tostring");
}

static void push_meta(lua_State *L, const char *key, const char *name, void (*fill)(lua_State *L)) {
  luaL_checkstack(L, 4, NULL);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_createtable(L, 0, 32);                             /* meta            */
  fill(L);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__name");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

static void push_blob_meta(lua_State *L) { push_meta(L, &BLOB_KEY, "blob", fill_blob); }

static void push_handle(lua_State *L, const ln_vitem *v) {
  void *p = lua_newuserdatauv(L, v->whole.n, 0);         /* handle          */
  memcpy(p, v->whole.p, v->whole.n);
  if (v->tag == 'B') push_blob_meta(L);
  else push_meta(L, &OPAQUE_KEY, LNL_OPAQUE, fill_opaque); /* handle meta     */
  lua_setmetatable(L, -2);
}

bool lnL_is_opaque(lua_State *L, int idx) {
  return lua_type(L, idx) == LUA_TUSERDATA && has_meta(L, idx, &OPAQUE_KEY);
}

bool lnL_handle(lua_State *L, int idx, ln_str *encoded) {
  if (lua_type(L, idx) != LUA_TUSERDATA) return false;
  if (!has_meta(L, idx, &BLOB_KEY) && !has_meta(L, idx, &OPAQUE_KEY)) return false;
  *encoded = handle_of(L, idx);
  return true;
}

/* --- encoding ------------------------------------------------------------------------------------------- */

typedef struct member {                                /* one that is written already, at off in the output */
  ln_str key;                                            /* lent by the table                               */
  size_t off, n;
} member;

typedef struct place { ln_str name; lua_Integer i; } place;

typedef struct encoder {
  lua_State *L;
  ln_buf *out;
  ln_err *err;
  member *v;                                             /* a stack: each table uses it above its own base  */
  size_t n, cap;
  member few[16];                                        /* where it begins                                 */
  int depth;
  place path[LN_VALUE_DEPTH + 1];
  lnL_number_fn number;                                  /* NULL: numbers are themselves                    */
  void *arg;
  bool drop_nulls;
} encoder;

static bool encode(encoder *e, int idx);

static bool plain_name(ln_str s) {
  if (s.n == 0 || (s.p[0] >= '0' && s.p[0] <= '9')) return false;
  size_t plain = 0;
  while (plain < s.n && (s.p[plain] == '_' || isalnum((unsigned char)s.p[plain]))) plain++;
  return plain == s.n;
}

static void put_place(ln_buf *b, const place *p) {
  ln_str name = {p->name.p, p->name.n < 60 ? p->name.n : 60};
  if (!p->name.p) ln_buf_addf(b, "[%lld]", (long long)p->i);
  else if (plain_name(name)) ln_buf_addf(b, "%s" LN_STR_FMT, b->n ? "." : "", LN_STR_ARG(name));
  else ln_buf_addf(b, "[\"" LN_STR_FMT "\"]", LN_STR_ARG(name));
}

/* "hosts[3].name: a function cannot be stored" */
static bool refuse(encoder *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool refuse(encoder *e, const char *fmt, ...) {
  ln_buf text;
  va_list ap;
  ln_buf_init(&text, LN_ERR_TEXT);
  for (int i = 0; i < e->depth; i++) put_place(&text, &e->path[i]);
  if (text.n) ln_buf_addz(&text, ": ");
  va_start(ap, fmt);
  ln_buf_addv(&text, fmt, ap);
  va_end(ap);
  ln_fail(e->err, "bad_argument", LN_FINAL, LN_STR_FMT, LN_STR_ARG(ln_buf_view(&text)));
  ln_buf_free(&text);
  return false;
}

typedef struct shape { lua_Integer positions, last; size_t names; } shape;

/* What kind of keys has the table?  Two slots are free. */
static bool survey(encoder *e, int idx, shape *s) {
  lua_State *L = e->L;
  *s = (shape){0, 0, 0};
  for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
    if (lua_type(L, -2) == LUA_TSTRING) {
      s->names += !(e->drop_nulls && lnL_is_null(L, -1));
    } else if (lua_isinteger(L, -2) && lua_tointeger(L, -2) > 0) {
      s->positions++;
      if (lua_tointeger(L, -2) > s->last) s->last = lua_tointeger(L, -2);
    } else {
      const char *kind = lua_type(L, -2) == LUA_TNUMBER ? "number" : luaL_typename(L, -2);
      return refuse(e, "keys must be names, or positions from 1 on, to be stored, and one is another %s",
                    kind);
    }
  }
  if (s->last == s->positions) return true;
  lua_Integer i = 1;
  while (lua_rawgeti(L, idx, i) != LUA_TNIL) {
    lua_pop(L, 1);
    i++;
  }
  return refuse(e, "a list with a hole cannot be stored: item %lld is missing", (long long)i);
}

static bool encode_items(encoder *e, int idx, lua_Integer n) {
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(e->L, idx, i);
    e->path[e->depth - 1] = (place){{NULL, 0}, i};
    if (!encode(e, lua_gettop(e->L))) return false;
    lua_pop(e->L, 1);
  }
  return true;
}

static bool note_member(encoder *e, ln_str key) {
  if (e->n == e->cap) {
    size_t cap = 2 * e->cap;
    member *v = realloc(e->v == e->few ? NULL : e->v, cap * sizeof *v);
    if (v && e->v == e->few) memcpy(v, e->few, sizeof e->few);
    if (!v) return ln_fail(e->err, "memory", LN_AGAIN, "no memory to store a table of %zu members", e->n);
    e->v = v;
    e->cap = cap;
  }
  e->v[e->n++] = (member){key, e->out->n, 0};
  return true;
}

static int by_key(const void *a, const void *b) {
  return ln_str_cmp(((const member *)a)->key, ((const member *)b)->key);
}

/* The members from base on, written from start on, become sorted by their keys. */
static bool put_in_order(encoder *e, size_t base, size_t start) {
  bool sorted = true;
  for (size_t i = base + 1; i < e->n && sorted; i++) sorted = by_key(&e->v[i - 1], &e->v[i]) < 0;
  if (sorted || ln_buf_failed(e->out)) return true;
  size_t n = e->out->n - start, at = 0;
  char *copy = malloc(n);
  if (!copy) return ln_fail(e->err, "memory", LN_AGAIN, "no memory to store %zu bytes in order", n);
  memcpy(copy, e->out->p + start, n);
  qsort(e->v + base, e->n - base, sizeof *e->v, by_key);
  for (size_t i = base; i < e->n; i++) {
    memcpy(e->out->p + start + at, copy + (e->v[i].off - start), e->v[i].n);
    at += e->v[i].n;
  }
  free(copy);
  return true;
}

static bool encode_member(encoder *e) {                  /* … key value     */
  ln_str key;
  key.p = lua_tolstring(e->L, -2, &key.n);
  size_t i = e->n, off = e->out->n;
  if (!note_member(e, key)) return false;
  e->path[e->depth - 1] = (place){key, 0};
  ln_v_key(e->out, key);
  if (!encode(e, lua_gettop(e->L))) return false;
  e->v[i].n = e->out->n - off;
  return true;
}

static bool encode_names(encoder *e, int idx) {
  lua_State *L = e->L;
  size_t base = e->n, start = e->out->n;
  for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) continue;
    if (e->drop_nulls && lnL_is_null(L, -1)) continue;
    if (!encode_member(e)) return false;
  }
  bool ok = put_in_order(e, base, start);
  e->n = base;
  return ok;
}

static bool encode_shape(encoder *e, int idx, const shape *s, bool marked) {
  bool array = s->names == 0 && (s->positions > 0 || marked), mixed = s->names > 0 && s->positions > 0;
  size_t mark = ln_v_begin(e->out, array ? 'A' : mixed ? 'M' : 'O', array ? (size_t)s->positions : s->names);
  if (!array && !encode_names(e, idx)) return false;
  if (mixed) ln_v_more(e->out, (size_t)s->positions);
  if (s->positions && !encode_items(e, idx, s->positions)) return false;
  ln_v_end(e->out, mark);
  return ln_buf_ok(e->out, e->err);
}

static bool encode_table(encoder *e, int idx) {
  shape s;
  if (e->depth >= LN_VALUE_DEPTH) {
    e->depth = 4; /* enough of the path to find it */
    return refuse(e, "a table that contains itself, or is nested deeper than 100, cannot be stored");
  }
  if (!lua_checkstack(e->L, 6))
    return ln_fail(e->err, "memory", LN_AGAIN, "no room to store so deep a table");
  if (!survey(e, idx, &s)) return false;
  e->depth++;
  if (!encode_shape(e, idx, &s, has_meta(e->L, idx, &ARRAY_KEY))) return false;
  e->depth--;
  return true;
}

static bool encode_number(encoder *e, int idx) {
  if (e->number) return e->number(e->arg, lua_tonumber(e->L, idx), e->out, e->err);
  if (lua_isinteger(e->L, idx)) ln_v_int(e->out, lua_tointeger(e->L, idx));
  else ln_v_float(e->out, lua_tonumber(e->L, idx));
  return ln_buf_ok(e->out, e->err);
}

static bool encode(encoder *e, int idx) {
  lua_State *L = e->L;
  ln_str s;
  switch (lua_type(L, idx)) {
  case LUA_TNIL: ln_v_nil(e->out); break;
  case LUA_TBOOLEAN: ln_v_bool(e->out, lua_toboolean(L, idx)); break;
  case LUA_TNUMBER: return encode_number(e, idx);
  case LUA_TSTRING:
    s.p = lua_tolstring(L, idx, &s.n);
    ln_v_str(e->out, s);
    break;
  case LUA_TTABLE: return encode_table(e, idx);
  default:
    if (lnL_is_null(L, idx)) ln_v_null(e->out);
    else if (lnL_handle(L, idx, &s)) ln_v_raw(e->out, s);
    else return refuse(e, "a %s cannot be stored", luaL_typename(L, idx));
  }
  return ln_buf_ok(e->out, e->err);
}

bool lnL_encode_numbered(lua_State *L, int idx, ln_buf *out, lnL_number_fn number, void *arg, bool drop_nulls,
                         ln_err *err) {
  encoder e; /* its arrays are filled as far as they are used */
  e.L = L;
  e.out = out;
  e.err = err;
  e.v = e.few;
  e.n = 0;
  e.cap = sizeof e.few / sizeof *e.few;
  e.depth = 0;
  e.number = number;
  e.arg = arg;
  e.drop_nulls = drop_nulls;
  int top = lua_gettop(L);
  size_t start = out->n;
  bool ok = encode(&e, lua_absindex(L, idx));
  lua_settop(L, top);
  if (!ok) ln_buf_cut(out, start);
  if (e.v != e.few) free(e.v);
  return ok;
}

bool lnL_encode(lua_State *L, int idx, ln_buf *out, ln_err *err) {
  return lnL_encode_numbered(L, idx, out, NULL, NULL, false, err);
}

/* --- decoding ------------------------------------------------------------------------------------------- */

static void decode(lua_State *L, ln_str *rest, int depth);

static void damaged(lua_State *L) { luaL_error(L, "a stored value is damaged"); }

static void decode_items(lua_State *L, ln_str *rest, size_t count, int depth) {
  for (size_t i = 0; i < count; i++) {
    decode(L, rest, depth);                              /* table value     */
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

static void decode_names(lua_State *L, ln_str *rest, size_t count, int depth) {
  ln_str key;
  for (size_t i = 0; i < count; i++) {
    if (!ln_v_read_key(rest, &key)) damaged(L);
    lua_pushlstring(L, key.p, key.n);                    /* table key       */
    decode(L, rest, depth);                              /* table key value */
    lua_rawset(L, -3);
  }
}

static int table_size(size_t n) { return n < INT32_MAX ? (int)n : INT32_MAX; }

static void decode_table(lua_State *L, const ln_vitem *v, int depth) {
  ln_str items = v->body;
  size_t positions = v->tag == 'A' ? v->count : 0, names = v->tag == 'A' ? 0 : v->count;
  if (depth > LN_VALUE_DEPTH || (v->tag == 'M' && !ln_v_positions(v, &items, &positions))) damaged(L);
  luaL_checkstack(L, 6, NULL);
  lua_createtable(L, table_size(positions), table_size(names));
  if (names) {
    ln_str body = v->body;
    decode_names(L, &body, names, depth);
  }
  if (positions) decode_items(L, &items, positions, depth);
  if (v->tag == 'A' && !positions) lnL_mark_array(L, -1);
}

static void decode(lua_State *L, ln_str *rest, int depth) {
  ln_vitem v;
  if (!ln_v_read(rest, &v)) damaged(L);
  switch (v.tag) {
  case 'n': lua_pushnil(L); break;
  case '0': lnL_push_null(L); break;
  case 't': case 'f': lua_pushboolean(L, v.tag == 't'); break;
  case 'I': lua_pushinteger(L, v.i); break;
  case 'F': lua_pushnumber(L, v.f); break;
  case 'S': lua_pushlstring(L, v.s.p, v.s.n); break;
  case 'B': case 'P': push_handle(L, &v); break;
  default: decode_table(L, &v, depth + 1);
  }
}

void lnL_decode(lua_State *L, ln_str v) {
  luaL_checkstack(L, 6, NULL);
  decode(L, &v, 0);
}
