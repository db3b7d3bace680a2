/* server_mhd.c: the HTTP server: libmicrohttpd without threads, its epoll descriptor watched by the loop.
**
** Within libmicrohttpd's call-backs nothing is done but to note down: a request that is whole is suspended
** and queued, and the handler is called when libmicrohttpd is off the stack.  So whoever holds an exchange
** holds a suspended connection, which cannot go away by itself; a reply resumes it, and every resumption is
** followed by a turn, since libmicrohttpd looks at it no sooner.
**
** Its own time-out is of inactivity, and one byte a second defeats that: a timer of ours on each connection
** bounds header and body together. */
#include "net/server_mhd.h"

#include "base/log.h"
#include "net/addr.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

enum { IDLE_S = 75, POOL = 64 * 1024, BLOCK = 64 * 1024, BACKLOG = 511 };

typedef enum state {
  FRESH,                                                 /* its line was read                             */
  READING,                                               /* headers are good, the body comes              */
  READY,                                                 /* whole, or refused; suspended, queued           */
  HELD,                                                  /* with the handler                              */
  REPLIED,                                               /* resumed; the response goes next               */
  CUT                                                    /* being ended by hand, or about to be closed    */
} state;

typedef struct conn {                                    /* one connection                                */
  ln_server *s;
  struct MHD_Connection *c;
  int fd;
  ln_timer deadline;
  bool idle;                                             /* between two requests                          */
  ln_exchange *x;                                        /* the request under way                         */
  struct conn *prev, *next;
} conn;

struct ln_exchange {
  conn *k;
  state state;
  char *uri;
  ln_server_request r;
  ln_header *headers;                                    /* r's                                           */
  ln_buf body;
  ln_refusal refusal;
  struct MHD_Response *response;
  unsigned status;
  ln_cut *cut;
  ln_exchange *next;                                     /* in the queue                                  */
};

struct ln_server {
  ln_loop *loop;
  struct MHD_Daemon *daemon;
  uv_poll_t poll;                                        /* of its epoll descriptor                       */
  uv_timer_t timer;                                      /* when it wants to be looked after              */
  int open_handles;
  bool turning, closed;                                  /* closed: a connection was, in this turn         */
  ln_exchange *first, **last;                            /* the queue of READY                            */
  conn *conns;
  ln_server_limits limits;
  ln_handler_fn handle;
  void *arg;
  uint16_t port;
};

/* --- turns --- */

static void refuse_now(ln_exchange *x) {
  char text[256];
  int n = snprintf(text, sizeof text,
                   "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
                   "Connection: close\r\n\r\n%s\n",
                   x->refusal.status, MHD_get_reason_phrase_for((unsigned)x->refusal.status),
                   strlen(x->refusal.why) + 1, x->refusal.why);
  ln_exchange_cut(x, (ln_str){text, (size_t)n});
}

/* Gives the queue to the handler.  What becomes ready meanwhile waits for the next turn. */
static void hand_over(ln_server *s) {
  ln_exchange *x = s->first;
  s->first = NULL;
  s->last = &s->first;
  for (ln_exchange *next; x; x = next) {
    next = x->next;
    x->state = HELD;
    if (x->refusal.status) refuse_now(x);
    else s->handle(s->arg, x, &x->r);
  }
}

static void turn(ln_server *s);

static void on_poll(uv_poll_t *p, int status, int events) {
  (void)status, (void)events;
  turn(p->data);
}

static void on_timer(uv_timer_t *t) { turn(t->data); }

static void turn_soon(ln_server *s) {
  if (!s->turning) uv_timer_start(&s->timer, on_timer, 0, 0);
}

static void turn(ln_server *s) {
  MHD_UNSIGNED_LONG_LONG ms;
  s->turning = true;
  s->closed = false;
  MHD_run(s->daemon);
  if (s->first) {
    hand_over(s);
    MHD_run(s->daemon); /* what was replied to at once goes out at once */
  }
  s->turning = false;
  /* At its limit libmicrohttpd stops accepting, and begins again only in the turn after one was closed. */
  if (s->first || s->closed) uv_timer_start(&s->timer, on_timer, 0, 0);
  else if (MHD_get_timeout(s->daemon, &ms) == MHD_YES) uv_timer_start(&s->timer, on_timer, ms, 0);
  else uv_timer_stop(&s->timer);
}

