/* repl_line.c: lines, and what comes of them.  The session is a run (engine/session.c): of this process, or
** of the one that serves the store, which is then asked over its socket, and looked at in the store's journal
** as `lunette watch` does.  Either way a line's end is a note of the run, shown once it is durable. */
#include "cli/repl.h"

#include "server/serve.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_MS = 20, SIGNAL_MS = 50, SHOWN_MAX = 64 << 20 };

/* ------------------------------------------------------------------ what is shown */

static void show_said(ln_repl *r, ln_str data) {
  ln_buf said, text;
  ln_err err = {0};
  ln_buf_init(&said, SHOWN_MAX);
  ln_buf_init(&text, SHOWN_MAX);
  if (!ln_session_said(&r->app->g, data, &said, &err) ||
      !ln_repl_show(&r->app->g, ln_buf_view(&said), ln_repl_columns(), &text, &err)) {
    ln_app_fail(&err);
  } else if (text.n) {
    ln_buf_addc(&text, '\n');
    bool bad = ln_v_get_str(ln_buf_view(&said), "error").p != NULL;
    if (bad && ln_app_colour(stdout)) fputs("\033[31m", stdout);
    ln_repl_put(r, ln_buf_view(&text));
    if (bad && ln_app_colour(stdout)) fputs("\033[0m", stdout);
  }
  fflush(stdout);
  ln_buf_free(&said);
  ln_buf_free(&text);
}

/* A tab is spelt out elsewhere, as it could pass for spaces; between what print was given it is no more. */
static void show_print(const ln_event *e) {
  ln_str rest = ln_v_get_str(e->text, "message"), part;
  while (ln_str_cut(rest, '\t', &part, &rest)) {
    ln_app_put_lines(stdout, part);
    fputs("  ", stdout);
  }
  ln_app_put_lines(stdout, part);
  putchar('\n');
}

/* Reads come and go unmentioned: what they found is what the line shows. */
static bool is_quiet(const ln_event *e) {
  bool read =
      e->cls && (strcmp(e->cls, "read") == 0 || strcmp(e->cls, "pure") == 0 || strcmp(e->cls, "local") == 0);
  return ln_str_eq(e->op, LN_STR("line")) || read;
}

/* True: the line under way is over. */
static bool show(ln_repl *r, const ln_event *e) {
  bool note = strcmp(e->what, "note") == 0;
  if (note && ln_str_eq(e->name, LN_STR("line"))) return show_said(r, e->text), true;
  if (note && ln_str_eq(ln_v_get_str(e->text, "level"), LN_STR("print"))) show_print(e);
  else if (strcmp(e->what, "step") != 0 || !is_quiet(e)) ln_carry_show(e);
  return false;
}

/* ------------------------------------------------------------------ a session of this process */

static ln_run *volatile computing; /* for the signal handler; NULL: nothing to interrupt */
static ln_timer looking;           /* a handler sets a flag: this looks at it         */

static void interrupt(void) {
  if (computing) ln_session_interrupt(computing);
}

static void look_for_signal(void *arg) {
  ln_repl *r = arg;
  ln_loop *l = r->app->g.loop;
  if (ln_store_changed(r->app->g.store)) ln_runs_look(&r->app->g);
  if (ln_app_interrupted() || (r->over && ln_session_is_idle(r->run))) {
    l->stop(l);
    return;
  }
  looking.fn = look_for_signal;
  looking.arg = r;
  l->timer(l, &looking, SIGNAL_MS);
}

/* Virtual time has no such timer: there a loop ends when nothing is left to do. */
static void run_loop(ln_repl *r) {
  ln_loop *l = r->app->g.loop;
  if (l->uv) look_for_signal(r);
  l->run(l);
  l->cancel(l, &looking);
}

static void on_event(void *arg, ln_run *run, const ln_event *e) {
  ln_repl *r = arg;
  bool stops = strcmp(e->what, "end") == 0 || strcmp(e->what, "broken") == 0;
  if (run == r->run) {
    r->over |= show(r, e) || stops;
    r->ended |= strcmp(e->what, "end") == 0;
  }
  if (r->over || stops || strcmp(e->what, "waiting") == 0 || ln_app_interrupted())
    r->app->g.loop->stop(r->app->g.loop);
}

static ln_run_options options_of(ln_repl *r) {
  return (ln_run_options){.sim = r->app->sim,
                          .approve = r->approve == LN_APPROVE_ASK ? LN_APPROVE_WAIT : r->approve,
                          .attended = true,
                          .event = on_event,
                          .event_arg = r};
}

