/* file.c: files below the configured roots, as effects.  A file's entity is its path, its state the SHA-256
** of its content or "absent"; so writing and removing can be looked at before, probed after a crash, and
** taken back by comparing. base/beneath does the work, at once, on the loop's thread: files here are small.
**
** Which roots there are is asked when the effect is carried out, never before: a replay must not depend on
** today's configuration.  The journal holds a content's digests; the content itself waits in the effect's
** work. */
#include "base/beneath.h"
#include "base/digest.h"
#include "modules/blob.h"
#include "modules/modules.h"

#include <limits.h>
#include <stdlib.h>

enum { FILE_MAX = 16 << 20 };

/* --- paths --- */

static ln_str without_slash(ln_str s) {
  while (s.n > 1 && s.p[s.n - 1] == '/') s.n--;
  return s;
}

/* Is path below root?  Then *rel is the rest. */
static bool below(ln_str root, ln_str path, ln_str *rel) {
  if (root.n == 1) root.n = 0; /* "/" */
  if (!ln_str_starts(path, root) || path.n <= root.n + 1 || path.p[root.n] != '/') return false;
  *rel = (ln_str){path.p + root.n + 1, path.n - root.n - 1};
  return true;
}

/* The root that a path, without "." and "..", is below: the longest. */
static bool find_root(const ln_config *config, ln_str path, ln_str *root, ln_str *rel, ln_err *err) {
  bool found = false;
  for (size_t i = 0; i < config->files.n; i++) {
    ln_str r = without_slash(config->files.v[i]), rest;
    if (!below(r, path, &rest) || (found && r.n <= root->n)) continue;
    *root = r;
    *rel = rest;
    found = true;
  }
  if (found) return true;
  if (!config->files.n)
    return ln_fail(err, "refused", LN_FINAL,
                   "no files may be touched: list folders in the configuration's `files`");
  return ln_fail(err, "refused", LN_FINAL, "%.*s is not below a folder of the configuration's `files`",
                 path.n > 200 ? 200 : (int)path.n, path.p);
}

typedef struct place {
  ln_str path, root, rel;
} place;

static bool place_of(ln_effect *e, place *p, ln_err *err) {
  p->path = ln_v_get_str(ln_effect_args(e), "path");
  return find_root(ln_effect_engine(e)->config, p->path, &p->root, &p->rel, err);
}

/* --- what is there --- */

/* Hashes what is there; "" in d when there is nothing. */
static bool digest_there(const place *p, ln_digests *d, size_t *bytes, ln_err *err) {
  ln_buf content;
  ln_buf_init(&content, FILE_MAX);
  bool ok = ln_beneath_read(p->root, p->rel, &content, err);
  *bytes = content.n;
  if (ok) ok = ln_digests_of(ln_buf_view(&content), d, err);
  else if (ln_err_is(err, "not_found")) ok = true, d->sha256[0] = '\0';
  ln_buf_free(&content);
  return ok;
}

static void put_str(ln_buf *b, const char *key, ln_str s) {
  ln_v_key(b, ln_str_of(key));
  ln_v_str(b, s);
}

/* { bytes, md5, path, sha1, sha256 }, and that nothing was done, if so. */
static void put_file(ln_buf *b, ln_str path, int64_t bytes, const ln_digests *d, bool unchanged) {
  size_t mark = ln_v_begin(b, 'O', unchanged ? 6 : 5);
  ln_v_key(b, LN_STR("bytes"));
  ln_v_int(b, bytes);
  put_str(b, "md5", ln_str_of(d->md5));
  put_str(b, "path", path);
  put_str(b, "sha1", ln_str_of(d->sha1));
  put_str(b, "sha256", ln_str_of(d->sha256));
  if (unchanged) {
    ln_v_key(b, LN_STR("unchanged"));
    ln_v_bool(b, true);
  }
  ln_v_end(b, mark);
}

