/* cmd_test_watch.c: lunette test --watch: goes through the tests again that a save touches.  Each round is a
** process of its own, forked from this one, which has nothing open but what it watches by.
**
** A test touches a script when its text names the script's module, or that of one that does: by its name, by
** the last part of it (stage "harden"), or by "prefix.*".  That is more than a run may load, and never less;
** what is no script (a connector, a library) touches all. */
#include "cli/cmd_test.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { QUIET_MS = 50, FOLDERS = 4096, CHANGED = 512, DEEP = 12, TEXT_MAX = 1 << 20 };

typedef struct watching {
  const ln_test_args *a;
  ln_config *config;
  int fd;
  char *folder[FOLDERS]; /* by inotify's number */
  char *changed[CHANGED];
  size_t n;
  bool all; /* something that touches all, or too much */
} watching;

/* ------------------------------------------------------------------ folders */

static bool watch_folder(watching *w, const char *path, int depth, ln_err *err) {
  char below[PATH_MAX];
  struct dirent *d;
  struct stat st;
  DIR *dir = depth < DEEP ? opendir(path) : NULL;
  if (!dir)
    return depth > 0 || ln_fail(err, "usage", LN_FINAL, "%s cannot be read: %s", path, strerror(errno));
  int wd =
      inotify_add_watch(w->fd, path, IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE);
  bool ok = wd >= 0 && wd < FOLDERS;
  if (ok) {
    free(w->folder[wd]);
    w->folder[wd] = ln_str_dup(ln_str_of(path));
  } else {
    ln_fail(err, "failed", LN_FINAL, "%s cannot be watched: %s", path, strerror(errno));
  }
  while (ok && (d = readdir(dir))) {
    if (d->d_name[0] == '.' || snprintf(below, sizeof below, "%s/%s", path, d->d_name) >= (int)sizeof below)
      continue;
    if (stat(below, &st) == 0 && S_ISDIR(st.st_mode)) ok = watch_folder(w, below, depth + 1, err);
  }
  closedir(dir);
  return ok;
}

static bool watch_all(watching *w, ln_err *err) {
  const ln_list *lists[] = {&w->config->scripts, &w->config->stdlib, &w->config->connectors_path};
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
    for (size_t k = 0; k < lists[i]->n; k++)
      if (!watch_folder(w, lists[i]->v[k].p, 0, err)) return false;
  return true;
}

/* ------------------------------------------------------------------ events */

static void note_change(watching *w, const char *path) {
  char real[PATH_MAX];
  if (!realpath(path, real) || w->n == CHANGED || !(w->changed[w->n] = ln_str_dup(ln_str_of(real))))
    w->all = true;
  else w->n++;
}

static void note(watching *w, const struct inotify_event *e) {
  char path[PATH_MAX];
  ln_err quiet;
  if (e->mask & IN_Q_OVERFLOW) w->all = true;
  if (e->wd < 0 || e->wd >= FOLDERS || !w->folder[e->wd] || !e->len || e->name[0] == '.') return;
  if (snprintf(path, sizeof path, "%s/%s", w->folder[e->wd], e->name) >= (int)sizeof path) return;
  if (e->mask & IN_ISDIR) {
    w->all = true;
    if (e->mask & (IN_CREATE | IN_MOVED_TO)) watch_folder(w, path, 1, &quiet);
  } else if (ln_str_ends(ln_str_of(e->name), LN_STR(".lua")) && !(e->mask & IN_CREATE)) {
    note_change(w, path);
  }
}

/* Until something changed, and it is quiet again. */
static bool wait_for_change(watching *w) {
  char room[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
  for (;;) {
    struct pollfd p = {.fd = w->fd, .events = POLLIN};
    int ready = poll(&p, 1, w->n || w->all ? QUIET_MS : -1);
    if (ready == 0) return true;
    ssize_t got = ready > 0 ? read(w->fd, room, sizeof room) : -1;
    if (got < 0 && errno != EINTR) return false;
    for (ssize_t at = 0; at < got;) {
      const struct inotify_event *e = (const void *)(room + at);
      note(w, e);
      at += (ssize_t)(sizeof *e + e->len);
    }
  }
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

static bool is_changed(const watching *w, const ln_source *f) {
  for (size_t i = 0; i < w->n; i++)
    if (strcmp(w->changed[i], f->real) == 0) return true;
  return false;
}

static bool is_touched(const watching *w, graph *g, size_t test) {
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
  for (size_t i = 0; i < w->n; i++) w->all |= !is_below(w->config, w->changed[i]);
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

static bool read_texts(graph *g, const ln_sources *s, ln_err *err) {
  *g = (graph){
      .s = s, .text = calloc(s->n + 1, sizeof *g->text), .reached = calloc(s->n + 1, sizeof *g->reached)};
  if (!g->text || !g->reached) return ln_fail(err, "memory", LN_AGAIN, "no memory for scripts");
  for (size_t i = 0; i < s->n; i++)
    if (!ln_app_read(s->v[i].real, &g->text[i], err)) return false;
  return true;
}

static void touched_round(watching *w, ln_err *err) {
  ln_sources s = {NULL, 0, 0};
  graph g = {.text = NULL};
  ln_test_args again = *w->a;
  bool ok = ln_test_files(w->config, w->a, &s, err) && read_texts(&g, &s, err);
  char **paths = ok ? calloc(s.n + 1, sizeof *paths) : NULL;
  again.paths = paths;
  again.n = paths ? choose(w, &s, &g, paths) : 0;
  if (again.n) run_round(&again);
  else if (!ok) ln_app_fail(err); /* a file that is half there, or gone: the next save tells more */
  for (size_t i = 0; g.text && i < s.n; i++) ln_buf_free(&g.text[i]);
  free(g.text);
  free(g.reached);
  free(paths);
  ln_sources_free(&s);
  for (; w->n; w->n--) free(w->changed[w->n - 1]);
  w->all = false;
}

int ln_test_watch(const ln_test_args *a) {
  static watching w;
  ln_err err = {0};
  w.a = a;
  w.fd = inotify_init1(IN_CLOEXEC);
  if (w.fd < 0) return ln_app_usage("--watch: %s", strerror(errno));
  if (!(w.config = ln_config_load(a->config, &err)) || !watch_all(&w, &err)) return ln_app_fail(&err);
  run_round(a);
  while (wait_for_change(&w)) touched_round(&w, &err);
  return ln_app_usage("--watch: %s", strerror(errno));
}
