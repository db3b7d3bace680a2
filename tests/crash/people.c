/* people.c: what people do, each thing with a command of its own: they answer questions, settle doubts by
** what the vendor has, cancel, watch, and take up what nobody carries.  What a command acknowledged is
** remembered. */
#include "tests/crash/crash.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { OPEN = 64, QUESTIONS = 64, AT_ONCE = 6, SETTLED_MS = 150, SIGNAL_MS = 1500 };

typedef struct open_run { /* one that has not ended                          */
  char ulid[LN_ULID + 1], playbook[48], waits_for[24];
  int64_t id;
  bool owned; /* a living process has it                         */
} open_run;

typedef struct question {
  int64_t id, run, expires_ms;
  char kind[12];
  uint64_t who;
} question;

static open_run open_runs[OPEN];
static size_t n_open;
static question asked[QUESTIONS];
static size_t n_asked;
static bool looked;
static ln_store *now_open;

/* ------------------------------------------------------------------ looking */

static int planned_of(const ln_run_row *row) {
  int64_t n = ln_v_get_int(row->input, "n", -1);
  for (int i = 0; i < here->n_planned; i++) {
    bool same = ln_str_eq(row->playbook, ln_str_of(here->runs[i].playbook));
    if (same && !row->parent && (n == i || here->runs[i].playbook[0] != 'h')) return i;
  }
  return -1;
}

static bool note_run(void *arg, const ln_run_row *row) {
  (void)arg;
  int i = planned_of(row);
  if (i >= 0 && !here->runs[i].ulid[0]) memcpy(here->runs[i].ulid, row->ulid, LN_ULID + 1);
  if (i >= 0 && strcmp(here->runs[i].ulid, row->ulid) != 0) tale->doubled[i] = true;
  if (row->finished_ms || n_open == OPEN) return true;
  open_run *o = &open_runs[n_open++];
  *o = (open_run){.id = row->id, .owned = row->owner[0] && ln_owner_alive(now_open, ln_str_of(row->owner))};
  memcpy(o->ulid, row->ulid, LN_ULID + 1);
  snprintf(o->playbook, sizeof o->playbook, "%.*s", LN_STR_ARG(row->playbook));
  snprintf(o->waits_for, sizeof o->waits_for, "%.*s", LN_STR_ARG(ln_v_get_str(row->waiting, "for")));
  return true;
}

static bool note_question(void *arg, const ln_approval *a) {
  (void)arg;
  if (n_asked == QUESTIONS) return false;
  question *q = &asked[n_asked++];
  *q = (question){.id = a->id,
                  .run = a->run,
                  .expires_ms = a->expires_ms ? a->expires_ms : LN_NEVER,
                  .who = sim_hash(sim_hash(here->seed, ln_str_of(a->ulid)), a->step)};
  snprintf(q->kind, sizeof q->kind, "%.*s", LN_STR_ARG(a->kind));
  return true;
}

static bool look(void) {
  char uri[320];
  ln_store_opts o = {.looks = true, .clock = ln_clock_real()};
  ln_run_query all = {.limit = 0};
  ln_err err;
  snprintf(uri, sizeof uri, "sqlite:%s/lunette.db", tale->folder);
  if (!(now_open = ln_store_open(ln_str_of(uri), &o, &err))) return false;
  n_open = n_asked = 0;
  looked = ln_store_runs(now_open, &all, note_run, NULL, &err) &&
           ln_store_approvals(now_open, 0, true, note_question, NULL, &err);
  return looked;
}

bool crash_all_over(void) { return looked && n_open == 0; }

/* ------------------------------------------------------------------ what is being done already */

static bool is_for(const proc *p, const char *ulid) {
  return p->role != NOBODY && !p->done && strcmp(p->ulid, ulid) == 0 && p->role != WATCH;
}

static bool somebody_is_at(const char *ulid) {
  for (const proc *p = tale->procs; p < tale->procs + PROCS; p++)
    if (is_for(p, ulid)) return true;
  return false;
}

static bool is_being_answered(int64_t id) {
  for (const proc *p = tale->procs; p < tale->procs + PROCS; p++)
    if (p->role == PERSON && !p->done && p->approval == id) return true;
  return false;
}

static proc *about(role r, const char *ulid, const char *const args[]) {
  proc *p = crash_alive(r) < AT_ONCE ? crash_start(r, false, args) : NULL;
  if (p) memcpy(p->ulid, ulid, LN_ULID + 1);
  return p;
}

/* ------------------------------------------------------------------ answers */

/* Some questions are never answered, where that does not take long. */
static void answer(const question *q) {
  char id[24];
  bool yes = (int)(q->who % 100) >= here->grumpy, choose = strcmp(q->kind, "ask") == 0;
  bool forgotten = q->expires_ms < crash_now() + 10000 && q->who / 100 % 100 < 10;
  if (forgotten || is_being_answered(q->id) || crash_alive(PERSON) >= 2) return;
  snprintf(id, sizeof id, "%lld", (long long)q->id);
  const char *const args[] = {yes ? "approve" : "deny", id, choose ? "--answer" : NULL, "left", NULL};
  proc *p = crash_start(PERSON, true, args);
  if (p) p->approval = q->id, p->yes = yes;
}

