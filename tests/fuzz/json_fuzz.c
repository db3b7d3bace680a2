/* json_fuzz.c: JSON texts.  What is taken is a whole value, and comes back the same from the text that it is
** written as; what is refused is refused with a reason. */
#include "engine/values.h"
#include "tests/fuzz/fuzz.h"

static void comes_back(ln_host *h, ln_str value) {
  ln_err err = {0};
  ln_buf text, again;
  ln_buf_init(&text, (size_t)64 << 20);
  ln_buf_init(&again, (size_t)64 << 20);
  must(ln_json_encode(value, &text, &err));
  must(ln_host_json(h, ln_buf_view(&text), &again, &err));
  must(ln_str_eq(value, ln_buf_view(&again)));
  ln_buf_free(&text);
  ln_buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  static ln_host *h;
  ln_err err = {0};
  ln_buf value;
  if (!h) must(h = ln_host_new(&err));
  ln_buf_init(&value, (size_t)64 << 20);
  if (ln_host_json(h, fuzz_str(data, n), &value, &err)) {
    must(ln_v_check(ln_buf_view(&value), &err));
    comes_back(h, ln_buf_view(&value));
  } else {
    must(err.code[0] && err.message[0]);
  }
  ln_buf_free(&value);
  return 0;
}
