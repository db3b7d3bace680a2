/* helper.c: secrets that another program knows.  The site's command is started without a shell, with the name
** as an argument, nothing on its standard input, none of our descriptors, and none of the secrets in our
** environment; what it prints is the value.  It has five seconds and 64 KiB, and is killed, with all that it
** began, where that is not enough.  What it prints goes nowhere else: neither into a log nor into an error.
**
** A value is kept for five minutes, for connectors ask for it again with each request. */
#include "base/loop.h"
#include "engine/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIME_MS = 5000, KEPT_MS = 300000 };

extern char **environ;

struct ln_kept_answer {
  ln_kept_answer *next;
  int64_t until_ms;
  char name[LN_SECRET_NAME + 1];
  ln_buf value;
};

static int64_t now(void) { return ln_mono_us(ln_clock_real()) / 1000; }

/* ------------------------------------------------------------------ what is kept */

static void drop(ln_kept_answer *a) {
  ln_buf_wipe(&a->value);
  free(a);
}

void ln_helper_forget(ln_vault *v) {
  while (v->answers) {
    ln_kept_answer *a = v->answers;
    v->answers = a->next;
    drop(a);
  }
}

/* With v->mx held. */
static bool from_kept(ln_vault *v, ln_str name, ln_buf *out) {
  for (ln_kept_answer **at = &v->answers; *at;) {
    ln_kept_answer *a = *at;
    if (now() >= a->until_ms) *at = a->next, drop(a);
    else if (ln_str_eq(name, ln_str_of(a->name))) return ln_buf_add(out, ln_buf_view(&a->value));
    else at = &a->next;
  }
  return false;
}

/* With v->mx held.  Without memory it is asked for again. */
static void keep(ln_vault *v, ln_str name, ln_str value) {
  ln_kept_answer *a = calloc(1, sizeof *a);
  if (!a) return;
  memcpy(a->name, name.p, name.n);
  a->until_ms = now() + KEPT_MS;
  ln_buf_init(&a->value, LN_SECRET_MAX + 1);
  ln_buf_secret(&a->value);
  ln_buf_add(&a->value, value);
  a->next = v->answers;
  v->answers = a;
}

/* ------------------------------------------------------------------ the command */

static void free_argv(char **argv, size_t n) {
  for (size_t i = 0; argv && i < n; i++) free(argv[i]);
  free(argv);
}

/* argv, with the name in its place.  NULL: no memory. */
static char **argv_of(const ln_vault *v, ln_str name) {
  char **argv = calloc(v->o.n_helper + 1, sizeof *argv);
  for (size_t i = 0; argv && i < v->o.n_helper; i++) {
    ln_str rest = v->o.helper[i];
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

typedef enum ended { ENDED, TOO_LATE, TOO_MUCH } ended;

/* All that it prints, until its end. */
static ended read_all(int fd, ln_buf *out) {
  int64_t until = now() + TIME_MS;
  for (;;) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int64_t left = until - now();
    if (left <= 0) return TOO_LATE;
    if (poll(&p, 1, (int)left) <= 0) continue; /* interrupted, or over, which the clock tells */
    char *to = ln_buf_room(out, 4096);
    ssize_t n = to ? read(fd, to, 4096) : -1;
    if (!to) return TOO_MUCH;
    if (n == 0) return ENDED;
    if (n > 0) ln_buf_grew(out, (size_t)n);
    else if (errno != EINTR && errno != EAGAIN) return ENDED;
  }
}

/* It has closed its output: how did it end?  -1: not within its time. */
static int wait_for(pid_t pid, ended how) {
  int status = 0;
  if (how != ENDED) kill(-pid, SIGKILL);
  for (int64_t until = now() + TIME_MS; how == ENDED && now() < until;) {
    pid_t done = waitpid(pid, &status, WNOHANG);
    if (done == pid) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (done < 0 && errno != EINTR) return -1;
    poll(NULL, 0, 2);
  }
  kill(-pid, SIGKILL);
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return -1;
}

static bool run(const ln_vault *v, ln_str name, ln_buf *value, ended *how, int *status) {
  int fd[2];
  pid_t pid = 0;
  char **argv = argv_of(v, name), **env = env_of();
  bool piped = argv && env && pipe2(fd, O_CLOEXEC) == 0, ok = piped && spawn(argv, env, fd[1], &pid);
  if (piped) close(fd[1]);
  if (ok) *how = read_all(fd[0], value), *status = wait_for(pid, *how);
  if (piped) close(fd[0]);
  free_argv(argv, v->o.n_helper);
  free(env);
  return ok;
}

static bool judge(const ln_vault *v, ln_str name, bool ran, ended how, int status, const ln_buf *value,
                  ln_err *err) {
  ln_str command = v->o.helper[0];
  if (ran && how == ENDED && status == 0 && value->n) return true;
  if (!ran)
    return ln_fail(err, "unavailable", LN_FINAL, "the helper of secrets %.*s cannot be started",
                   LN_STR_ARG(command));
  if (how == TOO_MUCH)
    return ln_fail(err, "too_big", LN_FINAL, "the helper of secrets printed more than 64 KiB for '%.*s'",
                   LN_STR_ARG(name));
  if (status < 0)
    return ln_fail(err, "unavailable", LN_AGAIN, "the helper of secrets did not end within %d s for '%.*s'",
                   TIME_MS / 1000, LN_STR_ARG(name));
  if (status == 0)
    return ln_fail(err, "not_found", LN_FINAL, "the helper of secrets printed nothing for '%.*s'",
                   LN_STR_ARG(name));
  return ln_fail(err, "not_found", LN_FINAL,
                 "the secret '%.*s' is nowhere here, and the helper %.*s ended with status %d for it",
                 LN_STR_ARG(name), LN_STR_ARG(command), status);
}

bool ln_helper_get(ln_vault *v, ln_str name, ln_buf *out, ln_err *err) {
  ln_buf value;
  ended how = ENDED;
  int status = 0;
  pthread_mutex_lock(&v->mx);
  bool ok = from_kept(v, name, out);
  if (!ok) {
    ln_buf_init(&value, LN_SECRET_MAX + 4096);
    ln_buf_secret(&value);
    bool ran = run(v, name, &value, &how, &status);
    if (value.n && value.p[value.n - 1] == '\n') ln_buf_cut(&value, value.n - 1);
    if (value.n > LN_SECRET_MAX) how = TOO_MUCH;
    ok = judge(v, name, ran, how, status, &value, err) &&
         (ln_buf_add(out, ln_buf_view(&value)) || ln_buf_ok(out, err));
    if (ok) keep(v, name, ln_buf_view(&value));
    ln_buf_wipe(&value);
  }
  pthread_mutex_unlock(&v->mx);
  return ok;
}
