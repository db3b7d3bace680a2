/* engine_restore_test.c: a store that is restored from a backup, while the world has moved on: by the
** world's own account nothing is done twice, whenever the backup was made; and what was only approved,
** intended or begun in it is looked at again. */
#include "tests/unit/engine_rig.h"

#include "engine/inside.h"

static bool thaw(ln_tx *tx, void *arg, ln_err *err) {
  int64_t n;
  (void)arg;
  return ln_tx_thaw(tx, NULL, &n, err);
}

static void put_thaw(rig *r) {
  if (!ln_writer_run(r->g.store, thaw, NULL, &rig_err)) fail_msg("%s", rig_err.message);
  ln_wait_called(&r->g, LN_STR("thaw"));
}

static rig *set_up(const char *approve, const char *body, uint64_t seed) {
  rig *r = rig_new(seed);
  char conf[128];
  snprintf(conf, sizeof conf, "guards = { approve = \"%s\" },", approve);
  rig_conf(r, conf);
  rig_body(r, body);
  return r;
}

/* --- the person: says what the world's own account says --- */

typedef struct question {
  rig *r;
  int64_t id;
  bool yes;
} question;

/* Was everything that the question is about done before? */
static bool judge(void *arg, const ln_approval *a) {
  question *q = arg;
  ln_vitem v;
  ln_str rest = a->effects, items;
  size_t n;
  q->id = a->id;
  q->yes = true;
  if (!ln_v_read_array(&rest, &items, &n)) return false;
  while (items.n && ln_v_read(&items, &v)) {
    ln_str step = ln_v_get_str(v.whole, "step");
    char name[128];
    snprintf(name, sizeof name, "%.*s", LN_STR_ARG(step));
    if (step.n && rig_acted(q->r, name)) q->yes = false;
  }
  return false;
}

static bool answer_one(rig *r, bool always) {
  question q = {.r = r};
  if (!ln_store_approvals(r->g.store, 0, true, judge, &q, &rig_err) || !q.id) return false;
  rig_approve(r, q.id, q.yes || always, "bob");
  return true;
}

static bool settle_one(rig *r) {
  ln_waiting w;
  for (size_t i = 0; i < RIG_RUNS; i++) {
    if (!r->run[i] || !ln_run_waiting(r->run[i], &w) || strcmp(w.what, "doubt") != 0) continue;
    bool did = rig_acted(r, w.step) > 0;
    ln_run_close(r->run[i]);
    r->run[i] = NULL;
    assert_true(rig_settle(r, w.step, did, did && strstr(w.step, "task") ? "{\"id\":\"k\"}" : NULL));
    assert_non_null(rig_resume(r, NULL));
    return true;
  }
  return false;
}

/* To its end, with a person who answers. */
static void carry(rig *r, bool always) {
  for (int turns = 0; turns < 40; turns++) {
    rig_go(r);
    if (!answer_one(r, always) && !settle_one(r)) return;
    rig_pass(r, 120000);
  }
  fail_msg("it goes on and on:\n%s", rig_entries(r));
}

/* --- everything that can be written, and a backup at each of the writer's jobs --- */

static const char everything[] =
    "fake.read { id = 'r' }\n"
    "fake.set { id = 's' }\n"
    "fake.post { id = 'p' }\n"
    "approved({ title = 'both' }, function() fake.once { id = 'o' }; fake.set { id = 'q', as = 'q' } end)\n"
    "fake.task { id = 'k' }\n"
    "fake.blind { id = 'b' }\n"
    "parallel { a = function() fake.ipost { id = 'i' } end, c = function() fake.iblind { id = 'j' } end }\n"
    "return run_playbook('t.child')";

static const char child[] =
    "local fake = require 'fake'; return playbook { name = 't.child', summary = 'a child',"
    " uses = { 'fake' }, run = function() fake.post { id = 'cp', as = 'cp' }; return 7 end }";

static int64_t backup_at;

static void make_backup(rig *r) {
  if (!backup_at || r->jobs < backup_at) return;
  backup_at = 0;
  rig_backup(r);
}

static int twice(const rig *r) {
  int n = 0;
  for (size_t i = 0; i < r->n_acts; i++)
    for (size_t k = 0; k < i; k++)
      n += r->acts[i].acted && r->acts[k].acted && strcmp(r->acts[i].step, r->acts[k].step) == 0;
  return n;
}

