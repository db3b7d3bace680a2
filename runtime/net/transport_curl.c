/* transport_curl.c: the real transport: curl's multi interface, driven by the loop.  Curl says which sockets
** to watch and when to come back, and is called from the top of the loop, never from within one of its own
** call-backs.  Transfers that are over give their easy handle to the next.
**
** Curl's sockets are in an epoll set of their own, which libuv watches as one.  Curl lets go of a
** connection's socket after each transfer, and takes it up again for the next: it stays in the set meanwhile,
** so that a request costs one change of the set.  What happens to it then is nobody's affair: it is taken
** out. */
#include "net/transport_curl.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <uv.h>

enum { SECOND_MOST = 64, SPARE_MAX = 1024, EVENTS = 256 };

typedef struct transport {
  ln_transport base;
  uv_loop_t *uv;
  CURLM *multi;
  uv_timer_t timer, soon;                                /* curl's; for what failed before curl saw it     */
  int sockets;                                           /* the epoll set; -1: not yet                    */
  uv_poll_t ready;                                       /* something is, in that set                     */
  bool *wanted;                                          /* by socket: does curl want to know of it?      */
  size_t n_wanted;
  int open_handles;
  ln_sending active, failed, spare;                      /* heads of rings                                */
  size_t n_active, n_spare;
  char second[SECOND_MOST][sizeof((ln_sending *)NULL)->host]; /* hosts that speak HTTP/2                  */
  size_t n_second;
} transport;

static void ring_init(ln_sending *head) { head->prev = head->next = head; }

static void ring_out(ln_sending *s) {
  s->prev->next = s->next;
  s->next->prev = s->prev;
  s->prev = s->next = NULL;
}

static void ring_add(ln_sending *head, ln_sending *s) {
  s->prev = head->prev;
  s->next = head;
  s->prev->next = head->prev = s;
}

static ln_sending *ring_first(const ln_sending *head) { return head->next == head ? NULL : head->next; }

static void recycle(transport *t, ln_sending *s) {
  if (t->n_spare < SPARE_MAX) {
    ln_sending_clear(s);
    ring_add(&t->spare, s);
    t->n_spare++;
  } else {
    ln_sending_free(s);
  }
}

static ln_sending *take(transport *t) {
  ln_sending *s = ring_first(&t->spare);
  if (!s) return ln_sending_new();
  ring_out(s);
  t->n_spare--;
  return s;
}

/* --- whose answer is it? ---
** On a connection of HTTP/1 only the order says which answer belongs to which request: a peer that answers
** twice has its second answer taken for that to whatever is asked next.  Of a read that is a wrong value; of
** a write, of what is looked at before it, and of what is asked when nobody knows, it would be a wrong belief
** about what was done. */

static bool speaks_second(const transport *t, const ln_sending *s) {
  for (size_t i = 0; i < t->n_second; i++)
    if (strcmp(t->second[i], s->host) == 0) return !s->plain;
  return false;
}

static void note_version(transport *t, ln_sending *s) {
  long version = 0;
  curl_easy_getinfo(s->easy, CURLINFO_HTTP_VERSION, &version);
  if (version < CURL_HTTP_VERSION_2_0 || t->n_second == SECOND_MOST || speaks_second(t, s)) return;
  memcpy(t->second[t->n_second++], s->host, sizeof s->host);
}

static void keep_apart(const transport *t, ln_sending *s, bool apart) {
  long own = apart && !speaks_second(t, s);
  curl_easy_setopt(s->easy, CURLOPT_FRESH_CONNECT, own);
  curl_easy_setopt(s->easy, CURLOPT_FORBID_REUSE, own);
}

/* The loop does not end while curl has something to do, whatever its timer says. */
static void begin_active(transport *t, ln_sending *s) {
  ring_add(&t->active, s);
  if (t->n_active++ == 0) uv_ref((uv_handle_t *)&t->ready);
}

static void end_active(transport *t, ln_sending *s) {
  ring_out(s);
  if (--t->n_active == 0) uv_unref((uv_handle_t *)&t->ready);
}

