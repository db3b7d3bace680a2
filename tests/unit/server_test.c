/* server_test.c: the HTTP server against a client that writes bytes, and checks the bytes that come back. */
#include "base/buf.h"
#include "net/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct fixture {
  ln_loop *loop;
  ln_server *server;
  ln_timer guard, later;
  int handled;
  char method[16], path[64], query[64], header[64];
  size_t body_n;
  ln_exchange *held;
  ln_stream *stream;
  int gone;                                              /* streams whose peer has                        */
  int judged, dropped;
  int64_t length;                                        /* as the judge saw it                           */
  void *note;                                            /* as handle got it                              */
  /* the client, on a thread of its own */
  const char *const *parts;                              /* written one after the other                   */
  size_t n_parts, repeat;                                /* the last one so often                         */
  bool shut;                                             /* then says that no more comes                  */
  char answer[8192];
  size_t answer_n;
  int error;                                             /* of the last read                              */
} fixture;

static void too_long(void *arg) {
  (void)arg;
  fprintf(stderr, "the test hangs\n");
  abort();
}

static void copy(char *out, size_t n, ln_str s) {
  size_t k = s.n < n ? s.n : n - 1;
  if (k) memcpy(out, s.p, k);
  out[k] = '\0';
}

static void reply_late(void *arg) {
  fixture *f = arg;
  assert_true(ln_exchange_reply(f->held, 200, NULL, 0, LN_STR("late")));
}

static void stream_gone(void *arg) {
  fixture *f = arg;
  f->gone++;
  f->stream = NULL;
  f->loop->stop(f->loop);
}

static void say_more(void *arg) {
  fixture *f = arg;
  assert_true(ln_stream_send(f->stream, LN_STR("two ")));
  ln_stream_end(f->stream, LN_STR("three"));            /* what has not gone out yet is forgotten        */
}

/* Sends until the stream takes no more; then once more, in vain. */
static void say_all(void *arg) {
  fixture *f = arg;
  char piece[1000];
  int sent = 0;
  memset(piece, 'x', sizeof piece);
  while (ln_stream_send(f->stream, (ln_str){piece, sizeof piece})) assert_true(++sent < 100);
  assert_int_equal(sent, 8);                             /* an eighth is kept for the last word           */
  assert_false(ln_stream_send(f->stream, (ln_str){piece, sizeof piece}));
  ln_stream_end(f->stream, LN_STR("dropped"));
}

static void stop_when_idle(void *arg) {
  fixture *f = arg;
  if (!ln_server_busy(f->server)) f->loop->stop(f->loop);
  else assert_true(f->loop->timer(f->loop, &f->later, 5));
}

/* Ends what the peer has not read, nor will. */
static void end_unread(void *arg) {
  fixture *f = arg;
  ln_stream_end(f->stream, LN_STR("the end"));
  f->later = (ln_timer){.fn = stop_when_idle, .arg = f};
  assert_true(f->loop->timer(f->loop, &f->later, 5));
}

static void begin_huge_stream(fixture *f, ln_exchange *x) {
  enum { HUGE_N = 32 << 20 };
  char *all = calloc(1, HUGE_N);
  assert_non_null(all);
  assert_non_null(f->stream = ln_exchange_stream(x, 200, NULL, 0, 2 * (size_t)HUGE_N, stream_gone, f));
  assert_true(ln_stream_send(f->stream, (ln_str){all, HUGE_N}));
  free(all);
  f->later = (ln_timer){.fn = end_unread, .arg = f};
  assert_true(f->loop->timer(f->loop, &f->later, 20));
}

static void begin_stream(fixture *f, ln_exchange *x, ln_str path) {
  ln_header type = {LN_STR("Content-Type"), LN_STR("text/event-stream")};
  if (strcmp(f->method, "HEAD") == 0) {
    assert_null(ln_exchange_stream(x, 200, &type, 1, 10000, stream_gone, f));
    assert_true(ln_exchange_reply(x, 200, &type, 1, LN_STR("")));
    return;
  }
  assert_non_null(f->stream = ln_exchange_stream(x, 200, &type, 1, 10000, stream_gone, f));
  f->later = (ln_timer){.fn = ln_str_eq(path, LN_STR("/full")) ? say_all : say_more, .arg = f};
  if (ln_str_eq(path, LN_STR("/silent"))) return;
  assert_true(ln_stream_send(f->stream, LN_STR("one ")));
  assert_true(f->loop->timer(f->loop, &f->later, 20));
}

