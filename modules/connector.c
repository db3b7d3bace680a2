/* connector.c: the connectors that there are, and what a playbook gets of one: a table of functions.  Each
** function checks its arguments in the run's VM, before anything is asked, and ends in an effect; a flow is
** playbook code that comes with the connector, and runs in the run's own VM; an operation on several items
** is one call an item. */
#include "modules/connector_parts.h"

#include "engine/instrument.h"
#include "engine/library.h"

#include "modules/modules.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { ARGS_MAX = 16 << 20, LIMIT_MOST = 100000 };

typedef struct entry {
  char *name, *file;
  lnC_connector *c;                                      /* NULL: not loaded yet */
  bool failed;
  ln_err err;                                            /* why it cannot be loaded */
} entry;

struct lnC_registry {
  ln_engine *engine;
  entry *v;                                              /* sorted by name */
  ln_str *names;
  size_t n;
  lnC_connector **pinned;                                /* other versions, which runs under way began with */
  size_t n_pinned;
  void *slot;                                            /* http's, see lnC_slot */
  void (*free_slot)(void *slot);
};

static lnC_registry *registry(const ln_engine *g) { return g->connectors; }

/* --- finding the files --- */

static entry *find(const lnC_registry *r, ln_str name) {
  for (size_t i = 0; i < r->n; i++)
    if (ln_str_eq(ln_str_of(r->v[i].name), name)) return &r->v[i];
  return NULL;
}

static bool add_file(lnC_registry *r, ln_str dir, ln_str name, ln_err *err) {
  const entry *twice = find(r, name);
  if (twice)
    return ln_fail(err, "bad_connector", LN_FINAL,
                   "the connector " LN_STR_FMT " is in " LN_STR_FMT " as well as in %s: "
                   "one must go",
                   LN_STR_ARG(name), LN_STR_ARG(dir), twice->file);
  entry *more = reallocarray(r->v, r->n + 1, sizeof *more);
  if (!more) return ln_fail(err, "memory", LN_AGAIN, "no memory for the list of connectors");
  r->v = more;
  ln_buf path;
  ln_buf_init(&path, 4096);
  ln_buf_addf(&path, LN_STR_FMT "/" LN_STR_FMT ".lua", LN_STR_ARG(dir), LN_STR_ARG(name));
  entry e = {.name = ln_str_dup(name), .file = ln_buf_take(&path, NULL)};
  ln_buf_free(&path);
  if (!e.name || !e.file) {
    free(e.name);
    free(e.file);
    return ln_fail(err, "memory", LN_AGAIN, "no memory for the list of connectors");
  }
  size_t at = r->n++;
  for (; at > 0 && strcmp(more[at - 1].name, e.name) > 0; at--) more[at] = more[at - 1];
  more[at] = e;
  return true;
}

static bool is_name(ln_str s) {
  for (size_t i = 0; i < s.n; i++) {
    char c = s.p[i];
    if (!((c >= 'a' && c <= 'z') || (i && ((c >= '0' && c <= '9') || c == '_')))) return false;
  }
  return s.n > 0 && s.n < 32;
}

/* A folder that is not there holds none. */
static bool add_folder(lnC_registry *r, ln_str dir, ln_err *err) {
  char *path = ln_str_dup(dir);
  DIR *d = path ? opendir(path) : NULL;
  bool ok = true;
  free(path);
  for (struct dirent *f; ok && d && (f = readdir(d));) {
    ln_str name = ln_str_of(f->d_name);
    if (!ln_str_ends(name, LN_STR(".lua"))) continue;
    name.n -= 4;
    if (is_name(name)) ok = add_file(r, dir, name, err);
  }
  if (d) closedir(d);
  return ok;
}

