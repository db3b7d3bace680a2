/* faults_life.c: a story lived: its runs one after the other; at the last one it is hit, and where a process
** dies the next one goes on with what is on the disk.  People answer a second after they were asked. */
#include "debug/faults_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const int64_t BEGIN_MS = 1795600000000, PAUSE_MS = 1000;
static const int64_t TOO_LONG_MS = INT64_C(60) * 86400 * 1000; /* simulated */
enum { TURNS = 20, QUESTIONS = 64 };

void ln_story_wrong(ln_story *s, const char *fmt, ...) {
  va_list ap;
  if (s->out->wrong[0]) return;
  va_start(ap, fmt);
  vsnprintf(s->out->wrong, sizeof s->out->wrong, fmt, ap);
  va_end(ap);
}

static bool need(ln_story *s, bool ok, const ln_err *err) {
  if (!ok) ln_story_wrong(s, "%s: %s", err->code, err->message);
  return ok;
}

/* ------------------------------------------------------------------ the disk */

/* The first step of a commit is what it is called by; notes and stages are nobody's. */
static void name_commit(ln_story *s, ln_str entries) {
  ln_f_trace *t = s->out;
  ln_entry e;
  if (s->life > 0 || t->commits == LN_F_COMMITS) return;
  ln_f_commit *c = &t->commit[t->commits];
  for (ln_str rest = entries; ln_entry_read(&rest, &e);) {
    if (!e.fingerprint.n || ln_str_eq(ln_str_of(c->step), e.name)) continue;
    if (c->step[0]) c->others++;
    else snprintf(c->step, sizeof c->step, "%.*s", LN_STR_ARG(e.name));
  }
}

static bool dies_here(ln_story *s, ln_f_kind kind) {
  bool here = s->cell && s->cell->kind == kind && s->life == 0 && s->out->commits == s->cell->at;
  s->out->hit |= here;
  return here;
}

static void on_commits(void *arg, int64_t run, ln_str entries) {
  ln_story *s = arg;
  if (!s->hitting && run > s->last_id) s->last_id = run;
  if (s->hitting && !s->run_id && run > s->last_id) s->run_id = run;
  if (!s->hitting || run != s->run_id) return;
  if (dies_here(s, LN_F_BEFORE)) ln_story_die(s);
  name_commit(s, entries);
  ln_buf_add(&s->going, entries);
}

static void on_committed(void *arg) {
  ln_story *s = arg;
  if (!s->going.n) return;
  ln_buf_add(&s->committed, ln_buf_view(&s->going));
  ln_buf_cut(&s->going, 0);
  if (dies_here(s, LN_F_AFTER)) ln_story_die(s);
  if (s->life == 0 && s->out->commits < LN_F_COMMITS) s->out->commits++;
}

/* ------------------------------------------------------------------ lives */

void ln_story_die(ln_story *s) { longjmp(s->out_of_life, 1); }

/* Nothing of the dead process runs any more; its memory is let lie. */
static void die_away(ln_story *s) {
  s->now_ms = ln_now_ms(s->g->loop->clock) + PAUSE_MS;
  ln_owner_drop(s->g->owner);
  ln_buf_cut(&s->going, 0);
  ln_vfs_sim_power_cut(s->set->disk);
  s->people = s->stuck = (ln_timer){.fn = NULL}; /* they went with their loop */
  s->life++;
}

static bool be_born(ln_story *s) {
  uint64_t seed = s->seed * 64 + s->life;
  ln_err err = {0};
  ln_engine *g = s->g = &s->set->slot[s->life];
  ln_rand_seed(&s->rand[s->life], seed);
  g->loop = ln_loop_sim(seed, s->now_ms, &err);
  if (g->loop) s->set->behind = g->loop->clock;
  return need(s, g->loop && (g->transport = ln_story_network(s, g->loop, &err)), &err) &&
         need(s, ln_simset_open(s->set, s->life, &s->rand[s->life], &s->watch, &err), &err);
}

/* ------------------------------------------------------------------ people */

typedef struct questions {
  int64_t id[QUESTIONS];
  char answer[QUESTIONS][128];
  size_t n;
} questions;

static bool note_question(void *arg, const ln_approval *a) {
  questions *q = arg;
  ln_vitem list = {0}, first = {0};
  ln_str rest = a->options;
  q->id[q->n] = a->id;
  if (ln_v_read(&rest, &list) && list.tag == 'A') rest = list.body, ln_v_read(&rest, &first);
  snprintf(q->answer[q->n++], sizeof q->answer[0], "%.*s", LN_STR_ARG(first.s));
  return q->n < QUESTIONS;
}

