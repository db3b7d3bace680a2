/* step_server.c: an HTTP server for W5: it counts how often each step of each run is called.  GET
** /r/RUN/STEP is a read, POST /w/RUN/STEP a write, which is done once the request is here; GET /w/RUN/STEP
** says whether that happened (200 or 404).  Each is answered after 20 ms; those of step HOLD not before all
** runs have come so far, which is said in a line on standard output, or ever, if their connection is gone by
** then.  Usage: step_server RUNS HOLD; prints its port first, and its account, a JSON object, once its
** standard input ends.  One thread a connection. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RUNS = 1024, STEPS = 64, LATE_US = 20000, IN = 16384 };

static atomic_int reads[RUNS][STEPS], writes[RUNS][STEPS], held;
static int runs, hold;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_here = PTHREAD_COND_INITIALIZER;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void wait_for_all(void) {
  pthread_mutex_lock(&lock);
  if (++held == runs) {
    printf("held\n");
    fflush(stdout);
    pthread_cond_broadcast(&all_here);
  }
  while (held < runs) pthread_cond_wait(&all_here, &lock);
  pthread_mutex_unlock(&lock);
}

static int act(const char *method, const char *path) {
  char kind;
  int run, step;
  if (sscanf(path, "/%c/%d/%d", &kind, &run, &step) != 3 || run < 0 || run >= RUNS || step < 0 ||
      step >= STEPS)
    return 400;
  bool post = strcmp(method, "POST") == 0;
  if (kind == 'w' && !post) return writes[run][step] ? 200 : 404;
  atomic_fetch_add(post ? &writes[run][step] : &reads[run][step], 1);
  if (step == hold) wait_for_all();
  return 200;
}

/* A whole request in buf, without its body; false: the connection has ended. */
static bool receive(int fd, char *buf) {
  size_t n = 0;
  for (char *end; n < IN - 1;) {
    ssize_t k = recv(fd, buf + n, IN - 1 - n, 0);
    if (k <= 0) return false;
    buf[n += (size_t)k] = 0;
    if (!(end = strstr(buf, "\r\n\r\n"))) continue;
    const char *length = strcasestr(buf, "\r\ncontent-length:");
    if (n >= (size_t)(end + 4 - buf) + (length && length < end ? strtoul(length + 17, NULL, 10) : 0))
      return true;
  }
  return false;
}

static void *serve(void *arg) {
  int fd = (int)(intptr_t)arg, on = 1;
  char in[IN], out[128], method[8], path[64];
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  while (receive(fd, in) && sscanf(in, "%7s %63s", method, path) == 2) {
    int status = act(method, path);
    usleep(LATE_US);
    int n = snprintf(out, sizeof out,
                     "HTTP/1.1 %d X\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok", status);
    if (send(fd, out, (size_t)n, MSG_NOSIGNAL) != n) break;
  }
  close(fd);
  return NULL;
}

static void *accept_all(void *arg) {
  for (int fd; (fd = accept((int)(intptr_t)arg, NULL, NULL)) >= 0;) {
    pthread_t t;
    if (pthread_create(&t, NULL, serve, (void *)(intptr_t)fd) != 0) die("pthread_create");
    pthread_detach(t);
  }
  return NULL;
}

static void account(void) {
  int n_reads = 0, n_writes = 0, again = 0, most = 0, twice = 0;
  for (int r = 0; r < RUNS; r++)
    for (int s = 0; s < STEPS; s++) {
      n_reads += reads[r][s], n_writes += writes[r][s];
      again += reads[r][s] > 1, twice += writes[r][s] > 1;
      if (reads[r][s] > most) most = reads[r][s];
    }
  printf("{\"reads\":%d,\"reads_again\":%d,\"read_at_most\":%d,\"writes\":%d,\"writes_twice\":%d}\n", n_reads,
         again, most, n_writes, twice);
}

int main(int argc, char **argv) {
  struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t n = sizeof sa;
  pthread_t t;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (argc != 3) return 2;
  runs = (int)strtol(argv[1], NULL, 10), hold = (int)strtol(argv[2], NULL, 10);
  if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof sa) || listen(fd, 1024) ||
      getsockname(fd, (struct sockaddr *)&sa, &n))
    die("listen");
  printf("%d\n", ntohs(sa.sin_port));
  fflush(stdout);
  if (pthread_create(&t, NULL, accept_all, (void *)(intptr_t)fd) != 0) die("pthread_create");
  while (getchar() != EOF) {}
  account();
  fflush(stdout);
  _exit(0);
}
