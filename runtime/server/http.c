/* http.c: the HTTP side of the process that serves a store.
**
** What is outside is looked at in one order: the address's rate, the path, the method, who it is and what
** they may do, the query, the body.  Only then is a handler called, so that none has to look at any of that
** again.  All but the body is judged as soon as the header is there, so that nobody's body is kept before it
** is known that they may send one.
** A refusal is an RFC 9457 document.  Nothing of a request but its route goes to the log: not its query, not
** its headers, not its body. */
#include "server/http.h"

#include "base/log.h"
#include "base/units.h"
#include "net/addr.h"
#include "net/local_path.h"
#include "server/oidc.h"
#include "server/session.h"
#include "server/tallies.h"

#include <stdio.h>
#include <stdlib.h>

enum { RATE = 1000, BURST = 2000, SAID_MOST = 8, QUERY_MOST = 8 };

static const ln_server_limits limits = {.max_body = (size_t)16 << 20,
                                        .max_bodies = (size_t)256 << 20,
                                        .max_connections = 1024,
                                        .whole_ms = 10000,
                                        .body_ms = 30000,
                                        .send_ms = 60000,
                                        .max_header = (size_t)16 << 10,
                                        .per_client = 256};

struct ln_http {
  ln_service *s;
  ln_engine *g;
  ln_server *server;
  ln_server_tls *tls;
  ln_rate *rate;
  ln_oidc *oidc;
  ln_api *under_way;
  char address[64];
  const char *path;                                      /* of a Unix socket, instead; lent                 */
};

struct ln_api {
  ln_http *h;
  ln_exchange *x;
  const ln_server_request *r;
  ln_match m;
  ln_caller who;
  ln_err no;                                             /* it was refused before its body came             */
  ln_buf query; /* decoded texts                                   */
  struct {
    const ln_field *field;
    ln_str v;
  } asked[QUERY_MOST];
  size_t n_asked;
  ln_buf body;
  struct {
    const char *name;
    char *value;
  } said[SAID_MOST];
  size_t n_said;
  int status;
  void (*gone)(void *arg);
  void *gone_arg;
  ln_api *next;
};

/* ------------------------------------------------------------------ what a handler sees */

ln_engine *ln_api_engine(const ln_api *a) { return a->h->g; }
ln_service *ln_api_service(const ln_api *a) { return a->h->s; }
const ln_caller *ln_api_caller(const ln_api *a) { return &a->who; }
const ln_server_request *ln_api_request(const ln_api *a) { return a->r; }
ln_str ln_api_part(const ln_api *a, size_t i) { return a->m.part[i]; }
ln_str ln_api_body(const ln_api *a) { return ln_buf_view(&a->body); }
void ln_api_status(ln_api *a, int status) { a->status = status; }

struct ln_oidc *ln_api_oidc(const ln_api *a) {
  return a->h->oidc;
}
ln_str ln_api_public(const ln_api *a) { return a->h->g->config->public_url; }

bool ln_api_secure(const ln_api *a) {
  return a->h->tls != NULL || ln_str_starts(ln_api_public(a), LN_STR("https://"));
}

ln_str ln_api_query(const ln_api *a, const char *name) {
  for (size_t i = 0; i < a->n_asked; i++)
    if (strcmp(a->asked[i].field->name, name) == 0) return a->asked[i].v;
  return (ln_str){NULL, 0};
}

static ln_str header_of(const ln_server_request *r, const char *name, size_t *n) {
  ln_str found = {NULL, 0};
  *n = 0;
  for (size_t i = 0; i < r->n_headers; i++)
    if (ln_str_ieq(r->headers[i].name, ln_str_of(name))) found = r->headers[i].value, ++*n;
  return found;
}

ln_str ln_api_header(const ln_api *a, const char *name) {
  size_t n;
  ln_str v = header_of(a->r, name, &n);
  return n == 1 ? v : (ln_str){NULL, 0};
}

bool ln_api_one_header(const ln_api *a, const char *name, ln_str *v, ln_err *err) {
  size_t n;
  *v = header_of(a->r, name, &n);
  return n < 2 || ln_fail(err, "bad_argument", LN_FINAL, "%s is sent twice", name);
}

