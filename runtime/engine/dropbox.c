/* dropbox.c: see dropbox.h.  A file is moved only when its alerts are on disk; whoever dies in between finds
** it again, and its alerts there already.  What could not be taken now stays, and is tried again.
**
** What is moved is the file that was read: another one that came to its name meanwhile stays, and is read.
** One that cannot be moved (the folder may not be written) is remembered, so that it is not read again and
** again, and moved when that is possible. */
#include "engine/dropbox.h"

#include "base/log.h"
#include "base/watch.h"
#include "engine/silence.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { AT_ONCE = 16, AGAIN_MS = 1000, STUCK_MOST = 1000, STUCK_MS = 60000 };

struct dropped;
struct ln_dropbox {
  ln_engine *g;
  ln_alerts *alerts;
  char *folder;
  ln_watch *watch;
  ln_timer again, retry;
  struct dropped *under_way, *stuck;
  size_t n, n_stuck;
};

typedef struct dropped {                                 /* a file that was read                            */
  ln_dropbox *d;                                         /* NULL: nobody watches any more                   */
  struct dropped *next;
  char name[NAME_MAX + 1];
  struct stat is;                                        /* which one it was                                */
  const char *sub;                                       /* where it is to go to; NULL: it is not known yet */
  char *why;                                             /* NULL: nothing is to be said                     */
} dropped;

/* ------------------------------------------------------------------ moving */

static bool path_of(const ln_dropbox *d, const char *sub, const char *name, const char *more,
                    char out[PATH_MAX]) {
  int n = snprintf(out, PATH_MAX, "%s/%s%s%s%s", d->folder, sub, sub[0] ? "/" : "", name, more);
  return n > 0 && n < PATH_MAX;
}

static void say_why(const ln_dropbox *d, const char *sub, const char *name, ln_str why) {
  char path[PATH_MAX];
  if (!why.n || !path_of(d, sub, name, ".why", path)) return;
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
  if (!f) {
    if (fd >= 0) close(fd);
    return;
  }
  fwrite(why.p, 1, why.n, f);
  fclose(f);
}

/* Under its name, or the first NAME.N that is free. */
static bool move(const ln_dropbox *d, const char *name, const char *sub, ln_str why) {
  char from[PATH_MAX], to[PATH_MAX], as[NAME_MAX + 16];
  if (!path_of(d, "", name, "", from) || !path_of(d, sub, "", "", to)) return false;
  if (mkdir(to, 0700) < 0 && errno != EEXIST) return false;
  for (int n = 0; n < 10000; n++) {
    if (n) snprintf(as, sizeof as, "%s.%d", name, n);
    else snprintf(as, sizeof as, "%s", name);
    if (!path_of(d, sub, as, "", to)) return false;
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return say_why(d, sub, as, why), true;
    if (errno != EEXIST) return false;
  }
  return false;
}

