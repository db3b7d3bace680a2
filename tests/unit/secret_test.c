/* secret_test.c: where a secret is found, and that the vault never mixes keys, never makes do with a wrong
** one, and never keeps a value in the clear. */
#include "tests/unit/store_help.h"

#include "engine/command.h"
#include "engine/secret.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>

static ln_vault *open_vault(ln_store *s) {
  ln_err err;
  ln_vault *v = ln_vault_open(s, NULL, &err);
  assert_non_null(v);
  return v;
}

static const char *set(ln_vault *v, const char *name, const char *value) {
  ln_err err = {.code = ""};
  const char *made;
  bool ok = ln_secret_set(v, ln_str_of(name), ln_str_of(value), LN_STR("jo"), &made, &err);
  if (!ok) print_message("%s\n", err.message);
  assert_true(ok);
  return made;
}

static void set_fails(ln_vault *v, const char *name, const char *code, const char *says) {
  ln_err err = {.code = ""};
  const char *made;
  assert_false(ln_secret_set(v, ln_str_of(name), LN_STR("x"), LN_STR("jo"), &made, &err));
  assert_string_equal(err.code, code);
  assert_non_null(strstr(err.message, says));
  assert_null(made);
}

static void is(ln_vault *v, const char *name, const char *value) {
  ln_err err = {.code = ""};
  ln_buf out;
  ln_buf_init(&out, 1 << 20);
  bool ok = ln_secret_get(v, ln_str_of(name), &out, &err);
  if (!ok) print_message("%s\n", err.message);
  assert_true(ok);
  assert_str(ln_buf_view(&out), value);
  ln_buf_wipe(&out);
}

static void get_fails(ln_vault *v, const char *name, const char *code, const char *says) {
  ln_err err = {.code = ""};
  ln_buf out;
  ln_buf_init(&out, 1 << 20);
  assert_false(ln_secret_get(v, ln_str_of(name), &out, &err));
  assert_int_equal(out.n, 0);
  assert_string_equal(err.code, code);
  if (!strstr(err.message, says)) print_message("%s\n", err.message);
  assert_non_null(strstr(err.message, says));
  ln_buf_free(&out);
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

static char *key_path(void) {
  static char name[200];
  snprintf(name, sizeof name, "%s.key", path);
  return name;
}

static void write_file(const char *name, const char *text, mode_t mode) {
  int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, mode);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text, strlen(text)), strlen(text));
  fchmod(fd, mode);
  close(fd);
}

/* Is the text anywhere in the store's files? */
static bool on_disk(const char *text) {
  const char *ends[] = {"", "-wal"};
  bool found = false;
  for (int i = 0; i < 2; i++) {
    char name[200];
    snprintf(name, sizeof name, "%s%s", path, ends[i]);
    FILE *f = fopen(name, "r");
    if (!f) continue;
    static char bytes[1 << 20];
    size_t n = fread(bytes, 1, sizeof bytes, f);
    found = found || ln_str_find((ln_str){bytes, n}, ln_str_of(text)) >= 0;
    fclose(f);
  }
  return found;
}

static void test_set_and_get(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_vault *v = open_vault(s);
  get_fails(v, "okta_token", "not_found", "LUNETTE_SECRET_");
  get_fails(v, "okta_token", "not_found", "CREDENTIALS_DIRECTORY");
  get_fails(v, "okta_token", "not_found", "vault");
  assert_int_equal(access(key_path(), F_OK), -1); /* looking makes no key */
  assert_string_equal(set(v, "okta_token", "00-very-secret"), key_path());
  struct stat st;
  assert_int_equal(stat(key_path(), &st), 0);
  assert_int_equal(st.st_mode & 0777, 0600);
  assert_int_equal(st.st_size, 65);
  assert_null(set(v, "other", "second"));
  is(v, "okta_token", "00-very-secret");
  set(v, "okta_token", "renewed");
  set(v, "empty", "");
  ln_vault_free(v);
  v = open_vault(s); /* as another process */
  is(v, "okta_token", "renewed");
  is(v, "other", "second");
  is(v, "empty", "");
  assert_null(set(v, "third", "x"));
  assert_false(on_disk("renewed"));
  assert_true(on_disk("okta_token")); /* the look does find what is there */
  bool was;
  ln_err err;
  assert_true(ln_secret_rm(v, LN_STR("other"), LN_STR("jo"), &was, &err));
  assert_true(was);
  assert_true(ln_secret_rm(v, LN_STR("other"), LN_STR("jo"), &was, &err));
  assert_false(was);
  get_fails(v, "other", "not_found", "vault");
  ln_vault_free(v);
  ln_store_close(s);
}