/* ------------------------------------------------------------------ answers */

static void api_free(ln_api *a) {
  for (ln_api **at = &a->h->under_way; *at; at = &(*at)->next)
    if (*at == a) {
      *at = a->next;
      break;
    }
  for (size_t i = 0; i < a->n_said; i++) free(a->said[i].value);
  ln_buf_free(&a->query);
  ln_buf_free(&a->body);
  free(a->m.texts);
  free(a);
}

void ln_api_on_gone(ln_api *a, void (*gone)(void *arg), void *arg) {
  a->gone = gone;
  a->gone_arg = arg;
}

void ln_api_say(ln_api *a, const char *name, ln_str value) {
  char *copy = a->n_said < SAID_MOST ? ln_str_dup(value) : NULL;
  if (!copy) return;
  a->said[a->n_said].name = name;
  a->said[a->n_said++].value = copy;
}

enum { HEADERS_MOST = SAID_MOST + 6 };

static bool is_said(const ln_api *a, const char *name) {
  for (size_t i = 0; i < a->n_said; i++)
    if (strcmp(a->said[i].name, name) == 0) return true;
  return false;
}

/* An answer is data for programs: no browser is to run, frame, keep or guess at it, where its handler does
** not say otherwise. */
static size_t headers_of(const ln_api *a, const char *type, ln_header out[HEADERS_MOST]) {
  static const struct {
    const char *name, *value;
  } always[] = {{"Cache-Control", "no-store"},
                {"X-Content-Type-Options", "nosniff"},
                {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
                {"Referrer-Policy", "no-referrer"}};
  size_t n = 0;
  out[n++] = (ln_header){LN_STR("Content-Type"), ln_str_of(type)};
  for (size_t i = 0; i < sizeof always / sizeof *always; i++)
    if (!is_said(a, always[i].name))
      out[n++] = (ln_header){ln_str_of(always[i].name), ln_str_of(always[i].value)};
  if (a->h->tls) out[n++] = (ln_header){LN_STR("Strict-Transport-Security"), LN_STR("max-age=31536000")};
  for (size_t i = 0; i < a->n_said; i++)
    out[n++] = (ln_header){ln_str_of(a->said[i].name), ln_str_of(a->said[i].value)};
  return n;
}

static void count(const ln_api *a, int status) {
  ln_tallies_request(ln_service_tallies(a->h->s), a->m.route ? a->m.route->path : "other", status);
}

/* Ends the request. */
static void reply(ln_api *a, int status, const char *type, ln_str text) {
  ln_header headers[HEADERS_MOST];
  size_t n = headers_of(a, type, headers);
  count(a, status);
  if (!ln_exchange_reply(a->x, status, headers, n, text)) ln_exchange_cut(a->x, (ln_str){NULL, 0});
  api_free(a);
}

bool ln_api_text(ln_api *a, const char *type, ln_str text) {
  reply(a, a->status, type, text);
  return true;
}

bool ln_api_answer(ln_api *a, ln_str json) { return ln_api_text(a, "application/json", json); }

static const struct {
  const char *code;
  int status;
  const char *title;
} codes[] = {{"bad_argument", 400, "the request is not as it has to be"},
             {"usage", 400, "the request is not as it has to be"},
             {"unauthorised", 401, "a token or a session is wanted"},
             {"forbidden", 403, "it is not allowed"},
             {"denied", 403, "it was refused"},
             {"refused", 403, "it was refused"},
             {"not_found", 404, "there is no such thing"},
             {"no_method", 405, "not with that method"},
             {"conflict", 409, "it does not fit what is there"},
             {"ambiguous", 409, "several things have that name"},
             {"stale", 409, "it changed meanwhile"},
             {"frozen", 409, "writes are frozen"},
             {"too_big", 413, "it is too large"},
             {"bad_type", 415, "JSON is wanted"},
             {"unknown_format", 422, "it is in no known format"},
             {"quota", 429, "there are too many"},
             {"rate_limited", 429, "too many requests"},
             {"memory", 503, "it cannot be done now"},
             {"store", 503, "it cannot be done now"},
             {"unavailable", 503, "it cannot be done now"}};

static size_t code_of(const ln_err *err) {
  size_t i = 0, n = sizeof codes / sizeof *codes;
  while (i < n && !ln_err_is(err, codes[i].code)) i++;
  return i;
}

int ln_api_status_of(const ln_err *err) {
  size_t i = code_of(err);
  return i < sizeof codes / sizeof *codes ? codes[i].status : 500;
}

void ln_api_problem(ln_api *a, const ln_err *err) {
  size_t i = code_of(err);
  int status = ln_api_status_of(err);
  const char *title = status == 500 ? "it failed" : codes[i].title;
  ln_buf b;
  ln_json j;
  ln_buf_init(&b, 1 << 14);
  ln_json_init(&j, &b);
  ln_json_open(&j, '{');
  ln_json_key(&j, LN_STR("type"));
  ln_json_strz(&j, "about:blank");
  ln_json_key(&j, LN_STR("title"));
  ln_json_strz(&j, title);
  ln_json_key(&j, LN_STR("status"));
  ln_json_int(&j, status);
  ln_json_key(&j, LN_STR("detail"));
  ln_json_strz(&j, err->message);
  ln_json_key(&j, LN_STR("code"));
  ln_json_strz(&j, err->code[0] ? err->code : "failed");
  ln_json_close(&j, '}');
  if ((status == 503 || status == 429) && !is_said(a, "Retry-After"))
    ln_api_say(a, "Retry-After", LN_STR("2"));
  reply(a, status, "application/problem+json", ln_buf_view(&b));
  ln_buf_free(&b);
}

ln_stream *ln_api_stream(ln_api *a, const char *type, size_t most, void (*gone)(void *arg), void *arg) {
  ln_header headers[HEADERS_MOST];
  size_t n = headers_of(a, type, headers);
  ln_stream *t = ln_exchange_stream(a->x, a->status, headers, n, most, gone, arg);
  if (!t) return NULL;
  count(a, a->status);
  api_free(a);
  return t;
}

/* ------------------------------------------------------------------ query and body */

static bool is_word(const char *words, ln_str v) {
  ln_str rest = ln_str_of(words), one;
  while (rest.n) {
    ln_str_cut(rest, '|', &one, &rest);
    if (ln_str_eq(one, v)) return true;
  }
  return false;
}

static bool is_number(ln_str v) {
  for (size_t i = 0; i < v.n; i++)
    if (v.p[i] < '0' || v.p[i] > '9') return false;
  return v.n > 0 && v.n <= 18;
}

static bool has_words(const ln_field *f) { return strchr(f->type, '|') != NULL; }

static bool take_query(ln_api *a, const ln_field *f, ln_str value, ln_err *err) {
  if (has_words(f) && !is_word(f->type, value))
    return ln_fail(err, "bad_argument", LN_FINAL, "%s is one of %s", f->name, f->type);
  if (strcmp(f->type, "integer") == 0 && !is_number(value))
    return ln_fail(err, "bad_argument", LN_FINAL, "%s is a whole number", f->name);
  if (ln_api_query(a, f->name).p) return ln_fail(err, "bad_argument", LN_FINAL, "%s is given twice", f->name);
  if (a->n_asked == QUERY_MOST) return ln_fail(err, "bad_argument", LN_FINAL, "the query is too long");
  a->asked[a->n_asked].field = f;
  a->asked[a->n_asked++].v = value;
  return true;
}

/* Whoever has no token, where its route lets in others. */
static bool is_known(ln_api *a, ln_err *err) {
  return a->who.role != LN_ROLE_NONE || !a->m.route->knows || a->m.route->knows(a, err);
}

static bool takes_body(const ln_route *r) { return r->raw || r->body; }

/* The texts are decoded into one buffer that has room for all from the start, so they stay where they are. */
static bool read_query(ln_api *a, ln_err *err) {
  ln_str rest = a->r->query, pair, name, value;
  ln_buf_init(&a->query, rest.n + 1);
  if (rest.n && !ln_buf_room(&a->query, rest.n)) return ln_fail(err, "memory", LN_AGAIN, "no memory");
  while (rest.n) {
    ln_str_cut(rest, '&', &pair, &rest);
    if (!pair.n) continue;
    size_t from = a->query.n;
    ln_str_cut(pair, '=', &name, &value);
    bool ok = ln_url_decode(name, true, &a->query);
    size_t mid = a->query.n;
    ok = ok && ln_url_decode(value, true, &a->query);
    if (!ok) return ln_fail(err, "bad_argument", LN_FINAL, "the query is not as it has to be");
    name = (ln_str){a->query.p + from, mid - from};
    value = (ln_str){a->query.p + mid, a->query.n - mid};
    const ln_field *f = a->m.route->query;
    while (f && f->name && !ln_str_eq(ln_str_of(f->name), name) && f->name[0] != '*') f++;
    if (f && f->name && f->name[0] == '*') continue;
    if (!f || !f->name)
      return ln_fail(err, "bad_argument", LN_FINAL, "there is no parameter \"%.*s\" here",
                     name.n > 40 ? 40 : (int)name.n, name.p);
    if (!take_query(a, f, value, err)) return false;
  }
  return true;
}

static bool fits(const ln_field *f, const ln_vitem *v) {
  if (has_words(f)) return v->tag == 'S' && is_word(f->type, v->s);
  if (strcmp(f->type, "string") == 0) return v->tag == 'S';
  if (strcmp(f->type, "integer") == 0) return v->tag == 'I';
  if (strcmp(f->type, "boolean") == 0) return v->tag == 't' || v->tag == 'f';
  if (strcmp(f->type, "object") == 0) return v->tag == 'O';
  if (strcmp(f->type, "array") == 0) return v->tag == 'A';
  return true;
}

static bool check_members(const ln_field *fields, ln_str object, ln_err *err) {
  ln_vitem v, whole;
  ln_str rest = object, key;
  if (!ln_v_read(&rest, &whole) || whole.tag != 'O')
    return ln_fail(err, "bad_argument", LN_FINAL, "the body has to be a JSON object");
  for (rest = whole.body; rest.n && ln_v_read_key(&rest, &key) && ln_v_read(&rest, &v);) {
    const ln_field *f = fields;
    while (f->name && !ln_str_eq(ln_str_of(f->name), key)) f++;
    if (!f->name)
      return ln_fail(err, "bad_argument", LN_FINAL, "the body may not have \"%.*s\"",
                     key.n > 40 ? 40 : (int)key.n, key.p);
    if (!fits(f, &v)) return ln_fail(err, "bad_argument", LN_FINAL, "\"%s\" has to be %s", f->name, f->type);
  }
  for (const ln_field *f = fields; f->name; f++)
    if (f->required && (!ln_v_get(object, ln_str_of(f->name), &v) || (v.tag == 'S' && !v.s.n)))
      return ln_fail(err, "bad_argument", LN_FINAL, "the body lacks \"%s\"", f->name);
  return true;
}

static bool is_json(ln_str type) {
  ln_str kind, rest;
  ln_str_cut(type, ';', &kind, &rest);
  return ln_str_ieq(ln_str_trim(kind), LN_STR("application/json"));
}

static bool wants_something(const ln_field *f) {
  for (; f->name; f++)
    if (f->required) return true;
  return false;
}

static bool read_body(ln_api *a, ln_err *err) {
  const ln_field *fields = a->m.route->body;
  ln_buf_init(&a->body, (size_t)64 << 20);
  if (a->m.route->raw) return true;
  if (!a->r->body.n && (!fields || !wants_something(fields))) return true;
  if (!is_json(ln_api_header(a, "Content-Type")))
    return ln_fail(err, "bad_type", LN_FINAL, "Content-Type: application/json is wanted");
  return ln_host_json(a->h->g->host, a->r->body, &a->body, err) &&
         check_members(fields, ln_buf_view(&a->body), err);
}

/* ------------------------------------------------------------------ who it is */

/* Exactly one Authorization, with nothing but a token in it. */
static ln_str token_of(const ln_server_request *r) {
  size_t n;
  ln_str v = header_of(r, "Authorization", &n), scheme, token;
  if (n != 1 || !ln_str_cut(v, ' ', &scheme, &token) || !ln_str_ieq(scheme, LN_STR("Bearer")))
    return (ln_str){NULL, 0};
  token = ln_str_trim(token);
  return memchr(token.p, ' ', token.n) ? (ln_str){NULL, 0} : token;
}

/* The bearer counts, if there is one; two are none, and then a cookie is none either. */
static ln_str session_of(const ln_api *a) {
  size_t n;
  ln_str v = header_of(a->r, "Authorization", &n);
  bool other = !n || (n == 1 && !ln_str_starts(v, LN_STR("Bearer")));
  return other ? ln_session_shown(a->r, ln_api_secure(a)) : (ln_str){NULL, 0};
}

static bool changes_nothing(const ln_api *a) { return strcmp(a->m.route->method, "GET") == 0; }

/* A browser sends its cookie whoever's page makes it ask: what changes something has to be our own's. */
static bool is_meant(const ln_api *a, ln_err *err) {
  if (changes_nothing(a) || (ln_from_own_page(a->r, ln_api_public(a), ln_api_secure(a)) &&
                             ln_str_eq(ln_api_header(a, "X-Lunette"), LN_STR("1"))))
    return true;
  return ln_fail(err, "forbidden", LN_FINAL,
                 "with a session a change has to come from Lunette's own page: Origin, and X-Lunette: 1");
}

static bool by_session(ln_api *a, ln_str id, ln_err *err) {
  return ln_auth_session(a->h->g, id, ln_now_ms(a->h->g->loop->clock), &a->who, err) && is_meant(a, err);
}

static bool by_token(ln_api *a, ln_str token, ln_err *err) {
  if (ln_auth_bearer(a->h->g, token, ln_now_ms(a->h->g->loop->clock), &a->who, err)) return true;
  if (ln_err_is(err, "unauthorised"))
    ln_api_say(a, "WWW-Authenticate", LN_STR("Bearer realm=\"lunette\", error=\"invalid_token\""));
  return false;
}

bool ln_api_no_token(ln_api *a, ln_err *err) {
  ln_api_say(a, "WWW-Authenticate", LN_STR("Bearer realm=\"lunette\""));
  return ln_fail(err, "unauthorised", LN_FINAL,
                 "Authorization: Bearer TOKEN is wanted (lunette token add), or a session: sign in");
}

static bool let_in(ln_api *a, ln_err *err) {
  const ln_route *r = a->m.route;
  ln_str token = token_of(a->r), session = session_of(a);
  if (r->role == LN_ROLE_NONE || (r->knows && !token.n && !session.n)) return true;
  if (!token.n && !session.n) return ln_api_no_token(a, err);
  if (!(token.n ? by_token(a, token, err) : by_session(a, session, err))) {
    bool nobody = r->knows && !token.n && ln_err_is(err, "unauthorised"); /* a cookie that is over is none */
    if (nobody) ln_err_clear(err);
    return nobody;
  }
  if (ln_role_may(a->who.role, r->role)) return true;
  return ln_fail(err, "forbidden", LN_FINAL, "your role may not do that");
}

/* ------------------------------------------------------------------ one request */

static bool find(ln_api *a, ln_err *err) {
  switch (ln_route_find(a->r->method, a->r->path, &a->m)) {
  case LN_FOUND: return true;
  case LN_NO_METHOD:
    a->m.route = NULL;
    ln_api_say(a, "Allow", ln_str_of(a->m.allow));
    return ln_fail(err, "no_method", LN_FINAL, "what may be done here is %s", a->m.allow);
  case LN_BAD_PATH:
    a->m.route = NULL;
    return ln_fail(err, "bad_argument", LN_FINAL, "the path is not as it has to be");
  case LN_NO_PATH: break;
  }
  return ln_fail(err, "not_found", LN_FINAL, "there is nothing here: /v1/openapi.json says what there is");
}

/* Whoever comes from this machine is a proxy, and stands for many. */
static bool in_time(ln_api *a, ln_err *err) {
  char text[LN_INT_TEXT];
  ln_str peer = a->r->peer;
  if (!peer.n || ln_addr_kind_of_text(peer.p) == LN_ADDR_LOOPBACK) return true;
  int64_t ms = ln_rate_take(a->h->rate, peer, ln_mono_us(a->h->g->loop->clock) / 1000);
  if (!ms) return true;
  ln_api_say(a, "Retry-After", ln_str_int(ms / 1000 + 1, text));
  return ln_fail(err, "rate_limited", LN_AGAIN, "%d requests a second are taken of one address", RATE);
}

static void fail(ln_api *a, const ln_err *err) {
  const ln_route *route = a->m.route;
  if (route && ln_api_status_of(err) >= 500)
    ln_log(LN_WARN, "http.failed", "route=%s %s code=%s", route->method, route->path, err->code);
  ln_api_problem(a, err);
}

static bool judge(void *arg, const ln_server_request *r, size_t *most, void **note) {
  ln_http *h = arg;
  ln_api *a = *note = calloc(1, sizeof *a);
  if (!a) return false;
  *a = (ln_api){.h = h, .r = r};
  if (!in_time(a, &a->no) || !find(a, &a->no) || !let_in(a, &a->no) || !read_query(a, &a->no) ||
      !is_known(a, &a->no))
    return false;
  if (takes_body(a->m.route)) return true;
  *most = 0;
  return r->length <= 0 || ln_fail(&a->no, "bad_argument", LN_FINAL, "there is no body to be sent here");
}

static void drop(void *note) { api_free(note); }

static void handle(void *arg, ln_exchange *x, const ln_server_request *r) {
  ln_http *h = arg;
  ln_err err = {0};
  ln_api *a = ln_exchange_take(x);
  (void)r;
  if (!a) {
    ln_exchange_cut(x, (ln_str){NULL, 0});
    return;
  }
  a->x = x;
  a->next = h->under_way;
  h->under_way = a;
  if (a->no.code[0]) {
    err = a->no;
    fail(a, &err);
    return;
  }
  a->status = a->m.route->status;
  if (!read_body(a, &err) || !a->m.route->fn(a, &err)) fail(a, &err);
}

/* ------------------------------------------------------------------ beginning and end */

/* "127.0.0.1:7059", "[::1]:7059" */
static bool split(ln_str listen, char address[64], uint16_t *port, ln_err *err) {
  if (!listen.p) listen = LN_STR("");
  size_t n = listen.n;
  while (n && listen.p[n - 1] != ':') n--;
  ln_str host = {listen.p, n ? n - 1 : 0}, digits = {listen.p + n, listen.n - n};
  if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']') host.p++, host.n -= 2;
  long number = is_number(digits) && digits.n < 6 ? strtol(digits.p, NULL, 10) : -1;
  if (!host.n || host.n > 63 || number < 0 || number > 65535)
    return ln_fail(err, "config", LN_FINAL,
                   "listen: an address such as \"127.0.0.1:7059\" is wanted, not \"%.*s\"",
                   listen.n > 80 ? 80 : (int)listen.n, listen.p);
  memcpy(address, host.p, host.n);
  address[host.n] = '\0';
  *port = (uint16_t)number;
  return true;
}

