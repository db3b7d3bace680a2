/* replays.c: each journal of a history once more, in a process of its own, against the same disk: it comes
** to the same end, asks nobody, and writes nothing down. */
#include "tests/sim/sim.h"

#include <stdio.h>

typedef struct replay {
  ln_engine *g;
  char what[16];
} replay;

static void on_event(void *arg, ln_run *r, const ln_event *e) {
  replay *p = arg;
  (void)r;
  if (strcmp(e->what, "end") != 0 && strcmp(e->what, "waiting") != 0 && strcmp(e->what, "broken") != 0)
    return;
  snprintf(p->what, sizeof p->what, "%s", e->what);
  p->g->loop->stop(p->g->loop);
}

static bool unend(ln_tx *tx, void *arg, ln_err *err) {
  static const ln_run_change c = {
      .state = {"waiting", 7}, .outcome = {"", 0}, .result = {"", 0}, .error = {"", 0}};
  return ln_tx_run_change(tx, *(int64_t *)arg, &c, err);
}

static bool hash_entries(void *arg, ln_str entries) {
  uint64_t *h = arg;
  *h = sim_hash(*h, entries);
  return true;
}

static uint64_t journal_hash(ln_store *s, int64_t id) {
  uint64_t h = 0;
  ln_err err;
  if (!ln_store_journal(s, id, hash_entries, &h, &err)) sim_fail("replay: %s", err.message);
  return h;
}

static bool same(const ln_buf *a, const ln_buf *b) { return ln_str_eq(ln_buf_view(a), ln_buf_view(b)); }

static void compare(const sim_run *r, const sim_row *was, const sim_row *is) {
  if (strcmp(was->state, is->state) != 0)
    sim_fail("replay: %s (%s) was %s, and comes to be %s: %.*s", r->ulid, r->playbook, was->state, is->state,
             LN_STR_ARG(ln_v_get_str(ln_buf_view(&is->error), "message")));
  else if (strcmp(was->outcome, is->outcome) != 0)
    sim_fail("replay: %s (%s) was %s, and comes out %s", r->ulid, r->playbook, was->outcome, is->outcome);
  else if (!same(&was->result, &is->result))
    sim_fail("replay: %s (%s) has another result", r->ulid, r->playbook);
  else if (!same(&was->error, &is->error))
    sim_fail("replay: %s (%s) has another error", r->ulid, r->playbook);
}

static void replay_one(ln_engine *g, const sim_run *r, const sim_row *was) {
  replay p = {.g = g};
  ln_run_options o = {.event = on_event, .event_arg = &p};
  ln_err err;
  sim_row is;
  int64_t id = was->id;
  uint64_t before = journal_hash(g->store, id);
  ln_run *run =
      ln_writer_run(g->store, unend, &id, &err) ? ln_run_resume(g, ln_str_of(r->ulid), &o, &err) : NULL;
  if (!run) {
    sim_fail("replay: %s (%s): %s", r->ulid, r->playbook, err.message);
    return;
  }
  g->loop->run(g->loop);
  if (strcmp(p.what, "end") != 0) {
    sim_fail("replay: %s (%s) does not end: it is %s: %s", r->ulid, r->playbook, p.what,
             ln_run_why(run)->message);
  } else {
    if (sim_row_read(g->store, r, &is)) compare(r, was, &is);
    sim_row_free(&is);
    if (journal_hash(g->store, id) != before)
      sim_fail("replay: %s (%s) wrote something down", r->ulid, r->playbook);
  }
  ln_run_close(run);
  here->out->replayed++;
}

void sim_replays(const sim_row *rows) {
  static ln_rand rand;
  ln_engine *g = &here->w->slot[SIM_REPLAY];
  ln_err err;
  here->replaying = true;
  ln_rand_seed(&rand, here->seed);
  bool ok = (g->loop = ln_loop_sim(here->seed, here->now_ms + 86400000, &err)) != NULL &&
            (g->transport = sim_network(g, &err)) != NULL &&
            ln_simset_open(here->w->set, SIM_REPLAY, &rand, NULL, &err);
  if (!ok) sim_fail("replay: %s", err.message);
  here->g = g;
  for (int i = 0; ok && i < here->n_runs; i++)
    if (here->runs[i].ulid[0] && sim_row_ended(&rows[i])) replay_one(g, &here->runs[i], &rows[i]);
}
