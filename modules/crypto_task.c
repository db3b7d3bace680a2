/* crypto_task.c: what crypto does, and when it is an effect (see crypto.h).  All of it is OpenSSL's, by
** base/digest, gcm, sign and jwt. */
#include "modules/crypto.h"

#include "base/base64.h"
#include "base/digest.h"
#include "base/gcm.h"
#include "base/hash.h"
#include "base/jwt.h"
#include "base/sign.h"
#include "modules/blob.h"

#include <stdlib.h>

static const char *const names[N_KINDS] = {"crypto.hash",   "crypto.hmac",     "crypto.seal",
                                           "crypto.open",   "crypto.sign",     "crypto.verify",
                                           "crypto.jwt_sign", "crypto.jwt_verify", "crypto.random_bytes"};

static bool put_hex(const uint8_t *raw, size_t n, ln_buf *value) {
  char hex[2 * LN_DIGEST_MAX + 1];
  ln_hex(raw, n, hex);
  return ln_v_str(value, ln_str_of(hex));
}

static bool do_hash_blob(const task *t, ln_engine *engine, ln_buf *value, ln_err *err) {
  uint8_t raw[LN_DIGEST_MAX];
  size_t n;
  ln_buf bytes;
  ln_buf_init(&bytes, LN_BLOB_MAX);
  bool ok =
      lnL_blob_get(engine, t->data, &bytes, err) && ln_digest(t->alg, ln_buf_view(&bytes), raw, &n, err);
  ln_buf_free(&bytes);
  return ok && put_hex(raw, n, value);
}

/* AES-256 wants 32 bytes; a credential, which is a text, may also have them in hex or base64. */
static bool aes_key(const task *t, ln_str key, uint8_t out[LN_GCM_KEY], ln_err *err) {
  if (key.n == LN_GCM_KEY) memcpy(out, key.p, LN_GCM_KEY);
  if (key.n == LN_GCM_KEY || (t->credential && ln_unhex(key, out, LN_GCM_KEY))) return true;
  if (t->credential && key.n < 100) {
    ln_buf raw;
    ln_buf_init(&raw, 128);
    bool ok = ln_unbase64(key, &raw, NULL) && raw.n == LN_GCM_KEY;
    if (ok) memcpy(out, raw.p, LN_GCM_KEY);
    ln_buf_wipe(&raw);
    if (ok) return true;
  }
  if (t->credential)
    return ln_fail(err, "bad_argument", LN_FINAL,
                   "the credential \"%.*s\" must be 32 bytes, plain or as hex or base64", LN_STR_ARG(t->key));
  return ln_fail(err, "bad_argument", LN_FINAL,
                 "the key must be 32 bytes or the name of a credential; it has %zu bytes, and names none",
                 key.n);
}

/* A sealed text is nonce, ciphertext, tag. */
static bool do_seal(const task *t, ln_str key, ln_engine *engine, ln_buf *value, ln_err *err) {
  uint8_t aes[LN_GCM_KEY], nonce[LN_GCM_NONCE];
  ln_buf sealed;
  ln_buf_init(&sealed, RESULT_MAX);
  bool ok = aes_key(t, key, aes, err) && engine->rand->bytes(engine->rand, nonce, sizeof nonce, err);
  if (ok) {
    ln_buf_add(&sealed, (ln_str){(const char *)nonce, sizeof nonce});
    ok = ln_gcm_seal(aes, nonce, t->extra, t->data, &sealed, err);
  }
  explicit_bzero(aes, sizeof aes);
  if (ok) ln_v_str(value, ln_buf_view(&sealed));
  ln_buf_free(&sealed);
  return ok;
}

static bool do_open(const task *t, ln_str key, ln_buf *value, ln_err *err) {
  uint8_t aes[LN_GCM_KEY];
  ln_buf plain;
  if (t->data.n < LN_GCM_NONCE + LN_GCM_TAG)
    return ln_fail(err, "failed", LN_FINAL, "too short to be a sealed text: it was cut");
  ln_buf_init(&plain, RESULT_MAX);
  ln_str rest = {t->data.p + LN_GCM_NONCE, t->data.n - LN_GCM_NONCE};
  bool ok =
      aes_key(t, key, aes, err) && ln_gcm_open(aes, (const uint8_t *)t->data.p, t->extra, rest, &plain, err);
  explicit_bzero(aes, sizeof aes);
  if (ok) ln_v_str(value, ln_buf_view(&plain));
  ln_buf_wipe(&plain);
  return ok;
}

/* Appends an array of the two JSON texts. */
static bool do_jwt_open(const task *t, ln_str key, ln_buf *value, ln_err *err) {
  ln_buf header, claims;
  ln_buf_init(&header, DATA_MAX);
  ln_buf_init(&claims, DATA_MAX);
  bool ok = ln_jwt_open(t->alg, key, t->data, &header, &claims, err);
  if (ok) {
    size_t mark = ln_v_begin(value, 'A', 2);
    ln_v_str(value, ln_buf_view(&header));
    ln_v_str(value, ln_buf_view(&claims));
    ln_v_end(value, mark);
  }
  ln_buf_free(&header);
  ln_buf_free(&claims);
  return ok;
}

