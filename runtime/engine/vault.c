/* vault.c: the vault's key, what is sealed with it, and how it is changed.  A sealed value is
**
**   byte 1 (AES-256-GCM) | 12 bytes nonce | ciphertext | 16 bytes tag
**
** with the secret's name as associated data, so that one value cannot be put in another's place.  The key
** file's text is 64 hexadecimal digits, or "scrypt n=17 r=8 p=1 salt=HEX": then the key is a passphrase,
** stretched with these parameters (2^n).  It is made at first need, and only ever replaced by a rotation.
**
** Beside the secrets the vault keeps two values of its own, sealed with the same key.  By #check a wrong key
** is known before anything is sealed with it, and a vault never comes to hold secrets of two keys.  #data,
** there since the first rotation, holds the keys of what is too much to be sealed anew (blobs): the one for
** new ones first, then those of before, of which the first was the vault's own.
**
** A rotation puts the new key's file beside the old one, seals everything anew in one transaction, and
** renames the file over the old one.  Whoever finds that the key does not fit looks at the file beside: if
** that fits, whoever rotated died before the rename, which is done now.  From before the file is made until
** it is renamed the key's folder is locked (flock), and nobody looks at the file beside without that lock: a
** second rotation would put its own in that place, and the first one's key would be nowhere. */
#include "engine/vault.h"

#include "base/folder.h"
#include "base/gcm.h"
#include "engine/inside.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

enum {
  FORMAT = 1,
  OVERHEAD = 1 + LN_GCM_NONCE + LN_GCM_TAG,
  PATH_BYTES = 1 << 14,
  TEXT_BYTES = 4096,
  PASSPHRASE_MAX = 1024,
  SALT = 16,
  SCRYPT_N = 17, /* 2^17, with r = 8: 128 MiB */
  SCRYPT_N_MOST = 20,
  SCRYPT_R = 8,
  SCRYPT_MEMORY = 1100 << 20,
  DATA_KEYS = 1024,
  LOCK_MS = 2000, /* nobody has the lock for longer than a transaction takes */
  LOOK_MS = 5
};

static const char WHAT[] = "the vault's key file";

/* ------------------------------------------------------------------ opened and closed */

static char *join(const char *a, const char *b) {
  ln_buf path;
  ln_buf_init(&path, PATH_BYTES);
  ln_buf_addz(&path, a);
  ln_buf_addz(&path, b);
  return ln_buf_take(&path, NULL);
}

/* The service manager's credential, where there is one. */
static char *credential_path(void) {
  const char *folder = getenv("CREDENTIALS_DIRECTORY");
  char *path = folder && *folder ? join(folder, "/lunette.key") : NULL;
  if (path && access(path, F_OK) == 0) return path;
  free(path);
  return NULL;
}

static char *find_key(ln_vault *v) {
  const char *set = getenv("LUNETTE_KEY");
  char *path = NULL;
  if (set && *set) return ln_str_dup(ln_str_of(set));
  if (v->o.key.n) return ln_str_dup(v->o.key);
  v->credential = (path = credential_path()) != NULL;
  return path ? path : join(ln_store_path(v->store), ".key");
}

ln_vault *ln_vault_open(ln_store *s, const ln_vault_opts *o, ln_err *err) {
  ln_vault *v = calloc(1, sizeof *v);
  if (v) {
    v->store = s;
    if (o) v->o = *o;
    pthread_mutex_init(&v->mx, NULL);
    pthread_mutex_init(&v->helper_mx, NULL);
    pthread_cond_init(&v->told, NULL);
    if ((v->key_path = find_key(v)) && (v->new_path = join(v->key_path, ".new"))) return v;
  }
  ln_vault_free(v);
  ln_fail(err, "memory", LN_AGAIN, "no memory for the vault");
  return NULL;
}

void ln_vault_free(ln_vault *v) {
  if (!v) return;
  ln_helper_forget(v);
  OPENSSL_cleanse(v->key, sizeof v->key);
  pthread_mutex_destroy(&v->mx);
  pthread_mutex_destroy(&v->helper_mx);
  pthread_cond_destroy(&v->told);
  free(v->key_path);
  free(v->new_path);
  free(v->into);
  free(v);
}

/* ------------------------------------------------------------------ sealing */

