/* cmd_run.c: lunette run, resume, call: a run in the foreground. */
#include "cli/carry.h"
#include "cli/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct run_args {
  ln_app_opts app;
  const char *what, *input;
  char *sets[64], *assumes[64];
  size_t n_sets, n_assumes;
  bool plan, json, quiet, act, detach;
  ln_approve approve;
  char path[PATH_MAX]; /* where another process serves: what, as that is to find it, */
  ln_buf script;       /* and its text, where it is a file                           */
} run_args;

enum {
  OPT_INPUT = 256,
  OPT_SET,
  OPT_PLAN,
  OPT_ASSUME,
  OPT_APPROVE,
  OPT_SIM,
  OPT_FAULTS,
  OPT_SEED,
  OPT_JSON,
  OPT_CONFIG,
  OPT_HELP,
  OPT_DID,
  OPT_DIDNT,
  OPT_RESULT,
  OPT_ACT,
  OPT_QUIET,
  OPT_DETACH
};

static const struct option run_options[] = {
    {"input", required_argument, NULL, OPT_INPUT},     {"set", required_argument, NULL, OPT_SET},
    {"plan", no_argument, NULL, OPT_PLAN},             {"assume", required_argument, NULL, OPT_ASSUME},
    {"approve", required_argument, NULL, OPT_APPROVE}, {"sim", no_argument, NULL, OPT_SIM},
    {"faults", required_argument, NULL, OPT_FAULTS},   {"seed", required_argument, NULL, OPT_SEED},
    {"json", no_argument, NULL, OPT_JSON},             {"config", required_argument, NULL, OPT_CONFIG},
    {"quiet", no_argument, NULL, OPT_QUIET},           {"help", no_argument, NULL, OPT_HELP},
    {"detach", no_argument, NULL, OPT_DETACH},         {NULL, 0, NULL, 0}};

static const char run_help[] =
    "usage: lunette run PLAYBOOK [--input FILE|-] [--set k=v]... [--plan] [--assume NAME=JSON]...\n"
    "                   [--approve ask|deny|all] [--sim [--faults SPEC] [--seed N]] [--detach] [--json] "
    "[--quiet]\n"
    "                   [--config FILE]\n"
    "Runs a playbook (a name such as t1059.respond, or a path) to its end, showing each step.\n"
    "  --input    the input as a JSON object; or an alert's document, where the playbook takes one\n"
    "  --set      one input\n"
    "  --plan     nothing is written: shows what would be; --assume answers a planned step by name\n"
    "  --approve  ask: prompt at the terminal; deny: refuse all; all: against simulators only\n"
    "  --detach   prints the run's id, and leaves it to `lunette serve`, or to a process of its own\n"
    "  --sim      against simulators inside the process, in virtual time; nothing to configure\n"
    "Exit: 0 done, 1 failed, 2 usage, 3 waits, 4 unusable, 5 ended, but not all was done, 130 interrupted.\n";

static int take_common(int opt, run_args *a) {
  long long seed = 0;
  switch (opt) {
  case OPT_SIM: a->app.sim = true; break;
  case OPT_FAULTS: a->app.faults = optarg; break;
  case OPT_SEED:
    if (!ln_app_number("--seed", optarg, 1, INT64_MAX, &seed)) return LN_EXIT_USAGE;
    a->app.seed = (uint64_t)seed;
    break;
  case OPT_JSON: a->json = true; break;
  case OPT_QUIET: a->quiet = true; break;
  case OPT_CONFIG: a->app.config = optarg; break;
  case OPT_PLAN: a->plan = true; break;
  case OPT_APPROVE:
    if (!ln_carry_approve(optarg, &a->approve))
      return ln_app_usage("--approve is ask, deny or all, not %s", optarg);
    break;
  default: return -1;
  }
  return 0;
}

