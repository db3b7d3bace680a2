/* store.c: values that runs share, and that outlast them.  Each function is one `local` effect: it is applied
** by the store's writer in the transaction that journals its answer, so what a run was told and what the
** store holds can never differ, and two runs never see the same version twice. */
#include "modules/modules.h"

#include <stdlib.h>

enum { KEY_MAX = 512, VALUE_MAX = 1 << 20, LIST_LIMIT = 1000, LIST_MAX = 10000 };

static ln_str key_of(ln_effect *e) { return ln_v_get_str(ln_effect_args(e), "key"); }

/* --- on the writer --- */

static bool apply_get(ln_tx *tx, ln_effect *e, ln_buf *value, ln_err *err) {
  ln_buf found;
  int64_t version = 0;
  ln_buf_init(&found, 2 * (size_t)VALUE_MAX);
  bool ok = ln_tx_kv_get(tx, key_of(e), &found, &version, err);
  if (ok) {
    size_t mark = ln_v_begin(value, 'O', version ? 2 : 1);
    if (version) {
      ln_v_key(value, LN_STR("value"));
      ln_v_raw(value, ln_buf_view(&found));
    }
    ln_v_key(value, LN_STR("version"));
    ln_v_int(value, version);
    ln_v_end(value, mark);
  }
  ln_buf_free(&found);
  return ok && ln_buf_ok(value, err);
}

static bool apply_set(ln_tx *tx, ln_effect *e, ln_buf *value, ln_err *err) {
  ln_str args = ln_effect_args(e);
  ln_vitem item;
  int64_t ttl = ln_v_get_int(args, "ttl_ms", 0), version = 0;
  int64_t expires = ttl ? ln_now_ms(ln_effect_engine(e)->loop->clock) + ttl : 0;
  if (!ln_v_get(args, LN_STR("value"), &item))
    return ln_fail(err, "bad_argument", LN_FINAL, "store.set: no value");
  if (item.whole.n > VALUE_MAX)
    return ln_fail(err, "too_big", LN_FINAL,
                   "store.set: a value of %zu bytes, and %d are allowed: use blob for files", item.whole.n,
                   VALUE_MAX);
  return ln_tx_kv_set(tx, key_of(e), item.whole, expires, ln_v_get_int(args, "if_version", -1), &version,
                      err) &&
         ln_v_int(value, version);
}

typedef struct counter {                                 /* what is there under the key                     */
  ln_str key;
  ln_vitem value;
  int64_t expires_ms;
  bool found;
} counter;

static bool see_counter(void *arg, const ln_kv *kv) {
  counter *c = arg;
  ln_str rest = kv->value;
  c->found = ln_str_eq(kv->key, c->key) && ln_v_read(&rest, &c->value);
  c->expires_ms = kv->expires_ms;
  return false;
}

/* A counter keeps the expiry it has. */
static bool apply_incr(ln_tx *tx, ln_effect *e, ln_buf *value, ln_err *err) {
  counter c = {.key = key_of(e)};
  int64_t by = ln_v_get_int(ln_effect_args(e), "by", 1), version, sum = by;
  if (!ln_tx_kv_list(tx, c.key, 1, see_counter, &c, err)) return false;
  if (c.found && c.value.tag != 'I')
    return ln_fail(err, "conflict", LN_FINAL, "store.incr: what is stored under '%.*s' is not an integer",
                   c.key.n > 100 ? 100 : (int)c.key.n, c.key.p);
  if (c.found && __builtin_add_overflow(c.value.i, by, &sum))
    return ln_fail(err, "conflict", LN_FINAL, "store.incr: '%.*s' would be more than an integer can hold",
                   c.key.n > 100 ? 100 : (int)c.key.n, c.key.p);
  size_t from = value->n;
  if (!ln_v_int(value, sum)) return ln_buf_ok(value, err);
  ln_str encoded = {value->p + from, value->n - from};
  return ln_tx_kv_set(tx, c.key, encoded, c.found ? c.expires_ms : 0, -1, &version, err);
}

static bool apply_delete(ln_tx *tx, ln_effect *e, ln_buf *value, ln_err *err) {
  bool was = false;
  return ln_tx_kv_delete(tx, key_of(e), &was, err) && ln_v_bool(value, was);
}

typedef struct listing {
  ln_buf items;
  size_t n;
} listing;

static bool add_item(void *arg, const ln_kv *kv) {
  listing *l = arg;
  size_t mark = ln_v_begin(&l->items, 'O', 3);
  ln_v_key(&l->items, LN_STR("key"));
  ln_v_str(&l->items, kv->key);
  ln_v_key(&l->items, LN_STR("value"));
  ln_v_raw(&l->items, kv->value);
  ln_v_key(&l->items, LN_STR("version"));
  ln_v_int(&l->items, kv->version);
  ln_v_end(&l->items, mark);
  l->n++;
  return !ln_buf_failed(&l->items);
}

static bool apply_list(ln_tx *tx, ln_effect *e, ln_buf *value, ln_err *err) {
  ln_str prefix = ln_v_get_str(ln_effect_args(e), "prefix");
  int64_t limit = ln_v_get_int(ln_effect_args(e), "limit", LIST_LIMIT);
  listing l = {.n = 0};
  ln_buf_init(&l.items, value->max);
  bool ok = ln_tx_kv_list(tx, prefix, limit + 1, add_item, &l, err) && ln_buf_ok(&l.items, err);
  if (ok && (int64_t)l.n > limit)
    ok = ln_fail(err, "too_many", LN_FINAL,
                 "store.list: more than %lld keys begin with '%.*s': give a longer prefix or a limit",
                 (long long)limit, prefix.n > 100 ? 100 : (int)prefix.n, prefix.p);
  if (ok) {
    size_t mark = ln_v_begin(value, 'A', l.n);
    ln_buf_add(value, ln_buf_view(&l.items));
    ln_v_end(value, mark);
    ok = ln_buf_ok(value, err);
  }
  ln_buf_free(&l.items);
  return ok;
}

