/* people.c: what people do: they answer questions, one way or the other, and look at the vendor's console
** when nobody else can tell whether something happened. */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>

/* Of a hundred questions nobody answers so many; but what is asked again after so long somebody does. */
enum { QUESTIONS = 64, FORGETFUL = 8, LONG_MS = 7 * 24 * 3600 * 1000 };

typedef struct asked { int64_t id, quorum, created_ms; char kind[12]; uint64_t who; } asked;
typedef struct questions { asked v[QUESTIONS]; size_t n; } questions;

static bool note(void *arg, const ln_approval *a) {
  questions *q = arg;
  asked *x = &q->v[q->n++];
  *x = (asked){
      .id = a->id, .quorum = a->quorum, .created_ms = a->created_ms,
      .who = sim_hash(sim_hash(here->seed, ln_str_of(a->ulid)), a->step)};
  snprintf(x->kind, sizeof x->kind, "%.*s", LN_STR_ARG(a->kind));
  return q->n < QUESTIONS;
}

static void answer(const asked *a) {
  static const char *const names[] = {"bob", "carol", "dave"};
  ln_err err;
  bool yes = (int)(a->who % 100) >= here->grumpy;
  ln_str by = ln_str_of(names[sim_pick(&here->people, 3)]);
  ln_str what = yes && strcmp(a->kind, "ask") == 0 ? LN_STR("left") : (ln_str){NULL, 0};
  sim_trace(yes ? "yes" : "no", by);
  here->out->approvals++;
  if (!ln_approval_decide(here->g, a->id, yes, by, LN_STR("said so"), what, false, &err) &&
      !ln_err_is(&err, "conflict") && !ln_err_is(&err, "store"))
    sim_fail("an answer is refused: %s", err.message);
}

static bool forgotten(const asked *a) {
  return a->created_ms - here->begin_ms < LONG_MS && a->who / 100 % 100 < FORGETFUL;
}

/* Everybody looks now and then, and some questions are never answered. */
static void answer_some(void) {
  questions q = {.n = 0};
  ln_err err;
  if (!ln_store_approvals(here->g->store, 0, true, note, &q, &err)) return;
  for (size_t i = 0; i < q.n; i++)
    if (sim_pick(&here->people, 3) && !forgotten(&q.v[i])) answer(&q.v[i]);
}

/* ------------------------------------------------------------------ doubt */

typedef struct doubts { char ulid[SIM_ALL][LN_ULID + 1]; size_t n; } doubts;

/* One under way may have a doubt in one of its branches. */
static bool note_doubt(void *arg, const ln_run_row *row) {
  doubts *d = arg;
  bool waits = !row->owner[0] && ln_str_eq(ln_v_get_str(row->waiting, "for"), LN_STR("doubt"));
  if (waits || (here->sched && sim_carried(row->ulid))) memcpy(d->ulid[d->n++], row->ulid, LN_ULID + 1);
  return d->n < SIM_ALL;
}

static bool first_doubt(int64_t run, char step[SIM_STEP]) {
  ln_err err;
  ln_journal *j = ln_journal_load(here->g->store, run, &err);
  step[0] = 0;
  for (size_t i = 0; j && !step[0] && i < ln_journal_records(j); i++) {
    const ln_record *c = ln_journal_record(j, i);
    if (c->in_doubt) snprintf(step, SIM_STEP, "%.*s", LN_STR_ARG(c->name));
  }
  ln_journal_free(j);
  return step[0] != 0;
}

static bool take_id(void *arg, const ln_run_row *row) {
  *(int64_t *)arg = row->id;
  return false;
}

/* Who settles a doubt looks first what the vendor has, once nothing can come any more. */
static void settle(const char *ulid) {
  int64_t id = 0;
  char step[SIM_STEP], same[LN_ULID + 1];
  ln_err err;
  if (!ln_store_run_find(here->g->store, ln_str_of(ulid), take_id, &id, &err) || !first_doubt(id, step))
    return;
  bool did = sim_acted(ulid, ln_str_of(step)) > 0;
  sim_trace(did ? "it did happen" : "it did not happen", ln_str_of(step));
  here->out->doubts++;
  if (!ln_run_settle(here->g, ln_str_of(ulid), ln_str_of(step), did, (ln_str){NULL, 0}, LN_STR("bob"),
                     &err)) {
    if (!ln_err_is(&err, "store") && !ln_err_is(&err, "conflict"))
      sim_fail("a doubt cannot be settled: %s", err.message);
  } else if (here->sched && !ln_sched_want(here->sched, ln_str_of(ulid), LN_NOBODY, same, &err) &&
             !ln_err_is(&err, "store")) {
    sim_fail("what was settled does not go on: %s", err.message);
  }
}

/* Without a scheduler a run that waits is let go first, as a command that waits no longer does. */
static void let_go(sim_run *r) {
  ln_waiting w;
  ln_run *run = r->ulid[0] && strcmp(r->told, "waiting") == 0 ? sim_carried(r->ulid) : NULL;
  if (!run || !ln_run_waiting(run, &w) || strcmp(w.what, "doubt") != 0) return;
  ln_run_close(run);
  snprintf(r->told, sizeof r->told, "broken");           /* it is taken up again */
}

static void settle_some(void) {
  doubts d = {.n = 0};
  ln_err err;
  ln_run_query q = {.state = LN_STR("waiting")}, under_way = {.state = LN_STR("running")};
  if (!sim_network_quiet() || sim_pick(&here->people, 3) == 0) return;
  for (int i = 0; !here->sched && i < here->n_runs; i++) let_go(&here->runs[i]);
  if (!ln_store_runs(here->g->store, &q, note_doubt, &d, &err) ||
      !ln_store_runs(here->g->store, &under_way, note_doubt, &d, &err))
    return;
  for (size_t i = 0; i < d.n; i++) settle(d.ulid[i]);
}

void sim_people(void) {
  settle_some();
  answer_some();
  sim_edit_some();
  ln_sched_nudge(here->sched);
}