static int take_run_option(int opt, run_args *a) {
  switch (opt) {
  case OPT_INPUT: a->input = optarg; return 0;
  case OPT_DETACH: a->detach = true; return 0;
  case OPT_SET:
    if (a->n_sets == 64) return ln_app_usage("--set: 64 at most");
    a->sets[a->n_sets++] = optarg;
    return 0;
  case OPT_ASSUME:
    if (a->n_assumes == 64) return ln_app_usage("--assume: 64 at most");
    a->assumes[a->n_assumes++] = optarg;
    return 0;
  default: return take_common(opt, a);
  }
}

static int parse_run(int argc, char **argv, run_args *a) {
  int opt, bad;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, run_options)) != -1) {
    if (opt == OPT_HELP) return fputs(run_help, stdout), -2;
    if (opt == '?') return LN_EXIT_USAGE;
    if ((bad = take_run_option(opt, a)) > 0) return bad;
  }
  if (optind + 1 != argc) return ln_app_usage("run takes one PLAYBOOK: lunette run --help");
  if ((a->app.faults || a->app.seed) && !a->app.sim)
    return ln_app_usage("--faults and --seed are of the simulators: add --sim");
  if (a->n_assumes && !a->plan) return ln_app_usage("--assume answers in a plan's place: add --plan");
  a->what = argv[optind];
  return 0;
}

/* ------------------------------------------------------------------ the values of --set and --assume */

typedef enum pair_kind { PAIR_TEXT, PAIR_JSON, PAIR_ARGUMENT } pair_kind;

/* What every operation takes has no declared type that would say what a text stands for. */
static bool is_plain(ln_str name, ln_str text) {
  if (ln_str_eq(name, LN_STR("limit"))) return text.n && text.p[0] >= '0' && text.p[0] <= '9';
  bool core = ln_str_eq(name, LN_STR("all")) || ln_str_eq(name, LN_STR("wait"));
  return core && (ln_str_eq(text, LN_STR("true")) || ln_str_eq(text, LN_STR("false")));
}

static bool put_value(ln_app *app, pair_kind kind, ln_str name, ln_str text, ln_buf *value, ln_err *err) {
  bool json = kind == PAIR_JSON || (kind == PAIR_ARGUMENT && is_plain(name, text));
  return json ? ln_host_json(app->g.host, text, value, err) : ln_v_str(value, text);
}

static bool put_pairs(ln_app *app, char *const *pairs, size_t n, pair_kind kind, ln_buf *out, ln_err *err) {
  ln_buf merged, one, value;
  ln_v_end(out, ln_v_begin(out, 'O', 0));
  for (size_t i = 0; i < n; i++) {
    ln_str name, text;
    if (!ln_str_cut(ln_str_of(pairs[i]), '=', &name, &text))
      return ln_fail(err, "usage", LN_FINAL, "%s: NAME=VALUE is wanted", pairs[i]);
    ln_buf_init(&one, (size_t)16 << 20);
    ln_buf_init(&value, (size_t)16 << 20);
    ln_buf_init(&merged, (size_t)16 << 20);
    bool ok = put_value(app, kind, name, text, &value, err);
    size_t mark = ln_v_begin(&one, 'O', 1);
    ln_v_key(&one, name);
    ln_v_raw(&one, ln_buf_view(&value));
    ln_v_end(&one, mark);
    ok = ok && ln_v_merge(&merged, ln_buf_view(out), ln_buf_view(&one));
    ln_buf_cut(out, 0);
    ln_buf_add(out, ln_buf_view(&merged));
    ln_buf_free(&one);
    ln_buf_free(&value);
    ln_buf_free(&merged);
    if (!ok)
      return err->code[0] ? ln_err_prefix(err, "%.*s", LN_STR_ARG(name))
                          : ln_fail(err, "usage", LN_FINAL, "%s cannot be read", pairs[i]);
  }
  return true;
}

bool ln_app_assume(ln_app *app, char *const *pairs, size_t n, ln_buf *out, ln_err *err) {
  return put_pairs(app, pairs, n, PAIR_JSON, out, err);
}

