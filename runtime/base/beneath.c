/* beneath.c: files below a root.  Every operation opens the root, then the file's folder below it by openat2
** with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS (or name by name with O_NOFOLLOW, where the kernel has no
** openat2), and from there on works on the folder's descriptor and a last name without a slash: whoever moves
** or relinks folders meanwhile moves us nowhere else.
**
** A write is a temporary file, sync, rename, sync of the folder.  Whoever reads sees the old content or the
** new one, and after a power cut it is one of the two.  Removal looks at the file it opened, and unlinks the
** name only if it still is that file; what is put under the name in the instant between cannot be told apart
** by Unix. */
#include "base/beneath.h"

#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

bool ln_beneath_walks = false;

typedef struct place {
  int dir;                                               /* the file's folder; -1: not open                 */
  char name[NAME_MAX + 1];
  const char *shown;                                     /* rel, for messages                               */
  char rel[PATH_MAX];
} place;

bool ln_beneath_plain(ln_str rel) {
  ln_str name, rest = rel;
  if (!rel.n || rel.n >= PATH_MAX || memchr(rel.p, '\0', rel.n)) return false;
  bool more = true;
  while (more) {
    more = ln_str_cut(rest, '/', &name, &rest);
    if (!name.n || name.n > NAME_MAX || ln_str_eq(name, LN_STR(".")) || ln_str_eq(name, LN_STR("..")))
      return false;
  }
  return true;
}

/* Says what errno means for a file; always false. */
static bool sys_fail(ln_err *err, const char *what, const char *shown, int e) {
  const char *why = strerrordesc_np(e);
  if (!why) why = "an unknown error";
  if (e == ENOENT) return ln_fail(err, "not_found", LN_FINAL, "there is no %s", shown);
  if (e == ELOOP || e == EXDEV)
    return ln_fail(err, "refused", LN_FINAL, "%s is or passes through a symbolic link, which is not followed",
                   shown);
  if (e == ENOTDIR)
    return ln_fail(err, "refused", LN_FINAL, "%s passes through what is not a folder, or a link", shown);
  if (e == EACCES || e == EPERM || e == EROFS)
    return ln_fail(err, "refused", LN_FINAL, "%s of %s is not permitted: %s", what, shown, why);
  return ln_fail(err, "failed", LN_AGAIN, "%s of %s: %s", what, shown, why);
}

enum { DIR_FLAGS = O_RDONLY | O_DIRECTORY | O_CLOEXEC };

/* Name by name; takes and closes fd. */
static int walk(int fd, char *path) {
  char *save = NULL;
  for (char *name = strtok_r(path, "/", &save); name && fd >= 0; name = strtok_r(NULL, "/", &save)) {
    int next = openat(fd, name, DIR_FLAGS | O_NOFOLLOW), e = errno;
    close(fd);
    errno = e;
    fd = next;
  }
  return fd;
}

