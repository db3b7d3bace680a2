/* network.c: the vendors behind a bad network.  Every request passes here, and what the vendor did with it is
** kept by the vendor's own account: how much its log grew.  The network loses requests and answers, brings
** them late or twice, and puts pages of its own in their place; a vendor acts and then says that it did
** not. */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>

enum { LATE_MAX = 16, URL_MAX = 2048 };

typedef enum fault {
  GOOD,
  NOBODY,
  LOST,
  LOST_AFTER,
  TIMED_OUT,
  LATE,
  SLOW,
  HALF,
  PAGE,
  PAGE_GOOD,
  PAGE_AFTER,
  BROKEN,
  BROKEN_AFTER,
  TOO_MANY,
  EMPTY,
  TWICE,
  FAULTS
} fault;
static const char *const fault_names[FAULTS] = {"good",
                                                "nobody there",
                                                "lost",
                                                "answer lost",
                                                "timed out after acting",
                                                "late",
                                                "slow",
                                                "half",
                                                "a page, 503",
                                                "a page, 200",
                                                "a page, 504 after acting",
                                                "500",
                                                "502 after acting",
                                                "429",
                                                "empty",
                                                "twice"};

typedef struct sending { ln_answer_fn done; void *arg; void *real; sim_ask kind; } sending;

typedef struct network {
  ln_transport base;
  ln_transport *real;
  const ln_engine *engine;                               /* whose process it is                             */
} network;

/* A request that arrives when its sender does not wait for it any more, or is dead. */
typedef struct late {
  bool used;
  char method[8], url[URL_MAX];
  ln_buf body;
  ln_header headers[16];
  size_t n_headers;
  ssize_t request;                                       /* of here->req; -1: none of a write               */
  int64_t due_ms;
  ln_timer timer;
} late;

static late waiting[LATE_MAX];
static ssize_t now_sending = -1;                         /* the request of here->req that passes            */
static sim_ask now_kind;
static bool death_before;                                /* its sender dies before it arrives               */

static int64_t now(void) { return ln_now_ms(here->g->loop->clock); }

/* ------------------------------------------------------------------ who sends? */

static bool is_noted(const ln_effect *e) {
  for (size_t i = here->n_req; i-- > 0;)
    if (here->req[i].attempt == e->attempts && here->req[i].life == here->life &&
        strcmp(here->req[i].ulid, e->run->ulid) == 0 && strcmp(here->req[i].step, e->name) == 0)
      return true;
  return false;
}

/* A write is sent in the very call that its module is asked to: it is the one that stands at "sent" since
** this moment, and whose attempt has not been seen. */
static const ln_effect *sender(const ln_engine *g) {
  for (const ln_run *r = g->state; r; r = r->next)
    for (const ln_branch *b = r->branches; b; b = b->next) {
      const ln_effect *e = b->asked;
      if (e && !e->finished && e->op->cls == LN_WRITE && e->stand == LN_W_SENT && e->sent_ms == now() &&
          !is_noted(e))
        return e;
    }
  return NULL;
}

static bool is_token(const ln_request *r) { return ln_str_find(r->url, LN_STR("/oauth2/")) >= 0; }

static ssize_t note_write(const ln_effect *e) {
  if (here->n_req == here->cap_req) {
    here->cap_req = here->cap_req ? 2 * here->cap_req : 256;
    here->req = realloc(here->req, here->cap_req * sizeof *here->req);
    if (!here->req) abort();
  }
  sim_request *q = &here->req[here->n_req];
  *q = (sim_request){
      .attempt = e->attempts, .life = here->life, .idempotent = e->op->idempotent, .at_ms = now()};
  memcpy(q->ulid, e->run->ulid, sizeof q->ulid);
  snprintf(q->step, sizeof q->step, "%s", e->name);
  snprintf(q->op, sizeof q->op, "%s", e->op->name);
  here->out->writes++;
  return (ssize_t)here->n_req++;
}

/* ------------------------------------------------------------------ the vendors */

static bool vendor_of(ln_str url, char out[64]) {
  ln_str host = {url.p + 8, url.n > 8 ? url.n - 8 : 0};
  const char *dot = host.n ? memchr(host.p, '.', host.n) : NULL;
  if (!dot || dot - host.p >= 64) return false;
  snprintf(out, 64, "%.*s", (int)(dot - host.p), host.p);
  return true;
}

