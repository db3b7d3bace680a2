/* watch_uv.c: inotify, on libuv's poll.  A watch a folder; whenever folders came or went, all that are there
** are walked through anew, and so are they when the kernel's queue overflowed: adding a watch that is there
** already costs nothing, and nothing has to be kept in step with what exactly happened.  The folder above
** each of those that are watched is watched, too, for that one name: it may be a link that is changed, or
** come later.  So is the folder that a link to a file leads to, for that file: it may lie anywhere.
**
** A file that is open for writing is half written.  The kernel says so to whoever wants a read lease on a
** file of its own; where it gives none, what was written and not yet closed is known from the events. */
#include "base/watch.h"

#include "base/buf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

enum {
  ONE_MS = 20,                                           /* of quiet, after one file                        */
  MANY_MS = 200,                                         /* after several, or a removal: more will follow   */
  MOST_MS = 1500,                                        /* after the first                                 */
  DEEP = 12,
  HOPS = 8                                               /* of links that lead to links                     */
};

enum {
  COMES = IN_CREATE | IN_MOVED_TO,
  GOES = IN_DELETE | IN_MOVED_FROM,
  INSIDE = COMES | GOES | IN_MODIFY | IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR
};

typedef struct folder {
  int wd;
  char *path;
  const char *only;                                      /* the one name that counts there; NULL: all do    */
  bool linked;                                           /* that of a file a link leads to: `only` is ours  */
  bool seen;                                             /* by the walk that goes on                        */
} folder;

struct ln_watch {
  uv_poll_t poll;
  ln_loop *loop;
  int fd;
  char **roots, *suffix;
  size_t n_roots;
  ln_task_fn changed;
  void *arg;
  folder *v;
  size_t n, cap;
  char **written;                                        /* files that were written, and not yet closed     */
  size_t n_written, cap_written;
  bool stale;                                            /* folders came or went                            */
  ln_timer timer;
  int64_t since_ms;                                      /* of the first change; 0: there was none          */
  char *first;                                           /* what that was of                                */
  bool several, touched;
  bool settles;                                          /* whoever runs the loop waits for the next call   */
};

static int64_t now_ms(const ln_watch *w) { return ln_mono_us(w->loop->clock) / 1000; }

/* ------------------------------------------------------------------ the folders */

static void free_folder(const folder *f) {
  free(f->path);
  if (f->linked) free((char *)(uintptr_t)f->only);
}

/* A folder is in the list once for each way in which it counts.  For want of memory, or of watches, it is
** passed over: whoever has too many of them is told at the start. */
static bool same_folder(const folder *a, const folder *b) {
  bool linked = a->linked && b->linked && a->only && b->only;
  bool only = a->only == b->only || (linked && strcmp(a->only, b->only) == 0);
  return a->wd == b->wd && only && a->path && b->path && strcmp(a->path, b->path) == 0;
}

static bool add(ln_watch *w, const char *path, const char *only, bool linked) {
  uint32_t of_name = COMES | GOES | IN_MASK_ADD | IN_ONLYDIR | (linked ? IN_CLOSE_WRITE : 0);
  int wd = inotify_add_watch(w->fd, path, only ? of_name : INSIDE);
  folder f = {wd, (char *)(uintptr_t)path, only, linked, true};
  if (wd < 0) return errno != ENOSPC && errno != ENOMEM;
  for (size_t i = 0; i < w->n; i++)
    if (same_folder(&w->v[i], &f)) return w->v[i].seen = true;
  if (w->n == w->cap) {
    size_t cap = w->cap ? 2 * w->cap : 32;
    folder *v = reallocarray(w->v, cap, sizeof *v);
    if (!v) return false;
    w->v = v;
    w->cap = cap;
  }
  f.path = ln_str_dup(ln_str_of(path));
  if (linked) f.only = ln_str_dup(ln_str_of(only));
  w->v[w->n] = f;
  if (f.path && (f.only || !linked)) return ++w->n;
  free_folder(&f);
  return false;
}