static void test_names(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_vault *v = open_vault(s);
  char longest[66];
  memset(longest, 'a', 65);
  longest[65] = '\0';
  const char *bad[] = {"", "a b", "a/b", "..", ".", "#check", "ä", longest};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    set_fails(v, bad[i], "bad_argument", "64 letters");
    get_fails(v, bad[i], "bad_argument", "64 letters");
  }
  longest[64] = '\0';
  set(v, longest, "x");
  is(v, longest, "x");
  set(v, "A.b-c_9", "y");
  is(v, "A.b-c_9", "y");
  ln_vault_free(v);
  ln_store_close(s);
}

static void test_where_it_is_looked_for(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_vault *v = open_vault(s);
  set(v, "cs-secret.1", "vault");
  char name[200];
  snprintf(name, sizeof name, "%s/cs-secret.1", folder);
  write_file(name, "file\n", 0600);
  setenv("CREDENTIALS_DIRECTORY", folder, 1);
  is(v, "cs-secret.1", "file");
  setenv("LUNETTE_SECRET_CS_SECRET_1", "env", 1);
  is(v, "cs-secret.1", "env");
  setenv("LUNETTE_SECRET_CS_SECRET_1", "", 1); /* empty is not set */
  is(v, "cs-secret.1", "file");
  write_file(name, "two\n\n", 0600);
  is(v, "cs-secret.1", "two\n");
  ln_err err;
  ln_buf behind; /* what has a prefix, and room for little more */
  ln_buf_init(&behind, 16);
  ln_buf_addz(&behind, "Bearer ");
  assert_true(ln_secret_get(v, LN_STR("cs-secret.1"), &behind, &err));
  assert_true(ln_str_eq(ln_buf_view(&behind), LN_STR("Bearer two\n")));
  ln_buf_wipe(&behind);
  unlink(name);
  mkdir(name, 0700);
  is(v, "cs-secret.1", "vault"); /* a folder is no credential */
  unsetenv("CREDENTIALS_DIRECTORY");
  unsetenv("LUNETTE_SECRET_CS_SECRET_1");
  ln_vault_free(v);
  ln_store_close(s);
}

static void test_keys(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_vault *v = open_vault(s);
  set(v, "a", "one");
  ln_vault_free(v);
  char elsewhere[200];
  snprintf(elsewhere, sizeof elsewhere, "%s/kept", folder);
  assert_int_equal(rename(key_path(), elsewhere), 0);
  v = open_vault(s); /* a vault whose key is gone gets no new one */
  get_fails(v, "a", "store", "missing");
  set_fails(v, "b", "store", "missing");
  assert_int_equal(access(key_path(), F_OK), -1);
  write_file(key_path(), "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", 0600);
  get_fails(v, "a", "store", "not the one");
  set_fails(v, "b", "store", "not the one");
  get_fails(v, "b", "not_found", "vault"); /* nothing was changed */
  write_file(key_path(), "too short\n", 0600);
  get_fails(v, "a", "store", "64 hexadecimal");
  assert_int_equal(rename(elsewhere, key_path()), 0);
  is(v, "a", "one"); /* the right one back: at once */
  ln_vault_free(v);
  chmod(key_path(), 0640);
  v = open_vault(s);
  get_fails(v, "a", "store", "chmod 600");
  chmod(key_path(), 0600);
  assert_int_equal(rename(key_path(), elsewhere), 0);
  setenv("LUNETTE_KEY", elsewhere, 1);
  ln_vault *other = open_vault(s);
  is(other, "a", "one");
  unsetenv("LUNETTE_KEY");
  ln_vault_free(other);
  ln_vault_free(v);
  ln_store_close(s);
}

typedef struct put {
  const char *name;
  ln_str sealed;
} put;

static bool apply_put(ln_tx *tx, void *arg, ln_err *err) {
  put *p = arg;
  return ln_tx_secret_put(tx, ln_str_of(p->name), p->sealed, 1, err);
}

/* One value in another's place, and one that was changed. */
static void test_tampering(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_vault *v = open_vault(s);
  set(v, "a", "for a");
  ln_buf sealed;
  ln_err err;
  ln_buf_init(&sealed, 1000);
  assert_true(ln_store_secret_get(s, LN_STR("a"), &sealed, &err));
  put p = {"b", ln_buf_view(&sealed)};
  run_job(s, apply_put, &p);
  get_fails(v, "b", "store", "'b': a sealed value was changed");
  for (size_t i = 0; i < sealed.n; i++) {
    sealed.p[i] ^= 1;
    p = (put){"a", ln_buf_view(&sealed)};
    run_job(s, apply_put, &p);
    get_fails(v, "a", "store", i ? "was changed" : "upgrade");
    sealed.p[i] ^= 1;
  }
  p = (put){"a", {sealed.p, 20}};
  run_job(s, apply_put, &p);
  get_fails(v, "a", "store", "upgrade");
  ln_buf_free(&sealed);
  ln_vault_free(v);
  ln_store_close(s);
}

