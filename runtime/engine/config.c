/* config.c: reads lunette.conf.lua.  The file runs in a Lua state of its own that knows only `secret` and
** `env`; what it returns becomes one encoded value, and everything below reads that, so nothing of Lua
** outlives the load.  An unknown key is an error that names the nearest known one: a misspelt guard must not
** be a missing guard. */
#include "engine/config.h"

#include "base/units.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

typedef struct loaded {                                  /* the configuration and what its texts point into */
  ln_config c;
  ln_buf value;
  char **texts; size_t n_texts;
} loaded;

/* ------------------------------------------------------------------ texts of our own */

static ln_str own(loaded *l, const char *z) {
  char **grown = realloc(l->texts, (l->n_texts + 1) * sizeof *grown);
  if (!grown) return (ln_str){"", 0};
  l->texts = grown;
  char *copy = ln_str_dup(ln_str_of(z));
  if (!copy) return (ln_str){"", 0};
  l->texts[l->n_texts++] = copy;
  return ln_str_of(copy);
}

/* An encoded text is not NUL-ended; names of files and hosts must be. */
static ln_str own_str(loaded *l, ln_str s) {
  char *z = ln_str_dup(s);
  ln_str out = z ? own(l, z) : (ln_str){"", 0};
  free(z);
  return out;
}

static bool own_bytes(loaded *l, ln_str s, ln_str *out) {
  char **grown = realloc(l->texts, (l->n_texts + 1) * sizeof *grown), *copy;
  if (!grown) return false;
  l->texts = grown;
  if (!(copy = ln_str_dup(s))) return false;
  l->texts[l->n_texts++] = copy;
  *out = (ln_str){copy, s.n};
  return true;
}

static bool list_add(ln_list *list, ln_str s) {
  ln_str *v = realloc(list->v, (list->n + 1) * sizeof *v);
  if (!v) return false;
  list->v = v;
  list->v[list->n++] = s;
  return true;
}

/* ------------------------------------------------------------------ unknown keys */

static size_t distance(const char *a, const char *b) {
  size_t row[64], n = strlen(b);
  if (n >= 63) return 99;
  for (size_t j = 0; j <= n; j++) row[j] = j;
  for (size_t i = 1; *a; a++, i++) {
    size_t corner = row[0];
    row[0] = i;
    for (size_t j = 1; j <= n; j++) {
      size_t best = corner + (*a != b[j - 1]), above = row[j] + 1, left = row[j - 1] + 1;
      corner = row[j];
      row[j] = best < above ? (best < left ? best : left) : (above < left ? above : left);
    }
  }
  return row[n];
}

static bool known_only(ln_str object, const char *where, const char *const *known, ln_err *err) {
  ln_str rest, key;
  ln_vitem v, item;
  if (!ln_v_read(&(ln_str){object.p, object.n}, &v)) return true;
  if (v.tag == 'A' && v.count == 0) return true;
  if (v.tag != 'O') return ln_fail(err, "config", LN_FINAL, "%s must be a table", where);
  for (rest = v.body; rest.n && ln_v_read_key(&rest, &key) && ln_v_read(&rest, &item);) {
    const char *near = known[0];
    char word[64];
    bool found = false;
    snprintf(word, sizeof word, "%.*s", LN_STR_ARG(key));
    for (size_t i = 0; known[i] && !found; i++) {
      found = ln_str_eq(key, ln_str_of(known[i]));
      if (distance(word, known[i]) < distance(word, near)) near = known[i];
    }
    if (!found)
      return ln_fail(err, "config", LN_FINAL, "%s has no key '%s': did you mean '%s'?", where, word, near);
  }
  return true;
}

/* ------------------------------------------------------------------ reading members */

static bool want_text(loaded *l, ln_str object, const char *key, ln_str *out, ln_err *err) {
  ln_vitem v;
  if (!ln_v_get(object, ln_str_of(key), &v)) return true;
  if (v.tag != 'S') return ln_fail(err, "config", LN_FINAL, "%s must be a text", key);
  *out = own_str(l, v.s);
  return true;
}

static bool want_list(loaded *l, ln_str object, const char *key, ln_list *out, ln_err *err) {
  ln_vitem v, item;
  if (!ln_v_get(object, ln_str_of(key), &v)) return true;
  if (v.tag == 'O' && v.count == 0) return true;
  if (v.tag != 'A') return ln_fail(err, "config", LN_FINAL, "%s must be a list of texts", key);
  for (ln_str rest = v.body; rest.n && ln_v_read(&rest, &item);) {
    if (item.tag != 'S') return ln_fail(err, "config", LN_FINAL, "%s must be a list of texts", key);
    if (!list_add(out, own_str(l, item.s)))
      return ln_fail(err, "memory", LN_AGAIN, "no memory for the configuration");
  }
  return true;
}

static bool want_size(ln_str object, const char *key, size_t *out, ln_err *err) {
  ln_vitem v;
  uint64_t bytes = 0;
  if (!ln_v_get(object, ln_str_of(key), &v)) return true;
  if (v.tag == 'I' && v.i > 0) bytes = (uint64_t)v.i;
  else if (v.tag != 'S' || !ln_parse_size(v.s, &bytes, err))
    return ln_err_prefix(err, "%s", key),
           ln_fail(err, "config", LN_FINAL, "%s must be a size such as \"64MiB\"", key);
  *out = (size_t)bytes;
  return true;
}

static bool want_us(ln_str object, const char *key, int64_t *out, ln_err *err) {
  ln_vitem v;
  int64_t ms = 0;
  if (!ln_v_get(object, ln_str_of(key), &v)) return true;
  if (v.tag == 'I' && v.i > 0) ms = v.i * 1000;
  else if (v.tag != 'S' || !ln_parse_duration(v.s, &ms, err))
    return ln_fail(err, "config", LN_FINAL, "%s must be a duration such as \"5ms\"", key);
  *out = ms * 1000;
  return true;
}

static ln_str part(ln_str object, const char *key) {
  ln_vitem v;
  return ln_v_get(object, ln_str_of(key), &v) ? v.whole : (ln_str){NULL, 0};
}

/* ------------------------------------------------------------------ sections */