/* Everybody says yes; of several answers the first one is given. */
static void answer_all(void *arg) {
  ln_story *s = arg;
  static questions q;
  ln_err err = {0};
  q.n = 0;
  need(s, ln_store_approvals(s->g->store, 0, true, note_question, &q, &err), &err);
  for (size_t i = 0; i < q.n; i++) {
    bool ok = ln_approval_decide(s->g, q.id[i], true, LN_STR("bob"), LN_STR("yes"), ln_str_of(q.answer[i]),
                                 false, &err);
    s->out->approvals += ok;
    if (!ok && !ln_err_is(&err, "conflict")) ln_story_wrong(s, "a yes is refused: %s", err.message);
  }
}

static void on_stuck(void *arg) {
  ln_story *s = arg;
  s->told = LN_F_STUCK;
  s->g->loop->stop(s->g->loop);
}

static void start_timer(ln_story *s, ln_timer *t, ln_task_fn fn, int64_t after_ms) {
  if (t->impl) return;
  *t = (ln_timer){.fn = fn, .arg = s};
  if (!s->g->loop->timer(s->g->loop, t, after_ms)) ln_story_wrong(s, "no memory for a timer");
}

/* It says for what it waits, and what to do. */
static void note_doubt(ln_story *s, ln_run *r) {
  ln_waiting w;
  if (!ln_run_waiting_through(r, &w) || !w.step[0] || !w.next[0])
    ln_story_wrong(s, "it waits for a doubt, and does not say of which step, or what to do");
  snprintf(s->doubt, sizeof s->doubt, "%s", w.step);
  snprintf(s->doubtful, sizeof s->doubtful, "%s", ln_run_ulid(r));
  s->told = LN_F_DOUBT;
  s->out->doubts++;
}

static void on_event(void *arg, ln_run *r, const ln_event *e) {
  ln_story *s = arg;
  bool ours = strcmp(ln_run_ulid(r), s->ulid) == 0;
  if (s->verbose)
    printf("  [%s] %.*s %.*s %.*s\n", e->what, LN_STR_ARG(e->name), LN_STR_ARG(e->state),
           LN_STR_ARG(e->text));
  bool doubt = strcmp(e->what, "waiting") == 0 && ln_str_eq(e->text, LN_STR("doubt"));
  if (strcmp(e->what, "approval") == 0 || (strcmp(e->what, "waiting") == 0 && !doubt))
    start_timer(s, &s->people, answer_all, PAUSE_MS);
  if (doubt) note_doubt(s, r);
  else if (ours && strcmp(e->what, "end") == 0) s->told = LN_F_END;
  else if (ours && strcmp(e->what, "broken") == 0) s->told = LN_F_BROKEN;
  if (s->told) s->g->loop->stop(s->g->loop);
}

/* ------------------------------------------------------------------ a run */

static ln_run_options options_of(ln_story *s) { return (ln_run_options){.event = on_event, .event_arg = s}; }

static void begin(ln_story *s) {
  const ln_faults_run *what = &s->c->runs[s->at];
  ln_run_options o = options_of(s);
  ln_err err = {0};
  s->hitting = s->at + 1 == s->c->n;
  s->files = ln_story_files(s);
  s->told = LN_F_NOTHING;
  ln_run *r = ln_run_start(s->g, ln_str_of(what->playbook), what->input, &o, LN_STR("alice"), &err);
  if (need(s, r != NULL, &err)) snprintf(s->ulid, sizeof s->ulid, "%s", ln_run_ulid(r));
}

static void go_on(ln_story *s) {
  ln_run_options o = options_of(s);
  ln_err err = {0};
  s->told = LN_F_NOTHING;
  if (!ln_run_resume(s->g, ln_str_of(s->ulid), &o, &err))
    ln_story_wrong(s, "it does not go on: %s", err.message);
}

static bool take_end(void *arg, const ln_run_row *row) {
  *(bool *)arg = row->finished_ms != 0;
  return false;
}

/* What the dead process left.  What is not on the disk was never begun, and nobody was told that it was. */
static void take_up(ln_story *s) {
  bool ended = false;
  ln_err err = {0};
  if (ln_store_run_find(s->g->store, ln_str_of(s->ulid), take_end, &ended, &err)) {
    if (ended) s->told = LN_F_END;
    else go_on(s);
  } else if (ln_err_is(&err, "not_found") && !s->committed.n) {
    s->run_id = 0;
    s->begun_anew = true;
    begin(s);
  } else {
    ln_story_wrong(s, "lost: the run: %s", err.message);
  }
}

