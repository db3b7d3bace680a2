/* alerts.c: alerts that come in while a history goes on.  Senders hand in texts of one to three alerts, some
** of which are the same ones, until they are told that they are taken; what they were told is what the
** checker goes by:
** nothing lost    what was answered is there, and decided; the runs that an answer named are its own
** nothing twice   an alert is one row; it began one run of what wants it, and no run is of none or of two
** joined right    of one host one run at a time goes on, which the further alerts of that host have joined */
#include "tests/sim/sim.h"

#include "engine/alerts.h"

#include <stdio.h>
#include <stdlib.h>

enum { IDS = 9, HOSTS = 3, RUNS_TOLD = 4 };
#define WANTS "hostile.wants"
#define JOINS "hostile.joins"

/* What senders were told of an alert. */
typedef struct told { bool taken; char run[RUNS_TOLD][LN_ULID + 1]; size_t n; } told;
static told known[IDS];

/* ------------------------------------------------------------------ the plan */

/* Few histories have any: it costs reading all scripts in each life.  Whoever has none is as it would be
** without this. */
void sim_alerts_plan(void) {
  ln_rand_seed(&here->senders, here->seed ^ 0x616c65727473);
  if (!here->served || !sim_chance(&here->senders, 0.15)) return;
  here->n_texts = 4 + (int)sim_pick(&here->senders, SIM_SENT - 4);
  for (int i = 0; i < here->n_texts; i++) {
    sim_sent *t = &here->texts[i];
    *t = (sim_sent){.n = 1 + (int)sim_pick(&here->senders, 3), .again = sim_chance(&here->senders, 0.3)};
    for (int k = 0; k < t->n; k++) t->id[k] = (int)sim_pick(&here->senders, IDS);
  }
}

static bool see_new(void *arg, const ln_alert_row *a) {
  (void)a;
  return *(bool *)arg = false;
}

bool sim_alerts_over(void) {
  const ln_alert_query q = {.state = LN_STR("new"), .oldest_first = true, .limit = 1};
  bool none = true;
  ln_err err;
  for (int i = 0; i < here->n_texts; i++)
    if (!here->texts[i].taken || here->texts[i].again) return false;
  return !here->n_texts || (ln_store_alerts(here->g->store, &q, see_new, &none, &err) && none);
}

/* ------------------------------------------------------------------ handing in */

static int number_of(ln_str id) { return id.n == 2 && id.p[0] == 'a' ? id.p[1] - '0' : -1; }

static void hear_one(ln_str alert) {
  ln_vitem runs, one;
  int id = number_of(ln_v_get_str(alert, "id"));
  if (id < 0 || id >= IDS || !ln_v_get(alert, LN_STR("runs"), &runs)) {
    sim_fail("an answer names no alert of ours");
    return;
  }
  told *k = &known[id];
  k->taken = true;
  for (ln_str rest = runs.body; rest.n && k->n < RUNS_TOLD && ln_v_read(&rest, &one);)
    snprintf(k->run[k->n++], sizeof k->run[0], "%.*s", LN_STR_ARG(one.s));
}

static void hear(void *arg, ln_str answer, const ln_err *err) {
  sim_sent *t = arg;
  ln_vitem list, one;
  if (!here->in_life) return;                            /* it is given back at the end */
  t->sending = false;
  sim_trace("alerts", err ? ln_str_of(err->code) : answer);
  if (err) return;
  if (t->taken) t->again = false;
  t->taken = true;
  if (!ln_v_get(answer, LN_STR("alerts"), &list) || (int)list.count != t->n)
    sim_fail("of %d alerts %d are answered", t->n, (int)list.count);
  for (ln_str rest = list.body; rest.n && ln_v_read(&rest, &one);) hear_one(one.whole);
}

static void write_text(const sim_sent *t, ln_buf *text) {
  for (int i = 0; i < t->n; i++)
    ln_buf_addf(text,
                "{\"rule\":\"Write below etc %c\",\"priority\":\"Warning\",\"output\":\"o\",\"uuid\":\"a%d\","
                "\"hostname\":\"host-%d\",\"output_fields\":{\"proc.name\":\"vim\"}}\n",
                'a' + t->id[i], t->id[i], t->id[i] % HOSTS);
}

static void hand_in(sim_sent *t) {
  const ln_alert_from from = {.by = LN_STR("sender")};
  ln_err err;
  ln_buf text;
  ln_buf_init(&text, 1 << 16);
  write_text(t, &text);
  t->sending = true;
  if (!ln_alerts_take(here->alerts, ln_buf_view(&text), &from, hear, t, &err)) {
    t->sending = false;
    if (!ln_err_is(&err, "unavailable")) sim_fail("alerts are not taken: %s", err.message);
  } else if (here->mutant == MUTANT_ANSWER_FIRST) {
    t->taken = true;
    t->again = false;
    for (int i = 0; i < t->n; i++) known[t->id[i]].taken = true;
  }
  ln_buf_free(&text);
}

bool sim_alerts_begin(ln_err *err) {
  for (int i = 0; i < here->n_texts; i++) here->texts[i].sending = false;
  here->alerts = NULL;
  return !here->n_texts || (here->alerts = ln_alerts_start(here->g, err));
}

void sim_alerts_some(void) {
  for (int i = 0; here->alerts && i < here->n_texts; i++) {
    sim_sent *t = &here->texts[i];
    if (!t->sending && (!t->taken || t->again) && sim_chance(&here->senders, 0.3)) hand_in(t);
  }
}

void sim_alerts_end(void) {
  ln_alerts_stop(here->alerts);
  here->alerts = NULL;
}

/* ------------------------------------------------------------------ the judgement */

