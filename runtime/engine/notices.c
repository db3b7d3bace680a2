/* notices.c: see notices.h.
**
** A target has one message on its way at a time, the longest due first.  That it is tried is written down
** before it is sent, with when it would be tried again; so after a crash the next process sends it once more.
** It may come twice, then under the same Idempotency-Key.  What is not taken is tried later and later, until
** nobody has any use of it.  None of this holds up a run: the queue is the store's.
**
** An address may be a secret as a whole: what goes wrong with it is told without naming even its host.
**
** A link to a question is made for each try.  It leads to where one signs in, and permits nothing: programs
** that look at links in messages before people do open it like anybody else. */
#include "engine/notices.h"

#include "base/base64.h"
#include "base/log.h"
#include "engine/credential.h"
#include "engine/library.h"
#include "engine/notice.h"

#include <stdio.h>
#include <stdlib.h>

enum {
  LOOK_MS = 1000,
  SEND_MS = 10000,                                       /* the whole exchange                              */
  LOST_MS = 15000,                                       /* one on its way when we died is tried again      */
  FIRST_MS = 1000, MOST_MS = 300000,                     /* between tries                                   */
  SWEEP_MS = 3600000,
  TOKEN = 32                                             /* bytes of chance                                 */
};

typedef struct target {
  ln_notices *all;
  const ln_notify_config *c;
  bool busy;
  void *sending;                                         /* of the transport                                */
  int64_t id, approval, until_ms, tries;                 /* of the notice under way                         */
  char key[80];                                          /* tells a repeat apart                            */
  ln_notice_facts text;
  uint64_t sent, failed;
} target;

struct ln_notices {
  ln_engine *g;
  target *v;
  size_t n;
  ln_run *vm;                                            /* for the modules that write the messages         */
  ln_timer tick;
  int64_t swept_ms;
  size_t under_way;                                      /* jobs with the writer                            */
  bool stopping;
};

typedef enum step { TRIED, FAILED, ENDED, SWEPT } step;
typedef struct job {
  ln_notices *all;
  target *t;
  step step;
  int64_t id, at_ms, approval, tries;
  char why[500], link[2 * LN_SHA256 + 1];                /* link "": none                                   */
} job;

static int64_t now_of(const ln_notices *n) { return ln_now_ms(n->g->loop->clock); }

static void look_in(ln_notices *n, int64_t ms) {
  if (!n->stopping) n->g->loop->timer(n->g->loop, &n->tick, ms);
}

/* ------------------------------------------------------------------ to disk */

static bool job_apply(ln_tx *tx, void *arg, ln_err *err) {
  const job *j = arg;
  switch (j->step) {
  case TRIED:
    return ln_tx_notice_tried(tx, j->id, j->at_ms, err) &&
           (!j->link[0] || ln_tx_link_put(tx, ln_str_of(j->link), j->approval, err));
  case FAILED: return ln_tx_notice_failed(tx, j->id, j->tries, j->at_ms, ln_str_of(j->why), err);
  case ENDED: return ln_tx_notice_end(tx, j->id, err);
  case SWEPT: break;
  }
  return ln_tx_notices_sweep(tx, j->at_ms, err);
}

static void send_it(target *t);

static void idle(target *t) {
  t->busy = false;
  ln_notice_facts_free(&t->text);
}

static void job_done(void *arg, const ln_err *err) {
  job *j = arg;
  ln_notices *n = j->all;
  target *t = j->t;
  n->under_way--;
  if (err) ln_log(LN_ERROR, "notify.store", "error=%s", err->message);
  if (!err && j->step == TRIED && !n->stopping) send_it(t);
  else if (t) idle(t), look_in(n, err ? LOOK_MS : 0);
  free(j);
}

static job *job_new(ln_notices *n, target *t, step s, int64_t at_ms) {
  job *j = calloc(1, sizeof *j);
  if (j) *j = (job){.all = n, .t = t, .step = s, .id = t ? t->id : 0, .at_ms = at_ms};
  return j;
}

