/* owner_test.c: who is alive, and how one learns that somebody died. */
#include "tests/unit/store_help.h"

#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int files(void) {
  char dir[200];
  snprintf(dir, sizeof dir, "%s.owner", path);
  DIR *d = opendir(dir);
  int n = 0;
  if (!d) return 0;
  for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
  closedir(d);
  return n;
}

static void test_take_and_drop(void **state) {
  (void)state;
  ln_err err;
  ln_store *s = open_store();
  ln_owner *a = ln_owner_take(s, ln_rand_real(), 1000, &err),
           *b = ln_owner_take(s, ln_rand_real(), 1000, &err);
  assert_non_null(a);
  assert_non_null(b);
  assert_string_not_equal(ln_owner_id(a), ln_owner_id(b));
  assert_int_equal(strlen(ln_owner_id(a)), LN_ULID);
  assert_true(ln_owner_alive(s, ln_str_of(ln_owner_id(a))));
  assert_int_equal(files(), 2);
  char id[LN_ULID + 1];
  snprintf(id, sizeof id, "%s", ln_owner_id(a));
  ln_owner_drop(a);
  assert_false(ln_owner_alive(s, ln_str_of(id)));
  assert_true(ln_owner_alive(s, ln_str_of(ln_owner_id(b))));
  assert_int_equal(files(), 1);
  ln_owner_drop(b);
  ln_owner_drop(NULL);
  ln_store_close(s);
}

/* What the superuser does with a service's store does not shut that out. */
static void test_whose_it_is(void **state) {
  (void)state;
  enum { SOMEBODY = 65534 };
  ln_err err;
  struct stat st;
  if (geteuid() != 0) skip();
  assert_int_equal(chown(folder, SOMEBODY, SOMEBODY), 0);
  ln_store *s = open_store();
  ln_owner *o = ln_owner_take(s, ln_rand_real(), 1000, &err);
  ln_served *served = ln_serve_take(s, &err);
  assert_non_null(o);
  assert_non_null(served);
  char names[4][260];
  snprintf(names[0], sizeof names[0], "%s", path);
  snprintf(names[1], sizeof names[1], "%s.owner", path);
  snprintf(names[2], sizeof names[2], "%s.owner/%s", path, ln_owner_id(o));
  snprintf(names[3], sizeof names[3], "%s.owner/daemon", path);
  for (int i = 0; i < 4; i++) {
    if (stat(names[i], &st) != 0 || st.st_uid != SOMEBODY) fail_msg("%s is not theirs", names[i]);
  }
  ln_serve_drop(served);
  ln_owner_drop(o);
  ln_store_close(s);
}

static void test_no_paths(void **state) {
  (void)state;
  ln_store *s = open_store();
  assert_false(ln_owner_alive(s, LN_STR("")));
  assert_false(ln_owner_alive(s, LN_STR("01JD0000000000000000000001"))); /* no folder yet */
  assert_false(ln_owner_alive(s, LN_STR("../../../../../../etc/pass")));
  ln_store_close(s);
}

/* The child says its id, and is killed without a chance to tidy up. */
static void test_killed(void **state) {
  (void)state;
  ln_err err;
  int says[2];
  assert_int_equal(pipe(says), 0);
  pid_t child = fork();
  if (child == 0) {
    ln_store *s = ln_store_open(ln_str_of(uri), NULL, &err);
    ln_owner *o = s ? ln_owner_take(s, ln_rand_real(), 1000, &err) : NULL;
    if (!o || write(says[1], ln_owner_id(o), LN_ULID) != LN_ULID) _exit(1);
    for (;;) pause();
  }
  char id[LN_ULID + 1] = "";
  assert_int_equal(read(says[0], id, LN_ULID), LN_ULID);
  ln_store *s = open_store();
  assert_true(ln_owner_alive(s, ln_str_of(id)));
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  assert_false(ln_owner_alive(s, ln_str_of(id)));
  assert_int_equal(files(), 1);
  ln_owner *o = ln_owner_take(s, ln_rand_real(), 1000, &err); /* sweeps what the dead left */
  assert_int_equal(files(), 1);
  assert_false(ln_owner_alive(s, ln_str_of(id)));
  ln_owner_drop(o);
  ln_store_close(s);
  close(says[0]);
  close(says[1]);
}

static void test_no_folder(void **state) {
  (void)state;
  ln_err err;
  ln_store *s = open_store();
  char name[200];
  snprintf(name, sizeof name, "%s.owner", path);
  FILE *f = fopen(name, "w");
  fclose(f);
  assert_null(ln_owner_take(s, ln_rand_real(), 1000, &err));
  assert_string_equal(err.code, "store");
  assert_true(
      ln_owner_alive(s, LN_STR("01JD0000000000000000000001"))); /* nobody can tell: not taken for dead */
  ln_store_close(s);
}

static void test_simulated(void **state) {
  (void)state;
  ln_err err;
  ln_vfs_sim *v = ln_vfs_sim_new("owners", 1, &err);
  ln_store *s = open_vfs("owners");
  ln_owner *a = ln_owner_take(s, ln_rand_real(), 1000, &err);
  char id[LN_ULID + 1];
  snprintf(id, sizeof id, "%s", ln_owner_id(a));
  assert_true(ln_owner_alive(s, ln_str_of(id)));
  assert_int_equal(files(), 0);
  ln_owner_drop(a);
  assert_false(ln_owner_alive(s, ln_str_of(id)));
  ln_store_close(s);
  ln_vfs_sim_free(v);
}

#define T(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void) {
  const struct CMUnitTest tests[] = {T(test_take_and_drop), T(test_whose_it_is), T(test_no_paths),
                                     T(test_killed), T(test_no_folder), T(test_simulated)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
