/* scratch.h: a folder of a test's own, below the build folder, which goes when the test ends. */
#ifndef LN_TEST_SCRATCH_H
#define LN_TEST_SCRATCH_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch[4096];                               /* its absolute path                               */

static int scratch_unlink(const char *path, const struct stat *st, int kind, struct FTW *at) {
  (void)st, (void)kind, (void)at;
  return remove(path);
}

static void scratch_drop(void) { nftw(scratch, scratch_unlink, 16, FTW_DEPTH | FTW_PHYS); }

static void scratch_make(void) {
  char name[] = "build/scratch-XXXXXX";
  if (!mkdtemp(name) || !realpath(name, scratch)) {
    perror("scratch folder");
    exit(1);
  }
}

/* "SCRATCH/rel"; good until the fourth call from now. */
static const char *in_scratch(const char *rel) {
  static char out[4][4200];
  static int turn;
  turn = (turn + 1) % 4;
  snprintf(out[turn], sizeof out[turn], "%.4000s/%s", scratch, rel);
  return out[turn];
}

#endif
