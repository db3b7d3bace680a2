/* shelf.c: the playbooks that are loaded: each script is looked at as whoever starts it would. */
#include "engine/shelf.h"

#include "engine/hostlib.h"
#include "engine/library.h"
#include "engine/run.h"

#include <lauxlib.h>

enum { MOST = 64 << 20 };

static bool put_declared(ln_engine *g, ln_str module, ln_buf *out) {
  ln_declared d;
  ln_err quiet = {0};
  bool is = ln_playbook_declared(g, module, &d, &quiet) && ln_v_raw(out, ln_buf_view(&d.value));
  ln_declared_free(&d);
  return is;
}

bool ln_shelf_playbooks(ln_engine *g, ln_buf *encoded, ln_err *err) {
  ln_snapshot *s = ln_snapshot_take(g, (ln_str){NULL, 0}, err);
  ln_buf items;
  size_t n = 0;
  if (!s) return false;
  ln_buf_init(&items, MOST);
  for (size_t i = 0; i < ln_snapshot_count(s); i++)
    if (ln_config_is_script(g->config, ln_str_of(ln_snapshot_path(s, i))))
      n += put_declared(g, ln_snapshot_name(s, i), &items);
  size_t mark = ln_v_begin(encoded, 'A', n);
  ln_buf_add(encoded, ln_buf_view(&items));
  ln_v_end(encoded, mark);
  bool ok = ln_buf_ok(&items, err) && ln_buf_ok(encoded, err);
  ln_buf_free(&items);
  ln_snapshot_drop(s);
  return ok;
}

struct covering {
  ln_engine *g;
  ln_str playbooks;
  ln_buf *value;
  ln_err *err;
  bool ok;
};

static int l_coverage(lua_State *L) {
  struct covering *c = lua_touserdata(L, 1);
  lnL_host_require(L, c->g, "d3fend"); /* c d3fend             */
  lua_getfield(L, -1, "coverage");     /* c d3fend fn          */
  lnL_decode(L, c->playbooks);         /* c d3fend fn playbooks */
  lua_call(L, 1, 1);                   /* c d3fend coverage    */
  c->ok = lnL_encode(L, -1, c->value, c->err);
  return 0;
}

bool ln_shelf_coverage(ln_engine *g, ln_str playbooks, ln_buf *json, ln_err *err) {
  ln_buf value;
  ln_buf_init(&value, MOST);
  struct covering c = {.g = g, .playbooks = playbooks, .value = &value, .err = err};
  bool ok = ln_host_run(g, l_coverage, &c, "the coverage cannot be computed", err) && c.ok &&
            ln_json_encode(ln_buf_view(&value), json, err);
  ln_buf_free(&value);
  return ok;
}
