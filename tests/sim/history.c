/* history.c: one seed's history: what is planned, and life after life until every run has ended. */
#include "tests/sim/sim.h"

#include "engine/library.h"
#include "engine/timing.h"
#include "modules/connector.h"

#include <stdio.h>
#include <stdlib.h>

enum { TEND_MS = 2000, TEND_MOST_MS = 120000, TOO_LONG_S = 40 * 86400 };

/* ------------------------------------------------------------------ the plan */

/* Weight; the input as JSON, in which # is the number of the run; or, without, an alert. */
typedef struct choice { const char *playbook; int weight; const char *input; } choice;

#define LAUNCHER                                                                                             \
  "{\"kind\":\"script\",\"name\":\"launcher.vbs\",\"path\":\"C:"                                             \
  "\\\\Users\\\\pgustavo\\\\Desktop\\\\launcher.vbs\","                                                      \
  "\"sha256\":\"c1dadf9fb8021aa205bd52604c4d7330c5e1251198322ac4b8a093dc23df1a10\","                         \
  "\"sha1\":\"5683729702392da5cfaa8476f96228a9abf08c54\"}"
#define HOST "{\"hostname\":\"WORKSTATION5\",\"ip\":[\"10.20.5.15\"]}"

static const choice choices[] = {
    {"hostile.walk", 6, "{\"n\":#}"},
    {"hostile.fan", 6, "{\"n\":#}"},
    {"hostile.fan", 2, "{\"n\":#,\"width\":7}"},
    {"hostile.ask", 6, "{\"n\":#}"},
    {"hostile.race", 4, "{\"n\":#}"},
    {"hostile.race", 2, "{\"n\":#,\"breaks\":false}"},
    {"hostile.poll", 5, "{\"n\":#}"},
    {"hostile.turns", 6, "{\"n\":#}"},
    {"hostile.fails", 3, "{\"n\":#}"},
    {"hostile.parent", 6, "{\"n\":#}"},
    {"hostile.locks", 4, "{\"n\":#}"},
    {"t1059.respond", 3, NULL},
    {"t1059.harden", 2, "{\"user\":\"pgustavo@theshire.example\",\"confirmed_by\":\"ann\"}"},
    {"t1059.model", 2, "{\"ip\":\"10.20.5.15\"}"},
    {"t1059.deceive", 2, "{}"},
    {"t1059.detect", 2, "{\"subject\":" LAUNCHER ",\"device\":" HOST "}"},
    {"t1059.isolate", 2, "{\"subject\":" LAUNCHER ",\"device\":" HOST ",\"verdict\":\"malicious\"}"},
    {"t1059.isolate", 1, "{\"subject\":" LAUNCHER ",\"device\":" HOST ",\"verdict\":\"benign\"}"},
    {"t1059.evict", 2, "{\"subject\":" LAUNCHER ",\"device\":" HOST "}"},
    {"t1059.restore", 1, "{\"device\":" HOST ",\"benign_by\":\"ann\"}"},
    {SIM_UNDO, 6, "{}"},                                 /* of an earlier one */
    {SIM_RELEASE, 3, "{}"},                              /* of what several may hold */
};
enum { CHOICES = sizeof choices / sizeof *choices };

static const choice *choose(void) {
  int sum = 0;
  for (size_t i = 0; i < CHOICES; i++) sum += choices[i].weight;
  int at = (int)sim_pick(&here->plan, (size_t)sum);
  const choice *c = choices;
  while ((at -= c->weight) >= 0) c++;
  return c;
}

static void put_input(const choice *c, sim_run *r) {
  ln_buf json;
  ln_err err;
  ln_buf_init(&r->input, 16 << 20);
  if (!c->input) {
    ln_buf_add(&r->input, ln_buf_view(&here->w->input[sim_pick(&here->plan, SIM_INPUTS)]));
    return;
  }
  ln_buf_init(&json, 1 << 16);
  for (const char *p = c->input; *p; p++)
    if (*p == '#') ln_buf_addf(&json, "%d", here->n_planned);
    else ln_buf_addc(&json, *p);
  if (!ln_host_json(here->w->slot[0].host, ln_buf_view(&json), &r->input, &err))
    sim_fail("%s: %s", json.p, err.message);
  ln_buf_free(&json);
}

static const choice *choice_of(const char *playbook) {
  const choice *c = choices;
  while (strcmp(c->playbook, playbook) != 0) c++;
  return c;
}

