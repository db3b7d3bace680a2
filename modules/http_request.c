/* http_request.c: an effect's arguments into a request.  They were checked in the VM, and are checked again
** here as far as safety goes, for they may come from a journal: where it may go, what a header may hold. */
#include "modules/http_parts.h"

#include "modules/blob.h"

#include <stdio.h>
#include <stdlib.h>

enum { PATH_MAX_BYTES = 16 << 10, BODY_MAX = 80 << 20, SECRET_MAX = 72 << 10, SHOWN = 4096 };

void lnH_request_init(lnH_request *r) {
  memset(r, 0, sizeof *r);
  ln_buf_init(&r->path, PATH_MAX_BYTES);
  ln_buf_init(&r->body, BODY_MAX);
  ln_buf_init(&r->secret, SECRET_MAX);
}

void lnH_request_free(lnH_request *r) {
  ln_buf_free(&r->path);
  ln_buf_wipe(&r->body);
  ln_buf_wipe(&r->secret);
}

static bool is_scalar(const ln_vitem *v) { return strchr("SIFtf", v->tag) != NULL; }

/* A scalar as text, in z where it is not one already. */
static ln_str text_of(const ln_vitem *v, char z[40]) {
  if (v->tag == 'S') return v->s;
  if (v->tag == 'I') snprintf(z, 40, "%lld", (long long)v->i);
  else if (v->tag == 'F') snprintf(z, 40, "%.17g", v->f);
  else snprintf(z, 40, "%s", v->tag == 't' ? "true" : "false");
  return ln_str_of(z);
}

static bool bad(ln_err *err, const char *what, const char *wanted) {
  return ln_fail(err, "bad_argument", LN_FINAL, "%s must be %s", what, wanted);
}

/* --- name=value, for queries and forms --- */

static void put_pair(ln_buf *out, size_t start, ln_str key, const ln_vitem *v) {
  char z[40];
  if (out->n > start) ln_buf_addc(out, '&');
  ln_percent(out, key);
  ln_buf_addc(out, '=');
  ln_percent(out, text_of(v, z));
}

static bool put_pairs(ln_buf *out, const ln_vitem *o, const char *what, ln_err *err) {
  ln_str rest = o->body, key;
  ln_vitem v, item;
  size_t start = out->n;
  if (o->tag != 'O' && !(o->tag == 'A' && o->count == 0)) return bad(err, what, "a table by name");
  for (size_t i = 0; o->tag == 'O' && i < o->count; i++) {
    if (!ln_v_read_key(&rest, &key) || !ln_v_read(&rest, &v)) return bad(err, what, "a table by name");
    if (is_scalar(&v)) {
      put_pair(out, start, key, &v);
      continue;
    }
    ln_str items = v.body;
    if (v.tag != 'A') return bad(err, what, "a table of texts, numbers, booleans, and lists of these");
    for (size_t k = 0; k < v.count; k++) {
      if (!ln_v_read(&items, &item) || !is_scalar(&item))
        return bad(err, what, "a table of texts and lists of texts");
      put_pair(out, start, key, &item);
    }
  }
  return ln_buf_ok(out, err);
}

/* --- bodies --- */

static bool put_blob(ln_engine *g, const ln_vitem *v, bool blobs, ln_buf *out, ln_err *err) {
  ln_blob b;
  if (!lnL_blob_read(v->whole, &b)) return bad(err, "blob", "a blob");
  if (!blobs) return ln_buf_addf(out, "(%lld bytes)", (long long)b.bytes) || ln_buf_ok(out, err);
  return lnL_blob_get(g, b.sha256, out, err);
}

static bool put_body(ln_engine *g, const ln_vitem *v, bool blobs, lnH_request *r, ln_err *err) {
  if (v->tag == 'B') {
    snprintf(r->type, sizeof r->type, "application/octet-stream");
    return put_blob(g, v, blobs, &r->body, err);
  }
  if (v->tag != 'S') return bad(err, "body", "a text or a blob");
  snprintf(r->type, sizeof r->type, "text/plain; charset=utf-8");
  return ln_buf_add(&r->body, v->s) || ln_buf_ok(&r->body, err);
}

static void put_quoted(ln_buf *out, ln_str s) {
  for (size_t i = 0; i < s.n; i++)
    if (s.p[i] == '"') ln_buf_addz(out, "%22");
    else if (s.p[i] == '\r') ln_buf_addz(out, "%0D");
    else if (s.p[i] == '\n') ln_buf_addz(out, "%0A");
    else ln_buf_addc(out, s.p[i]);
}

