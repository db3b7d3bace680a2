/* cmd_test_watch.c: lunette test --watch: goes through the tests again that a save touches.  Each round is a
** process of its own, forked from this one, which has nothing open but what it watches by.
**
** A test touches a script when its text names the script's module, or that of one that does: by its name, by
** the last part of it (stage "harden"), or by "prefix.*".  That is more than a run may load, and never less;
** what is no script (a connector, a library) touches all. */
#include "cli/cmd_test.h"

#include "base/hash.h"
#include "base/watch.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct file { /* as it was in the round before */
  char *real;
  uint8_t sha[LN_SHA256];
  bool there, changed;
} file;

typedef struct watching {
  const ln_test_args *a;
  ln_config *config;
  ln_loop *loop;
  file *v;
  size_t n, cap;
  bool all; /* something that touches all */
} watching;

/* ------------------------------------------------------------------ what was saved */

static file *file_of(watching *w, const char *real) {
  for (size_t i = 0; i < w->n; i++)
    if (strcmp(w->v[i].real, real) == 0) return &w->v[i];
  if (w->n == w->cap) {
    size_t cap = w->cap ? 2 * w->cap : 128;
    file *v = reallocarray(w->v, cap, sizeof *v);
    if (!v) return NULL;
    w->v = v;
    w->cap = cap;
  }
  w->v[w->n] = (file){.real = ln_str_dup(ln_str_of(real))};
  return w->v[w->n].real ? &w->v[w->n++] : NULL;
}

/* That something changed is told, not what. */
static bool note_file(watching *w, const char *real, ln_str text, ln_err *err) {
  uint8_t sha[LN_SHA256];
  file *f = file_of(w, real);
  if (!f || !ln_sha256(text, sha)) return ln_fail(err, "memory", LN_AGAIN, "no memory for scripts");
  f->changed |= !f->there || memcmp(sha, f->sha, sizeof sha) != 0;
  f->there = true;
  memcpy(f->sha, sha, sizeof sha);
  return true;
}

static void forget_gone(watching *w, const ln_sources *s) {
  for (size_t i = 0; i < w->n; i++) {
    bool there = false;
    for (size_t k = 0; k < s->n && !there; k++) there = strcmp(w->v[i].real, s->v[k].real) == 0;
    w->all |= w->v[i].there && !there;
    w->v[i].there = there;
  }
}

static void on_change(void *loop) { ((ln_loop *)loop)->stop(loop); }

/* All that is saved from here on ends the loop. */
static ln_watch *watch_all(watching *w, ln_err *err) {
  const ln_list *lists[] = {&w->config->scripts, &w->config->stdlib, &w->config->connectors_path};
  ln_str *folders = calloc(lists[0]->n + lists[1]->n + lists[2]->n + 1, sizeof *folders);
  ln_watch_opts o = {.folders = folders, .suffix = ".lua", .changed = on_change, .arg = w->loop};
  if (!folders) return ln_fail(err, "memory", LN_AGAIN, "no memory to watch folders"), NULL;
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
    for (size_t k = 0; k < lists[i]->n; k++) folders[o.n++] = lists[i]->v[k];
  ln_watch *watch = ln_watch_start(w->loop, &o, err);
  free(folders);
  return watch;
}

/* ------------------------------------------------------------------ what a change touches */

static bool has(ln_str text, char quote, ln_str name, const char *then) {
  char word[300];
  int n = snprintf(word, sizeof word, "%c%.*s%s%c", quote, LN_STR_ARG(name), then, quote);
  return n > 0 && n < (int)sizeof word && ln_str_find(text, (ln_str){word, (size_t)n}) >= 0;
}

/* Does a text name a module? */
static bool names(ln_str text, const char *module) {
  const char *dot = strrchr(module, '.');
  ln_str whole = ln_str_of(module), last = ln_str_of(dot ? dot + 1 : module),
         before = {module, dot ? (size_t)(dot - module) : 0};
  for (const char *quote = "\"'"; *quote; quote++)
    if (has(text, *quote, whole, "") || has(text, *quote, last, "") ||
        (before.n && has(text, *quote, before, ".*")))
      return true;
  return false;
}

typedef struct graph {
  const ln_sources *s;
  ln_buf *text; /* of each source */
  bool *reached;
} graph;