/* Bodies of what is below /no are not wanted, and of what is below /few only a few bytes. */
static bool judge(void *arg, const ln_server_request *r, size_t *most, void **note) {
  fixture *f = arg;
  f->judged++;
  f->length = r->length;
  *note = f;
  if (ln_str_starts(r->path, LN_STR("/few"))) *most = 3;
  if (ln_str_eq(r->path, LN_STR("/half"))) f->loop->stop(f->loop);
  return !ln_str_starts(r->path, LN_STR("/no"));
}

static void drop(void *note) {
  fixture *f = note;
  f->dropped++;
  f->loop->stop(f->loop);
}

static void handle(void *arg, ln_exchange *x, const ln_server_request *r) {
  fixture *f = arg;
  f->handled++;
  f->note = ln_exchange_take(x);
  assert_null(ln_exchange_take(x));
  copy(f->method, sizeof f->method, r->method);
  copy(f->path, sizeof f->path, r->path);
  copy(f->query, sizeof f->query, r->query);
  f->body_n = r->body.n;
  assert_true(ln_str_eq(r->peer, LN_STR("127.0.0.1")));
  for (size_t i = 0; i < r->n_headers; i++)
    if (ln_str_ieq(r->headers[i].name, LN_STR("x-test")))
      copy(f->header, sizeof f->header, r->headers[i].value);
  ln_header two[] = {{LN_STR("X-A"), LN_STR("1")}, {LN_STR("X-A"), LN_STR("2")}};
  if (ln_str_eq(r->path, LN_STR("/cut"))) {
    ln_exchange_cut(x, LN_STR("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"));
  } else if (ln_str_eq(r->path, LN_STR("/reset"))) {
    ln_exchange_cut(x, (ln_str){NULL, 0});
  } else if (ln_str_eq(r->path, LN_STR("/again"))) {
    assert_false(ln_exchange_repeat(x, 200, NULL, 0, LN_STR(""), 3));
    assert_false(ln_exchange_repeat(x, 200, NULL, 0, LN_STR("ab"), UINT64_MAX));
    assert_true(ln_exchange_repeat(x, 200, two, 2, LN_STR("abc"), 5));
  } else if (ln_str_eq(r->path, LN_STR("/endless"))) {
    assert_true(ln_exchange_repeat(x, 200, NULL, 0, LN_STR("0123456789"), 100000000));
  } else if (ln_str_eq(r->path, LN_STR("/late"))) {
    f->held = x;
    f->later = (ln_timer){.fn = reply_late, .arg = f};
    assert_true(f->loop->timer(f->loop, &f->later, 5));
  } else if (ln_str_eq(r->path, LN_STR("/hold"))) {
    f->held = x;
    f->loop->stop(f->loop);
  } else if (ln_str_eq(r->path, LN_STR("/huge"))) {
    begin_huge_stream(f, x);
  } else if (ln_str_eq(r->path, LN_STR("/stream")) || ln_str_eq(r->path, LN_STR("/full")) ||
             ln_str_eq(r->path, LN_STR("/silent"))) {
    begin_stream(f, x, r->path);
    if (ln_str_eq(r->path, LN_STR("/silent"))) f->loop->stop(f->loop);
  } else if (ln_str_eq(r->path, LN_STR("/bad"))) {
    ln_header bad = {LN_STR("X-A"), LN_STR("1\r\nX-B: 2")};
    assert_false(ln_exchange_reply(x, 200, &bad, 1, LN_STR("")));
    assert_false(ln_exchange_reply(x, 99, NULL, 0, LN_STR("")));
    assert_true(ln_exchange_reply(x, 204, NULL, 0, LN_STR(""))); /* still open */
  } else {
    assert_true(ln_exchange_reply(x, 200, two, 2, r->body.n ? r->body : LN_STR("hello")));
  }
}

static void setup(fixture *f, const ln_server_limits *limits) {
  static const ln_server_limits usual = {.max_body = 1000, .max_connections = 10, .whole_ms = 10000};
  ln_err err;
  *f = (fixture){.loop = ln_loop_uv(&err)};
  assert_non_null(f->loop);
  f->server = ln_server_mhd(f->loop, "127.0.0.1", 0, limits ? limits : &usual, handle, f, &err);
  assert_non_null(f->server);
  f->guard = (ln_timer){.fn = too_long};
  assert_true(f->loop->timer(f->loop, &f->guard, 10000));
}

