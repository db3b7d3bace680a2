/* oidc.c: signing in at an OpenID provider.
**
** A browser leaves with a cookie that holds the detour's secret, and comes back with a code, which is
** worth nothing without it: the provider gives tokens for the code only to who knows the verifier, and the
** ID token has to hold the nonce.  So a code that was stolen does nothing in another browser, and one that
** is slipped to a browser is not of its detour.  The callback goes step by step, each a request that is
** waited for on the loop: discovery, tokens, keys, and, where the ID token does not say enough, the
** provider's userinfo. */
#include "server/oidc.h"

#include "base/base64.h"
#include "base/hash.h"
#include "base/log.h"
#include "net/addr.h"
#include "net/auth.h"
#include "server/detour.h"
#include "server/http.h"
#include "server/idtoken.h"
#include "server/page.h"
#include "server/person.h"
#include "server/provider.h"
#include "server/session.h"
#include "server/token.h"

#include <openssl/crypto.h>
#include <stdlib.h>

enum {
  FLOWS_MOST = 64,
  A_SECOND = 1,
  AT_ONCE = 20,
  TIMEOUT_MS = 10000,
  ANSWER_MOST = 256 << 10,
  TEXT_MOST = 16 << 10
};

#define COOKIE "lunette-signin"
#define CALLBACK "/v1/signin/oidc/callback"

typedef struct flow {
  ln_oidc *o;
  ln_api *a;
  ln_detour d;
  ln_buf redirect, code, id_token, access, claims;
  ln_awaited wait;
  void *sending;
  bool renewed; /* the keys were fetched anew for it               */
  struct flow *next;
} flow;

struct ln_oidc {
  ln_engine *g;
  const ln_oidc_config *c;
  ln_provider *provider;
  ln_detours *detours;
  ln_rate *rate;
  flow *flows;
  size_t n_flows;
};

static int64_t now(const ln_oidc *o) { return ln_now_ms(o->g->loop->clock); }

/* ------------------------------------------------------------------ one that is under way */

static void flow_free(flow *f) {
  ln_oidc *o = f->o;
  ln_buf *all[] = {&f->redirect, &f->code, &f->id_token, &f->access, &f->claims};
  for (flow **at = &o->flows; *at; at = &(*at)->next)
    if (*at == f) {
      *at = f->next;
      o->n_flows--;
      break;
    }
  ln_provider_leave(o->provider, &f->wait);
  if (f->sending) o->g->transport->drop(o->g->transport, f->sending);
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) ln_buf_wipe(all[i]);
  OPENSSL_cleanse(&f->d, sizeof f->d);
  free(f);
}

static flow *flow_new(ln_oidc *o, ln_api *a, ln_err *err) {
  flow *f = o->n_flows < FLOWS_MOST ? calloc(1, sizeof *f) : NULL;
  if (!f)
    return ln_fail(err, "unavailable", LN_AGAIN, "too many sign in at once: try again in a moment"), NULL;
  ln_buf *all[] = {&f->redirect, &f->code, &f->id_token, &f->access, &f->claims};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    ln_buf_init(all[i], ANSWER_MOST);
    ln_buf_secret(all[i]);
  }
  f->o = o;
  f->a = a;
  f->next = o->flows;
  o->flows = f;
  o->n_flows++;
  return f;
}

ln_oidc *ln_oidc_new(ln_engine *g, ln_err *err) {
  ln_oidc *o = calloc(1, sizeof *o);
  if (!o) return ln_fail(err, "memory", LN_AGAIN, "no memory for signing in"), NULL;
  o->g = g;
  o->c = &g->config->oidc;
  if ((o->provider = ln_provider_new(g, err)) && (o->detours = ln_detours_new(err)) &&
      ((o->rate = ln_rate_new(A_SECOND, AT_ONCE)) ||
       ln_fail(err, "memory", LN_AGAIN, "no memory for signing in"))) {
    if (o->c->secret.n) ln_secret_prepare(g->vault, o->c->secret);
    return o;
  }
  ln_oidc_free(o);
  return NULL;
}

void ln_oidc_free(ln_oidc *o) {
  if (!o) return;
  while (o->flows) flow_free(o->flows);
  ln_provider_free(o->provider);
  ln_detours_free(o->detours);
  ln_rate_free(o->rate);
  free(o);
}