bool ln_vault_seal(const uint8_t key[LN_KEY], ln_str plain, ln_str aad, ln_buf *out, ln_err *err) {
  size_t was = out->n;
  uint8_t head[1 + LN_GCM_NONCE] = {FORMAT};
  if (RAND_bytes(head + 1, LN_GCM_NONCE) != 1)
    return ln_fail(err, "store", LN_FINAL, "OpenSSL has no random bytes to seal with");
  if (!ln_buf_add(out, (ln_str){(const char *)head, sizeof head})) return ln_buf_ok(out, err);
  if (ln_gcm_seal(key, head + 1, aad, plain, out, err)) return true;
  ln_buf_cut(out, was);
  return false;
}

bool ln_vault_unseal(const uint8_t key[LN_KEY], ln_str sealed, ln_str aad, ln_buf *out, ln_err *err) {
  if (sealed.n < OVERHEAD || (uint8_t)sealed.p[0] != FORMAT)
    return ln_fail(err, "store", LN_FINAL,
                   "a sealed value is of a form that this Lunette does not know: upgrade");
  ln_str cipher = {sealed.p + 1 + LN_GCM_NONCE, sealed.n - 1 - LN_GCM_NONCE};
  if (ln_gcm_open(key, (const uint8_t *)sealed.p + 1, aad, cipher, out, err)) return true;
  if (!ln_err_is(err, "failed")) return false;
  return ln_fail(err, "sealed", LN_FINAL,
                 "a sealed value was changed, or sealed with another key: make it anew");
}

/* ------------------------------------------------------------------ a key's text */

typedef struct scrypt {
  int64_t n, r, p;
  uint8_t salt[SALT];
} scrypt;

static bool number_of(ln_str s, int64_t least, int64_t most, int64_t *out) {
  *out = 0;
  for (size_t i = 0; i < s.n && i < 4; i++) {
    if (!isdigit((unsigned char)s.p[i])) return false;
    *out = 10 * *out + (s.p[i] - '0');
  }
  return s.n > 0 && s.n <= 4 && *out >= least && *out <= most;
}

static bool read_scrypt(ln_str text, scrypt *s) {
  ln_str rest = ln_str_trim(text), pair, key, value;
  int known = 0;
  ln_str_cut(rest, ' ', &pair, &rest);
  while (rest.n) {
    ln_str_cut(rest, ' ', &pair, &rest);
    if (!ln_str_cut(pair, '=', &key, &value)) return false;
    if (ln_str_eq(key, LN_STR("n"))) known += number_of(value, 10, SCRYPT_N_MOST, &s->n);
    else if (ln_str_eq(key, LN_STR("r"))) known += number_of(value, 1, SCRYPT_R, &s->r);
    else if (ln_str_eq(key, LN_STR("p"))) known += number_of(value, 1, 16, &s->p);
    else if (ln_str_eq(key, LN_STR("salt"))) known += ln_unhex(value, s->salt, SALT);
  }
  return known == 4;
}

static bool stretch(const scrypt *s, ln_str passphrase, uint8_t key[LN_KEY], ln_err *err) {
  bool ok = EVP_PBE_scrypt(passphrase.p, passphrase.n, s->salt, SALT, (uint64_t)1 << s->n, (uint64_t)s->r,
                           (uint64_t)s->p, SCRYPT_MEMORY, key, LN_KEY) == 1;
  ERR_clear_error();
  return ok ||
         ln_fail(err, "memory", LN_AGAIN, "no memory to stretch a passphrase (scrypt, 2^%d)", (int)s->n);
}

static bool late(ln_err *err) {
  return ln_fail(
      err, "store", LN_FINAL,
      "the vault's key was changed meanwhile, and is a passphrase, which nobody is asked for once the "
      "work has begun: start this process again");
}

static bool ask(ln_vault *v, bool anew, const scrypt *s, uint8_t key[LN_KEY], ln_err *err) {
  ln_buf passphrase;
  if (v->ready) return v->unasked = true, late(err);
  if (!v->o.ask)
    return ln_fail(err, "store", LN_FINAL, "the vault's key is a passphrase, and nobody can be asked for it");
  ln_buf_init(&passphrase, PASSPHRASE_MAX);
  ln_buf_secret(&passphrase);
  bool ok = v->o.ask(v->o.arg, anew, &passphrase, err) && ln_buf_ok(&passphrase, err) &&
            (passphrase.n > 0 || ln_fail(err, "usage", LN_FINAL, "an empty passphrase protects nothing")) &&
            stretch(s, ln_buf_view(&passphrase), key, err);
  ln_buf_wipe(&passphrase);
  return ok;
}

