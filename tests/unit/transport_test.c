/* transport_test.c: the real transport against a misbehaving peer, our own server, and over TLS. */
#include "tests/unit/answers.h"
#include "tests/unit/certificate.h"
#include "tests/unit/peer.h"

#include "net/addr.h"
#include "net/server.h"
#include "net/transport_curl.h"

#include <microhttpd.h>

typedef struct fixture {
  ln_loop *loop;
  ln_transport *t;
  peer *p;
  ln_timer guard;
  got g;
  char url[128];
  const char *ca;                                        /* trusted besides, by the TLS tests             */
} fixture;

static void too_long(void *arg) {
  (void)arg;
  fprintf(stderr, "the test hangs\n");
  abort();
}

static void setup(fixture *f) {
  ln_err err;
  memset(f, 0, sizeof *f);
  f->p = peer_start();
  f->loop = ln_loop_uv(&err);
  f->t = ln_transport_curl(f->loop, &err);
  assert_non_null(f->t);
  f->guard = (ln_timer){.fn = too_long};
  assert_true(f->loop->timer(f->loop, &f->guard, 60000));
}

static void teardown(fixture *f) {
  f->t->free(f->t);
  f->loop->cancel(f->loop, &f->guard);
  f->loop->run(f->loop); /* ends by itself: nothing is left */
  f->loop->free(f->loop);
  peer_stop(f->p);
}

static ln_request to(fixture *f, const char *method, const char *path) {
  snprintf(f->url, sizeof f->url, "http://127.0.0.1:%u%s", f->p->port, path);
  return (ln_request){.method = ln_str_of(method), .url = ln_str_of(f->url), .timeout_ms = 20000,
                      .max_response = 4096, .loopback_ok = true};
}

static void *begin(fixture *f, const ln_request *r) {
  f->g.loop = f->loop;
  f->g.outstanding++;
  int calls = f->g.calls;
  ln_sending *s = f->t->send(f->t, r, on_answer, &f->g);
  assert_non_null(s);
  assert_int_equal(f->g.calls, calls); /* later, never from within */
  if (f->ca) curl_easy_setopt(s->easy, CURLOPT_CAINFO, f->ca);
  return s;
}

static const got *ask(fixture *f, const ln_request *r) {
  f->g.calls = 0;
  begin(f, r);
  f->loop->run(f->loop);
  assert_int_equal(f->g.calls, 1);
  return &f->g;
}

static const got *get(fixture *f, const char *path) {
  ln_request r = to(f, "GET", path);
  return ask(f, &r);
}

static void test_answered(void **s) {
  (void)s;
  fixture f;
  setup(&f);
  const got *g = get(&f, "/ok");
  want(g, LN_ANSWERED, "");
  assert_int_equal(g->status, 200);
  assert_string_equal(g->body, "ok");
  g = get(&f, "/interim"); /* the interim answer and the trailer are passed over */
  want(g, LN_ANSWERED, "");
  assert_string_equal(g->headers, "X-A=1\nx-a=2\nX-Empty=\nTransfer-Encoding=chunked\nTrailer=X-T\n");
  assert_string_equal(g->body, "ok");
  g = get(&f, "/gzip");
  want(g, LN_ANSWERED, "");
  assert_string_equal(g->body, "hello, gzip");
  teardown(&f);
}

static void test_no_redirect(void **s) {
  (void)s;
  fixture f;
  setup(&f);
  const got *g = get(&f, "/redirect");
  want(g, LN_ANSWERED, "");
  assert_int_equal(g->status, 302);
  assert_non_null(strstr(g->headers, "Location=/ok\n"));
  assert_int_equal(atomic_load(&f.p->requests), 1);
  teardown(&f);
}

