/* serve.c: what commands may ask of the process that serves a store:
**
**   run      { playbook, input?, assume?, plan?, approve? }        → { run }
**   call     { op, args?, plan?, approve? }                        → { run }
**   undo     { run, line?, plan?, approve?, despite_freeze? }      → { run }
**   release  { entities, why, plan?, approve?, despite_freeze? }   → { run }
**   resume   { run, step?, did?, result? }                         → { run }
**   cancel   { run }                                               → { run }
**   signal   { run, name, value? }                                 → { run }
**   migrate  { run }                                               → as ln_migrate has it
**   session  {}                                                    → { run }   a prompt's
**   line     { run, text?, plan?, reload? }                        → { run }   with none of these: its end
**   stop     { run }                                               → {}        the line under way
**   fork     { run, at, act?, with? }                              → { run }   from a point of it
**   alert    { text, source? }                 → as alerts.h has it, once durable
**   decide   { id, yes, comment?, answer?, interactive? }          → {}
**   declared { playbook }                            → { alert, name, stale, value }: as ln_declared has it
**   library  {}                                      → { snapshot, stale }
**
** stale: of what goes on with its last good version, or has none: an array of
** { at, last, module, since, why }.
**
** A refusal is { error = { code, message } }.  Who asks is told by the kernel, not by the message. */
#include "server/serve.h"

#include "base/log.h"
#include "debug/travel.h"
#include "engine/alerts.h"
#include "engine/library.h"
#include "engine/migrate.h"
#include "engine/reload.h"
#include "engine/run.h"
#include "engine/sched.h"
#include "engine/schedule.h"
#include "net/local.h"

#include <stdio.h>
#include <stdlib.h>

struct ln_server {
  ln_engine *g;
  ln_served *served;
  ln_sched *sched;
  ln_alerts *alerts;
  ln_schedules *schedules;
  ln_local *local;
  ln_reload *scripts;                                    /* NULL: they cannot be watched here               */
};

typedef struct asked { ln_server *s; ln_str who, what; ln_buf *answer; } asked;

static char *socket_of(const ln_store *s) {
  ln_buf b;
  ln_buf_init(&b, 1 << 14);
  ln_buf_addf(&b, "%s.owner/socket", ln_store_path(s));
  return ln_buf_take(&b, NULL);
}

/* ------------------------------------------------------------------ answers */

static void put_run(ln_buf *out, const char *ulid) {
  size_t mark = ln_v_begin(out, 'O', 1);
  ln_v_key(out, LN_STR("run"));
  ln_v_str(out, ln_str_of(ulid));
  ln_v_end(out, mark);
}

static void put_error(ln_buf *out, const ln_err *err) {
  ln_buf_cut(out, 0);
  size_t mark = ln_v_begin(out, 'O', 1);
  ln_v_key(out, LN_STR("error"));
  size_t inner = ln_v_begin(out, 'O', 2);
  ln_v_key(out, LN_STR("code"));
  ln_v_str(out, ln_str_of(err->code));
  ln_v_key(out, LN_STR("message"));
  ln_v_str(out, ln_str_of(err->message));
  ln_v_end(out, inner);
  ln_v_end(out, mark);
}

/* ------------------------------------------------------------------ what may be asked */

static ln_str part(const asked *a, const char *key) {
  ln_vitem v;
  return ln_v_get(a->what, ln_str_of(key), &v) && v.tag != 'n' ? v.whole : (ln_str){NULL, 0};
}

/* Is it asked of a playbook, or an operation, whose connectors are all on loopback?  What takes things back
** may reach any. */
static bool is_near(const asked *a, ln_err *err) {
  ln_declared d;
  ln_vitem uses = {0};
  ln_str connector, name, op = ln_v_get_str(a->what, "op"), playbook = ln_v_get_str(a->what, "playbook");
  ln_str_cut(op, '.', &connector, &name);
  if (op.n) return ln_config_is_near(a->s->g->config, connector);
  if (!playbook.n) return ln_config_all_near(a->s->g->config);
  bool near = false;
  if (ln_playbook_declared(a->s->g, playbook, &d, err)) {
    ln_v_get(ln_buf_view(&d.value), LN_STR("uses"), &uses);
    near = ln_config_uses_near(a->s->g->config, uses.whole);
  }
  ln_declared_free(&d);
  return near;
}

static bool options_of(const asked *a, ln_run_options *o, ln_err *err) {
  ln_str approve = ln_v_get_str(a->what, "approve");
  *o = (ln_run_options){.plan = ln_v_get_bool(a->what, "plan", false),
                        .despite_freeze = ln_v_get_bool(a->what, "despite_freeze", false),
                        .assume = part(a, "assume")};
  if (ln_str_eq(approve, LN_STR("deny"))) o->approve = LN_APPROVE_DENY;
  if (!ln_str_eq(approve, LN_STR("all"))) return true;
  o->approve = LN_APPROVE_ALL;
  if (is_near(a, err)) return true;
  return !err->code[0] &&
         ln_fail(err, "usage", LN_FINAL,
                 "--approve all works only against simulators, or where every connector is on loopback");
}

