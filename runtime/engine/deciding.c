/* deciding.c: an alert's triggers are asked, and what they want is written in one transaction: that the alert
** is no longer new, the rows of the runs that it starts, and what became of it with each playbook.
**
** `key` joins: where a run of that playbook with that key is under way the alert becomes a signal ("alert")
** to it.  A rule that starts too much is paused in the same transaction, by a question to people. */
#include "engine/deciding.h"

#include "base/log.h"
#include "engine/inside.h"
#include "engine/library.h"
#include "engine/notice.h"
#include "engine/queued.h"
#include "engine/sched.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

enum {
  AT_ONCE = 64,                                          /* alerts with the writer                          */
  AGAIN_MS = 1000,                                       /* after a store that failed                       */
  SKIPPED_MOST = 64,                                     /* alerts that cannot be read, passed over for     */
  SKIPPED_MS = 60000,                                    /* that time                                       */
  STARTS_MOST = 20,                                      /* by one rule                                     */
  STARTS_MS = 300000,                                    /* within that                                     */
  RULE_MOST = 200                                        /* bytes of a rule's name                          */
};
#define VALUE_MAX ((size_t)64 << 20)

struct ln_deciding {
  ln_engine *g;
  ln_triggers *triggers;
  void (*decided)(void *arg, int64_t alert);
  void *arg;
  int64_t at;                                            /* alerts up to this one are with the writer       */
  int64_t asked;                                         /* the newest whose triggers were asked            */
  struct decision *with_writer;
  int64_t skipped[SKIPPED_MOST];                         /* the last of them                                */
  size_t n_skipped;                                      /* ever: the oldest make place                     */
  size_t under_way;
  bool posted, stopping, failed;
  ln_timer again;
};

/* What one playbook wants of the alert. */
typedef struct wanted {
  char *module;
  bool missed, released, started, joined;
  ln_buf key, input, joins;                              /* joins: the run's id                             */
  ln_err why;
  ln_queued run;
} wanted;

typedef struct decision {
  ln_deciding *d;
  struct decision *next;                                 /* of those with the writer                        */
  int64_t alert, now_ms;
  ln_buf value, by, rule, trace;
  wanted *v;
  size_t n;
  bool was_new;
} decision;

static void wanted_free(wanted *w) {
  free(w->module);
  ln_buf_free(&w->key);
  ln_buf_free(&w->input);
  ln_buf_free(&w->joins);
  ln_queued_free(&w->run);
}

static void decision_free(decision *x) {
  ln_buf *bufs[] = {&x->value, &x->by, &x->rule, &x->trace};
  for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) ln_buf_free(bufs[i]);
  for (size_t i = 0; i < x->n; i++) wanted_free(&x->v[i]);
  free(x->v);
  free(x);
}

/* ------------------------------------------------------------------ a rule's name */

static bool is_word(ln_str text, size_t at, ln_str word) {
  return word.n > 2 && text.n - at >= word.n && ln_str_ieq((ln_str){text.p + at, word.n}, word);
}

/* What the alerts of one rule share: their source and title, without the numbers and the host's and the
** user's names that vendors put into it. */
static void name_rule(ln_str source, ln_str alert, ln_buf *out) {
  ln_vitem device = {0}, user = {0};
  ln_v_get(alert, LN_STR("device"), &device);
  ln_v_get(alert, LN_STR("user"), &user);
  ln_str title = ln_v_get_str(alert, "title");
  const ln_str names[] = {ln_v_get_str(device.whole, "hostname"), ln_v_get_str(user.whole, "name"),
                          ln_v_get_str(user.whole, "email")};
  ln_buf_addf(out, "%.*s: ", LN_STR_ARG(source));
  for (size_t i = 0, skip; i < title.n && out->n < RULE_MOST; i += skip) {
    skip = 0;
    for (size_t k = 0; k < 3 && !skip; k++)
      if (is_word(title, i, names[k])) skip = names[k].n;
    if (skip) ln_buf_addc(out, '*');
    else if (!isdigit((unsigned char)title.p[i])) ln_buf_addc(out, title.p[i]);
    else if (i == 0 || !isdigit((unsigned char)title.p[i - 1])) ln_buf_addc(out, '#');
    if (!skip) skip = 1;
  }
  while (out->n && ((unsigned char)out->p[out->n - 1] & 0xc0) == 0x80) ln_buf_cut(out, out->n - 1);
  if (out->n && (unsigned char)out->p[out->n - 1] >= 0xc0) ln_buf_cut(out, out->n - 1);
}

