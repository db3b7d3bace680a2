/* connector_declare.c: reads a declaration once: what the core decides by goes into C structs, what only
** the declaration's own functions look at stays in its table.  Everything is checked here, so that a
** mistake is told when the connector is loaded, with file and field, and not in the middle of a response:
** unknown keys, wrong types, names that nothing has, holes that no parameter fills. */
#include "modules/connector_parts.h"

#include "base/units.h"

#include <stdio.h>
#include <stdlib.h>

enum {
  FILE_MAX_BYTES = 2 << 20,
  ARGS_MAX = 64 << 10,
  MAX_OPS = 500,
  USES_MOST = 16,
  MAX_ITEMS = 64,
  PATH_MAX_TEXT = 160
};

/* --- the arena --- */

typedef struct lnC_text {
  struct lnC_text *next;
  char p[];
} lnC_text;

/* A NUL-ended copy that lives as long as the connector; NULL: no memory. */
static const char *keep(lnC_connector *c, ln_str s) {
  lnC_text *t = malloc(sizeof *t + s.n + 1);
  if (!t) return NULL;
  if (s.n) memcpy(t->p, s.p, s.n);
  t->p[s.n] = '\0';
  t->next = c->texts;
  c->texts = t;
  return t->p;
}

static void *keep_room(lua_State *L, lnC_connector *c, size_t n, size_t size) {
  if (n > SIZE_MAX / size - 64) luaL_error(L, "no memory");
  lnC_text *t = calloc(1, sizeof *t + n * size + 32);
  if (!t) luaL_error(L, "no memory");
  t->next = c->texts;
  c->texts = t;
  uintptr_t at = ((uintptr_t)t->p + 15) & ~(uintptr_t)15;
  return (char *)t + (at - (uintptr_t)t);
}

/* --- reading fields: `where` is the path of the table on top, "operations.users" --- */

typedef struct reader {
  lua_State *L;
  lnC_connector *c;
  char where[PATH_MAX_TEXT];
  lnC_operation *asks;                                   /* whose reads are looked at; NULL: nobody's       */
} reader;