#define LOCAL(label, fn) {.name = (label), .cls = LN_LOCAL, .apply = (fn)}
#define LOOKS(label, fn)                                                                                     \
  { .name = (label), .cls = LN_LOCAL, .apply = (fn), .quiet = true, .looks = true }
static const ln_op op_get = LOOKS("store.get", apply_get), op_set = LOCAL("store.set", apply_set),
                   op_incr = LOCAL("store.incr", apply_incr), op_delete = LOCAL("store.delete", apply_delete),
                   op_list = LOOKS("store.list", apply_list);

/* --- as Lua sees it --- */

/* A table of the arguments with the key at stack index 1 in it, at the top. */
static void push_args(lua_State *L, const char *fn) {
  ln_str key = lnL_text(L, fn, "the key", 1);
  if (!key.n || key.n > KEY_MAX || !ln_str_utf8(key, NULL))
    lnL_bad(L, fn, "the key", "a text of 1 to 512 bytes in UTF-8", 0);
  lua_createtable(L, 0, 4);                               /* … args */
  lua_pushvalue(L, 1);
  lua_setfield(L, -2, "key");
}

static int ask_get(lua_State *L) { return lnL_effect(L, &op_get, 1, NULL, NULL); }

/* The effect's answer { value, version } is at the top. */
static int got(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  if (!lua_istable(L, -1)) return 1;                      /* a plan's opaque value */
  lnL_field(L, -1, "value");                              /* answer value */
  lnL_field(L, -2, "version");                            /* answer value version */
  return 2;
}

/* store.get(key) -> value, version */
static int l_get(lua_State *L) {
  lua_settop(L, 1);
  lua_pushcfunction(L, ask_get);                          /* key f */
  push_args(L, "store.get");                              /* key f args */
  lua_callk(L, 1, 1, 0, got);                             /* key answer */
  return got(L, LUA_OK, 0);
}

/* store.set(key, value, { ttl, if_version }) -> version */
static int l_set(lua_State *L) {
  static const char *const known[] = {"ttl", "if_version", NULL};
  lnL_options(L, "store.set", 3, known);
  if (lua_isnoneornil(L, 2))
    lnL_bad(L, "store.set", "the value", "something (store.delete removes a key)", 2);
  lua_settop(L, 3);
  push_args(L, "store.set");                              /* key value options args */
  lua_pushvalue(L, 2);
  lua_setfield(L, 4, "value");
  lnL_field(L, 3, "ttl");                                 /* … args ttl */
  if (!lua_isnil(L, 5)) {
    lua_pushinteger(L, lnL_duration(L, "store.set", "ttl", 5));
    lua_setfield(L, 4, "ttl_ms");
  }
  lnL_field(L, 3, "if_version");                          /* … args ttl version */
  if (!lua_isnil(L, 6)) {
    lua_pushinteger(L, lnL_whole(L, "store.set", "if_version", 6, 0, INT64_MAX));
    lua_setfield(L, 4, "if_version");
  }
  lua_settop(L, 4);
  return lnL_effect(L, &op_set, 4, NULL, NULL);
}

/* store.incr(key, by = 1) -> the new value */
static int l_incr(lua_State *L) {
  int64_t by =
      lua_isnoneornil(L, 2) ? 1 : lnL_whole(L, "store.incr", "the increment", 2, INT64_MIN, INT64_MAX);
  lua_settop(L, 1);
  push_args(L, "store.incr");                             /* key args */
  lua_pushinteger(L, by);
  lua_setfield(L, 2, "by");
  return lnL_effect(L, &op_incr, 2, NULL, NULL);
}

/* store.delete(key) -> was it there? */
static int l_delete(lua_State *L) {
  lua_settop(L, 1);
  push_args(L, "store.delete");                           /* key args */
  return lnL_effect(L, &op_delete, 2, NULL, NULL);
}

/* store.list(prefix, { limit }) -> array of { key, value, version } */
static int l_list(lua_State *L) {
  static const char *const known[] = {"limit", NULL};
  ln_str prefix = lnL_text(L, "store.list", "the prefix", 1);
  if (prefix.n > KEY_MAX) lnL_bad(L, "store.list", "the prefix", "a text of at most 512 bytes", 0);
  lnL_options(L, "store.list", 2, known);
  lua_settop(L, 2);
  lua_createtable(L, 0, 2);                               /* prefix options args */
  lua_pushvalue(L, 1);
  lua_setfield(L, 3, "prefix");
  lnL_field(L, 2, "limit");                               /* prefix options args limit */
  lua_pushinteger(L, lua_isnil(L, 4) ? LIST_LIMIT : lnL_whole(L, "store.list", "limit", 4, 1, LIST_MAX));
  lua_setfield(L, 3, "limit");
  lua_settop(L, 3);
  return lnL_effect(L, &op_list, 3, NULL, NULL);
}

int luaopen_store(lua_State *L) {
  static const luaL_Reg functions[] = {{"get", l_get},       {"set", l_set},   {"incr", l_incr},
                                       {"delete", l_delete}, {"list", l_list}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
