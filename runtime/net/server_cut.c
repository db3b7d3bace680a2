/* server_cut.c: ends a connection by hand, below HTTP: for answers that break off on purpose, and for
** refusals, after which nothing that the peer has sent or will send may be taken for a request. */
#include "net/server_mhd.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <uv.h>

enum { LINGER_MS = 1000, LINGER_BYTES = 4 << 20, PIECE = 16 * 1024 };

struct ln_cut {
  uv_poll_t poll;
  ln_timer timer;                                        /* bounds writing and lingering                  */
  ln_loop *loop;
  int fd;
  char *bytes;
  size_t n, at, read;
  ln_task_fn done;
  void *arg;
};

static void on_closed(uv_handle_t *h) {
  ln_cut *c = h->data;
  free(c->bytes);
  free(c);
}

void ln_cut_stop(ln_cut *c) {
  if (!c) return;
  c->loop->cancel(c->loop, &c->timer);
  uv_close((uv_handle_t *)&c->poll, on_closed);
}

static void finish(void *arg) {
  ln_cut *c = arg;
  ln_task_fn done = c->done;
  void *to = c->arg;
  shutdown(c->fd, SHUT_RDWR);
  ln_cut_stop(c);
  done(to);
}

/* True: over, one way or the other. */
static bool write_some(ln_cut *c) {
  while (c->at < c->n) {
    ssize_t k = send(c->fd, c->bytes + c->at, c->n - c->at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (k < 0) return errno != EAGAIN && errno != EINTR;
    c->at += (size_t)k;
  }
  return shutdown(c->fd, SHUT_WR) != 0;
}

static bool read_some(ln_cut *c) {
  char piece[PIECE];
  ssize_t k = recv(c->fd, piece, sizeof piece, MSG_DONTWAIT);
  if (k <= 0) return k == 0 || (errno != EAGAIN && errno != EINTR);
  c->read += (size_t)k;
  return c->read > LINGER_BYTES;
}

static void on_ready(uv_poll_t *p, int status, int events) {
  ln_cut *c = p->data;
  bool over = status < 0;
  if (!over && (events & UV_WRITABLE) && c->at < c->n) over = write_some(c);
  else if (!over && (events & UV_READABLE)) over = read_some(c);
  if (over) {
    finish(c);
    return;
  }
  uv_poll_start(p, c->at < c->n ? UV_WRITABLE : UV_READABLE, on_ready);
}

ln_cut *ln_cut_start(ln_loop *l, int fd, ln_str bytes, ln_task_fn done, void *arg) {
  ln_cut *c = calloc(1, sizeof *c);
  if (!c) return NULL;
  *c = (ln_cut){.loop = l, .fd = fd, .bytes = ln_str_dup(bytes), .n = bytes.n, .done = done, .arg = arg};
  c->timer = (ln_timer){.fn = finish, .arg = c};
  if (!c->bytes || uv_poll_init_socket(l->uv, &c->poll, fd)) {
    free(c->bytes);
    free(c);
    return NULL;
  }
  c->poll.data = c;
  if (!l->timer(l, &c->timer, LINGER_MS) || uv_poll_start(&c->poll, UV_WRITABLE, on_ready)) {
    ln_cut_stop(c);
    return NULL;
  }
  return c;
}

/* Dissolving the association is the one way to send a reset without a FIN before it. */
void ln_cut_reset(int fd) {
  struct sockaddr none = {.sa_family = AF_UNSPEC};
  if (connect(fd, &none, sizeof none)) shutdown(fd, SHUT_RDWR);
}