/* Where a link to a script leads, and the links on the way. */
static bool add_linked(ln_watch *w, const char *link) {
  char path[PATH_MAX], to[PATH_MAX], next[PATH_MAX];
  bool ok = true;
  snprintf(path, sizeof path, "%s", link);
  for (int hop = 0; ok && hop < HOPS; hop++) {
    ssize_t n = readlink(path, to, sizeof to - 1);
    if (n <= 0) return true;
    to[n] = 0;
    char *slash = strrchr(path, '/');
    int all = to[0] == '/' || !slash ? snprintf(next, sizeof next, "%s", to)
                                     : snprintf(next, sizeof next, "%.*s/%s", (int)(slash - path), path, to);
    if (all < 0 || (size_t)all >= sizeof next) return true;
    memcpy(path, next, sizeof path);
    if (!(slash = strrchr(path, '/')) || !slash[1]) return true;
    *slash = 0;
    ok = add(w, slash == path ? "/" : path, slash + 1, true);
    *slash = '/';
  }
  return ok;
}

/* The watch comes before the look: what is made in between is seen by either. */
static bool walk(ln_watch *w, const char *path, int depth) {
  char below[PATH_MAX];
  struct dirent *d;
  struct stat st;
  DIR *dir;
  bool ok = depth >= DEEP || add(w, path, NULL, false);
  if (!ok || depth >= DEEP || !(dir = opendir(path))) return ok;
  while (ok && (d = readdir(dir))) {
    if (d->d_name[0] == '.' || d->d_type == DT_REG) continue;
    if (snprintf(below, sizeof below, "%s/%s", path, d->d_name) >= (int)sizeof below) continue;
    if (stat(below, &st) == 0 && S_ISDIR(st.st_mode)) ok = walk(w, below, depth + 1);
    else if (ln_str_ends(ln_str_of(below), ln_str_of(w->suffix))) ok = add_linked(w, below);
  }
  closedir(dir);
  return ok;
}

/* The nearest folder above that is there; only: the name in it that leads to the root, within the root's own
** text: one that is compared up to its '/'. */
static bool add_above(ln_watch *w, const char *root) {
  char path[PATH_MAX];
  struct stat st;
  snprintf(path, sizeof path, "%s", root);
  for (;;) {
    char *slash = strrchr(path, '/');
    const char *name = slash ? root + (slash - path) + 1 : root;
    if (slash) *slash = 0;
    const char *above = !slash ? "." : slash == path ? "/" : path;
    if (stat(above, &st) == 0) return add(w, above, name, false);
    if (!slash || slash == path) return true;
  }
}

static void drop(ln_watch *w, size_t i) {
  int wd = w->v[i].wd;
  free_folder(&w->v[i]);
  w->v[i] = w->v[--w->n];
  for (size_t k = 0; k < w->n; k++)
    if (w->v[k].wd == wd) return;
  inotify_rm_watch(w->fd, wd);                           /* quiet when the folder itself is gone            */
}

static bool look(ln_watch *w) {
  bool ok = true;
  w->stale = false;
  for (size_t i = 0; i < w->n; i++) w->v[i].seen = false;
  for (size_t i = 0; ok && i < w->n_roots; i++) ok = add_above(w, w->roots[i]) && walk(w, w->roots[i], 0);
  for (size_t i = w->n; ok && i-- > 0;)
    if (!w->v[i].seen) drop(w, i);
  return ok;
}

/* ------------------------------------------------------------------ what is being written */

static size_t find_written(const ln_watch *w, const char *path) {
  size_t i = 0;
  while (i < w->n_written && strcmp(w->written[i], path) != 0) i++;
  return i;
}

static void forget_written(ln_watch *w, const char *path) {
  size_t i = find_written(w, path);
  if (i == w->n_written) return;
  free(w->written[i]);
  w->written[i] = w->written[--w->n_written];
}

