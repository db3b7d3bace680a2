/* alerts.c: texts in, alerts on disk, answers out.
**
** What was handed in waits in a bounded queue; one text a turn of the loop is normalised, and its alerts are
** one job of the writer, so that many come to one sync.  When that is committed they are safe, and deciding.c
** finds them; the answer then waits a moment for what their triggers start, and tells it as the store has
** it. */
#include "engine/alerts.h"

#include "base/gunzip.h"
#include "base/log.h"
#include "engine/deciding.h"
#include "engine/intake.h"
#include "engine/sched.h"

#include <stdio.h>
#include <stdlib.h>

enum {
  QUEUE_BYTES = 64 << 20,                                /* of all that is on its way to the disk           */
  QUEUE_MOST = 4096,
  STEP = 32,                                             /* documents that are read in a turn of the loop   */
  ANSWERS_MOST = 16384,                                  /* on their way to disk, or waiting for triggers   */
  NAME_MOST = 512, TITLE_MOST = 300, WHY_MOST = 300      /* bytes that a row keeps                          */
};
#define VALUES_MAX ((size_t)256 << 20)

typedef struct taken {                                   /* one document of a text                          */
  bool known, fresh, decided;
  size_t at, n;                                          /* its value, in `values`                          */
  int64_t id;
  char name[NAME_MOST + 1], source[64], where[64], *why;
} taken;

typedef struct taking {
  ln_alerts *a;
  struct taking *next, **here;                           /* in the queue, or among those to be answered     */
  ln_buf text, by, source, mark, trace, cursor, cursor_value, values;
  int64_t mark_until_ms;
  taken *v;
  size_t n, undecided;
  ln_alerts_fn fn;
  void *arg;
  ln_err err;
  ln_timer late;
} taking;

struct ln_alerts {
  ln_engine *g;
  ln_intake *intake;
  char snapshot[96];                                     /* whose adapters the intake has                   */
  ln_deciding *deciding;
  taking *queue, **queue_end, *answers;
  taking *being_read;                                    /* taken off the queue; NULL: none                 */
  ln_reading *reading;
  size_t queued, bytes, with_writer, unanswered;         /* bytes: of texts, and of values for the writer   */
  bool posted, stopping;
};

static void taking_free(taking *t) {
  ln_buf *bufs[] = {&t->text, &t->by, &t->source, &t->mark, &t->trace, &t->cursor, &t->cursor_value,
                    &t->values};
  for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) ln_buf_free(bufs[i]);
  for (size_t i = 0; i < t->n; i++) free(t->v[i].why);
  free(t->v);
  free(t);
}

/* ------------------------------------------------------------------ answering */

static void put_text(ln_buf *b, const char *key, ln_str v) {
  ln_v_key(b, ln_str_of(key));
  ln_v_str(b, v);
}

typedef struct counted { size_t n; ln_buf *out; } counted;

static bool count_run(void *arg, const ln_alert_run *r) {
  if (r->ulid[0]) ((counted *)arg)->n++;
  return true;
}

static bool put_run(void *arg, const ln_alert_run *r) {
  if (r->ulid[0]) ln_v_str(((counted *)arg)->out, ln_str_of(r->ulid));
  return true;
}

static void put_alert(taking *t, const taken *d, ln_buf *out) {
  counted c = {0, out};
  ln_err quiet;
  ln_store *s = t->a->g->store;
  size_t mark = ln_v_begin(out, 'O', 4), list;
  put_text(out, "id", ln_str_of(d->name));
  ln_v_key(out, LN_STR("new")), ln_v_bool(out, d->fresh);
  ln_v_key(out, LN_STR("runs"));
  ln_store_alert_runs(s, d->id, count_run, &c, &quiet);
  list = ln_v_begin(out, 'A', c.n);
  ln_store_alert_runs(s, d->id, put_run, &c, &quiet);
  ln_v_end(out, list);
  put_text(out, "source", ln_str_of(d->source));
  ln_v_end(out, mark);
}

static void put_unknown(const taken *d, ln_buf *out) {
  size_t mark = ln_v_begin(out, 'O', 4);
  put_text(out, "at", ln_str_of(d->where));
  put_text(out, "id", ln_str_of(d->name));
  ln_v_key(out, LN_STR("new")), ln_v_bool(out, d->fresh);
  put_text(out, "why", ln_str_of(d->why));
  ln_v_end(out, mark);
}

