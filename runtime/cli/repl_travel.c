/* repl_travel.c: a past run that is open at the prompt (debug/travel.h): where it stands is shown after each
** move, and what is typed is evaluated in the frame that is looked at.  Nothing outside is touched, until a
** fork makes a run of its own. */
#include "cli/repl.h"

#include "base/plain.h"
#include "debug/travel.h"
#include "engine/library.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

enum { DOC_MAX = 64 << 20 };

static struct ln_travel *volatile going; /* for the signal handler                          */

static void interrupt(void) {
  if (going) ln_travel_interrupt(going);
}

/* ------------------------------------------------------------------ documents */

typedef void (*walk_fn)(const ln_repl *r, ln_str item, size_t i, ln_buf *page);

static void each(const ln_repl *r, const ln_buf *doc, walk_fn fn, ln_buf *page) {
  ln_str all = ln_buf_view(doc), rest;
  ln_vitem list, one;
  size_t i = 0;
  if (!ln_v_read(&all, &list)) return;
  for (rest = list.body; rest.n && ln_v_read(&rest, &one); i++) fn(r, one.whole, i, page);
}

/* All of a list, page by page. */
static void show_each(const ln_repl *r, const ln_buf *doc, walk_fn fn) {
  ln_buf page;
  ln_buf_init(&page, DOC_MAX);
  each(r, doc, fn, &page);
  ln_repl_put(r, ln_buf_view(&page));
  ln_buf_free(&page);
}

/* What follows stands `width` further on, where there is room. */
static void put(ln_buf *page, ln_str item, const char *key, size_t width) {
  size_t end = page->n + width;
  ln_plain(page, ln_v_get_str(item, key), false);
  while (page->n < end && ln_buf_addc(page, ' ')) continue;
}

/* ------------------------------------------------------------------ where it stands */

static void put_standing(const ln_standing *s) {
  printf("step %lld/%lld  ", (long long)s->step, (long long)s->steps);
  if (s->branch.n) ln_app_put(stdout, s->branch, 0), fputs("  ", stdout);
  if (s->why == LN_STANDS_END) {
    printf("the end: %s", s->end);
  } else if (s->line) {
    ln_app_put(stdout, s->path, 0);
    printf(":%lld: ", (long long)s->line);
    ln_app_put(stdout, ln_str_trim(s->text), 0);
  } else {
    fputs("the start", stdout);
  }
  if (s->breakpoint) printf("  (breakpoint %lld)", (long long)s->breakpoint);
  if (s->why == LN_STANDS_PAUSED) fputs("  (interrupted)", stdout);
  putchar('\n');
  if (!s->note.n) return;
  fputs("  ", stdout);
  ln_app_put(stdout, s->note, 0);
  putchar('\n');
}

static void put_output(ln_repl *r) {
  ln_buf out;
  ln_err quiet;
  ln_buf_init(&out, DOC_MAX);
  if (ln_travel_output(r->travel, &out, &quiet) && out.n) {
    ln_app_put_lines(stdout, ln_buf_view(&out));
    if (out.p[out.n - 1] != '\n') putchar('\n');
  }
  ln_buf_free(&out);
}

/* After a call that went somewhere. */
static void moved(ln_repl *r, bool ok, const ln_err *err) {
  ln_standing s;
  r->frame = 0;
  put_output(r);
  if (!ok) ln_app_fail(err);
  ln_travel_where(r->travel, &s);
  put_standing(&s);
}

static void begin(ln_repl *r) {
  ln_app_catch_interrupts(interrupt);
  going = r->travel;
}

static void end(void) {
  going = NULL;
  ln_app_interrupt_taken();
}

void ln_repl_travel_prompt(ln_repl *r, ln_buf *b) {
  ln_standing s;
  ln_travel_where(r->travel, &s);
  ln_buf_addf(b, "%lld/%lld> ", (long long)s.step, (long long)s.steps);
}

void ln_repl_close_travel(ln_repl *r) {
  ln_travel_close(r->travel);
  r->travel = NULL;
}

