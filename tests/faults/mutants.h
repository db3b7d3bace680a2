/* mutants.h: rules broken on purpose, in this program only: the linker puts mutants.c in the product's way. */
#ifndef FAULTS_MUTANTS_H
#define FAULTS_MUTANTS_H

typedef struct mutant_of_faults { const char *name, *in; } mutant_of_faults; /* in: the case that finds it */
extern const mutant_of_faults faults_mutants[];          /* ends with a NULL name                           */
extern const mutant_of_faults *faults_mutant;            /* the one that is on; NULL: none                  */

#endif