/* ------------------------------------------------------------------ how it may end */

static void say_broken(ln_api *a, const ln_err *err) {
  ln_log(LN_WARN, "signin.failed", "error=%s", err->message);
  ln_page(
      a, 503, "Signing in does not work now",
      LN_STR("The provider cannot be asked, or answers otherwise than it should: Lunette's log says more."),
      true);
}

/* It is the provider, or we, not who signs in. */
static void broken(flow *f, const ln_err *err) {
  say_broken(f->a, err);
  flow_free(f);
}

/* name: who it would have been, "" not known; why: a word for the audit. */
static void refused(flow *f, const char *name, const char *why, const ln_err *err) {
  ln_log(LN_WARN, "signin.refused", "why=%s error=%s", why, err->message);
  ln_auth_refused(f->o->g, name, why, now(f->o));
  ln_page(f->a, 403, "You are not signed in", ln_str_of(err->message), true);
  flow_free(f);
}

/* ------------------------------------------------------------------ where browsers find us */

/* A Host that anybody may make up leads nobody anywhere, unless it is this machine itself. */
static bool base_of(const ln_api *a, ln_buf *out, ln_err *err) {
  ln_str own = ln_api_public(a), host = ln_api_header(a, "Host");
  bool near = false;
  if (own.n) return ln_buf_add(out, own) || ln_buf_ok(out, err);
  ln_buf_addf(out, "%s://", ln_api_secure(a) ? "https" : "http");
  ln_buf_add(out, host);
  if (!ln_buf_ok(out, err)) return false;
  if (host.n && ln_config_is_url(ln_buf_view(out), &near) && near && !memchr(host.p, '/', host.n) &&
      !memchr(host.p, '?', host.n))
    return true;
  return ln_fail(err, "bad_argument", LN_FINAL,
                 "oidc.public is wanted: it says where browsers find Lunette, beyond this machine");
}

static bool put_redirect(flow *f, ln_err *err) {
  return base_of(f->a, &f->redirect, err) &&
         (ln_buf_addz(&f->redirect, CALLBACK) || ln_buf_ok(&f->redirect, err));
}

/* Who comes from this machine is a proxy, and stands for many. */
static bool in_time(ln_oidc *o, ln_api *a, ln_err *err) {
  ln_str peer = ln_api_request(a)->peer;
  if (!peer.n || ln_addr_kind_of_text(peer.p) == LN_ADDR_LOOPBACK ||
      !ln_rate_take(o->rate, peer, ln_mono_us(o->g->loop->clock) / 1000))
    return true;
  return ln_fail(err, "rate_limited", LN_AGAIN, "too many sign in from one address");
}

/* ------------------------------------------------------------------ there */

static bool put_scopes(const ln_oidc_config *c, ln_buf *out) {
  if (!c->scopes.n) return ln_buf_addz(out, "openid profile email");
  ln_buf_addz(out, "openid");
  for (size_t i = 0; i < c->scopes.n; i++) {
    if (ln_str_eq(c->scopes.v[i], LN_STR("openid"))) continue;
    ln_buf_addc(out, ' ');
    ln_buf_add(out, c->scopes.v[i]);
  }
  return !ln_buf_failed(out);
}

/* S256: the digest of the verifier, which goes along; the verifier itself stays. */
static bool put_challenge(const ln_detour *d, ln_buf *out) {
  uint8_t sum[LN_SHA256];
  return ln_sha256(ln_str_of(d->verifier), sum) && ln_base64url((ln_str){(const char *)sum, sizeof sum}, out);
}

static bool put_question(const flow *f, ln_buf *q) {
  ln_buf scopes, challenge;
  ln_buf_init(&scopes, TEXT_MOST);
  ln_buf_init(&challenge, TEXT_MOST);
  bool ok = put_scopes(f->o->c, &scopes) && put_challenge(&f->d, &challenge) &&
            ln_form_add(q, LN_STR("response_type"), LN_STR("code")) &&
            ln_form_add(q, LN_STR("client_id"), f->o->c->client_id) &&
            ln_form_add(q, LN_STR("redirect_uri"), ln_buf_view(&f->redirect)) &&
            ln_form_add(q, LN_STR("scope"), ln_buf_view(&scopes)) &&
            ln_form_add(q, LN_STR("state"), ln_str_of(f->d.state)) &&
            ln_form_add(q, LN_STR("nonce"), ln_str_of(f->d.nonce)) &&
            ln_form_add(q, LN_STR("code_challenge"), ln_buf_view(&challenge)) &&
            ln_form_add(q, LN_STR("code_challenge_method"), LN_STR("S256"));
  ln_buf_free(&scopes);
  ln_buf_free(&challenge);
  return ok;
}