static bool is_scrypt(ln_str text) { return ln_str_starts(text, LN_STR("scrypt ")); }

/* What the text of a key file stands for. */
static bool key_of(ln_vault *v, const char *path, ln_str text, uint8_t key[LN_KEY], ln_err *err) {
  scrypt s;
  v->is_passphrase = is_scrypt(text);
  if (ln_key_of(text, key)) return true;
  if (v->is_passphrase && read_scrypt(text, &s)) return ask(v, false, &s, key, err);
  return ln_fail(err, "store", LN_FINAL, "%s %s does not hold 64 hexadecimal digits: put the right one back",
                 WHAT, path);
}

/* ------------------------------------------------------------------ which key, and is it the right one */

/* A simulated disk has no key file, and keeps nothing that is secret: its key follows from its name. */
static bool simulated_key(ln_vault *v, uint8_t key[LN_KEY], ln_err *err) {
  return ln_sha256_2(LN_STR("simulated"), ln_str_of(v->key_path), key) ||
         ln_fail(err, "store", LN_FINAL, "OpenSSL cannot do SHA-256");
}

/* *missing: there is no such file, which err says as well.  again: only where it is another text than the
** last one was, for a passphrase is asked for once. */
static bool read_key(ln_vault *v, const char *path, bool again, uint8_t key[LN_KEY], bool *missing,
                     ln_err *err) {
  ln_buf text;
  uint8_t sum[LN_SHA256] = {0};
  *missing = false;
  if (ln_store_simulated(v->store)) return simulated_key(v, key, err);
  ln_buf_init(&text, 2 * TEXT_BYTES);
  bool ok = ln_keyfile_read(path, WHAT, v->credential, &text, missing, err) &&
            (ln_sha256(ln_buf_view(&text), sum) || ln_fail(err, "store", LN_FINAL, "no SHA-256")) &&
            !(again && memcmp(sum, v->tried, sizeof sum) == 0);
  if (ok) memcpy(v->tried, sum, sizeof sum);
  ok = ok && key_of(v, path, ln_buf_view(&text), key, err);
  if (*missing)
    ln_fail(err, "store", LN_FINAL, "%s %s is missing: put it back, or set LUNETTE_KEY to where it is", WHAT,
            path);
  ln_buf_wipe(&text);
  return ok;
}

static bool make_key(ln_vault *v, bool *made, ln_err *err) {
  ln_buf text;
  ln_buf_init(&text, TEXT_BYTES);
  bool ok = ln_key_new(v->key, &text, err) &&
            ln_keyfile_make(v->key_path, ln_store_path(v->store), WHAT, ln_buf_view(&text), made, err);
  ln_buf_wipe(&text);
  return ok;
}

/* A value of the vault's own.  *found: there is one. */
static bool read_own(ln_vault *v, ln_str name, ln_buf *sealed, bool *found, ln_err *err) {
  ln_err why = {0};
  ln_buf_init(sealed, LN_SECRET_MAX + OVERHEAD);
  *found = ln_store_secret_get(v->store, name, sealed, &why);
  if (*found || ln_err_is(&why, "not_found")) return true;
  if (err) *err = why;
  return false;
}

static bool opens(const uint8_t key[LN_KEY], ln_str check, ln_err *err) {
  ln_buf plain;
  ln_buf_init(&plain, LN_SECRET_MAX);
  bool ok = ln_vault_unseal(key, check, LN_VAULT_CHECK, &plain, err);
  ln_buf_free(&plain);
  return ok;
}

static bool wrong_key(const ln_vault *v, ln_err *err) {
  if (v->unasked) return late(err);
  if (v->is_passphrase)
    return ln_fail(err, "store", LN_FINAL, "that is not the passphrase of this vault; nothing was changed");
  return ln_fail(
      err, "store", LN_FINAL,
      "%s %s is not the one that this vault was sealed with: put that back, or set LUNETTE_KEY to it", WHAT,
      v->key_path);
}

/* -1: somebody has it, or it cannot be had here. */
static int lock_folder(const ln_vault *v, int how) {
  int fd = ln_open_folder(v->key_path), rc;
  if (fd < 0) return -1;
  while ((rc = flock(fd, how)) < 0 && errno == EINTR) continue;
  if (rc == 0) return fd;
  int why = errno;
  close(fd);
  errno = why;
  return -1;
}

