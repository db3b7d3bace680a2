/* transport_curl.c: the real transport: curl's multi interface, driven by the loop.  Curl says which sockets
** to watch and when to come back; libuv watches, and calls curl from the top of the loop, never from within
** one of curl's own call-backs.  Transfers that are over give their easy handle to the next. */
#include "net/transport_curl.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <uv.h>

enum { SPARE_MAX = 256 };

typedef struct transport {
  ln_transport base;
  uv_loop_t *uv;
  CURLM *multi;
  uv_timer_t timer, soon;                                /* curl's; for what failed before curl saw it     */
  int open_timers;
  ln_sending active, failed, spare;                      /* heads of rings                                */
  size_t n_spare;
} transport;

typedef struct watch {                                   /* of one socket, until curl lets go of it        */
  uv_poll_t poll;
  transport *t;
  curl_socket_t fd;
} watch;

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

/* Delivers what is over.  done may send and drop, so the state is put in order before each call. */
static void deliver(transport *t) {
  CURLMsg *m;
  for (int left; (m = curl_multi_info_read(t->multi, &left));) {
    if (m->msg != CURLMSG_DONE) continue;
    ln_sending *s = NULL;
    CURLcode end = m->data.result;
    curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&s);
    curl_multi_remove_handle(t->multi, s->easy);
    ring_out(s);
    ln_sending_answer(s, end);
    recycle(t, s);
  }
}

static void on_socket_ready(uv_poll_t *p, int status, int events) {
  watch *w = (watch *)p;
  transport *t = w->t;
  int flags = status < 0 ? CURL_CSELECT_ERR : 0, running;
  if (events & UV_READABLE) flags |= CURL_CSELECT_IN;
  if (events & UV_WRITABLE) flags |= CURL_CSELECT_OUT;
  curl_multi_socket_action(t->multi, w->fd, flags, &running);
  deliver(t);
}

static void on_watch_closed(uv_handle_t *h) { free(h); }

static watch *watch_new(transport *t, curl_socket_t fd) {
  watch *w = calloc(1, sizeof *w);
  if (!w) return NULL;
  if (uv_poll_init_socket(t->uv, &w->poll, fd)) {
    free(w);
    return NULL;
  }
  w->t = t;
  w->fd = fd;
  curl_multi_assign(t->multi, fd, w);
  return w;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned) {
  (void)easy;
  transport *t = arg;
  watch *w = assigned;
  if (what == CURL_POLL_REMOVE) {
    if (w) uv_close((uv_handle_t *)&w->poll, on_watch_closed);
    curl_multi_assign(t->multi, fd, NULL);
    return 0;
  }
  if (!w && !(w = watch_new(t, fd))) return -1;
  int events = (what != CURL_POLL_OUT ? UV_READABLE : 0) | (what != CURL_POLL_IN ? UV_WRITABLE : 0);
  return uv_poll_start(&w->poll, events, on_socket_ready) ? -1 : 0;
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

/* Curl and OpenSSL are started by the first request: a command that sends none does not pay for them. */
static bool start_curl(transport *t) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  if (t->multi) return true;
  pthread_once(&once, set_up_process);
  if (!(t->multi = curl_multi_init())) return false;
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
  if (curl_multi_add_handle(t->multi, s->easy) != CURLM_OK) goto fail;
  ring_add(&t->active, s);
  return s;
fail:
  recycle(t, s);
  return NULL;
}

static void drop(ln_transport *base, void *sending) {
  transport *t = (transport *)base;
  ln_sending *s = sending;
  if (!s->early.code[0]) curl_multi_remove_handle(t->multi, s->easy);
  ring_out(s);
  recycle(t, s);
}

static void on_timer_closed(uv_handle_t *h) {
  transport *t = h->data;
  if (--t->open_timers == 0) free(t);
}

static void free_ring(transport *t, ln_sending *head, bool in_multi) {
  for (ln_sending *s; (s = ring_first(head));) {
    if (in_multi) curl_multi_remove_handle(t->multi, s->easy);
    ring_out(s);
    ln_sending_free(s);
  }
}

/* The timers' memory goes when libuv has let go of them, at the loop's end at the latest. */
static void free_transport(ln_transport *base) {
  if (!base) return;
  transport *t = (transport *)base;
  free_ring(t, &t->active, true);
  free_ring(t, &t->failed, false);
  free_ring(t, &t->spare, false);
  if (t->multi) curl_multi_cleanup(t->multi);
  uv_close((uv_handle_t *)&t->timer, on_timer_closed);
  uv_close((uv_handle_t *)&t->soon, on_timer_closed);
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
  t->open_timers++;
}

ln_transport *ln_transport_curl(ln_loop *l, ln_err *err) {
  transport *t = calloc(1, sizeof *t);
  if (!t) {
    ln_fail(err, "memory", LN_AGAIN, "no memory for the network");
    return NULL;
  }
  t->base = (ln_transport){send_request, drop, free_transport};
  t->uv = l->uv;
  ring_init(&t->active), ring_init(&t->failed), ring_init(&t->spare);
  init_timer(t, &t->timer);
  init_timer(t, &t->soon);
  return &t->base;
}
