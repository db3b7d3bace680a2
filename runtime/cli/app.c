/* app.c: puts a process together: configuration, store, seams, host state, connectors; and takes it apart
** again.  The simulated set is one thread: virtual time, a seeded queue, simulators behind the transport, and
** a writer whose jobs are tasks of the same queue. */
#include "cli/app.h"

#include "base/log.h"
#include "base/units.h"

#include "engine/command.h"
#include "engine/drift.h"
#include "engine/library.h"
#include "engine/simhost.h"
#include "engine/site.h"
#include "engine/timing.h"
#include "engine/traces.h"
#include "modules/connector.h"
#include "modules/modules.h"
#include "modules/words.h"
#include "server/seal.h"
#include "server/serve.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const ln_op *find_op(ln_engine *g, ln_str name) {
  ln_err quiet = {0};
  return ln_connectors_op(g, name, &quiet);
}

/* ------------------------------------------------------------------ the two sets of seams */

static bool open_real(ln_app *a, ln_err *err) {
  a->g.rand = ln_rand_real();
  return (a->g.loop = ln_loop_uv(err)) && (a->g.transport = ln_transport_curl(a->g.loop, err));
}

static uint64_t seed_of(const ln_app_opts *o) { return o->seed ? o->seed : ln_rand_u64(ln_rand_real()); }

static bool simulate_one(ln_app *a, ln_str name, ln_err *err) {
  ln_buf keys;
  ln_buf_init(&keys, 1 << 20);
  bool ok = ln_simhost_start(a->simhost, name, NULL, err) &&
            ln_simhost_config(a->simhost, name, &keys, err) &&
            ln_config_simulate(a->config, name, ln_buf_view(&keys), err);
  ln_buf_free(&keys);
  return ok;
}

static bool simulate_all(ln_app *a, ln_err *err) {
  ln_list names = ln_simhost_names(a->simhost);
  ln_config_clear_connectors(a->config);
  for (size_t i = 0; i < names.n; i++)
    if (!simulate_one(a, names.v[i], err)) return false;
  return true;
}

static bool open_simulated(ln_app *a, const ln_app_opts *o, ln_err *err) {
  uint64_t seed = seed_of(o);
  ln_rand_seed(&a->seeded, seed);
  a->g.rand = &a->seeded;
  if (!(a->g.loop = ln_loop_sim(seed, o->start_ms ? o->start_ms : ln_now_ms(ln_clock_real()), err)))
    return false;
  ln_simhost_opts so = {.stdlib = a->config->stdlib,
                        .modules = lnL_modules,
                        .clock = a->g.loop->clock,
                        .seed = seed,
                        .faults = o->faults,
                        .latency_s = 0.02};
  if (!(a->simhost = ln_simhost_new(&so, err)) || !simulate_all(a, err)) return false;
  return (a->g.transport = ln_transport_sim(a->g.loop, ln_simhost_handle, a->simhost, err)) != NULL;
}

/* Nothing has to be configured against simulators: scripts bring their facts, and files go to a folder
** beside. */
static bool simulate_site(ln_app *a, ln_err *err) {
  char here[PATH_MAX], root[PATH_MAX + 16];
  ln_buf facts;
  if (!getcwd(here, sizeof here)) return ln_fail(err, "config", LN_FINAL, "the working folder has no name");
  snprintf(root, sizeof root, "%s/lunette.sim", here);
  if (mkdir(root, 0700) != 0 && errno != EEXIST)
    return ln_fail(err, "config", LN_FINAL, "%s cannot be made: %s", root, strerror(errno));
  ln_buf_init(&facts, 1 << 20);
  bool ok =
      ln_site_facts(&a->g, root, &facts, err) && ln_config_site(a->config, ln_buf_view(&facts), root, err);
  ln_buf_free(&facts);
  return ok;
}

