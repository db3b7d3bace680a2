/* remote.c: runs that another process carries.  What is shown of them is read from the journal, so it comes
** after the commit, whoever runs them; the store says that it changed, at most every 100 ms. */
#include "cli/remote.h"

#include "cli/carry.h"
#include "engine/journal.h"
#include "server/serve.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* ------------------------------------------------------------------ asking */

void ln_remote_text(ln_buf *b, const char *key, ln_str text) {
  ln_v_key(b, ln_str_of(key));
  ln_v_str(b, text);
}

const char *ln_remote_approve(ln_approve approve) {
  return approve == LN_APPROVE_ALL ? "all" : approve == LN_APPROVE_DENY ? "deny" : "";
}

void ln_remote_flag(ln_buf *b, const char *key, bool flag) {
  ln_v_key(b, ln_str_of(key));
  ln_v_bool(b, flag);
}

void ln_remote_value(ln_buf *b, const char *key, ln_str encoded) {
  ln_v_key(b, ln_str_of(key));
  if (encoded.n) ln_v_raw(b, encoded);
  else ln_v_nil(b);
}

bool ln_remote_script(ln_str path, ln_buf *text, ln_err *err) {
  ln_buf_init(text, 1);
  return !ln_str_ends(path, LN_STR(".lua")) || ln_app_read(path.p, text, err);
}

void ln_remote_source(ln_buf *b, ln_str path, const ln_buf *text) {
  ln_v_key(b, LN_STR("source"));
  size_t mark = ln_v_begin(b, 'O', 2);
  ln_remote_text(b, "path", path);
  ln_remote_text(b, "text", ln_buf_view(text));
  ln_v_end(b, mark);
}

bool ln_remote(ln_app *app, ln_str request, char ulid[LN_ULID + 1], ln_err *err) {
  ln_buf answer;
  ln_buf_init(&answer, 64 << 20);
  bool ok = ln_service_ask(app->g.store, request, &answer, err);
  ln_str run = ok ? ln_v_get_str(ln_buf_view(&answer), "run") : (ln_str){NULL, 0};
  snprintf(ulid, LN_ULID + 1, "%.*s", LN_STR_ARG(run));
  ln_buf_free(&answer);
  return ok;
}

void ln_app_say_stale(const ln_stale *s) {
  fputs("lunette: ", stderr);
  ln_app_put(stderr, s->at, 0);
  fputs(": ", stderr);
  ln_app_put(stderr, s->why, 0);
  fputs(s->last ? ": the version before it is used: lunette check\n" : ": it cannot be used: lunette check\n",
        stderr);
}

/* What became so after *since, which is then when the last of it did. */
static void say_stale(ln_str answer, int64_t *since) {
  ln_vitem list, one;
  int64_t newest = *since;
  if (!ln_v_get(answer, LN_STR("stale"), &list)) return;
  for (ln_str rest = list.body; rest.n && ln_v_read(&rest, &one);) {
    ln_stale s = {.at = ln_v_get_str(one.whole, "at"),
                  .why = ln_v_get_str(one.whole, "why"),
                  .last = ln_v_get_bool(one.whole, "last", false),
                  .since_ms = ln_v_get_int(one.whole, "since", 0)};
    if (s.since_ms > *since) ln_app_say_stale(&s);
    if (s.since_ms > newest) newest = s.since_ms;
  }
  *since = newest;
}

bool ln_remote_declared(ln_app *app, ln_str playbook, const ln_buf *text, ln_declared *d, ln_err *err) {
  ln_buf b, answer;
  ln_vitem value;
  memset(d, 0, sizeof *d);
  ln_buf_init(&d->value, 1 << 20);
  ln_buf_init(&b, (1 << 16) + text->n);
  ln_buf_init(&answer, 64 << 20);
  size_t mark = ln_v_begin(&b, 'O', 3);
  ln_remote_text(&b, "do", LN_STR("declared"));
  ln_remote_text(&b, "playbook", playbook);
  ln_remote_source(&b, playbook, text);
  ln_v_end(&b, mark);
  bool ok = ln_buf_ok(&b, err) && ln_service_ask(app->g.store, ln_buf_view(&b), &answer, err);
  ln_str a = ln_buf_view(&answer);
  if (ok && ln_v_get(a, LN_STR("value"), &value)) {
    snprintf(d->name, sizeof d->name, "%.*s", LN_STR_ARG(ln_v_get_str(a, "name")));
    snprintf(d->alert_input, sizeof d->alert_input, "%.*s", LN_STR_ARG(ln_v_get_str(a, "alert")));
    ok = ln_buf_add(&d->value, value.whole) || ln_buf_ok(&d->value, err);
    say_stale(a, &(int64_t){0});
  }
  ln_buf_free(&b);
  ln_buf_free(&answer);
  return ok;
}

