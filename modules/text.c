/* text.c: two things that are done with texts in reports of malware: UTF-16, in which PowerShell takes its
** encoded commands, becomes UTF-8; and links that must not be clicked on are written so that nothing takes
** them for links. */
#include "modules/modules.h"

#include "base/buf.h"

enum { TEXT_MAX = 64 << 20, REPLACEMENT = 0xFFFD };

/* --- UTF-16 --- */

static void add_utf8(ln_buf *out, uint32_t c) {
  char p[4];
  size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  static const unsigned lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
  for (size_t i = n - 1; i > 0; i--, c >>= 6) p[i] = (char)(0x80 | (c & 0x3F));
  p[0] = (char)(lead[n] | c);
  ln_buf_add(out, (ln_str){p, n});
}

static uint32_t unit_at(const unsigned char *p, bool big) {
  return big ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

/* Half a surrogate pair becomes U+FFFD, as nothing else can be made of it. */
static bool utf16_to_utf8(ln_str s, ln_buf *out, ln_err *err) {
  if (s.n % 2)
    return ln_fail(err, "bad_argument", LN_FINAL,
                   "UTF-16 comes in pairs of bytes, and these are %zu: it is cut, or not UTF-16", s.n);
  const unsigned char *p = (const unsigned char *)s.p;
  bool big = s.n >= 2 && p[0] == 0xFE && p[1] == 0xFF;
  size_t i = big || (s.n >= 2 && p[0] == 0xFF && p[1] == 0xFE) ? 2 : 0;
  while (i < s.n) {
    uint32_t c = unit_at(p + i, big);
    i += 2;
    if (c >= 0xD800 && c < 0xDC00 && i < s.n) {
      uint32_t low = unit_at(p + i, big);
      if (low >= 0xDC00 && low < 0xE000) {
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
        i += 2;
      }
    }
    add_utf8(out, c >= 0xD800 && c < 0xE000 ? REPLACEMENT : c);
  }
  return ln_buf_ok(out, err);
}

/* text.utf16(bytes) -> UTF-8 */
static int l_utf16(lua_State *L) {
  ln_err err;
  ln_str s = lnL_text(L, "text.utf16", "the text", 1);
  ln_buf *out = lnL_new_buf(L, TEXT_MAX);
  if (!utf16_to_utf8(s, out, &err)) return lnL_raise_in(L, "text.utf16", &err);
  return lnL_push_buf(L, out);
}

/* --- defanging --- */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (unsigned char)c >= 0x80;
}
static bool in_label(char c) { return is_digit(c) || is_letter(c) || c == '-' || c == '_'; }
static bool ends_link(char c) { return (unsigned char)c <= ' ' || strchr("\"'<>`{}|^", c) != NULL; }

static bool all(ln_str s, bool (*is)(char)) {
  for (size_t i = 0; i < s.n; i++)
    if (!is(s.p[i])) return false;
  return s.n > 0;
}

/* "evil.example", "10.0.0.7": labels with dots between, the last one of letters, or four numbers. */
static bool is_host(ln_str s) {
  ln_str label, rest = s;
  size_t n = 0, numbers = 0;
  bool more = true;
  while (more) {
    more = ln_str_cut(rest, '.', &label, &rest);
    if (!label.n) return false;
    n++;
    if (all(label, is_digit) && label.n <= 3) numbers++;
  }
  if (n == 4 && numbers == 4) return true;
  return n > 1 && ((label.n > 1 && all(label, is_letter)) || ln_str_starts(label, LN_STR("xn--")));
}

/* A dot becomes "[.]", and what is so already stays so; a link's "@" likewise. */
static void add_defanged(ln_buf *out, ln_str s) {
  for (size_t i = 0; i < s.n; i++) {
    bool already = i > 0 && i + 1 < s.n && s.p[i - 1] == '[' && s.p[i + 1] == ']';
    if (s.p[i] == '.' && !already) ln_buf_addz(out, "[.]");
    else if (s.p[i] == '@' && !already) ln_buf_addz(out, "[@]");
    else ln_buf_addc(out, s.p[i]);
  }
}

/* The length of "http" in "http://…" at s, and how it is written; 0: no link begins here. */
static size_t scheme_at(ln_str s, const char **written) {
  static const struct { const char *name, *written; } schemes[] = {
      {"https", "hxxps"}, {"http", "hxxp"}, {"ftp", "fxp"}};
  for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
    size_t n = strlen(schemes[i].name);
    *written = schemes[i].written;
    if (s.n >= n + 3 && ln_str_ieq((ln_str){s.p, n}, ln_str_of(schemes[i].name)) &&
        memcmp(s.p + n, "://", 3) == 0)
      return n;
  }
  return 0;
}

/* Where the link at s ends its part from `at` on: at a character that no link has, at one of `also`, or where
** another link begins, as in a redirect's query. */
static size_t part_end(ln_str s, size_t at, const char *also) {
  const char *written;
  while (at < s.n && !ends_link(s.p[at]) && !strchr(also, s.p[at]) &&
         !scheme_at((ln_str){s.p + at, s.n - at}, &written))
    at++;
  return at;
}

/* A link at s: its scheme, and the dots up to its path.  Returns its length; 0: there is none. */
static size_t defang_link(ln_str s, ln_buf *out) {
  const char *written;
  size_t n = scheme_at(s, &written);
  if (!n) return 0;
  size_t host_end = part_end(s, n + 3, "/?#"), end = part_end(s, host_end, "");
  ln_buf_addz(out, written);
  add_defanged(out, (ln_str){s.p + n, host_end - n});
  ln_buf_add(out, (ln_str){s.p + host_end, end - host_end});
  return end;
}

/* A run of labels and dots at s, at least one byte.  `path`: it is part of a file's path, so no host. */
static size_t defang_run(ln_str s, bool path, ln_buf *out) {
  const char *written;
  size_t n = 1;
  while (n < s.n && (in_label(s.p[n]) || s.p[n] == '.') && !scheme_at((ln_str){s.p + n, s.n - n}, &written))
    n++;
  ln_str run = {s.p, n};
  while (run.n && run.p[run.n - 1] == '.') run.n--; /* the end of a sentence */
  bool mail = n == run.n && n + 1 < s.n && s.p[n] == '@' && in_label(s.p[n + 1]);
  if (!path && is_host(run)) add_defanged(out, run);
  else ln_buf_add(out, run);
  ln_buf_add(out, (ln_str){run.p + run.n, n - run.n});
  if (mail) ln_buf_addz(out, "[@]");
  return n + mail;
}

static void defang(ln_str s, ln_buf *out) {
  for (size_t i = 0; i < s.n;) {
    ln_str rest = {s.p + i, s.n - i};
    size_t n = defang_link(rest, out);
    char before = i ? s.p[i - 1] : ' ';
    if (!n && (in_label(rest.p[0]) || rest.p[0] == '.'))
      n = defang_run(rest, before == '/' || before == '\\', out);
    if (!n) ln_buf_addc(out, s.p[i]), n = 1;
    i += n;
  }
}

/* text.defang(text) -> text in which no link, domain, address or mail address is one */
static int l_defang(lua_State *L) {
  ln_err err;
  ln_str s = lnL_text(L, "text.defang", "the text", 1);
  ln_buf *out = lnL_new_buf(L, TEXT_MAX);
  defang(s, out);
  if (!ln_buf_ok(out, &err)) return lnL_raise_in(L, "text.defang", &err);
  return lnL_push_buf(L, out);
}

int luaopen_text(lua_State *L) {
  static const luaL_Reg functions[] = {{"utf16", l_utf16}, {"defang", l_defang}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
