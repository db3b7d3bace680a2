/* events.c: the ring of the last events, and their listeners.
**
** An id is "BOOT-N": N counts from 1, BOOT is another one in each process: after a restart an id of before is
** one that is not known, as one that has left the ring is; the listener is told to look at the lists again.
** Runs tell what they did once it is on disk, so nothing is shown that a crash could take back. */
#include "server/events.h"

#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>

enum { KEPT = 4096, KEPT_BYTES = 2 << 20, QUIET_MS = 15000, LOOK_MS = 1000 };

typedef struct kept {
  char *text;
  size_t n;
  uint64_t id;
} kept;

struct ln_listener {
  ln_events *e;
  ln_stream *stream;
  ln_caller who;
  int64_t looked_ms; /* when it was last looked whether they still may */
  ln_listener *next;
};

struct ln_events {
  ln_engine *g;
  char boot[9];
  uint64_t next; /* the next one's number                           */
  kept ring[KEPT];
  size_t first, n, bytes;
  ln_listener *listeners;
  size_t n_listeners;
  ln_timer quiet; /* says something, so that the dead are noticed    */
};

/* ------------------------------------------------------------------ listeners */

static void unlink_listener(ln_listener *l) {
  for (ln_listener **at = &l->e->listeners; *at; at = &(*at)->next)
    if (*at == l) {
      *at = l->next;
      l->e->n_listeners--;
      return;
    }
}

void ln_listener_gone(void *listener) {
  unlink_listener(listener);
  free(listener);
}

/* A stream goes on for hours: it ends with the token or the session by which it began. */
static bool may_hear(ln_listener *l) {
  ln_engine *g = l->e->g;
  int64_t now = ln_mono_us(g->loop->clock) / 1000;
  if (now - l->looked_ms < LOOK_MS) return true;
  l->looked_ms = now;
  return ln_auth_still(g, &l->who, ln_now_ms(g->loop->clock));
}

static void send_all(ln_events *e, ln_str text) {
  static const char slow[] = "event: dropped\ndata: {\"why\":\"too much waited for this reader: come back "
                             "with Last-Event-ID\"}\n\n";
  static const char over[] = "event: bye\ndata: {\"why\":\"the session, or the token, is over\"}\n\n";
  for (ln_listener *l = e->listeners, *next; l; l = next) {
    next = l->next;
    if (!l->stream) continue;
    bool may = may_hear(l);
    if (may && ln_stream_send(l->stream, text)) continue;
    ln_stream_end(l->stream, may ? LN_STR(slow) : LN_STR(over));
    ln_listener_gone(l);
  }
}

static void on_quiet(void *arg) {
  ln_events *e = arg;
  send_all(e, LN_STR(":\n\n"));
  if (e->listeners) e->g->loop->timer(e->g->loop, &e->quiet, QUIET_MS);
}

ln_listener *ln_listener_new(ln_events *e, const ln_caller *who, ln_err *err) {
  ln_listener *l = e->n_listeners < LN_LISTENERS_MOST ? calloc(1, sizeof *l) : NULL;
  if (!l) return ln_fail(err, "unavailable", LN_AGAIN, "too many are listening already"), NULL;
  *l = (ln_listener){.e = e, .who = *who, .next = e->listeners};
  e->listeners = l;
  e->n_listeners++;
  return l;
}

/* Where in the ring the first event after that id is; false: it is not known. */
static bool place_after(const ln_events *e, ln_str last, size_t *at) {
  ln_str boot, number;
  uint64_t id = 0;
  if (!ln_str_cut(last, '-', &boot, &number) || !ln_str_eq(boot, ln_str_of(e->boot)) || number.n > 18)
    return false;
  for (size_t i = 0; i < number.n; i++) {
    if (number.p[i] < '0' || number.p[i] > '9') return false;
    id = id * 10 + (uint64_t)(number.p[i] - '0');
  }
  if (id >= e->next || id + e->n + 1 < e->next) return false;
  *at = e->n - (size_t)(e->next - 1 - id);
  return true;
}

void ln_listener_begin(ln_listener *l, ln_stream *t, ln_str last) {
  ln_events *e = l->e;
  char hello[96];
  size_t at = e->n;
  l->stream = t;
  int n =
      snprintf(hello, sizeof hello, "retry: 2000\nid: %s-%llu\n\n", e->boot, (unsigned long long)e->next - 1);
  bool known = !last.n || place_after(e, last, &at);
  if (!known)
    ln_stream_send(t, LN_STR("event: reset\ndata: {\"why\":\"what came after that event is not known here: "
                             "look at the lists again\"}\n\n"));
  if (at == e->n) ln_stream_send(t, (ln_str){hello, (size_t)n});
  for (; at < e->n; at++) {
    const kept *k = &e->ring[(e->first + at) % KEPT];
    ln_stream_send(t, (ln_str){k->text, k->n});
  }
  if (!e->quiet.impl) e->g->loop->timer(e->g->loop, &e->quiet, QUIET_MS);
}

/* ------------------------------------------------------------------ the ring */

