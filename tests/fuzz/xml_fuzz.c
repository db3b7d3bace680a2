/* xml_fuzz.c: XML texts.  What is taken is a whole value; what is refused is refused with a reason. */
#include "engine/values.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  static ln_host *h;
  ln_err err = {0};
  ln_buf value;
  if (!h) must(h = ln_host_new(&err));
  ln_buf_init(&value, (size_t)64 << 20);
  if (ln_host_xml(h, fuzz_str(data, n), &value, &err)) must(ln_v_check(ln_buf_view(&value), &err));
  else must(err.code[0] && err.message[0]);
  ln_buf_free(&value);
  return 0;
}
