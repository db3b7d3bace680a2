/* secret.h: secrets by name: $LUNETTE_SECRET_NAME, then $CREDENTIALS_DIRECTORY/name, then the vault in the
** store, whose values are AES-256-GCM under a key of its own, then the site's helper command.  Values are
** wiped after use and never enter Lua. */
#ifndef LN_SECRET_H
#define LN_SECRET_H

#include "store/store.h"

typedef struct ln_vault ln_vault;

/* Appends a passphrase, which is wiped afterwards; anew: for a key that is to be made.  False: err says why
** there is none. */
typedef bool (*ln_passphrase_fn)(void *arg, bool anew, ln_buf *out, ln_err *err);

typedef struct ln_vault_opts {                           /* lent as long as the vault                       */
  ln_str key;                                            /* the key's file; "": beside the store            */
  const ln_str *helper;                                 /* argv, where "{name}" is the secret's; NULL: none */
  size_t n_helper;
  struct ln_launcher *launcher;                          /* command.h: starts it; NULL: we do               */
  ln_passphrase_fn ask;                                  /* NULL: nobody can be asked                       */
  void *arg;
} ln_vault_opts;

/* The key is looked for at first need: $LUNETTE_KEY, else the file of the options, else the systemd
** credential lunette.key, else STORE.key.  o NULL: nothing. */
ln_vault *ln_vault_open(ln_store *s, const ln_vault_opts *o, ln_err *err);
void ln_vault_free(ln_vault *v);
/* For who is about to serve: if the key is a passphrase it is asked for now, and never afterwards. */
bool ln_vault_ready(ln_vault *v, ln_err *err);

bool ln_secret_get(ln_vault *v, ln_str name, ln_buf *out,
                   ln_err *err); /* wipe out with ln_buf_wipe; "not_found" names where it was looked for */
/* The same for whoever is not known yet: where the helper command would have to be waited for it is begun,
** and this fails "unavailable". */
bool ln_secret_at_hand(ln_vault *v, ln_str name, ln_buf *out, ln_err *err);
/* Begins to ask for one that will be wanted at hand. */
void ln_secret_prepare(ln_vault *v, ln_str name);
bool ln_secret_name(ln_str name, ln_err *err); /* can a secret have it?                           */
/* *made_key: path of a key file made just now, or NULL.  by: for the audit.  "conflict": the key was changed
** meanwhile. */
bool ln_secret_set(ln_vault *v, ln_str name, ln_str value, ln_str by, const char **made_key, ln_err *err);
bool ln_secret_rm(ln_vault *v, ln_str name, ln_str by, bool *was, ln_err *err);
/* For blobs; in the transaction that keeps it. */
bool ln_seal(ln_vault *v, ln_tx *tx, ln_str plain, ln_str aad, ln_buf *out, ln_err *err);
bool ln_unseal(ln_vault *v, ln_str sealed, ln_str aad, ln_buf *out, ln_err *err);

typedef enum ln_key_kind { LN_KEY_AS_IT_IS, LN_KEY_RANDOM, LN_KEY_PASSPHRASE } ln_key_kind;
typedef struct ln_rotation {
  ln_key_kind to;
  const char *into;                                      /* a file for the new key; NULL: where the old is  */
  ln_str by;                                             /* who wants it, for the audit                     */
  int64_t n;                                             /* out: secrets that were sealed anew              */
  const char *path;                                      /* out: of the new key; as long as the vault       */
} ln_rotation;
/* A new key: all secrets are sealed anew in one transaction.  Whenever the process dies, the key that is
** there then opens the vault: the new one is on disk before anything is sealed with it, the old one until
** that is committed. */
bool ln_vault_rotate(ln_vault *v, ln_rotation *r, ln_err *err);

#endif
