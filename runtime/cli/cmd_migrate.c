/* cmd_migrate.c: lunette migrate: waiting runs go on with the newest scripts, where their journals fit. */
#include "cli/remote.h"

#include "engine/migrate.h"
#include "server/serve.h"

#include <stdlib.h>

enum { OPT_ALL = 256, ANSWER_MAX = 1 << 20 };

static const struct option options[] = {
    {"all", no_argument, NULL, OPT_ALL}, LN_JSON_OPTION, LN_COMMON_OPTIONS};
static const char help[] =
    "usage: lunette migrate RUN [--json] [--config FILE]\n"
    "       lunette migrate --all [--json] [--config FILE]\n"
    "Moves a waiting run, or all of them, to the newest scripts, where these ask all that the run has asked\n"
    "so far, in its order.  One that does not fit stays as it is, and goes on with the scripts that it has.\n"
    "  --json   one object a line\n"
    "Exit status: 0 every one has the newest scripts; 1 some have not.\n";

typedef struct tally { size_t n, moved, newest, diverge, busy; } tally;

static bool is(ln_str result, const char *what) { return ln_str_eq(result, ln_str_of(what)); }

/* ------------------------------------------------------------------ what is shown of one */

static void print_json(ln_str doc) {
  ln_buf b;
  ln_json j;
  ln_buf_init(&b, ANSWER_MAX);
  ln_json_init(&j, &b);
  ln_v_to_json(doc, &j);
  printf("%.*s\n", LN_STR_ARG(ln_buf_view(&b)));
  ln_buf_free(&b);
}

static void put_part(const char *before, ln_str text, const char *after) {
  if (!text.n) return;
  fputs(before, stdout);
  ln_app_put(stdout, text, 0);
  fputs(after, stdout);
}

static void print_row(ln_str doc) {
  ln_str result = ln_v_get_str(doc, "result");
  ln_app_put(stdout, ln_v_get_str(doc, "run"), 0);
  put_part("  ", ln_v_get_str(doc, "playbook"), "  ");
  if (is(result, "moved")) fputs("fits: moved", stdout);
  else if (is(result, "newest")) fputs("has the newest scripts", stdout);
  else if (is(result, "busy")) fputs("under way: not now", stdout);
  else fputs("diverges", stdout);
  put_part(" at ", ln_v_get_str(doc, "step"), "");
  put_part(", ", ln_v_get_str(doc, "where"), "");
  put_part(" (was ", ln_v_get_str(doc, "was"), ")");
  put_part(": ", ln_v_get_str(doc, "why"), "");
  putchar('\n');
}

static void show(tally *t, ln_str doc, bool json) {
  ln_str result = ln_v_get_str(doc, "result");
  t->n++;
  t->moved += is(result, "moved");
  t->newest += is(result, "newest");
  t->diverge += is(result, "diverges");
  t->busy += is(result, "busy");
  if (json) print_json(doc);
  else print_row(doc);
}

/* ------------------------------------------------------------------ one, and many */

typedef struct finding {
  ln_app *app;
  ln_buf path;
} finding;

static bool find_path(void *arg, const ln_run_row *row) {
  finding *f = arg;
  ln_migrate_path(&f->app->g, row, &f->path);
  return false;
}

/* Where its playbook was given by a path that is as it is there now. */
static void read_script(ln_app *app, const char *run, finding *f, ln_buf *text) {
  ln_err quiet;
  *f = (finding){.app = app};
  ln_buf_init(&f->path, 1 << 14);
  ln_store_run_find(app->g.store, ln_str_of(run), find_path, f, &quiet);
  ln_buf_addc(&f->path, '\0');
  if (!ln_remote_script(ln_str_of(f->path.p), text, &quiet)) f->path.p[0] = '\0';
}

static bool ask(ln_app *app, const char *run, ln_buf *doc, ln_err *err) {
  finding f;
  ln_buf b, text;
  read_script(app, run, &f, &text);
  ln_buf_init(&b, 4096 + f.path.n + text.n);
  size_t mark = ln_v_begin(&b, 'O', 3);
  ln_remote_text(&b, "do", LN_STR("migrate"));
  ln_remote_text(&b, "run", ln_str_of(run));
  ln_remote_source(&b, ln_str_of(f.path.p), &text);
  ln_v_end(&b, mark);
  ln_buf_free(&f.path);
  ln_buf_free(&text);
  bool ok = ln_buf_ok(&b, err) && ln_service_ask(app->g.store, ln_buf_view(&b), doc, err);
  ln_buf_free(&b);
  return ok;
}

static bool migrate(ln_app *app, const char *run, tally *t, bool json, ln_err *err) {
  ln_buf doc;
  ln_buf_init(&doc, ANSWER_MAX);
  bool ok = app->served ? ask(app, run, &doc, err)
                        : ln_migrate(&app->g, ln_str_of(run), ln_str_of(ln_app_user()), &doc, err);
  if (ok) show(t, ln_buf_view(&doc), json);
  ln_buf_free(&doc);
  return ok;
}

/* Those that have ended meanwhile, or are none of ours to move, are passed over. */
static bool take_run(void *arg, const ln_run_row *row) {
  bool sim = ln_v_get_bool(row->options, "sim", false);
  if (sim || ln_str_eq(row->state, LN_STR("cancelling"))) return true;
  return ln_buf_add(arg, (ln_str){row->ulid, LN_ULID + 1});
}

static bool migrate_all(ln_app *app, tally *t, bool json, ln_err *err) {
  static const ln_run_query open = {.state = {"waiting", 7}, .or_under_way = true};
  ln_buf runs;
  ln_buf_init(&runs, (size_t)1 << 30);
  bool ok = ln_store_runs(app->g.store, &open, take_run, &runs, err) && ln_buf_ok(&runs, err);
  for (size_t at = 0; ok && at < runs.n; at += LN_ULID + 1) {
    ok = migrate(app, runs.p + at, t, json, err);
    if (!ok && ln_err_is(err, "conflict")) ok = true;
  }
  ln_buf_free(&runs);
  return ok;
}

static int carry_out(ln_app *app, const char *run, bool json) {
  tally t = {0};
  ln_err err = {0};
  char snapshot[LN_SNAPSHOT_TEXT];
  if (app->served) ln_remote_say_stale(app, &(int64_t){0}, snapshot);
  if (!(run ? migrate(app, run, &t, json, &err) : migrate_all(app, &t, json, &err))) return ln_app_fail(&err);
  if (!run && !json)
    printf("%zu waiting: %zu moved, %zu had the newest scripts, %zu diverge, %zu under way\n", t.n, t.moved,
           t.newest, t.diverge, t.busy);
  return t.diverge || t.busy ? LN_EXIT_FAILED : LN_EXIT_DONE;
}

int ln_cmd_migrate(int argc, char **argv) {
  ln_app_opts o = {.must_exist = true};
  ln_app app;
  ln_err err = {0};
  bool all = false, json = false;
  int opt;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, options)) != -1) {
    if (opt == LN_OPT_HELP) return fputs(help, stdout), 0;
    if (opt == '?') return LN_EXIT_USAGE;
    if (opt == LN_OPT_CONFIG) o.config = optarg;
    if (opt == LN_OPT_JSON) json = true;
    if (opt == OPT_ALL) all = true;
  }
  const char *run = optind < argc ? argv[optind++] : NULL;
  if (optind < argc || all == (run != NULL))
    return ln_app_usage("migrate takes one RUN, or --all: lunette migrate --help");
  int code = ln_app_open(&app, &o, &err) ? carry_out(&app, run, json) : ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}