/* The key of a file, if it fits. */
static bool take_key(ln_vault *v, const char *path, ln_str check) {
  uint8_t key[LN_KEY];
  bool missing, was = v->is_passphrase;
  ln_err quiet = {0};
  bool fits = read_key(v, path, true, key, &missing, &quiet) && opens(key, check, &quiet);
  if (fits) memcpy(v->key, key, LN_KEY);
  else v->is_passphrase = was;
  OPENSSL_cleanse(key, sizeof key);
  return fits;
}

/* Does the file that a rotation left beside fit?  Then it takes its place; where we may not do that, the next
** one does. */
static bool take_new(ln_vault *v, ln_str check) {
  if (!take_key(v, v->new_path, check)) return false;
  if (rename(v->new_path, v->key_path) == 0) ln_sync_folder(v->key_path);
  return true;
}

/* What the store says now, and the files do. */
static bool look_again(ln_vault *v, bool locked) {
  ln_buf check;
  bool used,
      ok = read_own(v, LN_VAULT_CHECK, &check, &used, NULL) && used &&
           (opens(v->key, ln_buf_view(&check), NULL) || take_key(v, v->key_path, ln_buf_view(&check)) ||
            (locked && take_new(v, ln_buf_view(&check))));
  ln_buf_free(&check);
  return ok;
}

/* Whoever rotates has the lock, and has put the right key in place before it lets go.  It is not waited for
** by flock: we may be within a transaction, and it be waiting for the end of that. */
static bool find_changed(ln_vault *v) {
  int64_t until = ln_mono_us(ln_clock_real()) / 1000 + LOCK_MS;
  if (ln_store_simulated(v->store)) return false;
  if (v->locked) return look_again(v, true);
  for (;;) {
    int fd = lock_folder(v, LOCK_EX | LOCK_NB);
    bool held = fd < 0 && errno == EWOULDBLOCK, ok = look_again(v, fd >= 0);
    bool over = !held || ln_mono_us(ln_clock_real()) / 1000 >= until;
    if (fd >= 0) close(fd);
    if (ok || over) return ok;
    usleep(LOOK_MS * 1000);
  }
}

static bool fits(ln_vault *v, ln_str check, ln_err *err) {
  ln_err why = {0};
  v->unasked = false;
  if (opens(v->key, check, &why) || find_changed(v)) return true;
  if (ln_err_is(&why, "sealed")) return wrong_key(v, err);
  if (err) *err = why;
  return false;
}

/* With v->mx held: reads the key, or makes it where none was ever used.  One that was known and does not fit
** any more was changed by another process. */
static bool need_key(ln_vault *v, bool make, bool *made, ln_err *err) {
  bool missing, used, known = v->have_key;
  ln_buf check;
  *made = false;
  bool ok = read_own(v, LN_VAULT_CHECK, &check, &used, err);
  if (ok && known && used && !opens(v->key, ln_buf_view(&check), NULL)) known = false;
  if (ok && !known) {
    ok = read_key(v, v->key_path, false, v->key, &missing, err);
    if (!ok && missing && !used && make && !v->credential)
      ok = make_key(v, made, err) && (*made || read_key(v, v->key_path, false, v->key, &missing, err));
  }
  if (ok && used) ok = fits(v, ln_buf_view(&check), err);
  v->have_key = ok;
  if (!ok) OPENSSL_cleanse(v->key, sizeof v->key);
  ln_buf_free(&check);
  return ok;
}

bool ln_vault_key(ln_vault *v, bool make, bool sure, bool *made, uint8_t key[LN_KEY], ln_err *err) {
  bool own;
  pthread_mutex_lock(&v->mx);
  bool ok = (v->have_key && !sure) || need_key(v, make, made ? made : &own, err);
  if (ok) memcpy(key, v->key, LN_KEY);
  pthread_mutex_unlock(&v->mx);
  return ok;
}

void ln_vault_forget(ln_vault *v) {
  pthread_mutex_lock(&v->mx);
  v->have_key = false;
  OPENSSL_cleanse(v->key, sizeof v->key);
  pthread_mutex_unlock(&v->mx);
}

