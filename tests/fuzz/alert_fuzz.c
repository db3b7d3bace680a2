/* alert_fuzz.c: alerts of any product, as they come in.  Each is normalised into JSON, or refused with a
** reason. */
#include "cli/app.h"
#include "engine/intake.h"
#include "tests/fuzz/fuzz.h"

static bool is_json(void *arg, ln_str json) {
  ln_app *app = arg;
  ln_err err = {0};
  ln_buf value;
  ln_buf_init(&value, (size_t)64 << 20);
  must(ln_host_json(app->g.host, json, &value, &err));
  ln_buf_free(&value);
  return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  static ln_app app;
  static bool open;
  ln_app_opts o = {0};
  ln_err err = {0};
  if (!open) must(open = ln_app_open(&app, &o, &err));
  if (!ln_intake_normalise(&app.g, fuzz_str(data, n), is_json, &app, &err)) must(err.code[0] && err.message[0]);
  return 0;
}
