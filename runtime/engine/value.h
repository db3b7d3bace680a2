/* value.h: values in a binary form of our own, which keeps integer, float, byte string, array, object and
** null apart: what an entry holds, what a fingerprint is made of.  One value is
**   tag byte, then   I: zigzag varint   F: 8 bytes, IEEE little-endian   S: varint length, bytes
** A O B P: u32 little-endian length of what follows, varint count, items (O: key S-body, value; keys sorted
** by bytes)
**                    M: as O, and after the pairs a varint count and as many items
**                    n nil, 0 null, t true, f false: nothing
** Tags: 'n' '0' 't' 'f' 'I' 'F' 'S' 'A' array 'O' object 'M' mixed (a Lua table with names and positions
** 1..n, neither empty: an XML element, a table.pack) 'B' blob handle (an object's body) 'P' opaque (an
** object's body: { what }).  The same value has one encoding only. */
#ifndef LN_VALUE_H
#define LN_VALUE_H

#include "base/buf.h"
#include "base/json.h"

enum { LN_VALUE_DEPTH = 100, LN_FLOAT_TEXT = 32 };

/* --- writing: scalars append; containers nest by begin and end; an object's keys must come sorted --- */
bool ln_v_nil(ln_buf *b);
bool ln_v_null(ln_buf *b);
bool ln_v_bool(ln_buf *b, bool v);
bool ln_v_int(ln_buf *b, int64_t v);
bool ln_v_float(ln_buf *b, double v);
bool ln_v_str(ln_buf *b, ln_str s);
/* 'A' 'O' 'M' 'B' 'P'; count items (pairs) must follow; returns a mark */
size_t ln_v_begin(ln_buf *b, char tag, size_t count);
bool ln_v_key(ln_buf *b, ln_str key);
bool ln_v_more(ln_buf *b, size_t count);                 /* in an 'M', after its pairs: count items follow  */
bool ln_v_end(ln_buf *b, size_t mark);
bool ln_v_raw(ln_buf *b, ln_str encoded);                /* one encoded value                               */

/* --- reading: all views borrow from the encoded text --- */
typedef struct ln_vitem {
  char tag;
  int64_t i;
  double f;
  ln_str s;                                              /* S: the bytes                                    */
  ln_str body;                                           /* A O B P: the items, for ln_v_next               */
  size_t count;
  ln_str whole;                                          /* this value, encoded                             */
} ln_vitem;
bool ln_v_read(ln_str *rest, ln_vitem *out); /* one value off the front; false: malformed or end */
bool ln_v_read_str(ln_str *rest, ln_str *s); /* the same, and it has to be a text; no other work */
bool ln_v_read_int(ln_str *rest, int64_t *i);            /* … an integer                                    */
bool ln_v_read_bool(ln_str *rest, bool *v);              /* … true or false                                 */
bool ln_v_read_array(ln_str *rest, ln_str *items, size_t *count); /* … an array                             */
bool ln_v_read_key(ln_str *rest, ln_str *key);           /* an object's next key                            */
/* a member; false (and zeroed): not an object, or absent */
bool ln_v_get(ln_str object, ln_str key, ln_vitem *out);
ln_str ln_v_get_str(ln_str object, const char *key);     /* its text, or {NULL,0}                           */
int64_t ln_v_get_int(ln_str object, const char *key, int64_t otherwise);
bool ln_v_get_bool(ln_str object, const char *key, bool otherwise);
bool ln_v_check(ln_str v, ln_err *err); /* well formed, whole, within depth?  else "corrupt" */
/* an M's items, for ln_v_read; false: no M */
bool ln_v_positions(const ln_vitem *m, ln_str *items, size_t *count);

/* Bytes that are not UTF-8: {"base64": …}; opaque: "⟨unknown⟩"; nil, NaN, inf: null; a mixed table: an object
** with "1", "2" … among its keys.  A float stays one to look at (1.0), and reads back as the same. */
void ln_v_to_json(ln_str v, ln_json *j);
/* objects (or empty texts): a's members, b's over them, sorted; false: no object, or full */
bool ln_v_merge(ln_buf *out, ln_str a, ln_str b);

#endif
