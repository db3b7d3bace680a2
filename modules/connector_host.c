/* connector_host.c: running the functions of a declaration.  They live in the host state, see only the
** names listed here (no clock, no chance, no files), and are stopped when they run too long: a declaration
** is trusted to be honest, not to be free of mistakes.  Everything that touches the host state runs in a
** function under lnC_run, so that no error passes through C that holds something. */
#include "modules/connector_parts.h"

#include "modules/modules.h"

#include <stdio.h>

enum { HOOK_EVERY = 1000000, HOOK_TIMES = 300, FILL_DEPTH = 32 };

static const char ENV_KEY = 'e';                            /* its address: a key of the registry */

lua_State *lnC_state(const lnC_connector *c) { return ln_host_state(c->engine->host); }

/* --- bounded and protected --- */

static _Thread_local int ran;                           /* hooks of the function that runs                  */

static void on_count(lua_State *L, lua_Debug *ar) {
  (void)ar;
  if (++ran > HOOK_TIMES) luaL_error(L, "it ran too long, and was stopped");
}

static bool is_declared(lua_State *L, int idx) {
  if (!lua_istable(L, idx)) return false;
  bool is = lua_getfield(L, idx, "code") == LUA_TSTRING; /* code */
  lua_pop(L, 1);
  return is;
}

bool lnC_run(ln_engine *g, lua_CFunction fn, void *job, const char *what, ln_err *err, bool *declared) {
  lua_State *L = ln_host_state(g->host);
  int top = lua_gettop(L);
  if (declared) *declared = false;
  if (!lua_checkstack(L, LUA_MINSTACK + 4)) return ln_fail(err, "memory", LN_AGAIN, "%s: no memory", what);
  lua_pushcfunction(L, fn);                              /* fn */
  lua_pushlightuserdata(L, job);                         /* fn job */
  bool outermost = lua_gethook(L) == NULL;
  if (outermost) {
    ran = 0;
    lua_sethook(L, on_count, LUA_MASKCOUNT, HOOK_EVERY);
  }
  int status = lua_pcall(L, 1, 0, 0);
  if (outermost) lua_sethook(L, NULL, 0, 0);
  if (status != LUA_OK) {                                /* error */
    bool own = is_declared(L, -1);
    lnL_to_error(L, -1, err);
    if (status == LUA_ERRMEM) ln_fail(err, "memory", LN_AGAIN, "%s: no memory", what);
    else if (!own) ln_err_prefix(err, "%s", what);
    if (declared) *declared = own;
  }
  lua_settop(L, top);
  return status == LUA_OK;
}

/* --- what declarations see --- */

/* fail(code, message, fields): an error with a code. */
static int l_fail(lua_State *L) {
  ln_err err;
  const char *code = luaL_checkstring(L, 1), *message = luaL_optstring(L, 2, code);
  ln_fail(&err, code, LN_FINAL, "%s", message);
  lua_settop(L, 3);                                      /* code message fields */
  lnL_push_error(L, &err, (ln_str){NULL, 0});            /* code message fields error */
  if (lua_istable(L, 3))
    for (lua_pushnil(L); lua_next(L, 3); lua_pop(L, 1)) { /* … error key value */
      lua_pushvalue(L, -2);                              /* … error key value key */
      lua_pushvalue(L, -2);                              /* … error key value key value */
      lua_rawset(L, 4);
    }
  lua_settop(L, 4);
  return lua_error(L);
}

/* opaque "what": a value that is not known before the thing is done. */
static int l_opaque(lua_State *L) {
  size_t n;
  const char *what = luaL_checklstring(L, 1, &n);
  ln_buf *b = lnL_new_buf(L, n + 64);                    /* what owner */
  size_t mark = ln_v_begin(b, 'P', 1);
  ln_v_key(b, LN_STR("what"));
  ln_v_str(b, (ln_str){what, n});
  if (!ln_v_end(b, mark)) return luaL_error(L, "no memory");
  lnL_decode(L, ln_buf_view(b));                         /* what owner opaque */
  return 1;
}

static int l_connector(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  return 1;
}

/* require: the libraries that are pure. */
static int l_require(lua_State *L) {
  static const char *const pure[] = {"json", "text", "time", "xml", "crypto", NULL};
  const char *name = luaL_checkstring(L, 1);
  const ln_module *m = lua_touserdata(L, lua_upvalueindex(1));
  int i = 0;
  while (pure[i] && strcmp(pure[i], name) != 0) i++;
  if (i == 0 || i == 3) {                                /* the host state has its own json and xml */
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    if (lua_getfield(L, -1, name) != LUA_TNIL) return 1;
    lua_pop(L, 2);
  }
  while (m && m->name && strcmp(m->name, name) != 0) m++;
  if (!pure[i] || !m || !m->name)
    return luaL_error(L, "a declaration cannot require '%s': there are json, text, time, xml, crypto", name);
  if (lua_getfield(L, lua_upvalueindex(2), name) == LUA_TNIL) { /* name nil */
    lua_pushcfunction(L, m->open);
    lua_call(L, 0, 1);                                   /* name nil module */
    lua_pushvalue(L, -1);
    lua_setfield(L, lua_upvalueindex(2), name);          /* name nil module */
  }
  return 1;
}

