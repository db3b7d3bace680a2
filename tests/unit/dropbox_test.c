/* dropbox_test.c: a folder of alerts, with a stand-in for what takes them: which file is read when, and which
** one is moved. */
#include "engine/dropbox.h"

#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>

enum { TEXTS = 8 };

static ln_config config;
static ln_engine engine = {.config = &config};
static ln_dropbox *box;
static ln_timer guard;
static struct { char text[64]; ln_alerts_fn fn; void *arg; } given[TEXTS]; /* what was handed in, in order */
static int n_given, asked;
static const char *refused;                              /* with that code; NULL: all is taken           */

/* In the place of engine/alerts.c, which is not drawn in. */
bool ln_alerts_take(ln_alerts *a, ln_str text, const ln_alert_from *from, ln_alerts_fn fn, void *arg,
                    ln_err *err) {
  (void)a;
  assert_true(ln_str_eq(from->by, LN_STR("folder")));
  engine.loop->stop(engine.loop);
  asked++;
  if (refused) return ln_fail(err, refused, LN_AGAIN, "it is refused");
  assert_true(n_given < TEXTS);
  snprintf(given[n_given].text, sizeof given->text, "%.*s", LN_STR_ARG(text));
  given[n_given].fn = fn;
  given[n_given++].arg = arg;
  return true;
}

static void too_long(void *arg) {
  (void)arg;
  fail_msg("nothing is handed in");
}

static void put(const char *name, const char *text) {
  char hidden[64];
  snprintf(hidden, sizeof hidden, ".%s", name);
  FILE *f = fopen(in_scratch(hidden), "w");
  assert_non_null(f);
  fputs(text, f);
  fclose(f);
  assert_int_equal(rename(in_scratch(hidden), in_scratch(name)), 0);
}

static bool holds(const char *name, const char *text) {
  char line[64] = "";
  FILE *f = fopen(in_scratch(name), "r");
  if (!f) return false;
  bool same = fgets(line, sizeof line, f) && strcmp(line, text) == 0;
  fclose(f);
  return same;
}

static void answer(int i) { given[i].fn(given[i].arg, (ln_str){NULL, 0}, NULL); }

static int begin(void **state) {
  ln_err err = {.code = ""};
  (void)state;
  scratch_make();
  n_given = asked = 0;
  refused = NULL;
  engine.loop = ln_loop_uv(&err);
  guard = (ln_timer){.fn = too_long};
  return engine.loop && engine.loop->timer(engine.loop, &guard, 20000) ? 0 : -1;
}

static void start(void) {
  ln_err err = {.code = ""};
  box = ln_dropbox_start(&engine, NULL, ln_str_of(scratch), &err);
  if (!box) fail_msg("%s", err.message);
  engine.loop->run(engine.loop);
}

static int end(void **state) {
  (void)state;
  ln_dropbox_stop(box);
  engine.loop->cancel(engine.loop, &guard);
  engine.loop->run(engine.loop);
  engine.loop->free(engine.loop);
  scratch_drop();
  return 0;
}

/* The name has come to stand for another file while the first one's alerts went to disk. */
static void test_another_in_its_place(void **state) {
  (void)state;
  put("a", "one");
  start();
  assert_string_equal(given[0].text, "one");
  put("a", "two");
  answer(0);
  assert_true(holds("a", "two"));
  assert_false(holds("done/a", "two"));
  engine.loop->run(engine.loop);
  assert_string_equal(given[1].text, "two");
  answer(1);
  assert_true(holds("done/a", "two"));
}

/* It is neither read again and again, nor does it stand in the way; and is moved as soon as that can be. */
static void test_cannot_be_moved(void **state) {
  (void)state;
  put("a", "one");
  assert_int_equal(symlink("nowhere", in_scratch("done")), 0);
  start();
  answer(0);
  put("b", "two");
  engine.loop->run(engine.loop);
  assert_int_equal(n_given, 2);
  assert_string_equal(given[1].text, "two");
  answer(1);
  assert_true(holds("a", "one") && holds("b", "two"));
  assert_int_equal(remove(in_scratch("done")), 0);
  put("c", "three");
  engine.loop->run(engine.loop);
  assert_int_equal(n_given, 3);
  assert_true(holds("done/a", "one") && holds("done/b", "two"));
  answer(2);
  assert_true(holds("done/c", "three"));
}

/* While there is no room for one, no other is read. */
static void test_no_room(void **state) {
  (void)state;
  put("a", "one");
  put("b", "two");
  put("c", "three");
  refused = "unavailable";
  start();
  assert_int_equal(asked, 1);
  refused = NULL;
  engine.loop->run(engine.loop);                         /* it is tried again */
  assert_int_equal(n_given, 3);
  for (int i = 0; i < 3; i++) answer(i);
  assert_true(holds("done/a", "one") && holds("done/b", "two") && holds("done/c", "three"));
}

static void test_refused(void **state) {
  (void)state;
  put("a", "one");
  refused = "too_big";
  start();
  assert_true(holds("refused/a", "one"));
  assert_true(holds("refused/a.why", "it is refused"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void) {
  const struct CMUnitTest tests[] = {T(test_another_in_its_place), T(test_cannot_be_moved), T(test_no_room),
                                     T(test_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
