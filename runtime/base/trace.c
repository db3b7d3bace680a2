/* trace.c: see trace.h. */
#include "base/trace.h"

#include "base/hash.h"

#include <stdlib.h>

/* Lower case only, as the header has it. */
static bool read_hex(ln_str s, uint8_t *out, size_t n) {
  for (size_t i = 0; i < s.n; i++)
    if (s.p[i] >= 'A' && s.p[i] <= 'F') return false;
  return ln_unhex(s, out, n);
}

static bool is_zero(const uint8_t *p, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (p[i]) return false;
  return true;
}

/* "00-TRACE-SPAN-FLAGS".  A later version may have more behind it, after another dash. */
bool ln_trace_read(ln_str h, ln_trace *out) {
  ln_trace t;
  uint8_t version, flags;
  if (h.n < LN_TRACEPARENT || h.p[2] != '-' || h.p[35] != '-' || h.p[52] != '-') return false;
  if (!read_hex((ln_str){h.p, 2}, &version, 1) || version == 0xff) return false;
  if (h.n > LN_TRACEPARENT && (version == 0 || h.p[LN_TRACEPARENT] != '-')) return false;
  if (!read_hex((ln_str){h.p + 3, 32}, t.id, LN_TRACE_ID) || is_zero(t.id, LN_TRACE_ID)) return false;
  if (!read_hex((ln_str){h.p + 36, 16}, t.span, LN_SPAN_ID) || is_zero(t.span, LN_SPAN_ID)) return false;
  if (!read_hex((ln_str){h.p + 53, 2}, &flags, 1)) return false;
  t.sampled = flags & 1;
  *out = t;
  return true;
}

void ln_trace_write(const ln_trace *t, char out[LN_TRACEPARENT + 1]) {
  memcpy(out, "00-", 3);
  ln_hex(t->id, LN_TRACE_ID, out + 3);
  out[35] = '-';
  ln_hex(t->span, LN_SPAN_ID, out + 36);
  memcpy(out + 52, t->sampled ? "-01" : "-00", 4);
}

bool ln_trace_has_span(const ln_trace *t) { return !is_zero(t->span, LN_SPAN_ID); }

/* Where no hash can be computed the id is a constant: a trace is no reason to stop. */
static void name_to_id(ln_str kind, ln_str name, uint8_t *id, size_t n) {
  uint8_t sha[LN_SHA256] = {0};
  ln_sha256_2(kind, name, sha);
  memcpy(id, sha, n);
  if (is_zero(id, n)) id[n - 1] = 1;
}

void ln_trace_id_of(const char *kind, ln_str name, uint8_t id[LN_TRACE_ID]) {
  name_to_id(ln_str_of(kind), name, id, LN_TRACE_ID);
}

void ln_span_id_of(const char *kind, ln_str run, ln_str name, uint8_t id[LN_SPAN_ID]) {
  uint8_t sha[LN_SHA256] = {0};
  ln_sha256_2(run, name, sha);
  name_to_id(ln_str_of(kind), (ln_str){(const char *)sha, sizeof sha}, id, LN_SPAN_ID);
}

/* The last seven bytes are what W3C asks to be random. */
bool ln_trace_in_share(const uint8_t id[LN_TRACE_ID], double share) {
  uint64_t v = 0;
  for (int i = LN_TRACE_ID - 7; i < LN_TRACE_ID; i++) v = v << 8 | id[i];
  return (double)v < share * 72057594037927936.0;        /* 2^56 */
}
