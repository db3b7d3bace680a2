/* cmd_replay.c: lunette replay: a past run gone through again from its journal; and edited playbooks over
** past runs' recorded answers.  The store is only looked at, and nothing is sent. */
#include "cli/app.h"

#include "engine/replay.h"

#include <stdlib.h>
#include <sys/stat.h>

enum { OPT_WITH = 256, OPT_ALL, OPT_LAST, OPT_STORE, SHOWN = 160 };

static const struct option options[] = {{"with", required_argument, NULL, OPT_WITH},
                                        {"all", no_argument, NULL, OPT_ALL},
                                        {"last", required_argument, NULL, OPT_LAST},
                                        {"store", required_argument, NULL, OPT_STORE},
                                        LN_JSON_OPTION,
                                        LN_COMMON_OPTIONS};

static const char help[] =
    "usage: lunette replay RUN [--with DIR] [--json] [--store FILE] [--config FILE]\n"
    "       lunette replay --all [--last N] --with DIR [--json] [--store FILE] [--config FILE]\n"
    "Goes through a past run again from its journal, touching nothing: nothing is sent, nothing written.\n"
    "  --with   the scripts in DIR, before those of the configuration, instead of those that the run was "
    "begun with\n"
    "  --all    what the playbooks in DIR would have done otherwise in past runs, newest first\n"
    "  --last   of so many runs at most\n"
    "  --store  of another store, as an archive is\n"
    "Exit: 0 the same, 1 something is different, 2 usage.\n";

typedef struct args { const char *run; char *with; bool all, json; int64_t last; } args;

/* ------------------------------------------------------------------ values, for people */

static void print_value(ln_str v) {
  ln_buf b;
  ln_json j;
  ln_buf_init(&b, (size_t)256 << 20);
  ln_json_init(&j, &b);
  ln_v_to_json(v, &j);
  size_t n = b.n > SHOWN ? SHOWN : b.n;
  while (n < b.n && n && ((unsigned char)b.p[n] & 0xc0) == 0x80) n--; /* a whole character */
  printf("%.*s%s", (int)n, b.p ? b.p : "", n < b.n ? "…" : "");
  ln_buf_free(&b);
}

static void print_line(ln_str v) {
  ln_buf b;
  ln_json j;
  ln_buf_init(&b, (size_t)1 << 30);
  ln_json_init(&j, &b);
  ln_v_to_json(v, &j);
  printf("%.*s\n", LN_STR_ARG(ln_buf_view(&b)));
  ln_buf_free(&b);
}

static bool member(ln_str doc, const char *key, ln_vitem *v) {
  return ln_v_get(doc, ln_str_of(key), v) && v->tag != 'n';
}

/* ------------------------------------------------------------------ one run */

static void print_side(const char *label, ln_str divergence, const char *key, const char *none) {
  ln_vitem side, v;
  printf("  %-8s ", label);
  if (!member(divergence, key, &side)) {
    printf("%s\n", none);
    return;
  }
  ln_str where = ln_v_get_str(side.whole, "where");
  printf("%.*s  %.*s ", LN_STR_ARG(ln_v_get_str(side.whole, "name")),
         LN_STR_ARG(ln_v_get_str(side.whole, "op")));
  if (member(side.whole, "args", &v)) print_value(v.whole);
  printf("%s%.*s\n", where.n ? "  at " : "", LN_STR_ARG(where));
}

static void print_both(ln_str doc, const char *key) {
  ln_vitem both, v;
  if (!member(doc, key, &both)) return;
  printf("but its %s is another one\n  journal  ", key);
  if (member(both.whole, "journal", &v)) print_value(v.whole);
  printf("\n  script   ");
  if (member(both.whole, "script", &v)) print_value(v.whole);
  printf("\n");
}

