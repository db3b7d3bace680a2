/* notify.c: the service manager's protocols (sd_notify(3), sd_listen_fds(3), sd_watchdog_enabled(3)). */
#include "server/notify.h"

#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST_FD = 3 };

static long long number(const char *name) {
  const char *v = getenv(name);
  char *end;
  long long n = v ? strtoll(v, &end, 10) : 0;
  return v && *v && !*end ? n : 0;
}

int ln_notify_socket(void) {
  bool ours = number("LISTEN_PID") == getpid() && number("LISTEN_FDS") > 0;
  unsetenv("LISTEN_PID");
  unsetenv("LISTEN_FDS");
  unsetenv("LISTEN_FDNAMES");
  return ours ? FIRST_FD : 0;
}

void ln_notify(const char *state) {
  const char *path = getenv("NOTIFY_SOCKET");
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  size_t n = path ? strlen(path) : 0;
  if (!n || n >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@')) return;
  memcpy(to.sun_path, path, n);
  if (path[0] == '@') to.sun_path[0] = '\0'; /* an abstract name                              */
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
  ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, size);
  (void)sent; /* a manager that is not there any more need not be told */
  close(fd);
}

void ln_notify_reloading(ln_clock *c) {
  char text[80];
  snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)ln_mono_us(c));
  ln_notify(text);
}

static int64_t every_ms(void) {
  long long us = number("WATCHDOG_USEC"), pid = number("WATCHDOG_PID");
  return us > 0 && (!pid || pid == getpid()) ? us / 3000 + 1 : 0;
}

static void on_time(void *arg) {
  ln_timer *t = arg;
  ln_notify("WATCHDOG=1");
  t->loop->timer(t->loop, t, every_ms());
}

void ln_notify_watchdog(ln_loop *l, ln_timer *t) {
  *t = (ln_timer){.loop = l, .fn = on_time, .arg = t};
  if (every_ms()) on_time(t);
}