/* Answers a read: value is freed here. */
static void answer(ln_effect *e, bool ok, ln_buf *value, ln_err *err) {
  if (ok && ln_buf_ok(value, err)) {
    ln_effect_done(e, ln_buf_view(value));
  } else {
    ln_err_prefix(err, "%s", ln_effect_op(e)->name);
    ln_effect_fail(e, err);
  }
  ln_buf_free(value);
}

/* --- read and hash --- */

static void start_read(ln_effect *e) {
  place p;
  ln_err err;
  ln_buf content, value;
  ln_buf_init(&content, FILE_MAX);
  ln_buf_init(&value, FILE_MAX + 64);
  bool ok = place_of(e, &p, &err) && ln_beneath_read(p.root, p.rel, &content, &err);
  if (!ok && ln_err_is(&err, "not_found"))
    ln_fail(&err, "not_found", LN_FINAL, "there is no %.*s", (int)p.path.n, p.path.p);
  if (ok) ln_v_str(&value, ln_buf_view(&content));
  ln_buf_free(&content);
  answer(e, ok, &value, &err);
}

static void start_hash(ln_effect *e) {
  place p;
  ln_err err;
  ln_digests d;
  size_t bytes = 0;
  ln_buf value;
  ln_buf_init(&value, 1 << 16);
  bool ok = place_of(e, &p, &err) && digest_there(&p, &d, &bytes, &err);
  if (ok && !d.sha256[0])
    ok = ln_fail(&err, "not_found", LN_FINAL, "there is no %.*s", (int)p.path.n, p.path.p);
  if (ok) put_file(&value, p.path, (int64_t)bytes, &d, false);
  answer(e, ok, &value, &err);
}

/* --- what writes have in common --- */

/* The texts of w, kept by e: the entity from the path, and the encoded values from out. */
static bool keep_write(ln_effect *e, ln_write *w, ln_str path, ln_buf *would, ln_buf *planned, ln_err *err) {
  ln_buf entity;
  ln_buf_init(&entity, PATH_MAX + 16);
  ln_buf_addz(&entity, "file:path:");
  ln_buf_add(&entity, path);
  bool ok = ln_buf_ok(&entity, err) && ln_buf_ok(would, err) && ln_buf_ok(planned, err);
  w->facet = LN_STR("content");
  ok = ok && ((ln_effect_keep(e, ln_buf_view(&entity), &w->entity) &&
               ln_effect_keep(e, ln_buf_view(would), &w->would) &&
               ln_effect_keep(e, ln_buf_view(planned), &w->planned)) ||
              ln_fail(err, "memory", LN_AGAIN, "no memory"));
  ln_buf_free(&entity);
  ln_buf_free(would);
  ln_buf_free(planned);
  return ok;
}

/* { file = { path, its last name, hashes } }: what guards match. */
static void put_names(ln_buf *b, ln_str path, const char *now, ln_str then) {
  const char *slash = memrchr(path.p, '/', path.n);
  ln_str name = slash ? (ln_str){slash + 1, (size_t)(path.p + path.n - slash - 1)} : path;
  size_t object = ln_v_begin(b, 'O', 1);
  ln_v_key(b, LN_STR("file"));
  size_t list = ln_v_begin(b, 'A', 2 + (*now != 0) + (then.n != 0));
  ln_v_str(b, path);
  ln_v_str(b, name);
  if (*now) ln_v_str(b, ln_str_of(now));
  if (then.n) ln_v_str(b, then);
  ln_v_end(b, list);
  ln_v_end(b, object);
}

/* { op = "file.remove", args = { path, sha256 } }: taking back removes only what is unchanged. */
static void put_undo(ln_buf *b, ln_str path, ln_str sha256) {
  size_t object = ln_v_begin(b, 'O', 2);
  ln_v_key(b, LN_STR("args"));
  size_t args = ln_v_begin(b, 'O', 2);
  put_str(b, "path", path);
  put_str(b, "sha256", sha256);
  ln_v_end(b, args);
  put_str(b, "op", LN_STR("file.remove"));
  ln_v_end(b, object);
}