static bool add_folders(lnC_registry *r, ln_err *err) {
  const ln_config *c = r->engine->config;
  for (size_t i = 0; i < c->stdlib.n; i++) {
    char dir[4096];
    snprintf(dir, sizeof dir, LN_STR_FMT "/connectors", LN_STR_ARG(c->stdlib.v[i]));
    if (!add_folder(r, ln_str_of(dir), err)) return false;
  }
  for (size_t i = 0; i < c->connectors_path.n; i++)
    if (!add_folder(r, c->connectors_path.v[i], err)) return false;
  if (!(r->names = calloc(r->n + 1, sizeof *r->names)))
    return ln_fail(err, "memory", LN_AGAIN, "no memory for names");
  for (size_t i = 0; i < r->n; i++) r->names[i] = ln_str_of(r->v[i].name);
  return true;
}

static bool check_connector(ln_engine *g, ln_str name, const char *file, ln_str source, ln_err *err) {
  lnC_connector *c = is_name(name) ? lnC_declare(g, name, file, source, err) : NULL;
  if (!c && !is_name(name))
    return ln_fail(err, "bad_connector", LN_FINAL, "%s: a connector's name is of small letters", file);
  lnC_connector_free(c);
  return c != NULL;
}

static void each_vendor(ln_engine *g, void (*fn)(void *arg, const char *name, const ln_vendor *v),
                        void *arg) {
  const lnC_registry *r = registry(g);
  for (size_t i = 0; r && i < r->n; i++)
    if (r->v[i].c && r->v[i].c->vendor) fn(arg, r->v[i].name, r->v[i].c->vendor);
}

bool ln_connectors_open(ln_engine *g, ln_err *err) {
  lnC_registry *r = calloc(1, sizeof *r);
  if (!r) return ln_fail(err, "memory", LN_AGAIN, "no memory for the connectors");
  r->engine = g;
  g->connectors = r;
  g->open_connector = lnL_connector_open;
  g->check_connector = check_connector;
  g->each_vendor = each_vendor;
  if (add_folders(r, err)) return true;
  ln_connectors_close(g);
  return false;
}

void ln_connectors_close(ln_engine *g) {
  lnC_registry *r = registry(g);
  if (!r) return;
  if (r->free_slot) r->free_slot(r->slot);
  for (size_t i = 0; i < r->n; i++) {
    lnC_connector_free(r->v[i].c);
    free(r->v[i].name);
    free(r->v[i].file);
  }
  for (size_t i = 0; i < r->n_pinned; i++) lnC_connector_free(r->pinned[i]);
  free(r->pinned);
  free(r->v);
  free(r->names);
  free(r);
  g->connectors = NULL;
}

/* --- looking things up --- */

ln_list ln_connectors_names(const ln_engine *g) {
  const lnC_registry *r = registry(g);
  return r ? (ln_list){r->names, r->n} : (ln_list){NULL, 0};
}

static bool not_there(const lnC_registry *r, ln_str name, ln_err *err) {
  ln_str near = r ? ln_nearest(name, r->names, r->n) : (ln_str){NULL, 0};
  int n = (int)(name.n > 60 ? 60 : name.n);
  if (near.n)
    return ln_fail(err, "not_found", LN_FINAL, "there is no connector %.*s; did you mean " LN_STR_FMT "?", n,
                   name.p, LN_STR_ARG(near));
  return ln_fail(err, "not_found", LN_FINAL, "there is no connector %.*s", n, name.p);
}

lnC_connector *lnC_loaded(ln_engine *g, ln_str name, ln_err *err) {
  lnC_registry *r = registry(g);
  entry *e = r ? find(r, name) : NULL;
  if (!e) {
    not_there(r, name, err);
    return NULL;
  }
  if (!e->c && !e->failed) {
    e->c = lnC_declare(g, name, e->file, (ln_str){NULL, 0}, &e->err);
    e->failed = !e->c;
  }
  if (e->failed) *err = e->err;
  return e->c;
}

lnC_connector *lnC_current(const lnC_connector *c) {
  ln_err quiet;
  ln_str name = ln_str_of(c->name);
  return find(registry(c->engine), name) ? lnC_loaded(c->engine, name, &quiet) : NULL;
}

