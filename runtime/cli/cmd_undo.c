/* cmd_undo.c: lunette undo, release, hold: taking back what was done, and keeping it for longer.  The first
** two are runs: shown, asked about, resumed as any other. */
#include "cli/carry.h"
#include "cli/remote.h"

#include "base/units.h"

enum { OPT_PLAN = 256, OPT_WHY, OPT_UNTIL, OPT_APPROVE, OPT_DESPITE, OPT_QUIET };

typedef struct taking {
  ln_app_opts app;
  char **what;
  int n;
  const char *why, *until;
  bool plan, json, quiet, despite_freeze;
  ln_approve approve;
} taking;

#define TAKING_OPTIONS                                                                                       \
  {"plan", no_argument, NULL, OPT_PLAN}, {"approve", required_argument, NULL, OPT_APPROVE},                  \
      {"despite-freeze", no_argument, NULL, OPT_DESPITE}, {"quiet", no_argument, NULL, OPT_QUIET}

static const struct option undo_options[] = {TAKING_OPTIONS, LN_JSON_OPTION, LN_COMMON_OPTIONS};
static const struct option release_options[] = {
    {"why", required_argument, NULL, OPT_WHY}, TAKING_OPTIONS, LN_JSON_OPTION, LN_COMMON_OPTIONS};
static const struct option hold_options[] = {{"until", required_argument, NULL, OPT_UNTIL},
                                             LN_COMMON_OPTIONS};

#define TAKING_HELP                                                                                          \
  "  --plan            nothing is written: shows what would be\n"                                            \
  "  --approve         ask: prompt at the terminal; deny: refuse all; all: against simulators only\n"        \
  "  --despite-freeze  also while writes are frozen; it goes on record\n"

static const char undo_help[] =
    "usage: lunette undo RUN [--plan] [--approve ask|deny|all] [--despite-freeze] [--json] [--quiet]\n"
    "                    [--config FILE]\n"
    "Takes back what a run that has ended did, the last first, where the live state is still what it set.\n"
    "First it prints what it can take back and what it cannot.  It is a run itself.\n" TAKING_HELP;
static const char release_help[] =
    "usage: lunette release ENTITY... --why TEXT [--plan] [--approve ask|deny|all] [--despite-freeze]\n"
    "                       [--json] [--quiet] [--config FILE]\n"
    "Lifts what is held of something, in every vendor, whichever runs hold it.  ENTITY is vendor:kind:id,\n"
    "or a bare name.  It is a run itself.\n" TAKING_HELP;
static const char hold_help[] =
    "usage: lunette hold ENTITY --until T [--config FILE]\n"
    "Prolongs the leases of something: T is a time (RFC 3339), or a duration from now on, such as 8h.\n";

static bool take(taking *t, int opt) {
  switch (opt) {
  case OPT_PLAN: t->plan = true; return true;
  case OPT_WHY: t->why = optarg; return true;
  case OPT_UNTIL: t->until = optarg; return true;
  case OPT_DESPITE: t->despite_freeze = true; return true;
  case OPT_QUIET: t->quiet = true; return true;
  case LN_OPT_JSON: t->json = true; return true;
  case LN_OPT_CONFIG: t->app.config = optarg; return true;
  case OPT_APPROVE: return ln_carry_approve(optarg, &t->approve);
  default: return false;
  }
}

/* -1: go on; else the exit status. */
static int parse(taking *t, const struct option *options, const char *help, int argc, char **argv) {
  int opt;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, options)) != -1) {
    if (opt == LN_OPT_HELP) return fputs(help, stdout), LN_EXIT_DONE;
    if (opt == '?') return LN_EXIT_USAGE;
    if (!take(t, opt)) return ln_app_usage("--approve is ask, deny or all, not %s", optarg);
  }
  t->what = argv + optind;
  t->n = argc - optind;
  return -1;
}

/* ------------------------------------------------------------------ undo */

static void print_act(ln_str act) {
  static const char *const parts[] = {"step", "label", "entity", "facet", "state"};
  static const char *const before[] = {"  ", "  ", "  ", "  ", " = "};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    ln_str text = ln_v_get_str(act, parts[i]);
    if (!text.n) continue;
    fputs(before[i], stdout);
    ln_app_put(stdout, text, 0);
  }
  ln_str why = ln_v_get_str(act, "why");
  if (why.n) fputs(": ", stdout);
  ln_app_put(stdout, why, 0);
  putchar('\n');
}

static void print_those(ln_str acts, const char *how, const char *title) {
  ln_vitem list, act;
  bool any = false;
  if (!ln_v_read(&acts, &list)) return;
  for (ln_str rest = list.body; rest.n && ln_v_read(&rest, &act);) {
    if (!ln_str_eq(ln_v_get_str(act.whole, "how"), ln_str_of(how))) continue;
    if (!any) printf("%s\n", title);
    any = true;
    print_act(act.whole);
  }
}

/* What can be taken back, and what cannot: before anything is. */
static bool preview(ln_app *app, const char *run, ln_err *err) {
  ln_buf acts;
  ln_buf_init(&acts, (size_t)256 << 20);
  bool ok = ln_acts_of(&app->g, ln_str_of(run), 0, &acts, err);
  if (ok) {
    ln_str all = ln_buf_view(&acts);
    print_those(all, "lift", "to be taken back, in this order:");
    print_those(all, "cannot", "cannot be taken back:");
    print_those(all, "note", "stays, and took nothing from anybody:");
    print_those(all, "foreign", "left alone:");
    fflush(stdout);
  }
  ln_buf_free(&acts);
  return ok;
}

/* ------------------------------------------------------------------ the run that does it */