/* Is it still as look found it, before the write was sent? */
static bool as_before(ln_effect *e, const ln_digests *there) {
  ln_str before = ln_effect_before(e);
  return before.n && ln_str_eq(before, there->sha256[0] ? ln_str_of(there->sha256) : LN_STR("absent"));
}

static void tell_doubt(ln_effect *e, const place *p) {
  ln_err err;
  ln_fail(&err, "doubt", LN_FINAL,
          "%.*s is neither as before nor as it should be: somebody changed it meanwhile",
          p->path.n > 200 ? 200 : (int)p->path.n, p->path.p);
  ln_write_probed(e, LN_UNKNOWN, (ln_str){0}, &err);
}

/* --- write --- */

typedef struct content {                                 /* the effect's work                               */
  size_t n;
  char bytes[];
} content;

/* The digests of what is to be written, as the arguments have them. */
static ln_digests digests_of_args(ln_effect *e, int64_t *bytes) {
  ln_digests d = {{0}, {0}, {0}};
  ln_str args = ln_effect_args(e), sha256 = ln_v_get_str(args, "sha256"), sha1 = ln_v_get_str(args, "sha1"),
         md5 = ln_v_get_str(args, "md5");
  if (sha256.n == 64) memcpy(d.sha256, sha256.p, 64);
  if (sha1.n == 40) memcpy(d.sha1, sha1.p, 40);
  if (md5.n == 32) memcpy(d.md5, md5.p, 32);
  *bytes = ln_v_get_int(args, "bytes", 0);
  return d;
}

static bool is_new(ln_effect *e) { return ln_v_get_bool(ln_effect_args(e), "new", true); }

static bool describe_write(ln_effect *e, ln_write *w, ln_err *err) {
  place p;
  int64_t bytes;
  ln_digests d = digests_of_args(e, &bytes);
  ln_buf would, planned;
  if (!place_of(e, &p, err)) return false;
  ln_buf_init(&would, 1 << 16);
  ln_buf_init(&planned, 1 << 16);
  size_t object = ln_v_begin(&would, 'O', 5);
  ln_v_key(&would, LN_STR("bytes"));
  ln_v_int(&would, bytes);
  put_str(&would, "method", LN_STR("write"));
  ln_v_key(&would, LN_STR("new"));
  ln_v_bool(&would, is_new(e));
  put_str(&would, "path", p.path);
  put_str(&would, "sha256", ln_str_of(d.sha256));
  ln_v_end(&would, object);
  put_file(&planned, p.path, bytes, &d, false);
  w->to = ln_v_get_str(ln_effect_args(e), "sha256");
  return keep_write(e, w, p.path, &would, &planned, err);
}

static void look_write(ln_effect *e) {
  place p;
  ln_err err;
  ln_digests there, d;
  ln_look look = {.resolved = true};
  int64_t bytes;
  size_t n;
  ln_buf names, undo, unchanged;
  d = digests_of_args(e, &bytes);
  bool ok = place_of(e, &p, &err) && digest_there(&p, &there, &n, &err);
  if (ok && there.sha256[0] && is_new(e) && strcmp(there.sha256, d.sha256) != 0)
    ok = ln_fail(&err, "conflict", LN_FINAL,
                 "%.*s is there already, with another content: `new = false` writes over it",
                 p.path.n > 200 ? 200 : (int)p.path.n, p.path.p);
  if (!ok) {
    ln_write_looked(e, NULL, &err);
    return;
  }
  ln_buf_init(&names, 1 << 16);
  ln_buf_init(&undo, 1 << 16);
  ln_buf_init(&unchanged, 1 << 16);
  look.before = there.sha256[0] ? ln_str_of(there.sha256) : LN_STR("absent");
  put_names(&names, p.path, there.sha256, ln_str_of(d.sha256));
  if (!there.sha256[0]) put_undo(&undo, p.path, ln_str_of(d.sha256)); /* what was written over is gone */
  put_file(&unchanged, p.path, bytes, &d, true);
  look.names = ln_buf_view(&names);
  look.undo = ln_buf_view(&undo);
  look.unchanged = ln_buf_view(&unchanged);
  ok = ln_buf_ok(&names, &err) && ln_buf_ok(&undo, &err) && ln_buf_ok(&unchanged, &err);
  ln_write_looked(e, ok ? &look : NULL, ok ? NULL : &err);
  ln_buf_free(&names);
  ln_buf_free(&undo);
  ln_buf_free(&unchanged);
}

