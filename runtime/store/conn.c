/* conn.c: SQLite with less ceremony.  A statement is known by the address of its literal, prepared at first
** use and kept as long as the connection (there are fewer of them than slots).  Errors that leave a
** transaction in an unknown state set `broken`: whoever owns the transaction then gives it up as a whole. */
#include "store/conn.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>

/* SQLite's own memory counters take a global lock at every allocation, and nobody reads them. */
static void configure(void) { sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); }

ln_conn *ln_conn_open(const char *path, const char *vfs, bool create, ln_err *err) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, configure);
  ln_conn *c = calloc(1, sizeof *c);
  if (!c || !(c->path = ln_str_dup(ln_str_of(path)))) {
    free(c);
    ln_fail(err, "memory", LN_AGAIN, "no memory to open the store");
    return NULL;
  }
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_PRIVATECACHE;
  int rc = sqlite3_open_v2(path, &c->db, flags | (create ? SQLITE_OPEN_CREATE : 0), vfs);
  if (rc != SQLITE_OK) {
    ln_conn_fail(c, rc, err);
    ln_conn_close(c);
    return NULL;
  }
  sqlite3_busy_timeout(c->db, LN_BUSY_MS);
  sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
  sqlite3_db_config(c->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
  return c;
}

void ln_conn_close(ln_conn *c) {
  if (!c) return;
  for (int i = 0; i < LN_STATEMENTS; i++) sqlite3_finalize(c->kept[i].stmt);
  sqlite3_close_v2(c->db);
  free(c->path);
  free(c);
}

/* --- failures in words --- */

static bool means_full(int os) { return os == ENOSPC || os == EDQUOT || os == EFBIG; }

/* SQLite knows ENOSPC, but calls a quota or a size limit an I/O error, and its rolling back may hide the
** errno: the file still has it. */
static bool disk_full(const ln_conn *c, int rc) {
  if (rc == SQLITE_FULL) return true;
  if ((rc & 0xff) != SQLITE_IOERR || !c->db) return false;
  int db = 0, log = 0;
  sqlite3_file *f = NULL;
  sqlite3_file_control(c->db, "main", SQLITE_FCNTL_LAST_ERRNO, &db);
  sqlite3_file_control(c->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &f);
  if (f && f->pMethods) f->pMethods->xFileControl(f, SQLITE_FCNTL_LAST_ERRNO, &log);
  return means_full(sqlite3_system_errno(c->db)) || means_full(db) || means_full(log);
}

bool ln_conn_fail(ln_conn *c, int rc, ln_err *err) {
  int os = c->db ? sqlite3_system_errno(c->db) : 0;
  const char *path = c->path;
  c->broken = c->broken || ((rc & 0xff) != SQLITE_CONSTRAINT && (rc & 0xff) != SQLITE_BUSY);
  if (disk_full(c, rc)) return ln_fail(err, "store", LN_AGAIN, "%s: the disk is full: make room on it", path);
  switch (rc & 0xff) {
  case SQLITE_BUSY:
    return ln_fail(err, "store", LN_AGAIN,
                   "%s: another process has held it for %d s: try again, or end that one", path,
                   LN_BUSY_MS / 1000);
  case SQLITE_NOTADB:
    return ln_fail(err, "store", LN_FINAL,
                   "%s is not a Lunette store, nor any SQLite database: name another file", path);
  case SQLITE_CORRUPT:
    return ln_fail(err, "store", LN_FINAL, "%s is damaged (%s): restore a backup", path,
                   sqlite3_errmsg(c->db));
  case SQLITE_NOMEM: return ln_fail(err, "memory", LN_AGAIN, "%s: no memory", path);
  case SQLITE_READONLY:
    return ln_fail(err, "store", LN_FINAL,
                   "%s cannot be written: give this user the right to write it and its folder", path);
  case SQLITE_CANTOPEN:
  case SQLITE_PERM:
    return ln_fail(err, "store", LN_FINAL,
                   "%s cannot be opened (%s): look at the path, and the rights on it and its folder", path,
                   os ? strerror(os) : sqlite3_errstr(rc));
  case SQLITE_IOERR:
    return ln_fail(err, "store", LN_AGAIN, "%s: %s (%s): look at the disk", path, sqlite3_errstr(rc),
                   os ? strerror(os) : "no further word");
  case SQLITE_TOOBIG: return ln_fail(err, "too_big", LN_FINAL, "%s: a value too big to be stored", path);
  default:
    return ln_fail(err, "store", LN_FINAL, "%s: %s", path,
                   c->db ? sqlite3_errmsg(c->db) : sqlite3_errstr(rc));
  }
}

