/* prepare.c: what all histories have in common, made once: configuration, vendors and connectors compiled,
** alerts read, a disk with a store that has the scripts.  A history gets a copy of it with its process. */
#include "tests/sim/sim.h"

#include "cli/app.h"
#include "engine/library.h"
#include "engine/site.h"
#include "modules/modules.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* ------------------------------------------------------------------ the vendors' clock */

static ln_clock *behind;
static int64_t wall(ln_clock *c) {
  (void)c;
  return behind ? ln_now_ms(behind) : 1795600000000;
}
static int64_t mono(ln_clock *c) {
  (void)c;
  return behind ? ln_mono_us(behind) : 0;
}
static ln_clock vendors_clock = {wall, mono};
void sim_set_clock(ln_clock *c) { behind = c; }

/* ------------------------------------------------------------------ configuration and vendors */

static bool simulate(sim_world *w, ln_str name, ln_err *err) {
  ln_buf keys;
  ln_buf_init(&keys, 1 << 20);
  bool ok = ln_simhost_start(w->vendors, name, NULL, err) &&
            ln_simhost_config(w->vendors, name, &keys, err) &&
            ln_config_simulate(w->config, name, ln_buf_view(&keys), err);
  ln_buf_free(&keys);
  return ok;
}

static bool make_vendors(sim_world *w, ln_err *err) {
  ln_simhost_opts o = {.stdlib = w->config->stdlib,
                       .modules = lnL_modules,
                       .clock = &vendors_clock,
                       .seed = 1,
                       .latency_s = 0.02};
  if (!(w->vendors = ln_simhost_new(&o, err))) return false;
  ln_list names = ln_simhost_names(w->vendors);
  for (size_t i = 0; i < names.n; i++)
    if (!simulate(w, names.v[i], err)) return false;
  return true;
}

static bool make_facts(sim_world *w, ln_err *err) {
  ln_buf facts;
  ln_buf_init(&facts, 1 << 20);
  bool ok = ln_site_facts(&w->slot[0], SIM_FILES, &facts, err) &&
            ln_config_site(w->config, ln_buf_view(&facts), SIM_FILES, err);
  ln_buf_free(&facts);
  return ok;
}

/* ------------------------------------------------------------------ the disk */

static bool put_scripts(ln_tx *tx, void *arg, ln_err *err) { return ln_snapshot_put(tx, arg, err); }

static bool make_disk(sim_world *w, ln_err *err) {
  ln_store_opts o = {.vfs = SIM_DISK, .clock = &vendors_clock};
  if (!(w->disk = ln_vfs_sim_new(SIM_DISK, 1, err))) return false;
  ln_store *s = ln_store_open(LN_STR(SIM_STORE), &o, err);
  bool ok = s && ln_writer_run(s, put_scripts, w->slot[0].library, err);
  ln_store_close(s);
  for (size_t i = 0; ok && i < SIM_SLOTS; i++) ln_snapshot_stored(w->slot[i].library);
  return ok;
}

/* ------------------------------------------------------------------ alerts */

enum { ALERT_MAX = 1 << 20 };

typedef struct read_alert { bool ok; ln_err err; size_t n; char bytes[ALERT_MAX]; } read_alert;

static bool take_alert(sim_world *w, const char *file, read_alert *out) {
  ln_app app = {.g = w->slot[0], .config = w->config, .sim = true};
  ln_declared d;
  ln_buf input;
  ln_buf_init(&input, ALERT_MAX);
  app.g.loop = ln_loop_sim(1, 1795600000000, &out->err);
  out->ok = app.g.loop && ln_playbook_declared(&app.g, LN_STR("t1059.respond"), &d, &out->err) &&
            ln_app_input(&app, file, NULL, 0, &d, &input, &out->err);
  if (!out->ok) return false;
  out->n = input.n;
  memcpy(out->bytes, input.p, input.n);
  return true;
}

/* Reading one takes a VM, and with the first of them the engine's ticking thread begins, which no fork must
** meet: so it is read in a process of its own. */
static bool read_alerts(sim_world *w, ln_err *err) {
  static const char *const files[SIM_INPUTS] = {
      "tests/fixtures/alerts/windows/nxlog_sysmon1_wscript_launcher_vbs.json",
      "tests/fixtures/alerts/windows/loganalytics_securityevent_4688_enc.json",
      "tests/fixtures/alerts/windows/evtx_sysmon1_python_http_server.json",
      "tests/fixtures/alerts/trend_vision_one/workbench_v3_mimikatz_t1059_003.json",
  };
  read_alert *a = mmap(NULL, sizeof *a, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  bool ok = a != MAP_FAILED || ln_fail(err, "memory", LN_AGAIN, "no memory for alerts");
  for (size_t i = 0; ok && i < SIM_INPUTS; i++) {
    a->ok = false;
    ln_fail(&a->err, "failed", LN_FINAL, "%s: its reader died", files[i]);
    pid_t pid = fork();
    if (pid == 0) _exit(!take_alert(w, files[i], a));
    if (pid > 0) waitpid(pid, NULL, 0);
    if (!(ok = a->ok)) *err = a->err;
    ln_buf_init(&w->input[i], ALERT_MAX);
    ok = ok && ln_buf_add(&w->input[i], (ln_str){a->bytes, a->n});
  }
  if (a != MAP_FAILED) munmap(a, sizeof *a);
  return ok;
}

bool sim_prepare(sim_world *w, ln_err *err) {
  if (!(w->config = ln_config_load("tests/sim/conf.lua", err)) || !make_vendors(w, err)) return false;
  for (size_t i = 0; i < SIM_SLOTS; i++)
    if (!sim_engine(w->config, &w->slot[i], err)) return false;
  return make_facts(w, err) && make_disk(w, err) && read_alerts(w, err);
}