/* The bytes to write: from the work, or from the blob that the arguments name, into *kept. */
static bool content_of(ln_effect *e, ln_buf *kept, ln_str *data, ln_err *err) {
  const content *c = ln_effect_work(e);
  if (c) {
    *data = (ln_str){c->bytes, c->n};
    return true;
  }
  if (!ln_v_get_bool(ln_effect_args(e), "blob", false))
    return ln_fail(err, "failed", LN_FINAL, "the content is gone, and only its hash is left");
  if (!lnL_blob_get(ln_effect_engine(e), ln_v_get_str(ln_effect_args(e), "sha256"), kept, err)) return false;
  *data = ln_buf_view(kept);
  return true;
}

/* A disk that failed may have done it all the same: then it is looked at. */
static void send_write(ln_effect *e) {
  place p;
  ln_err err;
  ln_buf kept, value;
  ln_str data;
  int64_t bytes;
  ln_digests d = digests_of_args(e, &bytes);
  ln_buf_init(&kept, FILE_MAX);
  ln_buf_init(&value, 1 << 16);
  bool ready = place_of(e, &p, &err) && content_of(e, &kept, &data, &err);
  bool ok = ready && ln_beneath_write(p.root, p.rel, data, ln_effect_tag(e), !is_new(e), &err);
  put_file(&value, p.path, bytes, &d, false);
  if (ok) ln_write_sent(e, LN_DID, ln_buf_view(&value), NULL);
  else ln_write_sent(e, ready && ln_err_is(&err, "failed") ? LN_UNKNOWN : LN_DID_NOT, (ln_str){0}, &err);
  ln_buf_free(&value);
  ln_buf_free(&kept);
}

static void probe_write(ln_effect *e, int64_t since_ms) {
  (void)since_ms;
  place p;
  ln_err err;
  ln_digests there, d;
  int64_t bytes;
  size_t n;
  d = digests_of_args(e, &bytes);
  if (!place_of(e, &p, &err) || !digest_there(&p, &there, &n, &err)) {
    ln_write_probed(e, LN_UNKNOWN, (ln_str){0}, &err);
  } else if (strcmp(there.sha256, d.sha256) == 0) {
    ln_buf value;
    ln_buf_init(&value, 1 << 16);
    put_file(&value, p.path, bytes, &d, false);
    ln_write_probed(e, LN_DID, ln_buf_view(&value), NULL);
    ln_buf_free(&value);
  } else if (as_before(e, &there)) {
    ln_fail(&err, "failed", LN_AGAIN, "the file was not written");
    ln_write_probed(e, LN_DID_NOT, (ln_str){0}, &err);
  } else {
    tell_doubt(e, &p);
  }
}

/* --- remove --- */

/* { path, sha256 }; of a file that was not there, that nothing was done. */
static void put_removed(ln_buf *b, ln_str path, ln_str sha256) {
  size_t object = ln_v_begin(b, 'O', 2);
  put_str(b, "path", path);
  if (sha256.n) {
    put_str(b, "sha256", sha256);
  } else {
    ln_v_key(b, LN_STR("unchanged"));
    ln_v_bool(b, true);
  }
  ln_v_end(b, object);
}

