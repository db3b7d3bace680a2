/* folder.c: a new file's bytes may be on disk and its name not: a sync of its folder makes the name sure. */
#include "base/folder.h"

#include "base/str.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char *folder_of(const char *file) {
  const char *slash = strrchr(file, '/');
  return slash ? ln_str_dup((ln_str){file, (size_t)(slash - file) + 1}) : ln_str_dup(LN_STR("."));
}

int ln_open_folder(const char *file) {
  char *folder = folder_of(file);
  int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  free(folder);
  return fd;
}

bool ln_sync_folder(const char *file) {
  int fd = ln_open_folder(file);
  bool ok = fd >= 0 && fsync(fd) == 0;
  if (fd >= 0) close(fd);
  return ok;
}

bool ln_give_away(int fd, const char *beside) {
  struct stat st;
  char *folder = NULL;
  if (geteuid() != 0) return true;
  bool known = stat(beside, &st) == 0 && st.st_uid != 0;
  if (!known) known = (folder = folder_of(beside)) && stat(folder, &st) == 0;
  free(folder);
  return known && fchown(fd, st.st_uid, st.st_gid) == 0;
}