/* ------------------------------------------------------------------ the transaction */

static bool note(ln_tx *tx, const decision *x, const wanted *w, const char *what, ln_str why, int64_t run,
                 int64_t approval, ln_err *err) {
  ln_alert_run r = {.alert = x->alert, .run = run, .approval = approval, .ms = x->now_ms, .why = why,
                    .playbook = ln_str_of(w->module), .what = ln_str_of(what),
                    .rule = ln_buf_view(&x->rule)};
  return ln_tx_alert_run_put(tx, &r, err);
}

/* It has too many signals that nobody takes: it is on record as joined, which is what people look at. */
static bool tell(ln_tx *tx, const decision *x, int64_t run, ln_err *err) {
  ln_err no = {0};
  if (ln_tx_signal_send(tx, run, LN_STR("alert"), ln_buf_view(&x->value), ln_buf_view(&x->by), x->now_ms,
                        &no))
    return true;
  if (ln_err_is(&no, "quota")) return true;
  *err = no;
  return false;
}

static void put_detail(const decision *x, const wanted *w, ln_buf *out) {
  size_t mark = ln_v_begin(out, 'O', 2);
  ln_v_key(out, LN_STR("playbook")), ln_v_str(out, ln_str_of(w->module));
  ln_v_key(out, LN_STR("rule")), ln_v_str(out, ln_buf_view(&x->rule));
  ln_v_end(out, mark);
}

static bool ask_people(ln_tx *tx, const decision *x, const wanted *w, int64_t *id, ln_err *err) {
  ln_buf title, detail;
  ln_buf_init(&title, 4096);
  ln_buf_init(&detail, 4096);
  ln_buf_addf(&title, "%s was started %d times within 5 minutes by \"%.*s\": may it go on?", w->module,
              STARTS_MOST, LN_STR_ARG(ln_buf_view(&x->rule)));
  put_detail(x, w, &detail);
  ln_approval a = {.kind = LN_STR("trigger"), .step = LN_STR("on"), .title = ln_buf_view(&title),
                   .detail = ln_buf_view(&detail), .quorum = 1, .created_ms = x->now_ms};
  ln_notice n = {.event = LN_STR("paused"), .step = a.step};
  bool ok = ln_tx_approval_add(tx, &a, err) && (n.approval = a.id, ln_notice_put(tx, x->d->g, &n, err)) &&
            ln_tx_rule_pause(tx, ln_str_of(w->module), ln_buf_view(&x->rule), a.id, err);
  *id = a.id;
  ln_buf_free(&title);
  ln_buf_free(&detail);
  return ok;
}

static bool see_waiting(void *arg, const ln_approval *a) {
  *(bool *)arg = ln_str_eq(a->state, LN_STR("waiting"));
  return false;
}

/* *approval: what the rule waits for; 0: it may start.  After a no the next alert asks anew. */
static bool may_start(ln_tx *tx, const decision *x, const wanted *w, int64_t *approval, ln_err *err) {
  int64_t starts;
  bool waits = false;
  *approval = 0;
  if (w->released) return true;
  if (!ln_tx_rule_starts(tx, ln_str_of(w->module), ln_buf_view(&x->rule), x->now_ms - STARTS_MS, &starts,
                         approval, err) ||
      (*approval && !ln_tx_approval_get(tx, *approval, see_waiting, &waits, err)))
    return false;
  return waits || (!*approval && starts < STARTS_MOST) || ask_people(tx, x, w, approval, err);
}

static bool start_one(ln_tx *tx, decision *x, wanted *w, ln_err *err) {
  int64_t approval, run = 0;
  ln_str module = ln_str_of(w->module), key = ln_buf_view(&w->key), none = {NULL, 0};
  ln_buf_cut(&w->joins, 0);
  if (key.n && !ln_tx_key_run(tx, module, key, &run, &w->joins, err)) return false;
  if (run) {
    w->joined = true;
    return note(tx, x, w, "joined", none, run, 0, err) && tell(tx, x, run, err);
  }
  if (!may_start(tx, x, w, &approval, err)) return false;
  if (approval) return note(tx, x, w, "paused", none, 0, approval, err);
  w->started = true;
  return ln_queued_put(tx, &w->run, err) &&
         (!key.n || ln_tx_key_put(tx, module, key, w->run.row.id, err)) &&
         note(tx, x, w, w->released ? "let go on" : "started", none, w->run.row.id, 0, err);
}

