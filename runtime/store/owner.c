/* owner.c: who is alive.  A process that runs runs holds an exclusive flock on STORE.owner/ID for life; the
** kernel lets go of it the moment the process dies, however it dies.  The file gets its name only once it is
** locked, so a file that is there and not locked always belongs to the dead.  Its eight bytes say which run's
** script is running: the one to blame, should the process not come back from it.
**
** A store on a simulated disk has its owners in a list of this process instead. */
#include "base/folder.h"
#include "store/inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SWEEP = 256 }; /* files of the dead removed at one start */

struct ln_owner {
  char id[LN_ULID + 1];
  char *file; /* NULL: simulated */
  int fd;
  volatile int64_t *at; /* the run whose script runs, as the file has it; 0: none.  NULL: nobody is told */
  char *store; /* simulated: VFS and path */
  ln_owner *next;
};

static pthread_mutex_t sim_mx = PTHREAD_MUTEX_INITIALIZER;
static ln_owner *sim_owners;

const char *ln_owner_id(const ln_owner *o) { return o->id; }

static char *text(const char *a, const char *b, const char *c) {
  ln_buf t;
  ln_buf_init(&t, 1 << 14);
  ln_buf_addz(&t, a);
  ln_buf_addz(&t, b);
  ln_buf_addz(&t, c);
  return ln_buf_take(&t, NULL);
}

/* An id becomes part of a path: nothing but what ln_ulid makes. */
static bool is_id(ln_str id) {
  for (size_t i = 0; i < id.n; i++)
    if (!((id.p[i] >= '0' && id.p[i] <= '9') || (id.p[i] >= 'A' && id.p[i] <= 'Z'))) return false;
  return id.n == LN_ULID;
}

/* --- files --- */

/* The run whose script ran when the owner died. */
static int64_t read_blame(int dir, const char *name) {
  int64_t run = 0;
  int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return 0;
  if (read(fd, &run, sizeof run) != (ssize_t)sizeof run) run = 0;
  close(fd);
  return run;
}

/* Nobody holds the file: a shared lock is to be had. */
static bool is_dead(int dir, const char *name) {
  int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return errno == ENOENT;
  bool dead = flock(fd, LOCK_SH | LOCK_NB) == 0;
  close(fd);
  return dead;
}

/* What names somebody stays, for whoever takes the dead one's runs over. */
static void sweep(const char *folder) {
  DIR *d = opendir(folder);
  if (!d) return;
  int left = SWEEP;
  for (struct dirent *e; left > 0 && (e = readdir(d));)
    if (is_id(ln_str_of(e->d_name)) && is_dead(dirfd(d), e->d_name) && !read_blame(dirfd(d), e->d_name)) {
      unlinkat(dirfd(d), e->d_name, 0);
      left--;
    }
  closedir(d);
}

static void map_blame(ln_owner *o) {
  void *at = MAP_FAILED;
  if (ftruncate(o->fd, sizeof(int64_t)) == 0)
    at = mmap(NULL, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, o->fd, 0);
  if (at != MAP_FAILED) o->at = at;
}