static bool read_limits(loaded *l, ln_str top, ln_err *err) {
  static const char *const known[] = {"memory", "slice", "cpu", "response", NULL};
  ln_str s = part(top, "limits");
  if (!s.n) return true;
  return known_only(s, "limits", known, err) && want_size(s, "memory", &l->c.memory, err) &&
         want_size(s, "response", &l->c.response, err) && want_us(s, "slice", &l->c.slice_us, err) &&
         want_us(s, "cpu", &l->c.cpu_us, err);
}

static bool read_caps(loaded *l, ln_str guards, ln_err *err) {
  static const char *const run_keys[] = {"destructive", NULL}, *const hour_keys[] = {"destructive", "share",
                                                                                     NULL};
  ln_str run = part(guards, "per_run"), hour = part(guards, "per_hour");
  ln_vitem share;
  if (run.n && !known_only(run, "guards.per_run", run_keys, err)) return false;
  if (hour.n && !known_only(hour, "guards.per_hour", hour_keys, err)) return false;
  l->c.per_run = ln_v_get_int(run, "destructive", l->c.per_run);
  l->c.per_hour = ln_v_get_int(hour, "destructive", l->c.per_hour);
  if (!ln_v_get(hour, LN_STR("share"), &share)) return true;
  l->c.share = share.tag == 'F' ? share.f : share.tag == 'I' ? (double)share.i : -1;
  if (l->c.share > 0 && l->c.share <= 1) return true;
  return ln_fail(err, "config", LN_FINAL,
                 "guards.per_hour.share is a part of the endpoints: above 0, and 1 at most");
}

static bool read_guards(loaded *l, ln_str top, ln_err *err) {
  static const char *const known[] = {"protect", "per_run", "per_hour", "approve", "unasked", NULL};
  static const char *const protect_keys[] = {"host", "user", NULL};
  ln_str g = part(top, "guards"), protect, approve;
  if (!g.n) return true;
  if (!known_only(g, "guards", known, err)) return false;
  protect = part(g, "protect");
  if (protect.n && !known_only(protect, "guards.protect", protect_keys, err)) return false;
  approve = ln_v_get_str(g, "approve");
  if (approve.n && !ln_str_eq(approve, LN_STR("destructive")) && !ln_str_eq(approve, LN_STR("never")))
    return ln_fail(err, "config", LN_FINAL, "guards.approve is \"destructive\" or \"never\"");
  l->c.approve_destructive = !ln_str_eq(approve, LN_STR("never"));
  return want_list(l, protect, "host", &l->c.protect_host, err) &&
         want_list(l, protect, "user", &l->c.protect_user, err) &&
         want_list(l, g, "unasked", &l->c.unasked, err) && read_caps(l, g, err);
}

static bool read_allow(loaded *l, ln_str top, ln_err *err) {
  static const char *const known[] = {"sha256", "path", NULL};
  ln_str a = part(top, "allow");
  return !a.n || (known_only(a, "allow", known, err) && want_list(l, a, "sha256", &l->c.allow_sha256, err) &&
                  want_list(l, a, "path", &l->c.allow_path, err));
}

static bool read_tls(loaded *l, ln_str top, ln_err *err) {
  static const char *const known[] = {"cert", "key", NULL};
  ln_str t = part(top, "tls");
  if (!t.n) return true;
  if (!known_only(t, "tls", known, err) || !want_text(l, t, "cert", &l->c.tls_cert, err) ||
      !want_text(l, t, "key", &l->c.tls_key, err))
    return false;
  return (l->c.tls_cert.n && l->c.tls_key.n) ||
         ln_fail(err, "config", LN_FINAL, "tls: both `cert` and `key` are wanted: the paths of PEM files");
}

/* As chmod has it: "0660". */
static bool read_mode(loaded *l, ln_str top, ln_err *err) {
  ln_vitem v;
  int mode = 0;
  if (!ln_v_get(top, LN_STR("listen_mode"), &v)) return true;
  bool ok = v.tag == 'S' && v.s.n >= 3 && v.s.n <= 4;
  for (size_t i = 0; ok && i < v.s.n; i++) {
    ok = v.s.p[i] >= '0' && v.s.p[i] <= '7';
    mode = 8 * mode + (v.s.p[i] - '0');
  }
  l->c.listen_mode = mode;
  return (ok && mode <= 0777) ||
         ln_fail(err, "config", LN_FINAL, "listen_mode is a socket's mode as chmod has it, such as \"0660\"");
}

/* Whether it listens beyond this machine is looked at where it listens. */
static bool read_doors(loaded *l, ln_str top, ln_err *err) {
  ln_vitem v;
  ln_str metrics = ln_v_get_str(top, "metrics");
  l->c.listens = ln_v_get(top, LN_STR("listen"), &v);
  l->c.metrics_open = ln_str_eq(metrics, LN_STR("open"));
  if (ln_v_get(top, LN_STR("metrics"), &v) && !l->c.metrics_open && !ln_str_eq(metrics, LN_STR("viewer")))
    return ln_fail(err, "config", LN_FINAL, "metrics is \"viewer\" or \"open\"");
  return want_text(l, top, "listen", &l->c.listen, err) && read_mode(l, top, err) && read_tls(l, top, err);
}

static bool read_approvals(loaded *l, ln_str top, ln_err *err) {
  static const char *const known[] = {"self", NULL};
  ln_str a = part(top, "approvals");
  ln_vitem v;
  if (!a.n) return true;
  if (!known_only(a, "approvals", known, err)) return false;
  if (!ln_v_get(a, LN_STR("self"), &v) || v.tag == 'f') return true;
  if (v.tag != 'S' || !ln_str_eq(v.s, LN_STR("interactive")))
    return ln_fail(err, "config", LN_FINAL, "approvals.self is false or \"interactive\"");
  l->c.approvals_self = LN_STR("interactive");
  return true;
}

