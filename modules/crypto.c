/* crypto.c: cryptography as Lua sees it: the functions' arguments are checked here, and what they do is a
** task (crypto_task.c) or a line. */
#include "modules/crypto.h"

#include "base/base64.h"
#include "base/digest.h"
#include "base/hash.h"
#include "modules/blob.h"
#include "modules/x509.h"

/* --- hashes --- */

/* A blob's digest: the three that its handle knows without reading it. */
static int hash_blob(lua_State *L, ln_str alg, const ln_blob *b) {
  ln_str known = ln_str_ieq(alg, LN_STR("sha256")) ? b->sha256
                 : ln_str_ieq(alg, LN_STR("sha1")) ? b->sha1
                 : ln_str_ieq(alg, LN_STR("md5"))  ? b->md5
                                                   : (ln_str){0};
  if (!known.n) return lnL_crypto(L, &(task){.kind = HASH_BLOB, .alg = alg, .data = b->sha256});
  lua_pushlstring(L, known.p, known.n);
  return 1;
}

/* crypto.hash(alg, data | blob) -> hex */
static int l_hash(lua_State *L) {
  ln_err err;
  ln_blob blob;
  uint8_t raw[LN_DIGEST_MAX];
  char hex[2 * LN_DIGEST_MAX + 1];
  size_t n;
  ln_str alg = lnL_text(L, "crypto.hash", "the algorithm", 1);
  if (lnL_to_blob(L, 2, &blob)) return hash_blob(L, alg, &blob);
  if (lua_type(L, 2) != LUA_TSTRING) lnL_bad(L, "crypto.hash", "data", "a text or a blob", 2);
  if (!ln_digest(alg, lnL_text(L, "crypto.hash", "data", 2), raw, &n, &err))
    return lnL_raise_in(L, "crypto.hash", &err);
  ln_hex(raw, n, hex);
  lua_pushstring(L, hex);
  return 1;
}

/* crypto.hmac(alg, key, data) -> hex */
static int l_hmac(lua_State *L) {
  ln_str alg = lnL_text(L, "crypto.hmac", "the algorithm", 1);
  ln_str key = lnL_crypto_key(L, HMAC, 2);
  return lnL_crypto(
      L, &(task){.kind = HMAC, .alg = alg, .key = key, .data = lnL_crypto_data(L, HMAC, "data", 3)});
}

/* --- sealing --- */

static int seal_or_open(lua_State *L, task_kind kind, const char *what) {
  static const char *const known[] = {"aad", NULL};
  ln_str key = lnL_crypto_key(L, kind, 1), data = lnL_crypto_data(L, kind, what, 2);
  lnL_options(L, lnL_crypto_name(kind), 3, known);
  lua_settop(L, 3);
  lnL_field(L, 3, "aad");                                 /* key data options aad */
  ln_str aad = lua_isnil(L, 4) ? (ln_str){"", 0} : lnL_crypto_data(L, kind, "aad", 4);
  return lnL_crypto(L, &(task){.kind = kind, .key = key, .data = data, .extra = aad});
}

/* crypto.seal(key, text, { aad }) -> bytes */
static int l_seal(lua_State *L) { return seal_or_open(L, SEAL, "the text"); }

/* crypto.open(key, sealed, { aad }) -> text */
static int l_open(lua_State *L) { return seal_or_open(L, OPEN, "the sealed text"); }

/* --- signatures --- */

/* crypto.sign(alg, key, data) -> bytes */
static int l_sign(lua_State *L) {
  ln_str alg = lnL_text(L, "crypto.sign", "the algorithm", 1);
  ln_str key = lnL_crypto_key(L, SIGN, 2);
  return lnL_crypto(
      L, &(task){.kind = SIGN, .alg = alg, .key = key, .data = lnL_crypto_data(L, SIGN, "data", 3)});
}

/* crypto.verify(alg, key, data, signature) -> boolean */
static int l_verify(lua_State *L) {
  ln_str alg = lnL_text(L, "crypto.verify", "the algorithm", 1);
  ln_str key = lnL_crypto_key(L, VERIFY, 2);
  ln_str data = lnL_crypto_data(L, VERIFY, "data", 3), sig = lnL_crypto_data(L, VERIFY, "the signature", 4);
  return lnL_crypto(L, &(task){.kind = VERIFY, .alg = alg, .key = key, .data = data, .extra = sig});
}

/* --- the rest --- */