static void plan_this(const choice *c, int64_t from_ms) {
  sim_run *r = &here->runs[here->n_planned++];
  *r = (sim_run){.approve = LN_APPROVE_WAIT, .start_ms = from_ms};
  if (here->n_planned > 1) r->undoes = (int)sim_pick(&here->plan, (size_t)here->n_planned - 1);
  snprintf(r->playbook, sizeof r->playbook, "%s", c->playbook);
  snprintf(r->by, sizeof r->by, "alice");
  put_input(c, r);
  if (sim_chance(&here->plan, 0.3)) r->approve = LN_APPROVE_ALL;
  if (sim_chance(&here->plan, 0.5)) r->start_ms += (int64_t)sim_pick(&here->plan, 600000);
  if (sim_chance(&here->plan, here->rare ? 0.4 : 0.12))
    r->cancel_ms = r->start_ms + 1 + (int64_t)sim_pick(&here->plan, 300000);
}

static void plan_run(int64_t from_ms) {
  const choice *c = choose();
  while (here->n_planned == 0 && sim_takes_back(c->playbook)) c = choose();
  plan_this(c, from_ms);
}

/* Two that hold the same things; one of them is taken back, and perhaps the other, or all that is held. */
static void plan_sharers(void) {
  plan_this(choice_of(SIM_SHARERS), 0);
  plan_this(choice_of(SIM_SHARERS), 0);
  plan_this(choice_of(SIM_UNDO), 0);
  const char *then = sim_chance(&here->plan, 0.5) ? SIM_UNDO : SIM_RELEASE;
  if (sim_chance(&here->plan, 0.5)) plan_this(choice_of(then), 0);
}

static void plan(void) {
  static const double weathers[] = {0, 0.02, 0.05, 0.1, 0.2};
  static const size_t warms[] = {1, 2, 1000};
  ln_rand_seed(&here->plan, here->seed);
  ln_rand_seed(&here->luck, here->seed ^ 0x6c75636b);
  ln_rand_seed(&here->people, here->seed ^ 0x70656f706c65);
  here->n_runs = SIM_RUNS;                               /* those that runs begin come behind */
  here->rare = sim_chance(&here->plan, 0.15);
  here->weather = here->rare ? 0.2 : weathers[sim_pick(&here->plan, 5)];
  here->served = sim_chance(&here->plan, 0.6);
  here->full_in = sim_chance(&here->plan, 0.3) ? 1 + (int)sim_pick(&here->plan, 200) : 0;
  here->warm = warms[sim_pick(&here->plan, 3)];
  here->steps = sim_chance(&here->plan, 0.25) ? 1 + (int)sim_pick(&here->plan, 4) : 0;
  here->grumpy = (int)sim_pick(&here->plan, 30);
  here->want_crashes = 1 + (int)sim_pick(&here->plan, 6);
  int n = 3 + (int)sim_pick(&here->plan, 6);
  if (sim_chance(&here->plan, 0.2)) plan_sharers();
  while (here->n_planned < n) plan_run(0);
  sim_alerts_plan();
  sim_arm();
}

/* ------------------------------------------------------------------ runs */

static ln_run *carried_by(const ln_engine *g, const char *ulid) {
  for (ln_run *r = g ? g->state : NULL; r; r = r->next)
    if (strcmp(r->ulid, ulid) == 0) return r;
  return NULL;
}

ln_run *sim_carried(const char *ulid) {
  ln_run *r = carried_by(here->g, ulid);
  return r ? r : carried_by(here->rival, ulid);
}

/* One that a run began. */
static sim_run *add_run(const char *ulid, ln_str playbook) {
  if (here->n_runs == SIM_ALL) return NULL;
  sim_run *r = &here->runs[here->n_runs++];
  *r = (sim_run){.approve = LN_APPROVE_WAIT};
  snprintf(r->ulid, sizeof r->ulid, "%s", ulid);
  snprintf(r->playbook, sizeof r->playbook, "%.*s", LN_STR_ARG(playbook));
  return r;
}

static bool one_open(void *arg, const ln_run_row *row) {
  (void)row;
  *(bool *)arg = true;
  return false;
}

/* Every planned run has ended, and so has what they began. */
static bool all_over(void) {
  static const char *const open[] = {"running", "waiting", "cancelling"};
  bool any = false;
  ln_err err;
  for (int i = 0; i < here->n_planned; i++)
    if (!here->runs[i].over) return false;
  if (!sim_alerts_over()) return false;
  for (size_t i = 0; i < 3 && !any; i++) {
    ln_run_query q = {.state = ln_str_of(open[i]), .limit = 1};
    if (!ln_store_runs(here->g->store, &q, one_open, &any, &err)) return false;
  }
  return !any;
}

