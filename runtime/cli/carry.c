/* carry.c: one run in the foreground.  What is shown comes after the commit; a question is put to the
** terminal only when the run has nothing else to do, so waiting for a person never holds up the rest. */
#include "cli/carry.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;
static ln_loop *stopping;
static ln_engine *watched;

static void on_signal(int sig) {
  (void)sig;
  interrupted = 1;
}

/* A signal handler may do nothing but set a flag: a timer looks at it. */
static void look_for_signal(void *arg) {
  ln_timer *t = arg;
  if (ln_store_changed(watched->store)) ln_runs_look(watched);
  if (interrupted) stopping->stop(stopping);
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

void ln_carry_show(const ln_event *e) {
  if (strcmp(e->what, "stage") == 0) show_stage(e);
  else if (strcmp(e->what, "step") == 0) show_step(e);
  else if (strcmp(e->what, "note") == 0) show_note(e);
  else if (strcmp(e->what, "approval") == 0) ln_carry_asks(e->text, e->approval);
  fflush(stdout);
}

void ln_carry_event(void *arg, ln_run *r, const ln_event *e) {
  ln_carrying *c = arg;
  if (!c->json && !c->quiet && r == c->run) ln_carry_show(e);
  bool stops =
      strcmp(e->what, "end") == 0 || strcmp(e->what, "waiting") == 0 || strcmp(e->what, "broken") == 0;
  if (!stops && !interrupted) return; /* virtual time has no timer that looks for signals */
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

bool ln_carry_may_approve(const ln_app *app, ln_approve approve) {
  if (approve != LN_APPROVE_ALL || app->sim || ln_config_all_near(app->config)) return true;
  ln_app_usage("--approve all works only against simulators, or where every connector is on loopback");
  return false;
}

static bool show_question(void *arg, const ln_approval *a) {
  ln_json j;
  ln_buf b;
  (void)arg;
  ln_buf_init(&b, 1 << 20);
  ln_json_init(&j, &b);
  if (a->effects.n) ln_v_to_json(a->effects, &j);
  else if (a->detail.n) ln_v_to_json(a->detail, &j);
  putchar('\n');
  ln_app_put(stdout, a->title, 0);
  putchar('\n');
  ln_app_put(stdout, ln_buf_view(&b), 0);
  fputs("\nApprove? [y/N] ", stdout);
  fflush(stdout);
  ln_buf_free(&b);
  return false;
}

bool ln_carry_prompt(ln_app *app, int64_t approval, bool *yes) {
  ln_err err = {0};
  char line[512];
  if (!isatty(STDIN_FILENO) || !ln_store_approval(app->g.store, approval, show_question, NULL, &err))
    return false;
  if (!fgets(line, sizeof line, stdin)) return false;
  *yes = line[0] == 'y' || line[0] == 'Y';
  return true;
}

/* True when an answer was given and the run can go on. */
static bool ask_at_terminal(ln_carrying *c) {
  ln_waiting w;
  ln_err err = {0};
  bool yes;
  if (!c->ask || !ln_run_waiting_through(c->run, &w) || !w.id[0]) return false;
  int64_t id = strtoll(w.id, NULL, 10);
  if (!ln_carry_prompt(c->app, id, &yes)) return false;
  if (ln_approval_decide(&c->app->g, id, yes, ln_str_of(ln_app_user()), (ln_str){NULL, 0}, (ln_str){NULL, 0},
                         true, &err))
    return true;
  ln_app_fail(&err);
  return false;
}

/* ------------------------------------------------------------------ ending */

static bool has_refused_plan(const ln_carrying *c, const ln_buf *json) {
  (void)c;
  return ln_str_find(ln_buf_view(json), LN_STR("\"state\":\"refused\"")) >= 0;
}

static int exit_of(const ln_carrying *c, const ln_buf *json, bool plan) {
  const char *state = ln_run_state(c->run);
  if (interrupted && !ln_run_over(c->run)) return LN_EXIT_INTERRUPTED;
  if (strcmp(state, "waiting") == 0 || strcmp(state, "running") == 0)
    return ln_err_is(ln_run_why(c->run), "store") ? LN_EXIT_UNUSABLE : LN_EXIT_WAITS;
  if (strcmp(state, "completed") != 0) return LN_EXIT_FAILED;
  if (plan) return has_refused_plan(c, json) ? LN_EXIT_FAILED : LN_EXIT_DONE;
  return strcmp(ln_run_outcome(c->run), "complete") == 0 ? LN_EXIT_DONE : LN_EXIT_PARTIAL;
}

static void say_waiting(const ln_carrying *c, const char *ulid) {
  ln_waiting w = {.what = "", .next = ""};
  const ln_err *why = ln_run_why(c->run);
  bool named = !why->op[0] || ln_str_find(ln_str_of(why->message), ln_str_of(why->op)) >= 0;
  if (ln_run_over(c->run) && why->code[0])
    ln_app_usage("%s%s%s", named ? "" : why->op, named ? "" : ": ", why->message);
  if (ln_run_waiting_through(c->run, &w)) ln_app_usage("run %s waits for %s: %s", ulid, w.what, w.next);
  else if (interrupted) ln_app_usage("run %s was interrupted and waits: lunette resume %s", ulid, ulid);
}

static void run_loop(ln_carrying *c) {
  ln_loop *l = c->app->g.loop;
  ln_timer watch = {0};
  stopping = l;
  watched = &c->app->g;
  watch.fn = look_for_signal;
  watch.arg = &watch;
  if (l->uv) l->timer(l, &watch, 50);
  while (!interrupted && (!ln_runs_still(&c->app->g) || ask_at_terminal(c))) l->run(l);
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

int ln_carry(ln_carrying *c) {
  struct sigaction sa = {.sa_handler = on_signal};
  char ulid[LN_ULID + 1];
  ln_buf json;
  ln_err err = {0};
  sigaction(SIGINT, &sa, NULL);
  sigaction(SIGTERM, &sa, NULL);
  run_loop(c);
  snprintf(ulid, sizeof ulid, "%s", ln_run_ulid(c->run));
  bool plan = ln_run_is_plan(c->run);
  ln_buf_init(&json, (size_t)256 << 20);
  say_waiting(c, ulid);
  ln_run_park(c->run); /* what it waits for is on disk before it is told */
  if (!ln_report_json(&c->app->g, ln_str_of(ulid), &json, &err)) {
    ln_buf_free(&json);
    return ln_app_fail(ln_run_why(c->run)->code[0] ? ln_run_why(c->run) : &err);
  }
  ln_carry_report(c->app, c->json, &json);
  int code = exit_of(c, &json, plan);
  ln_buf_free(&json);
  return code;
}