/* ------------------------------------------------------------------ doubt */

typedef struct doubt {
  char step[SIM_STEP];
  bool did;
  int64_t sent_ms;                                       /* not before that: its last intent */
} doubt;

static bool first_doubt(const open_run *o, doubt *d) {
  ln_err err;
  ln_journal *j = ln_journal_load(now_open, o->id, &err);
  *d = (doubt){.did = false};
  for (size_t i = 0; j && !d->step[0] && i < ln_journal_records(j); i++) {
    const ln_record *c = ln_journal_record(j, i);
    if (!c->in_doubt) continue;
    snprintf(d->step, sizeof d->step, "%.*s", LN_STR_ARG(c->name));
    d->sent_ms = c->intent_ms;
    d->did = crash_record_did(o->ulid, c->name, c->op, ln_v_get_str(c->intent, "entity"),
                              ln_v_get_str(c->intent, "facet")) > 0;
  }
  ln_journal_free(j);
  return d->step[0] != 0;
}

/* Who settles one looks first what the vendor has, once nothing can come any more. */
static void settle(const open_run *o) {
  static int64_t quiet_since, kills = -1;
  doubt d;
  char word[SIM_STEP + 16];
  if (kills != tale->kills) kills = tale->kills, quiet_since = crash_now();
  if (crash_now() - quiet_since < SETTLED_MS || !first_doubt(o, &d)) return;
  /* a peer that hangs up by itself may have passed it on to a vendor who is slow to write it down */
  int64_t wait = getenv("SANITIZED") ? 4 * SETTLED_MS : SETTLED_MS;
  if (crash_now() - d.sent_ms < wait) return;
  snprintf(word, sizeof word, "%s=%s", d.did ? "--did" : "--did-not", d.step);
  const char *const args[] = {"resume", o->ulid, word, NULL};
  if (about(CARRY, o->ulid, args)) here->out->doubts++;
}

/* ------------------------------------------------------------------ runs that nobody carries */

static void resume_once(const open_run *o) {
  bool json = sim_chance(&here->luck, 0.5);
  const char *const args[] = {"resume", o->ulid, json ? "--json" : NULL, NULL};
  proc *p = about(CARRY, o->ulid, args);
  if (p) p->json = json;
}

/* Two may do so at the same moment: one of them has to let it be. */
static void resume(const open_run *o) {
  resume_once(o);
  if (!tale->calm_ms && sim_chance(&here->luck, 0.3)) resume_once(o);
}

static void cancel(const char *ulid) {
  const char *const args[] = {"cancel", ulid, "--json", NULL};
  proc *p = about(PERSON, ulid, args);
  if (p) p->json = true, here->out->cancels++;
}

static void watch(const char *ulid) {
  const char *const args[] = {"watch", ulid, NULL};
  if (crash_alive(WATCH) < 2) about(WATCH, ulid, args);
}

/* It has a question that may still be answered. */
static bool is_asking(const open_run *o) {
  for (size_t i = 0; i < n_asked; i++)
    if (asked[i].run == o->id && asked[i].expires_ms > crash_now()) return true;
  return false;
}

static bool is_served(void) { return crash_alive(SERVE) > 0; }

/* One under way may be in doubt in a branch that the others wait for.  Who serves it is told; who runs it
** has to let go of it first. */
static void ask_about(const open_run *o) {
  doubt d;
  if (!tale->calm_ms || crash_now() - tale->calm_ms < SIGNAL_MS || !first_doubt(o, &d)) return;
  if (is_served()) settle(o);
  for (proc *p = tale->procs; !is_served() && p < tale->procs + PROCS; p++)
    if (p->role == CARRY || p->role == LEFT) crash_kill(p, SIGINT);
}

static void look_after(const open_run *o) {
  const char *what = o->waits_for;
  bool people = strcmp(what, "quarantined") == 0 || strcmp(what, "interrupted") == 0;
  if (o->owned && strcmp(what, "signal") != 0) {
    ask_about(o);
    return;
  }
  if (somebody_is_at(o->ulid)) return;
  if (tale->calm_ms && strcmp(what, "signal") == 0 && crash_now() - tale->calm_ms > SIGNAL_MS)
    cancel(o->ulid);
  else if (o->owned) return;
  else if (strcmp(what, "doubt") == 0) settle(o);
  else if (strcmp(what, "approval") == 0 && is_asking(o)) return;
  else if (people || !is_served() || (tale->mode == CROWD && sim_chance(&here->luck, 0.05))) resume(o);
}

/* Somebody who does not know better. */
static void meddle(void) {
  if (!n_open || tale->calm_ms || !sim_chance(&here->luck, 0.1)) return;
  const open_run *o = &open_runs[sim_pick(&here->luck, n_open)];
  if (tale->mode == CROWD && sim_chance(&here->luck, 0.5)) resume(o);
  else watch(o->ulid);
}

