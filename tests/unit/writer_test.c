/* writer_test.c: group commit, and the log with its segments: what is acknowledged, in which order, and what
** a batch that fails costs. */
#include "tests/unit/store_help.h"

#include <pthread.h>
#include <sqlite3.h>
#include <sys/wait.h>

static int64_t number(const char *text) {
  sqlite3 *db;
  sqlite3_stmt *q;
  assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
  assert_int_equal(sqlite3_prepare_v2(db, text, -1, &q, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_step(q), SQLITE_ROW);
  int64_t n = sqlite3_column_int64(q, 0);
  sqlite3_finalize(q);
  sqlite3_close(db);
  return n;
}

static ln_writer_stats stats(ln_store *s) {
  ln_writer_stats w;
  ln_writer_stats_get(s, &w);
  return w;
}

/* A job of many kinds, and what became of it. */
typedef struct task {
  int64_t run;
  const char *text;
  enum { LOGS, REFUSES, LOGS_THEN_REFUSES, HALF, SEGMENTS, WAITS, STOPS } kind;
  int *turn, done_at; /* done_at: which done it was, from 1 */
  char code[LN_ERR_CODE];
  ln_loop *loop;
  int *left; /* the last one stops the loop */
} task;

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static bool apply(ln_tx *tx, void *arg, ln_err *err) {
  task *t = arg;
  bool ok = true;
  switch (t->kind) {
  case WAITS:
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    break;
  case REFUSES: return ln_fail(err, "conflict", LN_FINAL, "no");
  case LOGS_THEN_REFUSES:
    return ln_tx_log(tx, t->run, ln_str_of(t->text), err) && ln_fail(err, "conflict", LN_FINAL, "no");
  case HALF:
    return ln_tx_audit(tx, 1, LN_STR("half"), LN_STR(""), 0, LN_STR("{}"), err) &&
           ln_fail(err, "conflict", LN_FINAL, "no");
  case SEGMENTS:
    ok = (!t->text || ln_tx_log(tx, t->run, ln_str_of(t->text), err)) && ln_tx_segment(tx, t->run, err);
    break;
  case LOGS: ok = ln_tx_log(tx, t->run, ln_str_of(t->text), err); break;
  case STOPS: break;
  }
  return ok;
}

static void done(void *arg, const ln_err *err) {
  task *t = arg;
  t->done_at = ++*t->turn;
  snprintf(t->code, sizeof t->code, "%s", err ? err->code : "committed");
  if (t->left && --*t->left == 0) t->loop->stop(t->loop);
}

static void log_now(ln_store *s, int64_t run, const char *text) {
  run_job(s, apply, &(task){.run = run, .text = text, .kind = LOGS});
}

static void segment_now(ln_store *s, int64_t run, const char *text) {
  run_job(s, apply, &(task){.run = run, .text = text, .kind = SEGMENTS});
}

static bool create(ln_tx *tx, void *arg, ln_err *err) {
  for (int i = 0; i < *(int *)arg; i++) {
    ln_run_row r = {.state = LN_STR("running")};
    ln_ulid(ln_rand_real(), 0, r.ulid);
    if (!ln_tx_run_create(tx, &r, err)) return false;
  }
  return true;
}

/* Runs 1 to n, of whatever kind. */
static void make_runs(ln_store *s, int n) { run_job(s, create, &n); }

static bool gather(void *arg, ln_str entries) { return ln_buf_add(arg, entries); }

static void journal_is(ln_store *s, int64_t run, const char *text) {
  ln_buf b;
  ln_err err = {.code = ""};
  ln_buf_init(&b, 1 << 24);
  bool ok = ln_store_journal(s, run, gather, &b, &err);
  if (!ok) print_message("%s\n", err.message);
  assert_true(ok);
  assert_str(ln_buf_view(&b), text);
  ln_buf_free(&b);
}

/* --- the thread --- */

enum { MANY = 2500 };

/* While the first job is held up, all the others queue: so the batches are known. */
static void test_order_and_batches(void **state) {
  (void)state;
  ln_err err;
  ln_store *s = open_store();
  ln_loop *l = ln_loop_uv(&err);
  assert_true(ln_writer_start(s, NULL, &err));
  task *t = calloc(MANY, sizeof *t);
  int turn = 0, left = MANY;
  pthread_mutex_lock(&gate);
  for (int i = 0; i < MANY; i++) {
    t[i] =
        (task){.run = i % 7, .text = "x", .kind = i ? LOGS : WAITS, .turn = &turn, .loop = l, .left = &left};
    assert_true(ln_writer_submit(s, l, apply, done, &t[i]));
  }
  pthread_mutex_unlock(&gate);
  l->run(l);
  for (int i = 0; i < MANY; i++) {
    assert_int_equal(t[i].done_at, i + 1);
    assert_string_equal(t[i].code, "committed");
  }
  ln_writer_stats w = stats(s);
  assert_int_equal(w.jobs, MANY);
  assert_in_range(w.commits, 2, 4); /* 1,024 at most in one; the first may have been alone */
  assert_int_equal(w.bytes, MANY - 1);
  assert_in_range(w.rows, 14, 28); /* a row a run a batch */
  free(t);
  l->free(l);
  ln_store_close(s);
  assert_in_range(number("SELECT count(*) FROM log"), 14, 28);
}

static void test_close_applies_what_has_queued(void **state) {
  (void)state;
  ln_err err;
  ln_store *s = open_store();
  assert_true(ln_writer_start(s, NULL, &err));
  task t[50];
  int turn = 0;
  for (int i = 0; i < 50; i++) {
    t[i] = (task){.run = i, .text = "x", .kind = LOGS, .turn = &turn};
    assert_true(ln_writer_submit(s, NULL, apply, done, &t[i])); /* done on the writer's own thread */
  }
  ln_store_close(s);
  assert_int_equal(turn, 50);
  assert_int_equal(number("SELECT count(DISTINCT run) FROM log"), 50);
}

static void test_run_waits(void **state) {
  (void)state;
  ln_err err;
  ln_store *s = open_store();
  log_now(s, 1, "a"); /* before there is a writer */
  assert_true(ln_writer_start(s, NULL, &err));
  log_now(s, 1, "b");
  run_job_fails(s, apply, &(task){.kind = REFUSES}, "conflict");
  log_now(s, 1, "c");
  journal_is(s, 1, "abc");
  ln_store_close(s);
}

static void *submit_some(void *arg) {
  ln_store *s = arg;
  task t = {.run = 5, .text = "x", .kind = LOGS};
  ln_err err;
  for (int i = 0; i < 200; i++)
    if (!ln_writer_run(s, apply, &t, &err)) return arg;
  return NULL;
}

static void test_many_threads(void **state) {
  (void)state;
  ln_err err;
  ln_store *s = open_store();
  assert_true(ln_writer_start(s, NULL, &err));
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, submit_some, s), 0);
  for (int i = 0; i < 4; i++) {
    void *failed;
    pthread_join(threads[i], &failed);
    assert_null(failed);
  }
  assert_int_equal(stats(s).bytes, 800);
  ln_store_close(s);
}

