/* params.c: types of parameters and the check of arguments against them.  The check happens before anything
** is sent: an unknown name, a missing argument, an empty text or an empty list must never become
** "everything" on the vendor's side.  It works on encoded values, so the command line, the playbooks and
** the host state share it. */
#include "modules/params.h"

#include "base/hash.h"
#include "base/units.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAME_MAX_BYTES = 64, TYPE_MAX_BYTES = 512, VALUE_MAX = 64 << 20 };

/* --- types --- */

static const struct { const char *name; ln_kind kind; } kinds[] = {
    {"string", LN_K_STRING}, {"integer", LN_K_INTEGER}, {"number", LN_K_NUMBER}, {"boolean", LN_K_BOOLEAN},
    {"duration", LN_K_DURATION}, {"time", LN_K_TIME}, {"ip", LN_K_IP}, {"sha256", LN_K_SHA256},
    {"host", LN_K_HOST}, {"device", LN_K_HOST}, {"user", LN_K_USER}, {"alert", LN_K_ALERT},
    {"table", LN_K_TABLE}, {"blob", LN_K_BLOB}, {"secret", LN_K_SECRET}};

static bool read_kind(ln_str t, ln_param *p, ln_err *err) {
  if (ln_str_starts(t, LN_STR("one of "))) {
    p->kind = LN_K_CHOICE;
    p->choices = ln_str_trim((ln_str){t.p + 7, t.n - 7});
    return p->choices.n || ln_fail(err, "bad_argument", LN_FINAL, "%s: \"one of\" names nothing", p->name);
  }
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (ln_str_eq(t, ln_str_of(kinds[i].name))) {
      p->kind = kinds[i].kind;
      return true;
    }
  return ln_fail(err, "bad_argument", LN_FINAL,
                 "%s: \"" LN_STR_FMT "\" is no type; types are string integer number "
                 "boolean duration time ip sha256 host device user alert table blob, [T], \"one of a b\"",
                 p->name, LN_STR_ARG(t));
}

static bool coerce_one(const ln_param *p, const ln_vitem *v, const char *where, ln_buf *out, ln_err *err);

static bool coerce_text(const ln_param *p, ln_str text, ln_buf *out, ln_err *err) {
  ln_buf raw;
  ln_vitem v;
  ln_buf_init(&raw, TYPE_MAX_BYTES);
  ln_v_str(&raw, text);
  ln_str rest = ln_buf_view(&raw);
  bool ok = ln_v_read(&rest, &v) && coerce_one(p, &v, p->name, out, err);
  ln_buf_free(&raw);
  return ok;
}

/* A list as defaults have it: [a, b], where quotes around an item may stand, and hold no commas. */
static bool coerce_list_text(const ln_param *p, ln_str text, ln_buf *out, ln_err *err) {
  ln_str item, rest = ln_str_trim((ln_str){text.p + 1, text.n - 2});
  size_t n = rest.n ? 1 : 0;
  for (size_t i = 0; i < rest.n; i++) n += rest.p[i] == ',';
  size_t mark = ln_v_begin(out, 'A', n);
  for (size_t i = 0; i < n; i++) {
    ln_str_cut(rest, ',', &item, &rest);
    item = ln_str_trim(item);
    if (item.n >= 2 && item.p[0] == '"' && item.p[item.n - 1] == '"') item = (ln_str){item.p + 1, item.n - 2};
    if (!coerce_text(p, item, out, err)) return false;
  }
  return ln_v_end(out, mark) || ln_buf_ok(out, err);
}

/* Encodes the text after "=" as the type wants it. */
static bool read_default(ln_param *p, ln_str text, ln_err *err) {
  ln_buf out;
  size_t n = 0;
  ln_buf_init(&out, 4 * TYPE_MAX_BYTES);
  bool ok;
  if (p->list && text.n >= 2 && text.p[0] == '[' && text.p[text.n - 1] == ']') {
    ok = coerce_list_text(p, text, &out, err);
  } else if (p->list) {
    size_t mark = ln_v_begin(&out, 'A', 1);
    ok = coerce_text(p, text, &out, err) && ln_v_end(&out, mark);
  } else {
    ok = coerce_text(p, text, &out, err);
  }
  if (ok) p->kept = ln_buf_take(&out, &n);
  ln_buf_free(&out);
  p->fallback = (ln_str){p->kept, n};
  return ok && (p->kept || ln_fail(err, "memory", LN_AGAIN, "no memory for a parameter"));
}

