/* drift.c: see drift.h.
**
** It is written down when it is new, and whenever its count has doubled: so a vendor that says it with every
** answer costs a few writes.  Several processes add to one list, each what it has counted. */
#include "engine/drift.h"

#include "base/log.h"
#include "base/units.h"

#include <stdio.h>
#include <stdlib.h>

#define KEY LN_STR("drift")                              /* among the store's hints: losing it loses no run */
#define FORGET_MS ((int64_t)30 * 86400000)

typedef struct seen { ln_drift d; int64_t written; } seen; /* written: of its count                        */
typedef struct drifts { seen v[LN_DRIFT_MOST]; size_t n; } drifts;

/* ------------------------------------------------------------------ as the store has it */

static void put_text(ln_buf *b, const char *key, const char *z) {
  ln_v_key(b, ln_str_of(key));
  ln_v_str(b, ln_str_of(z));
}

static void put_int(ln_buf *b, const char *key, int64_t v) {
  ln_v_key(b, ln_str_of(key));
  ln_v_int(b, v);
}

static void encode(const ln_drift *d, ln_buf *b) {
  size_t mark = ln_v_begin(b, 'O', 8);
  put_int(b, "count", d->count);
  put_int(b, "first", d->first_ms);
  put_int(b, "last", d->last_ms);
  put_text(b, "link", d->link);
  put_text(b, "op", d->op);
  put_int(b, "since", d->since_ms);
  put_int(b, "sunset", d->sunset_ms);
  put_text(b, "what", d->what);
  ln_v_end(b, mark);
}

static void copy(char *to, size_t n, ln_str s) {
  if (s.n >= n) {
    s.n = n - 1;
    while (s.n && ((unsigned char)s.p[s.n] & 0xc0) == 0x80) s.n--; /* no half a character */
  }
  if (s.n) memcpy(to, s.p, s.n);
  to[s.n] = '\0';
}

#define COPY(to, s) copy((to), sizeof(to), (s))

static void decode(ln_str value, ln_drift *d) {
  *d = (ln_drift){.count = ln_v_get_int(value, "count", 0),     .first_ms = ln_v_get_int(value, "first", 0),
                  .last_ms = ln_v_get_int(value, "last", 0),    .since_ms = ln_v_get_int(value, "since", 0),
                  .sunset_ms = ln_v_get_int(value, "sunset", 0)};
  COPY(d->op, ln_v_get_str(value, "op"));
  COPY(d->what, ln_v_get_str(value, "what"));
  COPY(d->link, ln_v_get_str(value, "link"));
}

static bool is_same(const ln_drift *a, const ln_drift *b) {
  return strcmp(a->op, b->op) == 0 && strcmp(a->what, b->what) == 0;
}

typedef struct writing { ln_drift d; int64_t now_ms; } writing; /* d.count: so many more */

/* Adds it to the list in `was`.  What nobody has seen for long is left out. */
static void merge(ln_str was, const writing *w, ln_buf *items, size_t *n) {
  ln_vitem list, one;
  ln_drift d, now = w->d;
  ln_str rest = was;
  bool there = was.n && ln_v_read(&rest, &list) && list.tag == 'A';
  for (rest = there ? list.body : (ln_str){NULL, 0}; rest.n && ln_v_read(&rest, &one);) {
    decode(one.whole, &d);
    if (is_same(&d, &now)) {
      now.count += d.count;
      if (d.first_ms < now.first_ms) now.first_ms = d.first_ms;
    } else if (d.last_ms > w->now_ms - FORGET_MS && *n < LN_DRIFT_MOST - 1) {
      ln_v_raw(items, one.whole);
      ++*n;
    }
  }
  encode(&now, items);
  ++*n;
}

static bool write_apply(ln_tx *tx, void *arg, ln_err *err) {
  ln_buf was, items, list;
  size_t n = 0;
  ln_buf_init(&was, 1 << 20);
  ln_buf_init(&items, 1 << 20);
  ln_buf_init(&list, 1 << 20);
  bool ok = ln_tx_hint(tx, KEY, &was, err);
  if (ok) merge(ln_buf_view(&was), arg, &items, &n);
  size_t mark = ln_v_begin(&list, 'A', n);
  ln_buf_add(&list, ln_buf_view(&items));
  ln_v_end(&list, mark);
  ok = ok && ln_buf_ok(&items, err) && ln_buf_ok(&list, err) &&
       ln_tx_hint_put(tx, KEY, ln_buf_view(&list), err);
  ln_buf_free(&was);
  ln_buf_free(&items);
  ln_buf_free(&list);
  return ok;
}

/* If it fails: it is written with the next ones. */
static void write_done(void *arg, const ln_err *err) {
  (void)err;
  free(arg);
}

