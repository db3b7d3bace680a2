/* post_bench.c: a client that hands in alerts over HTTP: as fast as they are taken, or by a schedule, and
** then each one's time counts from when it was due, so that a server that stalls is not spared those that
** wait.
**
**   post_bench PORT TOKEN TEMPLATES NAME [--rate R] [--connections C] [--most N] [--seconds S] [--ids FILE]
**
** TEMPLATES has one document a line, with @ID@ in the place of its id (an alert's is NAME-1, NAME-2, …) and
** @RULE@ where its title may be made another one.  An alert counts as taken when it was answered 202 with its
** id, which then goes to FILE, a line each.  What was refused for now (503), or whose connection broke, is
** handed in again, under the same id, until it is taken, whatever dies meanwhile.  Ends after N alerts, or,
** with S, gives up what is not taken by then.  Prints one JSON object. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { IN = 1 << 16, TEMPLATES = 256, CONNECTIONS = 4096, AGAIN_US = 20000, EVENTS = 256 };

typedef struct alert { int64_t n, due_us; } alert;       /* n 0: none                                      */

typedef struct conn {
  int fd;                                                /* -1: none                                       */
  alert a;
  int64_t not_before_us;                                 /* it was refused, or nobody is there             */
  char *out, in[IN];
  size_t n_out, sent, n_in;
} conn;

static struct {
  int port;
  const char *token, *name;
  double rate, seconds;
  int64_t most;
  int connections;
  FILE *ids;
} opt = {.connections = 64, .most = INT64_MAX};

static char *templates[TEMPLATES];
static size_t n_templates;
static conn *conns;
static int poll_fd;
static int64_t begun_us, handed, taken, refused, others, broken, *took_us, took_room;

static void die(const char *what) {
  fprintf(stderr, "post_bench: %s\n", what);
  exit(1);
}

static int64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void read_templates(const char *path) {
  FILE *f = fopen(path, "re");
  size_t room = 0;
  if (!f) die("cannot read the templates");
  while (n_templates < TEMPLATES) {
    ssize_t n = getline(&templates[n_templates], &room, f);
    if (n <= 1) break;
    templates[n_templates++][n - 1] = 0;
    room = 0;
  }
  fclose(f);
  if (!n_templates) die("there are no templates");
}

/* ------------------------------------------------------------------ a request */

/* A number in letters: titles without their digits have to differ. */
static void spell(int64_t n, char out[16]) {
  char *p = out;
  for (; n > 0 && p < out + 15; n /= 26) *p++ = (char)('a' + n % 26);
  *p = 0;
}

static char *fill(const char *template, int64_t n, size_t *length) {
  char id[80], rule[16], *text = NULL;
  FILE *f = open_memstream(&text, length);
  if (!f) die("no memory");
  snprintf(id, sizeof id, "%s-%lld", opt.name, (long long)n);
  spell(n, rule);
  for (const char *at = template, *next; *at; at = next) {
    next = strchr(at + 1, '@');
    if (!next) next = at + strlen(at);
    if (strncmp(at, "@ID@", 4) == 0) fputs(id, f), next = at + 4;
    else if (strncmp(at, "@RULE@", 6) == 0) fprintf(f, "%s.%s", opt.name, rule), next = at + 6;
    else fwrite(at, 1, (size_t)(next - at), f);
  }
  fclose(f);
  return text;
}

static void write_request(conn *c) {
  size_t n;
  char *body = fill(templates[(size_t)c->a.n % n_templates], c->a.n, &n);
  free(c->out);
  int length = asprintf(&c->out,
                        "POST /v1/alerts HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n"
                        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                        opt.port, opt.token, n, body);
  if (length < 0) die("no memory");
  c->n_out = (size_t)length;
  c->sent = c->n_in = 0;
  free(body);
}

/* ------------------------------------------------------------------ a connection */

static void watch(conn *c, int op, uint32_t events) {
  struct epoll_event e = {.events = events, .data.ptr = c};
  if (epoll_ctl(poll_fd, op, c->fd, &e) != 0) die("epoll_ctl");
}

