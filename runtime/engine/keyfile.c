/* keyfile.c: files that hold a key.  One that others may read is refused: what was sealed or signed with it
** would prove nothing. */
#include "engine/keyfile.h"

#include "base/folder.h"
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_MAX = 4096 };

static bool bad(const char *what, const char *path, const char *why, ln_err *err) {
  return ln_fail(err, "store", LN_FINAL, "%s %s %s", what, path, why);
}

/* All of a small file, into text. */
static bool read_text(int fd, ln_buf *text) {
  char *to = ln_buf_room(text, TEXT_MAX);
  ssize_t n = to ? read(fd, to, TEXT_MAX) : -1;
  if (n > 0) ln_buf_grew(text, (size_t)n);
  return n > 0 && n < TEXT_MAX;
}

bool ln_keyfile_read(const char *path, const char *what, bool shared, ln_buf *text, bool *missing,
                     ln_err *err) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  *missing = fd < 0 && errno == ENOENT;
  if (*missing) return bad(what, path, "is missing: put it back", err);
  if (fd < 0) return ln_fail(err, "store", LN_FINAL, "%s %s cannot be read: %s", what, path, strerror(errno));
  bool ok = false;
  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) bad(what, path, "is not a file", err);
  else if (!shared && (st.st_mode & 077))
    bad(what, path, "can be read by others: chmod 600 it, and renew what it protects", err);
  else ok = read_text(fd, text) || bad(what, path, "does not hold a key: put the right one back", err);
  close(fd);
  return ok;
}

/* Whole, on disk, and its owner's, before it has the name that others look for. */
static bool make_whole(const char *path, char *temp, const char *store, ln_str text, bool *made) {
  int fd = mkostemp(temp, O_CLOEXEC); /* of mode 0600 */
  if (fd < 0) return false;
  bool ok = write(fd, text.p, text.n) == (ssize_t)text.n && ln_give_away(fd, store) && fsync(fd) == 0;
  *made = ok && link(temp, path) == 0;
  ok = *made || (ok && errno == EEXIST);
  int why = errno;
  unlink(temp);
  close(fd);
  errno = why;
  return ok;
}

bool ln_keyfile_make(const char *path, const char *store, const char *what, ln_str text, bool *made,
                     ln_err *err) {
  ln_buf temp;
  *made = false;
  ln_buf_init(&temp, 1 << 14);
  ln_buf_addf(&temp, "%s.XXXXXX", path);
  if (!ln_buf_addc(&temp, '\0')) return ln_buf_ok(&temp, err);
  bool ok = make_whole(path, temp.p, store, text, made) && (!*made || ln_sync_folder(path));
  if (!ok) ln_fail(err, "store", LN_FINAL, "%s %s cannot be made: %s", what, path, strerror(errno));
  ln_buf_free(&temp);
  return ok;
}

bool ln_key_of(ln_str text, uint8_t key[LN_KEY]) {
  if (text.n == 2 * LN_KEY + 1 && text.p[2 * LN_KEY] == '\n') text.n--;
  return ln_unhex(text, key, LN_KEY);
}

bool ln_key_new(uint8_t key[LN_KEY], ln_buf *text, ln_err *err) {
  char hex[2 * LN_KEY + 1];
  if (RAND_bytes(key, LN_KEY) != 1)
    return ln_fail(err, "store", LN_FINAL, "OpenSSL has no random bytes for a key");
  ln_hex(key, LN_KEY, hex);
  hex[2 * LN_KEY] = '\n'; /* in place of the NUL */
  bool ok = ln_buf_add(text, (ln_str){hex, sizeof hex}) || ln_buf_ok(text, err);
  OPENSSL_cleanse(hex, sizeof hex);
  return ok;
}
