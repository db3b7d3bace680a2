/* transport_sim_test.c: the simulated transport keeps the promises of the real one, in virtual time. */
#include "tests/unit/answers.h"

#include <string.h>

typedef struct script {
  ln_answer answer;
  int64_t after_ms;
  bool nobody;
  int handled, freed;
} script;

static void reply_free(ln_sim_reply *r) { ++*(int *)(uintptr_t)r->answer.headers[0].value.p; }

static bool sim_handle(void *arg, const ln_request *r, ln_sim_reply *out) {
  script *sc = arg;
  static ln_header h;
  (void)r;
  sc->handled++;
  if (sc->nobody) return false;
  h = (ln_header){LN_STR("X-A"), {(const char *)&sc->freed, 0}};
  *out = (ln_sim_reply){sc->answer, sc->after_ms, reply_free};
  out->answer.headers = &h;
  out->answer.n_headers = 1;
  return true;
}

typedef struct sim {
  ln_loop *loop;
  ln_transport *t;
  script sc;
  got g;
  int64_t took;
} sim;

static void sim_setup(sim *m) {
  ln_err err;
  memset(m, 0, sizeof *m);
  m->loop = ln_loop_sim(1, 0, &err);
  m->t = ln_transport_sim(m->loop, sim_handle, &m->sc, &err);
  assert_non_null(m->t);
  m->sc.answer = (ln_answer){.sent = LN_ANSWERED, .status = 200, .body = LN_STR("hello")};
}

static const got *sim_ask(sim *m, const ln_request *r) {
  int64_t start = ln_mono_us(m->loop->clock);
  m->g = (got){.loop = m->loop, .outstanding = 1};
  assert_non_null(m->t->send(m->t, r, on_answer, &m->g));
  assert_int_equal(m->g.calls, 0);
  m->loop->run(m->loop);
  assert_int_equal(m->g.calls, 1);
  m->took = (ln_mono_us(m->loop->clock) - start) / 1000;
  return &m->g;
}

static void test_sim(void **s) {
  (void)s;
  sim m;
  sim_setup(&m);
  ln_request r = {
      .method = LN_STR("GET"), .url = LN_STR("https://okta.sim/x"), .timeout_ms = 1000, .max_response = 5};
  m.sc.after_ms = 700;
  const got *g = sim_ask(&m, &r);
  want(g, LN_ANSWERED, "");
  assert_string_equal(g->body, "hello");
  assert_int_equal(m.took, 700);
  m.sc.after_ms = 5000; /* it acted, and answered too late */
  want(sim_ask(&m, &r), LN_PERHAPS_SENT, "timeout");
  assert_int_equal(m.g.status, 0);
  assert_int_equal(m.took, 1000);
  m.sc.after_ms = 1;
  r.max_response = 4;
  want(sim_ask(&m, &r), LN_PERHAPS_SENT, "too_big");
  assert_int_equal(m.g.body_n, 0);
  m.sc.nobody = true;
  want(sim_ask(&m, &r), LN_NOT_SENT, "unavailable");
  assert_int_equal(m.sc.handled, 4);
  assert_int_equal(m.sc.freed, 3);
  ln_header bad = {LN_STR("Host"), LN_STR("x")};
  r.headers = &bad;
  r.n_headers = 1;
  want(sim_ask(&m, &r), LN_NOT_SENT, "bad_argument");
  assert_int_equal(m.sc.handled, 4);
  m.t->free(m.t);
  m.loop->free(m.loop);
}

static void test_sim_sink(void **s) {
  (void)s;
  sim m;
  sim_setup(&m);
  sink k = {0, 5};
  ln_request r = {.method = LN_STR("GET"),
                  .url = LN_STR("https://x.sim/"),
                  .max_response = 100,
                  .sink = on_chunk,
                  .sink_arg = &k};
  want(sim_ask(&m, &r), LN_ANSWERED, "");
  assert_int_equal(k.n, 5);
  assert_int_equal(m.g.body_n, 0);
  want(sim_ask(&m, &r), LN_PERHAPS_SENT, "too_big"); /* the sink had enough */
  ln_fail(&m.sc.answer.err, "unavailable", LN_AGAIN, "reset");
  m.sc.answer.sent = LN_PERHAPS_SENT; /* a fault on purpose passes as it is */
  want(sim_ask(&m, &r), LN_PERHAPS_SENT, "unavailable");
  m.t->free(m.t);
  m.loop->free(m.loop);
}

static void test_sim_drop(void **s) {
  (void)s;
  sim m;
  sim_setup(&m);
  ln_request r = {.method = LN_STR("GET"), .url = LN_STR("https://x.sim/"), .max_response = 100};
  m.g = (got){.loop = m.loop, .outstanding = 3};
  void *a = m.t->send(m.t, &r, on_answer, &m.g), *b = m.t->send(m.t, &r, on_answer, &m.g);
  assert_non_null(m.t->send(m.t, &r, on_answer, &m.g));
  m.t->drop(m.t, b);
  m.t->drop(m.t, a);
  m.loop->run(m.loop);
  assert_int_equal(m.g.calls, 1);
  assert_non_null(m.t->send(m.t, &r, on_answer, &m.g));
  m.t->free(m.t);
  m.loop->run(m.loop);
  assert_int_equal(m.g.calls, 1);
  assert_int_equal(m.sc.freed, 4);
  m.loop->free(m.loop);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_sim),
      cmocka_unit_test(test_sim_sink),
      cmocka_unit_test(test_sim_drop),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
