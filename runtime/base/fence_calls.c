/* fence_calls.c: seccomp, by libseccomp, which knows each machine's numbers.  It is a list of what is
** refused: a list of what is let through would have to know what the C library, TLS, the resolver and its
** modules call on each system, and what it forgot would be found in the middle of an incident. */
#include "base/fence.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) /* its search for leaks is a process of its own, which traces this one */
#define SANITIZED true
#else
#define SANITIZED false
#endif

/* Of no use to us, and of much to whoever has got in. */
static const char *const never[] = {
    "execve", "execveat", "vfork", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp",
    "pidfd_getfd", "pidfd_send_signal", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "listen",
    /* another view of the system */
    "mount", "umount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsconfig",
    "fsmount", "fspick", "mount_setattr", "unshare", "setns", "open_by_handle_at", "name_to_handle_at",
    "fanotify_init", "quotactl", "quotactl_fd",
    /* the kernel itself, and what faults in it were reached by */
    "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register",
    "add_key", "request_key", "keyctl", "kexec_load", "kexec_file_load", "init_module", "finit_module",
    "delete_module", "iopl", "ioperm", "modify_ldt", "lookup_dcookie", "syslog", "acct", "reboot", "swapon",
    "swapoff", "nfsservctl", "vmsplice", "migrate_pages", "move_pages", "mbind", "set_mempolicy",
    /* somebody else, or another time */
    "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid", "setgroups",
    "capset", "setdomainname", "sethostname", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex",
    "stime"};

static bool refuse(scmp_filter_ctx c, const char *name, unsigned n, const struct scmp_arg_cmp *args) {
  int call = seccomp_syscall_resolve_name(name);
  return call == __NR_SCMP_ERROR || seccomp_rule_add_array(c, SCMP_ACT_ERRNO(EPERM), call, n, args) == 0;
}

/* Threads, and nothing else.  What clone3 is asked lies in memory, where no filter looks: without it the C
** library takes clone. */
static bool refuse_processes(scmp_filter_ctx c) {
  const struct scmp_arg_cmp no_thread = SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0);
  return seccomp_rule_add(c, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0 &&
         (SANITIZED ||
          (refuse(c, "fork", 0, NULL) && refuse(c, "ptrace", 0, NULL) && refuse(c, "clone", 1, &no_thread)));
}

/* Signals are for threads of our own. */
static bool refuse_signals(scmp_filter_ctx c) {
  const struct scmp_arg_cmp other = SCMP_A0(SCMP_CMP_NE, (scmp_datum_t)getpid());
  return refuse(c, "kill", 1, &other) && refuse(c, "tgkill", 1, &other);
}

/* The Internet, sockets of this machine, and the kernel's word on addresses, which the resolver asks for. */
static bool refuse_sockets(scmp_filter_ctx c) {
  static const unsigned ours[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
  const struct scmp_arg_cmp above = SCMP_A0(SCMP_CMP_GT, AF_NETLINK);
  bool ok = refuse(c, "socket", 1, &above);
  for (unsigned family = 0; ok && family < AF_NETLINK; family++) {
    const struct scmp_arg_cmp is = SCMP_A0(SCMP_CMP_EQ, family);
    bool mine = false;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) mine = mine || ours[i] == family;
    ok = mine || refuse(c, "socket", 1, &is);
  }
  return ok;
}

bool ln_fence_calls_there(void) {
  unsigned action = SECCOMP_RET_ERRNO;
  return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

bool ln_fence_calls(ln_err *err) {
  scmp_filter_ctx c = seccomp_init(SCMP_ACT_ALLOW);
  bool ok = c && seccomp_attr_set(c, SCMP_FLTATR_CTL_TSYNC, 1) == 0 && refuse_processes(c) &&
            refuse_signals(c) && refuse_sockets(c);
  for (size_t i = 0; ok && i < sizeof never / sizeof *never; i++) ok = refuse(c, never[i], 0, NULL);
  int rc = ok ? seccomp_load(c) : -ENOSYS;
  if (c) seccomp_release(c);
  return rc == 0 || ln_fail(err, "unavailable", LN_FINAL, "seccomp does not refuse system calls here: %s",
                            strerror(-rc));
}
