/* prune.c: what is taken, in which order, so that a process that dies loses nothing: a run is on disk in
** the archive, then it is removed here, those that it began before itself; a value that its journal
** named is dying in the same transaction, and ends once no journal that is left names it.  Every
** transaction is short, and looks once more whether what it removes is still needed by nobody: others
** use the store meanwhile. */
#include "engine/prune.h"

#include "engine/inside.h"
#include "engine/library.h"

#include <stdlib.h>

enum { PAGE = 64, SNAPSHOTS = 16, NAME = 2 * LN_SHA256 };

typedef struct item {
  int64_t run, root;
  ln_buf names;
} item;

typedef struct pruning {
  ln_engine *g;
  ln_store *archive;
  const ln_prune_opts *o;
  ln_pruned *out;
  int64_t now_ms;
  item *v; /* whole trees, in the order of their ids */
  size_t n, cap;
} pruning;

static void between(const pruning *p) {
  if (p->o->between) p->o->between(p->o->arg);
}

static bool no_memory(ln_err *err) { return ln_fail(err, "memory", LN_AGAIN, "no memory to prune"); }

/* ------------------------------------------------------------------ what may go */

static bool copy_ulid(void *arg, const ln_run_row *row) {
  memcpy(arg, row->ulid, LN_ULID + 1);
  return false;
}

static bool stays(pruning *p, int64_t root, ln_kept_for why, ln_err *err) {
  char ulid[LN_ULID + 1] = "";
  p->out->kept[why]++;
  if (!p->o->kept) return true;
  if (!ln_store_run_get(p->g->store, root, copy_ulid, ulid, err)) return false;
  p->o->kept(p->o->arg, ulid, why);
  return true;
}

static bool add(pruning *p, int64_t run, int64_t root, ln_err *err) {
  if (p->n == p->cap) {
    size_t cap = p->cap ? 2 * p->cap : 2 * PAGE;
    item *v = realloc(p->v, cap * sizeof *v);
    if (!v) return no_memory(err);
    p->v = v;
    p->cap = cap;
  }
  p->v[p->n] = (item){.run = run, .root = root};
  ln_buf_init(&p->v[p->n++].names, 64 << 20);
  return true;
}

static bool add_tree(pruning *p, int64_t root, ln_err *err) {
  int64_t ids[PAGE], after = 0;
  size_t n = PAGE;
  while (n == PAGE) {
    if (!ln_store_tree(p->g->store, root, after, ids, &n, err)) return false;
    for (size_t i = 0; i < n; i++)
      if (!add(p, after = ids[i], root, err)) return false;
  }
  return true;
}

static void clear(pruning *p) {
  for (size_t i = 0; i < p->n; i++) ln_buf_free(&p->v[i].names);
  p->n = 0;
}

/* ------------------------------------------------------------------ into the archive, and away */

typedef struct chunk {
  pruning *p;
  size_t from, to;
  int64_t removed;
} chunk;

static bool archive_apply(ln_tx *tx, void *arg, ln_err *err) {
  chunk *c = arg;
  for (size_t i = c->from; i < c->to; i++) {
    item *it = &c->p->v[i];
    ln_buf_cut(&it->names, 0);
    if (!ln_archive_run(c->p->g, it->run, c->p->archive, tx, &it->names, err)) return false;
  }
  return true;
}

static bool remove_one(ln_tx *tx, const item *it, ln_err *err) {
  for (size_t at = 0; at + NAME <= it->names.n; at += NAME)
    if (!ln_tx_value_dying(tx, (ln_str){it->names.p + at, NAME}, err)) return false;
  return ln_tx_run_remove(tx, it->run, err);
}

static bool put_removed(ln_tx *tx, const chunk *c, ln_err *err) {
  char runs[LN_INT_TEXT];
  const ln_audit_row r = {.ms = c->p->now_ms, .what = LN_STR("pruned"), .who = c->p->o->by};
  return !c->removed || ln_audit_one(tx, &r, "runs", ln_str_int(c->removed, runs), err);
}

/* From the end: who began another goes after it. */
static bool remove_apply(ln_tx *tx, void *arg, ln_err *err) {
  chunk *c = arg;
  ln_kept_for why = LN_KEPT_NOT;
  int64_t root = 0;
  c->removed = 0;
  for (size_t i = c->to; i > c->from; i--) {
    const item *it = &c->p->v[i - 1];
    if (it->root != root && !ln_tx_kept(tx, root = it->root, c->p->o->before_ms, c->p->now_ms, &why, err))
      return false;
    if (why != LN_KEPT_NOT) continue; /* somebody needs it since we looked */
    if (!remove_one(tx, it, err)) return false;
    c->removed++;
  }
  return put_removed(tx, c, err);
}

