/* api_health.c: is all well here?  For those who look from outside, so nothing is said but what is wrong; and
** the counters, for those who may see them. */
#include "server/handlers.h"

#include "engine/drift.h"
#include "engine/silence.h"
#include "engine/traces.h"
#include "net/vendor.h"
#include "server/tallies.h"

#include <stdio.h>

typedef struct health { /* what is wrong */
  bool store, frozen, scripts, stopping;
  ln_buf silent;                                         /* names, a line each; not to be freed when empty  */
} health;

static bool is_frozen(void *arg, const ln_freeze *f) {
  (void)f;
  ((health *)arg)->frozen = true;
  return false;
}

static void is_stale(void *arg, const ln_stale *s) {
  (void)s;
  ((health *)arg)->scripts = true;
}

static void is_silent(void *arg, const ln_intake_heard *i) {
  if (i->silent) ln_buf_addf(&((health *)arg)->silent, "silent: %s\n", i->name);
}

/* silent is the caller's to free. */
static health look(const ln_api *a) {
  health h = {.store = false};
  ln_err quiet = {0};
  ln_buf_init(&h.silent, 1 << 16);
  h.store = !ln_store_freezes(ln_api_engine(a)->store, is_frozen, &h, &quiet) ||
            !ln_silence_each(ln_api_engine(a), is_silent, &h, &quiet);
  ln_reload_stale(ln_service_scripts(ln_api_service(a)), (ln_str){NULL, 0}, is_stale, &h);
  return h;
}

static bool answer(ln_api *a, const health *h, ln_err *err) {
  const struct {
    const char *name;
    bool wrong;
  } all[] = {{"store", h->store}, {"frozen", h->frozen}, {"scripts", h->scripts}, {"stopping", h->stopping}};
  bool wrong = h->silent.n > 0;
  ln_str line, rest = ln_buf_view(&h->silent);
  ln_buf b;
  ln_json j;
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) wrong |= all[i].wrong;
  ln_buf_init(&b, 1024);
  ln_json_init(&j, &b);
  ln_json_open(&j, '{');
  ln_json_key(&j, LN_STR("status"));
  ln_json_strz(&j, wrong ? "red" : "green");
  ln_json_key(&j, LN_STR("why"));
  ln_json_open(&j, '[');
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (all[i].wrong) ln_json_strz(&j, all[i].name);
  while (rest.n) {
    ln_str_cut(rest, '\n', &line, &rest);
    ln_json_str(&j, line);
  }
  ln_json_close(&j, ']');
  ln_json_close(&j, '}');
  bool ok = ln_buf_ok(&b, err);
  if (ok && wrong) ln_api_status(a, 503);
  if (ok) ln_api_answer(a, ln_buf_view(&b));
  ln_buf_free(&b);
  return ok;
}

bool ln_api_health(ln_api *a, ln_err *err) {
  health h = look(a);
  bool ok = answer(a, &h, err);
  ln_buf_free(&h.silent);
  return ok;
}

bool ln_api_ready(ln_api *a, ln_err *err) {
  health h = look(a);
  h.stopping = ln_service_is_draining(ln_api_service(a));
  bool ok = answer(a, &h, err);
  ln_buf_free(&h.silent);
  return ok;
}

/* ------------------------------------------------------------------ metrics */

enum { COUNTED_MOST = 10000 };

static void put_head(ln_buf *out, const char *name, const char *type, const char *help) {
  ln_buf_addf(out, "# TYPE %s %s\n# HELP %s %s\n", name, type, name, help);
}

static void put_writer(ln_engine *g, ln_buf *out) {
  ln_writer_stats w;
  ln_writer_stats_get(g->store, &w);
  put_head(out, "lunette_store_commit_seconds", "summary",
           "Transactions of the store's writer, and their syncs.");
  ln_buf_addf(out, "lunette_store_commit_seconds_count %llu\nlunette_store_commit_seconds_sum %.6f\n",
              (unsigned long long)w.commits, (double)w.commit_us / 1e6);
  put_head(out, "lunette_store_jobs", "counter", "What those transactions did.");
  ln_buf_addf(out, "lunette_store_jobs_total %llu\n", (unsigned long long)w.jobs);
  put_head(out, "lunette_store_journal_bytes", "counter", "Bytes of journal written.");
  ln_buf_addf(out, "lunette_store_journal_bytes_total %llu\n", (unsigned long long)w.bytes);
}

