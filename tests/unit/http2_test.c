/* http2_test.c: the real transport over HTTP/2: one connection for all, and still no request twice, whatever
** becomes of the server.  That is nghttpd, which speaks nothing else. */
#include "tests/unit/answers.h"
#include "tests/unit/certificate.h"

#include "net/transport_curl.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { AT_ONCE = 40 };

typedef struct fixture {
  char dir[64];
  uint16_t port;
  pid_t server;
  ln_loop *loop;
  ln_transport *t;
  got g;
} fixture;

static const char *in(const fixture *f, const char *name) {
  static char path[4][128];
  static int turn;
  char *p = path[turn++ % 4];
  snprintf(p, sizeof path[0], "%s/%s", f->dir, name);
  return p;
}

static void put_file(const fixture *f, const char *name, const char *text) {
  FILE *file = fopen(in(f, name), "w");
  assert_true(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static uint16_t free_port(void) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t n = sizeof a;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_true(bind(fd, (struct sockaddr *)&a, n) == 0 && getsockname(fd, (struct sockaddr *)&a, &n) == 0);
  close(fd);
  return ntohs(a.sin_port);
}

static bool answers(uint16_t port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  bool is = connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
  close(fd);
  return is;
}

/* What it sees is appended to the file "log". */
static void start_server(fixture *f) {
  char port[8];
  const char *key = in(f, "key"), *cert = in(f, "cert");
  snprintf(port, sizeof port, "%u", f->port);
  f->server = fork();
  if (f->server == 0) {
    int log = open(in(f, "log"), O_WRONLY | O_APPEND);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execlp("nghttpd", "nghttpd", "-v", "-a", "127.0.0.1", "-m", "4", "--echo-upload", "-d", f->dir, port, key,
           cert, (char *)NULL);
    _exit(127);
  }
  while (!answers(f->port)) {
    if (waitpid(f->server, NULL, WNOHANG)) fail_msg("nghttpd does not start: is nghttp2-server installed?");
    usleep(10000);
  }
}

static void stop_server(fixture *f) {
  kill(f->server, SIGKILL);
  waitpid(f->server, NULL, 0);
}

static int said(const fixture *f, const char *text) {
  char command[256], answer[32] = "";
  snprintf(command, sizeof command, "grep -c '%s' %s", text, in(f, "log"));
  FILE *p = popen(command, "r");
  assert_true(p && fgets(answer, sizeof answer, p));
  pclose(p);
  return atoi(answer);
}

static void setup(fixture *f) {
  ln_err err;
  char *cert, *key;
  memset(f, 0, sizeof *f);
  snprintf(f->dir, sizeof f->dir, "/tmp/lunette-h2-XXXXXX");
  assert_non_null(mkdtemp(f->dir));
  make_certificate(&cert, &key);
  put_file(f, "cert", cert), put_file(f, "key", key), put_file(f, "ok", "ok"), put_file(f, "log", "");
  free(cert), free(key);
  f->port = free_port();
  start_server(f);
  f->loop = ln_loop_uv(&err);
  f->t = ln_transport_curl(f->loop, &err);
  assert_non_null(f->t);
  f->g.loop = f->loop;
}

static void teardown(fixture *f) {
  char command[128];
  stop_server(f);
  f->t->free(f->t);
  f->loop->run(f->loop);
  f->loop->free(f->loop);
  snprintf(command, sizeof command, "rm -r %s", f->dir);
  assert_int_equal(system(command), 0);
}

static void begin(fixture *f, const char *method, const char *path, const char *body) {
  char url[128];
  snprintf(url, sizeof url, "https://localhost:%u%s", f->port, path);
  ln_request r = {.method = ln_str_of(method), .url = ln_str_of(url), .body = ln_str_of(body),
                  .timeout_ms = 20000, .max_response = 4096, .loopback_ok = true};
  f->g.outstanding++;
  ln_sending *s = f->t->send(f->t, &r, on_answer, &f->g);
  assert_non_null(s);
  curl_easy_setopt(s->easy, CURLOPT_CAINFO, in(f, "cert"));
}

static const got *ask(fixture *f, const char *method, const char *path, const char *body) {
  begin(f, method, path, body);
  f->loop->run(f->loop);
  return &f->g;
}

static void test_answered(void **s) {
  (void)s;
  fixture f;
  setup(&f);
  const got *g = ask(&f, "GET", "/ok", "");
  want(g, LN_ANSWERED, "");
  assert_int_equal(g->status, 200);
  assert_string_equal(g->body, "ok");
  g = ask(&f, "POST", "/ok", "what was sent");
  want(g, LN_ANSWERED, "");
  assert_string_equal(g->body, "what was sent");
  g = ask(&f, "GET", "/none", "");
  want(g, LN_ANSWERED, "");
  assert_int_equal(g->status, 404);
  teardown(&f);
}

/* Ten times as many as one connection carries at once. */
static void test_many(void **s) {
  (void)s;
  fixture f;
  char path[32];
  setup(&f);
  want(ask(&f, "GET", "/ok", ""), LN_ANSWERED, "");
  int before = f.g.calls;
  for (int i = 0; i < AT_ONCE; i++) {
    snprintf(path, sizeof path, "/ok?n=%d", i);
    begin(&f, "PUT", path, path);
  }
  f.loop->run(f.loop);
  want(&f.g, LN_ANSWERED, "");
  assert_int_equal(f.g.calls - before, AT_ONCE);
  stop_server(&f);
  assert_int_equal(said(&f, ":method: PUT"), AT_ONCE);
  start_server(&f);
  teardown(&f);
}

typedef struct dying {
  fixture *f;
  ln_timer timer;
} dying;

static void die(void *arg) {
  dying *d = arg;
  stop_server(d->f);
  start_server(d->f);
}

/* The server stands still, so the request, over the connection that is open, gets as far as its socket; then
** it dies, and another takes its place: that must not see it. */
static void test_never_twice(void **s) {
  (void)s;
  fixture f;
  dying d = {.f = &f, .timer = {.fn = die, .arg = &d}};
  setup(&f);
  want(ask(&f, "GET", "/ok", ""), LN_ANSWERED, "");
  kill(f.server, SIGSTOP);
  assert_true(f.loop->timer(f.loop, &d.timer, 200));
  want(ask(&f, "POST", "/ok?deed", "x"), LN_PERHAPS_SENT, "unavailable");
  want(ask(&f, "GET", "/ok?after", ""), LN_ANSWERED, "");
  stop_server(&f);
  assert_int_equal(said(&f, ":path: /ok?deed"), 0);
  assert_int_equal(said(&f, ":path: /ok?after"), 1);
  start_server(&f);
  teardown(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_answered), cmocka_unit_test(test_many),
                                     cmocka_unit_test(test_never_twice)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