/* If it cannot be handed over, the next look makes it anew. */
static void submit(job *j) {
  ln_notices *n = j->all;
  if (j->t) j->t->busy = true;
  if (ln_writer_submit(n->g->store, n->g->loop, job_apply, job_done, j)) {
    n->under_way++;
    return;
  }
  if (j->t) idle(j->t);
  free(j);
}

static void end(target *t) {
  job *j = job_new(t->all, t, ENDED, 0);
  if (j) submit(j);
  else idle(t);
}

/* Later and later; not at all, once nobody would have any use of it.  after_ms: what the other side wants. */
static void failed(target *t, const char *why, int64_t after_ms) {
  int64_t wait = FIRST_MS;
  for (int64_t i = 1; i < t->tries && wait < MOST_MS; i++) wait *= 2;
  if (wait > MOST_MS) wait = MOST_MS;
  if (after_ms > wait) wait = after_ms < MOST_MS ? after_ms : MOST_MS;
  int64_t at = now_of(t->all) + wait;
  bool over = at >= t->until_ms;
  t->failed++;
  ln_log(over ? LN_ERROR : LN_WARN, over ? "notify.given_up" : "notify.failed",
         "to=%s id=%s tries=%lld error=%s", t->c->name.p, t->key, (long long)t->tries, why);
  job *j = job_new(t->all, t, FAILED, over ? LN_NEVER : at);
  if (!j) {
    idle(t);
    return;
  }
  j->tries = t->tries;
  snprintf(j->why, sizeof j->why, "%s", why);
  submit(j);
}

/* ------------------------------------------------------------------ on the wire */

/* The address: written down, or a secret.  Wipe it. */
static bool address(const ln_engine *g, const ln_notify_config *c, ln_buf *url, bool *loopback, ln_err *err) {
  ln_buf_init(url, 16 << 10);
  ln_buf_secret(url);
  if (!c->secret.n) ln_buf_add(url, c->url);
  else if (!g->vault) return ln_fail(err, "unauthorised", LN_FINAL, "no secrets can be read here");
  else if (!ln_secret_at_hand(g->vault, c->secret, url, err)) return false;
  ln_buf_chomp(url);
  return (ln_buf_ok(url, err) && ln_config_is_url(ln_buf_view(url), loopback)) || err->code[0] ||
         ln_fail(err, "config", LN_FINAL, "the secret %s holds no https:// address", c->secret.p);
}

static void answered(void *arg, const ln_answer *a) {
  target *t = arg;
  char why[500];
  t->sending = NULL;
  if (a->sent == LN_ANSWERED && a->status >= 200 && a->status < 300) {
    t->sent++;
    end(t);
    return;
  }
  int64_t after_ms = 0;
  ln_str after = ln_answer_header(a, LN_STR("Retry-After"));
  for (size_t i = 0; i < after.n && i < 6 && after.p[i] >= '0' && after.p[i] <= '9'; i++)
    after_ms = after_ms * 10 + (after.p[i] - '0') * 1000;
  if (a->sent == LN_ANSWERED) snprintf(why, sizeof why, "HTTP %d", a->status);
  else snprintf(why, sizeof why, "%s", t->c->secret.n ? a->err.code : a->err.message);
  failed(t, why, after_ms);
}

static bool sign(target *t, ln_str url, ln_str *header, ln_buf *value, ln_err *err) {
  ln_buf_init(value, 64 << 10);
  return !t->c->auth.n || ln_credential_show(t->all->g, t->c->auth, ln_config_host(url),
                                             ln_buf_view(&t->text.message), false, header, value, err);
}

