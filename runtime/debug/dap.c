/* dap.c: the Debug Adapter Protocol: an editor steps through a past run, in both directions.
**
** One request is answered after the other; what a request sets going (a step, a continue) has come to
** stand before the next one is read, so an editor never looks at a run that moves.  Only a pause comes in
** between: the wire's reader interrupts the run for it.
**
** At the end of the run the session stops like anywhere else, so that one can step back from there; to
** continue from the end ends it. */
#include "debug/dap.h"

#include "debug/dap_parts.h"
#include "engine/values.h"

#include <stdio.h>
#include <stdlib.h>

enum { ANSWER_MOST = 256 << 20 };

/* ------------------------------------------------------------------ saying something */

static void begin(dap *d, ln_json *j, ln_buf *b, const char *type) {
  ln_buf_init(b, ANSWER_MOST);
  ln_json_init(j, b);
  ln_json_open(j, '{');
  ln_json_key(j, LN_STR("seq"));
  ln_json_int(j, ++d->seq);
  ln_json_key(j, LN_STR("type"));
  ln_json_strz(j, type);
}

static void send(dap *d, ln_json *j, ln_buf *b) {
  ln_json_close(j, '}');
  if (ln_buf_failed(b) || !ln_dap_wire_put(d->wire, ln_buf_view(b))) d->failed = true;
  ln_buf_free(b);
}

static void begin_event(dap *d, ln_json *j, ln_buf *b, const char *event) {
  begin(d, j, b, "event");
  ln_json_key(j, LN_STR("event"));
  ln_json_strz(j, event);
  ln_json_key(j, LN_STR("body"));
  ln_json_open(j, '{');
}

static void end_event(dap *d, ln_json *j, ln_buf *b) {
  ln_json_close(j, '}');
  send(d, j, b);
}

static void event(dap *d, const char *name) {
  ln_buf b;
  ln_json j;
  begin_event(d, &j, &b, name);
  end_event(d, &j, &b);
}

void dap_output(dap *d, const char *category, ln_str text) {
  ln_buf b;
  ln_json j;
  begin_event(d, &j, &b, "output");
  ln_json_key(&j, LN_STR("category"));
  ln_json_strz(&j, category);
  ln_json_key(&j, LN_STR("output"));
  ln_json_str(&j, text);
  end_event(d, &j, &b);
}

static void say_line(dap *d, ln_str text) {
  ln_buf b;
  ln_buf_init(&b, 1 << 16);
  ln_buf_add(&b, text);
  ln_buf_addc(&b, '\n');
  dap_output(d, "console", ln_buf_view(&b));
  ln_buf_free(&b);
}

/* body: the members of the answer's; err: why not, or NULL */
static void answer(dap *d, const dap_request *q, ln_str body, const ln_err *err) {
  ln_buf b;
  ln_json j;
  begin(d, &j, &b, "response");
  ln_json_key(&j, LN_STR("request_seq"));
  ln_json_int(&j, q->seq);
  ln_json_key(&j, LN_STR("success"));
  ln_json_bool(&j, !err);
  ln_json_key(&j, LN_STR("command"));
  ln_json_str(&j, q->command);
  if (err) {
    ln_json_key(&j, LN_STR("message"));
    ln_json_strz(&j, err->message);
  }
  ln_json_key(&j, LN_STR("body"));
  ln_json_raw(&j, body);
  send(d, &j, &b);
}

int64_t dap_line_out(const dap *d, int64_t line) { return d->lines_at_0 ? line - 1 : line; }

/* ------------------------------------------------------------------ going */

static void end_session(dap *d, int code) {
  ln_buf b;
  ln_json j;
  if (d->over) return;
  d->over = true;
  event(d, "terminated");
  begin_event(d, &j, &b, "exited");
  ln_json_key(&j, LN_STR("exitCode"));
  ln_json_int(&j, code);
  end_event(d, &j, &b);
}

static void put_stopped(dap *d, const ln_standing *s, const char *reason) {
  ln_buf b;
  ln_json j;
  char text[64] = "";
  if (s->end) snprintf(text, sizeof text, "the end: %s", s->end);
  begin_event(d, &j, &b, "stopped");
  ln_json_key(&j, LN_STR("reason"));
  ln_json_strz(&j, reason);
  if (*text) ln_json_key(&j, LN_STR("description")), ln_json_strz(&j, text);
  ln_json_key(&j, LN_STR("threadId"));
  ln_json_int(&j, s->thread ? s->thread : 1);
  ln_json_key(&j, LN_STR("allThreadsStopped"));
  ln_json_bool(&j, true);
  if (strcmp(reason, "breakpoint") == 0) {
    ln_json_key(&j, LN_STR("hitBreakpointIds"));
    ln_json_open(&j, '[');
    ln_json_int(&j, s->breakpoint);
    ln_json_close(&j, ']');
  }
  end_event(d, &j, &b);
}

