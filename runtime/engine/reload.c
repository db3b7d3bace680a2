/* reload.c: from a change on the disk to the snapshot that the next run begins with.
**
** The folders are read again; what was not written since is taken over, so that one edit costs one file.
** What is new is then *sifted*: compiled, and run as whoever loads it would, so that a declaration is looked
** at, too.  What fails goes back to what the snapshot before has of it.  A script that was not edited and
** fails by one that was (or that is gone) takes that one back.  Whatever went back may fail others in turn:
** so that is done until nothing more fails.  What is new and has nothing to go back to stays, and fails
** whoever runs it.
**
** Nothing is written here: a run that begins puts its snapshot into the store.  Memory holds this snapshot,
** and those that runs in memory have begun with. */
#include "engine/reload.h"

#include "base/log.h"
#include "base/watch.h"
#include "engine/inside.h"
#include "engine/library_parts.h"

#include <stdio.h>
#include <stdlib.h>

enum { FRESH, GOOD, AGAIN, BAD };                        /* ln_place.sifted; AGAIN: it, or what it needs, */
                                                         /* went back                                     */
enum { NAMES = 200 };

typedef struct stale {
  char *module, *at, *why;
  char sha[2 * LN_SHA256 + 1];                           /* of what is wrong                                */
  bool last, seen;
  int64_t since_ms;
} stale;

struct ln_reload {
  ln_engine *g;
  ln_reload_opts o;                                      /* without active and broken: they are logged      */
  ln_watch *watch;
  ln_snapshot *now;
  stale *v;
  size_t n, cap;
  void (*told)(void *arg);                               /* NULL: nobody wants to know                      */
  void *told_arg;
};

typedef struct sifting {
  ln_reload *r;
  ln_snapshot *was, *s;                                  /* was: NULL when there is none                    */
  bool first;
  ln_buf back;                                           /* modules that went back in this pass, as `loads` */
} sifting;

/* ------------------------------------------------------------------ what is told of it */

static void stale_free(stale *x) {
  free(x->module);
  free(x->at);
  free(x->why);
}

static stale *find_stale(ln_reload *r, ln_str module) {
  for (size_t i = 0; i < r->n; i++)
    if (ln_str_eq(ln_str_of(r->v[i].module), module)) return &r->v[i];
  return NULL;
}

/* "scripts/x.lua:3: what" into its parts; without a line it is that of the declaration. */
static void split_why(const ln_script *c, const char *message, ln_buf *at, ln_str *why) {
  const char *path = ln_script_shown(c->path), *source = atomic_load(&c->source);
  size_t n = strlen(path), digits = strncmp(message, path, n) == 0 && message[n] == ':'
                                        ? strspn(message + n + 1, "0123456789") : 0;
  ln_buf_addz(at, path);
  if (digits && message[n + 1 + digits] == ':') {
    ln_buf_add(at, (ln_str){message + n, 1 + digits});
    *why = ln_str_trim(ln_str_of(message + n + 2 + digits));
    return;
  }
  const char *place = source ? strstr(source, "return playbook") : NULL;
  size_t line = 1;
  for (const char *p = source; place && p < place; p++) line += *p == '\n';
  ln_buf_addf(at, ":%zu", line);
  *why = ln_str_of(message);
}

static stale *new_stale(ln_reload *r, ln_str module) {
  if (r->n == r->cap) {
    size_t cap = r->cap ? 2 * r->cap : 8;
    stale *v = reallocarray(r->v, cap, sizeof *v);
    if (!v) return NULL;
    r->v = v;
    r->cap = cap;
  }
  r->v[r->n] = (stale){.module = ln_str_dup(module), .since_ms = ln_now_ms(r->g->loop->clock)};
  return r->v[r->n].module ? &r->v[r->n++] : NULL;
}

static void say_broken(ln_reload *r, const ln_stale *s) {
  if (r->o.broken) r->o.broken(r->o.arg, s);
  else ln_log(LN_WARN, "scripts.broken", "at=%.*s kept=%s error=%.*s", LN_STR_ARG(s->at),
              s->last ? "the version before" : "none", LN_STR_ARG(s->why));
}

