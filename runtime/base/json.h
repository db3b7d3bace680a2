/* json.h: writes JSON into a buffer, for documents and events the core makes itself.  Commas and nesting
** are kept here; what is not UTF-8 is written as U+FFFD, so the output is always valid JSON. */
#ifndef LN_JSON_H
#define LN_JSON_H

#include "base/buf.h"

typedef struct ln_json {
  ln_buf *out;
  int depth;
  uint64_t some;                                         /* bit d: level d has a member already            */
} ln_json;                                               /* depth is at most 60                            */

void ln_json_init(ln_json *j, ln_buf *out);
void ln_json_open(ln_json *j, char bracket);             /* '{' or '['                                     */
void ln_json_close(ln_json *j, char bracket);            /* '}' or ']'                                     */
void ln_json_key(ln_json *j, ln_str key);
void ln_json_str(ln_json *j, ln_str s);
void ln_json_strz(ln_json *j, const char *z);            /* NULL: null                                     */
void ln_json_int(ln_json *j, int64_t v);
void ln_json_num(ln_json *j, double v);                  /* shortest that reads back; NaN, inf: null       */
void ln_json_bool(ln_json *j, bool v);
void ln_json_null(ln_json *j);
void ln_json_raw(ln_json *j, ln_str json);               /* a value that is JSON already                   */

#endif