/* It stands somewhere: what was printed on the way, what one should know, and where. */
static void stopped(dap *d, const char *reason) {
  ln_buf out;
  ln_err err;
  ln_standing s;
  dap_forget(d);
  ln_buf_init(&out, 1 << 20);
  if (ln_travel_output(d->t, &out, &err) && out.n) dap_output(d, "stdout", ln_buf_view(&out));
  ln_buf_free(&out);
  ln_travel_where(d->t, &s);
  if (s.note.n) say_line(d, s.note);
  if (strcmp(reason, "pause") != 0 && s.why == LN_STANDS_BREAK) reason = "breakpoint";
  put_stopped(d, &s, s.why == LN_STANDS_PAUSED ? "pause" : reason);
}

static void went(dap *d, bool ok, const char *reason, const ln_err *err) {
  if (!ok) say_line(d, ln_str_of(err->message));
  stopped(d, reason);
}

/* From here on a pause interrupts t.  False: one has come already. */
static bool sets_out(dap *d) {
  pthread_mutex_lock(&d->lock);
  d->going = !ln_dap_wire_hurries(d->wire);
  bool going = d->going;
  pthread_mutex_unlock(&d->lock);
  return going;
}

static void arrives(dap *d) {
  pthread_mutex_lock(&d->lock);
  d->going = false;
  pthread_mutex_unlock(&d->lock);
}

static void go(dap *d, ln_go how) {
  ln_err err = {0};
  ln_standing s;
  ln_travel_where(d->t, &s);
  if (how == LN_GO_CONTINUE && s.end) {
    end_session(d, strcmp(s.end, "completed") == 0 || strcmp(s.end, "waits") == 0 ? 0 : 1);
    return;
  }
  bool sets = sets_out(d), ok = !sets || ln_travel_go(d->t, how, d->thread, &err);
  arrives(d);
  went(d, ok, sets ? "step" : "pause", &err);
}

/* ------------------------------------------------------------------ beginning */

static bool do_initialize(dap *d, dap_request *q) {
  static const char *const can[] = {"supportsConfigurationDoneRequest", "supportsStepBack",
                                    "supportsConditionalBreakpoints",   "supportsLogPoints",
                                    "supportsEvaluateForHovers",        "supportsDelayedStackTraceLoading",
                                    "supportsLoadedSourcesRequest",     "supportsTerminateRequest"};
  d->lines_at_0 = !ln_v_get_bool(q->args, "linesStartAt1", true);
  for (size_t i = 0; i < sizeof can / sizeof *can; i++) {
    ln_json_key(&q->body, ln_str_of(can[i]));
    ln_json_bool(&q->body, true);
  }
  return true;
}

/* `at`: where it stands first: "start" (its first line), "end", or a step's number. */
static bool read_at(dap *d, dap_request *q) {
  ln_vitem at;
  d->stop_on_entry = ln_v_get_bool(q->args, "stopOnEntry", true);
  if (!ln_v_get(q->args, LN_STR("at"), &at) || ln_str_eq(at.s, LN_STR("start"))) return true;
  d->at_end = at.tag == 'S' && ln_str_eq(at.s, LN_STR("end"));
  d->at_step = at.tag == 'I' ? at.i : 0;
  return d->at_end || at.tag == 'I' ||
         ln_fail(q->err, "usage", LN_FINAL, "at: \"start\", \"end\" or the number of a step is wanted");
}

static bool do_launch(dap *d, dap_request *q) {
  ln_str run = ln_v_get_str(q->args, "run");
  if (d->t) return ln_fail(q->err, "usage", LN_FINAL, "a run is open: a session has one");
  if (!run.n)
    return ln_fail(q->err, "usage", LN_FINAL, "run: which one?  its id, what begins it, or \"last\"");
  if (!read_at(d, q)) return false;
  return (d->t = ln_travel_open(d->g, run, q->err)) != NULL;
}

static void launched(dap *d) { event(d, "initialized"); }

static bool do_configured(dap *d, dap_request *q) {
  if (d->configured) return ln_fail(q->err, "usage", LN_FINAL, "it is configured already");
  return d->configured = true;
}

static void configured(dap *d) {
  ln_err err = {0};
  if (!d->stop_on_entry) {
    go(d, LN_GO_CONTINUE);
    return;
  }
  bool sets = sets_out(d), ok = true;
  if (sets) ok = d->at_end ? ln_travel_end(d->t, &err) : ln_travel_goto(d->t, d->at_step, &err);
  arrives(d);
  went(d, ok, "entry", &err);
}

/* ------------------------------------------------------------------ breakpoints */

