/* routes_test.c: which request is whose: paths and their tricks, the table itself, how often one may ask, and
** what the service manager hears. */
#include "server/http.h"
#include "server/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static ln_found found(const char *method, const char *path) {
  ln_match m;
  ln_found f = ln_route_find(ln_str_of(method), ln_str_of(path), &m);
  free(m.texts);
  return f;
}

static void test_paths(void **s) {
  (void)s;
  static const char *const none[] = {"/v1",
                                     "/v1/",
                                     "/v1/runs/",
                                     "//",
                                     "//v1/runs",
                                     "/v1//runs",
                                     "/v1/./runs",
                                     "/v1/../v1/runs",
                                     "/V1/runs",
                                     "/v1/runs/a/b",
                                     "/v1/runs;x",
                                     "/v1%2fruns",
                                     "/v1/runs/x/cancel/",
                                     "/v1/runs//cancel"};
  static const char *const bad[] = {"/v1/runs/%",    "/v1/runs/%2",     "/v1/runs/%zz", "/v1/runs/%00",
                                    "/v1/runs/a%0d", "/v1/runs/.",      "/v1/runs/..",  "/v1/runs/%2e%2E",
                                    "/v1/runs/%ff",  "/v1/runs/%c0%af", "/v1/runs/%7f", "/v1/runs/\xff"};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++)
    if (found("GET", none[i]) != LN_NO_PATH && found("POST", none[i]) != LN_NO_PATH) fail_msg("%s", none[i]);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (found("GET", bad[i]) != LN_BAD_PATH) fail_msg("%s", bad[i]);
  assert_int_equal(found("GET", "v1/runs"), LN_BAD_PATH);
  assert_int_equal(found("OPTIONS", "*"), LN_BAD_PATH);
  assert_int_equal(found("GET", ""), LN_BAD_PATH);
  assert_int_equal(found("get", "/v1/runs"), LN_NO_METHOD);
  assert_int_equal(found("GET", "/"), LN_FOUND);
  assert_int_equal(found("POST", "/"), LN_NO_METHOD);
  assert_int_equal(found("HEAD", "/v1/runs"), LN_FOUND);
  assert_int_equal(found("HEAD", "/v1/runs/x/cancel"), LN_NO_METHOD);
}

static void test_parts(void **s) {
  (void)s;
  ln_match m;
  assert_int_equal(ln_route_find(LN_STR("POST"), LN_STR("/v1/runs/01AB/signals/a%2Fb%20c+%c3%a9"), &m),
                   LN_FOUND);
  assert_string_equal(m.part[0].p, "01AB");
  assert_string_equal(m.part[1].p, "a/b c+\xc3\xa9");
  free(m.texts);
  assert_int_equal(ln_route_find(LN_STR("POST"), LN_STR("/v1/entities/a%3Ab:c%252e/release"), &m), LN_FOUND);
  assert_string_equal(m.part[0].p, "a:b:c%2e"); /* decoded once                                  */
  free(m.texts);
  assert_int_equal(ln_route_find(LN_STR("PATCH"), LN_STR("/v1/freeze"), &m), LN_NO_METHOD);
  assert_string_equal(m.allow, "GET, HEAD, POST, DELETE");
}

static void test_decode(void **s) {
  (void)s;
  ln_buf b;
  ln_buf_init(&b, 100);
  assert_true(ln_url_decode(LN_STR("a+b%2Bc"), true, &b));
  assert_true(ln_str_eq(ln_buf_view(&b), LN_STR("a b+c")));
  ln_buf_cut(&b, 0);
  assert_true(ln_url_decode(LN_STR(""), true, &b));
  assert_false(ln_url_decode(LN_STR("%0a"), true, &b));
  assert_false(ln_url_decode(LN_STR("%e2%82"), true, &b)); /* half a character                            */
  ln_buf_free(&b);
}

/* Only health, signing in, and the links of messages, which lead there, are for everybody. */
static bool is_sign_in(const ln_route *r) {
  return strncmp(r->path, "/v1/signin", 10) == 0 || strcmp(r->path, "/v1/open/{token}") == 0 ||
         (strcmp(r->method, "POST") == 0 && strcmp(r->path, "/v1/session") == 0);
}

