/* cmd_dap.c: lunette dap: the Debug Adapter Protocol, for editors, over a past run: on standard input and
** output, or on a Unix socket, one editor after the other.  The store is only looked at. */
#include "cli/app.h"

#include "debug/dap.h"
#include "net/local_path.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { OPT_LISTEN = 256, OPT_STORE };

static const struct option options[] = {{"listen", required_argument, NULL, OPT_LISTEN},
                                        {"store", required_argument, NULL, OPT_STORE},
                                        LN_COMMON_OPTIONS};

static const char help[] =
    "usage: lunette dap [--listen SOCKET] [--store FILE] [--config FILE]\n"
    "The Debug Adapter Protocol over past runs, for editors: steps through one in both directions, touching\n"
    "nothing.  A session launches { \"run\": \"last\", \"at\": \"start\" }; at may be \"end\" or a step's "
    "number, too.\n"
    "  --listen  a Unix socket, for its owner only, instead of standard input and output; one editor at a "
    "time\n"
    "  --store   of another store, as an archive is\n";

static int parse(int argc, char **argv, ln_app_opts *o, const char **listen_on) {
  int opt;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, options)) != -1) {
    if (opt == LN_OPT_HELP) return fputs(help, stdout), -2;
    if (opt == '?') return LN_EXIT_USAGE;
    if (opt == LN_OPT_CONFIG) o->config = optarg;
    if (opt == OPT_STORE) o->store = optarg;
    if (opt == OPT_LISTEN) *listen_on = optarg;
  }
  return optind < argc ? ln_app_usage("dap takes no arguments: lunette dap --help") : 0;
}

/* ------------------------------------------------------------------ a socket */

/* Only its owner can reach it. */
static int listen_on_path(const char *path, ln_err *err) {
  ln_err why = {0};
  int fd = ln_local_socket(path, 0600, 4, &why);
  if (fd < 0) ln_fail(err, "usage", LN_FINAL, "%s", why.message);
  return fd;
}

/* What an editor does wrong ends its own session only.  A signal ends it all; the socket that is left
** there is replaced by the next one. */
static int serve_socket(ln_app *app, const char *path) {
  ln_err err = {0};
  int fd = listen_on_path(path, &err), peer;
  if (fd < 0) return ln_app_fail(&err);
  fprintf(stderr, "listening on %s\n", path);
  while ((peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC)) >= 0 || errno == EINTR || errno == ECONNABORTED) {
    if (peer < 0) continue;
    if (!ln_dap_serve(&app->g, peer, peer, &err)) ln_app_fail(&err);
    close(peer);
  }
  ln_fail(&err, "usage", LN_FINAL, "%s cannot be listened on: %s", path, strerror(errno));
  close(fd);
  return ln_app_fail(&err);
}

int ln_cmd_dap(int argc, char **argv) {
  ln_app_opts o = {.must_exist = true, .looks = true};
  const char *listen_on = NULL;
  ln_app app;
  ln_err err = {0};
  int code = parse(argc, argv, &o, &listen_on);
  if (code) return code == -2 ? 0 : code;
  signal(SIGPIPE, SIG_IGN);
  bool ok = ln_app_open(&app, &o, &err);
  if (ok && listen_on) code = serve_socket(&app, listen_on);
  else if (ok) ok = ln_dap_serve(&app.g, STDIN_FILENO, STDOUT_FILENO, &err);
  if (!ok) code = ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}
