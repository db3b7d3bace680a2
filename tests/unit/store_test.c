/* store_test.c: opening a store, and what it keeps, one table after the other. */
#include "store/inside.h"
#include "tests/unit/store_help.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* --- opening --- */

static void open_fails(const char *name, bool must_exist, const char *says) {
  ln_err err = {.code = ""};
  ln_store_opts o = {.must_exist = must_exist};
  ln_store *s = ln_store_open(ln_str_of(name), &o, &err);
  assert_null(s);
  assert_string_equal(err.code, "store");
  if (!strstr(err.message, says)) print_message("not '%s': %s\n", says, err.message);
  assert_non_null(strstr(err.message, says));
}

static void write_file(const char *name, const char *text, size_t n) {
  int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text, n), n);
  close(fd);
}

static void sql(const char *text) {
  sqlite3 *db;
  assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
  assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
  sqlite3_close(db);
}

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

static void test_created(void **state) {
  (void)state;
  ln_store_close(open_store());
  struct stat st;
  assert_int_equal(stat(path, &st), 0);
  assert_int_equal(st.st_mode & 0777, 0600);
  assert_int_equal(number("PRAGMA application_id"), 0x4C754E31);
  assert_int_equal(number("PRAGMA user_version"), 9);
  assert_int_equal(number("PRAGMA auto_vacuum"), 2);
  assert_int_equal(number("SELECT 1 FROM pragma_journal_mode WHERE journal_mode = 'wal'"), 1);
  ln_store *s = open_store();
  assert_string_equal(ln_store_path(s), path);
  ln_store_close(s);
}

static void test_not_a_store(void **state) {
  (void)state;
  open_fails(uri, true, "name a store that is there");
  assert_int_equal(access(path, F_OK), -1); /* and was not made */
  char text[5000];
  memset(text, 'x', sizeof text);
  write_file(path, text, sizeof text);
  open_fails(uri, false, "is not a Lunette store");
  open_fails("postgresql://db/lunette", false, "sqlite:PATH");
  open_fails("sqlite:", false, "empty");
  char name[128];
  snprintf(name, sizeof name, "sqlite:%s", folder);
  open_fails(name, false, "is a folder");
  snprintf(name, sizeof name, "sqlite:%s/none/a.db", folder);
  open_fails(name, false, "look at its folder");
  char longest[5000] = "sqlite:/";
  memset(longest + 8, 'x', sizeof longest - 9);
  open_fails(longest, false, "longer than");
}

static void test_of_others(void **state) {
  (void)state;
  sql("CREATE TABLE t(x); INSERT INTO t VALUES(1)");
  open_fails(uri, false, "another program's");
  unlink(path);
  sql("PRAGMA application_id = 7");
  open_fails(uri, false, "another program's");
}

static void test_of_a_newer(void **state) {
  (void)state;
  ln_store_close(open_store());
  sql("PRAGMA user_version = 10");
  open_fails(uri, false, "made by a newer Lunette");
  open_fails(uri, false, "upgrade");
}

static void test_page_size(void **state) {
  (void)state;
  sql("PRAGMA page_size = 1024; CREATE TABLE t(x); DROP TABLE t");
  open_fails(uri, false, "did not take its settings");
}

/* As a user who may not: in a child, for there is no way back. */
static void test_unreadable(void **state) {
  (void)state;
  ln_store_close(open_store());
  chmod(folder, 0755);
  chmod(path, 0000);
  pid_t child = fork();
  if (child == 0) {
    if (geteuid() == 0 && setuid(65534) != 0) _exit(2);
    ln_err err;
    bool ok = !ln_store_open(ln_str_of(uri), NULL, &err) && ln_err_is(&err, "store") &&
              strstr(err.message, "right");
    _exit(ok ? 0 : 1);
  }
  int status;
  waitpid(child, &status, 0);
  assert_int_equal(status, 0);
}

static void test_no_room(void **state) {
  (void)state;
  pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit r = {8192, 8192};
    if (setrlimit(RLIMIT_FSIZE, &r) != 0) _exit(2);
    ln_err err;
    bool ok =
        !ln_store_open(ln_str_of(uri), NULL, &err) && ln_err_is(&err, "store") && strstr(err.message, "full");
    _exit(ok ? 0 : 1);
  }
  int status;
  waitpid(child, &status, 0);
  assert_int_equal(status, 0);
  ln_store_close(open_store()); /* and once there is room, it is made */
}

/* Every page of a small store in turn: an error in words, at opening or at reading, and never a crash. */
static bool ignore_run(void *arg, const ln_run_row *r) {
  (void)arg, (void)r;
  return true;
}

static bool make_run(ln_tx *tx, void *arg, ln_err *err) {
  ln_run_row r = {
      .playbook = LN_STR("t1059.harden"), .snapshot = LN_STR("sha256:0"), .state = LN_STR("running")};
  snprintf(r.ulid, sizeof r.ulid, "%s", (const char *)arg);
  return ln_tx_run_create(tx, &r, err) && ln_tx_log(tx, r.id, LN_STR("entry"), err);
}

static void test_damaged(void **state) {
  (void)state;
  ln_store *s = open_store();
  run_job(s, make_run, "01JD0000000000000000000001");
  ln_store_close(s);
  int64_t pages = number("PRAGMA page_count"), bad = 0;
  char whole[4096], wrong[4096];
  memset(wrong, 0xA5, sizeof wrong);
  for (int64_t i = 0; i < pages; i++) {
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, whole, 4096, i * 4096), 4096);
    assert_int_equal(pwrite(fd, wrong, 4096, i * 4096), 4096);
    close(fd);
    ln_err err = {.code = ""};
    ln_store_opts o = {.must_exist = true};
    s = ln_store_open(ln_str_of(uri), &o, &err);
    ln_run_query q = {.limit = 0};
    if (!s || !ln_store_runs(s, &q, ignore_run, NULL, &err)) {
      assert_string_equal(err.code, "store");
      bad++;
    }
    ln_store_close(s);
    fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, whole, 4096, i * 4096), 4096);
    close(fd);
  }
  assert_true(bad >= 3); /* the schema, meta, and run at least */
  ln_store_close(open_store());
}

/* --- runs --- */

typedef struct seen {
  int n, stop_after;
  int64_t id, root, parent, epoch, deaths, finished, ids[300];
  char ulid[32], owner[32], state[32], playbook[32], input[64], result[64], options[64];
  uint8_t seed[16];
} seen;

static void keep(char *to, size_t n, ln_str s) { snprintf(to, n, LN_STR_FMT, LN_STR_ARG(s)); }