static bool decide_apply(ln_tx *tx, void *arg, ln_err *err) {
  decision *x = arg;
  bool waits = false, ok = ln_tx_alert_decided(tx, x->alert, &x->was_new, err);
  for (size_t i = 0; ok && x->was_new && i < x->n; i++) {
    wanted *w = &x->v[i];
    ok = w->missed ? note(tx, x, w, "missed", ln_str_of(w->why.message), 0, 0, err)
                   : start_one(tx, x, w, err);
    waits |= !w->missed && !w->started && !w->joined;
  }
  return ok && (!x->was_new || !x->trace.n || waits || ln_tx_alert_traced(tx, x->alert, err));
}

/* ------------------------------------------------------------------ after it */

static void tell_run(ln_engine *g, const wanted *w) {
  ln_buf key;
  ln_buf_init(&key, 1024);
  ln_signal_key(ln_buf_view(&w->joins), LN_STR("alert"), &key);
  ln_wait_called(g, ln_buf_view(&key));
  ln_buf_free(&key);
}

static void log_one(const decision *x, const wanted *w) {
  const char *of = w->module;
  long long alert = (long long)x->alert;
  if (w->missed)
    ln_log(LN_WARN, "trigger.missed", "alert=%lld playbook=%s error=%s", alert, of, w->why.message);
  else if (w->started)
    ln_log(LN_INFO, "trigger.started", "alert=%lld playbook=%s run=%s", alert, of, w->run.row.ulid);
  else if (!w->joined) ln_log(LN_WARN, "trigger.paused", "alert=%lld playbook=%s", alert, of);
}

static void leave(decision *x) {
  decision **at = &x->d->with_writer;
  while (*at != x) at = &(*at)->next;
  *at = x->next;
  x->d->under_way--;
}

static void look(void *arg);

static void decided(void *arg, const ln_err *err) {
  decision *x = arg;
  ln_deciding *d = x->d;
  leave(x);
  if (err) {
    ln_log(LN_ERROR, "trigger.store", "alert=%lld error=%s", (long long)x->alert, err->message);
    ln_snapshot_forget(d->g);
    d->failed = true;
  }
  for (size_t i = 0; !err && x->was_new && i < x->n; i++) {
    wanted *w = &x->v[i];
    if (w->started) ln_queued_stored(&w->run);
    if (w->joined) tell_run(d->g, w);
    log_one(x, w);
  }
  if (!err && x->n && !d->stopping) ln_sched_nudge(d->g->sched), d->decided(d->arg, x->alert);
  decision_free(x);
  if (d->under_way == 0) d->at = 0;                      /* what failed, or was released, comes again */
  if (!d->failed) ln_deciding_soon(d);
  else if (!d->stopping) d->g->loop->timer(d->g->loop, &d->again, AGAIN_MS);
}

/* ------------------------------------------------------------------ asking */

static bool add_wanted(decision *x, const char *module, wanted **out, ln_err *err) {
  wanted *grown = realloc(x->v, (x->n + 1) * sizeof *grown);
  if (grown) x->v = grown;
  if (!grown || !(grown[x->n] = (wanted){.module = ln_str_dup(ln_str_of(module))}, grown[x->n].module))
    return ln_fail(err, "memory", LN_AGAIN, "no memory for a trigger");
  *out = &x->v[x->n++];
  ln_buf_init(&(*out)->key, LN_TRIGGER_KEY);
  ln_buf_init(&(*out)->input, VALUE_MAX);
  ln_buf_init(&(*out)->joins, 64);
  return true;
}

typedef struct released { decision *x; ln_err *err; bool ok; } released;