static bool describe_remove(ln_effect *e, ln_write *w, ln_err *err) {
  place p;
  ln_str sha256 = ln_v_get_str(ln_effect_args(e), "sha256");
  ln_buf would, planned;
  if (!place_of(e, &p, err)) return false;
  ln_buf_init(&would, 1 << 16);
  ln_buf_init(&planned, 1 << 16);
  size_t object = ln_v_begin(&would, 'O', 2 + (sha256.n != 0));
  put_str(&would, "method", LN_STR("remove"));
  put_str(&would, "path", p.path);
  if (sha256.n) put_str(&would, "sha256", sha256);
  ln_v_end(&would, object);
  object = ln_v_begin(&planned, 'O', 1 + (sha256.n != 0));
  put_str(&planned, "path", p.path);
  if (sha256.n) put_str(&planned, "sha256", sha256);
  ln_v_end(&planned, object);
  w->to = LN_STR("absent");
  return keep_write(e, w, p.path, &would, &planned, err);
}

/* What is there, if it is what the arguments want it to be. */
static bool look_at_victim(ln_effect *e, const place *p, ln_digests *there, ln_err *err) {
  size_t n;
  ln_str wanted = ln_v_get_str(ln_effect_args(e), "sha256");
  if (!digest_there(p, there, &n, err)) return false;
  if (!there->sha256[0] || !wanted.n || ln_str_ieq(wanted, ln_str_of(there->sha256))) return true;
  return ln_fail(err, "conflict", LN_FINAL, "%.*s has another content (sha256 %s): it is left alone",
                 p->path.n > 200 ? 200 : (int)p->path.n, p->path.p, there->sha256);
}

static void look_remove(ln_effect *e) {
  place p;
  ln_err err;
  ln_digests there;
  ln_look look = {.resolved = true};
  ln_buf names, unchanged;
  if (!place_of(e, &p, &err) || !look_at_victim(e, &p, &there, &err)) {
    ln_write_looked(e, NULL, &err);
    return;
  }
  ln_buf_init(&names, 1 << 16);
  ln_buf_init(&unchanged, 1 << 16);
  look.before = there.sha256[0] ? ln_str_of(there.sha256) : LN_STR("absent");
  put_names(&names, p.path, there.sha256, (ln_str){0});
  put_removed(&unchanged, p.path, (ln_str){0});
  look.names = ln_buf_view(&names);
  look.unchanged = ln_buf_view(&unchanged);
  bool ok = ln_buf_ok(&names, &err) && ln_buf_ok(&unchanged, &err);
  ln_write_looked(e, ok ? &look : NULL, ok ? NULL : &err);
  ln_buf_free(&names);
  ln_buf_free(&unchanged);
}

static void send_remove(ln_effect *e) {
  place p;
  ln_err err;
  ln_str sha256 = ln_effect_before(e);                   /* nothing but what was looked at is removed      */
  bool ready =
      place_of(e, &p, &err) &&
      (sha256.n == 64 || ln_fail(&err, "failed", LN_AGAIN, "the file was not looked at before its removal"));
  if (ready && ln_beneath_remove(p.root, p.rel, sha256, FILE_MAX, &err)) {
    ln_buf value;
    ln_buf_init(&value, 1 << 16);
    put_removed(&value, p.path, sha256);
    ln_write_sent(e, LN_DID, ln_buf_view(&value), NULL);
    ln_buf_free(&value);
  } else {
    ln_write_sent(e, ready && ln_err_is(&err, "failed") ? LN_UNKNOWN : LN_DID_NOT, (ln_str){0}, &err);
  }
}

static void probe_remove(ln_effect *e, int64_t since_ms) {
  (void)since_ms;
  place p;
  ln_err err;
  ln_digests there;
  size_t n;
  if (!place_of(e, &p, &err) || !digest_there(&p, &there, &n, &err)) {
    ln_write_probed(e, LN_UNKNOWN, (ln_str){0}, &err);
  } else if (!there.sha256[0]) {
    ln_buf value;
    ln_buf_init(&value, 1 << 16);
    put_removed(&value, p.path, ln_effect_before(e));
    ln_write_probed(e, LN_DID, ln_buf_view(&value), NULL);
    ln_buf_free(&value);
  } else if (as_before(e, &there)) {
    ln_fail(&err, "failed", LN_AGAIN, "the file was not removed");
    ln_write_probed(e, LN_DID_NOT, (ln_str){0}, &err);
  } else {
    tell_doubt(e, &p);
  }
}