/* An --input file is the input object; where the playbook takes an alert, it may be the alert's document
** itself. */
static bool document_to_input(const ln_declared *d, ln_str doc, ln_buf *out) {
  ln_vitem v, member;
  ln_str rest = doc;
  bool is_input = d->alert_input[0] && ln_v_read(&rest, &v) && v.tag == 'O' &&
                  ln_v_get(doc, ln_str_of(d->alert_input), &member);
  if (!d->alert_input[0] || is_input) return ln_buf_add(out, doc);
  size_t mark = ln_v_begin(out, 'O', 1);
  ln_v_key(out, ln_str_of(d->alert_input));
  ln_v_raw(out, doc);
  return ln_v_end(out, mark);
}

static bool read_document(ln_app *app, const char *path, ln_buf *doc, ln_err *err) {
  ln_buf text = {0};
  bool ok = ln_app_read(path, &text, err) &&
            (ln_host_json(app->g.host, ln_buf_view(&text), doc, err) || ln_err_prefix(err, "%s", path));
  ln_buf_free(&text);
  return ok;
}

bool ln_app_input(ln_app *app, const char *file, char *const *sets, size_t n, const ln_declared *d,
                  ln_buf *value, ln_err *err) {
  ln_buf doc, base, over;
  ln_buf_init(&doc, (size_t)256 << 20);
  ln_buf_init(&base, (size_t)256 << 20);
  ln_buf_init(&over, (size_t)64 << 20);
  bool ok = true;
  if (file) ok = read_document(app, file, &doc, err) && document_to_input(d, ln_buf_view(&doc), &base);
  else ln_v_end(&base, ln_v_begin(&base, 'O', 0));
  ok = ok && put_pairs(app, sets, n, PAIR_TEXT, &over, err);
  if (ok && !ln_v_merge(value, ln_buf_view(&base), ln_buf_view(&over)))
    ok = ln_fail(err, "usage", LN_FINAL, "the input must be a JSON object");
  ln_buf_free(&doc);
  ln_buf_free(&base);
  ln_buf_free(&over);
  return ok;
}

/* ------------------------------------------------------------------ run */

static bool uses_are_near(const ln_app *app, const ln_declared *d) {
  ln_vitem uses = {0};
  ln_v_get(ln_buf_view(&d->value), LN_STR("uses"), &uses);
  return ln_config_uses_near(app->config, uses.whole);
}

static int carry_it(ln_carrying *c, ln_run *r, const ln_err *err) {
  c->run = r;
  return r ? ln_carry(c) : ln_app_fail(err);
}

/* ------------------------------------------------------------------ where another process carries the
** runs */

static int follow(ln_app *app, const run_args *a, ln_buf *request, bool plan) {
  char ulid[LN_ULID + 1];
  ln_err err = {0};
  ln_following how = {.json = a->json, .quiet = a->quiet, .approve = a->approve, .plan = plan};
  bool ok = ln_buf_ok(request, &err) && ln_remote(app, ln_buf_view(request), ulid, &err);
  ln_buf_free(request);
  if (!ok) return ln_app_fail(&err);
  if (!a->detach) return ln_follow(app, ulid, &how, NULL);
  printf("%s\n", ulid);                                  /* the parent's standard output is ours, too */
  return LN_EXIT_DONE;
}

/* A path means the same to the process that is asked, and its file is read by us. */
static bool read_script(run_args *a, ln_err *err) {
  bool file = ln_str_ends(ln_str_of(a->what), LN_STR(".lua"));
  if (!file || !realpath(a->what, a->path)) snprintf(a->path, sizeof a->path, "%s", a->what);
  return ln_remote_script(ln_str_of(a->path), &a->script, err);
}

static int ask_to_run(ln_app *app, const run_args *a, ln_str input, ln_str assume) {
  ln_buf b;
  ln_buf_init(&b, (size_t)256 << 20);
  size_t mark = ln_v_begin(&b, 'O', 7);
  ln_remote_text(&b, "approve", ln_str_of(ln_remote_approve(a->approve)));
  ln_remote_value(&b, "assume", a->n_assumes ? assume : (ln_str){NULL, 0});
  ln_remote_text(&b, "do", LN_STR("run"));
  ln_remote_value(&b, "input", input);
  ln_remote_flag(&b, "plan", a->plan);
  ln_remote_text(&b, "playbook", ln_str_of(a->path));
  ln_remote_source(&b, ln_str_of(a->path), &a->script);
  ln_v_end(&b, mark);
  return follow(app, a, &b, a->plan);
}

