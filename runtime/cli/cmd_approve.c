/* cmd_approve.c: lunette approvals, approve, deny: what waits for a person, and the answer.  Who one is comes
** from the operating system. */
#include "cli/remote.h"

#include "base/units.h"
#include "engine/rows.h"

#include <stdlib.h>

enum { OPT_COMMENT = 256, OPT_ANSWER };

static const struct option list_options[] = {LN_JSON_OPTION, LN_COMMON_OPTIONS};

static void print_json(const ln_approval *a) {
  ln_buf b;
  ln_json j;
  ln_buf_init(&b, 32 << 20);
  ln_json_init(&j, &b);
  ln_approval_json(a, &j);
  ln_app_put(stdout, ln_buf_view(&b), 0);
  putchar('\n');
  ln_buf_free(&b);
}

static void print_effects(ln_str effects) {
  ln_vitem list, one;
  if (!effects.n || !ln_v_read(&effects, &list)) return;
  static const struct { const char *before, *key; } parts[] = {
      {"        ", "op"}, {"  ", "entity"}, {"  ", "facet"}, {": ", "from"}, {" -> ", "to"}};
  for (ln_str rest = list.body; rest.n && ln_v_read(&rest, &one);) {
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
      fputs(parts[i].before, stdout);
      ln_app_put(stdout, ln_v_get_str(one.whole, parts[i].key), 0);
    }
    putchar('\n');
  }
}

static void print_options(const ln_approval *a) {
  ln_vitem list, one;
  ln_str rest = a->options;
  if (!a->options.n || !ln_v_read(&rest, &list) || !list.count) return;
  printf("        lunette approve %lld --answer", (long long)a->id);
  const char *before = " ";
  for (rest = list.body; rest.n && ln_v_read(&rest, &one); before = " | ") {
    fputs(before, stdout);
    ln_app_put(stdout, one.s, 0);
  }
  putchar('\n');
}

static bool print_approval(void *arg, const ln_approval *a) {
  char at[LN_TIME_TEXT];
  if (*(bool *)arg) {
    print_json(a);
    return true;
  }
  ln_format_time(a->expires_ms, at);
  printf("%-6lld  %-*s  ", (long long)a->id, LN_ULID, a->run ? a->ulid : "a trigger");
  ln_app_put(stdout, a->title, 0);
  if (a->expires_ms) printf("  (until %s)", at);
  putchar('\n');
  print_effects(a->effects);
  print_options(a);
  return true;
}

static const char list_help[] = "usage: lunette approvals [--json] [--config FILE]\n"
                                "What waits for a person.\n";

int ln_cmd_approvals(int argc, char **argv) {
  ln_app_opts o = {.must_exist = true};
  ln_app app;
  ln_err err = {0};
  bool json = false;
  int opt;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, list_options)) != -1) {
    if (opt == LN_OPT_HELP) return fputs(list_help, stdout), 0;
    if (opt == '?') return LN_EXIT_USAGE;
    if (opt == LN_OPT_CONFIG) o.config = optarg;
    if (opt == LN_OPT_JSON) json = true;
  }
  if (optind != argc) return ln_app_usage("approvals takes no arguments: lunette approvals --help");
  bool ok =
      ln_app_open(&app, &o, &err) && ln_store_approvals(app.g.store, 0, true, print_approval, &json, &err);
  int code = ok ? LN_EXIT_DONE : ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}

static const char approve_help[] =
    "usage: lunette approve ID [--comment TEXT] [--answer TEXT] [--config FILE]\n"
    "Says yes to a question; --answer: to one that offers answers.\n";
static const char deny_help[] = "usage: lunette deny ID [--comment TEXT] [--config FILE]\n"
                                "Says no to a question.\n";

static const struct option deny_options[] = {{"comment", required_argument, NULL, OPT_COMMENT},
                                             LN_COMMON_OPTIONS};
static const struct option approve_options[] = {{"comment", required_argument, NULL, OPT_COMMENT},
                                                {"answer", required_argument, NULL, OPT_ANSWER},
                                                LN_COMMON_OPTIONS};

static bool decide(ln_app *app, const char *id_text, bool yes, const char *comment, const char *answer,
                   ln_err *err) {
  char *end;
  long long id = strtoll(id_text, &end, 10);
  if (*end || id < 1)
    return ln_fail(err, "usage", LN_FINAL, "%s is no approval's id: lunette approvals lists them", id_text);
  return ln_remote_decide(app, id, yes, ln_str_of(comment), ln_str_of(answer), err);
}

int ln_cmd_approve(int argc, char **argv) {
  ln_app_opts o = {.must_exist = true};
  ln_app app;
  ln_err err = {0};
  bool yes = strcmp(argv[0], "approve") == 0;
  const char *comment = "", *answer = "";
  int opt;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, yes ? approve_options : deny_options)) != -1) {
    if (opt == LN_OPT_HELP) return fputs(yes ? approve_help : deny_help, stdout), 0;
    if (opt == '?') return LN_EXIT_USAGE;
    if (opt == LN_OPT_CONFIG) o.config = optarg;
    if (opt == OPT_COMMENT) comment = optarg;
    if (opt == OPT_ANSWER) answer = optarg;
  }
  if (optind + 1 != argc) return ln_app_usage("%s takes one ID: lunette approvals lists them", argv[0]);
  bool ok = ln_app_open(&app, &o, &err) && decide(&app, argv[optind], yes, comment, answer, &err);
  if (ok) printf("%s %s\n", yes ? "approved" : "denied", argv[optind]);
  int code = ok ? LN_EXIT_DONE : ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}