/* One that was held back for that playbook alone: the others were asked when it came. */
static bool note_released(void *arg, const ln_alert_run *r) {
  released *l = arg;
  char module[256];
  wanted *w;
  if (!ln_str_eq(r->what, LN_STR("released"))) return true;
  snprintf(module, sizeof module, "%.*s", LN_STR_ARG(r->playbook));
  if (!(l->ok = add_wanted(l->x, module, &w, l->err))) return false;
  return w->released = true;
}

/* False: it does not want the alert. */
static bool ask_one(decision *x, size_t i, wanted *w) {
  ln_deciding *d = x->d;
  ln_asked said = ln_trigger_ask(d->triggers, i, ln_buf_view(&x->value), w->released, &w->key, &w->input,
                                 &w->why);
  w->missed = said == LN_ASKED_MISSED ||
              (said == LN_ASKED_YES && !ln_buf_ok(&w->input, &w->why)) ||
              (said == LN_ASKED_YES &&
               !ln_queued_make(&w->run, d->g, ln_triggers_snapshot(d->triggers), ln_str_of(w->module),
                               ln_buf_view(&w->input), ln_buf_view(&x->by), 0, ln_buf_view(&x->trace),
                               &w->why));
  return said != LN_ASKED_NO;
}

static void ask_released(decision *x) {
  for (size_t k = 0; k < x->n; k++) {
    wanted *w = &x->v[k];
    bool there = false;
    for (size_t i = 0; i < ln_triggers_count(x->d->triggers) && !there; i++)
      there = strcmp(ln_triggers_at(x->d->triggers, i)->module, w->module) == 0 && ask_one(x, i, w);
    if (there) continue;
    w->missed = true;
    ln_fail(&w->why, "not_found", LN_FINAL, "there is no such playbook with an `on` any more");
  }
}

static bool ask_all(decision *x, ln_err *err) {
  released l = {x, err, true};
  if (!ln_store_alert_runs(x->d->g->store, x->alert, note_released, &l, err) || !l.ok) return false;
  if (x->n) return ask_released(x), true;
  for (size_t i = 0; i < ln_triggers_count(x->d->triggers); i++) {
    wanted *w;
    const ln_trigger *t = ln_triggers_at(x->d->triggers, i);
    if (!t->on) continue;
    if (!add_wanted(x, t->module, &w, err)) return false;
    if (!ask_one(x, i, w)) wanted_free(w), x->n--;
  }
  return true;
}

static decision *decision_new(ln_deciding *d, const ln_alert_row *row, ln_err *err) {
  decision *x = calloc(1, sizeof *x);
  if (!x) {
    ln_fail(err, "memory", LN_AGAIN, "no memory for an alert");
    return NULL;
  }
  x->d = d;
  x->alert = row->id;
  x->now_ms = ln_now_ms(d->g->loop->clock);
  ln_buf_init(&x->value, VALUE_MAX);
  ln_buf_init(&x->by, 4096);
  ln_buf_init(&x->rule, 4096);
  ln_buf_init(&x->trace, 256);
  ln_buf_add(&x->by, row->by);
  if (ln_store_alert_trace(d->g->store, row->id, &x->trace, err) &&
      ln_store_content_get(d->g->store, row->sha256, &x->value, err)) {
    name_rule(row->source, ln_buf_view(&x->value), &x->rule);
    if (ask_all(x, err)) return x;
  }
  decision_free(x);
  return NULL;
}

/* ------------------------------------------------------------------ going through what is new */

static bool renew_triggers(ln_deciding *d, ln_err *err) {
  if (d->triggers && ln_triggers_current(d->triggers)) return true;
  ln_triggers *t = ln_triggers_new(d->g, err);
  if (!t) return d->triggers != NULL;                    /* the last ones that could be read */
  ln_triggers_free(d->triggers);
  d->triggers = t;
  return true;
}

static bool is_skipped(const ln_deciding *d, int64_t alert) {
  for (size_t i = 0; i < d->n_skipped && i < SKIPPED_MOST; i++)
    if (d->skipped[i] == alert) return true;
  return false;
}

/* One alert that cannot be read is no reason to stop for all others. */
static void skip(ln_deciding *d, int64_t alert, const ln_err *why) {
  ln_log(LN_ERROR, "trigger.skipped", "alert=%lld error=%s", (long long)alert, why->message);
  if (!d->n_skipped) d->g->loop->timer(d->g->loop, &d->again, SKIPPED_MS);
  d->skipped[d->n_skipped++ % SKIPPED_MOST] = alert;
}