static bool see_run(void *arg, const ln_run_row *r) {
  seen *s = arg;
  if (s->n < 300) s->ids[s->n] = r->id;
  s->n++;
  s->id = r->id;
  s->root = r->root;
  s->parent = r->parent;
  s->epoch = r->epoch;
  s->deaths = r->deaths;
  s->finished = r->finished_ms;
  snprintf(s->ulid, sizeof s->ulid, "%s", r->ulid);
  snprintf(s->owner, sizeof s->owner, "%s", r->owner);
  keep(s->state, sizeof s->state, r->state);
  keep(s->playbook, sizeof s->playbook, r->playbook);
  keep(s->input, sizeof s->input, r->input);
  keep(s->result, sizeof s->result, r->result);
  keep(s->options, sizeof s->options, r->options);
  memcpy(s->seed, r->seed, 16);
  return s->n != s->stop_after;
}

static seen run_of(ln_store *s, int64_t id) {
  seen got = {.n = 0};
  ln_err err;
  assert_true(ln_store_run_get(s, id, see_run, &got, &err));
  assert_int_equal(got.n, 1);
  return got;
}

static bool create(ln_tx *tx, void *arg, ln_err *err) { return ln_tx_run_create(tx, arg, err); }

static ln_run_row a_run(const char *ulid) {
  ln_run_row r = {.playbook = LN_STR("t1059.harden"),
                  .snapshot = LN_STR("sha256:1"),
                  .state = LN_STR("running"),
                  .started_by = LN_STR("jo"),
                  .created_ms = 1000};
  snprintf(r.ulid, sizeof r.ulid, "%s", ulid);
  return r;
}

typedef struct own {
  int64_t run, epoch;
  const char *owner;
} own;

static bool take(ln_tx *tx, void *arg, ln_err *err) {
  own *o = arg;
  return ln_tx_run_own(tx, o->run, ln_str_of(o->owner), o->epoch, err);
}

static bool check(ln_tx *tx, void *arg, ln_err *err) {
  own *o = arg;
  return ln_tx_run_check(tx, o->run, ln_str_of(o->owner), o->epoch, err);
}

static bool finish(ln_tx *tx, void *arg, ln_err *err) {
  ln_run_change c = {.state = LN_STR("completed"), .result = LN_STR("yes"), .finished_ms = 2000};
  return ln_tx_run_change(tx, *(int64_t *)arg, &c, err);
}

static bool disown(ln_tx *tx, void *arg, ln_err *err) {
  static const ln_run_change nobodys = {.owner = {"", 0}};
  return ln_tx_run_change(tx, *(int64_t *)arg, &nobodys, err) && ln_tx_run_died(tx, *(int64_t *)arg, err);
}

static void test_run(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_run_row r = a_run("01JD0000000000000000000001");
  r.input = LN_STR("in");
  r.options = LN_STR("opt");
  memset(r.seed, 7, sizeof r.seed);
  run_job(s, create, &r);
  assert_true(r.id > 0);
  assert_int_equal(r.root, r.id);
  seen got = run_of(s, r.id);
  assert_string_equal(got.ulid, r.ulid);
  assert_string_equal(got.input, "in");
  assert_string_equal(got.options, "opt");
  assert_int_equal(got.root, r.id);
  assert_memory_equal(got.seed, r.seed, 16);
  run_job(s, finish, &r.id);
  got = run_of(s, r.id);
  assert_string_equal(got.state, "completed");
  assert_string_equal(got.playbook, "t1059.harden");
  assert_string_equal(got.result, "yes");
  assert_int_equal(got.finished, 2000);
  run_job_fails(s, create, &r, "store"); /* the ULID is taken, and nothing broke by that: */
  int64_t none = 99;
  run_job_fails(s, finish, &none, "not_found");
  ln_run_row child = a_run("01JD0000000000000000000002");
  child.parent = child.root = r.id;
  run_job(s, create, &child);
  assert_int_equal(run_of(s, child.id).root, r.id);
  assert_string_equal(run_of(s, child.id).input, "");
  ln_store_close(s);
}

static void test_ownership(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_run_row r = a_run("01JD0000000000000000000001");
  run_job(s, create, &r);
  own first = {r.id, 0, "A"}, mine = {r.id, 1, "A"}, second = {r.id, 1, "B"}, theirs = {r.id, 2, "B"};
  run_job(s, take, &first);
  run_job(s, check, &mine);
  run_job_fails(s, take, &first, "conflict");
  run_job(s, take, &second);
  run_job_fails(s, check, &mine, "stale");
  run_job(s, check, &theirs);
  run_job(s, disown, &r.id);
  run_job_fails(s, check, &theirs, "stale");
  assert_int_equal(run_of(s, r.id).deaths, 1);
  assert_string_equal(run_of(s, r.id).owner, "");
  own none = {99, 0, "A"};
  run_job_fails(s, take, &none, "not_found");
  run_job_fails(s, check, &none, "not_found");
  ln_store_close(s);
}

static bool create_many(ln_tx *tx, void *arg, ln_err *err) {
  (void)arg;
  for (int i = 0; i < 200; i++) {
    ln_run_row r = a_run("");
    snprintf(r.ulid, sizeof r.ulid, "01JD%022d", i);
    r.created_ms = i;
    if (i % 2) r.state = LN_STR("waiting");
    if (i % 5 == 0) r.playbook = LN_STR("t1059.model");
    if (!ln_tx_run_create(tx, &r, err)) return false;
  }
  return true;
}

static int count_runs(ln_store *s, ln_run_query q, seen *got) {
  ln_err err;
  int stop = got->stop_after;
  *got = (seen){.stop_after = stop};
  assert_true(ln_store_runs(s, &q, see_run, got, &err));
  return got->n;
}

static void test_list(void **state) {
  (void)state;
  ln_store *s = open_store();
  run_job(s, create_many, NULL);
  seen got = {.stop_after = 0};
  assert_int_equal(count_runs(s, (ln_run_query){.limit = 0}, &got), 200); /* several pages */
  for (int i = 0; i < 200; i++) assert_int_equal(got.ids[i], 200 - i);
  assert_int_equal(count_runs(s, (ln_run_query){.limit = 70}, &got), 70);
  assert_int_equal(count_runs(s, (ln_run_query){.before_id = 11}, &got), 10);
  assert_int_equal(got.ids[0], 10);
  assert_int_equal(count_runs(s, (ln_run_query){.state = LN_STR("waiting")}, &got), 100);
  assert_int_equal(count_runs(s, (ln_run_query){.playbook = LN_STR("t1059.model")}, &got), 40);
  assert_int_equal(
      count_runs(s, (ln_run_query){.state = LN_STR("waiting"), .playbook = LN_STR("t1059.model")}, &got), 20);
  assert_int_equal(count_runs(s, (ln_run_query){.state = LN_STR("waiting"), .since_ms = 190}, &got), 5);
  ln_run_query under_way = {.state = LN_STR("waiting"), .or_under_way = true};
  assert_int_equal(count_runs(s, under_way, &got), 200); /* the others are running */
  for (int i = 0; i < 200; i++) assert_int_equal(got.ids[i], 200 - i);
  under_way.state = LN_STR("running");
  under_way.playbook = LN_STR("t1059.model");
  assert_int_equal(count_runs(s, under_way, &got), 20);
  got.stop_after = 3;
  assert_int_equal(count_runs(s, (ln_run_query){.limit = 0}, &got), 3);
  ln_store_close(s);
}