static void at(reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void at(reader *r, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(r->where, sizeof r->where, fmt, ap);
  va_end(ap);
}

static int bad(reader *r, const char *key, const char *wanted) {
  return luaL_error(r->L, "%s%s%s %s", r->where, r->where[0] && key[0] ? "." : "", key, wanted);
}

static ln_str kept(reader *r, int idx) {
  size_t n;
  const char *p = lua_tolstring(r->L, idx, &n);
  const char *copy = keep(r->c, (ln_str){p, n});
  if (!copy) luaL_error(r->L, "no memory");
  return (ln_str){copy, n};
}

/* A text; "" when it is absent and may be. */
static ln_str text(reader *r, const char *key, bool needed) {
  int type = lua_getfield(r->L, -1, key);
  if (type != LUA_TSTRING && (type != LUA_TNIL || needed)) bad(r, key, "must be a text");
  ln_str s = type == LUA_TNIL ? LN_STR("") : kept(r, -1);
  lua_pop(r->L, 1);
  return s;
}

static bool flag(reader *r, const char *key) {
  int type = lua_getfield(r->L, -1, key);
  if (type != LUA_TNIL && type != LUA_TBOOLEAN) bad(r, key, "must be true or false");
  bool yes = lua_toboolean(r->L, -1);
  lua_pop(r->L, 1);
  return yes;
}

static double number(reader *r, const char *key, double otherwise) {
  int type = lua_getfield(r->L, -1, key);
  if (type != LUA_TNIL && type != LUA_TNUMBER) bad(r, key, "must be a number");
  double v = type == LUA_TNIL ? otherwise : lua_tonumber(r->L, -1);
  lua_pop(r->L, 1);
  if (!(v >= 0 && v < 1e9)) bad(r, key, "is out of range");
  return v;
}

static ln_list texts(reader *r, const char *key) {
  ln_list out = {NULL, 0};
  int type = lua_getfield(r->L, -1, key);
  if (type != LUA_TNIL && type != LUA_TTABLE) bad(r, key, "must be a list of texts");
  lua_Integer n = type == LUA_TTABLE ? luaL_len(r->L, -1) : 0;
  if (n > MAX_ITEMS) bad(r, key, "is too long");
  if (n > 0) out.v = keep_room(r->L, r->c, (size_t)n, sizeof *out.v);
  for (lua_Integer i = 1; i <= n; i++) {
    if (lua_geti(r->L, -1, i) != LUA_TSTRING) bad(r, key, "must be a list of texts");
    out.v[out.n++] = kept(r, -1);
    lua_pop(r->L, 1);
  }
  lua_pop(r->L, 1);
  return out;
}

/* Kinds that a field may be of, as letters: s text, f function, t table. */
static bool of_kind(reader *r, const char *key, const char *kinds, bool needed) {
  int type = lua_getfield(r->L, -1, key);
  lua_pop(r->L, 1);
  char letter = (char)(type == LUA_TSTRING     ? 's'
                       : type == LUA_TFUNCTION ? 'f'
                       : type == LUA_TTABLE    ? 't'
                                               : '?');
  if (type == LUA_TNIL && !needed) return false;
  if (strchr(kinds, letter)) return true;
  char wanted[64];
  snprintf(wanted, sizeof wanted, "must be %s%s%s", strchr(kinds, 's') ? "a text, " : "",
           strchr(kinds, 't') ? "a table, " : "", strchr(kinds, 'f') ? "a function" : "no function");
  bad(r, key, wanted);
  return false;
}

/* Refuses keys of the table on top that are not in the blank-separated list. */
static void known_keys(reader *r, const char *names) {
  ln_str list[96], rest = ln_str_of(names);
  size_t n = 0;
  while (rest.n && n < 96) ln_str_cut(rest, ' ', &list[n++], &rest);
  for (lua_pushnil(r->L); lua_next(r->L, -2); lua_pop(r->L, 1)) {
    ln_str key = {NULL, 0};
    if (lua_type(r->L, -2) == LUA_TSTRING) key.p = lua_tolstring(r->L, -2, &key.n);
    size_t i = 0;
    while (key.p && i < n && !ln_str_eq(list[i], key)) i++;
    if (key.p && i < n) continue;
    ln_str near = key.p ? ln_nearest(key, list, n) : (ln_str){NULL, 0};
    char why[96];
    snprintf(why, sizeof why, near.n ? "is unknown here; did you mean '%.*s'?" : "is unknown here%.*s",
             LN_STR_ARG(near));
    bad(r, key.p ? key.p : "(a number)", why);
  }
}

static void params(reader *r, const char *key, ln_params *out, bool config) {
  static const char *const core[] = {"as", "wait", "lease", "limit", "all", "timeout", NULL};
  ln_err err;
  int type = lua_getfield(r->L, -1, key);                /* table params */
  if (type != LUA_TNIL && type != LUA_TTABLE) bad(r, key, "must be a table of types by name");
  if (type == LUA_TTABLE)
    for (lua_pushnil(r->L); lua_next(r->L, -2); lua_pop(r->L, 1)) {
      if (lua_type(r->L, -2) != LUA_TSTRING || lua_type(r->L, -1) != LUA_TSTRING)
        bad(r, key, "must be a table of types by name");
      const char *name = lua_tostring(r->L, -2), *t = lua_tostring(r->L, -1);
      for (int i = 0; !config && core[i]; i++)
        if (strcmp(core[i], name) == 0)
          bad(r, key, lua_pushfstring(r->L, "cannot name '%s': the core has it", name));
      if (!ln_params_add(out, ln_str_of(name), ln_str_of(t), &err))
        bad(r, key, lua_pushfstring(r->L, "%s", err.message));
    }
  lua_pop(r->L, 1);
}

/* --- holes --- */

static void check_text(reader *r, const ln_params *p, const char *key, ln_str s) {
  for (size_t i = 0; i + 2 < s.n; i++) {
    size_t j = i + 1;
    while (s.p[i] == '{' && j < s.n && (s.p[j] == '_' || (s.p[j] >= 'a' && s.p[j] <= 'z') ||
           (s.p[j] >= 'A' && s.p[j] <= 'Z') || (s.p[j] >= '0' && s.p[j] <= '9'))) j++;
    if (s.p[i] != '{' || j == i + 1 || j >= s.n || s.p[j] != '}') continue;
    ln_str name = {s.p + i + 1, j - i - 1};
    if (!ln_params_find(p, name))
      bad(r, key, lua_pushfstring(r->L, "names {%s}, which is no parameter",
                                  lua_pushlstring(r->L, name.p, name.n)));
  }
}

/* Looks through a template for holes that nothing fills. */
static void check_holes(reader *r, const ln_params *p, const char *key, int depth) {
  luaL_checkstack(r->L, 8, NULL);
  if (depth > 16) bad(r, key, "is nested too deep");
  if (lua_type(r->L, -1) == LUA_TSTRING) {
    size_t n;
    const char *s = lua_tolstring(r->L, -1, &n);
    check_text(r, p, key, (ln_str){s, n});
  } else if (lua_istable(r->L, -1)) {
    for (lua_pushnil(r->L); lua_next(r->L, -2); lua_pop(r->L, 1)) check_holes(r, p, key, depth + 1);
  }
}

static void templates(reader *r, const ln_params *p) {
  static const char *const keys[] = {"path", "query", "headers", "json", "form", "multipart", "raw",
                                     "entity", "facet", "to", "plan", NULL};
  for (int i = 0; keys[i]; i++) {
    lua_getfield(r->L, -1, keys[i]);
    check_holes(r, p, keys[i], 0);
    lua_pop(r->L, 1);
  }
}

/* --- an operation --- */

static const char OPERATION_KEYS[] = "summary source class idempotent effect d3fend params method path query "
                                     "headers json form multipart raw expect "
                                     "fault result binary list select page item entity facet to state "
                                     "resolve probe settle handle follow undo undo_why "
                                     "plan console one_by first secrets timeout needs";

static void read_expect(reader *r, lnC_operation *o) {
  int type = lua_getfield(r->L, -1, "expect");
  if (type != LUA_TNIL && type != LUA_TTABLE) bad(r, "expect", "must be a list of statuses");
  lua_Integer n = type == LUA_TTABLE ? luaL_len(r->L, -1) : 0;
  if (n > MAX_ITEMS) bad(r, "expect", "is too long");
  if (n > 0) o->expect = keep_room(r->L, r->c, (size_t)n, sizeof *o->expect);
  for (lua_Integer i = 1; i <= n; i++) {
    int whole = 0;
    lua_geti(r->L, -1, i);
    lua_Integer status = lua_tointegerx(r->L, -1, &whole);
    if (!whole || status < 100 || status > 599) bad(r, "expect", "must be a list of statuses");
    o->expect[o->n_expect++] = (int)status;
    lua_pop(r->L, 1);
  }
  lua_pop(r->L, 1);
}

static void read_effect(reader *r, lnC_operation *o) {
  int type = lua_getfield(r->L, -1, "effect");
  const char *word = type == LUA_TSTRING ? lua_tostring(r->L, -1) : "";
  o->moves = type == LUA_TFUNCTION;
  if (o->moves || strcmp(word, "confine") == 0) o->move = LN_CONFINE;
  else if (strcmp(word, "free") == 0) o->move = LN_FREE;
  else if (strcmp(word, "note") == 0) o->move = LN_NOTE;
  else
    bad(r, "effect", "of a write must be \"confine\", \"free\" or \"note\", or a function of its arguments");
  lua_pop(r->L, 1);
}

static void read_request(reader *r, lnC_operation *o) {
  static const char *const bodies[] = {"json", "form", "multipart", "raw", NULL};
  int n = 0;
  of_kind(r, "method", "sf", true);
  of_kind(r, "path", "sf", true);
  of_kind(r, "query", "tf", false);
  of_kind(r, "headers", "tf", false);
  for (int i = 0; bodies[i]; i++) n += of_kind(r, bodies[i], "tfs", false);
  if (n > 1) bad(r, "", "has more than one of json, form, multipart, raw");
  o->body = n > 0;
  o->timeout_ms = (int64_t)(number(r, "timeout", 0) * 1000);
  read_expect(r, o);
}

static void read_every(reader *r, lnC_operation *o) {
  if (lua_getfield(r->L, -1, "every") == LUA_TTABLE) {
    lua_Integer n = luaL_len(r->L, -1);
    for (lua_Integer i = 1; i <= n && o->n_every < 16; i++) {
      lua_geti(r->L, -1, i);
      double s = lua_tonumber(r->L, -1);
      lua_pop(r->L, 1);
      if (!(s > 0 && s < 86400)) bad(r, "every", "must be a list of seconds");
      o->every[o->n_every++] = s;
    }
  } else if (!lua_isnil(r->L, -1)) {
    bad(r, "every", "must be a list of seconds");
  }
  lua_pop(r->L, 1);
  if (o->n_every == 0) {
    static const double usual[] = {2, 5, 10, 30, 60};
    memcpy(o->every, usual, sizeof usual);
    o->n_every = sizeof usual / sizeof *usual;
  }
  o->within_ms = (int64_t)(number(r, "within", 0) * 1000);
}

/* Keys and kinds of a table of functions such as `state`; on top while fn runs. */
static void part(reader *r, const char *key, const char *keys, const char *functions[]) {
  char before[PATH_MAX_TEXT];
  if (!of_kind(r, key, "t", false)) return;
  memcpy(before, r->where, sizeof before);
  at(r, "%.100s.%s", before, key);
  lua_getfield(r->L, -1, key);
  known_keys(r, keys);
  for (int i = 0; functions[i]; i++) of_kind(r, functions[i], "f", false);
  of_kind(r, "op", "stf", false);
  lua_pop(r->L, 1);
  memcpy(r->where, before, sizeof before);
}

static void read_parts(reader *r, lnC_operation *o) {
  part(r, "state", "op args of unchanged", (const char *[]){"args", "of", "unchanged", NULL});
  part(r, "resolve", "op args names", (const char *[]){"args", "names", NULL});
  part(r, "probe", "op args found", (const char *[]){"args", "found", NULL});
  if (!of_kind(r, "follow", "t", false)) return;
  part(r, "follow", "op args of every within", (const char *[]){"args", "of", NULL});
  of_kind(r, "handle", "f", true);
  lua_getfield(r->L, -1, "follow");
  read_every(r, o);
  lua_pop(r->L, 1);
}

/* { id = "string" }: what has to be in its value, or in each item of a list, and of what type. */
static void read_needs(reader *r, lnC_operation *o) {
  static const char *const kinds[] = {"string", "number", "boolean", "table", NULL};
  if (!of_kind(r, "needs", "t", false)) return;
  o->needs = true;
  lua_getfield(r->L, -1, "needs");                       /* op needs */
  for (lua_pushnil(r->L); lua_next(r->L, -2); lua_pop(r->L, 1)) { /* op needs path kind */
    int k = 0;
    const char *kind = lua_type(r->L, -1) == LUA_TSTRING ? lua_tostring(r->L, -1) : "";
    while (kinds[k] && strcmp(kinds[k], kind) != 0) k++;
    if (lua_type(r->L, -2) != LUA_TSTRING || !kinds[k])
      bad(r, "needs", "must be a table of string, number, boolean or table, by path");
  }
  lua_pop(r->L, 1);
}

static void read_answer(reader *r, lnC_operation *o) {
  static const char *const functions[] = {"fault",  "result", "page",    "item",
                                          "handle", "undo",   "console", NULL};
  for (int i = 0; functions[i]; i++) of_kind(r, functions[i], "f", false);
  o->list = flag(r, "list");
  o->binary = flag(r, "binary");
  if (o->list && o->write) bad(r, "list", "is for reads");
  if (o->list) of_kind(r, "page", "f", true);
  o->select = texts(r, "select");
  for (size_t i = 0; i < o->select.n; i++)
    if (!ln_params_find(&o->params, o->select.v[i])) bad(r, "select", "names what is no parameter");
  o->secrets = texts(r, "secrets");
  read_needs(r, o);
}

static void read_write(reader *r, lnC_operation *o) {
  read_effect(r, o);
  o->idempotent = flag(r, "idempotent");
  of_kind(r, "entity", "sf", true);
  of_kind(r, "facet", "sf", false);
  of_kind(r, "to", "sf", false);
  of_kind(r, "plan", "tf", false);
  o->undo_why = text(r, "undo_why", false).p;
  o->one_by = text(r, "one_by", false);
  if (o->one_by.n) {
    const ln_param *p = ln_params_find(&o->params, o->one_by);
    if (!p || !p->list) bad(r, "one_by", "must name a parameter that is a list");
  }
}

static void finish_op(reader *r, lnC_operation *o, int64_t settle_ms) {
  ln_op base = {.name = o->full,
                .uses = o->full,
                .cls = o->write ? LN_WRITE : LN_READ,
                .idempotent = o->idempotent,
                .settle_ms = settle_ms,
                .undo_why = o->undo_why,
                .data = o};
  o->d3fend_z = keep_room(r->L, r->c, o->d3fend.n + 1, sizeof *o->d3fend_z);
  for (size_t i = 0; i < o->d3fend.n; i++) o->d3fend_z[i] = o->d3fend.v[i].p;
  base.d3fend = o->d3fend_z;
  if (o->write) {
    bool probed = of_kind(r, "probe", "t", false), read = of_kind(r, "state", "t", false);
    o->states = read && of_kind(r, "to", "sf", false);
    base.write = &lnC_write_ops[probed || read][of_kind(r, "follow", "t", false)];
  } else {
    base.start = lnC_start;
  }
  for (int move = LN_NOTE; move <= LN_FREE; move++) {
    o->op[move] = base;
    o->op[move].move = (ln_move)move;
  }
  o->pager = base;
  o->pager.start = lnC_start_page;
}

static void names_of(reader *r, lnC_operation *o) {
  char full[PATH_MAX_TEXT];
  int n = snprintf(full, sizeof full, "%s.%s", r->c->name, o->name);
  o->full = keep(r->c, (ln_str){full, (size_t)n < sizeof full ? (size_t)n : sizeof full - 1});
  if (!o->full) luaL_error(r->L, "no memory");
  o->summary = text(r, "summary", false).p;
}

/* The operation's table is on top. */
static void read_operation(reader *r, lnC_operation *o) {
  at(r, "operations.%.60s", o->name);
  if (!lua_istable(r->L, -1)) bad(r, "", "must be a table");
  known_keys(r, OPERATION_KEYS);
  names_of(r, o);
  o->source = text(r, "source", false).p;
  ln_str cls = text(r, "class", true);
  o->write = ln_str_eq(cls, LN_STR("write"));
  if (!o->write && !ln_str_eq(cls, LN_STR("read"))) bad(r, "class", "must be \"read\" or \"write\"");
  params(r, "params", &o->params, false);
  o->d3fend = texts(r, "d3fend");
  read_request(r, o);
  read_answer(r, o);
  read_parts(r, o);
  if (o->write) read_write(r, o);
  templates(r, &o->params);
  finish_op(r, o, (int64_t)(number(r, "settle", 5) * 1000));
  lua_pushvalue(r->L, -1);
  o->self = luaL_ref(r->L, LUA_REGISTRYINDEX);
}

static void read_flow(reader *r, lnC_operation *o) {
  at(r, "flows.%.60s", o->name);
  if (!lua_istable(r->L, -1)) bad(r, "", "must be a table");
  known_keys(r, "summary source params effect uses run d3fend");
  o->flow = true;
  names_of(r, o);
  o->source = text(r, "source", false).p;
  params(r, "params", &o->params, false);
  of_kind(r, "run", "f", true);
  o->uses = texts(r, "uses");
  for (size_t i = 0; i < o->uses.n; i++) {
    char full[PATH_MAX_TEXT];
    snprintf(full, sizeof full, "%s.%.80s", r->c->name, o->uses.v[i].p);
    if (!memchr(o->uses.v[i].p, '.', o->uses.v[i].n))
      o->uses.v[i] = ln_str_of(keep(r->c, ln_str_of(full)));
    if (!o->uses.v[i].p) luaL_error(r->L, "no memory");
  }
}

/* --- all of them --- */

static int by_name(const void *a, const void *b) {
  return strcmp(((const lnC_operation *)a)->name, ((const lnC_operation *)b)->name);
}

static lua_Integer count(reader *r, const char *key) {
  lua_Integer n = 0;
  int type = lua_getfield(r->L, -1, key);
  if (type != LUA_TNIL && type != LUA_TTABLE) bad(r, key, "must be a table");
  if (type == LUA_TTABLE)
    for (lua_pushnil(r->L); lua_next(r->L, -2); lua_pop(r->L, 1)) {
      if (lua_type(r->L, -2) != LUA_TSTRING) bad(r, key, "must be a table by name");
      n++;
    }
  lua_pop(r->L, 1);
  return n;
}

/* Names first: what refers to another operation is checked against all of them. */
static void read_names(reader *r, const char *key, bool flows) {
  if (lua_getfield(r->L, -1, key) == LUA_TTABLE)
    for (lua_pushnil(r->L); lua_next(r->L, -2); lua_pop(r->L, 1)) {
      lnC_operation *o = &r->c->ops[r->c->n_ops];
      o->c = r->c;
      o->self = LUA_NOREF;
      o->flow = flows;
      o->name = kept(r, -2).p;
      r->c->n_ops++;
    }
  lua_pop(r->L, 1);
}

static void read_operations(reader *r) {
  lua_Integer n = count(r, "operations") + count(r, "flows");
  if (n == 0 || n > MAX_OPS) bad(r, "operations", "must have at least one, and not too many");
  r->c->ops = keep_room(r->L, r->c, (size_t)n, sizeof *r->c->ops);
  read_names(r, "operations", false);
  read_names(r, "flows", true);
  qsort(r->c->ops, r->c->n_ops, sizeof *r->c->ops, by_name);
  for (size_t i = 0; i < r->c->n_ops; i++) {
    lnC_operation *o = &r->c->ops[i];
    at(r, "%s", o->name);
    if (i && strcmp(o->name, o[-1].name) == 0) bad(r, "", "is both an operation and a flow");
    lua_getfield(r->L, -1, o->flow ? "flows" : "operations");
    lua_getfield(r->L, -1, o->name);                     /* all some one */
    if (o->flow) read_flow(r, o);
    else read_operation(r, o);
    lua_pop(r->L, 2);
  }
}

lnC_operation *lnC_find(const lnC_connector *c, ln_str name) {
  ln_str head, tail;
  if (ln_str_cut(name, '.', &head, &tail) && ln_str_eq(head, ln_str_of(c->name))) name = tail;
  for (size_t i = 0; i < c->n_ops; i++)
    if (ln_str_eq(ln_str_of(c->ops[i].name), name)) return &c->ops[i];
  return NULL;
}

/* A read that the operation at hand makes by itself. */
static void note_use(reader *r, const lnC_operation *read) {
  lnC_operation *o = r->asks;
  if (!o || o->uses.n == USES_MOST) return;
  if (!o->uses.v) o->uses.v = keep_room(r->L, r->c, USES_MOST, sizeof *o->uses.v);
  o->uses.v[o->uses.n++] = ln_str_of(read->full);
}

/* The op on top must be a text that names a read of this connector, a function, or a list of parts with
** such. */
static void check_op(reader *r, const char *key, bool lists) {
  size_t n;
  if (lua_type(r->L, -1) == LUA_TSTRING) {
    const char *p = lua_tolstring(r->L, -1, &n);
    const lnC_operation *o = lnC_find(r->c, (ln_str){p, n});
    if (!o || o->flow || o->write)
      bad(r, key, lua_pushfstring(r->L, "names '%s', which is no read of this connector", p));
    else note_use(r, o);
  } else if (lists && lua_istable(r->L, -1)) {
    lua_Integer m = luaL_len(r->L, -1);
    for (lua_Integer i = 1; i <= m; i++) {
      if (lua_geti(r->L, -1, i) != LUA_TTABLE) bad(r, key, "must be a list of tables with an `op`");
      lua_getfield(r->L, -1, "op");
      check_op(r, key, false);
      lua_pop(r->L, 2);
    }
  } else if (!lua_isnil(r->L, -1) && !lua_isfunction(r->L, -1)) {
    bad(r, key, "must name a read of this connector");
  }
}

static void check_refers(reader *r, lnC_operation *o) {
  r->asks = o;
  static const char *const parts[] = {"state", "resolve", "probe", "follow", NULL};
  at(r, "operations.%.60s", o->name);
  lnC_field(r->L, o, "first");
  if (lua_istable(r->L, -1))
    for (lua_pushnil(r->L); lua_next(r->L, -2); lua_pop(r->L, 1)) {
      if (!lua_istable(r->L, -1)) bad(r, "first", "must be a table of { op, args } by name");
      lua_getfield(r->L, -1, "op");
      check_op(r, "first", false);
      lua_pop(r->L, 1);
    }
  else if (!lua_isnil(r->L, -1)) bad(r, "first", "must be a table of { op, args } by name");
  lua_pop(r->L, 1);
  for (int i = 0; parts[i]; i++) {
    if (lnC_field(r->L, o, parts[i]) == LUA_TTABLE) {
      lua_getfield(r->L, -1, "op");
      check_op(r, parts[i], i < 2);
      if (strcmp(parts[i], "follow") == 0) {
        size_t n = 0;
        const char *p = lua_tolstring(r->L, -1, &n);
        o->follow = p ? lnC_find(r->c, (ln_str){p, n}) : NULL;
        if (!o->follow) bad(r, "follow", "must name the read that it asks");
      }
      lua_pop(r->L, 1);
    }
    lua_pop(r->L, 1);
  }
}

/* --- how it authenticates --- */

/* A key of `config` that the auth names. */
static ln_str config_key(reader *r, const char *key, bool needed) {
  ln_str name = text(r, key, needed);
  if (name.n && !ln_params_find(&r->c->config, name)) bad(r, key, "names what is no key of `config`");
  return name;
}

static ln_str form_text(reader *r, bool grant) {
  ln_buf b;
  ln_buf_init(&b, 4096);
  if (lua_getfield(r->L, -1, "form") == LUA_TTABLE) {    /* auth form */
    for (lua_pushnil(r->L); lua_next(r->L, -2); lua_pop(r->L, 1))
      if (lua_type(r->L, -2) == LUA_TSTRING && lua_type(r->L, -1) == LUA_TSTRING) {
        if (strcmp(lua_tostring(r->L, -2), "grant_type") == 0) grant = false;
        ln_form_add(&b, ln_str_of(lua_tostring(r->L, -2)), ln_str_of(lua_tostring(r->L, -1)));
      }
  }
  lua_pop(r->L, 1);
  if (grant) ln_form_add(&b, LN_STR("grant_type"), LN_STR("client_credentials"));
  const char *copy = ln_buf_failed(&b) ? NULL : keep(r->c, ln_buf_view(&b));
  size_t n = b.n;
  ln_buf_free(&b);
  if (!copy) bad(r, "form", "is too long");
  return (ln_str){copy, n};
}

static void read_auth(reader *r, ln_auth *a, ln_str *when) {
  static const struct { const char *name; ln_auth_kind kind; } kinds[] = {{"header", LN_AUTH_HEADER},
               {"basic", LN_AUTH_BASIC},
               {"oauth2", LN_AUTH_OAUTH2},
               {"private_key_jwt", LN_AUTH_JWT},
               {"none", LN_AUTH_NONE}};
  at(r, "auth");
  if (!lua_istable(r->L, -1)) bad(r, "", "must be a table, or a list of such");
  known_keys(r, "kind header prefix user secret id key kid scopes alg path form expect early regions when");
  ln_str kind = text(r, "kind", true);
  size_t i = 0;
  while (i < sizeof kinds / sizeof *kinds && !ln_str_eq(kind, ln_str_of(kinds[i].name))) i++;
  if (i == sizeof kinds / sizeof *kinds) {
    bad(r, "kind", "must be header, basic, oauth2, private_key_jwt or none");
    return;
  }
  a->kind = kinds[i].kind;
  bool oauth = a->kind == LN_AUTH_OAUTH2, jwt = a->kind == LN_AUTH_JWT;
  *when = config_key(r, "when", false);
  a->header = text(r, "header", false);
  a->prefix = text(r, "prefix", false);
  a->user = config_key(r, oauth || jwt ? "id" : "user", oauth || jwt || a->kind == LN_AUTH_BASIC);
  a->secret = config_key(r, jwt ? "key" : "secret", a->kind != LN_AUTH_NONE);
  a->kid = config_key(r, "kid", false);
  a->scopes = config_key(r, "scopes", false);
  a->alg = text(r, "alg", false);
  if (jwt && !a->alg.n) a->alg = LN_STR("RS256");
  a->path = text(r, "path", oauth || jwt);
  a->form = form_text(r, oauth || jwt);
  a->expect = (int)number(r, "expect", 0);
  a->early_ms = (int64_t)(number(r, "early", 60) * 1000);
  ln_list regions = texts(r, "regions");
  for (size_t k = 0; k < regions.n; k++)
    if (!ln_str_starts(regions.v[k], LN_STR("https://")))
      bad(r, "regions", "must be addresses: \"https://host\"");
  a->regions = regions.v;
  a->n_regions = regions.n;
}

static void read_auths(reader *r) {
  at(r, "%s", "");
  if (!of_kind(r, "auth", "t", false)) return;
  lua_getfield(r->L, -1, "auth");                        /* decl auth */
  lua_Integer n = luaL_len(r->L, -1);
  if (n > 8) bad(r, "auth", "has too many kinds");
  r->c->n_auths = n ? (size_t)n : 1;
  r->c->auths = keep_room(r->L, r->c, r->c->n_auths, sizeof *r->c->auths);
  r->c->auth_when = keep_room(r->L, r->c, r->c->n_auths, sizeof *r->c->auth_when);
  if (n == 0) read_auth(r, &r->c->auths[0], &r->c->auth_when[0]);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_geti(r->L, -1, i);
    read_auth(r, &r->c->auths[i - 1], &r->c->auth_when[i - 1]);
    lua_pop(r->L, 1);
  }
  lua_pop(r->L, 1);
}

