/* prepare.c: what all histories have in common, made once: a simulated set with the vendor and the playbooks
** of the simulation's own, and alerts read.  A history gets a copy of it with its process. */
#include "tests/sim/sim.h"

#include "cli/app.h"
#include "modules/connector.h"
#include "modules/modules.h"
#include "modules/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const ln_op *find_op(ln_engine *g, ln_str name) {
  ln_err quiet;
  return ln_connectors_op(g, name, &quiet);
}

static bool make_set(sim_world *w, ln_err *err) {
  ln_simset_opts o = {.like = {.modules = lnL_modules, .open_words = lnL_open_words, .find_op = find_op},
                      .connect = ln_connectors_all,
                      .disk = "simulated",
                      .slots = SIM_SLOTS};
  if (!(o.config = ln_config_load("tests/sim/conf.lua", err)) || !(w->set = ln_simset_new(&o, err)))
    return false;
  w->vendors = w->set->vendors;
  w->disk = w->set->disk;
  w->slot = w->set->slot;
  return ln_simset_files(w->set, SIM_FILES, err);
}

/* ------------------------------------------------------------------ alerts */

enum { ALERT_MAX = 1 << 20 };

typedef struct read_alert {
  bool ok;
  ln_err err;
  size_t n;
  char bytes[ALERT_MAX];
} read_alert;

static bool take_alert(sim_world *w, const char *file, read_alert *out) {
  ln_app app = {.g = w->slot[0], .config = w->set->config, .sim = true};
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
  return make_set(w, err) && sim_edits_prepare(w, err) && read_alerts(w, err);
}
