/* log.h: the core's own log, one logfmt line an event on standard error; never a secret, never a body. */
#ifndef LN_LOG_H
#define LN_LOG_H

typedef enum ln_level { LN_DEBUG, LN_INFO, LN_WARN, LN_ERROR } ln_level;

void ln_log_level(ln_level least);                       /* default LN_WARN                                */
void ln_log(ln_level level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));               /* fmt makes logfmt pairs: "run=%s ms=%d"          */

#endif
