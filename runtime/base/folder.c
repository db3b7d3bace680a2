/* folder.c: a new file's bytes may be on disk and its name not: a sync of its folder makes the name sure. */
#include "base/folder.h"

#include "base/str.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

bool ln_sync_folder(const char *file) {
  const char *slash = strrchr(file, '/');
  char *folder = slash ? ln_str_dup((ln_str){file, (size_t)(slash - file) + 1}) : ln_str_dup(LN_STR("."));
  int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  free(folder);
  bool ok = fd >= 0 && fsync(fd) == 0;
  if (fd >= 0) close(fd);
  return ok;
}
