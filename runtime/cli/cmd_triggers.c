/* cmd_triggers.c: lunette triggers: which playbooks alerts or the clock start, and when it does next. */
#include "cli/app.h"

#include "base/units.h"
#include "engine/triggers.h"

static const struct option options[] = {LN_JSON_OPTION, LN_COMMON_OPTIONS};
static const char help[] =
    "usage: lunette triggers [--json] [--config FILE]\n"
    "The playbooks that alerts (`on`) or the clock (`every`) start; of these also when they are due, and\n"
    "their last run.\n";

/* A schedule's row, if `lunette serve` has made one already. */
typedef struct due {
  const char *playbook;
  bool there, under_way;
  int64_t due_ms;
  char run[LN_ULID + 1], why[LN_ERR_TEXT];
} due;

static bool see(void *arg, const ln_schedule *s) {
  due *d = arg;
  if (!ln_str_eq(s->playbook, ln_str_of(d->playbook))) return true;
  d->there = true;
  d->under_way = s->under_way;
  d->due_ms = s->due_ms;
  memcpy(d->run, s->ulid, sizeof d->run);
  snprintf(d->why, sizeof d->why, "%.*s", LN_STR_ARG(s->why));
  return false;
}

static void put(ln_json *j, const char *key, const char *v) {
  if (!v[0]) return;
  ln_json_key(j, ln_str_of(key));
  ln_json_strz(j, v);
}

static void put_flag(ln_json *j, const char *key, bool v) {
  ln_json_key(j, ln_str_of(key));
  ln_json_bool(j, v);
}

static void print_json(const ln_trigger *t, const due *d) {
  char at[LN_TIME_TEXT] = "";
  ln_buf b;
  ln_json j;
  ln_buf_init(&b, 1 << 20);
  ln_json_init(&j, &b);
  ln_json_open(&j, '{');
  put(&j, "playbook", t->module);
  put_flag(&j, "on", t->on);
  put_flag(&j, "key", t->key);
  put(&j, "broken", t->broken.message);
  if (t->every_ms) {
    ln_json_key(&j, LN_STR("every"));
    ln_json_num(&j, (double)t->every_ms / 1000);
    put_flag(&j, "overlap", t->overlap);
    if (d->there) ln_format_time(d->due_ms, at);
    put(&j, "due", at);
    put(&j, "run", d->run);
    put(&j, "why", d->why);
  }
  ln_json_close(&j, '}');
  ln_app_put(stdout, ln_buf_view(&b), 0);
  putchar('\n');
  ln_buf_free(&b);
}

static void print_text(const ln_trigger *t, const due *d) {
  char at[LN_TIME_TEXT];
  ln_app_put(stdout, ln_str_of(t->module), 0);
  if (t->broken.code[0]) {
    fputs("  cannot be used: ", stdout);
    ln_app_put(stdout, ln_str_of(t->broken.message), 0);
  } else if (t->on) {
    fputs(t->key ? "  on, key" : "  on", stdout);
  }
  if (t->every_ms) printf("  every %g s", (double)t->every_ms / 1000);
  if (t->every_ms && d->there) ln_format_time(d->due_ms, at), printf(", due %s", at);
  if (d->run[0]) printf(", last run %s%s", d->run, d->under_way ? " (goes on)" : "");
  if (d->why[0]) fputs(": ", stdout), ln_app_put(stdout, ln_str_of(d->why), 0);
  putchar('\n');
}

static int list(ln_app *app, bool json) {
  ln_err err = {0};
  ln_triggers *t = ln_triggers_new(&app->g, &err);
  bool ok = t != NULL;
  for (size_t i = 0; ok && i < ln_triggers_count(t); i++) {
    const ln_trigger *one = ln_triggers_at(t, i);
    due d = {.playbook = one->module};
    ok = ln_store_schedules(app->g.store, see, &d, &err);
    if (ok) (json ? print_json : print_text)(one, &d);
  }
  ln_triggers_free(t);
  return ok ? LN_EXIT_DONE : ln_app_fail(&err);
}

int ln_cmd_triggers(int argc, char **argv) {
  ln_app_opts o = {0};
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
  }
  if (optind != argc) return ln_app_usage("triggers takes no arguments: lunette triggers --help");
  int code = ln_app_open(&app, &o, &err) ? list(&app, json) : ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}