static bool is_open(const char *ulid) {
  for (size_t i = 0; i < n_open; i++)
    if (strcmp(open_runs[i].ulid, ulid) == 0) return true;
  return false;
}

static void cancel_some(void) {
  for (int i = 0; i < here->n_planned; i++) {
    sim_run *r = &here->runs[i];
    bool due = r->cancel_ms && !r->cancelled && r->ulid[0] && crash_now() - tale->begin_ms >= r->cancel_ms;
    if (!due || !is_open(r->ulid)) continue;
    cancel(r->ulid);
    r->cancelled = true;
  }
}

void crash_people(void) {
  if (look()) {
    for (size_t i = 0; i < n_asked; i++) answer(&asked[i]);
    for (size_t i = 0; i < n_open; i++) look_after(&open_runs[i]);
    cancel_some();
    meddle();
  }
  ln_store_close(now_open);
  now_open = NULL;
}

/* ------------------------------------------------------------------ what they were told */

static bool is_ulid(ln_str s) {
  bool ok = s.n == LN_ULID;
  for (size_t i = 0; ok && i < s.n; i++)
    ok = (s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'A' && s.p[i] <= 'Z');
  return ok;
}

/* "  done      harden/okta.users#1  1.2 s" */
void crash_told(proc *p, ln_str line) {
  told *t = &tale->told[tale->n_told];
  char text[SIM_STEP];
  if (p->detach && is_ulid(line)) memcpy(p->ulid, line.p, LN_ULID);
  if ((p->role != CARRY && p->role != WATCH) || p->json || line.n < 13 || memcmp(line.p, "  ", 2) != 0 ||
      line.p[2] == ' ' || line.p[11] != ' ' || tale->n_told == TOLD || line.n >= sizeof text)
    return;
  snprintf(text, sizeof text, "%.*s", LN_STR_ARG(line));
  char *seconds = strstr(text + 12, "  ");
  if (seconds) *seconds = 0;
  *t = (told){.run = p->run};
  memcpy(t->ulid, p->ulid, sizeof t->ulid);
  snprintf(t->step, sizeof t->step, "%s", text + 12);
  snprintf(t->state, sizeof t->state, "%.*s", (int)strcspn(text + 2, " "), text + 2);
  if (strcmp(t->state, "done") == 0 || strcmp(t->state, "failed") == 0 || strcmp(t->state, "unchanged") == 0)
    tale->n_told++;
}

static sim_run *run_called(ln_str ulid) {
  for (int i = 0; i < here->n_planned; i++)
    if (ulid.n == LN_ULID && memcmp(here->runs[i].ulid, ulid.p, LN_ULID) == 0) return &here->runs[i];
  return NULL;
}

static void told_end(ln_str ulid, ln_str state) {
  static const char *const ends[] = {"completed", "failed", "cancelled"};
  sim_run *r = run_called(ulid);
  for (size_t i = 0; r && i < 3; i++)
    if (ln_str_eq(state, ln_str_of(ends[i]))) snprintf(r->ended_as, sizeof r->ended_as, "%s", ends[i]);
}

static void told_document(const proc *p) {
  ln_buf doc;
  ln_err err;
  ln_buf_init(&doc, 64 << 20);
  if (ln_host_json(tale->engine.host, ln_buf_view(&p->text), &doc, &err))
    told_end(ln_v_get_str(ln_buf_view(&doc), "run"), ln_v_get_str(ln_buf_view(&doc), "state"));
  ln_buf_free(&doc);
}

/* The leak checker looks at a process from one of its own, which dies with it. */
static bool is_checker(const proc *p) {
  return p->role == LEFT && WIFSIGNALED(p->status) && WTERMSIG(p->status) == SIGKILL && getenv("SANITIZED");
}

void crash_acknowledged(proc *p) {
  int code = WIFEXITED(p->status) ? WEXITSTATUS(p->status) : -1;
  ln_str text = ln_buf_view(&p->text), ulid = ln_str_of(p->ulid);
  if (!p->killed && code < 0 && !is_checker(p))
    sim_fail("%s died by itself (signal %d): %.*s", p->what, WTERMSIG(p->status), LN_STR_ARG(text));
  if (ln_str_find(text, LN_STR("Sanitizer")) >= 0) sim_fail("%.*s", LN_STR_ARG(text));
  if (p->detach && p->ulid[0]) {
    sim_run *r = &here->runs[p->run];
    r->known = true;
    memcpy(r->ulid, p->ulid, LN_ULID + 1);
  }
  if (p->json && code >= 0) told_document(p);
  else if (p->role == CARRY && !p->detach && (code == 0 || code == 5)) told_end(ulid, LN_STR("completed"));
  if (p->approval && code == 0 && tale->n_votes < TOLD)
    tale->votes[tale->n_votes++] = (vote){p->approval, p->yes};
}