static bool put_part(ln_engine *g, const ln_vitem *part, const char *boundary, bool blobs, ln_buf *b,
                     ln_err *err) {
  char z[40];
  ln_vitem v;
  ln_str name = ln_v_get_str(part->whole, "name"), file = ln_v_get_str(part->whole, "filename"),
         type = ln_v_get_str(part->whole, "type");
  if (part->tag != 'O' || !name.n)
    return bad(err, "multipart", "a list of { name, value } or { name, filename, blob, type }");
  if (!ln_header_value_ok(type)) return bad(err, "multipart", "without control characters in a type");
  ln_buf_addf(b, "--%s\r\nContent-Disposition: form-data; name=\"", boundary);
  put_quoted(b, name);
  if (file.n) {
    ln_buf_addz(b, "\"; filename=\"");
    put_quoted(b, file);
  }
  ln_buf_addz(b, "\"\r\n");
  if (type.n) ln_buf_addf(b, "Content-Type: " LN_STR_FMT "\r\n", LN_STR_ARG(type));
  ln_buf_addz(b, "\r\n");
  if (ln_v_get(part->whole, LN_STR("blob"), &v)) {
    if (!put_blob(g, &v, blobs, b, err)) return false;
  } else if (ln_v_get(part->whole, LN_STR("value"), &v) && is_scalar(&v)) {
    ln_buf_add(b, text_of(&v, z));
  } else {
    return bad(err, "multipart", "a list of parts with a value or a blob");
  }
  return ln_buf_addz(b, "\r\n") || ln_buf_ok(b, err);
}

static bool put_multipart(ln_engine *g, const ln_vitem *list, bool blobs, lnH_request *r, ln_err *err) {
  uint8_t raw[16];
  char boundary[48] = "lunette";
  ln_vitem part;
  ln_str rest = list->body;
  if (list->tag != 'A' || list->count == 0) return bad(err, "multipart", "a list of parts");
  if (!g->rand->bytes(g->rand, raw, sizeof raw, err)) return false;
  ln_hex(raw, sizeof raw, boundary + strlen(boundary));
  for (size_t i = 0; i < list->count; i++)
    if (!ln_v_read(&rest, &part) || !put_part(g, &part, boundary, blobs, &r->body, err)) return false;
  snprintf(r->type, sizeof r->type, "multipart/form-data; boundary=%s", boundary);
  return ln_buf_addf(&r->body, "--%s--\r\n", boundary) || ln_buf_ok(&r->body, err);
}

static bool make_body(ln_engine *g, ln_str args, bool blobs, lnH_request *r, ln_err *err) {
  ln_vitem v;
  if (ln_v_get(args, LN_STR("json"), &v)) {
    snprintf(r->type, sizeof r->type, "application/json");
    return ln_json_encode(v.whole, &r->body, err) || ln_err_prefix(err, "json");
  }
  if (ln_v_get(args, LN_STR("form"), &v)) {
    snprintf(r->type, sizeof r->type, "application/x-www-form-urlencoded");
    return put_pairs(&r->body, &v, "form", err);
  }
  if (ln_v_get(args, LN_STR("multipart"), &v)) return put_multipart(g, &v, blobs, r, err);
  return !ln_v_get(args, LN_STR("body"), &v) || put_body(g, &v, blobs, r, err);
}

/* --- headers --- */

static bool add_header(lnH_request *r, ln_str name, ln_str value, ln_err *err) {
  if (!ln_header_name_ok(name)) return bad(err, "a header", "named by a token");
  if (!ln_header_value_ok(value))
    return ln_fail(err, "bad_argument", LN_FINAL, "the header %.*s holds a control character",
                   (int)(name.n > 60 ? 60 : name.n), name.p);
  if (r->n_headers >= LNH_HEADERS)
    return ln_fail(err, "bad_argument", LN_FINAL, "more than %d headers", LNH_HEADERS);
  r->headers[r->n_headers++] = (ln_header){name, value};
  return true;
}