typedef struct sealing {
  ln_vault *v;
  ln_str plain;
  ln_buf *out;
  ln_err *err;
} sealing;

static bool apply_seal(ln_tx *tx, void *arg, ln_err *err) {
  sealing *x = arg;
  return ln_seal(x->v, tx, x->plain, LN_STR("sha"), x->out, err);
}

static bool seal(ln_store *s, ln_vault *v, ln_str plain, ln_buf *out, ln_err *err) {
  sealing x = {v, plain, out, err};
  return ln_writer_run(s, apply_seal, &x, err);
}

static void test_blobs(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_vault *v = open_vault(s);
  ln_err err = {.code = ""};
  ln_buf sealed, again, plain;
  ln_buf_init(&sealed, 1 << 23);
  ln_buf_init(&again, 1 << 23);
  ln_buf_init(&plain, 1 << 23);
  char *big = malloc(1 << 20);
  memset(big, 'x', 1 << 20);
  ln_str text = {big, 1 << 20};
  assert_true(seal(s, v, text, &sealed, &err)); /* makes the key, too */
  assert_true(seal(s, v, text, &again, &err));
  assert_int_equal(sealed.n, text.n + 29);
  assert_int_equal(sealed.p[0], 1);
  assert_false(ln_str_eq(ln_buf_view(&sealed), ln_buf_view(&again))); /* never the same nonce */
  assert_true(ln_unseal(v, ln_buf_view(&sealed), LN_STR("sha"), &plain, &err));
  assert_true(ln_str_eq(ln_buf_view(&plain), text));
  ln_buf_cut(&plain, 0);
  assert_false(ln_unseal(v, ln_buf_view(&sealed), LN_STR("other"), &plain, &err));
  assert_int_equal(plain.n, 0);
  ln_buf_cut(&again, 0);
  assert_true(seal(s, v, LN_STR(""), &again, &err));
  assert_true(ln_unseal(v, ln_buf_view(&again), LN_STR("sha"), &plain, &err));
  assert_int_equal(plain.n, 0);
  ln_buf tiny;
  ln_buf_init(&tiny, 10);
  assert_false(seal(s, v, text, &tiny, &err));
  assert_string_equal(err.code, "too_big");
  assert_int_equal(tiny.n, 0);
  set(v, "a", "one"); /* the vault takes to the key that is there */
  is(v, "a", "one");
  free(big);
  ln_buf_free(&sealed);
  ln_buf_free(&again);
  ln_buf_free(&plain);
  ln_buf_free(&tiny);
  ln_vault_free(v);
  ln_store_close(s);
}

/* What was sealed for a blob alone ties the vault to its key as well. */
static void test_a_blob_ties_the_key(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_vault *v = open_vault(s);
  ln_err err = {.code = ""};
  ln_buf out;
  ln_buf_init(&out, 1000);
  assert_true(seal(s, v, LN_STR("a blob"), &out, &err));
  ln_vault_free(v);
  assert_int_equal(unlink(key_path()), 0);
  v = open_vault(s);
  assert_false(seal(s, v, LN_STR("another"), &out, &err));
  assert_non_null(strstr(err.message, "missing"));
  set_fails(v, "a", "store", "missing");
  assert_int_equal(access(key_path(), F_OK), -1);
  ln_buf_free(&out);
  ln_vault_free(v);
  ln_store_close(s);
}

/* What the superuser makes, the service can read. */
static void test_whose_the_key_is(void **state) {
  (void)state;
  enum { SOMEBODY = 65534 };
  struct stat st;
  if (geteuid() != 0) skip();
  ln_store *s = open_store();
  ln_vault *v = open_vault(s);
  assert_int_equal(chown(folder, SOMEBODY, SOMEBODY), 0);
  set(v, "a", "one");
  assert_int_equal(stat(key_path(), &st), 0);
  assert_int_equal(st.st_uid, SOMEBODY); /* the folder's, as the store is the superuser's own */
  ln_rotation r = {.by = LN_STR("jo")};
  ln_err err;
  assert_int_equal(chown(path, SOMEBODY - 1, SOMEBODY - 1), 0);
  assert_true(ln_vault_rotate(v, &r, &err));
  assert_int_equal(stat(key_path(), &st), 0);
  assert_int_equal(st.st_uid, SOMEBODY - 1);
  assert_int_equal(st.st_mode & 0777, 0600);
  ln_vault_free(v);
  ln_store_close(s);
}

