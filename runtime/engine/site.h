/* site.h: a site's facts for runs against simulators, where nobody has configured any. */
#ifndef LN_SITE_H
#define LN_SITE_H

#include "engine/engine.h"

/* Appends an encoded object, playbook name -> inputs: what the modules called *.site among the scripts return
** when they are called with `root`, a folder that files may be written to.  g->host and g->config are
** needed. */
bool ln_site_facts(ln_engine *g, const char *root, ln_buf *facts, ln_err *err);

#endif
