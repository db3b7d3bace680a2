/* effect.c: asking, carrying out and delivering.  An ask hangs on its branch until it is delivered; what
** it is made of (name, fingerprint) is compared with the journal before anything starts.  Modules answer
** by ln_effect_done or ln_effect_fail, at once or later; the answer always queues, and run.c delivers. */
#include "engine/inside.h"
#include "engine/opaque.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

enum { ARGS_MAX = 16 << 20, OUTCOME_MAX = 64 << 20, CLOSING_MAX = 16, SPARE_MAX = 4096 };

const char *ln_class_name(ln_class c) {
  static const char *const names[] = {"pure", "read", "local", "write", "wait"};
  return names[c];
}

/* ------------------------------------------------------------------ life */

/* A word may raise (an argument's __index, say) after it made its effect or fork and before it gave the
** turn, and the script may go on from there: what was left is let go here, lest the branch wait for it. */
static void clear_leftovers(ln_branch *b) {
  if (b->asked) ln_effect_free(b->asked);
  ln_fork_free(b);
}

/* Most runs have one effect at a time: the last one's room is the next one's. */
static ln_effect *take(ln_run *r) {
  ln_effect *e = r->spare ? r->spare : calloc(1, sizeof *e);
  if (!e) return NULL;
  ln_buf args = e->args, outcome = e->outcome;
  r->spare = NULL;
  *e = (ln_effect){.args = args, .outcome = outcome};
  e->args.max = ARGS_MAX;
  e->outcome.max = OUTCOME_MAX;
  return e;
}

static void reset(ln_buf *b) {
  if (b->cap > SPARE_MAX) ln_buf_free(b);
  b->n = 0;
  b->failed = b->full = false;
}

static void give_back(ln_effect *e) {
  ln_run *r = e->run;
  if (r->spare) {
    ln_buf_free(&e->args);
    ln_buf_free(&e->outcome);
    free(e);
    return;
  }
  reset(&e->args);
  reset(&e->outcome);
  r->spare = e;
}

void ln_effect_spare_free(ln_run *r) {
  if (!r->spare) return;
  ln_buf_free(&r->spare->args);
  ln_buf_free(&r->spare->outcome);
  free(r->spare);
  r->spare = NULL;
}

ln_effect *ln_effect_new(ln_run *r, ln_branch *b, const ln_op *op, ln_err *err) {
  clear_leftovers(b);
  ln_effect *e = take(r);
  if (!e) {
    ln_fail(err, "memory", LN_AGAIN, "no memory for a step");
    return NULL;
  }
  e->run = r;
  e->branch = b;
  e->op = op;
  e->wait_ms = -1;
  e->state = "running";
  ln_buf_init(&e->before, 4096);
  ln_buf_init(&e->names, 1 << 20);
  ln_buf_init(&e->undo, 1 << 20);
  ln_buf_init(&e->handle, 1 << 20);
  ln_buf_init(&e->unchanged, 1 << 20);
  ln_buf_init(&e->would, (size_t)16 << 20);
  b->asked = e;
  return e;
}

void ln_effect_drop(ln_effect *e) {
  e->run->engine->loop->cancel(e->run->engine->loop, &e->timer);
  if (e->started && !e->finished && e->drop) e->drop(e);
  e->drop = NULL;
}

void ln_effect_free(ln_effect *e) {
  ln_effect_drop(e);
  if (e->record && e->record->waiting == e) e->record->waiting = NULL;
  if (e->branch->asked == e) e->branch->asked = NULL;
  ln_wait_key(e, (ln_str){NULL, 0});
  if (e->free_work) e->free_work(e->work);
  while (e->kept) {
    ln_kept *k = e->kept;
    e->kept = k->next;
    free(k);
  }
  ln_buf *bufs[] = {&e->before, &e->names, &e->undo, &e->handle, &e->unchanged, &e->would};
  for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) ln_buf_free(bufs[i]);
  free(e->told);
  free(e->name);
  give_back(e);
}

enum { SHORT = 64 };

/* What was asked last on this thread, if it is short, with its fingerprint: loops and polls ask the same
** again and again, and hashing it takes longer than all else that naming a step does. */
static _Thread_local struct { size_t op, args; char text[2 * SHORT]; uint8_t print[LN_FINGERPRINT]; } last;