static ln_str file_of(dap *d, ln_str source, ln_buf *doc) {
  ln_str path = ln_v_get_str(source, "path");
  int64_t n = ln_v_get_int(source, "sourceReference", 0);
  ln_vitem all, s = {0};
  ln_err quiet;
  if (n <= 0 || !ln_travel_sources(d->t, doc, &quiet)) return path.n ? path : ln_v_get_str(source, "name");
  ln_str rest = ln_buf_view(doc);
  if (ln_v_read(&rest, &all))
    for (int64_t i = 1; i <= n && ln_v_read(&all.body, &s); i++) continue;
  return ln_v_get_str(s.whole, "module");
}

/* The editor sends all breakpoints of a script anew. */
static void drop_breaks(dap *d, ln_str module) {
  ln_buf doc;
  ln_vitem all, b;
  ln_err quiet;
  ln_buf_init(&doc, 16 << 20);
  ln_str rest = ln_travel_breaks(d->t, &doc, &quiet) ? ln_buf_view(&doc) : (ln_str){NULL, 0};
  if (ln_v_read(&rest, &all))
    while (ln_v_read(&all.body, &b))
      if (ln_str_eq(ln_v_get_str(b.whole, "module"), module))
        ln_travel_unbreak(d->t, ln_v_get_int(b.whole, "id", 0));
  ln_buf_free(&doc);
}

static void put_break(dap *d, ln_json *j, ln_str file, ln_str wanted) {
  ln_err err = {0};
  int64_t near, line = ln_v_get_int(wanted, "line", 0) + d->lines_at_0;
  ln_break b = {file, line, ln_v_get_str(wanted, "condition"), ln_v_get_str(wanted, "logMessage")};
  int64_t id = ln_travel_break(d->t, &b, &near, &err);
  ln_json_open(j, '{');
  if (id) ln_json_key(j, LN_STR("id")), ln_json_int(j, id);
  ln_json_key(j, LN_STR("verified"));
  ln_json_bool(j, id != 0);
  ln_json_key(j, LN_STR("line"));
  ln_json_int(j, dap_line_out(d, line));
  if (!id) ln_json_key(j, LN_STR("message")), ln_json_strz(j, err.message);
  ln_json_close(j, '}');
}

static bool do_breakpoints(dap *d, dap_request *q) {
  ln_vitem source, list = {0}, b;
  ln_buf sources, script;
  ln_err none;
  if (!ln_v_get(q->args, LN_STR("source"), &source))
    return ln_fail(q->err, "usage", LN_FINAL, "setBreakpoints needs a source");
  ln_v_get(q->args, LN_STR("breakpoints"), &list);
  ln_buf_init(&sources, 16 << 20);
  ln_buf_init(&script, 16 << 20);
  ln_str file = file_of(d, source.whole, &sources);
  if (ln_travel_source(d->t, file, &script, &none))
    drop_breaks(d, ln_v_get_str(ln_buf_view(&script), "module"));
  ln_json_key(&q->body, LN_STR("breakpoints"));
  ln_json_open(&q->body, '[');
  if (list.tag == 'A')
    while (ln_v_read(&list.body, &b)) put_break(d, &q->body, file, b.whole);
  ln_json_close(&q->body, ']');
  ln_buf_free(&sources);
  ln_buf_free(&script);
  return true;
}

/* ------------------------------------------------------------------ requests */

/* Of a pause: what moved when it came has stopped for it, and said so. */
static bool nothing(dap *d, dap_request *q) {
  (void)d, (void)q;
  return true;
}

static bool do_continue(dap *d, dap_request *q) {
  (void)d;
  ln_json_key(&q->body, LN_STR("allThreadsContinued"));
  ln_json_bool(&q->body, true);
  return true;
}

static void then_continue(dap *d) { go(d, LN_GO_CONTINUE); }
static void then_next(dap *d) { go(d, LN_GO_NEXT); }
static void then_into(dap *d) { go(d, LN_GO_INTO); }
static void then_out(dap *d) { go(d, LN_GO_OUT); }
static void then_back(dap *d) { go(d, LN_GO_BACK); }
static void then_reverse(dap *d) { go(d, LN_GO_REVERSE); }
static void then_end(dap *d) { end_session(d, 0); }

static void then_leave(dap *d) {
  end_session(d, 0);
  d->gone = true;
}

typedef struct command {
  const char *name;
  dap_fn fn;
  void (*then)(dap *d);           /* after its answer, where it went well; or NULL */
  enum { ANY, OPEN, READY } when; /* READY: open, and configured */
} command;