static void put_answer(taking *t, ln_buf *out) {
  size_t known = 0, mark = ln_v_begin(out, 'O', 2), list;
  for (size_t i = 0; i < t->n; i++) known += t->v[i].known;
  ln_v_key(out, LN_STR("alerts"));
  list = ln_v_begin(out, 'A', known);
  for (size_t i = 0; i < t->n; i++)
    if (t->v[i].known) put_alert(t, &t->v[i], out);
  ln_v_end(out, list);
  ln_v_key(out, LN_STR("unknown"));
  list = ln_v_begin(out, 'A', t->n - known);
  for (size_t i = 0; i < t->n; i++)
    if (!t->v[i].known) put_unknown(&t->v[i], out);
  ln_v_end(out, list);
  ln_v_end(out, mark);
}

static void leave(taking *t) {
  if (t->here && (*t->here = t->next)) t->next->here = t->here;
  t->here = NULL;
}

/* To whoever handed it in; the last that is heard of it. */
static void answer(taking *t, const ln_err *err) {
  ln_alerts *a = t->a;
  ln_buf out;
  ln_buf_init(&out, VALUES_MAX);
  a->g->loop->cancel(a->g->loop, &t->late);
  leave(t);
  a->unanswered--;
  if (!err) put_answer(t, &out);
  if (!err && !ln_buf_ok(&out, &t->err)) err = &t->err;
  t->fn(t->arg, ln_buf_view(&out), err);
  ln_buf_free(&out);
  taking_free(t);
}

static void answer_late(void *arg) { answer(arg, NULL); }

static void on_decided(void *arg, int64_t alert) {
  ln_alerts *a = arg;
  for (taking *t = a->answers, *next; t; t = next) {
    next = t->next;
    for (size_t i = 0; i < t->n; i++) {
      taken *d = &t->v[i];
      if (d->id != alert || !d->fresh || d->decided) continue;
      d->decided = true;
      t->undecided--;
    }
    if (!t->undecided) answer(t, NULL);
  }
}

/* ------------------------------------------------------------------ to disk */

/* At most `most` bytes, and no half a character. */
static ln_str cut(ln_str s, size_t most) {
  if (s.n <= most) return s;
  while (most && ((unsigned char)s.p[most] & 0xc0) == 0x80) most--;
  return (ln_str){s.p, most};
}

static ln_str value_of(const taking *t, const taken *d) { return (ln_str){t->values.p + d->at, d->n}; }

static bool add_one(ln_tx *tx, taking *t, taken *d, int64_t now_ms, ln_err *err) {
  ln_str value = value_of(t, d);
  ln_alert_row row = {.ms = now_ms, .by = ln_buf_view(&t->by), .name = ln_str_of(d->name),
                      .trace = d->known ? ln_buf_view(&t->trace) : (ln_str){NULL, 0}};
  if (d->known) {
    row.source = ln_str_of(d->source);
    row.state = LN_STR("new");
    row.title = cut(ln_v_get_str(value, "title"), TITLE_MOST);
    row.severity = ln_v_get_str(value, "severity");
  } else {
    row.source = t->source.n ? ln_buf_view(&t->source) : LN_STR("unknown");
    row.state = LN_STR("kept");
    row.why = ln_str_of(d->why);
  }
  if (!ln_tx_alert_add(tx, &row, value, &d->fresh, err)) return false;
  d->id = row.id;
  return true;
}

static bool take_apply(ln_tx *tx, void *arg, ln_err *err) {
  taking *t = arg;
  int64_t now = ln_now_ms(t->a->g->loop->clock);
  bool ok = !t->mark.n || ln_tx_delivery_put(tx, ln_buf_view(&t->source), ln_buf_view(&t->mark), now,
                                             t->mark_until_ms, err);
  for (size_t i = 0; ok && i < t->n; i++) ok = add_one(tx, t, &t->v[i], now, err);
  return ok && (!t->cursor.n || ln_tx_cursor_put(tx, ln_buf_view(&t->cursor), ln_buf_view(&t->cursor_value),
                                                 now, err));
}

/* How many are still to be decided.  What is committed may be seen, and its triggers asked, before we hear of
** the commit. */
static size_t undecided(taking *t) {
  size_t n = 0;
  for (size_t i = 0; i < t->n; i++) {
    taken *d = &t->v[i];
    if (!d->known || !d->fresh) continue;
    d->decided = ln_deciding_is_over(t->a->deciding, d->id);
    n += !d->decided;
  }
  return n;
}

static void taken_down(void *arg, const ln_err *err) {
  taking *t = arg;
  ln_alerts *a = t->a;
  ln_loop *l = a->g->loop;
  a->with_writer--;
  a->bytes -= t->values.n;
  ln_buf_free(&t->values);
  t->undecided = err ? 0 : undecided(t);
  if (t->undecided) ln_deciding_soon(a->deciding);
  if (!t->undecided || a->stopping) {
    answer(t, err);
    return;
  }
  t->next = a->answers;
  if (t->next) t->next->here = &t->next;
  t->here = &a->answers;
  a->answers = t;
  t->late = (ln_timer){.loop = l, .fn = answer_late, .arg = t};
  if (!l->timer(l, &t->late, LN_ALERTS_ANSWER_MS)) answer(t, NULL);
}