/* --- the whole --- */

/* The read that says how many endpoints the vendor knows. */
static void read_endpoints(reader *r) {
  lua_rawgeti(r->L, LUA_REGISTRYINDEX, r->c->self);      /* decl */
  ln_str name = text(r, "endpoints", false);
  lua_pop(r->L, 1);
  lnC_operation *o = name.n ? lnC_find(r->c, name) : NULL;
  if (name.n && (!o || o->flow || o->write || o->params.n))
    bad(r, "endpoints", "must name a read without parameters");
  r->c->endpoints = o;
}

/* --- rights --- */

/* What is asked to see whether a right is there: a read, and arguments that find nothing. */
static void read_try(reader *r, ln_right *right, lnC_right *own) {
  ln_err err;
  ln_str name = text(r, "try", false);
  own->op = name.n ? lnC_find(r->c, name) : NULL;
  if (name.n && (!own->op || own->op->flow || own->op->write))
    bad(r, "try", "must name a read of this connector");
  right->tried = own->op != NULL;
  if (!own->op) return;
  ln_buf *given = lnL_new_buf(r->L, ARGS_MAX), *checked = lnL_new_buf(r->L, ARGS_MAX); /* owners */
  if (lua_getfield(r->L, -3, "args") != LUA_TTABLE) bad(r, "args", "must be a table");
  lnC_encode(r->L, -1, given, "args");
  if (!ln_params_check(&own->op->params, own->op->full, ln_buf_view(given), NULL, checked, &err))
    luaL_error(r->L, "%s.args: %s", r->where, err.message);
  const char *kept_args = keep(r->c, ln_buf_view(checked));
  own->args = (ln_str){kept_args, kept_args ? checked->n : 0};
  if (!kept_args) luaL_error(r->L, "no memory");
  lua_pop(r->L, 3);
}

