/* library.c: the scripts that runs are made of.  Taking a snapshot reads every file below the configured
** folders and hashes it; the manifest (sorted lines "module TAB sha256 TAB path") is itself kept by its hash,
** which is the snapshot's name.  A run that is taken over gets the very sources it began with from the
** store. */
#include "engine/library.h"
#include "engine/inside.h"
#include "engine/instrument.h"
#include "engine/library_parts.h"

#include <dirent.h>
#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
  CODE_MAX = 16 << 20,
  SCRIPTS_MAX = 4000,
  DEEP = 12,
  FRESH_US = 50000,
  SOON_S = 2,                                            /* a file's time tells two writes this far apart   */
  LATEST = 8                                             /* snapshots in which a script is looked for       */
};

/* ------------------------------------------------------------------ the struct */

static ln_snapshot *snapshot_new(ln_engine *g, ln_err *err) {
  ln_snapshot *s = calloc(1, sizeof *s);
  if (!s) {
    ln_fail(err, "memory", LN_AGAIN, "no memory for a snapshot");
    return NULL;
  }
  s->engine = g;
  s->refs = 1;
  s->taken_s = ln_now_ms(ln_clock_real()) / 1000;
  ln_buf_init(&s->manifest, 4 << 20);
  s->at = &g->snapshots;
  if ((s->next = *s->at)) s->next->at = &s->next;
  *s->at = s;
  return s;
}

ln_snapshot *ln_snapshot_keep(ln_snapshot *s) {
  s->refs++;
  return s;
}

ln_script *ln_script_keep(ln_script *c) {
  c->refs++;
  return c;
}

void ln_script_drop(ln_script *c) {
  if (!c || --c->refs > 0) return;
  free(c->module);
  free(c->path);
  free(atomic_load(&c->source));
  ln_buf_free(&c->code);
  ln_buf_free(&c->seen_through);
  ln_buf_free(&c->loads);
  free(c);
}

/* Copies the texts; its source is to follow, where it is not in the store. */
static ln_script *script_new(ln_str module, ln_str path, ln_str sha, ln_err *err) {
  ln_script *c = calloc(1, sizeof *c);
  if (c && (c->refs = 1) && (c->module = ln_str_dup(module)) && (c->path = ln_str_dup(path))) {
    memcpy(c->sha, sha.p, 2 * LN_SHA256);
    ln_buf_init(&c->loads, 1 << 20);
    return c;
  }
  ln_script_drop(c);
  ln_fail(err, "memory", LN_AGAIN, "no memory for a script");
  return NULL;
}

static void set_source(ln_script *c, char *source, size_t n) {
  c->n = n;
  atomic_store(&c->source, source);
}

void ln_snapshot_drop(ln_snapshot *s) {
  if (!s || --s->refs > 0) return;
  if ((*s->at = s->next)) s->next->at = s->at;
  for (size_t i = 0; i < s->n; i++) ln_script_drop(s->v[i].script);
  free(s->v);
  ln_buf_free(&s->manifest);
  free(s);
}

const char *ln_snapshot_hash(const ln_snapshot *s) { return s->hash; }
size_t ln_snapshot_count(const ln_snapshot *s) { return s->n; }
ln_str ln_snapshot_name(const ln_snapshot *s, size_t i) { return ln_str_of(s->v[i].script->module); }
const char *ln_snapshot_path(const ln_snapshot *s, size_t i) { return s->v[i].script->path; }

bool ln_snapshot_add(ln_snapshot *s, const ln_place *p, ln_err *err) {
  if (s->n == s->cap) {
    size_t cap = s->cap ? s->cap * 2 : 64;
    ln_place *v = cap <= SCRIPTS_MAX * 2 ? reallocarray(s->v, cap, sizeof *v) : NULL;
    if (!v) {
      ln_script_drop(p->script);
      return ln_fail(err, "too_big", LN_FINAL, "more than %d scripts", SCRIPTS_MAX);
    }
    s->v = v;
    s->cap = cap;
  }
  s->v[s->n++] = *p;
  return true;
}

ln_place *ln_snapshot_place(const ln_snapshot *s, ln_str module) {
  size_t lo = 0, hi = s->n;
  while (lo < hi) {
    size_t mid = (lo + hi) / 2;
    int c = ln_str_cmp(ln_str_of(s->v[mid].script->module), module);
    if (c == 0) return &s->v[mid];
    if (c < 0) lo = mid + 1;
    else hi = mid;
  }
  return NULL;
}

/* The very same, of a snapshot that is in use; the latest are looked through.  Theirs is its source, too. */
static ln_script *same_script(ln_engine *g, ln_str module, ln_str path, ln_str sha) {
  ln_snapshot *s = g->snapshots;
  for (int i = 0; s && i < LATEST; s = s->next, i++) {
    /* one without a name is not sorted yet */
    const ln_place *p = s->hash[0] ? ln_snapshot_place(s, module) : NULL;
    if (p && ln_str_eq(ln_str_of(p->script->sha), sha) && ln_str_eq(ln_str_of(p->script->path), path))
      return ln_script_keep(p->script);
  }
  return NULL;
}

