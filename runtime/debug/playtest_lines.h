/* playtest_lines.h: which lines of the scripts the tests reached. */
#ifndef LN_PLAYTEST_LINES_H
#define LN_PLAYTEST_LINES_H

#include "debug/playtest.h"

typedef struct ln_coverage {
  const char **file; /* from the working folder on, where it lies below it */
  ln_lines *v;       /* all scripts below the folders of `scripts`, by name; for ln_playtest_opts */
  bool **code;       /* code[i][line]: it has some */
  size_t n;
} ln_coverage;

/* Before any test is gone through.  What it holds is the process's. */
bool ln_coverage_new(ln_coverage *c, ln_simset *s, ln_err *err);
/* Appends "5-7, 12": the lines with code that nobody reached; counts them and those with code. */
void ln_coverage_missed(const ln_coverage *c, size_t i, ln_buf *out, size_t *missed, size_t *all);
/* Appends all as an LCOV tracefile; by file. */
void ln_coverage_lcov(const ln_coverage *c, ln_buf *out);

#endif
