/* carry.c: one run in the foreground.  What is shown comes after the commit; a question is put to the
** terminal only when the run has nothing else to do, so waiting for a person never holds up the rest. */
#include "cli/carry.h"

#include "cli/remote.h"
#include "engine/timing.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { LEASES_MS = 1000 };
static ln_loop *stopping;
static ln_engine *watched;
static ln_lease_watch leases; /* without a daemon, whoever runs runs looks after them; no engine: not here */

static void look_at_leases(void) {
  static int64_t next_ms;
  ln_err err;
  if (!leases.g || ln_now_ms(leases.g->loop->clock) < next_ms) return;
  if (!ln_leases_look(&leases, &next_ms, &err)) ln_app_fail(&err);
  ln_timing_alive(leases.g);
  int64_t soon = ln_now_ms(leases.g->loop->clock) + LEASES_MS; /* other processes make some, too */
  if (next_ms > soon) next_ms = soon;
}

/* A signal handler may do nothing but set a flag: a timer looks at it. */
static void look_for_signal(void *arg) {
  ln_timer *t = arg;
  if (ln_store_changed(watched->store)) ln_runs_look(watched);
  look_at_leases();
  if (ln_app_interrupted()) stopping->stop(stopping);
  else stopping->timer(stopping, t, 50);
}

/* ------------------------------------------------------------------ showing */

static const char *paint(const char *colour) { return ln_app_colour(stdout) ? colour : ""; }

static void show_stage(const ln_event *e) {
  ln_str stage = ln_v_get_str(e->text, "stage"), state = ln_v_get_str(e->text, "state"),
         why = ln_v_get_str(e->text, "why");
  fputs(paint("\033[1m"), stdout);
  ln_app_put(stdout, stage, 8);
  fputs(paint("\033[0m"), stdout);
  putchar(' ');
  ln_app_put(stdout, state, 0);
  if (why.n) fputs(": ", stdout);
  ln_app_put(stdout, why, 0);
  putchar('\n');
}

static void show_step(const ln_event *e) {
  bool bad = ln_str_eq(e->state, LN_STR("failed")) || ln_str_eq(e->state, LN_STR("refused")) ||
             ln_str_eq(e->state, LN_STR("doubt"));
  printf("  %s%-9.*s%s ", paint(bad ? "\033[31m" : "\033[2m"), LN_STR_ARG(e->state), paint("\033[0m"));
  ln_app_put(stdout, e->name, 0);
  if (e->ms >= 1000) printf("  %.1f s", (double)e->ms / 1000.0);
  putchar('\n');
}

/* A remark of the playbook; what else it notes stands in the report. */
static void show_note(const ln_event *e) {
  ln_str level = ln_v_get_str(e->text, "level"), message = ln_v_get_str(e->text, "message");
  if (!ln_str_eq(e->name, LN_STR("log")) || !level.n) return;
  printf("  %-9.*s ", LN_STR_ARG(level));
  ln_app_put(stdout, message, 0);
  putchar('\n');
}

void ln_carry_asks(ln_str title, int64_t id) {
  fputs("  asks      ", stdout);
  ln_app_put(stdout, title, 0);
  printf(" (approval %lld)\n", (long long)id);
}

void ln_carry_awaits(ln_str step, ln_str next) {
  fputs("  waits     ", stdout);
  ln_app_put(stdout, step, 0);
  printf(" (%.*s)\n", LN_STR_ARG(next));
}

void ln_carry_show(const ln_event *e) {
  if (ln_app_interrupted()) return;
  if (strcmp(e->what, "stage") == 0) show_stage(e);
  else if (strcmp(e->what, "step") == 0) show_step(e);
  else if (strcmp(e->what, "note") == 0) show_note(e);
  else if (strcmp(e->what, "approval") == 0) ln_carry_asks(e->text, e->approval);
  else if (strcmp(e->what, "signal") == 0) ln_carry_awaits(e->name, e->text);
  fflush(stdout);
}

void ln_carry_event(void *arg, ln_run *r, const ln_event *e) {
  ln_carrying *c = arg;
  bool shows = !c->json && !c->quiet, signal = strcmp(e->what, "signal") == 0;
  if (shows && (r == c->run || signal)) ln_carry_show(e);
  if (!shows && signal)                                  /* it would wait for ever, and nobody know */
    ln_app_usage("run %s waits for signal: %.*s", ln_run_ulid(r), LN_STR_ARG(e->text));
  bool stops =
      strcmp(e->what, "end") == 0 || strcmp(e->what, "waiting") == 0 || strcmp(e->what, "broken") == 0;
  if (!stops && !ln_app_interrupted()) return; /* virtual time has no timer that looks for signals */
  c->app->g.loop->stop(c->app->g.loop);                  /* for run_loop to look around */
}

/* ------------------------------------------------------------------ asking at the terminal */

bool ln_carry_approve(const char *word, ln_approve *out) {
  if (strcmp(word, "ask") == 0) *out = LN_APPROVE_ASK;
  else if (strcmp(word, "deny") == 0) *out = LN_APPROVE_DENY;
  else if (strcmp(word, "all") == 0) *out = LN_APPROVE_ALL;
  else return false;
  return true;
}

