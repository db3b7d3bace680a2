/* cmd_audit.c: lunette audit verify, export, checkpoint: for whoever has to prove what was done, and that the
** record of it is whole. */
#include "cli/app.h"

#include "engine/audit.h"

enum { OPT_CHECKPOINT = 256, OPT_KEY, OPT_SINCE, OPT_RAW };

static const struct option options[] = {{"checkpoint", required_argument, NULL, OPT_CHECKPOINT},
                                        {"key", required_argument, NULL, OPT_KEY},
                                        {"since", required_argument, NULL, OPT_SINCE},
                                        {"raw", no_argument, NULL, OPT_RAW},
                                        LN_COMMON_OPTIONS};
static const char help[] =
    "usage: lunette audit verify [--checkpoint FILE]... [--key HEX] | export [--since T] [--raw] | "
    "checkpoint\n"
    "                     [--config FILE]\n"
    "verify finds whatever was changed, taken out, moved or cut off; FILE is any text with checkpoints that "
    "left\n"
    "the machine (the file of audit.checkpoints, a log), HEX the key that has to have signed them.\n"
    "export prints OCSF events, one a line; --raw: the records as they are chained.\n"
    "checkpoint signs how the audit is now, and prints that.\n";

typedef struct asked {
  const char *key, *since;
  ln_buf lines;             /* of all files of checkpoints                     */
  bool raw, verify, export; /* which command the options are of                */
} asked;

static void print_fault(void *arg, ln_str what) {
  (void)arg;
  ln_app_put(stdout, what, 0);
  putchar('\n');
}

static int verify(ln_app *app, const asked *a) {
  ln_err err = {0};
  ln_audit_state s;
  const ln_audit_checks how = {
      .lines = ln_buf_view(&a->lines), .signer = ln_str_of(a->key), .fault = print_fault};
  if (!ln_audit_verify(&app->g, &how, &s, &err)) return ln_app_fail(&err);
  printf("%lld record%s, %lld checkpoint%s", (long long)s.records, s.records == 1 ? "" : "s",
         (long long)s.checkpoints, s.checkpoints == 1 ? "" : "s");
  if (s.checkpoints) printf(" by %s", s.signer);
  if (s.hash[0]) printf("; the last record's hash is %s", s.hash);
  printf(s.faults ? ": %lld fault%s\n" : ": whole\n", (long long)s.faults, s.faults == 1 ? "" : "s");
  return s.faults ? LN_EXIT_FAILED : LN_EXIT_DONE;
}

static bool print_line(void *arg, ln_str json) {
  (void)arg;
  ln_app_put(stdout, json, 0);
  return putchar('\n') != EOF;
}

static int export(ln_app *app, const asked *a) {
  ln_err err = {0};
  int64_t since = 0;
  bool ok = (!a->since || ln_app_when(app, "--since", a->since, &since, &err)) &&
            ln_audit_export(&app->g, since, a->raw, print_line, NULL, &err);
  return ok ? LN_EXIT_DONE : ln_app_fail(&err);
}

static int checkpoint(ln_app *app) {
  ln_err err = {0};
  ln_buf line;
  bool made;
  ln_buf_init(&line, 4096);
  bool ok = ln_audit_checkpoint(&app->g, &line, &made, &err);
  if (ok && made) print_line(NULL, ln_buf_view(&line));
  else if (ok) fprintf(stderr, "lunette: nothing was recorded since the last checkpoint\n");
  ln_buf_free(&line);
  return ok ? LN_EXIT_DONE : ln_app_fail(&err);
}

static int do_it(ln_app *app, int n, char **words, const asked *a) {
  const char *what = n == 1 ? words[0] : "";
  bool is_verify = strcmp(what, "verify") == 0, is_export = strcmp(what, "export") == 0;
  if (!is_verify && !is_export && strcmp(what, "checkpoint") != 0)
    return ln_app_usage("audit takes verify, export or checkpoint");
  if ((a->verify && !is_verify) || (a->export && !is_export))
    return ln_app_usage("audit %s has no such option: lunette audit --help", what);
  return is_verify ? verify(app, a) : is_export ? export(app, a) : checkpoint(app);
}

/* One text after the other. */
static bool add_file(asked *a, const char *path, ln_err *err) {
  ln_buf one;
  bool ok = ln_app_read(path, &one, err) &&
            ((ln_buf_add(&a->lines, ln_buf_view(&one)) && ln_buf_addc(&a->lines, '\n')) ||
             ln_buf_ok(&a->lines, err));
  ln_buf_free(&one);
  return ok;
}

/* One that is misspelt would pin nobody. */
static bool take_signer(asked *a, const char *text, ln_err *err) {
  a->key = text;
  a->verify = true;
  return (strlen(text) == 64 && strspn(text, "0123456789abcdefABCDEF") == 64) ||
         ln_fail(err, "usage", LN_FINAL,
                 "--key: 64 hexadecimal digits are wanted, the `signer` of a checkpoint");
}

static bool take(asked *a, int opt, ln_err *err) {
  if (opt == OPT_CHECKPOINT) a->verify = true;
  if (opt == OPT_KEY) return take_signer(a, optarg, err);
  if (opt == OPT_SINCE) a->since = optarg, a->export = true;
  if (opt == OPT_RAW) a->raw = a->export = true;
  return opt != OPT_CHECKPOINT || add_file(a, optarg, err);
}

int ln_cmd_audit(int argc, char **argv) {
  ln_app_opts o = {.must_exist = true};
  ln_app app;
  asked a = {.key = NULL};
  ln_err err = {0};
  int opt;
  bool ok = true;
  optind = 1;
  ln_buf_init(&a.lines, (size_t)256 << 20);
  while (ok && (opt = ln_app_option(argc, argv, options)) != -1) {
    if (opt == LN_OPT_HELP) return fputs(help, stdout), 0;
    if (opt == '?') return LN_EXIT_USAGE;
    if (opt == LN_OPT_CONFIG) o.config = optarg;
    else ok = take(&a, opt, &err);
  }
  if (!ok) return ln_buf_free(&a.lines), ln_app_fail(&err);
  o.looks = optind < argc && strcmp(argv[optind], "checkpoint") != 0; /* what is examined stays as it is */
  int code = ln_app_open(&app, &o, &err) ? do_it(&app, argc - optind, argv + optind, &a) : ln_app_fail(&err);
  ln_app_close(&app);
  ln_buf_free(&a.lines);
  return code;
}