static bool read_type(ln_param *p, ln_err *err) {
  ln_str t = ln_str_of(p->type), fallback = {NULL, 0};
  bool given = ln_str_cut(t, '=', &t, &fallback);
  t = ln_str_trim(t);
  if (t.n && t.p[t.n - 1] == '?') {
    p->optional = true;
    t = ln_str_trim((ln_str){t.p, t.n - 1});
  }
  if (t.n >= 2 && t.p[0] == '[' && t.p[t.n - 1] == ']') {
    p->list = true;
    t = ln_str_trim((ln_str){t.p + 1, t.n - 2});
  }
  if (!read_kind(t, p, err)) return false;
  if (!given) return true;
  p->optional = true;
  return read_default(p, ln_str_trim(fallback), err);
}

static void free_param(ln_param *p) {
  free(p->name);
  free(p->type);
  free(p->kept);
}

bool ln_params_add(ln_params *p, ln_str name, ln_str type, ln_err *err) {
  if (name.n == 0 || name.n > NAME_MAX_BYTES || type.n > TYPE_MAX_BYTES || ln_params_find(p, name))
    return ln_fail(err, "bad_argument", LN_FINAL, "\"%.*s\" is no name for a parameter, or stands twice",
                   (int)(name.n > 64 ? 64 : name.n), name.p);
  ln_param it = {.name = ln_str_dup(name), .type = ln_str_dup(type)};
  ln_param *more = it.name && it.type ? reallocarray(p->v, p->n + 1, sizeof *more) : NULL;
  if (!more) ln_fail(err, "memory", LN_AGAIN, "no memory for a parameter");
  else p->v = more;
  if (!more || !read_type(&it, err)) {
    free_param(&it);
    return false;
  }
  size_t at = p->n++;
  for (; at > 0 && ln_str_cmp(ln_str_of(p->v[at - 1].name), name) > 0; at--) p->v[at] = p->v[at - 1];
  p->v[at] = it;
  return true;
}

const ln_param *ln_params_find(const ln_params *p, ln_str name) {
  for (size_t i = 0; i < p->n; i++)
    if (ln_str_eq(ln_str_of(p->v[i].name), name)) return &p->v[i];
  return NULL;
}

void ln_params_free(ln_params *p) {
  for (size_t i = 0; i < p->n; i++) free_param(&p->v[i]);
  free(p->v);
  *p = (ln_params){NULL, 0};
}

/* --- values --- */

static const char *tag_name(char tag) {
  switch (tag) {
  case 'S': return "a text";
  case 'I': case 'F': return "a number";
  case 't': case 'f': return "a boolean";
  case 'A': return "a list";
  case 'O': return "a table";
  case 'B': return "a blob";
  default: return "nothing";
  }
}

static bool wrong(const char *where, const char *wanted, const ln_vitem *v, ln_err *err) {
  if (v->tag == 'S')
    return ln_fail(err, "bad_argument", LN_FINAL, "%s must be %s, got \"%.*s\"", where, wanted,
                   (int)(v->s.n > 40 ? 40 : v->s.n), v->s.p);
  return ln_fail(err, "bad_argument", LN_FINAL, "%s must be %s, got %s", where, wanted, tag_name(v->tag));
}

static bool as_text(const ln_vitem *v, const char *where, ln_buf *out, ln_err *err) {
  char digits[24];
  if (v->tag == 'S')
    return v->s.n ? ln_v_raw(out, v->whole) || ln_buf_ok(out, err)
                  : ln_fail(err, "bad_argument", LN_FINAL, "%s is an empty text", where);
  if (v->tag != 'I') return wrong(where, "a text", v, err);
  snprintf(digits, sizeof digits, "%lld", (long long)v->i);
  return ln_v_str(out, ln_str_of(digits)) || ln_buf_ok(out, err);
}