/* --- a request, as libmicrohttpd tells of it --- */

static conn *conn_of(struct MHD_Connection *c) {
  const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return i ? i->socket_context : NULL;
}

/* Too slow: the socket is shut, which libmicrohttpd sees as the peer's hanging up. */
static void on_deadline(void *arg) {
  conn *k = arg;
  shutdown(k->fd, SHUT_RDWR);
  turn_soon(k->s);
}

static void set_deadline(conn *k, int64_t ms) {
  if (!k->s->loop->timer(k->s->loop, &k->deadline, ms)) shutdown(k->fd, SHUT_RDWR);
}

static void exchange_free(ln_exchange *x) {
  if (!x) return;
  ln_cut_stop(x->cut);
  if (x->response) MHD_destroy_response(x->response);
  free(x->uri);
  free(x->headers);
  ln_buf_free(&x->body);
  free(x);
}

/* The request line was read; the return value is what the other call-backs get. */
static void *on_line(void *arg, const char *uri, struct MHD_Connection *c) {
  (void)arg;
  conn *k = conn_of(c);
  ln_exchange *x = k ? calloc(1, sizeof *x) : NULL;
  if (!x) return NULL;
  x->k = k;
  x->uri = ln_str_dup(ln_str_of(uri));
  ln_buf_init(&x->body, k->s->limits.max_body);
  exchange_free(k->x);
  k->x = x;
  if (k->idle) set_deadline(k, k->s->limits.whole_ms); /* the first request's runs since the connection */
  k->idle = false;
  return x;
}

/* Takes the request off libmicrohttpd's hands until it is replied to or cut. */
static void enqueue(ln_exchange *x) {
  conn *k = x->k;
  k->s->loop->cancel(k->s->loop, &k->deadline);
  MHD_suspend_connection(k->c);
  x->state = READY;
  x->next = NULL;
  *k->s->last = x;
  k->s->last = &x->next;
}

static void refuse(ln_exchange *x, int status, const char *why) {
  x->refusal = (ln_refusal){status, why};
  enqueue(x);
}

static void begin(ln_exchange *x, const char *method, const char *version) {
  x->headers = ln_server_headers(x->k->c, &x->r.n_headers);
  if (!x->headers || !x->uri) {
    refuse(x, 503, "no memory");
    return;
  }
  x->r.headers = x->headers;
  x->r.method = ln_str_of(method);
  ln_str_cut(ln_str_of(x->uri), '?', &x->r.path, &x->r.query);
  ln_refusal no = ln_server_check(&x->r, version, x->k->s->limits.max_body);
  if (no.status) refuse(x, no.status, no.why);
  else x->state = READING;
}

static void go_on(ln_exchange *x, const char *data, size_t *n) {
  if (*n == 0) {
    x->r.body = ln_buf_view(&x->body);
    enqueue(x);
    return;
  }
  bool ok = ln_buf_add(&x->body, (ln_str){data, *n});
  *n = 0;
  if (!ok && x->body.full) refuse(x, 413, "the body is too large");
  else if (!ok) refuse(x, 503, "no memory");
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *url, const char *method,
                                  const char *version, const char *data, size_t *n, void **request) {
  (void)arg, (void)url;
  ln_exchange *x = *request;
  if (!x || x->state == CUT) return MHD_NO;
  if (x->state == FRESH) begin(x, method, version);
  else if (x->state == READING) go_on(x, data, n);
  else if (x->state == REPLIED) return MHD_queue_response(c, x->status, x->response);
  return MHD_YES;
}

static void on_completed(void *arg, struct MHD_Connection *c, void **request,
                         enum MHD_RequestTerminationCode why) {
  (void)arg, (void)why;
  conn *k = conn_of(c);
  *request = NULL;
  if (!k) return;
  exchange_free(k->x);
  k->x = NULL;
  k->idle = true;
  set_deadline(k, k->s->limits.whole_ms + IDLE_S * 1000);
}

