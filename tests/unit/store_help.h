/* store_help.h: what the tests of the store share: a folder of their own, a store in it, and one job as a
** line. */
#ifndef LN_STORE_HELP_H
#define LN_STORE_HELP_H

#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <ftw.h>

static char folder[64], uri[160], path[128];             /* of the test under way */

static inline int make_folder(void **state) {
  (void)state;
  snprintf(folder, sizeof folder, "/tmp/lunette-test-XXXXXX");
  if (!mkdtemp(folder)) return -1;
  snprintf(path, sizeof path, "%s/a.db", folder);
  snprintf(uri, sizeof uri, "sqlite:%s", path);
  return 0;
}

static inline int remove_one(const char *name, const struct stat *st, int type, struct FTW *where) {
  (void)st, (void)type, (void)where;
  return remove(name);
}

static inline int remove_folder(void **state) {
  (void)state;
  return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline ln_store *open_vfs(const char *vfs) {
  ln_err err = {.code = ""};
  ln_store_opts o = {.vfs = vfs};
  ln_store *s = ln_store_open(ln_str_of(uri), &o, &err);
  if (!s) print_message("%s: %s\n", err.code, err.message);
  assert_non_null(s);
  return s;
}

static inline ln_store *open_store(void) { return open_vfs(NULL); }

static inline void run_job(ln_store *s, ln_apply_fn apply, void *arg) {
  ln_err err = {.code = ""};
  bool ok = ln_writer_run(s, apply, arg, &err);
  if (!ok) print_message("%s: %s\n", err.code, err.message);
  assert_true(ok);
}

static inline void run_job_fails(ln_store *s, ln_apply_fn apply, void *arg, const char *code) {
  ln_err err = {.code = ""};
  assert_false(ln_writer_run(s, apply, arg, &err));
  assert_string_equal(err.code, code);
}

#define assert_str(s, text)                                                                                 \
  do {                                                                                                      \
    ln_str str_ = (s);                                                                                      \
    assert_int_equal(str_.n, strlen(text));                                                                 \
    assert_memory_equal(str_.p, text, str_.n);                                                              \
  } while (0)

#endif