static bool make_headers(ln_str args, lnH_request *r, ln_err *err) {
  ln_vitem o, v;
  ln_str key;
  bool typed = false;
  if (ln_v_get(args, LN_STR("headers"), &o)) {
    ln_str rest = o.body;
    if (o.tag != 'O' && o.count) return bad(err, "headers", "a table by name");
    for (size_t i = 0; i < o.count; i++) {
      if (!ln_v_read_key(&rest, &key) || !ln_v_read(&rest, &v) || v.tag != 'S')
        return bad(err, "headers", "a table of texts");
      if (!add_header(r, key, v.s, err)) return false;
      typed = typed || ln_str_ieq(key, LN_STR("content-type"));
    }
  }
  return typed || !r->type[0] || add_header(r, LN_STR("Content-Type"), ln_str_of(r->type), err);
}

/* --- all of it --- */

static bool make_path(ln_str args, lnH_request *r, ln_err *err) {
  ln_vitem q;
  ln_str path = r->url.path;
  if (path.n == 0 || path.p[0] == '?') ln_buf_addc(&r->path, '/');
  ln_buf_add(&r->path, path);
  if (ln_v_get(args, LN_STR("query"), &q) && q.count) {
    ln_buf_addc(&r->path, r->path.p && memchr(r->path.p, '?', r->path.n) ? '&' : '?');
    if (!put_pairs(&r->path, &q, "query", err)) return false;
  }
  return ln_buf_ok(&r->path, err);
}

bool lnH_request_make(ln_engine *g, ln_str args, bool blobs, lnH_request *r, ln_err *err) {
  ln_str auth = ln_v_get_str(args, "auth"), name;
  r->method = ln_v_get_str(args, "method");
  if (!lnH_parse(ln_v_get_str(args, "url"), &r->url, err) || !lnH_allowed(g, &r->url, &r->loopback, err))
    return false;
  if (!make_path(args, r, err) || !make_body(g, args, blobs, r, err) || !make_headers(args, r, err))
    return false;
  if (!auth.n || !blobs) return true;                    /* a plan is made without the secret */
  if (!lnH_credential(g, auth, &r->url, ln_buf_view(&r->body), &name, &r->secret, err)) return false;
  return add_header(r, name, ln_buf_view(&r->secret), err);
}

/* Headers that show who calls are starred out. */
static bool put_shown(ln_str args, ln_buf *out) {
  static const char *const secret[] = {"authorization", "proxy-authorization", "cookie", "x-api-key", NULL};
  ln_vitem o, v;
  ln_str key;
  bool has = ln_v_get(args, LN_STR("headers"), &o) && o.tag == 'O';
  size_t mark = ln_v_begin(out, 'O', has ? o.count : 0);
  ln_str rest = has ? o.body : (ln_str){NULL, 0};
  for (size_t i = 0; has && i < o.count; i++) {
    if (!ln_v_read_key(&rest, &key) || !ln_v_read(&rest, &v)) return false;
    bool hide = false;
    for (int k = 0; secret[k]; k++) hide = hide || ln_str_ieq(key, ln_str_of(secret[k]));
    ln_v_key(out, key);
    if (hide) ln_v_str(out, LN_STR("***"));
    else ln_v_raw(out, v.whole);
  }
  return ln_v_end(out, mark);
}

static void put_shown_body(ln_str args, ln_buf *out) {
  static const char *const keys[] = {"json", "form", "multipart", "body", NULL};
  ln_vitem v;
  for (int i = 0; keys[i]; i++) {
    if (!ln_v_get(args, ln_str_of(keys[i]), &v)) continue;
    if (v.tag == 'S' && v.s.n > SHOWN) ln_v_str(out, (ln_str){v.s.p, SHOWN});
    else ln_v_raw(out, v.whole);
    return;
  }
  ln_v_nil(out);
}

bool lnH_would(ln_str args, const lnH_request *r, ln_buf *out, ln_err *err) {
  ln_buf url;
  ln_buf_init(&url, 2 * PATH_MAX_BYTES);
  ln_buf_add(&url, r->url.origin);
  ln_buf_add(&url, ln_buf_view(&r->path));
  size_t mark = ln_v_begin(out, 'O', 4);
  ln_v_key(out, LN_STR("body"));
  put_shown_body(args, out);
  ln_v_key(out, LN_STR("headers"));
  put_shown(args, out);
  ln_v_key(out, LN_STR("method"));
  ln_v_str(out, r->method);
  ln_v_key(out, LN_STR("url"));
  ln_v_str(out, ln_buf_view(&url));
  ln_v_end(out, mark);
  ln_buf_free(&url);
  return ln_buf_ok(out, err);
}
