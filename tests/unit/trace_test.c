/* trace_test.c: traceparent headers, ids that follow from names, spans as OTLP/JSON; and the exporter against
** a scripted collector, in virtual time: batches, what is sent again and what is not, a bounded queue. */
#include "base/log.h"
#include "engine/traces.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* ------------------------------------------------------------------ traceparent */

#define ID "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

static void test_traceparent(void **state) {
  (void)state;
  static const struct { const char *text; bool is, sampled; } cases[] = {
      {"00-" ID "-" SPAN "-01", true, true},
      {"00-" ID "-" SPAN "-00", true, false},
      {"00-" ID "-" SPAN "-ff", true, true},             /* flags that nobody knows are passed over */
      {"00-" ID "-" SPAN "-02", true, false},
      {"cc-" ID "-" SPAN "-01", true, true},             /* a later version is read as this one */
      {"cc-" ID "-" SPAN "-01-more", true, true},
      {"cc-" ID "-" SPAN "-01more", false, false},
      {"00-" ID "-" SPAN "-01-more", false, false},
      {"00-" ID "-" SPAN "-01 ", false, false},
      {"ff-" ID "-" SPAN "-01", false, false},
      {"0-" ID "-" SPAN "-01", false, false},
      {"00-" ID "-" SPAN "-1", false, false},
      {"00-" ID "-" SPAN, false, false},
      {"00-00000000000000000000000000000000-" SPAN "-01", false, false},
      {"00-" ID "-0000000000000000-01", false, false},
      {"00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01", false, false},
      {"00-" ID "-B7AD6B7169203331-01", false, false},
      {"0A-" ID "-" SPAN "-01", false, false},
      {"00-" ID "-" SPAN "-0A", false, false},
      {"00_" ID "_" SPAN "_01", false, false},
      {"00-0af7651916cd43dd8448eb211c80319-" SPAN "-011", false, false},
      {"00-0af7651916cd43dd8448eb211c80319g-" SPAN "-01", false, false},
      {"", false, false}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    ln_trace t = {.sampled = !cases[i].sampled};
    char again[LN_TRACEPARENT + 1];
    bool is = ln_trace_read(ln_str_of(cases[i].text), &t);
    if (is != cases[i].is) fail_msg("%s", cases[i].text);
    if (!is) continue;
    assert_int_equal(t.sampled, cases[i].sampled);
    ln_trace_write(&t, again);
    assert_string_equal(again, t.sampled ? "00-" ID "-" SPAN "-01" : "00-" ID "-" SPAN "-00");
  }
}

static void test_no_length_is_read_beyond(void **state) {
  (void)state;
  const char whole[] = "00-" ID "-" SPAN "-01";
  for (size_t n = 0; n < LN_TRACEPARENT; n++) {
    char *part = malloc(n + 1);
    ln_trace t;
    memcpy(part, whole, n);
    assert_false(ln_trace_read((ln_str){part, n}, &t));
    free(part);
  }
}

/* A store's runs outlive the program that began them: their ids must not change with it. */
static void test_ids_follow_from_names(void **state) {
  (void)state;
  uint8_t id[LN_TRACE_ID], run[LN_SPAN_ID], step[LN_SPAN_ID], other[LN_SPAN_ID];
  char hex[2 * LN_TRACE_ID + 1];
  ln_str ulid = LN_STR("01JD8F2C0000000000000000AB");
  ln_trace_id_of("trace", ulid, id);
  ln_hex(id, sizeof id, hex);
  assert_string_equal(hex, "3c1e2182edf613b52da184f5dc957954");
  ln_span_id_of("step", ulid, LN_STR("harden/okta.users#1"), step);
  ln_hex(step, sizeof step, hex);
  assert_string_equal(hex, "73b8571698b65718");
  ln_span_id_of("run", ulid, (ln_str){NULL, 0}, run);
  assert_memory_not_equal(run, step, sizeof run);
  ln_span_id_of("stage", ulid, LN_STR("harden/okta.users#1"), other);
  assert_memory_not_equal(other, step, sizeof other);
  ln_span_id_of("step", LN_STR("01JD8F2C0000000000000000AC"), LN_STR("harden/okta.users#1"), other);
  assert_memory_not_equal(other, step, sizeof other);
}