/* At its end: what happened is what one wants to know, and goes back from. */
void ln_repl_open(ln_repl *r, ln_str which) {
  ln_err err = {0};
  ln_travel *t = ln_travel_open(&r->app->g, which, &err);
  if (!t) {
    r->code = ln_app_fail(&err);
    return;
  }
  r->code = 0;
  ln_repl_close_travel(r);
  r->travel = t;
  begin(r);
  bool ok = ln_travel_end(t, &err);
  end();
  ln_buf doc;
  ln_buf_init(&doc, DOC_MAX);
  if (ln_travel_about(t, &doc, &err)) {
    static const char *const parts[] = {"run", "playbook", "state"};
    for (int i = 0; i < 3; i++) {
      ln_app_put(stdout, ln_v_get_str(ln_buf_view(&doc), parts[i]), 0);
      fputs(i < 2 ? "  " : "\n", stdout);
    }
  }
  ln_buf_free(&doc);
  moved(r, ok, &err);
}

/* ------------------------------------------------------------------ going */

static void go(ln_repl *r, ln_go how) {
  ln_err err = {0};
  begin(r);
  bool ok = ln_travel_go(r->travel, how, 0, &err);
  end();
  moved(r, ok, &err);
}

#define GOING(name, how)                                                                                     \
  static void name(ln_repl *r, ln_str rest) {                                                                \
    (void)rest;                                                                                              \
    go(r, how);                                                                                              \
  }
GOING(do_next, LN_GO_NEXT)
GOING(do_back, LN_GO_BACK)
GOING(do_into, LN_GO_INTO)
GOING(do_out, LN_GO_OUT)
GOING(do_continue, LN_GO_CONTINUE)
GOING(do_reverse, LN_GO_REVERSE)

/* A step's number; false: it was said what is wanted. */
static bool number(ln_str *rest, const char *usage, int64_t *n) {
  char text[32], *stop;
  ln_str word = *rest, more = {NULL, 0};
  ln_str_cut(*rest, ' ', &word, &more);
  snprintf(text, sizeof text, "%.*s", LN_STR_ARG(word));
  *n = strtoll(text, &stop, 10);
  *rest = ln_str_trim(more);
  if (word.n && !*stop && *n >= 0) return true;
  ln_app_usage("%s", usage);
  return false;
}

static void do_goto(ln_repl *r, ln_str rest) {
  ln_err err = {0};
  int64_t step = 0;
  bool to_end = ln_str_eq(rest, LN_STR("end"));
  if (!to_end && !number(&rest, ":goto N, a step's number (:steps lists them), 0 or end", &step)) return;
  begin(r);
  bool ok = to_end ? ln_travel_end(r->travel, &err) : ln_travel_goto(r->travel, step, &err);
  end();
  moved(r, ok, &err);
}

/* ------------------------------------------------------------------ steps */

static int64_t step_of(const ln_repl *r) {
  ln_standing s;
  ln_travel_where(r->travel, &s);
  return s.step;
}

static void add_step(const ln_repl *r, ln_str item, size_t i, ln_buf *page) {
  int64_t n = ln_v_get_int(item, "n", 0);
  (void)i;
  ln_buf_addf(page, "%s%4lld  ", n == step_of(r) ? "*" : " ", (long long)n);
  put(page, item, "state", 10);
  put(page, item, "name", 0);
  ln_buf_addz(page, "  ");
  put(page, item, "where", 0);
  ln_buf_addc(page, '\n');
}

/* The lines of `all` that have `part` in them. */
static void keep_lines(ln_str all, ln_str part, ln_buf *page) {
  ln_str line;
  while (all.n) {
    ln_str_cut(all, '\n', &line, &all);
    if (ln_str_find(line, part) >= 0) ln_buf_add(page, line), ln_buf_addc(page, '\n');
  }
}

static void do_steps(ln_repl *r, ln_str rest) {
  ln_buf doc, all, page;
  ln_err err = {0};
  ln_buf_init(&doc, DOC_MAX);
  ln_buf_init(&all, DOC_MAX);
  ln_buf_init(&page, DOC_MAX);
  if (ln_travel_steps(r->travel, &doc, &err)) {
    each(r, &doc, add_step, &all);
    keep_lines(ln_buf_view(&all), rest, &page);
    if (rest.n && !page.n) puts("no step has that in its name, state or line");
    ln_repl_put(r, ln_buf_view(&page));
  } else {
    ln_app_fail(&err);
  }
  ln_buf_free(&page);
  ln_buf_free(&all);
  ln_buf_free(&doc);
}

