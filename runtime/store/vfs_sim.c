/* vfs_sim.c: a disk in memory that can lose power, as a VFS of SQLite's.
**
** A file is what a reader sees now, what is surely on disk, and the changes between the two, in order; a
** sync makes the changes sure.  A name is the same: the file it means now, and the one it would mean after a
** power cut; the first sync of a journal makes all names sure, as SQLite syncs the folder then.  A power cut
** picks by the seed what became of each unsure change: kept, lost, or, a sector of 512 bytes at a time,
** kept, lost or torn.  Whatever was open then is stale: every call on it fails.
**
** Locks and shared memory work between the connections of this process; shared memory does not survive the
** cut, but stays mapped for those who had it. */
#include "base/rand.h"
#include "store/store.h"

#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>

enum { SECTOR = 512, REGIONS = 64, LOCKS = 8 };

typedef struct bytes {
  char *p;
  size_t n, cap;
} bytes;

typedef struct change { /* a write, or with p NULL a truncation to `at` */
  struct change *next;
  size_t at, n;
  char *p;
} change;

typedef struct shm {
  int users;
  char *region[REGIONS];
  int readers[LOCKS]; /* -1: exclusive */
} shm;

typedef struct inode {
  int uses; /* names and handles */
  bytes now, disk;
  change *first, **last;
  struct handle *reserved, *pending; /* who holds the file's locks */
  int shared;
  bool exclusive;
  shm *shm;
} inode;

typedef struct entry {
  struct entry *next;
  char *name;
  inode *now, *disk; /* NULL: no such file */
} entry;

struct ln_vfs_sim {
  sqlite3_vfs vfs;
  char *name;
  pthread_mutex_t mx;
  ln_rand rand;
  entry *entries;
  unsigned life; /* grows with every power cut */
  int64_t writes_left, steps_left; /* -1: without end */
  bool lie;
};

typedef struct handle {
  sqlite3_file base; /* first: SQLite sees this */
  ln_vfs_sim *v;
  inode *file;
  char *remove; /* a name to remove on closing, or NULL */
  unsigned life;
  int level; /* SQLITE_LOCK_… */
  bool syncs_names;
  shm *shm;
  unsigned shm_shared, shm_exclusive; /* bits: locks held by this handle */
} handle;

/* --- bytes and inodes --- */

static bool grow(bytes *b, size_t n) {
  if (n > b->cap) {
    size_t cap = b->cap ? b->cap : 4096;
    while (cap < n) cap *= 2;
    char *p = realloc(b->p, cap);
    if (!p) return false;
    b->p = p;
    b->cap = cap;
  }
  if (n > b->n) memset(b->p + b->n, 0, n - b->n);
  if (n > b->n) b->n = n;
  return true;
}

static bool put(bytes *b, size_t at, const char *p, size_t n) {
  if (n == 0) return true;
  if (!grow(b, at + n)) return false;
  memcpy(b->p + at, p, n);
  return true;
}

static void forget_changes(inode *f) {
  for (change *c = f->first, *next; c; c = next) {
    next = c->next;
    free(c->p);
    free(c);
  }
  f->first = NULL;
  f->last = &f->first;
}

static void shm_release(shm *m) {
  if (!m || --m->users > 0) return;
  for (int i = 0; i < REGIONS; i++) free(m->region[i]);
  free(m);
}

static inode *inode_new(void) {
  inode *f = calloc(1, sizeof *f);
  if (f) f->last = &f->first;
  return f;
}

static void inode_release(inode *f) {
  if (!f || --f->uses > 0) return;
  forget_changes(f);
  shm_release(f->shm);
  free(f->now.p);
  free(f->disk.p);
  free(f);
}

static void refer(inode **at, inode *f) {
  if (f) f->uses++;
  inode_release(*at);
  *at = f;
}

static entry *find(ln_vfs_sim *v, const char *name) {
  entry *e = v->entries;
  while (e && strcmp(e->name, name) != 0) e = e->next;
  return e;
}

