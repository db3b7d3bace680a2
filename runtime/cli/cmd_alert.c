/* cmd_alert.c: lunette alert: normalises alerts of any known format, one JSON object a line. */
#include "cli/app.h"

#include "engine/intake.h"

static const struct option options[] = {LN_COMMON_OPTIONS};
static const char help[] =
    "usage: lunette alert [FILE|-] [--config FILE]\n"
    "Normalises alerts (one, an array, a page, or JSON lines): one JSON object a line, with the\n"
    "playbooks that it would start.\n";

static bool print_line(void *arg, ln_str json) {
  (void)arg;
  ln_app_put(stdout, json, 0);
  return putchar('\n') != EOF;
}

static int normalise(ln_app *app, const char *path) {
  ln_err err = {0};
  ln_buf text = {0};
  bool ok = ln_app_read(path, &text, &err) &&
            (ln_intake_normalise(&app->g, ln_buf_view(&text), print_line, NULL, &err) ||
             ln_err_prefix(&err, "%s", path));
  ln_buf_free(&text);
  return ok ? LN_EXIT_DONE : ln_app_fail(&err);
}

int ln_cmd_alert(int argc, char **argv) {
  ln_app_opts o = {0};
  ln_app app;
  ln_err err = {0};
  int opt;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, options)) != -1) {
    if (opt == LN_OPT_HELP) return fputs(help, stdout), 0;
    if (opt == '?') return LN_EXIT_USAGE;
    if (opt == LN_OPT_CONFIG) o.config = optarg;
  }
  if (optind + 1 < argc) return ln_app_usage("alert takes one FILE");
  int code =
      ln_app_open(&app, &o, &err) ? normalise(&app, optind < argc ? argv[optind] : "-") : ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}
