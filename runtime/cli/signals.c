/* signals.c: Ctrl-C, and what else asks a process to end.  A handler may do hardly anything: it sets a flag,
** which loops look at, and writes into a pipe, which whoever waits for input waits for as well: with the flag
** alone a signal between the last look and the wait would be missed. */
#include "cli/app.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;
static void (*volatile also)(void);
static int wake[2] = {-1, -1};

static void on_signal(int sig) {
  int was = errno;
  (void)sig;
  interrupted = 1;
  if (write(wake[1], "", 1) < 0) errno = was;
  if (also) also();
}

static void open_wake(void) {
  if (wake[0] < 0 && pipe2(wake, O_CLOEXEC | O_NONBLOCK) != 0) wake[0] = wake[1] = -1;
}

void ln_app_catch(int sig) {
  struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND};
  open_wake();
  sigaction(sig, &sa, NULL);
}

void ln_app_catch_interrupts(void (*fn)(void)) {
  struct sigaction sa = {.sa_handler = on_signal};
  open_wake();
  also = fn;
  sigaction(SIGINT, &sa, NULL);
}

bool ln_app_interrupt_taken(void) {
  char bytes[64];
  bool was = interrupted;
  while (read(wake[0], bytes, sizeof bytes) > 0) continue;
  interrupted = 0;
  return was;
}

bool ln_app_interrupted(void) { return interrupted; }

bool ln_app_await_input(void) {
  struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = wake[0], .events = POLLIN}};
  while (!interrupted && poll(fds, 2, -1) < 0 && errno == EINTR) continue;
  return !interrupted;
}
