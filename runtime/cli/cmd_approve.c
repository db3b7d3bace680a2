/* cmd_approve.c: lunette approvals, approve, deny: what waits for a person, and the answer.  Who one is comes
** from the operating system. */
#include "cli/remote.h"

#include "base/units.h"

#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

enum { OPT_COMMENT = 256, OPT_ANSWER };

static const struct option list_options[] = {LN_COMMON_OPTIONS};

static void print_json(const ln_approval *a) {
  ln_buf b;
  ln_json j;
  char at[LN_TIME_TEXT];
  ln_buf_init(&b, 32 << 20);
  ln_json_init(&j, &b);
  ln_json_open(&j, '{');
  ln_json_key(&j, LN_STR("id"));
  char id[24];
  snprintf(id, sizeof id, "%lld", (long long)a->id);
  ln_json_strz(&j, id);
  ln_json_key(&j, LN_STR("run"));
  ln_json_strz(&j, a->ulid);
  ln_json_key(&j, LN_STR("title"));
  ln_json_str(&j, a->title);
  ln_json_key(&j, LN_STR("state"));
  ln_json_str(&j, a->state);
  ln_json_key(&j, LN_STR("digest"));
  ln_json_str(&j, a->digest);
  ln_json_key(&j, LN_STR("expires"));
  ln_format_time(a->expires_ms, at);
  ln_json_strz(&j, at);
  ln_json_key(&j, LN_STR("effects"));
  if (a->effects.n) ln_v_to_json(a->effects, &j);
  else ln_json_null(&j);
  ln_json_close(&j, '}');
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

static bool print_approval(void *arg, const ln_approval *a) {
  char at[LN_TIME_TEXT];
  if (*(bool *)arg) {
    print_json(a);
    return true;
  }
  ln_format_time(a->expires_ms, at);
  printf("%-6lld  %s  ", (long long)a->id, a->ulid);
  ln_app_put(stdout, a->title, 0);
  printf("  (until %s)\n", at);
  print_effects(a->effects);
  return true;
}

int ln_cmd_approvals(int argc, char **argv) {
  ln_app_opts o = {.must_exist = true};
  ln_app app;
  ln_err err = {0};
  bool json = false;
  int opt;
  optind = 1;
  while ((opt = getopt_long(argc, argv, "", list_options, NULL)) != -1) {
    if (opt == LN_OPT_HELP)
      return fputs("usage: lunette approvals [--json] [--config FILE]\nWhat waits for a person.\n", stdout),
             0;
    if (opt == '?') return LN_EXIT_USAGE;
    if (opt == LN_OPT_CONFIG) o.config = optarg;
    if (opt == LN_OPT_JSON) json = true;
  }
  bool ok =
      ln_app_open(&app, &o, &err) && ln_store_approvals(app.g.store, 0, true, print_approval, &json, &err);
  int code = ok ? LN_EXIT_DONE : ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}

static const struct option approve_options[] = {{"comment", required_argument, NULL, OPT_COMMENT},
                                                {"answer", required_argument, NULL, OPT_ANSWER},
                                                LN_COMMON_OPTIONS};

static bool decide(ln_app *app, const char *id_text, bool yes, const char *comment, const char *answer,
                   ln_err *err) {
  char *end;
  long long id = strtoll(id_text, &end, 10);
  if (*end || id < 1)
    return ln_fail(err, "usage", LN_FINAL, "%s is no approval's id: lunette approvals lists them", id_text);
  if (app->served) return ln_remote_decide(app, id, yes, ln_str_of(comment), ln_str_of(answer), err);
  return ln_approval_decide(&app->g, id, yes, ln_str_of(ln_app_user()), ln_str_of(comment), ln_str_of(answer),
                            isatty(STDIN_FILENO) != 0, err);
}

int ln_cmd_approve(int argc, char **argv) {
  ln_app_opts o = {.must_exist = true};
  ln_app app;
  ln_err err = {0};
  bool yes = strcmp(argv[0], "approve") == 0;
  const char *comment = "", *answer = "";
  int opt;
  optind = 1;
  while ((opt = getopt_long(argc, argv, "", approve_options, NULL)) != -1) {
    if (opt == LN_OPT_HELP)
      return printf("usage: lunette %s ID [--comment TEXT] [--answer TEXT] [--config FILE]\n", argv[0]), 0;
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