void ln_remote_say_stale(ln_app *app, int64_t *since, char snapshot[LN_SNAPSHOT_TEXT]) {
  ln_buf b, answer;
  ln_err quiet;
  ln_buf_init(&b, 256);
  ln_buf_init(&answer, 64 << 20);
  size_t mark = ln_v_begin(&b, 'O', 1);
  ln_remote_text(&b, "do", LN_STR("library"));
  ln_v_end(&b, mark);
  if (ln_service_ask(app->g.store, ln_buf_view(&b), &answer, &quiet)) {
    say_stale(ln_buf_view(&answer), since);
    snprintf(snapshot, LN_SNAPSHOT_TEXT, "%.*s", LN_STR_ARG(ln_v_get_str(ln_buf_view(&answer), "snapshot")));
  }
  ln_buf_free(&b);
  ln_buf_free(&answer);
}

bool ln_remote_decide(ln_app *app, int64_t id, bool yes, ln_str comment, ln_str answer, ln_err *err) {
  char none[LN_ULID + 1];
  ln_buf b;
  if (!app->served)
    return ln_approval_decide(&app->g, id, yes, ln_str_of(ln_app_user()), comment, answer,
                              isatty(STDIN_FILENO) != 0, err);
  ln_buf_init(&b, 1 << 20);
  size_t mark = ln_v_begin(&b, 'O', 6);
  ln_remote_text(&b, "answer", answer);
  ln_remote_text(&b, "comment", comment);
  ln_remote_text(&b, "do", LN_STR("decide"));
  ln_v_key(&b, LN_STR("id"));
  ln_v_int(&b, id);
  ln_remote_flag(&b, "interactive", isatty(STDIN_FILENO) != 0);
  ln_remote_flag(&b, "yes", yes);
  ln_v_end(&b, mark);
  bool ok = ln_buf_ok(&b, err) && ln_remote(app, ln_buf_view(&b), none, err);
  ln_buf_free(&b);
  return ok;
}

/* ------------------------------------------------------------------ following */

enum { LOOK_MS = 100 };

typedef struct follower {
  ln_app *app;
  const char *ulid;
  const ln_following *how;
  int64_t run;
  size_t seen;                                           /* bytes of the journal that were shown            */
  char state[16], outcome[16];
  ln_buf waiting;
  bool mine;                                             /* its owner lives, or it is nobody's              */
  int64_t asked;                                         /* the last question that was put or shown         */
  char awaits[256];                                      /* the step whose signal was told                  */
} follower;

bool ln_remote_event(const ln_entry *e, ln_event *out) {
  *out = (ln_event){.what = "step",
                    .name = e->name,
                    .op = e->op,
                    .state = e->state,
                    .cls = ln_class_name(e->cls),
                    .ms = e->at_ms - e->asked_ms};
  if (e->kind == LN_E_STAGE) out->what = "stage", out->text = e->data;
  else if (e->kind == LN_E_NOTE) out->what = "note", out->name = e->op, out->text = e->data;
  else if (e->kind == LN_E_DOUBT) out->state = LN_STR("doubt");
  else return e->kind == LN_E_DONE || e->kind == LN_E_DELIVERED;
  return true;
}

typedef struct reading {
  size_t at, *seen;
  void (*fn)(void *arg, const ln_entry *e);
  void *arg;
} reading;

/* Only whole entries were written, so a part of the journal ends where an entry does. */
static bool see_part(void *arg, ln_str entries) {
  reading *d = arg;
  size_t skip = *d->seen > d->at ? *d->seen - d->at : 0;
  ln_entry e;
  d->at += entries.n;
  if (skip >= entries.n) return true;
  ln_str rest = {entries.p + skip, entries.n - skip};
  while (rest.n && ln_entry_read(&rest, &e)) d->fn(d->arg, &e);
  return true;
}

bool ln_remote_entries(ln_app *app, int64_t run, size_t *seen, void (*fn)(void *arg, const ln_entry *e),
                       void *arg, ln_err *err) {
  reading d = {.seen = seen, .fn = fn, .arg = arg};
  if (!ln_store_journal(app->g.store, run, see_part, &d, err)) return false;
  *seen = d.at;
  return true;
}

static void show_entry(void *arg, const ln_entry *e) {
  const follower *f = arg;
  ln_event ev;
  if (ln_remote_event(e, &ev) && !f->how->json && !f->how->quiet) ln_carry_show(&ev);
}

static bool read_row(void *arg, const ln_run_row *row) {
  follower *f = arg;
  f->run = row->id;
  snprintf(f->state, sizeof f->state, "%.*s", LN_STR_ARG(row->state));
  snprintf(f->outcome, sizeof f->outcome, "%.*s", LN_STR_ARG(row->outcome));
  ln_buf_cut(&f->waiting, 0);
  ln_buf_add(&f->waiting, row->waiting);
  f->mine = !row->owner[0] || ln_owner_alive(f->app->g.store, ln_str_of(row->owner));
  return false;
}

/* The row first: what it says has happened is in the journal by then. */
static bool look(follower *f, ln_err *err) {
  if (!ln_store_run_find(f->app->g.store, ln_str_of(f->ulid), read_row, f, err)) return false;
  if (!ln_remote_entries(f->app, f->run, &f->seen, show_entry, f, err)) return false;
  fflush(stdout);
  return true;
}

