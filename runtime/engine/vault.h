/* vault.h: what the files about secrets share: the vault's key, and what is sealed with it. */
#ifndef LN_VAULT_H
#define LN_VAULT_H

#include "engine/keyfile.h"
#include "engine/secret.h"

#include <pthread.h>

enum { LN_SECRET_MAX = 64 << 10, LN_SECRET_NAME = 64 };

#define LN_VAULT_CHECK LN_STR("#check")                  /* no names that a secret can have                 */
#define LN_VAULT_DATA LN_STR("#data")

typedef struct ln_kept_answer ln_kept_answer;            /* helper.c                                        */

struct ln_vault {
  ln_store *store;
  ln_vault_opts o;
  char *key_path, *new_path;                             /* new_path: of a key that is to take its place    */
  char *into;                                            /* where the last rotation put one; NULL: there    */
  bool credential;                                       /* the service manager's: it cannot be replaced    */
  pthread_mutex_t mx; /* for what follows */
  bool have_key, is_passphrase;
  bool ready;                            /* nobody is asked for a passphrase any more       */
  bool unasked;                          /* which is why the key that was found does not fit */
  bool locked;                           /* by us: the key's folder                         */
  uint8_t key[LN_KEY], tried[LN_SHA256]; /* tried: the hash of the last key file's text     */
  pthread_mutex_t helper_mx;             /* for what follows */
  pthread_cond_t told;
  int asking; /* how many threads ask the helper                 */
  ln_kept_answer *answers;
};

/* A copy of the key for one use; OPENSSL_cleanse it.  make: where none was ever used, one is made (*made,
** which may be NULL).  sure: it is compared with what the store was sealed with, whatever is known of it. */
bool ln_vault_key(ln_vault *v, bool make, bool sure, bool *made, uint8_t key[LN_KEY], ln_err *err);
void ln_vault_forget(ln_vault *v);                       /* the key: it is looked for again                 */

/* One value under one key; nothing is added to out when it fails.  What cannot be opened fails "sealed". */
bool ln_vault_seal(const uint8_t key[LN_KEY], ln_str plain, ln_str aad, ln_buf *out, ln_err *err);
bool ln_vault_unseal(const uint8_t key[LN_KEY], ln_str sealed, ln_str aad, ln_buf *out, ln_err *err);

/* helper.c: what the site's command says.  "not_found", "unavailable", "too_big"; never what it wrote.
** Unless wait, "unavailable" also says that nothing is known yet, and that it is being asked. */
bool ln_helper_get(ln_vault *v, ln_str name, bool wait, ln_buf *out, ln_err *err);
void ln_helper_forget(ln_vault *v); /* wipes what is kept of it, once nobody asks      */

#endif