static entry *find_or_make(ln_vfs_sim *v, const char *name) {
  entry *e = find(v, name);
  if (e) return e;
  if (!(e = calloc(1, sizeof *e)) || !(e->name = ln_str_dup(ln_str_of(name)))) {
    free(e);
    return NULL;
  }
  e->next = v->entries;
  v->entries = e;
  return e;
}

/* --- the power cut --- */

static size_t pick(ln_vfs_sim *v, size_t below) {
  return below ? (size_t)(ln_rand_u64(&v->rand) % below) : 0;
}

/* What became of a write, sector by sector: kept, lost, or the first bytes of it kept. */
static void tear(ln_vfs_sim *v, bytes *img, const change *c) {
  for (size_t i = 0, n; i < c->n; i += n) {
    n = SECTOR - (c->at + i) % SECTOR;
    if (n > c->n - i) n = c->n - i;
    size_t fate = pick(v, 4), keep = fate < 2 ? n : fate == 2 ? 0 : pick(v, n);
    if (keep) put(img, c->at + i, c->p + i, keep);
  }
}

static void settle(bytes *img, const change *c) {
  if (c->p) put(img, c->at, c->p, c->n);
  else if (c->at < img->n) img->n = c->at;
}

/* All lost, all kept, a beginning kept with a torn end, or each as it comes. */
static void lose(ln_vfs_sim *v, inode *f) {
  size_t count = 0, i = 0, how = pick(v, 4);
  for (change *c = f->first; c; c = c->next) count++;
  size_t upto = how == 0 ? 0 : how == 1 ? count : pick(v, count);
  for (change *c = f->first; c; c = c->next, i++) {
    if (how < 3 ? i < upto : !c->p && pick(v, 2)) settle(&f->disk, c);
    else if (c->p && (how == 3 || (how == 2 && i == upto))) tear(v, &f->disk, c);
  }
  forget_changes(f);
  f->now.n = 0;
  put(&f->now, 0, f->disk.p, f->disk.n);
}

/* Nobody has it open any more. */
static void forget_locks(inode *f) {
  f->reserved = f->pending = NULL;
  f->shared = 0;
  f->exclusive = false;
  shm_release(f->shm);
  f->shm = NULL;
}

static void kill_all(ln_vfs_sim *v) {
  v->life++;
  for (entry *e = v->entries; e; e = e->next)
    if (e->now) forget_locks(e->now);
}

static void power_cut(ln_vfs_sim *v) {
  kill_all(v);
  v->steps_left = -1;
  for (entry *e = v->entries; e; e = e->next) {
    if (e->now != e->disk && pick(v, 2)) refer(&e->now, e->disk);
    else refer(&e->disk, e->now);
    if (e->now) lose(v, e->now);
  }
}

/* Counts one step of the disk; false: the power goes with it. */
static bool step(ln_vfs_sim *v) { return v->steps_left < 0 || v->steps_left-- > 0; }

/* --- a file's bytes --- */

static handle *enter(sqlite3_file *file) {
  handle *h = (handle *)file;
  pthread_mutex_lock(&h->v->mx);
  return h;
}

static int leave(handle *h, int rc) {
  pthread_mutex_unlock(&h->v->mx);
  return rc;
}

static bool stale(const handle *h) { return h->life != h->v->life; }

static int x_read(sqlite3_file *file, void *to, int n, sqlite3_int64 at) {
  handle *h = enter(file);
  if (stale(h)) return leave(h, SQLITE_IOERR_READ);
  const bytes *b = &h->file->now;
  size_t from = (size_t)at, there = from < b->n ? b->n - from : 0;
  if (there > (size_t)n) there = (size_t)n;
  if (there) memcpy(to, b->p + from, there);
  memset((char *)to + there, 0, (size_t)n - there);
  return leave(h, there == (size_t)n ? SQLITE_OK : SQLITE_IOERR_SHORT_READ);
}