/* Versions that no run can have: an operation lives in the VM of a run, which keeps its snapshot. */
static void drop_unpinned(lnC_registry *r) {
  char module[64];
  size_t kept = 0;
  for (size_t i = 0; i < r->n_pinned; i++) {
    lnC_connector *c = r->pinned[i];
    snprintf(module, sizeof module, "connectors.%s", c->name);
    if (ln_library_pins(r->engine, ln_str_of(module), c->sha)) r->pinned[kept++] = c;
    else lnC_connector_free(c);
  }
  r->n_pinned = kept;
}

static lnC_connector *keep_pinned(lnC_registry *r, lnC_connector *c, ln_err *err) {
  drop_unpinned(r);
  lnC_connector **more = reallocarray(r->pinned, r->n_pinned + 1, sizeof(lnC_connector *));
  if (!more) {
    lnC_connector_free(c);
    ln_fail(err, "memory", LN_AGAIN, "no memory for a connector");
    return NULL;
  }
  r->pinned = more;
  return r->pinned[r->n_pinned++] = c;
}

/* The connector as the run of L began with it, which may not be what its file holds now. */
static lnC_connector *pinned(lua_State *L, lnC_registry *r, ln_str name, ln_err *err) {
  char module[64];
  ln_str source, path;
  snprintf(module, sizeof module, "connectors." LN_STR_FMT, LN_STR_ARG(name));
  const char *sha = is_name(name) ? lnL_pinned_sha(L, ln_str_of(module)) : NULL;
  lnC_connector *now = !sha || find(r, name) ? lnC_loaded(r->engine, name, err) : NULL;
  if (!sha || (now && strcmp(now->sha, sha) == 0)) return now;
  for (size_t i = 0; i < r->n_pinned; i++) {
    lnC_connector *c = r->pinned[i];
    if (strcmp(c->sha, sha) == 0 && ln_str_eq(ln_str_of(c->name), name)) return c;
  }
  if (!lnL_pinned_source(L, ln_str_of(module), &source, &path, err)) return NULL;
  lnC_connector *c = lnC_declare(r->engine, name, path.p, source, err);
  return c ? keep_pinned(r, c, err) : NULL;
}

bool ln_connectors_load(ln_engine *g, ln_str name, ln_err *err) { return lnC_loaded(g, name, err) != NULL; }

bool ln_connectors_all(ln_engine *g, ln_err *err) {
  if (!ln_connectors_open(g, err)) return false;
  ln_list names = ln_connectors_names(g);
  for (size_t i = 0; i < names.n; i++)
    if (!ln_connectors_load(g, names.v[i], err)) return false;
  return true;
}

bool ln_connectors_check(ln_engine *g, ln_err *err) {
  for (size_t i = 0; i < g->config->n_connectors; i++) {
    lnC_connector *c = lnC_loaded(g, g->config->connectors[i].name, err);
    if (c && lnC_settings(c, err)) continue;
    ln_err why = *err;
    return ln_fail(err, "config", LN_FINAL, "%s%s", c ? "" : "connectors: ", why.message);
  }
  return true;
}

bool ln_connectors_count_endpoints(ln_engine *g) {
  ln_err quiet;
  bool does = false;
  for (size_t i = 0; !does && i < g->config->n_connectors; i++) {
    const lnC_connector *c = lnC_loaded(g, g->config->connectors[i].name, &quiet);
    does = c && c->endpoints;
  }
  return does;
}

static void no_operation(const lnC_connector *c, ln_str name, ln_err *err) {
  ln_str *names = calloc(c->n_ops + 1, sizeof *names);
  for (size_t i = 0; names && i < c->n_ops; i++) names[i] = ln_str_of(c->ops[i].name);
  ln_str near = names ? ln_nearest(name, names, c->n_ops) : (ln_str){NULL, 0};
  int n = (int)(name.n > 60 ? 60 : name.n);
  if (near.n)
    ln_fail(err, "not_found", LN_FINAL, "%s has no operation %.*s; did you mean %s." LN_STR_FMT "?", c->name,
            n, name.p, c->name, LN_STR_ARG(near));
  else ln_fail(err, "not_found", LN_FINAL, "%s has no operation %.*s", c->name, n, name.p);
  free(names);
}

