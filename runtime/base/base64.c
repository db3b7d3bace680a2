/* base64.c: RFC 4648 by hand, because OpenSSL's decoder wants whole lines and knows one alphabet.  Bits left
** over after the last whole byte are dropped; a single left-over letter, which is not even a byte, is a
** fault. */
#include "base/base64.h"

static const char std_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static bool encode(ln_str data, const char *digits, bool pad, ln_buf *out) {
  if (data.n > SIZE_MAX / 4) return false;
  char *p = ln_buf_room(out, (data.n + 2) / 3 * 4);
  if (!p) return false;
  const unsigned char *s = (const unsigned char *)data.p;
  char *q = p;
  size_t i = 0;
  for (; i + 2 < data.n; i += 3) {
    uint32_t v = (uint32_t)s[i] << 16 | (uint32_t)s[i + 1] << 8 | s[i + 2];
    for (int shift = 18; shift >= 0; shift -= 6) *q++ = digits[v >> shift & 63];
  }
  size_t left = data.n - i;
  if (left) {
    uint32_t v = (uint32_t)s[i] << 16 | (left == 2 ? (uint32_t)s[i + 1] << 8 : 0);
    *q++ = digits[v >> 18 & 63];
    *q++ = digits[v >> 12 & 63];
    if (left == 2) *q++ = digits[v >> 6 & 63];
    for (size_t k = left; pad && k < 3; k++) *q++ = '=';
  }
  ln_buf_grew(out, (size_t)(q - p));
  return true;
}

bool ln_base64(ln_str data, ln_buf *out) { return encode(data, std_digits, true, out); }

bool ln_base64url(ln_str data, ln_buf *out) { return encode(data, url_digits, false, out); }

static int value(unsigned char c, bool url) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == (url ? '-' : '+')) return 62;
  if (c == (url ? '_' : '/')) return 63;
  return -1;
}

static bool blank(unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* Writes at most text.n bytes to q; *used of them. */
static bool decode(ln_str text, bool url, unsigned char *q, size_t *used, ln_err *err) {
  uint32_t bits = 0;
  unsigned n = 0, pads = 0;
  size_t k = 0;
  for (size_t i = 0; i < text.n; i++) {
    unsigned char c = (unsigned char)text.p[i];
    if (blank(c)) continue;
    int v = value(c, url);
    if (c == '=' && n >= 2 && ++pads + n <= 4) continue;
    if (v < 0 || pads)
      return ln_fail(err, "bad_argument", LN_FINAL, "not base64: an unexpected byte 0x%02X at offset %zu", c,
                     i);
    bits = bits << 6 | (uint32_t)v;
    if (++n < 4) continue;
    for (int shift = 16; shift >= 0; shift -= 8) q[k++] = (unsigned char)(bits >> shift);
    bits = n = 0;
  }
  if (n == 1)
    return ln_fail(err, "bad_argument", LN_FINAL,
                   "not base64: it ends within a byte, it is cut or a letter too long");
  if (n >= 2) q[k++] = (unsigned char)(bits >> (n == 2 ? 4 : 10));
  if (n == 3) q[k++] = (unsigned char)(bits >> 2);
  *used = k;
  return true;
}

static bool decode_into(ln_str text, bool url, ln_buf *out, ln_err *err) {
  size_t used = 0;
  char *p = ln_buf_room(out, text.n);
  if (!p) return ln_buf_ok(out, err);
  if (!decode(text, url, (unsigned char *)p, &used, err)) return false;
  ln_buf_grew(out, used);
  return true;
}

bool ln_unbase64(ln_str text, ln_buf *out, ln_err *err) { return decode_into(text, false, out, err); }

bool ln_unbase64url(ln_str text, ln_buf *out, ln_err *err) { return decode_into(text, true, out, err); }
