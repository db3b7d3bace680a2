/* log.c: one event, one line, one write of at most some KiB, so that lines of several threads do not mix.
**
** Pairs are told apart by the format, never by what was filled in: a value that looks like a pair, has blanks
** or a line's end stays one value.  So the format is printed once with marks, that nobody can guess, where
** its own pairs begin, and what comes of it is cut at the marks. */
#include "base/log.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/plain.h"
#include "base/rand.h"
#include "base/units.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

enum { TEXT = 2048, FORMAT = 512, MARK = 17 };

static atomic_int least_level = LN_WARN;
static atomic_bool as_json;
static char mark[MARK + 1];
static pthread_once_t once = PTHREAD_ONCE_INIT;

void ln_log_level(ln_level least) { atomic_store(&least_level, (int)least); }
void ln_log_json(bool json) { atomic_store(&as_json, json); }

static void make_mark(void) {
  snprintf(mark, sizeof mark, "\x1f%016llx", (unsigned long long)ln_rand_u64(ln_rand_real()));
}

/* The length of "name=" at z; 0: there is no such thing. */
static size_t name_at(const char *z) {
  size_t n = strspn(z, "abcdefghijklmnopqrstuvwxyz_0123456789");
  return n && z[n] == '=' ? n + 1 : 0;
}

/* fmt with a mark before each of its pairs.  False: it has none, or is too long. */
static bool with_marks(const char *fmt, char out[FORMAT]) {
  size_t n = 0;
  if (!name_at(fmt)) return false;
  for (const char *p = fmt; *p; p++) {
    bool begins = p == fmt || p[-1] == ' ';
    if (n + MARK + 2 >= FORMAT) return false;
    if (begins && name_at(p)) memcpy(out + n, mark, MARK), n += MARK;
    out[n++] = *p;
  }
  out[n] = '\0';
  return true;
}

/* ------------------------------------------------------------------ a line */

typedef struct line { ln_buf out; ln_json j; bool json; } line;

static bool is_bare(ln_str v) {
  for (size_t i = 0; i < v.n; i++)
    if ((unsigned char)v.p[i] <= ' ' || v.p[i] == '"' || v.p[i] == '\\' || v.p[i] == 127)
      return false;
  return v.n > 0;
}

static void add_logfmt(ln_buf *b, ln_str v) {
  if (is_bare(v)) {
    ln_buf_add(b, v);
    return;
  }
  ln_buf_addc(b, '"');
  for (size_t i = 0; i < v.n; i++) {
    unsigned char c = (unsigned char)v.p[i];
    if (c == '"' || c == '\\') ln_buf_addc(b, '\\');
    ln_buf_addc(b, c < ' ' || c == 127 ? ' ' : (char)c); /* a line stays one */
  }
  ln_buf_addc(b, '"');
}

static void add(line *l, ln_str name, ln_str value) {
  if (l->json) {
    ln_json_key(&l->j, name);
    ln_json_str(&l->j, value);
    return;
  }
  if (l->out.n) ln_buf_addc(&l->out, ' ');
  ln_buf_add(&l->out, name);
  ln_buf_addc(&l->out, '=');
  add_logfmt(&l->out, value);
}

static void add_pairs(line *l, ln_str text) {
  ln_str name, value;
  while (text.n) {
    ptrdiff_t next = ln_str_find(text, (ln_str){mark, MARK});
    ln_str one = {text.p, next < 0 ? text.n : (size_t)next};
    if (next > 0) one.n--; /* the format's blank between two pairs */
    if (ln_str_cut(one, '=', &name, &value)) add(l, name, value);
    if (next < 0) return;
    text = (ln_str){text.p + next + MARK, text.n - (size_t)next - MARK};
  }
}

static void begin(line *l, ln_level level, const char *event) {
  static const char *const names[] = {"debug", "info", "warn", "error", "info"};
  char time[LN_TIME_TEXT];
  l->json = atomic_load(&as_json);
  ln_buf_init(&l->out, 8 * TEXT);
  ln_json_init(&l->j, &l->out);
  if (l->json) ln_json_open(&l->j, '{');
  ln_format_time(ln_now_ms(ln_clock_real()), time);
  add(l, LN_STR("time"), ln_str_of(time));
  add(l, LN_STR("level"), ln_str_of(names[level]));
  add(l, LN_STR("event"), ln_str_of(event));
}

/* What a terminal would obey is spelt out (plain.h). */
static void end(line *l) {
  ln_buf plain;
  if (l->json) ln_json_close(&l->j, '}');
  ln_buf_init(&plain, 16 * TEXT);
  ln_plain(&plain, ln_buf_view(&l->out), false);
  ln_buf_addc(&plain, '\n');
  while (write(STDERR_FILENO, plain.p, plain.n) < 0 && errno == EINTR) {}
  ln_buf_free(&plain);
  ln_buf_free(&l->out);
}

void ln_log(ln_level level, const char *event, const char *fmt, ...) {
  char marked[FORMAT], text[TEXT];
  line l;
  if ((int)level < atomic_load(&least_level)) return;
  pthread_once(&once, make_mark);
  bool pairs = with_marks(fmt, marked);
  va_list ap;
  va_start(ap, fmt);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"     /* it is fmt, which was checked, with marks in it */
  int n = vsnprintf(text, sizeof text, pairs ? marked : fmt, ap);
#pragma GCC diagnostic pop
  va_end(ap);
  ln_str all = {text, n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1};
  begin(&l, level, event);
  if (pairs) add_pairs(&l, all);
  else if (all.n) add(&l, LN_STR("text"), all);
  end(&l);
}