static bool read_log(loaded *l, ln_str top, ln_err *err) {
  static const char *const known[] = {"format", "level", NULL};
  static const char *const levels[] = {"debug", "info", "warn", "error"};
  ln_str s = part(top, "log"), format = ln_v_get_str(s, "format"), level = ln_v_get_str(s, "level");
  if (!s.n) return true;
  if (!known_only(s, "log", known, err)) return false;
  l->c.log_json = ln_str_eq(format, LN_STR("json"));
  if (format.n && !l->c.log_json && !ln_str_eq(format, LN_STR("logfmt")))
    return ln_fail(err, "config", LN_FINAL, "log.format is \"logfmt\" or \"json\"");
  for (int i = 0; i < 4; i++)
    if (ln_str_eq(level, ln_str_of(levels[i]))) l->c.log_level = i;
  return !level.n || l->c.log_level >= 0 ||
         ln_fail(err, "config", LN_FINAL, "log.level is one of debug, info, warn, error");
}

static bool read_seal(loaded *l, ln_str top, ln_err *err) {
  static const char *const wants[] = {"best", "required", "off"};
  ln_str want = LN_STR("best");
  if (!want_text(l, top, "seal", &want, err)) return false;
  for (int i = 0; i < 3; i++)
    if (ln_str_eq(want, ln_str_of(wants[i]))) return l->c.seal = (ln_seal_want)i, true;
  return ln_fail(err, "config", LN_FINAL, "seal is one of best, required, off");
}

static bool read_audit(loaded *l, ln_str top, ln_err *err) {
  static const char *const known[] = {"checkpoints", "key", NULL};
  ln_str a = part(top, "audit");
  return !a.n || (known_only(a, "audit", known, err) &&
                  want_text(l, a, "checkpoints", &l->c.audit_checkpoints, err) &&
                  want_text(l, a, "key", &l->c.audit_key, err));
}

static bool read_secrets(loaded *l, ln_str top, ln_err *err) {
  static const char *const known[] = {"helper", "key", NULL};
  ln_str s = part(top, "secrets");
  if (!s.n) return true;
  if (!known_only(s, "secrets", known, err) || !want_text(l, s, "key", &l->c.secrets_key, err) ||
      !want_list(l, s, "helper", &l->c.secrets_helper, err))
    return false;
  return !l->c.secrets_helper.n || l->c.secrets_helper.v[0].p[0] == '/' ||
         ln_fail(err, "config", LN_FINAL, "secrets.helper is a list whose first is the path of a program");
}

/* "http://127.0.0.1:7001/x" → "127.0.0.1".  Empty for what is not plainly scheme, host, port and path: an
** address with a name in front of an @, a backslash or a blank reads differently to different eyes. */
ln_str ln_config_host(ln_str url) {
  ptrdiff_t at = ln_str_find(url, LN_STR("://"));
  ln_str rest = at < 0 ? url : (ln_str){url.p + at + 3, url.n - (size_t)at - 3};
  size_t n = 0;
  for (size_t i = 0; i < url.n; i++)
    if ((unsigned char)url.p[i] <= ' ' || strchr("@\\#\x7f", url.p[i])) return (ln_str){NULL, 0};
  if (rest.n && rest.p[0] == '[') {
    while (n < rest.n && rest.p[n] != ']') n++;
    return (ln_str){rest.p + 1, n ? n - 1 : 0};
  }
  while (n < rest.n && rest.p[n] != ':' && rest.p[n] != '/' && rest.p[n] != '?') n++;
  return (ln_str){rest.p, n};
}

/* "127.0.0.1.example.com" is a name like any other: only what is an address counts as one. */
static bool is_loopback(ln_str host) {
  char z[64];
  unsigned char v4[4], v6[16];
  static const unsigned char one[16] = {[15] = 1};
  if (ln_str_ieq(host, LN_STR("localhost"))) return true;
  if (!host.n || host.n >= sizeof z) return false;
  memcpy(z, host.p, host.n);
  z[host.n] = '\0';
  if (inet_pton(AF_INET, z, v4) == 1) return v4[0] == 127;
  return inet_pton(AF_INET6, z, v6) == 1 && memcmp(v6, one, sizeof one) == 0;
}

bool ln_config_is_url(ln_str url, bool *loopback) {
  ln_str host = ln_config_host(url);
  *loopback = host.n && is_loopback(host);
  return host.n &&
         (ln_str_starts(url, LN_STR("https://")) || (ln_str_starts(url, LN_STR("http://")) && *loopback));
}

/* The members that only the connector itself knows. */
static bool own_further(loaded *l, ln_str object, ln_str *out) {
  static const char *const ours[] = {"pace", "url", "writes"};
  ln_buf b;
  ln_str rest = object, key;
  ln_vitem v, item;
  if (!ln_v_read(&rest, &v)) return false;
  size_t left = v.count;
  for (size_t i = 0; i < 3; i++) left -= ln_v_get(object, ln_str_of(ours[i]), &item);
  ln_buf_init(&b, object.n + 16);
  size_t mark = ln_v_begin(&b, 'O', left);
  for (rest = v.body; rest.n && ln_v_read_key(&rest, &key) && ln_v_read(&rest, &item);) {
    bool is_ours = false;
    for (size_t i = 0; i < 3; i++) is_ours = is_ours || ln_str_eq(key, ln_str_of(ours[i]));
    if (is_ours) continue;
    ln_v_key(&b, key);
    ln_v_raw(&b, item.whole);
  }
  bool ok = ln_v_end(&b, mark) && own_bytes(l, ln_buf_view(&b), out);
  ln_buf_wipe(&b);
  return ok;
}

