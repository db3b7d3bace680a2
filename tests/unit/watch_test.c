/* watch_test.c: folders that are watched: each way of saving, what is half written, and folders that come and
** go. */
#include "base/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/syscall.h>

#include "scratch.h"

typedef struct seen {
  ln_loop *loop;
  ln_watch *watch;
  int calls;
  ln_timer late;
  void (*then)(struct seen *s);                          /* after the first call                            */
} seen;

static void changed(void *arg) {
  seen *s = arg;
  s->calls++;
  if (s->then) s->then(s), s->then = NULL;
  else s->loop->stop(s->loop);
}

static void too_late(void *arg) {
  seen *s = arg;
  s->late.impl = NULL;
  s->loop->stop(s->loop);
}

/* Until it was told of a change, or nothing came. */
static int wait_for(seen *s, int64_t most_ms) {
  int before = s->calls;
  s->late = (ln_timer){.loop = s->loop, .fn = too_late, .arg = s};
  s->loop->timer(s->loop, &s->late, most_ms);
  s->loop->run(s->loop);
  s->loop->cancel(s->loop, &s->late);
  return s->calls - before;
}

/* What comes is one call; and nothing more does. */
static void assert_told_once(seen *s) {
  assert_int_equal(wait_for(s, 5000), 1);
  assert_int_equal(wait_for(s, 300), 0);
}

static void begin(seen *s, const ln_str *folders, size_t n) {
  ln_err err;
  *s = (seen){.loop = ln_loop_uv(&err)};
  assert_non_null(s->loop);
  ln_watch_opts o = {.folders = folders, .n = n, .suffix = ".lua", .changed = changed, .arg = s};
  s->watch = ln_watch_start(s->loop, &o, &err);
  assert_non_null(s->watch);
}

static void end(seen *s) {
  ln_watch_stop(s->watch);
  s->loop->free(s->loop);
}

static void write_file(const char *rel, const char *text) {
  FILE *f = fopen(in_scratch(rel), "w");
  assert_non_null(f);
  fputs(text, f);
  fclose(f);
}

static void make(const char *rel) { assert_int_equal(mkdir(in_scratch(rel), 0700), 0); }
static void move(const char *from, const char *to) {
  assert_int_equal(rename(in_scratch(from), in_scratch(to)), 0);
}

static int set_up(void **state) {
  (void)state;
  scratch_make();
  make("a");
  write_file("a/x.lua", "1");
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  scratch_drop();
  return 0;
}

static void begin_at(seen *s, const char *rel) {
  ln_str one = ln_str_of(in_scratch(rel));
  begin(s, &one, 1);
}

/* A link to a script that lies elsewhere: what is saved there counts, of that file alone. */
static void test_links_outside(void **state) {
  (void)state;
  seen s;
  make("b");
  make("c");
  write_file("b/real.lua", "1");
  assert_int_equal(symlink("../b/between.lua", in_scratch("a/linked.lua")), 0);
  assert_int_equal(symlink("real.lua", in_scratch("b/between.lua")), 0);
  begin_at(&s, "a");
  write_file("b/other.lua", "no link leads here");
  assert_int_equal(wait_for(&s, 300), 0);
  write_file("b/real.lua", "in place");
  assert_told_once(&s);
  write_file("b/new", "2");
  move("b/new", "b/real.lua");
  assert_told_once(&s);
  write_file("c/third.lua", "3");
  assert_int_equal(wait_for(&s, 300), 0);
  assert_int_equal(unlink(in_scratch("b/between.lua")), 0);
  assert_int_equal(symlink("../c/third.lua", in_scratch("b/between.lua")), 0);
  assert_told_once(&s);
  write_file("c/third.lua", "it leads here now");
  assert_told_once(&s);
  write_file("a/made.lua", "and a new link");
  assert_told_once(&s);
  assert_int_equal(symlink("../b/other.lua", in_scratch("a/late.lua")), 0);
  assert_told_once(&s);
  write_file("b/other.lua", "a link leads here now");
  assert_told_once(&s);
  end(&s);
}

/* Whoever runs the loop for nothing else hears of what was saved before, and does not wait for more. */
static void test_settling(void **state) {
  (void)state;
  seen s;
  begin_at(&s, "a");
  ln_watch_settle(s.watch);
  assert_int_equal(s.calls, 0);
  write_file("a/x.lua", "one");
  write_file("a/y.lua", "two");
  ln_watch_settle(s.watch);
  assert_int_equal(s.calls, 1);
  ln_watch_settle(s.watch);
  assert_int_equal(s.calls, 1);
  write_file("a/x.lua", "told as ever after that");
  assert_told_once(&s);
  end(&s);
}

