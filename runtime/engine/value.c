/* value.c: the binary form of values.  The writer appends and patches a container's length when it ends;
** the reader hands out views and never looks beyond the text it was given, so a torn or hostile text is
** refused, not followed.  One value has one encoding: varints are minimal, keys strictly ascending, NaN
** has one pattern; ln_v_check insists on all of it, the quick readers only on what keeps them inside the
** text. */
#include "engine/value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>

enum { VARINT_MAX = 10, JSON_NEST = 48 };

/* --- writing -------------------------------------------------------------------------------------------- */

static char *write_varint(char *p, uint64_t v) {
  for (; v >= 0x80; v >>= 7) *p++ = (char)(v | 0x80);
  *p++ = (char)v;
  return p;
}

static bool put_varint(ln_buf *b, uint64_t v) {
  char bytes[VARINT_MAX];
  /* cppcheck-suppress legacyUninitvar */
  return ln_buf_add(b, (ln_str){bytes, (size_t)(write_varint(bytes, v) - bytes)});
}

/* Where a value of n bytes can be written in one go: the buffer has room for it, whatever its tag and varint
** take. */
static char *in_place(ln_buf *b, size_t n) {
  return n + VARINT_MAX + 1 < b->cap - b->n && !b->failed ? b->p + b->n : NULL;
}

static bool put_text(ln_buf *b, ln_str s) { return put_varint(b, s.n) && ln_buf_add(b, s); }

bool ln_v_nil(ln_buf *b) { return ln_buf_addc(b, 'n'); }
bool ln_v_null(ln_buf *b) { return ln_buf_addc(b, '0'); }
bool ln_v_bool(ln_buf *b, bool v) { return ln_buf_addc(b, v ? 't' : 'f'); }

bool ln_v_str(ln_buf *b, ln_str s) {
  char *p = in_place(b, s.n);
  if (!p) return ln_buf_addc(b, 'S') && put_text(b, s);
  *p++ = 'S';
  p = write_varint(p, s.n);
  if (s.n) memcpy(p, s.p, s.n);
  b->n = (size_t)(p - b->p) + s.n;
  return true;
}

bool ln_v_key(ln_buf *b, ln_str key) { return put_text(b, key); }
bool ln_v_raw(ln_buf *b, ln_str encoded) { return ln_buf_add(b, encoded); }
bool ln_v_more(ln_buf *b, size_t count) { return put_varint(b, count); }

bool ln_v_int(ln_buf *b, int64_t v) {
  uint64_t zigzag = ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0);
  char *p = in_place(b, 0);
  if (!p) return ln_buf_addc(b, 'I') && put_varint(b, zigzag);
  *p++ = 'I';
  b->n = (size_t)(write_varint(p, zigzag) - b->p);
  return true;
}

static uint64_t float_bits(double v) {
  uint64_t bits;
  if (isnan(v)) return UINT64_C(0x7ff8000000000000);
  memcpy(&bits, &v, sizeof bits);
  return bits;
}

bool ln_v_float(ln_buf *b, double v) {
  uint64_t bits = float_bits(v);
  char bytes[9] = {'F'};
  for (int i = 0; i < 8; i++) bytes[i + 1] = (char)(bits >> (8 * i));
  return ln_buf_add(b, (ln_str){bytes, sizeof bytes});
}

/* The mark is where the length stands.  After a failure it means nothing, and ln_v_end knows by the
** buffer. */
size_t ln_v_begin(ln_buf *b, char tag, size_t count) {
  ln_buf_addc(b, tag);
  size_t mark = b->n;
  ln_buf_add(b, (ln_str){"\0\0\0\0", 4});
  put_varint(b, count);
  return mark;
}

bool ln_v_end(ln_buf *b, size_t mark) {
  if (ln_buf_failed(b) || b->n < mark + 4) return false;
  size_t n = b->n - mark - 4;
  if (n > UINT32_MAX) {
    b->failed = true;
    return false;
  }
  for (int i = 0; i < 4; i++) b->p[mark + (size_t)i] = (char)(n >> (8 * i));
  return true;
}

/* --- reading -------------------------------------------------------------------------------------------- */

/* Of nothing, too, which has no address to count from. */
static ln_str skip(ln_str s, size_t n) { return n ? (ln_str){s.p + n, s.n - n} : s; }

static bool is_next(ln_str rest, char tag) { return rest.n && rest.p[0] == tag; }

static bool take_varint(ln_str *rest, uint64_t *out) {
  uint64_t v = 0;
  if (rest->n && !(rest->p[0] & 0x80)) {                 /* most are below 128 */
    *out = (unsigned char)rest->p[0];
    *rest = skip(*rest, 1);
    return true;
  }
  for (size_t i = 0; i < rest->n && i < VARINT_MAX; i++) {
    uint64_t byte = (unsigned char)rest->p[i];
    if (i == VARINT_MAX - 1 && byte > 1) return false;
    v |= (byte & 0x7f) << (7 * i);
    if (byte & 0x80) continue;
    if (byte == 0 && i > 0) return false; /* not the shortest form */
    *out = v;
    *rest = skip(*rest, i + 1);
    return true;
  }
  return false;
}

