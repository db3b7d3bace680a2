/* vendor_test.c: a vendor's calls against a scripted one, in virtual time: every way to show who calls,
** limits, retries, the breaker, and what must never happen: a write sent twice, a loop on bad credentials. */
#include "base/jwt.h"
#include "base/log.h"
#include "net/breaker.h"
#include "net/retry.h"
#include "net/vendor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#define TEXT(z) {(z), sizeof(z) - 1}                     /* LN_STR, for what is static */

enum { MOST = 400 };

typedef struct seen {
  char method[8], url[256], auth[256], body[4096];
  int64_t at_ms;
} seen;

typedef struct reply {                                   /* one of the script; the last is repeated         */
  const char *path;                                      /* begins the path it answers; NULL: any */
  int status;
  const char *body;
  const char *name, *value;                              /* a header */
  char fails;                                            /* 'n': not sent, 'p': perhaps sent, 0: answered */
  int64_t after_ms;
  int times;                                             /* so often; 0: for ever */
} reply;

typedef struct world {
  ln_loop *loop;
  ln_transport *transport;
  ln_vendor *vendor;
  ln_rand rand;
  reply *script;
  seen seen[MOST];
  size_t n_seen;
  int in_flight, most_in_flight;
  int ends, good, token_asks;
  ln_call_end last;
  int64_t last_ms;
  const char *secret_missing;
  char pem[4096];                                        /* of the client's key */
} world;

static const ln_header *one_header(const reply *r) {
  static _Thread_local ln_header h[MOST];
  static _Thread_local size_t n;
  h[n % MOST] = (ln_header){ln_str_of(r->name), ln_str_of(r->value)};
  return &h[n++ % MOST];
}

static void on_free(ln_sim_reply *r) { (void)r; }

static void note_request(world *w, const ln_request *r) {
  assert_true(w->n_seen < MOST);
  seen *s = &w->seen[w->n_seen++];
  memset(s, 0, sizeof *s);
  s->at_ms = ln_mono_us(w->loop->clock) / 1000;
  snprintf(s->method, sizeof s->method, LN_STR_FMT, LN_STR_ARG(r->method));
  snprintf(s->url, sizeof s->url, LN_STR_FMT, LN_STR_ARG(r->url));
  snprintf(s->body, sizeof s->body, LN_STR_FMT, LN_STR_ARG(r->body));
  for (size_t i = 0; i < r->n_headers; i++)
    if (ln_str_ieq(r->headers[i].name, LN_STR("authorization")))
      snprintf(s->auth, sizeof s->auth, LN_STR_FMT, LN_STR_ARG(r->headers[i].value));
}

static bool handle(void *arg, const ln_request *r, ln_sim_reply *out) {
  world *w = arg;
  note_request(w, r);
  for (reply *p = w->script; p->status || p->fails; p++) {
    ln_sent sent = p->fails == 'n' ? LN_NOT_SENT : p->fails == 'p' ? LN_PERHAPS_SENT : LN_ANSWERED;
    ptrdiff_t at = p->path ? ln_str_find(r->url, ln_str_of(p->path)) : 0;
    if (at < 0 || p->times < 0) continue;
    if (p->times && --p->times == 0) p->times = -1;
    *out = (ln_sim_reply){.answer = {.sent = sent, .status = p->status, .body = ln_str_of(p->body)},
                          .after_ms = p->after_ms, .free = on_free};
    if (p->name) {
      out->answer.headers = one_header(p);
      out->answer.n_headers = 1;
    }
    if (p->fails) ln_fail(&out->answer.err, "unavailable", LN_AGAIN, "the connection was reset");
    return true;
  }
  return false;
}

/* Keys are their own values: "token" is "token-value". */
static bool value_of(void *arg, ln_str key, ln_buf *out, ln_err *err) {
  world *w = arg;
  if (w->secret_missing && ln_str_eq(key, ln_str_of(w->secret_missing)))
    return ln_fail(err, "not_found", LN_FINAL, "no secret of that name");
  if (ln_str_eq(key, LN_STR("key"))) return ln_buf_addz(out, w->pem);
  return ln_buf_add(out, key) && ln_buf_addz(out, "-value");
}

/* A token call's answer is "TOKEN SECONDS". */
static bool read_token(void *arg, const ln_answer *a, ln_buf *token, int64_t *life_s, ln_err *err) {
  world *w = arg;
  ln_str t, s;
  w->token_asks++;
  if (a->status >= 400) return ln_fail(err, "unauthorised", LN_FINAL, "refused");
  ln_str_cut(a->body, ' ', &t, &s);
  char digits[16];
  snprintf(digits, sizeof digits, LN_STR_FMT, LN_STR_ARG(s));
  *life_s = strtol(digits, NULL, 10);
  return ln_buf_add(token, t);
}

