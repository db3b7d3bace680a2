/* dap_wire.c: see dap_wire.h.  The reader is a thread, so that a pause is heard while the run is under
** way; all else waits in its queue.  It is told to stop by a pipe of its own, since nobody can be sure
** that `in` ever ends. */
#include "debug/dap_wire.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct message {
  struct message *next;
  ln_buf body;
  bool hurries, too_big;
} message;

struct ln_dap_wire {
  int in, out, stop[2];
  void (*hurry)(void *arg);
  void *arg;
  pthread_t reader;
  bool reading;
  pthread_mutex_t lock;
  pthread_cond_t came;
  /* under lock */
  message *first, **last;
  int hurried;
  size_t waiting; /* bytes of those that wait */
  bool ended, closing;
  ln_err why;
  /* the reader's */
  char bytes[16384];
  size_t at, n;
};

/* ------------------------------------------------------------------ reading */

/* More bytes; false: the end, or it was told to stop. */
static bool more(ln_dap_wire *w) {
  struct pollfd p[2] = {{.fd = w->in, .events = POLLIN}, {.fd = w->stop[0], .events = POLLIN}};
  ssize_t n = 0;
  do {
    if (poll(p, 2, -1) < 0) continue;
    if (p[1].revents) return false;
    n = read(w->in, w->bytes, sizeof w->bytes);
  } while (n < 0 && errno == EINTR);
  w->at = 0;
  w->n = n > 0 ? (size_t)n : 0;
  return n > 0;
}

static int next_byte(ln_dap_wire *w) {
  if (w->at == w->n && !more(w)) return -1;
  return (unsigned char)w->bytes[w->at++];
}

/* One line, without its end; false: the end, or it is too long. */
static bool read_line(ln_dap_wire *w, ln_buf *line) {
  int c;
  ln_buf_cut(line, 0);
  while ((c = next_byte(w)) >= 0 && c != '\n')
    if (!ln_buf_addc(line, (char)c)) return false;
  if (line->n && line->p[line->n - 1] == '\r') ln_buf_cut(line, line->n - 1);
  return c >= 0;
}

static bool bad_head(ln_err *err, const char *what) {
  return ln_fail(err, "usage", LN_FINAL, "what came is not the Debug Adapter Protocol: %s", what);
}

static bool read_length(ln_str text, size_t *n, ln_err *err) {
  text = ln_str_trim(text);
  *n = 0;
  for (size_t i = 0; i < text.n; i++) {
    if (text.p[i] < '0' || text.p[i] > '9' || i > 11) return bad_head(err, "its Content-Length is no number");
    *n = *n * 10 + (size_t)(text.p[i] - '0');
  }
  return text.n > 0 || bad_head(err, "its Content-Length is no number");
}

/* The head: *n, the length of the body.  False: the end (err ""), or no head. */
static bool read_head(ln_dap_wire *w, size_t *n, ln_err *err) {
  ln_buf line;
  bool any = false, has = false, ok = true;
  ln_str name, value;
  ln_buf_init(&line, LN_DAP_HEAD_MOST);
  while (ok && (ok = read_line(w, &line)) && (line.n || !any)) {
    if (!line.n) continue;
    any = true;
    if (!ln_str_cut(ln_buf_view(&line), ':', &name, &value))
      ok = bad_head(err, "a line of its head has no colon");
    else if (ln_str_ieq(name, LN_STR("Content-Length"))) ok = has = read_length(value, n, err);
  }
  if (ln_buf_failed(&line)) ok = bad_head(err, "a line of its head is too long");
  else if (ok && !has) ok = bad_head(err, "it has no Content-Length");
  ln_buf_free(&line);
  return ok;
}

/* Whole, or passed over; false: the end. */
static bool read_body(ln_dap_wire *w, message *m, size_t n) {
  m->too_big = n > LN_DAP_BODY_MOST;
  while (n > 0) {
    if (w->at == w->n && !more(w)) return false;
    size_t k = w->n - w->at < n ? w->n - w->at : n;
    if (!m->too_big && !ln_buf_add(&m->body, (ln_str){w->bytes + w->at, k})) m->too_big = true;
    w->at += k;
    n -= k;
  }
  return true;
}

/* Is it a pause?  A text that holds such words has its quotation marks escaped. */
static bool is_pause(ln_str body) {
  ptrdiff_t at = ln_str_find(body, LN_STR("\"command\""));
  if (at < 0) return false;
  ln_str rest = ln_str_trim((ln_str){body.p + at + 9, body.n - (size_t)at - 9});
  if (!rest.n || rest.p[0] != ':') return false;
  rest = ln_str_trim((ln_str){rest.p + 1, rest.n - 1});
  return ln_str_starts(rest, LN_STR("\"pause\""));
}

enum { WAITING_MOST = 64 << 20 };