static int64_t log_length(const char *vendor) {
  ln_buf b;
  ln_err err;
  ln_vitem v = {0};
  ln_buf_init(&b, 64 << 20);
  if (!ln_simhost_log(here->w->vendors, ln_str_of(vendor), &b, &err)) sim_fail("%s: %s", vendor, err.message);
  ln_str rest = ln_buf_view(&b);
  ln_v_read(&rest, &v);
  ln_buf_free(&b);
  return (int64_t)v.count;
}

/* Commands to a host are in the vendor's log only once the host has done them: it says that it took them. */
static bool is_command(const ln_request *r) {
  return ln_str_find(r->url, LN_STR("/active-responder-command/")) >= 0;
}

/* The vendor gets it, and answers.  Its log says what it did; of q that is kept. */
static bool arrive(const ln_request *r, ssize_t which, ln_sim_reply *out) {
  char vendor[64];
  ln_err err;
  if (!vendor_of(r->url, vendor) || !ln_simhost_start(here->w->vendors, ln_str_of(vendor), NULL, &err))
    return false;
  int64_t before = which >= 0 ? log_length(vendor) : 0;
  bool there = ln_simhost_handle(here->w->vendors, r, out);
  here->out->requests++;
  if (!there || which < 0) return there;
  sim_request *q = &here->req[which];
  if (is_command(r)) q->acted += out->answer.status == 201;
  else q->acted += log_length(vendor) > before;
  return true;
}

/* ------------------------------------------------------------------ faults */

static void no_free(ln_sim_reply *r) { (void)r; }

static void answer_with(ln_sim_reply *out, int status, const char *type, const char *body) {
  static ln_header headers[2];
  if (out->free) out->free(out);
  headers[0] = (ln_header){LN_STR("Content-Type"), ln_str_of(type)};
  headers[1] = (ln_header){LN_STR("Retry-After"), LN_STR("2")};
  out->answer = (ln_answer){.sent = LN_ANSWERED,
                            .status = status,
                            .headers = headers,
                            .n_headers = status == 429 ? 2 : 1,
                            .body = ln_str_of(body)};
  out->free = no_free;
}

static void lose(ln_sim_reply *out, const char *why) {
  if (out->free) out->free(out);
  out->answer = (ln_answer){.sent = LN_PERHAPS_SENT};
  ln_fail(&out->answer.err, "unavailable", LN_AGAIN, "%s", why);
  out->free = no_free;
}

static const char page[] = "<!DOCTYPE html><html><body><h1>Something else</h1></body></html>";

static fault choose(void) {
  static const fault read_faults[] = {NOBODY, LOST,      LOST_AFTER, TIMED_OUT, SLOW, HALF,
                                      PAGE,   PAGE_GOOD, BROKEN,     TOO_MANY,  EMPTY};
  static const fault write_faults[] = {NOBODY, LOST,         LOST_AFTER, TIMED_OUT, LATE,
                                       SLOW,   HALF,         PAGE,       PAGE_GOOD, PAGE_AFTER,
                                       BROKEN, BROKEN_AFTER, TOO_MANY,   EMPTY,     TWICE};
  if (here->replaying || !sim_chance(&here->luck, here->weather)) return GOOD;
  here->out->faults++;
  if (now_sending < 0) return read_faults[sim_pick(&here->luck, sizeof read_faults / sizeof *read_faults)];
  return write_faults[sim_pick(&here->luck, sizeof write_faults / sizeof *write_faults)];
}

static late *keep_late(const ln_request *r, int64_t after_ms) {
  late *l = waiting;
  while (l < waiting + LATE_MAX && l->used) l++;
  if (l == waiting + LATE_MAX || r->url.n >= URL_MAX || r->n_headers > 16) return NULL;
  *l = (late){.used = true, .request = now_sending, .due_ms = now() + after_ms, .n_headers = r->n_headers};
  snprintf(l->method, sizeof l->method, "%.*s", LN_STR_ARG(r->method));
  snprintf(l->url, sizeof l->url, "%.*s", LN_STR_ARG(r->url));
  ln_buf_init(&l->body, 1 << 20);
  ln_buf_add(&l->body, r->body);
  for (size_t i = 0; i < r->n_headers; i++) {
    ln_str n = r->headers[i].name, v = r->headers[i].value;
    l->headers[i] = (ln_header){{ln_str_dup(n), n.n}, {ln_str_dup(v), v.n}};
  }
  if (l->request >= 0) here->req[l->request].late = true;
  return l;
}