static bool is_last(ln_str op, ln_str args) {
  return op.n && op.n == last.op && args.n == last.args && memcmp(last.text, op.p, op.n) == 0 &&
         (!args.n || memcmp(last.text + op.n, args.p, args.n) == 0);
}

static void keep_last(ln_str op, ln_str args, const uint8_t print[LN_FINGERPRINT]) {
  if (!op.n || op.n > SHORT || args.n > SHORT) return;
  last.op = op.n, last.args = args.n;
  memcpy(last.text, op.p, op.n);
  if (args.n) memcpy(last.text + op.n, args.p, args.n);
  memcpy(last.print, print, LN_FINGERPRINT);
}

static bool fingerprint(ln_effect *e, ln_err *err) {
  ln_str op = ln_str_of(e->op->name), args = ln_buf_view(&e->args);
  uint8_t full[LN_SHA256];
  if (is_last(op, args)) {
    memcpy(e->print, last.print, sizeof e->print);
    return true;
  }
  if (!ln_sha256_2(op, args, full))
    return ln_fail(err, "failed", LN_FINAL, "the fingerprint of %s cannot be computed", e->op->name);
  memcpy(e->print, full, sizeof e->print);
  keep_last(op, args, e->print);
  return true;
}

static bool name_and_print(ln_effect *e, ln_str turn_of, ln_str as, ln_err *err) {
  return ln_buf_ok(&e->args, err) && (e->name = ln_branch_step_name(e->branch, turn_of, as, err)) &&
         fingerprint(e, err);
}

/* An author's own name becomes one part of the step's, in which / and % and # have a meaning. */
static bool name_by_author(ln_effect *e, ln_str turn_of, ln_str as, ln_err *err) {
  ln_buf plain;
  ln_buf_init(&plain, 8192);
  ln_name_escape(&plain, turn_of);
  size_t cut = plain.n;
  ln_name_escape(&plain, as);
  ln_str both = ln_buf_view(&plain);
  bool ok = ln_buf_ok(&plain, err) &&
            name_and_print(e, (ln_str){both.p, cut}, (ln_str){both.p + cut, both.n - cut}, err);
  ln_buf_free(&plain);
  return ok;
}

bool ln_effect_name_it(ln_effect *e, ln_str as, ln_err *err) {
  ln_str op = ln_str_of(e->op->name);
  return ln_name_is_plain(as) ? name_and_print(e, op, as, err) : name_by_author(e, op, as, err);
}

bool ln_effect_name_step(ln_effect *e, ln_str own, ln_err *err) {
  static const ln_str none = {NULL, 0};
  return ln_name_is_plain(own) ? name_and_print(e, own, none, err) : name_by_author(e, own, none, err);
}

/* ------------------------------------------------------------------ what modules ask of an effect */

const ln_op *ln_effect_op(const ln_effect *e) { return e->op; }
ln_engine *ln_effect_engine(const ln_effect *e) { return e->run->engine; }
ln_str ln_effect_args(const ln_effect *e) { return ln_buf_view(&e->args); }
ln_str ln_effect_name(const ln_effect *e) { return ln_str_of(e->name); }
void *ln_effect_work(const ln_effect *e) { return e->work; }
int64_t ln_effect_timeout_ms(const ln_effect *e) { return e->timeout_ms; }
int64_t ln_effect_lease_ms(const ln_effect *e) { return e->lease_ms; }
ln_str ln_effect_before(const ln_effect *e) { return ln_buf_view(&e->before); }
void ln_effect_on_drop(ln_effect *e, void (*drop)(ln_effect *e)) { e->drop = drop; }

void ln_effect_set_work(ln_effect *e, void *work, void (*free_work)(void *work)) {
  if (e->free_work) e->free_work(e->work);
  e->work = work;
  e->free_work = free_work;
}

char *ln_effect_keep(ln_effect *e, ln_str s, ln_str *kept) {
  ln_kept *k = malloc(sizeof *k + s.n + 1);
  if (!k) return NULL;
  if (s.n) memcpy(k->bytes, s.p, s.n);
  k->bytes[s.n] = 0;
  k->next = e->kept;
  e->kept = k;
  if (kept) *kept = (ln_str){k->bytes, s.n};
  return k->bytes;
}