/* Without what the vendor could not tell. */
static rig *begin_everything(bool told, uint64_t seed) {
  static char some[sizeof everything];
  snprintf(some, sizeof some, "%s", everything);
  for (char *at = told ? some : NULL; at && (at = strstr(at, "blind")); at += 5) memcpy(at, "post ", 5);
  rig *r = set_up("destructive", some, seed);
  rig_script(r, "t.child", child);
  return r;
}

/* The first life goes on to its end after the backup.  -1: there are not so many jobs. */
static rig *live_and_backup(bool told, int64_t at) {
  rig *r = begin_everything(told, 40 + (uint64_t)at);
  backup_at = at;
  rig_up(r);
  r->on_done = make_backup;
  rig_start(r, "t.main", NULL);
  carry(r, false);
  r->on_done = NULL;
  if (strcmp(rig_state(r), "completed") != 0) fail_msg("%s", rig_doc(r));
  bool made = !backup_at;
  rig_down(r);
  r->restored = true;
  if (made) return r;
  rig_free(r);
  return NULL;
}

/* told: the vendors know of everything, so a person who says yes to all does no harm. */
static void restore_everything(bool told) {
  int64_t at = 1;
  int live = 0;
  for (rig *r; (r = live_and_backup(told, at)); at++) {
    int acted = rig_acted(r, NULL);
    rig_up(r);
    if (rig_runs(r, "waiting") > 0) {
      assert_has(rig_doc(r), "\"for\":\"restored\"");
      assert_non_null(rig_resume(r, NULL));
      rig_pass(r, 60000);
      assert_int_equal(rig_acted(r, NULL), acted); /* it is frozen */
      put_thaw(r);
      carry(r, told);
      live++;
      if (twice(r)) fail_msg("backup at job %lld: done twice:\n%s", (long long)at, rig_entries(r));
    }
    rig_free(r);
  }
  assert_true(at > 25 && live > 20);
}

static void test_nothing_twice(void **state) {
  (void)state;
  restore_everything(false);
}

static void test_vendors_tell(void **state) {
  (void)state;
  restore_everything(true);
}

/* --- one thing at a time --- */

static void assert_waits(rig *r, const char *what) {
  ln_waiting w = {.what = ""};
  if (!ln_run_waiting(r->run[0], &w) || strcmp(w.what, what) != 0)
    fail_msg("it waits for \"%s\", not %s: %s", w.what, what, rig_doc(r));
}

/* A run in its second life, of a backup that was made once `body` had come to `what` of a step. */
static const char *step_at, *what_at;

static void backup_there(rig *r) {
  if (!step_at || !rig_on_disk(r, 0, step_at, what_at)) return;
  step_at = NULL;
  rig_backup(r);
}

static rig *second_life(const char *approve, const char *body, const char *step, const char *what) {
  rig *r = set_up(approve, body, 77);
  step_at = step;
  what_at = what;
  rig_up(r);
  r->on_done = backup_there;
  rig_start(r, "t.main", NULL);
  carry(r, true);
  r->on_done = NULL;
  assert_null(step_at);
  rig_down(r);
  r->restored = true;
  return r;
}

/* It was done, and an analyst has taken it back since: nobody does it again without a person's word,
** also where the class would allow it. */
static void test_intended(void **state) {
  (void)state;
  static const char *const ops[] = {"set", "once", "post", "ipost", "iblind"};
  for (size_t i = 0; i < 5; i++)
    for (int did = 0; did < 2; did++) {
      char body[64], step[32];
      snprintf(body, sizeof body, "return fake.%s { id = 'w' }.state", ops[i]);
      snprintf(step, sizeof step, "fake.%s#1", ops[i]);
      rig *r = second_life("never", body, step, "intent");
      bool seen = i == 2 || i == 3; /* the vendor knows it by its tag */
      rig_thing_set(r, "w", "absent");
      rig_up(r);
      put_thaw(r);
      assert_non_null(rig_resume(r, NULL));
      rig_go(r);
      if (!seen) {
        assert_waits(r, "doubt");
        ln_run_close(r->run[0]);
        r->run[0] = NULL;
        assert_true(rig_settle(r, step, did, NULL));
        assert_non_null(rig_resume(r, NULL));
        rig_go(r);
      }
      assert_string_equal(rig_state(r), "completed");
      assert_int_equal(rig_acted(r, NULL), seen || did ? 1 : 2); /* a person said that it did not happen */
      rig_free(r);
    }
}