/* --- as Lua sees it --- */

static const ln_write_ops write_ops = {
    .describe = describe_write, .look = look_write, .send = send_write, .probe = probe_write};
static const ln_write_ops remove_ops = {
    .describe = describe_remove, .look = look_remove, .send = send_remove, .probe = probe_remove};

static const ln_op op_read = {.name = "file.read", .cls = LN_READ, .uses = "file", .start = start_read};
static const ln_op op_hash = {.name = "file.hash", .cls = LN_READ, .uses = "file", .start = start_hash};
static const ln_op op_write = {
    .name = "file.write", .cls = LN_WRITE, .uses = "file", .write = &write_ops, .move = LN_NOTE};
static const ln_op op_overwrite = {                       /* what is written over is gone                   */
    .name = "file.write", .cls = LN_WRITE, .uses = "file", .write = &write_ops, .move = LN_CONFINE};
static const ln_op op_remove = {.name = "file.remove", .cls = LN_WRITE, .uses = "file", .write = &remove_ops,
                                .idempotent = true, .move = LN_CONFINE};

/* Appends the path without "." and doubled slashes. */
static bool plain_path(ln_str path, ln_buf *out, ln_err *err) {
  if (!path.n || path.p[0] != '/' || path.n >= PATH_MAX || memchr(path.p, '\0', path.n))
    return ln_fail(err, "bad_argument", LN_FINAL, "path must be absolute, from / on, and less than %d bytes",
                   PATH_MAX);
  ln_str name, rest = path;
  bool more = true;
  while (more) {
    more = ln_str_cut(rest, '/', &name, &rest);
    if (!name.n || ln_str_eq(name, LN_STR("."))) continue;
    if (ln_str_eq(name, LN_STR("..")))
      return ln_fail(err, "bad_argument", LN_FINAL, "path must not have \"..\" in it");
    ln_buf_addc(out, '/');
    ln_buf_add(out, name);
  }
  if (!out->n) return ln_fail(err, "bad_argument", LN_FINAL, "path must name a file");
  return ln_buf_ok(out, err);
}

/* Makes the stack: the author's table, and the effect's arguments with path and what is the engine's.
** [-all, +2, e] */
static void push_args(lua_State *L, const char *fn, const char *const known[]) {
  static const char *const engines[] = {"as", "wait", "lease", "timeout", LN_LIFTS, NULL};
  ln_err err;
  if (lua_type(L, 1) == LUA_TSTRING) {                    /* path alone */
    lua_settop(L, 1);
    lua_createtable(L, 0, 1);                             /* path given */
    lua_insert(L, 1);                                     /* given path */
    lua_setfield(L, 1, "path");                           /* given */
  }
  if (!lua_istable(L, 1)) lnL_bad(L, fn, "its argument", "a table such as { path = \"/…\" }", 1);
  lnL_options(L, fn, 1, known);
  lua_settop(L, 1);
  lua_createtable(L, 0, 8);                               /* given args */
  ln_buf *path = lnL_new_buf(L, PATH_MAX);                /* given args buf */
  lnL_field(L, 1, "path");                                /* given args buf path */
  if (!plain_path(lnL_text(L, fn, "path", 4), path, &err)) lnL_raise_in(L, fn, &err);
  lua_settop(L, 3);
  lnL_push_buf(L, path);                                  /* given args buf path */
  lua_setfield(L, 2, "path");
  lua_settop(L, 2);                                       /* given args */
  for (int i = 0; engines[i]; i++) {
    lnL_field(L, 1, engines[i]);
    lua_setfield(L, 2, engines[i]);
  }
}

static const char *const of_reading[] = {"path", "as", "timeout", NULL};

/* file.read { path } -> text */
static int l_read(lua_State *L) {
  push_args(L, "file.read", of_reading);
  return lnL_effect(L, &op_read, 2, NULL, NULL);
}