/* Who only looks writes nothing, and what simulators say is of no vendor. */
static void write_down(ln_engine *g, seen *s) {
  if (!g->owner || !g->loop->uv || s->d.count < 2 * s->written) return;
  writing *w = malloc(sizeof *w);
  if (!w) return;
  *w = (writing){s->d, ln_now_ms(g->loop->clock)};
  w->d.count = s->d.count - s->written;
  if (!ln_writer_submit_unwaited(g->store, NULL, write_apply, write_done, w)) free(w);
  else s->written = s->d.count;
}

/* ------------------------------------------------------------------ what was seen */

/* NULL: there are too many, or no memory.  *fresh: it was not there. */
static seen *find(ln_engine *g, const char *op, ln_str what, bool *fresh) {
  drifts *all = g->drift;
  ln_drift d = {.count = 0};
  *fresh = false;
  COPY(d.op, ln_str_of(op));
  COPY(d.what, what);
  if (!all && !(all = g->drift = calloc(1, sizeof *all))) return NULL;
  for (size_t i = 0; i < all->n; i++)
    if (is_same(&all->v[i].d, &d)) return &all->v[i];
  if (all->n == LN_DRIFT_MOST) return NULL;
  d.first_ms = ln_now_ms(g->loop->clock);
  all->v[all->n] = (seen){d, 0};
  *fresh = true;
  return &all->v[all->n++];
}

static void count(ln_engine *g, seen *s) {
  s->d.count++;
  s->d.last_ms = ln_now_ms(g->loop->clock);
  write_down(g, s);
}

static const char *day(int64_t ms, char out[LN_TIME_TEXT]) {
  if (!ms) return "";
  ln_format_time(ms, out);
  return out;
}

void ln_drift_deprecated(ln_engine *g, const char *op, int64_t since_ms, int64_t sunset_ms, ln_str link) {
  char since[LN_TIME_TEXT], sunset[LN_TIME_TEXT];
  bool fresh;
  seen *s = find(g, op, (ln_str){NULL, 0}, &fresh);
  if (!s) return;
  bool other = s->d.since_ms != since_ms || s->d.sunset_ms != sunset_ms;
  s->d.since_ms = since_ms;
  s->d.sunset_ms = sunset_ms;
  if (link.n) COPY(s->d.link, link);
  if (fresh)
    ln_log(LN_WARN, "vendor.deprecated", "op=%s since=%s sunset=%s link=%s", op, day(since_ms, since),
           day(sunset_ms, sunset), s->d.link);
  if (other && s->written) s->written = s->d.count / 2;  /* another date is news */
  count(g, s);
}

void ln_drift_shape(ln_engine *g, const char *op, ln_str what) {
  bool fresh;
  seen *s = find(g, op, what.n ? what : LN_STR("it is another one"), &fresh);
  if (!s) return;
  if (fresh) ln_log(LN_WARN, "vendor.drift", "op=%s what=%s", op, s->d.what);
  count(g, s);
}

/* ------------------------------------------------------------------ telling */

static bool is_shape(const ln_drift *d) { return d->what[0] != '\0'; }

static bool is_alike(const ln_drift *a, const ln_drift *b) {
  return is_shape(a) == is_shape(b) && strcmp(a->op, b->op) == 0;
}

void ln_drift_each(const ln_engine *g, ln_drift_fn fn, void *arg) {
  const drifts *all = g->drift;
  for (size_t i = 0; all && i < all->n; i++) {
    ln_drift sum = all->v[i].d;
    bool told = false;
    for (size_t k = 0; k < i; k++) told |= is_alike(&all->v[k].d, &sum);
    if (told) continue;
    for (size_t k = i + 1; k < all->n; k++)
      if (is_alike(&all->v[k].d, &sum)) sum.count += all->v[k].d.count;
    if (is_shape(&sum)) COPY(sum.what, LN_STR("shape"));
    fn(arg, &sum);
  }
}

bool ln_drift_known(ln_engine *g, ln_drift_fn fn, void *arg, ln_err *err) {
  ln_buf b;
  ln_vitem list, one;
  ln_drift d;
  int64_t now = ln_now_ms(g->loop->clock);
  ln_buf_init(&b, 1 << 20);
  bool ok = ln_store_hint(g->store, KEY, &b, err);
  ln_str rest = ln_buf_view(&b);
  bool any = ok && rest.n && ln_v_read(&rest, &list) && list.tag == 'A';
  for (rest = any ? list.body : (ln_str){NULL, 0}; rest.n && ln_v_read(&rest, &one);) {
    decode(one.whole, &d);
    if (d.last_ms > now - FORGET_MS) fn(arg, &d);
  }
  ln_buf_free(&b);
  return ok;
}

void ln_drift_free(ln_engine *g) {
  free(g->drift);
  g->drift = NULL;
}