static void on_event(void *arg, ln_run *run, const ln_event *e) {
  sim_run *r = sim_run_of(ln_run_ulid(run));
  (void)arg;
  if (!r) r = add_run(ln_run_ulid(run), ln_str_of(run->playbook));
  sim_trace(e->what, e->name);
  sim_trace("state", e->state);
  sim_trace("text", e->text);
  if (!r) return;
  /* what is told ahead of the disk, or because the disk failed, is no acknowledgement */
  if (strcmp(e->what, "asked") != 0 && strcmp(e->what, "broken") != 0) r->known = true;
  bool stop =
      strcmp(e->what, "end") == 0 || strcmp(e->what, "waiting") == 0 || strcmp(e->what, "broken") == 0;
  snprintf(r->told, sizeof r->told, "%s", stop ? e->what : "");
  if (strcmp(e->what, "end") != 0) return;
  r->over = true;
  snprintf(r->ended_as, sizeof r->ended_as, "%.*s", LN_STR_ARG(e->text));
}

static ln_run_options options_of(const sim_run *r) {
  return (ln_run_options){.approve = r->approve, .event = on_event};
}

static ln_run *begin_this(const sim_run *r, ln_err *err) {
  static const char *const shared[] = {"acme:account:shared-0", "acme:account:shared-1",
                                       "acme:account:shared-2", "acme:account:shared-3"};
  const ln_str entity = ln_str_of(shared[r->undoes % 4]);
  const ln_release release = {.entities = &entity, .n = 1, .why = LN_STR("it is clean")};
  const sim_run *of = &here->runs[r->undoes];
  ln_run_options o = options_of(r);
  ln_str by = ln_str_of(r->by);
  if (strcmp(r->playbook, SIM_RELEASE) == 0) return ln_release_start(here->g, &release, &o, by, err);
  if (sim_takes_back(r->playbook)) return ln_undo_start(here->g, ln_str_of(of->ulid), 0, &o, by, err);
  return ln_run_start(here->g, ln_str_of(r->playbook), ln_buf_view(&r->input), &o, by, err);
}

/* What is to be taken back has to be over, and so has what it began: else it is tried again later.  Where
** nothing is held nothing is released. */
static void begin(sim_run *r) {
  ln_err err;
  bool back = sim_takes_back(r->playbook);
  if (back && !here->runs[r->undoes].over) return;
  r->known = false;
  r->told[0] = 0;
  ln_run *run = begin_this(r, &err);
  if (!run && back && ln_err_is(&err, "conflict")) return;
  if (!run && back && ln_err_is(&err, "not_found")) {
    r->over = true;
    return;
  }
  if (!run) {
    char input[101];
    ln_str said = ln_buf_view(&r->input);
    ln_hex((const uint8_t *)said.p, said.n < 50 ? said.n : 50, input);
    sim_fail("%s does not start: %s (input of %zu bytes: %s)", r->playbook, err.message, said.n, input);
    r->over = true;
    return;
  }
  snprintf(r->ulid, sizeof r->ulid, "%s", ln_run_ulid(run));
  sim_trace(r->playbook, ln_str_of(r->ulid));
}

/* Its beginning came to nothing: unless somebody was told of it, it is begun once more. */
static void forget(sim_run *r) {
  if (r->known) sim_fail("lost: the run %s (%s), of which somebody was told", r->ulid, r->playbook);
  bool planned = r < here->runs + here->n_planned;
  sim_trace("it was never begun", ln_str_of(r->ulid));
  r->told[0] = 0;
  if (planned) r->ulid[0] = 0;
  r->over = !planned;
}

/* What a parent goes on with by itself, or another process, may be under way already. */
static bool is_elsewhere(const ln_err *err) {
  return ln_err_is(err, "conflict") &&
         (err->retry == LN_AGAIN || ln_str_find(ln_str_of(err->message), LN_STR("taken")) >= 0);
}

static void resume(sim_run *r) {
  ln_run_options o = options_of(r);
  ln_err err;
  r->told[0] = 0;
  sim_trace("resume", ln_str_of(r->ulid));
  if (ln_run_resume(here->g, ln_str_of(r->ulid), &o, &err) || is_elsewhere(&err)) return;
  if (ln_err_is(&err, "not_found")) {
    forget(r);
    return;
  }
  if (!ln_err_is(&err, "store") || !here->disk_full)
    sim_fail("%s %s does not go on: %s", r->playbook, r->ulid, err.message);
  snprintf(r->told, sizeof r->told, "broken");
}

