/* cmd_secret.c: lunette secret set, list, rm: the vault.  A value is never an argument: it comes from a
** prompt without echo, or from standard input. */
#include "cli/app.h"

#include "base/units.h"

#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

static const struct option options[] = {LN_COMMON_OPTIONS};
static const char help[] =
    "usage: lunette secret set NAME | list | rm NAME  [--config FILE]\n"
    "set prompts without echo on a terminal, else reads standard input (one trailing newline is dropped).\n";

/* Up to the end, of a line when it comes from a terminal.  Not by stdio, whose buffer would keep it. */
static void read_all(bool line, ln_buf *out) {
  char chunk[4096];
  ssize_t n;
  bool more = true;
  while (more && (!line || ln_app_await_input()) && (n = read(STDIN_FILENO, chunk, sizeof chunk)) > 0) {
    ln_buf_add(out, (ln_str){chunk, (size_t)n});
    more = !line || !memchr(chunk, '\n', (size_t)n);
  }
  explicit_bzero(chunk, sizeof chunk);
}

/* Without echo; the terminal is as it was afterwards, also when a signal ends it. */
static void prompt(const struct termios *was, ln_buf *out) {
  static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
  struct termios quiet = *was;
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) ln_app_catch(signals[i]);
  quiet.c_lflag &= (tcflag_t)~ECHO;
  tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
  fputs("value: ", stderr);
  read_all(true, out);
  tcsetattr(STDIN_FILENO, TCSAFLUSH, was);
  fputc('\n', stderr);
}

static bool read_value(ln_buf *out, ln_err *err) {
  struct termios was;
  ln_buf_init(out, 65536);
  if (tcgetattr(STDIN_FILENO, &was) == 0) prompt(&was, out);
  else read_all(false, out);
  if (ln_app_interrupted()) return ln_fail(err, "interrupted", LN_FINAL, "interrupted: nothing was kept");
  if (ln_buf_failed(out)) return ln_fail(err, "too_big", LN_FINAL, "a secret is 64 KiB at most");
  if (out->n && out->p[out->n - 1] == '\n') ln_buf_cut(out, out->n - 1);
  return out->n > 0 || ln_fail(err, "usage", LN_FINAL, "an empty value is no secret: type it, or pipe it in");
}

static int set(ln_app *app, const char *name) {
  ln_buf value = {0};
  ln_err err = {0};
  const char *made = NULL;
  bool ok = read_value(&value, &err) &&
            ln_secret_set(app->g.vault, ln_str_of(name), ln_buf_view(&value), ln_str_of(ln_app_user()), &made,
                          &err);
  ln_buf_wipe(&value);
  if (made)
    fprintf(stderr,
            "lunette: made the vault's key at %s (mode 0600): keep a copy where the store's backup is not\n",
            made);
  if (ok) return LN_EXIT_DONE;
  int code = ln_app_fail(&err);
  return ln_app_interrupted() ? LN_EXIT_INTERRUPTED : code;
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
  if (!ln_secret_rm(app->g.vault, ln_str_of(words[1]), ln_str_of(ln_app_user()), &was, &err))
    return ln_app_fail(&err);
  if (was) return LN_EXIT_DONE;
  ln_app_usage("the vault has no %s: lunette secret list says what it has", words[1]);
  return LN_EXIT_FAILED;
}

int ln_cmd_secret(int argc, char **argv) {
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
  int code = ln_app_open(&app, &o, &err) ? do_it(&app, argc - optind, argv + optind) : ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}
