/* vfs_test.c: many lives of a store on a disk that loses power at any write, sync or removal, also while it
** is made, recovered or checkpointed.  After each, the store opens; what was acknowledged is there; the
** batch that was under way is there whole, or not at all.  That the check can fail is shown by a disk whose
** syncs do nothing. */
#include "tests/unit/store_help.h"

#include "base/log.h"
#include "store/inside.h"

#include <sqlite3.h>

enum { RUNS = 5, TEXT = 8192, BATCH = 8, LIVES = 5 };

/* What a store should hold: each run's journal, and one value that every job sets. */
typedef struct model {
  char journal[RUNS][TEXT];
  int64_t value, made; /* made: runs that exist */
} model;

typedef struct world {
  ln_vfs_sim *vfs;
  ln_rand rand;
  model sure, hoped; /* acknowledged; and with the batch under way */
  int64_t counter;
  bool lost; /* the check has failed */
} world;

typedef struct work {
  world *w;
  int run;
  bool segment, failed;
  int64_t n;
  char text[16];
} work;

static size_t pick(world *w, size_t below) { return (size_t)(ln_rand_u64(&w->rand) % below); }

static bool make_runs(ln_tx *tx, void *arg, ln_err *err) {
  (void)arg;
  for (int i = 0; i < RUNS; i++) {
    ln_run_row r = {.state = LN_STR("running")};
    snprintf(r.ulid, sizeof r.ulid, "01JD%022d", i);
    if (!ln_tx_run_create(tx, &r, err)) return false;
  }
  return true;
}

static bool apply(ln_tx *tx, void *arg, ln_err *err) {
  work *j = arg;
  int64_t version;
  return ln_tx_kv_set(tx, LN_STR("n"), (ln_str){(char *)&j->n, sizeof j->n}, 0, -1, &version, err) &&
         ln_tx_log(tx, j->run + 1, ln_str_of(j->text), err) &&
         (!j->segment || ln_tx_segment(tx, j->run + 1, err));
}

static void done(void *arg, const ln_err *err) { ((work *)arg)->failed = err != NULL; }

static void expect(model *m, const work *j) {
  size_t n = strlen(m->journal[j->run]);
  snprintf(m->journal[j->run] + n, TEXT - n, "%s", j->text);
  m->value = j->n;
}

/* One batch.  False: it was not acknowledged. */
static bool batch(world *w, ln_store *s, ln_loop *l) {
  work jobs[BATCH];
  int n = 1 + (int)pick(w, BATCH);
  w->hoped = w->sure;
  for (int i = 0; i < n; i++) {
    jobs[i] = (work){.w = w, .run = (int)pick(w, RUNS), .segment = pick(w, 10) == 0, .n = ++w->counter};
    snprintf(jobs[i].text, sizeof jobs[i].text, "%d,", (int)w->counter);
    expect(&w->hoped, &jobs[i]);
    assert_true(ln_writer_submit(s, l, apply, done, &jobs[i]));
  }
  l->run(l);
  for (int i = 1; i < n; i++) assert_int_equal(jobs[i].failed, jobs[0].failed);
  if (jobs[0].failed) return false;
  w->sure = w->hoped;
  return true;
}

/* --- looking --- */

static bool add(void *arg, ln_str entries) { return ln_buf_add(arg, entries); }

static bool read_value(ln_tx *tx, void *arg, ln_err *err) {
  int64_t version, *value = arg;
  ln_buf b;
  ln_buf_init(&b, 100);
  bool ok = ln_tx_kv_get(tx, LN_STR("n"), &b, &version, err);
  *value = 0;
  if (ok && b.n == sizeof *value) memcpy(value, b.p, b.n);
  ln_buf_free(&b);
  return ok;
}

static bool see(ln_store *s, model *m, ln_err *err) {
  memset(m, 0, sizeof *m);
  for (int i = 0; i < RUNS; i++) {
    ln_buf b;
    ln_buf_init(&b, TEXT - 1);
    bool ok = ln_store_journal(s, i + 1, add, &b, err);
    if (b.n) memcpy(m->journal[i], b.p, b.n);
    ln_buf_free(&b);
    if (!ok) return false;
  }
  return ln_writer_run(s, read_value, &m->value, err);
}

static bool same(const model *a, const model *b) {
  for (int i = 0; i < RUNS; i++)
    if (strcmp(a->journal[i], b->journal[i]) != 0) return false;
  return a->value == b->value;
}

static bool whole(const char *vfs) {
  sqlite3 *db;
  sqlite3_stmt *q = NULL;
  bool ok = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, vfs) == SQLITE_OK &&
            sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &q, NULL) == SQLITE_OK &&
            sqlite3_step(q) == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(q, 0), "ok") == 0;
  sqlite3_finalize(q);
  sqlite3_close(db);
  return ok;
}

/* --- living --- */

/* Until the power goes.  It may go at any step of opening, too. */
static void live(world *w) {
  ln_err err;
  ln_store_opts o = {.vfs = "cuts"};
  ln_store *s = ln_store_open(ln_str_of(uri), &o, &err);
  ln_loop *l = ln_loop_sim(ln_rand_u64(&w->rand), 0, &err);
  assert_non_null(l);
  w->hoped = w->sure;
  if (s) s->tail_keep = (int64_t)pick(w, 40), s->tail_slack = (int64_t)pick(w, 10); /* so that it is tidied */
  if (s && ln_writer_start(s, l, &err)) {
    if (!w->sure.made) w->hoped.made = 1;
    if (w->sure.made || ln_writer_run(s, make_runs, NULL, &err)) {
      w->sure.made = 1;
      for (int i = 0; i < 100 && batch(w, s, l); i++) continue;
    }
  }
  ln_vfs_sim_power_cut(w->vfs);
  ln_store_close(s);
  l->free(l);
}

