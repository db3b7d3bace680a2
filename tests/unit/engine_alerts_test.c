/* engine_alerts_test.c: alerts handed in and what they start, with the process dying at each of the writer's
** jobs: what was answered is there, each alert is decided once, and each run begun once. */
#include "tests/unit/engine_rig.h"

#include "engine/alerts.h"

#include "engine/inside.h"
#include "engine/silence.h"

enum { HOUR = 3600 * 1000 };

/* Adapters of the test's own: an object with an id is an alert of "probe". */
static const char adapters[] =
    "local alert = {}\n"
    "function alert.sort(d) if d.id then return { { known = true, value = { id = d.id, source = 'probe',\n"
    "  format = 'probe', severity = 'high', title = d.title, raw = d } } } end\n"
    "  return { { known = false, value = d, why = 'no id' } } end\n"
    "return alert\n";

static const ln_alert_from by_ann = {.by = {"ann", 3}};

typedef struct heard { bool called; ln_err err; size_t alerts, unknown, runs; char last[LN_ULID + 1]; } heard;

static size_t count(ln_str answer, const char *key) {
  ln_vitem list;
  return ln_v_get(answer, ln_str_of(key), &list) ? list.count : 0;
}

static void hear(void *arg, ln_str answer, const ln_err *err) {
  heard *h = arg;
  ln_vitem list, one, runs;
  assert_false(h->called);
  h->called = true;
  if (err) {
    h->err = *err;
    return;
  }
  h->alerts = count(answer, "alerts");
  h->unknown = count(answer, "unknown");
  assert_true(ln_v_get(answer, LN_STR("alerts"), &list));
  for (ln_str rest = list.body; rest.n && ln_v_read(&rest, &one);) {
    assert_true(ln_v_get(one.whole, LN_STR("runs"), &runs));
    h->runs += runs.count;
    for (ln_str r = runs.body; r.n && ln_v_read(&r, &one);)
      snprintf(h->last, sizeof h->last, "%.*s", LN_STR_ARG(one.s));
  }
}

static rig *set_up(uint64_t seed, const char *head, const char *body) {
  char text[2048];
  rig *r = rig_new(seed);
  r->served = true;
  rig_conf(r, "guards = { approve = \"never\" },");
  rig_script(r, "alert", adapters);
  snprintf(text, sizeof text,
           "local fake = require 'fake'\nreturn playbook { name = 't.on', summary = 's', uses = { 'fake' },"
           " input = { alert = 'alert?' }, %s run = function(input) %s end }\n",
           head, body);
  rig_script(r, "t.on", text);
  return r;
}

static ln_alerts *begin(rig *r) {
  if (!r->up) rig_up(r);
  ln_alerts *a = ln_alerts_start(&r->g, &rig_err);
  assert_non_null(a);
  return a;
}

static void take(ln_alerts *a, const char *text, heard *h) {
  *h = (heard){.called = false};
  assert_true(ln_alerts_take(a, ln_str_of(text), &by_ann, hear, h, &rig_err));
}

typedef struct tally { size_t n, decided, runs; bool ok; ln_store *s; } tally;

static bool tally_run(void *arg, const ln_alert_run *r) {
  tally *t = arg;
  t->runs += r->run != 0;
  return true;
}

static bool tally_alert(void *arg, const ln_alert_row *a) {
  tally *t = arg;
  t->n++;
  t->decided += ln_str_eq(a->state, LN_STR("decided"));
  return t->ok = ln_store_alert_runs(t->s, a->id, tally_run, t, &rig_err);
}

static tally tally_of(rig *r) {
  tally t = {.ok = true, .s = r->g.store};
  ln_alert_query q = {.limit = 0};
  assert_true(ln_store_alerts(r->g.store, &q, tally_alert, &t, &rig_err) && t.ok);
  return t;
}

#define ON "on = function(a) return a.title ~= 'no' end,"
static const char THREE[] = "{\"id\":\"a\",\"title\":\"one\"}\n{\"id\":\"b\",\"title\":\"no\"}\n"
                            "{\"id\":\"c\",\"title\":\"two\"}\n";

