/* mark.c: a store of another moment.  What a copy holds was so once; the vendors have moved on since, and a
** copy that goes on as if nothing had happened does everything a second time.  So a backup carries a mark,
** and whoever opens it makes it a store of now, in one transaction that clears the mark: it can happen once
** only, whenever the process dies.
**
** A copy that was made by other means has no mark.  But a store remembers which file it lies in, by inode and
** time of birth; in a copy both are others.  Where the file system knows no time of birth nothing is
** concluded.  What was copied *over* a store's own file is the same file: that goes unseen.
**
** A backup is made by VACUUM INTO: one snapshot, however long it takes, in which others go on writing.  It is
** made under another name, in which the place is wrong and so a mark by itself, and gets its own name when it
** is marked and on disk. */
#include "base/folder.h"
#include "base/units.h"
#include "store/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PLACE = 80 };

/* ------------------------------------------------------------------ the file that a store lies in */

/* "" : nobody can tell. */
static void place_of(const ln_store *s, char out[PLACE]) {
  struct statx st;
  out[0] = '\0';
  if (s->vfs || statx(AT_FDCWD, s->path, 0, STATX_INO | STATX_BTIME, &st) != 0) return;
  if (!(st.stx_mask & STATX_INO) || !(st.stx_mask & STATX_BTIME)) return;
  snprintf(out, PLACE, "%llu %lld.%09u", (unsigned long long)st.stx_ino, (long long)st.stx_btime.tv_sec,
           st.stx_btime.tv_nsec);
}

/* An inode is used again, and a time of birth is not always kept: both have to differ. */
static bool is_elsewhere(ln_str was, ln_str now) {
  ln_str inode, born, inode_now, born_now;
  return was.n && now.n && ln_str_cut(was, ' ', &inode, &born) &&
         ln_str_cut(now, ' ', &inode_now, &born_now) && !ln_str_eq(inode, inode_now) &&
         !ln_str_eq(born, born_now);
}

bool ln_mark_place(ln_store *s, ln_err *err) {
  char place[PLACE];
  int64_t has;
  bool found;
  place_of(s, place);
  if (!place[0]) return true;
  if (!ln_conn_ints(s->reader, &has, 1, &found, err, "SELECT 1 FROM mark WHERE name = 'place'", ""))
    return false;
  return found ||
         ln_conn_exec(s->reader, NULL, err, "INSERT OR IGNORE INTO mark(name, value) VALUES('place', ?)", "t",
                      ln_str_of(place));
}

/* ------------------------------------------------------------------ is it a copy? */

static bool mark_value(ln_conn *c, const char *name, ln_buf *out, ln_err *err) {
  bool found;
  return ln_conn_bytes(c, out, &found, err, "SELECT value FROM mark WHERE name = ?", "t", ln_str_of(name));
}

static bool why_copied(const ln_store *s, ln_conn *c, ln_buf *why, ln_err *err) {
  char place[PLACE];
  ln_buf backup, was;
  ln_buf_init(&backup, 1 << 14);
  ln_buf_init(&was, 1 << 10);
  place_of(s, place);
  bool ok = mark_value(c, "backup", &backup, err) && mark_value(c, "place", &was, err);
  if (ok && backup.n) ln_buf_addf(why, "restored from a backup of %.*s", LN_STR_ARG(ln_buf_view(&backup)));
  else if (ok && is_elsewhere(ln_buf_view(&was), ln_str_of(place)))
    ln_buf_addz(why, "the store's file is a copy of another one");
  ln_buf_free(&backup);
  ln_buf_free(&was);
  return ok && ln_buf_ok(why, err);
}

bool ln_store_copied(ln_store *s, ln_buf *why, ln_err *err) {
  ln_store_lock(s);
  return ln_store_unlock(s, why_copied(s, s->reader, why, err));
}

/* ------------------------------------------------------------------ making it the store of now */

#define LIVE "state IN ('running', 'waiting', 'cancelling')"

static bool put_runs_away(ln_tx *tx, ln_str waiting, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err, "DELETE FROM wait", "") &&
         ln_conn_exec(tx->c, NULL, err,
                      "INSERT INTO wait(run, key, due) SELECT id, 'restored', ? FROM run WHERE " LIVE, "i",
                      LN_NEVER) &&
         ln_conn_exec(tx->c, NULL, err,
                      "UPDATE run SET owner = '', epoch = epoch + 1, state = 'waiting', waiting = ?"
                      " WHERE " LIVE,
                      "b", waiting);
}

/* When they were given is still known by their votes. */
static bool age_approvals(ln_tx *tx, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err,
                      "UPDATE approval SET decided_ms = 0 WHERE state = 'approved' AND run IN"
                      " (SELECT id FROM run WHERE " LIVE ")",
                      "");
}

/* Whoever has signed out since would be signed in again. */
static bool end_sessions(ln_tx *tx, ln_err *err) {
  return ln_conn_exec(tx->c, NULL, err, "DELETE FROM session", "");
}