/* What goes over the wire, by method, with one handle used for all of them. */
static void test_spelling(void **s) {
  (void)s;
  fixture f;
  setup(&f);
  ln_header h[] = {
      {LN_STR("X-One"), LN_STR("1")}, {LN_STR("X-One"), LN_STR("2")}, {LN_STR("X-Empty"), LN_STR("")}};
  ln_request r = to(&f, "POST", "/echo/a/../b?q=%20");
  r.headers = h;
  r.n_headers = 3;
  const got *g = ask(&f, &r);
  assert_memory_equal(g->body, "POST /echo/a/../b?q=%20 HTTP/1.1\r\n", 34); /* dots and all */
  assert_non_null(strstr(g->body, "\r\nContent-Length: 0\r\n"));
  assert_non_null(strstr(g->body, "\r\nX-One: 1\r\nX-One: 2\r\nX-Empty:\r\n"));
  assert_null(strstr(g->body, "Content-Type:"));
  assert_null(strstr(g->body, "Expect:"));
  const char *empty[] = {"PUT", "PATCH"};
  for (int i = 0; i < 2; i++) {
    r = to(&f, empty[i], "/echo");
    g = ask(&f, &r);
    assert_memory_equal(g->body, empty[i], strlen(empty[i]));
    assert_non_null(strstr(g->body, "\r\nContent-Length: 0\r\n"));
    assert_null(strstr(g->body, "X-One"));
  }
  ln_header type = {LN_STR("Content-Type"), LN_STR("application/json")};
  r = to(&f, "PATCH", "/echo");
  r.headers = &type;
  r.n_headers = 1;
  r.body = LN_STR("{\"a\":\0}");
  g = ask(&f, &r);
  assert_non_null(strstr(g->body, "\r\nContent-Length: 7\r\n"));
  assert_memory_equal(g->body + g->body_n - 7, "{\"a\":\0}", 7);
  assert_non_null(strstr(g->body, "\r\nContent-Type: application/json\r\n"));
  r = to(&f, "DELETE", "/echo");
  g = ask(&f, &r);
  assert_memory_equal(g->body, "DELETE /echo", 12);
  assert_null(strstr(g->body, "Content-Length"));
  r = to(&f, "DELETE", "/echo");
  r.body = LN_STR("x");
  g = ask(&f, &r);
  assert_memory_equal(g->body, "DELETE /echo", 12);
  assert_non_null(strstr(g->body, "\r\nContent-Length: 1\r\n"));
  g = get(&f, "/echo");
  assert_memory_equal(g->body, "GET /echo", 9);
  assert_null(strstr(g->body, "Content-Length"));
  teardown(&f);
}

static void test_head_method(void **s) {
  (void)s;
  fixture f;
  setup(&f);
  ln_request r = to(&f, "HEAD", "/half"); /* a length without a body is right here */
  const got *g = ask(&f, &r);
  want(g, LN_ANSWERED, "");
  assert_non_null(strstr(g->headers, "Content-Length=99\n"));
  g = get(&f, "/ok"); /* the peer closes after /half: whoever meets the dying connection is not sent again */
  if (g->sent == LN_PERHAPS_SENT) g = get(&f, "/ok");
  assert_string_equal(g->body, "ok");
  teardown(&f);
}

static void test_bad_arguments(void **s) {
  (void)s;
  fixture f;
  setup(&f);
  static const char *const urls[] = {"/ok",
                                     "",
                                     "ftp://127.0.0.1/x",
                                     "file:///etc/passwd",
                                     "https://",
                                     "127.0.0.1/x",
                                     "http://u:p@127.0.0.1/",
                                     "http://127.0.0.1/a b",
                                     "http://127.0.0.1/\r\nX: y"};
  want(get(&f, "/ok"), LN_ANSWERED, ""); /* a host is known: "/ok" must not be taken as meant for it */
  for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
    ln_request r = to(&f, "GET", "/");
    r.url = ln_str_of(urls[i]);
    want(ask(&f, &r), LN_NOT_SENT, "bad_argument");
  }
  static const ln_header headers[] = {{{"X\r\nY", 4}, {"1", 1}},          {{"X", 1}, {"1\r\nY: 2", 7}},
                                      {{"", 0}, {"1", 1}},                {{"X", 1}, {"a\0b", 3}},
                                      {{"content-length", 14}, {"3", 1}}, {{"Host", 4}, {"other", 5}},
                                      {{"Transfer-Encoding", 17}, {"chunked", 7}}};
  for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
    ln_request r = to(&f, "GET", "/");
    r.headers = &headers[i];
    r.n_headers = 1;
    want(ask(&f, &r), LN_NOT_SENT, "bad_argument");
  }
  static const char *const methods[] = {"", "G T", "GET\r\n", "CONNECT"};
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
    ln_request r = to(&f, methods[i], "/");
    want(ask(&f, &r), LN_NOT_SENT, "bad_argument");
  }
  assert_int_equal(atomic_load(&f.p->requests), 1);
  teardown(&f);
}

