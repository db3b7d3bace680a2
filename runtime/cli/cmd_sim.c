/* cmd_sim.c: lunette sim: the vendor simulators as servers on loopback, one port a vendor, all in this
** process and in one world.  A simulator says at once what the wire shows; here that is delayed, repeated,
** cut short or cut off.  Once all of them listen a configuration that reaches them is written, credentials in
** clear: they open nothing else.  With --log each request is a line, and each thing that a simulator did is
** another: what tests count. */
#include "cli/app.h"
#include "engine/library.h"
#include "engine/simhost.h"
#include "engine/site.h"
#include "modules/modules.h"
#include "net/server.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPT_PORT = 256, OPT_FAULTS, OPT_SEED, OPT_SPEED, OPT_WRITE, OPT_LOG };
enum { VENDORS = 32, CONFIG_MAX = 1 << 20, LOG_MAX = 64 << 20 };

typedef struct sim sim;

typedef struct vendor {
  sim *s;
  ln_str name;
  ln_server *server;
  char base[64];
  size_t logged;                                         /* of what it did */
} vendor;

typedef struct delayed {                                 /* an answer that is on its way */
  sim *s;
  struct delayed *next, *prev;
  ln_exchange *x;
  ln_sim_action *action;
  ln_timer timer;
} delayed;

struct sim {
  ln_config *config;
  ln_loop *loop;
  ln_simhost *host;
  vendor v[VENDORS];
  size_t n;
  delayed *waiting;
  ln_timer watch;
  FILE *log;
  const char *faults, *write, *log_path, *config_path;
  long port;
  int64_t speed;
  uint64_t seed;
};

static const struct option options[] = {
    {"port", required_argument, NULL, OPT_PORT},   {"faults", required_argument, NULL, OPT_FAULTS},
    {"seed", required_argument, NULL, OPT_SEED},   {"speed", required_argument, NULL, OPT_SPEED},
    {"write", required_argument, NULL, OPT_WRITE}, {"log", required_argument, NULL, OPT_LOG},
    LN_COMMON_OPTIONS};
static const char help[] =
    "usage: lunette sim [VENDOR...] [--port N] [--faults SPEC] [--seed N] [--speed N] [--write FILE]\n"
    "                   [--log FILE] [--config FILE]\n"
    "The vendor simulators as servers on loopback; without VENDOR all of them.\n"
    "  --port    of the first, the others follow; default: any that are free\n"
    "  --faults  a comma list of VENDOR[.OPERATION][#N][@P]=FAULT[:ARG]; faults: 429 409 5xx reset-before\n"
    "            reset-after truncate slow:S expire partial twice html empty huge\n"
    "            deprecate:DAYS\n"
    "  --seed    of chance; default 1\n"
    "  --speed   asynchronous work N times faster (1 to 100000)\n"
    "  --write   the configuration that reaches them, once they listen; default: printed\n"
    "  --log     a JSON line for each request, and for each thing done\n";

/* ------------------------------------------------------------------ the log */

static void log_request(const vendor *v, const ln_server_request *r, const ln_sim_action *a) {
  ln_buf b;
  ln_json j;
  ln_buf_init(&b, 1 << 20);
  ln_json_init(&j, &b);
  ln_json_open(&j, '{');
  ln_json_key(&j, LN_STR("vendor"));
  ln_json_str(&j, v->name);
  ln_json_key(&j, LN_STR("request"));
  ln_json_str(&j, r->method);
  ln_json_key(&j, LN_STR("path"));
  ln_json_str(&j, r->path);
  ln_json_key(&j, LN_STR("op"));
  ln_json_str(&j, a->op);
  ln_json_key(&j, LN_STR("status"));
  ln_json_int(&j, a->cut == LN_CUT_NOT ? a->status : 0);
  ln_json_key(&j, LN_STR("fault"));
  ln_json_str(&j, a->fault);
  ln_json_close(&j, '}');
  fprintf(v->s->log, "%.*s\n", LN_STR_ARG(ln_buf_view(&b)));
  ln_buf_free(&b);
}

