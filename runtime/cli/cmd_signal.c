/* cmd_signal.c: lunette signal: sends something to a run, which takes it with await_signal. */
#include "cli/remote.h"

static const struct option options[] = {LN_COMMON_OPTIONS};
static const char help[] =
    "usage: lunette signal RUN NAME [JSON] [--config FILE]\n"
    "Sends something to a run: what await_signal of NAME gets there.  Without JSON: null.\n";

static bool ask_to_signal(ln_app *app, char **argv, ln_str value, char ulid[LN_ULID + 1], ln_err *err) {
  ln_buf b;
  ln_buf_init(&b, 32 << 20);
  size_t mark = ln_v_begin(&b, 'O', 4);
  ln_remote_text(&b, "do", LN_STR("signal"));
  ln_remote_text(&b, "name", ln_str_of(argv[1]));
  ln_remote_text(&b, "run", ln_str_of(argv[0]));
  ln_remote_value(&b, "value", value);
  ln_v_end(&b, mark);
  bool ok = ln_buf_ok(&b, err) && ln_remote(app, ln_buf_view(&b), ulid, err);
  ln_buf_free(&b);
  return ok;
}

static int send(ln_app *app, int n, char **argv) {
  char ulid[LN_ULID + 1] = "";
  ln_err err = {0};
  ln_buf value;
  ln_buf_init(&value, 16 << 20);
  bool read = n < 3 || ln_host_json(app->g.host, ln_str_of(argv[2]), &value, &err);
  bool ok = read && (app->served ? ask_to_signal(app, argv, ln_buf_view(&value), ulid, &err)
                                 : ln_run_signal(&app->g, ln_str_of(argv[0]), ln_str_of(argv[1]),
                                                 ln_buf_view(&value), ln_str_of(ln_app_user()), ulid, &err));
  ln_buf_free(&value);
  if (!read) return ln_app_usage("%s is no JSON: %s", argv[2], err.message);
  if (!ok) return ln_app_fail(&err);
  fputs("sent ", stdout);
  ln_app_put(stdout, ln_str_of(argv[1]), 0);
  printf(" to run %s\n", ulid);
  return LN_EXIT_DONE;
}

int ln_cmd_signal(int argc, char **argv) {
  ln_app_opts o = {.must_exist = true};
  ln_app app;
  ln_err err = {0};
  int opt;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, options)) != -1) {
    if (opt == LN_OPT_HELP) return fputs(help, stdout), 0;
    if (opt == '?') return LN_EXIT_USAGE;
    if (opt == LN_OPT_CONFIG) o.config = optarg;
  }
  int n = argc - optind;
  if (n < 2 || n > 3) return ln_app_usage("signal takes RUN NAME [JSON]: lunette signal --help");
  int code = ln_app_open(&app, &o, &err) ? send(&app, n, argv + optind) : ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}