/* What was approved, and not yet intended, is asked again. */
static void test_approved(void **state) {
  (void)state;
  static const char *const bodies[] = {
      "return fake.set { id = 'w' }.state",
      "return approved({ title = 'all' }, function() return fake.set { id = 'w' }.state end)",
      "approved({ title = 'all' }, function() fake.set { id = 'v' }; fake.set { id = 'w' } end)"};
  static const struct {
    int body;
    const char *step, *what;
  } when[] = {{0, "fake.set#1", "asked"},
              {1, "approved#1", "asked"},
              {1, "approved#1", "result"},
              {2, "approved/fake.set#1", "result"}};
  for (size_t i = 0; i < sizeof when / sizeof *when; i++)
    for (int yes = 0; yes < 2; yes++) {
      rig *r = set_up("destructive", bodies[when[i].body], 80 + i);
      rig_up(r);
      bool asked = strcmp(when[i].what, "asked") == 0;
      r->on_done = asked ? NULL : backup_there;
      step_at = when[i].step;
      what_at = when[i].what;
      rig_start(r, "t.main", NULL);
      rig_go(r);
      if (asked) { /* answered, and the process gone before it knew */
        rig_approve(r, 0, true, "bob");
        rig_backup(r);
        rig_crash(r);
      } else {
        carry(r, true);
        rig_down(r);
      }
      int acted = rig_acted(r, NULL);
      rig_thing_set(r, "w", "absent");
      r->restored = true;
      r->on_done = NULL;
      rig_up(r);
      put_thaw(r);
      assert_non_null(rig_resume(r, NULL));
      rig_go(r);
      assert_int_equal(rig_acted(r, NULL), acted);
      assert_waits(r, "approval");
      rig_approve(r, 0, yes, "carol");
      rig_pass(r, 120000);
      if (rig_acted(r, NULL) != acted + yes) fail_msg("case %zu: %s", i, rig_doc(r));
      rig_free(r);
    }
}

/* A crash at any of the writer's jobs after the restore: the mark is gone, and what it means is not. */
static void test_crash_after_restore(void **state) {
  (void)state;
  for (int64_t kill = 1; kill < 12; kill++)
    for (int death = RIG_BEFORE; death <= RIG_AFTER; death++) {
      rig *r = second_life("never", "fake.read { id = 'a' }; fake.post { id = 'w' }; fake.set { id = 'v' }",
                           "fake.read#1", "result");
      rig_thing_set(r, "v", "absent");
      rig_up(r);
      r->kill_at = kill;
      r->death = (rig_death)death;
      put_thaw(r);
      if (rig_resume(r, NULL)) rig_go(r);
      rig_crash(r);
      r->kill_at = -1;
      rig_up(r);
      if (!r->dead) put_thaw(r);
      if (rig_resume(r, NULL)) rig_go(r);
      carry(r, false);
      if (twice(r)) fail_msg("killed at job %lld: done twice:\n%s", (long long)kill, rig_entries(r));
      rig_free(r);
    }
}

/* Whoever serves the store wakes none of them; a person's word wakes one, and what it began along with it. */
static void test_served(void **state) {
  (void)state;
  rig *r = rig_new(5);
  rig_conf(r, "guards = { approve = \"never\" },");
  rig_body(r, "sleep '5s'; return run_playbook('t.child')");
  rig_script(r, "t.child",
             "return playbook { name = 't.child', summary = 'a child', uses = { 'fake' },"
             " run = function() sleep '1h'; return 7 end }");
  r->served = true;
  rig_up(r);
  rig_start(r, "t.main", NULL);
  rig_pass(r, 60000);
  assert_int_equal(rig_runs(r, "waiting"), 2);
  rig_backup(r);
  rig_down(r);
  r->restored = true;
  r->gap_ms = 0;
  rig_up(r);
  rig_pass(r, 2 * 3600000);
  assert_int_equal(rig_runs(r, "waiting"), 2);
  char ulid[LN_ULID + 1];
  assert_true(ln_sched_want(r->sched, LN_STR("last"), LN_NOBODY, ulid, &rig_err));
  rig_pass(r, 60000);
  assert_int_equal(rig_runs(r, "completed"), 2);
  rig_free(r);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_nothing_twice),
                                     cmocka_unit_test(test_vendors_tell),
                                     cmocka_unit_test(test_intended),
                                     cmocka_unit_test(test_approved),
                                     cmocka_unit_test(test_crash_after_restore),
                                     cmocka_unit_test(test_served)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