static bool take(pruning *p, ln_err *err) {
  chunk c = {.p = p};
  bool ok = true;
  if (p->o->dry) {
    p->out->runs += (int64_t)p->n;
    clear(p);
    return true;
  }
  for (c.from = 0; ok && c.from < p->n; c.from = c.to) {
    c.to = c.from + PAGE < p->n ? c.from + PAGE : p->n;
    ok = ln_writer_run(p->archive, archive_apply, &c, err);
    between(p);
  }
  for (c.to = p->n; ok && c.to > 0; c.to = c.from) {
    c.from = c.to > PAGE ? c.to - PAGE : 0;
    ok = ln_writer_run(p->g->store, remove_apply, &c, err);
    if (ok) p->out->runs += c.removed;
    between(p);
  }
  clear(p);
  return ok;
}

static bool take_trees(pruning *p, ln_err *err) {
  int64_t roots[PAGE], after = 0;
  size_t n = PAGE;
  while (n == PAGE) {
    if (!ln_store_old_trees(p->g->store, p->o->before_ms, after, roots, &n, err)) return false;
    for (size_t i = 0; i < n; i++) {
      ln_kept_for why;
      if (!ln_store_kept(p->g->store, after = roots[i], p->o->before_ms, p->now_ms, &why, err)) return false;
      if (!(why ? stays(p, roots[i], why, err) : add_tree(p, roots[i], err))) return false;
      if (p->n >= PAGE && !take(p, err)) return false;
    }
  }
  return take(p, err);
}

/* ------------------------------------------------------------------ values beside journals */

typedef struct sweep {
  pruning *p;
  ln_tally dying, used;
  bool ok;
  ln_err *err;
  size_t at, to;
  int64_t gone;
} sweep;

static bool is_dying(void *arg, ln_str name) {
  sweep *s = arg;
  return s->ok = ln_tally_add(&s->dying, name) > 0;
}

static bool is_used(void *arg, ln_str name) {
  sweep *s = arg;
  return s->ok = !ln_tally_has(&s->dying, name) || ln_tally_add(&s->used, name) > 0;
}

static bool look_through(void *arg, const ln_run_row *row) {
  sweep *s = arg;
  bool read = ln_names_of(s->p->g, row->id, is_used, s, s->err);
  if (read && !s->ok) no_memory(s->err);
  return s->ok = read && s->ok;
}

static bool end_apply(ln_tx *tx, void *arg, ln_err *err) {
  sweep *s = arg;
  s->gone = 0;
  for (size_t i = s->at; i < s->to; i++) {
    bool gone = false;
    if (!s->dying.slots[i].count) continue;
    ln_str name = s->dying.slots[i].key;
    if (!(ln_tally_has(&s->used, name) ? ln_tx_value_lives(tx, name, err)
                                       : ln_tx_value_end(tx, name, &gone, err)))
      return false;
    s->gone += gone;
  }
  return true;
}

static bool end_values(sweep *s, ln_err *err) {
  bool ok = true;
  for (s->at = 0; ok && s->at < s->dying.n; s->at = s->to) {
    s->to = s->at + PAGE < s->dying.n ? s->at + PAGE : s->dying.n;
    ok = ln_writer_run(s->p->g->store, end_apply, s, err);
    if (ok) s->p->out->values += s->gone;
    between(s->p);
  }
  return ok;
}

static bool sweep_values(pruning *p, ln_err *err) {
  sweep s = {.p = p, .ok = true, .err = err};
  ln_run_query all = {0};
  bool ok = ln_store_dying(p->g->store, is_dying, &s, err) && (s.ok || no_memory(err));
  if (ok && s.dying.used) ok = ln_store_runs(p->g->store, &all, look_through, &s, err) && s.ok;
  ok = ok && end_values(&s, err);
  ln_tally_free(&s.dying);
  ln_tally_free(&s.used);
  return ok;
}

/* ------------------------------------------------------------------ scripts that no run was begun with */

typedef struct scripts {
  ln_tally used, sources;
  ln_buf unused;
  size_t n;
  int64_t last; /* the last run whose scripts are known to be used */
  int64_t moves;                                         /* runs that had been moved to others by then      */
  bool ok, more;
  int64_t gone;
} scripts;

static bool add_used(void *arg, ln_str snapshot) {
  scripts *s = arg;
  if (snapshot.n > 7) s->ok = ln_tally_add(&s->used, (ln_str){snapshot.p + 7, snapshot.n - 7}) > 0;
  return s->ok;
}

static bool add_source(void *arg, ln_str sha) {
  scripts *s = arg;
  return s->ok = ln_tally_add(&s->sources, sha) > 0;
}

static bool find_unused(void *arg, ln_str manifest) {
  scripts *s = arg;
  if (ln_tally_has(&s->used, manifest)) return true;
  s->more = s->n == SNAPSHOTS;
  if (s->more) return false;
  s->n++;
  return s->ok = ln_buf_add(&s->unused, manifest);
}

static bool with_manifest(ln_tx *tx, ln_str name, ln_name_fn fn, void *arg, ln_err *err) {
  ln_buf text;
  bool found;
  ln_buf_init(&text, 4 << 20);
  bool ok = ln_tx_content_get(tx, name, &text, &found, err);
  if (ok && found) ln_manifest_sources(ln_buf_view(&text), fn, arg);
  ln_buf_free(&text);
  return ok;
}

