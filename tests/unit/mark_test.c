/* mark_test.c: backups of a store, and how a store knows that it is one of another moment. */
#include "tests/unit/store_help.h"

#include <fcntl.h>
#include <sys/stat.h>

static char copy[128]; /* where a second store lies */

static int make_two(void **state) {
  if (make_folder(state) != 0) return -1;
  snprintf(copy, sizeof copy, "%s/b.db", folder);
  return 0;
}

static bool create(ln_tx *tx, void *arg, ln_err *err) { return ln_tx_run_create(tx, arg, err); }

static int64_t put_run(ln_store *s, const char *ulid, const char *state, int64_t finished) {
  ln_run_row row = {.state = ln_str_of(state), .finished_ms = finished, .epoch = 3, .playbook = LN_STR("p")};
  snprintf(row.ulid, sizeof row.ulid, "%s", ulid);
  snprintf(row.owner, sizeof row.owner, finished ? "" : "01AAAAAAAAAAAAAAAAAAAAAAAA");
  run_job(s, create, &row);
  return row.id;
}

static ln_store *open_path(const char *file) {
  char text[160];
  ln_err err = {.code = ""};
  snprintf(text, sizeof text, "sqlite:%s", file);
  ln_store *s = ln_store_open(ln_str_of(text), NULL, &err);
  if (!s) print_message("%s\n", err.message);
  return s;
}

static const char *why_of(ln_store *s) {
  static char text[256];
  ln_buf why;
  ln_err err = {.code = ""};
  ln_buf_init(&why, sizeof text - 1);
  assert_true(ln_store_copied(s, &why, &err));
  snprintf(text, sizeof text, "%.*s", LN_STR_ARG(ln_buf_view(&why)));
  ln_buf_free(&why);
  return text;
}

static void copy_file(const char *from, const char *to) {
  char block[4096];
  size_t n;
  FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
  assert_true(in && out);
  while ((n = fread(block, 1, sizeof block, in)) > 0) assert_int_equal(fwrite(block, 1, n, out), n);
  fclose(in);
  fclose(out);
}

static bool one_more(void *arg, const ln_run_row *row) { return (void)row, ++*(int *)arg, true; }

static void test_backup(void **state) {
  (void)state;
  struct stat st;
  ln_err err = {.code = ""};
  ln_store *s = open_store();
  put_run(s, "01BBBBBBBBBBBBBBBBBBBBBBBB", "waiting", 0);
  assert_true(ln_store_backup(s, copy, &err));
  assert_int_equal(stat(copy, &st), 0);
  assert_int_equal(st.st_mode & 0777, 0600);
  put_run(s, "01CCCCCCCCCCCCCCCCCCCCCCCC", "waiting", 0); /* not in it */
  assert_false(ln_store_backup(s, copy, &err));
  assert_string_equal(err.code, "conflict");
  assert_string_equal(why_of(s), "");
  ln_store_close(s);
  ln_store *b = open_path(copy);
  ln_run_query q = {.limit = 0};
  int n = 0;
  assert_non_null(strstr(why_of(b), "restored from a backup of 20"));
  assert_true(ln_store_runs(b, &q, one_more, &n, &err));
  assert_int_equal(n, 1);
  ln_store_close(b);
  snprintf(copy, sizeof copy, "%s/nowhere/b.db", folder);
  s = open_store();
  assert_false(ln_store_backup(s, copy, &err));
  assert_string_equal(err.code, "failed");
  ln_store_close(s);
}

typedef struct restoring {
  ln_buf why;
} restoring;
static bool restore(ln_tx *tx, void *arg, ln_err *err) {
  restoring *r = arg;
  ln_buf_cut(&r->why, 0);
  return ln_tx_restore(tx, LN_STR("waits"), 77, &r->why, err);
}

static bool read_row(void *arg, const ln_run_row *row) {
  *(ln_run_row *)arg = *row;
  return false;
}

static ln_run_row row_of(ln_store *s, int64_t run) {
  ln_run_row row = {.id = 0};
  ln_err err;
  assert_true(ln_store_run_get(s, run, read_row, &row, &err));
  return row; /* its texts are gone */
}

