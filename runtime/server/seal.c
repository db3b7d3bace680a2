/* seal.c: which files a process that serves has to reach.
**
** Landlock goes by what is there when a rule is made: of a file that is renewed by renaming another one over
** it only its folder stays the same.  So a rule is made for the folder of whatever others renew:
** certificates, keys, scripts (a root may be a link that is turned: for the folder above it; and a script one
** that leads elsewhere), the resolver's and the accounts' files in /etc.  What lies below the store's folder
** can be written, whatever else is said of it. */
#include "server/seal.h"

#include "base/fence.h"
#include "base/log.h"

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Libraries and their modules, certificates of authorities, names, accounts, and what this machine is. */
static const char *const of_system[] = {"/etc",
                                        "/usr",
                                        "/lib",
                                        "/lib64",
                                        "/proc/self",
                                        "/sys/devices/system/cpu",
                                        "/dev/urandom",
                                        "/dev/random",
                                        "/run/systemd/resolve",
                                        "/run/systemd/userdb",
                                        "/run/NetworkManager",
                                        "/run/resolvconf",
                                        "/run/nscd",
                                        "/var/lib/sss"};
static const char *const files_of_env[] = {"SSL_CERT_FILE", "OPENSSL_CONF"};
static const char *const folders_of_env[] = {"SSL_CERT_DIR", "CREDENTIALS_DIRECTORY"};

static const char *why_files; /* they are not sealed; NULL: they are, or were not to be */
static char why_text[LN_ERR_TEXT];

/* ------------------------------------------------------------------ rules */

typedef struct letting {
  int fence;
  bool ok;
  ln_err *err;
} letting;

static void let(letting *l, const char *path, bool write) {
  l->ok = l->ok && ln_fence_let(l->fence, path, write, l->err);
}

/* The folder that it lies in; where that is / and is only read, the file alone. */
static void let_beside(letting *l, const char *path, bool write) {
  char folder[PATH_MAX];
  const char *slash = strrchr(path, '/');
  size_t n = slash ? (size_t)(slash - path) : 0;
  if (n >= sizeof folder) return;
  snprintf(folder, sizeof folder, "%.*s", slash ? (int)n : 1, slash ? path : ".");
  let(l, !slash || n ? folder : write ? "/" : path, write);
}

/* Beside its name, and beside what that is a link to. */
static void let_with_links(letting *l, const char *path, bool write) {
  char real[PATH_MAX];
  let_beside(l, path, write);
  if (realpath(path, real)) let_beside(l, real, write);
}

static void let_list(letting *l, ln_list list, bool write) {
  for (size_t i = 0; i < list.n; i++) let(l, list.v[i].p, write);
}

static letting *walking; /* for nftw, which hands nothing on; there is one thread */

/* Where a link among the scripts leads: the folder of that, as of any script. */
static int let_link(const char *path, const struct stat *st, int kind, struct FTW *at) {
  char real[PATH_MAX];
  (void)st, (void)at;
  if (kind == FTW_SL && realpath(path, real)) let_beside(walking, real, false);
  return walking->ok ? 0 : 1;
}

static void let_scripts(letting *l, ln_list roots) {
  enum { OPEN = 16 };
  let_list(l, roots, false);
  walking = l;
  for (size_t i = 0; l->ok && i < roots.n; i++) {
    let_with_links(l, roots.v[i].p, false);
    nftw(roots.v[i].p, let_link, OPEN, FTW_PHYS);
  }
}

/* A key that is not there yet is made. */
static void let_key(letting *l, const char *path) { let_with_links(l, path, access(path, F_OK) != 0); }

static void let_store(letting *l, const ln_config *c) {
  ln_str path = c->store;
  if (ln_str_starts(path, LN_STR("sqlite:"))) path = (ln_str){path.p + 7, path.n - 7};
  let_with_links(l, path.p, true);
}

static void let_configured(letting *l, const ln_config *c) {
  const char *key = getenv("LUNETTE_KEY");
  let_store(l, c);
  let_scripts(l, c->scripts);
  let_scripts(l, c->stdlib);
  let_scripts(l, c->connectors_path);
  let_list(l, c->files, true);
  if (c->file.n) let(l, c->file.p, false);
  if (c->intake_folder.n) let(l, c->intake_folder.p, true);
  if (c->tls_cert.n) let_with_links(l, c->tls_cert.p, false);
  if (c->tls_key.n) let_with_links(l, c->tls_key.p, false);
  if (c->audit_checkpoints.n) let_with_links(l, c->audit_checkpoints.p, true);
  if (c->audit_key.n) let_key(l, c->audit_key.p);
  if (key && *key) let_key(l, key);
  else if (c->secrets_key.n) let_key(l, c->secrets_key.p);
}

static void let_system(letting *l) {
  const char *path;
  for (size_t i = 0; i < sizeof of_system / sizeof *of_system; i++) let(l, of_system[i], false);
  let(l, "/dev/null", true);
  let_with_links(l, "/etc/resolv.conf", false);
  for (size_t i = 0; i < sizeof files_of_env / sizeof *files_of_env; i++)
    if ((path = getenv(files_of_env[i])) && *path) let_with_links(l, path, false);
  for (size_t i = 0; i < sizeof folders_of_env / sizeof *folders_of_env; i++)
    if ((path = getenv(folders_of_env[i])) && *path) let(l, path, false);
}

/* ------------------------------------------------------------------ sealing */

static bool fence_files(const ln_config *c, ln_err *err) {
  letting l = {.fence = ln_fence_new(err), .ok = true, .err = err};
  if (l.fence < 0) return false;
  let_configured(&l, c);
  let_system(&l);
  if (l.ok) return ln_fence_enter(l.fence, err);
  close(l.fence);
  return false;
}

bool ln_seal_files(const ln_config *c, ln_err *err) {
  ln_err why = {.code = ""};
  if (c->seal == LN_SEAL_OFF || fence_files(c, &why)) return true;
  snprintf(why_text, sizeof why_text, "%s", why.message);
  why_files = why_text;
  return c->seal != LN_SEAL_REQUIRED ||
         ln_fail(err, "config", LN_FINAL, "seal = \"required\", and %s", why.message);
}

bool ln_seal_calls(const ln_config *c, ln_err *err) {
  ln_err why = {.code = ""};
  if (c->seal == LN_SEAL_OFF) return ln_log(LN_WARN, "seal", "files=open calls=open why=configuration"), true;
  bool calls = ln_fence_calls(&why);
  if (!calls && c->seal == LN_SEAL_REQUIRED)
    return ln_fail(err, "config", LN_FINAL, "seal = \"required\", and %s", why.message);
  if (calls && !why_files) ln_log(LN_INFO, "seal", "files=landlock-%d calls=seccomp", ln_fence_abi());
  else
    ln_log(LN_WARN, "seal", "files=%s calls=%s why=%s%s%s", why_files ? "open" : "landlock",
           calls ? "seccomp" : "open", why_files ? why_files : "", why_files && !calls ? "; " : "",
           why.message);
  return true;
}

const char *ln_seal_lacks(void) {
  bool files = ln_fence_abi() > 0, calls = ln_fence_calls_there();
  if (files && calls) return NULL;
  return files ? "seccomp" : calls ? "Landlock" : "Landlock and seccomp";
}
