/* session.c: sessions begun, believed and ended.  See session.h. */
#include "server/session.h"

#include "base/base64.h"
#include "base/hash.h"
#include "server/person.h"
#include "server/token.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

enum { BITS = 32, NOTED_MS = 60000, DETAIL_MOST = 4096 };

/* ------------------------------------------------------------------ believed */

static bool is_id(ln_str id) {
  for (size_t i = 0; i < id.n; i++) {
    char c = id.p[i];
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!letter && c != '-' && c != '_') return false;
  }
  return id.n == LN_SESSION_TEXT;
}

static bool hash_of(ln_str id, char hex[LN_AUTH_HASH], ln_err *err) {
  uint8_t sum[LN_SHA256];
  if (!ln_sha256(id, sum)) return ln_fail(err, "store", LN_FINAL, "OpenSSL cannot do SHA-256");
  ln_hex(sum, sizeof sum, hex);
  return true;
}

typedef struct known {
  ln_caller who;
  char origin[LN_AUTH_HASH];
  int64_t used_ms;
} known;

static void copy_session(void *arg, const ln_session_row *s) {
  known *k = arg;
  k->who.role = ln_role_of(s->role);
  k->who.how = ln_str_eq(s->how, LN_STR("token")) ? "token" : "oidc";
  k->who.expires_ms = s->ends_ms;
  k->used_ms = s->used_ms;
  snprintf(k->who.name, sizeof k->who.name, LN_STR_FMT, LN_STR_ARG(s->who));
  snprintf(k->origin, sizeof k->origin, LN_STR_FMT, LN_STR_ARG(s->origin));
}

typedef struct used {
  char sha256[LN_AUTH_HASH];
  int64_t ms;
} used;

static bool apply_used(ln_tx *tx, void *arg, ln_err *err) {
  used *u = arg;
  return ln_tx_session_used(tx, ln_str_of(u->sha256), u->ms, err);
}

static void noted(void *arg, const ln_err *err) {
  (void)err;
  free(arg);
}

static void note_use(ln_store *s, const char *sha256, int64_t now_ms) {
  used *u = malloc(sizeof *u);
  if (!u) return;
  u->ms = now_ms;
  snprintf(u->sha256, sizeof u->sha256, "%s", sha256);
  if (!ln_writer_submit_unwaited(s, NULL, apply_used, noted, u)) free(u);
}

/* What the configuration said of sign-in when it was made has to be what it says now. */
static bool still_stands(const ln_engine *g, const known *k, int64_t now_ms) {
  char origin[LN_AUTH_HASH];
  if (k->who.role == LN_ROLE_NONE || now_ms >= k->who.expires_ms || now_ms - k->used_ms >= LN_SESSION_IDLE_MS)
    return false;
  return strcmp(k->who.how, "token") == 0 ||
         (ln_person_origin(&g->config->oidc, origin) && strcmp(origin, k->origin) == 0);
}

bool ln_auth_session(ln_engine *g, ln_str id, int64_t now_ms, ln_caller *out, ln_err *err) {
  known k = {.who = {.role = LN_ROLE_NONE}};
  char sha256[LN_AUTH_HASH];
  *out = (ln_caller){.role = LN_ROLE_NONE};
  if (is_id(id) &&
      (!hash_of(id, sha256, err) || !ln_store_session(g->store, ln_str_of(sha256), copy_session, &k, err)))
    return false;
  if (!still_stands(g, &k, now_ms))
    return ln_fail(err, "unauthorised", LN_FINAL, "the session is over: sign in again");
  *out = k.who;
  snprintf(out->session, sizeof out->session, "%s", sha256);
  if (now_ms - k.used_ms >= NOTED_MS) note_use(g->store, sha256, now_ms);
  return true;
}

static bool is_good(void *arg, const ln_token_row *t) {
  int64_t *now_ms = arg;
  if (t->expires_ms && *now_ms >= t->expires_ms) return false;
  *now_ms = -1;
  return false;
}

bool ln_auth_still(ln_engine *g, const ln_caller *c, int64_t now_ms) {
  ln_err quiet = {.code = ""};
  known k = {.who = {.role = LN_ROLE_NONE}};
  if (c->session[0])
    return ln_store_session(g->store, ln_str_of(c->session), copy_session, &k, &quiet) &&
           still_stands(g, &k, now_ms);
  return ln_store_token(g->store, ln_str_of(c->token), is_good, &now_ms, &quiet) && now_ms < 0;
}

/* ------------------------------------------------------------------ begun and ended */

typedef struct job {
  ln_api *a; /* NULL: whoever asked has gone                    */
  ln_signed_fn then;
  ln_caller who;
  char id[LN_SESSION_TEXT + 1]; /* "": it only ends one                            */
  char sha256[LN_AUTH_HASH], before[LN_AUTH_HASH], origin[LN_AUTH_HASH];
  char detail[DETAIL_MOST];
  char *back;
  int64_t now_ms;
} job;

static void job_free(job *j) {
  OPENSSL_cleanse(j->id, sizeof j->id);
  free(j->back);
  free(j);
}

