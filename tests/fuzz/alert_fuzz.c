/* alert_fuzz.c: alerts of any product, as they come in, also packed.  Each is normalised into JSON, or told
** with a reason. */
#include "base/gunzip.h"
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

static void is_told(void *arg, const ln_document *d) {
  ln_err err = {0};
  (void)arg;
  must(d->why.n && ln_v_check(d->value, &err));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  static ln_app app;
  static bool open;
  ln_app_opts o = {0};
  ln_err err = {0};
  if (!open) must(open = ln_app_open(&app, &o, &err));
  const ln_alert_show to = {is_json, is_told, &app};
  ln_str text = fuzz_str(data, n);
  ln_buf plain;
  ln_buf_init(&plain, 1 << 20);
  if (!ln_is_gzip(text) || ln_gunzip(text, &plain, &err))
    must(ln_intake_show(&app.g, plain.n ? ln_buf_view(&plain) : text, &to, &err));
  else must(err.code[0] && err.message[0]);
  ln_buf_free(&plain);
  return 0;
}
