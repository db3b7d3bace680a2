/* transport.c: what all transports share: which requests can be spelt at all.  How a message ends is the
** transport's own affair, so a caller cannot name the headers that say it. */
#include "net/transport.h"

static bool token_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

bool ln_header_name_ok(ln_str name) {
  for (size_t i = 0; i < name.n; i++)
    if (!token_char(name.p[i])) return false;
  return name.n > 0;
}

/* A line end would start another header. */
bool ln_header_value_ok(ln_str value) {
  for (size_t i = 0; i < value.n; i++)
    if (((unsigned char)value.p[i] < ' ' && value.p[i] != '\t') || value.p[i] == 127) return false;
  return true;
}

static bool frames(ln_str name) {
  static const char *const names[] = {"Host",   "Content-Length", "Transfer-Encoding", "Connection",
                                      "Expect", "Upgrade",        "TE",                "Trailer"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (ln_str_ieq(name, ln_str_of(names[i]))) return true;
  return false;
}

static int shown(ln_str s) { return s.n > 60 ? 60 : (int)s.n; }

bool ln_request_check(const ln_request *r, ln_err *err) {
  if (!ln_header_name_ok(r->method) || r->method.n > 32 || ln_str_ieq(r->method, LN_STR("CONNECT")))
    return ln_fail(err, "bad_argument", LN_FINAL, "not a method: write GET, POST and the like");
  for (size_t i = 0; i < r->n_headers; i++) {
    ln_str name = r->headers[i].name;
    if (!ln_header_name_ok(name))
      return ln_fail(err, "bad_argument", LN_FINAL, "header %zu has no proper name", i + 1);
    if (frames(name))
      return ln_fail(err, "bad_argument", LN_FINAL, "the header %.*s is set by the core: leave it out",
                     shown(name), name.p);
    if (!ln_header_value_ok(r->headers[i].value))
      return ln_fail(err, "bad_argument", LN_FINAL, "the header %.*s has a control character in its value",
                     shown(name), name.p);
  }
  return true;
}

ln_str ln_answer_header(const ln_answer *a, ln_str name) {
  for (size_t i = 0; i < a->n_headers; i++)
    if (ln_str_ieq(a->headers[i].name, name)) return a->headers[i].value;
  return (ln_str){NULL, 0};
}
