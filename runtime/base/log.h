/* log.h: the core's own log, one event a line on standard error, logfmt or JSON; never a secret, never a
** body. */
#ifndef LN_LOG_H
#define LN_LOG_H

#include <stdbool.h>

/* LN_PROOF: an "info" that leaves whatever the site's level is, since somebody relies on its being there. */
typedef enum ln_level { LN_DEBUG, LN_INFO, LN_WARN, LN_ERROR, LN_PROOF, LN_NOTHING } ln_level;

void ln_log_level(ln_level least);                       /* default LN_WARN; LN_NOTHING: not a line         */
void ln_log_json(bool json);                             /* default false: logfmt                          */
/* fmt makes pairs, "run=%s ms=%d": what stands before a `=` in fmt itself is a name, what comes of the rest
** up to the next one is its value, whatever is in it.  Without any it is a text. */
void ln_log(ln_level level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