/* The peer acts and hangs up: it must see the request once, and we must say that we do not know. */
static void test_broken(void **s) {
  (void)s;
  static const struct {
    const char *path;
    int status;
  } v[] = {{"/empty", 0}, {"/reset", 0},  {"/half", 200},   {"/head-only", 0},
           {"/junk", 0},  {"/switch", 0}, {"/badgzip", 200}};
  fixture f;
  setup(&f);
  for (int i = 0; i < (int)(sizeof v / sizeof *v); i++) {
    ln_request r = to(&f, "POST", v[i].path);
    r.body = LN_STR("act");
    const got *g = ask(&f, &r);
    want(g, LN_PERHAPS_SENT, "unavailable");
    assert_int_equal(g->status, v[i].status);
    assert_int_equal(g->body_n, 0);
    assert_int_equal(g->err.retry, LN_AGAIN);
    assert_int_equal(atomic_load(&f.p->requests), i + 1);
  }
  teardown(&f);
}

/* The classic: a kept-alive connection is closed unanswered.  By itself curl would send the POST again. */
static void test_never_twice(void **s) {
  (void)s;
  fixture f;
  setup(&f);
  ln_request r = to(&f, "POST", "/dies");
  r.body = LN_STR("act");
  want(ask(&f, &r), LN_ANSWERED, "");
  const got *g = ask(&f, &r);
  want(g, LN_PERHAPS_SENT, "unavailable");
  assert_int_equal(atomic_load(&f.p->requests), 2);
  want(ask(&f, &r), LN_ANSWERED, ""); /* over a new connection */
  assert_int_equal(atomic_load(&f.p->requests), 3);
  teardown(&f);
}

/* A peer that answers twice: the second answer is not for whatever is asked next. */
static void test_apart(void **s) {
  (void)s;
  fixture f;
  setup(&f);
  assert_int_equal(get(&f, "/owes")->status, 200);
  ln_request r = to(&f, "POST", "/ok");
  r.body = LN_STR("act");
  r.apart = true;
  assert_int_equal(ask(&f, &r)->status, 200);
  r.url = to(&f, "POST", "/owes").url;
  assert_int_equal(ask(&f, &r)->status, 200);
  assert_int_equal(ask(&f, &r)->status, 200);
  assert_int_equal(get(&f, "/ok")->status, 299); /* the first one's: such is HTTP/1 */
  assert_int_equal(get(&f, "/ok")->status, 200);
  teardown(&f);
}

/* Closed after each answer, which curl may see before it writes the next, or not: never is there more acting
** than asking, and what was answered was acted on. */
static void test_stale(void **s) {
  (void)s;
  fixture f;
  setup(&f);
  int answered = 0, perhaps = 0;
  for (int i = 0; i < 20; i++) {
    const got *g = get(&f, "/bye");
    answered += g->sent == LN_ANSWERED;
    perhaps += g->sent == LN_PERHAPS_SENT;
  }
  int acted = atomic_load(&f.p->requests);
  assert_true(answered >= 1 && answered <= acted && acted <= answered + perhaps);
  teardown(&f);
}

static void test_nobody_there(void **s) {
  (void)s;
  fixture f;
  uint16_t port;
  setup(&f);
  close(listener(&port));
  snprintf(f.url, sizeof f.url, "http://127.0.0.1:%u/", port);
  ln_request r = to(&f, "POST", "");
  snprintf(f.url, sizeof f.url, "http://127.0.0.1:%u/", port);
  r.url = ln_str_of(f.url);
  const got *g = ask(&f, &r);
  want(g, LN_NOT_SENT, "unavailable");
  assert_int_equal(g->err.retry, LN_AGAIN);
  r.url = LN_STR("http://no-such-host.invalid/");
  want(ask(&f, &r), LN_NOT_SENT, "unavailable");
  teardown(&f);
}