/* Copies names of the table at `from` into the one on top. */
static void copy_names(lua_State *L, int from, const char *const names[]) {
  for (int i = 0; names[i]; i++) {
    lua_getfield(L, from, names[i]);
    lua_setfield(L, -2, names[i]);
  }
}

/* Pushes the environment of all declarations, made at first. */
static void push_env(lua_State *L, ln_engine *g) {
  static const char *const globals[] = {"assert", "error",  "getmetatable", "ipairs",   "next",
                                        "pairs",  "pcall",  "rawequal",     "rawget",   "rawlen",
                                        "rawset", "select", "setmetatable", "tonumber", "tostring",
                                        "type",   "string", "table",        "utf8",     NULL};
  static const char *const maths[] = {"abs", "ceil", "floor", "fmod", "huge", "max", "maxinteger", "min",
    "mininteger", "modf", "tointeger", "type", "ult", "sqrt", "log", "exp", NULL};
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &ENV_KEY) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);                                       /* env */
  lua_pushglobaltable(L);                                /* env G */
  int G = lua_gettop(L);
  lua_pushvalue(L, -2);                                  /* env G env */
  copy_names(L, G, globals);
  lua_getfield(L, G, "math");                            /* env G env math */
  lua_newtable(L);                                       /* env G env math own */
  copy_names(L, G + 2, maths);
  lua_setfield(L, G + 1, "math");                        /* env G env math */
  lua_settop(L, G - 1);                                  /* env */
  static const luaL_Reg own[] = {
      {"fail", l_fail}, {"opaque", l_opaque}, {"connector", l_connector}, {NULL, NULL}};
  luaL_setfuncs(L, own, 0);
  void *modules;
  memcpy(&modules, &g->modules, sizeof modules);         /* const is for readers, which l_require is */
  lua_pushlightuserdata(L, modules);
  lua_newtable(L);                                       /* env modules loaded */
  lua_pushcclosure(L, l_require, 2);
  lua_setfield(L, -2, "require");                        /* env */
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &ENV_KEY);
}

void lnC_load(lua_State *L, ln_engine *g, ln_str source, const char *chunk) {
  if (luaL_loadbufferx(L, source.p, source.n, chunk, "t") != LUA_OK) lua_error(L); /* chunk */
  push_env(L, g);                                        /* chunk env */
  lua_setupvalue(L, -2, 1);                              /* chunk: its first upvalue is _ENV */
  lua_call(L, 0, 1);                                     /* value */
}

/* --- values --- */

int lnC_field(lua_State *L, const lnC_operation *o, const char *key) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, o->self);            /* self */
  int type = lua_getfield(L, -1, key);                   /* self value */
  lua_remove(L, -2);
  return type;
}

void lnC_push(lua_State *L, ln_str value) {
  if (value.n) lnL_decode(L, value);
  else lua_pushnil(L);
}

void lnC_encode(lua_State *L, int idx, ln_buf *out, const char *what) {
  ln_err err;
  if (lnL_encode(L, idx, out, &err)) return;
  lua_pushfstring(L, "%s: %s", what, err.message);
  lua_error(L);
}

/* --- templates --- */

/* The name in "{name}" at the start of s, or an empty text. */
static ln_str hole(ln_str s) {
  size_t i = 1;
  if (s.n < 3 || s.p[0] != '{') return (ln_str){NULL, 0};
  while (i < s.n && (s.p[i] == '_' || (s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= 'A' && s.p[i] <= 'Z') ||
                     (s.p[i] >= '0' && s.p[i] <= '9')))
    i++;
  return i > 1 && i < s.n && s.p[i] == '}' ? (ln_str){s.p + 1, i - 1} : (ln_str){NULL, 0};
}

/* Pushes the argument of that name, or nil. */
static int push_arg(lua_State *L, int args, ln_str name) {
  lua_pushlstring(L, name.p, name.n);                    /* name */
  return lua_gettable(L, args);                          /* value */
}

/* Replaces the value on top by its text; raises for what has none.  An opaque one, in a plan, is shown by
** its name. */
static void as_text(lua_State *L, ln_str name) {
  int type = lua_type(L, -1);
  ln_str handle;
  if (type == LUA_TSTRING) return;
  if (lnL_is_opaque(L, -1) && lnL_handle(L, -1, &handle)) {
    ln_str what = ln_v_get_str(handle, "what");
    lua_pushfstring(L, "\xE2\x9F\xA8%s\xE2\x9F\xA9", lua_pushlstring(L, what.p ? what.p : "", what.n));
    lua_replace(L, -3);
    lua_pop(L, 1);
    return;
  }
  if (type != LUA_TNUMBER && type != LUA_TBOOLEAN)
    luaL_error(L, "\"{%s}\" is %s, and cannot stand within a text", lua_pushlstring(L, name.p, name.n),
               luaL_typename(L, -2));
  luaL_tolstring(L, -1, NULL);                           /* value text */
  lua_remove(L, -2);
}

