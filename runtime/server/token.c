/* token.c: API tokens made, taken away, and believed.  A token is looked up in the store each time, so that
** one that was removed is refused at once; its last use is noted at most once a minute, by a job that nobody
** waits for.  What was refused is audited: the first of each minute one by one, the rest as a number, so that
** whoever guesses cannot fill the disk. */
#include "server/token.h"

#include "base/base64.h"
#include "base/json.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { BITS = 32, SUM = 4, HEX = 2 * LN_SHA256, NAME_MOST = 64, TOLD_MOST = 10, TOLD_MS = 60000 };

#define PREFIX LN_STR("lnt_")

/* ------------------------------------------------------------------ roles */

static const char *const role_names[] = {"", "viewer", "operator", "approver", "admin"};

const char *ln_role_name(ln_role r) { return role_names[r]; }

ln_role ln_role_of(ln_str name) {
  for (ln_role r = LN_ROLE_VIEWER; r <= LN_ROLE_ADMIN; r++)
    if (ln_str_eq(name, ln_str_of(role_names[r]))) return r;
  return LN_ROLE_NONE;
}

bool ln_role_may(ln_role has, ln_role needs) {
  if (needs == LN_ROLE_NONE || has == needs || has == LN_ROLE_ADMIN) return true;
  return needs == LN_ROLE_VIEWER && has != LN_ROLE_NONE;
}

/* ------------------------------------------------------------------ the token's form */

static bool hash_of(ln_str token, char hex[HEX + 1]) {
  uint8_t sum[LN_SHA256];
  if (!ln_sha256(token, sum)) return false;
  ln_hex(sum, sizeof sum, hex);
  return true;
}

/* The first bytes of the prefix's and the bits' hash. */
static bool checksum(const uint8_t bits[BITS], uint8_t out[SUM]) {
  uint8_t all[LN_SHA256];
  if (!ln_sha256_2(PREFIX, (ln_str){(const char *)bits, BITS}, all)) return false;
  memcpy(out, all, SUM);
  return true;
}

bool ln_token_well_formed(ln_str token) {
  uint8_t sum[SUM];
  ln_buf raw;
  if (token.n != LN_TOKEN_TEXT || !ln_str_starts(token, PREFIX)) return false;
  for (size_t i = PREFIX.n; i < token.n; i++)
    if (!isalnum((unsigned char)token.p[i]) && token.p[i] != '-' && token.p[i] != '_') return false;
  ln_buf_init(&raw, LN_TOKEN_TEXT);
  bool ok = ln_unbase64url((ln_str){token.p + PREFIX.n, token.n - PREFIX.n}, &raw, NULL) &&
            raw.n == BITS + SUM && checksum((const uint8_t *)raw.p, sum) &&
            memcmp(raw.p + BITS, sum, SUM) == 0;
  ln_buf_wipe(&raw);
  return ok;
}

static bool make(ln_buf *out, ln_err *err) {
  uint8_t raw[BITS + SUM];
  bool ok = RAND_bytes(raw, BITS) == 1 && checksum(raw, raw + BITS);
  if (!ok) ln_fail(err, "store", LN_FINAL, "OpenSSL has no random bytes for a token");
  ok = ok && ((ln_buf_add(out, PREFIX) && ln_base64url((ln_str){(const char *)raw, sizeof raw}, out)) ||
              ln_buf_ok(out, err));
  OPENSSL_cleanse(raw, sizeof raw);
  return ok;
}

/* ------------------------------------------------------------------ made and taken away */

bool ln_token_name_ok(ln_str name) {
  bool ok = name.n >= 1 && name.n <= NAME_MOST;
  for (size_t i = 0; ok && i < name.n; i++)
    ok = isalnum((unsigned char)name.p[i]) || memchr("_.@-", name.p[i], 4);
  return ok;
}

static bool check_name(ln_str name, ln_err *err) {
  return ln_token_name_ok(name) || ln_fail(err, "bad_argument", LN_FINAL,
                       "a token's name is 1 to 64 letters, digits, '_', '.', '@' and '-'");
}

typedef struct change {
  ln_token_row t;
  ln_str by;
  int64_t ms;
  bool was;
  ln_buf detail;
} change;

/* What the audit says of it. */
static bool describe(change *c, ln_err *err) {
  ln_json j;
  ln_buf_init(&c->detail, 4096);
  ln_json_init(&j, &c->detail);
  ln_json_open(&j, '{');
  if (c->t.expires_ms) ln_json_key(&j, LN_STR("expires_ms")), ln_json_int(&j, c->t.expires_ms);
  ln_json_key(&j, LN_STR("name"));
  ln_json_str(&j, c->t.name);
  if (c->t.role.n) ln_json_key(&j, LN_STR("role")), ln_json_str(&j, c->t.role);
  ln_json_close(&j, '}');
  return ln_buf_ok(&c->detail, err);
}

static bool apply_add(ln_tx *tx, void *arg, ln_err *err) {
  change *c = arg;
  return ln_tx_token_add(tx, &c->t, err) &&
         ln_tx_audit(tx, c->ms, LN_STR("token added"), c->by, 0, ln_buf_view(&c->detail), err);
}

static bool apply_rm(ln_tx *tx, void *arg, ln_err *err) {
  change *c = arg;
  if (!ln_tx_token_rm(tx, c->t.name, &c->was, err)) return false;
  return !c->was || ln_tx_audit(tx, c->ms, LN_STR("token removed"), c->by, 0, ln_buf_view(&c->detail), err);
}