static void print_run(ln_str doc) {
  ln_vitem d;
  ln_str run = ln_v_get_str(doc, "run"), playbook = ln_v_get_str(doc, "playbook"),
         ends = ln_v_get_str(doc, "ends");
  ln_str state = ln_v_get_str(doc, "state"), outcome = ln_v_get_str(doc, "outcome");
  printf("run %.*s  %.*s\n", LN_STR_ARG(run), LN_STR_ARG(playbook));
  if (member(doc, "divergence", &d)) {
    printf("diverges after %lld answers: %.*s\n", (long long)ln_v_get_int(doc, "replayed", 0),
           LN_STR_ARG(ln_v_get_str(d.whole, "why")));
    print_side("journal", d.whole, "journal", "(its end)");
    print_side("script", d.whole, "script", "(its end)");
    return;
  }
  printf("replayed %lld entries: %.*s", (long long)ln_v_get_int(doc, "entries", 0), LN_STR_ARG(ends));
  if (ln_v_get_bool(doc, "same", false)) {
    printf("%s%.*s%s\n", outcome.n ? ", " : "", LN_STR_ARG(outcome),
           outcome.n ? "; result and outcome are the recorded ones" : "");
    return;
  }
  printf(", recorded as %.*s%s%.*s\n", LN_STR_ARG(state), outcome.n ? ", " : "", LN_STR_ARG(outcome));
  print_both(doc, "result");
  print_both(doc, "error");
}

static int replay_one(ln_app *app, const args *a) {
  ln_err err = {0};
  ln_buf doc;
  bool same = false;
  ln_buf_init(&doc, (size_t)1 << 30);
  bool ok = ln_replay_one(&app->g, ln_str_of(a->run), a->with, &doc, &same, &err);
  if (ok && a->json) print_line(ln_buf_view(&doc));
  else if (ok) print_run(ln_buf_view(&doc));
  ln_buf_free(&doc);
  return !ok ? ln_app_fail(&err) : same ? LN_EXIT_DONE : LN_EXIT_FAILED;
}

/* ------------------------------------------------------------------ many runs */

/* The members in which two objects differ, or both whole. */
static void print_difference(ln_str before, ln_str after) {
  ln_vitem b = {0}, a = {0}, was, now;
  ln_str key, rest = before;
  bool objects = ln_v_read(&rest, &b) && (rest = after, ln_v_read(&rest, &a)) && a.tag == 'O' && b.tag == 'O';
  if (!objects) {
    printf("  "), print_value(before), printf(" → "), print_value(after);
    return;
  }
  for (rest = b.body; rest.n && ln_v_read_key(&rest, &key) && ln_v_read(&rest, &was);) {
    bool has = ln_v_get(after, key, &now);
    if (has && ln_str_eq(was.whole, now.whole)) continue;
    printf("  %.*s: ", LN_STR_ARG(key)), print_value(was.whole), printf(" → ");
    if (has) print_value(now.whole);
    else printf("nothing");
  }
  for (rest = a.body; rest.n && ln_v_read_key(&rest, &key) && ln_v_read(&rest, &now);)
    if (!ln_v_get(before, key, &was)) printf("  %.*s: nothing → ", LN_STR_ARG(key)), print_value(now.whole);
}

static void print_values(ln_str item) {
  ln_vitem before, after;
  bool was = member(item, "before", &before), is = member(item, "after", &after);
  if (was && is && !ln_str_eq(before.whole, after.whole)) print_difference(before.whole, after.whole);
  else if (was || is) printf("  "), print_value(is ? after.whole : before.whole);
}

/* Without its folder, which is another one for edited scripts. */
static ln_str base_of(ln_str where) {
  size_t n = where.n;
  while (n && where.p[n - 1] != '/') n--;
  return (ln_str){where.p + n, where.n - n};
}

static void print_effect(ln_str e) {
  ln_str where = ln_v_get_str(e, "where"), was = ln_v_get_str(e, "was"), why = ln_v_get_str(e, "why");
  printf("  %-8.*s %.*s", LN_STR_ARG(ln_v_get_str(e, "change")), LN_STR_ARG(ln_v_get_str(e, "name")));
  print_values(e);
  if (where.n) printf("  at %.*s", LN_STR_ARG(where));
  if (was.n && !ln_str_eq(base_of(was), base_of(where))) printf("  (was at %.*s)", LN_STR_ARG(was));
  if (why.n) printf("; %.*s", LN_STR_ARG(why));
  if (ln_str_eq(ln_v_get_str(e, "answer"), LN_STR("unknown")))
    printf("; there is no recorded answer: unknown");
  printf("\n");
}

static void print_note(ln_str n) {
  printf("  %-8.*s %.*s", LN_STR_ARG(ln_v_get_str(n, "change")), LN_STR_ARG(ln_v_get_str(n, "name")));
  print_values(n);
  printf("\n");
}