static bool post(target *t, ln_str url, bool loopback, ln_str auth, ln_str value) {
  ln_transport *net = t->all->g->transport;
  const ln_header headers[] = {
      {LN_STR("Content-Type"),
       t->text.json ? LN_STR("application/json") : LN_STR("text/plain; charset=utf-8")},
      {LN_STR("Idempotency-Key"), ln_str_of(t->key)},
      {auth, value}};
  ln_request r = {.method = LN_STR("POST"), .url = url, .headers = headers, .n_headers = auth.n ? 3 : 2,
                  .body = ln_buf_view(&t->text.message), .timeout_ms = SEND_MS, .max_response = 64 << 10,
                  .loopback_ok = loopback};
  t->sending = net->send(net, &r, answered, t);
  return t->sending != NULL;
}

static void send_it(target *t) {
  ln_buf url, value = {0};
  ln_err err = {0};
  ln_str auth = {NULL, 0};
  bool loopback = false;
  bool ok = address(t->all->g, t->c, &url, &loopback, &err) &&
            sign(t, ln_buf_view(&url), &auth, &value, &err);
  if (ok && !post(t, ln_buf_view(&url), loopback, auth, ln_buf_view(&value)))
    ok = ln_fail(&err, "memory", LN_AGAIN, "no memory to send it");
  ln_buf_wipe(&value);
  ln_buf_wipe(&url);
  bool names_host = t->c->secret.n && t->c->auth.n && ln_err_is(&err, "refused");
  if (!ok) failed(t, names_host ? err.code : err.message, 0);
}

/* ------------------------------------------------------------------ what is due */

void ln_link_hash(ln_str token, char hex[2 * LN_SHA256 + 1]) {
  uint8_t sha[LN_SHA256] = {0};
  ln_sha256(token, sha);
  ln_hex(sha, sizeof sha, hex);
}

/* Appends where to look: a question is opened by a link of its own, whose hash is put as well; a run has its
** page.  Nothing where no address is configured. */
static bool put_link(target *t, const ln_notice *n, ln_buf *link, char hash[2 * LN_SHA256 + 1], ln_err *err) {
  ln_engine *g = t->all->g;
  uint8_t token[TOKEN];
  ln_str base = g->config->public_url;
  hash[0] = '\0';
  if (!base.n) return true;
  if (!n->approval || ln_str_eq(n->event, LN_STR("decided"))) {
    ln_buf_addf(link, "%.*s/%s%s", LN_STR_ARG(base), n->ulid[0] ? "#/runs/" : "", n->ulid);
    return ln_buf_ok(link, err);
  }
  if (!g->rand->bytes(g->rand, token, sizeof token, err)) return false;
  ln_buf_addf(link, "%.*s/v1/open/", LN_STR_ARG(base));
  size_t from = link->n;
  bool ok = ln_base64url((ln_str){(const char *)token, sizeof token}, link) && ln_buf_ok(link, err);
  if (ok) ln_link_hash((ln_str){link->p + from, link->n - from}, hash);
  return ok;
}

/* A module that was edited meanwhile writes the next message. */
static bool renew_vm(ln_notices *n, ln_err *err) {
  ln_snapshot *now = ln_snapshot_take(n->g, (ln_str){NULL, 0}, err);
  bool same = now && n->vm && strcmp(ln_snapshot_hash(now), ln_snapshot_hash(n->vm->scripts)) == 0;
  ln_snapshot_drop(now);
  if (same || !now) return now != NULL;
  ln_scratch_free(n->vm);
  return (n->vm = ln_scratch_new(n->g, true, err)) != NULL;
}