static bool begin(const asked *a, ln_run *r) {
  if (r) put_run(a->answer, ln_run_ulid(r));
  return r != NULL;
}

static bool do_run(asked *a, ln_err *err) {
  ln_run_options o;
  if (!options_of(a, &o, err)) return false;
  o.despite_freeze = false;                              /* that is for taking back */
  return begin(a, ln_run_start(a->s->g, ln_v_get_str(a->what, "playbook"),
                                                         part(a, "input"), &o, a->who, err));
}

static bool do_call(asked *a, ln_err *err) {
  ln_run_options o;
  return options_of(a, &o, err) &&
         begin(a, ln_run_call(a->s->g, ln_v_get_str(a->what, "op"), part(a, "args"), &o, a->who, err));
}

static bool do_undo(asked *a, ln_err *err) {
  ln_run_options o;
  return options_of(a, &o, err) &&
         begin(a, ln_undo_start(a->s->g, ln_v_get_str(a->what, "run"), ln_v_get_int(a->what, "line", 0), &o,
                                a->who, err));
}

static bool do_release(asked *a, ln_err *err) {
  enum { MOST = 64 };
  ln_run_options o;
  ln_str entities[MOST];
  ln_vitem list, one;
  ln_release what = {.entities = entities, .why = ln_v_get_str(a->what, "why")};
  bool ok = options_of(a, &o, err) && ln_v_get(a->what, LN_STR("entities"), &list) && list.tag == 'A';
  for (ln_str rest = ok ? list.body : (ln_str){NULL, 0}; rest.n && what.n < MOST && ln_v_read(&rest, &one);)
    if (one.tag == 'S') entities[what.n++] = one.s;
  if (ok && !what.n) ok = ln_fail(err, "usage", LN_FINAL, "release wants the name of something");
  return ok && begin(a, ln_release_start(a->s->g, &what, &o, a->who, err));
}

static bool do_resume(asked *a, ln_err *err) {
  char ulid[LN_ULID + 1];
  ln_vitem did;
  ln_str which = ln_v_get_str(a->what, "run");
  if (ln_v_get(a->what, LN_STR("did"), &did) &&
      !ln_run_settle(a->s->g, which, ln_v_get_str(a->what, "step"), ln_v_get_bool(a->what, "did", false),
                     part(a, "result"), a->who, err))
    return false;
  if (!ln_sched_want(a->s->sched, which, LN_NOBODY, ulid, err)) return false;
  put_run(a->answer, ulid);
  return true;
}

static bool do_cancel(asked *a, ln_err *err) {
  char ulid[LN_ULID + 1];
  if (!ln_sched_want(a->s->sched, ln_v_get_str(a->what, "run"), a->who, ulid, err)) return false;
  put_run(a->answer, ulid);
  return true;
}

static bool do_signal(asked *a, ln_err *err) {
  char ulid[LN_ULID + 1];
  if (!ln_run_signal(a->s->g, ln_v_get_str(a->what, "run"), ln_v_get_str(a->what, "name"), part(a, "value"),
                     a->who, ulid, err))
    return false;
  put_run(a->answer, ulid);
  return true;
}

static bool do_session(asked *a, ln_err *err) {
  ln_run_options o = {.plan = false};
  return begin(a, ln_session_start(a->s->g, &o, a->who, err));
}

static bool do_line(asked *a, ln_err *err) {
  char ulid[LN_ULID + 1];
  ln_str run = ln_v_get_str(a->what, "run"), text = ln_v_get_str(a->what, "text");
  bool plan = ln_v_get_bool(a->what, "plan", true);
  bool ok = ln_v_get_bool(a->what, "reload", false)
                ? ln_session_reload(a->s->g, run, a->who, ulid, err)
                : ln_session_line(a->s->g, run, text, plan, a->who, ulid, err);
  if (ok) put_run(a->answer, ulid);
  return ok;
}

/* A session with a line under way is never put away, so it is here, or not at work. */
static bool do_stop(asked *a, ln_err *err) {
  ln_session_stop_of(a->s->g, ln_v_get_str(a->what, "run"));
  (void)err;
  ln_v_end(a->answer, ln_v_begin(a->answer, 'O', 0));
  return true;
}