static bool read_connector(loaded *l, ln_str name, ln_str value, ln_err *err) {
  ln_connector_config k = {.name = own_str(l, name), .pace = 1};
  ln_str writes = ln_v_get_str(value, "writes"), url = ln_v_get_str(value, "url");
  if (!url.n) return ln_fail(err, "config", LN_FINAL, "connectors.%s: `url` is missing", k.name.p);
  k.url = own_str(l, url);
  if (!ln_config_host(k.url).n)
    return ln_fail(err, "config", LN_FINAL,
                   "connectors.%s: `url` must be https://HOST, without names, blanks or #", k.name.p);
  if (!ln_config_is_url(k.url, &k.loopback))
    return ln_fail(err, "config", LN_FINAL,
                   "connectors.%s: the address must be https:// (http:// only on loopback)", k.name.p);
  k.writes = k.loopback ? LN_WRITES_ALLOW : LN_WRITES_NEVER;
  if (ln_str_eq(writes, LN_STR("never"))) k.writes = LN_WRITES_NEVER;
  else if (ln_str_eq(writes, LN_STR("ask"))) k.writes = LN_WRITES_ASK;
  else if (ln_str_eq(writes, LN_STR("allow"))) k.writes = LN_WRITES_ALLOW;
  else if (writes.n)
    return ln_fail(err, "config", LN_FINAL, "connectors.%s: writes is \"never\", \"ask\" or \"allow\"",
                   k.name.p);
  k.pace = ln_v_get_int(value, "pace", 1);
  if (k.pace != 1 && (!k.loopback || k.pace < 1))
    return ln_fail(err, "config", LN_FINAL, "connectors.%s: pace works on loopback only, and is 1 or more",
                   k.name.p);
  ln_connector_config *v = realloc(l->c.connectors, (l->c.n_connectors + 1) * sizeof *v);
  if (v) l->c.connectors = v;
  if (!v || !own_further(l, value, &k.keys))
    return ln_fail(err, "memory", LN_AGAIN, "no memory for the configuration");
  l->c.connectors[l->c.n_connectors++] = k;
  return true;
}

static bool fill_credential(loaded *l, ln_credential *k, ln_str value, ln_err *err) {
  static const char *const known[] = {"hosts", "bearer", "basic", "header", "hmac",
                                      "key",   "user",   "value", NULL};
  static const char *const kinds[] = {"bearer", "basic", "header", "hmac", "key"};
  char where[100];
  snprintf(where, sizeof where, "credentials.%s", k->name.p);
  if (!known_only(value, where, known, err) || !want_list(l, value, "hosts", &k->hosts, err)) return false;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !k->kind.n; i++) {
    ln_str v = part(value, kinds[i]), inner = ln_v_get_str(v, "secret");
    if (!v.n) continue;
    k->kind = ln_str_of(kinds[i]);
    if (!inner.n) { /* basic = { user, secret }, header = { "X-Key", secret "name" } */
      ln_vitem a, b, list;
      ln_str rest = v;
      ln_v_read(&rest, &list);
      rest = list.body;
      if (list.tag == 'A' && ln_v_read(&rest, &a) && ln_v_read(&rest, &b) && a.tag == 'S') {
        *(i == 1 ? &k->user : &k->header) = own_str(l, a.s);
        inner = ln_v_get_str(b.whole, "secret");
      }
    }
    k->secret = own_str(l, inner);
  }
  return (k->kind.n && k->secret.n) ||
         ln_fail(err, "config", LN_FINAL,
                 "%s: one of bearer, basic, header, hmac, key = secret \"NAME\" is wanted", where);
}

static bool read_credential(loaded *l, ln_str name, ln_str value, ln_err *err) {
  ln_credential k = {.name = own_str(l, name)};
  ln_credential *v = realloc(l->c.credentials, (l->c.n_credentials + 1) * sizeof *v);
  if (v) l->c.credentials = v;
  bool ok = (v || ln_fail(err, "memory", LN_AGAIN, "no memory for the configuration")) &&
            fill_credential(l, &k, value, err);
  if (ok) v[l->c.n_credentials++] = k;
  else free(k.hosts.v);
  return ok;
}

static bool each_member(loaded *l, ln_str top, const char *key,
                        bool (*fn)(loaded *l, ln_str name, ln_str value, ln_err *err), ln_err *err) {
  ln_str object = part(top, key), name;
  ln_vitem v, item;
  if (!object.n || !ln_v_read(&object, &v)) return true;
  if (v.tag != 'O')
    return v.count == 0 || ln_fail(err, "config", LN_FINAL, "%s must be a table by name", key);
  for (ln_str rest = v.body; rest.n && ln_v_read_key(&rest, &name) && ln_v_read(&rest, &item);)
    if (!fn(l, name, item.whole, err)) return false;
  return true;
}

/* One of `secret` (it signs) and `token`, with the header that carries it. */
static bool fill_source(loaded *l, ln_source_config *s, ln_str value, ln_err *err) {
  static const char *const known[] = {"secret", "token",  "header",    "prefix", "time",
                                      "signs",  "window", "challenge", "silent", NULL};
  char where[100];
  ln_str signs = ln_v_get_str(part(value, "secret"), "secret");
  ln_str token = ln_v_get_str(part(value, "token"), "secret");
  int64_t us = s->window_ms * 1000, silent_us = s->silent_ms * 1000;
  snprintf(where, sizeof where, "intake.sources.%.60s", s->name.p);
  if (!known_only(value, where, known, err) || !want_text(l, value, "header", &s->header, err) ||
      !want_text(l, value, "prefix", &s->prefix, err) || !want_text(l, value, "time", &s->time, err) ||
      !want_text(l, value, "signs", &s->signs, err) ||
      !want_text(l, value, "challenge", &s->challenge, err) || !want_us(value, "window", &us, err) ||
      !want_us(value, "silent", &silent_us, err))
    return false;
  s->window_ms = us / 1000;
  s->silent_ms = silent_us / 1000;
  s->token = token.n > 0;
  s->secret = own_str(l, token.n ? token : signs);
  if ((signs.n > 0) == (token.n > 0) || !s->header.n)
    return ln_fail(err, "config", LN_FINAL,
                   "%s: secret = secret \"NAME\" (it signs) or token = secret \"NAME\" is wanted, and its "
                   "header",
                   where);
  return !s->signs.n || ln_str_find(s->signs, LN_STR("{body}")) >= 0 ||
         ln_fail(err, "config", LN_FINAL, "%s: signs without {body} would let in any text", where);
}

static bool read_source(loaded *l, ln_str name, ln_str value, ln_err *err) {
  enum { WINDOW_MS = 300000 };
  ln_source_config s = {
      .name = own_str(l, name), .window_ms = WINDOW_MS, .silent_ms = l->c.intake_silent_ms};
  if (!fill_source(l, &s, value, err)) return false;
  ln_source_config *v = realloc(l->c.sources, (l->c.n_sources + 1) * sizeof *v);
  if (!v) return ln_fail(err, "memory", LN_AGAIN, "no memory for the configuration");
  l->c.sources = v;
  v[l->c.n_sources++] = s;
  return true;
}