/* Appends a change to the file's list, and does it to what is seen now. */
static int record(inode *f, const char *p, size_t at, size_t n) {
  change *c = calloc(1, sizeof *c);
  if (!c) return SQLITE_IOERR_NOMEM;
  *c = (change){.at = at, .n = n};
  if (p && !(c->p = malloc(n ? n : 1))) {
    free(c);
    return SQLITE_IOERR_NOMEM;
  }
  if (p) memcpy(c->p, p, n);
  settle(&f->now, c);
  *f->last = c;
  f->last = &c->next;
  return SQLITE_OK;
}

static int x_write(sqlite3_file *file, const void *p, int n, sqlite3_int64 at) {
  handle *h = enter(file);
  ln_vfs_sim *v = h->v;
  if (stale(h)) return leave(h, SQLITE_IOERR_WRITE);
  if (v->writes_left == 0) return leave(h, SQLITE_FULL);
  if (v->writes_left > 0) v->writes_left--;
  int rc = record(h->file, p, (size_t)at, (size_t)n);
  if (rc == SQLITE_OK && !step(v)) {
    power_cut(v);
    rc = SQLITE_IOERR_WRITE;
  }
  return leave(h, rc);
}

static int x_truncate(sqlite3_file *file, sqlite3_int64 size) {
  handle *h = enter(file);
  if (stale(h)) return leave(h, SQLITE_IOERR_TRUNCATE);
  int rc = record(h->file, NULL, (size_t)size, 0);
  if (rc == SQLITE_OK && !step(h->v)) {
    power_cut(h->v);
    rc = SQLITE_IOERR_TRUNCATE;
  }
  return leave(h, rc);
}

static int x_sync(sqlite3_file *file, int flags) {
  (void)flags;
  handle *h = enter(file);
  ln_vfs_sim *v = h->v;
  if (stale(h)) return leave(h, SQLITE_IOERR_FSYNC);
  if (!step(v)) {
    power_cut(v);
    return leave(h, SQLITE_IOERR_FSYNC);
  }
  if (v->lie) return leave(h, SQLITE_OK);
  for (change *c = h->file->first; c; c = c->next) settle(&h->file->disk, c);
  forget_changes(h->file);
  for (entry *e = v->entries; h->syncs_names && e; e = e->next) refer(&e->disk, e->now);
  h->syncs_names = false;
  return leave(h, SQLITE_OK);
}

static int x_size(sqlite3_file *file, sqlite3_int64 *size) {
  handle *h = enter(file);
  *size = (sqlite3_int64)h->file->now.n;
  return leave(h, stale(h) ? SQLITE_IOERR_FSTAT : SQLITE_OK);
}

/* --- a file's locks --- */

static int x_lock(sqlite3_file *file, int level) {
  handle *h = enter(file);
  inode *f = h->file;
  if (stale(h)) return leave(h, SQLITE_IOERR_LOCK);
  if (h->level >= level) return leave(h, SQLITE_OK);
  if (h->level == SQLITE_LOCK_NONE) {
    if (f->pending || f->exclusive) return leave(h, SQLITE_BUSY);
    f->shared++;
    h->level = SQLITE_LOCK_SHARED;
  }
  if (level >= SQLITE_LOCK_RESERVED) {
    if (f->reserved && f->reserved != h) return leave(h, SQLITE_BUSY);
    f->reserved = h;
    if (h->level < SQLITE_LOCK_RESERVED) h->level = SQLITE_LOCK_RESERVED;
  }
  if (level == SQLITE_LOCK_EXCLUSIVE) {
    f->pending = h;
    h->level = SQLITE_LOCK_PENDING;
    if (f->shared > 1) return leave(h, SQLITE_BUSY);
    f->exclusive = true;
    h->level = SQLITE_LOCK_EXCLUSIVE;
  }
  return leave(h, SQLITE_OK);
}

