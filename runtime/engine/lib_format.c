/* lib_format.c: string.format.  It differs from Lua's in two things: %s numbers objects in order of
** first showing, and %p (an address) is not there.  A conversion is taken apart and checked before
** anything of it reaches printf. */
#include "engine/lib_format.h"

#include "engine/vm_lib.h"

#include <math.h>
#include <stdio.h>

typedef struct conversion {
  char spec[32];                                         /* "%-08.3" and room for the length and the letter */
  size_t n;
  char letter;
  int width, precision;                                  /* precision: -1: none                             */
} conversion;

enum { ITEM = 512 };                                     /* the longest: %99.99f of 1e308                   */

/* --- taking it apart ------------------------------------------------------------------------------------ */

static bool digit(char c) { return c >= '0' && c <= '9'; }

/* p is behind the '%'; returns what is behind the letter. */
static const char *read_conversion(lua_State *L, const char *p, conversion *c) {
  size_t n = strspn(p, "-+ #0123456789.");
  *c = (conversion){.spec = "%", .n = 1 + n, .precision = -1};
  if (n > 20) luaL_error(L, "invalid format string to 'format'");
  memcpy(c->spec + 1, p, n);
  c->letter = p[n];
  return p + n + 1;
}

/* At most two digits. */
static char *read_two(char *p, int *value) {
  for (int i = 0; i < 2 && digit(*p); i++) *value = *value * 10 + (*p++ - '0');
  return p;
}

/* Only these flags, then a width, then a precision if it may have one. */
static void check_flags(lua_State *L, conversion *c, const char *flags, bool precision) {
  char *p = c->spec + 1;
  p += strspn(p, flags);
  p = read_two(p, &c->width);
  if (*p == '.' && precision) {
    c->precision = 0;
    p = read_two(p + 1, &c->precision);
  }
  if (*p) luaL_error(L, "invalid conversion specification: '%s%c'", c->spec, c->letter);
}

static void finish(conversion *c, const char *length) {
  snprintf(c->spec + c->n, sizeof c->spec - c->n, "%s%c", length, c->letter);
}

/* --- numbers -------------------------------------------------------------------------------------------- */

/* The format is ours by now: flags, width and precision that were checked, and a letter of the right kind. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static void put_integer(lua_State *L, ln_text *out, conversion *c, int arg) {
  lua_Integer n = luaL_checkinteger(L, arg);
  char item[ITEM];
  finish(c, "ll");
  int len = snprintf(item, sizeof item, c->spec, (long long)n);
  lnL_text_add(L, out, (ln_str){item, (size_t)len});
}

static void put_float(lua_State *L, ln_text *out, conversion *c, int arg) {
  double d = luaL_checknumber(L, arg);
  char item[ITEM];
  finish(c, "");
  int len = snprintf(item, sizeof item, c->spec, d);
  lnL_text_add(L, out, (ln_str){item, (size_t)len});
}

static void put_short_text(lua_State *L, ln_text *out, conversion *c, const char *s) {
  char item[ITEM];
  finish(c, "");
  int len = snprintf(item, sizeof item, c->spec, s);
  lnL_text_add(L, out, (ln_str){item, (size_t)len});
}

#pragma GCC diagnostic pop

static void put_char(lua_State *L, ln_text *out, conversion *c, int arg) {
  char ch = (char)luaL_checkinteger(L, arg);
  int pad = c->width > 1 ? c->width - 1 : 0;
  bool left = c->spec[1] == '-';
  char *p = lnL_text_room(L, out, (size_t)pad + 1);
  memset(p, ' ', (size_t)pad + 1);
  p[left ? 0 : pad] = ch;
  out->n += (size_t)pad + 1;
}

/* --- texts ---------------------------------------------------------------------------------------------- */

static void put_text(lua_State *L, ln_text *out, conversion *c, int arg) {
  ln_str s;
  s.p = lnL_tolstring(L, arg, &s.n);                     /* … text          */
  if (c->n == 1) {
    lnL_text_add(L, out, s);
  } else {
    luaL_argcheck(L, s.n == strlen(s.p), arg, "string contains zeros");
    if (c->precision < 0 && s.n >= 100) lnL_text_add(L, out, s);
    else put_short_text(L, out, c, s.p);
  }
  lua_pop(L, 1);
}