static lnC_operation *operation(ln_engine *g, ln_str full, ln_err *err) {
  ln_str head, tail;
  ln_str_cut(full, '.', &head, &tail);
  lnC_connector *c = lnC_loaded(g, head, err);
  lnC_operation *o = c ? lnC_find(c, tail) : NULL;
  if (c && !o) no_operation(c, tail, err);
  return o;
}

static void info_of(const lnC_operation *o, ln_op_info *out) {
  *out = (ln_op_info){.connector = ln_str_of(o->c->name), .name = ln_str_of(o->full), .summary = o->summary,
                      .source = o->source, .op = o->flow ? NULL : &o->op[o->move], .params = &o->params,
                      .list = o->list, .select = o->select, .one_by = o->one_by, .uses = o->uses};
}

bool ln_connectors_info(ln_engine *g, ln_str full, ln_op_info *out, ln_err *err) {
  lnC_operation *o = operation(g, full, err);
  if (o) info_of(o, out);
  return o != NULL;
}

const ln_op *ln_connectors_op(ln_engine *g, ln_str full, ln_err *err) {
  lnC_operation *o = operation(g, full, err);
  if (!o) return NULL;
  if (!o->flow) return &o->op[o->move];
  ln_fail(err, "bad_argument", LN_FINAL, "%s is a flow of several operations, not one operation", o->full);
  return NULL;
}

bool ln_connectors_each(ln_engine *g, ln_str connector, bool (*fn)(void *arg, const ln_op_info *i), void *arg,
                        ln_err *err) {
  lnC_connector *c = lnC_loaded(g, connector, err);
  ln_op_info info;
  if (!c) return false;
  for (size_t i = 0; i < c->n_ops; i++) {
    info_of(&c->ops[i], &info);
    if (!fn(arg, &info)) break;
  }
  return true;
}

bool lnC_owns(const ln_engine *g, ln_str origin, ln_str host) {
  const lnC_registry *r = registry(g);
  for (size_t i = 0; r && i < r->n; i++) {
    const lnC_connector *c = r->v[i].c;
    if (!c || !c->site) continue;
    if (c->vendor && ln_str_ieq(ln_vendor_base(c->vendor), origin)) return true;
    for (size_t k = 0; k < c->n_auths; k++)
      for (size_t m = 0; m < c->auths[k].n_regions; m++)
        if (ln_str_find(c->auths[k].regions[m], host) == 8 && c->auths[k].regions[m].n == host.n + 8)
          return true;
  }
  return false;
}

void **lnC_slot(ln_engine *g, void (*free_slot)(void *slot)) {
  lnC_registry *r = registry(g);
  if (r) r->free_slot = free_slot;
  return r ? &r->slot : NULL;
}

/* --- taking back --- */

bool lnC_undo(const lnC_operation *o, ln_str undo, ln_str result, ln_buf *out, ln_err *err) {
  ln_vitem args, before = {0};
  lnC_value v = {0};
  if (!lnC_settings(o->c, err)) return false;
  ln_buf_init(&v.out, ARGS_MAX);
  ln_v_get(undo, LN_STR("before"), &before);
  bool ok = ln_v_get(undo, LN_STR("args"), &args) ||
            ln_fail(err, "not_found", LN_FINAL, "%s: what it did was not recorded", o->full);
  ln_str values[] = {args.whole, before.whole, result};
  ok = ok && lnC_call(o, "", 0, "undo", values, 3, NULL, &v, err);
  if (ok && v.nothing)
    ok = ln_fail(err, "not_found", LN_FINAL, "%s cannot be taken back%s%s", o->full,
                 o->undo_why[0] ? ": " : "", o->undo_why);
  ok = ok && (ln_buf_add(out, ln_buf_view(&v.out)) || ln_buf_ok(out, err));
  ln_buf_free(&v.out);
  return ok;
}