/* The line was dropped, or the attempt has failed: what the journal holds counts. */
static void take_up(ln_repl *r) {
  ln_err err = {0};
  ln_run_options o = options_of(r);
  const ln_err *why = ln_run_why(r->run);
  ln_app_usage("%s%s", why->message,
               ln_err_is(why, "store") ? "" : ": the line is dropped, variables are as before it");
  ln_run_close(r->run);
  r->run = ln_run_resume(&r->app->g, ln_str_of(r->ulid), &o, &err);
  if (!r->run) {
    r->code = ln_app_fail(&err);
    r->ended = true;
    return;
  }
  ln_app_interrupt_taken();
  while (!ln_session_is_idle(r->run) && !ln_run_over(r->run) && !ln_app_interrupted()) run_loop(r);
}

/* True: it can go on.  A question that nobody here may answer, and a doubt, wait for others. */
static bool answer(ln_repl *r) {
  ln_waiting w;
  if (!ln_run_waiting_through(r->run, &w)) return true;
  int64_t id = strtoll(w.id, NULL, 10);
  if (id == r->asked && strcmp(w.step, r->told) == 0) return true;
  r->asked = id;
  snprintf(r->told, sizeof r->told, "%s", w.step);
  if (id && r->approve != LN_APPROVE_WAIT && ln_carry_answer(r->app, r->approve, id)) return true;
  ln_app_usage("run %s waits for %s: %s%s", r->ulid, w.what, w.next,
               r->terminal ? "   (Ctrl-C drops the line)" : "");
  if (r->terminal && !r->app->sim) return true;
  r->code = LN_EXIT_WAITS;
  r->ended = true; /* it waits as any run does, and is resumed as any */
  return false;
}

/* Against simulators nothing is under way any more: nobody will ever send what it waits for. */
static bool is_stuck(const ln_repl *r) {
  ln_waiting w;
  return r->app->sim && !r->over && !ln_run_waiting_through(r->run, &w);
}

static void carry(ln_repl *r) {
  ln_app_catch_interrupts(interrupt);
  computing = r->run;
  while (!r->ended && !r->over) {
    run_loop(r);
    if (r->ended || (r->over && !ln_run_over(r->run))) break;
    if (ln_run_over(r->run)) {
      computing = NULL;
      take_up(r);
      break;
    }
    if (ln_app_interrupt_taken() || is_stuck(r)) ln_session_stop(r->run);
    else if (!answer(r)) break;
  }
  computing = NULL;
  ln_app_interrupt_taken();
}

/* ------------------------------------------------------------------ one of another process */

static void doubted(ln_repl *r, ln_str step) {
  ln_app_usage("run %s is in doubt of %.*s: lunette show %s", r->ulid, LN_STR_ARG(step), r->ulid);
  if (!r->terminal) r->ended = true, r->code = LN_EXIT_WAITS;
}

static void show_entry(void *arg, const ln_entry *e) {
  ln_repl *r = arg;
  ln_event ev;
  if (e->kind == LN_E_DOUBT) doubted(r, e->name);
  if (ln_remote_event(e, &ev)) r->over |= show(r, &ev);
}

static bool see_row(void *arg, const ln_run_row *row) {
  ln_repl *r = arg;
  r->id = row->id;
  r->ended = row->finished_ms != 0;
  return false;
}

static bool first_open(void *arg, const ln_approval *a) {
  ln_repl *r = arg;
  if (a->id <= r->asked) return true;
  ln_carry_asks(a->title, a->id);
  r->asked = a->id;
  return false;
}

static bool look(ln_repl *r, ln_err *err) {
  int64_t asked = r->asked;
  if (!ln_store_run_find(r->app->g.store, ln_str_of(r->ulid), see_row, r, err) ||
      !ln_remote_entries(r->app, r->id, &r->seen, show_entry, r, err))
    return false;
  if (r->over || !ln_store_approvals(r->app->g.store, r->id, true, first_open, r, err)) return r->over;
  if (r->asked > asked && !ln_carry_answer(r->app, r->approve, r->asked)) {
    ln_app_usage("run %s waits for approval: lunette approve %lld%s", r->ulid, (long long)r->asked,
                 r->terminal ? "   (Ctrl-C drops the line)" : "");
    if (!r->terminal) r->ended = true, r->code = LN_EXIT_WAITS;
  }
  return true;
}

/* Its keys go on after "do". */
static size_t open_request(ln_repl *r, ln_buf *b, const char *what, size_t more, ln_str assume) {
  ln_buf_init(b, (2 << 20) + assume.n);
  size_t mark = ln_v_begin(b, 'O', more + (assume.n > 0) + (r->ulid[0] != '\0') + 1);
  if (assume.n) ln_remote_value(b, "assume", assume);
  ln_remote_text(b, "do", ln_str_of(what));
  return mark;
}