static int ask_to_call(ln_app *app, const run_args *a, ln_str args) {
  ln_buf b;
  ln_buf_init(&b, (size_t)256 << 20);
  size_t mark = ln_v_begin(&b, 'O', 5);
  ln_remote_text(&b, "approve", ln_str_of(ln_remote_approve(a->approve)));
  ln_remote_value(&b, "args", args);
  ln_remote_text(&b, "do", LN_STR("call"));
  ln_remote_text(&b, "op", ln_str_of(a->what));
  ln_remote_flag(&b, "plan", !a->act);
  ln_v_end(&b, mark);
  return follow(app, a, &b, !a->act);
}

/* ------------------------------------------------------------------ run */

/* --detach where nobody serves: the run goes on in a process of its own.  Its parent has this end of a pipe,
** and waits for the run's id, or for the process to end without having said one. */
static int detached = -1;

static bool nothing(ln_tx *tx, void *arg, ln_err *err) {
  (void)tx, (void)arg, (void)err;
  return true;
}

/* The run's row is durable before its id is told: the writer takes jobs in order. */
static bool tell_parent(ln_app *app, const ln_run *r, ln_err *err) {
  char line[LN_ULID + 2];
  int n = snprintf(line, sizeof line, "%s\n", ln_run_ulid(r)), null = open("/dev/null", O_RDWR | O_CLOEXEC);
  bool ok = ln_writer_run(app->g.store, nothing, NULL, err);
  if (ok && write(detached, line, (size_t)n) != n)
    ok = ln_fail(err, "failed", LN_FINAL, "the run's id cannot be told");
  for (int fd = 0; ok && null >= 0 && fd < 3; fd++) dup2(null, fd);
  if (null >= 0) close(null);
  close(detached);
  return ok;
}

static int start_here(ln_app *app, const run_args *a, ln_str input, ln_str assume) {
  ln_err err = {0};
  ln_carrying c = {.app = app,
                   .json = a->json,
                   .quiet = a->quiet || a->detach,
                   .approve = a->detach ? LN_APPROVE_WAIT : a->approve};
  ln_run_options o = {
      .plan = a->plan, .sim = app->sim, .approve = a->approve, .event = ln_carry_event, .event_arg = &c};
  if (a->n_assumes) o.assume = assume;
  ln_run *r = ln_run_start(&app->g, ln_str_of(a->what), input, &o, ln_str_of(ln_app_user()), &err);
  if (r && a->detach && !tell_parent(app, r, &err)) return ln_app_fail(&err);
  return carry_it(&c, r, &err);
}

static bool declared(ln_app *app, run_args *a, ln_declared *d, ln_err *err) {
  memset(d, 0, sizeof *d);
  if (app->served)
    return read_script(a, err) && ln_remote_declared(app, ln_str_of(a->path), &a->script, d, err);
  return ln_playbook_declared(&app->g, ln_str_of(a->what), d, err);
}

static int start_run(ln_app *app, run_args *a) {
  ln_err err = {0};
  ln_declared d;
  ln_buf input, assume;
  int code = LN_EXIT_FAILED;
  ln_buf_init(&input, (size_t)256 << 20);
  ln_buf_init(&assume, (size_t)16 << 20);
  bool ok = declared(app, a, &d, &err) &&
            ln_app_input(app, a->input, a->sets, a->n_sets, &d, &input, &err) &&
            ln_app_assume(app, a->assumes, a->n_assumes, &assume, &err);
  if (!ok) code = ln_app_fail(&err);
  else if (!ln_carry_may_approve(app, a->approve, uses_are_near(app, &d))) code = LN_EXIT_USAGE;
  else if (app->served) code = ask_to_run(app, a, ln_buf_view(&input), ln_buf_view(&assume));
  else code = start_here(app, a, ln_buf_view(&input), ln_buf_view(&assume));
  ln_declared_free(&d);
  ln_buf_free(&a->script);
  ln_buf_free(&input);
  ln_buf_free(&assume);
  return code;
}