ln_str ln_effect_tag(const ln_effect *e) {
  static _Thread_local char tag[512];
  int n = snprintf(tag, sizeof tag, "lunette %s/%s", e->run->ulid, e->name);
  return (ln_str){tag, n < 0 ? 0 : (size_t)n < sizeof tag ? (size_t)n : sizeof tag - 1};
}

/* ------------------------------------------------------------------ outcomes */

bool ln_effect_logged(const ln_effect *e) { return !e->branch->polling; }

static void queue_ready(ln_effect *e) {
  ln_run *r = e->run;
  e->next_ready = NULL;
  if (r->ready_last) r->ready_last->next_ready = e;
  else r->ready = e;
  r->ready_last = e;
  ln_run_pump_soon(r);
}

static void set_too_big(ln_effect *e) {
  static const ln_err big = {.code = "too_big", .message = "the answer is larger than 64 MiB"};
  ln_buf_free(&e->outcome);
  ln_buf_init(&e->outcome, OUTCOME_MAX);
  e->ok = false;
  e->state = "failed";
  lnL_error_encode(&big, ln_str_of(e->where), (ln_str){NULL, 0}, &e->outcome);
}

void ln_effect_finish(ln_effect *e, bool ok, const char *state, ln_str outcome) {
  ln_run *r = e->run;
  if (e->finished || r->broken) return;
  r->engine->loop->cancel(r->engine->loop, &e->timer);
  e->finished = true;
  e->ok = ok;
  e->state = state;
  r->notified_waiting = false;
  ln_buf_cut(&e->outcome, 0);
  if (!ln_buf_add(&e->outcome, outcome)) set_too_big(e);
  if (r->winding) ln_run_pump_soon(r); /* nobody is there to be told */
  else queue_ready(e);
}

void ln_effect_finish_err(ln_effect *e, const char *state, const ln_err *err) {
  ln_err full = *err;
  ln_buf out;
  if (!full.op[0]) snprintf(full.op, sizeof full.op, "%.*s", LN_ERR_WORD - 1, e->op->name);
  ln_buf_init(&out, 1 << 20);
  lnL_error_encode(&full, ln_str_of(e->where), (ln_str){NULL, 0}, &out);
  ln_effect_finish(e, false, state, ln_buf_view(&out));
  ln_buf_free(&out);
}

void ln_effect_done(ln_effect *e, ln_str value) {
  ln_effect_finish(e, true, "done", value);
}

void ln_effect_fail(ln_effect *e, const ln_err *err) {
  ln_effect_finish_err(e, ln_err_is(err, "refused") ? "refused" : "failed", err);
}

void ln_effect_entry(const ln_effect *e, ln_entry_kind kind, ln_entry *out) {
  *out = (ln_entry){.kind = kind,
                    .name = ln_str_of(e->name),
                    .op = ln_str_of(e->op->name),
                    .cls = e->op->cls,
                    .fingerprint = {(const char *)e->print, LN_FINGERPRINT},
                    .at_ms = ln_run_clock_ms(e->run),
                    .asked_ms = e->asked_ms,
                    .ok = e->ok,
                    .state = ln_str_of(e->state),
                    .where = ln_str_of(e->where),
                    .data = ln_buf_view(&e->outcome)};
}

bool ln_effect_put_done(ln_effect *e, ln_entry_kind kind) {
  ln_entry entry;
  if (e->run->replay) return ln_replay_did(e), true;
  ln_effect_entry(e, kind, &entry);
  if (kind == LN_E_DELIVERED) entry.data = (ln_str){NULL, 0};
  e->run->now_ms = entry.at_ms;
  e->run->steps++;
  ln_spans_step(e, &entry);
  return ln_run_put(e->run, &entry);
}

bool ln_effect_is_open(const ln_effect *e) {
  const ln_record *rec = e->record;
  return rec && rec->intent.n && !rec->withdrawn && !rec->planned && !rec->has_result;
}

bool ln_effect_is_plan(const ln_effect *e) { return ln_branch_is_plan(e->branch); }

/* ------------------------------------------------------------------ raw answers, kept by their content */

typedef struct raw_job { ln_run *run; ln_content content; char *bytes; } raw_job;

