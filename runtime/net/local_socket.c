/* local_socket.c: a Unix socket by path, for whoever listens on one. */
#include "net/local_path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool no_socket(const char *path, ln_err *err) {
  return ln_fail(err, "unavailable", LN_FINAL, "%s cannot be listened on: %s", path, strerror(errno));
}

/* One that was left there, and that nobody answers on, is removed; nothing else is. */
static bool make_way(const char *path, const struct sockaddr_un *at, ln_err *err) {
  struct stat st;
  if (lstat(path, &st) != 0) return true;
  int fd = S_ISSOCK(st.st_mode) ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
  bool left = fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof *at) != 0 && errno == ECONNREFUSED;
  if (fd >= 0) close(fd);
  if (left) return unlink(path) == 0 || no_socket(path, err);
  return ln_fail(err, "unavailable", LN_FINAL,
                 "%s is there already: name another socket, or end who listens on it", path);
}

int ln_local_socket(const char *path, int mode, int backlog, ln_err *err) {
  struct sockaddr_un at;
  int folder = -1, fd = -1;
  if (!ln_local_address(path, &at, &folder)) {
    no_socket(path, err);
    if (folder >= 0) close(folder);
    return -1;
  }
  if (make_way(path, &at, err)) {
    mode_t was = umask((mode_t)(0777 & ~mode));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && bind(fd, (const struct sockaddr *)&at, sizeof at) == 0 && listen(fd, backlog) == 0;
    if (!ok) no_socket(path, err);
    umask(was);
    if (!ok && fd >= 0) close(fd), fd = -1;
  }
  close(folder);
  return fd;
}
