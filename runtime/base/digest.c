/* digest.c: message digests by OpenSSL.  MD5 and SHA-1 are here because reports, blocklists and sandboxes
** still name files by them; nothing in the core trusts them. */
#include "base/digest.h"

#include "base/hash.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

typedef struct digest_name {
  const char *ours, *openssl;
} digest_name;

static const digest_name names[] = {
    {"sha256", "SHA256"},     {"sha1", "SHA1"},         {"md5", "MD5"},
    {"sha512", "SHA512"},     {"sha384", "SHA384"},     {"sha224", "SHA224"},
    {"sha3-256", "SHA3-256"}, {"sha3-384", "SHA3-384"}, {"sha3-512", "SHA3-512"},
};

/* The digest of that name; EVP_MD_free it.  NULL: err says why. */
static EVP_MD *fetch(ln_str alg, ln_err *err) {
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (!ln_str_ieq(alg, ln_str_of(names[i].ours))) continue;
    EVP_MD *md = EVP_MD_fetch(NULL, names[i].openssl, NULL);
    if (!md) {
      ERR_clear_error();
      ln_fail(err, "unavailable", LN_FINAL, "this machine's OpenSSL does not offer %s", names[i].ours);
    }
    return md;
  }
  ln_fail(err, "bad_argument", LN_FINAL,
          "no digest is called \"%.*s\": use one of sha256 sha512 sha384 sha224 sha3-256 sha3-384 sha3-512 "
          "sha1 md5",
          alg.n > 40 ? 40 : (int)alg.n, alg.p);
  return NULL;
}

bool ln_digest(ln_str alg, ln_str data, uint8_t out[LN_DIGEST_MAX], size_t *n, ln_err *err) {
  EVP_MD *md = fetch(alg, err);
  if (!md) return false;
  unsigned len = 0;
  bool ok = EVP_Digest(data.p, data.n, out, &len, md, NULL) == 1;
  EVP_MD_free(md);
  *n = len;
  return ok || ln_fail(err, "failed", LN_FINAL, "OpenSSL could not compute a digest");
}

bool ln_hmac(ln_str alg, ln_str key, ln_str data, uint8_t out[LN_DIGEST_MAX], size_t *n, ln_err *err) {
  if (!key.n) return ln_fail(err, "bad_argument", LN_FINAL, "the key is empty");
  if (key.n > INT32_MAX) return ln_fail(err, "too_big", LN_FINAL, "a key of %zu bytes", key.n);
  EVP_MD *md = fetch(alg, err);
  if (!md) return false;
  unsigned len = 0;
  const unsigned char *bytes = (const unsigned char *)(data.n ? data.p : "");
  bool ok = HMAC(md, key.p, (int)key.n, bytes, data.n, out, &len) != NULL;
  EVP_MD_free(md);
  *n = len;
  return ok || ln_fail(err, "failed", LN_FINAL, "OpenSSL could not compute an HMAC");
}

bool ln_digests_of(ln_str data, ln_digests *out, ln_err *err) {
  uint8_t raw[LN_DIGEST_MAX];
  size_t n;
  if (!ln_digest(LN_STR("sha256"), data, raw, &n, err)) return false;
  ln_hex(raw, n, out->sha256);
  if (!ln_digest(LN_STR("sha1"), data, raw, &n, err)) return false;
  ln_hex(raw, n, out->sha1);
  if (!ln_digest(LN_STR("md5"), data, raw, &n, err)) return false;
  ln_hex(raw, n, out->md5);
  return true;
}
