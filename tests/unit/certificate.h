/* certificate.h: a certificate that only tests trust. */
#ifndef LN_TEST_CERTIFICATE_H
#define LN_TEST_CERTIFICATE_H

#include "base/str.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

static char *pem(X509 *cert, EVP_PKEY *key) {
  BIO *b = BIO_new(BIO_s_mem());
  char *p, *z;
  if (cert) PEM_write_bio_X509(b, cert);
  else PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL);
  long n = BIO_get_mem_data(b, &p);
  z = ln_str_dup((ln_str){p, (size_t)n});
  BIO_free(b);
  return z;
}

/* A certificate of its own making, for localhost. */
static void make_certificate(char **cert_pem, char **key_pem) {
  EVP_PKEY *key = EVP_EC_gen("P-256");
  X509 *x = X509_new();
  X509_set_version(x, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
  X509_gmtime_adj(X509_getm_notBefore(x), -3600);
  X509_gmtime_adj(X509_getm_notAfter(x), 86400);
  X509_set_pubkey(x, key);
  X509_NAME *name = X509_get_subject_name(x);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
  X509_set_issuer_name(x, name);
  X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost");
  X509_add_ext(x, e, -1);
  X509_EXTENSION_free(e);
  e = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
  X509_add_ext(x, e, -1);
  X509_EXTENSION_free(e);
  assert_true(X509_sign(x, key, EVP_sha256()) > 0);
  *cert_pem = pem(x, NULL);
  *key_pem = pem(NULL, key);
  X509_free(x);
  EVP_PKEY_free(key);
}

#endif