static void put_quoted_text(lua_State *L, ln_text *out, ln_str s) {
  lnL_text_add(L, out, LN_STR("\""));
  for (size_t i = 0; i < s.n; i++) {
    unsigned char ch = (unsigned char)s.p[i];
    char *p = lnL_text_room(L, out, 8);
    bool more = i + 1 < s.n && digit(s.p[i + 1]);
    if (ch == '"' || ch == '\\' || ch == '\n') out->n += (size_t)snprintf(p, 8, "\\%c", ch);
    else if (ch < ' ' || ch == 127) out->n += (size_t)snprintf(p, 8, more ? "\\%03d" : "\\%d", ch);
    else {
      *p = (char)ch;
      out->n++;
    }
  }
  lnL_text_add(L, out, LN_STR("\""));
}

static void put_quoted_number(lua_State *L, ln_text *out, int arg) {
  lua_Integer i = lua_tointeger(L, arg);
  double d = lua_tonumber(L, arg);
  char *p = lnL_text_room(L, out, 64);
  int n;
  if (lua_isinteger(L, arg))
    n = snprintf(p, 64, i == LUA_MININTEGER ? "0x%llx" : "%lld", (long long)i);
  else if (isnan(d)) n = snprintf(p, 64, "(0/0)");
  else if (isinf(d)) n = snprintf(p, 64, "%s", d > 0 ? "1e9999" : "-1e9999");
  else n = snprintf(p, 64, "%a", d);
  out->n += (size_t)n;
}

static void put_quoted(lua_State *L, ln_text *out, const conversion *c, int arg) {
  ln_str s;
  if (c->n > 1) luaL_error(L, "specifier '%%q' cannot have modifiers");
  switch (lua_type(L, arg)) {
  case LUA_TSTRING:
    s.p = lua_tolstring(L, arg, &s.n);
    put_quoted_text(L, out, s);
    break;
  case LUA_TNUMBER: put_quoted_number(L, out, arg); break;
  case LUA_TNIL: case LUA_TBOOLEAN:
    s.p = lnL_tolstring(L, arg, &s.n);
    lnL_text_add(L, out, s);
    lua_pop(L, 1);
    break;
  default: luaL_argerror(L, arg, "value has no literal form");
  }
}

/* --- the whole ------------------------------------------------------------------------------------------ */

static void put(lua_State *L, ln_text *out, conversion *c, int arg) {
  switch (c->letter) {
  case 'c': check_flags(L, c, "-", false); put_char(L, out, c, arg); break;
  case 'd': case 'i': check_flags(L, c, "-+0 ", true); put_integer(L, out, c, arg); break;
  case 'u': check_flags(L, c, "-0", true); put_integer(L, out, c, arg); break;
  case 'o': case 'x': case 'X': check_flags(L, c, "-#0", true); put_integer(L, out, c, arg); break;
  case 'a': case 'A': case 'e': case 'E': case 'f': case 'F': case 'g': case 'G':
    check_flags(L, c, "-+#0 ", true);
    put_float(L, out, c, arg);
    break;
  case 's': check_flags(L, c, "-", true); put_text(L, out, c, arg); break;
  case 'q': put_quoted(L, out, c, arg); break;
  case 'p': luaL_error(L, "'%%p' is not there: an address differs from replay to replay"); break;
  default: luaL_error(L, "invalid conversion '%s%c' to 'format'", c->spec, c->letter);
  }
}

int lnL_format(lua_State *L) {
  int top = lua_gettop(L), arg = 1;
  size_t n;
  const char *p = luaL_checklstring(L, 1, &n), *end = p + n;
  char some[1024];
  ln_text out;
  lua_pushnil(L);                                        /* … out           */
  lnL_text_lend(&out, top + 1, some, sizeof some);
  while (p < end) {
    conversion c;
    const char *percent = memchr(p, '%', (size_t)(end - p));
    lnL_text_add(L, &out, (ln_str){p, (size_t)((percent ? percent : end) - p)});
    if (!percent) break;
    p = percent + 1;
    if (p < end && *p == '%') {
      lnL_text_add(L, &out, LN_STR("%"));
      p++;
      continue;
    }
    if (++arg > top) luaL_argerror(L, arg, "no value");
    p = read_conversion(L, p, &c);
    put(L, &out, &c, arg);
  }
  lnL_text_push(L, &out);
  return 1;
}
