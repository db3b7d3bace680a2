/* serve.c: what commands may ask of the process that serves a store:
**
**   run      { playbook, input?, assume?, plan?, approve?, key?, trace?, source? }
**                                                    → { run }   the one that the key has begun
**   call     { op, args?, plan?, approve? }                        → { run }
**   undo     { run, line?, plan?, approve?, despite_freeze? }      → { run }
**   release  { entities, why, plan?, approve?, despite_freeze? }   → { run }
**   resume   { run, step?, did?, result? }                         → { run }
**   cancel   { run }                                               → { run }
**   signal   { run, name, value? }                                 → { run }
**   migrate  { run, source? }                                      → as ln_migrate has it
**   session  {}                                                    → { run }   a prompt's
**   line     { run, text?, plan?, assume?, reload? }               → { run }   with none of these: its end
**   stop     { run }                                               → {}        the line under way
**   fork     { run, step, at, act?, assume?, with? }               → { run }   from a point of it
**   alert    { text, source? }                 → as alerts.h has it, once durable
**   decide   { id, yes, comment?, answer?, interactive? }          → {}
**   declared { playbook, source? }                   → { alert, name, stale, value }: as ln_declared has it
**   library  {}                                      → { snapshot, stale }
**
** source: { path, text } of a playbook that is named by its path.  with: the snapshot of a folder's scripts,
** in the store.  Whoever asks has read both: this process may have no right to.
**
** stale: of what goes on with its last good version, or has none: an array of
** { at, last, module, since, why }.
**
** A refusal is { error = { code, message } }.  Who asks is told by the kernel (or, over HTTP, by their
** token), not by the message. */
#include "server/serve.h"

#include "base/log.h"
#include "debug/travel.h"
#include "engine/alerts.h"
#include "engine/dropbox.h"
#include "engine/library.h"
#include "engine/migrate.h"
#include "engine/notices.h"
#include "engine/poll.h"
#include "engine/reload.h"
#include "engine/run.h"
#include "engine/sched.h"
#include "engine/schedule.h"
#include "engine/silence.h"
#include "engine/webhook.h"
#include "net/local.h"
#include "net/vendor.h"
#include "server/events.h"
#include "server/http.h"
#include "server/tallies.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct doing doing;

struct ln_service {
  ln_engine *g;
  ln_served *served;
  ln_sched *sched;
  ln_alerts *alerts;
  ln_schedules *schedules;
  ln_dropbox *folder;                                    /* NULL: none is configured                        */
  ln_polls *polls;
  ln_notices *notices;
  ln_local *local;
  ln_reload *scripts;                                    /* NULL: they cannot be watched here               */
  ln_http *http;                                         /* NULL: nobody listens                            */
  ln_events *events;
  ln_tallies *tallies;
  ln_shelf shelf;
  doing *under_way;
  struct { int64_t until_ms; void (*done)(void *arg); void *arg; ln_timer look; } drain; /* done NULL: none */
};

struct doing { /* what was asked, until what came of it is durable */
  ln_service *s;                                         /* NULL: it is no more                             */
  ln_service_fn done;
  void *arg;                                             /* NULL: nobody wants to know any more             */
  char *key;                                             /* NULL: none                                      */
  char begun[LN_ULID + 1], digest[2 * LN_SHA256 + 1];    /* the run that it began, and what it asked for    */
  char who[128], of[128];
  bool anew, on_its_way;                                 /* it was not begun before; nor durable then       */
  ln_buf answer;
  doing *next;
};

typedef struct asked { ln_service *s; ln_str who, what; doing *d; ln_buf *answer; } asked;

static char *socket_of(const ln_store *s) {
  ln_buf b;
  ln_buf_init(&b, 1 << 14);
  ln_buf_addf(&b, "%s.owner/socket", ln_store_path(s));
  return ln_buf_take(&b, NULL);
}