static void conn_open(ln_server *s, struct MHD_Connection *c, void **context) {
  const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
  conn *k = calloc(1, sizeof *k);
  *context = k; /* without one its requests are closed unread */
  if (!k) return;
  *k = (conn){.s = s, .c = c, .fd = i->connect_fd, .next = s->conns};
  k->deadline = (ln_timer){.fn = on_deadline, .arg = k};
  if (s->conns) s->conns->prev = k;
  s->conns = k;
  set_deadline(k, s->limits.whole_ms);
}

static void conn_close(conn *k) {
  k->s->closed = true;
  k->s->loop->cancel(k->s->loop, &k->deadline);
  exchange_free(k->x);
  if (k->prev) k->prev->next = k->next;
  else k->s->conns = k->next;
  if (k->next) k->next->prev = k->prev;
  free(k);
}

static void on_connection(void *arg, struct MHD_Connection *c, void **context,
                          enum MHD_ConnectionNotificationCode what) {
  if (what == MHD_CONNECTION_NOTIFY_STARTED) conn_open(arg, c, context);
  else if (*context) conn_close(*context), *context = NULL;
}

static void on_log(void *arg, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
static void on_log(void *arg, const char *fmt, va_list ap) {
  (void)arg;
  char text[256];
  vsnprintf(text, sizeof text, fmt, ap);
  ln_log(LN_DEBUG, "http.server", "text=\"%s\"", text);
}

/* --- replies --- */

static void resume(ln_exchange *x, state to) {
  x->state = to;
  MHD_resume_connection(x->k->c);
  turn_soon(x->k->s);
}

static bool add_header(struct MHD_Response *p, const ln_header *h) {
  if (ln_str_ieq(h->name, LN_STR("Content-Length")) || ln_str_ieq(h->name, LN_STR("Transfer-Encoding")))
    return true;
  if (!ln_header_name_ok(h->name) || !ln_header_value_ok(h->value)) return false;
  char *name = ln_str_dup(h->name), *value = ln_str_dup(ln_str_trim(h->value));
  bool ok = name && value && MHD_add_response_header(p, name, value) == MHD_YES;
  free(name);
  free(value);
  return ok;
}

/* Sends off a response; takes p, which may be NULL. */
static bool reply_with(ln_exchange *x, int status, const ln_header *headers, size_t n,
                       struct MHD_Response *p) {
  if (!p) return false;
  bool ok = x->state == HELD && status >= 200 && status <= 599;
  for (size_t i = 0; ok && i < n; i++) ok = add_header(p, &headers[i]);
  if (!ok) {
    MHD_destroy_response(p);
    return false;
  }
  x->response = p;
  x->status = (unsigned)status;
  resume(x, REPLIED);
  return true;
}

bool ln_exchange_reply(ln_exchange *x, int status, const ln_header *headers, size_t n, ln_str body) {
  void *bytes = (void *)(uintptr_t)(body.n ? body.p : ""); /* it only copies, but wants it unqualified */
  return reply_with(x, status, headers, n,
                    MHD_create_response_from_buffer(body.n, bytes, MHD_RESPMEM_MUST_COPY));
}

typedef struct repeated {
  size_t n;
  char bytes[];
} repeated;

static ssize_t read_repeated(void *arg, uint64_t at, char *out, size_t max) {
  const repeated *r = arg;
  size_t from = (size_t)(at % r->n), n = r->n - from < max ? r->n - from : max;
  memcpy(out, r->bytes + from, n);
  return (ssize_t)n;
}

bool ln_exchange_repeat(ln_exchange *x, int status, const ln_header *headers, size_t n, ln_str body,
                        uint64_t times) {
  if (body.n == 0 || times > INT64_MAX / body.n) return false;
  repeated *r = malloc(sizeof *r + body.n);
  if (!r) return false;
  r->n = body.n;
  memcpy(r->bytes, body.p, body.n);
  struct MHD_Response *p = MHD_create_response_from_callback(times * body.n, BLOCK, read_repeated, r, free);
  if (!p) free(r);
  return reply_with(x, status, headers, n, p);
}

static void on_cut(void *arg) {
  ln_exchange *x = arg;
  x->cut = NULL;
  resume(x, CUT);
}

void ln_exchange_cut(ln_exchange *x, ln_str partial) {
  if (x->state != HELD) return;
  x->state = CUT;
  if (partial.n) x->cut = ln_cut_start(x->k->s->loop, x->k->fd, partial, on_cut, x);
  if (x->cut) return;
  ln_cut_reset(x->k->fd);
  resume(x, CUT);
}

/* --- the server --- */

static bool where(int fd, uint16_t *port) {
  struct sockaddr_storage sa = {0};
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
  socklen_t n = sizeof sa;
  if (getsockname(fd, (struct sockaddr *)&sa, &n)) return false;
  memcpy(&v4, &sa, sizeof v4);
  memcpy(&v6, &sa, sizeof v6);
  *port = ntohs(sa.ss_family == AF_INET ? v4.sin_port : v6.sin6_port);
  return true;
}

static int listen_on(const char *address, uint16_t port, uint16_t *got, ln_err *err) {
  struct sockaddr_storage sa;
  socklen_t n;
  int on = 1;
  if (!ln_addr_parse(address, port, &sa, &n)) {
    ln_fail(err, "bad_argument", LN_FINAL, "\"%.60s\" is not an address to listen on, such as 127.0.0.1",
            address);
    return -1;
  }
  int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd >= 0) {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (sa.ss_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&sa, n) == 0 && listen(fd, BACKLOG) == 0 && where(fd, got)) return fd;
  }
  int e = errno;
  if (fd >= 0) close(fd);
  ln_fail(err, "unavailable", LN_AGAIN, "cannot listen on %s port %u: %s", address, port,
          e == EADDRINUSE ? "it is in use: choose another port" : strerror(e));
  return -1;
}

