/* cmd_dap.c: lunette dap: the Debug Adapter Protocol, for editors, over a past run: on standard input and
** output, or on a Unix socket, one editor after the other.  The store is only looked at. */
#include "cli/app.h"

#include "debug/dap.h"
#include "net/local_path.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
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

static bool no_socket(ln_err *err, const char *path) {
  return ln_fail(err, "usage", LN_FINAL, "%s cannot be listened on: %s", path, strerror(errno));
}

/* One that was left there, and that nobody listens on, is replaced; nothing else is. */
static bool make_way(const char *path, const struct sockaddr_un *at, ln_err *err) {
  struct stat st;
  if (lstat(path, &st) != 0) return true;
  int fd = S_ISSOCK(st.st_mode) ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
  bool left = fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof *at) != 0 && errno == ECONNREFUSED;
  if (fd >= 0) close(fd);
  if (left) return unlink(path) == 0 || no_socket(err, path);
  return ln_fail(err, "usage", LN_FINAL, "%s is there already: name another socket, or end who listens on it",
                 path);
}

/* Only its owner can reach it, from its first moment on. */
static int listen_on_path(const char *path, ln_err *err) {
  struct sockaddr_un at;
  int folder = -1, fd = -1;
  if (!ln_local_address(path, &at, &folder)) return no_socket(err, path), -1;
  if (make_way(path, &at, err)) {
    mode_t was = umask(0177);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && bind(fd, (const struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 4) == 0;
    if (!ok) no_socket(err, path);
    umask(was);
    if (!ok && fd >= 0) close(fd), fd = -1;
  }
  close(folder);
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
  no_socket(&err, path);
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