/* Nobody finds a key file that somebody is still writing. */
static void test_a_key_file_is_whole(void **state) {
  (void)state;
  char events[4096];
  int seen = 0, fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  ln_store *s = open_store();
  ln_vault *v = open_vault(s);
  assert_true(fd >= 0 && inotify_add_watch(fd, folder, IN_CREATE | IN_MOVED_TO | IN_MODIFY) >= 0);
  set(v, "a", "one");
  for (ssize_t n; (n = read(fd, events, sizeof events)) > 0;)
    for (char *p = events; p < events + n;) {
      struct inotify_event e;
      memcpy(&e, p, sizeof e);
      if (e.len && strcmp(p + sizeof e, "a.db.key") == 0) {
        seen++;
        assert_int_equal(e.mask & IN_MODIFY, 0);
      }
      p += sizeof e + e.len;
    }
  assert_int_equal(seen, 1);
  close(fd);
  ln_vault_free(v);
  ln_store_close(s);
}

static void test_too_big(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_vault *v = open_vault(s);
  ln_err err;
  const char *made;
  char *big = calloc(1, (64 << 10) + 1);
  assert_false(ln_secret_set(v, LN_STR("a"), (ln_str){big, (64 << 10) + 1}, LN_STR("jo"), &made, &err));
  assert_string_equal(err.code, "too_big");
  assert_true(ln_secret_set(v, LN_STR("a"), (ln_str){big, 64 << 10}, LN_STR("jo"), &made, &err));
  free(big);
  ln_buf out;
  ln_buf_init(&out, 1 << 20);
  assert_true(ln_secret_get(v, LN_STR("a"), &out, &err));
  assert_int_equal(out.n, 64 << 10);
  ln_buf_wipe(&out);
  ln_vault_free(v);
  ln_store_close(s);
}

static void test_simulated(void **state) {
  (void)state;
  ln_err err;
  ln_vfs_sim *sim = ln_vfs_sim_new("vault", 1, &err);
  ln_store *s = open_vfs("vault");
  ln_vault *v = open_vault(s);
  assert_null(set(v, "a", "one"));
  ln_vault_free(v);
  v = open_vault(s);
  is(v, "a", "one");
  assert_int_equal(access(key_path(), F_OK), -1); /* nothing on the real disk */
  ln_vault_free(v);
  ln_store_close(s);
  ln_vfs_sim_free(sim);
}

/* --- another key --- */

static void rotate_to(ln_vault *v, ln_key_kind to, int64_t n) {
  ln_err err = {.code = ""};
  ln_rotation r = {.to = to, .by = LN_STR("jo")};
  bool ok = ln_vault_rotate(v, &r, &err);
  if (!ok) print_message("%s\n", err.message);
  assert_true(ok);
  assert_int_equal(r.n, n);
  assert_string_equal(r.path, key_path());
}

static void read_text(const char *name, char out[200]) {
  FILE *f = fopen(name, "r");
  assert_non_null(f);
  size_t n = fread(out, 1, 199, f);
  out[n] = '\0';
  fclose(f);
}

static const char *new_path(void) {
  static char name[210];
  snprintf(name, sizeof name, "%s.new", key_path());
  return name;
}

static void seal_blob(ln_store *s, ln_vault *v, const char *text, ln_buf *sealed) {
  ln_err err = {.code = ""};
  ln_buf_init(sealed, 1000);
  assert_true(seal(s, v, ln_str_of(text), sealed, &err));
}

static void blob_is(ln_vault *v, const ln_buf *sealed, const char *text) {
  ln_err err = {.code = ""};
  ln_buf plain;
  ln_buf_init(&plain, 1000);
  assert_true(ln_unseal(v, ln_buf_view(sealed), LN_STR("sha"), &plain, &err));
  assert_str(ln_buf_view(&plain), text);
  ln_buf_free(&plain);
}

/* What was there before is read with the new key alone: by who changed it, by who knew the old one, and by
** who comes. */
static void test_rotation(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_vault *v = open_vault(s), *other = open_vault(s);
  char was[200], is_now[200];
  ln_buf before, between, after;
  set(v, "a", "one");
  set(v, "b", "two");
  is(other, "a", "one");
  seal_blob(s, other, "a blob", &before);
  read_text(key_path(), was);
  rotate_to(v, LN_KEY_AS_IT_IS, 2);
  read_text(key_path(), is_now);
  assert_string_not_equal(was, is_now);
  assert_int_equal(access(new_path(), F_OK), -1);
  seal_blob(s, other, "with what it knows", &between); /* it has not looked since */
  ln_vault *all[] = {v, other, open_vault(s)};
  for (int i = 0; i < 3; i++) {
    is(all[i], "a", "one");
    is(all[i], "b", "two");
    blob_is(all[i], &before, "a blob");
    blob_is(all[i], &between, "with what it knows");
  }
  set(other, "c", "three");
  rotate_to(other, LN_KEY_RANDOM, 3);
  set(v, "a", "renewed"); /* who knew the one before */
  seal_blob(s, v, "new", &after);
  for (int i = 0; i < 3; i++) {
    is(all[i], "c", "three");
    is(all[i], "a", "renewed");
    blob_is(all[i], &before, "a blob");
    blob_is(all[i], &after, "new");
    ln_vault_free(all[i]);
  }
  write_file(key_path(), was, 0600); /* the old one opens nothing any more */
  v = open_vault(s);
  get_fails(v, "a", "store", "not the one");
  ln_vault_free(v);
  ln_buf_free(&before);
  ln_buf_free(&between);
  ln_buf_free(&after);
  ln_store_close(s);
}