static int open_and_run(run_args *a) {
  ln_app app;
  ln_err err = {0};
  int code = ln_app_open(&app, &a->app, &err) ? start_run(&app, a) : ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}

/* What the child says goes on to standard output; its exit status is ours until it has said an id. */
static int wait_for_id(int from, pid_t child) {
  char line[LN_ULID + 2] = "";
  size_t n = 0;
  int status = 0;
  for (ssize_t got; n < sizeof line - 1 && (got = read(from, line + n, sizeof line - 1 - n)) != 0;)
    if (got > 0) n += (size_t)got;
    else if (errno != EINTR) break;
  close(from);
  if (n == sizeof line - 1) return fwrite(line, 1, n, stdout) == n ? LN_EXIT_DONE : LN_EXIT_FAILED;
  if (waitpid(child, &status, 0) != child || !WIFEXITED(status)) return LN_EXIT_FAILED;
  return WEXITSTATUS(status);
}

/* Before anything is opened: a process with threads cannot be copied. */
static int detach(run_args *a) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ln_app_usage("--detach: no pipe: %s", strerror(errno));
  pid_t child = fork();
  if (child < 0) return ln_app_usage("--detach: no process: %s", strerror(errno));
  if (child > 0) {
    close(ends[1]);
    return wait_for_id(ends[0], child);
  }
  close(ends[0]);
  setsid();
  detached = ends[1];
  exit(open_and_run(a));
}

int ln_cmd_run(int argc, char **argv) {
  static run_args a;
  a = (run_args){.app = {.runs = true}};
  int code = parse_run(argc, argv, &a);
  if (code) return code == -2 ? 0 : code;
  if (a.detach && a.app.sim)
    return ln_app_usage("--detach is for real runs: one against simulators is over in a moment");
  return a.detach ? detach(&a) : open_and_run(&a);
}

/* ------------------------------------------------------------------ resume */

static const struct option resume_options[] = {
    {"did", optional_argument, NULL, OPT_DID},         {"did-not", optional_argument, NULL, OPT_DIDNT},
    {"result", required_argument, NULL, OPT_RESULT},   {"approve", required_argument, NULL, OPT_APPROVE},
    {"json", no_argument, NULL, OPT_JSON},             {"config", required_argument, NULL, OPT_CONFIG},
    {"sim", no_argument, NULL, OPT_SIM},               {"quiet", no_argument, NULL, OPT_QUIET},
    {"help", no_argument, NULL, OPT_HELP},             {NULL, 0, NULL, 0}};

static const char resume_help[] =
    "usage: lunette resume RUN [--did[=STEP]|--did-not[=STEP]] [--result JSON] [--approve ask|deny|all] "
    "[--json] [--config FILE]\n"
    "Goes on with a run that a crash, a question or a doubt left waiting.\n"
    "  --did, --did-not  settle a doubt: it happened, or it did not; STEP where there are several\n"
    "  --result          with --did: what the step answered (of asynchronous work: its handle)\n";

typedef struct settle_args { const char *step; bool said, did; const char *result; } settle_args;

static bool settle_first(ln_app *app, const char *which, const settle_args *s, ln_err *err) {
  ln_buf result;
  ln_buf_init(&result, 16 << 20);
  bool ok = (!s->result || ln_host_json(app->g.host, ln_str_of(s->result), &result, err)) &&
            ln_run_settle(&app->g, ln_str_of(which), ln_str_of(s->step ? s->step : ""), s->did,
                          ln_buf_view(&result), ln_str_of(ln_app_user()), err);
  ln_buf_free(&result);
  return ok;
}

