/* silence.c: see silence.h.  That something came is a cursor whose time is written in the transaction that
** takes it, so a restart changes nothing: after a time in which nobody served, what is silent is so until
** something comes. */
#include "engine/silence.h"

#include <stdio.h>

enum { POLL_MS = 900000 };                               /* looks are made each minute                      */

/* One way in: what its cursors are called, and how long it may be silent. */
typedef struct way {
  const char *kind;
  ln_str name;
  int64_t limit_ms;
} way;

typedef bool (*way_fn)(void *arg, const way *w);

static bool each_way(const ln_config *c, way_fn fn, void *arg) {
  for (size_t i = 0; i < c->n_sources; i++) {
    const ln_source_config *s = &c->sources[i];
    if (s->silent_ms && !fn(arg, &(way){"source", s->name, s->silent_ms})) return false;
  }
  if (c->intake_folder.n && c->intake_silent_ms &&
      !fn(arg, &(way){"folder", {NULL, 0}, c->intake_silent_ms}))
    return false;
  for (size_t i = 0; i < c->intake_poll.n; i++)
    if (!fn(arg, &(way){"poll", c->intake_poll.v[i], POLL_MS})) return false;
  return true;
}

static void name_of(const char *kind, ln_str name, char out[LN_INTAKE_NAME]) {
  snprintf(out, LN_INTAKE_NAME, "%s%s%.*s", kind, name.n ? " " : "", LN_STR_ARG(name));
}

void ln_intake_cursor(const char *kind, ln_str name, char out[LN_INTAKE_NAME]) {
  snprintf(out, LN_INTAKE_NAME, "intake:%s%s%.*s", kind, name.n ? " " : "", LN_STR_ARG(name));
}

/* ------------------------------------------------------------------ waiting for the first one */

typedef struct beginning { ln_engine *g; ln_tx *tx; ln_err *err; } beginning;

static bool expect_one(void *arg, const way *w) {
  beginning *b = arg;
  char cursor[LN_INTAKE_NAME];
  ln_intake_cursor(w->kind, w->name, cursor);
  return ln_tx_cursor_begin(b->tx, ln_str_of(cursor), ln_now_ms(b->g->loop->clock), b->err);
}

static bool begin_apply(ln_tx *tx, void *arg, ln_err *err) {
  ln_engine *g = arg;
  beginning b = {g, tx, err};
  return each_way(g->config, expect_one, &b);
}

static bool count_one(void *arg, const way *w) {
  (void)w;
  *(bool *)arg = true;
  return false;
}

bool ln_silence_begin(ln_engine *g, ln_err *err) {
  bool any = false;
  each_way(g->config, count_one, &any);
  return !any || ln_writer_run(g->store, begin_apply, g, err);
}

/* ------------------------------------------------------------------ looking */

typedef struct looking { ln_engine *g; ln_intake_heard_fn fn; void *arg; ln_err *err; } looking;

static bool look_at(void *arg, const way *w) {
  looking *l = arg;
  char name[LN_INTAKE_NAME], cursor[LN_INTAKE_NAME];
  int64_t at = 0, read = 0, now = ln_now_ms(l->g->loop->clock);
  name_of(w->kind, w->name, name);
  ln_intake_cursor(w->kind, w->name, cursor);
  bool ok = ln_store_cursor(l->g->store, ln_str_of(cursor), NULL, &at, l->err);
  if (ok && w->kind[0] == 'p') {                         /* a look that succeeds moves the poll's own       */
    snprintf(cursor, sizeof cursor, "poll:%.*s", LN_STR_ARG(w->name));
    ok = ln_store_cursor(l->g->store, ln_str_of(cursor), NULL, &read, l->err);
  }
  if (!ok) return false;
  if (read > at) at = read;
  const ln_intake_heard h = {name, at, w->limit_ms, at && now - at > w->limit_ms};
  l->fn(l->arg, &h);
  return true;
}

bool ln_silence_each(ln_engine *g, ln_intake_heard_fn fn, void *arg, ln_err *err) {
  looking l = {g, fn, arg, err};
  return each_way(g->config, look_at, &l);
}
