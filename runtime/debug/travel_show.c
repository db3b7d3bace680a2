/* travel_show.c: values as they are shown: bounded in length and depth, and nothing of a script is called
** for it, so neither a __tostring nor a __pairs can do anything.  All of it runs in a guest, where Lua may
** raise: what is written belongs to the caller. */
#include "debug/travel_parts.h"

#include "engine/vm_lib.h"

#include <lauxlib.h>
#include <stdio.h>

enum { TEXT_MOST = 200, DEEP = 3, STRING_MOST = 160, MEMBERS_MOST = 1000, VALUE_MAX = 1 << 20 };

/* ------------------------------------------------------------------ texts */

static void put_byte(ln_buf *b, unsigned char c) {
  static const char hex[] = "0123456789abcdef";
  const char *plain = "\"\\", *at = c ? strchr(plain, c) : NULL;
  if (c == '\n') ln_buf_addz(b, "\\n");
  else if (c == '\r') ln_buf_addz(b, "\\r");
  else if (c == '\t') ln_buf_addz(b, "\\t");
  else if (at) ln_buf_addc(b, '\\'), ln_buf_addc(b, (char)c);
  else if (c >= 0x20 && c != 0x7f) ln_buf_addc(b, (char)c);
  else {
    char code[4] = {'\\', 'x', hex[c >> 4], hex[c & 15]};
    ln_buf_add(b, (ln_str){code, 4});
  }
}

/* How long is the UTF-8 character at s?  0: it is none. */
static size_t whole_character(ln_str s) {
  size_t n = 1, bad;
  unsigned char c = (unsigned char)s.p[0];
  if (c >= 0xf0) n = 4;
  else if (c >= 0xe0) n = 3;
  else if (c >= 0xc0) n = 2;
  return n <= s.n && ln_str_utf8((ln_str){s.p, n}, &bad) ? n : 0;
}

static void put_string(ln_buf *b, ln_str s) {
  size_t i = 0;
  ln_buf_addc(b, '"');
  while (i < s.n && i < STRING_MOST) {
    size_t n = whole_character((ln_str){s.p + i, s.n - i});
    if (n > 1) ln_buf_add(b, (ln_str){s.p + i, n});
    else if (n == 1) put_byte(b, (unsigned char)s.p[i]);
    else ln_buf_addf(b, "\\x%02x", (unsigned)(unsigned char)s.p[i]);
    i += n ? n : 1;
  }
  ln_buf_addz(b, i < s.n ? "…\"" : "\"");
  if (i < s.n) ln_buf_addf(b, " (%zu bytes)", s.n);
}

static void put_function(lua_State *L, int idx, ln_buf *b) {
  lua_Debug ar;
  lua_pushvalue(L, idx);
  lua_getinfo(L, ">S", &ar);
  if (*ar.what == 'C') ln_buf_addz(b, "function of the core");
  else ln_buf_addf(b, "function %s:%d", *ar.source == '@' ? ar.source + 1 : ar.short_src, ar.linedefined);
}

static void put_handle(lua_State *L, int idx, ln_buf *b) {
  ln_str encoded;
  if (lnL_is_null(L, idx)) {
    ln_buf_addz(b, "null");
  } else if (lnL_handle(L, idx, &encoded)) {
    ln_json j;
    ln_json_init(&j, b);
    ln_v_to_json(encoded, &j);
  } else {
    bool named = luaL_getmetafield(L, idx, "__name") == LUA_TSTRING;
    ln_buf_addz(b, named ? lua_tostring(L, -1) : luaL_typename(L, idx));
    if (named) lua_pop(L, 1);
  }
}

static bool is_name(ln_str s) {
  for (size_t i = 0; i < s.n; i++) {
    char c = s.p[i];
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (!letter && (i == 0 || c < '0' || c > '9')) return false;
  }
  return s.n > 0 && s.n < 64;
}

static void put_value(lua_State *L, int idx, size_t most, int deep, ln_buf *b);

static void put_key(lua_State *L, int idx, ln_buf *b) {
  ln_str s = {NULL, 0};
  if (lua_type(L, idx) == LUA_TSTRING) s.p = lua_tolstring(L, idx, &s.n);
  if (is_name(s)) {
    ln_buf_add(b, s);
    return;
  }
  ln_buf_addc(b, '[');
  put_value(L, idx, 64, DEEP, b);
  ln_buf_addc(b, ']');
}

