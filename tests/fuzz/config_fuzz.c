/* config_fuzz.c: the text of a configuration.  It is taken, or refused with a reason, within bounds: it is a
** program, if one that can do little. */
#include "engine/config.h"
#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  static int fd = -1;
  static char path[64];
  ln_err err = {0};
  if (fd < 0) must((fd = memfd_create("lunette.conf.lua", 0)) >= 0);
  must(ftruncate(fd, 0) == 0 && pwrite(fd, data, n, 0) == (ssize_t)n);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  ln_config *c = ln_config_load(path, &err);
  if (!c) must(err.code[0] && err.message[0]);
  ln_config_free(c);
  return 0;
}
