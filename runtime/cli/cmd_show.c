/* cmd_show.c: lunette show, runs: looking at runs, live or past. */
#include "cli/app.h"

#include "base/units.h"

#include <stdlib.h>

enum { OPT_MARKDOWN = 256, OPT_STATE, OPT_PLAYBOOK, OPT_SINCE, OPT_STORE };

static const struct option show_options[] = {{"markdown", no_argument, NULL, OPT_MARKDOWN},
                                             {"store", required_argument, NULL, OPT_STORE},
                                             LN_JSON_OPTION,
                                             LN_COMMON_OPTIONS};

static const char show_help[] = "usage: lunette show RUN [--json|--markdown] [--store FILE] [--config FILE]\n"
                                "RUN is an id, a unique beginning of one, or \"last\".\n"
                                "--store: of another store, as an archive is; it is only looked at.\n";

static int print_show(ln_app *app, const char *which, bool json, const char *format) {
  ln_err err = {0};
  ln_buf doc, text;
  ln_buf_init(&doc, (size_t)256 << 20);
  ln_buf_init(&text, (size_t)256 << 20);
  bool ok = ln_report_json(&app->g, ln_str_of(which), &doc, &err) &&
            (json || ln_render(&app->g, ln_buf_view(&doc), format, &text, &err));
  ln_str out = ln_buf_view(json ? &doc : &text);
  if (ok) ln_app_put_lines(stdout, out);
  if (ok && json) putchar('\n');
  ln_buf_free(&doc);
  ln_buf_free(&text);
  return ok ? LN_EXIT_DONE : ln_app_fail(&err);
}

int ln_cmd_show(int argc, char **argv) {
  ln_app_opts o = {.must_exist = true};
  ln_app app;
  ln_err err = {0};
  bool json = false;
  const char *format = "text";
  int opt;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, show_options)) != -1) {
    if (opt == LN_OPT_HELP) return fputs(show_help, stdout), 0;
    if (opt == '?') return LN_EXIT_USAGE;
    if (opt == LN_OPT_CONFIG) o.config = optarg;
    if (opt == LN_OPT_JSON) json = true;
    if (opt == OPT_MARKDOWN) format = "markdown";
    if (opt == OPT_STORE) o.store = optarg, o.looks = true;
  }
  if (optind + 1 != argc) return ln_app_usage("show takes one RUN: lunette show --help");
  int code = ln_app_open(&app, &o, &err) ? print_show(&app, argv[optind], json, format) : ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}

/* ------------------------------------------------------------------ runs */

static const struct option runs_options[] = {{"state", required_argument, NULL, OPT_STATE},
                                             {"playbook", required_argument, NULL, OPT_PLAYBOOK},
                                             {"since", required_argument, NULL, OPT_SINCE},
                                             {"store", required_argument, NULL, OPT_STORE},
                                             LN_JSON_OPTION,
                                             LN_COMMON_OPTIONS};

static const char runs_help[] =
    "usage: lunette runs [--state S] [--playbook P] [--since T] [--json] [--store FILE] [--config FILE]\n"
    "Newest first.  T is a time, or how long ago (\"2h\").  --json: one object a line.\n"
    "--store: of another store, as an archive is; it is only looked at.\n";

struct listing { ln_app *app; bool json; ln_str state; };

/* A run whose owner is dead is not running: it waits to be resumed. */
static ln_str true_state(ln_app *app, const ln_run_row *row) {
  bool running = ln_str_eq(row->state, LN_STR("running")) || ln_str_eq(row->state, LN_STR("cancelling"));
  if (running && (!row->owner[0] || !ln_owner_alive(app->g.store, ln_str_of(row->owner))))
    return LN_STR("waiting");
  return running ? LN_STR("running") : row->state;
}