/* ------------------------------------------------------------------ answers */

typedef struct member { const char *key; ln_str v; } member;

/* Tells whoever watches; members: of one JSON object. */
static void tell(ln_service *s, const char *kind, const member *v, size_t n) {
  ln_buf b;
  ln_json j;
  ln_buf_init(&b, 1 << 17);
  ln_json_init(&j, &b);
  ln_json_open(&j, '{');
  for (size_t i = 0; i < n; i++) {
    ln_json_key(&j, ln_str_of(v[i].key));
    ln_json_str(&j, v[i].v);
  }
  ln_json_close(&j, '}');
  if (!ln_buf_failed(&b)) ln_events_add(s->events, kind, ln_buf_view(&b));
  ln_buf_free(&b);
}

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
  *o = (ln_run_options){.event = ln_service_on_event,
                        .event_arg = a->s,
                        .plan = ln_v_get_bool(a->what, "plan", false),
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

static bool begin(const asked *a, ln_run *r, ln_str of) {
  if (!r) return false;
  put_run(a->answer, ln_run_ulid(r));
  memcpy(a->d->begun, ln_run_ulid(r), sizeof a->d->begun);
  snprintf(a->d->of, sizeof a->d->of, "%.*s", LN_STR_ARG(of));
  a->d->anew = a->d->on_its_way = true;
  return true;
}

/* Of the request before that had that key, be it under way or long ago; *found: there was one. */
static bool find_keyed(const asked *a, ln_keyed_run *was, bool *found, ln_err *err) {
  for (const doing *d = a->s->under_way; d; d = d->next) {
    if (d == a->d || !d->key || strcmp(d->key, a->d->key) != 0 || !d->begun[0]) continue;
    memcpy(was->ulid, d->begun, sizeof was->ulid);
    memcpy(was->digest, d->digest, sizeof was->digest);
    return *found = a->d->on_its_way = true;
  }
  return ln_store_request(a->s->g->store, ln_str_of(a->d->key), was, found, err);
}

/* Keys are each caller's own.  *done: the answer is the run that the key has begun. */
static bool look_for_key(const asked *a, ln_str key, bool *done, ln_err *err) {
  doing *d = a->d;
  ln_keyed_run was;
  ln_buf b;
  uint8_t sha[LN_SHA256] = {0};
  ln_buf_init(&b, (size_t)300 << 20);
  ln_buf_addf(&b, "%.*s\n%.*s", LN_STR_ARG(a->who), LN_STR_ARG(key));
  d->key = ln_buf_take(&b, NULL);
  if (!d->key) return ln_fail(err, "memory", LN_AGAIN, "no memory for a key");
  ln_buf_addf(&b, "%.*s\n%d\n", LN_STR_ARG(ln_v_get_str(a->what, "playbook")),
              ln_v_get_bool(a->what, "plan", false));
  ln_buf_add(&b, part(a, "input"));
  bool ok = ln_buf_ok(&b, err) && ln_sha256(ln_buf_view(&b), sha) && find_keyed(a, &was, done, err);
  ln_buf_free(&b);
  ln_hex(sha, sizeof sha, d->digest);
  if (!ok || !*done) return ok;
  if (strcmp(was.digest, d->digest) != 0)
    return ln_fail(err, "conflict", LN_FINAL, "that key has begun run %s with another request", was.ulid);
  put_run(a->answer, was.ulid);
  memcpy(d->begun, was.ulid, sizeof d->begun);
  return true;
}

static bool do_run(asked *a, ln_err *err) {
  ln_run_options o;
  ln_str key = ln_v_get_str(a->what, "key"), playbook = ln_v_get_str(a->what, "playbook");
  bool done = false;
  if (key.n && !look_for_key(a, key, &done, err)) return false;
  if (done) return true;
  if (!options_of(a, &o, err)) return false;
  if (a->d->key) o.key = ln_str_of(a->d->key), o.key_digest = ln_str_of(a->d->digest);
  o.despite_freeze = false;                              /* that is for taking back */
  o.trace = ln_v_get_str(a->what, "trace");
  return begin(a, ln_run_start(a->s->g, playbook, part(a, "input"), &o, a->who, err), playbook);
}

static bool do_call(asked *a, ln_err *err) {
  ln_run_options o;
  ln_str op = ln_v_get_str(a->what, "op");
  return options_of(a, &o, err) &&
         begin(a, ln_run_call(a->s->g, op, part(a, "args"), &o, a->who, err), op);
}

static bool do_undo(asked *a, ln_err *err) {
  ln_run_options o;
  return options_of(a, &o, err) &&
         begin(a, ln_undo_start(a->s->g, ln_v_get_str(a->what, "run"), ln_v_get_int(a->what, "line", 0), &o,
                                a->who, err),
               LN_STR("ledger.undo"));
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
  return ok && begin(a, ln_release_start(a->s->g, &what, &o, a->who, err), LN_STR("ledger.release"));
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
  ln_run_options o = {.event = ln_service_on_event, .event_arg = a->s};
  return begin(a, ln_session_start(a->s->g, &o, a->who, err), LN_STR("repl"));
}

static bool do_line(asked *a, ln_err *err) {
  char ulid[LN_ULID + 1];
  ln_str run = ln_v_get_str(a->what, "run");
  ln_line line = {.text = ln_v_get_str(a->what, "text"),
                  .plan = ln_v_get_bool(a->what, "plan", true),
                  .assume = part(a, "assume")};
  bool ok = ln_v_get_bool(a->what, "reload", false)
                ? ln_session_reload(a->s->g, run, a->who, ulid, err)
                : ln_session_line(a->s->g, run, &line, a->who, ulid, err);
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
  char ulid[LN_ULID + 1];
  ln_fork_options o = {.act = ln_v_get_bool(a->what, "act", false),
                       .assume = part(a, "assume"),
                       .snapshot = ln_v_get_str(a->what, "with"),
                       .by = a->who};
  ln_fork_point p = {.step = ln_v_get_int(a->what, "step", 0), .at = ln_v_get_int(a->what, "at", 0)};
  bool ok = ln_fork_at(a->s->g, ln_v_get_str(a->what, "run"), &p, &o, ulid, err) &&
            ln_sched_want(a->s->sched, ln_str_of(ulid), LN_NOBODY, ulid, err);
  if (ok) put_run(a->answer, ulid);
  return ok;
}

static bool tell_decided(void *arg, const ln_approval *q) {
  const asked *a = arg;
  char id[LN_INT_TEXT];
  const member v[] = {{"id", ln_str_int(q->id, id)},
                      {"run", ln_str_of(q->ulid)},
                      {"state", q->state},
                      {"by", a->who},
                      {"title", q->title}};
  tell(a->s, "approval", v, sizeof v / sizeof *v);
  return false;
}

static bool do_decide(asked *a, ln_err *err) {
  ln_err quiet = {0};
  bool ok = ln_approval_decide(a->s->g, ln_v_get_int(a->what, "id", 0), ln_v_get_bool(a->what, "yes", false),
                               a->who, ln_v_get_str(a->what, "comment"), ln_v_get_str(a->what, "answer"),
                               ln_v_get_bool(a->what, "interactive", false), err);
  if (ok) {
    ln_v_end(a->answer, ln_v_begin(a->answer, 'O', 0));
    ln_store_approval(a->s->g->store, ln_v_get_int(a->what, "id", 0), tell_decided, a, &quiet);
  }
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
  ln_str what = ln_v_get_str(a->what, "do"), source = part(a, "source");
  ln_engine *g = a->s->g;
  for (size_t i = 0; i < sizeof doings / sizeof *doings; i++) {
    if (!ln_str_eq(what, ln_str_of(doings[i].name))) continue;
    g->lent.path = ln_v_get_str(source, "path");
    g->lent.text = ln_v_get_str(source, "text");
    bool ok = doings[i].fn(a, err);
    g->lent.path = g->lent.text = (ln_str){NULL, 0};
    return ok;
  }
  return ln_fail(err, "usage", LN_FINAL,
                 "the process that serves this store knows no \"%.*s\": is it another version?",
                 what.n > 40 ? 40 : (int)what.n, what.p);
}

/* ------------------------------------------------------------------ when it is durable */

static void tell_begun(const doing *d) {
  const member v[] = {{"run", ln_str_of(d->begun)},
                      {"playbook", ln_str_of(d->of)},
                      {"state", LN_STR("running")},
                      {"by", ln_str_of(d->who)}};
  tell(d->s, "run", v, sizeof v / sizeof *v);
}

static void over(doing *d, const ln_err *err) {
  for (doing **at = d->s ? &d->s->under_way : NULL; at && *at; at = &(*at)->next)
    if (*at == d) {
      *at = d->next;
      break;
    }
  if (!err && d->anew && d->s) tell_begun(d);
  if (d->arg) d->done(d->arg, ln_buf_view(&d->answer), err);
  ln_buf_free(&d->answer);
  free(d->key);
  free(d);
}

static void alerts_taken(void *arg, ln_str answer, const ln_err *err) {
  doing *d = arg;
  if (!err) ln_buf_add(&d->answer, answer);
  over(d, err);
}

/* Answers by itself, when they are on disk. */
static bool take_alerts(const asked *a, ln_err *err) {
  ln_alert_from from = {.by = a->who, .source = ln_v_get_str(a->what, "source")};
  return ln_alerts_take(a->s->alerts, ln_v_get_str(a->what, "text"), &from, alerts_taken, a->d, err);
}

/* The row of a run that was begun may have been in a batch that failed, and this job in the next one. */
static bool is_there(ln_tx *tx, void *arg, ln_err *err) {
  const doing *d = arg;
  int64_t run;
  if (!d->on_its_way || ln_tx_run_called(tx, ln_str_of(d->begun), &run, err)) return true;
  return ln_fail(err, "store", LN_AGAIN, "the run could not be written down: nothing was begun");
}

static void is_durable(void *arg, const ln_err *err) { over(arg, err); }

void ln_service_do(ln_service *s, ln_str who, ln_str request, ln_service_fn done, void *arg) {
  ln_err err = {0};
  doing *d = calloc(1, sizeof *d);
  if (!d) {
    ln_fail(&err, "memory", LN_AGAIN, "no memory for a request");
    done(arg, (ln_str){NULL, 0}, &err);
    return;
  }
  *d = (doing){.s = s, .done = done, .arg = arg, .next = s->under_way};
  s->under_way = d;
  snprintf(d->who, sizeof d->who, "%.*s", LN_STR_ARG(who));
  ln_buf_init(&d->answer, LN_LOCAL_MOST);
  asked a = {.s = s, .who = who, .what = request, .d = d, .answer = &d->answer};
  if (ln_v_check(request, &err) && ln_str_eq(ln_v_get_str(request, "do"), LN_STR("alert"))) {
    if (!take_alerts(&a, &err)) over(d, &err);
  } else if (err.code[0] || !act(&a, &err)) over(d, &err);
  else if (!ln_writer_submit(s->g->store, s->g->loop, is_there, is_durable, d)) {
    ln_fail(&err, "memory", LN_AGAIN, "no memory for a job of the writer");
    over(d, &err);
  }
}

static void answer_peer(void *arg, ln_str answer, const ln_err *err) {
  ln_buf b;
  ln_buf_init(&b, 1 << 14);
  if (err) put_error(&b, err);
  ln_peer_answer(arg, err ? ln_buf_view(&b) : answer);
  ln_buf_free(&b);
}

static void on_message(void *arg, ln_peer *p, ln_str who, ln_str message) {
  ln_service_do(arg, who, message, answer_peer, p);
}

/* ------------------------------------------------------------------ beginning and end */

void ln_service_on_event(void *arg, ln_run *r, const ln_event *e) {
  ln_service *s = arg;
  if (!ln_run_id(r)) return;                             /* it has no row: it never was                     */
  ln_tallies_of_run(s->tallies, r, e);
  ln_events_of_run(s->events, r, e);
}

static void json_stale(void *arg, const ln_stale *x) {
  ln_json *j = arg;
  ln_json_open(j, '{');
  ln_json_key(j, LN_STR("module"));
  ln_json_str(j, x->module);
  ln_json_key(j, LN_STR("at"));
  ln_json_str(j, x->at);
  ln_json_key(j, LN_STR("why"));
  ln_json_str(j, x->why);
  ln_json_close(j, '}');
}

static void on_scripts(void *arg) {
  ln_service *s = arg;
  ln_buf b;
  ln_json j;
  ln_err quiet = {0};
  ln_snapshot *now = ln_snapshot_take(s->g, (ln_str){NULL, 0}, &quiet);
  ln_buf_init(&b, 1 << 17);
  ln_json_init(&j, &b);
  ln_json_open(&j, '{');
  ln_json_key(&j, LN_STR("snapshot"));
  ln_json_strz(&j, now ? ln_snapshot_hash(now) : NULL);
  ln_json_key(&j, LN_STR("stale"));
  ln_json_open(&j, '[');
  ln_reload_stale(s->scripts, (ln_str){NULL, 0}, json_stale, &j);
  ln_json_close(&j, ']');
  ln_json_close(&j, '}');
  if (!ln_buf_failed(&b)) ln_events_add(s->events, "library", ln_buf_view(&b));
  ln_buf_free(&b);
  ln_snapshot_drop(now);
}

/* Where the system watches no folders, files are looked at whenever a run begins. */
static void watch_scripts(ln_service *s) {
  ln_err err = {0};
  s->scripts = ln_reload_start(s->g, NULL, &err);
  if (!s->scripts) ln_log(LN_WARN, "scripts.unwatched", "error=%s", err.message);
  else ln_reload_told(s->scripts, on_scripts, s);
}

static bool watch_folder(ln_service *s, ln_err *err) {
  ln_str folder = s->g->config->intake_folder;
  return !folder.n || (s->folder = ln_dropbox_start(s->g, s->alerts, folder, err));
}

ln_service *ln_service_start(ln_engine *g, const ln_service_opts *o, ln_err *err) {
  ln_service *s = calloc(1, sizeof *s);
  char *path = socket_of(g->store);
  ln_sched_opts so = {.event = ln_service_on_event, .event_arg = s};
  bool ok = (s && path) || ln_fail(err, "memory", LN_AGAIN, "no memory to serve");
  if (ok) s->g = g, ln_buf_init(&s->shelf.playbooks, (size_t)64 << 20);
  ok = ok && (s->served = ln_serve_take(g->store, err)) && (s->events = ln_events_new(g, err)) &&
       (s->tallies = ln_tallies_new(err));
  if (ok) watch_scripts(s), ln_webhook_prepare(g);
  ok = ok && (s->local = ln_local_listen(g->loop, path, on_message, s, err)) &&
       (s->sched = ln_sched_start(g, &so, err)) && (s->alerts = ln_alerts_start(g, err)) &&
       (s->schedules = ln_schedules_start(g, err)) && watch_folder(s, err) &&
       (s->polls = ln_polls_start(g, s->alerts, err)) && ln_silence_begin(g, err) &&
       (s->notices = ln_notices_start(g, err)) &&
       ln_http_start(s, g, o->fd, &s->http, err);
  free(path);
  if (ok) return s;
  ln_service_stop(s);
  return NULL;
}

void ln_service_stop(ln_service *s) {
  if (!s) return;
  ln_schedules_stop(s->schedules);
  ln_dropbox_stop(s->folder);
  ln_polls_stop(s->polls);
  ln_notices_stop(s->notices);
  ln_alerts_stop(s->alerts);
  if (s->g) s->g->loop->cancel(s->g->loop, &s->drain.look);
  for (doing *d = s->under_way; d; d = d->next) d->arg = NULL, d->s = NULL; /* the writer still has them */
  if (s->events) ln_events_end(s->events);
  ln_http_stop(s->http);
  ln_local_close(s->local);
  ln_sched_stop(s->sched);
  ln_polls_free(s->polls);
  ln_reload_stop(s->scripts);
  ln_events_free(s->events);
  ln_buf_free(&s->shelf.playbooks);
  ln_tallies_free(s->tallies);
  ln_serve_drop(s->served);
  free(s);
}

void ln_service_where(const ln_service *s, ln_buf *out) {
  if (s->http) ln_http_where(s->http, out);
}

/* ------------------------------------------------------------------ the end in order, and reading again */

enum { LOOK_MS = 20 };

static void add_writing(void *arg, const char *name, const ln_vendor *v) {
  (void)name;
  ln_vendor_stats stats;
  ln_vendor_stats_get(v, &stats);
  *(int64_t *)arg += stats.writing;
}

/* A write whose answer nobody heard would be in doubt. */
static int64_t writing(ln_service *s) {
  int64_t n = 0;
  if (s->g->each_vendor) s->g->each_vendor(s->g, add_writing, &n);
  return n;
}

static void look_drained(void *arg) {
  ln_service *s = arg;
  ln_loop *l = s->g->loop;
  size_t unanswered = ln_http_busy(s->http);
  int64_t unheard = writing(s);
  bool late = ln_mono_us(l->clock) / 1000 >= s->drain.until_ms;
  if (late) ln_log(LN_WARN, "serve.drain", "unanswered=%zu writes=%lld", unanswered, (long long)unheard);
  if (late || (!unanswered && !unheard && !s->under_way)) s->drain.done(s->drain.arg);
  else l->timer(l, &s->drain.look, LOOK_MS);
}

void ln_service_drain(ln_service *s, int64_t bound_ms, void (*done)(void *arg), void *arg) {
  s->drain.until_ms = ln_mono_us(s->g->loop->clock) / 1000 + bound_ms;
  s->drain.done = done;
  s->drain.arg = arg;
  s->drain.look = (ln_timer){.loop = s->g->loop, .fn = look_drained, .arg = s};
  ln_http_drain(s->http);
  ln_events_end(s->events);
  look_drained(s);
}

bool ln_service_reload(ln_service *s, ln_err *err) {
  ln_reload_again(s->scripts);
  return ln_http_reload(s->http, err);
}

ln_shelf *ln_service_shelf(ln_service *s) { return &s->shelf; }
struct ln_alerts *ln_service_alerts(const ln_service *s) { return s->alerts; }
ln_events *ln_service_events(const ln_service *s) { return s->events; }
ln_tallies *ln_service_tallies(const ln_service *s) { return s->tallies; }
const ln_reload *ln_service_scripts(const ln_service *s) { return s->scripts; }
const struct ln_notices *ln_service_notices(const ln_service *s) { return s->notices; }
const ln_sched *ln_service_sched(const ln_service *s) { return s->sched; }
bool ln_service_is_draining(const ln_service *s) { return s->drain.done != NULL; }
void ln_service_nudge(ln_service *s) { ln_sched_nudge(s->sched); }

/* ------------------------------------------------------------------ the other end */

bool ln_service_there(const ln_store *s) { return ln_serve_held(s); }

bool ln_service_ask(const ln_store *s, ln_str request, ln_buf *answer, ln_err *err) {
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