/* A clock was set back between the runs, and forward again. */
static bool create_out_of_order(ln_tx *tx, void *arg, ln_err *err) {
  static const int64_t at[] = {10, 90, 20, 30, 5, 100, 40};
  (void)arg;
  for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
    ln_run_row r = a_run("");
    snprintf(r.ulid, sizeof r.ulid, "01JD%022zu", i);
    r.created_ms = at[i];
    if (!ln_tx_run_create(tx, &r, err)) return false;
  }
  return true;
}

static void test_list_since(void **state) {
  (void)state;
  ln_store *s = open_store();
  run_job(s, create_out_of_order, NULL);
  seen got = {.stop_after = 0};
  assert_int_equal(count_runs(s, (ln_run_query){.since_ms = 90}, &got), 2);
  assert_int_equal(got.ids[0], 6);
  assert_int_equal(got.ids[1], 2);
  assert_int_equal(count_runs(s, (ln_run_query){.since_ms = 35}, &got), 3);
  assert_int_equal(count_runs(s, (ln_run_query){.since_ms = 35, .before_id = 6}, &got), 1);
  assert_int_equal(count_runs(s, (ln_run_query){.since_ms = 35, .state = LN_STR("running")}, &got), 3);
  assert_int_equal(count_runs(s, (ln_run_query){.since_ms = 35, .limit = 2}, &got), 2);
  assert_int_equal(count_runs(s, (ln_run_query){.since_ms = 1}, &got), 7);
  assert_int_equal(count_runs(s, (ln_run_query){.since_ms = 101}, &got), 0);
  ln_store_close(s);
}

static void find(ln_store *s, const char *which, const char *code, int64_t id) {
  ln_err err = {.code = ""};
  seen got = {.n = 0};
  bool ok = ln_store_run_find(s, ln_str_of(which), see_run, &got, &err);
  assert_string_equal(err.code, code);
  assert_int_equal(ok, code[0] == '\0');
  if (ok) assert_int_equal(got.id, id);
}

static void test_find(void **state) {
  (void)state;
  ln_store *s = open_store();
  find(s, "last", "not_found", 0);
  ln_run_row a = a_run("01JDABC0000000000000000001"), b = a_run("01JDABD0000000000000000002");
  run_job(s, create, &a);
  run_job(s, create, &b);
  ln_run_row child = a_run("01JE000000000000000000000Z");
  child.parent = a.id;
  run_job(s, create, &child);
  find(s, "last", "", b.id); /* not what it started */
  find(s, "01JDABC", "", a.id);
  find(s, "01jdabd0", "", b.id);
  find(s, "01JDABC0000000000000000001", "", a.id);
  find(s, "01JDAB", "ambiguous", 0);
  find(s, "01JDX", "not_found", 0);
  find(s, "", "not_found", 0);
  find(s, "01JD%", "not_found", 0);
  find(s, "01JDABC00000000000000000011", "not_found", 0);
  ln_store_close(s);
}

/* --- values --- */

typedef struct kv_job {
  const char *key, *value;
  int64_t expires, if_version, version;
  bool was;
  ln_buf out;
} kv_job;

static bool kv_set(ln_tx *tx, void *arg, ln_err *err) {
  kv_job *k = arg;
  return ln_tx_kv_set(tx, ln_str_of(k->key), ln_str_of(k->value), k->expires, k->if_version, &k->version,
                      err);
}

static bool kv_get(ln_tx *tx, void *arg, ln_err *err) {
  kv_job *k = arg;
  return ln_tx_kv_get(tx, ln_str_of(k->key), &k->out, &k->version, err);
}

static bool kv_delete(ln_tx *tx, void *arg, ln_err *err) {
  kv_job *k = arg;
  return ln_tx_kv_delete(tx, ln_str_of(k->key), &k->was, err);
}

static int64_t set_wall;
static int64_t wall(ln_clock *c) {
  (void)c;
  return set_wall;
}
static ln_clock set_clock = {wall, wall};

static void test_values(void **state) {
  (void)state;
  ln_store_opts o = {.clock = &set_clock};
  ln_err err;
  ln_store *s = ln_store_open(ln_str_of(uri), &o, &err);
  set_wall = 100;
  kv_job k = {.key = "a", .value = "one", .if_version = 0};
  ln_buf_init(&k.out, 1000);
  run_job(s, kv_set, &k);
  int64_t first = k.version;
  assert_true(first > 0);
  run_job_fails(s, kv_set, &k, "conflict"); /* it is there */
  k.if_version = first;
  k.value = "two";
  run_job(s, kv_set, &k);
  assert_true(k.version > first);
  run_job_fails(s, kv_set, &k, "conflict");
  run_job(s, kv_get, &k);
  assert_str(ln_buf_view(&k.out), "two");
  int64_t second = k.version;
  run_job(s, kv_delete, &k);
  assert_true(k.was);
  run_job(s, kv_delete, &k);
  assert_false(k.was);
  run_job(s, kv_get, &k);
  assert_int_equal(k.version, 0);
  k.if_version = -1;
  k.expires = 200;
  run_job(s, kv_set, &k);
  assert_true(k.version > second); /* never again, though it was deleted */
  set_wall = 200;
  run_job(s, kv_get, &k);
  assert_int_equal(k.version, 0); /* over */
  k.if_version = 0;
  k.expires = 0;
  run_job(s, kv_set, &k);
  ln_buf_free(&k.out);
  ln_store_close(s);
}

typedef struct list_job {
  const char *prefix;
  int64_t limit;
  int n;
  char first[16], last[16];
} list_job;

static bool see_kv(void *arg, const ln_kv *kv) {
  list_job *l = arg;
  if (l->n++ == 0) keep(l->first, sizeof l->first, kv->key);
  keep(l->last, sizeof l->last, kv->key);
  return true;
}

static bool kv_list(ln_tx *tx, void *arg, ln_err *err) {
  list_job *l = arg;
  l->n = 0;
  return ln_tx_kv_list(tx, ln_str_of(l->prefix), l->limit, see_kv, l, err);
}

