/* cookie.c: cookies, and whose page a request comes from.  With TLS a cookie's name begins with __Host-,
** which browsers let nobody set but this very host, over https.  A cookie goes along with whatever makes
** the browser ask, so what changes something must come from a page of ours besides: browsers say so in
** Sec-Fetch-Site, older ones in Origin, and no page can make them say otherwise. */
#include "server/session.h"

#include <stdio.h>

#define HOST "__Host-"

const char *ln_session_cookie(bool secure) {
  return secure ? HOST "lunette" : HOST "lunette" + sizeof HOST - 1;
}

static ln_str header_of(const ln_server_request *r, const char *name, size_t *n) {
  ln_str found = {NULL, 0};
  *n = 0;
  for (size_t i = 0; i < r->n_headers; i++)
    if (ln_str_ieq(r->headers[i].name, ln_str_of(name))) found = r->headers[i].value, ++*n;
  return found;
}

static void look_in(ln_str pairs, ln_str name, ln_str *found, size_t *n) {
  ln_str pair, key, value;
  while (pairs.n) {
    ln_str_cut(pairs, ';', &pair, &pairs);
    if (ln_str_cut(ln_str_trim(pair), '=', &key, &value) && ln_str_eq(key, name)) *found = value, ++*n;
  }
}

/* Of two of one name nobody knows which is ours. */
ln_str ln_cookie_shown(const ln_server_request *r, const char *name, bool secure) {
  char whole[64];
  ln_str found = {NULL, 0};
  size_t n = 0;
  snprintf(whole, sizeof whole, "%s%s", secure ? HOST : "", name);
  for (size_t i = 0; i < r->n_headers; i++)
    if (ln_str_ieq(r->headers[i].name, LN_STR("Cookie")))
      look_in(r->headers[i].value, ln_str_of(whole), &found, &n);
  return n == 1 ? found : (ln_str){NULL, 0};
}

ln_str ln_session_shown(const ln_server_request *r, bool secure) {
  return ln_cookie_shown(r, "lunette", secure);
}

void ln_cookie_set(ln_api *a, const ln_cookie *c) {
  bool secure = ln_api_secure(a);
  ln_buf b;
  ln_buf_init(&b, 4096);
  ln_buf_secret(&b);
  ln_buf_addf(&b, "%s%s=%.*s; Path=/; HttpOnly; SameSite=%s%s", secure ? HOST : "", c->name,
              LN_STR_ARG(c->value), c->lax ? "Lax" : "Strict", secure ? "; Secure" : "");
  if (!c->value.n) ln_buf_addz(&b, "; Max-Age=0");
  else if (c->max_s) ln_buf_addf(&b, "; Max-Age=%lld", (long long)c->max_s);
  if (!ln_buf_failed(&b)) ln_api_say(a, "Set-Cookie", ln_buf_view(&b));
  ln_buf_wipe(&b);
}

/* "https://ir.example:8443" has as its authority what Host has; without TLS here a proxy may have it. */
static bool is_host(ln_str origin, ln_str host, bool tls) {
  ptrdiff_t at = ln_str_find(origin, LN_STR("://"));
  ln_str scheme = {origin.p, at < 0 ? 0 : (size_t)at};
  if (!ln_str_ieq(scheme, LN_STR("https")) && (tls || !ln_str_ieq(scheme, LN_STR("http")))) return false;
  return host.n && ln_str_ieq((ln_str){origin.p + at + 3, origin.n - (size_t)at - 3}, host);
}

bool ln_from_browser(const ln_server_request *r) {
  size_t site, origin;
  header_of(r, "Sec-Fetch-Site", &site);
  header_of(r, "Origin", &origin);
  return site || origin;
}

bool ln_from_own_page(const ln_server_request *r, ln_str own, bool secure) {
  size_t n_site, n_origin, n_host;
  ln_str site = header_of(r, "Sec-Fetch-Site", &n_site), origin = header_of(r, "Origin", &n_origin);
  ln_str host = header_of(r, "Host", &n_host);
  if (n_site) return n_site == 1 && ln_str_eq(site, LN_STR("same-origin"));
  if (n_origin != 1) return false;
  return own.n ? ln_str_ieq(origin, own) : n_host == 1 && is_host(origin, host, secure);
}