/* Made under another name, locked, and only then given its own. */
static bool make_file(ln_owner *o, const char *folder, const char *store, ln_err *err) {
  char *unlocked = text(folder, "/.", o->id);
  o->file = text(folder, "/", o->id);
  bool ok = unlocked && o->file;
  if (!ok) ln_fail(err, "memory", LN_AGAIN, "no memory for the owner's file");
  if (ok) {
    o->fd = open(unlocked, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ok = o->fd >= 0 && ln_give_away(o->fd, store) && flock(o->fd, LOCK_EX | LOCK_NB) == 0 &&
         rename(unlocked, o->file) == 0;
    if (!ok)
      ln_fail(err, "store", LN_FINAL, "%s cannot be made and locked (%s): look at its folder", o->file,
              strerror(errno));
  }
  if (!ok && unlocked && o->fd >= 0) unlink(unlocked);
  free(unlocked);
  return ok;
}

/* With the superuser's folder nobody else could carry runs any more. */
static bool make_folder(const char *folder, const char *store) {
  if (mkdir(folder, 0700) != 0) return errno == EEXIST;
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool ok = fd >= 0 && ln_give_away(fd, store);
  if (fd >= 0) close(fd);
  return ok;
}

static bool take_file(ln_owner *o, const ln_store *s, ln_err *err) {
  char *folder = text(ln_store_path(s), ".owner", "");
  if (!folder) return ln_fail(err, "memory", LN_AGAIN, "no memory for the owner's file");
  bool ok = make_folder(folder, ln_store_path(s));
  if (!ok)
    ln_fail(err, "store", LN_FINAL, "%s cannot be made (%s): look at its folder", folder, strerror(errno));
  ok = ok && make_file(o, folder, ln_store_path(s), err);
  if (ok) map_blame(o);
  if (ok) sweep(folder);
  free(folder);
  return ok;
}

static int open_folder(const ln_store *s, char **folder) {
  *folder = text(ln_store_path(s), ".owner", "");
  return *folder ? open(*folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

static bool file_alive(const ln_store *s, ln_str id) {
  char name[LN_ULID + 1];
  char *folder;
  int dir = open_folder(s, &folder);
  bool none = folder && dir < 0 && errno == ENOENT;
  free(folder);
  if (dir < 0) return !none; /* not to be seen: better thought alive than acted on twice */
  memcpy(name, id.p, id.n);
  name[id.n] = '\0';
  bool dead = is_dead(dir, name);
  close(dir);
  return !dead;
}

/* --- simulated --- */

static bool take_sim(ln_owner *o, const ln_store *s, ln_err *err) {
  if (!(o->store = text(s->vfs, ":", s->path)))
    return ln_fail(err, "memory", LN_AGAIN, "no memory for the owner");
  pthread_mutex_lock(&sim_mx);
  o->next = sim_owners;
  sim_owners = o;
  pthread_mutex_unlock(&sim_mx);
  return true;
}

static bool sim_alive(const ln_store *s, ln_str id) {
  char *store = text(s->vfs, ":", s->path);
  bool found = !store;
  pthread_mutex_lock(&sim_mx);
  for (ln_owner *o = sim_owners; o && !found; o = o->next)
    found = ln_str_eq(ln_str_of(o->id), id) && strcmp(o->store, store) == 0;
  pthread_mutex_unlock(&sim_mx);
  free(store);
  return found;
}

/* --- both --- */

ln_owner *ln_owner_take(const ln_store *s, ln_rand *rand, int64_t wall_ms, ln_err *err) {
  ln_owner *o = calloc(1, sizeof *o);
  if (!o) return ln_fail(err, "memory", LN_AGAIN, "no memory for the owner"), NULL;
  o->fd = -1;
  ln_ulid(rand, wall_ms, o->id);
  if (s->vfs ? take_sim(o, s, err) : take_file(o, s, err)) return o;
  if (o->fd >= 0) close(o->fd);
  free(o->file);
  free(o);
  return NULL;
}

bool ln_owner_alive(const ln_store *s, ln_str id) {
  if (!is_id(id)) return false;
  return s->vfs ? sim_alive(s, id) : file_alive(s, id);
}

void ln_owner_at(ln_owner *o, int64_t run) {
  if (o && o->at) *o->at = run;
}

int64_t ln_owner_blamed(const ln_store *s, ln_str id, bool forget) {
  char name[LN_ULID + 1], *folder;
  int64_t run = 0;
  if (s->vfs || !is_id(id)) return 0;
  int dir = open_folder(s, &folder);
  memcpy(name, id.p, id.n);
  name[id.n] = '\0';
  if (dir >= 0 && is_dead(dir, name)) {
    run = read_blame(dir, name);
    if (forget) unlinkat(dir, name, 0);
  }
  free(folder);
  if (dir >= 0) close(dir);
  return run;
}

void ln_owner_drop(ln_owner *o) {
  if (!o) return;
  if (o->at) munmap((void *)(uintptr_t)o->at, sizeof *o->at);
  if (o->file) {
    unlink(o->file); /* before the lock goes */
    close(o->fd);
  } else {
    pthread_mutex_lock(&sim_mx);
    ln_owner **at = &sim_owners;
    while (*at != o) at = &(*at)->next;
    *at = o->next;
    pthread_mutex_unlock(&sim_mx);
  }
  free(o->file);
  free(o->store);
  free(o);
}

/* --- who serves --- */

struct ln_served {
  int fd;
};

static bool lock_served(ln_served *d, const char *path, const char *store, ln_err *err) {
  d->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (d->fd >= 0 && ln_give_away(d->fd, store) && flock(d->fd, LOCK_EX | LOCK_NB) == 0) return true;
  if (d->fd >= 0 && errno == EWOULDBLOCK)
    return ln_fail(err, "conflict", LN_FINAL,
                   "another `lunette serve` has this store: one is enough, the commands go through it");
  return ln_fail(err, "store", LN_FINAL, "%s cannot be made and locked (%s): look at its folder", path,
                 strerror(errno));
}

ln_served *ln_serve_take(const ln_store *s, ln_err *err) {
  ln_served *d = calloc(1, sizeof *d);
  char *path = text(ln_store_path(s), ".owner/", "daemon");
  if (d) d->fd = -1;
  bool ok = (d && path) || ln_fail(err, "memory", LN_AGAIN, "no memory to serve");
  ok = ok && lock_served(d, path, ln_store_path(s), err);
  free(path);
  if (ok) return d;
  ln_serve_drop(d);
  return NULL;
}

bool ln_serve_held(const ln_store *s) {
  if (s->vfs) return false;
  char *folder;
  int dir = open_folder(s, &folder);
  bool held = dir >= 0 && !is_dead(dir, "daemon");
  free(folder);
  if (dir >= 0) close(dir);
  return held;
}

void ln_serve_drop(ln_served *d) {
  if (!d) return;
  if (d->fd >= 0) close(d->fd);
  free(d);
}