/* A store that cannot be read now, or no memory, is no fault of the alert's. */
static bool passes_by(const ln_err *err) { return ln_err_is(err, "store") || ln_err_is(err, "memory"); }

typedef struct next { ln_deciding *d; decision *x; bool found; ln_err err; } next;

static bool decide_one(void *arg, const ln_alert_row *row) {
  next *n = arg;
  n->d->at = row->id;
  if (is_skipped(n->d, row->id)) return true;
  n->found = true;
  n->x = decision_new(n->d, row, &n->err);
  if (!n->x && !passes_by(&n->err)) skip(n->d, row->id, &n->err);
  else if (n->x && n->d->asked < row->id) n->d->asked = row->id;
  return false;
}

static bool decide_next(ln_deciding *d, bool *found, ln_err *err) {
  next n = {.d = d};
  size_t passed_over = d->n_skipped < SKIPPED_MOST ? d->n_skipped : SKIPPED_MOST;
  ln_alert_query q = {.state = LN_STR("new"), .oldest_first = true, .after_id = d->at,
                      .limit = (int64_t)passed_over + 1};
  *found = false;
  if (!renew_triggers(d, err) || !ln_store_alerts(d->g->store, &q, decide_one, &n, err)) return false;
  *found = n.found;
  if (passes_by(&n.err)) return *err = n.err, false;
  if (!n.x) return true;
  if (!ln_writer_submit(d->g->store, d->g->loop, decide_apply, decided, n.x)) {
    decision_free(n.x);
    return ln_fail(err, "memory", LN_AGAIN, "no memory for a job of the writer");
  }
  n.x->next = d->with_writer;
  d->with_writer = n.x;
  d->under_way++;
  if (!n.x->n) d->decided(d->arg, n.x->alert);           /* nobody wants it: there is nothing to wait for   */
  return true;
}

/* One alert a turn of the loop: `on` may take long, and others want the loop, too. */
static void look(void *arg) {
  ln_deciding *d = arg;
  ln_err err = {0};
  bool found;
  d->posted = false;
  if (d->stopping || d->under_way >= AT_ONCE) return;
  d->failed = false;
  if (!decide_next(d, &found, &err)) {
    ln_log(LN_ERROR, "trigger.failed", "error=%s", err.message);
    d->failed = true;
    d->g->loop->timer(d->g->loop, &d->again, AGAIN_MS);
  } else if (found) {
    ln_deciding_soon(d);
  }
}

static void again(void *arg) {
  ln_deciding *d = arg;
  d->failed = false;
  d->n_skipped = 0;
  if (d->under_way == 0) d->at = 0;
  ln_deciding_soon(d);
}

void ln_deciding_soon(ln_deciding *d) {
  if (d && !d->posted && !d->stopping && !d->failed) d->posted = ln_post(d->g->loop, look, d);
}

/* They are asked in the order in which they are committed. */
bool ln_deciding_is_over(const ln_deciding *d, int64_t alert) {
  for (const decision *x = d->with_writer; x; x = x->next)
    if (x->alert == alert) return x->n == 0;
  return alert <= d->asked && !is_skipped(d, alert);
}

ln_deciding *ln_deciding_start(ln_engine *g, void (*fn)(void *arg, int64_t alert), void *arg, ln_err *err) {
  ln_deciding *d = calloc(1, sizeof *d);
  if (!d) {
    ln_fail(err, "memory", LN_AGAIN, "no memory for triggers");
    return NULL;
  }
  d->g = g;
  d->decided = fn;
  d->arg = arg;
  d->again = (ln_timer){.loop = g->loop, .fn = again, .arg = d};
  ln_deciding_soon(d);
  return d;
}

static void stop_loop(void *arg) { ((ln_loop *)arg)->stop(arg); }

void ln_deciding_stop(ln_deciding *d) {
  if (!d) return;
  ln_loop *l = d->g->loop;
  d->stopping = true;
  l->cancel(l, &d->again);
  while ((d->under_way || d->posted) && ln_post(l, stop_loop, l)) l->run(l);
  ln_triggers_free(d->triggers);
  free(d);
}
