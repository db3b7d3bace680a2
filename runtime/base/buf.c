/* buf.c: growing bytes.  The capacity doubles, so that a long text costs few copies, and stops at max; one
** byte more than asked for is always there, for the NUL that ln_buf_take promises. */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

void ln_buf_init(ln_buf *b, size_t max) { *b = (ln_buf){.max = max}; }

/* What realloc leaves behind is nobody's, and readable. */
static char *moved(ln_buf *b, size_t cap) {
  char *p = malloc(cap);
  if (!p) return NULL;
  if (b->n) memcpy(p, b->p, b->n);
  if (b->p) explicit_bzero(b->p, b->cap);
  free(b->p);
  return p;
}

char *ln_buf_more(ln_buf *b, size_t n) {
  if (b->failed) return NULL;
  if (n > b->max - b->n) {
    b->full = true;
    goto fail;
  }
  size_t cap = b->cap ? b->cap : 64;
  while (cap - b->n <= n) {
    if (cap > SIZE_MAX / 2) goto fail;
    cap *= 2;
  }
  if (cap > b->max && b->max < SIZE_MAX) cap = b->max + 1;
  char *p = b->secret ? moved(b, cap) : realloc(b->p, cap);
  if (!p) goto fail;
  b->p = p;
  b->cap = cap;
  return b->p + b->n;
fail:
  b->failed = true;
  return NULL;
}

void ln_buf_grew(ln_buf *b, size_t n) { b->n += n; }

void ln_buf_cut(ln_buf *b, size_t n) {
  if (n >= b->n) return;
  if (b->secret) explicit_bzero(b->p + n, b->n - n);
  b->n = n;
}

void ln_buf_chomp(ln_buf *b) {
  size_t n = b->n;
  while (n && (b->p[n - 1] == '\n' || b->p[n - 1] == '\r')) n--;
  ln_buf_cut(b, n);
}

bool ln_buf_addz(ln_buf *b, const char *z) { return ln_buf_add(b, ln_str_of(z)); }

bool ln_buf_addv(ln_buf *b, const char *fmt, va_list ap) {
  va_list again;
  va_copy(again, ap);
  int n = vsnprintf(NULL, 0, fmt, ap);
  char *p = n < 0 ? NULL : ln_buf_room(b, (size_t)n);
  if (p) {
    vsnprintf(p, (size_t)n + 1, fmt, again);
    b->n += (size_t)n;
  } else {
    b->failed = true;
  }
  va_end(again);
  return p != NULL;
}

bool ln_buf_addf(ln_buf *b, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  bool ok = ln_buf_addv(b, fmt, ap);
  va_end(ap);
  return ok;
}

bool ln_buf_ok(const ln_buf *b, ln_err *err) {
  if (!b->failed) return true;
  if (b->full)
    return ln_fail(err, "too_big", LN_FINAL, "more than the %zu bytes that are allowed here", b->max);
  return ln_fail(err, "memory", LN_AGAIN, "no memory for more than %zu bytes", b->n);
}

char *ln_buf_take(ln_buf *b, size_t *n) {
  char *p = ln_buf_room(b, 0); /* an empty text is a text, too */
  if (p) {
    *p = '\0';
    p = b->p;
    if (n) *n = b->n;
    ln_buf_init(b, b->max);
  } else {
    ln_buf_free(b);
  }
  return p;
}

void ln_buf_secret(ln_buf *b) { b->secret = true; }

void ln_buf_free(ln_buf *b) {
  if (b->secret && b->p) explicit_bzero(b->p, b->cap);
  free(b->p);
  ln_buf_init(b, b->max);
}

void ln_buf_wipe(ln_buf *b) {
  if (b->p) explicit_bzero(b->p, b->cap);
  ln_buf_free(b);
}
