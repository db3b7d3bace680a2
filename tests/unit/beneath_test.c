/* beneath_test.c: files below a root: nothing leads out of it, and nothing is half written.  Each test runs
** twice: by openat2, and walking name by name. */
#include "base/beneath.h"
#include "base/hash.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <string.h>

#define S(z) ln_str_of(z)

static ln_str root;

static int fresh(void **state) {
  ln_beneath_walks = *state != NULL;
  scratch_make();
  mkdir(in_scratch("root"), 0700);
  mkdir(in_scratch("root/sub"), 0700);
  mkdir(in_scratch("outside"), 0700);
  static char path[4200];
  snprintf(path, sizeof path, "%s", in_scratch("root"));
  root = S(path);
  return 0;
}

static int drop(void **state) {
  (void)state;
  scratch_drop();
  return 0;
}

static void put(const char *rel, const char *text) {
  FILE *f = fopen(in_scratch(rel), "w");
  assert_non_null(f);
  fputs(text, f);
  fclose(f);
}

static bool exists(const char *rel) { return access(in_scratch(rel), F_OK) == 0; }

static void content_is(const char *rel, const char *text) {
  ln_err err;
  ln_buf b;
  ln_buf_init(&b, 1000);
  if (!ln_beneath_read(root, S(rel), &b, &err)) fail_msg("%s", err.message);
  assert_true(ln_str_eq(ln_buf_view(&b), S(text)));
  ln_buf_free(&b);
}

static void read_fails(const char *rel, const char *code) {
  ln_err err;
  ln_buf b;
  ln_buf_init(&b, 1000);
  assert_false(ln_beneath_read(root, S(rel), &b, &err));
  assert_string_equal(err.code, code);
  assert_int_equal(b.n, 0);
  ln_buf_free(&b);
}

static bool write_it(const char *rel, const char *text, bool replace, ln_err *err) {
  return ln_beneath_write(root, S(rel), S(text), S("mark"), replace, err);
}

static void write_fails(const char *rel, bool replace, const char *code) {
  ln_err err;
  assert_false(write_it(rel, "evil", replace, &err));
  assert_string_equal(err.code, code);
}

static int entries(const char *rel) {
  DIR *d = opendir(in_scratch(rel));
  int n = 0;
  for (struct dirent *e; (e = readdir(d));) n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
  closedir(d);
  return n;
}