static bool do_fork(asked *a, ln_err *err) {
  char ulid[LN_ULID + 1], with[4096];
  ln_str folder = ln_v_get_str(a->what, "with");
  ln_fork_options o = {.act = ln_v_get_bool(a->what, "act", false), .by = a->who};
  snprintf(with, sizeof with, "%.*s", LN_STR_ARG(folder));
  if (folder.n) o.with = with;
  ln_travel *t = ln_travel_open(a->s->g, ln_v_get_str(a->what, "run"), err);
  bool ok = t && ln_travel_at(t, ln_v_get_int(a->what, "at", 0), err) &&
            ln_travel_fork(t, a->s->g, &o, ulid, err) &&
            ln_sched_want(a->s->sched, ln_str_of(ulid), LN_NOBODY, ulid, err);
  ln_travel_close(t);
  if (ok) put_run(a->answer, ulid);
  return ok;
}

static bool do_decide(asked *a, ln_err *err) {
  bool ok = ln_approval_decide(a->s->g, ln_v_get_int(a->what, "id", 0), ln_v_get_bool(a->what, "yes", false),
                               a->who, ln_v_get_str(a->what, "comment"), ln_v_get_str(a->what, "answer"),
                               ln_v_get_bool(a->what, "interactive", false), err);
  if (ok) ln_v_end(a->answer, ln_v_begin(a->answer, 'O', 0));
  ln_sched_nudge(a->s->sched);
  ln_alerts_nudge(a->s->alerts);                         /* of what a rule held back */
  return ok;
}

/* ------------------------------------------------------------------ the scripts */

static void put_text(ln_buf *b, const char *key, ln_str v) {
  ln_v_key(b, ln_str_of(key));
  ln_v_str(b, v);
}

static void count_stale(void *arg, const ln_stale *s) {
  (void)s;
  ++*(size_t *)arg;
}

static void put_stale(void *arg, const ln_stale *s) {
  ln_buf *b = arg;
  size_t mark = ln_v_begin(b, 'O', 5);
  put_text(b, "at", s->at);
  ln_v_key(b, LN_STR("last"));
  ln_v_bool(b, s->last);
  put_text(b, "module", s->module);
  ln_v_key(b, LN_STR("since"));
  ln_v_int(b, s->since_ms);
  put_text(b, "why", s->why);
  ln_v_end(b, mark);
}

static void put_all_stale(const asked *a, ln_str module) {
  size_t n = 0;
  ln_reload_stale(a->s->scripts, module, count_stale, &n);
  ln_v_key(a->answer, LN_STR("stale"));
  size_t mark = ln_v_begin(a->answer, 'A', n);
  ln_reload_stale(a->s->scripts, module, put_stale, a->answer);
  ln_v_end(a->answer, mark);
}

static bool do_declared(asked *a, ln_err *err) {
  ln_declared d;
  ln_str playbook = ln_v_get_str(a->what, "playbook");
  bool ok = ln_playbook_declared(a->s->g, playbook, &d, err);
  if (ok) {
    size_t mark = ln_v_begin(a->answer, 'O', 4);
    put_text(a->answer, "alert", ln_str_of(d.alert_input));
    put_text(a->answer, "name", ln_str_of(d.name));
    put_all_stale(a, playbook);
    ln_v_key(a->answer, LN_STR("value"));
    ln_v_raw(a->answer, ln_buf_view(&d.value));
    ln_v_end(a->answer, mark);
  }
  ln_declared_free(&d);
  return ok;
}

static bool do_library(asked *a, ln_err *err) {
  ln_snapshot *s = ln_snapshot_take(a->s->g, (ln_str){NULL, 0}, err);
  if (!s) return false;
  size_t mark = ln_v_begin(a->answer, 'O', 2);
  put_text(a->answer, "snapshot", ln_str_of(ln_snapshot_hash(s)));
  put_all_stale(a, (ln_str){NULL, 0});
  ln_v_end(a->answer, mark);
  ln_snapshot_drop(s);
  return true;
}

/* One run at a time: others have their turn in between. */
static bool do_migrate(asked *a, ln_err *err) {
  return ln_migrate(a->s->g, ln_v_get_str(a->what, "run"), a->who, a->answer, err) &&
         (ln_sched_nudge(a->s->sched), true);
}

static const struct { const char *name; bool (*fn)(asked *a, ln_err *err); } doings[] = {
    {"run", do_run},       {"call", do_call},     {"undo", do_undo},     {"release", do_release},
    {"resume", do_resume}, {"cancel", do_cancel}, {"signal", do_signal}, {"decide", do_decide},
    {"declared", do_declared}, {"library", do_library}, {"migrate", do_migrate},
    {"session", do_session}, {"line", do_line}, {"stop", do_stop}, {"fork", do_fork}};

static bool act(asked *a, ln_err *err) {
  ln_str what = ln_v_get_str(a->what, "do");
  for (size_t i = 0; i < sizeof doings / sizeof *doings; i++)
    if (ln_str_eq(what, ln_str_of(doings[i].name))) return doings[i].fn(a, err);
  return ln_fail(err, "usage", LN_FINAL,
                 "the process that serves this store knows no \"%.*s\": is it another version?",
                 what.n > 40 ? 40 : (int)what.n, what.p);
}

