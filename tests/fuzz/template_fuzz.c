/* template_fuzz.c: the templates of the connectors that ship, with values that an attacker has written.
** Which operation, which of its optional parameters, and what each text says comes from the input; the
** same call with harmless texts says what the request may look like.
**
** What must hold: the hostile request has the same method, as many segments in its path, the same
** parameters, headers and members.  Where a text becomes part of an expression (a filter, a query, a
** command) it stays within its quotes: without what is quoted both expressions are the same.  With
** $FUZZ_SHOW the request is shown. */
#include "tests/unit/fake_engine.h"

#include "modules/connector_parts.h"
#include "tests/fuzz/fuzz.h"

enum { OPERATIONS = 512 };

static fake *f;
static const lnC_operation *ops[OPERATIONS];
static size_t n_ops;

static void add_vendor(const char *name) {
  ln_err err = {0};
  fake_vendor(f, name);
  lnC_connector *c = lnC_loaded(&f->engine, ln_str_of(name), &err);
  if (!c || !lnC_settings(c, &err)) fprintf(stderr, "%s: %s\n", name, err.message), abort();
  for (size_t i = 0; i < c->n_ops; i++) {
    if (c->ops[i].flow) continue;
    must(n_ops < OPERATIONS);
    ops[n_ops++] = &c->ops[i];
  }
}

static void open_once(void) {
  if (f) return;
  f = fake_vm_of = fake_new("stdlib", NULL);
  add_vendor("okta");
  add_vendor("qualys");
  add_vendor("crowdstrike");
  add_vendor("visionone");
}

/* ------------------------------------------------------------------ arguments */

/* Parted by a byte 1E, and taken in turn; where `harmless` says something, that is in the place of each. */
typedef struct texts { ln_str all, rest, harmless; } texts;

static ln_str next_text(texts *t) {
  ln_str one;
  if (!t->rest.n) t->rest = t->all;
  ln_str_cut(t->rest, '\x1e', &one, &t->rest);
  return t->harmless.n ? t->harmless : one.n ? one : LN_STR("x");
}

