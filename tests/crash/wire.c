/* wire.c: a peer that behaves badly, between the program and a vendor: it hangs up before or after the
** vendor has acted, breaks an answer off, resets, hangs, brings an answer twice, or a byte at a time.  A
** process of its own, a thread a connection; what comes goes on to the vendor whole. */
#include "tests/crash/crash.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { MESSAGE_MAX = 1 << 20 };

const char *const crash_faults[FAULTS] = {"behaves",
                                          "hangs up before it acts",
                                          "hangs up after it has acted",
                                          "resets after it has acted",
                                          "answers in part",
                                          "answers with half a head",
                                          "answers twice",
                                          "answers a byte at a time",
                                          "hangs"};

typedef struct line {
  int fd;
  uint64_t seed;
} line;

static char vendor[64];
static double badness;
static atomic_uint counted;

/* ------------------------------------------------------------------ messages */

/* How long it is, once its head is there; 0: not yet. */
static size_t length_of(const ln_buf *b) {
  ptrdiff_t head = ln_str_find(ln_buf_view(b), LN_STR("\r\n\r\n"));
  if (head < 0) return 0;
  for (const char *p = b->p, *end = b->p + head; p && p < end; p = memchr(p, '\n', (size_t)(end - p))) {
    if (*p == '\n') p++;
    if (strncasecmp(p, "content-length:", 15) == 0) return (size_t)head + 4 + strtoul(p + 15, NULL, 10);
  }
  return (size_t)head + 4;
}

static bool receive(int fd, ln_buf *b) {
  ln_buf_cut(b, 0);
  for (size_t n = 0; !n || b->n < n; n = length_of(b)) {
    char chunk[8192];
    ssize_t k = read(fd, chunk, sizeof chunk);
    if (k <= 0 || !ln_buf_add(b, (ln_str){chunk, (size_t)k})) return false;
  }
  return true;
}

static bool put(int fd, ln_str s) {
  while (s.n) {
    ssize_t k = send(fd, s.p, s.n, MSG_NOSIGNAL);
    if (k <= 0) return false;
    s.p += k;
    s.n -= (size_t)k;
  }
  return true;
}

static bool ask_vendor(ln_str request, ln_buf *answer) {
  int fd = crash_dial(vendor);
  bool ok = fd >= 0 && put(fd, request) && receive(fd, answer);
  if (fd >= 0) close(fd);
  return ok;
}

/* ------------------------------------------------------------------ answers */

static void reset(int fd) {
  struct linger now = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

/* False: the connection ends. */
static bool answer(int fd, fault f, ln_str a) {
  char none;
  switch (f) {
  case AFTER: return false;
  case RESET: reset(fd); return false;
  case HALF: put(fd, (ln_str){a.p, a.n - 1 - a.n / 4}); return false;
  case HEAD: put(fd, (ln_str){a.p, a.n < 30 ? a.n : 30}); return false;
  case TWICE: return put(fd, a) && put(fd, a);
  case HANG: return read(fd, &none, 1) > 0 && false; /* until its client gives up */
  case BYTES:
    for (size_t i = 0; i < a.n; i++)
      if (!put(fd, (ln_str){a.p + i, 1})) return false;
    return true;
  default: return put(fd, a);
  }
}

static fault choose(ln_rand *r) {
  if (!sim_chance(r, badness)) return GOOD;
  fault f = tale->only ? tale->only : (fault)(1 + sim_pick(r, FAULTS - 1));
  return f == HANG && !sim_chance(r, 0.15) ? AFTER : f; /* it takes long */
}

static void *serve_line(void *arg) {
  line *l = arg;
  int on = 1;
  ln_rand r;
  ln_buf request, reply;
  ln_rand_seed(&r, l->seed);
  ln_buf_init(&request, MESSAGE_MAX);
  ln_buf_init(&reply, MESSAGE_MAX);
  setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  for (bool goes_on = true; goes_on && receive(l->fd, &request);) {
    fault f = choose(&r);
    goes_on =
        f != BEFORE && ask_vendor(ln_buf_view(&request), &reply) && answer(l->fd, f, ln_buf_view(&reply));
  }
  close(l->fd);
  ln_buf_free(&request);
  ln_buf_free(&reply);
  free(l);
  return NULL;
}

/* ------------------------------------------------------------------ the peer */

static void serve(int listener, uint64_t seed) {
  for (;;) {
    pthread_t t;
    line *l = calloc(1, sizeof *l);
    if (!l) _exit(1);
    *l = (line){accept(listener, NULL, NULL), seed * 4096 + atomic_fetch_add(&counted, 1)};
    if (l->fd < 0 || pthread_create(&t, NULL, serve_line, l) != 0) _exit(1);
    pthread_detach(t);
  }
}

bool crash_wire(char url[64], double bad) {
  struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t n = sizeof sa;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  proc *p = crash_add(WIRE);
  if (!p || fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof sa) != 0 || listen(fd, 64) != 0 ||
      getsockname(fd, (struct sockaddr *)&sa, &n) != 0)
    return false;
  snprintf(vendor, sizeof vendor, "%s", url);
  badness = bad;
  fflush(NULL);
  if ((p->pid = fork()) == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    serve(fd, here->seed);
  }
  close(fd);
  snprintf(url, 64, "http://127.0.0.1:%u", ntohs(sa.sin_port));
  return p->pid > 0;
}