static void print_json_row(const ln_run_row *row, ln_str state) {
  char at[LN_TIME_TEXT];
  ln_buf b;
  ln_json j;
  ln_buf_init(&b, 1 << 16);
  ln_json_init(&j, &b);
  ln_json_open(&j, '{');
  ln_json_key(&j, LN_STR("run"));
  ln_json_strz(&j, row->ulid);
  ln_json_key(&j, LN_STR("playbook"));
  ln_json_str(&j, row->playbook);
  ln_json_key(&j, LN_STR("state"));
  ln_json_str(&j, state);
  ln_json_key(&j, LN_STR("outcome"));
  if (row->outcome.n) ln_json_str(&j, row->outcome);
  else ln_json_null(&j);
  ln_json_key(&j, LN_STR("started"));
  ln_format_time(row->created_ms, at);
  ln_json_strz(&j, at);
  ln_json_key(&j, LN_STR("started_by"));
  ln_json_str(&j, row->started_by);
  ln_json_key(&j, LN_STR("finished"));
  if (row->finished_ms) ln_format_time(row->finished_ms, at), ln_json_strz(&j, at);
  else ln_json_null(&j);
  ln_json_close(&j, '}');
  ln_app_put(stdout, ln_buf_view(&b), 0);
  putchar('\n');
  ln_buf_free(&b);
}

static bool print_row(void *arg, const ln_run_row *row) {
  struct listing *l = arg;
  char at[LN_TIME_TEXT];
  ln_str state = true_state(l->app, row);
  if (l->state.n && !ln_str_eq(l->state, state)) return true;
  if (l->json) {
    print_json_row(row, state);
    return true;
  }
  ln_format_time(row->created_ms, at);
  printf("%s  %-10.*s %-9.*s %-24s ", row->ulid, LN_STR_ARG(state), LN_STR_ARG(row->outcome), at);
  ln_app_put(stdout, row->playbook, 0);
  fputs("  by ", stdout);
  ln_app_put(stdout, row->started_by, 0);
  putchar('\n');
  return true;
}

/* What a person calls running or waiting depends on whether its owner lives. */
static void narrow(ln_run_query *q, ln_str state) {
  q->state = state;
  q->or_under_way = ln_str_eq(state, LN_STR("running")) || ln_str_eq(state, LN_STR("waiting"));
}

static bool is_state(ln_str s) {
  static const char *const states[] = {"running", "waiting", "completed", "failed", "cancelled"};
  for (size_t i = 0; i < sizeof states / sizeof *states; i++)
    if (ln_str_eq(s, ln_str_of(states[i]))) return true;
  return false;
}

int ln_cmd_runs(int argc, char **argv) {
  ln_app_opts o = {.must_exist = true};
  ln_app app;
  ln_err err = {0};
  ln_run_query q = {0};
  struct listing l = {.app = &app};
  const char *since = NULL;
  int opt;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, runs_options)) != -1) {
    if (opt == LN_OPT_HELP) return fputs(runs_help, stdout), 0;
    if (opt == '?') return LN_EXIT_USAGE;
    if (opt == LN_OPT_CONFIG) o.config = optarg;
    if (opt == LN_OPT_JSON) l.json = true;
    if (opt == OPT_STATE) narrow(&q, l.state = ln_str_of(optarg));
    if (opt == OPT_PLAYBOOK) q.playbook = ln_str_of(optarg);
    if (opt == OPT_SINCE) since = optarg;
    if (opt == OPT_STORE) o.store = optarg, o.looks = true;
  }
  if (optind != argc) return ln_app_usage("runs takes options only: lunette runs --help");
  if (l.state.n && !is_state(l.state))
    return ln_app_usage("--state: running, waiting, completed, failed or cancelled is wanted, not %s",
                        l.state.p);
  bool ok = ln_app_open(&app, &o, &err) &&
            (!since || ln_app_when(&app, "--since", since, &q.since_ms, &err)) &&
            ln_store_runs(app.g.store, &q, print_row, &l, &err);
  int code = ok ? LN_EXIT_DONE : ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}