/* Dead before the commit, and dead before the new file took the old one's place. */
static void test_rotation_cut_short(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_vault *v = open_vault(s);
  char old[200], fresh[200], now[200];
  set(v, "a", "one");
  write_file(new_path(), "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", 0600);
  ln_vault_free(v);
  v = open_vault(s);
  is(v, "a", "one");
  read_text(key_path(), old);
  rotate_to(v, LN_KEY_AS_IT_IS, 1);
  ln_vault_free(v);
  read_text(key_path(), fresh);
  assert_int_equal(rename(key_path(), new_path()), 0);
  write_file(key_path(), old, 0600);
  v = open_vault(s);
  is(v, "a", "one");
  read_text(key_path(), now);
  assert_string_equal(now, fresh);
  assert_int_equal(access(new_path(), F_OK), -1);
  ln_vault_free(v);
  ln_store_close(s);
}

/* At any instant. */
static void test_rotation_killed(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_vault *v = open_vault(s);
  ln_buf blob;
  unsigned seed = 7;
  set(v, "a", "one");
  set(v, "b", "two");
  seal_blob(s, v, "a blob", &blob);
  ln_vault_free(v);
  ln_store_close(s);
  for (int i = 0; i < 60; i++) {
    pid_t child = fork();
    if (child == 0) {
      ln_err err;
      ln_rotation r = {.by = LN_STR("jo")};
      if (!(s = ln_store_open(ln_str_of(uri), NULL, &err)) || !(v = ln_vault_open(s, NULL, &err))) _exit(1);
      while (ln_vault_rotate(v, &r, &err)) continue;
      _exit(2);
    }
    int status;
    usleep(1000 + (useconds_t)(rand_r(&seed) % 20000));
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status)); /* it did not end by itself: no rotation failed */
    s = open_store();
    v = open_vault(s);
    is(v, "a", "one");
    is(v, "b", "two");
    blob_is(v, &blob, "a blob");
    ln_vault_free(v);
    ln_store_close(s);
  }
  assert_true(number("SELECT count(*) FROM audit WHERE what = 'secrets rotated'") > 0);
  ln_buf_free(&blob);
}

static void rotate_again_and_again(int times) {
  ln_err err = {.code = ""};
  ln_rotation r = {.by = LN_STR("jo")};
  ln_store *s = ln_store_open(ln_str_of(uri), NULL, &err);
  ln_vault *v = s ? ln_vault_open(s, NULL, &err) : NULL;
  while (v && times-- && ln_vault_rotate(v, &r, &err)) continue;
  if (times >= 0) fprintf(stderr, "%s\n", err.message);
  _exit(times >= 0);
}

/* Neither takes the other's new key away. */
static void test_rotations_at_once(void **state) {
  (void)state;
  enum { BOTH = 2, TIMES = 25 };
  ln_store *s = open_store();
  ln_vault *v = open_vault(s);
  set(v, "a", "one");
  ln_vault_free(v);
  ln_store_close(s);
  for (int i = 0; i < BOTH; i++)
    if (fork() == 0) rotate_again_and_again(TIMES);
  for (int i = 0, status; i < BOTH; i++) {
    assert_true(wait(&status) > 0);
    assert_int_equal(status, 0);
  }
  s = open_store();
  v = open_vault(s);
  is(v, "a", "one");
  assert_int_equal(number("SELECT count(*) FROM audit WHERE what = 'secrets rotated'"), BOTH * TIMES);
  ln_vault_free(v);
  ln_store_close(s);
}

static void test_rotation_refused(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_vault *v = open_vault(s);
  char was[200], now[200];
  ln_err err = {.code = ""};
  ln_rotation r = {.by = LN_STR("jo")};
  put p = {"b", LN_STR("\1 this was never sealed by anybody")};
  set(v, "a", "one");
  run_job(s, apply_put, &p);
  read_text(key_path(), was);
  assert_false(ln_vault_rotate(v, &r, &err));
  assert_non_null(strstr(err.message, "'b' in the vault was changed"));
  read_text(key_path(), now);
  assert_string_equal(was, now);
  assert_int_equal(access(new_path(), F_OK), -1);
  is(v, "a", "one");
  r.into = key_path(); /* never over a file */
  assert_false(ln_vault_rotate(v, &r, &err));
  assert_string_equal(err.code, "usage");
  read_text(key_path(), now);
  assert_string_equal(was, now);
  ln_vault_free(v);
  ln_store_close(s);
}

