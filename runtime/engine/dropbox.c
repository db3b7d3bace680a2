/* dropbox.c: see dropbox.h.  A file is moved only when its alerts are on disk; whoever dies in between finds
** it again, and its alerts there already.  What could not be taken now stays, and is tried again. */
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

enum { AT_ONCE = 16, AGAIN_MS = 1000 };

struct dropped;
struct ln_dropbox {
  ln_engine *g;
  ln_alerts *alerts;
  char *folder;
  ln_watch *watch;
  ln_timer again;
  struct dropped *under_way;
  size_t n;
};

typedef struct dropped {                                 /* a file that is on its way                       */
  ln_dropbox *d;                                         /* NULL: nobody watches any more                   */
  struct dropped *next;
  char name[NAME_MAX + 1];
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

static void put_away(ln_dropbox *d, const char *name, const char *sub, ln_str why) {
  if (move(d, name, sub, why)) {
    ln_log(why.n ? LN_WARN : LN_INFO, "intake.file", "name=%s to=%s", name, sub);
    return;
  }
  ln_log(LN_ERROR, "intake.file", "name=%s to=%s error=%s", name, sub, strerror(errno));
  d->g->loop->timer(d->g->loop, &d->again, 60 * AGAIN_MS);
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

static void scan(void *arg);

static void leave(dropped *f) {
  ln_dropbox *d = f->d;
  for (dropped **at = d ? &d->under_way : NULL; at && *at; at = &(*at)->next)
    if (*at == f) {
      *at = f->next;
      d->n--;
      break;
    }
  free(f);
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
  ln_buf_init(&why, 1 << 20);
  if (!d) {
    free(f);
    return;
  }
  if (err && !helps_later(err)) ln_buf_addf(&why, "%s\n", err->message);
  if (!err) put_reasons(answer, &why, &known);
  if (!err || why.n) put_away(d, f->name, known || !why.n ? "done" : "refused", ln_buf_view(&why));
  ln_buf_free(&why);
  bool later = err && helps_later(err);
  leave(f);
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

static bool hand_in(ln_dropbox *d, const char *name, ln_str text, ln_err *err) {
  char cursor[LN_INTAKE_NAME];
  ln_alert_from from = {.by = LN_STR("folder"), .source = LN_STR("folder")};
  ln_intake_cursor("folder", (ln_str){NULL, 0}, cursor);
  if (d->g->config->intake_silent_ms) from.cursor = ln_str_of(cursor);
  dropped *f = calloc(1, sizeof *f);
  if (!f) return ln_fail(err, "memory", LN_AGAIN, "no memory for a file");
  f->d = d;
  f->next = d->under_way;
  d->under_way = f;
  d->n++;
  snprintf(f->name, sizeof f->name, "%s", name);
  if (ln_alerts_take(d->alerts, text, &from, taken, f, err)) return true;
  leave(f);
  return false;
}

static void take(ln_dropbox *d, const char *name) {
  char path[PATH_MAX];
  struct stat st;
  bool busy;
  ln_buf text;
  ln_err err = {0};
  if (!path_of(d, "", name, "", path) || lstat(path, &st) < 0 || !S_ISREG(st.st_mode)) return;
  int fd = ln_watch_open(d->watch, path, &busy);
  if (fd < 0) {
    if (!busy) ln_log(LN_WARN, "intake.file", "name=%s error=%s", name, strerror(errno));
    return;                                              /* it is called again once it is closed            */
  }
  ln_buf_init(&text, LN_ALERTS_TEXT + (1 << 17));
  bool ok = read_file(fd, &text, &err);
  close(fd);
  ok = ok && hand_in(d, name, ln_buf_view(&text), &err);
  ln_buf_free(&text);
  if (ok) return;
  if (helps_later(&err)) d->g->loop->timer(d->g->loop, &d->again, AGAIN_MS);
  else put_away(d, name, "refused", ln_str_of(err.message));
}

/* ------------------------------------------------------------------ the folder */

static bool is_under_way(const ln_dropbox *d, const char *name) {
  for (const dropped *f = d->under_way; f; f = f->next)
    if (strcmp(f->name, name) == 0) return true;
  return false;
}

static void scan(void *arg) {
  ln_dropbox *d = arg;
  DIR *dir = opendir(d->folder);
  if (!dir) return;
  for (struct dirent *e; d->n < AT_ONCE && (e = readdir(dir));)
    if (e->d_name[0] != '.' && !is_under_way(d, e->d_name)) take(d, e->d_name);
  closedir(dir);
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
  const ln_str one = ln_str_of(d->folder);
  const ln_watch_opts o = {.folders = &one, .n = 1, .suffix = "", .changed = scan, .arg = d};
  if ((d->watch = ln_watch_start(g->loop, &o, err)) && g->loop->timer(g->loop, &d->again, 0)) return d;
  ln_dropbox_stop(d);
  return NULL;
}

void ln_dropbox_stop(ln_dropbox *d) {
  if (!d) return;
  d->g->loop->cancel(d->g->loop, &d->again);
  for (dropped *f = d->under_way, *next; f; f = next) {
    next = f->next;
    f->d = NULL;                                         /* freed when its answer comes */
  }
  ln_watch_stop(d->watch);
  free(d->folder);
  free(d);
}