static const char *header(const ln_answer *a, const char *name) {
  static char z[64];
  ln_str v = ln_answer_header(a, ln_str_of(name));
  snprintf(z, sizeof z, LN_STR_FMT, LN_STR_ARG(v));
  return v.p ? z : NULL;
}

static void decode(void *arg, const ln_answer *a, ln_verdict *v, ln_limit_told *told) {
  const char *remaining = header(a, "x-remaining");
  (void)arg;
  v->good = a->status >= 200 && a->status < 300;
  v->token = a->status == 401;
  v->not_executed = a->status >= 400 && a->status < 500;
  if (a->status == 401) ln_fail(&v->err, "unauthorised", LN_FINAL, "bad token");
  else if (a->status == 429) ln_fail(&v->err, "rate_limited", LN_AGAIN, "too many");
  else if (a->status >= 500) ln_fail(&v->err, "unavailable", LN_AGAIN, "status %d", a->status);
  else ln_fail(&v->err, "failed", LN_FINAL, "status %d", a->status);
  if (remaining) {
    told->remaining = strtol(remaining, NULL, 10);
    told->reset_ms = 30000;
  }
  const char *wait = header(a, "x-wait");
  if (wait) told->wait_ms = 1000 * strtol(wait, NULL, 10);
  const char *running = header(a, "x-concurrency");
  if (running) told->concurrency = strtol(running, NULL, 10);
}

static void on_end(void *arg, const ln_call_end *end) {
  world *w = arg;
  w->ends++;
  w->good += end->good;
  w->last = *end;
  w->last.answer = NULL;
  w->last_ms = ln_mono_us(w->loop->clock) / 1000;
}

static const ln_auth bearer = {.kind = LN_AUTH_HEADER, .prefix = TEXT("SSWS "), .secret = TEXT("token")};
static const ln_str regions[] = {TEXT("https://api.eu.example.com")};
static const ln_auth oauth = {.kind = LN_AUTH_OAUTH2, .user = TEXT("id"), .secret = TEXT("secret"),
                              .path = TEXT("/oauth2/token"), .form = TEXT("grant_type=client_credentials"),
                              .expect = 201, .early_ms = 240000, .regions = regions, .n_regions = 1};

static world *setup_with(const ln_auth *auth, reply *script, int64_t pace) {
  ln_err err;
  world *w = calloc(1, sizeof *w);
  assert_non_null(w);
  w->loop = ln_loop_sim(1, 1700000000000, &err);
  w->transport = ln_transport_sim(w->loop, handle, w, &err);
  ln_rand_seed(&w->rand, 7);
  w->script = script;
  ln_vendor_opts o = {.name = "acme",
                      .url = LN_STR("https://api.example.com/"),
                      .auth = auth,
                      .value = value_of,
                      .token = read_token,
                      .arg = w,
                      .concurrency = 8,
                      .pace = pace};
  w->vendor = ln_vendor_new(w->loop, w->transport, &w->rand, &o, &err);
  assert_non_null(w->vendor);
  return w;
}

static world *setup(const ln_auth *auth, reply *script) { return setup_with(auth, script, 1); }

static void teardown(world *w) {
  ln_vendor_free(w->vendor);
  w->transport->free(w->transport);
  w->loop->free(w->loop);
  free(w);
}

static ln_calling *call_as(world *w, const char *path, bool write, const char *limit) {
  ln_err err;
  ln_call c = {.method = write ? LN_STR("POST") : LN_STR("GET"), .path = ln_str_of(path), .write = write,
               .limit = ln_str_of(limit), .decode = decode, .done = on_end, .arg = w};
  ln_calling *x = ln_vendor_send(w->vendor, &c, &err);
  assert_non_null(x);
  return x;
}

static void call(world *w, const char *path, bool write) { call_as(w, path, write, "op"); }
static void run(world *w) { w->loop->run(w->loop); }

/* --- showing who calls --- */

static void test_header_token(void **s) {
  (void)s;
  world *w = setup(&bearer, (reply[]){{.status = 200, .body = "{}"}, {0}});
  call(w, "/x?a=1", false);
  assert_int_equal(w->ends, 0); /* never from within the send */
  run(w);
  assert_int_equal(w->good, 1);
  assert_string_equal(w->seen[0].url, "https://api.example.com/x?a=1");
  assert_string_equal(w->seen[0].auth, "SSWS token-value");
  teardown(w);
}

