/* repl.c: the host state's side of a prompt. */
#include "debug/repl.h"

#include "engine/check.h"
#include "engine/hostlib.h"
#include "engine/inside.h"
#include "engine/sketch.h"

#include <lauxlib.h>

enum { KNOWN_MAX = 64 << 20 };

/* ------------------------------------------------------------------ whole chunks */

struct looking {
  ln_engine *g;
  ln_str text;
  bool incomplete;
};

static int l_incomplete(lua_State *L) {
  struct looking *k = lua_touserdata(L, 1);
  lnL_host_require(L, k->g, "check.session");
  lua_getfield(L, -1, "incomplete");
  lua_pushlstring(L, k->text.p, k->text.n);
  lua_call(L, 1, 1);
  k->incomplete = lua_toboolean(L, -1);
  return 0;
}

bool ln_repl_incomplete(ln_engine *g, ln_str text) {
  struct looking k = {.g = g, .text = text};
  ln_err quiet;
  return ln_host_run(g, l_incomplete, &k, "the line cannot be read", &quiet) && k.incomplete;
}

/* ------------------------------------------------------------------ showing */

struct showing {
  ln_engine *g;
  const char *fn;
  ln_str value;
  int columns;
  ln_buf *out;
  ln_err *err;
  bool ok;
};

static int l_show(lua_State *L) {
  struct showing *s = lua_touserdata(L, 1);
  ln_str text;
  lnL_host_require(L, s->g, "show");
  lua_getfield(L, -1, s->fn);
  lnL_decode(L, s->value);
  lua_pushinteger(L, s->columns);
  lua_call(L, 2, 1);
  text.p = luaL_checklstring(L, -1, &text.n);
  s->ok = ln_buf_add(s->out, text) || ln_buf_ok(s->out, s->err);
  return 0;
}

static bool show(ln_engine *g, const char *fn, ln_str value, int columns, ln_buf *out, ln_err *err) {
  struct showing s = {.g = g, .fn = fn, .value = value, .columns = columns, .out = out, .err = err};
  return ln_host_run(g, l_show, &s, "the value cannot be shown", err) && s.ok;
}

bool ln_repl_show(ln_engine *g, ln_str said, int columns, ln_buf *out, ln_err *err) {
  return show(g, "line", said, columns, out, err);
}

bool ln_repl_show_value(ln_engine *g, ln_str value, int columns, ln_buf *out, ln_err *err) {
  return show(g, "value", value, columns, out, err);
}

/* ------------------------------------------------------------------ completion */

/* A sketch of the session's variables: taken in its VM, protected. */
struct variables {
  ln_buf *out;
};

static int l_variables(lua_State *L) {
  struct variables *v = lua_touserdata(L, 1);
  if (lua_getfield(L, LUA_REGISTRYINDEX, LNL_SESSION_ENV) == LUA_TTABLE) lnL_sketch(L, -1, v->out);
  return 0;
}

static void put_variables(ln_run *session, ln_buf *out) {
  ln_err quiet;
  struct variables v = {.out = out};
  ln_buf_init(out, KNOWN_MAX);
  if (!session || !session->vm || session->line || !ln_vm_protect(session->vm, l_variables, &v, &quiet))
    ln_buf_cut(out, 0);
}

struct completing {
  ln_engine *g;
  ln_str known, names, variables, line;
  size_t *from;
  void (*fn)(void *arg, ln_str word);
  void *arg;
};

static int l_complete(lua_State *L) {
  struct completing *c = lua_touserdata(L, 1);
  lnL_host_require(L, c->g, "complete");
  lua_getfield(L, -1, "line"); /* job complete fn */
  lua_pushlstring(L, c->line.p, c->line.n);
  lnL_decode(L, c->known);
  lnL_decode(L, c->names);
  if (c->variables.n) lnL_decode(L, c->variables);
  else lua_newtable(L);
  lua_call(L, 4, 2); /* job complete words from */
  *c->from = (size_t)luaL_checkinteger(L, -1) - 1;
  lua_pop(L, 1);
  for (lua_Integer i = 1; lua_rawgeti(L, -1, i) == LUA_TSTRING; i++, lua_pop(L, 1)) {
    ln_str word;
    word.p = lua_tolstring(L, -1, &word.n);
    c->fn(c->arg, word);
  }
  return 0;
}

bool ln_repl_complete(ln_engine *g, ln_run *session, ln_str known, ln_str line, size_t *from,
                      void (*fn)(void *arg, ln_str word), void *arg, ln_err *err) {
  ln_buf names, variables;
  ln_buf_init(&names, KNOWN_MAX);
  put_variables(session, &variables);
  struct completing c = {.g = g, .known = known, .line = line, .from = from, .fn = fn, .arg = arg};
  bool ok = ln_check_names(g, &names, err);
  c.names = ln_buf_view(&names);
  c.variables = ln_buf_view(&variables);
  ok = ok && ln_host_run(g, l_complete, &c, "nothing can be completed", err);
  ln_buf_free(&names);
  ln_buf_free(&variables);
  return ok;
}