static bool raw_apply(ln_tx *tx, void *arg, ln_err *err) {
  return ln_tx_content_put(tx, &((raw_job *)arg)->content, err);
}

static void raw_free(raw_job *j) {
  if (j) free(j->bytes);
  free(j);
}

/* A raw answer is beside the journal: a replay does not need it, so that it could not be kept ends
** nothing. */
static void raw_done(void *arg, const ln_err *err) {
  raw_job *j = arg;
  ln_run *r = j->run;
  (void)err;
  raw_free(j);
  r->flushed++;
  if (r->closing) ln_run_leave(r);
  else ln_run_pump_soon(r);
}

enum { DAY_MS = 86400000, ANSWER_DAYS = 90 };

/* Whole days, so that what is answered again and again is not written each time. */
static int64_t answers_until(const ln_run *r) {
  return (ln_now_ms(r->engine->loop->clock) / DAY_MS + 1 + ANSWER_DAYS) * DAY_MS;
}

static void keep_content(ln_run *r, ln_str bytes, ln_str kind) {
  uint8_t sha[LN_SHA256];
  raw_job *j = calloc(1, sizeof *j);
  if (!j || !(j->bytes = ln_str_dup(bytes)) || !ln_sha256(bytes, sha)) {
    raw_free(j);
    return;
  }
  j->run = r;
  ln_hex(sha, sizeof sha, j->content.sha256);
  j->content.bytes = (ln_str){j->bytes, bytes.n};
  j->content.kind = kind;
  j->content.expires_ms = answers_until(r);
  r->flushes++;
  if (ln_writer_submit_unwaited(r->engine->store, r->engine->loop, raw_apply, raw_done, j)) return;
  r->flushes--;
  raw_free(j);
}

void ln_effect_raw(ln_effect *e, ln_str bytes) {
  if (bytes.n && ln_effect_logged(e)) keep_content(e->run, bytes, LN_STR("answer"));
}

/* ------------------------------------------------------------------ local effects */

bool ln_effect_log_result(ln_tx *tx, ln_effect *e, ln_err *err) {
  ln_entry entry;
  ln_buf line, name;
  ln_spill *s = NULL;
  ln_effect_entry(e, LN_E_RESULT, &entry);
  ln_buf_init(&line, OUTCOME_MAX);
  ln_buf_init(&name, 256);
  bool ok = (ln_spill_entry(&entry, &name, &s) && ln_entry_put(&line, &entry)) ||
            ln_fail(err, "memory", LN_AGAIN, "no memory for an entry");
  ok = ok && (!s || ln_tx_content_put(tx, &s->content, err)) &&
       ln_tx_log(tx, e->run->id, ln_buf_view(&line), err);
  free(s);
  ln_buf_free(&name);
  ln_buf_free(&line);
  return ok;
}

static bool local_apply(ln_tx *tx, void *arg, ln_err *err) {
  ln_effect *e = arg;
  ln_err no = {0};
  ln_buf_cut(&e->outcome, 0);
  e->ok = e->op->apply(tx, e, &e->outcome, &no);
  if (!e->ok) {
    if (ln_err_is(&no, "store")) return *err = no, false;
    ln_buf_free(&e->outcome);
    ln_buf_init(&e->outcome, OUTCOME_MAX);
    if (!no.op[0]) snprintf(no.op, sizeof no.op, "%.*s", LN_ERR_WORD - 1, e->op->name);
    lnL_error_encode(&no, ln_str_of(e->where), (ln_str){NULL, 0}, &e->outcome);
  }
  e->state = e->ok ? "done" : "failed";
  return !ln_effect_logged(e) || ln_effect_log_result(tx, e, err);
}

static void local_done(void *arg, const ln_err *err) {
  ln_effect *e = arg;
  if (ln_job_gone(err)) return;
  if (err) {
    ln_run_end_attempt(e->run, err);
    return;
  }
  if (e->ok && e->op->done) e->op->done(e);
  ln_effect_durable(e);
}

void ln_effect_durable(ln_effect *e) {
  ln_buf value = e->outcome;
  e->durable = true;
  ln_buf_init(&e->outcome, OUTCOME_MAX);
  ln_effect_finish(e, e->ok, e->state, ln_buf_view(&value));
  ln_buf_free(&value);
}

