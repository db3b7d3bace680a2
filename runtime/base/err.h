/* err.h: failure as a value.  A code is one of INTERFACE.md's words (or an author's own); the message says
** what happened and what to do.  The text is fixed in size, so failing never allocates. */
#ifndef LN_ERR_H
#define LN_ERR_H

#include <stdbool.h>

enum { LN_ERR_CODE = 32, LN_ERR_TEXT = 480, LN_ERR_WORD = 48 };

typedef enum ln_retry { LN_FINAL = 0, LN_AGAIN = 1 } ln_retry; /* is trying again likely to help? */

typedef struct ln_err {
  char code[LN_ERR_CODE];        /* "" : no error */
  char message[LN_ERR_TEXT];
  ln_retry retry;
  int status;                    /* HTTP status, 0: none */
  char vendor[LN_ERR_WORD];      /* "okta"; "" none      */
  char vendor_code[LN_ERR_WORD]; /* "E0000007"           */
  char op[LN_ERR_WORD];          /* "okta.add_to_group"  */
  char rule[LN_ERR_WORD];        /* the guard that refused */
} ln_err;

void ln_err_clear(ln_err *e);
bool ln_fail(ln_err *e, const char *code, ln_retry retry, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));               /* fills e (may be NULL), always false          */
bool ln_err_is(const ln_err *e, const char *code);
bool ln_err_prefix(ln_err *e, const char *fmt, ...)      /* the message becomes "ctx: old"; always false    */
    __attribute__((format(printf, 2, 3)));

#ifdef __clang_analyzer__ /* it reads one file at a time, and would follow a failure that went on */
#define ln_fail(...) ((void)ln_fail(__VA_ARGS__), false)
#define ln_err_prefix(...) ((void)ln_err_prefix(__VA_ARGS__), false)
#endif

#endif
