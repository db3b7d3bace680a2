/* sysfile.c: which files are never denied, excepted, evicted or ended by image: interpreters, and what
** belongs to an operating system, by name or by folder.  A name is brought to one spelling first, for an
** alert, a vendor or an attacker may write the same file in many ways
** (\\?\C:\WINDOWS\.\System32\CMD.EXE::$DATA, %windir%/system32/cmd.exe , \\host\admin$\system32\cmd.exe,
** /bin/../usr/bin/bash).  What cannot be spelt out counts as such a file.
**
** Of the 25 genuine T1059 alerts that name a process all name an interpreter or a host of the operating
** system, so the names below are the ones whose denial would take the shell away from a whole company.
**
** A hash has no name of its own.  Every document that a run sees (its input, and what its steps answered)
** tells which hash goes by which name; a hash that anything called by such a name is taken for that file. */
#include "engine/inside.h"

#include <stdlib.h>

enum { NAME_MAX_BYTES = 64 << 10, SEGMENTS = 256, SHORT_STEM = 6, DEEP = 100 };

static const char *const system_names[] = {
    /* interpreters and shells */
    "powershell.exe", "powershell_ise.exe", "pwsh.exe", "cmd.exe", "wscript.exe", "cscript.exe", "mshta.exe",
    "hh.exe", "rundll32.exe", "regsvr32.exe", "msbuild.exe", "installutil.exe", "regasm.exe", "regsvcs.exe",
    "cmstp.exe", "wmic.exe", "odbcconf.exe", "forfiles.exe", "pcalua.exe", "scriptrunner.exe", "bash.exe",
    "wsl.exe", "python.exe", "pythonw.exe", "py.exe", "pyw.exe", "pypy.exe", "node.exe", "deno.exe",
    "bun.exe", "lua.exe", "luajit.exe", "perl.exe", "ruby.exe", "rubyw.exe", "php.exe", "php-cgi.exe",
    "tclsh.exe", "java.exe", "javaw.exe", "autohotkey.exe", "autoit3.exe", "sh", "dash", "ash", "rbash",
    "zsh", "ksh", "mksh", "csh", "tcsh", "fish", "busybox", "toybox", "osascript", "awk", "gawk", "mawk",
    "sed", "env", "expect",
    /* of the operating system */
    "explorer.exe", "svchost.exe", "services.exe", "lsass.exe", "csrss.exe", "smss.exe", "wininit.exe",
    "winlogon.exe", "userinit.exe", "logonui.exe", "conhost.exe", "dllhost.exe", "taskhost.exe",
    "taskhostw.exe", "taskeng.exe", "sihost.exe", "ctfmon.exe", "dwm.exe", "fontdrvhost.exe", "spoolsv.exe",
    "runtimebroker.exe", "searchindexer.exe", "sppsvc.exe", "wmiprvse.exe", "wsmprovhost.exe", "msiexec.exe",
    "mmc.exe", "reg.exe", "regedit.exe", "schtasks.exe", "at.exe", "sc.exe", "net.exe", "net1.exe",
    "netsh.exe", "certutil.exe", "bitsadmin.exe", "wevtutil.exe", "vssadmin.exe", "wbadmin.exe",
    "bcdedit.exe", "whoami.exe", "tasklist.exe", "taskkill.exe", "control.exe", "notepad.exe", "curl.exe",
    "tar.exe", "ssh.exe", "ntoskrnl.exe", "ntdll.dll", "kernel32.dll", "kernelbase.dll", "user32.dll",
    "shell32.dll", "advapi32.dll", "ole32.dll", "combase.dll", "rpcrt4.dll", "msvcrt.dll", "ucrtbase.dll",
    "amsi.dll", "vbscript.dll", "jscript.dll", "jscript9.dll", "scrobj.dll", "mscoree.dll", "clr.dll",
    "system.management.automation.dll", "sudo", "su", "systemd", "init", "launchd", "sshd", "cron", "crond",
    "dbus-daemon", "dockerd", "containerd", "kubelet",
    /* what nearly everybody works with */
    "winword.exe", "excel.exe", "powerpnt.exe", "outlook.exe", "onenote.exe", "chrome.exe", "msedge.exe",
    "firefox.exe", "iexplore.exe", "lunette"};