static bool read_intake(loaded *l, ln_str top, ln_err *err) {
  static const char *const known[] = {"folder", "poll", "silent", "sources", NULL};
  ln_str i = part(top, "intake");
  int64_t silent_us = 0;
  if (!i.n) return true;
  if (!known_only(i, "intake", known, err) || !want_us(i, "silent", &silent_us, err)) return false;
  l->c.intake_silent_ms = silent_us / 1000;
  return want_text(l, i, "folder", &l->c.intake_folder, err) &&
         want_list(l, i, "poll", &l->c.intake_poll, err) && each_member(l, i, "sources", read_source, err);
}

/* ------------------------------------------------------------------ who is told */

const char *const ln_notice_events[] = {"approval", "decided", "doubt",       "failed",
                                        "frozen",   "paused",  "quarantined", NULL};

/* Of what needs nobody any more only those are told who ask for it. */
static bool fill_events(ln_notify_config *n, const char *where, ln_err *err) {
  bool all = !n->events.n;
  for (size_t i = 0; all && ln_notice_events[i]; i++)
    if (strcmp(ln_notice_events[i], "decided") != 0 && !list_add(&n->events, ln_str_of(ln_notice_events[i])))
      return ln_fail(err, "memory", LN_AGAIN, "no memory for the configuration");
  for (size_t i = 0; i < n->events.n; i++) {
    bool found = false;
    for (size_t k = 0; ln_notice_events[k] && !found; k++)
      found = ln_str_eq(n->events.v[i], ln_str_of(ln_notice_events[k]));
    if (!found)
      return ln_fail(err, "config", LN_FINAL,
                     "%s.events: there is no \"%.40s\": approval, decided, doubt, failed, frozen, paused, "
                     "quarantined",
                     where, n->events.v[i].p);
  }
  return true;
}

/* The address may be a secret as a whole; one that is written down is looked at here. */
static bool fill_notify(loaded *l, ln_notify_config *n, ln_str value, const char *where, ln_err *err) {
  static const char *const known[] = {"name", "url", "auth", "format", "events", NULL};
  bool loopback;
  ln_str secret = ln_v_get_str(part(value, "url"), "secret");
  if (!known_only(value, where, known, err) || !want_text(l, value, "name", &n->name, err) ||
      (!secret.n && !want_text(l, value, "url", &n->url, err)) ||
      !want_text(l, value, "auth", &n->auth, err) || !want_text(l, value, "format", &n->format, err) ||
      !want_list(l, value, "events", &n->events, err) || !fill_events(n, where, err))
    return false;
  if (secret.n) n->secret = own_str(l, secret);
  if (!n->format.n) n->format = LN_STR("plain");
  if (!n->name.n) n->name = n->format;
  if (!secret.n && !ln_config_is_url(n->url, &loopback))
    return ln_fail(err, "config", LN_FINAL,
                   "%s: url = \"https://…\" or url = secret \"NAME\" is wanted (http:// only on loopback)",
                   where);
  return !n->auth.n || ln_config_credential(&l->c, n->auth) ||
         ln_fail(err, "config", LN_FINAL, "%s: there is no credential \"%s\"", where, n->auth.p);
}

static bool add_notify(loaded *l, ln_str value, ln_err *err) {
  char where[40];
  ln_notify_config n = {.name = {NULL, 0}};
  ln_notify_config *v = realloc(l->c.notify, (l->c.n_notify + 1) * sizeof *v);
  if (!v) return ln_fail(err, "memory", LN_AGAIN, "no memory for the configuration");
  l->c.notify = v;
  snprintf(where, sizeof where, "notify[%zu]", l->c.n_notify + 1);
  bool ok = fill_notify(l, &n, value, where, err);
  v[l->c.n_notify++] = n;
  for (size_t i = 0; ok && i + 1 < l->c.n_notify; i++)
    if (ln_str_eq(v[i].name, n.name))
      ok = ln_fail(err, "config", LN_FINAL, "%s: another one is called \"%s\" too: give it a `name`", where,
                   n.name.p);
  return ok;
}

/* ------------------------------------------------------------------ traces */

static bool read_sample(ln_str t, double *out, ln_err *err) {
  ln_vitem v;
  if (!ln_v_get(t, LN_STR("sample"), &v)) return true;
  *out = v.tag == 'F' ? v.f : v.tag == 'I' ? (double)v.i : -1;
  return (*out >= 0 && *out <= 1) ||
         ln_fail(err, "config", LN_FINAL, "traces.sample is a part of the traces: from 0 to 1");
}

/* Reads after the credentials, which it names one of. */
static bool check_traces(loaded *l, ln_err *err) {
  ln_traces_config *t = &l->c.traces;
  ln_str host = ln_config_host(t->url);
  const ln_credential *k = ln_config_credential(&l->c, t->auth);
  if (!host.n || !ln_config_is_url(t->url, &t->loopback))
    return ln_fail(err, "config", LN_FINAL,
                   "traces: `url` must be https://HOST/v1/traces (http:// only on loopback)");
  if (!t->auth.n) return true;
  if (!k) return ln_fail(err, "config", LN_FINAL, "traces.auth: there is no credential '%s'", t->auth.p);
  for (size_t i = 0; i < k->hosts.n; i++)
    if (ln_str_glob(k->hosts.v[i], host) && !ln_str_eq(k->kind, LN_STR("key"))) return true;
  return ln_fail(err, "config", LN_FINAL,
                 "traces.auth: the credential '%s' is not for http to the host of `url`", t->auth.p);
}

