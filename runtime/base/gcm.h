/* gcm.h: AES-256-GCM, the one cipher in use. */
#ifndef LN_GCM_H
#define LN_GCM_H

#include "base/buf.h"

enum { LN_GCM_KEY = 32, LN_GCM_NONCE = 12, LN_GCM_TAG = 16 };

/* Appends ciphertext and tag.  A nonce must never be used twice with one key. */
bool ln_gcm_seal(const uint8_t key[LN_GCM_KEY], const uint8_t nonce[LN_GCM_NONCE], ln_str aad, ln_str plain,
                 ln_buf *out, ln_err *err);
/* Appends the plain text of ciphertext and tag.  False, and nothing appended: "failed", when it was changed,
** or sealed with another key, nonce or aad. */
bool ln_gcm_open(const uint8_t key[LN_GCM_KEY], const uint8_t nonce[LN_GCM_NONCE], ln_str aad, ln_str sealed,
                 ln_buf *out, ln_err *err);

#endif
