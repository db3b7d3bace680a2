/* secret.c: secrets by name, and where they are looked for.  vault.c has the key and the sealing, helper.c
** what another program knows.  A value found by one way is never looked for by the next. */
#include "engine/inside.h"
#include "engine/vault.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEALED_MORE = 64 };                              /* more than a sealed value is longer than its text */

bool ln_secret_name(ln_str name, ln_err *err) {
  bool ok = name.n >= 1 && name.n <= LN_SECRET_NAME, dots = true;
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
  char var[sizeof "LUNETTE_SECRET_" + LN_SECRET_NAME];
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
  char *to = ln_buf_room(text, LN_SECRET_MAX + 1);
  if (!to) return ln_buf_ok(text, err);
  ssize_t n = read(fd, to, LN_SECRET_MAX + 1);
  if (n < 0 || n > LN_SECRET_MAX)
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
  ln_buf_init(&text, LN_SECRET_MAX + 1);
  *found = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
  if (*found)
    ok =
        read_credential(fd, name, &text, err) && (ln_buf_add(out, ln_buf_view(&text)) || ln_buf_ok(out, err));
  if (fd >= 0) close(fd);
  ln_buf_wipe(&text);
  return ok;
}

static bool nowhere(ln_str name, ln_err *err) {
  return ln_fail(err, "not_found", LN_FINAL,
                 "the secret '" LN_STR_FMT
                 "' is neither in $LUNETTE_SECRET_…, nor in $CREDENTIALS_DIRECTORY, nor in the vault: "
                 "`lunette secret set " LN_STR_FMT "`",
                 LN_STR_ARG(name), LN_STR_ARG(name));
}

/* The value and the key are looked at together: another process may change both. */
static bool open_value(ln_vault *v, ln_str name, bool sure, ln_buf *out, ln_err *err) {
  uint8_t key[LN_KEY];
  ln_buf sealed;
  ln_buf_init(&sealed, LN_SECRET_MAX + SEALED_MORE);
  bool ok = ln_store_secret_get(v->store, name, &sealed, err) &&
            ln_vault_key(v, false, sure, NULL, key, err) &&
            ln_vault_unseal(key, ln_buf_view(&sealed), name, out, err);
  OPENSSL_cleanse(key, sizeof key);
  ln_buf_free(&sealed);
  return ok;
}

static bool from_vault(ln_vault *v, ln_str name, bool wait, ln_buf *out, ln_err *err) {
  if (open_value(v, name, false, out, err)) return true;
  if (ln_err_is(err, "sealed") && open_value(v, name, true, out, err)) return true;
  if (ln_err_is(err, "not_found"))
    return v->o.n_helper ? ln_helper_get(v, name, wait, out, err) : nowhere(name, err);
  if (ln_err_is(err, "sealed")) memcpy(err->code, "store", sizeof "store");
  return ln_err_prefix(err, "secret '" LN_STR_FMT "'", LN_STR_ARG(name));
}

static bool look_for(ln_vault *v, ln_str name, bool wait, ln_buf *out, ln_err *err) {
  bool found = false;
  ln_err own;
  if (!err) err = &own;
  ln_buf_secret(out);
  if (!ln_secret_name(name, err) || !from_env(name, out, &found, err)) return false;
  if (found) return true;
  if (!from_credentials(name, out, &found, err)) return false;
  return found || from_vault(v, name, wait, out, err);
}

bool ln_secret_get(ln_vault *v, ln_str name, ln_buf *out, ln_err *err) {
  return look_for(v, name, true, out, err);
}

bool ln_secret_at_hand(ln_vault *v, ln_str name, ln_buf *out, ln_err *err) {
  return look_for(v, name, false, out, err);
}

void ln_secret_prepare(ln_vault *v, ln_str name) {
  ln_buf unused;
  ln_err none;
  ln_buf_init(&unused, LN_SECRET_MAX);
  ln_secret_at_hand(v, name, &unused, &none);
  ln_buf_wipe(&unused);
}

typedef struct put_job {
  const uint8_t *key;
  ln_str name, sealed, check, by;
  int64_t ms;
} put_job;

/* Is what the store has been sealed with still our key?  Another process may have changed it just now. */
static bool same_key(ln_tx *tx, const put_job *p, ln_err *err) {
  ln_buf check, plain;
  bool found;
  ln_buf_init(&check, LN_SECRET_MAX);
  ln_buf_init(&plain, LN_SECRET_MAX);
  bool ok = ln_tx_secret_get(tx, LN_VAULT_CHECK, &check, &found, err);
  if (ok && found && !ln_vault_unseal(p->key, ln_buf_view(&check), LN_VAULT_CHECK, &plain, err))
    ok = ln_fail(err, "conflict", LN_AGAIN, "the vault's key was changed just now: try again");
  ln_buf_free(&plain);
  ln_buf_free(&check);
  return ok;
}

static bool apply_put(ln_tx *tx, void *arg, ln_err *err) {
  put_job *p = arg;
  const ln_audit_row r = {.ms = p->ms, .what = LN_STR("secret set"), .who = p->by};
  return same_key(tx, p, err) && ln_tx_secret_put(tx, p->name, p->sealed, p->ms, err) &&
         ln_tx_secret_put(tx, LN_VAULT_CHECK, p->check, p->ms, err) &&
         ln_audit_one(tx, &r, "name", p->name, err);
}

bool ln_secret_set(ln_vault *v, ln_str name, ln_str value, ln_str by, const char **made_key, ln_err *err) {
  uint8_t key[LN_KEY];
  bool made = false;
  *made_key = NULL;
  if (!ln_secret_name(name, err)) return false;
  if (value.n > LN_SECRET_MAX) return ln_fail(err, "too_big", LN_FINAL, "a secret is at most 64 KiB");
  ln_buf sealed, check;
  ln_buf_init(&sealed, LN_SECRET_MAX + SEALED_MORE);
  ln_buf_init(&check, LN_SECRET_MAX);
  bool ok = ln_vault_key(v, true, true, &made, key, err);
  if (made) *made_key = v->key_path;
  ok = ok && ln_vault_seal(key, value, name, &sealed, err) &&
       ln_vault_seal(key, LN_STR("lunette"), LN_VAULT_CHECK, &check, err);
  put_job p = {key, name, ln_buf_view(&sealed), ln_buf_view(&check), by, ln_now_ms(ln_clock_real())};
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
  if (!ln_secret_name(name, err)) return false;
  bool ok = ln_writer_run(v->store, apply_rm, &r, err);
  *was = r.was;
  return ok;
}
