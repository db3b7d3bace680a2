/* cmd_repl.c: lunette repl: reads, and hands on: what begins with ":" is the prompt's, all else is Lua. */
#include "cli/repl.h"

#include "debug/travel.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { OPT_RUN = 256, OPT_CONNECT, OPT_SIM, OPT_APPROVE, CHUNK_MAX = 1 << 20 };

static const struct option options[] = {{"run", required_argument, NULL, OPT_RUN},
                                        {"connect", required_argument, NULL, OPT_CONNECT},
                                        {"sim", no_argument, NULL, OPT_SIM},
                                        {"approve", required_argument, NULL, OPT_APPROVE},
                                        LN_COMMON_OPTIONS};

static const char help[] =
    "usage: lunette repl [--run RUN] [--connect SOCKET] [--sim] [--approve ask|deny|all] [--config FILE]\n"
    "A prompt: Lua with the words of a playbook, every connector at hand.  The session is a run: journaled,\n"
    "guarded, undoable.  Its writes are only planned until `:plan off`, but against simulators.\n"
    "  --run      opens a past run, to step through it: :help says how\n"
    "  --connect  within the process that serves a store, over its socket (STORE.owner/socket)\n"
    "  --sim      against simulators inside the process, in virtual time\n"
    "  --approve  ask (the default): questions are put at the prompt; deny; all: against simulators only\n";

typedef struct args {
  ln_app_opts app;
  const char *run, *socket;
  char store[4096];
  ln_approve approve;
} args;

/* A store's socket lies beside it, so its place says which store that is. */
static bool store_of(args *a) {
  static const char tail[] = ".owner/socket";
  size_t n = strlen(a->socket), k = sizeof tail - 1;
  if (n <= k || n - k >= sizeof a->store || strcmp(a->socket + n - k, tail) != 0) return false;
  snprintf(a->store, sizeof a->store, "%.*s", (int)(n - k), a->socket);
  a->app.store = a->store;
  return true;
}

static int parse(int argc, char **argv, args *a) {
  int opt;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, options)) != -1) {
    switch (opt) {
    case LN_OPT_HELP: return fputs(help, stdout), LN_EXIT_DONE;
    case LN_OPT_CONFIG: a->app.config = optarg; break;
    case OPT_RUN: a->run = optarg; break;
    case OPT_CONNECT: a->socket = optarg; break;
    case OPT_SIM: a->app.sim = true; break;
    case OPT_APPROVE:
      if (!ln_carry_approve(optarg, &a->approve))
        return ln_app_usage("--approve is ask, deny or all, not %s", optarg);
      break;
    default: return LN_EXIT_USAGE;
    }
  }
  if (optind != argc) return ln_app_usage("repl takes options only: lunette repl --help");
  if (a->socket && a->app.sim) return ln_app_usage("--sim and --connect do not go together");
  if (a->socket && !store_of(a))
    return ln_app_usage("--connect: the socket of `lunette serve` is STORE.owner/socket, not %s", a->socket);
  return -1;
}

/* ------------------------------------------------------------------ the prompt */

/* " okta,visionone": those that may write; nothing where that would leave no room to type. */
static void put_writers(const ln_config *c, ln_buf *b) {
  size_t from = b->n;
  for (size_t i = 0; i < c->n_connectors; i++) {
    if (c->connectors[i].writes == LN_WRITES_NEVER) continue;
    ln_buf_addc(b, b->n == from ? ' ' : ',');
    ln_buf_add(b, c->connectors[i].name);
  }
  if ((int)(b->n - from) > ln_repl_columns() / 2) ln_buf_cut(b, from);
}

/* \1 is before and after what has no width. */
static void build_prompt(ln_repl *r, bool more, ln_buf *b) {
  bool red = ln_app_colour(stdout) && !r->planning;
  ln_buf_cut(b, 0);
  if (more) {
    ln_buf_addz(b, "...> ");
  } else if (r->travel) {
    ln_repl_travel_prompt(r, b);
  } else {
    if (red) ln_buf_addz(b, "\1\033[1;31m\1");
    ln_buf_addz(b, r->planning ? "plan" : "ACT");
    if (!r->planning) put_writers(r->app->config, b);
    if (red) ln_buf_addz(b, "\1\033[0m\1");
    ln_buf_addz(b, "> ");
  }
}

