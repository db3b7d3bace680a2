/* cmd_alert.c: lunette alert: normalises alerts of any known format, one JSON object a line; or hands them
** in. */
#include "cli/remote.h"

#include "engine/alerts.h"
#include "engine/intake.h"
#include "server/serve.h"

enum { OPT_SUBMIT = 256, OPT_SOURCE };

static const struct option options[] = {{"submit", no_argument, NULL, OPT_SUBMIT},
                                        {"source", required_argument, NULL, OPT_SOURCE},
                                        LN_COMMON_OPTIONS};
static const char help[] =
    "usage: lunette alert [FILE|-] [--submit [--source NAME]] [--config FILE]\n"
    "Normalises alerts (one, an array, a page, or JSON lines): one JSON object a line, with the\n"
    "playbooks that it would start.  --submit: hands them in; they start those.\n";

typedef struct showing { const char *path; bool unknown; } showing;

static bool print_line(void *arg, ln_str json) {
  (void)arg;
  ln_app_put(stdout, json, 0);
  return putchar('\n') != EOF;
}

static void say_unknown(void *arg, const ln_document *d) {
  showing *s = arg;
  s->unknown = true;
  fprintf(stderr, "lunette: %s: %.*s%s", s->path, LN_STR_ARG(d->at), d->at.n ? ": " : "");
  ln_app_put(stderr, d->why, 0);
  fputc('\n', stderr);
}

static int normalise(ln_app *app, const char *path) {
  ln_err err = {0};
  ln_buf text = {0};
  showing s = {.path = path};
  ln_alert_show to = {print_line, say_unknown, &s};
  bool ok = ln_app_read(path, &text, &err) &&
            (ln_intake_show(&app->g, ln_buf_view(&text), &to, &err) || ln_err_prefix(&err, "%s", path));
  ln_buf_free(&text);
  return !ok ? ln_app_fail(&err) : s.unknown ? LN_EXIT_FAILED : LN_EXIT_DONE;
}

/* ------------------------------------------------------------------ handing in */

/* { alerts, unknown }: an object a line, and what is not known on standard error. */
static void say_taken(void *arg, ln_str answer, const ln_err *err) {
  showing *s = arg;
  ln_vitem list, one;
  (void)err;                                             /* that is told by whoever called */
  if (ln_v_get(answer, LN_STR("alerts"), &list))
    for (ln_str rest = list.body; rest.n && ln_v_read(&rest, &one);) {
      ln_buf line;
      ln_json j;
      ln_buf_init(&line, 64 << 20);
      ln_json_init(&j, &line);
      ln_v_to_json(one.whole, &j);
      print_line(NULL, ln_buf_view(&line));
      ln_buf_free(&line);
    }
  if (ln_v_get(answer, LN_STR("unknown"), &list))
    for (ln_str rest = list.body; rest.n && ln_v_read(&rest, &one);) {
      ln_document d = {.at = ln_v_get_str(one.whole, "at"), .why = ln_v_get_str(one.whole, "why")};
      say_unknown(s, &d);
    }
}

static bool ask(ln_app *app, ln_str text, ln_str source, showing *s, ln_err *err) {
  ln_buf b, answer;
  ln_buf_init(&b, 128 << 20);
  ln_buf_init(&answer, (size_t)256 << 20);
  size_t mark = ln_v_begin(&b, 'O', 3);
  ln_remote_text(&b, "do", LN_STR("alert"));
  ln_remote_text(&b, "source", source);
  ln_remote_text(&b, "text", text);
  ln_v_end(&b, mark);
  bool ok = ln_buf_ok(&b, err) && ln_service_ask(app->g.store, ln_buf_view(&b), &answer, err);
  if (ok) say_taken(s, ln_buf_view(&answer), NULL);
  ln_buf_free(&b);
  ln_buf_free(&answer);
  return ok;
}

static int submit(ln_app *app, const char *path, const char *source) {
  ln_err err = {0};
  ln_buf text = {0};
  showing s = {.path = path};
  ln_str by = ln_str_of(ln_app_user()), of = ln_str_of(source ? source : "");
  const ln_alert_from from = {.by = by, .source = of};
  bool ok = ln_app_read(path, &text, &err);
  ok = ok && (app->served ? ask(app, ln_buf_view(&text), of, &s, &err)
                          : ln_alerts_keep(&app->g, ln_buf_view(&text), &from, say_taken, &s, &err));
  ln_buf_free(&text);
  if (ok && !app->served) fputs("lunette: they start what they start once `lunette serve` runs\n", stderr);
  return !ok ? ln_app_fail(&err) : s.unknown ? LN_EXIT_FAILED : LN_EXIT_DONE;
}

int ln_cmd_alert(int argc, char **argv) {
  ln_app_opts o = {0};
  ln_app app;
  ln_err err = {0};
  bool hand_in = false;
  const char *source = NULL;
  int opt;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, options)) != -1) {
    if (opt == LN_OPT_HELP) return fputs(help, stdout), 0;
    if (opt == '?') return LN_EXIT_USAGE;
    if (opt == LN_OPT_CONFIG) o.config = optarg;
    if (opt == OPT_SUBMIT) hand_in = true;
    if (opt == OPT_SOURCE) source = optarg;
  }
  if (optind + 1 < argc) return ln_app_usage("alert takes one FILE");
  if (source && !hand_in) return ln_app_usage("--source is for --submit");
  const char *path = optind < argc ? argv[optind] : "-";
  int code = !ln_app_open(&app, &o, &err) ? ln_app_fail(&err)
             : hand_in                    ? submit(&app, path, source)
                                          : normalise(&app, path);
  ln_app_close(&app);
  return code;
}
