/* speak.c: how commands read their options, and speak to people. */
#include "cli/app.h"

#include "base/plain.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t put_plain(FILE *f, ln_str text, bool lines) {
  ln_buf b;
  ln_buf_init(&b, (size_t)1 << 30);
  if (!ln_plain(&b, text, lines))
    ln_buf_cut(&b, 0), b.failed = false, ln_buf_addz(&b, "(too large to be shown)");
  size_t n = b.n ? fwrite(b.p, 1, b.n, f) : 0;
  ln_buf_free(&b);
  return n;
}

void ln_app_put(FILE *f, ln_str text, int width) {
  for (int n = (int)put_plain(f, text, false); n < width; n++) putc(' ', f);
}

void ln_app_put_lines(FILE *f, ln_str text) { put_plain(f, text, true); }

void ln_app_put_hold(const ln_hold *h) {
  ln_app_put(stdout, h->entity, 0);
  fputs("  ", stdout);
  ln_app_put(stdout, h->facet, 0);
  fputs(" = ", stdout);
  ln_app_put(stdout, h->state, 0);
  printf("  (%.*s)", LN_STR_ARG(h->status));
}

int ln_app_fail(const ln_err *err) {
  fputs("lunette: ", stderr);
  ln_app_put(stderr, ln_str_of(err->message), 0);
  fputc('\n', stderr);
  if (ln_err_is(err, "config") || ln_err_is(err, "store")) return LN_EXIT_UNUSABLE;
  return ln_err_is(err, "ambiguous") || ln_err_is(err, "usage") ? LN_EXIT_USAGE : LN_EXIT_FAILED;
}

int ln_app_usage(const char *fmt, ...) {
  va_list ap;
  ln_buf text;
  ln_buf_init(&text, 1 << 20);
  va_start(ap, fmt);
  ln_buf_addv(&text, fmt, ap);
  va_end(ap);
  fputs("lunette: ", stderr);
  ln_app_put(stderr, ln_buf_view(&text), 0);
  fputc('\n', stderr);
  ln_buf_free(&text);
  return LN_EXIT_USAGE;
}

bool ln_app_colour(FILE *f) {
  const char *no = getenv("NO_COLOR");
  return isatty(fileno(f)) && !(no && no[0]);
}

/* For completion in shells, so that none has a list of its own: one a line, with "=" where a value is
** wanted. */
static void list_options(const struct option *table) {
  for (; table->name; table++)
    printf("--%s%s\n", table->name, table->has_arg == required_argument ? "=" : "");
}

int ln_app_option(int argc, char **argv, const struct option *table) {
  const char *command = argv[0];
  if (argc == 2 && strcmp(argv[1], "--options") == 0) {
    list_options(table);
    exit(fflush(stdout) == 0 ? LN_EXIT_DONE : LN_EXIT_FAILED);
  }
  opterr = 0;
  int opt = getopt_long(argc, argv, ":", table, NULL);
  if (opt == ':') {
    ln_app_usage("%s needs a value: lunette %s --help says which", argv[optind - 1], command);
  } else if (opt == '?' && optopt >= 256) {
    ln_app_usage("%s takes no value: lunette %s --help", argv[optind - 1], command);
  } else if (opt == '?' && optopt) {
    ln_app_usage("%s has no option -%c: lunette %s --help lists them", command, optopt, command);
  } else if (opt == '?') {
    ln_app_usage("%s has no option %s, or several that begin so: lunette %s --help lists them", command,
                 argv[optind - 1], command);
  }
  return opt == ':' ? '?' : opt;
}

bool ln_app_number(const char *option, const char *text, long long least, long long most, long long *out) {
  char *end;
  errno = 0;
  *out = strtoll(text, &end, 10);
  if (*text && !*end && !errno && *out >= least && *out <= most) return true;
  ln_app_usage("%s: a whole number from %lld to %lld is wanted, not %s", option, least, most, text);
  return false;
}
