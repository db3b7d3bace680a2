/* fence_test.c: what a process that has entered a fence cannot do any more, each in a child of its own: a
** child answers with an exit status, which is the errno of what it tried. */
#include "base/fence.h"
#include "tests/unit/store_help.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { OK = 0, NOT_SEALED = 200 };

static int in_child(int (*try)(void)) {
  int status;
  pid_t child = fork();
  if (child == 0) _exit(try());
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  return WEXITSTATUS(status);
}

static int result(long rc) { return rc < 0 ? errno : OK; }

static const char *in_folder(const char *name) {
  static char out[4][256];
  static int turn;
  turn = (turn + 1) % 4;
  snprintf(out[turn], sizeof out[turn], "%s/%s", folder, name);
  return out[turn];
}

static int write_to(const char *name) {
  int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  return fd < 0 ? errno : write(fd, "text", 4) == 4 ? close(fd) : EIO;
}

static int read_from(const char *name) {
  char c;
  int fd = open(name, O_RDONLY | O_CLOEXEC);
  return fd < 0 ? errno : read(fd, &c, 1) == 1 ? close(fd) : EIO;
}

/* ------------------------------------------------------------------ files */

static bool enter(void) {
  ln_err err;
  int fence = ln_fence_new(&err);
  return fence >= 0 && ln_fence_let(fence, in_folder("store"), true, &err) &&
         ln_fence_let(fence, in_folder("scripts"), false, &err) &&
         ln_fence_let(fence, in_folder("one"), false, &err) &&
         ln_fence_let(fence, in_folder("comes later"), true, &err) && ln_fence_enter(fence, &err);
}

static int reads(const char *name) { return enter() ? read_from(in_folder(name)) : NOT_SEALED; }
static int reads_scripts(void) { return reads("scripts/a.lua"); }
static int reads_one(void) { return reads("one"); }
static int reads_outside(void) { return reads("outside"); }
static int reads_by_dots(void) { return reads("scripts/../outside"); }
static int reads_by_link(void) { return reads("scripts/link"); }
static int reads_what_came_later(void) {
  return enter() && mkdir(in_folder("store/x"), 0700) == 0 && write_to(in_folder("store/x/y")) == OK
             ? read_from(in_folder("store/x/y"))
             : NOT_SEALED;
}
static int writes_store(void) {
  if (!enter()) return NOT_SEALED;
  int why = write_to(in_folder("store/new"));
  return why ? why
             : result(rename(in_folder("store/new"), in_folder("store/a")) + unlink(in_folder("store/a")));
}
static int writes(const char *name) { return enter() ? write_to(in_folder(name)) : NOT_SEALED; }
static int writes_scripts(void) { return writes("scripts/a.lua"); }
static int writes_one(void) { return writes("one"); }
static int writes_beside(void) { return writes("new"); }
static int truncates_outside(void) {
  return enter() ? result(truncate(in_folder("outside"), 0)) : NOT_SEALED;
}
static int removes_outside(void) { return enter() ? result(unlink(in_folder("outside"))) : NOT_SEALED; }
static int moves_in(void) {
  return enter() ? result(rename(in_folder("outside"), in_folder("store/a"))) : NOT_SEALED;
}
static int lists_outside(void) { return enter() ? result(open(folder, O_RDONLY | O_DIRECTORY)) : NOT_SEALED; }
static int runs_a_program(void) {
  char *const argv[] = {"true", NULL};
  return enter() ? result(execv("/bin/true", argv)) : NOT_SEALED;
}

static void *wait_here(void *arg) { return pause(), arg; }

static int enters_with_threads(void) {
  pthread_t t;
  return pthread_create(&t, NULL, wait_here, NULL) == 0 && !enter() ? OK : EINVAL;
}

static void *read_there(void *arg) { return *(int *)arg = read_from(in_folder("outside")), NULL; }

static int reads_from_a_thread(void) {
  pthread_t t;
  int why = NOT_SEALED;
  if (enter() && pthread_create(&t, NULL, read_there, &why) == 0) pthread_join(t, NULL);
  return why;
}

static void test_files(void **state) {
  (void)state;
  if (!ln_fence_abi()) skip();
  mkdir(in_folder("store"), 0700), mkdir(in_folder("scripts"), 0700);
  assert_int_equal(
      write_to(in_folder("scripts/a.lua")) + write_to(in_folder("one")) + write_to(in_folder("outside")), OK);
  assert_int_equal(symlink(in_folder("outside"), in_folder("scripts/link")), 0);
  assert_int_equal(in_child(reads_scripts), OK);
  assert_int_equal(in_child(reads_one), OK);
  assert_int_equal(in_child(reads_what_came_later), OK);
  assert_int_equal(in_child(writes_store), OK);
  int (*const refused[])(void) = {reads_outside,  reads_by_dots,      reads_by_link,   writes_scripts,
                                  writes_one,     writes_beside,      removes_outside, lists_outside,
                                  runs_a_program, reads_from_a_thread};
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    int why = in_child(refused[i]);
    if (why != EACCES) fail_msg("no %zu: %s", i, strerror(why));
  }
  assert_int_not_equal(in_child(moves_in), OK);
  if (ln_fence_abi() >= 3) assert_int_equal(in_child(truncates_outside), EACCES);
  assert_int_equal(in_child(enters_with_threads), OK);
  assert_int_equal(read_from(in_folder("outside")), OK); /* whole, and here nothing is closed */
}