/* "--did STEP" and "--did=STEP" are the same; so is "RUN --did STEP". */
static void take_step(settle_args *s, bool did, int argc, char **argv) {
  s->said = true;
  s->did = did;
  s->step = optarg;
  if (!optarg && optind < argc && argv[optind][0] != '-' && strchr(argv[optind], '#'))
    s->step = argv[optind++];
}

static int parse_resume(int argc, char **argv, run_args *a, settle_args *s) {
  int opt, bad;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, resume_options)) != -1) {
    if (opt == OPT_HELP) return fputs(resume_help, stdout), -2;
    if (opt == '?') return LN_EXIT_USAGE;
    if (opt == OPT_DID || opt == OPT_DIDNT) take_step(s, opt == OPT_DID, argc, argv);
    else if (opt == OPT_RESULT) s->result = optarg;
    else if ((bad = take_common(opt, a)) > 0) return bad;
  }
  if (optind + 1 != argc) return ln_app_usage("resume takes one RUN: lunette resume --help");
  a->what = argv[optind];
  return 0;
}

static int ask_to_resume(ln_app *app, const run_args *a, const settle_args *s) {
  ln_err err = {0};
  ln_buf b, result;
  ln_buf_init(&b, 64 << 20);
  ln_buf_init(&result, 16 << 20);
  bool ok = !s->result || ln_host_json(app->g.host, ln_str_of(s->result), &result, &err);
  size_t mark = ln_v_begin(&b, 'O', s->said ? 5 : 2);
  if (s->said) ln_remote_flag(&b, "did", s->did);
  ln_remote_text(&b, "do", LN_STR("resume"));
  if (s->said) ln_remote_value(&b, "result", ln_buf_view(&result));
  ln_remote_text(&b, "run", ln_str_of(a->what));
  if (s->said) ln_remote_text(&b, "step", ln_str_of(s->step ? s->step : ""));
  ln_v_end(&b, mark);
  ln_buf_free(&result);
  if (ok) return follow(app, a, &b, false);
  ln_buf_free(&b);
  return ln_app_fail(&err);
}

enum { QUESTIONS = 64 };
typedef struct questions {
  int64_t after, v[QUESTIONS];
  size_t n;
} questions;

static bool take_question(void *arg, const ln_approval *a) {
  questions *q = arg;
  if (a->id > q->after) q->v[q->n++] = a->id;
  return q->n < QUESTIONS;
}

static bool copy_id(void *arg, const ln_run_row *row) {
  *(int64_t *)arg = row->id;
  return false;
}

/* --approve answers also what was asked before; where that was refused, as was said, nobody answers any
** more. */
static bool answer_open(ln_app *app, run_args *a, ln_err *err) {
  questions q = {.n = QUESTIONS};
  int64_t run = 0;
  if (a->approve != LN_APPROVE_ALL && a->approve != LN_APPROVE_DENY) return true;
  if (!ln_store_run_find(app->g.store, ln_str_of(a->what), copy_id, &run, err)) return false;
  while (q.n == QUESTIONS) {
    q.n = 0;
    if (!ln_store_approvals(app->g.store, run, true, take_question, &q, err)) return false;
    for (size_t i = 0; i < q.n; i++)
      if (!ln_carry_answer(app, a->approve, q.after = q.v[i])) return a->approve = LN_APPROVE_WAIT, true;
  }
  return true;
}

static int resume_run(ln_app *app, run_args *a, const settle_args *s) {
  ln_err err = {0};
  ln_run_options o = {.sim = app->sim, .approve = a->approve, .event = ln_carry_event};
  if (!ln_carry_may_approve(app, a->approve, ln_config_all_near(app->config))) return LN_EXIT_USAGE;
  if (s->said && !app->served && !settle_first(app, a->what, s, &err)) return ln_app_fail(&err);
  if (!answer_open(app, a, &err)) return ln_app_fail(&err);
  if (app->served) return ask_to_resume(app, a, s);
  ln_carrying c = {.app = app, .json = a->json, .quiet = a->quiet, .approve = a->approve};
  o.event_arg = &c;
  return carry_it(&c, ln_run_resume(&app->g, ln_str_of(a->what), &o, &err), &err);
}

