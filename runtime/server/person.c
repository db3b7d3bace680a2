/* person.c: claims into a name and a role.  The name is who acts, and four eyes are told apart by it; so
** it is in lower case, or one person would be two, and it is one that tokens may have, too. */
#include "server/person.h"

#include "base/hash.h"
#include "server/token.h"

#include <ctype.h>
#include <stdio.h>

/* "realm_access.roles" is a member of that name, or one within the other. */
static bool claim_at(ln_str claims, ln_str path, ln_vitem *out) {
  ln_str head, tail;
  while (!ln_v_get(claims, path, out)) {
    ln_vitem inner;
    if (!ln_str_cut(path, '.', &head, &tail) || !ln_v_get(claims, head, &inner)) return false;
    claims = inner.whole;
    path = tail;
  }
  return true;
}

/* An address that its owner could make up is nobody's name. */
static bool wants_proof(const ln_oidc_config *c) { return ln_str_eq(c->claim, LN_STR("email")); }

bool ln_person_is_whole(const ln_oidc_config *c, ln_str claims) {
  ln_vitem v;
  return claim_at(claims, c->claim, &v) && claim_at(claims, c->roles_claim, &v) &&
         (!wants_proof(c) || ln_v_get(claims, LN_STR("email_verified"), &v));
}

static bool without_domain(const ln_oidc_config *c, ln_str *name) {
  if (!c->domain.n) return true;
  size_t n = c->domain.n + 1;
  if (name->n <= n || name->p[name->n - n] != '@' ||
      !ln_str_ieq((ln_str){name->p + name->n - c->domain.n, c->domain.n}, c->domain))
    return false;
  name->n -= n;
  return true;
}

static bool name_of(const ln_oidc_config *c, ln_str claims, ln_person *out, ln_err *err) {
  ln_vitem v;
  if (!claim_at(claims, c->claim, &v) || v.tag != 'S')
    return ln_fail(err, "unauthorised", LN_FINAL, "the provider does not say \"" LN_STR_FMT "\" of you",
                   LN_STR_ARG(c->claim));
  if (wants_proof(c) && !ln_v_get_bool(claims, "email_verified", false))
    return ln_fail(err, "unauthorised", LN_FINAL, "the provider has not verified your address");
  if (!without_domain(c, &v.s))
    return ln_fail(err, "unauthorised", LN_FINAL, "only names that end with @" LN_STR_FMT " are known here",
                   LN_STR_ARG(c->domain));
  if (!ln_token_name_ok(v.s))
    return ln_fail(err, "unauthorised", LN_FINAL,
                   "your name cannot be used: 1 to 64 letters, digits, '_', '.', '@' and '-' are");
  for (size_t i = 0; i < v.s.n; i++) out->name[i] = (char)tolower((unsigned char)v.s.p[i]);
  out->name[v.s.n] = '\0';
  return true;
}

static bool is_in(const ln_list *l, ln_str s) {
  for (size_t i = 0; i < l->n; i++)
    if (ln_str_eq(l->v[i], s)) return true;
  return false;
}

/* Any of somebody's groups, or the one that there is. */
static bool is_any_in(const ln_list *l, const ln_vitem *groups) {
  ln_vitem one;
  if (groups->tag == 'S') return is_in(l, groups->s);
  for (ln_str rest = groups->tag == 'A' ? groups->body : (ln_str){NULL, 0}; rest.n && ln_v_read(&rest, &one);)
    if (one.tag == 'S' && is_in(l, one.s)) return true;
  return false;
}

static ln_role role_of(const ln_oidc_config *c, ln_str claims) {
  const struct {
    const ln_list *groups;
    ln_role role;
  } ways[] = {{&c->admin, LN_ROLE_ADMIN},
              {&c->approver, LN_ROLE_APPROVER},
              {&c->operators, LN_ROLE_OPERATOR},
              {&c->viewer, LN_ROLE_VIEWER}};
  ln_vitem v;
  if (!claim_at(claims, c->roles_claim, &v)) return LN_ROLE_NONE;
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
    if (is_any_in(ways[i].groups, &v)) return ways[i].role;
  return LN_ROLE_NONE;
}

bool ln_person_of(const ln_oidc_config *c, ln_str claims, ln_person *out, ln_err *err) {
  *out = (ln_person){.role = LN_ROLE_NONE};
  if (!name_of(c, claims, out, err)) return false;
  out->role = role_of(c, claims);
  return out->role != LN_ROLE_NONE ||
         ln_fail(err, "forbidden", LN_FINAL,
                 "you are %s, and in none of the groups that may do anything here", out->name);
}

static void put(ln_buf *b, ln_str s) {
  ln_buf_addf(b, "%zu:", s.n);
  ln_buf_add(b, s);
}

bool ln_person_origin(const ln_oidc_config *c, char out[LN_AUTH_HASH]) {
  const ln_list *lists[] = {&c->viewer, &c->operators, &c->approver, &c->admin};
  const ln_str texts[] = {c->issuer, c->client_id, c->claim, c->domain, c->roles_claim};
  uint8_t sum[LN_SHA256];
  ln_buf b;
  ln_buf_init(&b, 1 << 20);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) put(&b, texts[i]);
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
    ln_buf_addf(&b, "%zu;", lists[i]->n);
    for (size_t k = 0; k < lists[i]->n; k++) put(&b, lists[i]->v[k]);
  }
  bool ok = c->issuer.n && !ln_buf_failed(&b) && ln_sha256(ln_buf_view(&b), sum);
  if (ok) ln_hex(sum, sizeof sum, out);
  ln_buf_free(&b);
  return ok;
}
