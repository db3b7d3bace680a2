/* mutants.h: rules broken on purpose, in this program only: the linker puts mutants.c in the product's
** way. */
#ifndef FAULTS_MUTANTS_H
#define FAULTS_MUTANTS_H

#include <stdbool.h>

typedef struct mutant_of_faults {
  const char *name, *in; /* in: the case that finds it */
  bool at_once;          /* even without a fault */
} mutant_of_faults;
extern const mutant_of_faults faults_mutants[]; /* ends with a NULL name */
extern const mutant_of_faults *faults_mutant;   /* the one that is on; NULL: none */

#endif
