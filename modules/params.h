/* params.h: what a parameter may be, and the check of a call's arguments.  A type is a text, as INTERFACE.md
** has it: "string", "[host]", "boolean = false", "one of low high", "integer?".  Arguments are encoded
** values; checking makes a new encoded object with every value in its type's own form:
**   string     text, not empty; a whole number becomes its digits
**   integer    number   boolean   also from texts
**   duration   seconds, from a number or "30s"
**   time       RFC 3339 in UTC, from that or from seconds
**   ip sha256  lower case
**   host       (and device) an object, from a hostname
**   user       an object, from an email, DOMAIN\name or name
**   alert      an object     table   any container     blob   a blob's handle
**   secret     { secret = NAME } (configuration only)
** An opaque value passes as any type; null counts as absent.  No Lua state is involved. */
#ifndef LN_PARAMS_H
#define LN_PARAMS_H

#include "engine/value.h"

typedef enum ln_kind {
  LN_K_STRING,
  LN_K_INTEGER,
  LN_K_NUMBER,
  LN_K_BOOLEAN,
  LN_K_DURATION,
  LN_K_TIME,
  LN_K_IP,
  LN_K_SHA256,
  LN_K_HOST,
  LN_K_USER,
  LN_K_ALERT,
  LN_K_TABLE,
  LN_K_BLOB,
  LN_K_SECRET,
  LN_K_CHOICE
} ln_kind;

typedef struct ln_param {
  char *name, *type;                                     /* the type as written */
  ln_kind kind;
  bool list, optional;                                   /* optional: "?" or a default */
  ln_str choices;                                        /* "low high", within type */
  ln_str fallback;                                       /* the default, encoded; empty: none */
  char *kept;                                            /* what fallback points into */
} ln_param;

typedef struct ln_params {
  ln_param *v;                                           /* sorted by name */
  size_t n;
} ln_params;

bool ln_params_add(ln_params *p, ln_str name, ln_str type,
                   ln_err *err); /* "bad_argument": no such type, or twice */
const ln_param *ln_params_find(const ln_params *p, ln_str name);         /* NULL: none */
void ln_params_free(ln_params *p);

/* Checks the encoded object `args` and appends it in the types' forms to out, with defaults put in.
** Members that `also` names (NULL-ended; may be NULL) pass unchecked.  `what` begins the errors, all
** "bad_argument": "okta.users: login must be a text, got a number". */
bool ln_params_check(const ln_params *p, const char *what, ln_str args, const char *const *also, ln_buf *out,
                     ln_err *err);

/* The nearest of some names, for "did you mean"; an empty text when none is near. */
ln_str ln_nearest(ln_str name, const ln_str *names, size_t n);

#endif
