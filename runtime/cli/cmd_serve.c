/* cmd_serve.c: lunette serve: the process that carries all runs of a store; lunette watch: one run, live. */
#include "cli/remote.h"

#include "base/log.h"
#include "engine/audit.h"
#include "server/notify.h"
#include "server/seal.h"
#include "server/serve.h"

#include <signal.h>

static const struct option serve_options[] = {LN_COMMON_OPTIONS};
static const struct option watch_options[] = {LN_JSON_OPTION, LN_COMMON_OPTIONS};

static const char serve_help[] =
    "usage: lunette serve [--config FILE]\n"
    "Carries all runs of the store: takes up those that a crash has left, wakes those whose time has come "
    "or\n"
    "whose question was answered, and does what the other commands ask of it over a socket beside the "
    "store,\n"
    "and others over HTTP, where the configuration's `listen` says.\n"
    "SIGHUP: reads scripts and the TLS certificate again.\n"
    "Ends on Ctrl-C or SIGTERM, once what was asked is answered; the runs then wait, and the next one takes\n"
    "them up.\n";

enum { LOOK_MS = 50, DRAIN_MS = 5000 };

typedef struct serving { ln_app *app; ln_service *s; ln_timer look, watchdog; } serving;

static volatile sig_atomic_t hung_up;

static void on_hangup(int sig) {
  (void)sig;
  hung_up = 1;
}

static void stop(void *arg) {
  ln_loop *l = arg;
  l->stop(l);
}

static void reload(serving *v) {
  ln_err err = {0};
  hung_up = 0;
  ln_notify_reloading(v->app->g.loop->clock);
  if (ln_service_reload(v->s, &err))
    ln_log(LN_INFO, "serve.reloaded", "what=scripts,certificate rest=needs a restart");
  else ln_log(LN_ERROR, "serve.reload", "error=%s", err.message);
  ln_notify("READY=1");
}

/* A signal handler may do nothing but set a flag: a timer looks at it. */
static void look_for_signal(void *arg) {
  serving *v = arg;
  ln_loop *l = v->app->g.loop;
  if (hung_up) reload(v);
  if (ln_app_interrupted()) {
    ln_notify("STOPPING=1");
    ln_service_drain(v->s, DRAIN_MS, stop, l);
  } else {
    l->timer(l, &v->look, LOOK_MS);
  }
}

static void say_where(const serving *v) {
  ln_buf where;
  ln_buf_init(&where, 256);
  ln_service_where(v->s, &where);
  fprintf(stderr, "lunette: serving %s\n", ln_store_path(v->app->g.store));
  if (where.n) fprintf(stderr, "lunette: listening on %.*s\n", LN_STR_ARG(ln_buf_view(&where)));
  ln_buf_free(&where);
}

static int serve(ln_app *app, const ln_service_opts *o) {
  const struct sigaction hangup = {.sa_handler = on_hangup, .sa_flags = SA_RESTART};
  ln_err err = {0};
  ln_loop *l = app->g.loop;
  serving v = {.app = app};
  v.look = (ln_timer){.loop = l, .fn = look_for_signal, .arg = &v};
  ln_app_catch(SIGINT);
  ln_app_catch(SIGTERM);
  sigaction(SIGHUP, &hangup, NULL);
  if (app->config->log_level < 0) ln_log_level(LN_INFO);
  ln_audit_watch *audit = NULL;
  v.s = ln_service_start(&app->g, o, &err);
  if (v.s && (!ln_audit_configured(&app->g, ln_str_of(ln_app_user()), &err) ||
              !(audit = ln_audit_watch_start(&app->g, &err)) || !ln_seal_calls(app->config, &err)))
    ln_audit_watch_stop(audit), ln_service_stop(v.s), v.s = NULL;
  if (!v.s)
    return ln_err_is(&err, "conflict") ? (ln_app_fail(&err), LN_EXIT_UNUSABLE) : ln_app_fail(&err);
  say_where(&v);
  ln_notify("READY=1");
  ln_notify_watchdog(l, &v.watchdog);
  l->timer(l, &v.look, LOOK_MS);
  l->run(l);
  l->cancel(l, &v.look);
  l->cancel(l, &v.watchdog);
  ln_service_stop(v.s);
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
  ln_app_opts o = {.runs = true, .alone = true, .seals = true};
  ln_app app;
  ln_err err = {0};
  int code = parse(argc, argv, serve_options, serve_help, &o, NULL);
  if (code) return code == -2 ? 0 : code;
  if (optind != argc) return ln_app_usage("serve takes no more than --config: lunette serve --help");
  const ln_service_opts so = {.fd = ln_notify_socket()};
  code = ln_app_open(&app, &o, &err) ? serve(&app, &so) : ln_app_fail(&err);
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