static void orphaned(void *arg) { ((job *)arg)->a = NULL; }

static bool begin(ln_tx *tx, const job *j, ln_err *err) {
  ln_session_row s = {.sha256 = ln_str_of(j->sha256),
                      .who = ln_str_of(j->who.name),
                      .role = ln_str_of(ln_role_name(j->who.role)),
                      .how = ln_str_of(j->who.how),
                      .origin = ln_str_of(j->origin),
                      .made_ms = j->now_ms,
                      .used_ms = j->now_ms,
                      .ends_ms = j->now_ms + LN_SESSION_MOST_MS};
  return ln_tx_session_add(tx, &s, LN_SESSION_IDLE_MS, err) &&
         ln_tx_audit(tx, j->now_ms, LN_STR("sign-in"), s.who, 0, ln_str_of(j->detail), err);
}

static bool apply(ln_tx *tx, void *arg, ln_err *err) {
  const job *j = arg;
  bool was = false;
  if (j->before[0] && !ln_tx_session_end(tx, ln_str_of(j->before), &was, err)) return false;
  if (j->id[0]) return begin(tx, j, err);
  return !was || ln_tx_audit(tx, j->now_ms, LN_STR("sign-out"), ln_str_of(j->who.name), 0, LN_STR("{}"), err);
}

static void applied(void *arg, const ln_err *err) {
  job *j = arg;
  if (j->a) {
    ln_api_on_gone(j->a, NULL, NULL);
    if (!err) ln_cookie_set(j->a, &(ln_cookie){.name = "lunette", .value = ln_str_of(j->id)});
    j->then(j->a, err ? NULL : &j->who, ln_str_of(j->back), err);
  }
  job_free(j);
}

static bool submit(job *j, ln_api *a, ln_signed_fn then, ln_err *err) {
  ln_engine *g = ln_api_engine(a);
  j->a = a;
  j->then = then;
  j->now_ms = ln_now_ms(g->loop->clock);
  ln_api_on_gone(a, orphaned, j);
  if (ln_writer_submit(g->store, g->loop, apply, applied, j)) return true;
  ln_api_on_gone(a, NULL, NULL);
  job_free(j);
  return ln_fail(err, "memory", LN_AGAIN, "no memory for a job of the writer");
}

static bool new_id(job *j, ln_err *err) {
  uint8_t raw[BITS];
  ln_buf b;
  ln_buf_init(&b, LN_SESSION_TEXT + 1);
  ln_buf_secret(&b);
  bool ok = (RAND_bytes(raw, sizeof raw) == 1 && ln_base64url((ln_str){(const char *)raw, sizeof raw}, &b)) ||
            ln_fail(err, "store", LN_FINAL, "OpenSSL has no random bytes for a session");
  if (ok) snprintf(j->id, sizeof j->id, "%.*s", LN_STR_ARG(ln_buf_view(&b)));
  OPENSSL_cleanse(raw, sizeof raw);
  ln_buf_wipe(&b);
  return ok && hash_of(ln_str_of(j->id), j->sha256, err);
}

/* The session that the request shows, believed or not: nobody is to go on with it. */
static bool shown(job *j, const ln_api *a, ln_err *err) {
  ln_str id = ln_session_shown(ln_api_request(a), ln_api_secure(a));
  return !is_id(id) || hash_of(id, j->before, err);
}

bool ln_session_begin(ln_api *a, const ln_sign_in *w, ln_signed_fn then, ln_err *err) {
  job *j = w->detail.n < DETAIL_MOST ? calloc(1, sizeof *j) : NULL;
  if (!j) return ln_fail(err, "memory", LN_AGAIN, "no memory for a session");
  if (!(j->back = ln_str_dup(w->back))) ln_fail(err, "memory", LN_AGAIN, "no memory for a session");
  if (!j->back || !new_id(j, err) || !shown(j, a, err)) {
    job_free(j);
    return false;
  }
  int64_t most = ln_now_ms(ln_api_engine(a)->loop->clock) + LN_SESSION_MOST_MS;
  j->who.role = w->role;
  j->who.how = ln_str_eq(w->how, LN_STR("token")) ? "token" : "oidc";
  j->who.expires_ms = w->expires_ms && w->expires_ms < most ? w->expires_ms : most;
  snprintf(j->who.name, sizeof j->who.name, LN_STR_FMT, LN_STR_ARG(w->who));
  snprintf(j->origin, sizeof j->origin, LN_STR_FMT, LN_STR_ARG(w->origin));
  snprintf(j->detail, sizeof j->detail, LN_STR_FMT, LN_STR_ARG(w->detail));
  return submit(j, a, then, err);
}

bool ln_session_end(ln_api *a, ln_signed_fn then, ln_err *err) {
  const ln_caller *who = ln_api_caller(a);
  job *j = calloc(1, sizeof *j);
  if (!j) return ln_fail(err, "memory", LN_AGAIN, "no memory to sign out");
  j->who = *who;
  snprintf(j->before, sizeof j->before, "%s", who->session);
  return submit(j, a, then, err);
}