/* Signatures and tokens: short, and made by one of two functions. */
static bool do_sign(const task *t, ln_str key, ln_buf *value, ln_err *err) {
  ln_buf out;
  ln_buf_init(&out, RESULT_MAX);
  bool ok = t->kind == SIGN ? ln_sign(t->alg, key, t->data, &out, err)
                            : ln_jwt_sign(t->alg, key, t->extra, t->data, &out, err);
  if (ok) ln_v_str(value, ln_buf_view(&out));
  ln_buf_free(&out);
  return ok;
}

static bool do_hmac(const task *t, ln_str key, ln_buf *value, ln_err *err) {
  uint8_t raw[LN_DIGEST_MAX];
  size_t n;
  return ln_hmac(t->alg, key, t->data, raw, &n, err) && put_hex(raw, n, value);
}

static bool do_verify(const task *t, ln_str key, ln_buf *value, ln_err *err) {
  bool valid = false;
  return ln_verify(t->alg, key, t->data, t->extra, &valid, err) && ln_v_bool(value, valid);
}

static bool do_random(const task *t, ln_engine *engine, ln_buf *value, ln_err *err) {
  ln_buf raw;
  ln_buf_init(&raw, RANDOM_MAX);
  char *p = ln_buf_room(&raw, (size_t)t->n);
  bool ok = p ? engine->rand->bytes(engine->rand, p, (size_t)t->n, err) : ln_buf_ok(&raw, err);
  if (ok) {
    ln_buf_grew(&raw, (size_t)t->n);
    ln_v_str(value, ln_buf_view(&raw));
  }
  ln_buf_wipe(&raw);
  return ok;
}

/* Appends the task's result, encoded.  engine: NULL for what needs no run. */
static bool do_with_key(const task *t, ln_str key, ln_engine *engine, ln_buf *value, ln_err *err) {
  bool ok = false;
  switch (t->kind) {
  case HASH_BLOB: ok = do_hash_blob(t, engine, value, err); break;
  case HMAC: ok = do_hmac(t, key, value, err); break;
  case SEAL: ok = do_seal(t, key, engine, value, err); break;
  case OPEN: ok = do_open(t, key, value, err); break;
  case SIGN: case JWT_SIGN: ok = do_sign(t, key, value, err); break;
  case VERIFY: ok = do_verify(t, key, value, err); break;
  case JWT_OPEN: ok = do_jwt_open(t, key, value, err); break;
  case RANDOM: ok = do_random(t, engine, value, err); break;
  }
  return ok && ln_buf_ok(value, err);
}

/* A credential's value, into key; ln_buf_wipe it in any case. */
static bool fetch_key(const task *t, ln_engine *engine, ln_buf *key, ln_err *err) {
  const ln_credential *c = ln_config_credential(engine->config, t->key);
  if (!c) return ln_fail(err, "not_found", LN_FINAL, "there is no credential \"%.*s\"", LN_STR_ARG(t->key));
  if (!ln_str_eq(c->kind, LN_STR("key")) && !ln_str_eq(c->kind, LN_STR("hmac")))
    return ln_fail(
        err, "refused", LN_FINAL,
        "the credential \"%.*s\" is of kind %.*s, for requests only: crypto takes those with `key` or `hmac`",
        LN_STR_ARG(t->key), LN_STR_ARG(c->kind));
  return ln_secret_get(engine->vault, c->secret, key, err);
}

static bool do_task(const task *t, ln_engine *engine, ln_buf *value, ln_err *err) {
  if (!t->credential) return do_with_key(t, t->key, engine, value, err);
  ln_buf key;
  ln_buf_init(&key, 1 << 20);
  bool ok = fetch_key(t, engine, &key, err) && do_with_key(t, ln_buf_view(&key), engine, value, err);
  ln_buf_wipe(&key);
  return ok;
}

/* --- tasks as effects --- */

typedef struct job {                                     /* a task with its own copies, in one allocation   */
  task t;
  size_t n;
  char bytes[];
} job;

static void free_job(void *work) {
  job *j = work;
  explicit_bzero(j->bytes, j->n);
  free(j);
}

static ln_str copy_into(char **p, ln_str s) {
  ln_str kept = {*p, s.n};
  if (s.n) memcpy(*p, s.p, s.n);
  *p += s.n;
  return kept;
}