/* Whoever adds a route says all of it. */
static void test_table(void **s) {
  (void)s;
  for (const ln_route *r = ln_routes; r->path; r++) {
    assert_non_null(r->fn);
    assert_true(r->summary[0] && r->status >= 200 && r->status < 400);
    assert_true(r->answer || r->type);
    assert_true(r->role != LN_ROLE_NONE || strncmp(r->path, "/v1/", 4) != 0 || is_sign_in(r));
    for (const ln_route *q = ln_routes; q != r; q++)
      assert_false(strcmp(q->path, r->path) == 0 && strcmp(q->method, r->method) == 0);
  }
}

static void test_rate(void **s) {
  (void)s;
  ln_rate *r = ln_rate_new(10, 3);
  char peer[32];
  for (int i = 0; i < 3; i++) assert_int_equal(ln_rate_take(r, LN_STR("192.0.2.1"), 1000), 0);
  int64_t wait = ln_rate_take(r, LN_STR("192.0.2.1"), 1000);
  assert_true(wait > 0 && wait <= 101);
  assert_int_equal(ln_rate_take(r, LN_STR("192.0.2.2"), 1000), 0); /* another's turn is another's         */
  assert_int_equal(ln_rate_take(r, LN_STR("192.0.2.1"), 1000 + wait), 0);
  assert_int_not_equal(ln_rate_take(r, LN_STR("192.0.2.1"), 1000 + wait), 0);
  for (int i = 0; i < 3; i++) assert_int_equal(ln_rate_take(r, LN_STR("2001:db8:1:2::1"), 1000), 0);
  assert_int_not_equal(ln_rate_take(r, LN_STR("2001:db8:1:2:ffff::9"), 1000), 0); /* one network           */
  assert_int_equal(ln_rate_take(r, LN_STR("2001:db8:1:3::1"), 1000), 0);
  for (int i = 0; i < 3; i++) assert_int_equal(ln_rate_take(r, LN_STR("::ffff:192.0.2.7"), 1000), 0);
  assert_int_not_equal(ln_rate_take(r, LN_STR("::ffff:192.0.2.7"), 1000), 0);
  assert_int_not_equal(ln_rate_take(r, LN_STR("192.0.2.7"), 1000), 0);            /* the same one          */
  assert_int_equal(ln_rate_take(r, LN_STR("::ffff:192.0.2.8"), 1000), 0);         /* and another           */
  /* Whoever has used up their turns gains none by having others come. */
  for (int i = 0; i < 50000; i++) {
    snprintf(peer, sizeof peer, "10.%d.%d.%d", i >> 16, (i >> 8) & 255, i & 255);
    ln_rate_take(r, ln_str_of(peer), 1101);
  }
  assert_int_not_equal(ln_rate_take(r, LN_STR("192.0.2.1"), 1101), 0);
  ln_rate_free(r);
}

static void test_manager(void **s) {
  (void)s;
  char path[] = "/tmp/lunette-notify-XXXXXX", heard[64] = "", pid[24];
  struct sockaddr_un sa = {.sun_family = AF_UNIX};
  ln_notify("READY=1"); /* nobody manages us                             */
  assert_non_null(mkdtemp(path));
  snprintf(sa.sun_path, sizeof sa.sun_path, "%s/s", path);
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
  setenv("NOTIFY_SOCKET", sa.sun_path, 1);
  ln_notify("READY=1");
  assert_int_equal(recv(fd, heard, sizeof heard - 1, 0), 7);
  assert_string_equal(heard, "READY=1");
  unlink(sa.sun_path);
  rmdir(path);
  close(fd);
  ln_notify("STOPPING=1"); /* nobody is there any more: quiet               */
  unsetenv("NOTIFY_SOCKET");
  setenv("LISTEN_FDS", "1", 1);
  setenv("LISTEN_PID", "1", 1);
  assert_int_equal(ln_notify_socket(), 0); /* it is for another process                     */
  snprintf(pid, sizeof pid, "%d", (int)getpid());
  setenv("LISTEN_FDS", "1", 1);
  setenv("LISTEN_PID", pid, 1);
  assert_int_equal(ln_notify_socket(), 3);
  assert_null(getenv("LISTEN_FDS"));
  assert_int_equal(ln_notify_socket(), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_paths),  cmocka_unit_test(test_parts),
                                     cmocka_unit_test(test_decode), cmocka_unit_test(test_table),
                                     cmocka_unit_test(test_rate),   cmocka_unit_test(test_manager)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