/* ------------------------------------------------------------------ the index of the last snapshot

   What each file's hash was, by path, time, size and inode: a command that starts while nothing has changed
   reads and hashes no script.  A file that changed within two seconds before the index was written may have
   changed again unseen, and is read. */

typedef struct known { char *path; char sha[2 * LN_SHA256 + 1]; long long sec, nsec, size, inode; } known;

struct index {
  long long written_s;
  char hash[8 + 2 * LN_SHA256];
  known *v;
  size_t n;
};

static void index_free(struct index *x) {
  if (!x) return;
  for (size_t i = 0; i < x->n; i++) free(x->v[i].path);
  free(x->v);
  free(x);
}

static int by_path(const void *a, const void *b) {
  return strcmp(((const known *)a)->path, ((const known *)b)->path);
}

static bool known_file(const struct index *x, const char *path, const struct stat *st,
                       char sha[2 * LN_SHA256 + 1]) {
  const known what = {.path = (char *)(uintptr_t)path};
  const known *k = x && x->n ? bsearch(&what, x->v, x->n, sizeof *x->v, by_path) : NULL;
  if (!k || k->sec != st->st_mtim.tv_sec || k->nsec != st->st_mtim.tv_nsec || k->size != st->st_size ||
      k->inode != (long long)st->st_ino || k->sec + SOON_S >= x->written_s)
    return false;
  memcpy(sha, k->sha, sizeof k->sha);
  return true;
}

static bool read_known(ln_str line, known *k) {
  ln_str path, rest;
  char text[200];
  if (!ln_str_cut(line, '\t', &path, &rest) || rest.n >= sizeof text) return false;
  memcpy(text, rest.p, rest.n);
  text[rest.n] = 0;
  if (sscanf(text, "%64[0-9a-f] %lld %lld %lld %lld", k->sha, &k->sec, &k->nsec, &k->size, &k->inode) != 5)
    return false;
  return (k->path = ln_str_dup(path)) != NULL;
}

static struct index *index_read(ln_engine *g) {
  ln_buf text;
  ln_err quiet = {0};
  ln_str line, rest;
  struct index *x = g->store ? calloc(1, sizeof *x) : NULL;
  ln_buf_init(&text, 4 << 20);
  bool ok = x && ln_store_hint(g->store, LN_STR("scripts"), &text, &quiet) && text.n;
  rest = ln_buf_view(&text);
  if (ok && ln_str_cut(rest, '\n', &line, &rest) && (x->v = calloc(SCRIPTS_MAX, sizeof *x->v))) {
    ln_str time, hash;
    ln_str_cut(line, ' ', &time, &hash);
    x->written_s = strtoll(time.p, NULL, 10);
    snprintf(x->hash, sizeof x->hash, "%.*s", LN_STR_ARG(hash));
    while (rest.n && x->n < SCRIPTS_MAX && ln_str_cut(rest, '\n', &line, &rest) &&
           read_known(line, &x->v[x->n]))
      x->n++;
    qsort(x->v, x->n, sizeof *x->v, by_path);
  }
  ln_buf_free(&text);
  return x;
}

static bool index_write(ln_tx *tx, const ln_snapshot *s, ln_err *err) {
  ln_buf text;
  ln_buf_init(&text, 4 << 20);
  ln_buf_addf(&text, "%lld %s\n", (long long)(ln_now_ms(ln_clock_real()) / 1000), s->hash);
  for (size_t i = 0; i < s->n; i++) {
    const ln_place *p = &s->v[i];                        /* of size -1: no file is taken for it */
    ln_buf_addf(&text, "%s\t%s %lld %lld %lld %lld\n", p->script->path, p->script->sha,
                (long long)p->changed.tv_sec, (long long)p->changed.tv_nsec, (long long)p->size,
                (long long)p->inode);
  }
  bool ok = ln_buf_ok(&text, err) && ln_tx_hint_put(tx, LN_STR("scripts"), ln_buf_view(&text), err);
  ln_buf_free(&text);
  return ok;
}

/* ------------------------------------------------------------------ reading files */

static bool read_all(FILE *f, const char *path, ln_buf *out, ln_err *err) {
  char chunk[16384];
  size_t n;
  ln_buf_init(out, LN_SCRIPT_MAX);
  while ((n = fread(chunk, 1, sizeof chunk, f)) > 0 && ln_buf_add(out, (ln_str){chunk, n})) continue;
  if (!ferror(f) && !ln_buf_failed(out)) return true;
  ln_buf_free(out);
  return ln_fail(err, "too_big", LN_FINAL, "%s is unreadable or larger than 1 MiB", path);
}

/* False, and with how: *busy, somebody is writing it; *gone, it is not there any more. */
static bool read_file(const ln_reading *how, const char *path, ln_buf *out, bool *busy, bool *gone,
                      ln_err *err) {
  int fd = how ? how->open(how->arg, path, busy) : -1;
  FILE *f = how ? fd >= 0 ? fdopen(fd, "rb") : NULL : fopen(path, "rb");
  int why = errno;
  if (!f && fd >= 0) close(fd);
  *gone = !f && how && !*busy && why == ENOENT;
  if (!f) return ln_fail(err, "not_found", LN_FINAL, "%s cannot be read: %s", path, strerror(why));
  bool ok = read_all(f, path, out, err);
  fclose(f);
  return ok;
}

