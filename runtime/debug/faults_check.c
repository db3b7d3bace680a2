/* faults_check.c: what must be so when a story is over (faults.h has the list), by the vendors' own account,
** the journal, the ledger and the report. */
#include "debug/faults_parts.h"

#include "engine/replay.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct end { /* of the run that was hit: its row */
  int64_t id;
  char state[16], outcome[16], code[32], op[64], at[128], message[256];
} end;

static void copy(char *to, size_t n, ln_str s) { snprintf(to, n, "%.*s", LN_STR_ARG(s)); }

static bool take_row(void *arg, const ln_run_row *row) {
  end *e = arg;
  e->id = row->id;
  copy(e->state, sizeof e->state, row->state);
  copy(e->outcome, sizeof e->outcome, row->outcome);
  copy(e->code, sizeof e->code, ln_v_get_str(row->error, "code"));
  copy(e->op, sizeof e->op, ln_v_get_str(row->error, "op"));
  copy(e->at, sizeof e->at, ln_v_get_str(row->error, "at"));
  copy(e->message, sizeof e->message, ln_v_get_str(row->error, "message"));
  return false;
}

/* A failure says what went wrong, and where. */
static void check_end(ln_story *s, const end *e) {
  bool failed = strcmp(e->state, "failed") == 0;
  copy(s->out->state, sizeof s->out->state, ln_str_of(s->waits ? "waiting" : e->state));
  copy(s->out->outcome, sizeof s->out->outcome, ln_str_of(e->outcome));
  if (s->waits) return;
  if (!failed && strcmp(e->state, "completed") != 0) ln_story_wrong(s, "lost: it is %s at its end", e->state);
  if (failed && (!e->message[0] || (!e->op[0] && !e->at[0])))
    ln_story_wrong(s, "it failed, and does not say where: %s: %s", e->code, e->message);
  if (strcmp(e->code, "divergence") == 0) ln_story_wrong(s, "it diverged: %s", e->message);
}

/* ------------------------------------------------------------------ the journal */

static bool add_entries(void *arg, ln_str entries) { return ln_buf_add(arg, entries); }

static void check_committed(ln_story *s, const end *e) {
  ln_buf has;
  ln_err err = {0};
  ln_buf_init(&has, (size_t)256 << 20);
  if (!ln_store_journal(s->g->store, e->id, add_entries, &has, &err))
    ln_story_wrong(s, "lost: the journal: %s", err.message);
  else if (!ln_str_eq(ln_buf_view(&has), ln_buf_view(&s->committed)))
    ln_story_wrong(s, "lost: %zu bytes of entries were committed, and the journal has %zu, or others",
                   s->committed.n, has.n);
  uint8_t sum[LN_SHA256];
  if (ln_sha256(ln_buf_view(&has), sum)) memcpy(&s->out->trace, sum, sizeof s->out->trace);
  ln_buf_free(&has);
}

static bool is(ln_str state, const char *const *words) {
  for (; *words; words++)
    if (ln_str_eq(state, ln_str_of(*words))) return true;
  return false;
}

/* What happens to the same thing twice in one run: what one step did another one may do or undo. */
static bool is_contested(ln_journal *j, const ln_record *c) {
  ln_str entity = ln_v_get_str(c->intent, "entity"), facet = ln_v_get_str(c->intent, "facet");
  for (size_t i = 0; i < ln_journal_records(j); i++) {
    const ln_record *o = ln_journal_record(j, i);
    if (o != c && o->intent.n && ln_str_eq(ln_v_get_str(o->intent, "entity"), entity) &&
        ln_str_eq(ln_v_get_str(o->intent, "facet"), facet))
      return true;
  }
  return false;
}