static void test_answered_with_runs(void **state) {
  (void)state;
  rig *r = set_up(1, ON, "return fake.set { id = input.alert.id }.state");
  ln_alerts *a = begin(r);
  heard h;
  take(a, "{\"odd\":1}\n{\"id\":\"a\",\"title\":\"one\"}\n{\"id\":\"b\",\"title\":\"no\"}\n"
          "{\"id\":\"c\",\"title\":\"two\"}\n", &h);
  rig_pass(r, 10000);
  assert_true(h.called);
  assert_int_equal(h.alerts, 3);
  assert_int_equal(h.unknown, 1);
  assert_int_equal(h.runs, 2);
  assert_int_equal(rig_runs(r, "completed"), 2);
  char was[LN_ULID + 1];
  memcpy(was, h.last, sizeof was);
  take(a, "{\"id\":\"c\",\"title\":\"two\"}", &h);      /* the same again */
  rig_pass(r, 10000);
  assert_int_equal(h.runs, 1);
  assert_string_equal(h.last, was);
  assert_int_equal(rig_runs(r, "completed"), 2);
  ln_alerts_stop(a);
  rig_free(r);
}

typedef struct timed { heard h; rig *r; int64_t from_ms, ms; } timed;

static void hear_timed(void *arg, ln_str answer, const ln_err *err) {
  timed *t = arg;
  hear(&t->h, answer, err);
  t->ms = ln_now_ms(t->r->g.loop->clock) - t->from_ms;
}

/* Whoever looks for new alerts may see one before the commit is heard of.  Here nothing takes time but
** waiting, so nobody waits who has nothing to wait for. */
static void test_answered_as_soon_as_decided(void **state) {
  (void)state;
  enum { TEXTS = 12 };
  for (uint64_t seed = 1; seed <= 30; seed++) {
    rig *r = set_up(seed, ON, "return 1");
    ln_alerts *a = begin(r);
    timed all[TEXTS];
    for (int i = 0; i < TEXTS; i++) {
      char text[64];
      all[i] = (timed){.r = r, .from_ms = ln_now_ms(r->g.loop->clock)};
      snprintf(text, sizeof text, "{\"id\":\"%d\",\"title\":\"%s\"}", i, i % 3 ? "no" : "one");
      assert_true(ln_alerts_take(a, ln_str_of(text), &by_ann, hear_timed, &all[i], &rig_err));
    }
    rig_pass(r, 10000);
    for (int i = 0; i < TEXTS; i++) {
      assert_true(all[i].h.called);
      assert_int_equal(all[i].h.runs, i % 3 == 0);
      assert_true(all[i].ms < LN_ALERTS_ANSWER_MS);
    }
    ln_alerts_stop(a);
    rig_free(r);
  }
}

/* Whatever is lost with the process was not answered; what was answered is decided by the next one. */
static void test_death_at_each_job(void **state) {
  (void)state;
  for (int kill = 0, last = 0; !last; kill++) {
    for (int after = 0; after < 2; after++) {
      rig *r = set_up(100 + (uint64_t)kill, ON, "return fake.set { id = input.alert.id }.state");
      heard h;
      rig_up(r);
      r->kill_at = kill;
      r->death = after ? RIG_AFTER : RIG_BEFORE;
      ln_alerts *a = begin(r);
      take(a, THREE, &h);
      rig_pass(r, HOUR);
      last = !r->dead;
      bool answered = h.called && !h.err.code[0];
      ln_alerts_stop(a);
      rig_crash(r);
      ln_vfs_sim_power_cut(r->vfs);
      r->kill_at = -1;
      rig_up(r);
      a = begin(r);
      rig_pass(r, HOUR);
      tally t = tally_of(r);
      if (answered) assert_int_equal(t.n, 3);
      assert_true(t.n == 0 || t.n == 3);
      assert_int_equal(t.decided, t.n);
      assert_int_equal(t.runs, t.n ? 2 : 0);
      assert_int_equal(rig_runs(r, "completed"), t.runs);
      assert_int_equal(rig_runs(r, NULL), t.runs);
      assert_int_equal(rig_acted(r, NULL), t.runs);
      ln_alerts_stop(a);
      rig_free(r);
    }
    assert_true(kill < 100);
  }
}