static bool kv_many(ln_tx *tx, void *arg, ln_err *err) {
  (void)arg;
  int64_t version;
  bool ok = ln_tx_kv_set(tx, LN_STR("a"), LN_STR(""), 0, -1, &version, err) &&
            ln_tx_kv_set(tx, LN_STR("c"), LN_STR(""), 0, -1, &version, err) &&
            ln_tx_kv_set(tx, LN_STR("b\xff"), LN_STR(""), 0, -1, &version, err);
  for (int i = 0; ok && i < 150; i++) {
    char key[16];
    snprintf(key, sizeof key, "b/%03d", i);
    ok = ln_tx_kv_set(tx, ln_str_of(key), LN_STR("v"), 0, -1, &version, err);
  }
  return ok;
}

static void test_values_listed(void **state) {
  (void)state;
  ln_store *s = open_store();
  run_job(s, kv_many, NULL);
  list_job l = {.prefix = "b/"};
  run_job(s, kv_list, &l);
  assert_int_equal(l.n, 150);
  assert_string_equal(l.first, "b/000");
  assert_string_equal(l.last, "b/149");
  l.limit = 65;
  run_job(s, kv_list, &l);
  assert_int_equal(l.n, 65);
  l = (list_job){.prefix = ""};
  run_job(s, kv_list, &l);
  assert_int_equal(l.n, 153);
  assert_string_equal(l.last, "c");
  l = (list_job){.prefix = "b\xff"};
  run_job(s, kv_list, &l);
  assert_int_equal(l.n, 1);
  l = (list_job){.prefix = "x"};
  run_job(s, kv_list, &l);
  assert_int_equal(l.n, 0);
  ln_store_close(s);
}

/* --- the ledger --- */

static bool begin(ln_tx *tx, void *arg, ln_err *err) {
  return ln_tx_hold_may(tx, arg, &(ln_seen){.looked = false}, err) && ln_tx_hold_begin(tx, arg, err);
}

typedef struct hold_job {
  int64_t run, since, until;
  const char *step, *status, *before;
} hold_job;

static bool hold_set(ln_tx *tx, void *arg, ln_err *err) {
  hold_job *h = arg;
  return ln_tx_hold_set(tx, h->run, ln_str_of(h->step), ln_str_of(h->status), ln_str_of(h->before),
                        (ln_str){NULL, 0}, h->since, h->until, err);
}

static bool hold_drop(ln_tx *tx, void *arg, ln_err *err) {
  hold_job *h = arg;
  return ln_tx_hold_drop(tx, h->run, ln_str_of(h->step), err);
}

typedef struct held {
  int n;
  int64_t run, since, until;
  char ulid[32], entity[64], status[16], before[16], undo[16], step[16];
} held;

static bool see_hold(void *arg, const ln_hold *h) {
  held *s = arg;
  s->n++;
  s->run = h->run;
  s->since = h->since_ms;
  s->until = h->until_ms;
  snprintf(s->ulid, sizeof s->ulid, "%s", h->ulid);
  keep(s->entity, sizeof s->entity, h->entity);
  keep(s->status, sizeof s->status, h->status);
  keep(s->before, sizeof s->before, h->before);
  keep(s->undo, sizeof s->undo, h->undo);
  keep(s->step, sizeof s->step, h->step);
  return true;
}

static held holds(ln_store *s, ln_hold_query q) {
  held got = {.n = 0};
  ln_err err;
  assert_true(ln_store_holds(s, &q, see_hold, &got, &err));
  return got;
}

static ln_hold a_hold(int64_t run, const char *step, const char *entity) {
  return (ln_hold){.run = run,
                   .step = ln_str_of(step),
                   .entity = ln_str_of(entity),
                   .facet = LN_STR("isolation"),
                   .op = LN_STR("visionone.isolate"),
                   .state = LN_STR("isolated"),
                   .undo = LN_STR("undo"),
                   .since_ms = 5,
                   .until_ms = 9};
}

static void test_turns(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_run_row r = a_run("01JD0000000000000000000001");
  run_job(s, create, &r);
  ln_hold a = a_hold(r.id, "x#1", "visionone:host:WS-042"), b = a_hold(77, "y#1", "visionone:host:WS-042");
  run_job(s, begin, &a);
  run_job(s, begin, &a); /* the same step again */
  run_job_fails(s, begin, &b, "busy");
  ln_hold again = a_hold(r.id, "x#2", "visionone:host:WS-042");
  run_job_fails(s, begin, &again, "busy"); /* nor does another step of the run itself */
  b.facet = LN_STR("scan");
  run_job(s, begin, &b); /* another facet */
  b.facet = LN_STR("isolation");
  hold_job second = {.run = r.id, .step = "x#2", .status = "doubt", .until = -1};
  hold_job first = {
      .run = r.id, .step = "x#1", .status = "held", .before = "normal", .since = 6, .until = -1};
  run_job(s, hold_set, &first);
  run_job(s, begin, &again);
  run_job(s, hold_set, &second);
  run_job_fails(s, begin, &b, "busy"); /* a doubt keeps the turn */
  run_job(s, hold_drop, &second);
  run_job_fails(s, hold_set, &second, "not_found");
  b.step = LN_STR("y#2");
  run_job(s, begin, &b);
  held h = holds(s, (ln_hold_query){.run = r.id});
  assert_int_equal(h.n, 1);
  assert_string_equal(h.ulid, r.ulid);
  assert_string_equal(h.status, "held");
  assert_string_equal(h.before, "normal");
  assert_string_equal(h.undo, "undo"); /* left as it was */
  assert_int_equal(h.since, 6);
  assert_int_equal(h.until, 9);
  ln_store_close(s);
}

/* One of the version before gets what it lacks, and keeps what it has. */
static void test_of_an_older(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_hold a = a_hold(7, "x#1", "visionone:host:WS-042");
  run_job(s, begin, &a);
  ln_store_close(s);
  sql("DROP TABLE alias; ALTER TABLE hold DROP COLUMN verdict; ALTER TABLE hold DROP COLUMN move;"
      "ALTER TABLE hold DROP COLUMN lifted_by; DROP INDEX hold_over; ALTER TABLE hold DROP COLUMN ended_ms;"
      "CREATE INDEX hold_until ON hold(until_ms) WHERE until_ms > 0 AND status = 'held';"
      "DROP INDEX run_created; DROP TABLE token; DROP TABLE checkpoint; DROP TABLE audit;"
      "CREATE TABLE audit(id INTEGER PRIMARY KEY AUTOINCREMENT, ms INTEGER NOT NULL, what TEXT NOT NULL, who "
      "TEXT NOT NULL, run INTEGER NOT NULL, detail TEXT NOT NULL) STRICT;"
      "DROP TABLE alert; DROP TABLE alert_run; DROP TABLE run_key; DROP TABLE trigger_rule;"
      "DROP TABLE schedule; DROP TABLE delivery; DROP TABLE cursor; DROP TABLE request;"
      "DROP TABLE notice; DROP TABLE link; DROP TABLE session; PRAGMA user_version = 2");
  s = open_store();
  held h = holds(s, (ln_hold_query){.entity = LN_STR("ws-042")});
  assert_int_equal(h.n, 1);
  assert_string_equal(h.status, "pending");
  ln_store_close(s);
  assert_int_equal(number("PRAGMA user_version"), 9);
}

