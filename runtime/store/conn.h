/* conn.h: one connection to SQLite, for the files of this folder.  Statements are prepared once and kept;
** rows are copied out of SQLite before anybody sees them, so that no snapshot and no lock is held while a
** caller looks at one; a failure becomes an ln_err "store" that says what to do. */
#ifndef LN_STORE_CONN_H
#define LN_STORE_CONN_H

#include "base/buf.h"

#include <sqlite3.h>

enum {
  LN_BUSY_MS = 10000,                                    /* so long another process may hold the store */
  LN_STATEMENTS = 256,                                   /* slots for prepared statements; a power of two */
  LN_PAGE_ROWS = 64,                                     /* rows copied at a time */
  LN_PAGE_BYTES = 1 << 20
};

typedef struct ln_kept {
  const char *sql;                                       /* a literal: it is known by its address */
  sqlite3_stmt *stmt;
} ln_kept;

typedef struct ln_conn {
  sqlite3 *db;
  char *path;                                            /* for messages */
  bool broken;                                           /* an error that spoils the transaction under way */
  ln_kept kept[LN_STATEMENTS];
} ln_conn;

/* Opens PATH through VFS (NULL: SQLite's own) for reading and writing; `create` lets SQLite make the file. */
ln_conn *ln_conn_open(const char *path, const char *vfs, bool create, ln_err *err);
void ln_conn_close(ln_conn *c);                          /* NULL is welcome */

/* Fills err for SQLite's rc; always false.  Notes in c->broken whether the transaction can still be
** trusted. */
bool ln_conn_fail(ln_conn *c, int rc, ln_err *err);

/* Runs one or more statements without parameters. */
bool ln_conn_script(ln_conn *c, const char *sql, ln_err *err);

/* Every statement below is a literal, with its parameters in order as `types` says:
**   i  int64_t            t  ln_str as text, {NULL, 0} as ''      b  ln_str as bytes, the same
**                         T  text, or NULL when p is NULL         B  bytes, or NULL when p is NULL
** Texts are borrowed until the statement is through. */

/* Runs to the end; *changed (may be NULL): rows inserted, updated or deleted. */
bool ln_conn_exec(ln_conn *c, int64_t *changed, ln_err *err, const char *sql, const char *types, ...);

/* The integers of the first row into out[0..n); *found: was there a row?  (NULL: there must be one.) */
bool ln_conn_ints(ln_conn *c, int64_t *out, int n, bool *found, ln_err *err, const char *sql,
                  const char *types, ...);

/* The first column of the first row, appended to `out`; *found as above. */
bool ln_conn_bytes(ln_conn *c, ln_buf *out, bool *found, ln_err *err, const char *sql, const char *types,
                   ...);

/* For inner loops: binds a statement, and steps it.  Each start is followed by one ln_conn_end. */
sqlite3_stmt *ln_conn_start(ln_conn *c, ln_err *err, const char *sql, const char *types, ...);
bool ln_conn_step(ln_conn *c, sqlite3_stmt *q, bool *row, ln_err *err);
void ln_conn_end(sqlite3_stmt *q);
ln_str ln_column(sqlite3_stmt *q, int i);                /* lent until the next step */

/* --- rows, copied --- */
typedef struct ln_cell {
  int64_t i;
  ln_str s;                                              /* NUL-ended for convenience */
} ln_cell;

typedef struct ln_rows {
  ln_cell *row[LN_PAGE_ROWS];                            /* each one block, cells and texts */
  int n;
  bool more;                                             /* stopped at the bound, not at the end */
} ln_rows;

bool ln_conn_rows(ln_conn *c, ln_rows *r, ln_err *err, const char *sql, const char *types, ...);
void ln_rows_free(ln_rows *r);

#endif
