/* secret.c: secrets by name, and the vault.  A sealed value is
**
**   byte 1 (AES-256-GCM under the key file) | 12 bytes nonce | ciphertext | 16 bytes tag
**
** with the secret's name as associated data, so that one value cannot be put in another's place.  The key
** file is 64 hexadecimal digits, readable by its owner alone; it is made at first need, never replaced.
** Beside the secrets the vault keeps a value of its own, sealed with the same key: by that a wrong key is
** known before anything is sealed with it, and a vault never comes to hold values of two keys. */
#include "engine/secret.h"

#include "engine/inside.h"

#include "base/folder.h"
#include "base/gcm.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  FORMAT = 1,
  KEY = LN_GCM_KEY,
  OVERHEAD = 1 + LN_GCM_NONCE + LN_GCM_TAG,
  VALUE_MAX = 64 << 10,
  NAME_BYTES = 64
};

#define CHECK LN_STR("#check")                           /* no name that a secret can have */

struct ln_vault {
  ln_store *store;
  char *key_path;
  pthread_mutex_t mx; /* for what follows */
  bool have_key;
  uint8_t key[KEY];
};

ln_vault *ln_vault_open(ln_store *s, ln_err *err) {
  const char *set = getenv("LUNETTE_KEY");
  ln_buf path;
  ln_buf_init(&path, 1 << 14);
  ln_buf_addz(&path, set && *set ? set : ln_store_path(s));
  if (!set || !*set) ln_buf_addz(&path, ".key");
  ln_vault *v = calloc(1, sizeof *v);
  if (!v || !(v->key_path = ln_buf_take(&path, NULL))) {
    ln_buf_free(&path);
    free(v);
    ln_fail(err, "memory", LN_AGAIN, "no memory for the vault");
    return NULL;
  }
  v->store = s;
  pthread_mutex_init(&v->mx, NULL);
  return v;
}

void ln_vault_free(ln_vault *v) {
  if (!v) return;
  OPENSSL_cleanse(v->key, sizeof v->key);
  pthread_mutex_destroy(&v->mx);
  free(v->key_path);
  free(v);
}

/* --- the key file --- */

static bool bad_key(const char *path, const char *why, ln_err *err) {
  return ln_fail(err, "store", LN_FINAL, "the vault's key file %s %s", path, why);
}

/* A simulated disk has no key file, and keeps nothing that is secret: its key follows from its name. */
static bool simulated_key(ln_vault *v, ln_err *err) {
  return ln_sha256_2(LN_STR("simulated"), ln_str_of(v->key_path), v->key) ||
         ln_fail(err, "store", LN_FINAL, "OpenSSL cannot do SHA-256");
}

/* *missing: there is no such file, which err says as well. */
static bool read_key(ln_vault *v, bool *missing, ln_err *err) {
  *missing = false;
  if (ln_store_simulated(v->store)) return simulated_key(v, err);
  int fd = open(v->key_path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  *missing = fd < 0 && errno == ENOENT;
  if (*missing)
    return bad_key(v->key_path, "is missing: put it back, or set LUNETTE_KEY to where it is", err);
  if (fd < 0)
    return ln_fail(err, "store", LN_FINAL, "the vault's key file %s cannot be read: %s", v->key_path,
                   strerror(errno));
  char text[2 * KEY + 2];
  struct stat st;
  bool ok = false;
  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) bad_key(v->key_path, "is not a file", err);
  else if (st.st_mode & 077)
    bad_key(v->key_path, "can be read by others: chmod 600 it, and renew the secrets", err);
  else {
    ssize_t n = read(fd, text, sizeof text);
    if (n == 2 * KEY + 1 && text[2 * KEY] == '\n') n--;
    ok = n == 2 * KEY && ln_unhex((ln_str){text, 2 * KEY}, v->key, KEY);
    if (!ok) bad_key(v->key_path, "does not hold 64 hexadecimal digits: put the right one back", err);
  }
  OPENSSL_cleanse(text, sizeof text);
  close(fd);
  return ok;
}