int ln_cmd_resume(int argc, char **argv) {
  static run_args a;
  settle_args s = {0};
  ln_app app;
  ln_err err = {0};
  a = (run_args){.app = {.runs = true, .must_exist = true}};
  int code = parse_resume(argc, argv, &a, &s);
  if (code) return code == -2 ? 0 : code;
  code = ln_app_open(&app, &a.app, &err) ? resume_run(&app, &a, &s) : ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}

/* ------------------------------------------------------------------ call */

static const struct option call_options[] = {
    {"act", no_argument, NULL, OPT_ACT},     {"approve", required_argument, NULL, OPT_APPROVE},
    {"json", no_argument, NULL, OPT_JSON},   {"config", required_argument, NULL, OPT_CONFIG},
    {"sim", no_argument, NULL, OPT_SIM},     {"help", no_argument, NULL, OPT_HELP},
    {"quiet", no_argument, NULL, OPT_QUIET}, {NULL, 0, NULL, 0}};

static const char call_help[] =
    "usage: lunette call OPERATION [JSON | k=v ...] [--act] [--approve ask|deny|all] [--sim] [--json] "
    "[--config FILE]\n"
    "One connector operation, as a run: a read happens, a write is planned unless --act.\n";

static int parse_call(int argc, char **argv, run_args *a) {
  int opt, bad;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, call_options)) != -1) {
    if (opt == OPT_HELP) return fputs(call_help, stdout), -2;
    if (opt == '?') return LN_EXIT_USAGE;
    if (opt == OPT_ACT) a->act = true;
    else if ((bad = take_common(opt, a)) > 0) return bad;
  }
  if (optind >= argc) return ln_app_usage("call takes an OPERATION: lunette call --help");
  a->what = argv[optind++];
  if (argc - optind > 64)
    return ln_app_usage("call takes 64 arguments at most: give them as one JSON object");
  for (; optind < argc; optind++) a->sets[a->n_sets++] = argv[optind];
  return 0;
}

static bool call_args(ln_app *app, const run_args *a, ln_buf *args, ln_err *err) {
  if (a->n_sets == 1 && a->sets[0][0] == '{')
    return ln_host_json(app->g.host, ln_str_of(a->sets[0]), args, err) ||
           ln_fail(err, "usage", LN_FINAL, "%s is no JSON: %s", a->sets[0], err->message);
  return put_pairs(app, a->sets, a->n_sets, PAIR_ARGUMENT, args, err);
}

static int call_run(ln_app *app, const run_args *a) {
  ln_err err = {0};
  ln_buf args;
  ln_carrying c = {.app = app, .json = a->json, .quiet = a->quiet, .approve = a->approve};
  ln_run_options o = {
      .plan = !a->act, .sim = app->sim, .approve = a->approve, .event = ln_carry_event, .event_arg = &c};
  ln_str connector, op;
  ln_str_cut(ln_str_of(a->what), '.', &connector, &op);
  if (!ln_carry_may_approve(app, a->approve, ln_config_is_near(app->config, connector))) return LN_EXIT_USAGE;
  ln_buf_init(&args, 16 << 20);
  bool ok = call_args(app, a, &args, &err);
  int code = ok && app->served ? ask_to_call(app, a, ln_buf_view(&args))
             : ok              ? carry_it(&c,
                                          ln_run_call(&app->g, ln_str_of(a->what), ln_buf_view(&args), &o,
                                                      ln_str_of(ln_app_user()), &err),
                                          &err)
                               : ln_app_fail(&err);
  ln_buf_free(&args);
  return code;
}

int ln_cmd_call(int argc, char **argv) {
  static run_args a;
  ln_app app;
  ln_err err = {0};
  a = (run_args){.app = {.runs = true}};
  int code = parse_call(argc, argv, &a);
  if (code) return code == -2 ? 0 : code;
  code = ln_app_open(&app, &a.app, &err) ? call_run(&app, &a) : ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}