/* ------------------------------------------------------------------ system calls */

static bool close_calls(void) {
  ln_err err;
  return ln_fence_calls(&err);
}

static int starts(void) {
  char *const argv[] = {"true", NULL};
  return close_calls() ? result(execv("/bin/true", argv)) : NOT_SEALED;
}
static int starts_by_fd(void) {
  char *const argv[] = {"true", NULL};
  int fd = open("/bin/true", O_PATH);
  return close_calls() ? result(syscall(SYS_execveat, fd, "", argv, NULL, AT_EMPTY_PATH)) : NOT_SEALED;
}
#ifndef __SANITIZE_ADDRESS__ /* its search for leaks needs both */
static int forks(void) { return close_calls() ? result(fork()) : NOT_SEALED; }
static int traces(void) {
  return close_calls() ? result(ptrace(PTRACE_ATTACH, getppid(), 0, 0)) : NOT_SEALED;
}
#endif
static int reads_memory(void) {
  return close_calls() ? result(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0)) : NOT_SEALED;
}
static int mounts(void) { return close_calls() ? result(mount("a", folder, "tmpfs", 0, NULL)) : NOT_SEALED; }
static int unshares(void) { return close_calls() ? result(unshare(CLONE_NEWUSER)) : NOT_SEALED; }
static int signals(void) { return close_calls() ? result(kill(getppid(), SIGCONT)) : NOT_SEALED; }
static int takes_rings(void) {
  return close_calls() ? result(syscall(SYS_io_uring_setup, 1, NULL)) : NOT_SEALED;
}
static int loads(void) { return close_calls() ? result(syscall(SYS_bpf, 0, NULL, 0)) : NOT_SEALED; }
static int takes_keys(void) {
  return close_calls() ? result(syscall(SYS_keyctl, 0, 0, 0, 0, 0)) : NOT_SEALED;
}
static int talks_raw(void) { return close_calls() ? result(socket(AF_PACKET, SOCK_DGRAM, 0)) : NOT_SEALED; }
static int listens(void) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  return close_calls() ? result(listen(fd, 1)) : NOT_SEALED;
}

static pthread_barrier_t both;

static void *start_there(void *arg) {
  char *const argv[] = {"true", NULL};
  pthread_barrier_wait(&both);
  return *(int *)arg = result(execv("/bin/true", argv)), NULL;
}

/* One that was there already. */
static int starts_from_a_thread(void) {
  pthread_t t;
  int why = NOT_SEALED;
  pthread_barrier_init(&both, NULL, 2);
  if (pthread_create(&t, NULL, start_there, &why) != 0 || !close_calls()) return NOT_SEALED;
  pthread_barrier_wait(&both);
  pthread_join(t, NULL);
  return why;
}

static void *nothing(void *arg) { return arg; }
static void on_signal(int sig) { (void)sig; }

/* What a daemon does all day. */
static int lives(void) {
  pthread_t t;
  int fd[2];
  struct addrinfo *a = NULL;
  signal(SIGUSR1, on_signal);
  if (!close_calls()) return NOT_SEALED;
  if (pthread_create(&t, NULL, nothing, NULL) != 0 || pthread_join(t, NULL) != 0) return 1;
  if (getaddrinfo("localhost", "80", NULL, &a) != 0) return 2;
  freeaddrinfo(a);
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) != 0 || write(fd[0], "x", 1) != 1) return 3;
  if (pthread_kill(pthread_self(), SIGUSR1) != 0 || raise(SIGUSR1) != 0) return 4;
  return write_to(in_folder("a")) || read_from(in_folder("a")) ? 5 : OK;
}

static void test_calls(void **state) {
  (void)state;
  if (!ln_fence_calls_there()) skip();
  int (*const refused[])(void) = {starts,    starts_by_fd, starts_from_a_thread, reads_memory, mounts,
                                  unshares,  signals,      takes_rings,          loads,        takes_keys,
                                  talks_raw, listens,
#ifndef __SANITIZE_ADDRESS__
                                  forks,     traces
#endif
  };
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    int why = in_child(refused[i]);
    if (why != EPERM) fail_msg("no %zu: %s", i, strerror(why));
  }
  assert_int_equal(in_child(lives), OK);
}

#define T(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void) {
  const struct CMUnitTest tests[] = {T(test_files), T(test_calls)};
  return cmocka_run_group_tests_name("fence", tests, NULL, NULL);
}
