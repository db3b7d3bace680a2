/* connector_site.c: a connector as the site's configuration makes it: its keys checked against the
** declaration's, the way to authenticate that they choose, and the vendor object that all its calls share.
** A secret is a name here; its value is fetched at each use, handed to the network layer, and wiped there. */
#include "modules/connector_parts.h"

#include <stdio.h>

enum { TOKEN_TEXT = 64 * 1024 };

/* A secret in clear is for simulators: elsewhere it would stand in a file. */
static bool check_secrets(const lnC_connector *c, ln_err *err) {
  for (size_t i = 0; i < c->config.n; i++) {
    const ln_param *p = &c->config.v[i];
    ln_vitem v;
    if (p->kind != LN_K_SECRET || !ln_v_get(ln_buf_view(&c->settings), ln_str_of(p->name), &v)) continue;
    if (v.tag == 'S' && c->site->loopback) continue;
    if (v.tag == 'O' && ln_v_get_str(v.whole, "secret").n) continue;
    return ln_fail(err, "bad_config", LN_FINAL,
                   "connectors.%s.%s must be secret \"name\": a secret does not stand in "
                   "the configuration",
                   c->name, p->name);
  }
  return true;
}

bool lnC_settings(lnC_connector *c, ln_err *err) {
  char what[80];
  if (c->site) return true;
  const ln_connector_config *site = ln_config_connector(c->engine->config, ln_str_of(c->name));
  if (!site)
    return ln_fail(err, "unavailable", LN_FINAL,
                   "%s is not configured: add connectors.%s = { url = \"https://…\", … } "
                   "to the configuration",
                   c->name, c->name);
  ln_buf_wipe(&c->settings);
  ln_buf_init(&c->settings, 1 << 20);
  snprintf(what, sizeof what, "connectors.%.64s", c->name);
  ln_buf none;
  ln_buf_init(&none, 64);
  ln_v_end(&none, ln_v_begin(&none, 'O', 0));
  bool ok = ln_params_check(&c->config, what, site->keys.n ? site->keys : ln_buf_view(&none), NULL,
                            &c->settings, err);
  ln_buf_free(&none);
  if (!ok) return ln_fail(err, "bad_config", LN_FINAL, "%s", err->message);
  c->site = site;
  if (check_secrets(c, err)) return true;
  c->site = NULL;
  return false;
}

/* --- values for the network layer --- */

static bool add_list(const ln_vitem *v, ln_buf *out) {
  ln_str rest = v->body;
  ln_vitem item;
  for (size_t i = 0; i < v->count && ln_v_read(&rest, &item); i++) {
    if (i) ln_buf_addc(out, ' ');
    ln_buf_add(out, item.s);
  }
  return !ln_buf_failed(out);
}

static bool value_of(void *arg, ln_str key, ln_buf *out, ln_err *err) {
  lnC_connector *c = arg;
  ln_vitem v;
  if (!ln_v_get(ln_buf_view(&c->settings), key, &v))
    return ln_fail(err, "unauthorised", LN_FINAL, "connectors.%s." LN_STR_FMT " is not configured", c->name,
                   LN_STR_ARG(key));
  if (v.tag == 'S') return ln_buf_add(out, v.s) || ln_buf_ok(out, err);
  if (v.tag == 'I') return ln_buf_addf(out, "%lld", (long long)v.i) || ln_buf_ok(out, err);
  if (v.tag == 'A') return add_list(&v, out) || ln_buf_ok(out, err);
  ln_str name = ln_v_get_str(v.whole, "secret");
  if (!c->engine->vault)
    return ln_fail(err, "unauthorised", LN_FINAL, "no secrets can be read here: connectors.%s." LN_STR_FMT,
                   c->name, LN_STR_ARG(key));
  if (ln_secret_get(c->engine->vault, name, out, err)) return true;
  ln_err_prefix(err, "connectors.%s." LN_STR_FMT, c->name, LN_STR_ARG(key));
  return false;
}

/* Is word one of those that blanks part? */
static bool has_word(ln_str list, ln_str word) {
  for (ln_str one; list.n;) {
    ln_str_cut(list, ' ', &one, &list);
    if (ln_str_eq(one, word)) return true;
  }
  return false;
}

