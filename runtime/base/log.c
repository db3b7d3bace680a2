/* log.c: logfmt on standard error.  A line is one write of at most 2 KiB, so lines of several threads do not
** mix; what would break the line (a newline in a value) becomes a blank, what else a terminal would obey is
** spelt out (plain.h). */
#include "base/log.h"

#include "base/clock.h"
#include "base/plain.h"
#include "base/units.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

enum { LINE = 2048 };

static atomic_int least_level = LN_WARN;

void ln_log_level(ln_level least) { atomic_store(&least_level, (int)least); }

static void write_plain(ln_str text) {
  ln_buf out;
  ln_buf_init(&out, 8 * LINE);
  ln_plain(&out, text, false);
  ln_buf_addc(&out, '\n');
  while (write(STDERR_FILENO, out.p, out.n) < 0 && errno == EINTR) {}
  ln_buf_free(&out);
}

void ln_log(ln_level level, const char *event, const char *fmt, ...) {
  static const char *const name[] = {"debug", "info", "warn", "error"};
  if ((int)level < atomic_load(&least_level)) return;
  char line[LINE], time[LN_TIME_TEXT];
  const size_t most = sizeof line - 1; /* the newline */
  ln_format_time(ln_now_ms(ln_clock_real()), time);
  int n = snprintf(line, most, "time=%s level=%s event=%s ", time, name[level], event);
  size_t len = n < 0 ? 0 : (size_t)n < most ? (size_t)n : most - 1;
  va_list ap;
  va_start(ap, fmt);
  n = vsnprintf(line + len, most - len, fmt, ap);
  va_end(ap);
  if (n > 0) len += (size_t)n < most - len ? (size_t)n : most - len - 1;
  for (size_t i = 0; i < len; i++)
    if ((unsigned char)line[i] < ' ' || line[i] == 127) line[i] = ' ';
  while (len && line[len - 1] == ' ') len--;
  write_plain((ln_str){line, len});
}