/* The folder `path` below fd ("" : itself), by a descriptor of its own; takes and closes fd. */
static int open_dir(int fd, char *path) {
  if (!*path || ln_beneath_walks) return walk(fd, path);
  struct open_how how = {.flags = DIR_FLAGS,
                         .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
  long got = -1;
  for (int i = 0; i < 16 && got < 0; i++) { /* EAGAIN: something was renamed meanwhile */
    got = syscall(SYS_openat2, fd, path, &how, sizeof how);
    if (got < 0 && errno != EAGAIN) break;
  }
  if (got < 0 && (errno == ENOSYS || errno == EPERM))
    return walk(fd, path); /* EPERM: a sandbox's old filter */
  int e = errno;
  close(fd);
  errno = e;
  return (int)got;
}

static void place_close(place *p) {
  if (p->dir >= 0) close(p->dir);
  p->dir = -1;
}

/* Opens the folder of rel; place_close it.  On failure nothing is open. */
static bool place_open(place *p, ln_str root, ln_str rel, const char *what, ln_err *err) {
  char base[PATH_MAX];
  p->dir = -1;
  if (!ln_beneath_plain(rel) || root.n >= sizeof base || !root.n || root.p[0] != '/')
    return ln_fail(err, "bad_argument", LN_FINAL, "\"%.*s\" is not a path of plain names below a folder",
                   rel.n > 200 ? 200 : (int)rel.n, rel.p);
  memcpy(base, root.p, root.n);
  base[root.n] = '\0';
  memcpy(p->rel, rel.p, rel.n);
  p->rel[rel.n] = '\0';
  p->shown = p->rel;
  int fd = open(base, DIR_FLAGS);
  if (fd < 0) return sys_fail(err, "opening", base, errno);
  char *slash = strrchr(p->rel, '/');
  const char *name = slash ? slash + 1 : p->rel;
  memcpy(p->name, name, strlen(name) + 1);
  char dir[PATH_MAX] = "";
  if (slash) memcpy(dir, p->rel, (size_t)(slash - p->rel));
  p->dir = open_dir(fd, dir);
  if (p->dir >= 0) return true;
  if (errno == ENOENT)
    return ln_fail(err, "not_found", LN_FINAL, "there is no folder %s below %s", dir, base);
  return sys_fail(err, what, p->shown, errno);
}

/* Opens the regular file of that place for reading; -1 and err otherwise. */
static int open_file(const place *p, struct stat *st, const char *what, ln_err *err) {
  int fd = openat(p->dir, p->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) {
    sys_fail(err, what, p->shown, errno);
    return -1;
  }
  if (fstat(fd, st) == 0 && S_ISREG(st->st_mode)) return fd;
  close(fd);
  ln_fail(err, "refused", LN_FINAL, "%s is not a regular file", p->shown);
  return -1;
}

/* All of fd, to its end, into out. */
static bool read_all(int fd, const char *shown, ln_buf *out, ln_err *err) {
  char chunk[65536];
  for (;;) {
    ssize_t n = read(fd, chunk, sizeof chunk);
    if (n == 0) return true;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return sys_fail(err, "reading", shown, errno);
    if (!ln_buf_add(out, (ln_str){chunk, (size_t)n})) {
      ln_buf_ok(out, err);
      return ln_err_prefix(err, "reading of %s", shown);
    }
  }
}

bool ln_beneath_read(ln_str root, ln_str rel, ln_buf *out, ln_err *err) {
  place p;
  struct stat st;
  if (!place_open(&p, root, rel, "reading", err)) return false;
  int fd = open_file(&p, &st, "reading", err);
  bool ok = fd >= 0 && read_all(fd, p.shown, out, err);
  if (fd >= 0) close(fd);
  place_close(&p);
  return ok;
}

static bool write_all(int fd, ln_str data) {
  while (data.n) {
    ssize_t n = write(fd, data.p, data.n);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    data = (ln_str){data.p + n, data.n - (size_t)n};
  }
  return true;
}

/* A synced temporary file with data, in the place's folder. */
static bool put_beside(const place *p, const char *temp, ln_str data, ln_err *err) {
  struct stat st;
  mode_t mode = 0644;
  if (fstatat(p->dir, p->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
    mode = st.st_mode & 0777;
  unlinkat(p->dir, temp, 0); /* left by an earlier attempt, if at all */
  int fd = openat(p->dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return sys_fail(err, "writing", p->shown, errno);
  bool ok = write_all(fd, data) && fchmod(fd, mode) == 0 && fsync(fd) == 0;
  int e = errno;
  if (close(fd) != 0 && ok) ok = false, e = errno;
  if (ok) return true;
  unlinkat(p->dir, temp, 0);
  return sys_fail(err, "writing", p->shown, e);
}

/* Gives the temporary file its name, over nothing. */
static bool name_new(const place *p, const char *temp) {
  if (renameat2(p->dir, temp, p->dir, p->name, RENAME_NOREPLACE) == 0) return true;
  if (errno != EINVAL && errno != ENOSYS) return false; /* those: a file system that has no such rename */
  if (linkat(p->dir, temp, p->dir, p->name, 0) != 0) return false;
  unlinkat(p->dir, temp, 0);
  return true;
}

/* Is there something under that name which must not be written over? */
static bool check_target(const place *p, bool replace, ln_err *err) {
  struct stat st;
  if (fstatat(p->dir, p->name, &st, AT_SYMLINK_NOFOLLOW) != 0) return true;
  if (!S_ISREG(st.st_mode))
    return ln_fail(err, "refused", LN_FINAL, "%s is there and not a regular file", p->shown);
  return replace ||
         ln_fail(err, "conflict", LN_FINAL, "%s is there already, and is not written over", p->shown);
}

bool ln_beneath_write(ln_str root, ln_str rel, ln_str data, ln_str mark, bool replace, ln_err *err) {
  place p;
  uint8_t digest[LN_SHA256];
  char hex[2 * LN_SHA256 + 1], temp[64];
  if (!ln_sha256(mark, digest)) return ln_fail(err, "failed", LN_FINAL, "OpenSSL could not compute a digest");
  if (!place_open(&p, root, rel, "writing", err)) return false;
  ln_hex(digest, LN_SHA256, hex);
  snprintf(temp, sizeof temp, ".lunette-%.24s.tmp", hex);
  bool ok = check_target(&p, replace, err) && put_beside(&p, temp, data, err);
  if (ok) {
    ok = replace ? renameat(p.dir, temp, p.dir, p.name) == 0 : name_new(&p, temp);
    int e = errno;
    if (!ok) unlinkat(p.dir, temp, 0);
    if (!ok && e == EEXIST) check_target(&p, false, err);
    else if (!ok) sys_fail(err, "writing", p.shown, e);
    else if (fsync(p.dir) != 0) ok = sys_fail(err, "writing", p.shown, errno);
  }
  place_close(&p);
  return ok;
}

/* Is the content of fd the one with this digest?  "" : any. */
static bool agrees(int fd, const place *p, ln_str sha256, size_t max, ln_err *err) {
  if (!sha256.n) return true;
  ln_buf content;
  uint8_t digest[LN_SHA256];
  char hex[2 * LN_SHA256 + 1];
  ln_buf_init(&content, max);
  bool ok = read_all(fd, p->shown, &content, err);
  if (ok) ok = ln_sha256(ln_buf_view(&content), digest) || ln_fail(err, "failed", LN_FINAL, "no SHA-256");
  ln_buf_free(&content);
  if (!ok) return false;
  ln_hex(digest, LN_SHA256, hex);
  if (ln_str_ieq(sha256, ln_str_of(hex))) return true;
  return ln_fail(err, "conflict", LN_FINAL, "%s has another content (sha256 %s): it is left alone", p->shown,
                 hex);
}

bool ln_beneath_remove(ln_str root, ln_str rel, ln_str sha256, size_t max, ln_err *err) {
  place p;
  struct stat st, now;
  if (!place_open(&p, root, rel, "removal", err)) return false;
  int fd = open_file(&p, &st, "removal", err);
  bool ok = fd >= 0 && agrees(fd, &p, sha256, max, err);
  if (ok && (fstatat(p.dir, p.name, &now, AT_SYMLINK_NOFOLLOW) != 0 || now.st_ino != st.st_ino ||
             now.st_dev != st.st_dev || now.st_mtim.tv_sec != st.st_mtim.tv_sec ||
             now.st_mtim.tv_nsec != st.st_mtim.tv_nsec))
    ok = ln_fail(err, "conflict", LN_AGAIN, "%s changed while it was looked at: it is left alone", p.shown);
  if (ok && (unlinkat(p.dir, p.name, 0) != 0 || fsync(p.dir) != 0))
    ok = sys_fail(err, "removal", p.shown, errno);
  if (fd >= 0) close(fd);
  place_close(&p);
  return ok;
}