typedef struct part {                                    /* of an alert in a run                            */
  int id;                                                /* of ours                                         */
  int64_t run;
  bool wants, started;
  char ulid[LN_ULID + 1];
} part;

enum { PARTS = 2 * IDS };
static part parts[PARTS];
static size_t n_parts, rows[IDS];

static bool see_part(void *arg, const ln_alert_run *r) {
  int id = *(int *)arg;
  bool wants = ln_str_eq(r->playbook, LN_STR(WANTS)), joins = ln_str_eq(r->playbook, LN_STR(JOINS));
  bool started = ln_str_eq(r->what, LN_STR("started")), joined = ln_str_eq(r->what, LN_STR("joined"));
  if ((!wants && !joins) || (!started && !(joined && joins)) || !r->ulid[0] || n_parts == PARTS) {
    sim_fail("alert a%d: with %.*s it came to %.*s: %.*s", id, LN_STR_ARG(r->playbook), LN_STR_ARG(r->what),
             LN_STR_ARG(r->why));
    return false;
  }
  part *p = &parts[n_parts++];
  *p = (part){.id = id, .run = r->run, .wants = wants, .started = started};
  memcpy(p->ulid, r->ulid, sizeof p->ulid);
  return true;
}

static bool see_alert(void *arg, const ln_alert_row *a) {
  ln_err err;
  int id = number_of(a->name);
  size_t before = n_parts;
  (void)arg;
  if (id < 0 || id >= IDS) {
    sim_fail("there is an alert %.*s", LN_STR_ARG(a->name));
    return true;
  }
  if (rows[id]++) sim_fail("twice: alert a%d", id);
  if (!ln_str_eq(a->state, LN_STR("decided"))) sim_fail("lost: alert a%d is %.*s", id, LN_STR_ARG(a->state));
  if (!ln_store_alert_runs(here->g->store, a->id, see_part, &id, &err)) sim_fail("a%d: %s", id, err.message);
  if (n_parts != before + 2) sim_fail("lost: alert a%d is of %zu runs, not of two", id, n_parts - before);
  return true;
}

static void check_told(int id) {
  const told *k = &known[id];
  if (k->taken && !rows[id]) sim_fail("lost: alert a%d, which was answered", id);
  for (size_t i = 0; i < k->n; i++) {
    bool own = false;
    for (size_t j = 0; j < n_parts; j++) own |= parts[j].id == id && strcmp(parts[j].ulid, k->run[i]) == 0;
    if (!own) sim_fail("lost: run %s, which the answer for alert a%d named", k->run[i], id);
  }
}

typedef struct turn { int host; int64_t from_ms, to_ms; char ulid[LN_ULID + 1]; } turn;
static turn turns[SIM_ALL];
static size_t n_turns;

/* What the run has taken has joined it, and each once. */
static void check_taken(const ln_run_row *row) {
  ln_vitem list, one;
  bool seen[IDS] = {false};
  if (!ln_v_get(row->result, LN_STR("ids"), &list) || list.tag != 'A') return;
  for (ln_str rest = list.body; rest.n && ln_v_read(&rest, &one);) {
    int id = number_of(one.s);
    bool joined = false;
    for (size_t i = 0; i < n_parts; i++)
      joined |= parts[i].id == id && parts[i].run == row->id && !parts[i].started;
    if (!joined) sim_fail("joins: %s has taken %.*s, which did not join it", row->ulid, LN_STR_ARG(one.s));
    else if (seen[id]) sim_fail("twice: %s has taken a%d", row->ulid, id);
    if (joined) seen[id] = true;
  }
}

static bool see_run(void *arg, const ln_run_row *row) {
  bool joins = ln_str_eq(row->playbook, LN_STR(JOINS));
  int started = 0, host = -1;
  (void)arg;
  for (size_t i = 0; i < n_parts; i++) {
    if (parts[i].run != row->id) continue;
    started += parts[i].started;
    if (host >= 0 && host != parts[i].id % HOSTS) sim_fail("joins: %s has alerts of two hosts", row->ulid);
    host = parts[i].id % HOSTS;
  }
  if (started != 1)
    sim_fail("%s: run %s was begun by %d alerts", started ? "lost" : "twice", row->ulid, started);
  if (!joins || n_turns == SIM_ALL) return true;
  check_taken(row);
  turn *t = &turns[n_turns++];
  *t = (turn){.host = host, .from_ms = row->created_ms, .to_ms = row->finished_ms};
  memcpy(t->ulid, row->ulid, sizeof t->ulid);
  return true;
}

/* Where somebody set the clock its times say nothing. */
static void check_turns(void) {
  for (size_t i = 0; i < n_turns && !here->out->clock_steps; i++)
    for (size_t k = 0; k < i; k++)
      if (turns[i].host == turns[k].host && turns[i].from_ms < turns[k].to_ms &&
          turns[k].from_ms < turns[i].to_ms)
        sim_fail("joins: %s and %s went on at once for host-%d", turns[k].ulid, turns[i].ulid, turns[i].host);
}

void sim_alerts_check(void) {
  static const char *const begun[] = {WANTS, JOINS};
  ln_alert_query all = {.limit = 0};
  ln_err err;
  if (!ln_store_alerts(here->g->store, &all, see_alert, NULL, &err)) sim_fail("alerts: %s", err.message);
  for (int i = 0; i < IDS; i++) check_told(i), here->out->alerts += rows[i] > 0;
  for (size_t i = 0; i < 2; i++) {
    ln_run_query q = {.playbook = ln_str_of(begun[i])};
    if (!ln_store_runs(here->g->store, &q, see_run, NULL, &err)) sim_fail("runs: %s", err.message);
  }
  check_turns();
}