static void read_right(reader *r, ln_right *right, lnC_right *own) {
  known_keys(r, "name try args operations");
  right->name = text(r, "name", true);
  right->operations = texts(r, "operations");
  for (size_t i = 0; i < right->operations.n; i++)
    if (!lnC_find(r->c, right->operations.v[i])) bad(r, "operations", "names what is no operation");
  if (!right->operations.n) bad(r, "operations", "must say which operations need it");
  read_try(r, right, own);
}

/* What the vendor has to grant, and which operations need it. */
static void read_rights(reader *r) {
  lua_rawgeti(r->L, LUA_REGISTRYINDEX, r->c->self);      /* decl */
  of_kind(r, "rights", "t", false);
  lua_Integer n = lua_getfield(r->L, -1, "rights") == LUA_TTABLE ? luaL_len(r->L, -1) : 0; /* decl rights */
  if (n > MAX_ITEMS) bad(r, "rights", "is too long");
  r->c->rights = keep_room(r->L, r->c, (size_t)n + 1, sizeof *r->c->rights);
  r->c->own_rights = keep_room(r->L, r->c, (size_t)n + 1, sizeof *r->c->own_rights);
  for (lua_Integer i = 1; i <= n; i++) {
    at(r, "rights[%d]", (int)i);
    if (lua_geti(r->L, -1, i) != LUA_TTABLE) bad(r, "", "must be a table");
    read_right(r, &r->c->rights[i - 1], &r->c->own_rights[i - 1]);
    lua_pop(r->L, 1);
    r->c->n_rights++;
  }
  at(r, "%s", "");
  lua_pop(r->L, 2);
}