static bool read_traces(loaded *l, ln_str top, ln_err *err) {
  static const char *const known[] = {"url", "auth", "sample", "service", "tell", NULL};
  static const char *const words[] = {"known", "any", "none"};
  ln_traces_config *c = &l->c.traces;
  ln_str t = part(top, "traces"), tell = ln_v_get_str(t, "tell");
  bool told = !tell.n;
  if (!t.n) return true;
  if (!known_only(t, "traces", known, err) || !want_text(l, t, "url", &c->url, err) ||
      !want_text(l, t, "auth", &c->auth, err) || !want_text(l, t, "service", &c->service, err) ||
      !read_sample(t, &c->sample, err))
    return false;
  for (int i = 0; i < 3; i++)
    if (ln_str_eq(tell, ln_str_of(words[i]))) c->tell = (ln_tell)i, told = true;
  if (!told) return ln_fail(err, "config", LN_FINAL, "traces.tell is \"known\", \"any\" or \"none\"");
  return check_traces(l, err);
}

/* ------------------------------------------------------------------ where people sign in */

static bool read_roles(loaded *l, ln_str oidc, ln_err *err) {
  static const char *const known[] = {"claim", "viewer", "operator", "approver", "admin", NULL};
  ln_oidc_config *o = &l->c.oidc;
  ln_str r = part(oidc, "roles");
  o->roles_claim = LN_STR("groups");
  if (r.n &&
      (!known_only(r, "oidc.roles", known, err) || !want_text(l, r, "claim", &o->roles_claim, err) ||
       !want_list(l, r, "viewer", &o->viewer, err) || !want_list(l, r, "operator", &o->operators, err) ||
       !want_list(l, r, "approver", &o->approver, err) || !want_list(l, r, "admin", &o->admin, err)))
    return false;
  return o->viewer.n + o->operators.n + o->approver.n + o->admin.n ||
         ln_fail(err, "config", LN_FINAL,
                 "oidc.roles: nobody could sign in: say which groups make which role, "
                 "such as operator = { \"soc\" }");
}

/* It is what the provider leads browsers back to, so it has nothing behind the port. */
static bool read_public(loaded *l, ln_str object, const char *where, ln_err *err) {
  bool near;
  ln_str p;
  if (!want_text(l, object, "public", &l->c.public_url, err)) return false;
  p = l->c.public_url;
  ptrdiff_t at = ln_str_find(p, LN_STR("://"));
  bool ok = !p.n || (ln_config_is_url(p, &near) && !memchr(p.p + at + 3, '/', p.n - (size_t)at - 3) &&
                     !memchr(p.p, '?', p.n));
  return ok ||
         ln_fail(err, "config", LN_FINAL,
                 "%s.public is where browsers find Lunette: https://HOST[:PORT], without a path", where);
}

static bool read_notify(loaded *l, ln_str top, ln_err *err) {
  ln_str whole = part(top, "notify"), rest = whole, items, key;
  ln_vitem v, item;
  size_t count;
  if (!whole.n || !ln_v_read(&rest, &v) || (v.tag == 'O' && !v.count)) return true;
  items = v.body, count = v.count;
  if ((v.tag != 'A' && v.tag != 'M') || (v.tag == 'M' && !ln_v_positions(&v, &items, &count)))
    return ln_fail(err, "config", LN_FINAL,
                   "notify is a list: { { url = …, format = \"slack\" }, public = … }");
  size_t named = v.tag == 'M' ? v.count : 0;
  for (rest = v.body; named-- && ln_v_read_key(&rest, &key) && ln_v_read(&rest, &item);)
    if (!ln_str_eq(key, LN_STR("public")))
      return ln_fail(err, "config", LN_FINAL, "notify has no key '%.*s': did you mean 'public'?",
                     LN_STR_ARG(key));
  for (rest = items; count-- && ln_v_read(&rest, &item);)
    if (!add_notify(l, item.whole, err)) return false;
  return v.tag == 'A' || read_public(l, whole, "notify", err);
}

static bool check_scopes(const ln_list *scopes, ln_err *err) {
  for (size_t i = 0; i < scopes->n; i++)
    for (size_t k = 0; k <= scopes->v[i].n; k++)
      if (!scopes->v[i].n || (k < scopes->v[i].n && (unsigned char)scopes->v[i].p[k] <= ' '))
        return ln_fail(err, "config", LN_FINAL, "oidc.scopes: each is one word");
  return true;
}

static bool read_oidc(loaded *l, ln_str top, ln_err *err) {
  static const char *const known[] = {"issuer", "client_id", "client_secret", "scopes", "claim",
                                      "domain", "roles",     "name",          "public", NULL};
  ln_oidc_config *o = &l->c.oidc;
  ln_str s = part(top, "oidc");
  ln_vitem v;
  if (!s.n) return true;
  o->claim = LN_STR("preferred_username");
  if (!known_only(s, "oidc", known, err) || !want_text(l, s, "issuer", &o->issuer, err) ||
      !want_text(l, s, "client_id", &o->client_id, err) || !want_text(l, s, "claim", &o->claim, err) ||
      !want_text(l, s, "domain", &o->domain, err) || !want_text(l, s, "name", &o->name, err) ||
      !want_list(l, s, "scopes", &o->scopes, err) || !check_scopes(&o->scopes, err) ||
      !read_public(l, s, "oidc", err) || !read_roles(l, s, err))
    return false;
  o->secret = own_str(l, ln_v_get_str(part(s, "client_secret"), "secret"));
  if (ln_v_get(s, LN_STR("client_secret"), &v) && !o->secret.n)
    return ln_fail(err, "config", LN_FINAL, "oidc.client_secret = secret \"NAME\" is wanted: it is no text");
  if (!ln_config_is_url(o->issuer, &o->loopback) || memchr(o->issuer.p, '?', o->issuer.n) || !o->client_id.n)
    return ln_fail(
        err, "config", LN_FINAL,
        "oidc: issuer = \"https://…\" (exactly as the provider spells it) and client_id are wanted");
  if (!o->name.n) o->name = own_str(l, ln_config_host(o->issuer));
  return true;
}

