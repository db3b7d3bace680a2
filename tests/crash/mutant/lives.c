/* lives.c: makes a lunette of which $LUNETTE_MUTANT (a number, tests/sim/mutants.c) says what is broken in
** it: for seeing that the crash test finds that.  It is linked for the tests alone. */
#include "tests/sim/mutants.h"

#include <stdlib.h>

static sim broken;

__attribute__((constructor)) static void set_up(void) {
  const char *m = getenv("LUNETTE_MUTANT");
  broken.mutant = m ? (sim_mutant)strtol(m, NULL, 10) : MUTANT_NONE;
  broken.luck = *ln_rand_real();
  here = &broken;
}

bool __real_ln_tx_log(ln_tx *tx, int64_t run, ln_str entries, ln_err *err);
bool __wrap_ln_tx_log(ln_tx *tx, int64_t run, ln_str entries, ln_err *err);
bool __wrap_ln_tx_log(ln_tx *tx, int64_t run, ln_str entries, ln_err *err) {
  return mutant_forgets(entries) || __real_ln_tx_log(tx, run, entries, err);
}
