/* provider.c: the discovery document and the keys of the provider, and who waits for them.  One request is
** under way for each at most, however many wait.  A provider is believed only where it says of itself that it
** is the one that was configured, and leads to addresses that TLS protects. */
#include "server/provider.h"

#include "base/log.h"

#include <stdlib.h>

enum { KEPT_MS = 3600000, RENEW_MS = 60000, TIMEOUT_MS = 10000, MOST = 256 << 10 };

typedef struct document {
  ln_provider *p;
  const char *name;
  ln_buf value;
  int64_t loaded_ms, asked_ms; /* of the clock that nobody sets; 0: never         */
  void *sending;
  ln_awaited *waiting;
} document;

struct ln_provider {
  ln_engine *g;
  const ln_oidc_config *c;
  document doc[2];
};

static int64_t now(const ln_provider *p) { return ln_mono_us(p->g->loop->clock) / 1000; }

ln_provider *ln_provider_new(ln_engine *g, ln_err *err) {
  ln_provider *p = calloc(1, sizeof *p);
  if (!p) return ln_fail(err, "memory", LN_AGAIN, "no memory for signing in"), NULL;
  p->g = g;
  p->c = &g->config->oidc;
  p->doc[LN_DISCOVERY] = (document){.p = p, .name = "discovery"};
  p->doc[LN_KEYS] = (document){.p = p, .name = "keys"};
  for (size_t i = 0; i < 2; i++) ln_buf_init(&p->doc[i].value, 4 * MOST);
  return p;
}

void ln_provider_free(ln_provider *p) {
  for (size_t i = 0; p && i < 2; i++) {
    if (p->doc[i].sending) p->g->transport->drop(p->g->transport, p->doc[i].sending);
    ln_buf_free(&p->doc[i].value);
  }
  free(p);
}

ln_str ln_provider_view(const ln_provider *p, ln_document which) { return ln_buf_view(&p->doc[which].value); }

/* ------------------------------------------------------------------ what it may say */

static bool check_url(const ln_oidc_config *c, ln_str meta, const char *name, bool needed, ln_err *err) {
  bool near;
  ln_str url = ln_v_get_str(meta, name);
  if (!url.p && !needed) return true;
  return (ln_config_is_url(url, &near) && near <= c->loopback) ||
         ln_fail(err, "unavailable", LN_FINAL, "the provider's %s is no https address", name);
}

static bool check_discovery(const ln_oidc_config *c, ln_str meta, ln_err *err) {
  ln_str issuer = ln_v_get_str(meta, "issuer");
  if (!ln_str_eq(issuer, c->issuer))
    return ln_fail(err, "unavailable", LN_FINAL, "the provider is \"%.*s\", not \"%.*s\"",
                   issuer.n > 200 ? 200 : (int)issuer.n, issuer.n ? issuer.p : "",
                   c->issuer.n > 200 ? 200 : (int)c->issuer.n, c->issuer.p);
  return check_url(c, meta, "authorization_endpoint", true, err) &&
         check_url(c, meta, "token_endpoint", true, err) && check_url(c, meta, "jwks_uri", true, err) &&
         check_url(c, meta, "userinfo_endpoint", false, err);
}

/* Takes the new one, or leaves the old one as it was. */
static bool take(document *d, const ln_answer *a, ln_err *err) {
  ln_buf fresh;
  if (a->sent != LN_ANSWERED) return *err = a->err, false;
  if (a->status != 200)
    return ln_fail(err, "unavailable", LN_AGAIN, "the provider answered with status %d", a->status);
  ln_buf_init(&fresh, 4 * MOST);
  bool ok = ln_host_json(d->p->g->host, a->body, &fresh, err) &&
            (d != &d->p->doc[LN_DISCOVERY] || check_discovery(d->p->c, ln_buf_view(&fresh), err));
  if (!ok) {
    ln_buf_free(&fresh);
    return false;
  }
  ln_buf_free(&d->value);
  d->value = fresh;
  d->loaded_ms = now(d->p);
  return true;
}

/* ------------------------------------------------------------------ fetching it */

static void tell_all(document *d, const ln_err *err) {
  ln_awaited *all = d->waiting, *next;
  d->waiting = NULL;
  for (; all; all = next) {
    next = all->next;
    all->fn(all->arg, err);
  }
}

static void fetched(void *arg, const ln_answer *a) {
  document *d = arg;
  ln_err err = {.code = ""};
  d->sending = NULL;
  bool ok = take(d, a, &err);
  if (!ok) ln_log(LN_WARN, "signin.provider", "document=%s error=%s", d->name, err.message);
  tell_all(d, ok ? NULL : &err);
}

/* A slash at the issuer's end is not doubled. */
static bool put_url(const document *d, ln_buf *url) {
  const ln_provider *p = d->p;
  ln_str issuer = p->c->issuer;
  if (d == &p->doc[LN_KEYS])
    return ln_buf_add(url, ln_v_get_str(ln_provider_view(p, LN_DISCOVERY), "jwks_uri"));
  if (ln_str_ends(issuer, LN_STR("/"))) issuer.n--;
  return ln_buf_add(url, issuer) && ln_buf_addz(url, "/.well-known/openid-configuration");
}

static bool fetch(document *d) {
  ln_transport *t = d->p->g->transport;
  ln_buf url;
  ln_buf_init(&url, 1 << 14);
  const ln_header accept = {LN_STR("Accept"), LN_STR("application/json")};
  ln_request r = {.method = LN_STR("GET"),
                  .headers = &accept,
                  .n_headers = 1,
                  .timeout_ms = TIMEOUT_MS,
                  .max_response = MOST,
                  .loopback_ok = d->p->c->loopback};
  if (put_url(d, &url)) {
    r.url = ln_buf_view(&url);
    d->asked_ms = now(d->p);
    d->sending = t->send(t, &r, fetched, d);
  }
  ln_buf_free(&url);
  return d->sending != NULL;
}

void ln_provider_want(ln_provider *p, ln_document which, ln_awaited *w) {
  document *d = &p->doc[which];
  ln_err err = {.code = ""};
  if (d->loaded_ms && now(p) - d->loaded_ms < KEPT_MS && !d->sending) {
    w->fn(w->arg, NULL);
    return;
  }
  if (!d->sending && !fetch(d)) {
    ln_fail(&err, "memory", LN_AGAIN, "no memory to ask the provider");
    w->fn(w->arg, &err);
    return;
  }
  w->next = d->waiting;
  d->waiting = w;
}

void ln_provider_leave(ln_provider *p, ln_awaited *w) {
  for (size_t i = 0; i < 2; i++)
    for (ln_awaited **at = &p->doc[i].waiting; *at; at = &(*at)->next)
      if (*at == w) {
        *at = w->next;
        return;
      }
}

bool ln_provider_renew_keys(ln_provider *p) {
  document *d = &p->doc[LN_KEYS];
  if (!d->sending && d->asked_ms && now(p) - d->asked_ms < RENEW_MS) return false;
  d->loaded_ms = 0;
  return true;
}