static void do_answer(ln_repl *r, ln_str rest) {
  ln_buf doc, page;
  ln_err err = {0};
  int64_t step;
  if (!number(&rest, ":answer N, a step's number", &step)) return;
  ln_buf_init(&doc, DOC_MAX);
  ln_buf_init(&page, DOC_MAX);
  if (ln_travel_answer(r->travel, step, &doc, &err)) {
    put(&page, ln_buf_view(&doc), "text", 0);
    ln_buf_addc(&page, '\n');
    ln_repl_put(r, ln_buf_view(&page));
  } else {
    ln_app_fail(&err);
  }
  ln_buf_free(&page);
  ln_buf_free(&doc);
}

/* ------------------------------------------------------------------ breakpoints */

/* "FILE:LINE", then perhaps "if EXPR". */
static bool read_break(ln_str rest, ln_break *b) {
  ln_str place = rest, more = {NULL, 0}, line;
  char text[32], *stop;
  ln_str_cut(rest, ' ', &place, &more);
  more = ln_str_trim(more);
  size_t colon = place.n;
  while (colon > 0 && place.p[colon - 1] != ':') colon--;
  if (colon < 2) return false;
  line = (ln_str){place.p + colon, place.n - colon};
  snprintf(text, sizeof text, "%.*s", LN_STR_ARG(line));
  *b = (ln_break){.file = {place.p, colon - 1}, .line = strtoll(text, &stop, 10)};
  if (!line.n || *stop || b->line < 1) return false;
  if (!more.n) return true;
  if (!ln_str_starts(more, LN_STR("if "))) return false;
  b->condition = ln_str_trim((ln_str){more.p + 3, more.n - 3});
  return b->condition.n > 0;
}

static void add_break(const ln_repl *r, ln_str item, size_t i, ln_buf *page) {
  (void)r, (void)i;
  ln_buf_addf(page, "%5lld  ", (long long)ln_v_get_int(item, "id", 0));
  put(page, item, "path", 0);
  ln_buf_addf(page, ":%lld", (long long)ln_v_get_int(item, "line", 0));
  if (ln_v_get_str(item, "condition").n) ln_buf_addz(page, "  if "), put(page, item, "condition", 0);
  ln_buf_addc(page, '\n');
}

static void list_breaks(ln_repl *r) {
  ln_buf doc;
  ln_err err = {0};
  ln_buf_init(&doc, DOC_MAX);
  if (ln_travel_breaks(r->travel, &doc, &err)) show_each(r, &doc, add_break);
  else ln_app_fail(&err);
  ln_buf_free(&doc);
}

static void do_break(ln_repl *r, ln_str rest) {
  ln_err err = {0};
  ln_break b;
  int64_t near = 0;
  if (rest.n && !read_break(rest, &b)) {
    ln_app_usage(":break FILE:LINE [if EXPR]; without anything: lists them");
  } else if (rest.n && !ln_travel_break(r->travel, &b, &near, &err)) {
    ln_app_fail(&err);
  } else {
    list_breaks(r);
  }
}

static void do_unbreak(ln_repl *r, ln_str rest) {
  int64_t id;
  if (!number(&rest, ":unbreak N", &id)) return;
  if (!ln_travel_unbreak(r->travel, id)) ln_app_usage("there is no breakpoint %lld", (long long)id);
}

/* ------------------------------------------------------------------ frames, and what is in them */

static void add_frame(const ln_repl *r, ln_str item, size_t i, ln_buf *page) {
  ln_buf_addf(page, "%s %2zu  ", (int)i == r->frame ? "*" : " ", i);
  put(page, item, "path", 0);
  ln_buf_addf(page, ":%lld  ", (long long)ln_v_get_int(item, "line", 0));
  put(page, item, "name", 0);
  ln_buf_addc(page, '\n');
}

static bool frames(ln_repl *r, ln_buf *doc) {
  ln_err err = {0};
  ln_buf_init(doc, DOC_MAX);
  if (ln_travel_frames(r->travel, 0, doc, &err)) return true;
  ln_app_fail(&err);
  return false;
}

static void do_where(ln_repl *r, ln_str rest) {
  ln_standing s;
  ln_buf doc;
  (void)rest;
  ln_travel_where(r->travel, &s);
  put_standing(&s);
  if (frames(r, &doc)) show_each(r, &doc, add_frame);
  ln_buf_free(&doc);
}