/* ------------------------------------------------------------------ members, in the order of pairs */

static size_t count_of(lua_State *L, int idx) {
  size_t n = 0;
  for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) n++;
  return n;
}

/* Of the table at idx, pushed as a userdata: *n of them.  Keys that are objects have no order, and are
** left out. */
static ln_order *push_keys(lua_State *L, int idx, size_t *n) {
  size_t count = count_of(L, idx), i = 0;
  ln_order *v = lua_newuserdatauv(L, (count + 1) * sizeof *v, 0);
  for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1))
    if (i < count && lnL_read_order(L, -2, &v[i])) v[i].at = (uint32_t)i, i++;
  ln_order_sort(v, i);
  *n = i;
  return v;
}

static void push_key(lua_State *L, const ln_order *o) {
  switch (o->kind) {
  case LN_ORDER_INTEGER: lua_pushinteger(L, o->u.i); break;
  case LN_ORDER_FLOAT: lua_pushnumber(L, o->u.f); break;
  case LN_ORDER_TEXT: lua_pushlstring(L, o->u.s.p, o->u.s.n); break;
  case LN_ORDER_BOOLEAN: lua_pushboolean(L, o->u.i != 0); break;
  }
}

enum { LONG = 256 }; /* of a list so long only the beginning is gone to */

static void put_long(lua_State *L, int idx, size_t most, int deep, ln_buf *b) {
  size_t from = b->n, i = 1;
  for (; b->n - from < most && i <= LONG; i++) {
    ln_buf_addz(b, i > 1 ? ", " : " ");
    lua_rawgeti(L, idx, (lua_Integer)i);
    put_value(L, lua_gettop(L), most / 4 + 16, deep + 1, b);
    lua_pop(L, 1);
  }
  ln_buf_addf(b, ", … %zu more ", count_of(L, idx) - (i - 1));
}

static void put_members(lua_State *L, int idx, size_t most, int deep, ln_buf *b) {
  if (lua_rawlen(L, idx) > LONG) {
    put_long(L, idx, most, deep, b);
    return;
  }
  size_t n, from = b->n, i = 0, positions = lua_rawlen(L, idx);
  const ln_order *v = push_keys(L, idx, &n); /* … keys */
  for (; i < n && b->n - from < most; i++) {
    ln_buf_addz(b, i ? ", " : " ");
    push_key(L, &v[i]); /* … keys k */
    bool position = v[i].kind == LN_ORDER_INTEGER && v[i].u.i >= 1 && (size_t)v[i].u.i <= positions;
    if (!position) put_key(L, lua_gettop(L), b), ln_buf_addz(b, " = ");
    lua_rawget(L, idx); /* … keys v */
    put_value(L, lua_gettop(L), (most - (b->n - from < most ? b->n - from : most)) / 2 + 16, deep + 1, b);
    lua_pop(L, 1);
  }
  if (i < n) ln_buf_addf(b, ", … %zu more", n - i);
  if (n) ln_buf_addc(b, ' ');
  lua_pop(L, 1);
}

static void put_table(lua_State *L, int idx, size_t most, int deep, ln_buf *b) {
  luaL_checkstack(L, 8, NULL);
  lua_pushvalue(L, idx);
  lnL_thaw(L); /* … t */
  if (deep >= DEEP || !lua_istable(L, -1)) {
    bool any = lua_istable(L, -1) && (lua_pushnil(L), lua_next(L, -2));
    if (any) lua_pop(L, 2);
    ln_buf_addz(b, any ? "{ … }" : "{}");
  } else {
    ln_buf_addc(b, '{');
    put_members(L, lua_gettop(L), most, deep, b);
    ln_buf_addc(b, '}');
  }
  lua_pop(L, 1);
}