bool ln_conn_script(ln_conn *c, const char *sql, ln_err *err) {
  int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
  return rc == SQLITE_OK || ln_conn_fail(c, rc, err);
}

/* --- statements --- */

static unsigned slot_of(const char *sql) { return (unsigned)(((uintptr_t)sql * 0x9E3779B97F4A7C15u) >> 56); }

/* NULL: it could not be prepared.  Nobody holds a statement while a caller's code runs, so one that is
** wanted is never in use. */
static sqlite3_stmt *kept(ln_conn *c, const char *sql, ln_err *err) {
  unsigned i = slot_of(sql);
  while (c->kept[i].sql && c->kept[i].sql != sql) i = (i + 1) % LN_STATEMENTS;
  ln_kept *k = &c->kept[i];
  if (!k->stmt) {
    int rc = sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &k->stmt, NULL);
    if (rc != SQLITE_OK) ln_conn_fail(c, rc, err);
    else k->sql = sql;
  }
  return k->stmt;
}

void ln_conn_end(sqlite3_stmt *q) { sqlite3_reset(q); }

static int bind(sqlite3_stmt *q, int i, char type, va_list *ap) {
  if (type == 'i') return sqlite3_bind_int64(q, i, va_arg(*ap, int64_t));
  ln_str s = va_arg(*ap, ln_str);
  if (!s.p && (type == 'T' || type == 'B')) return sqlite3_bind_null(q, i);
  if (!s.p) s = LN_STR("");
  if (type == 't' || type == 'T') return sqlite3_bind_text64(q, i, s.p, s.n, SQLITE_STATIC, SQLITE_UTF8);
  return sqlite3_bind_blob64(q, i, s.p, s.n, SQLITE_STATIC);
}

static sqlite3_stmt *start(ln_conn *c, ln_err *err, const char *sql, const char *types, va_list *ap) {
  sqlite3_stmt *q = kept(c, sql, err);
  if (!q) return NULL;
  for (int i = 0; types[i]; i++) {
    int rc = bind(q, i + 1, types[i], ap);
    if (rc == SQLITE_OK) continue;
    ln_conn_fail(c, rc, err);
    ln_conn_end(q);
    return NULL;
  }
  return q;
}

sqlite3_stmt *ln_conn_start(ln_conn *c, ln_err *err, const char *sql, const char *types, ...) {
  va_list ap;
  va_start(ap, types);
  sqlite3_stmt *q = start(c, err, sql, types, &ap);
  va_end(ap);
  return q;
}

bool ln_conn_step(ln_conn *c, sqlite3_stmt *q, bool *row, ln_err *err) {
  int rc = sqlite3_step(q);
  *row = rc == SQLITE_ROW;
  return rc == SQLITE_ROW || rc == SQLITE_DONE || ln_conn_fail(c, rc, err);
}

ln_str ln_column(sqlite3_stmt *q, int i) {
  const void *p = sqlite3_column_blob(q, i); /* before bytes: the order that SQLite wants */
  return (ln_str){p ? p : "", (size_t)sqlite3_column_bytes(q, i)};
}