/* Two who decide, both of which saw that an alert is new: the transaction lets one of them. */
static void test_decided_once(void **state) {
  (void)state;
  rig *r = set_up(7, ON, "return fake.set { id = input.alert.id }.state");
  ln_alerts *a = begin(r), *other = begin(r);
  heard h, kept = {.called = false};
  assert_true(ln_alerts_keep(&r->g, LN_STR("{\"id\":\"k\"}"), &by_ann, hear, &kept, &rig_err));
  assert_int_equal(kept.alerts, 1);
  take(a, THREE, &h);
  rig_pass(r, 10000);
  take(other, "{\"id\":\"d\",\"title\":\"two\"}", &h);
  ln_alerts_nudge(a);
  rig_pass(r, 10000);
  tally t = tally_of(r);
  assert_int_equal(t.decided, t.n);
  assert_int_equal(rig_runs(r, NULL), t.runs);
  assert_int_equal(rig_acted(r, NULL), t.runs);
  ln_alerts_stop(other);
  ln_alerts_stop(a);
  rig_free(r);
}

static void test_key_joins(void **state) {
  (void)state;
  rig *r = set_up(3, ON " key = function(a) return 'k' end,",
                  "local n = 1; while n < 3 do await_signal('alert'); n = n + 1 end return n");
  ln_alerts *a = begin(r);
  heard h;
  take(a, "{\"id\":\"a\",\"title\":\"one\"}", &h);
  rig_pass(r, 60000);
  char first[LN_ULID + 1];
  memcpy(first, h.last, sizeof first);
  ln_alerts_stop(a);
  rig_crash(r);                                          /* the run is put away, its key is in the store */
  a = begin(r);
  take(a, THREE, &h);
  rig_pass(r, 60000);
  assert_string_equal(h.last, first);
  assert_int_equal(rig_runs(r, "waiting"), 1);           /* "a" was there, "b" wants nothing, "c" joined */
  take(a, "{\"id\":\"d\",\"title\":\"two\"}", &h);
  rig_pass(r, 60000);
  assert_int_equal(rig_runs(r, "completed"), 1);
  assert_string_equal(rig_result(r), "3");
  take(a, "{\"id\":\"e\",\"title\":\"two\"}", &h);      /* it has ended: another one */
  rig_pass(r, 60000);
  assert_string_not_equal(h.last, first);
  ln_alerts_stop(a);
  rig_free(r);
}

static void many(ln_alerts *a, int from, int n, heard *h) {
  ln_buf b;
  ln_buf_init(&b, 1 << 16);
  for (int i = from; i < from + n; i++) ln_buf_addf(&b, "{\"id\":\"%d\",\"title\":\"rule %d\"}\n", i, i);
  ln_buf_addc(&b, '\0');
  take(a, b.p, h);
  ln_buf_free(&b);
}

/* Numbers in a title make no other rule.  What is held back starts after a yes, and not after a no. */
static void test_a_storm_asks(void **state) {
  (void)state;
  for (int yes = 0; yes < 2; yes++) {
    rig *r = set_up(4, ON, "return 1");
    ln_alerts *a = begin(r);
    heard h;
    many(a, 0, 25, &h);
    rig_pass(r, 10000);
    assert_int_equal(rig_runs(r, "completed"), 20);
    assert_true(rig_approve(r, 0, yes, "bob"));
    ln_alerts_nudge(a);
    rig_pass(r, 10000);
    assert_int_equal(rig_runs(r, "completed"), yes ? 25 : 20);
    rig_pass(r, HOUR);
    many(a, 100, 1, &h);
    rig_pass(r, 10000);
    assert_int_equal(rig_runs(r, "completed"), yes ? 26 : 20); /* after a no it asks anew */
    if (!yes) {
      assert_true(rig_approve(r, 0, true, "bob"));
      ln_alerts_nudge(a);
      rig_pass(r, 10000);
      assert_int_equal(rig_runs(r, "completed"), 21);
    }
    ln_alerts_stop(a);
    rig_free(r);
  }
}