static void let_go(ln_story *s) {
  while (s->g->state) ln_run_close(s->g->state);
  ln_runs_drain(s->g);
}

/* Whoever settles a doubt looks what the vendor has. */
static void settle(ln_story *s) {
  bool did = ln_story_deed(s, ln_str_of(s->doubt)) != NULL;
  ln_err err = {0};
  if (ln_run_settle(s->g, ln_str_of(s->doubtful), ln_str_of(s->doubt), did, (ln_str){NULL, 0}, LN_STR("bob"),
                    &err))
    go_on(s);
  else ln_story_wrong(s, "the doubt about %s cannot be settled: %s", s->doubt, err.message);
}

/* Nothing goes on: it waits for something that nobody does here, and has to say for what. */
static void look_why(ln_story *s) {
  ln_waiting w;
  const ln_run *r = s->g->state;
  if (!r || !ln_run_waiting_through(r, &w))
    ln_story_wrong(s, "lost: it neither ended nor says for what it waits");
  else if (!w.what[0] || !w.next[0])
    ln_story_wrong(s, "it waits for %s, and does not say what to do", w.what);
  s->waits = true;
}

/* Until it has ended, or waits for good. */
static void carry(ln_story *s) {
  for (int turns = 0; !s->out->wrong[0] && s->told != LN_F_END && !s->waits; turns++) {
    start_timer(s, &s->stuck, on_stuck, TOO_LONG_MS);
    s->g->loop->run(s->g->loop);
    s->g->loop->cancel(s->g->loop, &s->stuck);
    s->g->loop->cancel(s->g->loop, &s->people);
    if (s->told == LN_F_NOTHING || s->told == LN_F_STUCK) look_why(s);
    let_go(s);
    if (turns == TURNS) ln_story_wrong(s, "lost: it does not come to an end");
    else if (s->told == LN_F_BROKEN) go_on(s);
    else if (s->told == LN_F_DOUBT) settle(s);
  }
}

/* What the vendors have before the first run is what all is compared with. */
static void arrange(ln_story *s) {
  const ln_faults_run *what = &s->c->runs[s->at];
  ln_err err = {0};
  bool ok = !what->vendor || ln_simhost_do(s->set->vendors, ln_str_of(what->vendor), what->chunk, &err);
  need(s, ok && (s->at > 0 || ln_story_facts(s, &s->facts, &err)), &err);
}

static void live(ln_story *s) {
  if (!be_born(s)) return;
  for (; s->at < s->c->n && !s->out->wrong[0]; s->at++) {
    if (s->begun) {
      take_up(s);
    } else {
      arrange(s);
      begin(s);
    }
    s->begun = true;
    carry(s);
    s->begun = false;
  }
}

static bool make_vendors(ln_story *s) {
  char spec[160] = "";
  ln_err err = {0};
  if (s->cell && s->cell->kind == LN_F_FAULT) {
    const ln_f_request *r = &s->base->request[s->cell->at];
    snprintf(spec, sizeof spec, "%s#%d=%s", r->vendor, r->of_vendor, s->cell->spec);
  }
  bool ok = ln_simhost_again(s->set->vendors, s->seed, spec, &err);
  ln_list names = ln_simhost_names(s->set->vendors);
  for (size_t i = 0; ok && i < names.n; i++) ok = ln_simhost_start(s->set->vendors, names.v[i], NULL, &err);
  return need(s, ok, &err);
}

void ln_story_live(ln_story *s) {
  ln_buf_init(&s->going, (size_t)64 << 20);
  ln_buf_init(&s->committed, (size_t)256 << 20);
  ln_buf_init(&s->facts, (size_t)4 << 20);
  for (size_t i = 0; i < LN_F_VENDORS; i++) ln_buf_init(&s->facets[i], 1 << 16);
  s->now_ms = BEGIN_MS;
  s->watch = (ln_store_watch){on_commits, on_committed, s};
  ln_vfs_sim_seed(s->set->disk, s->seed);
  if (make_vendors(s)) {
    while (setjmp(s->out_of_life)) die_away(s);
    live(s);
  }
  s->out->lives = (int)s->life + 1;
  if (!s->out->wrong[0]) ln_story_check(s);
  s->out->finished = true;
}