static size_t count(const ln_buf *doc) {
  ln_str all = ln_buf_view(doc);
  ln_vitem list;
  return ln_v_read(&all, &list) ? list.count : 0;
}

/* The id of the frame that is looked at; 0: the innermost. */
static int64_t frame_id(ln_repl *r) {
  ln_buf doc;
  int64_t id = 0;
  if (r->frame && frames(r, &doc)) {
    ln_str all = ln_buf_view(&doc);
    ln_vitem list, one;
    if (ln_v_read(&all, &list))
      for (int i = 0; list.body.n && ln_v_read(&list.body, &one) && i <= r->frame; i++)
        id = ln_v_get_int(one.whole, "id", 0);
    ln_buf_free(&doc);
  }
  return id;
}

static void climb(ln_repl *r, int by) {
  ln_buf doc;
  if (!frames(r, &doc)) return;
  int last = (int)count(&doc) - 1, to = r->frame + by;
  if (to < 0 || to > last) ln_app_usage("there is no frame %s this one", by > 0 ? "above" : "below");
  else r->frame = to;
  show_each(r, &doc, add_frame);
  ln_buf_free(&doc);
}

static void do_up(ln_repl *r, ln_str rest) {
  (void)rest;
  climb(r, 1);
}

static void do_down(ln_repl *r, ln_str rest) {
  (void)rest;
  climb(r, -1);
}

static void add_value(const ln_repl *r, ln_str item, size_t i, ln_buf *page) {
  (void)r, (void)i;
  ln_buf_addz(page, "  ");
  put(page, item, "name", 0);
  ln_buf_addz(page, " = ");
  put(page, item, "text", 0);
  ln_buf_addc(page, '\n');
}

static bool add_scope(ln_repl *r, ln_scope which, const char *title, ln_buf *page) {
  ln_buf doc;
  ln_err err = {0};
  ln_buf_init(&doc, DOC_MAX);
  bool ok = ln_travel_scope(r->travel, frame_id(r), which, &doc, &err);
  if (!ok) {
    ln_app_fail(&err);
  } else if (count(&doc)) {
    ln_buf_addz(page, title);
    each(r, &doc, add_value, page);
  } else if (which == LN_LOCALS) {
    ln_buf_addz(page, "no locals here\n");
  }
  ln_buf_free(&doc);
  return ok;
}

static void do_locals(ln_repl *r, ln_str rest) {
  ln_buf page;
  (void)rest;
  ln_buf_init(&page, DOC_MAX);
  if (add_scope(r, LN_LOCALS, "locals:\n", &page)) add_scope(r, LN_UPVALUES, "upvalues:\n", &page);
  ln_repl_put(r, ln_buf_view(&page));
  ln_buf_free(&page);
}

static void show_result(ln_repl *r, ln_str doc) {
  ln_vitem value;
  ln_buf text;
  ln_err err = {0};
  ln_str out = ln_v_get_str(doc, "out");
  ln_app_put_lines(stdout, out);
  if (out.n && out.p[out.n - 1] != '\n') putchar('\n');
  if (!ln_v_get_int(doc, "results", 1)) return;
  ln_buf_init(&text, DOC_MAX);
  bool whole = ln_v_get(doc, LN_STR("value"), &value) && value.tag != 'n' &&
               ln_repl_show_value(&r->app->g, value.whole, ln_repl_columns(), &text, &err);
  if (!whole) ln_buf_cut(&text, 0), ln_buf_add(&text, ln_v_get_str(doc, "text"));
  ln_buf_addc(&text, '\n');
  ln_repl_put(r, ln_buf_view(&text));
  ln_buf_free(&text);
}

void ln_repl_travel_eval(ln_repl *r, ln_str text) {
  ln_buf doc;
  ln_err err = {0};
  ln_buf_init(&doc, DOC_MAX);
  begin(r);
  bool ok = ln_travel_eval(r->travel, frame_id(r), text, &doc, &err);
  end();
  if (ok) show_result(r, ln_buf_view(&doc));
  else ln_app_fail(&err);
  ln_buf_free(&doc);
  fflush(stdout);
}

/* ------------------------------------------------------------------ two points */