/* ------------------------------------------------------------------ another process */

static void need(bool ok, const ln_err *err) {
  if (ok) return;
  sim_fail("lost: %s: %s", err->code, err->message);
  here->in_life = false;
  longjmp(here->give_up, 1);
}

static void open_process(size_t slot, ln_rand *rand, uint64_t seed, ln_loop *l) {
  ln_engine *g = &here->w->slot[slot];
  ln_err err;
  ln_rand_seed(rand, seed);
  g->loop = l;
  need((g->transport = sim_network(g, &err)) != NULL, &err);
  need(ln_simset_open(here->w->set, slot, rand, NULL, &err), &err);
  need(ln_timing_begin(g, true, &err), &err);
}

/* Two that take up the same run at the same moment: the other one's transaction comes between our look and
** ours. */
void sim_rival_takes(void) {
  static ln_rand rand;
  sim_run *r = here->in_life && here->rival_for[0] ? sim_run_of(here->rival_for) : NULL;
  ln_err err;
  here->rival_for[0] = 0;
  if (!r || here->rival || here->disk_full) return;
  ln_run_options o = options_of(r);
  here->rival = &here->w->slot[SIM_RIVAL];
  here->had_rival = true;
  open_process(SIM_RIVAL, &rand, here->seed * 64 + 63, here->g->loop);
  sim_trace("another process takes it", ln_str_of(r->ulid));
  if (!ln_run_resume(here->rival, ln_str_of(r->ulid), &o, &err) && !ln_err_is(&err, "conflict") &&
      !ln_err_is(&err, "store") && !ln_err_is(&err, "not_found"))
    sim_fail("%s does not go on elsewhere: %s", r->ulid, err.message);
}

/* ------------------------------------------------------------------ what is done now and then */

static void make_room(void) {
  if (!here->disk_full) return;
  here->disk_full = false;
  ln_vfs_sim_fail_after(here->w->disk, -1);
  sim_trace("there is room on the disk again", (ln_str){NULL, 0});
}

static bool exists(void *arg, const ln_run_row *row) {
  (void)row;
  *(bool *)arg = true;
  return false;
}

/* An attempt of it is over.  A scheduler takes it up again by itself. */
static void go_on(sim_run *r) {
  bool there = false;
  ln_err err;
  if (here->sched) {
    if (ln_store_run_find(here->g->store, ln_str_of(r->ulid), exists, &there, &err)) r->told[0] = 0;
    else if (ln_err_is(&err, "not_found")) forget(r);
    return;
  }
  ln_run_close(sim_carried(r->ulid));
  resume(r);
}

/* Begun, and gone before anybody was told anything: of a beginning that fails not every scheduler's answer
** says so. */
static bool is_gone(const sim_run *r) {
  return here->sched && r->ulid[0] && !r->known && !sim_carried(r->ulid);
}

static void cancel(sim_run *r) {
  char ulid[LN_ULID + 1];
  ln_err err;
  ln_run *run = here->sched ? NULL : sim_carried(r->ulid);
  if (!r->cancel_ms || r->cancelled || r->over || !r->ulid[0] || here->now_ms - here->begin_ms < r->cancel_ms)
    return;
  if (here->sched && !ln_sched_want(here->sched, ln_str_of(r->ulid), LN_STR("somebody"), ulid, &err)) return;
  if (!here->sched && !run) return;
  if (run) ln_run_cancel(run, LN_STR("somebody thought better of it"));
  sim_trace("cancel", ln_str_of(r->ulid));
  r->cancelled = true;
  here->out->cancels++;
}

static void tend(void *arg);

static void tend_again(void) {
  here->tend = (ln_timer){.fn = tend};
  if (!here->g->loop->timer(here->g->loop, &here->tend, here->tend_ms)) abort();
  if (here->tend_ms < TEND_MOST_MS) here->tend_ms += here->tend_ms / 8;
}

typedef struct left_over { char ulid[SIM_ALL][LN_ULID + 1]; size_t n; } left_over;

static bool note_left(void *arg, const ln_run_row *row) {
  left_over *l = arg;
  if (!sim_run_of(row->ulid)) add_run(row->ulid, row->playbook);
  if (!row->owner[0] && !sim_carried(row->ulid)) memcpy(l->ulid[l->n++], row->ulid, LN_ULID + 1);
  return l->n < SIM_ALL;
}