static void late_arrives(void *arg) {
  late *l = arg;
  ln_sim_reply out = {0};
  ln_request r = {.method = ln_str_of(l->method),
                  .url = ln_str_of(l->url),
                  .headers = l->headers,
                  .n_headers = l->n_headers,
                  .body = ln_buf_view(&l->body),
                  .max_response = 1 << 20};
  sim_trace("arrives late", r.url);
  bool there = arrive(&r, l->request, &out);
  if (l->request >= 0) here->req[l->request].late = false;
  if (there) out.free(&out);
  l->used = false;
}

static void bring(late *l) {
  l->timer = (ln_timer){.fn = late_arrives, .arg = l};
  int64_t left = l->due_ms - now();
  if (!here->g->loop->timer(here->g->loop, &l->timer, left > 0 ? left : 0)) abort();
}

void sim_network_next_life(void) {
  for (late *l = waiting; l < waiting + LATE_MAX; l++)
    if (l->used) bring(l);
}

bool sim_network_quiet(void) {
  for (late *l = waiting; l < waiting + LATE_MAX; l++)
    if (l->used) return false;
  return true;
}

/* How late one may be: before anybody believes that it did not arrive, and, where it is simply sent again
** after a second, before that. */
static int64_t lateness(bool death) {
  bool again = now_sending >= 0 && here->req[now_sending].idempotent && !death;
  return 1 + (int64_t)sim_pick(&here->luck, again ? 800 : 4000);
}

/* Once the vendor has acted. */
static void spoil(fault f, const ln_request *r, ln_sim_reply *out) {
  switch (f) {
  case LOST_AFTER: lose(out, "the connection was reset"); break;
  case HALF: lose(out, "half an answer"); break;
  case TIMED_OUT: out->after_ms = r->timeout_ms > 0 ? r->timeout_ms + 1000 : 120000; break;
  case SLOW: out->after_ms += 1000 + (int64_t)sim_pick(&here->luck, 15000); break;
  case PAGE_AFTER: answer_with(out, 504, "text/html", page); break;
  case BROKEN_AFTER: answer_with(out, 502, "application/json", "{\"error\":\"bad gateway\"}"); break;
  case EMPTY: out->answer.body = (ln_str){NULL, 0}; break;
  default: break;
  }
}

static bool answered_before(fault f, const ln_request *r, ln_sim_reply *out) {
  out->after_ms = 20;
  switch (f) {
  case LOST: lose(out, "the connection was reset"); return true;
  case PAGE: answer_with(out, 503, "text/html", page); return true;
  case PAGE_GOOD: answer_with(out, 200, "text/html", page); return true;
  case BROKEN: answer_with(out, 500, "application/json", "{\"error\":\"internal\"}"); return true;
  case TOO_MANY: answer_with(out, 429, "application/json", "{\"error\":\"too many\"}"); return true;
  case LATE: {
    late *l = keep_late(r, lateness(false));
    if (l) bring(l);
    if (l && now_sending >= 0 && here->req[now_sending].idempotent) out->after_ms = l->due_ms - now();
    lose(out, "no answer");
    return true;
  }
  default: return false;
  }
}

/* The second answer is the one that comes, unless it is a refusal, or will be a command's end, because of the
** first: who would be told so by a network that sends things twice has no way to know better. */
static bool arrive_twice(const ln_request *r, ln_sim_reply *out) {
  ln_sim_reply first = {0};
  if (now_sending >= 0) here->req[now_sending].twice = true;
  if (!arrive(r, now_sending, &first) || !arrive(r, now_sending, out)) return false;
  bool second = out->answer.status < 300 && !is_command(r);
  ln_sim_reply other = second ? first : *out;
  if (!second) *out = first;
  other.free(&other);
  return true;
}

