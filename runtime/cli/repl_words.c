/* repl_words.c: the prompt's own commands. */
#include "cli/repl.h"

#include "base/plain.h"
#include "base/units.h"
#include "cli/known.h"
#include "cli/sources.h"
#include "engine/library.h"

#include <stdlib.h>
#include <time.h>

enum { RUNS_SHOWN = 20, RUNS_KNOWN = 100, KNOWN_MAX = 64 << 20 };

/* ------------------------------------------------------------------ what a session has */

static void do_plan(ln_repl *r, ln_str rest) {
  if (ln_str_eq(rest, LN_STR("on"))) r->planning = true;
  else if (ln_str_eq(rest, LN_STR("off"))) r->planning = false;
  else if (rest.n) {
    ln_app_usage(":plan is on or off");
    return;
  }
  puts(r->planning ? "plan: writes are looked at, guarded and shown, not made" : "ACT: writes are made");
}

static void list_assumed(const ln_repl *r) {
  ln_str rest = ln_buf_view(&r->assume), key;
  ln_vitem all, v;
  ln_json j;
  ln_buf page;
  ln_buf_init(&page, KNOWN_MAX);
  if (rest.n && ln_v_read(&rest, &all))
    for (rest = all.body; ln_v_read_key(&rest, &key) && ln_v_read(&rest, &v);) {
      ln_plain(&page, key, false);
      ln_buf_addz(&page, " = ");
      ln_json_init(&j, &page);
      ln_v_to_json(v.whole, &j);
      ln_buf_addc(&page, '\n');
    }
  if (!page.n) puts("nothing is assumed: :assume NAME=JSON");
  ln_repl_put(r, ln_buf_view(&page));
  ln_buf_free(&page);
}

/* All but one of them. */
static void forget_assumed(ln_repl *r, ln_str name) {
  ln_buf left;
  ln_str rest = ln_buf_view(&r->assume), key;
  ln_vitem all, v;
  size_t n = 0;
  ln_buf_init(&left, r->assume.max);
  if (!rest.n || !ln_v_read(&rest, &all)) return;
  size_t mark = ln_v_begin(&left, 'O', all.count - (ln_v_get(all.whole, name, &v) ? 1 : 0));
  for (rest = all.body; ln_v_read_key(&rest, &key) && ln_v_read(&rest, &v);)
    if (!ln_str_eq(key, name)) ln_v_key(&left, key), ln_v_raw(&left, v.whole), n++;
  ln_v_end(&left, mark);
  if (!n) ln_buf_cut(&left, 0);
  ln_buf_free(&r->assume);
  r->assume = left;
}

/* NAME=JSON: what a plan takes for the answer of a step, an operation or a flow, from here on. */
static void do_assume(ln_repl *r, ln_str rest) {
  ln_buf one, both;
  ln_err err = {0};
  ln_str name, value = {NULL, 0};
  bool pair = ln_str_cut(rest, '=', &name, &value);
  if (!rest.n) {
    list_assumed(r);
    return;
  }
  if (pair && !value.n) {
    forget_assumed(r, name);
    return;
  }
  ln_buf_init(&one, r->assume.max);
  ln_buf_init(&both, r->assume.max);
  char *text = ln_str_dup(rest);
  bool ok = text ? ln_app_assume(r->app, &text, 1, &one, &err) : ln_buf_ok(&one, &err);
  ok = ok && (ln_v_merge(&both, ln_buf_view(&r->assume), ln_buf_view(&one)) || ln_buf_ok(&both, &err));
  if (!ok) ln_app_fail(&err);
  else ln_buf_free(&r->assume), r->assume = both, both = (ln_buf){0};
  if (ok && !r->planning && !r->travel) puts("that holds while writes are planned: :plan on");
  ln_buf_free(&both);
  ln_buf_free(&one);
  free(text);
}

static int64_t mono_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void do_time(ln_repl *r, ln_str rest) {
  int64_t from = mono_ms();
  if (!rest.n) {
    ln_app_usage(":time EXPR");
    return;
  }
  ln_repl_run(r, rest);
  printf("(%lld ms)\n", (long long)(mono_ms() - from));
}

static void do_undo(ln_repl *r, ln_str rest) {
  (void)rest;
  ln_repl_undo(r);
}

