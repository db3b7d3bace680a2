/* str.h: text that knows its length.  An ln_str is a borrowed view: it owns nothing, may hold NULs, and
** is as good as what it points into.  Functions that copy say so. */
#ifndef LN_STR_H
#define LN_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct ln_str {
  const char *p;
  size_t n;
} ln_str;

#define LN_STR(literal) ((ln_str){(literal), sizeof(literal) - 1})
#define LN_STR_FMT "%.*s" /* print an ln_str with LN_STR_ARG */
#define LN_STR_ARG(s) (int)(s).n, (s).p

static inline ln_str ln_str_of(const char *z) { return (ln_str){z, z ? strlen(z) : 0}; }

static inline bool ln_str_eq(ln_str a, ln_str b) {
  return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool ln_str_ieq(ln_str a, ln_str b);                    /* ASCII letters without regard to case       */
bool ln_str_starts(ln_str s, ln_str prefix);
bool ln_str_ends(ln_str s, ln_str suffix);
int ln_str_cmp(ln_str a, ln_str b);                     /* by bytes, the shorter first: <0, 0, >0      */
ptrdiff_t ln_str_find(ln_str s, ln_str what);           /* offset of the first, or -1                 */
bool ln_str_cut(ln_str s, char at, ln_str *l, ln_str *r); /* splits at the first; false: none, all in l */
ln_str ln_str_trim(ln_str s);                           /* without ASCII blanks at both ends          */
enum { LN_INT_TEXT = 21 };
ln_str ln_str_int(int64_t v, char room[LN_INT_TEXT]);   /* in decimal, within room                    */
char *ln_str_dup(ln_str s);                             /* NUL-ended copy, free() it; NULL: no memory  */
bool ln_str_glob(ln_str pattern, ln_str s);             /* '*' any run, '?' one; ASCII case ignored    */
bool ln_str_utf8(ln_str s, size_t *bad);                /* valid UTF-8?  *bad: offset of the first fault */
bool ln_str_same_secret(ln_str a, ln_str b);            /* constant time in the content                */

#endif
