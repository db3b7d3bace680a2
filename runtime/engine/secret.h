/* secret.h: secrets by name: $LUNETTE_SECRET_NAME, then $CREDENTIALS_DIRECTORY/name, then the vault in the
** store, whose values are AES-256-GCM under a key file (mode 0600).  A sealed value begins with a format
** byte, so that passphrases (scrypt) and rotation can follow.  Values are wiped after use and never enter
** Lua. */
#ifndef LN_SECRET_H
#define LN_SECRET_H

#include "store/store.h"

typedef struct ln_vault ln_vault;

/* the key file is read at first need: $LUNETTE_KEY, else STORE.key */
ln_vault *ln_vault_open(ln_store *s, ln_err *err);
void ln_vault_free(ln_vault *v);
bool ln_secret_get(ln_vault *v, ln_str name, ln_buf *out,
                   ln_err *err); /* wipe out with ln_buf_wipe; "not_found" names the three places */
/* *made_key: path of a key file made just now, or NULL */
bool ln_secret_set(ln_vault *v, ln_str name, ln_str value, ln_str by, const char **made_key, ln_err *err);
bool ln_secret_rm(ln_vault *v, ln_str name, ln_str by, bool *was, ln_err *err); /* by: for the audit        */
bool ln_seal(ln_vault *v, ln_str plain, ln_str aad, ln_buf *out, ln_err *err);  /* for blobs */
bool ln_unseal(ln_vault *v, ln_str sealed, ln_str aad, ln_buf *out, ln_err *err);

#endif