static void do_reload(ln_repl *r, ln_str rest) {
  (void)rest;
  int64_t before = r->line;
  ln_repl_reload(r);
  if (r->line > before && !r->ended) puts("the scripts are those of now, for what is required from here on");
}

static bool print_run(void *arg, const ln_run_row *row) {
  int *left = arg;
  char at[LN_TIME_TEXT];
  ln_format_time(row->created_ms, at);
  printf("%s  %-10.*s %.19s  ", row->ulid, LN_STR_ARG(row->state), at);
  ln_app_put(stdout, row->playbook, 0);
  putchar('\n');
  return --*left > 0;
}

static void do_runs(ln_repl *r, ln_str rest) {
  ln_run_query q = {.playbook = rest};
  ln_err err = {0};
  int left = RUNS_SHOWN;
  if (!ln_store_runs(r->app->g.store, &q, print_run, &left, &err)) ln_app_fail(&err);
}

static void do_watch(ln_repl *r, ln_str rest) {
  ln_following how = {.approve = LN_APPROVE_WAIT};
  char which[64];
  snprintf(which, sizeof which, "%.*s", LN_STR_ARG(rest));
  if (!rest.n) ln_app_usage(":watch RUN");
  else ln_follow(r->app, which, &how, NULL);
  ln_app_interrupt_taken();
}

/* ------------------------------------------------------------------ sources, and annotations */

void ln_repl_put_source(const ln_repl *r, ln_str source) {
  ln_buf b;
  ln_buf_init(&b, 8 << 20);
  ln_str line;
  for (int n = 1; source.n; n++) {
    ln_str_cut(source, '\n', &line, &source);
    ln_buf_addf(&b, "%4d  ", n);
    ln_buf_add(&b, line);
    ln_buf_addc(&b, '\n');
  }
  ln_repl_put(r, ln_buf_view(&b));
  ln_buf_free(&b);
}

/* A module's name, or a path's end. */
static bool find_module(ln_snapshot *s, ln_str name, ln_str *source, ln_err *err) {
  ln_str path;
  for (size_t i = 0; i < ln_snapshot_count(s); i++) {
    ln_str module = ln_snapshot_name(s, i);
    if (!ln_snapshot_source(s, module, source, &path, err)) return false;
    if (ln_str_eq(module, name) || (ln_str_ends(name, LN_STR(".lua")) && ln_str_ends(path, name)))
      return true;
  }
  return ln_fail(err, "not_found", LN_FINAL, "there is no script %.*s: Tab after :source lists them",
                 LN_STR_ARG(name));
}

static void do_source(ln_repl *r, ln_str rest) {
  ln_err err = {0};
  ln_str source;
  ln_snapshot *s = ln_snapshot_take(&r->app->g, (ln_str){NULL, 0}, &err);
  if (s && find_module(s, rest, &source, &err)) ln_repl_put_source(r, source);
  else ln_app_fail(&err);
  ln_snapshot_drop(s);
}

/* "function okta.add_to_group(": what stands above it is its annotation. */
static bool is_function(ln_str line, ln_str name) {
  ln_str head = LN_STR("function ");
  return ln_str_starts(line, head) && line.n > head.n + name.n && line.p[head.n + name.n] == '(' &&
         memcmp(line.p + head.n, name.p, name.n) == 0;
}

/* The comment as people read it: without its dashes and code fences. */
static void add_comment(ln_buf *out, ln_str comment) {
  ln_str line;
  while (comment.n) {
    ln_str_cut(comment, '\n', &line, &comment);
    if (ln_str_starts(line, LN_STR("---"))) line = (ln_str){line.p + 3, line.n - 3};
    if (ln_str_starts(line, LN_STR("```"))) continue;
    ln_buf_add(out, line);
    ln_buf_addc(out, '\n');
  }
}

/* True: it was there. */
static bool doc_in(ln_str text, ln_str name, ln_buf *out) {
  ln_str line, from = {NULL, 0};
  while (text.n) {
    ln_str_cut(text, '\n', &line, &text);
    if (is_function(line, name)) {
      ln_buf_add(out, (ln_str){line.p + 9, line.n - 9 - (ln_str_ends(line, LN_STR(" end")) ? 4 : 0)});
      ln_buf_addc(out, '\n');
      add_comment(out, from.p ? (ln_str){from.p, (size_t)(line.p - from.p)} : from);
      return true;
    }
    bool comment = ln_str_starts(line, LN_STR("---"));
    if (comment && !from.p) from = line;
    else if (!comment) from = (ln_str){NULL, 0};
  }
  return false;
}

