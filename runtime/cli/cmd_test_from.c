/* cmd_test_from.c: tests that are written: of a past run (lunette test --from-run), or of a playbook that
** has none (lunette new test).  One is written, gone through once to see what its run does (no journal
** holds arguments), written with that, and gone through again. */
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

static bool write_test(const ln_test_making *m, ln_engine *g, const ln_test_seen *s, const char *mode,
                       ln_err *err) {
  ln_buf text;
  ln_buf_init(&text, TEXT_MAX);
  bool ok = m->text(m->arg, g, s, &text, err) && write_text(m->path, mode, ln_buf_view(&text), err);
  ln_buf_free(&text);
  return ok;
}

static void see(void *arg, const ln_playtest_result *r) {
  ln_test_seen *s = arg;
  s->ok = r->ok;
  snprintf(s->ended, sizeof s->ended, "%.*s", LN_STR_ARG(r->ended));
  ln_buf_cut(&s->written, 0);
  ln_buf_cut(&s->why, 0);
  ln_buf_add(&s->written, r->written);
  ln_buf_add(&s->why, r->why);
}

static bool try_it(ln_simset *set, const char *path, ln_test_seen *s, ln_err *err) {
  ln_playtest_sum sum = {0};
  ln_playtest_opts o = ln_test_opts();
  o.told = see;
  o.arg = s;
  return ln_playtest_go(set, &path, 1, &o, &sum, err);
}

static bool make(const ln_test_making *m, ln_engine *g, ln_config *c, ln_test_seen *s, ln_err *err) {
  if (!write_test(m, g, s, "wbxe", err)) return false;
  ln_simset *set = ln_test_folder(err) ? ln_test_set(c, err) : NULL;
  return set && try_it(set, m->path, s, err) && write_test(m, g, s, "wbe", err) &&
         try_it(set, m->path, s, err);
}

int ln_test_make(const ln_test_making *m, ln_app *app, ln_config *c) {
  ln_err err = {0};
  ln_test_seen s = {.ok = false};
  int code = LN_EXIT_DONE;
  ln_buf_init(&s.written, TEXT_MAX);
  ln_buf_init(&s.why, TEXT_MAX);
  if (!make(m, &app->g, c, &s, &err)) {
    code = ln_app_fail(&err);
  } else if (!s.ok) {
    code = LN_EXIT_FAILED;
    ln_app_usage("%s was written, and does not pass: %s", m->path, m->otherwise);
    ln_app_put_lines(stderr, ln_buf_view(&s.why));
    fputc('\n', stderr);
  } else {
    ln_app_put(stdout, ln_str_of(m->path), 0);
    putchar('\n');
  }
  ln_buf_free(&s.written);
  ln_buf_free(&s.why);
  return code;
}

static bool text_of_run(void *arg, ln_engine *g, const ln_test_seen *s, ln_buf *out, ln_err *err) {
  const ln_buf *from = arg;
  return ln_playtest_text(g, ln_buf_view(from), ln_buf_view(&s->written), out, err);
}

int ln_test_from(const ln_test_args *a) {
  ln_app_opts o = {.config = a->config, .must_exist = true, .looks = true};
  ln_app app;
  ln_err err = {0};
  ln_buf from;
  ln_test_making m = {a->out, text_of_run, &from, "the scripts do not do what the run did"};
  static ln_config *c; /* the set's, which changes it; the process's */
  c = ln_config_load(a->config, &err);
  ln_buf_init(&from, TEXT_MAX);
  bool ok = c && ln_app_open(&app, &o, &err);
  int code = ok && ln_playtest_from(&app.g, ln_str_of(a->from), &from, &err) ? ln_test_make(&m, &app, c)
                                                                             : ln_app_fail(&err);
  ln_buf_free(&from);
  if (ok) ln_app_close(&app);
  return code;
}