static void unlock(handle *h, int level) {
  inode *f = h->file;
  if (h->level <= level || stale(h)) return;
  if (f->reserved == h) f->reserved = NULL;
  if (f->pending == h) f->pending = NULL;
  if (h->level == SQLITE_LOCK_EXCLUSIVE) f->exclusive = false;
  if (level == SQLITE_LOCK_NONE) f->shared--;
  h->level = level;
}

static int x_unlock(sqlite3_file *file, int level) {
  handle *h = enter(file);
  unlock(h, level);
  return leave(h, SQLITE_OK);
}

static int x_check_reserved(sqlite3_file *file, int *is) {
  handle *h = enter(file);
  *is = h->file->reserved != NULL;
  return leave(h, stale(h) ? SQLITE_IOERR_CHECKRESERVEDLOCK : SQLITE_OK);
}

/* --- shared memory --- */

static int x_shm_map(sqlite3_file *file, int i, int size, int extend, void volatile **out) {
  handle *h = enter(file);
  *out = NULL;
  if (stale(h)) return leave(h, SQLITE_IOERR_SHMMAP);
  if (i >= REGIONS) return leave(h, SQLITE_FULL);
  if (!h->shm) {
    if (!h->file->shm && (h->file->shm = calloc(1, sizeof(shm)))) h->file->shm->users = 1;
    if (!h->file->shm) return leave(h, SQLITE_IOERR_NOMEM);
    h->shm = h->file->shm;
    h->shm->users++;
  }
  if (!h->shm->region[i] && extend && !(h->shm->region[i] = calloc(1, (size_t)size)))
    return leave(h, SQLITE_IOERR_NOMEM);
  *out = h->shm->region[i];
  return leave(h, SQLITE_OK);
}

static void shm_unlock(handle *h, int i) {
  unsigned bit = 1u << i;
  if (h->shm_exclusive & bit) h->shm->readers[i] = 0;
  else if (h->shm_shared & bit) h->shm->readers[i]--;
  h->shm_exclusive &= ~bit;
  h->shm_shared &= ~bit;
}

/* Others hold it in a way that forbids this. */
static bool shm_taken(const handle *h, int i, bool exclusive) {
  int readers = h->shm->readers[i], mine = (int)(h->shm_shared >> i & 1);
  return exclusive ? readers != mine : readers < 0 && !(h->shm_exclusive >> i & 1);
}

static int x_shm_lock(sqlite3_file *file, int from, int n, int flags) {
  handle *h = enter(file);
  bool exclusive = flags & SQLITE_SHM_EXCLUSIVE;
  if (stale(h) || !h->shm) return leave(h, SQLITE_IOERR_SHMLOCK);
  for (int i = from; i < from + n; i++) {
    if (flags & SQLITE_SHM_UNLOCK) shm_unlock(h, i);
    else if (shm_taken(h, i, exclusive)) return leave(h, SQLITE_BUSY);
  }
  if (flags & SQLITE_SHM_UNLOCK) return leave(h, SQLITE_OK);
  for (int i = from; i < from + n; i++) {
    shm_unlock(h, i);
    h->shm->readers[i] = exclusive ? -1 : h->shm->readers[i] + 1;
    if (exclusive) h->shm_exclusive |= 1u << i;
    else h->shm_shared |= 1u << i;
  }
  return leave(h, SQLITE_OK);
}

static void x_shm_barrier(sqlite3_file *file) { leave(enter(file), 0); }

static int x_shm_unmap(sqlite3_file *file, int remove) {
  handle *h = enter(file);
  if (!h->shm) return leave(h, SQLITE_OK);
  for (int i = 0; i < LOCKS; i++) shm_unlock(h, i);
  if (remove && h->file->shm == h->shm) {
    shm_release(h->file->shm);
    h->file->shm = NULL;
  }
  shm_release(h->shm);
  h->shm = NULL;
  return leave(h, SQLITE_OK);
}

/* --- opening, and the folder --- */

static int x_close(sqlite3_file *file) {
  handle *h = enter(file);
  unlock(h, SQLITE_LOCK_NONE);
  entry *e = h->remove && !stale(h) ? find(h->v, h->remove) : NULL;
  if (e) refer(&e->now, NULL);
  free(h->remove);
  shm_release(h->shm);
  inode_release(h->file);
  return leave(h, SQLITE_OK);
}