/* These are also called by a version: python3.11, lua5.4, node-18. */
static const char *const versioned[] = {"python", "pythonw", "pypy", "lua",        "luajit",  "perl",
                                        "ruby",   "php",     "node", "java",       "bash",    "zsh",
                                        "ksh",    "tclsh",   "pwsh", "powershell", "busybox", "gawk"};

/* The first folders of a path, without the drive. */
static const char *const windows_folders[] = {"system32",   "syswow64",      "sysnative",
                                              "sysarm32",   "winsxs",        "servicing",
                                              "systemapps", "microsoft.net", "immersivecontrolpanel",
                                              "boot"};
static const char *const unix_folders[] = {"bin",   "sbin",   "lib",    "lib32",
                                           "lib64", "libx32", "system", "boot"};
static const char *const usr_folders[] = {"bin", "sbin", "lib", "lib32", "lib64", "libx32", "libexec"};

#define COUNT(list) (sizeof(list) / sizeof *(list))

static bool in_list(const char *const *list, size_t n, ln_str s) {
  for (size_t i = 0; i < n; i++)
    if (ln_str_eq(ln_str_of(list[i]), s)) return true;
  return false;
}

/* --- one spelling
** ----------------------------------------------------------------------------------------- */

typedef struct spelt {                                   /* a path: lower case, without what means nothing */
  ln_buf text;
  ln_str v[SEGMENTS];                                    /* its segments, without the drive                 */
  size_t n;
  bool absolute, windows;                                /* windows: it has a drive, or a name of such      */
} spelt;

/* With / for \, in lower case, without quotes and blanks around it. */
static bool lay_out(spelt *p, ln_str s) {
  s = ln_str_trim(s);
  while (s.n && (s.p[0] == '"' || s.p[0] == '\'')) s.p++, s.n--;
  while (s.n && (s.p[s.n - 1] == '"' || s.p[s.n - 1] == '\'')) s.n--;
  for (size_t i = 0; i < s.n && !ln_buf_failed(&p->text); i++) {
    char c = s.p[i];
    ln_buf_addc(&p->text, c == '\\' ? '/' : c >= 'A' && c <= 'Z' ? (char)(c + 32) : c ? c : ' ');
  }
  return !ln_buf_failed(&p->text);
}

static bool skip(ln_str *s, const char *prefix) {
  ln_str x = ln_str_of(prefix);
  if (!ln_str_starts(*s, x)) return false;
  *s = (ln_str){s->p + x.n, s->n - x.n};
  return true;
}

/* Windows drops dots and blanks at a segment's end; what follows a colon is a stream of the same file. */
static ln_str bare(ln_str s) {
  const char *colon = s.n ? memchr(s.p, ':', s.n) : NULL;
  if (colon) s.n = (size_t)(colon - s.p);
  while (s.n && (s.p[s.n - 1] == '.' || s.p[s.n - 1] == ' ')) s.n--;
  return s;
}

static bool is_drive(ln_str s) { return s.n == 2 && s.p[1] == ':' && s.p[0] >= 'a' && s.p[0] <= 'z'; }

static bool push(spelt *p, ln_str s) {
  if (p->n == SEGMENTS) return false;
  p->v[p->n++] = s;
  return true;
}

/* Segments that stand for a place, at the beginning: -1 none, 0 it is the drive, 1 it is the folder of
** Windows. */
static int place_of(ln_str s) {
  static const char *const folder[] = {"%systemroot%", "%windir%", "$env:systemroot",
                                       "$env:windir",  "admin$",   "systemroot"};
  static const char *const drive[] = {"%systemdrive%", "$env:systemdrive", "bootdevice"};
  if (in_list(folder, COUNT(folder), s)) return 1;
  if (is_drive(s) || in_list(drive, COUNT(drive), s) || (s.n == 2 && s.p[1] == '$')) return 0;
  return ln_str_starts(s, LN_STR("harddiskvolume")) || ln_str_starts(s, LN_STR("volume{")) ? 0 : -1;
}