/* A text that is a number in full. */
static bool number_of(ln_str s, double *f, int64_t *i, bool *whole) {
  char z[64], *end;
  if (s.n == 0 || s.n >= sizeof z || memchr(s.p, 0, s.n)) return false;
  memcpy(z, s.p, s.n);
  z[s.n] = '\0';
  if (strspn(z, "0123456789+-.eE") != s.n) return false;
  *whole = strspn(z, "0123456789-") == s.n;
  if (*whole) {
    long long n;
    int used = 0;
    if (s.n > 18 || sscanf(z, "%lld%n", &n, &used) != 1 || (size_t)used != s.n) return false;
    *i = n;
    *f = (double)n;
    return true;
  }
  *f = strtod(z, &end);
  return *end == '\0' && isfinite(*f);
}

static bool as_number(const ln_param *p, const ln_vitem *v, const char *where, ln_buf *out, ln_err *err) {
  double f = v->f;
  int64_t i = v->i;
  bool whole = v->tag == 'I', ok = v->tag == 'I' || v->tag == 'F';
  if (v->tag == 'S') ok = number_of(v->s, &f, &i, &whole);
  if (ok && !whole && p->kind == LN_K_INTEGER && f == floor(f) && fabs(f) < 9e15) {
    i = (int64_t)f;
    whole = true;
  }
  if (!ok || (p->kind == LN_K_INTEGER && !whole))
    return wrong(where, p->kind == LN_K_INTEGER ? "a whole number" : "a number", v, err);
  return (whole ? ln_v_int(out, i) : ln_v_float(out, f)) || ln_buf_ok(out, err);
}

static bool as_boolean(const ln_vitem *v, const char *where, ln_buf *out, ln_err *err) {
  bool yes = v->tag == 't' || (v->tag == 'S' && ln_str_eq(v->s, LN_STR("true")));
  bool no = v->tag == 'f' || (v->tag == 'S' && ln_str_eq(v->s, LN_STR("false")));
  if (!yes && !no) return wrong(where, "true or false", v, err);
  return ln_v_bool(out, yes) || ln_buf_ok(out, err);
}

static bool as_duration(const ln_vitem *v, const char *where, ln_buf *out, ln_err *err) {
  int64_t ms = -1;
  if (v->tag == 'I' && v->i >= 0 && v->i < 1000000000000) ms = v->i * 1000;
  else if (v->tag == 'F' && v->f >= 0 && v->f < 1e12) ms = (int64_t)(v->f * 1000);
  else if (v->tag == 'S' && !ln_parse_duration(v->s, &ms, err)) return ln_err_prefix(err, "%s", where);
  if (ms < 0) return wrong(where, "a duration: seconds, or such as \"30s\"", v, err);
  return (ms % 1000 ? ln_v_float(out, (double)ms / 1000) : ln_v_int(out, ms / 1000)) || ln_buf_ok(out, err);
}

static bool as_time(const ln_vitem *v, const char *where, ln_buf *out, ln_err *err) {
  int64_t ms;
  char text[LN_TIME_TEXT];
  const double most = 253402300799.0;                    /* the year 9999 */
  if (v->tag == 'I' && v->i >= 0 && (double)v->i <= most) ms = v->i * 1000;
  else if (v->tag == 'F' && v->f >= 0 && v->f <= most) ms = (int64_t)(v->f * 1000);
  else if (v->tag != 'S') return wrong(where, "a time: seconds since 1970, or RFC 3339", v, err);
  else if (!ln_parse_time(v->s, &ms, err)) return ln_err_prefix(err, "%s", where);
  ln_format_time(ms, text);
  return ln_v_str(out, ln_str_of(text)) || ln_buf_ok(out, err);
}

