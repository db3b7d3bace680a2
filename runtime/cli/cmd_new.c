/* cmd_new.c: lunette new playbook|connector|test NAME: a skeleton that passes `check` and `test`, below
** the first folder of scripts, or of connectors_path. */
#include "cli/cmd_test.h"

#include "debug/playtest_from.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct option options[] = {LN_COMMON_OPTIONS};
static const char help[] =
    "usage: lunette new playbook|connector|test NAME [--config FILE]\n"
    "Writes a skeleton: of a playbook to NAME.lua (dots are folders), of its test to NAME_test.lua, below\n"
    "the first folder of `scripts`; of a connector to NAME.lua in the first folder of `connectors_path`.\n";

/* $ stands for the file's own name, @ for the whole. */
static const char playbook[] =
    "-- $.lua: say in a line what this playbook is for.\n"
    "return playbook {\n"
    "  name    = \"@\",\n"
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

static const char connector[] =
    "-- $.lua: say in a line which product this is, and where its interface is described.\n"
    "return connector {\n"
    "  name   = \"@\",\n"
    "  config = { token = \"secret\" },       -- its further keys in lunette.conf.lua\n"
    "  auth   = { kind = \"header\", header = \"Authorization\", secret = \"token\" },\n"
    "  operations = {\n"
    "    item = {\n"
    "      summary = \"One item, by its id.\",\n"
    "      source  = \"where the vendor says so\",\n"
    "      class   = \"read\",\n"
    "      params  = { id = \"string\" },\n"
    "      method  = \"GET\", path = \"/items/{id}\",\n"
    "      expect  = { 200 },\n"
    "      result  = function(body) return { id = body.id, name = body.name } end,\n"
    "    },\n"
    "  },\n"
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

/* The path of a module's file below root, its folders made. */
static bool path_of(const char *root, const char *name, const char *ending, char *path, size_t n) {
  size_t at = strlen(root) + 1;
  if (snprintf(path, n, "%s/%s%s", root, name, ending) >= (int)n) return false;
  for (char *c = path + at; *c && c < path + at + strlen(name); c++)
    if (*c == '.') *c = '/';
  return make_folders(path) || (ln_app_usage("the folder of %s cannot be made", path), false);
}

static bool put_skeleton(int fd, const char *skeleton, const char *name) {
  const char *dot = strrchr(name, '.');
  ln_buf b;
  ln_buf_init(&b, 1 << 16);
  for (const char *c = skeleton; *c; c++) {
    if (*c == '$') ln_buf_addz(&b, dot ? dot + 1 : name);
    else if (*c == '@') ln_buf_addz(&b, name);
    else ln_buf_addc(&b, *c);
  }
  ln_str text = ln_buf_view(&b);
  bool ok = !ln_buf_failed(&b) && write(fd, text.p, text.n) == (ssize_t)text.n;
  ln_buf_free(&b);
  return ok;
}

static int write_new(const char *root, const char *name, const char *skeleton) {
  char path[1024];
  if (!path_of(root, name, ".lua", path, sizeof path)) return LN_EXIT_FAILED;
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0 && errno == EEXIST)
    return ln_app_usage("%s is there already: take another name", path), LN_EXIT_FAILED;
  if (fd < 0) return ln_app_usage("%s cannot be made: %s", path, strerror(errno)), LN_EXIT_FAILED;
  bool ok = put_skeleton(fd, skeleton, name);
  ok = close(fd) == 0 && ok;
  if (!ok) return ln_app_usage("%s cannot be written: %s", path, strerror(errno)), LN_EXIT_FAILED;
  ln_app_put(stdout, ln_str_of(path), 0);
  putchar('\n');
  return LN_EXIT_DONE;
}

/* ------------------------------------------------------------------ a test */

typedef struct test_of {
  ln_declared declared;
  char file[128];
} test_of;

static bool text_of(void *arg, ln_engine *g, const ln_test_seen *s, ln_buf *out, ln_err *err) {
  const test_of *t = arg;
  return ln_playtest_skeleton(g, ln_buf_view(&t->declared.value), ln_str_of(t->file), ln_str_of(s->ended),
                              out, err);
}

static int make_test(ln_app *app, ln_config *c, const char *name) {
  char path[1024];
  ln_err err = {0};
  test_of t;
  ln_test_making m = {path, text_of, &t, "complete it, or its input"};
  if (!path_of(c->scripts.v[0].p, name, "_test.lua", path, sizeof path)) return LN_EXIT_FAILED;
  const char *last = strrchr(path, '/');
  snprintf(t.file, sizeof t.file, "%.120s", last ? last + 1 : path);
  int code = ln_playbook_declared(&app->g, ln_str_of(name), &t.declared, &err) ? ln_test_make(&m, app, c)
                                                                               : ln_app_fail(&err);
  ln_declared_free(&t.declared);
  return code;
}

static int new_test(const char *config, ln_config *c, const char *name) {
  ln_app_opts o = {.config = config, .no_store = true};
  ln_app app;
  ln_err err = {0};
  int code = ln_app_open(&app, &o, &err) ? make_test(&app, c, name) : ln_app_fail(&err);
  ln_app_close(&app);
  return code;
}

/* ------------------------------------------------------------------ the command */

static int make(const char *what, const char *config, ln_config *c, const char *name) {
  if (strcmp(what, "connector") == 0) {
    if (!c->connectors_path.n)
      return ln_app_usage("there is no folder of connectors: connectors_path in lunette.conf.lua names one");
    return write_new(c->connectors_path.v[0].p, name, connector);
  }
  if (!c->scripts.n) return ln_app_usage("there is no folder of scripts");
  return strcmp(what, "test") == 0 ? new_test(config, c, name) : write_new(c->scripts.v[0].p, name, playbook);
}

static bool is_what(const char *word) {
  return strcmp(word, "playbook") == 0 || strcmp(word, "connector") == 0 || strcmp(word, "test") == 0;
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
  if (optind + 2 != argc || !is_what(argv[optind]))
    return ln_app_usage("new takes: playbook, connector or test, and NAME");
  const char *what = argv[optind], *name = argv[optind + 1];
  if (!good_name(name) || (strcmp(what, "connector") == 0 && strchr(name, '.')))
    return ln_app_usage("%s: a name is letters, digits, _ and, but for a connector's, dots between them",
                        name);
  ln_config *c = ln_config_load(config, &err);
  int code = c ? make(what, config, c, name) : ln_app_fail(&err);
  ln_config_free(c);
  return code;
}
