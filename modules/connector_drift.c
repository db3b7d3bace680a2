/* connector_drift.c: what an answer says beside what was asked: that its operation is deprecated, and when it
** ends (`Deprecation`, `Sunset`, and the links to what the vendor writes of it); and whether what its
** declaration needs is in it. */
#include "modules/connector_parts.h"

#include "engine/drift.h"
#include "net/retry.h"

#include <stdio.h>

/* "@1688169599" (RFC 9745), or what drafts of it had: a date, or "true".  0: no date. */
static int64_t since_of(ln_str v) {
  int64_t ms = 0;
  v = ln_str_trim(v);
  if (v.n > 1 && v.n <= 12 && v.p[0] == '@') {
    for (size_t i = 1; i < v.n; i++) {
      if (v.p[i] < '0' || v.p[i] > '9') return 0;
      ms = ms * 10 + (v.p[i] - '0');
    }
    return ms * 1000;
  }
  return ln_http_date(v, &ms) ? ms : 0;
}

static bool is_address(ln_str s) {
  if (!ln_str_starts(s, LN_STR("https://")) && !ln_str_starts(s, LN_STR("http://"))) return false;
  for (size_t i = 0; i < s.n; i++)
    if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f) return false;
  return true;
}

/* The address of the first link whose relation is one of these: <https://…>; rel="sunset" */
static ln_str link_of(ln_str v) {
  static const char *const rels[] = {"rel=\"deprecation\"", "rel=deprecation", "rel=\"sunset\"",
                                     "rel=sunset"};
  while (v.n) {
    const char *open = memchr(v.p, '<', v.n);
    const char *close = open ? memchr(open, '>', (size_t)(v.p + v.n - open)) : NULL;
    if (!close) break;
    ln_str url = {open + 1, (size_t)(close - open) - 1}, rest = {close + 1, (size_t)(v.p + v.n - close) - 1};
    const char *next = rest.n ? memchr(rest.p, '<', rest.n) : NULL;
    ln_str params = {rest.p, next ? (size_t)(next - rest.p) : rest.n};
    for (size_t i = 0; i < sizeof rels / sizeof *rels; i++)
      if (ln_str_find(params, ln_str_of(rels[i])) >= 0 && is_address(url)) return url;
    v = (ln_str){rest.p + params.n, rest.n - params.n};
  }
  return (ln_str){NULL, 0};
}

void lnC_drift_headers(const lnC_operation *o, const ln_answer *a) {
  ln_str deprecation = ln_answer_header(a, LN_STR("deprecation")),
         sunset = ln_answer_header(a, LN_STR("sunset")), link = {NULL, 0};
  int64_t sunset_ms = 0;
  bool ends = sunset.n && ln_http_date(ln_str_trim(sunset), &sunset_ms);
  if ((!deprecation.n && !ends) || ln_str_eq(ln_str_trim(deprecation), LN_STR("false"))) return;
  for (size_t i = 0; i < a->n_headers && !link.n; i++)
    if (ln_str_ieq(a->headers[i].name, LN_STR("link"))) link = link_of(a->headers[i].value);
  ln_drift_deprecated(o->c->engine, o->full, since_of(deprecation), sunset_ms, link);
}

void lnC_drift_mistake(const lnC_operation *o, const lnC_value *v, const ln_err *err) {
  if (v->declared || !ln_err_is(err, "failed")) return;
  ln_drift_shape(o->c->engine, o->full, ln_str_of(err->message));
}

/* Pushes what "profile.login" or "resources.1.id" leads to within the value at idx, or nil. [-0, +1, m] */
static void push_at(lua_State *L, int idx, ln_str path) {
  ln_str name;
  lua_pushvalue(L, idx);                                 /* value */
  while (path.n) {
    int is = 0;
    ln_str_cut(path, '.', &name, &path);
    if (!lua_istable(L, -1)) {
      lua_pushnil(L);
      lua_replace(L, -2);
      return;
    }
    lua_pushlstring(L, name.p, name.n);                  /* value name */
    lua_Integer at = lua_tointegerx(L, -1, &is);
    if (is) lua_pop(L, 1), lua_pushinteger(L, at);
    lua_rawget(L, -2);                                   /* value inner */
    lua_replace(L, -2);
  }
}

static void check_one(lua_State *L, const lnC_operation *o, int idx, ln_str path, ln_str wanted) {
  char what[160];
  push_at(L, idx, path);
  bool absent = lua_isnil(L, -1) || lnL_is_null(L, -1);
  const char *is = luaL_typename(L, -1);
  lua_pop(L, 1);
  if (!absent && ln_str_eq(ln_str_of(is), wanted)) return;
  if (absent) snprintf(what, sizeof what, "%.*s is absent", (int)path.n, path.p);
  else snprintf(what, sizeof what, "%.*s is a %s, not a %.*s", LN_STR_ARG(path), is, LN_STR_ARG(wanted));
  ln_drift_shape(o->c->engine, o->full, ln_str_of(what));
}

void lnC_drift_needs(lua_State *L, const lnC_operation *o, int idx) {
  if (!o->needs) return;
  luaL_checkstack(L, 8, NULL);
  lnC_field(L, o, "needs");                              /* needs */
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) { /* needs path kind */
    ln_str path, kind;
    path.p = lua_tolstring(L, -2, &path.n);
    kind.p = lua_tolstring(L, -1, &kind.n);
    check_one(L, o, idx, path, kind);
  }
  lua_pop(L, 1);
}