static void put_value(lua_State *L, int idx, size_t most, int deep, ln_buf *b) {
  ln_str s;
  switch (lua_type(L, idx)) {
  case LUA_TNIL: ln_buf_addz(b, "nil"); break;
  case LUA_TBOOLEAN: ln_buf_addz(b, lua_toboolean(L, idx) ? "true" : "false"); break;
  case LUA_TSTRING: s.p = lua_tolstring(L, idx, &s.n), put_string(b, s); break;
  case LUA_TTABLE: put_table(L, idx, most, deep, b); break;
  case LUA_TFUNCTION: put_function(L, idx, b); break;
  case LUA_TTHREAD: ln_buf_addz(b, "coroutine"); break;
  case LUA_TNUMBER:
    lua_pushvalue(L, idx); /* so that the value stays a number */
    s.p = lua_tolstring(L, -1, &s.n);
    ln_buf_add(b, s);
    lua_pop(L, 1);
    break;
  default: put_handle(L, idx, b); break;
  }
}

void travel_text(lua_State *L, int idx, size_t most, ln_buf *out) {
  put_value(L, lua_absindex(L, idx), most, 0, out);
}

/* ------------------------------------------------------------------ values to look at */

static int64_t ref_of(ln_travel *t, lua_State *L, int idx) {
  if (t->refs_ref == LUA_NOREF) {
    lua_newtable(L);
    t->refs_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, t->refs_ref); /* refs */
  lua_pushvalue(L, idx);
  lua_rawseti(L, -2, t->refs + 1 - t->refs_before);
  lua_pop(L, 1);
  return ++t->refs;
}

static const char *type_of(lua_State *L, int idx) {
  if (lnL_is_null(L, idx)) return "null";
  return lua_isinteger(L, idx) ? "integer" : luaL_typename(L, idx);
}

static bool has_members(lua_State *L, int idx, size_t *count, size_t *positions) {
  *count = *positions = 0;
  if (!lua_istable(L, idx)) return false;
  luaL_checkstack(L, 6, NULL);
  lua_pushvalue(L, idx);
  lnL_thaw(L);
  bool table = lua_istable(L, -1);
  if (table) {
    *positions = lua_rawlen(L, -1);
    *count = count_of(L, lua_gettop(L));
  }
  lua_pop(L, 1);
  return *count > 0;
}

static void put_shown(ln_travel *t, lua_State *L, int idx, ln_str name, ln_buf *doc) {
  size_t count, positions;
  int64_t ref = has_members(L, idx, &count, &positions) ? ref_of(t, L, idx) : 0;
  ln_buf *text = lnL_new_buf(L, 1 << 20); /* … text */
  travel_text(L, idx, TEXT_MOST, text);
  ln_v_key(doc, LN_STR("count")), ln_v_int(doc, (int64_t)count);
  ln_v_key(doc, LN_STR("name")), ln_v_str(doc, name);
  ln_v_key(doc, LN_STR("positions")), ln_v_int(doc, (int64_t)positions);
  ln_v_key(doc, LN_STR("ref")), ln_v_int(doc, ref);
  ln_v_key(doc, LN_STR("text")), ln_v_str(doc, ln_buf_view(text));
  ln_v_key(doc, LN_STR("type")), ln_v_str(doc, ln_str_of(type_of(L, idx)));
  lua_pop(L, 1);
}

void travel_show(ln_travel *t, lua_State *L, int idx, ln_str name, ln_buf *doc) {
  idx = lua_absindex(L, idx);
  luaL_checkstack(L, 12, NULL);
  size_t mark = ln_v_begin(doc, 'O', 6);
  put_shown(t, L, idx, name, doc);
  ln_v_end(doc, mark);
}

/* With its encoded form, where it has one: members come sorted. */
void travel_show_result(ln_travel *t, lua_State *L, int idx, int64_t results, ln_buf *doc) {
  ln_err none;
  idx = lua_absindex(L, idx);
  luaL_checkstack(L, LUA_MINSTACK + 12, NULL);
  ln_buf *value = lnL_new_buf(L, VALUE_MAX), *head = lnL_new_buf(L, 4 << 20);
  bool plain = lnL_encode(L, idx, value, &none);
  size_t mark = ln_v_begin(doc, 'O', 7 + plain + 1);
  size_t inner = ln_v_begin(head, 'O', 6);
  put_shown(t, L, idx, LN_STR(""), head);
  ln_v_end(head, inner);
  static const char *const order[] = {"count", "name", "out", "positions", "ref", "results", "text", "type"};
  for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
    ln_vitem v;
    ln_v_key(doc, ln_str_of(order[i]));
    if (strcmp(order[i], "out") == 0) ln_v_str(doc, ln_buf_view(&t->guest_out));
    else if (strcmp(order[i], "results") == 0) ln_v_int(doc, results);
    else if (ln_v_get(ln_buf_view(head), ln_str_of(order[i]), &v)) ln_v_raw(doc, v.whole);
  }
  if (plain) ln_v_key(doc, LN_STR("value")), ln_v_raw(doc, ln_buf_view(value));
  ln_v_end(doc, mark);
  lua_pop(L, 2);
}

