/* cmd_cancel.c: lunette cancel: stops a run.  It undoes nothing: it prints what is still held. */
#include "cli/carry.h"
#include "cli/remote.h"

enum { OPT_SIM = 300 };
static const struct option options[] = {
    {"sim", no_argument, NULL, OPT_SIM}, LN_JSON_OPTION, LN_COMMON_OPTIONS};
static const char help[] = "usage: lunette cancel RUN [--sim] [--json] [--config FILE]\n"
                           "Stops a run.  It undoes nothing, and prints what is still held.\n"
                           "  --sim    of a run that was made against simulators\n";

static bool print_held(void *arg, const ln_hold *h) {
  int64_t *run = arg;
  if (ln_str_eq(h->status, LN_STR("released")) || ln_str_eq(h->status, LN_STR("foreign"))) return true;
  if (!*run) printf("still held:\n");
  *run = h->run;
  fputs("  ", stdout);
  ln_app_put_hold(h);
  putchar('\n');
  return true;
}

/* Releasing is for a person to decide: how is said. */
static void tell_held(ln_app *app, int64_t run, const char *ulid) {
  ln_err err = {0};
  ln_hold_query q = {.run = run};
  int64_t any = 0;
  if (!ln_store_holds(app->g.store, &q, print_held, &any, &err)) ln_app_fail(&err);
  if (any)
    printf("lunette undo %s takes it back; lunette release ENTITY --why TEXT one entity's\n", ulid);
}

static bool copy_id(void *arg, const ln_run_row *row) {
  *(int64_t *)arg = row->id;
  return false;
}

static int64_t run_id(ln_app *app, const char *ulid) {
  int64_t id = -1;
  ln_err err;
  ln_store_run_find(app->g.store, ln_str_of(ulid), copy_id, &id, &err);
  return id;
}

static int ask_to_cancel(ln_app *app, const char *which, bool json) {
  ln_err err = {0};
  char ulid[LN_ULID + 1];
  ln_buf b;
  ln_following how = {.json = json, .quiet = true, .until_end = true};
  ln_buf_init(&b, 4096);
  size_t mark = ln_v_begin(&b, 'O', 2);
  ln_remote_text(&b, "do", LN_STR("cancel"));
  ln_remote_text(&b, "run", ln_str_of(which));
  ln_v_end(&b, mark);
  bool ok = ln_buf_ok(&b, &err) && ln_remote(app, ln_buf_view(&b), ulid, &err);
  ln_buf_free(&b);
  if (!ok) return ln_app_fail(&err);
  char state[16] = "";
  int code = ln_follow(app, ulid, &how, state);
  if (!json) tell_held(app, run_id(app, ulid), ulid);
  return strcmp(state, "cancelled") == 0 ? LN_EXIT_DONE : code;
}

static int take_and_cancel(ln_app *app, const char *which, bool json) {
  ln_err err = {0};
  bool running = false;
  if (app->served) return ask_to_cancel(app, which, json);
  if (!ln_run_ask_cancel(&app->g, ln_str_of(which), ln_str_of(ln_app_user()), &running, &err))
    return ln_app_fail(&err);
  if (running)
    return printf("asked the process that runs it; lunette show %s says when it has ended\n", which),
           LN_EXIT_DONE;
  ln_carrying c = {.app = app, .json = json, .quiet = true};
  ln_run_options o = {.sim = app->sim, .event = ln_carry_event, .event_arg = &c};
  if (!(c.run = ln_run_resume(&app->g, ln_str_of(which), &o, &err))) return ln_app_fail(&err);
  int64_t id = ln_run_id(c.run);
  ln_run_cancel(c.run, LN_STR("cancelled by lunette cancel"));
  int code = ln_carry(&c);
  bool cancelled = strcmp(ln_run_state(c.run), "cancelled") == 0;
  if (!json) tell_held(app, id, ln_run_ulid(c.run));
  return cancelled ? LN_EXIT_DONE : code;
}

int ln_cmd_cancel(int argc, char **argv) {
  ln_app_opts o = {.must_exist = true, .runs = true};
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
    if (opt == OPT_SIM) o.sim = true;
  }
  if (optind + 1 != argc) return ln_app_usage("cancel takes one RUN");
  int code = ln_app_open(&app, &o, &err) ? take_and_cancel(&app, argv[optind], json) : ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}