static void test_timeout(void **s) {
  (void)s;
  fixture f;
  setup(&f);
  ln_request r = to(&f, "POST", "/hold");
  r.timeout_ms = 300;
  want(ask(&f, &r), LN_PERHAPS_SENT, "timeout");
  assert_int_equal(atomic_load(&f.p->requests), 1);
  /* A peer that takes the connection and never shakes hands has got no request. */
  uint16_t port;
  int fd = listener(&port);
  snprintf(f.url, sizeof f.url, "https://127.0.0.1:%u/", port);
  r.url = ln_str_of(f.url);
  want(ask(&f, &r), LN_NOT_SENT, "timeout");
  close(fd);
  teardown(&f);
}

static void test_too_big(void **s) {
  (void)s;
  static const char *const paths[] = {"/endless", "/headers", "/bomb"};
  fixture f;
  setup(&f);
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    const got *g = get(&f, paths[i]);
    want(g, LN_PERHAPS_SENT, "too_big");
    assert_int_equal(g->body_n, 0);
  }
  ln_request r = to(&f, "GET", "/ok"); /* exactly as much as is allowed */
  r.max_response = 2;
  want(ask(&f, &r), LN_ANSWERED, "");
  r.max_response = 1;
  want(ask(&f, &r), LN_PERHAPS_SENT, "too_big");
  teardown(&f);
}

static void test_sink(void **s) {
  (void)s;
  fixture f;
  setup(&f);
  sink k = {0, 1000};
  ln_request r = to(&f, "GET", "/gzip");
  r.sink = on_chunk;
  r.sink_arg = &k;
  const got *g = ask(&f, &r);
  want(g, LN_ANSWERED, "");
  assert_int_equal(k.n, 11);
  assert_int_equal(g->body_n, 0);
  r = to(&f, "GET", "/endless");
  r.sink = on_chunk;
  r.sink_arg = &k;
  r.max_response = 1 << 30;
  want(ask(&f, &r), LN_PERHAPS_SENT, "too_big");
  teardown(&f);
}

static void test_addresses(void **s) {
  (void)s;
  static const char *const inside[] = {
      "127.0.0.1", "localhost",  "[::1]",  "[::ffff:127.0.0.1]", "0.0.0.0", "[::]", "169.254.169.254",
      "[fe80::1]", "2130706433", "0x7f.1", "[64:ff9b::7f00:1]"};
  fixture f;
  setup(&f);
  for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
    ln_request r = to(&f, "GET", "/");
    snprintf(f.url, sizeof f.url, "https://%s:%u/", inside[i], f.p->port);
    r.url = ln_str_of(f.url);
    r.loopback_ok = false;
    const got *g = ask(&f, &r);
    if (strcmp(g->err.code, "unavailable") == 0 && inside[i][0] == '[') continue; /* no IPv6 here */
    want(g, LN_NOT_SENT, "refused");
    assert_int_equal(g->err.retry, LN_FINAL);
  }
  ln_request r = to(&f, "GET", "/ok"); /* http:// without leave, and with it to elsewhere */
  r.loopback_ok = false;
  want(ask(&f, &r), LN_NOT_SENT, "refused");
  r = to(&f, "GET", "/");
  r.url = LN_STR("http://192.0.2.1/");
  want(ask(&f, &r), LN_NOT_SENT, "refused");
  assert_int_equal(atomic_load(&f.p->requests), 0);
  teardown(&f);
}