/* Said once for each content of a file. */
static void tell(ln_reload *r, const ln_script *c, bool last, const char *message) {
  ln_str module = ln_str_of(c->module), why;
  stale *x = find_stale(r, module);
  ln_buf at;
  ln_buf_init(&at, 4096);
  split_why(c, message, &at, &why);
  bool again = x && x->why && strcmp(x->sha, c->sha) == 0 && ln_str_eq(ln_str_of(x->why), why);
  if (!x) x = new_stale(r, module);
  if (x && !again) {
    free(x->at);
    free(x->why);
    x->at = ln_buf_take(&at, NULL);
    x->why = ln_str_dup(why);
    memcpy(x->sha, c->sha, sizeof x->sha);
    x->since_ms = ln_now_ms(r->g->loop->clock);
    say_broken(r, &(ln_stale){module, ln_str_of(x->at), why, last, x->since_ms});
  }
  if (x) x->last = last, x->seen = true;
  ln_buf_free(&at);
}

static void forget_mended(ln_reload *r) {
  size_t kept = 0;
  for (size_t i = 0; i < r->n; i++) {
    if (r->v[i].seen) r->v[kept++] = r->v[i];
    else stale_free(&r->v[i]);
  }
  r->n = kept;
}

/* ------------------------------------------------------------------ what is to be looked at */

static const ln_place *place(const ln_snapshot *s, ln_str module) {
  return s ? ln_snapshot_place(s, module) : NULL;
}

static bool is_other(const sifting *x, ln_str module) {
  const ln_place *a = place(x->was, module), *b = place(x->s, module);
  return a && b ? a->script != b->script : a != b;
}

typedef bool (*name_is)(const void *arg, ln_str name);

static bool any_name(ln_str lines, name_is is, const void *arg) {
  ln_str name;
  while (lines.n) {
    ln_str_cut(lines, '\n', &name, &lines);
    if (is(arg, name)) return true;
  }
  return false;
}

static bool name_is_other(const void *x, ln_str name) { return is_other(x, name); }
static bool same_name(const void *a, ln_str b) { return ln_str_eq(*(const ln_str *)a, b); }
static bool went_back(const void *arg, ln_str name) {
  const sifting *x = arg;
  return any_name(ln_buf_view(&x->back), same_name, &name);
}

static bool is_to_look_at(const sifting *x, const ln_place *p) {
  if (p->sifted == GOOD || p->sifted == BAD) return false;
  ln_str module = ln_str_of(p->script->module);
  return x->first || p->sifted == AGAIN || find_stale(x->r, module) || is_other(x, module) ||
         any_name(ln_buf_view(&p->script->loads), name_is_other, x);
}

static bool is_below(const ln_list *folders, const char *path) {
  for (size_t i = 0; i < folders->n; i++)
    if (ln_str_starts(ln_str_of(path), folders->v[i]) && path[folders->v[i].n] == '/') return true;
  return false;
}

/* A library of stdlib is compiled alone: some of them run in the host state only. */
static bool is_good(sifting *x, ln_place *p, ln_err *why) {
  ln_engine *g = x->r->g;
  ln_script *c = p->script;
  ln_str module = ln_str_of(c->module), source, path;
  if (ln_str_starts(module, LN_STR("connectors.")) && g->check_connector) {
    module = (ln_str){module.p + 11, module.n - 11};
    return ln_snapshot_source(x->s, ln_str_of(c->module), &source, &path, why) &&
           g->check_connector(g, module, path.p, source, why);
  }
  bool runs = !is_below(&g->config->stdlib, c->path) || ln_str_starts(module, LN_STR("ledger."));
  ln_buf_cut(&c->loads, 0);
  return ln_script_check(g, x->s, module, runs, &c->loads, why);
}

/* ------------------------------------------------------------------ going back */

static bool note_back(sifting *x, ln_str module) {
  return ln_buf_add(&x->back, module) && ln_buf_addc(&x->back, '\n');
}