static void add_difference(const ln_repl *r, ln_str item, size_t i, ln_buf *page) {
  static const char *const sides[] = {"before", "after"};
  (void)r, (void)i;
  ln_buf_addz(page, "  ");
  put(page, item, "name", 0);
  for (int k = 0; k < 2; k++) {
    ln_buf_addz(page, k ? "  →  " : ": ");
    if (ln_v_get_str(item, sides[k]).p) put(page, item, sides[k], 0);
    else ln_buf_addz(page, "(not there)");
  }
  ln_buf_addc(page, '\n');
}

/* Goes there, and says on the page where that is. */
static bool point_of(ln_repl *r, int64_t step, int64_t *at, ln_buf *page, ln_err *err) {
  ln_standing s;
  if (!ln_travel_goto(r->travel, step, err)) return false;
  ln_travel_where(r->travel, &s);
  *at = s.at;
  ln_buf_addf(page, "step %lld: ", (long long)step);
  ln_plain(page, s.branch, false);
  ln_buf_addz(page, s.branch.n ? "  " : "");
  ln_plain(page, s.path, false);
  ln_buf_addf(page, ":%lld\n", (long long)s.line);
  return true;
}

static void do_diff(ln_repl *r, ln_str rest) {
  static const char usage[] = ":diff A B, the numbers of two steps (:steps lists them)";
  ln_standing s;
  ln_buf doc, page;
  ln_err err = {0}, quiet;
  int64_t a, b, from = 0, to = 0;
  if (!number(&rest, usage, &a) || !number(&rest, usage, &b)) return;
  ln_travel_where(r->travel, &s);
  int64_t stood = s.at;
  ln_buf_init(&doc, DOC_MAX);
  ln_buf_init(&page, DOC_MAX);
  begin(r);
  bool ok = point_of(r, a, &from, &page, &err) && point_of(r, b, &to, &page, &err);
  ok = ln_travel_at(r->travel, stood, ok ? &err : &quiet) && ok &&
       ln_travel_diff(r->travel, from, to, &doc, &err);
  end();
  if (!ok) ln_app_fail(&err);
  else if (!count(&doc)) ln_buf_addz(&page, "nothing differs in the innermost frames\n");
  else each(r, &doc, add_difference, &page);
  if (ok) ln_repl_put(r, ln_buf_view(&page));
  ln_buf_free(&page);
  ln_buf_free(&doc);
}

/* ------------------------------------------------------------------ another run from here */

/* ":fork [act] [with DIR]" */
static bool read_fork(ln_str rest, ln_fork_options *o, char *with, size_t n) {
  ln_str word = rest, more = {NULL, 0};
  ln_str_cut(rest, ' ', &word, &more);
  if (ln_str_eq(word, LN_STR("act"))) {
    o->act = true;
    rest = ln_str_trim(more);
    word = rest, more = (ln_str){NULL, 0};
    ln_str_cut(rest, ' ', &word, &more);
  }
  if (!rest.n) return true;
  if (!ln_str_eq(word, LN_STR("with")) || !ln_str_trim(more).n) return false;
  snprintf(with, n, "%.*s", LN_STR_ARG(ln_str_trim(more)));
  o->with = with;
  return true;
}

static void carry_fork(ln_repl *r, const char *ulid) {
  ln_err err = {0};
  ln_carrying c = {.app = r->app, .approve = r->approve};
  ln_run_options o = {.sim = r->app->sim, .approve = r->approve, .event = ln_carry_event, .event_arg = &c};
  c.run = ln_run_resume(&r->app->g, ln_str_of(ulid), &o, &err);
  if (!c.run) {
    ln_app_fail(&err);
    return;
  }
  ln_carry(&c);
  ln_run_close(c.run);
  ln_app_interrupt_taken();
}

static bool put_scripts(ln_tx *tx, void *s, ln_err *err) { return ln_snapshot_put(tx, s, err); }

/* We read the folder, and the process that is asked finds its scripts in the store. */
static bool keep_with(ln_repl *r, const char *folder, ln_str *hash, ln_snapshot **s, ln_err *err) {
  if (access(folder, R_OK | X_OK) != 0)
    return ln_fail(err, "not_found", LN_FINAL, "the folder of scripts %s cannot be read: %s", folder,
                   strerror(errno));
  if (!(*s = ln_snapshot_with(&r->app->g, folder, err))) return false;
  *hash = ln_str_of(ln_snapshot_hash(*s));
  return ln_writer_run(r->app->g.store, put_scripts, *s, err);
}

