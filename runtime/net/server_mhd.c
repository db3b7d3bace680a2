/* server_mhd.c: the HTTP server: libmicrohttpd without threads, its epoll descriptor watched by the loop.
**
** Within libmicrohttpd's call-backs nothing is done but to note down: a request that is whole is suspended
** and queued, and the handler is called when libmicrohttpd is off the stack.  So whoever holds an exchange
** holds a suspended connection, which cannot go away by itself; a reply resumes it, and every resumption is
** followed by a turn, since libmicrohttpd looks at it no sooner.
**
** Its own time-out is of inactivity, and one byte a second defeats that: a timer of ours on each connection
** bounds the header, then the body, then the sending of the answer.
**
** Who asks is judged when the header is there.  Of whoever may not the body is read and forgotten, so that
** the answer reaches a peer that is still sending; of all others together so much is kept, and no more.
**
** A stream sleeps, suspended, whenever it has nothing to say; that its peer has gone is noticed when it next
** says something. */
#include "net/server_mhd.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

enum { IDLE_S = 75, POOL = 64 * 1024, BLOCK = 64 * 1024 };
#define FULL "too much is under way: send it again later"

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
  char peer[LN_PEER_TEXT];
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
  size_t came, most;                                     /* bytes of it so far, and how many may come       */
  bool kept;                                             /* else it is passed over                          */
  bool unread;                                           /* answered before it came: the last answer here   */
  void *note;                                            /* the judge's, until it is taken                  */
  ln_refusal refusal;
  struct MHD_Response *response;
  unsigned status;
  ln_stream *stream;                                     /* the response's, or NULL                       */
  ln_cut *cut;
  ln_exchange *next;                                     /* in the queue                                  */
};

struct ln_stream {                                        /* its response's: gone when that is             */
  ln_server *s;
  ln_exchange *x;                                        /* NULL: over                                    */
  ln_buf waits;
  size_t taken;                                          /* bytes of it that went out                     */
  size_t spare;                                          /* how many more `last` may have                 */
  bool asleep, ended;
  void (*gone)(void *arg);                               /* NULL: nobody wants to know                    */
  void *arg;
  ln_stream *next;                                       /* in the list of those that are gone            */
};

struct ln_server {
  ln_loop *loop;
  struct MHD_Daemon *daemon;
  uv_poll_t poll;                                        /* of its epoll descriptor                       */
  uv_timer_t timer;                                      /* when it wants to be looked after              */
  int open_handles;
  bool turning, closed;                                  /* closed: a connection was, in this turn         */
  bool draining, tls;
  ln_stream *gone;                                       /* whoever has them has not been told yet        */
  ln_exchange *first, **last;                            /* the queue of READY                            */
  conn *conns;
  ln_server_limits limits;
  size_t bodies;                                         /* bytes that all bodies take                      */
  ln_judge_fn judge;                                     /* NULL: none                                      */
  void (*drop)(void *note);
  ln_handler_fn handle;
  void *arg;
  uint16_t port;
};

/* --- turns --- */

/* Below TLS nothing can be said by hand; there a refusal closes the connection behind it, too, but is only
** told when it comes before the body. */
static void refuse_encrypted(ln_exchange *x) {
  const ln_header more[] = {{LN_STR("Connection"), LN_STR("close")}, {LN_STR("Retry-After"), LN_STR("2")}};
  int status = x->refusal.status;
  if (!ln_exchange_reply(x, status, more, status == 503 ? 2 : 1, ln_str_of(x->refusal.why)))
    ln_exchange_cut(x, (ln_str){NULL, 0});
}

