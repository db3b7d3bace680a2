/* signature_fuzz.c: the headers in which a delivery's signature and time come.  What is read has at least one
** signature, and a time that lies in the header. */
#include "base/signature.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  ln_signature s;
  ln_str header = fuzz_str(data, n);
  ln_err err = {0};
  int64_t ms = -1;
  if (!ln_signature_read(header, &s, &err)) {
    must(err.code[0] && err.message[0]);
    return 0;
  }
  must(s.n >= 1 && s.n <= LN_SIGNATURE_MACS);
  must(!s.time.n || (s.time.p >= header.p && s.time.p + s.time.n <= header.p + header.n));
  if (s.time.n && ln_signature_time(s.time, &ms, &err)) must(s.time.n > 16 || ms >= 0);
  return 0;
}