static const char *typed; /* NULL: nobody is there */
static int asked;

static bool answer(void *arg, bool anew, ln_buf *out, ln_err *err) {
  (void)arg, (void)anew;
  asked++;
  if (!typed) return ln_fail(err, "store", LN_FINAL, "nobody is there");
  return ln_buf_addz(out, typed);
}

static ln_vault *vault_that_asks(ln_store *s) {
  static const ln_vault_opts o = {.ask = answer};
  ln_err err;
  ln_vault *v = ln_vault_open(s, &o, &err);
  assert_non_null(v);
  return v;
}

static void test_passphrase(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_vault *v = vault_that_asks(s);
  char text[200];
  ln_err err = {.code = ""};
  typed = "correct horse";
  set(v, "a", "one");
  rotate_to(v, LN_KEY_PASSPHRASE, 1);
  read_text(key_path(), text);
  assert_int_equal(strncmp(text, "scrypt n=17 r=8 p=1 salt=", 25), 0);
  assert_false(on_disk("correct horse"));
  ln_vault_free(v);
  v = vault_that_asks(s);
  asked = 0;
  is(v, "a", "one");
  set(v, "b", "two");
  is(v, "b", "two");
  assert_int_equal(asked, 1); /* once a process */
  ln_vault_free(v);
  typed = "correct house";
  v = vault_that_asks(s);
  assert_false(ln_vault_ready(v, &err));
  assert_non_null(strstr(err.message, "not the passphrase"));
  set_fails(v, "c", "store", "not the passphrase");
  typed = NULL;
  get_fails(v, "a", "store", "nobody is there");
  ln_vault_free(v);
  v = open_vault(s);
  get_fails(v, "a", "store", "nobody can be asked");
  ln_vault_free(v);
  v = vault_that_asks(s);
  typed = "correct horse";
  is(v, "a", "one");
  get_fails(v, "c", "not_found", "vault"); /* nothing was changed */
  rotate_to(v, LN_KEY_RANDOM, 2);
  ln_vault_free(v);
  v = open_vault(s);
  is(v, "b", "two");
  ln_vault_free(v);
  ln_store_close(s);
}

/* Who is at work asks nobody, whoever changes the key meanwhile. */
static void test_nobody_is_asked_at_work(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_vault *v = vault_that_asks(s), *other = vault_that_asks(s);
  ln_err err = {.code = ""};
  typed = "correct horse";
  set(v, "a", "one");
  assert_true(ln_vault_ready(v, &err));
  rotate_to(other, LN_KEY_PASSPHRASE, 1);
  asked = 0;
  get_fails(v, "a", "store", "start this process again");
  set_fails(v, "b", "store", "start this process again");
  assert_int_equal(asked, 0);
  rotate_to(other, LN_KEY_RANDOM, 1);
  is(v, "a", "one");
  ln_vault_free(other);
  ln_vault_free(v);
  ln_store_close(s);
}

static void test_passphrase_parameters(void **state) {
  (void)state;
  static const char *const bad[] = {"scrypt n=31 r=8 p=1 salt=00112233445566778899aabbccddeeff\n",
                                    "scrypt n=17 r=8 p=1 salt=0011\n",
                                    "scrypt n=17 r=8 p=1\n",
                                    "scrypt n=0 r=8 p=1 salt=00112233445566778899aabbccddeeff\n",
                                    "scrypt n=17 r=99 p=1 salt=00112233445566778899aabbccddeeff\n",
                                    "scrypt \n"};
  ln_store *s = open_store();
  ln_vault *v = vault_that_asks(s);
  set(v, "a", "one");
  ln_vault_free(v);
  typed = "x";
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    write_file(key_path(), bad[i], 0600);
    v = vault_that_asks(s);
    get_fails(v, "a", "store", "64 hexadecimal");
    ln_vault_free(v);
  }
  ln_store_close(s);
}

/* The service manager's credential is read, whatever its mode, and never replaced. */
static void test_key_as_credential(void **state) {
  (void)state;
  char name[200], into[200], text[200];
  ln_store *s = open_store();
  ln_err err = {.code = ""};
  ln_rotation r = {.by = LN_STR("jo")};
  snprintf(name, sizeof name, "%s/lunette.key", folder);
  snprintf(into, sizeof into, "%s/next.key", folder);
  write_file(name, "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", 0440);
  setenv("CREDENTIALS_DIRECTORY", folder, 1);
  ln_vault *v = open_vault(s);
  assert_null(set(v, "a", "one"));
  assert_int_equal(access(key_path(), F_OK), -1);
  assert_false(ln_vault_rotate(v, &r, &err));
  assert_non_null(strstr(err.message, "--into FILE"));
  r.into = into;
  assert_true(ln_vault_rotate(v, &r, &err));
  assert_string_equal(r.path, into);
  is(v, "a", "one");
  ln_vault_free(v);
  v = open_vault(s);
  get_fails(v, "a", "store", "not the one");
  ln_vault_free(v);
  read_text(into, text);
  write_file(name, text, 0600);
  v = open_vault(s);
  is(v, "a", "one");
  ln_vault_free(v);
  unsetenv("CREDENTIALS_DIRECTORY");
  ln_store_close(s);
}