/* Delivers what is over.  done may send and drop, so the state is put in order before each call. */
static void deliver(transport *t) {
  CURLMsg *m;
  for (int left; (m = curl_multi_info_read(t->multi, &left));) {
    if (m->msg != CURLMSG_DONE) continue;
    ln_sending *s = NULL;
    CURLcode end = m->data.result;
    curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&s);
    curl_multi_remove_handle(t->multi, s->easy);
    end_active(t, s);
    note_version(t, s);
    ln_sending_answer(s, end);
    recycle(t, s);
  }
}

static bool *wanted(transport *t, curl_socket_t fd) {
  size_t n = (size_t)fd + 1;
  if (n <= t->n_wanted) return &t->wanted[fd];
  if (n < 2 * t->n_wanted) n = 2 * t->n_wanted;
  bool *grown = realloc(t->wanted, n * sizeof *grown);
  if (!grown) return NULL;
  memset(grown + t->n_wanted, 0, n - t->n_wanted);
  t->wanted = grown;
  t->n_wanted = n;
  return &grown[fd];
}

/* A socket that was closed has left the set by itself, so what is to be changed may have to be added. */
static bool watch(transport *t, curl_socket_t fd, uint32_t events) {
  struct epoll_event ev = {.events = events, .data.fd = fd};
  bool *want = wanted(t, fd);
  if (!want) return false;
  *want = true;
  return epoll_ctl(t->sockets, EPOLL_CTL_MOD, fd, &ev) == 0 ||
         (errno == ENOENT && epoll_ctl(t->sockets, EPOLL_CTL_ADD, fd, &ev) == 0);
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned) {
  (void)easy, (void)assigned;
  transport *t = arg;
  if (what == CURL_POLL_REMOVE) {
    if ((size_t)fd < t->n_wanted) t->wanted[fd] = false;
    return 0;
  }
  uint32_t events = (what != CURL_POLL_OUT ? EPOLLIN : 0) | (what != CURL_POLL_IN ? EPOLLOUT : 0);
  return watch(t, fd, events) ? 0 : -1;
}