typedef struct answering { ln_peer *p; ln_buf answer; } answering;

static bool nothing(ln_tx *tx, void *arg, ln_err *err) {
  (void)tx, (void)arg, (void)err;
  return true;
}

static void answer_now(void *arg, const ln_err *err) {
  answering *x = arg;
  if (err) put_error(&x->answer, err);
  ln_peer_answer(x->p, ln_buf_view(&x->answer));
  ln_buf_free(&x->answer);
  free(x);
}

static void alerts_taken(void *arg, ln_str answer, const ln_err *err) {
  answering *x = arg;
  if (!err) ln_buf_add(&x->answer, answer);
  answer_now(x, err);
}

/* Answers by itself, when they are on disk. */
static bool take_alerts(const asked *a, answering *x, ln_err *err) {
  ln_alert_from from = {.by = a->who, .source = ln_v_get_str(a->what, "source")};
  return ln_alerts_take(a->s->alerts, ln_v_get_str(a->what, "text"), &from, alerts_taken, x, err);
}

/* What is answered is durable: the writer takes jobs in order. */
static void on_message(void *arg, ln_peer *p, ln_str who, ln_str message) {
  ln_server *s = arg;
  ln_err err = {0};
  answering *x = calloc(1, sizeof *x);
  if (!x) {
    ln_peer_answer(p, (ln_str){NULL, 0});
    return;
  }
  x->p = p;
  ln_buf_init(&x->answer, LN_LOCAL_MOST);
  asked a = {.s = s, .who = who, .what = message, .answer = &x->answer};
  if (ln_v_check(message, &err) && ln_str_eq(ln_v_get_str(message, "do"), LN_STR("alert"))) {
    if (!take_alerts(&a, x, &err)) answer_now(x, &err);
  } else if (err.code[0] || !act(&a, &err)) answer_now(x, &err);
  else if (!ln_writer_submit(s->g->store, s->g->loop, nothing, answer_now, x)) {
    ln_fail(&err, "memory", LN_AGAIN, "no memory for a job of the writer");
    answer_now(x, &err);
  }
}

/* ------------------------------------------------------------------ beginning and end */

/* Where the system watches no folders, files are looked at whenever a run begins. */
static void watch_scripts(ln_server *s) {
  ln_err err = {0};
  s->scripts = ln_reload_start(s->g, &err);
  if (!s->scripts) ln_log(LN_WARN, "scripts.unwatched", "error=%s", err.message);
}

ln_server *ln_server_start(ln_engine *g, ln_err *err) {
  ln_server *s = calloc(1, sizeof *s);
  char *path = socket_of(g->store);
  ln_sched_opts o = {.warm = 0};
  bool ok = (s && path) || ln_fail(err, "memory", LN_AGAIN, "no memory to serve");
  if (ok) s->g = g;
  ok = ok && (s->served = ln_serve_take(g->store, err));
  if (ok) watch_scripts(s);
  ok = ok && (s->local = ln_local_listen(g->loop, path, on_message, s, err)) &&
       (s->sched = ln_sched_start(g, &o, err)) && (s->alerts = ln_alerts_start(g, err)) &&
       (s->schedules = ln_schedules_start(g, err));
  free(path);
  if (ok) return s;
  ln_server_stop(s);
  return NULL;
}

void ln_server_stop(ln_server *s) {
  if (!s) return;
  ln_schedules_stop(s->schedules);
  ln_alerts_stop(s->alerts);
  ln_local_close(s->local);
  ln_sched_stop(s->sched);
  ln_reload_stop(s->scripts);
  ln_serve_drop(s->served);
  free(s);
}

/* ------------------------------------------------------------------ the other end */

bool ln_server_there(const ln_store *s) { return ln_serve_held(s); }

bool ln_server_ask(const ln_store *s, ln_str request, ln_buf *answer, ln_err *err) {
  ln_vitem refused;
  char *path = socket_of(s);
  bool ok =
      path ? ln_local_ask(path, request, answer, err) : ln_fail(err, "memory", LN_AGAIN, "no memory to ask");
  free(path);
  if (!ok || !ln_v_get(ln_buf_view(answer), LN_STR("error"), &refused)) return ok;
  ln_str code = ln_v_get_str(refused.whole, "code"), message = ln_v_get_str(refused.whole, "message");
  static const char *const codes[] = {"conflict", "not_found", "ambiguous", "usage",        "denied",
                                      "store",    "config",    "memory",    "bad_argument", "refused",
                                      "too_big",  "unavailable"};
  const char *known = "failed";
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    if (ln_str_eq(code, ln_str_of(codes[i]))) known = codes[i];
  return ln_fail(err, known, LN_FINAL, "%.*s", LN_STR_ARG(message));
}