bool ln_conn_exec(ln_conn *c, int64_t *changed, ln_err *err, const char *sql, const char *types, ...) {
  va_list ap;
  va_start(ap, types);
  sqlite3_stmt *q = start(c, err, sql, types, &ap);
  va_end(ap);
  if (!q) return false;
  int rc = sqlite3_step(q);
  if (changed) *changed = rc == SQLITE_DONE ? sqlite3_changes64(c->db) : 0;
  bool ok = rc == SQLITE_DONE || rc == SQLITE_ROW || ln_conn_fail(c, rc, err);
  ln_conn_end(q);
  return ok;
}

/* Steps q once: is there a row, where one is needed? */
static bool first(ln_conn *c, sqlite3_stmt *q, bool *found, bool *row, ln_err *err) {
  if (!q || !ln_conn_step(c, q, row, err)) return false;
  if (found) *found = *row;
  if (*row || found) return true;
  c->broken = true;
  return ln_fail(err, "store", LN_FINAL, "%s is damaged (a row is missing): restore a backup", c->path);
}

bool ln_conn_ints(ln_conn *c, int64_t *out, int n, bool *found, ln_err *err, const char *sql,
                  const char *types, ...) {
  va_list ap;
  va_start(ap, types);
  sqlite3_stmt *q = start(c, err, sql, types, &ap);
  va_end(ap);
  bool row = false, ok = first(c, q, found, &row, err);
  for (int i = 0; i < n; i++) out[i] = ok && row ? sqlite3_column_int64(q, i) : 0;
  if (q) ln_conn_end(q);
  return ok;
}

bool ln_conn_bytes(ln_conn *c, ln_buf *out, bool *found, ln_err *err, const char *sql, const char *types,
                   ...) {
  va_list ap;
  va_start(ap, types);
  sqlite3_stmt *q = start(c, err, sql, types, &ap);
  va_end(ap);
  bool row = false, ok = first(c, q, found, &row, err);
  if (ok && row) ok = ln_buf_add(out, ln_column(q, 0)) || ln_buf_ok(out, err);
  if (q) ln_conn_end(q);
  return ok;
}

/* --- rows, copied --- */

/* The row that q stands on as one block: its cells, then their texts.  NULL: no memory. */
static ln_cell *copy_row(sqlite3_stmt *q, size_t *bytes) {
  int n = sqlite3_column_count(q);
  size_t size = (size_t)n * sizeof(ln_cell);
  for (int i = 0; i < n; i++)
    if (sqlite3_column_type(q, i) != SQLITE_INTEGER) size += ln_column(q, i).n + 1;
  ln_cell *cell = malloc(size);
  if (!cell) return NULL;
  char *text = (char *)(cell + n);
  for (int i = 0; i < n; i++) {
    cell[i] = (ln_cell){0, {"", 0}};
    if (sqlite3_column_type(q, i) == SQLITE_INTEGER) {
      cell[i].i = sqlite3_column_int64(q, i);
      continue;
    }
    ln_str s = ln_column(q, i);
    if (s.n) memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    cell[i].s = (ln_str){text, s.n};
    text += s.n + 1;
  }
  *bytes += size;
  return cell;
}

bool ln_conn_rows(ln_conn *c, ln_rows *r, ln_err *err, const char *sql, const char *types, ...) {
  va_list ap;
  va_start(ap, types);
  sqlite3_stmt *q = start(c, err, sql, types, &ap);
  va_end(ap);
  *r = (ln_rows){.n = 0};
  if (!q) return false;
  bool row = false, ok;
  size_t bytes = 0;
  while ((ok = ln_conn_step(c, q, &row, err)) && row) {
    if (r->n == LN_PAGE_ROWS || bytes >= LN_PAGE_BYTES) {
      r->more = true;
      break;
    }
    if (!(r->row[r->n] = copy_row(q, &bytes))) {
      ok = ln_fail(err, "memory", LN_AGAIN, "%s: no memory to read it", c->path);
      break;
    }
    r->n++;
  }
  ln_conn_end(q);
  if (!ok) ln_rows_free(r);
  return ok;
}

void ln_rows_free(ln_rows *r) {
  while (r->n > 0) free(r->row[--r->n]);
}