static struct MHD_Daemon *start(ln_server *s, int fd) {
  return MHD_start_daemon(
      MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, s,
      MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, (MHD_socket)fd,
      MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_CONNECTION_LIMIT, (unsigned)s->limits.max_connections,
      MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL,
      MHD_OPTION_URI_LOG_CALLBACK, on_line, s, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
      MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_END);
}

static bool watch(ln_server *s, ln_err *err) {
  const union MHD_DaemonInfo *i = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
  int e = i ? uv_poll_init(s->loop->uv, &s->poll, i->epoll_fd) : UV_EINVAL;
  if (e)
    return ln_fail(err, "unavailable", LN_AGAIN, "cannot watch the server's sockets: %s", uv_strerror(e));
  uv_timer_init(s->loop->uv, &s->timer);
  s->poll.data = s->timer.data = s;
  s->open_handles = 2;
  uv_poll_start(&s->poll, UV_READABLE, on_poll);
  return true;
}

ln_server *ln_server_mhd(ln_loop *l, const char *address, uint16_t port, const ln_server_limits *limits,
                         ln_handler_fn handle, void *arg, ln_err *err) {
  ln_server *s = calloc(1, sizeof *s);
  if (!s) {
    ln_fail(err, "memory", LN_AGAIN, "no memory for a server");
    return NULL;
  }
  *s = (ln_server){.loop = l, .limits = *limits, .handle = handle, .arg = arg};
  s->last = &s->first;
  int fd = listen_on(address, port, &s->port, err);
  if (fd < 0) {
    free(s);
    return NULL;
  }
  if (!(s->daemon = start(s, fd))) {
    close(fd);
    free(s);
    ln_fail(err, "unavailable", LN_AGAIN, "cannot start an HTTP server");
    return NULL;
  }
  if (!watch(s, err)) {
    MHD_stop_daemon(s->daemon);
    free(s);
    return NULL;
  }
  return s;
}

uint16_t ln_server_port(const ln_server *s) { return s->port; }

static void on_handle_closed(uv_handle_t *h) {
  ln_server *s = h->data;
  if (--s->open_handles == 0) free(s);
}

/* libmicrohttpd will not stop while connections are suspended. */
void ln_server_free(ln_server *s) {
  if (!s) return;
  s->turning = true; /* no more turns */
  for (conn *k = s->conns; k; k = k->next) {
    ln_exchange *x = k->x;
    if (!x || x->state < READY || x->state == REPLIED) continue;
    ln_cut_stop(x->cut);
    x->cut = NULL;
    x->state = CUT;
    MHD_resume_connection(k->c);
  }
  uv_close((uv_handle_t *)&s->poll, on_handle_closed);
  uv_close((uv_handle_t *)&s->timer, on_handle_closed);
  MHD_stop_daemon(s->daemon);
}