/* The sources of those that stay. */
static bool keep_sources(ln_tx *tx, scripts *s, ln_err *err) {
  for (size_t i = 0; i < s->used.n; i++)
    if (s->used.slots[i].count && !with_manifest(tx, s->used.slots[i].key, add_source, s, err)) return false;
  return s->ok || no_memory(err);
}

typedef struct ending {
  ln_tx *tx;
  scripts *s;
  ln_err *err;
  bool ok;
} ending;

static bool end_source(void *arg, ln_str sha) {
  ending *e = arg;
  bool has = false;
  if (ln_tally_has(&e->s->sources, sha)) return true;
  e->ok = ln_tx_content_has(e->tx, sha, &has, e->err) && (!has || ln_tx_content_remove(e->tx, sha, e->err));
  e->s->gone += has;
  return e->ok;
}

static bool end_unused(ln_tx *tx, scripts *s, ln_err *err) {
  ending e = {tx, s, err, true};
  for (size_t at = 0; at + NAME <= s->unused.n; at += NAME) {
    ln_str name = {s->unused.p + at, NAME};
    if (!with_manifest(tx, name, end_source, &e, err) || !e.ok || !ln_tx_content_remove(tx, name, err))
      return false;
  }
  return true;
}

/* In one transaction: a run that begins finds its scripts there, or puts them again. */
static bool scripts_apply(ln_tx *tx, void *arg, ln_err *err) {
  scripts *s = arg;
  int64_t moves;
  ln_buf indexed;
  if (!ln_tx_moves(tx, &moves, err)) return false;
  if (moves != s->moves) return s->more = true;          /* some of them may be used by now: once more */
  ln_buf_init(&indexed, 256);
  s->ok = true;
  bool ok = ln_snapshot_indexed(tx, &indexed, err) &&
            (add_used(s, ln_buf_view(&indexed)) || no_memory(err)) &&
            ln_tx_snapshots(tx, s->last, add_used, s, err) && (s->ok || no_memory(err)) &&
            ln_tx_manifests(tx, find_unused, s, err) && (s->ok || no_memory(err));
  if (ok && s->n) ok = keep_sources(tx, s, err) && end_unused(tx, s, err);
  ln_buf_free(&indexed);
  return ok;
}

static bool end_scripts(pruning *p, ln_err *err) {
  bool ok = true, more = true;
  while (ok && more) {
    scripts s = {.n = 0};
    ln_buf_init(&s.unused, SNAPSHOTS * NAME + 1);
    s.ok = true;
    ok = ln_store_moves(p->g->store, &s.moves, err) &&
         ln_store_snapshots(p->g->store, add_used, &s, &s.last, err) && (s.ok || no_memory(err)) &&
         ln_writer_run(p->g->store, scripts_apply, &s, err);
    if (ok) p->out->scripts += s.gone;
    more = s.more;
    ln_tally_free(&s.used);
    ln_tally_free(&s.sources);
    ln_buf_free(&s.unused);
    between(p);
  }
  return ok;
}

/* ------------------------------------------------------------------ what has expired; space */

typedef struct expiring {
  int64_t now_ms, after, n;
} expiring;

static bool expire_apply(ln_tx *tx, void *arg, ln_err *err) {
  expiring *x = arg;
  return ln_tx_contents_expire(tx, x->now_ms, &x->after, &x->n, err);
}

static bool end_expired(pruning *p, ln_err *err) {
  expiring x = {.now_ms = p->now_ms, .n = PAGE};
  while (x.n == PAGE) {
    if (!ln_writer_run(p->g->store, expire_apply, &x, err)) return false;
    p->out->contents += x.n;
    between(p);
  }
  return true;
}

typedef struct forgetting { int64_t before_ms, after, n; } forgetting;

static bool forget_apply(ln_tx *tx, void *arg, ln_err *err) {
  forgetting *f = arg;
  return ln_tx_alerts_forget(tx, f->before_ms, &f->after, &f->n, err);
}

/* What old alerts said, whose runs are gone: who hands one in again still finds it there. */
static bool forget_alerts(pruning *p, ln_err *err) {
  forgetting f = {.before_ms = p->o->before_ms, .n = PAGE};
  while (f.n == PAGE) {
    if (!ln_writer_run(p->g->store, forget_apply, &f, err)) return false;
    p->out->alerts += f.n;
    between(p);
  }
  return true;
}

static bool give_space_back(pruning *p, ln_err *err) {
  bool more = true, ok = true;
  while (ln_store_tidy(p->g->store)) between(p);
  while (ok && more) {
    ok = ln_store_free_some(p->g->store, &more, err);
    between(p);
  }
  return ok;
}

bool ln_prune(ln_engine *g, ln_store *archive, const ln_prune_opts *o, ln_pruned *out, ln_err *err) {
  pruning p = {.g = g, .archive = archive, .o = o, .out = out, .now_ms = ln_now_ms(g->loop->clock)};
  *out = (ln_pruned){0};
  bool ok = take_trees(&p, err);
  if (!o->dry)
    ok = ok && sweep_values(&p, err) && end_scripts(&p, err) && end_expired(&p, err) &&
         forget_alerts(&p, err) && give_space_back(&p, err);
  clear(&p);
  free(p.v);
  return ok;
}
