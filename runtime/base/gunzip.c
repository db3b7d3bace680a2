/* gunzip.c: see gunzip.h.  A bomb is a thousand times larger than its wire: so output is made a piece at a
** time, into a buffer that has a bound. */
#include "base/gunzip.h"

#include <zlib.h>

bool ln_is_gzip(ln_str s) { return s.n > 2 && (uint8_t)s.p[0] == 0x1f && (uint8_t)s.p[1] == 0x8b; }

/* Goes on with the next member, if there is one. */
static bool next_member(z_stream *z, int *rc) {
  if (*rc != Z_STREAM_END || z->avail_in == 0) return false;
  *rc = inflateReset(z);
  return *rc == Z_OK;
}

static int unpack(z_stream *z, ln_buf *out) {
  enum { PIECE = 1 << 16 };
  int rc = Z_OK;
  do {
    char *room = ln_buf_room(out, out->max - out->n < PIECE ? out->max - out->n : PIECE);
    size_t n = out->max - out->n < PIECE ? out->max - out->n : PIECE;
    if (!room) return Z_MEM_ERROR;
    z->next_out = (Bytef *)room;
    z->avail_out = (uInt)n;
    rc = inflate(z, Z_NO_FLUSH);
    ln_buf_grew(out, n - z->avail_out);
    if (rc == Z_OK && out->n == out->max) return Z_MEM_ERROR;
  } while (rc == Z_OK || next_member(z, &rc));
  return rc;
}

bool ln_gunzip(ln_str packed, ln_buf *out, ln_err *err) {
  enum { GZIP = 16 + MAX_WBITS };
  z_stream z = {.next_in = (Bytef *)(uintptr_t)packed.p, .avail_in = (uInt)packed.n};
  if (packed.n > UINT32_MAX / 2) return ln_fail(err, "too_big", LN_FINAL, "%zu bytes of gzip", packed.n);
  if (inflateInit2(&z, GZIP) != Z_OK) return ln_fail(err, "memory", LN_AGAIN, "no memory to unpack gzip");
  int rc = unpack(&z, out);
  inflateEnd(&z);
  if (rc == Z_STREAM_END) return true;
  if (rc != Z_MEM_ERROR) return ln_fail(err, "bad_argument", LN_FINAL, "this gzip is damaged, or cut short");
  return ln_fail(err, "too_big", LN_FINAL, "unpacked it has more than %zu bytes", out->max);
}