bool ln_connectors_undo(ln_engine *g, ln_str undo, ln_str result, ln_buf *out, ln_err *err) {
  ln_str of = ln_v_get_str(undo, "of");
  const lnC_operation *o = of.n ? operation(g, of, err) : NULL;
  if (of.n) return o && lnC_undo(o, undo, result, out, err);
  if (ln_v_get_str(undo, "op").n) return ln_buf_add(out, undo) || ln_buf_ok(out, err);
  return ln_fail(err, "not_found", LN_FINAL, "it cannot be taken back");
}

/* --- in a run's VM: arguments --- */

static const char *const core_args[] = {"as", "wait", "lease", "limit", "all", "timeout", LN_LIFTS, NULL};

/* A list without a selection would be everything. */
static bool selects(const lnC_operation *o, ln_str given, ln_err *err) {
  ln_vitem v;
  if (!o->list || ln_v_get_bool(given, "all", false)) return true;
  size_t n = o->select.n ? o->select.n : o->params.n;
  for (size_t i = 0; i < n; i++) {
    ln_str name = o->select.n ? o->select.v[i] : ln_str_of(o->params.v[i].name);
    if (ln_v_get(given, name, &v) && v.tag != '0' && v.tag != 'n') return true;
  }
  if (n == 0) return true;                               /* there is nothing to select by */
  ln_buf list;
  ln_buf_init(&list, 300);
  for (size_t i = 0; i < n; i++)
    ln_buf_addf(&list, "%s%s", i ? ", " : "", o->select.n ? o->select.v[i].p : o->params.v[i].name);
  ln_fail(err, "bad_argument", LN_FINAL, "%s: nothing says which: give %s%.*s, or all = true", o->full,
          n > 1 ? "one of " : "", (int)list.n, list.p ? list.p : "");
  ln_buf_free(&list);
  return false;
}

static bool check_core(const lnC_operation *o, ln_str given, ln_err *err) {
  ln_vitem v;
  if (ln_v_get(given, LN_STR("limit"), &v) && (v.tag != 'I' || v.i < 1 || v.i > LIMIT_MOST))
    return ln_fail(err, "bad_argument", LN_FINAL, "%s: limit must be a whole number from 1 to %d", o->full,
                   LIMIT_MOST);
  if (ln_v_get(given, LN_STR("all"), &v) && v.tag != 't' && v.tag != 'f')
    return ln_fail(err, "bad_argument", LN_FINAL, "%s: all must be true or false", o->full);
  return true;
}

/* Replaces the table of arguments at idx by the checked one; raises bad_argument. [-0, +0, e] */
static void check_args(lua_State *L, const lnC_operation *o, int idx) {
  ln_err err = {0};
  ln_buf *raw = lnL_new_buf(L, ARGS_MAX), *good = lnL_new_buf(L, ARGS_MAX); /* owners */
  if (lua_isnil(L, idx)) ln_v_end(raw, ln_v_begin(raw, 'O', 0));
  else if (!lua_istable(L, idx))
    ln_fail(&err, "bad_argument", LN_FINAL, "%s takes one table of named arguments, got %s", o->full,
            luaL_typename(L, idx));
  else if (!lnL_encode(L, idx, raw, &err)) ln_err_prefix(&err, "%s", o->full);
  ln_str given = ln_buf_view(raw);
  bool ok = !err.code[0] && check_core(o, given, &err) &&
            ln_params_check(&o->params, o->full, given, core_args, good, &err) && selects(o, given, &err);
  if (!ok) {
    snprintf(err.op, sizeof err.op, "%s", o->full);
    snprintf(err.vendor, sizeof err.vendor, "%s", o->c->name);
    lnL_raise(L, &err);
  }
  lnL_decode(L, ln_buf_view(good));
  lua_replace(L, idx);
  ln_buf_free(raw);
  ln_buf_free(good);
  lua_pop(L, 2);
}

