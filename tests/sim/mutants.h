/* mutants.h: what the doors ask of the breakages in mutants.c. */
#ifndef SIM_MUTANTS_H
#define SIM_MUTANTS_H

#include "tests/sim/sim.h"

bool mutant_forgets(ln_str entries); /* these entries are not written, and nobody is told */

#endif