ln_store *ln_app_store(ln_app *a, const char *file, const ln_store_opts *o, ln_err *err) {
  ln_buf uri;
  ln_store_opts so = *o;
  so.clock = a->g.loop->clock;
  ln_buf_init(&uri, 1 << 14);
  if (!ln_str_starts(ln_str_of(file), LN_STR("sqlite:"))) ln_buf_addz(&uri, "sqlite:");
  ln_buf_addz(&uri, file);
  ln_store *s = ln_buf_ok(&uri, err) ? ln_store_open(ln_buf_view(&uri), &so, err) : NULL;
  ln_buf_free(&uri);
  return s;
}

/* Said once: nobody else tells why nothing goes on. */
static bool restore(ln_app *a, ln_err *err) {
  ln_buf why;
  ln_buf_init(&why, 1 << 14);
  bool ok = ln_restore(&a->g, &why, err);
  if (ok && why.n)
    fprintf(stderr,
            "lunette: %s: %.*s: everything is frozen, and what was under way waits: look at `lunette runs "
            "--state waiting`, resume what is to go on, and thaw\n",
            ln_store_path(a->g.store), LN_STR_ARG(ln_buf_view(&why)));
  ln_buf_free(&why);
  return ok;
}

/* Where another process carries the runs the connectors that count are its own. */
static bool check_connectors(ln_app *a, const ln_app_opts *o, ln_err *err) {
  if (!o->runs || a->served) return true;
  if (!o->sim && !ln_connectors_check(&a->g, err)) return false;
  if (a->config->share > 0 && !ln_connectors_count_endpoints(&a->g))
    fprintf(stderr,
            "lunette: guards.per_hour.share is no limit here: no configured connector counts endpoints\n");
  return true;
}

/* Who carries runs asks for a passphrase before anything waits for it. */
static bool open_vault(ln_app *a, const ln_app_opts *o, ln_err *err) {
  const ln_vault_opts vo = {.key = a->config->secrets_key,
                            .helper = a->config->secrets_helper.v,
                            .n_helper = a->config->secrets_helper.n,
                            .launcher = a->launcher,
                            .ask = ln_app_passphrase};
  return (a->g.vault = ln_vault_open(a->g.store, &vo, err)) &&
         (!o->runs || o->sim || a->served || ln_vault_ready(a->g.vault, err));
}

static bool open_store(ln_app *a, const ln_app_opts *o, ln_err *err) {
  ln_store_opts so = {.must_exist = o->must_exist, .looks = o->looks, .clock = a->g.loop->clock};
  a->g.store = o->store ? ln_app_store(a, o->store, &so, err) : ln_store_open(a->config->store, &so, err);
  if (!a->g.store) return false;
  if (!o->looks && !restore(a, err)) return false;
  a->served = !o->sim && ln_service_there(a->g.store);
  if (a->served && o->alone)
    return ln_fail(err, "store", LN_FINAL, "`lunette serve` has this store: name another, or stop it first");
  if (!check_connectors(a, o, err)) return false;
  if (!a->served && !o->looks && !ln_writer_start(a->g.store, a->sim ? a->g.loop : NULL, err)) return false;
  if (!open_vault(a, o, err)) return false;
  if (o->runs && !a->sim && !a->served && !ln_traces_start(&a->g, &a->g.traces, err)) return false;
  return !o->runs || a->served ||
         ((a->g.owner = ln_owner_take(a->g.store, ln_rand_real(), ln_now_ms(ln_clock_real()), err)) &&
          ln_timing_begin(&a->g, !a->sim, err));
}

/* A core would hold secrets, and so does what a debugger reads; the checker for leaks is one itself.  And
** who carries runs does not die with somebody whom it has something to tell: a reader of its output, a
** command that it serves, a peer. */
static void set_up_process(const ln_app_opts *o) {
  const struct rlimit none = {0, 0};
  const struct sigaction ignore = {.sa_handler = SIG_IGN}, usual = {.sa_handler = SIG_DFL};
  setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__
  prctl(PR_SET_DUMPABLE, 0);
#endif
  sigaction(SIGCHLD, &usual, NULL); /* whoever ignores it hands that on, and nobody could be waited for */
  if (o->runs) sigaction(SIGPIPE, &ignore, NULL);
}