static bool hold_reached(ln_tx *tx, void *arg, ln_err *err) { return ln_tx_hold_reached(tx, arg, err); }

static void put_hold(ln_store *s, ln_hold *h, const char *state, const char *before, const char *status) {
  h->state = ln_str_of(state);
  h->before = ln_str_of(before);
  h->status = ln_str_of(status);
  run_job(s, begin, h);
}

typedef struct so_job { ln_hold *h; bool waited, joined; } so_job;

static bool hold_so(ln_tx *tx, void *arg, ln_err *err) {
  so_job *j = arg;
  return ln_tx_hold_so(tx, j->h, j->waited, &j->joined, err);
}

static bool found_so(ln_store *s, ln_hold *h, bool waited) {
  so_job j = {.h = h, .waited = waited};
  run_job(s, hold_so, &j);
  return j.joined;
}

/* What is found to be so is joined where one of ours made it so, foreign where none did; a run joins itself
** only if it had to wait for itself. */
static void test_joining(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_hold a = a_hold(1, "a", "v:host:x"), b = a_hold(2, "b", "v:host:x"), c = a_hold(1, "c", "v:host:x");
  b.status = LN_STR("foreign");
  b.undo = LN_STR("");
  assert_false(found_so(s, &b, false));
  held h = holds(s, (ln_hold_query){.run = 2});
  assert_string_equal(h.status, "foreign");
  put_hold(s, &a, "isolated", "connected", "held");
  a.until_ms = 9;
  b.until_ms = 20;
  assert_true(found_so(s, &b, false));
  h = holds(s, (ln_hold_query){.run = 2});
  assert_string_equal(h.status, "held");
  assert_string_equal(h.before, "connected");
  assert_string_equal(h.undo, "undo");
  assert_int_equal(h.until, 20);
  c.until_ms = 30;
  b.status = LN_STR("foreign");
  hold_job gone = {.run = 2, .step = "b", .status = "released", .until = -1};
  run_job(s, hold_set, &gone);
  assert_false(found_so(s, &c, false));
  h = holds(s, (ln_hold_query){.run = 1});
  assert_int_equal(h.n, 1);
  assert_int_equal(h.until, 30);
  assert_true(found_so(s, &c, true));
  assert_int_equal(holds(s, (ln_hold_query){.run = 1}).n, 2);
  hold_job left = {.run = 1, .step = "a", .status = "left", .until = -1};
  run_job(s, hold_set, &left);
  run_job(s, hold_drop, &(hold_job){.run = 1, .step = "c"});
  assert_string_equal(holds(s, (ln_hold_query){.run = 1}).status, "pending");
  assert_true(found_so(s, &b, false)); /* and what was left pending has come to its end */
  assert_string_equal(holds(s, (ln_hold_query){.run = 1}).status, "held");
  ln_store_close(s);
}

typedef struct beginning { ln_hold h; ln_seen then; } beginning;

static bool may_begin(ln_tx *tx, void *arg, ln_err *err) {
  const beginning *b = arg;
  return ln_tx_hold_may(tx, &b->h, &b->then, err);
}

static void look(ln_store *s, beginning *b) {
  ln_err err;
  assert_true(ln_store_hold_seen(s, &b->h, &b->then, &err));
}

/* A look that is older than what began or ended there is none, whatever the clock said meanwhile. */
static void test_an_old_look(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_hold a = a_hold(1, "a", "v:host:x"), other = a_hold(3, "o", "v:host:y");
  beginning b = {.h = a_hold(2, "b", "v:host:x")};
  b.h.since_ms = 200;
  run_job(s, may_begin, &b);                             /* it did not look */
  look(s, &b);
  run_job(s, may_begin, &b);
  put_hold(s, &other, "isolated", "connected", "held");  /* that is elsewhere */
  run_job(s, may_begin, &b);
  a.since_ms = 900;                                      /* as of a time to come: the clock went back since */
  put_hold(s, &a, "isolated", "connected", "held");
  run_job_fails(s, may_begin, &b, "moved");
  look(s, &b);
  run_job(s, may_begin, &b);
  run_job(s, hold_set, &(hold_job){.run = 1, .step = "a", .status = "released", .until = -1});
  run_job_fails(s, may_begin, &b, "moved");
  look(s, &b);
  put_hold(s, &b.h, "isolated", "connected", "held");    /* its own is nobody else's */
  run_job(s, may_begin, &b);
  ln_store_close(s);
}

typedef struct over { int n; int64_t hold; char step[16]; } over;

static bool see_over(void *arg, const ln_lease *l) {
  over *o = arg;
  o->n++;
  o->hold = l->hold;
  keep(o->step, sizeof o->step, l->step);
  return true;
}

static over leases_over(ln_store *s, int64_t now) {
  over o = {.n = 0};
  ln_err err;
  assert_true(ln_store_leases_over(s, now, see_over, &o, &err));
  return o;
}

static bool lease_ended(ln_tx *tx, void *arg, ln_err *err) {
  return ln_tx_lease_ended(tx, *(int64_t *)arg, err);
}

static bool prolong(ln_tx *tx, void *arg, ln_err *err) {
  int64_t n;
  return ln_tx_hold_prolong(tx, LN_STR("v:host:x"), *(int64_t *)arg, &n, err) && n == 1;
}

static void test_leases(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_hold a = a_hold(1, "a", "v:host:x"), b = a_hold(2, "b", "v:host:y"), c = a_hold(3, "c", "v:host:z");
  int64_t next, later = 50;
  ln_err err;
  a.until_ms = 20, b.until_ms = 0, c.until_ms = 10;
  put_hold(s, &a, "isolated", "connected", "held");
  put_hold(s, &b, "isolated", "connected", "held");
  put_hold(s, &c, "isolated", "connected", "pending");
  assert_true(ln_store_lease_next(s, &next, &err));
  assert_int_equal(next, 20);
  assert_int_equal(leases_over(s, 19).n, 0);
  over o = leases_over(s, 20);
  assert_int_equal(o.n, 1);
  assert_string_equal(o.step, "a");
  run_job(s, lease_ended, &o.hold);
  assert_int_equal(leases_over(s, 1000).n, 0);
  run_job(s, prolong, &later);                           /* then it ends again */
  assert_int_equal(leases_over(s, 49).n, 0);
  assert_int_equal(leases_over(s, 50).n, 1);
  ln_store_close(s);
}