/* --- failures --- */

/* All of them in one batch, as tasks of a simulated loop. */
static void run_tasks(ln_store *s, task *t, int n) {
  ln_err err;
  int turn = 0;
  ln_loop *l = ln_loop_sim(1, 0, &err);
  assert_true(ln_writer_start(s, l, &err));
  for (int i = 0; i < n; i++) {
    t[i].turn = &turn;
    assert_true(ln_writer_submit(s, l, apply, done, &t[i]));
    assert_int_equal(turn, 0); /* never from within */
  }
  l->run(l);
  assert_int_equal(turn, n);
  for (int i = 0; i < n; i++) assert_int_equal(t[i].done_at, i + 1);
  ln_store_close(s);
  l->free(l);
}

static void test_one_fails_alone(void **state) {
  (void)state;
  task t[] = {{.run = 1, .text = "a"}, {.run = 1, .text = "b", .kind = LOGS_THEN_REFUSES}, {.kind = REFUSES},
              {.run = 2, .text = "x", .kind = LOGS_THEN_REFUSES}, {.run = 1, .text = "c"}};
  run_tasks(open_store(), t, 5);
  const char *codes[] = {"committed", "conflict", "conflict", "conflict", "committed"};
  for (int i = 0; i < 5; i++) assert_string_equal(t[i].code, codes[i]);
  ln_store *s = open_store();
  journal_is(s, 1, "ac");
  journal_is(s, 2, "");
  ln_store_close(s);
  assert_int_equal(number("SELECT count(*) FROM log"), 1);
}

