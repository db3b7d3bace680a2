/* poll.c: see poll.h.
**
** A look is a run of one operation, so that its tokens, limits, retries and pages are those of any.  How far
** a source was read is a cursor in the store, written with the alerts of that look, or not at all; the next
** look begins an overlap before it, since vendors show some alerts late, and that an alert is kept once
** makes it exact.  A look that finds too much is made again for half of its time, and goes on piece by piece.
**
** What a look found is with the alerts; the run of one that found nothing new, or failed, is removed again,
** and a failure is in the log. */
#include "engine/poll.h"

#include "base/log.h"
#include "engine/inside.h"

#include <stdio.h>
#include <stdlib.h>

enum {
  EVERY_MS = 60000,
  OVERLAP_MS = 600000,
  LEAST_MS = 1000,                                       /* of a look's time                                */
  LOST_MS = 900000                                       /* a look that is not heard of is made again       */
};

typedef struct poll poll;
struct ln_polls {
  ln_engine *g;
  ln_alerts *alerts;
  poll *v;
  size_t n;
  bool stopped;
};

struct poll {
  ln_polls *all;
  char name[64], op[80];
  ln_timer tick;
  ln_run_options run;
  const ln_run *look;                                    /* the run that is under way; NULL: none           */
  int64_t from_ms, to_ms, cursor_ms;                     /* of the look                                     */
  int64_t span_ms, next_ms;                              /* it goes piece by piece, and on from there; or 0 */
  bool asking;                                           /* its alerts are being handed in                  */
};

typedef struct handing { poll *p; int64_t run; } handing;

static int64_t now_of(const poll *p) { return ln_now_ms(p->all->g->loop->clock); }

static void again(poll *p, int64_t ms) {
  ln_loop *l = p->all->g->loop;
  if (p->all->stopped) return;
  int64_t pace = ln_config_pace(p->all->g->config, ln_str_of(p->op));
  l->timer(l, &p->tick, ms / (pace > 0 ? pace : 1));
}

/* ------------------------------------------------------------------ the end of a look */

static bool remove_apply(ln_tx *tx, void *arg, ln_err *err) {
  return ln_tx_run_remove(tx, *(int64_t *)arg, err);
}

static void removed(void *arg, const ln_err *err) {
  (void)err;                                             /* retention takes it later                        */
  free(arg);
}

static void remove_run(poll *p, int64_t run) {
  ln_engine *g = p->all->g;
  int64_t *id = malloc(sizeof *id);
  if (!id) return;
  *id = run;
  if (!ln_writer_submit(g->store, g->loop, remove_apply, removed, id)) free(id);
}

static void failed(poll *p, const char *code, const char *message) {
  bool much = strcmp(code, "too_many") == 0 || strcmp(code, "too_big") == 0;
  ln_log(LN_WARN, "poll.failed", "connector=%s code=%s error=%s", p->name, code, message);
  bool halve = much && p->to_ms - p->from_ms > 2 * LEAST_MS;
  p->span_ms = halve ? (p->to_ms - p->from_ms) / 2 : 0;
  p->next_ms = halve ? p->from_ms : 0;
  again(p, halve ? 0 : EVERY_MS);
}

static bool any_new(ln_str answer, const char *key) {
  ln_vitem list, one;
  if (!ln_v_get(answer, ln_str_of(key), &list)) return false;
  for (ln_str rest = list.body; rest.n && ln_v_read(&rest, &one);)
    if (ln_v_get_bool(one.whole, "new", false)) return true;
  return false;
}

static void handed_in(void *arg, ln_str answer, const ln_err *err) {
  handing *h = arg;
  poll *p = h->p;
  int64_t run = h->run;
  free(h);
  p->asking = false;
  if (err) {
    failed(p, err->code, err->message);
    return;
  }
  if (!any_new(answer, "alerts") && !any_new(answer, "unknown")) remove_run(p, run);
  p->next_ms = p->span_ms ? p->to_ms : 0;                /* the rest of it is due                           */
  again(p, p->span_ms ? 0 : EVERY_MS);
}

typedef struct ended { bool there, completed; ln_buf result; char code[LN_ERR_CODE], message[200]; } ended;

/* An empty table of Lua's is no list yet. */
static void put_list(ln_str list, ln_buf *out) {
  ln_vitem v;
  if (ln_v_read(&(ln_str){list.p, list.n}, &v) && v.tag == 'O' && !v.count) ln_buf_addz(out, "[]");
  else ln_json_encode(list, out, NULL);
}

static bool read_end(void *arg, const ln_run_row *row) {
  ended *e = arg;
  e->there = row->finished_ms != 0;
  e->completed = ln_str_eq(row->state, LN_STR("completed"));
  if (e->completed) put_list(row->result, &e->result);
  snprintf(e->code, sizeof e->code, "%.*s", LN_STR_ARG(ln_v_get_str(row->error, "code")));
  snprintf(e->message, sizeof e->message, "%.*s", LN_STR_ARG(ln_v_get_str(row->error, "message")));
  return false;
}

static bool hand_in(poll *p, int64_t run, ln_str text, ln_err *err) {
  char cursor[LN_INT_TEXT], name[80];
  handing *h = malloc(sizeof *h);
  if (!h) return ln_fail(err, "memory", LN_AGAIN, "no memory for alerts");
  *h = (handing){p, run};
  snprintf(name, sizeof name, "poll:%s", p->name);
  const ln_alert_from from = {.by = LN_STR("poll"), .source = ln_str_of(p->name), .cursor = ln_str_of(name),
                              .cursor_value = ln_str_int(p->cursor_ms, cursor)};
  if (ln_alerts_take(p->all->alerts, text, &from, handed_in, h, err)) return p->asking = true;
  free(h);
  return false;
}