static void test_basic(void **s) {
  (void)s;
  static const ln_auth basic = {.kind = LN_AUTH_BASIC, .user = TEXT("user"), .secret = TEXT("password")};
  world *w = setup(&basic, (reply[]){{.status = 200}, {0}});
  call(w, "/x", false);
  run(w);
  assert_string_equal(w->seen[0].auth, "Basic dXNlci12YWx1ZTpwYXNzd29yZC12YWx1ZQ==");
  teardown(w);
}

static void test_missing_secret(void **s) {
  (void)s;
  world *w = setup(&bearer, (reply[]){{.status = 200}, {0}});
  w->secret_missing = "token";
  call(w, "/x", true);
  run(w);
  assert_int_equal(w->n_seen, 0);
  assert_int_equal(w->last.acted, LN_ACTED_NOT);
  assert_string_equal(w->last.err.code, "not_found");
  teardown(w);
}

static void test_one_token_for_all(void **s) {
  (void)s;
  world *w =
      setup(&oauth, (reply[]){{.path = "/oauth2/token", .status = 201, .body = "first 1800", .after_ms = 50},
                              {.status = 200, .after_ms = 5},
                              {0}});
  for (int i = 0; i < 50; i++) call(w, "/x", false);
  run(w);
  assert_int_equal(w->good, 50);
  assert_int_equal(w->token_asks, 1);
  assert_string_equal(w->seen[0].body,
                      "grant_type=client_credentials&client_id=id-value&client_secret=secret-value");
  assert_string_equal(w->seen[0].auth, "");
  assert_string_equal(w->seen[1].auth, "Bearer first");
  teardown(w);
}

/* Fifty calls are refused at once: one renewal serves them all, and each asks once more. */
static void test_one_refresh_for_all(void **s) {
  (void)s;
  world *w =
      setup(&oauth, (reply[]){{.path = "/oauth2/token", .status = 201, .body = "old 1800", .times = 1},
                              {.path = "/oauth2/token", .status = 201, .body = "new 1800", .after_ms = 40},
                              {.status = 401, .after_ms = 10, .times = 8},
                              {.status = 200, .after_ms = 10},
                              {0}});
  for (int i = 0; i < 50; i++) call(w, "/x", true);
  run(w);
  assert_int_equal(w->good, 50);
  assert_int_equal(w->token_asks, 2);
  assert_int_equal(w->n_seen, 2 + 8 + 50);
  teardown(w);
}

static void test_early_renewal(void **s) {
  (void)s;
  world *w =
      setup(&oauth, (reply[]){{.path = "/oauth2/token", .status = 201, .body = "a 1800", .times = 1},
                              {.path = "/oauth2/token", .status = 201, .body = "b 1800", .after_ms = 100},
                              {.status = 200},
                              {0}});
  call(w, "/x", false);
  run(w);
  ln_timer nap = {0};
  nap.fn = (ln_task_fn)w->loop->stop; /* runs the clock up to 1700 s, within the last 240 s */
  nap.arg = w->loop;
  w->loop->timer(w->loop, &nap, 1700000);
  run(w);
  call(w, "/y", false); /* goes out with the old token while the new one is fetched */
  run(w);
  assert_int_equal(w->token_asks, 2);
  assert_string_equal(w->seen[2].auth[0] ? w->seen[2].auth : w->seen[3].auth, "Bearer a");
  call(w, "/z", false);
  run(w);
  assert_string_equal(w->seen[w->n_seen - 1].auth, "Bearer b");
  teardown(w);
}

/* A token that is refused when fresh ends the call, and soon all of them: no loop. */
static void test_no_loop_on_401(void **s) {
  (void)s;
  world *w = setup(
      &oauth, (reply[]){{.path = "/oauth2/token", .status = 201, .body = "t 1800"}, {.status = 401}, {0}});
  for (int i = 0; i < 40; i++) {
    call(w, "/x", false);
    run(w);
  }
  assert_int_equal(w->good, 0);
  assert_string_equal(w->last.err.code, "unauthorised");
  assert_true(w->n_seen < 15);
  teardown(w);
}

static void test_refused_credentials(void **s) {
  (void)s;
  world *w = setup(&oauth, (reply[]){{.path = "/oauth2/token", .status = 403}, {.status = 200}, {0}});
  for (int i = 0; i < 20; i++) call(w, "/x", false);
  run(w);
  for (int i = 0; i < 20; i++) {
    call(w, "/x", false);
    run(w);
  }
  assert_int_equal(w->ends, 40);
  assert_int_equal(w->token_asks, 1);
  assert_string_equal(w->last.err.code, "unauthorised");
  assert_int_equal(w->last.acted, LN_ACTED_NOT);
  teardown(w);
}

