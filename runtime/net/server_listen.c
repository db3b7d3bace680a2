/* server_listen.c: the socket that a server listens on: made here, or handed over by whoever started us. */
#include "net/server_mhd.h"

#include "net/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 511 };

static bool where(int fd, uint16_t *port) {
  struct sockaddr_storage sa = {0};
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
  socklen_t n = sizeof sa;
  if (getsockname(fd, (struct sockaddr *)&sa, &n)) return false;
  memcpy(&v4, &sa, sizeof v4);
  memcpy(&v6, &sa, sizeof v6);
  *port = sa.ss_family == AF_INET ? ntohs(v4.sin_port) : sa.ss_family == AF_INET6 ? ntohs(v6.sin6_port) : 0;
  return true;
}

static int take_over(int fd, uint16_t *port, ln_err *err) {
  int listens = 0;
  socklen_t n = sizeof listens;
  int flags = fcntl(fd, F_GETFL);
  if (flags >= 0 && getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) == 0 && listens &&
      fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && where(fd, port))
    return fd;
  ln_fail(err, "unavailable", LN_FINAL, "descriptor %d, which was handed over, is no socket that listens",
          fd);
  return -1;
}

int ln_listen(const ln_server_door *door, uint16_t *port, ln_err *err) {
  struct sockaddr_storage sa;
  socklen_t n;
  int on = 1;
  if (door->fd > 0) return take_over(door->fd, port, err);
  if (!ln_addr_parse(door->address, door->port, &sa, &n)) {
    ln_fail(err, "bad_argument", LN_FINAL, "\"%.60s\" is not an address to listen on, such as 127.0.0.1",
            door->address);
    return -1;
  }
  int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd >= 0) {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (sa.ss_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&sa, n) == 0 && listen(fd, BACKLOG) == 0 && where(fd, port)) return fd;
  }
  int e = errno;
  if (fd >= 0) close(fd);
  ln_fail(err, "unavailable", LN_AGAIN, "cannot listen on %s port %u: %s", door->address, door->port,
          e == EADDRINUSE ? "it is in use: choose another port" : strerror(e));
  return -1;
}

void ln_listen_peer(int fd, char out[LN_PEER_TEXT]) {
  struct sockaddr_storage sa = {0};
  socklen_t n = sizeof sa;
  if (getpeername(fd, (struct sockaddr *)&sa, &n) || (sa.ss_family != AF_INET && sa.ss_family != AF_INET6) ||
      getnameinfo((struct sockaddr *)&sa, n, out, LN_PEER_TEXT, NULL, 0, NI_NUMERICHOST))
    out[0] = '\0';
}
