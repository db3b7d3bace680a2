/* cmd_secret.c: lunette secret set, list, rm: the vault.  A value is never an argument: it comes from a
** prompt without echo, or from standard input. */
#include "cli/app.h"

#include "base/units.h"

#include <getopt.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

static const struct option options[] = {LN_COMMON_OPTIONS};
static const char help[] =
    "usage: lunette secret set NAME | list | rm NAME  [--config FILE]\n"
    "set prompts without echo on a terminal, else reads standard input (one trailing newline is dropped).\n";

static bool read_value(ln_buf *out, ln_err *err) {
  struct termios was, quiet;
  char chunk[4096];
  size_t n;
  bool tty = tcgetattr(STDIN_FILENO, &was) == 0;
  ln_buf_init(out, 65536);
  if (tty) {
    quiet = was;
    quiet.c_lflag &= (tcflag_t)~ECHO;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    fputs("value: ", stderr);
    if (fgets(chunk, sizeof chunk, stdin)) ln_buf_addz(out, chunk);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &was);
    fputc('\n', stderr);
  } else {
    while ((n = fread(chunk, 1, sizeof chunk, stdin)) > 0) ln_buf_add(out, (ln_str){chunk, n});
  }
  explicit_bzero(chunk, sizeof chunk);
  if (ln_buf_failed(out)) return ln_fail(err, "too_big", LN_FINAL, "a secret is 64 KiB at most");
  if (out->n && out->p[out->n - 1] == '\n') ln_buf_cut(out, out->n - 1);
  return out->n > 0 || ln_fail(err, "usage", LN_FINAL, "an empty value is no secret");
}

static int set(ln_app *app, const char *name) {
  ln_buf value = {0};
  ln_err err = {0};
  const char *made = NULL;
  bool ok = read_value(&value, &err) &&
            ln_secret_set(app->g.vault, ln_str_of(name), ln_buf_view(&value), &made, &err);
  ln_buf_wipe(&value);
  if (made)
    fprintf(stderr,
            "lunette: made the vault's key at %s (mode 0600): keep a copy where the store's backup is not\n",
            made);
  return ok ? LN_EXIT_DONE : ln_app_fail(&err);
}

static bool print_name(void *arg, ln_str name, int64_t ms) {
  char at[LN_TIME_TEXT];
  (void)arg;
  ln_format_time(ms, at);
  printf("%.*s  %s\n", LN_STR_ARG(name), at);
  return true;
}

static int do_it(ln_app *app, int n, char **words) {
  ln_err err = {0};
  bool was = false;
  if (n == 2 && strcmp(words[0], "set") == 0) return set(app, words[1]);
  if (n == 1 && strcmp(words[0], "list") == 0)
    return ln_store_secrets(app->g.store, print_name, NULL, &err) ? LN_EXIT_DONE : ln_app_fail(&err);
  if (n != 2 || strcmp(words[0], "rm") != 0) return ln_app_usage("secret takes set NAME, list, or rm NAME");
  if (!ln_secret_rm(app->g.vault, ln_str_of(words[1]), &was, &err)) return ln_app_fail(&err);
  return was ? LN_EXIT_DONE : (ln_app_usage("the vault has no %s", words[1]), LN_EXIT_FAILED);
}

int ln_cmd_secret(int argc, char **argv) {
  ln_app_opts o = {0};
  ln_app app;
  ln_err err = {0};
  int opt;
  optind = 1;
  while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
    if (opt == LN_OPT_HELP) return fputs(help, stdout), 0;
    if (opt == '?') return LN_EXIT_USAGE;
    if (opt == LN_OPT_CONFIG) o.config = optarg;
  }
  int code = ln_app_open(&app, &o, &err) ? do_it(&app, argc - optind, argv + optind) : ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}
