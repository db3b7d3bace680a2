/* local_uv.c: the listening end, on libuv.  A path longer than a socket's address can hold is reached through
** its folder's descriptor. */
#include "net/local_path.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

enum { BACKLOG = 64, CALLERS = 256, CHUNK = 65536 };

struct ln_local {
  uv_pipe_t pipe;
  char *path;
  ln_local_fn fn;
  void *arg;
  ln_peer *peers;
  size_t n_peers;
  bool closing;
};

struct ln_peer {
  uv_pipe_t pipe;
  uv_write_t write;
  ln_local *server;                                      /* NULL: it has closed */
  ln_peer *next, *prev;
  ln_buf in, out;
  bool asked, answered, closing, gone;
  char who[64];
  char chunk[CHUNK];
};

/* Whoever is to answer has its pointer still: then the last of the two frees it. */
static void peer_gone(uv_handle_t *h) {
  ln_peer *p = h->data;
  p->gone = true;
  if (p->asked && !p->answered) return;
  ln_buf_wipe(&p->in);
  ln_buf_free(&p->out);
  free(p);
}

static void peer_close(ln_peer *p) {
  if (p->closing) return;
  p->closing = true;
  if (p->server) {
    if (p->prev) p->prev->next = p->next;
    else p->server->peers = p->next;
    if (p->next) p->next->prev = p->prev;
    p->server->n_peers--;
    p->server = NULL;
  }
  uv_close((uv_handle_t *)&p->pipe, peer_gone);
}

/* Who has asked stays until the answer is there, although the caller may be gone. */
static void peer_left(ln_peer *p) {
  if (p->asked) uv_read_stop((uv_stream_t *)&p->pipe);
  else peer_close(p);
}

static void on_alloc(uv_handle_t *h, size_t want, uv_buf_t *b) {
  ln_peer *p = h->data;
  (void)want;
  *b = uv_buf_init(p->chunk, CHUNK);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b) {
  ln_peer *p = stream->data;
  if (n < 0 || !ln_buf_add(&p->in, (ln_str){b->base, (size_t)n})) {
    peer_left(p);
    return;
  }
  size_t whole = ln_local_whole(ln_buf_view(&p->in));
  if (whole == SIZE_MAX) {
    peer_close(p);
  } else if (whole && !p->asked) {
    p->asked = true;
    p->server->fn(p->server->arg, p, ln_str_of(p->who),
                  (ln_str){p->in.p + LN_LOCAL_HEAD, whole - LN_LOCAL_HEAD});
  }
}

static void on_written(uv_write_t *w, int status) {
  (void)status;
  peer_close(w->data);
}

void ln_peer_answer(ln_peer *p, ln_str answer) {
  char head[LN_LOCAL_HEAD];
  p->answered = true;
  if (p->gone) {
    peer_gone((uv_handle_t *)&p->pipe);
    return;
  }
  if (p->closing) return;
  ln_local_head(answer.n, head);
  if (!ln_buf_add(&p->out, (ln_str){head, sizeof head}) || !ln_buf_add(&p->out, answer)) {
    peer_close(p);
    return;
  }
  uv_buf_t b = uv_buf_init(p->out.p, (unsigned)p->out.n);
  p->write.data = p;
  if (uv_write(&p->write, (uv_stream_t *)&p->pipe, &b, 1, on_written) != 0) peer_close(p);
}

/* Nobody else but root may speak here; the folder's mode says so, too. */
static bool is_ours(ln_peer *p) {
  struct ucred who;
  socklen_t n = sizeof who;
  uv_os_fd_t fd;
  if (uv_fileno((uv_handle_t *)&p->pipe, &fd) != 0) return false;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) != 0) return false;
  struct passwd *pw = getpwuid(who.uid);
  snprintf(p->who, sizeof p->who, "%s", pw ? pw->pw_name : "unknown");
  return who.uid == 0 || who.uid == geteuid();
}

static void on_caller(uv_stream_t *server, int status) {
  ln_local *s = server->data;
  ln_peer *p = status == 0 ? calloc(1, sizeof *p) : NULL;
  if (!p) return;
  p->pipe.data = p;
  ln_buf_init(&p->in, LN_LOCAL_MOST + LN_LOCAL_HEAD);
  ln_buf_init(&p->out, LN_LOCAL_MOST + LN_LOCAL_HEAD);
  if (uv_pipe_init(server->loop, &p->pipe, 0) != 0) {
    free(p);
    return;
  }
  p->server = s;
  p->next = s->peers;
  if (p->next) p->next->prev = p;
  s->peers = p;
  s->n_peers++;
  if (uv_accept(server, (uv_stream_t *)&p->pipe) != 0 || s->n_peers > CALLERS || !is_ours(p) ||
      uv_read_start((uv_stream_t *)&p->pipe, on_alloc, on_read) != 0)
    peer_close(p);
}

static void on_closed(uv_handle_t *h) {
  ln_local *s = h->data;
  free(s->path);
  free(s);
}

void ln_local_close(ln_local *s) {
  if (!s || s->closing) return;
  s->closing = true;
  while (s->peers) peer_close(s->peers);
  unlink(s->path);
  uv_close((uv_handle_t *)&s->pipe, on_closed);
}

/* The socket itself; it is made with the right mode, not given it afterwards. */
static int make_socket(const char *path, ln_err *err) {
  struct sockaddr_un at;
  int folder = -1, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  mode_t was = umask(0177);
  bool ok = fd >= 0 && ln_local_address(path, &at, &folder) && (unlink(path) == 0 || errno == ENOENT) &&
            bind(fd, (struct sockaddr *)&at, sizeof at) == 0;
  int why = errno;
  umask(was);
  if (folder >= 0) close(folder);
  if (ok) return fd;
  if (fd >= 0) close(fd);
  ln_fail(err, "store", LN_FINAL, "%s cannot be made (%s): look at its folder", path, strerror(why));
  return -1;
}

ln_local *ln_local_listen(ln_loop *l, const char *path, ln_local_fn fn, void *arg, ln_err *err) {
  ln_local *s = calloc(1, sizeof *s);
  if (!s || !(s->path = ln_str_dup(ln_str_of(path))) || uv_pipe_init(l->uv, &s->pipe, 0) != 0) {
    if (s) free(s->path);
    free(s);
    ln_fail(err, "memory", LN_AGAIN, "no memory to listen");
    return NULL;
  }
  s->pipe.data = s;
  s->fn = fn;
  s->arg = arg;
  int fd = make_socket(path, err);
  if (fd >= 0 && uv_pipe_open(&s->pipe, fd) == 0 &&
      uv_listen((uv_stream_t *)&s->pipe, BACKLOG, on_caller) == 0)
    return s;
  if (fd >= 0) ln_fail(err, "store", LN_FINAL, "%s cannot be listened on", path);
  ln_local_close(s);
  return NULL;
}