static void note_written(ln_watch *w, const char *path) {
  if (find_written(w, path) < w->n_written) return;
  if (w->n_written == w->cap_written) {
    size_t cap = w->cap_written ? 2 * w->cap_written : 16;
    char **v = reallocarray(w->written, cap, sizeof *v);
    if (!v) return;                                      /* the lease tells, where there are any            */
    w->written = v;
    w->cap_written = cap;
  }
  if ((w->written[w->n_written] = ln_str_dup(ln_str_of(path)))) w->n_written++;
}

/* ------------------------------------------------------------------ quiet */

static void arm(ln_watch *w) {
  int64_t wait = w->several ? MANY_MS : ONE_MS, left = w->since_ms + MOST_MS - now_ms(w);
  if (wait > left) wait = left > 0 ? left : 0;
  w->loop->timer(w->loop, &w->timer, wait);
}

static void touch(ln_watch *w, const char *path, bool more) {
  if (!w->since_ms) {
    w->since_ms = now_ms(w);
    free(w->first);
    w->first = ln_str_dup(ln_str_of(path));
    w->several = false;
  }
  w->touched = true;
  w->several = w->several || more || !w->first || strcmp(w->first, path) != 0;
}

/* What is still open for writing is waited for, as long as that may take. */
static void fire(void *arg) {
  ln_watch *w = arg;
  int64_t left = w->since_ms + MOST_MS - now_ms(w);
  if (w->n_written && left > 0) {
    w->loop->timer(w->loop, &w->timer, left);
    return;
  }
  w->since_ms = 0;
  w->changed(w->arg);
  if (w->settles) w->loop->stop(w->loop);
}

/* ------------------------------------------------------------------ events */

static bool is_folder(const ln_watch *w, const char *path) {
  struct stat st;
  if (stat(path, &st) == 0) return S_ISDIR(st.st_mode);
  for (size_t i = 0; i < w->n; i++)
    if (!w->v[i].only && strcmp(w->v[i].path, path) == 0) return true;
  return false;
}

/* One that a link made is whole at once. */
static bool is_being_made(const char *path) {
  struct stat st;
  return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1;
}

static bool is_link(const char *path) {
  struct stat st;
  return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

static void on_file(ln_watch *w, const char *path, uint32_t mask) {
  w->stale |= (mask & COMES) && is_link(path);
  if ((mask & IN_MODIFY) || ((mask & IN_CREATE) && is_being_made(path))) note_written(w, path);
  else forget_written(w, path);
  touch(w, path, mask & IN_DELETE);                      /* a checkout removes a file, and makes it anew    */
}

static void on_name(ln_watch *w, const folder *f, const struct inotify_event *e) {
  char path[PATH_MAX];
  size_t n = strlen(e->name);
  if (f->linked) {
    if (strcmp(f->only, e->name) == 0 && !(e->mask & IN_MODIFY)) touch(w, f->only, e->mask & GOES);
    w->stale |= (e->mask & (COMES | GOES)) && strcmp(f->only, e->name) == 0;
    return;
  }
  if (f->only) {
    w->stale |= strncmp(f->only, e->name, n) == 0 && (!f->only[n] || f->only[n] == '/');
    return;
  }
  if (e->name[0] == '.' || snprintf(path, sizeof path, "%s/%s", f->path, e->name) >= (int)sizeof path) return;
  if (e->mask & IN_ISDIR) w->stale = true;
  else if (ln_str_ends(ln_str_of(e->name), ln_str_of(w->suffix))) on_file(w, path, e->mask);
  else if (e->mask & (COMES | GOES)) w->stale |= is_folder(w, path); /* a link to one                      */
}

static void on_event(ln_watch *w, const struct inotify_event *e) {
  if (e->mask & IN_Q_OVERFLOW) {
    while (w->n_written) forget_written(w, w->written[0]);
    w->stale = true;
  }
  for (size_t i = 0; i < w->n; i++) {
    if (w->v[i].wd != e->wd) continue;
    if (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF)) w->stale |= !w->v[i].only;
    else if (e->len) on_name(w, &w->v[i], e);
  }
}

