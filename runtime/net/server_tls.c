/* server_tls.c: the server's certificate, which can be read again while it serves.
**
** GnuTLS asks for it in each handshake, without an argument of ours: so a process has one identity.  A
** handshake goes on pointing to what it was given, and nobody tells when it is over: what was replaced is
** kept until the end.  That is some kilobytes a renewal. */
#include "net/server_mhd.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

enum { CHAIN_MOST = 10, FILE_MOST = 1 << 20 };

typedef struct identity {
  gnutls_pcert_st chain[CHAIN_MOST];
  unsigned n;
  gnutls_privkey_t key;
  struct identity *before;
} identity;

struct ln_server_tls {
  char *cert, *key; /* where the files are                           */
  identity *now;
};

static ln_server_tls *one; /* whose handshakes these are                    */

int ln_tls_pick(gnutls_session_t session, const gnutls_datum_t *names, int n_names,
                const gnutls_pk_algorithm_t *kinds, int n_kinds, gnutls_pcert_st **chain, unsigned *n_chain,
                gnutls_privkey_t *key) {
  (void)session, (void)names, (void)n_names, (void)kinds, (void)n_kinds;
  if (!one || !one->now) return -1;
  *chain = one->now->chain;
  *n_chain = one->now->n;
  *key = one->now->key;
  return 0;
}

static bool fail(const char *file, const char *why, ln_err *err) {
  return ln_fail(err, "config", LN_FINAL, "tls: %.200s: %s", file, why);
}

static bool read_file(const char *path, gnutls_datum_t *out, ln_err *err) {
  int e = gnutls_load_file(path, out);
  if (e) return fail(path, gnutls_strerror(e), err);
  if (out->size <= FILE_MOST) return true;
  gnutls_memset(out->data, 0, out->size);
  gnutls_free(out->data);
  return fail(path, "the file is too large", err);
}

static void wipe(gnutls_datum_t *d) {
  gnutls_memset(d->data, 0, d->size);
  gnutls_free(d->data);
}

static bool read_chain(identity *i, const char *path, ln_err *err) {
  gnutls_datum_t pem;
  if (!read_file(path, &pem, err)) return false;
  i->n = CHAIN_MOST;
  int e = gnutls_pcert_list_import_x509_raw(i->chain, &i->n, &pem, GNUTLS_X509_FMT_PEM, 0);
  wipe(&pem);
  if (e < 0) i->n = 0;
  return e >= 0 || fail(path, gnutls_strerror(e), err);
}

static bool read_key(identity *i, const char *path, ln_err *err) {
  gnutls_datum_t pem;
  if (!read_file(path, &pem, err)) return false;
  int e = gnutls_privkey_init(&i->key);
  if (!e) e = gnutls_privkey_import_x509_raw(i->key, &pem, GNUTLS_X509_FMT_PEM, NULL, 0);
  wipe(&pem);
  return !e || fail(path, gnutls_strerror(e), err);
}

/* Do they belong together?  What is signed with the key is looked at with the certificate. */
static bool match(const identity *i, const ln_server_tls *t, ln_err *err) {
  static const unsigned char said[] = "lunette";
  const gnutls_datum_t text = {(unsigned char *)(uintptr_t)said, sizeof said};
  gnutls_datum_t signature = {NULL, 0};
  int e = gnutls_privkey_sign_data(i->key, GNUTLS_DIG_SHA256, 0, &text, &signature);
  if (!e) {
    gnutls_sign_algorithm_t how = gnutls_pk_to_sign(
        (gnutls_pk_algorithm_t)gnutls_privkey_get_pk_algorithm(i->key, NULL), GNUTLS_DIG_SHA256);
    e = gnutls_pubkey_verify_data2(i->chain[0].pubkey, how, 0, &text, &signature);
  }
  gnutls_free(signature.data);
  return e >= 0 || fail(t->key, "this key is not that of the certificate", err);
}

static void identity_free(identity *i) {
  if (!i) return;
  for (unsigned k = 0; k < i->n; k++) gnutls_pcert_deinit(&i->chain[k]);
  if (i->key) gnutls_privkey_deinit(i->key);
  free(i);
}

bool ln_server_tls_reload(ln_server_tls *t, ln_err *err) {
  identity *i = calloc(1, sizeof *i);
  if (!i) return ln_fail(err, "memory", LN_AGAIN, "no memory for a certificate");
  if (!read_chain(i, t->cert, err) || !read_key(i, t->key, err) || !match(i, t, err)) {
    identity_free(i);
    return false;
  }
  i->before = t->now;
  t->now = i;
  return true;
}

ln_server_tls *ln_server_tls_load(const char *cert, const char *key, ln_err *err) {
  ln_server_tls *t = calloc(1, sizeof *t);
  if (!t || !(t->cert = ln_str_dup(ln_str_of(cert))) || !(t->key = ln_str_dup(ln_str_of(key))))
    ln_fail(err, "memory", LN_AGAIN, "no memory for a certificate");
  else if (ln_server_tls_reload(t, err)) return one = t;
  ln_server_tls_free(t);
  return NULL;
}

void ln_server_tls_free(ln_server_tls *t) {
  if (!t) return;
  if (one == t) one = NULL;
  for (identity *i = t->now, *before; i; i = before) {
    before = i->before;
    identity_free(i);
  }
  free(t->cert);
  free(t->key);
  free(t);
}