/* Marks all that a source names, and what that names. */
static void reach(graph *g, size_t from) {
  g->reached[from] = true;
  for (size_t i = 0; i < g->s->n; i++)
    if (!g->reached[i] && !ln_source_is_test(&g->s->v[i]) &&
        names(ln_buf_view(&g->text[from]), g->s->v[i].module))
      reach(g, i);
}

static bool is_changed(watching *w, const ln_source *s) {
  const file *f = file_of(w, s->real);
  return f && f->changed;
}

static bool is_touched(watching *w, graph *g, size_t test) {
  memset(g->reached, 0, g->s->n * sizeof *g->reached);
  reach(g, test);
  for (size_t i = 0; i < g->s->n; i++)
    if (g->reached[i] && is_changed(w, &g->s->v[i])) return true;
  return false;
}

static bool is_below(const ln_config *c, const char *path) {
  for (size_t i = 0; i < c->scripts.n; i++) {
    char real[PATH_MAX];
    if (!realpath(c->scripts.v[i].p, real)) continue;
    size_t n = strlen(real);
    if (strncmp(path, real, n) == 0 && path[n] == '/') return true;
  }
  return false;
}

/* The tests to go through, of those that were asked for: argv for ln_test_once. */
static int choose(watching *w, const ln_sources *s, graph *g, char **out) {
  int n = 0;
  for (size_t i = 0; i < w->n; i++) w->all |= w->v[i].changed && !is_below(w->config, w->v[i].real);
  for (size_t i = 0; i < s->n; i++)
    if (s->v[i].report && ln_source_is_test(&s->v[i]) && (w->all || is_touched(w, g, i)))
      out[n++] = s->v[i].path;
  return n;
}

/* ------------------------------------------------------------------ rounds */

static void run_round(const ln_test_args *a) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) exit(ln_test_once(a));
  while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR) continue;
  fflush(stdout);
}

static bool read_texts(watching *w, graph *g, const ln_sources *s, ln_err *err) {
  *g = (graph){
      .s = s, .text = calloc(s->n + 1, sizeof *g->text), .reached = calloc(s->n + 1, sizeof *g->reached)};
  if (!g->text || !g->reached) return ln_fail(err, "memory", LN_AGAIN, "no memory for scripts");
  forget_gone(w, s);
  for (size_t i = 0; i < s->n; i++)
    if (!ln_app_read(s->v[i].real, &g->text[i], err) ||
        !note_file(w, s->v[i].real, ln_buf_view(&g->text[i]), err))
      return false;
  return true;
}

/* first: that is how things are, and nobody has to be told. */
static bool touched_round(watching *w, bool first, ln_err *err) {
  ln_sources s = {NULL, 0, 0};
  graph g = {.text = NULL};
  ln_test_args again = *w->a;
  bool ok = ln_test_files(w->config, w->a, &s, err) && read_texts(w, &g, &s, err);
  char **paths = ok && !first ? calloc(s.n + 1, sizeof *paths) : NULL;
  again.paths = paths;
  again.n = paths ? choose(w, &s, &g, paths) : 0;
  if (again.n) run_round(&again);
  for (size_t i = 0; ok && i < w->n; i++) w->v[i].changed = false;
  w->all &= !ok; /* what could not be read is told next time */
  for (size_t i = 0; g.text && i < s.n; i++) ln_buf_free(&g.text[i]);
  free(g.text);
  free(g.reached);
  free(paths);
  ln_sources_free(&s);
  return ok;
}

static int watch_it(watching *w, ln_err *err) {
  ln_watch *watch = watch_all(w, err);
  if (!watch || !touched_round(w, true, err)) return ln_watch_stop(watch), ln_app_fail(err);
  run_round(w->a);
  for (;;) {
    w->loop->run(w->loop);
    if (!touched_round(w, false, err)) ln_app_fail(err); /* a file that is gone: the next save tells more */
  }
}

int ln_test_watch(const ln_test_args *a) {
  watching w = {.a = a};
  ln_err err = {0};
  if (!(w.config = ln_config_load(a->config, &err)) || !(w.loop = ln_loop_uv(&err))) return ln_app_fail(&err);
  return watch_it(&w, &err);
}