static void check_write(ln_story *s, ln_journal *j, const ln_record *c) {
  static const char *const not_so[] = {"failed", "refused", "cancelled", "withdrawn", "unchanged", NULL};
  static const char *const so[] = {"done", "pending", NULL};
  const ln_f_deed *d = ln_story_deed(s, c->name);
  const ln_op *op = s->g->find_op(s->g, c->op);
  if (!op) return; /* not a vendor's */
  if (d && !op->idempotent && d->acted > 1)
    ln_story_wrong(s, "twice: %.*s was done %d times", LN_STR_ARG(c->name), d->acted);
  if (c->intent.n && !c->has_result && !c->withdrawn && !s->waits)
    ln_story_wrong(s, "lost: %.*s was begun, and has no end", LN_STR_ARG(c->name));
  if (is_contested(j, c) || s->waits) return;
  if (d && d->lives > 1 && op->move != LN_NOTE)
    ln_story_wrong(s, "twice: %.*s was done in %d lives", LN_STR_ARG(c->name), d->lives);
  if (!d && is(c->state, so))
    ln_story_wrong(s, "untrue: %.*s is %.*s, and the vendor knows nothing of it", LN_STR_ARG(c->name),
                   LN_STR_ARG(c->state));
  if (d && !c->handle.n && is(c->state, not_so))
    ln_story_wrong(s, "untrue: %.*s is %.*s, and the vendor did it", LN_STR_ARG(c->name),
                   LN_STR_ARG(c->state));
}

/* What `approved` looked at to show it was not done there, however it stood. */
static void note_done(ln_story *s, const ln_record *c) {
  static const char *const so[] = {"done", "unchanged", "joined", NULL};
  bool shown = ln_str_find(c->name, LN_STR("approved?")) >= 0;
  if (s->out->dones == LN_F_STEPS || c->cls != LN_WRITE || shown || !is(c->state, so)) return;
  copy(s->out->done[s->out->dones++], LN_F_OP, c->op);
}

static void check_steps(ln_story *s, ln_journal *j) {
  for (size_t i = 0; i < ln_journal_records(j); i++) {
    const ln_record *c = ln_journal_record(j, i);
    s->out->effects += c->fingerprint.n > 0;
    if (c->cls == LN_WRITE && !c->planned) check_write(s, j, c);
    note_done(s, c);
  }
  for (size_t i = 0; i < s->deeds; i++) {
    const ln_record *c = ln_journal_find(j, ln_str_of(s->deed[i].step));
    if (!c || !c->intent_ms)
      ln_story_wrong(s, "lost: the vendor did %s, and the journal has no intent of it", s->deed[i].step);
  }
}

/* ------------------------------------------------------------------ files */

int ln_story_files(const ln_story *s) {
  int n = 0;
  DIR *d = opendir(s->folder);
  for (struct dirent *f; d && (f = readdir(d));) n += f->d_type == DT_REG;
  if (d) closedir(d);
  return n;
}

/* Every file that is there was written by a step that says so, and none is missing. */
static void check_files(ln_story *s, ln_journal *j) {
  int there = ln_story_files(s), said = s->files;
  for (size_t i = 0; i < ln_journal_records(j); i++) {
    const ln_record *c = ln_journal_record(j, i);
    bool done = c->has_result && ln_str_eq(c->state, LN_STR("done"));
    said += done && ln_str_eq(c->op, LN_STR("file.write"));
    said -= done && ln_str_eq(c->op, LN_STR("file.remove"));
  }
  if (there != said && !s->waits) ln_story_wrong(s, "files: %d are there, and %d were written", there, said);
}

/* ------------------------------------------------------------------ what the vendors have */

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static bool add_facts(ln_str list, ln_buf *out) {
  ln_vitem v, one;
  bool ok = ln_v_read(&list, &v) && v.tag == 'A';
  for (ln_str rest = ok ? v.body : (ln_str){NULL, 0}; ok && rest.n && ln_v_read(&rest, &one);)
    ok = ln_buf_addf(out, "%.*s\t%.*s\t%.*s\n", LN_STR_ARG(ln_v_get_str(one.whole, "entity")),
                     LN_STR_ARG(ln_v_get_str(one.whole, "facet")),
                     LN_STR_ARG(ln_v_get_str(one.whole, "state")));
  return ok;
}