/* What wrote and then failed breaks the contract: nothing of its batch may stay, and what comes next is
** fine. */
static void test_half_a_job(void **state) {
  (void)state;
  task t[] = {{.run = 1, .text = "a"}, {.kind = REFUSES}, {.kind = HALF}, {.run = 1, .text = "b"}};
  run_tasks(open_store(), t, 4);
  const char *codes[] = {"store", "store", "store", "committed"};
  for (int i = 0; i < 4; i++) assert_string_equal(t[i].code, codes[i]);
  ln_store *s = open_store();
  journal_is(s, 1, "b");
  ln_store_close(s);
  assert_int_equal(number("SELECT count(*) FROM audit"), 0);
}

static void test_nothing_written_is_no_commit(void **state) {
  (void)state;
  ln_store *s = open_store();
  run_job(s, apply, &(task){.kind = STOPS});
  run_job_fails(s, apply, &(task){.run = 1, .text = "x", .kind = LOGS_THEN_REFUSES}, "conflict");
  assert_int_equal(stats(s).commits, 0);
  log_now(s, 1, "a");
  assert_int_equal(stats(s).commits, 1);
  ln_store_close(s);
}

static void test_full_disk(void **state) {
  (void)state;
  ln_err err;
  ln_vfs_sim *v = ln_vfs_sim_new("full", 1, &err);
  ln_store *s = open_vfs("full");
  log_now(s, 1, "a");
  for (int room = 0; room < 3; room++) {
    ln_vfs_sim_fail_after(v, room);
    run_job_fails(s, apply, &(task){.run = 1, .text = "lost", .kind = LOGS}, "store");
    run_job_fails(s, apply, &(task){.run = 1, .text = "lost", .kind = LOGS}, "store");
    journal_is(s, 1, room == 0 ? "a" : room == 1 ? "ab" : "abb");
    ln_vfs_sim_fail_after(v, -1);
    log_now(s, 1, "b");
  }
  journal_is(s, 1, "abbb");
  ln_store_close(s);
  s = open_vfs("full");
  journal_is(s, 1, "abbb");
  ln_store_close(s);
  ln_vfs_sim_free(v);
}

/* --- tasks of a loop --- */

typedef struct chain {
  ln_store *s;
  ln_loop *l;
  int n;
  char text[64];
} chain;

static bool chain_apply(ln_tx *tx, void *arg, ln_err *err) {
  chain *c = arg;
  snprintf(c->text, sizeof c->text, "%d,", c->n);
  return ln_tx_log(tx, 1, ln_str_of(c->text), err);
}

static void chain_done(void *arg, const ln_err *err) {
  chain *c = arg;
  assert_null(err);
  if (++c->n < 5) assert_true(ln_writer_submit(c->s, c->l, chain_apply, chain_done, c));
}

static void test_tasks_follow_tasks(void **state) {
  (void)state;
  ln_err err;
  ln_store *s = open_store();
  ln_loop *l = ln_loop_sim(7, 0, &err);
  assert_true(ln_writer_start(s, l, &err));
  chain c = {.s = s, .l = l};
  assert_true(ln_writer_submit(s, l, chain_apply, chain_done, &c));
  l->run(l);
  assert_int_equal(c.n, 5);
  int turn = 0;
  task queued = {.run = 1, .text = "queued,", .turn = &turn};
  assert_true(ln_writer_submit(s, l, apply, done, &queued));
  log_now(s, 1, "run"); /* after what has queued, at once */
  journal_is(s, 1, "0,1,2,3,4,queued,run");
  assert_int_equal(turn, 0);
  l->run(l);
  assert_int_equal(turn, 1);
  ln_store_close(s);
  l->free(l);
}

/* --- the log and its segments --- */

