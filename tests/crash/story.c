/* story.c: one seed's story: what is started, who is killed and when, and that it comes to an end. */
#include "tests/crash/crash.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { LOOK_MS = 40, AT_ONCE = 5, SLOW_MS = 1500 };

story *tale;
const char *const crash_modes[MODES] = {"run and resume", "serve", "all at once"};

/* ------------------------------------------------------------------ the plan */

typedef struct choice {
  const char *playbook;
  int weight;
  const char *more[6];
} choice;

#define ALERTS "/tests/fixtures/alerts/"
#define HOST "device={\"hostname\":\"WORKSTATION5\",\"ip\":[\"10.20.5.15\"]}"

/* What has an n may be begun as often as one likes; of a response's runs there is one a story.  A word that
** begins with / is a file of the tree. */
static const choice choices[] = {
    {"hostile.walk", 6, {NULL}},  {"hostile.fan", 6, {NULL}},    {"hostile.ask", 4, {NULL}},
    {"hostile.race", 5, {NULL}},  {"hostile.poll", 5, {NULL}},   {"hostile.turns", 6, {NULL}},
    {"hostile.fails", 3, {NULL}}, {"hostile.parent", 6, {NULL}}, {"hostile.locks", 4, {NULL}},
};
static const choice responses[] = {
    {"t1059.respond",
     4,
     {"--input", ALERTS "windows/nxlog_sysmon1_wscript_launcher_vbs.json", "--set", "confirmed_by=ann"}},
    {"t1059.respond",
     2,
     {"--input", ALERTS "windows/loganalytics_securityevent_4688_enc.json", "--set", "confirmed_by=ann"}},
    {"t1059.respond",
     1,
     {"--input", ALERTS "trend_vision_one/workbench_v3_mimikatz_t1059_003.json", "--set",
      "confirmed_by=ann"}},
    {"t1059.harden", 1, {"--set", "user=pgustavo@theshire.example", "--set", "confirmed_by=ann"}},
    {"t1059.deceive", 1, {NULL}},
    {"t1059.model", 1, {"--set", "ip=10.20.5.15"}},
};

typedef struct planned {
  const choice *c;
  bool approve_all;
} planned;
static planned plans[SIM_RUNS];

static const choice *choose(const choice *v, size_t n) {
  int sum = 0;
  for (size_t i = 0; i < n; i++) sum += v[i].weight;
  int at = (int)sim_pick(&here->plan, (size_t)sum);
  while ((at -= v->weight) >= 0) v++;
  return v;
}

static void plan_run(const choice *c) {
  int i = here->n_planned++;
  sim_run *r = &here->runs[i];
  plans[i] = (planned){c, sim_chance(&here->plan, 0.4)};
  *r = (sim_run){.start_ms = (int64_t)sim_pick(&here->plan, 1500)};
  snprintf(r->playbook, sizeof r->playbook, "%s", c->playbook);
  if (sim_chance(&here->plan, 0.15)) r->cancel_ms = r->start_ms + 200 + (int64_t)sim_pick(&here->plan, 2500);
}

static void plan(uint64_t seed) {
  ln_rand_seed(&here->plan, seed);
  ln_rand_seed(&here->luck, seed ^ 0x6c75636b);
  ln_rand_seed(&here->people, seed ^ 0x70656f706c65);
  here->n_runs = SIM_RUNS;
  here->grumpy = (int)sim_pick(&here->plan, 30);
  tale->mode = (mode)sim_pick(&here->plan, MODES);
  tale->wire = sim_chance(&here->plan, 0.4) ? 0.1 + 0.1 * (double)sim_pick(&here->plan, 3) : 0;
  size_t n = 4 + sim_pick(&here->plan, SIM_RUNS - 4);
  for (size_t i = 0; i < n; i++) plan_run(choose(choices, sizeof choices / sizeof *choices));
  plan_run(choose(responses, sizeof responses / sizeof *responses));
}

/* ------------------------------------------------------------------ deaths */

static bool is_calm(void) { return tale->kills >= tale->want_kills; }