/* "." and ".." mean something in a path, and percent-encoding does not take that away. */
static void percent(lua_State *L, ln_str name) {
  size_t n;
  const char *p = lua_tolstring(L, -1, &n);
  if ((n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
    luaL_error(L, "the argument %s is \"%s\", which would lead to another path",
               lua_pushlstring(L, name.p, name.n), p);
  ln_buf *b = lnL_new_buf(L, 3 * n + 1);                 /* text owner */
  if (!ln_percent(b, (ln_str){p, n})) luaL_error(L, "no memory");
  lua_pushlstring(L, b->n ? b->p : "", b->n);            /* text owner encoded */
  lua_replace(L, -3);
  lua_pop(L, 1);                                         /* encoded */
}

/* Pushes the text with its holes filled.  An absent argument leaves nil, or, in a path, is an error. */
static void fill_text(lua_State *L, ln_str s, int args, bool path) {
  luaL_Buffer b;
  ln_str name = hole(s);
  if (!path && name.n && name.n + 2 == s.n) {
    push_arg(L, args, name);
    return;
  }
  int top = lua_gettop(L);
  luaL_buffinit(L, &b);
  for (size_t i = 0; i < s.n; i++) {
    name = hole((ln_str){s.p + i, s.n - i});
    if (!name.n) {
      luaL_addchar(&b, s.p[i]);
      continue;
    }
    if (push_arg(L, args, name) == LUA_TNIL) {
      if (path) luaL_error(L, "the argument %s is needed for the path", lua_pushlstring(L, name.p, name.n));
      lua_settop(L, top);
      lua_pushnil(L);
      return;
    }
    as_text(L, name);
    if (path) percent(L, name);
    luaL_addvalue(&b);
    i += name.n + 1;
  }
  luaL_pushresult(&b);
}

static void fill(lua_State *L, int tpl, int args, int depth);

static void fill_list(lua_State *L, int tpl, int args, int depth) {
  lua_Integer n = luaL_len(L, tpl), k = 0;
  lua_newtable(L);                                       /* out */
  for (lua_Integer i = 1; i <= n; i++) {
    lua_geti(L, tpl, i);                                 /* out item */
    fill(L, lua_gettop(L), args, depth);                 /* out item filled */
    if (!lua_isnil(L, -1)) lua_seti(L, -3, ++k);
    else lua_pop(L, 1);
    lua_pop(L, 1);                                       /* out */
  }
  if (k == 0) lnL_mark_array(L, -1);
}

static void fill_object(lua_State *L, int tpl, int args, int depth) {
  lua_newtable(L);                                       /* out */
  for (lua_pushnil(L); lua_next(L, tpl); lua_pop(L, 1)) { /* out key value */
    fill(L, lua_gettop(L), args, depth);                 /* out key value filled */
    lua_pushvalue(L, -3);                                /* out key value filled key */
    lua_insert(L, -2);                                   /* out key value key filled */
    lua_rawset(L, -5);                                   /* out key value */
  }
}

static void fill(lua_State *L, int tpl, int args, int depth) {
  size_t n;
  if (depth > FILL_DEPTH) luaL_error(L, "a template is nested too deep");
  luaL_checkstack(L, 12, NULL);
  if (lua_type(L, tpl) == LUA_TSTRING) {
    const char *p = lua_tolstring(L, tpl, &n);
    fill_text(L, (ln_str){p, n}, args, false);
  } else if (lua_type(L, tpl) == LUA_TTABLE && lnL_is_array(L, tpl)) {
    fill_list(L, tpl, args, depth + 1);
  } else if (lua_type(L, tpl) == LUA_TTABLE) {
    fill_object(L, tpl, args, depth + 1);
  } else {
    lua_pushvalue(L, tpl);
  }
}

/* Calls the function at tpl, or pushes what is there. */
static void evaluate(lua_State *L, int tpl, int args, int ctx) {
  lua_pushvalue(L, tpl);                                 /* template */
  if (!lua_isfunction(L, -1)) return;
  lua_pushvalue(L, args);
  lua_pushvalue(L, ctx);
  lua_call(L, 2, 1);                                     /* value */
}

void lnC_fill(lua_State *L, int tpl, int args, int ctx) {
  tpl = lua_absindex(L, tpl);
  if (lua_isfunction(L, tpl)) evaluate(L, tpl, args, ctx); /* what a function says is not filled again: its */
  else fill(L, tpl, args, 0);                              /* texts may come from an alert */
}

void lnC_fill_path(lua_State *L, int tpl, int args, int ctx) {
  size_t n;
  evaluate(L, lua_absindex(L, tpl), args, ctx);          /* template */
  if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "path must be a text, not %s", luaL_typename(L, -1));
  const char *p = lua_tolstring(L, -1, &n);
  fill_text(L, (ln_str){p, n}, args, true);              /* template path */
  lua_remove(L, -2);
}