static bool take_text(ln_str *rest, ln_str *out) {
  ln_str at = *rest;
  uint64_t n;
  if (!take_varint(&at, &n) || n > at.n) return false;
  *out = (ln_str){at.p, (size_t)n};
  *rest = skip(at, (size_t)n);
  return true;
}

static bool take_float(ln_str *rest, double *out) {
  uint64_t bits = 0;
  if (rest->n < 8) return false;
  for (int i = 0; i < 8; i++) bits |= (uint64_t)(unsigned char)rest->p[i] << (8 * i);
  memcpy(out, &bits, sizeof bits);
  *rest = skip(*rest, 8);
  return float_bits(*out) == bits;
}

static bool take_container(ln_str *rest, ln_vitem *out) {
  size_t n = 0;
  uint64_t count;
  if (rest->n < 4) return false;
  for (int i = 0; i < 4; i++) n |= (size_t)(unsigned char)rest->p[i] << (8 * i);
  if (n > rest->n - 4) return false;
  ln_str body = {rest->p + 4, n};
  if (!take_varint(&body, &count) || count > body.n) return false; /* an item is a byte at least */
  out->body = body;
  out->count = (size_t)count;
  *rest = skip(*rest, 4 + n);
  return true;
}

static bool take_int(ln_str *rest, int64_t *out) {
  uint64_t zigzag;
  if (!take_varint(rest, &zigzag)) return false;
  *out = (int64_t)(zigzag >> 1) ^ -(int64_t)(zigzag & 1);
  return true;
}

static bool take_body(ln_str *rest, ln_vitem *out) {
  switch (out->tag) {
  case 'n': case '0': case 't': case 'f': return true;
  case 'I': return take_int(rest, &out->i);
  case 'F': return take_float(rest, &out->f);
  case 'S': return take_text(rest, &out->s);
  case 'A': case 'O': case 'M': case 'B': case 'P': return take_container(rest, out);
  default: return false;
  }
}

bool ln_v_read(ln_str *rest, ln_vitem *out) {
  memset(out, 0, sizeof *out);
  if (rest->n == 0) return false;
  ln_str at = skip(*rest, 1);
  out->tag = rest->p[0];
  if (!take_body(&at, out)) return false;
  out->whole = (ln_str){rest->p, rest->n - at.n};
  *rest = at;
  return true;
}

bool ln_v_read_str(ln_str *rest, ln_str *s) {
  ln_str at = skip(*rest, rest->n > 0);
  return is_next(*rest, 'S') && take_text(&at, s) && (*rest = at, true);
}

bool ln_v_read_int(ln_str *rest, int64_t *i) {
  ln_str at = skip(*rest, rest->n > 0);
  return is_next(*rest, 'I') && take_int(&at, i) && (*rest = at, true);
}

bool ln_v_read_bool(ln_str *rest, bool *v) {
  *v = is_next(*rest, 't');
  if (!*v && !is_next(*rest, 'f')) return false;
  *rest = skip(*rest, 1);
  return true;
}

bool ln_v_read_array(ln_str *rest, ln_str *items, size_t *count) {
  ln_str at = skip(*rest, rest->n > 0);
  ln_vitem v;
  if (!is_next(*rest, 'A') || !take_container(&at, &v)) return false;
  *items = v.body;
  *count = v.count;
  *rest = at;
  return true;
}

bool ln_v_read_key(ln_str *rest, ln_str *key) { return take_text(rest, key); }

/* Has it named members? */
static bool is_object(const ln_vitem *v) {
  return v->tag == 'O' || v->tag == 'B' || v->tag == 'P' || v->tag == 'M';
}

/* Passes over one value. */
static bool pass(ln_str *rest) {
  ln_vitem v;
  ln_str at = *rest, text;
  if (is_next(at, 'S')) return at = skip(at, 1), take_text(&at, &text) && (*rest = at, true);
  return ln_v_read(rest, &v);
}

bool ln_v_get(ln_str object, ln_str key, ln_vitem *out) {
  ln_vitem o;
  *out = (ln_vitem){0};
  if (!ln_v_read(&object, &o) || !is_object(&o)) return false;
  for (size_t i = 0; i < o.count; i++) {
    ln_str k;
    if (!ln_v_read_key(&o.body, &k)) return false;
    int order = ln_str_cmp(k, key);
    if (order == 0) {
      if (ln_v_read(&o.body, out)) return true;
      *out = (ln_vitem){0};
      return false;
    }
    if (order > 0 || !pass(&o.body)) return false;
  }
  return false;
}