/* A chunk: lines until it is whole.  False: the end of the input. */
static bool read_chunk(ln_repl *r, ln_buf *chunk, ln_buf *prompt) {
  ln_str line;
  ln_buf_cut(chunk, 0);
  for (;;) {
    build_prompt(r, chunk->n > 0, prompt);
    ln_buf_addc(prompt, '\0');
    ln_typed typed = ln_input_line(r->in, prompt->p, &line);
    if (typed == LN_TYPED_END) return chunk->n > 0;
    if (typed == LN_TYPED_DROPPED) return ln_buf_cut(chunk, 0), true;
    if (chunk->n) ln_buf_addc(chunk, '\n');
    if (!ln_buf_add(chunk, line)) {
      ln_app_usage("what is typed at once may have %d bytes", CHUNK_MAX);
      chunk->n = 0, chunk->full = chunk->failed = false;
      return true;
    }
    ln_str all = ln_buf_view(chunk);
    if (!ln_str_trim(all).n || ln_str_trim(all).p[0] == ':' || !ln_repl_incomplete(&r->app->g, all))
      return true;
  }
}

static void loop(ln_repl *r) {
  ln_buf chunk, prompt;
  ln_buf_init(&chunk, CHUNK_MAX);
  ln_buf_init(&prompt, 4096);
  ln_app_catch_interrupts(NULL);
  while (!r->ended && read_chunk(r, &chunk, &prompt)) {
    ln_str text = ln_str_trim(ln_buf_view(&chunk));
    if (!text.n) continue;
    if (!r->travel) ln_repl_catch_up(r);
    if (r->ended) break;
    if (text.p[0] == ':') ln_repl_command(r, text);
    else if (r->travel) ln_repl_travel_eval(r, text);
    else ln_repl_run(r, text);
    ln_app_catch_interrupts(NULL);
  }
  ln_buf_free(&chunk);
  ln_buf_free(&prompt);
}

static void greet(const ln_repl *r) {
  if (!r->terminal) return;
  printf("lunette%s; :help lists what there is, Ctrl-D leaves\n",
         r->app->served ? ", within the process that serves the store" : "");
}

static int run(ln_app *app, const args *a) {
  ln_err err = {0};
  ln_repl r = {.app = app,
               .terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO),
               .planning = !app->sim && !(app->config->n_connectors && ln_config_all_near(app->config))};
  r.approve = a->approve == LN_APPROVE_ASK && !r.terminal ? LN_APPROVE_WAIT : a->approve;
  ln_buf_init(&r.assume, 1 << 24);
  if (a->socket && !app->served)
    return ln_app_usage("nobody serves at %s: lunette serve does, or leave --connect out", a->socket),
           LN_EXIT_UNUSABLE;
  if (!ln_carry_may_approve(app, r.approve, ln_config_all_near(app->config))) return LN_EXIT_USAGE;
  if (!(r.in = ln_input_open(&r, &err))) return ln_app_fail(&err);
  greet(&r);
  ln_repl_watch(&r);
  if (a->run) ln_repl_open(&r, ln_str_of(a->run));
  if (!a->run || r.travel) loop(&r);
  ln_repl_close_travel(&r);
  ln_repl_end(&r);
  ln_repl_unwatch(&r);
  ln_input_close(r.in);
  ln_buf_free(&r.assume);
  return r.code;
}

int ln_cmd_repl(int argc, char **argv) {
  static args a;
  ln_app app;
  ln_err err = {0};
  a = (args){.app = {.runs = true}, .approve = LN_APPROVE_ASK};
  int code = parse(argc, argv, &a);
  if (code >= 0) return code;
  code = ln_app_open(&app, &a.app, &err) ? run(&app, &a) : ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}