static bool lower(ln_str s, ln_buf *out, ln_err *err) {
  char z[72];
  for (size_t i = 0; i < s.n; i++) z[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + 32 : s.p[i]);
  return ln_v_str(out, (ln_str){z, s.n}) || ln_buf_ok(out, err);
}

static bool as_ip(const ln_vitem *v, const char *where, ln_buf *out, ln_err *err) {
  char z[64];
  unsigned char bin[16];
  bool ok = v->tag == 'S' && v->s.n < sizeof z && v->s.n > 0;
  if (ok) {
    memcpy(z, v->s.p, v->s.n);
    z[v->s.n] = '\0';
    ok = strlen(z) == v->s.n && (inet_pton(AF_INET, z, bin) == 1 || inet_pton(AF_INET6, z, bin) == 1);
  }
  return ok ? lower(v->s, out, err) : wrong(where, "an IP address", v, err);
}

static bool as_sha256(const ln_vitem *v, const char *where, ln_buf *out, ln_err *err) {
  uint8_t bin[32];
  if (v->tag != 'S' || !ln_unhex(v->s, bin, sizeof bin))
    return wrong(where, "a SHA-256 of 64 hexadecimal digits", v, err);
  return lower(v->s, out, err);
}

static bool pair(ln_buf *out, const char *key, ln_str value) {
  return ln_v_key(out, ln_str_of(key)) && ln_v_str(out, value);
}

/* A hostname, or a user's email, DOMAIN\name or name, as the object that an alert has for it. */
static bool as_someone(ln_kind kind, const ln_vitem *v, const char *where, ln_buf *out, ln_err *err) {
  if (v->tag == 'O') return ln_v_raw(out, v->whole) || ln_buf_ok(out, err);
  if (v->tag != 'S') return wrong(where, kind == LN_K_HOST ? "a host" : "a user", v, err);
  if (v->s.n == 0) return ln_fail(err, "bad_argument", LN_FINAL, "%s is an empty text", where);
  ln_str domain, name;
  bool two = kind == LN_K_USER && ln_str_cut(v->s, '\\', &domain, &name) && domain.n && name.n;
  size_t mark = ln_v_begin(out, 'O', two ? 2 : 1);
  if (kind == LN_K_HOST) {
    pair(out, "hostname", v->s);
  } else if (two) {
    pair(out, "domain", domain);
    pair(out, "name", name);
  } else {
    pair(out, memchr(v->s.p, '@', v->s.n) ? "email" : "name", v->s);
  }
  return ln_v_end(out, mark) || ln_buf_ok(out, err);
}

static bool as_choice(const ln_param *p, const ln_vitem *v, const char *where, ln_buf *out, ln_err *err) {
  ln_str rest = p->choices, word;
  while (v->tag == 'S' && v->s.n && rest.n) {
    ln_str_cut(rest, ' ', &word, &rest);
    if (ln_str_eq(word, v->s)) return ln_v_raw(out, v->whole) || ln_buf_ok(out, err);
    if (word.p + word.n >= p->choices.p + p->choices.n) break;
  }
  char wanted[160];
  snprintf(wanted, sizeof wanted, "one of \"%.*s\"", (int)(p->choices.n > 120 ? 120 : p->choices.n),
           p->choices.p);
  return wrong(where, wanted, v, err);
}

static bool as_it_is(bool ok, const char *wanted, const ln_vitem *v, const char *where, ln_buf *out,
                     ln_err *err) {
  if (!ok) return wrong(where, wanted, v, err);
  return ln_v_raw(out, v->whole) || ln_buf_ok(out, err);
}

