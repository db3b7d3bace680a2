/* sources.c: finds Lua files, and reads them.  A file has a module's name by its place below a configured
** folder; one that lies elsewhere has its own.  It is shown from the current folder, or as it was asked
** for. */
#include "cli/sources.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SOURCE_MAX = 1 << 20, SOURCES_MAX = 8000, DEEP = 12, ALL_MAX = 256 << 20 };

static const char NONE[] = "", CONNECTOR[] = "connectors."; /* what a module's name begins with          */

typedef struct walking { ln_sources *s; const char *root, *prefix; bool report; ln_err *err; } walking;

/* ------------------------------------------------------------------ the list */

static void source_free(ln_source *f) {
  free(f->path);
  free(f->real);
  free(f->module);
}

void ln_sources_free(ln_sources *s) {
  for (size_t i = 0; i < s->n; i++) source_free(&s->v[i]);
  free(s->v);
  *s = (ln_sources){NULL, 0, 0};
}

static ln_source *find(ln_sources *s, const char *real) {
  for (size_t i = 0; i < s->n; i++)
    if (strcmp(s->v[i].real, real) == 0) return &s->v[i];
  return NULL;
}

static bool room(ln_sources *s) {
  if (s->n < s->cap) return true;
  size_t cap = s->cap ? 2 * s->cap : 64;
  ln_source *v = cap <= 2 * SOURCES_MAX ? realloc(s->v, cap * sizeof *v) : NULL;
  if (!v) return false;
  s->v = v;
  s->cap = cap;
  return true;
}

/* The path from the current folder, where it lies below it. */
static const char *from_here(const char *real) {
  static char here[PATH_MAX];
  if (!here[0] && !getcwd(here, sizeof here - 1)) return real;
  size_t n = strlen(here);
  return strncmp(real, here, n) == 0 && real[n] == '/' ? real + n + 1 : real;
}

/* "connectors/okta.lua" of stdlib is module "connectors.okta". */
static char *module_of(const walking *w, const char *relative) {
  char name[PATH_MAX];
  int n = snprintf(name, sizeof name, "%s%s", w->prefix, relative);
  if (n < 4 || (size_t)n >= sizeof name) return NULL;
  if (ln_str_ends(ln_str_of(name), LN_STR(".lua"))) name[n - 4] = '\0';
  for (char *c = name + strlen(w->prefix); *c; c++)
    if (*c == '/') *c = '.';
  return ln_str_dup(ln_str_of(name));
}

static bool add(const walking *w, const char *path, const char *relative) {
  char real[PATH_MAX];
  if (!realpath(path, real))
    return ln_fail(w->err, "not_found", LN_FINAL, "%s cannot be read: %s", path, strerror(errno));
  ln_source *known = find(w->s, real);
  if (known) {
    known->report |= w->report;
    return true;
  }
  if (!room(w->s)) return ln_fail(w->err, "too_big", LN_FINAL, "more than %d scripts", SOURCES_MAX);
  ln_source f = {.report = w->report, .real = ln_str_dup(ln_str_of(real)), .module = module_of(w, relative)};
  f.path = ln_str_dup(ln_str_of(from_here(real)));
  if (f.path && f.real && f.module) {
    w->s->v[w->s->n++] = f;
    return true;
  }
  source_free(&f);
  return ln_fail(w->err, "memory", LN_AGAIN, "no memory for %s", path);
}

/* ------------------------------------------------------------------ folders */

static bool is_script(const char *name) { return ln_str_ends(ln_str_of(name), LN_STR(".lua")); }

bool ln_source_is_test(const ln_source *f) { return ln_str_ends(ln_str_of(f->path), LN_STR("_test.lua")); }

static bool walk(const walking *w, const char *relative, int depth) {
  char path[PATH_MAX], below[1024];
  struct dirent *d;
  struct stat st;
  snprintf(path, sizeof path, "%s%s%s", w->root, relative[0] ? "/" : "", relative);
  DIR *dir = depth < DEEP ? opendir(path) : NULL;
  if (!dir)
    return depth > 0 || ln_fail(w->err, "not_found", LN_FINAL, "the folder %s cannot be read: %s", w->root,
                                strerror(errno));
  bool ok = true;
  while (ok && (d = readdir(dir))) {
    if (d->d_name[0] == '.') continue;
    int n = snprintf(below, sizeof below, "%s%s%s", relative, relative[0] ? "/" : "", d->d_name);
    if (n >= (int)sizeof below || snprintf(path, sizeof path, "%s/%s", w->root, below) >= (int)sizeof path)
      continue;
    if (stat(path, &st) != 0) continue;
    if (S_ISDIR(st.st_mode)) ok = walk(w, below, depth + 1);
    else if (is_script(below)) ok = add(w, path, below);
  }
  closedir(dir);
  return ok;
}