static void refuse_now(ln_exchange *x) {
  char text[256];
  if (x->k->s->tls) {
    refuse_encrypted(x);
    return;
  }
  int n = snprintf(text, sizeof text,
                   "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n%s"
                   "Connection: close\r\n\r\n%s\n",
                   x->refusal.status, MHD_get_reason_phrase_for((unsigned)x->refusal.status),
                   strlen(x->refusal.why) + 1, x->refusal.status == 503 ? "Retry-After: 2\r\n" : "",
                   x->refusal.why);
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

static void tell_gone(ln_server *s) {
  while (s->gone) {
    ln_stream *t = s->gone;
    s->gone = t->next;
    if (t->gone) t->gone(t->arg);
    free(t);
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
  tell_gone(s);
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

static void body_free(ln_exchange *x) {
  x->k->s->bodies -= x->body.cap;
  ln_buf_free(&x->body);
}

static void exchange_free(ln_exchange *x) {
  if (!x) return;
  if (x->note) x->k->s->drop(x->note);
  ln_cut_stop(x->cut);
  if (x->stream) x->stream->x = NULL;
  if (x->response) MHD_destroy_response(x->response);
  free(x->uri);
  free(x->headers);
  body_free(x);
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
  x->most = k->s->limits.max_body;
  x->kept = true;
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
  body_free(x);
  enqueue(x);
}

static bool expects_a_word(const ln_server_request *r) {
  for (size_t i = 0; i < r->n_headers; i++)
    if (ln_str_ieq(r->headers[i].name, LN_STR("Expect"))) return true;
  return false;
}

/* Is the body to be kept?  Of a peer that waits for a word before it sends one nothing needs to come. */
static void judge(ln_exchange *x) {
  const ln_server *s = x->k->s;
  if (s->judge) x->kept = s->judge(s->arg, &x->r, &x->most, &x->note);
  if (!x->kept) x->most = s->limits.max_body;
  ln_buf_init(&x->body, x->most);
  if (!x->kept && x->r.length && expects_a_word(&x->r)) {
    x->unread = true;
    enqueue(x);
  } else if (x->kept && x->r.length > 0 && s->limits.max_bodies &&
             s->bodies + (size_t)x->r.length > s->limits.max_bodies) {
    refuse(x, 503, FULL);
  } else if (s->limits.body_ms) {
    set_deadline(x->k, s->limits.body_ms);
  }
}

static void begin(ln_exchange *x, const char *method, const char *version) {
  x->headers = ln_server_headers(x->k->c, &x->r.n_headers);
  if (!x->headers || !x->uri) {
    refuse(x, 503, "no memory");
    return;
  }
  x->r.headers = x->headers;
  x->r.peer = ln_str_of(x->k->peer);
  x->r.method = ln_str_of(method);
  ln_str_cut(ln_str_of(x->uri), '?', &x->r.path, &x->r.query);
  const ln_server_limits *most = &x->k->s->limits;
  ln_refusal no = ln_server_check(&x->r, version, most);
  if (no.status) {
    refuse(x, no.status, no.why);
    return;
  }
  x->r.length = ln_server_length(&x->r);
  x->state = READING;
  judge(x);
}

/* The one that is too many is refused once it has grown: for so long the bound is passed, by one body. */
static bool keep(ln_exchange *x, ln_str piece) {
  ln_server *s = x->k->s;
  size_t had = x->body.cap;
  bool ok = ln_buf_add(&x->body, piece);
  s->bodies += x->body.cap - had;
  return ok && (!s->limits.max_bodies || s->bodies <= s->limits.max_bodies);
}

static void go_on(ln_exchange *x, const char *data, size_t *n) {
  if (*n == 0) {
    x->r.body = ln_buf_view(&x->body);
    enqueue(x);
    return;
  }
  ln_str piece = {data, *n};
  *n = 0;
  x->came += piece.n;
  if (x->came > x->most) refuse(x, 413, "the body is too large");
  else if (x->kept && !keep(x, piece)) refuse(x, 503, FULL);
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
  ln_listen_peer(k->fd, k->peer);
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
  ln_log(LN_DEBUG, "http.server", "text=%s", text);
}

/* --- replies --- */

static void resume(ln_exchange *x, state to) {
  x->state = to;
  MHD_resume_connection(x->k->c);
  turn_soon(x->k->s);
}

static bool will_close(const ln_exchange *x, struct MHD_Response *p) {
  bool last = x->k->s->draining || x->unread;
  return !last || MHD_add_response_header(p, "Connection", "close") == MHD_YES;
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
  if (!ok || !will_close(x, p)) {
    MHD_destroy_response(p);
    return false;
  }
  x->response = p;
  x->status = (unsigned)status;
  if (x->k->s->limits.send_ms && !x->stream) set_deadline(x->k, x->k->s->limits.send_ms);
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

/* --- streams --- */

static ssize_t read_stream(void *arg, uint64_t at, char *out, size_t max) {
  (void)at;
  ln_stream *t = arg;
  size_t left = t->waits.n - t->taken, n = left < max ? left : max;
  if (n) {
    memcpy(out, t->waits.p + t->taken, n);
    t->taken += n;
    if (t->taken == t->waits.n) ln_buf_cut(&t->waits, t->taken = 0);
    return (ssize_t)n;
  }
  if (t->ended || !t->x) return MHD_CONTENT_READER_END_OF_STREAM;
  t->asleep = true;
  MHD_suspend_connection(t->x->k->c);
  return 0;
}

static void on_stream_over(void *arg) {
  ln_stream *t = arg;
  ln_buf_free(&t->waits);
  if (t->x) t->x->stream = NULL;
  t->x = NULL;
  t->next = t->s->gone;
  t->s->gone = t;
  turn_soon(t->s);
}

ln_stream *ln_exchange_stream(ln_exchange *x, int status, const ln_header *headers, size_t n, size_t most,
                              void (*gone)(void *arg), void *arg) {
  bool head = ln_str_eq(x->r.method, LN_STR("HEAD")); /* libmicrohttpd would send the last chunk even so */
  ln_stream *t = head ? NULL : calloc(1, sizeof *t);
  if (!t) return NULL;
  *t = (ln_stream){.s = x->k->s, .x = x, .spare = most / 8};
  ln_buf_init(&t->waits, most);
  struct MHD_Response *p =
      MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_stream, t, on_stream_over);
  if (!p) {
    free(t);
    return NULL;
  }
  x->stream = t;
  if (!reply_with(x, status, headers, n, p)) return NULL; /* t went with p; nobody wants to know */
  t->gone = gone;
  t->arg = arg;
  return t;
}

static void wake(ln_stream *t) {
  if (!t->asleep || !t->x) return;
  t->asleep = false;
  resume(t->x, REPLIED);
}

bool ln_stream_send(ln_stream *t, ln_str piece) {
  if (t->waits.n + piece.n + t->spare > t->waits.max || !ln_buf_add(&t->waits, piece)) return false;
  wake(t);
  return true;
}

void ln_stream_end(ln_stream *t, ln_str last) {
  t->gone = NULL;
  t->ended = true;
  if (t->x && t->s->limits.send_ms) set_deadline(t->x->k, t->s->limits.send_ms);
  if (t->taken == 0) ln_buf_cut(&t->waits, 0);
  ln_buf_add(&t->waits, last);
  wake(t);
}

/* --- cut by hand --- */

static void on_cut(void *arg) {
  ln_exchange *x = arg;
  x->cut = NULL;
  resume(x, CUT);
}

void ln_exchange_cut(ln_exchange *x, ln_str partial) {
  if (x->state != HELD) return;
  x->state = CUT;
  if (partial.n && !x->k->s->tls) x->cut = ln_cut_start(x->k->s->loop, x->k->fd, partial, on_cut, x);
  if (x->cut) return;
  ln_cut_reset(x->k->fd);
  resume(x, CUT);
}

/* --- the server --- */

/* The options end where TLS would begin, if there is none. */
static struct MHD_Daemon *start(ln_server *s, int fd) {
  return MHD_start_daemon(
      MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | (s->tls ? MHD_USE_TLS : 0), 0, NULL,
      NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET,
      (MHD_socket)fd, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_CONNECTION_LIMIT,
      (unsigned)s->limits.max_connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
      (unsigned)s->limits.per_client, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL, MHD_OPTION_URI_LOG_CALLBACK, on_line, s,
      MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
      s->tls ? MHD_OPTION_HTTPS_CERT_CALLBACK : MHD_OPTION_END, ln_tls_pick, MHD_OPTION_HTTPS_PRIORITIES,
      LN_TLS_PRIORITIES, MHD_OPTION_END);
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

ln_server *ln_server_open(ln_loop *l, const ln_server_door *door, const ln_server_limits *limits,
                          ln_handler_fn handle, void *arg, ln_err *err) {
  ln_server *s = calloc(1, sizeof *s);
  int fd = -1;
  if (!s) {
    ln_fail(err, "memory", LN_AGAIN, "no memory for a server");
    goto fail;
  }
  *s = (ln_server){.loop = l, .limits = *limits, .handle = handle, .arg = arg, .tls = door->tls != NULL};
  s->last = &s->first;
  if ((fd = ln_listen(door, &s->port, err)) < 0) goto fail;
  if (!(s->daemon = start(s, fd))) {
    ln_fail(err, "unavailable", LN_AGAIN, "cannot start an HTTP server");
    goto fail;
  }
  fd = -1;                                               /* the daemon's                                  */
  if (watch(s, err)) return s;
  MHD_stop_daemon(s->daemon);
fail:
  if (fd >= 0) close(fd);
  free(s);
  return NULL;
}

ln_server *ln_server_mhd(ln_loop *l, const char *address, uint16_t port, const ln_server_limits *limits,
                         ln_handler_fn handle, void *arg, ln_err *err) {
  const ln_server_door door = {.address = address, .port = port};
  return ln_server_open(l, &door, limits, handle, arg, err);
}

void ln_server_judge(ln_server *s, ln_judge_fn fn, void (*drop)(void *note)) {
  s->judge = fn;
  s->drop = drop;
}

void *ln_exchange_take(ln_exchange *x) {
  void *note = x->note;
  x->note = NULL;
  return note;
}

uint16_t ln_server_port(const ln_server *s) { return s->port; }

size_t ln_server_busy(const ln_server *s) {
  size_t n = 0;
  for (const conn *k = s->conns; k; k = k->next) n += k->x != NULL;
  return n;
}

void ln_server_drain(ln_server *s) {
  if (s->draining) return;
  s->draining = true;
  MHD_socket fd = MHD_quiesce_daemon(s->daemon);
  if (fd != MHD_INVALID_SOCKET) close(fd);
  for (conn *k = s->conns; k; k = k->next)
    if (!k->x) shutdown(k->fd, SHUT_RDWR);
  turn_soon(s);
}

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
    if (x && x->stream) wake(x->stream);
    if (!x || x->state < READY || x->state == REPLIED) continue;
    ln_cut_stop(x->cut);
    x->cut = NULL;
    x->state = CUT;
    MHD_resume_connection(k->c);
  }
  uv_close((uv_handle_t *)&s->poll, on_handle_closed);
  uv_close((uv_handle_t *)&s->timer, on_handle_closed);
  MHD_stop_daemon(s->daemon);
  tell_gone(s);
}