/* A key must be on disk before anything is sealed with it.  *made: no other process was first. */
static bool make_key(ln_vault *v, bool *made, ln_err *err) {
  uint8_t key[KEY];
  char text[2 * KEY + 1];
  if (RAND_bytes(key, KEY) != 1)
    return ln_fail(err, "store", LN_FINAL, "OpenSSL has no random bytes for a key");
  ln_hex(key, KEY, text);
  text[2 * KEY] = '\n'; /* in place of the NUL */
  int fd = open(v->key_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  bool ok = fd >= 0, other = !ok && errno == EEXIST;
  if (ok)
    ok = write(fd, text, sizeof text) == (ssize_t)sizeof text && fsync(fd) == 0 &&
         ln_sync_folder(v->key_path);
  if (!ok && !other)
    ln_fail(err, "store", LN_FINAL, "the vault's key file %s cannot be made: %s", v->key_path,
            strerror(errno));
  if (fd >= 0 && !ok) unlink(v->key_path);
  if (fd >= 0) close(fd);
  if (ok) memcpy(v->key, key, KEY);
  OPENSSL_cleanse(key, sizeof key);
  OPENSSL_cleanse(text, sizeof text);
  *made = ok;
  return ok || other;
}

/* --- sealing --- */

static bool seal(const uint8_t key[KEY], ln_str plain, ln_str aad, ln_buf *out, ln_err *err) {
  size_t was = out->n;
  uint8_t head[1 + LN_GCM_NONCE] = {FORMAT};
  if (RAND_bytes(head + 1, LN_GCM_NONCE) != 1)
    return ln_fail(err, "store", LN_FINAL, "OpenSSL has no random bytes to seal with");
  if (!ln_buf_add(out, (ln_str){(const char *)head, sizeof head})) return ln_buf_ok(out, err);
  if (ln_gcm_seal(key, head + 1, aad, plain, out, err)) return true;
  ln_buf_cut(out, was);
  return false;
}

/* Nothing is added to out when it fails. */
static bool unseal(const uint8_t key[KEY], ln_str sealed, ln_str aad, ln_buf *out, ln_err *err) {
  if (sealed.n < OVERHEAD || (uint8_t)sealed.p[0] != FORMAT)
    return ln_fail(err, "store", LN_FINAL,
                   "a sealed value is of a form that this Lunette does not know: upgrade");
  ln_str cipher = {sealed.p + 1 + LN_GCM_NONCE, sealed.n - 1 - LN_GCM_NONCE};
  if (ln_gcm_open(key, (const uint8_t *)sealed.p + 1, aad, cipher, out, err)) return true;
  if (!ln_err_is(err, "failed")) return false;
  return ln_fail(err, "store", LN_FINAL,
                 "a sealed value was changed, or sealed with another key: make it anew");
}

/* --- which key, and is it the right one --- */

/* The vault's own value.  *found: there is one, so a key exists somewhere. */
static bool read_check(ln_vault *v, ln_buf *check, bool *found, ln_err *err) {
  ln_err why;
  *found = ln_store_secret_get(v->store, CHECK, check, &why);
  if (*found || ln_err_is(&why, "not_found")) return true;
  if (err) *err = why;
  return false;
}

static bool fits(ln_vault *v, ln_str check, ln_err *err) {
  ln_buf plain;
  ln_buf_init(&plain, VALUE_MAX);
  bool ok =
      unseal(v->key, check, CHECK, &plain, err) ||
      bad_key(v->key_path,
              "is not the one that this vault was sealed with: put that back, or set LUNETTE_KEY to it", err);
  ln_buf_free(&plain);
  return ok;
}

/* With v->mx held: reads the key, or makes it where none was ever used. */
static bool need_key(ln_vault *v, bool make, bool *made, ln_err *err) {
  bool missing, used;
  ln_buf check;
  ln_buf_init(&check, VALUE_MAX);
  *made = false;
  bool ok = read_check(v, &check, &used, err);
  if (ok && !v->have_key) {
    ok = read_key(v, &missing, err);
    if (!ok && missing && !used && make) ok = make_key(v, made, err) && (*made || read_key(v, &missing, err));
  }
  if (ok && used) ok = fits(v, ln_buf_view(&check), err);
  v->have_key = ok;
  if (!ok) OPENSSL_cleanse(v->key, sizeof v->key);
  ln_buf_free(&check);
  return ok;
}

/* A copy of the key for one use. */
static bool key_for(ln_vault *v, bool make, bool *made, uint8_t key[KEY], ln_err *err) {
  pthread_mutex_lock(&v->mx);
  bool own, ok = (v->have_key && !made) || need_key(v, make, made ? made : &own, err);
  if (ok) memcpy(key, v->key, KEY);
  pthread_mutex_unlock(&v->mx);
  return ok;
}

bool ln_seal(ln_vault *v, ln_str plain, ln_str aad, ln_buf *out, ln_err *err) {
  uint8_t key[KEY];
  bool ok = key_for(v, true, NULL, key, err) && seal(key, plain, aad, out, err);
  OPENSSL_cleanse(key, sizeof key);
  return ok;
}

bool ln_unseal(ln_vault *v, ln_str sealed, ln_str aad, ln_buf *out, ln_err *err) {
  uint8_t key[KEY];
  bool ok = key_for(v, false, NULL, key, err);
  if (ok) ok = unseal(key, sealed, aad, out, err);
  OPENSSL_cleanse(key, sizeof key);
  return ok;
}

/* --- secrets --- */

static bool check_name(ln_str name, ln_err *err) {
  bool ok = name.n >= 1 && name.n <= NAME_BYTES, dots = true;
  for (size_t i = 0; ok && i < name.n; i++) {
    ok = isalnum((unsigned char)name.p[i]) || memchr("_.-", name.p[i], 3);
    dots = dots && name.p[i] == '.';
  }
  if (ok && !dots) return true;
  return ln_fail(err, "bad_argument", LN_FINAL,
                 "a secret's name is 1 to 64 letters, digits, '_', '.' and '-'");
}

/* "okta_token" is LUNETTE_SECRET_OKTA_TOKEN.  False: not set, or empty. */
static bool from_env(ln_str name, ln_buf *out, bool *found, ln_err *err) {
  char var[sizeof "LUNETTE_SECRET_" + NAME_BYTES];
  int n = snprintf(var, sizeof var, "LUNETTE_SECRET_");
  for (size_t i = 0; i < name.n; i++) {
    unsigned char c = (unsigned char)name.p[i];
    var[n++] = isalnum(c) ? (char)toupper(c) : '_';
  }
  var[n] = '\0';
  const char *value = getenv(var);
  *found = value && *value;
  return !*found || ln_buf_addz(out, value) || ln_buf_ok(out, err);
}

static int open_credential(ln_str name) {
  const char *folder = getenv("CREDENTIALS_DIRECTORY");
  ln_buf path;
  ln_buf_init(&path, 1 << 14);
  if (!folder || !*folder) return -1;
  ln_buf_addf(&path, "%s/" LN_STR_FMT, folder, LN_STR_ARG(name));
  char *z = ln_buf_take(&path, NULL);
  int fd = z ? open(z, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK) : -1;
  ln_buf_free(&path);
  free(z);
  return fd;
}

/* The file's bytes, without one line end at the end, which an editor or echo leaves. */
static bool read_credential(int fd, ln_str name, ln_buf *text, ln_err *err) {
  char *to = ln_buf_room(text, VALUE_MAX + 1);
  if (!to) return ln_buf_ok(text, err);
  ssize_t n = read(fd, to, VALUE_MAX + 1);
  if (n < 0 || n > VALUE_MAX)
    return ln_fail(err, n < 0 ? "store" : "too_big", LN_FINAL, "the credential file of '" LN_STR_FMT "' %s",
                   LN_STR_ARG(name), n < 0 ? "cannot be read" : "is longer than 64 KiB");
  if (n > 0 && to[n - 1] == '\n') n--;
  ln_buf_grew(text, (size_t)n);
  return true;
}

/* It is read into a buffer of its own: out may hold something already, and need not have room for the
** longest. */
static bool from_credentials(ln_str name, ln_buf *out, bool *found, ln_err *err) {
  int fd = open_credential(name);
  struct stat st;
  ln_buf text;
  bool ok = true;
  ln_buf_init(&text, VALUE_MAX + 1);
  *found = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
  if (*found)
    ok =
        read_credential(fd, name, &text, err) && (ln_buf_add(out, ln_buf_view(&text)) || ln_buf_ok(out, err));
  if (fd >= 0) close(fd);
  ln_buf_wipe(&text);
  return ok;
}

static bool from_vault(ln_vault *v, ln_str name, ln_buf *out, ln_err *err) {
  uint8_t key[KEY];
  ln_buf sealed;
  ln_buf_init(&sealed, VALUE_MAX + OVERHEAD);
  bool ok = ln_store_secret_get(v->store, name, &sealed, err);
  if (ok) {
    ok = key_for(v, false, NULL, key, err) &&
         (unseal(key, ln_buf_view(&sealed), name, out, err) ||
          ln_err_prefix(err, "secret '" LN_STR_FMT "'", LN_STR_ARG(name)));
  } else if (ln_err_is(err, "not_found")) {
    ln_fail(err, "not_found", LN_FINAL,
            "the secret '" LN_STR_FMT
            "' is neither in $LUNETTE_SECRET_…, nor in $CREDENTIALS_DIRECTORY, nor in the vault: "
            "`lunette secret set " LN_STR_FMT "`",
            LN_STR_ARG(name), LN_STR_ARG(name));
  }
  OPENSSL_cleanse(key, sizeof key);
  ln_buf_free(&sealed);
  return ok;
}

bool ln_secret_get(ln_vault *v, ln_str name, ln_buf *out, ln_err *err) {
  bool found = false;
  ln_err own;
  if (!err) err = &own;
  if (!check_name(name, err) || !from_env(name, out, &found, err)) return false;
  if (found) return true;
  if (!from_credentials(name, out, &found, err)) return false;
  return found || from_vault(v, name, out, err);
}

typedef struct put_job {
  ln_str name, sealed, check, by;
  int64_t ms;
} put_job;

static bool apply_put(ln_tx *tx, void *arg, ln_err *err) {
  put_job *p = arg;
  const ln_audit_row r = {.ms = p->ms, .what = LN_STR("secret set"), .who = p->by};
  return ln_tx_secret_put(tx, p->name, p->sealed, p->ms, err) &&
         (!p->check.n || ln_tx_secret_put(tx, CHECK, p->check, p->ms, err)) &&
         ln_audit_one(tx, &r, "name", p->name, err);
}

bool ln_secret_set(ln_vault *v, ln_str name, ln_str value, ln_str by, const char **made_key, ln_err *err) {
  uint8_t key[KEY];
  bool made = false;
  *made_key = NULL;
  if (!check_name(name, err)) return false;
  if (value.n > VALUE_MAX) return ln_fail(err, "too_big", LN_FINAL, "a secret is at most 64 KiB");
  ln_buf sealed, check;
  ln_buf_init(&sealed, VALUE_MAX + OVERHEAD);
  ln_buf_init(&check, VALUE_MAX);
  bool ok = key_for(v, true, &made, key, err);
  if (made) *made_key = v->key_path;
  ok = ok && seal(key, value, name, &sealed, err) && seal(key, LN_STR("lunette"), CHECK, &check, err);
  put_job p = {name, ln_buf_view(&sealed), ln_buf_view(&check), by, ln_now_ms(ln_clock_real())};
  ok = ok && ln_writer_run(v->store, apply_put, &p, err);
  OPENSSL_cleanse(key, sizeof key);
  ln_buf_free(&sealed);
  ln_buf_free(&check);
  return ok;
}

typedef struct rm_job {
  ln_str name, by;
  bool was;
} rm_job;

static bool apply_rm(ln_tx *tx, void *arg, ln_err *err) {
  rm_job *r = arg;
  const ln_audit_row row = {.ms = ln_now_ms(ln_clock_real()), .what = LN_STR("secret removed"), .who = r->by};
  return ln_tx_secret_rm(tx, r->name, &r->was, err) &&
         (!r->was || ln_audit_one(tx, &row, "name", r->name, err));
}

bool ln_secret_rm(ln_vault *v, ln_str name, ln_str by, bool *was, ln_err *err) {
  rm_job r = {.name = name, .by = by};
  if (!check_name(name, err)) return false;
  bool ok = ln_writer_run(v->store, apply_rm, &r, err);
  *was = r.was;
  return ok;
}