static bool coerce_one(const ln_param *p, const ln_vitem *v, const char *where, ln_buf *out, ln_err *err) {
  if (v->tag == 'P') return ln_v_raw(out, v->whole) || ln_buf_ok(out, err);
  switch (p->kind) {
  case LN_K_STRING: return as_text(v, where, out, err);
  case LN_K_INTEGER: case LN_K_NUMBER: return as_number(p, v, where, out, err);
  case LN_K_BOOLEAN: return as_boolean(v, where, out, err);
  case LN_K_DURATION: return as_duration(v, where, out, err);
  case LN_K_TIME: return as_time(v, where, out, err);
  case LN_K_IP: return as_ip(v, where, out, err);
  case LN_K_SHA256: return as_sha256(v, where, out, err);
  case LN_K_HOST: case LN_K_USER: return as_someone(p->kind, v, where, out, err);
  case LN_K_CHOICE: return as_choice(p, v, where, out, err);
  case LN_K_ALERT: return as_it_is(v->tag == 'O', "an alert", v, where, out, err);
  case LN_K_BLOB: return as_it_is(v->tag == 'B', "a blob", v, where, out, err);
  case LN_K_SECRET: return as_it_is(v->tag == 'S' || v->tag == 'O', "secret \"name\"", v, where, out, err);
  case LN_K_TABLE: break;
  }
  return as_it_is(strchr("AOB", v->tag) != NULL, "a table", v, where, out, err);
}

static bool coerce_list(const ln_param *p, const ln_vitem *v, const char *where, ln_buf *out, ln_err *err) {
  if (v->count == 0) return ln_fail(err, "bad_argument", LN_FINAL, "%s is an empty list", where);
  size_t mark = ln_v_begin(out, 'A', v->count);
  ln_str rest = v->body;
  ln_vitem item;
  for (size_t i = 1; i <= v->count; i++) {
    char at[96];
    snprintf(at, sizeof at, "%.80s[%zu]", where, i);
    if (!ln_v_read(&rest, &item)) return ln_fail(err, "bad_argument", LN_FINAL, "%s is malformed", where);
    if (!coerce_one(p, &item, at, out, err)) return false;
  }
  return ln_v_end(out, mark) || ln_buf_ok(out, err);
}

static bool coerce(const ln_param *p, const ln_vitem *v, const char *where, ln_buf *out, ln_err *err) {
  if (!p->list || v->tag == 'P') return coerce_one(p, v, where, out, err);
  if (v->tag == 'A') return coerce_list(p, v, where, out, err);
  if (v->tag == 'O' && v->count == 0)
    return ln_fail(err, "bad_argument", LN_FINAL, "%s is an empty list", where);
  size_t mark = ln_v_begin(out, 'A', 1);                 /* one item stands for a list of one */
  return coerce_one(p, v, where, out, err) && (ln_v_end(out, mark) || ln_buf_ok(out, err));
}

/* --- a call's arguments --- */

/* How different two names are, at most `most`: insertions, deletions and changes. */
static size_t distance(ln_str a, ln_str b) {
  size_t row[NAME_MAX_BYTES + 1];
  if (a.n > NAME_MAX_BYTES || b.n > NAME_MAX_BYTES) return NAME_MAX_BYTES;
  for (size_t j = 0; j <= b.n; j++) row[j] = j;
  for (size_t i = 1; i <= a.n; i++) {
    size_t corner = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.n; j++) {
      size_t change = corner + (a.p[i - 1] != b.p[j - 1]);
      corner = row[j];
      if (row[j - 1] + 1 < change) change = row[j - 1] + 1;
      if (row[j] + 1 < change) change = row[j] + 1;
      row[j] = change;
    }
  }
  return row[b.n];
}

ln_str ln_nearest(ln_str name, const ln_str *names, size_t n) {
  ln_str best = {NULL, 0};
  size_t least = name.n / 2 + 1;
  for (size_t i = 0; i < n; i++) {
    size_t d = distance(name, names[i]);
    if (d < least) {
      least = d;
      best = names[i];
    }
  }
  return best;
}