ln_str ln_v_get_str(ln_str object, const char *key) {
  ln_vitem v;
  return ln_v_get(object, ln_str_of(key), &v) && v.tag == 'S' ? v.s : (ln_str){NULL, 0};
}

int64_t ln_v_get_int(ln_str object, const char *key, int64_t otherwise) {
  ln_vitem v;
  return ln_v_get(object, ln_str_of(key), &v) && v.tag == 'I' ? v.i : otherwise;
}

bool ln_v_get_bool(ln_str object, const char *key, bool otherwise) {
  ln_vitem v;
  if (!ln_v_get(object, ln_str_of(key), &v) || (v.tag != 't' && v.tag != 'f')) return otherwise;
  return v.tag == 't';
}

/* --- checking ------------------------------------------------------------------------------------------- */

static bool check_one(ln_str *rest, int depth);

static bool check_items(ln_str *rest, size_t count, int depth) {
  for (size_t i = 0; i < count; i++)
    if (!check_one(rest, depth)) return false;
  return true;
}

static bool check_pairs(ln_str *rest, size_t count, int depth) {
  ln_str key, before = {NULL, 0};
  for (size_t i = 0; i < count; i++) {
    if (!ln_v_read_key(rest, &key) || (i > 0 && ln_str_cmp(before, key) >= 0)) return false;
    if (!check_one(rest, depth)) return false;
    before = key;
  }
  return true;
}

/* What follows a mixed table's pairs: its positions. */
bool ln_v_positions(const ln_vitem *m, ln_str *items, size_t *count) {
  ln_str at = m->body, key;
  ln_vitem skipped;
  uint64_t n;
  if (m->tag != 'M') return false;
  for (size_t i = 0; i < m->count; i++)
    if (!ln_v_read_key(&at, &key) || !ln_v_read(&at, &skipped)) return false;
  if (!take_varint(&at, &n) || n > at.n) return false;
  *items = at;
  *count = (size_t)n;
  return true;
}

static bool check_mixed(ln_str body, size_t count, int depth) {
  uint64_t n;
  return count > 0 && check_pairs(&body, count, depth) && take_varint(&body, &n) && n > 0 && n <= body.n
      && check_items(&body, (size_t)n, depth) && body.n == 0;
}

static bool check_one(ln_str *rest, int depth) {
  ln_vitem v;
  if (!ln_v_read(rest, &v)) return false;
  if (!v.body.p) return true;
  if (depth >= LN_VALUE_DEPTH) return false;
  if (v.tag == 'M') return check_mixed(v.body, v.count, depth + 1);
  bool (*check)(ln_str *, size_t, int) = v.tag == 'A' ? check_items : check_pairs;
  return check(&v.body, v.count, depth + 1) && v.body.n == 0;
}

bool ln_v_check(ln_str v, ln_err *err) {
  size_t whole = v.n;
  if (check_one(&v, 0) && v.n == 0) return true;
  return ln_fail(err, "corrupt", LN_FINAL, "a stored value of %zu bytes is damaged near byte %zu", whole,
                 whole - v.n);
}

/* --- as JSON -------------------------------------------------------------------------------------------- */

/* The shortest of 15 to 17 digits that reads back, and always a float to look at: "1.0", "1e+300". */
static size_t float_text(double v, char out[LN_FLOAT_TEXT]) {
  int n = 0;
  for (int digits = 15; digits <= 17; digits++) {
    n = snprintf(out, LN_FLOAT_TEXT, "%.*g", digits, v);
    if (strtod(out, NULL) == v) break;
  }
  if (strspn(out, "-0123456789") == (size_t)n) {
    memcpy(out + n, ".0", 3);
    n += 2;
  }
  return (size_t)n;
}

static void json_float(double v, ln_json *j) {
  char text[LN_FLOAT_TEXT];
  if (!isfinite(v)) ln_json_null(j);
  else ln_json_raw(j, (ln_str){text, float_text(v, text)});
}

static void json_bytes(ln_str s, ln_json *j) {
  size_t room = 4 * ((s.n + 2) / 3) + 1;
  char *text = s.n <= INT32_MAX / 2 ? malloc(room) : NULL;
  if (!text) {
    j->out->failed = true;
    return;
  }
  int n = EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)s.p, (int)s.n);
  ln_json_open(j, '{');
  ln_json_key(j, LN_STR("base64"));
  ln_json_str(j, (ln_str){text, (size_t)n});
  ln_json_close(j, '}');
  free(text);
}

static void json_text(ln_str s, ln_json *j) {
  if (ln_str_utf8(s, NULL)) ln_json_str(j, s);
  else json_bytes(s, j);
}

static void put_json(ln_str v, ln_json *j, int depth);