/* "t1059/harden.lua" is module "t1059.harden". */
static char *module_name(const char *relative) {
  size_t n = strlen(relative) - 4;
  char *m = ln_str_dup((ln_str){relative, n});
  for (char *c = m; c && *c; c++)
    if (*c == '/') *c = '.';
  return m;
}

/* The text's script, which may be one that is there already.  text is taken. */
static ln_script *script_of_text(ln_snapshot *s, ln_str module, const char *path, ln_buf *text, ln_err *err) {
  uint8_t raw[LN_SHA256];
  char sha[2 * LN_SHA256 + 1], *source = NULL;
  size_t n = 0;
  ln_script *c = NULL;
  if (ln_sha256(ln_buf_view(text), raw) && (source = ln_buf_take(text, &n))) {
    ln_str hex = {sha, 2 * LN_SHA256};
    ln_hex(raw, sizeof raw, sha);
    c = same_script(s->engine, module, ln_str_of(path), hex);
    if (!c) c = script_new(module, ln_str_of(path), hex, err);
  } else {
    ln_fail(err, "memory", LN_AGAIN, "no memory for %s", path);
  }
  ln_buf_free(text);
  if (c && !atomic_load(&c->source)) set_source(c, source, n);
  else free(source);
  return c;
}

static bool same_file(const ln_place *p, const char *path, const struct stat *st) {
  return p && strcmp(p->script->path, path) == 0 && p->size == st->st_size &&
         p->changed.tv_sec == st->st_mtim.tv_sec && p->changed.tv_nsec == st->st_mtim.tv_nsec;
}

/* What the snapshot before has of a file that was not written since; or that is just being written. */
static bool add_as_before(ln_snapshot *s, const ln_place *was, bool busy, ln_err *err) {
  ln_place p = *was;
  ln_script_keep(p.script);
  if (busy) p.size = -1;
  return ln_snapshot_add(s, &p, err);
}

/* One that vanished meanwhile, or that is new and being written, is none of this snapshot's. */
static bool add_text(ln_snapshot *s, ln_str module, const char *path, ln_place p, ln_err *err) {
  const ln_reading *how = s->reading;
  const ln_place *was = how && how->before ? ln_snapshot_place(how->before, module) : NULL;
  bool busy = false, gone = false;
  ln_err why = {0};
  ln_buf text;
  if (was && was->script->source && was->inode == p.inode &&
      p.changed.tv_sec + SOON_S < how->before->taken_s &&
      same_file(was, path, &(struct stat){.st_size = p.size, .st_mtim = p.changed}))
    return add_as_before(s, was, false, err);
  s->news = true;
  if (!read_file(how, path, &text, &busy, &gone, &why)) {
    if (busy && was) return add_as_before(s, was, true, err);
    return busy || gone || (*err = why, false);
  }
  p.script = script_of_text(s, module, path, &text, err);
  return p.script && ln_snapshot_add(s, &p, err);
}

static bool add_file(ln_snapshot *s, const char *path, const char *relative, const struct stat *st,
                     ln_err *err) {
  ln_place p = {.changed = st->st_mtim, .size = st->st_size, .inode = st->st_ino};
  char sha[2 * LN_SHA256 + 1], *module = module_name(relative);
  if (!module) return ln_fail(err, "memory", LN_AGAIN, "no memory for %s", path);
  bool ok;
  if (known_file(s->index, path, st, sha)) {
    p.script = script_new(ln_str_of(module), ln_str_of(path), ln_str_of(sha), err);
    ok = p.script && ln_snapshot_add(s, &p, err);
  } else {
    ok = add_text(s, ln_str_of(module), path, p, err);
  }
  free(module);
  return ok;
}

/* What no run loads: simulators, editors' annotations, and what examines scripts in the host state.  And
** connectors come from stdlib and connectors_path alone, and what takes back from stdlib: a script shadows
** none. */
static bool skipped(const ln_snapshot *s, const char *relative) {
  if (s->in_scripts && (strncmp(relative, "connectors/", 11) == 0 || strncmp(relative, "ledger/", 7) == 0))
    return true;
  return strncmp(relative, "sim/", 4) == 0 || strncmp(relative, "meta/", 5) == 0 ||
         strncmp(relative, "check/", 6) == 0;
}

typedef bool (*visit_fn)(ln_snapshot *s, const char *path, const char *relative, const struct stat *st,
                         ln_err *err);

static bool walk(ln_snapshot *s, const char *root, const char *relative, int depth, visit_fn visit,
                 ln_err *err) {
  char path[1024], below[512];
  struct dirent *d;
  struct stat st;
  snprintf(path, sizeof path, "%s%s%s", root, relative[0] ? "/" : "", relative);
  DIR *dir = depth < DEEP ? opendir(path) : NULL;
  if (!dir)
    return depth > 0 || ln_fail(err, "config", LN_FINAL, "the folder of scripts %s cannot be read: %s", root,
                                strerror(errno));
  bool ok = true;
  while (ok && (d = readdir(dir))) {
    if (d->d_name[0] == '.') continue;
    if (snprintf(below, sizeof below, "%s%s%s", relative, relative[0] ? "/" : "", d->d_name) >=
        (int)sizeof below)
      continue;
    if (snprintf(path, sizeof path, "%s/%s", root, below) >= (int)sizeof path || stat(path, &st) != 0)
      continue;
    if (skipped(s, below)) continue;
    if (S_ISDIR(st.st_mode)) ok = walk(s, root, below, depth + 1, visit, err);
    else if (ln_str_ends(ln_str_of(below), LN_STR(".lua")) &&
             !ln_str_ends(ln_str_of(below), LN_STR("_test.lua")))
      ok = visit(s, path, below, &st, err);
  }
  closedir(dir);
  return ok;
}