static void act(transport *t, const struct epoll_event *ev) {
  int fd = ev->data.fd, running;
  if (!t->wanted[fd]) {
    epoll_ctl(t->sockets, EPOLL_CTL_DEL, fd, NULL);
    return;
  }
  int flags = (ev->events & EPOLLIN ? CURL_CSELECT_IN : 0) | (ev->events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
              (ev->events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
  curl_multi_socket_action(t->multi, fd, flags, &running);
}

static void on_ready(uv_poll_t *p, int status, int events) {
  transport *t = p->data;
  struct epoll_event ev[EVENTS];
  (void)status, (void)events;
  int n = epoll_wait(t->sockets, ev, EVENTS, 0);
  for (int i = 0; i < n; i++) act(t, &ev[i]);
  deliver(t);
}

static void on_time(uv_timer_t *u) {
  transport *t = u->data;
  int running;
  curl_multi_socket_action(t->multi, CURL_SOCKET_TIMEOUT, 0, &running);
  deliver(t);
}

static int on_curl_timer(CURLM *multi, long ms, void *arg) {
  (void)multi;
  transport *t = arg;
  if (ms < 0) return uv_timer_stop(&t->timer);
  uv_update_time(t->uv);
  return uv_timer_start(&t->timer, on_time, (uint64_t)ms, 0) ? -1 : 0;
}

static void on_soon(uv_timer_t *u) {
  transport *t = u->data;
  for (ln_sending *s; (s = ring_first(&t->failed));) {
    ring_out(s);
    ln_sending_answer(s, CURLE_OK);
    recycle(t, s);
  }
}

static void set_up_process(void);

static bool open_set(transport *t) {
  if (t->sockets < 0 && (t->sockets = epoll_create1(EPOLL_CLOEXEC)) < 0) return false;
  if (t->ready.data) return true;
  if (uv_poll_init(t->uv, &t->ready, t->sockets)) return false;
  t->ready.data = t;
  t->open_handles++;
  uv_poll_start(&t->ready, UV_READABLE, on_ready);
  uv_unref((uv_handle_t *)&t->ready);
  return true;
}

/* Curl and OpenSSL are started by the first request: a command that sends none does not pay for them. */
static bool start_curl(transport *t) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  if (t->multi) return true;
  pthread_once(&once, set_up_process);
  if (!open_set(t) || !(t->multi = curl_multi_init())) return false;
  curl_multi_setopt(t->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
  curl_multi_setopt(t->multi, CURLMOPT_SOCKETDATA, t);
  curl_multi_setopt(t->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
  curl_multi_setopt(t->multi, CURLMOPT_TIMERDATA, t);
  return true;
}

static void *send_request(ln_transport *base, const ln_request *r, ln_answer_fn done, void *arg) {
  transport *t = (transport *)base;
  ln_sending *s = start_curl(t) ? take(t) : NULL;
  if (!s) return NULL;
  s->done = done;
  s->arg = arg;
  if (!ln_sending_prepare(s, r, &s->early)) {
    if (ln_err_is(&s->early, "memory")) goto fail;
    ring_add(&t->failed, s);
    uv_timer_start(&t->soon, on_soon, 0, 0);
    return s;
  }
  ln_err_clear(&s->early);
  keep_apart(t, s, r->apart);
  if (curl_multi_add_handle(t->multi, s->easy) != CURLM_OK) goto fail;
  begin_active(t, s);
  return s;
fail:
  recycle(t, s);
  return NULL;
}

static void drop(ln_transport *base, void *sending) {
  transport *t = (transport *)base;
  ln_sending *s = sending;
  if (s->early.code[0]) {
    ring_out(s);
  } else {
    curl_multi_remove_handle(t->multi, s->easy);
    end_active(t, s);
  }
  recycle(t, s);
}

static void on_handle_closed(uv_handle_t *h) {
  transport *t = h->data;
  if (--t->open_handles == 0) free(t);
}

static void free_ring(ln_sending *head) {
  for (ln_sending *s; (s = ring_first(head));) {
    ring_out(s);
    ln_sending_free(s);
  }
}

/* The handles' memory goes when libuv has let go of them, at the loop's end at the latest. */
static void free_transport(ln_transport *base) {
  if (!base) return;
  transport *t = (transport *)base;
  for (ln_sending *s = t->active.next; s != &t->active; s = s->next)
    curl_multi_remove_handle(t->multi, s->easy);
  free_ring(&t->active);
  free_ring(&t->failed);
  free_ring(&t->spare);
  if (t->multi) curl_multi_cleanup(t->multi);
  if (t->ready.data) uv_close((uv_handle_t *)&t->ready, on_handle_closed);
  if (t->sockets >= 0) close(t->sockets);
  free(t->wanted);
  uv_close((uv_handle_t *)&t->timer, on_handle_closed);
  uv_close((uv_handle_t *)&t->soon, on_handle_closed);
}

/* Curl writes to closed sockets through OpenSSL; with NOSIGNAL the signal is ours to ignore. */
static void set_up_process(void) {
  struct sigaction now, ignore = {.sa_handler = SIG_IGN};
  if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL) sigaction(SIGPIPE, &ignore, NULL);
  curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void init_timer(transport *t, uv_timer_t *u) {
  uv_timer_init(t->uv, u);
  u->data = t;
  t->open_handles++;
}

ln_transport *ln_transport_curl(ln_loop *l, ln_err *err) {
  transport *t = calloc(1, sizeof *t);
  if (!t) {
    ln_fail(err, "memory", LN_AGAIN, "no memory for the network");
    return NULL;
  }
  t->base = (ln_transport){send_request, drop, free_transport};
  t->uv = l->uv;
  t->sockets = -1;
  ring_init(&t->active), ring_init(&t->failed), ring_init(&t->spare);
  init_timer(t, &t->timer);
  init_timer(t, &t->soon);
  return &t->base;
}
