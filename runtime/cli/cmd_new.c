/* cmd_new.c: lunette new playbook NAME: a skeleton that passes `check`, below the first folder of scripts. */
#include "cli/app.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct option options[] = {LN_COMMON_OPTIONS};
static const char help[] =
    "usage: lunette new playbook NAME [--config FILE]\n"
    "Writes a skeleton to NAME.lua (dots are folders) below the first folder of `scripts`.\n";

static const char skeleton[] =
    "-- %s.lua: say in a line what this playbook is for.\n"
    "return playbook {\n"
    "  name    = \"%s\",\n"
    "  summary = \"What it does, in one sentence\",\n"
    "  uses    = {},                       -- the connectors, operations and playbooks that it may use\n"
    "  input   = { host = \"string\" },\n"
    "\n"
    "  run = function(input)\n"
    "    local name = step(\"lower\", function() return input.host:lower() end)\n"
    "    found { severity = \"informational\", title = \"Looked at \" .. name }\n"
    "    return { host = name }\n"
    "  end,\n"
    "}\n";

static bool good_name(const char *s) {
  for (const char *c = s; *c; c++) {
    bool word = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '_';
    if (!word && !(*c == '.' && c != s && c[1] && c[1] != '.')) return false;
  }
  return s[0] && strlen(s) < 100;
}

static bool make_folders(char *path) {
  for (char *c = path + 1; *c; c++)
    if (*c == '/') {
      *c = 0;
      bool ok = mkdir(path, 0755) == 0 || errno == EEXIST;
      *c = '/';
      if (!ok) return false;
    }
  return true;
}

static int write_new(const char *root, const char *name) {
  char path[1024], text[2048], module[128];
  snprintf(module, sizeof module, "%s", name);
  for (char *c = module; *c; c++)
    if (*c == '.') *c = '/';
  if (snprintf(path, sizeof path, "%s/%s.lua", root, module) >= (int)sizeof path || !make_folders(path))
    return ln_app_usage("the folder of %s.lua cannot be made below %s", module, root), LN_EXIT_FAILED;
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0 && errno == EEXIST)
    return ln_app_usage("%s is there already: take another name", path), LN_EXIT_FAILED;
  if (fd < 0) return ln_app_usage("%s cannot be made: %s", path, strerror(errno)), LN_EXIT_FAILED;
  const char *last = strrchr(module, '/');
  int n = snprintf(text, sizeof text, skeleton, last ? last + 1 : module, name);
  bool ok = write(fd, text, (size_t)n) == n;
  ok = close(fd) == 0 && ok;
  if (!ok) return ln_app_usage("%s cannot be written: %s", path, strerror(errno)), LN_EXIT_FAILED;
  ln_app_put(stdout, ln_str_of(path), 0);
  putchar('\n');
  return LN_EXIT_DONE;
}

int ln_cmd_new(int argc, char **argv) {
  ln_err err = {0};
  const char *config = NULL;
  int opt;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, options)) != -1) {
    if (opt == LN_OPT_HELP) return fputs(help, stdout), 0;
    if (opt == '?') return LN_EXIT_USAGE;
    if (opt == LN_OPT_CONFIG) config = optarg;
  }
  if (optind + 2 != argc || strcmp(argv[optind], "playbook") != 0)
    return ln_app_usage("new takes: playbook NAME");
  if (!good_name(argv[optind + 1]))
    return ln_app_usage("%s: a name is letters, digits, _ and dots between them", argv[optind + 1]);
  ln_config *c = ln_config_load(config, &err);
  if (!c) return ln_app_fail(&err);
  int code = c->scripts.n ? write_new(c->scripts.v[0].p, argv[optind + 1])
                          : ln_app_usage("there is no folder of scripts");
  ln_config_free(c);
  return code;
}