static int by_module(const void *a, const void *b) {
  return strcmp(((const ln_place *)a)->script->module, ((const ln_place *)b)->script->module);
}

/* Earlier folders win: the site's scripts over those that ship. */
static bool has_module(const ln_snapshot *s, size_t upto, const char *module) {
  for (size_t i = 0; i < upto; i++)
    if (strcmp(s->v[i].script->module, module) == 0) return true;
  return false;
}

static bool take_root(ln_snapshot *s, const char *root, visit_fn visit, ln_err *err) {
  size_t before = s->n, kept = s->n;
  if (!walk(s, root, "", 0, visit, err)) return false;
  for (size_t i = before; i < s->n; i++) {
    if (has_module(s, before, s->v[i].script->module)) ln_script_drop(s->v[i].script);
    else s->v[kept++] = s->v[i];
  }
  s->n = kept;
  return true;
}

static bool name_snapshot(ln_snapshot *s, ln_err *err) {
  uint8_t sha[LN_SHA256];
  ln_buf_addz(&s->manifest, "lunette snapshot 1\n");
  for (size_t i = 0; i < s->n; i++)
    ln_buf_addf(&s->manifest, "%s\t%s\t%s\n", s->v[i].script->module, s->v[i].script->sha,
                s->v[i].script->path);
  if (!ln_buf_ok(&s->manifest, err) || !ln_sha256(ln_buf_view(&s->manifest), sha)) return false;
  memcpy(s->hash, "sha256:", 7);
  ln_hex(sha, sizeof sha, s->hash + 7);
  return true;
}

void ln_snapshot_sort(ln_snapshot *s) {
  if (s->n) qsort(s->v, s->n, sizeof *s->v, by_module);
}

bool ln_snapshot_name_it(ln_snapshot *s, ln_err *err) {
  ln_snapshot_sort(s);
  if (s->news || !s->index || s->index->n != s->n || !s->index->hash[0]) return name_snapshot(s, err);
  memcpy(s->hash, s->index->hash, sizeof s->hash);       /* the same files: the same manifest */
  return true;
}

