/* server_check.c: what HTTP leaves open to smuggling is refused: two readings of where a request ends would
** let one request carry another past whoever stands in front of us.  So there is one length or none, one way
** of saying it, one Host, and names that are names. */
#include "net/server_mhd.h"

#include <stdlib.h>

typedef struct gathered {
  ln_header *v;
  size_t n, cap;
  bool failed;
} gathered;

static enum MHD_Result gather(void *arg, enum MHD_ValueKind kind, const char *key, size_t key_n,
                              const char *value, size_t value_n) {
  (void)kind;
  gathered *g = arg;
  if (g->n == g->cap) {
    size_t cap = g->cap ? 2 * g->cap : 16;
    ln_header *v = reallocarray(g->v, cap, sizeof *v);
    if (!v) {
      g->failed = true;
      return MHD_NO;
    }
    g->v = v;
    g->cap = cap;
  }
  g->v[g->n++] = (ln_header){{key, key_n}, ln_str_trim((ln_str){value, value ? value_n : 0})};
  return MHD_YES;
}

ln_header *ln_server_headers(struct MHD_Connection *c, size_t *n) {
  gathered g = {calloc(1, sizeof *g.v), 0, 1, false};
  if (g.v) MHD_get_connection_values_n(c, MHD_HEADER_KIND, gather, &g);
  if (g.failed) {
    free(g.v);
    return NULL;
  }
  *n = g.n;
  return g.v;
}

static bool digits(ln_str s) {
  for (size_t i = 0; i < s.n; i++)
    if (s.p[i] < '0' || s.p[i] > '9') return false;
  return s.n > 0;
}

/* Is the number in s, made of digits, more than most?  Without overflow. */
static bool exceeds(ln_str s, size_t most) {
  size_t v = 0;
  for (size_t i = 0; i < s.n; i++) {
    size_t d = (size_t)(s.p[i] - '0');
    if (v > (SIZE_MAX - d) / 10) return true;
    v = v * 10 + d;
  }
  return v > most;
}

static const ln_header *only(const ln_server_request *r, const char *name, size_t *count) {
  const ln_header *found = NULL;
  *count = 0;
  for (size_t i = 0; i < r->n_headers; i++) {
    if (!ln_str_ieq(r->headers[i].name, ln_str_of(name))) continue;
    if (!found) found = &r->headers[i];
    ++*count;
  }
  return found;
}

/* What a header took on the wire, nearly. */
static size_t header_size(const ln_server_request *r) {
  size_t n = r->method.n + r->path.n + r->query.n;
  for (size_t i = 0; i < r->n_headers; i++) n += r->headers[i].name.n + r->headers[i].value.n + 4;
  return n;
}

ln_refusal ln_server_check(const ln_server_request *r, const char *version, const ln_server_limits *most) {
  size_t lengths, encodings, hosts;
  const ln_header *length = only(r, "Content-Length", &lengths);
  const ln_header *encoding = only(r, "Transfer-Encoding", &encodings);
  bool new = strcmp(version, "HTTP/1.1") == 0;
  only(r, "Host", &hosts);
  if (!new && strcmp(version, "HTTP/1.0") != 0) return (ln_refusal){505, "HTTP/1.1 is spoken here"};
  if (most->max_header && header_size(r) > most->max_header)
    return (ln_refusal){431, "the header is too large"};
  for (size_t i = 0; i < r->n_headers; i++) {
    if (!ln_header_name_ok(r->headers[i].name)) return (ln_refusal){400, "a header has no proper name"};
    if (!ln_header_value_ok(r->headers[i].value))
      return (ln_refusal){400, "a header has a control character"};
  }
  if (hosts > 1 || (new && hosts == 0)) return (ln_refusal){400, "exactly one Host is wanted"};
  if (lengths > 1) return (ln_refusal){400, "Content-Length is repeated"};
  if (length && encoding) return (ln_refusal){400, "Content-Length stands beside Transfer-Encoding"};
  if (encodings > 1 || (encoding && !new)) return (ln_refusal){400, "Transfer-Encoding cannot be so"};
  if (encoding && !ln_str_ieq(encoding->value, LN_STR("chunked")))
    return (ln_refusal){501, "no Transfer-Encoding but chunked is known"};
  if (length && !digits(length->value)) return (ln_refusal){400, "Content-Length is not a number"};
  if (length && exceeds(length->value, most->max_body)) return (ln_refusal){413, "the body is too large"};
  if (r->path.n == 0 || (r->path.p[0] != '/' && !ln_str_eq(r->path, LN_STR("*"))))
    return (ln_refusal){400, "the path must begin with a slash"};
  return (ln_refusal){0, NULL};
}

int64_t ln_server_length(const ln_server_request *r) {
  size_t n;
  const ln_header *length = only(r, "Content-Length", &n);
  if (only(r, "Transfer-Encoding", &n)) return -1;
  return length ? strtoll(length->value.p, NULL, 10) : 0;
}
