/* transport_curl_easy.c: one request as curl sees it, and the judgement of how it ended.
**
** Not sent is said only when it is certain: curl never came to write a request, or wrote no byte of one.  All
** else that is no whole answer is perhaps sent.  Curl by itself repeats a request whose kept-alive connection
** was closed unanswered; PREREQ is called before each writing and ends the second one, so the peer sees every
** request at most once.
**
** Where a name leads is checked twice: before a socket is opened, against the address that was resolved (so a
** name cannot change its mind in between), and before each writing, since a pooled connection may have been
** opened for somebody who was allowed to. */
#include "net/transport_curl.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { HEAD_MAX = 256 * 1024, KEPT_MAX = 4096, HEADERS_FEW = 32 };

/* --- where it may go --- */

static bool may_reach(ln_sending *s, ln_addr_kind k) {
  bool ok = s->plain ? k == LN_ADDR_LOOPBACK && s->loopback_ok : k == LN_ADDR_OTHER || s->loopback_ok;
  if (ok) return true;
  s->refused = true;
  s->led_to = k;
  return false;
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *a) {
  (void)purpose;
  if (!may_reach(arg, ln_addr_kind_of(&a->addr))) return CURL_SOCKET_BAD;
  return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static int on_prereq(void *arg, char *ip, char *local_ip, int port, int local_port) {
  (void)local_ip, (void)port, (void)local_port;
  ln_sending *s = arg;
  if (s->tries == 0 && !may_reach(s, ln_addr_kind_of_text(ip))) return CURL_PREREQFUNC_ABORT;
  return s->tries++ == 0 ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

/* --- what comes back --- */

/* "HTTP/1.1 200 OK" → 200.  Such a line begins a new block: an interim answer (1xx) may come before. */
static bool status_line(ln_sending *s, ln_str line) {
  ln_str version, rest;
  if (!ln_str_starts(line, LN_STR("HTTP/")) || !ln_str_cut(line, ' ', &version, &rest)) return false;
  s->status = 0;
  for (size_t i = 0; i < 3 && i < rest.n && rest.p[i] >= '0' && rest.p[i] <= '9'; i++)
    s->status = s->status * 10 + (rest.p[i] - '0');
  ln_buf_cut(&s->head, 0);
  s->n_headers = 0;
  return true;
}

/* Keeps "name:value" lines; trailers, which come after the body, are passed over. */
static size_t on_header(char *p, size_t one, size_t n, void *arg) {
  (void)one;
  ln_sending *s = arg;
  ln_str line = ln_str_trim((ln_str){p, n}), name, value;
  if (s->head_over || status_line(s, line)) return n;
  if (line.n == 0) {
    s->head_over = s->status >= 200;
  } else if (ln_str_cut(line, ':', &name, &value)) {
    value = ln_str_trim(value);
    ln_buf_add(&s->head, name);
    ln_buf_addc(&s->head, ':');
    ln_buf_add(&s->head, value);
    ln_buf_addc(&s->head, '\n');
    s->n_headers++;
  }
  if (ln_buf_failed(&s->head)) s->too_big = s->head.full;
  return ln_buf_failed(&s->head) ? 0 : n;
}

/* After decoding: a small answer that unpacks to gigabytes ends here as well. */
static size_t on_body(char *p, size_t one, size_t n, void *arg) {
  (void)one;
  ln_sending *s = arg;
  s->got += n;
  if (s->got > s->max) s->too_big = true;
  else if (s->sink) s->too_big = !s->sink(s->sink_arg, (ln_str){p, n});
  else if (!ln_buf_add(&s->reply, (ln_str){p, n})) s->too_big = s->reply.full;
  return s->too_big || ln_buf_failed(&s->reply) ? 0 : n;
}

/* --- what goes out --- */

static void set_once(ln_sending *s) {
  CURL *e = s->easy;
  curl_easy_setopt(e, CURLOPT_PRIVATE, s);
  curl_easy_setopt(e, CURLOPT_ERRORBUFFER, s->why);
  curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L); /* a look-up that hangs must not hang the loop with it */
  curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
  curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(e, CURLOPT_PROXY, ""); /* not even the environment's */
  curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "gzip");
  curl_easy_setopt(e, CURLOPT_USERAGENT, "lunette");
  curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open);
  curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, s);
  curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_prereq);
  curl_easy_setopt(e, CURLOPT_PREREQDATA, s);
  curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(e, CURLOPT_HEADERDATA, s);
  curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(e, CURLOPT_WRITEDATA, s);
}