static void test_plain_names(void **s) {
  (void)s;
  static const char *const good[] = {"a", "a/b", "...", "a b", ".hidden", "a..b/c"};
  static const char *const bad[] = {"", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b"};
  for (size_t i = 0; i < 6; i++) assert_true(ln_beneath_plain(S(good[i])));
  for (size_t i = 0; i < 10; i++) assert_false(ln_beneath_plain(S(bad[i])));
  assert_false(ln_beneath_plain(LN_STR("a\0b")));
  char longer[400];
  memset(longer, 'x', 300);
  assert_false(ln_beneath_plain((ln_str){longer, 256}));
  assert_true(ln_beneath_plain((ln_str){longer, 255}));
  read_fails("../outside/secret", "bad_argument");
}

static void test_write_and_read(void **s) {
  (void)s;
  ln_err err;
  struct stat st;
  assert_true(write_it("a.txt", "one", false, &err));
  content_is("a.txt", "one");
  assert_true(stat(in_scratch("root/a.txt"), &st) == 0 && (st.st_mode & 0777) == 0644);
  write_fails("a.txt", false, "conflict");
  content_is("a.txt", "one");
  chmod(in_scratch("root/a.txt"), 0640);
  assert_true(write_it("a.txt", "two", true, &err));
  content_is("a.txt", "two");
  assert_true(stat(in_scratch("root/a.txt"), &st) == 0 && (st.st_mode & 0777) == 0640); /* as it was */
  assert_true(write_it("sub/b.txt", "", false, &err));
  content_is("sub/b.txt", "");
  assert_int_equal(entries("root"), 2); /* nothing is left over */
  assert_int_equal(entries("root/sub"), 1);
  write_fails("none/b.txt", false, "not_found");
  write_fails("a.txt/b.txt", false, "refused");
  read_fails("missing", "not_found");
  read_fails("sub", "refused");
  write_fails("sub", true, "refused");
}

/* An attempt that died before its rename left a file; the next one with the same mark takes its place. */
static void test_leftovers(void **s) {
  (void)s;
  ln_err err;
  uint8_t digest[LN_SHA256];
  char hex[2 * LN_SHA256 + 1], left[128];
  assert_true(ln_sha256(S("mark"), digest));
  ln_hex(digest, LN_SHA256, hex);
  snprintf(left, sizeof left, "root/.lunette-%.24s.tmp", hex);
  put(left, "half of it");
  assert_true(write_it("a.txt", "one", false, &err));
  assert_false(exists(left));
  assert_int_equal(link(in_scratch("root/a.txt"), in_scratch("root/kept")), 0);
  assert_true(write_it("a.txt", "two", true, &err));
  content_is("kept", "one"); /* the old content is not written through its other name */
  content_is("a.txt", "two");
}

static void test_links_out(void **s) {
  (void)s;
  ln_err err;
  put("outside/secret", "secret");
  assert_int_equal(symlink("../outside", in_scratch("root/dir")), 0);
  assert_int_equal(symlink("../outside/secret", in_scratch("root/file")), 0);
  assert_int_equal(symlink(in_scratch("outside/secret"), in_scratch("root/absolute")), 0);
  assert_int_equal(symlink("../outside/new", in_scratch("root/dangling")), 0);
  assert_int_equal(symlink("sub", in_scratch("root/inner")), 0);
  put("root/sub/b.txt", "b");
  read_fails("dir/secret", "refused");
  read_fails("file", "refused");
  read_fails("absolute", "refused");
  read_fails("dangling", "refused");
  read_fails("inner/b.txt", "refused"); /* also where it stays inside */
  write_fails("dir/new", false, "refused");
  write_fails("file", true, "refused");
  write_fails("dangling", true, "refused");
  write_fails("dangling", false, "refused");
  assert_false(exists("outside/new"));
  assert_false(ln_beneath_remove(root, S("dir/secret"), S(""), 100, &err));
  assert_false(ln_beneath_remove(root, S("file"), S(""), 100, &err));
  assert_true(exists("outside/secret") && exists("root/file"));
}

static void test_odd_files(void **s) {
  (void)s;
  ln_err err;
  assert_int_equal(mkfifo(in_scratch("root/fifo"), 0600), 0);
  read_fails("fifo", "refused"); /* and does not wait for a writer */
  write_fails("fifo", true, "refused");
  assert_false(ln_beneath_remove(root, S("fifo"), S(""), 100, &err));
  assert_false(ln_beneath_remove(root, S("sub"), S(""), 100, &err));
  put("root/big", "0123456789");
  ln_buf b;
  ln_buf_init(&b, 9);
  assert_false(ln_beneath_read(root, S("big"), &b, &err));
  assert_string_equal(err.code, "too_big");
  ln_buf_free(&b);
}

static void test_remove(void **s) {
  (void)s;
  ln_err err;
  const char *abc = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";
  put("root/a", "abc");
  put("root/b", "abd");
  assert_false(ln_beneath_remove(root, S("b"), S(abc), 100, &err));
  assert_string_equal(err.code, "conflict");
  assert_true(exists("root/b"));
  assert_false(ln_beneath_remove(root, S("a"), S(abc), 2, &err)); /* larger than what may be read */
  assert_string_equal(err.code, "too_big");
  assert_true(ln_beneath_remove(root, S("a"), S(abc), 100, &err));
  assert_true(ln_beneath_remove(root, S("b"), S(""), 0, &err));
  assert_int_equal(entries("root"), 1);
  assert_false(ln_beneath_remove(root, S("a"), S(""), 100, &err));
  assert_string_equal(err.code, "not_found");
}

static void test_root(void **s) {
  (void)s;
  ln_err err;
  ln_buf b;
  ln_buf_init(&b, 100);
  assert_false(ln_beneath_read(S(in_scratch("nowhere")), S("a"), &b, &err));
  assert_string_equal(err.code, "not_found");
  assert_false(ln_beneath_read(S("relative"), S("a"), &b, &err));
  assert_string_equal(err.code, "bad_argument");
  put("root/a", "abc");
  assert_int_equal(symlink("root", in_scratch("alias")),
                   0); /* the root itself is the operator's: it may be a link */
  assert_true(ln_beneath_read(S(in_scratch("alias")), S("a"), &b, &err));
  ln_buf_free(&b);
}

#define TWICE(fn) \
  {#fn " (openat2)", fn, fresh, drop, NULL}, {#fn " (walking)", fn, fresh, drop, (void *)1}

int main(void) {
  const struct CMUnitTest tests[] = {
      TWICE(test_plain_names), TWICE(test_write_and_read), TWICE(test_leftovers), TWICE(test_links_out),
      TWICE(test_odd_files),   TWICE(test_remove),         TWICE(test_root)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