/* What gives back what was taken ends the hold, and is none itself; what only changes it again is one. */
static void test_a_state_ends_the_others(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_hold a = a_hold(1, "a", "v:host:x"), b = a_hold(2, "b", "v:host:x"), c = a_hold(3, "c", "v:host:x"),
          d = a_hold(4, "d", "v:host:x");
  put_hold(s, &a, "isolated", "connected", "held");
  d.facet = LN_STR("scan");
  put_hold(s, &d, "scanned", "", "held");
  put_hold(s, &b, "connected", "isolated", "held");
  run_job(s, hold_reached, &b);
  held left = holds(s, (ln_hold_query){.entity = LN_STR("v:host:x")});
  assert_int_equal(left.n, 1); /* the other facet's */
  assert_string_equal(left.step, "d");
  put_hold(s, &c, "isolated", "connected", "held");
  run_job(s, hold_reached, &c);
  assert_int_equal(holds(s, (ln_hold_query){.run = 3}).n, 1);
  put_hold(s, &b, "watched", "isolated", "held");
  run_job(s, hold_reached, &b);
  assert_int_equal(holds(s, (ln_hold_query){.run = 3}).n, 0);
  assert_int_equal(holds(s, (ln_hold_query){.run = 2}).n, 1);
  put_hold(s, &a, "isolated", "connected", "doubt"); /* nobody knows: it stays */
  run_job(s, hold_reached, &b);
  assert_int_equal(holds(s, (ln_hold_query){.run = 1}).n, 1);
  ln_store_close(s);
}

/* A run ended while its write was on its way to a state; another's write to the same one says it is there. */
static void test_a_state_is_reached_for_all(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_hold a = a_hold(1, "a", "v:host:x"), b = a_hold(2, "b", "v:host:x"), c = a_hold(3, "c", "v:host:x");
  put_hold(s, &a, "isolated", "connected", "left");
  put_hold(s, &c, "watched", "connected", "left");
  put_hold(s, &b, "isolated", "connected", "held");
  run_job(s, hold_reached, &b);
  assert_string_equal(holds(s, (ln_hold_query){.run = 1}).status, "held");
  assert_int_equal(holds(s, (ln_hold_query){.run = 2}).n, 1);
  assert_int_equal(holds(s, (ln_hold_query){.run = 3}).n, 0);
  ln_store_close(s);
}

static void test_holds_found(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_hold rows[] = {a_hold(1, "a", "visionone:host:WS-042"), a_hold(1, "b", "crowdstrike:host:ws-042"),
                    a_hold(2, "c", "okta:user:00U1"), a_hold(3, "d", "okta:user:00U1"),
                    a_hold(3, "e", "odd")};
  for (size_t i = 0; i < 5; i++) {
    rows[i].status = LN_STR("held");
    run_job(s, begin, &rows[i]);
  }
  hold_job gone = {.run = 2, .step = "c", .status = "released", .until = 0};
  run_job(s, hold_set, &gone);
  assert_int_equal(holds(s, (ln_hold_query){.entity = LN_STR("Ws-042")}).n, 2);
  assert_int_equal(holds(s, (ln_hold_query){.entity = LN_STR("visionone:host:WS-042")}).n, 1);
  assert_int_equal(holds(s, (ln_hold_query){.entity = LN_STR("visionone:host:ws-042")}).n, 0); /* exact */
  assert_int_equal(holds(s, (ln_hold_query){.entity = LN_STR("odd")}).n, 1);
  assert_int_equal(holds(s, (ln_hold_query){.kind = LN_STR("host")}).n, 2);
  assert_int_equal(holds(s, (ln_hold_query){.kind = LN_STR("user")}).n, 1);
  assert_int_equal(holds(s, (ln_hold_query){.kind = LN_STR("user"), .all = true}).n, 2);
  assert_int_equal(holds(s, (ln_hold_query){.run = 3}).n, 2);
  assert_int_equal(holds(s, (ln_hold_query){.run = 2}).n, 0);
  assert_int_equal(holds(s, (ln_hold_query){.run = 2, .all = true}).until, 0);
  assert_int_equal(holds(s, (ln_hold_query){.run = 0}).n, 4);
  assert_int_equal(holds(s, (ln_hold_query){.all = true}).n, 5);
  held h = holds(s, (ln_hold_query){.entity = LN_STR("okta:user:00U1"), .all = true});
  assert_int_equal(h.n, 2);
  assert_string_equal(h.step, "d");
  ln_store_close(s);
}

typedef struct act_job {
  int64_t root, since, ms;
  const char *entity;
  ln_acts acts;
} act_job;

static bool act_add(ln_tx *tx, void *arg, ln_err *err) {
  act_job *a = arg;
  return ln_tx_act_add(tx, a->root, a->root, ln_str_of(a->entity), LN_STR("op"), a->ms, err);
}

static bool act_count(ln_tx *tx, void *arg, ln_err *err) {
  act_job *a = arg;
  return ln_tx_act_count(tx, a->root, ln_str_of(a->entity), a->since, &a->acts, err);
}

static void count_acts(ln_store *s, int64_t root, const char *entity, int64_t since, ln_acts want) {
  act_job a = {.root = root, .entity = entity, .since = since};
  run_job(s, act_count, &a);
  assert_int_equal(a.acts.in_tree, want.in_tree);
  assert_int_equal(a.acts.in_window, want.in_window);
  assert_int_equal(a.acts.alike, want.alike);
  assert_int_equal(a.acts.tree_has_it, want.tree_has_it);
  assert_int_equal(a.acts.window_has_it, want.window_has_it);
}

static void test_caps(void **state) {
  (void)state;
  ln_store *s = open_store();
  act_job acts[] = {
      {.root = 1, .entity = "v:host:1", .ms = 100}, {.root = 1, .entity = "v:host:1", .ms = 300},
      {.root = 1, .entity = "w:host:2", .ms = 200}, {.root = 2, .entity = "v:host:1", .ms = 250},
      {.root = 2, .entity = "v:host:3", .ms = 50},  {.root = 2, .entity = "v:hostile:3", .ms = 50}};
  for (size_t i = 0; i < 6; i++) run_job(s, act_add, &acts[i]);
  count_acts(s, 1, "v:host:1", 0, (ln_acts){2, 4, 2, true, true});
  count_acts(s, 1, "v:host:3", 250, (ln_acts){2, 1, 1, false, false}); /* v:host:1 twice is one */
  count_acts(s, 2, "v:host:3", 200, (ln_acts){3, 2, 1, true, false});
  count_acts(s, 3, "w:host:9", 200, (ln_acts){0, 2, 1, false, false});
  count_acts(s, 3, "v:host:1", 400, (ln_acts){0, 0, 0, false, false});
  ln_store_close(s);
}

/* --- approvals --- */

static bool add_approval(ln_tx *tx, void *arg, ln_err *err) { return ln_tx_approval_add(tx, arg, err); }

typedef struct vote_job {
  int64_t id, ms;
  bool yes;
  const char *by;
} vote_job;