static bool put_mark(ln_tx *tx, const char *name, ln_str value, ln_err *err) {
  return ln_conn_exec(
      tx->c, NULL, err,
      "INSERT INTO mark(name, value) VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET value = ?2", "tt",
      ln_str_of(name), value);
}

static bool clear_mark(ln_tx *tx, int64_t ms, ln_err *err) {
  char place[PLACE], text[24];
  place_of(tx->store, place);
  snprintf(text, sizeof text, "%lld", (long long)ms);
  return ln_conn_exec(tx->c, NULL, err, "DELETE FROM mark WHERE name IN ('backup', 'place')", "") &&
         (!place[0] || put_mark(tx, "place", ln_str_of(place), err)) &&
         put_mark(tx, "restored", ln_str_of(text), err);
}

bool ln_tx_restore(ln_tx *tx, ln_str waiting, int64_t ms, ln_buf *why, ln_err *err) {
  if (!why_copied(tx->store, tx->c, why, err)) return false;
  return why->n == 0 || (age_approvals(tx, err) && end_sessions(tx, err) &&
                         put_runs_away(tx, waiting, err) && clear_mark(tx, ms, err));
}

bool ln_tx_run_restored(ln_tx *tx, int64_t run, int64_t *ms, ln_err *err) {
  bool found;
  if (!ln_conn_ints(tx->c, ms, 1, &found, err,
                    "SELECT (SELECT CAST(value AS INTEGER) FROM mark WHERE name = 'restored')"
                    " FROM wait WHERE run = ? AND key = 'restored'",
                    "i", run))
    return false;
  return !found || ln_conn_exec(tx->c, NULL, err,
                                "UPDATE wait SET due = 0 WHERE key = 'restored' AND run IN"
                                " (SELECT id FROM run WHERE parent = ? AND parent <> 0)",
                                "i", run);
}

/* ------------------------------------------------------------------ making a copy */

static bool cannot(const char *what, ln_err *err) {
  return ln_fail(err, "failed", LN_FINAL, "%s cannot be written (%s): look at its folder", what,
                 strerror(errno));
}

static bool is_there(const char *file, ln_err *err) {
  return ln_fail(err, "conflict", LN_FINAL, "%s is there already: name another file", file);
}

static bool vacuum_into(const ln_store *s, const char *file, ln_err *err) {
  ln_conn *c = ln_conn_open(s->path, s->vfs, false, err);
  bool ok = c && ln_conn_exec(c, NULL, err, "VACUUM INTO ?", "t", ln_str_of(file));
  ln_conn_close(c);
  return ok;
}

/* Its transaction has the whole file synced. */
static bool mark_copy(const ln_store *s, const char *file, ln_err *err) {
  char at[LN_TIME_TEXT];
  ln_format_time(ln_now_ms(s->clock), at);
  ln_conn *c = ln_conn_open(file, s->vfs, false, err);
  bool ok = c && ln_conn_script(c, "PRAGMA synchronous = FULL", err) &&
            ln_conn_exec(c, NULL, err,
                         "INSERT INTO mark(name, value) VALUES('backup', ?1) ON CONFLICT(name) DO UPDATE SET"
                         " value = ?1",
                         "t", ln_str_of(at));
  ln_conn_close(c);
  return ok;
}

/* Not every file system can rename without replacing; those that cannot have links. */
static bool name_it(const char *made, const char *file, ln_err *err) {
  if (renameat2(AT_FDCWD, made, AT_FDCWD, file, RENAME_NOREPLACE) != 0) {
    if (errno == EEXIST) return is_there(file, err);
    if (errno != EINVAL && errno != ENOSYS) return cannot(file, err);
    if (link(made, file) != 0) return errno == EEXIST ? is_there(file, err) : cannot(file, err);
    unlink(made);
  }
  return ln_sync_folder(file) || cannot(file, err);
}

static bool backup_file(ln_store *s, const char *file, char *made, ln_err *err) {
  struct stat st;
  if (lstat(file, &st) == 0) return is_there(file, err);
  int fd = mkostemp(made, O_CLOEXEC); /* of mode 0600 */
  if (fd < 0) return cannot(file, err);
  close(fd);
  if (vacuum_into(s, made, err) && mark_copy(s, made, err) && name_it(made, file, err)) return true;
  unlink(made);
  return false;
}

bool ln_store_backup(ln_store *s, const char *file, ln_err *err) {
  if (s->vfs) return vacuum_into(s, file, err) && mark_copy(s, file, err);
  ln_buf made;
  ln_buf_init(&made, 1 << 14);
  bool ok = (ln_buf_addf(&made, "%s.unfinished.XXXXXX", file) || ln_buf_ok(&made, err)) &&
            backup_file(s, file, made.p, err);
  ln_buf_free(&made);
  return ok;
}