static bool take_segment(spelt *p, ln_str s) {
  int place = p->n <= 2 ? place_of(s) : -1;              /* "//host/c$/…", "/device/harddiskvolume3/…"      */
  if (place >= 0) {
    p->n = 0;
    p->windows = p->absolute = true;
    return place == 0 || push(p, LN_STR("windows"));
  }
  while (s.n && s.p[s.n - 1] == ' ') s.n--;
  bool up = ln_str_eq(s, LN_STR(".."));
  s = bare(s);
  if (up) p->n -= p->n > 0;
  return up || !s.n || push(p, s);
}

/* Where another system's files are looked at from: WSL, Cygwin, a process's root. */
static void drop_mounts(spelt *p) {
  size_t k = 0;
  if (p->n > 2 && ln_str_eq(p->v[0], LN_STR("proc")) && ln_str_eq(p->v[2], LN_STR("root"))) k = 3;
  if (p->n > 2 && p->v[1].n == 1 &&
      (ln_str_eq(p->v[0], LN_STR("mnt")) || ln_str_eq(p->v[0], LN_STR("cygdrive"))))
    k = 2;
  for (size_t i = k; k && i < p->n; i++) p->v[i - k] = p->v[i];
  p->n -= k;
}

static bool spell(spelt *p, ln_str name) {
  if (!lay_out(p, name)) return false;
  ln_str rest = ln_buf_view(&p->text), s;
  while (skip(&rest, "file://") || skip(&rest, "//?/unc/") || skip(&rest, "//?/") || skip(&rest, "//./") ||
         skip(&rest, "/?"
                     "?/") ||
         skip(&rest, "globalroot/"))
    p->absolute = true;
  p->absolute = p->absolute || (rest.n && rest.p[0] == '/');
  for (bool more = true; more;) {
    more = ln_str_cut(rest, '/', &s, &rest);
    if (!take_segment(p, s)) return false;
  }
  drop_mounts(p);
  return true;
}

/* --- names and folders
** ------------------------------------------------------------------------------------ */

static bool named(ln_str name) {
  char with[64];
  if (in_list(system_names, COUNT(system_names), name)) return true;
  if (!name.n || name.n + 5 > sizeof with || memchr(name.p, '.', name.n)) return false;
  memcpy(with, name.p, name.n);                          /* a list of processes leaves ".exe" out           */
  memcpy(with + name.n, ".exe", 4);
  return in_list(system_names, COUNT(system_names), (ln_str){with, name.n + 4});
}

static ln_str without_exe(ln_str s) {
  return ln_str_ends(s, LN_STR(".exe")) ? (ln_str){s.p, s.n - 4} : s;
}

static bool is_versioned(ln_str name) {
  name = without_exe(name);
  while (name.n && strchr("0123456789.-_", name.p[name.n - 1])) name.n--;
  return in_list(versioned, COUNT(versioned), name);
}

/* POWERS~1.EXE: the first six letters, a number, and three letters of the extension. */
static bool is_short_for_one(ln_str name) {
  ln_str stem, number, ext;
  if (!ln_str_cut(name, '~', &stem, &number) || stem.n < 3 || stem.n > SHORT_STEM) return false;
  ln_str_cut(number, '.', &number, &ext);
  for (size_t i = 0; i < COUNT(system_names); i++) {
    ln_str full = ln_str_of(system_names[i]), its_stem, its_ext;
    ln_str_cut(full, '.', &its_stem, &its_ext);
    if (its_stem.n > 8 && ln_str_starts(its_stem, stem) && ln_str_starts(its_ext, ext)) return true;
  }
  return false;
}

