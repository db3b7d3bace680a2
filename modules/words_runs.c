/* words_runs.c: words that reach other runs: run_playbook, start, await_signal, signal, lock.  A lock and a
** signal are taken in the transaction that journals it, so that a crash neither loses nor doubles one. */
#include "modules/words.h"

#include "modules/modules.h"

#include "engine/library.h"
#include "engine/play.h"

#include <stdlib.h>

/* ------------------------------------------------------------------ run_playbook, start */

/* name input → { input = coerced, playbook = module } on top.  The declaration is looked at in this VM, of
** this run's snapshot, which is the child's, too. */
static void push_child_args(lua_State *L, const char *word, const char *usage) {
  ln_str name = lnL_want_text(L, 1, usage);
  if (!lnL_granted(L, name))
    lnL_raisef(L, "refused", "%s: %s is not in `uses` of %s: add \"%s\" to it", word, name.p,
               lnL_here(L)->play->name, name.p);
  lnL_push_chunk(L, name);                               /* name input chunk */
  lua_call(L, 0, 1);                                     /* name input playbook */
  if (!lnL_is_playbook(L, -1)) lnL_raisef(L, "bad_argument", "%s: %s is no playbook", word, name.p);
  int playbook = lua_gettop(L);
  if (lua_isnil(L, 2)) lua_newtable(L), lua_replace(L, 2);
  lnL_coerce_input(L, playbook, 2);                      /* name input playbook coerced */
  lua_createtable(L, 0, 2);
  lua_insert(L, -2);
  lua_setfield(L, -2, "input");
  lua_pushvalue(L, 1);
  lua_setfield(L, -2, "playbook");                       /* … args */
}

static int begin(lua_State *L, const ln_op *op, const char *usage) {
  lua_settop(L, 2);
  push_child_args(L, op->name, usage);
  lua_replace(L, 1);
  lua_settop(L, 1);
  return lnL_child(L, op, 1);
}

static int l_run_playbook(lua_State *L) { return begin(L, &ln_op_run_playbook, "run_playbook(name, input)"); }
static int l_start(lua_State *L) { return begin(L, &ln_op_start, "start(name, input)"); }

/* ------------------------------------------------------------------ what is taken in one transaction */

typedef struct taking {
  bool asking;                                           /* its job is with the writer */
  bool taken;
} taking;

/* What op->apply answers is e's outcome once it has taken it; else it goes on waiting. */
static bool take_apply(ln_tx *tx, void *arg, ln_err *err) {
  ln_effect *e = arg;
  taking *t = e->work;
  ln_buf_cut(&e->outcome, 0);
  if (!e->op->apply(tx, e, &e->outcome, err)) return false;
  if (!(t->taken = e->outcome.n > 0)) return true;
  e->ok = true;
  e->state = "done";
  return ln_effect_log_result(tx, e, err);
}

static void take_done(void *arg, const ln_err *err) {
  ln_effect *e = arg;
  ln_err why = err ? *err : (ln_err){0};
  if (ln_job_gone(err)) return;
  taking *t = e->work;
  t->asking = false;
  if (!err && t->taken) {                                /* it has it, even if it was cancelled meanwhile */
    e->with_writer = false;
    ln_effect_durable(e);
  } else if (!ln_effect_given_back(e)) {
    if (err && ln_err_is(err, "bad_argument")) ln_effect_fail(e, &why);
    else if (err) ln_run_end_attempt(e->run, &why);
  }
}

static void ask_again(ln_effect *e) {
  taking *t = e->work;
  if (t->asking || t->taken || e->finished) return;
  t->asking = e->with_writer = true;
  if (!ln_run_flush_with(e->run, take_apply, take_done, e)) t->asking = e->with_writer = false;
}

/* ------------------------------------------------------------------ await_signal, signal */

static ln_str name_of(const ln_effect *e) { return ln_v_get_str(ln_effect_args(e), "name"); }

static bool signal_take(ln_tx *tx, ln_effect *e, ln_buf *value, ln_err *err) {
  bool taken;
  return ln_tx_signal_take(tx, e->run->id, name_of(e), value, &taken, err);
}

