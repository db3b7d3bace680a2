/* cmd_test_from.c: lunette test --from-run: a test that does what a past run did.  It is written, gone through
** once to see what it writes (no journal holds the arguments), written with that, and gone through again. */
#include "cli/cmd_test.h"

#include "debug/playtest_from.h"
#include "engine/simhost.h"

#include <errno.h>
#include <stdlib.h>

enum { TEXT_MAX = 256 << 20 };

static bool write_text(const char *path, const char *mode, ln_str text, ln_err *err) {
  FILE *f = fopen(path, mode);
  if (!f && errno == EEXIST)
    return ln_fail(err, "conflict", LN_FINAL, "%s is there already: take another name", path);
  bool ok = f && fwrite(text.p, 1, text.n, f) == text.n;
  if (f) ok = fclose(f) == 0 && ok;
  return ok || ln_fail(err, "failed", LN_FINAL, "%s cannot be written: %s", path, strerror(errno));
}

static bool write_test(ln_app *app, ln_str from, ln_str written, const char *path, const char *mode, ln_err *err) {
  ln_buf text;
  ln_buf_init(&text, TEXT_MAX);
  bool ok = ln_playtest_text(&app->g, from, written, &text, err) && write_text(path, mode, ln_buf_view(&text), err);
  ln_buf_free(&text);
  return ok;
}

typedef struct seeing {
  ln_buf written, why;
  bool ok;
} seeing;

static void see(void *arg, const ln_playtest_result *r) {
  seeing *s = arg;
  s->ok = r->ok;
  ln_buf_cut(&s->written, 0);
  ln_buf_cut(&s->why, 0);
  ln_buf_add(&s->written, r->written);
  ln_buf_add(&s->why, r->why);
}

static bool try_it(ln_simset *set, const char *path, seeing *s, ln_err *err) {
  ln_playtest_sum sum = {0};
  ln_playtest_opts o = ln_test_opts();
  o.told = see;
  o.arg = s;
  return ln_playtest_go(set, &path, 1, &o, &sum, err);
}

static bool make(ln_app *app, ln_config *c, const ln_test_args *a, seeing *s, ln_err *err) {
  ln_buf from;
  ln_buf_init(&from, TEXT_MAX);
  bool ok = ln_playtest_from(&app->g, ln_str_of(a->from), &from, err) &&
            write_test(app, ln_buf_view(&from), (ln_str){NULL, 0}, a->out, "wbxe", err);
  ln_simset *set = ok && ln_test_folder(err) ? ln_test_set(c, err) : NULL;
  ok = set && try_it(set, a->out, s, err) &&
       write_test(app, ln_buf_view(&from), ln_buf_view(&s->written), a->out, "wbe", err) &&
       try_it(set, a->out, s, err);
  ln_buf_free(&from);
  return ok;
}

int ln_test_from(const ln_test_args *a) {
  ln_app_opts o = {.config = a->config, .must_exist = true, .looks = true};
  ln_app app;
  ln_err err = {0};
  seeing s = {.ok = false};
  ln_buf_init(&s.written, TEXT_MAX);
  ln_buf_init(&s.why, TEXT_MAX);
  ln_config *c = ln_config_load(a->config, &err);
  int code = LN_EXIT_DONE;
  if (!c || !ln_app_open(&app, &o, &err)) return ln_app_fail(&err);
  if (!make(&app, c, a, &s, &err)) {
    code = ln_app_fail(&err);
  } else if (!s.ok) {
    code = LN_EXIT_FAILED;
    ln_app_usage("%s was written, and does not pass: the scripts do not do what run %s did:", a->out, a->from);
    ln_app_put_lines(stderr, ln_buf_view(&s.why));
    fputc('\n', stderr);
  } else {
    ln_app_put(stdout, ln_str_of(a->out), 0);
    putchar('\n');
  }
  ln_buf_free(&s.written);
  ln_buf_free(&s.why);
  ln_app_close(&app);
  return code;
}