static void test_token_call_retried(void **s) {
  (void)s;
  world *w = setup(&oauth, (reply[]){{.path = "/oauth2/token", .fails = 'p', .times = 1},
                                     {.path = "/oauth2/token", .status = 503, .times = 1},
                                     {.path = "/oauth2/token", .status = 201, .body = "t 60"},
                                     {.status = 200},
                                     {0}});
  call(w, "/x", false);
  run(w);
  assert_int_equal(w->good, 1);
  assert_int_equal(w->n_seen, 4);
  teardown(w);
}

static void test_region(void **s) {
  (void)s;
  world *w =
      setup(&oauth, (reply[]){{.path = "api.eu.example.com/oauth2/token", .status = 201, .body = "t 1800"},
                              {.path = "/oauth2/token",
                               .status = 308,
                               .name = "Location",
                               .value = "https://api.eu.example.com/oauth2/token"},
                              {.status = 200},
                              {0}});
  call(w, "/x", false);
  run(w);
  assert_int_equal(w->good, 1);
  assert_string_equal(w->seen[2].url, "https://api.eu.example.com/x");
  assert_true(ln_str_eq(ln_vendor_base(w->vendor), LN_STR("https://api.eu.example.com")));
  teardown(w);
}

static void test_undeclared_region(void **s) {
  (void)s;
  world *w = setup(&oauth, (reply[]){{.path = "/oauth2/token", .status = 308, .name = "Location",
                                      .value = "https://api.eu.example.com.evil.example/oauth2/token"},
                                     {.status = 200}, {0}});
  call(w, "/x", false);
  run(w);
  assert_int_equal(w->good, 0);
  assert_int_equal(w->n_seen, 1);
  assert_string_equal(w->last.err.code, "unauthorised");
  teardown(w);
}

static void make_key(world *w) {
  EVP_PKEY *key = EVP_RSA_gen(2048);
  BIO *b = BIO_new(BIO_s_mem());
  assert_int_equal(PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL), 1);
  int n = BIO_read(b, w->pem, sizeof w->pem - 1);
  assert_true(n > 0);
  w->pem[n] = '\0';
  BIO_free(b);
  EVP_PKEY_free(key);
}

/* The claims of the assertion in a token call, its signature checked. */
static void claims_of(world *w, const char *body, ln_buf *claims) {
  ln_err err = {0};
  ln_buf head;
  const char *at = strstr(body, "client_assertion=");
  assert_non_null(at);
  at += strlen("client_assertion=");
  ln_str token = {at, strcspn(at, "&")};
  ln_buf_init(&head, 4096);
  ln_buf_init(claims, 4096);
  if (!ln_jwt_open(LN_STR("RS256"), ln_str_of(w->pem), token, &head, claims, &err))
    fail_msg("%s", err.message);
  assert_true(ln_str_find(ln_buf_view(&head), LN_STR("\"kid\":\"kid-value\"")) > 0);
  ln_buf_free(&head);
}

/* Each attempt is signed afresh: a vendor takes an assertion once. */
static void test_private_key_jwt(void **s) {
  (void)s;
  static const ln_auth jwt = {.kind = LN_AUTH_JWT,
                              .user = TEXT("client"),
                              .secret = TEXT("key"),
                              .kid = TEXT("kid"),
                              .scopes = TEXT("scopes"),
                              .alg = TEXT("RS256"),
                              .path = TEXT("/v1/token"),
                              .form = TEXT("grant_type=client_credentials")};
  world *w = setup(&jwt, (reply[]){{.path = "/v1/token", .status = 503, .times = 1},
                                   {.path = "/v1/token", .status = 200, .body = "t 3600"},
                                   {.status = 200},
                                   {0}});
  ln_buf one, two;
  make_key(w);
  call(w, "/x", false);
  run(w);
  assert_int_equal(w->good, 1);
  assert_string_equal(w->seen[2].auth, "Bearer t");
  assert_non_null(strstr(
      w->seen[0].body, "grant_type=client_credentials&scope=scopes-value&client_assertion_type=urn%3Aietf"));
  claims_of(w, w->seen[0].body, &one);
  claims_of(w, w->seen[1].body, &two);
  assert_false(ln_str_eq(ln_buf_view(&one), ln_buf_view(&two)));
  assert_true(ln_str_find(ln_buf_view(&one), LN_STR("\"aud\":\"https://api.example.com/v1/token\"")) > 0);
  assert_true(ln_str_find(ln_buf_view(&one), LN_STR("\"iss\":\"client-value\"")) > 0);
  ln_buf_free(&one);
  ln_buf_free(&two);
  teardown(w);
}