static const char *base_of(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* ------------------------------------------------------------------ unchanged files are not read again */

/* A shadowed file is none of the snapshot's: it may change. */
static bool still_same(ln_snapshot *s, const char *path, const char *relative, const struct stat *st,
                       ln_err *err) {
  char *module = module_name(relative);
  const ln_place *p = module ? ln_snapshot_place(s, ln_str_of(module)) : NULL;
  bool same = p && (strcmp(p->script->path, path) != 0 || same_file(p, path, st));
  free(module);
  if (same) s->seen++;
  (void)err;
  return same;
}

/* ------------------------------------------------------------------ the folders */

static bool in_connectors(ln_snapshot *s, const char *path, const char *relative, const struct stat *st,
                          visit_fn visit, ln_err *err) {
  char module[600];
  if (strchr(relative, '/')) return true;
  snprintf(module, sizeof module, "connectors/%s", relative);
  return visit(s, path, module, st, err);
}

static bool add_connector(ln_snapshot *s, const char *path, const char *relative, const struct stat *st,
                          ln_err *err) {
  return in_connectors(s, path, relative, st, add_file, err);
}

static bool same_connector(ln_snapshot *s, const char *path, const char *relative, const struct stat *st,
                           ln_err *err) {
  return in_connectors(s, path, relative, st, still_same, err);
}

typedef bool (*root_fn)(ln_snapshot *s, const char *root, visit_fn visit, ln_err *err);

/* While people edit, a folder may come later; one that was there and is gone is a fault. */
static bool may_be_missing(const ln_snapshot *s, ln_str root) {
  const ln_snapshot *before = s->reading ? s->reading->before : NULL;
  if (!s->reading || access(root.p, F_OK) == 0) return false;
  for (size_t i = 0; before && i < before->n; i++) {
    ln_str path = ln_str_of(before->v[i].script->path);
    if (before->v[i].size >= 0 && ln_str_starts(path, root) && path.p[root.n] == '/') return false;
  }
  return true;
}

/* Every folder that a snapshot is made of, in the order in which they win.  A folder of connectors may be
** missing. */
static bool each_root(ln_snapshot *s, root_fn fn, visit_fn on_script, visit_fn on_connector, ln_err *err) {
  const ln_config *c = s->engine->config;
  bool ok = true;
  s->in_scripts = true;
  for (size_t i = 0; ok && i < c->scripts.n; i++)
    ok = may_be_missing(s, c->scripts.v[i]) || fn(s, c->scripts.v[i].p, on_script, err);
  s->in_scripts = false;
  for (size_t i = 0; ok && i < c->stdlib.n; i++)
    ok = may_be_missing(s, c->stdlib.v[i]) || fn(s, c->stdlib.v[i].p, on_script, err);
  for (size_t i = 0; ok && i < c->connectors_path.n; i++)
    if (access(c->connectors_path.v[i].p, F_OK) == 0)
      ok = fn(s, c->connectors_path.v[i].p, on_connector, err);
  return ok;
}

static bool walk_root(ln_snapshot *s, const char *root, visit_fn visit, ln_err *err) {
  return walk(s, root, "", 0, visit, err);
}

/* A process that has sealed itself reads no file that somebody names; they read it, and hand it over. */
static bool is_lent(const ln_engine *g, ln_str path) { return path.n && ln_str_eq(path, g->lent.path); }

static bool unchanged(ln_snapshot *s, ln_str extra) {
  struct stat st;
  ln_err quiet = {0};
  int64_t now = ln_mono_us(ln_clock_real());
  if (!ln_str_eq(ln_str_of(s->extra), extra) || is_lent(s->engine, extra)) return false;
  if (now - s->looked_us < FRESH_US) return true;
  s->seen = 0;
  if (extra.n && (stat(s->extra, &st) != 0 || !still_same(s, s->extra, base_of(s->extra), &st, &quiet)))
    return false;
  if (!each_root(s, walk_root, still_same, same_connector, &quiet)) return false;
  s->looked_us = now;
  return s->seen >= s->n;
}

static bool add_lent(ln_snapshot *s, ln_err *err) {
  char *module = module_name(base_of(s->extra));
  ln_place p = {.size = -1};
  ln_buf text;
  ln_buf_init(&text, LN_SCRIPT_MAX);
  ln_buf_add(&text, s->engine->lent.text);
  if (module && ln_buf_ok(&text, err)) p.script = script_of_text(s, ln_str_of(module), s->extra, &text, err);
  ln_buf_free(&text);
  free(module);
  s->news = true;
  return p.script && ln_snapshot_add(s, &p, err);
}

static bool add_extra(ln_snapshot *s, ln_str extra, ln_err *err) {
  struct stat st = {0};
  if (!extra.n) return true;
  snprintf(s->extra, sizeof s->extra, "%.*s", LN_STR_ARG(extra));
  if (is_lent(s->engine, extra)) return add_lent(s, err);
  if (stat(s->extra, &st) != 0)
    return ln_fail(err, "not_found", LN_FINAL, "%s cannot be read: %s", s->extra, strerror(errno));
  return add_file(s, s->extra, base_of(s->extra), &st, err);
}

/* The last snapshot is kept by the engine: runs that start while nothing changes share it. */
static ln_snapshot *remember(ln_snapshot **slot, ln_snapshot *s) {
  s->looked_us = ln_mono_us(ln_clock_real());
  ln_snapshot_drop(*slot);
  *slot = ln_snapshot_keep(s);
  return s;
}

/* extra: a file, or none; first: a folder before all others, or NULL. */
static ln_snapshot *take(ln_engine *g, ln_str extra, const char *first, ln_err *err) {
  ln_snapshot *s = snapshot_new(g, err);
  if (s) s->index = index_read(g);
  bool ok = s != NULL && add_extra(s, extra, err);
  if (ok) s->in_scripts = true;
  ok = ok && (!first || take_root(s, first, add_file, err));
  ok = ok && each_root(s, take_root, add_file, add_connector, err) && ln_snapshot_name_it(s, err);
  if (s) index_free(s->index), s->index = NULL;
  if (ok) return s;
  ln_snapshot_drop(s);
  return NULL;
}

ln_snapshot *ln_snapshot_read(ln_engine *g, const ln_reading *how, ln_err *err) {
  ln_snapshot *s = snapshot_new(g, err);
  if (s) s->reading = how;
  bool ok = s && each_root(s, take_root, add_file, add_connector, err);
  if (s) s->reading = NULL;
  if (ok) {
    ln_snapshot_sort(s);
    return s;
  }
  ln_snapshot_drop(s);
  return NULL;
}

/* A file beside the scripts that are kept: those are as they are. */
static ln_snapshot *take_beside(ln_engine *g, ln_str extra, ln_err *err) {
  ln_snapshot *s = snapshot_new(g, err);
  bool ok = s != NULL && add_extra(s, extra, err);
  for (size_t i = 0; ok && i < g->library->n; i++) {
    const ln_place *p = &g->library->v[i];
    if (strcmp(p->script->module, s->v[0].script->module) == 0) continue;
    ln_script_keep(p->script);
    ok = ln_snapshot_add(s, p, err);
  }
  if (ok && ln_snapshot_name_it(s, err)) return s;
  ln_snapshot_drop(s);
  return NULL;
}

static bool same_beside(ln_engine *g, ln_str extra) {
  ln_snapshot *s = g->beside;
  struct stat st;
  const ln_place *p;
  if (!s || !ln_str_eq(ln_str_of(s->extra), extra) || is_lent(g, extra) || stat(s->extra, &st) != 0)
    return false;
  char *module = module_name(base_of(s->extra));
  bool same = module && (p = ln_snapshot_place(s, ln_str_of(module))) && same_file(p, s->extra, &st) &&
              p->changed.tv_sec + SOON_S < s->taken_s;
  free(module);
  return same;
}

ln_snapshot *ln_snapshot_take(ln_engine *g, ln_str extra, ln_err *err) {
  bool kept = g->library && g->library->kept;
  if (kept ? !extra.n : g->library && unchanged(g->library, extra)) return ln_snapshot_keep(g->library);
  if (kept && same_beside(g, extra)) return ln_snapshot_keep(g->beside);
  ln_snapshot *s = kept ? take_beside(g, extra, err) : take(g, extra, NULL, err);
  return s ? remember(kept ? &g->beside : &g->library, s) : NULL;
}

ln_snapshot *ln_snapshot_with(ln_engine *g, const char *folder, ln_err *err) {
  return take(g, (ln_str){NULL, 0}, folder, err);
}

void ln_snapshot_set(ln_engine *g, ln_snapshot *s) {
  ln_snapshot_drop(g->beside);
  ln_snapshot_drop(g->library);
  g->beside = NULL;
  if ((g->library = s)) ln_snapshot_keep(s)->kept = true;
}

ln_snapshot *ln_snapshot_last(ln_engine *g) {
  ln_err quiet;
  struct index *x = index_read(g);
  ln_snapshot *s = x && x->hash[0] ? ln_snapshot_load(g, ln_str_of(x->hash), &quiet) : NULL;
  index_free(x);
  return s;
}

/* ------------------------------------------------------------------ pinned */

static bool add_line(ln_snapshot *s, ln_str line, ln_err *err) {
  ln_str module, rest, sha, path;
  ln_place p = {.size = -1};
  if (!ln_str_cut(line, '\t', &module, &rest) || !ln_str_cut(rest, '\t', &sha, &path) ||
      sha.n != 2 * LN_SHA256)
    return ln_fail(err, "store", LN_FINAL, "the manifest of snapshot %s is damaged", s->hash);
  p.script = same_script(s->engine, module, path, sha);
  if (!p.script) p.script = script_new(module, path, sha, err);
  return p.script && ln_snapshot_add(s, &p, err);
}

static ln_snapshot *in_memory(ln_engine *g, ln_str hash) {
  for (ln_snapshot *s = g->snapshots; s; s = s->next)
    if (s->manifest.n && ln_str_eq(ln_str_of(s->hash), hash)) return ln_snapshot_keep(s);
  return NULL;
}

static bool lost(const ln_snapshot *s, const char *what, ln_err *err) {
  return ln_fail(err, "store", LN_FINAL,
                 "the store has lost %s of snapshot %.19s…, which the run began with: a backup may have it",
                 what, s->hash);
}

/* Before a script is run that would load it: half a snapshot is none. */
static bool has_sources(ln_snapshot *s, ln_err *err) {
  for (size_t i = 0; i < s->n; i++) {
    ln_script *c = s->v[i].script;
    bool has = atomic_load(&c->source) != NULL;
    if (!has && !ln_store_content_has(s->engine->store, ln_str_of(c->sha), &has, err)) return false;
    if (!has) return lost(s, c->path, err);
  }
  return true;
}

ln_snapshot *ln_snapshot_load(ln_engine *g, ln_str hash, ln_err *err) {
  ln_snapshot *s = in_memory(g, hash);
  ln_str rest, line;
  if (s || !(s = snapshot_new(g, err))) return s;
  snprintf(s->hash, sizeof s->hash, "%.*s", LN_STR_ARG(hash));
  bool ok = hash.n > 7 && ln_store_content_get(g->store, (ln_str){hash.p + 7, hash.n - 7}, &s->manifest, err);
  if (!ok && ln_err_is(err, "not_found")) lost(s, "the manifest", err);
  rest = ln_buf_view(&s->manifest);
  if (ok) ln_str_cut(rest, '\n', &line, &rest);
  while (ok && rest.n && ln_str_cut(rest, '\n', &line, &rest)) ok = add_line(s, line, err);
  if (ok && has_sources(s, err)) return s;
  ln_snapshot_drop(s);
  return NULL;
}

/* Nobody used it for so long that it was pruned, and this process has not got it: from the files, next
** time. */
static bool pruned(ln_err *err) {
  return ln_fail(err, "store", LN_AGAIN, "the scripts as this process knows them were pruned: try again");
}

static bool put_source(ln_tx *tx, const ln_script *c, ln_err *err) {
  const char *text = atomic_load(&c->source);
  ln_content source = {.kind = LN_STR("source"), .bytes = {text, text ? c->n : 0}};
  bool has = false;
  memcpy(source.sha256, c->sha, sizeof source.sha256);
  if (text) return ln_tx_content_put(tx, &source, err);
  return ln_tx_content_has(tx, ln_str_of(c->sha), &has, err) && (has || pruned(err));
}

static bool put_all(ln_tx *tx, ln_snapshot *s, ln_err *err) {
  ln_content c = {.kind = LN_STR("manifest"), .bytes = ln_buf_view(&s->manifest)};
  snprintf(c.sha256, sizeof c.sha256, "%s", s->hash + 7);
  bool was = false;
  if (!ln_tx_content_has(tx, ln_str_of(c.sha256), &was, err)) return false;
  if (s->news && !atomic_load(&s->stored) && !index_write(tx, s, err)) return false;
  if (was) return true; /* its sources went in with it */
  if (!s->manifest.n) return pruned(err);
  for (size_t i = 0; i < s->n; i++)
    if (!put_source(tx, s->v[i].script, err)) return false;
  return ln_tx_content_put(tx, &c, err);
}

/* What was put once may have been pruned since: each transaction looks, in which runs begin. */
bool ln_snapshot_put(ln_tx *tx, ln_snapshot *s, ln_err *err) {
  if (s->put_in == ln_tx_number(tx)) return true;
  if (!put_all(tx, s, err)) return false;
  s->put_in = ln_tx_number(tx);
  return true;
}

void ln_snapshot_stored(ln_snapshot *s) { atomic_store(&s->stored, true); }

void ln_snapshot_forget(ln_engine *g) {
  if (g->library && g->library->kept) return;            /* it is all in memory */
  ln_snapshot_drop(g->library);
  g->library = NULL;
}

/* ------------------------------------------------------------------ retention */

bool ln_manifest_sources(ln_str manifest, ln_name_fn fn, void *arg) {
  ln_str line, rest, module, sha, path;
  for (ln_str_cut(manifest, '\n', &line, &rest); rest.n && ln_str_cut(rest, '\n', &line, &rest);)
    if (!ln_str_cut(line, '\t', &module, &path) || !ln_str_cut(path, '\t', &sha, &path) || !fn(arg, sha))
      return false;
  return true;
}

bool ln_snapshot_indexed(ln_tx *tx, ln_buf *hash, ln_err *err) {
  ln_buf text;
  ln_str line, rest, time, name;
  ln_buf_init(&text, 4 << 20);
  bool ok = ln_tx_hint(tx, LN_STR("scripts"), &text, err);
  if (ok && ln_str_cut(ln_buf_view(&text), '\n', &line, &rest) && ln_str_cut(line, ' ', &time, &name))
    ok = ln_buf_add(hash, name) || ln_buf_ok(hash, err);
  ln_buf_free(&text);
  return ok;
}

bool ln_snapshot_copy(ln_engine *from, ln_str hash, ln_tx *to, ln_err *err) {
  ln_err gone = {0};
  bool has = false;
  if (hash.n > 7 && !ln_tx_content_has(to, (ln_str){hash.p + 7, hash.n - 7}, &has, err)) return false;
  ln_snapshot *s = has ? NULL : ln_snapshot_load(from, hash, &gone);
  bool ok = true;
  for (size_t i = 0; s && ok && i < s->n; i++) {
    ln_str source, path;
    ok = ln_snapshot_source(s, ln_snapshot_name(s, i), &source, &path, err) &&
         put_source(to, s->v[i].script, err);
  }
  ln_content c = {.kind = LN_STR("manifest"), .bytes = s ? ln_buf_view(&s->manifest) : LN_STR("")};
  if (s) snprintf(c.sha256, sizeof c.sha256, "%s", s->hash + 7);
  ok = ok && (!s || ln_tx_content_put(to, &c, err));
  if (s) ln_snapshot_drop(s);
  return ok;
}

/* With its source.  NULL: there is none, or it cannot be fetched. */
static ln_script *script_of(ln_snapshot *s, ln_str module, ln_err *err) {
  const ln_place *p = ln_snapshot_place(s, module);
  ln_buf text;
  size_t n;
  if (!p) return ln_fail(err, "not_found", LN_FINAL, "there is no module %.*s", LN_STR_ARG(module)), NULL;
  ln_script *c = p->script;
  if (atomic_load(&c->source)) return c;
  ln_buf_init(&text, LN_SCRIPT_MAX + 1);
  if (!ln_store_content_get(s->engine->store, ln_str_of(c->sha), &text, err)) return ln_buf_free(&text), NULL;
  char *source = ln_buf_take(&text, &n);
  if (source) return set_source(c, source, n), c;
  return ln_fail(err, "memory", LN_AGAIN, "no memory for a script"), NULL;
}

bool ln_snapshot_source(ln_snapshot *s, ln_str module, ln_str *source, ln_str *path, ln_err *err) {
  ln_script *c = script_of(s, module, err);
  if (!c) return false;
  *source = (ln_str){atomic_load(&c->source), c->n};
  *path = ln_str_of(c->path);
  return true;
}

const char *lnL_pinned_sha(lua_State *L, ln_str module) {
  ln_snapshot *s = lnL_run(L)->scripts;
  const ln_place *p = s ? ln_snapshot_place(s, module) : NULL;
  return p ? p->script->sha : NULL;
}

bool lnL_pinned_source(lua_State *L, ln_str module, ln_str *source, ln_str *path, ln_err *err) {
  return ln_snapshot_source(lnL_run(L)->scripts, module, source, path, err);
}

bool ln_library_pins(const ln_engine *g, ln_str module, const char *sha) {
  for (const ln_snapshot *s = g->snapshots; s; s = s->next) {
    const ln_place *p = s->hash[0] ? ln_snapshot_place(s, module) : NULL;
    if (p && strcmp(p->script->sha, sha) == 0) return true;
  }
  return false;
}

static bool nearest(ln_snapshot *s, ln_str name, ln_str *out) {
  ln_str last;
  for (size_t i = 0; i < s->n; i++) {
    const char *module = s->v[i].script->module, *dot = strrchr(module, '.');
    last = ln_str_of(dot ? dot + 1 : module);
    if (ln_str_ieq(last, name) || ln_str_ends(name, last)) return *out = ln_str_of(module), true;
  }
  return false;
}

bool ln_snapshot_module(ln_snapshot *s, ln_str playbook, char *out, size_t n, ln_err *err) {
  ln_str hint;
  char path[512];
  if (ln_str_ends(playbook, LN_STR(".lua"))) {
    snprintf(path, sizeof path, "%.*s", LN_STR_ARG(playbook));
    snprintf(out, n, "%.*s", (int)(strlen(base_of(path)) - 4), base_of(path));
  } else {
    snprintf(out, n, "%.*s", LN_STR_ARG(playbook));
  }
  if (ln_snapshot_place(s, ln_str_of(out))) return true;
  if (nearest(s, playbook, &hint))
    return ln_fail(err, "not_found", LN_FINAL, "there is no playbook %s: did you mean %.*s?", out,
                   LN_STR_ARG(hint));
  return ln_fail(err, "not_found", LN_FINAL, "there is no playbook %s below the folders of `scripts`", out);
}

/* ------------------------------------------------------------------ in a VM */

const char *ln_script_shown(const char *path) {
  const char *p = strstr(path, "scripts/"), *q = strstr(path, "stdlib/");
  return p ? p : q ? q : path;
}

/* Compiled once: further VMs take what it was compiled to.  A plan, and who goes through a past run with
** other scripts, compiles another source. */
static bool load_script(lua_State *L, ln_run *r, ln_script *c, ln_err *err) {
  char chunk[300];
  snprintf(chunk, sizeof chunk, "@%s", ln_script_shown(c->path));
  ln_buf *code = ln_replay_sees_opaque(r) ? &c->seen_through : &c->code;
  if (code->n) return ln_vm_load_code(r->vm, L, ln_buf_view(code), chunk, err);
  if (!lnL_load_script(L, (ln_str){atomic_load(&c->source), c->n}, chunk, err)) return false;
  ln_buf_init(code, CODE_MAX);
  if (!ln_vm_code(L, code)) ln_buf_free(code);
  return true;
}

void lnL_push_chunk(lua_State *L, ln_str module) {
  ln_run *r = lnL_run(L);
  ln_err err = {0};
  ln_script *c = script_of(r->scripts, module, &err);
  if (!c || !load_script(L, r, c, &err)) lnL_raise(L, &err);
}

/* The modules that were loaded here.  A stage loads its own: what its caller did to a module is not its
** affair. */
static void push_loaded(lua_State *L, ln_run *r) {
  ln_branch *b = r->current;
  while (b && !b->own_modules) b = b->parent;
  int *ref = b ? &b->lib_ref : &r->lib_ref;
  if (*ref == LUA_NOREF) {
    lua_newtable(L);
    *ref = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, *ref);
}

static bool open_core_module(lua_State *L, ln_run *r, ln_str name) {
  for (const ln_module *m = r->engine->modules; m && m->name; m++)
    if (ln_str_eq(ln_str_of(m->name), name)) {
      lua_pushcfunction(L, m->open);
      lua_call(L, 0, 1);
      return true;
    }
  return false;
}

static void open_module(lua_State *L, ln_run *r, ln_str name) {
  if (ln_str_starts(name, LN_STR("connectors."))) {
    if (r->engine->open_connector(L, (ln_str){name.p + 11, name.n - 11}) != 1)
      luaL_error(L, "there is no connector %s", name.p);
    lnL_freeze(L);
    return;
  }
  if (open_core_module(L, r, name)) {
    lnL_freeze(L);
    return;
  }
  lnL_push_chunk(L, name);
  lua_pushlstring(L, name.p, name.n);
  lua_call(L, 1, 1);
  if (lua_isnil(L, -1)) luaL_error(L, "module %s returns nothing", name.p);
}

int lnL_require(lua_State *L) {
  ln_str name;
  ln_run *r = lnL_run(L);
  if (lua_type(L, 1) != LUA_TSTRING)
    return lnL_raisef(L, "bad_argument", "require: a module's name is wanted, got %s: write require \"json\"",
                      luaL_typename(L, 1));
  name.p = lua_tolstring(L, 1, &name.n);
  lua_settop(L, 1);
  push_loaded(L, r);                                  /* name loaded       */
  lua_pushvalue(L, 1);
  if (lua_rawget(L, 2) == LUA_TBOOLEAN) return luaL_error(L, "module %s requires itself", name.p);
  if (!lua_isnil(L, -1)) return 1;
  lua_pop(L, 1);
  lua_pushvalue(L, 1);
  lua_pushboolean(L, 1);
  lua_rawset(L, 2);                                   /* being loaded      */
  open_module(L, r, name);                            /* name loaded value */
  lua_pushvalue(L, 1);
  lua_pushvalue(L, -2);
  lua_rawset(L, 2);
  return 1;
}
