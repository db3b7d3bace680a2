/* rand.h: the seam of chance: the kernel's generator, or a seeded one for simulation. */
#ifndef LN_RAND_H
#define LN_RAND_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

typedef struct ln_rand ln_rand;
struct ln_rand {
  bool (*bytes)(ln_rand *r, void *out, size_t n, ln_err *err);
  uint64_t state[2];
};

ln_rand *ln_rand_real(void);                             /* static, any thread                            */
void ln_rand_seed(ln_rand *r, uint64_t seed);            /* makes *r a repeatable one, for one thread     */
uint64_t ln_rand_u64(ln_rand *r);                        /* real: aborts only if the generator is broken  */
/* What two calls would give, by one of the kernel's. */
void ln_rand_two(ln_rand *r, uint64_t *first, uint64_t *second);
double ln_rand_unit(ln_rand *r);                         /* 0 <= x < 1                                    */

#endif