typedef struct asking {
  int64_t run, ms;
} asking;
static bool ask(ln_tx *tx, void *arg, ln_err *err) {
  asking *a = arg;
  return ln_tx_run_restored(tx, a->run, &a->ms, err);
}

static bool sign_in(ln_tx *tx, void *arg, ln_err *err) { return ln_tx_session_add(tx, arg, 1000, err); }
static void seen(void *arg, const ln_session_row *row) { (void)row, *(bool *)arg = true; }

static bool is_signed_in(ln_store *s) {
  ln_err err = {.code = ""};
  bool found = false;
  assert_true(ln_store_session(s, LN_STR("0123456789abcdef"), seen, &found, &err));
  return found;
}

static void test_restore_once(void **state) {
  (void)state;
  ln_err err = {.code = ""};
  ln_store *s = open_store();
  ln_session_row session = {.sha256 = LN_STR("0123456789abcdef"), .who = LN_STR("ann"), .how = LN_STR("oidc"),
                            .used_ms = 1, .ends_ms = 1000};
  run_job(s, sign_in, &session);
  assert_true(is_signed_in(s));
  int64_t live = put_run(s, "01BBBBBBBBBBBBBBBBBBBBBBBB", "running", 0);
  int64_t over = put_run(s, "01CCCCCCCCCCCCCCCCCCCCCCCC", "completed", 5);
  assert_true(ln_store_backup(s, copy, &err));
  ln_store_close(s);
  s = open_path(copy);
  restoring r;
  ln_buf_init(&r.why, 4096);
  run_job(s, restore, &r);
  assert_true(r.why.n > 0);
  assert_false(is_signed_in(s));
  run_job(s, restore, &r); /* another process was as fast */
  assert_int_equal(r.why.n, 0);
  assert_string_equal(why_of(s), "");
  ln_run_row row = row_of(s, live);
  assert_string_equal(row.owner, "");
  assert_int_equal(row.epoch, 4);
  assert_int_equal(row_of(s, over).epoch, 3);
  asking a = {live, 0};
  run_job(s, ask, &a);
  assert_int_equal(a.ms, 77);
  a = (asking){over, 0};
  run_job(s, ask, &a);
  assert_int_equal(a.ms, 0);
  ln_buf_free(&r.why);
  ln_store_close(s);
  s = open_path(copy);
  assert_string_equal(why_of(s), "");
  ln_store_close(s);
}

/* A copy that was made by other means, where the file system knows when a file was born. */
static void test_copied_file(void **state) {
  (void)state;
  struct statx st;
  char other[160];
  ln_store_close(open_store());
  if (statx(AT_FDCWD, path, 0, STATX_BTIME, &st) != 0 || !(st.stx_mask & STATX_BTIME)) skip();
  copy_file(path, copy);
  ln_store *s = open_path(copy);
  assert_non_null(strstr(why_of(s), "a copy"));
  ln_store_close(s);
  snprintf(other, sizeof other, "%s/c.db", folder);
  assert_int_equal(rename(path, other), 0); /* only its name is another */
  s = open_path(other);
  assert_string_equal(why_of(s), "");
  ln_store_close(s);
}

/* The log of the store that was there before would be read into the backup. */
static void test_foreign_log(void **state) {
  (void)state;
  char log[160], kept[160];
  ln_err err = {.code = ""};
  ln_store *s = open_store();
  assert_true(ln_store_backup(s, copy, &err));
  put_run(s, "01BBBBBBBBBBBBBBBBBBBBBBBB", "waiting", 0);
  snprintf(log, sizeof log, "%s-wal", path);
  snprintf(kept, sizeof kept, "%s-wal", copy);
  copy_file(log, kept);
  ln_store_close(s);
  snprintf(uri, sizeof uri, "sqlite:%s", copy);
  assert_null(ln_store_open(ln_str_of(uri), NULL, &err));
  assert_non_null(strstr(err.message, "belongs to another store"));
  assert_int_equal(remove(kept), 0);
  ln_store_close(open_path(copy));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_backup, make_two, remove_folder),
      cmocka_unit_test_setup_teardown(test_restore_once, make_two, remove_folder),
      cmocka_unit_test_setup_teardown(test_copied_file, make_two, remove_folder),
      cmocka_unit_test_setup_teardown(test_foreign_log, make_two, remove_folder)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
