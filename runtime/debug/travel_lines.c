/* travel_lines.c: the lines of a script that have code, as Lua's own compiler has them: read from what it
** makes of the source, since the debug interface tells them of one function only, and not of those within.
** The form is that of Lua 5.4; what is not of that form has no lines. */
#include "debug/travel_lines.h"

#include <lauxlib.h>
#include <stdlib.h>

typedef struct reader {
  const unsigned char *p;
  size_t n;
  bool bad;
  unsigned char *lines; /* lines[i]: line i has code */
  size_t most;
} reader;

enum { HEAD = 31, ABSOLUTE = -128 };

static const unsigned char *take(reader *r, size_t n) {
  const unsigned char *p = r->p;
  if (n > r->n) r->bad = true;
  if (r->bad) return NULL;
  r->p += n;
  r->n -= n;
  return p;
}

static int byte(reader *r) {
  const unsigned char *p = take(r, 1);
  return p ? *p : 0;
}

/* Seven bits a byte, the highest first; the last one has the eighth set. */
static size_t number(reader *r) {
  size_t x = 0;
  int b;
  do {
    b = byte(r);
    x = x << 7 | (size_t)(b & 0x7f);
  } while (!r->bad && !(b & 0x80));
  return x;
}

static size_t items(reader *r, size_t least) { /* how many, each of so many bytes at least */
  size_t n = number(r);
  if (n > r->n / least) r->bad = true;
  return r->bad ? 0 : n;
}

static void text(reader *r) {
  size_t n = number(r);
  if (n) take(r, n - 1);
}

static void constants(reader *r) {
  for (size_t n = items(r, 1); n > 0 && !r->bad; n--) {
    int tag = byte(r);
    if (tag == 0x03 || tag == 0x13) take(r, 8);
    else if (tag == 0x04 || tag == 0x14) text(r);
    else if (tag != 0x00 && tag != 0x01 && tag != 0x11) r->bad = true;
  }
}

/* Each instruction's line is told by its distance from the one before; where that is too far, by a table. */
static void debug_lines(reader *r, size_t line, bool vararg) {
  size_t n = items(r, 1);
  const unsigned char *steps = take(r, n);
  size_t far = items(r, 2);
  for (size_t i = 0; i < n && !r->bad; i++) {
    if ((signed char)steps[i] != ABSOLUTE) {
      line += (size_t)(ptrdiff_t)(signed char)steps[i];
    } else if (far-- > 0) {
      if (number(r) != i) r->bad = true;
      line = number(r);
    } else r->bad = true;
    if (line <= r->most && !(vararg && i == 0)) r->lines[line] = 1; /* the first only sets up the arguments */
  }
  for (; far > 0 && far != SIZE_MAX && !r->bad; far--) number(r), number(r);
}

static void function(reader *r, int deep) {
  text(r);
  size_t line = number(r);
  number(r);
  const unsigned char *head = take(r, 3);
  bool vararg = head && head[1];
  take(r, 4 * items(r, 4));
  constants(r);
  take(r, 3 * items(r, 3));
  if (deep > 200) r->bad = true;
  for (size_t n = items(r, 1); n > 0 && !r->bad; n--) function(r, deep + 1);
  debug_lines(r, line, vararg);
  for (size_t n = items(r, 3); n > 0 && !r->bad; n--) text(r), number(r), number(r);
  for (size_t n = items(r, 1); n > 0 && !r->bad; n--) text(r);
}

static int keep(lua_State *L, const void *p, size_t n, void *code) {
  (void)L;
  return ln_buf_add(code, (ln_str){p, n}) ? 0 : 1;
}

static bool compile(ln_str source, ln_buf *code, ln_err *err) {
  lua_State *L = luaL_newstate();
  if (!L) return ln_fail(err, "memory", LN_AGAIN, "no memory for a Lua state");
  if (source.n && source.p[0] == '#')
    while (source.n && *source.p != '\n') source = (ln_str){source.p + 1, source.n - 1};
  bool ok = luaL_loadbufferx(L, source.p, source.n, "=it", "t") == LUA_OK;
  if (!ok) ln_fail(err, "syntax", LN_FINAL, "%s", lua_tostring(L, -1) ? lua_tostring(L, -1) : "no memory");
  else if (code) ok = lua_dump(L, keep, code, 0) == 0 || ln_fail(err, "memory", LN_AGAIN, "no memory");
  lua_close(L);
  return ok;
}

bool ln_lua_compiles(ln_str source, ln_err *err) { return compile(source, NULL, err); }

unsigned char *ln_lua_lines(ln_str source, size_t *most, ln_err *err) {
  ln_buf code;
  ln_buf_init(&code, 16 << 20);
  reader r = {.bad = false};
  r.most = 1;
  for (size_t i = 0; i < source.n; i++) r.most += source.p[i] == '\n';
  r.lines = calloc(r.most + 1, 1);
  bool ok =
      (r.lines || ln_fail(err, "memory", LN_AGAIN, "no memory for lines")) && compile(source, &code, err);
  if (ok) {
    r.p = (const unsigned char *)code.p;
    r.n = code.n;
    take(&r, HEAD + 1);
    function(&r, 0);
    ok = !r.bad || ln_fail(err, "failed", LN_FINAL, "what this Lua compiles to is not known here");
  }
  ln_buf_free(&code);
  if (!ok) free(r.lines), r.lines = NULL;
  *most = r.most;
  return r.lines;
}