/* The definitions that editors have, below each stdlib's meta. */
static bool find_doc(const ln_config *c, ln_str name, ln_buf *out, ln_err *err) {
  bool found = false;
  for (size_t i = 0; i < c->stdlib.n && !found; i++) {
    char folder[4096];
    ln_sources s = {NULL, 0, 0};
    snprintf(folder, sizeof folder, "%.*s/meta", LN_STR_ARG(c->stdlib.v[i]));
    bool ok = ln_sources_ask(&s, folder, err);
    for (size_t k = 0; ok && k < s.n && !found; k++) {
      ln_buf text = {0};
      ok = ln_app_read(s.v[k].real, &text, err);
      found = ok && doc_in(ln_buf_view(&text), name, out);
      ln_buf_free(&text);
    }
    ln_sources_free(&s);
    if (!ok) return false;
  }
  return found ||
         ln_fail(err, "not_found", LN_FINAL,
                 "there is no annotation of %.*s: :doc takes a word, LIBRARY.FUNCTION or CONNECTOR.OPERATION",
                 LN_STR_ARG(name));
}

static void do_doc(ln_repl *r, ln_str rest) {
  ln_err err = {0};
  ln_buf out;
  ln_buf_init(&out, 1 << 20);
  if (find_doc(r->app->config, rest, &out, &err)) ln_repl_put(r, ln_buf_view(&out));
  else ln_app_fail(&err);
  ln_buf_free(&out);
}

/* ------------------------------------------------------------------ the list of them */

static void do_help(ln_repl *r, ln_str rest);
static void do_quit(ln_repl *r, ln_str rest) {
  (void)rest;
  ln_repl_end(r);
  r->ended = true;
}

static void do_open(ln_repl *r, ln_str rest) {
  if (rest.n) ln_repl_open(r, rest);
  else ln_app_usage(":open RUN");
}

static const ln_repl_word words[] = {
    {":help", "", "this list", do_help},
    {":doc", "NAME", "the annotation of a word, a library's function, an operation", do_doc},
    {":source", "NAME", "a script, by module or path", do_source},
    {":plan", "on|off", "are writes only planned?", do_plan},
    {":assume", "[NAME=JSON]", "what answers in a plan; NAME= forgets it; nothing: lists them", do_assume},
    {":time", "EXPR", "runs it, and says how long that took", do_time},
    {":undo", "", "takes back what the last line did that did anything", do_undo},
    {":reload", "", "the scripts as they are now, for what is required from here on", do_reload},
    {":runs", "[PLAYBOOK]", "the newest runs", do_runs},
    {":watch", "RUN", "a run as it goes on; Ctrl-C leaves it", do_watch},
    {":open", "RUN", "a past run, to step through it in both directions", do_open},
    {":quit", "", "leaves, as Ctrl-D does", do_quit},
    {NULL, NULL, NULL, NULL}};

static void list(const ln_repl_word *w, ln_buf *page) {
  bool narrow = ln_repl_columns() < 60;
  for (; w->name; w++) {
    size_t end = page->n + 30;
    ln_buf_addf(page, "  %s %s", w->name, w->args);
    if (narrow) ln_buf_addz(page, "\n     ");
    else while (page->n < end) ln_buf_addc(page, ' ');
    ln_buf_addf(page, " %s\n", w->what);
  }
}

static void do_help(ln_repl *r, ln_str rest) {
  ln_buf page;
  (void)rest;
  ln_buf_init(&page, 1 << 16);
  ln_buf_addz(&page, "Lua, with the words of a playbook; libraries and connectors are there by name; "
                     "_ is the last value.\n");
  list(words, &page);
  ln_buf_addz(&page, r->travel ? "in the run that is open; Lua is evaluated in the frame:\n"
                               : "in a run that is open (:open RUN):\n");
  list(ln_repl_travel_words, &page);
  ln_repl_put(r, ln_buf_view(&page));
  ln_buf_free(&page);
}