static bool read_all(loaded *l, ln_err *err) {
  static const char *const known[] = {"store",           "scripts",   "listen", "connectors",  "playbooks",
                                      "listen_mode",
                                      "limits",          "egress",    "files",  "credentials", "allow",
                                      "connectors_path", "approvals", "guards", "stdlib",      "audit",
                                      "intake",          "tls",       "metrics", "secrets",   "log",
                                      "notify",          "traces",    "oidc",   "seal",        NULL};
  ln_str top = ln_buf_view(&l->value);
  if (!known_only(top, "the configuration", known, err)) return false;
  l->c.playbooks = part(top, "playbooks");
  return want_text(l, top, "store", &l->c.store, err) && read_doors(l, top, err) &&
         want_list(l, top, "scripts", &l->c.scripts, err) && want_list(l, top, "stdlib", &l->c.stdlib, err) &&
         want_list(l, top, "connectors_path", &l->c.connectors_path, err) &&
         want_list(l, top, "egress", &l->c.egress, err) && want_list(l, top, "files", &l->c.files, err) &&
         read_limits(l, top, err) && read_allow(l, top, err) && read_approvals(l, top, err) &&
         read_guards(l, top, err) && read_log(l, top, err) && read_audit(l, top, err) &&
         read_secrets(l, top, err) && read_seal(l, top, err) &&
         each_member(l, top, "connectors", read_connector, err) &&
         each_member(l, top, "credentials", read_credential, err) && read_intake(l, top, err) &&
         read_notify(l, top, err) && read_traces(l, top, err) && read_oidc(l, top, err);
}

/* ------------------------------------------------------------------ running the file */

static int l_secret(lua_State *L) {
  luaL_checkstring(L, 1);
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, 1);
  lua_setfield(L, -2, "secret");
  return 1;
}

static int l_env(lua_State *L) {
  const char *name = luaL_checkstring(L, 1), *v = getenv(name);
  if (v) return lua_pushstring(L, v), 1;
  if (lua_isnoneornil(L, 2))
    return luaL_error(
        L, "the environment has no %s (env \"%s\"): set it, or give a default as a second argument", name,
        name);
  lua_settop(L, 2);
  return 1;
}

/* The file is its owner's own, but a slip in it is not to hang every command, or to eat the machine. */
enum { STEPS = 1000, CPU_MOST_S = 1, MEMORY_MOST = 64 << 20 };

static void too_long(lua_State *L, lua_Debug *ar) {
  (void)ar;
  lua_getfield(L, LUA_REGISTRYINDEX, "began");
  if (clock() - (clock_t)lua_tointeger(L, -1) > (clock_t)CPU_MOST_S * CLOCKS_PER_SEC) {
    luaL_where(L, 0);
    lua_pushfstring(L, "%sit runs for more than %d s: it has only to return a table", lua_tostring(L, -1),
                    CPU_MOST_S);
    lua_error(L);
  }
  lua_pop(L, 1);
}

static void *allocate(void *used, void *p, size_t osize, size_t nsize) {
  size_t was = p ? osize : 0, *n = used;
  if (nsize > was && nsize - was > MEMORY_MOST - *n) return NULL;
  void *q = nsize ? realloc(p, nsize) : NULL;
  if (!nsize) free(p);
  if (q || !nsize) *n = *n - was + nsize;
  return q;
}

static bool run_file(loaded *l, const char *path, ln_err *err) {
  size_t used = 0;
  lua_State *L = lua_newstate(allocate, &used);
  if (!L) return ln_fail(err, "memory", LN_AGAIN, "no memory for the configuration");
  lua_pushinteger(L, (lua_Integer)clock());
  lua_setfield(L, LUA_REGISTRYINDEX, "began");
  lua_sethook(L, too_long, LUA_MASKCOUNT, STEPS);
  lua_pushcfunction(L, l_secret);
  lua_setglobal(L, "secret");
  lua_pushcfunction(L, l_env);
  lua_setglobal(L, "env");
  int status = luaL_loadfilex(L, path, "t");
  if (status == LUA_OK) status = lua_pcall(L, 0, 1, 0);
  bool ok = status == LUA_OK;
  if (status == LUA_ERRMEM)
    ln_fail(err, "config", LN_FINAL, "%s needs more than %d MiB: it has only to return a table", path,
            MEMORY_MOST >> 20);
  else if (!ok)
    ln_fail(err, "config", LN_FINAL, "%s",
            lua_tostring(L, -1) ? lua_tostring(L, -1) : "an error that is no text");
  else if (!lua_istable(L, -1)) ok = ln_fail(err, "config", LN_FINAL, "%s must return a table", path);
  else if (!lnL_encode(L, -1, &l->value, err))
    ok = ln_fail(err, "config", LN_FINAL, "%s: %.300s", path, err->message);
  lua_close(L);
  return ok;
}

/* ------------------------------------------------------------------ defaults and finding it */

static bool exists(const char *path) { return access(path, R_OK) == 0; }

/* stdlib/ and scripts/ are found beside the program, in the checkout it was built in, or below the prefix. */
static bool take_place(loaded *l, ln_list *list, const char *path) {
  char real[PATH_MAX];
  return exists(path) && realpath(path, real) && list_add(list, own(l, real));
}

static void find_shipped(loaded *l, const char *what, ln_list *list) {
  char self[PATH_MAX], path[PATH_MAX + 64];
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  if (n <= 0) return;
  self[n] = 0;
  char *slash = strrchr(self, '/');
  if (slash) *slash = 0;
  snprintf(path, sizeof path, "%s/%s", self, what);
  if (take_place(l, list, path)) return;
  snprintf(path, sizeof path, "%s/../%s", self, what);
  if (take_place(l, list, path)) return;
  snprintf(path, sizeof path, "%s/../../%s", self, what); /* build/sanitize/lunette */
  if (take_place(l, list, path)) return;
  snprintf(path, sizeof path, "%s/../share/lunette/%s", self, what);
  take_place(l, list, path);
}

static void set_defaults(loaded *l) {
  l->c.store = LN_STR("sqlite:lunette.db");
  l->c.listen = LN_STR("127.0.0.1:7059");
  l->c.listen_mode = 0660;
  l->c.memory = (size_t)64 << 20;
  l->c.response = (size_t)16 << 20;
  l->c.slice_us = 5000;
  l->c.cpu_us = 10000000;
  l->c.approvals_self = LN_STR("");
  l->c.per_run = 20;
  l->c.per_hour = 100;
  l->c.approve_destructive = true;
  l->c.log_level = -1;
  l->c.traces.service = LN_STR("lunette");
  l->c.traces.sample = 1;
}