static void log_one(const vendor *v, ln_str what) {
  ln_buf b;
  ln_json j;
  ln_buf_init(&b, 1 << 20);
  ln_json_init(&j, &b);
  ln_json_open(&j, '{');
  ln_json_key(&j, LN_STR("vendor"));
  ln_json_str(&j, v->name);
  ln_json_key(&j, LN_STR("did"));
  ln_v_to_json(what, &j);
  ln_json_close(&j, '}');
  fprintf(v->s->log, "%.*s\n", LN_STR_ARG(ln_buf_view(&b)));
  ln_buf_free(&b);
}

/* What it did since we last looked. */
static void log_deeds(vendor *v) {
  ln_buf b;
  ln_err err;
  ln_vitem list, item;
  size_t i = 0;
  ln_buf_init(&b, LOG_MAX);
  if (ln_simhost_log(v->s->host, v->name, &b, &err)) {
    ln_str rest = ln_buf_view(&b);
    if (ln_v_read(&rest, &list) && list.tag == 'A')
      for (rest = list.body; i < list.count && ln_v_read(&rest, &item); i++)
        if (i >= v->logged) log_one(v, item.whole);
    v->logged = i;
  }
  ln_buf_free(&b);
  fflush(v->s->log);
}

/* ------------------------------------------------------------------ answers */

static bool frames(ln_str name) {
  return ln_str_ieq(name, LN_STR("content-length")) || ln_str_ieq(name, LN_STR("transfer-encoding"));
}

/* The head promises all of the body, and half of it comes. */
static void half(ln_exchange *x, const ln_sim_action *a) {
  ln_buf b;
  size_t n = (size_t)a->truncate < a->body.n ? (size_t)a->truncate : a->body.n;
  ln_buf_init(&b, a->body.n + (1 << 20));
  ln_buf_addf(&b, "HTTP/1.1 %d Cut\r\nContent-Length: %zu\r\n", a->status, a->body.n);
  for (size_t i = 0; i < a->n_headers; i++)
    if (!frames(a->headers[i].name))
      ln_buf_addf(&b, "%.*s: %.*s\r\n", LN_STR_ARG(a->headers[i].name), LN_STR_ARG(a->headers[i].value));
  ln_buf_addz(&b, "\r\n");
  ln_buf_add(&b, (ln_str){a->body.p, n});
  ln_exchange_cut(x, ln_buf_failed(&b) ? (ln_str){NULL, 0} : ln_buf_view(&b));
  ln_buf_free(&b);
}

static void answer(ln_exchange *x, const ln_sim_action *a) {
  const ln_str nothing = {NULL, 0};
  bool ok = true;
  if (a->cut != LN_CUT_NOT) ln_exchange_cut(x, nothing);
  else if (a->truncate >= 0) half(x, a);
  else if (a->times > 1 && a->body.n)
    ok = ln_exchange_repeat(x, a->status, a->headers, a->n_headers, a->body, (uint64_t)a->times);
  else ok = ln_exchange_reply(x, a->status, a->headers, a->n_headers, a->body);
  if (!ok && !ln_exchange_reply(x, 500, NULL, 0, LN_STR("the simulator's answer cannot be sent")))
    ln_exchange_cut(x, nothing);
}

static void unlink_delayed(delayed *d) {
  if (d->prev) d->prev->next = d->next;
  else d->s->waiting = d->next;
  if (d->next) d->next->prev = d->prev;
  ln_sim_action_free(d->action);
  free(d);
}

static void on_due(void *arg) {
  delayed *d = arg;
  answer(d->x, d->action);
  unlink_delayed(d);
}

/* Takes the action.  False: no memory. */
static bool answer_later(sim *s, ln_exchange *x, ln_sim_action *a) {
  delayed *d = calloc(1, sizeof *d);
  if (!d) return false;
  *d = (delayed){.s = s, .next = s->waiting, .x = x, .action = a, .timer = {.fn = on_due, .arg = d}};
  if (s->waiting) s->waiting->prev = d;
  s->waiting = d;
  if (s->loop->timer(s->loop, &d->timer, a->delay_ms)) return true;
  d->action = NULL;
  unlink_delayed(d);
  return false;
}