/* To what the snapshot before has of it.  False: that has nothing else. */
static bool go_back(sifting *x, ln_str module, const char *why) {
  const ln_place *was = place(x->was, module);
  ln_place *p = ln_snapshot_place(x->s, module);
  if (!was || !is_other(x, module) || went_back(x, module)) return false;
  tell(x->r, p ? p->script : was->script, true, why);
  if (p) {
    ln_script *of_file = p->script;
    p->script = ln_script_keep(was->script);
    p->size = -1;
    p->sifted = AGAIN;
    note_back(x, module);
    ln_script_drop(of_file);
  } else {
    note_back(x, module);                                /* it is gone: added when the pass is over */
  }
  return true;
}

typedef struct blaming { sifting *x; const ln_script *by; const char *why; bool any; } blaming;

static bool blame(const void *arg, ln_str module) {
  blaming *b = (blaming *)(uintptr_t)arg;
  char why[LN_ERR_TEXT + 200];
  snprintf(why, sizeof why, "%s would fail with it: %s", ln_script_shown(b->by->path), b->why);
  b->any |= go_back(b->x, module, why);
  return false;
}

static void failed(sifting *x, ln_place *p, const char *why) {
  ln_script *c = ln_script_keep(p->script);
  blaming b = {.x = x, .by = c, .why = why};
  if (!go_back(x, ln_str_of(c->module), why)) {
    any_name(ln_buf_view(&c->loads), blame, &b);
    if (b.any) p->sifted = FRESH;
    else p->sifted = BAD, tell(x->r, c, false, why);
  }
  ln_script_drop(c);
}

/* What is gone and has to stay. */
static bool add_gone(sifting *x, ln_err *err) {
  ln_str name, rest = ln_buf_view(&x->back);
  bool ok = true;
  while (ok && rest.n) {
    ln_str_cut(rest, '\n', &name, &rest);
    const ln_place *was = place(x->was, name);
    if (!was || place(x->s, name)) continue;
    ln_place p = {.script = ln_script_keep(was->script), .size = -1, .sifted = AGAIN};
    ok = ln_snapshot_add(x->s, &p, err);
    ln_snapshot_sort(x->s);
  }
  return ok;
}

/* Who was good with what has gone back since is looked at again. */
static void look_again(sifting *x) {
  for (size_t i = 0; i < x->s->n; i++) {
    ln_place *p = &x->s->v[i];
    if (p->sifted == GOOD && any_name(ln_buf_view(&p->script->loads), went_back, x)) p->sifted = AGAIN;
  }
}

static bool sift(sifting *x, ln_err *err) {
  bool more = true, ok = true;
  for (size_t i = 0; i < x->s->n; i++) x->s->v[i].sifted = FRESH;
  while (ok && more) {
    ln_buf_cut(&x->back, 0);
    for (size_t i = 0; i < x->s->n; i++) {
      ln_place *p = &x->s->v[i];
      ln_err why = {0};
      if (!is_to_look_at(x, p)) continue;
      if (is_good(x, p, &why)) p->sifted = GOOD;
      else failed(x, p, why.message);
    }
    more = x->back.n > 0;
    ok = ln_buf_ok(&x->back, err) && add_gone(x, err);
    look_again(x);
  }
  return ok;
}

/* ------------------------------------------------------------------ the next snapshot */

static size_t count_others(const sifting *x, char names[NAMES]) {
  size_t n = 0, used = 0;
  const ln_snapshot *both[] = {x->s, x->was};
  names[0] = 0;
  for (int k = 0; k < 2; k++)
    for (size_t i = 0; both[k] && i < both[k]->n; i++) {
      ln_str module = ln_snapshot_name(both[k], i);
      if (!is_other(x, module) || (k && place(x->s, module))) continue;
      if (n++ && used + 1 < NAMES) names[used++] = ',';
      int more = snprintf(names + used, NAMES - used, "%s", module.p);
      used = used + (size_t)more < NAMES ? used + (size_t)more : NAMES - 1;
    }
  return n;
}

static void set(ln_reload *r, ln_snapshot *s) {
  ln_snapshot_set(r->g, s);
  ln_snapshot_drop(r->now);
  r->now = ln_snapshot_keep(s);
}

static int open_file(void *arg, const char *path, bool *busy) { return ln_watch_open(arg, path, 0, busy); }

