/* cmd_check.c: lunette check. */
#include "cli/app.h"
int ln_cmd_check(int argc, char **argv) { (void)argc; return ln_app_usage("%s comes with the parser", argv[0]); }
