/* cases.h: what the fault matrix goes through. */
#ifndef FAULTS_CASES_H
#define FAULTS_CASES_H

enum { CASE_RUNS = 4 };

typedef struct case_run {
  const char *playbook, *input; /* input: JSON; $FILE$ in it is that file's text */
  const char *vendor, *chunk;   /* done to that simulator first */
} case_run;

typedef struct fault_case {
  const char *name;
  case_run run[CASE_RUNS]; /* the last one is hit */
} fault_case;

extern const fault_case fault_cases[], broken_case; /* fault_cases ends with a NULL name */

#endif