static void handle(void *arg, ln_exchange *x, const ln_server_request *r) {
  vendor *v = arg;
  ln_err err;
  ln_buf target;
  ln_buf_init(&target, 1 << 20);
  ln_buf_add(&target, r->path);
  if (r->query.n) ln_buf_addc(&target, '?'), ln_buf_add(&target, r->query);
  ln_sim_action *a = ln_simhost_ask(v->s->host, v->name, r->method, ln_buf_view(&target), r->headers,
                                    r->n_headers, r->body, &err);
  ln_buf_free(&target);
  if (a && v->s->log) {
    log_request(v, r, a);
    log_deeds(v);
  }
  if (a && a->delay_ms > 0 && answer_later(v->s, x, a)) return;
  if (a) answer(x, a);
  else ln_exchange_cut(x, (ln_str){NULL, 0});
  ln_sim_action_free(a);
}

/* ------------------------------------------------------------------ the configuration, as Lua */

static void put_text(ln_buf *out, ln_str s) {
  ln_buf_addc(out, '"');
  for (size_t i = 0; i < s.n; i++) {
    unsigned char c = (unsigned char)s.p[i];
    if (c == '"' || c == '\\') ln_buf_addc(out, '\\');
    if (c < 32 || c == 127) ln_buf_addf(out, "\\%03u", c);
    else ln_buf_addc(out, (char)c);
  }
  ln_buf_addc(out, '"');
}

static void put_key(ln_buf *out, ln_str key) {
  ln_buf_addc(out, '[');
  put_text(out, key);
  ln_buf_addz(out, "] = ");
}

static void put_value(ln_buf *out, const ln_vitem *v, int depth) {
  ln_str rest = v->body, key;
  ln_vitem item;
  if (v->tag == 'S') put_text(out, v->s);
  else if (v->tag == 'I') ln_buf_addf(out, "%lld", (long long)v->i);
  else if (v->tag == 'F') ln_buf_addf(out, "%.17g", v->f);
  else if (v->tag == 't' || v->tag == 'f') ln_buf_addz(out, v->tag == 't' ? "true" : "false");
  else if ((v->tag != 'A' && v->tag != 'O') || depth > 8) ln_buf_addz(out, "nil");
  else {
    ln_buf_addz(out, "{ ");
    for (size_t i = 0; i < v->count; i++) {
      if (i) ln_buf_addz(out, ", ");
      if (v->tag == 'O' && ln_v_read_key(&rest, &key)) put_key(out, key);
      if (ln_v_read(&rest, &item)) put_value(out, &item, depth + 1);
    }
    ln_buf_addz(out, " }");
  }
}

/* An object's members, each on a line "    key = value,". */
static void put_members(ln_buf *out, ln_str object, const char *form) {
  ln_vitem top, item;
  ln_str key, rest = object;
  if (!ln_v_read(&rest, &top) || top.tag != 'O') return;
  for (rest = top.body; rest.n && ln_v_read_key(&rest, &key) && ln_v_read(&rest, &item);) {
    ln_buf_addz(out, form);
    put_key(out, key);
    put_value(out, &item, 0);
    ln_buf_addz(out, ",\n");
  }
}

/* The scripts' facts of a simulated site, and a folder that files may be written to. */
static bool site_facts(const sim *s, char *root, size_t n, ln_buf *out, ln_err *err) {
  char here[PATH_MAX];
  ln_engine g = {.config = s->config, .loop = s->loop};
  if (!getcwd(here, sizeof here) || snprintf(root, n, "%s/lunette.sim", here) >= (int)n)
    return ln_fail(err, "config", LN_FINAL, "the working folder has no name that could be used");
  if (mkdir(root, 0700) != 0 && errno != EEXIST)
    return ln_fail(err, "config", LN_FINAL, "%s cannot be made: %s", root, strerror(errno));
  bool ok = (g.host = ln_host_new(err)) && ln_site_facts(&g, root, out, err);
  ln_snapshot_drop(g.library);
  ln_host_free(g.host);
  return ok;
}