void crash_dies(proc *p) {
  if (is_calm() || p->done || p->killed) return;
  crash_kill(p, SIGKILL);
  tale->kills++;
  tale->killed[p->role]++;
}

static proc *victim(void) {
  static const int weights[ROLES] = {[SERVE] = 8, [CARRY] = 4, [LEFT] = 6, [WATCH] = 1, [PERSON] = 2};
  int sum = 0;
  for (const proc *p = tale->procs; p < tale->procs + PROCS; p++)
    if (!p->done && !p->killed) sum += weights[p->role];
  int at = sum ? (int)sim_pick(&here->luck, (size_t)sum) : -1;
  for (proc *p = tale->procs; at >= 0 && p < tale->procs + PROCS; p++)
    if (!p->done && !p->killed && (at -= weights[p->role]) < 0) return p;
  return NULL;
}

/* The next one dies at some moment; or at the very deed that it has done, before it has been told; or at a
** line that it has shown.  What does not come is not waited for. */
static void arm(void) {
  size_t how = sim_pick(&here->luck, 10);
  int64_t now = crash_now();
  tale->next_kill_ms =
      now + (how < 6 ? (int64_t)sim_pick(&here->luck, tale->mode == ALONE ? 250 : 400) : SLOW_MS);
  tale->dies_at_deed = how == 6 || how == 7 || how == 8 ? 1 + (int)sim_pick(&here->luck, 6) : 0;
  proc *p = how == 9 ? victim() : NULL;
  if (p) p->dies_at_line = p->lines + 1 + (int)sim_pick(&here->luck, 5);
}

static proc *doer(const deed *d) {
  for (proc *p = tale->procs; d->by && p < tale->procs + PROCS; p++)
    if (p->role != NOBODY && p->id == d->by && !p->done && !p->killed) return p;
  return victim();
}

void crash_deed(const deed *d) {
  crash_say("   %d: %s.%s %s%s", d->by, d->vendor, d->op, d->ulid, d->step);
  if (is_calm() || !tale->dies_at_deed || --tale->dies_at_deed) return;
  proc *p = doer(d);
  if (p) crash_dies(p);
  arm();
}

static void kill_in_time(void) {
  if (is_calm() || crash_now() < tale->next_kill_ms) return;
  proc *p = victim();
  if (p) crash_dies(p);
  arm();
}

/* ------------------------------------------------------------------ beginnings */

static bool is_begun(int i) {
  if (here->runs[i].ulid[0]) return true;
  for (const proc *p = tale->procs; p < tale->procs + PROCS; p++)
    if (p->role != NOBODY && p->run == i) return true;
  return false;
}

/* From a terminal, whose owner waits; or left to whoever carries it. */
static void begin(int i) {
  const char *args[24] = {"run", here->runs[i].playbook};
  char n[16], file[1100];
  size_t k = 2;
  const choice *c = plans[i].c;
  snprintf(n, sizeof n, "n=%d", i);
  if (c->playbook[0] == 'h') args[k++] = "--set", args[k++] = n;
  for (size_t m = 0; m < 6 && c->more[m]; m++) {
    args[k++] = c->more[m];
    if (c->more[m][0] != '/') continue;
    snprintf(file, sizeof file, "%s%s", tale->root, c->more[m]);
    args[k - 1] = file;
  }
  if (plans[i].approve_all) args[k++] = "--approve", args[k++] = "all";
  bool detach = sim_chance(&here->luck, tale->mode == ALONE ? 0.25 : 0.6),
       json = !detach && sim_chance(&here->luck, 0.5);
  if (detach) args[k++] = "--detach";
  if (json) args[k++] = "--json";
  proc *p = crash_start(CARRY, false, args);
  if (!p) return;
  p->run = i;
  p->json = json;
  p->detach = detach;
}

static void begin_some(void) {
  int64_t age = crash_now() - tale->begin_ms;
  for (int i = 0; i < here->n_planned; i++)
    if (!is_begun(i) && age >= here->runs[i].start_ms && crash_alive(CARRY) < AT_ONCE) begin(i);
}

