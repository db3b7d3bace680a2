/* err.c: failure as a value.  A message that does not fit is cut between two characters, never within one,
** and may be made from the error that it replaces. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void ln_err_clear(ln_err *e) {
  if (e) memset(e, 0, sizeof *e);
}

/* Copies z into out of n bytes, cut before a character that would not fit. */
static void put(char *out, size_t n, const char *z) {
  size_t len = strlen(z);
  if (len >= n) {
    len = n - 1;
    while (len && ((unsigned char)z[len] & 0xC0) == 0x80) len--;
  }
  memmove(out, z, len);
  out[len] = '\0';
}

bool (ln_fail)(ln_err *e, const char *code, ln_retry retry, const char *fmt, ...) {
  if (!e) return false;
  char text[2 * LN_ERR_TEXT]; /* the arguments may point into *e */
  char word[LN_ERR_CODE];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  put(word, sizeof word, code);
  ln_err_clear(e);
  put(e->code, sizeof e->code, word);
  put(e->message, sizeof e->message, text);
  e->retry = retry;
  return false;
}

bool ln_err_is(const ln_err *e, const char *code) { return e && strcmp(e->code, code) == 0; }

bool (ln_err_prefix)(ln_err *e, const char *fmt, ...) {
  if (!e) return false;
  char text[2 * LN_ERR_TEXT + 4], lead[LN_ERR_TEXT];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  put(lead, sizeof lead, text);
  snprintf(text, sizeof text, "%s: %s", lead, e->message);
  put(e->message, sizeof e->message, text);
  return false;
}