static bool walk_list(ln_sources *s, const ln_list *roots, const char *prefix, ln_err *err) {
  for (size_t i = 0; i < roots->n; i++) {
    walking w = {.s = s, .root = roots->v[i].p, .prefix = prefix, .err = err};
    if (!walk(&w, "", 0)) return false;
  }
  return true;
}

bool ln_sources_configured(ln_sources *s, const ln_config *c, ln_err *err) {
  if (!walk_list(s, &c->scripts, NONE, err)) return false;
  for (size_t i = 0; i < s->n; i++) s->v[i].report = true;
  size_t scripts = s->n;
  if (!walk_list(s, &c->stdlib, NONE, err) || !walk_list(s, &c->connectors_path, CONNECTOR, err))
    return false;
  for (size_t i = scripts; i < s->n; i++)
    s->v[i].report = strncmp(s->v[i].module, CONNECTOR, strlen(CONNECTOR)) == 0;
  return true;
}

void ln_sources_ask_none(ln_sources *s) {
  for (size_t i = 0; i < s->n; i++) s->v[i].report = false;
}

bool ln_sources_ask(ln_sources *s, const char *path, ln_err *err) {
  struct stat st;
  walking w = {.s = s, .root = path, .prefix = NONE, .report = true, .err = err};
  const char *slash = strrchr(path, '/');
  if (stat(path, &st) != 0)
    return ln_fail(err, "usage", LN_FINAL, "%s cannot be read: %s", path, strerror(errno));
  return S_ISDIR(st.st_mode) ? walk(&w, "", 0) : add(&w, path, slash ? slash + 1 : path);
}

size_t ln_sources_asked(const ln_sources *s) {
  size_t n = 0;
  for (size_t i = 0; i < s->n; i++) n += s->v[i].report;
  return n;
}

/* ------------------------------------------------------------------ contents */

static bool read_source(const ln_source *f, ln_buf *out, ln_err *err) {
  char chunk[16384];
  size_t n;
  FILE *in = fopen(f->real, "rb");
  if (!in) return ln_fail(err, "not_found", LN_FINAL, "%s cannot be read: %s", f->path, strerror(errno));
  ln_buf_init(out, SOURCE_MAX);
  while ((n = fread(chunk, 1, sizeof chunk, in)) > 0 && ln_buf_add(out, (ln_str){chunk, n})) continue;
  bool ok = !ferror(in) && !ln_buf_failed(out);
  fclose(in);
  if (ok) return true;
  ln_buf_free(out);
  return ln_fail(err, "too_big", LN_FINAL, "%s is unreadable or larger than 1 MiB", f->path);
}

static bool put_source(const ln_source *f, ln_buf *out, ln_err *err) {
  ln_buf text;
  if (!read_source(f, &text, err)) return false;
  size_t mark = ln_v_begin(out, 'O', 4);
  ln_v_key(out, LN_STR("module"));
  ln_v_str(out, ln_str_of(f->module));
  ln_v_key(out, LN_STR("path"));
  ln_v_str(out, ln_str_of(f->path));
  ln_v_key(out, LN_STR("report"));
  ln_v_bool(out, f->report);
  ln_v_key(out, LN_STR("source"));
  ln_v_str(out, ln_buf_view(&text));
  ln_v_end(out, mark);
  ln_buf_free(&text);
  return ln_buf_ok(out, err);
}

bool ln_sources_read(const ln_sources *s, ln_buf *out, ln_err *err) {
  ln_buf_init(out, ALL_MAX);
  size_t mark = ln_v_begin(out, 'A', s->n);
  for (size_t i = 0; i < s->n; i++)
    if (!put_source(&s->v[i], out, err)) return false;
  return ln_v_end(out, mark) || ln_buf_ok(out, err);
}