bool ln_carry_may_approve(const ln_app *app, ln_approve approve, bool near) {
  if (approve != LN_APPROVE_ALL || app->sim || near) return true;
  ln_app_usage("--approve all works only against simulators, or where every connector is on loopback: "
               "--approve ask puts the questions to you");
  return false;
}

/* "(ours, a guest's)" of an ask's options, else nothing. */
static void show_options(ln_str options) {
  ln_vitem list, one;
  ln_str rest = options;
  if (!options.n || !ln_v_read(&rest, &list) || !list.count) return;
  const char *before = " (";
  for (rest = list.body; rest.n && ln_v_read(&rest, &one); before = ", ") {
    fputs(before, stderr);
    ln_app_put(stderr, one.s, 0);
  }
  fputc(')', stderr);
}

/* On standard error: with --json the other is the document's.  *asks: for an answer, not for a yes. */
static bool show_question(void *arg, const ln_approval *a) {
  bool *asks = arg;
  ln_json j;
  ln_buf b;
  *asks = ln_str_eq(a->kind, LN_STR("ask"));
  ln_buf_init(&b, 1 << 20);
  ln_json_init(&j, &b);
  if (a->effects.n) ln_v_to_json(a->effects, &j);
  else if (a->detail.n) ln_v_to_json(a->detail, &j);
  fputc('\n', stderr);
  ln_app_put(stderr, a->title, 0);
  if (*asks) show_options(a->options);
  fputc('\n', stderr);
  ln_app_put(stderr, ln_buf_view(&b), 0);
  fputs(*asks ? "Answer: " : "\nApprove? [y/N] ", stderr);
  ln_buf_free(&b);
  return false;
}

static bool is_yes(ln_str line) { return ln_str_ieq(line, LN_STR("y")) || ln_str_ieq(line, LN_STR("yes")); }

/* What was typed; answer: to an ask, within line. */
typedef struct said {
  char line[512];
  bool yes;
  ln_str answer;
} said;

/* False: there is no terminal, or nobody answered. */
static bool prompt(ln_app *app, int64_t approval, said *s) {
  ln_err err = {0};
  bool asks = false;
  if (!isatty(STDIN_FILENO)) return false;
  if (!ln_store_approval(app->g.store, approval, show_question, &asks, &err)) return ln_app_fail(&err), false;
  if (!ln_app_await_input() || !fgets(s->line, sizeof s->line, stdin)) return fputc('\n', stderr), false;
  ln_str line = ln_str_trim(ln_str_of(s->line));
  s->yes = asks || is_yes(line);
  s->answer = asks ? line : (ln_str){NULL, 0};
  return true;
}

typedef struct standing {
  bool waits, asks;
} standing;

static bool read_standing(void *arg, const ln_approval *a) {
  standing *s = arg;
  s->waits = ln_str_eq(a->state, LN_STR("waiting"));
  s->asks = ln_str_eq(a->kind, LN_STR("ask"));
  return false;
}

static standing standing_of(ln_app *app, int64_t approval) {
  standing s = {.waits = true};
  ln_err err;
  ln_store_approval(app->g.store, approval, read_standing, &s, &err);
  return s;
}

bool ln_carry_answer(ln_app *app, ln_approve how, int64_t approval) {
  standing now;
  said s;
  ln_err err = {0};
  while ((now = standing_of(app, approval)).waits) {
    s = (said){.yes = how == LN_APPROVE_ALL};
    if (how == LN_APPROVE_WAIT || (how == LN_APPROVE_ALL && now.asks)) return false;
    if (how == LN_APPROVE_ASK && !prompt(app, approval, &s)) return false;
    if (ln_remote_decide(app, approval, s.yes, (ln_str){NULL, 0}, s.answer, &err))
      return !standing_of(app, approval).waits;         /* it may want others, too */
    if (!standing_of(app, approval).waits) return true; /* somebody else was faster */
    ln_app_fail(&err);
    if (how != LN_APPROVE_ASK || !ln_err_is(&err, "usage")) return false; /* else: none of its options */
  }
  return true;
}

/* True when the run can go on. */
static bool answer_one(const ln_carrying *c) {
  ln_waiting w;
  return c->approve != LN_APPROVE_WAIT && ln_run_waiting_through(c->run, &w) && w.id[0] &&
         ln_carry_answer(c->app, c->approve, strtoll(w.id, NULL, 10));
}

/* ------------------------------------------------------------------ ending */

bool ln_carry_refused(ln_app *app, const ln_buf *json) {
  ln_buf doc;
  ln_err err;
  ln_vitem steps, step;
  bool refused = false;
  ln_buf_init(&doc, (size_t)256 << 20);
  if (ln_host_json(app->g.host, ln_buf_view(json), &doc, &err) &&
      ln_v_get(ln_buf_view(&doc), LN_STR("steps"), &steps))
    for (ln_str rest = steps.body; !refused && rest.n && ln_v_read(&rest, &step);)
      refused = ln_str_eq(ln_v_get_str(step.whole, "state"), LN_STR("refused"));
  ln_buf_free(&doc);
  return refused;
}