/* One process serves; a second one is sent away. */
static void serve(void) {
  static const char *const args[] = {"serve", NULL};
  size_t n = crash_alive(SERVE);
  if (tale->mode == ALONE) return;
  bool eager = tale->mode == SERVED || is_calm() || sim_chance(&here->luck, 0.05);
  if ((n == 0 && eager) || (n == 1 && !is_calm() && sim_chance(&here->luck, 0.01)))
    crash_start(SERVE, false, args);
}

/* ------------------------------------------------------------------ the simulators */

static bool said_ports(const proc *p) {
  size_t lines = 0;
  for (size_t i = 0; i < p->text.n; i++) lines += p->text.p[i] == '\n';
  return lines >= VENDORS;
}

static bool start_simulators(uint64_t seed) {
  char path[300], log[300], lib[300], number[24];
  snprintf(path, sizeof path, "%s/sim.conf.lua", tale->folder);
  snprintf(log, sizeof log, "%s/crash.log", tale->folder);
  snprintf(lib, sizeof lib, "%s/sim.lua", tale->folder);
  snprintf(number, sizeof number, "%llu", (unsigned long long)seed);
  const char *const args[] = {"sim",      "acme", "crowdstrike", "okta", "qualys", "visionone",
                              "--config", lib,    "--write",     path,   "--log",  log,
                              "--speed",  "2000", "--seed",      number, NULL};
  proc *p = crash_start(SIMULATORS, false, args);
  for (int64_t late = crash_now() + 20000; p && !p->done && !said_ports(p) && crash_now() < late;)
    crash_wait(1000);
  return p && said_ports(p);
}

/* ------------------------------------------------------------------ all of it */

static void over(proc *p) {
  if (p->role == SIMULATORS || p->role == WIRE)
    sim_fail("the vendors died: %.*s", LN_STR_ARG(ln_buf_view(&p->text)));
  crash_acknowledged(p);
}

static bool others_alive(void) {
  return crash_alive(CARRY) + crash_alive(LEFT) + crash_alive(WATCH) + crash_alive(PERSON) > 0;
}

/* It is over when everything has been begun and, by a look at the store that nobody was alive to outrun, has
** ended. */
static bool is_over(bool quiet) {
  if (!quiet || others_alive()) return false;
  for (int i = 0; i < here->n_planned; i++)
    if (!here->runs[i].ulid[0]) return false;
  return crash_all_over();
}

static void live(void) {
  int64_t look = 0;
  arm();
  for (bool over_now = false; !here->failed && !over_now;) {
    int64_t now = crash_now(), next = look < tale->next_kill_ms || is_calm() ? look : tale->next_kill_ms;
    crash_wait(next - now);
    crash_reap(over);
    kill_in_time();
    if (crash_now() < look) continue;
    look = crash_now() + LOOK_MS;
    begin_some();
    serve();
    bool quiet = !others_alive();
    crash_people();
    over_now = is_over(quiet);
    if (is_calm() && !tale->calm_ms) tale->calm_ms = crash_now(), crash_say("nobody is killed any more");
    if (tale->calm_ms && crash_now() - tale->calm_ms > tale->patience_ms) break;
  }
}

static void let_end(void) {
  for (proc *p = tale->procs; p < tale->procs + PROCS; p++)
    if (p->role == SERVE) crash_kill(p, sim_chance(&here->luck, 0.5) ? SIGTERM : SIGKILL);
  while (crash_alive(SERVE)) crash_wait(1000), crash_reap(over);
}

void crash_story(uint64_t seed) {
  plan(seed);
  if (tale->only) tale->want_kills = 0, tale->wire = tale->only == HANG ? 0.3 : 0.4;
  tale->begin_ms = crash_now();
  if (!crash_record_open() || !start_simulators(seed) || !crash_world()) {
    sim_fail("the simulators do not start: %.*s", LN_STR_ARG(ln_buf_view(&tale->procs[0].text)));
    return;
  }
  tale->begin_ms = crash_now();
  live();
  if (!here->failed) let_end(), crash_verdict();
}
