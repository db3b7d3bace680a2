/* cmd_serve.c: lunette serve: the process that carries all runs of a store; lunette watch: one run, live. */
#include "cli/remote.h"

#include "base/log.h"
#include "engine/audit.h"
#include "server/serve.h"

#include <signal.h>

static const struct option serve_options[] = {LN_COMMON_OPTIONS};
static const struct option watch_options[] = {LN_JSON_OPTION, LN_COMMON_OPTIONS};

static const char serve_help[] =
    "usage: lunette serve [--config FILE]\n"
    "Carries all runs of the store: takes up those that a crash has left, wakes those whose time has come "
    "or\n"
    "whose question was answered, and does what the other commands ask of it over a socket beside the "
    "store.\n"
    "Ends on Ctrl-C or SIGTERM; the runs then wait, and the next one takes them up.\n";

/* A signal handler may do nothing but set a flag: a timer looks at it. */
static void look_for_signal(void *arg) {
  ln_timer *t = arg;
  if (ln_app_interrupted()) t->loop->stop(t->loop);
  else t->loop->timer(t->loop, t, 50);
}

static int serve(ln_app *app) {
  ln_err err = {0};
  ln_loop *l = app->g.loop;
  ln_timer look = {.loop = l, .fn = look_for_signal, .arg = &look};
  ln_app_catch(SIGINT);
  ln_app_catch(SIGTERM);
  ln_log_level(LN_INFO);
  ln_audit_watch *audit = NULL;
  ln_server *s = ln_server_start(&app->g, &err);
  if (s && (!ln_audit_configured(&app->g, ln_str_of(ln_app_user()), &err) ||
            !(audit = ln_audit_watch_start(&app->g, &err))))
    ln_server_stop(s), s = NULL;
  if (!s) return ln_err_is(&err, "conflict") ? (ln_app_fail(&err), LN_EXIT_UNUSABLE) : ln_app_fail(&err);
  fprintf(stderr, "lunette: serving %s\n", ln_store_path(app->g.store));
  l->timer(l, &look, 50);
  l->run(l);
  l->cancel(l, &look);
  ln_server_stop(s);
  ln_audit_watch_stop(audit);
  fprintf(stderr, "lunette: stopped; the runs wait\n");
  return LN_EXIT_DONE;
}

static int parse(int argc, char **argv, const struct option *options, const char *help, ln_app_opts *o,
                 bool *json) {
  int opt;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, options)) != -1) {
    if (opt == LN_OPT_HELP) return fputs(help, stdout), -2;
    if (opt == '?') return LN_EXIT_USAGE;
    if (opt == LN_OPT_CONFIG) o->config = optarg;
    if (opt == LN_OPT_JSON) *json = true;
  }
  return 0;
}

int ln_cmd_serve(int argc, char **argv) {
  ln_app_opts o = {.runs = true, .alone = true};
  ln_app app;
  ln_err err = {0};
  int code = parse(argc, argv, serve_options, serve_help, &o, NULL);
  if (code) return code == -2 ? 0 : code;
  if (optind != argc) return ln_app_usage("serve takes no more than --config: lunette serve --help");
  code = ln_app_open(&app, &o, &err) ? serve(&app) : ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}

/* ------------------------------------------------------------------ watch */

static const char watch_help[] = "usage: lunette watch RUN [--json] [--config FILE]\n"
                                 "Shows a run as it goes on, whoever carries it, until it has ended.\n"
                                 "RUN is an id, a unique beginning of one, or \"last\".\n";

static bool copy_ulid(void *arg, const ln_run_row *row) {
  memcpy(arg, row->ulid, LN_ULID + 1);
  return false;
}

int ln_cmd_watch(int argc, char **argv) {
  ln_app_opts o = {.must_exist = true};
  ln_app app;
  ln_err err = {0};
  ln_following how = {.until_end = true};
  char ulid[LN_ULID + 1];
  int code = parse(argc, argv, watch_options, watch_help, &o, &how.json);
  if (code) return code == -2 ? 0 : code;
  if (optind + 1 != argc) return ln_app_usage("watch takes one RUN: lunette watch --help");
  bool ok = ln_app_open(&app, &o, &err) &&
            ln_store_run_find(app.g.store, ln_str_of(argv[optind]), copy_ulid, ulid, &err);
  code = ok ? ln_follow(&app, ulid, &how, NULL) : ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}
