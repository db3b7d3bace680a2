/* audit_test.c: the chain of the audit: whatever somebody changes in it, takes out of it, swaps or cuts off
** is found; and what a checkpoint that left the machine has seen cannot be made undone by whoever has the
** store. */
#include "tests/unit/store_help.h"

#include "engine/audit.h"

#include <ctype.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

enum { RECORDS = 9, SEEN = 5 };

static ln_engine engine;
static ln_config config;
static ln_loop *loop;

static void sql(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void sql(const char *fmt, ...) {
  sqlite3 *db;
  char text[600], *why = NULL;
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
  if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK) fail_msg("%s: %s", text, why);
  sqlite3_close(db);
}

static bool add(ln_tx *tx, void *arg, ln_err *err) {
  int i = *(int *)arg;
  char detail[40];
  snprintf(detail, sizeof detail, "{\"n\":%d}", i);
  return ln_tx_audit(tx, 1000 + i, i % 2 ? LN_STR("approved") : LN_STR("freeze"), LN_STR("jo"), 0,
                     ln_str_of(detail), err);
}

static void record(int from, int n) {
  for (int i = from; i < from + n; i++) run_job(engine.store, add, &i);
}

static void checkpoint(ln_buf *line) {
  ln_err err = {.code = ""};
  bool made;
  ln_buf_init(line, 4096);
  bool ok = ln_audit_checkpoint(&engine, line, &made, &err);
  if (!ok) print_message("%s\n", err.message);
  assert_true(ok && made);
}

static int setup(void **state) {
  ln_err err = {.code = ""};
  if (make_folder(state)) return -1;
  memset(&engine, 0, sizeof engine);
  memset(&config, 0, sizeof config);
  if (!(loop = ln_loop_uv(&err))) return -1;
  engine.loop = loop;
  engine.store = open_store();
  engine.config = &config;
  record(1, SEEN);
  return 0;
}

static int teardown(void **state) {
  ln_store_close(engine.store);
  loop->free(loop);
  return remove_folder(state);
}

static char told[4096]; /* the faults, one after the other */

static void keep(void *arg, ln_str what) {
  (void)arg;
  size_t n = strlen(told);
  snprintf(told + n, sizeof told - n, "%.*s\n", LN_STR_ARG(what));
}

static ln_audit_state verify_with(ln_str lines, const char *signer) {
  ln_err err = {.code = ""};
  ln_audit_state s;
  const ln_audit_checks c = {.lines = lines, .signer = ln_str_of(signer), .fault = keep};
  told[0] = '\0';
  bool ok = ln_audit_verify(&engine, &c, &s, &err);
  if (!ok) print_message("%s\n", err.message);
  assert_true(ok);
  return s;
}

static int64_t faults(void) { return verify_with((ln_str){NULL, 0}, NULL).faults; }

static void found(const char *says) {
  assert_true(faults() > 0);
  if (!strstr(told, says)) print_message("%s", told);
  assert_non_null(strstr(told, says));
}

static void test_whole(void **state) {
  (void)state;
  ln_buf line;
  checkpoint(&line);
  record(SEEN + 1, RECORDS - SEEN);
  ln_audit_state s = verify_with(ln_buf_view(&line), NULL);
  assert_int_equal(s.faults, 0);
  assert_int_equal(s.records, RECORDS);
  assert_int_equal(s.checkpoints, 2); /* the kept one, and the line */
  assert_int_equal(strlen(s.signer), 64);
  ln_buf_free(&line);
}

/* Each field of each record, and its hash. */
static void test_each_field_of_each_record(void **state) {
  (void)state;
  static const char *const change[] = {"ms = ms + 1",
                                       "what = 'denied'",
                                       "who = 'ann'",
                                       "who = who || ' '",
                                       "run = 7",
                                       "ulid = '01'",
                                       "detail = detail || ' '",
                                       "hash = zeroblob(32)",
                                       "hash = x'00'",
                                       "what = what || who, who = ''"};
  record(SEEN + 1, RECORDS - SEEN);
  for (int seq = 1; seq <= RECORDS; seq++)
    for (size_t i = 0; i < sizeof change / sizeof *change; i++) {
      sql("CREATE TABLE was AS SELECT * FROM audit WHERE seq = %d; UPDATE audit SET %s WHERE seq = %d", seq,
          change[i], seq);
      assert_true(faults() > 0);
      sql("DELETE FROM audit WHERE seq = %d; INSERT INTO audit SELECT * FROM was; DROP TABLE was", seq);
      assert_int_equal(faults(), 0);
    }
}