static void json_pairs(ln_vitem *v, ln_json *j, int depth) {
  for (size_t i = 0; i < v->count; i++) {
    ln_str key;
    ln_vitem item;
    if (!ln_v_read_key(&v->body, &key) || !ln_v_read(&v->body, &item)) return;
    ln_json_key(j, key);
    put_json(item.whole, j, depth);
  }
}

static void json_items(ln_str items, size_t count, ln_json *j, bool keyed, int depth) {
  for (size_t i = 0; i < count; i++) {
    char key[24];
    ln_vitem item;
    if (!ln_v_read(&items, &item)) return;
    if (keyed) ln_json_key(j, (ln_str){key, (size_t)snprintf(key, sizeof key, "%zu", i + 1)});
    put_json(item.whole, j, depth);
  }
}

/* A mixed table is an object whose positions are keys as well. */
static void json_container(ln_vitem *v, ln_json *j, int depth) {
  ln_str items = {NULL, 0};
  size_t n = 0;
  bool array = v->tag == 'A';
  ln_json_open(j, array ? '[' : '{');
  if (array) {
    json_items(v->body, v->count, j, false, depth);
  } else {
    if (ln_v_positions(v, &items, &n)) json_items(items, n, j, true, depth);
    json_pairs(v, j, depth);
  }
  ln_json_close(j, array ? ']' : '}');
}

/* The JSON writer nests less deep than a value may: what lies deeper is written apart and put in whole. */
static void json_deep(ln_vitem *v, ln_json *j, int depth) {
  ln_buf apart;
  ln_json inner;
  ln_buf_init(&apart, j->out->max);
  ln_json_init(&inner, &apart);
  json_container(v, &inner, depth);
  ln_json_raw(j, ln_buf_view(&apart));
  if (ln_buf_failed(&apart)) {
    j->out->failed = true;
    j->out->full = apart.full;
  }
  ln_buf_free(&apart);
}

static void put_json(ln_str v, ln_json *j, int depth) {
  ln_vitem item;
  if (!ln_v_read(&v, &item) || depth > LN_VALUE_DEPTH) {
    ln_json_null(j);
    return;
  }
  switch (item.tag) {
  case 't': case 'f': ln_json_bool(j, item.tag == 't'); break;
  case 'I': ln_json_int(j, item.i); break;
  case 'F': json_float(item.f, j); break;
  case 'S': json_text(item.s, j); break;
  case 'P': ln_json_str(j, LN_STR("⟨unknown⟩")); break;
  case 'A': case 'O': case 'M': case 'B':
    if (j->depth >= JSON_NEST) json_deep(&item, j, depth + 1);
    else json_container(&item, j, depth + 1);
    break;
  default: ln_json_null(j);
  }
}

void ln_v_to_json(ln_str v, ln_json *j) { put_json(v, j, 0); }

/* --- merging -------------------------------------------------------------------------------------------- */

typedef struct members {                                 /* walks an object's pairs, one ahead             */
  ln_str rest, key;
  ln_vitem value;
  size_t left;
  bool here, bad;
} members;

static void members_next(members *m) {
  m->here = m->left > 0 && ln_v_read_key(&m->rest, &m->key) && ln_v_read(&m->rest, &m->value);
  if (m->left > 0 && !m->here) m->bad = true;
  if (m->here) m->left--;
}

static bool members_start(members *m, ln_str object) {
  ln_vitem o;
  memset(m, 0, sizeof *m);
  if (object.n == 0) return true; /* nothing: an object without members */
  if (!ln_v_read(&object, &o) || o.tag != 'O') return false;
  m->rest = o.body;
  m->left = o.count;
  members_next(m);
  return !m->bad;
}

/* Visits the union in order; writes it when out is given.  Returns how many members it has. */
static size_t merge_walk(members a, members b, ln_buf *out, bool *bad) {
  size_t count = 0;
  while (a.here || b.here) {
    int order = !a.here ? 1 : !b.here ? -1 : ln_str_cmp(a.key, b.key);
    members *from = order < 0 ? &a : &b;
    if (out) {
      ln_v_key(out, from->key);
      ln_v_raw(out, from->value.whole);
    }
    count++;
    if (order <= 0) members_next(&a);
    if (order >= 0) members_next(&b);
  }
  *bad = a.bad || b.bad;
  return count;
}

bool ln_v_merge(ln_buf *out, ln_str a, ln_str b) {
  members ma, mb;
  bool bad = false;
  if (!members_start(&ma, a) || !members_start(&mb, b)) return false;
  size_t count = merge_walk(ma, mb, NULL, &bad);
  if (bad) return false;
  size_t mark = ln_v_begin(out, 'O', count);
  merge_walk(ma, mb, out, &bad);
  return ln_v_end(out, mark);
}