/* Who sends more than is answered waits. */
static void queue(ln_dap_wire *w, message *m) {
  pthread_mutex_lock(&w->lock);
  while (w->waiting > WAITING_MOST && !w->closing) pthread_cond_wait(&w->came, &w->lock);
  w->waiting += m->body.n + sizeof *m;
  *w->last = m;
  w->last = &m->next;
  w->hurried += m->hurries;
  pthread_cond_broadcast(&w->came);
  pthread_mutex_unlock(&w->lock);
}

static message *read_message(ln_dap_wire *w, ln_err *err) {
  size_t n = 0;
  message *m = calloc(1, sizeof *m);
  if (!m) return ln_fail(err, "memory", LN_AGAIN, "no memory for a message"), NULL;
  ln_buf_init(&m->body, LN_DAP_BODY_MOST);
  if (read_head(w, &n, err) && read_body(w, m, n)) {
    m->hurries = is_pause(ln_buf_view(&m->body));
    return m;
  }
  ln_buf_free(&m->body);
  free(m);
  return NULL;
}

static void *read_all(void *wire) {
  ln_dap_wire *w = wire;
  ln_err why = {0};
  message *m;
  while ((m = read_message(w, &why))) {
    bool hurries = m->hurries;
    queue(w, m);
    if (hurries) w->hurry(w->arg);
  }
  pthread_mutex_lock(&w->lock);
  w->ended = true;
  w->why = why;
  pthread_cond_broadcast(&w->came);
  pthread_mutex_unlock(&w->lock);
  return NULL;
}

/* ------------------------------------------------------------------ the caller's side */

bool ln_dap_wire_next(ln_dap_wire *w, ln_buf *body, ln_err *err) {
  ln_err_clear(err);
  pthread_mutex_lock(&w->lock);
  while (!w->first && !w->ended) pthread_cond_wait(&w->came, &w->lock);
  message *m = w->first;
  if (m) {
    w->first = m->next;
    w->hurried -= m->hurries;
    w->waiting -= m->body.n + sizeof *m;
    if (!w->first) w->last = &w->first;
    pthread_cond_broadcast(&w->came);
  } else {
    *err = w->why;
  }
  pthread_mutex_unlock(&w->lock);
  if (!m) return false;
  ln_buf_free(body);
  *body = m->body;
  if (m->too_big) {
    ln_buf_cut(body, 0);
    ln_fail(err, "too_big", LN_FINAL, "a message is longer than %d MiB", LN_DAP_BODY_MOST >> 20);
  }
  free(m);
  return true;
}

bool ln_dap_wire_hurries(ln_dap_wire *w) {
  pthread_mutex_lock(&w->lock);
  bool hurries = w->hurried > 0;
  pthread_mutex_unlock(&w->lock);
  return hurries;
}

static bool put_all(int fd, ln_str s) {
  while (s.n) {
    ssize_t n = write(fd, s.p, s.n);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    s = (ln_str){s.p + n, s.n - (size_t)n};
  }
  return true;
}

bool ln_dap_wire_put(ln_dap_wire *w, ln_str body) {
  ln_buf head;
  ln_buf_init(&head, 128);
  bool ok = ln_buf_addf(&head, "Content-Length: %zu\r\n\r\n", body.n) &&
            put_all(w->out, ln_buf_view(&head)) && put_all(w->out, body);
  ln_buf_free(&head);
  return ok;
}

/* Signals are the caller's. */
static bool start(ln_dap_wire *w) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  w->reading = pthread_create(&w->reader, NULL, read_all, w) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return w->reading;
}

ln_dap_wire *ln_dap_wire_new(int in, int out, void (*hurry)(void *arg), void *arg, ln_err *err) {
  ln_dap_wire *w = calloc(1, sizeof *w);
  if (!w) return ln_fail(err, "memory", LN_AGAIN, "no memory for a session"), NULL;
  w->in = in;
  w->out = out;
  w->hurry = hurry;
  w->arg = arg;
  w->last = &w->first;
  w->stop[0] = w->stop[1] = -1;
  pthread_mutex_init(&w->lock, NULL);
  pthread_cond_init(&w->came, NULL);
  if (pipe(w->stop) == 0 && start(w)) return w;
  ln_dap_wire_free(w);
  return ln_fail(err, "memory", LN_AGAIN, "no thread to read with"), NULL;
}

void ln_dap_wire_free(ln_dap_wire *w) {
  if (!w) return;
  pthread_mutex_lock(&w->lock);
  w->closing = true;
  pthread_cond_broadcast(&w->came);
  pthread_mutex_unlock(&w->lock);
  if (w->stop[1] >= 0) close(w->stop[1]); /* the other end is readable then */
  if (w->reading) pthread_join(w->reader, NULL);
  if (w->stop[0] >= 0) close(w->stop[0]);
  while (w->first) {
    message *m = w->first;
    w->first = m->next;
    ln_buf_free(&m->body);
    free(m);
  }
  pthread_cond_destroy(&w->came);
  pthread_mutex_destroy(&w->lock);
  free(w);
}