static bool ask_to_fork(ln_repl *r, const ln_fork_options *o, char ulid[LN_ULID + 1], ln_err *err) {
  ln_snapshot *scripts = NULL;
  ln_str with = {NULL, 0};
  ln_buf b, about;
  ln_standing s;
  ln_travel_where(r->travel, &s);
  ln_buf_init(&b, (1 << 16) + o->assume.n);
  ln_buf_init(&about, DOC_MAX);
  bool ok =
      (!o->with || keep_with(r, o->with, &with, &scripts, err)) && ln_travel_about(r->travel, &about, err);
  size_t mark = ln_v_begin(&b, 'O', 5 + (o->assume.n > 0) + (o->with != NULL));
  ln_remote_flag(&b, "act", o->act);
  if (o->assume.n) ln_remote_value(&b, "assume", o->assume);
  ln_v_key(&b, LN_STR("at"));
  ln_v_int(&b, s.at);
  ln_remote_text(&b, "do", LN_STR("fork"));
  ln_remote_text(&b, "run", ln_v_get_str(ln_buf_view(&about), "run"));
  ln_v_key(&b, LN_STR("step"));
  ln_v_int(&b, s.step);
  if (o->with) ln_remote_text(&b, "with", with);
  ln_v_end(&b, mark);
  ok = ok && ln_buf_ok(&b, err) && ln_remote(r->app, ln_buf_view(&b), ulid, err);
  ln_snapshot_drop(scripts);
  ln_buf_free(&about);
  ln_buf_free(&b);
  return ok;
}

static void follow_fork(ln_repl *r, const char *ulid, bool plan) {
  ln_following how = {.approve = r->approve, .plan = plan};
  ln_follow(r->app, ulid, &how, NULL);
  ln_app_interrupt_taken();
}

static void do_fork(ln_repl *r, ln_str rest) {
  ln_err err = {0};
  char ulid[LN_ULID + 1], with[PATH_MAX];
  ln_fork_options o = {.by = ln_str_of(ln_app_user()), .assume = ln_buf_view(&r->assume)};
  if (!read_fork(rest, &o, with, sizeof with)) {
    ln_app_usage(":fork [act] [with DIR]: planned unless it is to act; DIR's scripts win over the run's own");
    return;
  }
  bool ok =
      r->app->served ? ask_to_fork(r, &o, ulid, &err) : ln_travel_fork(r->travel, &r->app->g, &o, ulid, &err);
  if (!ok) {
    ln_app_fail(&err);
    return;
  }
  printf("run %s goes on from here%s\n", ulid, o.act ? "" : ", planned");
  fflush(stdout);
  if (r->app->served) follow_fork(r, ulid, !o.act);
  else carry_fork(r, ulid);
}

static void do_close(ln_repl *r, ln_str rest) {
  (void)rest;
  ln_repl_close_travel(r);
}

const ln_repl_word ln_repl_travel_words[] = {
    {":steps", "[TEXT]", "the answers that came in, in their order; with TEXT in them", do_steps},
    {":answer", "N", "what step N answered", do_answer},
    {":goto", "N|end", "to the first line after step N's answer", do_goto},
    {":next", "", "to the next line of this branch", do_next},
    {":back", "", "to the line of this branch before", do_back},
    {":into", "", "to the next line, also within a function", do_into},
    {":out", "", "to the line after this function's call", do_out},
    {":break", "FILE:LINE [if EXPR]", "a breakpoint; nothing: lists them", do_break},
    {":unbreak", "N", "takes one away", do_unbreak},
    {":continue", "", "to the next breakpoint, or the end", do_continue},
    {":reverse-continue", "", "to the last breakpoint before here, or the start", do_reverse},
    {":where", "", "the calls that are open", do_where},
    {":up", "", "looks at the caller's frame", do_up},
    {":down", "", "looks at the called one's", do_down},
    {":locals", "", "the variables of the frame", do_locals},
    {":diff", "A B", "what differs between two steps", do_diff},
    {":fork", "[act] [with DIR]", "a run of its own from here: planned, unless it is to act", do_fork},
    {":close", "", "back to the session", do_close},
    {NULL, NULL, NULL, NULL}};
