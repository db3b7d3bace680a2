/* secret_test.c: where a secret is found, and that the vault never mixes keys, never makes do with a wrong
** one, and never keeps a value in the clear. */
#include "tests/unit/store_help.h"

#include "engine/secret.h"

#include <fcntl.h>
#include <sys/stat.h>

static ln_vault *open_vault(ln_store *s) {
  ln_err err;
  ln_vault *v = ln_vault_open(s, &err);
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
  assert_true(ln_seal(v, text, LN_STR("sha"), &sealed, &err)); /* makes the key, too */
  assert_true(ln_seal(v, text, LN_STR("sha"), &again, &err));
  assert_int_equal(sealed.n, text.n + 29);
  assert_int_equal(sealed.p[0], 1);
  assert_false(ln_str_eq(ln_buf_view(&sealed), ln_buf_view(&again))); /* never the same nonce */
  assert_true(ln_unseal(v, ln_buf_view(&sealed), LN_STR("sha"), &plain, &err));
  assert_true(ln_str_eq(ln_buf_view(&plain), text));
  ln_buf_cut(&plain, 0);
  assert_false(ln_unseal(v, ln_buf_view(&sealed), LN_STR("other"), &plain, &err));
  assert_int_equal(plain.n, 0);
  ln_buf_cut(&again, 0);
  assert_true(ln_seal(v, LN_STR(""), LN_STR(""), &again, &err));
  assert_true(ln_unseal(v, ln_buf_view(&again), LN_STR(""), &plain, &err));
  assert_int_equal(plain.n, 0);
  ln_buf tiny;
  ln_buf_init(&tiny, 10);
  assert_false(ln_seal(v, text, LN_STR("sha"), &tiny, &err));
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

#define T(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void) {
  unsetenv("LUNETTE_KEY");
  unsetenv("CREDENTIALS_DIRECTORY");
  const struct CMUnitTest tests[] = {T(test_set_and_get), T(test_names),     T(test_where_it_is_looked_for),
                                     T(test_keys),        T(test_tampering), T(test_blobs),
                                     T(test_too_big),
                                     T(test_simulated)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