static void test_kinds(void **s) {
  (void)s;
  static const struct {
    const char *ip;
    ln_addr_kind kind;
  } v[] = {{"127.9.9.9", LN_ADDR_LOOPBACK},      {"10.0.0.1", LN_ADDR_OTHER},
           {"169.254.0.1", LN_ADDR_LINK_LOCAL},  {"0.1.2.3", LN_ADDR_UNSPECIFIED},
           {"::1", LN_ADDR_LOOPBACK},            {"::", LN_ADDR_UNSPECIFIED},
           {"fe80::1%lo", LN_ADDR_LINK_LOCAL},   {"febf::1", LN_ADDR_LINK_LOCAL},
           {"fec0::1", LN_ADDR_OTHER},           {"::ffff:169.254.1.1", LN_ADDR_LINK_LOCAL},
           {"::127.0.0.1", LN_ADDR_LOOPBACK},    {"64:ff9b::127.0.0.1", LN_ADDR_LOOPBACK},
           {"2002:7f00:1::", LN_ADDR_LOOPBACK},  {"2001:db8::1", LN_ADDR_OTHER},
           {"localhost", LN_ADDR_UNKNOWN},       {"", LN_ADDR_UNKNOWN}};
  for (size_t i = 0; i < sizeof v / sizeof *v; i++)
    if (ln_addr_kind_of_text(v[i].ip) != v[i].kind)
      fail_msg("%s is %s", v[i].ip, ln_addr_kind_name(ln_addr_kind_of_text(v[i].ip)));
}

static void test_no_proxy(void **s) {
  (void)s;
  fixture f;
  setup(&f);
  setenv("http_proxy", "http://127.0.0.1:1/", 1);
  setenv("ALL_PROXY", "http://127.0.0.1:1/", 1);
  want(get(&f, "/ok"), LN_ANSWERED, "");
  unsetenv("http_proxy");
  unsetenv("ALL_PROXY");
  teardown(&f);
}

static void stop_loop(void *arg) {
  ln_loop *l = arg;
  l->stop(l);
}

static void test_drop(void **s) {
  (void)s;
  fixture f;
  setup(&f);
  ln_request r = to(&f, "GET", "/hold"), bad = to(&f, "G T", "/");
  void *a = begin(&f, &r), *b = begin(&f, &bad), *c = begin(&f, &r);
  f.t->drop(f.t, a);
  f.t->drop(f.t, b);
  assert_true(ln_post(f.loop, stop_loop, f.loop));
  f.loop->run(f.loop);
  f.t->drop(f.t, c); /* in flight, perhaps */
  f.g.outstanding = 0;
  want(get(&f, "/ok"), LN_ANSWERED, "");
  begin(&f, &r); /* left to free */
  begin(&f, &bad);
  f.g.calls = 0;
  teardown(&f);
  assert_int_equal(f.g.calls, 0);
}

static void test_many(void **s) {
  (void)s;
  fixture f;
  setup(&f);
  for (int round = 0; round < 3; round++) {
    ln_request r = to(&f, "POST", "/ok");
    f.g.calls = 0;
    for (int i = 0; i < 12; i++) begin(&f, &r);
    f.loop->run(f.loop);
    assert_int_equal(f.g.calls, 12);
    want(&f.g, LN_ANSWERED, "");
  }
  assert_int_equal(atomic_load(&f.p->requests), 36);
  teardown(&f);
}

/* --- against our own server, on the same loop --- */

static void serve(void *arg, ln_exchange *x, const ln_server_request *r) {
  int *n = arg;
  ++*n;
  if (ln_str_eq(r->path, LN_STR("/cut")))
    ln_exchange_cut(x, LN_STR("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"));
  else if (ln_str_eq(r->path, LN_STR("/reset"))) ln_exchange_cut(x, (ln_str){NULL, 0});
  else assert_true(ln_exchange_reply(x, 201, NULL, 0, r->body));
}

static void test_own_server(void **s) {
  (void)s;
  static const ln_server_limits limits = {.max_body = 3000, .max_connections = 10, .whole_ms = 10000};
  fixture f;
  ln_err err;
  int handled = 0;
  setup(&f);
  ln_server *server = ln_server_mhd(f.loop, "127.0.0.1", 0, &limits, serve, &handled, &err);
  assert_non_null(server);
  uint16_t port = f.p->port;
  f.p->port = ln_server_port(server); /* what to() names */
  char body[3001];
  memset(body, 'b', sizeof body);
  ln_request r = to(&f, "PUT", "/x");
  r.body = (ln_str){body, 3000};
  const got *g = ask(&f, &r);
  want(g, LN_ANSWERED, "");
  assert_int_equal(g->status, 201);
  assert_int_equal(g->body_n, 3000);
  r.body.n = 3001;
  g = ask(&f, &r);
  want(g, LN_ANSWERED, "");
  assert_int_equal(g->status, 413);
  want(get(&f, "/cut"), LN_PERHAPS_SENT, "unavailable");
  want(get(&f, "/reset"), LN_PERHAPS_SENT, "unavailable");
  want(get(&f, "/y"), LN_ANSWERED, "");
  assert_int_equal(handled, 4);
  f.p->port = port;
  f.t->free(f.t);
  ln_server_free(server);
  f.t = ln_transport_curl(f.loop, &err);
  teardown(&f);
}