static bool put_config(sim *s, ln_buf *out, ln_err *err) {
  ln_buf part;
  char root[PATH_MAX] = "";
  bool ok = true;
  ln_buf_addz(out, "-- Written by `lunette sim`: its simulators, as long as they run.\n"
                   "-- The credentials are theirs alone.\nreturn {\n  connectors = {\n");
  for (size_t i = 0; ok && i < s->n; i++) {
    ln_buf_init(&part, CONFIG_MAX);
    ok = ln_simhost_config(s->host, s->v[i].name, &part, err);
    ln_buf_addf(out, "    %.*s = {\n      url = \"%s\",\n      pace = %lld,\n", LN_STR_ARG(s->v[i].name),
                s->v[i].base, (long long)s->speed);
    put_members(out, ln_buf_view(&part), "      ");
    ln_buf_addz(out, "    },\n");
    ln_buf_free(&part);
  }
  ln_buf_init(&part, CONFIG_MAX);
  ok = ok && site_facts(s, root, sizeof root, &part, err);
  ln_buf_addz(out, "  },\n  files = { ");
  put_text(out, ln_str_of(root));
  ln_buf_addz(out, " },\n  playbooks = {\n");
  put_members(out, ln_buf_view(&part), "    ");
  ln_buf_addz(out, "  },\n}\n");
  ln_buf_free(&part);
  return ok && ln_buf_ok(out, err);
}

/* Whoever waits for the file finds all of it, or none. */
static bool write_file(const char *path, ln_str text, ln_err *err) {
  char fresh[4096];
  if (snprintf(fresh, sizeof fresh, "%s.new", path) >= (int)sizeof fresh)
    return ln_fail(err, "usage", LN_FINAL, "--write: the name is too long");
  int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  bool ok = fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n;
  if (fd >= 0 && close(fd) != 0) ok = false;
  if (ok && rename(fresh, path) == 0) return true;
  return ln_fail(err, "failed", LN_FINAL, "%s cannot be written: %s", path, strerror(errno));
}

static bool tell(sim *s, ln_err *err) {
  ln_buf text;
  ln_buf_init(&text, CONFIG_MAX);
  bool ok = put_config(s, &text, err);
  if (ok && s->write) ok = write_file(s->write, ln_buf_view(&text), err);
  if (ok && s->write)
    for (size_t i = 0; i < s->n; i++) printf("%.*s %s\n", LN_STR_ARG(s->v[i].name), s->v[i].base);
  else if (ok) fwrite(text.p, 1, text.n, stdout);
  fflush(stdout);
  ln_buf_free(&text);
  return ok;
}

/* ------------------------------------------------------------------ starting and stopping */

static void look_for_signal(void *arg) {
  sim *s = arg;
  if (ln_app_interrupted()) s->loop->stop(s->loop);
  else s->loop->timer(s->loop, &s->watch, 50);
}

static bool listen_one(sim *s, vendor *v, ln_err *err) {
  static const ln_server_limits limits = {
      .max_body = (size_t)256 << 20, .max_connections = 1000, .whole_ms = 60000};
  uint16_t port = s->port ? (uint16_t)(s->port + (v - s->v)) : 0;
  v->s = s;
  if (!(v->server = ln_server_mhd(s->loop, "127.0.0.1", port, &limits, handle, v, err))) return false;
  snprintf(v->base, sizeof v->base, "http://127.0.0.1:%u", ln_server_port(v->server));
  return ln_simhost_start(s->host, v->name, v->base, err);
}

static bool is_known(const ln_list *known, ln_str name) {
  for (size_t i = 0; i < known->n; i++)
    if (ln_str_eq(known->v[i], name)) return true;
  return false;
}

