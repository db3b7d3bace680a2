/* http_reach.c: where a playbook's own requests may go: to addresses that the configuration lists, and
** never to a connector's, whose guards would be gone round.  Scheme, host and port are compared; what is
** behind the name is the transport's to judge.  A credential is shown to the hosts that it is bound to, and
** to no others. */
#include "modules/http_parts.h"

#include "engine/credential.h"
#include "modules/connector_parts.h"

#include <stdio.h>
#include <stdlib.h>

enum {
  URL_MAX = 16 * 1024, ORIGINS = 256,
  AT_ONCE_ON_LOOPBACK = 1024                             /* requests; nobody else's service is there */
};

/* --- addresses --- */

static bool host_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
         c == '_';
}

static bool url_char(char c) { return c > ' ' && c < 0x7f && c != '\\' && c != '"' && c != '<' && c != '>'; }

static bool ends_authority(char c) { return c == '/' || c == '?' || c == '#'; }

/* host[:port], or [v6][:port]; *port stays as it is without one. */
static bool parse_authority(ln_str a, ln_str *host, int *port) {
  size_t n = 0;
  if (a.n && a.p[0] == '[') {
    const char *end = memchr(a.p, ']', a.n);
    if (!end) return false;
    n = (size_t)(end - a.p) + 1;
    for (size_t i = 1; i + 1 < n; i++)
      if (!strchr("0123456789abcdefABCDEF:.", a.p[i])) return false;
  } else {
    while (n < a.n && host_char(a.p[n])) n++;
  }
  *host = (ln_str){a.p, n};
  if (n == 0 || n > 253) return false;
  if (n == a.n) return true;
  if (a.p[n] != ':' || a.n - n > 6 || a.n - n < 2) return false;
  int v = 0;
  for (size_t i = n + 1; i < a.n; i++) {
    if (a.p[i] < '0' || a.p[i] > '9') return false;
    v = v * 10 + (a.p[i] - '0');
  }
  *port = v;
  return v > 0 && v < 65536;
}

bool lnH_parse(ln_str text, lnH_url *out, ln_err *err) {
  int shown = (int)(text.n > 100 ? 100 : text.n);
  bool plain = ln_str_starts(text, LN_STR("http://"));
  if ((!plain && !ln_str_starts(text, LN_STR("https://"))) || text.n > URL_MAX)
    return ln_fail(err, "bad_argument", LN_FINAL, "the url must begin with https://, got \"%.*s\"", shown,
                   text.p);
  for (size_t i = 0; i < text.n; i++)
    if (!url_char(text.p[i]))
      return ln_fail(err, "bad_argument", LN_FINAL,
                     "the url holds a character that must be percent-encoded, at %zu", i + 1);
  size_t start = plain ? 7 : 8, end = start;
  while (end < text.n && !ends_authority(text.p[end])) end++;
  *out = (lnH_url){.origin = {text.p, end}, .port = plain ? 80 : 443, .tls = !plain};
  if (!parse_authority((ln_str){text.p + start, end - start}, &out->host, &out->port))
    return ln_fail(err, "bad_argument", LN_FINAL,
                   "the url has no proper host, or a name and password in it: \"%.*s\"", shown, text.p);
  ln_str fragment;
  ln_str_cut((ln_str){text.p + end, text.n - end}, '#', &out->path, &fragment);
  return true;
}

static bool same_place(const lnH_url *a, const lnH_url *b) {
  return a->port == b->port && ln_str_ieq(a->host, b->host);
}

static bool is_loopback(ln_str host) {
  return ln_str_ieq(host, LN_STR("localhost")) || ln_str_eq(host, LN_STR("[::1]")) ||
         ln_str_starts(host, LN_STR("127."));
}

/* "WHAT WHY" under a rule. */
static bool refuse(ln_err *err, const char *rule, ln_str what, const char *why) {
  ln_fail(err, "refused", LN_FINAL, "%.*s %s", (int)(what.n > 200 ? 200 : what.n), what.p, why);
  snprintf(err->rule, sizeof err->rule, "%s", rule);
  return false;
}

/* Is it a connector's address: the configured one, or one that its token call may lead to? */
static bool is_connectors(const ln_engine *g, const lnH_url *u) {
  ln_err err;
  lnH_url own;
  for (size_t i = 0; i < g->config->n_connectors; i++)
    if (lnH_parse(g->config->connectors[i].url, &own, &err) && same_place(&own, u)) return true;
  return lnC_owns(g, u->origin, u->host);
}

bool lnH_allowed(const ln_engine *g, const lnH_url *u, bool *loopback, ln_err *err) {
  lnH_url listed;
  ln_err quiet;
  if (is_connectors(g, u))
    return refuse(err, "egress", u->origin,
                  "belongs to a connector: use its operations, which raw http cannot go round");
  for (size_t i = 0; i < g->config->egress.n; i++) {
    if (!lnH_parse(g->config->egress.v[i], &listed, &quiet)) continue;
    if (listed.tls != u->tls || !same_place(&listed, u)) continue;
    *loopback = is_loopback(u->host);
    return true;
  }
  return refuse(err, "egress", u->origin, "is not listed in `egress` of the configuration");
}

/* --- credentials --- */

bool lnH_credential(ln_engine *g, ln_str name, const lnH_url *u, ln_str body, ln_str *header, ln_buf *value,
                    ln_err *err) {
  return ln_credential_show(g, name, u->host, body, true, header, value, err);
}

/* --- one vendor object an origin: retries, limits and a breaker of its own --- */

typedef struct lnH_origin {
  struct lnH_origin *next;
  char *name;
  ln_vendor *vendor;
} lnH_origin;

static void free_origins(void *list) {
  for (lnH_origin *o = list, *next; o; o = next) {
    next = o->next;
    ln_vendor_free(o->vendor);
    free(o->name);
    free(o);
  }
}

ln_vendor *lnH_vendor(ln_engine *g, const lnH_url *u, bool loopback, ln_err *err) {
  void **list = lnC_slot(g, free_origins);
  size_t n = 0;
  if (!list) {
    ln_fail(err, "unavailable", LN_FINAL, "http is not available here");
    return NULL;
  }
  for (lnH_origin *o = *list; o; o = o->next, n++)
    if (ln_str_ieq(ln_str_of(o->name), u->origin)) return o->vendor;
  lnH_origin *o = n < ORIGINS ? calloc(1, sizeof *o) : NULL;
  if (o && (o->name = ln_str_dup(u->origin))) {
    ln_vendor_opts opts = {.name = o->name,
                           .url = u->origin,
                           .loopback = loopback,
                           .concurrency = loopback ? AT_ONCE_ON_LOOPBACK : 0};
    o->vendor = ln_vendor_new(g->loop, g->transport, g->rand, &opts, err);
    if (o->vendor) {
      o->next = *list;
      *list = o;
      return o->vendor;
    }
  }
  if (o) free(o->name);
  free(o);
  if (!err->code[0]) ln_fail(err, "too_many", LN_FINAL, "more than %d different addresses", ORIGINS);
  return NULL;
}