/* Without a scheduler, what a run began and nobody carries is taken up by people. */
static void take_up_left(void) {
  left_over l = {.n = 0};
  ln_run_query q = {.state = LN_STR("waiting")};
  ln_err err;
  if (!ln_store_runs(here->g->store, &q, note_left, &l, &err)) return;
  for (size_t i = 0; i < l.n; i++)
    if (sim_run_of(l.ulid[i])) resume(sim_run_of(l.ulid[i]));
}

/* As a command in the foreground does now and then: what another process did may be what a run here waits
** for. */
static void look_around(ln_engine *g) {
  if (g && ln_store_changed(g->store)) ln_runs_look(g);
}

/* Somebody sets the clock, or it is set right again: half of the time by what is no step. */
static void set_clock(void) {
  if (here->steps == 0 || !sim_chance(&here->people, 0.05)) return;
  int64_t most = sim_chance(&here->people, 0.5) ? 4 * 60000 : 10 * 3600000;
  int64_t ms = (int64_t)sim_pick(&here->people, (size_t)most);
  if (here->stepped_ms) ms = here->stepped_ms;
  else if (sim_chance(&here->people, 0.5)) ms = -ms;
  sim_trace("the clock is set", (ln_str){NULL, 0});
  if (here->stepped_ms) ms = -ms;
  ln_loop_sim_step(here->g->loop, ms);
  here->w->set->set_ms += ms;
  here->stepped_ms = here->stepped_ms ? 0 : sim_chance(&here->people, 0.5) ? ms : 0;
  here->steps--;
  here->out->clock_steps++;
}

/* Whoever looks after it: starts what is due, takes up what broke, answers, settles, cancels. */
static void tend(void *arg) {
  (void)arg;
  here->now_ms = ln_now_ms(here->g->loop->clock);
  sim_point(SIM_IDLE_POINT);
  make_room();
  set_clock();
  for (int i = 0; i < here->n_runs; i++) {
    sim_run *r = &here->runs[i];
    bool planned = i < here->n_planned;
    if (planned && !r->ulid[0] && !r->over && here->now_ms - here->begin_ms >= r->start_ms) begin(r);
    else if (!r->over && (strcmp(r->told, "broken") == 0 || is_gone(r))) go_on(r);
    if (planned) cancel(r);
  }
  sim_alerts_some();
  sim_people();
  if (!here->sched) look_around(here->g), take_up_left();
  look_around(here->rival);
  if (all_over()) {
    here->g->loop->stop(here->g->loop);
  } else if (here->now_ms - here->begin_ms > (int64_t)TOO_LONG_S * 1000) {
    for (int i = 0; i < here->n_runs; i++)
      if (here->runs[i].playbook[0] && !here->runs[i].over)
        sim_fail("it does not end: %s %s", here->runs[i].playbook, here->runs[i].ulid);
    if (!here->failed) sim_fail("it does not end: a run is open that nobody has heard of");
    here->g->loop->stop(here->g->loop);
  } else {
    tend_again();
  }
}

/* ------------------------------------------------------------------ lives */

static void be_born(void) {
  static ln_rand rands[SIM_LIVES];
  ln_err err;
  ln_engine *g = here->g = &here->w->slot[here->life];
  uint64_t seed = here->seed * 64 + (uint64_t)here->life;
  ln_loop *l = ln_loop_sim(seed, here->now_ms, &err);
  need(l != NULL, &err);
  g->loop = l;
  here->w->set->behind = l->clock;
  here->in_life = true;
  here->tend = (ln_timer){.fn = NULL};                   /* the last one went with its loop */
  here->tend_ms = TEND_MS;
  sim_network_next_life();
  open_process((size_t)here->life, &rands[here->life], seed, l);
  ln_sched_opts so = {.warm = here->warm, .event = on_event};
  /* and try again */
  if (here->served && !(here->sched = ln_sched_start(g, &so, &err)) && here->disk_full) make_room();
  if (here->served && !here->sched) need((here->sched = ln_sched_start(g, &so, &err)) != NULL, &err);
  need(sim_alerts_begin(&err), &err);
}

typedef struct search { bool found, ended; char state[16]; } search;

static bool look_at(void *arg, const ln_run_row *row) {
  search *s = arg;
  s->found = true;
  s->ended = row->finished_ms != 0;
  snprintf(s->state, sizeof s->state, "%.*s", LN_STR_ARG(row->state));
  return false;
}

