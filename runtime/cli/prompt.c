/* prompt.c: what is typed without being seen, or comes over a descriptor: secrets and passphrases. */
#include "cli/app.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

/* Up to the end, or of a line.  Not by stdio, whose buffer would keep it. */
static void read_all(int fd, bool line, ln_buf *out) {
  char chunk[4096];
  ssize_t n;
  bool more = true, typed = fd == STDIN_FILENO && line;
  while (more && (!typed || ln_app_await_input()) && (n = read(fd, chunk, sizeof chunk)) > 0) {
    ln_buf_add(out, (ln_str){chunk, (size_t)n});
    more = !line || !memchr(chunk, '\n', (size_t)n);
  }
  explicit_bzero(chunk, sizeof chunk);
}

/* Without echo; the terminal is as it was afterwards, also when a signal ends it. */
static void prompt(const char *what, const struct termios *was, ln_buf *out) {
  static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
  struct termios quiet = *was;
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) ln_app_catch(signals[i]);
  quiet.c_lflag &= (tcflag_t)~ECHO;
  tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
  fprintf(stderr, "%s: ", what);
  read_all(STDIN_FILENO, true, out);
  tcsetattr(STDIN_FILENO, TCSAFLUSH, was);
  fputc('\n', stderr);
}

static void drop_line_end(ln_buf *out) {
  if (out->n && out->p[out->n - 1] == '\n') ln_buf_cut(out, out->n - 1);
}

static bool whole(const ln_buf *out, ln_err *err) {
  if (ln_app_interrupted()) return ln_fail(err, "interrupted", LN_FINAL, "interrupted: nothing was kept");
  return !ln_buf_failed(out) || ln_fail(err, "too_big", LN_FINAL, "that is longer than %zu bytes", out->max);
}

bool ln_app_secret(const char *what, ln_buf *out, ln_err *err) {
  struct termios was;
  ln_buf_secret(out);
  if (tcgetattr(STDIN_FILENO, &was) == 0) prompt(what, &was, out);
  else read_all(STDIN_FILENO, false, out);
  drop_line_end(out);
  return whole(out, err);
}

/* ------------------------------------------------------------------ the vault's passphrase */

/* One line of the descriptor that $LUNETTE_PASSPHRASE_FD names; what follows is the next one's. */
static bool from_descriptor(const char *number, ln_buf *out, ln_err *err) {
  char *end, c;
  ssize_t n = 0;
  long fd = strtol(number, &end, 10);
  if (!*number || *end || fd < 0 || fd > 65535)
    return ln_fail(err, "usage", LN_FINAL, "LUNETTE_PASSPHRASE_FD is the number of a descriptor, not %s",
                   number);
  while ((n = read((int)fd, &c, 1)) > 0 && c != '\n') ln_buf_addc(out, c);
  if (n < 0)
    return ln_fail(err, "usage", LN_FINAL, "LUNETTE_PASSPHRASE_FD: descriptor %ld cannot be read: %s", fd,
                   strerror(errno));
  return out->n > 0 || ln_fail(err, "usage", LN_FINAL, "LUNETTE_PASSPHRASE_FD: no passphrase came");
}

/* A new one is typed twice: one that nobody knows would lock everything away. */
static bool typed(const struct termios *was, bool anew, ln_buf *out, ln_err *err) {
  ln_buf again;
  prompt(anew ? "new passphrase of the vault" : "passphrase of the vault", was, out);
  drop_line_end(out);
  if (!anew || !whole(out, err)) return whole(out, err);
  ln_buf_init(&again, out->max);
  ln_buf_secret(&again);
  prompt("again", was, &again);
  drop_line_end(&again);
  bool ok = whole(&again, err) && (ln_str_eq(ln_buf_view(out), ln_buf_view(&again)) ||
                                   ln_fail(err, "usage", LN_FINAL, "these are two: nothing was changed"));
  ln_buf_wipe(&again);
  return ok;
}

bool ln_app_passphrase(void *arg, bool anew, ln_buf *out, ln_err *err) {
  const char *fd = getenv("LUNETTE_PASSPHRASE_FD");
  struct termios was;
  (void)arg;
  if (fd && *fd) return from_descriptor(fd, out, err);
  if (tcgetattr(STDIN_FILENO, &was) == 0) return typed(&was, anew, out, err);
  return ln_fail(err, "store", LN_FINAL,
                 "the vault's key is a passphrase, and there is no terminal to ask at: set "
                 "LUNETTE_PASSPHRASE_FD to a descriptor that it can be read from");
}