/* ------------------------------------------------------------------ reading */

static void name_by_content(ln_str value, char *out) {
  uint8_t sha[LN_SHA256] = {0};
  char hex[2 * LN_SHA256 + 1];
  ln_sha256(value, sha);
  ln_hex(sha, sizeof sha, hex);
  snprintf(out, NAME_MOST + 1, "sha256:%s", hex);
}

static bool add_document(void *arg, const ln_document *d) {
  taking *t = arg;
  taken *grown = realloc(t->v, (t->n + 1) * sizeof *grown);
  if (!grown) return ln_fail(&t->err, "memory", LN_AGAIN, "no memory for alerts");
  t->v = grown;
  taken *one = &t->v[t->n];
  ln_str id = d->known ? ln_v_get_str(d->value, "id") : (ln_str){NULL, 0};
  *one = (taken){.known = d->known, .at = t->values.n, .n = d->value.n};
  if (!ln_buf_add(&t->values, d->value)) return ln_buf_ok(&t->values, &t->err);
  if (!d->known && !(one->why = ln_str_dup(cut(d->why, WHY_MOST))))
    return ln_fail(&t->err, "memory", LN_AGAIN, "no memory for alerts");
  if (d->known)
    snprintf(one->source, sizeof one->source, "%.*s", LN_STR_ARG(ln_v_get_str(d->value, "source")));
  snprintf(one->where, sizeof one->where, "%.*s", LN_STR_ARG(cut(d->at, sizeof one->where - 1)));
  if (id.n && id.n <= NAME_MOST && !memchr(id.p, '\0', id.n)) memcpy(one->name, id.p, id.n);
  else name_by_content(d->value, one->name);
  t->n++;
  return true;
}

/* The adapters are those of the newest scripts. */
static bool renew_intake(ln_alerts *a, ln_err *err) {
  const char *now = ln_intake_scripts(a->g, err);
  if (!now) return a->intake != NULL;
  if (a->intake && strcmp(now, a->snapshot) == 0) return true;
  ln_intake *in = ln_intake_new(a->g, err);
  if (!in) return a->intake != NULL;
  ln_intake_free(a->intake);
  a->intake = in;
  snprintf(a->snapshot, sizeof a->snapshot, "%s", now);
  return true;
}

static bool read_text(ln_alerts *a, taking *t) {
  return renew_intake(a, &t->err) &&
         ln_intake_read(a->intake, ln_buf_view(&t->text), add_document, t, &t->err);
}

static void read_next(void *arg);

static void read_soon(ln_alerts *a) {
  if (!a->posted && (a->queue || a->being_read)) a->posted = ln_post(a->g->loop, read_next, a);
}

static taking *unqueue(ln_alerts *a) {
  taking *t = a->queue;
  a->queue = t->next;
  if (!a->queue) a->queue_end = &a->queue;
  t->next = NULL;
  a->queued--;
  return t;
}

static bool begin_next(ln_alerts *a) {
  taking *t = a->being_read = unqueue(a);
  return renew_intake(a, &t->err) && (a->reading = ln_reading_new(a->intake, ln_buf_view(&t->text), &t->err));
}

/* It was read, or cannot be. */
static void end_reading(ln_alerts *a, bool ok) {
  static const ln_err full = {
      .code = "memory", .message = "no memory for a job of the writer", .retry = LN_AGAIN};
  taking *t = a->being_read;
  ln_reading_free(a->reading);
  a->reading = NULL;
  a->being_read = NULL;
  a->bytes -= t->text.n;
  ln_buf_free(&t->text);
  if (!ok) answer(t, &t->err);
  else if (!ln_writer_submit(a->g->store, a->g->loop, take_apply, taken_down, t)) answer(t, &full);
  else a->with_writer++, a->bytes += t->values.n;
}

/* So many documents a turn of the loop: it has others to serve. */
static void read_next(void *arg) {
  ln_alerts *a = arg;
  bool more = true, ok = true;
  a->posted = false;
  if (!a->being_read && !a->queue) return;
  if (!a->being_read) ok = begin_next(a);
  ok = ok && ln_reading_step(a->reading, STEP, add_document, a->being_read, &more, &a->being_read->err);
  if (!ok || !more) end_reading(a, ok);
  read_soon(a);
}

/* ------------------------------------------------------------------ handing in */