static bool same_file(const struct stat *a, const struct stat *b) {
  return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
         a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void dropped_free(dropped *f) {
  free(f->why);
  free(f);
}

/* False: it is where it was.  Another file of its name is none of ours. */
static bool moved(const dropped *f) {
  char path[PATH_MAX];
  struct stat now;
  if (!path_of(f->d, "", f->name, "", path) || lstat(path, &now) < 0 || !same_file(&now, &f->is)) {
    ln_log(LN_WARN, "intake.file", "name=%s another=yes", f->name);
    return true;
  }
  if (!move(f->d, f->name, f->sub, ln_str_of(f->why))) return false;
  ln_log(f->why ? LN_WARN : LN_INFO, "intake.file", "name=%s to=%s", f->name, f->sub);
  return true;
}

static void stick(dropped *f) {
  ln_dropbox *d = f->d;
  f->next = d->stuck;
  d->stuck = f;
  if (!d->n_stuck++) d->g->loop->timer(d->g->loop, &d->retry, STUCK_MS);
}

/* Takes f, which is in no list. */
static void put_away(dropped *f, const char *sub, ln_str why) {
  f->sub = sub;
  f->why = why.n ? ln_str_dup(why) : NULL;
  if (moved(f)) {
    dropped_free(f);
    return;
  }
  ln_log(LN_ERROR, "intake.file", "name=%s to=%s error=%s", f->name, sub, strerror(errno));
  stick(f);
}

/* Moves what is stuck; all: also past one that still is. */
static void unstick(ln_dropbox *d, bool all) {
  dropped *list = d->stuck, *next;
  bool blocked = false;
  d->stuck = NULL;
  d->n_stuck = 0;
  d->g->loop->cancel(d->g->loop, &d->retry);
  for (dropped *f = list; f; f = next) {
    next = f->next;
    if (!blocked && moved(f)) dropped_free(f);
    else stick(f), blocked = !all;
  }
}

/* ------------------------------------------------------------------ one file */

static void put_reasons(ln_str answer, ln_buf *why, size_t *known) {
  ln_vitem list, one;
  *known = ln_v_get(answer, LN_STR("alerts"), &list) ? list.count : 0;
  if (!ln_v_get(answer, LN_STR("unknown"), &list)) return;
  for (ln_str rest = list.body; rest.n && ln_v_read(&rest, &one);) {
    ln_str at = ln_v_get_str(one.whole, "at");
    ln_buf_addf(why, "%.*s%s%.*s\n", LN_STR_ARG(at), at.n ? ": " : "",
                LN_STR_ARG(ln_v_get_str(one.whole, "why")));
  }
}

static void leave(dropped *f) {
  ln_dropbox *d = f->d;
  for (dropped **at = &d->under_way; *at; at = &(*at)->next)
    if (*at == f) {
      *at = f->next;
      d->n--;
      break;
    }
}

/* What helps by itself is waited for: no room, a full disk. */
static bool helps_later(const ln_err *err) {
  return ln_err_is(err, "unavailable") || ln_err_is(err, "memory") || ln_err_is(err, "store");
}

static void taken(void *arg, ln_str answer, const ln_err *err) {
  dropped *f = arg;
  ln_dropbox *d = f->d;
  ln_buf why;
  size_t known = 0;
  bool later = err && helps_later(err);
  if (!d) {
    dropped_free(f);
    return;
  }
  ln_buf_init(&why, 1 << 20);
  leave(f);
  if (err) ln_buf_addf(&why, "%s\n", err->message);
  else put_reasons(answer, &why, &known);
  if (later) dropped_free(f);
  else put_away(f, known || !why.n ? "done" : "refused", ln_buf_view(&why));
  ln_buf_free(&why);
  d->g->loop->timer(d->g->loop, &d->again, later ? AGAIN_MS : 0);
}

/* At most one byte more than may be taken, so that what is too large is told from what is not. */
static bool read_file(int fd, ln_buf *out, ln_err *err) {
  for (;;) {
    char *room = ln_buf_room(out, 1 << 16);
    ssize_t n = room ? read(fd, room, 1 << 16) : -1;
    if (!room) return ln_buf_ok(out, err);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ln_fail(err, "unavailable", LN_AGAIN, "it cannot be read: %s", strerror(errno));
    if (n == 0) return true;
    ln_buf_grew(out, (size_t)n);
  }
}

/* Reads it, as it is now, into f. */
static bool read_dropped(dropped *f, int fd, ln_buf *text, ln_err *err) {
  struct stat after;
  if (fstat(fd, &f->is) < 0 || !S_ISREG(f->is.st_mode))
    return ln_fail(err, "unavailable", LN_AGAIN, "it is no file any more");
  if (!read_file(fd, text, err)) return false;
  return (fstat(fd, &after) == 0 && same_file(&after, &f->is)) ||
         ln_fail(err, "unavailable", LN_AGAIN, "it changes while it is read");
}

/* Takes f. */
static bool hand_in(dropped *f, ln_str text, ln_err *err) {
  char cursor[LN_INTAKE_NAME];
  ln_alert_from from = {.by = LN_STR("folder"), .source = LN_STR("folder")};
  ln_dropbox *d = f->d;
  ln_intake_cursor("folder", (ln_str){NULL, 0}, cursor);
  if (d->g->config->intake_silent_ms) from.cursor = ln_str_of(cursor);
  f->next = d->under_way;
  d->under_way = f;
  d->n++;
  if (ln_alerts_take(d->alerts, text, &from, taken, f, err)) return true;
  leave(f);
  return false;
}

/* False: there is no room for this one now, nor for others. */
static bool take_open(ln_dropbox *d, const char *name, int fd) {
  ln_buf text;
  ln_err err = {0};
  dropped *f = calloc(1, sizeof *f);
  if (!f) return false;
  f->d = d;
  snprintf(f->name, sizeof f->name, "%s", name);
  ln_buf_init(&text, LN_ALERTS_TEXT + (1 << 17));
  bool ok = read_dropped(f, fd, &text, &err) && hand_in(f, ln_buf_view(&text), &err);
  ln_buf_free(&text);
  if (ok) return true;
  bool later = helps_later(&err);
  if (later) dropped_free(f);
  else put_away(f, "refused", ln_str_of(err.message));
  return !later;
}

static bool take(ln_dropbox *d, const char *name) {
  char path[PATH_MAX];
  struct stat st;
  bool busy;
  if (!path_of(d, "", name, "", path) || lstat(path, &st) < 0 || !S_ISREG(st.st_mode)) return true;
  int fd = ln_watch_open(d->watch, path, O_NOFOLLOW, &busy);
  if (fd < 0) {
    if (!busy) ln_log(LN_WARN, "intake.file", "name=%s error=%s", name, strerror(errno));
    return true;                                         /* it is called again once it is closed            */
  }
  bool ok = take_open(d, name, fd);
  close(fd);
  return ok;
}

/* ------------------------------------------------------------------ the folder */

static bool is_in(const dropped *list, const char *name) {
  for (const dropped *f = list; f; f = f->next)
    if (strcmp(f->name, name) == 0) return true;
  return false;
}

static void scan(void *arg) {
  ln_dropbox *d = arg;
  bool room = true;
  unstick(d, false);
  DIR *dir = opendir(d->folder);
  if (!dir) return;
  for (struct dirent *e; room && d->n < AT_ONCE && d->n_stuck < STUCK_MOST && (e = readdir(dir));)
    if (e->d_name[0] != '.' && !is_in(d->under_way, e->d_name) && !is_in(d->stuck, e->d_name))
      room = take(d, e->d_name);
  closedir(dir);
  if (!room) d->g->loop->timer(d->g->loop, &d->again, AGAIN_MS);
}

static void retry(void *arg) {
  ln_dropbox *d = arg;
  unstick(d, true);
  if (d->n_stuck) ln_log(LN_ERROR, "intake.stuck", "files=%zu", d->n_stuck);
  scan(d);
}

ln_dropbox *ln_dropbox_start(ln_engine *g, ln_alerts *alerts, ln_str folder, ln_err *err) {
  ln_dropbox *d = calloc(1, sizeof *d);
  if (!d || !(d->folder = ln_str_dup(folder))) {
    free(d);
    ln_fail(err, "memory", LN_AGAIN, "no memory for a folder");
    return NULL;
  }
  d->g = g;
  d->alerts = alerts;
  d->again = (ln_timer){.loop = g->loop, .fn = scan, .arg = d};
  d->retry = (ln_timer){.loop = g->loop, .fn = retry, .arg = d};
  const ln_str one = ln_str_of(d->folder);
  const ln_watch_opts o = {.folders = &one, .n = 1, .suffix = "", .changed = scan, .arg = d};
  if ((d->watch = ln_watch_start(g->loop, &o, err)) && g->loop->timer(g->loop, &d->again, 0)) return d;
  ln_dropbox_stop(d);
  return NULL;
}

void ln_dropbox_stop(ln_dropbox *d) {
  if (!d) return;
  d->g->loop->cancel(d->g->loop, &d->again);
  d->g->loop->cancel(d->g->loop, &d->retry);
  for (dropped *f = d->under_way, *next; f; f = next) {
    next = f->next;
    f->d = NULL;                                         /* freed when its answer comes */
  }
  for (dropped *f = d->stuck, *next; f; f = next) {
    next = f->next;
    dropped_free(f);
  }
  ln_watch_stop(d->watch);
  free(d->folder);
  free(d);
}
