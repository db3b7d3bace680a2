/* fence_files.c: Landlock, by its three system calls, since C libraries have none of them.  What the kernel
** does not know yet cannot be refused, so the rights that are handled go by its version. */
#include "base/fence.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REFER (UINT64_C(1) << 13) /* by the version that has them: headers may be older than the kernel */
#define TRUNCATE (UINT64_C(1) << 14)
#define IOCTL_DEV (UINT64_C(1) << 15)

enum { REFER_ABI = 2, TRUNCATE_ABI = 3, IOCTL_ABI = 5 };

static const uint64_t of_files = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                                 LANDLOCK_ACCESS_FS_READ_FILE | TRUNCATE | IOCTL_DEV;
static const uint64_t reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
static const uint64_t writing = LANDLOCK_ACCESS_FS_WRITE_FILE | TRUNCATE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | REFER;

int ln_fence_abi(void) {
  long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return abi > 0 ? (int)abi : 0;
}

/* All that this kernel can refuse: the thirteen of the first version (1 << 0 to 1 << 12), and what came
** since. */
static uint64_t handled(void) {
  int abi = ln_fence_abi();
  return (REFER - 1) | (abi >= REFER_ABI ? REFER : 0) | (abi >= TRUNCATE_ABI ? TRUNCATE : 0) |
         (abi >= IOCTL_ABI ? IOCTL_DEV : 0);
}

int ln_fence_new(ln_err *err) {
  struct landlock_ruleset_attr a = {.handled_access_fs = handled()};
  long fd = ln_fence_abi() ? syscall(SYS_landlock_create_ruleset, &a, sizeof a.handled_access_fs, 0) : -1;
  if (fd < 0) ln_fail(err, "unavailable", LN_FINAL, "this kernel has no Landlock");
  return (int)fd;
}

bool ln_fence_let(int fence, const char *path, bool write, ln_err *err) {
  struct stat st;
  struct landlock_path_beneath_attr a = {.parent_fd = open(path, O_PATH | O_CLOEXEC)};
  if (a.parent_fd < 0 || fstat(a.parent_fd, &st) != 0) {
    if (a.parent_fd >= 0) close(a.parent_fd);
    return true;
  }
  a.allowed_access =
      (reading | (write ? writing : 0)) & handled() & (S_ISDIR(st.st_mode) ? ~UINT64_C(0) : of_files);
  bool ok = syscall(SYS_landlock_add_rule, fence, LANDLOCK_RULE_PATH_BENEATH, &a, 0) == 0;
  int why = errno;
  close(a.parent_fd);
  return ok || ln_fail(err, "unavailable", LN_FINAL, "Landlock does not let %s in: %s", path, strerror(why));
}

/* It holds for the thread that enters, so there must be no other. */
static bool is_alone(void) {
  struct stat st;
  return stat("/proc/self/task", &st) != 0 || st.st_nlink == 3; /* ., .., and one */
}

bool ln_fence_enter(int fence, ln_err *err) {
  if (!is_alone()) {
    close(fence);
    return ln_fail(err, "unavailable", LN_FINAL, "there are threads that Landlock would not hold");
  }
  bool ok = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall(SYS_landlock_restrict_self, fence, 0) == 0;
  int why = errno;
  close(fence);
  return ok || ln_fail(err, "unavailable", LN_FINAL, "Landlock refuses: %s", strerror(why));
}