static bool vote(ln_tx *tx, void *arg, ln_err *err) {
  vote_job *v = arg;
  return ln_tx_approval_vote(tx, v->id, v->yes, ln_str_of(v->by), LN_STR("why"), LN_STR("b"), v->ms, err);
}

static bool expire(ln_tx *tx, void *arg, ln_err *err) {
  vote_job *v = arg;
  return ln_tx_approval_set(tx, v->id, LN_STR("expired"), v->ms, err);
}

static bool lapse(ln_tx *tx, void *arg, ln_err *err) {
  vote_job *v = arg;
  return ln_tx_approval_set(tx, v->id, LN_STR("lapsed"), v->ms, err);
}

typedef struct answer {
  int n;
  char state[16], by[32], comment[16], effects[16], ulid[32];
  int64_t decided, quorum;
} answer;

static bool see_approval(void *arg, const ln_approval *a) {
  answer *s = arg;
  s->n++;
  keep(s->state, sizeof s->state, a->state);
  keep(s->by, sizeof s->by, a->by);
  keep(s->comment, sizeof s->comment, a->comment);
  keep(s->effects, sizeof s->effects, a->effects);
  snprintf(s->ulid, sizeof s->ulid, "%s", a->ulid);
  s->decided = a->decided_ms;
  s->quorum = a->quorum;
  return true;
}

static answer approval(ln_store *s, int64_t id) {
  answer a = {.n = 0};
  ln_err err;
  assert_true(ln_store_approval(s, id, see_approval, &a, &err));
  return a;
}

static int approvals(ln_store *s, int64_t run, bool waiting) {
  answer a = {.n = 0};
  ln_err err;
  assert_true(ln_store_approvals(s, run, waiting, see_approval, &a, &err));
  return a.n;
}

static ln_approval an_approval(int64_t run, int64_t quorum) {
  return (ln_approval){.run = run, .step = LN_STR("approve#1"), .kind = LN_STR("write"), .title = LN_STR("t"),
                       .effects = LN_STR("fx"), .quorum = quorum, .created_ms = 1, .expires_ms = 1000};
}

static void test_votes(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_run_row r = a_run("01JD0000000000000000000001");
  run_job(s, create, &r);
  ln_approval a = an_approval(r.id, 2);
  run_job(s, add_approval, &a);
  vote_job ann = {a.id, 10, true, "ann"}, bob = {a.id, 20, true, "bob"}, cid = {a.id, 30, true, "cid"};
  run_job(s, vote, &ann);
  assert_string_equal(approval(s, a.id).state, "waiting");
  run_job_fails(s, vote, &ann, "conflict"); /* one a person */
  run_job(s, vote, &bob);
  answer got = approval(s, a.id);
  assert_string_equal(got.state, "approved");
  assert_string_equal(got.by, "ann, bob");
  assert_string_equal(got.comment, "why");
  assert_string_equal(got.effects, "fx");
  assert_string_equal(got.ulid, r.ulid);
  run_job(s, lapse, &cid); /* its run ends in that moment: what they have said stays on record */
  assert_string_equal(approval(s, a.id).state, "approved");
  assert_int_equal(approval(s, a.id).decided, 20);
  assert_int_equal(got.decided, 20);
  run_job_fails(s, vote, &cid, "conflict");
  ln_store_close(s);
}

static bool get_approval(ln_tx *tx, void *arg, ln_err *err) {
  answer *a = arg;
  return ln_tx_approval_get(tx, a->decided, see_approval, a, err);
}

static void test_denied_and_expired(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_approval a = an_approval(1, 3), b = an_approval(1, 0), c = an_approval(2, 1);
  run_job(s, add_approval, &a);
  run_job(s, add_approval, &b);
  run_job(s, add_approval, &c);
  assert_int_equal(approvals(s, 0, true), 3);
  vote_job yes = {a.id, 10, true, "ann"}, no = {a.id, 20, false, "bob"}, late = {b.id, 1000, true, "ann"};
  run_job(s, vote, &yes);
  run_job(s, vote, &no); /* the first denial denies */
  answer got = {.decided = a.id};
  run_job(s, get_approval, &got);
  assert_string_equal(got.state, "denied");
  assert_string_equal(got.by, "bob");
  no.ms = 30;
  run_job(s, expire, &no); /* which nothing overwrites */
  assert_string_equal(approval(s, a.id).state, "denied");
  assert_int_equal(approval(s, a.id).decided, 20);
  assert_int_equal(approval(s, b.id).quorum, 1);
  run_job_fails(s, vote, &late, "conflict");
  run_job(s, expire, &late);
  assert_string_equal(approval(s, b.id).state, "expired");
  vote_job none = {99, 1, true, "ann"};
  run_job_fails(s, vote, &none, "not_found");
  run_job_fails(s, expire, &none, "not_found");
  assert_int_equal(approvals(s, 0, true), 1);
  assert_int_equal(approvals(s, 0, false), 3);
  assert_int_equal(approvals(s, 1, false), 2);
  assert_int_equal(approvals(s, 1, true), 0);
  ln_store_close(s);
}

/* --- content, the vault, audit --- */

static bool put_content(ln_tx *tx, void *arg, ln_err *err) { return ln_tx_content_put(tx, arg, err); }

static void test_content(void **state) {
  (void)state;
  ln_store *s = open_store();
  char *big = malloc(3000000);
  memset(big, 'z', 3000000);
  ln_content c = {.bytes = {big, 3000000}, .kind = LN_STR("blob"), .expires_ms = 10};
  memset(c.sha256, 'a', 64);
  ln_err err;
  ln_buf out;
  ln_buf_init(&out, 1 << 23);
  assert_false(ln_store_content_get(s, ln_str_of(c.sha256), &out, &err));
  assert_string_equal(err.code, "not_found");
  run_job(s, put_content, &c);
  int64_t until[] = {5, 20, 0, 30}, kept[] = {10, 20, 0, 0};
  for (int i = 0; i < 4; i++) {
    c.expires_ms = until[i];
    run_job(s, put_content, &c);
    assert_int_equal(number("SELECT expires_ms FROM content"), kept[i]);
  }
  assert_true(ln_store_content_get(s, ln_str_of(c.sha256), &out, &err));
  assert_int_equal(out.n, 3000000);
  assert_memory_equal(out.p, big, out.n);
  free(big);
  ln_buf_free(&out);
  ln_store_close(s);
}

typedef struct secret_job {
  const char *name, *sealed;
  bool was;
} secret_job;

static bool put_secret(ln_tx *tx, void *arg, ln_err *err) {
  secret_job *j = arg;
  return ln_tx_secret_put(tx, ln_str_of(j->name), ln_str_of(j->sealed), 5, err);
}