/* ------------------------------------------------------------------ beginning */

static void diverged(ln_effect *e, const ln_record *rec) {
  ln_err err;
  if (e->run->replay) ln_replay_diverged(e->run, rec, e);
  ln_fail(&err, "divergence", LN_FINAL,
          "%s at %s is not what the journal has: it recorded %.*s%s at %.*s; nothing was sent", e->name,
          *e->where ? e->where : "?", LN_STR_ARG(rec->op),
          ln_str_eq(rec->op, ln_str_of(e->op->name)) ? " with other arguments" : "", LN_STR_ARG(rec->where));
  ln_run_end_attempt(e->run, &err);
}

static void start_by_class(ln_effect *e) {
  switch (e->op->cls) {
  case LN_LOCAL:
    if (ln_effect_is_plan(e) && !e->op->quiet) ln_plan_local(e);
    else ln_run_flush_with(e->run, local_apply, local_done, e);
    break;
  case LN_WRITE: ln_write_start(e); break;
  case LN_PURE: case LN_READ: case LN_WAIT: e->op->start(e); break;
  }
}

/* Its outcome was durable before, and nobody had been told. */
static const char *state_named(ln_str name) {
  static const char *const states[] = {"unchanged", "joined",    "failed", "refused",
                                       "cancelled", "withdrawn", "pending"};
  for (size_t i = 0; i < sizeof states / sizeof *states; i++)
    if (ln_str_eq(name, ln_str_of(states[i]))) return states[i];
  return "done";
}

static void finish_recorded(ln_effect *e) {
  const char *state = state_named(e->record->state);
  ln_str outcome;
  ln_buf hold = {0};
  ln_err err;
  e->durable = true;
  ln_write_count(e->run, e->op->cls, ln_str_of(state));
  if (ln_entry_data(e->run->engine, e->record->name, e->record->outcome, &hold, &outcome, &err))
    ln_effect_finish(e, e->record->ok, state, outcome);
  else ln_run_end_attempt(e->run, &err);
  ln_buf_free(&hold);
}

/* A test brings what another run was answered. */
static bool finish_as_told(ln_effect *e) {
  ln_vitem told, value;
  ln_str all = e->run->options.recorded;
  if (!all.n || !ln_v_get(all, ln_str_of(e->name), &told)) return false;
  const char *state = state_named(ln_v_get_str(told.whole, "state"));
  ln_write_count(e->run, e->op->cls, ln_str_of(state));
  ln_effect_finish(e, ln_v_get_bool(told.whole, "ok", true), state,
                   ln_v_get(told.whole, LN_STR("value"), &value) ? value.whole : LN_STR("n"));
  return true;
}

/* A session plans one line and acts in the next: what a plan does not know is no argument then. */
static bool rests_on_a_guess(ln_effect *e, ln_err *unknown) {
  ln_str opaque;
  return e->run->is_session && !ln_effect_is_plan(e) && ln_opaque_in(ln_buf_view(&e->args), &opaque) &&
         !ln_opaque_fail(opaque, unknown);
}

void ln_effect_start_live(ln_effect *e) {
  static const ln_err gone = {.code = "cancelled", .message = "the branch was cancelled"};
  ln_err unknown;
  if (e->started || e->finished) return;
  e->started = true;
  if (e->record && e->record->has_result) {
    finish_recorded(e);
  } else if (e->branch->cancelled && !e->in_close && !ln_effect_is_open(e)) {
    ln_effect_finish_err(e, "cancelled", &gone);
  } else if (rests_on_a_guess(e, &unknown)) {
    ln_effect_finish_err(e, "failed", &unknown);
  } else if (!ln_plan_assumed(e) && !ln_plan_unasked(e)) {
    ln_run_event(e->run, "asked", e, ln_buf_view(&e->args), (ln_str){NULL, 0});
    if (!finish_as_told(e)) start_by_class(e);
  }
}

