/* sqlite.c: opening a store, and reading from it.  The read connection is shared by the threads of the
** process; its lock is held while one page of rows is copied, never while a caller looks at a row, so a
** reader that is slow (a terminal that was stopped) holds neither a snapshot nor the others up.
**
** data_version tells that somebody committed, but counts our own writer among the others; so every commit
** counts itself in meta, and what is not ours is somebody else's. */
#include "base/folder.h"
#include "store/inside.h"
#include "store/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4000 }; /* with room for "-journal" below PATH_MAX */

static bool path_of(ln_str uri, ln_str *path, ln_err *err) {
  if (!ln_str_starts(uri, LN_STR("sqlite:")))
    return ln_fail(err, "store", LN_FINAL,
                   "'" LN_STR_FMT "' names no store that this program knows: write sqlite:PATH",
                   LN_STR_ARG(uri));
  *path = (ln_str){uri.p + 7, uri.n - 7};
  if (path->n == 0 || memchr(path->p, '\0', path->n))
    return ln_fail(err, "store", LN_FINAL, "the store's path is empty or holds a NUL: write sqlite:PATH");
  if (path->n > PATH_BYTES)
    return ln_fail(err, "store", LN_FINAL, "the store's path is longer than %d bytes: name a shorter one",
                   PATH_BYTES);
  return true;
}

/* SQLite takes ":memory:" for a name of its own; to us it is a file like any other. */
static char *full_path(ln_str path, const char *vfs) {
  ln_buf b;
  ln_buf_init(&b, PATH_BYTES + 8);
  if (path.p[0] == ':' && !vfs) ln_buf_addz(&b, "./");
  ln_buf_add(&b, path);
  return ln_buf_take(&b, NULL);
}

/* Makes an empty file that is nobody else's to read.  Never opens one that is there: closing it again would
** let go of the locks that this process may hold on it. */
static bool create_file(const char *path, ln_err *err) {
  int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  bool ours = fd >= 0 && ln_give_away(fd, path);
  int why = errno;
  if (fd >= 0) close(fd);
  errno = why;
  if (ours || errno == EEXIST) return true;
  return ln_fail(err, "store", LN_FINAL, "%s cannot be made (%s): look at its folder", path, strerror(errno));
}

static bool look_at_file(const char *path, bool must_exist, ln_err *err) {
  struct stat st;
  if (stat(path, &st) != 0) {
    if (errno == ENOENT && !must_exist) return create_file(path, err);
    return ln_fail(err, "store", LN_FINAL, "%s cannot be opened (%s): name a store that is there", path,
                   strerror(errno));
  }
  if (S_ISDIR(st.st_mode)) return ln_fail(err, "store", LN_FINAL, "%s is a folder: name a file", path);
  if (!S_ISREG(st.st_mode)) return ln_fail(err, "store", LN_FINAL, "%s is not a file: name one", path);
  if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) != 0)
    return ln_fail(err, "store", LN_FINAL, "%s cannot be read and written (%s): give this user the right to",
                   path, strerror(errno));
  return true;
}

static int64_t others_commits(ln_store *s, bool *ok, ln_err *err) {
  int64_t commits = 0;
  *ok = ln_conn_ints(s->reader, &commits, 1, NULL, err, "SELECT commits FROM meta", "");
  return commits - s->own_commits;
}

/* Whoever closes the last connection moves what the log has into the file, and removes the log. */
static void leave_log(ln_store *s, bool leave) {
  sqlite3_db_config(s->reader->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, leave, NULL);
}

static bool make_ready(ln_store *s, ln_err *err) {
  if (!s->looks) return ln_schema_open(s->reader, err) && ln_mark_place(s, err);
  leave_log(s, true);
  return ln_conn_script(s->reader, "PRAGMA query_only = ON", err) && ln_schema_look(s->reader, err);
}

static bool stat_log(const ln_store *s, struct stat *st) {
  ln_buf path;
  ln_buf_init(&path, PATH_BYTES + 8);
  bool known = ln_buf_addf(&path, "%s-wal", s->path) && stat(path.p, st) == 0;
  ln_buf_free(&path);
  return !s->vfs && known;
}