static job *new_job(const task *t) {
  size_t n = t->alg.n + t->key.n + t->data.n + t->extra.n;
  job *j = malloc(sizeof *j + n);
  if (!j) return NULL;
  char *p = j->bytes;
  j->t = *t;
  j->n = n;
  j->t.alg = copy_into(&p, t->alg);
  j->t.key = copy_into(&p, t->key);
  j->t.data = copy_into(&p, t->data);
  j->t.extra = copy_into(&p, t->extra);
  return j;
}

static void start(ln_effect *e) {
  const job *j = ln_effect_work(e);
  ln_buf value;
  ln_err err;
  ln_buf_init(&value, RESULT_MAX);
  if (do_task(&j->t, ln_effect_engine(e), &value, &err)) {
    ln_effect_done(e, ln_buf_view(&value));
  } else {
    ln_err_prefix(&err, "%s", names[j->t.kind]);
    ln_effect_fail(e, &err);
  }
  ln_buf_wipe(&value);
}

#define PURE(label) {.name = (label), .cls = LN_PURE, .start = start}
static const ln_op ops[N_KINDS] = {
    [HASH_BLOB] = PURE("crypto.hash"),     [HMAC] = PURE("crypto.hmac"),
    [SEAL] = PURE("crypto.seal"),          [OPEN] = PURE("crypto.open"),
    [SIGN] = PURE("crypto.sign"),          [VERIFY] = PURE("crypto.verify"),
    [JWT_SIGN] = PURE("crypto.jwt_sign"),  [JWT_OPEN] = PURE("crypto.jwt_verify"),
    [RANDOM] = PURE("crypto.random_bytes"),
};

/* Sets a member of the table at the top to the bytes' SHA-256, unless there are none. [-0, +0, m] */
static void set_digest(lua_State *L, const char *key, ln_str bytes) {
  uint8_t raw[LN_SHA256];
  char hex[2 * LN_SHA256 + 1] = "";
  if (!bytes.n) return;
  if (ln_sha256(bytes, raw)) ln_hex(raw, LN_SHA256, hex);
  lua_pushstring(L, hex);
  lua_setfield(L, -2, key);
}

static int ask(lua_State *L, const task *t) {
  ln_err err;
  if (!lnL_engine_here(L)) {
    ln_fail(&err, "unavailable", LN_FINAL, "this is a step of a run, and there is no run here");
    return lnL_raise_in(L, names[t->kind], &err);
  }
  lua_createtable(L, 0, 5);                               /* args */
  if (t->alg.n) {
    lua_pushlstring(L, t->alg.p, t->alg.n);
    lua_setfield(L, -2, "alg");
  }
  if (t->credential) {
    lua_pushlstring(L, t->key.p, t->key.n);
    lua_setfield(L, -2, "credential");
  } else {
    set_digest(L, "key", t->key);
  }
  set_digest(L, "data", t->data);
  set_digest(L, "extra", t->extra);
  lua_pushinteger(L, t->n);
  lua_setfield(L, -2, "n");
  job *j = new_job(t);
  if (!j) {
    ln_fail(&err, "memory", LN_AGAIN, "no memory for its arguments");
    return lnL_raise_in(L, names[t->kind], &err);
  }
  return lnL_effect(L, &ops[t->kind], lua_gettop(L), j, free_job);
}

/* Is the key at idx the name of a configured credential? */
static bool is_credential(lua_State *L, ln_str key) {
  ln_engine *engine = lnL_engine_here(L);
  return engine && engine->config && ln_config_credential(engine->config, key) != NULL;
}

const char *lnL_crypto_name(task_kind kind) { return names[kind]; }

int lnL_crypto(lua_State *L, task *t) {
  ln_err err;
  bool draws = t->kind == SEAL || t->kind == JWT_SIGN || t->kind == RANDOM || t->kind == HASH_BLOB ||
               (t->kind == SIGN && ln_sign_is_random(t->alg));
  t->credential = t->key.n && is_credential(L, t->key);
  if (draws || t->credential) return ask(L, t);
  ln_buf *value = lnL_new_buf(L, RESULT_MAX);
  if (!do_task(t, NULL, value, &err)) return lnL_raise_in(L, names[t->kind], &err);
  lnL_decode(L, ln_buf_view(value));
  ln_buf_wipe(value);
  return 1;
}

ln_str lnL_crypto_data(lua_State *L, task_kind kind, const char *arg, int idx) {
  ln_str s = lnL_text(L, names[kind], arg, idx);
  if (s.n > DATA_MAX) lnL_bad(L, names[kind], arg, "no more than 64 MiB", 0);
  return s;
}

ln_str lnL_crypto_key(lua_State *L, task_kind kind, int idx) {
  ln_str key;
  if (lua_type(L, idx) != LUA_TSTRING)
    lnL_bad(L, names[kind], "the key", "the name of a credential, or bytes", idx);
  key.p = lua_tolstring(L, idx, &key.n);
  if (!key.n) lnL_bad(L, names[kind], "the key", "not empty", 0);
  return key;
}
