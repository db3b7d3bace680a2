/* cmd_token.c: lunette token add, list, rm: who may use the HTTP API. */
#include "cli/app.h"

#include "base/units.h"
#include "server/token.h"

enum { OPT_ROLE = 256, OPT_EXPIRES };

static const struct option options[] = {{"role", required_argument, NULL, OPT_ROLE},
                                        {"expires", required_argument, NULL, OPT_EXPIRES},
                                        LN_COMMON_OPTIONS};
static const char help[] =
    "usage: lunette token add NAME --role viewer|operator|approver|admin [--expires T] | list | rm NAME\n"
    "                     [--config FILE]\n"
    "add prints the token, once: the store keeps no more of it than a hash.\n"
    "--expires: a time (RFC 3339), or how long from now (\"90d\").\n"
    "One that is removed is refused at once, also by lunette serve.\n";

typedef struct asked {
  ln_role role;
  const char *expires;
} asked;

/* A time, or a duration from now; 0: never. */
static bool expiry(const char *text, int64_t *ms, ln_err *err) {
  int64_t in = 0, now = ln_now_ms(ln_clock_real());
  *ms = 0;
  if (!text) return true;
  if (!ln_parse_time(ln_str_of(text), ms, err)) {
    if (!ln_parse_duration(ln_str_of(text), &in, err))
      return ln_fail(err, "usage", LN_FINAL,
                     "--expires: a time or a duration such as \"90d\" is wanted, not %s", text);
    *ms = now + in;
  }
  return *ms > now || ln_fail(err, "usage", LN_FINAL, "--expires: that is over already");
}

static int add(ln_app *app, const char *name, const asked *a) {
  ln_err err = {0};
  ln_buf token;
  int64_t expires;
  if (a->role == LN_ROLE_NONE)
    return ln_app_usage("token add wants --role: viewer, operator, approver or admin");
  ln_buf_init(&token, LN_TOKEN_TEXT + 1);
  bool ok =
      expiry(a->expires, &expires, &err) &&
      ln_token_add(app->g.store, ln_str_of(name), a->role, expires, ln_str_of(ln_app_user()), &token, &err);
  if (ok) {
    printf("%.*s\n", LN_STR_ARG(ln_buf_view(&token)));
    fprintf(stderr, "lunette: keep it now: it is not shown again\n");
  }
  ln_buf_wipe(&token);
  return ok ? LN_EXIT_DONE : ln_app_fail(&err);
}

static void put_time(const char *what, int64_t ms) {
  char at[LN_TIME_TEXT];
  ln_format_time(ms, at);
  printf("  %s %s", what, at);
}

static bool print_one(void *arg, const ln_token_row *t) {
  (void)arg;
  ln_app_put(stdout, t->name, 24);
  printf("  %-8.*s", LN_STR_ARG(t->role));
  put_time("made", t->created_ms);
  if (t->expires_ms) put_time("expires", t->expires_ms);
  if (t->used_ms) put_time("used", t->used_ms);
  putchar('\n');
  return true;
}

static int do_it(ln_app *app, int n, char **words, const asked *a) {
  ln_err err = {0};
  bool was = false;
  if (n == 2 && strcmp(words[0], "add") == 0) return add(app, words[1], a);
  if (a->expires || a->role) return ln_app_usage("--role and --expires are for token add NAME");
  if (n == 1 && strcmp(words[0], "list") == 0)
    return ln_store_tokens(app->g.store, print_one, NULL, &err) ? LN_EXIT_DONE : ln_app_fail(&err);
  if (n != 2 || strcmp(words[0], "rm") != 0) return ln_app_usage("token takes add NAME, list, or rm NAME");
  if (!ln_token_rm(app->g.store, ln_str_of(words[1]), ln_str_of(ln_app_user()), &was, &err))
    return ln_app_fail(&err);
  if (was) return LN_EXIT_DONE;
  ln_app_usage("there is no token %s: lunette token list says which there are", words[1]);
  return LN_EXIT_FAILED;
}

int ln_cmd_token(int argc, char **argv) {
  ln_app_opts o = {0};
  ln_app app;
  asked a = {0};
  ln_err err = {0};
  int opt;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, options)) != -1) {
    if (opt == LN_OPT_HELP) return fputs(help, stdout), 0;
    if (opt == '?') return LN_EXIT_USAGE;
    if (opt == LN_OPT_CONFIG) o.config = optarg;
    if (opt == OPT_EXPIRES) a.expires = optarg;
    if (opt == OPT_ROLE && !(a.role = ln_role_of(ln_str_of(optarg))))
      return ln_app_usage("--role: viewer, operator, approver or admin is wanted, not %s", optarg);
  }
  int code = ln_app_open(&app, &o, &err) ? do_it(&app, argc - optind, argv + optind, &a) : ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}
