/* local.c: the calling end of a Unix socket, and what both ends share. */
#include "net/local_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool ln_local_address(const char *path, struct sockaddr_un *at, int *folder) {
  const char *slash = strrchr(path, '/');
  char *dir = slash ? ln_str_dup((ln_str){path, slash == path ? 1 : (size_t)(slash - path)})
                    : ln_str_dup(LN_STR("."));
  *folder = dir ? open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
  free(dir);
  if (*folder < 0) return false;
  memset(at, 0, sizeof *at);
  at->sun_family = AF_UNIX;
  int n =
      snprintf(at->sun_path, sizeof at->sun_path, "/proc/self/fd/%d/%s", *folder, slash ? slash + 1 : path);
  if (n > 0 && (size_t)n < sizeof at->sun_path) return true;
  errno = ENAMETOOLONG;
  return false;
}

void ln_local_head(size_t n, char head[LN_LOCAL_HEAD]) {
  for (int i = 0; i < LN_LOCAL_HEAD; i++) head[i] = (char)((n >> (8 * i)) & 0xff);
}

size_t ln_local_whole(ln_str in) {
  size_t n = 0;
  if (in.n < LN_LOCAL_HEAD) return 0;
  for (int i = 0; i < LN_LOCAL_HEAD; i++) n |= (size_t)(unsigned char)in.p[i] << (8 * i);
  if (n > LN_LOCAL_MOST) return SIZE_MAX;
  return in.n >= n + LN_LOCAL_HEAD ? n + LN_LOCAL_HEAD : 0;
}

static bool say(int fd, ln_str text) {
  while (text.n) {
    ssize_t n = send(fd, text.p, text.n, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    text.p += n;
    text.n -= (size_t)n;
  }
  return true;
}

/* Everything until the other end closes. */
static bool hear(int fd, ln_buf *in) {
  char chunk[65536];
  for (;;) {
    ssize_t n = recv(fd, chunk, sizeof chunk, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n == 0;
    if (!ln_buf_add(in, (ln_str){chunk, (size_t)n})) return false;
  }
}

bool ln_local_ask(const char *path, ln_str message, ln_buf *answer, ln_err *err) {
  struct sockaddr_un at;
  char head[LN_LOCAL_HEAD];
  int folder = -1, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ln_buf in;
  ln_buf_init(&in, LN_LOCAL_MOST + LN_LOCAL_HEAD);
  ln_local_head(message.n, head);
  bool ok =
      fd >= 0 && ln_local_address(path, &at, &folder) && connect(fd, (struct sockaddr *)&at, sizeof at) == 0;
  if (!ok)
    ln_fail(err, "unavailable", LN_AGAIN, "`lunette serve` does not answer on %s (%s): look at its log", path,
            strerror(errno));
  if (ok && !(ok = say(fd, (ln_str){head, sizeof head}) && say(fd, message) && hear(fd, &in) &&
                   ln_local_whole(ln_buf_view(&in)) == in.n && in.n > 0))
    ln_fail(err, "unavailable", LN_AGAIN, "`lunette serve` ended before it answered: look at its log");
  ok = ok &&
       (ln_buf_add(answer, (ln_str){in.p + LN_LOCAL_HEAD, in.n - LN_LOCAL_HEAD}) || ln_buf_ok(answer, err));
  ln_buf_wipe(&in);
  if (folder >= 0) close(folder);
  if (fd >= 0) close(fd);
  return ok;
}
