/* keep.c: hands bytes to the writer as a blob.  The job outlives whoever wanted it: a dropped step leaves
** it to end by itself, and to tell nobody. */
#include "modules/keep.h"

#include "modules/blob.h"

#include <stdlib.h>

struct ln_keeping {
  ln_engine *engine;
  char *name, *bytes;
  size_t n;
  ln_buf handle;
  void (*done)(void *arg, ln_str handle, const ln_err *err); /* NULL: nobody wants it any more */
  void *arg;
};

static void free_keeping(ln_keeping *k) {
  ln_buf_free(&k->handle);
  free(k->name);
  free(k->bytes);
  free(k);
}

static bool keep(ln_tx *tx, void *arg, ln_err *err) {
  ln_keeping *k = arg;
  return lnL_blob_put(k->engine, tx, ln_str_of(k->name), (ln_str){k->bytes, k->n}, &k->handle, err);
}

static void kept(void *arg, const ln_err *err) {
  ln_keeping *k = arg;
  if (k->done) k->done(k->arg, err ? (ln_str){NULL, 0} : ln_buf_view(&k->handle), err);
  free_keeping(k);
}

ln_keeping *ln_keep_blob(ln_engine *g, ln_str name, ln_str bytes,
                         void (*done)(void *arg, ln_str handle, const ln_err *err), void *arg, ln_err *err) {
  ln_keeping *k = calloc(1, sizeof *k);
  if (k) {
    *k = (ln_keeping){.engine = g,
                      .name = ln_str_dup(name),
                      .bytes = ln_str_dup(bytes),
                      .n = bytes.n,
                      .done = done,
                      .arg = arg};
    ln_buf_init(&k->handle, 4096);
    if (k->name && k->bytes && ln_writer_submit(g->store, g->loop, keep, kept, k)) return k;
    free_keeping(k);
  }
  ln_fail(err, "memory", LN_AGAIN, "no memory for a blob of %zu bytes", bytes.n);
  return NULL;
}

void ln_keep_forget(ln_keeping *k) { k->done = NULL; }