static bool ask(ln_repl *r, ln_buf *b, size_t mark, ln_err *err) {
  char ulid[LN_ULID + 1];
  ln_v_end(b, mark);
  bool ok = ln_buf_ok(b, err) && ln_remote(r->app, ln_buf_view(b), ulid, err);
  if (ok && !r->ulid[0]) memcpy(r->ulid, ulid, sizeof r->ulid);
  ln_buf_free(b);
  return ok;
}

static void ask_to_stop(ln_repl *r) {
  ln_buf b;
  ln_err err = {0};
  size_t mark = open_request(r, &b, "stop", 0, (ln_str){NULL, 0});
  ln_remote_text(&b, "run", ln_str_of(r->ulid));
  if (!ask(r, &b, mark, &err)) ln_app_fail(&err);
}

static void follow(ln_repl *r) {
  const struct timespec nap = {0, LOOK_MS * 1000000L};
  ln_err err = {0};
  ln_app_catch_interrupts(NULL);
  bool ok = look(r, &err), lives = true;
  while (ok && lives && !r->over && !r->ended) {
    if (ln_app_interrupt_taken()) ask_to_stop(r);
    nanosleep(&nap, NULL);
    if (ln_store_changed(r->app->g.store)) ok = look(r, &err);
    else lives = ln_service_there(r->app->g.store);
  }
  if (!ok) r->code = ln_app_fail(&err);
  if (!lives) ln_app_usage("the process that served the store is gone: lunette show %s", r->ulid);
  if (!ok || !lives) r->ended = true, r->code = r->code ? r->code : LN_EXIT_UNUSABLE;
}

/* ------------------------------------------------------------------ either */

static bool nothing(ln_tx *tx, void *arg, ln_err *err) {
  (void)tx, (void)arg, (void)err;
  return true;
}

/* With the first line: who only looks around leaves nothing behind. */
static bool begin(ln_repl *r, ln_err *err) {
  ln_buf b;
  ln_run_options o = options_of(r);
  if (r->app->served) {
    size_t mark = open_request(r, &b, "session", 0, (ln_str){NULL, 0});
    return ask(r, &b, mark, err);
  }
  if (!(r->run = ln_session_start(&r->app->g, &o, ln_str_of(ln_app_user()), err))) return false;
  snprintf(r->ulid, sizeof r->ulid, "%s", ln_run_ulid(r->run));
  return ln_writer_run(r->app->g.store, nothing, NULL, err); /* its row is there for whom a line is sent to */
}

typedef struct sending {
  ln_str text;
  bool reload;
} sending;

static bool send(ln_repl *r, const sending *s, ln_err *err) {
  char ulid[LN_ULID + 1];
  ln_str who = ln_str_of(ln_app_user()), which = ln_str_of(r->ulid);
  ln_buf b;
  ln_line line = {.text = s->text, .plan = r->planning, .assume = ln_buf_view(&r->assume)};
  if (!r->app->served)
    return s->reload ? ln_session_reload(&r->app->g, which, who, ulid, err)
                     : ln_session_line(&r->app->g, which, &line, who, ulid, err);
  size_t mark = open_request(r, &b, "line", 1 + (s->reload || s->text.p), line.assume);
  ln_remote_flag(&b, "plan", r->planning);
  if (s->reload) ln_remote_flag(&b, "reload", true);
  ln_remote_text(&b, "run", ln_str_of(r->ulid));
  if (s->text.p) ln_remote_text(&b, "text", s->text);
  return ask(r, &b, mark, err);
}

static void send_and_wait(ln_repl *r, const sending *s) {
  ln_err err = {0};
  r->over = false;
  if ((!r->ulid[0] && !begin(r, &err)) || !send(r, s, &err)) {
    r->code = ln_app_fail(&err);
    if (!ln_err_is(&err, "usage") && !ln_err_is(&err, "too_big") && !ln_err_is(&err, "full")) r->ended = true;
    return;
  }
  r->line++;
  if (r->run) carry(r);
  else follow(r);
}

void ln_repl_run(ln_repl *r, ln_str text) { send_and_wait(r, &(sending){.text = text}); }

void ln_repl_reload(ln_repl *r) { send_and_wait(r, &(sending){.reload = true}); }

void ln_repl_end(ln_repl *r) {
  ln_err err = {0};
  sending end = {.reload = false};
  int code = r->code;
  bool goes_on = !r->ended || code == LN_EXIT_WAITS; /* somebody's answer: then it comes to its end */
  if (goes_on && r->ulid[0] && send(r, &end, &err) && r->run && !r->ended) {
    r->over = false;
    carry(r);
  }
  r->code = code;
  if (r->run) ln_run_close(r->run);
  r->run = NULL;
}