void ln_effect_begin(ln_effect *e) {
  ln_run *r = e->run;
  e->asked_ms = ln_run_clock_ms(r);
  if (r->replay) ln_replay_asked(e);
  if (ln_replay_is_aligned(r)) return;
  ln_record *rec = ln_effect_logged(e) ? ln_journal_find(r->past, ln_str_of(e->name)) : NULL;
  if (rec) {
    ln_str print = {(const char *)e->print, LN_FINGERPRINT};
    if (!ln_str_eq(rec->op, ln_str_of(e->op->name)) || !ln_str_eq(rec->fingerprint, print)) {
      diverged(e, rec);
      return;
    }
    rec->matched = true;
    rec->waiting = e;
    e->record = rec;
    e->asked_ms = rec->asked_ms;
  }
  if (e->op->cls == LN_WRITE) ln_permit_take(e);
  if (r->live) ln_effect_start_live(e);
}

/* ------------------------------------------------------------------ the Lua side */

int lnL_raisef(lua_State *L, const char *code, const char *fmt, ...) {
  ln_err err;
  char text[LN_ERR_TEXT];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  ln_fail(&err, code, LN_FINAL, "%s", text);
  return lnL_raise(L, &err);
}

static bool option_ms(lua_State *L, int t, const char *key, int64_t *ms, ln_err *err) {
  bool ok = true;
  int kind = lua_getfield(L, t, key); /* … v */
  if (kind == LUA_TNUMBER) {
    lua_Number seconds = lua_tonumber(L, -1);
    ok = (seconds >= 0 && seconds < 3.2e10) ||
         ln_fail(err, "bad_argument", LN_FINAL, "%s: %g is no number of seconds", key, seconds);
    if (ok) *ms = (int64_t)(seconds * 1000.0);
  } else if (kind == LUA_TBOOLEAN && !lua_toboolean(L, -1)) {
    *ms = 0;
  } else if (kind == LUA_TSTRING) {
    size_t n;
    const char *p = lua_tolstring(L, -1, &n);
    ok = ln_parse_duration((ln_str){p, n}, ms, err) || ln_err_prefix(err, "%s", key);
  } else if (kind != LUA_TNIL) {
    ok = ln_fail(err, "bad_argument", LN_FINAL,
                 "%s: a duration is wanted, such as \"20m\" or a number of seconds", key);
  }
  lua_pop(L, 1);
  return ok;
}

static const char *const ours[] = {"as", "wait", "lease", "timeout", LN_LIFTS};
enum { OURS = sizeof ours / sizeof *ours };

/* Has it members for the core, or a metatable, which says how it is to be read? */
static bool is_mixed(lua_State *L, int t) {
  bool mixed = lua_getmetatable(L, t);
  if (mixed) lua_pop(L, 1);
  for (size_t i = 0; !mixed && i < OURS; i++) {
    mixed = lua_getfield(L, t, ours[i]) != LUA_TNIL;
    lua_pop(L, 1);
  }
  return mixed;
}

/* Pushes the arguments without what belongs to the core: a copy where that makes a difference.  [-0, +1,
** m] */
static void push_bare(lua_State *L, int t) {
  if (!is_mixed(L, t)) {
    lua_pushvalue(L, t);
    return;
  }
  lua_newtable(L);                          /* c     */
  lua_pushnil(L);                           /* c k   */
  while (lua_next(L, t)) {                  /* c k v */
    lua_pushvalue(L, -2);                   /* c k v k */
    lua_insert(L, -2);                      /* c k k v */
    lua_rawset(L, -4);                      /* c k     */
  }
  for (size_t i = 0; i < OURS; i++) {
    lua_pushnil(L);
    lua_setfield(L, -2, ours[i]);
  }
}

static bool take_args(lua_State *L, int args, ln_effect *e, ln_str *as, ln_err *err) {
  if (!args || lua_isnoneornil(L, args)) {
    ln_v_end(&e->args, ln_v_begin(&e->args, 'O', 0));
    return true;
  }
  if (!lua_istable(L, args))
    return ln_fail(err, "bad_argument", LN_FINAL, "%s takes one table, got %s", e->op->name,
                   luaL_typename(L, args));
  if (!option_ms(L, args, "wait", &e->wait_ms, err) || !option_ms(L, args, "lease", &e->lease_ms, err) ||
      !option_ms(L, args, "timeout", &e->timeout_ms, err))
    return ln_err_prefix(err, "%s", e->op->name);
  if (!lnL_lift_take(L, args, e, err)) return false;
  int kind = lua_getfield(L, args, "as");
  if (kind == LUA_TSTRING) as->p = lua_tolstring(L, -1, &as->n); /* as stays on the stack */
  if (kind != LUA_TNIL && !as->n)
    return ln_fail(err, "bad_argument", LN_FINAL,
                   "as: a name is wanted, which no other step of the branch has");
  push_bare(L, args);
  if (lua_next(L, (lua_pushnil(L), -2)) == 0) {
    ln_v_end(&e->args, ln_v_begin(&e->args, 'O', 0));
    return true;
  }
  lua_pop(L, 2);
  return lnL_encode(L, -1, &e->args, err) || ln_err_prefix(err, "%s", e->op->name);
}