ln_sending *ln_sending_new(void) {
  ln_sending *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  if (!(s->easy = curl_easy_init())) {
    free(s);
    return NULL;
  }
  set_once(s);
  return s;
}

static bool no_memory(ln_err *err) { return ln_fail(err, "memory", LN_AGAIN, "no memory for a request"); }

static void copy(char *out, size_t n, ln_str s) { /* as much of it as there is room for */
  if (s.n > n - 1) s.n = n - 1;
  if (s.n) memcpy(out, s.p, s.n);
  out[s.n] = '\0';
}

static bool part(ln_sending *s, CURLUPart what, char *out, size_t n) {
  char *z = NULL;
  if (curl_url_get(s->url, what, &z, 0) != CURLUE_OK) return false;
  copy(out, n, ln_str_of(z));
  curl_free(z);
  return true;
}

/* A fresh CURLU: one that was used would take a relative URL as meant for the host before.  The path goes as
** it is: what was approved with dots in it is what the peer must see. */
static bool parse_url(ln_sending *s, ln_str url, ln_err *err) {
  if (url.n && memchr(url.p, '\0', url.n))
    return ln_fail(err, "bad_argument", LN_FINAL, "not a URL: it holds a NUL");
  char *z = ln_str_dup(url);
  s->url = curl_url();
  CURLUcode e = CURLUE_OUT_OF_MEMORY;
  if (z && s->url) e = curl_url_set(s->url, CURLUPART_URL, z, CURLU_DISALLOW_USER | CURLU_PATH_AS_IS);
  free(z);
  if (e == CURLUE_OUT_OF_MEMORY) return no_memory(err);
  if (e == CURLUE_USER_NOT_ALLOWED)
    return ln_fail(err, "bad_argument", LN_FINAL, "the URL carries a name or password: use a credential");
  return e == CURLUE_OK || ln_fail(err, "bad_argument", LN_FINAL, "not a URL: %s", curl_url_strerror(e));
}

static bool set_url(ln_sending *s, const ln_request *r, ln_err *err) {
  char scheme[8] = "";
  if (!parse_url(s, r->url, err)) return false;
  if (!part(s, CURLUPART_HOST, s->host, sizeof s->host) || !part(s, CURLUPART_SCHEME, scheme, sizeof scheme))
    return ln_fail(err, "bad_argument", LN_FINAL, "not a URL: it has no host");
  s->plain = strcmp(scheme, "http") == 0;
  if (!s->plain && strcmp(scheme, "https") != 0)
    return ln_fail(err, "bad_argument", LN_FINAL, "%s: is not spoken here: use https://", scheme);
  if (s->plain && !r->loopback_ok)
    return ln_fail(err, "refused", LN_FINAL,
                   "http:// is for loopback only, and %s may not be that: use https://", s->host);
  return curl_easy_setopt(s->easy, CURLOPT_CURLU, s->url) == CURLE_OK || no_memory(err);
}

static bool add_header(ln_sending *s, const char *line) {
  struct curl_slist *l = curl_slist_append(s->headers, line);
  if (l) s->headers = l;
  return l != NULL;
}

static bool has_body(const ln_request *r) {
  return r->body.n || ln_str_eq(r->method, LN_STR("POST")) || ln_str_eq(r->method, LN_STR("PUT")) ||
         ln_str_eq(r->method, LN_STR("PATCH"));
}