static void put_gauge(ln_buf *out, const char *name, const char *help, int64_t v) {
  put_head(out, name, "gauge", help);
  ln_buf_addf(out, "%s %lld\n", name, (long long)v);
}

static bool put_runs(ln_engine *g, const ln_sched *s, ln_buf *out, ln_err *err) {
  int64_t under_way, parked;
  ln_counts n;
  if (!ln_store_counts(g->store, ln_now_ms(g->loop->clock), COUNTED_MOST, &n, err)) return false;
  ln_sched_count(s, &under_way, &parked);
  put_head(out, "lunette_runs", "gauge", "Runs in the store by state; counted as far as 10000.");
  ln_buf_addf(out, "lunette_runs{state=\"running\"} %lld\nlunette_runs{state=\"waiting\"} %lld\n",
              (long long)n.running, (long long)n.waiting);
  put_gauge(out, "lunette_runs_due", "Waits whose time has come; counted as far as 10000.", n.due);
  put_gauge(out, "lunette_runs_carried", "Runs under way in memory.", under_way);
  put_gauge(out, "lunette_runs_parked", "Parked runs whose VM is kept in memory.", parked);
  put_gauge(out, "lunette_approvals_waiting", "Questions to people; counted as far as 10000.", n.asked);
  return true;
}

enum { VENDORS = 32 };
typedef struct vendors {
  struct {
    const char *name;
    ln_vendor_stats s;
  } v[VENDORS];
  size_t n;
} vendors;

static void see_vendor(void *arg, const char *name, const struct ln_vendor *v) {
  vendors *all = arg;
  if (all->n == VENDORS) return;
  all->v[all->n].name = name;
  ln_vendor_stats_get(v, &all->v[all->n++].s);
}

static int64_t of_vendor(const ln_vendor_stats *s, size_t metric) {
  const int64_t all[] = {(int64_t)s->calls, (int64_t)s->attempts, (int64_t)s->retries, s->waiting,
                         s->in_flight,      s->remaining,         s->wait_ms / 1000,   s->open};
  return all[metric];
}

/* What the vendor has not said is left out. */
static void put_vendors(ln_engine *g, ln_buf *out) {
  static const struct {
    const char *name, *type, *help;
  } metrics[] = {
      {"lunette_vendor_calls", "counter", "Calls that runs made of a vendor."},
      {"lunette_vendor_attempts", "counter", "Requests that were sent for them."},
      {"lunette_vendor_retries", "counter", "Of these, again."},
      {"lunette_vendor_queued", "gauge", "Calls that wait for their turn."},
      {"lunette_vendor_in_flight", "gauge", "Requests on the wire."},
      {"lunette_vendor_limit_remaining", "gauge", "Calls that the vendor has left to us, as it last said."},
      {"lunette_vendor_limit_wait", "gauge", "Seconds until its limits let the next one through."},
      {"lunette_vendor_breaker_open", "gauge", "1 while nobody is let through, after failures in a row."}};
  vendors all = {.n = 0};
  if (g->each_vendor) g->each_vendor(g, see_vendor, &all);
  for (size_t m = 0; m < sizeof metrics / sizeof *metrics; m++) {
    bool counter = metrics[m].type[0] == 'c';
    put_head(out, metrics[m].name, metrics[m].type, metrics[m].help);
    for (size_t i = 0; i < all.n; i++) {
      int64_t v = of_vendor(&all.v[i].s, m);
      if (v < 0) continue;
      ln_buf_addf(out, "%s%s{vendor=\"", metrics[m].name, counter ? "_total" : "");
      ln_tallies_label(out, ln_str_of(all.v[i].name));
      ln_buf_addf(out, "\"} %lld\n", (long long)v);
    }
  }
}

