/* peer.h: an HTTP peer on a thread of its own that misbehaves by the path it is asked for, and counts the
*whole
** requests that reach it. */
#ifndef LN_TEST_PEER_H
#define LN_TEST_PEER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONNS = 16 };

typedef struct peer_conn {
  int fd;
  char in[8192];
  size_t n;
  int requests;
  bool owes;
} peer_conn;

typedef struct peer {
  int listener, stop[2];
  uint16_t port;
  pthread_t thread;
  peer_conn conn[CONNS];
  atomic_int requests;                                   /* whole ones that came                          */
} peer;

static int listener(uint16_t *port) {
  struct sockaddr_in sa = {.sin_family = AF_INET};
  socklen_t n = sizeof sa;
  sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
  assert_int_equal(listen(fd, 16), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
  *port = ntohs(sa.sin_port);
  return fd;
}

static bool put(int fd, const char *p, size_t n) {
  while (n) {
    ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
    if (k < 0) return false;
    p += k;
    n -= (size_t)k;
  }
  return true;
}

static void putz(int fd, const char *z) { put(fd, z, strlen(z)); }

static void put_gzip(int fd, const char *bytes, size_t n) {
  char head[128];
  int k = snprintf(head, sizeof head,
                   "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", n);
  put(fd, head, (size_t)k);
  put(fd, bytes, n);
}

/* Two million zeros in two thousand bytes. */
static void put_bomb(int fd) {
  static const char head[] =
      "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xed\xc1\x01\x01\x00\x00\x00\x82\x20\xff\xaf\x6e"
      "\x48\x40\x01";
  static const char tail[] = "\x6f\x06\x41\x1d\x5a\x42\x80\x84\x1e\x00";
  char bytes[1972] = {0};
  memcpy(bytes, head, sizeof head - 1);
  memcpy(bytes + sizeof bytes - (sizeof tail - 1), tail, sizeof tail - 1);
  put_gzip(fd, bytes, sizeof bytes);
}

static void put_forever(int fd, const char *head, const char *piece) {
  putz(fd, head);
  while (put(fd, piece, strlen(piece))) {}
}

static void put_echo(peer_conn *c) {
  char head[64];
  int k = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", c->n);
  put(c->fd, head, (size_t)k);
  put(c->fd, c->in, c->n);
}

static void reset(int fd) {
  struct linger now = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define INTERIM "HTTP/1.1 103 Early Hints\r\nLink: early\r\n\r\n"
#define CHUNKED \
  "HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a:  2 \r\nX-Empty:\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n" \
  "2\r\nok\r\n0\r\nX-T: late\r\n\r\n"

static bool path_is(const peer_conn *c, const char *path) {
  const char *p = memchr(c->in, ' ', c->n);
  return p && strncmp(p + 1, path, strlen(path)) == 0;
}

/* Answers the one whole request in c->in.  False: hang up. */
static bool act(peer_conn *c) {
  bool owes = c->owes;
  c->owes = path_is(c, "/owes");
  if (owes) putz(c->fd, "HTTP/1.1 299 Late\r\nContent-Length: 4\r\n\r\nlate"); /* its second answer */
  static const char hello[] =
      "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x48\xcd\xc9\xc9\xd7\x51\x48\xaf\xca\x2c\x00\x00"
      "\x4a\x9b\xb1\x5c\x0b\x00\x00\x00";
  if (path_is(c, "/empty")) return false;
  if (path_is(c, "/dies") && c->requests > 1) return false;
  if (path_is(c, "/reset")) return reset(c->fd), false;
  if (path_is(c, "/half"))
    return putz(c->fd, "HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 99\r\n\r\nhalf"), false;
  if (path_is(c, "/head-only")) return putz(c->fd, "HTTP/1.1 200 OK\r\nX-A"), false;
  if (path_is(c, "/bye")) return putz(c->fd, OK), false;
  if (path_is(c, "/hold")) return true;
  if (path_is(c, "/endless")) return put_forever(c->fd, "HTTP/1.1 200 OK\r\n\r\n", "0123456789abcdef"), false;
  if (path_is(c, "/headers"))
    return put_forever(c->fd, "HTTP/1.1 200 OK\r\n", "X-A: 0123456789abcdef\r\n"), false;
  if (path_is(c, "/gzip")) return put_gzip(c->fd, hello, sizeof hello - 1), true;
  if (path_is(c, "/badgzip")) return put_gzip(c->fd, "not gzip at all", 15), false;
  if (path_is(c, "/bomb")) return put_bomb(c->fd), true;
  if (path_is(c, "/interim")) return putz(c->fd, INTERIM CHUNKED), true;
  if (path_is(c, "/redirect"))
    return putz(c->fd, "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n"), true;
  if (path_is(c, "/junk")) return putz(c->fd, "SSH-2.0-x\r\n"), false;
  if (path_is(c, "/switch"))
    return putz(c->fd, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), false;
  if (path_is(c, "/echo")) return put_echo(c), true;
  return putz(c->fd, OK), true;
}

/* A head, and as many bytes of body as it says. */
static bool whole(const peer_conn *c) {
  const char *end = memmem(c->in, c->n, "\r\n\r\n", 4);
  if (!end) return false;
  const char *length = memmem(c->in, (size_t)(end - c->in), "Content-Length: ", 16);
  size_t body = length ? strtoul(length + 16, NULL, 10) : 0;
  return c->n >= (size_t)(end + 4 - c->in) + body;
}

static void peer_read(peer *p, peer_conn *c) {
  ssize_t k = recv(c->fd, c->in + c->n, sizeof c->in - c->n, 0);
  bool keep = k > 0;
  if (keep) c->n += (size_t)k;
  if (keep && whole(c)) {
    atomic_fetch_add(&p->requests, 1);
    c->requests++;
    keep = act(c);
    c->n = 0;
  }
  if (keep) return;
  close(c->fd);
  c->fd = -1;
}

static void peer_accept(peer *p) {
  int fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
  for (int i = 0; i < CONNS && fd >= 0; i++)
    if (p->conn[i].fd < 0) {
      p->conn[i].fd = fd;
      p->conn[i].n = 0;
      p->conn[i].requests = 0;
      p->conn[i].owes = false;
      return;
    }
  close(fd);
}

static void *peer_main(void *arg) {
  peer *p = arg;
  struct pollfd v[CONNS + 2];
  for (;;) {
    for (int i = 0; i < CONNS; i++) v[i] = (struct pollfd){.fd = p->conn[i].fd, .events = POLLIN};
    v[CONNS] = (struct pollfd){.fd = p->listener, .events = POLLIN};
    v[CONNS + 1] = (struct pollfd){.fd = p->stop[0], .events = POLLIN};
    if (poll(v, CONNS + 2, -1) < 0 && errno != EINTR) return NULL;
    if (v[CONNS + 1].revents) return NULL;
    for (int i = 0; i < CONNS; i++)
      if (v[i].revents) peer_read(p, &p->conn[i]);
    if (v[CONNS].revents) peer_accept(p);
  }
}

static peer *peer_start(void) {
  peer *p = calloc(1, sizeof *p);
  assert_non_null(p);
  for (int i = 0; i < CONNS; i++) p->conn[i].fd = -1;
  p->listener = listener(&p->port);
  assert_int_equal(pipe2(p->stop, O_CLOEXEC), 0);
  assert_int_equal(pthread_create(&p->thread, NULL, peer_main, p), 0);
  return p;
}

static void peer_stop(peer *p) {
  assert_int_equal(write(p->stop[1], "", 1), 1);
  pthread_join(p->thread, NULL);
  for (int i = 0; i < CONNS; i++)
    if (p->conn[i].fd >= 0) close(p->conn[i].fd);
  close(p->listener), close(p->stop[0]), close(p->stop[1]);
  free(p);
}

#endif