/* crypto.random_bytes(n) -> bytes */
static int l_random_bytes(lua_State *L) {
  return lnL_crypto(L,
                    &(task){.kind = RANDOM, .n = lnL_whole(L, "crypto.random_bytes", "n", 1, 1, RANDOM_MAX)});
}

/* crypto.hex(bytes) -> hex */
static int l_hex(lua_State *L) {
  ln_err err;
  ln_str s = lnL_text(L, "crypto.hex", "the bytes", 1);
  ln_buf *out = lnL_new_buf(L, 2 * (size_t)DATA_MAX + 1);
  char *p = s.n <= DATA_MAX ? ln_buf_room(out, 2 * s.n + 1) : NULL;
  if (!p) {
    ln_fail(&err, "too_big", LN_FINAL, "%zu bytes are more than the %d that are allowed", s.n, DATA_MAX);
    return lnL_raise_in(L, "crypto.hex", &err);
  }
  ln_hex((const uint8_t *)s.p, s.n, p);
  ln_buf_grew(out, 2 * s.n);
  return lnL_push_buf(L, out);
}

/* crypto.unhex(hex) -> bytes */
static int l_unhex(lua_State *L) {
  ln_err err;
  ln_str s = lnL_text(L, "crypto.unhex", "the text", 1);
  ln_buf *out = lnL_new_buf(L, DATA_MAX);
  char *p = ln_buf_room(out, s.n / 2);
  if (p && ln_unhex(s, (uint8_t *)p, s.n / 2)) {
    ln_buf_grew(out, s.n / 2);
    return lnL_push_buf(L, out);
  }
  if (p) ln_fail(&err, "bad_argument", LN_FINAL, "the text is not pairs of hexadecimal digits");
  else ln_buf_ok(out, &err);
  return lnL_raise_in(L, "crypto.unhex", &err);
}

static int encode64(lua_State *L, const char *fn, bool (*encode)(ln_str, ln_buf *)) {
  ln_err err;
  ln_str s = lnL_text(L, fn, "the bytes", 1);
  ln_buf *out = lnL_new_buf(L, 2 * (size_t)DATA_MAX);
  if (encode(s, out)) return lnL_push_buf(L, out);
  ln_buf_ok(out, &err);
  return lnL_raise_in(L, fn, &err);
}

static int decode64(lua_State *L, const char *fn, bool (*decode)(ln_str, ln_buf *, ln_err *)) {
  ln_err err;
  ln_str s = lnL_text(L, fn, "the text", 1);
  ln_buf *out = lnL_new_buf(L, 2 * (size_t)DATA_MAX);
  if (!decode(s, out, &err)) return lnL_raise_in(L, fn, &err);
  return lnL_push_buf(L, out);
}

static int l_base64(lua_State *L) { return encode64(L, "crypto.base64", ln_base64); }
static int l_base64url(lua_State *L) { return encode64(L, "crypto.base64url", ln_base64url); }
static int l_unbase64(lua_State *L) { return decode64(L, "crypto.unbase64", ln_unbase64); }
static int l_unbase64url(lua_State *L) { return decode64(L, "crypto.unbase64url", ln_unbase64url); }

/* crypto.equal(a, b) -> boolean */
static int l_equal(lua_State *L) {
  lua_pushboolean(L, ln_str_same_secret(lnL_text(L, "crypto.equal", "the first text", 1),
                                        lnL_text(L, "crypto.equal", "the second text", 2)));
  return 1;
}

/* crypto.x509(pem) -> table */
static int l_x509(lua_State *L) {
  ln_err err;
  ln_str pem = lnL_text(L, "crypto.x509", "the certificate", 1);
  ln_buf *value = lnL_new_buf(L, RESULT_MAX);
  if (!ln_x509_value(pem, value, &err)) return lnL_raise_in(L, "crypto.x509", &err);
  lnL_decode(L, ln_buf_view(value));
  ln_buf_free(value);
  return 1;
}

int luaopen_crypto(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"hash", l_hash},           {"hmac", l_hmac},           {"seal", l_seal},
      {"open", l_open},           {"sign", l_sign},           {"verify", l_verify},
      {"hex", l_hex},             {"unhex", l_unhex},         {"random_bytes", l_random_bytes},
      {"base64", l_base64},       {"unbase64", l_unbase64},   {"base64url", l_base64url},
      {"unbase64url", l_unbase64url}, {"equal", l_equal},     {"x509", l_x509},
      {"jwt_sign", lnL_crypto_jwt_sign}, {"jwt_verify", lnL_crypto_jwt_verify}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