/* A vendor may grant fewer scopes than were asked for, and say so nowhere else: the first call that needs one
** would be refused, in the middle of a response. */
static bool scopes_are_granted(lnC_connector *c, ln_str granted, ln_err *err) {
  ln_buf asked;
  ln_str one;
  ln_buf_init(&asked, 1 << 16);
  bool ok = !granted.n || !c->auth.scopes.n || value_of(c, c->auth.scopes, &asked, err);
  for (ln_str rest = ln_buf_view(&asked); ok && granted.n && rest.n;) {
    ln_str_cut(rest, ' ', &one, &rest);
    if (!has_word(granted, one))
      ok = ln_fail(err, "unauthorised", LN_FINAL,
                   "the token lacks the scope " LN_STR_FMT ", which was asked for: have it granted, or take "
                   "it out of connectors.%s." LN_STR_FMT,
                   LN_STR_ARG(one), c->name, LN_STR_ARG(c->auth.scopes));
  }
  ln_buf_free(&asked);
  return ok;
}

/* A token call's answer: { access_token, expires_in, scope? }. */
static bool read_token(void *arg, const ln_answer *a, ln_buf *token, int64_t *life_s, ln_err *err) {
  lnC_connector *c = arg;
  ln_verdict v = {.after_ms = -1};
  ln_limit_told told = LN_LIMIT_SILENT;
  lnC_judge(c, NULL, a, NULL, &v, &told);
  if (!v.good) {
    *err = v.err;
    return false;
  }
  ln_buf value;
  ln_buf_init(&value, 4 * TOKEN_TEXT);
  bool ok = ln_host_json(c->engine->host, a->body, &value, err);
  ln_str t = ok ? ln_v_get_str(ln_buf_view(&value), "access_token") : (ln_str){NULL, 0};
  ln_vitem life;
  *life_s = 0;
  if (ok && ln_v_get(ln_buf_view(&value), LN_STR("expires_in"), &life))
    *life_s = life.tag == 'I' ? life.i : life.tag == 'F' ? (int64_t)life.f : 0;
  if (!t.n) ok = ln_fail(err, "unauthorised", LN_FINAL, "the token call's answer holds no access_token");
  ok = ok && scopes_are_granted(c, ln_v_get_str(ln_buf_view(&value), "scope"), err) &&
       (ln_buf_add(token, t) || ln_buf_ok(token, err));
  ln_buf_wipe(&value);
  return ok;
}

/* --- the vendor --- */

static bool pick_auth(lnC_connector *c, ln_err *err) {
  ln_vitem v;
  c->auth = (ln_auth){.kind = LN_AUTH_NONE};
  for (size_t i = 0; i < c->n_auths; i++) {
    if (c->auth_when[i].n && !ln_v_get(ln_buf_view(&c->settings), c->auth_when[i], &v)) continue;
    c->auth = c->auths[i];
    return true;
  }
  if (c->n_auths == 0) return true;
  return ln_fail(err, "bad_config", LN_FINAL, "connectors.%s: nothing says how to authenticate: set %s",
                 c->name, c->auth_when[0].p);
}

/* Optional keys of the chosen way that are not configured are not used. */
static void drop_absent(lnC_connector *c) {
  ln_vitem v;
  ln_str *keys[] = {&c->auth.kid, &c->auth.scopes};
  for (size_t i = 0; i < 2; i++)
    if (keys[i]->n && !ln_v_get(ln_buf_view(&c->settings), *keys[i], &v)) *keys[i] = LN_STR("");
}

/* All versions of a connector share one: tokens and limits are the vendor's. */
ln_vendor *lnC_vendor(lnC_connector *c, ln_err *err) {
  if (c->vendor) return c->vendor;
  if (!lnC_settings(c, err)) return NULL;
  lnC_connector *now = lnC_current(c);
  if (now && now != c) return lnC_vendor(now, err);
  if (!pick_auth(c, err)) return NULL;
  drop_absent(c);
  ln_vendor_opts o = {.name = c->name,
                      .url = c->site->url,
                      .auth = &c->auth,
                      .value = value_of,
                      .token = read_token,
                      .arg = c,
                      .concurrency = c->concurrency,
                      .pace = c->site->pace,
                      .loopback = c->site->loopback};
  c->vendor = ln_vendor_new(c->engine->loop, c->engine->transport, c->engine->rand, &o, err);
  return c->vendor;
}