/* --- in a run's VM: operations --- */

typedef struct move_job {
  const lnC_operation *o;
  ln_str args;
  ln_move move;
} move_job;

static int l_move(lua_State *L) {
  move_job *j = lua_touserdata(L, 1);
  lnC_field(L, j->o, "effect");
  lnC_push(L, j->args);
  lua_call(L, 1, 1);
  const char *word = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
  if (strcmp(word, "note") == 0) j->move = LN_NOTE;
  else if (strcmp(word, "free") == 0) j->move = LN_FREE;
  else j->move = LN_CONFINE;
  return 0;
}

/* The operation by what these arguments do to somebody; when that cannot be told, the gravest. */
static const ln_op *op_for(lua_State *L, const lnC_operation *o, int idx) {
  ln_err err;
  if (!o->moves) return &o->op[o->move];
  ln_buf *args = lnL_new_buf(L, ARGS_MAX);               /* owner */
  move_job j = {.o = o, .move = o->move};
  if (lnL_encode(L, idx, args, &err)) {
    j.args = ln_buf_view(args);
    if (!lnC_run(o->c->engine, l_move, &j, o->full, &err, NULL)) j.move = o->move;
  }
  lua_pop(L, 1);
  return &o->op[j.move];
}

static const lnC_operation *upvalue(lua_State *L) { return lua_touserdata(L, lua_upvalueindex(1)); }

static int l_operation(lua_State *L) {
  const lnC_operation *o = upvalue(L);
  lua_settop(L, 1);
  check_args(L, o, 1);
  return lnL_effect(L, op_for(L, o, 1), 1, NULL, NULL);
}

/* pager(args, next): one page as one effect. */
static int l_pager(lua_State *L) {
  const lnC_operation *o = upvalue(L);
  lua_settop(L, 2);                                      /* args next */
  check_args(L, o, 1);
  lua_createtable(L, 0, 4);                              /* args next both */
  lua_pushvalue(L, 1);
  lua_setfield(L, 3, "args");
  lua_pushvalue(L, 2);
  lua_setfield(L, 3, "next");
  return lnL_effect(L, &o->pager, 3, NULL, NULL);
}

/* --- in a run's VM: several items --- */

static int answered(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  return lua_gettop(L) - 1;
}

/* What map calls for an item: the operation with the item alone.  Upvalues: operation, its function,
** arguments. */
static int l_one(lua_State *L) {
  const lnC_operation *o = upvalue(L);
  lua_settop(L, 1);                                      /* item */
  lua_pushvalue(L, lua_upvalueindex(2));                 /* item call */
  lua_newtable(L);                                       /* item call own */
  for (lua_pushnil(L); lua_next(L, lua_upvalueindex(3)); lua_pop(L, 1)) {
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, 3);
  }
  lua_createtable(L, 1, 0);                              /* item call own list */
  lua_pushvalue(L, 1);
  lua_rawseti(L, -2, 1);
  lua_setfield(L, 3, o->one_by.p);
  lua_pushnil(L);
  lua_setfield(L, 3, "as");                              /* it names the map */
  lua_callk(L, 1, LUA_MULTRET, 0, answered);
  return answered(L, LUA_OK, 0);
}

/* Each item is a call of its own, as map makes them.  Upvalues: operation, its function. */
static int l_spread(lua_State *L) {
  const lnC_operation *o = upvalue(L);
  lua_settop(L, 1);                                      /* args */
  bool list = lua_istable(L, 1) && lua_getfield(L, 1, o->one_by.p) == LUA_TTABLE && luaL_len(L, -1) > 0;
  lua_settop(L, list ? 2 : 1);                           /* args [list] */
  lua_pushvalue(L, lua_upvalueindex(2));
  if (!list) {                                           /* args call */
    lua_pushvalue(L, 1);                                /* args call args: which says what is wrong with it */
    lua_callk(L, 1, LUA_MULTRET, 0, answered);
    return answered(L, LUA_OK, 0);
  }
  lua_pop(L, 1);                                         /* args list */
  lua_getglobal(L, "map");                               /* args list map */
  lua_pushvalue(L, 2);                                   /* args list map list */
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_pushvalue(L, 1);
  lua_pushcclosure(L, l_one, 3);                         /* args list map list one */
  lua_createtable(L, 0, 1);                              /* args list map list one options */
  if (lua_getfield(L, 1, "as") == LUA_TNIL) {
    lua_pop(L, 1);
    lua_pushstring(L, o->full);
  }
  lua_setfield(L, -2, "name");
  lua_remove(L, 2);                                      /* args map list one options */
  lua_callk(L, 3, LUA_MULTRET, 0, answered);
  return answered(L, LUA_OK, 0);
}

