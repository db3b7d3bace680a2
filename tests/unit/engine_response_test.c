/* engine_response_test.c: a whole response to a genuine alert, with all that the program is made of, under
** the simulated set: one thread, virtual time, a seed.  One seed is one history: the same again gives the
** same journal, byte for byte.  And whoever dies on the way leaves nothing lost, and nothing done twice. */
#include "tests/unit/engine_rig.h"

#include "cli/app.h"
#include "engine/simhost.h"

#include <ftw.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEED = 1059 };
static const int64_t START = 1795600000000;
static const char alert[] = "tests/fixtures/alerts/windows/nxlog_sysmon1_wscript_launcher_vbs.json";
static const char *const vendors[] = {"crowdstrike", "okta", "qualys", "visionone"};
enum { VENDORS = 4 };

static char root[PATH_MAX], folder[64] = "/tmp/lunette-response-XXXXXX";

typedef struct history { ln_buf journal, result, outcome, deeds[VENDORS]; int64_t jobs; } history;

static ln_err err;

static void need(bool ok) {
  if (!ok) fail_msg("%s: %s", err.code, err.message);
}

/* ------------------------------------------------------------------ one life of the program */

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *where) {
  (void)st, (void)type, (void)where;
  return remove(name);
}

static void fresh_folder(void) {
  nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  assert_int_equal(mkdir(folder, 0700), 0);
  assert_int_equal(chdir(folder), 0);
  FILE *f = fopen("conf.lua", "w");
  assert_non_null(f);
  fprintf(f, "return { store = 'sqlite:%s/a.db', scripts = { '%s/scripts' }, stdlib = { '%s/stdlib' } }\n",
          folder, root, root);
  fclose(f);
}

static bool ended, broken;
static char doubted[256]; /* a step of which only a person can say whether it happened */

static void on_event(void *arg, ln_run *r, const ln_event *e) {
  ln_app *a = arg;
  (void)r;
  ended |= strcmp(e->what, "end") == 0;
  broken |= strcmp(e->what, "broken") == 0;
  bool waits = strcmp(e->what, "waiting") == 0;
  if (waits && !ln_str_eq(e->text, LN_STR("doubt")))
    fail_msg("it waits for %.*s: %.*s", LN_STR_ARG(e->text), LN_STR_ARG(e->name));
  if (waits) snprintf(doubted, sizeof doubted, "%.*s", LN_STR_ARG(e->name));
  if (ended || broken || waits) a->g.loop->stop(a->g.loop);
}

static ln_run *begin(ln_app *a, const ln_run_options *o) {
  char path[PATH_MAX + 128], set[] = "confirmed_by=alice", *sets[] = {set};
  ln_declared d;
  ln_buf input;
  snprintf(path, sizeof path, "%s/%s", root, alert);
  ln_buf_init(&input, 64 << 20);
  need(ln_playbook_declared(&a->g, LN_STR("t1059.respond"), &d, &err));
  need(ln_app_input(a, path, sets, 1, &d, &input, &err));
  ln_run *r = ln_run_start(&a->g, LN_STR("t1059.respond"), ln_buf_view(&input), o, LN_STR("alice"), &err);
  need(r != NULL);
  ln_buf_free(&input);
  ln_declared_free(&d);
  return r;
}

static bool take_entries(void *arg, ln_str entries) { return ln_buf_add(arg, entries); }

static bool take_row(void *arg, const ln_run_row *row) {
  history *h = arg;
  assert_true(ln_str_eq(row->state, LN_STR("completed")));
  return ln_buf_add(&h->result, row->result) && ln_buf_add(&h->outcome, row->outcome);
}

static void take_history(ln_app *a, history *h) {
  ln_buf *bufs[] = {&h->journal,  &h->result,   &h->outcome, &h->deeds[0],
                    &h->deeds[1], &h->deeds[2], &h->deeds[3]};
  for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) ln_buf_init(bufs[i], 256 << 20);
  need(ln_store_run_find(a->g.store, LN_STR("last"), take_row, h, &err));
  need(ln_store_journal(a->g.store, 1, take_entries, &h->journal, &err));
  for (size_t i = 0; i < VENDORS; i++)
    need(ln_simhost_log(a->simhost, ln_str_of(vendors[i]), &h->deeds[i], &err));
}

static void forget(history *h) {
  ln_buf *bufs[] = {&h->journal,  &h->result,   &h->outcome, &h->deeds[0],
                    &h->deeds[1], &h->deeds[2], &h->deeds[3]};
  for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) ln_buf_free(bufs[i]);
}

/* What a person says, who looks at the vendor: nothing tells whether sessions were cleared but its own
** log. */
static void settle(ln_app *a, const ln_run_options *o) {
  ln_buf log;
  char step[256];
  snprintf(step, sizeof step, "%s", doubted);
  doubted[0] = 0;
  if (!strstr(step, "okta.clear_sessions")) fail_msg("%s is in doubt", step);
  ln_buf_init(&log, 64 << 20);
  need(ln_simhost_log(a->simhost, LN_STR("okta"), &log, &err));
  bool did = ln_str_find(ln_buf_view(&log), LN_STR("clear_sessions")) >= 0;
  ln_buf_free(&log);
  while (a->g.state) ln_run_close(a->g.state);
  ln_runs_drain(&a->g);
  need(ln_run_settle(&a->g, LN_STR("last"), ln_str_of(step), did, (ln_str){NULL, 0}, LN_STR("bob"), &err));
  need(ln_run_resume(&a->g, LN_STR("last"), o, &err) != NULL);
  a->g.loop->run(a->g.loop);
}