/* What curl would add of its own where there is a body is taken out.  Its spelling of a header without a
** value is "Name;". */
static bool add_headers(ln_sending *s, const ln_request *r, ln_err *err) {
  bool typed = false;
  for (size_t i = 0; i < r->n_headers; i++) {
    ln_buf b;
    ln_str name = r->headers[i].name, value = ln_str_trim(r->headers[i].value);
    ln_buf_init(&b, SIZE_MAX);
    ln_buf_add(&b, name);
    ln_buf_addz(&b, value.n ? ": " : ";");
    ln_buf_add(&b, value);
    bool ok = ln_buf_addc(&b, '\0') && add_header(s, b.p);
    ln_buf_wipe(&b);
    if (!ok) return no_memory(err);
    if (ln_str_ieq(name, LN_STR("Content-Type"))) typed = true;
  }
  if (has_body(r) && (!add_header(s, "Expect:") || (!typed && !add_header(s, "Content-Type:"))))
    return no_memory(err);
  return curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, s->headers) == CURLE_OK || no_memory(err);
}

/* POST makes curl send a body, and its length even if it is empty; CUSTOMREQUEST is the word in the line. */
static bool set_method(ln_sending *s, const ln_request *r, ln_err *err) {
  CURL *e = s->easy;
  bool head = ln_str_eq(r->method, LN_STR("HEAD"));
  char word[40];
  copy(word, sizeof word, r->method);
  if (r->body.n && !(s->body = ln_str_dup(r->body))) return no_memory(err);
  s->body_n = r->body.n;
  curl_easy_setopt(e, CURLOPT_HTTPGET, 1L); /* forgets what the last request was */
  if (head) {
    if (r->body.n) return ln_fail(err, "bad_argument", LN_FINAL, "HEAD takes no body");
    curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
  } else if (has_body(r)) {
    curl_easy_setopt(e, CURLOPT_POST, 1L);
    curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.n);
    curl_easy_setopt(e, CURLOPT_POSTFIELDS, s->body ? s->body : "");
  }
  return curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, head ? NULL : word) == CURLE_OK || no_memory(err);
}

bool ln_sending_prepare(ln_sending *s, const ln_request *r, ln_err *err) {
  if (!ln_request_check(r, err) || !set_url(s, r, err) || !add_headers(s, r, err) || !set_method(s, r, err))
    return false;
  s->timeout_ms = r->timeout_ms > 0 ? r->timeout_ms : 0;
  curl_easy_setopt(s->easy, CURLOPT_TIMEOUT_MS, s->timeout_ms < INT32_MAX ? (long)s->timeout_ms : INT32_MAX);
  s->loopback_ok = r->loopback_ok;
  s->max = r->max_response;
  s->sink = r->sink;
  s->sink_arg = r->sink_arg;
  s->head.max = HEAD_MAX;
  s->reply.max = r->max_response;
  return true;
}

static void wipe(char *p, size_t n) {
  if (p) explicit_bzero(p, n);
}

/* Nothing stays in it; a small one keeps its room. */
static ln_buf emptied(ln_buf b) {
  if (b.cap > KEPT_MAX) ln_buf_wipe(&b);
  else wipe(b.p, b.n);
  return (ln_buf){.p = b.p, .cap = b.cap};
}

/* Headers and bodies hold tokens: nothing of them stays. */
void ln_sending_clear(ln_sending *s) {
  curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, NULL);
  curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS, NULL);
  curl_easy_setopt(s->easy, CURLOPT_CURLU, NULL);
  for (struct curl_slist *h = s->headers; h; h = h->next) wipe(h->data, strlen(h->data));
  curl_slist_free_all(s->headers);
  curl_url_cleanup(s->url);
  wipe(s->body, s->body_n);
  free(s->body);
  *s = (ln_sending){.easy = s->easy, .head = emptied(s->head), .reply = emptied(s->reply)};
}

void ln_sending_free(ln_sending *s) {
  if (!s) return;
  ln_sending_clear(s);
  ln_buf_free(&s->head);
  ln_buf_free(&s->reply);
  curl_easy_cleanup(s->easy);
  free(s);
}

/* --- how it ended --- */

static bool certificate(CURLcode c) {
  return c == CURLE_PEER_FAILED_VERIFICATION || c == CURLE_SSL_ISSUER_ERROR ||
         c == CURLE_SSL_CACERT_BADFILE || c == CURLE_SSL_INVALIDCERTSTATUS;
}