static bool unknown(const ln_params *p, const char *what, ln_str key, ln_err *err) {
  ln_str *names = reallocarray(NULL, p->n + 1, sizeof *names);
  for (size_t i = 0; names && i < p->n; i++) names[i] = ln_str_of(p->v[i].name);
  ln_str near = names ? ln_nearest(key, names, p->n) : (ln_str){NULL, 0};
  int n = (int)(key.n > 40 ? 40 : key.n);
  if (near.n)
    ln_fail(err, "bad_argument", LN_FINAL, "%s: no argument is called '%.*s'; did you mean '" LN_STR_FMT "'?",
            what, n, key.p, LN_STR_ARG(near));
  else ln_fail(err, "bad_argument", LN_FINAL, "%s: no argument is called '%.*s'", what, n, key.p);
  free(names);
  return false;
}

static bool is_one_of(ln_str key, const char *const *names) {
  for (; names && *names; names++)
    if (ln_str_eq(key, ln_str_of(*names))) return true;
  return false;
}

/* How many members the checked object has; false: one of the given ones is unknown. */
static bool count_members(const ln_params *p, const char *what, const ln_vitem *args, const char *const *also,
                          size_t *n, ln_err *err) {
  ln_str rest = args->body, key;
  ln_vitem v;
  *n = 0;
  for (size_t i = 0; i < args->count; i++) {
    if (!ln_v_read_key(&rest, &key) || !ln_v_read(&rest, &v))
      return ln_fail(err, "bad_argument", LN_FINAL, "%s: malformed arguments", what);
    if (v.tag == '0' || v.tag == 'n') continue;
    if (!ln_params_find(p, key) && !is_one_of(key, also)) return unknown(p, what, key, err);
    ++*n;
  }
  for (size_t i = 0; i < p->n; i++) {
    bool given = ln_v_get(args->whole, ln_str_of(p->v[i].name), &v) && v.tag != '0' && v.tag != 'n';
    if (given) continue;
    if (!p->v[i].optional)
      return ln_fail(err, "bad_argument", LN_FINAL, "%s: %s is missing (%s)", what, p->v[i].name,
                     p->v[i].type);
    if (p->v[i].fallback.n) ++*n;
  }
  return true;
}

static bool put_param(const ln_param *p, const char *what, ln_str args, ln_buf *out, ln_err *err) {
  ln_vitem v;
  char where[160];
  snprintf(where, sizeof where, "%s: %s", what, p->name);
  ln_str name = ln_str_of(p->name);
  if (ln_v_get(args, name, &v) && v.tag != '0' && v.tag != 'n')
    return (ln_v_key(out, name) || ln_buf_ok(out, err)) && coerce(p, &v, where, out, err);
  if (!p->fallback.n) return true;
  return (ln_v_key(out, name) && ln_v_raw(out, p->fallback)) || ln_buf_ok(out, err);
}

bool ln_params_check(const ln_params *p, const char *what, ln_str args, const char *const *also, ln_buf *out,
                     ln_err *err) {
  ln_vitem o, v;
  ln_str rest = args, key;
  size_t n;
  bool empty = ln_v_read(&rest, &o) && ((o.tag == 'A' && o.count == 0) || o.tag == 'n');
  if (!empty && (rest.n || o.tag != 'O'))
    return ln_fail(err, "bad_argument", LN_FINAL, "%s takes one table of named arguments", what);
  if (empty) o.count = 0;
  if (!count_members(p, what, &o, also, &n, err)) return false;
  size_t mark = ln_v_begin(out, 'O', n), at = 0;
  rest = o.body;
  for (size_t i = 0; i < o.count; i++) {                 /* the passing ones, merged into the sorted others */
    if (!ln_v_read_key(&rest, &key) || !ln_v_read(&rest, &v)) break;
    if (ln_params_find(p, key) || v.tag == '0' || v.tag == 'n') continue;
    for (; at < p->n && ln_str_cmp(ln_str_of(p->v[at].name), key) < 0; at++)
      if (!put_param(&p->v[at], what, args, out, err)) return false;
    if (!ln_v_key(out, key) || !ln_v_raw(out, v.whole)) return ln_buf_ok(out, err);
  }
  for (; at < p->n; at++)
    if (!put_param(&p->v[at], what, args, out, err)) return false;
  return ln_v_end(out, mark) || ln_buf_ok(out, err);
}
