/* command.c: secrets that another program knows.  The site's command is started without a shell, with the
** name as an argument, nothing on its standard input, none of our descriptors, and none of the secrets in our
** environment; what it prints is the value.  It has five seconds, from its start to its end, and 64 KiB, and
** is killed, with all that it began, where that is not enough.  What it prints goes nowhere else: neither
** into a log nor into an error. */
#include "engine/command.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int64_t now(void) { return ln_mono_us(ln_clock_real()) / 1000; }

static void free_argv(char **argv, size_t n) {
  for (size_t i = 0; argv && i < n; i++) free(argv[i]);
  free(argv);
}

/* argv, with the name in its place.  NULL: no memory. */
static char **argv_of(const ln_str *words, size_t n, ln_str name) {
  char **argv = calloc(n + 1, sizeof *argv);
  for (size_t i = 0; argv && i < n; i++) {
    ln_str rest = words[i];
    ln_buf b;
    ptrdiff_t at;
    ln_buf_init(&b, 1 << 16);
    while ((at = ln_str_find(rest, LN_STR("{name}"))) >= 0) {
      ln_buf_add(&b, (ln_str){rest.p, (size_t)at});
      ln_buf_add(&b, name);
      rest = (ln_str){rest.p + at + 6, rest.n - (size_t)at - 6};
    }
    ln_buf_add(&b, rest);
    argv[i] = ln_buf_take(&b, NULL);
    if (!argv[i]) return free_argv(argv, i), NULL;
  }
  return argv;
}

static bool is_ours(const char *var) {
  return strncmp(var, "LUNETTE_", 8) == 0 || strncmp(var, "CREDENTIALS_DIRECTORY=", 22) == 0;
}

/* Our environment without what is ours; the texts are borrowed. */
static char **env_of(void) {
  size_t n = 0, m = 0;
  while (environ[n]) n++;
  char **env = calloc(n + 1, sizeof *env);
  for (size_t i = 0; env && i < n; i++)
    if (!is_ours(environ[i])) env[m++] = environ[i];
  return env;
}

/* In a process group of its own, with signals as they are by default. */
static bool spawn(char **argv, char **env, int out, pid_t *pid) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t how;
  sigset_t all, none;
  sigfillset(&all);
  sigemptyset(&none);
  if (!argv[0] || posix_spawn_file_actions_init(&files) != 0) return false;
  if (posix_spawnattr_init(&how) != 0) return posix_spawn_file_actions_destroy(&files), false;
  bool ok = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0) == 0 &&
            posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO) == 0 &&
            posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0) == 0 &&
            posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1) == 0 &&
            posix_spawnattr_setpgroup(&how, 0) == 0 && posix_spawnattr_setsigdefault(&how, &all) == 0 &&
            posix_spawnattr_setsigmask(&how, &none) == 0 &&
            posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                                               POSIX_SPAWN_SETSIGMASK) == 0 &&
            posix_spawn(pid, argv[0], &files, &how, argv, env) == 0;
  posix_spawnattr_destroy(&how);
  posix_spawn_file_actions_destroy(&files);
  return ok;
}

/* All that it prints, until its end. */
static ln_ended read_all(int fd, int64_t until, ln_buf *out) {
  for (;;) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int64_t left = until - now();
    if (left <= 0) return LN_TOO_LATE;
    if (poll(&p, 1, (int)left) <= 0) continue; /* interrupted, or over, which the clock tells */
    char *to = ln_buf_room(out, 4096);
    ssize_t n = to ? read(fd, to, 4096) : -1;
    if (!to) return LN_TOO_MUCH;
    if (n == 0) return LN_ENDED;
    if (n > 0) ln_buf_grew(out, (size_t)n);
    else if (errno != EINTR && errno != EAGAIN) return LN_ENDED;
  }
}

/* It has closed its output: how did it end? */
static ln_ended wait_for(pid_t pid, ln_ended how, int64_t until, int *status) {
  int s = 0;
  for (; how == LN_ENDED && now() < until; poll(NULL, 0, 2)) {
    pid_t done = waitpid(pid, &s, WNOHANG);
    if (done == pid) {
      *status = WIFEXITED(s) ? WEXITSTATUS(s) : 128 + WTERMSIG(s);
      return LN_ENDED;
    }
    if (done < 0 && errno != EINTR) break;
  }
  kill(-pid, SIGKILL);
  while (waitpid(pid, &s, 0) < 0 && errno == EINTR) continue;
  return how == LN_ENDED ? LN_TOO_LATE : how;
}

ln_ended ln_command_run(const ln_str *words, size_t n, ln_str name, ln_buf *value, int *status) {
  int fd[2];
  pid_t pid = 0;
  ln_ended how = LN_NOT_STARTED;
  int64_t until = now() + LN_COMMAND_MS;
  char **argv = argv_of(words, n, name), **env = env_of();
  bool piped = argv && env && pipe2(fd, O_CLOEXEC) == 0, ok = piped && spawn(argv, env, fd[1], &pid);
  if (piped) close(fd[1]);
  if (ok) how = wait_for(pid, read_all(fd[0], until, value), until, status);
  if (piped) close(fd[0]);
  free_argv(argv, n);
  free(env);
  return how;
}