static void test_taken_out(void **state) {
  (void)state;
  record(SEEN + 1, RECORDS - SEEN);
  for (int seq = 1; seq < RECORDS; seq++) {
    sql("CREATE TABLE was AS SELECT * FROM audit WHERE seq = %d; DELETE FROM audit WHERE seq = %d", seq, seq);
    found("missing");
    /* and the gap closed */
    sql("UPDATE audit SET seq = seq - 1000 WHERE seq > %d; UPDATE audit SET seq = seq + 999 WHERE seq < 0",
        seq);
    assert_true(faults() > 0);
    sql("UPDATE audit SET seq = seq - 999 WHERE seq >= %d; UPDATE audit SET seq = seq + 1000 WHERE seq < 0;"
        "INSERT INTO audit SELECT * FROM was; DROP TABLE was",
        seq);
    assert_int_equal(faults(), 0);
  }
}

static void test_swapped(void **state) {
  (void)state;
  for (int seq = 1; seq < SEEN; seq++) {
    char text[300];
    snprintf(text, sizeof text,
             "UPDATE audit SET seq = -1 WHERE seq = %d; UPDATE audit SET seq = %d WHERE seq = %d;"
             "UPDATE audit SET seq = %d WHERE seq = -1",
             seq, seq, seq + 1, seq + 1);
    sql("%s", text);
    assert_true(faults() > 0);
    sql("%s", text);
    assert_int_equal(faults(), 0);
  }
}

static void test_cut_off(void **state) {
  (void)state;
  ln_buf line;
  checkpoint(&line);
  sql("DELETE FROM audit WHERE seq = %d", SEEN);
  found("was cut off");
  sql("DELETE FROM checkpoint"); /* whoever has the store has that, too */
  assert_int_equal(faults(), 0);
  assert_int_equal(verify_with(ln_buf_view(&line), NULL).faults, 1);
  assert_non_null(strstr(told, "that left knows record 5: the end was cut off"));
  ln_buf_free(&line);
}

/* All hashes made anew, as whoever knows how can: only what left the machine tells. */
static void test_made_anew(void **state) {
  (void)state;
  ln_buf line;
  checkpoint(&line);
  sql("DELETE FROM audit; DELETE FROM checkpoint");
  record(2, SEEN);
  assert_int_equal(faults(), 0);
  assert_int_equal(verify_with(ln_buf_view(&line), NULL).faults, 1);
  assert_non_null(strstr(told, "up to record 5 it is not what a checkpoint that left"));
  ln_buf_free(&line);
}

static void test_a_checkpoint_is_signed(void **state) {
  (void)state;
  static const char *const parts[] = {"seq=", "hash=", "ms=", "signer=", "signature="};
  ln_buf line;
  char text[1000];
  checkpoint(&line);
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    snprintf(text, sizeof text, "%.*s", LN_STR_ARG(ln_buf_view(&line)));
    char *c = strstr(text, parts[i]) + strlen(parts[i]);
    *c = *c == '1' ? '2' : '1';
    assert_int_equal(verify_with(ln_str_of(text), NULL).faults, 1);
  }
  snprintf(text, sizeof text, "%.*s", 60, line.p);
  assert_int_equal(verify_with(ln_str_of(text), NULL).faults, 1);
  assert_non_null(strstr(told, "line 1 of the checkpoints is damaged"));
  /* within a log, with other lines */
  snprintf(text, sizeof text, "time=x level=info event=other a=b\ntime=x level=info event=%.*s\n",
           LN_STR_ARG(ln_buf_view(&line)));
  assert_int_equal(verify_with(ln_str_of(text), NULL).faults, 0);
  /* a log that is JSON */
  const char *v[5] = {"seq=", "hash=", "ms=", "signer=", "signature="};
  int n = snprintf(text, sizeof text, "{\"time\":\"x\",\"event\":\"audit.checkpoint\"");
  for (int i = 0; i < 5; i++) {
    const char *from = strstr(line.p, v[i]) + strlen(v[i]), *quote = i % 2 ? "\"" : "";
    size_t digits = strcspn(from, " ");
    if (from + digits > line.p + line.n) digits = (size_t)(line.p + line.n - from);
    n += snprintf(text + n, sizeof text - (size_t)n, ",\"%.*s\":%s%.*s%s", (int)strlen(v[i]) - 1, v[i], quote,
                  (int)digits, from, quote);
  }
  snprintf(text + n, sizeof text - (size_t)n, "}\n");
  ln_audit_state json = verify_with(ln_str_of(text), NULL);
  assert_int_equal(json.faults, 0);
  assert_int_equal(json.checkpoints, 2);
  assert_int_equal(verify_with(LN_STR("an empty log\n"), NULL).faults, 1);
  assert_non_null(strstr(told, "no checkpoint"));
  /* somebody else's */
  assert_int_equal(verify_with(ln_buf_view(&line), "00").faults, 2);
  /* the key's case is nobody's matter */
  snprintf(text, sizeof text, "%s", verify_with(ln_buf_view(&line), NULL).signer);
  for (char *c = text; *c; c++) *c = (char)toupper((unsigned char)*c);
  assert_int_equal(verify_with(ln_buf_view(&line), text).faults, 0);
  sql("UPDATE checkpoint SET ms = ms + 1");
  found("not what its signer signed");
  ln_buf_free(&line);
}