static void put_blob(ln_buf *b, texts *t) {
  static const char sha256[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
  size_t mark = ln_v_begin(b, 'B', 5);
  ln_v_key(b, LN_STR("bytes")), ln_v_int(b, 7);
  ln_v_key(b, LN_STR("md5")), ln_v_str(b, (ln_str){sha256, 32});
  ln_v_key(b, LN_STR("name")), ln_v_str(b, next_text(t));
  ln_v_key(b, LN_STR("sha1")), ln_v_str(b, (ln_str){sha256, 40});
  ln_v_key(b, LN_STR("sha256")), ln_v_str(b, ln_str_of(sha256));
  ln_v_end(b, mark);
}

/* What a vendor knows a host by: ids of their form, and a name that anybody can give it. */
static void put_host(ln_buf *b, texts *t) {
  static const char id[] = "0123456789abcdef0123456789abcdef";
  size_t mark = ln_v_begin(b, 'O', 3);
  ln_v_key(b, LN_STR("agents"));
  size_t agents = ln_v_begin(b, 'O', 1);
  ln_v_key(b, LN_STR("visionone")), ln_v_str(b, LN_STR("01234567-89ab-cdef-0123-456789abcdef"));
  ln_v_end(b, agents);
  ln_v_key(b, LN_STR("hostname")), ln_v_str(b, next_text(t));
  ln_v_key(b, LN_STR("id")), ln_v_str(b, ln_str_of(id));
  ln_v_end(b, mark);
}

static void put_table(ln_buf *b, texts *t) {
  size_t mark = ln_v_begin(b, 'O', 1);
  ln_v_key(b, LN_STR("k")), ln_v_str(b, next_text(t));
  ln_v_end(b, mark);
}

/* An absolute path is what some want: the text is put behind one where it is asked to be. */
static void put_text(ln_buf *b, const ln_param *p, texts *t) {
  ln_str text = next_text(t);
  ln_buf path;
  bool rooted = strstr(p->name, "path") != NULL;
  ln_buf_init(&path, 1 << 20);
  if (rooted) ln_buf_addz(&path, "C:\\a\\");
  ln_buf_add(&path, text);
  ln_v_str(b, ln_buf_view(&path));
  ln_buf_free(&path);
}

static void put_one(ln_buf *b, const ln_param *p, texts *t) {
  ln_str choice, rest;
  switch (p->kind) {
  case LN_K_INTEGER: ln_v_int(b, 3); break;
  case LN_K_NUMBER: ln_v_float(b, 1.5); break;
  case LN_K_BOOLEAN: ln_v_bool(b, true); break;
  case LN_K_DURATION: ln_v_str(b, LN_STR("30s")); break;
  case LN_K_TIME: ln_v_str(b, LN_STR("2026-01-01T00:00:00Z")); break;
  case LN_K_IP: ln_v_str(b, LN_STR("192.0.2.7")); break;
  case LN_K_SHA256:
    ln_v_str(b, LN_STR("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"));
    break;
  case LN_K_CHOICE: ln_str_cut(p->choices, ' ', &choice, &rest), ln_v_str(b, choice); break;
  case LN_K_HOST: put_host(b, t); break;
  case LN_K_ALERT:
  case LN_K_TABLE: put_table(b, t); break;
  case LN_K_BLOB: put_blob(b, t); break;
  case LN_K_STRING:
  case LN_K_USER:
  case LN_K_SECRET: put_text(b, p, t); break;
  }
}

/* What an author writes as an expression is one. */
static bool is_expression(const ln_param *p) { return strcmp(p->name, "search") == 0; }

static void put_args(const lnC_operation *o, uint8_t which, texts t, ln_buf *b) {
  texts harmless = {.all = t.all, .harmless = LN_STR("Mq7x")};
  size_t n = 0;
  for (size_t i = 0; i < o->params.n; i++) n += !o->params.v[i].optional || (which >> (i % 8) & 1);
  size_t mark = ln_v_begin(b, 'O', n);
  for (size_t i = 0; i < o->params.n; i++) {
    const ln_param *p = &o->params.v[i];
    if (p->optional && !(which >> (i % 8) & 1)) continue;
    ln_v_key(b, ln_str_of(p->name));
    size_t list = p->list ? ln_v_begin(b, 'A', 2) : 0;
    for (int k = 0; k < (p->list ? 2 : 1); k++) put_one(b, p, is_expression(p) ? &harmless : &t);
    if (p->list) ln_v_end(b, list);
  }
  ln_v_end(b, mark);
}

static bool make(const lnC_operation *o, uint8_t which, texts t, lnC_request *r) {
  static const char *const core[] = {NULL};
  ln_err err = {0};
  ln_buf raw, checked;
  lnC_ctx ctx = {.tag = LN_STR("lunette 01TEST/step#1"), .since_ms = 1795510000000, .lease_ms = 3600000};
  ln_buf_init(&raw, 4 << 20);
  ln_buf_init(&checked, 4 << 20);
  lnC_request_init(r);
  r->wants_would = true;                                 /* so that no bytes of a blob are wanted */
  put_args(o, which, t, &raw);
  bool ok = ln_params_check(&o->params, o->full, ln_buf_view(&raw), core, &checked, &err) &&
            lnC_request_make(o, ln_buf_view(&checked), &ctx, (ln_str){NULL, 0}, r, &err);
  if (!ok) must(err.code[0] && err.message[0]);
  ln_buf_free(&raw);
  ln_buf_free(&checked);
  return ok;
}

/* ------------------------------------------------------------------ the same but for the texts */

/* Appends a text without what stands in quotes; a quote that is not closed stays. */
static void bare(ln_str s, bool escapes, ln_buf *out) {
  for (size_t i = 0; i < s.n; i++) {
    size_t k = i + 1;
    if (s.p[i] != '"' && s.p[i] != '\'') {
      ln_buf_addc(out, s.p[i]);
      continue;
    }
    while (k < s.n && s.p[k] != s.p[i]) k += escapes && s.p[k] == '\\' ? 2 : 1;
    if (k < s.n) i = k;
    else ln_buf_addc(out, s.p[i]);
  }
}

static bool is_strict(ln_str name) {
  static const char *const strict[] = {"filter", "search", "command_string", "TMV1-Filter", "TMV1-Query"};
  for (size_t i = 0; i < sizeof strict / sizeof *strict; i++)
    if (ln_str_ieq(name, ln_str_of(strict[i]))) return true;
  return false;
}

static char difference[1024];

static bool differ(const char *what, ln_str harmless, ln_str hostile) {
  snprintf(difference, sizeof difference, "%s\n  is  %.*s\n  and %.*s", what, LN_STR_ARG(harmless),
           LN_STR_ARG(hostile));
  return false;
}

static bool same_text(const lnC_operation *o, ln_str name, ln_str harmless, ln_str hostile) {
  ln_buf a, b;
  bool escapes = strcmp(o->c->name, "okta") == 0;
  if (!is_strict(name)) return true;
  ln_buf_init(&a, 4 << 20);
  ln_buf_init(&b, 4 << 20);
  bare(harmless, escapes, &a);
  bare(hostile, escapes, &b);
  bool same = ln_str_eq(ln_buf_view(&a), ln_buf_view(&b));
  ln_buf_free(&a);
  ln_buf_free(&b);
  return same || differ("an expression", harmless, hostile);
}

static void decode(ln_str s, ln_buf *out) {
  for (size_t i = 0; i < s.n; i++) {
    unsigned v = 0;
    char hex[3] = "";
    if (i + 2 < s.n) memcpy(hex, s.p + i + 1, 2);
    if (s.p[i] == '%' && sscanf(hex, "%2x", &v) == 1) ln_buf_addc(out, (char)v), i += 2;
    else ln_buf_addc(out, s.p[i] == '+' ? ' ' : s.p[i]);
  }
}

/* name=value of the same name. */
static bool same_pair(const lnC_operation *o, ln_str a, ln_str b) {
  ln_str name, other, v, w;
  ln_buf p, q;
  ln_str_cut(a, '=', &name, &v);
  ln_str_cut(b, '=', &other, &w);
  if (!ln_str_eq(name, other) || ln_str_find(w, LN_STR("=")) >= 0) return differ("a parameter", a, b);
  ln_buf_init(&p, 4 << 20);
  ln_buf_init(&q, 4 << 20);
  decode(v, &p);
  decode(w, &q);
  bool same = same_text(o, name, ln_buf_view(&p), ln_buf_view(&q));
  ln_buf_free(&p);
  ln_buf_free(&q);
  return same;
}

static bool same_form(const lnC_operation *o, ln_str a, ln_str b) {
  ln_str x, y;
  while (a.n || b.n) {
    ln_str_cut(a, '&', &x, &a);
    ln_str_cut(b, '&', &y, &b);
    if (!same_pair(o, x, y)) return false;
  }
  return true;
}

static bool same_value(const lnC_operation *o, ln_str name, ln_str a, ln_str b);

static bool same_members(const lnC_operation *o, ln_str a, ln_str b) {
  ln_vitem x, y;
  ln_str key, other;
  while (a.n && b.n) {
    must(ln_v_read_key(&a, &key) && ln_v_read_key(&b, &other) && ln_v_read(&a, &x) && ln_v_read(&b, &y));
    if (!ln_str_eq(key, other)) return differ("a member", key, other);
    if (!same_value(o, key, x.whole, y.whole)) return false;
  }
  return (!a.n && !b.n) || differ("members", a, b);
}

static bool same_value(const lnC_operation *o, ln_str name, ln_str a, ln_str b) {
  ln_vitem x, y;
  while (a.n && b.n) {
    must(ln_v_read(&a, &x) && ln_v_read(&b, &y));
    if (x.tag != y.tag || x.count != y.count) return differ("a value", name, name);
    if (x.tag == 'S' && !same_text(o, name, x.s, y.s)) return false;
    if (x.tag == 'A' && !same_value(o, name, x.body, y.body)) return false;
    if (x.tag == 'O' && !same_members(o, x.body, y.body)) return false;
  }
  return (!a.n && !b.n) || differ("a list", name, name);
}

static bool same_json(const lnC_operation *o, ln_str a, ln_str b) {
  ln_err err;
  ln_buf x, y;
  ln_buf_init(&x, 16 << 20);
  ln_buf_init(&y, 16 << 20);
  must(ln_host_json(f->engine.host, a, &x, &err) && ln_host_json(f->engine.host, b, &y, &err));
  bool same = same_value(o, (ln_str){NULL, 0}, ln_buf_view(&x), ln_buf_view(&y));
  ln_buf_free(&x);
  ln_buf_free(&y);
  return same;
}

static bool same_body(const lnC_operation *o, const lnC_request *a, const lnC_request *b) {
  ln_str p = ln_buf_view(&a->body), q = ln_buf_view(&b->body), type = {NULL, 0};
  for (size_t i = 0; i < a->n_headers; i++)
    if (ln_str_ieq(a->headers[i].name, LN_STR("Content-Type"))) type = a->headers[i].value;
  if ((p.n > 0) != (q.n > 0)) return differ("the body", p, q);
  if (ln_str_eq(type, LN_STR("application/x-www-form-urlencoded"))) return same_form(o, p, q);
  return !ln_str_eq(type, LN_STR("application/json")) || !p.n || same_json(o, p, q);
}

static size_t count(ln_str s, char c) {
  size_t n = 0;
  for (size_t i = 0; i < s.n; i++) n += s.p[i] == c;
  return n;
}

static bool is_proper(ln_str path) {
  ln_str head, query, one;
  for (size_t i = 0; i < path.n; i++)
    if (path.p[i] <= 0x20 || path.p[i] >= 0x7f || path.p[i] == '#') return false;
  ln_str_cut(path, '?', &head, &query);
  while (head.n) {
    ln_str_cut(head, '/', &one, &head);
    if (ln_str_eq(one, LN_STR(".")) || ln_str_eq(one, LN_STR(".."))) return false;
  }
  return count(query, '?') == 0;
}

static bool same_path(const lnC_operation *o, ln_str a, ln_str b) {
  ln_str head, query, other, more;
  ln_str_cut(a, '?', &head, &query);
  ln_str_cut(b, '?', &other, &more);
  if (count(head, '/') != count(other, '/')) return differ("the path", a, b);
  return same_form(o, query, more);
}

static bool same_request(const lnC_operation *o, const lnC_request *a, const lnC_request *b) {
  if (strcmp(a->method, b->method) != 0)
    return differ("the method", ln_str_of(a->method), ln_str_of(b->method));
  if (a->n_headers != b->n_headers) return differ("headers", LN_STR(""), LN_STR(""));
  for (size_t i = 0; i < a->n_headers; i++)
    if (!ln_str_eq(a->headers[i].name, b->headers[i].name) ||
        !same_text(o, a->headers[i].name, a->headers[i].value, b->headers[i].value))
      return differ("a header", a->headers[i].name, b->headers[i].name);
  return same_path(o, ln_buf_view(&a->path), ln_buf_view(&b->path)) && same_body(o, a, b);
}

/* A declaration may ask in another way for what is no id, say: one of the harmless texts is of its kind. */
static bool is_like_a_harmless_one(const lnC_operation *o, uint8_t which, ln_str all,
                                   const lnC_request *hostile) {
  static const char *const texts_of[] = {"Mq7x", "mq.x@example.org", "Mq 7 (x)", "a/b"};
  bool any = false, same = false;
  for (size_t i = 0; i < sizeof texts_of / sizeof *texts_of && !same; i++) {
    lnC_request r;
    texts t = {.all = all, .harmless = ln_str_of(texts_of[i])};
    bool could = make(o, which, t, &r);
    any |= could;
    same = could && same_request(o, &r, hostile);
    lnC_request_free(&f->engine, &r);
  }
  return same || !any;
}

/* Two bytes: which operation; one: which of its optional parameters; then the texts. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  lnC_request r;
  if (n < 4) return -1;
  open_once();
  const lnC_operation *o = ops[(data[0] | data[1] << 8) % n_ops];
  const texts t = {.all = fuzz_str(data + 3, n - 3)};
  bool could = make(o, data[2], t, &r);
  if (getenv("FUZZ_SHOW"))
    fprintf(stderr, "%s %d: %.*s %.*s\n", o->full, could, LN_STR_ARG(ln_buf_view(&r.path)),
            LN_STR_ARG(ln_buf_view(&r.body)));
  if (could) {
    for (size_t i = 0; i < r.n_headers; i++) must(ln_header_value_ok(r.headers[i].value));
    must(is_proper(ln_buf_view(&r.path)));
    if (!is_like_a_harmless_one(o, data[2], t.all, &r))
      fprintf(stderr, "%s: %s\n", o->full, difference), abort();
  }
  lnC_request_free(&f->engine, &r);
  return 0;
}
