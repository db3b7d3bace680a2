/* launcher.c: a process that is there to start one command for another one, which cannot any more.
**
** It is forked early, so it knows the configuration and no secret.  What is asked of it is a datagram with
** the name of a secret and a descriptor to write the answer to; it forks once more for each, so that one that
** takes its time keeps nobody waiting.  An answer is two bytes (how it ended, its status), and what was
** printed.  It ends with whoever has the other end. */
#include "base/clock.h"
#include "engine/command.h"
#include "engine/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NAME_BYTES = 128, HEAD = 2, LATER_MS = 1000 }; /* later: an answer is on its way                  */

struct ln_launcher {
  int fd;
  pid_t pid;
};

typedef union control {
  struct cmsghdr head;
  char bytes[CMSG_SPACE(sizeof(int))];
} control;

/* ------------------------------------------------------------------ there */

static void write_all(int fd, const char *p, size_t n) {
  while (n) {
    ssize_t done = write(fd, p, n);
    if (done < 0 && errno != EINTR) return;
    if (done > 0) p += done, n -= (size_t)done;
  }
}

static void answer(const ln_str *argv, size_t n, ln_str name, int to) {
  ln_buf value;
  int status = 0;
  signal(SIGCHLD, SIG_DFL);
  ln_buf_init(&value, LN_COMMAND_MAX);
  ln_buf_secret(&value);
  ln_ended how = ln_command_run(argv, n, name, &value, &status);
  const char head[HEAD] = {(char)how, (char)status};
  write_all(to, head, sizeof head);
  write_all(to, value.p, value.n);
  ln_buf_wipe(&value);
}

/* The descriptor that came with a message; -1: none did. */
static int fd_of(struct msghdr *m) {
  struct cmsghdr *c = CMSG_FIRSTHDR(m);
  int fd = -1;
  if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) memcpy(&fd, CMSG_DATA(c), sizeof fd);
  return fd;
}

/* False: nobody is there any more. */
static bool serve_one(int fd, const ln_str *argv, size_t n) {
  char name[NAME_BYTES];
  control room = {.head = {0}};
  struct iovec v = {.iov_base = name, .iov_len = sizeof name};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &room, .msg_controllen = sizeof room};
  ln_err quiet;
  ssize_t got = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
  if (got <= 0) return got < 0 && errno == EINTR;
  int to = fd_of(&m);
  if (to >= 0 && ln_secret_name((ln_str){name, (size_t)got}, &quiet) && fork() == 0) {
    close(fd);
    answer(argv, n, (ln_str){name, (size_t)got}, to);
    _exit(0);
  }
  if (to >= 0) close(to);
  return true;
}

/* Signals that a terminal or a service manager sends to all are the other's to understand. */
static _Noreturn void live(int fd, const ln_str *argv, size_t n) {
  static const int not_ours[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGCHLD};
  for (size_t i = 0; i < sizeof not_ours / sizeof *not_ours; i++) signal(not_ours[i], SIG_IGN);
  int null = open("/dev/null", O_RDWR);
  for (int i = STDIN_FILENO; null >= 0 && i <= STDERR_FILENO; i++) dup2(null, i);
  dup2(fd, STDERR_FILENO + 1);
  close_range(STDERR_FILENO + 2, ~0U, 0);
  while (serve_one(STDERR_FILENO + 1, argv, n)) continue;
  _exit(0);
}

/* ------------------------------------------------------------------ here */

ln_launcher *ln_launcher_start(const ln_str *argv, size_t n, ln_err *err) {
  int fd[2];
  ln_launcher *l = calloc(1, sizeof *l);
  if (!l) return ln_fail(err, "memory", LN_AGAIN, "no memory for a process"), NULL;
  bool paired = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) == 0;
  *l = (ln_launcher){.fd = paired ? fd[0] : -1, .pid = paired ? fork() : -1};
  if (l->pid == 0) live(fd[1], argv, n);
  if (paired) close(fd[1]);
  if (l->pid > 0) return l;
  ln_fail(err, "unavailable", LN_AGAIN, "the process that starts the helper of secrets cannot be made: %s",
          strerror(errno));
  if (paired) close(fd[0]);
  free(l);
  return NULL;
}

void ln_launcher_stop(ln_launcher *l) {
  int status;
  if (!l) return;
  close(l->fd);
  while (waitpid(l->pid, &status, 0) < 0 && errno == EINTR) continue;
  free(l);
}

static bool ask(const ln_launcher *l, ln_str name, int to) {
  control room = {.head = {0}};
  struct iovec v = {.iov_base = (char *)name.p, .iov_len = name.n};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &room, .msg_controllen = sizeof room};
  struct cmsghdr *c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof to);
  memcpy(CMSG_DATA(c), &to, sizeof to);
  return sendmsg(l->fd, &m, MSG_NOSIGNAL) == (ssize_t)name.n;
}

/* Up to its end.  False: it did not come to that within the time. */
static bool hear(int fd, ln_buf *all) {
  int64_t until = ln_mono_us(ln_clock_real()) / 1000 + LN_COMMAND_MS + LATER_MS;
  for (;;) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int64_t left = until - ln_mono_us(ln_clock_real()) / 1000;
    char *to = ln_buf_room(all, 4096);
    if (left <= 0 || !to) return false;
    if (poll(&p, 1, (int)left) <= 0) continue;
    ssize_t n = read(fd, to, 4096);
    if (n > 0) ln_buf_grew(all, (size_t)n);
    else if (n == 0 || errno != EINTR) return true;
  }
}

ln_ended ln_launcher_run(ln_launcher *l, ln_str name, ln_buf *value, int *status) {
  int fd[2];
  ln_buf all;
  ln_ended how = LN_NOT_STARTED;
  if (pipe2(fd, O_CLOEXEC) != 0) return how;
  ln_buf_init(&all, HEAD + LN_COMMAND_MAX + 4096);
  ln_buf_secret(&all);
  bool asked = ask(l, name, fd[1]);
  close(fd[1]);
  if (asked && !hear(fd[0], &all)) how = LN_TOO_LATE;
  else if (all.n >= HEAD) {
    how = (ln_ended)all.p[0];
    *status = (unsigned char)all.p[1];
    if (!ln_buf_add(value, (ln_str){all.p + HEAD, all.n - HEAD})) how = LN_TOO_MUCH;
  }
  close(fd[0]);
  ln_buf_wipe(&all);
  return how;
}