static bool any_run(void *arg, const ln_run_row *r) {
  *(int64_t *)arg = r->id;
  return true;
}

/* Is it as it should be?  What is found becomes sure. */
static bool check(world *w) {
  ln_err err;
  ln_store_opts o = {.vfs = "cuts"};
  model found;
  ln_store *s = ln_store_open(ln_str_of(uri), &o, &err);
  ln_run_query q = {.limit = 1};
  bool ok = s && see(s, &found, &err) && ln_store_runs(s, &q, any_run, &found.made, &err);
  ln_store_close(s);
  if (!ok || !whole("cuts")) return false;
  found.made = found.made != 0;
  ok = found.made >= w->sure.made && (same(&found, &w->sure) || same(&found, &w->hoped));
  w->sure = found;
  return ok;
}

static bool lives(uint64_t seed, bool lie) {
  ln_err err;
  world *w = calloc(1, sizeof *w);
  ln_rand_seed(&w->rand, seed);
  w->vfs = ln_vfs_sim_new("cuts", seed, &err);
  assert_non_null(w->vfs);
  ln_vfs_sim_lie(w->vfs, lie);
  bool ok = true;
  for (int i = 0; ok && i < LIVES; i++) {
    ln_vfs_sim_cut_after(w->vfs, (int64_t)pick(w, pick(w, 3) ? 400 : 40));
    live(w);
    ln_vfs_sim_cut_after(w->vfs, -1);
    ok = check(w);
  }
  ln_vfs_sim_free(w->vfs);
  free(w);
  return ok;
}

static void test_power_cuts(void **state) {
  (void)state;
  const char *more = getenv("SEEDS");
  uint64_t seeds = more ? strtoull(more, NULL, 10) : 100;
  for (uint64_t seed = 1; seed <= seeds; seed++)
    if (!lives(seed, false)) fail_msg("seed %d lost what was acknowledged", (int)seed);
}

static void test_the_check_can_fail(void **state) {
  (void)state;
  int caught = 0;
  for (uint64_t seed = 1; seed <= 30; seed++) caught += !lives(seed, true);
  assert_true(caught > 10);
}

/* --- the disk itself --- */

static sqlite3_file *open_file(sqlite3_vfs *vfs, const char *name) {
  sqlite3_file *f = calloc(1, (size_t)vfs->szOsFile);
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_WAL;
  assert_int_equal(vfs->xOpen(vfs, name, f, flags, &flags), SQLITE_OK);
  return f;
}

static void close_file(sqlite3_file *f) {
  f->pMethods->xClose(f);
  free(f);
}

static void test_sync_is_what_counts(void **state) {
  (void)state;
  ln_err err;
  int lost = 0, kept = 0, torn = 0;
  for (uint64_t seed = 1; seed <= 40; seed++) {
    ln_vfs_sim *v = ln_vfs_sim_new("disk", seed, &err);
    sqlite3_vfs *vfs = sqlite3_vfs_find("disk");
    sqlite3_file *f = open_file(vfs, "f");
    char old[2048], new[2048], now[2048];
    memset(old, 'o', sizeof old);
    memset(new, 'n', sizeof new);
    assert_int_equal(f->pMethods->xWrite(f, old, sizeof old, 0), SQLITE_OK);
    assert_int_equal(f->pMethods->xSync(f, SQLITE_SYNC_NORMAL), SQLITE_OK);
    assert_int_equal(f->pMethods->xWrite(f, new, sizeof new, 0), SQLITE_OK);
    ln_vfs_sim_power_cut(v);
    assert_int_equal(f->pMethods->xRead(f, now, 1, 0) & 0xff, SQLITE_IOERR); /* stale */
    close_file(f);
    f = open_file(vfs, "f");
    assert_int_equal(f->pMethods->xRead(f, now, sizeof now, 0), SQLITE_OK);
    if (!memcmp(now, old, sizeof now)) lost++;
    else if (!memcmp(now, new, sizeof now)) kept++;
    else torn++;
    for (size_t i = 0; i < sizeof now; i++) assert_true(now[i] == 'o' || now[i] == 'n');
    close_file(f);
    ln_vfs_sim_free(v);
  }
  assert_true(lost > 0 && kept > 0 && torn > 0);
}

static void test_two_connections(void **state) {
  (void)state;
  ln_err err;
  ln_vfs_sim *v = ln_vfs_sim_new("cuts", 1, &err);
  assert_null(ln_vfs_sim_new("cuts", 1, &err)); /* the name is taken */
  assert_string_equal(err.code, "store");
  ln_store *a = open_vfs("cuts"), *b = open_vfs("cuts");
  run_job(a, make_runs, NULL);
  work j = {.n = 1, .text = "a,"};
  for (int i = 0; i < 50; i++) {
    run_job(i % 2 ? a : b, apply, &j);
    assert_true(ln_store_changed(i % 2 ? b : a));
  }
  model m;
  assert_true(see(a, &m, &err));
  assert_int_equal(strlen(m.journal[0]), 100);
  ln_store_close(a);
  ln_store_close(b);
  ln_store_opts o = {.vfs = "cuts", .must_exist = true};
  assert_null(ln_store_open(LN_STR("sqlite:other.db"), &o, &err));
  assert_string_equal(err.code, "store");
  ln_vfs_sim_free(v);
}

#define T(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void) {
  ln_log_level(LN_NOTHING); /* a lost batch is what is tested */
  const struct CMUnitTest tests[] = {T(test_sync_is_what_counts), T(test_two_connections), T(test_power_cuts),
                                     T(test_the_check_can_fail)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