static bool choose(sim *s, char **names, int n, ln_err *err) {
  ln_list known = ln_simhost_names(s->host);
  size_t many = n ? (size_t)n : known.n;
  if (many > VENDORS) return ln_fail(err, "usage", LN_FINAL, "sim: %d vendors at most", VENDORS);
  for (size_t i = 0; i < many; i++) {
    s->v[i].name = n ? ln_str_of(names[i]) : known.v[i];
    if (!is_known(&known, s->v[i].name))
      return ln_fail(err, "usage", LN_FINAL,
                     "there is no simulator of %.*s: stdlib/sim has the ones there are",
                     LN_STR_ARG(s->v[i].name));
  }
  s->n = many;
  return true;
}

static bool open_log(sim *s, ln_err *err) {
  if (!s->log_path || (s->log = fopen(s->log_path, "ae"))) return true;
  return ln_fail(err, "usage", LN_FINAL, "--log: %s cannot be written: %s", s->log_path, strerror(errno));
}

static bool open_sim(sim *s, char **names, int n, ln_err *err) {
  if (!(s->config = ln_config_load(s->config_path, err)) || !(s->loop = ln_loop_uv(err))) return false;
  ln_simhost_opts o = {.stdlib = s->config->stdlib, .modules = lnL_modules, .clock = s->loop->clock,
                       .speed = (double)s->speed, .seed = s->seed, .faults = s->faults};
  if (!(s->host = ln_simhost_new(&o, err)) || !choose(s, names, n, err) || !open_log(s, err)) return false;
  for (size_t i = 0; i < s->n; i++)
    if (!listen_one(s, &s->v[i], err)) return false;
  return tell(s, err);
}

static void serve(sim *s) {
  s->watch = (ln_timer){.fn = look_for_signal, .arg = s};
  s->loop->timer(s->loop, &s->watch, 50);
  s->loop->run(s->loop);
  s->loop->cancel(s->loop, &s->watch);
}

static void close_sim(sim *s) {
  while (s->waiting) {
    s->loop->cancel(s->loop, &s->waiting->timer);
    unlink_delayed(s->waiting); /* NOLINT(clang-analyzer-unix.Malloc): which moves s->waiting on */
  }
  for (size_t i = 0; i < s->n; i++) ln_server_free(s->v[i].server);
  ln_simhost_free(s->host);
  if (s->loop) s->loop->free(s->loop);
  ln_config_free(s->config);
  if (s->log) fclose(s->log);
}

static int take_option(sim *s, int opt) {
  long long n = 0;
  switch (opt) {
  case LN_OPT_CONFIG: s->config_path = optarg; return 0;
  case OPT_FAULTS: s->faults = optarg; return 0;
  case OPT_WRITE: s->write = optarg; return 0;
  case OPT_LOG: s->log_path = optarg; return 0;
  case OPT_PORT:
    if (!ln_app_number("--port", optarg, 1, 65535 - VENDORS, &n)) return LN_EXIT_USAGE;
    s->port = (long)n;
    return 0;
  case OPT_SPEED:
    if (!ln_app_number("--speed", optarg, 1, 100000, &n)) return LN_EXIT_USAGE;
    s->speed = n;
    return 0;
  case OPT_SEED:
    if (!ln_app_number("--seed", optarg, 0, INT64_MAX, &n)) return LN_EXIT_USAGE;
    s->seed = (uint64_t)n;
    return 0;
  default: return LN_EXIT_USAGE;
  }
}

int ln_cmd_sim(int argc, char **argv) {
  static sim s;
  ln_err err = {0};
  int opt, code;
  s = (sim){.speed = 1, .seed = 1};
  optind = 1;
  while ((opt = ln_app_option(argc, argv, options)) != -1) {
    if (opt == LN_OPT_HELP) return fputs(help, stdout), LN_EXIT_DONE;
    if ((code = take_option(&s, opt)) != 0) return code;
  }
  ln_app_catch(SIGINT); /* before anybody is told that they listen */
  ln_app_catch(SIGTERM);
  bool ok = open_sim(&s, argv + optind, argc - optind, &err);
  if (ok) serve(&s);
  code = LN_EXIT_DONE;
  if (!ok) code = ln_err_is(&err, "bad_argument") ? ln_app_usage("%s", err.message) : ln_app_fail(&err);
  close_sim(&s);
  return code;
}