/* A cancelled branch raises at each effect; what its __close handlers ask for is carried out, within
** bounds. */
static bool may_close(lua_State *L, ln_branch *b, const ln_op *op, ln_err *err) {
  if (op->cls == LN_WAIT || !lnL_in_close(L))
    return ln_fail(err, "cancelled", LN_FINAL, "the branch was cancelled");
  if (b->closing++ < CLOSING_MAX) return true;
  return ln_fail(err, "cancelled", LN_FINAL,
                 "the branch was cancelled, and its __close handlers have had their %d effects", CLOSING_MAX);
}

/* A playbook that may lift holds may do so by whatever takes them back. */
static bool is_granted(const ln_branch *b, const ln_op *op, bool lifts) {
  return !op->uses || ln_play_grants(b->play, ln_str_of(op->uses)) ||
         (lifts && ln_play_grants(b->play, LN_STR("ledger.lift")));
}

static bool may_ask(lua_State *L, ln_branch *b, const ln_op *op, int args, ln_err *err) {
  if (!b)
    return ln_fail(err, "bad_argument", LN_FINAL, "%s can only be called while a run is under way", op->name);
  if (b->in_step)
    return ln_fail(err, "bad_argument", LN_FINAL,
                   "%s inside step: a step is the author's own work and reaches nothing outside", op->name);
  if (b->polling && op->cls != LN_READ && !op->looks)
    return ln_fail(err, "bad_argument", LN_FINAL, "%s inside await_until: what is polled may only read",
                   op->name);
  if (!is_granted(b, op, lnL_is_lift(L, args)))
    return ln_fail(err, "refused", LN_FINAL, "%s is not in `uses` of %s: add \"%s\" to it", op->uses,
                   b->play->name, op->uses);
  return !b->cancelled || may_close(L, b, op, err);
}

int lnL_effect_result(lua_State *L, ln_effect *e) {
  if (e->ok) {
    lnL_decode(L, ln_buf_view(&e->outcome));
    ln_effect_free(e);
    return 1;
  }
  ln_err err;
  lnL_error_decode(ln_buf_view(&e->outcome), &err);
  lnL_push_error(L, &err, ln_str_of(e->where)); /* err */
  ln_effect_free(e);
  return lua_error(L);
}

static int delivered(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  return lnL_effect_result(L, lnL_here(L)->asked);
}

int lnL_effect_wait(lua_State *L, ln_effect *e) {
  (void)e;
  return lnL_wait(L, 0, delivered);
}

int lnL_effect(lua_State *L, const ln_op *op, int args, void *work, void (*free_work)(void *work)) {
  ln_err err = {0};
  ln_str as = {NULL, 0};
  ln_branch *b = lnL_here(L);
  if (!lnL_can_wait(L)) {
    if (free_work) free_work(work);
    return lnL_wait(L, 0, delivered); /* raises, naming who is in the way */
  }
  bool ok = may_ask(L, b, op, args, &err);
  ln_effect *e = ok ? ln_effect_new(b->run, b, op, &err) : NULL;
  if (!e) {
    if (free_work) free_work(work);
    return lnL_raise(L, &err);
  }
  e->work = work;
  e->free_work = free_work;
  e->in_close = b->cancelled;
  lnL_tick(L); /* the effect hangs on the branch: a raise from here on leaks nothing */
  lnL_where(L, e->where, sizeof e->where);
  if (take_args(L, args, e, &as, &err) && ln_effect_name_it(e, as, &err)) return lnL_effect_wait(L, e);
  ln_effect_free(e);
  return lnL_raise(L, &err);
}