/* Where it will listen, or the socket that was handed over does; what is no internet address is on this
** machine, or is refused by whoever listens. */
static ln_addr_kind kind_of(const ln_server_door *door) {
  struct sockaddr_storage sa = {0};
  socklen_t n = sizeof sa;
  bool known = door->fd > 0 ? getsockname(door->fd, (struct sockaddr *)&sa, &n) == 0
                            : ln_addr_parse(door->address, door->port, &sa, &n);
  return known && sa.ss_family != AF_UNIX ? ln_addr_kind_of((struct sockaddr *)&sa) : LN_ADDR_LOOPBACK;
}

/* A token that goes over the network in the clear is everybody's. */
static bool is_safe(const ln_config *c, const ln_server_door *door, ln_err *err) {
  if (c->oidc.issuer.n && !c->public_url.n && kind_of(door) != LN_ADDR_LOOPBACK)
    return ln_fail(
        err, "config", LN_FINAL,
        "oidc.public is wanted: where browsers find Lunette, such as \"https://lunette.example.com\"");
  if (c->tls_cert.n || kind_of(door) == LN_ADDR_LOOPBACK) return true;
  return ln_fail(err, "config", LN_FINAL,
                 "listen: beyond this machine tokens need TLS: set tls = { cert = …, key = … }, or listen on "
                 "127.0.0.1 behind a proxy that has it");
}

