/* replay.c: the seeds of a fuzz target through it once more, without libFuzzer: in the tests under the
** sanitizers, so that whatever makes a target fail again is seen at once.  Each seed goes as it is, cut
** short, and with a byte changed, at a few places.  The target is told by the program's name,
** fuzz_TARGET_test. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <string.h>

enum { PLACES = 4, SEEDS = 256, MOST = 32 << 10 };

static char seeds[SEEDS][PATH_MAX];
static size_t n_seeds;

static int gather(const char *path, const struct stat *st, int kind, struct FTW *at) {
  (void)at;
  if (kind != FTW_F || st->st_size > MOST) return 0;
  must(n_seeds < SEEDS);
  snprintf(seeds[n_seeds++], PATH_MAX, "%s", path);
  return 0;
}

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

/* In a block of exactly its size, so that whatever is read beyond it shows. */
static void run(const uint8_t *bytes, size_t n, size_t change) {
  uint8_t *p = malloc(n ? n : 1);
  must(p);
  if (n) memcpy(p, bytes, n);
  if (change < n) p[change] ^= 0x81;
  LLVMFuzzerTestOneInput(p, n);
  free(p);
}

static void replay(const char *path) {
  static uint8_t bytes[MOST];
  FILE *f = fopen(path, "rb");
  must(f);
  size_t n = fread(bytes, 1, sizeof bytes, f);
  fclose(f);
  run(bytes, n, n);
  for (size_t i = 1; i <= PLACES; i++) {
    run(bytes, n * i / (PLACES + 1), SIZE_MAX);
    run(bytes, n, n * i / (PLACES + 1));
  }
}

int main(void) {
  char target[32] = "", folder[64];
  must(sscanf(program_invocation_short_name, "fuzz_%31[a-z]_test", target) == 1);
  snprintf(folder, sizeof folder, "tests/fuzz/seeds/%s", target);
  nftw(folder, gather, 8, FTW_PHYS);
  if (strcmp(target, "json") == 0 || strcmp(target, "alert") == 0)
    nftw("tests/fixtures/alerts", gather, 8, FTW_PHYS);
  must(n_seeds > 0);
  qsort(seeds, n_seeds, sizeof *seeds, by_name);
  printf("1..%zu\n", n_seeds);
  for (size_t i = 0; i < n_seeds; i++) {
    replay(seeds[i]);
    printf("ok %zu - %s\n", i + 1, seeds[i]);
    fflush(stdout);
  }
  return 0;
}