static bool one_cursor(rig *r, const char *value) {
  ln_buf b;
  ln_buf_init(&b, 100);
  assert_true(ln_store_cursor(r->g.store, LN_STR("poll"), &b, NULL, &rig_err));
  bool same = ln_str_eq(ln_buf_view(&b), ln_str_of(value));
  ln_buf_free(&b);
  return same;
}

/* A delivery's mark, and how far a source was read, are on disk with its alerts, or not at all. */
static void test_marks_and_cursors(void **state) {
  (void)state;
  rig *r = set_up(6, ON, "return 1");
  ln_alerts *a = begin(r);
  heard h = {.called = false}, again = {.called = false}, other = {.called = false};
  ln_alert_from from = {.by = LN_STR("edr"), .source = LN_STR("edr"), .mark = LN_STR("m1"),
                        .mark_until_ms = LN_NEVER, .cursor = LN_STR("poll"), .cursor_value = LN_STR("7")};
  assert_true(one_cursor(r, ""));
  assert_true(ln_alerts_take(a, LN_STR("{\"id\":\"a\"}"), &from, hear, &h, &rig_err));
  rig_pass(r, 1000);
  assert_int_equal(h.alerts, 1);
  assert_true(one_cursor(r, "7"));
  ln_alerts_stop(a);
  rig_crash(r);
  ln_vfs_sim_power_cut(r->vfs);
  a = begin(r);
  from.cursor_value = LN_STR("8");
  assert_true(ln_alerts_take(a, LN_STR("{\"id\":\"b\"}"), &from, hear, &again, &rig_err));
  rig_pass(r, 1000);
  assert_string_equal(again.err.code, "conflict");
  assert_int_equal(tally_of(r).n, 1);
  assert_true(one_cursor(r, "7"));
  from.mark = LN_STR("m2");
  assert_true(ln_alerts_take(a, LN_STR("{\"id\":\"b\"}"), &from, hear, &other, &rig_err));
  rig_pass(r, 1000);
  assert_int_equal(other.alerts, 1);
  assert_true(one_cursor(r, "8"));
  ln_alerts_stop(a);
  rig_free(r);
}

/* What is too much is refused, before memory is: the first ones are taken all the same. */
typedef struct ways { size_t n, silent; char name[64]; } ways;

static void see_way(void *arg, const ln_intake_heard *h) {
  ways *w = arg;
  w->n++;
  if (!h->silent) return;
  w->silent++;
  snprintf(w->name, sizeof w->name, "%s", h->name);
}

static ways ways_of(rig *r) {
  ways w = {.n = 0};
  assert_true(ln_silence_each(&r->g, see_way, &w, &rig_err));
  return w;
}

/* A source is silent when its time is over since it last handed in something, be it known already, or since
** it was first waited for; whoever served meanwhile. */
static void test_silence(void **state) {
  (void)state;
  rig *r = set_up(9, ON, "return 1");
  rig_conf(r, "guards = { approve = \"never\" }, intake = { silent = '3h', folder = '/srv/in', sources = {"
              " edr = { token = secret 'edr', header = 'X', silent = '1h' },"
              " chat = { token = secret 'chat', header = 'X' } } },");
  ln_alerts *a = begin(r);
  char edr[LN_INTAKE_NAME];
  heard h = {.called = false}, again = {.called = false};
  ln_intake_cursor("source", LN_STR("edr"), edr);
  const ln_alert_from from = {.by = LN_STR("source edr"), .cursor = ln_str_of(edr)};
  assert_int_equal(ways_of(r).n, 3);
  rig_pass(r, 5 * HOUR);
  assert_int_equal(ways_of(r).silent, 0);                /* nobody has waited for them yet */
  assert_true(ln_silence_begin(&r->g, &rig_err));
  rig_pass(r, HOUR - 1000);
  assert_int_equal(ways_of(r).silent, 0);
  rig_pass(r, 2000);
  assert_int_equal(ways_of(r).silent, 1);
  assert_string_equal(ways_of(r).name, "source edr");
  assert_true(ln_alerts_take(a, LN_STR("{\"id\":\"x\"}"), &from, hear, &h, &rig_err));
  rig_pass(r, 1000);
  assert_int_equal(ways_of(r).silent, 0);
  ln_alerts_stop(a);
  rig_crash(r);
  a = begin(r);
  assert_true(ln_silence_begin(&r->g, &rig_err));       /* which begins nothing anew */
  rig_pass(r, HOUR);
  assert_int_equal(ways_of(r).silent, 1);
  assert_true(ln_alerts_take(a, LN_STR("{\"id\":\"x\"}"), &from, hear, &again, &rig_err));
  rig_pass(r, 1000);
  assert_int_equal(ways_of(r).silent, 0);
  rig_pass(r, 2 * HOUR);
  assert_int_equal(ways_of(r).silent, 3);
  ln_alerts_stop(a);
  rig_free(r);
}