/* Wraps the function on top. */
static void push_spread(lua_State *L, const lnC_operation *o) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)o);        /* call operation */
  lua_insert(L, -2);                                     /* operation call */
  lua_pushcclosure(L, l_spread, 2);
}

/* --- in a run's VM: flows --- */

static int l_same(lua_State *L) {
  lua_settop(L, 1);
  return 1;
}

/* Where nothing is planned nobody looks at what a declaration leaves open. */
static int l_nothing(lua_State *L) {
  lua_settop(L, 0);
  lua_newtable(L);
  return 1;
}

/* Pushes the declaration as this VM has it: its file run once, with the VM's own words. */
static void push_declaration(lua_State *L, const lnC_connector *c) {
  char key[64], chunk[300];
  ln_err err;
  snprintf(key, sizeof key, "lunette.connector.%s", c->name);
  if (lua_getfield(L, LUA_REGISTRYINDEX, key) == LUA_TTABLE) return;
  lua_pop(L, 1);
  const char *from = strstr(c->file, "stdlib/");
  snprintf(chunk, sizeof chunk, "@%s", from ? from : c->file);
  if (!lnL_load_script(L, (ln_str){c->source, c->source_n}, chunk, &err)) lnL_raise(L, &err); /* chunk */
  lua_createtable(L, 0, 2);                              /* chunk env */
  lua_pushcfunction(L, l_same);
  lua_setfield(L, -2, "connector");
  if (lua_getfield(L, LUA_REGISTRYINDEX, LNL_OPAQUE_WORD) != LUA_TFUNCTION) {
    lua_pop(L, 1);
    lua_pushcfunction(L, l_nothing);
  }
  lua_setfield(L, -2, "opaque");
  lua_createtable(L, 0, 1);                              /* chunk env meta */
  lua_pushglobaltable(L);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);                               /* chunk env */
  lua_setupvalue(L, -2, 1);                              /* chunk */
  lua_call(L, 0, 1);                                     /* declaration */
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, key);
}

static void push_run(lua_State *L, const lnC_operation *o) {
  int top = lua_gettop(L);
  push_declaration(L, o->c);                             /* declaration */
  if (lua_getfield(L, -1, "flows") == LUA_TTABLE && lua_getfield(L, -1, o->name) == LUA_TTABLE)
    lua_getfield(L, -1, "run");                          /* declaration flows flow run */
  if (!lua_isfunction(L, -1)) luaL_error(L, "%s: its declaration has changed", o->full);
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);                                /* run */
}