typedef struct gauging { ln_buf *out; int64_t now_ms; bool silent; } gauging;

static void gauge_intake(void *arg, const ln_intake_heard *i) {
  const gauging *g = arg;
  ln_buf_addf(g->out, "lunette_intake_%s{intake=\"", g->silent ? "silent" : "quiet_seconds");
  ln_tallies_label(g->out, ln_str_of(i->name));
  ln_buf_addf(g->out, "\"} %lld\n",
              (long long)(g->silent ? i->silent : i->at_ms ? (g->now_ms - i->at_ms) / 1000 : 0));
}

static bool put_intake(ln_engine *g, ln_buf *out, ln_err *err) {
  gauging v = {.out = out, .now_ms = ln_now_ms(g->loop->clock)};
  put_head(out, "lunette_intake_quiet_seconds", "gauge",
           "For how long nothing has come by a way in that can be silent.");
  if (!ln_silence_each(g, gauge_intake, &v, err)) return false;
  v.silent = true;
  put_head(out, "lunette_intake_silent", "gauge", "1 while that is for too long.");
  return ln_silence_each(g, gauge_intake, &v, err);
}

static void put_counter(ln_buf *out, const char *name, const char *help, uint64_t v) {
  put_head(out, name, "counter", help);
  ln_buf_addf(out, "%s_total %llu\n", name, (unsigned long long)v);
}

static void put_traces(const ln_engine *g, ln_buf *out) {
  ln_traces_stats s;
  if (!g->traces) return;
  ln_traces_stats_get(g->traces, &s);
  put_counter(out, "lunette_traces_sent", "Spans that the collector took.", s.sent);
  put_counter(out, "lunette_traces_dropped", "Spans that it never got: it was away, or too slow.", s.dropped);
  put_gauge(out, "lunette_traces_waiting", "Spans that are to be sent.", (int64_t)s.waiting);
}

static void put_one_drift(void *arg, const ln_drift *d) {
  ln_buf *out = arg;
  ln_buf_addz(out, "lunette_vendor_drift_total{operation=\"");
  ln_tallies_label(out, ln_str_of(d->op));
  ln_buf_addf(out, "\",kind=\"%s\"} %lld\n", d->what[0] ? "shape" : "deprecated", (long long)d->count);
}

static void put_drift(const ln_engine *g, ln_buf *out) {
  put_head(out, "lunette_vendor_drift", "counter",
           "Answers that call their operation deprecated, or are not as the connector expects.");
  ln_drift_each(g, put_one_drift, out);
}

static void count_stale(void *arg, const ln_stale *s) {
  (void)s;
  ++*(int64_t *)arg;
}

bool ln_api_metrics(ln_api *a, ln_err *err) {
  ln_engine *g = ln_api_engine(a);
  ln_service *s = ln_api_service(a);
  int64_t stale = 0;
  ln_buf b;
  if (!g->config->metrics_open && !ln_role_may(ln_api_caller(a)->role, LN_ROLE_VIEWER))
    return ln_fail(err, "unauthorised", LN_FINAL, "Authorization: Bearer TOKEN is wanted: lunette token add");
  health h = look(a);
  ln_reload_stale(ln_service_scripts(s), (ln_str){NULL, 0}, count_stale, &stale);
  ln_buf_init(&b, (size_t)1 << 20);
  ln_tallies_put(ln_service_tallies(s), &b);
  put_writer(g, &b);
  put_vendors(g, &b);
  put_drift(g, &b);
  put_traces(g, &b);
  put_gauge(&b, "lunette_frozen", "1 while anything is frozen.", h.frozen);
  put_gauge(&b, "lunette_scripts_stale", "Scripts that are not used as they are on the disk.", stale);
  ln_buf_free(&h.silent);
  bool ok = put_intake(g, &b, err) && put_runs(g, ln_service_sched(s), &b, err) &&
            ln_buf_addz(&b, "# EOF\n") && ln_buf_ok(&b, err);
  if (ok) ln_api_text(a, "application/openmetrics-text; version=1.0.0; charset=utf-8", ln_buf_view(&b));
  ln_buf_free(&b);
  return ok;
}