static bool is_over(const follower *f) {
  return strcmp(f->state, "completed") == 0 || strcmp(f->state, "failed") == 0 ||
         strcmp(f->state, "cancelled") == 0;
}

/* --- questions --- */

static bool show_question(void *arg, const ln_approval *a) {
  follower *f = arg;
  if (ln_str_eq(a->state, LN_STR("waiting")) && a->id > f->asked) {
    if (!f->how->json && !f->how->quiet) ln_carry_asks(a->title, a->id);
    f->asked = a->id;
  }
  return true;
}

static void say_waiting(const follower *f) {
  ln_str waiting = ln_buf_view(&f->waiting), what = ln_v_get_str(waiting, "for"),
         next = ln_v_get_str(waiting, "next");
  if (is_over(f)) return;
  if (strcmp(f->state, "waiting") == 0 && !next.n)
    ln_app_usage("run %s waits for %.*s: lunette resume %s", f->ulid, LN_STR_ARG(what), f->ulid);
  else if (strcmp(f->state, "waiting") == 0)
    ln_app_usage("run %s waits for %.*s: %.*s", f->ulid, LN_STR_ARG(what), LN_STR_ARG(next));
  else if (ln_app_interrupted())
    fprintf(stderr, "lunette: run %s goes on without you: lunette watch %s\n", f->ulid, f->ulid);
}

/* What it waits for until somebody sends it is told once. */
static void show_signal(follower *f) {
  ln_str waiting = ln_buf_view(&f->waiting), step = ln_v_get_str(waiting, "step");
  bool waits = strcmp(f->state, "waiting") == 0 && ln_str_eq(ln_v_get_str(waiting, "for"), LN_STR("signal"));
  if (!waits || ln_str_eq(step, ln_str_of(f->awaits))) return;
  snprintf(f->awaits, sizeof f->awaits, "%.*s", LN_STR_ARG(step));
  if (f->how->json || f->how->quiet) say_waiting(f);
  else ln_carry_awaits(step, ln_v_get_str(waiting, "next")), fflush(stdout);
}

/* True: there is nobody here to answer, and it waits for a person. */
static bool waits_for_people(follower *f) {
  static const char *const people[] = {"approval", "doubt",       "quarantined",
                                       "restored", "interrupted", "frozen"};
  ln_str what = ln_v_get_str(ln_buf_view(&f->waiting), "for");
  ln_err err = {0};
  bool waits = false;
  ln_store_approvals(f->app->g.store, f->run, true, show_question, f, &err);
  if (strcmp(f->state, "waiting") != 0) return !f->mine;
  show_signal(f);
  for (size_t i = 0; i < sizeof people / sizeof *people; i++) waits |= ln_str_eq(what, ln_str_of(people[i]));
  int64_t id = strtoll(
      ln_v_get_str(ln_buf_view(&f->waiting), "id").p ? ln_v_get_str(ln_buf_view(&f->waiting), "id").p : "0",
      NULL, 10);
  if (!waits || !ln_str_eq(what, LN_STR("approval")) || id <= 0) return waits;
  return !ln_carry_answer(f->app, f->how->approve, id);
}

/* --- the end --- */

static int exit_of(const follower *f, const ln_buf *json) {
  if (!is_over(f)) return ln_app_interrupted() ? LN_EXIT_INTERRUPTED : LN_EXIT_WAITS;
  if (strcmp(f->state, "completed") != 0) return LN_EXIT_FAILED;
  if (f->how->plan) return ln_carry_refused(f->app, json) ? LN_EXIT_FAILED : LN_EXIT_DONE;
  return strcmp(f->outcome, "complete") == 0 ? LN_EXIT_DONE : LN_EXIT_PARTIAL;
}

static int finish(follower *f) {
  ln_buf json;
  ln_err err = {0};
  ln_buf_init(&json, (size_t)256 << 20);
  int code = LN_EXIT_FAILED;
  if (ln_report_json(&f->app->g, ln_str_of(f->ulid), &json, &err)) {
    ln_carry_report(f->app, f->how->json, &json);
    say_waiting(f);
    code = exit_of(f, &json);
  } else {
    code = ln_app_fail(&err);
  }
  ln_buf_free(&json);
  return code;
}

static void nap(void) {
  const struct timespec t = {0, LOOK_MS * 1000000L};
  nanosleep(&t, NULL);
}

int ln_follow(ln_app *app, const char *ulid, const ln_following *how, char *state) {
  follower f = {.app = app, .ulid = ulid, .how = how};
  ln_err err = {0};
  ln_app_catch(SIGINT);
  ln_app_catch(SIGTERM);
  ln_buf_init(&f.waiting, 1 << 20);
  bool ok = look(&f, &err);
  while (ok && !ln_app_interrupted() && !is_over(&f) && (!waits_for_people(&f) || how->until_end)) {
    nap();
    if (ln_store_changed(app->g.store) || !f.mine) ok = look(&f, &err);
  }
  int code = ok ? finish(&f) : ln_app_fail(&err);
  if (state) memcpy(state, f.state, sizeof f.state);
  ln_buf_free(&f.waiting);
  return code;
}