/* What strangers have us log is no checkpoint, whatever it says. */
static void test_texts_of_strangers(void **state) {
  (void)state;
  static const char *const lines[] = {
      "time=x level=warn event=intake.refused error=\"audit.checkpoint seq=9\"",
      "time=x level=warn event=intake.refused error=\"a event=audit.checkpoint seq=9 hash=00\"",
      "{\"time\":\"x\",\"event\":\"intake.refused\",\"error\":\"\\\"event\\\":\\\"audit.checkpoint\\\"\"}",
      "{\"event\":\"a\",\"error\":\" event=audit.checkpoint seq=9\"}",
      "it is called audit.checkpoint",
      "event=audit.checkpoints of=others"};
  ln_buf line;
  char text[1200];
  checkpoint(&line);
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    snprintf(text, sizeof text, "%s\nNov 24 10:00:00 host lunette[7]: time=x level=info event=%.*s\n",
             lines[i], LN_STR_ARG(ln_buf_view(&line)));
    ln_audit_state s = verify_with(ln_str_of(text), NULL);
    if (s.faults) print_message("%s: %s", lines[i], told);
    assert_int_equal(s.faults, 0);
    assert_int_equal(s.checkpoints, 2);
  }
  ln_buf_free(&line);
}

/* A line that was cut off (the disk was full) is one by itself: what comes next is read. */
static void test_torn(void **state) {
  (void)state;
  char into[200], text[2000];
  struct stat st;
  ln_buf line;
  snprintf(into, sizeof into, "%s/checkpoints", folder);
  config.audit_checkpoints = ln_str_of(into);
  if (geteuid() == 0) assert_int_equal(chown(folder, 65534, 65534), 0);
  checkpoint(&line);
  assert_int_equal(stat(into, &st), 0);
  assert_int_equal(st.st_uid, geteuid() == 0 ? 65534 : geteuid()); /* the service goes on with it */
  ln_buf_free(&line);
  assert_int_equal(truncate(into, st.st_size - 40), 0);
  record(SEEN + 1, 1);
  checkpoint(&line);
  ln_buf_free(&line);
  FILE *f = fopen(into, "r");
  size_t n = fread(text, 1, sizeof text, f);
  fclose(f);
  ln_audit_state s = verify_with((ln_str){text, n}, NULL);
  assert_int_equal(s.faults, 1);
  assert_non_null(strstr(told, "line 1 of the checkpoints is damaged"));
  assert_int_equal(s.checkpoints, 3); /* two kept, and the second line */
}