static bool signal_waits(ln_tx *tx, ln_effect *e, bool *waits, ln_err *err) {
  bool there;
  bool ok = ln_tx_signal_there(tx, e->run->id, name_of(e), &there, err);
  *waits = !there;
  return ok;
}

static void signal_late(void *arg) {
  ln_effect *e = arg;
  taking *t = e->work;
  ln_err late;
  ln_fail(&late, "timeout", LN_FINAL, "await_signal: no \"%.*s\" within its timeout", LN_STR_ARG(name_of(e)));
  if (!t->asking && !t->taken) ln_effect_fail(e, &late);
  else ln_wait_for(e, e->due_ms + 100, signal_late);     /* it is being taken just now */
}

static void signal_start(ln_effect *e) {
  int64_t timeout = ln_v_get_int(ln_effect_args(e), "timeout_ms", 0);
  bool there = false;
  ln_err err;
  ln_buf key;
  if (ln_effect_is_plan(e)) {
    ln_plan_local(e);
    return;
  }
  if (!e->waiting_for) {
    e->waiting_for = "signal";
    e->still = signal_waits;
    ln_buf_init(&key, 1024);
    ln_signal_key(ln_str_of(e->run->ulid), name_of(e), &key);
    ln_wait_key(e, ln_buf_view(&key));
    ln_buf_free(&key);
    ln_wait_note(e, ln_effect_args(e));
    if (timeout) e->due_ms = e->asked_ms + timeout, ln_wait_for(e, e->due_ms, signal_late);
  }
  if (!e->run->creating &&
      ln_store_signal_there(e->run->engine->store, e->run->id, name_of(e), &there, &err) && there)
    ask_again(e);
}

static const ln_op signal_op = {
    .name = "await_signal", .cls = LN_WAIT, .start = signal_start, .apply = signal_take};

static ln_str check_name(lua_State *L, int idx, const char *word, const char *usage) {
  ln_str s = lnL_want_text(L, idx, usage);
  if (s.n == 0 || s.n > LN_SIGNAL_NAME)
    lnL_raisef(L, "bad_argument", "%s: a name has 1 to %d bytes", word, LN_SIGNAL_NAME);
  if (ln_signal_is_ours(s))
    lnL_raisef(L, "bad_argument", "%s: names that begin with \"run.\" are the core's own: choose another",
               word);
  return s;
}

static taking *new_taking(lua_State *L) {
  taking *t = calloc(1, sizeof *t);
  if (!t) lnL_raisef(L, "memory", "no memory to wait");
  return t;
}

static int l_await_signal(lua_State *L) {
  static const char *const known[] = {"timeout", NULL};
  check_name(L, 1, "await_signal", "await_signal(name, options)");
  lua_settop(L, 2);
  lnL_options(L, "await_signal", 2, known);
  int64_t timeout = lnL_option_ms(L, "await_signal", 2, "timeout", 0);
  lua_createtable(L, 0, 2);                              /* name opts args */
  lua_pushvalue(L, 1);
  lua_setfield(L, -2, "name");
  if (timeout) lua_pushinteger(L, timeout), lua_setfield(L, -2, "timeout_ms");
  return lnL_effect(L, &signal_op, 3, new_taking(L), free);
}

static void line_late(void *arg) {
  ln_effect *e = arg;
  taking *t = e->work;
  if (!t->asking && !t->taken) ln_effect_done(e, LN_STR("n"));
  else ln_wait_for(e, e->due_ms + 100, line_late);
}

static bool is_sent(const ln_effect *e) {
  bool there = false;
  ln_err quiet;
  return ln_store_signal_there(e->run->engine->store, e->run->id, name_of(e), &there, &quiet) && there;
}

/* A session's next line.  Whoever sent them may be gone: then the last one that was sent is the end. */
static void line_start(ln_effect *e) {
  enum { PATIENCE_MS = 86400000 };
  bool served = e->run->engine->sched != NULL;
  if (!served && !e->run->options.attended && !is_sent(e)) {
    ln_effect_done(e, LN_STR("n"));
    return;
  }
  bool first = !e->waiting_for;
  signal_start(e);
  if (served && first) e->due_ms = e->asked_ms + PATIENCE_MS, ln_wait_for(e, e->due_ms, line_late);
}