/* file.hash { path } -> { path, bytes, sha256, sha1, md5 } */
static int l_hash(lua_State *L) {
  push_args(L, "file.hash", of_reading);
  return lnL_effect(L, &op_hash, 2, NULL, NULL);
}

static bool is_hex(ln_str s) {
  uint8_t raw[LN_SHA256];
  return ln_unhex(s, raw, sizeof raw);
}

/* file.remove { path, sha256 } -> { path, sha256 } */
static int l_remove(lua_State *L) {
  static const char *const known[] = {"path", "sha256", "as", "wait", "lease", "timeout", LN_LIFTS, NULL};
  push_args(L, "file.remove", known);                     /* given args */
  lnL_field(L, 1, "sha256");                              /* given args sha256 */
  if (!lua_isnil(L, 3)) {
    if (!is_hex(lnL_text(L, "file.remove", "sha256", 3)))
      lnL_bad(L, "file.remove", "sha256", "64 hexadecimal digits", 0);
    lua_setfield(L, 2, "sha256");
  }
  lua_settop(L, 2);
  return lnL_effect(L, &op_remove, 2, NULL, NULL);
}

static void set_text(lua_State *L, const char *key, ln_str s) {
  lua_pushlstring(L, s.p, s.n);
  lua_setfield(L, 2, key);
}

/* The arguments that say what is written: given, args and data are on the stack. */
static void set_content(lua_State *L, int64_t bytes, ln_str sha256, ln_str sha1, ln_str md5) {
  if (bytes > FILE_MAX) lnL_bad(L, "file.write", "data", "no more than 16 MiB", 0);
  lua_pushinteger(L, bytes);
  lua_setfield(L, 2, "bytes");
  set_text(L, "sha256", sha256);
  set_text(L, "sha1", sha1);
  set_text(L, "md5", md5);
}

static const ln_op *op_of(lua_State *L) {                 /* given args … */
  lnL_field(L, 2, "new");
  bool fresh = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return fresh ? &op_write : &op_overwrite;
}

static int write_blob(lua_State *L, const ln_blob *b) {
  set_content(L, b->bytes, b->sha256, b->sha1, b->md5);
  lua_pushboolean(L, true);
  lua_setfield(L, 2, "blob");
  lua_settop(L, 2);
  return lnL_effect(L, op_of(L), 2, NULL, NULL);
}

/* file.write { path, data, new = true } -> { path, bytes, sha256, sha1, md5 } */
static int l_write(lua_State *L) {
  static const char *const known[] = {"path", "data", "new", "as", "wait", "lease", "timeout", NULL};
  ln_err err;
  ln_blob blob;
  ln_digests d;
  push_args(L, "file.write", known);                      /* given args */
  lnL_field(L, 1, "new");                                 /* given args new */
  lua_pushboolean(L, lnL_flag_or(L, "file.write", "new", 3, true));
  lua_setfield(L, 2, "new");
  lua_settop(L, 2);
  lnL_field(L, 1, "data");                                /* given args data */
  if (lnL_to_blob(L, 3, &blob)) return write_blob(L, &blob);
  if (lua_type(L, 3) != LUA_TSTRING) lnL_bad(L, "file.write", "data", "a text or a blob", 3);
  ln_str data = lnL_text(L, "file.write", "data", 3);
  if (!ln_digests_of(data, &d, &err)) return lnL_raise_in(L, "file.write", &err);
  set_content(L, (int64_t)data.n, ln_str_of(d.sha256), ln_str_of(d.sha1), ln_str_of(d.md5));
  const ln_op *op = op_of(L);
  content *c = malloc(sizeof *c + data.n); /* nothing raises from here on that could lose it   */
  if (!c) {
    ln_fail(&err, "memory", LN_AGAIN, "no memory for %zu bytes", data.n);
    return lnL_raise_in(L, "file.write", &err);
  }
  c->n = data.n;
  if (data.n) memcpy(c->bytes, data.p, data.n);
  return lnL_effect(L, op, 2, c, free);
}

int luaopen_file(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"read", l_read}, {"hash", l_hash}, {"write", l_write}, {"remove", l_remove}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