/* The handler of the simulated transport. */
static bool handle(void *arg, const ln_request *r, ln_sim_reply *out) {
  (void)arg;
  if (here->replaying) {
    sim_fail("a replay sends %.*s %.*s", LN_STR_ARG(r->method), LN_STR_ARG(r->url));
    return false;
  }
  fault f = choose();
  if (death_before) {                                    /* it left before its sender died, or it did not */
    late *l = sim_pick(&here->luck, 2) ? keep_late(r, lateness(true)) : NULL;
    (void)l;
    sim_die(sim_ask_point(now_kind, AT_SENT), false);
  }
  if (f != GOOD) sim_trace(fault_names[f], r->url);
  if (f == NOBODY) return false;
  if (answered_before(f, r, out)) return true;
  if (f == TWICE ? !arrive_twice(r, out) : !arrive(r, now_sending, out)) return false;
  if (f != GOOD) spoil(f, r, out);
  char status[16];
  snprintf(status, sizeof status, "%d", out->answer.status);
  sim_trace("answer", ln_str_of(status));
  sim_trace("body", out->answer.body);
  sim_point(sim_ask_point(now_kind, AT_ACTED));
  return true;
}

/* ------------------------------------------------------------------ the transport */

static void answered(void *arg, const ln_answer *a) {
  sending s = *(sending *)arg;
  free(arg);
  sim_point(sim_ask_point(s.kind, AT_ANSWERED));
  s.done(s.arg, a);
}

static void *send_request(ln_transport *base, const ln_request *r, ln_answer_fn done, void *arg) {
  network *n = (network *)base;
  sending *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  const ln_effect *e = is_token(r) ? NULL : sender(n->engine);
  *s = (sending){.done = done, .arg = arg, .kind = is_token(r) ? ASK_TOKEN : e ? ASK_WRITE : ASK_READ};
  sim_trace(e ? e->name : "read", r->method);
  sim_trace("url", r->url);
  sim_trace("sent", r->body);
  now_kind = s->kind;
  now_sending = e ? note_write(e) : -1;
  death_before = sim_strikes(sim_ask_point(s->kind, AT_SENT));
  s->real = n->real->send(n->real, r, answered, s);
  now_sending = -1;
  if (s->real) return s;
  free(s);
  return NULL;
}

static void drop(ln_transport *base, void *arg) {
  network *n = (network *)base;
  n->real->drop(n->real, ((sending *)arg)->real);
  free(arg);
}

static void free_network(ln_transport *base) {
  network *n = (network *)base;
  if (!n) return;
  n->real->free(n->real);
  free(n);
}

ln_transport *sim_network(const ln_engine *g, ln_err *err) {
  network *n = calloc(1, sizeof *n);
  if (!n || !(n->real = ln_transport_sim(g->loop, handle, NULL, err))) return free(n), NULL;
  n->base = (ln_transport){send_request, drop, free_network};
  n->engine = g;
  return &n->base;
}

/* ------------------------------------------------------------------ the truth */

static char *truth_of(const char *vendor) {
  char path[64];
  snprintf(path, sizeof path, "tests/sim/truth/%s.lua", vendor);
  FILE *f = fopen(path, "r");
  char *text = calloc(1, 8192);
  if (f && text) (void)!fread(text, 1, 8191, f);
  if (f) fclose(f);
  return text;
}

bool sim_truth(const char *vendor, ln_buf *rows) {
  ln_err err;
  if (!ln_simhost_log(here->w->vendors, ln_str_of(vendor), rows, &err)) return false;
  sim_trace(vendor, ln_buf_view(rows));
  ln_buf_cut(rows, 0);
  char *chunk = truth_of(vendor);
  bool ok = ln_simhost_do(here->w->vendors, ln_str_of(vendor), chunk, &err) &&
            ln_simhost_log(here->w->vendors, ln_str_of(vendor), rows, &err);
  if (!ok) sim_fail("%s: %s", vendor, err.message);
  free(chunk);
  return ok;
}

/* A file of our own is no vendor's. */
bool sim_knows(const char *op) { return strncmp(op, "file.", 5) != 0; }