/* The attempt dies at a job, all of it; simulators and disk stay, and the run is resumed. */
static void die_and_resume(ln_app *a, rig *spy, ln_run *r, const ln_run_options *o) {
  ln_run_close(r);
  ln_runs_drain(&a->g);
  spy->dead = false;
  spy->kill_at = -1;
  broken = false;
  ln_run *again = ln_run_resume(&a->g, LN_STR("last"), o, &err);
  if (again) a->g.loop->run(a->g.loop);
  else if (ln_err_is(&err, "not_found")) begin(a, o), a->g.loop->run(a->g.loop);
  else assert_string_equal(err.code, "conflict"); /* its end was on the disk already */
  while (doubted[0]) settle(a, o);
}

static void respond(uint64_t seed, int64_t kill_at, rig_death death, history *h) {
  ln_app a;
  ln_app_opts ao = {.config = "conf.lua", .sim = true, .seed = seed, .start_ms = START, .runs = true};
  ln_run_options o = {.sim = true, .approve = LN_APPROVE_ALL, .event = on_event, .event_arg = &a};
  fresh_folder();
  ended = broken = false;
  need(ln_app_open(&a, &ao, &err));
  rig *spy = rig_around(a.g.loop);
  spy->kill_at = kill_at;
  spy->death = death;
  ln_run *r = begin(&a, &o);
  a.g.loop->run(a.g.loop);
  h->jobs = spy->jobs;
  if (spy->dead) die_and_resume(&a, spy, r, &o);
  take_history(&a, h);
  ln_app_close(&a);
  rig_let_be(spy);
}

/* ------------------------------------------------------------------ comparing */

static bool same(const ln_buf *a, const ln_buf *b) { return ln_str_eq(ln_buf_view(a), ln_buf_view(b)); }

static void test_one_seed_is_one_history(void **state) {
  (void)state;
  history one, two, other;
  respond(SEED, -1, RIG_AFTER, &one);
  respond(SEED, -1, RIG_AFTER, &two);
  assert_true(one.journal.n > 10000);
  assert_true(same(&one.journal, &two.journal));
  assert_true(same(&one.result, &two.result));
  for (size_t i = 0; i < VENDORS; i++) assert_true(same(&one.deeds[i], &two.deeds[i]));
  respond(SEED + 1, -1, RIG_AFTER, &other);
  assert_false(same(&one.journal, &other.journal)); /* or the check could not fail */
  forget(&one);
  forget(&two);
  forget(&other);
}

typedef struct tally { char op[64]; int n; } tally;

/* How often each thing was done.  A session changes nothing, and is opened by whoever needs one. */
static size_t count_deeds(const ln_buf *log, tally *t, size_t max) {
  ln_vitem list, item;
  ln_str rest = ln_buf_view(log);
  size_t n = 0;
  assert_true(ln_v_read(&rest, &list));
  for (rest = list.body; rest.n && ln_v_read(&rest, &item);) {
    ln_str op = ln_v_get_str(item.whole, "op");
    if (ln_str_find(op, LN_STR("session")) >= 0) continue;
    size_t i = 0;
    while (i < n && !ln_str_eq(op, ln_str_of(t[i].op))) i++;
    if (i == n) assert_true(n < max), snprintf(t[n++].op, sizeof t[0].op, "%.*s", LN_STR_ARG(op));
    t[i].n++;
  }
  return n;
}

static void same_deeds(const history *want, const history *got, int64_t k) {
  for (size_t v = 0; v < VENDORS; v++) {
    tally a[64] = {{"", 0}}, b[64] = {{"", 0}};
    size_t n = count_deeds(&want->deeds[v], a, 64), m = count_deeds(&got->deeds[v], b, 64);
    for (size_t i = 0; i < n; i++) {
      int times = 0;
      for (size_t j = 0; j < m; j++)
        if (strcmp(a[i].op, b[j].op) == 0) times = b[j].n;
      if (times != a[i].n)
        fail_msg("%s.%s was done %d times, not %d, when it died at job %lld", vendors[v], a[i].op, times,
                 a[i].n, (long long)k);
    }
    assert_int_equal(n, m);
  }
}

static void test_a_death_on_the_way(void **state) {
  (void)state;
  history want, got;
  respond(SEED, -1, RIG_AFTER, &want);
  assert_true(want.jobs > 40);
  for (int64_t k = 1; k < want.jobs; k += want.jobs / 16) {
    respond(SEED, k, k % 2 ? RIG_AFTER : RIG_BEFORE, &got);
    assert_true(ended || !broken);
    assert_true(same(&want.outcome, &got.outcome));
    assert_true(same(&want.result, &got.result));
    same_deeds(&want, &got, k);
    forget(&got);
  }
  forget(&want);
}

static int set_up(void **state) {
  (void)state;
  return realpath(".", root) && mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state) {
  (void)state;
  return chdir(root) != 0 || nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_one_seed_is_one_history),
                                     cmocka_unit_test(test_a_death_on_the_way)};
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