static bool renew(ln_reload *r, ln_err *err) {
  ln_snapshot *last = r->now ? NULL : ln_snapshot_last(r->g);
  ln_reading how = {.before = r->now ? r->now : last, .open = open_file, .arg = r->watch};
  sifting x = {.r = r, .was = how.before, .first = !r->now};
  char names[NAMES];
  ln_buf_init(&x.back, 1 << 20);
  for (size_t i = 0; i < r->n; i++) r->v[i].seen = false;
  bool ok = (x.s = ln_snapshot_read(r->g, &how, err)) && sift(&x, err);
  if (ok) forget_mended(r);
  size_t others = ok ? count_others(&x, names) : 0;
  if (ok && (others || x.first) && (ok = ln_snapshot_name_it(x.s, err))) {
    set(r, x.s);
    if (!r->o.active)
      ln_log(LN_INFO, "scripts.active", "snapshot=%s changed=%zu modules=%s", ln_snapshot_hash(x.s), others,
             x.first ? "" : names);
    else if (!x.first) r->o.active(r->o.arg, names);
  }
  ln_snapshot_drop(x.s);
  ln_snapshot_drop(last);
  ln_buf_free(&x.back);
  return ok;
}

static void on_change(void *arg) {
  ln_reload *r = arg;
  ln_err err = {0};
  if (!renew(r, &err)) ln_log(LN_ERROR, "scripts.unread", "error=%s", err.message);
  if (r->told) r->told(r->told_arg);
}

void ln_reload_told(ln_reload *r, void (*fn)(void *arg), void *arg) {
  r->told = fn;
  r->told_arg = arg;
}

void ln_reload_again(ln_reload *r) {
  if (r) on_change(r);
}

/* ------------------------------------------------------------------ beginning and end */

static ln_watch *watch(ln_reload *r, ln_err *err) {
  const ln_config *c = r->g->config;
  const ln_list *all[] = {&c->scripts, &c->stdlib, &c->connectors_path};
  ln_str *v = calloc(c->scripts.n + c->stdlib.n + c->connectors_path.n + 1, sizeof *v);
  ln_watch_opts o = {.folders = v, .suffix = ".lua", .changed = on_change, .arg = r};
  for (size_t i = 0; v && i < sizeof all / sizeof *all; i++)
    for (size_t k = 0; k < all[i]->n; k++) v[o.n++] = all[i]->v[k];
  ln_watch *w = v ? ln_watch_start(r->o.loop, &o, err) : NULL;
  if (!v) ln_fail(err, "memory", LN_AGAIN, "no memory to watch scripts");
  free(v);
  return w;
}

ln_reload *ln_reload_start(ln_engine *g, const ln_reload_opts *o, ln_err *err) {
  ln_reload *r = calloc(1, sizeof *r);
  if (!r) return ln_fail(err, "memory", LN_AGAIN, "no memory to watch scripts"), NULL;
  r->g = g;
  r->o = o ? *o : (ln_reload_opts){.loop = g->loop};
  if ((r->watch = watch(r, err))) return on_change(r), r;
  free(r);
  return NULL;
}

void ln_reload_settle(ln_reload *r) { ln_watch_settle(r->watch); }

void ln_reload_stop(ln_reload *r) {
  if (!r) return;
  ln_watch_stop(r->watch);
  ln_snapshot_set(r->g, NULL);
  ln_snapshot_drop(r->now);
  for (size_t i = 0; i < r->n; i++) stale_free(&r->v[i]);
  free(r->v);
  free(r);
}

void ln_reload_stale(const ln_reload *r, ln_str module, void (*fn)(void *arg, const ln_stale *s), void *arg) {
  for (size_t i = 0; r && i < r->n; i++) {
    const stale *x = &r->v[i];
    const ln_place *p = module.n ? place(r->now, module) : NULL;
    ln_str name = ln_str_of(x->module);
    if (module.n && !ln_str_eq(module, name) &&
        !(p && any_name(ln_buf_view(&p->script->loads), same_name, &name)))
      continue;
    ln_stale s = {name, ln_str_of(x->at), ln_str_of(x->why), x->last, x->since_ms};
    fn(arg, &s);
  }
}