static int ask(ln_app *app, const taking *t, const char *what) {
  char ulid[LN_ULID + 1];
  ln_err err = {0};
  ln_buf b;
  bool undo = strcmp(what, "undo") == 0;
  ln_following how = {.json = t->json, .quiet = t->quiet, .approve = t->approve, .plan = t->plan};
  ln_buf_init(&b, 1 << 20);
  size_t mark = ln_v_begin(&b, 'O', undo ? 5 : 6);
  ln_remote_text(&b, "approve", ln_str_of(ln_remote_approve(t->approve)));
  ln_remote_flag(&b, "despite_freeze", t->despite_freeze);
  ln_remote_text(&b, "do", ln_str_of(what));
  if (!undo) {
    ln_v_key(&b, LN_STR("entities"));
    size_t list = ln_v_begin(&b, 'A', (size_t)t->n);
    for (int i = 0; i < t->n; i++) ln_v_str(&b, ln_str_of(t->what[i]));
    ln_v_end(&b, list);
  }
  ln_remote_flag(&b, "plan", t->plan);
  if (undo) ln_remote_text(&b, "run", ln_str_of(t->what[0]));
  else ln_remote_text(&b, "why", ln_str_of(t->why));
  ln_v_end(&b, mark);
  bool ok = ln_buf_ok(&b, &err) && ln_remote(app, ln_buf_view(&b), ulid, &err);
  ln_buf_free(&b);
  return ok ? ln_follow(app, ulid, &how, NULL) : ln_app_fail(&err);
}

static ln_run *release(ln_app *app, const taking *t, const ln_run_options *o, ln_str by, ln_err *err) {
  ln_str entities[64];
  ln_release what = {.entities = entities, .n = (size_t)t->n, .why = ln_str_of(t->why)};
  for (size_t i = 0; i < what.n; i++) entities[i] = ln_str_of(t->what[i]);
  return ln_release_start(&app->g, &what, o, by, err);
}

static int carry(ln_app *app, const taking *t, const char *what) {
  ln_err err = {0};
  ln_str by = ln_str_of(ln_app_user());
  ln_carrying c = {.app = app, .json = t->json, .quiet = t->quiet, .approve = t->approve};
  ln_run_options o = {.plan = t->plan,
                      .despite_freeze = t->despite_freeze,
                      .approve = t->approve,
                      .event = ln_carry_event,
                      .event_arg = &c};
  bool undo = strcmp(what, "undo") == 0;
  if (!ln_carry_may_approve(app, t->approve, ln_config_all_near(app->config))) return LN_EXIT_USAGE;
  if (undo && !t->json && !t->quiet && !preview(app, t->what[0], &err)) return ln_app_fail(&err);
  if (app->served) return ask(app, t, what);
  c.run = undo ? ln_undo_start(&app->g, ln_str_of(t->what[0]), 0, &o, by, &err)
               : release(app, t, &o, by, &err);
  return c.run ? ln_carry(&c) : ln_app_fail(&err);
}

static int open_and_carry(const taking *t, const char *what) {
  ln_app app;
  ln_err err = {0};
  int code = ln_app_open(&app, &t->app, &err) ? carry(&app, t, what) : ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}

int ln_cmd_undo(int argc, char **argv) {
  taking t = {.app = {.runs = true, .must_exist = true}};
  int code = parse(&t, undo_options, undo_help, argc, argv);
  if (code >= 0) return code;
  if (t.n != 1) return ln_app_usage("undo takes one RUN: lunette undo --help");
  return open_and_carry(&t, "undo");
}

int ln_cmd_release(int argc, char **argv) {
  taking t = {.app = {.runs = true, .must_exist = true}};
  int code = parse(&t, release_options, release_help, argc, argv);
  if (code >= 0) return code;
  if (t.n < 1 || t.n > 64) return ln_app_usage("release takes one ENTITY or more: lunette release --help");
  if (!t.why || !t.why[strspn(t.why, " \t")])
    return ln_app_usage("release wants --why TEXT: it goes on record");
  return open_and_carry(&t, "release");
}

/* ------------------------------------------------------------------ hold */

static bool when(const char *text, int64_t now, int64_t *ms, ln_err *err) {
  ln_err no = {0};
  if (ln_parse_duration(ln_str_of(text), ms, &no)) *ms += now;
  else if (!ln_parse_time(ln_str_of(text), ms, &no))
    return ln_fail(err, "usage", LN_FINAL,
                   "--until %s: a time such as 2026-11-24T18:00:00Z is wanted, or a duration such as 8h",
                   text);
  return *ms > now ||
         ln_fail(err, "usage", LN_FINAL, "--until %s is over: lunette release ends a hold", text);
}

static int prolong(ln_app *app, const taking *t) {
  ln_err err = {0};
  char until[LN_TIME_TEXT];
  int64_t ms = 0, n = 0;
  if (!when(t->until, ln_now_ms(app->g.loop->clock), &ms, &err) ||
      !ln_hold_prolong(&app->g, ln_str_of(t->what[0]), ms, ln_str_of(ln_app_user()), &n, &err))
    return ln_app_fail(&err);
  ln_format_time(ms, until);
  printf("%lld hold%s of %s last until %s\n", (long long)n, n == 1 ? "" : "s", t->what[0], until);
  return LN_EXIT_DONE;
}

int ln_cmd_hold(int argc, char **argv) {
  taking t = {.app = {.must_exist = true}};
  ln_app app;
  ln_err err = {0};
  int code = parse(&t, hold_options, hold_help, argc, argv);
  if (code >= 0) return code;
  if (t.n != 1 || !t.until) return ln_app_usage("hold takes one ENTITY, and --until T: lunette hold --help");
  code = ln_app_open(&app, &t.app, &err) ? prolong(&app, &t) : ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}