static void begin(target *t, const ln_notice *n) {
  ln_err err = {0};
  ln_buf link;
  char hash[2 * LN_SHA256 + 1] = "";
  bool over = now_of(t->all) >= n->until_ms;
  t->id = n->id, t->approval = n->approval, t->until_ms = n->until_ms, t->tries = n->tries + 1;
  snprintf(t->key, sizeof t->key, "%s-%lld-%lld", n->ulid[0] ? n->ulid : "lunette", (long long)n->id,
           (long long)n->ms);
  t->busy = true;
  if (over) {                                            /* it came to nobody, or nobody was here           */
    failed(t, n->why.n ? n->why.p : "it was not sent in time", 0);
    return;
  }
  ln_buf_init(&link, 4096);
  bool ok = put_link(t, n, &link, hash, &err) && renew_vm(t->all, &err) &&
            ln_notice_look(t->all->g, n, ln_buf_view(&link), &t->text, &err) &&
            (t->text.gone || ln_notice_write(t->all->vm, t->c->format, &t->text, &err));
  ln_buf_wipe(&link);
  job *j = ok && !t->text.gone ? job_new(t->all, t, TRIED, now_of(t->all) + LOST_MS) : NULL;
  if (ok && t->text.gone) end(t);
  else if (!ok) failed(t, err.message, 0);
  else if (!j) idle(t);
  else {
    memcpy(j->link, hash, sizeof hash);
    j->approval = t->approval;
    submit(j);
  }
}

static void see_due(void *arg, const ln_notice *n) { begin(arg, n); }

static void tick(void *arg) {
  ln_notices *n = arg;
  ln_err err = {0};
  int64_t now = now_of(n);
  if (now - n->swept_ms >= SWEEP_MS) {
    job *j = job_new(n, NULL, SWEPT, now);
    n->swept_ms = now;
    if (j) submit(j);
  }
  for (size_t i = 0; i < n->n; i++)
    if (!n->v[i].busy && !ln_store_notice_due(n->g->store, n->v[i].c->name, now, see_due, &n->v[i], &err))
      ln_log(LN_ERROR, "notify.store", "error=%s", err.message);
  look_in(n, LOOK_MS);
}

/* ------------------------------------------------------------------ beginning and end */

ln_notices *ln_notices_start(ln_engine *g, ln_err *err) {
  size_t most = g->config->n_notify;
  ln_notices *n = calloc(1, sizeof *n);
  if (!n || !(n->v = calloc(most ? most : 1, sizeof *n->v))) {
    free(n);
    ln_fail(err, "memory", LN_AGAIN, "no memory to notify anybody");
    return NULL;
  }
  n->g = g;
  n->n = most;
  for (size_t i = 0; i < most; i++) n->v[i].all = n, n->v[i].c = &g->config->notify[i];
  n->tick = (ln_timer){.loop = g->loop, .fn = tick, .arg = n};
  if (most) look_in(n, 0);
  return n;
}

static void stop_loop(void *arg) { ((ln_loop *)arg)->stop(arg); }

void ln_notices_stop(ln_notices *n) {
  if (!n) return;
  ln_loop *l = n->g->loop;
  n->stopping = true;
  l->cancel(l, &n->tick);
  for (size_t i = 0; i < n->n; i++)
    if (n->v[i].sending) n->g->transport->drop(n->g->transport, n->v[i].sending);
  while (n->under_way && ln_post(l, stop_loop, l)) l->run(l);
  for (size_t i = 0; i < n->n; i++) ln_notice_facts_free(&n->v[i].text);
  ln_scratch_free(n->vm);
  free(n->v);
  free(n);
}

void ln_notices_each(const ln_notices *n, void (*fn)(void *arg, const ln_notices_stats *s), void *arg) {
  for (size_t i = 0; i < n->n; i++) {
    ln_notices_stats s = {n->v[i].c->name.p, n->v[i].sent, n->v[i].failed};
    fn(arg, &s);
  }
}

bool ln_notice_check(ln_engine *g, const ln_notify_config *c, ln_err *err) {
  ln_buf url, module;
  ln_str source, at;
  bool loopback;
  bool ok = address(g, c, &url, &loopback, err);
  ln_buf_wipe(&url);
  ln_snapshot *s = ok ? ln_snapshot_take(g, (ln_str){NULL, 0}, err) : NULL;
  ln_buf_init(&module, 4096);
  ln_notice_module(c->format, &module);
  ok = s && ln_snapshot_source(s, ln_buf_view(&module), &source, &at, err);
  ln_buf_free(&module);
  ln_snapshot_drop(s);
  return ok;
}