bool ln_vault_ready(ln_vault *v, ln_err *err) {
  uint8_t key[LN_KEY];
  bool missing;
  ln_buf text;
  ln_err quiet;
  if (ln_store_simulated(v->store)) return true;
  ln_buf_init(&text, 2 * TEXT_BYTES);
  bool asks = ln_keyfile_read(v->key_path, WHAT, v->credential, &text, &missing, &quiet) &&
              is_scrypt(ln_buf_view(&text));
  ln_buf_wipe(&text);
  bool ok = !asks || ln_vault_key(v, false, true, NULL, key, err);
  if (asks) OPENSSL_cleanse(key, sizeof key);
  v->ready = ok;
  return ok;
}

/* ------------------------------------------------------------------ what is too much to be sealed anew */

/* The keys for it, the one for new ones first. */
static bool data_keys(ln_vault *v, bool make, ln_buf *keys, ln_err *err) {
  uint8_t key[LN_KEY];
  ln_buf sealed;
  bool found;
  bool ok = read_own(v, LN_VAULT_DATA, &sealed, &found, err);
  ok = ok && ln_vault_key(v, make, false, NULL, key, err);
  if (ok && !found) ok = ln_buf_add(keys, (ln_str){(const char *)key, LN_KEY}) || ln_buf_ok(keys, err);
  else if (ok && !ln_vault_unseal(key, ln_buf_view(&sealed), LN_VAULT_DATA, keys, err))
    ok = ln_err_is(err, "sealed") && ln_vault_key(v, false, true, NULL, key, err) &&
         ln_vault_unseal(key, ln_buf_view(&sealed), LN_VAULT_DATA, keys, err);
  OPENSSL_cleanse(key, sizeof key);
  ln_buf_free(&sealed);
  return ok && (keys->n >= LN_KEY || ln_fail(err, "store", LN_FINAL, "the vault has no key for blobs"));
}

static void init_keys(ln_buf *keys) {
  ln_buf_init(keys, (size_t)DATA_KEYS * LN_KEY);
  ln_buf_secret(keys);
}

/* What tells the vault's key from another is there before anything that was sealed is, else a lost key would
** be made anew, and nobody would notice. */
static bool put_check(ln_vault *v, ln_tx *tx, ln_err *err) {
  uint8_t key[LN_KEY];
  ln_buf check;
  bool found;
  ln_buf_init(&check, LN_SECRET_MAX + OVERHEAD);
  bool ok = ln_tx_secret_get(tx, LN_VAULT_CHECK, &check, &found, err);
  if (ok && !found) {
    ok = ln_vault_key(v, true, true, NULL, key, err) &&
         ln_vault_seal(key, LN_STR("lunette"), LN_VAULT_CHECK, &check, err) &&
         ln_tx_secret_put(tx, LN_VAULT_CHECK, ln_buf_view(&check), ln_now_ms(ln_clock_real()), err);
    OPENSSL_cleanse(key, sizeof key);
  }
  ln_buf_free(&check);
  return ok;
}

bool ln_seal(ln_vault *v, ln_tx *tx, ln_str plain, ln_str aad, ln_buf *out, ln_err *err) {
  ln_buf keys;
  init_keys(&keys);
  bool ok = put_check(v, tx, err) && data_keys(v, true, &keys, err) &&
            ln_vault_seal((const uint8_t *)keys.p, plain, aad, out, err);
  ln_buf_wipe(&keys);
  return ok;
}

bool ln_unseal(ln_vault *v, ln_str sealed, ln_str aad, ln_buf *out, ln_err *err) {
  ln_buf keys;
  init_keys(&keys);
  bool ready = data_keys(v, false, &keys, err), ok = false;
  for (size_t at = 0; ready && !ok && at + LN_KEY <= keys.n; at += LN_KEY) {
    ok = ln_vault_unseal((const uint8_t *)keys.p + at, sealed, aad, out, err);
    if (!ok && !ln_err_is(err, "sealed")) break;
  }
  if (ready && !ok && ln_err_is(err, "sealed"))
    ln_fail(err, "store", LN_FINAL, "a sealed value was changed, or sealed with another key");
  ln_buf_wipe(&keys);
  return ok;
}

/* ------------------------------------------------------------------ another key */

typedef struct resealed {
  struct resealed *next;
  ln_buf name, sealed;
  int64_t ms;
} resealed;