static void test_unreadable_key(void **s) {
  (void)s;
  static const ln_auth jwt = {.kind = LN_AUTH_JWT,
                              .user = TEXT("client"),
                              .secret = TEXT("secret"),
                              .alg = TEXT("RS256"),
                              .path = TEXT("/v1/token")};
  world *w = setup(&jwt, (reply[]){{.status = 200}, {0}});
  call(w, "/x", true);
  run(w);
  assert_int_equal(w->n_seen, 0);
  assert_int_equal(w->last.acted, LN_ACTED_NOT);
  assert_null(strstr(w->last.err.message, "secret-value"));
  teardown(w);
}

/* --- retries --- */

static void test_reads_retry(void **s) {
  (void)s;
  world *w = setup(&bearer, (reply[]){{.fails = 'p', .times = 1}, {.status = 502, .times = 1},
                                      {.fails = 'n', .times = 1}, {.status = 200}, {0}});
  call(w, "/x", false);
  run(w);
  assert_int_equal(w->good, 1);
  assert_int_equal(w->last.attempts, 4);
  teardown(w);
}

static void test_reads_give_up(void **s) {
  (void)s;
  world *w = setup(&bearer, (reply[]){{.status = 503}, {0}});
  call(w, "/x", false);
  run(w);
  assert_int_equal(w->n_seen, 5);
  assert_string_equal(w->last.err.code, "unavailable");
  assert_true(w->last_ms < 20000);
  teardown(w);
}

static void test_write_perhaps_sent_is_final(void **s) {
  (void)s;
  world *w = setup(&bearer, (reply[]){{.fails = 'p'}, {0}});
  call(w, "/x", true);
  run(w);
  assert_int_equal(w->n_seen, 1);
  assert_int_equal(w->last.acted, LN_ACTED_PERHAPS);
  teardown(w);
}

static void test_write_500_is_final(void **s) {
  (void)s;
  world *w = setup(&bearer, (reply[]){{.status = 500}, {0}});
  call(w, "/x", true);
  run(w);
  assert_int_equal(w->n_seen, 1);
  assert_int_equal(w->last.acted, LN_ACTED_PERHAPS);
  teardown(w);
}

static void test_write_not_sent_is_retried(void **s) {
  (void)s;
  world *w = setup(&bearer,
                   (reply[]){{.fails = 'n', .times = 2}, {.status = 429, .times = 1}, {.status = 200}, {0}});
  call(w, "/x", true);
  run(w);
  assert_int_equal(w->good, 1);
  assert_int_equal(w->n_seen, 4);
  teardown(w);
}

static void test_refused_write_did_not_act(void **s) {
  (void)s;
  world *w = setup(&bearer, (reply[]){{.status = 400}, {0}});
  call(w, "/x", true);
  run(w);
  assert_int_equal(w->n_seen, 1);
  assert_int_equal(w->last.acted, LN_ACTED_NOT);
  teardown(w);
}

static void test_retry_budget(void **s) {
  (void)s;
  world *w = setup(&bearer, (reply[]){{.status = 503}, {0}});
  for (int i = 0; i < 50; i++) call(w, "/x", false);
  run(w);
  assert_int_equal(w->ends, 50);
  assert_true(w->n_seen <= 50 + 20); /* a repeat each would be 250 */
  teardown(w);
}

