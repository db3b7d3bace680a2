/* cmd_prune.c: lunette prune: runs that ended long ago go to an archive, and what nothing needs goes. */
#include "cli/app.h"

#include "engine/prune.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

enum { OPT_OLDER = 256, OPT_ARCHIVE, OPT_DRY };

static const struct option options[] = {{"older-than", required_argument, NULL, OPT_OLDER},
                                        {"archive", required_argument, NULL, OPT_ARCHIVE},
                                        {"dry-run", no_argument, NULL, OPT_DRY},
                                        LN_JSON_OPTION,
                                        LN_COMMON_OPTIONS};

static const char help[] =
    "usage: lunette prune --older-than T [--archive FILE] [--dry-run] [--json] [--config FILE]\n"
    "Moves runs that ended before T (a time, or how long ago: \"30d\") into an archive: a store of its own, "
    "which\n"
    "lunette show, runs and replay open with --store.  Whatever a hold, a run under way, an open question or "
    "a cap\n"
    "still needs stays, and is said.  Without --archive it is STORE.archive.\n"
    "  --dry-run  only says what it would do\n";

typedef struct pruner {
  ln_app app;
  const char *older, *file;
  char *archive_path;
  bool dry, json;
  ln_buf kept; /* as JSON: what has to stay */
  ln_json j;
  int64_t worked_us; /* when the last transaction ended */
} pruner;

static const char *const reasons[] = {[LN_KEPT_OPEN] = "a run that it began has not ended",
                                      [LN_KEPT_YOUNG] = "a run that it began ended later",
                                      [LN_KEPT_HELD] = "what it acted on is held",
                                      [LN_KEPT_ASKED] = "a question of it waits",
                                      [LN_KEPT_COUNTED] = "a cap counts it: it acted within the hour"};

static void on_kept(void *arg, const char *ulid, ln_kept_for why) {
  pruner *p = arg;
  if (!p->json) {
    printf("left   %s  %s\n", ulid, reasons[why]);
    return;
  }
  ln_json_open(&p->j, '{');
  ln_json_key(&p->j, LN_STR("run"));
  ln_json_strz(&p->j, ulid);
  ln_json_key(&p->j, LN_STR("why"));
  ln_json_strz(&p->j, reasons[why]);
  ln_json_close(&p->j, '}');
}

/* Whoever serves the store gets as much of its time as we do. */
static void on_between(void *arg) {
  pruner *p = arg;
  int64_t now = ln_mono_us(ln_clock_real()), us = now - p->worked_us;
  if (us > 100000) us = 100000;
  const struct timespec t = {0, us * 1000};
  if (p->app.served && us > 0) nanosleep(&t, NULL);
  p->worked_us = ln_mono_us(ln_clock_real());
}

static ln_store *open_archive(pruner *p, ln_err *err) {
  ln_store_opts o = {.must_exist = false};
  struct stat a, b;
  ln_buf path;
  ln_buf_init(&path, 1 << 14);
  if (p->file) ln_buf_addz(&path, p->file);
  else ln_buf_addf(&path, "%s.archive", ln_store_path(p->app.g.store));
  if (!(p->archive_path = ln_buf_take(&path, NULL)))
    return ln_fail(err, "memory", LN_AGAIN, "no memory"), NULL;
  if (stat(p->archive_path, &a) == 0 && stat(ln_store_path(p->app.g.store), &b) == 0 &&
      a.st_ino == b.st_ino && a.st_dev == b.st_dev)
    return ln_fail(err, "usage", LN_FINAL, "%s is the store itself: name another archive", p->archive_path),
           NULL;
  return ln_app_store(&p->app, p->archive_path, &o, err);
}

static void put_count(ln_json *j, const char *key, int64_t n) {
  ln_json_key(j, ln_str_of(key));
  ln_json_int(j, n);
}

static void put_json(pruner *p, const ln_pruned *n) {
  ln_buf b;
  ln_json j;
  ln_json_close(&p->j, ']');
  ln_buf_init(&b, (size_t)1 << 30);
  ln_json_init(&j, &b);
  ln_json_open(&j, '{');
  ln_json_key(&j, LN_STR("archive"));
  if (p->archive_path) ln_json_strz(&j, p->archive_path);
  else ln_json_null(&j);
  ln_json_key(&j, LN_STR("dry_run"));
  ln_json_bool(&j, p->dry);
  put_count(&j, "runs", n->runs);
  put_count(&j, "values", n->values);
  put_count(&j, "scripts", n->scripts);
  put_count(&j, "expired", n->contents);
  put_count(&j, "alerts", n->alerts);
  ln_json_key(&j, LN_STR("left"));
  ln_json_raw(&j, ln_buf_view(&p->kept));
  ln_json_close(&j, '}');
  ln_app_put(stdout, ln_buf_view(&b), 0);
  putchar('\n');
  ln_buf_free(&b);
}

static void put_text(const pruner *p, const ln_pruned *n) {
  int64_t left = 0;
  for (size_t i = 0; i < sizeof n->kept / sizeof *n->kept; i++) left += n->kept[i];
  printf("%s %lld run%s", p->dry ? "would take" : "took", (long long)n->runs, n->runs == 1 ? "" : "s");
  if (p->archive_path) printf(" into %s", p->archive_path);
  if (left) printf(", left %lld", (long long)left);
  putchar('\n');
  if (n->values + n->scripts + n->contents)
    printf(
        "removed %lld values beside them, %lld scripts that no run needs, %lld contents that had expired\n",
        (long long)n->values, (long long)n->scripts, (long long)n->contents);
  if (n->alerts) printf("removed what %lld alerts said; that they came stays known\n", (long long)n->alerts);
}

static int prune(pruner *p) {
  ln_err err = {0};
  ln_pruned n = {0};
  ln_store *archive = NULL;
  ln_prune_opts o = {
      .dry = p->dry, .by = ln_str_of(ln_app_user()), .kept = on_kept, .between = on_between, .arg = p};
  ln_buf_init(&p->kept, (size_t)1 << 30);
  ln_json_init(&p->j, &p->kept);
  ln_json_open(&p->j, '[');
  p->worked_us = ln_mono_us(ln_clock_real());
  bool ok = ln_app_when(&p->app, "--older-than", p->older, &o.before_ms, &err) &&
            (p->dry || (archive = open_archive(p, &err))) && ln_prune(&p->app.g, archive, &o, &n, &err);
  if (ok && p->json) put_json(p, &n);
  else if (ok) put_text(p, &n);
  ln_store_close(archive);
  free(p->archive_path);
  ln_buf_free(&p->kept);
  return ok ? LN_EXIT_DONE : ln_app_fail(&err);
}

int ln_cmd_prune(int argc, char **argv) {
  ln_app_opts o = {.must_exist = true};
  pruner p = {.dry = false};
  ln_err err = {0};
  int opt;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, options)) != -1) {
    if (opt == LN_OPT_HELP) return fputs(help, stdout), 0;
    if (opt == '?') return LN_EXIT_USAGE;
    if (opt == LN_OPT_CONFIG) o.config = optarg;
    if (opt == LN_OPT_JSON) p.json = true;
    if (opt == OPT_OLDER) p.older = optarg;
    if (opt == OPT_ARCHIVE) p.file = optarg;
    if (opt == OPT_DRY) p.dry = true;
  }
  if (optind != argc || !p.older) return ln_app_usage("prune wants --older-than T: lunette prune --help");
  int code = ln_app_open(&p.app, &o, &err) ? prune(&p) : ln_app_fail(&err);
  ln_app_close(&p.app);
  return code;
}