static const ln_op line_op = {.name = "line", .cls = LN_WAIT, .start = line_start, .apply = signal_take};

int lnL_await_line(lua_State *L) {
  lua_settop(L, 0);
  lua_createtable(L, 0, 1);                              /* args */
  lua_pushliteral(L, LN_LINE_SIGNAL);
  lua_setfield(L, 1, "name");
  return lnL_effect(L, &line_op, 1, new_taking(L), free);
}

static bool send_apply(ln_tx *tx, ln_effect *e, ln_buf *value, ln_err *err) {
  ln_str args = ln_effect_args(e);
  ln_vitem v;
  int64_t run;
  bool has = ln_v_get(args, LN_STR("value"), &v);
  ln_str to = ln_v_get_str(args, "run");
  if (!ln_tx_run_called(tx, to, &run, err)) return false;
  if (!ln_tx_signal_send(tx, run, name_of(e), has ? v.whole : LN_STR("n"), ln_str_of(e->run->ulid),
                         e->asked_ms, err))
    return ln_err_prefix(err, "run %.*s", LN_STR_ARG(to));
  return ln_v_nil(value) || ln_buf_ok(value, err);
}

static void sent(ln_effect *e) {
  ln_buf key;
  ln_buf_init(&key, 1024);
  ln_signal_key(ln_v_get_str(ln_effect_args(e), "run"), name_of(e), &key);
  ln_wait_called(e->run->engine, ln_buf_view(&key));
  ln_buf_free(&key);
}

static const ln_op send_op = {.name = "signal", .cls = LN_LOCAL, .apply = send_apply, .done = sent};

/* signal(run, name, value): to a run, by its id, which is looked for when it is sent. */
static int l_signal(lua_State *L) {
  lnL_want_text(L, 1, "signal(run, name, value)");
  check_name(L, 2, "signal", "signal(run, name, value)");
  lua_settop(L, 3);
  lua_createtable(L, 0, 3);                              /* run name value args */
  for (int i = 1; i <= 3; i++) {
    static const char *const keys[] = {"run", "name", "value"};
    lua_pushvalue(L, i);
    lua_setfield(L, 4, keys[i - 1]);
  }
  return lnL_effect(L, &send_op, 4, NULL, NULL);
}

/* ------------------------------------------------------------------ lock */

/* A branch that holds it already would wait for itself. */
static bool waits_for_itself(const ln_effect *e, ln_str holder) {
  const char *slash = NULL;
  for (size_t i = holder.n; i > 0 && !slash; i--)
    if (holder.p[i - 1] == '/') slash = holder.p + i - 1;
  ln_str branch = {holder.p, slash ? (size_t)(slash - holder.p) : 0}, mine = ln_str_of(e->branch->name);
  return branch.n == 0 || (ln_str_starts(mine, branch) && (mine.n == branch.n || mine.p[branch.n] == '/'));
}

static bool lock_take(ln_tx *tx, ln_effect *e, ln_buf *value, ln_err *err) {
  int64_t holder;
  ln_buf step;
  ln_buf_init(&step, 8192);
  bool ok = ln_tx_lock_holder(tx, name_of(e), &holder, &step, err);
  bool itself = ok && holder == e->run->id && waits_for_itself(e, ln_buf_view(&step));
  ln_buf_free(&step);
  if (itself)
    return ln_fail(err, "bad_argument", LN_FINAL,
                   "lock: this branch holds \"%.*s\" already: it would wait for itself",
                   LN_STR_ARG(name_of(e)));
  if (!ok || holder) return ok;
  return ln_tx_lock_take(tx, name_of(e), e->run->id, ln_str_of(e->name), e->asked_ms, err) &&
         (ln_v_str(value, ln_str_of(e->name)) || ln_buf_ok(value, err));
}