static void test_retry_after(void **s) {
  (void)s;
  world *w = setup(
      &bearer,
      (reply[]){{.status = 429, .name = "Retry-After", .value = "20", .times = 1}, {.status = 200}, {0}});
  call(w, "/x", false);
  run(w);
  assert_int_equal(w->good, 1);
  assert_in_range(w->last_ms, 20000, 23000);
  teardown(w);
  assert_int_equal(ln_retry_after_ms(LN_STR("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777000 - 5000), 5000);
  assert_int_equal(ln_retry_after_ms(LN_STR("soon"), 0), -1);
  assert_int_equal(ln_retry_after_ms(LN_STR(" 7 "), 0), 7000);
}

static void test_pace(void **s) {
  (void)s;
  world *w = setup_with(
      &bearer,
      (reply[]){{.status = 429, .name = "Retry-After", .value = "20", .times = 1}, {.status = 200}, {0}}, 10);
  call(w, "/x", false);
  run(w);
  assert_in_range(w->last_ms, 2000, 3500);
  teardown(w);
}

static void test_patience(void **s) {
  (void)s;
  ln_err err;
  world *w = setup(&bearer, (reply[]){{.status = 429, .name = "Retry-After", .value = "600"}, {0}});
  ln_call c = {.method = LN_STR("GET"),
               .path = LN_STR("/x"),
               .patience_ms = 30000,
               .decode = decode,
               .done = on_end,
               .arg = w};
  assert_non_null(ln_vendor_send(w->vendor, &c, &err));
  run(w);
  assert_int_equal(w->n_seen, 1);
  assert_string_equal(w->last.err.code, "rate_limited");
  assert_true(w->last_ms < 30000);
  teardown(w);
}

static void test_time_out(void **s) {
  (void)s;
  ln_err err;
  world *w = setup(&bearer, (reply[]){{.status = 200, .after_ms = 90000}, {0}});
  ln_call c = {.method = LN_STR("POST"),
               .path = LN_STR("/x"),
               .write = true,
               .patience_ms = 5000,
               .decode = decode,
               .done = on_end,
               .arg = w};
  assert_non_null(ln_vendor_send(w->vendor, &c, &err));
  run(w);
  assert_int_equal(w->last_ms, 5000);
  assert_string_equal(w->last.err.code, "timeout");
  assert_int_equal(w->last.acted, LN_ACTED_PERHAPS);
  teardown(w);
}

/* --- limits --- */

static void test_remaining(void **s) {
  (void)s;
  world *w = setup(
      &bearer,
      (reply[]){{.status = 200, .name = "X-Remaining", .value = "0", .times = 1}, {.status = 200}, {0}});
  call(w, "/x", false);
  run(w);
  call(w, "/y", true);
  run(w);
  assert_int_equal(w->good, 2);
  assert_true(w->seen[1].at_ms >= 30000);
  teardown(w);
}

static void test_wait_holds_everybody(void **s) {
  (void)s;
  world *w = setup(
      &bearer, (reply[]){{.status = 429, .name = "X-Wait", .value = "60", .times = 1}, {.status = 200}, {0}});
  call(w, "/x", false);
  run(w);
  for (size_t i = 1; i < w->n_seen; i++) assert_true(w->seen[i].at_ms >= 60000);
  assert_int_equal(w->good, 1);
  teardown(w);
}

static void count_in_flight(world *w) {
  w->most_in_flight = 0;
  for (size_t i = 0; i < w->n_seen; i++) {
    int n = 0;
    for (size_t k = 0; k < w->n_seen; k++)
      n += w->seen[k].at_ms <= w->seen[i].at_ms && w->seen[i].at_ms < w->seen[k].at_ms + 100;
    if (n > w->most_in_flight) w->most_in_flight = n;
  }
}

static void test_concurrency(void **s) {
  (void)s;
  world *w = setup(&bearer, (reply[]){{.status = 200, .after_ms = 100}, {0}});
  for (int i = 0; i < 40; i++) call(w, "/x", false);
  run(w);
  count_in_flight(w);
  assert_int_equal(w->good, 40);
  assert_int_equal(w->most_in_flight, 8);
  assert_int_equal(w->last_ms, 500);
  teardown(w);
}

static void test_told_concurrency(void **s) {
  (void)s;
  world *w =
      setup(&bearer, (reply[]){{.status = 200, .after_ms = 100, .name = "X-Concurrency", .value = "2"}, {0}});
  call(w, "/x", false);
  run(w);
  w->n_seen = 0;
  for (int i = 0; i < 10; i++) call(w, "/x", false);
  run(w);
  count_in_flight(w);
  assert_int_equal(w->good, 11);
  assert_int_equal(w->most_in_flight, 2);
  teardown(w);
}

static void test_own_limit(void **s) {
  (void)s;
  ln_limits *l = ln_limits_new(4);
  ln_limit_told t = LN_LIMIT_SILENT;
  t.wait_ms = 500;
  t.own = true;
  ln_limits_told(l, LN_STR("a"), &t, 1000);
  assert_int_equal(ln_limits_when(l, LN_STR("a"), 1000), 1500);
  assert_int_equal(ln_limits_when(l, LN_STR("b"), 1000), 1000);
  t.own = false;
  t.wait_ms = 200;
  ln_limits_told(l, LN_STR("b"), &t, 1000);
  assert_int_equal(ln_limits_when(l, LN_STR("b"), 1000), 1200);
  assert_int_equal(ln_limits_when(l, LN_STR("a"), 1000), 1500);
  ln_limits_free(l);
}

/* --- the breaker --- */

static void test_breaker(void **s) {
  (void)s;
  world *w = setup(&bearer, (reply[]){{.status = 503, .times = 10}, {.status = 200}, {0}});
  for (int i = 0; i < 4; i++) {
    call(w, "/x", false);
    run(w);
  }
  size_t asked = w->n_seen;
  assert_true(asked <= 10);
  assert_int_equal(w->good, 0);
  ln_vendor_stats st;
  ln_vendor_stats_get(w->vendor, &st);
  assert_true(st.open);
  call(w, "/x", true); /* left alone: fails at once, certainly not sent */
  run(w);
  assert_int_equal(w->n_seen, asked);
  assert_int_equal(w->last.acted, LN_ACTED_NOT);
  assert_string_equal(w->last.err.code, "unavailable");
  teardown(w);
}

static void test_breaker_tries_one(void **s) {
  (void)s;
  ln_breaker b;
  ln_breaker_init(&b, 2, 1000);
  ln_breaker_bad(&b, 0);
  assert_int_equal(ln_breaker_ask(&b, 1), LN_GATE_OPEN);
  ln_breaker_bad(&b, 10);
  assert_int_equal(ln_breaker_ask(&b, 20), LN_GATE_SHUT);
  assert_int_equal(ln_breaker_ask(&b, 1010), LN_GATE_OPEN);
  assert_true(ln_breaker_sent(&b));
  assert_int_equal(ln_breaker_ask(&b, 1020), LN_GATE_WAIT);
  ln_breaker_bad(&b, 1030);
  assert_int_equal(ln_breaker_ask(&b, 1040), LN_GATE_SHUT);
  assert_int_equal(ln_breaker_ask(&b, 2030), LN_GATE_OPEN);
  ln_breaker_good(&b);
  assert_false(ln_breaker_sent(&b));
}

/* --- dropping --- */

static void test_drop(void **s) {
  (void)s;
  world *w = setup(&bearer, (reply[]){{.status = 200, .after_ms = 100}, {0}});
  ln_calling *x = call_as(w, "/x", false, "op");
  ln_vendor_drop(x); /* before it was sent */
  run(w);
  x = call_as(w, "/x", false, "op");
  ln_timer stop = {0};
  stop.fn = (ln_task_fn)w->loop->stop;
  stop.arg = w->loop;
  w->loop->timer(w->loop, &stop, 50);
  run(w);
  ln_vendor_drop(x); /* in flight */
  run(w);
  assert_int_equal(w->ends, 0);
  call(w, "/y", false);
  call(w, "/z", false);
  teardown(w); /* with calls under way: nothing leaks, nobody is called */
}

static void test_bad_path(void **s) {
  (void)s;
  ln_err err;
  world *w = setup(&bearer, (reply[]){{.status = 200}, {0}});
  ln_call c = {.method = LN_STR("GET"), .path = LN_STR("x"), .done = on_end, .arg = w};
  assert_null(ln_vendor_send(w->vendor, &c, &err));
  assert_string_equal(err.code, "bad_argument");
  teardown(w);
}

/* --- a call that keeps its place until its caller says so --- */

typedef struct patient { world *w; ln_calling *x; int came, put_off; bool drops, waits; } patient;

static void on_turn(void *arg, bool come) {
  patient *p = arg;
  p->came += come;
  p->put_off += !come;
  if (p->drops) {
    ln_vendor_drop(p->x);
    p->x = NULL;
  } else if (come && !p->waits) {
    size_t before = p->w->n_seen;
    ln_vendor_go(p->x);
    assert_int_equal(p->w->n_seen, before + 1);           /* in this very call */
  }
}

static void on_patient_end(void *arg, const ln_call_end *end) {
  patient *p = arg;
  p->x = NULL;
  on_end(p->w, end);
}

static void wait_for_turn(world *w, patient *p) {
  ln_err err;
  ln_call c = {.method = LN_STR("POST"), .path = LN_STR("/held"), .write = true, .limit = LN_STR("op"),
               .decode = decode, .turn = on_turn, .done = on_patient_end, .arg = p};
  p->w = w;
  p->x = ln_vendor_send(w->vendor, &c, &err);
  assert_non_null(p->x);
}

static void test_turn(void **s) {
  (void)s;
  patient p = {0};
  world *w = setup(&bearer, (reply[]){{.status = 429, .times = 2}, {.status = 200}, {0}});
  wait_for_turn(w, &p);
  run(w);
  assert_int_equal(w->good, 1);
  assert_int_equal(w->n_seen, 3);
  assert_int_equal(p.came, 3);                           /* each attempt is asked for */
  assert_int_equal(p.put_off, 2);
  teardown(w);
}

static void run_for(world *w, int64_t ms) {
  ln_timer later = {.loop = w->loop, .fn = (ln_task_fn)w->loop->stop, .arg = w->loop};
  w->loop->timer(w->loop, &later, ms);
  run(w);
}

/* A kept place is one that nobody else has; given back, it is the next one's. */
static void test_turn_keeps_its_place(void **s) {
  (void)s;
  patient p = {.waits = true};
  world *w = setup(&bearer, (reply[]){{.status = 200, .name = "x-concurrency", .value = "1"}, {0}});
  call(w, "/first", false);
  run(w);
  wait_for_turn(w, &p);
  call(w, "/second", false);
  run_for(w, 5000);
  assert_int_equal(p.came, 1);
  assert_int_equal(w->n_seen, 1);
  ln_vendor_drop(p.x);
  run(w);
  assert_int_equal(w->n_seen, 2);
  assert_string_equal(w->seen[1].url, "https://api.example.com/second");
  teardown(w);
}

static void test_turn_is_dropped_from_within(void **s) {
  (void)s;
  patient p = {.drops = true};
  world *w = setup(&bearer, (reply[]){{.status = 200}, {0}});
  wait_for_turn(w, &p);
  call(w, "/other", false);
  run(w);
  assert_null(p.x);
  assert_int_equal(w->n_seen, 1);
  assert_int_equal(w->ends, 1);
  patient q = {.waits = true};
  wait_for_turn(w, &q);                                  /* one that nobody lets go, when the vendor ends */
  run(w);
  teardown(w);
}

/* The token ran out while it waited: it is renewed, and the turn comes once more. */
static void test_turn_outlives_its_token(void **s) {
  (void)s;
  patient p = {.waits = true};
  world *w =
      setup(&oauth, (reply[]){{.path = "/oauth2", .status = 201, .body = "T 300"}, {.status = 200}, {0}});
  wait_for_turn(w, &p);
  run(w);
  assert_int_equal(p.came, 1);
  run_for(w, 400000);
  p.waits = false;
  size_t before = w->n_seen;
  ln_vendor_go(p.x);
  assert_true(w->n_seen <= before + 1);                   /* at most the token's own call */
  run(w);
  assert_int_equal(p.came, 2);
  assert_int_equal(w->good, 1);
  assert_int_equal(w->token_asks, 2);
  teardown(w);
}

int main(void) {
  ln_log_level(LN_ERROR);
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_header_token),
                                     cmocka_unit_test(test_basic),
                                     cmocka_unit_test(test_missing_secret),
                                     cmocka_unit_test(test_one_token_for_all),
                                     cmocka_unit_test(test_one_refresh_for_all),
                                     cmocka_unit_test(test_early_renewal),
                                     cmocka_unit_test(test_no_loop_on_401),
                                     cmocka_unit_test(test_refused_credentials),
                                     cmocka_unit_test(test_token_call_retried),
                                     cmocka_unit_test(test_private_key_jwt),
                                     cmocka_unit_test(test_unreadable_key),
                                     cmocka_unit_test(test_region),
                                     cmocka_unit_test(test_undeclared_region),
                                     cmocka_unit_test(test_reads_retry),
                                     cmocka_unit_test(test_reads_give_up),
                                     cmocka_unit_test(test_write_perhaps_sent_is_final),
                                     cmocka_unit_test(test_write_500_is_final),
                                     cmocka_unit_test(test_write_not_sent_is_retried),
                                     cmocka_unit_test(test_refused_write_did_not_act),
                                     cmocka_unit_test(test_retry_budget),
                                     cmocka_unit_test(test_retry_after),
                                     cmocka_unit_test(test_pace),
                                     cmocka_unit_test(test_patience),
                                     cmocka_unit_test(test_time_out),
                                     cmocka_unit_test(test_remaining),
                                     cmocka_unit_test(test_wait_holds_everybody),
                                     cmocka_unit_test(test_concurrency),
                                     cmocka_unit_test(test_told_concurrency),
                                     cmocka_unit_test(test_own_limit),
                                     cmocka_unit_test(test_breaker),
                                     cmocka_unit_test(test_breaker_tries_one),
                                     cmocka_unit_test(test_drop),
                                     cmocka_unit_test(test_bad_path),
                                     cmocka_unit_test(test_turn),
                                     cmocka_unit_test(test_turn_keeps_its_place),
                                     cmocka_unit_test(test_turn_is_dropped_from_within),
                                     cmocka_unit_test(test_turn_outlives_its_token)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