static void lead_there(void *arg, const ln_err *err) {
  flow *f = arg;
  if (err) {
    broken(f, err);
    return;
  }
  ln_err why = {.code = ""};
  ln_str to = ln_v_get_str(ln_provider_view(f->o->provider, LN_DISCOVERY), "authorization_endpoint");
  ln_buf url, q;
  ln_buf_init(&url, TEXT_MOST);
  ln_buf_init(&q, TEXT_MOST);
  bool ok = put_question(f, &q) && ln_buf_add(&url, to) &&
            ln_buf_addc(&url, memchr(to.p, '?', to.n) ? '&' : '?') && ln_buf_add(&url, ln_buf_view(&q));
  if (ok) {
    ln_page_lead(f->a, ln_buf_view(&url));
    flow_free(f);
  } else {
    ln_fail(&why, "unavailable", LN_FINAL, "the provider's address is too long");
    broken(f, &why);
  }
  ln_buf_free(&url);
  ln_buf_free(&q);
}

bool ln_oidc_begin(ln_oidc *o, ln_api *a, ln_err *err) {
  ln_str back = ln_api_query(a, "return");
  flow *f = in_time(o, a, err) ? flow_new(o, a, err) : NULL;
  if (!f) return false;
  ln_buf cookie;
  ln_buf_init(&cookie, TEXT_MOST);
  ln_buf_secret(&cookie);
  bool ok = put_redirect(f, err) &&
            ln_detour_begin(o->detours, back.p ? back : LN_STR("/"), now(o), &f->d, &cookie, err);
  if (ok) {
    ln_cookie_set(
        a, &(ln_cookie){
               .name = COOKIE, .value = ln_buf_view(&cookie), .max_s = LN_DETOUR_MS / 1000, .lax = true});
    f->wait = (ln_awaited){.fn = lead_there, .arg = f};
    ln_provider_want(o->provider, LN_DISCOVERY, &f->wait);
  } else {
    flow_free(f);
  }
  ln_buf_wipe(&cookie);
  return ok;
}

/* ------------------------------------------------------------------ and back: who it is */

static void signed_in(ln_api *a, const ln_caller *who, ln_str back, const ln_err *err) {
  if (who) ln_page_lead(a, back);
  else say_broken(a, err);
}

static bool put_detail(const flow *f, const ln_person *who, ln_buf *out) {
  ln_json j;
  ln_json_init(&j, out);
  ln_json_open(&j, '{');
  ln_json_key(&j, LN_STR("how"));
  ln_json_strz(&j, "oidc");
  ln_json_key(&j, LN_STR("issuer"));
  ln_json_str(&j, f->o->c->issuer);
  ln_json_key(&j, LN_STR("role"));
  ln_json_strz(&j, ln_role_name(who->role));
  ln_json_key(&j, LN_STR("sub"));
  ln_json_str(&j, ln_v_get_str(ln_buf_view(&f->claims), "sub"));
  ln_json_close(&j, '}');
  return !ln_buf_failed(out);
}

static void begin_session(flow *f, const ln_person *who) {
  ln_err err = {.code = ""};
  char origin[LN_AUTH_HASH];
  ln_buf detail;
  ln_buf_init(&detail, TEXT_MOST);
  bool ok = (ln_person_origin(f->o->c, origin) && put_detail(f, who, &detail)) ||
            ln_fail(&err, "memory", LN_AGAIN, "no memory for a session");
  const ln_sign_in w = {.who = ln_str_of(who->name),
                        .how = LN_STR("oidc"),
                        .origin = ln_str_of(origin),
                        .role = who->role,
                        .detail = ln_buf_view(&detail),
                        .back = ln_str_of(f->d.back)};
  if (ok && ln_session_begin(f->a, &w, signed_in, &err)) flow_free(f);
  else broken(f, &err);
  ln_buf_free(&detail);
}

