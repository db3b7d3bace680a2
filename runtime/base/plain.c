/* plain.c: which characters people cannot be shown as they are. */
#include "base/plain.h"

/* A character of valid UTF-8 at p; *len: its bytes. */
static uint32_t char_at(const unsigned char *p, size_t *len) {
  uint32_t c = p[0];
  *len = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
  c &= *len == 1 ? 0x7F : *len == 2 ? 0x1F : *len == 3 ? 0x0F : 0x07;
  for (size_t i = 1; i < *len; i++) c = c << 6 | (p[i] & 0x3F);
  return c;
}

/* Unicode's controls and format characters, its line and paragraph separators, and the other invisible ones
** that a name could be disguised with. */
static bool is_unseen(uint32_t c) {
  static const uint32_t ranges[][2] = {
      {0x00, 0x1F},     {0x7F, 0x9F},     {0xAD, 0xAD},     {0x34F, 0x34F},     {0x600, 0x605},
      {0x61C, 0x61C},   {0x6DD, 0x6DD},   {0x115F, 0x1160}, {0x17B4, 0x17B5},   {0x180B, 0x180F},
      {0x200B, 0x200F}, {0x2028, 0x202E}, {0x2060, 0x206F}, {0x3164, 0x3164},   {0xFE00, 0xFE0F},
      {0xFEFF, 0xFEFF}, {0xFFA0, 0xFFA0}, {0xFFF0, 0xFFFB}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A},
      {0xE0000, 0xE0FFF}};
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
    if (c <= ranges[i][1]) return c >= ranges[i][0];
  return false;
}

static void spell(ln_buf *out, uint32_t c) {
  if (c < 0x10000) {
    ln_buf_addf(out, "\\u%04x", (unsigned)c);
    return;
  }
  c -= 0x10000;
  ln_buf_addf(out, "\\u%04x\\u%04x", 0xD800 + (unsigned)(c >> 10), 0xDC00 + (unsigned)(c & 0x3FF));
}

/* s is valid UTF-8: runs of plain characters are copied whole. */
static void add_valid(ln_buf *out, ln_str s, bool lines) {
  size_t from = 0, len;
  for (size_t i = 0; i < s.n; i += len) {
    uint32_t c = char_at((const unsigned char *)s.p + i, &len);
    if (!is_unseen(c) || (lines && c == '\n')) continue;
    ln_buf_add(out, (ln_str){s.p + from, i - from});
    spell(out, c);
    from = i + len;
  }
  ln_buf_add(out, (ln_str){s.p + from, s.n - from});
}

bool ln_plain(ln_buf *out, ln_str s, bool lines) {
  while (s.n) {
    size_t good = s.n;
    bool ok = ln_str_utf8(s, &good);
    add_valid(out, (ln_str){s.p, good}, lines);
    if (ok) break;
    ln_buf_addf(out, "\\x%02x", (unsigned char)s.p[good]);
    s = (ln_str){s.p + good + 1, s.n - good - 1};
  }
  return !ln_buf_failed(out);
}

static bool is_bare(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         (c && strchr("_-+./:@%#=,", c));
}

bool ln_shell_word(ln_buf *out, ln_str s) {
  size_t was = out->n, bare = 0;
  for (size_t i = 0; i < s.n; i++) {
    unsigned char c = (unsigned char)s.p[i];
    if (c < ' ' || c >= 0x7F) return false;
    bare += is_bare(s.p[i]);
  }
  bool quote = bare < s.n || s.n == 0 || s.p[0] == '#';
  if (quote) ln_buf_addc(out, '\'');
  for (size_t i = 0; i < s.n; i++)
    if (s.p[i] == '\'') ln_buf_addz(out, "'\\''");
    else ln_buf_addc(out, s.p[i]);
  if (quote) ln_buf_addc(out, '\'');
  if (!ln_buf_failed(out)) return true;
  ln_buf_cut(out, was);
  return false;
}
