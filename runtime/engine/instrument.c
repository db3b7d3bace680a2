/* instrument.c: scripts as a plan compiles them.  The work on the source is done by
** stdlib/check/instrument.lua in the host state.  When it fails, the plan fails: a script that is not seen
** through could take a branch on a value that nobody knows yet, and what the plan then shows would be a
** guess. */
#include "engine/instrument.h"

#include "engine/hostlib.h"
#include "engine/inside.h"

#include <lauxlib.h>

enum { PLANNED_MAX = 8 << 20 };                          /* of a source of 1 MiB                            */

struct job { ln_engine *g; ln_str source; const char *path; ln_buf *out; bool ok; ln_err *err; };

/* source problem: the problem as the caller's error */
static void take_problem(lua_State *L, struct job *j) {
  lua_getfield(L, -1, "line");
  lua_getfield(L, -2, "column");
  lua_getfield(L, -3, "message");
  ln_fail(j->err, "syntax", LN_FINAL, "%s:%d:%d: %.300s", j->path, (int)lua_tointeger(L, -3),
          (int)lua_tointeger(L, -2), lua_tostring(L, -1) ? lua_tostring(L, -1) : "it cannot be planned");
}

static int l_instrument(lua_State *L) {
  struct job *j = lua_touserdata(L, 1);
  ln_str s;
  lnL_host_require(L, j->g, "check.instrument");         /* job module */
  lua_getfield(L, -1, "source");
  lua_pushlstring(L, j->source.p, j->source.n);
  lua_call(L, 1, 2);                                     /* job module source problem */
  if (lua_istable(L, -1)) {
    take_problem(L, j);
    return 0;
  }
  s.p = luaL_checklstring(L, -2, &s.n);
  j->ok = ln_buf_add(j->out, s) || ln_buf_ok(j->out, j->err);
  return 0;
}

/* The source as a plan compiles it: the same lines, every value that decides something wrapped in a call
** (stdlib/check/instrument.lua).  Appends to out.  "syntax": FILE:LINE:COL and why; "failed" when it cannot
** be done: then the source must not be run in a plan. */
static bool instrument(ln_engine *g, ln_str source, const char *path, ln_buf *out, ln_err *err) {
  struct job j = {.g = g, .source = source, .path = path, .out = out, .err = err};
  return ln_host_run(g, l_instrument, &j, "a script cannot be prepared for a plan", err) && j.ok;
}

bool lnL_load_script(lua_State *L, ln_str source, const char *chunk, ln_err *err) {
  ln_run *r = lnL_run(L);
  ln_buf planned;
  if (!ln_replay_sees_opaque(r)) return ln_vm_load(r->vm, L, source, chunk, err);
  ln_buf_init(&planned, PLANNED_MAX);
  bool ok = instrument(r->engine, source, chunk + 1, &planned, err) &&
            ln_vm_load(r->vm, L, ln_buf_view(&planned), chunk, err);
  ln_buf_free(&planned);
  return ok;
}