static bool has_room(const ln_alerts *a, size_t n, ln_err *err) {
  if (a->stopping) return ln_fail(err, "unavailable", LN_AGAIN, "this process is stopping");
  if (a->queued < QUEUE_MOST && a->bytes + n <= QUEUE_BYTES && a->unanswered < ANSWERS_MOST)
    return true;
  return ln_fail(err, "unavailable", LN_AGAIN, "too many alerts are on their way: hand it in again later");
}

static bool copy_text(taking *t, ln_str text, ln_err *err) {
  ln_buf_init(&t->text, LN_ALERTS_TEXT);
  if (ln_is_gzip(text)) return ln_gunzip(text, &t->text, err);
  return ln_buf_add(&t->text, text) || ln_buf_ok(&t->text, err);
}

static bool copy_from(taking *t, const ln_alert_from *from, ln_err *err) {
  const struct { ln_buf *to; ln_str text; } parts[] = {{&t->by, from->by},         {&t->source, from->source},
                                                       {&t->mark, from->mark},     {&t->cursor, from->cursor},
                                                       {&t->cursor_value, from->cursor_value},
                                                       {&t->trace, from->trace}};
  bool ok = true;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    ln_buf_init(parts[i].to, 1 << 20);
    ok = ok && (ln_buf_add(parts[i].to, parts[i].text) || ln_buf_ok(parts[i].to, err));
  }
  t->mark_until_ms = from->mark_until_ms;
  return ok;
}

static taking *taking_new(ln_alerts *a, ln_str text, const ln_alert_from *from, ln_err *err) {
  taking *t = calloc(1, sizeof *t);
  if (!t) {
    ln_fail(err, "memory", LN_AGAIN, "no memory for alerts");
    return NULL;
  }
  t->a = a;
  ln_buf_init(&t->values, VALUES_MAX);
  if (copy_from(t, from, err) && copy_text(t, text, err)) return t;
  taking_free(t);
  return NULL;
}

bool ln_alerts_take(ln_alerts *a, ln_str text, const ln_alert_from *from, ln_alerts_fn fn, void *arg,
                    ln_err *err) {
  taking *t = has_room(a, text.n, err) ? taking_new(a, text, from, err) : NULL;
  if (!t) return false;
  if (!has_room(a, t->text.n, err)) {                    /* what gzip made of it */
    taking_free(t);
    return false;
  }
  t->fn = fn;
  t->arg = arg;
  *a->queue_end = t;
  a->queue_end = &t->next;
  a->queued++;
  a->unanswered++;
  a->bytes += t->text.n;
  read_soon(a);
  return true;
}

bool ln_alerts_keep(ln_engine *g, ln_str text, const ln_alert_from *from, ln_alerts_fn fn, void *arg,
                    ln_err *err) {
  ln_alerts a = {.g = g};
  ln_buf out;
  taking *t = taking_new(&a, text, from, err);
  bool ok = t && (read_text(&a, t) || (*err = t->err, false)) && ln_writer_run(g->store, take_apply, t, err);
  ln_buf_init(&out, VALUES_MAX);
  if (ok) put_answer(t, &out);
  ok = ok && ln_buf_ok(&out, err);
  if (ok) fn(arg, ln_buf_view(&out), NULL);
  ln_buf_free(&out);
  if (t) taking_free(t);
  ln_intake_free(a.intake);
  return ok;
}

void ln_alerts_nudge(ln_alerts *a) {
  if (a) ln_deciding_soon(a->deciding);
}

/* ------------------------------------------------------------------ beginning and end */

ln_alerts *ln_alerts_start(ln_engine *g, ln_err *err) {
  ln_alerts *a = calloc(1, sizeof *a);
  if (!a) {
    ln_fail(err, "memory", LN_AGAIN, "no memory for alerts");
    return NULL;
  }
  a->g = g;
  a->queue_end = &a->queue;
  if ((a->deciding = ln_deciding_start(g, on_decided, a, err))) return a;
  free(a);
  return NULL;
}

static void stop_loop(void *arg) { ((ln_loop *)arg)->stop(arg); }

void ln_alerts_stop(ln_alerts *a) {
  static const ln_err stopping = {
      .code = "unavailable", .message = "this process is stopping", .retry = LN_AGAIN};
  if (!a) return;
  ln_loop *l = a->g->loop;
  a->stopping = true;
  if (a->being_read) a->being_read->err = stopping, end_reading(a, false);
  while (a->queue) answer(unqueue(a), &stopping);        /* bytes count no more */
  while (a->answers) answer(a->answers, NULL);
  while ((a->with_writer || a->posted) && ln_post(l, stop_loop, l)) l->run(l);
  ln_deciding_stop(a->deciding);
  ln_intake_free(a->intake);
  free(a);
}