static void decide(flow *f) {
  ln_err err = {.code = ""};
  ln_person who;
  if (ln_person_of(f->o->c, ln_buf_view(&f->claims), &who, &err)) begin_session(f, &who);
  else refused(f, who.name, ln_err_is(&err, "forbidden") ? "role" : "name", &err);
}

/* Decodes an answer's JSON object. */
static bool read_answer(flow *f, const ln_answer *a, ln_buf *value, ln_err *err) {
  ln_vitem v;
  if (a->sent != LN_ANSWERED) return *err = a->err, false;
  if (!ln_host_json(f->o->g->host, a->body, value, err)) return false;
  ln_str rest = ln_buf_view(value);
  return (ln_v_read(&rest, &v) && v.tag == 'O') ||
         ln_fail(err, "unavailable", LN_FINAL, "the provider's answer is no object");
}

/* What the ID token says comes first; userinfo has to be of the same person. */
static void on_userinfo(void *arg, const ln_answer *a) {
  flow *f = arg;
  ln_err err = {.code = ""};
  ln_buf more, all;
  ln_buf_init(&more, ANSWER_MOST);
  ln_buf_init(&all, 2 * ANSWER_MOST);
  f->sending = NULL;
  bool ok = read_answer(f, a, &more, &err) &&
            ((a->status == 200 && ln_str_eq(ln_v_get_str(ln_buf_view(&more), "sub"),
                                            ln_v_get_str(ln_buf_view(&f->claims), "sub"))) ||
             ln_fail(&err, "unavailable", LN_FINAL,
                     "the provider's userinfo is not of who signed in (status %d)", a->status)) &&
            (ln_v_merge(&all, ln_buf_view(&more), ln_buf_view(&f->claims)) || ln_buf_ok(&all, &err));
  if (ok) {
    ln_buf_wipe(&f->claims);
    f->claims = all;
    decide(f);
  } else {
    ln_buf_free(&all);
    broken(f, &err);
  }
  ln_buf_wipe(&more);
}

static bool ask(flow *f, const ln_request *r, ln_answer_fn done, ln_err *err) {
  ln_transport *t = f->o->g->transport;
  ln_request whole = *r;
  whole.timeout_ms = TIMEOUT_MS;
  whole.max_response = ANSWER_MOST;
  whole.loopback_ok = f->o->c->loopback;
  f->sending = t->send(t, &whole, done, f);
  return f->sending || ln_fail(err, "memory", LN_AGAIN, "no memory to ask the provider");
}

static void ask_userinfo(flow *f, ln_str url) {
  ln_err err = {.code = ""};
  ln_buf bearer;
  ln_buf_init(&bearer, ANSWER_MOST);
  ln_buf_secret(&bearer);
  bool ok = (ln_buf_addz(&bearer, "Bearer ") && ln_buf_add(&bearer, ln_buf_view(&f->access))) ||
            ln_buf_ok(&bearer, &err);
  const ln_header h[] = {{LN_STR("Accept"), LN_STR("application/json")},
                         {LN_STR("Authorization"), ln_buf_view(&bearer)}};
  const ln_request r = {.method = LN_STR("GET"), .url = url, .headers = h, .n_headers = 2};
  if (!ok || !ask(f, &r, on_userinfo, &err)) broken(f, &err);
  ln_buf_wipe(&bearer);
}

/* ------------------------------------------------------------------ and back: what the provider says */

static void check(void *arg, const ln_err *err);

static void want_keys(flow *f) {
  f->wait = (ln_awaited){.fn = check, .arg = f};
  ln_provider_want(f->o->provider, LN_KEYS, &f->wait);
}

