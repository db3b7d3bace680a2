/* process.c: the processes of a story: started, listened to, killed, buried. */
#include "tests/crash/crash.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int64_t crash_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void crash_say(const char *fmt, ...) {
  va_list ap;
  if (!tale->said) return;
  fprintf(tale->said, "%8.3f ", (double)(crash_now() - tale->begin_ms) / 1000);
  va_start(ap, fmt);
  vfprintf(tale->said, fmt, ap);
  va_end(ap);
  putc('\n', tale->said);
}

/* ------------------------------------------------------------------ starting */

static int last_id;

static proc *free_proc(void) {
  for (proc *p = tale->procs; p < tale->procs + PROCS; p++)
    if (p->role == NOBODY) return p;
  return NULL;
}

proc *crash_add(role r) {
  proc *p = free_proc();
  if (!p) return NULL;
  *p = (proc){.role = r, .id = ++last_id, .out = -1, .tty = -1, .run = -1};
  ln_buf_init(&p->text, OUT_MAX);
  return p;
}

static void be_lunette(const proc *p, int out, int in, const char *const args[]) {
  char token[32];
  const char *argv[40] = {tale->program};
  sigset_t none;
  size_t n = 1;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (in < 0) in = open("/dev/null", O_RDONLY);
  dup2(in, 0), dup2(out, 1), dup2(out, 2);
  closefrom(3);
  snprintf(token, sizeof token, "acme.%d", p->id);
  setenv("LUNETTE_SECRET_ACME_TOKEN", token, 1);
  setenv("NO_COLOR", "1", 1);
  while (args[n - 1] && n < 36) argv[n] = args[n - 1], n++;
  if (p->role != SIMULATORS) argv[n++] = "--config", argv[n++] = tale->config;
  if (chdir(tale->folder) == 0) execv(tale->program, (char *const *)(uintptr_t)argv);
  fprintf(stderr, "%s: %s\n", tale->program, strerror(errno));
  _exit(127);
}

static void say_start(const proc *p, const char *const args[]) {
  ln_buf b;
  ln_buf_init(&b, 4096);
  for (size_t i = 0; args[i]; i++) ln_buf_addf(&b, " %s", args[i]);
  crash_say("%d: starts%.*s", p->id, LN_STR_ARG(ln_buf_view(&b)));
  ln_buf_free(&b);
}

proc *crash_start(role r, bool tty, const char *const args[]) {
  int ends[2], slave = -1;
  proc *p = crash_add(r);
  if (!p) return NULL;
  if (pipe2(ends, O_CLOEXEC) != 0 || (tty && openpty(&p->tty, &slave, NULL, NULL, NULL) != 0)) abort();
  p->out = ends[0];
  fcntl(p->out, F_SETFL, O_NONBLOCK);
  say_start(p, args);
  snprintf(p->what, sizeof p->what, "%s %s", args[0], args[1] ? args[1] : "");
  fflush(NULL);
  p->pid = fork();
  if (p->pid == 0) be_lunette(p, ends[1], slave, args);
  close(ends[1]);
  if (slave >= 0) close(slave);
  return p;
}

void crash_kill(proc *p, int signal) {
  if (p->done || kill(p->pid, signal) != 0) return;
  p->killed = true;
  crash_say("%d: is killed (%d)", p->id, signal);
}

/* ------------------------------------------------------------------ listening */

static void read_out(proc *p) {
  char chunk[8192];
  ssize_t n;
  while (p->out >= 0 && (n = read(p->out, chunk, sizeof chunk)) != 0) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;
    ln_buf_add(&p->text, (ln_str){chunk, (size_t)n});
  }
  if (p->out >= 0) close(p->out);
  p->out = -1;
}

static void read_lines(proc *p) {
  const char *end;
  while (p->read < p->text.n && (end = memchr(p->text.p + p->read, '\n', p->text.n - p->read))) {
    ln_str line = {p->text.p + p->read, (size_t)(end - p->text.p) - p->read};
    p->read += line.n + 1;
    p->lines++;
    crash_told(p, line);
    if (p->lines == p->dies_at_line) crash_dies(p);
  }
}

/* ------------------------------------------------------------------ burying */

static proc *proc_of(pid_t pid) {
  for (proc *p = tale->procs; p < tale->procs + PROCS; p++)
    if (p->role != NOBODY && p->pid == pid) return p;
  return NULL;
}

static void bury(void) {
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    proc *p = proc_of(pid);
    if (!p) continue;
    p->status = status;
    p->done = true;
  }
}

/* Those whose parent has gone are ours (main.c made us their reaper). */
static void find_left(void) {
  char path[64], *at, *end;
  static char list[4096];
  snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd >= 0 ? read(fd, list, sizeof list - 1) : 0;
  if (fd >= 0) close(fd);
  list[n > 0 ? n : 0] = 0;
  for (at = list; *at; at = end) {
    long pid = strtol(at, &end, 10);
    if (end == at) return;
    proc *p = pid > 0 && !proc_of((pid_t)pid) ? crash_add(LEFT) : NULL;
    if (!p) continue;
    p->pid = (pid_t)pid;
    crash_say("%d: was left behind", p->id);
  }
}

void crash_reap(void (*over)(proc *p)) {
  for (proc *p = tale->procs; p < tale->procs + PROCS; p++) {
    if (p->role == NOBODY || !p->done) continue;
    read_out(p);
    read_lines(p);
    crash_say("%d: is over, %s %d", p->id, WIFSIGNALED(p->status) ? "by signal" : "with",
              WIFSIGNALED(p->status) ? WTERMSIG(p->status) : WEXITSTATUS(p->status));
    over(p);
    if (p->out >= 0) close(p->out);
    if (p->tty >= 0) close(p->tty);
    ln_buf_free(&p->text);
    p->role = NOBODY;
  }
}

size_t crash_alive(role r) {
  size_t n = 0;
  for (const proc *p = tale->procs; p < tale->procs + PROCS; p++) n += p->role == r && !p->done;
  return n;
}

/* ------------------------------------------------------------------ waiting */

static int deaths(void) {
  static int fd = -1;
  sigset_t child;
  if (fd >= 0) return fd;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, NULL);
  return fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
}

void crash_wait(int64_t ms) {
  struct pollfd v[PROCS + 2];
  struct signalfd_siginfo who;
  nfds_t n = 0;
  v[n++] = (struct pollfd){.fd = deaths(), .events = POLLIN};
  v[n++] = (struct pollfd){.fd = tale->log, .events = POLLIN};
  for (const proc *p = tale->procs; p < tale->procs + PROCS; p++)
    if (p->role != NOBODY && p->out >= 0) v[n++] = (struct pollfd){.fd = p->out, .events = POLLIN};
  poll(v, n, ms < 0 ? 0 : (int)ms);
  while (read(v[0].fd, &who, sizeof who) > 0) {}
  for (proc *p = tale->procs; p < tale->procs + PROCS; p++)
    if (p->role != NOBODY) read_out(p), read_lines(p);
  crash_record_read();
  bury();
  find_left();
}

void crash_kill_all(void) {
  for (proc *p = tale->procs; p < tale->procs + PROCS; p++)
    if (p->role != NOBODY && !p->done) kill(p->pid, SIGKILL);
}
