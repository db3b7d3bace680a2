/* token_test.c: API tokens: their form, what of them is kept, and when they are believed. */
#include "tests/unit/store_help.h"

#include "server/token.h"

#include <sqlite3.h>

static ln_engine engine;

static int setup(void **state) {
  if (make_folder(state)) return -1;
  ln_err err = {.code = ""};
  memset(&engine, 0, sizeof engine);
  engine.store = open_store();
  return ln_writer_start(engine.store, NULL, &err) ? 0 : -1;
}

static int teardown(void **state) {
  ln_store_close(engine.store);
  return remove_folder(state);
}

static int64_t number(const char *sql) {
  sqlite3 *db;
  sqlite3_stmt *q;
  assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
  assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_step(q), SQLITE_ROW);
  int64_t n = sqlite3_column_int64(q, 0);
  sqlite3_finalize(q);
  sqlite3_close(db);
  return n;
}

static bool nothing(ln_tx *tx, void *arg, ln_err *err) {
  (void)tx, (void)arg, (void)err;
  return true;
}

/* Jobs that nobody waits for go with the next one that somebody does. */
static void settle(void) { run_job(engine.store, nothing, NULL); }

/* "" : refused. */
static char *add(const char *name, ln_role role, int64_t expires_ms) {
  static char text[8][LN_TOKEN_TEXT + 1];
  static int turn;
  char *out = text[turn++ % 8];
  ln_err err = {.code = ""};
  ln_buf b;
  ln_buf_init(&b, LN_TOKEN_TEXT + 1);
  bool ok = ln_token_add(engine.store, ln_str_of(name), role, expires_ms, LN_STR("root"), &b, &err);
  if (ok) assert_int_equal(b.n, LN_TOKEN_TEXT);
  else assert_int_equal(b.n, 0);
  snprintf(out, LN_TOKEN_TEXT + 1, "%.*s", (int)b.n, b.p ? b.p : "");
  ln_buf_wipe(&b);
  return out;
}

static ln_caller believed(const char *token, int64_t now_ms) {
  ln_err err = {.code = ""};
  ln_caller c;
  bool ok = ln_auth_bearer(&engine, ln_str_of(token), now_ms, &c, &err);
  if (!ok) print_message("%s\n", err.message);
  assert_true(ok);
  return c;
}

static void refused(const char *token, size_t n, int64_t now_ms) {
  ln_err err = {.code = ""};
  ln_caller c = {.role = LN_ROLE_ADMIN};
  assert_false(ln_auth_bearer(&engine, (ln_str){token, n}, now_ms, &c, &err));
  assert_string_equal(err.code, "unauthorised");
  assert_int_equal(c.role, LN_ROLE_NONE);
  assert_string_equal(c.name, "");
  if (n >= 8) assert_null(strstr(err.message, token));
}

static void test_its_form(void **state) {
  (void)state;
  char *one = add("a", LN_ROLE_VIEWER, 0), *two = add("b", LN_ROLE_VIEWER, 0);
  assert_string_not_equal(one, two);
  assert_int_equal(strncmp(one, "lnt_", 4), 0);
  assert_true(ln_token_well_formed(ln_str_of(one)));
  assert_false(ln_token_well_formed((ln_str){one, LN_TOKEN_TEXT - 1}));
  for (int i = 0; i < LN_TOKEN_TEXT; i++) { /* no character may be another one */
    char was = one[i];
    one[i] = was == 'A' ? 'B' : 'A';
    assert_false(ln_token_well_formed(ln_str_of(one)));
    one[i] = ' ';
    assert_false(ln_token_well_formed(ln_str_of(one)));
    one[i] = was;
  }
}

static void test_only_its_hash_is_kept(void **state) {
  (void)state;
  char *one = add("a", LN_ROLE_VIEWER, 0), sql[400];
  uint8_t sum[LN_SHA256];
  char hex[2 * LN_SHA256 + 1];
  assert_true(ln_sha256(ln_str_of(one), sum));
  ln_hex(sum, sizeof sum, hex);
  snprintf(sql, sizeof sql, "SELECT count(*) FROM token WHERE sha256 = '%s'", hex);
  assert_int_equal(number(sql), 1);
  snprintf(sql, sizeof sql,
           "SELECT count(*) FROM token, audit WHERE instr(sha256 || handle || detail || created_by, '%s')",
           one + 4);
  assert_int_equal(number(sql), 0);
}

static void test_whose_it_is(void **state) {
  (void)state;
  static const ln_role roles[] = {LN_ROLE_VIEWER, LN_ROLE_OPERATOR, LN_ROLE_APPROVER, LN_ROLE_ADMIN};
  for (int i = 0; i < 4; i++) {
    char *token = add(ln_role_name(roles[i]), roles[i], 0);
    ln_caller c = believed(token, 1000000);
    assert_int_equal(c.role, roles[i]);
    assert_string_equal(c.name, ln_role_name(roles[i]));
  }
  assert_int_equal(number("SELECT count(*) FROM audit WHERE what = 'token added' AND who = 'root'"), 4);
}