typedef struct rotating {
  ln_vault *v;
  ln_rotation *r;
  uint8_t old[LN_KEY], fresh[LN_KEY];
  ln_buf text; /* the fresh one's, for its file */
  bool passphrase;
  resealed *first;
  bool had_check, had_data;
  ln_buf old_data; /* the keys of what is not sealed anew             */
  ln_err *err;
} rotating;

static void free_resealed(rotating *x) {
  for (resealed *s = x->first, *next; s; s = next) {
    next = s->next;
    ln_buf_free(&s->name);
    ln_buf_free(&s->sealed);
    free(s);
  }
  x->first = NULL;
}

static bool keep(rotating *x, ln_str name, ln_str plain, int64_t ms) {
  resealed *s = calloc(1, sizeof *s);
  if (!s) return ln_fail(x->err, "memory", LN_AGAIN, "no memory to seal the secrets anew");
  s->next = x->first;
  s->ms = ms;
  x->first = s;
  ln_buf_init(&s->name, LN_SECRET_NAME + 1);
  ln_buf_init(&s->sealed, LN_SECRET_MAX + OVERHEAD + 1);
  return (ln_buf_add(&s->name, name) || ln_buf_ok(&s->name, x->err)) &&
         ln_vault_seal(x->fresh, plain, name, &s->sealed, x->err);
}

/* One of the store's.  The keys of blobs get a new one before them. */
static bool reseal(void *arg, ln_str name, ln_str sealed, int64_t ms) {
  rotating *x = arg;
  ln_buf plain;
  bool data = ln_str_eq(name, LN_VAULT_DATA);
  ln_buf_init(&plain, LN_SECRET_MAX + 1);
  ln_buf_secret(&plain);
  bool ok = ln_vault_unseal(x->old, sealed, name, &plain, x->err);
  if (!ok && ln_err_is(x->err, "sealed"))
    ln_fail(x->err, "store", LN_FINAL,
            "'%.*s' in the vault was changed, or sealed with another key: set it anew, then rotate",
            LN_STR_ARG(name));
  x->had_check = x->had_check || ln_str_eq(name, LN_VAULT_CHECK);
  if (ok && data) x->had_data = true, ok = ln_buf_add(&x->old_data, ln_buf_view(&plain));
  else ok = ok && keep(x, name, ln_buf_view(&plain), ms);
  if (ok && name.p[0] != '#') x->r->n++;
  ln_buf_wipe(&plain);
  return ok;
}

static bool reseal_data(rotating *x, int64_t ms) {
  ln_buf keys;
  uint8_t fresh[LN_KEY];
  init_keys(&keys);
  bool ok = RAND_bytes(fresh, LN_KEY) == 1 && ln_buf_add(&keys, (ln_str){(const char *)fresh, LN_KEY}) &&
            (x->had_data || ln_buf_add(&x->old_data, (ln_str){(const char *)x->old, LN_KEY})) &&
            ln_buf_add(&keys, ln_buf_view(&x->old_data));
  if (!ok) ln_fail(x->err, "store", LN_FINAL, "no random bytes or no memory for another key of blobs");
  ok = ok && keep(x, LN_VAULT_DATA, ln_buf_view(&keys), ms);
  OPENSSL_cleanse(fresh, sizeof fresh);
  ln_buf_wipe(&keys);
  return ok;
}

/* All of it is sealed anew in memory first: nothing is written where one value cannot be opened. */
static bool apply_rotate(ln_tx *tx, void *arg, ln_err *err) {
  rotating *x = arg;
  char n[LN_INT_TEXT];
  int64_t ms = ln_now_ms(ln_clock_real());
  const ln_audit_row row = {.ms = ms, .what = LN_STR("secrets rotated"), .who = x->r->by};
  x->err = err;
  x->r->n = 0;
  init_keys(&x->old_data);
  bool ok = ln_tx_secrets(tx, reseal, x, err) && reseal_data(x, ms) &&
            (x->had_check || keep(x, LN_VAULT_CHECK, LN_STR("lunette"), ms));
  for (resealed *s = x->first; ok && s; s = s->next)
    ok = ln_tx_secret_put(tx, ln_buf_view(&s->name), ln_buf_view(&s->sealed), s->ms, err);
  ln_buf_wipe(&x->old_data);
  free_resealed(x);
  return ok && ln_audit_one(tx, &row, "secrets", ln_str_int(x->r->n, n), err);
}