static void test_ways_of_saving(void **state) {
  (void)state;
  seen s;
  begin_at(&s, "a");
  write_file("a/x.lua", "in place");
  assert_told_once(&s);
  write_file("a/.x.lua.swp", "of an editor");
  write_file("a/x.lua~", "another");
  write_file("a/notes.txt", "no script");
  assert_int_equal(wait_for(&s, 300), 0);
  move("a/x.lua~", "a/x.lua");                           /* renamed over */
  assert_told_once(&s);
  move("a/x.lua", "a/x.lua~");                           /* moved away, and written anew */
  write_file("a/x.lua", "2");
  assert_told_once(&s);
  assert_int_equal(link(in_scratch("a/x.lua"), in_scratch("a/y.lua")), 0);
  assert_told_once(&s);
  remove(in_scratch("a/x.lua"));
  assert_told_once(&s);
  end(&s);
}

static void test_many_at_once(void **state) {
  (void)state;
  seen s;
  char name[64];
  begin_at(&s, "a");
  for (int i = 0; i < 300; i++) {
    snprintf(name, sizeof name, "a/f%d.lua", i);
    write_file(name, "1");
  }
  assert_told_once(&s);
  for (int i = 0; i < 300; i++) {                        /* as a checkout does it */
    snprintf(name, sizeof name, "a/f%d.lua", i);
    remove(in_scratch(name));
    write_file(name, "2");
  }
  assert_told_once(&s);
  end(&s);
}

/* ------------------------------------------------------------------ what is half written */

static bool is_busy(seen *s, const char *rel) {
  bool busy;
  int fd = ln_watch_open(s->watch, in_scratch(rel), 0, &busy);
  assert_true(fd >= 0 || busy);
  if (fd >= 0) close(fd);
  return fd < 0;
}

/* Whether this process may have leases on other users' files. */
static bool may_lease(bool may) {
  struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2];
  if (syscall(SYS_capget, &head, data) != 0) return false;
  if (may) data[0].effective |= data[0].permitted & (1u << CAP_LEASE);
  else data[0].effective &= ~(1u << CAP_LEASE);
  return syscall(SYS_capset, &head, data) == 0;
}

/* Files of somebody else, for which the kernel gives no leases: what is known is what was seen. */
static void test_half_written_of_others(void **state) {
  (void)state;
  seen s;
  if (geteuid() != 0 || chown(in_scratch("a/x.lua"), 65534, 65534) != 0 || !may_lease(false)) skip();
  begin_at(&s, "a");
  assert_false(is_busy(&s, "a/x.lua"));
  int fd = open(in_scratch("a/x.lua"), O_WRONLY | O_TRUNC);
  int other = open(in_scratch("a/y.lua"), O_WRONLY | O_CREAT, 0644);
  assert_int_equal(fchown(other, 65534, 65534), 0);
  assert_int_equal(write(fd, "re", 2), 2);
  assert_true(is_busy(&s, "a/x.lua"));
  assert_true(is_busy(&s, "a/y.lua"));                   /* empty so far */
  close(fd);
  assert_false(is_busy(&s, "a/x.lua"));
  assert_true(is_busy(&s, "a/y.lua"));
  move("a/x.lua", "a/y.lua");                            /* another file in its place */
  assert_false(is_busy(&s, "a/y.lua"));
  close(other);
  assert_true(may_lease(true));
  end(&s);
}

static void test_half_written(void **state) {
  (void)state;
  seen s;
  bool busy;
  begin_at(&s, "a");
  assert_false(is_busy(&s, "a/x.lua"));
  int fd = open(in_scratch("a/x.lua"), O_WRONLY | O_TRUNC);
  assert_int_equal(write(fd, "re", 2), 2);
  assert_true(is_busy(&s, "a/x.lua"));
  wait_for(&s, 3000);                                    /* it is told of, and can be passed over */
  assert_true(is_busy(&s, "a/x.lua"));
  assert_int_equal(write(fd, "turn 1", 6), 6);
  close(fd);
  assert_int_equal(wait_for(&s, 3000), 1);
  assert_false(is_busy(&s, "a/x.lua"));
  assert_int_equal(ln_watch_open(s.watch, in_scratch("a/none.lua"), 0, &busy), -1);
  assert_false(busy);
  assert_int_equal(symlink("x.lua", in_scratch("a/link.lua")), 0);
  assert_int_equal(ln_watch_open(s.watch, in_scratch("a/link.lua"), O_NOFOLLOW, &busy), -1);
  assert_false(busy);
  assert_false(is_busy(&s, "a/link.lua"));
  end(&s);
}