static const char *find_file(const char *given) {
  const char *from_env = getenv("LUNETTE_CONFIG");
  if (given) return given;
  if (from_env && from_env[0]) return from_env;
  if (exists("lunette.conf.lua")) return "lunette.conf.lua";
  return exists("/etc/lunette/lunette.conf.lua") ? "/etc/lunette/lunette.conf.lua" : NULL;
}

ln_config *ln_config_load(const char *path, ln_err *err) {
  loaded *l = calloc(1, sizeof *l);
  const char *file = find_file(path);
  if (!l) return ln_fail(err, "memory", LN_AGAIN, "no memory for the configuration"), NULL;
  ln_buf_init(&l->value, 16 << 20);
  set_defaults(l);
  l->c.file = file ? own(l, file) : LN_STR("");
  if (file && !exists(file)) {
    ln_fail(err, "config", LN_FINAL, "the configuration %s cannot be read: %s", file, strerror(errno));
    goto fail;
  }
  if (file && (!run_file(l, file, err) || !read_all(l, err))) goto fail;
  if (!l->c.scripts.n) find_shipped(l, "scripts", &l->c.scripts);
  if (!l->c.stdlib.n) find_shipped(l, "stdlib", &l->c.stdlib);
  return &l->c;
fail:
  ln_config_free(&l->c);
  return NULL;
}

void ln_config_free(ln_config *c) {
  loaded *l = (loaded *)c;
  if (!l) return;
  ln_list *lists[] = {&c->scripts, &c->stdlib, &c->connectors_path, &c->egress, &c->files, &c->allow_sha256,
                      &c->allow_path, &c->protect_host, &c->protect_user, &c->unasked, &c->intake_poll,
                      &c->secrets_helper, &c->oidc.scopes, &c->oidc.viewer, &c->oidc.operators,
                      &c->oidc.approver, &c->oidc.admin};
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) free(lists[i]->v);
  for (size_t i = 0; i < c->n_credentials; i++) free(c->credentials[i].hosts.v);
  for (size_t i = 0; i < c->n_notify; i++) free(c->notify[i].events.v);
  free(c->notify);
  for (size_t i = 0; i < l->n_texts; i++) free(l->texts[i]);
  free(l->texts);
  free(c->connectors);
  free(c->credentials);
  free(c->sources);
  ln_buf_free(&l->value);
  free(l);
}

const ln_connector_config *ln_config_connector(const ln_config *c, ln_str name) {
  for (size_t i = 0; i < c->n_connectors; i++)
    if (ln_str_eq(c->connectors[i].name, name)) return &c->connectors[i];
  return NULL;
}

int64_t ln_config_pace(const ln_config *c, ln_str name) {
  ln_str head, tail;
  ln_str_cut(name, '.', &head, &tail);
  const ln_connector_config *k = ln_config_connector(c, head);
  return k && k->pace > 1 ? k->pace : 1;
}

const ln_credential *ln_config_credential(const ln_config *c, ln_str name) {
  for (size_t i = 0; i < c->n_credentials; i++)
    if (ln_str_eq(c->credentials[i].name, name)) return &c->credentials[i];
  return NULL;
}

static bool is_below(const ln_list *roots, ln_str path) {
  for (size_t i = 0; i < roots->n; i++) {
    ln_str root = roots->v[i];
    while (root.n && root.p[root.n - 1] == '/') root.n--;
    if (ln_str_starts(path, root) && path.n > root.n && path.p[root.n] == '/') return true;
  }
  return false;
}

bool ln_config_is_script(const ln_config *c, ln_str path) { return is_below(&c->scripts, path); }

bool ln_config_is_library(const ln_config *c, ln_str path) {
  return !is_below(&c->scripts, path) && (is_below(&c->stdlib, path) || is_below(&c->connectors_path, path));
}

bool ln_config_all_near(const ln_config *c) {
  for (size_t i = 0; i < c->n_connectors; i++)
    if (!c->connectors[i].loopback) return false;
  return true;
}

/* Of a connector that is not configured nothing can be asked. */
bool ln_config_is_near(const ln_config *c, ln_str connector) {
  const ln_connector_config *k = ln_config_connector(c, connector);
  return !k || k->loopback;
}

static bool is_library(ln_str name) {
  return ln_str_eq(name, LN_STR("http")) || ln_str_eq(name, LN_STR("file"));
}

bool ln_config_uses_near(const ln_config *c, ln_str uses) {
  ln_vitem list, use;
  ln_str name, rest;
  if (!uses.n || !ln_v_read(&uses, &list)) return true;
  for (ln_str at = list.body; at.n && ln_v_read(&at, &use);) {
    ln_str_cut(use.s, '.', &name, &rest);
    bool known = ln_config_connector(c, name) || is_library(name);
    if (known ? !ln_config_is_near(c, name) : !ln_config_all_near(c)) return false;
  }
  return true;
}

void ln_config_clear_connectors(ln_config *c) {
  free(c->connectors);
  c->connectors = NULL;
  c->n_connectors = 0;
}

bool ln_config_simulate(ln_config *c, ln_str name, ln_str keys, ln_err *err) {
  loaded *l = (loaded *)c;
  char url[100];
  snprintf(url, sizeof url, "https://%.*s.sim", LN_STR_ARG(name));
  ln_connector_config k = {
      .name = own_str(l, name), .url = own(l, url), .writes = LN_WRITES_ALLOW, .loopback = true, .pace = 1};
  if (!own_bytes(l, keys, &k.keys))
    return ln_fail(err, "memory", LN_AGAIN, "no memory for the configuration");
  ln_connector_config *v = realloc(c->connectors, (c->n_connectors + 1) * sizeof *v);
  if (!v) return ln_fail(err, "memory", LN_AGAIN, "no memory for the configuration");
  c->connectors = v;
  c->connectors[c->n_connectors++] = k;
  return true;
}

bool ln_config_site(ln_config *c, ln_str playbooks, const char *files, ln_err *err) {
  loaded *l = (loaded *)c;
  bool ok = list_add(&c->files, own(l, files)) && (c->playbooks.n || own_bytes(l, playbooks, &c->playbooks));
  return ok || ln_fail(err, "memory", LN_AGAIN, "no memory for the configuration");
}