/* Sorts the lines of what is there. */
static bool sort_lines(ln_buf *b, ln_buf *out) {
  size_t n = 0, lines = 0;
  char *text = ln_buf_take(b, NULL), **line = NULL;
  for (const char *p = text; p && *p; p++) lines += *p == '\n';
  bool ok = text && (line = calloc(lines + 1, sizeof *line));
  for (char *p = text, *eol; ok && (eol = strchr(p, '\n')); p = eol + 1) *eol = 0, line[n++] = p;
  if (ok) qsort(line, n, sizeof *line, by_text);
  for (size_t i = 0; ok && i < n; i++) ok = ln_buf_addf(out, "%s\n", line[i]);
  free(line);
  free(text);
  return ok;
}

bool ln_story_facts(ln_story *s, ln_buf *out, ln_err *err) {
  ln_list names = ln_simhost_names(s->set->vendors);
  ln_buf lines, facts;
  bool ok = true;
  ln_buf_init(&lines, (size_t)4 << 20);
  s->n_facets = 0;
  for (size_t i = 0; ok && i < names.n; i++) {
    ln_vitem list = {0}, one;
    ln_buf_init(&facts, (size_t)16 << 20);
    ln_buf_cut(&s->facets[i], 0);
    ok = ln_simhost_truth(s->set->vendors, names.v[i], &facts, &s->facets[i], err) &&
         (add_facts(ln_buf_view(&facts), &lines) || ln_fail(err, "bad_simulator", LN_FINAL, "its truth"));
    ln_str rest = ln_buf_view(&s->facets[i]);
    if (ok && ln_v_read(&rest, &list))
      for (rest = list.body; s->n_facets < LN_F_FACETS && ln_v_read(&rest, &one);)
        s->facet[s->n_facets++] = (ln_f_facet){names.v[i], one.s};
    ln_buf_free(&facts);
  }
  return ok && (sort_lines(&lines, out) || ln_fail(err, "memory", LN_AGAIN, "no memory for facts"));
}

/* Does a simulator say all of that facet of its entities? */
static bool is_covered(const ln_story *s, ln_str entity, ln_str facet) {
  for (size_t i = 0; i < s->n_facets; i++) {
    const ln_f_facet *f = &s->facet[i];
    bool own = ln_str_starts(entity, f->vendor) && entity.n > f->vendor.n && entity.p[f->vendor.n] == ':';
    bool family = ln_str_ends(f->name, LN_STR(":"));
    if (own && (family ? ln_str_starts(facet, f->name) : ln_str_eq(facet, f->name))) return true;
  }
  return false;
}

/* The state that lines of facts have of it; "absent" where they do not name it. */
static ln_str state_in(const ln_buf *lines, ln_str entity, ln_str facet) {
  ln_str rest = ln_buf_view(lines), line, e, f, state;
  while (ln_str_cut(rest, '\n', &line, &rest))
    if (ln_str_cut(line, '\t', &e, &line) && ln_str_cut(line, '\t', &f, &state) && ln_str_ieq(e, entity) &&
        ln_str_eq(f, facet))
      return state;
  return LN_STR("absent");
}

/* ------------------------------------------------------------------ the ledger */

typedef struct held {
  char entity[200], facet[200], state[64], status[16];
  int64_t id;
} held;
enum { HELD = 512 };
typedef struct ledger {
  held v[HELD];
  size_t n;
} ledger;

static held *find_held(ledger *l, ln_str entity, ln_str facet) {
  for (size_t i = 0; i < l->n; i++)
    if (ln_str_ieq(ln_str_of(l->v[i].entity), entity) && ln_str_eq(ln_str_of(l->v[i].facet), facet))
      return &l->v[i];
  return NULL;
}

/* Of several holds of one thing the newest counts, and before it one that is not over. */
static bool note_hold(void *arg, const ln_hold *h) {
  ledger *l = arg;
  held *was = find_held(l, h->entity, h->facet);
  bool over = ln_str_eq(h->status, LN_STR("released"));
  if (ln_str_eq(h->status, LN_STR("foreign"))) return true; /* nobody holds that */
  if (was && (over || (was->id > h->id && strcmp(was->status, "released") != 0))) return true;
  if (!was && l->n == HELD) return false;
  if (!was) was = &l->v[l->n++];
  *was = (held){.id = h->id};
  copy(was->entity, sizeof was->entity, h->entity);
  copy(was->facet, sizeof was->facet, h->facet);
  copy(was->state, sizeof was->state, h->state);
  copy(was->status, sizeof was->status, h->status);
  return true;
}