/* No byte of the request left. */
static void say_not_sent(ln_sending *s, CURLcode c, const char *why, ln_err *err) {
  if (s->refused && (c == CURLE_COULDNT_CONNECT || c == CURLE_ABORTED_BY_CALLBACK))
    ln_fail(err, "refused", LN_FINAL, "%s leads to an address of the kind \"%s\": %s", s->host,
            ln_addr_kind_name(s->led_to), s->plain ? "http:// is for loopback only" : "not allowed here");
  else if (c == CURLE_OPERATION_TIMEDOUT)
    ln_fail(err, "timeout", LN_AGAIN, "no connection to %s within %lld ms; nothing was sent", s->host,
            (long long)s->timeout_ms);
  else if (c == CURLE_COULDNT_RESOLVE_HOST)
    ln_fail(err, "unavailable", LN_AGAIN, "no address found for %s", s->host);
  else if (certificate(c))
    ln_fail(err, "unavailable", LN_FINAL, "the certificate of %s is not to be trusted: %s", s->host, why);
  else
    ln_fail(err, "unavailable", LN_AGAIN, "no connection to %s: %s", s->host, why);
}

static void say_perhaps_sent(ln_sending *s, CURLcode c, const char *why, ln_err *err) {
  if (s->too_big)
    ln_fail(err, "too_big", LN_FINAL, "the answer of %s is larger than is allowed here (%zu bytes of %s)",
            s->host, s->head.full ? s->head.max : s->max, s->head.full ? "headers" : "body");
  else if (c == CURLE_OPERATION_TIMEDOUT)
    ln_fail(err, "timeout", LN_AGAIN, "no whole answer from %s within %lld ms", s->host,
            (long long)s->timeout_ms);
  else if (s->tries > 1 || c == CURLE_GOT_NOTHING)
    ln_fail(err, "unavailable", LN_AGAIN, "%s closed the connection without an answer", s->host);
  else
    ln_fail(err, "unavailable", LN_AGAIN, "%s broke off: %s", s->host, c ? why : "no final status");
}

/* The lines of s->head as an array: in `few` if they are, else to be freed; NULL: no memory. */
static ln_header *make_headers(const ln_sending *s, ln_header few[HEADERS_FEW]) {
  ln_header *v = s->n_headers <= HEADERS_FEW ? few : calloc(s->n_headers, sizeof *v);
  ln_str rest = ln_buf_view(&s->head), line;
  for (size_t i = 0; v && i < s->n_headers; i++) {
    ln_str_cut(rest, '\n', &line, &rest);
    ln_str_cut(line, ':', &v[i].name, &v[i].value);
  }
  return v;
}

void ln_sending_answer(ln_sending *s, CURLcode end) {
  ln_answer a = {.err = s->early};
  ln_header few[HEADERS_FEW], *headers = NULL;
  long status = 0, written = 0;
  curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(s->easy, CURLINFO_REQUEST_SIZE, &written);
  const char *why = s->why[0] ? s->why : curl_easy_strerror(end);
  if (a.err.code[0]) {
    a.sent = LN_NOT_SENT;
  } else if (!(headers = make_headers(s, few))) {
    a.sent = LN_PERHAPS_SENT;
    ln_fail(&a.err, "unavailable", LN_AGAIN, "no memory for the answer of %s", s->host);
  } else {
    a.sent = s->tries && written ? LN_PERHAPS_SENT : LN_NOT_SENT;
    if (end == CURLE_OK && s->head_over) a.sent = LN_ANSWERED;
    if (a.sent == LN_NOT_SENT) say_not_sent(s, end, why, &a.err);
    if (a.sent == LN_PERHAPS_SENT) say_perhaps_sent(s, end, why, &a.err);
    a.status = s->head_over ? (int)status : 0;
    a.headers = headers;
    a.n_headers = s->head_over ? s->n_headers : 0;
    if (a.sent == LN_ANSWERED && !s->sink) a.body = ln_buf_view(&s->reply);
    a.err.status = a.err.code[0] ? a.status : 0;
  }
  s->done(s->arg, &a);
  if (headers != few) free(headers);
}