/* What the last life left: a run that is in the store goes on; one that is not was never acknowledged. */
static void take_up(sim_run *r) {
  search s = {.found = false};
  ln_err err;
  if (!r->ulid[0]) return;
  if (!ln_store_run_find(here->g->store, ln_str_of(r->ulid), look_at, &s, &err) &&
      !ln_err_is(&err, "not_found"))
    sim_fail("%s: %s", r->ulid, err.message);
  if (!s.found) {
    forget(r);
  } else if (s.ended) {
    if (!r->over) snprintf(r->ended_as, sizeof r->ended_as, "%s", s.state);
    r->over = true;
  } else {
    if (r->over && r->known)
      sim_fail("lost: the end of %s (%s), of which somebody was told", r->ulid, r->playbook);
    r->over = false;
    if (!here->sched) resume(r);
  }
}

static bool meet(void *arg, const ln_run_row *row) {
  (void)arg;
  if (!sim_run_of(row->ulid)) add_run(row->ulid, row->playbook);
  return true;
}

static void take_all_up(void) {
  ln_run_query q = {.limit = 0};
  ln_err err;
  if (!ln_store_runs(here->g->store, &q, meet, NULL, &err))
    sim_fail("the runs cannot be listed: %s", err.message);
  sim_run *fought_for = &here->runs[sim_pick(&here->plan, (size_t)here->n_planned)];
  if (!here->sched && !here->had_rival && sim_chance(&here->plan, 0.4))
    memcpy(here->rival_for, fought_for->ulid, sizeof here->rival_for);
  for (int i = 0; i < here->n_runs; i++) take_up(&here->runs[i]);
}

static void die_away(void) {
  here->now_ms = ln_now_ms(here->g->loop->clock) + 50 + (int64_t)sim_pick(&here->plan, 1000);
  if (sim_chance(&here->plan, 0.3)) here->now_ms += (int64_t)sim_pick(&here->plan, 3 * 3600 * 1000);
  here->in_life = false;
  ln_owner_drop(here->g->owner);
  if (here->rival) ln_owner_drop(here->rival->owner);
  here->rival = NULL;
  here->rival_for[0] = 0;
  make_room();
  if (here->power) ln_vfs_sim_power_cut(here->w->disk);
  else ln_vfs_sim_kill(here->w->disk);
  here->sched = NULL;
  here->life++;
}

static bool add_journal(void *arg, const ln_run_row *row) {
  ln_err err;
  ln_journal *j = ln_journal_load(here->g->store, row->id, &err);
  for (size_t i = 0; j && i < ln_journal_records(j); i++)
    *(int *)arg += ln_journal_record(j, i)->fingerprint.n > 0;
  ln_journal_free(j);
  return true;
}

/* A history has sixty effects at least: where runs came to little, another one is started. */
static bool one_more(void) {
  ln_run_query q = {.limit = 0};
  ln_err err;
  int effects = 0;
  if (here->n_planned == SIM_RUNS || !ln_store_runs(here->g->store, &q, add_journal, &effects, &err) ||
      effects >= 60)
    return false;
  plan_run(0);
  return true;
}

static void live(void) {
  be_born();
  take_all_up();
  do {
    tend(NULL);
    while (!here->failed && !all_over()) here->g->loop->run(here->g->loop);
    here->g->loop->cancel(here->g->loop, &here->tend);
  } while (!here->failed && one_more());
}

static void end_well(void) {
  ln_engine *g = here->g;
  here->in_life = false;
  sim_alerts_end();
  ln_sched_stop(here->sched);
  here->sched = NULL;
  if (here->rival) while (here->rival->state) ln_run_close(here->rival->state);
  while (g->state) ln_run_close(g->state);
  ln_runs_drain(g);
}

static void live_all(sim *s) {
  while (setjmp(s->out_of_life)) {
    die_away();
    sim_arm();
  }
  live();
  end_well();
}

void sim_history(sim *s) {
  ln_err err;
  here = s;
  s->begin_ms = s->now_ms = 1795600000000;
  plan();
  ln_vfs_sim_seed(s->w->disk, s->seed);
  ln_vfs_sim_lie(s->w->disk, s->mutant == MUTANT_LYING_DISK);
  if (!ln_simhost_again(s->w->vendors, s->seed, NULL, &err)) sim_fail("%s", err.message);
  if (!s->failed && setjmp(s->give_up) == 0) {
    live_all(s);
    sim_alerts_check();
    sim_check();
  }
  s->out->lives = s->life + 1;
  s->out->trace = s->trace;
  s->out->ok = !s->failed;
  s->out->finished = true;
}