/* Of "unix:PATH" the path; NULL: it is an address. */
static const char *path_of(const ln_config *c) {
  return ln_str_starts(c->listen, LN_STR("unix:")) ? c->listen.p + 5 : NULL;
}

static bool find_door(const ln_config *c, ln_http *h, ln_server_door *door, ln_err *err) {
  enum { BACKLOG = 511 };
  if (door->fd > 0) return true;
  if (!path_of(c)) return split(c->listen, h->address, &door->port, err);
  door->fd = ln_local_socket(path_of(c), c->listen_mode, BACKLOG, err);
  h->path = path_of(c);
  return door->fd > 0;
}

static bool listen_at(ln_http *h, int fd, ln_err *err) {
  const ln_config *c = h->g->config;
  ln_server_door door = {.address = h->address, .fd = fd};
  if (c->tls_cert.n && !(h->tls = ln_server_tls_load(c->tls_cert.p, c->tls_key.p, err))) return false;
  if (!find_door(c, h, &door, err) || !is_safe(c, &door, err)) return false;
  door.tls = h->tls;
  if (!(h->server = ln_server_open(h->g->loop, &door, &limits, handle, h, err))) return false;
  ln_server_judge(h->server, judge, drop);
  return true;
}

bool ln_http_start(ln_service *s, ln_engine *g, int fd, ln_http **out, ln_err *err) {
  *out = NULL;
  if (!g->loop->uv || (fd <= 0 && !g->config->listen.n)) return true;
  ln_http *h = calloc(1, sizeof *h);
  if (!h || !(h->rate = ln_rate_new(RATE, BURST))) {
    free(h);
    return ln_fail(err, "memory", LN_AGAIN, "no memory to listen");
  }
  h->s = s;
  h->g = g;
  bool ready = !g->config->oidc.issuer.n || (h->oidc = ln_oidc_new(g, err));
  if (ready && listen_at(h, fd, err)) return *out = h, true;
  ln_http_stop(h);
  if (g->config->listens || fd > 0 || !ln_err_is(err, "unavailable")) return false;
  ln_log(LN_WARN, "http.none", "error=%s", err->message);
  ln_err_clear(err);
  return true;
}

void ln_http_stop(ln_http *h) {
  if (!h) return;
  ln_oidc_free(h->oidc);
  for (ln_api *a = h->under_way, *next; a; a = next) {
    next = a->next;
    if (a->gone) a->gone(a->gone_arg);
    api_free(a);
  }
  ln_server_free(h->server);
  ln_server_tls_free(h->tls);
  ln_rate_free(h->rate);
  free(h);
}

void ln_http_drain(ln_http *h) {
  if (!h) return;
  ln_server_drain(h->server);
}

size_t ln_http_busy(const ln_http *h) { return h ? ln_server_busy(h->server) : 0; }

bool ln_http_reload(ln_http *h, ln_err *err) { return !h || !h->tls || ln_server_tls_reload(h->tls, err); }

void ln_http_where(const ln_http *h, ln_buf *out) {
  bool six = strchr(h->address, ':') != NULL;
  if (h->path) {
    ln_buf_addf(out, "unix:%s", h->path);
    return;
  }
  ln_buf_addf(out, "%s://%s%s%s:%u", h->tls ? "https" : "http", six ? "[" : "",
              h->address[0] ? h->address : "handed-over", six ? "]" : "", ln_server_port(h->server));
}