/* Those that begin so, which are counted; one whose whole name it is counts alone. */
static const ln_repl_word *find_in(const ln_repl_word *w, ln_str name, size_t *n) {
  const ln_repl_word *found = NULL;
  for (; w->name; w++) {
    if (ln_str_eq(ln_str_of(w->name), name)) return *n = 1, w;
    if (ln_str_starts(ln_str_of(w->name), name)) found = w, ++*n;
  }
  return found;
}

static bool is_whole(const ln_repl_word *w, ln_str name) { return w && ln_str_eq(ln_str_of(w->name), name); }

static void say_several(ln_str name) {
  const ln_repl_word *const lists[] = {words, ln_repl_travel_words};
  ln_buf b;
  ln_buf_init(&b, 4096);
  for (size_t i = 0; i < 2; i++)
    for (const ln_repl_word *w = lists[i]; w->name; w++)
      if (ln_str_starts(ln_str_of(w->name), name)) ln_buf_addf(&b, "%s%s", b.n ? ", " : "", w->name);
  ln_app_usage("%.*s may be %.*s", LN_STR_ARG(name), LN_STR_ARG(ln_buf_view(&b)));
  ln_buf_free(&b);
}

void ln_repl_command(ln_repl *r, ln_str text) {
  ln_str name, rest;
  size_t own = 0, of_run = 0;
  ln_str_cut(text, ' ', &name, &rest);
  const ln_repl_word *w = find_in(words, name, &own), *t = find_in(ln_repl_travel_words, name, &of_run);
  if (is_whole(w, name) || (own == 1 && !of_run)) w->fn(r, ln_str_trim(rest));
  else if ((is_whole(t, name) || (of_run == 1 && !own)) && r->travel) t->fn(r, ln_str_trim(rest));
  else if (of_run == 1 && !own) ln_app_usage("%s is for a run that is open: :open RUN", t->name);
  else if (own || of_run) say_several(name);
  else ln_app_usage("there is no %.*s: :help lists what there is", LN_STR_ARG(name));
  fflush(stdout);
}

/* ------------------------------------------------------------------ for completion */

typedef struct listing {
  ln_buf items;
  size_t n;
} listing;

static bool add_run(void *arg, const ln_run_row *row) {
  listing *l = arg;
  ln_v_str(&l->items, ln_str_of(row->ulid));
  return ++l->n < RUNS_KNOWN;
}

static void put_list(ln_buf *b, const char *key, listing *l) {
  ln_v_key(b, ln_str_of(key));
  size_t mark = ln_v_begin(b, 'A', l->n);
  ln_buf_add(b, ln_buf_view(&l->items));
  ln_v_end(b, mark);
  ln_buf_free(&l->items);
}

static listing list_new(void) {
  listing l = {.n = 0};
  ln_buf_init(&l.items, KNOWN_MAX);
  return l;
}

static void put_commands(ln_buf *b) {
  const ln_repl_word *const lists[] = {words, ln_repl_travel_words};
  listing l = list_new();
  for (size_t i = 0; i < 2; i++)
    for (const ln_repl_word *w = lists[i]; w->name; w++, l.n++) ln_v_str(&l.items, ln_str_of(w->name));
  put_list(b, "commands", &l);
}

static void put_runs(ln_repl *r, ln_buf *b) {
  listing l = list_new();
  ln_run_query q = {0};
  ln_err quiet;
  ln_store_runs(r->app->g.store, &q, add_run, &l, &quiet);
  put_list(b, "runs", &l);
}

static bool put_scripts(ln_repl *r, ln_buf *b, ln_err *err) {
  listing l = list_new();
  ln_snapshot *s = ln_snapshot_take(&r->app->g, (ln_str){NULL, 0}, err);
  if (!s) return ln_buf_free(&l.items), false;
  for (; l.n < ln_snapshot_count(s); l.n++) ln_v_str(&l.items, ln_snapshot_name(s, l.n));
  put_list(b, "scripts", &l);
  ln_snapshot_drop(s);
  return true;
}

bool ln_repl_known(ln_repl *r, ln_buf *out, ln_err *err) {
  size_t mark = ln_v_begin(out, 'O', 4);
  put_commands(out);
  ln_v_key(out, LN_STR("connectors"));
  if (!ln_known_connectors(&r->app->g, out)) return ln_buf_ok(out, err);
  put_runs(r, out);
  return put_scripts(r, out, err) && (ln_v_end(out, mark) || ln_buf_ok(out, err));
}