static void drain(ln_watch *w) {
  _Alignas(struct inotify_event) char room[16384];
  ssize_t got;
  while ((got = read(w->fd, room, sizeof room)) > 0)
    for (ssize_t at = 0; at < got;) {
      const struct inotify_event *e = (const struct inotify_event *)(const void *)(room + at);
      on_event(w, e);
      at += (ssize_t)(sizeof *e + e->len);
    }
  if (w->stale) touch(w, "", true), look(w);
  if (w->touched) arm(w);
  w->touched = false;
}

static void on_poll(uv_poll_t *p, int status, int events) {
  (void)status, (void)events;
  drain(p->data);
}

void ln_watch_settle(ln_watch *w) {
  drain(w);
  w->settles = w->since_ms != 0;
  if (w->settles) w->loop->run(w->loop);
  w->settles = false;
}

int ln_watch_open(ln_watch *w, const char *path, int flags, bool *busy) {
  *busy = false;
  int fd = open(path, flags | O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return -1;
  fcntl(fd, F_SETSIG, SIGURG);                           /* what a writer who waits sends us: it is ignored */
  if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0) return forget_written(w, path), fd;
  *busy = errno == EAGAIN;
  if (!*busy) drain(w), *busy = find_written(w, path) < w->n_written;
  if (!*busy) return fd;
  close(fd);
  return -1;
}

/* ------------------------------------------------------------------ beginning and end */

static void on_closed(uv_handle_t *h) {
  ln_watch *w = h->data;
  close(w->fd);
  free(w);
}

static void free_lists(ln_watch *w) {
  for (size_t i = 0; i < w->n; i++) free_folder(&w->v[i]);
  for (size_t i = 0; i < w->n_written; i++) free(w->written[i]);
  for (size_t i = 0; w->roots && i < w->n_roots; i++) free(w->roots[i]);
  free(w->v);
  free(w->written);
  free(w->roots);
  free(w->suffix);
  free(w->first);
}

void ln_watch_stop(ln_watch *w) {
  if (!w) return;
  w->loop->cancel(w->loop, &w->timer);
  free_lists(w);
  uv_poll_stop(&w->poll);
  uv_close((uv_handle_t *)&w->poll, on_closed);
}

static bool copy_opts(ln_watch *w, const ln_watch_opts *o) {
  w->changed = o->changed;
  w->arg = o->arg;
  w->suffix = ln_str_dup(ln_str_of(o->suffix));
  w->roots = calloc(o->n + 1, sizeof *w->roots);
  if (!w->suffix || !w->roots) return false;
  for (; w->n_roots < o->n; w->n_roots++)
    if (!(w->roots[w->n_roots] = ln_str_dup(o->folders[w->n_roots]))) return false;
  return true;
}

ln_watch *ln_watch_start(ln_loop *l, const ln_watch_opts *o, ln_err *err) {
  ln_watch *w = calloc(1, sizeof *w);
  if (!w || !copy_opts(w, o)) {
    if (w) free_lists(w);
    free(w);
    return ln_fail(err, "memory", LN_AGAIN, "no memory to watch folders"), NULL;
  }
  w->loop = l;
  w->timer = (ln_timer){.loop = l, .fn = fire, .arg = w};
  w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (w->fd < 0 || uv_poll_init(l->uv, &w->poll, w->fd) != 0) {
    ln_fail(err, "unavailable", LN_AGAIN, "folders cannot be watched: %s", strerror(errno));
    if (w->fd >= 0) close(w->fd);
    free_lists(w);
    free(w);
    return NULL;
  }
  w->poll.data = w;
  if (uv_poll_start(&w->poll, UV_READABLE, on_poll) == 0 && look(w)) return w;
  ln_fail(err, "unavailable", LN_AGAIN, "folders cannot be watched: is fs.inotify.max_user_watches used up?");
  ln_watch_stop(w);
  return NULL;
}
