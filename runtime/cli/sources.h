/* sources.h: the Lua files that `lunette check` and `lunette test` read: those below the configured folders,
** which scripts are made of, their tests, and those that were asked for. */
#ifndef LN_SOURCES_H
#define LN_SOURCES_H

#include "engine/config.h"

#include <stdbool.h>

typedef struct ln_source {
  char *path, *real, *module;                            /* as shown; resolved; "t1059.harden"              */
  bool report;                                           /* it was asked for                                */
} ln_source;

typedef struct ln_sources {
  ln_source *v;
  size_t n, cap;
} ln_sources;

/* All below `scripts`, `stdlib` and `connectors_path`; scripts and connectors are asked for. */
bool ln_sources_configured(ln_sources *s, const ln_config *c, ln_err *err);
void ln_sources_ask_none(ln_sources *s);
/* Asks for a file, or for the files below a folder; what is not among the configured ones is added.  "usage":
** there is none. */
bool ln_sources_ask(ln_sources *s, const char *path, ln_err *err);
/* As an encoded array of { module, path, report, source }. */
bool ln_sources_read(const ln_sources *s, ln_buf *out, ln_err *err);
bool ln_source_is_test(const ln_source *f); /* NAME_test.lua: no script, but a test of playbooks */
size_t ln_sources_asked(const ln_sources *s);
void ln_sources_free(ln_sources *s);

#endif
