/* curl_bench.c: what bare libcurl does where `lunette` would: C requests at once over kept connections, N in
** all, each begun when one has ended.  Usage: curl_bench URL C N; prints one JSON object.
**
** curl_multi_socket_action on epoll, one easy handle a place, used again for each request: the least that a
** program on libcurl's multi interface can do. */
#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

enum { EVENTS = 256 };

static int ep;
static CURLM *multi;
static int64_t timer_us = -1;                            /* when curl wants to be called; -1: never        */
static long begun, ended, wanted, failed;

static void die(const char *what) {
  fprintf(stderr, "curl_bench: %s\n", what);
  exit(1);
}

static int64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static size_t on_body(char *p, size_t one, size_t n, void *arg) {
  (void)p, (void)one;
  *(size_t *)arg += n;
  return n;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known) {
  (void)easy, (void)arg;
  if (what == CURL_POLL_REMOVE) {
    epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL);
    curl_multi_assign(multi, fd, NULL);
    return 0;
  }
  struct epoll_event ev = {.data.fd = fd};
  ev.events = (what != CURL_POLL_OUT ? EPOLLIN : 0) | (what != CURL_POLL_IN ? EPOLLOUT : 0);
  if (epoll_ctl(ep, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev)) die("epoll_ctl");
  curl_multi_assign(multi, fd, &ep);
  return 0;
}

static int on_timer(CURLM *m, long ms, void *arg) {
  (void)m, (void)arg;
  timer_us = ms < 0 ? -1 : now_us() + ms * 1000;
  return 0;
}

static void begin(CURL *easy) {
  if (begun == wanted) return;
  begun++;
  if (curl_multi_add_handle(multi, easy) != CURLM_OK) die("curl_multi_add_handle");
}

static void collect(void) {
  CURLMsg *m;
  for (int left; (m = curl_multi_info_read(multi, &left));) {
    CURL *easy = m->easy_handle;
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (m->data.result != CURLE_OK || status != 200) failed++;
    ended++;
    curl_multi_remove_handle(multi, easy);
    begin(easy);
  }
}

static void run(void) {
  struct epoll_event ev[EVENTS];
  int running;
  while (ended < wanted) {
    int64_t us = timer_us < 0 ? 1000000 : timer_us - now_us();
    int n = epoll_wait(ep, ev, EVENTS, us > 0 ? (int)((us + 999) / 1000) : 0);
    for (int i = 0; i < n; i++) {
      int flags = (ev[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                  (ev[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                  (ev[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
      curl_multi_socket_action(multi, ev[i].data.fd, flags, &running);
    }
    if (timer_us >= 0 && now_us() >= timer_us) {
      timer_us = -1;
      curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    collect();
  }
}

static CURL *make(const char *url, size_t *bytes) {
  CURL *easy = curl_easy_init();
  if (!easy) die("curl_easy_init");
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, bytes);
  return easy;
}

static double seconds_of(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }

int main(int argc, char **argv) {
  if (argc != 4) die("usage: curl_bench URL AT_ONCE REQUESTS");
  long at_once = strtol(argv[2], NULL, 10);
  size_t bytes = 0;
  struct rusage u;
  wanted = strtol(argv[3], NULL, 10);
  if (at_once < 1 || wanted < at_once) die("as many requests as are made at once, at least");
  ep = epoll_create1(EPOLL_CLOEXEC);
  if (ep < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) || !(multi = curl_multi_init())) die("cannot start");
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, at_once + 1);
  CURL **places = calloc((size_t)at_once, sizeof *places);
  int64_t from = now_us();
  for (long i = 0; places && i < at_once; i++) begin(places[i] = make(argv[1], &bytes));
  run();
  double seconds = (double)(now_us() - from) / 1e6;
  getrusage(RUSAGE_SELF, &u);
  double cpu = seconds_of(u.ru_utime) + seconds_of(u.ru_stime);
  printf("{\"requests\":%ld,\"at_once\":%ld,\"seconds\":%.3f,\"requests_per_s\":%.0f,\"cpu_us\":%.1f,"
         "\"bytes\":%zu,\"failed\":%ld}\n",
         ended, at_once, seconds, (double)ended / seconds, 1e6 * cpu / (double)ended, bytes, failed);
  for (long i = 0; i < at_once; i++) curl_easy_cleanup(places[i]);
  curl_multi_cleanup(multi);
  curl_global_cleanup();
  free(places);
  return failed ? 1 : 0;
}