static void check_held(ln_story *s, const ledger *l, const ln_buf *now) {
  for (size_t i = 0; i < l->n; i++) {
    const held *h = &l->v[i];
    if (strcmp(h->status, "held") != 0 || !is_covered(s, ln_str_of(h->entity), ln_str_of(h->facet))) continue;
    ln_str live = state_in(now, ln_str_of(h->entity), ln_str_of(h->facet));
    if (!ln_str_eq(live, ln_str_of(h->state)))
      ln_story_wrong(s, "ledger: %s %s is held as %s, and the vendor has it as %.*s", h->entity, h->facet,
                     h->state, LN_STR_ARG(live));
  }
}

/* Every line of `lines` that is another one in `others` is in the ledger, and is not over there. */
static void check_changed(ln_story *s, ledger *l, const ln_buf *lines, const ln_buf *others) {
  ln_str rest = ln_buf_view(lines), line, e, f, state;
  while (ln_str_cut(rest, '\n', &line, &rest)) {
    if (!ln_str_cut(line, '\t', &e, &line) || !ln_str_cut(line, '\t', &f, &state)) continue;
    if (ln_str_eq(state_in(others, e, f), state)) continue;
    const held *h = find_held(l, e, f);
    if (!h || strcmp(h->status, "released") == 0)
      ln_story_wrong(s, "ledger: %.*s %.*s was changed, and nobody holds it", LN_STR_ARG(e), LN_STR_ARG(f));
  }
}

static void check_ledger(ln_story *s, const ln_buf *now) {
  static ledger l;
  ln_hold_query q = {.all = true};
  ln_err err = {0};
  l.n = 0;
  if (!ln_store_holds(s->g->store, &q, note_hold, &l, &err)) ln_story_wrong(s, "ledger: %s", err.message);
  check_held(s, &l, now);
  check_changed(s, &l, now, &s->facts);
  check_changed(s, &l, &s->facts, now);
}

/* ------------------------------------------------------------------ what the report says */

static void tell(ln_story *s, const char *what, ln_str a, ln_str b) {
  size_t n = strlen(s->out->told);
  snprintf(s->out->told + n, sizeof s->out->told - n, "%s %.*s: %.*s\n", what, LN_STR_ARG(a), LN_STR_ARG(b));
}

/* What was said not to be done, and warnings. */
static bool tell_note(void *arg, const ln_entry *e) {
  if (e->kind != LN_E_NOTE) return true;
  bool log = ln_str_eq(e->op, LN_STR("log")) && !ln_str_eq(ln_v_get_str(e->data, "level"), LN_STR("info"));
  if (log) tell(arg, "log", ln_v_get_str(e->data, "message"), LN_STR(""));
  if (ln_str_eq(e->op, LN_STR("not_done")))
    tell(arg, "not done", ln_v_get_str(e->data, "what"), ln_v_get_str(e->data, "why"));
  return true;
}

static void tell_ends(ln_story *s, ln_str doc) {
  ln_vitem list, one;
  if (ln_v_get(doc, LN_STR("error"), &one) && one.tag == 'O')
    tell(s, "error", ln_v_get_str(one.whole, "code"), ln_v_get_str(one.whole, "message"));
  if (!ln_v_get(doc, LN_STR("stages"), &list)) return;
  for (ln_str rest = list.body; rest.n && ln_v_read(&rest, &one);)
    if (!ln_str_eq(ln_v_get_str(one.whole, "state"), LN_STR("done")))
      tell(s, "stage", ln_v_get_str(one.whole, "stage"), ln_v_get_str(one.whole, "state"));
}