static void test_a_share_is_of_all(void **state) {
  (void)state;
  size_t in = 0;
  for (size_t i = 0; i < 4000; i++) {
    char name[LN_INT_TEXT];
    uint8_t id[LN_TRACE_ID];
    ln_trace_id_of("trace", ln_str_int((int64_t)i, name), id);
    assert_true(ln_trace_in_share(id, 1));
    assert_false(ln_trace_in_share(id, 0));
    in += ln_trace_in_share(id, 0.25);
    assert_true(!ln_trace_in_share(id, 0.1) || ln_trace_in_share(id, 0.25));
  }
  assert_true(in > 850 && in < 1150);
}

/* ------------------------------------------------------------------ JSON */

static ln_span one(const char *name, int64_t at_ms) {
  ln_span s = {.what = LN_SPAN_STEP, .start_ms = at_ms, .end_ms = at_ms + 5, .cls = "read"};
  memset(s.trace, 0xab, sizeof s.trace);
  memset(s.id, 0x01, sizeof s.id);
  snprintf(s.name, sizeof s.name, "%s", name);
  return s;
}

static void test_json(void **state) {
  (void)state;
  ln_buf b;
  ln_span s = one("okta.add_to_group", 1732442280123);
  const ln_span *v[] = {&s, &s};
  s.client = s.failed = true;
  memset(s.parent, 0x02, sizeof s.parent);
  snprintf(s.error, sizeof s.error, "forbidden");
  s.status = 403;
  snprintf(s.d3fend[0], sizeof s.d3fend[0], "D3-ANCI");
  s.events[s.n_events++] = (ln_span_event){1732442280124, 7, "waiting"};
  s.events[s.n_events++] = (ln_span_event){1732442280125, 7, "denied"};
  ln_buf_init(&b, 1 << 16);
  ln_traces_json(v, 1, LN_STR("a \"service\""), &b);
  char *text = ln_buf_take(&b, NULL);
  assert_non_null(text);
  assert_string_equal(
      text,
      "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":"
      "{\"stringValue\":\"a \\\"service\\\"\"}}]},\"scopeSpans\":[{\"scope\":{\"name\":\"lunette\","
      "\"version\":\"0.1\"},\"spans\":["
      "{\"traceId\":\"abababababababababababababababab\",\"spanId\":\"0101010101010101\","
      "\"parentSpanId\":\"0202020202020202\",\"name\":\"okta.add_to_group\",\"kind\":3,"
      "\"startTimeUnixNano\":\"1732442280123000000\",\"endTimeUnixNano\":\"1732442280128000000\","
      "\"attributes\":["
      "{\"key\":\"lunette.operation\",\"value\":{\"stringValue\":\"okta.add_to_group\"}},"
      "{\"key\":\"lunette.class\",\"value\":{\"stringValue\":\"read\"}},"
      "{\"key\":\"lunette.d3fend\",\"value\":{\"arrayValue\":{\"values\":[{\"stringValue\":\"D3-ANCI\"}]}}},"
      "{\"key\":\"http.response.status_code\",\"value\":{\"intValue\":\"403\"}},"
      "{\"key\":\"error.type\",\"value\":{\"stringValue\":\"forbidden\"}}],"
      "\"events\":[{\"timeUnixNano\":\"1732442280124000000\",\"name\":\"lunette.approval.waiting\","
      "\"attributes\":[{\"key\":\"lunette.approval\",\"value\":{\"intValue\":\"7\"}}]},"
      "{\"timeUnixNano\":\"1732442280125000000\",\"name\":\"lunette.approval.decided\","
      "\"attributes\":[{\"key\":\"lunette.approval\",\"value\":{\"intValue\":\"7\"}},"
      "{\"key\":\"lunette.approval.state\",\"value\":{\"stringValue\":\"denied\"}}]}],"
      "\"status\":{\"code\":2}}]}]}]}");
  free(text);
  s = one("x", 5);
  s.end_ms = 1;                                          /* a clock that was set back */
  ln_traces_json(v, 2, LN_STR("s"), &b);
  text = ln_buf_take(&b, NULL);
  assert_non_null(strstr(text, "\"startTimeUnixNano\":\"5000000\",\"endTimeUnixNano\":\"5000000\""));
  assert_non_null(strstr(text, "\"status\":{}},{\"traceId\""));
  assert_null(strstr(text, "parentSpanId"));
  free(text);
}

/* ------------------------------------------------------------------ the exporter */

enum { MOST = 32 };

