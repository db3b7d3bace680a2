/* cmd_entity.c: lunette entity: what Lunette holds, a line a holder: which run, since when, until when. */
#include "cli/app.h"

#include "base/units.h"
#include "engine/rows.h"

enum { OPT_KIND = 256, OPT_ALL };

static const struct option options[] = {{"kind", required_argument, NULL, OPT_KIND},
                                        {"all", no_argument, NULL, OPT_ALL},
                                        LN_JSON_OPTION,
                                        LN_COMMON_OPTIONS};
static const char help[] =
    "usage: lunette entity [ENTITY] [--kind K] [--all] [--json] [--config FILE]\n"
    "ENTITY is vendor:kind:id, or a bare name; without one, everything that is held.\n"
    "  --all    also what was released, and, without an ENTITY, what was so before us\n";

struct listing { bool json, foreign; size_t n; };

static void print_json(const ln_hold *h) {
  ln_buf b;
  ln_json j;
  ln_buf_init(&b, 1 << 20);
  ln_json_init(&j, &b);
  ln_hold_json(h, &j);
  ln_app_put(stdout, ln_buf_view(&b), 0);
  putchar('\n');
  ln_buf_free(&b);
}

static bool print_hold(void *arg, const ln_hold *h) {
  struct listing *l = arg;
  char since[LN_TIME_TEXT], until[LN_TIME_TEXT] = "";
  if (!l->foreign && ln_str_eq(h->status, LN_STR("foreign"))) return true;
  l->n++;
  if (l->json) {
    print_json(h);
    return true;
  }
  ln_format_time(h->since_ms, since);
  if (h->until_ms) ln_format_time(h->until_ms, until);
  ln_app_put_hold(h);
  printf("  run %s  since %s%s%s%s%s\n", h->ulid, since, until[0] ? "  until " : "", until,
         h->lifted_by[0] ? "  lifted by " : "", h->lifted_by);
  return true;
}

static bool any(void *arg, ln_str entity) {
  (void)arg, (void)entity;
  return false;
}

/* One host of several vendors is one thing; what else a name may mean is said. */
static int finish(ln_app *app, const ln_hold_query *q, const struct listing *l) {
  ln_err err = {0};
  if (!q->entity.n) return LN_EXIT_DONE;
  if (!q->kind.n && !q->all && !ln_entities_of(&app->g, q->entity, any, NULL, &err)) return ln_app_fail(&err);
  if (l->n) return LN_EXIT_DONE;
  return ln_app_usage("nothing called %.*s is held", LN_STR_ARG(q->entity)), LN_EXIT_FAILED;
}

int ln_cmd_entity(int argc, char **argv) {
  ln_app_opts o = {.must_exist = true};
  ln_app app;
  ln_err err = {0};
  ln_hold_query q = {0};
  struct listing l = {0};
  int opt;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, options)) != -1) {
    if (opt == LN_OPT_HELP) return fputs(help, stdout), 0;
    if (opt == '?') return LN_EXIT_USAGE;
    if (opt == LN_OPT_CONFIG) o.config = optarg;
    if (opt == LN_OPT_JSON) l.json = true;
    if (opt == OPT_KIND) q.kind = ln_str_of(optarg);
    if (opt == OPT_ALL) q.all = true;
  }
  if (optind + 1 < argc) return ln_app_usage("entity takes one ENTITY at most");
  if (optind < argc) q.entity = ln_str_of(argv[optind]);
  l.foreign = q.entity.n > 0 || q.all;
  bool ok = ln_app_open(&app, &o, &err) && ln_store_holds(app.g.store, &q, print_hold, &l, &err);
  int code = ok ? finish(&app, &q, &l) : ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}