static void hang_up(conn *c) {
  if (c->fd >= 0) close(c->fd);
  c->fd = -1;
}

static void break_off(conn *c) {
  hang_up(c);
  broken++;
  c->not_before_us = now_us() + AGAIN_US;
}

static void dial(conn *c) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port)};
  int one = 1;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (c->fd < 0) die("socket");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS) break_off(c);
  else watch(c, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
}

static void push(conn *c) {
  while (c->sent < c->n_out) {
    ssize_t n = send(c->fd, c->out + c->sent, c->n_out - c->sent, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == ENOTCONN)) {
      watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
      return;
    }
    if (n <= 0) {
      break_off(c);
      return;
    }
    c->sent += (size_t)n;
  }
}

static void begin(conn *c) {
  c->not_before_us = 0;
  write_request(c);
  if (c->fd < 0) dial(c);
  else push(c);
}

/* ------------------------------------------------------------------ an answer */

static void note_time(int64_t us) {
  if (taken > took_room) {
    took_room = took_room ? 2 * took_room : 4096;
    took_us = realloc(took_us, (size_t)took_room * sizeof *took_us);
    if (!took_us) die("no memory");
  }
  took_us[taken - 1] = us;
}

static void is_taken(conn *c) {
  taken++;
  note_time(now_us() - c->a.due_us);
  if (opt.ids) fprintf(opt.ids, "%s-%lld\n", opt.name, (long long)c->a.n);
  c->a.n = 0;
}

static bool names_it(const conn *c, const char *body) {
  char id[100];
  snprintf(id, sizeof id, "\"id\":\"%s-%lld\"", opt.name, (long long)c->a.n);
  return strstr(body, id) != NULL;
}

/* A whole answer in c->in?  Then what it says. */
static void look_at_answer(conn *c) {
  c->in[c->n_in] = 0;
  char *end = strstr(c->in, "\r\n\r\n"), *length = strcasestr(c->in, "\r\ncontent-length:");
  if (!end || !length || length > end) return;
  size_t n = strtoul(length + 17, NULL, 10);
  if (c->n_in < (size_t)(end + 4 - c->in) + n) return;
  long status = strtol(c->in + 9, NULL, 10);
  c->n_out = 0;
  if (status == 202 && names_it(c, end)) {
    is_taken(c);
  } else {
    if (status == 503) refused++;
    else if (others++ == 0) fprintf(stderr, "post_bench: %.*s %s\n", (int)(end - c->in), c->in, end + 4);
    c->not_before_us = now_us() + AGAIN_US;
  }
  if (strcasestr(c->in, "\r\nconnection: close")) hang_up(c);
}

static void pull(conn *c) {
  ssize_t n = recv(c->fd, c->in + c->n_in, IN - 1 - c->n_in, 0);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) {
    break_off(c);
    return;
  }
  c->n_in += (size_t)n;
  look_at_answer(c);
}

static void on_event(conn *c, uint32_t events) {
  if (c->fd < 0) return;
  if (events & EPOLLOUT) {
    watch(c, EPOLL_CTL_MOD, EPOLLIN);
    if (c->sent < c->n_out) push(c);
  }
  if (c->fd >= 0 && events & (EPOLLIN | EPOLLERR | EPOLLHUP)) pull(c);
}

/* ------------------------------------------------------------------ who goes next, and when */

static int64_t due_us(int64_t n) {
  return opt.rate > 0 ? begun_us + (int64_t)((double)(n - 1) * 1e6 / opt.rate) : 0;
}

