/* fuzz.h: what the targets share.  Each is a function of some bytes that a stranger could have sent;
** libFuzzer (tests/fuzz/run) calls it with what leads somewhere new.  What must hold whatever comes is held
** with must. */
#ifndef LN_FUZZ_H
#define LN_FUZZ_H

#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static inline ln_str fuzz_str(const uint8_t *data, size_t n) { return (ln_str){(const char *)data, n}; }

#define must(what)                                                                                           \
  do {                                                                                                       \
    if (!(what)) {                                                                                           \
      fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what);                              \
      abort();                                                                                               \
    }                                                                                                        \
  } while (0)

#endif