static bool new_passphrase(ln_vault *v, uint8_t key[LN_KEY], ln_buf *text, ln_err *err) {
  scrypt s = {.n = SCRYPT_N, .r = SCRYPT_R, .p = 1};
  char salt[2 * SALT + 1];
  if (RAND_bytes(s.salt, SALT) != 1)
    return ln_fail(err, "store", LN_FINAL, "OpenSSL has no random bytes for a salt");
  ln_hex(s.salt, SALT, salt);
  return ask(v, true, &s, key, err) &&
         (ln_buf_addf(text, "scrypt n=%d r=%d p=1 salt=%s\n", SCRYPT_N, SCRYPT_R, salt) ||
          ln_buf_ok(text, err));
}

/* The new key and its text.  A passphrase is asked for before anything is locked. */
static bool new_key(rotating *x, ln_err *err) {
  x->passphrase = x->r->to == LN_KEY_PASSPHRASE || (x->r->to == LN_KEY_AS_IT_IS && x->v->is_passphrase);
  return x->passphrase ? new_passphrase(x->v, x->fresh, &x->text, err) : ln_key_new(x->fresh, &x->text, err);
}

/* Its file, on disk under a name of its own. */
static bool put_new(rotating *x, const char *path, ln_err *err) {
  ln_vault *v = x->v;
  bool made;
  if (path == v->new_path) unlink(path); /* of a rotation that came to nothing */
  return ln_keyfile_make(path, ln_store_path(v->store), WHAT, ln_buf_view(&x->text), &made, err) &&
         (made || ln_fail(err, "usage", LN_FINAL, "%s is there already: name another file", path));
}

static bool rename_new(ln_vault *v, ln_err *err) {
  if (rename(v->new_path, v->key_path) == 0 && ln_sync_folder(v->key_path)) return true;
  return ln_fail(err, "store", LN_FINAL, "the new key is in force, but %s cannot be renamed to %s: %s",
                 v->new_path, v->key_path, strerror(errno));
}

static bool rotate(rotating *x, ln_err *err) {
  ln_vault *v = x->v;
  const char *path = x->r->into ? v->into : v->new_path;
  if (!put_new(x, path, err)) return false;
  if (!ln_writer_run(v->store, apply_rotate, x, err)) {
    /* whether it was committed is not known when the commit itself failed: then both keys stay */
    if (!ln_err_is(err, "store") || err->retry == LN_FINAL) unlink(path);
    return false;
  }
  memcpy(v->key, x->fresh, LN_KEY);
  v->have_key = true;
  v->is_passphrase = x->passphrase;
  x->r->path = x->r->into ? v->into : v->key_path;
  return x->r->into || rename_new(v, err);
}

/* The key is looked at again once nobody else can change it. */
static bool rotate_locked(rotating *x, ln_err *err) {
  ln_vault *v = x->v;
  bool made;
  int fd = lock_folder(v, LOCK_EX);
  if (fd < 0)
    return ln_fail(err, "store", LN_FINAL, "the folder of %s %s cannot be locked: %s", WHAT, v->key_path,
                   strerror(errno));
  v->locked = true;
  bool ok = need_key(v, false, &made, err);
  if (ok) memcpy(x->old, v->key, LN_KEY);
  ok = ok && rotate(x, err);
  v->locked = false;
  close(fd);
  return ok;
}

bool ln_vault_rotate(ln_vault *v, ln_rotation *r, ln_err *err) {
  rotating x = {.v = v, .r = r};
  bool made = false;
  if (ln_store_simulated(v->store))
    return ln_fail(err, "usage", LN_FINAL, "a simulated store's vault has no key to change");
  if (v->credential && !r->into)
    return ln_fail(err, "usage", LN_FINAL,
                   "the key is a credential of the service manager: --into FILE makes a new one for it");
  pthread_mutex_lock(&v->mx);
  free(v->into);
  v->into = r->into ? ln_str_dup(ln_str_of(r->into)) : NULL;
  bool ok = (!r->into || v->into) || ln_fail(err, "memory", LN_AGAIN, "no memory for a name");
  ln_buf_init(&x.text, TEXT_BYTES);
  ok = ok && need_key(v, true, &made, err) && new_key(&x, err) && rotate_locked(&x, err);
  ln_buf_wipe(&x.text);
  OPENSSL_cleanse(x.old, sizeof x.old);
  OPENSSL_cleanse(x.fresh, sizeof x.fresh);
  pthread_mutex_unlock(&v->mx);
  return ok;
}
