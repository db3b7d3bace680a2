/* crypto.h: what the parts of the crypto module share: a call described as a task, which is done at once or
** asked for as an effect.
**
** What depends on its arguments alone is done at once.  What draws random numbers, or takes a key that is a
** configured credential, is a `pure` effect: its result is journaled, so that a replay sees the same one,
** also where the credential was changed since or is not at hand.  Such an effect's arguments in the journal
** name the bytes by their SHA-256; the bytes themselves, and the credential's value, are seen by the task
** alone. */
#ifndef LN_CRYPTO_H
#define LN_CRYPTO_H

#include "modules/modules.h"

enum { RANDOM_MAX = 1 << 20, DATA_MAX = 64 << 20, RESULT_MAX = DATA_MAX + (1 << 16) };

typedef enum task_kind {
  HASH_BLOB, HMAC, SEAL, OPEN, SIGN, VERIFY, JWT_SIGN, JWT_OPEN, RANDOM
} task_kind;
enum { N_KINDS = RANDOM + 1 };

typedef struct task {                                    /* texts are borrowed from the Lua stack           */
  task_kind kind;
  bool credential;                                       /* key is a credential's name (set by lnL_crypto)  */
  int64_t n;                                             /* RANDOM: how many bytes                          */
  ln_str alg, key;
  ln_str data;                                           /* also a blob's SHA-256, claims, a token          */
  ln_str extra;                                          /* aad, a signature, a token's header              */
} task;

/* Ends a C function: pushes the task's result, at once, or by an effect where it must be remembered.
** [-0, +1, e] */
int lnL_crypto(lua_State *L, task *t);
const char *lnL_crypto_name(task_kind kind);             /* "crypto.hmac", for errors                       */
/* The arguments at idx: a text of at most DATA_MAX; a key, which is not empty. */
ln_str lnL_crypto_data(lua_State *L, task_kind kind, const char *arg, int idx);
ln_str lnL_crypto_key(lua_State *L, task_kind kind, int idx);

/* crypto_jwt.c */
int lnL_crypto_jwt_sign(lua_State *L);                   /* (alg, key, claims, header) -> token             */
int lnL_crypto_jwt_verify(lua_State *L);                 /* (alg, key, token, options) -> claims, header    */

#endif
