/* detour.c: one secret of 256 bits a detour, from which its state, nonce and verifier are made; it lies in
** the cookie, sealed with a key that lives as long as the process.  Those that came back are remembered,
** the last 4,096 of them; the provider takes a code only once besides. */
#include "server/detour.h"

#include "base/base64.h"
#include "base/gcm.h"
#include "base/hash.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

enum { SEED = 32, USED = 4096, TIME = 8, COOKIE_MOST = 4096 };

#define AAD LN_STR("lunette sign-in")

struct ln_detours {
  uint8_t key[LN_GCM_KEY];
  uint8_t used[USED][LN_SHA256];
  size_t n_used; /* so far; the oldest one makes room               */
};

ln_detours *ln_detours_new(ln_err *err) {
  ln_detours *d = calloc(1, sizeof *d);
  if (d && RAND_bytes(d->key, sizeof d->key) == 1) return d;
  free(d);
  ln_fail(err, "memory", LN_AGAIN, "no memory, or no random bytes, for signing in");
  return NULL;
}

void ln_detours_free(ln_detours *d) {
  if (d) OPENSSL_cleanse(d->key, sizeof d->key);
  free(d);
}

bool ln_is_own_path(ln_str path) {
  static const char fine[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&()*+,;=:@%/?#";
  if (!path.n || path.n > LN_BACK_MOST || path.p[0] != '/') return false;
  if (path.n > 1 && path.p[1] == '/') return false; /* "//evil.example" is another host                */
  for (size_t i = 0; i < path.n; i++)
    if (!memchr(fine, path.p[i], sizeof fine - 1)) return false;
  return true;
}

/* ------------------------------------------------------------------ what is made of the secret */

static bool derive(ln_str name, ln_str seed, char out[LN_DETOUR_TEXT]) {
  uint8_t sum[LN_SHA256];
  ln_buf b;
  ln_buf_init(&b, LN_DETOUR_TEXT);
  ln_buf_secret(&b);
  bool ok = ln_sha256_2(name, seed, sum) && ln_base64url((ln_str){(const char *)sum, sizeof sum}, &b);
  if (ok) snprintf(out, LN_DETOUR_TEXT, "%.*s", LN_STR_ARG(ln_buf_view(&b)));
  OPENSSL_cleanse(sum, sizeof sum);
  ln_buf_wipe(&b);
  return ok;
}

static bool fill(ln_detour *out, ln_str seed, ln_str back) {
  snprintf(out->back, sizeof out->back, LN_STR_FMT, LN_STR_ARG(back));
  return derive(LN_STR("state"), seed, out->state) && derive(LN_STR("nonce"), seed, out->nonce) &&
         derive(LN_STR("verifier"), seed, out->verifier);
}

/* ------------------------------------------------------------------ away, and back */

/* The cookie: base64url of a nonce, and sealed: the secret, until when, the path. */
static bool seal(const ln_detours *d, ln_str plain, ln_buf *cookie, ln_err *err) {
  uint8_t nonce[LN_GCM_NONCE];
  ln_buf raw;
  ln_buf_init(&raw, COOKIE_MOST);
  bool ok = RAND_bytes(nonce, sizeof nonce) == 1 &&
            ln_buf_add(&raw, (ln_str){(const char *)nonce, sizeof nonce}) &&
            ln_gcm_seal(d->key, nonce, AAD, plain, &raw, err) && ln_base64url(ln_buf_view(&raw), cookie);
  ln_buf_free(&raw);
  return ok || ln_fail(err, "failed", LN_FINAL, "OpenSSL could not seal a cookie");
}

bool ln_detour_begin(ln_detours *d, ln_str back, int64_t now_ms, ln_detour *out, ln_buf *cookie,
                     ln_err *err) {
  uint8_t seed[SEED];
  int64_t until = now_ms + LN_DETOUR_MS;
  ln_buf plain;
  ln_str s = {(const char *)seed, sizeof seed};
  if (!ln_is_own_path(back))
    return ln_fail(err, "bad_argument", LN_FINAL, "return: a path of this server is wanted, such as /");
  ln_buf_init(&plain, COOKIE_MOST);
  ln_buf_secret(&plain);
  bool ok = (RAND_bytes(seed, sizeof seed) == 1 && fill(out, s, back)) ||
            ln_fail(err, "failed", LN_FINAL, "OpenSSL has no random bytes for signing in");
  if (ok) {
    ln_buf_add(&plain, s);
    ln_buf_add(&plain, (ln_str){(const char *)&until, TIME}); /* it never leaves this process readable     */
    ln_buf_add(&plain, back);
  }
  ok = ok && ln_buf_ok(&plain, err) && seal(d, ln_buf_view(&plain), cookie, err);
  OPENSSL_cleanse(seed, sizeof seed);
  ln_buf_wipe(&plain);
  return ok;
}

static bool unseal(const ln_detours *d, ln_str cookie, ln_buf *plain) {
  ln_err quiet = {.code = ""};
  ln_buf raw;
  ln_buf_init(&raw, COOKIE_MOST);
  bool ok = ln_unbase64url(cookie, &raw, &quiet) && raw.n > LN_GCM_NONCE &&
            ln_gcm_open(d->key, (const uint8_t *)raw.p, AAD,
                        (ln_str){raw.p + LN_GCM_NONCE, raw.n - LN_GCM_NONCE}, plain, &quiet) &&
            plain->n >= SEED + TIME;
  ln_buf_free(&raw);
  return ok;
}

/* True once. */
static bool first_time(ln_detours *d, ln_str seed) {
  uint8_t id[LN_SHA256];
  if (!ln_sha256_2(LN_STR("id"), seed, id)) return false;
  for (size_t i = 0; i < USED && i < d->n_used; i++)
    if (memcmp(d->used[i], id, sizeof id) == 0) return false;
  memcpy(d->used[d->n_used++ % USED], id, sizeof id);
  return true;
}

static bool take(ln_detours *d, ln_str plain, ln_str state, int64_t now_ms, ln_detour *out) {
  int64_t until;
  ln_str seed = {plain.p, SEED}, back = {plain.p + SEED + TIME, plain.n - SEED - TIME};
  memcpy(&until, plain.p + SEED, TIME);
  return now_ms < until && now_ms >= until - LN_DETOUR_MS && fill(out, seed, back) &&
         ln_str_same_secret(state, ln_str_of(out->state)) && first_time(d, seed);
}

bool ln_detour_end(ln_detours *d, ln_str cookie, ln_str state, int64_t now_ms, ln_detour *out, ln_err *err) {
  ln_buf plain;
  ln_buf_init(&plain, COOKIE_MOST);
  ln_buf_secret(&plain);
  bool ok = cookie.n <= COOKIE_MOST && unseal(d, cookie, &plain) &&
            take(d, ln_buf_view(&plain), state, now_ms, out);
  ln_buf_wipe(&plain);
  if (ok) return true;
  OPENSSL_cleanse(out, sizeof *out);
  return ln_fail(err, "unauthorised", LN_FINAL,
                 "this is not the browser that went to sign in, or it took too long, or came back twice");
}