static void test_what_is_refused(void **state) {
  (void)state;
  char *token = add("a", LN_ROLE_ADMIN, 0), *other = add("gone", LN_ROLE_ADMIN, 0);
  char cut[LN_TOKEN_TEXT + 1];
  ln_err err = {.code = ""};
  bool was;
  refused("", 0, 1);
  refused("lnt_", 4, 1);
  refused(token, LN_TOKEN_TEXT - 1, 1);
  memcpy(cut, token, sizeof cut);
  cut[20] = cut[20] == 'x' ? 'y' : 'x';
  refused(cut, LN_TOKEN_TEXT, 1);
  believed(other, 1);
  assert_true(ln_token_rm(engine.store, LN_STR("gone"), LN_STR("root"), &was, &err));
  assert_true(was);
  refused(other, LN_TOKEN_TEXT, 1);
  assert_true(ln_token_rm(engine.store, LN_STR("gone"), LN_STR("root"), &was, &err));
  assert_false(was);
  believed(token, 1);
  assert_int_equal(number("SELECT count(*) FROM audit WHERE what = 'token removed'"), 1);
}

static void test_until_it_expires(void **state) {
  (void)state;
  int64_t far = 4000000000000;
  char *token = add("a", LN_ROLE_VIEWER, far);
  believed(token, far - 1);
  refused(token, LN_TOKEN_TEXT, far);
  refused(token, LN_TOKEN_TEXT, far + 1);
}

static void test_its_last_use(void **state) {
  (void)state;
  int64_t at = 5000000000000;
  char *token = add("a", LN_ROLE_VIEWER, 0);
  believed(token, at);
  settle();
  assert_int_equal(number("SELECT used_ms FROM token"), at);
  int64_t commits = number("SELECT commits FROM meta");
  believed(token, at + 59999);
  settle();
  assert_int_equal(number("SELECT used_ms FROM token"), at);
  assert_int_equal(number("SELECT commits FROM meta"), commits);
  believed(token, at + 60000);
  settle();
  assert_int_equal(number("SELECT used_ms FROM token"), at + 60000);
}

/* A minute's first refusals are records; the others a number in the next minute's first one. */
static void test_who_guesses_fills_no_disk(void **state) {
  (void)state;
  int64_t at = 6000000000000;
  for (int i = 0; i < 500; i++) refused("guess", 5, at + i);
  settle();
  assert_int_equal(number("SELECT count(*) FROM audit WHERE what = 'sign-in refused'"), 10);
  refused("guess", 5, at + 60000);
  settle();
  assert_int_equal(number("SELECT count(*) FROM audit WHERE what = 'sign-in refused'"), 11);
  assert_int_equal(
      number("SELECT count(*) FROM audit WHERE detail = '{\"untold\":490,\"why\":\"malformed\"}'"), 1);
}

static void test_names(void **state) {
  (void)state;
  static const char *const bad[] = {
      "", "a b", "a/b", "a\n", "é", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_string_equal(add(bad[i], LN_ROLE_VIEWER, 0), "");
  assert_string_not_equal(add("ann@acme.example", LN_ROLE_VIEWER, 0), "");
  assert_string_equal(add("ann@acme.example", LN_ROLE_ADMIN, 0), "");
  assert_int_equal(number("SELECT count(*) FROM token WHERE role = 'viewer'"), 1);
}

static void test_roles(void **state) {
  (void)state;
  static const bool may[5][5] = {/* none viewer operator approver admin: what is needed */
                                 {true, false, false, false, false},
                                 {true, true, false, false, false},
                                 {true, true, true, false, false},
                                 {true, true, false, true, false},
                                 {true, true, true, true, true}};
  for (int has = 0; has < 5; has++)
    for (int needs = 0; needs < 5; needs++)
      assert_int_equal(ln_role_may((ln_role)has, (ln_role)needs), may[has][needs]);
  assert_int_equal(ln_role_of(LN_STR("approver")), LN_ROLE_APPROVER);
  assert_int_equal(ln_role_of(LN_STR("Approver")), LN_ROLE_NONE);
  assert_int_equal(ln_role_of(LN_STR("")), LN_ROLE_NONE);
}

int main(void) {
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
  const struct CMUnitTest tests[] = {T(test_its_form),
                                     T(test_only_its_hash_is_kept),
                                     T(test_whose_it_is),
                                     T(test_what_is_refused),
                                     T(test_until_it_expires),
                                     T(test_its_last_use),
                                     T(test_who_guesses_fills_no_disk),
                                     T(test_names),
                                     cmocka_unit_test(test_roles)};
  return cmocka_run_group_tests_name("tokens", tests, NULL, NULL);
}
