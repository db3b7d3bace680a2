/* late_server.c: an HTTP server for measurements that answers every GET some milliseconds after it came, and
** does as little else as it can, so that what is measured is whoever asks.  Usage: late_server MS; prints its
** port, and serves until its standard input ends, as it does when whoever started it has gone.
**
** One thread on epoll.  All answers are equally late, so those that wait are a queue: the first is due
** first. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FDS = 8192, WAITING = 65536, EVENTS = 256, IN = 16384 };

typedef struct waiting {
  int64_t due_us;
  int fd;
  unsigned life;                                         /* of the connection that asked                   */
} waiting;

static waiting queue[WAITING];                           /* a ring                                         */
static size_t first, count;
static unsigned lives[FDS];                              /* counts the connections that had this number    */
static int matched[FDS];                                 /* bytes of the blank line that ends a head       */
static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n"
                             "0123456789012345678901234567890123456789012345678"
                             "901234567890123456789012345678901234567890123456789";

static void die(const char *what) {
  perror(what);
  exit(1);
}

static int64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int listener(void) {
  struct sockaddr_in sa = {.sin_family = AF_INET};
  socklen_t n = sizeof sa;
  sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof sa) || listen(fd, 4096)) die("listen");
  if (getsockname(fd, (struct sockaddr *)&sa, &n)) die("getsockname");
  printf("%d\n", ntohs(sa.sin_port));
  fflush(stdout);
  return fd;
}

static void watch(int ep, int fd) {
  struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
  if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev)) die("epoll_ctl");
}

static void accept_all(int ep, int listening) {
  int on = 1;
  for (int fd; (fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
    if (fd >= FDS) {
      close(fd);
      continue;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    matched[fd] = 0;
    watch(ep, fd);
  }
}

/* How many heads end in these bytes? */
static int heads(int fd, const char *p, size_t n) {
  static const char blank[] = "\r\n\r\n";
  int found = 0;
  for (size_t i = 0; i < n; i++) {
    matched[fd] = p[i] == blank[matched[fd]] ? matched[fd] + 1 : p[i] == '\r';
    if (matched[fd] < 4) continue;
    matched[fd] = 0;
    found++;
  }
  return found;
}

static void take(int fd, int64_t late_us) {
  char in[IN];
  ssize_t n = recv(fd, in, sizeof in, 0);
  if (n <= 0) {
    lives[fd]++;
    close(fd);
    return;
  }
  for (int i = heads(fd, in, (size_t)n); i > 0; i--) {
    if (count == WAITING) die("too many requests wait");
    queue[(first + count++) % WAITING] = (waiting){now_us() + late_us, fd, lives[fd]};
  }
}

static void answer_due(void) {
  for (int64_t now = now_us(); count && queue[first].due_us <= now; count--, first = (first + 1) % WAITING) {
    const waiting *w = &queue[first];
    if (w->life != lives[w->fd]) continue;
    if (send(w->fd, answer, sizeof answer - 1, MSG_NOSIGNAL) != (ssize_t)sizeof answer - 1)
      shutdown(w->fd, SHUT_RDWR); /* it has gone, or reads no answers */
  }
}

/* Until the first answer is due; whole milliseconds would make it later than it should be. */
static int wait_for_events(int ep, struct epoll_event *ev) {
  int64_t us = count ? queue[first].due_us - now_us() : 1000000;
  struct timespec t = {us > 0 ? us / 1000000 : 0, us > 0 ? us % 1000000 * 1000 : 0};
  return epoll_pwait2(ep, ev, EVENTS, &t, NULL);
}

int main(int argc, char **argv) {
  int64_t late_us = argc == 2 ? strtoll(argv[1], NULL, 10) * 1000 : -1;
  struct epoll_event ev[EVENTS];
  int ep = epoll_create1(EPOLL_CLOEXEC), listening = listener();
  if (ep < 0 || late_us < 0) die("late_server MS");
  watch(ep, STDIN_FILENO);
  for (watch(ep, listening);;) {
    int n = wait_for_events(ep, ev);
    for (int i = 0; i < n; i++) {
      if (ev[i].data.fd == STDIN_FILENO) return 0;
      if (ev[i].data.fd == listening) accept_all(ep, listening);
      else take(ev[i].data.fd, late_us);
    }
    answer_due();
  }
}