static int l_declare(lua_State *L) {
  lnC_connector *c = lua_touserdata(L, 1);
  reader r = {.L = L, .c = c};
  const char *chunk = lua_pushfstring(L, "@%s", c->file); /* job chunk */
  lnC_load(L, c->engine, (ln_str){c->source, c->source_n}, chunk); /* job chunk decl */
  if (!lua_istable(L, -1)) return luaL_error(L, "it must return connector { … }");
  known_keys(&r, "name summary config auth headers body fault limit concurrency endpoints rights operations "
                 "flows");
  ln_str name = text(&r, "name", true);
  if (!ln_str_eq(name, ln_str_of(c->name))) bad(&r, "name", "must be the file's own name");
  lua_pushvalue(L, -1);
  c->self = luaL_ref(L, LUA_REGISTRYINDEX);
  params(&r, "config", &c->config, true);
  of_kind(&r, "headers", "tf", false);
  of_kind(&r, "fault", "f", false);
  of_kind(&r, "limit", "f", false);
  c->concurrency = (int64_t)number(&r, "concurrency", 16);
  read_auths(&r);
  at(&r, "%s", "");
  read_operations(&r);
  for (size_t i = 0; i < c->n_ops; i++)
    if (!c->ops[i].flow) check_refers(&r, &c->ops[i]);
  at(&r, "%s", "");
  read_endpoints(&r);
  read_rights(&r);
  return 0;
}