/* --- the helper --- */

static ln_vault_opts v_opts;

static ln_vault *vault_with_helper(ln_store *s, const char *script) {
  static char name[200];
  static ln_str argv[3];
  ln_err err;
  snprintf(name, sizeof name, "%s/helper", folder);
  write_file(name, script, 0700);
  argv[0] = ln_str_of(name);
  argv[1] = LN_STR("for");
  argv[2] = LN_STR("secret/{name}/{name}");
  v_opts = (ln_vault_opts){.helper = argv, .n_helper = 3};
  ln_vault *v = ln_vault_open(s, &v_opts, &err);
  assert_non_null(v);
  return v;
}

static void test_helper(void **state) {
  (void)state;
  char told[200], text[200];
  ln_store *s = open_store();
  setenv("LUNETTE_SECRET_OTHER", "ours alone", 1);
  snprintf(told, sizeof told, "%s/told", folder);
  char script[1200];
  snprintf(
      script, sizeof script,
      "#!/bin/sh\necho \"$1 $2\" >>%s\nenv | grep -c LUNETTE_ >>%s\ncat >>%s\nls /proc/self/fd | wc -l >>%s\n"
      "echo noise >&2\necho 'from $elsewhere'\n",
      told, told, told, told);
  ln_vault *v = vault_with_helper(s, script);
  is(v, "far-away", "from $elsewhere");
  is(v, "far-away", "from $elsewhere"); /* kept: asked once */
  read_text(told, text);
  assert_string_equal(text, "for secret/far-away/far-away\n0\n4\n"); /* 0, 1, 2, and ls's own */
  is(v, "other", "ours alone");
  set(v, "own", "in the vault");
  is(v, "own", "in the vault");
  unsetenv("LUNETTE_SECRET_OTHER");
  ln_vault_free(v);
  ln_store_close(s);
}

static void test_helper_fails(void **state) {
  (void)state;
  static const struct {
    const char *script, *code, *says;
  } cases[] = {{"#!/bin/sh\necho sEcret; exit 3\n", "not_found", "ended with status 3"},
               {"#!/bin/sh\nexit 0\n", "not_found", "printed nothing"},
               {"#!/nowhere/at/all\n", "unavailable", "cannot be started"},
               {"#!/bin/sh\nwhile :; do echo sEcret-sEcret-sEcret; done\n", "too_big", "more than 64 KiB"},
               {"#!/bin/sh\n(sleep 7.5; touch \"$0.alive\") >/dev/null &\necho sEcret; sleep 3; exec 1>&-; "
                "sleep 1000\n",
                "unavailable", "did not end"}, /* the time is for all of it */
               {"#!/bin/sh\nkill -9 $$\n", "not_found", "status 137"}};
  ln_store *s = open_store();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    ln_vault *v = vault_with_helper(s, cases[i].script);
    ln_err err = {.code = ""};
    ln_buf out;
    ln_buf_init(&out, 1 << 20);
    assert_false(ln_secret_get(v, LN_STR("x"), &out, &err));
    assert_string_equal(err.code, cases[i].code);
    assert_non_null(strstr(err.message, cases[i].says));
    assert_null(strstr(err.message, "sEcret"));
    assert_int_equal(out.n, 0);
    ln_buf_wipe(&out);
    ln_vault_free(v);
  }
  char alive[210];
  snprintf(alive, sizeof alive, "%s/helper.alive", folder);
  assert_int_equal(access(alive, F_OK), -1);
  ln_store_close(s);
}

/* A failure is kept for a while as well. */
static void test_helper_is_not_asked_again(void **state) {
  (void)state;
  char text[200], name[210];
  ln_store *s = open_store();
  ln_vault *v = vault_with_helper(s, "#!/bin/sh\necho asked >>\"$0.told\"; exit 3\n");
  for (int i = 0; i < 3; i++) get_fails(v, "x", "not_found", "ended with status 3");
  snprintf(name, sizeof name, "%s/helper.told", folder);
  read_text(name, text);
  assert_string_equal(text, "asked\n");
  ln_vault_free(v);
  ln_store_close(s);
}