static void test_segments(void **state) {
  (void)state;
  ln_store *s = open_store();
  make_runs(s, 3);
  log_now(s, 1, "a");
  log_now(s, 2, "A");
  log_now(s, 1, "b");
  segment_now(s, 1, NULL);
  segment_now(s, 1, NULL); /* nothing new: no segment */
  log_now(s, 1, "c");
  journal_is(s, 1, "abc");
  segment_now(s, 1, "d"); /* what came in the same job goes along, and needs no row */
  log_now(s, 1, "e");
  journal_is(s, 1, "abcde");
  journal_is(s, 2, "A");
  journal_is(s, 3, "");
  assert_int_equal(number("SELECT count(*) FROM segment WHERE run = 1"), 2);
  assert_int_equal(number("SELECT count(*) FROM log"), 5);
  ln_store_close(s);
  s = open_store(); /* an older run: its rows lie before this process's first */
  segment_now(s, 1, NULL);
  segment_now(s, 2, "B");
  journal_is(s, 1, "abcde");
  journal_is(s, 2, "AB");
  ln_store_close(s);
  assert_int_equal(number("SELECT sum(length(entries)) FROM segment"), 7);
}

typedef struct order {
  int parts;
  size_t bytes;
} order;

static bool count_parts(void *arg, ln_str entries) {
  order *o = arg;
  o->parts++;
  o->bytes += entries.n;
  return true;
}

static void test_long_journal(void **state) {
  (void)state;
  ln_err err;
  ln_store *s = open_store();
  enum { CHUNK = 3 << 20 };
  char *text = malloc(CHUNK + 1);
  memset(text, 'x', CHUNK);
  text[CHUNK] = '\0';
  for (int i = 0; i < 7; i++) log_now(s, 1, text);
  segment_now(s, 1, text);
  order o = {0};
  assert_true(ln_store_journal(s, 1, count_parts, &o, &err));
  assert_int_equal(o.bytes, 8 * CHUNK);
  assert_int_equal(o.parts, 3);
  assert_int_equal(number("SELECT count(*) FROM segment"), 3);
  free(text);
  ln_store_close(s);
}

static void test_a_newer_segment(void **state) {
  (void)state;
  ln_err err;
  order o = {0};
  ln_store *s = open_store();
  make_runs(s, 2);
  segment_now(s, 1, "a");
  segment_now(s, 2, "b");
  number("UPDATE segment SET format = 2 WHERE run = 2 RETURNING id");
  assert_false(ln_store_journal(s, 2, count_parts, &o, &err));
  assert_string_equal(err.code, "store");
  assert_non_null(strstr(err.message, "newer Lunette"));
  journal_is(s, 1, "a");
  ln_store_close(s);
}

enum { RUNS = 2000 };

/* Every run but the first two says something. */
static bool flood(ln_tx *tx, void *arg, ln_err *err) {
  (void)arg;
  for (int64_t i = 0; i < RUNS; i++)
    if (!ln_tx_log(tx, 3 + i, LN_STR("................"), err)) return false;
  return true;
}

static bool ids_are_fine(ln_store *s) {
  (void)s;
  return number("SELECT next FROM meta") > number("SELECT coalesce(max(id), 0) FROM log") &&
         number("SELECT floor FROM meta") <= number("SELECT coalesce(min(id), 1 << 60) FROM log");
}

/* 140,000 rows come after a run's last one: its journal is gathered, the log's front is deleted, and nothing
** is lost. */
static void test_floor_moves(void **state) {
  (void)state;
  ln_err err;
  ln_store *s = open_store();
  make_runs(s, RUNS + 2);
  log_now(s, 1, "first");
  log_now(s, 1, "second");
  ln_store_close(s);
  s = open_store();
  assert_true(ln_writer_start(s, NULL, &err));
  for (int i = 0; i < 70; i++) run_job(s, flood, NULL);
  for (int i = 0; i < 1000 && number("SELECT floor FROM meta") < 20000; i++)
    log_now(s, 2, "."); /* a step a batch at least */
  assert_true(number("SELECT floor FROM meta") >= 20000);
  assert_int_equal(number("SELECT count(*) FROM segment WHERE run = 1"), 1);
  assert_true(ids_are_fine(s));
  journal_is(s, 1, "firstsecond");
  log_now(s, 1, "third");
  journal_is(s, 1, "firstsecondthird");
  segment_now(s, 1, NULL);
  journal_is(s, 1, "firstsecondthird");
  order o = {0};
  assert_true(ln_store_journal(s, RUNS, count_parts, &o, &err));
  assert_int_equal(o.bytes, 70 * 16);
  ln_store_close(s);
}