static void drop_first(ln_events *e) {
  kept *k = &e->ring[e->first];
  e->bytes -= k->n;
  free(k->text);
  e->first = (e->first + 1) % KEPT;
  e->n--;
}

/* One that cannot be kept for want of memory leaves a hole that nobody goes on from: all are forgotten. */
static void keep(ln_events *e, ln_str text) {
  char *copy = ln_str_dup(text);
  if (e->n == KEPT) drop_first(e);
  while (e->n && e->bytes + text.n > KEPT_BYTES) drop_first(e);
  while (!copy && e->n) drop_first(e);
  if (!copy) return;
  e->ring[(e->first + e->n++) % KEPT] = (kept){copy, text.n, e->next};
  e->bytes += text.n;
}

void ln_events_add(ln_events *e, const char *kind, ln_str json) {
  ln_buf b;
  ln_buf_init(&b, 1 << 18);
  ln_buf_addf(&b, "id: %s-%llu\nevent: %s\ndata: ", e->boot, (unsigned long long)e->next, kind);
  ln_buf_add(&b, json);
  ln_buf_addz(&b, "\n\n");
  if (!ln_buf_failed(&b)) {
    keep(e, ln_buf_view(&b));
    send_all(e, ln_buf_view(&b));
  }
  e->next++;
  ln_buf_free(&b);
}

/* ------------------------------------------------------------------ what runs tell */

static void put(ln_json *j, const char *key, ln_str v) {
  if (!v.n) return;
  ln_json_key(j, ln_str_of(key));
  ln_json_str(j, v);
}

static void put_number(ln_json *j, const char *key, int64_t v) {
  ln_json_key(j, ln_str_of(key));
  ln_json_int(j, v);
}

static const char *put_event(ln_json *j, ln_run *r, const ln_event *ev) {
  char id[LN_INT_TEXT];
  if (strcmp(ev->what, "step") == 0) {
    put(j, "step", ev->name);
    put(j, "op", ev->op);
    put(j, "class", ln_str_of(ev->cls));
    put(j, "state", ev->state);
    put_number(j, "ms", ev->ms);
    return "step";
  }
  if (strcmp(ev->what, "approval") == 0) {
    put(j, "id", ln_str_int(ev->approval, id));
    put(j, "step", ev->name);
    put(j, "title", ev->text);
    put(j, "state", LN_STR("waiting"));
    return "approval";
  }
  if (strcmp(ev->what, "stage") == 0) {
    put(j, "stage", ln_v_get_str(ev->text, "stage"));
    put(j, "state", ln_v_get_str(ev->text, "state"));
    put(j, "why", ln_v_get_str(ev->text, "why"));
    return "stage";
  }
  bool waits = strcmp(ev->what, "waiting") == 0, broken = strcmp(ev->what, "broken") == 0;
  if (!waits && !broken && strcmp(ev->what, "end") != 0) return NULL;
  put(j, "state", waits || broken ? LN_STR("waiting") : ln_str_of(ln_run_state(r)));
  if (waits) put(j, "for", ev->text);
  if (broken) put(j, "for", LN_STR("interrupted")), put(j, "why", ev->text);
  put(j, "outcome", ln_str_of(ln_run_outcome(r)));
  return "run";
}

void ln_events_of_run(ln_events *e, ln_run *r, const ln_event *ev) {
  ln_buf b;
  ln_json j;
  ln_buf_init(&b, 1 << 17);
  ln_json_init(&j, &b);
  ln_json_open(&j, '{');
  put(&j, "run", ln_str_of(ln_run_ulid(r)));
  const char *kind = put_event(&j, r, ev);
  ln_json_close(&j, '}');
  if (kind && !ln_buf_failed(&b)) ln_events_add(e, kind, ln_buf_view(&b));
  ln_buf_free(&b);
}

/* ------------------------------------------------------------------ beginning and end */

ln_events *ln_events_new(ln_engine *g, ln_err *err) {
  ln_events *e = calloc(1, sizeof *e);
  uint8_t boot[4] = {0};
  if (!e) return ln_fail(err, "memory", LN_AGAIN, "no memory for events"), NULL;
  if (!g->rand->bytes(g->rand, boot, sizeof boot, err)) {
    free(e);
    return NULL;
  }
  ln_hex(boot, sizeof boot, e->boot);
  e->g = g;
  e->next = 1;
  e->quiet = (ln_timer){.loop = g->loop, .fn = on_quiet, .arg = e};
  return e;
}

void ln_events_end(ln_events *e) {
  static const char bye[] = "event: bye\ndata: {\"why\":\"the server stops\"}\n\n";
  for (ln_listener *l = e->listeners, *next; l; l = next) {
    next = l->next;
    if (l->stream) ln_stream_end(l->stream, LN_STR(bye));
    free(l);
  }
  e->listeners = NULL;
  e->n_listeners = 0;
}

void ln_events_free(ln_events *e) {
  if (!e) return;
  e->g->loop->cancel(e->g->loop, &e->quiet);
  ln_events_end(e);
  while (e->n) drop_first(e);
  free(e);
}