static int exit_of(const ln_carrying *c, const ln_buf *json, bool plan) {
  const char *state = ln_run_state(c->run);
  if (ln_app_interrupted() && !ln_run_over(c->run)) return LN_EXIT_INTERRUPTED;
  if (strcmp(state, "waiting") == 0 || strcmp(state, "running") == 0)
    return ln_err_is(ln_run_why(c->run), "store") ? LN_EXIT_UNUSABLE : LN_EXIT_WAITS;
  if (strcmp(state, "completed") != 0) return LN_EXIT_FAILED;
  if (plan) return ln_carry_refused(c->app, json) ? LN_EXIT_FAILED : LN_EXIT_DONE;
  return strcmp(ln_run_outcome(c->run), "complete") == 0 ? LN_EXIT_DONE : LN_EXIT_PARTIAL;
}

/* Why it goes no further; the last line, when it waits, is the next command. */
static void say_why(const ln_carrying *c) {
  const ln_err *why = ln_run_why(c->run);
  bool named = !why->op[0] || ln_str_find(ln_str_of(why->message), ln_str_of(why->op)) >= 0;
  if (ln_run_over(c->run) && why->code[0])
    ln_app_usage("%s%s%s", named ? "" : why->op, named ? "" : ": ", why->message);
}

static void say_waiting(const ln_carrying *c, const char *ulid, const ln_waiting *w) {
  if (w->what[0]) ln_app_usage("run %s waits for %s: %s", ulid, w->what, w->next);
  else if (ln_app_interrupted() && !ln_run_over(c->run))
    ln_app_usage("run %s was interrupted and waits: lunette resume %s", ulid, ulid);
}

/* What it starts is told on standard error: whoever looks at the document sees one run. */
static void on_lease(void *arg, ln_run *r, const ln_event *e) {
  ln_app *app = arg;
  if (strcmp(e->what, "end") == 0)
    ln_app_usage("a lease was over: lunette show %s says what became of it", ln_run_ulid(r));
  if (strcmp(e->what, "waiting") == 0)
    ln_app_usage("a lease is over, and run %s asks about it: lunette approvals", ln_run_ulid(r));
  if (strcmp(e->what, "end") == 0 || strcmp(e->what, "waiting") == 0 || strcmp(e->what, "broken") == 0)
    app->g.loop->stop(app->g.loop);                      /* for run_loop to look around */
}

static void watch_leases(ln_carrying *c) {
  ln_run_options o = {.event = on_lease, .event_arg = c->app};
  ln_leases_watch(&leases, &c->app->g, &o);
  look_at_leases();
}

static void run_loop(ln_carrying *c) {
  ln_loop *l = c->app->g.loop;
  ln_timer watch = {0};
  stopping = l;
  watched = &c->app->g;
  watch.fn = look_for_signal;
  watch.arg = &watch;
  if (l->uv) l->timer(l, &watch, 50);
  if (l->uv && !ln_run_is_plan(c->run)) watch_leases(c);
  while (!ln_app_interrupted() && (!ln_runs_still(&c->app->g) || answer_one(c))) l->run(l);
  l->cancel(l, &watch);
}

void ln_carry_report(ln_app *app, bool json, const ln_buf *doc) {
  ln_buf text;
  ln_err err = {0};
  ln_buf_init(&text, (size_t)256 << 20);
  if (json) {
    ln_app_put(stdout, ln_buf_view(doc), 0);
    putchar('\n');
  } else if (ln_render(&app->g, ln_buf_view(doc), "text", &text, &err)) {
    putchar('\n');
    ln_app_put_lines(stdout, ln_buf_view(&text));
  } else {
    ln_app_fail(&err);
  }
  fflush(stdout);
  ln_buf_free(&text);
}

/* Ctrl-C stops the loop, and a second one, where nobody reads the output, ends the process: the run is as
** safe as in a crash.  Whoever reads the output may go: the run does not. */
static void run_until_signal(ln_carrying *c) {
  signal(SIGPIPE, SIG_IGN);
  ln_app_catch(SIGINT);
  ln_app_catch(SIGTERM);
  run_loop(c);
}

int ln_carry(ln_carrying *c) {
  char ulid[LN_ULID + 1];
  ln_waiting w = {.what = ""};
  ln_buf json;
  ln_err err = {0};
  run_until_signal(c);
  snprintf(ulid, sizeof ulid, "%s", ln_run_ulid(c->run));
  bool plan = ln_run_is_plan(c->run);
  ln_buf_init(&json, (size_t)256 << 20);
  if (!ln_run_waiting_through(c->run, &w)) w.what[0] = '\0';
  ln_run_park(c->run); /* what it waits for is on disk before it is told */
  if (!ln_report_json(&c->app->g, ln_str_of(ulid), &json, &err)) {
    ln_buf_free(&json);
    return ln_app_fail(ln_run_why(c->run)->code[0] ? ln_run_why(c->run) : &err);
  }
  say_why(c);
  ln_carry_report(c->app, c->json, &json);
  say_waiting(c, ulid, &w);
  int code = exit_of(c, &json, plan);
  ln_buf_free(&json);
  return code;
}
