/* signature.c: see signature.h.  What it reads comes from anybody who can reach us. */
#include "base/signature.h"

#include "base/base64.h"
#include "base/hash.h"
#include "base/units.h"

#include <string.h>

static bool bad(ln_err *err, const char *why) {
  return ln_fail(err, "bad_argument", LN_FINAL, "the signature's header is wrong: %s", why);
}

static bool is_hex(ln_str s) {
  if (s.n != 2 * LN_MAC) return false;
  for (size_t i = 0; i < s.n; i++)
    if (!memchr("0123456789abcdefABCDEF", s.p[i], 22)) return false;
  return true;
}

static bool read_base64(ln_str s, uint8_t out[LN_MAC]) {
  ln_buf b;
  ln_err quiet;
  ln_buf_init(&b, 64);
  bool ok = s.n <= 64 && ln_unbase64(s, &b, &quiet) && b.n == LN_MAC;
  if (ok) memcpy(out, b.p, LN_MAC);
  ln_buf_free(&b);
  return ok;
}

/* 32 bytes, as hex or base64. */
static bool read_mac(ln_str s, uint8_t out[LN_MAC]) {
  return is_hex(s) ? ln_unhex(s, out, LN_MAC) : read_base64(s, out);
}

static bool is_name(ln_str s) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
  for (size_t i = 0; i < s.n; i++)
    if (!memchr(letters, s.p[i], sizeof letters - 1)) return false;
  return s.n > 0 && s.n <= 32;
}

/* "v1=HEX", "t=123", or a MAC alone, whose base64 may end in "=".  Names that we do not know are passed over
** where their values are no MACs: senders add some. */
static bool read_part(ln_str part, ln_signature *out, ln_err *err) {
  ln_str name, value;
  if (!ln_str_cut(part, '=', &name, &value) || !is_name(name) || name.n > 16) value = part, name.n = 0;
  if (ln_str_eq(name, LN_STR("t"))) {
    if (out->time.n) return bad(err, "it has two times");
    out->time = value;
    return value.n > 0 || bad(err, "its time is empty");
  }
  if (out->n == LN_SIGNATURE_MACS) return bad(err, "it has more than four signatures");
  if (read_mac(value, out->mac[out->n])) return out->n++, true;
  return name.n > 0 || bad(err, "it is no HMAC-SHA-256 in hex or base64");
}

bool ln_signature_read(ln_str header, ln_signature *out, ln_err *err) {
  enum { LONGEST = 1024 };
  ln_str part, rest = header;
  *out = (ln_signature){.n = 0};
  if (header.n > LONGEST) return bad(err, "it is too long");
  while (rest.n) {
    ln_str_cut(rest, ',', &part, &rest);
    part = ln_str_trim(part);
    if (!part.n) return bad(err, "a part of it is empty");
    if (!read_part(part, out, err)) return false;
  }
  return out->n > 0 || bad(err, "there is no signature in it");
}

bool ln_signature_time(ln_str text, int64_t *ms, ln_err *err) {
  int64_t v = 0;
  bool digits = text.n > 0 && text.n <= 16;
  for (size_t i = 0; digits && i < text.n; i++) {
    digits = text.p[i] >= '0' && text.p[i] <= '9';
    v = v * 10 + (text.p[i] - '0');
  }
  if (!digits) return ln_parse_time(text, ms, err);
  *ms = text.n > 11 ? v : v * 1000;
  return true;
}
