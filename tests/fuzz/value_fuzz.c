/* value_fuzz.c: encoded values, as journals, rows and sockets hold them.  What passes the check can be read
** to its last item, and written as a text; what does not is never read beyond its end. */
#include "base/json.h"
#include "engine/value.h"
#include "tests/fuzz/fuzz.h"

static void look(ln_str v) {
  ln_vitem item;
  ln_str key;
  while (v.n && ln_v_read(&v, &item)) {
    if (item.tag == 'A') look(item.body);
    if (item.tag != 'O') continue;
    for (ln_str rest = item.body; rest.n && ln_v_read_key(&rest, &key) && ln_v_read(&rest, &item);)
      look(item.whole);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  ln_err err = {0};
  ln_vitem found;
  ln_buf text;
  ln_json j;
  ln_str v = fuzz_str(data, n);
  if (!ln_v_check(v, &err)) {
    must(err.message[0]);
    return 0;
  }
  look(v);
  ln_v_get(v, LN_STR("run"), &found);
  ln_buf_init(&text, (size_t)64 << 20);
  ln_json_init(&j, &text);
  ln_v_to_json(v, &j);
  must(text.n > 0);
  ln_buf_free(&text);
  return 0;
}
