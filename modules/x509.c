/* x509.c: a certificate as a value: who it is for, who issued it, how long it holds, and its fingerprints.
** It is read, not judged: whether to trust it is no question that a report asks. */
#include "modules/x509.h"

#include "base/digest.h"
#include "base/hash.h"
#include "base/units.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <time.h>

static int no_passphrase(char *buf, int size, int writing, void *arg) {
  (void)buf, (void)size, (void)writing, (void)arg;
  return -1;
}

static X509 *read_pem(ln_str pem) {
  BIO *in = pem.n && pem.n <= INT32_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
  X509 *cert = in ? PEM_read_bio_X509(in, NULL, no_passphrase, NULL) : NULL;
  BIO_free(in);
  return cert;
}

static void put_name(ln_buf *b, const char *key, const X509_NAME *name) {
  ln_v_key(b, ln_str_of(key));
  BIO *out = BIO_new(BIO_s_mem());
  char *text = NULL;
  const unsigned long how = XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB;
  long n = out && X509_NAME_print_ex(out, name, 0, how) >= 0 ? BIO_get_mem_data(out, &text) : 0;
  ln_v_str(b, (ln_str){text, n > 0 ? (size_t)n : 0});
  BIO_free(out);
}

static void put_time(ln_buf *b, const char *key, const ASN1_TIME *t) {
  struct tm tm;
  ln_v_key(b, ln_str_of(key));
  if (ASN1_TIME_to_tm(t, &tm) != 1) {
    ln_v_null(b);
    return;
  }
  char text[LN_TIME_TEXT];
  ln_format_time((int64_t)timegm(&tm) * 1000, text);
  ln_v_str(b, ln_str_of(text));
}

static void put_serial(ln_buf *b, X509 *cert) {
  BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
  char *hex = n ? BN_bn2hex(n) : NULL;
  ln_v_key(b, LN_STR("serial"));
  ln_v_str(b, ln_str_of(hex ? hex : ""));
  OPENSSL_free(hex);
  BN_free(n);
}

static void put_key(ln_buf *b, X509 *cert) {
  EVP_PKEY *k = X509_get0_pubkey(cert);
  const char *type = k ? EVP_PKEY_get0_type_name(k) : NULL;
  ln_v_key(b, LN_STR("key"));
  size_t mark = ln_v_begin(b, 'O', 2);
  ln_v_key(b, LN_STR("bits"));
  ln_v_int(b, k ? EVP_PKEY_get_bits(k) : 0);
  ln_v_key(b, LN_STR("type"));
  ln_v_str(b, ln_str_of(type ? type : "unknown"));
  ln_v_end(b, mark);
}

static ln_str asn1_text(const ASN1_STRING *s) {
  return (ln_str){(const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s)};
}

/* One alternative name of the kind; false: it is of another kind. */
static bool name_text(const GENERAL_NAME *g, int kind, char ip[INET6_ADDRSTRLEN], ln_str *out) {
  if (g->type != kind) return false;
  if (kind != GEN_IPADD) {
    *out = asn1_text(g->d.ia5);
    return true;
  }
  ln_str raw = asn1_text(g->d.iPAddress);
  if (raw.n != 4 && raw.n != 16) return false;
  *out = ln_str_of(inet_ntop(raw.n == 4 ? AF_INET : AF_INET6, raw.p, ip, INET6_ADDRSTRLEN));
  return true;
}

/* All alternative names of one kind, as an array. */
static void put_names(ln_buf *b, const char *key, const GENERAL_NAMES *names, int kind) {
  char ip[INET6_ADDRSTRLEN];
  ln_str text;
  int all = names ? sk_GENERAL_NAME_num(names) : 0;
  size_t n = 0;
  for (int i = 0; i < all; i++) n += name_text(sk_GENERAL_NAME_value(names, i), kind, ip, &text);
  ln_v_key(b, ln_str_of(key));
  size_t mark = ln_v_begin(b, 'A', n);
  for (int i = 0; i < all; i++)
    if (name_text(sk_GENERAL_NAME_value(names, i), kind, ip, &text)) ln_v_str(b, text);
  ln_v_end(b, mark);
}

/* Of the certificate's DER, upper layers' names for it. */
static bool fingerprints(X509 *cert, ln_digests *d, ln_err *err) {
  unsigned char *der = NULL;
  int n = i2d_X509(cert, &der);
  bool ok = n > 0 && ln_digests_of((ln_str){(const char *)der, (size_t)n}, d, err);
  OPENSSL_free(der);
  return ok || ln_fail(err, "failed", LN_FINAL, "OpenSSL could not compute the certificate's fingerprints");
}

bool ln_x509_value(ln_str pem, ln_buf *b, ln_err *err) {
  ln_digests d = {{0}, {0}, {0}};
  X509 *cert = read_pem(pem);
  ERR_clear_error();
  if (!cert) return ln_fail(err, "bad_argument", LN_FINAL, "there is no certificate in PEM form in it");
  bool ok = fingerprints(cert, &d, err);
  GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
  size_t mark = ln_v_begin(b, 'O', 14); /* its keys are sorted */
  ln_v_key(b, LN_STR("ca"));
  ln_v_bool(b, X509_check_ca(cert) > 0);
  put_names(b, "dns", names, GEN_DNS);
  put_names(b, "email", names, GEN_EMAIL);
  put_names(b, "ip", names, GEN_IPADD);
  put_name(b, "issuer", X509_get_issuer_name(cert));
  put_key(b, cert);
  put_time(b, "not_after", X509_get0_notAfter(cert));
  put_time(b, "not_before", X509_get0_notBefore(cert));
  ln_v_key(b, LN_STR("self_issued"));
  ln_v_bool(b, X509_NAME_cmp(X509_get_subject_name(cert), X509_get_issuer_name(cert)) == 0);
  put_serial(b, cert);
  ln_v_key(b, LN_STR("sha1"));
  ln_v_str(b, ln_str_of(d.sha1));
  ln_v_key(b, LN_STR("sha256"));
  ln_v_str(b, ln_str_of(d.sha256));
  put_name(b, "subject", X509_get_subject_name(cert));
  put_names(b, "uri", names, GEN_URI);
  ln_v_end(b, mark);
  GENERAL_NAMES_free(names);
  X509_free(cert);
  ERR_clear_error();
  return ok && ln_buf_ok(b, err);
}