static bool rm_secret(ln_tx *tx, void *arg, ln_err *err) {
  secret_job *j = arg;
  return ln_tx_secret_rm(tx, ln_str_of(j->name), &j->was, err);
}

static bool see_secret(void *arg, ln_str name, int64_t ms) {
  ln_buf *b = arg;
  assert_int_equal(ms, 5);
  return ln_buf_add(b, name) && ln_buf_addc(b, ' ');
}

static bool put_audit(ln_tx *tx, void *arg, ln_err *err) {
  (void)arg;
  return ln_tx_audit(tx, 7, LN_STR("refused"), LN_STR("jo"), 3, LN_STR("{\"rule\":\"system_file\"}"), err);
}

static void test_vault_rows(void **state) {
  (void)state;
  ln_store *s = open_store();
  secret_job b = {"b", "sealed b", false}, a = {"a", "sealed a", false}, own_row = {"#check", "x", false};
  run_job(s, put_secret, &b);
  run_job(s, put_secret, &a);
  run_job(s, put_secret, &own_row);
  b.sealed = "new b";
  run_job(s, put_secret, &b);
  ln_buf out;
  ln_err err;
  ln_buf_init(&out, 1000);
  assert_true(ln_store_secrets(s, see_secret, &out, &err));
  assert_str(ln_buf_view(&out), "a b ");
  ln_buf_cut(&out, 0);
  assert_true(ln_store_secret_get(s, LN_STR("b"), &out, &err));
  assert_str(ln_buf_view(&out), "new b");
  run_job(s, rm_secret, &b);
  assert_true(b.was);
  run_job(s, rm_secret, &b);
  assert_false(b.was);
  assert_false(ln_store_secret_get(s, LN_STR("b"), &out, &err));
  assert_string_equal(err.code, "not_found");
  run_job(s, put_audit, NULL);
  assert_int_equal(number("SELECT count(*) FROM audit WHERE what = 'refused' AND who = 'jo' AND run = 3"), 1);
  ln_buf_free(&out);
  ln_store_close(s);
}

/* Whoever looks on is told of each commit what goes into a journal, also where the run ends in that batch;
** and nothing of a job that failed. */
typedef struct onlooker { ln_buf seen; int commits; } onlooker;

static void sees_entries(void *arg, int64_t run, ln_str entries) {
  onlooker *o = arg;
  assert_true(ln_buf_addf(&o->seen, "%lld:%.*s ", (long long)run, LN_STR_ARG(entries)));
}

static void sees_commit(void *arg) { ((onlooker *)arg)->commits++; }

static bool log_more(ln_tx *tx, void *arg, ln_err *err) { return ln_tx_log(tx, 1, ln_str_of(arg), err); }

static bool log_and_end(ln_tx *tx, void *arg, ln_err *err) {
  return ln_tx_log(tx, 1, ln_str_of(arg), err) && ln_tx_segment(tx, 1, err);
}

static bool log_and_fail(ln_tx *tx, void *arg, ln_err *err) {
  return ln_tx_log(tx, 1, ln_str_of(arg), err) && ln_fail(err, "conflict", LN_FINAL, "no");
}

static void test_onlooker(void **state) {
  (void)state;
  onlooker o = {.commits = 0};
  ln_store_watch w = {sees_entries, sees_commit, &o};
  ln_store_opts so = {.watch = &w};
  ln_err err;
  ln_buf_init(&o.seen, 4096);
  ln_store *s = ln_store_open(ln_str_of(uri), &so, &err);
  assert_non_null(s);
  ln_run_row row = {.ulid = "01JD8F2C000000000000000000", .state = LN_STR("running")};
  run_job(s, create, &row);
  assert_int_equal(o.commits, 0);                        /* no entry, no journal */
  run_job(s, log_more, "one");
  run_job_fails(s, log_and_fail, "never", "conflict");
  run_job(s, log_and_end, "two");
  assert_str(ln_buf_view(&o.seen), "1:one 1:two ");
  assert_int_equal(o.commits, 2);
  ln_buf_free(&o.seen);
  ln_store_close(s);
}

/* ------------------------------------------------------------------ alerts */

static bool add_alerts(ln_tx *tx, void *arg, ln_err *err) {
  char name[32];
  bool fresh, was;
  (void)arg;
  for (int i = 0; i < 2000; i++) {
    ln_alert_row a = {.source = LN_STR("probe"), .state = LN_STR("new"), .ms = 1};
    snprintf(name, sizeof name, "a%d", i);
    a.name = ln_str_of(name);
    if (!ln_tx_alert_add(tx, &a, ln_str_of(name), &fresh, err)) return false;
    if (i != 1000 && !ln_tx_alert_decided(tx, a.id, &was, err)) return false;
  }
  return true;
}

static int count_steps(unsigned what, void *arg, void *stmt, void *ns) {
  (void)what, (void)ns;
  *(int *)arg += sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 1);
  return 0;
}

static bool one_more(void *arg, const ln_alert_row *a) {
  (void)a;
  ++*(int *)arg;
  return true;
}

/* What is new is found at once among all that is not: by how many steps SQLite takes, also the first time. */
static void test_new_alerts(void **state) {
  (void)state;
  ln_err err;
  ln_store *s = open_store();
  run_job(s, add_alerts, NULL);
  for (int up = 0; up < 2; up++) {
    int steps = 0, found = 0;
    ln_alert_query q = {.state = LN_STR("new"), .oldest_first = up};
    sqlite3_trace_v2(s->reader->db, SQLITE_TRACE_PROFILE, count_steps, &steps);
    assert_true(ln_store_alerts(s, &q, one_more, &found, &err));
    sqlite3_trace_v2(s->reader->db, 0, NULL, NULL);
    assert_int_equal(found, 1);
    assert_true(steps > 0);
    if (steps > 500) fail_msg("%d steps, oldest first: %d", steps, up);
  }
  ln_store_close(s);
}

#define T(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void) {
  const struct CMUnitTest tests[] = {T(test_created),
                                     T(test_not_a_store),
                                     T(test_of_others),
                                     T(test_of_a_newer),
                                     T(test_page_size),
                                     T(test_of_an_older),
                                     T(test_unreadable),
                                     T(test_no_room),
                                     T(test_damaged),
                                     T(test_run),
                                     T(test_ownership),
                                     T(test_list),
                                     T(test_list_since),
                                     T(test_find),
                                     T(test_values),
                                     T(test_values_listed),
                                     T(test_turns),
                                     T(test_a_state_ends_the_others), T(test_a_state_is_reached_for_all),
                                     T(test_joining),
                                     T(test_an_old_look),
                                     T(test_leases),
                                     T(test_holds_found),
                                     T(test_caps),
                                     T(test_votes),
                                     T(test_denied_and_expired),
                                     T(test_content),
                                     T(test_vault_rows),
                                     T(test_onlooker),
                                     T(test_new_alerts)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