/* Gives each connection that is free what is due; when to look again. */
static int64_t hand_out(void) {
  int64_t now = now_us(), next = now + 100000;
  for (conn *c = conns; c < conns + opt.connections; c++) {
    bool busy = c->fd >= 0 && c->n_out > 0;
    if (busy) continue;
    if (!c->a.n && handed < opt.most && due_us(handed + 1) <= now) {
      handed++;
      c->a = (alert){handed, opt.rate > 0 ? due_us(handed) : now};
    }
    if (c->a.n && c->not_before_us <= now) begin(c);
    if (c->a.n && c->not_before_us > now && c->not_before_us < next) next = c->not_before_us;
  }
  if (handed < opt.most && due_us(handed + 1) < next && opt.rate > 0) next = due_us(handed + 1);
  return next > now ? next : now;
}

static void wait_until(int64_t us) {
  struct epoll_event v[EVENTS];
  int64_t left = us - now_us();
  if (left < 0) left = 0;
  struct timespec t = {.tv_sec = left / 1000000, .tv_nsec = left % 1000000 * 1000};
  int n = epoll_pwait2(poll_fd, v, EVENTS, &t, NULL);
  for (int i = 0; i < n; i++) on_event(v[i].data.ptr, v[i].events);
}

static int by_time(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

static double part_ms(double p) {
  return taken ? (double)took_us[(int64_t)(p * (double)(taken - 1))] / 1000 : 0;
}

static void report(void) {
  double seconds = (double)(now_us() - begun_us) / 1e6;
  qsort(took_us, (size_t)taken, sizeof *took_us, by_time);
  printf("{\"handed\":%lld,\"taken\":%lld,\"refused\":%lld,\"others\":%lld,\"broken\":%lld,\"seconds\":%.3f,"
         "\"per_s\":%.0f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"most_ms\":%.3f}\n",
         (long long)handed, (long long)taken, (long long)refused, (long long)others, (long long)broken,
         seconds, (double)taken / seconds, part_ms(0.5), part_ms(0.99), part_ms(1));
}

static void read_options(int argc, char **argv) {
  static const struct option all[] = {{"rate", required_argument, NULL, 'r'},
                                      {"connections", required_argument, NULL, 'c'},
                                      {"most", required_argument, NULL, 'm'},
                                      {"seconds", required_argument, NULL, 's'},
                                      {"ids", required_argument, NULL, 'i'},
                                      {NULL, 0, NULL, 0}};
  for (int o; (o = getopt_long(argc, argv, "", all, NULL)) != -1;) {
    switch (o) {
    case 'r': opt.rate = strtod(optarg, NULL); break;
    case 'c': opt.connections = (int)strtol(optarg, NULL, 10); break;
    case 'm': opt.most = strtoll(optarg, NULL, 10); break;
    case 's': opt.seconds = strtod(optarg, NULL); break;
    case 'i': opt.ids = fopen(optarg, "we"); break;
    default: exit(2);
    }
  }
  if (argc - optind != 4 || opt.connections < 1 || opt.connections > CONNECTIONS)
    die("usage: post_bench PORT TOKEN TEMPLATES NAME [--rate R] [--connections C] [--most N] [--seconds S]"
        " [--ids FILE]");
  opt.port = (int)strtol(argv[optind], NULL, 10);
  opt.token = argv[optind + 1];
  opt.name = argv[optind + 3];
  read_templates(argv[optind + 2]);
  if (opt.ids) setvbuf(opt.ids, NULL, _IOLBF, 1 << 16);  /* who kills us, or others, looks at it meanwhile  */
}

int main(int argc, char **argv) {
  read_options(argc, argv);
  conns = calloc((size_t)opt.connections, sizeof *conns);
  poll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (!conns || poll_fd < 0) die("no memory");
  for (conn *c = conns; c < conns + opt.connections; c++) c->fd = -1;
  begun_us = now_us();
  int64_t until = opt.seconds > 0 ? begun_us + (int64_t)(opt.seconds * 1e6) : INT64_MAX;
  while (taken < opt.most && now_us() < until) wait_until(hand_out());
  report();
  for (conn *c = conns; c < conns + opt.connections; c++) hang_up(c), free(c->out);
  for (size_t i = 0; i < n_templates; i++) free(templates[i]);
  if (opt.ids) fclose(opt.ids);
  free(conns);
  free(took_us);
  return 0;
}