static int l_flow(lua_State *L) {
  const lnC_operation *o = upvalue(L);
  lua_settop(L, 1);                                      /* args */
  check_args(L, o, 1);
  bool branched = lua_getfield(L, LUA_REGISTRYINDEX, LNL_FLOW) == LUA_TFUNCTION; /* args flow */
  if (branched) {
    lua_pushstring(L, o->full);                          /* args flow name */
    lua_createtable(L, (int)o->uses.n, 0);               /* args flow name uses */
    for (size_t i = 0; i < o->uses.n; i++) {
      lua_pushlstring(L, o->uses.v[i].p, o->uses.v[i].n);
      lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
  } else {
    lua_pop(L, 1);                                       /* args */
  }
  push_run(L, o);                                        /* args [flow name uses] run */
  lua_pushvalue(L, 1);                                   /* args [flow name uses] run args */
  lua_callk(L, branched ? 4 : 1, LUA_MULTRET, 0, answered);
  return answered(L, LUA_OK, 0);
}

/* --- in a run's VM: page by page --- */

/* args list → the page */
static int flow_listed(lua_State *L, int status, lua_KContext ctx) {
  ln_err err;
  (void)status, (void)ctx;
  if (!lua_istable(L, -1) || (lua_rawlen(L, -1) == 0 && (lua_pushnil(L), lua_next(L, -2)))) {
    ln_fail(&err, "bad_argument", LN_FINAL, "each: %s answers no list", upvalue(L)->full);
    return lnL_raise(L, &err);
  }
  lua_createtable(L, 0, 1);                              /* args list page */
  lua_insert(L, -2);                                     /* args page list */
  lua_setfield(L, -2, "items");
  return 1;
}

/* pager(args): a flow's list is one page, and as long as memory allows. */
static int l_flow_pager(lua_State *L) {
  const lnC_operation *o = upvalue(L);
  lua_settop(L, 1);                                      /* args */
  check_args(L, o, 1);
  if (lua_getfield(L, 1, "limit") == LUA_TNIL) {
    lua_pushinteger(L, LIMIT_MOST);
    lua_setfield(L, 1, "limit");
  }
  lua_settop(L, 1);
  lua_pushlightuserdata(L, (void *)(uintptr_t)o);
  lua_pushcclosure(L, l_flow, 1);
  lua_pushvalue(L, 1);                                   /* args flow args */
  lua_callk(L, 1, 1, 0, flow_listed);
  return flow_listed(L, LUA_OK, 0);
}

void lnL_connector_pager(lua_State *L, int idx) {
  ln_err err;
  const lnC_operation *o = NULL;
  lua_CFunction fn = lua_tocfunction(L, idx);
  if ((fn == l_operation || fn == l_flow) && lua_getupvalue(L, idx, 1)) {
    o = lua_touserdata(L, -1);
    lua_pop(L, 1);
  }
  if (!o || !(o->list || o->flow)) {
    ln_fail(&err, "bad_argument", LN_FINAL, "each: %s%s is not an operation that lists",
            o ? "" : "a plain ", o ? o->full : luaL_typename(L, idx));
    lnL_raise(L, &err);
    return;
  }
  lua_pushlightuserdata(L, (void *)(uintptr_t)o);
  lua_pushcclosure(L, o->flow ? l_flow_pager : l_pager, 1);
}

/* --- in a run's VM: the table --- */

/* A name that it has not: the nearest is named, at the line that spells it. */
static int l_no_operation(lua_State *L) {
  lnC_connector *c = lua_touserdata(L, lua_upvalueindex(1));
  ln_err err = {0};
  ln_str tail = {NULL, 0};
  tail.p = luaL_tolstring(L, 2, &tail.n);
  no_operation(c, tail, &err);
  return lnL_raise(L, &err);
}

int lnL_connector_open(lua_State *L, ln_str name) {
  ln_err err = {0};
  lnC_registry *r = registry(lnL_engine(L));
  lnC_connector *c = r ? pinned(L, r, name, &err) : (not_there(r, name, &err), NULL);
  if (!c) return lnL_raise(L, &err);
  lua_createtable(L, 0, (int)c->n_ops);                  /* table */
  for (size_t i = 0; i < c->n_ops; i++) {
    const lnC_operation *o = &c->ops[i];
    lua_pushlightuserdata(L, (void *)(uintptr_t)o);
    lua_pushcclosure(L, o->flow ? l_flow : l_operation, 1); /* table function */
    if (o->one_by.n) push_spread(L, o);
    lua_setfield(L, -2, o->name);
  }
  lua_createtable(L, 0, 1);                              /* table meta */
  lua_pushlightuserdata(L, c);
  lua_pushcclosure(L, l_no_operation, 1);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  return 1;
}