typedef struct collector {
  ln_loop *loop;
  ln_transport *transport;
  ln_rand rand;
  ln_config config;
  ln_engine g;
  ln_traces *t;
  int script[MOST];                                      /* statuses; 0: nobody is there; the last goes on */
  size_t n_script, asked, spans;
  const char *retry_after;
  char first[512];                                       /* of each body */
  size_t body[MOST];
  int64_t at_ms[MOST];
} collector;

static void answered(ln_sim_reply *r) { (void)r; }

static bool collect(void *arg, const ln_request *r, ln_sim_reply *out) {
  collector *c = arg;
  static ln_header h;
  size_t i = c->asked < c->n_script ? c->asked : c->n_script - 1;
  assert_true(c->asked < MOST);
  assert_true(ln_str_eq(r->method, LN_STR("POST")));
  c->body[c->asked] = r->body.n;
  c->at_ms[c->asked++] = ln_mono_us(c->loop->clock) / 1000;
  snprintf(c->first, sizeof c->first, "%.*s", r->body.n < 500 ? (int)r->body.n : 500, r->body.p);
  if (!c->script[i]) return false;
  if (c->script[i] == 200)
    for (ln_str rest = r->body, at; ln_str_find(rest, LN_STR("\"spanId\"")) >= 0; c->spans++) {
      at = rest;
      rest.p += ln_str_find(at, LN_STR("\"spanId\"")) + 8;
      rest.n = (size_t)(at.p + at.n - rest.p);
    }
  *out = (ln_sim_reply){
      .answer = {.sent = LN_ANSWERED, .status = c->script[i]}, .after_ms = 3, .free = answered};
  h = (ln_header){LN_STR("Retry-After"), ln_str_of(c->retry_after ? c->retry_after : "")};
  out->answer.headers = &h;
  out->answer.n_headers = c->retry_after ? 1 : 0;
  return true;
}

static void set_up(collector *c, size_t n, const int *script) {
  ln_err err = {0};
  memset(c, 0, sizeof *c);
  ln_rand_seed(&c->rand, 1);
  c->loop = ln_loop_sim(1, 0, &err);
  c->transport = ln_transport_sim(c->loop, collect, c, &err);
  memcpy(c->script, script, n * sizeof *script);
  c->n_script = n;
  c->config.traces = (ln_traces_config){.url = LN_STR("http://127.0.0.1:4318/v1/traces"),
                                        .service = LN_STR("lunette"), .sample = 1, .loopback = true};
  c->g = (ln_engine){.loop = c->loop, .transport = c->transport, .rand = &c->rand, .config = &c->config};
  assert_true(ln_traces_start(&c->g, &c->t, &err) && c->t);
  ln_log_level(LN_ERROR);
}

static void tear_down(collector *c) {
  ln_traces_stop(c->t, 0);
  c->transport->free(c->transport);
  c->loop->free(c->loop);
}

static void put(collector *c, size_t n) {
  for (size_t i = 0; i < n; i++) {
    ln_span s = one("step", (int64_t)i + 1);
    ln_traces_put(c->t, &s);
  }
}

static ln_traces_stats stats(const collector *c) {
  ln_traces_stats s;
  ln_traces_stats_get(c->t, &s);
  return s;
}

static void test_nothing_is_configured(void **state) {
  (void)state;
  ln_config config = {.listens = false};
  ln_engine g = {.config = &config};
  ln_traces *t = (ln_traces *)&config;
  ln_err err = {0};
  assert_true(ln_traces_start(&g, &t, &err));
  assert_null(t);
  ln_traces_stop(t, 0);
}

static void test_a_batch(void **state) {
  (void)state;
  collector c;
  set_up(&c, 1, (int[]){200});
  put(&c, 3);
  c.loop->run(c.loop);
  assert_int_equal(c.asked, 1);
  assert_int_equal(c.at_ms[0], 1000);
  assert_int_equal(c.spans, 3);
  assert_int_equal(stats(&c).sent, 3);
  put(&c, 512);                                          /* a full one goes at once */
  c.loop->run(c.loop);
  assert_int_equal(c.asked, 2);
  assert_true(c.at_ms[1] < c.at_ms[0] + 100);
  assert_int_equal(stats(&c).sent, 515);
  assert_int_equal(stats(&c).dropped, 0);
  tear_down(&c);
}

