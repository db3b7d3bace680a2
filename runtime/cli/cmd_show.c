/* cmd_show.c: lunette show, runs: looking at runs, live or past. */
#include "cli/app.h"

#include "base/units.h"
#include "engine/rows.h"

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

static void print_json_row(const ln_store *store, const ln_run_row *row) {
  ln_buf b;
  ln_json j;
  ln_buf_init(&b, 1 << 16);
  ln_json_init(&j, &b);
  ln_run_row_json(store, row, &j);
  ln_app_put(stdout, ln_buf_view(&b), 0);
  putchar('\n');
  ln_buf_free(&b);
}

static bool print_row(void *arg, const ln_run_row *row) {
  struct listing *l = arg;
  char at[LN_TIME_TEXT];
  ln_str state = ln_run_true_state(l->app->g.store, row);
  if (l->state.n && !ln_str_eq(l->state, state)) return true;
  if (l->json) {
    print_json_row(l->app->g.store, row);
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
    if (opt == OPT_STATE) ln_run_query_state(&q, l.state = ln_str_of(optarg));
    if (opt == OPT_PLAYBOOK) q.playbook = ln_str_of(optarg);
    if (opt == OPT_SINCE) since = optarg;
    if (opt == OPT_STORE) o.store = optarg, o.looks = true;
  }
  if (optind != argc) return ln_app_usage("runs takes options only: lunette runs --help");
  if (l.state.n && !ln_run_is_state(l.state))
    return ln_app_usage("--state: running, waiting, completed, failed or cancelled is wanted, not %s",
                        l.state.p);
  bool ok = ln_app_open(&app, &o, &err) &&
            (!since || ln_app_when(&app, "--since", since, &q.since_ms, &err)) &&
            ln_store_runs(app.g.store, &q, print_row, &l, &err);
  int code = ok ? LN_EXIT_DONE : ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}
