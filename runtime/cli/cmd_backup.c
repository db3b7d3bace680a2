/* cmd_backup.c: lunette backup: a copy of the store, while others go on with it. */
#include "cli/app.h"

#include <sys/stat.h>

static const struct option options[] = {LN_JSON_OPTION, LN_COMMON_OPTIONS};

static const char help[] =
    "usage: lunette backup FILE [--json] [--config FILE]\n"
    "Copies the store to FILE, as it is at one moment, whatever runs meanwhile.  FILE must not be there.\n"
    "Whoever opens the copy finds everything frozen, and what was under way waiting for people.\n"
    "The vault's key file is not in it: keep that elsewhere.\n";

static void put_json(const char *file, long long bytes) {
  ln_buf b;
  ln_json j;
  ln_buf_init(&b, 1 << 16);
  ln_json_init(&j, &b);
  ln_json_open(&j, '{');
  ln_json_key(&j, LN_STR("file"));
  ln_json_strz(&j, file);
  ln_json_key(&j, LN_STR("bytes"));
  ln_json_int(&j, bytes);
  ln_json_close(&j, '}');
  ln_app_put(stdout, ln_buf_view(&b), 0);
  putchar('\n');
  ln_buf_free(&b);
}

static int backup(ln_app *app, const char *file, bool json) {
  ln_err err = {0};
  struct stat st = {0};
  if (!ln_store_backup(app->g.store, file, &err)) return ln_app_fail(&err);
  stat(file, &st);
  if (json) {
    put_json(file, (long long)st.st_size);
    return LN_EXIT_DONE;
  }
  ln_app_put(stdout, ln_str_of(file), 0);
  printf(": %lld bytes; the vault's key file is not in it\n", (long long)st.st_size);
  return LN_EXIT_DONE;
}

int ln_cmd_backup(int argc, char **argv) {
  ln_app_opts o = {.must_exist = true};
  ln_app app;
  ln_err err = {0};
  bool json = false;
  int opt;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, options)) != -1) {
    if (opt == LN_OPT_HELP) return fputs(help, stdout), 0;
    if (opt == '?') return LN_EXIT_USAGE;
    if (opt == LN_OPT_CONFIG) o.config = optarg;
    if (opt == LN_OPT_JSON) json = true;
  }
  if (optind + 1 != argc) return ln_app_usage("backup takes one FILE: lunette backup --help");
  int code = ln_app_open(&app, &o, &err) ? backup(&app, argv[optind], json) : ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}
