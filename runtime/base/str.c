/* str.c: views of text.  Nothing here allocates but ln_str_dup, and nothing reads past a view's length.
** Case is ASCII's alone: names of hosts, headers and paths are compared so on every machine, whatever its
** locale says. */
#include "base/str.h"

#include <stdlib.h>

static unsigned char lower(char c) {
  unsigned char u = (unsigned char)c;
  return u >= 'A' && u <= 'Z' ? (unsigned char)(u + 32) : u;
}

bool ln_str_ieq(ln_str a, ln_str b) {
  if (a.n != b.n) return false;
  for (size_t i = 0; i < a.n; i++)
    if (lower(a.p[i]) != lower(b.p[i])) return false;
  return true;
}

bool ln_str_starts(ln_str s, ln_str prefix) {
  return s.n >= prefix.n && ln_str_eq((ln_str){s.p, prefix.n}, prefix);
}

bool ln_str_ends(ln_str s, ln_str suffix) {
  return s.n >= suffix.n && ln_str_eq((ln_str){suffix.n ? s.p + (s.n - suffix.n) : s.p, suffix.n}, suffix);
}

int ln_str_cmp(ln_str a, ln_str b) {
  size_t n = a.n < b.n ? a.n : b.n;
  int c = n ? memcmp(a.p, b.p, n) : 0;
  if (c) return c;
  return a.n < b.n ? -1 : a.n > b.n;
}

ptrdiff_t ln_str_find(ln_str s, ln_str what) {
  if (what.n == 0) return 0;
  if (what.n > s.n) return -1;
  const char *at = memmem(s.p, s.n, what.p, what.n);
  return at ? at - s.p : -1;
}

bool ln_str_cut(ln_str s, char at, ln_str *l, ln_str *r) {
  const char *p = s.n ? memchr(s.p, at, s.n) : NULL;
  if (!p) {
    *l = s;
    *r = (ln_str){s.n ? s.p + s.n : s.p, 0};
    return false;
  }
  size_t k = (size_t)(p - s.p);
  *l = (ln_str){s.p, k};
  *r = (ln_str){p + 1, s.n - k - 1};
  return true;
}

static bool blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

ln_str ln_str_trim(ln_str s) {
  while (s.n && blank(s.p[0])) s.p++, s.n--;
  while (s.n && blank(s.p[s.n - 1])) s.n--;
  return s;
}

ln_str ln_str_int(int64_t v, char room[LN_INT_TEXT]) {
  uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
  size_t at = LN_INT_TEXT;
  do room[--at] = (char)('0' + left % 10);
  while (left /= 10);
  if (v < 0) room[--at] = '-';
  return (ln_str){room + at, LN_INT_TEXT - at};
}

char *ln_str_dup(ln_str s) {
  char *z = malloc(s.n + 1);
  if (!z) return NULL;
  if (s.n) memcpy(z, s.p, s.n);
  z[s.n] = '\0';
  return z;
}

/* Bytes of the character at i, for '?': a lead byte and the continuations behind it. */
static size_t one_char(ln_str s, size_t i) {
  size_t k = i + 1;
  if ((unsigned char)s.p[i] >= 0xC0)
    while (k < s.n && k - i < 4 && ((unsigned char)s.p[k] & 0xC0) == 0x80) k++;
  return k - i;
}

/* Only the last star need be remembered: an earlier one can always leave its match as it is.  So the work
** is at most pattern times text, and nothing recurses. */
bool ln_str_glob(ln_str pattern, ln_str s) {
  size_t p = 0, i = 0, star = SIZE_MAX, from = 0;
  while (i < s.n) {
    if (p < pattern.n && pattern.p[p] == '*') {
      star = p++;
      from = i;
    } else if (p < pattern.n && pattern.p[p] == '?') {
      p++;
      i += one_char(s, i);
    } else if (p < pattern.n && lower(pattern.p[p]) == lower(s.p[i])) {
      p++, i++;
    } else if (star != SIZE_MAX) {
      p = star + 1;
      i = ++from;
    } else {
      return false;
    }
  }
  while (p < pattern.n && pattern.p[p] == '*') p++;
  return p == pattern.n;
}

/* Length of the well-formed character at p (n bytes left, at least one), or 0. */
static size_t utf8_char(const unsigned char *p, size_t n) {
  unsigned char c = p[0];
  if (c < 0x80) return 1;
  size_t len = c >= 0xC2 && c <= 0xDF ? 2 : (c & 0xF0) == 0xE0 ? 3 : c >= 0xF0 && c <= 0xF4 ? 4 : 0;
  if (len == 0 || len > n) return 0;
  for (size_t k = 1; k < len; k++)
    if ((p[k] & 0xC0) != 0x80) return 0;
  if (c == 0xE0 && p[1] < 0xA0) return 0; /* longer than need be  */
  if (c == 0xED && p[1] > 0x9F) return 0; /* half a surrogate pair */
  if (c == 0xF0 && p[1] < 0x90) return 0;
  if (c == 0xF4 && p[1] > 0x8F) return 0; /* above U+10FFFF        */
  return len;
}

bool ln_str_utf8(ln_str s, size_t *bad) {
  for (size_t i = 0; i < s.n;) {
    size_t len = utf8_char((const unsigned char *)s.p + i, s.n - i);
    if (len == 0) {
      if (bad) *bad = i;
      return false;
    }
    i += len;
  }
  return true;
}

bool ln_str_same_secret(ln_str a, ln_str b) {
  if (a.n != b.n) return false;
  volatile unsigned char d = 0;
  for (size_t i = 0; i < a.n; i++) d = (unsigned char)(d | ((unsigned char)a.p[i] ^ (unsigned char)b.p[i]));
  return d == 0;
}
