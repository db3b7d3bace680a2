/* cmd_alerts.c: lunette alerts: what came in, and what became of it. */
#include "cli/app.h"

#include "base/units.h"
#include "engine/rows.h"

#include <stdlib.h>

enum { OPT_KEPT = 256, OPT_MISSED, OPT_SINCE };

static const struct option options[] = {{"kept", no_argument, NULL, OPT_KEPT},
                                        {"missed", no_argument, NULL, OPT_MISSED},
                                        {"since", required_argument, NULL, OPT_SINCE},
                                        LN_JSON_OPTION,
                                        LN_COMMON_OPTIONS};
static const char help[] =
    "usage: lunette alerts [ALERT] [--kept|--missed] [--since T] [--json] [--config FILE]\n"
    "The alerts that came in, newest first, and what each started.  With ALERT, its number: all of it,\n"
    "with what it said.  --kept: what no adapter knows; --missed: where a trigger failed.\n";

typedef struct listing { ln_app *app; bool json, whole, ok; ln_err *err; } listing;

/* ------------------------------------------------------------------ as JSON */

static bool put_document(const listing *l, const ln_alert_row *a, ln_json *j) {
  ln_buf value;
  ln_err gone = {0};
  ln_buf_init(&value, (size_t)256 << 20);
  ln_json_key(j, LN_STR("document"));
  if (ln_store_content_get(l->app->g.store, a->sha256, &value, &gone)) ln_v_to_json(ln_buf_view(&value), j);
  else ln_json_null(j);                                  /* retention took it */
  ln_buf_free(&value);
  return !gone.code[0] || ln_err_is(&gone, "not_found") || (*l->err = gone, false);
}

static bool print_json(const listing *l, const ln_alert_row *a) {
  ln_buf b;
  ln_json j;
  ln_buf_init(&b, (size_t)256 << 20);
  ln_json_init(&j, &b);
  ln_json_open(&j, '{');
  bool ok = ln_alert_row_members(l->app->g.store, a, &j, l->err) && (!l->whole || put_document(l, a, &j));
  ln_json_close(&j, '}');
  ok = ok && ln_buf_ok(&b, l->err);
  if (ok) ln_app_put(stdout, ln_buf_view(&b), 0), putchar('\n');
  ln_buf_free(&b);
  return ok;
}

/* ------------------------------------------------------------------ for people */

static bool print_run(void *arg, const ln_alert_run *r) {
  (void)arg;
  printf("        ");
  ln_app_put(stdout, r->playbook, 0);
  printf(": %.*s", LN_STR_ARG(r->what));
  if (r->ulid[0]) printf(" %s", r->ulid);
  if (r->why.n) printf(": "), ln_app_put(stdout, r->why, 0);
  if (ln_str_eq(r->what, LN_STR("paused"))) printf(": lunette approve %lld", (long long)r->approval);
  putchar('\n');
  return true;
}

static bool print_one(void *arg, const ln_alert_row *a) {
  listing *l = arg;
  char at[LN_TIME_TEXT];
  if (l->json) return l->ok = print_json(l, a);
  ln_format_time(a->ms, at);
  printf("%-6lld  %-24s  %-7.*s  ", (long long)a->id, at, LN_STR_ARG(a->state));
  ln_app_put(stdout, a->source, 0);
  putchar(' ');
  ln_app_put(stdout, a->name, 0);
  printf("  ");
  ln_app_put(stdout, a->why.n ? a->why : a->title, 0);
  putchar('\n');
  return l->ok = ln_store_alert_runs(l->app->g.store, a->id, print_run, NULL, l->err);
}

static int list(ln_app *app, const ln_alert_query *q, int64_t one, bool json) {
  ln_err err = {0};
  listing l = {.app = app, .json = json || one, .whole = one != 0, .ok = true, .err = &err};
  bool ok = one ? ln_store_alert(app->g.store, one, print_one, &l, &err)
                : ln_store_alerts(app->g.store, q, print_one, &l, &err);
  return ok && l.ok ? LN_EXIT_DONE : ln_app_fail(&err);
}

int ln_cmd_alerts(int argc, char **argv) {
  ln_app_opts o = {.must_exist = true};
  ln_app app;
  ln_err err = {0};
  ln_alert_query q = {0};
  bool json = false;
  const char *since = NULL;
  long long one = 0;
  int opt;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, options)) != -1) {
    if (opt == LN_OPT_HELP) return fputs(help, stdout), 0;
    if (opt == '?') return LN_EXIT_USAGE;
    if (opt == LN_OPT_CONFIG) o.config = optarg;
    if (opt == LN_OPT_JSON) json = true;
    if (opt == OPT_KEPT) q.state = LN_STR("kept");
    if (opt == OPT_MISSED) q.missed = true;
    if (opt == OPT_SINCE) since = optarg;
  }
  if (optind + 1 < argc) return ln_app_usage("alerts takes one ALERT: lunette alerts --help");
  if (q.missed && q.state.n) return ln_app_usage("--kept or --missed, not both");
  if (optind < argc && !ln_app_number("ALERT", argv[optind], 1, INT64_MAX, &one)) return LN_EXIT_USAGE;
  bool ok = ln_app_open(&app, &o, &err) && (!since || ln_app_when(&app, "--since", since, &q.since_ms, &err));
  int code = ok ? list(&app, &q, one, json) : ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}