static int x_control(sqlite3_file *file, int op, void *arg) {
  (void)file, (void)op, (void)arg;
  return SQLITE_NOTFOUND;
}

static int x_sector(sqlite3_file *file) {
  (void)file;
  return SECTOR;
}

/* As a real disk says of itself: bytes beside those written are safe. */
static int x_device(sqlite3_file *file) {
  (void)file;
  return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods methods = {.iVersion = 2,
                                           .xClose = x_close,
                                           .xRead = x_read,
                                           .xWrite = x_write,
                                           .xTruncate = x_truncate,
                                           .xSync = x_sync,
                                           .xFileSize = x_size,
                                           .xLock = x_lock,
                                           .xUnlock = x_unlock,
                                           .xCheckReservedLock = x_check_reserved,
                                           .xFileControl = x_control,
                                           .xSectorSize = x_sector,
                                           .xDeviceCharacteristics = x_device,
                                           .xShmMap = x_shm_map,
                                           .xShmLock = x_shm_lock,
                                           .xShmBarrier = x_shm_barrier,
                                           .xShmUnmap = x_shm_unmap};

/* With v->mx held.  A file without a name is nobody else's, and is gone when it is closed. */
static int open_file(ln_vfs_sim *v, const char *name, handle *h, int flags) {
  entry *e = name ? find_or_make(v, name) : NULL;
  inode *f = e ? e->now : NULL;
  if (name && !e) return SQLITE_NOMEM;
  if (name && !f && !(flags & SQLITE_OPEN_CREATE)) return SQLITE_CANTOPEN;
  if (!f && !(f = inode_new())) return SQLITE_NOMEM;
  if (e && e->now != f) refer(&e->now, f);
  *h = (handle){.v = v, .life = v->life};
  if (name && flags & SQLITE_OPEN_DELETEONCLOSE && !(h->remove = ln_str_dup(ln_str_of(name))))
    return SQLITE_NOMEM;
  h->file = f;
  f->uses++;
  int journal = SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL;
  h->syncs_names = flags & SQLITE_OPEN_CREATE && flags & journal;
  h->base.pMethods = &methods;
  return SQLITE_OK;
}

static int x_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out) {
  ln_vfs_sim *v = vfs->pAppData;
  file->pMethods = NULL;
  pthread_mutex_lock(&v->mx);
  int rc = open_file(v, name, (handle *)file, flags);
  pthread_mutex_unlock(&v->mx);
  if (out) *out = flags;
  return rc;
}

static int x_delete(sqlite3_vfs *vfs, const char *name, int sync_names) {
  ln_vfs_sim *v = vfs->pAppData;
  int rc = SQLITE_OK;
  pthread_mutex_lock(&v->mx);
  entry *e = find(v, name);
  if (!e || !e->now) rc = SQLITE_IOERR_DELETE_NOENT;
  else refer(&e->now, NULL);
  if (rc == SQLITE_OK && !step(v)) {
    power_cut(v);
    rc = SQLITE_IOERR_DELETE;
  }
  if (rc == SQLITE_OK && sync_names && !v->lie)
    for (e = v->entries; e; e = e->next) refer(&e->disk, e->now);
  pthread_mutex_unlock(&v->mx);
  return rc;
}

static int x_access(sqlite3_vfs *vfs, const char *name, int flags, int *out) {
  (void)flags;
  ln_vfs_sim *v = vfs->pAppData;
  pthread_mutex_lock(&v->mx);
  entry *e = find(v, name);
  *out = e && e->now && (flags != SQLITE_ACCESS_EXISTS || e->now->now.n > 0);
  pthread_mutex_unlock(&v->mx);
  return SQLITE_OK;
}

static int x_full(sqlite3_vfs *vfs, const char *name, int n, char *out) {
  (void)vfs;
  sqlite3_snprintf(n, out, "%s", name);
  return SQLITE_OK;
}