/* ------------------------------------------------------------------ members of one */

typedef struct members {
  ln_travel *t;
  int64_t ref;
  size_t from, most;
  ln_buf *doc;
  bool found;
} members;

static void name_of(lua_State *L, int idx, ln_buf *out) {
  ln_str s = {NULL, 0};
  if (lua_type(L, idx) == LUA_TSTRING) s.p = lua_tolstring(L, idx, &s.n);
  if (is_name(s)) ln_buf_add(out, s);
  else put_key(L, idx, out);
}

static int l_members(lua_State *L) {
  members *m = lua_touserdata(L, 1);
  ln_travel *t = m->t;
  size_t n;
  lua_settop(L, 0);
  m->found = t->refs_ref != LUA_NOREF;
  if (!m->found) return 0;
  lua_rawgeti(L, LUA_REGISTRYINDEX, t->refs_ref);                      /* refs */
  m->found = lua_rawgeti(L, 1, m->ref - t->refs_before) == LUA_TTABLE; /* refs t */
  if (!m->found) return 0;
  lnL_thaw(L);
  const ln_order *v = push_keys(L, 2, &n); /* refs t keys */
  ln_buf *name = lnL_new_buf(L, 4096);     /* refs t keys name */
  size_t from = m->from < n ? m->from : n, to = m->most < n - from ? from + m->most : n;
  size_t mark = ln_v_begin(m->doc, 'A', to - from);
  for (size_t i = from; i < to; i++) {
    push_key(L, &v[i]); /* … k */
    ln_buf_cut(name, 0);
    name_of(L, 5, name);
    lua_rawget(L, 2); /* … v */
    travel_show(t, L, 5, ln_buf_view(name), m->doc);
    lua_settop(L, 4);
  }
  ln_v_end(m->doc, mark);
  return 0;
}

bool ln_travel_members(ln_travel *t, int64_t ref, size_t from, size_t most, ln_buf *doc, ln_err *err) {
  members m = {t, ref, from, most && most < MEMBERS_MOST ? most : MEMBERS_MOST, doc, false};
  if (!t->r || ref <= t->refs_before || ref > t->refs)
    return ln_fail(err, "not_found", LN_FINAL, "what was shown at another point is not there any more");
  if (!travel_guest(t, l_members, &m, err)) return false;
  if (!m.found) return ln_fail(err, "not_found", LN_FINAL, "there is nothing of that number");
  return ln_buf_ok(doc, err);
}

/* ------------------------------------------------------------------ what a step answered */

typedef struct answer {
  ln_travel *t;
  ln_str name, value;
  ln_buf *doc;
} answer;

static int l_answer(lua_State *L) {
  answer *a = lua_touserdata(L, 1);
  lnL_decode(L, a->value);
  travel_show(a->t, L, -1, a->name, a->doc);
  return 0;
}

bool ln_travel_answer(ln_travel *t, int64_t n, ln_buf *doc, ln_err *err) {
  ln_buf hold = {0};
  answer a = {.t = t, .doc = doc};
  if (n < 1 || n > (int64_t)ln_journal_deliveries(t->past.journal))
    return ln_fail(err, "not_found", LN_FINAL, "there is no step %lld", (long long)n);
  const ln_record *rec = ln_journal_delivery(t->past.journal, (size_t)n - 1);
  a.name = rec->name;
  bool ok = ln_entry_data(t->g, rec->name, rec->outcome, &hold, &a.value, err);
  if (ok && !a.value.n) a.value = LN_STR("n");
  ok = ok && travel_guest(t, l_answer, &a, err) && ln_buf_ok(doc, err);
  ln_buf_free(&hold);
  return ok;
}