static void test_the_key(void **state) {
  (void)state;
  char key[200], into[200];
  struct stat st;
  ln_buf line;
  ln_err err = {.code = ""};
  bool made;
  snprintf(key, sizeof key, "%s.audit.key", path);
  snprintf(into, sizeof into, "%s/checkpoints", folder);
  config.audit_checkpoints = ln_str_of(into);
  checkpoint(&line);
  assert_int_equal(stat(key, &st), 0);
  assert_int_equal(st.st_mode & 0777, 0600);
  assert_int_equal(stat(into, &st), 0);
  assert_int_equal(st.st_size, line.n + 1);
  ln_buf_free(&line);
  ln_buf_init(&line, 4096);
  assert_true(ln_audit_checkpoint(&engine, &line, &made, &err)); /* nothing new */
  assert_false(made);
  record(SEEN + 1, 1);
  chmod(key, 0644);
  assert_false(ln_audit_checkpoint(&engine, &line, &made, &err));
  assert_non_null(strstr(err.message, "can be read by others"));
  chmod(key, 0600);
  assert_true(ln_audit_checkpoint(&engine, &line, &made, &err) && made);
  assert_int_equal(stat(into, &st), 0);
  assert_true(st.st_size > (off_t)line.n + 1);
  ln_buf_free(&line);
}

/* A checkpoint that cannot leave is not kept as one that did. */
static void test_it_cannot_leave(void **state) {
  (void)state;
  ln_buf line;
  ln_err err = {.code = ""};
  ln_audit_head h;
  bool made;
  config.audit_checkpoints = LN_STR("/nowhere/at/all");
  ln_buf_init(&line, 4096);
  assert_false(ln_audit_checkpoint(&engine, &line, &made, &err));
  assert_false(made);
  assert_true(ln_store_audit_head(engine.store, &h, &err));
  assert_int_equal(h.seq, SEEN);
  assert_int_equal(h.checked_seq, 0);
  ln_buf_free(&line);
}

/* A store of the version before has records without hashes, and may have lost some. */
static void test_of_an_older(void **state) {
  (void)state;
  ln_store_close(engine.store);
  sql("CREATE TABLE old(id INTEGER PRIMARY KEY AUTOINCREMENT, ms INTEGER NOT NULL, what TEXT NOT NULL, who "
      "TEXT"
      " NOT NULL, run INTEGER NOT NULL, detail TEXT NOT NULL) STRICT;"
      "INSERT INTO old SELECT seq * 2, ms, what, who, run, detail FROM audit; DROP TABLE audit;");
  sql("ALTER TABLE old RENAME TO audit; DROP TABLE token; DROP TABLE checkpoint; DROP TABLE alert;"
      "DROP TABLE alert_run; DROP TABLE run_key; DROP TABLE trigger_rule; DROP TABLE schedule;"
      "DROP TABLE delivery; DROP TABLE cursor; DROP TABLE request; DROP TABLE session; DROP TABLE notice;"
      "DROP TABLE link; PRAGMA user_version = 4");
  engine.store = open_store();
  ln_audit_state s = verify_with((ln_str){NULL, 0}, NULL);
  assert_int_equal(s.faults, 0);
  assert_int_equal(s.records, SEEN);
  record(SEEN + 1, 1);
  assert_int_equal(faults(), 0);
}

/* The form that docs/security.md promises, so that others can verify it. */
static void test_its_form(void **state) {
  (void)state;
  static const char hex[] = "85eb2daba5ab0fa2277f8b26210cc4d5b8cee45ed81e23d68575ed64ed47b1b6";
  uint8_t zeros[LN_SHA256] = {0}, out[LN_SHA256];
  char is[2 * LN_SHA256 + 1];
  const ln_audit_row r = {.seq = 1,
                          .ms = 1700000000000,
                          .what = LN_STR("freeze"),
                          .who = LN_STR("jo"),
                          .run = 0,
                          .ulid = LN_STR(""),
                          .detail = LN_STR("{\"scope\":\"\"}")};
  assert_true(ln_audit_hash(zeros, &r, out));
  ln_hex(out, sizeof out, is);
  assert_string_equal(is, hex);
}

int main(void) {
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
  const struct CMUnitTest tests[] = {T(test_whole),
                                     T(test_each_field_of_each_record),
                                     T(test_taken_out),
                                     T(test_swapped),
                                     T(test_cut_off),
                                     T(test_made_anew),
                                     T(test_a_checkpoint_is_signed),
                                     T(test_texts_of_strangers),
                                     T(test_torn),
                                     T(test_the_key),
                                     T(test_it_cannot_leave),
                                     T(test_of_an_older),
                                     T(test_its_form)};
  return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