/* Its file is in a mode without a write-ahead log, as a backup is, and yet there is one beside it: of the
** store that was there before, and it would be read into this one.  Ours never looks so. */
static bool no_foreign_log(ln_store *s, ln_err *err) {
  struct stat st;
  sqlite3_file *f = NULL;
  unsigned char head[20] = {0};
  bool log = stat_log(s, &st) && st.st_size > 0;
  sqlite3_file_control(s->reader->db, "main", SQLITE_FCNTL_FILE_POINTER, &f);
  if (!log || !f || !f->pMethods || f->pMethods->xRead(f, head, sizeof head, 0) != SQLITE_OK || head[18] != 1)
    return true;
  return ln_fail(err, "store", LN_FINAL, "%s-wal belongs to another store, which was there before: remove it",
                 s->path);
}

static bool open_reader(ln_store *s, bool must_exist, ln_err *err) {
  if (!s->vfs && !look_at_file(s->path, must_exist, err)) return false;
  if (!(s->reader = ln_conn_open(s->path, s->vfs, s->vfs && !must_exist, err))) return false;
  if (!no_foreign_log(s, err)) return false;
  if (sqlite3_db_readonly(s->reader->db, "main") == 1) return ln_conn_fail(s->reader, SQLITE_READONLY, err);
  bool ok;
  if (!make_ready(s, err) ||
      !ln_conn_ints(s->reader, &s->data_version, 1, NULL, err, "PRAGMA data_version", ""))
    return false;
  s->others = others_commits(s, &ok, err);
  return ok;
}

ln_store *ln_store_open(ln_str uri, const ln_store_opts *o, ln_err *err) {
  static const ln_store_opts none;
  if (!o) o = &none;
  ln_str path = {NULL, 0};
  if (!path_of(uri, &path, err)) return NULL;
  ln_store *s = calloc(1, sizeof *s);
  if (!s) return ln_fail(err, "memory", LN_AGAIN, "no memory to open the store"), NULL;
  pthread_mutex_init(&s->read_mx, NULL);
  pthread_mutex_init(&s->write_mx, NULL);
  pthread_mutex_init(&s->count_mx, NULL);
  s->tx.store = s;
  s->looks = o->looks;
  s->watch = o->watch;
  s->tail_keep = LN_TAIL_KEEP;
  s->tail_slack = LN_TAIL_SLACK;
  s->clock = o->clock ? o->clock : ln_clock_real();
  s->path = full_path(path, o->vfs);
  s->vfs = o->vfs ? ln_str_dup(ln_str_of(o->vfs)) : NULL;
  if (!s->path || (o->vfs && !s->vfs)) ln_fail(err, "memory", LN_AGAIN, "no memory to open the store");
  else if (open_reader(s, o->must_exist || o->looks, err)) return s;
  ln_store_close(s);
  return NULL;
}

/* A log with something in it was left by a process that died: it is not ours to move.  An empty one was made
** by our own opening, and goes again. */
static bool log_is_empty(const ln_store *s) {
  struct stat st;
  return stat_log(s, &st) && st.st_size == 0;
}

void ln_store_close(ln_store *s) {
  if (!s) return;
  if (s->looks && s->reader && log_is_empty(s)) leave_log(s, false);
  ln_writer_stop(s);
  ln_tx_free(&s->tx);
  ln_tail_free(&s->read_tail);
  ln_conn_close(s->reader);
  pthread_mutex_destroy(&s->read_mx);
  pthread_mutex_destroy(&s->write_mx);
  pthread_mutex_destroy(&s->count_mx);
  free(s->path);
  free(s->vfs);
  free(s);
}

const char *ln_store_path(const ln_store *s) { return s->path; }

bool ln_store_simulated(const ln_store *s) { return s->vfs != NULL; }

void ln_store_lock(ln_store *s) { pthread_mutex_lock(&s->read_mx); }

bool ln_store_unlock(ln_store *s, bool ok) {
  pthread_mutex_unlock(&s->read_mx);
  return ok;
}

/* Our own count and the file's are looked at together, so that a commit of ours is never taken for
** another's. */
bool ln_store_changed(ln_store *s) {
  int64_t version = 0;
  bool changed = false, ok;
  ln_store_lock(s);
  if (ln_conn_ints(s->reader, &version, 1, NULL, NULL, "PRAGMA data_version", "") &&
      version != s->data_version) {
    pthread_mutex_lock(&s->count_mx);
    int64_t others = others_commits(s, &ok, NULL);
    pthread_mutex_unlock(&s->count_mx);
    changed = !ok || others != s->others;
    if (ok) {
      s->data_version = version;
      s->others = others;
    }
  }
  return ln_store_unlock(s, changed);
}
