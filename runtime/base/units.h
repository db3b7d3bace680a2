/* units.h: durations, sizes and times as people write them (INTERFACE.md, "Lua").  What is not one fails with
** "bad_argument" and the right form. */
#ifndef LN_UNITS_H
#define LN_UNITS_H

#include "base/buf.h"

#include <stdint.h>

enum { LN_TIME_TEXT = 32 };

bool ln_parse_duration(ln_str s, int64_t *ms, ln_err *err); /* "5ms" "30s" "5m" "2h" "7d"                 */
bool ln_parse_size(ln_str s, uint64_t *bytes, ln_err *err); /* "64KiB" "16MiB" "1GiB" "512B", or digits   */
bool ln_parse_time(ln_str s, int64_t *ms, ln_err *err);  /* RFC 3339, any offset; cut to milliseconds     */
void ln_format_time(int64_t ms, char out[LN_TIME_TEXT]); /* "2026-11-24T10:00:00.123Z"; no ".000"         */

#endif