static const command commands[] = {{"initialize", do_initialize, NULL, ANY},
                                   {"launch", do_launch, launched, ANY},
                                   {"attach", do_launch, launched, ANY},
                                   {"setBreakpoints", do_breakpoints, NULL, OPEN},
                                   {"setExceptionBreakpoints", nothing, NULL, ANY},
                                   {"setFunctionBreakpoints", nothing, NULL, ANY},
                                   {"configurationDone", do_configured, configured, OPEN},
                                   {"threads", dap_threads, NULL, OPEN},
                                   {"stackTrace", dap_stack, NULL, READY},
                                   {"scopes", dap_scopes, NULL, READY},
                                   {"variables", dap_variables, NULL, READY},
                                   {"evaluate", dap_evaluate, NULL, READY},
                                   {"continue", do_continue, then_continue, READY},
                                   {"next", nothing, then_next, READY},
                                   {"stepIn", nothing, then_into, READY},
                                   {"stepOut", nothing, then_out, READY},
                                   {"stepBack", nothing, then_back, READY},
                                   {"reverseContinue", nothing, then_reverse, READY},
                                   {"pause", nothing, NULL, READY},
                                   {"source", dap_source, NULL, OPEN},
                                   {"loadedSources", dap_sources, NULL, OPEN},
                                   {"terminate", nothing, then_end, ANY},
                                   {"disconnect", nothing, then_leave, ANY}};

static const command *command_named(ln_str name) {
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
    if (ln_str_eq(name, ln_str_of(commands[i].name))) return &commands[i];
  return NULL;
}

static bool may(const dap *d, const command *c, ln_str name, ln_err *err) {
  if (!c) return ln_fail(err, "not_found", LN_FINAL, "there is no request %.*s here", LN_STR_ARG(name));
  if (c->when != ANY && d->over) return ln_fail(err, "usage", LN_FINAL, "the session is over: disconnect");
  if (c->when != ANY && !d->t)
    return ln_fail(err, "usage", LN_FINAL, "no run is open: launch one with { run = … }");
  if (c->when == READY && !d->configured)
    return ln_fail(err, "usage", LN_FINAL, "it is not configured yet: configurationDone");
  return true;
}

static void serve_request(dap *d, dap_request *q) {
  const command *c = command_named(q->command);
  ln_buf body, none;
  ln_buf_init(&body, ANSWER_MOST);
  ln_buf_init(&none, 16);
  ln_buf_addz(&none, "{}");
  ln_json_init(&q->body, &body);
  ln_json_open(&q->body, '{');
  bool ok = may(d, c, q->command, q->err) && c->fn(d, q);
  ln_json_close(&q->body, '}');
  ok = ok && ln_buf_ok(&body, q->err);
  answer(d, q, ok ? ln_buf_view(&body) : ln_buf_view(&none), ok ? NULL : q->err);
  d->thread = ln_v_get_int(q->args, "threadId", 0);
  if (ok && c->then) c->then(d);
  ln_buf_free(&body);
  ln_buf_free(&none);
}

/* What is no request gets an answer, too, so that whoever sent it hears of it. */
static void serve_message(dap *d, ln_str text, ln_err *err) {
  ln_buf value;
  ln_vitem args = {0};
  dap_request q = {.err = err};
  ln_buf_init(&value, 64 << 20);
  bool ok = !err->code[0] && ln_host_json(d->g->host, text, &value, err);
  ln_str m = ln_buf_view(&value);
  q.seq = ln_v_get_int(m, "seq", 0);
  q.command = ln_v_get_str(m, "command");
  if (ln_v_get(m, LN_STR("arguments"), &args) && args.tag == 'O') q.args = args.whole;
  if (ok && !ln_str_eq(ln_v_get_str(m, "type"), LN_STR("request")))
    ok = ln_fail(err, "usage", LN_FINAL,
                 "a request is wanted: { seq, type = \"request\", command, arguments }");
  if (ok) serve_request(d, &q);
  else answer(d, &q, LN_STR("{}"), err);
  ln_buf_free(&value);
}

/* In the reader's thread. */
static void hurry(void *arg) {
  dap *d = arg;
  pthread_mutex_lock(&d->lock);
  if (d->going) ln_travel_interrupt(d->t);
  pthread_mutex_unlock(&d->lock);
}

bool ln_dap_serve(ln_engine *g, int in, int out, ln_err *err) {
  dap d = {.g = g};
  ln_buf body;
  ln_err why = {0};
  ln_buf_init(&body, LN_DAP_BODY_MOST);
  pthread_mutex_init(&d.lock, NULL);
  bool ok = (d.wire = ln_dap_wire_new(in, out, hurry, &d, err)) != NULL, more = ok;
  while (more && !d.gone && !d.failed)
    if ((more = ln_dap_wire_next(d.wire, &body, &why))) serve_message(&d, ln_buf_view(&body), &why);
  if (ok && !more && why.code[0]) {
    say_line(&d, ln_str_of(why.message));
    ok = (*err = why, false);
  }
  if (ok && !more) end_session(&d, 0);
  ln_dap_wire_free(d.wire);
  ln_travel_close(d.t);
  pthread_mutex_destroy(&d.lock);
  free(d.refs);
  ln_buf_free(&body);
  return ok;
}
