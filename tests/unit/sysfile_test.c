/* sysfile_test.c: which files are the system's, however they are spelt, and which hashes a document says
** are. */
#include "engine/inside.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void known_by_name(void **state) {
  static const char *const names[] = {"powershell.exe",
                                      "POWERSHELL.EXE",
                                      "PowerShell",
                                      "pwsh",
                                      "cmd",
                                      "CMD.exe",
                                      "mshta.exe",
                                      "wscript.exe",
                                      "cscript.EXE",
                                      "rundll32.exe",
                                      "regsvr32.exe",
                                      "osascript",
                                      "bash",
                                      "sh",
                                      "python",
                                      "python3",
                                      "python3.11",
                                      "python3.11.exe",
                                      "lua5.4",
                                      "lua",
                                      "node",
                                      "node18",
                                      "node-18.2",
                                      "php8.2",
                                      "perl5.36.0",
                                      "java",
                                      "ruby3.1",
                                      "lsass.exe",
                                      "ntdll.dll",
                                      "lunette",
                                      "powershell.exe ",
                                      "powershell.exe.",
                                      "powershell.exe. . ",
                                      "powershell.exe::$DATA",
                                      "cmd.exe:evil.ps1",
                                      "\"powershell.exe\"",
                                      "POWERS~1.EXE",
                                      "powers~2",
                                      "INSTAL~1.EXE",
                                      "\tcmd.exe\n",
                                      "%COMSPEC%"};
  (void)state;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (!ln_is_system_file(ln_str_of(names[i]))) fail_msg("%s is not known", names[i]);
}

static void known_by_place(void **state) {
  static const char *const paths[] = {
      "C:\\Windows\\System32\\new.dll",
      "c:/windows/system32/new.dll",
      "\\\\?\\C:\\WINDOWS\\SysWOW64\\x.exe",
      "\\\\.\\C:\\Windows\\System32\\x.exe",
      "\\"
      "?"
      "?\\C:\\Windows\\System32\\x.exe",
      "C:\\Windows\\.\\System32\\x.exe",
      "C:\\Windows\\\\System32\\x.exe",
      "C:\\Users\\..\\Windows\\System32\\x.exe",
      "C:\\evil\\.. \\Windows\\System32\\x.exe",
      "C:\\Windows.\\System32 \\x.exe",
      "C:\\Windows\\x.exe",
      "\\Windows\\System32\\x.exe",
      "%windir%\\system32\\x.exe",
      "%SystemRoot%/System32/x",
      "%SystemDrive%\\Windows\\System32\\x.exe",
      "$env:windir\\system32\\x.exe",
      "\\SystemRoot\\System32\\x.sys",
      "\\Device\\HarddiskVolume3\\Windows\\System32\\x.exe",
      "\\\\?\\GLOBALROOT\\Device\\HarddiskVolume1\\Windows\\System32\\x.exe",
      "\\\\?\\Volume{b75e2c83-0000-0000-0000-602f00000000}\\Windows\\System32\\x.exe",
      "\\\\host\\C$\\Windows\\System32\\x.exe",
      "\\\\127.0.0.1\\admin$\\system32\\x.exe",
      "\\\\?\\UNC\\host\\admin$\\system32\\x.exe",
      "file:///C:/Windows/System32/x.exe",
      "C:\\Windows\\SysNative\\x.exe",
      "C:\\Windows\\Microsoft.NET\\Framework64\\v4.0.30319\\x.exe",
      "/mnt/c/Windows/System32/x.exe",
      "/cygdrive/c/windows/system32/x",
      "/bin/x",
      "/usr/bin/x",
      "/bin/../usr/bin/x",
      "//usr//bin/./x",
      "/usr/lib/x/y.so",
      "/proc/1/root/usr/bin/x",
      "/System/Library/x",
      "/opt/x/bin/bash",
      "/home/u/python3.9",
      "C:\\Users\\u\\Downloads\\powershell.exe"};
  (void)state;
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
    if (!ln_is_system_file(ln_str_of(paths[i]))) fail_msg("%s is not known", paths[i]);
}