static bool read_file(lnC_connector *c, ln_err *err) {
  FILE *f = fopen(c->file, "rbe");
  if (!f) return ln_fail(err, "bad_connector", LN_FINAL, "%s cannot be read", c->file);
  ln_buf b;
  ln_buf_init(&b, FILE_MAX_BYTES);
  char *room;
  size_t n = 0;
  while ((room = ln_buf_room(&b, 8192)) && (n = fread(room, 1, 8192, f)) > 0) ln_buf_grew(&b, n);
  bool ok = room && !ferror(f);
  fclose(f);
  if (ok) c->source = ln_buf_take(&b, &c->source_n);
  ln_buf_free(&b);
  return c->source ||
         ln_fail(err, "bad_connector", LN_FINAL, "%s cannot be read, or is larger than 2 MiB", c->file);
}

static bool take_source(lnC_connector *c, ln_str source, ln_err *err) {
  uint8_t sha[LN_SHA256] = {0};
  bool ok = source.n ? (c->source = ln_str_dup(source)) != NULL : read_file(c, err);
  if (source.n) c->source_n = source.n;
  ok = ok && ln_sha256((ln_str){c->source, c->source_n}, sha);
  ln_hex(sha, sizeof sha, c->sha);
  return ok;
}

lnC_connector *lnC_declare(ln_engine *g, ln_str name, const char *file, ln_str source, ln_err *err) {
  lnC_connector *c = calloc(1, sizeof *c);
  if (!c) {
    ln_fail(err, "memory", LN_AGAIN, "no memory for a connector");
    return NULL;
  }
  c->engine = g;
  c->self = LUA_NOREF;
  c->name = ln_str_dup(name);
  c->file = ln_str_dup(ln_str_of(file));
  ln_buf_init(&c->settings, 1 << 20);
  bool ok = c->name && c->file && take_source(c, source, err);
  if (ok && !lnC_run(g, l_declare, c, file, err, NULL)) {
    ok = false;
    ln_fail(err, "bad_connector", LN_FINAL, "%s", err->message);
  }
  if (ok) return c;
  if (!err->code[0]) ln_fail(err, "memory", LN_AGAIN, "no memory for a connector");
  lnC_connector_free(c);
  return NULL;
}

void lnC_connector_free(lnC_connector *c) {
  if (!c) return;
  ln_vendor_free(c->vendor);
  lua_State *L = lnC_state(c);
  luaL_unref(L, LUA_REGISTRYINDEX, c->self);
  for (size_t i = 0; i < c->n_ops; i++) {
    luaL_unref(L, LUA_REGISTRYINDEX, c->ops[i].self);
    ln_params_free(&c->ops[i].params);
  }
  ln_params_free(&c->config);
  ln_buf_wipe(&c->settings);
  for (lnC_text *t = c->texts, *next; t; t = next) {
    next = t->next;
    free(t);
  }
  free(c->source);
  free(c->name);
  free(c->file);
  free(c);
}