/* Before there is a second thread, or anything that is nobody else's business.  What libuv would hand to the
** kernel's rings no filter sees. */
static bool seal(ln_app *a, ln_err *err) {
  const ln_list *helper = &a->config->secrets_helper;
  if (a->config->seal == LN_SEAL_OFF) return true;
  setenv("UV_USE_IO_URING", "0", 1);
  return (!helper->n || (a->launcher = ln_launcher_start(helper->v, helper->n, err))) &&
         ln_seal_files(a->config, err);
}

bool ln_app_open(ln_app *a, const ln_app_opts *o, ln_err *err) {
  memset(a, 0, sizeof *a);
  a->sim = o->sim;
  set_up_process(o);
  if (!(a->config = ln_config_load(o->config, err))) return false;
  if (o->seals && !seal(a, err)) return false;
  ln_log_json(a->config->log_json);
  if (a->config->log_level >= 0) ln_log_level((ln_level)a->config->log_level);
  a->g.config = a->config;
  a->g.modules = lnL_modules;
  a->g.open_words = lnL_open_words;
  a->g.find_op = find_op;
  if (!(o->sim ? open_simulated(a, o, err) : open_real(a, err))) return false;
  if (!(a->g.host = ln_host_new(err)) || !ln_connectors_open(&a->g, err)) return false;
  if (o->sim && !simulate_site(a, err)) return false;
  return o->no_store || open_store(a, o, err);
}

/* What was told last is sent, but nobody waits for long. */
enum { TRACES_MS = 2000 };

void ln_app_close(ln_app *a) {
  while (a->g.state) ln_run_close(a->g.state);
  ln_runs_drain(&a->g);
  ln_traces_stop(a->g.traces, TRACES_MS);
  a->g.traces = NULL;
  if (a->g.connectors) ln_connectors_close(&a->g);
  if (a->g.transport) a->g.transport->free(a->g.transport);
  ln_vault_free(a->g.vault);
  ln_launcher_stop(a->launcher);
  ln_store_close(a->g.store);
  ln_drift_free(&a->g);
  ln_owner_drop(a->g.owner);
  if (a->simhost) ln_simhost_free(a->simhost);
  ln_snapshot_drop(a->g.library);
  ln_host_free(a->g.host);
  if (a->g.loop) a->g.loop->free(a->g.loop);
  ln_config_free(a->config);
}

/* ------------------------------------------------------------------ speaking */

const char *ln_app_user(void) {
  static char name[64];
  struct passwd *p = getpwuid(geteuid());
  snprintf(name, sizeof name, "%s", p ? p->pw_name : "unknown");
  return name;
}

bool ln_app_when(const ln_app *a, const char *option, const char *text, int64_t *ms, ln_err *err) {
  int64_t ago = 0;
  if (ln_parse_time(ln_str_of(text), ms, err)) return true;
  if (!ln_parse_duration(ln_str_of(text), &ago, err))
    return ln_fail(err, "usage", LN_FINAL, "%s: a time or a duration such as \"2h\" is wanted, not %s",
                   option, text);
  *ms = ln_now_ms(a->g.loop->clock) - ago;
  return true;
}

bool ln_app_read(const char *path, ln_buf *out, ln_err *err) {
  bool std = strcmp(path, "-") == 0;
  FILE *f = std ? stdin : fopen(path, "rb");
  if (!f) return ln_fail(err, "not_found", LN_FINAL, "%s cannot be read: %s", path, strerror(errno));
  char chunk[65536];
  size_t n;
  ln_buf_init(out, (size_t)64 << 20);
  while ((n = fread(chunk, 1, sizeof chunk, f)) > 0 && ln_buf_add(out, (ln_str){chunk, n})) continue;
  bool bad = ferror(f) != 0;
  if (!std) fclose(f);
  if (bad) return ln_fail(err, "failed", LN_FINAL, "%s cannot be read: %s", path, strerror(errno));
  if (ln_buf_failed(out)) return ln_fail(err, "too_big", LN_FINAL, "%s is larger than 64 MiB", path);
  return true;
}
