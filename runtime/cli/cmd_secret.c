/* cmd_secret.c: lunette secret set, list, rm, rotate: the vault.  A value is never an argument: it comes
** from a prompt without echo, or from standard input. */
#include "cli/app.h"

#include "base/units.h"

enum { OPT_TO = 256, OPT_INTO };

static const struct option options[] = {
    {"to", required_argument, NULL, OPT_TO}, {"into", required_argument, NULL, OPT_INTO}, LN_COMMON_OPTIONS};
static const char help[] =
    "usage: lunette secret set NAME | list | rm NAME | rotate [--to key|passphrase] [--into FILE]\n"
    "                      [--config FILE]\n"
    "set prompts without echo on a terminal, else reads standard input (one trailing newline is dropped).\n"
    "rotate seals all secrets anew, with a new key, or with a passphrase, in the old one's place or into "
    "FILE.\n"
    "A passphrase is asked for on a terminal, or read from the descriptor LUNETTE_PASSPHRASE_FD, a line "
    "each.\n";

static bool read_value(ln_buf *out, ln_err *err) {
  ln_buf_init(out, 65536);
  return ln_app_secret("value", out, err) &&
         (out->n > 0 ||
          ln_fail(err, "usage", LN_FINAL, "an empty value is no secret: type it, or pipe it in"));
}

static int end(bool ok, const ln_err *err) {
  if (ok) return LN_EXIT_DONE;
  int code = ln_app_fail(err);
  return ln_app_interrupted() ? LN_EXIT_INTERRUPTED : code;
}

static int set(ln_app *app, const char *name) {
  ln_buf value = {0};
  ln_err err = {0};
  const char *made = NULL;
  bool ok = read_value(&value, &err) && ln_secret_set(app->g.vault, ln_str_of(name), ln_buf_view(&value),
                                                      ln_str_of(ln_app_user()), &made, &err);
  ln_buf_wipe(&value);
  if (made)
    fprintf(stderr,
            "lunette: made the vault's key at %s (mode 0600): keep a copy where the store's backup is not\n",
            made);
  return end(ok, &err);
}

static int rotate(ln_app *app, ln_rotation *r) {
  ln_err err = {0};
  r->by = ln_str_of(ln_app_user());
  bool ok = ln_vault_rotate(app->g.vault, r, &err);
  if (ok)
    printf("%lld secret%s sealed anew; the new key is at %s: keep a copy where the store's backup is not\n",
           (long long)r->n, r->n == 1 ? "" : "s", r->path);
  return end(ok, &err);
}

static int rm(ln_app *app, const char *name) {
  ln_err err = {0};
  bool was = false;
  if (!ln_secret_rm(app->g.vault, ln_str_of(name), ln_str_of(ln_app_user()), &was, &err))
    return ln_app_fail(&err);
  if (was) return LN_EXIT_DONE;
  ln_app_usage("the vault has no %s: lunette secret list says what it has", name);
  return LN_EXIT_FAILED;
}

static bool print_name(void *arg, ln_str name, int64_t ms) {
  char at[LN_TIME_TEXT];
  (void)arg;
  ln_format_time(ms, at);
  printf("%.*s  %s\n", LN_STR_ARG(name), at);
  return true;
}

static int list(ln_app *app) {
  ln_err err = {0};
  return ln_store_secrets(app->g.store, print_name, NULL, &err) ? LN_EXIT_DONE : ln_app_fail(&err);
}

static int do_it(ln_app *app, int n, char **words, ln_rotation *r) {
  const char *what = n ? words[0] : "";
  if (n == 1 && strcmp(what, "rotate") == 0) return rotate(app, r);
  if (r->to || r->into) return ln_app_usage("--to and --into are for secret rotate");
  if (n == 2 && strcmp(what, "set") == 0) return set(app, words[1]);
  if (n == 1 && strcmp(what, "list") == 0) return list(app);
  if (n == 2 && strcmp(what, "rm") == 0) return rm(app, words[1]);
  return ln_app_usage("secret takes set NAME, list, rm NAME, or rotate");
}

static bool take_kind(const char *text, ln_rotation *r) {
  if (strcmp(text, "key") == 0) r->to = LN_KEY_RANDOM;
  else if (strcmp(text, "passphrase") == 0) r->to = LN_KEY_PASSPHRASE;
  else ln_app_usage("--to: key or passphrase is wanted, not %s", text);
  return r->to != LN_KEY_AS_IT_IS;
}

int ln_cmd_secret(int argc, char **argv) {
  ln_app_opts o = {0};
  ln_app app;
  ln_rotation r = {.into = NULL};
  ln_err err = {0};
  int opt;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, options)) != -1) {
    if (opt == LN_OPT_HELP) return fputs(help, stdout), 0;
    if (opt == '?') return LN_EXIT_USAGE;
    if (opt == LN_OPT_CONFIG) o.config = optarg;
    if (opt == OPT_INTO) r.into = optarg;
    if (opt == OPT_TO && !take_kind(optarg, &r)) return LN_EXIT_USAGE;
  }
  int code = ln_app_open(&app, &o, &err) ? do_it(&app, argc - optind, argv + optind, &r) : ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}