/* ------------------------------------------------------------------ taking back */

static void undo_here(ln_repl *r, int64_t line) {
  ln_err err = {0};
  ln_carrying c = {.app = r->app, .approve = r->approve};
  ln_run_options o = {.plan = r->planning,
                      .sim = r->app->sim,
                      .approve = r->approve,
                      .event = ln_carry_event,
                      .event_arg = &c};
  c.run = ln_undo_start(&r->app->g, ln_str_of(r->ulid), line, &o, ln_str_of(ln_app_user()), &err);
  if (!c.run) {
    ln_app_fail(&err);
    return;
  }
  ln_carry(&c);
  ln_run_close(c.run);
}

static void undo_there(ln_repl *r, int64_t line) {
  ln_err err = {0};
  ln_buf b;
  char ulid[LN_ULID + 1];
  ln_following how = {.approve = r->approve, .plan = r->planning};
  ln_buf_init(&b, 4096);
  size_t mark = ln_v_begin(&b, 'O', 5);
  ln_remote_text(&b, "approve", ln_str_of(ln_remote_approve(r->approve)));
  ln_remote_text(&b, "do", LN_STR("undo"));
  ln_v_key(&b, LN_STR("line"));
  ln_v_int(&b, line);
  ln_remote_flag(&b, "plan", r->planning);
  ln_remote_text(&b, "run", ln_str_of(r->ulid));
  ln_v_end(&b, mark);
  bool ok = ln_remote(r->app, ln_buf_view(&b), ulid, &err);
  ln_buf_free(&b);
  if (!ok) ln_app_fail(&err);
  else ln_follow(r->app, ulid, &how, NULL);
}

/* How much of a run, or of one line of a session, is left to take back; -1: err. */
static int64_t left(ln_repl *r, const char *ulid, int64_t line, ln_err *err) {
  ln_buf acts;
  ln_vitem list = {0};
  ln_buf_init(&acts, SHOWN_MAX);
  bool ok = ln_acts_of(&r->app->g, ln_str_of(ulid), line, &acts, err);
  ln_str rest = ln_buf_view(&acts);
  int64_t n = !ok ? -1 : ln_v_read(&rest, &list) ? (int64_t)list.count : 0;
  ln_buf_free(&acts);
  return n;
}

enum { BEGUN_TOLD = 16 };
typedef struct begun { /* the runs that a line began: the first of them, and how many */
  char ulid[BEGUN_TOLD][LN_ULID + 1];
  int n;
} begun;

static bool keep_begun(void *arg, const ln_run_row *row) {
  begun *b = arg;
  if (b->n++ < BEGUN_TOLD) memcpy(b->ulid[b->n - 1], row->ulid, sizeof b->ulid[0]);
  return true;
}

/* They are runs of their own: this takes nothing of them back.  One that is under way may have done
** anything. */
static bool tell_begun(ln_repl *r, int64_t line, ln_err *err) {
  begun b = {.n = 0};
  if (!ln_line_runs(&r->app->g, ln_str_of(r->ulid), line, keep_begun, &b, err)) return false;
  for (int i = 0; i < b.n && i < BEGUN_TOLD; i++) {
    ln_err why = {0};
    if (left(r, b.ulid[i], 0, &why) != 0)
      printf("run %s, which line %lld began, is left as it is: lunette undo %s\n", b.ulid[i], (long long)line,
             b.ulid[i]);
  }
  if (b.n > BEGUN_TOLD)
    printf("and %d more runs, which line %lld began: lunette runs\n", b.n - BEGUN_TOLD, (long long)line);
  return true;
}

/* The last line that did something, and of which something is left to take back; 0: none, or err.  Runs that
** it and later ones began are told. */
static int64_t last_that_acted(ln_repl *r, ln_err *err) {
  for (int64_t line = r->line; line > 0; line--) {
    int64_t n = left(r, r->ulid, line, err);
    if (n < 0 || !tell_begun(r, line, err)) return 0;
    if (n > 0) return line;
  }
  return 0;
}

void ln_repl_undo(ln_repl *r) {
  ln_err err = {0};
  int64_t line = last_that_acted(r, &err);
  if (err.code[0]) {
    ln_app_fail(&err);
  } else if (!line) {
    puts("no line at this prompt did anything itself that is still to be taken back");
  } else {
    printf("what line %lld did:\n", (long long)line);
    fflush(stdout);
    if (r->run) undo_here(r, line);
    else undo_there(r, line);
    ln_app_interrupt_taken();
  }
}