static int x_randomness(sqlite3_vfs *vfs, int n, char *out) {
  ln_vfs_sim *v = vfs->pAppData;
  pthread_mutex_lock(&v->mx);
  for (int i = 0; i < n; i++) out[i] = (char)ln_rand_u64(&v->rand);
  pthread_mutex_unlock(&v->mx);
  return n;
}

static int x_sleep(sqlite3_vfs *vfs, int us) {
  (void)vfs;
  return us;
}

static int x_time(sqlite3_vfs *vfs, double *julian) {
  (void)vfs;
  *julian = 2440587.5; /* 1970: no statement of ours asks */
  return SQLITE_OK;
}

static int x_error(sqlite3_vfs *vfs, int n, char *out) {
  (void)vfs, (void)n, (void)out;
  return 0;
}

/* --- for tests and the simulated set --- */

ln_vfs_sim *ln_vfs_sim_new(const char *name, uint64_t seed, ln_err *err) {
  ln_vfs_sim *v = calloc(1, sizeof *v);
  if (!v || !(v->name = ln_str_dup(ln_str_of(name)))) {
    free(v);
    ln_fail(err, "memory", LN_AGAIN, "no memory for the simulated disk");
    return NULL;
  }
  pthread_mutex_init(&v->mx, NULL);
  ln_rand_seed(&v->rand, seed);
  v->writes_left = v->steps_left = -1;
  v->vfs = (sqlite3_vfs){.iVersion = 1, .szOsFile = sizeof(handle), .mxPathname = 1024, .zName = v->name,
                         .pAppData = v, .xOpen = x_open, .xDelete = x_delete, .xAccess = x_access,
                         .xFullPathname = x_full, .xRandomness = x_randomness, .xSleep = x_sleep,
                         .xCurrentTime = x_time, .xGetLastError = x_error};
  if (!sqlite3_vfs_find(name) && sqlite3_vfs_register(&v->vfs, 0) == SQLITE_OK) return v;
  ln_fail(err, "store", LN_FINAL, "the simulated disk '%s' cannot be registered: is there one of that name?",
          name);
  free(v->name);
  free(v);
  return NULL;
}

static void set(ln_vfs_sim *v, int64_t *what, int64_t to) {
  pthread_mutex_lock(&v->mx);
  *what = to;
  pthread_mutex_unlock(&v->mx);
}

void ln_vfs_sim_power_cut(ln_vfs_sim *v) {
  pthread_mutex_lock(&v->mx);
  power_cut(v);
  pthread_mutex_unlock(&v->mx);
}

void ln_vfs_sim_kill(ln_vfs_sim *v) {
  pthread_mutex_lock(&v->mx);
  kill_all(v);
  pthread_mutex_unlock(&v->mx);
}

void ln_vfs_sim_seed(ln_vfs_sim *v, uint64_t seed) {
  pthread_mutex_lock(&v->mx);
  ln_rand_seed(&v->rand, seed);
  pthread_mutex_unlock(&v->mx);
}

void ln_vfs_sim_fail_after(ln_vfs_sim *v, int64_t writes) { set(v, &v->writes_left, writes); }

void ln_vfs_sim_cut_after(ln_vfs_sim *v, int64_t steps) { set(v, &v->steps_left, steps); }

void ln_vfs_sim_lie(ln_vfs_sim *v, bool lie) {
  pthread_mutex_lock(&v->mx);
  v->lie = lie;
  pthread_mutex_unlock(&v->mx);
}

void ln_vfs_sim_free(ln_vfs_sim *v) {
  if (!v) return;
  sqlite3_vfs_unregister(&v->vfs);
  for (entry *e = v->entries, *next; e; e = next) {
    next = e->next;
    inode_release(e->now);
    inode_release(e->disk);
    free(e->name);
    free(e);
  }
  pthread_mutex_destroy(&v->mx);
  free(v->name);
  free(v);
}