bool ln_token_add(ln_store *s, ln_str name, ln_role role, int64_t expires_ms, ln_str by, ln_buf *out,
                  ln_err *err) {
  char hex[HEX + 1];
  size_t was = out->n;
  int64_t now = ln_now_ms(ln_clock_real());
  if (!check_name(name, err) || !make(out, err)) return false;
  bool ok = hash_of((ln_str){out->p + was, out->n - was}, hex) ||
            ln_fail(err, "store", LN_FINAL, "OpenSSL cannot do SHA-256");
  change c = {.t = {.name = name,
                    .role = ln_str_of(ln_role_name(role)),
                    .sha256 = {hex, HEX},
                    .created_by = by,
                    .created_ms = now,
                    .expires_ms = expires_ms},
              .by = by,
              .ms = now};
  ok = ok && describe(&c, err) && ln_writer_run(s, apply_add, &c, err);
  ln_buf_free(&c.detail);
  if (!ok) OPENSSL_cleanse(out->p + was, out->n - was), ln_buf_cut(out, was);
  return ok;
}

bool ln_token_rm(ln_store *s, ln_str name, ln_str by, bool *was, ln_err *err) {
  change c = {.t = {.name = name}, .by = by, .ms = ln_now_ms(ln_clock_real())};
  bool ok = check_name(name, err) && describe(&c, err) && ln_writer_run(s, apply_rm, &c, err);
  ln_buf_free(&c.detail);
  *was = c.was;
  return ok;
}

/* ------------------------------------------------------------------ what is noted, and nobody waits for */

typedef struct note {
  bool refused; /* else: used                                      */
  char name[NAME_MOST + 1], sha256[HEX + 1], detail[100];
  int64_t ms;
} note;

static bool apply_note(ln_tx *tx, void *arg, ln_err *err) {
  note *n = arg;
  if (!n->refused) return ln_tx_token_used(tx, (ln_str){n->sha256, HEX}, n->ms, err);
  return ln_tx_audit(tx, n->ms, LN_STR("sign-in refused"), ln_str_of(n->name), 0, ln_str_of(n->detail), err);
}

static void noted(void *arg, const ln_err *err) {
  (void)err;
  free(arg);
}

static void submit(ln_store *s, const note *what) {
  note *n = malloc(sizeof *n);
  if (!n) return;
  *n = *what;
  if (!ln_writer_submit_unwaited(s, NULL, apply_note, noted, n)) free(n);
}

/* Is this refusal to be told?  *before: how many since the last one that was, were not. */
static bool tell_refusal(int64_t now_ms, int64_t *before) {
  static pthread_mutex_t mx = PTHREAD_MUTEX_INITIALIZER;
  static int64_t since, told, left;
  pthread_mutex_lock(&mx);
  if (now_ms - since >= TOLD_MS || now_ms < since) since = now_ms, told = 0;
  bool tell = told < TOLD_MOST;
  *before = tell ? left : 0;
  if (tell) told++, left = 0;
  else left++;
  pthread_mutex_unlock(&mx);
  return tell;
}

void ln_auth_refused(ln_engine *g, const char *name, const char *why, int64_t now_ms) {
  int64_t before;
  note n = {.refused = true, .ms = now_ms};
  if (tell_refusal(now_ms, &before)) {
    snprintf(n.name, sizeof n.name, "%s", name);
    snprintf(n.detail, sizeof n.detail, "{\"untold\":%lld,\"why\":\"%s\"}", (long long)before, why);
    submit(g->store, &n);
  }
}

static bool refuse(ln_engine *g, const char *name, const char *why, int64_t now_ms, ln_err *err) {
  ln_auth_refused(g, name, why, now_ms);
  return ln_fail(err, "unauthorised", LN_FINAL,
                 "no such token, or it is over: `lunette token list` says which there are");
}

/* ------------------------------------------------------------------ believed */

typedef struct known {
  bool found;
  ln_role role;
  char name[NAME_MOST + 1];
  int64_t expires_ms, used_ms;
} known;

static bool copy_token(void *arg, const ln_token_row *t) {
  known *k = arg;
  k->found = true;
  k->role = ln_role_of(t->role);
  snprintf(k->name, sizeof k->name, LN_STR_FMT, LN_STR_ARG(t->name));
  k->expires_ms = t->expires_ms;
  k->used_ms = t->used_ms;
  return false;
}

bool ln_auth_bearer(ln_engine *g, ln_str token, int64_t now_ms, ln_caller *out, ln_err *err) {
  known k = {.found = false};
  note used = {.ms = now_ms};
  *out = (ln_caller){.role = LN_ROLE_NONE};
  if (!ln_token_well_formed(token)) return refuse(g, "", "malformed", now_ms, err);
  if (!hash_of(token, used.sha256)) return ln_fail(err, "store", LN_FINAL, "OpenSSL cannot do SHA-256");
  if (!ln_store_token(g->store, (ln_str){used.sha256, HEX}, copy_token, &k, err)) return false;
  if (!k.found) return refuse(g, "", "unknown", now_ms, err);
  if (k.expires_ms && now_ms >= k.expires_ms) return refuse(g, k.name, "expired", now_ms, err);
  *out = (ln_caller){.role = k.role, .how = "token", .expires_ms = k.expires_ms};
  snprintf(out->name, sizeof out->name, "%s", k.name);
  snprintf(out->token, sizeof out->token, "%s", used.sha256);
  if (now_ms - k.used_ms >= TOLD_MS) submit(g->store, &used);
  return true;
}
