/* session_test.c: sessions: what of them is kept, when they are over, and how many there may be; and what a
** request's headers say of its cookie and of the page that sends it. */
#include "tests/unit/store_help.h"

#include "base/hash.h"
#include "server/person.h"
#include "server/session.h"
#include "server/token.h"

#define TEXT(z)                                                                                              \
  { (z), sizeof(z) - 1 }

static ln_str groups[] = {TEXT("all")};
static ln_config config = {.oidc = {.issuer = TEXT("https://id.example"), .viewer = {groups, 1}}};
static ln_engine engine;

enum { AT = 2000000000, HOUR = 3600000 };

static int setup(void **state) {
  if (make_folder(state)) return -1;
  ln_err err = {.code = ""};
  memset(&engine, 0, sizeof engine);
  engine.store = open_store();
  engine.config = &config;
  return ln_writer_start(engine.store, NULL, &err) ? 0 : -1;
}

static int teardown(void **state) {
  ln_store_close(engine.store);
  return remove_folder(state);
}

/* "x7" stands for an id of 43 characters that ends so. */
static const char *id_of(const char *end) {
  static const char pad[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
  static char text[8][LN_SESSION_TEXT + 1];
  static int turn;
  char *id = text[turn++ % 8];
  snprintf(id, sizeof text[0], "%.*s%s", (int)(LN_SESSION_TEXT - strlen(end)), pad, end);
  return id;
}

static void hash(const char *text, char hex[65]) {
  uint8_t sum[LN_SHA256];
  assert_true(ln_sha256(ln_str_of(text), sum));
  ln_hex(sum, sizeof sum, hex);
}

typedef struct row {
  const char *end, *who, *token;
  int64_t ms;
} row;

static bool add_row(ln_tx *tx, void *arg, ln_err *err) {
  const row *r = arg;
  char sha256[65], origin[65];
  hash(id_of(r->end), sha256);
  assert_true(ln_person_origin(&config.oidc, origin));
  if (r->token[0]) hash(r->token, origin);
  ln_session_row s = {.sha256 = ln_str_of(sha256),
                      .who = ln_str_of(r->who),
                      .role = LN_STR("operator"),
                      .how = r->token[0] ? LN_STR("token") : LN_STR("oidc"),
                      .origin = ln_str_of(origin),
                      .made_ms = r->ms,
                      .used_ms = r->ms,
                      .ends_ms = r->ms + LN_SESSION_MOST_MS};
  return ln_tx_session_add(tx, &s, LN_SESSION_IDLE_MS, err);
}

/* token "": by OIDC, as an operator */
static void begin(const char *end, const char *who, const char *token, int64_t ms) {
  row r = {end, who, token, ms};
  run_job(engine.store, add_row, &r);
}

/* n sessions with the ids PREFIX0 …, `each` of a person, a millisecond apart. */
typedef struct rows {
  const char *prefix;
  int n, each;
  int64_t ms;
} rows;

static bool add_rows(ln_tx *tx, void *arg, ln_err *err) {
  const rows *all = arg;
  char end[16], who[16];
  for (int i = 0; i < all->n; i++) {
    snprintf(end, sizeof end, "%s%d", all->prefix, i);
    snprintf(who, sizeof who, "%s%d", all->prefix, i / all->each);
    row r = {end, who, "", all->ms + i};
    if (!add_row(tx, &r, err)) return false;
  }
  return true;
}

static bool nothing(ln_tx *tx, void *arg, ln_err *err) {
  (void)tx, (void)arg, (void)err;
  return true;
}

static bool believed(const char *end, int64_t ms, ln_caller *c) {
  ln_err err = {.code = ""};
  bool ok = ln_auth_session(&engine, ln_str_of(id_of(end)), ms, c, &err);
  if (!ok) assert_string_equal(err.code, "unauthorised");
  if (!ok) assert_int_equal(c->role, LN_ROLE_NONE);
  return ok;
}

static void test_until_it_is_over(void **state) {
  (void)state;
  ln_caller c;
  begin("1", "ann", "", AT);
  assert_true(believed("1", AT, &c));
  assert_string_equal(c.name, "ann");
  assert_string_equal(c.how, "oidc");
  assert_int_equal(c.role, LN_ROLE_OPERATOR);
  assert_int_equal(c.expires_ms, AT + 12 * (int64_t)HOUR);
  assert_false(believed("2", AT, &c));
  assert_false(believed("1", AT + HOUR, &c)); /* nobody used it meanwhile                      */
  for (int64_t t = AT; t < AT + 12 * (int64_t)HOUR; t += HOUR - 1) {
    assert_true(believed("1", t, &c));
    run_job(engine.store, nothing, NULL); /* the note of its use goes with it              */
  }
  assert_false(believed("1", AT + 12 * (int64_t)HOUR, &c)); /* however much it is used                    */
}

static char *token(const char *name, ln_role role, int64_t expires_ms) {
  ln_err err = {.code = ""};
  ln_buf b;
  ln_buf_init(&b, LN_TOKEN_TEXT + 1);
  assert_true(ln_token_add(engine.store, ln_str_of(name), role, expires_ms, LN_STR("root"), &b, &err));
  return ln_buf_take(&b, NULL);
}

/* It may what its token may, and as long as that. */
static void test_of_a_token(void **state) {
  (void)state;
  ln_caller c;
  ln_err err = {.code = ""};
  bool was;
  int64_t far = 4000000000000;
  char *one = token("ann", LN_ROLE_VIEWER, far + HOUR / 2), *two = token("bob", LN_ROLE_ADMIN, 0);
  begin("1", "ann", one, far);
  begin("2", "bob", two, far);
  begin("3", "eve", "lnt_none", far); /* of a token that never was                     */
  assert_true(believed("1", far, &c));
  assert_int_equal(c.role, LN_ROLE_VIEWER);
  assert_int_equal(c.expires_ms, far + HOUR / 2);
  assert_false(believed("1", far + HOUR / 2, &c));
  assert_true(believed("2", far, &c));
  assert_int_equal(c.role, LN_ROLE_ADMIN);
  assert_false(believed("3", far, &c));
  assert_true(ln_token_rm(engine.store, LN_STR("bob"), LN_STR("root"), &was, &err));
  assert_false(believed("2", far, &c));
  free(one);
  free(two);
}

/* What was shown once is looked at again by streams that go on. */
static void test_still(void **state) {
  (void)state;
  ln_err err = {.code = ""};
  bool was;
  int64_t far = 4000000000000;
  char *one = token("ann", LN_ROLE_VIEWER, far + HOUR);
  ln_caller by_token, by_session;
  begin("1", "ann", one, far);
  assert_true(ln_auth_bearer(&engine, ln_str_of(one), far, &by_token, &err));
  assert_true(believed("1", far, &by_session));
  assert_true(ln_auth_still(&engine, &by_token, far));
  assert_true(ln_auth_still(&engine, &by_session, far));
  assert_false(ln_auth_still(&engine, &by_token, far + HOUR));
  assert_false(ln_auth_still(&engine, &by_session, far + HOUR));
  assert_true(ln_token_rm(engine.store, LN_STR("ann"), LN_STR("root"), &was, &err));
  assert_false(ln_auth_still(&engine, &by_token, far));
  assert_false(ln_auth_still(&engine, &by_session, far));
  assert_false(ln_auth_still(&engine, &(ln_caller){.role = LN_ROLE_ADMIN}, far));
  free(one);
}

/* Whoever is let in by other rules has to come by them. */
static void test_of_other_rules(void **state) {
  (void)state;
  ln_caller c;
  const ln_oidc_config was = config.oidc;
  begin("1", "ann", "", AT);
  config.oidc.admin = was.viewer;
  assert_false(believed("1", AT, &c));
  config.oidc = (ln_oidc_config){.issuer = LN_STR("")};
  assert_false(believed("1", AT, &c));
  config.oidc = was;
  assert_true(believed("1", AT, &c));
}

static int count(const char *prefix, int n, int64_t ms) {
  ln_caller c;
  int found = 0;
  char end[16];
  for (int i = 0; i < n; i++) {
    snprintf(end, sizeof end, "%s%d", prefix, i);
    found += believed(end, ms, &c);
  }
  return found;
}

static void test_how_many(void **state) {
  (void)state;
  ln_caller c;
  rows of_one = {"p", 20, 20, AT}, of_many = {"q", 1024, 10, AT + 100};
  run_job(engine.store, add_rows, &of_one);
  assert_int_equal(count("p", 20, AT + 20), 16);
  assert_false(believed("p3", AT + 20, &c)); /* the first ones made room                      */
  assert_true(believed("p4", AT + 20, &c));
  run_job(engine.store, add_rows, &of_many);
  assert_int_equal(count("p", 20, AT + 2000), 0);
  assert_true(believed("q0", AT + 2000, &c));
  begin("r", "late", "", AT + 3000);
  assert_false(believed("q0", AT + 3000, &c));
  assert_true(believed("q1", AT + 3000, &c));
}

/* ------------------------------------------------------------------ headers */

static bool from_own(const char *own, bool secure, const ln_header *h, size_t n) {
  const ln_server_request r = {.headers = h, .n_headers = n};
  return ln_from_own_page(&r, ln_str_of(own), secure);
}

static void test_whose_page(void **state) {
  (void)state;
  const ln_header host = {LN_STR("Host"), LN_STR("ir.example:8443")};
  static const struct {
    const char *origin;
    bool by_host, by_own;
  } cases[] = {{"https://ir.example:8443", true, false},
               {"HTTPS://IR.example:8443", true, false},
               {"https://ir.example", false, true},
               {"https://ir.example:443", false, false},
               {"ftp://ir.example:8443", false, false},
               {"null", false, false},
               {"", false, false},
               {"https://ir.example:8443.evil", false, false},
               {"//ir.example:8443", false, false},
               {"http://ir.example", false, false}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const ln_header h[] = {host, {LN_STR("Origin"), ln_str_of(cases[i].origin)}};
    if (from_own("", false, h, 2) != cases[i].by_host) fail_msg("by Host: %s", cases[i].origin);
    if (from_own("https://ir.example", true, h, 2) != cases[i].by_own)
      fail_msg("by name: %s", cases[i].origin);
  }
  const ln_header plain[] = {host, {LN_STR("Origin"), LN_STR("http://ir.example:8443")}};
  assert_true(from_own("", false, plain, 2));
  assert_false(from_own("", true, plain, 2));
  const ln_header twice[] = {host,
                             {LN_STR("Origin"), LN_STR("https://ir.example:8443")},
                             {LN_STR("origin"), LN_STR("https://ir.example:8443")}};
  assert_false(from_own("", false, twice, 3));
  assert_false(from_own("", false, twice + 1, 1)); /* no Host to compare with                       */
}

static void test_cookies(void **state) {
  (void)state;
  static const struct {
    const char *text, *plain, *secure;
  } cases[] = {{"lunette=a", "a", ""},
               {"lunette=a; lunette=b", "", ""},
               {"__Host-lunette=a; lunette=b", "b", "a"},
               {"x=1;lunette=a ;y=2", "a", ""},
               {"Lunette=a", "", ""},
               {"lunette", "", ""},
               {"xlunette=a", "", ""},
               {"lunette=a=b", "a=b", ""},
               {";;lunette=;", "", ""}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const ln_header h = {LN_STR("cookie"), ln_str_of(cases[i].text)};
    const ln_server_request r = {.headers = &h, .n_headers = 1};
    if (!ln_str_eq(ln_session_shown(&r, false), ln_str_of(cases[i].plain)) ||
        !ln_str_eq(ln_session_shown(&r, true), ln_str_of(cases[i].secure)))
      fail_msg("%s", cases[i].text);
  }
}

int main(void) {
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
  const struct CMUnitTest tests[] = {T(test_until_it_is_over),
                                     T(test_of_a_token),
                                     T(test_of_other_rules),
                                     T(test_still),
                                     T(test_how_many),
                                     cmocka_unit_test(test_whose_page),
                                     cmocka_unit_test(test_cookies)};
  return cmocka_run_group_tests_name("sessions", tests, NULL, NULL);
}