static void look_ended(poll *p, int64_t run) {
  ended e = {.there = false};
  ln_err err = {0};
  ln_buf_init(&e.result, LN_ALERTS_TEXT);
  if (!ln_store_run_get(p->all->g->store, run, read_end, &e, &err) || !e.there) {
    failed(p, "store", err.message);
  } else if (!e.completed) {
    failed(p, e.code, e.message);
    remove_run(p, run);
  } else if (ln_buf_failed(&e.result)) {
    failed(p, "too_big", "there is too much of it");
  } else if (!hand_in(p, run, ln_buf_view(&e.result), &err)) {
    failed(p, err.code, err.message);
  }
  ln_buf_free(&e.result);
}

/* ------------------------------------------------------------------ a look */

static void on_event(void *arg, ln_run *r, const ln_event *e) {
  poll *p = arg;
  if (p->all->stopped || strcmp(e->what, "end") != 0 || r != p->look) return;
  p->look = NULL;
  p->all->g->loop->cancel(p->all->g->loop, &p->tick);
  look_ended(p, ln_run_id(r));
}

static int64_t cursor_of(const poll *p) {
  ln_buf b;
  ln_err quiet;
  char name[80];
  snprintf(name, sizeof name, "poll:%s", p->name);
  ln_buf_init(&b, 64);
  bool read = ln_store_cursor(p->all->g->store, ln_str_of(name), &b, NULL, &quiet) && b.n;
  int64_t at = now_of(p);                                /* from the first look on                          */
  if (read && ln_buf_addc(&b, '\0')) at = strtoll(b.p, NULL, 10);
  ln_buf_free(&b);
  return at;
}

static void put_args(const poll *p, ln_buf *b) {
  size_t mark = ln_v_begin(b, 'O', p->span_ms ? 2 : 1);
  if (p->span_ms) ln_v_key(b, LN_STR("before")), ln_v_int(b, p->to_ms / 1000);
  ln_v_key(b, LN_STR("since")), ln_v_int(b, p->from_ms / 1000);
  ln_v_end(b, mark);
}

static void look(void *arg) {
  poll *p = arg;
  ln_err err = {0};
  ln_buf args;
  if (p->asking) return;
  int64_t was = cursor_of(p), now = now_of(p);
  p->from_ms = p->next_ms ? p->next_ms : was - OVERLAP_MS;
  if (p->from_ms + p->span_ms >= now) p->span_ms = 0;    /* the last piece */
  p->to_ms = p->span_ms ? p->from_ms + p->span_ms : now;
  p->cursor_ms = p->to_ms > was ? p->to_ms : was;
  ln_buf_init(&args, 4096);
  put_args(p, &args);
  ln_run *r = ln_run_call(p->all->g, ln_str_of(p->op), ln_buf_view(&args), &p->run, LN_STR("poll"), &err);
  ln_buf_free(&args);
  p->look = r;                                           /* one that was lost is no longer ours             */
  if (r) again(p, LOST_MS);
  else failed(p, err.code, err.message);
}

/* ------------------------------------------------------------------ beginning and end */

static bool begin(ln_polls *all, poll *p, ln_str name, ln_err *err) {
  *p = (poll){.all = all};
  snprintf(p->name, sizeof p->name, "%.*s", LN_STR_ARG(name));
  snprintf(p->op, sizeof p->op, "%.60s.alerts", p->name);
  if (!ln_config_connector(all->g->config, name))
    return ln_fail(err, "config", LN_FINAL, "intake.poll: the connector %s is not configured", p->name);
  const ln_op *op = all->g->find_op(all->g, ln_str_of(p->op));
  if (!op || op->cls != LN_READ)
    return ln_fail(err, "config", LN_FINAL, "intake.poll: %s has no operation that lists alerts", p->name);
  p->tick = (ln_timer){.loop = all->g->loop, .fn = look, .arg = p};
  p->run = (ln_run_options){.event = on_event, .event_arg = p, .ends_only = true};
  return all->g->loop->timer(all->g->loop, &p->tick, 0);
}

ln_polls *ln_polls_start(ln_engine *g, ln_alerts *alerts, ln_err *err) {
  const ln_list *names = &g->config->intake_poll;
  ln_polls *all = calloc(1, sizeof *all);
  bool ok = all && (all->v = calloc(names->n ? names->n : 1, sizeof *all->v));
  if (!ok) ln_fail(err, "memory", LN_AGAIN, "no memory to poll");
  if (ok) all->g = g, all->alerts = alerts;
  for (size_t i = 0; ok && i < names->n; i++, all->n += ok) ok = begin(all, &all->v[i], names->v[i], err);
  if (ok) return all;
  ln_polls_stop(all);
  ln_polls_free(all);
  return NULL;
}

void ln_polls_stop(ln_polls *all) {
  if (!all) return;
  all->stopped = true;
  for (size_t i = 0; i < all->n; i++) all->g->loop->cancel(all->g->loop, &all->v[i].tick);
}

void ln_polls_free(ln_polls *all) {
  if (all) free(all->v);
  free(all);
}