static void print_unknown(ln_str u) {
  ln_str branch = ln_v_get_str(u, "branch");
  printf("  unknown  how %.*s goes on: %.*s\n", LN_STR_ARG(branch.n ? branch : LN_STR("it")),
         LN_STR_ARG(ln_v_get_str(u, "why")));
}

static void each_item(ln_str doc, const char *key, void (*fn)(ln_str item)) {
  ln_vitem list, item;
  if (!member(doc, key, &list)) return;
  for (ln_str rest = list.body; rest.n && ln_v_read(&rest, &item);) fn(item.whole);
}

static void print_end(ln_str doc) {
  ln_vitem end, before, after;
  if (!member(doc, "end", &end)) return;
  if (!member(end.whole, "before", &before) || !member(end.whole, "after", &after)) return;
  printf("  end    "), print_difference(before.whole, after.whole), printf("\n");
}

struct counting { bool json; size_t n, different; };

static bool print_compared(void *arg, ln_str doc, bool same) {
  struct counting *c = arg;
  ln_str why = ln_v_get_str(doc, "why");
  c->n++;
  c->different += !same;
  if (c->json) {
    print_line(doc);
    return true;
  }
  printf("%.*s  %-24.*s %s%.*s\n", LN_STR_ARG(ln_v_get_str(doc, "run")),
         LN_STR_ARG(ln_v_get_str(doc, "playbook")),
         same    ? "same"
         : why.n ? "cannot be compared: "
                 : "differs",
         LN_STR_ARG(why));
  each_item(doc, "effects", print_effect);
  each_item(doc, "notes", print_note);
  each_item(doc, "unknown", print_unknown);
  print_end(doc);
  return true;
}

static int replay_all(ln_app *app, const args *a) {
  ln_err err = {0};
  struct counting c = {.json = a->json};
  if (!ln_replay_each(&app->g, a->with, a->last, print_compared, &c, &err)) return ln_app_fail(&err);
  if (!a->json)
    printf("%zu run%s: %zu the same, %zu different\n", c.n, c.n == 1 ? "" : "s", c.n - c.different,
           c.different);
  return c.different ? LN_EXIT_FAILED : LN_EXIT_DONE;
}

/* ------------------------------------------------------------------ the command line */

static bool is_folder(args *a) {
  struct stat st;
  size_t n = strlen(a->with);
  while (n > 1 && a->with[n - 1] == '/') a->with[--n] = 0;
  return stat(a->with, &st) == 0 && S_ISDIR(st.st_mode);
}

static int check_args(args *a, int argc, char **argv) {
  if (optind < argc) a->run = argv[optind++];
  if (optind < argc || !a->run == !a->all)
    return ln_app_usage("replay takes one RUN, or --all: lunette replay --help");
  if (a->all && !a->with)
    return ln_app_usage("--all compares past runs with edited scripts: --with DIR names them");
  if (a->last && !a->all) return ln_app_usage("--last belongs to --all");
  if (a->with && !is_folder(a)) return ln_app_usage("--with: %s is no folder of scripts", a->with);
  return 0;
}

static int parse(int argc, char **argv, ln_app_opts *o, args *a) {
  int opt;
  long long last = 0;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, options)) != -1) {
    if (opt == LN_OPT_HELP) return fputs(help, stdout), -2;
    if (opt == '?') return LN_EXIT_USAGE;
    if (opt == LN_OPT_CONFIG) o->config = optarg;
    if (opt == OPT_STORE) o->store = optarg;
    if (opt == LN_OPT_JSON) a->json = true;
    if (opt == OPT_WITH) a->with = optarg;
    if (opt == OPT_ALL) a->all = true;
    if (opt == OPT_LAST && !ln_app_number("--last", optarg, 1, INT64_MAX, &last)) return LN_EXIT_USAGE;
  }
  a->last = last;
  return check_args(a, argc, argv);
}

int ln_cmd_replay(int argc, char **argv) {
  ln_app_opts o = {.must_exist = true, .looks = true};
  ln_app app;
  ln_err err = {0};
  args a = {0};
  int code = parse(argc, argv, &o, &a);
  if (code) return code == -2 ? 0 : code;
  bool ok = ln_app_open(&app, &o, &err);
  code = !ok ? ln_app_fail(&err) : a.all ? replay_all(&app, &a) : replay_one(&app, &a);
  ln_app_close(&app);
  return code;
}