static bool in_system_folder(const spelt *p) {
  if (p->n < 2) return false;
  if (ln_str_eq(p->v[0], LN_STR("windows")) && (p->windows || p->absolute))
    return (p->n == 2 && ln_str_ends(p->v[1], LN_STR(".exe"))) ||
           in_list(windows_folders, COUNT(windows_folders), p->v[1]);
  if (p->windows || !p->absolute) return false;
  if (ln_str_eq(p->v[0], LN_STR("usr"))) return p->n > 2 && in_list(usr_folders, COUNT(usr_folders), p->v[1]);
  return in_list(unix_folders, COUNT(unix_folders), p->v[0]);
}

bool ln_is_system_file(ln_str name) {
  spelt *p = calloc(1, sizeof *p);
  if (!p) return true;
  ln_buf_init(&p->text, NAME_MAX_BYTES);
  bool is = !spell(p, name);
  if (!is && p->n) {
    ln_str last = p->v[p->n - 1];
    is = named(last) || is_versioned(last) || is_short_for_one(last) || in_system_folder(p) ||
         ln_str_eq(last, LN_STR("%comspec%"));
  }
  ln_buf_free(&p->text);
  free(p);
  return is;
}

/* --- hashes that a document gave such a name
** -------------------------------------------------------------- */

static bool is_hash(ln_str s) {
  if (s.n != 32 && s.n != 40 && s.n != 64) return false;
  for (size_t i = 0; i < s.n; i++)
    if (!strchr("0123456789abcdefABCDEF", s.p[i]) || !s.p[i]) return false;
  return true;
}

/* Members that say what the thing itself is called: not who started it, nor what it was started by. */
static bool is_name_key(ln_str key) {
  static const char *const keys[] = {
      "name",      "path",        "filename",   "file_name",          "filepath",
      "file_path", "submit_name", "image_name", "original_file_name", "originalfilename"};
  for (size_t i = 0; i < COUNT(keys); i++)
    if (ln_str_ieq(key, ln_str_of(keys[i]))) return true;
  return false;
}

static void lower_hash(ln_str s, char out[65]) {
  for (size_t i = 0; i < s.n; i++) out[i] = s.p[i] >= 'A' && s.p[i] <= 'F' ? (char)(s.p[i] + 32) : s.p[i];
  out[s.n] = '\0';
}

static bool remember(ln_tally *t, ln_str hash) {
  char lower[65];
  lower_hash(hash, lower);
  return ln_tally_add(t, (ln_str){lower, hash.n}) > 0;
}

/* Is one of an object's own names a system file's? */
static bool has_system_name(ln_vitem o) {
  ln_str key;
  ln_vitem v;
  for (size_t i = 0; i < o.count && ln_v_read_key(&o.body, &key) && ln_v_read(&o.body, &v); i++)
    if (v.tag == 'S' && v.s.n && is_name_key(key) && ln_is_system_file(v.s)) return true;
  return false;
}

static bool has_hash(ln_vitem o) {
  ln_str key;
  ln_vitem v;
  for (size_t i = 0; i < o.count && ln_v_read_key(&o.body, &key) && ln_v_read(&o.body, &v); i++)
    if (v.tag == 'S' && is_hash(v.s)) return true;
  return false;
}

static bool look_through(ln_tally *t, ln_vitem v, int depth) {
  ln_str key;
  ln_vitem item;
  bool ok = true, object = v.tag == 'O' || v.tag == 'M' || v.tag == 'B',
       bad = object && has_hash(v) && has_system_name(v);
  if ((!object && v.tag != 'A') || depth > DEEP) return true;
  for (size_t i = 0; ok && i < v.count; i++) {
    if ((object && !ln_v_read_key(&v.body, &key)) || !ln_v_read(&v.body, &item)) return true;
    if (bad && item.tag == 'S' && is_hash(item.s)) ok = remember(t, item.s);
    else ok = look_through(t, item, depth + 1);
  }
  return ok;
}

bool ln_seen_add(ln_tally *t, ln_str value) {
  ln_vitem v;
  return !ln_v_read(&value, &v) || look_through(t, v, 0);
}

bool ln_seen_has(const ln_tally *t, ln_str hash) {
  char lower[65];
  if (!is_hash(hash)) return false;
  lower_hash(hash, lower);
  return ln_tally_has(t, (ln_str){lower, hash.n});
}