/* Whoever is not known yet does not have us wait; what they began is there for whoever does. */
static void test_helper_beside(void **state) {
  (void)state;
  char text[200], name[210], fifo[210];
  ln_store *s = open_store();
  ln_err err = {.code = ""};
  ln_buf out;
  ln_vault *v = vault_with_helper(s, "#!/bin/sh\necho asked >>\"$0.told\"; cat \"$0.fifo\"\n");
  snprintf(fifo, sizeof fifo, "%s/helper.fifo", folder);
  assert_int_equal(mkfifo(fifo, 0600), 0);
  ln_buf_init(&out, 1000);
  for (int i = 0; i < 3; i++) {
    assert_false(ln_secret_at_hand(v, LN_STR("x"), &out, &err));
    assert_string_equal(err.code, "unavailable");
    assert_non_null(strstr(err.message, "being asked"));
  }
  int fd = open(fifo, O_WRONLY); /* waits until it reads */
  assert_true(fd >= 0 && write(fd, "the value\n", 10) == 10);
  close(fd);
  is(v, "x", "the value");
  assert_true(ln_secret_at_hand(v, LN_STR("x"), &out, &err));
  assert_str(ln_buf_view(&out), "the value");
  snprintf(name, sizeof name, "%s/helper.told", folder);
  read_text(name, text);
  assert_string_equal(text, "asked\n");
  ln_buf_wipe(&out);
  ln_vault_free(v);
  ln_store_close(s);
}

static bool no_memory; /* for what is kept of the helper */
char *__real_ln_buf_more(ln_buf *b, size_t n);
char *__wrap_ln_buf_more(ln_buf *b, size_t n);
char *__wrap_ln_buf_more(ln_buf *b, size_t n) {
  if (!no_memory || b->max != (64 << 10) + 1) return __real_ln_buf_more(b, n);
  b->failed = true;
  return NULL;
}

/* A value that could not be kept is no empty one. */
static void test_helper_without_memory(void **state) {
  (void)state;
  ln_store *s = open_store();
  ln_vault *v = vault_with_helper(s, "#!/bin/sh\necho the value\n");
  no_memory = true;
  get_fails(v, "x", "memory", "no memory");
  no_memory = false;
  is(v, "x", "the value");
  ln_vault_free(v);
  ln_store_close(s);
}

/* By the process that is there for it, which starts nothing else. */
static void test_launcher(void **state) {
  (void)state;
  char script[] = "#!/bin/sh\ncase $2 in *bad*) exit 7;; esac\necho \"for $2\"\n", text[200];
  ln_store *s = open_store();
  ln_vault *v = vault_with_helper(s, script);
  ln_err err = {.code = ""};
  int status = 0;
  ln_buf value;
  ln_vault_opts o = v_opts;
  ln_vault_free(v);
  o.launcher = ln_launcher_start(o.helper, o.n_helper, &err);
  assert_non_null(o.launcher);
  assert_non_null(v = ln_vault_open(s, &o, &err));
  is(v, "far-away", "for secret/far-away/far-away");
  get_fails(v, "bad", "not_found", "ended with status 7");
  ln_buf_init(&value, 1000);
  snprintf(text, sizeof text, "../%s", "etc");
  assert_int_equal(ln_launcher_run(o.launcher, ln_str_of(text), &value, &status), LN_NOT_STARTED);
  assert_int_equal(ln_launcher_run(o.launcher, LN_STR("good"), &value, &status), LN_ENDED);
  assert_str(ln_buf_view(&value), "for secret/good/good\n");
  ln_buf_wipe(&value);
  ln_vault_free(v);
  ln_launcher_stop(o.launcher);
  assert_int_equal(waitpid(-1, &status, WNOHANG), -1); /* it is gone */
  ln_store_close(s);
}

#define T(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void) {
  unsetenv("LUNETTE_KEY");
  unsetenv("CREDENTIALS_DIRECTORY");
  const struct CMUnitTest tests[] = {T(test_set_and_get),
                                     T(test_names),
                                     T(test_where_it_is_looked_for),
                                     T(test_keys),
                                     T(test_tampering),
                                     T(test_blobs),
                                     T(test_a_blob_ties_the_key),
                                     T(test_whose_the_key_is),
                                     T(test_a_key_file_is_whole),
                                     T(test_too_big),
                                     T(test_simulated),
                                     T(test_rotation),
                                     T(test_rotation_cut_short),
                                     T(test_rotation_killed),
                                     T(test_rotations_at_once),
                                     T(test_rotation_refused),
                                     T(test_passphrase),
                                     T(test_nobody_is_asked_at_work),
                                     T(test_passphrase_parameters),
                                     T(test_key_as_credential),
                                     T(test_helper),
                                     T(test_helper_fails),
                                     T(test_helper_is_not_asked_again),
                                     T(test_helper_beside),
                                     T(test_helper_without_memory),
                                     T(test_launcher)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