static void others_are_not(void **state) {
  static const char *const paths[] = {"",
                                      ".",
                                      "..",
                                      "/",
                                      "\\",
                                      "C:",
                                      "C:\\",
                                      "launcher.vbs",
                                      "C:\\Users\\u\\Desktop\\launcher.vbs",
                                      "/tmp/x.sh",
                                      "/home/u/bin/x",
                                      "/usr/local/bin/x",
                                      "usr/bin",
                                      "C:\\Windows\\Temp\\x.ps1",
                                      "C:\\Windows\\System32\\..\\..\\evil\\x.exe",
                                      "C:\\WindowsApps\\x.exe",
                                      "D:\\System32\\x.exe",
                                      "pythonic.exe",
                                      "mynode.js",
                                      "cmd.exe.txt",
                                      "node.js",
                                      "lua_script.lua",
                                      "bash.sh",
                                      "powershell.ps1",
                                      "evil~1.exe",
                                      "po~1.exe",
                                      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                                      "command.ps1",
                                      "/windows-update/x",
                                      "C:\\bin\\x",
                                      "C:\\usr\\bin\\x.py"};
  (void)state;
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
    if (ln_is_system_file(ln_str_of(paths[i]))) fail_msg("%s is taken for the system's", paths[i]);
}

static void what_cannot_be_spelt_out_is(void **state) {
  (void)state;
  ln_buf b;
  ln_buf_init(&b, 1 << 20);
  for (int i = 0; i < 300; i++) ln_buf_addz(&b, "/x");
  assert_true(ln_is_system_file(ln_buf_view(&b)));
  ln_buf_cut(&b, 0);
  for (int i = 0; i < 70000; i++) ln_buf_addc(&b, 'x');
  assert_true(ln_is_system_file(ln_buf_view(&b)));
  ln_buf_free(&b);
  assert_true(ln_is_system_file((ln_str){"cmd.exe\0", 8}));
}

/* { K = V, … }, in order. */
static void put(ln_buf *b, const char *const pairs[][2], size_t n) {
  size_t mark = ln_v_begin(b, 'O', n);
  for (size_t i = 0; i < n; i++) {
    ln_v_key(b, ln_str_of(pairs[i][0]));
    ln_v_str(b, ln_str_of(pairs[i][1]));
  }
  ln_v_end(b, mark);
}

#define SHA "de96a6e69944335375dc1ac238336066889d9ffc7d73628ef4fe1b1b160ab32c"
#define SHA1 "6cbce4a295c163791b60fc23d285e6d84f28ee4c"
#define OTHER "1111111111111111111111111111111111111111111111111111111111111111"

static void a_document_names_hashes(void **state) {
  static const char *const process[][2] = {{"name", "powershell.exe"}, {"sha1", SHA1}, {"sha256", SHA}};
  static const char *const script[][2] = {{"image", "powershell.exe"}, {"name", "x.ps1"}, {"sha256", OTHER}};
  (void)state;
  ln_tally t = {0};
  ln_buf b;
  ln_buf_init(&b, 1 << 16);
  size_t list = ln_v_begin(&b, 'A', 3);
  put(&b, process, 3);
  put(&b, script, 3);
  ln_v_nil(&b);
  ln_v_end(&b, list);
  assert_true(ln_seen_add(&t, ln_buf_view(&b)));
  assert_true(ln_seen_has(&t, LN_STR(SHA)));
  assert_true(ln_seen_has(&t, LN_STR(SHA1)));
  assert_true(ln_seen_has(&t, LN_STR("DE96A6E69944335375DC1AC238336066889D9FFC7D73628EF4FE1B1B160AB32C")));
  assert_false(ln_seen_has(&t, LN_STR(OTHER)));
  assert_false(ln_seen_has(&t, LN_STR("powershell.exe")));
  ln_tally_free(&t);
  ln_buf_free(&b);
}

static void torn_values_are_passed_over(void **state) {
  static const char *const process[][2] = {{"name", "powershell.exe"}, {"sha256", SHA}};
  (void)state;
  ln_buf b;
  ln_buf_init(&b, 1 << 16);
  put(&b, process, 2);
  for (size_t n = 0; n < b.n; n++) {
    ln_tally t = {0};
    assert_true(ln_seen_add(&t, (ln_str){b.p, n}));
    ln_tally_free(&t);
  }
  ln_buf_free(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(known_by_name),         cmocka_unit_test(known_by_place),
      cmocka_unit_test(others_are_not),        cmocka_unit_test(what_cannot_be_spelt_out_is),
      cmocka_unit_test(a_document_names_hashes), cmocka_unit_test(torn_values_are_passed_over)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
