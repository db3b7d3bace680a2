/* x509.h: a certificate as a value. */
#ifndef LN_X509_H
#define LN_X509_H

#include "engine/value.h"

/* Appends the first certificate of a PEM text as an encoded object; "bad_argument" when there is none. */
bool ln_x509_value(ln_str pem, ln_buf *value, ln_err *err);

#endif
