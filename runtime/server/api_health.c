/* api_health.c: is all well here?  For those who look from outside, so nothing is said but what is wrong; and
** the counters, for those who may see them. */
#include "server/handlers.h"

#include "server/tallies.h"

#include <stdio.h>

typedef struct health { bool store, frozen, scripts, stopping; } health; /* what is wrong                  */

static bool is_frozen(void *arg, const ln_freeze *f) {
  (void)f;
  ((health *)arg)->frozen = true;
  return false;
}

static void is_stale(void *arg, const ln_stale *s) {
  (void)s;
  ((health *)arg)->scripts = true;
}

static health look(const ln_api *a) {
  health h = {.store = false};
  ln_err quiet = {0};
  h.store = !ln_store_freezes(ln_api_engine(a)->store, is_frozen, &h, &quiet);
  ln_reload_stale(ln_service_scripts(ln_api_service(a)), (ln_str){NULL, 0}, is_stale, &h);
  return h;
}

static bool answer(ln_api *a, const health *h, ln_err *err) {
  const struct { const char *name; bool wrong; } all[] = {
      {"store", h->store}, {"frozen", h->frozen}, {"scripts", h->scripts}, {"stopping", h->stopping}};
  bool wrong = false;
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
  return answer(a, &h, err);
}

bool ln_api_ready(ln_api *a, ln_err *err) {
  health h = look(a);
  h.stopping = ln_service_is_draining(ln_api_service(a));
  return answer(a, &h, err);
}

/* ------------------------------------------------------------------ metrics */

static void put_writer(ln_engine *g, ln_buf *out) {
  ln_writer_stats w;
  ln_writer_stats_get(g->store, &w);
  const struct { const char *name, *help; uint64_t n; } all[] = {
      {"lunette_store_commits", "Transactions of the store's writer.", w.commits},
      {"lunette_store_jobs", "Jobs that those transactions did.", w.jobs},
      {"lunette_store_bytes", "Bytes of journal written.", w.bytes}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    ln_buf_addf(out, "# TYPE %s counter\n# HELP %s %s\n%s_total %llu\n", all[i].name, all[i].name,
                all[i].help, all[i].name, (unsigned long long)all[i].n);
}

static void put_gauge(ln_buf *out, const char *name, const char *help, long long v) {
  ln_buf_addf(out, "# TYPE %s gauge\n# HELP %s %s\n%s %lld\n", name, name, help, name, v);
}

static void count_stale(void *arg, const ln_stale *s) {
  (void)s;
  ++*(long long *)arg;
}

bool ln_api_metrics(ln_api *a, ln_err *err) {
  ln_engine *g = ln_api_engine(a);
  health h = look(a);
  long long stale = 0;
  ln_buf b;
  if (!g->config->metrics_open && !ln_role_may(ln_api_caller(a)->role, LN_ROLE_VIEWER))
    return ln_fail(err, "unauthorised", LN_FINAL, "Authorization: Bearer TOKEN is wanted: lunette token add");
  ln_reload_stale(ln_service_scripts(ln_api_service(a)), (ln_str){NULL, 0}, count_stale, &stale);
  ln_buf_init(&b, (size_t)1 << 20);
  ln_tallies_put(ln_service_tallies(ln_api_service(a)), &b);
  put_writer(g, &b);
  put_gauge(&b, "lunette_frozen", "1 while anything is frozen.", h.frozen);
  put_gauge(&b, "lunette_scripts_stale", "Scripts that are not used as they are on the disk.", stale);
  ln_buf_addz(&b, "# EOF\n");
  bool ok = ln_buf_ok(&b, err);
  if (ok) ln_api_text(a, "application/openmetrics-text; version=1.0.0; charset=utf-8", ln_buf_view(&b));
  ln_buf_free(&b);
  return ok;
}