/* A vendor that is asked is silent when no look has succeeded for a quarter of an hour; one that found
** nothing has. */
static void test_silent_poll(void **state) {
  (void)state;
  rig *r = set_up(10, ON, "return 1");
  rig_conf(r, "intake = { silent = '1m', poll = { 'fake' } },");
  ln_alerts *a = begin(r);
  heard h = {.called = false};
  const ln_alert_from from = {
      .by = LN_STR("poll"), .cursor = LN_STR("poll:fake"), .cursor_value = LN_STR("7")};
  assert_true(ln_silence_begin(&r->g, &rig_err));
  rig_pass(r, HOUR / 4);
  assert_int_equal(ways_of(r).silent, 0);
  rig_pass(r, 1000);
  assert_string_equal(ways_of(r).name, "poll fake");
  assert_true(ln_alerts_take(a, LN_STR("[]"), &from, hear, &h, &rig_err));
  rig_pass(r, 1000);
  assert_int_equal(ways_of(r).silent, 0);
  ln_alerts_stop(a);
  rig_free(r);
}

static void test_overload(void **state) {
  (void)state;
  enum { MOST = 6, BIG = 15 << 20 };
  rig *r = set_up(5, ON, "return 1");
  ln_alerts *a = begin(r);
  heard h[MOST] = {{.called = false}};
  int taken = 0;
  char *text = malloc(BIG + 1);
  assert_non_null(text);
  memset(text, ' ', BIG);
  memcpy(text, "{\"id\":\"a\"}", 10);
  for (int i = 0; i < MOST; i++)
    if (ln_alerts_take(a, (ln_str){text, BIG}, &by_ann, hear, &h[i], &rig_err)) taken++;
  assert_int_equal(taken, 4);
  assert_string_equal(rig_err.code, "unavailable");
  assert_int_equal(rig_err.retry, LN_AGAIN);
  assert_false(ln_alerts_take(a, (ln_str){text, LN_ALERTS_TEXT + 1}, &by_ann, hear, &h[5], &rig_err));
  rig_pass(r, 10000);
  for (int i = 0; i < taken; i++) assert_true(h[i].called && h[i].alerts == 1);
  assert_true(ln_alerts_take(a, ln_str_of("{\"id\":\"b\"}"), &by_ann, hear, &h[4], &rig_err));
  ln_alerts_stop(a);                                     /* gives it back, or takes it: it is told of it */
  assert_true(h[4].called);
  free(text);
  rig_free(r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_answered_with_runs), cmocka_unit_test(test_answered_as_soon_as_decided),
      cmocka_unit_test(test_death_at_each_job),
      cmocka_unit_test(test_decided_once),       cmocka_unit_test(test_key_joins),
      cmocka_unit_test(test_a_storm_asks),       cmocka_unit_test(test_overload),
      cmocka_unit_test(test_marks_and_cursors),  cmocka_unit_test(test_silence),
      cmocka_unit_test(test_silent_poll)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