static void check(void *arg, const ln_err *no_keys) {
  flow *f = arg;
  ln_oidc *o = f->o;
  ln_err err = {.code = ""};
  if (no_keys) {
    broken(f, no_keys);
    return;
  }
  const ln_idtoken_want w = {.issuer = o->c->issuer,
                             .client_id = o->c->client_id,
                             .nonce = ln_str_of(f->d.nonce),
                             .access_token = ln_buf_view(&f->access),
                             .now_s = now(o) / 1000};
  bool ok = ln_idtoken_check(o->g->host, ln_buf_view(&f->id_token), ln_provider_view(o->provider, LN_KEYS),
                             &w, &f->claims, &err);
  if (!ok && ln_err_is(&err, "not_found") && !f->renewed && ln_provider_renew_keys(o->provider)) {
    f->renewed = true;
    want_keys(f);
    return;
  }
  ln_str userinfo = ln_v_get_str(ln_provider_view(o->provider, LN_DISCOVERY), "userinfo_endpoint");
  if (!ok) refused(f, "", "token", &err);
  else if (userinfo.n && f->access.n && !ln_person_is_whole(o->c, ln_buf_view(&f->claims)))
    ask_userinfo(f, userinfo);
  else decide(f);
}

/* What the provider calls an error, if that is a word. */
static void add_word(ln_err *err, ln_str word) {
  bool is_word = word.p && word.n && word.n <= 40;
  for (size_t i = 0; is_word && i < word.n; i++)
    is_word = (word.p[i] >= 'a' && word.p[i] <= 'z') || word.p[i] == '_';
  if (!is_word) word = LN_STR("it did not say why");
  ln_fail(err, "unauthorised", LN_FINAL, "the provider did not let you in (" LN_STR_FMT ")",
          LN_STR_ARG(word));
}

static void on_tokens(void *arg, const ln_answer *a) {
  flow *f = arg;
  ln_err err = {.code = ""};
  ln_buf said;
  ln_buf_init(&said, 2 * ANSWER_MOST);
  ln_buf_secret(&said);
  f->sending = NULL;
  bool ok = read_answer(f, a, &said, &err), client = ok && a->status >= 400 && a->status < 500;
  ln_str id = ln_v_get_str(ln_buf_view(&said), "id_token"), error = ln_v_get_str(ln_buf_view(&said), "error");
  if (ok && (a->status != 200 || !id.n))
    ok = ln_fail(&err, "unavailable", LN_AGAIN, "the provider gave no ID token (status %d)", a->status);
  ok = ok && ((ln_buf_add(&f->id_token, id) &&
               ln_buf_add(&f->access, ln_v_get_str(ln_buf_view(&said), "access_token"))) ||
              ln_buf_ok(&f->id_token, &err));
  if (client) add_word(&err, error);
  if (ok) want_keys(f);
  else if (client) refused(f, "", "provider", &err);
  else broken(f, &err);
  ln_buf_wipe(&said);
}

/* ------------------------------------------------------------------ and back: the code */

/* A file's last line end is no part of a secret.  Whoever comes back from the provider may be anybody:
** nothing is waited for. */
static bool secret_of(const ln_oidc *o, ln_buf *out, ln_err *err) {
  if (!o->c->secret.n) return true;
  if (!ln_secret_at_hand(o->g->vault, o->c->secret, out, err)) return false;
  ln_buf_chomp(out);
  return true;
}

/* RFC 6749, 2.3.1: by Basic, unless the provider takes it in the form only. */
static bool takes_basic(ln_str meta) {
  ln_vitem list, one;
  if (!ln_v_get(meta, LN_STR("token_endpoint_auth_methods_supported"), &list) || list.tag != 'A') return true;
  for (ln_str rest = list.body; rest.n && ln_v_read(&rest, &one);)
    if (one.tag == 'S' && ln_str_eq(one.s, LN_STR("client_secret_basic"))) return true;
  return false;
}

static bool put_basic(const ln_oidc *o, ln_str secret, ln_buf *out) {
  ln_buf pair;
  ln_buf_init(&pair, TEXT_MOST);
  ln_buf_secret(&pair);
  bool ok = ln_percent(&pair, o->c->client_id) && ln_buf_addc(&pair, ':') && ln_percent(&pair, secret) &&
            ln_buf_addz(out, "Basic ") && ln_base64(ln_buf_view(&pair), out);
  ln_buf_wipe(&pair);
  return ok;
}

