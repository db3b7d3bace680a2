/* json.c: writes JSON.  Bit d of `some` says that level d has a member, bit 63 that a key waits for its
** value; so a comma is written in front of every member but a level's first, and never after a key. */
#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEEPEST = 60 };
#define AFTER_KEY ((uint64_t)1 << 63)

void ln_json_init(ln_json *j, ln_buf *out) { *j = (ln_json){.out = out}; }

static uint64_t level(const ln_json *j) { return (uint64_t)1 << j->depth; }

/* In front of a key, or of a value without one. */
static void comma(ln_json *j) {
  if (j->some & AFTER_KEY) {
    j->some &= ~AFTER_KEY;
    return;
  }
  if (j->depth && (j->some & level(j))) ln_buf_addc(j->out, ',');
  j->some |= level(j);
}

void ln_json_open(ln_json *j, char bracket) {
  comma(j);
  ln_buf_addc(j->out, bracket);
  if (j->depth == DEEPEST) {
    j->out->failed = true;
    return;
  }
  j->depth++;
  j->some &= ~level(j);
}

void ln_json_close(ln_json *j, char bracket) {
  if (j->depth) j->depth--;
  ln_buf_addc(j->out, bracket);
}

static void add_escaped(ln_buf *b, char c) {
  switch (c) {
  case '"': ln_buf_add(b, LN_STR("\\\"")); break;
  case '\\': ln_buf_add(b, LN_STR("\\\\")); break;
  case '\n': ln_buf_add(b, LN_STR("\\n")); break;
  case '\r': ln_buf_add(b, LN_STR("\\r")); break;
  case '\t': ln_buf_add(b, LN_STR("\\t")); break;
  default: ln_buf_addf(b, "\\u%04x", (unsigned char)c);
  }
}

/* s is valid UTF-8: runs of plain bytes are copied whole. */
static void add_valid(ln_buf *b, ln_str s) {
  size_t from = 0;
  for (size_t i = 0; i < s.n; i++) {
    if ((unsigned char)s.p[i] >= ' ' && s.p[i] != '"' && s.p[i] != '\\') continue;
    ln_buf_add(b, (ln_str){s.p + from, i - from});
    add_escaped(b, s.p[i]);
    from = i + 1;
  }
  ln_buf_add(b, (ln_str){s.p + from, s.n - from});
}

static void add_text(ln_buf *b, ln_str s) {
  ln_buf_addc(b, '"');
  while (s.n) {
    size_t good = s.n;
    bool ok = ln_str_utf8(s, &good);
    add_valid(b, (ln_str){s.p, good});
    if (ok) break;
    ln_buf_add(b, LN_STR("\xEF\xBF\xBD"));
    s = (ln_str){s.p + good + 1, s.n - good - 1};
  }
  ln_buf_addc(b, '"');
}

void ln_json_key(ln_json *j, ln_str key) {
  comma(j);
  add_text(j->out, key);
  ln_buf_addc(j->out, ':');
  j->some |= AFTER_KEY;
}

void ln_json_str(ln_json *j, ln_str s) {
  comma(j);
  add_text(j->out, s);
}

void ln_json_strz(ln_json *j, const char *z) {
  if (z) ln_json_str(j, ln_str_of(z));
  else ln_json_null(j);
}

void ln_json_int(ln_json *j, int64_t v) {
  comma(j);
  ln_buf_addf(j->out, "%" PRId64, v);
}

void ln_json_num(ln_json *j, double v) {
  if (!isfinite(v)) {
    ln_json_null(j);
    return;
  }
  char text[40];
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, v);
    if (strtod(text, NULL) == v) break;
  }
  for (char *p = text; *p; p++) /* the decimal sign of a locale */
    if (!strchr("+-0123456789eE.", *p)) *p = '.';
  comma(j);
  ln_buf_addz(j->out, text);
}

void ln_json_bool(ln_json *j, bool v) {
  comma(j);
  ln_buf_addz(j->out, v ? "true" : "false");
}

void ln_json_null(ln_json *j) {
  comma(j);
  ln_buf_add(j->out, LN_STR("null"));
}

void ln_json_raw(ln_json *j, ln_str json) {
  comma(j);
  ln_buf_add(j->out, json);
}