static void test_the_queue_is_bounded(void **state) {
  (void)state;
  collector c;
  set_up(&c, 1, (int[]){200});
  put(&c, LN_SPAN_RING + 10);
  assert_int_equal(stats(&c).waiting, LN_SPAN_RING);
  assert_int_equal(stats(&c).dropped, 10);
  c.loop->run(c.loop);
  assert_int_equal(c.spans, LN_SPAN_RING);
  assert_int_equal(stats(&c).sent, LN_SPAN_RING);
  assert_int_equal(stats(&c).waiting, 0);
  tear_down(&c);
}

static void test_the_oldest_go(void **state) {
  (void)state;
  collector c;
  set_up(&c, 1, (int[]){200});
  put(&c, LN_SPAN_RING + 1);                             /* begins at 1 ms, and so on */
  c.loop->run(c.loop);
  assert_int_equal(c.asked, LN_SPAN_RING / 512);
  assert_int_equal(stats(&c).dropped, 1);
  assert_null(strstr(c.first, "\"startTimeUnixNano\":\"1000000\""));
  tear_down(&c);
}

static void test_it_is_sent_again_when_it_may(void **state) {
  (void)state;
  collector c;
  set_up(&c, 5, (int[]){503, 429, 502, 504, 200});
  c.retry_after = "7";
  put(&c, 2);
  c.loop->run(c.loop);
  assert_int_equal(c.asked, 5);
  for (int i = 1; i < 5; i++) {
    assert_int_equal(c.body[i], c.body[0]);              /* the same, or a collector would have it twice */
    assert_int_equal(c.at_ms[i] - c.at_ms[i - 1], 7003);
  }
  assert_int_equal(stats(&c).sent, 2);
  assert_int_equal(stats(&c).dropped, 0);
  tear_down(&c);
}

static void test_what_is_refused_is_dropped(void **state) {
  (void)state;
  collector c;
  set_up(&c, 2, (int[]){400, 200});
  put(&c, 2);
  c.loop->run(c.loop);
  assert_int_equal(c.asked, 1);
  assert_int_equal(stats(&c).dropped, 2);
  put(&c, 1);
  c.loop->run(c.loop);
  assert_int_equal(stats(&c).sent, 1);
  tear_down(&c);
}

static void test_nobody_is_there(void **state) {
  (void)state;
  collector c;
  set_up(&c, 1, (int[]){0});
  put(&c, 2);
  c.loop->run(c.loop);
  assert_int_equal(c.asked, 8);
  assert_int_equal(stats(&c).dropped, 2);
  tear_down(&c);
}

static void test_the_end_sends_what_is_there(void **state) {
  (void)state;
  collector c;
  set_up(&c, 1, (int[]){200});
  put(&c, 700);
  ln_traces_stop(c.t, 2000);
  assert_int_equal(c.asked, 2);
  assert_int_equal(c.spans, 700);
  assert_true(c.at_ms[1] < 1000);
  c.t = NULL;
  tear_down(&c);
}

static void test_the_end_does_not_wait_for_long(void **state) {
  (void)state;
  collector c;
  set_up(&c, 1, (int[]){503});
  c.retry_after = "3600";
  put(&c, 5);
  ln_traces_stop(c.t, 2000);
  c.t = NULL;
  assert_int_equal(c.asked, 1);
  assert_int_equal(ln_mono_us(c.loop->clock) / 1000, 2000);
  tear_down(&c);
}

static void test_the_end_gives_up_where_nobody_is(void **state) {
  (void)state;
  collector c;
  set_up(&c, 1, (int[]){0});
  put(&c, 600);
  ln_traces_stop(c.t, 2000);
  c.t = NULL;
  assert_int_equal(c.asked, 2);
  assert_true(ln_mono_us(c.loop->clock) / 1000 < 2000);
  tear_down(&c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_traceparent),
      cmocka_unit_test(test_no_length_is_read_beyond),
      cmocka_unit_test(test_ids_follow_from_names),
      cmocka_unit_test(test_a_share_is_of_all),
      cmocka_unit_test(test_json),
      cmocka_unit_test(test_nothing_is_configured),
      cmocka_unit_test(test_a_batch),
      cmocka_unit_test(test_the_queue_is_bounded),
      cmocka_unit_test(test_the_oldest_go),
      cmocka_unit_test(test_it_is_sent_again_when_it_may),
      cmocka_unit_test(test_what_is_refused_is_dropped),
      cmocka_unit_test(test_nobody_is_there),
      cmocka_unit_test(test_the_end_sends_what_is_there),
      cmocka_unit_test(test_the_end_does_not_wait_for_long),
      cmocka_unit_test(test_the_end_gives_up_where_nobody_is)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