static bool put_form(const flow *f, ln_str secret, bool basic, ln_buf *out) {
  return ln_form_add(out, LN_STR("grant_type"), LN_STR("authorization_code")) &&
         ln_form_add(out, LN_STR("code"), ln_buf_view(&f->code)) &&
         ln_form_add(out, LN_STR("redirect_uri"), ln_buf_view(&f->redirect)) &&
         ln_form_add(out, LN_STR("code_verifier"), ln_str_of(f->d.verifier)) &&
         (basic || ln_form_add(out, LN_STR("client_id"), f->o->c->client_id)) &&
         (basic || !secret.n || ln_form_add(out, LN_STR("client_secret"), secret));
}

static bool ask_tokens(flow *f, ln_err *err) {
  ln_str meta = ln_provider_view(f->o->provider, LN_DISCOVERY);
  ln_buf secret, form, header;
  ln_buf *all[] = {&secret, &form, &header};
  for (size_t i = 0; i < 3; i++) {
    ln_buf_init(all[i], TEXT_MOST);
    ln_buf_secret(all[i]);
  }
  bool ok = secret_of(f->o, &secret, err), basic = secret.n && takes_basic(meta);
  ok = ok && ((put_form(f, ln_buf_view(&secret), basic, &form) &&
               (!basic || put_basic(f->o, ln_buf_view(&secret), &header))) ||
              ln_fail(err, "too_big", LN_FINAL, "the code, or the client's secret, is too long"));
  const ln_header h[] = {{LN_STR("Accept"), LN_STR("application/json")},
                         {LN_STR("Content-Type"), LN_STR("application/x-www-form-urlencoded")},
                         {LN_STR("Authorization"), ln_buf_view(&header)}};
  const ln_request r = {.method = LN_STR("POST"),
                        .url = ln_v_get_str(meta, "token_endpoint"),
                        .headers = h,
                        .n_headers = basic ? 3 : 2,
                        .body = ln_buf_view(&form)};
  ok = ok && ask(f, &r, on_tokens, err);
  for (size_t i = 0; i < 3; i++) ln_buf_wipe(all[i]);
  return ok;
}

static void came_back(void *arg, const ln_err *err) {
  flow *f = arg;
  ln_err why = {.code = ""};
  ln_str meta = ln_provider_view(f->o->provider, LN_DISCOVERY);
  if (err) {
    broken(f, err);
  } else if (!ln_api_query(f->a, "iss").p &&
             ln_v_get_bool(meta, "authorization_response_iss_parameter_supported", false)) {
    ln_fail(&why, "unauthorised", LN_FINAL, "this does not come from the provider, which would say so");
    refused(f, "", "issuer", &why);
  } else if (!ask_tokens(f, &why)) {
    broken(f, &why);
  }
}

/* Is that what the provider leads a browser back with?  *why: a word for the audit. */
static bool is_answer(const ln_oidc *o, const ln_api *a, const char **why, ln_err *err) {
  ln_str error = ln_api_query(a, "error"), iss = ln_api_query(a, "iss");
  if (iss.p && !ln_str_eq(iss, o->c->issuer)) {
    *why = "issuer";
    return ln_fail(err, "unauthorised", LN_FINAL, "this comes from another provider");
  }
  *why = "provider";
  if (error.p || !ln_api_query(a, "code").n) return add_word(err, error), false;
  return true;
}

bool ln_oidc_end(ln_oidc *o, ln_api *a, ln_err *err) {
  const char *why = "state";
  flow *f = in_time(o, a, err) ? flow_new(o, a, err) : NULL;
  if (!f) return false;
  ln_str cookie = ln_cookie_shown(ln_api_request(a), COOKIE, ln_api_secure(a));
  bool ok = ln_detour_end(o->detours, cookie, ln_api_query(a, "state"), now(o), &f->d, err);
  if (ok) ln_cookie_set(a, &(ln_cookie){.name = COOKIE, .lax = true});
  if (!ok || !is_answer(o, a, &why, err)) {
    ln_err said = *err;
    ln_err_clear(err);
    refused(f, "", why, &said);
    return true;
  }
  if (!put_redirect(f, err) || !(ln_buf_add(&f->code, ln_api_query(a, "code")) || ln_buf_ok(&f->code, err))) {
    flow_free(f);
    return false;
  }
  f->wait = (ln_awaited){.fn = came_back, .arg = f};
  ln_provider_want(o->provider, LN_DISCOVERY, &f->wait);
  return true;
}
