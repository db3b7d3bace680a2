/* gcm.c: AES-256-GCM by OpenSSL.  What is opened counts only once its tag was verified: until then the plain
** text lies in the buffer's room, which is wiped if the tag does not agree. */
#include "base/gcm.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>

static bool fits(ln_str s) { return s.n <= INT_MAX - LN_GCM_TAG; }

static const unsigned char *bytes(ln_str s) { return (const unsigned char *)(s.n ? s.p : ""); }

static bool seal(EVP_CIPHER_CTX *c, const uint8_t *key, const uint8_t *nonce, ln_str aad, ln_str plain,
                 unsigned char *to) {
  int n = 0;
  return EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
         EVP_EncryptUpdate(c, NULL, &n, bytes(aad), (int)aad.n) == 1 &&
         EVP_EncryptUpdate(c, to, &n, bytes(plain), (int)plain.n) == 1 &&
         EVP_EncryptFinal_ex(c, to + plain.n, &n) == 1 &&
         EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, LN_GCM_TAG, to + plain.n) == 1;
}

bool ln_gcm_seal(const uint8_t key[LN_GCM_KEY], const uint8_t nonce[LN_GCM_NONCE], ln_str aad, ln_str plain,
                 ln_buf *out, ln_err *err) {
  if (!fits(aad) || !fits(plain))
    return ln_fail(err, "too_big", LN_FINAL, "%zu bytes are too many to seal at once", plain.n);
  char *to = ln_buf_room(out, plain.n + LN_GCM_TAG);
  if (!to) return ln_buf_ok(out, err);
  EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
  bool ok = c && seal(c, key, nonce, aad, plain, (unsigned char *)to);
  EVP_CIPHER_CTX_free(c);
  ERR_clear_error();
  if (!ok) return ln_fail(err, "failed", LN_FINAL, "OpenSSL could not seal with AES-256-GCM");
  ln_buf_grew(out, plain.n + LN_GCM_TAG);
  return true;
}

static bool unseal(EVP_CIPHER_CTX *c, const uint8_t *key, const uint8_t *nonce, ln_str aad, ln_str cipher,
                   unsigned char *tag, unsigned char *to) {
  int n = 0;
  return EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
         EVP_DecryptUpdate(c, NULL, &n, bytes(aad), (int)aad.n) == 1 &&
         EVP_DecryptUpdate(c, to, &n, bytes(cipher), (int)cipher.n) == 1 &&
         EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, LN_GCM_TAG, tag) == 1 &&
         EVP_DecryptFinal_ex(c, to + cipher.n, &n) == 1;
}

bool ln_gcm_open(const uint8_t key[LN_GCM_KEY], const uint8_t nonce[LN_GCM_NONCE], ln_str aad, ln_str sealed,
                 ln_buf *out, ln_err *err) {
  if (!fits(aad) || !fits(sealed))
    return ln_fail(err, "too_big", LN_FINAL, "%zu bytes are too many to open at once", sealed.n);
  if (sealed.n < LN_GCM_TAG)
    return ln_fail(err, "failed", LN_FINAL, "too short to be a sealed text: it was cut");
  ln_str cipher = {sealed.p, sealed.n - LN_GCM_TAG};
  unsigned char tag[LN_GCM_TAG];
  memcpy(tag, sealed.p + cipher.n, sizeof tag);
  char *to = ln_buf_room(out, cipher.n);
  if (!to) return ln_buf_ok(out, err);
  EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
  bool ok = c && unseal(c, key, nonce, aad, cipher, tag, (unsigned char *)to);
  EVP_CIPHER_CTX_free(c);
  ERR_clear_error();
  if (ok) {
    ln_buf_grew(out, cipher.n);
    return true;
  }
  explicit_bzero(to, cipher.n);
  return ln_fail(err, "failed", LN_FINAL,
                 "the sealed text does not open: it was changed, or sealed with another key or aad");
}
