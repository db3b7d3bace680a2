/* cmd_check.c: lunette check: examines scripts against what there is: the words, the libraries, and the
** connectors as they are declared. */
#include "cli/app.h"

#include "cli/known.h"
#include "cli/sources.h"
#include "engine/check.h"

enum { OPT_STRICT = 256, OPT_SARIF, KNOWN_MAX = 64 << 20, FINDINGS_MAX = 64 << 20 };

static const struct option options[] = {
    {"strict", no_argument, NULL, OPT_STRICT},
    {"sarif", no_argument, NULL, OPT_SARIF},
    LN_JSON_OPTION, LN_COMMON_OPTIONS};
static const char help[] =
    "usage: lunette check [PATH...] [--strict] [--json|--sarif] [--config FILE]\n"
    "Examines scripts: FILE:LINE:COL: severity: message [rule].  Without a PATH: all scripts and "
    "connectors.\n"
    "  --strict   a warning counts as much as an error\n"
    "  --json     one object a line\n"
    "  --sarif    one SARIF 2.1.0 log, for code review\n"
    "Exit status: 0 nothing was found, or warnings only; 1 something was.  A line is excused by a comment,\n"
    "-- check: allow RULE\n";

/* ------------------------------------------------------------------ findings */

typedef struct tally { size_t errors, warnings; } tally;

static void print_json(ln_str f) {
  ln_buf b;
  ln_json j;
  ln_buf_init(&b, 1 << 20);
  ln_json_init(&j, &b);
  ln_v_to_json(f, &j);
  ln_app_put(stdout, ln_buf_view(&b), 0);
  putchar('\n');
  ln_buf_free(&b);
}

static void print_text(ln_str f) {
  ln_str file = ln_v_get_str(f, "file"), severity = ln_v_get_str(f, "severity");
  ln_str message = ln_v_get_str(f, "message"), rule = ln_v_get_str(f, "rule");
  ln_app_put(stdout, file, 0);
  printf(":%lld:%lld: " LN_STR_FMT ": ", (long long)ln_v_get_int(f, "line", 1),
         (long long)ln_v_get_int(f, "column", 1), LN_STR_ARG(severity));
  ln_app_put(stdout, message, 0);
  printf(" [" LN_STR_FMT "]\n", LN_STR_ARG(rule));
}

typedef enum shape { TEXT, JSON, SARIF } shape;

static tally print_findings(ln_str findings, shape form) {
  tally t = {0, 0};
  ln_vitem list, one;
  if (!ln_v_read(&findings, &list)) return t;
  for (ln_str rest = list.body; rest.n && ln_v_read(&rest, &one);) {
    if (ln_str_eq(ln_v_get_str(one.whole, "severity"), LN_STR("error"))) t.errors++;
    else t.warnings++;
    if (form == JSON) print_json(one.whole);
    if (form == TEXT) print_text(one.whole);
  }
  return t;
}

static const char *plural(size_t n) { return n == 1 ? "" : "s"; }

static bool print_sarif(ln_app *app, ln_str findings, ln_str sources, ln_err *err) {
  ln_buf json;
  ln_buf_init(&json, FINDINGS_MAX);
  bool ok = ln_check_sarif(&app->g, findings, sources, &json, err);
  if (ok) ln_app_put(stdout, ln_buf_view(&json), 0), putchar('\n');
  ln_buf_free(&json);
  return ok;
}

static int told(tally t, size_t files, shape form, bool strict) {
  if (form == TEXT)
    fprintf(stderr, "%zu file%s: %zu error%s, %zu warning%s\n", files, plural(files), t.errors,
            plural(t.errors), t.warnings, plural(t.warnings));
  return t.errors || (strict && t.warnings) ? LN_EXIT_FAILED : LN_EXIT_DONE;
}

/* ------------------------------------------------------------------ the command */

static bool known_to(ln_engine *g, ln_buf *known, ln_err *err) {
  ln_buf_init(known, KNOWN_MAX);
  return ln_known_connectors(g, known) || ln_buf_ok(known, err);
}

static bool collect(const ln_config *c, char *const *paths, int n, ln_sources *s, ln_err *err) {
  if (!ln_sources_configured(s, c, err)) return false;
  if (n > 0) ln_sources_ask_none(s);
  for (int i = 0; i < n; i++)
    if (!ln_sources_ask(s, paths[i], err)) return false;
  return true;
}

static int check(ln_app *app, char *const *paths, int n, shape form, bool strict) {
  ln_sources s = {NULL, 0, 0};
  ln_buf known = {0}, sources = {0}, findings;
  ln_err err = {0};
  ln_buf_init(&findings, FINDINGS_MAX);
  bool ok = collect(app->config, paths, n, &s, &err) && ln_sources_read(&s, &sources, &err) &&
            known_to(&app->g, &known, &err) &&
            ln_check(&app->g, ln_buf_view(&known), ln_buf_view(&sources), &findings, &err);
  if (ok && form == SARIF) ok = print_sarif(app, ln_buf_view(&findings), ln_buf_view(&sources), &err);
  int code = ok ? told(print_findings(ln_buf_view(&findings), form), ln_sources_asked(&s), form, strict)
                : ln_app_fail(&err);
  ln_buf_free(&findings);
  ln_buf_free(&sources);
  ln_buf_free(&known);
  ln_sources_free(&s);
  return code;
}

int ln_cmd_check(int argc, char **argv) {
  ln_app_opts o = {.no_store = true};
  ln_app app;
  ln_err err = {0};
  bool strict = false;
  shape form = TEXT;
  int opt;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, options)) != -1) {
    if (opt == LN_OPT_HELP) return fputs(help, stdout), 0;
    if (opt == '?') return LN_EXIT_USAGE;
    if (opt == LN_OPT_CONFIG) o.config = optarg;
    if (opt == LN_OPT_JSON) form = JSON;
    if (opt == OPT_SARIF) form = SARIF;
    if (opt == OPT_STRICT) strict = true;
  }
  int code = ln_app_open(&app, &o, &err) ? check(&app, argv + optind, argc - optind, form, strict)
                                         : ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}
