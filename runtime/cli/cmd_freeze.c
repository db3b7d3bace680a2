/* cmd_freeze.c: lunette freeze, thaw: the kill switch.  It lies in the store, so it holds for every process,
** whether one serves the store or none does. */
#include "cli/app.h"

#include "base/units.h"
#include "engine/freeze.h"

enum { OPT_WHY = 256, OPT_CONNECTOR, OPT_PLAYBOOK };

static const struct option options[] = {{"why", required_argument, NULL, OPT_WHY},
                                        {"connector", required_argument, NULL, OPT_CONNECTOR},
                                        {"playbook", required_argument, NULL, OPT_PLAYBOOK},
                                        LN_COMMON_OPTIONS};

static const char freeze_help[] =
    "usage: lunette freeze [--why TEXT] [--connector C] [--playbook P] [--config FILE]\n"
    "Stops all writes, or those of a connector or a playbook; reads go on.  A run whose write is stopped "
    "waits.\n"
    "Without --why: lists what is frozen.\n";
static const char thaw_help[] =
    "usage: lunette thaw [--connector C] [--playbook P] [--config FILE]\n"
    "Ends a freeze: all of them, or that of a connector or a playbook.  What waited asks its gates again.\n";

typedef struct freezing {
  ln_app app;
  bool thaw;
  const char *why;
  char scope[LN_SCOPE_TEXT];
  int64_t n;
} freezing;

static bool print_one(void *arg, const ln_freeze *f) {
  char at[LN_TIME_TEXT];
  ++*(int64_t *)arg;
  ln_format_time(f->ms, at);
  printf("%.*s%s  since %s by %.*s: %.*s\n", LN_STR_ARG(f->scope), f->scope.n ? "" : "everything", at,
         LN_STR_ARG(f->by), LN_STR_ARG(f->why));
  return true;
}

static int act(freezing *f) {
  ln_err err = {0};
  if (!f->thaw && !f->why) {
    if (!ln_store_freezes(f->app.g.store, print_one, &f->n, &err)) return ln_app_fail(&err);
    if (!f->n) printf("nothing is frozen\n");
    return LN_EXIT_DONE;
  }
  ln_str by = ln_str_of(ln_app_user());
  if (!(f->thaw ? ln_freeze_lift(&f->app.g, f->scope, by, &f->n, &err)
                : ln_freeze_put(&f->app.g, f->scope, ln_str_of(f->why), by, &err)))
    return ln_app_fail(&err);
  const char *what = f->scope[0] ? f->scope : "everything";
  if (!f->thaw)
    printf("%s is frozen in %s: writes wait for lunette thaw\n", what, ln_store_path(f->app.g.store));
  else if (f->n) printf("thawed\n");
  else printf("%s was frozen\n", f->scope[0] ? "nothing of that" : "nothing");
  return LN_EXIT_DONE;
}

static bool take(freezing *f, int opt) {
  const char *kind = opt == OPT_CONNECTOR ? "connector" : "playbook";
  if (opt == OPT_WHY) return f->why = optarg, true;
  if (f->scope[0]) return false;
  return optarg[0] && ln_freeze_scope(kind, ln_str_of(optarg), f->scope);
}

int ln_cmd_freeze(int argc, char **argv) {
  freezing f = {.thaw = strcmp(argv[0], "thaw") == 0};
  ln_app_opts o = {.must_exist = false};
  ln_err err = {0};
  int opt;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, options)) != -1) {
    if (opt == LN_OPT_HELP) return fputs(f.thaw ? thaw_help : freeze_help, stdout), 0;
    if (opt == '?') return LN_EXIT_USAGE;
    if (opt == LN_OPT_CONFIG) o.config = optarg;
    else if ((f.thaw && opt == OPT_WHY) || !take(&f, opt))
      return ln_app_usage("%s takes one of --connector and --playbook: lunette %s --help", argv[0], argv[0]);
  }
  if (optind != argc) return ln_app_usage("%s takes no arguments: lunette %s --help", argv[0], argv[0]);
  if (!f.thaw && f.scope[0] && !f.why) return ln_app_usage("freeze wants --why TEXT");
  o.must_exist = f.thaw || !f.why; /* a new one may be frozen before anything runs */
  int code = ln_app_open(&f.app, &o, &err) ? act(&f) : ln_app_fail(&err);
  ln_app_close(&f.app);
  return code;
}