static bool gather_all(ln_tx *tx, void *arg, ln_err *err) {
  (void)arg;
  for (int64_t i = 0; i < RUNS; i++)
    if (!ln_tx_segment(tx, 3 + i, err)) return false;
  return true;
}

/* What runs that were put away have in the log goes soon, however few rows there are: the next process reads
** all that is there. */
static void test_needless_rows_go_soon(void **state) {
  (void)state;
  ln_err err;
  ln_store *s = open_store();
  make_runs(s, RUNS + 2);
  assert_true(ln_writer_start(s, NULL, &err));
  for (int i = 0; i < 6; i++) run_job(s, flood, NULL);
  run_job(s, gather_all, NULL);
  for (int i = 0; i < 1000 && number("SELECT count(*) FROM log") > 9000; i++) log_now(s, 1, ".");
  assert_true(number("SELECT count(*) FROM log") <= 9000);
  assert_true(ids_are_fine(s));
  order o = {0};
  assert_true(ln_store_journal(s, RUNS, count_parts, &o, &err));
  assert_int_equal(o.bytes, 6 * 16);
  ln_store_close(s);
}

/* --- several connections, several processes --- */

static void test_changed(void **state) {
  (void)state;
  ln_store *s = open_store(), *other = open_store();
  assert_false(ln_store_changed(s));
  log_now(s, 1, "a");
  assert_false(ln_store_changed(s)); /* our own */
  assert_true(ln_store_changed(other));
  assert_false(ln_store_changed(other));
  log_now(other, 1, "b");
  assert_true(ln_store_changed(s));
  assert_false(ln_store_changed(s));
  log_now(other, 1, "c");
  log_now(s, 1, "d");
  segment_now(s, 1, "e"); /* the other's rows are in it */
  assert_true(ln_store_changed(s));
  journal_is(s, 1, "abcde");
  journal_is(other, 1, "abcde");
  log_now(other, 1, "f");
  segment_now(other, 1, NULL);
  journal_is(s, 1, "abcdef");
  ln_store_close(s);
  ln_store_close(other);
}

enum { EACH = 300 };

static int write_some(int64_t run) {
  ln_err err;
  ln_store *s = ln_store_open(ln_str_of(uri), NULL, &err); /* both make the tables at once */
  int ten = 10;
  if (!s || !ln_writer_start(s, NULL, &err) || !ln_writer_run(s, create, &ten, &err)) return 2;
  for (int i = 0; i < EACH; i++) {
    task t = {.run = i % 3 ? run : 7, .text = "x", .kind = i % 50 == 49 ? SEGMENTS : LOGS};
    if (!ln_writer_run(s, apply, &t, &err)) {
      print_message("%s\n", err.message);
      return 1;
    }
  }
  ln_store_close(s);
  return 0;
}

static void test_two_processes(void **state) {
  (void)state;
  pid_t child = fork();
  if (child == 0) _exit(write_some(1));
  int mine = write_some(2), status;
  waitpid(child, &status, 0);
  assert_int_equal(mine, 0);
  assert_int_equal(status, 0);
  ln_store *s = open_store();
  ln_err err;
  size_t bytes = 0;
  int64_t runs[] = {1, 2, 7};
  for (int i = 0; i < 3; i++) {
    order o = {0};
    assert_true(ln_store_journal(s, runs[i], count_parts, &o, &err));
    bytes += o.bytes;
  }
  assert_int_equal(bytes, 2 * EACH);
  assert_true(ids_are_fine(s));
  ln_store_close(s);
}

#define T(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void) {
  const struct CMUnitTest tests[] = {T(test_order_and_batches),
                                     T(test_close_applies_what_has_queued),
                                     T(test_run_waits),
                                     T(test_many_threads),
                                     T(test_one_fails_alone),
                                     T(test_half_a_job),
                                     T(test_nothing_written_is_no_commit),
                                     T(test_full_disk),
                                     T(test_tasks_follow_tasks),
                                     T(test_segments),
                                     T(test_a_newer_segment),
                                     T(test_long_journal),
                                     T(test_floor_moves),
                                     T(test_needless_rows_go_soon),
                                     T(test_changed),
                                     T(test_two_processes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
