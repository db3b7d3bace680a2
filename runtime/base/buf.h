/* buf.h: bytes that grow up to a bound.  A buffer that could not grow stays as it was and says so, and
** goes on saying so (ln_buf_failed), so that a long chain of additions needs one check at its end. */
#ifndef LN_BUF_H
#define LN_BUF_H

#include "base/err.h"
#include "base/str.h"

#include <stdarg.h>

typedef struct ln_buf {
  char *p;
  size_t n, cap, max;
  bool failed, full;                                     /* full: because of max, else for want of memory  */
  bool secret;                                           /* wiped wherever it has been                      */
} ln_buf;

void ln_buf_init(ln_buf *b, size_t max);                 /* empty; nothing is allocated yet             */
char *ln_buf_more(ln_buf *b, size_t n);                  /* ln_buf_room where the buffer has to grow    */
static inline char *ln_buf_room(ln_buf *b, size_t n) {   /* n writable bytes at the end, or NULL; then     */
  return n < b->cap - b->n && !b->failed ? b->p + b->n : ln_buf_more(b, n); /* <: one more for the NUL   */
}
void ln_buf_grew(ln_buf *b, size_t n);                   /* that many of them were written                 */
static inline bool ln_buf_add(ln_buf *b, ln_str s) {     /* copies s; false: full or no memory          */
  char *p = ln_buf_room(b, s.n);
  if (!p) return false;
  /* an ln_str that has bytes has a p.  NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
  if (s.n) memcpy(p, s.p, s.n);
  b->n += s.n;
  return true;
}
static inline bool ln_buf_addc(ln_buf *b, char c) { return ln_buf_add(b, (ln_str){&c, 1}); }
bool ln_buf_addz(ln_buf *b, const char *z);              /* the same of a NUL-ended text                */
bool ln_buf_addf(ln_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool ln_buf_addv(ln_buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
void ln_buf_cut(ln_buf *b, size_t n);                    /* shortens to n bytes                         */
void ln_buf_chomp(ln_buf *b);                            /* without the line ends at its end            */
static inline ln_str ln_buf_view(const ln_buf *b) { return (ln_str){b->p, b->n}; } /* until b changes   */
static inline bool ln_buf_failed(const ln_buf *b) { return b->failed; }
bool ln_buf_ok(const ln_buf *b, ln_err *err);            /* false and "too_big"/"memory" if it failed   */
/* All of it, NUL-ended, yours: free() it.  n may be NULL.  b is empty.  NULL: it had failed, or no memory. */
char *ln_buf_take(ln_buf *b, size_t *n);
void ln_buf_free(ln_buf *b);                             /* may be used again                           */
void ln_buf_wipe(ln_buf *b);                             /* overwrites, then frees: for secrets         */
/* From now on what it holds is wiped also when it grows, is cut or freed. */
void ln_buf_secret(ln_buf *b);

#endif