/* --- TLS --- */

static enum MHD_Result tls_handle(void *arg, struct MHD_Connection *c, const char *url, const char *method,
                                  const char *version, const char *data, size_t *n, void **request) {
  static char ok[] = "ok";
  (void)url, (void)method, (void)version, (void)data, (void)n;
  atomic_int *requests = arg;
  if (!*request) { /* answered in its second call: else the connection would not be kept */
    *request = ok;
    return MHD_YES;
  }
  atomic_fetch_add(requests, 1);
  struct MHD_Response *p = MHD_create_response_from_buffer(2, ok, MHD_RESPMEM_PERSISTENT);
  enum MHD_Result q = MHD_queue_response(c, 200, p);
  MHD_destroy_response(p);
  return q;
}

static const got *tls_get(fixture *f, const char *host, bool loopback_ok) {
  ln_request r = to(f, "GET", "/");
  snprintf(f->url, sizeof f->url, "https://%s:%u/", host, f->p->port);
  r.url = ln_str_of(f->url);
  r.loopback_ok = loopback_ok;
  return ask(f, &r);
}

static void test_tls(void **s) {
  (void)s;
  fixture f;
  atomic_int requests = 0;
  char *cert, *key, path[] = "/tmp/lunette-ca-XXXXXX";
  uint16_t port;
  setup(&f);
  make_certificate(&cert, &key);
  int file = mkstemp(path);
  assert_true(file >= 0 && write(file, cert, strlen(cert)) == (ssize_t)strlen(cert));
  struct MHD_Daemon *d =
      MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_TLS, 0, NULL, NULL, tls_handle, &requests,
                       MHD_OPTION_LISTEN_SOCKET, (MHD_socket)listener(&port), MHD_OPTION_HTTPS_MEM_CERT, cert,
                       MHD_OPTION_HTTPS_MEM_KEY, key, MHD_OPTION_END);
  assert_non_null(d);
  uint16_t own = f.p->port;
  f.p->port = port;
  const got *g = tls_get(&f, "localhost", true);
  want(g, LN_NOT_SENT, "unavailable"); /* nobody vouches for it */
  assert_int_equal(g->err.retry, LN_FINAL);
  f.ca = path;
  want(tls_get(&f, "127.0.0.1", true), LN_NOT_SENT, "unavailable"); /* not its name */
  assert_int_equal(atomic_load(&requests), 0);
  want(tls_get(&f, "localhost", true), LN_ANSWERED, "");
  want(tls_get(&f, "localhost", false), LN_NOT_SENT, "refused"); /* not even over the pooled connection */
  assert_int_equal(atomic_load(&requests), 1);
  want(tls_get(&f, "localhost", true), LN_ANSWERED, "");
  f.p->port = own;
  MHD_stop_daemon(d);
  unlink(path);
  close(file);
  free(cert), free(key);
  teardown(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_answered),
      cmocka_unit_test(test_no_redirect),
      cmocka_unit_test(test_spelling),
      cmocka_unit_test(test_head_method),
      cmocka_unit_test(test_bad_arguments),
      cmocka_unit_test(test_broken),
      cmocka_unit_test(test_never_twice),
      cmocka_unit_test(test_apart),
      cmocka_unit_test(test_stale),
      cmocka_unit_test(test_nobody_there),
      cmocka_unit_test(test_timeout),
      cmocka_unit_test(test_too_big),
      cmocka_unit_test(test_sink),
      cmocka_unit_test(test_addresses),
      cmocka_unit_test(test_kinds),
      cmocka_unit_test(test_no_proxy),
      cmocka_unit_test(test_drop),
      cmocka_unit_test(test_many),
      cmocka_unit_test(test_own_server),
      cmocka_unit_test(test_tls),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