/* ------------------------------------------------------------------ folders that come and go */

static void save_inside(seen *s) {
  write_file("a/new/deep/z.lua", "2");
  assert_int_equal(wait_for(s, 5000), 1);
}

static void test_folders_inside(void **state) {
  (void)state;
  seen s;
  begin_at(&s, "a");
  make("a/new");
  make("a/new/deep");
  write_file("a/new/deep/z.lua", "1");
  assert_told_once(&s);
  save_inside(&s);                                       /* it is watched as well by now */
  move("a/new", "a/other");
  assert_told_once(&s);
  write_file("a/other/deep/z.lua", "3");
  assert_told_once(&s);
  make("b");
  move("a/other", "b/other");                            /* out of sight */
  assert_told_once(&s);
  write_file("b/other/deep/z.lua", "4");
  assert_int_equal(wait_for(&s, 300), 0);
  move("b/other", "a/again");
  assert_told_once(&s);
  write_file("a/again/deep/z.lua", "5");
  assert_told_once(&s);
  remove(in_scratch("a/again/deep/z.lua"));
  rmdir(in_scratch("a/again/deep"));
  rmdir(in_scratch("a/again"));
  assert_told_once(&s);
  end(&s);
}

static void test_root_comes_and_goes(void **state) {
  (void)state;
  seen s;
  begin_at(&s, "up/later");
  make("up");
  make("other");
  write_file("other/q.lua", "1");
  wait_for(&s, 2500);
  make("up/later");
  assert_told_once(&s);
  write_file("up/later/x.lua", "1");
  assert_told_once(&s);
  move("up/later", "up/old");
  assert_told_once(&s);
  make("up/later");
  assert_told_once(&s);
  write_file("up/old/x.lua", "2");
  assert_int_equal(wait_for(&s, 300), 0);
  write_file("up/later/y.lua", "1");
  assert_told_once(&s);
  end(&s);
}

/* A release that is put in place by turning a link. */
static void test_root_is_a_link(void **state) {
  (void)state;
  seen s;
  make("v1");
  make("v2");
  assert_int_equal(symlink("v1", in_scratch("current")), 0);
  begin_at(&s, "current");
  write_file("v1/x.lua", "1");
  assert_told_once(&s);
  assert_int_equal(symlink("v2", in_scratch("next")), 0);
  move("next", "current");
  assert_told_once(&s);
  write_file("v1/x.lua", "2");
  assert_int_equal(wait_for(&s, 300), 0);
  write_file("v2/x.lua", "1");
  assert_told_once(&s);
  end(&s);
}

static void test_several_roots(void **state) {
  (void)state;
  seen s;
  make("c");
  make("a/in");
  char *v[] = {strdup(in_scratch("a")), strdup(in_scratch("c")), strdup(in_scratch("a/in"))};
  ln_str roots[] = {ln_str_of(v[0]), ln_str_of(v[1]), ln_str_of(v[2])};
  begin(&s, roots, 3);
  for (size_t i = 0; i < 3; i++) free(v[i]);
  write_file("c/x.lua", "1");
  assert_told_once(&s);
  write_file("a/in/x.lua", "1");
  assert_told_once(&s);
  end(&s);
}

/* More events than the kernel keeps: nothing is lost but what exactly it was. */
static void test_overflow(void **state) {
  (void)state;
  seen s;
  long most = 16384;
  char room[32] = "";
  FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
  if (f && fgets(room, sizeof room, f)) most = strtol(room, NULL, 10);
  if (f) fclose(f);
  if (most > 100000) skip();
  begin_at(&s, "a");
  for (long i = 0; i < most / 2 + 1; i++) {              /* two events each */
    if (i % 2 == 0) move("a/x.lua", "a/y.lua");
    else move("a/y.lua", "a/x.lua");
  }
  make("a/new");
  assert_int_equal(wait_for(&s, 10000), 1);
  write_file("a/new/y.lua", "1");
  assert_told_once(&s);
  end(&s);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      T(test_settling),       T(test_links_outside),
      T(test_ways_of_saving),      T(test_many_at_once),   T(test_half_written),
      T(test_folders_inside),      T(test_root_is_a_link), T(test_root_comes_and_goes),
      T(test_several_roots),       T(test_overflow),       T(test_half_written_of_others)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