static void teardown(fixture *f) {
  ln_server_free(f->server);
  f->loop->cancel(f->loop, &f->guard);
  f->loop->run(f->loop); /* ends by itself: nothing is left */
  f->loop->free(f->loop);
}

static int dial(uint16_t port) {
  struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
  sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof sa)) {
    close(fd);
    return -1;
  }
  return fd;
}

/* The peer sees a reset. */
static void reset(int fd) {
  const struct linger now = {.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close(fd);
}

static void say(int fd, const char *z) {
  for (size_t n = strlen(z), k = 0; k < n;) {
    ssize_t w = send(fd, z + k, n - k, MSG_NOSIGNAL);
    if (w < 0) return; /* refused already */
    k += (size_t)w;
  }
}

static void *client(void *arg) {
  fixture *f = arg;
  int fd = dial(ln_server_port(f->server));
  for (size_t i = 0; i < f->n_parts; i++)
    for (size_t n = i + 1 == f->n_parts ? f->repeat + 1 : 1; n; n--) say(fd, f->parts[i]);
  if (f->shut) shutdown(fd, SHUT_WR);
  while (f->answer_n + 1 < sizeof f->answer) {
    ssize_t k = recv(fd, f->answer + f->answer_n, sizeof f->answer - 1 - f->answer_n, 0);
    f->error = k < 0 ? errno : 0;
    if (k <= 0) break;
    f->answer_n += (size_t)k;
  }
  f->answer[f->answer_n] = '\0';
  close(fd);
  f->loop->stop(f->loop);
  return NULL;
}

/* Writes the parts, and reads until the server hangs up. */
static void talk(fixture *f, const char *const *parts, size_t n, size_t repeat, bool shut) {
  pthread_t t;
  f->parts = parts;
  f->n_parts = n;
  f->repeat = repeat;
  f->shut = shut;
  f->answer_n = 0;
  assert_int_equal(pthread_create(&t, NULL, client, f), 0);
  f->loop->run(f->loop);
  pthread_join(t, NULL);
}

static void once(fixture *f, const char *text) { talk(f, &text, 1, 0, false); }

#define HEAD "Host: x\r\n"
#define CLOSE "Host: x\r\nConnection: close\r\n"

static void test_plain(void **s) {
  (void)s;
  fixture f;
  setup(&f, NULL);
  once(&f, "GET /a%2Fb/../c?q=1&r=%20x HTTP/1.1\r\n" CLOSE "X-Test:  v \r\n\r\n");
  assert_int_equal(f.handled, 1);
  assert_string_equal(f.method, "GET");
  assert_string_equal(f.path, "/a%2Fb/../c"); /* as it was sent */
  assert_string_equal(f.query, "q=1&r=%20x");
  assert_string_equal(f.header, "v");
  assert_memory_equal(f.answer, "HTTP/1.1 200 OK\r\n", 17);
  assert_non_null(strstr(f.answer, "X-A: 1\r\nX-A: 2\r\n"));
  assert_non_null(strstr(f.answer, "Content-Length: 5\r\n"));
  assert_non_null(strstr(f.answer, "\r\n\r\nhello"));
  teardown(&f);
}

static size_t count(const char *text, const char *what) {
  size_t n = 0;
  for (const char *p = text; (p = strstr(p, what)); p += strlen(what)) n++;
  return n;
}

static void test_keep_alive(void **s) {
  (void)s;
  fixture f;
  setup(&f, NULL);
  const char *parts[] = {"POST /1 HTTP/1.1\r\n" HEAD "Content-Length: 4\r\n\r\nab",
                         "cdGET /2 HTTP/1.1\r\n" HEAD "\r\nPUT /3 HTTP/1.1\r\n" HEAD
                         "Transfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n",
                         "2\r\nuv\r\n0\r\n\r\nGET /4 HTTP/1.1\r\n" CLOSE "\r\n"};
  talk(&f, parts, 3, 0, false);
  assert_int_equal(f.handled, 4);
  assert_int_equal(count(f.answer, "HTTP/1.1 200 OK"), 4);
  assert_non_null(strstr(f.answer, "\r\n\r\nabcd"));
  assert_non_null(strstr(f.answer, "\r\n\r\nxyzuv"));
  teardown(&f);
}

static void refused(const char *text, int status) {
  fixture f;
  char want[32];
  setup(&f, NULL);
  once(&f, text);
  snprintf(want, sizeof want, "HTTP/1.1 %d ", status);
  if (f.handled || strncmp(f.answer, want, strlen(want)) != 0 || strstr(f.answer, "hello"))
    fail_msg("%s\n%d handled, answered: %s", text, f.handled, f.answer);
  teardown(&f);
}

/* In each, what is a body in one reading is a request in another. */
static void test_smuggling(void **s) {
  (void)s;
#define SMUGGLED "GET /admin HTTP/1.1\r\n" HEAD "\r\n"
  refused("POST / HTTP/1.1\r\n" HEAD "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
          SMUGGLED, 400);
  refused("POST / HTTP/1.1\r\n" HEAD "Content-Length: 0\r\nContent-Length: 32\r\n\r\n" SMUGGLED, 400);
  refused("POST / HTTP/1.1\r\n" HEAD "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc" SMUGGLED, 400);
  refused("POST / HTTP/1.1\r\n" HEAD "Content-Length : 3\r\n\r\nabc" SMUGGLED, 400);
  refused("GET / HTTP/1.1\r\n" HEAD "Content-Length: +3\r\n\r\nabc" SMUGGLED, 400);
  refused("PATCH / HTTP/1.1\r\n" HEAD "X Y: 1\r\n\r\n" SMUGGLED, 400);
  refused("GET / HTTP/1.1\r\n" HEAD "X[]: 1\r\n\r\n" SMUGGLED, 400);
  refused("GET / HTTP/1.1\r\n" HEAD "X: a\001b\r\n\r\n" SMUGGLED, 400);
  refused("GET / HTTP/1.1\r\n" HEAD HEAD "\r\n" SMUGGLED, 400);
  refused("GET / HTTP/1.1\r\n\r\n" SMUGGLED, 400);
  refused("POST / HTTP/1.1\r\n" HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" SMUGGLED, 501);
  refused("POST / HTTP/1.1\r\n" HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
          "0\r\n\r\n", 400);
  refused("POST / HTTP/1.0\r\n" HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED, 400);
  refused("GET http://x/ HTTP/1.1\r\n" HEAD "\r\n" SMUGGLED, 400);
}

static void test_oversize(void **s) {
  (void)s;
  refused("POST / HTTP/1.1\r\n" HEAD "Content-Length: 1001\r\n\r\n", 413);
  refused("POST / HTTP/1.1\r\n" HEAD "Content-Length: 99999999999999999999999\r\n\r\n", 413);
  fixture f;
  setup(&f, NULL);
  /* Chunked, and the client goes on sending: it must still be able to read the refusal. */
  const char *parts[] = {"POST / HTTP/1.1\r\n" HEAD "Transfer-Encoding: chunked\r\n\r\n", "5\r\nabcde\r\n"};
  talk(&f, parts, 2, 100000, true);
  assert_int_equal(f.handled, 0);
  assert_memory_equal(f.answer, "HTTP/1.1 413 ", 13);
  teardown(&f);
  setup(&f, NULL);
  const char *exact[] = {"POST / HTTP/1.1\r\n" CLOSE "Content-Length: 1000\r\n\r\n", "0123456789"};
  talk(&f, exact, 2, 99, false);
  assert_int_equal(f.handled, 1);
  assert_int_equal(f.body_n, 1000);
  teardown(&f);
}

static void test_big_header(void **s) {
  (void)s;
  fixture f;
  setup(&f, NULL);
  const char *parts[] = {"GET / HTTP/1.1\r\n" HEAD, "X-Long: 0123456789012345678901234567890123456789\r\n"};
  talk(&f, parts, 2, 3000, true);
  assert_int_equal(f.handled, 0);
  assert_true(f.answer_n == 0 || strncmp(f.answer, "HTTP/1.1 4", 10) == 0);
  teardown(&f);
}

static void test_late(void **s) {
  (void)s;
  fixture f;
  setup(&f, NULL);
  once(&f, "GET /late HTTP/1.1\r\n" HEAD "\r\nGET /x HTTP/1.1\r\n" CLOSE "\r\n");
  assert_int_equal(f.handled, 2);
  assert_non_null(strstr(f.answer, "\r\n\r\nlateHTTP/1.1 200 OK"));
  teardown(&f);
}

static void test_cut(void **s) {
  (void)s;
  fixture f;
  setup(&f, NULL);
  once(&f, "GET /cut HTTP/1.1\r\n" HEAD "\r\n");
  assert_string_equal(f.answer, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  assert_int_equal(f.error, 0);
  once(&f, "GET /reset HTTP/1.1\r\n" HEAD "\r\n");
  assert_int_equal(f.answer_n, 0);
  assert_int_equal(f.error, ECONNRESET);
  once(&f, "GET /after HTTP/1.1\r\n" CLOSE "\r\n"); /* others go on */
  assert_int_equal(f.handled, 3);
  assert_non_null(strstr(f.answer, "hello"));
  teardown(&f);
}

static void test_bad_reply(void **s) {
  (void)s;
  fixture f;
  setup(&f, NULL);
  once(&f, "GET /bad HTTP/1.1\r\n" CLOSE "\r\n");
  assert_memory_equal(f.answer, "HTTP/1.1 204 ", 13);
  teardown(&f);
}

static void test_head(void **s) {
  (void)s;
  fixture f;
  setup(&f, NULL);
  once(&f, "HEAD / HTTP/1.1\r\n" CLOSE "\r\n");
  assert_non_null(strstr(f.answer, "Content-Length: 5\r\n"));
  assert_null(strstr(f.answer, "hello"));
  teardown(&f);
}

/* Whoever sends a byte now and then never seems idle: the whole has a time of its own. */
static void test_slow(void **s) {
  (void)s;
  static const ln_server_limits hasty = {.max_body = 1000, .max_connections = 10, .whole_ms = 30};
  static const char *const texts[] = {"GET / HTTP/1.1\r\nHost: x\r\n",
                                      "POST / HTTP/1.1\r\n" HEAD "Content-Length: 9\r\n\r\na", ""};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    fixture f;
    setup(&f, &hasty);
    once(&f, texts[i]);
    assert_int_equal(f.handled, 0);
    assert_int_equal(f.answer_n, 0);
    teardown(&f);
  }
}

/* A second connection waits its turn when there may be only one. */
static void test_limit(void **s) {
  (void)s;
  static const ln_server_limits one = {.max_body = 1000, .max_connections = 1, .whole_ms = 10000};
  fixture f;
  setup(&f, &one);
  int first = dial(ln_server_port(f.server));
  say(first, "GET / HTTP/1.1\r\n" CLOSE "\r\n");
  once(&f, "GET /second HTTP/1.1\r\n" CLOSE "\r\n");
  assert_int_equal(f.handled, 2);
  assert_string_equal(f.path, "/second");
  close(first);
  teardown(&f);
}

static void test_free_while_held(void **s) {
  (void)s;
  fixture f;
  setup(&f, NULL);
  int fd = dial(ln_server_port(f.server)), idle = dial(ln_server_port(f.server));
  say(fd, "GET /hold HTTP/1.1\r\n" HEAD "\r\n");
  f.loop->run(f.loop);
  assert_non_null(f.held);
  teardown(&f);
  char c;
  assert_true(recv(fd, &c, 1, 0) <= 0);
  assert_true(recv(idle, &c, 1, 0) <= 0);
  close(fd), close(idle);
}

static void test_repeated(void **s) {
  (void)s;
  fixture f;
  setup(&f, NULL);
  once(&f, "GET /again HTTP/1.1\r\n" CLOSE "\r\n");
  assert_non_null(strstr(f.answer, "Content-Length: 15\r\n"));
  assert_non_null(strstr(f.answer, "\r\n\r\nabcabcabcabcabc"));
  teardown(&f);
}

static void test_addresses(void **s) {
  (void)s;
  static const ln_server_limits usual = {.max_body = 1000, .max_connections = 10, .whole_ms = 10000};
  fixture f;
  ln_err err;
  setup(&f, NULL);
  assert_null(ln_server_mhd(f.loop, "localhost:1", 0, &usual, handle, &f, &err));
  assert_string_equal(err.code, "bad_argument");
  assert_null(ln_server_mhd(f.loop, "127.0.0.1", ln_server_port(f.server), &usual, handle, &f, &err));
  assert_string_equal(err.code, "unavailable");
  assert_non_null(strstr(err.message, "in use"));
  ln_server *six = ln_server_mhd(f.loop, "::1", 0, &usual, handle, &f, &err);
  if (six) assert_int_not_equal(ln_server_port(six), 0);
  ln_server_free(six);
  teardown(&f);
}

static void test_stream(void **s) {
  (void)s;
  fixture f;
  setup(&f, NULL);
  once(&f, "GET /stream HTTP/1.1\r\n" CLOSE "\r\n");
  assert_non_null(strstr(f.answer, "Transfer-Encoding: chunked"));
  assert_non_null(strstr(f.answer, "one "));
  assert_non_null(strstr(f.answer, "three"));
  assert_non_null(strstr(f.answer, "\r\n0\r\n"));
  assert_int_equal(f.gone, 0);                           /* it was ended here                             */
  once(&f, "GET /full HTTP/1.1\r\n" CLOSE "\r\n");
  assert_non_null(strstr(f.answer, "dropped"));
  once(&f, "HEAD /stream HTTP/1.1\r\n" CLOSE "\r\n"); /* not even a last chunk: the next answer begins here */
  assert_string_equal(strstr(f.answer, "\r\n\r\n"), "\r\n\r\n");
  assert_int_equal(f.gone, 0);
  teardown(&f);
}

/* Whoever hangs up on a stream is noticed when it next says something. */
static void test_stream_left(void **s) {
  (void)s;
  fixture f;
  setup(&f, NULL);
  int fd = dial(ln_server_port(f.server));
  say(fd, "GET /silent HTTP/1.1\r\n" HEAD "\r\n");
  f.loop->run(f.loop);
  assert_non_null(f.stream);
  assert_int_equal(ln_server_busy(f.server), 1);
  reset(fd);
  assert_true(ln_stream_send(f.stream, LN_STR("hello?")));
  f.loop->run(f.loop);
  assert_int_equal(f.gone, 1);
  teardown(&f);
}

static void test_free_while_streaming(void **s) {
  (void)s;
  fixture f;
  setup(&f, NULL);
  int fd = dial(ln_server_port(f.server));
  say(fd, "GET /silent HTTP/1.1\r\n" HEAD "\r\n");
  f.loop->run(f.loop);
  teardown(&f);
  assert_int_equal(f.gone, 1);
  close(fd);
}

static void test_header_bound(void **s) {
  (void)s;
  static const ln_server_limits narrow = {
      .max_body = 1000, .max_connections = 10, .whole_ms = 10000, .max_header = 200};
  fixture f;
  char line[400];
  snprintf(line, sizeof line, "GET / HTTP/1.1\r\n" CLOSE "X-Long: %0*d\r\n\r\n", 200, 0);
  setup(&f, &narrow);
  once(&f, line);
  assert_int_equal(f.handled, 0);
  assert_memory_equal(f.answer, "HTTP/1.1 431 ", 13);
  once(&f, "GET / HTTP/1.1\r\n" CLOSE "X-Short: 0\r\n\r\n");
  assert_int_equal(f.handled, 1);
  teardown(&f);
}

/* The body has a time of its own, from the header's end on. */
static void test_slow_body(void **s) {
  (void)s;
  static const ln_server_limits hasty = {
      .max_body = 1000, .max_connections = 10, .whole_ms = 9000, .body_ms = 30};
  fixture f;
  setup(&f, &hasty);
  once(&f, "POST / HTTP/1.1\r\n" HEAD "Content-Length: 9\r\n\r\na");
  assert_int_equal(f.handled, 0);
  assert_int_equal(f.answer_n, 0);
  teardown(&f);
}

/* One that does not read its answer: more than sockets hold is under way, and the time runs out. */
static void test_slow_reader(void **s) {
  (void)s;
  static const ln_server_limits hasty = {
      .max_body = 1000, .max_connections = 10, .whole_ms = 9000, .send_ms = 50};
  fixture f;
  setup(&f, &hasty);
  int fd = dial(ln_server_port(f.server));
  say(fd, "GET /endless HTTP/1.1\r\n" HEAD "\r\n");
  f.later = (ln_timer){.fn = stop_when_idle, .arg = &f};
  assert_true(f.loop->timer(f.loop, &f.later, 5));
  f.loop->run(f.loop);
  assert_int_equal(f.handled, 1);
  assert_int_equal(ln_server_busy(f.server), 0);
  teardown(&f);
  close(fd);
}

/* A stream may last as long as it likes; once it was ended its reader has no longer than any other. */
static void test_slow_reader_of_an_end(void **s) {
  (void)s;
  static const ln_server_limits hasty = {
      .max_body = 1000, .max_connections = 10, .whole_ms = 9000, .send_ms = 50};
  fixture f;
  setup(&f, &hasty);
  int fd = dial(ln_server_port(f.server));
  say(fd, "GET /huge HTTP/1.1\r\n" HEAD "\r\n");
  f.loop->run(f.loop);
  assert_int_equal(ln_server_busy(f.server), 0);
  teardown(&f);
  close(fd);
}

/* Who asks is judged before the body; of whoever may not it is passed over, and is no request itself. */
static void test_judged(void **s) {
  (void)s;
  fixture f;
  setup(&f, NULL);
  ln_server_judge(f.server, judge, drop);
  once(&f, "POST /yes HTTP/1.1\r\n" HEAD "Content-Length: 4\r\n\r\nabcd"
           "POST /no HTTP/1.1\r\n" CLOSE "Content-Length: 31\r\n\r\nGET /x HTTP/1.1\r\nHost: abcdef\r\n\r\n");
  assert_int_equal(f.judged, 2);
  assert_int_equal(f.handled, 2);
  assert_int_equal(f.length, 31);
  assert_int_equal(f.body_n, 0);
  assert_ptr_equal(f.note, &f);
  assert_int_equal(count(f.answer, "HTTP/1.1 200 OK"), 2);
  assert_non_null(strstr(f.answer, "\r\n\r\nabcd"));
  once(&f, "POST /no HTTP/1.1\r\n" CLOSE "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
  assert_int_equal(f.length, -1);
  assert_int_equal(f.body_n, 0);
  assert_non_null(strstr(f.answer, "hello"));
  once(&f, "POST /few HTTP/1.1\r\n" CLOSE "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
  assert_int_equal(f.body_n, 3);
  once(&f, "POST /few HTTP/1.1\r\n" CLOSE "Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n");
  assert_memory_equal(f.answer, "HTTP/1.1 413 ", 13);
  assert_int_equal(f.dropped, 1);                        /* the note of the one that was not handled      */
  teardown(&f);
}

/* One that is not wanted and waits to be told so need not send it; one that breaks off is forgotten. */
static void test_judged_early(void **s) {
  (void)s;
  fixture f;
  setup(&f, NULL);
  ln_server_judge(f.server, judge, drop);
  once(&f, "PUT /no HTTP/1.1\r\n" HEAD "Expect: 100-continue\r\nContent-Length: 900\r\n\r\n");
  assert_memory_equal(f.answer, "HTTP/1.1 200 ", 13);
  assert_non_null(strstr(f.answer, "Connection: close"));
  assert_int_equal(f.dropped, 0);
  int fd = dial(ln_server_port(f.server));
  say(fd, "PUT /half HTTP/1.1\r\n" HEAD "Content-Length: 900\r\n\r\nab");
  f.loop->run(f.loop);
  assert_int_equal(f.judged, 2);
  reset(fd);
  f.loop->run(f.loop);
  assert_int_equal(f.handled, 1);
  assert_int_equal(f.dropped, 1);
  teardown(&f);
}

/* All bodies together have a bound: it is told before one comes, where its length is known. */
static void test_bodies_together(void **s) {
  (void)s;
  static const ln_server_limits narrow = {
      .max_body = 1000, .max_connections = 10, .whole_ms = 10000, .max_bodies = 1500};
  static const char *const more[] = {"Content-Length: 600\r\n\r\n",
                                     "Transfer-Encoding: chunked\r\n\r\n258\r\n"};
  fixture f;
  char text[1200];
  setup(&f, &narrow);
  int fd = dial(ln_server_port(f.server));
  snprintf(text, sizeof text, "POST /hold HTTP/1.1\r\n" HEAD "Content-Length: 1000\r\n\r\n%01000d", 0);
  say(fd, text);
  f.loop->run(f.loop);
  for (size_t i = 0; i < 2; i++) {
    snprintf(text, sizeof text, "POST / HTTP/1.1\r\n" HEAD "%s%0*d", more[i], i ? 600 : 0, 0);
    once(&f, text);
    assert_memory_equal(f.answer, "HTTP/1.1 503 ", 13);
    assert_non_null(strstr(f.answer, "\r\nRetry-After: "));
  }
  assert_int_equal(f.handled, 1);
  assert_true(ln_exchange_reply(f.held, 200, NULL, 0, LN_STR("done")));
  f.later = (ln_timer){.fn = stop_when_idle, .arg = &f};
  assert_true(f.loop->timer(f.loop, &f.later, 5));
  f.loop->run(f.loop);
  snprintf(text, sizeof text, "POST / HTTP/1.1\r\n" CLOSE "%s%0600d", more[0], 0);
  once(&f, text);                                        /* there is room again                           */
  assert_int_equal(f.handled, 2);
  teardown(&f);
  close(fd);
}

/* What is under way is answered, and told that it was the last; nobody else gets in. */
static void test_drain(void **s) {
  (void)s;
  fixture f;
  char answer[512];
  setup(&f, NULL);
  uint16_t port = ln_server_port(f.server);
  int fd = dial(port), idle = dial(port);
  say(fd, "GET /hold HTTP/1.1\r\n" HEAD "\r\n");
  f.loop->run(f.loop);
  ln_server_drain(f.server);
  assert_int_equal(dial(port), -1);
  assert_int_equal(ln_server_busy(f.server), 1);
  assert_true(ln_exchange_reply(f.held, 200, NULL, 0, LN_STR("done")));
  f.later = (ln_timer){.fn = stop_when_idle, .arg = &f};
  assert_true(f.loop->timer(f.loop, &f.later, 5));
  f.loop->run(f.loop);
  ssize_t n = recv(fd, answer, sizeof answer - 1, MSG_WAITALL);
  assert_true(n > 0);
  answer[n] = '\0';
  assert_non_null(strstr(answer, "Connection: close"));
  assert_non_null(strstr(answer, "done"));
  assert_int_equal(recv(idle, answer, 1, 0), 0);
  close(fd), close(idle);
  teardown(&f);
}

static void test_handed_over(void **s) {
  (void)s;
  static const ln_server_limits usual = {.max_body = 1000, .max_connections = 10, .whole_ms = 10000};
  struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  fixture f;
  ln_err err;
  setup(&f, NULL);
  ln_server_free(f.server);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ln_server_door door = {.fd = fd};
  assert_null(ln_server_open(f.loop, &door, &usual, handle, &f, &err)); /* it does not listen yet */
  assert_non_null(strstr(err.message, "handed over"));
  assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
  assert_int_equal(listen(fd, 5), 0);
  assert_non_null(f.server = ln_server_open(f.loop, &door, &usual, handle, &f, &err));
  assert_int_not_equal(ln_server_port(f.server), 0);
  once(&f, "GET / HTTP/1.1\r\n" CLOSE "\r\n");
  assert_non_null(strstr(f.answer, "hello"));
  teardown(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_plain),      cmocka_unit_test(test_keep_alive),
      cmocka_unit_test(test_smuggling),  cmocka_unit_test(test_oversize),
      cmocka_unit_test(test_big_header), cmocka_unit_test(test_late),
      cmocka_unit_test(test_cut),        cmocka_unit_test(test_bad_reply),
      cmocka_unit_test(test_head),       cmocka_unit_test(test_slow),
      cmocka_unit_test(test_limit),      cmocka_unit_test(test_free_while_held),
      cmocka_unit_test(test_repeated),   cmocka_unit_test(test_addresses),
      cmocka_unit_test(test_stream),     cmocka_unit_test(test_stream_left),
      cmocka_unit_test(test_free_while_streaming),
      cmocka_unit_test(test_header_bound), cmocka_unit_test(test_slow_body),
      cmocka_unit_test(test_slow_reader),  cmocka_unit_test(test_slow_reader_of_an_end),
      cmocka_unit_test(test_judged),       cmocka_unit_test(test_judged_early),
      cmocka_unit_test(test_bodies_together), cmocka_unit_test(test_drain),
      cmocka_unit_test(test_handed_over),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