static void read_report(ln_story *s, ln_journal *j) {
  ln_buf json, doc;
  ln_err err = {0};
  ln_buf_init(&json, (size_t)256 << 20);
  ln_buf_init(&doc, (size_t)256 << 20);
  if (!ln_report_json(s->g, ln_str_of(s->ulid), &json, &err) ||
      !ln_host_json(s->g->host, ln_buf_view(&json), &doc, &err))
    ln_story_wrong(s, "report: %s", err.message);
  ln_journal_each(j, tell_note, s);
  tell_ends(s, ln_buf_view(&doc));
  if (s->verbose) printf("%s", s->out->told);
  ln_buf_free(&doc);
  ln_buf_free(&json);
}

/* Is there something told that the run without a fault did not tell? */
static bool tells_more(const ln_story *s) {
  ln_str rest = ln_str_of(s->out->told), line;
  while (ln_str_cut(rest, '\n', &line, &rest)) {
    ln_str had = ln_str_of(s->base->told), old;
    bool found = false;
    while (!found && ln_str_cut(had, '\n', &old, &had)) found = ln_str_eq(old, line);
    if (!found) return true;
  }
  return false;
}

static size_t count_done(const ln_f_trace *t, const char *op) {
  size_t n = 0;
  for (size_t i = 0; i < t->dones; i++) n += strcmp(t->done[i], op) == 0;
  return n;
}

/* By operation: names may hold ids, which a vendor gives otherwise when it was asked otherwise. */
static const char *first_missing(const ln_story *s) {
  for (size_t i = 0; i < s->base->dones; i++)
    if (count_done(s->out, s->base->done[i]) < count_done(s->base, s->base->done[i])) return s->base->done[i];
  return NULL;
}

/* What was to be done and was not is told; who says that all was done leaves the vendors as they were to
** be. */
static void check_told(ln_story *s) {
  const char *missing = first_missing(s);
  bool other = !s->begun_anew && strcmp(s->out->facts, s->base->facts) != 0;
  if (s->waits || tells_more(s)) return;
  if (missing) ln_story_wrong(s, "unsaid: %s was not done, and the report does not say so", missing);
  else if (other)
    ln_story_wrong(s, "unsaid: the vendors have not what they were to have, and nobody says so");
}

/* ------------------------------------------------------------------ a replay */

static void check_replay(ln_story *s) {
  ln_buf doc;
  ln_err err = {0};
  ln_vitem why;
  bool same = false;
  ln_buf_init(&doc, (size_t)256 << 20);
  if (!ln_replay_one(s->g, ln_str_of(s->ulid), NULL, &doc, &same, &err))
    ln_story_wrong(s, "replay: %s", err.message);
  else if (!same && ln_v_get(ln_buf_view(&doc), LN_STR("divergence"), &why) && why.tag == 'O')
    ln_story_wrong(s, "replay: it diverges: %.*s", LN_STR_ARG(ln_v_get_str(why.whole, "why")));
  else if (!same) ln_story_wrong(s, "replay: it comes to another end");
  ln_buf_free(&doc);
}

/* ------------------------------------------------------------------ all of it */

void ln_story_check(ln_story *s) {
  end e = {.id = 0};
  ln_err err = {0};
  ln_buf now;
  ln_journal *j = NULL;
  ln_buf_init(&now, (size_t)4 << 20);
  if (!ln_store_run_find(s->g->store, ln_str_of(s->ulid), take_row, &e, &err) ||
      !(j = ln_journal_load(s->g->store, e.id, &err)) || !ln_story_facts(s, &now, &err)) {
    ln_story_wrong(s, "lost: %s", err.message);
  } else if (s->cell && !s->out->hit) {
    ln_story_wrong(s, "the fault met nothing, or another step: the case is not the same twice");
  } else {
    copy(s->out->facts, sizeof s->out->facts, ln_buf_view(&now));
    check_end(s, &e);
    check_committed(s, &e);
    check_steps(s, j);
    check_files(s, j);
    read_report(s, j);
    check_ledger(s, &now);
    if (s->base) check_told(s);
    check_replay(s);
  }
  ln_journal_free(j);
  ln_buf_free(&now);
}