static bool lock_waits(ln_tx *tx, ln_effect *e, bool *waits, ln_err *err) {
  int64_t holder;
  bool ok = ln_tx_lock_holder(tx, name_of(e), &holder, NULL, err);
  *waits = holder != 0;
  return ok;
}

/* As if it were free. */
static void lock_unasked(ln_effect *e, ln_buf *value) { ln_v_str(value, ln_str_of(e->name)); }

static void lock_start(ln_effect *e) {
  ln_buf key;
  if (ln_effect_is_plan(e)) {
    ln_buf_init(&key, 1024);
    lock_unasked(e, &key);
    ln_effect_finish(e, true, "planned", ln_buf_view(&key));
    ln_buf_free(&key);
    return;
  }
  if (!e->waiting_for) {
    e->waiting_for = "lock";
    e->still = lock_waits;
    ln_buf_init(&key, 1024);
    ln_lock_key(name_of(e), &key);
    ln_wait_key(e, ln_buf_view(&key));
    ln_buf_free(&key);
    ln_wait_note(e, ln_effect_args(e));
  }
  ask_again(e);
}

static const ln_op lock_op = {
    .name = "lock", .cls = LN_WAIT, .start = lock_start, .apply = lock_take, .unasked = lock_unasked};

static bool unlock_apply(ln_tx *tx, ln_effect *e, ln_buf *value, ln_err *err) {
  return ln_tx_lock_drop(tx, name_of(e), e->run->id, ln_v_get_str(ln_effect_args(e), "step"), err) &&
         (ln_v_nil(value) || ln_buf_ok(value, err));
}

static void unlocked(ln_effect *e) {
  ln_buf key;
  ln_buf_init(&key, 1024);
  ln_lock_key(name_of(e), &key);
  ln_wait_called(e->run->engine, ln_buf_view(&key));
  ln_buf_free(&key);
}

static const ln_op unlock_op = {
    .name = "lock.close", .cls = LN_LOCAL, .apply = unlock_apply, .done = unlocked};

/* The lock's close, and its __close: (lock).  Closing twice is quiet. */
static int l_unlock(lua_State *L) {
  lua_settop(L, 1);
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_getfield(L, 1, "closed");
  if (lua_toboolean(L, -1)) return 0;
  lua_pushboolean(L, 1);
  lua_setfield(L, 1, "closed");
  lua_createtable(L, 0, 2);                              /* lock closed args */
  lua_getfield(L, 1, "name");
  lua_setfield(L, 3, "name");
  lua_getfield(L, 1, "step");
  lua_setfield(L, 3, "step");
  return lnL_effect(L, &unlock_op, 3, NULL, NULL);
}

/* name step: what the script gets. */
static int locked(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  if (lua_type(L, -1) != LUA_TSTRING) return 1;          /* a plan's */
  lua_createtable(L, 0, 3);                              /* name step lock */
  lua_pushvalue(L, 1);
  lua_setfield(L, -2, "name");
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, "step");
  lua_pushcfunction(L, l_unlock);
  lua_setfield(L, -2, "close");
  if (luaL_newmetatable(L, "lock")) {
    lua_pushcfunction(L, l_unlock);
    lua_setfield(L, -2, "__close");
    lua_pushliteral(L, "lock");
    lua_setfield(L, -2, "__name");
  }
  lua_setmetatable(L, -2);
  return 1;
}

static int lock_ask(lua_State *L) {
  lua_settop(L, 1);
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, 1);
  lua_setfield(L, -2, "name");
  return lnL_effect(L, &lock_op, 2, new_taking(L), free);
}

static int l_lock(lua_State *L) {
  check_name(L, 1, "lock", "lock(name)");
  lua_settop(L, 1);
  lua_pushcfunction(L, lock_ask);
  lua_pushvalue(L, 1);                                   /* name ask name */
  lua_callk(L, 1, 1, 0, locked);
  return locked(L, LUA_OK, 0);
}

const luaL_Reg lnL_run_words[] = {{"run_playbook", l_run_playbook},
                                  {"start", l_start},
                                  {"await_signal", l_await_signal},
                                  {"signal", l_signal},
                                  {"lock", l_lock},
                                  {NULL, NULL}};
